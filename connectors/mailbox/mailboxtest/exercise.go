package mailboxtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"groupmail/connectors/mailbox"
	"groupmail/ticketing"
)

// Box is one empty mailbox of the kind under test, with whatever else happens to it. Its functions
// end the test if they fail. Those that a kind of mailbox has no use for may be nil.
type Box struct {
	// Open opens the mailbox, as GroupMail does. The source's Fetch must return mails as they were
	// delivered, but for their line ends and for empty lines at their end.
	Open func(ctx context.Context) (mailbox.Source, error)
	// Deliver puts a mail into the mailbox as another program does. It comes after all others.
	Deliver func(raw []byte)

	View   func() string // everything that other programs can see: places, flags and bytes
	Read   func()        // a person reads all mail in a mail program
	Remove func(i int)   // a person deletes the i-th mail
	Break  func()        // all connections break; new ones are accepted

	Ordered bool // Ref.UID are increasing numbers, and Box.Next, Window.First count
	Dated   bool // Window.Since is heeded
	Headed  bool // only mails with a header can be delivered
	Told    bool // Wait ends when mail arrives, not only with its context
	// Fates are those that Settle can carry out, each with a function that tells whether it was
	// carried out on a mail that was delivered.
	Fates map[ticketing.Fate]func(raw []byte) error
}

// Mail is a well-formed mail; different numbers make different mails.
func Mail(n int) []byte {
	return fmt.Appendf(nil, "Message-ID: <%d@mailboxtest.example>\r\nFrom: Maria Kovács <maria@example.org>\r\nTo: help@example.com\r\n"+
		"Subject: Mail %d\r\nDate: Mon, 2 Jun 2025 10:00:00 +0200\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"Content-Transfer-Encoding: 8bit\r\n\r\nGrüße, number %d.\r\n.\r\n..dots\r\n\r\n%s\r\n",
		n, n, n, strings.Repeat("x", n%997))
}

// patience is how long a real server may take to do one thing.
const patience = 30 * time.Second

// Exercise tests whether a kind of mailbox keeps to the contract of mailbox.Source, and of Waiter,
// Settler, Committer and Prober where it implements them. newBox makes a box of its own for each test.
func Exercise(t *testing.T, newBox func(t *testing.T) Box) {
	for _, test := range []struct {
		name string
		run  func(*bench)
	}{
		{"Empty", empty},
		{"AsDelivered", asDelivered},
		{"OldestFirst", oldestFirst},
		{"OnlyUnknown", onlyUnknown},
		{"NamesStay", namesStay},
		{"ArrivesLater", arrivesLater},
		{"KeepFails", keepFails},
		{"LedgerFails", ledgerFails},
		{"BodyUnread", bodyUnread},
		{"LargeMail", largeMail},
		{"FetchChangesNothing", fetchChangesNothing},
		{"ReadElsewhere", readElsewhere},
		{"RemovedMeanwhile", removedMeanwhile},
		{"FromFirst", fromFirst},
		{"Since", since},
		{"Names", names},
		{"FetchCancelled", fetchCancelled},
		{"Broken", broken},
		{"Probe", probe},
		{"WaitTold", waitTold},
		{"WaitMissesNothing", waitMissesNothing},
		{"WaitEnds", waitEnds},
		{"WaitBroken", waitBroken},
		{"Settle", settle},
		{"SettleUnknownFate", settleUnknownFate},
		{"CloseTwice", closeTwice},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()
			test.run(&bench{T: t, ctx: ctx, box: newBox(t), ledger: ledger{known: map[ticketing.Ref]bool{}}})
		})
	}
}

// bench is what one test works at.
type bench struct {
	*testing.T
	ctx context.Context
	box Box
	ledger
}

// ledger wants all mail but what is known.
type ledger struct {
	window ticketing.Window // First 0 stands for everything
	known  map[ticketing.Ref]bool
	boxes  []ticketing.Box
	err    error
}

func (l *ledger) Look(_ context.Context, box ticketing.Box) (ticketing.Window, error) {
	l.boxes = append(l.boxes, box)
	return l.window, nil
}

