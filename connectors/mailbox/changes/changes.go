// Package changes tells when something happens in folders of this machine: on Linux by inotify,
// elsewhere, and where inotify is not to be had, by letting its callers look every few seconds.
//
// What happens on another machine that shares a folder (NFS) is not told of.
package changes

import (
	"context"
	"errors"
	"time"
)

// ErrGone means that a folder was removed or moved away: another may be in its place.
var ErrGone = errors.New("the folder was removed or moved")

// Every is how often callers look where nothing tells them.
const Every = 3 * time.Second

// Watch watches folders, from New on. It is used by one goroutine at a time.
type Watch struct {
	told *notify // nil: nothing tells
}

// New begins to watch folders, not those below them.
func New(folders ...string) *Watch {
	told, err := newNotify(folders)
	if err != nil {
		return &Watch{} // too many are watched already, or no such thing on this system
	}
	return &Watch{told}
}

// Told tells whether changes are told of at once.
func (w *Watch) Told() bool { return w.told != nil }

// Wait returns nil when something has happened to a file whose name concerns the caller, or when it
// is time to look anyway, or ctx has ended; an event that came before Wait counts. ErrGone is the
// only error.
func (w *Watch) Wait(ctx context.Context, concerns func(name string) bool) error {
	if w.told != nil {
		return w.told.wait(ctx, concerns)
	}
	timer := time.NewTimer(Every)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	return nil
}

// Close ends the watch. It may be called twice.
func (w *Watch) Close() {
	if w.told != nil {
		w.told.close()
	}
}
