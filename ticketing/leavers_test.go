package ticketing_test

import (
	"fmt"
	"testing"
	"time"

	. "groupmail/ticketing"
)

// leaves lets Ben take three, answer one of them, write a to-do down, and go.
func (o *office) leaves() (taken, waiting, ticket Conversation, todo Todo) {
	o.t.Helper()
	ctx := o.t.Context()
	for i := range 3 {
		o.arrives(mail(maria, fmt.Sprint(i, "@x"), fmt.Sprint("Heating ", i), fmt.Sprint("cold ", i)))
		_, err := o.desk.Take(ctx, by(ben), o.newest().ID)
		o.ok(err)
	}
	all := o.all()
	o.sends(o.answered(ben, all[1].ID, "Soon"))
	todo, err := o.desk.AddTodo(ctx, by(ben), TodoInput{Text: "call Maria", Owner: ben.ID, Conversation: all[0].ID})
	o.ok(err)
	o.ok(o.desk.SetPresent(ctx, "x/board", []Member{ann, cleo}))
	return all[0], o.read(all[1].ID), all[2], todo
}

// offers are the posts that say that Ben has left.
func (o *office) offers() (all []Drawing) {
	o.t.Helper()
	var leavers []Leaver
	o.ok(o.store.Read(o.t.Context(), func(tx Tx) (err error) {
		leavers, err = tx.Leavers("help")
		return err
	}))
	for _, l := range leavers {
		for _, to := range []string{"", ":x:ann", ":x:cleo"} {
			p, err := o.desk.FindPost(o.t.Context(), fmt.Sprintf("left:help.%s.%d:x/board%s", l.Member, l.Since.UnixMicro(), to), "", "")
			if err == nil {
				dr, err := o.desk.Drawing(o.t.Context(), p.ID)
				o.ok(err)
				all = append(all, dr)
			}
		}
	}
	if len(all) != o.said(LeftPost) {
		o.t.Errorf("%d of %d are found", len(all), o.said(LeftPost))
	}
	return all
}

var cleo = Member{ID: "x:cleo", Name: "Cleo", Handle: "cleo"}

// What somebody has who left is offered to the leads, once, when they have been gone for an hour.
func TestLeaversAreOffered(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.setGroup(func(g *Group) { g.Leads, g.Hours = []string{"ann"}, officeHours(time.UTC) })
		taken, waiting, _, _ := o.leaves()
		o.sweep()
		o.pass(59 * time.Minute)
		o.sweep()
		if n := o.said(LeftPost); n != 0 {
			t.Fatalf("said %d times within the hour", n)
		}
		o.ok(o.desk.SetPresent(ctx, "x/board", []Member{ann, ben, cleo})) // by mistake
		o.sweep()
		o.ok(o.desk.SetPresent(ctx, "x/board", []Member{ann, cleo}))
		o.pass(2 * time.Minute)
		o.sweep()
		if n := o.said(LeftPost); n != 0 {
			t.Fatalf("said %d times though they were back meanwhile", n)
		}
		o.pass(12 * time.Hour)
		o.sweep()
		if n := o.said(LeftPost); n != 0 {
			t.Fatalf("said %d times at night", n)
		}
		o.pass(12 * time.Hour)
		o.sweep()
		o.pass(time.Hour)
		o.sweep()
		offers := o.offers()
		if len(offers) != 1 || o.said(LeftPost) != 1 {
			t.Fatalf("said %d times", o.said(LeftPost))
		}
		l := offers[0].Left
		if offers[0].Post.To != ann.ID || l.Member.Name != "Ben" || l.Back || l.Taken != 2 || l.Waits != 1 || l.Todos != 1 || len(l.First) != 3 || l.First[0].ID != taken.ID || l.First[0].Card.ID == 0 {
			t.Errorf("%+v", l)
		}

		_, err := o.desk.ReleaseLeft(ctx, by(cleo), ben.ID)
		o.refused(err, NotYours)
		_, err = o.desk.Release(ctx, by(cleo), taken.ID)
		o.refused(err, NotYours)
		_, err = o.desk.ReleaseLeft(ctx, by(ann), cleo.ID)
		o.refused(err, WrongState)
		n, err := o.desk.ReleaseLeft(ctx, by(ann), ben.ID)
		if err != nil || n != 3 {
			t.Fatalf("released %d, %v", n, err)
		}
		c := o.read(taken.ID)
		if c.State != New || c.Owner != "" || c.Number != taken.Number || c.LastOwner != ben.ID || !c.Waits.Equal(o.now()) {
			t.Errorf("%+v", c)
		}
		if c := o.read(waiting.ID); c.State != Waiting || c.Owner != "" {
			t.Errorf("%+v", c)
		}
		s := o.shown(taken.ID)
		if e := s.Events[len(s.Events)-1]; e.Words(s.Named) != "released by Ann: Ben has left" {
			t.Error(e.Words(s.Named))
		}
		if n := o.said(EventPost); n != 3 {
			t.Errorf("%d lines in threads", n)
		}
		dr := o.offers()[0]
		if l := dr.Left; l.Taken+l.Waits != 0 || l.Todos != 1 || dr.Post.Want < 2 {
			t.Errorf("%+v, %+v", l, dr.Post)
		}
		// Its sender answers: it waits for everybody.
		o.arrives(mail(maria, "more@x", "Re: Heating 1", "when?", "1@x"))
		if c := o.read(waiting.ID); c.State != New || c.Owner != "" {
			t.Errorf("%+v", c)
		}
		if n, err := o.desk.ReleaseLeft(ctx, by(ann), ben.ID); err != nil || n != 0 {
			t.Errorf("again: %d, %v", n, err)
		}
		// Who comes back is no leaver.
		o.ok(o.desk.SetPresent(ctx, "x/board", []Member{ann, ben, cleo}))
		o.sweep()
		if now, err := o.desk.Drawing(ctx, dr.Post.ID); err != nil || !now.Left.Back || now.Post.Want <= dr.Post.Want {
			t.Errorf("%+v, %+v, %v", now.Left, now.Post, err)
		}
	})
}

