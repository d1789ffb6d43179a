package account

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// Errors that need a person.
var (
	// ErrLogin means that the server refused user, password or token. Trying again soon may lock an
	// account.
	ErrLogin = errors.New("login refused")
	// ErrPlaintext means that a mail or a password would have crossed the network unencrypted.
	ErrPlaintext = errors.New("no mail and no password without encryption")
	// ErrNoTLS means that the server does not offer STARTTLS.
	ErrNoTLS = errors.New("the server does not offer STARTTLS")
)

// Trouble is an error of a server in a form that a person can act upon.
type Trouble struct {
	Doing string // what failed: "imap imap.example.org:993: sign in as help@example.org"
	Says  string // the server's own words; empty if it said nothing
	Cure  string // what a person can do about it; empty if only waiting helps
	Err   error

	token string // that was refused, see Connect
}

func (t *Trouble) Error() string {
	var b strings.Builder
	b.WriteString(t.Doing)
	switch {
	case t.Says != "":
		b.WriteString(": the server says \"" + t.Says + "\"")
	case t.Err != nil:
		b.WriteString(": " + t.Err.Error())
	}
	if t.Cure != "" {
		b.WriteString(" (" + t.Cure + ")")
	}
	return b.String()
}

func (t *Trouble) Unwrap() error { return t.Err }

// Silence is the error of a server that said nothing for too long.
type Silence struct{ Lasted time.Duration }

func (s *Silence) Error() string { return fmt.Sprintf("the server said nothing for %s", s.Lasted) }

// Timeout implements net.Error.
func (s *Silence) Timeout() bool { return true }

// Temporary implements net.Error.
func (s *Silence) Temporary() bool { return true }

// Doing names what is being done on which server, as Trouble begins.
func (a Account) Doing(what string) string {
	return a.Protocol.Name + " " + a.Address() + ": " + what
}

// Trouble turns what went wrong on a connection into something that a person can act upon. says is
// what the server said about it, if it did. What is Trouble already, and the error of a context that
// has ended, stay as they are.
func (a Account) Trouble(c *Conn, doing, says string, err error) error {
	var known *Trouble
	//nolint:errorlint // a network's timeout claims to be a DeadlineExceeded, and is none
	if err == nil || err == context.Canceled || err == context.DeadlineExceeded || errors.As(err, &known) {
		return err
	}
	if silence, ok := c.silent(); ok {
		err = silence
	}
	return &Trouble{Doing: a.Doing(doing), Says: Printable(says), Err: err}
}

// NoTLS is the trouble of a server without STARTTLS.
func (a Account) NoTLS(says string, err error) error {
	if err == nil {
		err = ErrNoTLS
	} else {
		err = fmt.Errorf("%w: %w", ErrNoTLS, err)
	}
	return &Trouble{
		Doing: a.Doing("connect"), Says: Printable(says), Err: err,
		Cure: fmt.Sprintf(`use tls = "tls", mostly with port %d; no password was sent`, a.Protocol.Ports[TLS]),
	}
}

// Connecting explains why no connection came about. c is nil if nobody answered at all; says is what
// the server said about it, if it did.
func (a Account) Connecting(ctx context.Context, c *Conn, says string, err error) error {
	var known *Trouble
	if err == nil || ctx.Err() != nil || errors.As(err, &known) {
		return err
	}
	t := &Trouble{Doing: a.Doing("connect"), Err: err}
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		notTLS  tls.RecordHeaderError
		dns     *net.DNSError
		timeout net.Error
	)
	perhapsTLS := ""
	if a.TLS != TLS && c != nil {
		perhapsTLS = `the port may expect TLS from the start: try tls = "tls"`
	}
	silence, silent := c.silent()
	if !silent && errors.As(err, &timeout) && timeout.Timeout() {
		silence, silent = &Silence{a.Timeout}, true
	}
	switch {
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
		t.Cure = fmt.Sprintf(`use port %d, or tls = "starttls" with port %d`, a.Protocol.Ports[TLS], a.Protocol.Ports[STARTTLS])
	case errors.As(err, &dns) && dns.IsNotFound:
		t.Err = fmt.Errorf("there is no host named %s: %w", a.Host, err)
		t.Cure = "check host"
	case errors.Is(err, syscall.ECONNREFUSED):
		t.Err = fmt.Errorf("nobody listens there: %w", err)
		t.Cure = "check host and port"
	case says != "":
		t.Says = Printable(says)
	case silent && perhapsTLS == "":
		t.Err, t.Cure = silence, "check host and port, and firewalls between"
	case silent:
		t.Err, t.Cure = silence, perhapsTLS
	default:
		t.Cure = perhapsTLS
	}
	return t
}

// Printable makes a server's text fit for one line.
func Printable(s string) string {
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
	return strings.TrimSpace(s)
}
