package message

import (
	"strings"

	"golang.org/x/net/html"
)

// tokens cuts HTML into texts and tags by the rules of browsers (WHATWG HTML §13.2.5). It finds what the
// tokenizer of golang.org/x/net/html finds (FuzzTokens), several times as fast: its strings are parts of
// the source, and of attributes it keeps only those that the sanitiser asks for.
//
//	for t := (tokens{rest: source}); t.next(); { … }
//
// Comments and the content of elements that browsers do not read as HTML (rawText) are left out; so is
// a tag that is never closed.
type tokens struct {
	rest string // of the source
	raw  string // the element whose content is not read, while it is open

	kind  tokenKind
	text  string     // of a text, with its entities
	name  string     // of a tag, in lower case
	attrs []htmlAttr // of a start tag, each name once, as far as keptAttributes
	slash bool       // <name/>
}

type tokenKind int

const (
	textToken tokenKind = iota
	startTag
	endTag
)

type htmlAttr struct{ name, value string }

// keptAttributes are the attributes that say what stays of an element.
var keptAttributes = words(`href alt style class id data-marker hidden colspan rowspan`)

func (t *tokens) next() bool {
	if t.raw != "" {
		t.rest = t.rest[rawEnd(t.rest, t.raw):]
		t.raw = ""
	}
	for t.rest != "" {
		if n := markup(t.rest); n > 0 {
			t.kind, t.text, t.rest = textToken, t.rest[:n], t.rest[n:]
			return true
		}
		switch {
		case strings.HasPrefix(t.rest, "<!--"):
			t.rest = t.rest[commentEnd(t.rest):]
		case isLetter(t.rest[1]):
			return t.start()
		case t.rest[1] == '/' && isLetter(t.rest[2]):
			return t.end()
		default: // a doctype, or what browsers take for a comment
			end := strings.IndexByte(t.rest, '>')
			if end < 0 {
				end = len(t.rest) - 1
			}
			t.rest = t.rest[end+1:]
		}
	}
	return false
}

// markup finds the first "<" that begins anything but text; len(s) if none does.
func markup(s string) int {
	for i := 0; ; i++ {
		n := strings.IndexByte(s[i:], '<')
		if n < 0 {
			return len(s)
		}
		i += n
		if next := s[i+1:]; next != "" && (isLetter(next[0]) || next[0] == '!' || next[0] == '?' || next[0] == '/' && len(next) > 1) {
			return i
		}
	}
}

func (t *tokens) start() bool {
	s := t.rest[1:]
	n := nameLen(s)
	t.kind, t.name, t.attrs, t.slash = startTag, asciiLower(s[:n]), t.attrs[:0], false
	for s = s[n:]; ; {
		s = trimBlank(s)
		if s == "" {
			t.rest = ""
			return false
		}
		if s[0] == '>' {
			break
		}
		a, rest, slash := cutAttribute(s)
		t.keep(a)
		t.slash = slash && strings.HasPrefix(rest, ">")
		s = rest
	}
	t.rest = s[1:]
	if rawText[t.name] {
		t.raw = t.name
	}
	return true
}

func (t *tokens) keep(a htmlAttr) {
	a.name = asciiLower(a.name)
	if !keptAttributes[a.name] {
		return
	}
	for _, b := range t.attrs {
		if b.name == a.name {
			return
		}
	}
	t.attrs = append(t.attrs, a)
}

func (t *tokens) end() bool {
	s := t.rest[2:]
	n := nameLen(s)
	t.kind, t.name = endTag, asciiLower(s[:n])
	for s = trimBlank(s[n:]); s != "" && s[0] != '>'; s = trimBlank(s) {
		_, s, _ = cutAttribute(s)
	}
	if s == "" {
		t.rest = ""
		return false
	}
	t.rest = s[1:]
	return true
}

