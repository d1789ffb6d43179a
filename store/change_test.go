package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"groupmail/deploy/testbed"
	"groupmail/ticketing"
)

var errRefused = errors.New("refused")

func TestAnErrorRollsBack(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		err := b.Change(t.Context(), func(tx ticketing.Tx) error {
			c := ticketing.Conversation{Group: "help", State: ticketing.New}
			fatal(t, tx.AddConversation(&c))
			fatal(t, tx.AddMail(&ticketing.Mail{Conversation: c.ID}))
			fatal(t, tx.Enqueue(ticketing.Job{Kind: ticketing.SendJob, ID: 1}))
			fatal(t, tx.Enqueue(ticketing.Job{Kind: ticketing.SendJob, ID: 1, At: b.clock().Add(time.Second)}))
			fatal(t, tx.Once("click"))
			_, err := tx.AddPost(ticketing.Post{Key: "k"}, "me", b.clock().Add(time.Minute))
			fatal(t, err)
			return errRefused
		})
		if err != errRefused { //nolint:errorlint // as it is
			t.Errorf("the error came back as %v", err)
		}
		for _, table := range []string{"conversations", "mails", "river_job", "event_keys", "posts"} {
			if n := b.count(table); n != 0 {
				t.Errorf("%d rows in %s", n, table)
			}
		}
	})
}

func TestAPanicRollsBack(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		var leaked ticketing.Tx
		func() {
			defer func() {
				if got := recover(); got != "boom" {
					t.Errorf("recovered %v", got)
				}
			}()
			_ = b.Change(t.Context(), func(tx ticketing.Tx) error {
				leaked = tx
				fatal(t, tx.Once("click"))
				panic("boom")
			})
		}()
		if n := b.count("event_keys"); n != 0 {
			t.Errorf("%d keys", n)
		}
		if err := leaked.Once("click"); !errors.Is(err, errEnded) {
			t.Errorf("a transaction can be used after its end: %v", err)
		}
		b.conversation(ticketing.Conversation{}) // no connection was lost
	})
}

// A use case that goes on after a failed statement changes nothing.
func TestAFailedStatementIsTheEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		tries := 0
		err := b.Change(t.Context(), func(tx ticketing.Tx) error {
			tries++
			fatal(t, tx.Once(fmt.Sprint("click", tries)))
			c := ticketing.Conversation{Number: 5}
			fatal(t, tx.AddConversation(&c))
			if tx.AddConversation(&c) == nil {
				t.Error("the same number twice")
			}
			_, again := tx.Conversation(c.ID)
			if again == nil {
				t.Error("a statement succeeded after one that failed")
			}
			return nil
		})
		if err == nil || tries != maxTries {
			t.Errorf("%d tries, %v", tries, err)
		}
		if n := b.count("conversations") + b.count("event_keys"); n != 0 {
			t.Errorf("%d rows", n)
		}
	})
}

func TestReadWritesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		err := b.Read(t.Context(), func(tx ticketing.Tx) error { return tx.Once("click") })
		if err == nil || b.count("event_keys") != 0 {
			t.Errorf("wrote: %v", err)
		}
		err = b.Read(t.Context(), func(ticketing.Tx) error { return errRefused })
		if err != errRefused { //nolint:errorlint // as it is
			t.Error(err)
		}
	})
}

// Read sees one state of the data, whatever is changed meanwhile, and does not wait for it.
func TestReadSeesOneState(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		c := b.conversation(ticketing.Conversation{})
		b.read(func(tx ticketing.Tx) error {
			before, err := tx.Conversation(c.ID)
			fatal(t, err)
			b.change(func(tx ticketing.Tx) error {
				c, err := tx.Conversation(c.ID)
				fatal(t, err)
				c.Subject = "changed"
				b.read(func(tx ticketing.Tx) error { // while it is locked
					_, err := tx.Conversation(c.ID)
					return err
				})
				return tx.SetConversation(c)
			})
			after, err := tx.Conversation(c.ID)
			same(t, after, before)
			return err
		})
	})
}

