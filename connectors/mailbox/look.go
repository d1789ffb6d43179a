package mailbox

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"groupmail/connectors/message"
	"groupmail/ticketing"
)

const (
	// inMemory is how large a mail may be, in bytes, to be spooled and parsed beside the others;
	// larger ones are spooled as they come in.
	inMemory = 512 << 10
	// ahead is how many mails may be read, spooled and parsed before the oldest of them is kept.
	ahead = 4
	// careful is how many mails are asked for one by one after a connection was lost while mail was
	// being read. It is more than any source asks for together.
	careful = 100
	// recheck is how often everything is looked at again, not only what is new.
	recheck = time.Hour
	// lonely is how long a mail without others must have been the only thing that a server does not
	// answer, for it to count as one fault: storage may be out of order for hours behind a server that
	// tells all that it has in its indexes.
	lonely = time.Hour
)

type parser func(io.Reader, message.Options) ticketing.Mail

// seen remembers how far a mailbox is done, so that a look need not ask for its every mail.
type seen struct {
	validity string
	window   ticketing.Window       // as the keeper answered
	below    uint32                 // what has a lower UID is done; 0 if nothing is known
	known    map[ticketing.Ref]bool // of names without order, those that are done
	at       time.Time              // of the last look at everything
}

// trial is a mail that made trouble.
type trial struct {
	breaks int       // how often in a row the connection was lost while it alone was asked for
	again  time.Time // when it is tried again
	lonely time.Time // since when the server answers everything but this mail, and has no other
}

// suspect tells whether a mail is tried only after all others: it would stop them.
func (t *trial) suspect() bool { return t != nil && t.breaks > 1 }

// look picks up everything that is wanted.
//
// A connection is lost by chance, and a server that refuses a mail may be out of order: neither is
// the mail's fault. It counts as one only when the mail was asked for alone, and when the server at
// the same time hands out other mail, or, having none, has answered everything else for a long time.
// Until then it is tried last, so that it stops no other.
func (w *Watcher) look(stop, work context.Context, src Source) error {
	now := time.Now()
	alone := map[ticketing.Ref]bool{}
	pick := func(ref ticketing.Ref) bool {
		t := w.trials[ref]
		return !alone[ref] && (t == nil || !t.suspect() && !now.Before(t.again))
	}
	var refused []refusal
	read := 0
	for w.careful > 0 {
		p, err := w.pass(stop, work, src, true, pick)
		if err != nil {
			return err
		}
		refused, read = append(refused, p.refused...), read+p.read
		w.careful--
		if alone[p.picked] = true; p.picked == (ticketing.Ref{}) {
			w.careful = 0
		}
	}
	p, err := w.pass(stop, work, src, false, pick)
	if err != nil {
		return err
	}
	refused, read = append(refused, p.refused...), read+p.read
	maps.DeleteFunc(w.trials, func(ref ticketing.Ref, _ *trial) bool { return !p.wanted[ref] }) // known meanwhile, or gone

	var again []ticketing.Ref
	for ref, t := range w.trials {
		if t.suspect() && !now.Before(t.again) {
			again = append(again, ref)
		}
	}
	for _, r := range refused {
		again = append(again, r.ref)
	}
	if len(again) > 0 {
		guilty := w.guilty(work, src, read, again)
		for _, r := range refused {
			if !guilty[r.ref] {
				return r.err
			}
		}
		for _, ref := range again {
			if err := w.tryAlone(stop, work, src, ref, guilty[ref]); err != nil {
				return err
			}
		}
	}

	w.failures = 0
	w.works(0, true)
	if p.next == 0 {
		return nil // these names have no order
	}
	w.seen.below = p.next
	for _, ref := range slices.AppendSeq(p.left, maps.Keys(w.trials)) {
		uid, err := strconv.ParseUint(ref.UID, 10, 32)
		if err != nil {
			uid = 0
		}
		w.seen.below = min(w.seen.below, uint32(uid))
	}
	return nil
}

// tryAlone tries a mail that made trouble. If it is known who is at fault should it do so again, that
// is noted.
func (w *Watcher) tryAlone(stop, work context.Context, src Source, ref ticketing.Ref, guilty bool) error {
	p, err := w.pass(stop, work, src, true, func(r ticketing.Ref) bool { return r == ref })
	failed := p.refused
	if p.broken != nil && work.Err() == nil {
		failed = append(failed, *p.broken)
	}
	switch {
	case guilty && len(failed) > 0:
		return cmp.Or(w.fault(work, failed[0]), err)
	case len(failed) > 0:
		return cmp.Or(err, failed[0].err)
	case err == nil && len(p.faulty) == 0:
		delete(w.trials, ref) // kept, or gone
	}
	return err
}

