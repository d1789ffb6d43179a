package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"groupmail/bot/dates"
	"groupmail/ticketing"
)

// todoDraft is a to-do that is not written down yet. It travels in a button's value.
type todoDraft struct {
	ID           ticketing.TodoID         `json:"i,omitempty"` // of one that is to be changed
	Text         string                   `json:"t"`
	Owner        ticketing.MemberID       `json:"o"`
	Due          int64                    `json:"d,omitempty"` // Unix seconds; 0: at no time
	Conversation ticketing.ConversationID `json:"c,omitempty"`
	Contact      ticketing.ContactID      `json:"k,omitempty"`
	Nonce        string                   `json:"n,omitempty"` // used up by OK
}

func (d todoDraft) input() ticketing.TodoInput {
	return ticketing.TodoInput{Text: d.Text, Owner: d.Owner, Due: seconds(d.Due), Conversation: d.Conversation, Contact: d.Contact}
}

// seconds is a time of Unix seconds; zero for 0.
func seconds(unix int64) time.Time {
	if unix == 0 {
		return time.Time{}
	}
	return time.Unix(unix, 0).UTC()
}

// exactly is how a time is said before it counts: it reads back as the same.
func exactly(t time.Time, who caller) string {
	if t.IsZero() {
		return ""
	}
	return t.In(who.zone).Format("Mon 2 Jan 2006 15:04")
}

// runTodo lists what somebody is to do, or writes something down: "call Ann tomorrow 10:00 @ben #12".
func (h *hub) runTodo(ctx context.Context, in invoked) Answer {
	d, err := h.typedTodo(ctx, in)
	var no ticketing.Refusal
	switch {
	case errors.As(err, &no) && strings.Contains(in.rest, " "): // what was typed is not to be typed again
		return h.todoForm(ctx, in.caller, todoDraft{Owner: in.by.Member.ID, Text: ticketing.OneLine(in.rest, 300)}, "", no.Text)
	case err != nil:
		return whisper(h.say(err, "todo", in.caller))
	case d.Text != "":
		return h.confirmTodo(ctx, in.caller, d)
	case d.Due != 0:
		return h.todoForm(ctx, in.caller, d, exactly(seconds(d.Due), in.caller), "What is to be done then?")
	}
	q := ticketing.TodoQuery{Owner: d.Owner}
	if strings.Contains(in.rest, "#") {
		q = ticketing.TodoQuery{Conversation: d.Conversation}
	}
	return h.todoList(ctx, in.caller, q, "")
}

// typedTodo reads a command line. What is no time, no ticket and no member is what is to be done.
func (h *hub) typedTodo(ctx context.Context, in invoked) (d todoDraft, err error) {
	d = todoDraft{Owner: in.by.Member.ID, Nonce: reference()}
	text := in.rest
	if text, d.Owner, err = h.forWhom(ctx, in.caller, text, d.Owner); err != nil {
		return d, err
	}
	words := strings.Fields(text)
	for i, w := range words {
		if n := strings.Trim(w, ",.;:()"); strings.HasPrefix(n, "#") && len(n) > 1 && strings.Trim(n[1:], "0123456789") == "" {
			if d.Conversation, err = h.Desk.Numbered(ctx, in.group.Name, n); err != nil {
				return d, err
			}
			words = slices.Delete(words, i, i+1)
			break
		}
	}
	if d.Conversation == 0 && in.Root != "" {
		p, err := h.Desk.FindPost(ctx, "", in.board.Name, in.Root)
		if err != nil && !errors.Is(err, ticketing.ErrNone) {
			return d, err
		}
		d.Conversation = p.Conversation
	}
	text = strings.Join(words, " ")
	if f, ok := dates.Find(ticketing.OneLine(text, 500), h.Clock().In(in.zone)); ok {
		text, d.Due = f.Rest, f.At.Truncate(time.Minute).Unix()
	}
	d.Text = ticketing.OneLine(strings.Trim(unquoted(text), " ,;:-–"), 300)
	return d, nil
}

