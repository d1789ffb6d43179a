package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"mime"
	"net"
	"net/mail"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-message/charset"
)

// postOffice keeps the mailboxes of all addresses: in memory by go-imap's test server, and on disk
// as a journal of everything that was done. A change is on disk before anybody sees it, so that
// after a crash no UID means another mail than before: GroupMail would take the new for the old.
type postOffice struct {
	dir  string
	team string // whose mailbox GroupMail watches

	mu      sync.Mutex // one change at a time; the journal's order is the memory's
	journal *os.File
	good    int64 // bytes of the journal that are whole
	next    int   // number of the next letter's file
	bulk    bool  // many changes at once: not each is waited for
	users   map[string]*imapmemserver.User
	letters map[string]map[imap.UID]letter // by user and box
	told    map[chan struct{}]string       // who waits for news, about which user
}

// letter is one mail in a box.
type letter struct {
	UID       imap.UID
	Box       string
	At        time.Time
	File      string
	MessageID string          // with its brackets; may be empty
	People    []*mail.Address // From and Reply-To
}

// op is one line of the journal.
type op struct {
	Do    string      `json:"do"`
	User  string      `json:"user"`
	Box   string      `json:"box,omitempty"`
	To    string      `json:"to,omitempty"`
	At    time.Time   `json:"at,omitzero"`
	File  string      `json:"file,omitempty"`
	UIDs  []imap.UID  `json:"uids,omitempty"`
	How   string      `json:"how,omitempty"`
	Flags []imap.Flag `json:"flags,omitempty"`
}

// openPostOffice reads the journal in dir, or begins one with the team's mailbox.
func openPostOffice(dir, team string) (*postOffice, error) {
	o := &postOffice{
		dir: dir, team: team, next: 1, users: map[string]*imapmemserver.User{},
		letters: map[string]map[imap.UID]letter{}, told: map[chan struct{}]string{},
	}
	if err := os.MkdirAll(filepath.Join(dir, "letters"), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "journal"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	o.journal = f
	if err := o.replay(); err != nil {
		return nil, errors.Join(fmt.Errorf("the demonstration's mail in %s cannot be read: %w", dir, err), f.Close())
	}
	if o.good > 0 {
		return o, nil
	}
	if _, err := o.userOf(team); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	for _, box := range []string{"Drafts", "Archive", "Junk", "Trash"} {
		if err := o.do(op{Do: "create", User: team, Box: box}); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return o, nil
}

func (o *postOffice) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.journal.Close()
}

// replay does everything again. A last line that a crash cut off was seen by nobody, and goes.
func (o *postOffice) replay() error {
	r := bufio.NewReader(o.journal)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		var one op
		if err := json.Unmarshal(line, &one); err != nil {
			if _, more := r.Peek(1); more != nil {
				break // the last one: a torn write may end in a newline
			}
			return fmt.Errorf("journal, after %d bytes: %w", o.good, err)
		}
		if err := o.apply(one); err != nil {
			var refused *imap.Error
			if !errors.As(err, &refused) { // refused then as now
				return fmt.Errorf("journal, after %d bytes: %w", o.good, err)
			}
		}
		o.good += int64(len(line))
	}
	files, err := os.ReadDir(filepath.Join(o.dir, "letters"))
	for _, f := range files {
		if n, err := strconv.Atoi(strings.TrimSuffix(f.Name(), ".eml")); err == nil {
			o.next = max(o.next, n+1)
		}
	}
	return errors.Join(err, o.journal.Truncate(o.good))
}

// note writes a line and waits until it is on disk.
func (o *postOffice) note(one op) error {
	line, err := json.Marshal(one)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if _, err = o.journal.WriteAt(line, o.good); err == nil && !o.bulk {
		err = o.journal.Sync()
	}
	if err != nil { // half a line would spoil the next
		return errors.Join(err, o.journal.Truncate(o.good))
	}
	o.good += int64(len(line))
	return nil
}

// change notes what is about to be done, and does it.
func (o *postOffice) change(one op, f func() error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.note(one); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	o.remember(one)
	return nil
}

// do is change without an IMAP connection.
func (o *postOffice) do(one op) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return errors.Join(o.note(one), o.apply(one))
}

// apply does in memory what a line of the journal says.
func (o *postOffice) apply(one op) error {
	if one.Do == "user" {
		u := imapmemserver.NewUser(one.User, "")
		o.users[one.User] = u
		return errors.Join(u.Create("INBOX", nil), u.Create("Sent", nil))
	}
	u := o.users[one.User]
	if u == nil {
		return fmt.Errorf("%s has no mailbox", one.User)
	}
	switch one.Do {
	case "append":
		raw, err := os.ReadFile(filepath.Join(o.dir, "letters", one.File))
		if err != nil {
			return err
		}
		_, err = o.applyAppend(u, one, raw)
		return err
	case "create":
		return u.Create(one.Box, nil)
	case "delete":
		return o.remembered(one, u.Delete(one.Box))
	case "rename":
		return o.remembered(one, u.Rename(one.Box, one.To, nil))
	case "subscribe":
		return u.Subscribe(one.Box)
	case "unsubscribe":
		return u.Unsubscribe(one.Box)
	}
	return o.applySelected(u, one)
}

