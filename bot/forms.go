package bot

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"groupmail/ticketing"
)

// formState is what a form carries: what it is about, for whom, and until when. It goes through
// the person's own program, so it is signed.
type formState struct {
	Purpose string                   `json:"p"`
	Member  ticketing.MemberID       `json:"m"`
	Board   string                   `json:"b"`
	About   ticketing.ConversationID `json:"c,omitempty"`
	Seq     int64                    `json:"s,omitempty"` // what the member had seen; of a to-do: the time shown back, in Unix seconds
	Owner   ticketing.MemberID       `json:"o,omitempty"` // the colleague that they were told of
	Contact ticketing.ContactID      `json:"k,omitempty"`
	Page    ticketing.PageID         `json:"g,omitempty"`
	Todo    ticketing.TodoID         `json:"t,omitempty"`
	Nonce   string                   `json:"n"` // used up by the action, not by a validation error
	Until   int64                    `json:"u"` // Unix seconds
}

// formLife is how long a form may stay open.
const formLife = 24 * time.Hour

func (b *Bot) sign(s formState) string {
	data, _ := json.Marshal(s) // of strings and numbers: cannot fail
	return base64.RawURLEncoding.EncodeToString(data) + "." + b.mac(data)
}

func (b *Bot) mac(data []byte) string {
	h := hmac.New(sha256.New, b.Secret)
	h.Write([]byte("form\x00"))
	h.Write(data)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

var errForm = ticketing.Refusal{Kind: ticketing.BadInput, Text: "This form is not one that I gave you, or it has been open for more than a day. Open it again."}

// signed reads a state back, for the member who submits it.
func (b *Bot) signed(state string, who ticketing.MemberID) (s formState, err error) {
	body, mac, _ := strings.Cut(state, ".")
	data, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || !hmac.Equal([]byte(mac), []byte(b.mac(data))) {
		return s, errForm
	}
	if json.Unmarshal(data, &s) != nil || s.Member != who || b.Clock().Unix() > s.Until {
		return s, errForm
	}
	return s, nil
}

// state begins a form's state.
func (b *Bot) state(who caller, purpose string, about ticketing.ConversationID) formState {
	return formState{
		Purpose: purpose, Member: who.by.Member.ID, Board: who.board.Name, About: about,
		Nonce: reference() + reference(), Until: b.Clock().Add(formLife).Unix(),
	}
}

// reference is a short random word.
func reference() string {
	r := make([]byte, 5)
	rand.Read(r) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(r))
}

// Submit implements Hub: a filled-in form becomes one use case. A refusal keeps the form open with
// all that was typed.
func (h *hub) Submit(ctx context.Context, s Submission) Answer {
	me := member(h.p.Name(), s.Who)
	state, err := h.signed(s.State, me.ID)
	if err != nil {
		return Answer{Errors: map[string]string{"": err.Error()}}
	}
	channel, ok := strings.CutPrefix(state.Board, h.p.Name()+"/")
	if !ok || s.Channel != "" && s.Channel != channel {
		return Answer{Errors: map[string]string{"": errForm.Error()}}
	}
	who, err := h.caller(ctx, channel, s.Who, "form:"+state.Nonce)
	if err == nil {
		purpose, _, _ := strings.Cut(state.Purpose, " ")
		submit, ok := submits[purpose]
		if !ok {
			err = errForm
		} else {
			var answer Answer
			if answer, err = submit(h, ctx, who, state, s.Values); err == nil {
				return answer
			}
		}
	}
	var no ticketing.Refusal
	switch {
	case errors.Is(err, ticketing.ErrRepeated):
		return whisper("This form was already sent: nothing was done twice.")
	case errors.As(err, &no):
		return Answer{Errors: map[string]string{no.Field: no.Text}}
	}
	return Answer{Errors: map[string]string{"": h.say(err, "submit "+state.Purpose, who)}}
}

var submits map[string]func(h *hub, ctx context.Context, who caller, s formState, v map[string]string) (Answer, error)