// guilty finds out which mails in trouble are at fault themselves: all of them while the server
// hands out other mail. Where there is no other, each after it has been alone in its trouble for
// long enough.
func (w *Watcher) guilty(ctx context.Context, src Source, read int, suspects []ticketing.Ref) map[ticketing.Ref]bool {
	guilty := map[ticketing.Ref]bool{}
	sound, alone := read > 0, false
	if prober, ok := src.(Prober); ok {
		err := prober.Probe(ctx, suspects)
		if err != nil {
			w.log.Debug("probe", "err", err)
		}
		sound, alone = err == nil, errors.Is(err, ErrNoOther)
	}
	if !alone {
		w.notLonely()
	}
	for _, ref := range suspects {
		guilty[ref] = sound
		if alone {
			t := w.trial(ref)
			if t.lonely.IsZero() {
				t.lonely = time.Now()
			}
			guilty[ref] = time.Since(t.lonely) >= lonely
		}
	}
	return guilty
}

// notLonely notes that something else is wrong, too, or that there is other mail.
func (w *Watcher) notLonely() {
	for _, t := range w.trials {
		t.lonely = time.Time{}
	}
}

func (w *Watcher) trial(ref ticketing.Ref) *trial {
	if w.trials[ref] == nil {
		w.trials[ref] = &trial{}
	}
	return w.trials[ref]
}

// fault notes that a mail itself made trouble. It is tried again later.
func (w *Watcher) fault(ctx context.Context, r refusal) error {
	blob := r.blob
	if blob == 0 && len(r.part) > 0 {
		var err error
		if blob, _, err = w.keeper.Spool(ctx, bytes.NewReader(r.part)); err != nil {
			return fmt.Errorf("spool a faulty mail: %w", err)
		}
	}
	w.log.Warn("mail makes trouble", "uid", r.ref.UID, "err", r.err)
	if err := w.keeper.Fault(ctx, w.cfg.Name, r.ref, blob, r.err); err != nil {
		return fmt.Errorf("note a faulty mail: %w", err)
	}
	t := w.trial(r.ref)
	t.again, t.lonely = time.Now().Add(w.cfg.Poll), time.Time{}
	return nil
}

// refusal is a mail that could not be read, and why.
type refusal struct {
	ref  ticketing.Ref
	blob ticketing.BlobID // where its bytes are, if all were spooled
	part []byte           // else what of it was read
	err  error
}

var (
	errStopping = errors.New("stopping") // ends a Fetch between two mails
	errEnough   = errors.New("enough")   // ends a Fetch after a single mail
)

// pass is one Fetch. Its mails go through three hands: Fetch's goroutine reads each from the
// server, a goroutine of its own spools and parses it, and one last goroutine keeps them in the
// order in which they came.
type pass struct {
	w      *Watcher
	work   context.Context
	single bool // it ends after one mail
	pick   func(ticketing.Ref) bool
	jobs   chan *job
	wg     sync.WaitGroup

	// Fetch's goroutine.
	window  ticketing.Window
	next    uint32
	names   bool                   // the mails have names without order
	picked  ticketing.Ref          // the last
	read    int                    // bodies read to their end
	wanted  map[ticketing.Ref]bool // those of the mails in trouble that the keeper still wants
	left    []ticketing.Ref        // wanted, but not picked or not kept
	refused []refusal              // ErrUnreadable
	broken  *refusal               // what was being read when the connection was lost

	cancel context.CancelCauseFunc
	mu     sync.Mutex
	stop   bool
	inHand int

	// The last goroutine, until it has ended.
	failed error // of the keeper
	count  int   // mails kept
	faulty []refusal
	kept   map[ticketing.Ref]bool // for those that made trouble before
}

// job is a mail in hand.
type job struct {
	arrival ticketing.Arrival
	bytes   []byte        // the mail, until it is spooled
	done    chan struct{} // closed once spooled and parsed
	fault   error         // of the mail
	err     error         // of the keeper
}

