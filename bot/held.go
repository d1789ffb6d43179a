package bot

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"groupmail/ticketing"
)

// heldWords say why a mail is held, of one and of many.
var heldWords = map[ticketing.Reason][2]string{
	ticketing.HeldAutoReply: {"an automatic answer", "automatic answers"},
	ticketing.HeldBounce:    {"a delivery failure of a mail that was not sent from here", "delivery failures of mails that were not sent from here"},
	ticketing.HeldUnread:    {"a mail that cannot be read", "mails that cannot be read"},
}

// heldReasons is the order in which they are told.
var heldReasons = []ticketing.Reason{ticketing.HeldUnread, ticketing.HeldBounce, ticketing.HeldAutoReply}

// heldCard counts what is held, for a group.
func heldCard(dr ticketing.Drawing) Message {
	t := dr.Tally
	if t.Held == 0 {
		return Message{Notice: "Nothing is held", Status: Line{{Text: "⊘ Nothing is held any more", Strong: true}}}
	}
	word := plural(t.Held, "mail")
	m := Message{
		Notice:  word + " held",
		Status:  Line{{Text: "⊘ Held: " + word, Strong: true}, {Text: " that nobody has to see at once"}},
		Buttons: []Button{{ID: "held", Label: "Show", Value: "0"}},
	}
	for _, r := range heldReasons {
		switch n := t.HeldFor[r]; n {
		case 0:
		case 1:
			_, what, _ := strings.Cut(heldWords[r][0], " ")
			m.Lines = append(m.Lines, Line{{Text: "1 " + what}})
		default:
			m.Lines = append(m.Lines, Line{{Text: strconv.Itoa(n) + " " + heldWords[r][1]}})
		}
	}
	return m
}

func (h *hub) runHeld(ctx context.Context, in invoked) Answer {
	return h.heldAt(ctx, in.caller, ticketing.Place{}, false, "")
}

func (h *hub) pressHeld(ctx context.Context, who caller, c Click, _ int64) Answer {
	place, _, _ := cutPlace(c.Value) // of the held card: none, and it begins at the beginning
	return inPlace(c, h.heldAt(ctx, who, place, false, ""))
}

func (h *hub) pressHeldBack(ctx context.Context, who caller, c Click, _ int64) Answer {
	place, _, ok := cutPlace(c.Value)
	if !ok {
		return whisper(broken)
	}
	return inPlace(c, h.heldAt(ctx, who, place, true, ""))
}

// placeName is how a button's value names a place, and with it a conversation; cutPlace reads it, and
// gives what stands behind it.
func placeName(p ticketing.Place) string { return fmt.Sprintf("%d %d", p.ID, p.At.UnixMicro()) }

func cutPlace(value string) (p ticketing.Place, rest string, ok bool) {
	id, rest, ok := numbered(value)
	micro, rest, also := numbered(rest)
	if !ok || !also {
		return ticketing.Place{}, "", false
	}
	return ticketing.Place{At: time.UnixMicro(micro).UTC(), ID: ticketing.ConversationID(id)}, rest, true
}