func init() { // a reply that has become stale opens its form again
	submits = map[string]func(h *hub, ctx context.Context, who caller, s formState, v map[string]string) (Answer, error){
		"reply":     (*hub).submitReply,
		"close":     (*hub).submitClose,
		"assign":    (*hub).submitAssign,
		"lefthand":  (*hub).submitLeftHand,
		"ticket":    (*hub).submitTicket,
		"me":        (*hub).submitMe,
		"floodspam": (*hub).submitFloodSpam,

		"todo":        (*hub).submitTodo,
		"todoact":     (*hub).submitTodoAct,
		"contact":     (*hub).submitContact,
		"newpage":     (*hub).submitNewPage,
		"editpage":    (*hub).submitEditPage,
		"note":        (*hub).submitNote,
		"editcontact": (*hub).submitEditContact,
		"merge":       (*hub).submitMerge,
		"search":      (*hub).submitSearch,
		"new":         (*hub).submitNew,
		"forward":     (*hub).submitForward,
		"movegroup":   (*hub).submitMoveGroup,
		"pick":        (*hub).submitPick,
		"watch":       (*hub).submitWatch,
		"wrongperson": (*hub).submitWrongPerson,
	}
}

// openReply takes a new conversation for the member and opens the form to answer it.
func (h *hub) openReply(ctx context.Context, who caller, about ticketing.ConversationID, text string) Answer {
	dr, err := h.Desk.Draft(ctx, who.by, about)
	if errors.Is(err, ticketing.ErrRepeated) {
		who.by.Event = "" // the conversation was taken by the first of two presses: the form is wanted all the same
		dr, err = h.Desk.Draft(ctx, who.by, about)
	}
	if err != nil {
		return whisper(h.say(err, "reply", who))
	}
	if n := len(dr.To) + len(dr.Cc); len(joined(dr.To)) > addressRoom || len(joined(dr.Cc)) > addressRoom {
		return whisper(fmt.Sprintf("This mail went to %d addresses, more than a form can show, and none is to be dropped unseen. "+
			"Answer in the card's thread: there you see them all before it is sent. Or use your mail program: that shows here, too.", n))
	}
	if text == "" {
		text = dr.Stopped
	}
	values := map[string]string{"text": text, "to": joined(dr.To), "cc": joined(dr.Cc)}
	return Answer{Form: h.replyForm(who, dr, values, "")}
}

// addressRoom is how many bytes of addresses a form's field shows on every platform.
const addressRoom = 2500

// replyForm shows whom a reply goes to and what it answers. warning is what came since it was
// opened first.
func (h *hub) replyForm(who caller, dr ticketing.Draft, values map[string]string, warning string) *Form {
	c := dr.Conversation
	s := h.state(who, "reply", c.ID)
	s.Seq, s.Owner = dr.Seq, dr.Owner.ID
	f := &Form{Title: "Reply", Submit: "Send", State: h.sign(s)}
	if c.Number > 0 {
		f.Title = "Reply to " + c.Name()
	}
	if warning != "" {
		f.Intro = append(f.Intro, Line{{Text: "⚠ " + warning, Strong: true}}, Line{{Text: "Nothing was sent yet. Look at your answer again, then press Send."}})
	}
	if dr.Took {
		f.Intro = append(f.Intro, Line{{Text: "It is yours now, so that nobody answers twice. Release on its card puts it back."}})
	}
	if dr.Owner.ID != "" {
		f.Intro = append(f.Intro, Line{{Text: "⚠ " + dr.Owner.Called() + " has this conversation. If you send, you answer in their place."}})
	}
	for _, r := range dr.Replies {
		f.Intro = append(f.Intro, Line{{Text: "⚠ An answer of a colleague is on its way: “" + ticketing.OneLine(r.Text, 150) + "”"}})
	}
	if dr.Stranger.Addr != "" {
		f.Intro = append(f.Intro, Line{{Text: "⚠ " + ticketing.OneLine(dr.Stranger.String(), 120) + " had no part in this before, and is no recipient unless you add the address."}})
	}
	f.Intro = append(f.Intro, Line{{Text: "From " + dr.From.String()}})
	if dr.Last.ID != 0 {
		f.Intro = append(f.Intro, Line{{Text: ticketing.OneLine(calledSender(dr.Last), 80) + " wrote: "}, {Text: ticketing.OneLine(dr.Last.Subject, 120), Strong: true}})
		clipped := false
		if f.Quote, clipped = clip(dr.Last.Reply, 500); clipped {
			f.Quote += " …"
		}
	}
	after := []Option{{Value: "", Label: "Wait for an answer"}, {Value: ticketing.Answered, Label: "Close: " + ticketing.Answered}}
	for _, o := range who.group.Outcomes {
		if o != ticketing.Answered {
			after = append(after, Option{Value: o, Label: "Close: " + o})
		}
	}
	f.Fields = []FormField{
		{Name: "text", Label: "Answer", Kind: Long, Value: values["text"], Required: true, Help: "With files, or longer than fits here: write it in the card's thread."},
		{Name: "to", Label: "To", Kind: Short, Value: values["to"], Required: true, Help: "Several addresses: commas between them."},
		{Name: "cc", Label: "Cc", Kind: Short, Value: values["cc"]},
		{Name: "after", Label: "Afterwards", Kind: Select, Value: values["after"], Options: after},
	}
	return f
}

