package ticketing

import (
	"context"
	"slices"
	"strings"
	"time"
)

// A flood is more new conversations than people can read: beyond so many cards within floodTime
// (Group.Flood) the rest is collected in one digest, in which everything can be reached, and gets
// its cards when somebody asks or, if it is not too many, by and by.
const (
	floodTime = 5 * time.Minute
	// floodEnds is how long after its last mail a flood is over: what comes then has a digest of its own.
	floodEnds = time.Hour
	// drips is up to how many times Group.Flood what is collected gets its cards unasked.
	drips = 5
)

// inFlood decides whether a new conversation gets no card of its own.
func (u *use) inFlood(c *Conversation) error {
	room, err := u.room(CardPost)
	if err != nil || room > 0 {
		return err
	}
	newest, err := u.Conversations(Query{Group: c.Group, Collected: true, Order: LatestFirst, Limit: 1})
	if err != nil {
		return err
	}
	c.Flood = c.ID
	if len(newest) == 1 && u.now.Sub(newest[0].Opened) < floodEnds {
		c.Flood = newest[0].Flood
	}
	return nil
}

// room is how many more posts of a kind the group's boards take now: cards, or lines that point to them.
func (u *use) room(kind PostKind) (int, error) {
	most := u.group.Flood
	if most <= 0 || len(u.group.Boards) == 0 {
		return 1 << 30, nil
	}
	posted, err := u.CountPosts(u.group.Boards[0].Name, kind, u.now.Add(-floodTime), most)
	return most - posted, err
}

// ShowCollected gives the oldest of a flood that have none yet a card. It returns how many.
func (d *Desk) ShowCollected(ctx context.Context, by By, flood ConversationID, atMost int) (shown int, err error) {
	err = d.change(ctx, by, func(u *use) error {
		shown, err = u.showCollected(Query{Group: u.group.Name, Flood: flood, Limit: atMost})
		if err == nil && shown == 0 {
			return refuse(Already, "All of them are shown.")
		}
		return err
	})
	return shown, err
}

func (u *use) showCollected(q Query) (shown int, err error) {
	q.Collected, q.States, q.Order = true, []State{New}, ByOpening
	some, err := u.Conversations(q)
	if err != nil {
		return 0, err
	}
	var floods []ConversationID
	for _, one := range some {
		c, err := u.Conversation(one.ID) // locked
		if err != nil {
			return 0, err
		}
		if c.Flood == 0 || c.State != New {
			continue // somebody was quicker
		}
		if !slices.Contains(floods, c.Flood) {
			floods = append(floods, c.Flood)
		}
		c.Flood = 0
		if err := u.SetConversation(c); err != nil {
			return 0, err
		}
		if err := u.post(Post{Kind: CardPost, Conversation: c.ID}, c.ID); err != nil {
			return 0, err
		}
		shown++
	}
	for _, f := range floods {
		if err := u.raise(PostsWhere{Conversation: f, Kind: DigestPost}); err != nil {
			return 0, err
		}
	}
	return shown, nil
}

// SpamCollected marks as spam what one address sent in a flood and what has no card yet. A hundred
// are one use case: what is done when it fails half-way stays done. It returns how many.
func (d *Desk) SpamCollected(ctx context.Context, by By, flood ConversationID, from string) (marked int, err error) {
	return d.moveCollected(ctx, by, flood, from, MoveSpam, New, nil)
}

// UndoSpamCollected takes that back, if it was done at or after since: what was marked singly, or with
// others before, stays spam.
func (d *Desk) UndoSpamCollected(ctx context.Context, by By, flood ConversationID, from string, since time.Time) (undone int, err error) {
	return d.moveCollected(ctx, by, flood, from, MoveUndo, Spam, func(u *use, id ConversationID) (bool, error) {
		events, err := u.Events(id)
		for _, e := range slices.Backward(events) {
			if e.Move == MoveSpam {
				return strings.EqualFold(e.Detail, withAllOf(from)) && !e.At.Before(since), err
			}
		}
		return false, err
	})
}

// withAllOf is what the log says of a conversation that was moved with the others of a flood.
func withAllOf(from string) string { return "with all of " + from }

// moveCollected moves what one address sent in a flood and what is in a state; if that is given, only
// what belongs to it.
func (d *Desk) moveCollected(ctx context.Context, by By, flood ConversationID, from string, m Move, state State, belongs func(*use, ConversationID) (bool, error)) (moved int, err error) {
	const atOnce = 100
	by.Event = ""                 // of many use cases; each is harmless when repeated
	if flood == 0 || from == "" { // a query without them would find everybody's
		return 0, refuse(BadInput, "Nobody's mails of a flood are named.")
	}
	q := Query{Group: by.Group, Flood: flood, With: from, States: []State{state}, Order: ByOpening, Limit: atOnce}
	for {
		n, last := 0, q.Place
		err := d.change(ctx, by, func(u *use) error {
			n, last = 0, q.Place
			some, err := u.Conversations(q)
			if err != nil {
				return err
			}
			for _, one := range some {
				last = one.PlaceIn(q.Order)
				c, err := u.Conversation(one.ID) // locked
				if err != nil {
					return err
				}
				if c.State != state || c.Flood != flood {
					continue // somebody was quicker
				}
				if belongs != nil {
					if yes, err := belongs(u, c.ID); err != nil || !yes {
						if err != nil {
							return err
						}
						continue
					}
				}
				if err := u.move(&c, step{move: m}, withAllOf(from)); err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err != nil {
			return moved, err
		}
		if moved += n; last == q.Place {
			return moved, nil
		}
		q.Place = last
	}
}

// SweepFloods gives cards, by and by, to what small floods have left without. It returns how many.
func (d *Desk) SweepFloods(ctx context.Context) (shown int, err error) {
	for _, g := range d.groups {
		n, err := d.sweepFlood(ctx, g)
		if shown += n; err != nil {
			return shown, err
		}
	}
	return shown, nil
}

func (d *Desk) sweepFlood(ctx context.Context, g Group) (shown int, err error) {
	most := g.Flood * drips
	if most <= 0 {
		most = 1 << 30 // the setting was taken away meanwhile
	}
	var waits int
	err = d.store.Read(ctx, func(tx Tx) error {
		waits, err = tx.CountConversations(Query{Group: g.Name, Collected: true, States: []State{New}, Limit: most + 1})
		return err
	})
	if err != nil || waits == 0 || waits > most {
		return 0, err
	}
	err = d.change(ctx, By{Group: g.Name}, func(u *use) error {
		room, err := u.room(CardPost)
		if err != nil || room <= 0 {
			return err
		}
		shown, err = u.showCollected(Query{Group: g.Name, Limit: min(room, 10)})
		return err
	})
	return shown, err
}

// Digest is what is left of a flood without cards.
type Digest struct {
	Waits   int
	Writers []Writer // who sent most of it
}

func digest(tx Tx, group string, flood ConversationID) (d Digest, err error) {
	const named = 5
	q := Query{Group: group, Flood: flood, States: []State{New}}
	if d.Waits, err = tx.CountConversations(q); err != nil || d.Waits == 0 {
		return d, err
	}
	q.Limit = named
	d.Writers, err = tx.Writers(q)
	return d, err
}

// FloodWriters tells who sent what of a flood has no card yet, most first.
func (d *Desk) FloodWriters(ctx context.Context, group string, flood ConversationID, limit int) (all []Writer, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		all, err = tx.Writers(Query{Group: group, Flood: flood, States: []State{New}, Limit: limit})
		return err
	})
	return all, err
}
