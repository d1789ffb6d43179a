package mailbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"groupmail/connectors/account"
	"groupmail/connectors/message"
	"groupmail/ticketing"
)

// Config says how one mailbox is watched.
type Config struct {
	// Name is the mailbox's name, unique in the installation: everything kept about it, and its
	// lease, goes by it. A Sent folder has a name of its own (ticketing.SentName).
	Name  string
	Since ticketing.Since
	// Poll is how often to look although nothing was heard; 0 means a minute. It is also how soon a
	// mail that made trouble is tried again.
	Poll time.Duration
	// Done and Junk are what happens on the server to mail whose conversation is closed or spam.
	Done, Junk ticketing.Fate
	// Sent marks a Sent folder: what arrives was written by the team, and has no fate.
	Sent  bool
	Parse message.Options
	// Grace is how long a stop waits for the mails in hand; 0 means five seconds.
	Grace time.Duration
	// Credentials, if set, returns something that differs whenever user or password do (a file's
	// time, a digest). A change ends the long wait after a refused login.
	Credentials func() string
}

const (
	leaseTTL    = 10 * time.Second
	leaseRenew  = 3 * time.Second
	leaseMargin = time.Second // a lease that was not renewed counts as lost this much before its end

	firstRetry = time.Second
	lastRetry  = 2 * time.Minute

	// A refused login is tried again slowly, since many servers lock accounts.
	firstLogin       = 15 * time.Second
	lastLogin        = 10 * time.Minute
	nudgedLogin      = 30 * time.Second // a Nudge shortens the wait to no less than this
	credentialsEvery = 2 * time.Second

	// A server's passing refusal to carry out a fate does not stop the pick-up.
	firstSettle = time.Minute
	lastSettle  = 30 * time.Minute
)

// Watcher watches one mailbox: it picks up what arrives and carries out the fates of what is done.
// Any number of processes may watch the same mailbox; the one that holds the lease works.
type Watcher struct {
	cfg    Config
	open   func(context.Context) (Source, error)
	keeper Keeper
	log    *slog.Logger
	nudge  chan struct{}
	parse  parser

	// Used by Run's goroutine alone.
	failures    int
	tried       string // the credentials of the last try to open
	seen        seen
	trials      map[ticketing.Ref]*trial
	careful     int // so many mails are asked for one by one
	settleAgain time.Time
	settleWait  time.Duration
	cannot      map[ticketing.Fate]bool // said already

	mu     sync.Mutex
	health Health
}

// New makes a watcher. open is called for every connection; it must not keep its context.
func New(cfg Config, open func(context.Context) (Source, error), keeper Keeper, log *slog.Logger) *Watcher {
	if cfg.Poll <= 0 {
		cfg.Poll = time.Minute
	}
	if cfg.Grace <= 0 {
		cfg.Grace = 5 * time.Second
	}
	w := &Watcher{
		cfg: cfg, open: open, keeper: keeper, log: log.With("mailbox", cfg.Name), parse: message.Parse,
		nudge:  make(chan struct{}, 1),
		trials: map[ticketing.Ref]*trial{},
		cannot: map[ticketing.Fate]bool{},
	}
	w.health = Health{Mailbox: cfg.Name, State: Starting, Since: time.Now()}
	return w
}

// Nudge makes the watcher look now: a fate may be due, or somebody wants to see new mail at once.
// It never blocks, and may be called by anybody at any time.
func (w *Watcher) Nudge() {
	select {
	case w.nudge <- struct{}{}:
	default: // it will look anyway
	}
}

// Run watches until ctx ends, and returns after the mails in hand are kept and the lease is given
// back, at most Config.Grace and a few seconds later. It is called once.
func (w *Watcher) Run(ctx context.Context) error {
	defer w.set(Stopped)
	for ctx.Err() == nil {
		at := time.Now()
		held, err := w.lease(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			w.pause(ctx, ctx, w.failed(err))
		case !held:
			w.set(Elsewhere)
			sleep(ctx, jitter(leaseRenew))
		default:
			w.hold(ctx, at)
		}
	}
	return nil
}

// errLeaseLost is why work is cancelled when another process may have the mailbox.
var errLeaseLost = errors.New("the lease is lost")

func (w *Watcher) leaseName() string { return "mailbox:" + w.cfg.Name }

func (w *Watcher) lease(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseTTL-leaseMargin)
	defer cancel()
	held, err := w.keeper.Lease(ctx, w.leaseName(), leaseTTL)
	if err != nil {
		err = fmt.Errorf("take the lease: %w", err)
	}
	return held, err
}

