package bot

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"groupmail/ticketing"
)

// excerpt is how much of a mail a card shows, in characters.
const excerpt = 200

// render makes a post look like what it shows now.
func (b *Bot) render(ctx context.Context, dr ticketing.Drawing) (Message, error) {
	show := dr.Board.Show
	if show == ticketing.ShowAuto {
		channel, err := b.people.channelOf(ctx, dr.Board)
		if err != nil {
			return Message{}, err
		}
		if show = ticketing.ShowSender; channel.Private && !channel.Guests {
			show = ticketing.ShowFull
		}
	}
	var m Message
	switch dr.Post.Kind {
	case ticketing.CardPost:
		m = card(dr, show, func(message string) string { return b.link(dr, message) })
	case ticketing.HintPost:
		m = hint(b.mention(ctx, dr))
	case ticketing.MailPost:
		m = b.mailLine(dr, show)
	case ticketing.ReplyPost:
		m = replyLine(dr, show)
	case ticketing.FailurePost:
		m = failureLine(dr)
	case ticketing.EventPost:
		m = eventLine(dr)
	case ticketing.PointerPost:
		m = pointerLine(dr, show, b.link(dr, dr.Card))
	case ticketing.GreetingPost:
		m = greeting(dr)
	case ticketing.HeldPost:
		m = heldCard(dr)
	case ticketing.DigestPost:
		m = digestCard(dr)
	case ticketing.DeskPost:
		m = deskCard(dr)
	case ticketing.WatchPost:
		m = watchLine(dr, b.link(dr, dr.Card))
	case ticketing.ForwardPost:
		m = forwardLine(dr, b.link(dr, dr.Card), b.Web)
	case ticketing.OverduePost:
		m = overdueLine(dr, b.link(dr, dr.Card))
	case ticketing.OpeningPost:
		m = openingLine(dr, show, func(message string) string { return b.link(dr, message) })
	case ticketing.LeftPost:
		m = leftLine(dr, show, func(message string) string { return b.link(dr, message) })
	case ticketing.HandedPost:
		m = handedLine(dr)
	case ticketing.AskPost:
		m = ask(dr, b.link(dr, dr.Card))
	case ticketing.TodoPost:
		m = todoDue(dr, b.link(dr, dr.Card))
	default:
		return m, fmt.Errorf("a post of unknown kind %q", dr.Post.Kind)
	}
	m.Key, m.Version, m.Root = dr.Post.Key, dr.Post.Want, dr.Root
	if dr.Post.To != "" {
		m.About = dr.Board.Channel
	}
	return m, nil
}

func (b *Bot) mention(ctx context.Context, dr ticketing.Drawing) string {
	if p, ok := b.platforms[dr.Board.Platform]; ok {
		return p.Mention(ctx)
	}
	return ""
}

// link leads to a message on the drawing's board; empty if that is not posted yet.
func (b *Bot) link(dr ticketing.Drawing, message string) string {
	if p, ok := b.platforms[dr.Board.Platform]; ok && message != "" {
		return p.Link(dr.Board.Channel, message)
	}
	return ""
}

// to leads to a post; empty if that is not posted yet.
func (h *hub) to(p ticketing.Post) string {
	if p.Message == "" {
		return ""
	}
	_, channel, _ := strings.Cut(p.Board, "/")
	return h.p.Link(channel, p.Message)
}

// card is a conversation: who, what, since when, whose, and what can be done. link leads to a
// message of the board.
func card(dr ticketing.Drawing, show ticketing.Show, link func(message string) string) Message {
	c := dr.Conversation
	if c.State == ticketing.Spam {
		return spamCard(dr)
	}
	if to := c.MovedTo(); to != "" {
		to = ticketing.OneLine(to, 100)
		return Message{Tone: Grey, Notice: "Moved to " + to, Status: append(Line{{Text: "➜ Moved to " + to, Strong: true}, {Text: " by " + dr.Named(c.ClosedBy).Called() + " · "}}, Span{Time: c.Closed})}
	}
	m := Message{Status: append(state(dr), sender(dr)...), Tone: tone(c), Buttons: buttons(dr)}
	who, what := c.With.Called(), subject(c)
	if begun(dr) {
		who = calledSender(dr.First)
	}
	if who == "" {
		who = "unknown sender"
	}
	if show == ticketing.ShowSender {
		what = ""
	} else {
		m.Title = ticketing.OneLine(what, 250)
	}
	if show == ticketing.ShowFull {
		text := dr.Newest.Reply
		if dr.Newest.ID == 0 {
			text = c.Note
		}
		m.Quote, m.Clipped = clip(dense(text), excerpt)
	}
	m.Notice = notice(dr, ticketing.OneLine(who, 80), ticketing.OneLine(what, 150))
	m.Lines = append(knownAs(dr), remarks(dr)...)
	for _, r := range dr.Replies {
		line := onItsWay(r, dr.Named(r.By).Called(), link(dr.Line(r.ID)))
		if !slices.ContainsFunc(m.Lines, func(l Line) bool { return slices.Equal(l, line) }) {
			m.Lines = append(m.Lines, line)
		}
	}
	if line := wroteAgain(dr); line != nil {
		m.Lines = append(m.Lines, line) // the excerpt follows
	}
	m.Footer = footer(dr)
	return m
}

