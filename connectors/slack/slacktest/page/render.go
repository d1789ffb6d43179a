package page

import (
	"fmt"
	"hash/fnv"
	"html/template"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"groupmail/connectors/slack/slacktest"
)

// message is a message and its blocks in the order in which they are shown.
type message struct {
	slacktest.Message
	At        time.Time
	Mine      bool
	Parts     []part
	Boxes     []box // attachments
	InThread  bool
	Shortcuts map[string]string
}

// part is a block: what it shows and what can be done in it.
type part struct {
	Kind     string
	Lines    []slacktest.Line
	Fields   []slacktest.Line
	Controls []slacktest.Control
	Image    string
}

// box is an attachment: parts beside a bar of a colour.
type box struct {
	Colour string
	Parts  []part
}

// viewed is a modal or an App Home.
type viewed struct {
	slacktest.View
	Parts []part
}

func (h *site) messages(all []slacktest.Message, thread string) []message {
	var out []message
	for _, m := range all {
		seconds, _, _ := strings.Cut(m.ID, ".")
		at, _ := strconv.ParseInt(seconds, 10, 64)
		v := message{Message: m, At: time.Unix(at, 0), InThread: thread != "", Shortcuts: h.slack.Shortcuts()}
		if len(m.Blocks) != 0 {
			lines, controls := h.slack.Shown(m.Blocks)
			v.Parts = parts(m.Blocks, lines, controls)
		} else {
			for _, l := range m.Lines {
				if l.Block == "text" {
					v.Parts = append(v.Parts, part{Kind: "text", Lines: []slacktest.Line{l}})
				}
			}
		}
		for i, a := range m.Attachments {
			o, _ := a.(map[string]any)
			b := box{Colour: colour(o["color"])}
			if blocks, ok := o["blocks"].([]any); ok {
				lines, controls := h.slack.Shown(blocks)
				b.Parts = parts(blocks, lines, controls)
			} else if at := attachmentLines(m.Lines); i < len(at) {
				b.Parts = []part{{Kind: "text", Lines: []slacktest.Line{at[i]}}}
			}
			v.Boxes = append(v.Boxes, b)
		}
		out = append(out, v)
	}
	return out
}

func attachmentLines(lines []slacktest.Line) []slacktest.Line {
	var all []slacktest.Line
	for _, l := range lines {
		if l.Block == "attachment" {
			all = append(all, l)
		}
	}
	return all
}

// colour is a bar's colour as a class, so that the page's own style sheet says what it looks like.
func colour(v any) string {
	s, _ := v.(string)
	switch s {
	case "good", "warning", "danger":
		return s
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "#"), 16, 32)
	if err != nil {
		return "grey"
	}
	r, g, b := n>>16&255, n>>8&255, n&255
	switch {
	case r > 170 && g > 120 && b < 110:
		return "warning"
	case r > g+40 && r > b+40:
		return "danger"
	case g > r+20 && g >= b:
		return "good"
	case b > r+20:
		return "blue"
	}
	return "grey"
}

func (h *site) viewed(v slacktest.View) *viewed {
	return &viewed{v, parts(v.Blocks, v.Lines, v.Controls)}
}

// parts puts lines and controls back into their blocks.
func parts(blocks []any, lines []slacktest.Line, controls []slacktest.Control) []part {
	var out []part
	for _, b := range blocks {
		o, _ := b.(map[string]any)
		id, _ := o["block_id"].(string)
		kind, _ := o["type"].(string)
		p := part{Kind: kind}
		p.Image, _ = o["image_url"].(string)
		for _, l := range lines {
			if l.BlockID == id {
				if l.Block == "field" {
					p.Fields = append(p.Fields, l)
				} else {
					p.Lines = append(p.Lines, l)
				}
			}
		}
		for _, c := range controls {
			if c.Block == id {
				p.Controls = append(p.Controls, c)
			}
		}
		out = append(out, p)
	}
	return out
}

// spans are shown text as HTML.
func spans(all []slacktest.Span) template.HTML {
	var b strings.Builder
	write(&b, all)
	return template.HTML(b.String()) //nolint:gosec // every text in it went through the escaper below
}

var tags = map[string]string{"bold": "b", "italic": "i", "strike": "s", "code": "code", "pre": "pre", "quote": "blockquote"}

func write(b *strings.Builder, all []slacktest.Span) {
	for _, s := range all {
		inside := func() {
			if s.Of != nil {
				write(b, s.Of)
			} else {
				b.WriteString(template.HTMLEscapeString(s.Text))
			}
		}
		tag := tags[s.Kind]
		switch {
		case tag != "":
			b.WriteString("<" + tag + ">")
			inside()
			b.WriteString("</" + tag + ">")
		case s.Kind == "link":
			b.WriteString(`<a rel="noreferrer noopener" target="_blank" href="` + template.HTMLEscapeString(safe(s.URL)) + `">`)
			inside()
			b.WriteString("</a>")
		case s.Kind == "mention", s.Kind == "broadcast", s.Kind == "channel":
			b.WriteString(`<span class="mention ` + s.Kind + `">`)
			inside()
			b.WriteString("</span>")
		case s.Kind == "emoji":
			b.WriteString(template.HTMLEscapeString(emojiOr(s.Text)))
		case s.Kind == "break":
			b.WriteString("<br>")
		default:
			inside()
		}
	}
}

func safe(url string) string {
	for _, scheme := range []string{"http://", "https://", "mailto:"} {
		if strings.HasPrefix(url, scheme) {
			return url
		}
	}
	return "#"
}

func emojiOr(code string) string {
	if shown := slacktest.Emoji(code); shown != "" {
		return shown
	}
	return code
}

// emojiText is a label in which emoji are shown.
func emojiText(s string) string {
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }) {
		if strings.HasPrefix(word, ":") && strings.HasSuffix(word, ":") {
			s = strings.ReplaceAll(s, word, emojiOr(word))
		}
	}
	return s
}

func clock(t time.Time) string { return t.Format("15:04") }

func initial(name string) string {
	r, _ := utf8.DecodeRuneInString(name)
	return strings.ToUpper(string(r))
}

// hue is one of eight colours for a name.
func hue(name string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return fmt.Sprintf("c%d", h.Sum32()%8)
}

func kb(n int) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%d KB", n>>10)
}
