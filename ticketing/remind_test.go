package ticketing_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	. "groupmail/ticketing"
)

// at sets the clock.
func (o *office) at(t time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.time = t
}

var friday = time.Date(2026, 3, 6, 16, 30, 0, 0, time.UTC) // half an hour before it closes

// Overdue is what has waited, or lain idle, too long while people were there.
func TestOverdueInOpenTime(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.setGroup(func(g *Group) { g.Hours, g.Idle = officeHours(time.UTC), 10*time.Hour })
		o.at(friday)
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		o.arrives(mail(peter, "2@x", "Bill", "wrong"))
		_, err := o.desk.Take(ctx, by(ann), o.all()[1].ID)
		o.ok(err)
		for _, step := range []struct {
			at        time.Time
			late      int // of the new and taken ones, by now
			escalates int
		}{
			{friday.Add(2 * time.Hour), 0, 0},
			{time.Date(2026, 3, 7, 9, 59, 0, 0, time.UTC), 0, 0},
			{time.Date(2026, 3, 7, 10, 30, 0, 0, time.UTC), 0, 0},
			{time.Date(2026, 3, 7, 10, 31, 0, 0, time.UTC), 1, 0},
			{time.Date(2026, 3, 7, 11, 29, 0, 0, time.UTC), 1, 0},
			{time.Date(2026, 3, 7, 11, 30, 0, 0, time.UTC), 1, 1},
			{time.Date(2026, 3, 9, 16, 30, 0, 0, time.UTC), 1, 1},
			{time.Date(2026, 3, 9, 16, 31, 0, 0, time.UTC), 2, 1}, // half an hour, two hours and seven and a half
		} {
			o.at(step.at)
			_, err := o.desk.SweepOverdue(ctx)
			o.ok(err)
			late := 0
			for _, c := range o.all() {
				if c.Overdue {
					late++
				}
			}
			all, err := o.desk.Escalations(ctx)
			o.ok(err)
			if late != step.late || len(all) != step.escalates {
				t.Errorf("%s: %d late and %d to be told of, want %d and %d", step.at.Format("Mon 15:04"), late, len(all), step.late, step.escalates)
			}
		}
	})
}

// A group that never opens has nothing that waits too long, and everything is not that.
func TestNothingIsOverdueWhereNobodyEverIs(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.setGroup(func(g *Group) { g.Hours.Closed = func(int, time.Month, int) bool { return true } })
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		o.pass(1000 * time.Hour)
		n, err := o.desk.SweepOverdue(t.Context())
		all, more := o.desk.Escalations(t.Context())
		if n != 0 || err != nil || len(all) != 0 || more != nil {
			t.Errorf("%d, %v; %v, %v", n, err, all, more)
		}
	})
}

// sweep lets two processes look for what is due at once.
func (o *office) sweep() {
	o.t.Helper()
	other := NewDesk(o.store, o.desk.Groups(), o.now, slog.New(slog.DiscardHandler))
	errs := make(chan error)
	for _, d := range []*Desk{o.desk, other} {
		go func() {
			_, err := d.SweepOverdue(context.Background())
			errs <- errors.Join(err, d.SweepReminders(context.Background()))
		}()
	}
	o.ok(errors.Join(<-errs, <-errs))
}

// said counts the posts of a kind that were made: of all kinds of one process or another.
func (o *office) said(kind PostKind) (n int) {
	o.t.Helper()
	o.ok(o.store.Read(o.t.Context(), func(tx Tx) (err error) {
		n, err = tx.CountPosts("x/board", kind, time.Unix(0, 0), 1000)
		return err
	}))
	return n
}

