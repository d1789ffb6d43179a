package testbed

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// SMTP is a submission server within the test process that records what it is
// given. Its methods may be called from any goroutine.
type SMTP struct {
	Addr string // host:port

	// Forward, if set before the first mail, passes every recorded mail on, for
	// instance to [Dovecot.Deliver], before it is acknowledged.
	Forward func(from string, to []string, raw []byte)

	t      testing.TB
	server *smtp.Server

	mu       sync.Mutex
	password string
	token    string
	mails    []SMTPMail
	faults   []Fault
	changed  chan struct{} // closed and replaced at every mail
	healed   chan struct{} // closed and replaced by Heal
}

// SMTPMail is one recorded transaction.
type SMTPMail struct {
	User    string // who signed in
	TLS     bool
	From    string
	To      []string
	Options smtp.MailOptions // of the MAIL command
	Raw     []byte           // with CRLF
	At      time.Time
}

// SMTPMode is how a submission server is protected.
type SMTPMode int

// The modes of submission: RFC 6409 with STARTTLS, RFC 8314 with TLS from the
// start, and without protection.
const (
	STARTTLS SMTPMode = iota
	ImplicitTLS
	PlainText
)

// Fault is what goes wrong in a transaction. Without Drop and Hang the command
// is refused with Code and Text.
type Fault struct {
	At    string // AUTH, MAIL, RCPT or DATA; at DATA: after the whole mail has arrived
	To    string // with RCPT: only this recipient
	Code  int    // 450, 550, …
	Text  string // may begin with an enhanced code: "5.1.1 No such user"
	Drop  bool   // the connection ends instead of an answer
	Hang  bool   // no answer before Heal
	Kept  bool   // with DATA: the mail is recorded all the same; only the client does not learn it
	Times int    // how often, 0 for always
}

// NewSMTP starts a server that takes mail from any user with [Password] (AUTH
// PLAIN, LOGIN) or [Token] (XOAUTH2), and only from users who signed in. The
// options may change go-smtp's server before it starts, such as its
// MaxMessageBytes.
func NewSMTP(t testing.TB, mode SMTPMode, options ...func(*smtp.Server)) *SMTP {
	t.Helper()
	s := &SMTP{t: t, password: Password, token: Token, changed: make(chan struct{}), healed: make(chan struct{})}
	s.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &smtpSession{s: s, c: c}, nil
	}))
	s.server.Domain = "localhost"
	s.server.EnableSMTPUTF8, s.server.EnableDSN = true, true
	s.server.ErrorLog = log.New(io.Discard, "", 0) // dropped connections are meant
	s.server.AllowInsecureAuth = mode == PlainText
	if mode != PlainText {
		s.server.TLSConfig = ServerTLS(t)
	}
	for _, o := range options {
		o(s.server)
	}
	port, err := freePort()
	must(t, "SMTP", err)
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", loopback(port))
	must(t, "SMTP", err)
	s.Addr = l.Addr().String()
	if mode == ImplicitTLS {
		l = tlsListener(l, s.server.TLSConfig)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.server.Serve(l) })
	t.Cleanup(func() {
		_ = s.server.Close()
		_ = l.Close() // of a server that was closed before it had begun to serve
		s.Heal()
		wg.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = s.server.Shutdown(ctx)
	})
	return s
}

// SetPassword changes the password of all users.
func (s *SMTP) SetPassword(password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.password = password
}

// SetToken changes the OAuth2 token of all users.
func (s *SMTP) SetToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// Fail lets things go wrong until Heal, or as often as the fault says. Of
// several faults at one command, the first takes effect.
func (s *SMTP) Fail(f Fault) {
	s.t.Helper()
	if !slices.Contains([]string{"AUTH", "MAIL", "RCPT", "DATA"}, f.At) {
		s.t.Fatalf("testbed: no fault can be at %q", f.At)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
}

// Heal forgets all faults; what hangs goes on.
func (s *SMTP) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
	close(s.healed)
	s.healed = make(chan struct{})
}

// Mails are the recorded mails, in the order of their arrival.
func (s *SMTP) Mails() []SMTPMail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Wait waits until at least n mails have been recorded and returns them all. It
// ends the test if ctx ends first.
func (s *SMTP) Wait(ctx context.Context, n int) []SMTPMail {
	s.t.Helper()
	for {
		s.mu.Lock()
		mails, changed := slices.Clone(s.mails), s.changed
		s.mu.Unlock()
		if len(mails) >= n {
			return mails
		}
		select {
		case <-changed:
		case <-ctx.Done():
			s.t.Fatalf("testbed: waited for %d mails, %d came: %v", n, len(mails), ctx.Err())
		}
	}
}