// forWhom takes the member out of a text who is named there as @ben, @Ben Brown, @me or, at its end, "for me".
func (h *hub) forWhom(ctx context.Context, who caller, text string, owner ticketing.MemberID) (string, ticketing.MemberID, error) {
	if rest, ok := strings.CutSuffix(text, " for me"); ok {
		return rest, owner, nil
	}
	at := -1
	for i, r := range text {
		if r != '@' {
			continue
		}
		if next, _ := utf8.DecodeRuneInString(text[i+1:]); unicode.IsDigit(next) {
			continue // "@10:00" is a time
		}
		if (i == 0 || unicode.IsSpace(rune(text[i-1])) || strings.ContainsRune("(,;", rune(text[i-1]))) && i+1 < len(text) && !unicode.IsSpace(rune(text[i+1])) {
			at = i
			break
		}
	}
	if at < 0 {
		return text, owner, nil
	}
	team, err := h.Desk.Colleagues(ctx, who.group.Name)
	if err != nil {
		return text, owner, err
	}
	behind := text[at+1:]
	longest := 0
	for _, m := range append(team, ticketing.Member{ID: who.by.Member.ID, Handle: "me"}) {
		for _, name := range []string{m.Handle, m.Name} {
			if name != "" && (len(name) > longest || len(name) == longest && name == m.Handle) && len(behind) >= len(name) && strings.EqualFold(behind[:len(name)], name) && !wordAt(behind[len(name):]) {
				longest, owner = len(name), m.ID
			}
		}
	}
	if longest == 0 {
		name, _, _ := strings.Cut(behind, " ")
		m, err := h.colleague(ctx, who, strings.TrimRight(name, ",.;:)"))
		if err != nil {
			return text, owner, err
		}
		longest, owner = len(name), m.ID
	}
	left := strings.TrimSuffix(strings.TrimRight(text[:at], " "), " for")
	return strings.TrimSpace(left + " " + strings.TrimSpace(behind[longest:])), owner, nil
}

// wordAt tells whether a word goes on there.
func wordAt(s string) bool {
	for _, r := range s {
		return unicode.IsLetter(r) || unicode.IsDigit(r)
	}
	return false
}

// told back: what is to be done, when, by whom, and what it is about.
func (h *hub) todoWords(ctx context.Context, who caller, d todoDraft) (Line, error) {
	l := Line{{Text: ticketing.OneLine(d.Text, 300), Strong: true}}
	if d.Due == 0 {
		l = append(l, Span{Text: " · no date"})
	} else {
		l = append(l, Span{Text: " · " + exactly(seconds(d.Due), who)})
	}
	if d.Owner == who.by.Member.ID {
		l = append(l, Span{Text: ", for you"})
	} else {
		m, err := h.Desk.Member(ctx, d.Owner)
		if err != nil {
			return l, err
		}
		l = append(l, Span{Text: ", for " + m.Called()})
	}
	if d.Conversation != 0 {
		s, err := h.Desk.Conversation(ctx, who.group.Name, who.board.Name, d.Conversation)
		if err != nil {
			return l, err
		}
		l = append(l, Span{Text: ", " + ticketing.OneLine(s.Name(), 100)})
	}
	if d.Contact != 0 {
		k, err := h.Desk.Contact(ctx, who.group.Name, who.board.Name, d.Contact)
		if err != nil {
			return l, err
		}
		l = append(l, Span{Text: ", about " + ticketing.OneLine(k.Line(), 100)})
	}
	return l, nil
}

// confirmTodo shows what was understood: it counts once OK is pressed.
func (h *hub) confirmTodo(ctx context.Context, who caller, d todoDraft) Answer {
	line, err := h.todoWords(ctx, who, d)
	if err != nil {
		return whisper(h.say(err, "todo", who))
	}
	value, _ := json.Marshal(d) // strings and numbers
	change := Button{ID: "todochange", Label: "Change…", Value: string(value), Opens: true}
	m := &Message{Notice: "To-do: " + d.Text, Status: line}
	if due := seconds(d.Due); !due.IsZero() && !due.After(h.Clock()) {
		m.Lines = says("That time is over. When is it to be done?")
		m.Buttons = []Button{change}
	} else {
		m.Buttons = []Button{{ID: "todook", Label: "OK", Value: string(value), Style: Primary}, change}
	}
	return Answer{Whisper: m}
}