func (l *ledger) Unknown(_ context.Context, refs []ticketing.Ref) (unknown []ticketing.Ref, err error) {
	for _, ref := range refs {
		if !l.known[ref] {
			unknown = append(unknown, ref)
		}
	}
	return unknown, l.err
}

// mail is what was fetched.
type mail struct {
	ref      ticketing.Ref
	received time.Time
	raw      string
}

func (b *bench) open() mailbox.Source {
	b.Helper()
	src, err := b.box.Open(b.ctx)
	if err != nil {
		b.Fatalf("Open: %v", err)
	}
	b.Cleanup(func() { _ = src.Close() })
	return src
}

func (b *bench) fetch(src mailbox.Source) []mail {
	b.Helper()
	var mails []mail
	err := src.Fetch(b.ctx, &b.ledger, func(_ context.Context, raw mailbox.Raw) error {
		body, err := io.ReadAll(raw.Body)
		mails = append(mails, mail{raw.Ref, raw.Received.UTC(), plain(body)})
		return err
	})
	if err != nil {
		b.Fatalf("Fetch: %v", err)
	}
	return mails
}

func (b *bench) deliver(from, to int) (raws []string) {
	for n := from; n <= to; n++ {
		b.box.Deliver(Mail(n))
		raws = append(raws, plain(Mail(n)))
	}
	return raws
}

// plain is a mail without what Box.Open allows to differ.
func plain(raw []byte) string {
	return strings.TrimRight(string(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))), "\n")
}

func (b *bench) want(what string, mails []mail, raws ...string) {
	b.Helper()
	var got []string
	for _, m := range mails {
		got = append(got, m.raw)
	}
	if !slices.Equal(got, raws) {
		b.Errorf("%s: got %d mails, want %d: got\n%s\nwant\n%s", what, len(got), len(raws), subjects(got), subjects(raws))
	}
}

func subjects(raws []string) string {
	var b strings.Builder
	for _, raw := range raws {
		_, rest, _ := strings.Cut(raw, "Subject: ")
		subject, _, _ := strings.Cut(rest, "\n")
		fmt.Fprintf(&b, "%s (%d bytes) ", subject, len(raw))
	}
	return b.String()
}

func empty(b *bench) {
	b.want("empty mailbox", b.fetch(b.open()))
	if len(b.boxes) != 1 {
		b.Errorf("the ledger was told %d times what the mailbox holds, want once", len(b.boxes))
	}
}

func asDelivered(b *bench) {
	odd := []string{
		string(Mail(1)),
		"Subject: no body\r\n\r\n",
		"Subject: =?utf-8?q?cut",
		"no header at all\r\n",
		"Subject: eight bits \xe4\xf6\xfc \xff\r\n\r\n\x01\x02 \x80\x81\r\n",
		"Subject: long\r\n\r\n" + strings.Repeat("z", 5000) + "\r\n)\r\n* 1 FETCH (UID 1)\r\n+OK\r\n",
	}
	if b.box.Headed {
		odd = slices.Delete(odd, 3, 4)
	}
	var want []string
	for _, raw := range odd {
		b.box.Deliver([]byte(raw))
		want = append(want, plain([]byte(raw)))
	}
	b.want("odd mails", b.fetch(b.open()), want...)
	if n := b.boxes[0].Count; n != len(odd) {
		b.Errorf("the mailbox is said to hold %d mails, want %d", n, len(odd))
	}
}

func oldestFirst(b *bench) {
	raws := b.deliver(1, 130)
	b.want("130 mails", b.fetch(b.open()), raws...)
}

func onlyUnknown(b *bench) {
	raws := b.deliver(1, 4)
	src := b.open()
	mails := b.fetch(src)
	if len(mails) != 4 {
		b.Fatalf("got %d mails, want 4", len(mails))
	}
	b.known[mails[0].ref], b.known[mails[2].ref] = true, true
	b.want("with the first and third known", b.fetch(src), raws[1], raws[3])
	b.known[mails[1].ref], b.known[mails[3].ref] = true, true
	b.want("with all known", b.fetch(src))
}

