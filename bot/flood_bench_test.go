package bot

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"groupmail/deploy/testbed"
	"groupmail/store"
	"groupmail/ticketing"
)

// BenchmarkFlood lets 10,000 mails of 20 KB come at once through Receive, with the bot at work, beside
// ten floods of 1,000 into databases of their own; they take turns, a thousand each. It reports how
// often a second, what a mail of the great flood costs beside one of the small ones, the greatest
// heap and resident memory, and what the great one has left in the channel. That every mail can be
// reached by the digest's list it makes sure of.
func BenchmarkFlood(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		benchFlood(b, func() store.Config { return store.Config{Path: filepath.Join(b.TempDir(), "flood.db")} })
	})
	b.Run("postgres", func(b *testing.B) {
		benchFlood(b, func() store.Config { return store.Config{URL: testbed.Postgres(b)} })
	})
}

const (
	smallFlood = 1_000
	greatFlood = 10_000
	floodCards = 20 // Group.Flood, as it is by default
)

func benchFlood(b *testing.B, config func() store.Config) {
	for b.Loop() {
		great := newFlooded(b, config())
		var small, much time.Duration
		peak := watchPeak()
		for range greatFlood / smallFlood {
			one := newFlooded(b, config())
			small += one.flood(smallFlood)
			one.close()
			much += great.flood(smallFlood)
		}
		heap, resident := peak()
		great.check()
		great.close()
		b.ReportMetric(greatFlood/small.Seconds(), "mails1000/s")
		b.ReportMetric(greatFlood/much.Seconds(), "mails10000/s")
		b.ReportMetric(much.Seconds()/small.Seconds(), "cost-ratio")
		b.ReportMetric(heap, "heap-MB")
		b.ReportMetric(resident, "rss-MB")
		b.ReportMetric(float64(great.posts), "posts")
		b.ReportMetric(float64(great.tickets), "tickets")
	}
}

// flooded is a desk, a bot and a channel of which nothing is kept but how many posts it has.
type flooded struct {
	b       *testing.B
	store   *store.Store
	desk    *ticketing.Desk
	chat    *countingChat
	uid     int
	end     func()
	posts   int
	tickets int
}

// countingChat forgets what is posted.
type countingChat struct {
	*chat
	made atomic.Int64
}

func (c *countingChat) Post(context.Context, string, Message) (string, error) {
	return fmt.Sprint("m", c.made.Add(1)), nil
}
func (c *countingChat) Redraw(context.Context, string, string, Message) error { return nil }
func (c *countingChat) Pin(context.Context, string, string) error             { return nil }
func (c *countingChat) Run(ctx context.Context, _ Hub) error                  { <-ctx.Done(); return nil }

func newFlooded(b *testing.B, cfg store.Config) *flooded {
	log := slog.New(slog.DiscardHandler)
	cfg.Log = log
	s, err := store.Open(context.Background(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	g := ticketing.Group{
		Name: "help", Title: "Help desk", Tag: "[#%d]", Overdue: time.Hour, Zone: time.UTC, Flood: floodCards,
		Mailboxes: []ticketing.Mailbox{{Name: "help", Address: ticketing.Address{Addr: "help@example.org"}}},
		Boards:    []ticketing.Board{{Name: "x/board", Platform: "x", Channel: "board"}},
	}
	f := &flooded{b: b, store: s, desk: ticketing.NewDesk(s, []ticketing.Group{g}, ticketing.SystemClock, log), chat: &countingChat{chat: &chat{calls: map[string]int{}, changed: make(chan struct{}, 1)}}}
	bot := New(Config{Desk: f.desk, Platforms: []Platform{f.chat}, Secret: []byte("secret"), Log: log})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = bot.Run(ctx); close(done) }()
	f.end = func() { cancel(); <-done }
	return f
}

func (f *flooded) close() {
	f.end()
	f.ok(f.store.Close())
}

func (f *flooded) ok(err error) {
	f.b.Helper()
	if err != nil {
		f.b.Fatal(err)
	}
}

// flood lets n mails come, one after the other as from a mailbox, and tells how long it took.
func (f *flooded) flood(n int) time.Duration {
	began := time.Now()
	for range n {
		f.uid++
		text := strings.Repeat("Buy now, buy cheap, buy two of them at once. ", 220) + strconv.Itoa(f.uid) // 10 KB
		ctx := context.Background()
		raw, size, err := f.desk.Spool(ctx, io.MultiReader(strings.NewReader(text), bytes.NewReader(make([]byte, 10<<10))))
		f.ok(err)
		f.ok(f.desk.Receive(ctx, ticketing.Arrival{Mailbox: "help", Ref: ticketing.Ref{Validity: "1", UID: strconv.Itoa(f.uid)}, Mail: ticketing.Mail{
			MessageID: fmt.Sprintf("%d@example.net", f.uid), From: ticketing.Address{Addr: fmt.Sprintf("p%d@example.net", f.uid%500)},
			To: []ticketing.Address{{Addr: "help@example.org"}}, Subject: fmt.Sprint("Offer ", f.uid), Text: text, Reply: text, HTML: "<p>" + text + "</p>",
			Digest: strconv.Itoa(f.uid), Raw: raw, Size: size,
		}}))
	}
	return time.Since(began)
}

// check counts what the flood has left, and turns all pages of the digest's list.
func (f *flooded) check() {
	ctx := context.Background()
	for deadline := time.Now().Add(time.Minute); f.chat.made.Load() < floodCards+2 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond) // a digest and the desk card come, too
	}
	seen := map[ticketing.ConversationID]bool{}
	all := ticketing.Waits("help", "")
	var flood ticketing.ConversationID
	page := func(q ticketing.Query, each func(ticketing.Listed)) {
		q.Limit = listed
		for more := true; more; {
			p, err := f.desk.List(ctx, "x/board", q)
			f.ok(err)
			for _, l := range p.List {
				each(l)
				q.Place = l.PlaceIn(q.Order)
			}
			more = p.More
		}
	}
	page(all, func(l ticketing.Listed) {
		if l.Number != 0 {
			f.tickets++
		}
		if l.Flood != 0 {
			flood = l.Flood
		} else if l.Card.ID == 0 {
			f.b.Errorf("%d has neither a card nor a digest", l.ID)
		} else {
			seen[l.ID] = true
		}
	})
	page(ticketing.Collected("help", flood), func(l ticketing.Listed) { seen[l.ID] = true })
	if len(seen) != greatFlood {
		f.b.Errorf("%d of %d can be reached", len(seen), greatFlood)
	}
	f.posts = int(f.chat.made.Load())
	if f.posts > floodCards+2 || f.tickets > 0 {
		f.b.Errorf("%d posts, %d tickets", f.posts, f.tickets)
	}
}

// watchPeak watches the memory of this process until the peak is asked for: of the heap that is in use,
// and of what is resident, in MB.
func watchPeak() func() (heap, resident float64) {
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // the peak begins anew; where that cannot be it is that of the whole run
	stop, done := make(chan struct{}), make(chan struct{})
	var most uint64
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	return func() (heap, resident float64) {
		close(stop)
		<-done
		status, _ := os.ReadFile("/proc/self/status")
		for line := range strings.Lines(string(status)) {
			if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				n, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")))
				resident = float64(n) / 1024
			}
		}
		return float64(most) / (1 << 20), resident
	}
}
