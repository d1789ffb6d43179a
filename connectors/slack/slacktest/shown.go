package slacktest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Line is one part of what a message or a view shows: a paragraph, a heading, a field.
type Line struct {
	// Block is the block's type and place in it: section, field, header, context, divider, image, label, hint,
	// rich_text, list, quote, preformatted, markdown, cell; text, where there are no blocks; attachment.
	Block   string
	BlockID string
	Spans   []Span
}

// Text is what the line shows, without its looks.
func (l Line) Text() string { return strings.TrimRight(plainOf(l.Spans), "\n") }

// shownBlocks is what blocks show, controls apart.
func (w *workspace) shownBlocks(blocks []any) []Line {
	var lines []Line
	for _, v := range blocks {
		b, _ := v.(object)
		id := textOf(b["block_id"])
		add := func(block string, spans []Span) {
			lines = append(lines, Line{block, id, spans})
		}
		elements, _ := b["elements"].([]any)
		switch kind := textOf(b["type"]); kind {
		case "section":
			if b["text"] != nil {
				add(kind, w.textObject(b["text"]))
			}
			cells, _ := b["fields"].([]any)
			for _, f := range cells {
				add("field", w.textObject(f))
			}
			if image, _ := b["accessory"].(object); image["type"] == "image" {
				add("image", []Span{{Text: textOf(image["alt_text"])}})
			}
		case "header":
			add(kind, w.textObject(b["text"]))
		case "divider":
			add(kind, nil)
		case "image":
			if b["title"] != nil {
				add("image", w.textObject(b["title"]))
			}
			add(kind, []Span{{Text: textOf(b["alt_text"])}})
		case "context":
			for _, e := range elements {
				o, _ := e.(object)
				if o["type"] == "image" {
					add("image", []Span{{Text: textOf(o["alt_text"])}})
				} else {
					add(kind, w.textObject(e))
				}
			}
		case "input":
			add("label", w.textObject(b["label"]))
			if b["hint"] != nil {
				add("hint", w.textObject(b["hint"]))
			}
		case "markdown":
			add(kind, w.markdown(textOf(b["text"])))
		case "rich_text":
			for _, e := range elements {
				lines = append(lines, w.rich(id, e)...)
			}
		case "table":
			rows, _ := b["rows"].([]any)
			for _, r := range rows {
				cells, _ := r.([]any)
				for _, c := range cells {
					o, _ := c.(object)
					if o["type"] == "rich_text" {
						lines = append(lines, w.shownBlocks([]any{o})...)
					} else {
						add("cell", []Span{{Text: textOf(o["text"])}})
					}
				}
			}
		}
	}
	return lines
}

// textObject is what a text object shows.
func (w *workspace) textObject(v any) []Span {
	o, _ := v.(object)
	if o["type"] == "mrkdwn" {
		return w.mrkdwn(textOf(o["text"]), o["verbatim"] == true)
	}
	return plainSpans(textOf(o["text"]), o["emoji"] != false)
}

func (w *workspace) shownAttachment(v any) []Span {
	o, _ := v.(object)
	var spans []Span
	for _, key := range []string{"pretext", "title", "text", "footer"} {
		if text := textOf(o[key]); text != "" {
			spans = append(append(spans, w.mrkdwn(text, false)...), Span{Kind: "break"})
		}
	}
	if blocks, ok := o["blocks"].([]any); ok {
		for _, line := range w.shownBlocks(blocks) {
			spans = append(append(spans, line.Spans...), Span{Kind: "break"})
		}
	}
	return spans
}

// rich is what an element of rich text shows.
func (w *workspace) rich(id string, v any) []Line {
	o, _ := v.(object)
	elements, _ := o["elements"].([]any)
	switch o["type"] {
	case "rich_text_list":
		var lines []Line
		for i, item := range elements {
			bullet := "• "
			if o["style"] == "ordered" {
				bullet = fmt.Sprintf("%d. ", i+1+intOf(o["offset"], 0))
			}
			section, _ := item.(object)
			inside, _ := section["elements"].([]any)
			lines = append(lines, Line{"list", id, append([]Span{{Text: bullet}}, w.richInline(inside)...)})
		}
		return lines
	case "rich_text_quote":
		return []Line{{"quote", id, w.richInline(elements)}}
	case "rich_text_preformatted":
		return []Line{{"preformatted", id, w.richInline(elements)}}
	}
	return []Line{{"rich_text", id, w.richInline(elements)}}
}

