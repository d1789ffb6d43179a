package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// mailServer is the demonstration's mail provider: an IMAP and a submission server, on loopback, for
// any address. Every address has one and the same password. What is sent to an address lies in its
// INBOX at once.
type mailServer struct {
	*postOffice
	imap, smtp net.Listener
	password   string

	imapServer *imapserver.Server
	smtpServer *smtp.Server
	serving    sync.WaitGroup // the two servers, and each IMAP connection
}

const maxLetter = 50 << 20 // bytes of one mail

// startMail opens the post office in dir and serves it on free ports of 127.0.0.1. The ports of the
// last time are taken again if they are free, so that a mail program need not be told anew.
func startMail(ctx context.Context, dir, team, password string) (*mailServer, error) {
	office, err := openPostOffice(dir, team)
	if err != nil {
		return nil, err
	}
	s := &mailServer{postOffice: office, password: password}
	quiet := log.New(io.Discard, "", 0) // what mail programs do wrong is no news here
	s.imapServer = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &mailSession{s: s}, nil, nil
		},
		Caps: imap.CapSet{
			imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}, imap.CapNamespace: {}, imap.CapUIDPlus: {}, imap.CapESearch: {},
			imap.CapListExtended: {}, imap.CapListStatus: {}, imap.CapMove: {}, imap.CapStatusSize: {},
		},
		InsecureAuth: true, Logger: quiet,
	})
	s.smtpServer = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &submission{s: s}, nil
	}))
	s.smtpServer.Domain = "localhost"
	s.smtpServer.AllowInsecureAuth, s.smtpServer.EnableSMTPUTF8 = true, true
	s.smtpServer.MaxMessageBytes, s.smtpServer.MaxRecipients = maxLetter, 200
	s.smtpServer.ReadTimeout, s.smtpServer.WriteTimeout = 5*time.Minute, 5*time.Minute
	s.smtpServer.ErrorLog = quiet

	if s.imap, err = listenAgain(ctx, dir, "imap"); err == nil {
		s.smtp, err = listenAgain(ctx, dir, "smtp")
	}
	if err != nil {
		if s.imap != nil {
			err = errors.Join(err, s.imap.Close())
		}
		return nil, errors.Join(err, office.close())
	}
	s.imap = &countedListener{Listener: s.imap, served: &s.serving, open: map[net.Conn]bool{}}
	s.smtp = &countedListener{Listener: s.smtp, open: map[net.Conn]bool{}}
	s.serving.Go(func() { _ = s.imapServer.Serve(s.imap) }) // ends with Close
	s.serving.Go(func() { _ = s.smtpServer.Serve(s.smtp) })
	return s, nil
}

// Close ends all connections and waits for their goroutines.
func (s *mailServer) Close() error {
	_ = s.imapServer.Close()
	s.imap.(*countedListener).hangUp()
	_ = s.smtp.Close()
	s.smtp.(*countedListener).hangUp()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = s.smtpServer.Shutdown(ctx) // waits for its goroutines, whose connections are gone
	s.serving.Wait()
	return s.close()
}

// countedListener knows its connections, so that they can be ended: go-imap forgets one that comes
// while it closes.
type countedListener struct {
	net.Listener
	served *sync.WaitGroup // of IMAP: one more for each connection, done by its session; may be nil

	mu    sync.Mutex
	open  map[net.Conn]bool
	ended bool
}

func (l *countedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		if l.ended {
			l.mu.Unlock()
			_ = c.Close()
			continue
		}
		if l.served != nil {
			l.served.Add(1)
		}
		counted := &countedConn{Conn: c, l: l}
		l.open[counted] = true
		l.mu.Unlock()
		return counted, nil
	}
}

func (l *countedListener) hangUp() {
	l.mu.Lock()
	l.ended = true
	var all []net.Conn
	for c := range l.open {
		all = append(all, c)
	}
	l.mu.Unlock()
	for _, c := range all {
		_ = c.Close()
	}
}

type countedConn struct {
	net.Conn
	l *countedListener
}

func (c *countedConn) Close() error {
	c.l.mu.Lock()
	delete(c.l.open, c)
	c.l.mu.Unlock()
	return c.Conn.Close()
}

// signIn lets any address in, with the one password.
func (s *mailServer) signIn(user, password string) (string, error) {
	address, ok := plainAddress(user)
	if !ok || subtle.ConstantTimeCompare([]byte(password), []byte(s.password)) != 1 {
		return "", errors.New("user or password is wrong")
	}
	return address, nil
}

