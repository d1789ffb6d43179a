package imap_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"groupmail/connectors/imap"
	"groupmail/connectors/mailbox"
	"groupmail/connectors/mailbox/mailboxtest"
	"groupmail/deploy/testbed"
	"groupmail/ticketing"
)

var everythingThere = ticketing.Since{All: true}

// watch runs a watcher until the test ends.
func watch(t testing.TB, cfg mailbox.Config, server imap.Config, keeper *mailboxtest.Keeper) *mailbox.Watcher {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "help"
	}
	w := mailbox.New(cfg, source(server), keeper.As(t.Name()), slog.New(slog.NewTextHandler(t.Output(), nil)))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = w.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return w
}

// impatient nudges a watcher all the time.
func impatient(t testing.TB, w *mailbox.Watcher) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				w.Nudge()
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		wg.Wait()
	})
}

// looked waits until the watcher has looked n times.
func looked(t testing.TB, keeper *mailboxtest.Keeper, n int) {
	t.Helper()
	keeper.Until(t, fmt.Sprintf("%d looks", n), func() bool { return len(keeper.Looks()) >= n })
}

func wantKept(t testing.TB, keeper *mailboxtest.Keeper, raws ...[]byte) {
	t.Helper()
	kept := keeper.Raws()
	if len(kept) != len(raws) {
		t.Fatalf("kept %d mails, want %d", len(kept), len(raws))
	}
	for i := range raws {
		if !bytes.Equal(kept[i], raws[i]) {
			t.Errorf("mail %d is\n%.300q\nwant\n%.300q", i, kept[i], raws[i])
		}
	}
}

func mails(from, to int) (raws [][]byte) {
	for n := from; n <= to; n++ {
		raws = append(raws, mailboxtest.Mail(n))
	}
	return raws
}

// TestWatchIdle delivers by another program while the watcher is in IDLE and would poll an hour
// later; in between the server restarts, is killed, and the network breaks.
func TestWatchIdle(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	proxy := testbed.NewProxy(t, dovecot.IMAP)
	keeper := mailboxtest.NewKeeper()
	w := watch(t, mailbox.Config{Since: everythingThere, Poll: time.Hour}, config(t, proxy.Addr), keeper)
	looked(t, keeper, 1)
	n := 0
	arrives := func(what string) {
		t.Helper()
		n++
		dovecot.Deliver(user, mailboxtest.Mail(n))
		keeper.Until(t, what, func() bool { return len(keeper.Kept()) >= n })
	}
	arrives("a mail during IDLE")
	arrives("another")
	dovecot.Restart()
	arrives("a mail after a restart")
	dovecot.Kill()
	dovecot.Start()
	arrives("a mail after a kill")
	proxy.Cut()
	arrives("a mail after a break of the network")
	wantKept(t, keeper, mails(1, n)...)
	if h := w.Health(); h.State != mailbox.Working || h.Mails != n || h.Err == nil {
		t.Errorf("health is %+v", h)
	}
}

// TestWatchDeadConnection: nothing comes any more, not even an end. Polling notices it.
func TestWatchDeadConnection(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	proxy := testbed.NewProxy(t, dovecot.IMAP)
	server := config(t, proxy.Addr)
	server.Timeout = 500 * time.Millisecond
	keeper := mailboxtest.NewKeeper()
	w := watch(t, mailbox.Config{Since: everythingThere, Poll: 200 * time.Millisecond}, server, keeper)
	looked(t, keeper, 2)
	proxy.Stall()
	eventually(t, "the silence noticed", func() bool { return w.Health().State == mailbox.Failing })
	if err := w.Health().Err.Error(); !strings.Contains(err, "said nothing for") {
		t.Errorf("the error is %q", err)
	}
	dovecot.Deliver(user, mailboxtest.Mail(1))
	proxy.Heal()
	keeper.UntilKept(t, 1)
	eventually(t, "recovery", func() bool { return w.Health().State == mailbox.Working })
}

// eventually asks until the answer is yes. It is for what no channel tells of.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: " + what)
		}
	}
}

