// Package bot owns what people see and do in chat, on any platform: the card and its buttons, the
// thread, forms, the command tree, and the drawing of all that was posted.
//
// It knows no platform by name, no database and no mail protocol: platforms implement Platform and
// call Hub; everything that is decided is decided by ticketing.Desk.
//
// Start reading at Message and Platform (platform.go), then card.go, then click.go; draw.go is how
// what was decided comes to be shown.
package bot

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"groupmail/ticketing"
)

// Config is what a bot is made of.
type Config struct {
	Desk      *ticketing.Desk
	Platforms []Platform
	Secret    []byte // signs the state of forms; the same in all processes
	// OpenFile streams an attachment of a mail.
	OpenFile func(ctx context.Context, m ticketing.Mail, a ticketing.Attachment) (io.ReadCloser, error)
	// Mail writes to people of a group where chat fails; nil: nobody is written to.
	Mail  func(ctx context.Context, g ticketing.Group, to []ticketing.Address, subject, text string) error
	Web   Web // nil: there is no address at which it could be read
	Clock ticketing.Clock
	Log   *slog.Logger
}

// Bot is one process's bot on all its platforms.
type Bot struct {
	Config
	platforms map[string]Platform
	draw      *drawers
	people    *presence
	untold    untold        // alert's
	stirred   chan struct{} // something was done: the desk cards may be out of date
	running   sync.WaitGroup
}

// New makes a bot. It becomes the one whom the desk tells of posts to draw.
func New(cfg Config) *Bot {
	if cfg.Clock == nil {
		cfg.Clock = ticketing.SystemClock
	}
	b := &Bot{Config: cfg, platforms: map[string]Platform{}, untold: untold{}, stirred: make(chan struct{}, 1)}
	for _, p := range cfg.Platforms {
		b.platforms[p.Name()] = p
	}
	b.draw = newDrawers()
	b.people = &presence{bot: b, boards: map[string]*present{}, doubted: make(chan struct{}, 1)}
	cfg.Desk.OnPosts(func(owed []ticketing.Owed) {
		b.draw.add(owed, true)
		poke(b.stirred)
	})
	return b
}

const (
	sweepEvery     = 2 * time.Second  // for posts that are owed a drawing though nobody told us
	keepLinesEvery = 2 * time.Second  // for the leases of what waits to be posted
	overdueEvery   = 10 * time.Second // for what has waited too long
	todosEvery     = 5 * time.Second  // for to-dos that fall due
	keepEvery      = time.Hour        // for what is not kept any longer
	presenceEvery  = 5 * time.Minute  // for who is in the channels
	connectedEvery = time.Minute      // for platforms that do not hear
	openEvery      = time.Hour        // for boards that were added; done once a board, tried again if it failed
	drawAtOnce     = 8                // drawings under way in this process
)

// Run serves all platforms and draws until ctx ends, and returns when everything under way is finished.
func (b *Bot) Run(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { every(ctx, openEvery, nil, b.openBoards) })
	for _, p := range b.Platforms {
		all.Go(func() {
			if err := p.Run(ctx, &hub{b, p}); err != nil && ctx.Err() == nil {
				b.Log.Error("a chat platform has stopped", "platform", p.Name(), "err", err)
			}
		})
	}
	for range drawAtOnce {
		all.Go(func() { b.drawAll(ctx) })
	}
	all.Go(func() { b.drawLines(ctx) })
	all.Go(func() { every(ctx, keepLinesEvery, nil, b.keepLines) })
	all.Go(func() { every(ctx, sweepEvery, b.draw.poked, b.sweepPosts) })
	all.Go(func() { every(ctx, overdueEvery, nil, b.sweepOverdue) })
	all.Go(func() { every(ctx, todosEvery, nil, b.sweepTodos) })
	all.Go(func() { every(ctx, keepEvery, nil, b.sweepKept) })
	all.Go(func() { every(ctx, presenceEvery, b.people.doubted, b.people.refresh) })
	all.Go(func() { every(ctx, connectedEvery, nil, b.watchPlatforms) })
	all.Go(func() { every(ctx, alertEvery, nil, b.alert) })
	all.Go(func() { b.keepDesks(ctx) })
	<-ctx.Done()
	all.Wait()
	b.running.Wait()
	return nil
}

// every calls f at once, then each time that the interval has passed or early fires.
func every(ctx context.Context, interval time.Duration, early <-chan struct{}, f func(context.Context)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		f(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-early:
		}
	}
}

func (b *Bot) openBoards(ctx context.Context) {
	if err := b.Desk.OpenBoards(ctx); err != nil && ctx.Err() == nil {
		b.Log.Error("cannot put the open conversations on a new board", "err", err)
	}
}

