package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"groupmail/ticketing"
)

func TestPlainWords(t *testing.T) {
	for text, want := range map[string]string{
		"Maria Kovács":          "maria kovacs",
		"  STRASSE, Straße!  ":  "strasse strasse",
		"Łódź Ørsted Þór Œuvre": "lodz orsted thor oeuvre",
		"maria@example.net":     "maria example net",
		"Müller–Lüdenscheidt":   "muller ludenscheidt",
		"İstanbul ISPARTA ısı":  "istanbul isparta isi",
		"中文 名字":                 "中文 名字",
		"ﬁnance №12 ½":          "finance no12 1 2",
		"%_'\"; DROP TABLE":     "drop table",
		"":                      "",
		"\u202e\u0000x\u200by ": "x y",
	} {
		if got := plainWords(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestContacts(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		add := func(c ticketing.Contact) ticketing.ContactID {
			c.Group = "help"
			b.change(func(tx ticketing.Tx) error { return tx.AddContact(&c) })
			return c.ID
		}
		maria := add(ticketing.Contact{Name: "Maria Kovács", Organisation: "Straßenbau GmbH", Addresses: []string{"Maria@Example.net"}, Phones: []string{"+431"}})
		peter := add(ticketing.Contact{Name: "Peter", Addresses: []string{"@firm.example"}, Phones: []string{"+431"}, Numbers: []string{"AB-12 34"}})
		zoe := add(ticketing.Contact{Name: "Zoë Ångström"})
		b.change(func(tx ticketing.Tx) error {
			return tx.AddContact(&ticketing.Contact{Group: "other", Name: "Maria Other", Addresses: []string{"maria@example.net"}})
		})
		b.read(func(tx ticketing.Tx) error {
			for k, want := range map[ticketing.Key][]ticketing.ContactID{
				{Kind: ticketing.AddressKey, Text: "maria@example.net"}: {maria},
				{Kind: ticketing.DomainKey, Text: "firm.example"}:       {peter},
				{Kind: ticketing.NumberKey, Text: "ab1234"}:             {peter},
				{Kind: ticketing.PhoneKey, Text: "+431"}:                {maria, peter},
				{Kind: ticketing.AddressKey, Text: "nobody@x"}:          nil,
			} {
				if got, err := tx.ContactsWith("help", k); err != nil || !slices.Equal(got, want) {
					t.Errorf("%v: %v, %v, want %v", k, got, err, want)
				}
			}
			for like, want := range map[string][]ticketing.ContactID{
				"": {maria, peter, zoe}, "kovacs": {maria}, "KOV": {maria}, "strassen mar": {maria}, "ovacs": nil, "angstrom": {zoe},
				"maria@example": {maria}, "ab 12": {peter}, "%": {maria, peter, zoe}, "peter nobody": nil,
			} {
				all, err := tx.Contacts(ticketing.ContactQuery{Group: "help", Like: like, Limit: 10})
				var got []ticketing.ContactID
				for _, c := range all {
					got = append(got, c.ID)
				}
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("like %q: %v, %v, want %v", like, got, err, want)
				}
			}
			next, err := tx.Contacts(ticketing.ContactQuery{Group: "help", After: ticketing.ContactPlace{Name: "Maria Kovács", ID: maria}, Limit: 1})
			if err != nil || len(next) != 1 || next[0].ID != peter {
				t.Errorf("behind Maria: %v, %v", next, err)
			}
			for text, want := range map[string][]ticketing.ContactID{
				"Regards, MARIA KOVACS, Vienna": {maria}, "maria kovacsne": nil, "Peter asked": nil /* one short word */, "zoe\nangstrom": {zoe},
			} {
				if got, err := tx.NamedIn("help", text); err != nil || !slices.Equal(got, want) {
					t.Errorf("named in %q: %v, %v, want %v", text, got, err, want)
				}
			}
			return nil
		})
		b.change(func(tx ticketing.Tx) error {
			c, err := tx.Contact(peter)
			fatal(t, err)
			c.Into, c.Addresses = maria, nil
			return tx.SetContact(c)
		})
		anna := add(ticketing.Contact{Name: "Anna", Into: peter})
		b.read(func(tx ticketing.Tx) error {
			if all, err := tx.Contacts(ticketing.ContactQuery{Group: "help", Limit: 10}); err != nil || len(all) != 2 {
				t.Errorf("a merged one is listed: %v, %v", all, err)
			}
			for of, want := range map[ticketing.ContactID][]ticketing.ContactID{maria: {maria, peter, anna}, peter: {peter, anna}, zoe: {zoe}} {
				var got []ticketing.ContactID
				all, err := tx.Family(of)
				for _, c := range all {
					got = append(got, c.ID)
				}
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("family of %d: %v, %v, want %v", of, got, err, want)
				}
			}
			_, err := tx.Family(99)
			wantErr(t, err, ticketing.ErrNone)
			if got, err := tx.ContactsWith("help", ticketing.Key{Kind: ticketing.DomainKey, Text: "firm.example"}); err != nil || len(got) > 0 {
				t.Errorf("a key that was taken away is there: %v, %v", got, err)
			}
			return nil
		})
		for range 2 {
			b.change(func(tx ticketing.Tx) error { return tx.SetWatcher(maria, "x:ann", true) })
		}
		b.change(func(tx ticketing.Tx) error {
			return errors.Join(tx.SetWatcher(maria, "x:ben", true), tx.SetWatcher(maria, "x:ben", false))
		})
		b.read(func(tx ticketing.Tx) error {
			got, err := tx.Watchers(maria)
			if err != nil || !slices.Equal(got, []ticketing.MemberID{"x:ann"}) {
				t.Errorf("watchers: %v, %v", got, err)
			}
			return nil
		})
	})
}

