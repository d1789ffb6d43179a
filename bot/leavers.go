package bot

import (
	"context"
	"fmt"
	"strings"

	"groupmail/ticketing"
)

// leftLine offers what is still with somebody who has left. link leads to a message of the board.
func leftLine(dr ticketing.Drawing, show ticketing.Show, link func(message string) string) Message {
	l := dr.Left
	name := ticketing.OneLine(l.Member.Called(), 80)
	var has []string
	for _, some := range []struct {
		n         int
		one, many string
	}{
		{l.Taken, "1 taken conversation", "%d taken conversations"},
		{l.Waits, "1 that waits for its sender", "%d that wait for their senders"},
		{l.Todos, "1 to-do", "%d to-dos"},
	} {
		switch {
		case some.n == 1:
			has = append(has, some.one)
		case some.n > 1:
			has = append(has, fmt.Sprintf(some.many, some.n))
		}
	}
	switch {
	case l.Back:
		text := name + " is back in " + dr.Group.Title
		return Message{Notice: text, Tone: Grey, Status: Line{{Text: "✓ " + text}}}
	case len(has) == 0:
		text := "Nothing is with " + name + " any more, who has left " + dr.Group.Title
		return Message{Notice: text, Tone: Grey, Status: Line{{Text: "✓ " + text}}}
	}
	text := name + " has left " + dr.Group.Title
	m := Message{
		Notice: text + " and still has " + inWords(has), Tone: Yellow,
		Status: Line{{Text: "➜ " + text, Strong: true}, {Text: " and still has " + inWords(has) + ":"}},
	}
	for _, one := range l.First {
		mark := "◆ "
		if one.State == ticketing.Waiting {
			mark = "◇ "
		}
		what := strings.TrimSpace(one.Name() + " " + ticketing.OneLine(one.With.Called(), 60))
		if show != ticketing.ShowSender {
			what += ": " + ticketing.OneLine(subject(one.Conversation), 100)
		}
		m.Lines = append(m.Lines, Line{{Text: mark}, {Time: one.Since}, {Text: " "}, {Text: what, URL: link(one.Card.Message)}})
	}
	if more := l.Taken + l.Waits - len(l.First); more > 0 {
		m.Lines = append(m.Lines, Line{{Text: fmt.Sprintf("and %d more", more)}})
	}
	who := string(l.Member.ID)
	if l.Taken+l.Waits > 0 {
		m.Buttons = append(m.Buttons, Button{ID: "leftrelease", Label: "Release all", Value: who, Confirm: "Give back to everybody what " + name + " took? What waits for its sender goes on waiting, and is nobody's."})
		m.Footer = Line{{Text: "Release all puts the taken ones back into the queue."}}
	}
	m.Buttons = append([]Button{{ID: "lefthand", Label: "Hand over…", Value: who, Style: Primary, Opens: true}}, m.Buttons...)
	return m
}

// inWords joins a list as people do: "a, b and c".
func inWords(all []string) string {
	if n := len(all); n > 1 {
		return strings.Join(all[:n-1], ", ") + " and " + all[n-1]
	}
	return strings.Join(all, "")
}

// handedLine tells somebody what they were given.
func handedLine(dr ticketing.Drawing) Message {
	text := dr.Named(dr.Event.Member).Called() + " gave you what " + dr.Named(ticketing.MemberID(dr.Post.Subject)).Called() + " had, who has left"
	return Message{
		Notice: text, Status: Line{{Text: "➜ " + text, Strong: true}}, Footer: Line{{Text: dr.Group.Title}},
		Buttons: []Button{{ID: "mine", Label: "What I have", Value: "0"}},
	}
}

func (h *hub) pressLeftRelease(ctx context.Context, who caller, c Click, _ int64) Answer {
	n, err := h.Desk.ReleaseLeft(ctx, who.by, ticketing.MemberID(c.Value))
	if err != nil {
		return h.told(err, c.Button, who)
	}
	if n == 0 {
		return whisper("Nothing was left to release.")
	}
	return whisper("✓ " + plural(n, "conversation") + " released.")
}

func (h *hub) pressLeftHand(ctx context.Context, who caller, c Click, _ int64) Answer {
	from := ticketing.MemberID(c.Value)
	left, err := h.Desk.Member(ctx, from)
	if err != nil {
		return whisper(h.say(err, c.Button, who))
	}
	options, err := h.others(ctx, who, from)
	if err != nil {
		return whisper(h.say(err, c.Button, who))
	}
	state := h.state(who, "lefthand", 0)
	state.Owner = from
	return Answer{Form: &Form{
		Title: "Hand over", Submit: "Hand over", State: h.sign(state),
		Intro:  []Line{{{Text: "All that " + ticketing.OneLine(left.Called(), 80) + " still has in " + who.group.Title + ": conversations and to-dos."}}},
		Fields: []FormField{{Name: "member", Label: "To whom?", Kind: Select, Options: options, Required: true}},
	}}
}

func (h *hub) submitLeftHand(ctx context.Context, who caller, s formState, v map[string]string) (Answer, error) {
	to := ticketing.MemberID(v["member"])
	n, err := h.Desk.HandOverLeft(ctx, who.by, s.Owner, to)
	if err != nil {
		return Answer{}, err
	}
	text := fmt.Sprintf("✓ %d handed over.", n)
	if n == 0 {
		text = "Nothing was left to hand over."
	}
	if warning := h.away(ctx, to); warning != "" {
		text += " ⚠ " + warning
	}
	return whisper(text), nil
}
