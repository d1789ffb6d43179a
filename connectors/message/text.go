package message

import (
	"strings"
	"unicode/utf8"
)

// unwanted tells the characters that no text may hold: the C0 and C1 controls but newline and tab.
func unwanted(r rune) bool {
	return r < 0x20 && r != '\n' && r != '\t' || 0x7f <= r && r < 0xa0
}

// bidi tells the characters that turn the order of what stands beside them, so that a name or a
// file's ending may be made to look like another (Unicode TR 36).
func bidi(r rune) bool {
	return 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x061c
}

// plainByte are the bytes that stay as they are in any text.
var plainByte = func() (t [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = true
	}
	t['\n'], t['\t'] = true, true
	return t
}()

// cleanText is text of many lines as a Mail may hold it: valid UTF-8, lines ended by \n, no byte
// order marks.
func cleanText(s string) string {
	i := cleanUpTo(s)
	if i == len(s) {
		return s
	}
	return string(appendClean(append(make([]byte, 0, len(s)), s[:i]...), s[i:]))
}

// cleanUpTo is the length of the beginning of s that needs no cleaning.
func cleanUpTo[T string | []byte](s T) int {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if plainByte[c] {
			continue
		}
		if c < utf8.RuneSelf {
			return i
		}
		r, n := utf8.DecodeRuneInString(string(s[i:min(i+4, len(s))]))
		if r == utf8.RuneError && n == 1 || r < 0xa0 || r == 0xfeff {
			return i
		}
		i += n - 1
	}
	return len(s)
}

// appendClean appends s to out, cleaned. It never appends more bytes than it has read but for
// bytes that are no UTF-8.
func appendClean[T string | []byte](out []byte, s T) []byte {
	for i := 0; i < len(s); {
		run := i
		for i < len(s) && plainByte[s[i]] {
			i++
		}
		out = append(out, s[run:i]...)
		if i == len(s) {
			break
		}
		c := s[i]
		switch {
		case c == '\r':
			// CRLF, CR CR LF and a lone CR are one line end each
			i++
			if i+1 < len(s) && s[i] == '\r' && s[i+1] == '\n' {
				i++
			}
			if i < len(s) && s[i] == '\n' {
				i++
			}
			out = append(out, '\n')
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRuneInString(string(s[i:min(i+4, len(s))]))
			switch {
			case r == utf8.RuneError && n == 1:
				out = append(out, "\ufffd"...)
			case r >= 0xa0 && r != 0xfeff:
				out = append(out, s[i:i+n]...)
			}
			i += n
		}
	}
	return out
}

// oneLine is text of one line, for a subject, a name, a file: no controls, no bidi controls, no
// line break of any kind, no blanks around it.
func oneLine(s string) string {
	plain := true
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] >= 0x7f {
			plain = false
			break
		}
	}
	if plain {
		return strings.TrimSpace(s)
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r', r == 0x2028, r == 0x2029, r == 0x85, r == 0x0b, r == 0x0c:
			return ' '
		case unwanted(r), bidi(r), r == 0xfeff:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	return strings.TrimSpace(s)
}
