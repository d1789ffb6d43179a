// Package mailboxtest helps to test mail sources and whatever works with them: a conformance suite
// for mailbox.Source (Exercise) and a mailbox.Keeper in memory.
package mailboxtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"groupmail/connectors/mailbox"
	"groupmail/ticketing"
)

// Keeper keeps mail in memory as the product does: under its place, and once only if the same mail
// is found in two places. Several processes, each a view made by As, may share it.
type Keeper struct {
	// Fail, if set, is asked before and after each operation, whose name is the method's; an error
	// is returned instead of the operation, or although it was done. It may block.
	Fail func(operation string, done bool) error

	mu      sync.Mutex
	changed chan struct{}
	blobs   map[ticketing.BlobID][]byte
	windows map[string]window
	places  map[place]bool // false while only faults are known
	mails   map[string]bool
	kept    []ticketing.Arrival
	faults  map[place][]error
	due     map[string][]ticketing.Settlement
	settled []ticketing.Settlement
	leases  map[string]lease
	looks   []ticketing.Box
	asked   int
}

type window struct {
	validity string
	ticketing.Window
}

type place struct {
	mailbox string
	ref     ticketing.Ref
}

type lease struct {
	holder string
	until  time.Time
}

// NewKeeper makes an empty one.
func NewKeeper() *Keeper {
	return &Keeper{
		changed: make(chan struct{}),
		blobs:   map[ticketing.BlobID][]byte{}, windows: map[string]window{}, places: map[place]bool{},
		mails: map[string]bool{}, faults: map[place][]error{}, due: map[string][]ticketing.Settlement{},
		leases: map[string]lease{},
	}
}

// As is the keeper as one process sees it.
func (k *Keeper) As(process string) mailbox.Keeper { return view{k, process} }

// Kept lists what was kept, each mail once, in the order in which it came.
func (k *Keeper) Kept() []ticketing.Arrival {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.kept)
}

// Raw is a kept mail's bytes.
func (k *Keeper) Raw(a ticketing.Arrival) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.blobs[a.Mail.Raw]
}

// Raws are the bytes of everything kept, in order.
func (k *Keeper) Raws() [][]byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	var raws [][]byte
	for _, a := range k.kept {
		raws = append(raws, k.blobs[a.Mail.Raw])
	}
	return raws
}

// Faults counts the faults of a mailbox's mails.
func (k *Keeper) Faults() map[ticketing.Ref]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := map[ticketing.Ref]int{}
	for p, errs := range k.faults {
		n[p.ref] += len(errs)
	}
	return n
}

// Looks are the boxes that Look was told of.
func (k *Keeper) Looks() []ticketing.Box {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.looks)
}

// Asked counts the mails that Unknown was asked about.
func (k *Keeper) Asked() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.asked
}

// Holder is the process that holds a lease.
func (k *Keeper) Holder(name string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l := k.leases[name]; time.Now().Before(l.until) {
		return l.holder
	}
	return ""
}

// Steal gives a lease to another process, as a long pause of the holder would.
func (k *Keeper) Steal(name, process string, ttl time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leases[name] = lease{process, time.Now().Add(ttl)}
}

// Widen shows a mailbox's mail of an earlier time, too.
func (k *Keeper) Widen(mailbox string, since time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w := k.windows[mailbox]
	w.Since = since
	k.windows[mailbox] = w
}

// Process makes a mail's fate due.
func (k *Keeper) Process(mailbox string, s ticketing.Settlement) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.due[mailbox] = append(k.due[mailbox], s)
}

// Settlements are the fates that were carried out.
func (k *Keeper) Settlements() []ticketing.Settlement {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.settled)
}

// Until waits until ok says yes, asking after every change. It ends the test after a minute.
func (k *Keeper) Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	timeout := time.NewTimer(time.Minute)
	defer timeout.Stop()
	for {
		k.mu.Lock()
		changed := k.changed
		k.mu.Unlock()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Fatalf("waited in vain: %s; kept %d mails", what, len(k.Kept()))
		}
	}
}

// UntilKept waits until n mails are kept, and returns them.
func (k *Keeper) UntilKept(t testing.TB, n int) []ticketing.Arrival {
	t.Helper()
	k.Until(t, fmt.Sprintf("%d mails kept", n), func() bool { return len(k.Kept()) >= n })
	return k.Kept()
}

type view struct {
	k       *Keeper
	process string
}

