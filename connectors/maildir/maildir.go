// Package maildir is the mail source for a Maildir on this machine (https://cr.yp.to/proto/maildir.html)
// and its subfolders as Maildir++ has them (.Sent, .Old.2025).
//
// A mail's name is the unique part of its file's name, before flags and what mail programs add to it:
// it survives new → cur and every change of flags, needs no file to be read, and is another when
// somebody moves the mail out and back in, which reopens its conversation. A digest could not tell
// that.
//
// Other programs rename files all the time. Nothing here believes that a path that was listed is
// still there.
//
// Start reading at Open, then Mailbox.Fetch.
package maildir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"groupmail/connectors/account"
	"groupmail/connectors/mailbox"
	"groupmail/connectors/mailbox/changes"
	"groupmail/ticketing"
)

// Mailbox is an open Maildir. It implements mailbox.Source, Waiter, Settler and Prober.
type Mailbox struct {
	path     string
	validity string // as the ledger last said
	files    map[string]file
	changes  *changes.Watch
}

var (
	_ mailbox.Source  = (*Mailbox)(nil)
	_ mailbox.Waiter  = (*Mailbox)(nil)
	_ mailbox.Settler = (*Mailbox)(nil)
	_ mailbox.Prober  = (*Mailbox)(nil)
)

// file is where a mail was last seen.
type file struct {
	unique string
	sub    string // "new" or "cur"
	name   string
	at     time.Time // when it was delivered, as its name says; zero if it does not
}

// Open looks whether path is a Maildir that can be read. Its errors need a person.
func Open(path string) (*Mailbox, error) {
	m := &Mailbox{path: path}
	watched := []string{filepath.Join(path, "new"), filepath.Join(path, "cur")}
	for _, sub := range watched {
		if _, err := os.ReadDir(sub); err != nil {
			return nil, m.trouble("open", err)
		}
	}
	m.changes = changes.New(watched...)
	return m, nil
}

// Close implements mailbox.Source.
func (m *Mailbox) Close() error {
	m.changes.Close()
	return nil
}

func (m *Mailbox) trouble(doing string, err error) error {
	if err == nil {
		return nil
	}
	t := &account.Trouble{Doing: "maildir " + m.path + ": " + doing, Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		t.Cure = "name a folder that holds new, cur and tmp"
	case errors.Is(err, fs.ErrPermission):
		t.Cure = "let the user that runs GroupMail read and write there, for instance by a group"
	}
	return t
}

// unique is the part of a file's name that stays; empty for one that is no mail. Flags come after a
// colon (or a semicolon, where a file system has none), and mail programs add fields after a comma
// (",S=1234", ",U=7").
func unique(name string) string {
	if strings.HasPrefix(name, ".") {
		return ""
	}
	if i := strings.IndexAny(name, ",:;"); i >= 0 {
		name = name[:i]
	}
	return name
}

// delivered reads the time from a unique name: seconds, perhaps with microseconds, as in
// 1204680122.M365312P27423.host.
func delivered(unique string) time.Time {
	seconds, rest, _ := strings.Cut(unique, ".")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || n < 1e8 || n > 1e11 {
		return time.Time{}
	}
	micros := int64(0)
	if i := strings.IndexByte(rest, 'M'); i >= 0 {
		digits := rest[i+1:]
		if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
			digits = digits[:end]
		}
		if micros, err = strconv.ParseInt(digits, 10, 64); err != nil || micros >= 1e6 {
			micros = 0
		}
	}
	return time.Unix(n, micros*1000).UTC()
}

