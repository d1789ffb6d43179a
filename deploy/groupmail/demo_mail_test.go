package main

import (
	"bytes"
	"fmt"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"go.uber.org/goleak"
)

const (
	testTeam     = "help@example.org"
	testPassword = "a password"
)

func testMail(t *testing.T, dir string) *mailServer {
	t.Helper()
	s, err := startMail(t.Context(), dir, testTeam, testPassword)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeMail(t *testing.T, s *mailServer) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func dialMail(t *testing.T, s *mailServer, user string, options *imapclient.Options) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialInsecure(s.imap.Addr().String(), options)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login(user, testPassword).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// fetchAll reads a box: UID, flags and the whole mail.
func fetchAll(t *testing.T, c *imapclient.Client, box string) (validity uint32, all []*imapclient.FetchMessageBuffer) {
	t.Helper()
	selected, err := c.Select(box, nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	if selected.NumMessages == 0 {
		return selected.UIDValidity, nil
	}
	all, err = c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{
		UID: true, Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	return selected.UIDValidity, all
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestMailServer does what a mail program does, with clients that know nothing of ours, and does it
// again after a restart.
func TestMailServer(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	s := testMail(t, dir)

	// Told at once of what comes by SMTP.
	news := make(chan uint32, 10)
	idle := dialMail(t, s, testTeam, &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				news <- *d.NumMessages
			}
		},
	}})
	must[*imap.SelectData](t)(idle.Select("INBOX", nil).Wait())
	idling := must[*imapclient.IdleCommand](t)(idle.Idle())

	auth := smtp.PlainAuth("", "maria@example.com", testPassword, "127.0.0.1")
	for n := range 4 {
		body := fmt.Sprintf("From: Maria <maria@example.com>\r\nMessage-ID: <%d@example.com>\r\nSubject: %d\r\n\r\n.text\r\n", n, n)
		if err := smtp.SendMail(s.smtp.Addr().String(), auth, "maria@example.com", []string{testTeam}, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-news:
	case <-time.After(5 * time.Second):
		t.Error("IDLE was not told of new mail")
	}
	if err := idling.Close(); err != nil {
		t.Error(err)
	}
	_ = idling.Wait()

	c := dialMail(t, s, testTeam, nil)
	validity, all := fetchAll(t, c, "INBOX")
	if len(all) != 4 || !bytes.Contains(all[0].FindBodySection(&imap.FetchItemBodySection{Peek: true}), []byte("Subject: 0\r\n\r\n.text\r\n")) {
		t.Fatalf("%d mails", len(all))
	}

	// Flags, a move, a deletion, an appended draft.
	if err := c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}, nil).Close(); err != nil {
		t.Error(err)
	}
	must[*imapclient.MoveData](t)(c.Move(imap.UIDSetNum(all[1].UID), "Archive").Wait())
	must[*imap.CopyData](t)(c.Copy(imap.UIDSetNum(all[2].UID), "Junk").Wait())
	if err := c.Store(imap.UIDSetNum(all[3].UID), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Error(err)
	}
	if err := c.Expunge().Close(); err != nil {
		t.Error(err)
	}
	if err := c.Create("Team", nil).Wait(); err != nil {
		t.Error(err)
	}
	draft := c.Append("Team", 5, &imap.AppendOptions{Flags: []imap.Flag{imap.FlagDraft}})
	if _, err := draft.Write([]byte("draft")); err != nil {
		t.Error(err)
	}
	if err := draft.Close(); err != nil {
		t.Error(err)
	}
	must[*imap.AppendData](t)(draft.Wait())
	// What was read is seen.
	if _, err := c.Fetch(imap.UIDSetNum(all[2].UID), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{}}}).Collect(); err != nil {
		t.Error(err)
	}
	closeMail(t, s)
	_ = c.Close()
	_ = idle.Close()

	s = testMail(t, dir)
	defer closeMail(t, s)
	c = dialMail(t, s, testTeam, nil)
	defer c.Close()
	again, inbox := fetchAll(t, c, "INBOX")
	if again != validity || len(inbox) != 2 || inbox[0].UID != all[0].UID || inbox[1].UID != all[2].UID {
		t.Errorf("INBOX after a restart: UIDVALIDITY %d (was %d), %+v", again, validity, inbox)
	}
	if got := fmt.Sprint(inbox[0].Flags, inbox[1].Flags); !strings.EqualFold(got, `[\flagged] [\seen]`) {
		t.Errorf("flags after a restart: %s", got)
	}
	if !inbox[0].InternalDate.Equal(all[0].InternalDate) {
		t.Errorf("date after a restart: %s, was %s", inbox[0].InternalDate, all[0].InternalDate)
	}
	for box, want := range map[string]int{"Archive": 1, "Junk": 1, "Team": 1, "Sent": 0} {
		if _, got := fetchAll(t, c, box); len(got) != want {
			t.Errorf("%s holds %d mails after a restart, want %d", box, len(got), want)
		}
	}
	// A UID is never given again.
	if err := s.deliver("maria@example.com", []string{testTeam}, []byte("Subject: next\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, inbox = fetchAll(t, c, "INBOX"); len(inbox) != 3 || inbox[2].UID <= all[3].UID {
		t.Errorf("the next mail has a UID of before: %+v", inbox)
	}
}

