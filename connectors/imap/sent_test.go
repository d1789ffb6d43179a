package imap_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"groupmail/connectors/account"
	"groupmail/connectors/imap"
	"groupmail/connectors/mailbox/mailboxtest"
	"groupmail/deploy/testbed"
)

func appendSent(t testing.TB, cfg imap.Config, folder string, n int) error {
	t.Helper()
	raw := mailboxtest.Mail(n)
	return imap.AppendSent(t.Context(), cfg, folder, messageID(n), bytes.NewReader(raw), int64(len(raw)))
}

func messageID(n int) string {
	_, id, _ := strings.Cut(string(mailboxtest.Mail(n)), "<")
	id, _, _ = strings.Cut(id, ">")
	return id
}

func TestAppendSent(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	cfg := config(t, dovecot.IMAP)
	for range 2 {
		check(t, appendSent(t, cfg, "", 1))
	}
	check(t, appendSent(t, cfg, "Sent", 1)) // the same folder by its name
	check(t, appendSent(t, cfg, "", 2))
	person := dovecot.Dial(user)
	for _, flags := range wantFolder(t, person, "Sent", mails(1, 2)...) {
		if !slices.Equal(flags, []goimap.Flag{goimap.FlagSeen}) {
			t.Errorf("flags are %v, want read", flags)
		}
	}
	for range 2 {
		check(t, appendSent(t, cfg, "Answers/Filed", 1))
	}
	wantFolder(t, person, "Answers/Filed", mailboxtest.Mail(1))
	if err := appendSent(t, cfg, `\Archive`, 1); !errors.Is(err, imap.ErrNoFolder) {
		t.Errorf("to a special folder that there is not: %v", err)
	}
	if err := imap.AppendSent(t.Context(), cfg, "", "", strings.NewReader("x"), 1); err == nil {
		t.Error("a copy without Message-ID was filed")
	}
}

// TestAppendSentSimilar: a mail whose Message-ID only resembles ours is not ours.
func TestAppendSentSimilar(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	similar := bytes.Replace(mailboxtest.Mail(1), []byte("<1@"), []byte("<x><1@"), 1)
	similar = bytes.Replace(similar, []byte("Subject: "), []byte("References: <1@mailboxtest.example>\r\nSubject: "), 1)
	dovecot.DeliverTo(user, "Sent", similar)
	check(t, appendSent(t, config(t, dovecot.IMAP), "", 1))
	wantFolder(t, dovecot.Dial(user), "Sent", similar, mailboxtest.Mail(1))
}

// TestAppendSentOld finds a copy that is not among the newest.
func TestAppendSentOld(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	for _, raw := range mails(1, 60) {
		dovecot.DeliverTo(user, "Sent", raw)
	}
	check(t, appendSent(t, config(t, dovecot.IMAP), "", 3))
	wantFolder(t, dovecot.Dial(user), "Sent", mails(1, 60)...)
}

// badSearch is a server that does not find what is there.
type badSearch struct {
	*imapmemserver.UserSession
	err error
}

func (b badSearch) Search(imapserver.NumKind, *goimap.SearchCriteria, *goimap.SearchOptions) (*goimap.SearchData, error) {
	return &goimap.SearchData{All: goimap.UIDSet(nil)}, b.err
}

func TestAppendSentWithoutSearch(t *testing.T) {
	for _, err := range []error{nil, &goimap.Error{Type: goimap.StatusResponseTypeBad, Text: "HEADER is not supported"}} {
		server := newMemory(t, memoryCaps, func(_ *imapserver.Conn, s *imapmemserver.UserSession) imapserver.Session {
			return badSearch{s, err}
		})
		for range 2 {
			check(t, appendSent(t, config(t, server.address), "", 1))
		}
		wantFolder(t, server.dial(t), "Sent", mailboxtest.Mail(1))
	}
}

// TestAppendSentFails leaves no half mails behind.
func TestAppendSentFails(t *testing.T) {
	dovecot := testbed.NewDovecot(t, testbed.Quota("30k"))
	cfg := config(t, dovecot.IMAP)
	raw := append(mailboxtest.Mail(1), bytes.Repeat([]byte("0123456789\r\n"), 1000)...)
	for name, r := range map[string]io.Reader{
		"ends early": bytes.NewReader(raw[:9000]),
		"fails":      io.MultiReader(bytes.NewReader(raw[:9000]), iotest.ErrReader(errors.New("the database is away"))),
	} {
		if err := imap.AppendSent(t.Context(), cfg, "", messageID(1), r, int64(len(raw))); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			t.Log(err)
		}
	}
	wantFolder(t, dovecot.Dial(user), "Sent")
	large := append(raw, raw...)
	large = append(large, large...)
	err := imap.AppendSent(t.Context(), cfg, "", messageID(1), bytes.NewReader(large), int64(len(large)))
	if err == nil || !strings.Contains(strings.ToLower(err.Error()), "quota") {
		t.Errorf("over quota: %v", err)
	}
	wantFolder(t, dovecot.Dial(user), "Sent")
	check(t, imap.AppendSent(t.Context(), cfg, "", messageID(1), bytes.NewReader(raw), int64(len(raw))))
	wantFolder(t, dovecot.Dial(user), "Sent", raw)
}

func TestFindSent(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	memory := newMemory(t, memoryCaps)
	for want, got := range map[string]func() (string, error){
		"Sent": func() (string, error) { return imap.FindSent(t.Context(), config(t, dovecot.IMAP), "") },
		"Junk": func() (string, error) { return imap.FindSent(t.Context(), config(t, dovecot.IMAP), "Junk") },
	} {
		if name, err := got(); name != want || err != nil {
			t.Errorf("got %q, %v, want %q", name, err, want)
		}
	}
	// By its usual name, on a server that marks none.
	if name, err := imap.FindSent(t.Context(), config(t, memory.address), ""); name != "Sent" || err != nil {
		t.Errorf("got %q, %v", name, err)
	}
	if _, err := imap.FindSent(t.Context(), config(t, dovecot.IMAP), "Gone"); !errors.Is(err, imap.ErrNoFolder) {
		t.Errorf("got %v, want ErrNoFolder", err)
	}
}

func TestCheck(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	for _, raw := range mails(1, 2) {
		dovecot.Deliver(user, raw)
	}
	before := dovecot.Messages(user, "INBOX")
	r, err := imap.Check(t.Context(), secured(t, dovecot.IMAPS, account.TLS, testbed.CertPool(t)))
	check(t, err)
	if r.Count != 2 || r.Next != 3 || r.Folder != "INBOX" || r.Sent != "Sent" || r.Trash != "Trash" || r.TLS != "TLS 1.3" ||
		!r.Idle || !r.Move || !r.UIDPlus || !r.SpecialUse || !r.Keywords || len(r.Notes) > 0 || r.Validity == "" {
		t.Errorf("report %+v", r)
	}
	after := dovecot.Messages(user, "INBOX")
	if len(after) != 2 || after[0].String() != before[0].String() || after[1].String() != before[1].String() {
		t.Errorf("the check changed the mailbox from %v to %v", before, after)
	}

	poor := newMemory(t, goimap.CapSet{goimap.CapIMAP4rev1: {}})
	r, err = imap.Check(t.Context(), config(t, poor.address))
	check(t, err)
	if r.Move || r.UIDPlus || r.SpecialUse || len(r.Notes) != 1 || r.TLS != "" {
		t.Errorf("report %+v", r)
	}
}
