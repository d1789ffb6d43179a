package mailbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"groupmail/ticketing"
)

// settle carries out the fates that are due. An error is one of the keeper's; trouble with the
// server only puts the fates off, so that it never stops the pick-up.
func (w *Watcher) settle(stop, work context.Context, src Source) error {
	const batch, patience = 50, 3
	if w.cfg.Sent || time.Now().Before(w.settleAgain) {
		return nil
	}
	committer, commits := src.(Committer)
	for {
		due, err := w.keeper.Unsettled(work, w.cfg.Name, batch)
		if err != nil {
			return fmt.Errorf("read due fates: %w", err)
		}
		failures, inARow := 0, 0
		putOff := func(err error) {
			if work.Err() == nil {
				w.fate(err)
				w.log.Warn("fate put off", "err", err)
			}
			failures++
			inARow++
		}
		var done []ticketing.Settlement
		if len(due) > 0 {
			w.fate(nil)
		}
		for _, s := range due {
			if stop.Err() != nil || work.Err() != nil || inARow == patience {
				break
			}
			if err := w.settleOne(work, src, s); err != nil {
				putOff(fmt.Errorf("mail %s: %w", s.Ref.UID, err))
				continue
			}
			inARow = 0
			if done = append(done, s); !commits {
				if err := w.keeper.Settled(work, w.cfg.Name, s); err != nil {
					return fmt.Errorf("note a settled mail: %w", err)
				}
			}
		}
		if commits {
			if err := committer.Commit(work); err != nil {
				putOff(err)
				done = nil
			}
			for _, s := range done {
				if err := w.keeper.Settled(work, w.cfg.Name, s); err != nil {
					return fmt.Errorf("note a settled mail: %w", err)
				}
			}
		}
		switch {
		case stop.Err() != nil || work.Err() != nil:
			return nil //nolint:nilerr // to be stopped is no failure
		case failures > 0:
			w.settleWait = min(lastSettle, max(firstSettle, 2*w.settleWait))
			w.settleAgain = time.Now().Add(w.settleWait)
			return nil
		}
		w.settleWait = 0
		if len(due) < batch {
			return nil
		}
	}
}

// settleOne carries out one fate. What the server will never do counts as done, and is said once.
func (w *Watcher) settleOne(ctx context.Context, src Source, s ticketing.Settlement) error {
	fate := w.cfg.Done
	if s.Why == ticketing.Junk {
		fate = w.cfg.Junk
	}
	if fate == "" || fate == "leave" {
		return nil
	}
	err := ErrCannot
	if settler, ok := src.(Settler); ok {
		err = settler.Settle(ctx, s.Ref, fate)
	}
	if errors.Is(err, ErrCannot) {
		if !w.cannot[fate] {
			w.cannot[fate] = true
			w.log.Error("this mailbox cannot carry out a fate", "fate", fate, "err", err)
		}
		w.fate(err)
		return nil
	}
	return err
}
