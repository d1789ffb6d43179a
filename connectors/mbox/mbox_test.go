package mbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gombox "github.com/emersion/go-mbox"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"groupmail/connectors/mailbox"
	"groupmail/connectors/mailbox/mailboxtest"
	"groupmail/connectors/mbox"
	"groupmail/ticketing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// spool is a file into which a mail server delivers and which mail programs rewrite, each with both
// locks.
type spool struct {
	t    testing.TB
	path string
	mu   sync.Mutex
}

func newSpool(t testing.TB) *spool { return &spool{t: t, path: filepath.Join(t.TempDir(), "help")} }

// change runs f on the file, locked.
func (s *spool) change(f func(*os.File)) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	lock := s.path + ".lock"
	for {
		l, err := os.OpenFile(lock, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			check(s.t, l.Close())
			break
		}
		time.Sleep(time.Millisecond)
	}
	defer os.Remove(lock)
	file, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600)
	check(s.t, err)
	defer file.Close()
	check(s.t, unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLKW, &unix.Flock_t{Type: unix.F_WRLCK}))
	f(file)
}

func escaped(raw []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(raw) {
		if bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From ")) {
			b.WriteByte('>')
		}
		b.Write(line)
	}
	if !bytes.HasSuffix(raw, []byte("\n")) {
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// deliver appends in small pieces, as over a slow line.
func (s *spool) deliver(raw []byte) {
	s.t.Helper()
	s.change(func(f *os.File) {
		_, err := f.Seek(0, io.SeekEnd)
		check(s.t, err)
		all := append([]byte("From maria@example.org "+time.Now().Format(time.ANSIC)+"\n"), escaped(raw)...)
		for part := range slices.Chunk(all, max(1, len(all)/3)) {
			_, err = f.Write(part)
			check(s.t, err)
		}
	})
}

// rewrite changes the file's content in place, as mutt and Dovecot do.
func (s *spool) rewrite(f func(string) string) {
	s.t.Helper()
	s.change(func(file *os.File) {
		old, err := io.ReadAll(file)
		check(s.t, err)
		check(s.t, file.Truncate(0))
		_, err = file.WriteAt([]byte(f(string(old))), 0)
		check(s.t, err)
	})
}

// without takes the i-th mail out of what this test has written.
func without(i int) func(string) string {
	return func(content string) string {
		mails := strings.Split("\n"+content, "\nFrom maria@")[1:]
		if mails = slices.Delete(mails, i, i+1); len(mails) == 0 {
			return ""
		}
		return "From maria@" + strings.Join(mails, "\nFrom maria@")
	}
}

func (s *spool) open(context.Context) (mailbox.Source, error) { return mbox.Open(s.path) }

// flagged is a mail as a mail program leaves it that has shown it.
func flagged(content string) string {
	return strings.ReplaceAll(content, "\r\nSubject: ", "\nStatus: RO\nX-Status: A\nX-Keywords: a\n  b\nX-UID: 7\nContent-Length: 99\r\nSubject: ")
}

func TestConformance(t *testing.T) {
	mailboxtest.Exercise(t, func(t *testing.T) mailboxtest.Box {
		s := newSpool(t)
		return mailboxtest.Box{
			Open:    s.open,
			Deliver: s.deliver,
			View: func() string {
				raw, err := os.ReadFile(s.path)
				check(t, err)
				return string(raw)
			},
			Remove: func(i int) { s.rewrite(without(i)) },
			Told:   true,
		}
	})
}

// fetched is what comes out of a file's content.
func fetched(t *testing.T, content string) (raws []string, received []time.Time) {
	t.Helper()
	s := newSpool(t)
	check(t, os.WriteFile(s.path, []byte(content), 0o600))
	src, err := mbox.Open(s.path)
	check(t, err)
	defer src.Close()
	check(t, src.Fetch(t.Context(), wanting(nil), func(_ context.Context, raw mailbox.Raw) error {
		body, err := io.ReadAll(raw.Body)
		raws, received = append(raws, string(body)), append(received, raw.Received)
		return err
	}))
	return raws, received
}

// wanting wants all but what is named.
type wanting []ticketing.Ref

func (wanting) Look(context.Context, ticketing.Box) (ticketing.Window, error) {
	return ticketing.Window{First: 1}, nil
}

func (w wanting) Unknown(_ context.Context, refs []ticketing.Ref) ([]ticketing.Ref, error) {
	return slices.DeleteFunc(slices.Clone(refs), func(r ticketing.Ref) bool { return slices.Contains(w, r) }), nil
}

func TestSplit(t *testing.T) {
	const from = "From maria@example.org Mon Jun  2 10:00:00 2025\n"
	for name, test := range map[string]struct {
		file string
		want []string
	}{
		"two":                     {from + "A: 1\n\nx\n\n" + from + "A: 2\n\ny\n\n", []string{"A: 1\n\nx\n", "A: 2\n\ny\n"}},
		"CRLF":                    {strings.ReplaceAll(from+"A: 1\n\nx\n\n"+from+"A: 2\n\ny\n", "\n", "\r\n"), []string{"A: 1\r\n\r\nx\r\n", "A: 2\r\n\r\ny\r\n"}},
		"From now on":             {from + "A: 1\n\nx\n\nFrom now on we close at 10:00:00 on Mon\n", []string{"A: 1\n\nx\n\nFrom now on we close at 10:00:00 on Mon\n"}},
		"no empty line before":    {from + "A: 1\n\nx\n" + from + "y\n", []string{"A: 1\n\nx\n" + from + "y\n"}},
		"escaped":                 {from + "A: 1\n\n>From here\n>>From there\n> From\n>Frown\n", []string{"A: 1\n\nFrom here\n>From there\n> From\n>Frown\n"}},
		"garbage first":           {"garbage\n\n" + from + "A: 1\n\nx\n", []string{"garbage\n", "A: 1\n\nx\n"}},
		"empty lines first":       {"\n\n" + from + "A: 1\n\nx\n", []string{"A: 1\n\nx\n"}},
		"odd From first":          {"From somebody\nA: 1\n\nx\n", []string{"A: 1\n\nx\n"}},
		"cut off":                 {from + "A: 1\n\nx\n\n" + from + "A: 2", []string{"A: 1\n\nx\n", "A: 2"}},
		"nothing":                 {"", nil},
		"empty lines":             {"\n\n\n", nil},
		"a From line alone":       {from, nil},
		"with zones":              {"From a Mon Jun  2 10:00 CEST 2025\nA: 1\n\n\nFrom b@c Mon Jun 2 10:00:00 2025 +0200\nA: 2\n", []string{"A: 1\n", "A: 2\n"}},
		"Thunderbird":             {"From - Mon Jun 02 10:00:00 2025\nX-Mozilla-Status: 0001\nA: 1\n\nx\n", []string{"X-Mozilla-Status: 0001\nA: 1\n\nx\n"}},
		"note of a program":       {from + "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\nThis text\n\n" + from + "A: 2\n", []string{"A: 2\n"}},
		"no such note, X-IMAP":    {from + "X-IMAP: 1 2\nA: 1\n", []string{"X-IMAP: 1 2\nA: 1\n"}},
		"no such note, the third": {from + "A: 1\n\n" + from + "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1\n", []string{"A: 1\n", "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1\n"}},
		"a long line": {
			from + "A: 1\n\n" + strings.Repeat("x", 64<<10) + from + strings.Repeat("y", 200<<10) + "\n",
			[]string{"A: 1\n\n" + strings.Repeat("x", 64<<10) + from + strings.Repeat("y", 200<<10) + "\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _ := fetched(t, test.file); !slices.Equal(got, test.want) {
				t.Errorf("got %.300q\nwant %.300q", got, test.want)
			}
		})
	}
}

