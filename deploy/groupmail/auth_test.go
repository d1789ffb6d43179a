package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"groupmail/connectors/account"
	"groupmail/connectors/account/oauth"
	"groupmail/connectors/imap"
	"groupmail/connectors/smtp"
	"groupmail/deploy/testbed"
	"groupmail/store"
	"groupmail/ticketing"
)

// provided is a mailbox on real servers that take nothing but a provider's tokens.
type provided struct {
	t       *testing.T
	issuer  *testbed.Issuer
	dovecot *testbed.Dovecot
	smtp    *testbed.SMTP
	file    string
}

func newProvided(t *testing.T, settings testbed.IssuerSettings, more string) *provided {
	t.Helper()
	p := &provided{
		t: t, dovecot: testbed.NewDovecot(t, "auth_mechanisms = oauthbearer xoauth2"), smtp: testbed.NewSMTP(t, testbed.PlainText),
		file: filepath.Join(t.TempDir(), "groupmail.toml"),
	}
	settings.OnAccess = func(token string) { // only the newest is good
		p.dovecot.SetToken(token)
		p.smtp.SetToken(token)
	}
	p.issuer = testbed.NewIssuer(t, settings)
	t.Setenv("CLIENT_SECRET", testbed.IssuerSecret)
	at := func(address string) string {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("host = %q\nport = %s\ntls = \"none\"\n", host, port)
	}
	text := "listen = \"127.0.0.1:1\"\ndata = " + fmt.Sprintf("%q", filepath.Join(filepath.Dir(p.file), "data")) + `
[browser]
insecure_no_login = true
[[group]]
name = "help"
[[group.board]]
channel = "mail"
[[group.mailbox]]
address = "help@example.org"
name = "help"
[group.mailbox.imap]
user = "` + testbed.TokenUser + `"
` + at(p.dovecot.IMAP) + `
[group.mailbox.imap.oauth]
issuer = "` + p.issuer.URL + `"
client_id = "` + testbed.IssuerClient + `"
client_secret = "env:CLIENT_SECRET"
` + more + `
[group.mailbox.smtp]
` + at(p.smtp.Addr)
	if err := os.WriteFile(p.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *provided) run(args ...string) (status int, told string) {
	p.t.Helper()
	var out bytes.Buffer
	status = run(append(args, "--config", p.file), streams{strings.NewReader(""), &out, &out})
	p.t.Logf("groupmail %s: %d\n%s", strings.Join(args, " "), status, &out)
	for _, secret := range []string{testbed.IssuerSecret, "access-", "refresh-", "device-code"} {
		if strings.Contains(out.String(), secret) {
			p.t.Errorf("it tells %q", secret)
		}
	}
	return status, out.String()
}

// TestAuth signs in by the command and then works with what that gave: tokens that the server takes no
// more are replaced, and what cannot be replaced is said with its cure.
func TestAuth(t *testing.T) {
	p := newProvided(t, testbed.IssuerSettings{RefreshLasts: 5 * 24 * 3600}, fmt.Sprintf("expires = %s\n", time.Now().AddDate(0, 0, 20).Format(time.DateOnly)))
	if status, told := p.run("check"); status != 1 || !strings.Contains(told, "sign in: groupmail auth help)") || !strings.Contains(told, "wants the same sign-in") {
		t.Errorf("before the sign-in: %d", status)
	}
	p.issuer.Device("authorization_pending", "")
	status, told := p.run("auth", "help@example.org")
	if status != 0 || !strings.Contains(told, "WDJB-MJHT") || strings.Count(told, "✓") != 3 {
		t.Errorf("auth: %d", status)
	}
	status, told = p.run("check")
	if status != 0 || !strings.Contains(told, "– help, signing in: the sign-in ends on") || !strings.Contains(told, "– help, signing in: the client secret ends on") {
		t.Errorf("after the sign-in: %d", status)
	}

	cfg, _, err := Load(p.file)
	if err != nil {
		t.Fatal(err)
	}
	m := cfg.Groups[0].Accounts[0]
	all := newSignIns(cfg, vault(cfg, nil))
	before := all.stamp(m.IMAP)()
	for range 3 {
		p.dovecot.SetToken("another") // as after a change of the password
		p.smtp.SetToken("another")
		if _, err := imap.Check(t.Context(), all.imap(m, "INBOX")); err != nil {
			t.Error(err)
		}
		if err := smtp.Check(t.Context(), all.smtp(m), "help@example.org"); err != nil {
			t.Error(err)
		}
	}
	if all.stamp(m.IMAP)() != before {
		t.Error("a renewed token is taken for a new sign-in: a refused login would be tried again at once, for ever")
	}

	p.dovecot.SetToken("another")
	p.issuer.Revoke()
	if status, told := p.run("check"); status != 1 || !strings.Contains(told, "sign in: groupmail auth help") {
		t.Errorf("after it was revoked: %d", status)
	}
	if status, _ := p.run("auth", "help"); status != 0 || all.stamp(m.IMAP)() == before {
		t.Errorf("signed in again: %d", status)
	}
	if _, err := imap.Check(t.Context(), all.imap(m, "INBOX")); err != nil { // the running service takes it up
		t.Error(err)
	}
	if status, told := p.run("auth", "nobody"); status != 1 || !strings.Contains(told, "There are: help") {
		t.Errorf("an unknown mailbox: %d", status)
	}
}

// TestAuthApp: an application signs in as itself, in the mailbox's name.
func TestAuthApp(t *testing.T) {
	p := newProvided(t, testbed.IssuerSettings{}, "app = true\n")
	if status, told := p.run("auth", "help"); status != 0 || strings.Count(told, "✓") != 3 {
		t.Errorf("auth: %d", status)
	}
	t.Setenv("CLIENT_SECRET", "wrong")
	if status, told := p.run("auth", "help"); status != 1 || !strings.Contains(told, "client_secret") {
		t.Errorf("with a wrong secret: %d", status)
	}
}

// TestBearer: the standard's mechanism alone is enough.
func TestBearer(t *testing.T) {
	dovecot := testbed.NewDovecot(t, "auth_mechanisms = oauthbearer")
	host, port, err := net.SplitHostPort(dovecot.IMAP)
	if err != nil {
		t.Fatal(err)
	}
	for token, ok := range map[string]bool{testbed.Token: true, "stale": false} {
		s := &signIns{}
		c := s.imap(MailboxConfig{IMAP: Account{Host: host, TLS: account.Plain, User: "help"}}, "INBOX")
		if _, err := fmt.Sscan(port, &c.Port); err != nil {
			t.Fatal(err)
		}
		asked := 0
		c.Token = func(context.Context, string) (string, error) { asked++; return token, nil }
		_, err := imap.Check(t.Context(), c)
		if (err == nil) != ok || (asked == 1) != ok {
			t.Errorf("%s: %v, asked %d times", token, err, asked)
		}
	}
}

func TestNotices(t *testing.T) {
	end := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	e := ending{"help", oauth.Expiry{What: "the client secret", Ends: end, Cure: "make a new one"}}
	for left, want := range map[time.Duration]string{
		31 * 24 * time.Hour: "0 false", 30 * 24 * time.Hour: "30 true", 8 * 24 * time.Hour: "30 true",
		7 * 24 * time.Hour: "7 true", time.Minute: "7 true", 0: "0 true", -time.Hour: "0 true",
	} {
		days, due := e.notice(end.Add(-left))
		if got := fmt.Sprint(days, " ", due); got != want {
			t.Errorf("%s before: %s, want %s", left, got, want)
		}
	}
	if text := e.text(end.Add(-25 * 24 * time.Hour)); text != "the client secret ends on 31 January 2027, in 25 days; before that, make a new one" {
		t.Error(text)
	}
}

// TestVaults: wherever tokens are kept, many processes take turns, and what was saved last is there.
func TestVaults(t *testing.T) {
	db := func(c store.Config) func(*testing.T) func() oauth.Vault {
		return func(t *testing.T) func() oauth.Vault {
			c.Clock, c.Log = ticketing.SystemClock, slog.New(slog.DiscardHandler)
			st, err := store.Open(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = st.Close() })
			return func() oauth.Vault { return oauth.InDatabase(st) }
		}
	}
	for name, open := range map[string]func(*testing.T) func() oauth.Vault{
		"folder": func(t *testing.T) func() oauth.Vault {
			dir := filepath.Join(t.TempDir(), "made", "when needed")
			return func() oauth.Vault { return oauth.InFolder(dir) }
		},
		"SQLite":   db(store.Config{Path: filepath.Join(t.TempDir(), "groupmail.db")}),
		"Postgres": func(t *testing.T) func() oauth.Vault { return db(store.Config{URL: testbed.Postgres(t)})(t) },
	} {
		t.Run(name, func(t *testing.T) {
			process := open(t)
			const key = "Help desk/ü@example.org/smtp"
			if v, err := process().Load(t.Context(), key); v != "" || err != nil {
				t.Errorf("in the beginning there is %q, %v", v, err)
			}
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					v := process()
					unlock, err := v.Lock(t.Context(), key)
					if err != nil {
						t.Error(err)
						return
					}
					defer unlock()
					kept, err := v.Load(t.Context(), key)
					if err == nil {
						err = v.Save(t.Context(), key, kept+"x")
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if v, err := process().Load(t.Context(), key); v != "xxxxxxxx" || err != nil {
				t.Errorf("there is %q, %v: two had the lock at once", v, err)
			}
			unlock, err := process().Lock(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if _, err := process().Lock(ctx, key); err == nil {
				t.Error("locked twice")
			}
			unlock()
			if unlock, err = process().Lock(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			unlock()
		})
	}
}
