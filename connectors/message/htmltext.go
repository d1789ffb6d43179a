package message

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// htmlText is sanitised HTML as people would type it: paragraphs, "- " before the items of a list,
// "> " before quotes, a row of a table on a line, an address behind the words that lead to it, and
// nothing for bold and the like. Marks (see marking) stay in it.
func htmlText(clean string) string {
	if strings.Count(clean, "<") > mostTags {
		return strippedText(clean) // a tree of it would cost fifty times its length
	}
	doc, err := html.Parse(strings.NewReader(clean))
	if err != nil {
		return strippedText(clean)
	}
	var w textWriter
	w.children(doc)
	return tidyText(w.out.String())
}

const (
	mostTags    = 40_000
	mostIndents = 6  // quotes and lists in each other that show
	mostAddress = 80 // bytes of a link's address; of a longer one stands the host
	shortCells  = 200
)

// textWriter walks a tree and writes its text. Line breaks are owed until a word comes.
type textWriter struct {
	out     strings.Builder
	owed    int      // line breaks before the next word; two leave a line empty
	space   bool     // a blank before the next word
	begun   bool     // a word was written
	pre     bool     // blanks and line breaks count
	joined  bool     // in a row that goes on one line: blocks do not break it
	indents []string // what a line begins with
}

func (w *textWriter) children(n *html.Node) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		switch c.Type {
		case html.TextNode:
			w.text(c.Data)
		case html.ElementNode:
			w.element(c)
		default:
			w.children(c)
		}
	}
}

func (w *textWriter) element(n *html.Node) {
	switch n.Data {
	case "head":
	case "br":
		w.br()
	case "p", "h1", "h2", "h3", "h4", "h5", "h6":
		w.block(n, 2)
	case "hr":
		w.breaks(2)
		w.word("---")
		w.breaks(2)
	case "div", "dl", "dt", "dd", "caption", "table", "thead", "tbody", "tfoot", "td", "th":
		w.block(n, 1)
	case "tr":
		w.row(n)
	case "ul", "ol":
		w.list(n)
	case "blockquote":
		indent := "> "
		if n.FirstChild != nil && strings.HasPrefix(n.FirstChild.Data, indentMark) {
			indent = "    "
		}
		w.breaks(2)
		w.indented(indent, func() { w.children(n) })
		w.breaks(2)
	case "pre":
		w.breaks(2)
		outer := w.pre
		w.pre = true
		w.children(n)
		w.pre = outer
		w.breaks(2)
	case "a":
		w.link(n)
	default:
		w.children(n)
	}
}

func (w *textWriter) block(n *html.Node, breaks int) {
	w.breaks(breaks)
	w.children(n)
	w.breaks(breaks)
}

// breaks owes so many line breaks, if not owed already.
func (w *textWriter) breaks(n int) {
	if w.joined {
		w.space = true
		return
	}
	w.owed = max(w.owed, n)
}

func (w *textWriter) br() {
	if w.joined {
		w.space = true
		return
	}
	w.owed = min(w.owed+1, 2)
}

// indented writes lines that begin with indent. An empty line before them is not among them.
func (w *textWriter) indented(indent string, write func()) {
	if len(w.indents) >= mostIndents || w.joined {
		write()
		return
	}
	if w.owed > 1 && w.begun {
		w.out.WriteByte('\n')
		w.out.WriteString(strings.TrimRight(strings.Join(w.indents, ""), " "))
		w.owed = 1
	}
	w.indents = append(w.indents, indent)
	write()
	w.indents = w.indents[:len(w.indents)-1]
}

func (w *textWriter) list(n *html.Node) {
	if len(w.indents) > 0 {
		w.breaks(1)
	} else {
		w.breaks(2)
	}
	number := 0
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		switch {
		case c.Type == html.TextNode:
			w.text(c.Data)
		case c.Type != html.ElementNode:
		case c.Data != "li":
			w.element(c)
		default:
			bullet := "- "
			if n.Data == "ol" {
				number++
				bullet = strconv.Itoa(number) + ". "
			}
			w.breaks(1)
			w.indented(bullet, func() { w.children(c) })
			w.breaks(1)
		}
	}
	if len(w.indents) == 0 {
		w.breaks(2)
	}
}

