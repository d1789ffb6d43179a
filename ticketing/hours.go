package ticketing

import (
	"iter"
	"slices"
	"time"
)

// Hours is when a group is there: spans that come again each week, but on closed days. The zero Hours
// are always open.
//
// Spans are by the clock on the wall, so that nine o'clock is nine o'clock in summer, too; how long they
// last is real time: a night in which clocks are changed has an hour more or less.
type Hours struct {
	Zone *time.Location // nil: UTC
	Week []Span         // empty: day and night. They may overlap
	// Closed tells whether a day is a holiday; nil: none is. A span that begins on the evening before
	// goes on into it, and one that would begin on it does not.
	Closed func(year int, month time.Month, day int) bool `json:"-"`
}

// Span is a time of the week, in minutes after midnight. To is after From; beyond 24*60 it is of the next
// day, at most its end.
type Span struct {
	Day      time.Weekday
	From, To int
}

const dayMinutes = 24 * 60

// Always tells whether it is never closed.
func (h Hours) Always() bool { return len(h.Week) == 0 && h.Closed == nil }

// Day is how long a day is on which the group is there, on average, holidays aside.
func (h Hours) Day() time.Duration {
	days := map[time.Weekday]bool{}
	for _, s := range h.Week {
		days[s.Day] = true
	}
	if len(days) == 0 {
		return 24 * time.Hour
	}
	some := time.Date(2026, 1, 4, 0, 0, 0, 0, time.UTC)
	return Hours{Week: h.Week}.Between(some, some.AddDate(0, 0, 7)) / time.Duration(len(days))
}

// Open tells whether it is open at t.
func (h Hours) Open(t time.Time) bool { return h.Always() || h.Between(t, t.Add(1)) > 0 }

// Between is how much of the time from a until b it is open.
func (h Hours) Between(a, b time.Time) (open time.Duration) {
	if h.Always() {
		return max(0, b.Sub(a))
	}
	for p := range h.onward(a) {
		if !p.from.Before(b) {
			break
		}
		open += earlier(p.to, b).Sub(p.from)
	}
	return open
}

// After is the first instant at which it has been open for so long since t: t itself for none. Zero where
// it never will be.
func (h Hours) After(t time.Time, open time.Duration) time.Time {
	if h.Always() || open <= 0 {
		return t.Add(max(0, open))
	}
	for p := range h.onward(t) {
		if p.length() >= open {
			return p.from.Add(open)
		}
		open -= p.length()
	}
	return time.Time{}
}

// Before is the last instant since which it has been open for so long at t: what waits since then or
// since before has waited that long. Zero where it never has been.
func (h Hours) Before(t time.Time, open time.Duration) time.Time {
	if h.Always() || open <= 0 {
		return t.Add(-max(0, open))
	}
	for p := range h.back(t) {
		if p.length() >= open {
			return p.to.Add(-open)
		}
		open -= p.length()
	}
	return time.Time{}
}

// NextOpening is the first instant after t at which it opens. Zero if it does not within two years.
func (h Hours) NextOpening(t time.Time) time.Time {
	if h.Always() {
		return time.Time{}
	}
	was := t // until when it is open
	if !h.Open(t) {
		was = time.Time{}
	}
	for p := range h.onward(t) {
		if p.from.After(t) && !p.from.Equal(was) {
			return p.from
		}
		if was = p.to; was.Sub(t) > barren*24*time.Hour {
			break
		}
	}
	return time.Time{}
}

// LastOpening is the last instant until t at which it opened, and since when it had been closed then.
// Both are zero if that was not within two years.
func (h Hours) LastOpening(t time.Time) (opened, closed time.Time) {
	if h.Always() {
		return opened, closed
	}
	for p := range h.back(t.Add(1)) {
		if !opened.IsZero() && p.to.Before(opened) {
			return opened, p.to
		}
		if opened = p.from; t.Sub(opened) > barren*24*time.Hour {
			break
		}
	}
	return time.Time{}, time.Time{}
}

// period is a time in which it is open all the time.
type period struct{ from, to time.Time }

func (p period) length() time.Duration { return p.to.Sub(p.from) }

// barren is how many days are looked at before it is said that there is no opening.
const barren = 800

// onward yields when it is open from t on. Periods are of one day each: they may touch.
func (h Hours) onward(t time.Time) iter.Seq[period] {
	return func(yield func(period) bool) {
		for empty, day := 0, -1; empty < barren; day++ { // where clocks change at midnight its hour is of either day
			empty++
			for _, p := range h.day(t, day) {
				if !p.to.After(t) {
					continue
				}
				empty = 0
				if p.from.Before(t) {
					p.from = t
				}
				if !yield(p) {
					return
				}
			}
		}
	}
}

// back yields when it was open until t, the last first.
func (h Hours) back(t time.Time) iter.Seq[period] {
	return func(yield func(period) bool) {
		for empty, day := 0, 1; empty < barren; day-- {
			empty++
			for _, p := range slices.Backward(h.day(t, day)) {
				if !p.from.Before(t) {
					continue
				}
				empty = 0
				p.to = earlier(p.to, t)
				if !yield(p) {
					return
				}
			}
		}
	}
}

// day is when it is open on the day of t, or so many days later.
func (h Hours) day(t time.Time, later int) (all []period) {
	zone := h.Zone
	if zone == nil {
		zone = time.UTC
	}
	t = t.In(zone)
	y, m, d := t.Date()
	at := func(day, minutes int) time.Time {
		wall := time.Date(y, m, d+later+day, 0, minutes, 0, 0, time.UTC)
		t := time.Date(y, m, d+later+day, 0, minutes, 0, 0, zone)
		_, offset := t.Zone()
		return t.Add(max(0, wall.Sub(t)-time.Duration(offset)*time.Second)) // what clocks leave out is not before they do
	}
	begins, ends := at(0, 0), at(1, 0)
	for day := -1; day <= 0; day++ { // also what began the evening before
		date := time.Date(y, m, d+later+day, 0, 0, 0, 0, time.UTC)
		if h.Closed != nil && h.Closed(date.Date()) {
			continue
		}
		week := h.Week
		if len(week) == 0 {
			week = []Span{{date.Weekday(), 0, dayMinutes}}
		}
		for _, s := range week {
			if s.Day != date.Weekday() {
				continue
			}
			p := period{at(day, s.From), earlier(at(day, s.To), ends)}
			if p.from.Before(begins) {
				p.from = begins
			}
			if p.from.Before(p.to) {
				all = append(all, p)
			}
		}
	}
	slices.SortFunc(all, func(a, b period) int { return a.from.Compare(b.from) })
	apart := all[:0]
	for _, p := range all {
		if n := len(apart); n > 0 && !apart[n-1].to.Before(p.from) {
			if p.to.After(apart[n-1].to) {
				apart[n-1].to = p.to
			}
			continue
		}
		apart = append(apart, p)
	}
	return apart
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
