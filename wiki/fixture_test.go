package wiki

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"groupmail/deploy/testbed"
	"groupmail/store"
	"groupmail/ticketing"
)

var (
	ann = ticketing.Member{ID: "x:ann", Name: "Ann", Handle: "ann", Email: "ann@example.com"}
	ben = ticketing.Member{ID: "x:ben", Name: "Ben", Handle: "ben"}
	eve = ticketing.Member{ID: "x:eve", Name: "Eve", Handle: "eve"}
)

// office is two teams, their desk, and the web view as a browser reaches it.
type office struct {
	testing.TB
	desk   *ticketing.Desk
	config store.Config
	store  *store.Store
	wiki   *Wiki
	http   *httptest.Server
	mu     sync.Mutex
	time   time.Time
	uid    int
	log    *strings.Builder
	files  map[string]string // contents by name
}

func newOffice(t testing.TB, cfg store.Config) *office {
	o := &office{TB: t, time: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), log: &strings.Builder{}, files: map[string]string{}}
	if cfg.URL == "" {
		cfg.Path = filepath.Join(t.TempDir(), "test.db")
	}
	cfg.Clock = o.now
	s, err := store.Open(t.Context(), cfg)
	o.ok(err)
	t.Cleanup(func() { _ = s.Close() })
	group := func(name, title string) ticketing.Group {
		return ticketing.Group{
			Name: name, Title: title, Outcomes: []string{"phoned"}, Tag: "[#%d]", Overdue: time.Hour, Idle: 24 * time.Hour, Zone: time.UTC,
			Mailboxes: []ticketing.Mailbox{{Name: name, Address: ticketing.Address{Addr: name + "@example.org"}}},
			Boards:    []ticketing.Board{{Name: "x/" + name, Platform: "x", Channel: name}},
			Matchers:  []ticketing.Match{ticketing.AddressMatch},
		}
	}
	o.store, o.config = s, cfg
	o.desk = ticketing.NewDesk(s, []ticketing.Group{group("help", "Help desk"), group("shop", "Shop")}, o.now, slog.New(slog.DiscardHandler))
	o.ok(o.desk.SetPresent(t.Context(), "x/help", []ticketing.Member{ann, ben}))
	o.ok(o.desk.SetPresent(t.Context(), "x/shop", []ticketing.Member{eve, ben}))
	o.http = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { o.wiki.Handler().ServeHTTP(rw, r) }))
	o.http.Start()
	t.Cleanup(o.http.Close)
	o.serve(func(*Config) {})
	return o
}

// serve starts the web view anew, as another configuration wants it.
func (o *office) serve(change func(*Config)) {
	cfg := Config{
		Desk: o.desk, Public: o.http.URL, Clock: o.now, Log: slog.New(slog.NewTextHandler(o.log, nil)),
		Link: func(board, message string) string { return "https://chat.example.org/" + board + "/" + message },
		OpenFile: func(_ context.Context, _ ticketing.Mail, a ticketing.Attachment) (io.ReadCloser, error) {
			text, ok := o.files[a.Name]
			if !ok {
				return nil, ticketing.ErrNone
			}
			return io.NopCloser(strings.NewReader(text)), nil
		},
	}
	change(&cfg)
	o.wiki = New(cfg)
}

func (o *office) now() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.time
}

func (o *office) pass(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.time = o.time.Add(d)
}

func (o *office) ok(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

func by(m ticketing.Member, group string) ticketing.By { return ticketing.By{Member: m, Group: group} }

// arrives lets a mail come, and returns its conversation.
func (o *office) arrives(group string, m ticketing.Mail) ticketing.Conversation {
	o.Helper()
	o.uid++
	m.To = []ticketing.Address{{Addr: group + "@example.org"}}
	m.Reply, m.Digest, m.Sent = strings.Split(m.Text, "\n\nOn ")[0], fmt.Sprint(o.uid), o.now().Add(-time.Minute)
	ref := ticketing.Ref{Validity: "1", UID: fmt.Sprint(o.uid)}
	o.ok(o.desk.Receive(o.Context(), ticketing.Arrival{Mailbox: group, Ref: ref, Mail: m}))
	list, _, err := o.desk.Reading(o.Context(), "", ticketing.Query{Group: group, Order: ticketing.LatestFirst, Limit: 1})
	o.ok(err)
	return list[0].Conversation
}

func (o *office) page(m ticketing.Member, group, title, text string) ticketing.Page {
	o.Helper()
	p, err := o.desk.NewPage(o.Context(), by(m, group), title, text, "")
	o.ok(err)
	return p
}

// visitor is a browser, without scripts.
type visitor struct {
	*office
	client *http.Client
}

func (o *office) stranger() *visitor {
	jar, err := cookiejar.New(nil)
	o.ok(err)
	return &visitor{o, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// visitor is somebody who has signed in.
func (o *office) visitor(m ticketing.Member, group string) *visitor {
	o.Helper()
	v := o.stranger()
	token, err := o.desk.NewLogin(o.Context(), by(m, group))
	o.ok(err)
	if r, _ := v.ask("POST", to("-", "signin", token)); r.StatusCode != http.StatusSeeOther {
		o.Fatalf("signing in: %s", r.Status)
	}
	return v
}

// ask makes one request, and follows nothing.
func (v *visitor) ask(method, path string, header ...string) (*http.Response, string) {
	v.Helper()
	r, err := http.NewRequestWithContext(v.Context(), method, v.http.URL+path, nil)
	v.ok(err)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a, err := v.client.Do(r)
	v.ok(err)
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	v.ok(err)
	return a, string(b)
}

// reads is a page that is there.
func (v *visitor) reads(path string) string {
	v.Helper()
	r, body := v.ask("GET", path)
	for range 3 {
		if r.StatusCode != http.StatusSeeOther {
			break
		}
		next, err := url.Parse(r.Header.Get("Location"))
		v.ok(err)
		r, body = v.ask("GET", next.RequestURI())
	}
	if r.StatusCode != http.StatusOK {
		v.Fatalf("%s: %s\n%s", path, r.Status, body)
	}
	return body
}

func (v *visitor) status(path string, want int) {
	v.Helper()
	if r, body := v.ask("GET", path); r.StatusCode != want {
		v.Errorf("%s: %s, want %d\n%s", path, r.Status, want, body)
	}
}

func has(t testing.TB, body string, all ...string) {
	t.Helper()
	for _, one := range all {
		if !strings.Contains(body, one) {
			t.Errorf("no %q in\n%s", one, body)
		}
	}
}

func hasNot(t testing.TB, body string, all ...string) {
	t.Helper()
	for _, one := range all {
		if strings.Contains(body, one) {
			t.Errorf("%q in\n%s", one, body)
		}
	}
}

// onBoth runs a test on each database.
func onBoth(t *testing.T, f func(t *testing.T, o *office)) {
	t.Run("SQLite", func(t *testing.T) { f(t, newOffice(t, store.Config{})) })
	t.Run("Postgres", func(t *testing.T) { f(t, newOffice(t, store.Config{URL: testbed.Postgres(t)})) })
}

func lite(t *testing.T) *office { return newOffice(t, store.Config{}) }
