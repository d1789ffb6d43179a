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
		b.change(func(tx ticketing.Tx) error {
			for _, digest := range []string{"a", "b", "c"} {
				m := ticketing.Mail{Group: "help", Conversation: one.ID, Digest: digest, Subject: digest, Text: "text"}
				fatal(t, tx.AddMail(&m))
				mails = append(mails, m)
			}
			other := ticketing.Mail{Group: "help", Conversation: two.ID, Digest: "d"}
			_, postErr := tx.AddPost(ticketing.Post{Key: "k1", Conversation: one.ID}, "", b.clock())
			return errors.Join(tx.AddMail(&other), postErr)
		})
		b.read(func(tx ticketing.Tx) error {
			all, err := tx.ConversationsByID([]ticketing.ConversationID{two.ID, 99, two.ID})
			fatal(t, err)
			if len(all) != 1 || all[0].Subject != "two" {
				t.Errorf("%+v", all)
			}
			none, err := tx.ConversationsByID(nil)
			fatal(t, err)
			earlier, err := tx.MailsBefore(one.ID, mails[2].ID, 1)
			fatal(t, err)
			if len(none) != 0 || len(earlier) != 1 || earlier[0].Subject != "b" || earlier[0].Text != "text" {
				t.Errorf("%+v %+v", none, earlier)
			}
			m, c, cards, err := tx.ReadHits([]ticketing.MailID{mails[1].ID, 99}, []ticketing.ConversationID{one.ID, 99}, []string{"k1", "k2"})
			fatal(t, err)
			if len(m) != 1 || m[0].Subject != "b" || len(c) != 1 || c[0].Subject != "one" || len(cards) != 1 || cards["k1"].Conversation != one.ID {
				t.Errorf("%+v %+v %+v", m, c, cards)
			}
			m, c, cards, err = tx.ReadHits(nil, nil, nil)
			fatal(t, err)
			if len(m)+len(c)+len(cards) != 0 {
				t.Errorf("%+v %+v %+v", m, c, cards)
			}
			posts, err := tx.FindPosts([]string{"k1", "k2"})
			fatal(t, err)
			nothing, err := tx.FindPosts(nil)
			if len(posts) != 1 || posts["k1"].Conversation != one.ID || len(nothing) != 0 {
				t.Errorf("%+v %+v", posts, nothing)
			}
			return err
		})
	})
}
