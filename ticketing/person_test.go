package ticketing_test

import (
	"testing"
	"time"

	. "groupmail/ticketing"
)

// What somebody has who is away is not idle until they have been back for long enough.
func TestAwayIsNotIdle(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.arrives(Mail{From: maria, Subject: "Heating"})
		c, err := o.desk.Take(ctx, asAnn, o.one().ID)
		o.ok(err)
		o.ok(o.desk.SetMember(ctx, asAnn, MemberSettings{Status: "not in until Thursday", Away: true, Until: o.now().Add(72 * time.Hour)}))
		idle := func(want bool) {
			t.Helper()
			_, err := o.desk.SweepOverdue(ctx)
			o.ok(err)
			if got := o.one(); got.Overdue != want {
				t.Errorf("idle: %v, want %v", got.Overdue, want)
			}
		}
		o.pass(48 * time.Hour)
		idle(false)
		o.pass(47 * time.Hour) // back for 23 hours
		idle(false)
		o.pass(2 * time.Hour)
		idle(true)
		if c.Owner != ann.ID {
			t.Errorf("owner: %s", c.Owner)
		}
	})
}

func TestSettingsOfAMember(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		set := func(s MemberSettings) error { return o.desk.SetMember(ctx, asAnn, s) }
		o.refused(set(MemberSettings{Zone: "Mars/Base"}), BadInput)
		o.refused(set(MemberSettings{Zone: "Local"}), BadInput)
		o.refused(set(MemberSettings{Status: "x", Until: o.now()}), BadInput)
		o.ok(set(MemberSettings{FromName: "Ann A.", Status: "at the fair", Until: o.now().Add(time.Hour), Zone: "Europe/Vienna"}))
		who, err := o.desk.Who(ctx, "help")
		o.ok(err)
		m := who[0]
		if m.StatusAt(o.now()) != "at the fair" || m.AwayAt(o.now()) || m.ZoneIn(group()).String() != "Europe/Vienna" || m.FromName != "Ann A." {
			t.Errorf("%+v", m)
		}
		if o.pass(time.Hour); m.StatusAt(o.now()) != "" {
			t.Errorf("the status has not ended")
		}
		o.ok(set(MemberSettings{Away: true}))
		if who, err = o.desk.Who(ctx, "help"); err != nil || !who[0].AwayAt(o.now()) || who[0].Status != "not in" || who[0].Zone != "" {
			t.Errorf("%+v, %v", who[0], err)
		}
	})
}
