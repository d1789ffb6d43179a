package ticketing_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	. "groupmail/ticketing"
)

func TestPhone(t *testing.T) {
	for text, want := range map[string]string{
		"+43 (0)1 234-56 78": "+4312345678", "0043 1 2345678": "+4312345678", "01/234 56 78": "012345678",
		"Tel. 555 0100 x12": "5550100x12", "+1 (555) 010-0199 ext. 7": "+15550100199x7", "call me": "", "+": "", "": "", "٠١٢": "",
	} {
		if got := Phone(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestEdits(t *testing.T) {
	for pair, want := range map[[2]string]int{{"", ""}: 0, {"take", "tke"}: 1, {"kovács", "kovacs"}: 1, {"a", ""}: 1, {"reply", "replay"}: 1} {
		if got := Edits(pair[0], pair[1]); got != want {
			t.Errorf("%v: %d, want %d", pair, got, want)
		}
	}
}

// add adds a contact with an address.
func (o *office) add(name string, addresses ...string) Contact {
	o.t.Helper()
	c, err := o.desk.AddContact(o.t.Context(), by(ann), ContactInput{Name: name, Addresses: addresses}, 0)
	o.ok(err)
	return c
}

// from lets a mail come, and returns the conversation that it opens.
func (o *office) from(m Mail) Conversation {
	o.t.Helper()
	o.arrives(m)
	return o.newest()
}

// newest is the conversation that was opened last.
func (o *office) newest() Conversation {
	o.t.Helper()
	p, err := o.desk.List(o.t.Context(), "", Query{Group: "help", Order: ByOpening, Back: true, Limit: 1})
	o.ok(err)
	return p.List[len(p.List)-1].Conversation
}

func (o *office) read(id ConversationID) Conversation {
	o.t.Helper()
	s, err := o.desk.Conversation(o.t.Context(), "help", "", id)
	o.ok(err)
	return s.Conversation
}

func TestRecognised(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.setGroup(func(g *Group) {
			g.Matchers = []Match{AddressMatch, NumberMatch, DomainMatch, NameMatch}
			g.Numbers = []*regexp.Regexp{regexp.MustCompile(`(?i)customer (\S+)`)}
		})
		known, err := o.desk.AddContact(t.Context(), by(ann), ContactInput{Name: "Maria Kovács", Addresses: []string{"maria@example.net"}, Numbers: []string{"K-77"}}, 0)
		o.ok(err)
		firm := o.add("A Firm", "@firm.example")
		n := 0
		for name, c := range map[string]struct {
			from            Address
			author          Address
			subject, text   string
			proof           Proof
			contact, perhps ContactID
			match           Match
			matched         string
			proved          Proof
		}{
			"by the address":          {from: Address{Addr: "Maria@example.net"}, proof: Proved, contact: known.ID, match: AddressMatch, matched: "Maria@example.net", proved: Proved},
			"unverified":              {from: maria, contact: known.ID, match: AddressMatch, matched: "maria@example.net"},
			"claims to be":            {from: maria, proof: Forged, perhps: known.ID, match: AddressMatch, matched: "maria@example.net", proved: Forged},
			"by the domain":           {from: Address{Addr: "boss@FIRM.example"}, contact: firm.ID, match: DomainMatch, matched: "FIRM.example"},
			"no other domain":         {from: Address{Addr: "boss@notfirm.example"}},
			"by a number":             {from: peter, subject: "Re: Customer k77, again", contact: known.ID, match: NumberMatch, matched: "k77,"},
			"by a number, forged":     {from: peter, subject: "customer K-77", proof: Forged, perhps: known.ID, match: NumberMatch, matched: "K-77", proved: Forged},
			"an unknown number":       {from: peter, subject: "Customer 78"},
			"a name":                  {from: peter, text: "I write for maria KOVACS, my mother", perhps: known.ID, match: NameMatch, matched: "Maria Kovács"},
			"nobody":                  {from: peter, text: "hello"},
			"named by a form":         {from: Address{Addr: "www@example.org"}, author: maria, proof: Proved, contact: known.ID, match: AddressMatch, matched: "maria@example.net"},
			"the address comes first": {from: Address{Addr: "boss@firm.example"}, subject: "customer K77", contact: known.ID, match: NumberMatch, matched: "K77"},
		} {
			n++
			m := mail(c.from, fmt.Sprintf("%d@x", n), c.subject, c.text)
			m.Digest, m.Proof, m.Author = fmt.Sprint(n), c.proof, c.author
			if c.author.Addr != "" {
				m.ReplyTo, m.NoAutoAnswer = []Address{c.author}, true
			}
			got := o.from(m)
			if got.Contact != c.contact || got.Perhaps != c.perhps || got.Match != c.match || got.Matched != c.matched || got.Proof != c.proved {
				t.Errorf("%s: contact %d, perhaps %d, %q by %q, proof %q", name, got.Contact, got.Perhaps, got.Match, got.Matched, got.Proof)
			}
		}
	})
}

func TestContactsOfATeam(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		before := o.from(mail(maria, "1@x", "Heating", "It is cold"))
		if before.Contact != 0 {
			t.Fatalf("%+v", before)
		}
		forged := mail(maria, "f@x", "Give me money", "now")
		forged.Proof = Forged
		f := o.from(forged)

		// From the card in one step: all that came from the address is hers.
		c, err := o.desk.AddContact(ctx, by(ann), ContactInput{Name: "Maria Kovács", Addresses: []string{"maria@Example.NET", "MARIA@example.net"}, Phones: []string{"+43 (0)1 23"}, Numbers: []string{"K-1"}}, before.ID)
		o.ok(err)
		if len(c.Addresses) != 1 || c.Phones[0] != "+43123" {
			t.Errorf("%+v", c)
		}
		if got := o.read(before.ID); got.Contact != c.ID || got.Match != AddressMatch {
			t.Errorf("the card that it was added from: %+v", got)
		}
		if got := o.read(f.ID); got.Contact != 0 {
			t.Errorf("what failed authentication is thought to be hers: %+v", got)
		}
		mails := func(id ContactID) (all []string) {
			t.Helper()
			f, err := o.desk.ContactFile(ctx, "help", "", id, 0, 10)
			o.ok(err)
			for _, m := range f.Mails {
				all = append(all, m.Subject)
			}
			return all
		}
		o.arrives(mail(maria, "2@x", "Re: Heating", "Still cold", "1@x"))
		if got := mails(c.ID); !slices.Equal(got, []string{"Re: Heating", "Heating"}) {
			t.Errorf("her mails: %v", got)
		}

		// What is another's is refused, with whose it is.
		for field, in := range map[string]ContactInput{
			"name":      {Addresses: []string{"x@y.example"}},
			"addresses": {Name: "X", Addresses: []string{"Maria@example.net"}},
			"numbers":   {Name: "X", Numbers: []string{"k 1"}},
			"phones":    {Name: "X", Phones: []string{"none"}},
		} {
			_, err := o.desk.AddContact(ctx, by(ben), in, 0)
			text := o.refused(err, BadInput)
			if no, _ := err.(Refusal); no.Field != field { //nolint:errorlint // refused has looked
				t.Errorf("%s: %q is about %q", field, text, no.Field)
			}
			if (field == "addresses" || field == "numbers") && !strings.Contains(text, "Maria Kovács") {
				t.Errorf("%s: %q does not say whose it is", field, text)
			}
		}
		for _, bad := range []string{"no address", "@", "a@b", "help@example.org", "a@b.example, c@d.example", "a@@b.example"} {
			_, err := o.desk.AddContact(ctx, by(ben), ContactInput{Name: "X", Addresses: []string{bad}}, 0)
			o.refused(err, BadInput)
		}

		// Edited by two at once: the second is told.
		edited, err := o.desk.EditContact(ctx, by(ben), c.ID, c.Version, ContactInput{Name: "Maria Kovács-Nagy", Addresses: c.Addresses})
		o.ok(err)
		_, err = o.desk.EditContact(ctx, by(ann), c.ID, c.Version, ContactInput{Name: "Overwritten", Addresses: c.Addresses})
		o.refused(err, Stale)
		if edited.Name != "Maria Kovács-Nagy" {
			t.Errorf("%+v", edited)
		}

		// An unknown address is attached to her, by hand.
		work := Address{Name: "M. Kovács", Addr: "mk@office.example"}
		w := o.from(mail(work, "3@x", "From the office", "Hello"))
		_, err = o.desk.AttachContact(ctx, by(ben), w.ID, c.ID)
		o.ok(err)
		if got := o.read(w.ID); got.Contact != c.ID {
			t.Errorf("%+v", got)
		}
		if got := o.from(mail(work, "4@x", "Again from the office", "Hello again")); got.Contact != c.ID || got.Match != AddressMatch {
			t.Errorf("the address was not kept: %+v", got)
		}

		// Wrong person: this one, and with forget all that comes from the address.
		o.ok(o.desk.WrongPerson(ctx, by(ann), w.ID, true))
		if got := o.read(w.ID); got.Contact != 0 || got.Match != NotThem {
			t.Errorf("%+v", got)
		}
		if got := o.from(mail(work, "5@x", "Once more", "Hello once more")); got.Contact != 0 {
			t.Errorf("the address was not forgotten: %+v", got)
		}
		o.refused(o.desk.WrongPerson(ctx, by(ann), w.ID, false), Already)

		// Found by whatever is known of her; near misses.
		for text, want := range map[string]string{"maria": "found", "KOVACS": "found", "maria@example.net": "found", "Marja Kowács": "near", "somebody else": ""} {
			found, near, err := o.desk.FindContacts(ctx, "help", text)
			o.ok(err)
			got := ""
			if len(found) > 0 {
				got = "found"
			} else if len(near) > 0 {
				got = "near"
			}
			if got != want {
				t.Errorf("%q: %q, want %q", text, got, want)
			}
		}

		// Another group's: none of ours.
		_, err = o.desk.Contact(ctx, "other", "", c.ID)
		o.refused(err, NotFound)
		_, err = o.desk.AttachContact(ctx, by(ann), w.ID, 999)
		o.refused(err, NotFound)
	})
}