// As it opens one line says what came meanwhile, once a day.
func TestOpening(t *testing.T) {
	monday := time.Date(2026, 3, 9, 9, 0, 0, 0, time.UTC)
	eachStore(t, func(t *testing.T, o *office) {
		o.setGroup(func(g *Group) { g.Hours = officeHours(time.UTC) })
		says := func(when string, at time.Time, want int) {
			t.Helper()
			o.at(at)
			for range 2 {
				o.sweep()
			}
			if got := o.said(OpeningPost); got != want {
				t.Fatalf("%s: said %d times, want %d", when, got, want)
			}
		}
		o.at(friday)
		o.arrives(mail(maria, "1@x", "While we are there", "a"))
		says("nothing came on Friday night", friday.Add(17*time.Hour+31*time.Minute), 0)
		o.at(friday.Add(20 * time.Hour)) // Saturday afternoon
		o.arrives(mail(maria, "2@x", "On Saturday", "b"))
		o.at(friday.Add(40 * time.Hour))
		o.arrives(mail(peter, "3@x", "On Sunday", "c"))
		o.arrives(mail(peter, "4@x", "Taken on Sunday", "d"))
		_, err := o.desk.Take(t.Context(), by(ann), o.all()[3].ID)
		o.ok(err)
		says("still closed", monday.Add(-time.Second), 0)
		says("far too late", monday.Add(openingLate+time.Second), 0)
		o.at(monday.Add(time.Minute))
		o.arrives(mail(peter, "5@x", "As it opens", "e"))
		says("a late start", monday.Add(3*time.Hour), 1)
		says("the clock jumps back", monday.Add(-50*time.Hour), 1)
		says("the same day again", monday.Add(time.Minute), 1)
		p, err := o.desk.FindPost(t.Context(), "opening:help.2026-03-09:x/board", "", "")
		o.ok(err)
		dr, err := o.desk.Drawing(t.Context(), p.ID)
		o.ok(err)
		if got := dr.Opening; got.Count != 2 || len(got.First) != 2 || got.First[0].Subject != "On Saturday" || !got.Since.Equal(time.Date(2026, 3, 7, 12, 0, 0, 0, time.UTC)) {
			t.Errorf("it shows %+v", got)
		}
		says("nothing came on Monday night", monday.Add(24*time.Hour), 1)
		o.at(monday.Add(34 * time.Hour))
		o.arrives(mail(peter, "6@x", "On Tuesday night", "f"))
		says("Wednesday", monday.Add(48*time.Hour+time.Minute), 2)
	})
}

// openingLate is as long as the desk has it.
const openingLate = 4 * time.Hour

// A take that lies idle is asked about, and released by itself after as long again.
func TestIdleTakes(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		_, err := o.desk.Take(ctx, by(ann), o.one().ID)
		o.ok(err)
		asked := func(when string, posts int, state State) {
			t.Helper()
			for range 2 {
				o.sweep()
			}
			if c := o.one(); o.said(AskPost) != posts || c.State != state {
				t.Fatalf("%s: asked %d times, and it is %s; want %d, %s", when, o.said(AskPost), c.State, posts, state)
			}
		}
		o.pass(24 * time.Hour)
		asked("not yet", 0, Taken)
		o.pass(time.Second)
		asked("after a day", 1, Taken)
		post, err := o.desk.FindPost(ctx, fmt.Sprintf("ask:%d.%d:x/board:x:ann", o.one().ID, o.one().Reminded.UnixMicro()), "", "")
		o.ok(err)
		if dr, err := o.desk.Drawing(ctx, post.ID); err != nil || !dr.Asks() || dr.Post.To != ann.ID || !dr.Group.Lapses(dr.Conversation).Equal(o.now().Add(24*time.Hour)) {
			t.Errorf("%+v, %v", dr.Post, err)
		}
		o.pass(23 * time.Hour)
		_, err = o.desk.Keep(ctx, by(ann), o.one().ID)
		o.ok(err)
		if dr, err := o.desk.Drawing(ctx, post.ID); err != nil || dr.Asks() || dr.Post.Want != 2 {
			t.Errorf("kept, it still asks: %+v, %v", dr.Post, err)
		}
		o.pass(2 * time.Hour)
		asked("kept", 1, Taken)
		o.pass(23 * time.Hour)
		asked("a day after that", 2, Taken)
		o.pass(24 * time.Hour)
		asked("nearly", 2, Taken)
		o.ok(o.desk.SetMember(ctx, by(ann), MemberSettings{Status: "back on Thursday", Until: o.now().Add(48 * time.Hour), Away: true}))
		o.pass(48 * time.Hour)
		asked("away", 2, Taken)
		o.pass(24*time.Hour + time.Second)
		asked("after a day more", 2, New)
		c := o.one()
		events := o.shown(c.ID).Events
		if e := events[len(events)-1]; c.Owner != "" || c.LastOwner != ann.ID || c.Number != 1 || e.Move != MoveLapse || e.Words(o.shown(c.ID).Named) != "released by itself: it lay idle with Ann" {
			t.Errorf("%+v, %+v", c, e)
		}
		if n := o.said(EventPost); n != 1 {
			t.Errorf("%d lines in the thread", n)
		}
	})
}

