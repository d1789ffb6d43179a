package bot

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"

	"groupmail/ticketing"
)

// CommandName is the slash command that everything is under.
const CommandName = "mail"

// command is one sub-command: help, completion and registration are made from it.
type command struct {
	name string
	args string // as help shows them
	help string // one line
	run  func(h *hub, ctx context.Context, in invoked) Answer
	// about is what the first argument names, for completion.
	about argument
}

type argument int

const (
	nothing argument = iota
	aTicket
	aMailbox
	aContact
	aPage
)

// invoked is a command as it was typed.
type invoked struct {
	caller
	Command
	rest   string                   // what stands behind the sub-command
	picked ticketing.ConversationID // chosen in a form instead of being named
}

// name is the sub-command alone: what else was typed may be words of an answer.
func (in invoked) name() string {
	name, _ := word(in.Text)
	return name
}

// word parts a text at its first blank, of whatever kind.
func word(text string) (first, rest string) {
	text = strings.TrimSpace(text)
	i := strings.IndexFunc(text, unicode.IsSpace)
	if i < 0 {
		return text, ""
	}
	return text[:i], strings.TrimSpace(text[i:])
}

// ticketNumber tells whether a word is a ticket's number: "#12", "12", with a sign of punctuation behind it.
func ticketNumber(w string) (number string, ok bool) {
	w = strings.TrimRight(w, ",.:;")
	digits := strings.TrimPrefix(w, "#")
	return w, digits != "" && strings.Trim(digits, "0123456789") == ""
}

var commands []command

func init() { // help lists them all
	commands = []command{
		{"queue", "[MAILBOX]", "what waits for somebody, longest first; also of another team of yours", (*hub).runQueue, aMailbox},
		{"mine", "", "what you have", (*hub).runMine, nothing},
		{"held", "", "what is held: automatic answers, delivery failures, unreadable mail", (*hub).runHeld, nothing},
		{"ticket", "[SUMMARY]", "open a ticket for a phone call or a visit", (*hub).runTicket, nothing},
		{"show", "#12", "a ticket: its mails and what was done", (*hub).runShow, aTicket},
		{"take", "#12", "take a ticket", onTicket(moved("take", (*ticketing.Desk).Take)), aTicket},
		{"release", "#12", "put it back for everybody", onTicket(moved("release", (*ticketing.Desk).Release)), aTicket},
		{"assign", "#12 @ANN", "give it to somebody", (*hub).runAssign, aTicket},
		{"reply", "#12 [TEXT]", "answer the sender, in a form", (*hub).runReply, aTicket},
		{"close", "#12 [OUTCOME]", "close it, and say how it ended", (*hub).runClose, aTicket},
		{"reopen", "#12", "open it again, for you", onTicket(moved("reopen", (*ticketing.Desk).Reopen)), aTicket},
		{"spam", "#12", "mark it as spam; Undo is on its card", onTicket(moved("spam", (*ticketing.Desk).Spam)), aTicket},
		{"new", "[ADDRESS SUBJECT]", "write to somebody who has not written first", (*hub).runNew, aContact},
		{"move", "#12 [TEAM]", "give a ticket to another team", (*hub).runMove, aTicket},
		{"forward", "#12 or PAGE @ANN [NOTE]", "point a colleague to a ticket or page, by direct message", (*hub).runForward, aTicket},
		{"contact", "[NAME]", "somebody you know, by name, address or number; all of them; or a new one: add NAME", (*hub).runContact, aContact},
		{"watch", "NAME", "be told when a contact writes, or no longer", (*hub).runWatch, aContact},
		{"search", "WORDS", "find mail, tickets, contacts and pages", (*hub).runSearch, nothing},
		{"page", "[NAME]", "a page of the team's, to read and to edit; all of them", (*hub).runPage, aPage},
		{"note", "[PAGE or #12] [TEXT]", "add a note to a page, or to the case notes of whom a ticket is with", (*hub).runNote, aPage},
		{"login", "", "a link to read all of it on the web", (*hub).runLogin, nothing},
		{"todo", "[WHAT WHEN @ANN #12]", "what is to be done: call Ann tomorrow 10:00 @ben #12; without words: what you have to do", (*hub).runTodo, nothing},
		{"who", "", "who is in the team, online or away, and what they have", (*hub).runWho, nothing},
		{"me", "", "about you: From name, signature, status and time zone", (*hub).runMe, nothing},
		{"help", "[COMMAND]", "this list, or what one of them does", (*hub).runHelp, nothing},
	}
}

