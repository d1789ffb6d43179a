package bot

import (
	"strings"
	"testing"
)

// A command without its ticket asks for it, in a form, and goes on from there.
func TestPick(t *testing.T) {
	w := newWorld(t, nil)
	if got := said(w.command(0, "take")); !strings.Contains(got, "Which ticket? Say its number: /mail take #12") {
		t.Errorf("with nothing to take: %s", got)
	}
	w.arrives("Heating broken", "It is cold.")
	w.arrives("Key lost", "Where is it?")
	labels := func(f *Form) (all []string) {
		if f == nil {
			return []string{"no form"}
		}
		for _, o := range f.Fields[0].Options {
			all = append(all, o.Label)
		}
		return all
	}
	f := w.command(0, "take").Form
	if got := strings.Join(labels(f), ", "); got != "Maria: Heating broken, Maria: Key lost" {
		t.Fatalf("offered: %s", got)
	}
	if a := w.submit(0, f, map[string]string{"ticket": "none"}); a.Errors["ticket"] == "" {
		t.Errorf("%+v", a)
	}
	if got := said(w.submit(0, f, map[string]string{"ticket": f.Fields[0].Options[0].Value})); !strings.Contains(got, "✓ #1 is taken.") {
		t.Errorf("%s", got)
	}
	w.shows(w.card("Heating broken"), "◆ Taken by Ann")
	if a := w.submit(0, f, map[string]string{"ticket": f.Fields[0].Options[0].Value}); a.Whisper != nil || len(a.Errors) > 0 {
		t.Errorf("sent twice: %+v", a)
	}
	if got := strings.Join(labels(w.command(0, "release").Form), ", "); got != "#1 Maria: Heating broken" {
		t.Errorf("to release: %s", got)
	}
	// What opens a form goes on with it.
	f = w.command(0, "close").Form
	next := w.submit(0, f, map[string]string{"ticket": f.Fields[0].Options[0].Value}).Form
	if next == nil || next.Title != "Close #1" {
		t.Fatalf("%+v", next)
	}
	w.submit(0, next, map[string]string{"outcome": "phoned"})
	w.shows(w.card("Heating broken"), "✓ Closed: phoned")
	f = w.command(1, "reopen").Form
	w.submit(1, f, map[string]string{"ticket": f.Fields[0].Options[0].Value})
	w.shows(w.card("Heating broken"), "◆ Taken by Ben")
	f = w.command(0, "reply").Form
	if next = w.submit(0, f, map[string]string{"ticket": f.Fields[0].Options[0].Value}).Form; next == nil || !strings.HasPrefix(next.Title, "Reply") {
		t.Errorf("%+v", next)
	}
	// A form of somebody else's, or of no command, does nothing.
	if a := w.submit(1, f, map[string]string{"ticket": "1"}); !strings.Contains(a.Errors[""], "not one that I gave you") {
		t.Errorf("%+v", a)
	}
}

func TestWatchByForm(t *testing.T) {
	w := newWorld(t, nil)
	f := w.command(0, "watch").Form
	if got := said(w.submit(0, f, map[string]string{"name": "nobody"})); !strings.Contains(got, "There is no contact") {
		t.Errorf("%s", got)
	}
}
