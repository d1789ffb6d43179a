package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"groupmail/ticketing"
)

type handler func(ctx context.Context, id int64) error

// Handle sets what works jobs of a kind, before Run. When it returns an error the job is run again
// later; with ticketing.RunAgain at the time that it says, which is no failure. Its context ends
// after two minutes; what it does must bear being done twice.
func (s *Store) Handle(kind ticketing.JobKind, work func(ctx context.Context, id int64) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[kind] = work
}

// Run works jobs and cleans up until ctx ends; then it lets the jobs in hand finish, for some
// seconds. It returns an error only if it cannot start.
func (s *Store) Run(ctx context.Context) error {
	var tasks sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer tasks.Wait()
	defer cancel()
	tasks.Go(func() { s.sweepOften(ctx) })
	tasks.Go(func() { s.indexOften(ctx) })
	return s.jobs.run(ctx)
}

// engine is River on one of the databases.
type engine interface {
	run(ctx context.Context) error
}

const (
	// soon: River looks for jobs that fall due every five seconds, that far ahead. A job that is due
	// earlier is made available right when it is enqueued; it is not worked before its time.
	soon = 5 * time.Second
	// workers is how many jobs one process works at once.
	workers = 10
)

type riverEngine[TTx any] struct {
	s        *Store
	driver   riverdriver.Driver[TTx]
	enqueuer *river.Client[TTx]
}

func newEngine[TTx any](s *Store, d riverdriver.Driver[TTx]) (*riverEngine[TTx], error) {
	c, err := river.NewClient(d, &river.Config{
		Logger:        s.jobLog(),
		FetchCooldown: time.Millisecond, // it tells the workers of new jobs no more often than this
	})
	if err != nil {
		return nil, fmt.Errorf("store: job engine: %w", err)
	}
	return &riverEngine[TTx]{s: s, driver: d, enqueuer: c}, nil
}

// jobArgs is what River keeps of a job.
type jobArgs struct {
	ID   int64 `json:"id"`
	kind string
}

func (a jobArgs) Kind() string { return a.kind }

func (e *riverEngine[TTx]) enqueue(ctx context.Context, tx TTx, j ticketing.Job) error {
	options := &river.InsertOpts{MaxAttempts: e.s.limits.attempts}
	wait := time.Duration(0)
	if !j.At.IsZero() {
		wait = j.At.Sub(e.s.clock())
	}
	if wait > 0 {
		options.ScheduledAt = time.Now().Add(wait)
	}
	job, err := e.enqueuer.InsertTx(ctx, tx, jobArgs{ID: j.ID, kind: string(j.Kind)}, options)
	if err != nil || job.Job.State != rivertype.JobStateScheduled || wait > soon {
		return err
	}
	_, err = e.driver.UnwrapExecutor(tx).JobUpdateFull(ctx, &riverdriver.JobUpdateFullParams{
		ID: job.Job.ID, StateDoUpdate: true, State: rivertype.JobStateAvailable,
	})
	return err
}

// workerLease begins the name of the lease that a process has for as long as it works jobs.
const workerLease = "store/worker/"

func (e *riverEngine[TTx]) run(ctx context.Context) error {
	handlers := e.s.workers()
	if handlers == nil { // somebody else's work
		<-ctx.Done()
		return nil
	}
	l, id := e.s.limits, rand.Text()
	client, err := river.NewClient(e.driver, &river.Config{
		ID:                          id,
		Queues:                      map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		Workers:                     handlers,
		Logger:                      e.s.jobLog(),
		ErrorHandler:                failures{e.s.log},
		RetryPolicy:                 backoff{l},
		FetchCooldown:               5 * time.Millisecond, // the rate is workers divided by this
		FetchPollInterval:           l.poll,
		JobTimeout:                  l.jobTime,
		RescueStuckJobsAfter:        l.rescue,
		SoftStopTimeout:             l.finish,
		MaxAttempts:                 l.attempts,
		CompletedJobRetentionPeriod: time.Hour,
		CancelledJobRetentionPeriod: time.Hour,
		DiscardedJobRetentionPeriod: 30 * 24 * time.Hour,
		TestOnly:                    l.eager,
	})
	if err != nil {
		return fmt.Errorf("store: job engine: %w", err)
	}
	t := tending{s: e.s, id: id, promote: e.promote}
	t.tend(ctx) // before the first job
	if err := client.Start(ctx); err != nil {
		return fmt.Errorf("store: start the job engine: %w", err)
	}
	t.tendOften(ctx)
	<-client.Stopped()
	t.end(ctx)
	return nil
}

