package bot

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"groupmail/ticketing"
)

// taken is a conversation with number 1 that Ann has.
func (w *world) taken() *posted {
	w.t.Helper()
	w.arrives("Heating", "cold")
	card := w.card("Heating")
	w.click(0, card, "take")
	w.shows(card, "Taken by Ann")
	return card
}

func (w *world) reminders() (thread, direct *posted) {
	w.t.Helper()
	w.until("two reminders", func() bool {
		for _, p := range w.chat.posts {
			switch {
			case !strings.HasPrefix(p.m.Key, "todo:") || strings.HasPrefix(p.m.Key, "todo:given."):
			case p.m.Root != "":
				thread = p
			default:
				direct = p
			}
		}
		return thread != nil && direct != nil
	})
	return thread, direct
}

func TestTodoByCommand(t *testing.T) {
	w := newWorld(t, nil)
	w.taken()
	at := w.bot.Clock().UTC().AddDate(0, 0, 1).Format("Mon 2 Jan 2006") + " 10:00"
	a := w.command(0, `todo "call Maria" tomorrow 10:00 @ben #1`)
	if got := said(a); !strings.HasPrefix(got, "call Maria · "+at+", for Ben, #1 |") || !strings.HasSuffix(got, "[OK][Change…]") {
		t.Fatalf("understood: %s", got)
	}
	if got := said(w.command(1, "todo")); !strings.Contains(got, "You have nothing to do") {
		t.Errorf("it counts before OK: %s", got)
	}
	done := w.whispered(0, a, "todook")
	if done.Redraw == nil || !strings.Contains(text(*done.Redraw), "✓ call Maria · "+at+", for Ben, #1") {
		t.Errorf("after OK: %+v", done)
	}
	if got := said(w.whispered(0, a, "todook")); !strings.Contains(got, "already written down") {
		t.Errorf("OK twice: %s", got)
	}
	if got := said(w.command(1, "todo")); !strings.Contains(got, "You have 1 thing to do") || !strings.Contains(got, "call Maria · #1 Maria") {
		t.Errorf("Ben's: %s", got)
	}
	for _, line := range []string{"todo @ben", "todo #1", "mine"} {
		if got := said(w.command(map[string]int{"mine": 1}[line], line)); !strings.Contains(got, "call Maria") {
			t.Errorf("%s: %s", line, got)
		}
	}
	page := w.chat.hub.Page(t.Context(), people[1])
	if len(page.Sections) != 3 || len(page.Sections[1].Items) != 1 || !strings.Contains(text(page.Sections[1].Items[0]), "call Maria") {
		t.Errorf("Ben's page: %+v", page)
	}
}

func TestTodoIsForgiving(t *testing.T) {
	w := newWorld(t, nil)
	w.taken()
	for line, want := range map[string]string{
		"call Maria":                               "call Maria · no date, for you |",
		"May I ask Bob":                            "May I ask Bob · no date, for you |",
		"call Maria for @me tomorrow":              "call Maria · ",
		"“Maria anrufen” morgen um 10 Uhr @Ben":    "Maria anrufen · ",
		"tomorrow 10:00: visit, #1, @ben":          "visit · ",
		"call Maria 1.1.2020 10:00":                "call Maria · Wed 1 Jan 2020 10:00, for you |  | That time is over. When is it to be done? |  |  | [Change…]",
		"call Maria @eve":                          "I don't know whom you mean by “eve”. In this channel are: @ann, @ben | call Maria @eve",
		"call Maria #77":                           "There is no ticket #77. | call Maria #77",
		"write to maria@example.net tomorrow @ben": "write to maria@example.net · ",
	} {
		a := w.command(0, "todo "+line)
		got := said(a)
		if a.Form != nil { // what was typed stands in it
			got = a.Form.Intro[0][0].Text + " | " + a.Form.Fields[0].Value
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", line, got)
		}
	}
	if got := said(w.command(0, "todo tomorrow 10:00: visit, #1, @ben")); !strings.Contains(got, "10:00, for Ben, #1 |") {
		t.Errorf("understood: %s", got)
	}
}

