package slack

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"pgregory.net/rapid"

	"groupmail/bot"
	"groupmail/bot/bottest"
	"groupmail/connectors/slack/slacktest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// golden compares what is drawn with testdata/name.json.
func golden(t *testing.T, name string, drawn any) {
	t.Helper()
	got, err := json.MarshalIndent(drawn, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s is drawn otherwise (-update rewrites it):\n%s", file, got)
	}
}

// mail is words from outside that try what words can try.
const mail = "Dear <!channel>,\n\n*our* heating & the _lift_ are :fire: — see <https://evil.example|here> or https://example.net/?a=1&b=2\n> old words\n<@U012AB3CD> @here\n\n\n\nMaria"

func sampleCard(tone bot.Tone, status string) bot.Message {
	return bot.Message{
		Key: "card:7", Version: 3, Notice: "Maria Kovács · Heating · " + status, Tone: tone,
		Status: bot.Line{{Text: "● " + status, Strong: true}, {Text: " · "}, {Time: noon}, {Text: " · "}, {Member: "U0BEN", Text: "Ben"}},
		Title:  "Heating <broken> & cold", Lines: lines("2 mails"), Quote: mail, Footer: bot.Line{{Text: "#7 · help@example.org"}},
		Buttons: []bot.Button{
			{ID: "take", Label: "Take", Value: "7", Style: bot.Primary},
			{ID: "reply", Label: "Reply…", Value: "7", Opens: true},
			{ID: "spam", Label: "Spam", Value: "7", Style: bot.Danger, Confirm: "Is it spam?"},
			{Label: "More…", Menu: []bot.Button{
				{ID: "read", Label: "Read", Value: "7", Opens: true},
				{ID: "noanswer", Label: "No answer needed", Value: "7", Confirm: "Close it without an answer?"},
			}},
		},
	}
}

func TestDrawnMessages(t *testing.T) {
	v := painter{zone: time.UTC, now: noon.Add(time.Hour), names: map[string]string{"U0BEN": "Ben <b>"}}
	board, direct := place{channel: "C1", about: "C1"}, place{channel: "D1", about: "C1"}
	whisper := bot.Message{Notice: "Ben took this.", Lines: []bot.Line{{{Text: "Ben took this "}, {Time: noon, Second: true}, {Text: ". "}, {Text: "to the card", URL: "https://example.slack.com/archives/C1/p1"}}}}
	for name, c := range map[string]struct {
		m  bot.Message
		at place
	}{
		"card-new":     {sampleCard(bot.Yellow, "New"), board},
		"card-overdue": {sampleCard(bot.Red, "New, waits too long"), board},
		"card-taken":   {sampleCard(bot.Green, "Taken by Ben"), board},
		"card-waiting": {sampleCard(bot.Blue, "Waiting"), board},
		"card-closed":  {sampleCard(bot.Grey, "Closed"), board},
		"card-spam":    {sampleCard(bot.GreyStruck, "Spam"), board},
		"card-direct":  {sampleCard(bot.Yellow, "New"), direct},
		"whisper":      {whisper, board},
		"nothing":      {bot.Message{}, board},
		"empty-words": {bot.Message{
			Notice: " ", Title: "\u200e", Status: bot.Line{{}}, Lines: []bot.Line{{}, {{Text: ""}}, {{Text: "\x00"}}}, Quote: "\n\n", Footer: bot.Line{{Text: " "}},
			Buttons: []bot.Button{{ID: "a", Label: " "}, {Label: "", Menu: []bot.Button{{ID: "b", Label: "\t", Confirm: " "}}}},
		}, board},
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, v.message(c.m, c.at)) })
	}
}

