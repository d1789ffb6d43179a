package imap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"groupmail/connectors/mailbox"
	"groupmail/ticketing"
)

const (
	// askAtOnce is how many mails the ledger is asked about at a time.
	askAtOnce = 500
	// atOnce is how many mails are requested at a time.
	atOnce = 50
	// reopen is how often the folder is opened anew: some servers neither tell of a folder that was
	// replaced, nor keep counting.
	reopen = 10 * time.Minute
)

// Fetch implements mailbox.Source.
func (m *Mailbox) Fetch(ctx context.Context, ledger mailbox.Ledger, keep func(context.Context, mailbox.Raw) error) error {
	if m.lost {
		return m.lostBy()
	}
	select {
	case <-m.news: // what it told of so far will be found now
	default:
	}
	if time.Since(m.selected) > reopen {
		if err := m.selectFolder(ctx, m.writable); err != nil {
			return err
		}
	} else if err := m.ask(ctx, "poll", func() error { return m.c.Noop().Wait() }); err != nil {
		return err
	}
	box := m.c.Mailbox()
	if box == nil {
		m.lost = true
		return m.trouble("poll", errors.New("the server has closed the folder"))
	}
	count := int(box.NumMessages)
	window, err := ledger.Look(ctx, ticketing.Box{Validity: m.validity, Next: uint32(m.next), Count: count})
	if err != nil || count == 0 {
		return err
	}
	uids, err := m.candidates(ctx, window)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(uids, askAtOnce) {
		wanted, err := m.unknown(ctx, ledger, part)
		if err != nil {
			return err
		}
		for group := range slices.Chunk(wanted, atOnce) {
			if err := m.hand(ctx, group, keep); err != nil {
				return err
			}
		}
	}
	if len(uids) > 0 {
		m.next = max(m.next, uids[len(uids)-1]+1)
	}
	return nil
}

// candidates lists the mails of a window, oldest first.
func (m *Mailbox) candidates(ctx context.Context, window ticketing.Window) ([]imap.UID, error) {
	first := max(1, imap.UID(window.First))
	uids, err := m.search(ctx, &imap.SearchCriteria{UID: []imap.UIDSet{{imap.UIDRange{Start: first}}}})
	if err != nil {
		return nil, err
	}
	// "5:*" means the last mail, too, even if its UID is 3 (RFC 3501 section 6.4.8).
	uids = slices.DeleteFunc(uids, func(uid imap.UID) bool { return uid < first })
	if !window.Since.IsZero() && first > 1 {
		older, err := m.dated(ctx, first, window.Since)
		if err != nil {
			return nil, err
		}
		uids = append(uids, older...)
	}
	slices.Sort(uids)
	return slices.Compact(uids), nil
}

// dated lists the mails below a UID that the server received at a time or later.
func (m *Mailbox) dated(ctx context.Context, below imap.UID, since time.Time) ([]imap.UID, error) {
	uids, err := m.search(ctx, &imap.SearchCriteria{
		UID: []imap.UIDSet{{imap.UIDRange{Start: 1, Stop: below - 1}}},
		// SEARCH knows days alone, in the zone of whoever stored the mail.
		Since: since.UTC().AddDate(0, 0, -2),
	})
	if err != nil {
		return nil, err
	}
	var found []imap.UID
	for part := range slices.Chunk(uids, askAtOnce) {
		about, err := m.about(ctx, part)
		if err != nil {
			return nil, err
		}
		for _, uid := range part {
			// A date that the server did not give may be any.
			if a, ok := about[uid]; ok && (a.received.IsZero() || !a.received.Before(since)) {
				found = append(found, uid)
			}
		}
	}
	return found, nil
}

func (m *Mailbox) search(ctx context.Context, criteria *imap.SearchCriteria) (uids []imap.UID, err error) {
	err = m.ask(ctx, "search", func() error {
		found, err := m.c.UIDSearch(criteria, nil).Wait()
		if err == nil {
			uids = found.AllUIDs()
		}
		return err
	})
	return uids, err
}

// unknown asks the ledger which mails it wants.
func (m *Mailbox) unknown(ctx context.Context, ledger mailbox.Ledger, uids []imap.UID) ([]imap.UID, error) {
	refs := make([]ticketing.Ref, len(uids))
	for i, uid := range uids {
		refs[i] = m.ref(uid)
	}
	refs, err := ledger.Unknown(ctx, refs)
	if err != nil {
		return nil, err
	}
	var wanted []imap.UID
	for _, ref := range refs {
		if uid, ok := m.uid(ref); ok {
			wanted = append(wanted, uid)
		}
	}
	return wanted, nil
}