// TestWatchPassword changes the password while the watcher runs.
func TestWatchPassword(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	keeper := mailboxtest.NewKeeper()
	var secret atomic.Value
	secret.Store("wrong")
	server := config(t, dovecot.IMAP)
	server.Password = func(context.Context) (string, error) { return secret.Load().(string), nil }
	w := watch(t, mailbox.Config{
		Since: everythingThere, Credentials: func() string { return secret.Load().(string) },
	}, server, keeper)
	eventually(t, "the refusal", func() bool { return w.Health().Login })
	if h := w.Health(); h.State != mailbox.Failing || h.Says != "Authentication failed." || h.Cure == "" {
		t.Errorf("health is %+v", h)
	}
	secret.Store(testbed.Password)
	dovecot.Deliver(user, mailboxtest.Mail(1))
	keeper.UntilKept(t, 1)
}

// TestWatchUIDValidity renumbers the mailbox: nothing is kept twice, the ledger is asked by the new
// numbers, and what arrived meanwhile is picked up.
func TestWatchUIDValidity(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	keeper := mailboxtest.NewKeeper()
	for _, raw := range mails(1, 5) {
		dovecot.Deliver(user, raw)
	}
	watch(t, mailbox.Config{Since: everythingThere, Poll: time.Second}, config(t, dovecot.IMAP), keeper)
	keeper.UntilKept(t, 5)
	dovecot.ResetUIDValidity(user, "INBOX")
	dovecot.Deliver(user, mailboxtest.Mail(6))
	keeper.UntilKept(t, 6)
	looked(t, keeper, len(keeper.Looks())+1)
	kept := keeper.Raws()
	slices.SortFunc(kept, bytes.Compare)
	if n := len(slices.CompactFunc(kept, bytes.Equal)); n != 6 || len(keeper.Kept()) != 6 {
		t.Errorf("%d mails kept, %d different ones, want 6", len(keeper.Kept()), n)
	}
	validities := map[string]bool{}
	for _, box := range keeper.Looks() {
		validities[box.Validity] = true
	}
	if len(validities) != 2 {
		t.Errorf("the ledger heard of UIDVALIDITY %v, want two", validities)
	}
}

func TestWatchSinceNow(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	for _, raw := range mails(1, 3) {
		dovecot.Deliver(user, raw)
	}
	keeper := mailboxtest.NewKeeper()
	w := watch(t, mailbox.Config{Poll: time.Second}, config(t, dovecot.IMAP), keeper)
	looked(t, keeper, 1)
	if box := keeper.Looks()[0]; box.Count != 3 || box.Next != 4 {
		t.Errorf("the first look saw %+v, want 3 mails and UIDNEXT 4", box)
	}
	dovecot.Deliver(user, mailboxtest.Mail(4))
	keeper.UntilKept(t, 1)
	wantKept(t, keeper, mailboxtest.Mail(4))
	// "Show the last 7 days"
	keeper.Widen("help", time.Now().AddDate(0, 0, -7))
	w.Nudge()
	keeper.UntilKept(t, 4)
	wantKept(t, keeper, append([][]byte{mailboxtest.Mail(4)}, mails(1, 3)...)...)
}

// TestWatchSinceDate has mail of two days, whose order by number is not that by date.
func TestWatchSinceDate(t *testing.T) {
	server := newMemory(t, memoryCaps)
	day := time.Date(2025, 6, 10, 12, 0, 0, 0, time.FixedZone("", 2*3600))
	at := func(n int, received time.Time) {
		_, err := server.user.Append("INBOX", literal{bytes.NewReader(mailboxtest.Mail(n))}, &goimap.AppendOptions{Time: received})
		check(t, err)
	}
	at(1, day.AddDate(0, 0, -30))
	at(2, day.Add(time.Hour))
	at(3, day.Add(-time.Minute)) // the same day, but too early
	at(4, day)
	keeper := mailboxtest.NewKeeper()
	watch(t, mailbox.Config{Since: ticketing.Since{Date: day}, Poll: 100 * time.Millisecond}, config(t, server.address), keeper)
	keeper.UntilKept(t, 2)
	at(5, day.AddDate(-1, 0, 0)) // dragged in: old, but new here
	keeper.UntilKept(t, 3)
	looked(t, keeper, len(keeper.Looks())+2)
	wantKept(t, keeper, mailboxtest.Mail(2), mailboxtest.Mail(4), mailboxtest.Mail(5))
}

