package message

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// forbidden parses sanitised HTML as a browser would and names the first thing that must not be
// in it, "" if all is well.
func forbidden(s string) string {
	doc, err := html.Parse(strings.NewReader(s))
	if err != nil {
		return err.Error()
	}
	allowed := map[string]bool{"html": true, "head": true, "body": true, "colgroup": true}
	for n, how := range elements {
		if how == keepTags || how == voidTag {
			allowed[n] = true
		}
	}
	found := ""
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		switch n.Type {
		case html.ElementNode:
			if !allowed[n.Data] || n.Namespace != "" {
				found = "element " + n.Namespace + ":" + n.Data
			}
			for _, a := range n.Attr {
				switch {
				case n.Data == "a" && a.Key == "href":
					if !strings.HasPrefix(a.Val, "http://") && !strings.HasPrefix(a.Val, "https://") && !strings.HasPrefix(a.Val, "mailto:") && !strings.HasPrefix(a.Val, "tel:") {
						found = "link " + a.Val
					}
				case n.Data == "a" && a.Key == "rel" && (a.Val == "nofollow noreferrer noopener" || a.Val == "nofollow noreferrer"):
				case n.Data == "a" && a.Key == "target" && a.Val == "_blank":
				case (n.Data == "td" || n.Data == "th") && (a.Key == "colspan" || a.Key == "rowspan"):
				default:
					found = fmt.Sprintf("attribute %s=%q of %s", a.Key, a.Val, n.Data)
				}
			}
		case html.CommentNode, html.DoctypeNode:
			found = "comment " + n.Data
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(doc)
	return found
}

// attacks are payloads that got through other sanitisers: scripts in every disguise, mutation XSS,
// namespace confusion, obfuscated schemes, styles that load or lay over.
var attacks = []string{
	`<script>alert(1)</script>`, `<SCRIPT SRC=//evil.example/x.js></SCRIPT>`, `<scr<script>ipt>alert(1)</scr</script>ipt>`,
	`<img src=x onerror=alert(1)>`, `<img/src="x"/onerror="alert(1)">`, `<svg onload=alert(1)>`, `<svg/onload=alert(1)//`,
	`<svg><script>alert(1)</script></svg>`, `<svg><style><img src=x onerror=alert(1)></style></svg>`,
	`<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">`,
	`<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>`,
	`<math><mi><table><mi><mglyph><svg><mtext><textarea><path id="</textarea><img onerror=alert(1) src=1>"></path></mtext></svg></mglyph></mi></table></mi></math>`,
	`<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">`,
	`<svg><p><style><g title="</style><img src=x onerror=alert(1)>">`,
	`<math><annotation-xml encoding="text/html"><style><img src=x onerror=alert(1)></style></annotation-xml></math>`,
	`<noscript><p title="</noscript><img src=x onerror=alert(1)>">`, `<noembed><img title="</noembed><img src=x onerror=alert(1)>"></noembed>`,
	`<textarea><img title="</textarea><img src=x onerror=alert(1)>">`, `<title><img title="</title><img src=x onerror=alert(1)>">`,
	`<xmp><img title="</xmp><img src=x onerror=alert(1)>">`, `<iframe><img title="</iframe><img src=x onerror=alert(1)>">`,
	`<listing>&lt;img onerror=alert(1) src=x&gt;</listing>`, `<plaintext><img src=x onerror=alert(1)>`,
	`<template><img src=x onerror=alert(1)></template>`, `<select><template><img src=x onerror=alert(1)></template></select>`,
	`<style>@import url(//evil.example)</style><p style="background:url(//evil.example)">x</p>`, `<div style="position:fixed;top:0;left:0;width:100%;height:100%">x</div>`,
	`<link rel=stylesheet href=//evil.example>`, `<meta http-equiv=refresh content="0;url=javascript:alert(1)">`, `<base href="javascript:alert(1)//">`,
	`<a href="javascript:alert(1)">x</a>`, `<a href="JaVaScRiPt:alert(1)">x</a>`, `<a href="java&#10;script:alert(1)">x</a>`, `<a href="&#1;javascript:alert(1)">x</a>`,
	`<a href="&#106;avascript&colon;alert(1)">x</a>`, `<a href=" javascript:alert(1)">x</a>`, `<a href="javascript&Tab;:alert(1)">x</a>`, `<a href="\x01javascript:alert(1)">x</a>`,
	`<a href="data:text/html,<script>alert(1)</script>">x</a>`, `<a href="vbscript:x">x</a>`, `<a href="file:///etc/passwd">x</a>`, `<a href="//evil.example">x</a>`, `<a href="/relative">x</a>`,
	`<a href="https://x.example/&quot; onmouseover=&quot;alert(1)">x</a>`, `<a href='https://x.example/"onmouseover="alert(1)'>x</a>`, `<a href="https://x.example" onclick=alert(1) id=a class=b style=c>x</a>`,
	`<a href="http:\\evil.example\x">x</a>`, `<a href="https://good.example\@evil.example/">x</a>`, `<a href="http://<script>alert(1)</script>/">x</a>`, `<a href="mailto:a@b.example?subject=&lt;script&gt;">x</a>`,
	`<a href="https://x.example"><a href="javascript:alert(1)">x</a></a>`, `<a xlink:href="javascript:alert(1)">x</a>`, `<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>`,
	`<form action=//evil.example><input name=pw><button formaction=javascript:alert(1)>go</button></form>`, `<input autofocus onfocus=alert(1)>`, `<isindex action=javascript:alert(1)>`,
	`<object data=javascript:alert(1)></object>`, `<embed src=//evil.example>`, `<applet code=x>`, `<audio src=x onerror=alert(1)>`, `<video><source onerror=alert(1)></video>`, `<video poster=//evil.example></video>`,
	`<table background="//evil.example"><tr><td background=//evil.example>x</td></tr></table>`, `<body background=//evil.example onload=alert(1)>`, `<td colspan="2 onclick=alert(1)">x`, `<table><td rowspan='3"><script>'>x`,
	`<input type=image src=//evil.example>`, `<img srcset="//evil.example 1x">`, `<picture><source srcset=//evil.example></picture>`, `<img alt="<script>alert(1)</script>" src=x>`, `<img alt='"><img src=x onerror=alert(1)>'>`,
	`<!--><img src=x onerror=alert(1)>-->`, `<!--[if IE]><script>alert(1)</script><![endif]-->`, `<![CDATA[<img src=x onerror=alert(1)>]]>`, `<svg><![CDATA[><image xlink:href="]]><img src=x onerror=alert(1)>"></svg>`,
	`<?xml version="1.0"?><?php echo 1 ?><x xmlns="http://www.w3.org/1999/xhtml" onclick=alert(1)>x</x>`, `<!doctype html [<!entity x "y">]>&x;`,
	`<p><x><y></p></x><b><i></b></i><table><p>x</table></p>`, `<<script>alert(1);//<</script>`, `<p/onclick=alert(1)>x</p/>`, `</p><br/></br><p`, `<a href="https://x.example`, `<b`, `&lt;script&gt;alert(1)&lt;/script&gt;`,
	"<scr\x00ipt>alert(1)</scr\x00ipt>", "<a href=\"java\x00script:alert(1)\">x</a>", "\xff<img\xa0src=x onerror=alert(1)>", "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
	`<div id=a class=b name=c data-x=d aria-label=e contenteditable tabindex=1 dir=rtl lang=x>x</div>`, `<frameset><frame src=javascript:alert(1)></frameset>`, `<marquee onstart=alert(1)>x</marquee>`, `<details open ontoggle=alert(1)>x</details>`,
	`<dialog open>x</dialog><portal src=//evil.example></portal><slot><shadow>`, `<math href="javascript:alert(1)">x</math>`, `<bgsound src=//evil.example>`, `<keygen autofocus onfocus=alert(1)>`,
}

func TestSanitise(t *testing.T) {
	for _, a := range attacks {
		for _, in := range []string{a, "<p>before</p>" + a + "<p>after</p>", "<table><tr><td>" + a, "<b><i>" + a + "</b>text</i>", a + a} {
			out := Sanitise(in)
			if bad := forbidden(out); bad != "" {
				t.Errorf("%s\n from %s\n left in %s", bad, in, out)
			}
			if again := Sanitise(out); again != out {
				t.Errorf("%s\n gives %s\n and then %s", in, out, again)
			}
			// what a browser makes of it, written out and read again
			doc, err := html.Parse(strings.NewReader(out))
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			if err := html.Render(&b, doc); err != nil {
				t.Fatal(err)
			}
			if bad := forbidden(b.String()); bad != "" {
				t.Errorf("after mutation: %s in %s", bad, b.String())
			}
			if l := strings.ToLower(out); strings.Contains(l, "javascript:") && strings.Contains(l, `href="javascript:`) {
				t.Error(out)
			}
		}
	}
}

func TestSanitiseKeeps(t *testing.T) {
	const rel = ` rel="nofollow noreferrer noopener" target="_blank">`
	const other = ` rel="nofollow noreferrer">`
	for _, c := range []struct{ in, want string }{
		{`<p class=x>Hi <b>you</b>, <i>and</i> <u>me</u>`, `<p>Hi <b>you</b>, <i>and</i> <u>me</u></p>`},
		{`<a href="HTTPS://X.example/a b?c=1&amp;d='2'">x</a>`, `<a href="https://X.example/a%20b?c=1&amp;d=%272%27"` + rel + `x</a>`},
		{`<a href="mailto:a@b.example">a</a> <a href="tel:+49 221">t</a>`, `<a href="mailto:a@b.example"` + other + `a</a> <a href="tel:+49%20221"` + other + `t</a>`},
		{`<ul><li>a<li>b</ul><p>c<p>d`, `<ul><li>a</li><li>b</li></ul><p>c</p><p>d</p>`},
		{`<table border=1><tr><th colspan=2>h<tr><td rowspan="3">a<td>b</table>`, `<table><tr><th colspan="2">h</th></tr><tr><td rowspan="3">a</td><td>b</td></tr></table>`},
		{`<img src="https://t.example/p.gif" alt="Our &amp; logo"> x`, `Our &amp; logo x`},
		{`<blockquote type=cite>q<br>r</blockquote><hr><pre>a
 b</pre>`, `<blockquote>q<br>r</blockquote><hr><pre>a\n b</pre>`},
		{`<font color=red>red</font> <center>mid</center> <o:p>x</o:p>`, `red mid x`},
		{`a &lt;b&gt; &amp;amp; "c" 'd'`, `a &lt;b&gt; &amp;amp; &#34;c&#34; &#39;d&#39;`},
		{`<div hidden>x</div><p>y</p>`, `<p>y</p>`},
		{`<div style="display:none">a<div>b</div>c</div>d`, `d`},
		{`<style>unclosed <p>text</p>`, ``},
		{`<svg>never closed <p>text</p>`, `never closed <p>text</p>`},
		{`text</div></p></b>`, `text`},
	} {
		if got := Sanitise(strings.ReplaceAll(c.in, `\n`, "\n")); got != strings.ReplaceAll(c.want, `\n`, "\n") {
			t.Errorf("%s\n gives %s\n want  %s", c.in, got, c.want)
		}
	}
}

// TestSanitiseDeep: a mail of nothing but opening tags stays cheap and shallow.
func TestSanitiseDeep(t *testing.T) {
	for _, tag := range []string{"<div>", "<b>", "<table><tr><td>", "<blockquote>", "<ul><li>", "<a href=https://x.example>", "<svg>", "<x>"} {
		in := strings.Repeat(tag, 1<<20/len(tag)) + "text"
		out := Sanitise(in)
		if bad := forbidden(out); bad != "" {
			t.Errorf("%s: %s", tag, bad)
		}
		if !strings.Contains(out, "text") {
			t.Errorf("%s: the text is lost", tag)
		}
		if text := htmlText(out); !strings.Contains(text, "text") {
			t.Errorf("%s: the text is lost in Markdown", tag)
		}
	}
}

// FuzzSettled holds settled against bluemonday: of what it lets pass, bluemonday changes no byte.
func FuzzSettled(f *testing.F) {
	for _, s := range append(attacks, `<a href="https://x.example/a?b=1&amp;c=%282%29&amp;d" rel="nofollow noreferrer noopener" target="_blank">x</a>`,
		`<a href="mailto:a@x.example?subject=a%20b" rel="nofollow noreferrer">&#34;&#39;&amp;amp;</a><br><hr><td colspan="2" rowspan="3">ä</td>`,
		`<a href="https://x.example" rel="nofollow noreferrer noopener" target="_blank"></p><p></a></blockquote>`,
		`<a href="tel:+49-221*(0)1" rel="nofollow noreferrer">`, `<a href="https://x.example/%zz" rel="nofollow noreferrer noopener" target="_blank">`) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkSettled(t, s) })
}