func (m *Mailbox) ref(uid imap.UID) ticketing.Ref {
	return ticketing.Ref{Validity: m.validity, UID: strconv.FormatUint(uint64(uid), 10)}
}

// uid is the inverse of ref; false for a mail of another UIDVALIDITY.
func (m *Mailbox) uid(ref ticketing.Ref) (imap.UID, bool) {
	n, err := strconv.ParseUint(ref.UID, 10, 32)
	return imap.UID(n), err == nil && n > 0 && ref.Validity == m.validity
}

// about is what is known of a mail before its body.
type about struct {
	received time.Time
	size     int64
}

// about asks for the dates and sizes of mails. Those that are gone are left out.
func (m *Mailbox) about(ctx context.Context, uids []imap.UID) (map[imap.UID]about, error) {
	found := map[imap.UID]about{}
	err := m.ask(ctx, "read dates", func() error {
		got, err := m.c.Fetch(imap.UIDSetNum(uids...), aboutItems).Collect()
		for _, g := range got {
			// A change of flags that the server tells of meanwhile may come as an answer of its own.
			a := found[g.UID]
			if !g.InternalDate.IsZero() {
				a.received = g.InternalDate
			}
			a.size = max(a.size, g.RFC822Size)
			found[g.UID] = a
		}
		return err
	})
	return found, err
}

var (
	aboutItems = &imap.FetchOptions{UID: true, InternalDate: true, RFC822Size: true}
	// Peek, so that the mail stays as unread as it was.
	bodyItems = &imap.FetchOptions{
		UID: true, InternalDate: true, RFC822Size: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	}
)

// batch is one request for a few mails, and what came of it.
type batch struct {
	m     *Mailbox
	ctx   context.Context
	keep  func(context.Context, mailbox.Raw) error
	known map[imap.UID]about
	left  []imap.UID // not handed over yet, oldest first
}

// hand gives a few mails to keep.
func (m *Mailbox) hand(ctx context.Context, uids []imap.UID, keep func(context.Context, mailbox.Raw) error) error {
	b := &batch{m: m, ctx: ctx, keep: keep, known: map[imap.UID]about{}, left: slices.Clone(uids)}
	if m.datesApart {
		about, err := m.about(ctx, uids)
		if err != nil && !isRefusal(err) {
			return err
		}
		b.known = about
	}
	refused, err := b.request(uids)
	if err != nil {
		return err
	}
	// The server left these out: they are gone, or it will not or cannot send them, or go-imap took
	// news of their flags for them. One by one, each refusal names its mail.
	for _, uid := range slices.Clone(b.left) {
		there, err := m.exists(ctx, uid)
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		b.left = []imap.UID{uid}
		why, err := b.request(b.left)
		if err != nil {
			return err
		}
		if len(b.left) > 0 {
			if err := b.unreadable(uid, cmp.Or(why, refused, errNothing)); err != nil {
				return err
			}
		}
	}
	return nil
}

var errNothing = errors.New("the server sends nothing of it")

// request asks for mails and hands over those that come. It returns the server's refusal of some,
// and an error if keep or the connection failed.
//
// One command at a time: Dovecot answers the second before it acknowledges the first, and go-imap
// then waits for ever.
func (b *batch) request(uids []imap.UID) (refusal, err error) {
	m := b.m
	if m.lost || b.ctx.Err() != nil {
		return nil, cmp.Or(b.ctx.Err(), m.lostBy())
	}
	unhook := context.AfterFunc(b.ctx, func() { _ = m.conn.Close() })
	answer := m.request(imap.UIDSetNum(uids...), bodyItems)
	defer func() {
		ended := !unhook()
		if ended && err == nil {
			err = b.ctx.Err()
		}
		if err != nil {
			m.lost = true
			_ = m.conn.Close()
			_ = answer.close()
		}
	}()
	for {
		uid, a, literal := answer.next()
		if literal == nil {
			break
		}
		if !slices.Contains(b.left, uid) || literal.left == 0 && a.size > 0 {
			continue
		}
		if a.received.IsZero() {
			a.received = b.known[uid].received
			m.datesApart = true // this server sends them after the mail: too late
		}
		b.known[uid] = a
		if err := b.give(uid, literal); err != nil {
			return nil, err
		}
	}
	err = answer.close()
	if err == nil || isRefusal(err) {
		return err, nil
	}
	err = m.failed(b.ctx, "read mail", err)
	if len(b.left) > 0 && b.ctx.Err() == nil {
		// The connection was lost over this mail, perhaps because of it: its body says so.
		if err := b.keep(b.ctx, b.raw(b.left[0], &failing{err})); err != nil {
			return nil, err
		}
	}
	return nil, err
}

