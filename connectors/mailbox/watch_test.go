package mailbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"groupmail/connectors/account"
	"groupmail/connectors/mailbox"
	"groupmail/connectors/mailbox/mailboxtest"
	"groupmail/connectors/message"
	"groupmail/ticketing"
)

var everything = ticketing.Since{All: true}

// server is a mail server without a network. Its clock is the test's.
type server struct {
	mu      sync.Mutex
	mails   [][]byte
	changed chan struct{}
	opened  []time.Time
	settled []ticketing.Settlement // Why is the fate

	deaf   bool // never tells of mail
	refuse func() error
	settle func(ticketing.Ref, ticketing.Fate) error
	body   func(n int, raw []byte) io.Reader
	probe  func() error
}

func newServer(mails ...[]byte) *server {
	return &server{mails: mails, changed: make(chan struct{})}
}

func (s *server) deliver(raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, raw)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *server) opens() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.opened)
}

func (s *server) open(ctx context.Context) (mailbox.Source, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = append(s.opened, time.Now())
	if s.refuse != nil {
		if err := s.refuse(); err != nil {
			return nil, err
		}
	}
	return &client{s: s, changed: s.changed}, ctx.Err()
}

// client is a connection to it.
type client struct {
	s       *server
	changed chan struct{}
	lost    error
}

func (c *client) Close() error { return nil }

func ref(uid int) ticketing.Ref { return ticketing.Ref{Validity: "1", UID: strconv.Itoa(uid)} }

func (c *client) Fetch(ctx context.Context, ledger mailbox.Ledger, keep func(context.Context, mailbox.Raw) error) error {
	if c.lost != nil {
		return c.lost
	}
	c.s.mu.Lock()
	mails := slices.Clone(c.s.mails)
	c.changed = c.s.changed
	c.s.mu.Unlock()
	window, err := ledger.Look(ctx, ticketing.Box{Validity: "1", Next: uint32(len(mails) + 1), Count: len(mails)})
	if err != nil {
		return err
	}
	var refs []ticketing.Ref
	for n := max(1, int(window.First)); n <= len(mails); n++ {
		refs = append(refs, ref(n))
	}
	if refs, err = ledger.Unknown(ctx, refs); err != nil {
		return err
	}
	for _, r := range refs {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n, _ := strconv.Atoi(r.UID)
		var body io.Reader = bytes.NewReader(mails[n-1])
		if c.s.body != nil {
			body = c.s.body(n, mails[n-1])
		}
		watched := &watchedReader{r: body}
		if err := keep(ctx, mailbox.Raw{Ref: r, Size: int64(len(mails[n-1])), Body: watched}); err != nil {
			return err
		}
		if watched.err != nil && !errors.Is(watched.err, mailbox.ErrUnreadable) {
			c.lost = watched.err
			return c.lost
		}
	}
	return nil
}

type watchedReader struct {
	r   io.Reader
	err error
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

func (c *client) Wait(ctx context.Context) error {
	changed := c.changed
	if c.s.deaf {
		changed = nil
	}
	select {
	case <-changed:
	case <-ctx.Done():
	}
	return nil
}

func (c *client) Settle(_ context.Context, ref ticketing.Ref, fate ticketing.Fate) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.s.settle != nil {
		if err := c.s.settle(ref, fate); err != nil {
			return err
		}
	}
	c.s.settled = append(c.s.settled, ticketing.Settlement{Ref: ref, Why: ticketing.Processed(fate)})
	return nil
}

func (c *client) Probe(context.Context, []ticketing.Ref) error {
	if c.s.probe == nil {
		return nil
	}
	return c.s.probe()
}

// cheap is a parser for tests that are not about parsing.
func cheap(r io.Reader, _ message.Options) ticketing.Mail {
	raw, _ := io.ReadAll(r)
	return ticketing.Mail{MessageID: string(raw[:min(40, len(raw))])}
}

// rig is a server, a keeper and watchers in a bubble of time.
type rig struct {
	*testing.T
	*server
	keeper *mailboxtest.Keeper
	wg     sync.WaitGroup
	stops  []context.CancelFunc
}

