package message

import (
	"bytes"
	"net/url"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/JohannesKaufmann/html-to-markdown/v2/converter"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/base"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/commonmark"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/strikethrough"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/table"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Sanitise is the one policy for HTML that came by mail. What comes out is made anew, from an
// allow-list: text, paragraphs, lists, tables, quotes, emphasis and links. Gone are scripts,
// styles, forms, frames, ids, classes, everything that loads from elsewhere, and text that the
// sender hid. An image becomes its alternative text. Links lead to http, https, mailto and tel
// only, open in a window of their own and tell nobody where they were found.
//
// The output holds no element whose content a browser reads by other rules than the tokenizer
// here (no foreign content, no raw text, no comments), no attribute but href, rel, target, colspan
// and rowspan, and is balanced and at most 100 deep: reading it again gives the same.
func Sanitise(html string) string {
	html = cleanText(html)
	out, ok := sanitise(html, true)
	if !ok {
		// Something hidden or dropped was never closed: rather show too much than lose the mail.
		out, _ = sanitise(html, false)
	}
	return out
}

const (
	deepest    = 100 // elements open at a time
	mostInLink = 2 << 10
)

// How an element is treated; one that is not named loses its tags and keeps its content.
const (
	dropTags = iota
	keepTags
	dropAll
	voidTag
)

var elements = func() map[string]int {
	m := map[string]int{}
	for how, names := range map[int]string{
		keepTags: `p div a b strong i em u s strike del ins code pre blockquote ul ol li dl dt dd
			h1 h2 h3 h4 h5 h6 table thead tbody tfoot tr th td caption sub sup small`,
		voidTag: `br hr`,
		dropAll: `script style title textarea select option iframe object embed applet noscript noembed
			noframes template svg math xml audio video canvas frameset plaintext xmp listing
			datalist portal fencedframe`,
	} {
		for n := range strings.FieldsSeq(names) {
			m[n] = how
		}
	}
	return m
}()

// noContent are the elements that have no end tag.
var noContent = words(`area base br col embed hr img input link meta param source track wbr frame keygen basefont bgsound`)

// rawText are the elements in which a browser looks for nothing but their end tag. If that is
// missing, nobody sees what follows.
var rawText = words(`script style title textarea iframe noembed noframes noscript plaintext xmp`)

// closesParagraph are the elements that end an open p.
var closesParagraph = words(`p div pre blockquote ul ol dl h1 h2 h3 h4 h5 h6 table hr`)

// intern gives the name of a common element without making a string.
func intern(name []byte) string {
	if n, ok := commonNames[string(name)]; ok {
		return n
	}
	return string(name)
}

var commonNames = func() map[string]string {
	m := map[string]string{}
	for n := range elements {
		m[n] = n
	}
	for n := range strings.FieldsSeq(`span font center html head body meta link img form input button label section article header footer main nav o:p tt big wbr nobr`) {
		m[n] = n
	}
	return m
}()

type sanitiser struct {
	out  strings.Builder
	open []string
	hide bool
	skip string // element being dropped with its content
	deep int    // of the same name inside it
}

func sanitise(src string, hide bool) (out string, ok bool) {
	s := sanitiser{hide: hide}
	s.out.Grow(len(src) + len(src)/8)
	z := html.NewTokenizer(strings.NewReader(src))
	for {
		tt := z.Next()
		if tt == html.ErrorToken {
			break
		}
		switch tt {
		case html.TextToken:
			if s.skip == "" {
				// Raw is Text without its copies: the source is clean, and only & needs undoing.
				if t := z.Raw(); bytes.IndexByte(t, '&') < 0 {
					s.escape(t)
				} else {
					s.escape([]byte(html.UnescapeString(string(t))))
				}
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			s.start(z, intern(name), more, tt == html.SelfClosingTagToken)
		case html.EndTagToken:
			name, _ := z.TagName()
			s.end(intern(name))
		}
	}
	if s.skip != "" && hide {
		return "", false
	}
	for len(s.open) > 0 {
		s.pop()
	}
	return s.out.String(), true
}

func (s *sanitiser) start(z *html.Tokenizer, name string, more, selfClosing bool) {
	if s.skip != "" {
		if name == s.skip && !selfClosing {
			s.deep++
		}
		return
	}
	how := elements[name]
	if how == dropAll {
		empty := noContent[name] || selfClosing && (name == "svg" || name == "math" || name == "xml")
		if !empty && (s.hide || rawText[name]) {
			s.skip, s.deep = name, 1
		}
		return
	}
	var href, alt, colspan, rowspan string
	hidden := false
	if more && !usesAttributes[name] && !mayHide(z.Raw()) {
		more = false // what the tag says is of no interest
	}
	for more {
		var k, v []byte
		k, v, more = z.TagAttr()
		switch string(k) {
		case "href":
			if name == "a" && href == "" {
				href = string(v)
			}
		case "alt":
			alt = string(v)
		case "style":
			hidden = hidden || hiddenStyle(string(v))
		case "hidden":
			hidden = true
		case "colspan":
			colspan = spanNumber(v)
		case "rowspan":
			rowspan = spanNumber(v)
		}
	}
	if hidden && s.hide {
		if !noContent[name] && !selfClosing {
			s.skip, s.deep = name, 1
		}
		return
	}
	switch {
	case name == "img":
		if alt = strings.TrimSpace(alt); alt != "" {
			s.escape([]byte(alt))
		}
		return
	case how == voidTag:
		if name == "hr" {
			s.closeTo("p", blocks)
		}
		s.tag("<", name)
		return
	case how != keepTags || len(s.open) >= deepest:
		return
	}
	s.imply(name)
	switch name {
	case "a":
		if href = safeLink(href); href == "" {
			return
		}
		s.closeTo("a", nil)
		s.out.WriteString(`<a href="`)
		s.escape([]byte(href))
		s.out.WriteString(`" rel="nofollow noopener noreferrer" target="_blank">`)
	case "td", "th":
		s.out.WriteString("<" + name)
		if colspan != "" {
			s.out.WriteString(` colspan="` + colspan + `"`)
		}
		if rowspan != "" {
			s.out.WriteString(` rowspan="` + rowspan + `"`)
		}
		s.out.WriteByte('>')
	default:
		s.tag("<", name)
	}
	s.open = append(s.open, name)
}

func (s *sanitiser) end(name string) {
	if s.skip != "" {
		if name == s.skip {
			if s.deep--; s.deep == 0 {
				s.skip = ""
			}
		}
		return
	}
	if elements[name] != keepTags {
		if name == "br" { // browsers take </br> for <br>
			s.out.WriteString("<br>")
		}
		return
	}
	if name == "table" {
		s.closeTo(name, nil)
	} else {
		s.closeTo(name, tables)
	}
}

// What an end tag does not reach across.
var (
	tables = words(`table`)
	rows   = words(`tr table`)
	lists  = words(`ul ol dl table`)
	blocks = words(`table blockquote li div td th dd`)
)

// imply writes the end tags that HTML lets people leave out.
func (s *sanitiser) imply(name string) {
	if closesParagraph[name] {
		s.closeTo("p", blocks)
	}
	switch name {
	case "li":
		s.closeTo("li", lists)
	case "dt", "dd":
		s.closeTo("dt", lists)
		s.closeTo("dd", lists)
	case "td", "th":
		s.closeTo("td", rows)
		s.closeTo("th", rows)
	case "tr":
		s.closeTo("tr", tables)
	case "thead", "tbody", "tfoot":
		s.closeTo("thead", tables)
		s.closeTo("tbody", tables)
		s.closeTo("tfoot", tables)
	}
}

// closeTo closes the innermost open element of that name and what is open inside it, unless one of
// stop lies between.
func (s *sanitiser) closeTo(name string, stop map[string]bool) {
	for i := len(s.open) - 1; i >= 0; i-- {
		if s.open[i] == name {
			for len(s.open) > i {
				s.pop()
			}
			return
		}
		if stop[s.open[i]] {
			return
		}
	}
}

func (s *sanitiser) pop() {
	name := s.open[len(s.open)-1]
	s.open = s.open[:len(s.open)-1]
	s.tag("</", name)
}

func (s *sanitiser) tag(begin, name string) {
	s.out.WriteString(begin)
	s.out.WriteString(name)
	s.out.WriteByte('>')
}

// inertByte are the bytes that mean nothing in HTML.
var inertByte = func() (t [256]bool) {
	t = plainByte
	for _, c := range `&<>"'` {
		t[c] = false
	}
	return t
}()

// escape writes text or an attribute's value. Entities may have brought controls back.
func (s *sanitiser) escape(t []byte) {
	last := 0
	for i := 0; i < len(t); {
		for i < len(t) && inertByte[t[i]] {
			i++
		}
		if i == len(t) {
			break
		}
		c := t[i]
		esc, n := "", 1
		switch {
		case c == '&':
			esc = "&amp;"
		case c == '<':
			esc = "&lt;"
		case c == '>':
			esc = "&gt;"
		case c == '"':
			esc = "&#34;"
		case c == '\'':
			esc = "&#39;"
		case c < utf8.RuneSelf: // a control
		default:
			var r rune
			r, n = utf8.DecodeRune(t[i:])
			if r == utf8.RuneError && n == 1 {
				esc = "\ufffd"
			} else if !unwanted(r) {
				i += n
				continue
			}
		}
		s.out.Write(t[last:i])
		s.out.WriteString(esc)
		i += n
		last = i
	}
	s.out.Write(t[last:])
}

var usesAttributes = words(`a img td th`)

// mayHide looks, cheaply, for a word in a tag that hiddenStyle or the attribute hidden would need.
func mayHide(tag []byte) bool {
	for i, c := range tag {
		var w string
		switch c | 0x20 {
		case 'n':
			w = "none"
		case 'h':
			w = "hidden"
		case 'o':
			w = "opacity"
		case 'c':
			w = "collapse"
		default:
			continue
		}
		if len(tag)-i >= len(w) && strings.EqualFold(string(tag[i:i+len(w)]), w) {
			return true
		}
	}
	return false
}

func spanNumber(v []byte) string {
	t := strings.TrimSpace(string(v))
	if len(t) == 0 || len(t) > 2 || strings.Trim(t, "0123456789") != "" || t == "0" || t == "1" || t == "00" {
		return ""
	}
	return t
}

// hiddenStyle tells whether a style makes its element invisible: the preheaders of newsletters, and
// what spammers hide from people.
func hiddenStyle(style string) bool {
	if len(style) < 9 {
		return false
	}
	zeroHeight, clipped := false, false
	for decl := range strings.SplitSeq(style, ";") {
		k, v, ok := strings.Cut(decl, ":")
		if !ok {
			continue
		}
		k = strings.ToLower(strings.TrimSpace(k))
		v = strings.ToLower(strings.TrimSpace(v))
		v = strings.TrimSpace(strings.TrimSuffix(v, "!important"))
		switch k {
		case "display":
			if v == "none" {
				return true
			}
		case "visibility":
			if v == "hidden" || v == "collapse" {
				return true
			}
		case "opacity":
			if strings.Trim(v, "0.%") == "" && v != "" {
				return true
			}
		case "max-height", "height":
			zeroHeight = zeroHeight || strings.TrimRight(v, "ptxem%") == "0"
		case "overflow":
			clipped = clipped || v == "hidden"
		}
	}
	return zeroHeight && clipped
}

// safeLink is a link that may be shown, or "". Browsers read backslashes as slashes and skip
// blanks and controls: so does this, before it looks at the scheme.
func safeLink(href string) string {
	if strings.ContainsFunc(href, func(r rune) bool { return r < ' ' || r > '~' }) {
		href = oneLine(strings.Map(func(r rune) rune {
			if r < ' ' || r == utf8.RuneError {
				return -1
			}
			return r
		}, href))
	}
	href = strings.TrimSpace(href)
	scheme, rest, ok := strings.Cut(href, ":")
	if !ok || len(href) > mostInLink {
		return ""
	}
	scheme = strings.ToLower(scheme)
	switch scheme {
	case "http", "https":
		rest = strings.TrimLeft(strings.ReplaceAll(rest, `\`, "/"), "/")
		host, path := rest, ""
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			host, path = rest[:i], rest[i:]
		}
		// http://bank.example@evil.example/ leads to evil.example
		host = host[strings.LastIndexByte(host, '@')+1:]
		if host == "" || strings.ContainsAny(host, " \"'<>^`{|}%") {
			return ""
		}
		return scheme + "://" + host + escapeLink(path)
	case "mailto", "tel":
		if rest = strings.TrimLeft(rest, "/"); rest == "" {
			return ""
		}
		return scheme + ":" + escapeLink(rest)
	}
	return ""
}

var linkEscapes = strings.NewReplacer(" ", "%20", `"`, "%22", "'", "%27", "<", "%3C", ">", "%3E", "`", "%60", "(", "%28", ")", "%29", "\u00a0", "%C2%A0")

func escapeLink(s string) string {
	if strings.ContainsAny(s, " \"'<>`()\u00a0") {
		return linkEscapes.Replace(s)
	}
	return s
}

// htmlText is sanitised HTML as Markdown.
func htmlText(clean string) (text string) {
	defer func() {
		if recover() != nil { // a fault of the converter must not cost the mail
			text = strippedText(clean)
		}
	}()
	if strings.Count(clean, "<") > mostElements {
		return strippedText(clean)
	}
	doc, err := html.Parse(strings.NewReader(clean))
	if err != nil {
		return strippedText(clean)
	}
	prepare(doc)
	md, err := markdown().ConvertNode(doc)
	if err != nil {
		return strippedText(clean)
	}
	return tidyText(showBrackets.Replace(string(md)))
}

// The converter writes < and > as entities. Text is no HTML, so they go through it as characters
// that mean nothing (Unicode's noncharacters).
var (
	hideBrackets = strings.NewReplacer("<", "\ufdd0", ">", "\ufdd1", "\ufdd0", "", "\ufdd1", "")
	showBrackets = strings.NewReplacer("\ufdd0", "<", "\ufdd1", ">")
)

const mostElements = 40_000

var markdown = sync.OnceValue(func() *converter.Converter {
	return converter.NewConverter(
		converter.WithEscapeMode(converter.EscapeModeDisabled),
		converter.WithPlugins(base.NewBasePlugin(), commonmark.NewCommonmarkPlugin(commonmark.WithListEndComment(false)),
			strikethrough.NewStrikethroughPlugin(), table.NewTablePlugin(table.WithCellPaddingBehavior(table.CellPaddingBehaviorMinimal), table.WithSkipEmptyRows(true))),
	)
})

// prepare readies the tree for Markdown: tables that only lay out become lines, links say where
// they lead.
func prepare(n *html.Node) {
	for c := n.FirstChild; c != nil; {
		next := c.NextSibling
		if c.Type == html.TextNode {
			c.Data = hideBrackets.Replace(c.Data)
		}
		if c.Type == html.ElementNode {
			prepare(c)
			switch c.Data {
			case "a":
				prepareLink(c)
			case "table":
				if !dataTable(c) {
					flatten(c)
				}
			case "u", "ins", "small", "sub", "sup":
				unwrap(c)
			case "div":
				lines(c)
			}
		}
		c = next
	}
}

// lines makes a line of a div that holds nothing but text: mail programs write a div for each line,
// where the converter would make a paragraph of it.
func lines(div *html.Node) {
	for c := div.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.ElementNode && (closesParagraph[c.Data] || c.Data == "li") {
			return
		}
	}
	br := func() *html.Node { return &html.Node{Type: html.ElementNode, Data: "br", DataAtom: atom.Br} }
	blank := func(n *html.Node) bool { return n.Type == html.TextNode && strings.TrimSpace(n.Data) == "" }
	before := div.PrevSibling
	for before != nil && blank(before) {
		before = before.PrevSibling
	}
	if before != nil && before.Data != "br" && !closesParagraph[before.Data] {
		div.Parent.InsertBefore(br(), div)
	}
	last := div.LastChild
	for last != nil && blank(last) {
		last = last.PrevSibling
	}
	if last != nil && last.Data != "br" {
		div.AppendChild(br())
	}
	unwrap(div)
}

func unwrap(n *html.Node) {
	for c := n.FirstChild; c != nil; c = n.FirstChild {
		n.RemoveChild(c)
		n.Parent.InsertBefore(c, n)
	}
	n.Parent.RemoveChild(n)
}

// prepareLink shows the true host of a link whose text names another one, and writes a link whose
// text is its address as that address.
func prepareLink(a *html.Node) {
	href := ""
	for _, at := range a.Attr {
		if at.Key == "href" {
			href = at.Val
		}
	}
	label := strings.Join(strings.Fields(nodeText(a)), " ")
	u, err := url.Parse(href)
	if href == "" || label == "" || err != nil {
		unwrapOrDrop(a, label)
		return
	}
	bare := func(s string) string {
		s = strings.TrimSuffix(strings.ToLower(s), "/")
		for _, p := range []string{"https://", "http://", "mailto:", "tel:", "www."} {
			s = strings.TrimPrefix(s, p)
		}
		return s
	}
	if bare(label) == bare(href) {
		for a.FirstChild != nil {
			a.RemoveChild(a.FirstChild)
		}
		t := label
		if u.Scheme == "http" || u.Scheme == "https" {
			t = href
		}
		a.AppendChild(&html.Node{Type: html.TextNode, Data: t})
		unwrap(a)
		return
	}
	if host := hostIn(label); host != "" && u.Host != "" && !sameSite(host, u.Hostname()) {
		a.AppendChild(&html.Node{Type: html.TextNode, Data: " → " + u.Hostname()})
	}
}

func unwrapOrDrop(a *html.Node, label string) {
	if label == "" {
		a.Parent.RemoveChild(a)
		return
	}
	unwrap(a)
}

// hostIn finds a host name that a link's text claims.
func hostIn(label string) string {
	for _, w := range strings.Fields(strings.ToLower(label)) {
		if _, r, ok := strings.Cut(w, "://"); ok {
			w = r
		}
		w = strings.Trim(w, `.,;:!?()[]"'<>`)
		if i := strings.IndexAny(w, "/?#:"); i >= 0 {
			w = w[:i]
		}
		if i := strings.LastIndexByte(w, '@'); i >= 0 {
			w = w[i+1:]
		}
		dot := strings.LastIndexByte(w, '.')
		if dot < 1 || len(w)-dot < 3 || strings.Trim(w[dot+1:], "abcdefghijklmnopqrstuvwxyz") != "" {
			continue
		}
		return w
	}
	return ""
}

func sameSite(a, b string) bool {
	a, b = strings.TrimPrefix(strings.ToLower(a), "www."), strings.TrimPrefix(strings.ToLower(b), "www.")
	return a == b || strings.HasSuffix(a, "."+b) || strings.HasSuffix(b, "."+a)
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

// dataTable tells whether a table is one to read as a table: a head, or two and more columns
// of short cells in two and more rows.
func dataTable(t *html.Node) bool {
	rows, wide, heads := 0, 0, 0
	fit := true
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if c.Type != html.ElementNode {
				continue
			}
			switch c.Data {
			case "tr":
				rows++
				cells := 0
				for d := c.FirstChild; d != nil; d = d.NextSibling {
					if d.Type == html.ElementNode && (d.Data == "td" || d.Data == "th") {
						cells++
						if d.Data == "th" {
							heads++
						}
						if !shortCell(d) {
							fit = false
						}
					}
				}
				if cells > 1 {
					wide++
				}
			case "thead", "tbody", "tfoot":
				walk(c)
			}
		}
	}
	walk(t)
	return fit && heads > 1 && rows > 1 && wide*2 > rows
}

func shortCell(td *html.Node) bool {
	blocks, size := 0, 0
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			switch {
			case c.Type == html.TextNode:
				size += len(strings.TrimSpace(c.Data))
			case c.Type == html.ElementNode && (c.Data == "p" || c.Data == "div"):
				blocks++
			case c.Type == html.ElementNode && (closesParagraph[c.Data] || c.Data == "li"):
				blocks += 2
			}
			walk(c)
		}
	}
	walk(td)
	return blocks <= 1 && size <= 200
}

