package bot

import (
	"slices"
	"strings"
	"testing"

	"groupmail/ticketing"
)

func TestNewMailInChat(t *testing.T) {
	w := newWorld(t, nil)
	by := ticketing.By{Group: "help"}
	if _, err := w.desk.AddContact(t.Context(), by, ticketing.ContactInput{Name: "Maria Kovács", Addresses: []string{"maria@example.net"}}, 0); err != nil {
		t.Fatal(err)
	}
	field := func(f *Form, name string) string {
		for _, x := range f.Fields {
			if x.Name == name {
				return x.Value
			}
		}
		return "no such field"
	}
	if f := w.command(0, "new peter@example.net Your order").Form; field(f, "to") != "peter@example.net" || field(f, "subject") != "Your order" {
		t.Errorf("%+v", f)
	}
	if f := w.command(0, "new kovacs").Form; field(f, "to") != `"Maria Kovács" <maria@example.net>` {
		t.Errorf("%+v", f)
	}
	f := w.whispered(0, w.command(0, "contact maria"), "newto").Form
	if a := w.submit(0, f, map[string]string{"subject": "x", "text": "x", "to": "Marja"}); !strings.Contains(a.Errors["to"], "Did you mean: Maria Kovács") {
		t.Errorf("%+v", a)
	}
	if a := w.submit(0, f, map[string]string{"text": "x"}); a.Errors["subject"] == "" {
		t.Errorf("%+v", a)
	}
	a := w.submit(0, f, map[string]string{"to": "maria; peter@example.net", "subject": "Your order", "text": "It is here."})
	if got := said(a); !strings.Contains(got, "maria@example.net") || !strings.Contains(got, "peter@example.net") {
		t.Errorf("%s", got)
	}
	card := w.card("Your order")
	w.shows(card, "◆ Taken by Ann")
	w.shows(card, "☺ Known: Maria Kovács")
	w.line("It is here.")
	if got := said(w.whispered(0, a, "stop")); strings.Contains(got, "did not work") {
		t.Errorf("%s", got)
	}
	w.line("⏹ Stopped")
}

func TestTicketWithAContactInChat(t *testing.T) {
	w := newWorld(t, nil)
	if _, err := w.desk.AddContact(t.Context(), ticketing.By{Group: "help"}, ticketing.ContactInput{Name: "Maria Kovács", Addresses: []string{"maria@example.net"}}, 0); err != nil {
		t.Fatal(err)
	}
	f := w.whispered(0, w.command(0, "contact maria"), "ticketwith").Form
	if got := said(w.submit(0, f, map[string]string{"summary": "Came by", "note": "Wants a chair", "after": "phoned"})); !strings.Contains(got, "closed: phoned") {
		t.Errorf("%s", got)
	}
	w.shows(w.card("Came by"), "✓ Closed: phoned")
	w.shows(w.card("Came by"), "☺ Known: Maria Kovács")
	w.submit(0, w.command(0, "ticket Rang").Form, map[string]string{"with": "maria kovács"})
	w.shows(w.card("Rang"), "☺ Known: Maria Kovács")
	w.submit(0, w.command(0, "ticket Somebody rang").Form, map[string]string{"with": "Mar"}) // a beginning is not enough to say who it was
	w.shows(w.card("Somebody rang"), "with Mar")
}

func TestWatchAndForwardInChat(t *testing.T) {
	w := newWorld(t, nil)
	c, err := w.desk.AddContact(t.Context(), ticketing.By{Group: "help"}, ticketing.ContactInput{Name: "Maria Kovács", Addresses: []string{"maria@example.net"}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.command(1, "watch maria")
	w.arrives("Heating broken", "It is cold.")
	line := w.told("✉ Maria Kovács has written")
	if got := text(line.m); !strings.Contains(got, "Heating broken") || !strings.Contains(got, "It is cold.") || !strings.Contains(got, "[Don’t watch]") {
		t.Errorf("%s", got)
	}
	w.click(1, line, "unwatch")
	if k, err := w.desk.Contact(t.Context(), "help", "", c.ID); err != nil || len(k.Watchers) != 0 {
		t.Errorf("%+v, %v", k.Watchers, err)
	}
	w.click(0, w.card("Heating broken"), "take")
	if got := said(w.command(0, "forward #1 @ben please look")); !strings.Contains(got, "✓ Ben is pointed to #1") {
		t.Errorf("%s", got)
	}
	w.told("➜ Ann points you to #1 Maria: Heating broken")
	f := w.command(0, "forward #1").Form
	w.submit(0, f, map[string]string{"member": "x:ben", "note": "by form"})
	w.told("“by form”")
	if _, err := w.desk.NewPage(t.Context(), ticketing.By{Group: "help", Member: ticketing.Member{ID: "x:ann", Name: "Ann"}}, "Boiler room", "First …", ""); err != nil {
		t.Fatal(err)
	}
	if got := said(w.command(0, "forward boiler room @ben for tomorrow")); !strings.Contains(got, "✓ Ben is pointed to “Boiler room”") {
		t.Errorf("%s", got)
	}
	w.told("➜ Ann points you to the page “Boiler room”")
	if got := said(w.command(0, "forward #1 @nobody x")); !strings.Contains(got, "I don't know whom you mean") {
		t.Errorf("%s", got)
	}
}

// told waits for a direct message.
func (w *world) told(part string) (p *posted) {
	w.t.Helper()
	w.until("somebody is told "+part, func() bool {
		i := slices.IndexFunc(w.chat.posts, func(x *posted) bool { return strings.HasPrefix(x.channel, "@") && strings.Contains(text(x.m), part) })
		if i >= 0 {
			p = w.chat.posts[i]
		}
		return i >= 0
	})
	return p
}
