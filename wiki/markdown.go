package wiki

import (
	"bytes"
	"html/template"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// markdown is CommonMark with tables, task lists, struck text, bare addresses, and links between pages. HTML
// in it is text like any other: what somebody wrote is never left out.
var markdown = func() goldmark.Markdown {
	blocks := slices.DeleteFunc(parser.DefaultBlockParsers(), func(p util.PrioritizedValue) bool { return p.Priority == 900 })  // HTML blocks
	inline := slices.DeleteFunc(parser.DefaultInlineParsers(), func(p util.PrioritizedValue) bool { return p.Priority == 400 }) // raw HTML
	inline = append(inline, util.Prioritized(pageLinks{}, 150))                                                                 // before links
	return goldmark.New(
		goldmark.WithParser(parser.NewParser(
			parser.WithBlockParsers(blocks...), parser.WithInlineParsers(inline...),
			parser.WithParagraphTransformers(parser.DefaultParagraphTransformers()...),
		)),
		goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)), extension.TaskList, extension.Strikethrough,
			extension.NewLinkify(extension.WithLinkifyAllowedProtocols([]string{"http:", "https:", "mailto:"}))),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(asPages{}, 100))),
	)
}()

// pageLink is [[name]] or [[name|words]].
type pageLink struct {
	ast.BaseInline
	name, words string
	path        string // empty: there is no such page
}

var kindPageLink = ast.NewNodeKind("PageLink")

func (*pageLink) Kind() ast.NodeKind              { return kindPageLink }
func (n *pageLink) Dump(source []byte, level int) { ast.DumpHelper(n, source, level, nil, nil) }

// pageLinks parses them.
type pageLinks struct{}

func (pageLinks) Trigger() []byte { return []byte{'['} }

func (pageLinks) Parse(_ ast.Node, block text.Reader, _ parser.Context) ast.Node {
	line, _ := block.PeekLine()
	if !bytes.HasPrefix(line, []byte("[[")) {
		return nil
	}
	inner, _, ok := bytes.Cut(line[2:], []byte("]]"))
	if !ok || bytes.ContainsAny(inner, "[]") || len(bytes.TrimSpace(inner)) == 0 {
		return nil
	}
	block.Advance(len(inner) + 4)
	name, words, both := strings.Cut(string(inner), "|")
	n := &pageLink{name: strings.TrimSpace(name), words: strings.TrimSpace(words)}
	if !both || n.words == "" {
		n.words = n.name
	}
	return n
}

// asPages writes what pages have of their own, and what is not to be as it is elsewhere.
type asPages struct{}

func (asPages) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(kindPageLink, func(b util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
		n := node.(*pageLink)
		if !entering {
			return ast.WalkContinue, nil
		}
		words := template.HTMLEscapeString(n.words)
		if n.path == "" {
			_, _ = b.WriteString(`<span class="missing" title="There is no such page yet">` + words + `</span>`)
		} else {
			_, _ = b.WriteString(`<a href="` + template.HTMLEscapeString(n.path) + `">` + words + `</a>`)
		}
		return ast.WalkContinue, nil
	})
	// A picture from elsewhere would tell its owner who reads here and when: it is a link.
	r.Register(ast.KindImage, func(b util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			_, _ = b.WriteString(` (picture)</a>`)
			return ast.WalkContinue, nil
		}
		_, _ = b.WriteString(`<a href="` + template.HTMLEscapeString(string(util.URLEscape(node.(*ast.Image).Destination, true))) + `">`)
		return ast.WalkContinue, nil
	})
	r.Register(east.KindTaskCheckBox, func(b util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			box := `<span class="task" role="img" aria-label="to do">☐</span> `
			if node.(*east.TaskCheckBox).IsChecked {
				box = `<span class="task" role="img" aria-label="done">☑</span> `
			}
			_, _ = b.WriteString(box)
		}
		return ast.WalkContinue, nil
	})
}

// pagePolicy lets through what markdown writes: it writes nothing else, and is believed no more than that.
var pagePolicy = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "h2", "h3", "h4", "h5", "h6", "em", "strong", "del", "code", "pre", "blockquote", "ul", "ol", "li",
		"table", "thead", "tbody", "tr", "th", "td")
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	p.AllowAttrs("align").Matching(bluemonday.CellAlign).OnElements("th", "td")
	p.AllowAttrs("href", "title").OnElements("a")
	p.AllowAttrs("class").Matching(words("missing", "task")).OnElements("span")
	p.AllowAttrs("role").Matching(words("img")).OnElements("span")
	p.AllowAttrs("aria-label").Matching(words("to do", "done")).OnElements("span")
	p.AllowAttrs("title").OnElements("span")
	p.AllowURLSchemes("http", "https", "mailto", "tel")
	p.AllowRelativeURLs(true)
	p.RequireParseableURLs(true)
	p.RequireNoFollowOnFullyQualifiedLinks(true)
	p.RequireNoReferrerOnFullyQualifiedLinks(true)
	return p
})

