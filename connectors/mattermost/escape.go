package mattermost

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"groupmail/bot/plain"
)

// What Mattermost's clients make of text, and why [escape] is as it is. There are three parsers: the
// server's (mentions), the web app's (a fork of marked) and the phones' (a fork of commonmark.js).
//
//   - The web app undoes backslashes first and only then looks for mentions, ~channels, #hashtags,
//     :emoji: and mail addresses, so that no backslash stops those; and it knows the backslash only
//     before some characters. Hence decimal entities, which no client looks into, which show as
//     the character and are copied as it. (Hexadecimal ones would be hashtags: &#x40;)
//   - The server does decode entities before it looks for mentions. Hence U+200B after @, the one thing
//     that splits the word there. An @ right after an ASCII letter or digit begins no mention on the
//     server (Server: app/mention_parser_standard.go), so that mail addresses can do without and
//     can still be copied; the entity keeps the clients from linking them.
//   - Tables and lists are recognised in the raw text, backslashes or not. Hence an entity for |.

// escape makes text of any number of lines inert in Markdown: it mentions, links and formats
// nothing, and reads as it was. Space around each line goes: at the beginning it would make code of
// the line, at the end a break.
func escape(text string) string {
	lines := strings.Split(plain.Text(text), "\n")
	var b strings.Builder
	b.Grow(len(text) + len(text)/4)
	for i, line := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		escapeLine(&b, strings.TrimSpace(line), false, false)
	}
	return b.String()
}

// escapeSpan makes a piece of a line inert, whatever stands before it and, if more, behind it.
func escapeSpan(text string, more bool) string {
	var b strings.Builder
	escapeLine(&b, strings.ReplaceAll(plain.Text(text), "\n", " "), true, more)
	return b.String()
}

// escapeLine escapes a line; span says that it may be the end of another, more that it may go on.
func escapeLine(b *strings.Builder, line string, span, more bool) {
	blank, number := true, true // only space, only digits so far
	prev := rune(0)
	for i, r := range line {
		next, size := utf8.DecodeRuneInString(line[i+utf8.RuneLen(r):])
		end := size == 0
		backslash := false
		switch r {
		case '\\', '<', '>', '&', '$', '~', '#', '|', '`', '=':
			entity(b, r)
		case '@':
			if asciiWord(prev) {
				entity(b, r)
			} else {
				b.WriteString("@\u200b")
			}
		case ':':
			// https://, mailto:x, :smile: — but not 14:03 or "Re: x".
			switch {
			case end && more, continues(next) && emojiCode(line[i:]):
				entity(b, r)
			case !continues(next), digit(next) && clock(line[:i], span):
				b.WriteByte(':')
			default:
				entity(b, r)
			}
		case '.': // www.x, x.org/ — and 1. is a list
			backslash = number || end && more || !end && !unicode.IsSpace(next) || www(line[:i])
		case ')': // 1) is a list too
			backslash = number
		case '-', '+':
			backslash = blank
		case '*', '_', '[', ']':
			backslash = true
		}
		if backslash {
			b.WriteByte('\\')
		}
		if backslash || !strings.ContainsRune("\\<>&$~#|`=@:", r) {
			b.WriteRune(r)
		}
		blank = blank && unicode.IsSpace(r)
		number = number && (digit(r) || unicode.IsSpace(r))
		prev = r
	}
}

func entity(b *strings.Builder, r rune) {
	switch r {
	case '<':
		b.WriteString("&lt;")
	case '>':
		b.WriteString("&gt;")
	case '&':
		b.WriteString("&amp;")
	default:
		b.WriteString("&#")
		if r >= 100 {
			b.WriteByte(byte('0' + r/100))
		}
		b.WriteByte(byte('0' + r/10%10))
		b.WriteByte(byte('0' + r%10))
		b.WriteByte(';')
	}
}

func digit(r rune) bool { return '0' <= r && r <= '9' }

func asciiWord(r rune) bool {
	return digit(r) || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// continues tells whether a colon before r may belong to a link or an emoji.
func continues(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || strings.ContainsRune("_+-/%", r)
}

// clock tells whether s, which may be the end of something, ends in digits that are no part of a
// word, as 14:03 begins.
func clock(s string, end bool) bool {
	rest := strings.TrimRightFunc(s, digit)
	if rest == s || rest == "" && end {
		return false
	}
	last, _ := utf8.DecodeLastRuneInString(rest)
	return !asciiWord(last) && !strings.ContainsRune(".+-", last)
}

// www tells whether s ends in www or www2.
func www(s string) bool {
	s = strings.TrimRightFunc(s, digit)
	return len(s) >= 3 && strings.EqualFold(s[len(s)-3:], "www")
}

// emojiCode tells whether s, which begins with a colon, begins with :something:.
func emojiCode(s string) bool {
	word := strings.TrimLeftFunc(s[1:], func(r rune) bool { return asciiWord(r) || strings.ContainsRune("_+-", r) })
	return strings.HasPrefix(word, ":")
}

// code shows text as it was typed, in one line.
func code(text string) string {
	text = plain.Line(text)
	if text == "" {
		return ""
	}
	longest, run := 0, 0
	for _, r := range text {
		if r == '`' {
			run++
		} else {
			run = 0
		}
		longest = max(longest, run)
	}
	fence := strings.Repeat("`", longest+1)
	if longest > 0 {
		text = " " + text + " "
	}
	return fence + text + fence
}

// strong shows text strong.
func strong(text string) string {
	if text = plain.Line(text); text == "" {
		return ""
	}
	return "**" + escapeSpan(text, false) + "**"
}

// link shows text that leads to an http or https address; anything else is only text.
func link(text, address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return escapeSpan(text, true)
	}
	if text = plain.Line(text); text == "" {
		text = u.Host
	}
	var b strings.Builder
	for i := range len(address) {
		switch c := address[i]; {
		case c == '&':
			b.WriteString("&amp;")
		case c <= ' ', c >= 0x7f, strings.IndexByte("()<>\\\"'`|*[]{}", c) >= 0:
			const hex = "0123456789ABCDEF"
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		default:
			b.WriteByte(c)
		}
	}
	return "[" + escapeSpan(text, false) + "](" + b.String() + ")"
}

// quote sets words from outside apart.
func quote(text string) string {
	text = strings.Trim(text, " \t\n")
	if text == "" {
		return ""
	}
	return "> " + strings.ReplaceAll(escape(text), "\n", "\n> ")
}