// What was typed as a time is shown back before it counts.
func TestTodoByForm(t *testing.T) {
	w := newWorld(t, nil)
	card := w.taken()
	form := w.click(0, card, "todo").Form
	if form == nil || len(form.Fields) != 3 || !strings.Contains(fmt.Sprint(form.Intro), "#1") {
		t.Fatalf("form: %+v", form)
	}
	for typed, want := range map[string]string{"sometime": "do not understand “sometime”", "1.1.2020": "is over"} {
		if a := w.submit(0, form, map[string]string{"text": "visit", "when": typed}); !strings.Contains(a.Errors["when"], want) {
			t.Errorf("%s: %+v", typed, a)
		}
	}
	a := w.submit(0, form, map[string]string{"text": "visit", "when": "morgen um 15 Uhr", "owner": "x:ben"})
	at := w.bot.Clock().UTC().AddDate(0, 0, 1).Format("Mon 2 Jan 2006") + " 15:00"
	if a.Form == nil || a.Form.Fields[1].Value != at || !strings.Contains(fmt.Sprint(a.Form.Intro), "Understood: "+at) {
		t.Fatalf("shown back: %+v", a)
	}
	again := w.submit(0, a.Form, map[string]string{"when": "tomorrow 16:00"}) // that was not meant
	if again.Form == nil || !strings.HasSuffix(again.Form.Fields[1].Value, "16:00") {
		t.Fatalf("changed: %+v", again)
	}
	if got := said(w.submit(0, again.Form, nil)); !strings.Contains(got, "✓ visit") || !strings.Contains(got, "16:00, for Ben, #1") {
		t.Errorf("kept: %s", got)
	}
	if got := said(w.submit(0, again.Form, nil)); !strings.Contains(got, "already sent") {
		t.Errorf("sent twice: %s", got)
	}
	if got := said(w.command(0, "todo #1")); strings.Count(got, "visit") != 1 {
		t.Errorf("about #1: %s", got)
	}
	// From the list: put off, then done.
	list := w.command(1, "todo")
	act := w.whispered(1, list, "todoact").Form
	a = w.submit(1, act, map[string]string{"when": "in 3 days"})
	if a.Form == nil || !strings.Contains(fmt.Sprint(a.Form.Intro), "until") {
		t.Fatalf("put off: %+v", a)
	}
	if got := said(w.submit(1, a.Form, nil)); !strings.Contains(got, "✓ visit") {
		t.Errorf("put off: %s", got)
	}
	act = w.whispered(1, list, "todoact").Form
	if got := said(w.submit(1, act, map[string]string{"when": ""})); !strings.Contains(got, "✓ Done: visit") {
		t.Errorf("done: %s", got)
	}
	if got := said(w.whispered(1, list, "todoact")); !strings.Contains(got, "Nothing is to be done any more") {
		t.Errorf("done with all: %s", got)
	}
}

func TestReminderChangesForEverybody(t *testing.T) {
	w := newWorld(t, nil)
	w.taken()
	w.whispered(0, w.command(0, "todo call Maria in 2 hours @ben #1"), "todook")
	w.skip.Add(int64(2*time.Hour + time.Second))
	thread, direct := w.reminders()
	if direct.channel != "@ben" || direct.m.About != "board" || thread.channel != "board" {
		t.Errorf("they stand in %q and %q", direct.channel, thread.channel)
	}
	w.shows(thread, "⏰ Due")
	w.shows(thread, "for Ben")
	w.shows(direct, "#1 Maria")
	if i := slices.IndexFunc(thread.m.Status, func(s Span) bool { return s.Member == "ben" && s.Ping }); i < 0 {
		t.Errorf("the thread does not call Ben: %+v", thread.m.Status)
	}
	w.click(1, direct, "todotomorrow")
	w.shows(thread, "⏳ Put off until TIME")
	w.shows(direct, "⏳ Put off until TIME")
	w.click(0, thread, "tododone") // anybody may
	w.shows(thread, "✓ Done by Ann")
	w.shows(direct, "✓ Done by Ann")
}

// The owner presses in their direct messages what somebody else did a moment ago.
func TestReminderIsPressedTwice(t *testing.T) {
	w := newWorld(t, nil)
	w.taken()
	w.whispered(0, w.command(0, "todo call Maria in 2 hours @ben #1"), "todook")
	w.skip.Add(int64(2*time.Hour + time.Second))
	thread, direct := w.reminders()
	old := *direct
	w.click(0, thread, "tododone")
	if got := said(w.click(1, &old, "tododone")); !strings.Contains(got, "Ann did that") {
		t.Errorf("done twice: %s", got)
	}
	if got := said(w.click(0, &old, "todohour")); !strings.Contains(got, "said to somebody else alone") {
		t.Errorf("Ann presses what Ben was told: %s", got)
	}
	w.shows(thread, "✓ Done by Ann")
	w.click(1, thread, "todoundo")
	w.shows(direct, "⏰ Due")
}