func namesStay(b *bench) {
	b.deliver(1, 5)
	first, second := b.fetch(b.open()), b.fetch(b.open())
	if !slices.Equal(first, second) {
		b.Errorf("opened twice:\n%v\nthen\n%v", first, second)
	}
	names := map[ticketing.Ref]bool{}
	for _, m := range first {
		names[m.ref] = true
	}
	if len(names) != len(first) {
		b.Errorf("%d names for %d mails", len(names), len(first))
	}
}

func arrivesLater(b *bench) {
	raws := b.deliver(1, 2)
	src := b.open()
	for _, m := range b.fetch(src) {
		b.known[m.ref] = true
	}
	raws = append(raws, b.deliver(3, 4)...)
	b.want("what arrived after the first Fetch", b.fetch(src), raws[2:]...)
}

// keepFails makes keep fail at every mail in turn. The mails before it stay kept, and nothing is
// lost or changes its place.
func keepFails(b *bench) {
	raws := b.deliver(1, 6)
	var kept []mail
	for n := range raws {
		failure := fmt.Errorf("keep fails at mail %d", n)
		src := b.open()
		err := src.Fetch(b.ctx, &b.ledger, func(_ context.Context, raw mailbox.Raw) error {
			if len(kept) > n {
				_, _ = raw.Body.Read(make([]byte, 10)) // dies in the middle of it
				return failure
			}
			body, err := io.ReadAll(raw.Body)
			kept = append(kept, mail{raw.Ref, raw.Received.UTC(), plain(body)})
			b.known[raw.Ref] = true
			return err
		})
		if n+1 < len(raws) && err != failure { //nolint:errorlint // as it is
			b.Fatalf("Fetch returned %v, want keep's own error", err)
		}
		if err := src.Close(); err != nil {
			b.Errorf("Close: %v", err)
		}
	}
	b.want("kept one by one", kept, raws...)
}

func ledgerFails(b *bench) {
	b.deliver(1, 1)
	b.err = errors.New("the ledger fails")
	err := b.open().Fetch(b.ctx, &b.ledger, func(context.Context, mailbox.Raw) error {
		b.Error("keep is called although the ledger failed")
		return nil
	})
	if err != b.err { //nolint:errorlint // as it is
		b.Errorf("Fetch returned %v, want the ledger's own error", err)
	}
}

func bodyUnread(b *bench) {
	b.deliver(1, 3)
	n := 0
	err := b.open().Fetch(b.ctx, &b.ledger, func(_ context.Context, raw mailbox.Raw) error {
		n++
		if n == 2 {
			_, _ = raw.Body.Read(make([]byte, 7))
		}
		return nil
	})
	if err != nil || n != 3 {
		b.Errorf("got %d mails and %v, want 3", n, err)
	}
}

func largeMail(b *bench) {
	large := append(Mail(1), bytes.Repeat([]byte("0123456789abcdef0123456789abcdef0123456789abcdef\r\n"), 100_000)...) // 5 MB
	b.box.Deliver(large)
	b.box.Deliver(Mail(2))
	b.want("5 MB and a small one", b.fetch(b.open()), plain(large), plain(Mail(2)))
}

func fetchChangesNothing(b *bench) {
	if b.box.View == nil {
		b.Skip("nothing to see")
	}
	b.deliver(1, 3)
	src := b.open()
	b.fetch(src) // some servers take new mail over when a mailbox is first opened
	before := b.box.View()
	b.deliver(4, 4)
	added := b.box.View()
	b.fetch(src)
	if err := src.Close(); err != nil {
		b.Errorf("Close: %v", err)
	}
	if after := b.box.View(); after != added {
		b.Errorf("Fetch changed the mailbox from\n%s\nto\n%s", added, after)
	}
	if !strings.HasPrefix(added, before) {
		b.Logf("before the delivery:\n%s\nafter:\n%s", before, added)
	}
}

