package imap_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"groupmail/connectors/account"
	"groupmail/connectors/imap"
	"groupmail/connectors/mailbox"
	"groupmail/connectors/mailbox/mailboxtest"
	"groupmail/deploy/testbed"
	"groupmail/ticketing"
)

// refs fetches a folder and returns the places of its mails.
func refs(t testing.TB, m *imap.Mailbox) (refs []ticketing.Ref) {
	t.Helper()
	check(t, m.Fetch(t.Context(), everything{}, func(_ context.Context, raw mailbox.Raw) error {
		refs = append(refs, raw.Ref)
		return nil
	}))
	return refs
}

// wantFolder compares a folder of a user with mails, and returns their flags.
func wantFolder(t testing.TB, c *imapclient.Client, folder string, want ...[]byte) (flags [][]goimap.Flag) {
	t.Helper()
	got := messages(t, c, folder)
	if !slices.EqualFunc(got, want, func(m message, raw []byte) bool { return bytes.Equal(m.raw, raw) }) {
		t.Errorf("%s holds %d mails, want %d: %.2000v", folder, len(got), len(want), got)
	}
	for _, m := range got {
		flags = append(flags, m.flags)
	}
	return flags
}

const (
	noMove    = "imap_capability = IMAP4rev1 SASL-IR LITERAL+ ENABLE IDLE NAMESPACE UIDPLUS SPECIAL-USE LIST-EXTENDED"
	noUIDPlus = "imap_capability = IMAP4rev1 SASL-IR LITERAL+ ENABLE IDLE NAMESPACE SPECIAL-USE LIST-EXTENDED"
)

func TestMoveWithoutMOVE(t *testing.T) {
	dovecot := testbed.NewDovecot(t, noMove)
	for _, raw := range mails(1, 2) {
		dovecot.Deliver(user, raw)
	}
	m := open(t, config(t, dovecot.IMAP))
	mail := refs(t, m)
	check(t, m.Settle(t.Context(), mail[0], "move:Done/2025"))
	check(t, m.Settle(t.Context(), mail[0], "move:Done/2025"))
	person := dovecot.Dial(user)
	wantFolder(t, person, "INBOX", mailboxtest.Mail(2))
	wantFolder(t, person, "Done/2025", mailboxtest.Mail(1))
}

// TestMoveWithoutUIDPLUS: somebody else's mail that is marked \Deleted survives.
func TestMoveWithoutUIDPLUS(t *testing.T) {
	dovecot := testbed.NewDovecot(t, noUIDPlus)
	for _, raw := range mails(1, 3) {
		dovecot.Deliver(user, raw)
	}
	person := dovecot.Dial(user)
	sel(t, person, "INBOX", false)
	check(t, person.Store(goimap.SeqSetNum(3), &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Flags: []goimap.Flag{goimap.FlagDeleted}}, nil).Close())
	m := open(t, config(t, dovecot.IMAP))
	mail := refs(t, m)
	check(t, m.Settle(t.Context(), mail[0], "move:Done"))
	check(t, m.Settle(t.Context(), mail[1], "delete"))
	check(t, m.Close())
	wantFolder(t, person, "Done", mailboxtest.Mail(1))
	for i, flags := range wantFolder(t, person, "INBOX", mails(1, 3)...) {
		if !slices.Contains(flags, goimap.FlagDeleted) {
			t.Errorf("mail %d has flags %v, want it marked as deleted", i+1, flags)
		}
	}
}

