package wiki

import (
	"errors"
	"html/template"
	"io"
	"regexp"
	"strings"
	"sync"

	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"

	"groupmail/ticketing"
)

var address = regexp.MustCompile(`\bhttps?://[^\s<>"'|\\^{}]+`)

// words matches exactly these.
func words(all ...string) *regexp.Regexp {
	for i, w := range all {
		all[i] = regexp.QuoteMeta(w)
	}
	return regexp.MustCompile("^(?:" + strings.Join(all, "|") + ")$")
}

// mailPolicy is what HTML from outside may hold here. It was sanitised when it came; it is again on its
// way out, since what is kept may be older than what is known today.
var mailPolicy = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "div", "span", "br", "hr", "b", "strong", "i", "em", "u", "s", "del", "ins", "sub", "sup", "small", "big", "code", "pre",
		"blockquote", "ul", "ol", "li", "dl", "dt", "dd", "table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption", "center", "address", "q", "cite")
	for h := range 6 { // a mail's headings are not the page's
		p.AllowElements("h" + string(rune('1'+h)))
	}
	p.AllowAttrs("colspan", "rowspan").Matching(bluemonday.Integer).OnElements("td", "th")
	p.AllowAttrs("href").OnElements("a")
	p.AllowURLSchemes("http", "https", "mailto", "tel")
	p.RequireParseableURLs(true)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	return p
})

// formatted is a mail's HTML as it may be shown, and how many pictures were taken out of it.
func formatted(source string) (out template.HTML, pictures int) {
	z := html.NewTokenizer(strings.NewReader(source))
	for z.Next() != html.ErrorToken {
		if name, _ := z.TagName(); string(name) == "img" {
			pictures++
		}
	}
	if !errors.Is(z.Err(), io.EOF) {
		return "", pictures
	}
	return template.HTML(unheaded.Replace(mailPolicy().Sanitize(source))), pictures //nolint:gosec // it was sanitised
}

// unheaded makes paragraphs of headings: what bluemonday writes holds these bytes as tags only.
var unheaded = func() *strings.Replacer {
	var all []string
	for h := range 6 {
		n := string(rune('1' + h))
		all = append(all, "<h"+n+">", "<p><strong>", "</h"+n+">", "</strong></p>")
	}
	return strings.NewReplacer(all...)
}()

// shownMail is a mail as a page shows it.
type shownMail struct {
	ticketing.Mail
	Own      template.HTML // what the writer wrote
	Quoted   template.HTML // what was quoted, and the signature; empty: nothing
	Whole    bool          // Quoted is the whole text, Own included
	HTML     template.HTML // empty: there is none
	Pictures int
	Files    []file
}

type file struct {
	ticketing.Attachment
	Path string
}

func shown(g ticketing.Group, m ticketing.Mail) shownMail {
	s := shownMail{Mail: m, Files: files(g, m)}
	reply := m.Reply
	if strings.TrimSpace(reply) == "" {
		reply = m.Text
	}
	s.Own = linked(strings.TrimSpace(reply))
	if rest, ok := strings.CutPrefix(strings.TrimSpace(m.Text), strings.TrimSpace(reply)); ok {
		s.Quoted = linked(strings.TrimSpace(rest))
	} else {
		s.Quoted, s.Whole = linked(strings.TrimSpace(m.Text)), true
	}
	if m.HTML != "" {
		s.HTML, s.Pictures = formatted(m.HTML)
	}
	return s
}

func files(g ticketing.Group, m ticketing.Mail) (all []file) {
	for i, a := range m.Attachments {
		all = append(all, file{a, to(g.Name, "file", number(int64(m.ID)), number(int64(i)), a.Name)})
	}
	return all
}
