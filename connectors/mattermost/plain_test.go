package mattermost

import (
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"groupmail/connectors/emoji"
)

func TestUnmark(t *testing.T) {
	for _, c := range [][2]string{
		{"We are *coming* **today**, ***really***.", "We are coming today, really."},
		{"_one_ __two__ ~~three~~ ~town", "one two three ~town"},
		{"**bold *and* italic**, *a **b** c*", "bold and italic, a b c"},
		{"Use `a*b*` or `` x`y `` here", "Use a*b* or x`y here"},
		{"`:smile:` and :smile:", ":smile: and 😄"},
		{`not \*this\*, 1\. C:\temp \, \_x\_`, `not *this*, 1. C:\temp \, _x_`},
		{"2*3*4 = 24, a_b_c, 5 * 6 * 7", "2*3*4 = 24, a_b_c, 5 * 6 * 7"},
		{"see [our page](https://x.org/a_b) now", "see our page (https://x.org/a_b) now"},
		{`[page](https://x.org/a_(b) "title (x)") end`, "page (https://x.org/a_(b)) end"},
		{"[https://x.org](https://x.org) <https://y.org> https://z.org/*a*", "https://x.org https://y.org https://z.org/*a*"},
		{"[m@x.org](mailto:m@x.org) <m@x.org>", "m@x.org m@x.org"},
		{"**[a *b*](https://x.org)** and **https://x.org**", "a b (https://x.org) and https://x.org"},
		{"![plan](https://x.org/p.png)", "plan (https://x.org/p.png)"},
		{"[see below] and [a][b]", "[see below] and [a][b]"},
		{"# Hello ##\n\n## World\n#hashtag\n# 1", "Hello\n\nWorld\n#hashtag\n1"},
		{"Look:\n```go\na := *b*\n  c\n```\nend", "Look:\na := *b*\n  c\nend"},
		{"```\nnever closed *x*", "never closed *x*"},
		{"- one\n- *two*\n  - three\n\n1. four\n2) **five**\n* six", "- one\n- two\n  - three\n\n1. four\n2) five\n* six"},
		{"> quoted *word*\n> more\n\n\n    indented *code*\n\nend", "> quoted word\n> more\n\n\n    indented *code*\n\nend"},
		{"Best\n---\nAnn\n\n***\n<b>x</b> <!-- y -->", "Best\n---\nAnn\n\n***\n<b>x</b> <!-- y -->"},
		{"**Grüße** *aus* **Zürich**\n*Anne-Marie*", "Grüße aus Zürich\nAnne-Marie"},
		{"a ** b, *open, **never closed", "a ** b, *open, **never closed"},
		{"| a | *b* |\n|---|---|\n| 1 | 2 |", "| a | b |\n|---|---|\n| 1 | 2 |"},
		{"", ""},
	} {
		if got := unmark(c[0], emoji.Replace); got != c[1] {
			t.Errorf("%q is read as\n%q, want\n%q", c[0], got, c[1])
		}
	}
}

// No word is lost, whatever is typed: letters and digits come through, in their order. Only what is
// behind the marks of a fence is no word.
func TestUnmarkLosesNoWord(t *testing.T) {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{
			"*", "**", "_", "__", "~~", "~", "`", "``", "\\", "[", "](", ")", "(", "<", ">", "!", "#", "# ", "- ", "1. ", "> ", "\n", "\n\n", "    ",
			" ", "https://x.org/a_b", "www.x.org", "m@x.org", "&amp;", "|", "\n---\n", "\n```\n", "[a](b)", "\"", ":smile", "é", "日本", "2*3",
		}),
		rapid.StringMatching(`[a-z0-9]{1,5}`),
	)
	same := func(s string) string { return s }
	words := func(s string) string {
		return strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				return r
			}
			return -1
		}, s)
	}
	rapid.Check(t, func(t *rapid.T) {
		typed := strings.Join(rapid.SliceOfN(piece, 0, 25).Draw(t, "typed"), "")
		got := words(unmark(typed, same))
		rest := got
		for _, r := range words(typed) { // an address that equals its text is said once, a title not at all
			if strings.HasPrefix(rest, string(r)) {
				rest = rest[len(string(r)):]
			}
		}
		if strings.Contains(typed, "](") || strings.Contains(typed, "```") {
			if rest != "" {
				t.Fatalf("%q gained %q in %q", typed, rest, got)
			}
			return
		}
		if got != words(typed) {
			t.Fatalf("%q lost words: %q", typed, got)
		}
	})
}
