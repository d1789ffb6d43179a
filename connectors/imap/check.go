package imap

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// Report is what Check found out about a mailbox that works.
type Report struct {
	Address  string // host:port
	TLS      string // version of TLS, "starttls", or empty
	Folder   string // as the server names it
	Count    int    // mails in it
	Validity string // UIDVALIDITY
	Next     uint32 // UIDNEXT
	Sent     string // the Sent folder; empty if none was found
	Trash    string // likewise

	Idle, Move, UIDPlus, SpecialUse bool // extensions
	Keywords                        bool // the server keeps any keyword
	Notes                           []string
}

// Check signs in and opens the folder as Open does, changing nothing. Its errors are Open's. Notes
// say what will not work as well as it could.
func Check(ctx context.Context, cfg Config) (Report, error) {
	m, err := Open(ctx, cfg)
	if err != nil {
		return Report{}, err
	}
	defer m.Close()
	// Only SELECT tells which flags the server keeps; it changes nothing by itself.
	if err := m.selectFolder(ctx, true); err != nil {
		return Report{}, err
	}
	r := Report{
		Address: m.cfg.Address(), TLS: m.tls, Folder: m.folder, Validity: m.validity, Next: uint32(m.next),
		Idle: m.caps.Has(imap.CapIdle), Move: m.caps.Has(imap.CapMove), UIDPlus: m.caps.Has(imap.CapUIDPlus),
		SpecialUse: m.caps.Has(imap.CapSpecialUse),
		Keywords:   slices.Contains(m.permanent, imap.FlagWildcard),
	}
	if box := m.c.Mailbox(); box != nil {
		r.Count = int(box.NumMessages)
	}
	f, err := m.list(ctx)
	if err != nil {
		return r, err
	}
	r.Trash = f.special(`\Trash`)
	if r.Sent, err = m.resolve(ctx, SentFolder); m.lost {
		return r, err
	}
	if !r.Idle {
		r.Notes = append(r.Notes, "the server has no IDLE: new mail is noticed when the mailbox is next polled")
	}
	if !r.UIDPlus && !strings.EqualFold(m.folder, r.Trash) {
		r.Notes = append(r.Notes, "the server has no UIDPLUS: deleted mail is only marked, and goes when a mail program tidies up")
	}
	if r.Sent == "" {
		r.Notes = append(r.Notes, "no Sent folder was found: name one if copies are to be filed")
	}
	return r, nil
}
