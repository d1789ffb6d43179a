// Package imap is the mail source for IMAP servers (RFC 3501, RFC 9051): it picks mail up, waits
// for more (IDLE), carries out fates, files copies in the Sent folder and checks settings.
//
// It knows the protocol and nothing of conversations. It wraps go-imap, which has no contexts and
// some traps: a connection that ends in the middle of a mail looks like the mail's end, Move on a
// server without MOVE loses mail, silence is never noticed, a second FETCH before the first is
// acknowledged may hang. All talk with a server goes through Mailbox.ask, which bounds it, one
// command at a time.
//
// Start reading at Open, then Mailbox.Fetch.
package imap

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"groupmail/connectors/mailbox"
)

// How a connection is encrypted.
const (
	TLS      = "tls"      // from the start, RFC 8314
	STARTTLS = "starttls" // required: a server that does not offer it is refused
	Plain    = "none"     // to loopback only, unless Config.AllowPlaintext
)

// SentFolder as a folder's name means the one that the server marks as \Sent (RFC 6154). Likewise
// \Junk, \Trash, \Archive …
const SentFolder = `\Sent`

// Config says where a mailbox is and how to get in.
type Config struct {
	Host string
	Port int    // 0 means 993 with TLS, else 143
	TLS  string // TLS (if empty), STARTTLS or Plain
	User string
	// Password is asked anew at each login, so that a changed one needs no restart.
	Password func(context.Context) (string, error)
	// XOAuth2 means that Password returns an OAuth2 access token.
	XOAuth2 bool
	Folder  string // empty means INBOX; also a special use, see SentFolder
	// AllowPlaintext permits Plain to hosts other than this one.
	AllowPlaintext bool
	RootCAs        *x509.CertPool // nil means the system's
	// Timeout is how long the server may say nothing while it owes an answer; 0 means a minute.
	Timeout time.Duration
}

func (c Config) defaults() Config {
	if c.TLS == "" {
		c.TLS = TLS
	}
	if c.Port == 0 {
		c.Port = 993
		if c.TLS != TLS {
			c.Port = 143
		}
	}
	if c.Folder == "" {
		c.Folder = "INBOX"
	}
	if c.Timeout <= 0 {
		c.Timeout = time.Minute
	}
	return c
}

func (c Config) address() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

// Mailbox is a folder on an IMAP server, opened on a connection of its own. It implements
// mailbox.Source, Waiter, Settler and Prober.
type Mailbox struct {
	cfg   Config
	conn  *conn
	words *lastWords
	c     *imapclient.Client
	caps  imap.CapSet
	tls   string // version in use; empty without

	news chan struct{} // holds one token once the server has told of mail

	folder    string // as the server names it
	validity  string
	next      imap.UID  // every mail that was there at the last look has a lower UID
	selected  time.Time // when the folder was opened
	permanent []imap.Flag
	writable  bool
	lost      bool  // the connection is of no use any more
	why       error // what made it so, if the server did

	datesApart bool // dates must be asked for before mails

	targets map[string]string // folders of fates, resolved
	listed  *folders          // names on the server, asked once
}

var (
	_ mailbox.Source  = (*Mailbox)(nil)
	_ mailbox.Waiter  = (*Mailbox)(nil)
	_ mailbox.Settler = (*Mailbox)(nil)
	_ mailbox.Prober  = (*Mailbox)(nil)
)

