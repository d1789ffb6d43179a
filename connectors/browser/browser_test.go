package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"groupmail/bot"
	"groupmail/bot/bottest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ann  = bot.Person{ID: "ann", Handle: "ann", Name: "Ann Baker"}
	ben  = bot.Person{ID: "ben", Handle: "ben", Name: "Ben Carter"}
	cleo = bot.Person{ID: "cleo", Handle: "cleo", Name: "Cleo Dahl", Guest: true}
)

// desk is a platform with its pages served.
type desk struct {
	*Platform
	url  string
	swap func(http.Handler) // serves another platform at the same address
}

// config is that of a small team; the address is the server's.
func config(base, dir string) Config {
	return Config{
		Channels: []Channel{{ID: "help", Title: "help-desk", Private: true}, {ID: "board", Title: "board", Members: []string{"ann"}}},
		People:   []bot.Person{ann, ben, cleo}, Base: base, Dir: dir,
		Links: []Link{{"Write as a customer", "http://127.0.0.1:1/write"}},
	}
}

// serve opens a platform and serves its pages until the test ends.
func serve(t testing.TB, dir string) *desk {
	t.Helper()
	var h http.Handler
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now := h
		mu.Unlock()
		now.ServeHTTP(w, r)
	}))
	p, err := New(config(s.URL, dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	swap := func(now http.Handler) {
		mu.Lock()
		defer mu.Unlock()
		h = now
	}
	swap(p.Handler())
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		s.CloseClientConnections()
		s.Close()
	})
	return &desk{p, s.URL, swap}
}

// hands are people's, by what the pages send and get.
type hands struct {
	mu    sync.Mutex
	p     *Platform
	url   string
	forms map[string]*open
	n     int
}

// open is a form as a page shows it.
type open struct {
	viewForm
	values, errors map[string]string
}

func (h *hands) platform() *Platform { h.mu.Lock(); defer h.mu.Unlock(); return h.p }

func (h *hands) event() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
	return fmt.Sprintf("event-%06d", h.n)
}

// call sends a request as somebody's page does and reads the answer. Requests go to the handler of
// the platform that is open now.
func (h *hands) call(ctx context.Context, method, path string, body, into any) (int, error) {
	var r io.Reader
	if raw, ok := body.([]byte); ok {
		r = bytes.NewReader(raw)
	} else if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, h.url+path, r)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.platform().Handler().ServeHTTP(w, req)
	if into == nil || w.Code != http.StatusOK {
		return w.Code, nil
	}
	if raw, ok := into.(*[]byte); ok {
		*raw = w.Body.Bytes()
		return w.Code, nil
	}
	return w.Code, json.Unmarshal(w.Body.Bytes(), into)
}

// must is call where nothing but success will do.
func (h *hands) must(ctx context.Context, method, path string, body, into any) error {
	code, err := h.call(ctx, method, path, body, into)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("%s %s: status %d", method, path, code)
	}
	return err
}

func (h *hands) message(ctx context.Context, who bot.Person, id string) (*viewMessage, error) {
	var m viewMessage
	code, err := h.call(ctx, "GET", "/api/"+who.ID+"/message?id="+url.QueryEscape(id), nil, &m)
	if err != nil || code == http.StatusNotFound {
		return nil, err
	}
	return &m, nil
}

func (h *hands) See(ctx context.Context, who bot.Person, _, message string) (*bottest.View, error) {
	m, err := h.message(ctx, who, message)
	if m == nil {
		return nil, err
	}
	v := shown(m)
	return &v, nil
}

// shown is a message as a page shows it, as text.
func shown(m *viewMessage) bottest.View {
	v := bottest.View{Message: m.ID, Root: m.Root, Pinned: m.Pinned}
	var b strings.Builder
	fmt.Fprintln(&b, m.Text)
	if c := m.Card; c != nil {
		text := func(spans []viewSpan) {
			for _, s := range spans {
				b.WriteString(s.Text + s.Member)
				if s.Time != nil {
					b.WriteString(s.Time.Local().Format("15:04"))
				}
			}
			b.WriteByte('\n')
		}
		text(c.Status)
		fmt.Fprintln(&b, c.Title)
		for _, l := range c.Lines {
			text(l)
		}
		fmt.Fprintln(&b, c.Quote)
		text(c.Footer)
		for _, one := range c.Buttons {
			v.Buttons = append(v.Buttons, one.Label)
			for _, i := range one.Menu {
				v.Buttons = append(v.Buttons, i.Label)
			}
		}
	}
	for _, f := range m.Files {
		v.Files = append(v.Files, f.Name)
	}
	v.Text = b.String()
	return v
}