func joined(all []ticketing.Address) string {
	parts := make([]string, len(all))
	for i, a := range all {
		parts[i] = a.Addr
		if local, domain, ok := strings.Cut(a.Addr, "@"); ok {
			if _, err := mail.ParseAddress(a.Addr); err != nil { // taro..@docomo.example
				parts[i] = `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(local) + `"@` + domain
				continue
			}
		}
		if a.Name != "" && a.Addr != "" {
			parts[i] = (&mail.Address{Name: a.Name, Address: a.Addr}).String()
			if strings.Contains(parts[i], "=?") { // encoded-words are for headers, not for people
				parts[i] = `"` + strings.NewReplacer(`"`, "", `\`, "").Replace(a.Name) + `" <` + a.Addr + ">"
			}
		}
	}
	return strings.Join(parts, ", ")
}

// typedAddresses reads a list of addresses as a person types it.
func typedAddresses(field, text string) ([]ticketing.Address, error) {
	text = strings.Trim(strings.ReplaceAll(ticketing.OneLine(text, 10000), ";", ","), ", ")
	if text == "" {
		return []ticketing.Address{}, nil
	}
	list, err := mail.ParseAddressList(text)
	if err != nil {
		return nil, ticketing.Refusal{Kind: ticketing.BadInput, Field: field,
			Text: "I can't read these addresses. Write them like ann@example.org, ben@example.org."}
	}
	all := make([]ticketing.Address, len(list))
	for i, a := range list {
		all[i] = ticketing.Address{Name: a.Name, Addr: a.Address}
	}
	return all, nil
}

func (h *hub) submitReply(ctx context.Context, who caller, s formState, v map[string]string) (Answer, error) {
	to, err := typedAddresses("to", v["to"])
	if err != nil {
		return Answer{}, err
	}
	cc, err := typedAddresses("cc", v["cc"])
	if err != nil {
		return Answer{}, err
	}
	r, err := h.Desk.Reply(ctx, who.by, ticketing.ReplyInput{
		Conversation: s.About, Text: v["text"], To: to, Cc: cc, CloseAs: v["after"], Seq: s.Seq, Owner: s.Owner,
	})
	if err == nil {
		m := progress(r, "")
		m.Until = r.Due
		return Answer{Whisper: &m, Aside: true}, nil
	}
	var no ticketing.Refusal
	if !errors.As(err, &no) || no.Kind != ticketing.Stale {
		return Answer{}, err
	}
	// The same form once more, with what came and all that was typed.
	by := who.by
	by.Event = ""
	dr, err := h.Desk.Draft(ctx, by, s.About)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Form: h.replyForm(who, dr, v, no.Text)}, nil
}

// otherOutcome is the choice of an outcome in the member's own words.
const otherOutcome = "other"

func (h *hub) openClose(ctx context.Context, who caller, about ticketing.ConversationID) Answer {
	s, err := h.Desk.Conversation(ctx, who.group.Name, who.board.Name, about)
	if err != nil {
		return whisper(h.say(err, "close", who))
	}
	if s.State == ticketing.Closed || s.State == ticketing.Spam { // refuse at once, in the desk's words
		_, err = h.Desk.Close(ctx, who.by, about, ticketing.Answered)
		return h.told(err, "close", who)
	}
	f := &Form{Title: "Close", Submit: "Close", State: h.sign(h.state(who, "close", about))}
	if s.Number > 0 {
		f.Title = "Close " + s.Name()
	}
	f.Intro = []Line{matter(s.Conversation, "")}
	if s.Owner != "" && s.Owner != who.by.Member.ID {
		f.Intro = append(f.Intro, Line{{Text: "⚠ " + s.Holder.Called() + " has it since "}, {Time: s.Since}})
	}
	options := []Option{}
	for _, o := range append(slices.Clone(who.group.Outcomes), ticketing.Answered) {
		if !slices.ContainsFunc(options, func(x Option) bool { return x.Value == o }) {
			options = append(options, Option{Value: o, Label: o})
		}
	}
	options = append(options, Option{Value: otherOutcome, Label: "other: in my words"})
	f.Fields = []FormField{
		{Name: "outcome", Label: "How did it end?", Kind: Select, Options: options, Required: true},
		{Name: "words", Label: "In your words", Kind: Short, Max: 100, Help: "Only for “other”."},
	}
	return Answer{Form: f}
}