// TestWatchBacklog picks up 500 mails, oldest first, and then asks for none of them again.
func TestWatchBacklog(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	for _, raw := range mails(1, 500) {
		dovecot.Deliver(user, raw)
	}
	keeper := mailboxtest.NewKeeper()
	watch(t, mailbox.Config{Since: everythingThere, Poll: 50 * time.Millisecond}, config(t, dovecot.IMAP), keeper)
	keeper.UntilKept(t, 500)
	wantKept(t, keeper, mails(1, 500)...)
	looked(t, keeper, len(keeper.Looks())+3)
	if n := keeper.Asked(); n != 500 {
		t.Errorf("the keeper was asked about %d mails, want 500", n)
	}
	for _, m := range dovecot.Messages(user, "INBOX") {
		if len(m.Flags) > 0 {
			t.Fatalf("pick-up left flags: %v", m)
		}
	}
}

// TestWatchDragged: a person drags a mail into the folder, and a known one out and in again.
func TestWatchDragged(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	keeper := mailboxtest.NewKeeper()
	var received atomic.Int32
	keeper.Fail = func(operation string, done bool) error {
		if operation == "Receive" && done {
			received.Add(1)
		}
		return nil
	}
	dovecot.Deliver(user, mailboxtest.Mail(1))
	dovecot.DeliverTo(user, "Private", mailboxtest.Mail(2))
	watch(t, mailbox.Config{Since: everythingThere, Poll: time.Second}, config(t, dovecot.IMAP), keeper)
	keeper.UntilKept(t, 1)
	person := dovecot.Dial(user)
	drag := func(from, to string, seq uint32) {
		t.Helper()
		sel(t, person, from, false)
		_, err := person.Move(goimap.SeqSetNum(seq), to).Wait()
		check(t, err)
	}
	drag("Private", "INBOX", 1)
	keeper.UntilKept(t, 2)
	drag("INBOX", "Private", 1)
	drag("Private", "INBOX", 1)
	keeper.Until(t, "the dragged mail received under its new number", func() bool { return received.Load() >= 3 })
	wantKept(t, keeper, mails(1, 2)...)
}

// TestWatchFates carries out the fates of done and of spam while mail goes on arriving.
func TestWatchFates(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	for _, raw := range mails(1, 3) {
		dovecot.Deliver(user, raw)
	}
	keeper := mailboxtest.NewKeeper()
	w := watch(t, mailbox.Config{Since: everythingThere, Poll: time.Hour, Done: "move:Done/2025", Junk: `move:\Junk`}, config(t, dovecot.IMAP), keeper)
	kept := keeper.UntilKept(t, 3)
	keeper.Process("help", ticketing.Settlement{Ref: kept[0].Ref, Why: ticketing.Done})
	keeper.Process("help", ticketing.Settlement{Ref: kept[1].Ref, Why: ticketing.Junk})
	w.Nudge()
	keeper.Until(t, "both settled", func() bool { return len(keeper.Settlements()) == 2 })
	for folder, want := range map[string]int{"INBOX": 3, "Done/2025": 1, "Junk": 2} {
		got := dovecot.Messages(user, folder)
		if len(got) != 1 || !bytes.Equal(got[0].Raw, mailboxtest.Mail(want)) {
			t.Errorf("%s holds %v, want mail %d", folder, got, want)
		}
	}
	dovecot.Deliver(user, mailboxtest.Mail(4))
	keeper.UntilKept(t, 4)
	wantKept(t, keeper, mails(1, 4)...)
}

