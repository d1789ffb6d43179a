package message

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// mostAttendees of an invitation are named, the others counted.
const mostAttendees = 20

func (p *part) isCalendar() bool {
	return p.kind.value == "text/calendar" || p.kind.value == "application/ics"
}

// withInvitation adds to a mail's text what its invitation says (RFC 5546): when, where and who. A
// text that tells the time itself stays as it is.
func withInvitation(text string, p *part) string {
	if p.isCalendar() && p.role == file {
		c := readCalendar(p.calendarText())
		if lines := c.lines(); lines != "" && !c.timeIn(text) {
			return joinText(text, lines, "\n\n")
		}
		return text
	}
	for _, k := range p.kids {
		if t := withInvitation(text, k); t != text {
			return t
		}
	}
	return text
}

func (p *part) calendarText() string {
	label := p.kind.get("charset")
	if label == "" {
		label = "utf-8" // RFC 5545 §3.1.4
	}
	t, _ := decodeText(p.kept, label, "")
	return cleanText(t)
}

// calendar is the first event or task of an iCalendar object (RFC 5545) and the object's method.
type calendar struct {
	method                                  string
	what                                    string // VEVENT, VTODO
	summary, location, start, end, rule, tz string
	organizer                               string
	attendees                               []string
	answers                                 []string // PARTSTAT of each
	duration                                string
}

// readCalendar never fails: a line that cannot be read is left out. It does no recursion and looks
// at each byte a fixed number of times.
func readCalendar(s string) calendar {
	var c calendar
	var open []string
	done := false
	s = strings.NewReplacer("\n ", "", "\n\t", "").Replace(s)
	for l := range strings.SplitSeq(s, "\n") {
		name, params, value, ok := contentLine(l)
		if !ok {
			continue
		}
		inside := ""
		if len(open) > 0 {
			inside = open[len(open)-1]
		}
		switch {
		case name == "BEGIN":
			if len(open) < 20 {
				open = append(open, strings.ToUpper(value))
			}
		case name == "END":
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
			done = done || c.what != "" && inside == c.what
		case inside == "VCALENDAR" && name == "METHOD":
			c.method = strings.ToUpper(strings.TrimSpace(value))
		case done || inside != "VEVENT" && inside != "VTODO":
		default:
			c.what = inside
			c.property(name, params, value)
		}
	}
	return c
}

func (c *calendar) property(name string, params map[string]string, value string) {
	switch name {
	case "SUMMARY":
		c.summary = plainValue(value)
	case "LOCATION":
		c.location = plainValue(value)
	case "DTSTART":
		c.start, c.tz = strings.TrimSpace(value), oneLine(clip(params["TZID"], 100))
	case "DTEND", "DUE":
		c.end = strings.TrimSpace(value)
	case "DURATION":
		c.duration = strings.TrimSpace(value)
	case "RRULE":
		for f := range strings.SplitSeq(value, ";") {
			if r, ok := strings.CutPrefix(strings.ToUpper(f), "FREQ="); ok {
				c.rule = strings.ToLower(r)
			}
		}
	case "ORGANIZER":
		c.organizer = person(params["CN"], value)
	case "ATTENDEE":
		if len(c.attendees) < 1000 {
			c.attendees = append(c.attendees, person(params["CN"], value))
			c.answers = append(c.answers, strings.ToUpper(params["PARTSTAT"]))
		}
	}
}

// contentLine reads `NAME;PARAM="value":value` (RFC 5545 §3.1).
func contentLine(l string) (name string, params map[string]string, value string, ok bool) {
	end := strings.IndexAny(l, ";:")
	if end < 1 {
		return "", nil, "", false
	}
	name = strings.ToUpper(l[:end])
	params = map[string]string{}
	for l[end] == ';' {
		l = l[end+1:]
		quoted := false
		end = strings.IndexFunc(l, func(r rune) bool {
			if r == '"' {
				quoted = !quoted
			}
			return !quoted && (r == ';' || r == ':')
		})
		if end < 0 {
			return "", nil, "", false
		}
		if k, v, ok := strings.Cut(l[:end], "="); ok && len(params) < 50 {
			params[strings.ToUpper(k)] = strings.Trim(v, `"`)
		}
	}
	return name, params, l[end+1:], true
}