// FuzzSafeLink holds the short way for plain links against the parser.
func FuzzSafeLink(f *testing.F) {
	for _, s := range []string{"https://x.example", "http://x.example/a?b=1&c=%282%29&amp;d", "https://x.example/?", "mailto:a@x.example?subject=a%20b", "tel:+49-221", "https:///x", "http://x.example:80/", "mailto:", "https://X.example/%zz", `https://x.example/"a`, "https://x.example?a?b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, s := range []string{s, "https://x.example/" + s, "http://" + s, "mailto:" + s, "tel:" + s} {
			if got, want := safeLink(s), parsedLink(s); got != want {
				t.Errorf("%q becomes %q, parsed %q", s, got, want)
			}
		}
	})
}

// checkSettled tells whether settled lets anything made of s pass.
func checkSettled(t *testing.T, s string) (passed bool) {
	for _, s := range []string{s, `<a href="https://x.example/` + s + webLink, `<a href="http://` + s + webLink, `<a href="mailto:` + s + otherLink, `<a href="tel:` + s + otherLink, `<td ` + s + `>`, "<" + s + ">"} {
		s = cleanText(s)
		if settled(s) {
			passed = true
			if got := policy().Sanitize(s); got != s {
				t.Errorf("bluemonday leaves %q of %q", got, s)
			}
		}
	}
	return passed
}

