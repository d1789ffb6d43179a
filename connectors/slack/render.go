package slack

import (
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"groupmail/bot"
	"groupmail/bot/plain"
)

// Slack's limits, in characters. https://docs.slack.dev/reference/block-kit/blocks
const (
	maxSection     = 3000
	maxHeader      = 150
	maxContext     = 2000
	maxButton      = 75
	maxOptions     = 100
	maxOverflow    = 5
	maxOption      = 75
	maxOptionValue = 150
	maxPrivate     = 3000
	maxConfirm     = 300
	maxConfirmWord = 30
	maxViewTitle   = 24
	maxInput       = 3000
	maxLabel       = 2000
	maxPlaceholder = 150
	maxViewBlocks  = 100
	// maxChoices is how many bytes the options of a select may take: of the 250 kB that a view may have.
	// https://docs.slack.dev/reference/methods/views.open#errors
	maxChoices = 200_000

	// maxNotice is below what chat.update takes: 4000.
	maxNotice = 3000
	// maxQuotes is how many sections of words from outside a message shows.
	maxQuotes = 4
	// maxLine is how long a part of a line of ours may be, maxRich all lines together.
	maxLine = 2000
	maxRich = 4000
	maxLink = 3000

	// What a message's blocks may hold together: characters, and characters when each block counts for
	// a hundred. https://github.com/slackapi/bolt-js/issues/2509
	maxText  = 12_000
	maxCost  = 13_200
	perBlock = 100
)

// clippedNote stands below words that are not all of it.
const clippedNote = "… there is more of it."

// marks are the colours at the side of a message, which Slack's blocks do not have. The words beside
// them say the same.
var marks = map[bot.Tone]string{
	bot.Yellow: "🟡", bot.Red: "🔴", bot.Green: "🟢", bot.Blue: "🔵", bot.Grey: "⚪", bot.GreyStruck: "⚫",
}

// painter draws messages with what it needs to know for that.
type painter struct {
	zone  *time.Location
	now   time.Time
	names map[string]string // of members, by id
}

// message draws m as a message of its own. Words from outside get the room that the rest leaves.
func (v painter) message(m bot.Message, at place) []slack.Block {
	if m.Quote == "" {
		return v.blocks(m, at, 0)
	}
	bare := m
	bare.Quote, bare.Clipped = "", true
	others := v.blocks(bare, at, 0)
	used := size(others)
	room := min(maxText-used, maxCost-used-perBlock*(len(others)+maxQuotes))
	m.Quote, m.Clipped = clipEscaped(m.Quote, room, m.Clipped)
	return v.blocks(m, at, 0)
}

// size is how many characters Slack counts in blocks: all their words, escaped.
func size(blocks []slack.Block) int {
	raw, _ := json.Marshal(blocks) // made here: cannot fail
	var all any
	_ = json.Unmarshal(raw, &all)
	return sizeOf(all)
}

func sizeOf(v any) (n int) {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			n += sizeOf(one)
		}
	case map[string]any:
		for key, one := range v {
			if words, ok := one.(string); ok && key == "text" {
				n += utf8.RuneCountInString(escape(html.UnescapeString(words)))
			} else {
				n += sizeOf(one)
			}
		}
	}
	return n
}

// clipEscaped leaves of words what is at most n characters when escaped.
func clipEscaped(words string, n int, clipped bool) (string, bool) {
	for i, r := range words {
		if n -= utf8.RuneCountInString(escape(string(r))); n < 0 {
			return words[:i], true
		}
	}
	return words, clipped
}

// blocks draws m as it stands in a place. n makes the parts of several messages in one view unique.
func (v painter) blocks(m bot.Message, at place, n int) []slack.Block {
	var all []slack.Block
	var head []bot.Line
	if status := v.marked(m); len(status) > 0 {
		head = append(head, status)
	}
	if title := plain.Line(m.Title); title != "" {
		all = append(all, v.rich(head)...)
		head = nil
		all = append(all, slack.NewHeaderBlock(text(title, maxHeader)))
	}
	all = append(all, v.rich(append(head, m.Lines...))...)
	all = append(all, quote(m.Quote, m.Clipped)...)
	all = append(all, v.footer(m.Footer)...)
	if len(all) == 0 {
		all = words(firstOf(v.notice(m), nothing))
	}
	return append(all, actions(m, at, n)...)
}

