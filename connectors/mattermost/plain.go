package mattermost

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// typing reads what people type in Mattermost, as far as its marks are not to be seen there. HTML
// is none of it (the clients show it as it is typed), nor are headings that are underlined: the
// line below them stays.
var typing = parser.NewParser(
	parser.WithBlockParsers(
		util.Prioritized(parser.NewThematicBreakParser(), 200),
		util.Prioritized(parser.NewListParser(), 300),
		util.Prioritized(parser.NewListItemParser(), 400),
		util.Prioritized(parser.NewCodeBlockParser(), 500),
		util.Prioritized(parser.NewATXHeadingParser(), 600),
		util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
		util.Prioritized(parser.NewBlockquoteParser(), 800),
		util.Prioritized(parser.NewParagraphParser(), 1000),
	),
	parser.WithInlineParsers(
		util.Prioritized(parser.NewCodeSpanParser(), 100),
		util.Prioritized(parser.NewLinkParser(), 200),
		util.Prioritized(parser.NewAutoLinkParser(), 300),
		util.Prioritized(parser.NewEmphasisParser(), 500),
		util.Prioritized(extension.NewStrikethroughParser(), 500),
		util.Prioritized(extension.NewLinkifyParser(extension.WithLinkifyURLRegexp(bareURL)), 999),
	),
)

// bareURL is an address that is typed without marks around it; what is in it is none.
var bareURL = regexp.MustCompile(`^(?:https?|ftp)://[^\s<>\[\]]*[^\s<>\[\]?!.,:*_~'"]`)

// escapable is what Mattermost takes a backslash away from (marked: inline.gfm.escape); before
// anything else it stays.
const escapable = "\\`*{}[]()#$+-.!_>~|"

// unmark turns Markdown into the plain text that its author sees: the marks go, the words stay, and
// so does everything else, as it was typed. words changes what is no code.
func unmark(typed string, words func(string) string) string {
	u := unmarking{source: []byte(typed)}
	// It never fails: an entering walk that returns no error.
	_ = ast.Walk(typing.Parse(text.NewReader(u.source)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			u.node(n)
		}
		return ast.WalkContinue, nil
	})
	slices.SortStableFunc(u.edits, func(a, b edit) int { return cmp.Compare(a.from, b.from) })
	var b, run strings.Builder
	flush := func() {
		b.WriteString(words(run.String()))
		run.Reset()
	}
	at := 0
	for _, e := range u.edits {
		if e.from < at {
			continue // never twice over the same
		}
		run.WriteString(typed[at:e.from])
		if e.code {
			flush()
			b.WriteString(typed[e.from:e.to])
		} else {
			run.WriteString(e.with)
		}
		at = e.to
	}
	run.WriteString(typed[at:])
	flush()
	return b.String()
}

// edit replaces a piece of what was typed, or keeps it from being changed.
type edit struct {
	from, to int
	with     string
	code     bool
}

type unmarking struct {
	source []byte
	edits  []edit
}

func (u *unmarking) replace(from, to int, with string) {
	u.edits = append(u.edits, edit{from: from, to: to, with: with})
}

func (u *unmarking) node(n ast.Node) {
	switch n := n.(type) {
	case *ast.Text:
		if _, code := n.Parent().(*ast.CodeSpan); code {
			u.edits = append(u.edits, edit{from: n.Segment.Start, to: n.Segment.Stop, code: true})
		} else {
			u.escapes(n.Segment)
		}
	case *ast.CodeSpan, *ast.Emphasis, *extast.Strikethrough:
		u.around(n)
	case *ast.Link:
		u.link(n, string(n.Destination))
	case *ast.Image:
		u.link(n, string(n.Destination))
	case *ast.AutoLink:
		if from, to := u.extent(n); from > 0 && u.is(from-1, '<') && u.is(to, '>') {
			u.replace(from-1, from, "")
			u.replace(to, to+1, "")
		}
	case *ast.Heading:
		u.heading(n)
	case *ast.FencedCodeBlock:
		u.fences(n)
		u.code(n)
	case *ast.CodeBlock:
		u.code(n)
	}
}

func (u *unmarking) is(i int, c byte) bool { return i >= 0 && i < len(u.source) && u.source[i] == c }

// escapes takes away the backslashes that stand before marks.
func (u *unmarking) escapes(s text.Segment) {
	for i := s.Start; i+1 < s.Stop; i++ {
		if u.source[i] == '\\' && strings.IndexByte(escapable, u.source[i+1]) >= 0 {
			u.replace(i, i+1, "")
			i++
		}
	}
}

// around takes away the marks around a node.
func (u *unmarking) around(n ast.Node) {
	from, to := u.extent(n)
	inFrom, inTo := u.inner(n)
	switch {
	case from < 0:
	case digit(rune(u.before(from))): // 2*3*4: the sign is not worth losing
	default:
		u.replace(from, inFrom, "")
		u.replace(inTo, to, "")
	}
}

func (u *unmarking) before(i int) byte {
	if i == 0 {
		return 0
	}
	return u.source[i-1]
}

// link turns [text](address) into text (address), or into the address alone if that is all it says.
func (u *unmarking) link(n ast.Node, address string) {
	from, to := u.extent(n)
	inFrom, inTo := u.inner(n)
	if from < 0 {
		return
	}
	address = strings.TrimSpace(address)
	u.replace(from, inFrom, "")
	said := strings.TrimPrefix(string(u.source[inFrom:inTo]), "mailto:")
	if said == strings.TrimPrefix(address, "mailto:") {
		address = ""
	} else {
		address = " (" + address + ")"
	}
	u.replace(inTo, to, address)
}

