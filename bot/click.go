package bot

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"groupmail/ticketing"
)

// Click implements Hub: a pressed button becomes one use case, and its answer.
func (h *hub) Click(ctx context.Context, c Click) Answer {
	who, err := h.caller(ctx, c.Channel, c.Who, c.Event)
	if err != nil {
		return whisper(h.say(err, "press "+c.Button, who))
	}
	press, ok := presses[c.Button]
	if !ok {
		return whisper("This button is of another version of me, and does nothing any more.")
	}
	value, err := strconv.ParseInt(c.Value, 10, 64)
	if err != nil && !press.named {
		return whisper(broken)
	}
	// The card that was pressed is drawn by the answer, if it is ours to draw.
	var held *slot
	if c.Key != "" { // whispers have none
		p, err := h.Desk.FindPost(ctx, c.Key, "", "")
		switch {
		case errors.Is(err, ticketing.ErrNone):
			return whisper("This card is none of mine any more.")
		case err != nil:
			return whisper(h.say(err, "press "+c.Button, who))
		case p.Board != who.board.Name || p.Message != "" && p.Message != c.Message:
			return whisper("This button belongs to another card.")
		case p.To != "" && p.To != who.by.Member.ID:
			return whisper("This was said to somebody else alone.")
		default:
			if p.Message == c.Message {
				held = h.draw.hold(p.ID)
			}
		}
	}
	answer := press.do(h, ctx, who, c, value)
	if held != nil {
		answer.Redraw = h.answerWith(ctx, h.p, held)
	}
	return answer
}

const broken = "This button is broken: it says nothing about what it is for."

// press is what a button does.
type press struct {
	do    func(h *hub, ctx context.Context, who caller, c Click, id int64) Answer
	named bool // Value is a name, not a number
}

var presses map[string]press