// bubble runs a test in which waiting takes no time.
func bubble(t *testing.T, mails [][]byte, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, server: newServer(mails...), keeper: mailboxtest.NewKeeper()}
		defer func() {
			for _, stop := range r.stops {
				stop()
			}
			r.wg.Wait()
		}()
		test(r)
	})
}

func (r *rig) watch(process string, cfg mailbox.Config, change ...func(*mailbox.Watcher)) (*mailbox.Watcher, context.CancelFunc) {
	cfg.Name = "help"
	w := mailbox.New(cfg, r.open, r.keeper.As(process), slog.New(slog.NewTextHandler(r.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})))
	w.SetParser(cheap)
	for _, c := range change {
		c(w)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stops = append(r.stops, stop)
	r.wg.Go(func() {
		if err := w.Run(ctx); err != nil {
			r.Errorf("Run: %v", err)
		}
	})
	return w, stop
}

func mails(n int) (raws [][]byte) {
	for i := 1; i <= n; i++ {
		raws = append(raws, mailboxtest.Mail(i))
	}
	return raws
}

func (r *rig) wantKept(raws ...[]byte) {
	r.Helper()
	if kept := r.keeper.Raws(); !slices.EqualFunc(kept, raws, bytes.Equal) {
		r.Errorf("kept %d mails, want %d:\n%.2000q", len(kept), len(raws), kept)
	}
}

func TestPicksUp(t *testing.T) {
	bubble(t, mails(20), func(r *rig) {
		w, _ := r.watch("a", mailbox.Config{Since: everything})
		synctest.Wait()
		r.wantKept(mails(20)...)
		r.deliver(mailboxtest.Mail(21))
		synctest.Wait()
		r.wantKept(mails(21)...)
		for i, a := range r.keeper.Kept() {
			if a.Mailbox != "help" || a.Ref != ref(i+1) || a.Sent || a.Mail.Size != int64(len(mailboxtest.Mail(i+1))) || a.Mail.Direction != ticketing.In {
				t.Errorf("mail %d arrived as %+v", i+1, a)
			}
		}
		if h := w.Health(); h.State != mailbox.Working || h.Mails != 21 || !h.Kept.Equal(time.Now()) || h.Err != nil {
			t.Errorf("health %+v", h)
		}
		if n := r.keeper.Asked(); n != 21 {
			t.Errorf("the keeper was asked about %d mails, want 21", n)
		}
	})
}

func TestSentFolder(t *testing.T) {
	bubble(t, mails(1), func(r *rig) {
		r.keeper.Process("help", ticketing.Settlement{Ref: ref(1), Why: ticketing.Done})
		r.watch("a", mailbox.Config{Since: everything, Sent: true, Done: "delete"})
		synctest.Wait()
		kept := r.keeper.Kept()
		if len(kept) != 1 || !kept[0].Sent || kept[0].Mail.Direction != ticketing.Out {
			t.Errorf("arrived: %+v", kept)
		}
		if len(r.settled) > 0 {
			t.Error("a mail in the Sent folder was deleted")
		}
	})
}

// TestPollsAlthoughDeaf: IDLE is not trusted alone.
func TestPollsAlthoughDeaf(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.deaf = true
		w, _ := r.watch("a", mailbox.Config{Since: everything})
		synctest.Wait()
		r.deliver(mailboxtest.Mail(1))
		time.Sleep(59 * time.Second)
		synctest.Wait()
		r.wantKept()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		r.wantKept(mailboxtest.Mail(1))
		r.deliver(mailboxtest.Mail(2))
		w.Nudge()
		synctest.Wait()
		r.wantKept(mails(2)...)
	})
}

