package account_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"groupmail/connectors/account"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSpeak(t *testing.T) {
	for name, test := range map[string]struct {
		protocol account.Protocol
		given    account.Account
		want     string // tls and address; empty: an error
	}{
		"imap":             {account.IMAP, account.Account{}, "tls h:993"},
		"imap starttls":    {account.IMAP, account.Account{TLS: "starttls"}, "starttls h:143"},
		"pop3":             {account.POP3, account.Account{}, "tls h:995"},
		"smtp":             {account.SMTP, account.Account{}, "starttls h:587"},
		"smtp tls":         {account.SMTP, account.Account{TLS: "tls"}, "tls h:465"},
		"a port of choice": {account.SMTP, account.Account{Port: 2525}, "starttls h:2525"},
		"misspelt":         {account.SMTP, account.Account{TLS: "ssl"}, ""},
	} {
		test.given.Host = "h"
		a, err := test.given.Speak(test.protocol)
		if got := a.TLS + " " + a.Address(); (err != nil) != (test.want == "") || err == nil && got != test.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, test.want)
		}
	}
}

// TestCredentials: the best way is taken that the server offers, and nothing secret is read where
// there is none.
func TestCredentials(t *testing.T) {
	for name, test := range map[string]struct {
		token  bool
		offers string
		own    bool
		want   string // mechanism; "-" if none is left
	}{
		"plain":                  {offers: "LOGIN PLAIN", own: true, want: "PLAIN"},
		"login alone":            {offers: "LOGIN", want: "LOGIN"},
		"the command for LOGIN":  {offers: "LOGIN", own: true, want: ""},
		"nothing but a command":  {own: true, want: ""},
		"nothing":                {offers: "NTLM XOAUTH2", want: "-"},
		"token":                  {token: true, offers: "PLAIN OAUTHBEARER XOAUTH2", want: "XOAUTH2"},
		"token, the standard":    {token: true, offers: "PLAIN OAUTHBEARER", own: true, want: "OAUTHBEARER"},
		"no passwords for token": {token: true, offers: "PLAIN", own: true, want: "-"},
	} {
		asked := false
		a := account.Account{
			Host: "mail.example.org", User: "help",
			Password: func(context.Context) (string, error) { asked = true; return "secret", nil },
		}
		if test.token {
			a.Token = func(context.Context, string) (string, error) { asked = true; return "secret", nil }
		}
		a, err := a.Speak(account.IMAP)
		check(t, err)
		c, err := a.Credentials(t.Context(), func(m string) bool { return slices.Contains(strings.Fields(test.offers), m) }, test.own)
		switch {
		case test.want == "-":
			if !errors.Is(err, account.ErrLogin) || asked {
				t.Errorf("%s: %v, asked %v", name, err, asked)
			}
		case err != nil || c.Mechanism != test.want || !asked:
			t.Errorf("%s: %v, %v, asked %v", name, c, err, asked)
		}
	}
}

// TestBearer is about what goes over the line, byte for byte.
func TestBearer(t *testing.T) {
	for mechanism, want := range map[string][2]string{
		"XOAUTH2":     {"user=help\x01auth=Bearer T\x01\x01", ""},
		"OAUTHBEARER": {"n,a=help,\x01host=mail.example.org\x01port=993\x01auth=Bearer T\x01\x01", "\x01"},
	} {
		a, err := account.Account{
			Host: "mail.example.org", User: "help",
			Token: func(context.Context, string) (string, error) { return "T", nil },
		}.Speak(account.IMAP)
		check(t, err)
		c, err := a.Credentials(t.Context(), func(m string) bool { return m == mechanism }, false)
		check(t, err)
		client := c.Client()
		name, response, err := client.Start()
		if err != nil || name != mechanism || string(response) != want[0] {
			t.Errorf("%s: %s %q, %v", mechanism, name, response, err)
		}
		if c.Explained() {
			t.Errorf("%s: explained before it is refused", mechanism)
		}
		answer, err := client.Next([]byte(`{"status":"401"}`))
		if err != nil || answer == nil || string(answer) != want[1] || !c.Explained() {
			t.Errorf("%s: %q, %v", mechanism, answer, err)
		}
		refused := c.Refused("", nil)
		if !errors.Is(refused, account.ErrLogin) || refused.Says != `{"status":"401"}` || strings.Contains(refused.Error(), "T\x01") {
			t.Errorf("%s: %v", mechanism, refused)
		}
	}
}

// TestConnectTwice: a refused token is replaced once, a refused password is not tried again.
func TestConnectTwice(t *testing.T) {
	for name, test := range map[string]struct {
		token bool
		good  string // what the server takes
		want  string // what it was given
		ok    bool
	}{
		"stale token":   {true, "fresh", "stale fresh", true},
		"never":         {true, "nothing", "stale fresh", false},
		"at once":       {true, "stale", "stale", true},
		"wrong secret":  {false, "another", "secret", false},
		"right secrets": {false, "secret", "secret", true},
	} {
		a := account.Account{User: "help", Password: func(context.Context) (string, error) { return "secret", nil }}
		if test.token {
			a.Token = func(_ context.Context, refused string) (string, error) {
				if refused == "stale" {
					return "fresh", nil
				}
				return "stale", nil
			}
		}
		var given []string
		_, err := account.Connect(t.Context(), a, func(ctx context.Context, a account.Account) (bool, error) {
			c, err := a.Credentials(ctx, func(string) bool { return true }, false)
			check(t, err)
			given = append(given, c.Secret)
			if c.Secret != test.good {
				return false, c.Refused("No", nil)
			}
			return true, nil
		})
		if got := strings.Join(given, " "); got != test.want || (err == nil) != test.ok || !test.ok && !errors.Is(err, account.ErrLogin) {
			t.Errorf("%s: tried %s, %v", name, got, err)
		}
	}
}

// TestSilence: only silence counts, and only while something is expected.
func TestSilence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	served := make(chan struct{})
	go func() {
		defer close(served)
		c, err := l.Accept()
		if err != nil {
			return
		}
		for range 6 {
			time.Sleep(50 * time.Millisecond)
			_, _ = c.Write([]byte("."))
		}
		_, _ = c.Read(make([]byte, 1)) // until the other side has closed
		_ = c.Close()
	}()
	a, err := account.Account{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, TLS: account.Plain, Timeout: 10 * time.Second}.Speak(account.IMAP)
	check(t, err)
	c, err := a.Dial(t.Context())
	check(t, err)
	check(t, c.SetDeadline(time.Now().Add(-time.Hour))) // a library's, which is ignored
	for range 6 {
		_, err := c.Read(make([]byte, 1))
		check(t, err)
	}
	c.Expect(time.Millisecond)
	_, err = c.Read(make([]byte, 1))
	var silence *account.Silence
	if trouble := a.Trouble(c, "wait", "", err); !errors.As(trouble, &silence) || silence.Lasted != time.Millisecond {
		t.Errorf("got %v", trouble)
	}
	check(t, c.Close())
	<-served
}

// TestExpectNothing: a connection that owes nothing may be silent for ever.
func TestExpectNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		c := &account.Conn{Conn: here}
		c.Expect(time.Minute)
		c.Expect(0)
		go func() {
			time.Sleep(24 * time.Hour)
			_, _ = there.Write([]byte("."))
		}()
		_, err := c.Read(make([]byte, 1))
		check(t, err)
		c.Expect(time.Minute)
		if _, err = c.Read(make([]byte, 1)); err == nil {
			t.Error("silence is not noticed")
		}
	})
}