// headings stand in help before these commands.
var headings = map[string]string{"queue": "What there is", "ticket": "Tickets", "contact": "People and pages", "todo": "You and your team"}

// Commands implements Hub.
func (h *hub) Commands() []CommandInfo { return CommandList() }

// shorts are sub-commands that are commands of their own, too, where the platform has their names free.
var shorts = []string{"ticket", "contact", "todo"}

// CommandList is what is registered with a platform: the one slash command, with its sub-commands as a hint, and
// the short forms.
func CommandList() []CommandInfo {
	names := make([]string, len(commands))
	var short []CommandInfo
	for i, c := range commands {
		names[i] = c.name
		if slices.Contains(shorts, c.name) {
			short = append(short, CommandInfo{Name: c.name, Hint: c.args, Description: "/" + CommandName + " " + c.name + ": " + c.help, Short: true})
		}
	}
	return append([]CommandInfo{{Name: CommandName, Hint: "[" + strings.Join(names, " | ") + "]", Description: "The team's mailbox: queue, tickets, answers"}}, short...)
}

// Help lists the commands as plain text, one a line.
func Help() []string {
	lines := make([]string, len(commands))
	for i, c := range commands {
		lines[i] = strings.TrimSpace("/"+CommandName+" "+c.name+" "+c.args) + " – " + c.help
	}
	return lines
}

// whole is a command with its sub-command, also where that was typed as a command of its own.
func (c Command) whole() Command {
	if c.Name != CommandName && slices.Contains(shorts, c.Name) {
		c.Name, c.Text = CommandName, c.Name+" "+c.Text
	}
	return c
}

// Command implements Hub.
func (h *hub) Command(ctx context.Context, c Command) Answer {
	c = c.whole()
	who, err := h.caller(ctx, c.Channel, c.Who, c.Event)
	if err != nil {
		return whisper(h.say(err, "/"+c.Name, who))
	}
	name, rest := word(c.Text)
	if before, number, ok := strings.Cut(name, "#"); ok && before != "" { // "take#7"
		name, rest = before, strings.TrimSpace("#"+number+" "+rest)
	}
	if number, ok := ticketNumber(name); ok { // "#7"
		name, rest = "show", number
	}
	if name = strings.ToLower(name); name == "" {
		name = "help"
	}
	for _, one := range commands {
		if one.name == name {
			in := invoked{caller: who, Command: c, rest: rest}
			if one.about == aTicket && in.rest == "" && c.Root == "" {
				if answer, ok := h.pickTicket(ctx, who, one); ok {
					return answer
				}
			}
			return one.run(h, ctx, in)
		}
	}
	none := "There is no “" + ticketing.OneLine(name, 40) + "”."
	if near := meant(name); near != "" {
		return whisper(none + " Did you mean /" + CommandName + " " + near + "? /" + CommandName + " help lists all there is.")
	}
	return Answer{Whisper: helpMessage(none)}
}

// meant is the command that was perhaps mistyped; empty if none is near.
func meant(name string) string {
	best, distance := "", 3
	for _, c := range commands {
		if d := ticketing.Edits(name, c.name); d < distance {
			best, distance = c.name, d
		}
	}
	return best
}

func (h *hub) runHelp(_ context.Context, in invoked) Answer {
	for _, c := range commands {
		if name, _ := word(in.rest); strings.EqualFold(name, c.name) {
			m := &Message{Notice: c.help, Lines: []Line{c.line()}}
			if slices.Contains(shorts, c.name) {
				m.Lines = append(m.Lines, Line{{Text: "Also as "}, {Text: "/" + c.name, Code: true}, {Text: ", where the name is free."}})
			}
			return Answer{Whisper: m}
		}
	}
	return Answer{Whisper: helpMessage("")}
}

// line is a command in help.
func (c command) line() Line {
	return Line{{Text: strings.TrimSpace("/" + CommandName + " " + c.name + " " + c.args), Code: true}, {Text: " " + c.help}}
}