func init() { // the forms that some of them open refer back to them
	presses = map[string]press{
		"take":          moving((*ticketing.Desk).Take),
		"release":       moving((*ticketing.Desk).Release),
		"keep":          moving((*ticketing.Desk).Keep),
		"spam":          moving((*ticketing.Desk).Spam),
		"noanswer":      moving((*ticketing.Desk).NoAnswer),
		"undo":          moving((*ticketing.Desk).Undo),
		"reopen":        moving((*ticketing.Desk).Reopen),
		"join":          {do: (*hub).pressJoin},
		"reply":         {do: (*hub).pressReply},
		"close":         {do: (*hub).pressClose},
		"assign":        {do: (*hub).pressAssign},
		"read":          {do: (*hub).pressRead},
		"mail":          {do: (*hub).pressMail},
		"stop":          replying((*ticketing.Desk).StopReply),
		"send":          replying((*ticketing.Desk).SendReply),
		"retry":         replying((*ticketing.Desk).SendReply),
		"held":          {do: (*hub).pressHeld, named: true},
		"heldback":      {do: (*hub).pressHeldBack, named: true},
		"admit":         {do: (*hub).pressAdmit, named: true},
		"discard":       {do: (*hub).pressDiscard, named: true},
		"discardall":    {do: (*hub).pressDiscardAll, named: true},
		"showmore":      {do: (*hub).pressShowMore},
		"collected":     {do: (*hub).pressCollected},
		"floodspam":     {do: (*hub).pressFloodSpam},
		"floodundo":     {do: (*hub).pressFloodUndo, named: true},
		"queue":         {do: (*hub).pressQueue},
		"mine":          {do: (*hub).pressMine},
		"older":         {do: (*hub).pressPage, named: true},
		"newer":         {do: (*hub).pressPage, named: true},
		"listwaits":     {do: (*hub).pressPage, named: true},
		"listhas":       {do: (*hub).pressPage, named: true},
		"newto":         {do: (*hub).pressNewTo},
		"ticketwith":    {do: (*hub).pressTicketWith},
		"forward":       {do: (*hub).pressForward},
		"leftrelease":   {do: (*hub).pressLeftRelease, named: true},
		"lefthand":      {do: (*hub).pressLeftHand, named: true},
		"movegroup":     {do: (*hub).pressMoveGroup},
		"olderfound":    {do: (*hub).pressOlderFound, named: true},
		"contact":       {do: (*hub).pressContact},
		"newcontact":    {do: (*hub).pressNewContact, named: true},
		"addcontact":    {do: (*hub).pressAddContact},
		"editcontact":   {do: (*hub).pressEditContact},
		"wrongperson":   {do: (*hub).pressWrongPerson},
		"merge":         {do: (*hub).pressMerge},
		"unmerge":       {do: (*hub).pressUnmerge},
		"unmergeb":      {do: (*hub).pressUnmerge},
		"unmergec":      {do: (*hub).pressUnmerge},
		"unmerged":      {do: (*hub).pressUnmerge},
		"watch":         {do: watching(true)},
		"unwatch":       {do: watching(false)},
		"newpage":       {do: (*hub).pressNewPage, named: true},
		"editpage":      {do: (*hub).pressEditPage},
		"notepage":      {do: (*hub).pressNotePage},
		"pagesnext":     {do: (*hub).pressPages, named: true},
		"pagesfirst":    {do: (*hub).pressPages, named: true},
		"pagea":         {do: (*hub).pressShowPage},
		"pageb":         {do: (*hub).pressShowPage},
		"pagec":         {do: (*hub).pressShowPage},
		"paged":         {do: (*hub).pressShowPage},
		"pagee":         {do: (*hub).pressShowPage},
		"contactsnext":  {do: (*hub).pressContacts, named: true},
		"contactsfirst": {do: (*hub).pressContacts, named: true},
		"todo":          {do: (*hub).pressTodo},
		"todofor":       {do: (*hub).pressTodoFor},
		"todonew":       {do: (*hub).pressTodoNew},
		"todook":        {do: (*hub).pressTodoOK, named: true},
		"todochange":    {do: (*hub).pressTodoChange, named: true},
		"todoedit":      {do: (*hub).pressTodoEdit},
		"tododone": onTodo(func(h *hub, ctx context.Context, who caller, id ticketing.TodoID) (ticketing.Todo, error) {
			return h.Desk.DoneTodo(ctx, who.by, id)
		}),
		"todoundo": onTodo(func(h *hub, ctx context.Context, who caller, id ticketing.TodoID) (ticketing.Todo, error) {
			return h.Desk.UndoTodo(ctx, who.by, id)
		}),
		"todohour":     onTodo((*hub).inAnHour),
		"todotomorrow": onTodo((*hub).tomorrow),
		"todos":        {do: (*hub).pressTodos, named: true},
		"todosfirst":   {do: (*hub).pressTodos, named: true},
		"todosnext":    {do: (*hub).pressTodos, named: true},
		"todoact":      {do: (*hub).pressTodoAct, named: true},
		"showback":     {do: pressGreeting(7 * 24 * time.Hour), named: true},
		"fromnow":      {do: pressGreeting(0), named: true},
	}
}

// moving is a button that makes one move of a conversation. The card itself is the answer.
func moving(move func(*ticketing.Desk, context.Context, ticketing.By, ticketing.ConversationID) (ticketing.Conversation, error)) press {
	return press{do: func(h *hub, ctx context.Context, who caller, c Click, id int64) Answer {
		_, err := move(h.Desk, ctx, who.by, ticketing.ConversationID(id))
		return h.told(err, c.Button, who)
	}}
}

// replying is a button that decides about a reply. Its line in the thread is the answer; a whisper
// that has the button says by itself what has become of it.
func replying(f func(*ticketing.Desk, context.Context, ticketing.By, ticketing.ReplyID) (ticketing.Reply, error)) press {
	return press{do: func(h *hub, ctx context.Context, who caller, c Click, id int64) Answer {
		_, err := f(h.Desk, ctx, who.by, ticketing.ReplyID(id))
		answer := h.told(err, c.Button, who)
		if c.Key != "" {
			return answer
		}
		if r, err := h.Desk.ReplyByID(ctx, ticketing.ReplyID(id)); err == nil && r.Group == who.group.Name {
			m := progress(r, "")
			answer.Redraw = &m
		}
		return answer
	}}
}

