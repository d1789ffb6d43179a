package bot

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"groupmail/ticketing"
)

// drawers sees to it that each post is drawn by one goroutine of this process at a time. That no
// other process draws it is the lease's doing.
//
// What changes a message is drawn by whichever worker is free. What is new in a channel stands in that
// board's line: it is posted one after the other, in the order in which it was decided, and the
// workers do not wait for it. What fails leaves the line, and comes back when it is tried again.
type drawers struct {
	mu     sync.Mutex
	slots  map[ticketing.PostID]*slot
	queue  []*slot
	unread map[ticketing.PostID]bool // swept up, and perhaps new in a channel
	lines  map[string]*line          // by board
	ready  chan struct{}             // something was queued
	lined  chan struct{}             // a line can perhaps go on
	poked  chan struct{}             // look into the store for more
	failed map[ticketing.PostID]int
	paced  map[ticketing.PostID]time.Time // when those that change with everything were drawn
}

// slot is a post that is queued, being drawn, or held by a click whose answer may draw it.
type slot struct {
	id    ticketing.PostID
	fresh bool       // announced by the transaction that decided it, as against swept up later
	since time.Time  // queued, or its lease last renewed in its line
	lined string     // the board in whose line it is, or was
	again bool       // announced once more meanwhile
	echo  chan int64 // versions that the platform reports as shown
}

// line is what is to be posted in one channel.
type line struct {
	waits []*slot
	busy  bool      // one of it is being posted
	until time.Time // when the platform takes something again
}

func newDrawers() *drawers {
	return &drawers{
		unread: map[ticketing.PostID]bool{}, lines: map[string]*line{}, lined: make(chan struct{}, 1),
		slots: map[ticketing.PostID]*slot{}, failed: map[ticketing.PostID]int{}, paced: map[ticketing.PostID]time.Time{},
		ready: make(chan struct{}, 1), poked: make(chan struct{}, 1),
	}
}

// add queues posts that this process has just leased.
func (d *drawers) add(owed []ticketing.Owed, fresh bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range owed {
		if s := d.slots[o.ID]; s != nil {
			s.again = true
			continue
		}
		s := &slot{id: o.ID, fresh: fresh, since: time.Now(), echo: make(chan int64, 4)}
		d.slots[o.ID] = s
		if o.Board != "" {
			d.enline(o.Board, s)
			continue
		}
		if !fresh { // of what was just decided it was said
			d.unread[o.ID] = true
		}
		d.queue = append(d.queue, s)
	}
	poke(d.ready)
}

// enline puts a slot into its board's line. d.mu is held.
func (d *drawers) enline(board string, s *slot) {
	s.lined = board
	if d.lines[board] == nil {
		d.lines[board] = &line{}
	}
	d.lines[board].waits = append(d.lines[board].waits, s)
	poke(d.lined)
}

// read notes that it is known what a slot is: new in a board's channel, or, without a board, not.
func (d *drawers) read(s *slot, board string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if board != "" {
		d.enline(board, s)
	}
	if d.unread[s.id] {
		delete(d.unread, s.id)
		poke(d.lined)
	}
}

// turns gives, for each board where nothing is being posted, what is next there: the eldest, if none
// is elder of which it is not known yet where it belongs.
func (d *drawers) turns() map[string]*slot {
	d.mu.Lock()
	defer d.mu.Unlock()
	elder := func(a, b *slot) int { return cmp.Compare(a.id, b.id) }
	all := map[string]*slot{}
	for board, l := range d.lines {
		if l.busy || len(l.waits) == 0 || time.Now().Before(l.until) {
			continue
		}
		s := slices.MinFunc(l.waits, elder)
		waits := false
		for id := range d.unread {
			waits = waits || id < s.id
		}
		if !waits {
			l.waits = slices.DeleteFunc(l.waits, func(x *slot) bool { return x == s })
			l.busy = true
			all[board] = s
		}
	}
	return all
}

// posted lets the next of a board's line have its turn.
func (d *drawers) posted(board string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines[board].busy = false
	poke(d.lined)
}

// pause puts a slot back into its line, which goes on when the platform takes something again.
func (d *drawers) pause(s *slot, limit time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lines[s.lined]
	l.waits, l.until = append(l.waits, s), time.Now().Add(limit)
	time.AfterFunc(limit, func() { poke(d.lined) }) // to the second: what a platform allows is to be used
}

// waiting are the posts in all lines.
func (d *drawers) waiting() (ids []ticketing.PostID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.lines {
		for _, s := range l.waits {
			ids = append(ids, s.id)
		}
	}
	return ids
}

