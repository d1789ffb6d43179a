package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"groupmail/deploy/testbed"
	"groupmail/ticketing"
)

// run runs a process; stop ends it and waits.
func (b *bed) run() (stop func()) { return runStore(b.t, b.Store) }

func runStore(t *testing.T, s *Store) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() {
		cancel()
		all.Wait()
	}
	t.Cleanup(stop)
	return stop
}

func (b *bed) enqueue(jobs ...ticketing.Job) {
	b.t.Helper()
	b.change(func(tx ticketing.Tx) error {
		for _, j := range jobs {
			if err := tx.Enqueue(j); err != nil {
				return err
			}
		}
		return nil
	})
}

const testJob ticketing.JobKind = "test"

// soonest is what comes first; that nothing comes is noticed without a clock that a busy machine beats.
func soonest[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(2 * time.Minute):
		t.Fatal("nothing comes")
	}
	return v
}

// A job starts since workers hear of the commit, not since they look for it from time to time.
func TestAJobIsWorked(t *testing.T) {
	alone(t, func(t *testing.T, b *bed) {
		worked := make(chan int64, 9)
		b.Handle(testJob, func(_ context.Context, id int64) error {
			worked <- id
			return nil
		})
		b.Handle(ticketing.SendJob, func(_ context.Context, id int64) error {
			worked <- -id
			return nil
		})
		b.limits.poll = time.Hour
		b.run()
		b.enqueue(ticketing.Job{Kind: testJob, ID: 1})
		if id := soonest(t, worked); id != 1 {
			t.Error(id)
		}
		b.enqueue(ticketing.Job{Kind: ticketing.SendJob, ID: 2, At: b.clock().Add(-time.Hour)})
		if id := soonest(t, worked); id != -2 {
			t.Error(id)
		}
		for range 20 {
			b.enqueue(ticketing.Job{Kind: testJob, ID: 3})
			soonest(t, worked)
		}
		eventually(t, "all done", func() bool { return b.count("river_job WHERE state = 'completed'") == 22 })
	})
}

// A job with a time starts after it, never before. One that is due within seconds waits where workers look
// for it, one of later comes there ahead of its time: River by itself would be seconds late.
func TestAJobFallsDue(t *testing.T) {
	alone(t, func(t *testing.T, b *bed) {
		type done struct {
			id int64
			at time.Time
		}
		worked := make(chan done, 9)
		b.Handle(testJob, func(_ context.Context, id int64) error {
			worked <- done{id, time.Now()}
			return nil
		})
		at := map[int64]time.Time{}
		enqueue := func(id int64, wait time.Duration) {
			at[id] = b.clock().Add(wait)
			b.enqueue(ticketing.Job{Kind: testJob, ID: id, At: at[id]})
		}
		enqueue(1, 2300*time.Millisecond)
		enqueue(2, 700*time.Millisecond)
		enqueue(3, 100*time.Millisecond)
		if n := b.count("river_job WHERE state = 'available'"); n != 3 {
			t.Errorf("of those that are due soon workers see %d", n)
		}
		enqueue(4, time.Hour)
		if n := b.count("river_job WHERE state = 'scheduled'"); n != 1 {
			t.Error("what is due in an hour is looked for now")
		}
		b.exec("UPDATE river_job SET scheduled_at = ? WHERE state = 'scheduled'", b.after(soon+900*time.Millisecond))
		at[4] = time.Now().Add(soon)
		fatal(t, b.jobs.(interface{ promote(context.Context) error }).promote(t.Context()))
		if n := b.count("river_job WHERE state = 'available'"); n != 4 {
			t.Errorf("ahead of its time workers see %d", n)
		}
		stop := b.run()
		for range at {
			if d := soonest(t, worked); d.at.Before(at[d.id].Add(-time.Millisecond)) {
				t.Errorf("job %d: %s early", d.id, at[d.id].Sub(d.at))
			}
		}
		stop()
	})
}

func TestAJobThatFailsIsTriedAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		b.limits.firstRetry, b.limits.longestRetry = 10*time.Millisecond, 20*time.Millisecond
		var tries atomic.Int64
		done := make(chan struct{})
		b.Handle(testJob, func(context.Context, int64) error {
			switch tries.Add(1) {
			case 1:
				return errors.New("the mail server is down")
			case 2:
				panic("boom")
			}
			close(done)
			return nil
		})
		stop := b.run()
		b.enqueue(ticketing.Job{Kind: testJob, ID: 7})
		<-done
		stop()
		l := b.log.String()
		if strings.Count(l, "A job has failed and will be tried again") != 2 || !strings.Contains(l, "the mail server is down") || !strings.Contains(l, "boom") {
			t.Error(l)
		}
		if n := b.count("river_job WHERE state = 'completed'"); n != 1 {
			t.Errorf("%d completed", n)
		}
	})
}

