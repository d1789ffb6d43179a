package message

import (
	"net/url"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"
	"golang.org/x/net/idna"
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
func Sanitise(html string) string { return unmarkedHTML(sanitise(cleanText(html))) }

// sanitise is Sanitise of clean text, with marks where a mail program has named a quote or a signature.
// What cannot be said to bluemonday is done before it; then bluemonday decides what stays.
func sanitise(html string) string {
	out, ok := simplify(html, true)
	if !ok || strings.TrimSpace(out) == "" {
		// Something hidden or dropped was never closed, or all is hidden: rather show too much than
		// lose the mail.
		out, _ = simplify(html, false)
	}
	if settled(out) {
		return out
	}
	return policy().Sanitize(out)
}

// policy is the allow-list.
var policy = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	for name, how := range elements {
		if how == keepTags || how == voidTag {
			p.AllowElements(name)
		}
	}
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("colspan", "rowspan").Matching(bluemonday.Integer).OnElements("td", "th")
	p.AllowURLSchemes("http", "https", "mailto", "tel")
	p.RequireParseableURLs(true)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	p.AddTargetBlankToFullyQualifiedLinks(true)
	return p
})

// How bluemonday writes a link under this policy.
const (
	webLink   = `" rel="nofollow noreferrer noopener" target="_blank">`
	otherLink = `" rel="nofollow noreferrer">`
)

// settled tells HTML of which bluemonday, under policy, would change no byte, so that it need not be
// asked: it takes twice as long as reading the whole mail. It knows nothing but text, the five
// entities, tags of the allow-list without attributes, spans of cells, and links of the plainest
// form; at anything else it says no. FuzzSettled holds it against bluemonday.
func settled(s string) bool {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case inertByte[c] || c >= utf8.RuneSelf:
			i++
		case c == '&':
			n := entityLen(s[i:])
			if n == 0 {
				return false
			}
			i += n
		case c == '<':
			n := tagLen(s[i:])
			if n == 0 {
				return false
			}
			i += n
		default:
			return false
		}
	}
	return true
}

func entityLen(s string) int {
	for _, e := range [...]string{"&amp;", "&lt;", "&gt;", "&#34;", "&#39;"} {
		if strings.HasPrefix(s, e) {
			return len(e)
		}
	}
	return 0
}

// tagLen is the length of the tag that s begins with, 0 if it is none that settled knows.
func tagLen(s string) int {
	rest := s[1:]
	if link, ok := strings.CutPrefix(rest, `a href="`); ok {
		n := linkLen(link, "&amp;")
		if n == 0 || n == len(link) {
			return 0
		}
		end := otherLink
		if link[0] == 'h' {
			end = webLink
		}
		if !strings.HasPrefix(link[n:], end) {
			return 0
		}
		return len(`<a href="`) + n + len(end)
	}
	rest = strings.TrimPrefix(rest, "/")
	end := strings.IndexByte(rest[:min(len(rest), 40)], '>')
	if end < 0 {
		return 0
	}
	name := rest[:end]
	if cell, ok := strings.CutPrefix(name, "td "); ok {
		name = spans(cell)
	} else if cell, ok := strings.CutPrefix(name, "th "); ok {
		name = spans(cell)
	}
	switch how := elements[name]; {
	case how == voidTag && s[1] != '/', how == keepTags && (name != "a" || s[1] == '/'):
		return len(s) - len(rest) + end + 1
	}
	return 0
}

// spans reads the attributes of a cell and gives "td" if they are as simplify writes them.
func spans(attrs string) string {
	for attr := range strings.SplitSeq(attrs, " ") {
		v, ok := strings.CutPrefix(attr, `colspan="`)
		if !ok {
			v, ok = strings.CutPrefix(attr, `rowspan="`)
		}
		n, closed := strings.CutSuffix(v, `"`)
		if !ok || !closed || spanNumber(n) != n || n == "" {
			return ""
		}
	}
	return "td"
}

