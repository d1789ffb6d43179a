package bot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"groupmail/store"
	"groupmail/ticketing"
)

// chat is a platform in memory that can be made to fail as real ones do.
type chat struct {
	deaf    bool // not connected
	mu      sync.Mutex
	echoes  bool
	alone   bool // but for Ann all have left
	hub     Hub
	posts   []*posted
	told    []string // "member: text"
	pinned  []string
	fault   func(what string) error // asked before each call; "posted" after a post was made
	delay   func(m Message)         // how long a post is on its way
	refuse  func(m Message) error   // asked of each post
	calls   map[string]int
	changed chan struct{}
}

type posted struct {
	id      string
	channel string
	m       Message
	history []int64 // versions in the order in which they were shown
	gone    bool
}

func (c *chat) Name() string { return "x" }

func (c *chat) begin(what string) error {
	c.calls[what]++
	if c.fault == nil {
		return nil
	}
	return c.fault(what)
}

func (c *chat) Post(_ context.Context, channel string, m Message) (string, error) {
	if c.delay != nil {
		c.delay(m)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.tell()
	if err := c.begin("post"); err != nil {
		return "", err
	}
	if c.refuse != nil {
		if err := c.refuse(m); err != nil {
			return "", err
		}
	}
	if m.Root != "" && c.find(m.Root) == nil {
		return "", fmt.Errorf("no root %q", m.Root)
	}
	p := &posted{id: fmt.Sprintf("m%d", len(c.posts)+1), channel: channel, m: m, history: []int64{m.Version}}
	c.posts = append(c.posts, p)
	if member, direct := strings.CutPrefix(channel, "@"); direct {
		c.told = append(c.told, member+": "+text(m))
	}
	return p.id, c.begin("posted")
}

func (c *chat) find(id string) *posted {
	i := slices.IndexFunc(c.posts, func(p *posted) bool { return p.id == id && !p.gone })
	if i < 0 {
		return nil
	}
	return c.posts[i]
}

func (c *chat) Redraw(_ context.Context, _, message string, m Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.tell()
	if err := c.begin("redraw"); err != nil {
		return err
	}
	p := c.find(message)
	if p == nil {
		return ErrGone
	}
	p.m, p.history = m, append(p.history, m.Version)
	return c.begin("redrawn")
}

func (c *chat) Find(_ context.Context, _, _, key string, _ time.Time) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.begin("find"); err != nil {
		return "", err
	}
	for _, p := range c.posts {
		if p.m.Key == key && !p.gone {
			return p.id, nil
		}
	}
	return "", nil
}

func (c *chat) Tell(_ context.Context, _, _, member string, m Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.tell()
	c.told = append(c.told, member+": "+m.Notice)
	return nil
}

func (c *chat) DirectChannel(_ context.Context, member string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return "@" + member, c.begin("direct")
}

func (c *chat) Pin(_ context.Context, _, message string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pinned = append(c.pinned, message)
	return c.begin("pin")
}

var people = []Person{{ID: "ann", Handle: "ann", Name: "Ann", Email: "ann@example.com"}, {ID: "ben", Handle: "ben", Name: "Ben"}, {ID: "gus", Name: "Gus", Guest: true}}

func (c *chat) Members(context.Context, string) ([]Person, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alone {
		return people[:1], c.begin("members")
	}
	return people[:2], c.begin("members")
}

func (c *chat) Channel(context.Context, string) (Channel, error) {
	return Channel{ID: "board", Title: "Board", Private: true}, nil
}

func (c *chat) Download(_ context.Context, f File) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("bytes of " + f.ID)), nil
}

func (c *chat) Mention(context.Context) string { return "@groupmail" }

func (c *chat) Link(channel, message string) string {
	return "http://chat.example/" + channel + "/" + message
}

func (c *chat) Run(ctx context.Context, hub Hub) error {
	c.mu.Lock()
	c.hub = hub
	c.tell()
	c.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (c *chat) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.deaf
}

func (c *chat) Echoes() bool { return c.echoes }

func (c *chat) tell() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// world is a bot at work on a desk with a real store.
type world struct {
	t     *testing.T
	chat  *chat
	desk  *ticketing.Desk
	store *store.Store
	bot   *Bot
	n     int
	skip  *atomic.Int64 // nanoseconds that the clock is ahead
	mail  []string      // what was mailed to people of the team: "address: subject"
}