// A process decides, and dies before it has drawn anything.
func TestReminderOutlivesItsProcess(t *testing.T) {
	w := newWorld(t, nil)
	w.taken()
	w.whispered(0, w.command(0, "todo call Maria in 2 hours @ben #1"), "todook")
	other := ticketing.NewDesk(w.store, w.desk.Groups(), func() time.Time { return w.bot.Clock().Add(2*time.Hour + time.Second) }, slog.New(slog.DiscardHandler))
	if n, err := other.SweepTodos(t.Context()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	w.skip.Add(int64(2*time.Hour + ticketing.DrawLease + time.Second)) // its leases run out
	w.reminders()
	n := 0
	for _, p := range w.chat.posts {
		if strings.HasPrefix(p.m.Key, "todo:") && !strings.HasPrefix(p.m.Key, "todo:given.") {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d reminders:\n%s", n, w.board())
	}
}

// The direct message arrives, and its answer is lost.
func TestReminderIsFoundAgain(t *testing.T) {
	failed := false
	w := newWorld(t, func(c *chat) {
		c.fault = func(what string) error {
			if p := c.posts[max(0, len(c.posts)-1):]; what == "posted" && !failed && p[0].channel == "@ben" && !strings.HasPrefix(p[0].m.Key, "todo:given.") {
				failed = true
				return errors.New("the connection broke")
			}
			return nil
		}
	})
	w.taken()
	w.whispered(0, w.command(0, "todo call Maria in 2 hours @ben #1"), "todook")
	w.skip.Add(int64(2*time.Hour + time.Second))
	_, direct := w.reminders()
	w.found(direct.m.Key)
	n := 0
	for _, p := range w.chat.posts {
		if p.channel == "@ben" && !strings.HasPrefix(p.m.Key, "todo:given.") {
			n++
		}
	}
	if n != 1 || !failed {
		t.Errorf("told %d times", n)
	}
}

func TestClosingSaysWhatIsStillToBeDone(t *testing.T) {
	w := newWorld(t, nil)
	card := w.taken()
	w.whispered(0, w.command(0, "todo call Maria tomorrow #1"), "todook")
	w.submit(0, w.click(0, card, "close").Form, map[string]string{"outcome": "phoned"})
	w.line("Closed by Ann: phoned · 1 to-do about it still open")
}

func TestTodoAboutAContact(t *testing.T) {
	w := newWorld(t, nil)
	w.taken()
	_, err := w.desk.AddContact(t.Context(), ticketing.By{Member: ticketing.Member{ID: "x:ann", Name: "Ann", Handle: "ann"}, Group: "help"}, ticketing.ContactInput{Name: "Maria Kovács"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	shown := w.command(0, "contact Kovács")
	a := w.submit(0, w.whispered(0, shown, "todofor").Form, map[string]string{"text": "visit", "owner": "x:ben"})
	if got := said(a); !strings.Contains(got, "✓ visit · no date, for Ben, about Maria Kovács") {
		t.Errorf("kept: %s", got)
	}
	if got := said(w.command(0, "contact Kovács")); !strings.Contains(got, "To do: | ☐ visit · ☺ Maria Kovács · Ben") {
		t.Errorf("contact: %s", got)
	}
}

// Whom a colleague gives something to do is told so, and sees there that it is done.
func TestGivenTodo(t *testing.T) {
	w := newWorld(t, nil)
	w.taken()
	w.whispered(0, w.command(0, "todo call Maria tomorrow 10:00 @ben #1"), "todook")
	p := w.told("☐ To do")
	if got := text(p.m); p.channel != "@ben" || !strings.Contains(got, "call Maria") || !strings.Contains(got, "written down by Ann") || !strings.Contains(got, "[Done]") {
		t.Errorf("in %s: %s", p.channel, got)
	}
	w.click(1, p, "tododone")
	w.shows(p, "✓ Done by Ben")
}