// 64 people on two processes press Take again and again: each time exactly one gets it.
func TestExactlyOneTakes(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		processes := []*Store{b.Store, b.another()}
		rapid.Check(t, func(rt *rapid.T) {
			c := b.conversation(ticketing.Conversation{})
			people := rapid.IntRange(2, 64).Draw(rt, "people")
			var won atomic.Int64
			var all sync.WaitGroup
			for i := range people {
				me := ticketing.MemberID(fmt.Sprint("mm:", i))
				all.Go(func() {
					err := processes[i%2].Change(t.Context(), func(tx ticketing.Tx) error {
						if err := tx.Once(fmt.Sprint(c.ID, me)); err != nil {
							return err
						}
						c, err := tx.Conversation(c.ID)
						if err != nil {
							return err
						}
						if c.Owner != "" {
							return errRefused
						}
						n, err := tx.NextNumber()
						if err != nil {
							return err
						}
						c.Owner, c.State, c.Number = me, ticketing.Taken, n
						if err := tx.SetConversation(c); err != nil {
							return err
						}
						return tx.Log(&ticketing.Event{Conversation: c.ID, Member: me})
					})
					if err == nil {
						won.Add(1)
					} else if !errors.Is(err, errRefused) {
						t.Error(err)
					}
				})
			}
			all.Wait()
			events := b.count("events WHERE conversation = ?", c.ID)
			if won.Load() != 1 || events != 1 {
				rt.Fatalf("%d winners and %d events among %d people", won.Load(), events, people)
			}
		})
	})
}

// together runs f for two processes at the same instant, each in a transaction that does not go on
// until the other one has begun, as far as the database lets it.
func (b *bed) together(f func(i int, tx ticketing.Tx, meet func()) error) [2]error {
	var began sync.WaitGroup
	began.Add(2)
	var errs [2]error
	var all sync.WaitGroup
	for i, s := range []*Store{b.Store, b.another()} {
		all.Go(func() {
			var once sync.Once
			arrive := func() { once.Do(began.Done) }
			defer arrive()
			errs[i] = s.Change(b.t.Context(), func(tx ticketing.Tx) error {
				return f(i, tx, func() {
					arrive()
					if b.config.URL != "" { // on SQLite the other one cannot even begin
						began.Wait()
					}
				})
			})
		})
	}
	all.Wait()
	return errs
}

// Two mails that name the same parent come at once: the one that is later joins the other.
func TestTwoThatArriveAtOnceFindEachOther(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		for round := range 30 {
			parent := fmt.Sprintf("parent-%d@x", round)
			var joined atomic.Int64
			errs := b.together(func(i int, tx ticketing.Tx, meet func()) error {
				refs, err := tx.References("help", []string{parent})
				if err != nil {
					return err
				}
				meet()
				id := refs[parent].Conversation
				if id == 0 {
					c := ticketing.Conversation{Group: "help", State: ticketing.New, Subject: parent}
					if err := tx.AddConversation(&c); err != nil {
						return err
					}
					id = c.ID
				} else {
					joined.Add(1)
				}
				if err := tx.AddMail(&ticketing.Mail{Group: "help", Conversation: id, Subject: parent, Digest: fmt.Sprint(parent, i)}); err != nil {
					return err
				}
				return tx.AddReferences("help", map[string]ticketing.Reference{
					parent: {Conversation: id}, fmt.Sprint(i, parent): {Conversation: id, Own: true}})
			})
			fatal(t, errors.Join(errs[:]...))
			if n := b.count("conversations WHERE subject = ?", parent); n != 1 || joined.Load() != 1 {
				t.Fatalf("round %d: %d conversations, %d joined", round, n, joined.Load())
			}
			if n := b.count("(SELECT DISTINCT conversation FROM mails WHERE subject = ?) AS c", parent); n != 1 {
				t.Fatalf("round %d: the mails are in %d conversations", round, n)
			}
		}
	})
}

