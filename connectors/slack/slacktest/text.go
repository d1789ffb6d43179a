package slacktest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Span is a stretch of shown text. Kind says what became of it; "" is text as it stands.
type Span struct {
	Text string
	Kind string // bold, italic, strike, code, pre, quote, link, mention, broadcast, channel, emoji, date, break
	URL  string // of a link
	Of   []Span // what stands in bold, italic, strike, quote, and in a link with a label
}

var unescape = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

// Escape is how Slack writes text that people typed (https://docs.slack.dev/messaging/formatting-message-text).
func Escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// reading is what a text is read by.
type reading struct {
	w      *workspace
	bare   bool // addresses, channels and @here are recognised where they stand
	mrkdwn bool // *bold* and the like count
	names  bool // @name too: parse=full
}

// mrkdwn reads a text of type mrkdwn, with or without verbatim.
func (w *workspace) mrkdwn(text string, verbatim bool) []Span {
	return (&reading{w: w, bare: !verbatim, mrkdwn: true}).lines(text)
}

// plain reads a text of type plain_text: nothing but emoji.
func plainSpans(text string, emoji bool) []Span {
	text = unescape.Replace(text)
	if !emoji {
		return []Span{{Text: text}}
	}
	var spans []Span
	for text != "" {
		at := emojiCode.FindStringIndex(text)
		for at != nil && emojis[text[at[0]+1:at[1]-1]] == "" {
			next := emojiCode.FindStringIndex(text[at[1]-1:])
			if next == nil {
				at = nil
			} else {
				at = []int{next[0] + at[1] - 1, next[1] + at[1] - 1}
			}
		}
		if at == nil {
			return appendText(spans, text)
		}
		spans = appendText(spans, text[:at[0]])
		spans = append(spans, Span{Text: text[at[0]:at[1]], Kind: "emoji"})
		text = text[at[1]:]
	}
	return spans
}

func appendText(spans []Span, text string) []Span {
	if text == "" {
		return spans
	}
	if n := len(spans); n > 0 && spans[n-1].Kind == "" {
		spans[n-1].Text += text
		return spans
	}
	return append(spans, Span{Text: text})
}

// lines reads quotes and code blocks, which are whole lines.
func (r *reading) lines(text string) []Span {
	if !r.mrkdwn {
		return r.inline(text)
	}
	var spans []Span
	for {
		before, rest, open := strings.Cut(text, "```")
		code, after, closed := strings.Cut(rest, "```")
		if !open || !closed || strings.TrimSpace(code) == "" {
			return append(spans, r.quotes(text)...)
		}
		spans = append(spans, r.quotes(before)...)
		spans = append(spans, Span{Text: plainOf(r.control(code)), Kind: "pre"})
		text = after
	}
}

func (r *reading) quotes(text string) []Span {
	var spans []Span
	var quoted []string
	flush := func() {
		if quoted != nil {
			spans = append(spans, Span{Kind: "quote", Of: r.inline(strings.Join(quoted, "\n"))})
			quoted = nil
		}
	}
	var open []string
	shut := func() {
		if open != nil {
			spans = append(spans, r.inline(strings.Join(open, "\n"))...)
			open = nil
		}
	}
	for _, line := range strings.Split(text, "\n") {
		rest, is := strings.CutPrefix(line, "&gt;")
		if !is {
			rest, is = strings.CutPrefix(line, ">")
		}
		if is {
			if open != nil {
				open = append(open, "")
			}
			shut()
			quoted = append(quoted, strings.TrimPrefix(rest, " "))
			continue
		}
		flush()
		open = append(open, line)
	}
	flush()
	shut()
	return spans
}

var marks = map[byte]string{'*': "bold", '_': "italic", '~': "strike", '`': "code"}

// inline reads emphasis and what stands between < and >.
func (r *reading) inline(text string) []Span {
	var spans []Span
	from := 0
	for i := 0; i < len(text); i++ {
		kind := marks[text[i]]
		switch {
		case text[i] == '<':
			end := strings.IndexByte(text[i:], '>')
			if end < 0 {
				continue
			}
			spans = append(spans, r.control(text[from:i])...)
			spans = append(spans, r.bracket(text[i+1:i+end])...)
			from = i + end + 1
			i += end
		case r.mrkdwn && kind != "":
			end := closing(text, i)
			if end < 0 {
				continue
			}
			spans = append(spans, r.control(text[from:i])...)
			if kind == "code" {
				spans = append(spans, Span{Text: plainOf(r.control(text[i+1 : end])), Kind: kind})
			} else {
				spans = append(spans, Span{Kind: kind, Of: r.inline(text[i+1 : end])})
			}
			from = end + 1
			i = end
		}
	}
	return merge(append(spans, r.control(text[from:])...))
}