func helpMessage(first string) *Message {
	m := &Message{Notice: "What I can do"}
	if first != "" {
		m.Notice = first
		m.Lines = append(m.Lines, Line{{Text: first}})
	}
	for _, c := range commands {
		if heading := headings[c.name]; heading != "" {
			m.Lines = append(m.Lines, Line{{Text: heading, Strong: true}})
		}
		m.Lines = append(m.Lines, c.line())
	}
	m.Footer = Line{{Text: "In a card's thread the number may be left out. A thread message that begins with my name is sent to the other side."}}
	return m
}

// Complete implements Hub.
func (h *hub) Complete(ctx context.Context, c Command) []Completion {
	if own := c.whole(); own.Name != c.Name { // it is offered as it is typed, without the sub-command
		all := h.Complete(ctx, own)
		for i := range all {
			all[i].Text = strings.TrimPrefix(all[i].Text, c.Name+" ")
		}
		return all
	}
	name, rest, typed := strings.Cut(strings.TrimLeft(c.Text, " "), " ")
	if !typed {
		var all []Completion
		for _, one := range commands {
			if strings.HasPrefix(one.name, strings.ToLower(name)) {
				text := one.name
				if one.args != "" {
					text += " "
				}
				all = append(all, Completion{Text: text, Hint: strings.TrimSpace(one.args + "  " + one.help)})
			}
		}
		return all
	}
	who, err := h.caller(ctx, c.Channel, c.Who, "")
	if err != nil {
		return nil
	}
	i := slices.IndexFunc(commands, func(one command) bool { return one.name == strings.ToLower(name) })
	if i < 0 {
		return nil
	}
	switch commands[i].about {
	case aContact: // by any word of the name
		return after(name, h.contacts(ctx, who, rest))
	case aPage:
		return after(name, h.pages(ctx, who, rest))
	case aMailbox:
		return completed(name, rest, mailboxes(who.group))
	case aTicket:
		first, second, more := strings.Cut(strings.TrimLeft(rest, " "), " ")
		if !more {
			return completed(name, rest, h.tickets(ctx, who))
		}
		return completed(name+" "+first, second, h.second(ctx, who, commands[i].name))
	}
	return nil
}

// second offers what may follow the ticket.
func (h *hub) second(ctx context.Context, who caller, name string) []Completion {
	var all []Completion
	switch name {
	case "close":
		for _, o := range who.group.Outcomes {
			all = append(all, Completion{Text: o})
		}
	case "move":
		for _, g := range h.Desk.OtherGroups(who.group.Name) {
			all = append(all, Completion{Text: g.Name, Hint: g.Title})
		}
	case "assign", "forward":
		team, err := h.Desk.Colleagues(ctx, who.group.Name)
		if err != nil {
			return nil
		}
		for _, m := range team {
			all = append(all, Completion{Text: "@" + m.Handle, Hint: m.Name})
		}
	}
	return all
}

func mailboxes(g ticketing.Group) []Completion {
	var all []Completion
	for _, m := range g.Mailboxes {
		all = append(all, Completion{Text: m.Name, Hint: m.Address.Addr})
	}
	return all
}

// tickets offers the member's own and then those that nobody has.
func (h *hub) tickets(ctx context.Context, who caller) []Completion {
	const atMost = 20
	var all []Completion
	for _, q := range []ticketing.Query{ticketing.Mine(who.group.Name, who.by.Member.ID), ticketing.Waits(who.group.Name, "")} {
		q.Limit = atMost
		p, err := h.Desk.List(ctx, who.board.Name, q)
		if err != nil {
			return nil
		}
		for _, l := range p.List {
			if l.Number > 0 {
				all = append(all, Completion{Text: l.Name(), Hint: ticketing.OneLine(l.With.Called()+": "+l.Subject, 60)})
			}
		}
	}
	return all
}

// after puts what stands before them in front of all offers.
func after(before string, offers []Completion) []Completion {
	for i := range offers {
		offers[i].Text = before + " " + offers[i].Text
	}
	return offers
}

// completed is after, of those offers that begin with what was typed.
func completed(before, typed string, offers []Completion) []Completion {
	return after(before, slices.DeleteFunc(offers, func(o Completion) bool {
		return !strings.HasPrefix(strings.ToLower(o.Text), strings.ToLower(typed)) && !strings.HasPrefix(o.Text, "#"+typed)
	}))
}