// hold works as long as this process has the lease, which was taken at the given time.
//
// Two contexts go through everything below. stop is Run's: it asks to finish the mails in hand.
// work ends when nothing more may be done: the lease is lost, or a stop has had its grace.
func (w *Watcher) hold(stop context.Context, leased time.Time) {
	work, cancel := context.WithCancelCause(context.WithoutCancel(stop))
	var wg sync.WaitGroup
	wg.Go(func() { w.renew(work, cancel, leased) })
	wg.Go(func() {
		select {
		case <-stop.Done():
		case <-work.Done():
			return
		}
		sleep(work, w.cfg.Grace)
		cancel(context.Canceled)
	})

	for stop.Err() == nil && work.Err() == nil {
		err := w.session(stop, work)
		if err != nil && stop.Err() == nil && work.Err() == nil {
			w.pause(stop, work, w.failed(err))
		}
	}

	lost := errors.Is(context.Cause(work), errLeaseLost)
	cancel(context.Canceled)
	wg.Wait()
	if lost {
		w.log.Warn("lease lost")
		return
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(stop), 2*time.Second)
	defer done()
	if err := w.keeper.Unlease(ctx, w.leaseName()); err != nil {
		w.log.Warn("lease not given back, it will run out", "err", err)
	}
}

// renew keeps the lease, and cancels the work before the lease can run out unnoticed.
func (w *Watcher) renew(work context.Context, cancel context.CancelCauseFunc, leased time.Time) {
	const safe = leaseTTL - leaseMargin
	expiry := time.AfterFunc(time.Until(leased.Add(safe)), func() { cancel(errLeaseLost) })
	defer expiry.Stop()
	for {
		sleep(work, leaseRenew)
		if work.Err() != nil {
			return
		}
		at := time.Now()
		switch held, err := w.lease(work); {
		case err != nil:
			if work.Err() == nil {
				w.log.Warn("lease not renewed", "err", err)
			}
		case !held:
			cancel(errLeaseLost)
			return
		default:
			expiry.Reset(time.Until(at.Add(safe)))
		}
	}
}

// session opens the mailbox and works on it until something fails. It returns nil if it was ended.
func (w *Watcher) session(stop, work context.Context) error {
	if w.cfg.Credentials != nil {
		w.tried = w.cfg.Credentials()
	}
	src, err := w.openSource(stop, work)
	if err != nil {
		w.notLonely()
		return err
	}
	defer func() {
		if err := src.Close(); err != nil {
			w.log.Debug("close", "err", err)
		}
	}()
	for {
		if err := w.look(stop, work, src); err != nil {
			return err
		}
		if err := w.settle(stop, work, src); err != nil {
			return err
		}
		if stop.Err() != nil || work.Err() != nil {
			return nil
		}
		if err := w.wait(stop, work, src); err != nil {
			return err
		}
	}
}

// openSource opens the mailbox, unless it is asked to stop first.
func (w *Watcher) openSource(stop, work context.Context) (Source, error) {
	ctx, cancel := context.WithCancel(work)
	defer cancel()
	defer context.AfterFunc(stop, cancel)()
	return w.open(ctx)
}

// wait waits until there may be something to do: the source has heard of mail, somebody nudged, or
// it is time to look anyway.
func (w *Watcher) wait(stop, work context.Context, src Source) error {
	ctx, cancel := context.WithTimeout(work, w.cfg.Poll)
	defer cancel()
	defer context.AfterFunc(stop, cancel)()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		select {
		case <-w.nudge:
			cancel()
		case <-ctx.Done():
		}
	})
	if waiter, ok := src.(Waiter); ok {
		err := waiter.Wait(ctx)
		cancel()
		return err
	}
	<-ctx.Done()
	return nil
}

// pause waits before the next try, the longer the more often it failed in a row.
func (w *Watcher) pause(stop, work context.Context, err error) {
	login := errors.Is(err, account.ErrLogin)
	wait, soonest := backoff(firstRetry, lastRetry, w.failures), firstRetry
	var changes <-chan time.Time
	if login {
		wait, soonest = backoff(firstLogin, lastLogin, w.failures), nudgedLogin
		if w.cfg.Credentials != nil {
			every := time.NewTicker(credentialsEvery)
			defer every.Stop()
			changes = every.C
		}
	}
	start := time.Now()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-stop.Done():
			return
		case <-work.Done():
			return
		case <-timer.C:
			return
		case <-w.nudge:
			if left := time.Until(start.Add(soonest)); left < time.Until(start.Add(wait)) {
				timer.Reset(max(0, left))
			}
		case <-changes:
			if w.cfg.Credentials() != w.tried {
				w.failures = 0
				return
			}
		}
	}
}

// backoff is how long to wait after so many failures in a row, give or take a quarter.
func backoff(first, last time.Duration, failures int) time.Duration {
	wait := last
	if n := failures - 1; n < 20 {
		wait = min(last, first<<max(0, n))
	}
	return jitter(wait)
}

// jitter keeps many watchers from acting in step.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2) //nolint:gosec // nothing secret
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
