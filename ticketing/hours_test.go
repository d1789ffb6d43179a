package ticketing_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	. "groupmail/ticketing"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// on is a span of each of some days.
func on(from, to int, days ...time.Weekday) (all []Span) {
	for _, d := range days {
		all = append(all, Span{d, from, to})
	}
	return all
}

var officeDays = []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}

// officeHours are Monday to Friday 9 to 17 and Saturday 10 to 12, but for Christmas.
func officeHours(z *time.Location) Hours {
	return Hours{
		Zone: z, Week: append(on(9*60, 17*60, officeDays...), Span{time.Saturday, 10 * 60, 12 * 60}),
		Closed: func(_ int, m time.Month, d int) bool { return m == time.December && (d == 25 || d == 26) },
	}
}

func TestHours(t *testing.T) {
	vienna, santiago := zone(t, "Europe/Vienna"), zone(t, "America/Santiago")
	office := officeHours(vienna)
	lunch := Hours{Zone: vienna, Week: append(on(9*60, 12*60, officeDays...), on(13*60, 17*60, officeDays...)...)}
	night := Hours{Zone: vienna, Week: []Span{{time.Saturday, 22 * 60, 30 * 60}}}
	holidays := Hours{Zone: vienna, Closed: office.Closed}
	midnight := Hours{Zone: santiago, Week: on(0, 24*60, time.Sunday)} // where clocks go forward at midnight
	never := Hours{Zone: vienna, Closed: func(int, time.Month, int) bool { return true }}
	for name, c := range map[string]struct {
		hours    Hours
		at       string
		open     bool
		half     string // after half an hour of open time
		ago      string // half an hour of open time ago
		next     string
		opened   string
		closed   string
		week     time.Duration // open time of the seven days from then on
		longHour time.Duration // the day's length
	}{
		"always":                    {hours: Hours{}, at: "2026-03-06 16:45", open: true, half: "2026-03-06 17:15", ago: "2026-03-06 16:15", week: 168 * time.Hour, longHour: 24 * time.Hour},
		"friday afternoon":          {office, "2026-03-06 16:45", true, "2026-03-07 10:15", "2026-03-06 16:15", "2026-03-07 10:00", "2026-03-06 09:00", "2026-03-05 17:00", 42 * time.Hour, 7 * time.Hour},
		"the evening":               {office, "2026-03-06 20:00", false, "2026-03-07 10:30", "2026-03-06 16:30", "2026-03-07 10:00", "2026-03-06 09:00", "2026-03-05 17:00", 42 * time.Hour, 7 * time.Hour},
		"as it opens":               {office, "2026-03-09 09:00", true, "2026-03-09 09:30", "2026-03-07 11:30", "2026-03-10 09:00", "2026-03-09 09:00", "2026-03-07 12:00", 42 * time.Hour, 7 * time.Hour},
		"as it closes":              {office, "2026-03-06 17:00", false, "2026-03-07 10:30", "2026-03-06 16:30", "2026-03-07 10:00", "2026-03-06 09:00", "2026-03-05 17:00", 42 * time.Hour, 7 * time.Hour},
		"before Christmas":          {office, "2026-12-24 16:45", true, "2026-12-28 09:15", "2026-12-24 16:15", "2026-12-28 09:00", "2026-12-24 09:00", "2026-12-23 17:00", 32 * time.Hour, 7 * time.Hour},
		"years ahead":               {office, "2126-12-24 16:45", true, "2126-12-27 09:15", "2126-12-24 16:15", "2126-12-27 09:00", "2126-12-24 09:00", "2126-12-23 17:00", 26 * time.Hour, 7 * time.Hour},
		"lunch":                     {lunch, "2026-03-06 12:30", false, "2026-03-06 13:30", "2026-03-06 11:30", "2026-03-06 13:00", "2026-03-06 09:00", "2026-03-05 17:00", 35 * time.Hour, 7 * time.Hour},
		"a night of 7 hours":        {night, "2026-03-29 01:45", true, "2026-03-29 03:15", "2026-03-29 01:15", "2026-04-04 22:00", "2026-03-28 22:00", "2026-03-22 06:00", 8 * time.Hour, 8 * time.Hour},
		"before it":                 {night, "2026-03-28 12:00", false, "2026-03-28 22:30", "2026-03-22 05:30", "2026-03-28 22:00", "2026-03-21 22:00", "2026-03-15 06:00", 7 * time.Hour, 8 * time.Hour},
		"before a night of 9 hours": {night, "2026-10-24 12:00", false, "2026-10-24 22:30", "2026-10-18 05:30", "2026-10-24 22:00", "2026-10-17 22:00", "2026-10-11 06:00", 9 * time.Hour, 8 * time.Hour},
		"holidays alone":            {holidays, "2026-12-24 23:45", true, "2026-12-27 00:15", "2026-12-24 23:15", "2026-12-27 00:00", "2025-12-27 00:00", "2025-12-25 00:00", 120 * time.Hour, 24 * time.Hour},
		"a day without midnight":    {midnight, "2026-09-06 12:00", true, "2026-09-06 12:30", "2026-09-06 11:30", "2026-09-13 00:00", "2026-09-06 01:00", "2026-08-31 00:00", 24 * time.Hour, 24 * time.Hour},
		"never":                     {never, "2026-03-06 12:00", false, "", "", "", "", "", 0, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			z := c.hours.Zone
			if z == nil {
				z = time.UTC
			}
			said := func(t time.Time) string {
				if t.IsZero() {
					return ""
				}
				return t.In(z).Format("2006-01-02 15:04")
			}
			at, err := time.ParseInLocation("2006-01-02 15:04", c.at, z)
			if err != nil {
				t.Fatal(err)
			}
			opened, closed := c.hours.LastOpening(at)
			for what, both := range map[string][2]any{
				"open":               {c.open, c.hours.Open(at)},
				"half an hour later": {c.half, said(c.hours.After(at, 30*time.Minute))},
				"half an hour ago":   {c.ago, said(c.hours.Before(at, 30*time.Minute))},
				"next opening":       {c.next, said(c.hours.NextOpening(at))},
				"opened":             {c.opened, said(opened)},
				"closed before":      {c.closed, said(closed)},
				"a week from then":   {c.week, c.hours.Between(at, at.Add(7*24*time.Hour))},
				"a day":              {c.longHour, c.hours.Day()},
			} {
				if both[0] != both[1] {
					t.Errorf("%s: %v, want %v", what, both[1], both[0])
				}
			}
		})
	}
}