// draft reads a to-do back from a button.
func draft(value string) (d todoDraft, ok bool) {
	return d, json.Unmarshal([]byte(value), &d) == nil && d.Text != ""
}

func (h *hub) pressTodoOK(ctx context.Context, who caller, c Click, _ int64) Answer {
	d, ok := draft(c.Value)
	if !ok || d.Nonce == "" {
		return whisper(broken)
	}
	who.by.Event = h.p.Name() + ":todo:" + d.Nonce // not the press: a second one of the same button is the same to-do
	t, err := h.Desk.AddTodo(ctx, who.by, d.input())
	if errors.Is(err, ticketing.ErrRepeated) {
		return whisper("That was already written down.")
	}
	if err != nil {
		return h.told(err, c.Button, who)
	}
	return inPlace(c, h.todoKept(ctx, who, t))
}

// todoKept says that a to-do is written down.
func (h *hub) todoKept(ctx context.Context, who caller, t ticketing.Todo) Answer {
	line, err := h.todoWords(ctx, who, draftOf(t))
	if err != nil {
		return whisper(h.say(err, "todo", who))
	}
	return Answer{Whisper: &Message{Notice: "✓ To-do: " + t.Text, Status: append(Line{{Text: "✓ "}}, line...),
		Buttons: []Button{{ID: "todos", Label: "To-dos", Value: "0"}}}}
}

func draftOf(t ticketing.Todo) todoDraft {
	d := todoDraft{ID: t.ID, Text: t.Text, Owner: t.Owner, Conversation: t.Conversation, Contact: t.Contact}
	if !t.Due.IsZero() {
		d.Due = t.Due.Unix()
	}
	return d
}

func (h *hub) pressTodoChange(ctx context.Context, who caller, c Click, _ int64) Answer {
	d, ok := draft(c.Value)
	if !ok {
		return whisper(broken)
	}
	return h.todoForm(ctx, who, d, exactly(seconds(d.Due), who), "")
}

func (h *hub) pressTodo(ctx context.Context, who caller, _ Click, id int64) Answer {
	return h.todoForm(ctx, who, todoDraft{Owner: who.by.Member.ID, Conversation: ticketing.ConversationID(id)}, "", "")
}

func (h *hub) pressTodoFor(ctx context.Context, who caller, _ Click, id int64) Answer {
	return h.todoForm(ctx, who, todoDraft{Owner: who.by.Member.ID, Contact: ticketing.ContactID(id)}, "", "")
}

func (h *hub) pressTodoNew(ctx context.Context, who caller, _ Click, _ int64) Answer {
	return h.todoForm(ctx, who, todoDraft{Owner: who.by.Member.ID}, "", "")
}

func (h *hub) pressTodoEdit(ctx context.Context, who caller, c Click, id int64) Answer {
	t, err := h.Desk.TodoByID(ctx, who.group.Name, ticketing.TodoID(id))
	if err != nil {
		return whisper(h.say(err, c.Button, who))
	}
	d := draftOf(t)
	return h.todoForm(ctx, who, d, exactly(t.Due, who), "")
}

