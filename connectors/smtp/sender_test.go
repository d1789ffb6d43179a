package smtp

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"groupmail/connectors/account"
	"groupmail/deploy/testbed"
	"groupmail/ticketing"
)

const from = "help@example.org"

func submission(t *testing.T, s *testbed.SMTP) Config {
	t.Helper()
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return Config{Account: account.Account{
		Host: host, Port: n, TLS: account.STARTTLS, User: "help", RootCAs: testbed.CertPool(t), Timeout: 5 * time.Second,
		Password: func(context.Context) (string, error) { return testbed.Password, nil },
	}}
}

// desk is what a Sender sees of the product.
type desk struct {
	begun    bool
	reply    ticketing.Reply
	blobs    map[ticketing.BlobID][]byte
	finished []ticketing.Attempt
}

func (d *desk) ClaimReply(context.Context, ticketing.ReplyID) (ticketing.Reply, error) {
	return d.reply, nil
}

func (d *desk) HoldReply(context.Context, ticketing.Reply) error { return nil }

func (d *desk) Composed(_ context.Context, _ ticketing.Reply, raw ticketing.BlobID) (ticketing.Reply, error) {
	d.reply.Raw = raw
	return d.reply, nil
}

func (d *desk) FinishReply(_ context.Context, _ ticketing.Reply, a ticketing.Attempt) error {
	d.finished = append(d.finished, a)
	return nil
}

func (d *desk) Number(context.Context, ticketing.ConversationID) (ticketing.Group, int, bool, error) {
	return ticketing.Group{Tag: "[#%d]"}, 12, d.begun, nil
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
	cfg := submission(t, s)
	d := &desk{begun: true, blobs: map[ticketing.BlobID][]byte{1: []byte("a file")}, reply: ticketing.Reply{
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

// The first mail of a conversation answers nothing, and does not say that it does.
func TestSenderOfTheFirstMail(t *testing.T) {
	s := testbed.NewSMTP(t, testbed.STARTTLS)
	cfg := submission(t, s)
	d := &desk{blobs: map[ticketing.BlobID][]byte{}, reply: ticketing.Reply{ID: 1, From: ticketing.Address{Addr: from}, To: []ticketing.Address{{Addr: "maria@example.net"}}, Subject: "Your order", Text: "It is here.", MessageID: "abc@example.org", Mark: "mark"}}
	sender := NewSender(SenderConfig{Desk: d, Account: func(string) (Config, error) { return cfg, nil }, Log: slog.New(slog.DiscardHandler)})
	if err := sender.Send(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if len(d.finished) != 1 || d.finished[0].Sent.Subject != "Your order [#12]" {
		t.Errorf("%+v", d.finished)
	}
}