// Whose owner is not there, of that the leads are asked, and without leads everybody.
func TestIdleTakesOfSomebodyWhoIsNotThere(t *testing.T) {
	for _, leads := range [][]string{{"ben"}, {"nobody"}, nil} {
		t.Run(fmt.Sprint(leads), func(t *testing.T) {
			eachStore(t, func(t *testing.T, o *office) {
				o.setGroup(func(g *Group) { g.Leads = leads })
				o.arrives(mail(maria, "1@x", "Heating", "cold"))
				_, err := o.desk.Take(t.Context(), by(ann), o.one().ID)
				o.ok(err)
				o.ok(o.desk.SetPresent(t.Context(), "x/board", []Member{ben}))
				o.pass(25 * time.Hour)
				o.sweep()
				key := fmt.Sprintf("ask:%d.%d:x/board", o.one().ID, o.one().Reminded.UnixMicro())
				if slices.Equal(leads, []string{"ben"}) {
					key += ":x:ben"
				}
				if _, err := o.desk.FindPost(t.Context(), key, "", ""); err != nil || o.said(AskPost) != 1 {
					t.Errorf("no %s: %v", key, err)
				}
			})
		})
	}
}

// Its owner is asked once about what stays open though its sender does not answer.
func TestAnsweredThatStayOpen(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.setGroup(func(g *Group) { g.Hours, g.Answered, g.Idle = officeHours(time.UTC), 7*24*time.Hour, 0 })
		o.at(friday)
		for i := range 7 {
			o.arrives(mail(maria, fmt.Sprint(i, "@x"), fmt.Sprint("Heating ", i), fmt.Sprint("cold ", i)))
			_, err := o.desk.Take(ctx, by(ann), o.all()[i].ID)
			o.ok(err)
		}
		o.ok(o.store.Change(ctx, func(tx Tx) error { // as if they had been answered
			for _, c := range o.all() {
				c.State = Waiting
				if err := tx.SetConversation(c); err != nil {
					return err
				}
			}
			return nil
		}))
		for _, step := range []struct {
			at   time.Time
			want int
		}{
			{friday.Add(7 * 24 * time.Hour), 0},
			{friday.Add(7*24*time.Hour + 2*time.Hour), 0}, // it is closed
			{time.Date(2026, 3, 14, 10, 0, 0, 0, time.UTC), 5},
			{time.Date(2026, 3, 14, 11, 0, 0, 0, time.UTC), 5},
			{time.Date(2026, 3, 16, 9, 0, 0, 0, time.UTC), 7},
			{time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC), 7},
		} {
			o.at(step.at)
			o.sweep()
			if got := o.said(AskPost); got != step.want {
				t.Fatalf("%s: asked %d times, want %d", step.at.Format("2 Jan 15:04"), got, step.want)
			}
		}
		// Who keeps waiting is asked again after as long.
		c := o.all()[0]
		o.refused(func() error { o.setGroupLeads("ann"); _, err := o.desk.Keep(ctx, by(ben), c.ID); return err }(), NotYours)
		_, err := o.desk.Keep(ctx, by(ann), c.ID)
		o.ok(err)
		if c = o.all()[0]; c.State != Waiting || c.Owner != ann.ID {
			t.Errorf("kept, it is %+v", c)
		}
		o.pass(8 * 24 * time.Hour)
		o.sweep()
		if got := o.said(AskPost); got != 8 {
			t.Errorf("asked %d times after that", got)
		}
	})
}

func (o *office) setGroupLeads(leads ...string) {
	g := o.desk.Groups()[0]
	o.setGroup(func(now *Group) { *now = g; now.Leads = leads })
}