// applySelected does what needs a selected box.
func (o *postOffice) applySelected(u *imapmemserver.User, one op) error {
	s := imapmemserver.NewUserSession(u)
	defer s.Close()
	if _, err := s.Select(one.Box, &imap.SelectOptions{}); err != nil {
		return err
	}
	set := imap.UIDSetNum(one.UIDs...)
	deleted := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}
	expunge := func() error { return errors.Join(s.Store(nil, set, deleted, nil), s.Expunge(nil, &set)) }
	switch one.Do {
	case "flags":
		kind := map[string]imap.StoreFlagsOp{"add": imap.StoreFlagsAdd, "remove": imap.StoreFlagsDel, "set": imap.StoreFlagsSet}[one.How]
		return s.Store(nil, set, &imap.StoreFlags{Op: kind, Silent: true, Flags: one.Flags}, nil)
	case "expunge":
		return o.remembered(one, expunge())
	case "copy", "move":
		copies, err := o.nextUID(u, one.To)
		if err == nil {
			_, err = s.Copy(set, one.To)
		}
		if err != nil {
			return err
		}
		o.rememberCopies(one, copies)
		if one.Do == "move" {
			return o.remembered(one, expunge())
		}
		return nil
	}
	return fmt.Errorf("%q is nothing that this version of GroupMail knows", one.Do)
}

func (o *postOffice) nextUID(u *imapmemserver.User, box string) (imap.UID, error) {
	status, err := u.Status(box, &imap.StatusOptions{UIDNext: true})
	if err != nil {
		return 0, err
	}
	return status.UIDNext, nil
}

func (o *postOffice) remembered(one op, err error) error {
	if err == nil {
		o.remember(one)
	}
	return err
}

// remember keeps the list of letters in step with the boxes.
func (o *postOffice) remember(one op) {
	box := boxKey(one.User, one.Box)
	switch one.Do {
	case "expunge", "move":
		for _, uid := range one.UIDs {
			delete(o.letters[box], uid)
		}
	case "delete":
		delete(o.letters, box)
	case "rename":
		o.letters[boxKey(one.User, one.To)] = o.letters[box]
		delete(o.letters, box)
	default:
		return
	}
	o.tell(one.User)
}

func boxKey(user, box string) string { return user + "\x00" + box }

func (o *postOffice) put(user, box string, uid imap.UID, l letter) {
	key := boxKey(user, box)
	if o.letters[key] == nil {
		o.letters[key] = map[imap.UID]letter{}
	}
	l.UID, l.Box = uid, box
	o.letters[key][uid] = l
}

func (o *postOffice) rememberCopies(one op, first imap.UID) {
	for _, uid := range one.UIDs {
		o.put(one.User, one.To, first, o.letters[boxKey(one.User, one.Box)][uid])
		first++
	}
	o.tell(one.User)
}

// transfer copies or moves mails between boxes of one user.
func (o *postOffice) transfer(m *mailSession, do string, set imap.NumSet, to string, f func(imap.UIDSet) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	uids, err := m.uids(set)
	if err != nil {
		return err
	}
	one := op{Do: do, User: m.user, Box: m.box, To: to, UIDs: uids}
	first, err := o.nextUID(o.users[m.user], to)
	if err != nil || to == m.box || len(uids) == 0 {
		return f(imap.UIDSetNum(uids...)) // says what is wrong
	}
	if err := o.note(one); err != nil {
		return err
	}
	if err := f(imap.UIDSetNum(uids...)); err != nil {
		return err
	}
	o.rememberCopies(one, first)
	if do == "move" {
		o.remember(one)
	}
	return nil
}

// userOf is the owner of an address, who is made if nobody has it yet.
func (o *postOffice) userOf(address string) (*imapmemserver.User, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.userLocked(address)
}

func (o *postOffice) userLocked(address string) (*imapmemserver.User, error) {
	if u := o.users[address]; u != nil {
		return u, nil
	}
	one := op{Do: "user", User: address}
	if err := errors.Join(o.note(one), o.apply(one)); err != nil {
		return nil, err
	}
	return o.users[address], nil
}

// add puts a mail into somebody's box.
func (o *postOffice) add(address, box string, at time.Time, flags []imap.Flag, raw []byte) error {
	_, err := o.append(address, box, at, flags, raw)
	return err
}