func readElsewhere(b *bench) {
	if b.box.Read == nil {
		b.Skip("mail is never read elsewhere")
	}
	raws := b.deliver(1, 3)
	src := b.open()
	b.box.Read()
	mails := b.fetch(src)
	b.want("read before the first Fetch", mails, raws...)
	for _, m := range mails {
		b.known[m.ref] = true
	}
	b.box.Read()
	b.want("read after it was kept", b.fetch(src))
	b.want("opened anew", b.fetch(b.open()))
}

func removedMeanwhile(b *bench) {
	if b.box.Remove == nil {
		b.Skip("mail is never removed")
	}
	raws := b.deliver(1, 4)
	src := b.open()
	b.box.Remove(1)
	b.want("with the second removed", b.fetch(src), raws[0], raws[2], raws[3])
}

func fromFirst(b *bench) {
	if !b.box.Ordered {
		b.Skip("names have no order")
	}
	b.deliver(1, 3)
	src := b.open()
	b.fetch(src)
	next := b.boxes[0].Next
	b.window.First = next
	b.want("from Next on", b.fetch(src))
	raws := b.deliver(4, 5)
	b.want("from Next on, after a delivery", b.fetch(src), raws...)
	b.want("opened anew", b.fetch(b.open()), raws...)
}

func since(b *bench) {
	if !b.box.Dated {
		b.Skip("mails have no date")
	}
	raws := b.deliver(1, 2)
	src := b.open()
	mails := b.fetch(src)
	next := max(1, b.boxes[len(b.boxes)-1].Next)
	for _, m := range mails {
		if age := time.Since(m.received); age > time.Hour || age < -time.Minute {
			b.Errorf("received %s, want now", m.received)
		}
	}
	b.window = ticketing.Window{First: next, Since: time.Now().Add(-24 * time.Hour)}
	b.want("since yesterday", b.fetch(src), raws...)
	b.window.Since = time.Now().Add(time.Hour)
	b.want("since an hour from now", b.fetch(src))
	raws = b.deliver(3, 3)
	b.want("since an hour from now, but arrived after the first look", b.fetch(src), raws...)
}

// names are told at each look where they have no order.
func names(b *bench) {
	if b.box.Ordered {
		b.Skip("names have an order")
	}
	b.deliver(1, 3)
	mails := b.fetch(b.open())
	told := b.boxes[0].Names
	if told == nil {
		b.Fatal("the ledger was not told all names")
	}
	var fetched []string
	for _, m := range mails {
		fetched = append(fetched, m.ref.UID)
	}
	if !slices.Equal(told.UIDs, fetched) {
		b.Errorf("the ledger was told of %q, and mails came as %q", told.UIDs, fetched)
	}
	b.window.Validity = "2"
	src := b.open()
	err := src.Fetch(b.ctx, lookingAt{&b.ledger, func(box ticketing.Box) {
		received, err := box.Names.Received(b.ctx)
		if err != nil || len(received) != len(box.Names.UIDs) {
			b.Errorf("received at %v, %v, want a time for each of %d", received, err, len(box.Names.UIDs))
		}
		for i, at := range received {
			if !at.UTC().Equal(mails[i].received) || time.Until(at) > time.Minute {
				b.Errorf("mail %d was received %s, and %s when it came", i, at, mails[i].received)
			}
		}
	}}, func(_ context.Context, raw mailbox.Raw) error {
		if raw.Ref.Validity != "2" {
			b.Errorf("%v does not carry the window's validity", raw.Ref)
		}
		return nil
	})
	if err != nil {
		b.Errorf("Fetch: %v", err)
	}
}

// lookingAt is a ledger that does something while it is told what the mailbox holds.
type lookingAt struct {
	*ledger
	look func(ticketing.Box)
}

func (l lookingAt) Look(ctx context.Context, box ticketing.Box) (ticketing.Window, error) {
	l.look(box)
	return l.ledger.Look(ctx, box)
}

