//go:build unix

package maildir

import (
	"errors"
	"io/fs"
	"syscall"
)

// nonBlocking keeps a pipe among the mails from blocking.
const nonBlocking = syscall.O_NONBLOCK

// vanished tells whether a file is not there any more; NFS says so in its own way.
func vanished(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESTALE)
}