func (b *batch) raw(uid imap.UID, body io.Reader) mailbox.Raw {
	raw := mailbox.Raw{Ref: b.m.ref(uid), Size: -1, Body: body}
	if a, ok := b.known[uid]; ok {
		raw.Received, raw.Size = a.received, a.size
	}
	return raw
}

// give hands over one mail.
func (b *batch) give(uid imap.UID, body *body) error {
	b.left = slices.DeleteFunc(b.left, func(u imap.UID) bool { return u == uid })
	body.ctx = b.ctx
	raw := b.raw(uid, body)
	raw.Size = body.left
	err := b.keep(b.ctx, raw)
	if err == nil && !errors.Is(body.err, io.EOF) {
		err = body.err // whatever keep thinks of it, the connection is lost
	}
	body.err = errLate
	return err
}

var errLate = errors.New("imap: a mail's body is read after its time")

// unreadable hands over a mail that the server does not.
func (b *batch) unreadable(uid imap.UID, why error) error {
	return b.keep(b.ctx, b.raw(uid, &failing{
		fmt.Errorf("%w: %w", mailbox.ErrUnreadable, b.m.trouble("read mail "+b.m.ref(uid).UID, why)),
	}))
}

// exists tells whether a mail is still there.
func (m *Mailbox) exists(ctx context.Context, uid imap.UID) (bool, error) {
	if err := m.ask(ctx, "poll", func() error { return m.c.Noop().Wait() }); err != nil {
		return false, err
	}
	found, err := m.search(ctx, &imap.SearchCriteria{UID: []imap.UIDSet{imap.UIDSetNum(uid)}})
	return slices.Contains(found, uid), err
}

// failed says why reading failed.
func (m *Mailbox) failed(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	m.lost = true
	err = m.trouble(doing, err)
	m.why = cmp.Or(m.why, err)
	return err
}

// waitFor expects something from the server while f runs.
func (m *Mailbox) waitFor(f func() error) error {
	m.conn.Expect(m.cfg.Timeout)
	defer m.conn.Expect(0)
	return f()
}

// isRefusal tells an answer of NO or BAD, after which the connection goes on, from a lost one.
func isRefusal(err error) bool {
	var refused *imap.Error
	return errors.As(err, &refused)
}

// failing is the body of a mail that cannot be had.
type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// answer is what comes for one FETCH.
type answer struct {
	m      *Mailbox
	cmd    *imapclient.FetchCommand
	broken bool // while a literal was read
}

func (m *Mailbox) request(set imap.NumSet, items *imap.FetchOptions) *answer {
	a := &answer{m: m}
	_ = m.waitFor(func() error {
		a.cmd = m.c.Fetch(set, items)
		return nil
	})
	return a
}

// next returns the next literal, and what came with it before. The literal is nil after the last.
func (a *answer) next() (uid imap.UID, with about, literal *body) {
	if a.broken {
		return 0, about{}, nil
	}
	_ = a.m.waitFor(func() error {
		for msg := a.cmd.Next(); msg != nil; msg = a.cmd.Next() {
			uid, with = 0, about{}
			for item := msg.Next(); item != nil; item = msg.Next() {
				switch item := item.(type) {
				case imapclient.FetchItemDataUID:
					uid = item.UID
				case imapclient.FetchItemDataInternalDate:
					with.received = item.Time
				case imapclient.FetchItemDataRFC822Size:
					with.size = item.Size
				case imapclient.FetchItemDataBodySection:
					if item.Literal != nil {
						literal = &body{answer: a, ctx: context.Background(), literal: item.Literal, left: item.Literal.Size()}
						return nil
					}
				}
			}
		}
		return nil
	})
	return uid, with, literal
}