// ticket finds the conversation that a command is about: "#12" in front, or the thread that it was
// typed in. rest is what follows the number.
func (h *hub) ticket(ctx context.Context, in invoked) (id ticketing.ConversationID, rest string, err error) {
	if in.picked != 0 {
		return in.picked, in.rest, nil
	}
	first, rest := word(in.rest)
	if strings.HasPrefix(first, "@") { // "assign @ben #7"
		if second, more := word(rest); strings.HasPrefix(second, "#") {
			first, rest = second, strings.TrimSpace(first+" "+more)
		}
	}
	// In a thread the words of an answer may begin with a number.
	says := in.Root != "" && slices.Contains([]string{"reply", "close", "note"}, strings.ToLower(in.name()))
	if number, ok := ticketNumber(first); ok && (strings.HasPrefix(first, "#") || !says) {
		id, err = h.Desk.Numbered(ctx, in.group.Name, number)
		return id, rest, err
	}
	if in.Root != "" {
		p, err := h.Desk.FindPost(ctx, "", in.board.Name, in.Root)
		if err == nil && p.Conversation != 0 {
			return p.Conversation, in.rest, nil
		}
		if err != nil && !errors.Is(err, ticketing.ErrNone) {
			return 0, "", err
		}
	}
	return 0, "", ticketing.Refusal{Kind: ticketing.BadInput, Text: "Which ticket? Say its number: /" + CommandName + " " + in.name() + " #12"}
}

// onTicket runs a command on the ticket that it names.
func onTicket(f func(h *hub, ctx context.Context, in invoked, id ticketing.ConversationID) Answer) func(h *hub, ctx context.Context, in invoked) Answer {
	return func(h *hub, ctx context.Context, in invoked) Answer {
		id, _, err := h.ticket(ctx, in)
		if err != nil {
			return whisper(h.say(err, in.name(), in.caller))
		}
		return f(h, ctx, in, id)
	}
}

// moved is a command that makes one move, and says so: the card may be far up.
func moved(name string, move func(*ticketing.Desk, context.Context, ticketing.By, ticketing.ConversationID) (ticketing.Conversation, error)) func(h *hub, ctx context.Context, in invoked, id ticketing.ConversationID) Answer {
	return func(h *hub, ctx context.Context, in invoked, id ticketing.ConversationID) Answer {
		c, err := move(h.Desk, ctx, in.by, id)
		return h.done(in, c, err, name)
	}
}

// done confirms a command.
func (h *hub) done(in invoked, c ticketing.Conversation, err error, name string) Answer {
	if err != nil {
		return h.told(err, name, in.caller)
	}
	if name == "reopen" {
		return whisper("✓ " + c.Name() + " is open again, and yours.")
	}
	words := map[ticketing.State]string{
		ticketing.New: "is back for everybody", ticketing.Taken: "is taken", ticketing.Waiting: "waits for the sender",
		ticketing.Closed: "is closed: " + c.Outcome, ticketing.Spam: "is marked as spam",
	}
	return whisper("✓ " + c.Name() + " " + words[c.State] + ".")
}

func (h *hub) runTicket(_ context.Context, in invoked) Answer {
	return h.openTicket(in.caller, ticketing.OneLine(in.rest, 200), "")
}

func (h *hub) runMe(ctx context.Context, in invoked) Answer { return h.openMe(ctx, in.caller) }

func (h *hub) runReply(ctx context.Context, in invoked) Answer {
	id, text, err := h.ticket(ctx, in)
	if err != nil {
		return whisper(h.say(err, in.name(), in.caller))
	}
	return h.openReply(ctx, in.caller, id, text)
}

func (h *hub) runClose(ctx context.Context, in invoked) Answer {
	id, outcome, err := h.ticket(ctx, in)
	if err != nil {
		return whisper(h.say(err, in.name(), in.caller))
	}
	if outcome == "" {
		return h.openClose(ctx, in.caller, id)
	}
	c, err := h.Desk.Close(ctx, in.by, id, outcome)
	return h.done(in, c, err, "close")
}

