package bottest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"groupmail/bot"
)

// Hub is a bot.Hub that records what it is told and answers as a test says. The zero value answers
// nothing.
type Hub struct {
	// What to answer; nil: nothing. Set them before Run, or by With.
	OnClick    func(bot.Click) bot.Answer
	OnSubmit   func(bot.Submission) bot.Answer
	OnCommand  func(bot.Command) bot.Answer
	OnComplete func(bot.Command) []bot.Completion
	// OnSaid returns an error where the bot would not have kept what was said.
	OnSaid   func(bot.Said) error
	Declared []bot.CommandInfo
	Channels []string // of the boards
	OnPage   func(bot.Person) bot.Page

	mu          sync.Mutex
	clicks      []bot.Click
	submissions []bot.Submission
	commands    []bot.Command
	said        []bot.Said
	drawn       []Drawn
	lost        []Lost
	cursors     map[string]string
	under       int // calls under way
}

// Drawn is one call of Hub.Drawn.
type Drawn struct {
	Channel, Message, Key string
	Version               int64
}

// Lost is one call of Hub.Lost.
type Lost struct{ Channel, Message string }

var _ bot.Hub = (*Hub)(nil)

// With changes what the hub answers while it is in use.
func (h *Hub) With(change func(*Hub)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

func (h *Hub) enter() func() {
	h.mu.Lock()
	h.under++
	h.mu.Unlock()
	return func() {
		h.mu.Lock()
		h.under--
		h.mu.Unlock()
	}
}

// UnderWay is the number of calls that have not returned.
func (h *Hub) UnderWay() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.under
}

// Click implements [bot.Hub].
func (h *Hub) Click(_ context.Context, c bot.Click) bot.Answer {
	defer h.enter()()
	h.mu.Lock()
	h.clicks = append(h.clicks, c)
	on := h.OnClick
	h.mu.Unlock()
	if on == nil {
		return bot.Answer{}
	}
	return on(c)
}

// Submit implements [bot.Hub].
func (h *Hub) Submit(_ context.Context, s bot.Submission) bot.Answer {
	defer h.enter()()
	h.mu.Lock()
	h.submissions = append(h.submissions, s)
	on := h.OnSubmit
	h.mu.Unlock()
	if on == nil {
		return bot.Answer{}
	}
	return on(s)
}

// Command implements [bot.Hub].
func (h *Hub) Command(_ context.Context, c bot.Command) bot.Answer {
	defer h.enter()()
	h.mu.Lock()
	h.commands = append(h.commands, c)
	on := h.OnCommand
	h.mu.Unlock()
	if on == nil {
		return bot.Answer{}
	}
	return on(c)
}

// Said implements [bot.Hub]. What OnSaid refuses is recorded too.
func (h *Hub) Said(ctx context.Context, s bot.Said) error {
	defer h.enter()()
	if err := ctx.Err(); err != nil {
		return err
	}
	h.mu.Lock()
	h.said = append(h.said, s)
	on := h.OnSaid
	h.mu.Unlock()
	if on == nil {
		return nil
	}
	return on(s)
}

// Drawn implements [bot.Hub].
func (h *Hub) Drawn(_ context.Context, channel, message, key string, version int64) {
	defer h.enter()()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drawn = append(h.drawn, Drawn{channel, message, key, version})
}

// Lost implements [bot.Hub].
func (h *Hub) Lost(_ context.Context, channel, message string) {
	defer h.enter()()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost = append(h.lost, Lost{channel, message})
}

// Cursor implements [bot.Hub].
func (h *Hub) Cursor(_ context.Context, channel string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cursors[channel], nil
}

// SetCursor implements [bot.Hub].
func (h *Hub) SetCursor(ctx context.Context, channel, cursor string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cursors == nil {
		h.cursors = map[string]string{}
	}
	h.cursors[channel] = cursor
	return nil
}

// Complete implements [bot.Hub].
func (h *Hub) Complete(_ context.Context, c bot.Command) []bot.Completion {
	h.mu.Lock()
	on := h.OnComplete
	h.mu.Unlock()
	if on == nil {
		return nil
	}
	return on(c)
}

// Commands implements [bot.Hub].
func (h *Hub) Commands() []bot.CommandInfo { return h.Declared }

// Boards implements [bot.Hub].
func (h *Hub) Boards() []string { return h.Channels }

// Page implements [bot.Hub].
func (h *Hub) Page(_ context.Context, who bot.Person) bot.Page {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.OnPage == nil {
		return bot.Page{}
	}
	return h.OnPage(who)
}

// Clicks are the presses heard, in order; so are the methods after it of what else was heard.
func (h *Hub) Clicks() []bot.Click { h.mu.Lock(); defer h.mu.Unlock(); return slices.Clone(h.clicks) }

// Submissions see Clicks.
func (h *Hub) Submissions() []bot.Submission {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.submissions)
}

// TypedCommands see Clicks.
func (h *Hub) TypedCommands() []bot.Command {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.commands)
}

// AllSaid see Clicks.
func (h *Hub) AllSaid() []bot.Said { h.mu.Lock(); defer h.mu.Unlock(); return slices.Clone(h.said) }

// AllDrawn see Clicks.
func (h *Hub) AllDrawn() []Drawn { h.mu.Lock(); defer h.mu.Unlock(); return slices.Clone(h.drawn) }

// AllLost see Clicks.
func (h *Hub) AllLost() []Lost { h.mu.Lock(); defer h.mu.Unlock(); return slices.Clone(h.lost) }

// ErrNotKept is for OnSaid.
var ErrNotKept = errors.New("not kept")

// Patience is how long the suite waits for what must happen; Quiet, how long it watches that
// something does not happen.
var (
	Patience = 15 * time.Second
	Quiet    = 400 * time.Millisecond
)

// Eventually waits until get finds something.
func Eventually[T any](t *testing.T, what string, get func() (T, bool)) T {
	t.Helper()
	end := time.Now().Add(Patience)
	for {
		v, ok := get()
		if ok {
			return v
		}
		if time.Now().After(end) {
			t.Fatalf("waited %s in vain for %s; last seen: %+v", Patience, what, v)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// first finds the first that fits.
func first[T any](all []T, fits func(T) bool) (T, bool) {
	if i := slices.IndexFunc(all, fits); i >= 0 {
		return all[i], true
	}
	var none T
	return none, false
}
