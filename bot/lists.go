package bot

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"groupmail/ticketing"
)

// listed is how many conversations a page of a list shows.
const listed = 20

// list says what is listed.
type list struct {
	kind listKind
	of   string // waits, has: the group, or the group and its mailbox, see in; collected: the flood
}

type listKind string

const (
	listWaits     listKind = "waits" // what nobody has
	listHas       listKind = "has"   // what somebody has
	listMine      listKind = "mine"
	listCollected listKind = "collected" // what of a flood has no card
)

// scope is what a queue is of.
type scope struct {
	group   ticketing.Group
	board   string // where the cards are that lines lead to
	mailbox string // empty: all of the group's
}

func (s scope) String() string { return strings.TrimSpace(s.group.Name + " " + s.mailbox) }

// scope finds the mailbox that is named, by its name or address, or another group of which the
// member is one, too. Nothing is named: the channel's group.
func (h *hub) scope(ctx context.Context, who caller, named string) (scope, error) {
	here := scope{group: who.group, board: who.board.Name}
	if named == "" {
		return here, nil
	}
	var names []string
	for _, m := range who.group.Mailboxes {
		if strings.EqualFold(m.Name, named) || strings.EqualFold(m.Address.Addr, named) {
			here.mailbox = m.Name
			return here, nil
		}
		names = append(names, m.Name)
	}
	for _, g := range h.Desk.Groups() {
		team, err := h.Desk.Colleagues(ctx, g.Name)
		if err != nil {
			return here, err
		}
		if !slices.ContainsFunc(team, func(m ticketing.Member) bool { return m.ID == who.by.Member.ID }) {
			continue
		}
		if strings.EqualFold(g.Name, named) || strings.EqualFold(g.Title, named) {
			there := scope{group: g}
			for _, b := range g.Boards {
				if b.Platform == h.p.Name() && (there.board == "" || b.Name == who.board.Name) {
					there.board = b.Name
				}
			}
			return there, nil
		}
		if g.Name != who.group.Name {
			names = append(names, g.Name)
		}
	}
	return here, ticketing.Refusal{Kind: ticketing.NotFound, Text: "There is no mailbox “" + ticketing.OneLine(named, 40) + "” here. There are: " + strings.Join(names, ", ")}
}

// scoped is the way back from scope.String. A group that is no longer the member's is refused.
func (h *hub) scoped(ctx context.Context, who caller, s string) (scope, error) {
	group, mailbox, _ := strings.Cut(s, " ")
	if group == who.group.Name {
		return h.scope(ctx, who, mailbox)
	}
	return h.scope(ctx, who, group)
}

func (h *hub) runQueue(ctx context.Context, in invoked) Answer {
	s, err := h.scope(ctx, in.caller, in.rest)
	if err != nil {
		return whisper(h.say(err, "queue", in.caller))
	}
	return h.page(ctx, in.caller, "queue", list{listWaits, s.String()}, ticketing.Place{}, false)
}

func (h *hub) runMine(ctx context.Context, in invoked) Answer {
	a := h.page(ctx, in.caller, "mine", list{listMine, ""}, ticketing.Place{}, false)
	const atMost = 10
	todos, more, err := h.todosShort(ctx, in.caller, atMost)
	if err != nil {
		return whisper(h.say(err, "mine", in.caller))
	}
	if len(todos) > 0 {
		head := "To do: " + strconv.Itoa(len(todos))
		if more {
			head = "To do, the first " + strconv.Itoa(atMost)
		}
		a.Whisper.Lines = append(append(a.Whisper.Lines, Line{{Text: head, Strong: true}}), h.todoLines(todos, false)...)
		a.Whisper.Buttons = append(a.Whisper.Buttons, Button{ID: "todos", Label: "To-dos", Value: "0"})
	}
	return a
}

func (h *hub) pressQueue(ctx context.Context, who caller, _ Click, _ int64) Answer {
	return h.runQueue(ctx, invoked{caller: who})
}

func (h *hub) pressMine(ctx context.Context, who caller, _ Click, _ int64) Answer {
	return h.runMine(ctx, invoked{caller: who})
}

// pressCollected lists what of a flood has no card yet.
func (h *hub) pressCollected(ctx context.Context, who caller, c Click, _ int64) Answer {
	return h.page(ctx, who, c.Button, list{listCollected, c.Value}, ticketing.Place{}, false)
}

// pressPage turns the pages of a list, where it is shown if that can be.
func (h *hub) pressPage(ctx context.Context, who caller, c Click, _ int64) Answer {
	l, at, back, ok := pageNamed(c.Value)
	if !ok {
		return whisper(broken)
	}
	return inPlace(c, h.page(ctx, who, c.Button, l, at, back))
}

// inPlace lets what a whisper's button says take the whisper's place.
func inPlace(c Click, a Answer) Answer {
	if c.Key == "" {
		a.Redraw, a.Whisper = a.Whisper, nil
	}
	return a
}

// pageName is a button's value that names a page; pageNamed reads it.
func pageName(l list, at ticketing.Place, back bool) string {
	return fmt.Sprintf("%s %t %s %s", l.kind, back, placeName(at), l.of)
}

func pageNamed(value string) (l list, at ticketing.Place, back bool, ok bool) {
	kind, rest, _ := strings.Cut(value, " ")
	turn, rest, _ := strings.Cut(rest, " ")
	at, of, ok := cutPlace(rest)
	return list{listKind(kind), of}, at, turn == "true", ok && strings.Count(value, " ") >= 4
}

