package bot

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"groupmail/ticketing"
)

// TestKnownOnACard: who it is, and why that is thought.
// What comes later and only claims to be from them is said to do so, on the card and in the thread.
func TestForgedFollowUpOnACard(t *testing.T) {
	w := newWorld(t, nil)
	maria := ticketing.Address{Name: "Maria", Addr: "maria@x.example"}
	w.receives(ticketing.Mail{From: maria, Subject: "Heating", Text: "cold", Reply: "cold", Proof: ticketing.Proved})
	first := fmt.Sprintf("%d@example.net", w.n)
	w.click(0, w.card("Heating"), "take")
	w.receives(ticketing.Mail{From: maria, Subject: "Re: Heating", Text: "pay elsewhere", Reply: "pay elsewhere", InReplyTo: []string{first}, Proof: ticketing.Forged})
	w.shows(w.card("Heating"), "⚠ Claims to be from Maria <maria@x.example>, and fails authentication: somebody else may have written this. It gets no answer")
	w.line("pay elsewhere")
	if got := text(w.line("pay elsewhere").m); !strings.Contains(got, "⚠ Claims to be from") || strings.Contains(got, "had no part") {
		t.Error(got)
	}
}

func TestKnownOnACard(t *testing.T) {
	maria := ticketing.Contact{ID: 7, Name: "Maria Kovács", Organisation: "Example Ltd"}
	base := ticketing.Conversation{ID: 1, State: ticketing.New, Subject: "Heating", With: ticketing.Address{Addr: "m@x.example"}, Mailbox: "help", First: 1}
	for name, c := range map[string]struct {
		change func(*ticketing.Conversation)
		known  bool
		maybe  bool
		want   string
		items  string
	}{
		"nobody":         {func(*ticketing.Conversation) {}, false, false, "", "addcontact"},
		"by the address": {func(c *ticketing.Conversation) { c.Match, c.Proof = ticketing.AddressMatch, ticketing.Proved }, true, false, "☺ Known: Maria Kovács, Example Ltd · by the address, verified", "contact wrongperson"},
		"unverified":     {func(c *ticketing.Conversation) { c.Match = ticketing.AddressMatch }, true, false, "by the address, unverified", "contact wrongperson"},
		"by the domain":  {func(c *ticketing.Conversation) { c.Match, c.Matched = ticketing.DomainMatch, "x.example" }, true, false, "by the domain x.example, unverified", "contact addcontact wrongperson"},
		"by a number": {func(c *ticketing.Conversation) {
			c.Match, c.Matched, c.Proof = ticketing.NumberMatch, "K-7", ticketing.Proved
		}, true, false, "by the number K-7, verified", "contact wrongperson"},
		"by hand":         {func(c *ticketing.Conversation) { c.Match = ticketing.ByHand }, true, false, "somebody of the team said so", "contact wrongperson"},
		"a phone call":    {func(c *ticketing.Conversation) { c.Match, c.Mailbox = ticketing.AddressMatch, "" }, true, false, "☺ Known: Maria Kovács, Example Ltd · by the address", "contact wrongperson"},
		"a name":          {func(c *ticketing.Conversation) { c.Match = ticketing.NameMatch }, false, true, "☺ Perhaps Maria Kovács, Example Ltd, whose name is in the text.", "addcontact wrongperson"},
		"nobody, forged":  {func(c *ticketing.Conversation) { c.Proof = ticketing.Forged }, false, false, "⚠ Claims to be from m@x.example, and fails authentication", "addcontact"},
		"forged":          {func(c *ticketing.Conversation) { c.Match, c.Proof = ticketing.AddressMatch, ticketing.Forged }, false, true, "⚠ Claims to be Maria Kovács, Example Ltd, and fails authentication", "addcontact wrongperson"},
		"forged, by hand": {func(c *ticketing.Conversation) { c.Match, c.Proof = ticketing.ByHand, ticketing.Forged }, true, false, "⚠ Claims to be Maria Kovács", "contact wrongperson"},
	} {
		dr := ticketing.Drawing{Conversation: base, First: ticketing.Mail{ID: 1, Direction: ticketing.In, From: base.With}}
		c.change(&dr.Conversation)
		if c.known {
			dr.Known = maria
		}
		if c.maybe {
			dr.Perhaps = maria
		}
		m := card(dr, ticketing.ShowFull, func(string) string { return "" })
		got := text(m)
		if !strings.Contains(got, c.want) || c.want == "" && strings.Contains(got, "Maria") {
			t.Errorf("%s: %s", name, got)
		}
		if (!c.known || dr.Conversation.Proof == ticketing.Forged) && strings.Contains(got, "Known:") {
			t.Errorf("%s: it is shown as known: %s", name, got)
		}
		var items []string
		for _, b := range m.Buttons[len(m.Buttons)-1].Menu {
			if strings.Contains(b.ID, "contact") || b.ID == "wrongperson" {
				items = append(items, b.ID)
			}
		}
		if strings.Join(items, " ") != c.items {
			t.Errorf("%s: the menu offers %q, want %s", name, items, c.items)
		}
	}
}

