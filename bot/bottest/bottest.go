// Package bottest is the conformance suite of the port bot.Platform: what the bot relies on, as
// tests that run on every platform, and a hub that records what a platform tells it.
//
// It knows no platform. A platform's test fills an [Env] with the platform and with [Hands], which
// do what people do there by the platform's own means (its REST API, its pages), and calls
// [Exercise].
package bottest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"groupmail/bot"
)

// Env is one platform under test.
type Env struct {
	// Platform has not been run: Exercise does that.
	Platform bot.Platform
	// Reopen gives the platform anew after its Run has ended, as a new process would have it. Nil:
	// the same value is run again.
	Reopen func(t *testing.T) bot.Platform
	// Channel has Ann, Ben and, if there is one, Guest in it, and the bot. Its name is Title.
	Channel, Title string
	// Ann and Ben are members as Members must list them: ID, Handle, Name.
	Ann, Ben bot.Person
	// Guest is a guest in Channel; nil where the test's server has no guests.
	Guest *bot.Person
	// NoChannel is an id that could be a channel's and is none, or one that the bot is not in.
	NoChannel string
	// Mention is how people address the bot: "@groupmail".
	Mention string
	// Command is a declared command's name, without the slash: "mail". It is handed to the hub as
	// declared; the platform's server must have been told of it.
	Command string
	// Hands do what people do.
	Hands Hands
	// Except names subtests that cannot hold on this platform, with the reason.
	Except map[string]string
}

// Hands do and see what people do and see on the platform. An error is one of the means, not a
// refusal by the bot.
type Hands interface {
	// See is the message as who sees it now; nil if they do not see it, or it was deleted.
	See(ctx context.Context, who bot.Person, channel, message string) (*View, error)
	// Whispers are what who alone was told in the channel since the test began, and what the bot
	// told them in direct messages, oldest first.
	Whispers(ctx context.Context, who bot.Person, channel string) ([]View, error)
	// Press presses the button with this label, in menus too.
	Press(ctx context.Context, who bot.Person, channel, message, label string) error
	// Forge tries whatever somebody could who knows the platform's interfaces: a button that the
	// message does not have, the button's value altered, a button of the message other carried to
	// this one. It returns when all attempts were made; the suite looks whether the bot heard any.
	Forge(ctx context.Context, who bot.Person, channel, message, other string) error
	// Form is the form that is open for who, nil if there is none.
	Form(ctx context.Context, who bot.Person) (*FormView, error)
	// Submit sends the open form with these values; a field not named keeps what it holds.
	Submit(ctx context.Context, who bot.Person, values map[string]string) error
	// Type runs a slash command, "/mail queue", in the channel or in the thread root.
	Type(ctx context.Context, who bot.Person, channel, root, line string) error
	// Say writes in the channel, or in the thread root.
	Say(ctx context.Context, who bot.Person, channel, root, text string, files ...Blob) (message string, err error)
	Edit(ctx context.Context, who bot.Person, channel, message, text string) error
	// Delete deletes who's message; a message of the bot's as somebody who may.
	Delete(ctx context.Context, who bot.Person, channel, message string) error
	// Fetch downloads a file that a message shows, by its name.
	Fetch(ctx context.Context, who bot.Person, channel, message, name string) ([]byte, error)
	// Pinged tells whether the message has alerted who by name, as a mention does.
	Pinged(ctx context.Context, who bot.Person, channel, message string) (bool, error)
}

// View is a message as it is seen.
type View struct {
	Message string // its id; may be empty for a whisper
	Root    string
	// Text is what is shown, rendered: what the platform makes of its markup is done, so that
	// text which was to stay as it is stands here character by character. White space may differ.
	Text string
	// Markup tells what of the text was rendered as more than text although the bot did not ask for
	// it: emphasis, links that hide their address, mentions, headings, pictures.
	Markup  []string
	Buttons []string // labels, in menus too
	Files   []string // names
	Pinned  bool
}

// FormView is an open form as it is seen.
type FormView struct {
	Title  string
	Text   string            // intro and quote
	Values map[string]string // by field name
	Errors map[string]string // by field name; "" is the form's own
}

// Blob is a file.
type Blob struct {
	Name, Type string
	Data       []byte
}

// Exercise runs the whole suite. env makes a fresh platform, or a fresh channel of it, each time.
func Exercise(t *testing.T, env func(t *testing.T) Env) {
	for _, c := range []struct {
		name string
		run  func(b *bench, t *testing.T)
	}{
		{"name", (*bench).name},
		{"channel", (*bench).channel},
		{"no channel", (*bench).noChannel},
		{"post and find", (*bench).postAndFind},
		{"redraw", (*bench).redraw},
		{"pin", (*bench).pin},
		{"gone", (*bench).gone},
		{"thread", (*bench).thread},
		{"spans", (*bench).spans},
		{"files up", (*bench).filesUp},
		{"whispers", (*bench).whispers},
		{"direct", (*bench).direct},
		{"hostile text", (*bench).hostile},
		{"limits", (*bench).limits},
		{"click", (*bench).click},
		{"click menu", (*bench).clickMenu},
		{"click whisper", (*bench).clickWhisper},
		{"click redraws", (*bench).clickRedraws},
		{"clicks at once", (*bench).clicksAtOnce},
		{"forged", (*bench).forged},
		{"form", (*bench).form},
		{"form replaced", (*bench).formReplaced},
		{"command", (*bench).command},
		{"said", (*bench).said},
		{"said files", (*bench).saidFiles},
		{"said again", (*bench).saidAgain},
		{"own words", (*bench).ownWords},
		{"catching up", (*bench).catchingUp},
		{"run ends", (*bench).runEnds},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			e := env(t)
			if why := e.Except[c.name]; why != "" {
				t.Skip(why)
			}
			c.run(start(t, e), t)
		})
	}
}

// bench is one running platform and what a test needs to work on it.
type bench struct {
	Env
	ctx  context.Context
	hub  *Hub
	stop func()
}

func start(t *testing.T, e Env) *bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	b := &bench{Env: e, ctx: ctx, hub: &Hub{Channels: []string{e.Channel}, Declared: []bot.CommandInfo{{Name: e.Command, Hint: "[queue | mine]", Description: "The shared mailbox"}}}}
	b.run(t)
	return b
}

// run runs the platform until stop.
func (b *bench) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(b.ctx)
	ended := make(chan error, 1)
	p := b.Platform
	go func() { ended <- p.Run(ctx, b.hub) }()
	var stopped atomic.Bool
	b.stop = func() {
		if !stopped.CompareAndSwap(false, true) {
			return
		}
		cancel()
		select {
		case err := <-ended:
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("Run: %v", err)
			}
			if n := b.hub.UnderWay(); n != 0 {
				t.Errorf("Run has ended with %d calls of the hub under way", n)
			}
		case <-time.After(Patience):
			t.Errorf("Run does not end")
		}
	}
	t.Cleanup(b.stop)
	// It hears: a word in a thread comes through.
	root := b.post(t, bot.Message{Notice: "ready"})
	n := 0
	Eventually(t, "the platform to hear", func() (bot.Said, bool) {
		if n%100 == 0 {
			b.say(t, b.Ann, root, "hello")
		}
		n++
		return first(b.hub.AllSaid(), func(s bot.Said) bool { return s.Root == root })
	})
}

var serial atomic.Int64

func newKey() string { return fmt.Sprintf("post-%d-%d", time.Now().UnixNano(), serial.Add(1)) }

// post posts m, with a key if it has none.
func (b *bench) post(t *testing.T, m bot.Message) string {
	t.Helper()
	if m.Key == "" {
		m.Key = newKey()
	}
	id, err := b.Platform.Post(b.ctx, b.Channel, m)
	if err != nil || id == "" {
		t.Fatalf("Post = %q, %v", id, err)
	}
	return id
}