func TestReceived(t *testing.T) {
	for line, want := range map[string]time.Time{
		"From a@b Mon Jun  2 10:00:01 2025 +0200": time.Date(2025, 6, 2, 8, 0, 1, 0, time.UTC),
		"From a@b Mon Jun  2 10:00:01 GMT 2025":   time.Date(2025, 6, 2, 10, 0, 1, 0, time.UTC),
		"From a@b Mon Jun  2 10:00 2025":          time.Date(2025, 6, 2, 10, 0, 0, 0, time.Local),
		"From a@b Mon Jun 31 10:00:00 2025":       {},
	} {
		if _, got := fetched(t, line+"\nA: 1\n\nx\n"); len(got) != 1 || !got[0].Equal(want) {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
}

// TestAnotherWriter reads what a library has written.
func TestAnotherWriter(t *testing.T) {
	var b bytes.Buffer
	w := gombox.NewWriter(&b)
	var want []string
	for n := range 3 {
		raw := fmt.Sprintf("Subject: %d\n\nFrom here\n\nFrom there\n", n)
		part, err := w.CreateMessage("maria@example.org", time.Now())
		check(t, err)
		_, err = io.WriteString(part, raw)
		check(t, err)
		want = append(want, raw)
	}
	check(t, w.Close())
	if got, _ := fetched(t, b.String()); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q, from\n%s", got, want, &b)
	}
}

// watch runs the pick-up loop until the test ends.
func watch(t *testing.T, s *spool, since ticketing.Since, keeper *mailboxtest.Keeper) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	w := mailbox.New(mailbox.Config{Name: "help", Since: since, Poll: time.Hour}, s.open, keeper.As("one"), slog.New(slog.DiscardHandler))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.Run(ctx)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

var everything = ticketing.Since{All: true}

// TestRewritten: a mail program changes flags and takes mails away, the file is rotated and cut off;
// nothing is brought twice, and nothing that comes is missed.
func TestRewritten(t *testing.T) {
	s, keeper := newSpool(t), mailboxtest.NewKeeper()
	for n := range 3 {
		s.deliver(mailboxtest.Mail(n))
	}
	stop := watch(t, s, everything, keeper)
	keeper.UntilKept(t, 3)
	n := 3
	next := func() {
		t.Helper()
		s.deliver(mailboxtest.Mail(n))
		n++
		if kept := keeper.UntilKept(t, n); len(kept) != n {
			t.Fatalf("%d mails are kept, want %d", len(kept), n)
		}
	}
	s.rewrite(flagged)
	next()
	s.rewrite(without(0))
	next()
	check(t, os.Rename(s.path, s.path+".1"))
	next()
	s.rewrite(func(string) string { return "" })
	next()
	stop()
	s.rewrite(flagged)
	watch(t, s, everything, keeper)
	next()
	places := map[ticketing.Ref]bool{}
	for _, a := range keeper.Kept() {
		places[a.Ref] = true
	}
	if len(places) != n {
		t.Errorf("%d names for %d mails", len(places), n)
	}
}

// TestTwins: the same bytes twice are two mails with two names, in whichever order.
func TestTwins(t *testing.T) {
	s := newSpool(t)
	for range 3 {
		s.deliver([]byte("Subject: alarm\n\nIt rings.\n"))
	}
	src, err := mbox.Open(s.path)
	check(t, err)
	defer src.Close()
	names := func() (all wanting) {
		check(t, src.Fetch(t.Context(), wanting(nil), func(_ context.Context, raw mailbox.Raw) error {
			all = append(all, raw.Ref)
			return nil
		}))
		return all
	}
	three := names()
	if len(three) != 3 || three[0] == three[1] || three[1] == three[2] {
		t.Fatalf("named %v", three)
	}
	s.rewrite(without(0))
	if two := names(); !slices.Equal(two, three[:2]) {
		t.Errorf("after one was taken away: %v, want %v", two, three[:2])
	}
}

func TestSinceNow(t *testing.T) {
	s, keeper := newSpool(t), mailboxtest.NewKeeper()
	s.deliver(mailboxtest.Mail(1))
	stop := watch(t, s, ticketing.Since{}, keeper)
	keeper.Until(t, "a look", func() bool { return len(keeper.Looks()) > 0 })
	s.deliver(mailboxtest.Mail(2))
	keeper.UntilKept(t, 1)
	stop()
	s.deliver(mailboxtest.Mail(3))
	watch(t, s, ticketing.Since{}, keeper)
	if kept := keeper.UntilKept(t, 2); len(kept) != 2 || kept[0].Mail.Subject != "Mail 2" || kept[1].Mail.Subject != "Mail 3" {
		t.Errorf("kept %d, the first %q", len(kept), kept[0].Mail.Subject)
	}
}

// TestNotLockedWhileKeeping: the database may take its time; mail is delivered meanwhile, and what
// was copied stays what it was even if the file is rewritten.
func TestNotLockedWhileKeeping(t *testing.T) {
	s := newSpool(t)
	large := append(mailboxtest.Mail(2), bytes.Repeat([]byte("0123456789abcdef\r\n"), 200_000)...)
	s.deliver(mailboxtest.Mail(1))
	s.deliver(large)
	src, err := mbox.Open(s.path)
	check(t, err)
	defer src.Close()
	var got []string
	check(t, src.Fetch(t.Context(), wanting(nil), func(_ context.Context, raw mailbox.Raw) error {
		if len(got) == 0 {
			s.deliver(mailboxtest.Mail(3))
			s.rewrite(flagged)
		}
		body, err := io.ReadAll(raw.Body)
		got = append(got, string(body))
		return err
	}))
	if want := []string{string(mailboxtest.Mail(1)), string(large)}; !slices.Equal(got, want) {
		t.Errorf("got %d mails, %.100q", len(got), got)
	}
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "groupmail-*.mail"))
	if check(t, err); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestLocks: whoever holds one of the locks is waited for; what a dead process left is removed.
