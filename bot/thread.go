package bot

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"groupmail/ticketing"
)

// maxFiles is how many files of a mail go into its thread line; the others are only named.
const maxFiles = 10

// hint is the first line of each thread. mention is the bot's name as it is typed, if that is known.
func hint(mention string) Message {
	name := Span{Text: mention, Code: true}
	if mention == "" {
		name = Span{Text: "my name"}
	}
	return Message{
		Notice: "Talk here stays among you",
		Lines: []Line{{
			{Text: "What is written here stays among you. Only a message that "},
			{Text: "begins", Strong: true},
			{Text: " with "},
			name,
			{Text: " is sent to the other side, with its files, after a moment in which you can stop it."},
		}},
	}
}

// mailLine is a mail in the thread, with its safe files.
func (b *Bot) mailLine(dr ticketing.Drawing, show ticketing.Show) Message {
	m := dr.Mail
	who := ticketing.OneLine(calledSender(m), 80)
	msg := Message{Notice: who + " wrote"}
	switch {
	case m.Direction == ticketing.Out:
		msg.Notice = "Answered outside GroupMail"
		msg.Status = Line{{Text: "↗ Answered outside GroupMail", Strong: true}, {Text: " by " + ticketing.OneLine(m.From.String(), 120) + " · "}, {Time: when(m)}}
	case m.Bounce:
		msg.Notice = "A mail was not delivered"
		msg.Tone = Red
		msg.Status = Line{{Text: "✗ Not delivered", Strong: true}, {Text: ": " + ticketing.OneLine(reported(m), 300) + " · "}, {Time: when(m)}}
	case m.Report.Delay:
		msg.Notice = "A mail is delayed"
		msg.Status = Line{{Text: "⏳ Delayed", Strong: true}, {Text: ": " + ticketing.OneLine(reported(m), 300) + " · "}, {Time: when(m)}}
	case m.AutoReply:
		msg.Status = Line{{Text: "↩ Automatic answer", Strong: true}, {Text: " of " + who + " · "}, {Time: when(m)}}
	default:
		msg.Status = Line{{Text: "✉ " + who, Strong: true}, {Text: " · "}, {Time: when(m)}}
	}
	switch {
	case m.Proof == ticketing.Forged && m.Direction == ticketing.In:
		msg.Lines = append(msg.Lines, forged(m, m.ID == dr.Conversation.First))
	case m.NewPerson:
		msg.Lines = append(msg.Lines, Line{{Text: "⚠ " + ticketing.OneLine(m.From.String(), 120) + " had no part in this conversation before, and gets no answer unless you add the address."}})
	}
	if m.Fault != "" {
		msg.Lines = append(msg.Lines, Line{{Text: "⚠ Parts of it could not be read: " + ticketing.OneLine(m.Fault, 200)}})
	}
	if c := dr.Conversation; c.Owner != "" && c.Last == m.ID && m.Asks() && m.ID != c.First && dr.Post.Shown == 0 {
		msg.Status = append(msg.Status, Span{Text: " · "}, Span{Member: onPlatform(c.Owner), Text: dr.Named(c.Owner).Called(), Ping: sameplatform(c.Owner, dr.Board)})
	}
	if m.Report.Says != "" {
		msg.Lines = append(msg.Lines, Line{{Text: "The server says: " + ticketing.OneLine(m.Report.Says, 500)}})
	}
	if owner := failureConcerns(dr); owner != "" {
		msg.Status = append(msg.Status, Span{Text: " · "}, Span{Member: onPlatform(owner), Text: dr.Named(owner).Called(), Ping: sameplatform(owner, dr.Board)})
	}
	read := Button{ID: "mail", Label: "Whole mail", Value: strconv.FormatInt(int64(m.ID), 10)}
	if show != ticketing.ShowFull {
		msg.Lines = append(msg.Lines, Line{{Text: "Press " + read.Label + " to read it: this channel shows no texts."}})
		msg.Buttons = []Button{read}
		return msg
	}
	msg.Quote = m.Reply
	if strings.TrimSpace(m.Text) != strings.TrimSpace(m.Reply) {
		msg.Buttons = []Button{read}
	}
	kept, unsafe := []string{}, []string{}
	for _, a := range m.Attachments {
		switch {
		case a.Dangerous():
			unsafe = append(unsafe, fileName(a))
		case len(msg.Files) == maxFiles || b.OpenFile == nil:
			kept = append(kept, fileName(a))
		default:
			msg.Files = append(msg.Files, Upload{Name: a.Name, Type: a.Type, Size: a.Size, Open: func(ctx context.Context) (io.ReadCloser, error) {
				return b.OpenFile(ctx, m, a)
			}})
		}
	}
	if len(unsafe) > 0 {
		msg.Lines = append(msg.Lines, Line{{Text: "⚠ Left in the mailbox, since such files can carry programs: " + ticketing.OneLine(strings.Join(unsafe, ", "), 500)}})
	}
	if len(kept) > 0 {
		msg.Lines = append(msg.Lines, Line{{Text: "More files, left in the mailbox: " + ticketing.OneLine(strings.Join(kept, ", "), 500)}})
	}
	return msg
}

