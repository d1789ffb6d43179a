package browser

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"groupmail/bot"
)

// callTime is the most that one call of the hub may take.
const callTime = 30 * time.Second

// Run implements [bot.Platform]. One Run at a time.
func (p *Platform) Run(ctx context.Context, hub bot.Hub) error {
	p.mu.RLock()
	until := p.seq // what was said up to here is heard late
	p.mu.RUnlock()

	p.hubMu.Lock()
	if p.hub != nil || p.quiet != nil {
		p.hubMu.Unlock()
		return fmt.Errorf("browser: runs already")
	}
	p.hub = hub
	p.hubMu.Unlock()

	var all sync.WaitGroup
	all.Go(func() { p.runNotices(ctx, hub) })
	for id := range p.boards {
		all.Go(func() { p.hear(ctx, hub, id, until) })
	}
	<-ctx.Done()

	p.hubMu.Lock()
	p.hub = nil
	quiet := make(chan struct{})
	p.quiet = quiet
	if p.calls == 0 {
		close(quiet)
	}
	p.hubMu.Unlock()
	<-quiet
	all.Wait()
	p.hubMu.Lock()
	p.quiet = nil
	p.hubMu.Unlock()
	return nil
}

// call lends the hub for one call; done ends it. ok is false while Run does not run. The context
// outlives a client that has gone.
func (p *Platform) call(ctx context.Context) (c context.Context, hub bot.Hub, done func(), ok bool) {
	p.hubMu.Lock()
	defer p.hubMu.Unlock()
	if p.hub == nil {
		return nil, nil, nil, false
	}
	p.calls++
	c, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	return c, p.hub, func() {
		cancel()
		p.hubMu.Lock()
		defer p.hubMu.Unlock()
		if p.calls--; p.calls == 0 && p.quiet != nil {
			close(p.quiet)
		}
	}, true
}

// notice has the hub told something by Run, outside every lock. While Run does not run nobody needs
// to know: the bot asks anew after a start.
func (p *Platform) notice(tell func(context.Context, bot.Hub)) {
	p.hubMu.Lock()
	if p.hub != nil {
		p.notices = append(p.notices, tell)
	}
	p.hubMu.Unlock()
	poke(p.ring)
}

// drawn reports that a message of the bot's is shown.
func (p *Platform) drawn(m *message) {
	if _, ok := p.boards[m.Room]; !ok {
		return
	}
	room, id, key, version := m.Room, m.ID, m.Key, m.Card.Version
	p.notice(func(ctx context.Context, hub bot.Hub) { hub.Drawn(ctx, room, id, key, version) })
}

func (p *Platform) runNotices(ctx context.Context, hub bot.Hub) {
	for {
		p.hubMu.Lock()
		todo := p.notices
		p.notices = nil
		p.hubMu.Unlock()
		for _, tell := range todo {
			_ = lasting(ctx, func(ctx context.Context) error { tell(ctx, hub); return nil })
		}
		if len(todo) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-p.ring:
		}
	}
}

// hear tells hub, in order, what people said in a channel's threads, from the cursor on. What hub
// does not keep is said again, with growing pauses.
func (p *Platform) hear(ctx context.Context, hub bot.Hub, channel string, until int64) {
	const shortest, longest = 200 * time.Millisecond, 30 * time.Second
	pause := shortest
	wait := func(what string, err error) bool {
		p.log.Warn("browser: "+what, "channel", channel, "error", err, "again_in", pause)
		t := time.NewTimer(pause)
		defer t.Stop()
		pause = min(2*pause, longest)
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
			return true
		}
	}
	var at int64
	for {
		cursor, err := hub.Cursor(ctx, channel)
		if err == nil {
			at = p.fromCursor(cursor)
			break
		}
		if !wait("read the cursor", err) {
			return
		}
	}
	p.mu.RLock()
	heed := p.rooms[channel].heed
	p.mu.RUnlock()
	for ctx.Err() == nil {
		s, said, ok := p.nextSaid(channel, at)
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-heed:
			}
			continue
		}
		if said != nil {
			said.Late = s.seq <= until
			if err := lasting(ctx, func(ctx context.Context) error { return hub.Said(ctx, *said) }); err != nil {
				if !wait("the bot did not keep what was said", err) {
					return
				}
				continue
			}
		}
		for {
			err := lasting(ctx, func(ctx context.Context) error {
				return hub.SetCursor(ctx, channel, p.instance+":"+strconv.FormatInt(s.seq, 10))
			})
			if err == nil {
				break
			}
			if !wait("keep the cursor", err) {
				return
			}
		}
		at, pause = s.seq, shortest
	}
}

// lasting does what shall not break off half-way when Run is told to end.
func lasting(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	defer cancel()
	return do(ctx)
}

// fromCursor reads a cursor. One that belongs to another journal means nothing here.
func (p *Platform) fromCursor(cursor string) int64 {
	instance, n, _ := strings.Cut(cursor, ":")
	at, err := strconv.ParseInt(n, 10, 64)
	if err != nil || instance != p.instance {
		return 0
	}
	return at
}

// nextSaid finds the first thing said after at. The Said is nil where there is nothing to tell: what
// was said and edited before its deletion.
func (p *Platform) nextSaid(channel string, at int64) (spoken, *bot.Said, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	said := p.rooms[channel].said
	lo, hi := 0, len(said)
	for lo < hi {
		if mid := (lo + hi) / 2; said[mid].seq <= at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(said) {
		return spoken{}, nil, false
	}
	s := said[lo]
	m := p.messages[s.message]
	who, known := p.people[m.Who]
	if !known || (m.Deleted != 0 && s.revision >= 0) {
		return s, nil, true
	}
	out := &bot.Said{Who: who, Channel: channel, Root: m.Root, Message: m.ID, At: m.At, Kind: bot.Written,
		Event: p.instance + ":" + m.ID + ":" + strconv.FormatInt(s.seq, 10)}
	if s.revision < 0 {
		out.Kind, out.ToBot = bot.Deleted, m.ToBot
		return s, out, true
	}
	if s.revision > 0 {
		out.Kind = bot.Edited
	}
	out.Text, out.ToBot = p.mention(m.Revisions[s.revision].Text)
	for _, f := range m.Files {
		out.Files = append(out.Files, bot.File(f))
	}
	return s, out, true
}

// mention tells whether the text begins with the bot's mention, and what stands after it.
func (p *Platform) mention(text string) (rest string, toBot bool) {
	text = strings.TrimSpace(text)
	name := "@" + p.handle
	if len(text) < len(name) || !strings.EqualFold(text[:len(name)], name) {
		return text, false
	}
	rest = text[len(name):]
	next, _ := utf8.DecodeRuneInString(rest)
	if unicode.IsLetter(next) || unicode.IsDigit(next) || next == '_' || next == '-' {
		return text, false // somebody whose handle only begins like the bot's
	}
	if next == ',' || next == ':' {
		rest = rest[1:]
	}
	return strings.TrimSpace(rest), true
}
