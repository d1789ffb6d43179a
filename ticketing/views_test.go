package ticketing_test

import (
	"testing"
	"time"

	. "groupmail/ticketing"
)

// card reads what the card of a conversation shows.
func (o *office) card(id ConversationID) Drawing {
	o.t.Helper()
	p := o.shown(id).Card
	dr, err := o.desk.Drawing(o.t.Context(), p.ID)
	o.ok(err)
	return dr
}

// sends lets a reply go out.
func (o *office) sends(r Reply) {
	o.t.Helper()
	o.pass(time.Minute)
	claimed, err := o.desk.ClaimReply(o.t.Context(), r.ID)
	o.ok(err)
	o.ok(o.desk.FinishReply(o.t.Context(), claimed, Attempt{Sent: mail(r.From, r.MessageID, "Re: "+r.Subject, r.Text)}))
}

func TestTheCardHasTheNewestMailOfTheOtherSide(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		newest := func(id ConversationID, want string) {
			t.Helper()
			if dr := o.card(id); dr.Newest.Reply != want || want != "" && !dr.Newest.Asks() {
				t.Errorf("the newest is %q, want %q", dr.Newest.Reply, want)
			}
		}
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		id := o.one().ID
		newest(id, "cold")
		o.arrives(mail(maria, "2@x", "Re: Heating", "colder", "1@x"))
		newest(id, "colder")
		if dr := o.card(id); dr.First.Reply != "cold" {
			t.Errorf("the first is %q", dr.First.Reply)
		}
		away := mail(maria, "3@x", "Away", "back on Monday", "2@x")
		away.AutoReply = true
		o.arrives(away)
		newest(id, "colder")
		o.sends(o.answered(ann, id, "We are coming."))
		newest(id, "colder")
		for i := range 3 { // more than are looked at first
			away.MessageID, away.Digest = "a"+string(rune('0'+i))+"@x", "away"+string(rune('0'+i))
			o.arrives(away)
		}
		newest(id, "colder")
		o.arrives(mail(peter, "4@x", "Re: Heating", "me too", "2@x"))
		newest(id, "me too")
		if dr := o.card(id); !dr.Newest.NewPerson {
			t.Error("the stranger is none")
		}

		// Joined: the ticket shows what came last, the card that was joined still its own.
		m := mail(Address{Addr: "maria@elsewhere.example"}, "5@x", "About [#1]", "from my other address")
		m.TicketRef = 1
		o.arrives(m)
		other := o.all()[1].ID
		newest(other, "from my other address")
		_, err := o.desk.Join(t.Context(), by(ann), other, 1)
		o.ok(err)
		newest(id, "from my other address")
		newest(other, "from my other address")

		// A matter without mail has none, even when we have written first.
		c, err := o.desk.OpenTicket(t.Context(), by(ann), TicketInput{Summary: "Rang about the bill", With: maria, Note: "Call back"})
		o.ok(err)
		newest(c.ID, "")
		r := o.answered(ann, c.ID, "About your call")
		o.sends(r)
		newest(c.ID, "")
		o.arrives(mail(maria, "6@x", "Re: your call", "Thank you", r.MessageID))
		newest(c.ID, "Thank you")

		// The parent that comes after its child is not newer.
		o.arrives(mail(maria, "8@x", "Re: Bill", "child", "7@x"))
		o.arrives(mail(maria, "7@x", "Bill", "parent"))
		all := o.all()
		newest(all[len(all)-1].ID, "child")
	})
}

func TestWhoHasItSinceWhen(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		id := o.one().ID
		took := o.now()
		_, err := o.desk.Take(t.Context(), by(ann), id)
		o.ok(err)
		o.pass(time.Hour)
		r := o.answered(ann, id, "We are coming.")
		o.sends(r)
		o.pass(time.Hour)
		o.arrives(mail(maria, "2@x", "Re: Heating", "Thank you", r.MessageID))
		if c := o.one(); c.State != Taken || c.Owner != ann.ID || !c.Since.Equal(took) {
			t.Errorf("Ann took it at %v; it says %+v", took, c)
		}
	})
}

func TestTheCardKnowsTheLinesOfReplies(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		id := o.one().ID
		r := o.answered(ann, id, "We are coming.")
		if dr := o.card(id); len(dr.Replies) != 1 || dr.Line(r.ID) != "" {
			t.Errorf("before its line is posted: %v, %q", dr.Replies, dr.Line(r.ID))
		}
		o.mu.Lock()
		ids := o.posts
		o.mu.Unlock()
		for _, p := range ids {
			dr, err := o.desk.Drawing(t.Context(), p)
			o.ok(err)
			if dr.Post.Kind == ReplyPost {
				_, err = o.desk.Drawn(t.Context(), p, "m7", dr.Post.Want)
				o.ok(err)
			}
		}
		if dr := o.card(id); dr.Line(r.ID) != "m7" {
			t.Errorf("its line is %q", dr.Line(r.ID))
		}
	})
}