// nothing stands for words that are none: Slack takes no empty ones.
const nothing = "–"

// marked is the status with its colour in front. The bot's own mark goes: one is enough.
func (v painter) marked(m bot.Message) bot.Line {
	mark := marks[m.Tone]
	if mark == "" || len(m.Status) == 0 {
		return m.Status
	}
	first := m.Status[0]
	first.Text = strings.TrimLeft(first.Text, "●▲◆◇✓⊘ ")
	return append(bot.Line{{Text: mark + " "}, first}, m.Status[1:]...)
}

// rich draws lines of ours. Nothing in them is parsed.
func (v painter) rich(lines []bot.Line) []slack.Block {
	var elements []slack.RichTextSectionElement
	room := maxRich
	for _, l := range lines {
		var line []slack.RichTextSectionElement
		for _, s := range l {
			if e := v.span(s); e != nil {
				line = append(line, e)
				room -= 1 + utf8.RuneCountInString(escape(s.Text))
			}
		}
		if len(line) == 0 {
			continue
		}
		if len(elements) > 0 {
			elements = append(elements, slack.NewRichTextSectionTextElement("\n", nil))
		}
		if room < 0 {
			elements = append(elements, slack.NewRichTextSectionTextElement(clippedNote, nil))
			break
		}
		elements = append(elements, line...)
	}
	if len(elements) == 0 {
		return nil
	}
	return []slack.Block{slack.NewRichTextBlock("", slack.NewRichTextSection(elements...))}
}

func (v painter) span(s bot.Span) slack.RichTextSectionElement {
	var style *slack.RichTextSectionTextStyle
	if s.Strong || s.Code {
		style = &slack.RichTextSectionTextStyle{Bold: s.Strong && !s.Code, Code: s.Code}
	}
	words := plain.Clip(strings.ReplaceAll(plain.Text(s.Text), "\n", " "), maxLine)
	switch {
	case linked(s.URL) && words != "":
		return slack.NewRichTextSectionLinkElement(s.URL, words, style)
	case s.Member != "" && s.Ping:
		return slack.NewRichTextSectionUserElement(s.Member, style)
	case s.Member != "":
		words = v.member(s)
	case !s.Time.IsZero():
		fallback := v.time(s)
		return slack.NewRichTextSectionDateElement(s.Time.Unix(), dateFormat(s), nil, &fallback)
	}
	if words == "" {
		return nil
	}
	return slack.NewRichTextSectionTextElement(words, style)
}

// linked tells whether Slack takes an address as that of a link.
func linked(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && utf8.RuneCountInString(address) <= maxLink
}

// dateFormat is how Slack shows a time, in the reader's zone.
func dateFormat(s bot.Span) string {
	if s.Second {
		return "{time_secs}"
	}
	return "{date_short_pretty} {time}"
}

// time is what is shown where Slack cannot do it.
func (v painter) time(s bot.Span) string {
	t, now := s.Time.In(v.zone), v.now.In(v.zone)
	clock := "15:04"
	if s.Second {
		clock = "15:04:05"
	}
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format(clock)
	}
	return t.Format("2 Jan 2006 " + clock)
}

func (v painter) member(s bot.Span) string {
	for _, name := range []string{v.names[s.Member], plain.Line(s.Text)} {
		if name != "" {
			return name
		}
	}
	return "somebody"
}

// bare is a line without any markup; ok is false if it needs some.
func (v painter) bare(l bot.Line) (words string, ok bool) {
	ok = true
	for _, s := range l {
		ok = ok && s.URL == "" && s.Time.IsZero() && !s.Code
	}
	return plain.Line(l.Words(v.member, v.time)), ok
}

func (v painter) footer(l bot.Line) []slack.Block {
	words, ok := v.bare(l)
	switch {
	case words == "":
		return nil
	case ok:
		return []slack.Block{slack.NewContextBlock("", text(words, maxContext))}
	}
	return v.rich([]bot.Line{l})
}

// quote is words from outside, in sections of what Slack takes.
func quote(words string, clipped bool) []slack.Block {
	var all []slack.Block
	rest := strings.TrimSpace(plain.Text(words))
	for rest != "" && len(all) < maxQuotes {
		var part string
		part, rest = cut(rest, maxSection)
		all = append(all, slack.NewSectionBlock(text(part, maxSection), nil, nil))
	}
	if clipped || rest != "" {
		all = append(all, slack.NewContextBlock("", text(clippedNote, maxContext)))
	}
	return all
}

