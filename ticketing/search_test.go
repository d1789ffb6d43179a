package ticketing_test

import (
	"fmt"
	"slices"
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

func TestSearchReadsOn(t *testing.T) {
	for text, want := range map[string]Search{
		"from: maria heating": {From: "maria", Words: []string{"heating"}},
		"since:2026-02":       {After: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)},
		"re: heating":         {Words: []string{"re:", "heating"}},
	} {
		got, err := ParseSearch(text, time.UTC)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}
	if _, err := ParseSearch("from:@", time.UTC); err == nil {
		t.Error("from:@ was taken")
	}
}

// A matter without mail is found by its number and its state, too.
func TestSearchMatters(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		boiler, err := o.desk.OpenTicket(ctx, by(ann), TicketInput{Summary: "Boiler", With: Address{Name: "Maria"}})
		o.ok(err)
		done, err := o.desk.OpenTicket(ctx, by(ann), TicketInput{Summary: "Bell", With: Address{Name: "Peter"}, Outcome: "phoned"})
		o.ok(err)
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		for text, want := range map[string][]ConversationID{
			"#1": {boiler.ID}, "#2": {done.ID}, "#77": nil, "state:open": {boiler.ID}, "state:closed": {done.ID}, "state:spam": nil,
			"since:2026-03-02": {done.ID, boiler.ID}, "before:2026-03-02": nil, "state:taken from:maria": nil,
		} {
			s, err := ParseSearch(text, time.UTC)
			o.ok(err)
			s.Group = "help"
			h, err := o.desk.Search(ctx, "x/board", s, 0)
			o.ok(err)
			var got []ConversationID
			for _, hit := range h.Known {
				got = append(got, hit.Conversation.ID)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s: found %v, want %v", text, got, want)
			}
		}
	})
}

// A conversation with many mails does not fill page after page.
func TestSearchPages(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		first := o.from(mail(peter, "p@x", "Garden", "green"))
		o.arrives(mail(maria, "0@x", "Heating", "cold"))
		for i := range 61 {
			o.arrives(mail(maria, fmt.Sprintf("m%d@x", i), "Re: Heating", fmt.Sprint("colder ", i), "0@x"))
		}
		s := Search{Group: "help", Open: true}
		h, err := o.desk.Search(t.Context(), "x/board", s, 0)
		o.ok(err)
		if len(h.Mails) != 2 || h.Mails[1].Conversation.ID != first.ID && h.Mails[0].Conversation.ID != first.ID || h.More {
			t.Errorf("%d conversations, more: %v", len(h.Mails), h.More)
		}
	})
}