func newWorld(t *testing.T, change func(*chat)) *world {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	skip := &atomic.Int64{}
	clock := func() time.Time { return ticketing.SystemClock().Add(time.Duration(skip.Load())) }
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "test.db"), Clock: clock, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	// Tests tell of trouble when they want to.
	if held, err := s.Lease(t.Context(), "alerts", "the test", time.Hour); !held || err != nil {
		t.Fatal(held, err)
	}
	c := &chat{calls: map[string]int{}, changed: make(chan struct{}, 1)}
	if change != nil {
		change(c)
	}
	g := ticketing.Group{
		Name: "help", Title: "Help desk", Outcomes: []string{"phoned"}, Tag: "[#%d]", Overdue: time.Hour, Undo: time.Minute, Zone: time.UTC, Flood: 5,
		Admins: []string{"ann"}, Leads: []string{"x:ann"},
		Mailboxes: []ticketing.Mailbox{{Name: "help", Address: ticketing.Address{Addr: "help@example.org"}}},
		Boards:    []ticketing.Board{{Name: "x/board", Platform: "x", Channel: "board"}},
	}
	w := &world{t: t, chat: c, skip: skip, store: s, desk: ticketing.NewDesk(s, []ticketing.Group{g}, clock, log)}
	w.bot = New(Config{Desk: w.desk, Platforms: []Platform{c}, Secret: []byte("secret"), Log: log, Clock: clock,
		Mail: func(_ context.Context, _ ticketing.Group, to []ticketing.Address, subject, text string) error {
			w.mail = append(w.mail, to[0].Addr+": "+subject+": "+text)
			return nil
		},
		OpenFile: func(context.Context, ticketing.Mail, ticketing.Attachment) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("file")), nil
		}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = w.bot.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done; s.Close() })
	w.until("the platform is served", func() bool { return c.hub != nil })
	w.until("members are known", func() bool {
		all, err := w.desk.Colleagues(t.Context(), "help")
		return err == nil && len(all) == 2
	})
	return w
}

// until waits for what the bot does by itself.
func (w *world) until(what string, f func() bool) {
	w.t.Helper()
	deadline := time.After(20 * time.Second)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		w.chat.mu.Lock()
		ok := f()
		w.chat.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-w.chat.changed:
		case <-look.C:
		case <-deadline:
			w.t.Fatalf("it never came that %s; on the board:\n%s", what, w.board())
		}
	}
}

func (w *world) board() string {
	var b strings.Builder
	for _, p := range w.chat.posts {
		fmt.Fprintf(&b, "%s (%s) %s\n", p.id, p.m.Key, text(p.m))
	}
	return b.String()
}

// text is all that a message shows, on one line.
func text(m Message) string {
	var b strings.Builder
	line := func(l Line) {
		for _, s := range l {
			b.WriteString(s.Text)
			if !s.Time.IsZero() {
				b.WriteString("TIME")
			}
		}
		b.WriteString(" | ")
	}
	line(m.Status)
	b.WriteString(m.Title + " | ")
	for _, l := range m.Lines {
		line(l)
	}
	b.WriteString(m.Quote + " | ")
	line(m.Footer)
	for _, x := range m.Buttons {
		b.WriteString("[" + x.Label + "]")
	}
	return b.String()
}

