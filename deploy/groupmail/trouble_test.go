package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"groupmail/deploy/testbed"
	"groupmail/ticketing"
)

// troubled is a running service whose surroundings fail, and whose clock the test moves.
type troubled struct {
	*demo
	ann      *person
	dovecot  *testbed.Dovecot
	smtp     *testbed.SMTP
	password string // file
	ahead    atomic.Int64
	uid      int
}

// startTroubled runs the service on Dovecot; imap is where it reads mail, if not at Dovecot itself.
func startTroubled(t *testing.T, dovecot *testbed.Dovecot, imap string) *troubled {
	w := &troubled{dovecot: dovecot, smtp: testbed.NewSMTP(t, testbed.PlainText), password: filepath.Join(t.TempDir(), "password")}
	w.write(t, w.password, testbed.Password)
	if imap == "" {
		host, port, _ := net.SplitHostPort(dovecot.IMAP)
		imap = fmt.Sprintf(`host = %q, port = %s, tls = "none"`, host, port)
	}
	smtpHost, smtpPort, _ := net.SplitHostPort(w.smtp.Addr)
	cfg, err := Parse(fmt.Appendf(nil, `
listen = "127.0.0.1:0"
data = %q
[browser]
insecure_no_login = true
[[group]]
name = "help"
undo = "0s"
admins = ["ann"]
[[group.mailbox]]
address = "help@example.org"
poll = "1s"
since = "all"
imap = { %s, user = "help", password = "file:%s" }
smtp = { host = %q, port = %s, tls = "none", user = "help" }
[[group.board]]
channel = %q
`, t.TempDir(), imap, w.password, smtpHost, smtpPort, demoChannel))
	if err != nil {
		t.Fatal(err)
	}
	log := quiet
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	app, err := Open(t.Context(), cfg, Wiring{Clock: func() time.Time {
		return ticketing.SystemClock().Add(time.Duration(w.ahead.Load()))
	}}, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()
	w.demo = &demo{t: t, client: httpClient(), url: app.URL()}
	w.ann = w.person("ann")
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the service ended with: %v", err)
		}
		w.client.CloseIdleConnections()
	})
	w.shows("last mail", "") // the desk card is there
	return w
}

func (w *troubled) write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// deliver lets another program put a mail into the mailbox.
func (w *troubled) deliver(subject string) {
	w.uid++
	w.dovecot.Deliver("help", fmt.Appendf(nil, "From: Maria <maria@example.net>\r\nTo: help@example.org\r\nSubject: %s\r\nMessage-ID: <%d@example.net>\r\n\r\nHello.\r\n", subject, w.uid))
}

// told waits until Ann has been told something alone.
func (w *troubled) told(says string) {
	w.t.Helper()
	var all string
	w.eventually("Ann is told: "+says, func() bool {
		w.ahead.Add(int64(5 * time.Second)) // what has just ended is not told before it stays so
		var room struct {
			Messages []chatMessage `json:"messages"`
		}
		w.get("/api/ann/room?room=@ann", &room)
		all = ""
		for _, m := range room.Messages {
			all += m.words()
		}
		return strings.Contains(all, says)
	})
}

// shows waits until the desk card shows something, or no longer.
func (w *troubled) shows(says, not string) {
	w.t.Helper()
	w.eventually("the desk card shows “"+says+"” and not “"+not+"”", func() bool {
		w.ahead.Add(int64(time.Second)) // what has just begun is not shown before it lasts
		for _, m := range w.ann.room() {
			if m.Card != nil && m.Card.Title == "Help" {
				return strings.Contains(m.words(), says) && (not == "" || !strings.Contains(m.words(), not)) ||
					says == "last mail" && strings.Contains(m.words(), "no mail yet")
			}
		}
		return false
	})
}

// answer takes a mail and answers it by the form.
func (w *troubled) answer(subject, text string) {
	w.t.Helper()
	form := w.ann.press(w.ann.card(subject), "reply").Form
	if form == nil {
		w.t.Fatal("no form")
	}
	values := form.values()
	values["text"] = text
	if a := w.ann.submit(form, values); len(a.Errors) > 0 || a.Error != "" {
		w.t.Fatalf("%+v", a)
	}
}

// TestPasswordThatStopsWorking: the admins are told what to do, nothing is lost, no restart is needed.
func TestPasswordThatStopsWorking(t *testing.T) {
	t.Parallel()
	w := startTroubled(t, testbed.NewDovecot(t), "")
	w.deliver("Before")
	w.ann.card("Before")
	w.dovecot.SetPassword("another")
	w.dovecot.Restart()
	w.deliver("Meanwhile 1")
	w.deliver("Meanwhile 2")
	w.shows("Cannot read help@example.org", "")
	w.ahead.Add(int64(9 * time.Minute))
	w.told("Cannot read help@example.org since")
	w.told("Put the new password into " + w.password)
	w.told("No mail is lost")
	w.write(t, w.password, "another")
	w.ann.card("Meanwhile 1")
	w.ann.card("Meanwhile 2")
	w.told("Over: ")
	w.told("2 mails were picked up")
	w.shows("last mail", "Cannot read")
}