// What a colleague's process noted after we looked makes AddReferences run us again, even if it
// was committed before we came to it.
func TestReferencesDoNotForgetWhatTheyTold(t *testing.T) {
	b := onPostgres(t)
	other, tries := b.another(), 0
	b.change(func(tx ticketing.Tx) error {
		tries++
		refs, err := tx.References("help", []string{"parent@x"})
		fatal(t, err)
		if tries == 1 {
			fatal(t, other.Change(t.Context(), func(tx ticketing.Tx) error {
				return tx.AddReferences("help", map[string]ticketing.Reference{"parent@x": {Conversation: 1}})
			}))
		}
		id := refs["parent@x"].Conversation
		if id == 0 {
			id = 2
		}
		if tries > 1 && id != 1 {
			t.Errorf("did not see it the second time: %v", refs)
		}
		return tx.AddReferences("help", map[string]ticketing.Reference{"parent@x": {Conversation: id, Own: true}})
	})
	if tries != 2 {
		t.Errorf("%d tries", tries)
	}
}

func TestTheSameMailTwiceAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		for round := range 30 {
			m := ticketing.Mail{Group: "help", Direction: ticketing.In, MessageID: fmt.Sprint(round), Digest: "d"}
			errs := b.together(func(_ int, tx ticketing.Tx, meet func()) error {
				_, err := tx.SameMail("help", ticketing.Fingerprint(m))
				meet()
				if err == nil {
					return nil
				}
				if !errors.Is(err, ticketing.ErrNone) {
					return err
				}
				mine := m
				return tx.AddMail(&mine)
			})
			fatal(t, errors.Join(errs[:]...))
			if n := b.count("mails WHERE message_id = ?", m.MessageID); n != 1 {
				t.Fatalf("kept %d times", n)
			}
		}
		// What a member sends twice is two mails, though, and another group's is another one.
		b.change(func(tx ticketing.Tx) error {
			out := ticketing.Mail{Group: "help", Direction: ticketing.Out, By: "mm:1"}
			in := ticketing.Mail{Group: "help", Direction: ticketing.In}
			other := ticketing.Mail{Group: "info", Direction: ticketing.In}
			return errors.Join(tx.AddMail(&out), tx.AddMail(&out), tx.AddMail(&in), tx.AddMail(&other))
		})
	})
}

func TestTheSameEventTwiceAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		for round := range 30 {
			errs := b.together(func(_ int, tx ticketing.Tx, meet func()) error {
				meet()
				if err := tx.Once(fmt.Sprint("click ", round)); err != nil {
					return err
				}
				c := ticketing.Conversation{Subject: fmt.Sprint(round)}
				return tx.AddConversation(&c)
			})
			ok, repeated := 0, 0
			for _, err := range errs {
				switch {
				case err == nil:
					ok++
				case errors.Is(err, ticketing.ErrRepeated):
					repeated++
				}
			}
			if ok != 1 || repeated != 1 || b.count("conversations WHERE subject = ?", fmt.Sprint(round)) != 1 {
				t.Fatalf("round %d: %v", round, errs)
			}
		}
	})
}

// The second waits for the first, and happens if that one does not.
func TestAnEventThatWasRolledBackMayHappenAtOnce(t *testing.T) {
	b := onPostgres(t)
	other := b.another()
	inserted, second := make(chan struct{}), make(chan error)
	go func() {
		<-inserted
		second <- other.Change(b.t.Context(), func(tx ticketing.Tx) error { return tx.Once("click") })
	}()
	err := b.Change(t.Context(), func(tx ticketing.Tx) error {
		fatal(t, tx.Once("click"))
		close(inserted)
		eventually(t, "the other one waits", func() bool {
			return b.count("pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()") == 1
		})
		return errRefused
	})
	wantErr(t, err, errRefused)
	fatal(t, <-second)
}

// Two transactions that lock each other out both succeed in the end.
func TestADeadlockIsRunAgain(t *testing.T) {
	b := onPostgres(t)
	one, two := b.conversation(ticketing.Conversation{}), b.conversation(ticketing.Conversation{})
	errs := b.together(func(i int, tx ticketing.Tx, meet func()) error {
		first, second := one, two
		if i == 1 {
			first, second = two, one
		}
		if _, err := tx.Conversation(first.ID); err != nil {
			return err
		}
		meet()
		c, err := tx.Conversation(second.ID)
		if err != nil {
			return err
		}
		c.Mails++
		return tx.SetConversation(c)
	})
	fatal(t, errors.Join(errs[:]...))
	if n := b.count("conversations WHERE mails = 1"); n != 2 {
		t.Errorf("%d were changed", n)
	}
}

