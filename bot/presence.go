package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"groupmail/ticketing"
)

// presence remembers who is in the boards' channels, and keeps the desk told.
type presence struct {
	bot    *Bot
	mu     sync.Mutex
	boards map[string]*present

	doubted chan struct{} // a channel could not be used
	last    time.Time     // when that was looked into last
}

// doubt looks at the channels sooner, since one could not be used.
func (s *presence) doubt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.bot.Clock(); now.Sub(s.last) > doubtPause {
		s.last = now
		poke(s.doubted)
	}
}

// doubtPause is the least time between two looks because of a doubt.
const doubtPause = 30 * time.Second

type present struct {
	mu      sync.Mutex // held while the platform is asked: one question at a time
	at      time.Time
	members map[string]bool // by the platform's id; guests are not among them
	channel Channel
}

// presenceLife is how long an answer of the platform counts when somebody acts.
const presenceLife = 2 * presenceEvery

func (s *presence) board(name string) *present {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.boards[name] == nil {
		s.boards[name] = &present{}
	}
	return s.boards[name]
}

// here tells whether a person is a member of a board's channel, and no guest.
func (s *presence) here(ctx context.Context, b ticketing.Board, who Person) (bool, error) {
	if who.Guest {
		return false, nil
	}
	p := s.board(b.Name)
	p.mu.Lock()
	defer p.mu.Unlock()
	age := s.bot.Clock().Sub(p.at)
	if p.members[who.ID] && age < presenceLife {
		return true, nil
	}
	// Whoever has just joined is not known yet; but a stranger may not make us ask all the time.
	if p.members == nil || age > time.Second {
		if err := s.ask(ctx, b, p); err != nil {
			return false, err
		}
	}
	return p.members[who.ID], nil
}

// channel describes a board's channel, as last heard.
func (s *presence) channelOf(ctx context.Context, b ticketing.Board) (Channel, error) {
	p := s.board(b.Name)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.members == nil {
		if err := s.ask(ctx, b, p); err != nil {
			return Channel{}, err
		}
	}
	return p.channel, nil
}

func (s *presence) ask(ctx context.Context, b ticketing.Board, p *present) error {
	platform, ok := s.bot.platforms[b.Platform]
	if !ok {
		return ErrNoChannel
	}
	people, err := platform.Members(ctx, b.Channel)
	if err != nil {
		return err
	}
	channel, err := platform.Channel(ctx, b.Channel)
	if err != nil {
		return err
	}
	members, ids := []ticketing.Member{}, map[string]bool{}
	for _, one := range people {
		if one.Guest {
			channel.Guests = true
			continue
		}
		ids[one.ID] = true
		members = append(members, member(b.Platform, one))
	}
	if err := s.bot.Desk.SetPresent(ctx, b.Name, members); err != nil {
		return err
	}
	p.members, p.channel, p.at = ids, channel, s.bot.Clock()
	return nil
}

// refresh asks who is in each board's channel. What cannot be asked for long is trouble.
func (s *presence) refresh(ctx context.Context) {
	for _, g := range s.bot.Desk.Groups() {
		for _, b := range g.Boards {
			p := s.board(b.Name)
			p.mu.Lock()
			err := s.ask(ctx, b, p)
			title := p.channel.Title
			p.mu.Unlock()
			if ctx.Err() != nil {
				return
			}
			if err != nil && !errors.Is(err, ErrNoChannel) && !errors.Is(err, ErrNoAccess) {
				s.bot.Log.Warn("cannot ask who is in a channel; will ask again", "board", b.Name, "err", err)
				continue
			}
			if err != nil {
				s.bot.Log.Error("the bot cannot use a board's channel", "board", b.Name, "err", err)
			}
			s.bot.noteTrouble(ctx, boardTrouble(g, b, title, err), err == nil)
		}
	}
}

// boardTrouble is that a board's channel cannot be used.
func boardTrouble(g ticketing.Group, b ticketing.Board, title string, err error) ticketing.Trouble {
	if title == "" {
		title = b.Channel
	}
	t := ticketing.Trouble{
		Name: "board:" + b.Name, Group: g.Name, What: fmt.Sprintf("Cannot use the channel %s (%s)", title, b.Platform),
		Cure: "Invite the bot there, and take the channel out of the archive if it is there.",
	}
	if errors.Is(err, ErrNoAccess) {
		t.Cure = "Give the bot a token that is valid, with all its rights: groupmail check says which it lacks. Put a new one where the configuration reads it from."
	}
	if err != nil {
		t.Says = ticketing.OneLine(err.Error(), 300)
	}
	return t
}

// ailing is a platform that can say why it is not connected and, where only somebody's hands help, what
// they have to do.
type ailing interface {
	Ails() (cure string, why error)
}

// watchPlatforms notes which platforms do not hear what people do.
func (b *Bot) watchPlatforms(ctx context.Context) {
	for _, p := range b.Platforms {
		for _, g := range b.Desk.Groups() {
			if !slices.ContainsFunc(g.Boards, func(one ticketing.Board) bool { return one.Platform == p.Name() }) {
				continue
			}
			t := ticketing.Trouble{
				Name: "chat:" + p.Name() + ":" + g.Name, Group: g.Name, What: "Not connected to " + p.Name() + ": presses, commands and answers in threads are not heard",
				Cure: "Look whether its server runs and takes the bot's token; groupmail check says more.",
			}
			if a, ok := p.(ailing); ok {
				cure, why := a.Ails()
				if why != nil {
					t.Says = ticketing.OneLine(why.Error(), 300)
				}
				if cure != "" {
					t.Cure = cure
				}
			}
			b.noteTrouble(ctx, t, p.Connected())
		}
	}
}

// noteTrouble keeps the desk told of a trouble, or of its end.
func (b *Bot) noteTrouble(ctx context.Context, t ticketing.Trouble, over bool) {
	var err error
	if over {
		err = b.Desk.Recovered(ctx, t.Name, "")
	} else {
		err = b.Desk.Troubled(ctx, t)
	}
	if err != nil && ctx.Err() == nil {
		b.Log.Error("cannot note trouble for the desk card; will try again", "trouble", t.Name, "err", err)
	}
}
