package mattermost

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mattermost/mattermost/server/public/model"

	"groupmail/bot"
	"groupmail/bot/people"
	"groupmail/bot/plain"
)

// A message is one attachment, whose text holds nearly everything: it is the one place where links
// and emphasis work in every client, and attachments alone can be changed when the server's time limit
// for editing has passed.
const (
	maxText   = 16000 // runes of an attachment's text; the server takes more, people do not
	maxLine   = 2000  // runes of a line
	maxFooter = 300   // the web app cuts longer ones
	maxNotice = 300
	maxLabel  = 80

	// Server: public/model/integration_action.go; what is said there in bytes is so here.
	maxDialogTitle = model.DialogTitleMaxLength
	maxFieldLabel  = model.DialogElementDisplayNameMaxLength
	maxFieldHelp   = model.DialogElementHelpTextMaxLength
	maxShort       = model.DialogElementTextMaxLength
	maxLong        = model.DialogElementTextareaMaxLength
	maxIntroQuote  = 1500
)

// clippedNote stands below words that are not all of it.
const clippedNote = "_… there is more of it._"

var colours = map[bot.Tone]string{
	bot.Yellow:     "#E5B800",
	bot.Red:        "#D24B4E",
	bot.Green:      "#2E9E5B",
	bot.Blue:       "#2070C0",
	bot.Grey:       "#8A8A8A",
	bot.GreyStruck: "#8A8A8A",
}

// view draws messages with what it needs to know for that.
type view struct {
	zone  *time.Location
	now   time.Time
	names map[string]people.Person // members, by id
}

// attachment draws m without its buttons.
func (v view) attachment(m bot.Message) *model.MessageAttachment {
	a := &model.MessageAttachment{Color: colours[m.Tone], Fallback: v.notice(m)}
	if footer, ok := v.bare(m.Footer); ok && utf8.RuneCountInString(footer) <= maxFooter {
		a.Footer = footer
		m.Footer = nil
	}
	a.Text = v.text(m)
	return a
}

// text is the whole of m in Markdown, links of its buttons included.
func (v view) text(m bot.Message) string {
	var before, after []string
	if s := v.line(m.Status); s != "" {
		before = append(before, s)
	}
	if s := strong(plain.Clip(plain.Line(m.Title), maxLine)); s != "" {
		if m.Tone == bot.GreyStruck {
			s = "~~" + s + "~~"
		}
		before = append(before, s)
	}
	for _, l := range m.Lines {
		before = append(before, v.line(l))
	}
	if s := v.line(m.Footer); s != "" {
		after = append(after, s)
	}
	var links []string
	for _, b := range m.Buttons {
		if b.URL != "" {
			links = append(links, link(plain.Clip(plain.Line(b.Label), maxLabel), b.URL))
		}
	}
	if len(links) > 0 {
		after = append(after, strings.Join(links, " · "))
	}
	head, tail := strings.Join(before, "\n"), strings.Join(after, "\n")
	head = clipLines(head, maxText/2)
	text := paragraphs(head, v.quote(m.Quote, m.Clipped, maxText-runes(head)-runes(tail)), tail)
	if text == "" { // it would show as an empty box
		text = escape(plain.Clip(m.Notice, maxText/4))
	}
	return text
}

// quote is words from outside, cut so that no more than room runes are drawn.
func (v view) quote(text string, clipped bool, room int) string {
	q := quote(text)
	if q == "" {
		return ""
	}
	if runes(q) > room {
		// Escaping makes longer, so that the place to cut is found by trying.
		r := []rune(strings.Trim(text, " \t\n"))
		lo, hi := 0, min(len(r), room)
		for lo < hi {
			mid := (lo + hi + 1) / 2
			if runes(quote(string(r[:mid])+"…")) <= room {
				lo = mid
			} else {
				hi = mid - 1
			}
		}
		q, clipped = quote(strings.TrimSpace(string(r[:lo]))+"…"), true
	}
	if clipped {
		q += "\n\n" + clippedNote
	}
	return q
}

// paragraphs joins what is not empty; a quote needs empty lines around it, or it goes on.
func paragraphs(parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "\n\n")
}

