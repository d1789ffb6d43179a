package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"groupmail/bot"
	"groupmail/connectors/account"
	"groupmail/connectors/browser"
	"groupmail/store"
	"groupmail/ticketing"
)

// DemoConfig are the flags of the demonstration.
type DemoConfig struct {
	Listen string        // host:port on loopback; empty: the first free one from 127.0.0.1:8420 on
	Data   string        // folder that is kept; empty: a temporary one, removed at the end
	Mbox   string        // file with mail to take instead of the samples
	EML    string        // folder with mail to take instead of the samples
	Undo   time.Duration // how long a reply can be stopped; 0: ten seconds
}

// Demo is the whole product with a mail provider and a messenger of its own, on loopback.
type Demo struct {
	*App
	mail     *mailServer
	data     string
	kept     bool // data is the user's own folder
	seeded        // at the first start
	again    bool // taken up again
	unread   bool // mail of the user's own was named, though there is some already
	customer *customerPage
}

var demoTeam = ticketing.Address{Name: "Help desk", Addr: "help@example.org"}

const demoChannel = "help-desk"

// OpenDemo makes it; Run runs it, Close closes what never ran.
func OpenDemo(ctx context.Context, c DemoConfig, log *slog.Logger) (_ *Demo, err error) {
	l, err := demoListener(ctx, c.Listen)
	if err != nil {
		return nil, err
	}
	d := &Demo{data: c.Data, kept: c.Data != ""}
	var st *store.Store
	handed := false // to Open, which closes them if it fails
	defer func() {
		if err == nil {
			return
		}
		if !handed {
			_ = l.Close()
			if st != nil {
				_ = st.Close()
			}
		}
		err = errors.Join(err, d.closeMail())
	}()
	if !d.kept {
		if d.data, err = os.MkdirTemp("", "groupmail-demo-"); err != nil {
			return nil, err
		}
	}
	cfg := demoConfig(d.data, c.Undo)
	// The store's lock keeps a second demonstration out of the folder; so it comes first.
	if st, err = openStore(ctx, cfg, nil, log); err != nil {
		return nil, err
	}
	if err := d.openMail(ctx, c); err != nil {
		return nil, err
	}
	account := &cfg.Groups[0].Accounts[0]
	account.IMAP = d.account(d.mail.imap)
	account.SMTP = d.account(d.mail.smtp)
	d.customer = newCustomerPage(d.mail.postOffice, demoTeam, log)
	page := d.customer.handler()
	w := Wiring{
		Listener: l, Store: st, OnStop: d.customer.close,
		People: []bot.Person{
			{ID: "ann", Handle: "ann", Name: "Ann"}, {ID: "ben", Handle: "ben", Name: "Ben"}, {ID: "cleo", Handle: "cleo", Name: "Cleo"},
		},
		Channels: []browser.Channel{{ID: demoChannel, Title: demoChannel, Private: true}},
		Links:    []browser.Link{{Title: "Write as a customer", URL: "/customer"}},
		Pages: map[string]http.Handler{
			"/customer": page, "/customer/": page, "/customer-assets/": page,
		},
	}
	handed = true
	if d.App, err = Open(ctx, cfg, w, log); err != nil {
		return d, err
	}
	if c.Mbox == "" && c.EML == "" {
		err = seedKnowledge(ctx, d.desk)
	}
	return d, err
}

// demoListener takes the first free port, unless one was wished for. Other addresses than this
// machine's own are refused: nobody has to sign in.
func demoListener(ctx context.Context, address string) (net.Listener, error) {
	if address != "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("--listen %s is no address. Write it like 127.0.0.1:8420", address)
		}
		if !loopback(host) {
			return nil, fmt.Errorf("--listen %s is refused: the demonstration asks nobody for a password, and may be reached from this machine only. Use 127.0.0.1", address)
		}
		return listen(ctx, address)
	}
	for port := 8420; ; port++ {
		l, err := listen(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) || port > 8500 {
			return l, err
		}
	}
}