// TestFullMailbox: copies of answers can no longer be filed; the answers go out all the same.
func TestFullMailbox(t *testing.T) {
	t.Parallel()
	w := startTroubled(t, testbed.NewDovecot(t, testbed.Quota("20k")), "")
	w.deliver("Heating")
	w.answer("Heating", strings.Repeat("We are coming tomorrow at nine. ", 80)) // 2.5 KB
	w.smtp.Wait(t.Context(), 1)
	for i := range 8 { // what fills it
		w.dovecot.Deliver("help", fmt.Appendf(nil, "From: a@example.net\r\nTo: help@example.org\r\nSubject: Filler %d\r\n\r\n%s\r\n", i, strings.Repeat("x", 2500)))
	}
	w.deliver("Window")
	w.answer("Window", strings.Repeat("We are coming tomorrow at ten. ", 80))
	w.smtp.Wait(t.Context(), 2)
	w.shows("Copies of answers of help@example.org cannot be filed in its Sent folder", "")
	w.ahead.Add(int64(9 * time.Minute))
	w.told("cannot be filed in its Sent folder since")
	// Somebody tidies up.
	c := w.dovecot.Dial("help")
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	all := imap.SeqSet{{Start: 1, Stop: 0}}
	if err := c.Store(all, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Expunge().Collect(); err != nil {
		t.Fatal(err)
	}
	w.ahead.Add(int64(2 * time.Hour)) // the next try is due
	w.told("Over: Copies of answers")
}

// TestSubmissionThatRefuses: the thread says so, the admins are told, and it is sent once the server
// takes it again.
func TestSubmissionThatRefuses(t *testing.T) {
	t.Parallel()
	w := startTroubled(t, testbed.NewDovecot(t), "")
	w.deliver("Heating")
	w.ann.card("Heating")
	w.smtp.Fail(testbed.Fault{At: "MAIL", Code: 451, Text: "4.3.0 try later"})
	w.answer("Heating", "We are coming.")
	card := w.ann.card("Heating")
	w.ann.thread(card.ID, "try later")
	w.shows("Answers of help@example.org cannot be sent", "")
	w.ahead.Add(int64(9 * time.Minute))
	w.told("Answers of help@example.org cannot be sent since")
	w.told("try later")
	w.smtp.Heal()
	w.ahead.Add(int64(10 * time.Hour)) // the next try is due
	w.smtp.Wait(t.Context(), 1)
	w.ann.thread(card.ID, "✓ Sent")
	w.told("Over: Answers of help@example.org cannot be sent")
}

// TestExpiredCertificate: nothing is said to a server whose certificate is over; a new one needs no
// restart.
func TestExpiredCertificate(t *testing.T) {
	t.Parallel()
	d := testbed.NewDovecot(t)
	front := newFront(t, d.IMAP)
	host, port, _ := net.SplitHostPort(front.addr)
	w := startTroubled(t, d, fmt.Sprintf(`host = %q, port = %s, tls = "tls", ca = %q`, host, port, testbed.CertFile(t)))
	w.deliver("Before")
	w.ann.card("Before")
	front.use(expired(t))
	w.deliver("Meanwhile")
	w.shows("Cannot read help@example.org", "")
	w.ahead.Add(int64(9 * time.Minute))
	w.told("The server needs a new certificate")
	front.use(testbed.ServerTLS(t))
	w.ann.card("Meanwhile")
	w.told("1 mail was picked up")
}

// front encrypts what another server says in the clear, with a certificate that can be changed.
type front struct {
	addr   string
	target string
	mu     sync.Mutex
	config *tls.Config
	open   map[net.Conn]bool
}

func newFront(t *testing.T, target string) *front {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{addr: l.Addr().String(), target: target, config: testbed.ServerTLS(t), open: map[net.Conn]bool{}}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); f.use(nil); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { f.serve(c) })
		}
	})
	return f
}

// use changes the certificate and ends all connections.
func (f *front) use(c *tls.Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.config = c
	for one := range f.open {
		one.Close()
	}
	clear(f.open)
}

func (f *front) serve(c net.Conn) {
	defer c.Close()
	f.mu.Lock()
	config := f.config
	f.open[c] = true
	f.mu.Unlock()
	if config == nil {
		return
	}
	s, err := net.Dial("tcp", f.target)
	if err != nil {
		return
	}
	defer s.Close()
	encrypted := tls.Server(c, config)
	go func() {
		_, _ = io.Copy(s, encrypted)
		s.Close()
	}()
	_, _ = io.Copy(encrypted, s)
}

// expired is a certificate whose time is over.
func expired(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// TestEndingsAreTold: that a secret must be renewed is said 30 and 7 days ahead, once each.
func TestEndingsAreTold(t *testing.T) {
	cfg, err := Parse(fmt.Appendf(nil, `
listen = "127.0.0.1:0"
data = %q
[browser]
insecure_no_login = true
[[group]]
name = "help"
[[group.mailbox]]
address = "help@example.org"
imap = { host = "127.0.0.1", tls = "none", oauth = { provider = "microsoft", tenant = "example.org", client_id = "1", client_secret = "secret", app = true, expires = 2026-06-30 } }
smtp = { host = "127.0.0.1", tls = "none" }
[[group.board]]
channel = "mail"
`, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	app, err := Open(t.Context(), cfg, Wiring{Clock: func() time.Time { return now }}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	told := 0
	for _, day := range []struct {
		at   time.Time
		told int // until then
	}{
		{now, 0},
		{time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), 1},
		{time.Date(2026, 6, 10, 12, 0, 0, 0, time.UTC), 1},
		{time.Date(2026, 6, 24, 12, 0, 0, 0, time.UTC), 2},
		{time.Date(2026, 6, 28, 12, 0, 0, 0, time.UTC), 2},
		{time.Date(2026, 7, 2, 12, 0, 0, 0, time.UTC), 3},
	} {
		now = day.at
		app.noteEndings(t.Context())
		due, err := app.desk.Alerts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range due {
			if !strings.Contains(x.What, "the client secret ends on 30 June 2026") || x.Cure == "" {
				t.Errorf("%s: %+v", day.at, x)
			}
			if err := app.desk.Alerted(t.Context(), x); err != nil {
				t.Fatal(err)
			}
			told++
		}
		if told != day.told {
			t.Errorf("%s: told %d times, want %d", day.at, told, day.told)
		}
	}
}
