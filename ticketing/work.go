package ticketing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Take makes the acting member the owner. Of any number of simultaneous takes exactly one
// succeeds; the others are refused with TakenBy. The first take makes it a ticket.
func (d *Desk) Take(ctx context.Context, by By, id ConversationID) (Conversation, error) {
	return d.moveTo(ctx, by, id, step{move: MoveTake}, "", (*use).unfold)
}

// Release puts a conversation back for everybody. Only its owner or a lead may.
func (d *Desk) Release(ctx context.Context, by By, id ConversationID) (Conversation, error) {
	return d.moveTo(ctx, by, id, step{move: MoveRelease}, "", nil)
}

// Assign gives a conversation to a member of the group, and tells them: a new one by anybody, another's
// by its owner (who hands it over) or a lead.
func (d *Desk) Assign(ctx context.Context, by By, id ConversationID, to MemberID) (Conversation, error) {
	return d.moveTo(ctx, by, id, step{move: MoveAssign, to: to}, string(to), func(u *use, c *Conversation) error {
		if err := u.colleague(to); err != nil {
			return err
		}
		if to != by.Member.ID {
			if err := u.direct(to, Post{Kind: ForwardPost, Conversation: c.ID, Event: u.event}, u.event); err != nil {
				return err
			}
		}
		return u.unfold(c)
	})
}

// Spam hides a conversation; Undo brings it back.
func (d *Desk) Spam(ctx context.Context, by By, id ConversationID) (Conversation, error) {
	return d.moveTo(ctx, by, id, step{move: MoveSpam}, "", nil)
}

// NoAnswer closes a new conversation without making it a ticket.
func (d *Desk) NoAnswer(ctx context.Context, by By, id ConversationID) (Conversation, error) {
	return d.moveTo(ctx, by, id, step{move: MoveNoAnswer, outcome: NoAnswerNeeded}, "", nil)
}

// Undo takes back spam, "no answer needed" and discarding.
func (d *Desk) Undo(ctx context.Context, by By, id ConversationID) (Conversation, error) {
	return d.moveTo(ctx, by, id, step{move: MoveUndo}, "", func(u *use, c *Conversation) error {
		if c.State == Held {
			return u.unheld(c)
		}
		return nil
	})
}

// Close ends a conversation with an outcome, one of the group's or another in a few words.
func (d *Desk) Close(ctx context.Context, by By, id ConversationID, outcome string) (Conversation, error) {
	if outcome = OneLine(outcome, 100); outcome == "" {
		return Conversation{}, refuseField("outcome", "Say how it ended: choose an outcome, or write one in a few words.")
	}
	return d.moveTo(ctx, by, id, step{move: MoveClose, outcome: outcome}, outcome, nil)
}

// Reopen gives a closed conversation to the acting member.
func (d *Desk) Reopen(ctx context.Context, by By, id ConversationID) (Conversation, error) {
	return d.moveTo(ctx, by, id, step{move: MoveReopen}, "", nil)
}

// moveTo is the use case behind each button: one step, then whatever goes with it.
func (d *Desk) moveTo(ctx context.Context, by By, id ConversationID, s step, detail string, then func(*use, *Conversation) error) (c Conversation, err error) {
	err = d.change(ctx, by, func(u *use) error {
		if c, err = u.conversation(id); err != nil {
			return err
		}
		if err := u.move(&c, s, detail); err != nil {
			return err
		}
		if then != nil {
			if err := then(u, &c); err != nil {
				return err
			}
		}
		if s.move != MoveClose && s.move != MoveReopen {
			return nil
		}
		return u.inThread(c, Post{Kind: EventPost, Event: u.event}, u.event)
	})
	return c, err
}

// unfold puts the conversation's mails into its thread, once: after a take there is something to
// read there.
func (u *use) unfold(c *Conversation) error {
	const atMost = 20
	mails, err := u.Mails(c.ID, atMost)
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(mails) {
		if m.By != "" {
			continue // its reply's line shows it
		}
		if err := u.inThread(*c, Post{Kind: MailPost, Mail: m.ID}, m.ID); err != nil {
			return err
		}
	}
	return nil
}

