package slack

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"groupmail/bot"
	"groupmail/connectors/slack/slacktest"
	"groupmail/store"
	"groupmail/ticketing"
)

// onTheirWay is how long calls may take to begin that were let through before the answer was there.
const onTheirWay = 200 * time.Millisecond

// watched is the way to Slack, on which calls are counted that begin although an answer has said that it is
// too soon.
type watched struct {
	http.RoundTripper
	mu      sync.Mutex
	until   map[string]time.Time
	told    map[string]time.Time // when an answer first said so
	early   int
	limited int
}

func (w *watched) RoundTrip(r *http.Request) (*http.Response, error) {
	method := path.Base(r.URL.Path)
	if method == "chat.postMessage" && r.GetBody != nil {
		if body, err := r.GetBody(); err == nil {
			b, _ := io.ReadAll(body)
			form, _ := url.ParseQuery(string(b))
			method += " " + form.Get("channel")
		}
	}
	w.mu.Lock()
	if now := time.Now(); now.Before(w.until[method]) && now.After(w.told[method].Add(onTheirWay)) {
		w.early++
	}
	w.mu.Unlock()
	resp, err := w.RoundTripper.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusTooManyRequests {
		after, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		w.mu.Lock()
		w.limited++
		now := time.Now()
		if now.After(w.until[method]) {
			w.told[method] = now
		}
		if until := now.Add(time.Duration(after) * time.Second); until.After(w.until[method]) {
			w.until[method] = until
		}
		w.mu.Unlock()
	}
	return resp, err
}

// storm is a desk and a bot with a channel in a Slack that limits it.
type storm struct {
	tb      testing.TB
	server  *slacktest.Server
	ann     *slacktest.Person
	channel string
	desk    *ticketing.Desk
	way     *watched
	uid     int
}

const stormBoard = "slack/help"

func newStorm(tb testing.TB) *storm {
	tb.Helper()
	server := slacktest.Start(tb, slacktest.Config{NoLimits: true, Manifest: manifestJSON(tb, "")})
	s := &storm{tb: tb, server: server, ann: server.AddUser(slacktest.User{Name: "ann"})}
	s.channel = server.AddChannel(slacktest.Channel{Name: "help", Private: true}, s.ann.ID, server.BotUser)
	log := slog.New(slog.DiscardHandler)
	kept, err := store.Open(context.Background(), store.Config{Path: filepath.Join(tb.TempDir(), "storm.db"), Log: log})
	s.ok(err)
	p, err := New(Config{BotToken: fixed(server.BotToken), AppToken: fixed(server.AppToken), APIURL: server.API}, log)
	s.ok(err)
	s.way = &watched{RoundTripper: p.api.calls.http.Transport, until: map[string]time.Time{}, told: map[string]time.Time{}}
	p.api.calls.http.Transport = s.way
	s.desk = ticketing.NewDesk(kept, []ticketing.Group{{
		Name: "help", Title: "Help desk", Tag: "[#%d]", Overdue: time.Hour, Zone: time.UTC, Flood: 1_000_000,
		Mailboxes: []ticketing.Mailbox{{Name: "help", Address: ticketing.Address{Addr: "help@example.org"}}},
		Boards:    []ticketing.Board{{Name: stormBoard, Platform: Name, Channel: s.channel}},
	}}, ticketing.SystemClock, log)
	b := bot.New(bot.Config{Desk: s.desk, Platforms: []bot.Platform{p}, Secret: []byte("secret"), Log: log})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { _ = b.Run(ctx); close(ended) }()
	tb.Cleanup(func() {
		cancel()
		<-ended
		p.api.calls.http.Transport.(*watched).RoundTripper.(*http.Transport).CloseIdleConnections()
		s.ok(kept.Close())
	})
	return s
}

func (s *storm) ok(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatal(err)
	}
}

// receive lets n mails come, and tells how long it took.
func (s *storm) receive(n int) time.Duration {
	s.tb.Helper()
	began := time.Now()
	for range n {
		s.uid++
		s.ok(s.desk.Receive(context.Background(), ticketing.Arrival{Mailbox: "help", Ref: ticketing.Ref{Validity: "1", UID: strconv.Itoa(s.uid)}, Mail: ticketing.Mail{
			MessageID: fmt.Sprintf("%d@example.net", s.uid), From: ticketing.Address{Addr: fmt.Sprintf("p%d@example.net", s.uid)},
			To: []ticketing.Address{{Addr: "help@example.org"}}, Subject: fmt.Sprint("Question ", s.uid), Text: "Please help.", Reply: "Please help.", Digest: strconv.Itoa(s.uid),
		}}))
	}
	return time.Since(began)
}

