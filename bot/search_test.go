package bot

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"groupmail/ticketing"
)

func TestSearchInChat(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 25 {
		w.arrives(fmt.Sprintf("Order %d of chairs", i), "Please send *chairs* & <tables>, Grüße")
	}
	if _, err := w.desk.AddContact(t.Context(), ticketing.By{Group: "help"}, ticketing.ContactInput{Name: "Chair Makers", Numbers: []string{"K-77"}}, 0); err != nil {
		t.Fatal(err)
	}
	w.submit(0, w.command(0, "ticket").Form, map[string]string{"summary": "Rang about a chair", "with": "Maria"})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error)
	go func() { ran <- w.store.Run(ctx) }() // it keeps the search up to date
	defer func() {
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	}()
	for !strings.Contains(said(w.command(0, "search rang")), "☎ #") {
		time.Sleep(50 * time.Millisecond)
	}
	if got := said(w.command(0, "search chair")); !strings.Contains(got, "☺ Chair Makers") || !strings.Contains(got, "Order 24 of") {
		t.Errorf("%s", got)
	}
	a := w.command(0, "search chairs gruße")
	got := said(a)
	if !strings.Contains(got, "Order 24 of chairs") || strings.Contains(got, "Order 14 of") || !strings.Contains(got, "· new") || !strings.Contains(got, "<tables>") {
		t.Errorf("%s", got)
	}
	if got = said(w.whispered(0, a, "olderfound")); !strings.Contains(got, "Order 14 of chairs") || strings.Contains(got, "Order 15 of") {
		t.Errorf("%s", got)
	}
	bold := false
	for _, l := range a.Whisper.Lines {
		for _, s := range l {
			bold = bold || s.Strong && s.Text == "Grüße"
		}
	}
	if !bold {
		t.Errorf("what was found is not marked: %+v", a.Whisper.Lines)
	}
	for text, want := range map[string]string{
		"search no-such-word": "Nothing is found.", "search state:odd x": "none of open", "search --": "What do you look for?", "search state:open from:maria chairs": "Order 24",
		"search state:closed chairs": "Nothing is found.", "search k77": "Nothing is found.", `search "of chairs"`: "Order 24",
	} {
		if got := said(w.command(0, text)); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %q", text, got, want)
		}
	}
	form := w.command(0, "search").Form
	if a := w.submit(0, form, map[string]string{"text": "before:never"}); a.Errors[""] == "" {
		t.Errorf("%+v", a)
	}
	if got := said(w.submit(0, form, map[string]string{"text": "tables"})); !strings.Contains(got, "Order 24") {
		t.Errorf("%s", got)
	}
}
