package ticketing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// openingLate is until how long after opening it is said what came meanwhile: later everybody has seen it.
	openingLate = 4 * time.Hour
	// asksADay is how many answered conversations one member is asked about within a day: who has hundreds,
	// as when this is set for the first time, is asked by and by.
	asksADay = 5
	// askedAtOnce is how many conversations are read at once.
	askedAtOnce = 100
)

// SweepReminders says what came while a group was not there, releases what still lies idle after its owner was
// reminded, asks about answered conversations that stay open, and offers what is with somebody who has left. However
// many processes do so, each is said once: a post's key, or the conversation itself, keeps that it was.
func (d *Desk) SweepReminders(ctx context.Context) error {
	var errs []error
	for _, g := range d.groups {
		for what, sweep := range map[string]func(context.Context, Group) error{
			"opening": d.sweepOpening, "idle": d.sweepLapsed, "answered": d.sweepAnswered, "leavers": d.sweepLeavers,
		} {
			if err := sweep(ctx, g); err != nil {
				errs = append(errs, fmt.Errorf("%s, %s: %w", g.Name, what, err))
			}
		}
	}
	return errors.Join(errs...)
}

// Opening is what came while a group was not there, and is still new.
type Opening struct {
	Since time.Time // when it had closed
	Count int
	First []Listed // those that wait longest
}

// came selects what came from one time until another, and is still new.
func came(group string, from, until time.Time) Query {
	return Query{Group: group, States: []State{New}, Place: Place{At: from}, WaitsUntil: until}
}

func (d *Desk) sweepOpening(ctx context.Context, g Group) error {
	now := d.clock()
	opened, closed := g.Hours.LastOpening(now)
	if opened.IsZero() || now.Sub(opened) > openingLate {
		return nil
	}
	subject := g.Name + "." + opened.Format(time.DateOnly) // in the group's zone: once a day
	due := func(tx Tx) (bool, error) {
		for _, b := range g.Boards {
			_, err := tx.FindPost(postKey(OpeningPost, subject, b), "", "")
			if errors.Is(err, ErrNone) {
				q := came(g.Name, closed, opened)
				q.Limit = 1
				n, err := tx.CountConversations(q)
				return n > 0, err
			}
			if err != nil {
				return false, err
			}
		}
		return false, nil
	}
	is := false
	err := d.store.Read(ctx, func(tx Tx) (err error) {
		is, err = due(tx)
		return err
	})
	if err != nil || !is {
		return err
	}
	return d.change(ctx, By{Group: g.Name}, func(u *use) error {
		if is, err := due(u); err != nil || !is {
			return err // somebody was quicker
		}
		return u.post(Post{Kind: OpeningPost, Subject: closed.UTC().Format(time.RFC3339Nano) + " " + opened.UTC().Format(time.RFC3339Nano)}, subject)
	})
}

// opening reads what an opening's post shows: what is still new by now.
func opening(tx Tx, p Post) (o Opening, err error) {
	const named = 5
	from, to, _ := strings.Cut(p.Subject, " ")
	if o.Since, err = time.Parse(time.RFC3339Nano, from); err != nil {
		return o, fmt.Errorf("when it had closed: %w", err)
	}
	until, err := time.Parse(time.RFC3339Nano, to)
	if err != nil {
		return o, fmt.Errorf("when it opened: %w", err)
	}
	q := came(p.Group, o.Since, until)
	if o.Count, err = tx.CountConversations(q); err != nil {
		return o, err
	}
	q.Limit = named
	some, err := tx.Conversations(q)
	if err == nil {
		o.First, err = listed(tx, p.Board, some)
	}
	return o, err
}

// ask asks whether a conversation goes on, and keeps it: its owner, where they are in the group and not away; else the
// leads, and without any of those everybody.
func (u *use) ask(c *Conversation) error {
	c.Reminded = u.now
	if err := u.SetConversation(*c); err != nil {
		return err
	}
	team, err := u.Present(u.group.Name)
	if err != nil {
		return err
	}
	to := u.group.leadsAmong(team)
	if slices.ContainsFunc(team, func(m Member) bool { return m.ID == c.Owner && !m.AwayAt(u.now) }) {
		to = []MemberID{c.Owner}
	}
	return u.tell(to, Post{Kind: AskPost, Conversation: c.ID}, fmt.Sprintf("%d.%d", c.ID, u.now.UnixMicro()))
}

