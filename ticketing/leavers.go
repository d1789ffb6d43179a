package ticketing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Leaver is a member with something open of a group, in none of whose channels they are any more.
type Leaver struct {
	Group  string
	Member MemberID
	Since  time.Time // when that was first seen
	Told   time.Time // when it was said; zero: not yet
}

// LeaverTx is the part of Tx that keeps who has left.
type LeaverTx interface {
	// Missing lists who has a conversation or an open to-do of a group, and is present on none of its boards.
	Missing(group string) ([]MemberID, error)
	// Leavers lists those that were noted and, in Change, locks them.
	Leavers(group string) ([]Leaver, error)
	PutLeaver(l Leaver) error // inserts or replaces
	ForgetLeaver(group string, m MemberID) error
	// ForgetBoards forgets who was present on boards of a group that are none of these.
	ForgetBoards(group string, boards []string) error
}

// leftAfter is for how long somebody is gone before it is said: who comes back meanwhile went by mistake.
const leftAfter = time.Hour

// sweepLeavers offers to the leads, once and while they are there, what is still with somebody who has left.
func (d *Desk) sweepLeavers(ctx context.Context, g Group) error {
	var l leaving
	err := d.store.Read(ctx, func(tx Tx) (err error) {
		l, err = whoLeaves(tx, g, d.clock())
		return err
	})
	if err != nil || len(l.fresh)+len(l.back)+len(l.due) == 0 {
		return err
	}
	return d.change(ctx, By{Group: g.Name}, func(u *use) error {
		l, err := whoLeaves(u, g, u.now)
		if err != nil {
			return err
		}
		for _, one := range l.back {
			err = errors.Join(err, u.raiseLeft(one.Member), u.ForgetLeaver(g.Name, one.Member))
		}
		for _, one := range l.due {
			err = errors.Join(err, u.offer(one))
		}
		for _, one := range l.fresh {
			err = errors.Join(err, u.PutLeaver(one))
		}
		return err
	})
}

// leaving is what has come about among those who have left.
type leaving struct {
	fresh []Leaver // were not noted yet
	back  []Leaver // are there again, or have nothing open any more
	due   []Leaver // of whom it is time to say so
}

func whoLeaves(tx Tx, g Group, now time.Time) (l leaving, err error) {
	missing, err := tx.Missing(g.Name)
	if err != nil {
		return l, err
	}
	noted, err := tx.Leavers(g.Name)
	if err != nil {
		return l, err
	}
	for _, one := range noted {
		i := slices.Index(missing, one.Member)
		if i < 0 {
			l.back = append(l.back, one)
		} else if missing = slices.Delete(missing, i, i+1); one.due(g, now) {
			l.due = append(l.due, one)
		}
	}
	for _, m := range missing {
		l.fresh = append(l.fresh, Leaver{Group: g.Name, Member: m, Since: now})
	}
	return l, nil
}

// due tells whether it is time to say that somebody has left.
func (l Leaver) due(g Group, now time.Time) bool {
	return l.Told.IsZero() && now.Sub(l.Since) >= leftAfter && g.Hours.Open(now)
}

// offer offers what a leaver has to the leads, or, where there are none, to everybody.
func (u *use) offer(l Leaver) error {
	l.Told = u.now
	if err := u.PutLeaver(l); err != nil {
		return err
	}
	team, err := u.Present(u.group.Name)
	if err != nil {
		return err
	}
	return u.tell(u.group.leadsAmong(team), Post{Kind: LeftPost, Subject: string(l.Member)}, l.subject())
}

// subject is what the keys of the posts are made of that say it.
func (l Leaver) subject() string {
	return fmt.Sprintf("%s.%s.%d", l.Group, l.Member, l.Since.UnixMicro())
}

// raiseLeft redraws what was said of a leaver.
func (u *use) raiseLeft(who MemberID) error {
	noted, err := u.Leavers(u.group.Name)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(noted, func(l Leaver) bool { return l.Member == who && !l.Told.IsZero() })
	if i < 0 {
		return nil
	}
	team, err := u.Present(u.group.Name)
	if err != nil {
		return err
	}
	var keys []string
	for _, b := range u.group.Boards {
		p := Post{Kind: LeftPost}
		keys = append(keys, p.key(b, noted[i].subject()))
		for _, m := range team {
			p.To = m.ID
			keys = append(keys, p.key(b, noted[i].subject()))
		}
	}
	rows, err := u.Rows(Wanted{Posts: keys})
	for _, p := range rows.Posts {
		err = errors.Join(err, u.raise(PostsWhere{ID: p.ID}))
	}
	return err
}

// Left is what somebody who has left still has.
type Left struct {
	Member Member
	Back   bool // they are in the group again
	Taken  int
	Waits  int // that wait for their senders
	Todos  int
	First  []Listed // some of the conversations: the oldest
}