// mutants are attacks cut and joined anew.
func mutants(n int) []string {
	rnd := rand.New(rand.NewPCG(1, 2))
	pieces := append(attacks, "<", ">", "&", "</", "\"", "'", "<!--", "-->", "<a href=\"https://x.example/", webLink, otherLink, "&amp;", "</a>", "<td colspan=\"2\">", "<blockquote style=\"border:none\">", "<div class=gmail_signature>", "&#xfdd3;", "\ufdd2", "<div style=\"display:none\">", "<p>", "</table>", "%", "#", "?")
	out := make([]string, n)
	for i := range out {
		var b strings.Builder
		for range 1 + rnd.IntN(4) {
			p := pieces[rnd.IntN(len(pieces))]
			from := rnd.IntN(len(p))
			if rnd.IntN(2) == 0 {
				from = 0
			}
			b.WriteString(p[from : from+rnd.IntN(len(p)-from)+1])
		}
		out[i] = b.String()
	}
	return out
}

// TestMutants runs the checks of the fuzz tests on mutants.
func TestMutants(t *testing.T) {
	passed := 0
	for _, m := range mutants(3000) {
		checkSanitised(t, m)
		if checkSettled(t, m) {
			passed++
		}
	}
	if passed < 20 {
		t.Errorf("settled lets only %d pass", passed)
	}
}

func FuzzSanitise(f *testing.F) {
	for _, a := range attacks {
		f.Add(a)
	}
	f.Fuzz(checkSanitised)
}

// checkSanitised checks that nothing forbidden is left of s, that reading it again gives the same,
// and that bluemonday has nothing more to say.
func checkSanitised(t *testing.T, s string) {
	out := Sanitise(s)
	if bad := forbidden(out); bad != "" {
		t.Errorf("%s left in %q of %q", bad, out, s)
	}
	if again := Sanitise(out); again != out {
		t.Errorf("not stable: %q, then %q, of %q", out, again, s)
	}
	if got := policy().Sanitize(out); got != out {
		t.Errorf("bluemonday leaves %q of %q", got, out)
	}
	if text := unmarkedText(htmlText(sanitise(s))); strings.IndexFunc(text, unwanted) >= 0 || strings.IndexFunc(text, isMark) >= 0 {
		t.Errorf("text %q", text)
	}
}