// linkByte are the bytes of a path or a query that net/url neither escapes nor unescapes.
var linkByte = func() (t [256]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/=+,;:@!$*()" {
		t[c] = true
	}
	return t
}()

// linkLen is the length of the address that s holds, up to a quotation mark or the end; 0 if it is not
// of the plainest form. and is how the address has an ampersand.
func linkLen(s, and string) int {
	web := strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
	i := strings.IndexByte(s[:min(len(s), 8)], ':') + 1
	switch {
	case web:
		i += 2
		host := i
		for i < len(s) && (s[i] == '-' || s[i] == '.' || '0' <= s[i] && s[i] <= '9' || 'a' <= s[i]|0x20 && s[i]|0x20 <= 'z') {
			i++
		}
		if i == host || i < len(s) && s[i] != '"' && s[i] != '/' && s[i] != '?' {
			return 0
		}
	case strings.HasPrefix(s, "mailto:"), strings.HasPrefix(s, "tel:"):
		if i == len(s) || s[i] == '/' || s[i] == '"' || s[i] == '?' {
			return 0
		}
	default:
		return 0
	}
	query := false
	for i < len(s) {
		switch c := s[i]; {
		case c == '"':
			return i
		case linkByte[c]:
			i++
		case c == '%' && isHex2(s[i+1:]):
			i += 3
		case c == '?' && !query:
			query = true
			i++
		case c == '&' && query && strings.HasPrefix(s[i:], and):
			i += len(and)
		default:
			return 0
		}
	}
	return i
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

type sanitiser struct {
	out  strings.Builder
	open []string
	hide bool
	skip string // element being dropped with its content
	deep int    // of the same name inside it

	pre     string // element whose style says that blanks and line ends count
	preDeep int    // of the same name inside it

	marked []openMark // of the elements in open
}

type openMark struct {
	depth int // of the element: len(open) while it is the innermost
	end   string
}

// simplify writes HTML anew with what the policy allows, balanced and flat enough, and does what an
// allow-list cannot: it drops what was hidden (if hide is set), puts alternative texts in place of
// images, makes links say where they lead, and marks quotes and signatures. It tells whether all
// that it dropped was closed.
func simplify(src string, hide bool) (out string, ok bool) {
	s := sanitiser{hide: hide}
	s.out.Grow(len(src) + len(src)/8)
	for t := (tokens{rest: src}); t.next(); {
		switch t.kind {
		case textToken:
			if s.skip == "" {
				text := html.UnescapeString(t.text)
				if s.pre != "" {
					s.preformatted(text)
				} else {
					s.escape(text)
				}
			}
		case startTag:
			s.start(&t)
		case endTag:
			s.end(t.name)
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

func (s *sanitiser) start(t *tokens) {
	name := t.name
	if s.skip != "" {
		if name == s.skip && !t.slash {
			s.deep++
		}
		return
	}
	how := elements[name]
	if how == dropAll {
		empty := noContent[name] || t.slash && (name == "svg" || name == "math" || name == "xml")
		if !empty && (s.hide || rawText[name]) {
			s.skip, s.deep = name, 1
		}
		return
	}
	var href, alt, colspan, rowspan string
	var mark marking
	hidden, pre := false, false
	for _, a := range t.attrs {
		switch a.name {
		case "href":
			if name == "a" {
				href = a.unescaped()
			}
		case "alt":
			if name == "img" {
				alt = a.unescaped()
			}
		case "style":
			style := a.unescaped()
			hidden = hidden || hiddenStyle(style)
			pre = pre || strings.Contains(style, "white-space") && preStyle.MatchString(style)
			if mark == (marking{}) && markable[name] {
				mark = markOfStyle(name, style)
			}
		case "class", "id", "data-marker":
			if markable[name] {
				if m := markOf(a.unescaped()); m != (marking{}) {
					mark = m
				}
			}
		case "hidden":
			hidden = true
		case "colspan":
			colspan = spanNumber(a.unescaped())
		case "rowspan":
			rowspan = spanNumber(a.unescaped())
		}
	}
	if hidden && s.hide {
		if !noContent[name] && !t.slash {
			s.skip, s.deep = name, 1
		}
		return
	}
	switch {
	case s.pre == name && name != "p":
		s.preDeep++
	case s.pre == name && !pre: // the end tag was left out
		s.pre = ""
	case s.pre == "" && pre && !noContent[name] && !t.slash:
		s.pre, s.preDeep = name, 1
	}
	switch {
	case name == "img":
		if alt = strings.TrimSpace(alt); alt != "" {
			s.escape(alt)
		}
		return
	case how == voidTag:
		if name == "hr" {
			s.closeTo("p", blocks)
			s.out.WriteString(mark.begin)
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
		s.escape(href)
		if strings.HasPrefix(href, "http") {
			s.out.WriteString(webLink)
		} else {
			s.out.WriteString(otherLink)
		}
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
	s.out.WriteString(mark.begin)
	s.open = append(s.open, name)
	if mark.end != "" {
		s.marked = append(s.marked, openMark{len(s.open), mark.end})
	}
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
	if name == s.pre {
		if s.preDeep--; s.preDeep == 0 {
			s.pre = ""
		}
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
	if n := len(s.marked); n > 0 && s.marked[n-1].depth == len(s.open) {
		s.out.WriteString(s.marked[n-1].end)
		s.marked = s.marked[:n-1]
	}
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
func (s *sanitiser) escape(t string) {
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
			r, n = utf8.DecodeRuneInString(t[i:])
			if r == utf8.RuneError && n == 1 {
				esc = "\ufffd"
			} else if !unwanted(r) && !isMark(r) {
				i += n
				continue
			}
		}
		s.out.WriteString(t[last:i])
		s.out.WriteString(esc)
		i += n
		last = i
	}
	s.out.WriteString(t[last:])
}

var preStyle = regexp.MustCompile(`\bwhite-space(?:-collapse)?\s*:\s*(?:pre|break-spaces)`)

// preformatted writes text of which blanks and line ends count, in the means of HTML without styles.
func (s *sanitiser) preformatted(t string) {
	if strings.TrimSpace(t) == "" && strings.Contains(t, "\n") {
		s.escape(t) // between two elements
		return
	}
	first := true
	for l := range strings.SplitSeq(strings.ReplaceAll(t, "\t", "    "), "\n") {
		if !first {
			s.tag("<", "br")
		}
		first = false
		if rest, ok := strings.CutPrefix(l, " "); ok {
			l = "\u00a0" + rest
		}
		s.escape(strings.ReplaceAll(l, "  ", " \u00a0"))
	}
}

// mayHide looks, cheaply, for a word that hiddenStyle would need.
func mayHide(style string) bool {
	for i, c := range []byte(style) {
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
		if len(style)-i >= len(w) && strings.EqualFold(style[i:i+len(w)], w) {
			return true
		}
	}
	return false
}

func spanNumber(v string) string {
	t := strings.TrimSpace(v)
	if len(t) == 0 || len(t) > 2 || strings.Trim(t, "0123456789") != "" || t == "0" || t == "1" || t == "00" {
		return ""
	}
	return t
}

// hiddenStyle tells whether a style makes its element invisible: the preheaders of newsletters, and
// what spammers hide from people.
func hiddenStyle(style string) bool {
	if len(style) < 9 || !mayHide(style) {
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
	if len(href) <= mostInLink && linkLen(href, "&") == len(href) {
		return href // nothing in it that parsing would change
	}
	return parsedLink(href)
}

func parsedLink(href string) string {
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
		if !isASCII([]byte(host)) {
			// as it is looked up, so that letters that look alike do not look alike
			ascii, err := idna.Lookup.ToASCII(host)
			if err != nil {
				return ""
			}
			host = ascii
		}
		if host == "" || strings.ContainsAny(host, " \"'<>^`{|}%") {
			return ""
		}
		href = scheme + "://" + host + linkEscapes.Replace(path)
	case "mailto", "tel":
		if rest = strings.TrimLeft(rest, "/"); rest == "" {
			return ""
		}
		href = scheme + ":" + linkEscapes.Replace(rest)
	default:
		return ""
	}
	u, err := url.Parse(href)
	if err != nil {
		return ""
	}
	href = u.String()
	if again, err := url.Parse(href); err != nil || again.String() != href {
		return "" // programs would not agree on where it leads
	}
	return href
}

var linkEscapes = strings.NewReplacer(" ", "%20", `"`, "%22", "'", "%27", "<", "%3C", ">", "%3E", "`", "%60", "\u00a0", "%C2%A0")

// Mail programs name the quotes and signatures that they write. Their names do not outlive
// sanitising: in their place stands, until the reply is cut out of the text, one of these
// noncharacters of Unicode; those that the mail brings itself are dropped.
const (
	attributionMark = "\ufdd0" // what follows is "On Monday, Ben wrote:" or a header, in whatever language
	restMark        = "\ufdd1" // from here on it is quoted
	quoteMark       = "\ufdd2" // quoted, up to quoteEnd
	quoteEnd        = "\ufdd3"
	signatureMark   = "\ufdd4" // signature, up to signatureEnd
	signatureEnd    = "\ufdd5"
	headerMark      = "\ufdd6" // perhaps a header like Outlook's
	indentMark      = "\ufdd7" // a blockquote that only indents
)

// marking is what is written after an element's start tag and before its end tag.
type marking struct{ begin, end string }

var markable = words(`div blockquote hr table`)

// markOf tells what a class or an id says of an element.
func markOf(name string) marking {
	if len(name) > 200 {
		return marking{}
	}
	for n := range strings.FieldsSeq(name) {
		n = strings.ToLower(n)
		if i := strings.LastIndex(n, "x_"); i >= 0 { // Outlook's, when it quotes another's
			n = n[i+2:]
		}
		switch n {
		case "gmail_attr", "moz-cite-prefix", "replyheader", "moz-email-headers-table":
			return marking{begin: attributionMark}
		case "divrplyfwdmsg", "mail-editor-reference-message-container", "zwchr", "__divider__", "reply-intro":
			return marking{begin: restMark}
		case "outlookmessageheader":
			return marking{begin: headerMark}
		case "zmail_extra", "protonmail_quote", "tutanota_quote", "aolreplacedbody", "mail-quote-collapse":
			return marking{quoteMark, quoteEnd}
		case "gmail_signature", "ms-outlook-mobile-signature", "moz-signature", "protonmail_signature_block", "signature", "__sig_post__", "applemailsignature", "mail-signature", "zm_signature":
			return marking{signatureMark, signatureEnd}
		case "webkit-indent-blockquote":
			return marking{begin: indentMark}
		}
		if strings.HasSuffix(n, "yahoo_quoted") {
			return marking{quoteMark, quoteEnd}
		}
	}
	return marking{}
}

// markOfStyle knows the line that Outlook draws above the header of a quoted mail, and the blockquote
// by which Gmail and Apple Mail indent.
func markOfStyle(name, style string) marking {
	if !strings.Contains(style, "border") {
		return marking{}
	}
	style = strings.ReplaceAll(strings.ToLower(style), " ", "")
	switch {
	case name == "blockquote":
		if strings.Contains(style, "border:none") && !strings.Contains(style, "border-left:") {
			return marking{begin: indentMark}
		}
	case strings.Contains(style, "border-top:solid#"):
		return marking{begin: headerMark}
	}
	return marking{}
}

func isMark(r rune) bool { return 0xfdd0 <= r && r <= 0xfdef }

// markBytes are how the UTF-8 of every mark begins.
const markBytes = "\xef\xb7"

func hasMarks(s string) bool { return strings.Contains(s, markBytes) }

// unmarkedHTML takes the marks away.
func unmarkedHTML(s string) string {
	if !hasMarks(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for {
		i := strings.Index(s, markBytes)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if isMark(r) {
			b.WriteString(s[:i])
		} else {
			b.WriteString(s[:i+n])
		}
		s = s[i+n:]
	}
}
