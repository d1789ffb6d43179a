package ticketing

import "testing"

func TestWithoutMarkdown(t *testing.T) {
	for text, want := range map[string]string{
		"### Ann \\*star\\*, 3 March\n\nShe **prefers** `mails`.":                        "Ann *star*, 3 March\n\nShe prefers mails.",
		"- [ ] call\n* [x] done\n> 2 * 3 = 6":                                            "call\ndone\n> 2 * 3 = 6",
		"see [the plan](https://x.example/a_b) and [[Boiler room|the boiler]], [[Keys]]": "see the plan and the boiler, Keys",
		"| When | What |\n|------|:----:|\n| now | soon |":                               " When What \n\n now soon ",
		"snake_case stays, -5 degrees, 2-3":                                              "snake_case stays, -5 degrees, 2-3",
		"```go\nx := 1\n```":                                                             "\nx := 1\n",
	} {
		if got := withoutMarkdown(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
