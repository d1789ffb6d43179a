package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"groupmail/ticketing"
)

// indexed looks through all that is owed.
func (b *bed) indexed() {
	b.t.Helper()
	for {
		n, err := b.index(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// search finds things of one kind.
func (b *bed) search(q ticketing.Search, kind ticketing.HitKind, before int64, limit int) (ids []int64, err error) {
	err = b.Read(context.WithoutCancel(b.t.Context()), func(tx ticketing.Tx) error {
		ids = nil
		if kind == ticketing.MailHit {
			mails, err := tx.SearchMails(q, ticketing.MailID(before), limit)
			for _, m := range mails {
				ids = append(ids, int64(m.ID))
			}
			return err
		}
		_, others, err := tx.SearchAll(q, 0, limit)
		for _, f := range others {
			if f.Kind == kind {
				ids = append(ids, f.ID)
			}
		}
		return err
	})
	return ids, err
}

func TestSearch(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		day := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
		n := 0
		mail := func(c ticketing.Conversation, m ticketing.Mail) int64 {
			n++
			c = b.conversation(c)
			m.Group, m.Conversation, m.MessageID, m.Contact = c.Group, c.ID, fmt.Sprint(n), c.Contact
			if m.Sent.IsZero() {
				m.Sent = day
			}
			b.change(func(tx ticketing.Tx) error { return tx.AddMail(&m) })
			return int64(m.ID)
		}
		box := func(s ticketing.State) ticketing.Conversation {
			return ticketing.Conversation{State: s, Mailbox: "help"}
		}
		maria := ticketing.Address{Name: "Maria Kovács", Addr: "maria@example.net"}
		ben := ticketing.Address{Name: "Ben", Addr: "ben@office.example"}
		heating := mail(ticketing.Conversation{State: ticketing.Taken, Number: 12, Mailbox: "help", Contact: 7}, ticketing.Mail{From: maria, To: []ticketing.Address{ben}, Subject: "Die Heizung ist kaputt", Text: "Seit gestern Überall kalt, Grüße aus der Straße"})
		polish := mail(box(ticketing.Closed), ticketing.Mail{From: ben, To: []ticketing.Address{maria}, Subject: "Zażółć gęślą jaźń", Text: "Łódź, the heating is broken", Attachments: []ticketing.Attachment{{Name: "Rechnung-März.pdf"}}, Sent: day.AddDate(0, 0, 5)})
		french := mail(box(ticketing.New), ticketing.Mail{From: maria, Subject: "Le château", Text: "L’élève a déjà été à l’hôtel. heating and a broken window", Sent: day.AddDate(0, -1, 0)})
		spam := mail(box(ticketing.Spam), ticketing.Mail{From: ben, Subject: "Heating offers", Text: "Buy now"})
		other := mail(ticketing.Conversation{Group: "other", Mailbox: "other"}, ticketing.Mail{From: maria, Subject: "heating", Text: "of another team"})
		b.conversation(ticketing.Conversation{Subject: "Rang about the heating", Note: "Call back"})
		contact := ticketing.Contact{Group: "help", Name: "Heating Ltd", Numbers: []string{"K-77"}}
		page := ticketing.Page{Group: "help", Slug: "heating", Title: "How to bleed a radiator", Text: "Turn off the **heating** first."}
		b.change(func(tx ticketing.Tx) error {
			if err := tx.AddContact(&contact); err != nil {
				return err
			}
			return tx.AddPage(&page)
		})
		find := func(kind ticketing.HitKind, text string, before int64, limit int) []int64 {
			t.Helper()
			q, err := ticketing.ParseSearch(text, time.UTC)
			fatal(t, err)
			q.Group = "help"
			ids, err := b.search(q, kind, before, limit)
			fatal(t, err)
			return ids
		}
		if got := find(ticketing.MailHit, "heizung", 0, 10); len(got) > 0 {
			t.Errorf("found before it was looked through: %v", got)
		}
		b.indexed()
		b.indexed()
		all := map[string][]int64{
			"heizung": {heating}, "HEIZ": {heating}, "eizung": nil, "kaputt heizung": {heating}, "heizung window": nil,
			"uberall": {heating}, "überall": {heating}, "strasse": {heating}, "Straße": {heating}, "grusse": {heating},
			"lodz": {polish}, "Łódź": {polish}, "zazolc gesla": {polish}, "eleve chateau": {french}, "l'hôtel": {french}, "hotel": {french},
			"heating broken": {french, polish}, `"heating is broken"`: {polish}, `"broken heating"`: nil, `"heating is bro"`: nil,
			"from:maria": {french, heating}, "from:kov": {french, heating}, "from:maria heating": {french}, "to:maria": {polish}, "to:ben from:maria": {heating}, "from:ben@office.example": {polish},
			"maria@example.net": {french, polish, heating}, "state:closed heating": {polish}, "state:open heating": {french}, "state:spam heating": {spam}, "state:spam": {spam},
			"before:2026-03-01": {french}, "after:2026-03-02": {polish}, "after:2026-02-28 before:2026-03-02": {heating}, "heating after:2026-03": nil,
			"has:attachment": {polish}, "rechnung": {polish}, "marz has:file": {polish}, "#12": {heating}, "#12 kalt": {heating}, "#13": nil,
			"gestern OR 1=1; DROP TABLE mails": nil, `"<-> & | ! :*"`: nil, "kalt*": {heating}, "of another team": nil,
		}
		for text, want := range all {
			q, err := ticketing.ParseSearch(text, time.UTC)
			if err != nil {
				if want != nil {
					t.Errorf("%s: %v", text, err)
				}
				continue
			}
			q.Group = "help"
			got, err := b.search(q, ticketing.MailHit, 0, 10)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %v, %v, want %v", text, got, err, want)
			}
		}
		if got := find(ticketing.MailHit, "heating", french, 10); !slices.Equal(got, []int64{polish}) {
			t.Errorf("older than one: %v", got)
		}
		if got := find(ticketing.MailHit, "heating", 0, 1); !slices.Equal(got, []int64{french}) {
			t.Errorf("one: %v", got)
		}
		for kind, text := range map[ticketing.HitKind]string{ticketing.ContactHit: "k77 heat", ticketing.PageHit: "heating radiators", ticketing.MatterHit: "heating rang call"} {
			want := 1
			if kind == ticketing.PageHit || kind == ticketing.ContactHit {
				want = 0 // "radiators" is no beginning of "radiator", "k77" of "K-77" neither
			}
			if got := find(kind, text, 0, 10); len(got) != want {
				t.Errorf("%s: %v", kind, got)
			}
			if got := find(kind, "heat", 0, 10); len(got) != 1 {
				t.Errorf("%s: %v", kind, got)
			}
		}

		// What is changed is found anew, what is erased no more, at once.
		b.change(func(tx ticketing.Tx) error {
			page.Text = "Nothing of the kind."
			if err := tx.SetPage(page); err != nil {
				return err
			}
			m, err := tx.Mail(ticketing.MailID(heating))
			if err != nil {
				return err
			}
			_, err = tx.Erase(m.Conversation, day)
			return err
		})
		if got := find(ticketing.MailHit, "heizung", 0, 10); len(got) > 0 {
			t.Errorf("erased, and found: %v", got)
		}
		b.indexed()
		if got := find(ticketing.PageHit, "heating", 0, 10); len(got) > 0 {
			t.Errorf("the page does not say that any more: %v", got)
		}
		if got := find(ticketing.PageHit, "nothing kind", 0, 10); len(got) != 1 {
			t.Errorf("%v", got)
		}
		_ = other
	})
}

