package changes_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"groupmail/connectors/mailbox/changes"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWait(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("nothing tells on this system")
	}
	dir := filepath.Join(t.TempDir(), "spool")
	check(t, os.Mkdir(dir, 0o700))
	w := changes.New(dir)
	defer w.Close()
	if !w.Told() {
		t.Fatal("inotify is not to be had")
	}
	ours := func(name string) bool { return name == "help" }
	write := func(name string) { check(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600)) }
	wait := func(d time.Duration) (ended bool, err error) {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		err = w.Wait(ctx, ours)
		return ctx.Err() != nil, err
	}

	write("help") // before Wait
	if ended, err := wait(time.Minute); ended || err != nil {
		t.Errorf("an event from before: %v, %v", ended, err)
	}
	for { // the rest of what that led to
		if ended, _ := wait(50 * time.Millisecond); ended {
			break
		}
	}
	write("other")
	if ended, err := wait(50 * time.Millisecond); !ended || err != nil {
		t.Errorf("somebody else's file: %v, %v", ended, err)
	}
	go func() { _ = os.Rename(filepath.Join(dir, "other"), filepath.Join(dir, "help")) }()
	if ended, err := wait(time.Minute); ended || err != nil {
		t.Errorf("a file put in its place: %v, %v", ended, err)
	}
	check(t, os.Rename(dir, dir+".old"))
	check(t, os.Mkdir(dir, 0o700))
	if _, err := wait(time.Minute); !errors.Is(err, changes.ErrGone) {
		t.Errorf("another folder in its place: %v, want ErrGone", err)
	}
	w.Close()
}

func TestNothingTells(t *testing.T) {
	w := changes.New(filepath.Join(t.TempDir(), "not there"))
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Wait(ctx, nil); err != nil || w.Told() {
		t.Errorf("%v, %v", err, w.Told())
	}
}