func (w *workspace) richInline(elements []any) []Span {
	var spans []Span
	for _, v := range elements {
		o, _ := v.(object)
		var s Span
		switch o["type"] {
		case "text":
			s = Span{Text: textOf(o["text"])}
		case "link":
			s = Span{Text: or(textOf(o["text"]), textOf(o["url"])), Kind: "link", URL: textOf(o["url"])}
		case "user":
			s = (&reading{w: w}).bracket("@" + textOf(o["user_id"]))[0]
		case "channel":
			s = (&reading{w: w}).bracket("#" + textOf(o["channel_id"]))[0]
		case "broadcast":
			s = Span{Text: "@" + textOf(o["range"]), Kind: "broadcast"}
		case "usergroup":
			s = Span{Text: "@group", Kind: "broadcast"}
		case "emoji":
			s = Span{Text: ":" + textOf(o["name"]) + ":", Kind: "emoji"}
		case "date":
			n, _ := o["timestamp"].(json.Number)
			seconds, _ := n.Int64()
			s = Span{Text: w.formatDate(time.Unix(seconds, 0).UTC(), textOf(o["format"])), Kind: "date"}
		case "color":
			s = Span{Text: textOf(o["value"])}
		}
		style, _ := o["style"].(object)
		for _, look := range []string{"code", "strike", "italic", "bold"} {
			if style[look] == true {
				s = Span{Kind: look, Of: []Span{s}}
			}
		}
		spans = append(spans, s)
	}
	return spans
}

// shown is everything that a message shows to people: its blocks, or else its text, and its attachments.
func (w *workspace) shown(m *message) []Line {
	var lines []Line
	if len(m.blocks) != 0 {
		lines = w.shownBlocks(m.blocks)
	} else if m.text != "" {
		lines = append(lines, Line{Block: "text", Spans: w.textOf(m)})
	}
	for _, v := range m.attachments {
		lines = append(lines, Line{Block: "attachment", Spans: w.shownAttachment(v)})
	}
	return lines
}

// textOf is what a message's text shows where there are no blocks.
func (w *workspace) textOf(m *message) []Span {
	return (&reading{w: w, mrkdwn: !m.literal}).lines(m.text)
}

func textOfLines(lines []Line) string {
	var parts []string
	for _, l := range lines {
		if l.Block != "divider" {
			parts = append(parts, l.Text())
		}
	}
	return strings.Join(parts, "\n")
}

// markupOf names everything that is shown as more than text: "bold: From", "link: press here
// (https://…)", "mention: @Ann Arbor".
func markupOf(lines []Line) []string {
	var all []string
	var each func([]Span)
	each = func(spans []Span) {
		for _, s := range spans {
			switch {
			case s.Kind == "" || s.Kind == "break":
			case s.Kind == "link" && s.URL != s.Text:
				all = append(all, fmt.Sprintf("link: %s (%s)", or(s.Text, plainOf(s.Of)), s.URL))
			case s.Of != nil:
				all = append(all, s.Kind+": "+plainOf(s.Of))
			default:
				all = append(all, s.Kind+": "+s.Text)
			}
			each(s.Of)
		}
	}
	for _, l := range lines {
		each(l.Spans)
	}
	return all
}

// Control is something that people can use: a button, a menu, an input.
type Control struct {
	Block, Action string // block_id, action_id
	Type          string
	Label         string // of a button; the placeholder of a menu; the label of an input
	Value         string // of a button; what is chosen or typed; several, one a line
	URL, Style    string
	Confirm       string // the text of the question that is asked first
	Options       []Option
	Input         bool // it stands in an input block
	Optional      bool
	Multiline     bool
	Hint, Error   string
}

// Option is one of a menu's.
type Option struct{ Label, Value, Group, URL string }

func (w *workspace) controls(blocks []any, state map[string]map[string]object, errors map[string]string) []Control {
	var all []Control
	for _, c := range interactive(blocks) {
		e := c.element
		o := Control{Block: c.block, Action: c.action, Type: textOf(e["type"]), Style: textOf(e["style"]), URL: textOf(e["url"]), Value: textOf(e["value"]), Multiline: e["multiline"] == true}
		label := e["text"]
		if label == nil {
			label = e["placeholder"]
		}
		if c.input != nil {
			o.Input, o.Optional, label = true, c.input["optional"] == true, c.input["label"]
			o.Hint, o.Error = plainOf(w.textObject(c.input["hint"])), errors[c.block]
		}
		o.Label = plainOf(w.textObject(label))
		if confirm, ok := e["confirm"].(object); ok {
			o.Confirm = plainOf(w.textObject(confirm["text"]))
		}
		for _, one := range optionsOf(e) {
			o.Options = append(o.Options, Option{plainOf(w.textObject(one.option["text"])), textOf(one.option["value"]), one.group, textOf(one.option["url"])})
		}
		if value := state[c.block][c.action]; value != nil {
			o.Value = valueOf(value)
		}
		all = append(all, o)
	}
	return all
}

