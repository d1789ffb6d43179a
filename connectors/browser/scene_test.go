package browser

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"testing"
	"time"

	"groupmail/bot"
	"groupmail/bot/bottest"
)

var demo = flag.String("demo", "", "serve the scene at this address, such as 127.0.0.1:8421, until interrupted")

// TestDemo shows the pages with a card in every state:
//
//	go test ./connectors/browser -run TestDemo -demo 127.0.0.1:8421 -timeout 0
func TestDemo(t *testing.T) {
	if *demo == "" {
		t.Skip("only with -demo")
	}
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	defer stop()
	p, err := New(config("http://"+*demo, t.TempDir()), nil)
	if err != nil {
		t.Fatal(err)
	}
	newScene(t, p)
	s := &http.Server{Addr: *demo, Handler: p.Handler(), ReadHeaderTimeout: 10 * time.Second}
	s.RegisterOnShutdown(func() { _ = p.Close() })
	go func() {
		<-ctx.Done()
		_ = s.Shutdown(context.WithoutCancel(ctx))
	}()
	t.Logf("http://%s/", *demo)
	_ = s.ListenAndServe()
}

// scene is a channel with a card in every state, and a hub that plays the bot.
type scene struct {
	p     *Platform
	hub   *bottest.Hub
	mu    sync.Mutex
	state map[string]*mail // by key
	ids   map[string]string
}

type mail struct {
	key, from, why, subject, quote, footer string
	state                                  bot.Tone
	owner                                  string
	version                                int64
	number                                 int
	at                                     time.Time
}

func (m *mail) card() bot.Message {
	c := bot.Message{Key: m.key, Version: m.version, Tone: m.state, Title: m.subject, Quote: m.quote, Clipped: len(m.quote) > 150,
		Notice: "New mail: " + m.from + " – " + m.subject}
	value := m.key
	b := func(id, label string) bot.Button { return bot.Button{ID: id, Label: label, Value: value} }
	more := bot.Button{Label: "More…", Menu: []bot.Button{b("read", "Read"), b("assign", "Assign …"), b("noanswer", "No answer needed"), b("contact", "Add contact …"),
		{ID: "page", Label: "Open page", URL: "https://example.org/contacts/7"}, {ID: "spam", Label: "Spam", Value: value, Style: bot.Danger, Confirm: "Move this conversation to spam?"}}}
	c.Buttons = []bot.Button{b("release", "Release"), b("reply", "Reply"), b("close", "Close"), more}
	word := map[bot.Tone]string{bot.Yellow: "● New", bot.Red: "▲ Overdue", bot.Green: "✓ Taken", bot.Blue: "… Waiting", bot.Grey: "■ Closed", bot.GreyStruck: "⊘ Spam"}[m.state]
	c.Status = bot.Line{{Text: word, Strong: true}}
	if m.owner != "" {
		c.Status = append(c.Status, bot.Span{Text: " by "}, bot.Span{Member: m.owner, Strong: true})
	}
	c.Status = append(c.Status, bot.Span{Text: " · "}, bot.Span{Time: m.at}, bot.Span{Text: " · " + m.from})
	if m.why != "" {
		c.Status = append(c.Status, bot.Span{Text: " · " + m.why})
	}
	c.Footer = bot.Line{{Text: m.footer}}
	if m.number > 0 {
		c.Footer = append(c.Footer, bot.Span{Text: fmt.Sprintf(" · #%d", m.number)})
	}
	switch m.state {
	case bot.Yellow, bot.Red:
		c.Buttons[0] = bot.Button{ID: "take", Label: "Take", Value: value, Style: bot.Primary}
		c.Buttons[2] = bot.Button{ID: "spam", Label: "Spam", Value: value, Confirm: "Move this conversation to spam?"}
	case bot.Grey:
		c.Buttons = []bot.Button{b("reopen", "Reopen"), more}
		c.Quote = ""
	case bot.GreyStruck:
		c.Buttons = []bot.Button{b("undo", "Undo")}
		c.Quote = ""
	}
	return c
}

