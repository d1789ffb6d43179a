package wiki

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"groupmail/ticketing"
)

func TestSearchPage(t *testing.T) {
	onBoth(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		maria := ticketing.Address{Name: "Maria", Addr: "maria@example.net"}
		first := o.arrives("help", ticketing.Mail{From: maria, Subject: "Heizung <b>kaputt</b>", MessageID: "a@x", Text: "Grüße aus der Straße, die Heizung ist kalt"})
		o.arrives("help", ticketing.Mail{From: ticketing.Address{Addr: "ben@office.example"}, Subject: "Other", MessageID: "b@x", Text: "the heizung, too", Attachments: []ticketing.Attachment{{Name: "bill.pdf"}}})
		o.arrives("shop", ticketing.Mail{From: maria, Subject: "Heizung of the shop", MessageID: "c@x", Text: "secret of the shop"})
		who, err := o.desk.AddContact(ctx, by(ann, "help"), ticketing.ContactInput{Name: "Maria Kovács", Addresses: []string{maria.Addr}}, first.ID)
		o.ok(err)
		work, err := o.desk.AddContact(ctx, by(ann, "help"), ticketing.ContactInput{Name: "MK", Addresses: []string{"ben@office.example"}}, 0)
		o.ok(err)
		o.page(ann, "help", "Boiler", "How the Heizung works")
		o.indexed("boiler")
		v := o.visitor(ann, "help")
		search := func(pairs ...string) string {
			q := url.Values{}
			for i := 0; i < len(pairs); i += 2 {
				q.Set(pairs[i], pairs[i+1])
			}
			return v.reads(to("help", "search") + "?" + q.Encode())
		}
		body := search("q", "heizung")
		has(t, body, `<mark>Heizung</mark> &lt;b&gt;kaputt&lt;/b&gt;`, "the <mark>heizung</mark>, too", `href="/wiki/help/page/boiler"`, "How the <mark>Heizung</mark> works", "#mail-1", `value="heizung"`)
		hasNot(t, body, "shop", "Nothing is found")
		has(t, search("q", "grusse strasse"), "<mark>Grüße</mark>")
		has(t, search("q", "kovacs"), `href="/wiki/help/contact/1"`, "<mark>Kovács</mark>")
		body = search("q", "heizung", "person", "Maria Kovács")
		has(t, body, "kaputt", `value="Maria Kovács"`)
		hasNot(t, body, "heizung</mark>, too")
		_, err = o.desk.MergeContacts(ctx, by(ann, "help"), work.ID, who.ID)
		o.ok(err)
		has(t, search("q", "heizung", "person", "maria"), "kaputt", "heizung</mark>, too") // merged: hers as well
		has(t, search("person", "ben@office"), "Other")
		hasNot(t, search("q", "heizung", "file", "yes"), "kaputt")
		has(t, search("file", "yes"), "Other", " checked", "<details open>")
		has(t, search("state", "open"), "kaputt", "Other")
		has(t, search("state", "closed", "q", "heizung"), "Nothing is found.")
		has(t, search("before", "2020-01-01"), "Nothing is found.")
		has(t, search("after", "2020-01-01", "q", "kalt"), "<mark>kalt</mark>")
		has(t, search("q", "state:odd"), `role="alert"`, "none of open")
		has(t, search("q", `"<script>alert(1)</script>`), "Nothing is found.", "&lt;script&gt;")
		has(t, search(), "Words", "has:attachment", "<details>")
		hasNot(t, search(), "Nothing is found")
		v.status(to("shop", "search")+"?q=heizung", http.StatusNotFound)
		both := o.visitor(ben, "help")
		has(t, both.reads(to("help", "search")+"?q=heizung"), `<a href="/wiki/shop/search?q=heizung">Shop</a>`)
		has(t, both.reads(to("shop", "search")+"?q=heizung"), "secret of the shop")
	})
}

// indexed lets the store keep the search up to date until what was made last is found.
func (o *office) indexed(last string) {
	o.Helper()
	ctx, cancel := context.WithCancel(o.Context())
	ran := make(chan error)
	go func() { ran <- o.store.Run(ctx) }()
	defer func() {
		cancel()
		o.ok(<-ran)
	}()
	for {
		h, err := o.desk.Search(ctx, "", ticketing.Search{Group: "help", Words: []string{last}}, 0)
		o.ok(err)
		if len(h.Known)+len(h.Mails) > 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