// TestKeeperFailsAnywhere lets each operation of the keeper fail in turn, before or after it is
// done. Whatever fails, each mail is kept once, in order, and no mail is blamed.
func TestKeeperFailsAnywhere(t *testing.T) {
	large := append(mailboxtest.Mail(3), bytes.Repeat([]byte("x"), 600<<10)...)
	raws := [][]byte{mailboxtest.Mail(1), mailboxtest.Mail(2), large, mailboxtest.Mail(4)}
	for _, done := range []bool{false, true} {
		for n := 1; ; n++ {
			reached := false
			bubble(t, raws, func(r *rig) {
				var mu sync.Mutex
				count := 0
				r.keeper.Fail = func(operation string, after bool) error {
					mu.Lock()
					defer mu.Unlock()
					if after != done || operation == "Unlease" {
						return nil
					}
					count++
					if count == n {
						reached = true
						return fmt.Errorf("%s fails", operation)
					}
					return nil
				}
				r.keeper.Process("help", ticketing.Settlement{Ref: ref(1), Why: ticketing.Done})
				r.watch("a", mailbox.Config{Since: everything, Done: "seen"})
				r.keeper.UntilKept(r, len(raws))
				time.Sleep(2 * time.Second) // for what failed after the last
				r.keeper.Until(r, "the fate", func() bool { return len(r.keeper.Settlements()) > 0 })
				r.wantKept(raws...)
				if faults := r.keeper.Faults(); len(faults) > 0 {
					t.Errorf("failure %d of the keeper counts as a fault of %v", n, faults)
				}
			})
			if t.Failed() || !reached || n > 60 {
				break
			}
		}
	}
}

// TestProcessDiesAnywhere: from some operation on, nothing that a process does takes effect any
// more. Another takes over within seconds; each mail is kept once.
func TestProcessDiesAnywhere(t *testing.T) {
	for n := 1; n < 30; n++ {
		bubble(t, mails(4), func(r *rig) {
			var mu sync.Mutex
			count, died := 0, time.Time{}
			alive := true // the first process; the second starts later
			r.keeper.Fail = func(string, bool) error {
				mu.Lock()
				defer mu.Unlock()
				count++
				if count == n {
					alive, died = false, time.Now()
				}
				return nil
			}
			r.watchMortal(func() bool {
				mu.Lock()
				defer mu.Unlock()
				return alive
			})
			time.Sleep(time.Second)
			r.watch("second", mailbox.Config{Since: everything})
			r.keeper.UntilKept(r, 4)
			mu.Lock()
			if took := time.Since(died); !died.IsZero() && took > 20*time.Second {
				t.Errorf("died at operation %d: taken over after %s", n, took)
			}
			mu.Unlock()
			r.wantKept(mails(4)...)
		})
	}
}

