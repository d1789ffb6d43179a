package imap

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

	"github.com/emersion/go-imap/v2"

	"groupmail/connectors/mailbox"
)

// Errors that callers tell apart, beside mailbox.ErrLogin and mailbox.ErrCannot.
var (
	// ErrPlaintext means that a password would have crossed the network unencrypted.
	ErrPlaintext = errors.New("no password without encryption")
	// ErrNoTLS means that the server does not offer STARTTLS.
	ErrNoTLS = errors.New("the server does not offer STARTTLS")
	// ErrNoFolder means that the folder does not exist.
	ErrNoFolder = errors.New("no such folder")
)

// trouble turns what went wrong into something that a person can act upon. Errors of a context
// that has ended stay as they are.
func (m *Mailbox) trouble(doing string, err error) error {
	var known *mailbox.Trouble
	//nolint:errorlint // a network's timeout claims to be a DeadlineExceeded, and is none
	if err == nil || err == context.Canceled || err == context.DeadlineExceeded || errors.As(err, &known) {
		return err
	}
	t := &mailbox.Trouble{Doing: fmt.Sprintf("imap %s: %s", m.cfg.address(), doing), Err: err}
	var refused *imap.Error
	if errors.As(err, &refused) {
		t.Says = printable(refused.Text)
		return t
	}
	if m.conn != nil && m.conn.silent() {
		t.Err = &silence{m.cfg.Timeout}
	}
	t.Says = m.words.bye()
	return t
}

// silence is the error of a server that said nothing for too long.
type silence struct{ d time.Duration }

func (s *silence) Error() string   { return fmt.Sprintf("the server said nothing for %s", s.d) }
func (s *silence) Timeout() bool   { return true }
func (s *silence) Temporary() bool { return true }

// connecting explains why no connection came about.
func (m *Mailbox) connecting(ctx context.Context, err error) error {
	var known *mailbox.Trouble
	if ctx.Err() != nil || errors.As(err, &known) {
		return err
	}
	t := &mailbox.Trouble{Doing: "imap " + m.cfg.address() + ": connect", Err: err}
	var (
		unknown  x509.UnknownAuthorityError
		name     x509.HostnameError
		invalid  x509.CertificateInvalidError
		notTLS   tls.RecordHeaderError
		dns      *net.DNSError
		timeout  net.Error
		refused  *imap.Error
		isTLS    = m.cfg.TLS == TLS
		silently = m.conn != nil && m.conn.silent()
	)
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
		t.Cure = `use port 993, or tls = "starttls" with port 143`
	case errors.As(err, &dns) && dns.IsNotFound:
		t.Err = fmt.Errorf("there is no host named %s: %w", m.cfg.Host, err)
		t.Cure = "check host"
	case errors.Is(err, syscall.ECONNREFUSED):
		t.Err = fmt.Errorf("nobody listens there: %w", err)
		t.Cure = "check host and port"
	case errors.As(err, &refused):
		t.Says = printable(refused.Text)
	case silently || errors.As(err, &timeout) && timeout.Timeout():
		t.Err = &silence{m.cfg.Timeout}
		t.Cure = "check host and port, and firewalls between"
		if !isTLS && m.conn != nil {
			t.Cure = `the port may expect TLS from the start: try tls = "tls"`
		}
	default:
		t.Says = m.words.bye()
		if t.Says == "" && !isTLS && m.conn != nil {
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
	const longest = 300
	if runes := []rune(s); len(runes) > longest {
		s = string(runes[:longest]) + "…"
	}
	return strings.TrimSpace(s)
}