// reported is what a delivery report says in plain words, or who sent it where it says nothing.
func reported(m ticketing.Mail) string {
	if m.Report.Text != "" {
		return m.Report.Text
	}
	return "says " + calledSender(m)
}

// failureConcerns is whom a delivery failure is told to by name when its line is posted: whoever has
// the conversation, or had it last.
func failureConcerns(dr ticketing.Drawing) ticketing.MemberID {
	if !dr.Mail.Bounce || dr.Post.Shown != 0 {
		return ""
	}
	if dr.Conversation.Owner != "" {
		return dr.Conversation.Owner
	}
	return dr.Conversation.LastOwner
}

func sameplatform(id ticketing.MemberID, b ticketing.Board) bool {
	return strings.HasPrefix(string(id), b.Platform+":")
}

func fileName(a ticketing.Attachment) string { return ticketing.OneLine(a.Name, 80) }

// replyLine is a reply, and where it is on its way.
func replyLine(dr ticketing.Drawing, show ticketing.Show) Message {
	r := dr.Reply
	author := dr.Named(r.By).Called()
	m := progress(r, in(r.Due.Sub(dr.Now))+", ")
	switch r.State {
	case ticketing.Asking:
		m.Lines = []Line{{{Text: asking(r, author, show)}}}
	case ticketing.Sent:
		m.Notice = author + " has answered"
		m.Status = append(m.Status, Span{Text: " · by " + author})
	case ticketing.Pending, ticketing.Sending:
		m.Notice = author + " answers"
		m.Status = append(m.Status, Span{Text: " · by " + author})
	}
	// The thread in which it was written shows the text already.
	if !strings.HasPrefix(r.Origin, dr.Board.Name+" ") && show == ticketing.ShowFull {
		m.Quote = r.Text
	}
	if len(r.Files) > 0 {
		m.Lines = append(m.Lines, Line{{Text: "With " + files(r.Files)}})
	}
	return m
}

// progress says whom a reply goes to and where it is on its way, with what can be done about it.
// soon is how long it takes until it is sent ("in 30 s, "); empty for what is not drawn anew by then.
func progress(r ticketing.Reply, soon string) Message {
	v := strconv.FormatInt(int64(r.ID), 10)
	stop := Button{ID: "stop", Label: "Stop", Value: v}
	send := Button{ID: "send", Label: "Send", Value: v}
	m := Message{Notice: "An answer"}
	to := recipients(r)
	switch r.State {
	case ticketing.Asking:
		send.Style = Primary
		m.Notice = "Not sent yet"
		m.Status = Line{{Text: "⏸ Not sent yet", Strong: true}, {Text: " · " + to}}
		m.Buttons = []Button{send, stop}
	case ticketing.Pending:
		m.Notice = "Not sent yet"
		if r.Error != "" {
			m.Status = Line{{Text: "⏳ Not sent yet", Strong: true}, {Text: " · " + to + " · tried again at "}, {Time: r.Due}}
			m.Lines = []Line{{{Text: "The mail server: " + ticketing.OneLine(r.Error, 300)}}}
			send.Label = "Try now"
		} else {
			m.Status = Line{{Text: to + " · sends " + soon + "at "}, {Time: r.Due, Second: true}}
			send.Label = "Send now"
		}
		m.Buttons = []Button{stop, send}
	case ticketing.Sending:
		m.Status = Line{{Text: to + " · being sent"}}
	case ticketing.Sent:
		m.Notice = "Sent"
		m.Status = Line{{Text: "✓ Sent ", Strong: true}, {Time: r.SentAt}, {Text: " · " + to}}
	case ticketing.Unknown:
		m.Status = Line{{Text: "? Perhaps sent", Strong: true}, {Text: " · " + to}}
		m.Lines = []Line{{{Text: "The connection broke while the mail server took it. The same mail is sent again at "}, {Time: r.Due},
			{Text: "; whoever gets it twice sees it once in most mail programs."}}}
	case ticketing.Failed:
		m.Notice = "Not sent"
		m.Status = Line{{Text: "✗ Not sent", Strong: true}, {Text: " · " + to}}
		m.Lines = []Line{{{Text: "The mail server: " + ticketing.OneLine(r.Error, 300)}}}
	case ticketing.Cancelled:
		m.Notice = "Stopped"
		m.Status = Line{{Text: "⏹ Stopped", Strong: true}, {Text: " · " + to}}
		m.Lines = []Line{{{Text: "Nothing was sent. Write a new message to answer."}}}
	}
	return m
}

