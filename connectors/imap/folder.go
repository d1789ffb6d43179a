package imap

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"groupmail/connectors/account"
)

// folders is what a server lists.
type folders struct {
	list   []*imap.ListData
	delim  string // between levels; empty if there is none
	prefix string // of the user's own folders: "INBOX." with Courier and many hosters
}

func (f *folders) has(name string) bool {
	return slices.ContainsFunc(f.list, func(l *imap.ListData) bool {
		return (l.Mailbox == name || strings.EqualFold(name, "INBOX") && strings.EqualFold(l.Mailbox, name)) && selectable(l)
	})
}

func selectable(l *imap.ListData) bool {
	return !slices.ContainsFunc(l.Attrs, func(a imap.MailboxAttr) bool {
		return strings.EqualFold(string(a), string(imap.MailboxAttrNoSelect)) ||
			strings.EqualFold(string(a), string(imap.MailboxAttrNonExistent))
	})
}

// special finds the folder that the server marks with a use such as \Sent.
func (f *folders) special(use string) string {
	for _, l := range f.list {
		if selectable(l) && slices.ContainsFunc(l.Attrs, func(a imap.MailboxAttr) bool { return strings.EqualFold(string(a), use) }) {
			return l.Mailbox
		}
	}
	return ""
}

// names are the folder's possible names on this server: as given, with the server's own delimiter
// instead of a slash, and within the prefix.
func (f *folders) names(name string) []string {
	names := []string{name}
	if f.delim != "" && f.delim != "/" && strings.Contains(name, "/") {
		names = append(names, strings.ReplaceAll(name, "/", f.delim))
	}
	last := names[len(names)-1]
	if f.prefix != "" && !strings.HasPrefix(strings.ToLower(last), strings.ToLower(f.prefix)) {
		names = append(names, f.prefix+last)
	}
	return names
}

// find returns the folder's name as the server has it, or "" and the name under which it would be
// made. That is the last of its possible names: servers with a prefix refuse anything outside it.
func (f *folders) find(name string) (found, wanted string) {
	names := f.names(name)
	for _, n := range names {
		if f.has(n) {
			return n, ""
		}
	}
	return "", names[len(names)-1]
}

// near lists up to five folders whose names resemble the one that was sought, or simply some.
func (f *folders) near(name string) []string {
	name = strings.ToLower(name)
	if i := strings.LastIndexAny(name, "/.\\"); i >= 0 {
		name = name[i+1:]
	}
	type candidate struct {
		name string
		far  int
	}
	var all []candidate
	for _, l := range f.list {
		if !selectable(l) {
			continue
		}
		last := strings.ToLower(l.Mailbox)
		if f.delim != "" {
			last = last[strings.LastIndex(last, f.delim)+1:]
		}
		far := distance([]rune(name), []rune(last))
		if strings.Contains(last, name) || strings.Contains(name, last) {
			far = 0
		}
		all = append(all, candidate{l.Mailbox, far})
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(a.far, b.far) })
	var names []string
	for _, c := range all[:min(5, len(all))] {
		names = append(names, c.name)
	}
	return names
}

// distance is Levenshtein's, over names of bounded length.
func distance(a, b []rune) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		before := row[0]
		row[0] = i + 1
		for j := range b {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}

// list asks for all folders, once a connection.
func (m *Mailbox) list(ctx context.Context) (*folders, error) {
	if m.listed != nil {
		return m.listed, nil
	}
	f := &folders{}
	err := m.ask(ctx, "list folders", func() (err error) {
		var options *imap.ListOptions
		if m.caps.Has(imap.CapSpecialUse) && m.caps.Has(imap.CapListExtended) {
			options = &imap.ListOptions{ReturnSpecialUse: true}
		}
		f.list, err = m.c.List("", "*", options).Collect()
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, l := range f.list {
		if l.Delim != 0 {
			f.delim = string(l.Delim)
			break
		}
	}
	if m.caps.Has(imap.CapNamespace) {
		err := m.ask(ctx, "ask for namespaces", func() error {
			spaces, err := m.c.Namespace().Wait()
			if err == nil && len(spaces.Personal) > 0 {
				f.prefix = spaces.Personal[0].Prefix
			}
			return err
		})
		if m.lost {
			return nil, err
		} // else the server has none to tell
	}
	m.listed = f
	return f, nil
}

// resolve finds a configured folder.
func (m *Mailbox) resolve(ctx context.Context, name string) (string, error) {
	if strings.EqualFold(name, "INBOX") {
		return "INBOX", nil // always there, RFC 3501 section 5.1
	}
	f, err := m.list(ctx)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(name, `\`) {
		if found := f.special(name); found != "" {
			return found, nil
		}
		if name == SentFolder {
			for _, usual := range usualSent {
				if found, _ := f.find(usual); found != "" {
					return found, nil
				}
			}
		}
		return "", m.noFolder(f, name, "the server marks no folder so: name one in the configuration")
	}
	if found, _ := f.find(name); found != "" {
		return found, nil
	}
	return "", m.noFolder(f, name, "check the folder's name")
}

// usualSent are the names of Sent folders on servers that mark none.
var usualSent = []string{"Sent", "Sent Items", "Sent Messages", "Sent Mail", "[Gmail]/Sent Mail"}

func (m *Mailbox) noFolder(f *folders, name, cure string) error {
	if near := f.near(name); len(near) > 0 {
		cure += "; there are " + strings.Join(near, ", ")
	}
	return &account.Trouble{
		Doing: m.cfg.Doing("open " + name), Err: ErrNoFolder, Cure: cure,
	}
}

// create makes a folder and subscribes to it, so that mail programs show it.
func (m *Mailbox) create(ctx context.Context, name string) error {
	m.listed = nil
	return m.ask(ctx, "create "+name, func() error {
		if err := m.c.Create(name, nil).Wait(); err != nil {
			return err
		}
		_ = m.c.Subscribe(name).Wait() // of no importance
		return nil
	})
}
