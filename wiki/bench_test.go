package wiki

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver of the bare query; SQLite's is the store's

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
			driver, at := "sqlite", o.config.Path
			if o.config.URL != "" {
				driver, at = "pgx", o.config.URL
			}
			db, err := sql.Open(driver, at)
			o.ok(err)
			b.Cleanup(func() { _ = db.Close() })
			_, err = db.ExecContext(ctx, "ANALYZE") // as its own housekeeping does before long
			o.ok(err)
			v := o.visitor(ann, "help")
			cookies := v.client.Jar.Cookies(must(http.NewRequest(http.MethodGet, o.http.URL+Root, nil)).URL)
			handler := o.wiki.Handler()
			for _, before := range []ticketing.MailID{0, mails / 2} {
				b.Run(fmt.Sprintf("before %d/page", before), func(b *testing.B) {
					for b.Loop() {
						r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("%s?before=%d", to("help", "contact", number(int64(who.ID))), before), nil)
						for _, c := range cookies {
							r.AddCookie(c)
						}
						w := httptest.NewRecorder()
						if handler.ServeHTTP(w, r); w.Code != http.StatusOK {
							b.Fatal(w.Code)
						}
					}
				})
				b.Run(fmt.Sprintf("before %d/bare", before), func(b *testing.B) {
					for b.Loop() {
						if n := bareMails(b, db, who.ID, before, atOnce+1); n != atOnce+1 {
							b.Fatal(n)
						}
					}
				})
			}
		})
	}
}

// bareMails reads the newest mails of a contact, before one if it is not 0, and tells how many there are.
func bareMails(b *testing.B, db *sql.DB, of ticketing.ContactID, before ticketing.MailID, limit int) (n int) {
	b.Helper()
	tx, err := db.BeginTx(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	sql := fmt.Sprintf("SELECT * FROM mails WHERE contact = %d AND contact <> 0", of)
	if before != 0 {
		sql += fmt.Sprintf(" AND -id > %d", -before)
	}
	rows, err := tx.QueryContext(b.Context(), sql+" ORDER BY -id LIMIT $1", limit)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	row := make([]any, len(columns))
	for i := range row {
		row[i] = new(any)
	}
	for err == nil && rows.Next() {
		err = rows.Scan(row...)
		n++
	}
	if err = errors.Join(err, rows.Err()); err != nil {
		b.Fatal(err)
	}
	return n
}