func TestMerge(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		a, b := o.add("Maria Kovács", "maria@example.net"), o.add("M. Kovacs", "mk@office.example")
		o.arrives(mail(maria, "1@x", "from home", "x"))
		o.arrives(mail(Address{Addr: "mk@office.example"}, "2@x", "from the office", "y"))
		c, err := o.desk.MergeContacts(ctx, by(ann), b.ID, a.ID)
		o.ok(err)
		if c.ID != a.ID {
			t.Fatalf("%+v", c)
		}
		f, err := o.desk.ContactFile(ctx, "help", "", b.ID, 0, 10)
		o.ok(err)
		if len(f.Mails) != 2 || f.ID != a.ID || len(f.Merged) != 1 || f.Merged[0].ID != b.ID {
			t.Errorf("%+v", f)
		}
		k, err := o.desk.Contact(ctx, "help", "", b.ID)
		o.ok(err)
		if k.ID != a.ID || len(k.Merged) != 1 || k.Merged[0].ID != b.ID || len(k.Open) != 2 {
			t.Errorf("%+v", k)
		}
		if got := o.from(mail(Address{Addr: "mk@office.example"}, "3@x", "later", "z")); got.Contact != a.ID {
			t.Errorf("a mail to the merged address belongs to %d", got.Contact)
		}
		// An address that the merged one has is no other's, and not had twice.
		k2, err := o.desk.EditContact(ctx, by(ann), a.ID, k.Version, ContactInput{Name: "Maria", Addresses: []string{"maria@example.net", "mk@office.example"}})
		o.ok(err)
		if len(k2.Addresses) != 1 {
			t.Errorf("%v", k2.Addresses)
		}
		_, err = o.desk.MergeContacts(ctx, by(ann), a.ID, b.ID)
		o.refused(err, Already)
		back, err := o.desk.UnmergeContact(ctx, by(ben), b.ID)
		o.ok(err)
		if back.Into != 0 || back.Name != "M. Kovacs" {
			t.Errorf("%+v", back)
		}
		_, err = o.desk.UnmergeContact(ctx, by(ben), b.ID)
		o.refused(err, Already)
		if k, err = o.desk.Contact(ctx, "help", "", b.ID); err != nil || k.ID != b.ID {
			t.Errorf("%+v, %v", k, err)
		}
		// Two merges the other way round, at once: one of them, and no circle.
		var all sync.WaitGroup
		for _, pair := range [][2]ContactID{{a.ID, b.ID}, {b.ID, a.ID}, {a.ID, b.ID}} {
			all.Go(func() {
				if _, err := o.desk.MergeContacts(ctx, by(ann), pair[0], pair[1]); err != nil {
					o.refused(err, Already)
				}
			})
		}
		all.Wait()
		k, err = o.desk.Contact(ctx, "help", "", a.ID)
		o.ok(err)
		if len(k.Merged) != 1 {
			t.Errorf("%+v", k)
		}
	})
}

