package mattermost

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/mattermost/mattermost/server/public/model"
	"go.uber.org/goleak"

	"groupmail/bot"
	"groupmail/deploy/testbed"
)

func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			code = 1
		}
	}
	os.Exit(code)
}

// office is a team with a channel, two people and our bot in it, on a real server.
type office struct {
	t       testing.TB
	server  *testbed.MattermostServer
	ann     testbed.MattermostUser
	ben     testbed.MattermostUser
	bot     testbed.MattermostUser
	team    testbed.MattermostTeam
	channel testbed.MattermostChannel

	mu      sync.Mutex // of p, for the callbacks
	p       *Platform
	hub     *hub
	http    *httptest.Server
	command string // token

	stop func()
}

// newOffice opens the office; the platform does not run yet. configure may change how it is reached.
func newOffice(t testing.TB, server *testbed.MattermostServer, configure ...func(*Config)) *office {
	t.Helper()
	o := &office{t: t, server: server, ann: server.NewUser(), ben: server.NewUser(), bot: server.NewBot(), hub: newHub()}
	o.team = server.NewTeam()
	o.channel = server.NewChannel(o.team, true, o.ann, o.ben, o.bot)
	o.http = httptest.NewUnstartedServer(nil)
	cfg := Config{
		URL:           server.URL,
		Token:         func() (string, error) { return o.bot.Token, nil },
		Callback:      "http://" + o.http.Listener.Addr().String(),
		CommandTokens: func() []string { return []string{"", o.command} },
		Secret:        []byte("0123456789abcdef"),
		Zone:          time.FixedZone("CET", 3600),
	}
	for _, f := range configure {
		f(&cfg)
	}
	o.p = o.platform(cfg)
	o.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		p := o.p
		o.mu.Unlock()
		p.Handler().ServeHTTP(w, r)
	})
	o.http.Start()
	t.Cleanup(o.http.Close)
	return o
}

func (o *office) platform(cfg Config) *Platform {
	o.t.Helper()
	p, err := New(cfg, testLog(o.t))
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(p.api.http.CloseIdleConnections)
	return p
}

func testLog(t testing.TB) *slog.Logger {
	if !testing.Verbose() {
		return nil
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// run runs the platform until the test ends or stop is called, and waits until it hears the channel.
func (o *office) run() {
	o.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := o.p.Run(ctx, o.hub); err != nil {
			o.t.Errorf("Run: %v", err)
		}
	}()
	o.stop = func() {
		cancel()
		<-done
	}
	o.t.Cleanup(o.stop)
	o.hub.until(o.t, "the channel is heard", func() bool { return o.p.Echoes() && o.hub.cursors[o.channel.ID] != "" })
}

// as calls the server as somebody.
func (o *office) as(who testbed.MattermostUser, method, path string, body, answer any) int {
	o.t.Helper()
	return o.server.Call(who.Token, method, path, body, answer)
}

// must is as, which must succeed.
func (o *office) must(who testbed.MattermostUser, method, path string, body, answer any) {
	o.t.Helper()
	if status := o.as(who, method, path, body, answer); status >= 300 {
		o.t.Fatalf("%s %s: %d", method, path, status)
	}
}

func (o *office) post(m bot.Message) string {
	o.t.Helper()
	id, err := o.p.Post(context.Background(), o.channel.ID, m)
	if err != nil {
		o.t.Fatal(err)
	}
	return id
}

// read is a post as somebody sees it.
func (o *office) read(who testbed.MattermostUser, id string) *model.Post {
	o.t.Helper()
	var post model.Post
	o.must(who, http.MethodGet, "/posts/"+id, nil, &post)
	return &post
}

// say writes into a thread.
func (o *office) say(who testbed.MattermostUser, root, text string) string {
	o.t.Helper()
	var post model.Post
	o.must(who, http.MethodPost, "/posts", map[string]any{"channel_id": o.channel.ID, "root_id": root, "message": text}, &post)
	return post.Id
}

// press presses a button as a client does.
func (o *office) press(who testbed.MattermostUser, post, action string) int {
	o.t.Helper()
	return o.as(who, http.MethodPost, "/posts/"+post+"/actions/"+action, map[string]any{}, nil)
}

func (o *office) choose(who testbed.MattermostUser, post, option string) int {
	o.t.Helper()
	return o.as(who, http.MethodPost, "/posts/"+post+"/actions/menu", map[string]any{"selected_option": option}, nil)
}

// app is somebody's open client: it hears what the server shows them.
type app struct {
	t    testing.TB
	conn *websocket.Conn
	done chan struct{}
	bell bell

	mu     sync.Mutex
	frames []seen
}

// seen is an event as it came to an app.
type seen struct {
	Event string `json:"event"`
	Data  struct {
		Post     string `json:"post"`
		Dialog   string `json:"dialog"`
		Mentions string `json:"mentions"`
	} `json:"data"`
	at time.Time
}

func (s seen) post() *model.Post {
	var p model.Post
	_ = json.Unmarshal([]byte(s.Data.Post), &p)
	return &p
}

func (o *office) open(who testbed.MattermostUser) *app {
	o.t.Helper()
	u := strings.Replace(o.server.URL, "http", "ws", 1) + "/api/v4/websocket"
	conn, resp, err := websocket.DefaultDialer.Dial(u, http.Header{"Authorization": {"Bearer " + who.Token}})
	if err != nil {
		o.t.Fatal(err)
	}
	_ = resp.Body.Close()
	a := &app{t: o.t, conn: conn, done: make(chan struct{}), bell: newBell()}
	go func() {
		defer close(a.done)
		for {
			_, data, err := conn.ReadMessage()
			if err != nil {
				return
			}
			s := seen{at: time.Now()}
			_ = json.Unmarshal(data, &s)
			a.mu.Lock()
			a.frames = append(a.frames, s)
			a.mu.Unlock()
			a.bell.ring()
		}
	}()
	o.t.Cleanup(func() {
		_ = conn.Close()
		<-a.done
	})
	a.wait("hello", func(s seen) bool { return s.Event == "hello" })
	return a
}

// wait waits for an event, also one that came before, and takes it.
func (a *app) wait(what string, f func(seen) bool) seen {
	a.t.Helper()
	var found seen
	a.bell.until(a.t, what, func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		i := slices.IndexFunc(a.frames, f)
		if i < 0 {
			return false
		}
		found = a.frames[i]
		a.frames = slices.Delete(a.frames, i, i+1)
		return true
	})
	return found
}

