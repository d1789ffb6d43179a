//go:build !unix

package maildir

import (
	"errors"
	"io/fs"
)

const nonBlocking = 0

func vanished(err error) bool { return errors.Is(err, fs.ErrNotExist) }
