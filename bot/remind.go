package bot

import (
	"fmt"

	"groupmail/ticketing"
)

// openingLine says, as a group opens, what came meanwhile. link leads to a message of the board.
func openingLine(dr ticketing.Drawing, show ticketing.Show, link func(message string) string) Message {
	o := dr.Opening
	queue := []Button{{ID: "queue", Label: "Queue", Value: "0"}}
	if o.Count == 0 {
		return Message{Notice: "Nothing of what came meanwhile waits any more", Status: Line{{Text: "✓ Nothing that came since "}, {Time: o.Since}, {Text: " waits any more"}}, Buttons: queue}
	}
	text := fmt.Sprintf("☀ %d new", o.Count)
	m := Message{Notice: fmt.Sprintf("%s: %d new", dr.Group.Title, o.Count), Tone: Yellow, Buttons: queue,
		Status: Line{{Text: text, Strong: true}, {Text: " since "}, {Time: o.Since}, {Text: ", oldest first"}}}
	for _, l := range o.First {
		what := ticketing.OneLine(l.With.Called(), 60)
		if what == "" {
			what = "unknown sender"
		}
		if show != ticketing.ShowSender {
			what += ": " + ticketing.OneLine(subject(l.Conversation), 100)
		}
		m.Lines = append(m.Lines, Line{{Text: "● "}, {Time: l.Waits}, {Text: " "}, {Text: what, URL: link(l.Card.Message)}})
	}
	if more := o.Count - len(o.First); more > 0 {
		m.Lines = append(m.Lines, Line{{Text: fmt.Sprintf("and %d more", more)}})
	}
	return m
}

// subject is what a conversation is about.
func subject(c ticketing.Conversation) string {
	if c.Subject == "" {
		return "(no subject)"
	}
	return c.Subject
}

// matter says in a line with whom a conversation is and what about; url leads to it, if it is not empty.
func matter(c ticketing.Conversation, url string) Line {
	return Line{{Text: ticketing.OneLine(c.With.Called(), 80) + ": "}, {Text: ticketing.OneLine(subject(c), 150), URL: url, Strong: true}}
}

// ask asks whether a conversation goes on, and says later what has become of it. link leads to its card.
func ask(dr ticketing.Drawing, link string) Message {
	c := dr.Conversation
	v := id(c)
	what := matter(c, link)
	whose := dr.Named(c.Owner).Called()
	mine := dr.Post.To != "" && dr.Post.To == c.Owner
	if mine {
		whose = "you"
	}
	name := "A conversation"
	if c.Number > 0 {
		name = c.Name()
	}
	switch {
	case !dr.Asks():
		text := "✓ " + name + ": "
		switch c.State {
		case ticketing.New:
			text += "it waits for somebody again"
		case ticketing.Taken:
			text += "taken by " + whose
		case ticketing.Waiting:
			text += "it waits for the sender"
		case ticketing.Spam:
			text += "spam"
		case ticketing.Closed, ticketing.Held:
			text += "closed"
		}
		return Message{Notice: text, Tone: Grey, Status: Line{{Text: text}}, Lines: []Line{what}}
	case c.State == ticketing.Taken:
		m := Message{
			Notice: name + " lies idle with " + whose, Tone: Red,
			Status: Line{{Text: "▲ " + name + " lies idle with " + whose, Strong: true}, {Text: " since "}, {Time: c.Touched}},
			Lines:  []Line{what},
			Footer: Line{{Text: "If nothing is done, it is released by itself: "}, {Time: dr.Group.Lapses(c)}},
			Buttons: []Button{
				{ID: "keep", Label: "Keep", Style: Primary, Value: v}, {ID: "release", Label: "Release", Value: v},
			},
		}
		if !mine {
			m.Buttons[0] = Button{ID: "assign", Label: "Hand over…", Value: v, Opens: true}
		}
		return m
	}
	m := Message{
		Notice: name + ": no answer from " + ticketing.OneLine(c.With.Called(), 80), Tone: Blue,
		Status: Line{{Text: "◇ " + name + " waits for the sender", Strong: true}, {Text: " since "}, {Time: c.Touched}, {Text: ". Is it done?"}},
		Lines:  []Line{what},
		Buttons: []Button{
			{ID: "close", Label: "Close", Style: Primary, Value: v, Opens: true}, {ID: "keep", Label: "Keep waiting", Value: v},
		},
	}
	if !mine && c.Owner != "" {
		m.Footer = Line{{Text: whose + " has it"}}
	}
	return m
}
