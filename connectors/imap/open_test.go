package imap_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"groupmail/connectors/account"
	"groupmail/connectors/imap"
	"groupmail/connectors/mailbox/mailboxtest"
	"groupmail/deploy/testbed"
)

// secured is a configuration for a server's TLS port.
func secured(t testing.TB, address, mode string, roots *x509.CertPool) imap.Config {
	cfg := config(t, address)
	cfg.TLS, cfg.RootCAs = mode, roots
	return cfg
}

func TestOpenRefusals(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	memory := newMemory(t, memoryCaps)
	stalled := testbed.NewProxy(t, dovecot.IMAP)
	stalled.Stall()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	check(t, nobody.Close())
	roots := testbed.CertPool(t)
	with := func(cfg imap.Config, change func(*imap.Config)) imap.Config {
		change(&cfg)
		return cfg
	}
	impatient := func(c *imap.Config) { c.Timeout = 300 * time.Millisecond }

	for name, test := range map[string]struct {
		cfg     imap.Config
		is      error  // errors.Is
		says    string // in the server's own words
		hint    string // anywhere in the text
		asks    bool   // the password was read
		noLogin bool   // it is not ErrLogin
	}{
		"wrong password": {
			cfg: with(config(t, dovecot.IMAP), func(c *imap.Config) { c.Password = password("wrong") }),
			is:  account.ErrLogin, says: "Authentication failed.", hint: "check user and password", asks: true,
		},
		"wrong password over LOGIN": {
			cfg: with(config(t, memory.address), func(c *imap.Config) { c.Password = password("wrong") }),
			is:  account.ErrLogin, says: "Authentication failed", asks: true,
		},
		"wrong token": {
			cfg: with(config(t, dovecot.IMAP), func(c *imap.Config) { c.Token = token("stale") }),
			is:  account.ErrLogin, says: `"status":"401"`, hint: "sign in to the provider again", asks: true,
		},
		"no XOAUTH2": {
			cfg: with(config(t, memory.address), func(c *imap.Config) { c.Token = token("any") }),
			is:  account.ErrLogin, hint: "does not know XOAUTH2",
		},
		"password cannot be read": {
			cfg: with(config(t, dovecot.IMAP), func(c *imap.Config) {
				c.Password = func(context.Context) (string, error) { return "", errors.New("no such file") }
			}),
			hint: "no such file", asks: true, noLogin: true,
		},
		"TLS, unknown authority": {
			cfg: secured(t, dovecot.IMAPS, account.TLS, nil), hint: "authority that is not known here",
		},
		"STARTTLS, unknown authority": {
			cfg: secured(t, dovecot.IMAP, account.STARTTLS, nil), hint: "authority that is not known here",
		},
		"TLS, another name": {
			cfg: secured(t, cutter(t, "127.0.0.2:0", dovecot.IMAPS, nil), account.TLS, roots), hint: "belongs to another name",
		},
		"STARTTLS not offered": {
			cfg: secured(t, memory.address, account.STARTTLS, roots), is: account.ErrNoTLS, hint: `use tls = "tls"`,
		},
		"TLS on the plain port": {
			cfg: secured(t, dovecot.IMAP, account.TLS, roots), hint: `tls = "starttls"`,
		},
		"plain on the TLS port": {
			cfg: with(config(t, dovecot.IMAPS), impatient), hint: `try tls = "tls"`,
		},
		"STARTTLS on the TLS port": {
			cfg: with(secured(t, dovecot.IMAPS, account.STARTTLS, roots), impatient), hint: `try tls = "tls"`,
		},
		"nobody listens": {cfg: config(t, nobody.Addr().String()), hint: "nobody listens there"},
		"unknown host": {
			cfg: with(config(t, dovecot.IMAP), func(c *imap.Config) { c.Host = "mail.invalid" }), hint: "mail.invalid",
		},
		"silence":     {cfg: with(config(t, stalled.Addr), impatient), hint: "said nothing for 300ms"},
		"silence TLS": {cfg: with(secured(t, stalled.Addr, account.TLS, roots), impatient), hint: "said nothing for 300ms"},
		"no such folder": {
			cfg: with(config(t, dovecot.IMAP), func(c *imap.Config) { c.Folder = "Snet" }),
			is:  imap.ErrNoFolder, hint: "there are Sent,", asks: true,
		},
		"no such special use": {
			cfg: with(config(t, dovecot.IMAP), func(c *imap.Config) { c.Folder = `\Archive` }),
			is:  imap.ErrNoFolder, hint: "name one in the configuration", asks: true,
		},
		"misspelt tls": {
			cfg: with(config(t, dovecot.IMAP), func(c *imap.Config) { c.TLS = "ssl" }), hint: `"ssl"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Bool
			cfg := test.cfg
			given := cfg.Password
			cfg.Password = func(ctx context.Context) (string, error) {
				asked.Store(true)
				return given(ctx)
			}
			if bearer := cfg.Token; bearer != nil {
				cfg.Token = func(ctx context.Context, refused string) (string, error) {
					asked.Store(true)
					return bearer(ctx, refused)
				}
			}
			m, err := imap.Open(t.Context(), cfg)
			if err == nil {
				_ = m.Close()
				t.Fatal("Open succeeded")
			}
			t.Log(err)
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
			if !errors.Is(test.is, account.ErrLogin) && errors.Is(err, account.ErrLogin) {
				t.Errorf("%v counts as a refused login", err)
			}
			if !strings.Contains(err.Error(), test.hint) {
				t.Errorf("%q does not mention %q", err, test.hint)
			}
			var trouble *account.Trouble
			if test.says != "" && (!errors.As(err, &trouble) || !strings.Contains(trouble.Says, test.says)) {
				t.Errorf("%q does not quote %q", err, test.says)
			}
			if asked.Load() != test.asks {
				t.Errorf("password asked: %v, want %v", asked.Load(), test.asks)
			}
			if strings.Contains(err.Error(), testbed.Password) {
				t.Errorf("the password is in %q", err)
			}
		})
	}
}

func TestOpenWays(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	roots := testbed.CertPool(t)
	dovecot.Deliver(user, mailboxtest.Mail(1))
	bearer := config(t, dovecot.IMAP)
	bearer.Token = token(testbed.Token)
	sent := config(t, dovecot.IMAP)
	sent.Folder = imap.SentFolder
	for name, cfg := range map[string]imap.Config{
		"plain":    config(t, dovecot.IMAP),
		"STARTTLS": secured(t, dovecot.IMAP, account.STARTTLS, roots),
		"TLS":      secured(t, dovecot.IMAPS, account.TLS, roots),
		"default":  secured(t, dovecot.IMAPS, "", roots),
		"XOAUTH2":  bearer,
		"Sent":     sent,
	} {
		t.Run(name, func(t *testing.T) {
			check(t, open(t, cfg).Close())
		})
	}
}

// passingSession refuses the login for a reason that will pass.
type passingSession struct{ *imapmemserver.UserSession }

func (passingSession) Login(string, string) error {
	return &goimap.Error{Type: goimap.StatusResponseTypeNo, Code: goimap.ResponseCodeUnavailable, Text: "The directory is down"}
}

func TestLoginPassingTrouble(t *testing.T) {
	server := newMemory(t, memoryCaps, func(_ *imapserver.Conn, s *imapmemserver.UserSession) imapserver.Session { return passingSession{s} })
	_, err := imap.Open(t.Context(), config(t, server.address))
	var trouble *account.Trouble
	if !errors.As(err, &trouble) || trouble.Says != "The directory is down" || errors.Is(err, account.ErrLogin) {
		t.Errorf("got %v, want the server's words and no refused login", err)
	}
}

// TestOpenCancelled ends the context while the server is silent at each step.
func TestOpenCancelled(t *testing.T) {
	for name, script := range map[string]string{
		"greeting":   "",
		"capability": "* OK hello\r\n",
		"login":      "* OK hello\r\n«CAPABILITY»* CAPABILITY IMAP4rev1\r\n",
		"folder":     "* OK hello\r\n«CAPABILITY»* CAPABILITY IMAP4rev1\r\n«LOGIN»",
	} {
		t.Run(name, func(t *testing.T) {
			server := newScript(t, script)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			_, err := imap.Open(ctx, config(t, server))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Open returned %v, want the context's error", err)
			}
		})
	}
}

// TestPlaintextAbroad: nothing is said to a server elsewhere without encryption, unless it is allowed.
func TestPlaintextAbroad(t *testing.T) {
	server := newMemory(t, memoryCaps)
	cfg := config(t, cutter(t, abroad(t)+":0", server.address, nil))
	cfg.Password = func(context.Context) (string, error) {
		t.Error("the password was asked for")
		return "", nil
	}
	if _, err := imap.Open(t.Context(), cfg); !errors.Is(err, account.ErrPlaintext) {
		t.Errorf("got %v, want ErrPlaintext", err)
	}
	cfg.AllowPlaintext, cfg.Password = true, password(testbed.Password)
	check(t, open(t, cfg).Close())
}

// abroad is an address of this machine that is not loopback. Without a network there is none;
// TestLoopback decides the same without one.
func abroad(t testing.TB) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	check(t, err)
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	t.Skip("no network")
	return ""
}

// TestOpenUnlisted opens a folder that the server does not list.
func TestOpenUnlisted(t *testing.T) {
	cfg := config(t, newScript(t, "* OK hello\r\n«CAPABILITY»* CAPABILITY IMAP4rev1\r\n«LOGIN»«LIST»* LIST () \".\" INBOX\r\n"+
		"«EXAMINE \"Shared\"»* 0 EXISTS\r\n* OK [UIDVALIDITY 9] .\r\n* OK [UIDNEXT 4] .\r\n«NOOP»"))
	cfg.Folder = "Shared"
	check(t, open(t, cfg).Close())
}