// Whispers looks as a window does that was open all the time.
func (h *hands) Whispers(ctx context.Context, who bot.Person, channel string) ([]bottest.View, error) {
	told, err := h.told(ctx, who, channel)
	var all []bottest.View
	for _, m := range told {
		all = append(all, shown(m))
	}
	return all, err
}

func (h *hands) told(ctx context.Context, who bot.Person, channel string) ([]*viewMessage, error) {
	var all []*viewMessage
	var news struct{ News []viewChange }
	if err := h.must(ctx, "GET", "/api/"+who.ID+"/changes?after="+h.platform().mark(0), nil, &news); err != nil {
		return nil, err
	}
	for _, c := range news.News {
		if m := c.Message; m != nil && (m.Whisper && m.Room == channel || m.Room == "@"+who.ID) {
			all = append(all, m)
		}
	}
	return all, nil
}

func (h *hands) Press(ctx context.Context, who bot.Person, channel, message, label string) error {
	m, err := h.message(ctx, who, message)
	if err == nil && m == nil {
		told, fault := h.told(ctx, who, channel)
		if i := slices.IndexFunc(told, func(m *viewMessage) bool { return m.ID == message }); i >= 0 {
			m = told[i]
		}
		err = fault
	}
	if err != nil {
		return err
	}
	if m == nil || m.Card == nil {
		return fmt.Errorf("no card %s", message)
	}
	for _, b := range m.Card.Buttons {
		if i := slices.IndexFunc(b.Menu, func(b viewButton) bool { return b.Label == label }); i >= 0 {
			b = b.Menu[i]
		}
		if b.Label == label && b.ID != "" {
			var out reply
			err := h.must(ctx, "POST", "/api/"+who.ID+"/press", map[string]any{"event": h.event(), "message": message,
				"drawing": m.Card.Drawing, "button": b.ID}, &out)
			h.got(who, out, nil)
			return err
		}
	}
	return fmt.Errorf("no button %q", label)
}

// got shows the form of an answer.
func (h *hands) got(who bot.Person, out reply, sent *open) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case len(out.Errors) > 0 && sent != nil:
		sent.errors = out.Errors
	case out.Form != nil:
		o := &open{viewForm: *out.Form, values: map[string]string{}}
		for _, f := range o.Fields {
			o.values[f.Name] = f.Value
		}
		h.forms[who.ID] = o
	case sent != nil:
		delete(h.forms, who.ID)
	}
}

func (h *hands) Forge(ctx context.Context, who bot.Person, _, message, other string) error {
	foreign := h.platform().seal(openForm{Who: "ann", place: place{Room: "help"}, State: "s", Fields: []openField{{Name: "text"}}})
	whisper := h.platform().whisper("help", "ann", "", bot.Message{Buttons: []bot.Button{{ID: "mine", Label: "Mine"}}})
	for _, try := range []struct {
		path string
		body map[string]any
	}{
		{"press", map[string]any{"message": message, "drawing": 1, "button": "close"}}, // of another card
		{"press", map[string]any{"message": other, "drawing": 1, "button": "take"}},
		{"press", map[string]any{"message": message, "drawing": 0, "button": "Take"}},
		{"press", map[string]any{"message": message, "drawing": 1, "button": ""}},
		{"press", map[string]any{"message": "m999999", "drawing": 1, "button": "take"}},
		{"press", map[string]any{"message": whisper.ID, "drawing": 1, "button": "mine"}},  // told to somebody else
		{"submit", map[string]any{"token": foreign, "values": map[string]string{}}},       // opened for somebody else
		{"submit", map[string]any{"token": foreign + "x", "values": map[string]string{}}}, // altered
		{"submit", map[string]any{"token": "", "values": map[string]string{}}},
		{"command", map[string]any{"room": "help", "name": "other", "text": ""}}, // undeclared
		{"command", map[string]any{"room": "board", "name": "mail", "text": ""}}, // not in that channel
	} {
		try.body["event"] = h.event()
		code, err := h.call(ctx, "POST", "/api/"+who.ID+"/"+try.path, try.body, nil)
		if err != nil {
			return err
		}
		if code == http.StatusOK {
			return fmt.Errorf("%s %v was accepted", try.path, try.body)
		}
	}
	return nil
}

