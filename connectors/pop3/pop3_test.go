package pop3_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"go.uber.org/goleak"

	"groupmail/connectors/account"
	"groupmail/connectors/mailbox"
	"groupmail/connectors/mailbox/mailboxtest"
	"groupmail/connectors/pop3"
	"groupmail/deploy/testbed"
	"groupmail/ticketing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func secret(p string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return p, nil }
}

// at is a mailbox on this machine, without TLS.
func at(t testing.TB, address string) account.Account {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	check(t, err)
	a := account.Account{Host: host, TLS: account.Plain, User: "help", Password: secret(testbed.Password), Timeout: 20 * time.Second}
	_, err = fmt.Sscan(port, &a.Port)
	check(t, err)
	return a
}

func source(a account.Account) func(context.Context) (mailbox.Source, error) {
	return func(ctx context.Context) (mailbox.Source, error) { return pop3.Open(ctx, a) }
}

func TestDovecot(t *testing.T) {
	server := testbed.NewDovecot(t)
	var mu sync.Mutex
	users := 0
	mailboxtest.Exercise(t, func(t *testing.T) mailboxtest.Box {
		mu.Lock()
		users++
		user := fmt.Sprintf("user%d", users)
		mu.Unlock()
		a := at(t, server.POP3)
		a.User = user
		store := func(which goimap.NumSet, flag goimap.Flag) *imapclient.Client {
			c := server.Dial(user)
			_, err := c.Select("INBOX", nil).Wait()
			check(t, err)
			check(t, c.Store(which, &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Silent: true, Flags: []goimap.Flag{flag}}, nil).Close())
			return c
		}
		return mailboxtest.Box{
			Open:    source(a),
			Deliver: func(raw []byte) { server.Deliver(user, raw) },
			View: func() string {
				var b strings.Builder
				for _, m := range server.Messages(user, "INBOX") {
					fmt.Fprintln(&b, m)
				}
				return b.String()
			},
			Read: func() { check(t, store(goimap.SeqSet{goimap.SeqRange{Start: 1, Stop: 0}}, goimap.FlagSeen).Close()) },
			Remove: func(i int) {
				c := store(goimap.SeqSetNum(uint32(i+1)), goimap.FlagDeleted)
				check(t, c.Expunge().Close())
				check(t, c.Close())
			},
			Fates: map[ticketing.Fate]func([]byte) error{
				"delete": func(raw []byte) error {
					for _, m := range server.Messages(user, "INBOX") {
						if string(m.Raw) == string(raw) {
							return errors.New("it is still there")
						}
					}
					return nil
				},
			},
		}
	})
}

func TestOpenWays(t *testing.T) {
	server, roots := testbed.NewDovecot(t), testbed.CertPool(t)
	server.Deliver("help", mailboxtest.Mail(1))
	tls, starttls, token := at(t, server.POP3S), at(t, server.POP3), at(t, server.POP3)
	tls.TLS, tls.RootCAs = "", roots
	starttls.TLS, starttls.RootCAs = account.STARTTLS, roots
	token.Token = func(context.Context, string) (string, error) { return testbed.Token, nil }
	for name, a := range map[string]account.Account{"plain": at(t, server.POP3), "TLS": tls, "STLS": starttls, "token": token} {
		r, err := pop3.Check(t.Context(), a)
		if err != nil || r.Count != 1 || (r.TLS == "") != (a.TLS == account.Plain) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}

	for name, test := range map[string]struct {
		change func(*account.Account)
		is     error
		hint   string
	}{
		"wrong password": {func(a *account.Account) { a.Password = secret("wrong") }, account.ErrLogin, "check user and password"},
		"stale token": {func(a *account.Account) {
			a.Token = func(context.Context, string) (string, error) { return "stale", nil }
		}, account.ErrLogin, "sign in to the provider again"},
		"unknown authority": {func(a *account.Account) { a.TLS = account.STARTTLS }, nil, "authority that is not known"},
		"no POP3":           {func(a *account.Account) { *a = at(t, server.IMAP) }, nil, "does not speak POP3"},
	} {
		a := at(t, server.POP3)
		test.change(&a)
		_, err := pop3.Open(t.Context(), a)
		if err == nil || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.hint) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// watch runs the pick-up loop until the test ends.
func watch(t *testing.T, a account.Account, cfg mailbox.Config, keeper *mailboxtest.Keeper) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	cfg.Name, cfg.Poll = "help", 20*time.Millisecond
	w := mailbox.New(cfg, source(a), keeper.As("one"), slog.New(slog.DiscardHandler))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.Run(ctx)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// TestSinceADay: what the first look finds is judged by the server's own date in each header.
func TestSinceADay(t *testing.T) {
	server, keeper := testbed.NewDovecot(t), mailboxtest.NewKeeper()
	mail := func(header string) { server.Deliver("help", []byte(header+"Subject: x\r\n\r\n"+header)) }
	mail("Received: from a by b;\r\n\tTue, 3 Jun 2025 10:00:00 +0200\r\nReceived: by a; Fri, 1 Jan 1999 00:00:00 +0000\r\nDate: Fri, 1 Jan 1999 00:00:00 +0000\r\n")
	mail("Date: Mon, 2 Jun 2025 10:00:00 +0200\r\n")
	mail("Received: from a by b; Sun, 1 Jun 2025 10:00:00 +0200\r\nDate: Tue, 3 Jun 2025 10:00:00 +0200\r\n")
	mail("Date: one of these days\r\n")
	watch(t, at(t, server.POP3), mailbox.Config{Since: ticketing.Since{Date: time.Date(2025, 6, 2, 0, 0, 0, 0, time.UTC)}}, keeper)
	server.Deliver("help", mailboxtest.Mail(1))
	for _, a := range keeper.UntilKept(t, 4) {
		if raw := string(keeper.Raw(a)); strings.Contains(raw, "Sun, 1 Jun") {
			t.Errorf("kept, although it is too old: %s", raw)
		}
	}
}