type groupedOption struct {
	option object
	group  string
}

func optionsOf(e object) []groupedOption {
	var all []groupedOption
	gather := func(v any, group string) {
		list, _ := v.([]any)
		for _, o := range list {
			if option, ok := o.(object); ok {
				all = append(all, groupedOption{option, group})
			}
		}
	}
	gather(e["options"], "")
	groups, _ := e["option_groups"].([]any)
	for _, g := range groups {
		o, _ := g.(object)
		label, _ := o["label"].(object)
		gather(o["options"], textOf(label["text"]))
	}
	return all
}

// valueOf is a state's value as text: options by their value, several one a line.
func valueOf(state object) string {
	for key, v := range state {
		if key == "type" {
			continue
		}
		switch v := v.(type) {
		case string:
			return v
		case json.Number:
			return v.String()
		case object:
			return textOf(v["value"])
		case []any:
			var values []string
			for _, one := range v {
				if o, ok := one.(object); ok {
					values = append(values, textOf(o["value"]))
				} else {
					values = append(values, textOf(one))
				}
			}
			return strings.Join(values, "\n")
		}
	}
	return ""
}

// markdown is what a markdown block shows: enough of it to see what is no longer text.
func (w *workspace) markdown(text string) []Span {
	var spans []Span
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			spans = appendText(spans, "\n")
		}
		trimmed := strings.TrimLeft(line, "#")
		if level := len(line) - len(trimmed); level > 0 && level < 7 && strings.HasPrefix(trimmed, " ") {
			spans = append(spans, Span{Kind: "bold", Of: []Span{{Text: strings.TrimSpace(trimmed)}}})
			continue
		}
		spans = append(spans, w.markdownLine(line)...)
	}
	return merge(spans)
}

func (w *workspace) markdownLine(line string) []Span {
	var spans []Span
	from := 0
	for i := 0; i < len(line); i++ {
		rest := line[i:]
		switch {
		case line[i] == '\\' && i+1 < len(line) && strings.IndexByte("\\`*_{}[]()#+-.!|~<>&", line[i+1]) >= 0:
			spans = appendText(spans, line[from:i]+line[i+1:i+2])
			i++
			from = i + 1
			continue
		case line[i] == '<':
			end := strings.IndexByte(rest, '>')
			if end > 0 && slices.Contains([]byte("@#!h"), rest[1]) {
				spans = append(appendText(spans, line[from:i]), (&reading{w: w}).bracket(rest[1:end])...)
				from, i = i+end+1, i+end
			}
			continue
		case line[i] == '[':
			label, after, ok := strings.Cut(rest[1:], "](")
			url, _, closed := strings.Cut(after, ")")
			if ok && closed && !strings.ContainsAny(label, "[]") {
				spans = append(appendText(spans, line[from:i]), Span{Text: label, Kind: "link", URL: url})
				i += len(label) + len(url) + 3
				from = i + 1
			}
			continue
		}
		for _, m := range []struct{ mark, kind string }{{"**", "bold"}, {"__", "bold"}, {"~~", "strike"}, {"`", "code"}, {"*", "italic"}, {"_", "italic"}} {
			if !strings.HasPrefix(rest, m.mark) {
				continue
			}
			inside, _, ok := strings.Cut(rest[len(m.mark):], m.mark)
			if !ok || strings.TrimSpace(inside) != inside || inside == "" || m.mark[0] == '_' && i > 0 && isWordByte(line[i-1]) {
				break
			}
			of := []Span{{Text: inside}}
			if m.kind != "code" {
				of = w.markdownLine(inside)
			}
			spans = append(appendText(spans, line[from:i]), Span{Kind: m.kind, Of: of})
			i += len(inside) + 2*len(m.mark) - 1
			from = i + 1
			break
		}
	}
	return appendText(spans, line[from:])
}
