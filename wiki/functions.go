package wiki

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"groupmail/ticketing"
)

// functions are what the templates call. What is large comes by its address: templates copy what they hand over.
var functions = template.FuncMap{
	"at":     at,
	"state":  state,
	"size":   size,
	"to":     to,
	"style":  func() string { return own + "style.css?" + styleSheet.tag },
	"root":   func() string { return Root },
	"own":    func() string { return own },
	"line":   func(s string, limit int) string { return ticketing.OneLine(s, limit) },
	"people": people,
	"when":   when,
	"in":     func(m *ticketing.Mail) bool { return m.Direction == ticketing.In },
	"forged": func(m *ticketing.Mail) bool { return m.Direction == ticketing.In && m.Proof == ticketing.Forged },
	"args":   func(all ...any) []any { return all },
}

// at is a time in the group's zone, for people and for machines.
func at(t time.Time, g *ticketing.Group) template.HTML {
	if t.IsZero() {
		return ""
	}
	zone := g.Zone
	if zone == nil {
		zone = time.UTC
	}
	t = t.In(zone)
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, t.Format(time.RFC3339), t.Format("2 Jan 2006, 15:04"))) //nolint:gosec // digits and names of months
}

// when is the time that a mail shows: when it was written, unless that is not to be believed.
func when(m *ticketing.Mail) time.Time {
	if m.Sent.IsZero() || m.Sent.After(m.Received) {
		return m.Received
	}
	return m.Sent
}

// state is a conversation's in a word and a mark, and the name of its colour.
func state(l *ticketing.Listed) template.HTML {
	mark, word, tone := "●", "new", "new"
	switch l.State {
	case ticketing.New:
		if l.Overdue {
			mark, word, tone = "▲", "overdue", "overdue"
		}
	case ticketing.Taken:
		mark, word, tone = "◆", "taken", "taken"
	case ticketing.Waiting:
		mark, word, tone = "◇", "answered", "waiting"
	case ticketing.Closed:
		mark, word, tone = "■", "closed", "closed"
		if l.Outcome != "" {
			word += ": " + ticketing.OneLine(l.Outcome, 60)
		}
	case ticketing.Spam:
		mark, word, tone = "⊘", "spam", "closed"
	case ticketing.Held:
		mark, word, tone = "‖", "held", "closed"
	}
	return template.HTML(`<span class="state ` + tone + `"><span aria-hidden="true">` + mark + `</span> ` + template.HTMLEscapeString(word) + `</span>`) //nolint:gosec // escaped
}

func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1000*1000:
		return fmt.Sprintf("%d KB", (n+500)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

func people(all []ticketing.Address) string {
	names := make([]string, len(all))
	for i, a := range all {
		names[i] = a.String()
	}
	return ticketing.OneLine(strings.Join(names, ", "), 1000)
}