// watchMortal runs a watcher whose keeper fails for ever once it is dead.
func (r *rig) watchMortal(alive func() bool) {
	w := mailbox.New(mailbox.Config{Name: "help", Since: everything}, r.open, mortal{r.keeper.As("first"), alive}, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(context.Background())
	r.stops = append(r.stops, stop)
	r.wg.Go(func() { _ = w.Run(ctx) })
}

type mortal struct {
	mailbox.Keeper
	alive func() bool
}

var errDead = errors.New("dead")

func (m mortal) check() error {
	if m.alive() {
		return nil
	}
	return errDead
}

func (m mortal) Look(ctx context.Context, name string, since ticketing.Since, box ticketing.Box) (ticketing.Window, error) {
	if err := m.check(); err != nil {
		return ticketing.Window{}, err
	}
	return m.Keeper.Look(ctx, name, since, box)
}

func (m mortal) Unknown(ctx context.Context, name string, refs []ticketing.Ref) ([]ticketing.Ref, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	return m.Keeper.Unknown(ctx, name, refs)
}

func (m mortal) Receive(ctx context.Context, a ticketing.Arrival) error {
	if err := m.check(); err != nil {
		return err
	}
	return m.Keeper.Receive(ctx, a)
}

func (m mortal) Lease(ctx context.Context, name string, ttl time.Duration) (bool, error) {
	if err := m.check(); err != nil {
		return false, err
	}
	return m.Keeper.Lease(ctx, name, ttl)
}

func (m mortal) Unlease(ctx context.Context, name string) error {
	if err := m.check(); err != nil {
		return err
	}
	return m.Keeper.Unlease(ctx, name)
}

// TestLeaseLost gives the lease to somebody else while a mail is being kept.
func TestLeaseLost(t *testing.T) {
	bubble(t, mails(3), func(r *rig) {
		var mu sync.Mutex
		receiving := 0
		r.keeper.Fail = func(operation string, done bool) error {
			if operation == "Receive" && !done {
				mu.Lock()
				receiving++
				first := receiving == 1
				mu.Unlock()
				if first {
					r.keeper.Steal("mailbox:help", "thief", time.Minute)
				}
				time.Sleep(5 * time.Second) // the next renewal is earlier
			}
			return nil
		}
		w, _ := r.watch("a", mailbox.Config{Since: everything})
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if h := w.Health(); h.State != mailbox.Elsewhere {
			t.Errorf("state %s, want elsewhere", h.State)
		}
		r.wantKept()
		mu.Lock()
		if receiving != 1 {
			t.Errorf("%d mails received after the lease was lost", receiving-1)
		}
		mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		r.wantKept(mails(3)...)
	})
}

// TestLeaseNotRenewed: the database is away for longer than the lease lasts. Work ends before the
// lease does.
func TestLeaseNotRenewed(t *testing.T) {
	bubble(t, mails(1), func(r *rig) {
		start := time.Now()
		away := func() bool { return time.Since(start) > 10*time.Second && time.Since(start) < time.Minute }
		var lastGood time.Time
		var mu sync.Mutex
		r.keeper.Fail = func(operation string, done bool) error {
			if away() {
				return errors.New("the database is away")
			}
			if operation == "Lease" && done {
				mu.Lock()
				lastGood = time.Now()
				mu.Unlock()
			}
			return nil
		}
		ended := make(chan time.Time, 1)
		w := mailbox.New(mailbox.Config{Name: "help", Since: everything}, func(context.Context) (mailbox.Source, error) {
			return &sleeper{ended: ended}, nil
		}, r.keeper.As("a"), slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(context.Background())
		r.stops = append(r.stops, stop)
		r.wg.Go(func() { _ = w.Run(ctx) })
		at := <-ended
		mu.Lock()
		held := at.Sub(lastGood)
		mu.Unlock()
		if held >= 10*time.Second || held < 5*time.Second {
			t.Errorf("worked for %s after the last renewal, want a little less than 10 s", held)
		}
		time.Sleep(2 * time.Second)
		if h := w.Health(); h.State != mailbox.Failing || !strings.Contains(h.Err.Error(), "lease") {
			t.Errorf("health %+v", h)
		}
		time.Sleep(3 * time.Minute)
		if holder := r.keeper.Holder("mailbox:help"); holder != "a" {
			t.Errorf("the lease was not taken again, but by %q", holder)
		}
	})
}

// sleeper is a source whose Fetch takes for ever.
type sleeper struct{ ended chan time.Time }

func (s *sleeper) Fetch(ctx context.Context, _ mailbox.Ledger, _ func(context.Context, mailbox.Raw) error) error {
	<-ctx.Done()
	select {
	case s.ended <- time.Now():
	default:
	}
	return ctx.Err()
}

func (*sleeper) Close() error { return nil }

func TestStopFinishesMailInHand(t *testing.T) {
	bubble(t, mails(10), func(r *rig) {
		r.keeper.Fail = func(operation string, done bool) error {
			if operation == "Receive" && !done {
				time.Sleep(time.Second)
			}
			return nil
		}
		w, stop := r.watch("a", mailbox.Config{Since: everything, Grace: 20 * time.Second})
		time.Sleep(1500 * time.Millisecond)
		stop()
		start := time.Now()
		r.wg.Wait()
		if took := time.Since(start); took > 8*time.Second {
			t.Errorf("stopping took %s", took)
		}
		n := len(r.keeper.Kept())
		if n < 2 || n == 10 {
			t.Errorf("%d mails kept, want those in hand alone", n)
		}
		r.wantKept(mails(n)...)
		if w.Health().State != mailbox.Stopped || r.keeper.Holder("mailbox:help") != "" {
			t.Errorf("after the stop: %+v, lease of %q", w.Health(), r.keeper.Holder("mailbox:help"))
		}
	})
}

func TestStopHasAnEnd(t *testing.T) {
	bubble(t, mails(3), func(r *rig) {
		release := make(chan struct{})
		defer close(release)
		r.body = func(_ int, raw []byte) io.Reader {
			return io.MultiReader(bytes.NewReader(raw[:10]), blocked{release})
		}
		_, stop := r.watch("a", mailbox.Config{Since: everything})
		synctest.Wait()
		stop()
		start := time.Now()
		go func() {
			time.Sleep(5 * time.Second) // a source's reads end with its context
			release <- struct{}{}
		}()
		r.wg.Wait()
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("stopping took %s", took)
		}
		r.wantKept()
		if faults := r.keeper.Faults(); len(faults) > 0 {
			t.Errorf("the stop counts as a fault of %v", faults)
		}
	})
}

type blocked struct{ until chan struct{} }

func (b blocked) Read([]byte) (int, error) {
	<-b.until
	return 0, errors.New("closed")
}

// gaps are the waits between the tries to open.
func gaps(opened []time.Time) (gaps []time.Duration) {
	for i := 1; i < len(opened); i++ {
		gaps = append(gaps, opened[i].Sub(opened[i-1]))
	}
	return gaps
}

func TestBackoff(t *testing.T) {
	for name, test := range map[string]struct {
		err         error
		first, last time.Duration
		tries       int
	}{
		"outage": {errors.New("connection refused"), time.Second, 2 * time.Minute, 12},
		"login":  {fmt.Errorf("no: %w", account.ErrLogin), 15 * time.Second, 10 * time.Minute, 9},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, mails(1), func(r *rig) {
				n := 0
				r.refuse = func() error {
					if n++; n <= test.tries {
						return test.err
					}
					return nil
				}
				w, _ := r.watch("a", mailbox.Config{Since: everything})
				synctest.Wait()
				if h := w.Health(); h.State != mailbox.Failing || !errors.Is(h.Err, test.err) || h.Login != (name == "login") {
					t.Errorf("health %+v", h)
				}
				failing := w.Health().Since
				for len(r.opens()) <= test.tries {
					time.Sleep(time.Second)
					if h := w.Health(); h.State == mailbox.Failing && !h.Since.Equal(failing) {
						t.Fatalf("failing since %s, then since %s", failing, h.Since)
					}
				}
				want := test.first
				for i, gap := range gaps(r.opens()) {
					if gap < want*3/4 || gap > want*5/4 {
						t.Errorf("try %d came after %s, want about %s", i+1, gap, want)
					}
					want = min(2*want, test.last)
				}
				r.keeper.UntilKept(r, 1)
				synctest.Wait()
				if h := w.Health(); h.State != mailbox.Working {
					t.Errorf("health %+v", h)
				}
			})
		})
	}
}