// in says how long it takes until something happens.
func in(d time.Duration) string {
	switch s := int((d + time.Second - 1) / time.Second); {
	case s <= 0:
		return "now"
	case s < 120:
		return fmt.Sprintf("in %d s", s)
	default:
		return fmt.Sprintf("in %d minutes", (s+59)/60)
	}
}

// asking says why a reply waits for somebody's Send.
func asking(r ticketing.Reply, author string, show ticketing.Show) string {
	switch r.Why {
	case ticketing.WhyFirst:
		return "It is the first answer of " + author + " from a thread. " + author + ", look whom it goes to, then press Send. Later ones go by themselves, after a moment in which you can stop them."
	case ticketing.WhyStale:
		text := "Something came meanwhile. Send it all the same?"
		if r.Error != "" && show == ticketing.ShowFull { // it quotes the mail
			text = ticketing.OneLine(r.Error, 300) + " Send it all the same?"
		}
		return text
	case ticketing.WhyColleague:
		return "A colleague has this conversation. Send it all the same?"
	case ticketing.WhyMany:
		return fmt.Sprintf("It goes to %d addresses. Is that meant?", len(r.To)+len(r.Cc))
	case ticketing.WhyLate:
		return "It was written some time ago and heard only now. Is it still right?"
	}
	return "Send it?"
}

// recipients says whom a reply goes to, all of them.
func recipients(r ticketing.Reply) string {
	text := "To " + addresses(r.To)
	if len(r.Cc) > 0 {
		text += ", Cc " + addresses(r.Cc)
	}
	return text
}

func addresses(all []ticketing.Address) string {
	parts := make([]string, len(all))
	for i, a := range all {
		parts[i] = ticketing.OneLine(a.Addr, 120)
	}
	return strings.Join(parts, ", ")
}

func files(all []ticketing.Attachment) string {
	names := make([]string, len(all))
	for i, a := range all {
		names[i] = fileName(a)
	}
	return plural(len(all), "file") + ": " + strings.Join(names, ", ")
}

// failureLine is a line of its own, so that it is noticed, with a button to try again.
func failureLine(dr ticketing.Drawing) Message {
	r := dr.Reply
	m := Message{
		Notice: "The answer could not be sent",
		Status: Line{{Text: "✗ The answer could not be sent", Strong: true}, {Text: " · " + recipients(r) + " · "},
			{Member: onPlatform(r.By), Text: dr.Named(r.By).Called(), Ping: sameplatform(r.By, dr.Board) && dr.Post.Shown == 0}},
		Tone: Red,
	}
	if r.Error != "" {
		m.Lines = []Line{{{Text: "The mail server says: " + ticketing.OneLine(r.Error, 500)}}}
	}
	switch r.State {
	case ticketing.Failed:
		if r.MaybeSent {
			m.Lines = append(m.Lines, Line{{Text: "An earlier attempt broke off at its very end and may have been delivered."}})
		}
		m.Buttons = []Button{{ID: "retry", Label: "Try again", Value: strconv.FormatInt(int64(r.ID), 10)}}
	case ticketing.Sent:
		m.Tone = Plain
		m.Lines = append(m.Lines, Line{{Text: "✓ It was sent later, at "}, {Time: r.SentAt}})
	}
	return m
}