// see waits until who sees the message so.
func (b *bench) see(t *testing.T, who bot.Person, message, what string, fits func(View) bool) View {
	t.Helper()
	v := Eventually(t, who.Name+" to see "+what, func() (*View, bool) {
		v, err := b.Hands.See(b.ctx, who, b.Channel, message)
		if err != nil {
			t.Fatalf("See: %v", err)
		}
		return v, v != nil && fits(*v)
	})
	return *v
}

func (b *bench) say(t *testing.T, who bot.Person, root, text string, files ...Blob) string {
	t.Helper()
	id, err := b.Hands.Say(b.ctx, who, b.Channel, root, text, files...)
	if err != nil {
		t.Fatalf("Say: %v", err)
	}
	return id
}

func (b *bench) press(t *testing.T, who bot.Person, message, label string) {
	t.Helper()
	if err := b.Hands.Press(b.ctx, who, b.Channel, message, label); err != nil {
		t.Fatalf("%s presses %q: %v", who.Name, label, err)
	}
}

// heard waits for something said.
func (b *bench) heard(t *testing.T, what string, fits func(bot.Said) bool) bot.Said {
	t.Helper()
	return Eventually(t, "hearing "+what, func() (bot.Said, bool) { return first(b.hub.AllSaid(), fits) })
}

// shows tells whether the text, as far as it can be seen, stands in what is shown.
func shows(v View, text string) bool { return strings.Contains(visible(v.Text), visible(text)) }

// visible drops what has no look of its own, and makes all white space one blank.
func visible(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == 0x34f, r >= 0xfe00 && r <= 0xfe0f:
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// card is an ordinary card.
func card(version int64, state string) bot.Message {
	return bot.Message{
		Version: version, Notice: "New mail: Maria Kovács – Heating broken", Tone: bot.Yellow,
		Status: bot.Line{{Text: state, Strong: true}, {Text: " · Maria Kovács"}}, Title: "Heating broken",
		Lines: []bot.Line{{{Text: "Known: wrote in May."}}}, Quote: "Dear team,\nthe heating is cold.", Clipped: true,
		Footer:  bot.Line{{Text: "help@example.org · 2 files"}},
		Buttons: []bot.Button{{ID: "take", Label: "Take", Value: "mail-7", Style: bot.Primary}, {ID: "reply", Label: "Reply", Value: "mail-7"}},
	}
}

func (b *bench) name(t *testing.T) {
	if b.Platform.Name() == "" || strings.ContainsAny(b.Platform.Name(), ": /") {
		t.Errorf("Name = %q", b.Platform.Name())
	}
}

func (b *bench) channel(t *testing.T) {
	c, err := b.Platform.Channel(b.ctx, b.Channel)
	if err != nil || c.ID != b.Channel || c.Title != b.Title || c.Guests != (b.Guest != nil) {
		t.Errorf("Channel = %+v, %v; want id %q, title %q, guests %v", c, err, b.Channel, b.Title, b.Guest != nil)
	}
	all, err := b.Platform.Members(b.ctx, b.Channel)
	if err != nil {
		t.Fatal(err)
	}
	want := []bot.Person{b.Ann, b.Ben}
	if b.Guest != nil {
		want = append(want, *b.Guest)
	}
	for _, w := range want {
		m, ok := first(all, func(p bot.Person) bool { return p.ID == w.ID })
		if !ok || m.Handle != w.Handle || m.Name != w.Name || m.Guest != w.Guest {
			t.Errorf("member %s is %+v, want %+v", w.ID, m, w)
		}
	}
	for _, m := range all {
		if strings.EqualFold("@"+m.Handle, b.Mention) {
			t.Errorf("the bot itself is among the members: %+v", m)
		}
	}
}

func (b *bench) noChannel(t *testing.T) {
	p := b.Platform
	for what, call := range map[string]func() error{
		"Post":    func() error { _, err := p.Post(b.ctx, b.NoChannel, card(1, "New")); return err },
		"Channel": func() error { _, err := p.Channel(b.ctx, b.NoChannel); return err },
		"Members": func() error { _, err := p.Members(b.ctx, b.NoChannel); return err },
	} {
		if err := call(); !errors.Is(err, bot.ErrNoChannel) {
			t.Errorf("%s in no channel: %v, want ErrNoChannel", what, err)
		}
	}
}

func (b *bench) postAndFind(t *testing.T) {
	before := time.Now().Add(-time.Minute)
	m := card(1, "New")
	m.Key = newKey()
	id := b.post(t, m)
	v := b.see(t, b.Ann, id, "the card", func(v View) bool { return shows(v, m.Title) })
	for _, want := range []string{"New", "Maria Kovács", "Heating broken", "Known: wrote in May.", "Dear team,", "the heating is cold.", "help@example.org · 2 files"} {
		if !shows(v, want) {
			t.Errorf("the card does not show %q: %s", want, v.Text)
		}
	}
	if strings.Join(v.Buttons, ",") != "Take,Reply" || v.Root != "" {
		t.Errorf("the card's buttons are %q, its root %q", v.Buttons, v.Root)
	}
	if strings.Contains(v.Text, m.Key) || strings.Contains(v.Text, "mail-7") {
		t.Errorf("people see what is not for them: %s", v.Text)
	}
	found, err := b.Platform.Find(b.ctx, b.Channel, "", m.Key, before)
	if err != nil || found != id {
		t.Errorf("Find = %q, %v; want %q", found, err, id)
	}
	for what, find := range map[string]func() (string, error){
		"another key": func() (string, error) { return b.Platform.Find(b.ctx, b.Channel, "", newKey(), before) },
		"a part of the key": func() (string, error) {
			return b.Platform.Find(b.ctx, b.Channel, "", m.Key[:len(m.Key)-1], before)
		},
		"later": func() (string, error) {
			return b.Platform.Find(b.ctx, b.Channel, "", m.Key, time.Now().Add(time.Hour))
		},
	} {
		if got, err := find(); err != nil || got != "" {
			t.Errorf("Find by %s = %q, %v; want nothing", what, got, err)
		}
	}
	// Also in a thread, and after a redraw.
	line := bot.Message{Key: newKey(), Root: id, Version: 1, Lines: []bot.Line{{{Text: "sent"}}}}
	reply := b.post(t, line)
	line.Version = 2
	if err := b.Platform.Redraw(b.ctx, b.Channel, reply, line); err != nil {
		t.Errorf("Redraw: %v", err)
	}
	if found, err := b.Platform.Find(b.ctx, b.Channel, id, line.Key, before); err != nil || found != reply {
		t.Errorf("Find of a thread's line = %q, %v; want %q", found, err, reply)
	}
	// A person who writes the key is not the bot.
	fake := newKey()
	b.say(t, b.Ben, "", "key "+fake)
	if found, err := b.Platform.Find(b.ctx, b.Channel, "", fake, before); err != nil || found != "" {
		t.Errorf("Find takes a person's message for the bot's: %q, %v", found, err)
	}
	if link := b.Platform.Link(b.Channel, id); !strings.HasPrefix(link, "http") || !strings.Contains(strings.ReplaceAll(link, ".", ""), strings.ReplaceAll(id, ".", "")) {
		t.Errorf("Link = %q", link)
	}
}

func (b *bench) redraw(t *testing.T) {
	m := card(1, "New")
	m.Key = newKey()
	id := b.post(t, m)
	draw := func(version int64, state string, buttons ...bot.Button) {
		t.Helper()
		n := card(version, state)
		n.Key, n.Buttons = m.Key, buttons
		if err := b.Platform.Redraw(b.ctx, b.Channel, id, n); err != nil {
			t.Fatalf("Redraw: %v", err)
		}
	}
	draw(3, "Taken by Ann", bot.Button{ID: "release", Label: "Release"})
	v := b.see(t, b.Ben, id, "version 3", func(v View) bool { return shows(v, "Taken by Ann") })
	if strings.Join(v.Buttons, ",") != "Release" {
		t.Errorf("buttons are %q after the redraw", v.Buttons)
	}
	draw(2, "Older")
	time.Sleep(Quiet)
	v = b.see(t, b.Ben, id, "the card", func(View) bool { return true })
	if shows(v, "Older") || !shows(v, "Taken by Ann") {
		t.Errorf("an older version has overwritten a newer one: %s", v.Text)
	}
	draw(3, "Taken by Ann", bot.Button{ID: "release", Label: "Release"}) // drawn once more is harmless
	draw(4, "Closed")
	v = b.see(t, b.Ben, id, "version 4", func(v View) bool { return shows(v, "Closed") })
	if len(v.Buttons) != 0 {
		t.Errorf("buttons %q are left", v.Buttons)
	}
	if b.Platform.Echoes() {
		Eventually(t, "version 4 to be echoed", func() ([]Drawn, bool) {
			_, ok := first(b.hub.AllDrawn(), func(d Drawn) bool { return d.Message == id && d.Version == 4 && d.Key == m.Key })
			return b.hub.AllDrawn(), ok
		})
	}
}

func (b *bench) pin(t *testing.T) {
	m := card(1, "New")
	m.Key = newKey()
	id := b.post(t, m)
	for range 2 {
		if err := b.Platform.Pin(b.ctx, b.Channel, id); err != nil {
			t.Fatal(err)
		}
	}
	b.see(t, b.Ann, id, "the pinned card", func(v View) bool { return v.Pinned })
	m.Version = 2
	if err := b.Platform.Redraw(b.ctx, b.Channel, id, m); err != nil {
		t.Fatal(err)
	}
	b.see(t, b.Ben, id, "the card that stays pinned when it changes", func(v View) bool { return v.Pinned })
	if err := b.Hands.Delete(b.ctx, b.Ann, b.Channel, id); err != nil {
		t.Fatal(err)
	}
	if err := b.Platform.Pin(b.ctx, b.Channel, id); !errors.Is(err, bot.ErrGone) {
		t.Errorf("Pin of a deleted message: %v, want ErrGone", err)
	}
}

func (b *bench) gone(t *testing.T) {
	m := card(1, "New")
	m.Key = newKey()
	id := b.post(t, m)
	b.see(t, b.Ann, id, "the card", func(View) bool { return true })
	if err := b.Hands.Delete(b.ctx, b.Ann, b.Channel, id); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "the loss to be told", func() ([]Lost, bool) {
		_, ok := first(b.hub.AllLost(), func(l Lost) bool { return l.Message == id && l.Channel == b.Channel })
		return b.hub.AllLost(), ok
	})
	m.Version = 2
	if err := b.Platform.Redraw(b.ctx, b.Channel, id, m); !errors.Is(err, bot.ErrGone) {
		t.Errorf("Redraw of a deleted message: %v, want ErrGone", err)
	}
	if found, err := b.Platform.Find(b.ctx, b.Channel, "", m.Key, time.Now().Add(-time.Hour)); err != nil || found != "" {
		t.Errorf("Find of a deleted message = %q, %v", found, err)
	}
	again := b.post(t, m)
	if found, err := b.Platform.Find(b.ctx, b.Channel, "", m.Key, time.Now().Add(-time.Hour)); err != nil || found != again {
		t.Errorf("Find of what was posted anew = %q, %v; want %q", found, err, again)
	}
}