// submission is one SMTP connection. Whoever signs in or not, may send anything to anybody.
type submission struct {
	s    *mailServer
	from string
	to   []string
}

func (x *submission) AuthMechanisms() []string { return []string{sasl.Plain, sasl.Login} }

func (x *submission) Auth(mech string) (sasl.Server, error) {
	check := func(user, password string) error {
		if _, err := x.s.signIn(user, password); err != nil {
			return smtp.ErrAuthFailed
		}
		return nil
	}
	switch mech {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	case sasl.Login:
		return &loginServer{check: check}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

// loginServer is AUTH LOGIN, which old mail programs insist on.
type loginServer struct {
	check func(user, password string) error
	user  *string
	asked bool
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case response == nil && !l.asked:
		l.asked = true
		return []byte("Username:"), false, nil
	case l.user == nil:
		user := string(response)
		l.user, l.asked = &user, true
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(*l.user, string(response))
}

func (x *submission) Reset()        { x.from, x.to = "", nil }
func (x *submission) Logout() error { return nil }

func (x *submission) Mail(from string, _ *smtp.MailOptions) error {
	x.Reset()
	x.from = from
	return nil
}

func (x *submission) Rcpt(to string, _ *smtp.RcptOptions) error {
	address, ok := plainAddress(to)
	if !ok {
		return &smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 1, 3}, Message: "That is no mail address"}
	}
	if strings.HasPrefix(address, "nobody@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "There is no mailbox " + address}
	}
	x.to = append(x.to, address)
	return nil
}

func (x *submission) Data(r io.Reader) error {
	raw, err := io.ReadAll(io.LimitReader(r, maxLetter+1))
	if err != nil {
		return err
	}
	if len(raw) > maxLetter {
		return &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}, Message: "The mail is too large"}
	}
	return x.s.deliver(x.from, x.to, raw)
}

// deliver puts a mail into the INBOX of each recipient, with the lines that a receiving server adds
// (RFC 5321 section 4.4).
func (o *postOffice) deliver(from string, to []string, raw []byte) error {
	now := time.Now()
	id := messageID(headOf(raw))
	for _, address := range to {
		if address != o.team && o.has(address, id) {
			continue // sent again by somebody who did not hear that it was taken, as providers do
		}
		head := fmt.Sprintf("Return-Path: <%s>\r\nReceived: by localhost (GroupMail demonstration) for <%s>; %s\r\n",
			oneWord(from), oneWord(address), now.Format(time.RFC1123Z))
		if err := o.add(address, "INBOX", now, nil, append([]byte(head), raw...)); err != nil {
			return fmt.Errorf("demo: deliver: %w", err)
		}
	}
	return nil
}

func oneWord(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == '<' || r == '>' {
			return -1
		}
		return r
	}, s)
}

// mailSession is one IMAP connection. It notes in the post office's journal whatever it changes,
// before it does.
type mailSession struct {
	*imapmemserver.UserSession // nil until Login
	s                          *mailServer
	user                       string
	box                        string // selected
	ended                      bool
}

var _ imapserver.SessionIMAP4rev2 = (*mailSession)(nil)

func (m *mailSession) Close() error {
	err := m.UserSession.Close() // does nothing before Login
	if !m.ended {
		m.ended = true
		m.s.serving.Done()
	}
	return err
}

func (m *mailSession) Login(user, password string) error {
	address, err := m.s.signIn(user, password)
	if err != nil {
		return imapserver.ErrAuthFailed
	}
	u, err := m.s.userOf(address)
	if err != nil {
		return err
	}
	m.UserSession, m.user = imapmemserver.NewUserSession(u), address
	return nil
}

func (m *mailSession) Select(box string, options *imap.SelectOptions) (*imap.SelectData, error) {
	data, err := m.UserSession.Select(box, options)
	if err == nil {
		m.box = box
	}
	return data, err
}

func (m *mailSession) Create(box string, options *imap.CreateOptions) error {
	return m.s.change(op{Do: "create", User: m.user, Box: box}, func() error { return m.UserSession.Create(box, options) })
}

func (m *mailSession) Delete(box string) error {
	if strings.EqualFold(box, "INBOX") {
		return &imap.Error{Type: imap.StatusResponseTypeNo, Text: "INBOX stays"}
	}
	return m.s.change(op{Do: "delete", User: m.user, Box: box}, func() error { return m.UserSession.Delete(box) })
}

func (m *mailSession) Rename(box, to string, options *imap.RenameOptions) error {
	return m.s.change(op{Do: "rename", User: m.user, Box: box, To: to}, func() error { return m.UserSession.Rename(box, to, options) })
}