// kept notes that of those that wait, these are still leased since at, and the others were not.
func (d *drawers) kept(asked, kept []ticketing.PostID, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	still := map[ticketing.PostID]bool{}
	for _, id := range asked {
		still[id] = false
	}
	for _, id := range kept {
		still[id] = true
	}
	for _, l := range d.lines {
		for _, s := range l.waits {
			if ours, known := still[s.id]; ours {
				s.since = at
			} else if known {
				s.fresh = false
			}
		}
	}
}

func (d *drawers) next() *slot {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 {
		return nil
	}
	s := d.queue[0]
	d.queue = d.queue[1:]
	if len(d.queue) > 0 {
		poke(d.ready)
	}
	return s
}

// hold keeps a post from being drawn until the click that holds it is answered; nil if it is
// being drawn, or about to be.
func (d *drawers) hold(id ticketing.PostID) *slot {
	d.mu.Lock()
	defer d.mu.Unlock()
	if id == 0 || d.slots[id] != nil {
		return nil
	}
	s := &slot{id: id, fresh: true, echo: make(chan int64, 4)}
	d.slots[id] = s
	return s
}

// announced tells whether the post is ours to draw since it was held or last drawn.
func (d *drawers) announced(s *slot) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	was := s.again
	s.again = false
	return was
}

// done gives a slot up, unless it was announced once more.
func (d *drawers) done(s *slot) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.again {
		s.again = false
		return false
	}
	delete(d.slots, s.id)
	return true
}

// requeue puts a held slot to the others.
func (d *drawers) requeue(s *slot) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue = append(d.queue, s)
	poke(d.ready)
}

func (d *drawers) echoed(id ticketing.PostID, version int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.slots[id]
	if s == nil {
		return false
	}
	select {
	case s.echo <- version:
	default:
	}
	return true
}

// slowly is the pause between two drawings of what changes with everything that is done.
const slowly = 3 * time.Second

func paced(k ticketing.PostKind) bool {
	return k == ticketing.DeskPost || k == ticketing.DigestPost || k == ticketing.HeldPost
}

// tooSoon tells whether such a post was drawn a moment ago. It is asked before anything is read: in a
// flood each mail announces the digest, which counts all of them.
func (d *drawers) tooSoon(id ticketing.PostID, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return now.Sub(d.paced[id]) < slowly
}

func (d *drawers) drawn(p ticketing.Post, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.failed, p.ID)
	if paced(p.Kind) {
		d.paced[p.ID] = now
	}
}

func (d *drawers) failedBefore(id ticketing.PostID) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed[id]
}

// failedAgain counts a failure of a post's; drawn forgets them.
func (d *drawers) failedAgain(id ticketing.PostID) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed[id]++
	return d.failed[id]
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// sweepPosts takes up what is owed though nobody has told this process: the crash recovery, the
// lines whose card is posted by now, the drawings that failed.
func (b *Bot) sweepPosts(ctx context.Context) {
	const atOnce = 100
	ids, err := b.Desk.LeasePosts(ctx, atOnce)
	if err != nil {
		if ctx.Err() == nil {
			b.Log.Error("cannot look for what is to be drawn", "err", err)
		}
		return
	}
	owed := make([]ticketing.Owed, len(ids))
	for i, id := range ids {
		owed[i].ID = id
	}
	b.draw.add(owed, false)
	if len(ids) == atOnce {
		poke(b.draw.poked)
	}
}

// drawAll is one worker.
func (b *Bot) drawAll(ctx context.Context) {
	for {
		s := b.draw.next()
		if s == nil {
			select {
			case <-ctx.Done():
				return
			case <-b.draw.ready:
			}
			continue
		}
		b.drawSlot(ctx, s, func() {})
		if ctx.Err() != nil {
			return
		}
	}
}

// keepLines renews the leases of what waits in the lines, for as long as the platform takes nothing: a lease
// that ran out would mean that another process may have posted it, and each would have to be looked for.
func (b *Bot) keepLines(ctx context.Context) {
	ids := b.draw.waiting()
	if len(ids) == 0 {
		return
	}
	now := time.Now()
	kept, err := b.Desk.KeepPosts(ctx, ids)
	if err != nil {
		if ctx.Err() == nil {
			b.Log.Error("cannot keep what waits to be posted", "err", err)
		}
		return
	}
	b.draw.kept(ids, kept, now)
}

// drawLines lets the lines go on: in each a post at a time.
func (b *Bot) drawLines(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.draw.lined:
		}
		for board, s := range b.draw.turns() {
			all.Go(func() {
				posted := sync.OnceFunc(func() { b.draw.posted(board) })
				defer posted()
				b.drawSlot(ctx, s, posted)
			})
		}
	}
}

// drawTime is how long the platform may take for one drawing: less than the lease.
const drawTime = ticketing.DrawLease - 5*time.Second