// However many give up however early: rows and jobs agree, and all that was reported as done is.
func TestCancelStorm(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		const storm = 600
		var done atomic.Int64
		var all sync.WaitGroup
		slots := make(chan struct{}, 16)
		for i := range storm {
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if i%3 > 0 {
					ctx, cancel = context.WithTimeout(ctx, rand.N(8*time.Millisecond))
				}
				defer cancel()
				err := b.Change(ctx, func(tx ticketing.Tx) error {
					c := ticketing.Conversation{Subject: fmt.Sprint(i)}
					if err := tx.AddConversation(&c); err != nil {
						return err
					}
					return tx.Enqueue(ticketing.Job{Kind: ticketing.SendJob, ID: int64(c.ID)})
				})
				if err == nil {
					done.Add(1)
				} else if ctx.Err() == nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		rows, jobs := b.count("conversations"), b.count("river_job")
		if rows != jobs || rows != int(done.Load()) {
			t.Errorf("%d rows, %d jobs, %d reported as done", rows, jobs, done.Load())
		}
		if rows < storm/3 {
			t.Errorf("only %d of %d", rows, storm)
		}
	})
}

// faulty is a store whose connections to Postgres can be broken.
func faulty(t *testing.T) (*bed, *testbed.Proxy) {
	u, err := url.Parse(testbed.Postgres(t))
	fatal(t, err)
	p := testbed.NewProxy(t, u.Host)
	u.Host = p.Addr
	return newBed(t, Config{URL: u.String()}), p
}

// A connection that dies before the commit has changed nothing, so all is run again.
func TestAConnectionLostBeforeTheCommit(t *testing.T) {
	b, proxy := faulty(t)
	tries := 0
	b.change(func(tx ticketing.Tx) error {
		if err := tx.Once("click"); err != nil {
			return err
		}
		if tries++; tries == 1 {
			proxy.Cut()
		}
		c := ticketing.Conversation{}
		return tx.AddConversation(&c)
	})
	if tries < 2 || b.count("conversations") != 1 {
		t.Errorf("%d tries, %d rows", tries, b.count("conversations"))
	}
}

// One that dies during the commit leaves everybody in the dark, which is said.
func TestAConnectionLostDuringTheCommit(t *testing.T) {
	b, proxy := faulty(t)
	b.exec(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$`)
	b.exec(`CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON event_keys DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()`)
	watch := b.another()
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		for {
			var n int
			err := watch.db().Raw(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'COMMIT' AND state = 'active'`).Scan(&n).Error
			if n > 0 || err != nil || t.Context().Err() != nil {
				proxy.Cut()
				return
			}
		}
	}()
	tries := 0
	err := b.Change(t.Context(), func(tx ticketing.Tx) error {
		tries++
		return tx.Once("click")
	})
	<-cut
	if !errors.Is(err, ErrUnknown) || tries != 1 {
		t.Errorf("%d tries, %v", tries, err)
	}
	// Kept or not: the key makes the caller's repeat harmless.
	err = b.Change(t.Context(), func(tx ticketing.Tx) error { return tx.Once("click") })
	if err != nil && !errors.Is(err, ticketing.ErrRepeated) {
		t.Error(err)
	}
	if n := b.count("event_keys"); n != 1 {
		t.Errorf("%d keys", n)
	}
}

