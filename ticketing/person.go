package ticketing

import (
	"context"
	"strings"
	"time"
)

// MemberSettings are what members say of themselves.
type MemberSettings struct {
	FromName  string
	Signature string
	Status    string    // "not in until Thursday"
	Until     time.Time // the status counts until then; zero: until it is changed
	Away      bool      // and they are not in
	Zone      string    // of the IANA's list: "Europe/Vienna"; empty: the group's
}

// StatusAt is the member's status line at a time; empty if it has ended.
func (m Member) StatusAt(now time.Time) string {
	if !m.Until.IsZero() && !m.Until.After(now) {
		return ""
	}
	return m.Status
}

// AwayAt tells whether the member has said that they are not in.
func (m Member) AwayAt(now time.Time) bool {
	return m.Away && (m.Until.IsZero() || m.Until.After(now))
}

// ZoneIn is the zone in which the member reads times.
func (m Member) ZoneIn(g Group) *time.Location {
	if m.Zone != "" {
		if z, err := time.LoadLocation(m.Zone); err == nil {
			return z
		}
	}
	return g.Zone
}

// SetMember keeps what a member says of themselves.
func (d *Desk) SetMember(ctx context.Context, by By, s MemberSettings) error {
	return d.change(ctx, by, func(u *use) error {
		m, err := u.Member(by.Member.ID)
		if err != nil {
			return err
		}
		s.Status, s.Zone = OneLine(s.Status, 100), strings.TrimSpace(s.Zone)
		if _, err := time.LoadLocation(s.Zone); err != nil || strings.EqualFold(s.Zone, "local") {
			return refuseField("zone", "“%s” is no time zone that I know. Write it like Europe/Vienna or America/New_York.", OneLine(s.Zone, 40))
		}
		if !s.Until.IsZero() && !s.Until.After(u.now) {
			return refuseField("until", "That time is over.")
		}
		if s.Away && s.Status == "" {
			s.Status = "not in"
		}
		if s.Status == "" {
			s.Until = time.Time{}
		}
		m.FromName, m.Signature = OneLine(s.FromName, 100), strings.TrimSpace(s.Signature)
		m.Status, m.Until, m.Away, m.Zone = s.Status, s.Until.UTC().Truncate(time.Microsecond), s.Away, s.Zone
		if err := u.SetMember(m); err != nil {
			return err
		}
		return u.log(Event{Move: LogSetting})
	})
}

// Colleague is a member with what they have.
type Colleague struct {
	Member
	Has      int // conversations taken
	Answered int // that wait for their senders
	Todos    int // open to-dos
}

// Who lists who is present in a group, by name.
func (d *Desk) Who(ctx context.Context, group string) (all []Colleague, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		all = nil
		team, err := tx.Present(group)
		if err != nil {
			return err
		}
		tally, err := tx.Tally(group)
		if err != nil {
			return err
		}
		for _, m := range team {
			c := Colleague{Member: m}
			for _, h := range tally.Holders {
				if h.Member == m.ID {
					c.Has = h.Count
				}
			}
			if c.Answered, err = tx.CountConversations(Query{Group: group, Owner: m.ID, States: []State{Waiting}}); err != nil {
				return err
			}
			todos, err := tx.Todos(TodoQuery{Group: group, Owner: m.ID, Open: true, Limit: 100})
			if err != nil {
				return err
			}
			c.Todos = len(todos)
			all = append(all, c)
		}
		return nil
	})
	return all, err
}
