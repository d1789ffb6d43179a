package store

import (
	"errors"
	"testing"

	"groupmail/ticketing"
)

func TestReadingInBulk(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		one, two := b.conversation(ticketing.Conversation{Subject: "one"}), b.conversation(ticketing.Conversation{Subject: "two"})
		var mails []ticketing.Mail
		maria, page := ticketing.Contact{Group: "help", Name: "Maria"}, ticketing.Page{Group: "help", Slug: "house", Title: "House"}
		b.change(func(tx ticketing.Tx) error {
			for _, digest := range []string{"a", "b", "c"} {
				m := ticketing.Mail{Group: "help", Conversation: one.ID, Digest: digest, Subject: digest, Text: "text", HTML: "<p>text"}
				fatal(t, tx.AddMail(&m))
				mails = append(mails, m)
			}
			other := ticketing.Mail{Group: "help", Conversation: two.ID, Digest: "d"}
			_, postErr := tx.AddPost(ticketing.Post{Key: "k1", Conversation: one.ID}, "", b.clock())
			return errors.Join(tx.AddMail(&other), postErr, tx.AddContact(&maria), tx.AddPage(&page), tx.MeetMember(ticketing.Member{ID: "x:ann", Name: "Ann"}))
		})
		b.read(func(tx ticketing.Tx) error {
			earlier, err := tx.MailsBefore(one.ID, mails[2].ID, 1)
			fatal(t, err)
			if len(earlier) != 1 || earlier[0].Subject != "b" || earlier[0].Text != "text" {
				t.Errorf("%+v", earlier)
			}
			rows, err := tx.Rows(ticketing.Wanted{
				Mails: []ticketing.MailID{mails[1].ID, 99, mails[1].ID}, Conversations: []ticketing.ConversationID{two.ID, 99, 0, one.ID, two.ID},
				Contacts: []ticketing.ContactID{maria.ID, 99}, Pages: []ticketing.PageID{page.ID, 99}, Posts: []string{"k1", "k2", ""},
				Members: []ticketing.MemberID{"x:ann", "x:nobody", ""},
			})
			fatal(t, err)
			if len(rows.Mails) != 1 || rows.Mails[mails[1].ID].Text != "text" || rows.Mails[mails[1].ID].HTML != "" ||
				len(rows.Conversations) != 2 || rows.Conversations[two.ID].Subject != "two" ||
				len(rows.Contacts) != 1 || rows.Contacts[maria.ID].Name != "Maria" || len(rows.Pages) != 1 || rows.Pages[page.ID].Title != "House" ||
				len(rows.Posts) != 1 || rows.Posts["k1"].Conversation != one.ID || len(rows.Members) != 1 || rows.Members["x:ann"].Name != "Ann" {
				t.Errorf("%+v", rows)
			}
			rows, err = tx.Rows(ticketing.Wanted{Members: []ticketing.MemberID{""}})
			if len(rows.Members) != 0 {
				t.Errorf("%+v", rows)
			}
			return err
		})
	})
}
