//go:build unix

package mbox

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const nonBlocking = unix.O_NONBLOCK

// lockShared keeps others from writing, until the file is closed.
func lockShared(f *os.File) error {
	lock := &unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart}
	err := unix.FcntlFlock(f.Fd(), setLock, lock)
	if errors.Is(err, unix.EINVAL) && setLock != unix.F_SETLK { // an old file system
		err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, lock)
	}
	return err
}

func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