func (b *bench) thread(t *testing.T) {
	root := b.post(t, card(1, "New"))
	id := b.post(t, bot.Message{Root: root, Version: 1, Lines: []bot.Line{{{Text: "Mail from Maria"}}}})
	v := b.see(t, b.Ann, id, "the thread's line", func(v View) bool { return shows(v, "Mail from Maria") })
	if v.Root != root {
		t.Errorf("the line stands under %q, want %q", v.Root, root)
	}
	r := b.see(t, b.Ann, root, "the root", func(View) bool { return true })
	if shows(r, "Mail from Maria") {
		t.Errorf("the root shows the thread's line: %s", r.Text)
	}
}

func (b *bench) spans(t *testing.T) {
	at := time.Now().Add(-24 * time.Hour).Truncate(time.Minute)
	id := b.post(t, bot.Message{Notice: "spans", Lines: []bot.Line{{
		{Text: "Taken by "}, {Member: b.Ben.ID}, {Text: " at "}, {Time: at}, {Text: ", see "},
		{Text: "the page", URL: "https://example.org/page?a=1&b=2"}, {Text: ", type "}, {Text: "/mail *mine*", Code: true},
		{Text: " now", Strong: true},
	}}})
	v := b.see(t, b.Ann, id, "the line", func(v View) bool { return shows(v, "Taken by") })
	if !shows(v, b.Ben.Name) && !shows(v, b.Ben.Handle) {
		t.Errorf("the member is not named: %s", v.Text)
	}
	for _, want := range []string{"the page", "/mail *mine*", "now"} {
		if !shows(v, want) {
			t.Errorf("%q is not shown: %s", want, v.Text)
		}
	}
	b.notPinged(t, b.Ben, id)
}

func (b *bench) notPinged(t *testing.T, who bot.Person, message string) {
	t.Helper()
	if pinged, err := b.Hands.Pinged(b.ctx, who, b.Channel, message); err != nil || pinged {
		t.Errorf("the message has pinged %s (%v)", who.Name, err)
	}
}

func (b *bench) filesUp(t *testing.T) {
	root := b.post(t, card(1, "New"))
	blobs := []Blob{
		{"Übersicht März.pdf", "application/pdf", append([]byte("%PDF-1.4\r\n\x00\xff"), bytes.Repeat([]byte("heating "), 5000)...)},
		{"empty line.txt", "text/plain", []byte("\r\n")},
	}
	m := bot.Message{Root: root, Lines: []bot.Line{{{Text: "Attachments"}}}}
	for _, blob := range blobs {
		m.Files = append(m.Files, bot.Upload{Name: blob.Name, Type: blob.Type, Size: int64(len(blob.Data)),
			Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(blob.Data)), nil }})
	}
	id := b.post(t, m)
	v := b.see(t, b.Ben, id, "two files", func(v View) bool { return len(v.Files) == 2 })
	for i, blob := range blobs {
		got, err := b.Hands.Fetch(b.ctx, b.Ben, b.Channel, id, v.Files[i])
		if err != nil || !bytes.Equal(got, blob.Data) {
			t.Errorf("file %q came as %d bytes (%v), want %d", v.Files[i], len(got), err, len(blob.Data))
		}
	}
	if v.Files[0] != blobs[0].Name {
		t.Errorf("the first file is called %q", v.Files[0])
	}
	broken := errors.New("broken")
	m.Key = newKey()
	m.Files = m.Files[:1]
	m.Files[0].Open = func(context.Context) (io.ReadCloser, error) { return nil, broken }
	if id, err := b.Platform.Post(b.ctx, b.Channel, m); !errors.Is(err, broken) {
		t.Errorf("Post with a file that cannot be opened = %q, %v", id, err)
	}
	if found, _ := b.Platform.Find(b.ctx, b.Channel, "", m.Key, time.Now().Add(-time.Hour)); found != "" {
		t.Errorf("it was posted all the same")
	}
}

