package ticketing_test

import (
	"fmt"
	"testing"
	"time"

	. "groupmail/ticketing"
)

// count counts the posts of a kind on the board.
func (o *office) count(kind PostKind) (n int) {
	o.t.Helper()
	o.ok(o.store.Read(o.t.Context(), func(tx Tx) (err error) {
		n, err = tx.CountPosts("x/board", kind, time.Unix(0, 0), 1<<30)
		return err
	}))
	return n
}

// What of a flood is taken, assigned, answered elsewhere or reopened has a card and a thread to go on in.
func TestFloodTaken(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.setGroup(func(g *Group) { g.Flood = 1 })
		o.flood(6, maria, "m")
		all := o.all()
		flood := all[1].ID
		digest := func() Digest { t.Helper(); return o.drawing(o.post(DigestPost, flood)).Digest }
		want := o.post(DigestPost, flood).Want
		c, err := o.desk.Take(t.Context(), by(ann), all[2].ID)
		o.ok(err)
		if c.Flood != 0 || o.card(c.ID).Post.ID == 0 || o.post(DigestPost, flood).Want == want || digest().Waits != 4 {
			t.Errorf("taken: %+v, the digest shows %+v", c, digest())
		}
		o.arrives(mail(maria, "more@example.net", "Re: m 2", "more", "m2@example.net"))
		o.post(MailPost, o.shown(all[2].ID).Mails[0].ID)

		_, err = o.desk.Assign(t.Context(), by(ann), all[3].ID, ben.ID)
		o.ok(err)
		o.card(all[3].ID)

		o.ok(o.desk.Receive(t.Context(), Arrival{
			Mailbox: SentName("help"), Ref: Ref{Validity: "1", UID: "1"}, Seen: o.now(), Sent: true,
			Mail: mail(Address{Addr: "help@example.org"}, "sent@example.org", "Re: m 4", "we come", "m4@example.net"),
		}))
		if c := o.all()[4]; c.State != Waiting || c.Flood != 0 {
			t.Errorf("answered elsewhere: %+v", c)
		}
		o.card(all[4].ID)
		o.post(MailPost, o.shown(all[4].ID).Mails[0].ID)

		want = o.post(DigestPost, flood).Want
		_, err = o.desk.NoAnswer(t.Context(), by(ann), all[5].ID)
		o.ok(err)
		if o.post(DigestPost, flood).Want == want || digest().Waits != 1 || o.cards() != 4 {
			t.Errorf("the digest shows %+v, %d cards", digest(), o.cards())
		}
	})
}

// A button that names no flood, or nobody, touches nothing.
func TestFloodOfNobody(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.setGroup(func(g *Group) { g.Flood = 1 })
		o.flood(3, maria, "m")
		_, err := o.desk.SpamCollected(t.Context(), by(ann), o.all()[1].ID, "")
		o.refused(err, BadInput)
		_, err = o.desk.SpamCollected(t.Context(), by(ann), 0, maria.Addr)
		o.refused(err, BadInput)
		for _, c := range o.all() {
			if c.State != New {
				t.Errorf("%+v", c)
			}
		}
	})
}

// What was discarded from the held list, or is put back into the mailbox while it is there, has a card
// once it is work after all.
func TestHeldComesBack(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		var ids []ConversationID
		for i := range 4 {
			m := mail(maria, fmt.Sprintf("v%d@example.net", i), "Away", fmt.Sprint("I am away ", i))
			m.AutoReply = true
			o.arrives(m)
			ids = append(ids, o.all()[i].ID)
		}
		for _, id := range ids[:2] {
			_, err := o.desk.Discard(t.Context(), by(ann), id)
			o.ok(err)
		}
		o.arrives(mail(maria, "m1@example.net", "Re: Away", "I am back", "v0@example.net"))
		_, err := o.desk.Reopen(t.Context(), by(ann), ids[1])
		o.ok(err)
		again := mail(maria, "v2@example.net", "Away", "I am away 2")
		again.AutoReply = true
		o.arrives(again)
		for i, id := range ids[:3] {
			if c := o.all()[i]; !c.Open() || o.card(id).Post.ID == 0 {
				t.Errorf("%d: %+v", i, c)
			}
		}
		if n := o.count(PointerPost); n != 0 {
			t.Errorf("%d lines point to cards that are new themselves", n)
		}
		if dr := o.drawing(o.post(HeldPost, "help")); dr.Tally.Held != 1 {
			t.Errorf("held: %+v", dr.Tally)
		}
	})
}

