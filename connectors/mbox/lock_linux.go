package mbox

import "golang.org/x/sys/unix"

// setLock is for locks that belong to the open file: others are lost as soon as anybody in this
// process closes the same file.
const setLock = unix.F_OFD_SETLK
