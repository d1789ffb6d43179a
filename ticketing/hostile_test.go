package ticketing_test

import (
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"groupmail/store"
	. "groupmail/ticketing"
)

func lite(t *testing.T) *office {
	return newOffice(t, store.Config{Path: filepath.Join(t.TempDir(), "test.db")})
}

// finish lets a claimed reply be sent.
func (o *office) finish(r Reply) {
	o.t.Helper()
	o.ok(o.desk.FinishReply(o.t.Context(), r, Attempt{Sent: mail(r.From, r.MessageID, "Re", r.Text)}))
}

func (o *office) reply(id ReplyID) Reply {
	o.t.Helper()
	r, err := o.desk.ReplyByID(o.t.Context(), id)
	o.ok(err)
	return r
}

func TestMailsWithoutMessageIDAreNotMistaken(t *testing.T) {
	o := lite(t)
	for _, subject := range []string{"Alarm", "Other alarm", "Alarm"} { // the third is the first once more
		m := mail(maria, "", subject, "The heating is off.")
		m.Sent = time.Time{}
		o.arrives(m)
	}
	if got := len(o.all()); got != 3 {
		t.Errorf("%d of 3 mails have a card", got)
	}
}

func TestAnAnswerOfAnotherGroupIsAMail(t *testing.T) {
	o := lite(t)
	other := group()
	other.Name, other.Mailboxes, other.Boards = "shop", []Mailbox{{Name: "shop", Address: Address{Addr: "shop@example.org"}}}, nil
	d := NewDesk(o.store, []Group{group(), other}, o.now, slog.New(slog.DiscardHandler))
	o.arrives(mail(Address{Addr: "shop@example.org"}, "1@x", "A question of the shop", "?"))
	r := o.answered(ann, o.one().ID, "An answer")
	m := mail(r.From, r.MessageID, "Re", "An answer")
	m.Ours = r.Mark
	o.ok(d.Receive(t.Context(), Arrival{Mailbox: "shop", Ref: Ref{Validity: "1", UID: "1"}, Mail: m}))
	page, err := d.List(t.Context(), "", Waits("shop", ""))
	if err != nil || len(page.List) != 1 {
		t.Errorf("the shop has %d cards, %v", len(page.List), err)
	}
}

func TestAnEditAfterAFailureIsSent(t *testing.T) {
	o := lite(t)
	ctx := t.Context()
	o.arrives(mail(maria, "1@x", "Heating", "cold"))
	r, err := o.desk.Reply(ctx, by(ann), ReplyInput{Conversation: o.one().ID, Text: "old", Origin: "x/board m", Written: o.now()})
	o.ok(err)
	_, err = o.desk.SendReply(ctx, by(ann), r.ID)
	o.ok(err)
	claim := o.claimed(r.ID)
	_, err = o.desk.Composed(ctx, claim, 1)
	o.ok(err)
	o.ok(o.desk.FinishReply(ctx, claim, Attempt{Error: errors.New("421 later")}))
	if r, err = o.desk.EditReply(ctx, by(ann), "x/board m", "new", nil); err != nil || r.Text != "new" || r.Raw != 0 {
		t.Errorf("edited: %+v, %v", r, err)
	}
	o.pass(time.Hour)
	o.ok(o.desk.FinishReply(ctx, o.claimed(r.ID), Attempt{Error: errors.New("lost"), Unknown: true}))
	_, err = o.desk.EditReply(ctx, by(ann), "x/board m", "newer", nil)
	o.refused(err, Already)
	_, err = o.desk.SendReply(ctx, by(ann), r.ID)
	o.ok(err)
	_, err = o.desk.StopReply(ctx, by(ann), r.ID)
	o.refused(err, Already) // it may have been delivered
}

