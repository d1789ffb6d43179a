package smtp

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// session is one connection, signed in.
type session struct {
	cfg    Config
	conn   *conn // TCP
	wire   *wire // what go-smtp talks through, within TLS
	c      *smtp.Client
	unhook func() bool
}

// connect dials, encrypts and signs in. When ctx ends, so does the connection, until close.
func connect(ctx context.Context, cfg Config) (*session, error) {
	s := &session{cfg: cfg}
	if cfg.TLS != TLS && cfg.TLS != STARTTLS && cfg.TLS != Plain {
		return nil, fmt.Errorf("smtp %s: tls is %q, not starttls, tls or none", cfg.address(), cfg.TLS)
	}
	dialer := net.Dialer{Timeout: cfg.Timeout}
	tcp, err := dialer.DialContext(ctx, "tcp", cfg.address())
	if err != nil {
		return nil, s.result(ctx, s.connecting(err))
	}
	if cfg.TLS == Plain && !cfg.AllowPlaintext && !loopback(tcp.RemoteAddr()) {
		_ = tcp.Close()
		return nil, &Trouble{Doing: s.doing("connect"), Err: ErrPlaintext, Cure: `use tls = "starttls" or "tls"`}
	}
	s.conn = &conn{Conn: tcp, silence: cfg.Timeout}
	s.unhook = context.AfterFunc(ctx, func() { _ = tcp.Close() })
	if err := s.greet(ctx); err != nil {
		s.close()
		return nil, s.result(ctx, s.connecting(err))
	}
	if err := s.login(ctx); err != nil {
		s.close()
		return nil, s.result(ctx, err)
	}
	return s, nil
}

func loopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// greet goes as far as the answer to EHLO, within TLS.
func (s *session) greet(ctx context.Context) error {
	settings := &tls.Config{ServerName: s.cfg.Host, RootCAs: s.cfg.RootCAs, MinVersion: tls.VersionTLS12}
	greeting := io.Reader(nil)
	if s.cfg.TLS == STARTTLS {
		if err := s.startTLS(); err != nil {
			return err
		}
		greeting = strings.NewReader("220 \r\n") // the server does not greet twice, go-smtp wants it
	}
	s.wire = &wire{Conn: s.conn}
	if s.cfg.TLS != Plain {
		encrypted := tls.Client(s.conn, settings)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return err
		}
		s.wire.Conn = encrypted
	}
	s.wire.r = s.wire.Conn
	if greeting != nil {
		s.wire.r = io.MultiReader(greeting, s.wire.Conn)
	}
	s.c = smtp.NewClient(s.wire)
	return s.c.Hello(s.cfg.Hello)
}

// startTLS asks for TLS (RFC 3207). go-smtp's own way names us "localhost", which some servers
// refuse, and its errors do not tell a server without STARTTLS from others.
func (s *session) startTLS() error {
	r := bufio.NewReader(s.conn)
	t := textproto.NewReader(r)
	ask := func(command string, code int) (string, error) {
		if command != "" {
			if _, err := io.WriteString(s.conn, command+"\r\n"); err != nil {
				return "", err
			}
		}
		_, text, err := t.ReadResponse(code)
		return text, err
	}
	if _, err := ask("", 220); err != nil {
		return err
	}
	if strings.ContainsAny(s.cfg.Hello, "\r\n") {
		return errors.New("hello has more than one line")
	}
	extensions, err := ask("EHLO "+s.cfg.Hello, 250)
	if err != nil {
		return err
	}
	offered := false
	for line := range strings.SplitSeq(extensions, "\n") {
		word, _, _ := strings.Cut(line, " ")
		offered = offered || strings.EqualFold(word, "STARTTLS")
	}
	if !offered {
		return &Trouble{
			Doing: s.doing("connect"), Err: ErrNoTLS,
			Cure: `use tls = "tls", mostly with port 465; no password was sent`,
		}
	}
	if _, err := ask("STARTTLS", 220); err != nil {
		return err
	}
	if r.Buffered() > 0 {
		return errors.New("something was said after STARTTLS and before TLS: somebody may be listening in")
	}
	return nil
}