// flatten makes lines of a table: a row of short cells one line, everything else blocks.
func flatten(t *html.Node) {
	box := &html.Node{Type: html.ElementNode, Data: "div"}
	moveAll := func(from, to *html.Node) {
		for c := from.FirstChild; c != nil; c = from.FirstChild {
			from.RemoveChild(c)
			to.AppendChild(c)
		}
	}
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		for c := n.FirstChild; c != nil; c = n.FirstChild {
			n.RemoveChild(c)
			if c.Type != html.ElementNode {
				if strings.TrimSpace(c.Data) != "" {
					box.AppendChild(c)
				}
				continue
			}
			switch c.Data {
			case "thead", "tbody", "tfoot":
				walk(c)
			case "tr":
				flattenRow(c, box, moveAll)
			default:
				d := &html.Node{Type: html.ElementNode, Data: "div"}
				moveAll(c, d)
				box.AppendChild(d)
			}
		}
	}
	walk(t)
	t.Parent.InsertBefore(box, t)
	t.Parent.RemoveChild(t)
}

func flattenRow(tr, box *html.Node, moveAll func(from, to *html.Node)) {
	var cells []*html.Node
	short := true
	for c := tr.FirstChild; c != nil; c = tr.FirstChild {
		tr.RemoveChild(c)
		if strings.TrimSpace(nodeText(c)) == "" {
			continue
		}
		if c.Type == html.ElementNode {
			short = short && shortCell(c)
		}
		cells = append(cells, c)
	}
	if len(cells) == 0 {
		return
	}
	if !short || len(cells) == 1 {
		for _, c := range cells {
			d := &html.Node{Type: html.ElementNode, Data: "div"}
			if c.Type == html.ElementNode {
				moveAll(c, d)
			} else {
				d.AppendChild(c)
			}
			box.AppendChild(d)
		}
		return
	}
	sep := " | "
	for i, c := range cells {
		if i > 0 {
			box.AppendChild(&html.Node{Type: html.TextNode, Data: sep})
		}
		sep = " | "
		if strings.HasSuffix(strings.TrimSpace(nodeText(c)), ":") {
			sep = " " // "Name: Maria"
		}
		for c.FirstChild != nil && c.FirstChild == c.LastChild && c.FirstChild.Type == html.ElementNode && (c.FirstChild.Data == "p" || c.FirstChild.Data == "div") {
			unwrap(c.FirstChild)
		}
		if c.Type == html.ElementNode {
			moveAll(c, box)
		} else {
			box.AppendChild(c)
		}
	}
	box.AppendChild(&html.Node{Type: html.ElementNode, Data: "br", DataAtom: atom.Br})
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
