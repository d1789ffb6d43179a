//go:build unix && !linux

package mbox

import "golang.org/x/sys/unix"

const setLock = unix.F_SETLK
