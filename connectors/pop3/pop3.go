// Package pop3 is the mail source for POP3 servers (RFC 1939, RFC 2449): it picks mail up, leaves it
// on the server, and deletes it there when that is its fate. There is no other fate, and nothing
// tells of new mail: it is polled.
//
// A session sees the mailbox as it was at its beginning, and many servers let in nobody else
// meanwhile. So a session lasts for one Fetch, or for the mails that are deleted together; deletions
// count only once the server has answered QUIT (see Mailbox.Commit).
//
// A mail's name is its UIDL. Servers may give mails with the same bytes the same one: the second is
// called …#2.
//
// Start reading at Open, then Mailbox.Fetch.
package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"groupmail/connectors/account"
	"groupmail/connectors/mailbox"
	"groupmail/ticketing"
)

// Mailbox is the mailbox of an account. It implements mailbox.Source, Settler, Committer and Prober.
type Mailbox struct {
	account  account.Account
	validity string   // as the ledger last said
	deleting *session // open between Settle and Commit
	spoiled  error    // why what was marked for deletion since the last Commit may be there still
}

var (
	_ mailbox.Source    = (*Mailbox)(nil)
	_ mailbox.Settler   = (*Mailbox)(nil)
	_ mailbox.Committer = (*Mailbox)(nil)
	_ mailbox.Prober    = (*Mailbox)(nil)
)

// ErrNoUIDL means that a server gives its mails no names that stay.
var ErrNoUIDL = errors.New("the server does not know UIDL")

// Open signs in once. account.ErrLogin, ErrPlaintext, ErrNoTLS and ErrNoUIDL need a person; any other
// error may pass.
func Open(ctx context.Context, a account.Account) (*Mailbox, error) {
	m, _, err := open(ctx, a)
	return m, err
}

// Report is what Check found out about a mailbox that works.
type Report struct {
	Address string // host:port
	TLS     string // version of TLS; empty without
	Count   int    // mails in it
}

// Check signs in as Open does, changing nothing. Its errors are Open's.
func Check(ctx context.Context, a account.Account) (Report, error) {
	m, r, err := open(ctx, a)
	if err != nil {
		return r, err
	}
	return r, m.Close()
}

func open(ctx context.Context, a account.Account) (*Mailbox, Report, error) {
	a, err := a.Speak(account.POP3)
	if err != nil {
		return nil, Report{}, err
	}
	m := &Mailbox{account: a}
	s, err := m.begin(ctx)
	if err != nil {
		return nil, Report{}, err
	}
	defer s.end()
	return m, Report{Address: a.Address(), TLS: s.tls, Count: len(s.names)}, nil
}

// Close implements mailbox.Source. What was not committed stays on the server.
func (m *Mailbox) Close() error {
	if m.deleting != nil {
		m.deleting.drop()
		m.deleting = nil
	}
	return nil
}

// begin opens a session and lists what there is.
func (m *Mailbox) begin(ctx context.Context) (*session, error) {
	s, err := account.Connect(ctx, m.account, connect)
	if err != nil {
		return nil, err
	}
	if err := s.list(); err != nil {
		s.drop()
		return nil, err
	}
	return s, nil
}

// Fetch implements mailbox.Source.
func (m *Mailbox) Fetch(ctx context.Context, ledger mailbox.Ledger, keep func(context.Context, mailbox.Raw) error) error {
	s, err := m.begin(ctx)
	if err != nil {
		return err
	}
	defer s.end()
	listing := &ticketing.Listing{UIDs: s.names, Received: func(context.Context) ([]time.Time, error) { return s.received() }}
	window, err := ledger.Look(ctx, ticketing.Box{Count: len(s.names), Names: listing})
	if err != nil {
		return err
	}
	m.validity = window.Validity
	const askAtOnce = 500
	for part := range slices.Chunk(s.names, askAtOnce) {
		refs := make([]ticketing.Ref, len(part))
		for i, name := range part {
			refs[i] = ticketing.Ref{Validity: m.validity, UID: name}
		}
		wanted, err := ledger.Unknown(ctx, refs)
		if err != nil {
			return err
		}
		for _, ref := range wanted {
			if err := s.hand(ctx, ref, keep); err != nil {
				return err
			}
		}
	}
	return nil
}

