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
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"groupmail/connectors/account"
	"groupmail/connectors/mailbox"
)

// SentFolder as a folder's name means the one that the server marks as \Sent (RFC 6154). Likewise
// \Junk, \Trash, \Archive …
const SentFolder = `\Sent`

// Config says which folder of which account is meant.
type Config struct {
	account.Account
	Folder string // empty means INBOX; also a special use, see SentFolder
}

// Mailbox is a folder on an IMAP server, opened on a connection of its own. It implements
// mailbox.Source, Waiter, Settler and Prober.
type Mailbox struct {
	cfg   Config
	conn  *account.Conn
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

// Open signs in and opens the folder for reading. account.ErrLogin, ErrPlaintext and ErrNoTLS, and
// ErrNoFolder, need a person; any other error may pass.
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
	cfg.Folder = cmp.Or(cfg.Folder, "INBOX")
	a, err := cfg.Speak(account.IMAP)
	if err != nil {
		return nil, err
	}
	return account.Connect(ctx, a, func(ctx context.Context, a account.Account) (*Mailbox, error) {
		cfg.Account = a
		m := &Mailbox{cfg: cfg, words: &lastWords{}, news: make(chan struct{}, 1), targets: map[string]string{}}
		if err := m.dial(ctx); err != nil {
			return nil, err
		}
		if err := m.login(ctx); err != nil {
			m.drop()
			return nil, err
		}
		return m, nil
	})
}

// dial connects as far as the greeting.
func (m *Mailbox) dial(ctx context.Context) (err error) {
	if m.conn, err = m.cfg.Dial(ctx); err != nil {
		return err
	}
	options := &imapclient.Options{
		DebugWriter: m.words, TLSConfig: m.cfg.TLSConfig(),
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: m.told},
	}
	err = m.bounded(ctx, func() error {
		switch m.cfg.TLS {
		case account.TLS:
			encrypted, err := m.cfg.Encrypt(ctx, m.conn)
			if err != nil {
				return err
			}
			m.tls = tls.VersionName(encrypted.ConnectionState().Version)
			m.c = imapclient.New(encrypted, options)
		case account.STARTTLS:
			// go-imap refuses a PREAUTH greeting here, and drops what came before the handshake.
			c, err := imapclient.NewStartTLS(m.conn, options)
			if isRefusal(err) {
				return m.cfg.NoTLS(m.says(err), err)
			}
			if err != nil {
				return err
			}
			m.c, m.tls = c, account.STARTTLS
		default:
			m.c = imapclient.New(m.conn, options)
		}
		return m.c.WaitGreeting()
	})
	if err != nil {
		m.drop()
		return m.cfg.Connecting(ctx, m.conn, m.says(err), err)
	}
	return nil
}

// login signs in, by AUTHENTICATE where the server knows it.
func (m *Mailbox) login(ctx context.Context) error {
	if err := m.askCaps(ctx); err != nil || m.c.State() == imap.ConnStateAuthenticated { // PREAUTH
		return err
	}
	offers := func(mechanism string) bool { return m.caps.Has(imap.AuthCap(mechanism)) }
	as, err := m.cfg.Credentials(ctx, offers, !m.caps.Has(imap.CapLoginDisabled))
	if err != nil {
		return err
	}
	err = m.bounded(ctx, func() error {
		if as.Mechanism == "" {
			return m.c.Login(as.User, as.Secret).Wait()
		}
		return m.c.Authenticate(noEmptyAnswer{as.Client()})
	})
	var refused *imap.Error
	if as.Explained() || errors.As(err, &refused) && !passing(refused.Code) {
		t := as.Refused(m.says(err), err)
		if refused != nil && refused.Code == imap.ResponseCodePrivacyRequired {
			t.Cure = `use tls = "tls" or "starttls"`
		}
		return t
	}
	if err != nil {
		return as.Trouble(m.conn, m.says(err), err)
	}
	return m.askCaps(ctx) // they change with the login
}

// noEmptyAnswer gives the connection up where an empty line would have to be said: go-imap writes it
// as "=".
type noEmptyAnswer struct{ sasl.Client }

func (n noEmptyAnswer) Next(challenge []byte) ([]byte, error) {
	answer, err := n.Client.Next(challenge)
	if err == nil && len(answer) == 0 {
		err = account.ErrLogin
	}
	return answer, err
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
	m.conn.Expect(m.cfg.Timeout)
	err := f()
	m.conn.Expect(0)
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