// TestWatchSent: what somebody files in the Sent folder arrives as the team's own.
func TestWatchSent(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	keeper := mailboxtest.NewKeeper()
	server := config(t, dovecot.IMAP)
	server.Folder = imap.SentFolder
	name := ticketing.SentName("help")
	watch(t, mailbox.Config{Name: name, Poll: time.Hour, Sent: true, Done: "delete"}, server, keeper)
	looked(t, keeper, 1)
	keeper.Process(name, ticketing.Settlement{Ref: ticketing.Ref{Validity: keeper.Looks()[0].Validity, UID: "1"}, Why: ticketing.Done})
	check(t, appendSent(t, config(t, dovecot.IMAP), "", 1))
	kept := keeper.UntilKept(t, 1)
	if a := kept[0]; !a.Sent || a.Mailbox != name || a.Mail.Direction != ticketing.Out || a.Seen.IsZero() {
		t.Errorf("it arrived as %+v", a)
	}
	wantFolder(t, dovecot.Dial(user), "Sent", mailboxtest.Mail(1))
}

// cutter forwards connections; each in turn is ended after so many bytes from the server.
func cutter(t testing.TB, at, target string, cuts []int) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", at)
	check(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				continue
			}
			wg.Go(func() {
				_, _ = io.Copy(server, client)
				_ = server.Close()
			})
			wg.Go(func() {
				if n < len(cuts) {
					_, _ = io.CopyN(client, server, int64(cuts[n]))
					if n%2 == 0 {
						_ = client.(*net.TCPConn).SetLinger(0) // a reset; else an orderly end
					}
				} else {
					_, _ = io.Copy(client, server)
				}
				_ = client.Close()
				_ = server.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// TestFetchCut ends connections at every kind of place. No mail is lost, cut or kept twice.
func TestFetchCut(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	var want [][]byte
	size := 0
	for n := 1; n <= 12; n++ {
		raw := mailboxtest.Mail(n * 83)
		want = append(want, raw)
		size += len(raw)
		dovecot.Deliver(user, raw)
	}
	_ = dovecot.Messages(user, "INBOX") // indexed
	for round := range 30 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(uint64(round), 1)) //nolint:gosec // repeatable
			var cuts []int
			for range 25 {
				cuts = append(cuts, 200+random.IntN(size+2500))
			}
			cfg := config(t, cutter(t, "127.0.0.1:0", dovecot.IMAP, cuts))
			cfg.Timeout = 20 * time.Second
			keeper := mailboxtest.NewKeeper()
			k := keeper.As("test")
			ledger := ledgerOf{k}
			for done := false; !done; {
				m, err := imap.Open(t.Context(), cfg)
				if err != nil {
					continue
				}
				err = m.Fetch(t.Context(), ledger, func(ctx context.Context, raw mailbox.Raw) error {
					blob, size, err := k.Spool(ctx, raw.Body)
					if err != nil {
						return err
					}
					return k.Receive(ctx, ticketing.Arrival{
						Mailbox: "help", Ref: raw.Ref, Mail: ticketing.Mail{Raw: blob, Size: size, MessageID: raw.Ref.UID},
					})
				})
				done = err == nil
				_ = m.Close()
			}
			wantKept(t, keeper, want...)
		})
	}
}

type ledgerOf struct{ mailbox.Keeper }

func (l ledgerOf) Look(ctx context.Context, box ticketing.Box) (ticketing.Window, error) {
	return l.Keeper.Look(ctx, "help", everythingThere, box)
}

func (l ledgerOf) Unknown(ctx context.Context, refs []ticketing.Ref) ([]ticketing.Ref, error) {
	return l.Keeper.Unknown(ctx, "help", refs)
}

// TestWatchCut is the same for a whole watcher.
func TestWatchCut(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	want := mails(900, 910)
	for _, raw := range want {
		dovecot.Deliver(user, raw)
	}
	keeper := mailboxtest.NewKeeper()
	watch(t, mailbox.Config{Since: everythingThere}, config(t, cutter(t, "127.0.0.1:0", dovecot.IMAP, []int{500, 2500, 4000})), keeper)
	keeper.UntilKept(t, len(want))
	wantKept(t, keeper, want...)
	if faults := keeper.Faults(); len(faults) > 0 {
		t.Errorf("a lost connection counted as a fault of %v", faults)
	}
}

// refusing is a server that does not hand out certain mails.
type refusing struct {
	*imapmemserver.UserSession
	uids []goimap.UID
	all  *atomic.Bool     // none at all
	kill *imapserver.Conn // it hangs up instead
}