// someHours are any hours in a zone that has changes of all kinds.
func someHours(t *rapid.T) Hours {
	zones := []string{"UTC", "Europe/Vienna", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Africa/Cairo"}
	z, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	h := Hours{Zone: z, Week: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Span {
		from := rapid.IntRange(0, 24*60-1).Draw(t, "from")
		return Span{time.Weekday(rapid.IntRange(0, 6).Draw(t, "day")), from, from + rapid.IntRange(30, 24*60).Draw(t, "minutes")}
	}), 0, 8).Draw(t, "week")}
	if rapid.Bool().Draw(t, "holidays") {
		n := rapid.IntRange(2, 40).Draw(t, "every")
		h.Closed = func(_ int, _ time.Month, d int) bool { return d%n == 0 }
	}
	return h
}

func someTime(t *rapid.T, name string) time.Time {
	return time.Date(2011, 12, 1, 0, 0, rapid.IntRange(0, 20*365*24*60*60).Draw(t, name), 0, time.UTC)
}

func TestHoursAgreeWithThemselves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := someHours(t)
		a := someTime(t, "a")
		b := a.Add(time.Duration(rapid.Int64Range(0, int64(60*24*time.Hour)).Draw(t, "b")))
		c := b.Add(time.Duration(rapid.Int64Range(0, int64(60*24*time.Hour)).Draw(t, "c")))
		if h.Between(a, b)+h.Between(b, c) != h.Between(a, c) {
			t.Fatalf("%v and %v are not %v", h.Between(a, b), h.Between(b, c), h.Between(a, c))
		}
		if h.Between(a, b) > b.Sub(a) || h.Between(b, a) != 0 {
			t.Fatalf("%v of %v", h.Between(a, b), b.Sub(a))
		}
		open := time.Duration(rapid.Int64Range(1, int64(20*time.Hour)).Draw(t, "open"))
		if until := h.After(a, open); until.IsZero() {
			t.Fatal("it never opens")
		} else if h.Between(a, until) != open || h.Between(a, until.Add(-1)) >= open {
			t.Fatalf("%v from %v is %v: %v", open, a, until, h.Between(a, until))
		}
		if since := h.Before(a, open); since.IsZero() {
			t.Fatal("it never was open")
		} else if h.Between(since, a) != open || h.Between(since.Add(1), a) >= open {
			t.Fatalf("%v before %v is %v: %v", open, a, since, h.Between(since, a))
		}
		if opens := h.NextOpening(a); !opens.IsZero() {
			if !opens.After(a) || !h.Open(opens) || h.Open(opens.Add(-1)) {
				t.Fatalf("it does not open at %v", opens)
			}
			if was, closed := h.LastOpening(opens); !was.Equal(opens) || !closed.Before(opens) || h.Between(closed, opens) != 0 || !h.Open(closed.Add(-1)) {
				t.Fatalf("at %v it opened at %v and closed at %v", opens, was, closed)
			}
			// Nothing opens in between.
			if was, _ := h.LastOpening(opens.Add(-1)); was.After(a) {
				t.Fatalf("it opens at %v already, not only at %v", was, opens)
			}
		}
	})
}

// Minute by minute, by the clock on the wall, where no clock is changed.
func TestHoursAreThoseOfTheWall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := someHours(t)
		at := someTime(t, "at").Truncate(time.Minute)
		wall := at.In(h.Zone)
		_, offset := wall.Zone()
		for _, d := range []time.Duration{-50 * time.Hour, -25 * time.Hour, 25 * time.Hour} {
			if _, o := wall.Add(d).Zone(); o != offset {
				t.Skip("clocks are changed")
			}
		}
		want := false
		for back := range 2 {
			y, m, d := wall.Date()
			day := time.Date(y, m, d-back, 0, 0, 0, 0, time.UTC)
			if h.Closed != nil && h.Closed(day.Date()) {
				continue
			}
			minute := wall.Hour()*60 + wall.Minute() + back*24*60
			for _, s := range h.Week {
				want = want || s.Day == day.Weekday() && s.From <= minute && minute < s.To
			}
			want = want || len(h.Week) == 0 && back == 0
		}
		if got := h.Open(at); got != want {
			t.Fatalf("at %v it is open: %v", wall, got)
		}
	})
}