// login signs in, if there is a user to sign in as.
func (s *session) login(ctx context.Context) error {
	if s.cfg.User == "" {
		return nil
	}
	doing := "sign in as " + s.cfg.User
	mechanism := ""
	for _, m := range []string{sasl.Plain, sasl.Login} {
		if mechanism == "" && s.c.SupportsAuth(m) {
			mechanism = m
		}
	}
	if s.cfg.XOAuth2 {
		mechanism = ""
		if s.c.SupportsAuth(xoauth2Name) {
			mechanism = xoauth2Name
		}
	}
	if mechanism == "" {
		return &Trouble{Doing: s.doing(doing), Err: ErrLogin, Cure: "the server offers no way to sign in that is known here: check host, port and tls"}
	}
	password, err := s.cfg.Password(ctx)
	if err != nil {
		return fmt.Errorf("smtp %s: read the password of %s: %w", s.cfg.address(), s.cfg.User, err)
	}
	var client sasl.Client
	switch mechanism {
	case sasl.Plain:
		client = sasl.NewPlainClient("", s.cfg.User, password)
	case sasl.Login:
		client = sasl.NewLoginClient(s.cfg.User, password)
	default:
		client = xoauth2{s.cfg.User, password}
	}
	err = s.c.Auth(client)
	var no *smtp.SMTPError
	if errors.As(err, &no) && no.Code >= 500 {
		cure := "check user and password"
		if s.cfg.XOAuth2 {
			cure = "the token is not accepted: sign in to the provider again"
		}
		return &Trouble{
			Doing: s.doing(doing), Says: printable(no.Message), Err: fmt.Errorf("%w: %w", ErrLogin, err), Cure: cure,
		}
	}
	return s.trouble(doing, err)
}

// quit says goodbye. The mail's fate is decided by then, so nothing that happens here counts.
func (s *session) quit() {
	const soon = 5 * time.Second
	s.conn.wait(min(soon, s.cfg.Timeout))
	_ = s.c.Quit()
}

// drop ends the connection without a word.
func (s *session) drop() { _ = s.conn.Close() }

func (s *session) close() {
	s.unhook()
	s.drop()
}

// result puts the end of ctx in the place of what it made fail.
func (s *session) result(ctx context.Context, err error) error {
	var refused *Refused
	if err == nil || ctx.Err() == nil || errors.As(err, &refused) {
		return err
	}
	if errors.Is(err, ErrUnknown) {
		return fmt.Errorf("%w: %w", ErrUnknown, ctx.Err())
	}
	return ctx.Err()
}

// xoauth2Name is Google's and Microsoft's way to sign in with an OAuth2 token.
// https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
const xoauth2Name = "XOAUTH2"

type xoauth2 struct{ user, token string }

func (x xoauth2) Start() (mechanism string, response []byte, err error) {
	return xoauth2Name, []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

// Next answers the server's explanation of a refusal with the empty line that it wants.
func (xoauth2) Next([]byte) ([]byte, error) { return []byte{}, nil }

// conn is the TCP connection. Only silence counts, not how long a command or a mail takes.
type conn struct {
	net.Conn
	mu      sync.Mutex
	silence time.Duration
}

func (c *conn) wait(silence time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silence = silence
}

func (c *conn) deadline() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.silence)
}

func (c *conn) Read(b []byte) (int, error) {
	_ = c.Conn.SetReadDeadline(c.deadline()) // fails only on a closed connection, as the read will
	return c.Conn.Read(b)
}

func (c *conn) Write(b []byte) (int, error) {
	_ = c.Conn.SetWriteDeadline(c.deadline())
	return c.Conn.Write(b)
}

// go-smtp's deadlines are ignored: they are for whole commands, and for mails there are none.
func (c *conn) SetDeadline(time.Time) error      { return nil }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// wire is the connection as go-smtp sees it. It knows whether the end of a mail was sent.
type wire struct {
	net.Conn
	r   io.Reader
	end []byte // the last bytes that were to be sent
}

const endOfMail = "\r\n.\r\n"