// heldAt whispers the held mail behind another, or before it, and what can be done about it. first is
// said before it.
func (h *hub) heldAt(ctx context.Context, who caller, other ticketing.Place, back bool, first string) Answer {
	q := ticketing.HeldBy(who.group.Name)
	q.Limit, q.Place, q.Back = 1, other, back
	p, err := h.Desk.List(ctx, who.board.Name, q)
	if err != nil {
		return whisper(h.say(err, "held", who))
	}
	if p.All == 0 {
		if first == "" {
			first = "Nothing is held."
			if other != (ticketing.Place{}) {
				first = "That was the last one."
			}
		}
		return whisper(first)
	}
	c := p.List[0].Conversation
	s, err := h.Desk.Conversation(ctx, who.group.Name, who.board.Name, c.ID)
	if err != nil {
		return whisper(h.say(err, "held", who))
	}
	last, err := h.Desk.LastHeld(ctx, who.group.Name) // what comes from now on nobody has decided about
	if err != nil {
		return whisper(h.say(err, "held", who))
	}
	here := placeName(c.PlaceIn(q.Order))
	from := ticketing.OneLine(c.With.Called(), 80)
	if from == "" {
		from = "unknown sender"
	}
	m := &Message{
		Notice: "Held: " + from, Title: ticketing.OneLine(c.Subject, 250),
		Status: Line{{Text: fmt.Sprintf("⊘ Held, %d of %s", p.Before+1, ofAll(p)), Strong: true}, {Text: ": " + heldWords[c.HeldFor][0] + " · " + from + " · "}, {Time: c.Waits}},
		Buttons: []Button{
			{ID: "admit", Label: "Release", Value: here, Style: Primary},
			{ID: "discard", Label: "Discard", Value: here},
		},
	}
	if first != "" {
		m.Lines = append(m.Lines, Line{{Text: first}})
	}
	if len(s.Mails) > 0 {
		newest := s.Mails[0]
		m.Quote, m.Clipped = clip(dense(newest.Reply), 3*excerpt)
		if newest.Fault != "" {
			m.Lines = append(m.Lines, Line{{Text: "⚠ " + ticketing.OneLine(newest.Fault, 300)}})
		}
	}
	more := []Button{{ID: "read", Label: "Read", Value: id(c)}}
	if p.More {
		m.Buttons = append(m.Buttons, Button{ID: "held", Label: "Next", Value: here})
	}
	if p.Before > 0 {
		more = append(more, Button{ID: "heldback", Label: "The one before", Value: here})
	}
	m.Buttons = append(m.Buttons, Button{Label: "More…", Menu: append(more,
		Button{
			ID: "discardall", Label: "Discard all like this", Value: placeName(last) + " " + string(c.HeldFor), Style: Danger,
			Confirm: "Discard all mails of this kind that are held by now? They stay in the mailbox, and in the log.",
		})})
	return Answer{Whisper: m}
}

func (h *hub) pressAdmit(ctx context.Context, who caller, c Click, _ int64) Answer {
	place, _, ok := cutPlace(c.Value)
	if !ok {
		return whisper(broken)
	}
	if _, err := h.Desk.Admit(ctx, who.by, place.ID); err != nil {
		return h.told(err, c.Button, who)
	}
	return inPlace(c, h.heldAt(ctx, who, place, false, "✓ Released: its card is at the channel's bottom."))
}

func (h *hub) pressDiscard(ctx context.Context, who caller, c Click, _ int64) Answer {
	place, _, ok := cutPlace(c.Value)
	if !ok {
		return whisper(broken)
	}
	d, err := h.Desk.Discard(ctx, who.by, place.ID)
	if err != nil {
		return h.told(err, c.Button, who)
	}
	a := whisper("✓ Discarded: " + ticketing.OneLine(d.Subject, 100))
	a.Whisper.Buttons = []Button{{ID: "held", Label: "Next", Value: c.Value, Style: Primary}, {ID: "undo", Label: "Undo", Value: id(d)}}
	return inPlace(c, a)
}

// pressDiscardAll discards in the background: it may take longer than a platform waits.
func (h *hub) pressDiscardAll(ctx context.Context, who caller, c Click, _ int64) Answer {
	last, reason, ok := cutPlace(c.Value)
	if !ok {
		return whisper(broken)
	}
	h.inBackground(ctx, "discard all", who, func(ctx context.Context) (int, error) {
		return h.Desk.DiscardAll(ctx, who.by, ticketing.Reason(reason), last)
	})
	return whisper("✓ All of this kind are being discarded. The held card says how many are left.")
}

// numbered reads a button's value that begins with a number.
func numbered(value string) (n int64, rest string, ok bool) {
	first, rest, _ := strings.Cut(value, " ")
	n, err := strconv.ParseInt(first, 10, 64)
	return n, rest, err == nil
}

// inBackground does what may take longer than a platform waits for an answer, in many use cases of
// which each is whole. It is finished also when the process is asked to stop, as far as time allows.
func (h *hub) inBackground(ctx context.Context, doing string, who caller, f func(context.Context) (int, error)) {
	ctx = context.WithoutCancel(ctx)
	h.running.Go(func() {
		n, err := f(ctx)
		if err != nil {
			h.Log.Error("a use case failed half-way; pressing again goes on with it", "doing", doing, "member", who.by.Member.ID, "group", who.group.Name, "done", n, "err", err)
			return
		}
		h.Log.Info("done", "doing", doing, "member", who.by.Member.ID, "group", who.group.Name, "count", n)
	})
}