// Asks tells whether a post still asks about its conversation: nothing was done since.
func (d Drawing) Asks() bool { return d.Conversation.Reminded.Equal(d.Post.Made) }

// Lapses is when a conversation is released by itself that lies idle.
func (g Group) Lapses(c Conversation) time.Time { return g.Hours.After(c.Reminded, g.Idle) }

// Keep says that a conversation goes on: it no longer lies idle, or waits for its sender as long again.
func (d *Desk) Keep(ctx context.Context, by By, id ConversationID) (Conversation, error) {
	return d.moveTo(ctx, by, id, step{move: MoveKeep}, "", nil)
}

// sweepLapsed releases what still lies idle as long again after its owner was reminded.
func (d *Desk) sweepLapsed(ctx context.Context, g Group) error {
	if g.Idle <= 0 {
		return nil
	}
	before := g.Hours.Before(d.clock(), g.Idle)
	if before.IsZero() {
		return nil
	}
	lapses := func(c Conversation) bool {
		return c.State == Taken && !c.Reminded.IsZero() && c.Reminded.Before(before) && c.Touched.Before(before)
	}
	return d.eachOf(ctx, Query{Group: g.Name, States: []State{Taken}, AskedSince: before}, lapses, func(u *use, c Conversation) error {
		owner, err := u.Member(c.Owner)
		if err != nil && !errors.Is(err, ErrNone) || owner.AwayAt(before) {
			return err // who is back has the time that is left
		}
		if err := u.move(&c, step{move: MoveLapse}, string(c.Owner)); err != nil {
			return err
		}
		return u.inThread(c, Post{Kind: EventPost, Event: u.event}, u.event)
	})
}

// sweepAnswered asks about what was answered long ago and stays open: while people are there.
func (d *Desk) sweepAnswered(ctx context.Context, g Group) error {
	now := d.clock()
	if g.Answered <= 0 || !g.Hours.Open(now) {
		return nil
	}
	before := now.Add(-g.Answered)
	full := map[MemberID]bool{}
	due := func(c Conversation) bool {
		return c.State == Waiting && c.Reminded.IsZero() && c.Touched.Before(before) && !full[c.Owner]
	}
	return d.eachOf(ctx, Query{Group: g.Name, States: []State{Waiting}, UnaskedSince: before}, due, func(u *use, c Conversation) error {
		n, err := u.CountConversations(Query{Group: g.Name, Owner: c.Owner, States: []State{Waiting}, AskedAfter: now.Add(-24 * time.Hour), Limit: asksADay})
		if err != nil {
			return err
		}
		if full[c.Owner] = n >= asksADay; full[c.Owner] {
			return nil
		}
		return u.ask(&c)
	})
}

// eachOf does something with each of the conversations that a query finds and that are wanted, one use
// case each.
func (d *Desk) eachOf(ctx context.Context, q Query, wanted func(Conversation) bool, f func(*use, Conversation) error) error {
	var errs []error
	q.Order, q.Limit = BySince, askedAtOnce
	for {
		var some []Conversation
		err := d.store.Read(ctx, func(tx Tx) (err error) {
			some, err = tx.Conversations(q)
			return err
		})
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for _, one := range some {
			if !wanted(one) {
				continue
			}
			err := d.change(ctx, By{Group: q.Group}, func(u *use) error {
				c, err := u.Conversation(one.ID) // locked
				if err != nil || !wanted(c) {
					return err // somebody was quicker
				}
				return f(u, c)
			})
			if err != nil {
				errs = append(errs, fmt.Errorf("conversation %d: %w", one.ID, err))
			}
		}
		if len(some) < q.Limit {
			return errors.Join(errs...)
		}
		q.Place = some[len(some)-1].PlaceIn(q.Order)
	}
}