func newScene(t testing.TB, p *Platform) *scene {
	t.Helper()
	s := &scene{p: p, hub: &bottest.Hub{}, state: map[string]*mail{}, ids: map[string]string{}}
	now := time.Now()
	h := func(d time.Duration) time.Time { return now.Add(-d) }
	mails := []*mail{
		{key: "struck", from: "Win Prizes", subject: "You have won 1,000,000 €!!! Click https://evil.example/claim", footer: "help@example.org", state: bot.GreyStruck, owner: "ben", at: h(50 * time.Hour)},
		{key: "closed", from: "Olga Petrova", subject: "Thank you for the quick help", footer: "help@example.org · closed: answered", state: bot.Grey, owner: "cleo", number: 9, at: h(27 * time.Hour)},
		{key: "late", from: "Jonas Weber", subject: "Water is coming through the ceiling", quote: "Hello,\n\nsince last night there is water coming through the ceiling of the bathroom (2nd floor, left). I have put buckets there, but it gets worse. Please send somebody today!\n\nJonas Weber\n0151 2345678", footer: "help@example.org · 2 pictures", state: bot.Red, at: h(3 * time.Hour)},
		{key: "wait", from: "Bright Cleaning GmbH", why: "known: domain bright.example", subject: "Offer for the stairwells", quote: "Please find our offer attached. It is valid until the end of the month: https://offers.bright.example/2031?customer=44&view=full", footer: "office@example.org · 1 file", state: bot.Blue, owner: "ann", number: 11, at: h(2 * time.Hour)},
		{key: "taken", from: "Maria Kovács", why: "known: wrote in May", subject: "Heating broken", quote: "Dear team,\nthe heating in flat 12 has been cold since Sunday, and the baby has a cough. Could somebody come by this week? I am at home until noon, and after five again.\nMaria", footer: "help@example.org · taken 20 minutes ago", state: bot.Green, owner: "ben", number: 12, at: h(time.Hour)},
		{key: "new", from: "“Anna Schmidt” (through the website form)", subject: "Is the community room free on 14 March?", quote: "Hello, we would like to book the community room for a birthday with about 30 people. What does it cost, and may we bring our own music?", footer: "help@example.org", state: bot.Yellow, at: h(8 * time.Minute)},
	}
	say := func(who, root, text string, files ...string) {
		if _, err := p.say(who, "help", root, text, files); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range mails {
		m.version = 1
		p.now = func() time.Time { return m.at }
		id, err := p.Post(t.Context(), "help", m.card())
		if err != nil {
			t.Fatal(err)
		}
		s.state[m.key], s.ids[m.key] = m, id
		if i == 1 {
			say("cleo", "", "Good morning! The plumber is booked out until Thursday, please do not promise anything earlier.")
			say("cleo", "", "His number is on the wall.")
			say("ann", "", "Thanks @cleo. @ben could you look at https://example.org/rota?week=11 later?")
		}
	}
	p.now = func() time.Time { return h(40 * time.Minute) }
	root := s.ids["taken"]
	line := func(m bot.Message) {
		m.Root = root
		if _, err := p.Post(t.Context(), "help", m); err != nil {
			t.Fatal(err)
		}
	}
	line(bot.Message{Key: "t1", Notice: "Thread of #12", Lines: []bot.Line{{{Text: "Everything here is internal. Begin with "}, {Text: "@groupmail", Code: true}, {Text: " to answer Maria Kovács."}}},
		Quote: "Dear team,\n\nthe heating in flat 12 has been cold since Sunday, and the baby has a cough. Could somebody come by this week? I am at home until noon, and after five again.\n\nKind regards\nMaria Kovács\nMill Lane 4",
		Files: []bot.Upload{file1("heating.png", "image/png", picture()), file1("Rental contract (2024) – signed copy.pdf", "application/pdf", bytes.Repeat([]byte("x"), 231_000))}})
	say("ben", root, "I'll call the plumber. Does anybody know whether it is the pump again?")
	say("cleo", root, "It was the pump in January, yes.\nThe invoice is on her page.")
	say("ben", root, "@groupmail Dear Maria, the plumber comes on Thursday between 8 and 10. Warm regards, Ben")
	line(bot.Message{Key: "t2", Notice: "Sent", Lines: []bot.Line{{{Text: "✓ Sent", Strong: true}, {Text: " to maria@example.org "}, {Time: h(39 * time.Minute)}}}})
	p.now = time.Now
	if _, err := p.Post(t.Context(), "@ann", bot.Message{Notice: "Offer for the stairwells is idle", Lines: []bot.Line{
		{{Text: "#11 Offer for the stairwells", URL: p.Link("help", s.ids["wait"])}, {Text: " has been waiting for two days. Is it still yours?"}}},
		Buttons: []bot.Button{{ID: "keep", Label: "Still mine"}, {ID: "release", Label: "Release"}}}); err != nil {
		t.Fatal(err)
	}
	s.hub.Declared = []bot.CommandInfo{{Name: "mail", Hint: "[queue | mine | search …]", Description: "the shared mailbox"}}
	s.hub.OnClick, s.hub.OnSubmit, s.hub.OnCommand, s.hub.OnComplete = s.click, s.submit, s.command, s.complete
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Run(ctx, s.hub) }()
	t.Cleanup(func() { cancel(); <-done })
	return s
}

