package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"groupmail/bot"
	"groupmail/bot/bottest"
)

// ask sends a request to the handler alone.
func ask(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:8420"+target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		} else {
			r.Header.Set(header[i], header[i+1])
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// running is a platform with a hub, without a server.
func running(t *testing.T, hub *bottest.Hub) (*Platform, http.Handler) {
	t.Helper()
	p, err := New(config("http://127.0.0.1:8420", ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Run(ctx, hub) }()
	t.Cleanup(func() { cancel(); <-done; _ = p.Close() })
	for {
		if _, _, end, ok := p.call(ctx); ok {
			end()
			return p, p.Handler()
		}
		time.Sleep(time.Millisecond)
	}
}

func TestPolicyAndHosts(t *testing.T) {
	_, h := running(t, &bottest.Hub{})
	for _, path := range []string{"/", "/as/ann/help", "/assets/app.js", "/assets/style.css", "/api/ann/room?room=help", "/nothing"} {
		w := ask(h, "GET", path, "")
		csp := w.Header().Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: no %s in its policy %q", path, want, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, w.Header())
		}
	}
	page := ask(h, "GET", "/as/ann/help", "").Body.String()
	if strings.Contains(page, " style=") || strings.Contains(page, " onclick=") || strings.Contains(page, "<script>") || strings.Contains(page, "<style") {
		t.Error("the page holds what its policy forbids")
	}
	for host, want := range map[string]int{"127.0.0.1:8420": 200, "localhost:1": 200, "[::1]:8420": 200, "127.0.0.2": 200, "evil.example": 421, "127.0.0.1.evil.example:8420": 421, "10.0.0.1": 421, "": 421} {
		if got := ask(h, "GET", "/as/ann/help", "", "Host", host).Code; got != want {
			t.Errorf("host %q: %d, want %d", host, got, want)
		}
	}
	named, err := New(config("https://chat.example.org/mail/", ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	nh := named.Handler()
	if got := ask(nh, "GET", "/mail/as/ann/help", "", "Host", "chat.example.org"); got.Code != 200 || !strings.Contains(got.Body.String(), `src="/mail/assets/app.js"`) {
		t.Errorf("below a path: %d", got.Code)
	}
	if got := named.Link("help", "m7"); got != "https://chat.example.org/mail/to/help/m7" {
		t.Errorf("Link = %q", got)
	}
	say := `{"event":"event-0001","room":"help","text":"hello"}`
	for _, c := range []struct {
		header []string
		want   int
	}{
		{nil, 200},
		{[]string{"Sec-Fetch-Site", "same-origin"}, 200},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-site"}, 403},
		{[]string{"Origin", "http://evil.example"}, 403},
		{[]string{"Origin", "http://127.0.0.1:9999"}, 403},
		{[]string{"Content-Type", "text/plain"}, 415}, // what a foreign form could send
	} {
		if got := ask(h, "POST", "/api/ann/say", say, c.header...).Code; got != c.want {
			t.Errorf("%v: %d, want %d", c.header, got, c.want)
		}
	}
	if got := ask(h, "GET", "/api/ann/changes", "", "Sec-Fetch-Site", "cross-site").Code; got != 403 {
		t.Errorf("a foreign page's GET: %d", got)
	}
	if got := ask(h, "POST", "/api/ann/say", `{"event":"event-0002","room":"help","text":"`+strings.Repeat("x", 2<<20)+`"}`).Code; got != 413 {
		t.Errorf("two megabytes said: %d", got)
	}
	for _, path := range []string{"/api/zoe/room?room=help", "/api/ben/room?room=board", "/api/ben/room?room=@ann", "/api/ann/room?room=nowhere", "/assets/../browser.go", "/assets/channel.html"} {
		if got := ask(h, "GET", path, "").Code; got == 200 {
			t.Errorf("%s is answered", path)
		}
	}
}

// A press that is sent again reaches the bot once and is answered alike; so is what is said.
func TestRetriesAreHarmless(t *testing.T) {
	hub := &bottest.Hub{OnClick: func(bot.Click) bot.Answer {
		time.Sleep(20 * time.Millisecond)
		return bot.Answer{Whisper: aside("once"), Form: &bot.Form{Title: "F", State: "s"}}
	}}
	p, h := running(t, hub)
	id, err := p.Post(t.Context(), "help", bot.Message{Key: "k", Buttons: []bot.Button{{ID: "take", Label: "Take", Value: "v"}}})
	if err != nil {
		t.Fatal(err)
	}
	press := fmt.Sprintf(`{"event":"event-0001","message":%q,"drawing":1,"button":"take"}`, id)
	var answers sync.Map
	var all sync.WaitGroup
	for i := range 5 {
		all.Go(func() { answers.Store(i, ask(h, "POST", "/api/ann/press", press).Body.String()) })
	}
	all.Wait()
	one, _ := answers.Load(0)
	answers.Range(func(_, v any) bool {
		if v != one || !strings.Contains(v.(string), "once") || !strings.Contains(v.(string), `"form"`) {
			t.Errorf("answers differ: %s\n%s", v, one)
		}
		return true
	})
	if n := len(hub.Clicks()); n != 1 {
		t.Errorf("the bot heard %d presses", n)
	}
	if ask(h, "POST", "/api/ben/press", press); len(hub.Clicks()) != 2 { // the same word of another person's page
		t.Error("one person's event hides another's")
	}
	for range 3 {
		ask(h, "POST", "/api/ann/say", `{"event":"event-0009","room":"help","text":"hello"}`)
	}
	if n := len(p.rooms["help"].top); n != 2 {
		t.Errorf("%d messages stand in the channel", n)
	}
}

// The button of the drawing before counts with the value that it had; those of older ones are gone.
func TestButtonsOfTheDrawingBefore(t *testing.T) {
	hub := &bottest.Hub{}
	p, h := running(t, hub)
	draw := func(v int64, id, value string) bot.Message {
		return bot.Message{Key: "k", Version: v, Buttons: []bot.Button{{ID: "same", Label: "Same", Value: value}, {ID: id, Label: id}}}
	}
	id, err := p.Post(t.Context(), "help", draw(1, "one", "v1"))
	if err != nil {
		t.Fatal(err)
	}
	for v, name := range map[int64]string{2: "two"} {
		if err := p.Redraw(t.Context(), "help", id, draw(v, name, fmt.Sprint("v", v))); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	press := func(button string, drawing, want int) {
		t.Helper()
		n++
		if got := ask(h, "POST", "/api/ann/press", fmt.Sprintf(`{"event":"event-%04d","message":%q,"drawing":%d,"button":%q}`, n, id, drawing, button)).Code; got != want {
			t.Errorf("%s of drawing %d: %d, want %d", button, drawing, got, want)
		}
	}
	press("one", 1, 200)
	press("same", 1, 200)
	press("same", 2, 200)
	press("two", 2, 200)
	if err := p.Redraw(t.Context(), "help", id, draw(3, "three", "v3")); err != nil {
		t.Fatal(err)
	}
	press("one", 1, 409)
	press("two", 2, 200)
	press("same", 1, 200) // still shown: as it is now
	want := []string{"one ", "same v1", "same v2", "two ", "two ", "same v3"}
	for i, c := range hub.Clicks() {
		if got := c.Button + " " + c.Value; got != want[i] {
			t.Errorf("press %d came as %q, want %q", i, got, want[i])
		}
	}
}

// A whisper's buttons are for the one who was told.
func TestWhispersAreForOne(t *testing.T) {
	hub := &bottest.Hub{}
	p, h := running(t, hub)
	if err := p.Tell(t.Context(), "help", "", "ann", bot.Message{Key: "wk", Notice: "x", Buttons: []bot.Button{{ID: "go", Label: "Go", Value: "v"}}}); err != nil {
		t.Fatal(err)
	}
	var id string
	for _, w := range p.whispers {
		id = w.ID
	}
	press := func(who, event string) int {
		return ask(h, "POST", "/api/"+who+"/press", fmt.Sprintf(`{"event":%q,"message":%q,"drawing":1,"button":"go"}`, event, id)).Code
	}
	if got := press("ben", "event-0001"); got != 409 {
		t.Errorf("Ben presses what Ann was told: %d", got)
	}
	ask(h, "POST", "/api/ben/dismiss", fmt.Sprintf(`{"whisper":%q}`, id))
	hub.With(func(h *bottest.Hub) {
		h.OnClick = func(bot.Click) bot.Answer { return bot.Answer{Redraw: aside("done")} }
	})
	if got := press("ann", "event-0002"); got != 200 {
		t.Errorf("Ann's press: %d", got)
	}
	if c := hub.Clicks(); len(c) != 1 || c[0].Message != "" || c[0].Key != "wk" || c[0].Value != "v" || c[0].Channel != "help" {
		t.Errorf("heard %+v", c)
	}
	if got := p.whispers[id].Card.Notice; got != "done" {
		t.Errorf("the whisper shows %q", got)
	}
	ask(h, "POST", "/api/ann/dismiss", fmt.Sprintf(`{"whisper":%q}`, id))
	if got := press("ann", "event-0003"); got != 409 {
		t.Errorf("a press of what was dismissed: %d", got)
	}
	if body := ask(h, "GET", "/api/ben/changes?after="+p.mark(0), "").Body.String(); strings.Contains(body, "done") || strings.Contains(body, `"w`) {
		t.Errorf("Ben gets Ann's whisper: %s", body)
	}
}

// While the bot does not run a press is refused, and the same press goes through later.
func TestBotNotRunning(t *testing.T) {
	p, err := New(config("http://127.0.0.1:8420", ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := p.Handler()
	id, err := p.Post(t.Context(), "help", bot.Message{Key: "k", Buttons: []bot.Button{{ID: "take", Label: "Take"}}})
	if err != nil {
		t.Fatal(err)
	}
	press := fmt.Sprintf(`{"event":"event-0001","message":%q,"drawing":1,"button":"take"}`, id)
	if got := ask(h, "POST", "/api/ann/press", press); got.Code != 503 || !strings.Contains(got.Body.String(), "not running") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	hub := &bottest.Hub{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Run(ctx, hub) }()
	bottest.Eventually(t, "the press", func() (int, bool) {
		code := ask(h, "POST", "/api/ann/press", press).Code
		return code, code == 200
	})
	cancel()
	<-done
	if n := len(hub.Clicks()); n != 1 {
		t.Errorf("%d presses", n)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if got := ask(h, "GET", "/as/ann/help", "").Code; got != 503 {
		t.Errorf("after Close: %d", got)
	}
	if _, err := p.Post(t.Context(), "help", bot.Message{}); err == nil {
		t.Error("a closed platform posts")
	}
}

// A form that was open during a restart can still be sent, by its own person and with its own fields.
func TestFormOutlivesRestart(t *testing.T) {
	dir := t.TempDir()
	p, err := New(config("http://127.0.0.1:8420", dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	form := p.viewForm(openForm{Who: "ann", place: place{Room: "help"}, State: "state"}, &bot.Form{Fields: []bot.FormField{
		{Name: "text", Kind: bot.Long, Required: true, Max: 5}, {Name: "one", Kind: bot.Select, Options: []bot.Option{{Value: "a"}}}, {Name: "yes", Kind: bot.Check}}})
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p, err = New(config("http://127.0.0.1:8420", dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	o, ok := p.unseal(form.Token, "ann")
	if !ok || o.State != "state" || o.Room != "help" {
		t.Fatalf("%+v %v", o, ok)
	}
	if _, ok := p.unseal(form.Token, "ben"); ok {
		t.Error("Ben sends Ann's form")
	}
	other, err := New(config("http://127.0.0.1:8420", ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := other.unseal(form.Token, "ann"); ok {
		t.Error("another server's form is taken")
	}
	for _, c := range []struct {
		in     map[string]string
		faults string
		values string
	}{
		{map[string]string{"text": "hällo", "one": "a", "yes": "on", "other": "x"}, "", "map[one:a text:hällo yes:true]"},
		{map[string]string{"text": "hallo!", "one": "b"}, "map[one:Please choose one of the list. text:That is 1 characters too long.]", ""},
		{map[string]string{"text": " \n"}, "map[text:Please fill this in.]", ""},
		{nil, "map[text:Please fill this in.]", ""},
	} {
		values, faults := o.check(c.in)
		if len(faults) > 0 && fmt.Sprint(faults) != c.faults || len(faults) == 0 && (c.faults != "" || fmt.Sprint(values) != c.values) {
			t.Errorf("%v: %v, %v", c.in, values, faults)
		}
	}
}

// Files are handed out to be kept, never to be run; and only to who may see their message.
func TestFilesAreInert(t *testing.T) {
	dir := t.TempDir()
	p, err := New(config("http://127.0.0.1:8420", dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := p.Handler()
	html := "<!doctype html><script>alert(1)</script>"
	up := func(who, name, kind, body string) string {
		t.Helper()
		w := ask(h, "POST", "/api/"+who+"/upload?name="+name, body, "Content-Type", kind)
		var out struct{ ID string }
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 {
			t.Fatalf("%d %v", w.Code, err)
		}
		return out.ID
	}
	id := up("ann", "..%2F..%2Fevil%E2%80%AEgpj.html", "image/png", html)
	if got := ask(h, "POST", "/api/ben/say", fmt.Sprintf(`{"event":"event-0001","room":"help","text":"mine","files":[%q]}`, id)).Code; got != 409 {
		t.Errorf("Ben sends Ann's file: %d", got)
	}
	if got := ask(h, "POST", "/api/ann/say", fmt.Sprintf(`{"event":"event-0002","room":"board","text":"","files":[%q]}`, id)).Code; got != 200 {
		t.Errorf("Ann sends her file: %d", got)
	}
	if got := ask(h, "POST", "/api/ann/say", fmt.Sprintf(`{"event":"event-0003","room":"board","text":"","files":[%q]}`, id)).Code; got != 409 {
		t.Errorf("a file is sent twice: %d", got)
	}
	w := ask(h, "GET", "/api/ann/file/m1/0/evil.html", "")
	if w.Code != 200 || w.Body.String() != html {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for k, want := range map[string]string{"Content-Type": "application/octet-stream", "Content-Disposition": "attachment; filename=evilgpj.html",
		"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"} {
		if got := w.Header().Get(k); got != want {
			t.Errorf("%s: %q, want %q", k, got, want)
		}
	}
	if got := ask(h, "GET", "/api/ben/file/m1/0/evil.html", "").Code; got != 404 {
		t.Errorf("Ben, not in that channel, gets the file: %d", got)
	}
	unsent := up("ann", "unsent.txt", "text/plain", "x")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p, err = New(config("http://127.0.0.1:8420", dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := os.Stat(filepath.Join(dir, "files", unsent)); err == nil {
		t.Error("a file that was never sent is kept")
	}
	if w := ask(p.Handler(), "GET", "/api/ann/file/m1/0/evil.html", ""); w.Body.String() != html {
		t.Error("the file is gone after a restart")
	}
}

// stream reads server-sent events.
type stream struct {
	t  *testing.T
	r  *bufio.Reader
	id string
}

func (d *desk) stream(t *testing.T, who, after, last string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", d.url+"/api/"+who+"/events?after="+after, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s", res.Status)
	}
	return &stream{t: t, r: bufio.NewReader(res.Body)}
}

// until reads events until one of the kind holds the text; it returns its data.
func (s *stream) until(kind, text string) string {
	s.t.Helper()
	var event string
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			s.t.Fatalf("no %s with %q: %v", kind, text, err)
		}
		line = strings.TrimSuffix(line, "\n")
		switch k, v, _ := strings.Cut(line, ": "); k {
		case "id":
			s.id = v
		case "event":
			event = v
		case "data":
			if event == kind && strings.Contains(v, text) {
				return v
			}
		}
	}
}

// A window that was away gets what it missed, each thing once and as it is now.
func TestStreamResumesWhereItWas(t *testing.T) {
	d := serve(t, "")
	ctx := t.Context()
	s := d.stream(t, "ann", "", "")
	id, err := d.Post(ctx, "help", bot.Message{Key: "k", Version: 1, Title: "drawn 1"})
	if err != nil {
		t.Fatal(err)
	}
	s.until("news", "drawn 1")
	mark := s.id
	for v := range 5 {
		if err := d.Redraw(ctx, "help", id, bot.Message{Key: "k", Version: int64(v + 2), Title: fmt.Sprint("drawn ", v+2)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Post(ctx, "@ben", bot.Message{Title: "for Ben"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.say("ann", "board", "", "on the board", nil); err != nil {
		t.Fatal(err)
	}
	resumed := d.stream(t, "ann", "ignored", mark)
	data := resumed.until("news", "")
	if !strings.Contains(data, "drawn 6") || strings.Contains(data, "drawn 5") || strings.Contains(data, "for Ben") || !strings.Contains(data, "on the board") {
		t.Errorf("resumed with %s", data)
	}
	ben := d.stream(t, "ben", mark, "")
	if data := ben.until("news", ""); !strings.Contains(data, "for Ben") || strings.Contains(data, "on the board") {
		t.Errorf("Ben resumes with %s", data)
	}
	ben.until("online", `["ann","ben"]`)
	d.stream(t, "ann", "otherepoch-3", "").until("reset", "")
	resumed.until("online", `["ann","ben"]`)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := resumed.r.ReadString(0); err == nil {
		t.Error("the stream is open after Close")
	}
}

// Nothing is skipped however changes and windows interleave.
func TestStreamsMissNothing(t *testing.T) {
	d := serve(t, t.TempDir())
	const writers, each = 8, 25
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if w%2 == 0 {
					if _, err := d.Post(t.Context(), "help", bot.Message{Title: fmt.Sprintf("<%d-%d>", w, i)}); err != nil {
						t.Error(err)
					}
				} else if err := d.Tell(t.Context(), "help", "", "ann", bot.Message{Title: fmt.Sprintf("<%d-%d>", w, i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen := map[string]bool{}
	var last string
	for len(seen) < writers*each {
		s := d.stream(t, "ann", d.mark(0), last) // a line that breaks after each piece of news
		var news []viewChange
		if err := json.NewDecoder(bytes.NewReader([]byte(s.until("news", "")))).Decode(&news); err != nil {
			t.Fatal(err)
		}
		last = s.id
		for _, c := range news {
			if seen[c.Message.Card.Title] {
				t.Errorf("%s came twice", c.Message.Card.Title)
			}
			seen[c.Message.Card.Title] = true
		}
	}
	all.Wait()
}

func TestMention(t *testing.T) {
	p := &Platform{handle: "groupmail"}
	for in, want := range map[string]string{
		"@groupmail hello": "hello", "  @GroupMail\nhello": "hello", "@groupmail": "", "@groupmail: hello": "hello", "@groupmail, hello": "hello",
		"@groupmail. hello": ". hello", "@groupmails hello": "-", "@groupmail-x": "-", "hello @groupmail": "-", "groupmail hello": "-", "@group": "-", "@groupmailé": "-",
	} {
		rest, toBot := p.mention(in)
		if !toBot {
			rest = "-"
		}
		if rest != want {
			t.Errorf("%q: %q, want %q", in, rest, want)
		}
	}
}

func TestFileName(t *testing.T) {
	for in, want := range map[string]string{
		"a.pdf": "a.pdf", "../../etc/passwd": "passwd", `C:\x\y.doc`: "y.doc", "..": "file", "": "file", "a\x00b\nc.txt": "abc.txt",
		"\u202egpj.exe": "gpj.exe", "Übersicht März.pdf": "Übersicht März.pdf", "שלום.txt": "שלום.txt", strings.Repeat("x", 300) + ".pdf": strings.Repeat("x", 100) + "…" + strings.Repeat("x", 95) + ".pdf",
	} {
		if got := fileName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func BenchmarkPost(b *testing.B) {
	p, err := New(config("http://127.0.0.1:8420", b.TempDir()), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	for i := range b.N {
		if _, err := p.Post(b.Context(), "help", bot.Message{Key: fmt.Sprint(i), Title: "t", Quote: strings.Repeat("word ", 40)}); err != nil {
			b.Fatal(err)
		}
	}
}