// cutAttribute takes an attribute, or a slash, off the beginning of s, which is neither blank nor ">".
// slash tells whether a slash that belongs to no value was the last of it. rest is empty if the tag is
// never closed.
func cutAttribute(s string) (a htmlAttr, rest string, slash bool) {
	n := 0
	if s[0] == '=' {
		n = 1
	}
	for n < len(s) && !blankByte(s[n]) && s[n] != '/' && s[n] != '>' && s[n] != '=' {
		n++
	}
	a.name, rest = s[:n], trimBlank(s[n:])
	if rest == "" || rest[0] != '=' {
		rest, slash = strings.CutPrefix(rest, "/")
		return a, rest, slash
	}
	rest = trimBlank(rest[1:])
	if rest == "" {
		return a, "", false
	}
	if q := rest[0]; q == '"' || q == '\'' {
		end := strings.IndexByte(rest[1:], q)
		if end < 0 {
			return a, "", false
		}
		a.value = rest[1 : 1+end]
		return a, rest[end+2:], false
	}
	n = 0
	for n < len(rest) && !blankByte(rest[n]) && rest[n] != '>' {
		n++
	}
	a.value = rest[:n]
	return a, rest[n:], false
}

// unescaped is the value without entities. Those in attributes have rules of their own, so that
// "?a=1&copy=2" stays what it is.
func (a htmlAttr) unescaped() string {
	if strings.IndexByte(a.value, '&') < 0 {
		return a.value
	}
	z := html.NewTokenizer(strings.NewReader(`<a b="` + strings.ReplaceAll(a.value, `"`, "&#34;") + `">`))
	z.Next()
	z.TagName()
	_, v, _ := z.TagAttr()
	return string(v)
}

// commentEnd is where the comment ends that s begins with.
func commentEnd(s string) int {
	inner := s[len("<!--"):]
	for _, end := range []string{">", "->"} {
		if strings.HasPrefix(inner, end) {
			return len("<!--") + len(end)
		}
	}
	for i := 0; ; {
		n := strings.Index(inner[i:], "--")
		if n < 0 {
			return len(s)
		}
		i += n
		rest := strings.TrimLeft(inner[i:], "-")
		for _, end := range []string{">", "!>"} {
			if strings.HasPrefix(rest, end) {
				return len(s) - len(rest) + len(end)
			}
		}
		i = len(inner) - len(rest)
	}
}

// rawEnd is where the content of an element ends that is not read as HTML: before its end tag.
func rawEnd(s, name string) int {
	hidden := false // script: inside <!-- -->
	again := false  // script: and inside another <script> there
	for i := 0; name != "plaintext"; {
		n := strings.IndexAny(s[i:], "<-")
		if n < 0 {
			break
		}
		i += n
		switch rest := s[i:]; {
		case hidden && strings.HasPrefix(rest, "--"):
			n := len(rest) - len(strings.TrimLeft(rest, "-"))
			if strings.HasPrefix(rest[n:], ">") {
				hidden, again = false, false
			}
			i += n
			continue
		case name == "script" && !hidden && strings.HasPrefix(rest, "<!--"):
			hidden = true
			i += len("<!")
			continue
		case isTag(rest, "</", name):
			if !again {
				return i
			}
			again = false
		case hidden && isTag(rest, "<", name):
			again = true
		}
		i++
	}
	return len(s)
}

// isTag tells whether s begins with that tag.
func isTag(s, begin, name string) bool {
	n := len(begin) + len(name)
	return len(s) > n && s[:len(begin)] == begin && strings.EqualFold(s[len(begin):n], name) && (blankByte(s[n]) || s[n] == '/' || s[n] == '>')
}

func nameLen(s string) int {
	n := 0
	for n < len(s) && !blankByte(s[n]) && s[n] != '/' && s[n] != '>' {
		n++
	}
	return n
}

func trimBlank(s string) string {
	n := 0
	for n < len(s) && blankByte(s[n]) {
		n++
	}
	return s[n:]
}

func blankByte(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
