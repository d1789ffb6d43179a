package bot

import (
	"context"
	"slices"
	"strconv"

	"groupmail/ticketing"
)

// How many conversations a page shows of each kind.
const (
	pageMine  = 10
	pageQueue = 15
)

// Boards implements Hub.
func (h *hub) Boards() []string {
	var all []string
	for _, g := range h.Desk.Groups() {
		for _, b := range g.Boards {
			if b.Platform == h.p.Name() {
				all = append(all, b.Channel)
			}
		}
	}
	return all
}

// Page implements Hub: for each group of a member what they have, and then what waits, longest first.
func (h *hub) Page(ctx context.Context, who Person) Page {
	var page Page
	for _, g := range h.Desk.Groups() {
		for _, b := range g.Boards {
			if b.Platform != h.p.Name() {
				continue
			}
			c, err := h.caller(ctx, b.Channel, who, "")
			if err != nil {
				continue // no member there, or nobody knows
			}
			page.Sections = append(page.Sections, h.pageOf(ctx, c)...)
			break // the group's other boards show the same
		}
	}
	if len(page.Sections) == 0 {
		page.Sections = []Section{{Title: "Nothing to show", Lines: []Line{{{Text: "Join the channel of a team whose mail I bring, and what you have and what waits is listed here."}}}}}
	}
	return page
}

func (h *hub) pageOf(ctx context.Context, c caller) []Section {
	own, waits := ticketing.Mine(c.group.Name, c.by.Member.ID), ticketing.Waits(c.group.Name, "")
	own.Limit, waits.Limit = pageMine, pageQueue
	mine, err := h.Desk.List(ctx, c.board.Name, own)
	var free ticketing.ListPage
	if err == nil {
		free, err = h.Desk.List(ctx, c.board.Name, waits)
	}
	if err != nil {
		return []Section{{Channel: c.board.Channel, Title: c.group.Title, Lines: []Line{{{Text: h.say(err, "page", c)}}}}}
	}
	todos := Section{Channel: c.board.Channel, Title: c.group.Title + ": to do"}
	all, more, err := h.todosShort(ctx, c, pageMine)
	switch {
	case err != nil:
		todos.Lines = []Line{{{Text: h.say(err, "page", c)}}}
	case more:
		todos.Lines = []Line{{{Text: "The first " + strconv.Itoa(pageMine) + "; all are listed by "}, {Text: "/" + CommandName + " todo", Code: true}, {Text: " in the channel."}}}
	}
	for _, t := range all {
		v := strconv.FormatInt(int64(t.ID), 10)
		todos.Items = append(todos.Items, Message{Notice: "To-do: " + t.Text, Lines: h.todoLines([]ticketing.ListedTodo{t}, false), Buttons: []Button{
			{ID: "tododone", Label: "Done", Value: v}, {ID: "todotomorrow", Label: "Tomorrow", Value: v}, {ID: "todoedit", Label: "Change…", Value: v, Opens: true},
		}})
	}
	sections := []Section{
		h.pageSection(c, c.group.Title+": you have", "You have nothing.", "mine", mine, func(v string) []Button {
			return []Button{{ID: "reply", Label: "Reply", Value: v, Opens: true}, {ID: "release", Label: "Release", Value: v}, {ID: "close", Label: "Close", Value: v, Opens: true}}
		}),
		h.pageSection(c, c.group.Title+": waits for somebody", "Nothing waits for somebody.", "queue", free, func(v string) []Button {
			return []Button{{ID: "take", Label: "Take", Value: v}, {ID: "reply", Label: "Reply", Value: v, Opens: true}}
		}),
	}
	if len(todos.Items) > 0 || err != nil {
		sections = slices.Insert(sections, 1, todos)
	}
	return sections
}

func (h *hub) pageSection(c caller, title, none, command string, p ticketing.ListPage, buttons func(value string) []Button) Section {
	s := Section{Channel: c.board.Channel, Title: title}
	if p.All == 0 {
		s.Lines = []Line{{{Text: none}}}
	}
	if p.More {
		s.Lines = []Line{{{Text: heading(p, "Shown", "") + "; all are listed by "}, {Text: "/" + CommandName + " " + command, Code: true}, {Text: " in the channel."}}}
	}
	for _, l := range p.List {
		s.Items = append(s.Items, Message{
			Notice: ticketing.OneLine(l.With.Called()+": "+l.Subject, 150),
			Lines:  h.listLines([]ticketing.Listed{l}, false), Buttons: buttons(id(l.Conversation)),
		})
	}
	return s
}