func (h *hands) Form(_ context.Context, who bot.Person) (*bottest.FormView, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	o := h.forms[who.ID]
	if o == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	v := &bottest.FormView{Title: o.Title, Text: o.Quote, Values: o.values, Errors: o.errors}
	for _, l := range o.Intro {
		for _, s := range l {
			v.Text += s.Text
		}
	}
	return v, nil
}

func (h *hands) Submit(ctx context.Context, who bot.Person, values map[string]string) error {
	h.mu.Lock()
	o := h.forms[who.ID]
	if o == nil {
		h.mu.Unlock()
		return fmt.Errorf("no form is open")
	}
	for k, v := range values {
		o.values[k] = v
	}
	h.mu.Unlock()
	var out reply
	if err := h.must(ctx, "POST", "/api/"+who.ID+"/submit", map[string]any{"event": h.event(), "token": o.Token, "values": o.values}, &out); err != nil {
		return err
	}
	h.got(who, out, o)
	return nil
}

func (h *hands) Type(ctx context.Context, who bot.Person, channel, root, line string) error {
	name, text, _ := strings.Cut(strings.TrimPrefix(line, "/"), " ")
	var out reply
	err := h.must(ctx, "POST", "/api/"+who.ID+"/command", map[string]string{"event": h.event(), "room": channel, "root": root, "name": name, "text": text}, &out)
	h.got(who, out, nil)
	return err
}

func (h *hands) Say(ctx context.Context, who bot.Person, channel, root, text string, files ...bottest.Blob) (string, error) {
	ids := []string{}
	for _, f := range files {
		var up struct{ ID string }
		if err := h.must(ctx, "POST", "/api/"+who.ID+"/upload?name="+url.QueryEscape(f.Name), f.Data, &up); err != nil {
			return "", err
		}
		ids = append(ids, up.ID)
	}
	var out reply
	err := h.must(ctx, "POST", "/api/"+who.ID+"/say", map[string]any{"event": h.event(), "room": channel, "root": root, "text": text, "files": ids}, &out)
	return out.ID, err
}

func (h *hands) Edit(ctx context.Context, who bot.Person, _, message, text string) error {
	return h.must(ctx, "POST", "/api/"+who.ID+"/edit", map[string]string{"event": h.event(), "message": message, "text": text}, nil)
}

func (h *hands) Delete(ctx context.Context, who bot.Person, _, message string) error {
	return h.must(ctx, "POST", "/api/"+who.ID+"/delete", map[string]string{"event": h.event(), "message": message}, nil)
}

func (h *hands) Fetch(ctx context.Context, who bot.Person, _, message, name string) ([]byte, error) {
	m, err := h.message(ctx, who, message)
	if err != nil {
		return nil, err
	}
	var b []byte
	for _, f := range m.Files {
		if f.Name == name {
			err = h.must(ctx, "GET", "/api/"+who.ID+"/"+f.URL, nil, &b)
		}
	}
	return b, err
}

// Pinged: nothing that the bot posts alerts anybody by name here.
func (h *hands) Pinged(context.Context, bot.Person, string, string) (bool, error) { return false, nil }

func TestConformance(t *testing.T) {
	for name, keeps := range map[string]bool{"memory": false, "journal": true} {
		t.Run(name, func(t *testing.T) {
			bottest.Exercise(t, func(t *testing.T) bottest.Env {
				dir := ""
				if keeps {
					dir = t.TempDir()
				}
				d := serve(t, dir)
				h := &hands{p: d.Platform, url: d.url, forms: map[string]*open{}}
				e := bottest.Env{Platform: d.Platform, Channel: "help", Title: "help-desk", Ann: ann, Ben: ben, Guest: &cleo,
					NoChannel: "elsewhere", Mention: "@groupmail", Command: "mail", Hands: h}
				if keeps {
					e.Reopen = func(t *testing.T) bot.Platform {
						if err := d.Close(); err != nil {
							t.Error(err)
						}
						p, err := New(config(d.url, dir), nil)
						if err != nil {
							t.Fatal(err)
						}
						t.Cleanup(func() { _ = p.Close() })
						h.mu.Lock()
						h.p = p
						h.mu.Unlock()
						return p
					}
				}
				return e
			})
		})
	}
}