// The list goes through all that is held, whatever order the mails came in.
func TestHeldOrder(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		for i := range 5 { // the newest is picked up first
			m := mail(maria, fmt.Sprintf("v%d@example.net", i), "Away", fmt.Sprint("I am away ", i))
			m.AutoReply = true
			o.ok(o.desk.Receive(t.Context(), Arrival{Mailbox: "help", Ref: Ref{Validity: "1", UID: fmt.Sprint(i)}, Seen: o.now().Add(-time.Duration(i) * time.Hour), Mail: m}))
		}
		seen := map[ConversationID]bool{}
		q := HeldBy("help")
		for q.Limit = 1; ; {
			p, err := o.desk.List(t.Context(), "x/board", q)
			o.ok(err)
			q.Place = p.List[0].PlaceIn(q.Order)
			seen[q.Place.ID] = true
			if !p.More {
				break
			}
		}
		if len(seen) != 5 {
			t.Errorf("%d of 5 were seen", len(seen))
		}
	})
}

// Neither many mails in one conversation nor answers to what is held get around the bound.
func TestFloodOfAnswers(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.setGroup(func(g *Group) { g.Flood = 3 })
		for i := range 10 {
			m := mail(maria, fmt.Sprintf("v%d@example.net", i), "Away", fmt.Sprint("I am away ", i))
			m.AutoReply = true
			o.arrives(m)
			o.arrives(mail(maria, fmt.Sprintf("a%d@example.net", i), "Re: Away", fmt.Sprint("back ", i), fmt.Sprintf("v%d@example.net", i)))
		}
		if o.cards() != 3 || o.waiting() != 7 || o.count(DigestPost) != 1 {
			t.Errorf("%d cards, %d wait without one, %d digests", o.cards(), o.waiting(), o.count(DigestPost))
		}
		for i := range 10 {
			o.arrives(mail(maria, fmt.Sprintf("b%d@example.net", i), "Re: Away", fmt.Sprint("hello? ", i), "v0@example.net"))
		}
		if n := o.count(PointerPost); n != 3 {
			t.Errorf("%d lines point to one card", n)
		}
	})
}

// Thousands of mails of as many senders cost the channel as many cards as are let through, and one
// digest; an ordinary customer waits in the queue like everybody.
func TestGreatFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of mails")
	}
	eachStore(t, func(t *testing.T, o *office) {
		const n = 1000
		o.setGroup(func(g *Group) { g.Flood = 20 })
		for i := range n {
			o.arrives(mail(Address{Addr: fmt.Sprintf("p%d@example.net", i)}, fmt.Sprintf("f%d@example.net", i), "Buy", fmt.Sprint("now ", i)))
		}
		o.arrives(mail(maria, "m1@example.net", "Heating", "cold"))
		if o.cards() != 20 || o.count(DigestPost) != 1 || o.waiting() != n+1-20 {
			t.Fatalf("%d cards, %d digests, %d wait", o.cards(), o.count(DigestPost), o.waiting())
		}
		dr := o.drawing(o.post(DigestPost, o.all()[20].ID))
		if dr.Digest.Waits != n+1-20 || len(dr.Digest.Writers) > 5 {
			t.Errorf("the digest shows %d of %d senders", dr.Digest.Waits, len(dr.Digest.Writers))
		}
		o.pass(6 * time.Minute)
		if shown, err := o.desk.SweepFloods(t.Context()); shown != 0 || err != nil {
			t.Errorf("%d shown unasked, %v", shown, err)
		}
	})
}

// Undo takes back what was marked with all of a sender, and that only.
func TestUndoOfAFloodsSpam(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.setGroup(func(g *Group) { g.Flood = 1 })
		o.flood(230, peter, "news") // more than two use cases
		flood := o.all()[1].ID
		singly := o.all()[7].ID
		_, err := o.desk.Spam(t.Context(), by(ann), singly)
		o.ok(err)
		n, err := o.desk.SpamCollected(t.Context(), by(ann), flood, "Peter@example.net")
		o.ok(err)
		if n != 228 {
			t.Errorf("%d marked", n)
		}
		o.pass(time.Minute)
		o.flood(2, peter, "more")
		began := o.now()
		n, err = o.desk.SpamCollected(t.Context(), by(ben), flood, peter.Addr)
		o.ok(err)
		if n != 2 || o.waiting() != 0 {
			t.Errorf("%d more marked, %d wait", n, o.waiting())
		}
		for range 2 {
			_, err = o.desk.UndoSpamCollected(t.Context(), by(ben), flood, peter.Addr, began)
			o.ok(err)
			if o.waiting() != 2 {
				t.Errorf("the later ones alone: %d wait", o.waiting())
			}
		}
		n, err = o.desk.UndoSpamCollected(t.Context(), by(ann), flood, peter.Addr, began.Add(-time.Minute))
		o.ok(err)
		if n != 228 || o.waiting() != 230 || o.shown(singly).State != Spam {
			t.Errorf("%d undone, %d wait, the one marked singly is %s", n, o.waiting(), o.shown(singly).State)
		}
	})
}