// pass fetches what pick picks, or the first of it. The pass returned is never nil.
func (w *Watcher) pass(stop, work context.Context, src Source, single bool, pick func(ticketing.Ref) bool) (*pass, error) {
	ctx, cancel := context.WithCancelCause(work)
	defer cancel(nil)
	p := &pass{
		w: w, work: work, single: single, pick: pick,
		jobs: make(chan *job, ahead), cancel: cancel,
		wanted: map[ticketing.Ref]bool{}, kept: map[ticketing.Ref]bool{},
	}
	for ref := range w.trials {
		p.kept[ref] = false
	}
	defer context.AfterFunc(stop, p.stopping)()

	var last sync.WaitGroup
	last.Go(p.keepInOrder)
	err := src.Fetch(ctx, p, p.take)
	close(p.jobs)
	last.Wait()
	p.wg.Wait()

	for ref, kept := range p.kept {
		if kept {
			delete(w.trials, ref)
		}
	}
	for _, r := range p.refused {
		p.left = append(p.left, r.ref)
	}
	for _, r := range p.faulty {
		p.left = append(p.left, r.ref)
		delete(w.trials, r.ref) // it could be read
		if p.failed == nil {
			p.failed = w.fault(work, r)
		}
	}
	if p.count > 0 {
		w.failures = 0
	}
	switch {
	case p.failed != nil:
		return p, p.failed
	case err == nil || errors.Is(err, errEnough):
		return p, nil
	case errors.Is(context.Cause(ctx), errStopping) || errors.Is(err, errStopping):
		return p, errStopping
	}
	if b := p.broken; b != nil && work.Err() == nil {
		if !single {
			w.careful = careful // any of those that were asked for together may be the reason
			return p, err
		}
		w.trial(b.ref).breaks++
	}
	return p, err
}

// Look implements Ledger. It narrows the keeper's window to what is not known to be done.
func (p *pass) Look(ctx context.Context, box ticketing.Box) (ticketing.Window, error) {
	w := p.w
	window, err := w.keeper.Look(ctx, w.cfg.Name, w.cfg.Since, box)
	if err != nil {
		return window, fmt.Errorf("note what the mailbox holds: %w", err)
	}
	s := &w.seen
	validity := cmp.Or(box.Validity, window.Validity)
	if s.validity != validity {
		clear(w.trials) // their names mean other mails now
	}
	if s.validity != validity || s.window.First != window.First || !s.window.Since.Equal(window.Since) ||
		time.Since(s.at) > recheck {
		*s = seen{validity: validity, window: window, at: time.Now(), known: map[ticketing.Ref]bool{}}
	}
	p.names = box.Names != nil
	p.window, p.next = window, box.Next
	if s.below > 0 && s.below >= window.First {
		return ticketing.Window{First: s.below}, nil
	}
	return window, nil
}

// Unknown implements Ledger.
func (p *pass) Unknown(ctx context.Context, refs []ticketing.Ref) ([]ticketing.Ref, error) {
	if p.single && p.picked != (ticketing.Ref{}) {
		return nil, errEnough
	}
	known := p.w.seen.known
	refs = slices.DeleteFunc(slices.Clone(refs), func(r ticketing.Ref) bool { return known[r] })
	if len(refs) == 0 {
		return nil, nil
	}
	unknown, err := p.w.keeper.Unknown(ctx, p.w.cfg.Name, refs)
	if err != nil {
		return nil, fmt.Errorf("ask for unknown mail: %w", err)
	}
	if p.names {
		for _, ref := range refs {
			known[ref] = true
		}
		for _, ref := range unknown {
			delete(known, ref)
		}
	}
	var picked []ticketing.Ref
	for _, ref := range unknown {
		if p.w.trials[ref] != nil {
			p.wanted[ref] = true
		}
		if !p.pick(ref) || p.single && len(picked) > 0 {
			p.left = append(p.left, ref)
			continue
		}
		p.picked = ref
		picked = append(picked, ref)
	}
	return picked, nil
}

// stopping ends the Fetch, at once if no mail is in hand.
func (p *pass) stopping() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop = true
	if p.inHand == 0 {
		p.cancel(errStopping)
	}
}

func (p *pass) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stop {
		p.inHand++
	}
	return !p.stop
}

func (p *pass) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inHand--
	if p.stop && p.inHand == 0 {
		p.cancel(errStopping)
	}
}

