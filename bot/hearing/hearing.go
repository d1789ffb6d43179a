// Package hearing follows what people write in the channels of one chat platform: in order, each
// thing once, and also what was written while nobody listened. A durable cursor a channel says how
// far it was heard; it moves when the hub has kept what it was told.
//
// It knows no platform: one hands it what it hears live ([Hearing.Heard]), and reads for it what was
// missed ([Platform]).
package hearing

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"groupmail/bot"
)

const (
	// overlap is how much of what was heard is read again after a hole: messages are not always
	// delivered in the order of their times.
	overlap = 2 * time.Minute
	// recentFor is how long a message is watched for changes that happen in a hole, recentMost how
	// many are.
	recentFor  = time.Hour
	recentMost = 50
	// saveEvery is how often a cursor is kept that moved over what nobody needs.
	saveEvery = time.Minute
	// queueMost is how many utterances may wait in a channel; after that they are read again from the
	// platform.
	queueMost = 2000
)

// Utterance is something that happened to a message. Times are microseconds since 1970, by the
// platform's clock.
type Utterance struct {
	Kind    bot.SaidKind
	ID      string // of the message
	Written int64
	Changed int64 // when it was last edited or, for Deleted, when it went; 0: never
	// Event is the same for the same thing, however it is heard.
	Event string
	// Said words it for the hub; ok is false if the hub need not hear of it. An error means: again later.
	Said func(ctx context.Context) (said bot.Said, ok bool, err error)
}

func (u Utterance) at() int64 {
	if u.Kind == bot.Written {
		return u.Written
	}
	return u.Changed
}

// Recent is a message that was told and may still be changed.
type Recent struct {
	ID      string `json:"id"`
	Written int64  `json:"at"`
	Changed int64  `json:"edit,omitempty"`
	Gone    bool   `json:"gone,omitempty"`
	Root    string `json:"root,omitempty"`
	By      string `json:"by,omitempty"` // the author's id
}

// knows tells whether u is no news about r.
func (r Recent) knows(u Utterance) bool {
	switch u.Kind {
	case bot.Edited:
		return r.Gone || r.Changed == u.Changed
	case bot.Deleted:
		return r.Gone
	default:
		return true
	}
}

// Platform reads what was missed. ErrNoChannel of [bot] ends the matter until the next hole.
type Platform interface {
	// Newest is when the newest message of a channel was written; 0 if there is none.
	Newest(ctx context.Context, channel string) (int64, error)
	// Missed returns everything that may have happened since from: what was written then or later, what
	// was changed, and what became of recent, in any order and also what was told before. newest is
	// when the newest message, whoever wrote it, was written.
	Missed(ctx context.Context, channel string, from int64, recent []Recent) (all []Utterance, newest int64, err error)
}

// Hearing is one run of one platform. Make it with [New]; [Hearing.Wait] when its context has ended.
type Hearing struct {
	platform Platform
	hub      bot.Hub
	log      *slog.Logger
	running  sync.WaitGroup

	mu   sync.Mutex
	ears map[string]*ear // by channel
}

// New makes a hearing that listens to no channel yet.
func New(p Platform, hub bot.Hub, log *slog.Logger) *Hearing {
	return &Hearing{platform: p, hub: hub, log: log, ears: map[string]*ear{}}
}

// Listen listens to a channel from now on, or from where its cursor stands, until ctx ends.
func (h *Hearing) Listen(ctx context.Context, channel string) { h.ear(ctx, channel, true) }

// Heard takes what was heard live. In a channel that nobody listens to it is left out, unless it is
// new: then listening begins. It does not wait.
func (h *Hearing) Heard(ctx context.Context, channel string, u Utterance) {
	if e := h.ear(ctx, channel, u.Kind == bot.Written); e != nil {
		e.put(u)
	}
}

// FellBehind says that something may have been missed, in every channel.
func (h *Hearing) FellBehind() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.ears {
		e.fallBehind()
	}
}

// Wait returns when everything that was begun has ended; the context must have.
func (h *Hearing) Wait() { h.running.Wait() }

