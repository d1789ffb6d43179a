package smtp

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"groupmail/deploy/testbed"
	"groupmail/ticketing"
)

const (
	from = "help@example.org"
	mail = "From: help@example.org\r\nSubject: Hello\r\n\r\nHello\r\n.a line that begins with a dot\r\n"
)

func account(t *testing.T, s *testbed.SMTP, mode string) Config {
	t.Helper()
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Host: host, Port: n, TLS: mode, User: "help", RootCAs: testbed.CertPool(t), Timeout: 5 * time.Second,
		Password: func(context.Context) (string, error) { return testbed.Password, nil },
	}
}

func TestSubmit(t *testing.T) {
	for mode, server := range map[string]testbed.SMTPMode{STARTTLS: testbed.STARTTLS, TLS: testbed.ImplicitTLS, Plain: testbed.PlainText} {
		t.Run(mode, func(t *testing.T) {
			s := testbed.NewSMTP(t, server)
			cfg := account(t, s, mode)
			if err := Check(t.Context(), cfg, from); err != nil {
				t.Fatal(err)
			}
			if err := Submit(t.Context(), cfg, from, []string{"maria@example.net", "péter@example.net", "x@müller.example"}, strings.NewReader(mail)); err != nil {
				t.Fatal(err)
			}
			got := s.Mails()
			if len(got) != 1 || string(got[0].Raw) != mail || got[0].From != from ||
				strings.Join(got[0].To, " ") != "maria@example.net péter@example.net x@xn--mller-kva.example" {
				t.Errorf("the server has %+v", got)
			}
		})
	}
}

func TestSubmitFails(t *testing.T) {
	for name, c := range map[string]struct {
		fault   testbed.Fault
		change  func(*Config)
		to      []string
		refused *Refused
		is      error
		text    string
		arrives int
	}{
		"the sender":           {fault: testbed.Fault{At: "MAIL", Code: 550, Text: "5.7.1 Not yours"}, refused: &Refused{Code: 550, Permanent: true}, text: "550 5.7.1 Not yours"},
		"a recipient":          {fault: testbed.Fault{At: "RCPT", To: "b@example.net", Code: 550, Text: "5.1.1 No such user"}, to: []string{"a@example.net", "b@example.net"}, refused: &Refused{Code: 550, Permanent: true}, text: "b@example.net: 550 5.1.1 No such user"},
		"a recipient for now":  {fault: testbed.Fault{At: "RCPT", Code: 450, Text: "4.2.0 Greylisted"}, refused: &Refused{Code: 450}, text: "450 4.2.0 Greylisted"},
		"the mail":             {fault: testbed.Fault{At: "DATA", Code: 554, Text: "5.6.0 Looks like spam"}, refused: &Refused{Code: 554, Permanent: true}, text: "Looks like spam"},
		"lost, and kept":       {fault: testbed.Fault{At: "DATA", Drop: true, Kept: true}, is: ErrUnknown, arrives: 1},
		"lost, and not kept":   {fault: testbed.Fault{At: "DATA", Drop: true}, is: ErrUnknown},
		"lost before":          {fault: testbed.Fault{At: "RCPT", Drop: true}, text: "name a recipient"},
		"the password":         {change: func(c *Config) { c.Password = func(context.Context) (string, error) { return "wrong", nil } }, is: ErrLogin},
		"an unknown authority": {change: func(c *Config) { c.RootCAs = x509.NewCertPool() }, text: "signed by an authority that is not known here"},
		"no TLS":               {change: func(c *Config) { c.Host, c.TLS = "mail.example.invalid", Plain }, text: "would cross the network unencrypted"},
		"nobody there":         {change: func(c *Config) { c.Port = 1 }, text: "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			s := testbed.NewSMTP(t, testbed.STARTTLS)
			cfg := account(t, s, STARTTLS)
			if c.change != nil {
				c.change(&cfg)
			}
			if c.fault.At != "" {
				s.Fail(c.fault)
			}
			if c.to == nil {
				c.to = []string{"maria@example.net"}
			}
			err := Submit(t.Context(), cfg, from, c.to, strings.NewReader(mail))
			var refused *Refused
			if errors.As(err, &refused) != (c.refused != nil) || c.refused != nil && (refused.Code != c.refused.Code || refused.Permanent != c.refused.Permanent) {
				t.Errorf("got %#v, want %+v", err, c.refused)
			}
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %v %q", err, c.is, c.text)
			}
			if c.is == nil && errors.Is(err, ErrUnknown) {
				t.Errorf("%v leaves it open whether the mail was sent", err)
			}
			if got := len(s.Mails()); got != c.arrives {
				t.Errorf("%d mails arrived, want %d", got, c.arrives)
			}
		})
	}
}