func TestAJobIsGivenUp(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		b.limits.firstRetry, b.limits.attempts = time.Millisecond, 3
		b.Handle(testJob, func(context.Context, int64) error { return errors.New("never") })
		stop := b.run()
		b.enqueue(ticketing.Job{Kind: testJob, ID: 7})
		eventually(t, "given up", func() bool { return b.count("river_job WHERE state = 'discarded'") == 1 })
		stop()
		if l := b.log.String(); strings.Count(l, "given up") != 1 || strings.Count(l, "tried again") != 2 {
			t.Error(l)
		}
	})
}

// RunAgain is no failure: it may happen more often than a job may fail.
func TestAJobAsksToBeRunAgain(t *testing.T) {
	alone(t, func(t *testing.T, b *bed) {
		b.limits.attempts = 2
		var runs atomic.Int64
		due, done := b.clock().Add(time.Hour), make(chan time.Time, 1)
		b.Handle(testJob, func(context.Context, int64) error {
			switch n := runs.Add(1); {
			case n < 5:
				return fmt.Errorf("not yet: %w", ticketing.RunAgain{At: b.clock()})
			case n == 5:
				due = b.clock().Add(400 * time.Millisecond)
				return ticketing.RunAgain{At: due}
			}
			done <- time.Now()
			return nil
		})
		stop := b.run()
		b.enqueue(ticketing.Job{Kind: testJob, ID: 7})
		if again := soonest(t, done); again.Before(due) {
			t.Errorf("%s early", due.Sub(again))
		}
		stop()
		if l := b.log.String(); l != "" {
			t.Error(l)
		}
	})
}

// When Run ends, the jobs in hand finish; those that do not in time are told to, and run again later.
func TestRunLetsJobsFinish(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		b.limits.finish = 300 * time.Millisecond
		began, finish := make(chan int64, 9), make(chan struct{})
		var polite, stubborn atomic.Int64
		b.Handle(testJob, func(ctx context.Context, id int64) error {
			began <- id
			if id == 1 {
				<-finish
				polite.Add(1)
				return nil
			}
			<-ctx.Done()
			stubborn.Add(1)
			return ctx.Err()
		})
		b.enqueue(ticketing.Job{Kind: testJob, ID: 1}, ticketing.Job{Kind: testJob, ID: 2})
		ctx, cancel := context.WithCancel(t.Context())
		returned := make(chan error)
		go func() { returned <- b.Run(ctx) }()
		<-began
		<-began
		cancel()
		close(finish)
		fatal(t, <-returned)
		if polite.Load() != 1 || stubborn.Load() != 1 {
			t.Errorf("%d finished, %d ended", polite.Load(), stubborn.Load())
		}
		if done, left := b.count("river_job WHERE state = 'completed'"), b.count("river_job WHERE state IN ('available', 'retryable', 'scheduled')"); done != 1 || left != 1 {
			t.Errorf("%d completed, %d left", done, left)
		}
		// The next process works it.
		b.Handle(testJob, func(_ context.Context, id int64) error {
			began <- id
			return nil
		})
		b.run()
		if id := <-began; id != 2 {
			t.Error(id)
		}
	})
}

// The jobs of many producers are each worked once, on two processes.
func TestManyJobs(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		n := 400
		if raceDetector {
			n /= 4
		}
		var mu sync.Mutex
		times := map[int64]int{}
		work := func(_ context.Context, id int64) error {
			mu.Lock()
			defer mu.Unlock()
			times[id]++
			return nil
		}
		other := b.another()
		b.Handle(testJob, work)
		b.run()
		if other != b.Store {
			other.Handle(testJob, work)
			runStore(t, other)
		}
		var all sync.WaitGroup
		for w := range 4 {
			all.Go(func() {
				for i := range n / 4 {
					fatal(t, b.Change(t.Context(), func(tx ticketing.Tx) error {
						return tx.Enqueue(ticketing.Job{Kind: testJob, ID: int64(w*n/4 + i)})
					}))
				}
			})
		}
		all.Wait()
		eventually(t, "all worked", func() bool { return b.count("river_job WHERE state = 'completed'") == n })
		for id, k := range times {
			if k != 1 {
				t.Errorf("job %d was worked %d times", id, k)
			}
		}
		if len(times) != n {
			t.Errorf("%d of %d", len(times), n)
		}
	})
}