func (h *Hearing) ear(ctx context.Context, channel string, add bool) *ear {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.ears[channel]
	if e == nil && add {
		e = &ear{h: h, channel: channel, behind: 1, noticed: time.Now(), wake: make(chan struct{}, 1)}
		h.ears[channel] = e
		wake(e.wake)
		h.running.Go(func() { e.run(ctx) })
	}
	return e
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// cursor is how far a channel has been heard.
type cursor struct {
	At     int64    `json:"at"` // writing of the youngest message heard
	Recent []Recent `json:"recent,omitempty"`
}

// heard moves the cursor over u, of which the hub was told or not.
func (c *cursor) heard(u Utterance, told bool, said bot.Said) {
	if u.Kind == bot.Written {
		c.At = max(c.At, u.Written)
	}
	if !told {
		return
	}
	c.Recent = slices.DeleteFunc(c.Recent, func(r Recent) bool {
		return r.ID == u.ID || c.At-r.Written > recentFor.Microseconds()
	})
	if c.At-u.Written <= recentFor.Microseconds() {
		c.Recent = append(c.Recent, Recent{u.ID, u.Written, u.Changed, u.Kind == bot.Deleted, said.Root, said.Who.ID})
	}
	if n := len(c.Recent) - recentMost; n > 0 {
		c.Recent = slices.Delete(c.Recent, 0, n)
	}
}

// merge adds what another process has heard.
func (c *cursor) merge(o cursor) {
	c.At = max(c.At, o.At)
	for _, r := range o.Recent {
		i := slices.IndexFunc(c.Recent, func(x Recent) bool { return x.ID == r.ID })
		switch {
		case i < 0 && c.At-r.Written <= recentFor.Microseconds():
			c.Recent = append(c.Recent, r)
		case i >= 0 && (r.Gone || r.Changed > c.Recent[i].Changed):
			c.Recent[i] = r
		}
	}
	if n := len(c.Recent) - recentMost; n > 0 {
		slices.SortStableFunc(c.Recent, func(a, b Recent) int { return cmp.Compare(a.Written, b.Written) })
		c.Recent = slices.Delete(c.Recent, 0, n)
	}
}

// ear hears one channel, in order. A channel that the hub does not take is tried again, without
// the others waiting for it.
type ear struct {
	h       *Hearing
	channel string
	wake    chan struct{}

	mu      sync.Mutex
	queue   []Utterance
	behind  int       // counts reasons to read from the platform before the queue; 0 if none
	noticed time.Time // when the last of them was: what was written later is as good as heard live

	// Of run alone.
	cursor cursor
	saved  time.Time
	dirty  bool
}

func (e *ear) put(u Utterance) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.queue) >= queueMost {
		e.queue = nil
		e.behind++
		e.noticed = time.Now()
	}
	e.queue = append(e.queue, u)
	wake(e.wake)
}

func (e *ear) fallBehind() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.behind++
	e.noticed = time.Now()
	wake(e.wake)
}

func (e *ear) run(ctx context.Context) {
	var wait Backoff
	var outage Outage
	for {
		select {
		case <-ctx.Done():
			if e.dirty {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
				defer cancel()
				if err := e.save(ctx); err != nil {
					e.h.log.Warn("keep cursor", "channel", e.channel, "error", err)
				}
			}
			return
		case <-e.wake:
		}
		err := e.work(ctx)
		switch {
		case err == nil:
			wait.Reset()
			if since, was := outage.Over(time.Now()); was {
				e.h.log.Info("channel is heard again", "channel", e.channel, "after", since.Round(time.Second))
			}
		case ctx.Err() != nil:
		case errors.Is(err, bot.ErrNoChannel):
			e.h.log.Warn("channel cannot be heard", "channel", e.channel, "error", err)
		default:
			if log, since := outage.Lasts(time.Now()); log {
				e.h.log.Error("hear channel", "channel", e.channel, "for", since.Round(time.Second), "error", err)
			}
			Pause(ctx, max(wait.Next(), RetryAfter(err)))
			wake(e.wake)
		}
	}
}

// work hears what there is. After an error it is read from the platform again, from the cursor on.
func (e *ear) work(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			e.mu.Lock()
			e.behind++
			e.mu.Unlock()
		}
	}()
	for {
		e.mu.Lock()
		behind := e.behind
		e.mu.Unlock()
		if behind > 0 {
			if err := e.catchUp(ctx); err != nil {
				return err
			}
		}
		e.mu.Lock()
		if e.behind != behind { // another hole meanwhile
			e.mu.Unlock()
			continue
		}
		e.behind = 0
		queue := e.queue
		e.queue = nil
		e.mu.Unlock()
		if len(queue) == 0 {
			return nil
		}
		for _, u := range queue {
			if err := e.tell(ctx, u, false); err != nil {
				return err
			}
		}
	}
}

// tell tells the hub, and moves the cursor if the hub kept it.
func (e *ear) tell(ctx context.Context, u Utterance, late bool) error {
	said, ok, err := u.Said(ctx)
	if err != nil {
		return err
	}
	if ok {
		said.Late = late
		if err := e.h.hub.Said(ctx, said); err != nil {
			return err
		}
	}
	e.cursor.heard(u, ok, said)
	e.dirty = true
	if ok || time.Since(e.saved) > saveEvery {
		return e.save(ctx)
	}
	return nil
}