func (r refusing) Fetch(w *imapserver.FetchWriter, set goimap.NumSet, options *goimap.FetchOptions) error {
	uids, ok := set.(goimap.UIDSet)
	if ok && len(options.BodySection) > 0 {
		for _, uid := range r.uids {
			if uids.Contains(uid) || r.all.Load() {
				if r.kill != nil {
					_ = r.kill.NetConn().Close()
				}
				return &goimap.Error{Type: goimap.StatusResponseTypeNo, Text: "The mail is damaged"}
			}
		}
	}
	return r.UserSession.Fetch(w, set, options)
}

// TestWatchRefused: two of four mails are refused by the server. The others arrive, and these are
// given up after three tries. While the server refuses everything, no mail is to blame.
func TestWatchRefused(t *testing.T) {
	var all atomic.Bool
	server := newMemory(t, memoryCaps, func(_ *imapserver.Conn, s *imapmemserver.UserSession) imapserver.Session {
		return refusing{UserSession: s, uids: []goimap.UID{1, 3}, all: &all}
	})
	for _, raw := range mails(1, 4) {
		server.deliver(raw)
	}
	all.Store(true)
	keeper := mailboxtest.NewKeeper()
	w := watch(t, mailbox.Config{Since: everythingThere, Poll: 50 * time.Millisecond}, config(t, server.address), keeper)
	eventually(t, "trouble", func() bool { return w.Health().State == mailbox.Failing })
	if says := w.Health().Says; says != "The mail is damaged" {
		t.Errorf("the server said %q", says)
	}
	looked(t, keeper, 2)
	if faults := keeper.Faults(); len(faults) > 0 {
		t.Errorf("an outage of the server counts as a fault of %v", faults)
	}
	all.Store(false)
	w.Nudge()
	keeper.Until(t, "three faults each", func() bool {
		n := 0
		for _, count := range keeper.Faults() {
			n += count
		}
		return n >= 6
	})
	keeper.UntilKept(t, 2)
	looked(t, keeper, len(keeper.Looks())+5)
	wantKept(t, keeper, mailboxtest.Mail(2), mailboxtest.Mail(4))
	for ref, n := range keeper.Faults() {
		if n != 3 || ref.UID != "1" && ref.UID != "3" {
			t.Errorf("mail %s has %d faults", ref.UID, n)
		}
	}
}

// TestWatchPoison: the server dies whenever it is asked for one mail. The others arrive; that mail is
// given up after three tries, and a server that dies at every mail is not taken for a bad mail.
func TestWatchPoison(t *testing.T) {
	var all atomic.Bool
	server := newMemory(t, memoryCaps, func(c *imapserver.Conn, s *imapmemserver.UserSession) imapserver.Session {
		return refusing{UserSession: s, uids: []goimap.UID{2}, all: &all, kill: c}
	})
	for _, raw := range mails(1, 3) {
		server.deliver(raw)
	}
	all.Store(true)
	keeper := mailboxtest.NewKeeper()
	w := watch(t, mailbox.Config{Since: everythingThere, Poll: 50 * time.Millisecond}, config(t, server.address), keeper)
	impatient(t, w) // else it would wait longer and longer
	looked(t, keeper, 4)
	if faults := keeper.Faults(); len(faults) > 0 {
		t.Errorf("an outage of the server counts as a fault of %v", faults)
	}
	all.Store(false)
	keeper.UntilKept(t, 2)
	keeper.Until(t, "three faults", func() bool {
		return keeper.Faults()[ticketing.Ref{Validity: keeper.Looks()[0].Validity, UID: "2"}] == 3
	})
	server.deliver(mailboxtest.Mail(4))
	keeper.UntilKept(t, 3)
	eventually(t, "peace", func() bool { return w.Health().State == mailbox.Working })
	if faults := keeper.Faults(); len(faults) != 1 {
		t.Errorf("faults of %v", faults)
	}
	kept := keeper.Raws()
	slices.SortFunc(kept, bytes.Compare)
	if !slices.EqualFunc(kept, [][]byte{mailboxtest.Mail(1), mailboxtest.Mail(3), mailboxtest.Mail(4)}, bytes.Equal) {
		t.Errorf("kept %q", kept)
	}
}