// Open signs in and opens the folder for reading. mailbox.ErrLogin, ErrPlaintext, ErrNoTLS and
// ErrNoFolder need a person; any other error may pass.
func Open(ctx context.Context, cfg Config) (*Mailbox, error) {
	m, err := connect(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := m.openFolder(ctx); err != nil {
		m.drop()
		return nil, err
	}
	return m, nil
}

// connect dials and signs in.
func connect(ctx context.Context, cfg Config) (*Mailbox, error) {
	m := &Mailbox{
		cfg: cfg.defaults(), words: &lastWords{}, news: make(chan struct{}, 1), targets: map[string]string{},
	}
	if m.cfg.TLS != TLS && m.cfg.TLS != STARTTLS && m.cfg.TLS != Plain {
		return nil, fmt.Errorf("imap %s: tls is %q, not tls, starttls or none", m.cfg.address(), m.cfg.TLS)
	}
	if err := m.dial(ctx); err != nil {
		return nil, err
	}
	if err := m.login(ctx); err != nil {
		m.drop()
		return nil, err
	}
	return m, nil
}

// dial connects as far as the greeting.
func (m *Mailbox) dial(ctx context.Context) error {
	dialer := net.Dialer{
		Timeout: m.cfg.Timeout,
		// A dead peer is noticed within two minutes even where nothing is ever sent.
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4},
	}
	tcp, err := dialer.DialContext(ctx, "tcp", m.cfg.address())
	if err != nil {
		return m.connecting(ctx, err)
	}
	if m.cfg.TLS == Plain && !m.cfg.AllowPlaintext && !loopback(tcp) {
		_ = tcp.Close()
		return &mailbox.Trouble{
			Doing: "imap " + m.cfg.address() + ": connect", Err: ErrPlaintext,
			Cure: `use tls = "tls" or "starttls"`,
		}
	}
	m.conn = &conn{Conn: tcp, silence: m.cfg.Timeout}
	options := &imapclient.Options{
		DebugWriter:           m.words,
		TLSConfig:             &tls.Config{ServerName: m.cfg.Host, RootCAs: m.cfg.RootCAs, MinVersion: tls.VersionTLS12},
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: m.told},
	}
	err = m.bounded(ctx, func() error {
		switch m.cfg.TLS {
		case TLS:
			encrypted := tls.Client(m.conn, options.TLSConfig)
			if err := encrypted.HandshakeContext(ctx); err != nil {
				return err
			}
			m.tls = tls.VersionName(encrypted.ConnectionState().Version)
			m.c = imapclient.New(encrypted, options)
		case STARTTLS:
			// go-imap refuses a PREAUTH greeting here, and drops what came before the handshake.
			c, err := imapclient.NewStartTLS(m.conn, options)
			var refused *imap.Error
			if errors.As(err, &refused) {
				return &mailbox.Trouble{
					Doing: "imap " + m.cfg.address() + ": connect", Says: printable(refused.Text),
					Err: fmt.Errorf("%w: %w", ErrNoTLS, err), Cure: `use tls = "tls", mostly with port 993; no password was sent`,
				}
			}
			if err != nil {
				return err
			}
			m.c, m.tls = c, STARTTLS
		case Plain:
			m.c = imapclient.New(m.conn, options)
		}
		return m.c.WaitGreeting()
	})
	if err != nil {
		m.drop()
		return m.connecting(ctx, err)
	}
	return nil
}