// todoForm asks what is to be done. d.Due is what is understood already of the words for the time.
func (h *hub) todoForm(ctx context.Context, who caller, d todoDraft, words, first string) Answer {
	owners, err := h.others(ctx, who, "")
	if err != nil {
		return whisper(h.say(err, "todo", who))
	}
	s := h.state(who, "todo", d.Conversation)
	s.Contact, s.Todo, s.Seq = d.Contact, d.ID, d.Due-d.Due%60 // as it is shown
	f := &Form{Title: "To-do", Submit: "OK", State: h.sign(s)}
	if first != "" {
		f.Intro = append(f.Intro, Line{{Text: first, Strong: true}})
	}
	if d.Conversation != 0 || d.Contact != 0 {
		about := d
		about.Text = ""
		line, err := h.todoWords(ctx, who, about)
		if err != nil {
			return whisper(h.say(err, "todo", who))
		}
		f.Intro = append(f.Intro, Line{{Text: "About " + strings.TrimPrefix(strings.TrimPrefix(line[len(line)-1].Text, ", "), "about ") + "."}})
	}
	if !slices.ContainsFunc(owners, func(o Option) bool { return o.Value == string(d.Owner) }) {
		d.Owner = who.by.Member.ID // who had it has left
	}
	f.Fields = []FormField{
		{Name: "text", Label: "What is to be done?", Kind: Short, Value: d.Text, Required: true, Max: 300},
		{Name: "when", Label: "When?", Kind: Short, Value: words, Help: whenHelp, Max: 100},
		{Name: "owner", Label: "Who does it?", Kind: Select, Value: string(d.Owner), Options: owners, Required: true},
	}
	if d.Conversation == 0 && d.Contact == 0 && d.ID == 0 {
		f.Fields = append(f.Fields, FormField{Name: "ticket", Label: "Ticket", Kind: Short, Help: "#12, if it is about one.", Max: 20})
	}
	return Answer{Form: f}
}

const whenHelp = "tomorrow 10:00, next Tuesday, in 2 hours, 31.12. 18:00; empty: no date"

// time reads what was typed as a time; 0 if nothing was. A time that was not shown back yet is not sure.
func (h *hub) typedTime(who caller, field, text string, shown int64) (unix int64, sure bool, err error) {
	if text = ticketing.OneLine(text, 100); text == "" {
		return 0, true, nil
	}
	f, ok := dates.Find(text, h.Clock().In(who.zone))
	unix = f.At.Truncate(time.Minute).Unix()
	switch {
	case !ok:
		return 0, false, ticketing.Refusal{Kind: ticketing.BadInput, Field: field, Text: "I do not understand “" + text + "” as a time. Write it like this: " + whenHelp + "."}
	case !f.At.After(h.Clock()) && unix != shown:
		return 0, false, ticketing.Refusal{Kind: ticketing.BadInput, Field: field, Text: exactly(f.At, who) + " is over. Write a later time."}
	}
	return unix, unix == shown, nil
}

func (h *hub) submitTodo(ctx context.Context, who caller, s formState, v map[string]string) (Answer, error) {
	d := todoDraft{ID: s.Todo, Text: ticketing.OneLine(v["text"], 300), Owner: ticketing.MemberID(v["owner"]), Conversation: s.About, Contact: s.Contact}
	if number := strings.TrimSpace(v["ticket"]); number != "" && d.Conversation == 0 {
		var err error
		if d.Conversation, err = h.Desk.Numbered(ctx, who.group.Name, number); err != nil {
			var no ticketing.Refusal
			if errors.As(err, &no) {
				no.Field = "ticket"
				return Answer{}, no
			}
			return Answer{}, err
		}
	}
	due, sure, err := h.typedTime(who, "when", v["when"], s.Seq)
	if err != nil {
		return Answer{}, err
	}
	d.Due = due
	if !sure {
		at := exactly(seconds(due), who)
		a := h.todoForm(ctx, who, d, at, "Understood: "+at+". Is that right?")
		return a, nil
	}
	if d.ID == 0 {
		t, err := h.Desk.AddTodo(ctx, who.by, d.input())
		if err != nil {
			return Answer{}, err
		}
		return h.todoKept(ctx, who, t), nil
	}
	t, err := h.Desk.EditTodo(ctx, who.by, d.ID, d.input())
	if err != nil {
		return Answer{}, err
	}
	return h.todoKept(ctx, who, t), nil
}

