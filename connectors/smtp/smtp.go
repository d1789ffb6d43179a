// Package smtp hands mail to a submission server (RFC 6409, RFC 5321): Submit is the protocol,
// Sender brings a reply from the desk to it.
//
// It knows nothing of conversations or chat. The copy in the Sent folder is package imap's.
//
// Start reading at Sender.Send, then Submit.
package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"golang.org/x/net/idna"
)

// How a connection is encrypted.
const (
	STARTTLS = "starttls" // required: a server that does not offer it is refused
	TLS      = "tls"      // from the start, RFC 8314
	Plain    = "none"     // to loopback only, unless Config.AllowPlaintext
)

// Config says where a submission server is and how to get in.
type Config struct {
	Host string
	Port int    // 0 means 465 with TLS, else 587
	TLS  string // STARTTLS (if empty), TLS or Plain
	User string // empty: no sign-in
	// Password is asked anew at each sign-in, so that a changed one needs no restart.
	Password func(context.Context) (string, error)
	// AllowPlaintext permits Plain to hosts other than this one.
	AllowPlaintext bool
	RootCAs        *x509.CertPool // nil means the system's
	Hello          string         // the name to greet with; empty: this machine's
	// Timeout is how long the server may take for an answer; 0 means 30 s.
	Timeout time.Duration
}

func (c Config) defaults() Config {
	if c.TLS == "" {
		c.TLS = STARTTLS
	}
	if c.Port == 0 {
		c.Port = 587
		if c.TLS == TLS {
			c.Port = 465
		}
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Hello == "" {
		c.Hello = "localhost"
		if name, err := os.Hostname(); err == nil && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == "" {
			c.Hello = name
		}
	}
	return c
}

// Refused means that the server said no: nothing was sent to anybody.
type Refused struct {
	To        []string // the recipients whom it refuses; empty: the mail, or the sender
	Code      int      // of RFC 5321
	Text      string   // in the server's own words, with the enhanced code in front if there is one
	Permanent bool     // trying again will not help
}

func (r *Refused) Error() string {
	text := fmt.Sprintf("%d %s", r.Code, r.Text)
	if len(r.To) > 0 {
		return strings.Join(r.To, ", ") + ": " + text
	}
	return text
}

var (
	// ErrUnknown means that the connection was lost when the server may already have taken the mail.
	ErrUnknown = errors.New("the connection was lost while the mail server took the mail; it may have been sent")
	// ErrLogin means that the server does not accept user and password.
	ErrLogin = errors.New("the mail server refuses the user or the password")
)

// Submit sends one mail to all recipients or to none. Its error is a *Refused, wraps ErrUnknown, or
// means that nothing was sent and that it may go better another time.
func Submit(ctx context.Context, cfg Config, from string, to []string, raw io.Reader) error {
	s, err := dial(ctx, cfg)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.envelope(from, to); err != nil {
		return err
	}
	data, err := s.c.Data()
	if err != nil {
		return s.wrong("offer the mail", err)
	}
	if _, err := io.Copy(data, raw); err != nil {
		// Without the final dot the server must not take it (RFC 5321, 4.1.1.4); but it must not
		// come to that dot by closing the writer.
		return s.wrong("send the mail", err)
	}
	err = data.Close()
	var said *smtp.SMTPError
	switch {
	case err == nil:
		_ = s.c.Quit() // the mail is sent, whatever becomes of the good-bye
		return nil
	case errors.As(err, &said):
		return s.wrong("send the mail", err)
	}
	return fmt.Errorf("%w (%w)", ErrUnknown, s.wrong("send the mail", err))
}

// Check signs in and asks whether from may send, without sending anything.
func Check(ctx context.Context, cfg Config, from string) error {
	s, err := dial(ctx, cfg)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.envelope(from, nil); err != nil {
		return err
	}
	if err := s.c.Reset(); err != nil {
		return s.wrong("reset", err)
	}
	_ = s.c.Quit()
	return nil
}

// session is one signed-in connection.
type session struct {
	cfg  Config
	c    *smtp.Client
	ctx  context.Context //nolint:containedctx // ends the connection with it
	stop func() bool
}

func dial(ctx context.Context, cfg Config) (*session, error) {
	s := &session{cfg: cfg.defaults(), ctx: ctx}
	if s.cfg.TLS == Plain && !s.cfg.AllowPlaintext && !loopback(s.cfg.Host) {
		return nil, fmt.Errorf("%s: without TLS the password and the mail would cross the network unencrypted; set tls to starttls or tls, or allow_plaintext to true", s.cfg.Host)
	}
	address := net.JoinHostPort(s.cfg.Host, strconv.Itoa(s.cfg.Port))
	dialer := net.Dialer{Timeout: s.cfg.Timeout}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, s.wrong("connect", err)
	}
	s.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	tlsConfig := &tls.Config{ServerName: s.cfg.Host, RootCAs: s.cfg.RootCAs, MinVersion: tls.VersionTLS12}
	_ = conn.SetDeadline(time.Now().Add(s.cfg.Timeout))
	switch s.cfg.TLS {
	case TLS:
		secured := tls.Client(conn, tlsConfig)
		if err := secured.HandshakeContext(ctx); err != nil {
			s.stop()
			_ = conn.Close()
			return nil, s.wrong("connect", err)
		}
		s.c = smtp.NewClient(secured)
	case STARTTLS:
		if s.c, err = smtp.NewClientStartTLS(conn, tlsConfig); err != nil {
			s.stop()
			_ = conn.Close()
			return nil, s.wrong("begin TLS", err)
		}
	default:
		s.c = smtp.NewClient(conn)
	}
	_ = conn.SetDeadline(time.Time{})
	s.c.CommandTimeout, s.c.SubmissionTimeout = s.cfg.Timeout, 2*s.cfg.Timeout
	if err := s.login(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) close() {
	s.stop()
	_ = s.c.Close()
}

func (s *session) login() error {
	if err := s.c.Hello(s.cfg.Hello); err != nil { // after STARTTLS again, under encryption
		return s.wrong("greet", err)
	}
	if s.cfg.User == "" {
		return nil
	}
	password := ""
	if s.cfg.Password != nil {
		var err error
		if password, err = s.cfg.Password(s.ctx); err != nil {
			return err
		}
	}
	var auth sasl.Client
	switch {
	case s.c.SupportsAuth(sasl.Plain):
		auth = sasl.NewPlainClient("", s.cfg.User, password)
	case s.c.SupportsAuth(sasl.Login):
		auth = sasl.NewLoginClient(s.cfg.User, password)
	default:
		return fmt.Errorf("%s offers no sign-in with a password on port %d; the submission port is usually 587 (starttls) or 465 (tls)", s.cfg.Host, s.cfg.Port)
	}
	err := s.c.Auth(auth)
	var said *smtp.SMTPError
	if errors.As(err, &said) && said.Code >= 500 {
		return fmt.Errorf("%s: %w %s: %s", s.cfg.Host, ErrLogin, s.cfg.User, words(said))
	}
	if err != nil {
		return s.wrong("sign in", err)
	}
	return nil
}

// envelope names the sender and the recipients. If the server refuses one of them, nobody gets
// anything: nobody is dropped unseen.
func (s *session) envelope(from string, to []string) error {
	utf8 := false
	names := append([]string{from}, to...)
	for i, name := range names {
		plain, err := ascii(name)
		if err != nil {
			if ok, _ := s.c.Extension("SMTPUTF8"); !ok {
				return &Refused{To: []string{name}, Code: 553, Permanent: true,
					Text: "this mail server cannot carry addresses with letters outside of a-z before the @"}
			}
			utf8 = true
			continue
		}
		names[i] = plain
	}
	if err := s.c.Mail(names[0], &smtp.MailOptions{UTF8: utf8}); err != nil {
		return s.wrong("name the sender "+from, err)
	}
	no := &Refused{Permanent: true}
	for i, name := range names[1:] {
		err := s.c.Rcpt(name, nil)
		var said *smtp.SMTPError
		if err != nil && !errors.As(err, &said) {
			return s.wrong("name a recipient", err)
		}
		if err != nil {
			no.To = append(no.To, to[i])
			no.Permanent = no.Permanent && said.Code >= 500
			no.Code = said.Code
			if text := words(said); !strings.Contains(no.Text, text) {
				no.Text = strings.TrimPrefix(no.Text+"; "+text, "; ")
			}
		}
	}
	if len(no.To) > 0 {
		_ = s.c.Quit()
		return no
	}
	return nil
}

// ascii writes an address in letters that every mail server takes, if there is a way.
func ascii(address string) (string, error) {
	local, domain, _ := strings.Cut(address, "@")
	if i := strings.LastIndexByte(address, '@'); i >= 0 {
		local, domain = address[:i], address[i+1:]
	}
	if strings.IndexFunc(local, func(r rune) bool { return r > 126 }) >= 0 {
		return "", errors.New("letters outside of ASCII before the @")
	}
	if strings.HasPrefix(domain, "[") {
		return address, nil
	}
	domain, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		return address, nil //nolint:nilerr // the server shall say what it thinks of it
	}
	return local + "@" + domain, nil
}

