package bot

import (
	"context"
	"slices"
	"strings"

	"groupmail/ticketing"
)

// runNew opens the form for a mail to somebody who has not written: "new maria@example.net Subject".
func (h *hub) runNew(ctx context.Context, in invoked) Answer {
	to, subject := word(in.rest)
	if to != "" && !strings.Contains(to, "@") { // a contact's name, or only a subject
		if found, _, err := h.Desk.FindContacts(ctx, in.group.Name, unquoted(in.rest)); err == nil && len(found) == 1 {
			return h.newForm(in.caller, found[0], "", "")
		}
		to, subject = "", in.rest
	}
	return h.newForm(in.caller, ticketing.Contact{}, to, subject)
}

// newForm is filled in for a contact, or with an address.
func (h *hub) newForm(who caller, c ticketing.Contact, to, subject string) Answer {
	if a := mailAddress(c); a.Addr != "" {
		to = joined([]ticketing.Address{a})
	}
	f := &Form{Title: "New mail", Submit: "Send", State: h.sign(h.state(who, "new", 0))}
	f.Intro = says("It becomes a ticket of yours; answers come into its thread. It can be stopped for a moment after Send.")
	if len(who.group.Mailboxes) > 1 && who.group.From.Addr == "" {
		options := make([]Option, len(who.group.Mailboxes))
		for i, m := range who.group.Mailboxes {
			options[i] = Option{Value: m.Name, Label: m.Address.Addr}
		}
		f.Fields = append(f.Fields, FormField{Name: "mailbox", Label: "From", Kind: Select, Value: options[0].Value, Options: options, Required: true})
	}
	f.Fields = append(f.Fields,
		FormField{Name: "to", Label: "To", Kind: Short, Value: to, Required: true, Help: "Addresses, or the name of a contact; several: commas between them."},
		FormField{Name: "cc", Label: "Cc", Kind: Short},
		FormField{Name: "subject", Label: "Subject", Kind: Short, Value: ticketing.OneLine(subject, 300), Required: true, Max: 300},
		FormField{Name: "text", Label: "Text", Kind: Long, Required: true, Help: "With files, or longer than fits here: write more in the card's thread afterwards."},
	)
	return Answer{Form: f}
}

// mailAddress is where mail to a contact goes; zero if none is known.
func mailAddress(c ticketing.Contact) ticketing.Address {
	if i := slices.IndexFunc(c.Addresses, func(a string) bool { return !strings.HasPrefix(a, "@") }); i >= 0 {
		return ticketing.Address{Name: c.Name, Addr: c.Addresses[i]}
	}
	return ticketing.Address{}
}

func (h *hub) submitNew(ctx context.Context, who caller, _ formState, v map[string]string) (Answer, error) {
	to, err := h.recipients(ctx, who, "to", v["to"])
	if err != nil {
		return Answer{}, err
	}
	cc, err := h.recipients(ctx, who, "cc", v["cc"])
	if err != nil {
		return Answer{}, err
	}
	r, err := h.Desk.NewMail(ctx, who.by, ticketing.NewMailInput{Mailbox: v["mailbox"], To: to, Cc: cc, Subject: v["subject"], Text: v["text"]})
	if err != nil {
		return Answer{}, err
	}
	m := progress(r, "")
	m.Until = r.Due
	return Answer{Whisper: &m, Aside: true}, nil
}

// recipients reads addresses, and the names of contacts among them.
func (h *hub) recipients(ctx context.Context, who caller, field, text string) (all []ticketing.Address, err error) {
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ';' || r == '\n' }) {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		if strings.Contains(part, "@") {
			list, err := typedAddresses(field, part)
			if err != nil {
				return nil, err
			}
			all = append(all, list...)
			continue
		}
		found, near, err := h.Desk.FindContacts(ctx, who.group.Name, unquoted(part))
		if err != nil {
			return nil, err
		}
		if len(found) != 1 {
			return nil, ticketing.Refusal{Kind: ticketing.NotFound, Field: field, Text: whichContact(part, found, near, "Write an address.")}
		}
		a := mailAddress(found[0])
		if a.Addr == "" {
			return nil, ticketing.Refusal{Kind: ticketing.BadInput, Field: field, Text: "No mail address of " + found[0].Name + " is known."}
		}
		all = append(all, a)
	}
	return all, nil
}

// pressNewTo writes to a contact; pressTicketWith opens a ticket with them.
func (h *hub) pressNewTo(ctx context.Context, who caller, c Click, id int64) Answer {
	k, err := h.Desk.Contact(ctx, who.group.Name, who.board.Name, ticketing.ContactID(id))
	if err != nil {
		return whisper(h.say(err, c.Button, who))
	}
	return h.newForm(who, k.Contact, "", "")
}

