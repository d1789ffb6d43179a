package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"

	"groupmail/ticketing"
)

// ErrUnknown: the connection to the database was lost during a commit, so nobody can tell whether
// it was kept. Doing the same again is harmless for whoever has a key for it.
var ErrUnknown = errors.New("the connection to the database was lost while saving; it may have been saved or not")

const (
	// maxTries is how often a transaction that loses races is run.
	maxTries = 8
	// longest is how long one try, or one statement of its own, may take: by then the network
	// swallows everything without a word, or somebody holds a lock who should not.
	longest = time.Minute
)

// Change implements ticketing.Store.
func (s *Store) Change(ctx context.Context, f func(ticketing.Tx) error) error {
	return s.again(ctx, false, f)
}

// Read implements ticketing.Store.
func (s *Store) Read(ctx context.Context, f func(ticketing.Tx) error) error {
	return s.again(ctx, true, f)
}

// again runs a transaction until it neither loses a race nor its connection.
func (s *Store) again(ctx context.Context, readOnly bool, f func(ticketing.Tx) error) error {
	for try := 1; ; try++ {
		err, retry := s.once(ctx, readOnly, f)
		if !retry || ctx.Err() != nil {
			return err
		}
		if try == maxTries {
			return fmt.Errorf("store: given up after %d tries: %w", try, err)
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// pause waits for a random time that grows from try to try.
func pause(ctx context.Context, try int) error {
	most := min(4*time.Millisecond<<try, 250*time.Millisecond)
	t := time.NewTimer(time.Duration(rand.Int64N(int64(most))))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// once runs a transaction and tells whether it is worth running again.
func (s *Store) once(ctx context.Context, readOnly bool, f func(ticketing.Tx) error) (err error, again bool) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	txn, err := s.begin(ctx, readOnly)
	if err != nil {
		return err, s.race(err) || isDead(err)
	}
	t := &tx{s: s, txn: txn, ctx: ctx, readOnly: readOnly,
		g: s.db().Session(&gorm.Session{NewDB: true, Context: ctx, DryRun: true})}
	ended := false
	defer func() {
		if !ended { // f has panicked, or ended its goroutine
			t.err = errEnded
			txn.rollback()
		}
	}()
	err = f(t)
	failed := t.err
	t.err = errEnded
	ended = true

	if failed != nil { // whatever f makes of it
		dead := txn.dead()
		txn.rollback()
		if err == nil {
			err = failed
		}
		return err, s.race(failed) || dead && ctx.Err() == nil
	}
	if err != nil || readOnly {
		txn.rollback()
		return err, false
	}
	if err := txn.commit(); err != nil {
		return fmt.Errorf("store: commit: %w", err), s.race(err) || errors.Is(err, errDead)
	}
	return nil, false
}

var errEnded = errors.New("store: a transaction was used after its end")
