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

// DiscardAll discards what a group holds for a reason, up to the last that the member has seen. Each is
// one use case: what is done when it fails half-way stays done. It returns how many.
func (d *Desk) DiscardAll(ctx context.Context, by By, reason Reason, last Place) (discarded int, err error) {
	by.Event = "" // of many use cases; each is harmless when repeated
	q := HeldBy(by.Group)
	q.Limit = 200
	for {
		held, err := d.conversations(ctx, q)
		if err != nil || len(held) == 0 {
			return discarded, err
		}
		for _, c := range held {
			q.Place = c.PlaceIn(q.Order)
			if q.Place.behind(last) {
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

// HeldBy selects what a group holds, as it was put aside.
func HeldBy(group string) Query { return Query{Group: group, States: []State{Held}, Order: BySince} }

// LastHeld is where the list of what a group holds ends; zero if it holds nothing.
func (d *Desk) LastHeld(ctx context.Context, group string) (Place, error) {
	q := HeldBy(group)
	q.Back, q.Limit = true, 1
	held, err := d.conversations(ctx, q)
	if err != nil || len(held) == 0 {
		return Place{}, err
	}
	return held[0].PlaceIn(q.Order), nil
}

func (d *Desk) conversations(ctx context.Context, q Query) (some []Conversation, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		some, err = tx.Conversations(q)
		return err
	})
	return some, err
}

// unheld shows that there is one less, or one more.
func (u *use) unheld(*Conversation) error { return u.postOrRaise(Post{Kind: HeldPost}, u.group.Name) }