func (b *Bot) sweepOverdue(ctx context.Context) {
	if _, err := b.Desk.SweepOverdue(ctx); err != nil && ctx.Err() == nil {
		b.Log.Error("cannot look for what has waited too long", "err", err)
	}
	if err := b.Desk.SweepReminders(ctx); err != nil && ctx.Err() == nil {
		b.Log.Error("cannot remind people of what they have", "err", err)
	}
	if _, err := b.Desk.SweepFloods(ctx); err != nil && ctx.Err() == nil {
		b.Log.Error("cannot show what came in a flood", "err", err)
	}
}

func (b *Bot) sweepKept(ctx context.Context) {
	n, err := b.Desk.SweepKept(ctx)
	if n > 0 {
		b.Log.Info("content was erased whose time was over", "conversations", n)
	}
	if err != nil && ctx.Err() == nil {
		b.Log.Error("cannot erase what is not kept any longer; trying again in an hour", "err", err)
	}
}

// hub is the bot as one platform sees it.
type hub struct {
	*Bot
	p Platform
}

func boardName(p Platform, channel string) string { return p.Name() + "/" + channel }

// caller is who does something, where.
type caller struct {
	by    ticketing.By
	group ticketing.Group
	board ticketing.Board
	zone  *time.Location // in which they read times
}

// notABoard refuses what is done in a channel that belongs to no group.
var notABoard = ticketing.Refusal{Kind: ticketing.NotFound, Text: "This channel is none of GroupMail's. Add it to a group in the configuration to bring a mailbox here."}

// caller finds out in whose name something is done: a member of the channel's group, or a refusal.
func (h *hub) caller(ctx context.Context, channel string, who Person, event string) (caller, error) {
	group, board, ok := h.Desk.GroupOfBoard(boardName(h.p, channel))
	if !ok {
		return caller{}, notABoard
	}
	here, err := h.people.here(ctx, board, who)
	if err != nil {
		return caller{}, err
	}
	if !here {
		return caller{}, ticketing.Refusal{Kind: ticketing.NotMember, Text: "Only members of this channel can do that, and guests cannot."}
	}
	c := caller{group: group, board: board, zone: group.Zone}
	c.by = ticketing.By{Member: member(h.p.Name(), who), Group: group.Name}
	if event != "" {
		c.by.Event = h.p.Name() + ":" + event
	}
	if m, err := h.Desk.Member(ctx, c.by.Member.ID); err == nil {
		c.zone = m.ZoneIn(group)
	}
	return c, nil
}

func member(platform string, p Person) ticketing.Member {
	return ticketing.Member{ID: ticketing.MemberID(platform + ":" + p.ID), Name: p.Name, Handle: p.Handle, Email: p.Email}
}

// onPlatform is the platform's own id of a member.
func onPlatform(id ticketing.MemberID) string {
	_, own, _ := strings.Cut(string(id), ":")
	return own
}

// say turns the error of a use case into words for the person: a refusal as it is, anything else
// logged whole and told with what they can do.
func (b *Bot) say(err error, doing string, c caller) string {
	var no ticketing.Refusal
	switch {
	case errors.As(err, &no):
		return no.Text
	case errors.Is(err, ticketing.ErrRepeated):
		return "That was already done."
	}
	ref := reference()
	b.Log.Error("a use case failed", "doing", doing, "member", c.by.Member.ID, "group", c.group.Name, "ref", ref, "err", err)
	return "That did not work, and nothing was changed. Please try again in a moment. (Reference for the log: " + ref + ")"
}

func whisper(text string) Answer {
	return Answer{Whisper: &Message{Notice: text, Lines: []Line{{{Text: text}}}}}
}

// Drawn implements Hub.
func (h *hub) Drawn(ctx context.Context, channel, message, key string, version int64) {
	h.echoed(ctx, boardName(h.p, channel), message, key, version)
}

// Lost implements Hub: a card is posted anew, a line in a thread stays deleted.
func (h *hub) Lost(ctx context.Context, channel, message string) {
	p, err := h.Desk.FindPost(ctx, "", boardName(h.p, channel), message)
	if errors.Is(err, ticketing.ErrNone) {
		return
	}
	if err == nil {
		err = h.Desk.Redraw(ctx, p) // the drawing then finds the message gone
	}
	if err != nil {
		h.Log.Error("cannot redraw a deleted message", "post", p.Key, "err", err)
	}
}

// Cursor implements Hub.
func (h *hub) Cursor(ctx context.Context, channel string) (string, error) {
	return h.Desk.Cursor(ctx, "said:"+boardName(h.p, channel))
}

// SetCursor implements Hub.
func (h *hub) SetCursor(ctx context.Context, channel, cursor string) error {
	return h.Desk.SetCursor(ctx, "said:"+boardName(h.p, channel), cursor)
}