// row writes a row of short cells on one line, other cells one below the other: most tables in mail
// only lay out.
func (w *textWriter) row(tr *html.Node) {
	var cells []*html.Node
	heads, short, filled := false, true, 0
	for c := tr.FirstChild; c != nil; c = c.NextSibling {
		if c.Type != html.ElementNode {
			continue
		}
		cells = append(cells, c)
		heads = heads || c.Data == "th"
		if n := cellSize(c); n > 0 {
			filled++
			short = short && n <= shortCells
		}
	}
	if !short || filled < 2 {
		w.block(tr, 1)
		return
	}
	w.breaks(1)
	outer := w.joined
	w.joined = true
	sep := false
	for i, c := range cells {
		if cellSize(c) == 0 && (i == 0 || !headed(tr)) {
			continue // empty columns count in a table with a head only
		}
		if sep {
			w.space = true
			w.word("|")
			w.space = true
		}
		w.children(c)
		// "Name: Maria" needs no more
		sep = !strings.HasSuffix(strings.TrimSpace(nodeText(c)), ":")
		w.space = true
	}
	w.joined = outer
	w.breaks(1)
}

// headed tells whether the first row of the row's table is a head.
func headed(tr *html.Node) bool {
	table := tr.Parent
	for table != nil && table.Data != "table" {
		table = table.Parent
	}
	for n := table; n != nil; {
		switch {
		case n.Data == "th":
			return true
		case n == table, n.Data == "thead", n.Data == "tbody", n.Data == "tr":
			n = n.FirstChild
		case n.Data == "td":
			return false
		default:
			n = n.NextSibling
		}
	}
	return false
}

// cellSize is the length of a cell's text; a cell of more than one line is longer than any short one.
func cellSize(cell *html.Node) int {
	size, broken := 0, false
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		for c := n.FirstChild; c != nil && size <= shortCells; c = c.NextSibling {
			if c.Type == html.TextNode {
				if l := len(strings.TrimFunc(c.Data, invisible)); l > 0 {
					if broken && size > 0 {
						size = shortCells
					}
					size += l
					broken = false
				}
				continue
			}
			block := c.Data == "br" || c.Data == "li" || closesParagraph[c.Data]
			broken = broken || block
			if c.Data == "ul" || c.Data == "ol" || c.Data == "blockquote" || c.Data == "table" || c.Data == "hr" || c.Data == "pre" {
				size = shortCells + 1
			}
			walk(c)
			broken = broken || block
		}
	}
	walk(cell)
	return size
}

// link writes what leads somewhere, and where: not if the words say so themselves.
func (w *textWriter) link(a *html.Node) {
	href := ""
	for _, at := range a.Attr {
		if at.Key == "href" {
			href = at.Val
		}
	}
	label := strings.Join(strings.Fields(nodeText(a)), " ")
	w.children(a)
	address := linkAddress(label, href)
	if address == "" {
		return
	}
	owed := w.owed // behind the last word, whatever block that stood in
	w.owed, w.space = 0, true
	w.word("(" + address + ")")
	w.owed = owed
}

// linkAddress is the address to show behind a link's words, "" for none.
func linkAddress(label, href string) string {
	u, err := url.Parse(href)
	if label == "" || err != nil {
		return ""
	}
	switch u.Scheme {
	case "mailto":
		addr, err := url.PathUnescape(u.Opaque)
		if err != nil {
			addr = u.Opaque
		}
		if addr = oneLine(addr); strings.Contains(strings.ToLower(label), strings.ToLower(addr)) {
			return ""
		}
		return clip(addr, mostAddress)
	case "tel":
		digits := func(s string) string {
			return strings.Map(func(r rune) rune {
				if r < '0' || r > '9' {
					return -1
				}
				return r
			}, s)
		}
		number, in := strings.TrimLeft(digits(u.Opaque), "0"), digits(label)
		if len(in) > 4 && (strings.Contains(in, number) || strings.HasSuffix(number, strings.TrimLeft(in, "0"))) {
			return ""
		}
		return clip(u.Opaque, mostAddress)
	}
	bare := func(s string) string {
		s = strings.ToLower(s)
		for _, p := range []string{"https://", "http://", "www."} {
			s = strings.TrimPrefix(s, p)
		}
		return strings.TrimRight(s, "/.…")
	}
	l, h := bare(label), bare(href)
	if rest, ok := strings.CutPrefix(h, l); ok && l != "" && (rest == "" || strings.ContainsAny(rest[:1], "/?#") || strings.ContainsAny(l, "/?")) && strings.Contains(l, ".") {
		return "" // the address, or its beginning
	}
	if len(href) > mostAddress {
		return u.Scheme + "://" + u.Host + "/…"
	}
	return href
}