func (b *bench) whispers(t *testing.T) {
	root := b.post(t, card(1, "New"))
	inChannel, inThread, direct := "secret "+newKey(), "secret "+newKey(), "secret "+newKey()
	line := func(s string) bot.Message {
		return bot.Message{Notice: s, Lines: []bot.Line{{{Text: s}}}}
	}
	if err := b.Platform.Tell(b.ctx, b.Channel, "", b.Ann.ID, line(inChannel)); err != nil {
		t.Fatalf("Tell: %v", err)
	}
	if err := b.Platform.Tell(b.ctx, b.Channel, root, b.Ann.ID, line(inThread)); err != nil {
		t.Fatalf("Tell in a thread: %v", err)
	}
	if id, err := b.Platform.Post(b.ctx, b.directs(t, b.Ann), line(direct)); err != nil || id == "" {
		t.Fatalf("Post of a direct message = %q, %v", id, err)
	}
	for _, s := range []string{inChannel, inThread, direct} {
		b.told(t, b.Ann, s)
	}
	all, err := b.Hands.Whispers(b.ctx, b.Ben, b.Channel)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		if strings.Contains(v.Text, "secret") {
			t.Errorf("Ben has read what Ann was told: %s", v.Text)
		}
	}
}

// directs is the channel of the direct messages to who.
func (b *bench) directs(t *testing.T, who bot.Person) string {
	t.Helper()
	channel, err := b.Platform.DirectChannel(b.ctx, who.ID)
	if err != nil || channel == "" || channel == b.Channel {
		t.Fatalf("DirectChannel of %s = %q, %v", who.Name, channel, err)
	}
	return channel
}

// direct: what one member alone was told changes in place, is found again, and its buttons act on the board.
func (b *bench) direct(t *testing.T) {
	before := time.Now().Add(-time.Minute)
	channel := b.directs(t, b.Ann)
	if again := b.directs(t, b.Ann); again != channel {
		t.Errorf("Ann's direct messages are in %q, then in %q", channel, again)
	}
	if ben := b.directs(t, b.Ben); ben == channel {
		t.Errorf("Ann and Ben share %q", ben)
	}
	if got, err := b.Platform.DirectChannel(b.ctx, b.NoChannel); !errors.Is(err, bot.ErrGone) {
		t.Errorf("DirectChannel of nobody = %q, %v; want ErrGone", got, err)
	}
	m := card(1, "New")
	m.Key, m.About = newKey(), b.Channel
	id, err := b.Platform.Post(b.ctx, channel, m)
	if err != nil || id == "" {
		t.Fatalf("Post = %q, %v", id, err)
	}
	sees := func(what string, fits func(View) bool) View {
		t.Helper()
		return *Eventually(t, "Ann to see "+what, func() (*View, bool) {
			v, err := b.Hands.See(b.ctx, b.Ann, channel, id)
			if err != nil {
				t.Fatal(err)
			}
			return v, v != nil && fits(*v)
		})
	}
	sees("the message", func(v View) bool { return shows(v, "Heating broken") && len(v.Buttons) == 2 })
	if v, err := b.Hands.See(b.ctx, b.Ben, channel, id); err != nil || v != nil {
		t.Errorf("Ben sees what Ann alone was told: %+v, %v", v, err)
	}
	for _, c := range []struct{ channel, key, want string }{{channel, m.Key, id}, {channel, newKey(), ""}, {b.Channel, m.Key, ""}} {
		if found, err := b.Platform.Find(b.ctx, c.channel, "", c.key, before); err != nil || found != c.want {
			t.Errorf("Find of %q in %q = %q, %v; want %q", c.key, c.channel, found, err, c.want)
		}
	}
	if link := b.Platform.Link(channel, id); !strings.HasPrefix(link, "http") {
		t.Errorf("Link = %q", link)
	}

	draw := func(version int64, state string, buttons ...bot.Button) bot.Message {
		n := card(version, state)
		n.Key, n.About, n.Buttons = m.Key, m.About, buttons
		return n
	}
	show := func(n bot.Message) {
		t.Helper()
		if err := b.Platform.Redraw(b.ctx, channel, id, n); err != nil {
			t.Fatalf("Redraw: %v", err)
		}
	}
	show(draw(3, "Due", bot.Button{ID: "done", Label: "Done", Value: "7"}, bot.Button{ID: "write", Label: "Write", Opens: true}))
	show(draw(2, "Older"))
	sees("version 3", func(v View) bool { return shows(v, "Due") && strings.Join(v.Buttons, ",") == "Done,Write" })

	after := draw(4, "Done by Ann", bot.Button{ID: "undo", Label: "Undo", Value: "7"})
	b.hub.With(func(h *Hub) {
		h.OnClick = func(c bot.Click) bot.Answer {
			switch c.Button {
			case "done":
				return bot.Answer{Redraw: &after, Whisper: &bot.Message{Notice: "Well done", Lines: []bot.Line{{{Text: "Well done"}}},
					Buttons: []bot.Button{{ID: "next", Label: "Next", Value: "8"}}}}
			case "write":
				return bot.Answer{Form: &bot.Form{Title: "Write", Submit: "Keep", State: "state-" + m.Key, Fields: []bot.FormField{{Name: "text", Label: "Text", Kind: bot.Short}}}}
			}
			return bot.Answer{}
		}
	})
	press := func(who bot.Person, message, label string) error {
		return b.Hands.Press(b.ctx, who, channel, message, label)
	}
	heard := func(button string) bot.Click {
		t.Helper()
		c := Eventually(t, "the press of "+button, func() (bot.Click, bool) {
			return first(b.hub.Clicks(), func(c bot.Click) bool { return c.Button == button })
		})
		if c.Channel != b.Channel || c.Who.ID != b.Ann.ID {
			t.Errorf("the press is heard as %+v; want it in %q", c, b.Channel)
		}
		return c
	}
	_ = press(b.Ben, id, "Done") // who cannot see it cannot press it
	if err := press(b.Ann, id, "Write"); err != nil {
		t.Fatal(err)
	}
	heard("write")
	b.openForm(t, b.Ann, "the form", func(v FormView) bool { return v.Title == "Write" })
	b.submit(t, b.Ann, map[string]string{"text": "a word"})
	s := Eventually(t, "the form", func() (bot.Submission, bool) {
		return first(b.hub.Submissions(), func(s bot.Submission) bool { return s.State == "state-"+m.Key })
	})
	if s.Who.ID != b.Ann.ID || s.Values["text"] != "a word" || s.Channel != "" && s.Channel != b.Channel {
		t.Errorf("heard %+v", s)
	}
	if err := press(b.Ann, id, "Done"); err != nil {
		t.Fatal(err)
	}
	if c := heard("done"); c.Message != id || c.Key != m.Key || c.Value != "7" {
		t.Errorf("heard %+v", c)
	}
	if !b.Platform.Echoes() {
		show(after)
	}
	sees("the answer", func(v View) bool { return shows(v, "Done by Ann") })
	w := Eventually(t, "a whisper with a button", func() (View, bool) {
		all, err := b.Hands.Whispers(b.ctx, b.Ann, b.Channel) // direct messages, too
		if err != nil {
			t.Fatal(err)
		}
		return first(all, func(v View) bool { return shows(v, "Well done") && len(v.Buttons) == 1 })
	})
	if err := press(b.Ann, w.Message, "Next"); err != nil {
		t.Fatal(err)
	}
	heard("next")
	if err := press(b.Ann, id, "Undo"); err != nil {
		t.Fatal(err)
	}
	if c := heard("undo"); c.Message != id || c.Key != m.Key {
		t.Errorf("heard %+v", c)
	}
	time.Sleep(Quiet)
	for _, c := range b.hub.Clicks() {
		if c.Who.ID != b.Ann.ID {
			t.Errorf("another person's press was heard: %+v", c)
		}
	}

	if err := b.Hands.Delete(b.ctx, b.Ann, channel, id); err != nil {
		t.Fatal(err)
	}
	if err := b.Platform.Redraw(b.ctx, channel, id, draw(5, "Later")); !errors.Is(err, bot.ErrGone) {
		t.Errorf("Redraw of a deleted message: %v, want ErrGone", err)
	}
}