// damaged is a mail that Dovecot keeps compressed, and cannot unpack.
func damaged(t testing.TB, dovecot *testbed.Dovecot) {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(bytes.Repeat(mailboxtest.Mail(1), 200))
	check(t, err)
	check(t, w.Close())
	b := packed.Bytes()
	for i := len(b) / 4; i < len(b); i++ {
		b[i] ^= 0x55
	}
	dovecot.DeliverTo(user, "INBOX", b)
}

// TestWatchDamagedAlone: a mail is alone in its folder, and Dovecot cannot read it. That another folder
// can be read proves the mail's fault.
func TestWatchDamagedAlone(t *testing.T) {
	dovecot := testbed.NewDovecot(t, testbed.Unpacks())
	damaged(t, dovecot)
	keeper := mailboxtest.NewKeeper()
	w := watch(t, mailbox.Config{Since: everythingThere, Poll: 50 * time.Millisecond}, config(t, dovecot.IMAP), keeper)
	impatient(t, w)
	eventually(t, "trouble", func() bool { return w.Health().State == mailbox.Failing })
	t.Log(w.Health().Err)
	looked(t, keeper, 4)
	if faults := keeper.Faults(); len(faults) > 0 {
		t.Errorf("with nothing else to read there are faults of %v", faults)
	}
	dovecot.DeliverTo(user, "Sent", mailboxtest.Mail(2))
	keeper.Until(t, "three faults", func() bool {
		for _, n := range keeper.Faults() {
			return n == 3
		}
		return false
	})
	eventually(t, "peace", func() bool { return w.Health().State == mailbox.Working })
	dovecot.Deliver(user, mailboxtest.Mail(3))
	keeper.UntilKept(t, 1)
	wantKept(t, keeper, mailboxtest.Mail(3))
}

// TestProbeAlone: where there is no other mail, in no folder, Probe says that, and the connection goes
// on in its own folder.
func TestProbeAlone(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	dovecot.Deliver(user, mailboxtest.Mail(1))
	m := open(t, config(t, dovecot.IMAP))
	var refs []ticketing.Ref
	keep := func(_ context.Context, raw mailbox.Raw) error {
		refs = append(refs, raw.Ref)
		_, err := io.Copy(io.Discard, raw.Body)
		return err
	}
	check(t, m.Fetch(t.Context(), everything{}, keep))
	if err := m.Probe(t.Context(), refs); !errors.Is(err, mailbox.ErrNoOther) {
		t.Errorf("got %v, want ErrNoOther", err)
	}
	dovecot.DeliverTo(user, "Sent", mailboxtest.Mail(2))
	check(t, m.Probe(t.Context(), refs))
	check(t, m.Fetch(t.Context(), everything{}, keep))
	if len(refs) != 2 || refs[0] != refs[1] {
		t.Errorf("fetched %v", refs)
	}
}

// TestTwoProcesses: of two watchers one works; when it stops, the other takes over.
func TestTwoProcesses(t *testing.T) {
	dovecot := testbed.NewDovecot(t)
	keeper := mailboxtest.NewKeeper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	var wg sync.WaitGroup
	defer wg.Wait()
	start := func(process string) (*mailbox.Watcher, context.CancelFunc) {
		w := mailbox.New(mailbox.Config{Name: "help", Since: everythingThere}, source(config(t, dovecot.IMAP)), keeper.As(process), log)
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() { _ = w.Run(ctx) })
		return w, cancel
	}
	first, stopFirst := start("first")
	looked(t, keeper, 1)
	second, stopSecond := start("second")
	defer stopSecond()
	eventually(t, "the second to stand by", func() bool { return second.Health().State == mailbox.Elsewhere })
	dovecot.Deliver(user, mailboxtest.Mail(1))
	keeper.UntilKept(t, 1)
	stopFirst()
	eventually(t, "the second to take over", func() bool { return second.Health().State == mailbox.Working })
	if first.Health().State != mailbox.Stopped {
		t.Errorf("the first is %s", first.Health().State)
	}
	dovecot.Deliver(user, mailboxtest.Mail(2))
	keeper.UntilKept(t, 2)
	if n := second.Health().Mails; n != 1 {
		t.Errorf("the second has kept %d mails, want 1", n)
	}
}