// told is the answer to something that needs no words unless it failed.
func (b *Bot) told(err error, doing string, who caller) Answer {
	if err == nil || errors.Is(err, ticketing.ErrRepeated) {
		return Answer{}
	}
	return whisper(b.say(err, doing, who))
}

func (h *hub) pressJoin(ctx context.Context, who caller, c Click, id int64) Answer {
	s, err := h.Desk.Conversation(ctx, who.group.Name, who.board.Name, ticketing.ConversationID(id))
	if err == nil {
		_, err = h.Desk.Join(ctx, who.by, s.ID, s.Mentions)
	}
	return h.told(err, c.Button, who)
}

func (h *hub) pressReply(ctx context.Context, who caller, _ Click, id int64) Answer {
	return h.openReply(ctx, who, ticketing.ConversationID(id), "")
}

func (h *hub) pressClose(ctx context.Context, who caller, _ Click, id int64) Answer {
	return h.openClose(ctx, who, ticketing.ConversationID(id))
}

func (h *hub) pressAssign(ctx context.Context, who caller, _ Click, id int64) Answer {
	return h.openAssign(ctx, who, ticketing.ConversationID(id))
}

// pressRead whispers the newest mail of the other side whole, and what came before it.
func (h *hub) pressRead(ctx context.Context, who caller, c Click, id int64) Answer {
	s, err := h.Desk.Conversation(ctx, who.group.Name, who.board.Name, ticketing.ConversationID(id))
	if err != nil {
		return whisper(h.say(err, c.Button, who))
	}
	if i := slices.IndexFunc(s.Mails, ticketing.Mail.Asks); i >= 0 {
		return Answer{Whisper: wholeMail(s.Mails[i], s.Conversation.Mails)}
	}
	if s.First == 0 || s.Note != "" {
		return Answer{Whisper: &Message{Notice: s.Subject, Title: s.Subject, Quote: s.Note, Status: Line{{Text: "A matter without mail"}}}}
	}
	first, err := h.Desk.Mail(ctx, who.group.Name, s.First) // also of what was joined to another, where its mails are now
	if err != nil {
		return whisper(h.say(err, c.Button, who))
	}
	return Answer{Whisper: wholeMail(first, max(1, len(s.Mails)))}
}

func (h *hub) pressMail(ctx context.Context, who caller, c Click, id int64) Answer {
	m, err := h.Desk.Mail(ctx, who.group.Name, ticketing.MailID(id))
	if err != nil {
		return whisper(h.say(err, c.Button, who))
	}
	return Answer{Whisper: wholeMail(m, 1)}
}

// wholeMail shows everything of a mail that can be shown as text.
func wholeMail(m ticketing.Mail, of int) *Message {
	w := &Message{
		Notice: m.Subject, Title: m.Subject, Quote: m.Text,
		Status: Line{{Text: "From " + ticketing.OneLine(m.From.String(), 200), Strong: true}, {Text: " · "}, {Time: when(m)}},
	}
	line := func(word string, list []ticketing.Address) {
		if len(list) == 0 {
			return
		}
		names := ""
		for i, a := range list {
			if i > 0 {
				names += ", "
			}
			names += a.String()
		}
		w.Lines = append(w.Lines, Line{{Text: word + " " + ticketing.OneLine(names, 500)}})
	}
	line("To", m.To)
	line("Cc", m.Cc)
	line("Answers go to", m.ReplyTo)
	if m.Fault != "" {
		w.Lines = append(w.Lines, Line{{Text: "⚠ Parts of it could not be read: " + ticketing.OneLine(m.Fault, 300)}})
	}
	if len(m.Attachments) > 0 {
		w.Lines = append(w.Lines, Line{{Text: "📎 " + ticketing.OneLine(files(m.Attachments), 500)}})
	}
	if of > 1 {
		w.Footer = Line{{Text: "The newest of " + plural(of, "mail") + "; the others are in the thread."}}
	}
	return w
}

func pressGreeting(back time.Duration) func(h *hub, ctx context.Context, who caller, c Click, id int64) Answer {
	return func(h *hub, ctx context.Context, who caller, c Click, _ int64) Answer {
		return h.told(h.Desk.AnswerGreeting(ctx, who.by, c.Value, back), c.Button, who)
	}
}