// todoDue is a reminder, in the thread and to the owner alone: it changes in place with what is done.
func todoDue(dr ticketing.Drawing, link string) Message {
	t := dr.Todo
	owner := dr.Named(t.Owner)
	m := Message{Notice: "To-do: " + t.Text, Title: ticketing.OneLine(t.Text, 250)}
	v := strconv.FormatInt(int64(t.ID), 10)
	done := Button{ID: "tododone", Label: "Done", Value: v, Style: Primary}
	edit := Button{ID: "todoedit", Label: "Change…", Value: v, Opens: true}
	switch {
	case !t.Open():
		m.Status = Line{{Text: "✓ Done", Strong: true}, {Text: " by " + dr.Named(t.DoneBy).Called() + " · "}, {Time: t.Done}}
		m.Tone = Grey
		m.Buttons = []Button{{ID: "todoundo", Label: "Undo", Value: v}}
	case !t.Reminded && t.Due.IsZero():
		m.Status = Line{{Text: "☐ To do, no date", Strong: true}}
		m.Buttons = []Button{done, edit}
	case !t.Reminded && t.Times == 0:
		m.Status = Line{{Text: "☐ To do", Strong: true}, {Text: " · "}, {Time: t.Due}}
		m.Buttons = []Button{done, edit}
	case !t.Reminded:
		m.Status = Line{{Text: "⏳ Put off", Strong: true}, {Text: " until "}, {Time: t.Due}}
		m.Buttons = []Button{done, edit}
	default:
		m.Status = Line{{Text: "⏰ Due", Strong: true}, {Text: " · "}, {Time: t.Due}}
		m.Tone = Yellow
		m.Buttons = []Button{done, {ID: "todohour", Label: "In an hour", Value: v}, {ID: "todotomorrow", Label: "Tomorrow", Value: v}, edit}
	}
	if dr.Post.To == "" {
		whose := Span{Text: owner.Called()}
		if sameplatform(t.Owner, dr.Board) && t.Open() && !dr.OwnerLeft {
			whose = Span{Text: owner.Called(), Member: onPlatform(t.Owner), Ping: dr.Post.Shown == 0}
		}
		m.Status = append(m.Status, Span{Text: " · for "}, whose)
	} else if t.Owner != dr.Post.To {
		m.Status = append(m.Status, Span{Text: " · for " + owner.Called()})
	}
	if dr.OwnerLeft && t.Open() {
		m.Lines = append(m.Lines, Line{{Text: "⚠ " + owner.Called() + ", who was to do it, is no longer in this team. Change… gives it to somebody else."}})
	}
	if c := dr.Conversation; c.ID != 0 && dr.Root == "" {
		m.Lines = append(m.Lines, Line{{Text: ticketing.OneLine(c.Name()+" "+c.With.Called(), 150), URL: link}})
	}
	if dr.TodoContact.ID != 0 {
		m.Lines = append(m.Lines, Line{{Text: "☺ " + ticketing.OneLine(dr.TodoContact.Line(), 120)}})
	}
	if t.By != t.Owner {
		m.Footer = Line{{Text: "written down by " + dr.Named(t.By).Called() + " · "}, {Time: t.Made}}
	}
	return m
}

// onTodo is a button that changes a to-do. What shows it changes for everybody.
func onTodo(f func(h *hub, ctx context.Context, who caller, id ticketing.TodoID) (ticketing.Todo, error)) press {
	return press{do: func(h *hub, ctx context.Context, who caller, c Click, id int64) Answer {
		_, err := f(h, ctx, who, ticketing.TodoID(id))
		return h.told(err, c.Button, who)
	}}
}

func (h *hub) inAnHour(ctx context.Context, who caller, id ticketing.TodoID) (ticketing.Todo, error) {
	return h.Desk.PutOffTodo(ctx, who.by, id, h.Clock().Add(time.Hour).Truncate(time.Minute))
}

// tomorrow puts a to-do off to the same hour of the next day.
func (h *hub) tomorrow(ctx context.Context, who caller, id ticketing.TodoID) (ticketing.Todo, error) {
	t, err := h.Desk.TodoByID(ctx, who.group.Name, id)
	if err != nil {
		return t, err
	}
	now, hour, minute := h.Clock().In(who.zone), dates.Morning, 0
	if !t.Due.IsZero() {
		hour, minute, _ = t.Due.In(who.zone).Clock()
	}
	return h.Desk.PutOffTodo(ctx, who.by, id, time.Date(now.Year(), now.Month(), now.Day()+1, hour, minute, 0, 0, who.zone))
}

