package main

import (
	"fmt"
	"html"
	"strings"
	"text/tabwriter"
)

func (s spread) String() string {
	return fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Low), number(s.High))
}

func number(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func (r row) goal() string {
	if r.AtLeast {
		return "≥ " + number(r.Goal)
	}
	return "≤ " + number(r.Goal)
}

func (r row) met() string {
	if r.Met {
		return "✓"
	}
	return "✗"
}

// text is the table for a terminal: medians, with the quartiles in brackets.
func (r result) text() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s, %d rounds\tunit\tours\tfloor\tratio\tgoal\t\n", r.Table, r.Rounds)
	for _, f := range r.Figures {
		floor, ratio := "–", "–"
		if f.Floor != nil {
			floor, ratio = f.Floor.String(), f.Ratio.String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, f.Unit, f.Ours, floor, ratio, f.goal(), f.met())
	}
	_ = w.Flush() // into memory
	return b.String()
}

// svg draws each figure as a bar with its quartiles, as parts of its goal, which is a line: colours
// that stand out on white and on black.
func (r result) svg() string {
	const width, left, line, scale = 760, 20, 62, 330.0
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="14">
<style>text{fill:#222}.goal{stroke:#222}@media(prefers-color-scheme:dark){text{fill:#eee}.goal{stroke:#eee}}.met{fill:#2a9d5c}.missed{fill:#d9662b}.spread{stroke:#888;stroke-width:3}</style>
`, width, len(r.Figures)*line+40)
	fmt.Fprintf(&b, `<text x="%d" y="24" font-weight="bold">%s, median of %d rounds</text>`+"\n", left, html.EscapeString(r.Table), r.Rounds)
	for i, f := range r.Figures {
		y := 40 + i*line
		at := func(v float64) float64 { return left + min(v/f.Goal, 2.1)*scale }
		class := "missed"
		if f.Met {
			class = "met"
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d">%s: %s, goal %s %s</text>`+"\n", left, y+14, html.EscapeString(f.Name), f.Ratio, html.EscapeString(f.goal()), f.met())
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="18" rx="3"/>`+"\n", class, left, y+22, at(f.Ratio.Median)-left)
		fmt.Fprintf(&b, `<line class="spread" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", at(f.Ratio.Low), at(f.Ratio.High), y+31, y+31)
		fmt.Fprintf(&b, `<line class="goal" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", at(f.Goal), at(f.Goal), y+19, y+43)
	}
	b.WriteString("</svg>\n")
	return b.String()
}
