package bot

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"groupmail/ticketing"
)

// shownButtons are the labels of a whisper.
func shownButtons(a Answer) (labels []string) {
	for _, b := range a.Whisper.Buttons {
		labels = append(labels, b.Label)
	}
	return labels
}

// The queue tells how many there are, and its pages are turned where it stands.
func TestPagesOfTheQueue(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 45 {
		w.arrives(fmt.Sprintf("Subject %02d!", i), "text")
	}
	is := func(a Answer, heading, first, last string, buttons ...string) {
		t.Helper()
		got := said(a)
		if !strings.Contains(got, heading) || !strings.Contains(got, first) || !strings.Contains(got, last) || strings.Count(got, "Subject") > 2*listed || !slices.Equal(shownButtons(a), buttons) {
			t.Errorf("%q %s", shownButtons(a), got)
		}
	}
	a := w.command(0, "queue")
	is(a, "Waits for somebody: 1–20 of 45", "Subject 00!", "Subject 19!", "Newer")
	a = w.whispered(0, a, "newer")
	is(a, "21–40 of 45", "Subject 20!", "Subject 39!", "Older", "Newer")
	a = w.whispered(0, a, "newer")
	is(a, "41–45 of 45", "Subject 40!", "Subject 44!", "Older")
	a = w.whispered(0, a, "older")
	is(a, "21–40 of 45", "Subject 20!", "Subject 39!", "Older", "Newer")
	is(w.whispered(0, a, "older"), "1–20 of 45", "Subject 00!", "Subject 19!", "Newer")

	all, err := w.desk.List(t.Context(), "x/board", ticketing.Waits("help", ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all.List[:44] {
		if _, err := w.desk.Take(t.Context(), ticketing.By{Group: "help", Member: ticketing.Member{ID: "x:ann", Name: "Ann"}}, c.ID); err != nil {
			t.Fatal(err)
		}
	}
	// What was listed is taken meanwhile: what is left is shown.
	is(w.whispered(0, a, "newer"), "Waits for somebody: 1 conversation", "Subject 44!", "Somebody has it: 1–20 of 44", "More that somebody has")
	a = w.whispered(0, w.command(0, "queue"), "listhas")
	is(a, "Somebody has it: 21–40 of 44", "Subject 20!", "Ann", "Older", "Newer", "What waits")
	a = w.whispered(0, a, "newer")
	is(a, "Somebody has it: 41–44 of 44", "Subject 40!", "Subject 43!", "Older", "What waits")
	is(w.whispered(0, a, "listwaits"), "Waits for somebody: 1 conversation", "Subject 44!", "", "More that somebody has")
	is(w.whispered(0, w.command(0, "mine"), "newer"), "You have: 21–40 of 44", "Subject 20!", "Subject 39!", "Older", "Newer")
	if got := said(w.command(1, "mine")); !strings.Contains(got, "You have nothing.") {
		t.Errorf("Ben has %s", got)
	}
}

// A queue is of a mailbox, by name or address, or of another group that one is a member of.
func TestQueueOfAMailbox(t *testing.T) {
	w := newWorld(t, nil)
	w.arrives("Heating", "cold")
	for _, named := range []string{"help", "HELP@example.org", "Help desk"} {
		if got := said(w.command(0, "queue "+named)); !strings.Contains(got, "Queue of Help desk") || !strings.Contains(got, "Heating") {
			t.Errorf("%s: %s", named, got)
		}
	}
	for _, named := range []string{"shop", "shop@example.org", "other"} {
		if got := said(w.command(0, "queue "+named)); !strings.Contains(got, "There is no mailbox “"+named+"” here. There are: help") {
			t.Errorf("%s: %s", named, got)
		}
	}
	for _, forged := range []string{"waits false 0 0 shop", "waits false 0 0", "collected false 0 0 x", "all false 0 0 help", "waits x y z help", ""} {
		a := w.chat.hub.Click(t.Context(), Click{Event: "f" + forged, Who: people[0], Channel: "board", Button: "newer", Value: forged})
		if a.Redraw != nil {
			a.Whisper = a.Redraw
		}
		if got := said(a); strings.Contains(got, "Heating") || got == "" {
			t.Errorf("%q: %s", forged, got)
		}
	}
}

// The held list says which of how many it shows, and goes back, too.
func TestPagesOfTheHeldList(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 3 {
		w.receives(ticketing.Mail{From: ticketing.Address{Addr: "p@example.net"}, Subject: fmt.Sprintf("Away %d", i), Reply: "until Monday", AutoReply: true})
	}
	is := func(a Answer, parts ...string) Answer {
		t.Helper()
		for _, p := range parts {
			if !strings.Contains(said(a), p) {
				t.Errorf("no %q in %s", p, said(a))
			}
		}
		return a
	}
	a := is(w.command(0, "held"), "1 of 3", "Away 0")
	a = is(w.whispered(0, a, "held"), "2 of 3", "Away 1")
	b := is(w.whispered(0, a, "heldback"), "1 of 3", "Away 0")
	is(w.whispered(0, b, "admit"), "✓ Released", "1 of 2", "Away 1")
	a = is(w.whispered(0, a, "held"), "2 of 2", "Away 2")
	if slices.Contains(shownButtons(a), "Next") {
		t.Error("there is a next one behind the last")
	}
}
