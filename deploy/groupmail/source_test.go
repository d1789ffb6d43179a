package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gomaildir "github.com/emersion/go-maildir"

	"groupmail/connectors/mailbox"
	"groupmail/deploy/testbed"
	"groupmail/ticketing"
)

// TestServeOtherSources: mail that other programs put into a POP3 mailbox, a spool and a Maildir becomes
// a card, what was there before the first start does not, and fates are carried out.
func TestServeOtherSources(t *testing.T) {
	dovecot, dir := testbed.NewDovecot(t), t.TempDir()
	spool, folder := filepath.Join(dir, "help"), filepath.Join(dir, "Maildir")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(gomaildir.Dir(folder).Init())
	raw := func(where, what string) string {
		return fmt.Sprintf("Message-ID: <%s.%s@example.net>\r\nFrom: maria@example.net\r\nTo: %s@example.org\r\nSubject: %s by %s\r\n"+
			"Date: Mon, 2 Jun 2025 10:00:00 +0200\r\n\r\nHello\r\n", what, where, where, what, where)
	}
	drop := func(what string) {
		dovecot.Deliver("help", []byte(raw("pop3", what)))
		f, err := os.OpenFile(spool, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		must(err)
		_, err = fmt.Fprintf(f, "From maria@example.net %s\n%s\n", time.Now().Format(time.ANSIC), raw("mbox", what))
		must(err)
		must(f.Close())
		d, err := gomaildir.NewDelivery(folder)
		must(err)
		_, err = d.Write([]byte(raw("maildir", what)))
		must(err)
		must(d.Close())
	}
	host, port, err := net.SplitHostPort(dovecot.POP3)
	must(err)
	text := fmt.Sprintf(`
listen = %q
data = %q
[browser]
insecure_no_login = true
people = ["Ann"]
[[group]]
name = "help"
[[group.mailbox]]
address = "pop3@example.org"
pop3 = { host = %q, port = %s, tls = "none", user = "help", password = %q }
smtp = { host = "localhost", tls = "none" }
done = "delete"
poll = "1s"
[[group.mailbox]]
address = "mbox@example.org"
mbox = %q
smtp = { host = "localhost", tls = "none" }
[[group.mailbox]]
address = "maildir@example.org"
maildir = %q
smtp = { host = "localhost", tls = "none" }
done = "move:Done"
[[group.board]]
channel = "mail"
`, freeAddress(t), filepath.Join(dir, "data"), host, port, testbed.Password, spool, folder)
	config := filepath.Join(dir, "groupmail.toml")
	must(os.WriteFile(config, []byte(text), 0o600))

	var app *App
	start := func() (stop func()) {
		cfg, _, err := Load(config)
		must(err)
		app, err = Open(t.Context(), cfg, Wiring{}, slog.New(slog.DiscardHandler))
		must(err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- app.Run(ctx) }()
		return func() {
			cancel()
			must(<-done)
		}
	}
	eventually := func(what string, f func() bool) {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); !f(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("it never came that %s", what)
			}
		}
	}
	cards := func() (all []ticketing.Listed) {
		page, err := app.desk.List(t.Context(), "browser/mail", ticketing.Waits("help", ""))
		must(err)
		return page.List
	}
	subjects := func() (all []string) {
		for _, c := range cards() {
			all = append(all, c.Subject)
		}
		slices.Sort(all)
		return all
	}
	want := func(whats ...string) {
		t.Helper()
		var all []string
		for _, what := range whats {
			for _, where := range []string{"maildir", "mbox", "pop3"} {
				all = append(all, what+" by "+where)
			}
		}
		slices.Sort(all)
		eventually(strings.Join(all, ", ")+" are cards", func() bool { return len(subjects()) >= len(all) })
		if got := subjects(); !slices.Equal(got, all) {
			t.Fatalf("cards %q, want %q", got, all)
		}
	}

	drop("before")
	stop := start()
	eventually("all are looked at", func() bool {
		return !slices.ContainsFunc(app.watchers, func(w *mailbox.Watcher) bool { return w.Health().Looked.IsZero() })
	})
	var described bytes.Buffer
	app.Describe(&described)
	for _, line := range []string{"POP3 at " + host, "mbox " + spool, "maildir " + folder, noSent} {
		if !strings.Contains(described.String(), line) {
			t.Errorf("%q is not in\n%s", line, &described)
		}
	}
	drop("first")
	want("first")
	stop()
	drop("meanwhile")
	stop = start()
	want("first", "meanwhile")
	by := ticketing.By{Group: "help", Member: ticketing.Member{ID: "browser:ann", Name: "Ann"}}
	for _, c := range cards() {
		if strings.HasPrefix(c.Subject, "first") {
			_, err := app.desk.NoAnswer(t.Context(), by, c.ID)
			must(err)
		}
	}
	eventually("the first is deleted by POP3", func() bool { return len(dovecot.Messages("help", "INBOX")) == 2 })
	eventually("the first is moved in the Maildir", func() bool {
		moved, err := os.ReadDir(filepath.Join(folder, ".Done", "cur"))
		return err == nil && len(moved) == 1
	})
	stop()

	var out bytes.Buffer
	run([]string{"check", "--config", config}, streams{strings.NewReader(""), &out, &out})
	for _, line := range []string{
		"✓ pop3@example.org, reading: POP3 at " + dovecot.POP3 + " (not encrypted) holds 2 mails; it is looked at every 1s",
		"✓ mbox@example.org, reading: mbox " + spool + " holds 3 mails",
		"✓ maildir@example.org, reading: maildir " + folder + " holds 2 mails",
		"– mbox@example.org, reading: " + noSent,
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("check does not say %q, but\n%s", line, &out)
		}
	}
}