func (h *hub) pressTicketWith(ctx context.Context, who caller, c Click, id int64) Answer {
	k, err := h.Desk.Contact(ctx, who.group.Name, who.board.Name, ticketing.ContactID(id))
	if err != nil {
		return whisper(h.say(err, c.Button, who))
	}
	return h.openTicket(who, "", k.Name)
}

// runForward points a colleague to a ticket, or a page: "forward #12 @ann please look", "forward Boiler @ann".
func (h *hub) runForward(ctx context.Context, in invoked) Answer {
	if name, rest, ok := strings.Cut(in.rest, " @"); ok && !strings.HasPrefix(name, "#") {
		if p, err := h.Desk.PageNamed(ctx, in.group.Name, unquoted(name)); err == nil {
			return h.forwardPage(ctx, in, p.Page, rest)
		}
	}
	id, rest, err := h.ticket(ctx, in)
	if err != nil {
		return whisper(h.say(err, in.name(), in.caller))
	}
	name, note := word(rest)
	if name == "" {
		return h.forwardForm(ctx, in.caller, id)
	}
	to, err := h.colleague(ctx, in.caller, name)
	if err != nil {
		return whisper(h.say(err, in.name(), in.caller))
	}
	c, err := h.Desk.Forward(ctx, in.by, id, to.ID, note)
	if err != nil {
		return h.told(err, "forward", in.caller)
	}
	return whisper("✓ " + to.Called() + " is pointed to " + c.Name() + " by direct message.")
}

func (h *hub) forwardPage(ctx context.Context, in invoked, p ticketing.Page, rest string) Answer {
	name, note := word(rest)
	to, err := h.colleague(ctx, in.caller, name)
	if err == nil {
		_, err = h.Desk.ForwardPage(ctx, in.by, p.ID, to.ID, note)
	}
	if err != nil {
		return h.told(err, "forward", in.caller)
	}
	return whisper("✓ " + to.Called() + " is pointed to “" + ticketing.OneLine(p.Title, 100) + "” by direct message.")
}

func (h *hub) pressForward(ctx context.Context, who caller, _ Click, id int64) Answer {
	return h.forwardForm(ctx, who, ticketing.ConversationID(id))
}

func (h *hub) forwardForm(ctx context.Context, who caller, id ticketing.ConversationID) Answer {
	s, err := h.Desk.Conversation(ctx, who.group.Name, who.board.Name, id)
	if err != nil {
		return whisper(h.say(err, "forward", who))
	}
	options, err := h.others(ctx, who, who.by.Member.ID)
	if err != nil {
		return whisper(h.say(err, "forward", who))
	}
	if len(options) == 0 {
		return whisper("There is nobody else in this channel to point to it.")
	}
	return Answer{Form: &Form{
		Title: "Point a colleague to it", Submit: "Tell them", State: h.sign(h.state(who, "forward", id)),
		Intro: []Line{matter(s.Conversation, "")},
		Fields: []FormField{
			{Name: "member", Label: "Whom?", Kind: Select, Options: options, Required: true},
			{Name: "note", Label: "Why?", Kind: Short, Max: 300},
		},
	}}
}

// others are the colleagues but for one, by name.
func (h *hub) others(ctx context.Context, who caller, but ticketing.MemberID) ([]Option, error) {
	team, err := h.Desk.Colleagues(ctx, who.group.Name)
	if err != nil {
		return nil, err
	}
	options := []Option{}
	for _, m := range team {
		if m.ID != but {
			label := m.Called()
			if s := m.StatusAt(h.Clock()); s != "" {
				label = ticketing.OneLine(label+" ("+s+")", 70)
			}
			options = append(options, Option{Value: string(m.ID), Label: label})
		}
	}
	slices.SortFunc(options, func(a, b Option) int { return strings.Compare(strings.ToLower(a.Label), strings.ToLower(b.Label)) })
	return options, nil
}

func (h *hub) submitForward(ctx context.Context, who caller, s formState, v map[string]string) (Answer, error) {
	_, err := h.Desk.Forward(ctx, who.by, s.About, ticketing.MemberID(v["member"]), v["note"])
	return Answer{}, err
}