// waiting are the conversations that nobody has taken.
func (s *storm) waiting() (all []ticketing.ConversationID) {
	s.tb.Helper()
	q := ticketing.Waits("help", "")
	q.Limit = 100
	for more := true; more; {
		p, err := s.desk.List(context.Background(), stormBoard, q)
		s.ok(err)
		for _, l := range p.List {
			all = append(all, l.ID)
			q.Place = l.PlaceIn(q.Order)
		}
		more = p.More
	}
	return all
}

// take takes these, one as quickly as the other.
func (s *storm) take(all []ticketing.ConversationID) {
	s.tb.Helper()
	who := ticketing.Member{ID: ticketing.MemberID(Name + ":" + s.ann.ID), Name: "Ann"}
	s.ok(s.desk.SetPresent(context.Background(), stormBoard, []ticketing.Member{who}))
	for _, id := range all {
		_, err := s.desk.Take(context.Background(), ticketing.By{Member: who, Group: "help", Event: fmt.Sprint("take ", id)}, id)
		s.ok(err)
	}
}

// shown waits until the channel has so many cards that say this.
func (s *storm) shown(words string, n int) {
	s.tb.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(300 * time.Millisecond) {
		there := 0
		for _, m := range s.ann.Messages(s.channel) {
			key, _ := m.Metadata["event_payload"].(map[string]any)
			if k, _ := key["key"].(string); strings.HasPrefix(k, "card:") && strings.Contains(m.Text, words) {
				there++
			}
		}
		if there >= n {
			return
		}
		if time.Now().After(deadline) {
			s.tb.Fatalf("%d of %d cards say %q", there, n, words)
		}
	}
}

// share is how much of what was allowed was used, in the windows before the one in which the last of what was
// owed was carried out.
func (s *storm) share(method string, calls, owed int) float64 {
	windows, sum := 0, 0
	for _, n := range s.server.Used(method) {
		if sum+n >= owed {
			break
		}
		windows, sum = windows+1, sum+n
	}
	if windows < 3 {
		s.tb.Fatalf("%s: only %d windows", method, windows)
	}
	return float64(sum) / float64(calls*windows)
}

// BenchmarkLimited owes Slack hundreds of drawings, where it allows twenty-five of a kind in each window of
// three seconds: of one method, and of two at once. It reports the share of what was allowed that was used, the
// calls that began before Retry-After was over, and how fast mail is stored meanwhile beside a quiet Slack.
func BenchmarkLimited(b *testing.B) {
	const window, calls, cards = 3 * time.Second, 25, 150
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			s := newStorm(b)
			s.receive(cards)
			s.shown("Question", cards)
			s.server.Allow("chat.update", calls, window)
			s.take(s.waiting())
			s.shown("Taken", cards)
			b.ReportMetric(s.share("chat.update", calls, cards), "share")
			b.ReportMetric(float64(s.way.early), "early")
			b.ReportMetric(float64(s.way.limited), "limited")
		}
	})
	b.Run("mixed", func(b *testing.B) {
		for b.Loop() {
			s := newStorm(b)
			s.receive(cards)
			s.shown("Question", cards)
			old := s.waiting()
			quiet := s.receive(cards)
			s.shown("Question", 2*cards)
			s.server.Allow("chat.update", calls, window)
			s.server.Allow("chat.postMessage", calls, window)
			s.take(old)
			busy := s.receive(cards)
			s.shown("Taken", cards)
			s.shown("Question", 3*cards)
			b.ReportMetric(s.share("chat.update", calls, cards), "share-update")
			b.ReportMetric(s.share("chat.postMessage", calls, cards), "share-post")
			b.ReportMetric(float64(s.way.early), "early")
			b.ReportMetric(cards/quiet.Seconds(), "quiet-mails/s")
			b.ReportMetric(cards/busy.Seconds(), "mails/s")
		}
	})
}

// TestLimitedStorm: more is owed than Slack takes. No call begins before Retry-After is over, every card is
// drawn in the end, and mail is stored while Slack takes nothing at all.
func TestLimitedStorm(t *testing.T) {
	s := newStorm(t)
	const cards = 24
	s.receive(cards)
	s.shown("Question", cards)
	const limited = 5
	s.server.Fail("chat.update", limited, slacktest.Fault{RetryAfter: time.Second})
	s.take(s.waiting())
	s.shown("Taken", cards)
	if s.way.early != 0 || s.way.limited != limited {
		t.Errorf("%d calls were limited, %d began too soon", s.way.limited, s.way.early)
	}
	s.server.Allow("chat.postMessage", 0, time.Hour)
	posted := len(s.ann.Messages(s.channel))
	s.receive(cards)
	if n := len(s.waiting()); n != cards {
		t.Errorf("%d of %d mails are stored", n, cards)
	}
	if n := len(s.ann.Messages(s.channel)); n != posted {
		t.Errorf("%d messages were posted", n-posted)
	}
}