// find waits for an event, also one that came before, and leaves it.
func (a *app) find(what string, f func(seen) bool) seen {
	a.t.Helper()
	var found seen
	a.bell.until(a.t, what, func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		i := slices.IndexFunc(a.frames, f)
		if i >= 0 {
			found = a.frames[i]
		}
		return i >= 0
	})
	return found
}

// dialog waits for a dialog to be opened.
func (a *app) dialog() model.OpenDialogRequest {
	a.t.Helper()
	s := a.wait("a dialog", func(s seen) bool { return s.Event == "open_dialog" })
	var d model.OpenDialogRequest
	if err := json.Unmarshal([]byte(s.Data.Dialog), &d); err != nil {
		a.t.Fatal(err)
	}
	if err := d.Dialog.IsValid(); err != nil {
		a.t.Errorf("dialog: %v", err)
	}
	return d
}

// whisper waits for a post that only this person sees.
func (a *app) whisper() *model.Post {
	a.t.Helper()
	return a.wait("a whisper", func(s seen) bool { return s.Event == "ephemeral_message" }).post()
}

// edited waits until a post shows what is asked for.
func (a *app) edited(id string, f func(*model.Post) bool) seen {
	a.t.Helper()
	return a.wait("a change of "+id, func(s seen) bool {
		return s.Event == "post_edited" && s.post().Id == id && f(s.post())
	})
}

// submit sends a dialog as a client does.
func (o *office) submit(who testbed.MattermostUser, d model.OpenDialogRequest, values map[string]any) model.SubmitDialogResponse {
	o.t.Helper()
	var resp model.SubmitDialogResponse
	o.must(who, http.MethodPost, "/actions/dialogs/submit", model.SubmitDialogRequest{
		URL: d.URL, CallbackId: d.Dialog.CallbackId, State: d.Dialog.State,
		ChannelId: o.channel.ID, TeamId: o.team.ID, Submission: values,
	}, &resp)
	return resp
}

// bell lets tests wait for a condition without sleeping.
type bell struct{ c chan struct{} }

func newBell() bell { return bell{make(chan struct{}, 1)} }

func (b bell) ring() {
	select {
	case b.c <- struct{}{}:
	default:
	}
}

const patience = 20 * time.Second