func TestNudgeWhileFailing(t *testing.T) {
	for name, test := range map[string]struct {
		err     error
		soonest time.Duration
	}{
		"outage": {errors.New("down"), time.Second},
		"login":  {account.ErrLogin, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(r *rig) {
				r.refuse = func() error { return test.err }
				w, _ := r.watch("a", mailbox.Config{})
				time.Sleep(2 * time.Hour) // the waits are long now
				synctest.Wait()
				r.mu.Lock()
				r.opened = r.opened[len(r.opened)-1:]
				r.mu.Unlock()
				for range 100 {
					w.Nudge()
					time.Sleep(test.soonest / 10)
				}
				n := len(r.opens())
				if n < 8 || n > 12 {
					t.Errorf("100 nudges within %s led to %d tries, want about 10", 10*test.soonest, n)
				}
			})
		})
	}
}

func TestNewCredentials(t *testing.T) {
	bubble(t, mails(1), func(r *rig) {
		var mu sync.Mutex
		secret := "old"
		credentials := func() string {
			mu.Lock()
			defer mu.Unlock()
			return secret
		}
		r.refuse = func() error {
			if credentials() == "old" {
				return account.ErrLogin
			}
			return nil
		}
		r.watch("a", mailbox.Config{Since: everything, Credentials: credentials})
		time.Sleep(time.Hour)
		mu.Lock()
		secret = "new"
		mu.Unlock()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		r.wantKept(mails(1)...)
	})
}