// told waits until who was told the text alone.
func (b *bench) told(t *testing.T, who bot.Person, text string) View {
	t.Helper()
	return Eventually(t, who.Name+" to be told "+text, func() (View, bool) {
		all, err := b.Hands.Whispers(b.ctx, who, b.Channel)
		if err != nil {
			t.Fatal(err)
		}
		return first(all, func(v View) bool { return shows(v, text) })
	})
}

// hostiles are words from outside that try to be more than words.
func (b *bench) hostiles() []string {
	return []string{
		"@channel @all @here @everyone look", "<!channel> <!here> <!everyone>", "@" + b.Ben.Handle + " you are wanted",
		"<@" + b.Ben.ID + "> and <#" + b.Channel + ">", "**bold** _slanted_ ~~struck~~ *b* ~s~", "`code` ```fence```",
		"[press here](https://evil.example/x)", "<https://evil.example/y|your bank>", "![p](https://evil.example/p.png)",
		"<b>bold</b><script>alert(1)</script>", "# heading", "> quoted", "- item", "1. item", "| a | b |", "a & b &amp; &lt;i&gt;",
		":tada: :smile:", "$x^2$", "~town-square", "%s %d %!v(MISSING) {{.}} ${x}", "back\\slash \\*", "--- ===", "\"quotes\" 'and' <>",
	}
}

func (b *bench) hostile(t *testing.T) {
	for _, s := range b.hostiles() {
		id := b.post(t, bot.Message{Notice: s, Status: bot.Line{{Text: "From "}, {Text: s, Strong: true}}, Title: s,
			Lines: []bot.Line{{{Text: s}}}, Quote: s + "\n" + s, Footer: bot.Line{{Text: s}}, Buttons: []bot.Button{{ID: "take", Label: "Take"}}})
		v := b.see(t, b.Ben, id, "the card", func(View) bool { return true })
		if n := strings.Count(visible(v.Text), visible(s)); n < 5 {
			t.Errorf("%q stands only %d times in what is shown: %s", s, n, v.Text)
		}
		if len(v.Markup) != 0 {
			t.Errorf("%q was rendered as %q", s, v.Markup)
		}
		b.notPinged(t, b.Ben, id)
	}
	// What cannot be seen must do no harm either: control characters, overrides of direction.
	s := "nul\x00bell\x07esc\x1b[31m over\u202eride\u202c isolate\u2066d line\u2028break bad\xffutf"
	id := b.post(t, bot.Message{Notice: s, Title: s, Quote: s, Lines: []bot.Line{{{Text: s}}}})
	b.see(t, b.Ben, id, "the card", func(v View) bool {
		return shows(v, "over") && !strings.ContainsAny(v.Text, "\x00\x07\x1b\u202e")
	})
}

func (b *bench) limits(t *testing.T) {
	key := newKey()
	m := card(1, "New")
	m.Key, m.Title = key, strings.Repeat("Subject é ", 500)
	m.Notice = m.Title
	m.Quote = strings.Repeat("A line of the mail with some words.\n", 60_000/36)
	m.Footer = bot.Line{{Text: strings.Repeat("footer ", 500)}}
	m.Buttons = nil
	for i := range 11 {
		id := string(rune('a' + i))
		m.Buttons = append(m.Buttons, bot.Button{ID: id, Label: "Button " + strings.ToUpper(id), Value: strings.Repeat(id, 100)})
	}
	m.Buttons = append(m.Buttons, bot.Button{Label: "More…", Menu: []bot.Button{{ID: "last", Label: "The last one", Value: "v"}}})
	id := b.post(t, m)
	v := b.see(t, b.Ann, id, "the great card", func(v View) bool { return shows(v, "Subject é Subject é") })
	if !shows(v, "A line of the mail with some words.") {
		t.Errorf("the quote is missing")
	}
	if len(v.Buttons) < 12 {
		t.Errorf("only %d buttons are shown: %q", len(v.Buttons), v.Buttons)
	}
	b.press(t, b.Ann, id, "Button K")
	b.press(t, b.Ann, id, "The last one")
	Eventually(t, "both presses", func() ([]bot.Click, bool) {
		_, k := first(b.hub.Clicks(), func(c bot.Click) bool { return c.Button == "k" && c.Value == strings.Repeat("k", 100) })
		_, last := first(b.hub.Clicks(), func(c bot.Click) bool { return c.Button == "last" })
		return b.hub.Clicks(), k && last
	})
	m.Version, m.Status = 2, bot.Line{{Text: "Taken"}}
	if err := b.Platform.Redraw(b.ctx, b.Channel, id, m); err != nil {
		t.Errorf("Redraw of the great card: %v", err)
	}
	// Twenty full cards are posted in order and none is lost, whatever the platform's pace.
	for i := range 20 {
		m := card(1, fmt.Sprintf("Card %d", i))
		Eventually(t, "a card to be taken", func() (string, bool) {
			id, err := b.Platform.Post(b.ctx, b.Channel, m)
			var limited bot.Limited
			if errors.As(err, &limited) {
				time.Sleep(limited.After)
				return "", false
			}
			if err != nil {
				t.Fatal(err)
			}
			return id, true
		})
	}
}

func (b *bench) click(t *testing.T) {
	m := card(1, "New")
	m.Key = newKey()
	id := b.post(t, m)
	b.hub.With(func(h *Hub) {
		h.OnClick = func(c bot.Click) bot.Answer {
			return bot.Answer{Whisper: &bot.Message{Notice: "told", Lines: []bot.Line{{{Text: "Told to " + c.Who.ID + " for " + c.Button}}}}}
		}
	})
	b.see(t, b.Ben, id, "buttons", func(v View) bool { return len(v.Buttons) == 2 })
	b.press(t, b.Ben, id, "Take")
	c := Eventually(t, "the press", func() (bot.Click, bool) {
		return first(b.hub.Clicks(), func(c bot.Click) bool { return c.Message == id })
	})
	if c.Event == "" || c.Who.ID != b.Ben.ID || c.Who.Handle != b.Ben.Handle || c.Who.Name != b.Ben.Name || c.Channel != b.Channel ||
		c.Key != m.Key || c.Button != "take" || c.Value != "mail-7" {
		t.Errorf("heard %+v", c)
	}
	b.told(t, b.Ben, "Told to "+b.Ben.ID+" for take")
	b.press(t, b.Ben, id, "Take")
	b.press(t, b.Ann, id, "Reply")
	b.told(t, b.Ann, "Told to "+b.Ann.ID+" for reply")
	all := b.hub.Clicks()
	events := map[string]bool{}
	for _, c := range all {
		events[c.Event] = true
	}
	if len(all) != 3 || len(events) != 3 {
		t.Errorf("three presses came as %d calls with %d keys", len(all), len(events))
	}
	whispers, err := b.Hands.Whispers(b.ctx, b.Ann, b.Channel)
	if err != nil {
		t.Fatal(err)
	}
	if _, leaked := first(whispers, func(v View) bool { return shows(v, "Told to "+b.Ben.ID) }); leaked {
		t.Errorf("Ann reads what Ben was told")
	}
}

func (b *bench) clickMenu(t *testing.T) {
	m := card(1, "New")
	m.Buttons = append(m.Buttons, bot.Button{Label: "More…", Menu: []bot.Button{
		{ID: "read", Label: "Read", Value: "r"}, {ID: "assign", Label: "Assign", Value: "a"}}})
	id := b.post(t, m)
	b.see(t, b.Ann, id, "the menu", func(v View) bool { return len(v.Buttons) >= 4 })
	b.press(t, b.Ann, id, "Assign")
	c := Eventually(t, "the press", func() (bot.Click, bool) {
		return first(b.hub.Clicks(), func(c bot.Click) bool { return c.Message == id })
	})
	if c.Button != "assign" || c.Value != "a" || c.Who.ID != b.Ann.ID {
		t.Errorf("heard %+v", c)
	}
}