// Whatever stands in a mail and in a search, nothing fails, and a mail is found by its own words.
func TestSearchIsForgiving(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			text := rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("aé ß1:'\"()*&|!<->%_\\\x00\u0301")))).Draw(rt, "text")
			c := b.conversation(ticketing.Conversation{Mailbox: "help"})
			m := ticketing.Mail{Group: "help", Conversation: c.ID, MessageID: fmt.Sprint(n), Text: text}
			b.change(func(tx ticketing.Tx) error { return tx.AddMail(&m) })
			b.indexed()
			words := strings.Fields(plainWords(text))
			if len(words) == 0 {
				return
			}
			word := rapid.SampledFrom(words).Draw(rt, "word")
			for _, q := range []ticketing.Search{{Words: []string{word}}, {Phrases: []string{word}}, {Words: []string{text}}} {
				q.Group = "help"
				got, err := b.search(q, ticketing.MailHit, 0, 1000)
				if err != nil {
					rt.Fatalf("%+v: %v", q, err)
				}
				if q.Words != nil && q.Words[0] == word && !slices.Contains(got, int64(m.ID)) {
					rt.Fatalf("%q is not found in %q", word, text)
				}
				b.read(func(tx ticketing.Tx) error { tx.Pieces(text, q, 40); return nil })
			}
		})
	})
}