// TestBadMail: what the keeper or the parser cannot bear is given up after three tries, the rest
// arrives.
func TestBadMail(t *testing.T) {
	for _, name := range []string{"panic", "refused by the keeper"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, mails(4), func(r *rig) {
				bad := mailboxtest.Mail(2)
				parser := func(w *mailbox.Watcher) {
					w.SetParser(func(rd io.Reader, o message.Options) ticketing.Mail {
						raw, _ := io.ReadAll(rd)
						if bytes.Equal(raw, bad) && name == "panic" {
							panic("index out of range")
						}
						m := message.Parse(bytes.NewReader(raw), o)
						if bytes.Equal(raw, bad) {
							m.Subject = "bad"
						}
						return m
					})
				}
				keeper := &picky{Keeper: r.keeper.As("a")}
				w := mailbox.New(mailbox.Config{Name: "help", Since: everything}, r.open, keeper, slog.New(slog.DiscardHandler))
				parser(w)
				ctx, stop := context.WithCancel(context.Background())
				r.stops = append(r.stops, stop)
				r.wg.Go(func() { _ = w.Run(ctx) })
				synctest.Wait()
				r.wantKept(mailboxtest.Mail(1), mailboxtest.Mail(3), mailboxtest.Mail(4))
				if n := r.keeper.Faults()[ref(2)]; n != 1 {
					t.Errorf("%d faults, want 1", n)
				}
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				if n := r.keeper.Faults()[ref(2)]; n != 3 {
					t.Errorf("%d faults, want 3", n)
				}
				asked := r.keeper.Asked()
				time.Sleep(10 * time.Minute)
				if n := r.keeper.Asked() - asked; n > 0 {
					t.Errorf("asked about %d mails although nothing is left", n)
				}
				if !keeper.withBytes {
					t.Error("the fault came without the mail's bytes")
				}
				if h := w.Health(); h.State != mailbox.Working || len(r.opens()) != 1 {
					t.Errorf("health %+v after %d connections", h, len(r.opens()))
				}
			})
		})
	}
}

// picky refuses mails called bad.
type picky struct {
	mailbox.Keeper
	withBytes bool
}

func (p *picky) Receive(ctx context.Context, a ticketing.Arrival) error {
	if a.Mail.Subject == "bad" {
		return fmt.Errorf("it is bad: %w", ticketing.ErrBadMail)
	}
	return p.Keeper.Receive(ctx, a)
}

func (p *picky) Fault(ctx context.Context, name string, ref ticketing.Ref, raw ticketing.BlobID, why error) error {
	p.withBytes = raw != 0
	return p.Keeper.Fault(ctx, name, ref, raw, why)
}

// TestUnreadable: the server refuses one mail, or dies of it, or does so with all mail.
func TestUnreadable(t *testing.T) {
	for name, err := range map[string]error{"refused": fmt.Errorf("damaged: %w", mailbox.ErrUnreadable), "deadly": errors.New("connection reset")} {
		for _, sound := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, server sound %v", name, sound), func(t *testing.T) {
				bubble(t, mails(5), func(r *rig) {
					r.body = func(n int, raw []byte) io.Reader {
						if n == 2 || n == 4 || !sound {
							return io.MultiReader(bytes.NewReader(raw[:20]), iotest.ErrReader(err))
						}
						return bytes.NewReader(raw)
					}
					r.probe = func() error {
						if !sound {
							return errors.New("nothing comes")
						}
						return nil
					}
					w, _ := r.watch("a", mailbox.Config{Since: everything})
					time.Sleep(2 * time.Hour)
					synctest.Wait()
					faults, h := r.keeper.Faults(), w.Health()
					if !sound {
						if len(faults) > 0 || h.State != mailbox.Failing {
							t.Errorf("faults of %v, health %+v", faults, h)
						}
						return
					}
					if len(faults) != 2 || faults[ref(2)] != 3 || faults[ref(4)] != 3 || h.State != mailbox.Working {
						t.Errorf("faults of %v, health %+v", faults, h)
					}
					r.wantKept(mailboxtest.Mail(1), mailboxtest.Mail(3), mailboxtest.Mail(5))
				})
			})
		}
	}
}