func TestNoDowngrade(t *testing.T) {
	s := testbed.NewSMTP(t, testbed.PlainText)
	if err := Submit(t.Context(), account(t, s, STARTTLS), from, []string{"maria@example.net"}, strings.NewReader(mail)); err == nil || len(s.Mails()) != 0 {
		t.Errorf("sent without STARTTLS: %v", err)
	}
}

// desk is what a Sender sees of the product.
type desk struct {
	reply    ticketing.Reply
	blobs    map[ticketing.BlobID][]byte
	finished []ticketing.Attempt
}

func (d *desk) ClaimReply(context.Context, ticketing.ReplyID) (ticketing.Reply, error) {
	return d.reply, nil
}

func (d *desk) Composed(_ context.Context, _ ticketing.ReplyID, raw ticketing.BlobID) (ticketing.Reply, error) {
	d.reply.Raw = raw
	return d.reply, nil
}

func (d *desk) FinishReply(_ context.Context, _ ticketing.ReplyID, a ticketing.Attempt) error {
	d.finished = append(d.finished, a)
	return nil
}

func (d *desk) Number(context.Context, ticketing.ConversationID) (ticketing.Group, int, error) {
	return ticketing.Group{Tag: "[#%d]"}, 12, nil
}

func (d *desk) Spool(_ context.Context, r io.Reader) (ticketing.BlobID, int64, error) {
	all, err := io.ReadAll(r)
	id := ticketing.BlobID(len(d.blobs) + 1)
	d.blobs[id] = all
	return id, int64(len(all)), err
}

func (d *desk) OpenBlob(_ context.Context, id ticketing.BlobID) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(d.blobs[id])), nil
}

func TestSenderSendsTheSameBytesAgain(t *testing.T) {
	s := testbed.NewSMTP(t, testbed.STARTTLS)
	cfg := account(t, s, STARTTLS)
	d := &desk{blobs: map[ticketing.BlobID][]byte{1: []byte("a file")}, reply: ticketing.Reply{
		ID: 1, From: ticketing.Address{Name: "Hélp", Addr: from}, To: []ticketing.Address{{Addr: "maria@example.net"}}, Subject: "Heating",
		Text: "We are coming.", Signature: "Your help desk", MessageID: "abc@example.org", Mark: "mark", InReplyTo: []string{"1@x"},
		References: []string{"0@x", "1@x"}, Files: []ticketing.Attachment{{Name: "plan.pdf", Type: "application/pdf", Blob: 1}},
	}}
	sender := NewSender(SenderConfig{Desk: d, Account: func(string) (Config, error) { return cfg, nil }, Log: slog.New(slog.DiscardHandler)})
	s.Fail(testbed.Fault{At: "DATA", Drop: true, Kept: true, Times: 1})
	for range 2 {
		if err := sender.Send(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	got := s.Mails()
	if len(got) != 2 || !bytes.Equal(got[0].Raw, got[1].Raw) {
		t.Fatalf("%d mails were sent, not the same twice: %+v", len(got), got)
	}
	if len(d.finished) != 2 || !d.finished[0].Unknown || d.finished[1].Error != nil {
		t.Fatalf("noted %+v", d.finished)
	}
	sent := d.finished[1].Sent
	if sent.MessageID != "abc@example.org" || sent.Subject != "Re: Heating [#12]" || sent.Ours != "mark" || sent.From.Name != "Hélp" ||
		len(sent.Attachments) != 1 || sent.Attachments[0].Name != "plan.pdf" || !strings.Contains(sent.Text, "We are coming.") {
		t.Errorf("what was sent reads as %+v", sent)
	}
}