func (b bell) until(t testing.TB, what string, f func() bool) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for !f() {
		select {
		case <-b.c:
		case <-late.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// hub records what it is told, and answers as the test wants.
type hub struct {
	bell bell

	mu      sync.Mutex
	clicks  []bot.Click
	subs    []bot.Submission
	cmds    []bot.Command
	saids   []bot.Said
	drawn   []drawing
	lost    []string
	cursors map[string]string
	refuse  error // of Said

	click   func(bot.Click) bot.Answer
	submit  func(bot.Submission) bot.Answer
	command func(bot.Command) bot.Answer
}

type drawing struct {
	message, key string
	version      int64
}

func newHub() *hub { return &hub{bell: newBell(), cursors: map[string]string{}} }

// until waits until f, which is called with the lock held, is true.
func (h *hub) until(t testing.TB, what string, f func() bool) {
	t.Helper()
	h.bell.until(t, what, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return f()
	})
}

func (h *hub) note(f func()) {
	h.mu.Lock()
	f()
	h.mu.Unlock()
	h.bell.ring()
}

func (h *hub) Click(_ context.Context, c bot.Click) bot.Answer {
	h.note(func() { h.clicks = append(h.clicks, c) })
	if h.click == nil {
		return bot.Answer{}
	}
	return h.click(c)
}

func (h *hub) Submit(_ context.Context, s bot.Submission) bot.Answer {
	h.note(func() { h.subs = append(h.subs, s) })
	if h.submit == nil {
		return bot.Answer{}
	}
	return h.submit(s)
}

func (h *hub) Command(_ context.Context, c bot.Command) bot.Answer {
	h.note(func() { h.cmds = append(h.cmds, c) })
	if h.command == nil {
		return bot.Answer{}
	}
	return h.command(c)
}

func (h *hub) Said(_ context.Context, s bot.Said) (err error) {
	h.note(func() {
		if err = h.refuse; err == nil {
			h.saids = append(h.saids, s)
		}
	})
	return err
}

func (h *hub) Drawn(_ context.Context, _, message, key string, version int64) {
	h.note(func() { h.drawn = append(h.drawn, drawing{message, key, version}) })
}

func (h *hub) Lost(_ context.Context, _, message string) {
	h.note(func() { h.lost = append(h.lost, message) })
}

func (h *hub) Cursor(_ context.Context, channel string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cursors[channel], nil
}

func (h *hub) SetCursor(_ context.Context, channel, cursor string) error {
	h.note(func() { h.cursors[channel] = cursor })
	return nil
}

func (h *hub) Complete(context.Context, bot.Command) []bot.Completion { return nil }

func (h *hub) Boards() []string                          { return nil }
func (h *hub) Page(context.Context, bot.Person) bot.Page { return bot.Page{} }
func (h *hub) Commands() []bot.CommandInfo {
	return []bot.CommandInfo{{Name: "mail", Hint: "[help]", Description: "The shared mailbox"}}
}

// said waits for n things said and returns them all.
func (h *hub) said(t testing.TB, n int) []bot.Said {
	t.Helper()
	h.until(t, strconv.Itoa(n)+" things said", func() bool { return len(h.saids) >= n })
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.saids)
}

// card is a new mail's.
func card(key string, version int64) bot.Message {
	return bot.Message{
		Key: key, Version: version, Tone: bot.Yellow,
		Notice: "New mail: Maria Kovács – Heating broken",
		Status: bot.Line{{Text: "● New", Strong: true}, {Text: " · Maria Kovács"}},
		Title:  "Heating broken",
		Quote:  "Hello @channel,\nthe heating is broken.",
		Footer: bot.Line{{Text: "help@example.org"}},
		Buttons: []bot.Button{
			{ID: "take", Label: "Take", Value: "7", Style: bot.Primary},
			{ID: "reply", Label: "Reply", Value: "7"},
			{ID: "spam", Label: "Spam", Value: "7", Style: bot.Danger, Confirm: "Really spam?"},
			{Label: "More…", Menu: []bot.Button{{ID: "read", Label: "Read", Value: "7"}, {ID: "assign", Label: "Assign", Value: "8"}}},
		},
	}
}

func proxyTo(t testing.TB, server *testbed.MattermostServer) (proxy *testbed.Proxy, configure func(*Config)) {
	t.Helper()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy = testbed.NewProxy(t, u.Host)
	return proxy, func(c *Config) { c.URL = "http://" + proxy.Addr }
}

func upload(name, content string) bot.Upload {
	return bot.Upload{Name: name, Type: "text/plain", Size: int64(len(content)), Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader([]byte(content))), nil
	}}
}