// TestUnreadableAlone: the only mail of a server is refused, or kills the connection, while the server
// answers everything else. It counts as the mail's fault once an hour; an outage in between begins the
// hour anew, and other mail that can be read ends the waiting.
func TestUnreadableAlone(t *testing.T) {
	for name, why := range map[string]error{"refused": fmt.Errorf("damaged: %w", mailbox.ErrUnreadable), "deadly": errors.New("connection reset")} {
		t.Run(name, func(t *testing.T) {
			bubble(t, mails(1), func(r *rig) {
				r.body = func(n int, raw []byte) io.Reader {
					if n == 1 {
						return io.MultiReader(bytes.NewReader(raw[:20]), iotest.ErrReader(why))
					}
					return bytes.NewReader(raw)
				}
				out := false
				r.refuse = func() error {
					if out {
						return errors.New("out of order")
					}
					return nil
				}
				r.probe = func() error { return mailbox.ErrNoOther }
				w, _ := r.watch("a", mailbox.Config{Since: everything})
				want := func(faults int, state mailbox.State) {
					t.Helper()
					synctest.Wait()
					if got := r.keeper.Faults()[ref(1)]; got != faults || w.Health().State != state {
						t.Errorf("%d faults, want %d, health %+v", got, faults, w.Health())
					}
				}
				time.Sleep(50 * time.Minute)
				want(0, mailbox.Failing)
				r.mu.Lock()
				out = true
				r.mu.Unlock()
				w.Nudge()
				if name == "refused" { // this connection goes on until it is opened anew
					time.Sleep(5 * time.Minute)
				}
				time.Sleep(5 * time.Minute)
				r.mu.Lock()
				out = false
				r.mu.Unlock()
				time.Sleep(55 * time.Minute)
				want(0, mailbox.Failing)
				time.Sleep(30 * time.Minute)
				if got := r.keeper.Faults()[ref(1)]; got != 1 {
					t.Errorf("%d faults after an hour, want 1", got)
				}
				time.Sleep(3 * time.Hour)
				want(3, mailbox.Working)
				r.deliver(mailboxtest.Mail(2))
				synctest.Wait()
				r.wantKept(mailboxtest.Mail(2))
			})
		})
	}
}

// TestTimeoutsAreNobodysFault: a mail that is too slow is never given up.
func TestTimeoutsAreNobodysFault(t *testing.T) {
	bubble(t, mails(3), func(r *rig) {
		r.body = func(n int, raw []byte) io.Reader {
			if n == 2 {
				return iotest.ErrReader(slow{})
			}
			return bytes.NewReader(raw)
		}
		r.watch("a", mailbox.Config{Since: everything})
		time.Sleep(time.Hour)
		if faults := r.keeper.Faults(); len(faults) > 0 {
			t.Errorf("faults of %v", faults)
		}
	})
}

type slow struct{}

func (slow) Error() string   { return "timeout" }
func (slow) Timeout() bool   { return true }
func (slow) Temporary() bool { return true }

func TestFates(t *testing.T) {
	bubble(t, mails(4), func(r *rig) {
		w, _ := r.watch("a", mailbox.Config{Since: everything, Done: "move:Done", Junk: "leave"})
		synctest.Wait()
		for i, why := range []ticketing.Processed{ticketing.Done, ticketing.Junk, ticketing.Done} {
			r.keeper.Process("help", ticketing.Settlement{Ref: ref(i + 1), Why: why})
		}
		w.Nudge()
		synctest.Wait()
		if n := len(r.keeper.Settlements()); n != 3 {
			t.Errorf("%d mails settled, want 3", n)
		}
		want := []ticketing.Settlement{{Ref: ref(1), Why: "move:Done"}, {Ref: ref(3), Why: "move:Done"}}
		if !slices.Equal(r.settled, want) {
			t.Errorf("the server did %v, want %v", r.settled, want)
		}
	})
}