// begun tells whether the conversation began with a mail from outside: its sender is whom it is with.
func begun(dr ticketing.Drawing) bool { return dr.First.ID != 0 && dr.First.Direction == ticketing.In }

// wroteAgain says whose newest mail the excerpt is, and of when, where it is not the one that the
// conversation began with.
func wroteAgain(dr ticketing.Drawing) Line {
	m := dr.Newest
	if m.ID == 0 || m.ID == dr.First.ID {
		return nil
	}
	word := " wrote"
	if begun(dr) && m.Sender().Is(dr.First.Sender()) {
		word = " wrote again"
	}
	line := Line{{Text: "✉ " + ticketing.OneLine(calledSender(m), 80) + word + " · "}, {Time: when(m)}}
	if n := len(m.Attachments); n > 0 {
		line = append(line, Span{Text: " · 📎 " + plural(n, "attachment")})
	}
	return line
}

// onItsWay says on the card how it stands with a reply. link leads to its line in the thread, where
// the buttons are.
func onItsWay(r ticketing.Reply, who, link string) Line {
	whose := possessive(who) + " answer "
	there := func(text string) Span { return Span{Text: text, URL: link} }
	switch {
	case r.State == ticketing.Failed:
		return Line{{Text: "✗ " + whose + "could not be sent: "}, there("see the thread")}
	case r.State == ticketing.Asking:
		return Line{{Text: "⏸ " + whose + "waits for Send "}, there("in the thread")}
	case r.State == ticketing.Unknown:
		return Line{{Text: "? " + whose + "was perhaps sent, and is tried again at "}, {Time: r.Due}, {Text: ": "}, there("see the thread")}
	case r.State == ticketing.Sending:
		return Line{{Text: whose + "is being sent."}}
	case r.Error != "":
		return Line{{Text: "⏳ " + whose + "is not sent yet, and is tried again at "}, {Time: r.Due}, {Text: ": "}, there("see the thread")}
	}
	return Line{{Text: "⏳ " + whose + "goes out at "}, {Time: r.Due, Second: true}, {Text: " · "}, there("Stop it in the thread")}
}

// spamCard hides what it is about.
func spamCard(dr ticketing.Drawing) Message {
	who := lastBy(dr, ticketing.MoveSpam)
	from := ticketing.OneLine(dr.Conversation.With.Called(), 80)
	return Message{
		Tone: GreyStruck, Notice: "Spam, by " + who + ": a mail from " + from,
		Status: Line{{Text: "⊘ Spam", Strong: true}, {Text: ", by " + who + " · from " + from}},
		Buttons: []Button{
			{ID: "undo", Label: "Undo", Value: id(dr.Conversation)},
			{Label: "More…", Menu: []Button{{ID: "read", Label: "Read", Value: id(dr.Conversation)}}},
		},
	}
}

func id(c ticketing.Conversation) string { return strconv.FormatInt(int64(c.ID), 10) }

// lastBy is who made the newest such move.
func lastBy(dr ticketing.Drawing, move ticketing.Move) string {
	if e := lastEvent(dr, move); e.Member != "" {
		return dr.Named(e.Member).Called()
	}
	return "somebody"
}

// lastEvent is the newest of such moves; zero if there is none.
func lastEvent(dr ticketing.Drawing, moves ...ticketing.Move) ticketing.Event {
	for _, e := range slices.Backward(dr.Events) {
		if slices.Contains(moves, e.Move) {
			return e
		}
	}
	return ticketing.Event{}
}

func tone(c ticketing.Conversation) Tone {
	if c.Overdue {
		return Red
	}
	return map[ticketing.State]Tone{
		ticketing.New: Yellow, ticketing.Taken: Green, ticketing.Waiting: Blue, ticketing.Closed: Grey,
	}[c.State]
}