func (w *world) arrives(subject, body string, answers ...string) string {
	w.t.Helper()
	w.n++
	id := fmt.Sprintf("%d@example.net", w.n)
	err := w.desk.Receive(w.t.Context(), ticketing.Arrival{Mailbox: "help", Ref: ticketing.Ref{Validity: "1", UID: fmt.Sprint(w.n)}, Mail: ticketing.Mail{
		MessageID: id, InReplyTo: answers, From: ticketing.Address{Name: "Maria", Addr: "maria@example.net"}, Subject: subject,
		To: []ticketing.Address{{Addr: "help@example.org"}}, Text: body, Reply: body, Digest: body,
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// card waits for the card of a conversation and returns it.
func (w *world) card(subject string) (p *posted) {
	w.t.Helper()
	w.until("there is a card “"+subject+"”", func() bool {
		i := slices.IndexFunc(w.chat.posts, func(x *posted) bool { return strings.HasPrefix(x.m.Key, "card:") && x.m.Title == subject && !x.gone })
		if i >= 0 {
			p = w.chat.posts[i]
			known, err := w.desk.FindPost(w.t.Context(), p.m.Key, "", "")
			return err == nil && known.Message == p.id
		}
		return false
	})
	return p
}

func (w *world) click(who int, p *posted, button string) Answer {
	w.t.Helper()
	w.n++
	w.chat.mu.Lock()
	m := p.m
	w.chat.mu.Unlock()
	value := ""
	for _, b := range m.Buttons {
		for _, x := range append(b.Menu, b) {
			if x.ID == button {
				value = x.Value
			}
		}
	}
	if value == "" {
		w.t.Fatalf("no button %q on %s", button, text(m))
	}
	a := w.chat.hub.Click(w.t.Context(), Click{Event: fmt.Sprintf("c%d", w.n), Who: people[who], Channel: "board", Message: p.id, Key: m.Key, Button: button, Value: value})
	if a.Redraw != nil { // as a platform that echoes does
		w.chat.mu.Lock()
		p.m, p.history = *a.Redraw, append(p.history, a.Redraw.Version)
		w.chat.tell()
		w.chat.mu.Unlock()
		w.chat.hub.Drawn(w.t.Context(), "board", p.id, p.m.Key, a.Redraw.Version)
	}
	return a
}

func (w *world) shows(p *posted, part string) {
	w.t.Helper()
	w.until(p.id+" shows "+part, func() bool { return strings.Contains(text(p.m), part) })
}

func (w *world) line(part string) (p *posted) {
	w.t.Helper()
	w.until("there is a line “"+part+"”", func() bool {
		i := slices.IndexFunc(w.chat.posts, func(x *posted) bool { return x.m.Root != "" && strings.Contains(x.m.Key+" "+text(x.m), part) })
		if i >= 0 {
			p = w.chat.posts[i]
		}
		return i >= 0
	})
	return p
}

func said(a Answer) string {
	if a.Whisper == nil {
		return ""
	}
	return text(*a.Whisper)
}

func TestTakeRedrawsForEverybody(t *testing.T) {
	for _, echoes := range []bool{true, false} {
		t.Run(fmt.Sprint("echoes ", echoes), func(t *testing.T) {
			w := newWorld(t, func(c *chat) { c.echoes = echoes })
			w.arrives("Heating broken", "It is cold.")
			card := w.card("Heating broken")
			if got := text(card.m); !strings.Contains(got, "● New") || !strings.Contains(got, "[Take][Reply][Spam][More…]") {
				t.Fatalf("the card shows %s", got)
			}
			a := w.click(0, card, "take")
			if (a.Redraw != nil) != echoes || a.Whisper != nil {
				t.Errorf("answered %+v", a)
			}
			w.shows(card, "◆ Taken by Ann")
			if a := w.click(1, card, "release"); !strings.Contains(said(a), "only Ann or a lead") && a.Whisper != nil {
				t.Errorf("Ben was told %q", said(a))
			}
			hint := w.line("stays among you")
			if mail := w.line("It is cold."); slices.Index(w.chat.posts, mail) < slices.Index(w.chat.posts, hint) {
				t.Error("the mail's line stands before the hint")
			}
		})
	}
}

func TestBothPressTake(t *testing.T) {
	w := newWorld(t, func(c *chat) { c.echoes = true })
	w.arrives("Heating broken", "It is cold.")
	card := w.card("Heating broken")
	v := card.m.Buttons[0].Value
	answers := make([]Answer, 2)
	var both sync.WaitGroup
	for i := range answers {
		both.Go(func() {
			answers[i] = w.chat.hub.Click(t.Context(), Click{Event: fmt.Sprint("e", i), Who: people[i], Channel: "board", Message: card.id, Key: card.m.Key, Button: "take", Value: v})
		})
	}
	both.Wait()
	refused := 0
	for _, a := range answers {
		if strings.Contains(said(a), " took “Heating broken”") || strings.Contains(said(a), " took #1") {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("answered %q and %q", said(answers[0]), said(answers[1]))
	}
	// The answer's card was never shown: the bot draws it by itself.
	w.shows(card, "◆ Taken by")
}

func TestNoCardIsPostedTwice(t *testing.T) {
	lost := errors.New("connection lost")
	for name, fault := range map[string]func(n map[string]int) func(string) error{
		"posted, but the answer was lost": func(n map[string]int) func(string) error {
			return func(what string) error {
				if what == "posted" && n[what] == 1 {
					return lost
				}
				return nil
			}
		},
		"not posted": func(n map[string]int) func(string) error {
			return func(what string) error {
				if what == "post" && n[what] == 1 {
					return lost
				}
				return nil
			}
		},
		"limited": func(n map[string]int) func(string) error {
			return func(what string) error {
				if what == "post" && n[what] == 1 {
					return Limited{10 * time.Millisecond}
				}
				return nil
			}
		},
		"posted, and not to be found for a while": func(n map[string]int) func(string) error {
			return func(what string) error {
				if what == "posted" && n[what] == 1 || what == "find" && n[what] == 1 {
					return lost
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *chat) { c.fault = fault(c.calls) })
			w.arrives("Heating broken", "It is cold.")
			card := w.card("Heating broken")
			w.click(0, card, "take")
			w.shows(card, "◆ Taken by Ann")
			w.chat.mu.Lock()
			defer w.chat.mu.Unlock()
			cards := 0
			for _, p := range w.chat.posts {
				if strings.HasPrefix(p.m.Key, "card:") {
					cards++
				}
			}
			if cards != 1 {
				t.Errorf("there are %d cards:\n%s", cards, w.board())
			}
		})
	}
}

func TestAnOlderStateNeverOverwritesANewer(t *testing.T) {
	w := newWorld(t, nil)
	w.arrives("Heating broken", "It is cold.")
	card := w.card("Heating broken")
	for range 10 {
		w.click(0, card, "take")
		w.shows(card, "◆ Taken by Ann")
		w.click(0, card, "release")
		w.shows(card, "● New")
	}
	w.chat.mu.Lock()
	defer w.chat.mu.Unlock()
	if !slices.IsSorted(card.history) {
		t.Errorf("shown in the order %v", card.history)
	}
}

func TestADeletedCardIsPostedAnew(t *testing.T) {
	w := newWorld(t, nil)
	w.arrives("Heating broken", "It is cold.")
	card := w.card("Heating broken")
	w.chat.mu.Lock()
	card.gone = true
	w.chat.mu.Unlock()
	w.chat.hub.Lost(t.Context(), "board", card.id)
	if again := w.card("Heating broken"); again.id == card.id {
		t.Error("it was not")
	}
}

func TestButtonsOfOtherCardsAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	w.arrives("One", "1")
	w.arrives("Two", "2")
	one, two := w.card("One"), w.card("Two")
	hub := w.chat.hub
	press := func(c Click) Answer {
		if c.Who.ID == "" {
			c.Who = people[0]
		}
		if c.Channel == "" {
			c.Channel = "board"
		}
		return hub.Click(t.Context(), c)
	}
	v := one.m.Buttons[0].Value
	for what, c := range map[string]Click{
		"This button belongs to another card":   {Event: "1", Message: two.id, Key: one.m.Key, Button: "take", Value: v},
		"This card is none of mine":             {Event: "2", Message: two.id, Key: "card:99:x/board", Button: "take", Value: v},
		"does nothing any more":                 {Event: "3", Message: one.id, Key: one.m.Key, Button: "explode", Value: v},
		"This button is broken":                 {Event: "4", Message: one.id, Key: one.m.Key, Button: "take", Value: "x"},
		"none of GroupMail's":                   {Event: "5", Channel: "elsewhere", Message: one.id, Key: one.m.Key, Button: "take", Value: v},
		"Only members of this channel":          {Event: "6", Who: Person{ID: "eve"}, Message: one.id, Key: one.m.Key, Button: "take", Value: v},
		"can do that, and guests cannot":        {Event: "7", Who: people[2], Message: one.id, Key: one.m.Key, Button: "take", Value: v},
		"There is no such conversation in Help": {Event: "8", Message: one.id, Key: one.m.Key, Button: "take", Value: "4711"},
	} {
		if got := said(press(c)); !strings.Contains(got, what) {
			t.Errorf("%+v was answered %q, want %q", c, got, what)
		}
	}
	if got := text(one.m); !strings.Contains(got, "● New") {
		t.Errorf("it is %s", got)
	}
}

func (w *world) submit(who int, f *Form, values map[string]string) Answer {
	w.n++
	all := map[string]string{}
	for _, x := range f.Fields {
		all[x.Name] = x.Value
	}
	for k, v := range values {
		all[k] = v
	}
	return w.chat.hub.Submit(w.t.Context(), Submission{Event: fmt.Sprint("s", w.n), Who: people[who], Channel: "board", State: f.State, Values: all})
}

func TestReplyByForm(t *testing.T) {
	w := newWorld(t, nil)
	first := w.arrives("Heating broken", "It is cold.")
	card := w.card("Heating broken")
	form := w.click(0, card, "reply").Form
	if form == nil || form.Fields[1].Value != `"Maria" <maria@example.net>` || form.Quote != "It is cold." {
		t.Fatalf("the form is %+v", form)
	}
	w.shows(card, "◆ Taken by Ann")
	if a := w.submit(0, form, nil); a.Errors["text"] == "" {
		t.Errorf("an empty reply was answered %+v", a)
	}
	if a := w.submit(0, form, map[string]string{"text": "x", "to": "nobody"}); a.Errors["to"] == "" {
		t.Errorf("a bad address was answered %+v", a)
	}
	w.arrives("Re: Heating broken", "Even colder!", first)
	a := w.submit(0, form, map[string]string{"text": "We are coming."})
	if a.Form == nil || a.Form.Fields[0].Value != "We are coming." || !strings.Contains(text(Message{Lines: a.Form.Intro}), "Even colder!") {
		t.Fatalf("a stale form was answered %+v", a)
	}
	sent := w.submit(0, a.Form, map[string]string{"after": "phoned"})
	if got := said(sent); sent.Errors != nil || !sent.Aside || !strings.Contains(got, "To maria@example.net · sends at TIME") || !strings.Contains(got, "[Stop][Send now]") {
		t.Fatalf("the form was answered %+v", sent)
	}
	if got := said(w.submit(0, a.Form, nil)); !strings.Contains(got, "already sent") {
		t.Errorf("the same form again was answered %q", got)
	}
	line := w.line("sends in")
	w.shows(card, "Ann’s answer goes out at TIME · Stop it in the thread")
	w.until("the card leads to the line", func() bool { return leadsTo(card.m, w.chat.Link("board", line.id)) })
	if got := text(line.m); !strings.Contains(got, "We are coming.") || !strings.Contains(got, "[Stop][Send now]") || !strings.Contains(got, "To maria@example.net") {
		t.Errorf("the line shows %s", got)
	}
	// The whisper has the same buttons, and says by itself what has become of the answer.
	inWhisper := func(event string) Answer {
		v := sent.Whisper.Buttons[0].Value
		return w.chat.hub.Click(t.Context(), Click{Event: event, Who: people[0], Channel: "board", Button: "stop", Value: v})
	}
	if a := inWhisper("w1"); a.Whisper != nil || a.Redraw == nil || !strings.Contains(text(*a.Redraw), "⏹ Stopped") {
		t.Errorf("stopped in the whisper: %+v", a)
	}
	w.shows(line, "⏹ Stopped")
	w.until("the card no longer says so", func() bool { return !strings.Contains(text(card.m), "answer") })
	if a := inWhisper("w2"); !strings.Contains(said(a), "already stopped") || a.Redraw == nil || len(a.Redraw.Buttons) != 0 {
		t.Errorf("stopped once more: %+v", a)
	}
}

// leadsTo tells whether a message links to an address.
func leadsTo(m Message, url string) bool {
	return slices.ContainsFunc(m.Lines, func(l Line) bool { return slices.ContainsFunc(l, func(s Span) bool { return s.URL == url }) })
}

func TestForgedForms(t *testing.T) {
	w := newWorld(t, nil)
	w.arrives("Heating broken", "It is cold.")
	form := w.click(0, w.card("Heating broken"), "reply").Form
	values := map[string]string{"text": "x"}
	for name, change := range map[string]func(f *Form) int{
		"another's": func(*Form) int { return 1 },
		"altered":   func(f *Form) int { f.State = "x" + f.State[1:]; return 0 },
		"unsigned":  func(f *Form) int { f.State, _, _ = strings.Cut(f.State, "."); return 0 },
		"empty":     func(f *Form) int { f.State = ""; return 0 },
		"of other keys": func(f *Form) int {
			f.State = (&Bot{Config: Config{Secret: []byte("y")}}).sign(formState{Purpose: "reply"})
			return 0
		},
	} {
		f := *form
		who := change(&f)
		if a := w.submit(who, &f, values); !strings.Contains(a.Errors[""], "not one that I gave you") {
			t.Errorf("a form %s was answered %+v", name, a)
		}
	}
}

func (w *world) command(who int, text string) Answer {
	w.n++
	return w.chat.hub.Command(w.t.Context(), Command{Event: fmt.Sprint("k", w.n), Who: people[who], Channel: "board", Name: "mail", Text: text})
}

func TestCommands(t *testing.T) {
	w := newWorld(t, nil)
	w.arrives("Heating broken", "It is cold.")
	card := w.card("Heating broken")
	w.arrives("Bill", "Too much")
	w.card("Bill")
	w.click(0, card, "take")
	for _, c := range []struct {
		who        int
		text, want string
	}{
		{0, "", "/mail queue [MAILBOX]"},
		{0, "help", "/mail close #12 [OUTCOME]"},
		{0, "help", "People and pages"},
		{0, "qeue", "Did you mean /mail queue?"},
		{0, "queue", "Waits for somebody: 1 conversation"},
		{0, "queue", "Maria: Heating broken · Ann"},
		{0, "queue help", "Queue of Help desk, help"},
		{0, "queue nowhere", "There is no mailbox “nowhere” here. There are: help"},
		{0, "mine", "#1 Maria: Heating broken"},
		{1, "mine", "You have nothing."},
		{1, "take #1", "Ann took #1"},
		{1, "take", ""}, // a form: TestPick
		{1, "take #77", "There is no ticket #77."},
		{0, "show 1", "taken by Ann"},
		{0, "release #1", "✓ #1 is back for everybody."},
		{1, "take 1", "✓ #1 is taken."},
		{1, "assign #1 @nobody", "I don't know whom you mean by “nobody”. In this channel are: @ann, @ben"},
		{1, "assign #1 @ann", "✓ Ann has #1."},
		{0, "close #1 phoned twice", "✓ #1 is closed: phoned twice."},
		{0, "close #1 again", "#1 was already closed"},
		{0, "reopen #1", "✓ #1 is open again, and yours."},
		{0, "spam #1", "✓ #1 is marked as spam."},
	} {
		if got := said(w.command(c.who, c.text)); !strings.Contains(got, c.want) {
			t.Errorf("/mail %s was answered\n%s\nwant %s", c.text, got, c.want)
		}
	}
	for text, want := range map[string][]string{
		"":            {"queue ", "mine"},
		"re":          {"release ", "reply ", "reopen "},
		"queue h":     {"queue help"},
		"close #1 ":   {"close #1 phoned"},
		"assign 1 @a": {"assign 1 @ann"},
	} {
		var got []string
		for _, o := range w.chat.hub.Complete(t.Context(), Command{Who: people[0], Channel: "board", Name: "mail", Text: text}) {
			got = append(got, o.Text)
		}
		for _, x := range want {
			if !slices.Contains(got, x) {
				t.Errorf("after %q were offered %q, not %q", text, got, x)
			}
		}
	}
}

func TestReplyFromTheThread(t *testing.T) {
	w := newWorld(t, nil)
	w.arrives("Heating broken", "It is cold.")
	card := w.card("Heating broken")
	say := func(s Said) {
		t.Helper()
		w.n++
		s.Event, s.Who, s.Channel, s.Root = fmt.Sprint("t", w.n), people[0], "board", card.id
		if s.Kind == "" {
			s.Kind = Written
		}
		if s.At.IsZero() {
			s.At = time.Now()
		}
		if err := w.chat.hub.Said(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	say(Said{Message: "t0", Text: "what shall we do?"})
	say(Said{Message: "t1", Text: "We are coming.", ToBot: true, Files: []File{{ID: "f1", Name: "map.pdf", Type: "application/pdf", Size: 11}}})
	line := w.line("Not sent yet")
	w.shows(card, "◆ Taken by Ann")
	w.shows(line, "To maria@example.net")
	w.shows(line, "1 file: map.pdf")
	w.click(0, line, "send")
	w.until("it is on its way", func() bool { return !strings.Contains(text(line.m), "first answer") })
	say(Said{Message: "t2", Text: "And tomorrow?", ToBot: true})
	second := w.line("reply:2:")
	say(Said{Message: "t2", Kind: Deleted})
	w.shows(second, "⏹ Stopped")
	say(Said{Message: "t3", Text: "  ", ToBot: true})
	w.until("Ann is told that there is nothing to send", func() bool {
		return len(w.chat.told) == 1 && strings.Contains(w.chat.told[0], "ann: There is nothing to send")
	})
}

func TestSubjectsAreOneLineEverywhere(t *testing.T) {
	w := newWorld(t, nil)
	w.arrives(strings.Repeat("@channel <!channel> ", 500), strings.Repeat("x ", 5000))
	m := w.posted(ticketing.CardPost).m
	if len([]rune(m.Title)) > 250 || len([]rune(m.Notice)) > 300 || len([]rune(m.Quote)) > excerpt+2 || !m.Clipped {
		t.Errorf("title %d, notice %d, quote %d", len(m.Title), len(m.Notice), len(m.Quote))
	}
}