// save keeps the cursor. Another process may hear the same channel and keep it, too: what it has told stays
// in it, or nobody would look after that in a hole.
func (e *ear) save(ctx context.Context) error {
	kept, err := e.h.hub.Cursor(ctx, e.channel)
	var theirs cursor
	if err == nil && kept != "" {
		err = json.Unmarshal([]byte(kept), &theirs)
	}
	if err == nil {
		e.cursor.merge(theirs)
		var word []byte
		if word, err = json.Marshal(e.cursor); err == nil && string(word) != kept {
			err = e.h.hub.SetCursor(ctx, e.channel, string(word))
		}
	}
	if err != nil {
		return fmt.Errorf("keep cursor: %w", err)
	}
	e.saved, e.dirty = time.Now(), false
	return nil
}

// catchUp reads from the platform what was missed: what was written, and what happened to messages
// told shortly before.
func (e *ear) catchUp(ctx context.Context) error {
	word, err := e.h.hub.Cursor(ctx, e.channel)
	if err != nil {
		return fmt.Errorf("cursor: %w", err)
	}
	if word == "" {
		return e.first(ctx)
	}
	var c cursor
	if err := json.Unmarshal([]byte(word), &c); err != nil {
		return fmt.Errorf("cursor %q: %w", word, err)
	}
	e.cursor = c
	e.mu.Lock()
	e.queue = nil // whatever is in it the platform tells as well
	noticed := e.noticed.UnixMicro()
	e.mu.Unlock()

	all, newest, err := e.h.platform.Missed(ctx, e.channel, c.At-overlap.Microseconds(), c.Recent)
	if err != nil {
		return err
	}
	told := map[string]Recent{}
	for _, r := range c.Recent {
		told[r.ID] = r
	}
	slices.SortFunc(all, func(a, b Utterance) int {
		return cmp.Or(cmp.Compare(a.at(), b.at()), cmp.Compare(a.ID, b.ID), -cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Event, b.Event))
	})
	all = slices.CompactFunc(all, func(a, b Utterance) bool { return a.Event == b.Event })
	for _, u := range all {
		if r, ok := told[u.ID]; ok && r.knows(u) {
			continue
		}
		if err := e.tell(ctx, u, u.at() < noticed); err != nil {
			return err
		}
	}
	e.cursor.At = max(e.cursor.At, newest)
	if e.cursor.At != c.At || e.dirty {
		return e.save(ctx)
	}
	return nil
}

// first begins a channel: nothing that was said before is told.
func (e *ear) first(ctx context.Context) error {
	newest, err := e.h.platform.Newest(ctx, e.channel)
	if err != nil {
		return err
	}
	e.cursor = cursor{At: newest}
	return e.save(ctx)
}

// RetryAfter is how long the platform's limit forbids another try.
func RetryAfter(err error) time.Duration {
	var l bot.Limited
	errors.As(err, &l)
	return l.After
}

// Backoff waits longer from time to time, and never as long as others do.
type Backoff struct{ n int }

// Reset begins anew.
func (b *Backoff) Reset() { b.n = 0 }

// Next is the next pause: from a tenth of a second to a quarter of a minute.
func (b *Backoff) Next() time.Duration {
	const first, longest = 100 * time.Millisecond, 15 * time.Second
	d := min(first<<min(b.n, 16), longest)
	b.n++
	return d/2 + rand.N(d/2+1)
}

// Outage says when a trouble that lasts is worth a line in the log: at once, a minute later, after two more,
// four and so on up to an hour, and when it is over. The zero value is no trouble.
type Outage struct {
	since, next time.Time
	pause       time.Duration
}

// Lasts notes that the trouble is there, since when, and whether it is time to say so.
func (o *Outage) Lasts(now time.Time) (log bool, since time.Duration) {
	const first, longest = time.Minute, time.Hour
	if o.since.IsZero() {
		*o = Outage{since: now, next: now, pause: first / 2}
	}
	if log = !now.Before(o.next); log {
		o.pause = min(2*o.pause, longest)
		o.next = now.Add(o.pause)
	}
	return log, now.Sub(o.since)
}

// Over notes that the trouble is over, if there was one.
func (o *Outage) Over(now time.Time) (lasted time.Duration, was bool) {
	if was = !o.since.IsZero(); was {
		lasted = now.Sub(o.since)
	}
	*o = Outage{}
	return lasted, was
}

// Pause returns false if ctx ended.
func Pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
