package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"groupmail/connectors/account"
	"groupmail/connectors/imap"
	"groupmail/connectors/mailbox"
	"groupmail/connectors/maildir"
	"groupmail/connectors/mbox"
	"groupmail/connectors/pop3"
	"groupmail/ticketing"
)

// Kinds of places where mail is read. Each is the setting that names it; a mailbox has one.
const (
	fromIMAP    = "imap"
	fromPOP3    = "pop3"
	fromMbox    = "mbox"
	fromMaildir = "maildir"
)

// fatesOf are what can happen to a mail at each, as they begin, and what to do where nothing can.
var fatesOf = map[string]struct {
	kinds []string
	hint  string
}{
	fromIMAP:    {[]string{"leave", "seen", "delete", "move", "keyword"}, ""},
	fromPOP3:    {[]string{"leave", "delete"}, "POP3 knows neither marks nor folders: read the mailbox by imap for that."},
	fromMbox:    {[]string{"leave"}, "GroupMail never writes into a spool: let a mail program or logrotate clear it, or read a Maildir."},
	fromMaildir: {[]string{"leave", "seen", "delete", "move"}, "A Maildir keeps no keywords."},
}

// source reads where a mailbox's mail comes from.
func (p *configParser) source(s *section, m *MailboxConfig, group string) {
	var kinds []string
	for _, kind := range []string{fromIMAP, fromPOP3, fromMbox, fromMaildir} {
		if s.keys[kind] != nil {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) > 1 {
		s.fault(kinds[1], "the mail is read by %s already. A mailbox has one place where mail is read: remove one, or make it a mailbox of its own.", kinds[0])
	}
	m.From = fromIMAP
	if len(kinds) > 0 {
		m.From = kinds[0]
	} else {
		s.missing("imap", `Where is the mail read? Add imap = { host = "imap.example.org", password = "env:NAME" }, or pop3, mbox or maildir.`)
	}
	m.Poll = time.Minute
	where := ""
	imap, pop := s.one(fromIMAP), s.one(fromPOP3)
	path := map[string]string{fromMbox: s.path(fromMbox, "/var/mail/help"), fromMaildir: s.path(fromMaildir, "/home/help/Maildir")}[m.From]
	switch {
	case m.From == fromIMAP && imap != nil:
		imap.where, imap.prefix = s.where, "imap."
		m.IMAP = p.account(imap, Account{User: m.Address.Addr}, account.IMAP, m.Name)
		m.Folder = imap.text("folder", "INBOX", "INBOX")
		imap.password(m.IMAP)
		where = strings.Join([]string{m.IMAP.Host, m.IMAP.User, m.Folder}, "\x00")
	case m.From == fromPOP3 && pop != nil:
		pop.where, pop.prefix = s.where, "pop3."
		m.POP3 = p.account(pop, Account{User: m.Address.Addr}, account.POP3, m.Name)
		m.Folder, m.Poll = "INBOX", 2*time.Minute // each look is a sign-in
		if o := m.POP3.OAuth; o != nil && o.Provider.Name == "microsoft" {
			pop.fault("oauth", "the sign-in at Microsoft is for IMAP and SMTP. Read this mailbox by imap, which also tells of new mail at once.")
		}
		pop.password(m.POP3)
		where = strings.Join([]string{m.POP3.Host, m.POP3.User, m.Folder}, "\x00")
	case path != "":
		m.Folder, m.Path, where = path, path, path
	}
	if before, twice := p.folders[where]; twice && !strings.HasPrefix(where, "\x00") {
		as := m.Folder
		if user := m.reader().User; user != "" {
			as += " of " + user
		}
		s.faults.add(s.keys[m.From].line, "%sthe mailbox in line %d reads the same folder %s. Each mail would come twice: remove one.", s.where, before.line, as)
	}
	if where != "" {
		p.folders[where] = place{s.line, group}
	}
	for key, fate := range map[string]ticketing.Fate{"done": m.Done, "spam": m.Junk} {
		can := fatesOf[m.From]
		if kind, _, _ := strings.Cut(string(fate), ":"); !slices.Contains(can.kinds, kind) {
			s.fault(key, "%q cannot be done with %s, only %s. %s", fate, m.From, strings.Join(can.kinds, ", "), can.hint)
		}
	}
	if m.From == fromIMAP {
		return
	}
	if s.keys["sent"] != nil && m.Sent == sentAppend {
		s.fault("sent", "%q needs imap: with %s there is no Sent folder. Use \"server\" if the mail server files copies by itself, or \"none\".", sentAppend, m.From)
	}
	if s.keys["sent_folder"] != nil {
		s.fault("sent_folder", "with %s no Sent folder is read. Leave the line out.", m.From)
	}
	if m.Sent == sentAppend {
		m.Sent, m.FileSent = sentNone, false
	}
}

// password ends a section that cannot do without one.
func (s *section) password(a Account) {
	if !a.Password.Set() && s.keys["oauth"] == nil {
		s.missing("password", `Write "env:NAME" or "file:/path"; Google and Microsoft want oauth instead.`)
	}
	s.end()
}

// path reads a place on this machine.
func (s *section) path(key, example string) string {
	t := s.text(key, "", example)
	if t == "" {
		return ""
	}
	if !filepath.IsAbs(t) {
		s.fault(key, "%q does not begin at the root. Write it like %q.", t, example)
		return ""
	}
	return filepath.Clean(t)
}

// reader is the account by which mail is read; zero for one of files.
func (m MailboxConfig) reader() Account {
	if m.From == fromPOP3 {
		return m.POP3
	}
	return m.IMAP
}

// open opens what is watched.
func (s *signIns) open(ctx context.Context, m MailboxConfig) (mailbox.Source, error) {
	switch m.From {
	case fromPOP3:
		return source(pop3.Open(ctx, s.account(m.POP3)))
	case fromMbox:
		return source(mbox.Open(m.Path))
	case fromMaildir:
		return source(maildir.Open(m.Path))
	}
	return source(imap.Open(ctx, s.imap(m, m.Folder)))
}

// source keeps a nil of its own type from counting as a source.
func source[S mailbox.Source](s S, err error) (mailbox.Source, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// place is what is watched, for people.
func (m MailboxConfig) place() string {
	switch m.From {
	case fromMbox, fromMaildir:
		return m.From + " " + m.Path
	case fromPOP3:
		return "POP3 at " + m.POP3.Host
	}
	return m.Folder + " at " + m.IMAP.Host
}

// noSent is said of mailboxes that have no Sent folder.
const noSent = "no Sent folder is watched: answers from mail programs are not seen"

// readingOther tries a mailbox out that is none of IMAP.
func (s *signIns) readingOther(ctx context.Context, m MailboxConfig) ([]finding, error) {
	what := m.Name + ", reading: "
	text, err := s.tryOther(ctx, m)
	if err != nil {
		return []finding{{bad, what + oneLine(err.Error(), 1000)}}, err
	}
	return []finding{{good, what + text}, {untried, what + noSent}}, nil
}

func (s *signIns) tryOther(ctx context.Context, m MailboxConfig) (string, error) {
	if m.From == fromPOP3 {
		r, err := pop3.Check(ctx, s.account(m.POP3))
		encrypted := "not encrypted"
		if r.TLS != "" {
			encrypted = r.TLS
		}
		return fmt.Sprintf("POP3 at %s (%s) holds %s; it is looked at every %s", r.Address, encrypted, count(r.Count, "mail", "mails"), short(m.Poll)), err
	}
	src, err := s.open(ctx, m)
	if err != nil {
		return "", err
	}
	counted := &counting{}
	err = src.Fetch(ctx, counted, func(context.Context, mailbox.Raw) error { return nil })
	if err = errors.Join(err, src.Close()); err != nil {
		return "", err
	}
	if m.From == fromMaildir && (m.Done != "leave" || m.Junk != "leave") {
		f, err := os.CreateTemp(filepath.Join(m.Path, "tmp"), "groupmail-check-")
		if err != nil {
			return "", fmt.Errorf("mail is to be %s and cannot: %w. Let the user that runs GroupMail write there, for instance by a group", m.fates(), err)
		}
		if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s holds %s", m.place(), count(counted.mails, "mail", "mails")), nil
}

func (m MailboxConfig) fates() string {
	return strings.Join(slices.Compact([]string{string(m.Done), string(m.Junk)}), " or ")
}

// counting is a ledger that wants nothing.
type counting struct{ mails int }

func (c *counting) Look(_ context.Context, box ticketing.Box) (ticketing.Window, error) {
	c.mails = box.Count
	return ticketing.Window{First: 1}, nil
}

func (*counting) Unknown(context.Context, []ticketing.Ref) ([]ticketing.Ref, error) { return nil, nil }