// plainValue undoes the escapes of TEXT (RFC 5545 §3.3.11).
func plainValue(s string) string {
	s = strings.NewReplacer(`\n`, " ", `\N`, " ", `\,`, ",", `\;`, ";", `\\`, `\`).Replace(clip(s, 2000))
	return strings.Join(strings.Fields(oneLine(s)), " ")
}

// person is an organizer or attendee: the name, the address, or both.
func person(name, uri string) string {
	uri = strings.TrimSpace(uri)
	if len(uri) > 7 && strings.EqualFold(uri[:7], "mailto:") {
		uri = uri[7:]
	}
	name, addr := cleanName(name), cleanAddr(uri)
	switch {
	case addr == "" || strings.EqualFold(name, addr):
		return name
	case name == "":
		return addr
	}
	return name + " <" + addr + ">"
}

// lines says what the invitation says, "" for a calendar that invites to nothing.
func (c calendar) lines() string {
	when := c.when()
	if when == "" && c.summary == "" {
		return ""
	}
	head := map[string]string{
		"": "Event", "PUBLISH": "Event", "REQUEST": "Invitation", "CANCEL": "Cancelled", "COUNTER": "Another time is proposed",
		"DECLINECOUNTER": "The other time is declined", "REFRESH": "The latest version is asked for", "ADD": "Invitation",
	}[c.method]
	if c.method == "REPLY" && len(c.attendees) > 0 && c.attendees[0] != "" {
		did := map[string]string{"ACCEPTED": "accepts", "DECLINED": "declines", "TENTATIVE": "may come", "DELEGATED": "sends somebody else"}[c.answers[0]]
		if did == "" {
			did = "answers"
		}
		head = c.attendees[0] + " " + did
		c.attendees = nil
	}
	if head == "" {
		head = "Event"
	}
	lines := []string{strings.TrimSuffix(head+": "+c.summary, ": ")}
	add := func(label, value string) {
		if value != "" {
			lines = append(lines, label+": "+value)
		}
	}
	add("When", when)
	add("Where", c.location)
	add("Organizer", c.organizer)
	who := slices.DeleteFunc(slices.Clone(c.attendees), func(s string) bool { return s == "" || s == c.organizer })
	if n := len(who) - mostAttendees; n > 0 {
		who = append(who[:mostAttendees], fmt.Sprintf("and %d more", n))
	}
	add("Who", strings.Join(who, ", "))
	return strings.Join(lines, "\n")
}

// when is the time as the invitation gives it, in its own zone.
func (c calendar) when() string {
	start, whole, ok := calendarTime(c.start)
	if !ok {
		return ""
	}
	end, _, ended := calendarTime(c.end)
	const day, clock = "Mon 2 Jan 2006", "15:04"
	var s string
	switch {
	case whole:
		s = start.Format(day)
		if last := end.AddDate(0, 0, -1); ended && last.After(start) { // DTEND is the day after
			s += " – " + last.Format(day)
		}
		s += ", all day"
	case ended && end.Format(day) == start.Format(day):
		s = start.Format(day+", "+clock) + "–" + end.Format(clock)
	case ended:
		s = start.Format(day+", "+clock) + " – " + end.Format(day+", "+clock)
	default:
		s = start.Format(day + ", " + clock)
		if d := strings.TrimPrefix(c.duration, "PT"); d != c.duration && d != "" {
			s += ", for " + strings.ToLower(oneLine(clip(d, 20)))
		}
	}
	switch {
	case whole:
	case strings.HasSuffix(strings.ToUpper(c.start), "Z"):
		s += " (UTC)"
	case c.tz != "":
		s += " (" + c.tz + ")"
	}
	if c.rule != "" {
		s += ", repeated " + oneLine(clip(c.rule, 20))
	}
	return s
}

// timeIn tells whether a text names the event's time already.
func (c calendar) timeIn(text string) bool {
	start, whole, ok := calendarTime(c.start)
	if !ok || strings.TrimSpace(text) == "" {
		return false
	}
	layouts := []string{"15:04", "3:04", "15.04", "15h04"}
	if whole {
		layouts = []string{"2 Jan", "Jan 2", "2. Jan", "2.1.", "02.01.", "2006-01-02", "1/2", "01/02", "2/1", "02/01"}
	} else if start.Minute() == 0 {
		layouts = append(layouts, "3pm", "3 pm", "3PM", "3 PM", "15 Uhr")
	}
	return slices.ContainsFunc(layouts, func(l string) bool { return strings.Contains(text, start.Format(l)) })
}

// calendarTime reads a DATE or a DATE-TIME, as the wall clock of its zone.
func calendarTime(s string) (t time.Time, whole, ok bool) {
	s = strings.TrimSuffix(strings.ToUpper(s), "Z")
	for _, layout := range []string{"20060102T150405", "20060102T1504", "20060102"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, layout == "20060102", true
		}
	}
	return time.Time{}, false, false
}
