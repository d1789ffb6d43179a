// Package plain makes words from outside fit to be shown, before a platform escapes them in its own way.
package plain

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text is text without what no reader wants to meet: NUL and other controls, marks that turn the
// direction of writing, and what is not UTF-8.
func Text(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\r', r == '\u2028', r == '\u2029', r == '\u2424', r == '\u0085':
			return '\n'
		case r == '\t', r == '\u00a0':
			return ' '
		case unicode.IsControl(r),
			r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069',
			r == '\u200e', r == '\u200f', r == '\u061c', r == '\ufeff',
			r >= 0xe0000 && r <= 0xe007f:
			return -1
		}
		return r
	}, text)
}

// Line is plain text in one line, without space around it.
func Line(text string) string { return strings.Join(strings.Fields(Text(text)), " ") }

// Clip cuts text to at most n runes, the mark of the cut included.
func Clip(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	r := []rune(text)
	return strings.TrimRightFunc(string(r[:max(n-1, 0)]), unicode.IsSpace) + "…"
}

// ClipBytes cuts text to at most n bytes, the mark of the cut included.
func ClipBytes(text string, n int) string {
	if len(text) <= n {
		return text
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return strings.TrimRightFunc(text[:max(n, 0)], unicode.IsSpace) + "…"
}

// FileName is a name that a file can be uploaded under: one line, no path.
func FileName(name string) string {
	name = strings.NewReplacer("/", "_", "\\", "_").Replace(Clip(Line(name), 200))
	if strings.Trim(name, ". ") == "" {
		return "file"
	}
	return name
}