// TestMailServerRefuses: the wrong password, and a recipient that does not exist.
func TestMailServerRefuses(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := testMail(t, t.TempDir())
	defer closeMail(t, s)
	c, err := imapclient.DialInsecure(s.imap.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(testTeam, "wrong").Wait(); err == nil {
		t.Error("IMAP took a wrong password")
	}
	body := []byte("Subject: x\r\n\r\n")
	addr := s.smtp.Addr().String()
	if err := smtp.SendMail(addr, smtp.PlainAuth("", testTeam, "wrong", "127.0.0.1"), "a@example.com", []string{testTeam}, body); err == nil {
		t.Error("SMTP took a wrong password")
	}
	if err := smtp.SendMail(addr, nil, "a@example.com", []string{"nobody@example.com"}, body); err == nil || !strings.Contains(err.Error(), "550") {
		t.Errorf("nobody: %v", err)
	}
	if err := smtp.SendMail(addr, nil, "a@example.com", []string{testTeam}, body); err != nil {
		t.Errorf("without signing in: %v", err)
	}
}

// TestPostOfficeAfterACrash: the journal may end in half a line, and a letter may be there without
// its line; nobody was told of either.
func TestPostOfficeAfterACrash(t *testing.T) {
	dir := t.TempDir()
	s := testMail(t, dir)
	if err := s.deliver("a@example.com", []string{testTeam}, []byte("Subject: 1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	closeMail(t, s)
	f, err := os.OpenFile(filepath.Join(dir, "journal"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"do":"append","user":"help@exa`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "letters", "000002.eml"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = testMail(t, dir)
	defer closeMail(t, s)
	if err := s.deliver("a@example.com", []string{testTeam}, []byte("Subject: 2\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if got := s.list(testTeam, "INBOX"); len(got) != 2 {
		t.Errorf("%d letters", len(got))
	}
}

// TestDeliveredTwice: a customer gets a mail once, though GroupMail may send it again after a crash;
// the team's mailbox takes everything as it comes.
func TestDeliveredTwice(t *testing.T) {
	s := testMail(t, t.TempDir())
	defer closeMail(t, s)
	for range 2 {
		if err := s.deliver(testTeam, []string{"maria@example.com", testTeam}, []byte("Message-ID: <1@x>\r\n\r\nx")); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(s.list("maria@example.com", "INBOX")); got != 1 {
		t.Errorf("the customer has it %d times", got)
	}
	if got := len(s.list(testTeam, "INBOX")); got != 2 {
		t.Errorf("the team has it %d times", got)
	}
}

func TestSeed(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const one = "From maria@example.com Tue Nov 18 10:00:00 2025\nSubject: 1\nDate: Tue, 18 Nov 2025 10:00:00 +0000\n\nx\n\n"
	write("eml/b.eml", "Subject: b\r\n\r\n")
	write("eml/a.EML", "Subject: a\n\n")
	write("eml/other.txt", "no")
	write("odd/1.eml", "Subject: 1\n\n")
	write("odd/2.eml", " \n")
	write("odd/3.eml", "\x00\x01 nothing like a mail\n")
	write("odd/4.eml/5.eml", "Subject: in a folder\n\n")
	write("none/2.eml", "")
	for _, test := range []struct {
		name, mbox, eml string
		n               int
		skipped         []string
		fault           string
	}{
		{"samples", "", "", 9, nil, ""},
		{"mbox", write("good.mbox", one+one), "", 2, nil, ""},
		{"both", write("single.mbox", one), filepath.Join(dir, "eml"), 3, nil, ""},
		{"no mbox", write("bad.mbox", "Subject: x\n\n"), "", 0, nil, "bad.mbox is no mbox file"},
		{"rubbish", write("rubbish.mbox", "\x00\xff\x17\n\n\x01"), "", 0, nil, "rubbish.mbox is no mbox file"},
		{"rubbish within", write("within.mbox", one+"From x Tue Nov 18 10:00:00 2025\nnothing like a mail\n\n"), "", 1, []string{"mail 2 of", "is no mail"}, ""},
		{"empty", write("empty.mbox", ""), "", 0, nil, "no mail in it"},
		{"missing", filepath.Join(dir, "nowhere"), "", 0, nil, "--mbox: there is no"},
		{"no folder", "", filepath.Join(dir, "nowhere"), 0, nil, "--eml: there is no"},
		{"a folder for a file", dir, "", 0, nil, "is a folder, and wants a file"},
		{"a file for a folder", "", write("file.eml", "Subject: x\n\n"), 0, nil, "is a file, and wants a folder"},
		{"odd files", "", filepath.Join(dir, "odd"), 1, []string{"2.eml is empty", "3.eml is no mail", "4.eml is no file"}, ""},
		{"only odd files", "", filepath.Join(dir, "none"), 0, []string{"2.eml is empty"}, "2.eml is empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := testMail(t, t.TempDir())
			defer closeMail(t, s)
			n, err := s.seed(time.Now(), test.mbox, test.eml)
			skipped := strings.Join(n.skipped, "\n")
			for _, want := range test.skipped {
				if !strings.Contains(skipped, want) {
					t.Errorf("skipped %q, not %s", skipped, want)
				}
			}
			if n.mails != test.n || len(n.skipped) > 0 != (len(test.skipped) > 0) || (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
				t.Errorf("%+v, %v", n, err)
			}
			if got := len(s.list(testTeam, "INBOX")); got != test.n {
				t.Errorf("%d mails in the INBOX", got)
			}
		})
	}
}