func (s *SMTP) record(m SMTPMail) {
	if s.Forward != nil {
		s.Forward(m.From, m.To, m.Raw)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m)
	close(s.changed)
	s.changed = make(chan struct{})
}

// fault finds what should go wrong now, and counts it.
func (s *SMTP) fault(at, to string) (f Fault, healed chan struct{}, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.faults {
		f := &s.faults[i]
		if f.At != at || f.To != "" && !strings.EqualFold(f.To, to) || f.Times < 0 {
			continue
		}
		found := *f
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				f.Times = -1 // used up
			}
		}
		return found, s.healed, true
	}
	return Fault{}, nil, false
}

// smtpSession is one connection.
type smtpSession struct {
	s    *SMTP
	c    *smtp.Conn
	user string
	mail SMTPMail
}

// suffer does what a fault wants; its error is the answer to the client.
func (x *smtpSession) suffer(f Fault, healed chan struct{}) error {
	switch {
	case f.Drop:
		reset(netConn(x.c.Conn()))
		return errors.New("connection dropped")
	case f.Hang:
		<-healed
		return nil
	}
	return &smtp.SMTPError{Code: f.Code, EnhancedCode: smtp.NoEnhancedCode, Message: f.Text}
}

func (x *smtpSession) step(at, to string) error {
	if f, healed, ok := x.s.fault(at, to); ok {
		return x.suffer(f, healed)
	}
	return nil
}

func (x *smtpSession) AuthMechanisms() []string {
	return []string{sasl.Plain, sasl.Login, "XOAUTH2"}
}

func (x *smtpSession) Auth(mechanism string) (sasl.Server, error) {
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error {
			return x.signIn(user, password, "")
		}), nil
	case sasl.Login:
		return &loginServer{signIn: x.signIn}, nil
	case "XOAUTH2":
		return xoauth2Server{x.signIn}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

// signIn checks a password or, if that is empty, a token.
func (x *smtpSession) signIn(user, password, token string) error {
	if err := x.step("AUTH", ""); err != nil {
		return err
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if user == "" || password != x.s.password && (password != "" || token != x.s.token) {
		return smtp.ErrAuthFailed
	}
	x.user = user
	return nil
}

func (x *smtpSession) Mail(from string, options *smtp.MailOptions) error {
	if x.user == "" {
		return smtp.ErrAuthRequired
	}
	_, isTLS := x.c.TLSConnectionState()
	x.mail = SMTPMail{User: x.user, TLS: isTLS, From: from}
	if options != nil {
		x.mail.Options = *options
	}
	return x.step("MAIL", "")
}

func (x *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := x.step("RCPT", to); err != nil {
		return err
	}
	x.mail.To = append(x.mail.To, to)
	return nil
}

func (x *smtpSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	x.mail.Raw, x.mail.At = raw, time.Now()
	f, healed, ok := x.s.fault("DATA", "")
	if !ok {
		x.s.record(x.mail)
		return nil
	}
	if f.Kept {
		x.s.record(x.mail)
	}
	err = x.suffer(f, healed)
	if err == nil && !f.Kept {
		x.s.record(x.mail) // it had only hung
	}
	return err
}

func (x *smtpSession) Reset()        { x.mail = SMTPMail{} }
func (x *smtpSession) Logout() error { return nil }

// loginServer is AUTH LOGIN, which go-sasl has for clients only.
type loginServer struct {
	signIn func(user, password, token string) error
	user   *string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case response == nil:
		return []byte("Username:"), false, nil
	case l.user == nil:
		user := string(response)
		l.user = &user
		return []byte("Password:"), false, nil
	}
	return nil, true, l.signIn(*l.user, string(response), "")
}

// xoauth2Server reads "user=…^Aauth=Bearer …^A^A", Google's and Microsoft's form.
type xoauth2Server struct {
	signIn func(user, password, token string) error
}

func (x xoauth2Server) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil {
		return []byte{}, false, nil
	}
	user, rest, _ := bytes.Cut(response, []byte("\x01"))
	token, _, _ := bytes.Cut(rest, []byte("\x01"))
	return nil, true, x.signIn(strings.TrimPrefix(string(user), "user="), "", strings.TrimPrefix(string(token), "auth=Bearer "))
}