func TestTryAgainAsksAfterAColleaguesAnswer(t *testing.T) {
	o := lite(t)
	ctx := t.Context()
	o.arrives(mail(maria, "1@x", "Heating", "cold"))
	id := o.one().ID
	anns := o.answered(ann, id, "from Ann")
	o.pass(time.Minute)
	o.ok(o.desk.FinishReply(ctx, o.claimed(anns.ID), Attempt{Error: errors.New("550 no"), Final: true}))
	bens := o.answered(ben, id, "from Ben")
	o.pass(time.Minute)
	o.finish(o.claimed(bens.ID))
	_, err := o.desk.SendReply(ctx, by(ann), anns.ID)
	o.ok(err)
	if _, err := o.desk.ClaimReply(ctx, anns.ID); !errors.Is(err, ErrNotDue) || o.reply(anns.ID).State != Asking {
		t.Errorf("the second answer: %v, %+v", err, o.reply(anns.ID))
	}
}

func TestRepliesOfWhatIsSettledWait(t *testing.T) {
	o := lite(t)
	ctx := t.Context()
	o.arrives(mail(maria, "1@x", "Heating", "cold"))
	id := o.one().ID
	r := o.answered(ann, id, "We are coming.")
	_, err := o.desk.Spam(ctx, by(ann), id)
	o.ok(err)
	o.pass(time.Minute)
	if _, err := o.desk.ClaimReply(ctx, r.ID); !errors.Is(err, ErrNotDue) {
		t.Errorf("spam was answered: %v", err)
	}
	_, err = o.desk.SendReply(ctx, by(ann), r.ID)
	o.refused(err, WrongState)
	_, err = o.desk.Undo(ctx, by(ann), id)
	o.ok(err)
	_, err = o.desk.SendReply(ctx, by(ann), r.ID)
	o.ok(err)
	o.pass(time.Second)
	_, err = o.desk.Close(ctx, by(ben), id, "phoned")
	o.ok(err)
	o.pass(time.Minute)
	if _, err := o.desk.ClaimReply(ctx, r.ID); !errors.Is(err, ErrNotDue) || !strings.Contains(o.reply(r.ID).Error, "closed") {
		t.Errorf("sent though Ben has closed it: %v, %+v", err, o.reply(r.ID))
	}
	_, err = o.desk.SendReply(ctx, by(ann), r.ID)
	o.ok(err)
	_, err = o.desk.ClaimReply(ctx, r.ID)
	o.ok(err) // Ann has seen that it is closed
}

func TestJoiningWithAReplyOnItsWay(t *testing.T) {
	o := lite(t)
	ctx := t.Context()
	o.arrives(mail(maria, "1@x", "Heating", "cold"))
	o.arrives(mail(maria, "2@x", "Also the heating", "colder"))
	all := o.all()
	_, err := o.desk.Take(ctx, by(ann), all[0].ID)
	o.ok(err)
	r := o.answered(ann, all[1].ID, "We are coming.")
	_, err = o.desk.Join(ctx, by(ann), all[1].ID, 1)
	o.refused(err, WrongState)
	_, err = o.desk.StopReply(ctx, by(ann), r.ID)
	o.ok(err)
	dr, err := o.desk.Draft(ctx, by(ann), all[0].ID)
	o.ok(err)
	_, err = o.desk.Join(ctx, by(ann), all[1].ID, 1)
	o.ok(err)
	if due, err := o.desk.Unsettled(ctx, "help", 10); err != nil || len(due) != 0 {
		t.Errorf("due on the server though #1 is open: %v, %v", due, err)
	}
	_, err = o.desk.Reply(ctx, by(ann), ReplyInput{Conversation: all[0].ID, Text: "x", Seq: dr.Seq})
	o.refused(err, Stale) // the joined mail is news
	_, err = o.desk.Reopen(ctx, by(ann), all[1].ID)
	o.refused(err, WrongState)
	tagged := mail(maria, "3@x", "Heating [#2]", "more")
	tagged.TicketRef = 2
	o.arrives(tagged)
	if s := o.shown(all[0].ID); len(s.Mails) != 3 {
		t.Errorf("the tag of the joined ticket leads elsewhere: %+v", o.all())
	}
}