// wrong says what was being done, and makes a server's no a *Refused.
func (s *session) wrong(doing string, err error) error {
	if s.ctx.Err() != nil {
		return fmt.Errorf("%s: %s: %w", s.cfg.Host, doing, context.Cause(s.ctx))
	}
	var said *smtp.SMTPError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &said):
		return &Refused{Code: said.Code, Text: words(said), Permanent: said.Code >= 500}
	case errors.As(err, &unknown):
		return fmt.Errorf("%s: the certificate is signed by an authority that is not known here; nothing was sent: %w", s.cfg.Host, err)
	case errors.As(err, &name):
		return fmt.Errorf("%s: the certificate belongs to another name; set host to a name that is in it: %w", s.cfg.Host, err)
	}
	return fmt.Errorf("%s:%d: %s: %w", s.cfg.Host, s.cfg.Port, doing, err)
}

// words is what the server said, on one line.
func words(e *smtp.SMTPError) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(e.Message, "?")), " ")
	if e.EnhancedCode != (smtp.EnhancedCode{}) && e.EnhancedCode != smtp.NoEnhancedCode && e.EnhancedCode != smtp.EnhancedCodeNotSet {
		text = fmt.Sprintf("%d.%d.%d %s", e.EnhancedCode[0], e.EnhancedCode[1], e.EnhancedCode[2], text)
	}
	return text
}

// loopback tells whether a host is this machine, as far as that can be seen from its name.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return slices.Contains([]string{"localhost", "localhost."}, strings.ToLower(host)) || ip != nil && ip.IsLoopback()
}