// TestMoveOverQuota: the copy fails, and nothing is lost.
func TestMoveOverQuota(t *testing.T) {
	for name, settings := range map[string][]string{"COPY": {noMove}, "COPY without UIDPLUS": {noUIDPlus}} {
		t.Run(name, func(t *testing.T) {
			dovecot := testbed.NewDovecot(t, append(settings, testbed.Quota("3k"))...)
			for n := 500; n < 504; n++ {
				dovecot.Deliver(user, mailboxtest.Mail(n))
			}
			m := open(t, config(t, dovecot.IMAP))
			mail := refs(t, m)
			err := m.Settle(t.Context(), mail[0], "move:Done")
			var trouble *account.Trouble
			if !errors.As(err, &trouble) || trouble.Says == "" || errors.Is(err, mailbox.ErrCannot) {
				t.Errorf("Settle returned %v, want the server's words, and that it may pass", err)
			}
			t.Log(err)
			flags := wantFolder(t, dovecot.Dial(user), "INBOX", mails(500, 503)...)
			if len(flags) > 0 && len(flags[0]) > 0 {
				t.Errorf("the mail that was not moved has flags %v", flags[0])
			}
			if n := len(refs(t, m)); n != 4 { // the connection goes on
				t.Errorf("%d mails, want 4", n)
			}
		})
	}
}

// brokenCopy is a server whose COPY fails.
type brokenCopy struct {
	imapserver.Session
	code goimap.ResponseCode
}

func (b brokenCopy) Copy(goimap.NumSet, string) (*goimap.CopyData, error) {
	return nil, &goimap.Error{Type: goimap.StatusResponseTypeNo, Code: b.code, Text: "Not today"}
}

func TestMoveCopyFails(t *testing.T) {
	for _, caps := range []goimap.CapSet{
		{goimap.CapIMAP4rev1: {}, goimap.CapUIDPlus: {}},
		{goimap.CapIMAP4rev1: {}},
	} {
		for _, code := range []goimap.ResponseCode{"", goimap.ResponseCodeTryCreate, goimap.ResponseCodeNoPerm} {
			server := newMemory(t, caps, func(_ *imapserver.Conn, s *imapmemserver.UserSession) imapserver.Session {
				return brokenCopy{s, code}
			})
			server.deliver(mailboxtest.Mail(1))
			m := open(t, config(t, server.address))
			mail := refs(t, m)
			for _, folder := range []ticketing.Fate{"move:Sent", "move:Nowhere"} {
				err := m.Settle(t.Context(), mail[0], folder)
				if err == nil {
					t.Errorf("%s [%s]: Settle returned nil", folder, code)
				}
				if errors.Is(err, mailbox.ErrCannot) != (code == goimap.ResponseCodeNoPerm) {
					t.Errorf("%s [%s]: Settle returned %v", folder, code, err)
				}
			}
			flags := wantFolder(t, server.dial(t), "INBOX", mailboxtest.Mail(1))
			if len(flags) > 0 && len(flags[0]) > 0 {
				t.Errorf("the mail has flags %v", flags[0])
			}
		}
	}
}

// TestSettleImpossible: fates that would do harm, or that the server does not know.
func TestSettleImpossible(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	dovecot.Deliver(user, mailboxtest.Mail(1))
	m := open(t, config(t, dovecot.IMAP))
	mail := refs(t, m)
	for _, fate := range []ticketing.Fate{"move:INBOX", "move:inbox", `move:\Archive`, `keyword:\Seen\Also`, "keyword:ü"} {
		if err := m.Settle(t.Context(), mail[0], fate); !errors.Is(err, mailbox.ErrCannot) {
			t.Errorf("%s: Settle returned %v, want ErrCannot", fate, err)
		}
	}
	if again := refs(t, m); !slices.Equal(again, mail) {
		t.Errorf("mails are now %v, were %v", again, mail)
	}
	check(t, m.Settle(t.Context(), mail[0], `move:\Junk`))
	wantFolder(t, dovecot.Dial(user), "Junk", mailboxtest.Mail(1))
}