// state says in a mark and a word how it stands, and since when.
func state(dr ticketing.Drawing) Line {
	c := dr.Conversation
	owner := dr.Named(c.Owner).Called()
	switch c.State {
	case ticketing.New:
		if c.Overdue {
			return Line{{Text: "▲ Waiting too long", Strong: true}, {Text: " · came "}, {Time: c.Waits}}
		}
		return Line{{Text: "● New", Strong: true}, {Text: " · "}, {Time: c.Waits}}
	case ticketing.Taken:
		if c.Overdue {
			return Line{{Text: "▲ Lies idle with " + owner, Strong: true}, {Text: " since "}, {Time: c.Touched}}
		}
		return Line{{Text: "◆ Taken by " + owner, Strong: true}, {Text: " · "}, {Time: c.Since}}
	case ticketing.Waiting:
		by := " · answered outside GroupMail "
		e := lastEvent(dr, ticketing.MoveAnswer, ticketing.MoveOutside)
		if e.Move == ticketing.MoveAnswer {
			by = " · answered by " + dr.Named(e.Member).Called() + " "
		}
		return Line{{Text: "◇ Waiting for the sender", Strong: true}, {Text: by}, {Time: e.At}}
	}
	l := Line{{Text: "✓ Closed", Strong: true}, {Text: ": " + ticketing.OneLine(c.Outcome, 100)}}
	if c.ClosedBy != "" {
		l = append(l, Span{Text: " · " + dr.Named(c.ClosedBy).Called()})
	}
	return append(l, Span{Text: " · "}, Span{Time: c.Closed})
}

// sender says who wrote, and through whom.
func sender(dr ticketing.Drawing) Line {
	c, m := dr.Conversation, dr.First
	if !begun(dr) {
		if c.With.Called() == "" {
			return nil
		}
		return Line{{Text: " · with " + ticketing.OneLine(c.With.String(), 120)}}
	}
	l := Line{{Text: " · "}, {Text: ticketing.OneLine(calledSender(m), 80), Strong: true}}
	if a := m.Sender(); a.Name != "" && a.Addr != "" {
		l = append(l, Span{Text: " <" + ticketing.OneLine(a.Addr, 100) + ">"})
	}
	if m.Author.Addr != "" && !m.Author.Is(m.From) {
		l = append(l, Span{Text: " (through " + ticketing.OneLine(m.From.String(), 120) + ")"})
	}
	for _, t := range dr.Team {
		if t.Email != "" && strings.EqualFold(t.Email, m.From.Addr) {
			l = append(l, Span{Text: " (" + t.Called() + " of the team)"})
			break
		}
	}
	return l
}

func calledSender(m ticketing.Mail) string {
	if who := m.Sender().Called(); who != "" {
		return who
	}
	return "unknown sender"
}

// notice is what a phone shows and a screen reader reads.
func notice(dr ticketing.Drawing, who, what string) string {
	c := dr.Conversation
	if what != "" {
		what = " – " + what
	}
	switch c.State {
	case ticketing.New:
		word := "New mail: "
		if c.Overdue {
			word = "Waiting too long: "
		}
		return word + who + what
	case ticketing.Taken:
		return "Taken by " + dr.Named(c.Owner).Called() + ": " + who + what
	case ticketing.Waiting:
		return "Waiting for the sender: " + who + what
	}
	return "Closed, " + ticketing.OneLine(c.Outcome, 100) + ": " + who + what
}

// remarks are what a person should know before acting.
func remarks(dr ticketing.Drawing) (lines []Line) {
	c, first, m := dr.Conversation, dr.First, dr.Newest
	if (first.Priority == ticketing.High || m.Priority == ticketing.High) && c.Open() {
		lines = append(lines, Line{{Text: "❗ The sender marked it as urgent."}})
	}
	if m.Fault != "" {
		lines = append(lines, Line{{Text: "⚠ Parts of this mail could not be read: " + ticketing.OneLine(m.Fault, 200)}})
	}
	if first.Spam || m.Spam {
		lines = append(lines, Line{{Text: "⚠ The mail server takes this for spam."}})
	}
	if len(m.ReplyTo) > 0 && m.Author.Addr == "" && !m.NewPerson && !slices.ContainsFunc(m.ReplyTo, m.From.Is) {
		lines = append(lines, Line{{Text: "Asks for answers to " + ticketing.OneLine(addresses(m.ReplyTo), 150) + "."}})
	}
	if m.Proof == ticketing.Forged && m.ID != first.ID {
		lines = append(lines, forged(m, false))
	}
	if f := dr.Failure; f.ID != 0 {
		lines = append(lines, Line{{Text: "✗ The answer did not arrive", Strong: true}, {Text: ": " + ticketing.OneLine(reported(f), 200)}})
	}
	if c.Mentions != 0 {
		lines = append(lines, Line{{Text: fmt.Sprintf("Mentions #%d, where its sender has no part.", c.Mentions)}})
	}
	if c.NewPerson.Addr != "" {
		lines = append(lines, Line{{Text: "⚠ " + ticketing.OneLine(c.NewPerson.String(), 120) + " had no part in this before, and gets no answer unless you add the address."}})
	}
	return lines
}