func TestPieces(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		for _, c := range []struct {
			text, search string
			limit        int
			want         string
			found        int
		}{
			{"Die Heizung ist kaputt", "heiz", 0, "Die [Heizung] ist kaputt", 1},
			{"Zażółć gęślą", "gesla", 0, "Zażółć [gęślą]", 1},
			{"the heating is broken, heating!", `"heating is"`, 0, "the [heating is] broken, heating!", 1},
			{"a a a", "a", 0, "[a] [a] [a]", 3},
			{"nothing here", "else", 0, "nothing here", 0},
			{"write to maria@example.net now", "maria@example.net", 0, "write to [maria@example.net] now", 1},
			{strings.Repeat("one two three ", 30) + "needle" + strings.Repeat(" four five", 30), "needle", 40, "… two three [needle] four five four five …", 1},
			{strings.Repeat("word ", 100), "else", 12, "word word …", 0},
			{"a\n\n b\tneedle", "needle", 50, "a b [needle]", 1},
			{strings.Repeat("é", 500), "x", 10, strings.Repeat("é", 10) + " …", 0},
		} {
			q, err := ticketing.ParseSearch(c.search, time.UTC)
			fatal(t, err)
			var pieces []ticketing.Piece
			var found int
			b.read(func(tx ticketing.Tx) error {
				pieces, found = tx.Pieces(c.text, q, c.limit)
				return nil
			})
			got := ""
			for _, p := range pieces {
				if p.Hit {
					got += "[" + p.Text + "]"
				} else {
					got += p.Text
				}
			}
			if got != c.want || found != c.found {
				t.Errorf("%q in %.40q: %q (%d), want %q (%d)", c.search, c.text, got, found, c.want, c.found)
			}
		}
	})
}

// A word that has come up only lately makes Postgres believe that there are many: all that there are is found all the same.
func TestSearchOfWhatIsNew(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		if b.config.URL == "" {
			return // FTS5 makes no guess
		}
		b.many(conversationRow{}, map[string]string{"group_name": "'help'", "state": "'closed'", "mailbox": "'help'"})
		b.many(mailRow{}, map[string]string{"group_name": "'help'", "conversation": "i", "direction": "'in'"})
		b.exec(fmt.Sprintf(`INSERT INTO search_words (doc, group_name, words) SELECT i * 4, 'help',
			CASE WHEN i = 4 OR i > %[1]d - 200 AND i %% 3 = 0 THEN 'heatpump:1' ELSE 'heating:1' END::tsvector FROM generate_series(1, %[1]d) i`, plenty))
		b.exec("ANALYZE")
		got, err := b.search(ticketing.Search{Group: "help", Words: []string{"heatpump"}}, ticketing.MailHit, 0, 100)
		if err != nil || len(got) < 60 || len(got) > 70 || got[len(got)-1] != 4 {
			t.Errorf("%d are found, the last is %v, %v", len(got), got[max(0, len(got)-1):], err)
		}
	})
}
