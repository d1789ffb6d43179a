// Package account is an account on a mail server: where it is, how the way there is encrypted, how
// one signs in, and what went wrong in words that a person can act upon.
//
// It knows no protocol beyond its name and its ports: imap, pop3 and smtp say what they know of it
// in a Protocol, embed Account in their Config, and have in common what is here: no password goes
// over a line that others can read, a connection on which only silence counts, one set of cures.
//
// Start reading at Account, then Account.Dial and Account.Credentials.
package account

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strconv"
	"time"
)

// How a connection is encrypted.
const (
	TLS      = "tls"      // from the start, RFC 8314
	STARTTLS = "starttls" // required: a server that does not offer it is refused
	Plain    = "none"     // to loopback only, unless Account.AllowPlaintext
)

// Protocol is what an account needs to know of the protocol that is spoken.
type Protocol struct {
	Name    string // begins every error: "imap"
	TLS     string // unless the account says otherwise
	Ports   map[string]int
	Timeout time.Duration // likewise
}

// The protocols and their ports (RFC 8314).
var (
	IMAP = Protocol{Name: "imap", TLS: TLS, Ports: map[string]int{TLS: 993, STARTTLS: 143, Plain: 143}, Timeout: time.Minute}
	POP3 = Protocol{Name: "pop3", TLS: TLS, Ports: map[string]int{TLS: 995, STARTTLS: 110, Plain: 110}, Timeout: time.Minute}
	SMTP = Protocol{Name: "smtp", TLS: STARTTLS, Ports: map[string]int{TLS: 465, STARTTLS: 587, Plain: 25}, Timeout: 2 * time.Minute}
)

// Account says where a mail server is and how to get in.
type Account struct {
	Protocol Protocol // set by Speak
	Host     string
	Port     int    // 0 means the protocol's
	TLS      string // TLS, STARTTLS or Plain; empty means the protocol's
	User     string
	// Password is asked anew at each sign-in, so that a changed one needs no restart.
	Password func(context.Context) (string, error)
	// Token, if set, hands out an OAuth2 access token, which is used instead of the password. refused
	// is one that the server did not take just now, or empty: it must not be handed out again.
	Token func(ctx context.Context, refused string) (string, error)
	// AllowPlaintext permits Plain to hosts other than this one.
	AllowPlaintext bool
	RootCAs        *x509.CertPool // nil means the system's
	// Timeout is how long the server may say nothing while it owes an answer; 0 means the protocol's.
	Timeout time.Duration

	refused string // token, see Connect
}

// Speak fills in what the protocol decides.
func (a Account) Speak(p Protocol) (Account, error) {
	a.Protocol = p
	if a.TLS == "" {
		a.TLS = p.TLS
	}
	if a.Port == 0 {
		a.Port = p.Ports[a.TLS]
	}
	if a.Timeout <= 0 {
		a.Timeout = p.Timeout
	}
	if _, ok := p.Ports[a.TLS]; !ok {
		return a, fmt.Errorf("%s %s: tls is %q, not tls, starttls or none", p.Name, a.Address(), a.TLS)
	}
	return a, nil
}

// Address is host:port.
func (a Account) Address() string { return net.JoinHostPort(a.Host, strconv.Itoa(a.Port)) }

// TLSConfig is for whoever encrypts the connection.
func (a Account) TLSConfig() *tls.Config {
	return &tls.Config{ServerName: a.Host, RootCAs: a.RootCAs, MinVersion: tls.VersionTLS12}
}

// Dial connects, by TCP alone. ErrPlaintext if nothing may be said there; other errors, too, say
// what to do.
func (a Account) Dial(ctx context.Context) (*Conn, error) {
	dialer := net.Dialer{
		Timeout: a.Timeout,
		// A dead peer is noticed within two minutes even where nothing is ever sent.
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4},
	}
	tcp, err := dialer.DialContext(ctx, "tcp", a.Address())
	if err != nil {
		return nil, a.Connecting(ctx, nil, "", err)
	}
	if a.TLS == Plain && !a.AllowPlaintext && !loopback(tcp.RemoteAddr()) {
		_ = tcp.Close()
		return nil, &Trouble{Doing: a.Doing("connect"), Err: ErrPlaintext, Cure: `use tls = "tls" or "starttls"`}
	}
	return &Conn{Conn: tcp, silence: a.Timeout}, nil
}

func loopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// Encrypt makes the TLS handshake on a connection. Its errors are for Connecting to explain.
func (a Account) Encrypt(ctx context.Context, c *Conn) (*tls.Conn, error) {
	encrypted := tls.Client(c, a.TLSConfig())
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return encrypted, nil
}
