package changes

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// notify is inotify(7) behind a file that Go's poller waits for.
type notify struct{ file *os.File }

func newNotify(folders []string) (*notify, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	n := &notify{os.NewFile(uintptr(fd), "inotify")}
	const (
		gone = unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR | unix.IN_MASK_ADD
		what = gone | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MODIFY | unix.IN_CLOSE_WRITE
	)
	for _, folder := range folders {
		if _, err := unix.InotifyAddWatch(fd, folder, what); err != nil {
			n.close()
			return nil, err
		}
		// A folder that is moved with the one around it does not tell.
		_, _ = unix.InotifyAddWatch(fd, filepath.Dir(folder), gone)
	}
	return n, nil
}

func (n *notify) close() { _ = n.file.Close() }

func (n *notify) wait(ctx context.Context, concerns func(string) bool) error {
	unhook := context.AfterFunc(ctx, func() { _ = n.file.SetReadDeadline(time.Unix(1, 0)) })
	defer unhook()
	buf := make([]byte, 16<<10)
	for {
		_ = n.file.SetReadDeadline(time.Time{}) // an earlier wait's may still come after this
		if ctx.Err() != nil {
			return nil
		}
		k, err := n.file.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err != nil {
			return ErrGone
		}
		happened, err := read(buf[:k], concerns)
		if happened || err != nil {
			return err
		}
	}
}

// read goes through events. Their layout is that of struct inotify_event.
func read(events []byte, concerns func(string) bool) (happened bool, err error) {
	for len(events) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(events[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
		name, _, _ := bytes.Cut(events[unix.SizeofInotifyEvent:end], []byte{0})
		switch {
		case mask&(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_IGNORED|unix.IN_UNMOUNT) != 0:
			err = ErrGone
		case mask&unix.IN_Q_OVERFLOW != 0, concerns(string(name)):
			happened = true
		}
		events = events[end:]
	}
	return happened, err
}