// eventLine is something that was done, for the record of the thread.
func eventLine(dr ticketing.Drawing) Message {
	e := dr.Event
	who := dr.Named(e.Member).Called()
	text := who + ": " + string(e.Move)
	switch e.Move {
	case ticketing.MoveClose:
		text = "✓ Closed by " + who + ": " + ticketing.OneLine(e.Detail, 100)
		if dr.TodosOpen > 0 {
			text += " · " + plural(dr.TodosOpen, "to-do") + " about it still open"
		}
	case ticketing.MoveReopen:
		text = "● Reopened by " + who
	case ticketing.MoveLeft:
		text = "● Released by " + who + ", since " + dr.Named(ticketing.MemberID(e.Detail)).Called() + " has left"
	case ticketing.MoveLapse:
		text = "● Released by itself: it lay idle with " + dr.Named(ticketing.MemberID(e.Detail)).Called()
	}
	return Message{Notice: text, Status: Line{{Text: text}, {Text: " · "}, {Time: e.At}}}
}

// pointerLine stands at the channel's bottom where a card further up has news that nobody is told of.
func pointerLine(dr ticketing.Drawing, show ticketing.Show, link string) Message {
	c := dr.Conversation
	who := ticketing.OneLine(calledSender(dr.Mail), 80)
	what := ""
	if show != ticketing.ShowSender {
		what = " – " + ticketing.OneLine(c.Subject, 120)
	}
	number := ""
	if c.Number > 0 {
		number = fmt.Sprintf(" (#%d)", c.Number)
	}
	news := who + " wrote again"
	if dr.Mail.Received.Before(dr.Post.Made) { // a known mail
		news = "A mail from " + who + " was put back into the mailbox"
	}
	line := Line{{Text: "↑ " + news, Strong: true}, {Text: what + number + " · "}}
	if link == "" {
		line = append(line, Span{Text: "see its card above"})
	} else {
		line = append(line, Span{Text: "to the card", URL: link})
	}
	return Message{Notice: news + what, Status: line}
}

// greeting is what a board sees first of a mailbox.
func greeting(dr ticketing.Drawing) Message {
	box, _ := dr.Group.Mailbox(dr.Post.Subject)
	folder := box.Folder
	if folder == "" {
		folder = "INBOX"
	}
	m := Message{
		Notice: "I watch " + box.Address.Addr,
		Status: Line{{Text: "I watch " + box.Address.Addr, Strong: true}, {Text: " (" + folder + ")"}},
	}
	if box.Leaves {
		m.Status = append(m.Status, Span{Text: " and change nothing there"})
	}
	m.Status = append(m.Status, Span{Text: ". It holds " + plural(dr.Box.Count, "mail") + "."})
	switch dr.Box.Decided {
	case ticketing.Undecided:
		if dr.Box.Count > 0 {
			m.Buttons = []Button{
				{ID: "showback", Label: "Show the last 7 days", Value: box.Name},
				{ID: "fromnow", Label: "Start from now", Value: box.Name, Style: Primary},
			}
		}
	case ticketing.ShowBack:
		m.Lines = []Line{{{Text: "The last 7 days are shown, as " + dr.Named(dr.Box.By).Called() + " wished."}}}
	case ticketing.Configured:
		text := "All of them are shown, and whatever comes."
		if !dr.Box.Window.Since.IsZero() {
			text = "What came since " + dr.Box.Window.Since.Format("2 January 2006") + " is shown, and whatever comes."
		}
		m.Lines = []Line{{{Text: text}}}
	case ticketing.FromNow:
		m.Lines = []Line{{{Text: "Only what comes from now on is shown, as " + dr.Named(dr.Box.By).Called() + " wished."}}}
	}
	return m
}

// when is the time that a mail shows: when it was written, unless that is not to be believed.
func when(m ticketing.Mail) time.Time {
	if m.Sent.IsZero() || m.Sent.After(m.Received) {
		return m.Received
	}
	return m.Sent
}
