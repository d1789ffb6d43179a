package bot

import (
	"strings"
	"testing"
	"time"

	"groupmail/ticketing"
)

// leaves lets Ben go, for more than an hour.
func (w *world) leaves() {
	w.t.Helper()
	w.chat.mu.Lock()
	w.chat.alone = true
	w.chat.mu.Unlock()
	w.bot.people.refresh(w.t.Context())
	w.bot.sweepOverdue(w.t.Context())
	w.skip.Add(int64(2 * time.Hour))
	w.bot.sweepOverdue(w.t.Context())
}

func TestLeaver(t *testing.T) {
	w := newWorld(t, nil)
	for _, subject := range []string{"Heating", "Water", "Light"} {
		w.arrives(subject, "cold "+subject)
		w.click(1, w.card(subject), "take")
	}
	card := w.card("Light")
	w.shows(card, "Taken by Ben")
	if got := said(w.command(1, "assign #2 @ann")); strings.Contains(got, "know whom") {
		t.Fatal(got)
	}
	w.leaves()
	p := w.told("Ben has left Help desk")
	got := text(p.m)
	for _, part := range []string{"2 taken conversations", "#1 ", "Heating", "Light", "[Hand over…]", "[Release all]"} {
		if !strings.Contains(got, part) {
			t.Errorf("no %q in\n%s", part, got)
		}
	}
	if p.channel != "@ann" || strings.Contains(got, "Water") {
		t.Errorf("in %s\n%s", p.channel, got)
	}
	f := w.click(0, p, "lefthand").Form
	if f == nil || len(f.Fields[0].Options) != 1 || f.Fields[0].Options[0].Value != "x:ann" {
		t.Fatalf("%+v", f)
	}
	if got := said(w.click(0, p, "leftrelease")); !strings.Contains(got, "✓ 2 conversations released.") {
		t.Error(got)
	}
	w.shows(p, "✓ Nothing is with Ben any more")
	w.shows(card, "New")
	w.line("Released by Ann, since Ben has left")
	if got := said(w.submit(0, f, map[string]string{"member": "x:ann"})); !strings.Contains(got, "Nothing was left") {
		t.Error(got)
	}
}

func TestLeaverIsHandedOver(t *testing.T) {
	w := newWorld(t, nil)
	w.arrives("Heating", "cold")
	card := w.card("Heating")
	w.click(1, card, "take")
	w.shows(card, "Taken by Ben")
	w.leaves()
	p := w.told("1 taken conversation:")
	if got := said(w.submit(0, w.click(0, p, "lefthand").Form, map[string]string{"member": "x:ann"})); !strings.Contains(got, "✓ 1 handed over.") {
		t.Error(got)
	}
	w.shows(card, "Taken by Ann")
	w.shows(p, "✓ Nothing is with Ben any more")
}

// Whom a colleague gives a conversation to is told.
func TestAssignedIsTold(t *testing.T) {
	w := newWorld(t, nil)
	w.arrives("Heating", "cold")
	w.click(0, w.card("Heating"), "take")
	w.command(0, "assign #1 @ben")
	p := w.told("➜ Ann gave you #1")
	if p.channel != "@ben" || !strings.Contains(text(p.m), "Heating") || strings.Contains(text(p.m), "x:ben") {
		t.Errorf("in %s:\n%s", p.channel, text(p.m))
	}
}

func TestLeftLine(t *testing.T) {
	dr := ticketing.Drawing{Group: ticketing.Group{Title: "Help desk"}, Left: ticketing.Left{
		Member: ticketing.Member{ID: "x:ben", Name: "Ben"}, Taken: 7, Waits: 1, Todos: 2,
		First: []ticketing.Listed{{Conversation: ticketing.Conversation{Number: 3, State: ticketing.Waiting, With: ticketing.Address{Name: "Maria"}, Subject: "Heating"}}},
	}}
	none := func(string) string { return "" }
	got := text(leftLine(dr, ticketing.ShowFull, none))
	for _, part := range []string{"Ben has left Help desk", "7 taken conversations, 1 that waits for its sender and 2 to-dos", "◇ ", "#3 Maria: Heating", "and 7 more", "[Hand over…]", "[Release all]"} {
		if !strings.Contains(got, part) {
			t.Errorf("no %q in\n%s", part, got)
		}
	}
	if got := text(leftLine(dr, ticketing.ShowSender, none)); strings.Contains(got, "Heating") {
		t.Errorf("a subject is shown:\n%s", got)
	}
	dr.Left = ticketing.Left{Member: dr.Left.Member, Todos: 1}
	if got := text(leftLine(dr, ticketing.ShowFull, none)); !strings.Contains(got, "still has 1 to-do:") || strings.Contains(got, "[Release all]") {
		t.Error(got)
	}
}
