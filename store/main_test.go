package store

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"groupmail/deploy/testbed"
	"groupmail/ticketing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onBoth runs a test on SQLite and on Postgres, while others run.
func onBoth(t *testing.T, f func(t *testing.T, b *bed)) {
	t.Helper()
	t.Parallel()
	alone(t, f)
}

// alone is onBoth for tests of time and memory, which nothing may disturb.
func alone(t *testing.T, f func(t *testing.T, b *bed)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		f(t, newBed(t, Config{Path: filepath.Join(t.TempDir(), "groupmail.db")}))
	})
	t.Run("postgres", func(t *testing.T) { f(t, onPostgres(t)) })
}

func onPostgres(t *testing.T) *bed {
	t.Helper()
	return newBed(t, Config{URL: testbed.Postgres(t)})
}

// bed is one database with the processes that use it.
type bed struct {
	*Store // the first process
	t      *testing.T
	config Config
	log    *logged
}

func newBed(t *testing.T, c Config) *bed {
	t.Helper()
	b := &bed{t: t, config: c, log: &logged{}}
	b.config.Log = slog.New(slog.NewTextHandler(b.log, nil))
	b.Store = b.process()
	return b
}

// another is a second process on the same database; SQLite has but one.
func (b *bed) another() *Store {
	b.t.Helper()
	if b.config.URL == "" {
		return b.Store
	}
	return b.process()
}

func (b *bed) process() *Store {
	b.t.Helper()
	s, err := Open(b.t.Context(), b.config)
	if err != nil {
		b.t.Fatal(err)
	}
	s.limits.eager = true
	b.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.t.Error(err)
		}
	})
	return s
}

// change is Change, which must not fail.
func (b *bed) change(f func(tx ticketing.Tx) error) {
	b.t.Helper()
	if err := b.Change(b.t.Context(), f); err != nil {
		b.t.Fatal(err)
	}
}

// read is Read, which must not fail.
func (b *bed) read(f func(tx ticketing.Tx) error) {
	b.t.Helper()
	if err := b.Read(b.t.Context(), f); err != nil {
		b.t.Fatal(err)
	}
}

// exec runs SQL behind the store's back.
func (b *bed) exec(sql string, args ...any) {
	b.t.Helper()
	if err := b.db().WithContext(b.t.Context()).Exec(sql, args...).Error; err != nil {
		b.t.Fatal(err)
	}
}

// count counts what a FROM clause selects.
func (b *bed) count(from string, args ...any) (n int) {
	b.t.Helper()
	if err := b.db().WithContext(b.t.Context()).Raw("SELECT count(*) FROM "+from, args...).Scan(&n).Error; err != nil {
		b.t.Fatal(err)
	}
	return n
}

// past is a time that is over by the database's clock.
func (b *bed) past() any { return b.after(-time.Second) }

// conversation adds one.
func (b *bed) conversation(c ticketing.Conversation) ticketing.Conversation {
	b.t.Helper()
	if c.Group == "" {
		c.Group = "help"
	}
	if c.State == "" {
		c.State = ticketing.New
	}
	b.change(func(tx ticketing.Tx) error { return tx.AddConversation(&c) })
	return c
}

// logged keeps what was logged.
type logged struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// eventually waits for something that another process does; it looks again as soon as it can.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 60 s: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// within is a context that ends before the test bed loses patience.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
