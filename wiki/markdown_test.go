package wiki

import (
	"strings"
	"testing"
)

// No page takes far more room than it has words, nor time that grows with its square: with ten times as many the
// slowest of these would take minutes, and gigabytes.
func TestMarkdownBombs(t *testing.T) {
	none := func([]string) (map[string]string, error) { return nil, nil }
	const n = 200_000
	grow := func(f func(i int) string) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			b.WriteString(f(i))
		}
		return b.String()[:n]
	}
	always := func(s string) string { return grow(func(int) string { return s }) }
	for name, source := range map[string]string{
		"wide table": strings.Repeat("|a", 2000) + "\n" + strings.Repeat("|-", 2000) + "\n" + strings.Repeat("|\n", 4000),
		"long table": strings.Repeat("|a", 60) + "\n" + strings.Repeat("|-", 60) + "\n" + always("|\n"),
		"quotes":     always(">"), "quotes apart": always("> "), "lists": always("- "), "numbers": always("1) "), "emphasis": always("*a_ "), "strong": always("a**a*"),
		"links": always("[a]("), "pictures": always("!["), "struck": always("~~a "), "entities": always("&a;"), "tags": always("<a "), "page links": always("[[a]]"),
		"code": grow(func(i int) string { return strings.Repeat("`", i) + "a " }), "deeper": grow(func(i int) string { return strings.Repeat(" ", i*2%600) + "- a\n" }),
		"references": always("[a]: b\n[a]\n"),
	} {
		t.Run(name, func(t *testing.T) {
			out, err := rendered(source, 2, none)
			if err != nil || len(out) > 30*len(source) {
				t.Errorf("%d bytes became %d, %v", len(source), len(out), err)
			}
		})
	}
}

// What is in order stays formatted, beside what is not.
func TestTame(t *testing.T) {
	none := func([]string) (map[string]string, error) { return nil, nil }
	out, err := rendered("**before**\n\n"+strings.Repeat(">", 500)+"x <b>\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [ ] **after**", 2, none)
	if err != nil {
		t.Fatal(err)
	}
	has(t, string(out), "<strong>before</strong>", "&gt;&gt;&gt;", "x &lt;b&gt;", "<td>2</td>", "<strong>after</strong>")
}

// A note that is appended is read as one, whatever code blocks the text before it holds.
func TestNotesAfterCode(t *testing.T) {
	none := func([]string) (map[string]string, error) { return nil, nil }
	for name, text := range map[string]string{
		"open in an item":      "- restart it:\n  ```\n  systemctl restart pump\n\nThen call the office.",
		"open in an item, end": "- restart it:\n  ```\n  systemctl restart pump",
		"closed in an item":    "1. restart it:\n   ```\n   systemctl restart pump\n   ```\n2. call",
		"deep":                 "- a\n  - b\n    ~~~\n    code",
		"open":                 "```\ncode\n- no item",
		"open after an item":   "- item\n\n```\ncode",
		"closed":               "```\ncode\n```\ntext",
		"item begins with it":  "- ```\n  code\n\ntext",
	} {
		o := lite(t)
		p := o.page(ann, "help", "Pump", text)
		var err error
		for _, note := range []string{"It works **again**.", "Second, **bold**."} {
			p, err = o.desk.AppendNote(t.Context(), by(ann, "help"), p.ID, note)
			o.ok(err)
		}
		out, err := rendered(p.Text, 2, none)
		o.ok(err)
		if !strings.Contains(string(out), "<strong>again</strong>") || !strings.Contains(string(out), "<strong>bold</strong>") {
			t.Errorf("%s: notes are part of the code:\n%s", name, out)
		}
	}
}