// rendered is a page's text as HTML, its headings from level base on. find tells where the pages are that it links to, by their names; one
// that there is not is left out.
func rendered(source string, base int, find func(names []string) (map[string]string, error)) (template.HTML, error) {
	src := []byte(tame(source))
	doc := markdown.Parser().Parse(text.NewReader(src))
	var links []*pageLink
	var names []string
	var headings []*ast.Heading
	err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *pageLink:
			if entering {
				links, names = append(links, n), append(names, n.name)
			}
		case *ast.Heading:
			if entering {
				headings = append(headings, n)
			}
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return "", err
	}
	if len(names) > 0 {
		paths, err := find(names)
		if err != nil {
			return "", err
		}
		for _, l := range links {
			l.path = paths[l.name]
		}
	}
	outline(headings, base)
	var b bytes.Buffer
	if err := markdown.Renderer().Render(&b, src, doc); err != nil {
		return "", err
	}
	return template.HTML(pagePolicy().SanitizeReader(&b).String()), nil //nolint:gosec // it was sanitised
}

const (
	mostSigns   = 3000   // in a block: what is parsed of them grows with their square
	mostCells   = 20_000 // of a table: a short row is filled up to as many as the first has
	mostColumns = 64
)

var (
	blank   = regexp.MustCompile(`\n[ \t]*\n`)
	nested  = regexp.MustCompile(`(?m)^[ \t]*(?:(?:[-+*>]|\d{1,9}[.)])[ \t]*){30}`)
	signs   = regexp.MustCompile("[!-/:-@\\[-`{-~]")
	special = "*_~[]()!<>&`\\" // and |, which is counted for itself
)

// tame makes plain text of those blocks of a source that would take far more time and room than they have words: by
// mistake or to do harm, a few kilobytes can stand for a hundred megabytes.
func tame(source string) string {
	var b strings.Builder
	for source != "" {
		block, gap := source, ""
		if at := blank.FindStringIndex(source); at != nil {
			block, gap = source[:at[0]], source[at[0]:at[1]]
		}
		source = source[len(block)+len(gap):]
		pipes := 0
		for line := range strings.SplitSeq(block, "\n") {
			pipes = max(pipes, strings.Count(line, "|"))
		}
		lines, sum := strings.Count(block, "\n")+1, 0
		for _, c := range special {
			sum += strings.Count(block, string(c))
		}
		if nested.MatchString(block) || pipes > mostColumns || pipes*lines > mostCells || sum > mostSigns {
			block = signs.ReplaceAllString(block, `\$0`)
		}
		b.WriteString(block)
		b.WriteString(gap)
	}
	return b.String()
}

// outline puts a text's headings below those around it, without holes.
func outline(headings []*ast.Heading, base int) {
	used := [7]bool{}
	for _, h := range headings {
		used[h.Level] = true
	}
	rank, next := [7]int{}, base
	for level := range used {
		if used[level] {
			rank[level] = min(next, 6)
			next++
		}
	}
	for _, h := range headings {
		h.Level = rank[h.Level]
	}
}

// finder finds the pages of a visit's group.
func (w *Wiki) finder(v *visit) func(names []string) (map[string]string, error) {
	return func(names []string) (map[string]string, error) {
		found, err := w.Desk.PagesNamed(v.r.Context(), v.group.Name, names)
		paths := map[string]string{}
		for name, p := range found {
			paths[name] = to(v.group.Name, "page", p.Slug)
		}
		return paths, err
	}
}

// web addresses in plain text become links.
func linked(plain string) template.HTML {
	var b strings.Builder
	for plain != "" {
		i := address.FindStringIndex(plain)
		if i == nil {
			break
		}
		href := strings.TrimRight(plain[i[0]:i[1]], ".,;:!?'\")>]")
		if u, err := url.Parse(href); err != nil || u.Host == "" {
			b.WriteString(template.HTMLEscapeString(plain[:i[1]]))
		} else {
			b.WriteString(template.HTMLEscapeString(plain[:i[0]]))
			escaped := template.HTMLEscapeString(href)
			b.WriteString(`<a href="` + escaped + `" rel="nofollow noreferrer noopener">` + escaped + `</a>`)
			b.WriteString(template.HTMLEscapeString(plain[i[0]+len(href) : i[1]]))
		}
		plain = plain[i[1]:]
	}
	b.WriteString(template.HTMLEscapeString(plain))
	return template.HTML(b.String()) //nolint:gosec // all of it was escaped
}