// clickWhisper: what a member was told alone has buttons, too, and they are about the board.
func (b *bench) clickWhisper(t *testing.T) {
	id := b.post(t, card(1, "New"))
	b.hub.With(func(h *Hub) {
		h.OnClick = func(c bot.Click) bot.Answer {
			if c.Button != "take" {
				return bot.Answer{}
			}
			return bot.Answer{Whisper: &bot.Message{Notice: "Three wait", Lines: []bot.Line{{{Text: "Three wait"}}},
				Buttons: []bot.Button{{ID: "held", Label: "Next", Value: "3"}}}}
		}
	})
	b.press(t, b.Ben, id, "Take")
	w := Eventually(t, "a whisper with a button", func() (View, bool) {
		all, err := b.Hands.Whispers(b.ctx, b.Ben, b.Channel)
		if err != nil {
			t.Fatal(err)
		}
		return first(all, func(v View) bool { return shows(v, "Three wait") && len(v.Buttons) == 1 })
	})
	if err := b.Hands.Press(b.ctx, b.Ben, b.Channel, w.Message, "Next"); err != nil {
		t.Fatal(err)
	}
	c := Eventually(t, "the press", func() (bot.Click, bool) {
		return first(b.hub.Clicks(), func(c bot.Click) bool { return c.Button == "held" })
	})
	if c.Channel != b.Channel || c.Value != "3" || c.Key != "" || c.Who.ID != b.Ben.ID {
		t.Errorf("heard %+v", c)
	}
}

func (b *bench) clickRedraws(t *testing.T) {
	m := card(1, "New")
	m.Key = newKey()
	id := b.post(t, m)
	after := card(2, "Taken by Ben")
	after.Key, after.Tone, after.Buttons = m.Key, bot.Green, []bot.Button{{ID: "release", Label: "Release", Value: "mail-7"}}
	b.hub.With(func(h *Hub) {
		h.OnClick = func(c bot.Click) bot.Answer {
			if c.Button == "take" {
				return bot.Answer{Redraw: &after}
			}
			return bot.Answer{}
		}
	})
	b.press(t, b.Ben, id, "Take")
	if b.Platform.Echoes() {
		Eventually(t, "version 2 to be echoed", func() ([]Drawn, bool) {
			_, ok := first(b.hub.AllDrawn(), func(d Drawn) bool {
				return d == Drawn{b.Channel, id, m.Key, 2}
			})
			return b.hub.AllDrawn(), ok
		})
	} else if err := b.Platform.Redraw(b.ctx, b.Channel, id, after); err != nil {
		t.Fatal(err)
	}
	v := b.see(t, b.Ann, id, "the card taken", func(v View) bool { return shows(v, "Taken by Ben") })
	if strings.Join(v.Buttons, ",") != "Release" {
		t.Errorf("buttons are %q", v.Buttons)
	}
	b.press(t, b.Ann, id, "Release")
	Eventually(t, "the new button's press", func() (bot.Click, bool) {
		return first(b.hub.Clicks(), func(c bot.Click) bool { return c.Button == "release" && c.Who.ID == b.Ann.ID })
	})
	// An answer older than what is shown does not come back.
	newer := card(4, "Closed")
	newer.Key, newer.Buttons = m.Key, []bot.Button{{ID: "reopen", Label: "Reopen"}}
	if err := b.Platform.Redraw(b.ctx, b.Channel, id, newer); err != nil {
		t.Fatal(err)
	}
	stale := card(3, "Stale")
	stale.Key = m.Key
	b.hub.With(func(h *Hub) { h.OnClick = func(bot.Click) bot.Answer { return bot.Answer{Redraw: &stale} } })
	b.see(t, b.Ann, id, "the card closed", func(v View) bool { return shows(v, "Closed") })
	if b.Platform.Echoes() {
		b.press(t, b.Ann, id, "Reopen")
		time.Sleep(Quiet)
		// Where two writes may land in any order, the platform has drawn anew by now.
		b.see(t, b.Ann, id, "the card still closed", func(v View) bool { return shows(v, "Closed") })
	}
	if found, err := b.Platform.Find(b.ctx, b.Channel, "", m.Key, time.Now().Add(-time.Hour)); err != nil || found != id {
		t.Errorf("Find after the redraws = %q, %v", found, err)
	}
}

func (b *bench) clicksAtOnce(t *testing.T) {
	m := card(1, "New")
	m.Key = newKey()
	id := b.post(t, m)
	b.see(t, b.Ben, id, "buttons", func(v View) bool { return len(v.Buttons) == 2 })
	both := make(chan struct{})
	var n atomic.Int32
	b.hub.With(func(h *Hub) {
		h.OnClick = func(bot.Click) bot.Answer { // neither answers before both were heard
			if n.Add(1) == 2 {
				close(both)
			}
			select {
			case <-both:
			case <-time.After(Patience):
			}
			return bot.Answer{}
		}
	})
	errs := make(chan error, 2)
	for _, who := range []bot.Person{b.Ann, b.Ben} {
		go func() { errs <- b.Hands.Press(b.ctx, who, b.Channel, id, "Take") }()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Errorf("Press: %v", err)
		}
	}
	if all := b.hub.Clicks(); len(all) != 2 || all[0].Who.ID == all[1].Who.ID {
		t.Errorf("two presses at once came as %+v", all)
	}
}

func (b *bench) forged(t *testing.T) {
	m, o := card(1, "New"), card(1, "New")
	o.Buttons = []bot.Button{{ID: "close", Label: "Close", Value: "mail-8"}}
	id, other := b.post(t, m), b.post(t, o)
	if err := b.Hands.Forge(b.ctx, b.Ben, b.Channel, id, other); err != nil {
		t.Fatal(err)
	}
	time.Sleep(Quiet)
	for _, c := range b.hub.Clicks() {
		t.Errorf("the bot heard a forged press: %+v", c)
	}
	for _, s := range b.hub.Submissions() {
		t.Errorf("the bot heard a forged form: %+v", s)
	}
}

