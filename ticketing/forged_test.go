package ticketing_test

import (
	"slices"
	"testing"

	. "groupmail/ticketing"
)

// Who only claims to be somebody gets no part in their conversation, and no answer.
func TestForgedFollowUps(t *testing.T) {
	attacker := Address{Addr: "attacker@evil.example"}
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		maria1 := o.add("Maria Kovács", "maria@example.net")
		first := mail(maria, "1@x", "Invoice", "hello")
		first.Proof = Proved
		c := o.from(first)
		_, err := o.desk.Take(ctx, by(ann), c.ID)
		o.ok(err)

		guessed := mail(maria, "2@x", "Re: Invoice [#1]", "pay elsewhere")
		guessed.Proof, guessed.TicketRef = Forged, 1
		if other := o.from(guessed); other.ID == c.ID || other.Mentions != 1 || other.Contact != 0 || other.Perhaps != maria1.ID {
			t.Errorf("by its number it joined: %+v", other)
		}
		answer := mail(maria, "3@x", "Re: Invoice", "pay elsewhere, really", "1@x")
		answer.Proof, answer.ReplyTo = Forged, []Address{attacker}
		o.arrives(answer)
		s := o.shown(c.ID)
		if m := s.Mails[0]; len(s.Mails) != 2 || !m.NewPerson || m.Contact != 0 || s.Mails[1].Contact != maria1.ID {
			t.Errorf("%+v", s.Mails)
		}
		dr, err := o.desk.Draft(ctx, by(ann), c.ID)
		o.ok(err)
		if len(dr.To) != 1 || !dr.To[0].Is(maria) || len(dr.Cc) != 0 {
			t.Errorf("the answer goes to %v, cc %v", dr.To, dr.Cc)
		}
		if card := o.card(c.ID); card.Newest.Proof != Forged {
			t.Errorf("the card shows %+v", card.Newest)
		}
		_, err = o.desk.AttachContact(ctx, by(ann), c.ID, maria1.ID)
		o.ok(err)
		if m := o.shown(c.ID).Mails[0]; m.Contact != 0 {
			t.Error("it belongs to the contact after all")
		}
	})
}

// An unproved follow-up does not divert the answers to a stranger; machines may within their domain, and who is proved
// to have said so may.
func TestDivertedAnswers(t *testing.T) {
	stranger := Address{Addr: "attacker@evil.example"}
	eachStore(t, func(t *testing.T, o *office) {
		c := o.from(mail(maria, "1@x", "Invoice", "hello"))
		for i, step := range []struct {
			replyTo  Address
			proof    Proof
			to       Address
			stranger bool
		}{
			{stranger, Unproved, maria, true},
			{Address{Addr: "reply+17@lists.example.net"}, Unproved, Address{Addr: "reply+17@lists.example.net"}, false},
			{Address{Addr: "maria@not-example.net"}, Unproved, maria, true},
			{peter, Unproved, maria, true},
			{Address{Addr: "new@elsewhere.example"}, Proved, Address{Addr: "new@elsewhere.example"}, false},
			{Address{Addr: "new@elsewhere.example"}, Unproved, Address{Addr: "new@elsewhere.example"}, false}, // has a part by now
		} {
			m := mail(maria, "f"+string(rune('0'+i))+"@x", "Re: Invoice", "more "+string(rune('0'+i)), "1@x")
			m.Proof, m.ReplyTo = step.proof, []Address{step.replyTo}
			o.arrives(m)
			dr, err := o.desk.Draft(t.Context(), by(ann), c.ID)
			o.ok(err)
			if len(dr.To) != 1 || !dr.To[0].Is(step.to) || slices.ContainsFunc(dr.Cc, step.replyTo.Is) {
				t.Errorf("%d: the answer goes to %v, cc %v", i, dr.To, dr.Cc)
			}
			if dr.Stranger.Is(step.replyTo) != step.stranger {
				t.Errorf("%d: flagged is %v", i, dr.Stranger)
			}
		}
	})
}
