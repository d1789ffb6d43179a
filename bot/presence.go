package bot

import (
	"context"
	"errors"
	"sync"
	"time"

	"groupmail/ticketing"
)

// presence remembers who is in the boards' channels, and keeps the desk told.
type presence struct {
	bot    *Bot
	mu     sync.Mutex
	boards map[string]*present
}

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

func (s *presence) refresh(ctx context.Context) {
	for _, g := range s.bot.Desk.Groups() {
		for _, b := range g.Boards {
			p := s.board(b.Name)
			p.mu.Lock()
			err := s.ask(ctx, b, p)
			p.mu.Unlock()
			switch {
			case ctx.Err() != nil:
				return
			case errors.Is(err, ErrNoChannel):
				s.bot.Log.Error("the bot cannot see a board's channel: invite it there, or correct the configuration", "board", b.Name)
			case err != nil:
				s.bot.Log.Warn("cannot ask who is in a channel; will ask again", "board", b.Name, "err", err)
			}
		}
	}
}