// A crash in the middle of a write costs that write and nothing else; anything else that is broken
// is not passed over.
func TestJournalIsCutOff(t *testing.T) {
	dir := t.TempDir()
	open := func() (*Platform, error) { return New(config("http://127.0.0.1:1", dir), nil) }
	p, err := open()
	if err != nil {
		t.Fatal(err)
	}
	id, err := p.Post(t.Context(), "help", bot.Message{Key: "one", Version: 3, Title: "kept", Buttons: []bot.Button{{ID: "take", Label: "Take", Value: "v"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Post(t.Context(), "help", bot.Message{Key: "two", Title: "cut"}); err != nil {
		t.Fatal(err)
	}
	// No Close: the process is killed.
	name := filepath.Join(dir, "journal")
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 1; cut < 40; cut += 13 {
		if err := os.WriteFile(name, whole[:len(whole)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := open()
		if err != nil {
			t.Fatalf("cut by %d: %v", cut, err)
		}
		if found, err := p.Find(t.Context(), "help", "", "one", time.Time{}); err != nil || found != id {
			t.Errorf("cut by %d: Find = %q, %v", cut, found, err)
		}
		if found, _ := p.Find(t.Context(), "help", "", "two", time.Time{}); found != "" {
			t.Errorf("cut by %d: half a message was found", cut)
		}
		if err := p.Redraw(t.Context(), "help", id, bot.Message{Key: "one", Version: 2, Title: "older"}); err != nil {
			t.Error(err)
		}
		if got := p.get(id).Card.Title; got != "kept" {
			t.Errorf("the version was forgotten: %q", got)
		}
		if _, err := p.Post(t.Context(), "help", bot.Message{Key: "two", Title: "again"}); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		p, err = open()
		if err != nil {
			t.Fatalf("after a repair: %v", err)
		}
		if found, _ := p.Find(t.Context(), "help", "", "two", time.Time{}); found == "" {
			t.Errorf("what was posted after the repair is gone")
		}
		_ = p.Close()
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	broken := slices.Concat(lines[0], []byte("{\"id\":\n"), lines[1], lines[2])
	if err := os.WriteFile(name, broken, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a journal broken in its middle was opened: %v", err)
	}
}

// A journal that is mostly history is written anew, and nothing of it is missing.
func TestJournalIsShortened(t *testing.T) {
	dir := t.TempDir()
	p, err := New(config("http://127.0.0.1:1", dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	id, err := p.Post(t.Context(), "help", bot.Message{Key: "one", Version: 1})
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.say("ann", "help", id, "@groupmail hello", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1100 {
		if err := p.Redraw(t.Context(), "help", id, bot.Message{Key: "one", Version: int64(i + 2), Quote: strings.Repeat("x", 100)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(filepath.Join(dir, "journal"))
	p, err = New(config("http://127.0.0.1:1", dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	after, _ := os.Stat(filepath.Join(dir, "journal"))
	if after.Size() > before.Size()/100 {
		t.Errorf("%d bytes became %d", before.Size(), after.Size())
	}
	if _, said, ok := p.nextSaid("help", 0); !ok || said.Message != m.ID || said.Text != "hello" || !said.ToBot {
		t.Errorf("what was said and not yet heard is gone: %+v", said)
	}
	if got := p.get(id); got.Card.Version != 1101 || got.Drawing != 1101 || len(got.replies) != 1 {
		t.Errorf("the card is %+v", got)
	}
}

func TestConfigFaults(t *testing.T) {
	_, err := New(Config{
		Channels: []Channel{{ID: "a b"}, {ID: "x", Members: []string{"zoe"}}, {ID: "x"}}, People: []bot.Person{{ID: "ann"}, {ID: "ann"}, {ID: "groupmail"}},
		Base: "nowhere", Links: []Link{{"bad", "javascript:alert(1)"}},
	}, nil)
	for _, want := range []string{"nowhere", "a b", "zoe", `"x" stands twice`, `"ann" stands twice`, "bot's handle", "javascript"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %s in: %v", want, err)
		}
	}
}