// A process that is killed in the middle of a job leaves it to another one.
func TestAJobOutlivesItsProcess(t *testing.T) {
	if role := os.Getenv("STORE_TEST_VICTIM"); role != "" {
		victim(t, role)
		return
	}
	alone(t, func(t *testing.T, b *bed) {
		b.enqueue(ticketing.Job{Kind: testJob, ID: 7})
		where := b.config.URL
		if where == "" {
			where = b.config.Path
			fatal(t, b.Close()) // there is only one process
		}
		process := exec.Command(os.Args[0], "-test.run=^TestAJobOutlivesItsProcess$", "-test.v")
		process.Env = append(os.Environ(), "STORE_TEST_VICTIM="+where)
		out, err := process.StdoutPipe()
		fatal(t, err)
		fatal(t, process.Start())
		buf, said := make([]byte, 1000), ""
		for !strings.Contains(said, "in hand") {
			n, err := out.Read(buf)
			if said += string(buf[:n]); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
		}
		fatal(t, process.Process.Kill())
		_ = process.Wait() // it was killed

		s := b.process()
		s.limits.beat = 50 * time.Millisecond
		done := make(chan int64)
		s.Handle(testJob, func(_ context.Context, id int64) error {
			done <- id
			return nil
		})
		if b.config.URL != "" {
			b.exec("UPDATE leases SET until = ?", b.after(200*time.Millisecond)) // its last sign of life was a while ago
		}
		began := time.Now()
		runStore(t, s)
		if id := <-done; id != 7 {
			t.Error(id)
		}
		t.Logf("again after %s", time.Since(began))
	})
}

func victim(t *testing.T, where string) {
	c := Config{URL: where}
	if !strings.Contains(where, "://") {
		c = Config{Path: where}
	}
	s, err := Open(t.Context(), c)
	fatal(t, err)
	s.Handle(testJob, func(ctx context.Context, _ int64) error {
		fmt.Println("in hand")
		<-ctx.Done()
		return nil
	})
	fatal(t, s.Run(t.Context()))
}

// A process that lives renews its lease and keeps its jobs, however long they take, while another looks
// for jobs of the dead.
func TestALivingProcessKeepsItsJobs(t *testing.T) {
	b := onPostgres(t)
	other := b.another()
	var runs atomic.Int64
	finish, began := make(chan struct{}), make(chan struct{}, 9)
	for _, s := range []*Store{b.Store, other} {
		s.limits.beat, s.limits.leaseBeats = 20*time.Millisecond, 100_000
		s.Handle(testJob, func(context.Context, int64) error {
			runs.Add(1)
			began <- struct{}{}
			<-finish
			return nil
		})
	}
	b.enqueue(ticketing.Job{Kind: testJob, ID: 7})
	stop, stopOther := b.run(), runStore(t, other)
	letGo := sync.OnceFunc(func() { close(finish) })
	t.Cleanup(letGo)
	soonest(t, began)
	type lease struct {
		Holder string
		Until  time.Time
	}
	seen, renewed := map[string]time.Time{}, map[string]int{}
	eventually(t, "each has renewed its lease often", func() bool {
		var all []lease
		fatal(t, b.db().Raw("SELECT holder, until FROM leases WHERE name LIKE ?", workerLease+"%").Scan(&all).Error)
		enough := len(all) == 2
		for _, l := range all {
			if l.Until.After(seen[l.Holder]) {
				renewed[l.Holder]++
			}
			seen[l.Holder] = l.Until
			enough = enough && renewed[l.Holder] > 2*steadyBeats
		}
		return enough
	})
	letGo()
	stop()
	stopOther()
	if runs.Load() != 1 {
		t.Errorf("%d runs", runs.Load())
	}
}

// Jobs go on when Postgres was away, without a restart of ours.
func TestJobsSurviveARestartOfPostgres(t *testing.T) {
	server := testbed.NewPostgres(t)
	b := newBed(t, Config{URL: server.URL})
	worked := make(chan int64, 99)
	b.Handle(testJob, func(_ context.Context, id int64) error {
		worked <- id
		return nil
	})
	stop := b.run()
	b.enqueue(ticketing.Job{Kind: testJob, ID: 1})
	<-worked
	server.Kill()
	server.Start()
	eventually(t, "enqueued", func() bool {
		return b.Change(t.Context(), func(tx ticketing.Tx) error { return tx.Enqueue(ticketing.Job{Kind: testJob, ID: 2}) }) == nil
	})
	select {
	case id := <-worked:
		if id != 2 && id != 1 {
			t.Error(id)
		}
	case <-time.After(60 * time.Second):
		t.Error("no job is worked any more")
	}
	stop()
}

// Run ends also while Postgres is away.
func TestRunEndsWithoutPostgres(t *testing.T) {
	server := testbed.NewPostgres(t)
	b := newBed(t, Config{URL: server.URL})
	b.limits.finish = 200 * time.Millisecond
	began, finish := make(chan struct{}), make(chan struct{})
	b.Handle(testJob, func(context.Context, int64) error {
		close(began)
		<-finish
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	returned := make(chan error)
	go func() { returned <- b.Run(ctx) }()
	b.enqueue(ticketing.Job{Kind: testJob, ID: 1})
	<-began
	server.Kill()
	close(finish)
	cancel()
	start := time.Now()
	select {
	case err := <-returned:
		t.Logf("after %s: %v", time.Since(start), err)
	case <-time.After(2 * time.Minute):
		t.Error("it does not end")
	}
}
