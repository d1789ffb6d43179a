package bot

import (
	"strings"
	"testing"
	"time"

	"groupmail/ticketing"
)

func TestOpeningLine(t *testing.T) {
	since := time.Date(2026, 3, 6, 17, 0, 0, 0, time.UTC)
	one := func(who, what, message string) ticketing.Listed {
		return ticketing.Listed{
			Conversation: ticketing.Conversation{With: ticketing.Address{Name: who}, Subject: what, Waits: since.Add(time.Hour)},
			Card:         ticketing.Post{Message: message},
		}
	}
	dr := ticketing.Drawing{Group: ticketing.Group{Title: "Help desk"}, Opening: ticketing.Opening{
		Since: since, Count: 12, First: []ticketing.Listed{one("Maria", "Heating", "m1"), one("", "", "")},
	}}
	link := func(message string) string {
		if message == "" {
			return ""
		}
		return "https://chat.example/" + message
	}
	for show, want := range map[ticketing.Show][]string{
		ticketing.ShowFull:   {"☀ 12 new", "oldest first", "Maria: Heating", "unknown sender: (no subject)", "and 10 more", "[Queue]"},
		ticketing.ShowSender: {"☀ 12 new", "Maria", "and 10 more"},
	} {
		m := openingLine(dr, show, link)
		got := text(m)
		for _, part := range want {
			if !strings.Contains(got, part) {
				t.Errorf("%s: no %q in\n%s", show, part, got)
			}
		}
		if show == ticketing.ShowSender && strings.Contains(got, "Heating") {
			t.Errorf("a subject is shown:\n%s", got)
		}
		if !leadsTo(m, "https://chat.example/m1") || leadsTo(m, "https://chat.example/") {
			t.Errorf("%s: it leads elsewhere:\n%s", show, got)
		}
	}
	dr.Opening.Count, dr.Opening.First = 0, nil
	if got := text(openingLine(dr, ticketing.ShowFull, link)); !strings.Contains(got, "✓ Nothing that came since") {
		t.Errorf("with nothing left:\n%s", got)
	}
}

// asked keeps a post for Ann that asks about a conversation of hers, as the sweep does.
func (w *world) asked(key string, about ticketing.ConversationID, state ticketing.State) *posted {
	w.t.Helper()
	err := w.store.Change(w.t.Context(), func(tx ticketing.Tx) error {
		c, err := tx.Conversation(about)
		if err != nil {
			return err
		}
		c.State, c.Reminded = state, w.bot.Clock()
		if err := tx.SetConversation(c); err != nil {
			return err
		}
		_, err = tx.AddPost(ticketing.Post{Key: key, Kind: ticketing.AskPost, Group: "help", Board: "x/board", To: "x:ann", Conversation: about, Made: c.Reminded}, "", time.Time{})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.found(key)
}

func TestAsking(t *testing.T) {
	w := newWorld(t, nil)
	w.arrives("Heating", "cold")
	card := w.card("Heating")
	w.click(0, card, "take")
	w.shows(card, "Taken by Ann")
	post, err := w.desk.FindPost(t.Context(), card.m.Key, "", "")
	if err != nil {
		t.Fatal(err)
	}
	p := w.asked("idle", post.Conversation, ticketing.Taken)
	if got := text(p.m); p.channel != "@ann" || !strings.Contains(got, "#1 lies idle with you") || !strings.Contains(got, "released by itself") || !strings.Contains(got, "[Keep]") || !strings.Contains(got, "[Release]") {
		t.Errorf("in %s:\n%s", p.channel, got)
	}
	w.click(0, p, "keep")
	w.shows(p, "#1: taken by you")

	p = w.asked("idle again", post.Conversation, ticketing.Taken)
	w.click(0, p, "release")
	w.shows(p, "#1: it waits for somebody again")
	w.shows(card, "New")

	w.click(0, card, "take")
	w.shows(card, "Taken by Ann")
	p = w.asked("answered", post.Conversation, ticketing.Waiting)
	if got := text(p.m); !strings.Contains(got, "#1 waits for the sender") || !strings.Contains(got, "[Keep waiting]") {
		t.Errorf("it says\n%s", got)
	}
	f := w.click(0, p, "close").Form
	if f == nil {
		t.Fatal("no form asks for the outcome")
	}
	w.submit(0, f, map[string]string{"outcome": "phoned"})
	w.shows(p, "#1: closed")
}