// take reads a mail and hands it on. It is Fetch's keep: by the time that Fetch has returned and
// the last job is done, the mail is kept, or the pass has failed.
func (p *pass) take(ctx context.Context, raw Raw) error {
	if !p.enter() {
		return errStopping
	}
	handedOn := false
	defer func() {
		if !handedOn {
			p.leave()
		}
	}()
	j := &job{done: make(chan struct{}), arrival: ticketing.Arrival{
		Mailbox: p.w.cfg.Name, Ref: raw.Ref, Sent: p.w.cfg.Sent, Seen: raw.Received,
	}}
	body := &recorder{r: raw.Body}
	var small bytes.Buffer
	if raw.Size > 0 {
		small.Grow(int(min(raw.Size, inMemory)) + bytes.MinRead + 1)
	}
	_, _ = small.ReadFrom(io.LimitReader(body, inMemory+1)) // body has recorded it
	if body.err == nil && small.Len() > inMemory {
		var err error
		m := &j.arrival.Mail
		m.Raw, m.Size, err = p.w.keeper.Spool(ctx, io.MultiReader(&small, body))
		if body.err == nil && err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	if body.err != nil {
		return p.unread(refusal{ref: raw.Ref, part: small.Bytes(), err: body.err})
	}
	if j.arrival.Mail.Raw == 0 {
		j.bytes = small.Bytes()
	}
	p.read++
	select {
	case p.jobs <- j:
		handedOn = true
		p.wg.Go(func() { p.prepare(j) })
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// unread notes a mail whose body could not be read.
func (p *pass) unread(r refusal) error {
	if errors.Is(r.err, ErrUnreadable) {
		p.refused = append(p.refused, r)
		return nil
	}
	var timeout net.Error
	if !errors.As(r.err, &timeout) || !timeout.Timeout() { // silence is never a mail's fault
		p.broken = &r
	}
	return r.err
}

// prepare spools and parses a mail.
func (p *pass) prepare(j *job) {
	defer close(j.done)
	defer func() { j.bytes = nil }()
	w, m := p.w, &j.arrival.Mail
	blob, size := m.Raw, m.Size
	var bytesOf io.Reader
	if blob == 0 {
		if blob, size, j.err = w.keeper.Spool(p.work, bytes.NewReader(j.bytes)); j.err != nil {
			j.err = fmt.Errorf("spool: %w", j.err)
			return
		}
		bytesOf = bytes.NewReader(j.bytes)
	} else {
		r, err := w.keeper.OpenBlob(p.work, blob)
		if err != nil {
			j.err = fmt.Errorf("read back: %w", err)
			return
		}
		defer r.Close()
		bytesOf = r
	}
	recorded := &recorder{r: bytesOf}
	*m, j.fault = w.parsed(recorded)
	m.Raw, m.Size = blob, size
	m.Mailbox, m.Direction = w.cfg.Name, ticketing.In
	if w.cfg.Sent {
		m.Direction = ticketing.Out
	}
	if recorded.err != nil { // what the parser makes of half a mail says nothing about the mail
		j.err = fmt.Errorf("read back: %w", recorded.err)
	}
}

// parsed turns a panic of the parser into a fault of the mail.
func (w *Watcher) parsed(r io.Reader) (m ticketing.Mail, fault error) {
	defer func() {
		if v := recover(); v != nil {
			w.log.Error("the parser failed", "panic", v, "stack", string(debug.Stack()))
			fault = fmt.Errorf("the parser failed: %v", v)
		}
	}()
	return w.parse(r, w.cfg.Parse), nil
}

// keepInOrder keeps what is prepared, until something fails; then it only waits for the rest.
func (p *pass) keepInOrder() {
	for j := range p.jobs {
		<-j.done
		if p.failed == nil {
			if err := p.keep(j); err != nil {
				p.failed = err
				p.cancel(err)
			}
		}
		p.leave()
	}
}

func (p *pass) keep(j *job) error {
	w := p.w
	if j.err != nil {
		return j.err
	}
	if j.fault == nil {
		err := w.keeper.Receive(p.work, j.arrival)
		if err == nil {
			if _, tried := p.kept[j.arrival.Ref]; tried {
				p.kept[j.arrival.Ref] = true
			}
			p.count++
			w.works(1, false)
			return nil
		}
		if !errors.Is(err, ticketing.ErrBadMail) {
			return fmt.Errorf("keep a mail: %w", err)
		}
		j.fault = err
	}
	p.faulty = append(p.faulty, refusal{ref: j.arrival.Ref, blob: j.arrival.Mail.Raw, err: j.fault})
	return nil
}

// recorder remembers why reading failed: whoever reads through it may not say.
type recorder struct {
	r   io.Reader
	err error
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	if err != nil && err != io.EOF && r.err == nil {
		r.err = err
	}
	return n, err
}
