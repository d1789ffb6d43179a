package mbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// errLocked means that another program has the file for itself.
var errLocked = errors.New("another program holds the lock")

const (
	// stale is how old a lock file must be to be nobody's any more, as with liblockfile.
	stale = 5 * time.Minute
	// lockEvery is how often a lock is tried, give or take.
	lockEvery = 50 * time.Millisecond
)

// locked opens the file, locks it as mail servers do, by a lock file beside it and by fcntl, and runs
// f. If there is no file, f gets nil. Both locks are tried and given back together: programs that
// take them in another order cannot wait for us while we wait for them.
func (m *Mailbox) locked(ctx context.Context, f func(*os.File) error) error {
	deadline := time.Now().Add(m.patient)
	for {
		held, err := m.tryLocked(f)
		switch {
		case held || err != nil && !errors.Is(err, errLocked):
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("%w for %s", errLocked, m.patient)
		}
		timer := time.NewTimer(lockEvery/2 + rand.N(lockEvery)) //nolint:gosec // nothing secret
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// tryLocked is locked without waiting; held tells whether f ran.
func (m *Mailbox) tryLocked(f func(*os.File) error) (held bool, err error) {
	unlock, err := m.lockFile()
	if err != nil {
		return false, err
	}
	defer unlock()
	file, err := os.OpenFile(m.path, os.O_RDONLY|nonBlocking, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return true, f(nil)
	}
	if err != nil {
		return false, err
	}
	defer file.Close() // which gives the lock back
	if err := lockShared(file); err != nil {
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
			return false, errLocked
		}
		return false, fmt.Errorf("lock: %w", err)
	}
	opened, err := file.Stat()
	if err != nil {
		return false, err
	}
	if now, err := os.Stat(m.path); err != nil || !os.SameFile(opened, now) {
		return false, errLocked // another was put in its place meanwhile: once more
	}
	return true, f(file)
}

// lockFile makes PATH.lock. Where we may make no files, others' is heeded all the same.
func (m *Mailbox) lockFile() (unlock func(), err error) {
	path := m.path + ".lock"
	if info, err := os.Lstat(path); err == nil {
		if !abandoned(path, info) {
			return nil, errLocked
		}
		_ = os.Remove(path)
	}
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o444)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, errLocked
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS):
		return func() {}, nil // the lock of fcntl must do
	case err != nil:
		return nil, err
	}
	_, err = fmt.Fprintf(lock, "%d\n", os.Getpid())
	unlock = func() { _ = os.Remove(path) }
	if err = errors.Join(err, lock.Close()); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// abandoned tells whether whoever made a lock file is gone: its process, which is written in it, or
// else its time. A process on another machine cannot be asked.
func abandoned(path string, info fs.FileInfo) bool {
	if time.Since(info.ModTime()) > stale {
		return true
	}
	const grace = 20 * time.Second
	content, err := os.ReadFile(path)
	if err != nil || time.Since(info.ModTime()) < grace {
		return false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	// Our own number is that of a process before us, in a container for instance.
	return err == nil && pid > 0 && (pid == os.Getpid() || !alive(pid))
}