// list lists all mails, oldest first.
func (m *Mailbox) list(ctx context.Context) ([]file, error) {
	const tries = 5
	for try := 1; ; try++ {
		before := m.times()
		files, err := m.listOnce()
		// A file that is renamed meanwhile may be in neither or in both.
		if err != nil || try == tries || before == m.times() {
			return files, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// times change with every renaming.
func (m *Mailbox) times() (t [2]time.Time) {
	for i, sub := range []string{"new", "cur"} {
		if info, err := os.Stat(filepath.Join(m.path, sub)); err == nil {
			t[i] = info.ModTime()
		}
	}
	return t
}

func (m *Mailbox) listOnce() ([]file, error) {
	found := map[string]file{}
	for _, sub := range []string{"new", "cur"} { // in the direction in which they move
		entries, err := os.ReadDir(filepath.Join(m.path, sub))
		if err != nil {
			return nil, m.trouble("list", err)
		}
		for _, e := range entries {
			if u := unique(e.Name()); u != "" && !e.IsDir() {
				found[u] = file{unique: u, sub: sub, name: e.Name(), at: delivered(u)}
			}
		}
	}
	files := make([]file, 0, len(found))
	for u, f := range found {
		if f.at.IsZero() { // no such name as the rules want
			if info, err := os.Stat(m.place(f)); err == nil {
				f.at = info.ModTime().UTC()
				found[u] = f
			}
		}
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b file) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return strings.Compare(a.unique, b.unique)
	})
	m.files = found
	return files, nil
}

func (m *Mailbox) place(f file) string { return filepath.Join(m.path, f.sub, f.name) }

func (m *Mailbox) ref(unique string) ticketing.Ref {
	return ticketing.Ref{Validity: m.validity, UID: unique}
}

// Fetch implements mailbox.Source.
func (m *Mailbox) Fetch(ctx context.Context, ledger mailbox.Ledger, keep func(context.Context, mailbox.Raw) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	files, err := m.list(ctx)
	if err != nil {
		return err
	}
	names := &ticketing.Listing{}
	for _, f := range files {
		names.UIDs = append(names.UIDs, f.unique)
	}
	names.Received = func(context.Context) (all []time.Time, _ error) {
		for _, f := range files {
			all = append(all, f.at)
		}
		return all, nil
	}
	window, err := ledger.Look(ctx, ticketing.Box{Count: len(files), Names: names})
	if err != nil {
		return err
	}
	m.validity = window.Validity
	const askAtOnce = 500
	for part := range slices.Chunk(names.UIDs, askAtOnce) {
		refs := make([]ticketing.Ref, len(part))
		for i, u := range part {
			refs[i] = m.ref(u)
		}
		wanted, err := ledger.Unknown(ctx, refs)
		if err != nil {
			return err
		}
		for _, ref := range wanted {
			if err := m.hand(ctx, ref, keep); err != nil {
				return err
			}
		}
	}
	return nil
}

// hand hands one mail over, if it is still there.
func (m *Mailbox) hand(ctx context.Context, ref ticketing.Ref, keep func(context.Context, mailbox.Raw) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	raw := mailbox.Raw{Ref: ref, Received: m.files[ref.UID].at, Size: -1}
	f, err := m.openFile(ctx, ref.UID)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		raw.Body = &body{err: m.unreadable(err)}
		return keep(ctx, raw)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		return nil // nobody's mail: reading a pipe would never end
	}
	if err == nil {
		raw.Size = info.Size()
	}
	raw.Body = &body{m: m, r: f}
	return keep(ctx, raw)
}

// openFile opens a mail wherever it is by now; fs.ErrNotExist if it is gone.
func (m *Mailbox) openFile(ctx context.Context, unique string) (*os.File, error) {
	var f *os.File
	err := m.whereItIs(ctx, unique, func(at file) (err error) {
		f, err = os.OpenFile(m.place(at), os.O_RDONLY|nonBlocking, 0)
		return err
	})
	return f, err
}

// whereItIs does something with a mail's file, again if another program has renamed it meanwhile;
// fs.ErrNotExist if it is gone.
func (m *Mailbox) whereItIs(ctx context.Context, unique string, do func(file) error) error {
	const tries = 5
	for try := 1; ; try++ {
		at, ok := m.files[unique]
		if !ok && try > 1 {
			return fs.ErrNotExist
		}
		err := fs.ErrNotExist
		if ok {
			err = do(at)
		}
		if !vanished(err) || try == tries {
			return err
		}
		if _, err := m.list(ctx); err != nil {
			return err
		}
	}
}

func (m *Mailbox) unreadable(err error) error {
	return fmt.Errorf("%w: %w", mailbox.ErrUnreadable, m.trouble("read a mail", err))
}

// body reads a mail's file. What goes wrong concerns this mail.
type body struct {
	m   *Mailbox
	r   io.Reader
	err error
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		b.err = b.m.unreadable(err)
		err = b.err
	}
	return n, err
}

// Probe implements mailbox.Prober: it reads the beginning of the newest mails that are not named,
// until it gets one.
func (m *Mailbox) Probe(ctx context.Context, except []ticketing.Ref) error {
	const tries = 3
	files, err := m.list(ctx)
	if err != nil {
		return err
	}
	err = errors.New("maildir: there is no other mail to try")
	tried := 0
	for _, f := range slices.Backward(files) {
		if slices.Contains(except, m.ref(f.unique)) {
			continue
		}
		if tried++; tried > tries {
			break
		}
		var opened *os.File
		if opened, err = m.openFile(ctx, f.unique); err != nil {
			continue
		}
		_, err = opened.Read(make([]byte, 1024))
		_ = opened.Close()
		if err == nil {
			return nil
		}
	}
	return err
}

// Wait implements mailbox.Waiter.
func (m *Mailbox) Wait(ctx context.Context) error {
	return m.trouble("wait for mail", m.changes.Wait(ctx, func(name string) bool {
		u := unique(name)
		_, known := m.files[u]
		return u != "" && !known // a change of flags is no news
	}))
}