func TestWatch(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		c := o.add("Maria", "maria@example.net")
		for range 2 {
			_, err := o.desk.Watch(t.Context(), by(ben), c.ID, true)
			o.ok(err)
		}
		k, err := o.desk.Contact(t.Context(), "help", "", c.ID)
		o.ok(err)
		if !k.Watches(ben.ID) || k.Watches(ann.ID) || k.Watchers[0].Name != "Ben" {
			t.Errorf("%+v", k.Watchers)
		}
		_, err = o.desk.Watch(t.Context(), by(ben), c.ID, false)
		o.ok(err)
		if k, err = o.desk.Contact(t.Context(), "help", "", c.ID); err != nil || len(k.Watchers) > 0 {
			t.Errorf("%+v, %v", k.Watchers, err)
		}
	})
}

// What two people do with the same contacts at once overwrites nothing.
func TestEditAfterMerge(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		a, b := o.add("Maria", "maria@a.example"), o.add("Maria of B", "maria@b.example")
		_, err := o.desk.MergeContacts(ctx, by(ben), a.ID, b.ID)
		o.ok(err)
		_, err = o.desk.EditContact(ctx, by(ann), a.ID, a.Version, ContactInput{Name: "Maria A."})
		if text := o.refused(err, Stale); !strings.Contains(text, "Maria of B") {
			t.Error(text)
		}
		k, err := o.desk.Contact(ctx, "help", "", b.ID)
		if err != nil || k.Name != "Maria of B" || len(k.Addresses) != 1 {
			t.Errorf("%+v, %v", k, err)
		}
		// Who was merged is found by the name they had.
		for text, want := range map[string]int{"Maria": 1, "maria@a.example": 1, "?": 0, "-": 0, "@": 0, "☺": 0} {
			found, near, err := o.desk.FindContacts(ctx, "help", text)
			if err != nil || len(found) != want || want == 1 && found[0].ID != b.ID || want == 0 && len(near) > 0 {
				t.Errorf("%q: %+v, %+v, %v", text, found, near, err)
			}
		}
		c := o.add("Bert Buyer", "bert@c.example")
		_, err = o.desk.Watch(ctx, by(ann), c.ID, true)
		o.ok(err)
		_, err = o.desk.MergeContacts(ctx, by(ben), c.ID, b.ID)
		o.ok(err)
		if found, _, err := o.desk.FindContacts(ctx, "help", "bert"); err != nil || len(found) != 1 || found[0].ID != b.ID {
			t.Errorf("%+v, %v", found, err)
		}
		_, err = o.desk.Watch(ctx, by(ann), b.ID, false)
		o.ok(err)
		if k, err := o.desk.Contact(ctx, "help", "", b.ID); err != nil || len(k.Watchers) != 0 {
			t.Errorf("%+v, %v", k.Watchers, err)
		}
	})
}