func merge(spans []Span) []Span {
	var all []Span
	for _, s := range spans {
		if s.Kind == "" {
			all = appendText(all, s.Text)
		} else {
			all = append(all, s)
		}
	}
	return all
}

// closing finds the mark that ends the emphasis begun at i, in its line: the mark must stand at the edge
// of a word on the outside and touch text on the inside.
func closing(text string, i int) int {
	before, _ := utf8.DecodeLastRuneInString(text[:i])
	if i > 0 && (isWord(before) || text[i-1] == text[i]) {
		return -1
	}
	first, _ := utf8.DecodeRuneInString(text[i+1:])
	if i+1 >= len(text) || unicode.IsSpace(first) || text[i+1] == text[i] {
		return -1
	}
	for j := i + 2; j < len(text) && text[j] != '\n'; j++ {
		if text[j] != text[i] {
			continue
		}
		last, _ := utf8.DecodeLastRuneInString(text[:j])
		next, _ := utf8.DecodeRuneInString(text[j+1:])
		if !unicode.IsSpace(last) && (j+1 == len(text) || !isWord(next) && text[j+1] != text[i]) {
			return j
		}
	}
	return -1
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

var (
	bareURL       = regexp.MustCompile(`https?://[^\s<>|*]+[^\s<>|*.,;:!?'")\]]`)
	bareBroadcast = regexp.MustCompile(`(?:^|[\s(])@(here|channel|everyone)\b`)
	bareName      = regexp.MustCompile(`(?:^|[\s(])@([a-z0-9._-]*[a-z0-9])`)
	bareChannel   = regexp.MustCompile(`(?:^|[\s(])#([a-z0-9_-]+)\b`)
	emojiCode     = regexp.MustCompile(`:[a-z0-9_+'-]+:`)
)

// control reads a stretch without brackets: entities, emoji and, where that is asked for, what is
// recognised as it stands.
func (r *reading) control(text string) []Span {
	type find struct {
		from, to int
		span     Span
	}
	var finds []find
	add := func(re *regexp.Regexp, read func(whole, part string) (Span, bool)) {
		for _, at := range re.FindAllStringSubmatchIndex(text, -1) {
			from, to, part := at[0], at[1], ""
			if len(at) > 2 {
				from, to = at[2]-1, at[3]
				part = text[at[2]:at[3]]
			}
			if span, ok := read(text[from:to], part); ok && !slices.ContainsFunc(finds, func(f find) bool { return from < f.to && f.from < to }) {
				finds = append(finds, find{from, to, span})
			}
		}
	}
	if r.bare {
		add(bareURL, func(whole, _ string) (Span, bool) {
			return Span{Text: unescape.Replace(whole), Kind: "link", URL: unescape.Replace(whole)}, true
		})
		add(bareBroadcast, func(whole, _ string) (Span, bool) { return Span{Text: whole, Kind: "broadcast"}, true })
		add(bareChannel, func(whole, name string) (Span, bool) {
			known := slices.ContainsFunc(r.w.channels, func(c *channel) bool { return c.Name == name })
			return Span{Text: whole, Kind: "channel"}, known
		})
	}
	if r.names {
		add(bareName, func(whole, name string) (Span, bool) {
			u := r.w.byName(name)
			if u == nil {
				return Span{}, false
			}
			return Span{Text: whole, Kind: "mention", URL: u.ID}, true
		})
	}
	add(emojiCode, func(whole, _ string) (Span, bool) {
		return Span{Text: whole, Kind: "emoji"}, emojis[whole[1:len(whole)-1]] != ""
	})
	slices.SortFunc(finds, func(a, b find) int { return a.from - b.from })
	var spans []Span
	from := 0
	for _, f := range finds {
		spans = appendText(spans, unescape.Replace(text[from:f.from]))
		spans = append(spans, f.span)
		from = f.to
	}
	return appendText(spans, unescape.Replace(text[from:]))
}

// bracket reads what stands between < and >.
func (r *reading) bracket(inside string) []Span {
	what, label, labelled := strings.Cut(inside, "|")
	label = unescape.Replace(label)
	switch {
	case strings.HasPrefix(what, "@"):
		name := what
		if u := r.w.user(what[1:]); u != nil {
			name = "@" + or(u.Display, u.Real)
		}
		return []Span{{Text: name, Kind: "mention", URL: what[1:]}}
	case strings.HasPrefix(what, "#"):
		name := what
		if c := r.w.channel(what[1:]); c != nil {
			name = "#" + c.Name
		}
		return []Span{{Text: name, Kind: "channel", URL: what[1:]}}
	case what == "!here", what == "!channel", what == "!everyone":
		return []Span{{Text: "@" + what[1:], Kind: "broadcast"}}
	case strings.HasPrefix(what, "!subteam^"):
		return []Span{{Text: or(label, "@group"), Kind: "broadcast"}}
	case strings.HasPrefix(what, "!date^"):
		return []Span{{Text: r.w.showDate(what, label), Kind: "date"}}
	case strings.HasPrefix(what, "!"):
		return []Span{{Text: "<" + or(label, what) + ">"}}
	}
	url := unescape.Replace(what)
	if scheme, _, ok := strings.Cut(url, ":"); !ok || !slices.Contains([]string{"http", "https", "mailto", "tel"}, scheme) {
		return []Span{{Text: "<" + unescape.Replace(inside) + ">"}}
	}
	if !labelled || label == "" {
		return []Span{{Text: url, Kind: "link", URL: url}}
	}
	return []Span{{Text: label, Kind: "link", URL: url}}
}

// showDate is <!date^1392734382^{date} at {time}^link|fallback> as somebody in UTC sees it.
func (w *workspace) showDate(what, fallback string) string {
	parts := strings.Split(what, "^")
	if len(parts) < 3 {
		return fallback
	}
	seconds, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return fallback
	}
	return w.formatDate(time.Unix(seconds, 0).UTC(), parts[2])
}