func fetchCancelled(b *bench) {
	b.deliver(1, 3)
	src := b.open()
	ctx, cancel := context.WithCancel(b.ctx)
	n := 0
	err := src.Fetch(ctx, &b.ledger, func(ctx context.Context, _ mailbox.Raw) error {
		n++
		cancel()
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) || n != 1 {
		b.Errorf("Fetch returned %v after %d mails, want the context's error after one", err, n)
	}
	if err := src.Close(); err != nil {
		b.Errorf("Close: %v", err)
	}
	ended, cancel := context.WithCancel(b.ctx)
	cancel()
	if err := b.open().Fetch(ended, &b.ledger, func(context.Context, mailbox.Raw) error { return nil }); err == nil {
		b.Error("Fetch with an ended context returned nil")
	}
}

func broken(b *bench) {
	if b.box.Break == nil {
		b.Skip("there is no connection")
	}
	raws := b.deliver(1, 3)
	src := b.open()
	b.box.Break()
	err := src.Fetch(b.ctx, &b.ledger, func(context.Context, mailbox.Raw) error {
		b.Error("a mail came over a broken connection")
		return nil
	})
	if err == nil {
		b.Error("Fetch over a broken connection returned nil")
	}
	b.Logf("broken: %v", err)
	if err := src.Close(); err != nil {
		b.Errorf("Close: %v", err)
	}
	b.want("opened anew", b.fetch(b.open()), raws...)
}

func probe(b *bench) {
	src := b.open()
	prober, ok := src.(mailbox.Prober)
	if !ok {
		b.Skip("no Prober")
	}
	if err := prober.Probe(b.ctx, nil); err == nil {
		b.Error("an empty mailbox proves nothing")
	}
	b.deliver(1, 2)
	src = b.open()
	prober = src.(mailbox.Prober)
	mails := b.fetch(src)
	if err := prober.Probe(b.ctx, []ticketing.Ref{mails[1].ref}); err != nil {
		b.Errorf("the first mail can be read, but Probe says %v", err)
	}
	if err := prober.Probe(b.ctx, []ticketing.Ref{mails[0].ref, mails[1].ref}); err == nil {
		b.Error("without any mail to try, Probe returned nil")
	}
	b.fetch(src) // the connection goes on
}

func (b *bench) waiter(src mailbox.Source) mailbox.Waiter {
	b.Helper()
	waiter, ok := src.(mailbox.Waiter)
	if !ok {
		b.Skip("no Waiter")
	}
	return waiter
}

func waitTold(b *bench) {
	src := b.open()
	waiter := b.waiter(src)
	if !b.box.Told {
		b.Skip("it is never told")
	}
	b.fetch(src)
	for n := range 3 {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		waited := make(chan error, 1)
		go func() { waited <- waiter.Wait(ctx) }()
		b.box.Deliver(Mail(n))
		if err := <-waited; err != nil {
			b.Fatalf("Wait: %v", err)
		}
		if ctx.Err() != nil {
			b.Fatal("Wait did not hear of the mail")
		}
		cancel()
		// A server may tell before the mail is there, or again.
		for len(b.known) <= n && b.ctx.Err() == nil {
			for _, m := range b.fetch(src) {
				b.known[m.ref] = true
			}
		}
	}
}

// waitMissesNothing delivers between Fetch and Wait.
func waitMissesNothing(b *bench) {
	src := b.open()
	waiter := b.waiter(src)
	if !b.box.Told {
		b.Skip("it is never told")
	}
	b.fetch(src)
	b.box.Deliver(Mail(1))
	for len(b.known) == 0 {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		if err := waiter.Wait(ctx); err != nil {
			b.Fatalf("Wait: %v", err)
		}
		if ctx.Err() != nil {
			b.Fatal("Wait missed the mail")
		}
		cancel()
		for _, m := range b.fetch(src) {
			b.known[m.ref] = true
		}
	}
}

// waitEnds lets Wait run into its context again and again: the source must stay usable.
func waitEnds(b *bench) {
	src := b.open()
	waiter := b.waiter(src)
	for n := range 20 {
		ctx, cancel := context.WithTimeout(b.ctx, time.Duration(n)*time.Millisecond)
		if err := waiter.Wait(ctx); err != nil {
			b.Fatalf("Wait %d: %v", n, err)
		}
		cancel()
		if n%5 == 0 {
			b.fetch(src)
		}
	}
	raws := b.deliver(1, 1)
	b.want("after many waits", b.fetch(src), raws...)
}

func waitBroken(b *bench) {
	src := b.open()
	waiter := b.waiter(src)
	if b.box.Break == nil || !b.box.Told {
		b.Skip("there is no connection")
	}
	b.fetch(src)
	waited := make(chan error, 1)
	go func() { waited <- waiter.Wait(b.ctx) }()
	b.box.Break()
	if err := <-waited; err == nil {
		b.Error("Wait over a broken connection returned nil")
	}
	if err := src.Close(); err != nil {
		b.Errorf("Close: %v", err)
	}
}

func settle(b *bench) {
	if len(b.box.Fates) == 0 {
		b.Skip("no fates")
	}
	fates := slices.Sorted(maps.Keys(b.box.Fates))
	raws := b.deliver(1, len(fates)+1)
	src := b.open()
	mails := b.fetch(src)
	if len(mails) != len(raws) {
		b.Fatalf("got %d mails, want %d", len(mails), len(raws))
	}
	settler := committing{src.(mailbox.Settler)}
	for i, fate := range fates {
		if err := settler.Settle(b.ctx, mails[i].ref, fate); err != nil {
			b.Fatalf("Settle %s: %v", fate, err)
		}
		if err := b.box.Fates[fate](Mail(i + 1)); err != nil {
			b.Errorf("after Settle %s: %v", fate, err)
		}
		if err := settler.Settle(b.ctx, mails[i].ref, fate); err != nil {
			b.Errorf("Settle %s, a second time: %v", fate, err)
		}
		if err := b.box.Fates[fate](Mail(i + 1)); err != nil {
			b.Errorf("after Settle %s, a second time: %v", fate, err)
		}
		for _, gone := range []ticketing.Ref{
			{Validity: mails[i].ref.Validity, UID: "4000000000"}, {Validity: "77", UID: mails[len(fates)].ref.UID},
		} {
			if err := settler.Settle(b.ctx, gone, fate); err != nil {
				b.Errorf("Settle %s of a mail that is gone: %v", fate, err)
			}
		}
	}
	if err := settler.Settle(b.ctx, mails[len(fates)].ref, "leave"); err != nil {
		b.Errorf("Settle leave: %v", err)
	}
	last := b.fetch(b.open())
	if len(last) == 0 || last[len(last)-1] != mails[len(fates)] {
		b.Errorf("the mail without a fate was changed: %v", last)
	}
}

// committing commits each fate at once, where that is to be done.
type committing struct{ mailbox.Settler }

func (c committing) Settle(ctx context.Context, ref ticketing.Ref, fate ticketing.Fate) error {
	err := c.Settler.Settle(ctx, ref, fate)
	if committer, ok := c.Settler.(mailbox.Committer); ok && err == nil {
		err = committer.Commit(ctx)
	}
	return err
}

func settleUnknownFate(b *bench) {
	b.deliver(1, 1)
	src := b.open()
	settler, ok := src.(mailbox.Settler)
	if !ok {
		b.Skip("no Settler")
	}
	mails := b.fetch(src)
	for _, fate := range []ticketing.Fate{"burn", "move:", "keyword:", "keyword:two words"} {
		if err := settler.Settle(b.ctx, mails[0].ref, fate); !errors.Is(err, mailbox.ErrCannot) {
			b.Errorf("Settle %q returned %v, want ErrCannot", fate, err)
		}
	}
	b.fetch(src) // the connection goes on
}

func closeTwice(b *bench) {
	src := b.open()
	if err := src.Close(); err != nil {
		b.Errorf("Close: %v", err)
	}
	_ = src.Close()
}