// inner is where the children of a node begin and end; -1 if that is not to be told.
func (u *unmarking) inner(n ast.Node) (from, to int) {
	if n.FirstChild() == nil {
		return -1, -1
	}
	from, _ = u.extent(n.FirstChild())
	_, to = u.extent(n.LastChild())
	return from, to
}

// extent is where a node begins and ends, with its marks; -1 if that is not to be told, and then
// it is left as it was typed.
func (u *unmarking) extent(n ast.Node) (from, to int) {
	switch n := n.(type) {
	case *ast.Text:
		return n.Segment.Start, n.Segment.Stop
	case *ast.AutoLink:
		label := n.Label(u.source)
		at := max(n.Pos(), 0)
		i := bytes.Index(u.source[at:], label)
		if i < 0 {
			return -1, -1
		}
		return at + i, at + i + len(label)
	}
	from, to = u.inner(n)
	if from < 0 || to < 0 {
		return -1, -1
	}
	switch n := n.(type) {
	case *ast.Emphasis:
		return u.widen(from, to, n.Level, "*_")
	case *extast.Strikethrough:
		return u.widen(from, to, 2, "~") // one alone is the beginning of a channel's name
	case *ast.CodeSpan:
		return u.codeSpan(from, to)
	case *ast.Link:
		return u.linkEnds(from, to, 1)
	case *ast.Image:
		return u.linkEnds(from, to, 2)
	}
	return -1, -1
}

// widen adds n marks, all the same, on both sides.
func (u *unmarking) widen(from, to, n int, marks string) (int, int) {
	if from-n < 0 || to+n > len(u.source) {
		return -1, -1
	}
	mark := u.source[to]
	if strings.IndexByte(marks, mark) < 0 {
		return -1, -1
	}
	want := bytes.Repeat([]byte{mark}, n)
	if !bytes.Equal(u.source[from-n:from], want) || !bytes.Equal(u.source[to:to+n], want) {
		return -1, -1
	}
	return from - n, to + n
}

// codeSpan adds the backticks, and the blank that may stand beside them.
func (u *unmarking) codeSpan(from, to int) (int, int) {
	begin, end := from, to
	if !u.is(begin-1, '`') && u.is(begin-2, '`') {
		begin--
	}
	if !u.is(end, '`') && u.is(end+1, '`') {
		end++
	}
	ticks := 0
	for u.is(begin-1, '`') {
		begin--
		ticks++
	}
	for n := ticks; n > 0; n-- {
		if !u.is(end, '`') {
			return -1, -1
		}
		end++
	}
	if ticks == 0 {
		return -1, -1
	}
	return begin, end
}

// linkEnds finds the end of a link whose text is known, and adds the n marks that it begins with. A
// link whose address stands elsewhere stays as it is.
func (u *unmarking) linkEnds(from, to, n int) (int, int) {
	if from-n < 0 || !u.is(from-1, '[') || !u.is(to, ']') || !u.is(to+1, '(') {
		return -1, -1
	}
	depth, quote, angle := 0, byte(0), false
	for i := to + 1; i < len(u.source); i++ {
		c := u.source[i]
		switch {
		case c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case angle:
			angle = c != '>'
		case c == '<' && depth == 1:
			angle = true
		case (c == '"' || c == '\'') && u.source[i-1] <= ' ':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return from - n, i + 1
			}
		}
	}
	return -1, -1
}

// heading takes away the # before and behind.
func (u *unmarking) heading(n *ast.Heading) {
	if n.Lines().Len() == 0 {
		return
	}
	line := n.Lines().At(0)
	from := line.Start
	for u.is(from-1, ' ') {
		from--
	}
	for u.is(from-1, '#') {
		from--
	}
	u.replace(from, line.Start, "")
	end := line.Stop
	for u.is(end-1, '\n') {
		end--
	}
	if to := u.lineEnd(end); len(bytes.Trim(u.source[end:to], "# ")) == 0 {
		u.replace(end, to, "")
	}
}

func (u *unmarking) lineEnd(i int) int {
	if j := bytes.IndexByte(u.source[i:], '\n'); j >= 0 {
		return i + j
	}
	return len(u.source)
}

// fences takes away the lines around a block of code.
func (u *unmarking) fences(n *ast.FencedCodeBlock) {
	if n.Pos() < 0 || n.Pos() >= len(u.source) {
		return
	}
	fence := u.source[n.Pos()]
	begin := bytes.LastIndexByte(u.source[:n.Pos()], '\n') + 1
	next := min(u.lineEnd(begin)+1, len(u.source))
	u.replace(begin, next, "")
	if l := n.Lines().Len(); l > 0 {
		next = n.Lines().At(l - 1).Stop
	}
	if next >= len(u.source) {
		return
	}
	end := u.lineEnd(next)
	if mark := bytes.Trim(u.source[next:end], "> "); len(mark) >= 3 && len(bytes.Trim(mark, string(rune(fence)))) == 0 {
		if end < len(u.source) {
			end++
		}
		u.replace(next, end, "")
	}
}

// code keeps a block of code as it is.
func (u *unmarking) code(n ast.Node) {
	for i := range n.Lines().Len() {
		line := n.Lines().At(i)
		u.edits = append(u.edits, edit{from: line.Start, to: line.Stop, code: true})
	}
}
