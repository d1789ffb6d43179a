package ticketing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Trouble is something that only a person can mend: a mailbox that cannot be read, a server that
// takes no mail, a channel that the bot cannot write to. It stands on the desk card while it lasts.
type Trouble struct {
	Name  string // what has it, unique: "mailbox:help"
	Group string
	What  string // in words, without a full stop: "Cannot read help@example.org"
	Says  string // the server's own words; may be empty
	Cure  string // what a person can do; may be empty
	Soon  bool   // nothing is wrong yet: it will be. Told at once, and once
	Since time.Time
	Told  time.Time // when the admins were told last; zero if they never were
	Over  time.Time // when it ended, perhaps only for a moment; zero while it lasts
	Note  string    // over: what was done since: "14 mails picked up"
}

const (
	// patience is how long trouble lasts before people are told of it: most passes by itself.
	patience = 10 * time.Minute
	// remind is how often they are told again while it lasts.
	remind = 24 * time.Hour
	// calm is how long nothing is wrong before trouble is over. What comes and goes is one trouble: told
	// once, neither each time nor never because it never lasts.
	calm = 5 * time.Minute
	// settled is how long trouble lasts before the desk card shows it.
	settled = time.Minute
)

// lasting tells whether the trouble is to be seen on the desk card.
func (t Trouble) lasting(now time.Time) bool {
	return t.Over.IsZero() && (t.Soon || now.Sub(t.Since) >= settled)
}

// over tells whether it has ended for good.
func (t Trouble) over(now time.Time) bool { return !t.Over.IsZero() && now.Sub(t.Over) >= calm }

// due tells whether the admins are to be told of it now.
func (t Trouble) due(now time.Time) bool {
	switch {
	case !t.Over.IsZero():
		return t.over(now) && !t.Told.IsZero() && !t.Soon // who was told of it is told of its end
	case t.Soon:
		return t.Told.IsZero()
	case t.Told.IsZero():
		return now.Sub(t.Since) >= patience
	}
	return now.Sub(t.Told) >= remind
}

// Troubled notes that something has trouble, or has other trouble than before.
func (d *Desk) Troubled(ctx context.Context, t Trouble) error {
	return d.store.Change(ctx, func(tx Tx) error {
		was, err := tx.Trouble(t.Name)
		switch {
		case errors.Is(err, ErrNone), err == nil && was.over(d.clock()):
			t.Since, t.Told = d.clock(), time.Time{}
		case err != nil:
			return err
		case was.Over.IsZero() && was.What == t.What && was.Says == t.Says && was.Cure == t.Cure:
			return nil
		default:
			t.Since, t.Told = was.Since, was.Told
		}
		t.Over, t.Note = time.Time{}, ""
		return tx.PutTrouble(t)
	})
}

// Recovered notes that something has no trouble. Those who were told of it will be told so, once it
// stays so for a while. That nothing was wrong costs a look.
func (d *Desk) Recovered(ctx context.Context, name, note string) error {
	lasts := false
	err := d.store.Read(ctx, func(tx Tx) error {
		was, err := tx.Trouble(name)
		lasts = err == nil && was.Over.IsZero()
		if errors.Is(err, ErrNone) {
			return nil
		}
		return err
	})
	if err != nil || !lasts {
		return err
	}
	return d.store.Change(ctx, func(tx Tx) error {
		was, err := tx.Trouble(name)
		switch {
		case errors.Is(err, ErrNone), err == nil && !was.Over.IsZero():
			return nil
		case err != nil:
			return err
		}
		was.Over, was.Note = d.clock(), note
		return tx.PutTrouble(was)
	})
}

// Alerts lists the trouble that the admins are to be told of now, begun or ended. What has ended and
// was told to nobody it forgets.
func (d *Desk) Alerts(ctx context.Context) (due []Trouble, err error) {
	all, err := d.Troubles(ctx)
	if err != nil {
		return nil, err
	}
	now := d.clock()
	for _, t := range all {
		switch {
		case t.due(now):
			due = append(due, t)
		case t.over(now):
			if err := d.Alerted(ctx, t); err != nil {
				return nil, err
			}
		}
	}
	return due, nil
}

// Troubles lists all that is known, also what has ended and is not yet forgotten.
func (d *Desk) Troubles(ctx context.Context) (all []Trouble, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		all, err = tx.Troubles("")
		return err
	})
	return all, err
}

// Alerted notes that the admins were told of t.
func (d *Desk) Alerted(ctx context.Context, t Trouble) error {
	return d.store.Change(ctx, func(tx Tx) error {
		is, err := tx.Trouble(t.Name)
		switch {
		case errors.Is(err, ErrNone):
			return nil
		case err != nil:
			return err
		case !t.Over.IsZero() && is.Over.Equal(t.Over):
			return tx.EndTrouble(t.Name)
		case !t.Over.IsZero():
			return nil // it has begun anew meanwhile
		}
		is.Told = d.clock()
		return tx.PutTrouble(is)
	})
}