// "Wrong person" takes an address away from nobody but whom the card named, and proved to be theirs.
func TestWrongPersonTakesNothingFromOthers(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.setGroup(func(g *Group) {
			g.Numbers, g.Matchers = []*regexp.Regexp{regexp.MustCompile(`K-(\d+)`)}, []Match{NumberMatch, AddressMatch}
		})
		k := o.add("Maria", "maria@example.net")
		acme, err := o.desk.AddContact(ctx, by(ann), ContactInput{Name: "ACME", Numbers: []string{"7"}}, 0)
		o.ok(err)
		claims := mail(maria, "1@x", "Heating", "cold")
		claims.Proof = Forged
		numbered := mail(maria, "2@x", "Heating K-7", "colder")
		for _, m := range []Mail{claims, numbered} {
			c := o.from(m)
			if id := max(c.Contact, c.Perhaps); id != k.ID && id != acme.ID {
				t.Fatalf("%+v", c)
			}
			o.ok(o.desk.WrongPerson(ctx, by(ann), c.ID, true))
			if got, err := o.desk.Contact(ctx, "help", "", k.ID); err != nil || len(got.Addresses) != 1 {
				t.Errorf("Maria has lost her address: %+v, %v", got, err)
			}
		}
		c := o.from(mail(maria, "3@x", "Heating", "coldest"))
		o.ok(o.desk.WrongPerson(ctx, by(ann), c.ID, true))
		if got, err := o.desk.Contact(ctx, "help", "", k.ID); err != nil || len(got.Addresses) != 0 {
			t.Errorf("it is still hers: %+v, %v", got, err)
		}
	})
}