func (w *wire) Read(b []byte) (int, error) { return w.r.Read(b) }

func (w *wire) Write(b []byte) (int, error) {
	w.end = append(w.end, b[max(0, len(b)-len(endOfMail)):]...)
	w.end = w.end[max(0, len(w.end)-len(endOfMail)):]
	return w.Conn.Write(b)
}

func (w *wire) ended() bool { return string(w.end) == endOfMail }

// Trouble is an error of a server in a form that a person can act upon.
type Trouble struct {
	Doing string // what failed: "smtp mail.example.org:587: sign in as help@example.org"
	Says  string // the server's own words; empty if it said nothing
	Cure  string // what a person can do about it; empty if only waiting helps
	Err   error
}

func (t *Trouble) Error() string {
	text := t.Doing
	switch {
	case t.Says != "":
		text += ": the server says \"" + t.Says + "\""
	case t.Err != nil:
		text += ": " + t.Err.Error()
	}
	if t.Cure != "" {
		text += " (" + t.Cure + ")"
	}
	return text
}

func (t *Trouble) Unwrap() error { return t.Err }

func (s *session) doing(what string) string { return "smtp " + s.cfg.address() + ": " + what }

func (s *session) trouble(doing string, err error) error {
	if err == nil {
		return nil
	}
	t := &Trouble{Doing: s.doing(doing), Err: s.silent(err)}
	var no *smtp.SMTPError
	if errors.As(err, &no) {
		t.Says = printable(no.Message)
	}
	return t
}

// silent names a timeout for what it is.
func (s *session) silent(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return silence{}
	}
	return err
}

// silence is the error of a server that said nothing for too long.
type silence struct{}

func (silence) Error() string   { return "the server said nothing for too long" }
func (silence) Timeout() bool   { return true }
func (silence) Temporary() bool { return true }

// connecting explains why no connection came about.
func (s *session) connecting(err error) error {
	t := &Trouble{Doing: s.doing("connect"), Err: err}
	var (
		known   *Trouble
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		notTLS  tls.RecordHeaderError
		dns     *net.DNSError
		timeout net.Error
		no      *smtp.SMTPError
		noTLS   *textproto.Error
	)
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &unknown):
		t.Err = fmt.Errorf("the certificate is signed by an authority that is not known here: %w", err)
		t.Cure = "install the authority's certificate (update-ca-certificates), or start GroupMail with SSL_CERT_FILE naming it; until then no password is sent"
	case errors.As(err, &name):
		t.Err = fmt.Errorf("the certificate belongs to another name: %w", err)
		t.Cure = "set host to a name that is in the certificate"
	case errors.As(err, &invalid):
		t.Err = fmt.Errorf("the certificate is not valid: %w", err)
		if invalid.Reason == x509.Expired {
			t.Cure = "the server needs a new certificate; is this machine's clock right?"
		}
	case errors.As(err, &notTLS):
		t.Err = fmt.Errorf("the server does not speak TLS on this port: %w", err)
		t.Cure = `use port 465, or tls = "starttls" with port 587`
	case errors.As(err, &dns) && dns.IsNotFound:
		t.Err = fmt.Errorf("there is no host named %s: %w", s.cfg.Host, err)
		t.Cure = "check host"
	case errors.Is(err, syscall.ECONNREFUSED):
		t.Err = fmt.Errorf("nobody listens there: %w", err)
		t.Cure = "check host and port"
	case errors.As(err, &no):
		t.Says = printable(no.Message)
	case errors.As(err, &noTLS):
		t.Says = printable(noTLS.Msg)
	case errors.As(err, &timeout) && timeout.Timeout():
		t.Err = s.silent(err)
		t.Cure = "check host and port, and firewalls between"
		if s.cfg.TLS != TLS && s.conn != nil {
			t.Cure = `the port may expect TLS from the start: try tls = "tls"`
		}
	}
	return t
}

// printable makes a server's text fit for one line.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	const longest = 500
	if runes := []rune(s); len(runes) > longest {
		s = string(runes[:longest]) + "…"
	}
	return strings.Join(strings.Fields(s), " ")
}