func TestBelonging(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		mail := func(c ticketing.Conversation) ticketing.Mail {
			m := ticketing.Mail{Group: c.Group, Conversation: c.ID, Subject: c.Subject, Text: "text", HTML: "html", Reply: "reply", Received: b.clock(), Attachments: []ticketing.Attachment{{Name: "a.txt"}}, MessageID: fmt.Sprint(c.ID, b.count("mails"))}
			b.change(func(tx ticketing.Tx) error { return tx.AddMail(&m) })
			return m
		}
		maria := ticketing.Address{Addr: "Maria@example.net"}
		one := b.conversation(ticketing.Conversation{Subject: "one", With: maria})
		forged := b.conversation(ticketing.Conversation{Subject: "forged", With: maria, Proof: ticketing.Forged})
		not := b.conversation(ticketing.Conversation{Subject: "not", With: maria, Match: ticketing.NotThem})
		others := b.conversation(ticketing.Conversation{Subject: "others", With: maria, Contact: 9})
		other := b.conversation(ticketing.Conversation{Subject: "other group", With: maria, Group: "other"})
		for _, c := range []ticketing.Conversation{one, one, forged, not, others, other} {
			mail(c)
		}
		b.change(func(tx ticketing.Tx) error { return tx.BelongAll("help", "maria@EXAMPLE.net", 7) })
		check := func(ids []ticketing.ContactID, before ticketing.MailID, want ...string) {
			t.Helper()
			b.read(func(tx ticketing.Tx) error {
				all, err := tx.OfContacts(ticketing.OfContactsQuery{IDs: ids, Before: before, Mails: 10})
				var got []string
				for _, m := range all.Mails {
					if m.Text != "" || m.HTML != "" || m.Received.IsZero() || len(m.Attachments) != 1 {
						t.Errorf("%+v", m)
					}
					got = append(got, m.Subject)
				}
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("mails of %v: %v, %v, want %v", ids, got, err, want)
				}
				return nil
			})
		}
		check([]ticketing.ContactID{7}, 0, "one", "one")
		b.read(func(tx ticketing.Tx) error {
			c, err := tx.Conversation(one.ID)
			if err != nil || c.Contact != 7 || c.Match != ticketing.AddressMatch || c.Matched != "maria@EXAMPLE.net" {
				t.Errorf("%+v, %v", c, err)
			}
			return nil
		})
		b.change(func(tx ticketing.Tx) error { return tx.Belong(not.ID, 8) })
		check([]ticketing.ContactID{7, 8}, 0, "not", "one", "one")
		check([]ticketing.ContactID{7, 8}, 4, "one", "one")
		b.change(func(tx ticketing.Tx) error { return tx.Belong(one.ID, 0) })
		check([]ticketing.ContactID{7}, 0)
		b.read(func(tx ticketing.Tx) error {
			all, err := tx.Conversations(ticketing.Query{Contacts: []ticketing.ContactID{8, 9}, Order: ticketing.ByOpening})
			if err != nil || len(all) != 1 || all[0].Subject != "others" { // Belong told the mails' conversation only what it is asked
				if len(all) != 2 {
					t.Errorf("%v, %v", all, err)
				}
			}
			return err
		})
	})
}

// Of two who add the same address at once, the second finds it taken.
func TestOneContactAKey(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		k := ticketing.Key{Kind: ticketing.AddressKey, Text: "maria@example.net"}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				err := b.Change(t.Context(), func(tx ticketing.Tx) error {
					if ids, err := tx.ContactsWith("help", k); err != nil || len(ids) > 0 {
						return err
					}
					return tx.AddContact(&ticketing.Contact{Group: "help", Name: "Maria", Addresses: []string{k.Text}})
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := b.count("contacts"); n != 1 {
			t.Errorf("%d contacts have one address", n)
		}
	})
}