func TestStrangersBecomeNoRecipients(t *testing.T) {
	for name, change := range map[string]func(*Mail){
		"without From": func(m *Mail) { m.From = Address{}; m.ReplyTo = []Address{{Addr: "evil@example.com"}} },
		"with our own From": func(m *Mail) {
			m.From = Address{Addr: "help@example.org"}
			m.Cc = []Address{{Addr: "evil@example.com"}}
		},
		"with their own": func(m *Mail) { m.From = Address{Addr: "evil@example.com"} },
		"answers to a third": func(m *Mail) {
			m.From = Address{Addr: "evil@example.com"}
			m.ReplyTo = []Address{{Addr: "worse@example.com"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := lite(t)
			o.arrives(mail(maria, "1@x", "Heating", "cold"))
			forged := mail(peter, "2@x", "Re: Heating", "pay here", "1@x")
			change(&forged)
			o.arrives(forged)
			later := mail(Address{Addr: "evil@example.com"}, "3@x", "Re: Heating", "please", "2@x")
			o.arrives(later)
			if c := o.one(); c.State != New || !strings.Contains(c.NewPerson.Addr, "@example.com") {
				t.Errorf("it is %s, and %v was flagged", c.State, c.NewPerson)
			}
			dr, err := o.desk.Draft(t.Context(), by(ann), o.one().ID)
			o.ok(err)
			if len(dr.To) != 1 || !dr.To[0].Is(maria) || len(dr.Cc) != 0 {
				t.Errorf("an answer goes to %v, cc %v", dr.To, dr.Cc)
			}
		})
	}
}

func TestAVacationNoticeInSentIsNoAnswer(t *testing.T) {
	o := lite(t)
	o.arrives(mail(maria, "1@x", "Heating", "cold"))
	away := mail(Address{Addr: "help@example.org"}, "away@x", "Out of office", "closed", "1@x")
	away.AutoReply = true
	o.ok(o.desk.Receive(t.Context(), Arrival{Mailbox: SentName("help"), Ref: Ref{Validity: "1", UID: "1"}, Mail: away, Sent: true}))
	if c := o.one(); c.State != New {
		t.Errorf("it is %s", c.State)
	}
}

func TestCardsSayHowAReplyStands(t *testing.T) {
	o := lite(t)
	o.arrives(mail(maria, "1@x", "Heating", "cold"))
	r := o.answered(ann, o.one().ID, "We are coming.")
	o.mu.Lock()
	o.posts = nil
	o.mu.Unlock()
	_, err := o.desk.StopReply(t.Context(), by(ann), r.ID)
	o.ok(err)
	if got := o.lines(); !slices.Contains(got, CardPost) || !slices.Contains(got, ReplyPost) {
		t.Errorf("after Stop are drawn %v", got)
	}
}

func TestAnAnswerInSentMayBeSeenBeforeItsQuestion(t *testing.T) {
	o := lite(t)
	us := Address{Addr: "help@example.org"}
	sent := Arrival{Mailbox: SentName("help"), Ref: Ref{Validity: "1", UID: "1"}, Mail: mail(us, "out@x", "Re: Heating", "we come", "1@x"), Sent: true, Seen: o.now()}
	o.ok(o.desk.Receive(t.Context(), sent))
	o.arrives(mail(maria, "1@x", "Heating", "cold"))
	unknown, err := o.desk.Unknown(t.Context(), sent.Mailbox, []Ref{sent.Ref})
	if err != nil || len(unknown) != 1 {
		t.Fatalf("it is forgotten: %v, %v", unknown, err)
	}
	o.ok(o.desk.Receive(t.Context(), sent))
	if c := o.one(); c.State != Waiting || c.Mails != 2 {
		t.Errorf("it is %+v", c)
	}
	// After a day it is about something else.
	sent.Ref.UID, sent.Mail.MessageID, sent.Mail.InReplyTo, sent.Mail.References = "2", "out2@x", []string{"9@x"}, nil
	o.pass(25 * time.Hour)
	o.ok(o.desk.Receive(t.Context(), sent))
	if unknown, err := o.desk.Unknown(t.Context(), sent.Mailbox, []Ref{sent.Ref}); err != nil || len(unknown) != 0 {
		t.Errorf("it is looked at for ever: %v, %v", unknown, err)
	}
}