// promote makes jobs that fall due available, a little ahead. One process, River's leader, does the
// same; but until its death is noticed, jobs would wait.
func (e *riverEngine[TTx]) promote(ctx context.Context) error {
	ahead := time.Now().Add(soon + time.Second)
	_, err := e.driver.GetExecutor().JobSchedule(ctx, &riverdriver.JobScheduleParams{Max: 1000, Now: &ahead})
	return err
}

// tending is what a process does for the jobs beside working them. It holds a lease for as long as
// it lives, so that others see its death within seconds and work its jobs again; River by itself
// waits until the longest job must have ended.
type tending struct {
	s       *Store
	id      string
	promote func(context.Context) error
	steady  int // times in a row that the lease was renewed
}

// steadyBeats: whoever could renew so often knows that the others could, too.
const steadyBeats = 6

func (t *tending) tendOften(ctx context.Context) {
	tick := time.NewTicker(t.s.limits.beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			t.tend(ctx)
		}
	}
}

func (t *tending) tend(ctx context.Context) {
	err := t.promote(ctx)
	held, leaseErr := t.s.Lease(ctx, workerLease+t.id, t.id, time.Duration(t.s.limits.leaseBeats)*t.s.limits.beat)
	if t.steady++; !held || leaseErr != nil {
		t.steady = 0
	}
	if err = errors.Join(err, leaseErr); err == nil && t.steady >= steadyBeats {
		err = t.s.abandoned(ctx)
	}
	if err != nil && ctx.Err() == nil {
		t.s.log.Warn("Cannot look after the jobs; trying again", "err", err)
	}
}

func (t *tending) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := t.s.Unlease(ctx, workerLease+t.id, t.id); err != nil {
		t.s.log.Warn("Cannot sign off from the jobs; others will notice", "err", err)
	}
}

func (s *Store) workers() *river.Workers {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.handlers) == 0 {
		return nil
	}
	all := river.NewWorkers()
	for kind, work := range s.handlers {
		river.AddWorkerArgs(all, jobArgs{kind: string(kind)}, &worker{work: work, clock: s.clock})
	}
	return all
}

type worker struct {
	river.WorkerDefaults[jobArgs]
	work  handler
	clock ticketing.Clock
}

func (w *worker) Work(ctx context.Context, job *river.Job[jobArgs]) error {
	err := w.work(ctx, job.Args.ID)
	var again ticketing.RunAgain
	if errors.As(err, &again) {
		return river.JobSnooze(max(0, again.At.Sub(w.clock())))
	}
	return err
}

// backoff waits twice as long from failure to failure, up to a limit.
type backoff struct{ limits limits }

func (b backoff) NextRetry(job *rivertype.JobRow) time.Time {
	wait := b.limits.longestRetry
	if failures := len(job.Errors); failures < 20 {
		wait = min(wait, b.limits.firstRetry<<failures)
	}
	wait += time.Duration(mathrand.Int64N(int64(wait)/10 + 1))
	return time.Now().Add(wait)
}

// failures logs them, each once.
type failures struct{ log *slog.Logger }

func (f failures) HandleError(_ context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	f.tell(job, "err", err)
	return nil
}

func (f failures) HandlePanic(_ context.Context, job *rivertype.JobRow, panicked any, trace string) *river.ErrorHandlerResult {
	f.tell(job, "err", fmt.Errorf("panic: %v", panicked), "trace", trace)
	return nil
}

func (f failures) tell(job *rivertype.JobRow, details ...any) {
	details = append([]any{"kind", job.Kind, "args", string(job.EncodedArgs), "attempt", job.Attempt}, details...)
	if job.Attempt >= job.MaxAttempts {
		f.log.Error("A job has failed too often and is given up", details...)
		return
	}
	f.log.Warn("A job has failed and will be tried again", details...)
}

// jobLog is River's logger: only what needs attention.
func (s *Store) jobLog() *slog.Logger { return slog.New(warnings{s.log.Handler()}) }

type warnings struct{ slog.Handler }

func (h warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}
func (h warnings) WithAttrs(a []slog.Attr) slog.Handler { return warnings{h.Handler.WithAttrs(a)} }
func (h warnings) WithGroup(n string) slog.Handler      { return warnings{h.Handler.WithGroup(n)} }