// todoList whispers a page of open to-dos, those behind a place if one is named.
func (h *hub) todoList(ctx context.Context, who caller, q ticketing.TodoQuery, behind string) Answer {
	q.Group, q.Open, q.Limit = who.group.Name, true, 1000
	all, err := h.Desk.Todos(ctx, who.board.Name, q)
	if err != nil {
		return whisper(h.say(err, "todo", who))
	}
	m := &Message{Notice: "To-dos", Buttons: []Button{{ID: "todonew", Label: "New…", Value: "0", Opens: true}}}
	whose := "You have"
	switch {
	case q.Conversation != 0:
		whose = "About this"
	case q.Owner != who.by.Member.ID:
		one, err := h.Desk.Member(ctx, q.Owner)
		if err != nil {
			return whisper(h.say(err, "todo", who))
		}
		whose = one.Called() + " has"
	}
	from := 0
	if id, err := strconv.ParseInt(behind, 10, 64); err == nil {
		from = 1 + slices.IndexFunc(all, func(t ticketing.ListedTodo) bool { return int64(t.ID) == id })
	}
	page := all[from:min(len(all), from+listed)]
	head := whose + " nothing to do."
	if q.Conversation != 0 {
		head = "Nothing is to be done about this."
	}
	if len(all) > 0 {
		head = fmt.Sprintf("%s %s to do", whose, plural(len(all), "thing"))
		if len(page) < len(all) {
			head += fmt.Sprintf(": %d–%d", from+1, from+len(page))
		}
		m.Buttons = append(m.Buttons, Button{ID: "todoact", Label: "Done, or later…", Value: todosNamed(q, ""), Opens: true})
	}
	m.Lines = append([]Line{{{Text: head, Strong: true}}}, h.todoLines(page, q.Owner == "")...)
	if from > 0 {
		m.Buttons = append(m.Buttons, Button{ID: "todosfirst", Label: "From the beginning", Value: todosNamed(q, "")})
	}
	if from+len(page) < len(all) {
		m.Buttons = append(m.Buttons, Button{ID: "todosnext", Label: "Next", Value: todosNamed(q, strconv.FormatInt(int64(page[len(page)-1].ID), 10))})
	}
	return Answer{Whisper: m}
}

// todosNamed is a button's value that names a page of to-dos; todosOf reads it.
func todosNamed(q ticketing.TodoQuery, behind string) string {
	return fmt.Sprintf("%d %s %s", q.Conversation, behind, q.Owner)
}

func todosOf(value string) (q ticketing.TodoQuery, behind string, ok bool) {
	about, rest, _ := strings.Cut(value, " ")
	behind, owner, ok := strings.Cut(rest, " ")
	id, err := strconv.ParseInt(about, 10, 64)
	return ticketing.TodoQuery{Conversation: ticketing.ConversationID(id), Owner: ticketing.MemberID(owner)}, behind, ok && err == nil && (id != 0 || owner != "")
}

func (h *hub) pressTodos(ctx context.Context, who caller, c Click, _ int64) Answer {
	q, behind, ok := todosOf(c.Value)
	if !ok { // from elsewhere: one's own
		q, behind = ticketing.TodoQuery{Owner: who.by.Member.ID}, ""
	}
	return inPlace(c, h.todoList(ctx, who, q, behind))
}

// todoLines is a line a to-do: when, what, about what, and the way there.
func (h *hub) todoLines(all []ticketing.ListedTodo, owners bool) (lines []Line) {
	now := h.Clock()
	for _, t := range all {
		l := Line{{Text: "☐ "}}
		switch {
		case t.Due.IsZero():
		case t.Late(now):
			l = Line{{Text: "▲ due "}, {Time: t.Due}, {Text: " "}}
		default:
			l = Line{{Text: "☐ "}, {Time: t.Due}, {Text: " "}}
		}
		l = append(l, Span{Text: ticketing.OneLine(t.Text, 150), Strong: true})
		if t.About.ID != 0 {
			l = append(l, Span{Text: " · "}, Span{Text: ticketing.OneLine(t.About.Name()+" "+t.About.With.Called(), 100), URL: h.to(t.Card)})
		}
		if t.Contact.ID != 0 {
			l = append(l, Span{Text: " · ☺ " + ticketing.OneLine(t.Contact.Line(), 80)})
		}
		if owners {
			l = append(l, Span{Text: " · " + t.Whose.Called()})
		}
		lines = append(lines, l)
	}
	return lines
}