func TestLocks(t *testing.T) {
	fetch := func(s *spool) (err error) {
		src, err := mbox.Open(s.path)
		check(t, err)
		defer src.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		return src.Fetch(ctx, wanting(nil), func(context.Context, mailbox.Raw) error { return nil })
	}
	lockFile := func(s *spool, content string, age time.Duration) {
		check(t, os.WriteFile(s.path+".lock", []byte(content), 0o600))
		then := time.Now().Add(-age)
		check(t, os.Chtimes(s.path+".lock", then, then))
	}
	for name, test := range map[string]struct {
		lock   func(*spool)
		waited bool
	}{
		"free":                  {func(*spool) {}, false},
		"a lock file":           {func(s *spool) { lockFile(s, "", 0) }, true},
		"of a living process":   {func(s *spool) { lockFile(s, "1\n", time.Minute) }, true},
		"of a dead process":     {func(s *spool) { lockFile(s, "2147483646\n", time.Minute) }, false},
		"forgotten for minutes": {func(s *spool) { lockFile(s, "", 6*time.Minute) }, false},
		"fcntl": {func(s *spool) {
			f, err := os.OpenFile(s.path, os.O_RDWR, 0)
			check(t, err)
			t.Cleanup(func() { _ = f.Close() })
			check(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}))
		}, true},
		"fcntl of a reader": {func(s *spool) {
			f, err := os.Open(s.path)
			check(t, err)
			t.Cleanup(func() { _ = f.Close() })
			check(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_RDLCK}))
		}, false},
	} {
		s := newSpool(t)
		s.deliver(mailboxtest.Mail(1))
		test.lock(s)
		if err := fetch(s); errors.Is(err, context.DeadlineExceeded) != test.waited || !test.waited && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err := os.Stat(s.path + ".lock")
		if left := err == nil; left != strings.Contains(name, "a lock file") && left != strings.Contains(name, "living") {
			t.Errorf("%s: a lock file is left: %v", name, left)
		}
	}
}

func TestOpenRefusals(t *testing.T) {
	dir := t.TempDir()
	for what, test := range map[string]struct{ path, hint string }{
		"no folder": {filepath.Join(dir, "none", "help"), "its folder is not there"},
		"a folder":  {dir, `maildir = "`},
	} {
		if _, err := mbox.Open(test.path); err == nil || !strings.Contains(err.Error(), test.hint) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if raws, _ := fetched(t, ""); len(raws) != 0 {
		t.Error("an empty file holds mail")
	}
}