// Join moves the mails of a conversation into the ticket that its subject mentions.
func (d *Desk) Join(ctx context.Context, by By, id ConversationID, number int) (target Conversation, err error) {
	err = d.change(ctx, by, func(u *use) error {
		other, err := u.Numbered(number)
		if errors.Is(err, ErrNone) {
			return refuse(NotFound, "There is no ticket #%d.", number)
		}
		if err != nil {
			return err
		}
		if other == id {
			return refuse(Already, "It is #%d already.", number)
		}
		// Two joins the other way round must not wait for each other: the older is locked first.
		first, second := min(id, other), max(id, other)
		a, err := u.conversation(first)
		if err != nil {
			return err
		}
		b, err := u.conversation(second)
		if err != nil {
			return err
		}
		c, t := a, b
		if first == other {
			c, t = b, a
		}
		if t.JoinedTo != 0 {
			return refuse(WrongState, "#%d was itself joined to another ticket.", number)
		}
		if err := u.endReplies(&c); err != nil {
			return err
		}
		if err := u.move(&c, step{move: MoveJoin, outcome: "joined to " + t.Name()}, t.Name()); err != nil {
			return err
		}
		c.JoinedTo = t.ID
		if err := u.SetConversation(c); err != nil {
			return err
		}
		mails, err := u.Mails(c.ID, 1000)
		if err != nil {
			return err
		}
		if err := u.MoveMails(c.ID, t.ID, t.Seq); err != nil {
			return err
		}
		_, err = u.eachTodo(TodoQuery{Conversation: c.ID}, func(todo *Todo) (bool, error) {
			todo.Conversation = t.ID
			return true, nil
		})
		if err != nil {
			return err
		}
		if t.Contact == 0 && t.Match == "" {
			t.Contact, t.Match, t.Matched = c.Contact, c.Match, c.Matched
		}
		if err := u.Belong(t.ID, t.Contact); err != nil {
			return err
		}
		t.Mails += c.Mails
		t.Seq += c.Seq
		t.Last = max(t.Last, c.Last)
		for _, m := range slices.Backward(mails) {
			if err := u.inThread(t, Post{Kind: MailPost, Mail: m.ID}, fmt.Sprintf("%d.%d", t.ID, m.ID)); err != nil {
				return err
			}
		}
		if err := u.wake(&t, "joined"); err != nil {
			return err
		}
		target = t
		return u.Process(t.ID, processed[t.State])
	})
	return target, err
}

// endReplies stops what waits for a person's Send, and refuses while something is on its way out.
func (u *use) endReplies(c *Conversation) error {
	replies, err := u.Replies(c.ID, Asking, Failed, Pending, Sending, Unknown)
	if err != nil {
		return err
	}
	for _, r := range replies {
		if r.State != Asking && r.State != Failed {
			return refuse(WrongState, "An answer of %s is on its way out: join it when that is sent or stopped.", u.called(r.By))
		}
		r.State, r.Why = Cancelled, ""
		if err := u.SetReply(r); err != nil {
			return err
		}
		if err := u.raise(PostsWhere{Reply: r.ID}); err != nil {
			return err
		}
	}
	return nil
}

// SweepOverdue marks what has waited, or lain idle, too long, and draws it. It returns how many.
func (d *Desk) SweepOverdue(ctx context.Context) (marked int, err error) {
	const atOnce = 100
	for _, g := range d.groups {
		for state, limit := range map[State]time.Duration{New: g.Overdue, Taken: g.Idle} {
			if limit <= 0 {
				continue
			}
			n, err := d.sweepOverdue(ctx, g, state, limit, atOnce)
			if marked += n; err != nil {
				return marked, err
			}
		}
	}
	return marked, nil
}

func (d *Desk) sweepOverdue(ctx context.Context, g Group, state State, limit time.Duration, atOnce int) (marked int, err error) {
	before := g.Hours.Before(d.clock(), limit)
	if before.IsZero() {
		return 0, nil
	}
	var late []Conversation
	err = d.store.Read(ctx, func(tx Tx) error {
		late, err = tx.Conversations(Query{Group: g.Name, States: []State{state}, NotOverdueSince: before, Limit: atOnce})
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, l := range late {
		err := d.change(ctx, By{Group: g.Name}, func(u *use) error {
			c, err := u.Conversation(l.ID)
			if err != nil || c.State != state || c.Overdue || state == New && !c.Waits.Before(before) || state == Taken && !c.Touched.Before(before) {
				return err // somebody was quicker
			}
			if state == Taken {
				owner, err := u.Member(c.Owner)
				if errors.Is(err, ErrNone) {
					err = nil
				}
				if err != nil || owner.AwayAt(before) {
					return err // they have not been back for long enough
				}
			}
			touched := c.Touched
			if err := u.move(&c, step{move: MoveOverdue}, ""); err != nil {
				return err
			}
			c.Touched = touched
			marked++
			if state == Taken {
				return u.ask(&c)
			}
			if err := u.SetConversation(c); err != nil {
				return err
			}
			// One line for all that falls due within a quarter of an hour.
			const together = 15 * time.Minute
			return u.postOrRaise(Post{Kind: OverduePost, Conversation: c.ID}, fmt.Sprintf("%s.%d", g.Name, u.now.Unix()/int64(together.Seconds())))
		})
		if err != nil {
			return marked, err
		}
	}
	return marked, nil
}

// SetPresent replaces the list of members who are present on a board.
func (d *Desk) SetPresent(ctx context.Context, board string, members []Member) error {
	g, _, ok := d.GroupOfBoard(board)
	if !ok {
		return refuse(NotFound, "No team has a board %s.", board)
	}
	return d.store.Change(ctx, func(tx Tx) error {
		ids := make([]MemberID, len(members))
		for i, m := range members {
			ids[i] = m.ID
			if err := tx.MeetMember(m); err != nil {
				return err
			}
		}
		return tx.SetPresent(g.Name, board, ids)
	})
}

// OneLine is text on one line, without controls and at most limit runes long.
func OneLine(text string, limit int) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' }), " ")
	if r := []rune(text); len(r) > limit {
		text = strings.TrimSpace(string(r[:limit-1])) + "…"
	}
	return text
}