// TestLongWords: as much of a long mail is shown as Slack takes, nothing of that is lost between two blocks,
// and that there is more is said.
func TestLongWords(t *testing.T) {
	for name, one := range map[string]string{"words": "heating ", "entities": "a&b<c>d ", "entities alone": "&", "four bytes": "🏠", "lines": "a line\n", "one word": "x"} {
		t.Run(name, func(t *testing.T) {
			m := sampleCard(bot.Yellow, "New")
			m.Quote = strings.Repeat(one, 40_000/len([]rune(one)))
			blocks := painter{zone: time.UTC, now: noon}.message(m, place{channel: "C1", about: "C1"})
			if n := size(blocks); n > maxText || n+perBlock*len(blocks) > maxCost || n < 9_000 {
				t.Errorf("%d characters in %d blocks", n, len(blocks))
			}
			shown, more := "", false
			for _, b := range blocks {
				switch b := b.(type) {
				case *slack.SectionBlock:
					shown += strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(b.Text.Text)
				case *slack.ContextBlock:
					more = more || b.ContextElements.Elements[0].(*slack.TextBlockObject).Text == clippedNote
				}
			}
			gapless := strings.NewReplacer(" ", "", "\n", "")
			if !more || !strings.HasPrefix(gapless.Replace(m.Quote), gapless.Replace(shown)) {
				t.Errorf("%d characters are shown, with more said %v; they end with %q", len([]rune(shown)), more, shown[max(0, len(shown)-40):])
			}
		})
	}
}

func colleagues(n int) (all []bot.Option) {
	for i := range n {
		all = append(all, bot.Option{Value: fmt.Sprintf("slack:U%03d", i), Label: fmt.Sprintf("Ann & Ben <%d>", i)})
	}
	return all
}

func sampleForm() bot.Form {
	return bot.Form{
		Title: "Reply to Maria Kovács-Nagy of the second floor", Intro: lines("To maria@example.net", ""), Quote: mail, Submit: "Send", State: "state.signed",
		Fields: []bot.FormField{
			{Name: "text", Label: "Words", Kind: bot.Long, Required: true, Value: "Dear & <Maria>", Help: "They are sent as they stand."},
			{Name: "subject", Label: "Subject", Kind: bot.Short, Value: "two\nlines", Max: 200},
			{Name: "to", Label: "Hand over to", Kind: bot.Select, Options: colleagues(250), Value: "slack:U101"},
			{Name: "after", Label: "Afterwards", Kind: bot.Select, Options: []bot.Option{{Value: "", Label: "Wait"}, {Value: "done", Label: "Close"}}},
			{Name: "none", Label: "Nobody", Kind: bot.Select},
			{Name: "sure", Label: "I am sure", Kind: bot.Check, Value: "true"},
		},
	}
}

func TestDrawnForm(t *testing.T) {
	v := painter{zone: time.UTC, now: noon}
	golden(t, "form", v.modal(sampleForm(), kept(place{channel: "C1", about: "C1", thread: "1.2", message: "1.2"}, "state.signed")))
}

// TestMenus: a menu has at least two items, and none whose value Slack does not take; the others are buttons.
func TestMenus(t *testing.T) {
	long := strings.Repeat("v", 200)
	one, two, other := bot.Button{ID: "one", Label: "One", Value: "1", Confirm: "Sure?"}, bot.Button{ID: "two", Label: "Two", Value: "2"}, bot.Button{ID: "other", Label: "Other", Value: long, Opens: true}
	for name, c := range map[string]struct {
		menu []bot.Button
		want string
	}{
		"two": {[]bot.Button{one, two}, "button first, overflow one two"}, "one": {[]bot.Button{one}, "button first, button one"},
		"one that is too long": {[]bot.Button{other}, "button first, button other"}, "one of two": {[]bot.Button{one, other}, "button first, button other, button one"},
		"one of three": {[]bot.Button{one, other, two}, "button first, button other, overflow one two"},
	} {
		t.Run(name, func(t *testing.T) {
			m := bot.Message{Buttons: []bot.Button{{ID: "first", Label: "First"}, {Label: "More…", Menu: c.menu}}}
			block := actions(m, place{}, 0)[0].(*slack.ActionBlock)
			var got []string
			for _, e := range block.Elements.ElementSet {
				switch e := e.(type) {
				case *slack.ButtonBlockElement:
					got = append(got, "button "+e.ActionID)
					if (e.Confirm != nil) != (e.ActionID == "one") {
						t.Errorf("%s asks first: %v", e.ActionID, e.Confirm)
					}
				case *slack.OverflowBlockElement:
					words := "overflow"
					for _, o := range e.Options {
						words += " " + strings.Fields(o.Value)[0]
					}
					got = append(got, words)
				}
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("%s, want %s", strings.Join(got, ", "), c.want)
			}
			if mark, _ := readPressing(block.BlockID); slices.Contains(mark.Opens, "other") != strings.Contains(c.want, "button other") {
				t.Errorf("forms are the answers to %v", mark.Opens)
			}
		})
	}
}