// drawSlot draws a post until it shows what is wanted, or puts it into its board's line. posted is
// called once it is posted.
func (b *Bot) drawSlot(ctx context.Context, s *slot, posted func()) {
	// What is begun is finished, also when the process is asked to end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drawTime)
	defer cancel()
	for {
		again, err := b.drawOnce(ctx, s, posted)
		if errors.Is(err, errInLine) {
			return
		}
		var limited Limited
		if errors.As(err, &limited) && s.lined != "" { // the others of the line are limited as well
			b.draw.read(s, "")
			b.draw.pause(s, limited.After)
			return
		}
		s.fresh = false
		if errors.Is(err, errTaken) {
			b.draw.read(s, "")
			b.draw.announced(s)
			b.draw.done(s)
			return
		}
		if err != nil {
			b.draw.read(s, "")
			b.undrawn(ctx, s.id, err)
			b.draw.announced(s)
			b.draw.done(s)
			return
		}
		if !again && b.draw.done(s) {
			return
		}
		if ctx.Err() != nil {
			b.draw.requeue(s)
			return
		}
	}
}

// errWaits: what must be posted before is not yet.
var errWaits = errors.New("its card, or an earlier line of its thread, is not posted yet")

// errInLine: it is posted when its turn has come.
var errInLine = errors.New("in its board's line")

// errTaken: another process has it by now.
var errTaken = errors.New("another process draws it")

// drawOnce draws the newest state of a post once.
func (b *Bot) drawOnce(ctx context.Context, s *slot, posted func()) (again bool, err error) {
	if b.draw.tooSoon(s.id, b.Clock()) {
		return false, Limited{After: slowly}
	}
	dr, err := b.Desk.Drawing(ctx, s.id)
	if err != nil {
		return false, err
	}
	p := dr.Post
	if p.Root == 0 && p.To == "" && p.Message == "" && !p.Gone && p.Shown < p.Want && s.lined == "" {
		b.draw.read(s, p.Board)
		return false, errInLine
	}
	b.draw.read(s, "")
	if p.Gone || p.Shown >= p.Want {
		return b.noteDrawn(ctx, dr, p.Message, p.Want)
	}
	platform, ok := b.platforms[dr.Board.Platform]
	if !ok {
		return false, ErrNoChannel
	}
	if p.Root != 0 && dr.Root == "" || dr.Elder {
		return false, errWaits
	}
	channel := dr.Board.Channel
	if p.To != "" {
		if channel, err = platform.DirectChannel(ctx, onPlatform(p.To)); err != nil {
			return false, err
		}
	}
	m, err := b.render(ctx, dr)
	if err != nil {
		return false, err
	}
	if time.Since(s.since) >= ticketing.DrawLease-drawTime {
		// Whoever has waited for long may have lost the lease, and another process posts it.
		held, err := b.Desk.HoldPost(ctx, s.id)
		if err != nil {
			return false, err
		}
		if !held {
			return false, errTaken
		}
		s.fresh, s.since = false, time.Now()
	}
	if p.Message == "" && (!s.fresh || p.Want != 1) {
		// An earlier attempt may have reached the platform though we never heard of it.
		if p.Message, err = platform.Find(ctx, channel, dr.Root, p.Key, p.Made.Add(-time.Minute)); err != nil {
			return false, err
		}
	}
	if p.Message != "" {
		if err := platform.Redraw(ctx, channel, p.Message, m); err != nil {
			return false, err
		}
		return b.noteDrawn(ctx, dr, p.Message, m.Version)
	}
	if len(m.Files) > 0 && b.draw.failedBefore(s.id) >= filesTries {
		m = withoutFiles(m, "The files could not be posted. They stay in the mailbox.")
	}
	message, err := platform.Post(ctx, channel, m)
	if errors.Is(err, ErrTooMuch) && len(m.Files) > 0 {
		message, err = platform.Post(ctx, channel, withoutFiles(m, "The files are too large for this channel. They stay in the mailbox."))
	}
	posted()
	if err != nil {
		return false, err
	}
	if p.Kind == ticketing.DeskPost {
		if err := platform.Pin(ctx, channel, message); err != nil {
			b.Log.Warn("cannot pin the desk card; it works all the same", "board", p.Board, "err", err)
		}
	}
	return b.noteDrawn(ctx, dr, message, m.Version)
}

// filesTries is how often a message is tried with its files: better without them than not at all.
const filesTries = 3

func withoutFiles(m Message, why string) Message {
	m.Lines = append(m.Lines, Line{{Text: "⚠ " + why}})
	m.Files = nil
	return m
}