func (b *bench) form(t *testing.T) {
	id := b.post(t, card(1, "New"))
	form := bot.Form{Title: "Reply", Intro: []bot.Line{{{Text: "To "}, {Text: "maria@example.org", Code: true}}}, Quote: "the heating is cold",
		Submit: "Send", State: "state-" + newKey(), Fields: []bot.FormField{
			{Name: "text", Label: "Text", Kind: bot.Long, Value: "Dear Maria,\n", Required: true, Max: 3000},
			{Name: "subject", Label: "Subject", Kind: bot.Short, Value: "Re: Heating"},
			{Name: "outcome", Label: "Outcome", Kind: bot.Select, Value: "phoned", Options: []bot.Option{{Value: "phoned", Label: "Phoned"}, {Value: "sent_info", Label: "Sent the info pack"}}},
			{Name: "close", Label: "Close it", Kind: bot.Check, Help: "and tell nobody"},
		}}
	b.hub.With(func(h *Hub) {
		h.OnClick = func(bot.Click) bot.Answer { return bot.Answer{Form: &form} }
		h.OnSubmit = func(s bot.Submission) bot.Answer {
			if strings.Contains(s.Values["text"], "wrong") {
				return bot.Answer{Errors: map[string]string{"text": "This has a wrong word."}}
			}
			return bot.Answer{Whisper: &bot.Message{Notice: "sent", Lines: []bot.Line{{{Text: "Sent on."}}}}}
		}
	})
	b.press(t, b.Ann, id, "Reply")
	v := b.openForm(t, b.Ann, "the form", func(v FormView) bool { return v.Title == "Reply" })
	if v.Values["text"] != "Dear Maria,\n" || v.Values["subject"] != "Re: Heating" || v.Values["outcome"] != "phoned" || v.Values["close"] != "" ||
		!strings.Contains(v.Text, "maria@example.org") {
		t.Errorf("the form shows %+v", v)
	}
	if v, err := b.Hands.Form(b.ctx, b.Ben); err != nil || v != nil {
		t.Errorf("Ben has Ann's form open: %+v, %v", v, err)
	}
	// Refused: the form stays, with what was typed and what is wrong.
	typed := "Dear Maria,\nwrong <b> & \"quoted\" ü\n\n  indented @channel"
	b.submit(t, b.Ann, map[string]string{"text": typed, "close": "true", "outcome": "sent_info"})
	v = b.openForm(t, b.Ann, "what is wrong", func(v FormView) bool { return v.Errors["text"] != "" })
	if v.Values["text"] != typed || v.Values["close"] != "true" || v.Values["outcome"] != "sent_info" || !strings.Contains(v.Errors["text"], "wrong word") {
		t.Errorf("after a refusal the form shows %+v", v)
	}
	b.submit(t, b.Ann, map[string]string{"text": strings.ReplaceAll(typed, "wrong", "right")})
	b.told(t, b.Ann, "Sent on.")
	Eventually(t, "the form to close", func() (*FormView, bool) {
		v, err := b.Hands.Form(b.ctx, b.Ann)
		return v, err == nil && v == nil
	})
	all := b.hub.Submissions()
	if len(all) != 2 {
		t.Fatalf("two submissions came as %d", len(all))
	}
	s := all[1]
	if s.Event == "" || s.Event == all[0].Event || s.Who.ID != b.Ann.ID || s.State != form.State || (s.Channel != "" && s.Channel != b.Channel) {
		t.Errorf("heard %+v", s)
	}
	for name, want := range map[string]string{"text": strings.ReplaceAll(typed, "wrong", "right"), "subject": "Re: Heating", "outcome": "sent_info", "close": "true"} {
		if s.Values[name] != want {
			t.Errorf("field %s came as %q, want %q", name, s.Values[name], want)
		}
	}
}

func (b *bench) openForm(t *testing.T, who bot.Person, what string, fits func(FormView) bool) FormView {
	t.Helper()
	return *Eventually(t, who.Name+" to see "+what, func() (*FormView, bool) {
		v, err := b.Hands.Form(b.ctx, who)
		if err != nil {
			t.Fatal(err)
		}
		return v, v != nil && fits(*v)
	})
}

func (b *bench) submit(t *testing.T, who bot.Person, values map[string]string) {
	t.Helper()
	if err := b.Hands.Submit(b.ctx, who, values); err != nil {
		t.Fatalf("Submit: %v", err)
	}
}

func (b *bench) formReplaced(t *testing.T) {
	id := b.post(t, card(1, "New"))
	field := func(value string) []bot.FormField {
		return []bot.FormField{{Name: "text", Label: "Text", Kind: bot.Long, Value: value}}
	}
	b.hub.With(func(h *Hub) {
		h.OnClick = func(bot.Click) bot.Answer {
			return bot.Answer{Form: &bot.Form{Title: "Reply", Submit: "Send", State: "one", Fields: field("")}}
		}
		h.OnSubmit = func(s bot.Submission) bot.Answer {
			if s.State == "one" {
				return bot.Answer{Form: &bot.Form{Title: "A newer mail came", Submit: "Send all the same", State: "two",
					Quote: "Never mind.", Fields: field(s.Values["text"])}}
			}
			return bot.Answer{}
		}
	})
	b.press(t, b.Ben, id, "Reply")
	b.openForm(t, b.Ben, "the form", func(v FormView) bool { return v.Title == "Reply" })
	b.submit(t, b.Ben, map[string]string{"text": "We are coming."})
	v := b.openForm(t, b.Ben, "the form in its place", func(v FormView) bool { return v.Title == "A newer mail came" })
	if v.Values["text"] != "We are coming." || !strings.Contains(v.Text, "Never mind.") {
		t.Errorf("the new form shows %+v", v)
	}
	b.submit(t, b.Ben, nil)
	s := Eventually(t, "the second submission", func() (bot.Submission, bool) {
		return first(b.hub.Submissions(), func(s bot.Submission) bool { return s.State == "two" })
	})
	if s.Values["text"] != "We are coming." || s.Who.ID != b.Ben.ID {
		t.Errorf("heard %+v", s)
	}
}

func (b *bench) command(t *testing.T) {
	root := b.post(t, card(1, "New"))
	b.hub.With(func(h *Hub) {
		h.OnCommand = func(c bot.Command) bot.Answer {
			if c.Text == "new" {
				return bot.Answer{Form: &bot.Form{Title: "New mail", Submit: "Send", State: "s", Fields: []bot.FormField{{Name: "to", Label: "To", Kind: bot.Short}}}}
			}
			return bot.Answer{Whisper: &bot.Message{Notice: "queue", Lines: []bot.Line{{{Text: "Heard: " + c.Text}}}}}
		}
	})
	for _, where := range []string{"", root} {
		text := `queue "größer" <b> ` + newKey()
		if err := b.Hands.Type(b.ctx, b.Ann, b.Channel, where, "/"+b.Command+" "+text); err != nil {
			t.Fatalf("Type: %v", err)
		}
		c := Eventually(t, "the command", func() (bot.Command, bool) {
			return first(b.hub.TypedCommands(), func(c bot.Command) bool { return c.Text == text })
		})
		if c.Event == "" || c.Who.ID != b.Ann.ID || c.Channel != b.Channel || c.Name != b.Command || (c.Root != where && c.Root != "") {
			t.Errorf("heard %+v", c)
		}
		b.told(t, b.Ann, "Heard: "+text)
	}
	if err := b.Hands.Type(b.ctx, b.Ben, b.Channel, "", "/"+b.Command); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "the bare command", func() (bot.Command, bool) {
		return first(b.hub.TypedCommands(), func(c bot.Command) bool { return c.Text == "" && c.Who.ID == b.Ben.ID })
	})
	if err := b.Hands.Type(b.ctx, b.Ben, b.Channel, "", "/"+b.Command+" new"); err != nil {
		t.Fatal(err)
	}
	b.openForm(t, b.Ben, "the command's form", func(v FormView) bool { return v.Title == "New mail" })
	for _, s := range b.hub.AllSaid() {
		if strings.HasPrefix(s.Text, "/") {
			t.Errorf("a command was heard as words: %+v", s)
		}
	}
}