// A sender becomes a contact from the card; what comes next is known, and the contact is found again.
func TestContactsInChat(t *testing.T) {
	w := newWorld(t, nil)
	w.arrives("Heating broken", "It is cold.")
	form := w.click(0, w.card("Heating broken"), "addcontact").Form
	if form == nil || form.Title != "Who is this?" {
		t.Fatalf("%+v", form)
	}
	if a := w.submit(0, form, map[string]string{"name": "", "organisation": ""}); a.Errors["name"] == "" {
		t.Errorf("a contact without a name: %+v", a)
	}
	a := w.submit(0, form, map[string]string{"name": "Maria Kovács", "phones": "+43 (0)1 23, 0043 1 24", "numbers": "K-1"})
	if got := said(a); !strings.Contains(got, "☎ +43123, +43124") || !strings.Contains(got, "№ K-1") || !strings.Contains(got, "Open:") {
		t.Errorf("%s", got)
	}
	w.shows(w.card("Heating broken"), "☺ Known: Maria Kovács · by the address")

	// The same form for what follows: somebody known already, with near misses.
	m := ticketing.Mail{MessageID: "w@x", From: ticketing.Address{Name: "MK", Addr: "mk@office.example"}, To: []ticketing.Address{{Addr: "help@example.org"}}, Subject: "From the office", Text: "x", Reply: "x", Digest: "office", Sent: time.Now()}
	w.receives(m)
	form = w.click(1, w.card("From the office"), "addcontact").Form
	if a := w.submit(1, form, map[string]string{"existing": "Marja Kowács"}); !strings.Contains(a.Errors["existing"], "Did you mean: Maria Kovács (") {
		t.Errorf("%+v", a.Errors)
	}
	if got := said(w.submit(1, form, map[string]string{"existing": "maria"})); !strings.Contains(got, "✓ This is with Maria Kovács.") {
		t.Errorf("%s", got)
	}
	w.shows(w.card("From the office"), "☺ Known: Maria Kovács")

	// Found by whatever is known; forgiving of quotes.
	for _, c := range []struct{ text, want string }{
		{"contact maria", "mk@office.example"}, {`contact "Maria Kovács"`, "mk@office.example"}, {"contact mk@office.example", "№ K-1"}, {"contact k1", "№ K-1"}, {"contact +43 1 23", "№ K-1"},
		{"contact Marja", "Did you mean one of these?"}, {"contact somebody else", "/mail contact add somebody else"}, {"contact", "☺ Maria Kovács"},
		{"watch maria", "✓ You are told by direct message when Maria Kovács writes."}, {"watch maria", "no longer told"}, {"watch nobody", "There is no contact"},
	} {
		if got := said(w.command(0, c.text)); !strings.Contains(got, c.want) {
			t.Errorf("/mail %s: %s, want %q", c.text, got, c.want)
		}
	}

	// As a command of its own.
	short := Command{Event: "short", Who: people[0], Channel: "board", Name: "contact", Text: "maria"}
	if got := said(w.chat.hub.Command(t.Context(), short)); !strings.Contains(got, "mk@office.example") {
		t.Errorf("/contact maria: %s", got)
	}
	if offers := w.chat.hub.Complete(t.Context(), Command{Who: people[0], Channel: "board", Name: "contact", Text: "kov"}); len(offers) != 1 || offers[0].Text != "Maria Kovács" {
		t.Errorf("/contact kov: %+v", offers)
	}

	// Edited by two at once: the second keeps what was typed.
	shown := w.command(0, "contact maria")
	first, second := w.whispered(0, shown, "editcontact").Form, w.whispered(1, shown, "editcontact").Form
	if got := said(w.submit(0, first, map[string]string{"organisation": "Example Ltd"})); !strings.Contains(got, "Maria Kovács, Example Ltd") {
		t.Errorf("%s", got)
	}
	if a := w.submit(1, second, map[string]string{"organisation": "Other"}); !strings.Contains(a.Errors[""], "since you opened this form") {
		t.Errorf("%+v", a)
	}
	w.shows(w.card("From the office"), "Maria Kovács, Example Ltd")

	// A new one by command; merged, and parted again.
	form = w.command(0, "contact add Peter peter@example.net").Form
	w.submit(0, form, nil)
	shown = w.command(0, "contact peter")
	form = w.whispered(0, shown, "merge").Form
	if a := w.submit(0, form, map[string]string{"into": "nobody at all"}); a.Errors["into"] == "" {
		t.Errorf("%+v", a)
	}
	a = w.submit(0, form, map[string]string{"into": "Maria"})
	if got := said(a); !strings.Contains(got, "＋ Peter, merged") || !strings.Contains(got, "peter@example.net") {
		t.Errorf("%s", got)
	}
	if got := said(w.whispered(0, a, "unmerge")); !strings.Contains(got, "Peter") || strings.Contains(got, "merged\n") {
		t.Errorf("%s", got)
	}

	// Wrong person.
	form = w.click(0, w.card("From the office"), "wrongperson").Form
	w.submit(0, form, map[string]string{"forget": "true"})
	office := w.card("From the office")
	w.until("the card names nobody", func() bool { return !strings.Contains(text(office.m), "Maria") })
	if got := said(w.command(0, "contact mk@office.example")); !strings.Contains(got, "There is no") {
		t.Errorf("%s", got)
	}

	// Names from outside are data, and the form shows them as they are.
	m.MessageID, m.Digest, m.From, m.Subject = "h@x", "h", ticketing.Address{Name: "<b>*x*</b>\u202e @channel", Addr: "h@office.example"}, "Hostile"
	w.receives(m)
	if form = w.click(0, w.card("Hostile"), "addcontact").Form; form.Fields[0].Value != m.From.Name {
		t.Errorf("%+v", form.Fields)
	}
}

func TestPagesOfContacts(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 45 {
		if _, err := w.desk.AddContact(t.Context(), ticketing.By{Group: "help"}, ticketing.ContactInput{Name: fmt.Sprintf("Name %02d", i)}, 0); err != nil {
			t.Fatal(err)
		}
	}
	a := w.command(0, "contact")
	if got := said(a); !strings.Contains(got, "Name 00") || !strings.Contains(got, "Name 19") || strings.Contains(got, "Name 20") {
		t.Errorf("%s", got)
	}
	a = w.whispered(0, w.whispered(0, a, "contactsnext"), "contactsnext")
	if got := said(a); !strings.Contains(got, "Name 40") || !strings.Contains(got, "Name 44") || strings.Contains(got, "Name 39") {
		t.Errorf("%s", got)
	}
	if got := said(w.whispered(0, a, "contactsfirst")); !strings.Contains(got, "Name 00") {
		t.Errorf("%s", got)
	}
}