// clipLines keeps whole lines, since a cut within one might leave half of a link or an entity.
func clipLines(text string, n int) string {
	if runes(text) <= n {
		return text
	}
	kept := ""
	for line := range strings.SplitSeq(text, "\n") {
		if runes(kept)+runes(line)+2 > n {
			break
		}
		kept += line + "\n"
	}
	return kept + "…"
}

func runes(s string) int { return utf8.RuneCountInString(s) }

// line draws a line in Markdown.
func (v view) line(l bot.Line) string {
	var b strings.Builder
	for i, s := range l {
		text := plain.Clip(s.Text, maxLine)
		more := i < len(l)-1
		switch {
		case s.URL != "":
			text = around(text, func(t string) string { return link(t, s.URL) })
		case s.Member != "":
			text = escapeSpan(v.member(s), more)
			if handle := v.names[s.Member].Handle; s.Ping && handle != "" {
				text = "@" + handle // the one mention that is meant; the server lets only harmless letters into it
			}
		case !s.Time.IsZero():
			text = v.time(s)
		case s.Code:
			text = around(text, code)
		default:
			more = more && strings.TrimSpace(text[max(0, len(text)-1):]) != ""
			text = around(text, func(t string) string { return escapeSpan(t, more) })
		}
		if s.Strong && !s.Code {
			text = around(text, func(t string) string { return "**" + t + "**" })
		}
		b.WriteString(text)
	}
	return strings.TrimSpace(b.String())
}

// around keeps space at the edges out of what f makes, where Markdown wants none.
func around(text string, f func(string) string) string {
	inner := strings.TrimSpace(text)
	if inner == "" {
		if text == "" {
			return ""
		}
		return " "
	}
	out := f(inner)
	if strings.TrimLeft(text, " \t\n") != text {
		out = " " + out
	}
	if strings.TrimRight(text, " \t\n") != text {
		out += " "
	}
	return out
}

// bare is a line without any markup; ok is false if it needs some.
func (v view) bare(l bot.Line) (text string, ok bool) {
	ok = true
	for _, s := range l {
		ok = ok && s.URL == "" && !s.Strong && !s.Code
	}
	return plain.Line(l.Words(v.member, v.time)), ok
}

func (v view) member(s bot.Span) string {
	if name := v.names[s.Member].Name; name != "" {
		return name
	}
	if s.Text != "" {
		return s.Text
	}
	return "somebody"
}

// time is short for today, with the day otherwise.
func (v view) time(s bot.Span) string {
	t, now := s.Time.In(v.zone), v.now.In(v.zone)
	clock := "15:04"
	if s.Second {
		clock = "15:04:05"
	}
	switch {
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return t.Format(clock)
	case t.Year() == now.Year():
		return t.Format("Mon 2 Jan " + clock)
	default:
		return t.Format("2 Jan 2006 " + clock)
	}
}

// notice is what notifications show.
func (v view) notice(m bot.Message) string {
	s := plain.Line(m.Notice)
	for _, l := range append([]bot.Line{m.Status, {{Text: m.Title}}}, m.Lines...) {
		if s == "" {
			s, _ = v.bare(l)
		}
	}
	if s == "" {
		s = plain.Line(plain.Clip(m.Quote, maxNotice))
	}
	return plain.Clip(s, maxNotice)
}

// pressing is what a button or menu carries: everything that its HMAC covers.
type pressing struct {
	Channel string           `json:"c"`
	About   string           `json:"a"`           // the board's channel
	Key     string           `json:"k,omitempty"` // of the message
	User    string           `json:"u,omitempty"` // the only one who may press; of a whisper
	Items   []pressingChoice `json:"i"`
	Form    *bot.Form        `json:"f,omitempty"` // opened without asking the hub
}

type pressingChoice struct {
	ID      string `json:"b"`
	Label   string `json:"l,omitempty"` // only if it asks first
	Value   string `json:"v,omitempty"`
	Confirm string `json:"q,omitempty"`
}