func (o *postOffice) append(address, box string, at time.Time, flags []imap.Flag, raw []byte) (*imap.AppendData, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	u, err := o.userLocked(address)
	if err != nil {
		return nil, err
	}
	if at.IsZero() {
		at = time.Now()
	}
	name := fmt.Sprintf("%06d.eml", o.next)
	if err := o.writeLetter(name, raw); err != nil {
		return nil, err
	}
	o.next++
	one := op{Do: "append", User: address, Box: box, At: at.Truncate(time.Second), File: name, Flags: flags}
	if err := o.note(one); err != nil {
		return nil, err
	}
	return o.applyAppend(u, one, raw)
}

func (o *postOffice) writeLetter(name string, raw []byte) error {
	f, err := os.OpenFile(filepath.Join(o.dir, "letters", name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err == nil && !o.bulk {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (o *postOffice) applyAppend(u *imapmemserver.User, one op, raw []byte) (*imap.AppendData, error) {
	data, err := u.Append(one.Box, literal{bytes.NewReader(raw)}, &imap.AppendOptions{Time: one.At, Flags: one.Flags})
	if err != nil {
		return nil, err
	}
	o.put(one.User, one.Box, data.UID, letterOf(raw, one))
	o.tell(one.User)
	return data, nil
}

// letterOf reads of a mail's header what the list of letters holds.
func letterOf(raw []byte, one op) letter {
	head := headOf(raw)
	l := letter{At: one.At, File: one.File, MessageID: messageID(head)}
	decoder := mail.AddressParser{WordDecoder: &mime.WordDecoder{CharsetReader: charset.Reader}}
	for _, field := range []string{"From", "Reply-To"} {
		if a, err := decoder.Parse(head.Get(field)); err == nil {
			l.People = append(l.People, a)
		}
	}
	return l
}

func headOf(raw []byte) textproto.MIMEHeader {
	head, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(raw))).ReadMIMEHeader() // as far as it goes
	return head
}

func messageID(head textproto.MIMEHeader) string { return strings.TrimSpace(head.Get("Message-Id")) }

// called is the name under which an address wrote last, if it ever did.
func (o *postOffice) called(address string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	name, newest := "", time.Time{}
	for _, box := range o.letters {
		for _, l := range box {
			for _, a := range l.People {
				if strings.EqualFold(a.Address, address) && a.Name != "" && l.At.After(newest) {
					name, newest = a.Name, l.At
				}
			}
		}
	}
	return name
}

// has tells whether a mail lies in somebody's INBOX already.
func (o *postOffice) has(address, messageID string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.letters[boxKey(address, "INBOX")] {
		if l.MessageID == messageID && messageID != "" {
			return true
		}
	}
	return false
}

type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

// many does many changes and waits for the disk only once.
func (o *postOffice) many(f func() error) error {
	o.mu.Lock()
	o.bulk = true
	o.mu.Unlock()
	err := f()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bulk = false
	return errors.Join(err, o.journal.Sync())
}

// list are the letters in somebody's boxes, newest first.
func (o *postOffice) list(address string, boxes ...string) []letter {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []letter
	for _, box := range boxes {
		all = slices.AppendSeq(all, maps.Values(o.letters[boxKey(address, box)]))
	}
	slices.SortFunc(all, func(a, b letter) int {
		if c := b.At.Compare(a.At); c != 0 {
			return c
		}
		return strings.Compare(b.File, a.File)
	})
	return all
}

// find is one letter.
func (o *postOffice) find(address, box string, uid imap.UID) (letter, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l, ok := o.letters[boxKey(address, box)][uid]
	return l, ok
}

// open reads a letter.
func (o *postOffice) open(l letter) (*os.File, error) {
	return os.Open(filepath.Join(o.dir, "letters", l.File))
}

// addresses are all that have a mailbox, in order.
func (o *postOffice) addresses() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Sorted(maps.Keys(o.users))
}

// news returns a channel that is poked whenever something changes for an address.
func (o *postOffice) news(address string) (c chan struct{}, stop func()) {
	c = make(chan struct{}, 1)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told[c] = address
	return c, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.told, c)
	}
}

func (o *postOffice) tell(address string) {
	for c, who := range o.told {
		if who != address {
			continue
		}
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// plainAddress is a bare address in lower case.
func plainAddress(s string) (string, bool) {
	a, err := mail.ParseAddress(strings.TrimSpace(s))
	if err != nil || strings.ContainsAny(a.Address, "\x00/\\") || len(a.Address) > 200 {
		return "", false
	}
	return strings.ToLower(a.Address), true
}

// listenAgain listens on the port that was used the last time, else on a free one, of 127.0.0.1.
func listenAgain(ctx context.Context, dir, name string) (net.Listener, error) {
	file := filepath.Join(dir, name+".port")
	port, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var lc net.ListenConfig
	if n, err := strconv.Atoi(string(port)); err == nil && n > 0 && n < 65536 {
		if l, err := lc.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", n)); err == nil {
			return l, nil
		}
	}
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(l.Addr().(*net.TCPAddr).Port)), 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