// do runs one operation.
func (v view) do(ctx context.Context, operation string, f func(k *Keeper) error) error {
	if fail := v.k.Fail; fail != nil {
		if err := fail(operation, false); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	v.k.mu.Lock()
	err := f(v.k)
	close(v.k.changed)
	v.k.changed = make(chan struct{})
	v.k.mu.Unlock()
	if fail := v.k.Fail; fail != nil && err == nil {
		err = fail(operation, true)
	}
	return err
}

func (v view) Look(ctx context.Context, name string, since ticketing.Since, box ticketing.Box) (w ticketing.Window, err error) {
	received, err := v.received(ctx, name, since, box)
	if err != nil {
		return w, err
	}
	err = v.do(ctx, "Look", func(k *Keeper) error {
		k.looks = append(k.looks, box)
		known, ok := k.windows[name]
		if !ok {
			for i, at := range received {
				if since.Date.IsZero() || !at.IsZero() && at.Before(since.Date) {
					k.places[place{name, ticketing.Ref{UID: box.Names.UIDs[i]}}] = true
				}
			}
		}
		switch {
		case !ok:
			known = window{box.Validity, ticketing.Window{First: box.Next, Since: time.Now()}}
			if !since.Date.IsZero() {
				known.Since = since.Date
			}
		case known.validity != box.Validity:
			known.validity, known.First = box.Validity, box.Next
		}
		if since.All {
			known.Window = ticketing.Window{First: 1}
		}
		k.windows[name] = known
		w = known.Window
		return nil
	})
	return w, err
}

// received tells of a mailbox's first look when each of its named mails arrived.
func (v view) received(ctx context.Context, name string, since ticketing.Since, box ticketing.Box) ([]time.Time, error) {
	v.k.mu.Lock()
	_, known := v.k.windows[name]
	v.k.mu.Unlock()
	if known || since.All || box.Names == nil {
		return nil, nil
	}
	return box.Names.Received(ctx)
}

func (v view) Unknown(ctx context.Context, name string, refs []ticketing.Ref) (unknown []ticketing.Ref, err error) {
	err = v.do(ctx, "Unknown", func(k *Keeper) error {
		k.asked += len(refs)
		for _, ref := range refs {
			if !k.places[place{name, ref}] {
				unknown = append(unknown, ref)
			}
		}
		return nil
	})
	return unknown, err
}

func (v view) Spool(ctx context.Context, r io.Reader) (id ticketing.BlobID, size int64, err error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return 0, 0, err
	}
	err = v.do(ctx, "Spool", func(k *Keeper) error {
		id, size = ticketing.BlobID(len(k.blobs)+1), int64(len(raw))
		k.blobs[id] = raw
		return nil
	})
	return id, size, err
}

func (v view) OpenBlob(ctx context.Context, id ticketing.BlobID) (r io.ReadCloser, err error) {
	err = v.do(ctx, "OpenBlob", func(k *Keeper) error {
		raw, ok := k.blobs[id]
		if !ok {
			return errors.New("no such blob")
		}
		r = io.NopCloser(bytes.NewReader(raw))
		return nil
	})
	return r, err
}

func (v view) Receive(ctx context.Context, a ticketing.Arrival) error {
	return v.do(ctx, "Receive", func(k *Keeper) error {
		p := place{a.Mailbox, a.Ref}
		if k.places[p] {
			return nil
		}
		k.places[p] = true
		if same := a.Mail.MessageID + "\x00" + a.Mail.Digest; !k.mails[same] {
			k.mails[same] = true
			k.kept = append(k.kept, a)
		}
		return nil
	})
}

func (v view) Fault(ctx context.Context, name string, ref ticketing.Ref, _ ticketing.BlobID, why error) error {
	return v.do(ctx, "Fault", func(k *Keeper) error {
		const most = 3
		p := place{name, ref}
		k.faults[p] = append(k.faults[p], why)
		k.places[p] = k.places[p] || len(k.faults[p]) >= most
		return nil
	})
}

func (v view) Unsettled(ctx context.Context, name string, limit int) (due []ticketing.Settlement, err error) {
	err = v.do(ctx, "Unsettled", func(k *Keeper) error {
		due = slices.Clone(k.due[name][:min(limit, len(k.due[name]))])
		return nil
	})
	return due, err
}

func (v view) Settled(ctx context.Context, name string, s ticketing.Settlement) error {
	return v.do(ctx, "Settled", func(k *Keeper) error {
		k.due[name] = slices.DeleteFunc(k.due[name], func(d ticketing.Settlement) bool { return d == s })
		k.settled = append(k.settled, s)
		return nil
	})
}

func (v view) Lease(ctx context.Context, name string, ttl time.Duration) (held bool, err error) {
	err = v.do(ctx, "Lease", func(k *Keeper) error {
		if l := k.leases[name]; l.holder != v.process && time.Now().Before(l.until) {
			return nil
		}
		k.leases[name] = lease{v.process, time.Now().Add(ttl)}
		held = true
		return nil
	})
	return held, err
}

func (v view) Unlease(ctx context.Context, name string) error {
	return v.do(ctx, "Unlease", func(k *Keeper) error {
		if k.leases[name].holder == v.process {
			delete(k.leases, name)
		}
		return nil
	})
}
