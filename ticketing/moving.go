package ticketing

import (
	"context"
	"errors"
	"strings"
	"time"
)

// movedTo begins the outcome of a conversation that went to another group.
const movedTo = "moved to "

// MovedTo is the title of the group that c went to; empty: it is here.
func (c Conversation) MovedTo() string {
	if c.Erased.IsZero() || !strings.HasPrefix(c.Outcome, movedTo) {
		return ""
	}
	return strings.TrimPrefix(c.Outcome, movedTo)
}

// OtherGroups are those that a group's conversations can be moved to.
func (d *Desk) OtherGroups(group string) (others []Group) {
	for _, g := range d.groups {
		if g.Name != group {
			others = append(others, g)
		}
	}
	return others
}

// MoveToGroup gives a conversation with its mails, its ticket number and its answers to another group, where it is
// new, and their owners' to-dos go with it. In this one a line without content is left, that says where it went. A colleague's conversation only they, or
// a lead, may move.
func (d *Desk) MoveToGroup(ctx context.Context, by By, id ConversationID, to string) (n Conversation, err error) {
	target, ok := d.Group(to)
	err = d.change(ctx, by, func(u *use) error {
		if !ok || to == u.group.Name {
			return refuseField("group", "There is no other team “%s”.", OneLine(to, 40))
		}
		c, err := u.conversation(id)
		if err != nil {
			return err
		}
		if err := u.endReplies(&c); err != nil {
			return err
		}
		mails, err := u.Mails(c.ID, 1000)
		if err != nil {
			return err
		}
		for _, m := range mails {
			if m.By != "" {
				continue // of ours: it is identified by its mark, not by what it says
			}
			_, err := u.SameMail(target.Name, Fingerprint(m))
			if err == nil {
				return refuse(Already, "%s has a mail of this conversation already, since it was written to both: go on there, and close it here.", target.Title)
			}
			if !errors.Is(err, ErrNone) {
				return err
			}
		}
		if n, err = u.moveTo(c, target); err != nil {
			return err
		}
		return nil
	})
	return n, err
}

// moveTo leaves the shell of c behind.
func (u *use) moveTo(c Conversation, target Group) (n Conversation, err error) {
	there := &use{Tx: u.Tx, d: u.d, now: u.now, by: By{Member: u.by.Member, Group: target.Name}, group: target}
	defer func() {
		u.raised = append(u.raised, there.raised...)
	}()
	was := c
	if err := u.move(&c, step{move: MoveAway, outcome: movedTo + target.Title}, target.Title); err != nil {
		return n, err
	}
	c.Subject, c.With, c.Note, c.NewPerson, c.Files, c.Number, c.Mentions = ErasedText, Address{}, "", Address{}, 0, 0, 0
	c.First, c.Last, c.Mails, c.Flood, c.Overdue, c.Erased = 0, 0, 0, 0, false, u.now
	c.Contact, c.Perhaps, c.Match, c.Matched = 0, 0, "", ""
	if err := u.SetConversation(c); err != nil {
		return n, err
	}
	if err := u.raise(PostsWhere{Conversation: c.ID}); err != nil {
		return n, err
	}
	if was.Flood != 0 {
		if err := u.postOrRaise(Post{Kind: DigestPost, Conversation: was.Flood}, was.Flood); err != nil {
			return n, err
		}
	}

	n = was
	n.ID, n.Group, n.State, n.Owner, n.LastOwner, n.Outcome, n.Closed, n.ClosedBy = 0, target.Name, New, "", "", "", time.Time{}, ""
	n.Since, n.Touched, n.Overdue, n.HeldFor, n.Flood, n.Mentions = u.now, u.now, false, "", 0, 0
	if _, ok := target.Mailbox(n.Mailbox); !ok && n.Mailbox != "" && len(target.Mailboxes) > 0 {
		n.Mailbox = target.Mailboxes[0].Name // they answer through their own
	}
	if was.State != New {
		n.Waits = u.now
	}
	first, err := u.Mail(was.First)
	if err != nil && !errors.Is(err, ErrNone) {
		return n, err
	}
	n.Contact, n.Perhaps, n.Match, n.Matched = 0, 0, "", ""
	if first.Direction == In && first.ID != 0 {
		if err := there.recognise(&n, first); err != nil {
			return n, err
		}
	}
	if err := u.AddConversation(&n); err != nil {
		return n, err
	}
	if err := u.Rehome(was.ID, n.ID, target.Name); err != nil {
		return n, err
	}
	if err := u.takeTodos(was.ID, n.ID, target); err != nil {
		return n, err
	}
	if err := u.Process(n.ID, NotProcessed); err != nil { // it is not done, only elsewhere
		return n, err
	}
	if err := u.Belong(n.ID, n.Contact); err != nil {
		return n, err
	}
	if err := there.logged(n, Event{Move: MoveOpen, Detail: "moved from " + u.group.Title}); err != nil {
		return n, err
	}
	return n, there.post(Post{Kind: CardPost, Conversation: n.ID}, n.ID)
}

// takeTodos gives the to-dos about a conversation to the group that it went to, if whose they are is there, too. The
// others stay where they are, about none.
func (u *use) takeTodos(from, to ConversationID, target Group) error {
	team, err := u.Present(target.Name)
	if err != nil {
		return err
	}
	_, err = u.eachTodo(TodoQuery{Conversation: from}, func(t *Todo) (bool, error) {
		if t.Conversation = 0; among(team, t.Owner) {
			t.Group, t.Conversation, t.Contact = target.Name, to, 0
		}
		return true, nil
	})
	return err
}

// elsewhere takes out of a drawing what belongs to another group by now.
func (d *Drawing) elsewhere() {
	if m := &d.Mail; m.ID != 0 && m.Group != d.Post.Group {
		*m = Mail{ID: m.ID, Group: d.Post.Group, Direction: m.Direction, Received: m.Received, Sent: m.Sent, By: m.By, Subject: ErasedText, Text: ErasedText, Reply: ErasedText}
	}
	if t := &d.Todo; t.ID != 0 && t.Group != d.Post.Group {
		*t = Todo{ID: t.ID, Group: d.Post.Group, Owner: t.Owner, By: t.By, Due: t.Due, Made: t.Made, Done: t.Done, DoneBy: t.DoneBy, Reminded: t.Reminded, Text: ErasedText}
		d.TodoContact = Contact{}
	}
	if r := &d.Reply; r.ID != 0 && r.Group != d.Post.Group {
		*r = Reply{ID: r.ID, Group: d.Post.Group, Conversation: d.Post.Conversation, By: r.By, State: r.State, Created: r.Created, SentAt: r.SentAt, Subject: ErasedText, Text: ErasedText}
	}
}