// cut cuts off at most n characters, as they are escaped, between lines or words if it can.
func cut(words string, n int) (part, rest string) {
	fits, clipped := clipEscaped(words, n, false)
	if !clipped {
		return words, ""
	}
	end := len(fits)
	for _, sep := range []string{"\n", " "} {
		if i := strings.LastIndex(words[:end], sep); i > end/2 {
			end = i
			break
		}
	}
	return strings.TrimRight(words[:end], " \n"), strings.TrimLeft(words[end:], "\n")
}

// text is words that Slack shows as they are, at most n characters of them: no markup, no emoji by
// name. Slack keeps & < > escaped in such words, too.
func text(words string, n int) *slack.TextBlockObject {
	if words = plain.Clip(words, n); strings.TrimSpace(words) == "" {
		words = nothing
	}
	for utf8.RuneCountInString(escape(words)) > n {
		words = plain.Clip(words, utf8.RuneCountInString(words)-1-(utf8.RuneCountInString(escape(words))-n)/4)
	}
	return slack.NewTextBlockObject(slack.PlainTextType, escape(words), false, false)
}

// notice is what notifications show and screen readers read: of a card who, what and how it stands;
// of a line in a thread what was said.
func (v painter) notice(m bot.Message) string {
	words := plain.Line(m.Notice)
	for _, l := range append([]bot.Line{m.Status, {{Text: m.Title}}}, m.Lines...) {
		if words == "" {
			words, _ = v.bare(l)
		}
	}
	if m.Root != "" || words == "" {
		words = strings.TrimSpace(words + "\n" + strings.TrimSpace(plain.Text(m.Quote)))
	}
	if short, clipped := clipEscaped(words, maxNotice-1, false); clipped {
		words = strings.TrimSpace(short) + "…"
	}
	return words
}

// escape keeps Slack from reading anything into a message's text.
// https://docs.slack.dev/messaging/formatting-message-text/#escaping
func escape(words string) string { return escaper.Replace(words) }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// pressing is what the block of a message's buttons is called: Slack hands it back with each press.
type pressing struct {
	Key   string `json:"k,omitempty"` // of the message
	About string `json:"c,omitempty"` // the channel that the buttons are about, if the message stands elsewhere
	N     int    `json:"n,omitempty"` // of several messages in a view
	// Opens are the buttons that a form is the answer to.
	Opens []string `json:"o,omitempty"`
	// Ask are the questions of menu items that ask first, by button.
	Ask map[string]string `json:"q,omitempty"`
}

const maxBlockID = 255

func (p pressing) blockID() string {
	b, _ := json.Marshal(p) // strings and a number: cannot fail
	switch {
	case len(b) <= maxBlockID:
	case p.Ask != nil:
		p.Ask = nil // they are asked in general words then
		return p.blockID()
	case p.Opens != nil:
		p.Opens = nil // their forms must come in time then
		return p.blockID()
	}
	return string(b)
}

// readPressing reads a block's id back; ours is false if it is another's.
func readPressing(blockID string) (p pressing, ours bool) {
	ours = json.Unmarshal([]byte(blockID), &p) == nil
	return p, ours
}

// actionID is a button's, unique in a view of several messages.
func actionID(id string, n int) string {
	if n == 0 {
		return id
	}
	return fmt.Sprintf("%s.%d", id, n)
}

const (
	menuID = "menu"
	linkID = "link" // of buttons that open an address
)