func (h *hub) runAssign(ctx context.Context, in invoked) Answer {
	id, name, err := h.ticket(ctx, in)
	if err != nil {
		return whisper(h.say(err, in.name(), in.caller))
	}
	if name == "" {
		return h.openAssign(ctx, in.caller, id)
	}
	to, err := h.colleague(ctx, in.caller, name)
	if err != nil {
		return whisper(h.say(err, in.name(), in.caller))
	}
	c, err := h.Desk.Assign(ctx, in.by, id, to.ID)
	if err != nil {
		return h.told(err, "assign", in.caller)
	}
	return whisper(strings.TrimSpace("✓ " + to.Called() + " has " + c.Name() + ". " + h.away(ctx, to.ID)))
}

// colleague finds who is meant by "@ann", "ann", "me" or a name.
func (h *hub) colleague(ctx context.Context, who caller, name string) (ticketing.Member, error) {
	name = strings.TrimRight(strings.TrimPrefix(strings.TrimSpace(name), "@"), ",:;")
	if strings.EqualFold(name, "me") {
		return who.by.Member, nil
	}
	team, err := h.Desk.Colleagues(ctx, who.group.Name)
	if err != nil {
		return ticketing.Member{}, err
	}
	for _, means := range []func(ticketing.Member) bool{ // the surest first
		func(m ticketing.Member) bool { return strings.EqualFold(m.Handle, name) },
		func(m ticketing.Member) bool { return strings.EqualFold(m.Name, name) },
		func(m ticketing.Member) bool {
			return strings.HasPrefix(strings.ToLower(m.Name), strings.ToLower(name))
		},
	} {
		if like := slices.DeleteFunc(slices.Clone(team), func(m ticketing.Member) bool { return !means(m) }); len(like) == 1 && name != "" {
			return like[0], nil
		} else if len(like) > 0 {
			break
		}
	}
	names := make([]string, len(team))
	for i, m := range team {
		names[i] = "@" + m.Handle
	}
	slices.Sort(names)
	return ticketing.Member{}, ticketing.Refusal{Kind: ticketing.NotFound,
		Text: "I don't know whom you mean by “" + ticketing.OneLine(name, 40) + "”. In this channel are: " + ticketing.OneLine(strings.Join(names, ", "), 500)}
}

// runShow whispers a ticket: its state, its mails and its log.
func (h *hub) runShow(ctx context.Context, in invoked) Answer {
	id, _, err := h.ticket(ctx, in)
	if err != nil {
		return whisper(h.say(err, in.name(), in.caller))
	}
	s, err := h.Desk.Conversation(ctx, in.group.Name, in.board.Name, id)
	if err != nil {
		return whisper(h.say(err, in.name(), in.caller))
	}
	dr := ticketing.Drawing{Conversation: s.Conversation, Group: in.group, Events: s.Events}.With(s.Named)
	m := &Message{Notice: s.Name(), Title: strings.TrimSpace(s.Name() + " " + ticketing.OneLine(s.Subject, 150)), Status: state(dr)}
	m.Lines = append(m.Lines, Line{{Text: "With " + ticketing.OneLine(s.With.String(), 150)}})
	if url := h.to(s.Card); url != "" {
		m.Lines[0] = append(m.Lines[0], Span{Text: " · "}, Span{Text: "to the card", URL: url})
	}
	const last = 15
	if n := len(s.Events); n > last {
		m.Lines = append(m.Lines, Line{{Text: "… " + plural(n-last, "earlier line")}})
		s.Events = s.Events[n-last:]
	}
	for _, e := range s.Events {
		m.Lines = append(m.Lines, Line{{Time: e.At}, {Text: " " + e.Words(s.Named)}})
	}
	for _, mail := range s.Mails {
		if mail.Direction == ticketing.In {
			m.Quote, m.Clipped = clip(mail.Reply, 1000)
			break
		}
	}
	const recent = 5 // mails, a line each
	for _, mail := range s.Mails[:min(len(s.Mails), recent)] {
		mark, who := "✉ ", calledSender(mail)
		if mail.Direction == ticketing.Out {
			mark = "↗ "
			if mail.By != "" {
				who = s.Named(mail.By).Called()
			}
		}
		m.Lines = append(m.Lines, Line{{Text: mark + ticketing.OneLine(who, 60) + " "}, {Time: when(mail)}, {Text: ": “" + ticketing.OneLine(mail.Reply, 150) + "”"}})
	}
	return Answer{Whisper: m}
}