func file1(name, kind string, b []byte) bot.Upload {
	return bot.Upload{Name: name, Type: kind, Size: int64(len(b)), Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

func aside(s string) *bot.Message {
	return &bot.Message{Notice: s, Lines: []bot.Line{{{Text: s}}}}
}

func (s *scene) click(c bot.Click) bot.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.state[c.Key]
	if m == nil {
		return bot.Answer{Whisper: aside("Noted.")}
	}
	draw := func(state bot.Tone, owner string) bot.Answer {
		m.state, m.owner = state, owner
		m.version++
		card := m.card()
		return bot.Answer{Redraw: &card}
	}
	switch c.Button {
	case "take":
		if m.owner != "" {
			return bot.Answer{Whisper: aside("Somebody took this a moment ago.")}
		}
		m.number = 13
		return draw(bot.Green, c.Who.ID)
	case "release", "undo", "reopen":
		return draw(bot.Yellow, "")
	case "close", "noanswer":
		return draw(bot.Grey, c.Who.ID)
	case "spam":
		return draw(bot.GreyStruck, c.Who.ID)
	case "read":
		return bot.Answer{Whisper: &bot.Message{Notice: "The whole mail", Status: bot.Line{{Text: "The whole mail", Strong: true}, {Text: " from " + m.from}}, Title: m.subject,
			Quote: strings.Repeat(m.quote+"\n\n", 4), Lines: []bot.Line{{{Text: "Open it on the web", URL: "https://example.org/mail/7"}}}}}
	case "reply", "assign", "contact":
		return bot.Answer{Form: &bot.Form{Title: "Reply", Submit: "Send", State: m.key, Quote: m.quote,
			Intro: []bot.Line{{{Text: "From "}, {Text: "help@example.org", Code: true}}, {{Text: "To "}, {Text: "maria@example.org", Code: true}, {Text: " · Cc "}, {Text: "caretaker@example.org", Code: true}}},
			Fields: []bot.FormField{
				{Name: "text", Label: "Text", Kind: bot.Long, Value: "Dear Maria Kovács,\n\n", Required: true, Max: 3000},
				{Name: "outcome", Label: "Close it as", Kind: bot.Select, Options: []bot.Option{{Value: "answered", Label: "Answered"}, {Value: "phoned", Label: "Phoned"}, {Value: "sent", Label: "Sent the info pack"}}, Help: "Leave it empty to wait for an answer."},
				{Name: "after", Label: "Afterwards", Kind: bot.Select, Options: []bot.Option{{Label: "Wait for an answer"}, {Value: "remind", Label: "Remind me in a week"}}},
				{Name: "sign", Label: "Add my signature", Kind: bot.Check, Value: "true"},
			}}}
	}
	return bot.Answer{Whisper: aside("“" + c.Button + "” is not played here.")}
}

func (s *scene) submit(in bot.Submission) bot.Answer {
	text := in.Values["text"]
	if strings.Contains(text, "TODO") {
		return bot.Answer{Errors: map[string]string{"text": "There is still a TODO in it.", "": "Nothing was sent."}}
	}
	if in.State != "anyway" && strings.Contains(text, "Friday") {
		return bot.Answer{Form: &bot.Form{Title: "A newer mail came", Submit: "Send all the same", State: "anyway", Quote: "Never mind, it works again!\nMaria",
			Fields: []bot.FormField{{Name: "text", Label: "Text", Kind: bot.Long, Value: text, Required: true}}}}
	}
	return bot.Answer{Whisper: aside("Sends in 30 s.")}
}

func (s *scene) command(c bot.Command) bot.Answer {
	if c.Text == "queue" {
		return bot.Answer{Whisper: &bot.Message{Notice: "2 wait", Lines: []bot.Line{{{Text: "2 wait", Strong: true}}, {{Text: "Water is coming through the ceiling", URL: s.p.Link("help", s.ids["late"])}}, {{Text: "Is the community room free?", URL: s.p.Link("help", s.ids["new"])}}}}}
	}
	return bot.Answer{Whisper: aside("/mail " + c.Text + " is not played here.")}
}

func (s *scene) complete(c bot.Command) []bot.Completion {
	var all []bot.Completion
	for _, o := range []bot.Completion{{Text: "queue", Hint: "what waits"}, {Text: "mine", Hint: "what you hold"}, {Text: "search ", Hint: "mail, tickets, contacts and pages"}, {Text: "todo ", Hint: "something to be done, with a time"}, {Text: "who", Hint: "who is here"}} {
		if strings.HasPrefix(o.Text, c.Text) && o.Text != c.Text {
			all = append(all, o)
		}
	}
	return all
}

// picture is a small PNG.
func picture() []byte {
	return []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xd0x\xf8\xf0?\x00\x05\x8e\x02\xd7\x9e\xa1\xe8I\x00\x00\x00\x00IEND\xaeB`\x82")
}