// digestCard collects what came in a flood and has no card of its own.
func digestCard(dr ticketing.Drawing) Message {
	d := dr.Digest
	if d.Waits == 0 {
		return Message{Notice: "The flood is over", Status: Line{{Text: "≋ Many mails came at once", Strong: true}, {Text: " · "}, {Time: dr.Conversation.Opened}, {Text: " · all of them are shown or done"}}}
	}
	word := plural(d.Waits, "more mail")
	m := Message{
		Notice: word + " came at once",
		Tone:   Yellow,
		Status: Line{{Text: "≋ " + word + " came at once", Strong: true}, {Text: " · since "}, {Time: dr.Conversation.Opened}},
		Lines:  []Line{{{Text: "They are kept and wait in the queue. So that this channel stays readable they have no cards yet."}}},
		Buttons: []Button{
			{ID: "showmore", Label: "Show 10 more", Value: id(dr.Conversation), Style: Primary},
			{ID: "collected", Label: "List", Value: id(dr.Conversation)},
			{Label: "More…", Menu: []Button{{ID: "floodspam", Label: "Spam: all of one sender…", Value: id(dr.Conversation), Opens: true}}},
		},
	}
	for _, w := range d.Writers {
		if w.Count > 1 {
			m.Lines = append(m.Lines, Line{{Text: fmt.Sprintf("%d × %s", w.Count, writer(w))}})
		}
	}
	return m
}

func writer(w ticketing.Writer) string {
	if w.With.Addr == "" {
		return "senders without an address"
	}
	return ticketing.OneLine(w.With.Addr, 120)
}

const showAtOnce = 10

func (h *hub) pressShowMore(ctx context.Context, who caller, c Click, flood int64) Answer {
	_, err := h.Desk.ShowCollected(ctx, who.by, ticketing.ConversationID(flood), showAtOnce)
	return h.told(err, c.Button, who)
}

// pressFloodSpam asks whose mails of a flood are all spam.
func (h *hub) pressFloodSpam(ctx context.Context, who caller, c Click, flood int64) Answer {
	const offered = 50
	writers, err := h.Desk.FloodWriters(ctx, who.group.Name, ticketing.ConversationID(flood), offered)
	if err != nil {
		return whisper(h.say(err, c.Button, who))
	}
	options := []Option{}
	for _, w := range writers {
		if w.With.Addr != "" {
			options = append(options, Option{Value: w.With.Addr, Label: fmt.Sprintf("%d × %s", w.Count, writer(w))})
		}
	}
	if len(options) == 0 {
		return whisper("All of them are shown or done.")
	}
	return Answer{Form: &Form{
		Title: "Spam", Submit: "All spam", State: h.sign(h.state(who, "floodspam", ticketing.ConversationID(flood))),
		Intro:  []Line{{{Text: "Marks as spam what this sender sent in this flood and what has no card yet. It can be undone."}}},
		Fields: []FormField{{Name: "from", Label: "All mails of", Kind: Select, Options: options, Required: true}},
	}}
}

func (h *hub) submitFloodSpam(ctx context.Context, who caller, s formState, v map[string]string) (Answer, error) {
	from := strings.TrimSpace(v["from"])
	if from == "" {
		return Answer{}, ticketing.Refusal{Kind: ticketing.BadInput, Field: "from", Text: "Choose a sender."}
	}
	began := h.Clock()
	h.inBackground(ctx, "mark a sender's flood as spam", who, func(ctx context.Context) (int, error) {
		return h.Desk.SpamCollected(ctx, who.by, s.About, from)
	})
	a := whisper("✓ What " + ticketing.OneLine(from, 120) + " sent is being marked as spam. The digest says how many are left.")
	a.Whisper.Buttons = []Button{{ID: "floodundo", Label: "Undo", Value: fmt.Sprintf("%d %d %s", s.About, began.UnixMicro(), from)}}
	return a, nil
}

func (h *hub) pressFloodUndo(ctx context.Context, who caller, c Click, _ int64) Answer {
	flood, rest, ok := numbered(c.Value)
	began, from, also := numbered(rest)
	if !ok || !also {
		return whisper(broken)
	}
	h.inBackground(ctx, "take a sender's flood back from spam", who, func(ctx context.Context) (int, error) {
		return h.Desk.UndoSpamCollected(ctx, who.by, ticketing.ConversationID(flood), from, time.UnixMicro(began))
	})
	return whisper("What " + ticketing.OneLine(from, 120) + " sent is coming back into the digest.")
}
