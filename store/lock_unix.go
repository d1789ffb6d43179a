//go:build unix

package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// takeLock keeps a second process out for as long as the file is open. The lock ends with its
// process, however that ends; the file itself stays.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		pid := make([]byte, 20)
		n, _ := f.ReadAt(pid, 0)
		err = fmt.Errorf("%w by process %s", errLocked, pid[:n])
	}
	if err != nil {
		_ = f.Close() // there is an error already
		return nil, err
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt(fmt.Append(nil, os.Getpid()), 0)
	}
	if err != nil {
		_ = f.Close() // there is an error already
		return nil, err
	}
	return f, nil
}