// watchLine tells a member that somebody whom they watch has written.
func watchLine(dr ticketing.Drawing, link string) Message {
	who := ticketing.OneLine(dr.Known.Line(), 120)
	if sender := dr.Mail.Sender(); dr.Known.ID == 0 || !dr.Conversation.With.Is(sender) && !dr.Known.Has(sender) {
		who = ticketing.OneLine(calledSender(dr.Mail), 80)
	}
	m := Message{
		Notice: who + " has written: " + ticketing.OneLine(dr.Mail.Subject, 150),
		Status: Line{{Text: "✉ " + who, Strong: true}, {Text: " has written · "}, {Time: when(dr.Mail)}},
		Title:  ticketing.OneLine(dr.Mail.Subject, 250),
		Footer: Line{{Text: dr.Group.Title}},
	}
	m.Quote, m.Clipped = clip(dense(dr.Mail.Reply), excerpt)
	if link != "" {
		m.Lines = []Line{{{Text: "To the card", URL: link}}}
	}
	if dr.Known.ID != 0 {
		m.Buttons = []Button{{ID: "unwatch", Label: "Don’t watch", Value: contactID(dr.Known.ID)}}
	}
	return m
}

// forwardLine points a member to a conversation or a page.
func forwardLine(dr ticketing.Drawing, link string, web Web) Message {
	by, what := dr.Named(dr.Event.Member).Called(), "the page “"+ticketing.OneLine(dr.Page.Title, 150)+"”"
	if web != nil && dr.Page.ID != 0 {
		link = web.Page(dr.Page.Group, dr.Page.Slug)
	}
	if c := dr.Conversation; c.ID != 0 {
		what = ticketing.OneLine(c.With.Called(), 80) + ": " + ticketing.OneLine(c.Subject, 150)
		if c.Number > 0 {
			what = c.Name() + " " + what
		}
	}
	does, note := " points you to ", dr.Event.Detail
	if dr.Event.Move == ticketing.MoveAssign {
		does, note = " gave you ", ""
	}
	m := Message{
		Notice: by + does + what,
		Status: Line{{Text: "➜ " + by, Strong: true}, {Text: does}, {Text: what, URL: link}},
		Footer: Line{{Text: dr.Group.Title}},
	}
	if note != "" {
		m.Lines = says("“" + ticketing.OneLine(note, 500) + "”")
	}
	return m
}

// runMove gives a ticket to another team: "move #12 accounts".
func (h *hub) runMove(ctx context.Context, in invoked) Answer {
	id, team, err := h.ticket(ctx, in)
	if err != nil {
		return whisper(h.say(err, in.name(), in.caller))
	}
	if team == "" {
		return h.moveForm(ctx, in.caller, id)
	}
	for _, g := range h.Desk.OtherGroups(in.group.Name) {
		if strings.EqualFold(g.Title, team) {
			team = g.Name
		}
	}
	c, err := h.Desk.MoveToGroup(ctx, in.by, id, strings.ToLower(team))
	if err != nil {
		return h.told(err, "move", in.caller)
	}
	return whisper("✓ " + c.Name() + " is " + h.titleOf(c.Group) + "’s now.")
}

func (h *hub) titleOf(group string) string {
	g, _ := h.Desk.Group(group)
	return g.Title
}

func (h *hub) pressMoveGroup(ctx context.Context, who caller, _ Click, id int64) Answer {
	return h.moveForm(ctx, who, ticketing.ConversationID(id))
}

func (h *hub) moveForm(ctx context.Context, who caller, id ticketing.ConversationID) Answer {
	s, err := h.Desk.Conversation(ctx, who.group.Name, who.board.Name, id)
	if err != nil {
		return whisper(h.say(err, "move", who))
	}
	var options []Option
	for _, g := range h.Desk.OtherGroups(who.group.Name) {
		options = append(options, Option{Value: g.Name, Label: g.Title})
	}
	if len(options) == 0 {
		return whisper("There is no other team here.")
	}
	return Answer{Form: &Form{
		Title: "Move to another team", Submit: "Move", State: h.sign(h.state(who, "movegroup", id)),
		Intro: []Line{
			matter(s.Conversation, ""),
			{{Text: "Its mails, answers and number go with it, and the to-dos of those who are in that team, too; here a line is left that says where it went. Files that were posted into its thread stay there."}},
		},
		Fields: []FormField{{Name: "group", Label: "To which team?", Kind: Select, Options: options, Required: true}},
	}}
}

func (h *hub) submitMoveGroup(ctx context.Context, who caller, s formState, v map[string]string) (Answer, error) {
	_, err := h.Desk.MoveToGroup(ctx, who.by, s.About, v["group"])
	return Answer{}, err
}