// actions draws the buttons of m as posted there; user is set in a whisper.
func (p *Platform) actions(m bot.Message, at spot, user string) []*model.PostAction {
	var actions []*model.PostAction
	action := func(id, kind, label string, items []pressingChoice) *model.PostAction {
		return &model.PostAction{
			Id: id, Type: kind, Name: plain.Clip(plain.Line(label), maxLabel),
			Integration: p.integration(pressing{Channel: at.channel, About: at.about, Key: m.Key, User: user, Items: items}),
		}
	}
	choice := func(b bot.Button) pressingChoice {
		c := pressingChoice{ID: b.ID, Value: b.Value, Confirm: b.Confirm}
		if b.Confirm != "" {
			c.Label = b.Label
		}
		return c
	}
	for _, b := range m.Buttons {
		switch {
		case b.URL != "": // drawn as a link in the text
		case len(b.Menu) > 0:
			var items []pressingChoice
			var options []*model.PostActionOptions
			for _, o := range b.Menu {
				items = append(items, choice(o))
				options = append(options, &model.PostActionOptions{Text: plain.Clip(plain.Line(o.Label), maxLabel), Value: o.ID})
			}
			a := action("menu", model.PostActionTypeSelect, b.Label, items)
			a.Options = options
			actions = append(actions, a)
		default:
			a := action(b.ID, model.PostActionTypeButton, b.Label, []pressingChoice{choice(b)})
			if b.Style != bot.Default {
				a.Style = string(b.Style)
			}
			actions = append(actions, a)
		}
	}
	return actions
}

// integration is what the server keeps of a button; it never reaches a client.
func (p *Platform) integration(press pressing) *model.PostActionIntegration {
	body, _ := json.Marshal(press) // nothing in it can fail
	return &model.PostActionIntegration{
		URL:     p.cfg.Callback + Path + "actions",
		Context: map[string]any{"d": string(body), "m": p.mac("button", string(body))},
	}
}

// dialog draws a form, without its address and state.
func (v view) dialog(f bot.Form) model.Dialog {
	var intro []string
	for _, l := range f.Intro {
		intro = append(intro, v.line(l))
	}
	d := model.Dialog{
		CallbackId:       "form",
		Title:            plain.ClipBytes(plain.Line(f.Title), maxDialogTitle),
		IntroductionText: paragraphs(strings.Join(intro, "\n"), v.quote(plain.Clip(f.Quote, maxIntroQuote), runes(f.Quote) > maxIntroQuote, maxText)),
		SubmitLabel:      plain.Clip(plain.Line(f.Submit), maxLabel),
	}
	if d.Title == "" {
		d.Title = "GroupMail"
	}
	for _, field := range f.Fields {
		d.Elements = append(d.Elements, element(field))
	}
	return d
}

func element(f bot.FormField) model.DialogElement {
	e := model.DialogElement{
		Name: f.Name, DisplayName: plain.ClipBytes(plain.Line(f.Label), maxFieldLabel),
		HelpText: plain.ClipBytes(plain.Line(f.Help), maxFieldHelp), Optional: !f.Required,
		Default: plain.Text(f.Value),
	}
	if e.DisplayName == "" {
		e.DisplayName = f.Name
	}
	switch f.Kind {
	case bot.Long:
		// The server counts bytes, but only to complain in its log; people count characters, and
		// what they typed is not to be lost.
		e.Type, e.MaxLength = "textarea", limit(f.Max, maxLong)
		e.Default = plain.Clip(e.Default, e.MaxLength)
	case bot.Select:
		e.Type = "select"
		found := false
		for _, o := range f.Options {
			e.Options = append(e.Options, &model.PostActionOptions{Text: plain.Clip(plain.Line(o.Label), maxLabel), Value: o.Value})
			found = found || o.Value == f.Value
		}
		e.Default = f.Value
		if !found {
			e.Default = ""
		}
	case bot.Check:
		e.Type, e.Placeholder = "bool", plain.ClipBytes(plain.Line(f.Label), model.DialogElementBoolMaxLength)
		e.Default = "false"
		if f.Value == "true" {
			e.Default = "true"
		}
	default:
		e.Type, e.Default = "text", plain.Line(f.Value)
		e.MaxLength = limit(f.Max, maxLong)
		if len(e.Default) > maxShort { // the server has no text field for so much
			e.Type = "textarea"
		}
		e.Default = plain.ClipBytes(plain.Clip(e.Default, e.MaxLength), maxLong)
	}
	return e
}

func limit(want, most int) int {
	if want <= 0 {
		return most
	}
	return min(want, most)
}