// page whispers a page of a list.
func (h *hub) page(ctx context.Context, who caller, doing string, l list, at ticketing.Place, back bool) Answer {
	m, err := h.pageMessage(ctx, who, l, at, back)
	if err != nil {
		return whisper(h.say(err, doing, who))
	}
	return Answer{Whisper: m}
}

func (h *hub) pageMessage(ctx context.Context, who caller, l list, at ticketing.Place, back bool) (*Message, error) {
	m := &Message{}
	s := scope{board: who.board.Name}
	if l.kind == listWaits || l.kind == listHas {
		var err error
		if s, err = h.scoped(ctx, who, l.of); err != nil {
			return nil, err
		}
		m.Notice, m.Title = "The queue", "Queue of "+s.group.Title
		if s.mailbox != "" {
			m.Title += ", " + s.mailbox
		}
	}
	var q ticketing.Query
	some, none := "", ""
	switch l.kind {
	case listWaits:
		q, some, none = ticketing.Waits(s.group.Name, s.mailbox), "Waits for somebody", "Nothing waits for somebody."
	case listHas:
		q, some, none = ticketing.Has(s.group.Name, s.mailbox), "Somebody has it", "Nobody has anything."
	case listMine:
		q, some, none = ticketing.Mine(who.group.Name, who.by.Member.ID), "You have", "You have nothing."
		m.Notice = "What you have"
	case listCollected:
		flood, err := strconv.ParseInt(l.of, 10, 64)
		if err != nil || flood == 0 {
			return nil, ticketing.Refusal{Kind: ticketing.BadInput, Text: broken}
		}
		q, some, none = ticketing.Collected(who.group.Name, ticketing.ConversationID(flood)), "Without cards yet", "All of them are shown or done."
		m.Notice = "Without cards yet"
	default:
		return nil, ticketing.Refusal{Kind: ticketing.BadInput, Text: broken}
	}
	q.Limit, q.Place, q.Back = listed, at, back
	p, err := h.Desk.List(ctx, s.board, q)
	if err != nil {
		return nil, err
	}
	m.Lines = append(m.Lines, Line{{Text: heading(p, some, none), Strong: true}})
	m.Lines = append(m.Lines, h.listLines(p.List, l.kind == listHas)...)
	if p.Before > 0 {
		m.Buttons = append(m.Buttons, Button{ID: "older", Label: "Older", Value: pageName(l, p.List[0].PlaceIn(q.Order), true)})
	}
	if p.More {
		m.Buttons = append(m.Buttons, Button{ID: "newer", Label: "Newer", Value: pageName(l, p.List[len(p.List)-1].PlaceIn(q.Order), false)})
	}
	switch {
	case l.kind == listHas:
		m.Buttons = append(m.Buttons, Button{ID: "listwaits", Label: "What waits", Value: pageName(list{listWaits, l.of}, ticketing.Place{}, false)})
	case l.kind == listWaits && p.Before == 0: // below, what somebody has
		q := ticketing.Has(s.group.Name, s.mailbox)
		q.Limit = listed
		p, err := h.Desk.List(ctx, s.board, q)
		if err != nil {
			return nil, err
		}
		if p.All > 0 {
			m.Lines = append(m.Lines, Line{{Text: heading(p, "Somebody has it", ""), Strong: true}})
			m.Lines = append(m.Lines, h.listLines(p.List, true)...)
		}
		if p.More {
			m.Buttons = append(m.Buttons, Button{ID: "listhas", Label: "More that somebody has", Value: pageName(list{listHas, l.of}, p.List[len(p.List)-1].PlaceIn(q.Order), false)})
		}
	}
	return m, nil
}

// heading says how many there are, and which of them are shown.
func heading(p ticketing.ListPage, some, none string) string {
	switch all := ofAll(p); {
	case p.All == 0:
		return none
	case len(p.List) == p.All:
		return some + ": " + plural(p.All, "conversation")
	case len(p.List) == 1:
		return fmt.Sprintf("%s: %d of %s", some, p.Before+1, all)
	default:
		return fmt.Sprintf("%s: %d–%d of %s", some, p.Before+1, p.Before+len(p.List), all)
	}
}

// ofAll is how many there are, as far as it is counted.
func ofAll(p ticketing.ListPage) string {
	if p.All >= ticketing.Counted {
		return "more than " + strconv.Itoa(ticketing.Counted-1)
	}
	return strconv.Itoa(p.All)
}

// listLines is a line a conversation: its state, since when, number, who, what, whose, and the way to its card.
func (h *hub) listLines(all []ticketing.Listed, owners bool) (lines []Line) {
	for _, l := range all {
		state, since := "● new ", l.Waits
		switch {
		case l.Overdue:
			state = "▲ overdue "
		case l.State == ticketing.Taken:
			state = "◆ taken "
		case l.State == ticketing.Waiting:
			state = "◇ answered "
		}
		if l.State != ticketing.New {
			since = l.Since
		}
		line := Line{{Text: state}, {Time: since}, {Text: " "}}
		if l.Number > 0 {
			line = append(line, Span{Text: l.Name() + " ", Strong: true})
		}
		text := ticketing.OneLine(l.With.Called(), 60) + ": " + ticketing.OneLine(subject(l.Conversation), 100)
		line = append(line, Span{Text: text, URL: h.to(l.Card)})
		if owners && l.Owner != "" {
			line = append(line, Span{Text: " · " + l.Holder.Called()})
		}
		lines = append(lines, line)
	}
	return lines
}
