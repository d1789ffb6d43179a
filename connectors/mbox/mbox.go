// Package mbox is the mail source for a spool file on this machine in mbox format (RFC 4155), such as
// /var/mail/help, into which a mail server delivers and which mail programs rewrite.
//
// It reads only: no fate can be carried out, since a spool cannot be rewritten in a way that
// survives a crash at any moment as well as other programs that have it open. A mail's name is the
// digest of its bytes without what mail programs keep in it (Status, X-…): it stays when they rewrite
// the file. Of mails with the same bytes the second is called …#2.
//
// The file is locked, as mail servers lock it, only while it is scanned and while mails are copied
// out of it, never while they are kept.
//
// Start reading at Open, then Mailbox.Fetch.
package mbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"groupmail/connectors/account"
	"groupmail/connectors/mailbox"
	"groupmail/connectors/mailbox/changes"
	"groupmail/ticketing"
)

// Mailbox is a spool file. It implements mailbox.Source and Waiter.
type Mailbox struct {
	path    string
	changes *changes.Watch
	patient time.Duration // how long others may hold the lock

	seen    fs.FileInfo // the file when it was last scanned; nil if it was not there
	entries []entry     // what it held
	named   map[string]int
}

var (
	_ mailbox.Source = (*Mailbox)(nil)
	_ mailbox.Waiter = (*Mailbox)(nil)
)

const (
	// copied is how many bytes of mails are copied out of the file under one lock, unless a single
	// mail is larger.
	copied = 4 << 20
	// inMemory is how large a mail may be, in bytes, to be copied into memory; others go to a file.
	inMemory = 1 << 20
	// patience is how long another program may hold the lock.
	patience = 30 * time.Second
)

// Open looks whether the file can be read. A file that is not there is an empty mailbox, if its
// folder is: mail servers make it with the first mail. Its errors need a person.
func Open(path string) (*Mailbox, error) {
	m := &Mailbox{path: path, patient: patience}
	folder := filepath.Dir(path)
	if _, err := os.Stat(folder); err != nil {
		return nil, m.trouble("open", err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, m.trouble("open", err)
	}
	if err == nil {
		defer f.Close()
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			return nil, m.trouble("open", errNoFile)
		}
	}
	m.changes = changes.New(folder)
	return m, nil
}

var errNoFile = errors.New("this is no file")

// Close implements mailbox.Source.
func (m *Mailbox) Close() error {
	m.changes.Close()
	return nil
}

func (m *Mailbox) trouble(doing string, err error) error {
	var known *account.Trouble
	if err == nil || errors.As(err, &known) {
		return err
	}
	t := &account.Trouble{Doing: "mbox " + m.path + ": " + doing, Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		t.Cure = "check the path: its folder is not there"
	case errors.Is(err, fs.ErrPermission):
		t.Cure = "let the user that runs GroupMail read it, for instance through the group mail"
	case errors.Is(err, errNoFile):
		t.Cure = `name the file that mail is delivered into; for a folder with new, cur and tmp it is maildir = "…"`
	case errors.Is(err, errLocked):
		t.Cure = "if no other program is at work there, remove " + m.path + ".lock"
	}
	return t
}

// Wait implements mailbox.Waiter.
func (m *Mailbox) Wait(ctx context.Context) error {
	base := filepath.Base(m.path)
	return m.trouble("wait for mail", m.changes.Wait(ctx, func(name string) bool { return name == base }))
}

// Fetch implements mailbox.Source.
func (m *Mailbox) Fetch(ctx context.Context, ledger mailbox.Ledger, keep func(context.Context, mailbox.Raw) error) error {
	if err := m.locked(ctx, m.scan); err != nil {
		return m.trouble("read", err)
	}
	names, received := &ticketing.Listing{}, []time.Time(nil)
	for _, e := range m.entries {
		names.UIDs, received = append(names.UIDs, e.name), append(received, e.at)
	}
	names.Received = func(context.Context) ([]time.Time, error) { return received, nil }
	window, err := ledger.Look(ctx, ticketing.Box{Count: len(names.UIDs), Names: names})
	if err != nil {
		return err
	}
	const askAtOnce = 500
	for part := range slices.Chunk(names.UIDs, askAtOnce) {
		refs := make([]ticketing.Ref, len(part))
		for i, name := range part {
			refs[i] = ticketing.Ref{Validity: window.Validity, UID: name}
		}
		wanted, err := ledger.Unknown(ctx, refs)
		for len(wanted) > 0 && err == nil {
			wanted, err = m.hand(ctx, wanted, keep)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hand hands over some of the wanted mails, and returns the rest.
func (m *Mailbox) hand(ctx context.Context, wanted []ticketing.Ref, keep func(context.Context, mailbox.Raw) error) ([]ticketing.Ref, error) {
	var copies []*extract
	defer func() {
		for _, c := range copies {
			c.close()
		}
	}()
	done := 0
	err := m.locked(ctx, func(f *os.File) error {
		if err := m.scan(f); err != nil {
			return err
		}
		total := int64(0)
		for done < len(wanted) && (total == 0 || total < copied) {
			ref := wanted[done]
			done++
			i, there := m.named[ref.UID]
			if !there {
				continue // taken away by another program
			}
			e := m.entries[i]
			c, err := e.copy(f)
			if err != nil {
				return err
			}
			c.ref, c.at = ref, e.at
			copies, total = append(copies, c), total+c.size
		}
		return nil
	})
	if err != nil {
		return nil, m.trouble("read mails", err)
	}
	for _, c := range copies {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := keep(ctx, mailbox.Raw{Ref: c.ref, Received: c.at, Size: c.size, Body: unescaped(c)}); err != nil {
			return nil, err
		}
	}
	return wanted[done:], nil
}

// extract is a mail that was copied out of the file.
type extract struct {
	io.Reader
	ref  ticketing.Ref
	at   time.Time
	size int64    // in bytes, escaped
	file *os.File // if it is large
}

func (c *extract) close() {
	if c.file != nil {
		_ = c.file.Close()
		_ = os.Remove(c.file.Name()) // gone already where open files can be removed
	}
}

// copy copies a mail, without its From line.
func (e entry) copy(f *os.File) (*extract, error) {
	c := &extract{size: e.end - e.body}
	from := io.NewSectionReader(f, e.body, c.size)
	if c.size <= inMemory {
		b := make([]byte, c.size)
		if _, err := io.ReadFull(from, b); err != nil {
			return nil, err
		}
		c.Reader = bytes.NewReader(b)
		return c, nil
	}
	file, err := os.CreateTemp("", "groupmail-*.mail")
	if err != nil {
		return nil, fmt.Errorf("copy a mail: %w", err)
	}
	c.file = file
	_ = os.Remove(file.Name()) // where that is not possible, close does it
	if n, err := io.Copy(file, from); err != nil || n != c.size {
		c.close()
		return nil, fmt.Errorf("copy a mail: %w", errors.Join(err, io.ErrUnexpectedEOF))
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		c.close()
		return nil, err
	}
	c.Reader = file
	return c, nil
}
