package bot

import (
	"fmt"
	"strings"
	"testing"

	"groupmail/ticketing"
)

// "Discard all" goes as far as what was held when it was offered.
func TestDiscardAllThatWereSeen(t *testing.T) {
	w := newWorld(t, nil)
	away := func(i int) {
		w.receives(ticketing.Mail{From: ticketing.Address{Addr: "p@example.net"}, Subject: fmt.Sprintf("Away %d", i), Text: "until Monday", Reply: "until Monday", AutoReply: true})
	}
	away(0)
	away(1)
	held := w.posted(ticketing.HeldPost)
	w.shows(held, "Held: 2 mails")
	a := w.click(0, held, "held")
	away(2)
	w.whispered(0, a, "discardall")
	w.shows(held, "Held: 1 mail ")
	if got := said(w.command(0, "held")); !strings.Contains(got, "Away 2") {
		t.Errorf("left: %s", got)
	}
}

// What is held is for the channel's members alone.
func TestHeldIsForMembers(t *testing.T) {
	w := newWorld(t, nil)
	w.receives(ticketing.Mail{From: ticketing.Address{Addr: "p@example.net"}, Subject: "Away", Text: "secret", Reply: "secret", AutoReply: true})
	a := w.click(0, w.posted(ticketing.HeldPost), "held")
	for _, who := range []Person{{ID: "eve", Handle: "eve", Name: "Eve"}, {ID: "ann", Handle: "ann", Name: "Ann", Guest: true}} {
		refused := func(what string, a Answer) {
			t.Helper()
			if !strings.Contains(said(a), "Only members of this channel") || strings.Contains(said(a), "secret") {
				t.Errorf("%s, %s: %s", who.Name, what, said(a))
			}
		}
		refused("command", w.chat.hub.Command(t.Context(), Command{Event: "e" + who.ID, Who: who, Channel: "board", Name: CommandName, Text: "held"}))
		for _, b := range a.Whisper.Buttons {
			for _, x := range append(b.Menu, b) {
				if x.ID != "" {
					refused(x.ID, w.chat.hub.Click(t.Context(), Click{Event: "c" + who.ID + x.ID, Who: who, Channel: "board", Button: x.ID, Value: x.Value}))
				}
			}
		}
	}
}
