package smtp_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"groupmail/connectors/account"
	"groupmail/connectors/smtp"
	"groupmail/deploy/testbed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	from = "help@example.com"
	to   = "maria@example.org"
)

var raw = []byte("From: help@example.com\r\nTo: maria@example.org\r\nSubject: Heating\r\n\r\n" +
	"Dear Maria,\r\n.\r\n..two dots\r\n.\r\n\r\nGrüße\r\n" + strings.Repeat("x", 998) + "\r\n")

func config(t testing.TB, address, mode string) smtp.Config {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	check(t, err)
	cfg := smtp.Config{Account: account.Account{
		Host: host, TLS: mode, User: "help", Password: password(testbed.Password), RootCAs: testbed.CertPool(t),
	}}
	_, err = fmt.Sscan(port, &cfg.Port)
	check(t, err)
	return cfg
}

func password(p string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return p, nil }
}

func token(t string) func(context.Context, string) (string, error) {
	return func(context.Context, string) (string, error) { return t, nil }
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func submit(t testing.TB, cfg smtp.Config, to ...string) error {
	t.Helper()
	return smtp.Submit(t.Context(), cfg, from, to, bytes.NewReader(raw))
}

func TestSubmit(t *testing.T) {
	for name, mode := range map[string]testbed.SMTPMode{
		account.STARTTLS: testbed.STARTTLS, account.TLS: testbed.ImplicitTLS, account.Plain: testbed.PlainText, "": testbed.STARTTLS,
	} {
		t.Run(name, func(t *testing.T) {
			server := testbed.NewSMTP(t, mode)
			cfg := config(t, server.Addr, name)
			check(t, smtp.Check(t.Context(), cfg, from))
			check(t, submit(t, cfg, to, "ben@büro.example", to))
			got := server.Mails()
			if len(got) != 1 || got[0].From != from || !slices.Equal(got[0].To, []string{to, "ben@xn--bro-hoa.example"}) ||
				!bytes.Equal(got[0].Raw, raw) || got[0].User != "help" || got[0].TLS != (name != account.Plain) || got[0].Options.UTF8 {
				t.Errorf("the server got %+v", got)
			}
		})
	}
}

func TestSubmitLarge(t *testing.T) {
	server := testbed.NewSMTP(t, testbed.STARTTLS)
	large := append(slices.Clone(raw), bytes.Repeat([]byte(".0123456789abcdef0123456789abcdef0123456789abcdef\r\n"), 20_000)...)
	check(t, smtp.Submit(t.Context(), config(t, server.Addr, ""), from, []string{to}, io.MultiReader(bytes.NewReader(large))))
	if got := server.Mails(); len(got) != 1 || !bytes.Equal(got[0].Raw, large) {
		t.Errorf("the server got %d mails", len(got))
	}
}

func TestSubmitXOAuth2(t *testing.T) {
	server := testbed.NewSMTP(t, testbed.STARTTLS)
	cfg := config(t, server.Addr, "")
	cfg.Token = token(testbed.Token)
	check(t, submit(t, cfg, to))
	server.SetToken("another")
	if err := submit(t, cfg, to); !errors.Is(err, account.ErrLogin) {
		t.Errorf("a stale token: %v", err)
	}
}

func TestSubmitUTF8(t *testing.T) {
	server := testbed.NewSMTP(t, testbed.STARTTLS)
	check(t, submit(t, config(t, server.Addr, ""), "mária@example.org"))
	if got := server.Mails(); len(got) != 1 || !got[0].Options.UTF8 || got[0].To[0] != "mária@example.org" {
		t.Errorf("the server got %+v", got)
	}
	old := testbed.NewSMTP(t, testbed.STARTTLS, func(s *gosmtp.Server) { s.EnableSMTPUTF8 = false })
	err := submit(t, config(t, old.Addr, ""), to, "mária@example.org")
	if !errors.Is(err, smtp.ErrAddress) || len(old.Mails()) > 0 {
		t.Errorf("without SMTPUTF8: %v", err)
	}
	check(t, submit(t, config(t, old.Addr, ""), "maria@büro.example"))
}

// alias makes a server reachable under another address.
func alias(t testing.TB, at, target string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", at+":0")
	check(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				continue
			}
			for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
				wg.Go(func() {
					_, _ = io.Copy(way[0], way[1])
					_ = way[0].Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// TestNotConnected is about what goes wrong before the mail.
func TestNotConnected(t *testing.T) {
	starttls := testbed.NewSMTP(t, testbed.STARTTLS)
	implicit := testbed.NewSMTP(t, testbed.ImplicitTLS)
	plain := testbed.NewSMTP(t, testbed.PlainText)
	down := testbed.NewProxy(t, plain.Addr)
	down.Refuse()
	stalled := testbed.NewProxy(t, plain.Addr)
	stalled.Stall()
	with := func(cfg smtp.Config, change func(*smtp.Config)) smtp.Config {
		change(&cfg)
		return cfg
	}
	stranger := func(c *smtp.Config) { c.RootCAs = nil }
	impatient := func(c *smtp.Config) { c.Timeout = 300 * time.Millisecond }
	for name, test := range map[string]struct {
		cfg  smtp.Config
		is   error
		hint string
		asks bool // the password was read
	}{
		"wrong password": {
			cfg: with(config(t, starttls.Addr, ""), func(c *smtp.Config) { c.Password = password("wrong") }),
			is:  account.ErrLogin, hint: "check user and password", asks: true,
		},
		"STARTTLS, unknown authority": {cfg: with(config(t, starttls.Addr, ""), stranger), hint: "authority that is not known here"},
		"TLS, unknown authority":      {cfg: with(config(t, implicit.Addr, account.TLS), stranger), hint: "authority that is not known here"},
		"another name": {
			cfg: config(t, alias(t, "127.0.0.2", starttls.Addr), ""), hint: "belongs to another name",
		},
		"STARTTLS not offered":     {cfg: config(t, plain.Addr, ""), is: account.ErrNoTLS, hint: `tls = "tls"`},
		"TLS on the plain port":    {cfg: config(t, plain.Addr, account.TLS), hint: `tls = "starttls"`},
		"STARTTLS on the TLS port": {cfg: with(config(t, implicit.Addr, ""), impatient), hint: `try tls = "tls"`},
		"nobody listens":           {cfg: config(t, down.Addr, account.Plain), hint: "nobody listens there"},
		"unknown host": {
			cfg: with(config(t, plain.Addr, account.Plain), func(c *smtp.Config) { c.Host = "mail.invalid" }), hint: "mail.invalid",
		},
		"silence":                     {cfg: with(config(t, stalled.Addr, account.Plain), impatient), hint: "said nothing"},
		"misspelt tls":                {cfg: config(t, plain.Addr, "ssl"), hint: `"ssl"`},
		"no password over plain text": {cfg: config(t, starttls.Addr, account.Plain), is: account.ErrLogin, hint: "no way to sign in"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := false
			cfg := test.cfg
			given := cfg.Password
			cfg.Password = func(ctx context.Context) (string, error) {
				asked = true
				return given(ctx)
			}
			err := submit(t, cfg, to)
			if err == nil {
				t.Fatal("Submit returned nil")
			}
			t.Log(err)
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
			if !errors.Is(test.is, account.ErrLogin) && errors.Is(err, account.ErrLogin) || errors.Is(err, smtp.ErrUnknown) {
				t.Errorf("%v is of a wrong kind", err)
			}
			if !strings.Contains(err.Error(), test.hint) {
				t.Errorf("%q does not mention %q", err, test.hint)
			}
			if asked != test.asks {
				t.Errorf("password asked: %v, want %v", asked, test.asks)
			}
		})
	}
	for _, s := range []*testbed.SMTP{starttls, implicit, plain} {
		if n := len(s.Mails()); n > 0 {
			t.Errorf("%d mails got through", n)
		}
	}
}

// TestRefused: the server says no at each step. Nobody gets anything.
func TestRefused(t *testing.T) {
	const other = "ben@example.org"
	for name, test := range map[string]struct {
		faults []testbed.Fault
		want   smtp.Refused
	}{
		"sender": {
			faults: []testbed.Fault{{At: "MAIL", Code: 550, Text: "5.7.1 Not your address"}},
			want:   smtp.Refused{Code: 550, Enhanced: "5.7.1", Text: "Not your address", Permanent: true},
		},
		"one recipient of two": {
			faults: []testbed.Fault{{At: "RCPT", To: to, Code: 550, Text: "5.1.1 No such user"}},
			want: smtp.Refused{
				Code: 550, Enhanced: "5.1.1", Text: "No such user", Permanent: true,
				Recipients: map[string]string{to: "550 5.1.1 No such user"},
			},
		},
		"one later, one never": {
			faults: []testbed.Fault{
				{At: "RCPT", To: to, Code: 451, Text: "4.7.1 Greylisted"}, {At: "RCPT", To: other, Code: 553, Text: "No"},
			},
			want: smtp.Refused{
				Code: 553, Text: "No", Permanent: true,
				Recipients: map[string]string{to: "451 4.7.1 Greylisted", other: "553  No"},
			},
		},
		"one later": {
			faults: []testbed.Fault{{At: "RCPT", To: other, Code: 451, Text: "4.7.1 Greylisted"}},
			want: smtp.Refused{
				Code: 451, Enhanced: "4.7.1", Text: "Greylisted", Recipients: map[string]string{other: "451 4.7.1 Greylisted"},
			},
		},
		"content": {
			faults: []testbed.Fault{{At: "DATA", Code: 554, Text: "5.6.0 I do not like it"}},
			want:   smtp.Refused{Code: 554, Enhanced: "5.6.0", Text: "I do not like it", Permanent: true},
		},
		"content, later": {
			faults: []testbed.Fault{{At: "DATA", Code: 452, Text: "4.3.1 Disk full"}},
			want:   smtp.Refused{Code: 452, Enhanced: "4.3.1", Text: "Disk full"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := testbed.NewSMTP(t, testbed.STARTTLS)
			for _, f := range test.faults {
				server.Fail(f)
			}
			cfg := config(t, server.Addr, "")
			err := submit(t, cfg, to, other)
			var got *smtp.Refused
			if !errors.As(err, &got) {
				t.Fatalf("got %v, want a refusal", err)
			}
			t.Log(err)
			if fmt.Sprint(*got) != fmt.Sprint(test.want) {
				t.Errorf("got  %+v\nwant %+v", *got, test.want)
			}
			if n := len(server.Mails()); n > 0 {
				t.Errorf("%d mails got through", n)
			}
			server.Heal()
			check(t, submit(t, cfg, to, other))
		})
	}
}

func TestTooLarge(t *testing.T) {
	server := testbed.NewSMTP(t, testbed.STARTTLS, func(s *gosmtp.Server) { s.MaxMessageBytes = 100 })
	for _, r := range []io.Reader{bytes.NewReader(raw), io.MultiReader(bytes.NewReader(raw))} { // of known size, and not
		err := smtp.Submit(t.Context(), config(t, server.Addr, ""), from, []string{to}, r)
		var refused *smtp.Refused
		if !errors.As(err, &refused) || refused.Code != 552 || !refused.Permanent {
			t.Errorf("got %v, want a refusal", err)
		}
	}
}

func TestPassingLoginTrouble(t *testing.T) {
	server := testbed.NewSMTP(t, testbed.STARTTLS)
	server.Fail(testbed.Fault{At: "AUTH", Code: 454, Text: "4.7.0 The directory is down"})
	err := submit(t, config(t, server.Addr, ""), to)
	var trouble *account.Trouble
	if !errors.As(err, &trouble) || trouble.Says != "The directory is down" || errors.Is(err, account.ErrLogin) {
		t.Errorf("got %v", err)
	}
}

// TestOutcome: the connection is lost, or the mail's own bytes, at each step. ErrUnknown is returned
// if, and only if, the mail may have gone out.
func TestOutcome(t *testing.T) {
	for name, test := range map[string]struct {
		fault   testbed.Fault
		unknown bool
	}{
		"at AUTH":              {fault: testbed.Fault{At: "AUTH", Drop: true}},
		"at MAIL":              {fault: testbed.Fault{At: "MAIL", Drop: true}},
		"at RCPT":              {fault: testbed.Fault{At: "RCPT", Drop: true}},
		"after the mail, kept": {fault: testbed.Fault{At: "DATA", Drop: true, Kept: true}, unknown: true},
		"after the mail, lost": {fault: testbed.Fault{At: "DATA", Drop: true}, unknown: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := testbed.NewSMTP(t, testbed.STARTTLS)
			server.Fail(test.fault)
			err := submit(t, config(t, server.Addr, ""), to)
			if err == nil || errors.Is(err, smtp.ErrUnknown) != test.unknown {
				t.Errorf("got %v, unknown should be %v", err, test.unknown)
			}
			if !test.unknown && len(server.Mails()) > 0 {
				t.Error("the mail went out")
			}
		})
	}
	t.Run("within the mail", func(t *testing.T) {
		server := testbed.NewSMTP(t, testbed.STARTTLS)
		proxy := testbed.NewProxy(t, server.Addr)
		endless := &cutting{n: 20, cut: proxy.Cut}
		err := smtp.Submit(t.Context(), config(t, proxy.Addr, ""), from, []string{to}, endless)
		if err == nil || errors.Is(err, smtp.ErrUnknown) || len(server.Mails()) > 0 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a small mail whose end is never written", func(t *testing.T) {
		server := testbed.NewSMTP(t, testbed.STARTTLS)
		proxy := testbed.NewProxy(t, server.Addr)
		once := io.MultiReader(bytes.NewReader(raw[:500]), iotest.ErrReader(errors.New("the database is away")))
		err := smtp.Submit(t.Context(), config(t, proxy.Addr, ""), from, []string{to}, once)
		if err == nil || errors.Is(err, smtp.ErrUnknown) || !strings.Contains(err.Error(), "the database is away") {
			t.Errorf("got %v", err)
		}
		// A second mail proves that the server is done with the first.
		check(t, submit(t, config(t, server.Addr, ""), to))
		if got := server.Mails(); len(got) != 1 || !bytes.Equal(got[0].Raw, raw) {
			t.Errorf("half a mail went out: %+v", got)
		}
	})
	t.Run("silence after the mail", func(t *testing.T) {
		server := testbed.NewSMTP(t, testbed.STARTTLS)
		server.Fail(testbed.Fault{At: "DATA", Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		err := smtp.Submit(ctx, config(t, server.Addr, ""), from, []string{to}, bytes.NewReader(raw))
		if !errors.Is(err, smtp.ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("silence before the mail", func(t *testing.T) {
		server := testbed.NewSMTP(t, testbed.STARTTLS)
		server.Fail(testbed.Fault{At: "RCPT", Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		err := smtp.Submit(ctx, config(t, server.Addr, ""), from, []string{to}, bytes.NewReader(raw))
		if err != context.DeadlineExceeded { //nolint:errorlint // nothing else
			t.Errorf("got %v", err)
		}
	})
	t.Run("QUIT unanswered", func(t *testing.T) {
		address, _ := script(t, "220 hi\r\n", map[string]string{
			"EHLO": "250 hi\r\n", "MAIL": "250 ok\r\n", "RCPT": "250 ok\r\n", "DATA": "354 go\r\n", ".": "250 ok\r\n", "QUIT": "",
		})
		cfg := config(t, address, account.Plain)
		cfg.User, cfg.Timeout = "", 300*time.Millisecond
		check(t, submit(t, cfg, to))
	})
	t.Run("nonsense after the mail", func(t *testing.T) {
		address, _ := script(t, "220 hi\r\n", map[string]string{
			"EHLO": "250 hi\r\n", "MAIL": "250 ok\r\n", "RCPT": "250 ok\r\n", "DATA": "354 go\r\n", ".": "what?\r\n",
		})
		cfg := config(t, address, account.Plain)
		cfg.User = ""
		if err := submit(t, cfg, to); !errors.Is(err, smtp.ErrUnknown) {
			t.Errorf("got %v", err)
		}
	})
}

// cutting is a mail without end; the connection is cut within it.
type cutting struct {
	n   int
	cut func()
}

func (c *cutting) Read(b []byte) (int, error) {
	if c.n--; c.n == 0 {
		c.cut()
	}
	for i := range b {
		b[i] = "0123456789abcde\r\n"[i%17]
	}
	return len(b), nil
}

// TestNoMailToBadAddresses: no address can smuggle in a command.
func TestNoMailToBadAddresses(t *testing.T) {
	server := testbed.NewSMTP(t, testbed.STARTTLS)
	cfg := config(t, server.Addr, "")
	for _, bad := range []string{"", "nobody", "a@b>\r\nRCPT TO:<c@d", "a@b> NOTIFY=NEVER", "a b@c"} {
		if err := submit(t, cfg, to, bad); !errors.Is(err, smtp.ErrAddress) {
			t.Errorf("to %q: %v", bad, err)
		}
		if err := smtp.Submit(t.Context(), cfg, bad, []string{to}, bytes.NewReader(raw)); !errors.Is(err, smtp.ErrAddress) {
			t.Errorf("from %q: %v", bad, err)
		}
		if err := smtp.Check(t.Context(), cfg, bad); !errors.Is(err, smtp.ErrAddress) {
			t.Errorf("check %q: %v", bad, err)
		}
	}
	if err := submit(t, cfg); !errors.Is(err, smtp.ErrAddress) {
		t.Errorf("to nobody: %v", err)
	}
	if n := len(server.Mails()); n > 0 {
		t.Errorf("%d mails got through", n)
	}
}

func TestCheck(t *testing.T) {
	server := testbed.NewSMTP(t, testbed.STARTTLS)
	cfg := config(t, server.Addr, "")
	check(t, smtp.Check(t.Context(), cfg, from))
	server.Fail(testbed.Fault{At: "MAIL", Code: 553, Text: "5.7.1 Not yours"})
	var refused *smtp.Refused
	if err := smtp.Check(t.Context(), cfg, from); !errors.As(err, &refused) || refused.Text != "Not yours" {
		t.Errorf("got %v", err)
	}
	if n := len(server.Mails()); n > 0 {
		t.Errorf("the check has sent %d mails", n)
	}
}

// script is a server that gives each command its answer; it records what it is told.
func script(t testing.TB, greeting string, answers map[string]string) (address string, heard func() []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var lines []string
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_, _ = io.WriteString(c, greeting)
				r := bufio.NewReader(c)
				for {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					mu.Lock()
					lines = append(lines, strings.TrimSpace(line))
					mu.Unlock()
					word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
					_, _ = io.WriteString(c, answers[word])
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(lines)
	}
}

// TestListener: somebody in between puts commands behind the answer to STARTTLS, or hides STARTTLS.
func TestListener(t *testing.T) {
	for name, answers := range map[string]map[string]string{
		"injects": {"EHLO": "250-hi\r\n250 STARTTLS\r\n", "STARTTLS": "220 go\r\n250 injected\r\n"},
		"hides":   {"EHLO": "250-hi\r\n250 AUTH PLAIN LOGIN\r\n"},
		"refuses": {"EHLO": "250-hi\r\n250 STARTTLS\r\n", "STARTTLS": "454 TLS not available\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			address, heard := script(t, "220 hi\r\n", answers)
			err := submit(t, config(t, address, account.STARTTLS), to)
			if err == nil {
				t.Fatal("Submit returned nil")
			}
			t.Log(err)
			for _, line := range heard() {
				if !strings.HasPrefix(line, "EHLO example.com") && line != "STARTTLS" {
					t.Errorf("sent in plain text: %q", line)
				}
			}
		})
	}
}

// TestPlaintextAbroad: nothing is said to a server elsewhere without encryption, unless it is allowed.
// Without a network there is no such server; TestLoopback decides the same.
func TestPlaintextAbroad(t *testing.T) {
	addresses, err := net.InterfaceAddrs()
	check(t, err)
	here := ""
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			here = n.IP.String()
		}
	}
	if here == "" {
		t.Skip("no network")
	}
	server := testbed.NewSMTP(t, testbed.PlainText)
	cfg := config(t, alias(t, here, server.Addr), account.Plain)
	if err := submit(t, cfg, to); !errors.Is(err, account.ErrPlaintext) || len(server.Mails()) > 0 {
		t.Errorf("got %v, want ErrPlaintext", err)
	}
	cfg.AllowPlaintext = true
	check(t, submit(t, cfg, to))
}
