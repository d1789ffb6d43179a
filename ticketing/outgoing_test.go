package ticketing_test

import (
	"slices"
	"strings"
	"testing"

	. "groupmail/ticketing"
)

// direct are the posts for one member alone, by kind.
func (o *office) direct(kind PostKind) (all []Drawing) {
	o.t.Helper()
	o.mu.Lock()
	ids := slices.Clone(o.posts)
	o.mu.Unlock()
	for _, id := range ids {
		dr, err := o.desk.Drawing(o.t.Context(), id)
		o.ok(err)
		if dr.Post.Kind == kind && dr.Post.To != "" {
			all = append(all, dr)
		}
	}
	return all
}

func TestNewMail(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		known := o.add("Maria Kovács", "maria@example.net")
		r, err := o.desk.NewMail(ctx, by(ben), NewMailInput{Mailbox: "info", To: []Address{maria}, Cc: []Address{peter}, Subject: " Your\norder ", Text: " It is here. "})
		o.ok(err)
		if r.State != Pending || r.Subject != "Your order" || r.Text != "It is here." || r.Mailbox != "info" || r.From.Addr != "info@example.org" || r.InReplyTo != nil || r.MessageID == "" {
			t.Errorf("%+v", r)
		}
		c := o.read(r.Conversation)
		if c.State != Taken || c.Owner != ben.ID || c.Number == 0 || c.Contact != known.ID || c.With != maria || c.Seq != r.Seq {
			t.Errorf("%+v", c)
		}
		if _, _, begun, err := o.desk.Number(ctx, c.ID); begun || err != nil {
			t.Errorf("it has begun already, %v", err)
		}
		// The answer joins, also before ours was sent; the sender takes part.
		o.arrives(mail(maria, "a@x", "Re: Your order", "Thank you", r.MessageID))
		if got := o.read(c.ID); got.Mails != 1 || got.NewPerson.Addr != "" {
			t.Errorf("%+v", got)
		}
		// It is stopped like any other.
		stopped, err := o.desk.StopReply(ctx, by(ben), r.ID)
		o.ok(err)
		if stopped.State != Cancelled {
			t.Errorf("%+v", stopped)
		}
		for field, in := range map[string]NewMailInput{
			"to":      {Subject: "x", Text: "x"},
			"subject": {To: []Address{maria}, Text: "x"},
			"text":    {To: []Address{maria}, Subject: "x", Text: " "},
			"mailbox": {To: []Address{maria}, Subject: "x", Text: "x", Mailbox: "none"},
		} {
			_, err := o.desk.NewMail(ctx, by(ben), in)
			o.refused(err, BadInput)
			if no, _ := err.(Refusal); no.Field != field { //nolint:errorlint // refused has looked
				t.Errorf("%s: it is about %q", field, no.Field)
			}
		}
		_, err = o.desk.NewMail(ctx, by(ben), NewMailInput{To: []Address{{Addr: "HELP@example.org"}}, Subject: "x", Text: "x"})
		if text := o.refused(err, BadInput); !strings.Contains(text, "own address") {
			t.Errorf("%s", text)
		}
		// Pressed twice: once.
		twice := by(ben)
		twice.Event = "form 1"
		_, err = o.desk.NewMail(ctx, twice, NewMailInput{To: []Address{peter}, Subject: "once", Text: "x"})
		o.ok(err)
		if _, err = o.desk.NewMail(ctx, twice, NewMailInput{To: []Address{peter}, Subject: "once", Text: "x"}); err == nil {
			t.Error("it was sent twice")
		}
	})
}

func TestTicketWithAContact(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		known := o.add("Maria Kovács", "@example.net", "maria@example.net")
		c, err := o.desk.OpenTicket(t.Context(), by(ann), TicketInput{Summary: "Came by", Contact: known.ID, Note: "Wants a chair", Outcome: "phoned"})
		o.ok(err)
		if c.Contact != known.ID || c.With != (Address{Name: "Maria Kovács", Addr: "maria@example.net"}) || c.State != Closed || c.Outcome != "phoned" || c.Number == 0 || c.ClosedBy != ann.ID {
			t.Errorf("%+v", c)
		}
		_, err = o.desk.OpenTicket(t.Context(), by(ann), TicketInput{Summary: "x", Contact: 999})
		o.refused(err, NotFound)
	})
}

func TestWatchersAreTold(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		known := o.add("Maria Kovács", "maria@example.net")
		work := o.add("M. Kovacs", "mk@office.example")
		for _, m := range []Member{ann, ben} {
			_, err := o.desk.Watch(ctx, by(m), known.ID, true)
			o.ok(err)
		}
		_, err := o.desk.Watch(ctx, by(ann), work.ID, true)
		o.ok(err)
		_, err = o.desk.MergeContacts(ctx, by(ann), work.ID, known.ID)
		o.ok(err)

		o.arrives(mail(maria, "1@x", "Heating", "It is cold"))
		got := o.direct(WatchPost)
		if len(got) != 2 || got[0].Mail.Subject != "Heating" || got[0].Known.ID != known.ID || got[0].Post.To == got[1].Post.To {
			t.Fatalf("%d were told: %+v", len(got), got)
		}
		o.arrives(mail(maria, "2@x", "Re: Heating", "Still", "1@x"))                            // a follow-up, too
		o.arrives(mail(Address{Addr: "mk@office.example"}, "3@x", "From the office", "merged")) // watched twice, told once
		if got = o.direct(WatchPost); len(got) != 6 {
			t.Errorf("%d were told", len(got))
		}
		auto := mail(maria, "4@x", "Away", "I am away", "1@x")
		auto.AutoReply = true
		o.arrives(auto)
		forged := mail(maria, "5@x", "Money", "Send money")
		forged.Proof = Forged
		o.arrives(forged)
		o.arrives(mail(peter, "6@x", "Other", "Somebody else"))
		if got = o.direct(WatchPost); len(got) != 6 {
			t.Errorf("%d were told, also of what she did not write", len(got))
		}
		o.ok(o.desk.SetPresent(ctx, "x/board", []Member{ann})) // Ben has left
		o.arrives(mail(maria, "7@x", "Once more", "Hello"))
		if got = o.direct(WatchPost); len(got) != 7 {
			t.Errorf("%d were told", len(got))
		}
	})
}

func TestForward(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		c := o.from(mail(maria, "1@x", "Heating", "It is cold"))
		_, err := o.desk.Forward(t.Context(), by(ann), c.ID, ben.ID, "please\nlook")
		o.ok(err)
		got := o.direct(ForwardPost)
		if len(got) != 1 || got[0].Post.To != ben.ID || got[0].Event.Detail != "please look" || got[0].Named(got[0].Event.Member).Name != "Ann" || got[0].Conversation.ID != c.ID {
			t.Errorf("%+v", got)
		}
		_, err = o.desk.Forward(t.Context(), by(ann), c.ID, "x:stranger", "")
		o.refused(err, BadInput)
		p, err := o.desk.NewPage(t.Context(), by(ann), "How to bleed a radiator", "First …", "")
		o.ok(err)
		_, err = o.desk.ForwardPage(t.Context(), by(ann), p.ID, ben.ID, "read this")
		o.ok(err)
		if got = o.direct(ForwardPost); len(got) != 2 || got[1].Page.Title != p.Title {
			t.Errorf("%+v", got)
		}
	})
}