// pressTodoAct asks which of a list is done, or put off.
func (h *hub) pressTodoAct(ctx context.Context, who caller, c Click, _ int64) Answer {
	q, _, ok := todosOf(c.Value)
	if !ok {
		return whisper(broken)
	}
	q.Group, q.Open, q.Limit = who.group.Name, true, 100
	all, err := h.Desk.Todos(ctx, who.board.Name, q)
	if err != nil {
		return whisper(h.say(err, c.Button, who))
	}
	if len(all) == 0 {
		return whisper("Nothing is to be done any more.")
	}
	return Answer{Form: h.todoActForm(who, all, map[string]string{}, 0, "")}
}

func (h *hub) todoActForm(who caller, all []ticketing.ListedTodo, v map[string]string, shown int64, first string) *Form {
	s := h.state(who, "todoact", 0)
	s.Seq = shown
	f := &Form{Title: "Done, or later", Submit: "OK"}
	if first != "" {
		f.Intro = []Line{{{Text: first, Strong: true}}}
	}
	var which []Option
	for _, t := range all {
		label := t.Text
		if !t.Due.IsZero() {
			label = t.Due.In(who.zone).Format("2 Jan 15:04") + " " + label
		}
		which = append(which, Option{Value: strconv.FormatInt(int64(t.ID), 10), Label: ticketing.OneLine(label, 70)})
	}
	if len(which) == 1 { // of several none is ticked off by mistake
		v["todo"] = which[0].Value
	}
	f.State = h.sign(s)
	f.Fields = []FormField{
		{Name: "todo", Label: "Which?", Kind: Select, Options: which, Value: v["todo"], Required: true},
		{Name: "when", Label: "Later: when?", Kind: Short, Value: v["when"], Help: "Empty: it is done. Else tomorrow 10:00, in 2 hours …", Max: 100},
	}
	return f
}

func (h *hub) submitTodoAct(ctx context.Context, who caller, s formState, v map[string]string) (Answer, error) {
	id, err := strconv.ParseInt(v["todo"], 10, 64)
	if err != nil {
		return Answer{}, ticketing.Refusal{Kind: ticketing.BadInput, Field: "todo", Text: "Choose one."}
	}
	due, sure, err := h.typedTime(who, "when", v["when"], s.Seq)
	if err != nil {
		return Answer{}, err
	}
	if due == 0 {
		t, err := h.Desk.DoneTodo(ctx, who.by, ticketing.TodoID(id))
		if err != nil {
			return Answer{}, err
		}
		return whisper("✓ Done: " + t.Text), nil
	}
	if !sure {
		t, err := h.Desk.TodoByID(ctx, who.group.Name, ticketing.TodoID(id))
		if err != nil {
			return Answer{}, err
		}
		at := exactly(seconds(due), who)
		return Answer{Form: h.todoActForm(who, []ticketing.ListedTodo{{Todo: t}}, map[string]string{"when": at}, due, "Understood: until "+at+". Is that right?")}, nil
	}
	t, err := h.Desk.PutOffTodo(ctx, who.by, ticketing.TodoID(id), seconds(due))
	if err != nil {
		return Answer{}, err
	}
	return h.todoKept(ctx, who, t), nil
}

// todosShort are the first of a member's own, for what shows other things as well.
func (h *hub) todosShort(ctx context.Context, who caller, atMost int) (all []ticketing.ListedTodo, more bool, err error) {
	all, err = h.Desk.Todos(ctx, who.board.Name, ticketing.TodoQuery{Group: who.group.Name, Owner: who.by.Member.ID, Open: true, Limit: atMost + 1})
	if len(all) > atMost {
		return all[:atMost], true, err
	}
	return all, false, err
}

func (b *Bot) sweepTodos(ctx context.Context) {
	if _, err := b.Desk.SweepTodos(ctx); err != nil && ctx.Err() == nil {
		b.Log.Error("cannot remind of what is due", "err", err)
	}
}
