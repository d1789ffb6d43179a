package message

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// FuzzTokens holds tokens against the tokenizer of golang.org/x/net/html.
func FuzzTokens(f *testing.F) {
	for _, s := range append(attacks, "a<b c=d e='f>g' h=\"i'>\" E=j k l = m n/o /p>q</b x='>'>r", "<a =b==c/d=/><br/><br / ><p a=/>", "<", "</", "</>", "</ a>b", "<a", "<a b=", "<a b='", "</a", "a<1<", "<!", "<!>b", "<!-->a", "<!--->a", "<!----!>a", "<!--a--!-->b", "<!--a--b->c--->d",
		"<!doctype html>a<?b>c", "<script>a<!--b<script>c</script>d--></script>e</script>f", "<script><!--></script>a", "<script></scripta></SCRIPT >b", "<title>a<b></titl</title/>c", "<plaintext></plaintext>", "<a href='?a=1&copy=2&amp;b&#x41;&ampc&copy/'>", `<a title=">" href=x">y`, "<textarea/>a</textarea>b") {
		f.Add(s)
	}
	f.Fuzz(checkTokens)
}

func checkTokens(t *testing.T, s string) {
	s = cleanText(s)
	var want, got []string
	z := html.NewTokenizer(strings.NewReader(s))
	text, raw := "", ""
	for {
		kind := z.Next()
		if kind == html.TextToken {
			if raw == "" {
				text += string(z.Raw())
			}
			raw = ""
			continue
		}
		raw = ""
		if kind == html.CommentToken || kind == html.DoctypeToken {
			want, text = append(want, "text "+text), ""
			continue
		}
		want, text = append(want, "text "+text), ""
		if kind == html.ErrorToken {
			break
		}
		name, more := z.TagName()
		if kind == html.EndTagToken {
			want = append(want, "end "+string(name))
			continue
		}
		if rawText[string(name)] {
			raw = string(name)
		}
		one := "start " + string(name)
		for more {
			var k, v []byte
			if k, v, more = z.TagAttr(); keptAttributes[string(k)] {
				one += " " + string(k) + "=" + string(v)
			}
		}
		if kind == html.SelfClosingTagToken {
			one += " /"
		}
		want = append(want, one)
	}
	for tok := (tokens{rest: s}); tok.next(); {
		switch tok.kind {
		case textToken:
			got = append(got, "text "+tok.text)
		case endTag:
			got = append(got, "end "+tok.name)
		case startTag:
			one := "start " + tok.name
			for _, a := range tok.attrs {
				one += " " + a.name + "=" + a.unescaped()
			}
			if tok.slash {
				one += " /"
			}
			got = append(got, one)
		}
	}
	joined := func(list []string) string {
		return strings.Join(slices.DeleteFunc(list, func(s string) bool { return s == "text " }), "\n")
	}
	if g, w := joined(got), joined(want); g != w {
		t.Errorf("of %q\n%s\nwant\n%s", s, g, w)
	}
}
