package ticketing

import (
	"context"
	"time"
)

// Keep says for how long what people wrote is kept. Zero: forever.
type Keep struct {
	Spam    time.Duration // once it was marked as spam
	Untaken time.Duration // new without a number, or held, and nothing has come since
	Closed  time.Duration // closed, and nothing has come since
}

// LogErased is in the log only: the time to keep it was over.
const LogErased Move = "erased"

// ErasedText stands where words were that were erased.
const ErasedText = "(erased)"

// SweepKept erases the content of conversations whose time is over, each in a transaction of its own,
// and draws what showed it. What identifies mails stays, so that the same do not return, and so does
// the action log. Files that were posted into a thread stay there: a message that is drawn anew keeps
// its files, and deleting whole messages is left to people. It returns how many were erased.
func (d *Desk) SweepKept(ctx context.Context) (erased int, err error) {
	for _, g := range d.groups {
		for state, keep := range map[State]time.Duration{Spam: g.Keep.Spam, New: g.Keep.Untaken, Held: g.Keep.Untaken, Closed: g.Keep.Closed} {
			if keep <= 0 {
				continue
			}
			n, err := d.sweepKept(ctx, g, state, keep)
			if erased += n; err != nil {
				return erased, err
			}
		}
	}
	return erased, nil
}

func (d *Desk) sweepKept(ctx context.Context, g Group, state State, keep time.Duration) (erased int, err error) {
	const atOnce = 100
	before := d.clock().Add(-keep)
	for {
		var over []Conversation
		err := d.store.Read(ctx, func(tx Tx) error {
			over, err = tx.Conversations(Query{Group: g.Name, States: []State{state}, UnerasedSince: before, Limit: atOnce})
			return err
		})
		if err != nil {
			return erased, err
		}
		before := before
		progress := false
		for _, o := range over {
			done := false
			err := d.change(ctx, By{Group: g.Name}, func(u *use) error {
				c, err := u.Conversation(o.ID)
				if err != nil || c.State != state || !c.Erased.IsZero() || !c.Since.Before(before) || !c.Touched.Before(before) {
					return err // a mail or a person was quicker
				}
				done, err = u.erase(&c)
				return err
			})
			if err != nil {
				return erased, err
			}
			if done {
				progress = true
				erased++
			}
		}
		if len(over) < atOnce || !progress {
			return erased, nil
		}
	}
}

// erase takes the words out of a conversation, unless an answer is just on its way out.
func (u *use) erase(c *Conversation) (bool, error) {
	replies, err := u.Replies(c.ID, Asking, Failed, Pending, Sending, Unknown)
	if err != nil {
		return false, err
	}
	for _, r := range replies {
		switch r.State {
		case Sending, Unknown:
			return false, nil
		}
		r.State, r.Why = Cancelled, ""
		if err := u.SetReply(r); err != nil {
			return false, err
		}
	}
	joined, err := u.Erase(c.ID, u.now)
	if err != nil {
		return false, err
	}
	c.Subject, c.With, c.Note, c.NewPerson, c.Files = ErasedText, Address{}, "", Address{}, 0
	c.Erased, c.Contact, c.Perhaps, c.Match, c.Matched = u.now, 0, 0, "", ""
	was := c.State
	if was == New || was == Held { // nobody is asked to answer it any more
		c.State, c.Outcome, c.Closed, c.Since, c.Overdue = Closed, "nobody took it in time", u.now, u.now, false
	}
	if err := u.SetConversation(*c); err != nil {
		return false, err
	}
	if was == Held {
		if err := u.unheld(c); err != nil {
			return false, err
		}
	}
	if err := u.logged(*c, Event{Move: LogErased}); err != nil {
		return false, err
	}
	if c.Flood != 0 {
		if err := u.raise(PostsWhere{Conversation: c.Flood, Kind: DigestPost}); err != nil {
			return false, err
		}
	}
	for _, id := range append(joined, c.ID) {
		if err := u.raise(PostsWhere{Conversation: id}); err != nil {
			return false, err
		}
	}
	return true, nil
}