// hand hands over one mail.
func (s *session) hand(ctx context.Context, ref ticketing.Ref, keep func(context.Context, mailbox.Raw) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	raw := mailbox.Raw{Ref: ref, Size: -1}
	mail, err := s.retrieve(s.number[ref.UID])
	if isRefusal(err) {
		raw.Body = &failing{fmt.Errorf("%w: %w", mailbox.ErrUnreadable, s.trouble("read mail "+ref.UID, err))}
		return keep(ctx, raw)
	}
	if err != nil {
		err = s.trouble("read mail", err)
		raw.Body = &failing{err}
		if kept := keep(ctx, raw); kept != nil {
			return kept
		}
		return err
	}
	raw.Received, raw.Body = mail.received(), mail
	if err := keep(ctx, raw); err != nil {
		s.drop() // the rest of the mail is not waited for
		return err
	}
	_, err = io.Copy(io.Discard, mail)
	return err
}

// retrieve begins to read a mail, by TOP where the server announces it: RETR makes many servers (Dovecot,
// Exchange) mark the mail as read, for everybody who reads it by IMAP.
func (s *session) retrieve(n int) (*text, error) {
	if _, announced := s.caps["TOP"]; announced {
		const allLines = 99_999_999
		if mail, err := s.text(fmt.Sprintf("TOP %d %d", n, allLines)); !isRefusal(err) {
			return mail, err
		}
	}
	return s.text(fmt.Sprintf("RETR %d", n))
}

// failing is the body of a mail that cannot be had.
type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// Probe implements mailbox.Prober: it reads the beginning of the newest mails that are not named,
// until it gets one.
func (m *Mailbox) Probe(ctx context.Context, except []ticketing.Ref) error {
	const tries = 3
	s, err := m.begin(ctx)
	if err != nil {
		return err
	}
	defer s.end()
	err = mailbox.ErrNoOther // of a server that has named and counted what it has
	tried := 0
	for _, name := range slices.Backward(s.names) {
		if slices.Contains(except, ticketing.Ref{Validity: m.validity, UID: name}) {
			continue
		}
		if tried++; tried > tries {
			break
		}
		command := "RETR %d"
		if s.has("TOP") {
			command = "TOP %d 0"
		}
		var mail *text
		if mail, err = s.text(fmt.Sprintf(command, s.number[name])); err == nil {
			_, err = io.Copy(io.Discard, mail)
		}
		if err == nil || !isRefusal(err) {
			return s.trouble("try another mail", err)
		}
	}
	return err
}

// Settle implements mailbox.Settler. What it deletes is gone only after Commit.
func (m *Mailbox) Settle(ctx context.Context, ref ticketing.Ref, fate ticketing.Fate) error {
	switch fate {
	case "", "leave":
		return nil
	case "delete":
	default:
		return fmt.Errorf("pop3: fate %q: %w", fate, mailbox.ErrCannot)
	}
	if ref.Validity != m.validity {
		return nil
	}
	if m.deleting == nil {
		s, err := m.begin(ctx)
		if err != nil {
			return err
		}
		m.deleting = s
	}
	s := m.deleting
	n, there := s.number[ref.UID]
	switch {
	case !there:
		return nil
	case s.twins[ref.UID]:
		return &account.Trouble{
			Doing: m.account.Doing("delete mail " + ref.UID), Err: mailbox.ErrCannot,
			Cure: "the server gives several mails this name, so that it stays open which one is meant",
		}
	}
	if _, err := s.command(fmt.Sprintf("DELE %d", n)); err != nil {
		lost := !isRefusal(err)
		if err = s.trouble("delete mail "+ref.UID, err); lost {
			_ = m.Close()
			m.spoiled = err // what else was marked stays on the server, too
		}
		return err
	}
	delete(s.number, ref.UID) // a second DELE would be refused
	return nil
}

// Commit implements mailbox.Committer by QUIT.
func (m *Mailbox) Commit(context.Context) error {
	s, err := m.deleting, m.spoiled
	m.deleting, m.spoiled = nil, nil
	if s == nil {
		return err
	}
	defer s.drop()
	_, quit := s.command("QUIT")
	return errors.Join(err, s.trouble("delete mail", quit))
}