// noteDrawn keeps what is shown. Lines that have waited for this card or line are looked for at once.
func (b *Bot) noteDrawn(ctx context.Context, dr ticketing.Drawing, message string, version int64) (bool, error) {
	again, err := b.Desk.Drawn(ctx, dr.Post.ID, message, version)
	if errors.Is(err, ticketing.ErrNone) {
		return false, nil // another process draws it now, and finds the message by its key
	}
	if err != nil {
		return false, err
	}
	b.draw.drawn(dr.Post, b.Clock())
	if dr.Post.Message == "" && dr.Post.Conversation != 0 {
		poke(b.draw.poked)
	}
	if dr.Post.Message == "" && dr.Post.Kind == ticketing.ReplyPost && dr.Reply.State != ticketing.Sent {
		// The card can now lead to it. If that fails it says the same without a link.
		if err := b.Desk.Redraw(ctx, ticketing.Post{ID: dr.Post.Root, Group: dr.Post.Group}); err != nil {
			b.Log.Warn("cannot give a card the link to an answer that waits", "post", dr.Post.Root, "err", err)
		}
	}
	return again, nil
}

// undrawn gives a post up for a while, longer each time.
func (b *Bot) undrawn(ctx context.Context, id ticketing.PostID, why error) {
	var limited Limited
	var pause time.Duration
	lost := ticketing.NotLost
	switch {
	case errors.Is(why, errWaits): // this and the next say nothing of the post: what failed before stays counted
		pause = -1
	case errors.As(why, &limited):
		pause = limited.After
		time.AfterFunc(pause, func() { poke(b.draw.poked) }) // to the second: what a platform allows is to be used
	case errors.Is(why, ErrGone):
		if lost = b.afterLoss(ctx, id); lost == ticketing.NotLost {
			pause = time.Second << min(b.draw.failedAgain(id), 8)
		}
	default:
		pause = time.Second << min(b.draw.failedAgain(id), 8)
		if errors.Is(why, ErrNoChannel) || errors.Is(why, ErrNoAccess) {
			b.people.doubt()
		}
		b.Log.Warn("cannot draw; will try again", "post", id, "in", pause, "err", why)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	retry := b.Clock().Add(pause)
	if pause < 0 {
		retry = time.Time{} // at once, when what it waits for is posted
	}
	err := b.Desk.Undrawn(ctx, id, retry, lost)
	if err != nil && !errors.Is(err, ticketing.ErrNone) {
		b.Log.Error("cannot put a drawing off; its lease will run out", "post", id, "err", err)
	}
	if lost == ticketing.PostAnew {
		poke(b.draw.poked)
	}
}

// afterLoss decides about a post whose message was deleted: cards, and replies that still need
// somebody, are posted anew.
func (b *Bot) afterLoss(ctx context.Context, id ticketing.PostID) ticketing.Lost {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	dr, err := b.Desk.Drawing(ctx, id)
	if err != nil {
		return ticketing.NotLost // found out the next time
	}
	if dr.Post.To != "" {
		return ticketing.GiveUp // they have read it, or have left
	}
	switch dr.Post.Kind {
	case ticketing.CardPost, ticketing.DeskPost, ticketing.DigestPost, ticketing.HeldPost:
		return ticketing.PostAnew
	case ticketing.ReplyPost:
		if s := dr.Reply.State; s == ticketing.Asking || s == ticketing.Pending || s == ticketing.Failed {
			return ticketing.PostAnew
		}
	}
	return ticketing.GiveUp
}

// echoWait is how long the platform may take to show what a callback was answered with.
const echoWait = 2 * time.Second

// answerWith gives the click that holds a card the card to answer with, and draws it by itself if
// the platform does not report soon that it shows it.
func (b *Bot) answerWith(ctx context.Context, p Platform, s *slot) *Message {
	if !b.draw.announced(s) {
		if !b.draw.done(s) {
			b.draw.requeue(s)
		}
		return nil
	}
	dr, err := b.Desk.Drawing(ctx, s.id)
	if err != nil || !p.Echoes() {
		b.draw.requeue(s)
		return nil
	}
	m, err := b.render(ctx, dr)
	if err != nil {
		b.draw.requeue(s)
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	b.running.Go(func() {
		wait := time.NewTimer(echoWait)
		defer wait.Stop()
		for {
			select {
			case v := <-s.echo:
				if v < m.Version {
					continue
				}
				again, err := b.noteDrawn(ctx, dr, dr.Post.Message, v)
				if err == nil && !again && b.draw.done(s) {
					return
				}
			case <-wait.C:
			}
			b.draw.requeue(s)
			return
		}
	})
	return &m
}

// echoed hears that everybody sees a version of a post. One that is older than what we believe is
// shown was overtaken on its way: the post is drawn once more.
func (b *Bot) echoed(ctx context.Context, board, message, key string, version int64) {
	p, err := b.Desk.FindPost(ctx, key, "", "")
	if err != nil {
		return
	}
	if b.draw.echoed(p.ID, version) || version >= p.Shown || p.Message != message || p.To == "" && p.Board != board {
		return
	}
	if err := b.Desk.Redraw(ctx, p); err != nil {
		b.Log.Error("cannot redraw a card that shows something old", "post", key, "err", err)
	}
}