// close reads and drops the rest: else go-imap would wait for somebody to read it, for ever. Only
// after a literal has failed it does not, and would read it a second time.
func (a *answer) close() error {
	if a.broken {
		_ = a.m.conn.Close()
		<-a.m.c.Closed()
		return a.m.lostBy()
	}
	return a.m.waitFor(a.cmd.Close)
}

// body reads a literal.
type body struct {
	answer  *answer
	ctx     context.Context
	literal imap.LiteralReader
	left    int64
	err     error
}

func (r *body) Read(p []byte) (n int, err error) {
	if r.err != nil {
		return 0, r.err
	}
	m := r.answer.m
	_ = m.waitFor(func() error {
		n, err = r.literal.Read(p)
		return nil
	})
	r.left -= int64(n)
	if errors.Is(err, io.EOF) && r.left > 0 {
		err = io.ErrUnexpectedEOF // go-imap takes a connection's end for the mail's
	}
	if err != nil && !errors.Is(err, io.EOF) {
		r.answer.broken = true
		err = m.failed(r.ctx, "read a mail", err)
	}
	r.err = err
	return n, err
}

// Probe implements mailbox.Prober: it reads the beginning of the newest mails that are not named,
// until it gets one. Where the folder has no other, it looks into the account's other folders.
func (m *Mailbox) Probe(ctx context.Context, except []ticketing.Ref) error {
	tried, err := m.readsAny(ctx, except)
	if tried || err != nil {
		return err
	}
	f, err := m.list(ctx)
	if err != nil {
		return err
	}
	const folders = 10
	var failed error
	for _, l := range f.list[:min(folders, len(f.list))] {
		if !selectable(l) || l.Mailbox == m.folder || strings.EqualFold(l.Mailbox, "INBOX") && strings.EqualFold(m.folder, "INBOX") {
			continue
		}
		err := m.ask(ctx, "open "+l.Mailbox, func() error {
			_, err := m.c.Select(l.Mailbox, &imap.SelectOptions{ReadOnly: true}).Wait()
			return err
		})
		tried := err != nil
		if err == nil {
			tried, err = m.readsAny(ctx, nil)
		}
		if m.lost {
			return err
		}
		if tried && err == nil {
			return m.selectFolder(ctx, m.writable)
		}
		// It may be the same mail: with Gmail a folder is a label.
		failed = cmp.Or(failed, err)
	}
	if err := m.selectFolder(ctx, m.writable); err != nil {
		return err
	}
	var uids []imap.UID
	for _, ref := range except {
		if uid, ok := m.uid(ref); ok {
			uids = append(uids, uid)
		}
	}
	if len(uids) > 0 {
		if _, err := m.about(ctx, uids); err != nil {
			return err
		}
	}
	return cmp.Or(failed, mailbox.ErrNoOther)
}

// readsAny reads the beginning of the open folder's newest mails, but for some, until it gets one;
// false if there is none.
func (m *Mailbox) readsAny(ctx context.Context, except []ticketing.Ref) (tried bool, err error) {
	const tries = 3
	uids, err := m.search(ctx, &imap.SearchCriteria{})
	if err != nil {
		return false, err
	}
	uids = slices.DeleteFunc(uids, func(uid imap.UID) bool { return slices.Contains(except, m.ref(uid)) })
	slices.SortFunc(uids, func(a, b imap.UID) int { return cmp.Compare(b, a) })
	for _, uid := range uids[:min(tries, len(uids))] {
		some := false
		err = m.ask(ctx, "try another mail", func() error {
			return m.literals(imap.UIDSetNum(uid), &imap.FetchItemBodySection{
				Peek: true, Partial: &imap.SectionPartial{Size: 1024},
			}, func(b []byte) { some = some || len(b) > 0 })
		})
		if err == nil && some {
			return true, nil
		}
		if m.lost {
			return true, err
		}
		if err == nil {
			err = errors.New("imap: the server sends nothing of other mail either")
		}
	}
	return len(uids) > 0, err
}

// literals reads a section of mails into memory.
func (m *Mailbox) literals(set imap.NumSet, section *imap.FetchItemBodySection, each func([]byte)) error {
	answer := m.request(set, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}})
	for _, _, literal := answer.next(); literal != nil; _, _, literal = answer.next() {
		b, err := io.ReadAll(literal)
		if err != nil {
			_ = answer.close()
			return err
		}
		each(b)
	}
	return answer.close()
}
