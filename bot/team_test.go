package bot

import (
	"strings"
	"testing"
	"time"
)

func TestStatusAndWho(t *testing.T) {
	w := newWorld(t, nil)
	card := w.taken()
	form := w.command(1, "me").Form
	in3 := w.bot.Clock().AddDate(0, 0, 3)
	a := w.submit(1, form, map[string]string{"status": "not in until " + in3.Format("2 January"), "away": "true", "zone": "Europe/Vienna"})
	if a.Form == nil || !strings.HasSuffix(a.Form.Fields[3].Value, "09:00") {
		t.Fatalf("shown back: %+v", a)
	}
	if got := said(w.submit(1, a.Form, nil)); !strings.Contains(got, "Saved") {
		t.Fatalf("saved: %s", got)
	}
	if got := said(w.command(0, "who")); !strings.Contains(got, "Ann · has 1 conversation | Ben · not in until") || !strings.Contains(got, ", until TIME · away · has 0 conversations") {
		t.Errorf("who: %s", got)
	}
	give := w.click(0, card, "assign").Form
	if label := give.Fields[0].Options[0].Label; !strings.HasPrefix(label, "Ben (not in until") {
		t.Errorf("given to %s", label)
	}
	if got := said(w.submit(0, give, map[string]string{"member": "x:ben"})); !strings.Contains(got, "Ben is away: “not in until") {
		t.Errorf("given: %s", got)
	}
	w.skip.Add(int64(4 * 24 * time.Hour))
	if got := said(w.command(0, "who")); strings.Contains(got, "away") || strings.Contains(got, "not in") {
		t.Errorf("after it: %s", got)
	}
}
