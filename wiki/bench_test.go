package wiki

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver to ask for statistics by

	"groupmail/deploy/testbed"
	"groupmail/store"
	"groupmail/ticketing"
)

// BenchmarkContactPage reads the page of a contact with 10,000 mails, from its newest and from the middle, beside the
// bare query for the same mails: the floor.
func BenchmarkContactPage(b *testing.B) {
	for name, cfg := range map[string]func() store.Config{
		"SQLite":   func() store.Config { return store.Config{} },
		"Postgres": func() store.Config { return store.Config{URL: testbed.Postgres(b)} },
	} {
		b.Run(name, func(b *testing.B) {
			const mails = 10_000
			o := newOffice(b, cfg())
			ctx := b.Context()
			c := o.arrives("help", ticketing.Mail{From: ticketing.Address{Name: "Maria", Addr: "maria@example.net"}, Subject: "Heating", MessageID: "m@x", Text: "cold"})
			who, err := o.desk.AddContact(ctx, by(ann, "help"), ticketing.ContactInput{Name: "Maria", Addresses: []string{"maria@example.net"}}, c.ID)
			o.ok(err)
			o.ok(o.store.Change(ctx, func(tx ticketing.Tx) error {
				for i := range mails {
					one := ticketing.Conversation{Group: "help", State: ticketing.Closed, Subject: "Heating", With: ticketing.Address{Addr: "maria@example.net"}, Contact: who.ID, Opened: o.now()}
					if err := tx.AddConversation(&one); err != nil {
						return err
					}
					m := ticketing.Mail{Group: "help", Conversation: one.ID, Contact: who.ID, Direction: ticketing.In, Subject: fmt.Sprint("Heating ", i), Digest: fmt.Sprint(i), Text: "cold", Received: o.now()}
					if err := tx.AddMail(&m); err != nil {
						return err
					}
				}
				return nil
			}))
			if url := o.config.URL; url != "" { // as its own housekeeping does before long
				db, err := sql.Open("pgx", url)
				o.ok(err)
				_, err = db.ExecContext(ctx, "ANALYZE")
				o.ok(errors.Join(err, db.Close()))
			}
			v := o.visitor(ann, "help")
			cookies := v.client.Jar.Cookies(must(http.NewRequest(http.MethodGet, o.http.URL+Root, nil)).URL)
			handler := o.wiki.Handler()
			for _, at := range []ticketing.MailID{0, mails / 2} {
				b.Run(fmt.Sprintf("before %d/page", at), func(b *testing.B) {
					for b.Loop() {
						r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("%s?before=%d", to("help", "contact", number(int64(who.ID))), at), nil)
						for _, c := range cookies {
							r.AddCookie(c)
						}
						w := httptest.NewRecorder()
						if handler.ServeHTTP(w, r); w.Code != http.StatusOK {
							b.Fatal(w.Code)
						}
					}
				})
				b.Run(fmt.Sprintf("before %d/bare", at), func(b *testing.B) {
					for b.Loop() {
						o.ok(o.store.Read(ctx, func(tx ticketing.Tx) error {
							all, err := tx.ContactMails([]ticketing.ContactID{who.ID}, at, atOnce+1)
							if len(all) != atOnce+1 {
								b.Fatal(len(all))
							}
							return err
						}))
					}
				})
			}
		})
	}
}