// Writers are counted without the case of their addresses.
func TestFloodWritersWithoutCase(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.setGroup(func(g *Group) { g.Flood = 1 })
		for i, a := range []string{"x@example.net", "News@example.net", "NEWS@Example.net", "a@example.net", "news@example.net"} {
			o.arrives(mail(Address{Addr: a}, fmt.Sprintf("m%d@example.net", i), "Buy", fmt.Sprint("now ", i)))
		}
		w, err := o.desk.FloodWriters(t.Context(), "help", o.all()[1].ID, 10)
		o.ok(err)
		if len(w) != 2 || w[0].Count != 3 || w[1].Count != 1 {
			t.Errorf("%+v", w)
		}
	})
}

// Turning the pages of a list there and back shows all of it, each once, also while some go.
func TestPages(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		for i := range 50 {
			at := o.now().Add(-time.Duration(i%7) * time.Minute) // many wait equally long
			o.ok(o.desk.Receive(t.Context(), Arrival{Mailbox: "help", Ref: Ref{Validity: "1", UID: fmt.Sprint("p", i)}, Seen: at,
				Mail: mail(maria, fmt.Sprintf("p%d@example.net", i), fmt.Sprint("m ", i), fmt.Sprint("text ", i))}))
		}
		q := Waits("help", "")
		whole, err := o.desk.List(t.Context(), "x/board", q)
		o.ok(err)
		turn := func(place Place, back bool) ListPage {
			t.Helper()
			q.Limit, q.Place, q.Back = 20, place, back
			p, err := o.desk.List(t.Context(), "x/board", q)
			o.ok(err)
			return p
		}
		is := func(p ListPage, before, n int, more bool) {
			t.Helper()
			if p.Before != before || len(p.List) != n || p.All != 50 || p.More != more {
				t.Fatalf("%d before %d of %d, more %v", p.Before, len(p.List), p.All, p.More)
			}
			for i, l := range p.List {
				if l.ID != whole.List[before+i].ID {
					t.Errorf("%d is %d, not %d", before+i, l.ID, whole.List[before+i].ID)
				}
			}
		}
		first := turn(Place{}, false)
		is(first, 0, 20, true)
		second := turn(first.List[19].PlaceIn(q.Order), false)
		is(second, 20, 20, true)
		third := turn(second.List[19].PlaceIn(q.Order), false)
		is(third, 40, 10, false)
		is(turn(third.List[0].PlaceIn(q.Order), true), 20, 20, true)
		is(turn(second.List[5].PlaceIn(q.Order), true), 5, 20, true)
		is(turn(second.List[0].PlaceIn(q.Order), true), 0, 20, true)
		is(turn(first.List[3].PlaceIn(q.Order), true), 0, 20, true) // not three
		is(turn(Place{}, true), 30, 20, false)
		is(turn(third.List[9].PlaceIn(q.Order), false), 30, 20, false) // nothing is left there: the end

		for _, l := range append(first.List[:10:10], second.List[19]) { // some go, the place is one of them
			_, err := o.desk.Take(t.Context(), by(ann), l.ID)
			o.ok(err)
		}
		p := turn(second.List[19].PlaceIn(q.Order), false)
		if p.Before != 29 || len(p.List) != 10 || p.All != 39 || p.List[0].ID != third.List[0].ID {
			t.Errorf("%d before %d of %d, the first %d", p.Before, len(p.List), p.All, p.List[0].ID)
		}
		mine, err := o.desk.List(t.Context(), "x/board", Mine("help", ann.ID))
		o.ok(err)
		if mine.All != 11 || mine.List[0].Holder.Name != "Ann" || mine.List[0].Card.ID == 0 {
			t.Errorf("%d are mine, %+v", mine.All, mine.List[0])
		}
		if p, err := o.desk.List(t.Context(), "x/board", Has("help", "info")); err != nil || p.All != 0 || p.More || len(p.List) != 0 {
			t.Errorf("nobody has any of another mailbox: %+v, %v", p, err)
		}
	})
}