// left reads what a leaver's post shows.
func left(tx Tx, p Post) (l Left, err error) {
	const named = 5
	who := MemberID(p.Subject)
	team, err := tx.Present(p.Group)
	if err != nil {
		return l, err
	}
	l.Back = among(team, who)
	if l.Member, err = memberOf(tx, who); err != nil {
		return l, err
	}
	for state, n := range map[State]*int{Taken: &l.Taken, Waiting: &l.Waits} {
		if *n, err = tx.CountConversations(Query{Group: p.Group, Owner: who, States: []State{state}}); err != nil {
			return l, err
		}
	}
	todos, err := tx.Todos(TodoQuery{Group: p.Group, Owner: who, Open: true, Limit: 1000})
	if err != nil {
		return l, err
	}
	l.Todos = len(todos)
	some, err := tx.Conversations(Query{Group: p.Group, Owner: who, States: []State{Taken, Waiting}, Order: BySince, Limit: named})
	if err == nil {
		l.First, err = listed(tx, p.Board, some)
	}
	return l, err
}

// ReleaseLeft gives back to everybody what somebody has who has left: what they took waits for the team again, and
// what waits for its sender is nobody's. It returns how many those were. Only a lead may, where there is one.
func (d *Desk) ReleaseLeft(ctx context.Context, by By, who MemberID) (released int, err error) {
	return d.ofLeaver(ctx, by, who, func(u *use, c *Conversation) error {
		if err := u.move(c, step{move: MoveLeft}, string(who)); err != nil {
			return err
		}
		return u.inThread(*c, Post{Kind: EventPost, Event: u.event}, u.event)
	}, nil)
}

// HandOverLeft gives a colleague what somebody has who has left, their to-dos, too, and tells them once. It returns how
// many those were. Only a lead may, where there is one.
func (d *Desk) HandOverLeft(ctx context.Context, by By, who, to MemberID) (given int, err error) {
	given, err = d.ofLeaver(ctx, by, who, func(u *use, c *Conversation) error {
		if err := u.colleague(to); err != nil {
			return err
		}
		return u.move(c, step{move: MoveAssign, to: to}, string(to))
	}, func(u *use, t *Todo) error {
		if err := u.colleague(to); err != nil {
			return err
		}
		t.Owner = to
		return u.todoLogged(*t, LogTodoEdit, t.Text)
	})
	if given == 0 || to == by.Member.ID {
		return given, err
	}
	by.Event = ""
	return given, errors.Join(err, d.change(ctx, by, func(u *use) error {
		if err := u.log(Event{Move: LogHandOver, Detail: string(who)}); err != nil {
			return err
		}
		return u.direct(to, Post{Kind: HandedPost, Subject: string(who), Event: u.event}, u.event)
	}))
}

// ofLeaver does something with each conversation, and changes each open to-do, of somebody who has left, some in a
// transaction.
func (d *Desk) ofLeaver(ctx context.Context, by By, who MemberID, each func(*use, *Conversation) error, todo func(*use, *Todo) error) (done int, err error) {
	const atOnce = 50
	by.Event = "" // of many use cases; each is harmless when repeated
	for {
		n := 0
		err := d.change(ctx, by, func(u *use) error {
			n = 0
			if err := u.mayActFor(who); err != nil {
				return err
			}
			some, err := u.Conversations(Query{Group: u.group.Name, Owner: who, States: []State{Taken, Waiting}, Order: ByOpening, Limit: atOnce})
			if err != nil {
				return err
			}
			for _, one := range some {
				c, err := u.Conversation(one.ID) // locked
				if err != nil {
					return err
				}
				if c.Owner != who {
					continue // somebody was quicker
				}
				if err := each(u, &c); err != nil {
					return err
				}
				n++
			}
			if todo == nil || len(some) > 0 {
				return u.raiseLeft(who)
			}
			n, err = u.eachTodo(TodoQuery{Group: u.group.Name, Owner: who, Open: true, Limit: atOnce}, func(t *Todo) (bool, error) {
				if t.Owner != who || !t.Open() {
					return false, nil // somebody was quicker
				}
				return true, todo(u, t)
			})
			if err != nil {
				return err
			}
			return u.raiseLeft(who)
		})
		if err != nil || n == 0 {
			return done, err
		}
		done += n
	}
}

// mayActFor refuses whose business it is not what somebody has, and whoever thinks wrongly that they have left.
func (u *use) mayActFor(who MemberID) error {
	here, err := u.present(who)
	if err != nil {
		return err
	}
	if here {
		return refuse(WrongState, "%s is in this team: what they have can be handed over one by one.", upperFirst(u.called(who)))
	}
	lead, err := u.leads(who)
	if err == nil && !lead {
		return refuse(NotYours, "Only a lead of %s can do that.", u.group.Title)
	}
	return err
}

// leads tells whether the acting member may do with what owner has as a lead may. Where owner has left, and no lead is
// there, everybody may.
func (u *use) leads(owner MemberID) (bool, error) {
	if me := u.by.Member; u.group.Lead(me) || me.ID == "" || owner == "" || owner == me.ID {
		return u.group.Lead(me), nil
	}
	team, err := u.Present(u.group.Name)
	return !among(team, owner) && len(u.group.leadsAmong(team)) == 0, err
}