// actions draws the buttons of m as it stands in a place.
func actions(m bot.Message, at place, n int) []slack.Block {
	mark := pressing{Key: m.Key, N: n}
	var elements []slack.BlockElement
	for i, b := range spread(m.Buttons) {
		if len(b.Menu) > 0 {
			for _, o := range b.Menu {
				if o.Confirm != "" {
					if mark.Ask == nil {
						mark.Ask = map[string]string{}
					}
					mark.Ask[o.ID] = o.Confirm
				}
			}
			elements = append(elements, menu(b, n))
			continue
		}
		id := b.ID
		if b.URL != "" {
			id = fmt.Sprintf("%s.%d", linkID, i)
		}
		e := slack.NewButtonBlockElement(actionID(id, n), b.Value, text(plain.Line(b.Label), maxButton))
		e.URL = b.URL
		if title := plain.Line(m.Title); title != "" {
			e.AccessibilityLabel = plain.Clip(plain.Line(b.Label)+": "+title, maxButton)
		}
		if b.Style != bot.Default {
			e.Style = slack.Style(b.Style)
		}
		if b.Confirm != "" {
			e.Confirm = confirm(b)
		}
		if b.Opens {
			mark.Opens = append(mark.Opens, b.ID)
		}
		elements = append(elements, e)
	}
	if len(elements) == 0 {
		return nil
	}
	if at.about != at.channel {
		mark.About = at.about
	}
	return []slack.Block{slack.NewActionBlock(mark.blockID(), elements...)}
}

// spread are the buttons as they stand: an item of a menu is a button of its own if it is the only one, or
// if its value is longer than that of an option may be.
func spread(buttons []bot.Button) (all []bot.Button) {
	for _, b := range buttons {
		items := b.Menu[:0:0]
		for _, o := range b.Menu {
			if utf8.RuneCountInString(itemValue(o)) > maxOptionValue {
				all = append(all, o)
			} else {
				items = append(items, o)
			}
		}
		switch {
		case len(b.Menu) == 0:
			all = append(all, b)
		case len(items) == 1:
			all = append(all, items[0])
		case len(items) > 1:
			b.Menu = items
			all = append(all, b)
		}
	}
	return all
}

func confirm(b bot.Button) *slack.ConfirmationBlockObject {
	label := plain.Line(b.Label)
	c := slack.NewConfirmationBlockObject(text(label, maxConfirmWord), text(plain.Line(b.Confirm), maxConfirm), text(label, maxConfirmWord), text("Cancel", maxConfirmWord))
	if b.Style == bot.Danger {
		c.Style = slack.StyleDanger
	}
	return c
}

// menu draws what a button opens. Items that ask first do so in a modal: a menu can ask only for all.
func menu(b bot.Button, n int) slack.BlockElement {
	var options []*slack.OptionBlockObject
	for _, o := range b.Menu {
		options = append(options, slack.NewOptionBlockObject(itemValue(o), text(plain.Line(o.Label), maxOption), nil))
	}
	if len(options) <= maxOverflow {
		return slack.NewOverflowBlockElement(actionID(menuID, n), options...)
	}
	return slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, text(plain.Line(b.Label), maxPlaceholder), actionID(menuID, n), options...)
}

// itemValue is what comes back when the item of a menu is chosen.
func itemValue(b bot.Button) string { return b.ID + " " + flags(b) + " " + b.Value }

// flags say of an item in a menu what a button says of itself: "o" it opens a form, "c" it asks first.
func flags(b bot.Button) string {
	f := "-"
	if b.Opens {
		f += "o"
	}
	if b.Confirm != "" {
		f += "c"
	}
	return f
}

// valueID is the action of the one element of an input block, whose block is called by the field's name.
const valueID = "value"

// modal draws a form that keeps k unseen.
func (v painter) modal(f bot.Form, k keeping) slack.ModalViewRequest {
	blocks := v.rich(f.Intro)
	blocks = append(blocks, quote(plain.Clip(f.Quote, maxSection), false)...)
	for _, field := range f.Fields {
		blocks = append(blocks, input(field, &k))
	}
	if len(blocks) >= maxViewBlocks { // one is for what is wrong with what was filled in
		blocks = blocks[:maxViewBlocks-1]
	}
	if len(blocks) == 0 {
		blocks = words(nothing)
	}
	submit := firstOf(plain.Line(f.Submit), "OK")
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: callbackForm, PrivateMetadata: k.String(),
		Title: text(viewTitle(f.Title), maxViewTitle), Submit: text(submit, maxViewTitle), Close: text("Cancel", maxViewTitle), Blocks: slack.Blocks{BlockSet: blocks},
	}
}

func viewTitle(title string) string {
	if title = plain.Clip(plain.Line(title), maxViewTitle); title == "" {
		return "GroupMail"
	}
	return title
}