// Who writes in somebody else's conversation is who has written.
func TestWatchersOfWhoWrites(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		m, p := o.add("Maria", "maria@example.net"), o.add("Peter P.", "peter@example.net")
		for who, k := range map[*Member]Contact{&ann: m, &ben: p} {
			_, err := o.desk.Watch(ctx, by(*who), k.ID, true)
			o.ok(err)
		}
		first := mail(maria, "1@x", "Heating", "cold")
		first.Cc = []Address{peter}
		o.arrives(first)
		o.arrives(mail(peter, "2@x", "Re: Heating", "here, too", "1@x"))
		told := map[MemberID]string{}
		for _, dr := range o.direct(WatchPost) {
			told[dr.Post.To] += dr.Known.Name + ": " + dr.Mail.Text + "."
		}
		if told[ann.ID] != "Maria: cold." || told[ben.ID] != "Peter P.: here, too." {
			t.Errorf("%q", told)
		}
	})
}

// A phone number finds whose it is as it is dialled at home, too.
func TestLocalPhones(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		k, err := o.desk.AddContact(t.Context(), by(ann), ContactInput{Name: "Maria", Phones: []string{"+43 1 2345678"}}, 0)
		o.ok(err)
		for text, want := range map[string]bool{"01 2345678": true, "12345678": true, "01/234-56-78": true, "+43 (0)1 2345678": true, "2345": false, "99345678": false, "+49 1 2345678": false} {
			found, _, err := o.desk.FindContacts(t.Context(), "help", text)
			if err != nil || (len(found) == 1 && found[0].ID == k.ID) != want {
				t.Errorf("%s: %+v, %v", text, found, err)
			}
		}
	})
}