func (m *mailSession) Subscribe(box string) error {
	return m.s.change(op{Do: "subscribe", User: m.user, Box: box}, func() error { return m.UserSession.Subscribe(box) })
}

func (m *mailSession) Unsubscribe(box string) error {
	return m.s.change(op{Do: "unsubscribe", User: m.user, Box: box}, func() error { return m.UserSession.Unsubscribe(box) })
}

func (m *mailSession) Append(box string, r imap.LiteralReader, options *imap.AppendOptions) (*imap.AppendData, error) {
	if r.Size() > maxLetter {
		return nil, &imap.Error{Type: imap.StatusResponseTypeNo, Text: "The mail is too large"}
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if _, err := m.Status(box, &imap.StatusOptions{UIDNext: true}); err != nil {
		return nil, &imap.Error{Type: imap.StatusResponseTypeNo, Code: imap.ResponseCodeTryCreate, Text: "No such mailbox"}
	}
	return m.s.append(m.user, box, options.Time, options.Flags, raw)
}

// uids are the selected mails that a command means, however it names them.
func (m *mailSession) uids(set imap.NumSet, flag ...imap.Flag) ([]imap.UID, error) {
	criteria := &imap.SearchCriteria{Flag: flag}
	switch set := set.(type) {
	case imap.SeqSet:
		criteria.SeqNum = append(criteria.SeqNum, append(imap.SeqSet(nil), set...))
	case imap.UIDSet:
		if imap.IsSearchRes(set) {
			criteria.UID = append(criteria.UID, set)
		} else if set != nil {
			criteria.UID = append(criteria.UID, append(imap.UIDSet(nil), set...))
		}
	}
	found, err := m.Search(imapserver.NumKindUID, criteria, &imap.SearchOptions{})
	if err != nil {
		return nil, err
	}
	return found.AllUIDs(), nil
}

func (m *mailSession) Expunge(w *imapserver.ExpungeWriter, only *imap.UIDSet) error {
	var set imap.NumSet
	if only != nil {
		set = *only
	}
	uids, err := m.uids(set, imap.FlagDeleted)
	if err != nil || len(uids) == 0 {
		return err
	}
	chosen := imap.UIDSetNum(uids...)
	return m.s.change(op{Do: "expunge", User: m.user, Box: m.box, UIDs: uids}, func() error { return m.UserSession.Expunge(w, &chosen) })
}

func (m *mailSession) Fetch(w *imapserver.FetchWriter, set imap.NumSet, options *imap.FetchOptions) error {
	for _, section := range options.BodySection {
		if section.Peek {
			continue
		}
		uids, err := m.uids(set)
		if err != nil {
			return err
		}
		seen := op{Do: "flags", User: m.user, Box: m.box, UIDs: uids, How: "add", Flags: []imap.Flag{imap.FlagSeen}}
		if err := m.s.change(seen, func() error { return nil }); err != nil {
			return err
		}
		break
	}
	return m.UserSession.Fetch(w, set, options)
}

func (m *mailSession) Store(w *imapserver.FetchWriter, set imap.NumSet, flags *imap.StoreFlags, options *imap.StoreOptions) error {
	uids, err := m.uids(set)
	if err != nil {
		return err
	}
	quiet := *flags
	quiet.Silent = true
	chosen := imap.UIDSetNum(uids...)
	err = m.s.change(op{Do: "flags", User: m.user, Box: m.box, UIDs: uids, How: how(flags.Op), Flags: flags.Flags}, func() error {
		return m.UserSession.Store(nil, chosen, &quiet, options)
	})
	if err != nil || flags.Silent {
		return err
	}
	return m.UserSession.Fetch(w, chosen, &imap.FetchOptions{Flags: true})
}

func how(o imap.StoreFlagsOp) string {
	switch o {
	case imap.StoreFlagsAdd:
		return "add"
	case imap.StoreFlagsDel:
		return "remove"
	}
	return "set"
}

func (m *mailSession) Copy(set imap.NumSet, to string) (data *imap.CopyData, err error) {
	err = m.s.transfer(m, "copy", set, to, func(chosen imap.UIDSet) error {
		data, err = m.UserSession.Copy(chosen, to)
		return err
	})
	return data, err
}

func (m *mailSession) Move(w *imapserver.MoveWriter, set imap.NumSet, to string) error {
	return m.s.transfer(m, "move", set, to, func(chosen imap.UIDSet) error { return m.UserSession.Move(w, chosen, to) })
}