// note is a modal that only says something.
func note(title string, blocks []slack.Block) slack.ModalViewRequest {
	if len(blocks) > maxViewBlocks {
		blocks = blocks[:maxViewBlocks]
	}
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: callbackNote, Title: text(viewTitle(title), maxViewTitle), Close: text("Close", maxViewTitle), Blocks: slack.Blocks{BlockSet: blocks},
	}
}

// words are a paragraph of ours alone.
func words(paragraph string) []slack.Block {
	return []slack.Block{slack.NewSectionBlock(text(paragraph, maxSection), nil, nil)}
}

func input(f bot.FormField, k *keeping) slack.Block {
	label, help := firstOf(plain.Line(f.Label), f.Name), plain.Line(f.Help)
	var element slack.BlockElement
	switch f.Kind {
	case bot.Select:
		options, left := k.choices(f.Options)
		if len(options) == 0 { // Slack takes no empty list
			return slack.NewSectionBlock(text(label+": there is nothing to choose from.", maxSection), nil, nil)
		}
		if left > 0 {
			help = strings.TrimSpace(fmt.Sprintf("%d more cannot be chosen here. %s", left, help))
		}
		element = k.choice(options, f.Value)
	case bot.Check:
		option := slack.NewOptionBlockObject("true", text(label, maxOption), nil)
		boxes := slack.NewCheckboxGroupsBlockElement(valueID, option)
		if f.Value == "true" {
			boxes.InitialOptions = []*slack.OptionBlockObject{option}
		}
		element = boxes
	default:
		field := slack.NewPlainTextInputBlockElement(nil, valueID)
		field.Multiline = f.Kind == bot.Long
		field.MaxLength = maxInput
		if f.Max > 0 {
			field.MaxLength = min(f.Max, maxInput)
		}
		value := plain.Text(f.Value)
		if !field.Multiline {
			value = plain.Line(value)
		}
		field.InitialValue = plain.Clip(value, field.MaxLength)
		element = field
	}
	var hint *slack.TextBlockObject
	if help != "" {
		hint = text(help, maxLabel)
	}
	block := slack.NewInputBlock(f.Name, text(label, maxLabel), hint, element)
	block.Optional = !f.Required
	return block
}

// What stands before each option's value: Slack may refuse an empty one.
const (
	valueMark = "="
	longMark  = "#" // it is the number of one in keeping
)

// choices are the options of a select, each value once; left is how many there is no room for. Values that
// are too long for an option are kept with the form.
func (k *keeping) choices(all []bot.Option) (options []*slack.OptionBlockObject, left int) {
	seen, room := map[string]bool{}, maxChoices
	for _, o := range all {
		if seen[o.Value] {
			continue
		}
		seen[o.Value] = true
		if room <= 0 {
			left++
			continue
		}
		value := valueMark + o.Value
		if utf8.RuneCountInString(value) > maxOptionValue {
			more := *k
			more.Long = append(slices.Clip(k.Long), o.Value)
			if utf8.RuneCountInString(more.String()) > maxPrivate {
				left++
				continue
			}
			value, *k = fmt.Sprintf("%s%d", longMark, len(k.Long)), more
		}
		option := slack.NewOptionBlockObject(value, text(plain.Line(o.Label), maxOption), nil)
		options = append(options, option)
		raw, _ := json.Marshal(option) // made here: cannot fail
		room -= len(raw)
	}
	return options, left
}

// value is that of an option which was chosen.
func (k *keeping) value(option string) string {
	if n, ok := strings.CutPrefix(option, longMark); ok {
		if i, err := strconv.Atoi(n); err == nil && i >= 0 && i < len(k.Long) {
			return k.Long[i]
		}
	}
	return strings.TrimPrefix(option, valueMark)
}

// choice is one of these.
func (k *keeping) choice(options []*slack.OptionBlockObject, value string) slack.BlockElement {
	var initial *slack.OptionBlockObject
	for _, o := range options {
		if k.value(o.Value) == value {
			initial = o
		}
	}
	element := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, text("Choose", maxPlaceholder), valueID)
	element.InitialOption = initial
	if len(options) <= maxOptions {
		element.Options = options
		return element
	}
	for group := range slices.Chunk(options, maxOptions) {
		label := html.UnescapeString(group[0].Text.Text) + " …"
		element.OptionGroups = append(element.OptionGroups, slack.NewOptionGroupBlockElement(text(label, maxOption), group...))
	}
	return element
}