func loopback(c net.Conn) bool {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// login signs in, by AUTHENTICATE where the server knows it.
func (m *Mailbox) login(ctx context.Context) error {
	if m.c.State() == imap.ConnStateAuthenticated { // PREAUTH
		return m.askCaps(ctx)
	}
	if err := m.askCaps(ctx); err != nil {
		return err
	}
	doing := "sign in as " + m.cfg.User
	mechanism := sasl.Plain
	if m.cfg.XOAuth2 {
		mechanism = xoauth2Name
	}
	byAuthenticate := m.caps.Has(imap.AuthCap(mechanism))
	switch {
	case m.cfg.XOAuth2 && !byAuthenticate:
		return &mailbox.Trouble{
			Doing: "imap " + m.cfg.address() + ": " + doing, Err: mailbox.ErrLogin,
			Cure: "the server does not know XOAUTH2: use a password",
		}
	case !byAuthenticate && m.caps.Has(imap.CapLoginDisabled):
		return &mailbox.Trouble{
			Doing: "imap " + m.cfg.address() + ": " + doing, Err: fmt.Errorf("the server takes no password on this connection: %w", mailbox.ErrLogin),
			Cure: `use tls = "tls" or "starttls"`,
		}
	}
	password, err := m.cfg.Password(ctx)
	if err != nil {
		return fmt.Errorf("imap %s: read the password of %s: %w", m.cfg.address(), m.cfg.User, err)
	}
	token := &xoauth2{user: m.cfg.User, token: password}
	err = m.bounded(ctx, func() error {
		switch {
		case m.cfg.XOAuth2:
			return m.c.Authenticate(token)
		case byAuthenticate:
			return m.c.Authenticate(sasl.NewPlainClient("", m.cfg.User, password))
		default:
			return m.c.Login(m.cfg.User, password).Wait()
		}
	})
	var refused *imap.Error
	switch {
	case token.says != "":
		return &mailbox.Trouble{
			Doing: "imap " + m.cfg.address() + ": " + doing, Says: token.says, Err: mailbox.ErrLogin,
			Cure: "the token is not accepted: sign in to the provider again",
		}
	case errors.As(err, &refused) && !passing(refused.Code):
		cure := "check user and password"
		if refused.Code == imap.ResponseCodePrivacyRequired {
			cure = `use tls = "tls" or "starttls"`
		}
		return &mailbox.Trouble{
			Doing: "imap " + m.cfg.address() + ": " + doing, Says: printable(refused.Text), Cure: cure,
			Err: fmt.Errorf("%w: %w", mailbox.ErrLogin, err),
		}
	}
	if err != nil {
		return m.trouble(doing, err)
	}
	return m.askCaps(ctx) // they change with the login
}

// passing tells whether a refusal says of itself that it will pass (RFC 5530).
func passing(code imap.ResponseCode) bool {
	return slices.Contains([]imap.ResponseCode{
		imap.ResponseCodeUnavailable, imap.ResponseCodeInUse, imap.ResponseCodeServerBug, imap.ResponseCodeLimit,
	}, code)
}

// askCaps asks what the server can do. What go-imap itself remembers may, for a moment, be from
// before the login.
func (m *Mailbox) askCaps(ctx context.Context) error {
	return m.ask(ctx, "ask for capabilities", func() (err error) {
		m.caps, err = m.c.Capability().Wait()
		return err
	})
}

// openFolder finds and opens the folder for reading only: what a person sees in the mail program
// stays as it is, even with servers that mark mail as read when it is fetched.
func (m *Mailbox) openFolder(ctx context.Context) error {
	name, err := m.resolve(ctx, m.cfg.Folder)
	if err == nil {
		m.folder = name
		return m.selectFolder(ctx, false)
	}
	if errors.Is(err, ErrNoFolder) && !strings.HasPrefix(m.cfg.Folder, `\`) {
		m.folder = m.cfg.Folder // some servers do not list all that they have
		if opened := m.selectFolder(ctx, false); opened == nil || m.lost {
			return opened
		}
	}
	return err
}

func (m *Mailbox) selectFolder(ctx context.Context, writable bool) error {
	var box *imap.SelectData
	err := m.ask(ctx, "open "+m.folder, func() (err error) {
		if box, err = m.c.Select(m.folder, &imap.SelectOptions{ReadOnly: !writable}).Wait(); err != nil {
			return err
		}
		return m.c.Noop().Wait() // go-imap acknowledges before it has taken note of the folder
	})
	if err != nil {
		return err
	}
	validity := strconv.FormatUint(uint64(box.UIDValidity), 10)
	if validity != m.validity {
		m.validity, m.next = validity, 0
	}
	m.next = max(m.next, box.UIDNext, 1)
	m.permanent, m.writable, m.selected = box.PermanentFlags, writable, time.Now()
	return nil
}

// Close signs off, politely if that is quickly done.
func (m *Mailbox) Close() error {
	if !m.lost {
		ctx, cancel := context.WithTimeout(context.Background(), min(2*time.Second, m.cfg.Timeout))
		defer cancel()
		_ = m.bounded(ctx, func() error { return m.c.Logout().Wait() })
	}
	m.drop()
	return nil
}

// drop ends the connection and waits until go-imap's goroutines are gone.
func (m *Mailbox) drop() {
	m.lost = true
	_ = m.conn.Close()
	if m.c != nil {
		_ = m.c.Close() // repeats what was reported, or that it is closed
	}
}

// bounded runs f, which talks with the server. When ctx ends, or the server says nothing for too
// long, the connection is closed and f fails.
func (m *Mailbox) bounded(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	unhook := context.AfterFunc(ctx, func() { _ = m.conn.Close() })
	m.conn.expect(true)
	err := f()
	m.conn.expect(false)
	if !unhook() {
		m.lost = true
		return ctx.Err()
	}
	if err != nil && !isRefusal(err) {
		m.lost = true
	}
	return err
}

// ask is bounded with errors that say what was asked.
func (m *Mailbox) ask(ctx context.Context, doing string, f func() error) error {
	err := m.trouble(doing, m.bounded(ctx, f))
	if m.lost && ctx.Err() == nil {
		m.why = cmp.Or(m.why, err)
	}
	return err
}

// lostBy is the error of whoever uses a lost connection.
func (m *Mailbox) lostBy() error {
	return cmp.Or(m.why, errors.New("imap: the connection is closed"))
}

// told hears what the server says unasked. It runs in go-imap's goroutine.
func (m *Mailbox) told(data *imapclient.UnilateralDataMailbox) {
	if data.NumMessages != nil {
		m.tell()
	}
}

func (m *Mailbox) tell() {
	select {
	case m.news <- struct{}{}:
	default: // told already
	}
}

// xoauth2Name is Google's and Microsoft's way to sign in with an OAuth2 token.
// https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
const xoauth2Name = "XOAUTH2"

type xoauth2 struct {
	user, token string
	says        string // the server's explanation of a refusal
}

func (x *xoauth2) Start() (mechanism string, response []byte, err error) {
	return xoauth2Name, []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

// Next is called only when the token is refused. The answer would be an empty line, which go-imap
// writes as "="; the connection is given up instead.
func (x *xoauth2) Next(challenge []byte) ([]byte, error) {
	x.says = printable(string(challenge))
	return nil, mailbox.ErrLogin
}
