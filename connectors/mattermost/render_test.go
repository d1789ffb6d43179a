package mattermost

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"groupmail/bot"
	"groupmail/bot/people"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestRendering(t *testing.T) {
	at := time.Date(2026, 3, 4, 13, 3, 0, 0, time.UTC)
	v := view{zone: time.FixedZone("CET", 3600), now: at.Add(time.Hour), names: map[string]people.Person{"u1": {Person: bot.Person{Name: "Ben *the boss*"}}}}
	var b strings.Builder
	for _, c := range []struct {
		name string
		m    bot.Message
	}{
		{"a new mail from somebody known", bot.Message{
			Tone: bot.Yellow, Notice: "New mail: Maria Kovács – Heating broken",
			Status: bot.Line{
				{Text: "● New", Strong: true}, {Text: " · "}, {Time: at}, {Text: " · "},
				{Text: "Maria Kovács", URL: "https://mail.example.org/page/7"}, {Text: " (known: same address)"},
			},
			Title: "[#12] Heating broken!", Quote: "Hello,\n\nthe *heating* is broken, see www.example.org/pic_1.jpg.\n- Maria\n> Did you call?", Clipped: true,
			Footer:  bot.Line{{Text: "help@example.org · 2 files: plan_a.pdf, b.jpg"}},
			Buttons: []bot.Button{{ID: "take", Label: "Take"}, {Label: "Read on the web", URL: "https://mail.example.org/r/1"}},
		}},
		{"taken yesterday", bot.Message{
			Tone: bot.Green, Status: bot.Line{{Text: "✓ Taken by "}, {Member: "u1"}, {Text: " · "}, {Time: at.AddDate(0, 0, -1)}},
			Title: "Heating broken", Footer: bot.Line{{Text: "since "}, {Time: at.AddDate(-1, 0, 0)}},
		}},
		{"spam", bot.Message{Tone: bot.GreyStruck, Status: bot.Line{{Text: "Spam, by "}, {Member: "u2", Text: "Ben"}}, Title: "*** @all WIN | NOW ***"}},
		{"a line in a thread", bot.Message{Lines: []bot.Line{
			{{Text: "To "}, {Text: "maria@example.org", Code: true}, {Text: " · sends in 30 s"}},
			{{Text: "✓ Sent "}, {Time: at}},
		}}},
		{"a footer with a link", bot.Message{Quote: "one line", Footer: bot.Line{{Text: "more: "}, {Text: "page", URL: "https://mail.example.org/?a=1&b=2"}}}},
		{"nothing but a notice", bot.Message{Notice: "Ping @all"}},
	} {
		a := v.attachment(c.m)
		fmt.Fprintf(&b, "== %s\ncolour   %s\nfallback %s\n%s\nfooter   %s\n\n", c.name, a.Color, a.Fallback, a.Text, a.Footer)
	}
	const file = "testdata/rendering.golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Error(d)
	}
}