func (b *bench) said(t *testing.T) {
	root := b.post(t, card(1, "New"))
	for _, c := range []struct {
		text, want string
		toBot      bool
	}{
		{"just between us", "just between us", false},
		{b.Mention + " Dear Maria,\n\nwe are coming.\n\nAnn", "Dear Maria,\n\nwe are coming.\n\nAnn", true},
		{strings.ToUpper(b.Mention) + " shouted", "shouted", true},
		{"ask " + b.Mention + " about it", "ask " + b.Mention + " about it", false},
		{b.Mention + "s are many", b.Mention + "s are many", false},
		{"@" + b.Ben.Handle + " could you?", "@" + b.Ben.Handle + " could you?", false},
		{"see https://example.org/a_b_c?x=1&y=2 <b> & \"q\" ü", "see https://example.org/a_b_c?x=1&y=2 <b> & \"q\" ü", false},
		{strings.Repeat("long words ", 300) + "end", strings.Repeat("long words ", 300) + "end", false},
	} {
		began := time.Now()
		id := b.say(t, b.Ben, root, c.text)
		s := b.heard(t, "“"+c.text[:min(40, len(c.text))]+"”", func(s bot.Said) bool { return s.Message == id })
		text := s.Text
		if strings.HasPrefix(c.text, "@"+b.Ben.Handle) { // a name may be resolved
			text = strings.Replace(text, "@"+b.Ben.Name, "@"+b.Ben.Handle, 1)
		}
		if text != c.want || s.ToBot != c.toBot {
			t.Errorf("%q was heard as %q, to the bot: %v", c.text, s.Text, s.ToBot)
		}
		if s.Event == "" || s.Who.ID != b.Ben.ID || s.Channel != b.Channel || s.Root != root || s.Kind != bot.Written || s.Late ||
			s.At.Before(began.Add(-time.Minute)) || s.At.After(time.Now().Add(time.Minute)) {
			t.Errorf("heard %+v", s)
		}
	}

	id := b.say(t, b.Ann, root, b.Mention+" first")
	b.heard(t, "the first words", func(s bot.Said) bool { return s.Message == id && s.Kind == bot.Written })
	for _, text := range []string{"second", "third"} {
		if err := b.Hands.Edit(b.ctx, b.Ann, b.Channel, id, b.Mention+" "+text); err != nil {
			t.Fatal(err)
		}
		s := b.heard(t, "the edit", func(s bot.Said) bool { return s.Message == id && s.Text == text })
		if s.Kind != bot.Edited || !s.ToBot || s.Root != root || s.Who.ID != b.Ann.ID {
			t.Errorf("heard %+v", s)
		}
	}
	if err := b.Hands.Delete(b.ctx, b.Ann, b.Channel, id); err != nil {
		t.Fatal(err)
	}
	s := b.heard(t, "the deletion", func(s bot.Said) bool { return s.Message == id && s.Kind == bot.Deleted })
	if s.Root != root || s.Channel != b.Channel {
		t.Errorf("heard %+v", s)
	}
	events := map[string]bool{}
	for _, s := range b.hub.AllSaid() {
		if s.Message == id {
			events[s.Event] = true
		}
	}
	if len(events) != 4 {
		t.Errorf("new, two edits and a deletion came under %d keys", len(events))
	}
}

func (b *bench) saidFiles(t *testing.T) {
	root := b.post(t, card(1, "New"))
	blobs := []Blob{
		{"plan für Ann.pdf", "application/pdf", append([]byte("%PDF-1.4\n\x00\xfe"), bytes.Repeat([]byte{1, 2, 3, '\r', '\n'}, 40_000)...)},
		{"note.txt", "text/plain", []byte("hello\n")},
	}
	id := b.say(t, b.Ann, root, b.Mention+" here is the plan", blobs...)
	s := b.heard(t, "the files", func(s bot.Said) bool { return s.Message == id })
	if len(s.Files) != 2 || s.Text != "here is the plan" {
		t.Fatalf("heard %+v", s)
	}
	for i, f := range s.Files {
		if f.Name != blobs[i].Name || f.Size != int64(len(blobs[i].Data)) {
			t.Errorf("file %d is %+v", i, f)
		}
		r, err := b.Platform.Download(b.ctx, f)
		if err != nil {
			t.Fatalf("Download: %v", err)
		}
		got, err := io.ReadAll(r)
		_ = r.Close()
		if err != nil || !bytes.Equal(got, blobs[i].Data) {
			t.Errorf("file %q came as %d bytes (%v), want %d", f.Name, len(got), err, len(blobs[i].Data))
		}
	}
	bare := b.say(t, b.Ben, root, "", blobs[1])
	if s := b.heard(t, "a file without words", func(s bot.Said) bool { return s.Message == bare }); len(s.Files) != 1 || s.Text != "" || s.ToBot {
		t.Errorf("heard %+v", s)
	}
}

// saidAgain: what the bot could not keep is said again, and what came after it is not lost.
func (b *bench) saidAgain(t *testing.T) {
	root := b.post(t, card(1, "New"))
	var refusals atomic.Int32
	b.hub.With(func(h *Hub) {
		h.OnSaid = func(bot.Said) error {
			if refusals.Add(1) <= 2 {
				return ErrNotKept
			}
			return nil
		}
	})
	one := b.say(t, b.Ann, root, "one")
	two := b.say(t, b.Ann, root, "two")
	Eventually(t, "both to be kept", func() ([]bot.Said, bool) {
		all := b.hub.AllSaid()
		_, a := first(all, func(s bot.Said) bool { return s.Message == one })
		_, c := first(all, func(s bot.Said) bool { return s.Message == two })
		return all, a && c && refusals.Load() >= 4
	})
	events := map[string]map[string]bool{}
	for _, s := range b.hub.AllSaid() {
		if events[s.Message] == nil {
			events[s.Message] = map[string]bool{}
		}
		events[s.Message][s.Event] = true
	}
	if len(events[one]) != 1 || len(events[two]) != 1 {
		t.Errorf("repetitions have keys of their own: %v", events)
	}
}

// ownWords: the bot does not hear itself, nor what is said outside threads.
func (b *bench) ownWords(t *testing.T) {
	root := b.post(t, card(1, "New"))
	own := b.post(t, bot.Message{Root: root, Lines: []bot.Line{{{Text: "a line of the bot's"}}}})
	loud := b.say(t, b.Ann, "", "good morning")
	id := b.say(t, b.Ann, root, "the last word")
	b.heard(t, "the last word", func(s bot.Said) bool { return s.Message == id })
	time.Sleep(Quiet)
	for _, s := range b.hub.AllSaid() {
		if s.Message == own || s.Message == loud {
			t.Errorf("heard %+v", s)
		}
	}
}

func (b *bench) catchingUp(t *testing.T) {
	root := b.post(t, card(1, "New"))
	known := b.say(t, b.Ann, root, "known before")
	b.heard(t, "words before the stop", func(s bot.Said) bool { return s.Message == known })
	time.Sleep(Quiet) // the cursor is kept
	b.stop()
	before := len(b.hub.AllSaid())

	missed := []string{b.say(t, b.Ann, root, b.Mention+" missed one"), b.say(t, b.Ben, root, "missed two", Blob{"late.txt", "text/plain", []byte("late")})}
	taken := b.say(t, b.Ben, root, b.Mention+" taken back")
	if err := b.Hands.Delete(b.ctx, b.Ben, b.Channel, taken); err != nil {
		t.Fatal(err)
	}
	if err := b.Hands.Edit(b.ctx, b.Ann, b.Channel, known, "known, and changed"); err != nil {
		t.Fatal(err)
	}
	if b.Reopen != nil {
		b.Platform = b.Reopen(t)
	}
	b.run(t)
	for i, id := range missed {
		s := b.heard(t, "what was missed", func(s bot.Said) bool { return s.Message == id && s.Kind == bot.Written })
		if !s.Late || s.Root != root || s.ToBot != (i == 0) || len(s.Files) != i {
			t.Errorf("heard %+v", s)
		}
	}
	if s := b.heard(t, "the edit that was missed", func(s bot.Said) bool { return s.Message == known && s.Kind == bot.Edited }); s.Text != "known, and changed" {
		t.Errorf("heard %+v", s)
	}
	live := b.say(t, b.Ann, root, "live again")
	if s := b.heard(t, "words after the start", func(s bot.Said) bool { return s.Message == live }); s.Late {
		t.Errorf("live words are late: %+v", s)
	}
	for _, s := range b.hub.AllSaid()[before:] {
		if s.Message == taken && s.Kind != bot.Deleted {
			t.Errorf("what was deleted meanwhile is heard: %+v", s)
		}
	}
}

func (b *bench) runEnds(t *testing.T) {
	root := b.post(t, card(1, "New"))
	began, release := make(chan struct{}), make(chan struct{})
	b.hub.With(func(h *Hub) {
		h.OnClick = func(bot.Click) bot.Answer { close(began); <-release; return bot.Answer{} }
	})
	go func() { _ = b.Hands.Press(b.ctx, b.Ann, b.Channel, root, "Take") }()
	select {
	case <-began:
	case <-time.After(Patience):
		t.Fatal("the press was not heard")
	}
	go func() { time.Sleep(Quiet); close(release) }()
	b.stop() // fails if a call of the hub is still under way
}