func possessive(who string) string {
	if strings.HasSuffix(who, "s") {
		return who + "’"
	}
	return who + "’s"
}

func footer(dr ticketing.Drawing) Line {
	c := dr.Conversation
	parts := []Span{}
	if c.Number > 0 {
		parts = append(parts, Span{Text: "#" + strconv.Itoa(c.Number), Strong: true})
	}
	if box, ok := dr.Group.Mailbox(c.Mailbox); ok {
		parts = append(parts, Span{Text: box.Address.Addr})
	} else if c.Mails == 0 {
		parts = append(parts, Span{Text: "no mail"})
	}
	if c.Files > 0 {
		parts = append(parts, Span{Text: "📎 " + plural(c.Files, "attachment")})
	}
	if c.Mails > 1 {
		parts = append(parts, Span{Text: plural(c.Mails, "mail")})
	}
	line := Line{}
	for i, p := range parts {
		if i > 0 {
			line = append(line, Span{Text: " · "})
		}
		line = append(line, p)
	}
	if c.Owner != "" && (c.State == ticketing.Waiting || c.Overdue) {
		line = append(line, Span{Text: " · " + dr.Named(c.Owner).Called() + " since "}, Span{Time: c.Since})
	}
	return line
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

// buttons are at most four, the same for everybody since a card is one for all.
func buttons(dr ticketing.Drawing) []Button {
	c := dr.Conversation
	v := id(c)
	take := Button{ID: "take", Label: "Take", Style: Primary, Value: v}
	reply := Button{ID: "reply", Label: "Reply", Value: v, Opens: true}
	release := Button{ID: "release", Label: "Release", Value: v}
	finish := Button{ID: "close", Label: "Close", Value: v, Opens: true}
	spam := Button{ID: "spam", Label: "Spam", Style: Danger, Value: v, Confirm: "Mark this as spam? It is hidden here for everybody, and Undo brings it back."}
	read := Button{ID: "read", Label: "Read", Value: v}
	assign := Button{ID: "assign", Label: "Assign…", Value: v, Opens: true}
	handOver := Button{ID: "assign", Label: "Hand over…", Value: v, Opens: true}
	more := func(all ...Button) Button {
		all = append(all, contactItems(dr)...)
		if c.JoinedTo == 0 {
			all = append(all, Button{ID: "todo", Label: "To-do…", Value: v, Opens: true})
		}
		if len(dr.Others) > 0 {
			all = append(all, Button{ID: "movegroup", Label: "Move to another team…", Value: v, Opens: true})
		}
		if c.Mentions != 0 && c.Open() {
			all = append(all, Button{ID: "join", Label: fmt.Sprintf("Join #%d", c.Mentions), Value: v})
		}
		return Button{Label: "More…", Menu: all}
	}
	switch {
	case c.JoinedTo != 0:
		return []Button{read}
	case c.State == ticketing.New:
		return []Button{take, reply, spam, more(read, assign, Button{ID: "noanswer", Label: "No answer needed", Value: v})}
	case c.State == ticketing.Taken:
		reply.Style = Primary
		return []Button{reply, release, finish, more(read, handOver, spam)}
	case c.State == ticketing.Waiting && c.Owner == "":
		return []Button{take, finish, reply, more(read, assign, spam)}
	case c.State == ticketing.Waiting:
		return []Button{finish, reply, release, more(read, handOver, spam)}
	case c.Outcome == ticketing.NoAnswerNeeded:
		return []Button{{ID: "undo", Label: "Undo", Value: v}, reply, more(read)}
	}
	return []Button{{ID: "reopen", Label: "Reopen", Value: v}, reply, more(read)}
}

// dense leaves out blank lines: a card shows the beginning of what was said, not its layout.
func dense(text string) string {
	var lines []string
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "\n")
}

// clip shortens text from outside to about limit characters, at a space if there is one near, and
// tells whether it did.
func clip(text string, limit int) (string, bool) {
	text = strings.TrimSpace(text)
	r := []rune(text)
	if len(r) <= limit {
		return text, false
	}
	r = r[:limit]
	for i := len(r) - 1; i > limit*3/4; i-- {
		if r[i] == ' ' || r[i] == '\n' {
			r = r[:i]
			break
		}
	}
	return strings.TrimSpace(string(r)), true
}