// formatDate is a time in a format of Slack's
// (https://docs.slack.dev/messaging/formatting-message-text#date-formatting): the pretty ones say today.
func (w *workspace) formatDate(at time.Time, format string) string {
	pretty := func(layout string) string {
		day := func(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
		switch day(at).Sub(day(w.clock.Now())) {
		case -24 * time.Hour:
			return "yesterday"
		case 0:
			return "today"
		case 24 * time.Hour:
			return "tomorrow"
		}
		return at.Format(layout)
	}
	return strings.NewReplacer("{date_num}", at.Format("2006-01-02"), "{date}", at.Format("January 2, 2006"), "{date_short}", at.Format("Jan 2, 2006"),
		"{date_long}", at.Format("Monday, January 2, 2006"), "{date_pretty}", pretty("January 2, 2006"), "{date_short_pretty}", pretty("Jan 2, 2006"),
		"{date_long_pretty}", pretty("Monday, January 2, 2006"), "{time}", at.Format("15:04"), "{time_secs}", at.Format("15:04:05"), "{ago}", "some time ago",
		"{day_divider_pretty}", pretty("Monday, January 2")).Replace(format)
}

// plainOf is what is shown, without its looks.
func plainOf(spans []Span) string {
	var b strings.Builder
	for _, s := range spans {
		if s.Of != nil {
			b.WriteString(plainOf(s.Of))
		} else {
			b.WriteString(s.Text)
		}
		if s.Kind == "pre" || s.Kind == "quote" || s.Kind == "break" {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// emojis are the names that are known here, with the character that is shown.
var emojis = map[string]string{
	"tada": "🎉", "smile": "😄", "+1": "👍", "thumbsup": "👍", "-1": "👎", "heart": "❤️", "eyes": "👀", "fire": "🔥", "warning": "⚠️", "x": "❌", "bell": "🔔",
	"white_check_mark": "✅", "heavy_check_mark": "✔️", "envelope": "✉️", "email": "📧", "mailbox": "📫", "incoming_envelope": "📨", "hourglass": "⌛", "lock": "🔒",
	"large_green_circle": "🟢", "large_yellow_circle": "🟡", "red_circle": "🔴", "large_blue_circle": "🔵", "white_circle": "⚪", "black_circle": "⚫", "question": "❓",
	"exclamation": "❗", "paperclip": "📎", "memo": "📝", "pushpin": "📌", "wave": "👋", "pray": "🙏", "joy": "😂", "thinking_face": "🤔", "rocket": "🚀", "clock1": "🕐",
	"checkered_flag": "🏁", "no_entry": "⛔", "zap": "⚡", "star": "⭐", "100": "💯", "ok_hand": "👌", "raised_hands": "🙌", "information_source": "ℹ️", "leftwards_arrow_with_hook": "↩️",
}

// --- what people type ---

var (
	typedName    = regexp.MustCompile(`(^|[^\pL\pN_@])@([\pL\pN][\pL\pN._-]*)`)
	typedChannel = regexp.MustCompile(`(^|[^\pL\pN_#&])#([a-z0-9][a-z0-9_-]*)`)
	typedURL     = regexp.MustCompile(`https?://[^\s<>"]*[^\s<>".,;:!?')\]]`)
	typedMail    = regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}`)
)

// typed is what Slack's clients make of what a person types: the text with its escapes, and the same as
// rich text. @name and #channel become references if there is such a one (the client completes them),
// addresses become links.
func (w *workspace) typed(s string) (text string, blocks []any) {
	type find struct {
		from, to int
		text     string
		element  object
	}
	var finds []find
	add := func(from, to int, text string, element object) {
		if !slices.ContainsFunc(finds, func(f find) bool { return from < f.to && f.from < to }) {
			finds = append(finds, find{from, to, text, element})
		}
	}
	for _, at := range typedURL.FindAllStringIndex(s, -1) {
		url := s[at[0]:at[1]]
		add(at[0], at[1], "<"+Escape(url)+">", object{"type": "link", "url": url})
	}
	for _, at := range typedMail.FindAllStringIndex(s, -1) {
		mail := s[at[0]:at[1]]
		add(at[0], at[1], "<mailto:"+mail+"|"+mail+">", object{"type": "link", "url": "mailto:" + mail, "text": mail})
	}
	for _, at := range typedName.FindAllStringSubmatchIndex(s, -1) {
		from, name := at[4]-1, s[at[4]:at[5]]
		switch lower := strings.ToLower(name); lower {
		case "here", "channel", "everyone":
			add(from, at[5], "<!"+lower+">", object{"type": "broadcast", "range": lower})
			continue
		}
		for trimmed := name; trimmed != ""; trimmed = trimmed[:len(trimmed)-1] {
			if u := w.byName(trimmed); u != nil && (trimmed == name || !isWordByte(name[len(trimmed)])) {
				add(from, from+1+len(trimmed), "<@"+u.ID+">", object{"type": "user", "user_id": u.ID})
				break
			}
		}
	}
	for _, at := range typedChannel.FindAllStringSubmatchIndex(s, -1) {
		name := s[at[4]:at[5]]
		for _, c := range w.channels {
			if c.Name == name && !c.deleted {
				add(at[4]-1, at[5], "<#"+c.ID+"|"+map[bool]string{false: name}[c.Private]+">", object{"type": "channel", "channel_id": c.ID})
			}
		}
	}
	for _, at := range emojiCode.FindAllStringIndex(s, -1) {
		if shown := emojis[s[at[0]+1:at[1]-1]]; shown != "" {
			add(at[0], at[1], s[at[0]:at[1]], object{"type": "emoji", "name": s[at[0]+1 : at[1]-1], "unicode": codePoints(shown)})
		}
	}
	slices.SortFunc(finds, func(a, b find) int { return a.from - b.from })
	var b strings.Builder
	var inline []any
	put := func(t string) {
		if t != "" {
			b.WriteString(Escape(t))
			inline = append(inline, object{"type": "text", "text": t})
		}
	}
	from := 0
	for _, f := range finds {
		put(s[from:f.from])
		b.WriteString(f.text)
		inline = append(inline, f.element)
		from = f.to
	}
	put(s[from:])
	if s == "" {
		return "", nil
	}
	return b.String(), []any{object{"type": "rich_text", "block_id": shortID(), "elements": []any{object{"type": "rich_text_section", "elements": inline}}}}
}

func isWordByte(b byte) bool { return b >= utf8.RuneSelf || isWord(rune(b)) }

func codePoints(s string) string {
	var parts []string
	for _, r := range s {
		parts = append(parts, fmt.Sprintf("%x", r))
	}
	return strings.Join(parts, "-")
}