// TestLongValues: what somebody chooses comes back whole however long it is, also after a fault; what has
// no room at all is said not to be there, and the form opens.
func TestLongValues(t *testing.T) {
	o := newOffice(t, false)
	var options []bot.Option
	for i := range 40 {
		options = append(options, bot.Option{Value: fmt.Sprintf("%s%d@%s.example", strings.Repeat("x", 60), i, strings.Repeat("y", 150)), Label: fmt.Sprintf("Writer %d", i)})
	}
	options = append(options, bot.Option{Value: "short@example.org", Label: "Short"})
	form := bot.Form{Title: "Spam", Submit: "All spam", State: strings.Repeat("s", 500), Fields: []bot.FormField{{Name: "from", Label: "All mails of", Kind: bot.Select, Options: options, Value: options[1].Value, Help: "Of one."}}}
	hub := &bottest.Hub{OnCommand: func(bot.Command) bot.Answer { return bot.Answer{Form: &form} }}
	hub.OnSubmit = func(bot.Submission) bot.Answer {
		if len(hub.Submissions()) == 1 {
			return bot.Answer{Errors: map[string]string{"": "Once more, please."}}
		}
		return bot.Answer{}
	}
	o.run(hub)
	if err := o.ann.Command(o.channel, "/mail x"); err != nil {
		t.Fatal(err)
	}
	view := bottest.Eventually(t, "the form", func() (slacktest.View, bool) { return o.ann.View() })
	offered := view.Controls[0].Options
	if n := len(offered); n < 8 || n > 30 || offered[n-1].Value != valueMark+"short@example.org" || !strings.Contains(view.Text, fmt.Sprintf("%d more cannot be chosen here", len(options)-n)) {
		t.Errorf("%d are offered, the last %v; the form says %q", n, offered[n-1], view.Text)
	}
	if len(view.Metadata) > maxPrivate {
		t.Errorf("it keeps %d characters", len(view.Metadata))
	}
	if err := o.ann.Submit(map[string]string{"from": offered[3].Value}); err != nil {
		t.Fatal(err)
	}
	bottest.Eventually(t, "the fault", func() (slacktest.View, bool) {
		v, ok := o.ann.View()
		return v, ok && strings.Contains(v.Text, "Once more")
	})
	if err := o.ann.Submit(nil); err != nil { // what was chosen still is
		t.Fatal(err)
	}
	for i, s := range hub.Submissions() {
		if s.Values["from"] != options[3].Value {
			t.Errorf("%d. chosen was %q, want %q", i+1, s.Values["from"], options[3].Value)
		}
	}
	if n := len(hub.Submissions()); n != 2 {
		t.Errorf("%d submissions", n)
	}
}

