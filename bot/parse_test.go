package bot

import (
	"strings"
	"testing"

	"groupmail/ticketing"
)

// What people type is understood however they part and order it, and nothing of it is lost.
func TestForgivingCommands(t *testing.T) {
	w := newWorld(t, nil)
	w.arrives("Heating", "cold")
	w.click(0, w.card("Heating"), "take")
	intro := func(a Answer) string {
		if a.Form == nil {
			return said(a)
		}
		all := a.Form.Title + "|" + text(Message{Lines: a.Form.Intro})
		for _, f := range a.Form.Fields {
			all += "|" + f.Name + "=" + f.Value
		}
		return all
	}
	for _, c := range []struct{ typed, want string }{
		{"reply #1\nDear Maria", "text=Dear Maria"},
		{"reply #1 Dear Maria", "text=Dear Maria"}, // with a no-break space
		{"reply #1: Dear Maria", "text=Dear Maria"},
		{"take#1", "You took #1"},
		{"#1", "With Maria"},
		{"1", "With Maria"},
		{"show #1, please", "With Maria"},
		{"assign @ben #1", "✓ Ben has #1"},
		{"assign #1 @ann,", "✓ Ann has #1"},
		{"forward @ben #1 have a look", "✓ Ben is pointed to #1"},
		{"forward #1 @ben, have a look", "✓ Ben is pointed to #1"},
		{"todo tomorrow 10:00", "What is to be done then?"},
		{"todo call Ann @10:00", "call Ann"},
		{"todo call \xff", "call"},
		{"todo call Ann tomorrow #99", "There is no ticket #99."},
		{"todo call Ann tomorrow #99", "text=call Ann tomorrow #99"},
		{"contact New York Office", "There is no contact “New York Office”"},
		{"page add Boiler room", "title=Boiler room"},
		{"help todo", "Also as /todo"},
		{"help nothing", "/mail queue"},
		{"move #1", "There is no other team here."},
		{"move", "There is no other team here."},
		{"watch ?", "“?”"},
	} {
		if got := intro(w.command(0, c.typed)); !strings.Contains(got, c.want) {
			t.Errorf("/mail %q was answered %s, want %s", c.typed, got, c.want)
		}
	}
}

// In a thread the words of an answer may begin with a number, and moves still name another ticket.
func TestNumbersInAThread(t *testing.T) {
	w := newWorld(t, nil)
	w.arrives("Heating", "cold")
	card := w.card("Heating")
	w.click(0, card, "take")
	a := w.chat.hub.Command(t.Context(), Command{Event: "t1", Who: people[0], Channel: "board", Root: card.id, Name: "mail", Text: "reply 50 EUR is fine"})
	if a.Form == nil || !strings.Contains(a.Form.Fields[len(a.Form.Fields)-1].Value+text(Message{Lines: a.Form.Intro})+a.Form.Fields[0].Value+a.Form.Fields[1].Value+a.Form.Fields[2].Value, "50 EUR is fine") {
		t.Errorf("%+v", a)
	}
	if got := said(w.chat.hub.Command(t.Context(), Command{Event: "t2", Who: people[0], Channel: "board", Root: card.id, Name: "mail", Text: "take 99"})); !strings.Contains(got, "There is no ticket #99.") {
		t.Error(got)
	}
}

// "@max" is whose handle that is, before whoever is called so.
func TestHandlesGoFirst(t *testing.T) {
	w := newWorld(t, nil)
	h := w.chat.hub.(*hub)
	if err := w.desk.SetPresent(t.Context(), "x/board", []ticketing.Member{
		{ID: "x:1", Name: "Max", Handle: "maximilian"}, {ID: "x:2", Name: "Zoe", Handle: "max"}, {ID: "x:3", Name: "Sam", Handle: "sam1"}, {ID: "x:4", Name: "Sam", Handle: "sam2"},
	}); err != nil {
		t.Fatal(err)
	}
	group, _ := w.desk.Group("help")
	who := caller{group: group}
	for name, want := range map[string]ticketing.MemberID{"@max": "x:2", "maximilian": "x:1", "zoe": "x:2", "sam1": "x:3", "Sam": "", "sa": "", "": ""} {
		m, err := h.colleague(t.Context(), who, name)
		if m.ID != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v", name, m.ID, err)
		}
		if name == "" || name[0] != '@' {
			continue
		}
		if rest, owner, err := h.forWhom(t.Context(), who, "call "+name, "x:9"); err != nil || owner != want || rest != "call" {
			t.Errorf("call %s: %q, %q, %v", name, rest, owner, err)
		}
	}
}
