package testbed

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/jackc/pgx/v5"
)

func TestPostgres(t *testing.T) {
	a, b := Postgres(t), Postgres(t)
	if a == b {
		t.Fatalf("the same database twice: %s", a)
	}
	if err := execPostgres(a, "CREATE TABLE mail (id int)"); err != nil {
		t.Fatal(err)
	}
	if err := execPostgres(b, "CREATE TABLE mail (id int)"); err != nil {
		t.Errorf("the second database is not empty: %v", err)
	}
}

func TestPostgresIsDropped(t *testing.T) {
	var url string
	t.Run("uses a database", func(t *testing.T) { url = Postgres(t) })
	if err := execPostgres(url, "SELECT 1"); err == nil || !strings.Contains(err.Error(), "3D000") {
		t.Errorf("want: no such database; got %v", err)
	}
}

func TestPostgresRestarts(t *testing.T) {
	p := NewPostgres(t)
	if err := execPostgres(p.URL, "CREATE TABLE kept AS SELECT 1 AS n"); err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func(){"stop": p.Stop, "kill": p.Kill} {
		end()
		if err := execPostgres(p.URL, "SELECT 1"); err == nil {
			t.Errorf("answers after %s", name)
		}
		p.Start()
		if err := execPostgres(p.URL, "SELECT n FROM kept"); err != nil {
			t.Errorf("after %s and start: %v", name, err)
		}
	}
	ctx := t.Context()
	c, err := pgx.Connect(ctx, p.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	var fsync string
	if err := c.QueryRow(ctx, "SHOW fsync").Scan(&fsync); err != nil || fsync != "on" {
		t.Errorf("fsync = %q, %v", fsync, err)
	}
}

func TestDovecotIdleHearsDelivery(t *testing.T) {
	d := NewDovecot(t)
	heard := make(chan uint32, 10)
	c, err := imapclient.DialInsecure(d.IMAP, &imapclient.Options{
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{
			Mailbox: func(data *imapclient.UnilateralDataMailbox) {
				if data.NumMessages != nil {
					heard <- *data.NumMessages
				}
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login("ann", Password).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	idle, err := c.Idle()
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	start := time.Now()
	d.Deliver("ann", []byte("Subject: one\r\n\r\nHello\r\n"))
	select {
	case n := <-heard:
		t.Logf("heard of %d mail after %s", n, time.Since(start))
	case <-time.After(10 * time.Second):
		t.Fatal("not told of the mail within 10 s")
	}
	got := d.Messages("ann", "INBOX")
	if len(got) != 1 || string(got[0].Raw) != "Subject: one\r\n\r\nHello\r\n" || len(got[0].Flags) != 0 {
		t.Errorf("messages: %v", got)
	}
	if got := d.Messages("ann", "No such folder"); got != nil {
		t.Errorf("messages in a folder that does not exist: %v", got)
	}
}

func TestDovecotFolders(t *testing.T) {
	d := NewDovecot(t)
	d.DeliverTo("ann", "Team/Done", []byte("Subject: two\n\n"))
	if got := d.Messages("ann", "Team/Done"); len(got) != 1 {
		t.Errorf("delivered into a folder: %v", got)
	}
	list, err := d.Dial("ann").List("", "*", &imap.ListOptions{ReturnSpecialUse: true}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	uses := map[string]imap.MailboxAttr{"Sent": imap.MailboxAttrSent, "Junk": imap.MailboxAttrJunk, "Trash": imap.MailboxAttrTrash}
	for _, l := range list {
		for _, attr := range l.Attrs {
			if uses[l.Mailbox] == attr {
				delete(uses, l.Mailbox)
			}
		}
	}
	if len(uses) > 0 {
		t.Errorf("special uses not found: %v in %v", uses, list)
	}
}

func TestDovecotKeepsTheOrder(t *testing.T) {
	d := NewDovecot(t)
	want := make([]string, 30)
	for i := range want {
		want[i] = fmt.Sprintf("Subject: %d\r\n\r\n", i)
		d.Deliver("ann", []byte(want[i]))
	}
	var got []string
	for _, m := range d.Messages("ann", "INBOX") {
		got = append(got, string(m.Raw))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestDovecotResetUIDValidity(t *testing.T) {
	d := NewDovecot(t)
	uidValidity := func() uint32 {
		box, err := d.Dial("ann").Select("INBOX", nil).Wait()
		if err != nil {
			t.Fatal(err)
		}
		return box.UIDValidity
	}
	for _, subject := range []string{"1", "2", "3"} {
		d.Deliver("ann", []byte("Subject: "+subject+"\n\n"))
		d.Messages("ann", "INBOX")
	}
	c := d.Dial("ann")
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if err := c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	before, uid := uidValidity(), d.Messages("ann", "INBOX")[0].UID
	d.ResetUIDValidity("ann", "INBOX")
	if after := uidValidity(); after == before {
		t.Errorf("UIDVALIDITY is still %d", after)
	}
	if got := d.Messages("ann", "INBOX"); len(got) != 2 || got[0].UID == uid {
		t.Errorf("mails still have their UIDs: %v", got)
	}
}

func TestDovecotSignIn(t *testing.T) {
	d := NewDovecot(t)
	tlsConfig := &tls.Config{RootCAs: CertPool(t)}
	dials := map[string]func() (*imapclient.Client, error){
		"plain": func() (*imapclient.Client, error) { return imapclient.DialInsecure(d.IMAP, nil) },
		"TLS": func() (*imapclient.Client, error) {
			return imapclient.DialTLS(d.IMAPS, &imapclient.Options{TLSConfig: tlsConfig})
		},
		"STARTTLS": func() (*imapclient.Client, error) {
			return imapclient.DialStartTLS(d.IMAP, &imapclient.Options{TLSConfig: tlsConfig})
		},
	}
	signIn := func(how string, as func(*imapclient.Client) error) error {
		t.Helper()
		c, err := dials[how]()
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		defer c.Close()
		return as(c)
	}
	password := func(p string) func(*imapclient.Client) error {
		return func(c *imapclient.Client) error { return c.Login("ann", p).Wait() }
	}
	bearer := func(token string) func(*imapclient.Client) error {
		return func(c *imapclient.Client) error {
			return c.Authenticate(sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: TokenUser, Token: token}))
		}
	}
	token := func(token string) func(*imapclient.Client) error {
		return func(c *imapclient.Client) error { return c.Authenticate(xoauth2(token)) }
	}
	for how := range dials {
		if err := signIn(how, password(Password)); err != nil {
			t.Errorf("%s: %v", how, err)
		}
	}
	start := time.Now()
	for range 3 {
		if err := signIn("plain", password("wrong")); err == nil {
			t.Error("a wrong password is accepted")
		}
	}
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("three wrong passwords took %s", d)
	}
	d.SetPassword("sesame")
	if err := signIn("plain", password(Password)); err == nil {
		t.Error("the old password is accepted")
	}
	if err := signIn("plain", password("sesame")); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if err := signIn("plain", token(Token)); err != nil {
		t.Errorf("XOAUTH2: %v", err)
	}
	if err := signIn("plain", bearer(Token)); err != nil {
		t.Errorf("OAUTHBEARER: %v", err)
	}
	d.SetToken("another")
	if err := signIn("plain", token(Token)); err == nil {
		t.Error("the old token is accepted")
	}
	if err := signIn("plain", token("another")); err != nil {
		t.Errorf("the new token: %v", err)
	}
}

func TestDovecotPOP3(t *testing.T) {
	d := NewDovecot(t)
	d.Deliver("ann", []byte("Subject: one\n\n"))
	c, err := net.Dial("tcp", d.POP3)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "USER ann\r\nPASS %s\r\nSTAT\r\nQUIT\r\n", Password)
	answer, err := io.ReadAll(c)
	if err != nil || !strings.Contains(string(answer), "+OK 1 ") {
		t.Errorf("%s %v", answer, err)
	}
}

func TestDovecotQuota(t *testing.T) {
	d := NewDovecot(t, Quota("10k"))
	c := d.Dial("ann")
	mail := "Subject: big\r\n\r\n" + strings.Repeat("Hello, world\r\n", 1000)
	cmd := c.Append("Sent", int64(len(mail)), nil)
	_, _ = io.WriteString(cmd, mail)
	_ = cmd.Close()
	_, err := cmd.Wait()
	var refused *imap.Error
	if !errors.As(err, &refused) || refused.Code != imap.ResponseCodeOverQuota {
		t.Errorf("want OVERQUOTA, got %v", err)
	}
}

func TestDovecotRestarts(t *testing.T) {
	d := NewDovecot(t)
	d.Deliver("ann", []byte("Subject: one\n\n"))
	for name, end := range map[string]func(){"stop": d.Stop, "kill": d.Kill} {
		c := d.Dial("ann")
		end()
		if err := c.Noop().Wait(); err == nil {
			t.Errorf("after %s: the connection lives on", name)
		}
		if _, err := net.Dial("tcp", d.IMAP); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("after %s: dial: %v", name, err)
		}
		d.Start()
		if got := d.Messages("ann", "INBOX"); len(got) != 1 {
			t.Errorf("after %s and start: %v", name, got)
		}
	}
}

// submit sends one mail as ann to bob and cid.
func submit(t *testing.T, s *SMTP, mode SMTPMode, auth sasl.Client) error {
	t.Helper()
	config := &tls.Config{RootCAs: CertPool(t), ServerName: "localhost"}
	dial := map[SMTPMode]func() (*smtp.Client, error){
		PlainText:   func() (*smtp.Client, error) { return smtp.Dial(s.Addr) },
		STARTTLS:    func() (*smtp.Client, error) { return smtp.DialStartTLS(s.Addr, config) },
		ImplicitTLS: func() (*smtp.Client, error) { return smtp.DialTLS(s.Addr, config) },
	}[mode]
	c, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.CommandTimeout, c.SubmissionTimeout = 2*time.Second, 2*time.Second
	if err := c.Auth(auth); err != nil {
		return err
	}
	return c.SendMail("ann@example.org", []string{"bob@example.org", "cid@example.org"}, strings.NewReader(sent))
}

const sent = "Subject: one\r\n\r\n.dot\r\nHello\r\n"

func plain() sasl.Client { return sasl.NewPlainClient("", TokenUser, Password) }

// xoauth2 is the client's side of XOAUTH2.
type xoauth2 string

func (x xoauth2) Start() (string, []byte, error) {
	return "XOAUTH2", []byte("user=" + TokenUser + "\x01auth=Bearer " + string(x) + "\x01\x01"), nil
}
func (xoauth2) Next([]byte) ([]byte, error) { return nil, errors.New("refused") }

func TestSMTP(t *testing.T) {
	for _, mode := range []SMTPMode{PlainText, STARTTLS, ImplicitTLS} {
		s := NewSMTP(t, mode)
		for _, auth := range []sasl.Client{plain(), sasl.NewLoginClient(TokenUser, Password), xoauth2(Token)} {
			if err := submit(t, s, mode, auth); err != nil {
				t.Errorf("mode %d, %T: %v", mode, auth, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		m := s.Wait(ctx, 3)[2]
		if m.User != TokenUser || m.From != "ann@example.org" || len(m.To) != 2 || string(m.Raw) != sent || m.TLS != (mode != PlainText) {
			t.Errorf("mode %d: recorded %+v", mode, m)
		}
		for _, auth := range []sasl.Client{sasl.NewPlainClient("", "ann", "wrong"), sasl.NewPlainClient("", "ann", ""), xoauth2("wrong")} {
			if err := submit(t, s, mode, auth); err == nil {
				t.Errorf("mode %d, %T: a wrong password or token is accepted", mode, auth)
			}
		}
	}
}

func TestSMTPFaults(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault Fault
		code  int // 0: no answer at all
		mails int
	}{
		{"refused sender", Fault{At: "MAIL", Code: 451, Text: "4.7.1 Later"}, 451, 0},
		{"refused recipient", Fault{At: "RCPT", To: "CID@example.org", Code: 550, Text: "5.1.1 No such user"}, 550, 0},
		{"refused mail", Fault{At: "DATA", Code: 552, Text: "5.3.4 Too big"}, 552, 0},
		{"refused sign-in", Fault{At: "AUTH", Code: 454, Text: "4.7.0 Temporary failure"}, 454, 0},
		{"dropped", Fault{At: "DATA", Drop: true}, 0, 0},
		{"acknowledgement lost", Fault{At: "DATA", Drop: true, Kept: true}, 0, 1},
		{"hangs", Fault{At: "MAIL", Hang: true}, 0, 0},
		{"hangs after the mail is kept", Fault{At: "DATA", Hang: true, Kept: true}, 0, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := NewSMTP(t, STARTTLS)
			test.fault.Times = 1
			s.Fail(test.fault)
			err := submit(t, s, STARTTLS, plain())
			var refused *smtp.SMTPError
			if errors.As(err, &refused); err == nil || refused == nil != (test.code == 0) || refused != nil && refused.Code != test.code {
				t.Errorf("want code %d, got %v", test.code, err)
			}
			if n := len(s.Mails()); n != test.mails {
				t.Errorf("%d mails, want %d", n, test.mails)
			}
			if err := submit(t, s, STARTTLS, plain()); err != nil {
				t.Errorf("the second time: %v", err)
			}
		})
	}
}

func TestSMTPForwardsToDovecot(t *testing.T) {
	d, s := NewDovecot(t), NewSMTP(t, STARTTLS)
	s.Forward = func(_ string, to []string, raw []byte) {
		for _, address := range to {
			user, _, _ := strings.Cut(address, "@")
			d.Deliver(user, raw)
		}
	}
	if err := submit(t, s, STARTTLS, plain()); err != nil {
		t.Fatal(err)
	}
	if got := d.Messages("cid", "INBOX"); len(got) != 1 || string(got[0].Raw) != sent {
		t.Errorf("%v", got)
	}
}

func TestProxy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // an echo server
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	p := NewProxy(t, l.Addr().String())
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", p.Addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	echo := func(c net.Conn) error {
		_ = c.SetDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	c := dial()
	if err := echo(c); err != nil {
		t.Fatal(err)
	}
	p.Stall()
	if err := echo(c); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("stalled: %v", err)
	}
	p.Heal()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Errorf("what was held back: %v", err)
	}
	p.Refuse()
	if err := echo(c); err != nil {
		t.Errorf("an open connection while refusing: %v", err)
	}
	if _, err := net.Dial("tcp", p.Addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("refusing: %v", err)
	}
	p.Heal()
	p.Cut()
	if err := echo(c); err == nil {
		t.Error("a cut connection lives on")
	}
	if err := echo(dial()); err != nil {
		t.Errorf("after the cut: %v", err)
	}
}
