package mattermost

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mattermost/mattermost/server/public/shared/markdown"

	"groupmail/bot"
	"groupmail/bot/plain"
)

// nasty is what people, and others, put into mail.
var nasty = []string{
	"",
	"Hello, all is well. Bye.",
	"@channel @all @here, @ann.b: (@ben) x.@channel x-@channel x_@channel é@channel *@channel @@channel a@@channel",
	"mail maria@example.org or a.b-c_d+e@all.com",
	"# head\n## head\nunder\n===\nunder\n---\n***\n- - -\n* * *",
	"- a\n+ b\n* c\n1. d\n23) e\n  - f\n\t- g",
	"    code by spaces\n\tcode by tab\n```\nfence\n```\n~~~\nfence\n~~~",
	"> quoted\n>> twice\n&gt; entity &#64;channel &commat;channel &#x40;channel",
	"*a* **b** _c_ __d__ ~~e~~ `f` ``g`` $x^2$ $$y$$",
	"[text](http://evil.example) ![img](http://evil.example/x.png) [ref] [ref][ref]\n[ref]: http://evil.example",
	"http://evil.example https://user@good.example@evil.example/ www.evil.example evil.example/path ftp://x mailto:a@b.org tel:+49 foo:bar x-y.org/z",
	"<http://evil.example> <a@b.org> <script>alert(1)</script> <!-- c --> <b>b</b> <http://x|click>",
	"| a | b |\n|---|---|\n| c | d |\na | b\n--|--\nc | d",
	"a | b\n:-- | --:\nc | d",
	":smile: :+1:: ::heart:: at 12:100:00 and 14:03 Re: x",
	"#hashtag #12 [#12] ##x a#b",
	"~town-square ~off-topic a~b ~~",
	`back\slash \*not\* \\server\share C:\Users \@channel \`,
	"trailing  \nspaces  \n\n\n\nempty lines\n",
	"nul \x00 bell \a escape \x1b[31m cr \r\nlf \u2028ls \u2424nl",
	"\u202eturned\u202c \u2066isolated\u2069 \u200emark",
	"\xff\xfe bad utf-8 \xc3",
	"%s %d %!v(MISSING)",
	"/command\n/me",
	"a\u200bb @\u200bchannel",
	"(c) :) ;-) <3 8-)",
	"__proto__ {{template}} ${var}",
}

// tree walks Markdown as the server reads it and names what it finds besides text.
func tree(text string) (found []string, read string) {
	var b strings.Builder
	markdown.Inspect(text, func(node any) bool {
		switch n := node.(type) {
		case *markdown.Text:
			b.WriteString(n.Text)
		case *markdown.SoftLineBreak:
			b.WriteByte('\n')
		case *markdown.Paragraph:
			if b.Len() > 0 {
				b.WriteString("\n\n")
			}
		case *markdown.Document, nil:
		case *markdown.HardLineBreak:
			found = append(found, "a break")
		case *markdown.CodeSpan:
			found = append(found, "code "+n.Code)
		case *markdown.Autolink:
			found = append(found, "autolink "+n.Destination())
		case *markdown.InlineLink:
			found = append(found, "link "+n.Destination())
		case *markdown.InlineImage:
			found = append(found, "image "+n.Destination())
		case *markdown.Emoji:
			found = append(found, "emoji "+n.Name)
		case *markdown.BlockQuote:
			found = append(found, "quote")
		default:
			found = append(found, fmt.Sprintf("%T", node))
		}
		return true
	})
	return found, b.String()
}

// What the web app looks for in text after it has undone backslashes but not entities; from
// webapp's text_formatting.tsx and emoticons.tsx.
var webLooksFor = map[string]*regexp.Regexp{
	"mention":    regexp.MustCompile(`(?i)(?:\B|\b_+)@([a-z0-9.\-_]+)`),
	"channel":    regexp.MustCompile(`(?i)\B~([a-z0-9.\-_]+)`),
	"mail":       regexp.MustCompile(`[\p{L}\p{Nd}!#$%&'*+\-/=?^_{|}~]@[\p{L}\d.\-]+[.]\p{L}{2,5}`),
	"hashtag":    regexp.MustCompile(`(^|\W)(#\p{L}[\p{L}\d\-_.]*[\p{L}\d])`),
	"emoji code": regexp.MustCompile(`:[a-zA-Z0-9_+-]*[a-zA-Z_+-][a-zA-Z0-9_+-]*:`),
}

// What its parser looks for in the raw text; from its fork of marked.
var webParses = map[string]*regexp.Regexp{
	"url":        regexp.MustCompile(`(?:^|[^\p{L}\d&#;])[A-Za-z][A-Za-z\d.+-]*:(?:/{1,3}|[\p{L}\d%])|www\d{0,3}[.]|[\p{L}\d-]+[.]\p{L}{2,4}/`),
	"list":       regexp.MustCompile(`(?m)^ *(?:[*+-]|\d+\.) `),
	"heading":    regexp.MustCompile(`(?m)^ *#{1,6} `),
	"setext":     regexp.MustCompile(`(?m)^ *(=|-){2,} *$`),
	"rule":       regexp.MustCompile(`(?m)^( *[-*_]){3,} *$`),
	"fence":      regexp.MustCompile("(?m)^ {0,3}(`{3,}|~{3,})"),
	"code":       regexp.MustCompile("(?m)^ {4}"),
	"table":      regexp.MustCompile(`\|`),
	"tag":        regexp.MustCompile(`<`),
	"quote":      regexp.MustCompile(`(?m)^ *>`),
	"latex":      regexp.MustCompile(`\$`),
	"hard break": regexp.MustCompile(` {2,}\n`),
}

var (
	webEscape = regexp.MustCompile("\\\\([`*{}\\[\\]()#+\\-.!_>|~])")
	unescaped = regexp.MustCompile("(?:^|[^\\\\])(?:\\\\\\\\)*([*_`\\[\\]])")
	pings     = regexp.MustCompile(`(?i)(?:^|[^a-z0-9])@[a-z0-9]`)
)

// inert fails the test if escaped Markdown does anything or does not read as text.
func inert(t *testing.T, text, escaped string) {
	t.Helper()
	found, read := tree(escaped)
	if len(found) > 0 {
		t.Errorf("%q becomes %q: %q", text, escaped, found)
	}
	if m := pings.FindString(read); m != "" {
		t.Errorf("%q becomes %q, which mentions %q", text, escaped, m)
	}
	for what, re := range webParses {
		if m := re.FindString(escaped); m != "" {
			t.Errorf("%q becomes %q: %s %q in the web app", text, escaped, what, m)
		}
	}
	if m := unescaped.FindString(escaped); m != "" {
		t.Errorf("%q becomes %q: bare %q", text, escaped, m)
	}
	web := webEscape.ReplaceAllString(escaped, "$1")
	for what, re := range webLooksFor {
		if m := re.FindString(web); m != "" {
			t.Errorf("%q becomes %q: %s %q in the web app", text, escaped, what, m)
		}
	}
	if strings.Contains(web, `\`) {
		t.Errorf("%q becomes %q: a backslash shows in the web app", text, escaped)
	}
	if want := readable(text); readable(read) != want {
		t.Errorf("%q becomes %q, which reads %q", want, escaped, readable(read))
	}
	for _, r := range escaped {
		if r != '\n' && unicode.IsControl(r) {
			t.Errorf("%q keeps %U", text, r)
		}
	}
	if !utf8.ValidString(escaped) {
		t.Errorf("%q becomes %q, no UTF-8", text, escaped)
	}
}

// readable is text without what no reader sees: space, and the mark that splits mentions.
func readable(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(plain.Text(text), "\u200b", "")), " ")
}

func TestEscape(t *testing.T) {
	for _, text := range nasty {
		inert(t, text, escape(text))
	}
	for text, want := range map[string]string{
		"All is well. See you at 14:03, Maria!": "All is well. See you at 14:03, Maria!",
		"maria@example.org":                     "maria&#64;example\\.org",
		"@channel":                              "@\u200bchannel",
		"1. a\n-b":                              "1\\. a\n\\-b",
	} {
		if got := escape(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// What looks for mischief finds it where it is.
func TestMischiefIsSeen(t *testing.T) {
	for _, text := range []string{
		"@channel", "http://evil.example", "www.evil.example", "[a](http://x)", "![a](http://x)", ":smile:", "`a`", "> a", "- a", "1. a", "~~~\na\n~~~", "&#64;channel",
		"a | b\n--|--\n", "# a", "a\n===", "*a*", "_a_", "~town-square", "#hashtag", "a@b.org", "evil.org/x", "<b>", "$x$", "a  \nb",
	} {
		found, read := tree(text)
		seen := len(found) > 0 || pings.MatchString(read) || unescaped.MatchString(text)
		for _, re := range webParses {
			seen = seen || re.MatchString(text)
		}
		for _, re := range webLooksFor {
			seen = seen || re.MatchString(webEscape.ReplaceAllString(text, "$1"))
		}
		if !seen {
			t.Errorf("%q passes for text", text)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, text := range nasty {
		f.Add(text, "x")
		f.Add("x", text)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a) > maxLine || len(b) > maxLine {
			return // clipped
		}
		inert(t, a, escape(a))
		v := view{zone: time.UTC, now: time.Unix(0, 0)}
		inert(t, plain.Line(a)+plain.Line(b), v.line(bot.Line{{Text: plain.Line(a)}, {Text: plain.Line(b)}}))
	})
}

func TestMarkup(t *testing.T) {
	for got, want := range map[string]string{
		code("a@channel.org"): "`a@channel.org`",
		code("a`b``c"):        "``` a`b``c ```",
		code(" \n "):          "",
		strong("a*b"):         "**a\\*b**",
		strong(""):            "",
		quote("a\n\n@all"):    "> a\n> \n> @\u200ball",
		link("Read [it]", "https://x.org/a_b?c=1&d=(2)#e"): "[Read \\[it\\]](https://x.org/a_b?c=1&amp;d=%282%29#e)",
		link("", "https://x.org/"):                         "[x\\.org](https://x.org/)",
		link("click", "javascript:alert(1)"):               "click",
		link("click", "https:evil"):                        "click",
		link("click", "https://x.org/\n)[b](http://y)"):    "click",
		link("click", "https://x.org/ )[b](http://y)"):     "[click](https://x.org/%20%29%5Bb%5D%28http://y%29)",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, text := range nasty {
		if c := code(text); c != "" {
			found, read := tree(c)
			if len(found) != 1 || !strings.HasPrefix(found[0], "code ") || read != "" {
				t.Errorf("%q as code is %q: %q and %q", text, c, found, read)
			}
		}
		if plain.Line(text) == "" {
			continue
		}
		found, _ := tree(link(text, "https://x.org/?a=1&b=2"))
		if len(found) != 1 || found[0] != "link https://x.org/?a=1&b=2" {
			t.Errorf("%q as a link is %q: %q", text, link(text, "https://x.org/?a=1&b=2"), found)
		}
	}
}

func TestClip(t *testing.T) {
	if got := plain.Clip("äöüß", 3); got != "äö…" {
		t.Error(got)
	}
	if got := plain.ClipBytes("äöüß", 7); got != "äö…" {
		t.Error(got)
	}
	if got := plain.ClipBytes("abc", 3); got != "abc" {
		t.Error(got)
	}
}