// TestSettleAfterRenumbering: the number means another mail by now.
func TestSettleAfterRenumbering(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	for _, raw := range mails(1, 2) {
		dovecot.Deliver(user, raw)
	}
	m := open(t, config(t, dovecot.IMAP))
	mail := refs(t, m)
	check(t, m.Close())
	dovecot.ResetUIDValidity(user, "INBOX")
	m = open(t, config(t, dovecot.IMAP))
	for _, fate := range []ticketing.Fate{"delete", "move:Done", "seen"} {
		check(t, m.Settle(t.Context(), mail[0], fate))
	}
	for _, flags := range wantFolder(t, dovecot.Dial(user), "INBOX", mails(1, 2)...) {
		if len(flags) > 0 {
			t.Errorf("flags are %v", flags)
		}
	}
}

// TestSettleTellsOfMail: a mail that arrives before the folder is opened for writing is heard of.
func TestSettleTellsOfMail(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	dovecot.Deliver(user, mailboxtest.Mail(1))
	m := open(t, config(t, dovecot.IMAP))
	mail := refs(t, m)
	dovecot.Deliver(user, mailboxtest.Mail(2))
	check(t, m.Settle(t.Context(), mail[0], "seen"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	check(t, m.Wait(ctx))
	if ctx.Err() != nil {
		t.Error("Wait did not hear of the mail")
	}
	if n := len(refs(t, m)); n != 2 {
		t.Errorf("%d mails, want 2", n)
	}
}

// TestSilence: in the middle of everything the server says nothing more. Each call ends by the
// timeout, or at once with its context; closing never hangs.
func TestSilence(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	for _, raw := range mails(1, 3) {
		dovecot.Deliver(user, raw)
	}
	calls := map[string]func(context.Context, *imap.Mailbox, *testbed.Proxy, ticketing.Ref) error{
		"fetch": func(ctx context.Context, m *imap.Mailbox, p *testbed.Proxy, _ ticketing.Ref) error {
			p.Stall()
			return m.Fetch(ctx, everything{}, func(context.Context, mailbox.Raw) error { return nil })
		},
		"body": func(ctx context.Context, m *imap.Mailbox, p *testbed.Proxy, _ ticketing.Ref) error {
			return m.Fetch(ctx, everything{}, func(_ context.Context, raw mailbox.Raw) error {
				p.Stall()
				_, err := io.Copy(io.Discard, raw.Body)
				return err
			})
		},
		"settle": func(ctx context.Context, m *imap.Mailbox, p *testbed.Proxy, ref ticketing.Ref) error {
			p.Stall()
			return m.Settle(ctx, ref, "move:Done")
		},
		"probe": func(ctx context.Context, m *imap.Mailbox, p *testbed.Proxy, _ ticketing.Ref) error {
			p.Stall()
			return m.Probe(ctx, nil)
		},
	}
	for name, call := range calls {
		for _, how := range []string{"timeout", "context"} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				proxy := testbed.NewProxy(t, dovecot.IMAP)
				cfg := config(t, proxy.Addr)
				cfg.Timeout = time.Hour
				ctx := t.Context()
				if how == "timeout" {
					cfg.Timeout = 300 * time.Millisecond
				}
				m := open(t, cfg)
				ref := refs(t, m)[0]
				if how == "context" {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
					defer cancel()
				}
				start := time.Now()
				err := call(ctx, m, proxy, ref)
				if name == "body" && err == nil {
					t.Skip("everything had arrived before the silence")
				}
				if err == nil || errors.Is(err, context.DeadlineExceeded) != (how == "context") {
					t.Errorf("the call returned %v", err)
				}
				check(t, m.Close())
				if took := time.Since(start); took > 20*time.Second {
					t.Errorf("it took %s", took)
				}
			})
		}
	}
	t.Run("wait", func(t *testing.T) {
		t.Parallel()
		proxy := testbed.NewProxy(t, dovecot.IMAP)
		cfg := config(t, proxy.Addr)
		cfg.Timeout = 300 * time.Millisecond
		m := open(t, cfg)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		proxy.Stall()
		if err := m.Wait(ctx); err == nil {
			t.Error("Wait returned nil although the server says nothing")
		}
		check(t, m.Close())
	})
}