// A Postgres that is killed and comes back is worked with again, without a restart of ours; what
// was reported as done is there, and nothing twice.
func TestPostgresIsKilledAndComesBack(t *testing.T) {
	server := testbed.NewPostgres(t)
	b := newBed(t, Config{URL: server.URL})
	var mu sync.Mutex
	done := map[string]bool{}
	var refused, asked atomic.Int64
	stop := make(chan struct{})
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprintf("%d.%d", w, i)
				for { // until it is known to be done, as any caller with a key would
					asked.Add(1)
					err := b.Change(t.Context(), func(tx ticketing.Tx) error {
						if err := tx.Once(key); err != nil {
							return err
						}
						c := ticketing.Conversation{Subject: key}
						return tx.AddConversation(&c)
					})
					if err == nil || errors.Is(err, ticketing.ErrRepeated) {
						break
					}
					refused.Add(1)
				}
				mu.Lock()
				done[key] = true
				mu.Unlock()
			}
		})
	}
	doneNow := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(done)
	}
	eventually(t, "work", func() bool { return doneNow() > 50 })
	server.Kill()
	before := refused.Load()
	eventually(t, "trouble", func() bool { return refused.Load() > before })
	server.Start()
	after := doneNow()
	eventually(t, "work again", func() bool { return doneNow() > after+50 })
	close(stop)
	all.Wait()
	var subjects []string
	fatal(t, b.db().Raw("SELECT subject FROM conversations").Scan(&subjects).Error)
	for _, s := range subjects {
		if !done[s] {
			t.Errorf("%s is there twice, or was not asked for", s)
		}
		delete(done, s)
	}
	if len(done) > 0 {
		t.Errorf("%d were reported as done and are not there", len(done))
	}
}

func TestErrorsNameNoPassword(t *testing.T) {
	ctx := within(t, time.Minute)
	for _, u := range []string{
		"postgres://ann:hunter2@127.0.0.1:1/groupmail?connect_timeout=1",
		"postgres://ann:hunter2@127.0.0.1:1/%zz",
		"postgres://ann:hunter2%zz@127.0.0.1:1/x",
		"postgres://ann:hunter2@127.0.0.1:port/x",
	} {
		short, cancel := context.WithTimeout(ctx, time.Second)
		_, err := openPostgres(short, u)
		cancel()
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", u, err)
		}
	}
}

// What was committed survives kill -9, also in the middle of the next commit.
func TestNothingCommittedIsLost(t *testing.T) {
	if path := os.Getenv("STORE_TEST_WRITER"); path != "" {
		s, err := Open(t.Context(), Config{Path: path})
		fatal(t, err)
		for i := range 100_000 {
			fatal(t, s.Change(t.Context(), func(tx ticketing.Tx) error {
				c := ticketing.Conversation{Subject: fmt.Sprint(i)}
				return errors.Join(tx.AddConversation(&c), tx.AddMail(&ticketing.Mail{Conversation: c.ID, Digest: fmt.Sprint(i), Text: strings.Repeat("x", 5000)}))
			}))
			fmt.Println("kept", i)
		}
		return
	}
	path := filepath.Join(t.TempDir(), "groupmail.db")
	for range 3 {
		process := exec.Command(os.Args[0], "-test.run=^TestNothingCommittedIsLost$")
		process.Env = append(os.Environ(), "STORE_TEST_WRITER="+path)
		out, err := process.StdoutPipe()
		fatal(t, err)
		fatal(t, process.Start())
		lines, last := bufio.NewScanner(out), ""
		for n := 0; n < 50+rand.IntN(50) && lines.Scan(); n++ {
			last = lines.Text()
		}
		fatal(t, process.Process.Kill())
		for lines.Scan() {
			last = lines.Text()
		}
		_ = process.Wait() // it was killed
		var kept int
		if _, err := fmt.Sscanf(last, "kept %d", &kept); err != nil {
			t.Fatalf("%q: %v", last, err)
		}
		b := newBed(t, Config{Path: path})
		conversations, mails := b.count("conversations"), b.count("mails")
		if conversations < kept+1 || conversations > kept+2 || conversations != mails {
			t.Errorf("%d were reported as kept; there are %d conversations and %d mails", kept+1, conversations, mails)
		}
		var verdict string
		if err := b.db().Raw("PRAGMA integrity_check").Scan(&verdict).Error; err != nil || verdict != "ok" {
			t.Error(verdict, err)
		}
		b.exec("DELETE FROM conversations")
		b.exec("DELETE FROM mails")
		fatal(t, b.Close())
	}
}