func (h *hub) submitClose(ctx context.Context, who caller, s formState, v map[string]string) (Answer, error) {
	outcome := v["outcome"]
	if outcome == otherOutcome || outcome == "" {
		if outcome = strings.TrimSpace(v["words"]); outcome == "" {
			return Answer{}, ticketing.Refusal{Kind: ticketing.BadInput, Field: "words", Text: "Say in a few words how it ended."}
		}
	}
	_, err := h.Desk.Close(ctx, who.by, s.About, outcome)
	return Answer{}, err
}

func (h *hub) openAssign(ctx context.Context, who caller, about ticketing.ConversationID) Answer {
	s, err := h.Desk.Conversation(ctx, who.group.Name, who.board.Name, about)
	if err != nil {
		return whisper(h.say(err, "assign", who))
	}
	options, err := h.others(ctx, who, s.Owner)
	if err != nil {
		return whisper(h.say(err, "assign", who))
	}
	if len(options) == 0 {
		return whisper("There is nobody else in this channel to give it to.")
	}
	title := "Assign"
	if s.Owner != "" {
		title = "Hand over"
	}
	return Answer{Form: &Form{
		Title: title, Submit: title, State: h.sign(h.state(who, "assign", about)),
		Intro:  []Line{matter(s.Conversation, "")},
		Fields: []FormField{{Name: "member", Label: "To whom?", Kind: Select, Options: options, Required: true}},
	}}
}

func (h *hub) submitAssign(ctx context.Context, who caller, s formState, v map[string]string) (Answer, error) {
	to := ticketing.MemberID(v["member"])
	if _, err := h.Desk.Assign(ctx, who.by, s.About, to); err != nil {
		return Answer{}, err
	}
	if warning := h.away(ctx, to); warning != "" {
		return whisper("⚠ " + warning), nil
	}
	return Answer{}, nil
}

func (h *hub) openTicket(who caller, summary, with string) Answer {
	options := []Option{{Value: "", Label: "It stays open"}}
	for _, o := range who.group.Outcomes {
		options = append(options, Option{Value: o, Label: "Close: " + o})
	}
	return Answer{Form: &Form{
		Title: "New ticket", Submit: "Open", State: h.sign(h.state(who, "ticket", 0)),
		Intro: []Line{{{Text: "For a phone call or a visit. You have it as soon as it is open."}}},
		Fields: []FormField{
			{Name: "summary", Label: "What is it about?", Kind: Short, Value: summary, Required: true, Max: 200},
			{Name: "with", Label: "Who is it with?", Kind: Short, Value: with, Help: "A contact, any other name, or a mail address to answer to."},
			{Name: "note", Label: "What was said?", Kind: Long},
			{Name: "after", Label: "Afterwards", Kind: Select, Options: options},
		},
	}}
}

func (h *hub) submitTicket(ctx context.Context, who caller, _ formState, v map[string]string) (Answer, error) {
	in := ticketing.TicketInput{Summary: v["summary"], With: ticketing.Address{Name: ticketing.OneLine(v["with"], 100)}, Note: v["note"], Outcome: v["after"]}
	if strings.Contains(in.With.Name, "@") {
		list, err := typedAddresses("with", in.With.Name)
		if err != nil {
			return Answer{}, err
		}
		in.With = list[0]
	} else if in.With.Name != "" {
		found, _, err := h.Desk.FindContacts(ctx, who.group.Name, unquoted(in.With.Name))
		if err != nil {
			return Answer{}, err
		}
		if len(found) == 1 && strings.EqualFold(found[0].Name, unquoted(in.With.Name)) {
			in.Contact = found[0].ID
		}
	}
	c, err := h.Desk.OpenTicket(ctx, who.by, in)
	if err != nil {
		return Answer{}, err
	}
	if c.State == ticketing.Closed {
		return whisper("Kept as " + c.Name() + ", closed: " + c.Outcome + "."), nil
	}
	return whisper("Opened " + c.Name() + ". It is yours."), nil
}