// TestManyChoices: a form whose choices are more than Slack takes opens with as many as it takes, and says how
// many are missing.
func TestManyChoices(t *testing.T) {
	o := newOffice(t, false)
	log := o.listen()
	hub := &bottest.Hub{}
	o.run(hub)
	for name, label := range map[string]string{"short": "Ann", "long": strings.Repeat("&<é", 40)} {
		all := colleagues(6000)
		for i := range all {
			all[i].Label = fmt.Sprintf("%d %s", i, label)
		}
		form := bot.Form{Title: "Assign", Submit: "Assign", Fields: []bot.FormField{{Name: "to", Label: "To", Kind: bot.Select, Options: all, Value: all[7].Value}}}
		hub.With(func(h *bottest.Hub) { h.OnCommand = func(bot.Command) bot.Answer { return bot.Answer{Form: &form} } })
		if err := o.ann.Command(o.channel, "/mail x"); err != nil {
			t.Fatal(err)
		}
		view := bottest.Eventually(t, name+": the form", func() (slacktest.View, bool) { return o.ann.View() })
		field := view.Controls[0]
		if n := len(field.Options); n < 300 || field.Value != valueMark+all[7].Value || !strings.Contains(field.Hint, fmt.Sprintf("%d more cannot be chosen here", len(all)-n)) {
			t.Errorf("%s: of %d, %q is chosen; %q", name, n, field.Value, field.Hint)
		}
		if err := o.ann.CloseView(true); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(log.String(), "level=ERROR") {
		t.Error(log)
	}
}

// TestButtonsComeLater: a line of words alone, which is rich text, cannot be made into one with buttons: it goes,
// for the bot to post it anew. The other way round it stays.
func TestButtonsComeLater(t *testing.T) {
	o := newOffice(t, false)
	words := bot.Message{Key: "reply:1", Version: 1, Notice: "On its way", Status: bot.Line{{Text: "On its way"}}}
	buttons := bot.Message{Key: "reply:1", Version: 2, Notice: "It failed", Status: bot.Line{{Text: "It failed"}}, Buttons: []bot.Button{{ID: "retry", Label: "Try again", Value: "1"}}}
	for _, c := range []struct {
		first, then bot.Message
		want        error
	}{{words, buttons, bot.ErrGone}, {buttons, words, nil}} {
		id, err := o.p.Post(t.Context(), o.channel, c.first)
		if err != nil {
			t.Fatal(err)
		}
		c.then.Version = 3
		if err := o.p.Redraw(t.Context(), o.channel, id, c.then); !errors.Is(err, c.want) {
			t.Errorf("from %q to %q: %v, want %v", c.first.Notice, c.then.Notice, err, c.want)
		}
		if _, left := o.ann.See(o.channel, id); left != (c.want == nil) {
			t.Errorf("from %q to %q: it is there: %v", c.first.Notice, c.then.Notice, left)
		}
	}
}

// TestFormRefused: whoever wanted a form that Slack does not take is told so, in the empty one if there is
// one.
func TestFormRefused(t *testing.T) {
	o := newOffice(t, false)
	form := bot.Form{Title: "Reply", Submit: "Send", State: strings.Repeat("s", maxPrivate+1), Fields: []bot.FormField{{Name: "text", Label: "Answer", Kind: bot.Long}}}
	o.run(&bottest.Hub{OnCommand: func(bot.Command) bot.Answer { return bot.Answer{Form: &form} }, OnClick: func(bot.Click) bot.Answer {
		time.Sleep(openTime + 300*time.Millisecond)
		return bot.Answer{Form: &form}
	}})
	if err := o.ann.Command(o.channel, "/mail x"); err != nil {
		t.Fatal(err)
	}
	bottest.Eventually(t, "what went wrong", func() ([]slacktest.Message, bool) {
		all := o.ann.All(o.channel)
		return all, len(all) == 1 && all[0].Ephemeral && strings.Contains(all[0].Text, "did not work")
	})
	card, err := o.p.Post(t.Context(), o.channel, bot.Message{Key: "card:1", Notice: "New", Buttons: []bot.Button{{ID: "reply", Label: "Reply", Opens: true}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.ann.Press(o.channel, card, "reply"); err != nil {
		t.Fatal(err)
	}
	bottest.Eventually(t, "what went wrong, in the form", func() (slacktest.View, bool) {
		v, open := o.ann.View()
		return v, open && strings.Contains(v.Text, "did not work")
	})
}

// TestDrawnHome: two hundred things to do are cut after a whole one.
func TestDrawnHome(t *testing.T) {
	o := newOffice(t, false)
	log := o.listen()
	var items []bot.Message
	for i := range 200 {
		items = append(items, bot.Message{Key: fmt.Sprintf("card:%d", i), Title: fmt.Sprintf("Mail %d", i), Status: bot.Line{{Text: "New"}}, Buttons: []bot.Button{{ID: "take", Label: "Take", Value: "1"}}})
	}
	page := bot.Page{Sections: []bot.Section{{Channel: o.channel, Title: "What you have"}, {Channel: o.channel, Title: "What waits", Lines: lines("Longest first."), Items: items}}}
	o.run(&bottest.Hub{OnPage: func(bot.Person) bot.Page { return page }})
	if err := o.ann.OpenHome(); err != nil {
		t.Fatal(err)
	}
	blocks := bottest.Eventually(t, "the page", func() ([]any, bool) { v, ok := o.ann.Home(); return v.Blocks, ok })
	if n := len(blocks); n < maxViewBlocks-4 || n > maxViewBlocks {
		t.Errorf("%d blocks", n)
	}
	kind := func(i int) any { return blocks[i].(map[string]any)["type"] }
	if n := len(blocks); kind(n-1) != "context" || kind(n-2) != "actions" {
		t.Errorf("it ends with %v, %v", kind(n-2), kind(n-1))
	}
	if strings.Contains(log.String(), "level=WARN") {
		t.Error(log)
	}
}

// Words that people and mails may bring.
func anyWords(most int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		s := rapid.OneOf(
			rapid.SampledFrom([]string{"", " ", "\x00", "\n", "Heating", mail, "&", "<>&", "𐍈🏠", "\u200e", "\u3000"}),
			rapid.StringOfN(rapid.RuneFrom([]rune("ab &<>\n_*~`:@#🏠é\u202e\x01")), 0, 200, -1),
		).Draw(t, "words")
		return strings.Repeat(s, rapid.SampledFrom([]int{1, 1, 1, 2, 30, most/(len([]rune(s))+1) + 1}).Draw(t, "times"))
	})
}

func anyLine() *rapid.Generator[bot.Line] {
	return rapid.Custom(func(t *rapid.T) (l bot.Line) {
		for range rapid.IntRange(0, 4).Draw(t, "spans") {
			s := bot.Span{Text: anyWords(3000).Draw(t, "text"), Strong: rapid.Bool().Draw(t, "strong"), Code: rapid.Bool().Draw(t, "code")}
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				s.Time, s.Second = noon, rapid.Bool().Draw(t, "second")
			case 1:
				s.URL = rapid.SampledFrom([]string{"https://example.org/x?a=1&b=2", "http://[::1", "javascript:alert(1)", "https://example.org/" + strings.Repeat("x", 3000), "/relative"}).Draw(t, "url")
			case 2:
				s.Member, s.Ping = rapid.SampledFrom([]string{"U0NOBODY"}).Draw(t, "member"), rapid.Bool().Draw(t, "ping")
			}
			l = append(l, s)
		}
		return l
	})
}

func anyButtons() *rapid.Generator[[]bot.Button] {
	return rapid.Custom(func(t *rapid.T) (all []bot.Button) {
		one := func(id string) bot.Button {
			return bot.Button{
				ID: id, Label: anyWords(200).Draw(t, "label"), Value: rapid.StringN(0, 60, 60).Draw(t, "value"), Style: rapid.SampledFrom([]bot.Style{"", bot.Danger}).Draw(t, "style"),
				Confirm: anyWords(500).Draw(t, "confirm"), Opens: rapid.Bool().Draw(t, "opens"),
			}
		}
		for i := range rapid.IntRange(0, 8).Draw(t, "buttons") {
			b := one(fmt.Sprintf("button%c", 'a'+i))
			if rapid.IntRange(0, 9).Draw(t, "link") == 0 {
				b.URL, b.ID = "https://example.org/", ""
			}
			all = append(all, b)
		}
		if n := rapid.SampledFrom([]int{0, 1, 5, 6, 30}).Draw(t, "menu"); n > 0 {
			m := bot.Button{Label: anyWords(300).Draw(t, "menu label")}
			for i := range n {
				item := one("item" + strings.Repeat("x", i))
				item.Value += strings.Repeat("v", rapid.SampledFrom([]int{0, 0, 0, 80, 300}).Draw(t, "longer"))
				m.Menu = append(m.Menu, item)
			}
			all = append(all, m)
		}
		return all
	})
}

func anyMessage() *rapid.Generator[bot.Message] {
	return rapid.Custom(func(t *rapid.T) bot.Message {
		return bot.Message{
			Key: rapid.SampledFrom([]string{"", "card:7", "line:123456789"}).Draw(t, "key"), Version: 1, Notice: anyWords(5000).Draw(t, "notice"),
			Tone:   rapid.SampledFrom([]bot.Tone{bot.Plain, bot.Yellow, bot.GreyStruck}).Draw(t, "tone"),
			Status: anyLine().Draw(t, "status"), Title: anyWords(400).Draw(t, "title"), Lines: rapid.SliceOfN(anyLine(), 0, 5).Draw(t, "lines"),
			Quote: anyWords(40_000).Draw(t, "quote"), Clipped: rapid.Bool().Draw(t, "clipped"), Footer: anyLine().Draw(t, "footer"), Buttons: anyButtons().Draw(t, "menu"),
		}
	})
}

func anyForm() *rapid.Generator[bot.Form] {
	return rapid.Custom(func(t *rapid.T) bot.Form {
		f := bot.Form{
			Title: anyWords(100).Draw(t, "title"), Intro: rapid.SliceOfN(anyLine(), 0, 3).Draw(t, "intro"), Quote: anyWords(40_000).Draw(t, "quote"), Submit: anyWords(100).Draw(t, "submit"),
			State: strings.Repeat("s", rapid.IntRange(0, 2000).Draw(t, "state")),
		}
		for i := range rapid.IntRange(0, 8).Draw(t, "fields") {
			field := bot.FormField{
				Name: "f" + strings.Repeat("_", i), Label: anyWords(3000).Draw(t, "label"), Help: anyWords(3000).Draw(t, "help"), Value: anyWords(5000).Draw(t, "value"),
				Kind: rapid.SampledFrom([]bot.FieldKind{bot.Short, bot.Long, bot.Select, bot.Check}).Draw(t, "kind"), Required: rapid.Bool().Draw(t, "required"), Max: rapid.SampledFrom([]int{0, 1, 100, 9000}).Draw(t, "max"),
			}
			if field.Kind == bot.Select {
				label := anyWords(100).Draw(t, "option")
				for i := range rapid.SampledFrom([]int{0, 1, 99, 100, 101, 250}).Draw(t, "options") {
					field.Options = append(field.Options, bot.Option{Value: rapid.SampledFrom([]string{"", "same", fmt.Sprint(i), strings.Repeat("<long> ", 30) + fmt.Sprint(i)}).Draw(t, "option value"), Label: label})
				}
				field.Value = rapid.SampledFrom([]string{"", "same", "1", "nobody"}).Draw(t, "chosen")
			}
			f.Fields = append(f.Fields, field)
		}
		return f
	})
}

// TestSlackTakesEverything: whatever the bot says, Slack takes how it is drawn.
func TestSlackTakesEverything(t *testing.T) {
	o := newOffice(t, false)
	log := o.listen()
	hub := &bottest.Hub{}
	o.run(hub)
	t.Run("messages", rapid.MakeCheck(func(t *rapid.T) {
		m := anyMessage().Draw(t, "message")
		id, err := o.p.Post(o.t.Context(), o.channel, m)
		if err != nil {
			t.Fatal(err)
		}
		m.Version++
		if err := o.p.Redraw(o.t.Context(), o.channel, id, m); err != nil {
			t.Fatal(err)
		}
		if err := o.p.Tell(o.t.Context(), o.channel, id, o.ann.ID, m); err != nil {
			t.Fatal(err)
		}
	}))
	for _, c := range o.server.Calls("chat.postEphemeral") {
		if c.Args["metadata"] != nil {
			t.Errorf("a whisper, which nobody finds again, has metadata: %v", c.Args["metadata"])
		}
	}
	t.Run("forms", rapid.MakeCheck(func(t *rapid.T) {
		f := anyForm().Draw(t, "form")
		hub.With(func(h *bottest.Hub) { h.OnCommand = func(bot.Command) bot.Answer { return bot.Answer{Form: &f} } })
		if err := o.ann.Command(o.channel, "/mail x"); err != nil {
			t.Fatal(err)
		}
		for {
			_, open := o.ann.View()
			if open {
				break
			}
			if strings.Contains(log.String(), "level=ERROR") {
				t.Fatal(log)
			}
			time.Sleep(time.Millisecond)
		}
		if err := o.ann.CloseView(true); err != nil {
			t.Fatal(err)
		}
	}))
	t.Run("pages", rapid.MakeCheck(func(t *rapid.T) {
		page := bot.Page{Sections: []bot.Section{{
			Channel: o.channel, Title: anyWords(300).Draw(t, "title"), Lines: rapid.SliceOfN(anyLine(), 0, 3).Draw(t, "lines"), Items: rapid.SliceOfN(anyMessage(), 0, 12).Draw(t, "items"),
		}}}
		hub.With(func(h *bottest.Hub) { h.OnPage = func(bot.Person) bot.Page { return page } })
		r, leave := o.p.gateway.Enter()
		defer leave()
		if err := r.publish(o.t.Context(), o.ann.ID); err != nil {
			t.Fatal(err)
		}
	}))
}
