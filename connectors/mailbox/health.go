package mailbox

import (
	"errors"
	"time"

	"groupmail/connectors/account"
)

// State is how a watcher fares.
type State string

const (
	Starting  State = "starting"  // has not looked yet
	Working   State = "working"   // the last look succeeded
	Failing   State = "failing"   // the last look failed; it goes on trying
	Elsewhere State = "elsewhere" // another process watches this mailbox
	Stopped   State = "stopped"
)

// Health is what the desk card, the admins and /readyz need to know about a watcher.
type Health struct {
	Mailbox string
	State   State
	Since   time.Time // since when it is in this state
	Looked  time.Time // the last complete look; zero if there was none
	Kept    time.Time // the last mail picked up; zero if there was none
	Mails   int       // picked up since the start

	Err   error     // the last failure; it stays after recovery
	ErrAt time.Time // when that was
	Login bool      // Err is a refused login: only a person can help
	// Says is what the server said about it, in its own words, and Cure what a person can do. Both
	// may be empty.
	Says, Cure string

	// Fate is why a fate was not carried out when fates were last due.
	Fate error
}

// Health tells how the watcher fares. Anybody may ask at any time.
func (w *Watcher) Health() Health {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.health
}

func (w *Watcher) set(s State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setLocked(s)
}

func (w *Watcher) setLocked(s State) (was State) {
	was = w.health.State
	if was != s {
		w.health.State, w.health.Since = s, time.Now()
	}
	return was
}

// failed notes a failure and returns it.
func (w *Watcher) failed(err error) error {
	w.failures++
	w.mu.Lock()
	h := &w.health
	repeated := h.State == Failing && h.Err != nil && h.Err.Error() == err.Error()
	w.setLocked(Failing)
	h.Err, h.ErrAt, h.Login, h.Says, h.Cure = err, time.Now(), errors.Is(err, account.ErrLogin), "", ""
	var trouble *account.Trouble
	if errors.As(err, &trouble) {
		h.Says, h.Cure = trouble.Says, trouble.Cure
	}
	w.mu.Unlock()
	if repeated {
		w.log.Debug("mailbox still fails", "err", err, "tries", w.failures)
	} else {
		w.log.Warn("mailbox fails", "err", err, "tries", w.failures)
	}
	return err
}

// works notes that the server and the database both do their part.
func (w *Watcher) works(kept int, complete bool) {
	w.mu.Lock()
	h := &w.health
	was := w.setLocked(Working)
	if kept > 0 {
		h.Kept = time.Now()
		h.Mails += kept
	}
	if complete {
		h.Looked = time.Now()
	}
	w.mu.Unlock()
	if was == Failing {
		w.log.Info("mailbox works again")
	}
}

func (w *Watcher) fate(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.health.Fate = err
}
