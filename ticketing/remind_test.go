package ticketing_test

import (
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
