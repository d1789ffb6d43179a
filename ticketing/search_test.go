package ticketing_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "groupmail/ticketing"
)

func TestParseSearch(t *testing.T) {
	date := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }
	for text, want := range map[string]Search{
		"heating broken":                   {Words: []string{"heating", "broken"}},
		`"the heating" cold`:               {Phrases: []string{"the heating"}, Words: []string{"cold"}},
		"„die Heizung“ kalt":               {Phrases: []string{"die Heizung"}, Words: []string{"kalt"}},
		`"never closed`:                    {Phrases: []string{"never closed"}},
		`from:maria TO:"Ben Smith" x`:      {From: "maria", To: "Ben Smith", Words: []string{"x"}},
		"state:open has:attachment":        {Open: true, File: true},
		"is:Spam has:file":                 {State: Spam, File: true},
		"before:2026-01-31 after:2026-01":  {Before: date(2026, 1, 31), After: date(2026, 2, 1)},
		"after:31.12.2025 before:2026":     {After: date(2026, 1, 1), Before: date(2026, 1, 1)},
		"#12 heating":                      {Number: 12, Words: []string{"heating"}},
		"#x http://example.net re:":        {Words: []string{"#x", "http://example.net", "re:"}},
		"' OR 1=1; -- % & | ! ( ) * : <->": {Words: []string{"OR", "1=1;"}},
		"maria@example.net":                {Words: []string{"maria@example.net"}},
	} {
		got, err := ParseSearch(text, time.UTC)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	for text, want := range map[string]string{
		"": "What do you look for?", "  \"\" -- ": "What do you look for?", "state:odd": "none of open", "before:yesterday": "no date", "has:cheese": "has:attachment",
	} {
		if _, err := ParseSearch(text, time.UTC); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	long, err := ParseSearch(strings.Repeat("word ", 1000), time.UTC)
	if err != nil || len(long.Words) > 20 {
		t.Errorf("%d words, %v", len(long.Words), err)
	}
}
