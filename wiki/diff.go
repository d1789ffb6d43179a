package wiki

import (
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"
)

// hunk is a piece of a text in which something was changed, with lines around.
type hunk struct {
	From, To int // the first line of it, before and after
	Lines    []changed
}

// changed is a line: kept, added or taken away.
type changed struct {
	Added, Gone bool
	Text        string
}

// changes is what became of one text in another, line by line. The library bounds its work: texts that have
// little in common are told apart roughly.
func changes(before, after string) []hunk {
	if before == after {
		return nil
	}
	ended := func(s string) string {
		if s == "" {
			return s
		}
		return strings.TrimSuffix(s, "\n") + "\n"
	}
	before, after = ended(before), ended(after)
	u, err := udiff.ToUnifiedDiff("", "", before, udiff.Strings(before, after), 3)
	if err != nil { // edits that do not fit the text, which cannot be: they are made of it
		return []hunk{{1, 1, []changed{{Gone: true, Text: before}, {Added: true, Text: after}}}}
	}
	var all []hunk
	for _, h := range u.Hunks {
		one := hunk{From: h.FromLine, To: h.ToLine}
		for _, l := range h.Lines {
			one.Lines = append(one.Lines, changed{
				Added: l.Kind == udiff.Insert, Gone: l.Kind == udiff.Delete, Text: strings.TrimSuffix(l.Content, "\n"),
			})
		}
		all = append(all, one)
	}
	return all
}