func demoConfig(data string, undo time.Duration) Config {
	if undo == 0 {
		undo = 10 * time.Second
	}
	box := ticketing.Mailbox{
		Name: "help", Address: demoTeam, Folder: "INBOX", FileSent: true, Since: ticketing.Since{All: true},
	}
	return Config{
		Listen: "127.0.0.1:8420", Data: data, Browser: &BrowserConfig{},
		Groups: []GroupConfig{{
			Group: ticketing.Group{
				Name: "help", Title: "Help desk", From: demoTeam, Signature: "Your help desk\nhelp@example.org",
				Outcomes: []string{ticketing.Answered, "phoned", "made a booking", "sent the info pack"},
				Tag:      "[#%d]", Overdue: time.Hour, Idle: 48 * time.Hour, Flood: 20, Undo: undo, Zone: time.Local,
				Admins: []string{"ann"}, Mailboxes: []ticketing.Mailbox{box},
				Boards: []ticketing.Board{{
					Name: platformBrowser + "/" + demoChannel, Platform: platformBrowser, Channel: demoChannel, Show: ticketing.ShowFull,
				}},
			},
			Accounts: []MailboxConfig{{
				Mailbox: box, From: fromIMAP, Done: "leave", Junk: "leave", Sent: sentAppend, Poll: time.Minute, Trusted: []string{"mx.example.org"},
			}},
		}},
	}
}

// openMail starts the mail servers; the first time, it fills the mailbox before.
func (d *Demo) openMail(ctx context.Context, c DemoConfig) error {
	dir := filepath.Join(d.data, "mail")
	_, err := os.Stat(dir)
	switch d.again = err == nil; {
	case d.again:
		d.unread = c.Mbox != "" || c.EML != ""
	case !errors.Is(err, fs.ErrNotExist):
		return err
	default:
		if d.seeded, err = seedPostOffice(dir, demoTeam.Addr, c.Mbox, c.EML); err != nil {
			return err
		}
	}
	password, err := demoPassword(filepath.Join(dir, "password"))
	if err != nil {
		return err
	}
	d.mail, err = startMail(ctx, dir, demoTeam.Addr, password)
	return err
}

// demoPassword is made once for a data folder: other people on this machine have no business here.
func demoPassword(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err == nil && len(b) > 0 {
		return string(b), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	password := strings.ToLower(rand.Text()[:10])
	return password, os.WriteFile(file, []byte(password), 0o600)
}

func (d *Demo) account(l net.Listener) Account {
	addr := l.Addr().(*net.TCPAddr)
	return Account{Host: addr.IP.String(), Port: addr.Port, TLS: account.Plain, User: demoTeam.Addr, Password: NewSecret(d.mail.password)}
}

// Run serves until ctx ends, and leaves nothing behind but a folder that was asked for.
func (d *Demo) Run(ctx context.Context) error {
	err := d.App.Run(ctx)
	return errors.Join(err, d.closeMail())
}

// Close is for a demonstration that never ran.
func (d *Demo) Close() error { return errors.Join(d.App.Close(), d.closeMail()) }

func (d *Demo) closeMail() error {
	var err error
	if d.mail != nil {
		err = d.mail.Close()
	}
	if !d.kept && d.data != "" {
		err = errors.Join(err, os.RemoveAll(d.data))
	}
	return err
}

// Welcome tells where everything is.
func (d *Demo) Welcome(w io.Writer) {
	url := d.URL()
	fmt.Fprintf(w, `
GroupMail's demonstration. Open these in two windows, side by side:

    %[1]s/as/ann        you are Ann
    %[1]s/as/ben        you are Ben (Cleo is there, too)

Write to the team as one of its customers:

    %[1]s/customer

Any mail program can take part, as the team or as a customer, without encryption:

    IMAP   %[2]s   user %[4]s   password %[5]s
    SMTP   %[3]s   the same, or without signing in

What is sent to %[4]s becomes a card; mail to nobody@… is refused.

`, url, d.mail.imap.Addr(), d.mail.smtp.Addr(), demoTeam.Addr, d.mail.password)
	const most = 10
	for i, skipped := range d.skipped {
		if i == most {
			fmt.Fprintf(w, "Skipped %d more.\n", len(d.skipped)-most)
			break
		}
		fmt.Fprintf(w, "Skipped: %s.\n", oneLine(skipped, 300))
	}
	switch {
	case d.again:
		fmt.Fprintf(w, "Taken up again from %s, with its mail as it was. Ctrl-C ends it.\n", d.data)
		if d.unread {
			fmt.Fprintln(w, "--mbox and --eml count for a new folder only, and were not read.")
		}
	case d.kept:
		fmt.Fprintf(w, "%s in the mailbox. Everything is kept in %s. Ctrl-C ends it.\n", count(d.mails, "mail", "mails"), d.data)
	default:
		fmt.Fprintf(w, "%s in the mailbox. Nothing is kept (--data DIR would). Ctrl-C ends it.\n", count(d.mails, "mail", "mails"))
	}
}
