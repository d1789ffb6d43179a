package ticketing

import (
	"context"
	"errors"
)

// heldFor tells why a mail that belongs to nothing known is held; empty if it is not. What machines
// of shops and web forms write is work, and gets a card.
func heldFor(m Mail) Reason {
	switch {
	case m.Bounce, m.Report.Delay:
		return HeldBounce
	case m.AutoReply:
		return HeldAutoReply
	}
	return ""
}

// Admit releases a held mail: it gets a card, as if it had just come.
func (d *Desk) Admit(ctx context.Context, by By, id ConversationID) (Conversation, error) {
	return d.moveTo(ctx, by, id, step{move: MoveAdmit}, "", (*use).unheld)
}

// Discard takes a mail from the held list for good; Undo brings it back there.
func (d *Desk) Discard(ctx context.Context, by By, id ConversationID) (Conversation, error) {
	return d.moveTo(ctx, by, id, step{move: MoveDiscard, outcome: Discarded}, "", (*use).unheld)
}

// DiscardAll discards what a group holds for a reason, up to the conversation that the member has
// seen as the newest. Each is one use case: what is done when it fails half-way stays done. It
// returns how many.
func (d *Desk) DiscardAll(ctx context.Context, by By, reason Reason, upTo ConversationID) (discarded int, err error) {
	const atOnce = 200
	by.Event = "" // of many use cases; each is harmless when repeated
	after := ConversationID(0)
	for {
		held, err := d.HeldMails(ctx, by.Group, after, atOnce)
		if err != nil || len(held) == 0 {
			return discarded, err
		}
		for _, c := range held {
			after = c.ID
			if c.ID > upTo {
				return discarded, nil
			}
			if c.HeldFor != reason {
				continue
			}
			var no Refusal
			switch _, err := d.Discard(ctx, by, c.ID); {
			case err == nil:
				discarded++
			case !errors.As(err, &no): // a refusal: somebody was quicker
				return discarded, err
			}
		}
	}
}

// HeldMails lists what a group holds, in the order in which it was picked up, from behind a
// conversation on; 0: from the beginning.
func (d *Desk) HeldMails(ctx context.Context, group string, after ConversationID, limit int) (held []Conversation, err error) {
	if after == 0 {
		after = -1
	}
	err = d.store.Read(ctx, func(tx Tx) error {
		held, err = tx.Conversations(Query{Group: group, States: []State{Held}, After: after, Limit: limit})
		return err
	})
	return held, err
}

// unheld shows that there is one less, or one more.
func (u *use) unheld(*Conversation) error { return u.postOrRaise(Post{Kind: HeldPost}, u.group.Name) }

// NewestHeld is the newest conversation that a group holds; 0 if it holds none.
func (d *Desk) NewestHeld(ctx context.Context, group string) (id ConversationID, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		held, err := tx.Conversations(Query{Group: group, States: []State{Held}, Latest: true, Limit: 1})
		if err == nil && len(held) == 1 {
			id = held[0].ID
		}
		return err
	})
	return id, err
}