// text writes words, of any blanks between them one.
func (w *textWriter) text(s string) {
	if w.pre && !w.joined {
		for i, l := range strings.Split(s, "\n") {
			if i > 0 {
				w.br()
			}
			w.space = false
			w.word(l)
		}
		return
	}
	if strings.TrimFunc(s, invisible) == "" && strings.Contains(s, "\u00a0") && (w.owed > 0 || !w.begun) {
		w.br() // a line that was left empty
		return
	}
	for s != "" {
		i := strings.IndexFunc(s, unicode.IsSpace)
		if i < 0 {
			w.word(s)
			return
		}
		w.word(s[:i])
		w.space = true
		_, n := utf8.DecodeRuneInString(s[i:])
		s = s[i+n:]
	}
}

func (w *textWriter) word(s string) {
	if s == "" {
		return
	}
	switch {
	case w.owed > 0 || !w.begun:
		if w.begun {
			for ; w.owed > 1; w.owed-- {
				w.out.WriteByte('\n')
				w.out.WriteString(strings.TrimRight(strings.Join(w.indents, ""), " "))
			}
			w.out.WriteByte('\n')
		}
		for i, in := range w.indents {
			w.out.WriteString(in)
			if in != "> " { // a bullet stands before its first line only
				w.indents[i] = strings.Repeat(" ", len(in))
			}
		}
	case w.space:
		w.out.WriteByte(' ')
	}
	w.owed, w.space, w.begun = 0, false, true
	w.out.WriteString(s)
}

func nodeText(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
		if n.Data == "br" {
			b.WriteByte(' ')
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return b.String()
}

// strippedText is the plain fallback: the text of sanitised HTML, a line for each block.
func strippedText(clean string) string {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(clean))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return tidyText(b.String())
		case html.TextToken:
			b.WriteString(string(z.Text()))
		case html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			if n := string(name); closesParagraph[n] || n == "br" || n == "tr" || n == "li" {
				b.WriteByte('\n')
			} else if n == "td" || n == "th" {
				b.WriteByte(' ')
			}
		}
	}
}

// unmarkedText takes the marks out of a text, and lines of nothing else.
func unmarkedText(s string) string {
	if !hasMarks(s) {
		return s
	}
	var out []string
	for l := range strings.SplitSeq(s, "\n") {
		if hasMarks(l) {
			if l = unmarkedHTML(l); strings.Trim(l, "> ") == "" {
				continue
			}
			l = strings.TrimRight(l, " ")
		}
		out = append(out, l)
	}
	return tidyText(strings.Join(out, "\n"))
}

// tidyText trims lines and keeps at most one empty line between two; the invisible filling of
// newsletters' previews goes.
func tidyText(s string) string {
	s = strings.ReplaceAll(cleanText(s), "\u00a0", " ")
	var b strings.Builder
	b.Grow(len(s))
	empty := 0
	for l := range strings.SplitSeq(s, "\n") {
		l = strings.TrimRightFunc(l, invisible)
		if strings.TrimLeftFunc(l, invisible) == "" {
			empty++
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
			if empty > 0 {
				b.WriteByte('\n')
			}
		}
		empty = 0
		b.WriteString(l)
	}
	return b.String()
}

func invisible(r rune) bool {
	switch r {
	case 0x200b, 0x200c, 0x200d, 0x2060, 0xfeff, 0xad, 0x34f, 0x2007, 0x180e, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x200e, 0x200f:
		return true
	}
	return unicode.IsSpace(r)
}