func TestLeaversAreHandedOver(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.setGroup(func(g *Group) { g.Leads = []string{"ann"} })
		taken, waiting, ticket, todo := o.leaves()
		o.sweep()
		o.pass(time.Hour)
		o.sweep()
		_, err := o.desk.HandOverLeft(ctx, by(ann), ben.ID, "x:nobody")
		o.refused(err, BadInput)
		_, err = o.desk.HandOverLeft(ctx, by(cleo), ben.ID, cleo.ID)
		o.refused(err, NotYours)
		n, err := o.desk.HandOverLeft(ctx, by(ann), ben.ID, cleo.ID)
		if err != nil || n != 4 {
			t.Fatalf("%d, %v", n, err)
		}
		for _, was := range []Conversation{taken, waiting, ticket} {
			if c := o.read(was.ID); c.State != was.State || c.Owner != cleo.ID {
				t.Errorf("%+v", c)
			}
		}
		if got, err := o.desk.TodoByID(ctx, "help", todo.ID); err != nil || got.Owner != cleo.ID {
			t.Errorf("%+v, %v", got, err)
		}
		told := o.direct(HandedPost)
		if len(told) != 1 || told[0].Post.To != cleo.ID || told[0].Named(ben.ID).Name != "Ben" || told[0].Named(told[0].Event.Member).Name != "Ann" {
			t.Errorf("%+v", told)
		}
	})
}

// Where no lead is there everybody is told, and may.
func TestLeaversWithoutLeads(t *testing.T) {
	for _, leads := range [][]string{nil, {"somebody"}} {
		t.Run(fmt.Sprint(leads), func(t *testing.T) {
			eachStore(t, func(t *testing.T, o *office) {
				o.setGroup(func(g *Group) { g.Leads = leads })
				taken, _, _, _ := o.leaves()
				o.sweep()
				o.pass(time.Hour)
				o.sweep()
				if all := o.offers(); len(all) != 1 || all[0].Post.To != "" {
					t.Errorf("%+v", all)
				}
				_, err := o.desk.Release(t.Context(), by(cleo), taken.ID)
				o.ok(err)
				if n, err := o.desk.HandOverLeft(t.Context(), by(cleo), ben.ID, cleo.ID); err != nil || n != 3 {
					t.Errorf("%d, %v", n, err)
				}
				if len(o.direct(HandedPost)) != 0 {
					t.Error("told that they gave it to themselves")
				}
			})
		})
	}
}

// Who was on a board that is no longer configured is not in the group.
func TestBoardsAreForgotten(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.setGroup(func(g *Group) { g.Boards = []Board{{Name: "x/other", Platform: "x", Channel: "other"}} })
		o.ok(o.desk.SetPresent(t.Context(), "x/other", []Member{ann}))
		o.ok(o.desk.OpenBoards(t.Context()))
		team, err := o.desk.Colleagues(t.Context(), "help")
		if err != nil || len(team) != 1 || team[0].ID != ann.ID {
			t.Errorf("%+v, %v", team, err)
		}
	})
}

// Whom a conversation is given to is told.
func TestAssignedIsTold(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		id := o.one().ID
		_, err := o.desk.Assign(t.Context(), by(ann), id, ann.ID)
		o.ok(err)
		_, err = o.desk.Assign(t.Context(), by(ann), id, ben.ID)
		o.ok(err)
		told := o.direct(ForwardPost)
		if len(told) != 1 || told[0].Post.To != ben.ID || told[0].Conversation.ID != id || told[0].Event.Move != MoveAssign {
			t.Errorf("%+v", told)
		}
	})
}