// TestFatesPutOff: passing trouble with fates does not disturb the pick-up, and one bad mail does
// not hold up the others.
func TestFatesPutOff(t *testing.T) {
	bubble(t, mails(3), func(r *rig) {
		full := true
		r.settle = func(settled ticketing.Ref, _ ticketing.Fate) error {
			if full && settled == ref(1) {
				return errors.New("quota exceeded")
			}
			return nil
		}
		w, _ := r.watch("a", mailbox.Config{Since: everything, Done: "move:Done"})
		synctest.Wait()
		for n := 1; n <= 3; n++ {
			r.keeper.Process("help", ticketing.Settlement{Ref: ref(n), Why: ticketing.Done})
		}
		w.Nudge()
		synctest.Wait()
		if n := len(r.settled); n != 2 {
			t.Errorf("%d mails settled, want 2", n)
		}
		if h := w.Health(); h.State != mailbox.Working || h.Fate == nil || len(r.opens()) != 1 {
			t.Errorf("health %+v after %d connections", h, len(r.opens()))
		}
		r.deliver(mailboxtest.Mail(4))
		synctest.Wait()
		r.wantKept(mails(4)...)
		r.mu.Lock()
		full = false
		r.mu.Unlock()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if len(r.settled) != 3 || w.Health().Fate != nil {
			t.Errorf("%d mails settled, health %+v", len(r.settled), w.Health())
		}
	})
}

func TestFateImpossible(t *testing.T) {
	bubble(t, mails(1), func(r *rig) {
		r.settle = func(ticketing.Ref, ticketing.Fate) error { return fmt.Errorf("no: %w", mailbox.ErrCannot) }
		w, _ := r.watch("a", mailbox.Config{Since: everything, Done: "keyword:Done"})
		synctest.Wait()
		r.keeper.Process("help", ticketing.Settlement{Ref: ref(1), Why: ticketing.Done})
		w.Nudge()
		synctest.Wait()
		if n := len(r.keeper.Settlements()); n != 1 {
			t.Errorf("%d mails settled, want 1: it would be tried for ever", n)
		}
		if !errors.Is(w.Health().Fate, mailbox.ErrCannot) {
			t.Errorf("health %+v", w.Health())
		}
	})
}

// TestBlobUnreadable: what the parser makes of half a mail is not kept.
func TestBlobUnreadable(t *testing.T) {
	large := append(mailboxtest.Mail(1), bytes.Repeat([]byte("y"), 600<<10)...)
	bubble(t, [][]byte{large}, func(r *rig) {
		keeper := &forgetful{Keeper: r.keeper.As("a")}
		w := mailbox.New(mailbox.Config{Name: "help", Since: everything}, r.open, keeper, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(context.Background())
		r.stops = append(r.stops, stop)
		r.wg.Go(func() { _ = w.Run(ctx) })
		r.keeper.UntilKept(r, 1)
		r.wantKept(large)
		if kept := r.keeper.Kept()[0]; !strings.HasSuffix(kept.Mail.Text, "yyy") || len(r.keeper.Faults()) > 0 || keeper.opened != 2 {
			t.Errorf("kept %d characters after %d tries, faults %v", len(kept.Mail.Text), keeper.opened, r.keeper.Faults())
		}
	})
}

type forgetful struct {
	mailbox.Keeper
	opened int
}

func (f *forgetful) OpenBlob(ctx context.Context, id ticketing.BlobID) (io.ReadCloser, error) {
	r, err := f.Keeper.OpenBlob(ctx, id)
	if f.opened++; f.opened == 1 && err == nil {
		return io.NopCloser(io.MultiReader(io.LimitReader(r, 1000), iotest.ErrReader(errors.New("the database is away")))), nil
	}
	return r, err
}

func TestTroubleText(t *testing.T) {
	for want, trouble := range map[string]account.Trouble{
		`sign in: the server says "No" (check user and password)`: {
			Doing: "sign in", Says: "No", Cure: "check user and password", Err: account.ErrLogin,
		},
		"connect: EOF": {Doing: "connect", Err: io.EOF},
	} {
		if got := trouble.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