// BoxNews is a mailbox and when its last mail came.
type BoxNews struct {
	Mailbox Mailbox
	Last    time.Time // zero: none yet
}

// deskView is all that a desk card shows.
type deskView struct {
	Tally    Tally
	Troubles []Trouble
	Boxes    []BoxNews
}

func (d *Desk) deskView(tx Tx, g Group) (v deskView, err error) {
	if v.Tally, err = tx.Tally(g.Name); err != nil {
		return v, err
	}
	if v.Troubles, err = tx.Troubles(g.Name); err != nil {
		return v, err
	}
	now := d.clock()
	v.Troubles = slices.DeleteFunc(v.Troubles, func(t Trouble) bool { return !t.lasting(now) })
	for _, m := range g.Mailboxes {
		last, err := tx.LastIn(m.Name)
		if err != nil {
			return v, err
		}
		v.Boxes = append(v.Boxes, BoxNews{m, last})
	}
	return v, nil
}

// digest is the same while a desk card would look the same.
func (v deskView) digest() string {
	for i := range v.Troubles {
		v.Troubles[i].Told = time.Time{}
	}
	for i := range v.Boxes {
		v.Boxes[i].Last = v.Boxes[i].Last.Truncate(time.Minute) // as it is shown
	}
	return digested(v)
}

func digested(v any) string {
	data, _ := json.Marshal(v) // of plain values: cannot fail
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// RefreshDesks makes the desk cards owe a drawing whose group stands otherwise than they show. They
// are not part of the use cases: a card for everybody that each of them had to write would let none
// pass another.
//
// What was drawn is remembered for each configuration. Processes whose configurations differ, as while
// one after the other is started anew, each draw what has changed, the last one staying; they do
// not draw over each other what has not.
func (d *Desk) RefreshDesks(ctx context.Context) error {
	for _, g := range d.groups {
		var v deskView
		err := d.store.Read(ctx, func(tx Tx) (err error) {
			v, err = d.deskView(tx, g)
			return err
		})
		if err != nil {
			return err
		}
		name, digest := "desk:"+g.Name+":"+digested([]any{g.Title, g.Mailboxes, g.Boards}), v.digest()
		shown, err := d.store.Cursor(ctx, name)
		if err != nil {
			return err
		}
		if shown == digest {
			continue
		}
		err = d.change(ctx, By{Group: g.Name}, func(u *use) error { return u.postOrRaise(Post{Kind: DeskPost}, g.Name) })
		if err != nil {
			return err
		}
		if err := d.store.SetCursor(ctx, name, digest); err != nil {
			return err
		}
	}
	return nil
}

// Escalation is what has waited twice as long as it should, and was not yet told of.
type Escalation struct {
	Group  Group
	Count  int       // of those not told of before
	Oldest time.Time // since when the first of all that are new waits
	cutoff time.Time
}

// Escalations finds them, a group each. They count from when the team could see them, and be asked why
// nobody took them: what was picked up late has perhaps waited for longer.
func (d *Desk) Escalations(ctx context.Context) (all []Escalation, err error) {
	for _, g := range d.groups {
		if g.Overdue <= 0 {
			continue
		}
		told, err := d.store.Cursor(ctx, "escalated:"+g.Name)
		if err != nil {
			return nil, err
		}
		e := Escalation{Group: g, cutoff: g.Hours.Before(d.clock(), 2*g.Overdue)}
		if e.cutoff.IsZero() {
			continue
		}
		var since time.Time
		if told != "" {
			if since, err = time.Parse(time.RFC3339Nano, told); err != nil {
				return nil, fmt.Errorf("how far overdue mail was told of: %w", err)
			}
		}
		err = d.store.Read(ctx, func(tx Tx) error {
			e.Count, err = tx.CountConversations(Query{Group: g.Name, States: []State{New}, SinceAfter: since, SinceUntil: e.cutoff})
			if err != nil || e.Count == 0 {
				return err
			}
			t, err := tx.Tally(g.Name)
			e.Oldest = t.Oldest
			return err
		})
		if err != nil {
			return nil, err
		}
		if e.Count > 0 {
			all = append(all, e)
		}
	}
	return all, nil
}

// Escalated notes that the leads were told.
func (d *Desk) Escalated(ctx context.Context, e Escalation) error {
	return d.store.SetCursor(ctx, "escalated:"+e.Group.Name, e.cutoff.Format(time.RFC3339Nano))
}
