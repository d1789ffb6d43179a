package store

import (
	"errors"
	"slices"

	"gorm.io/gorm"

	"groupmail/ticketing"
)

// Rows implements ticketing.Tx.
func (t *tx) Rows(w ticketing.Wanted) (ticketing.Rows, error) {
	var mails []mailRow
	conversations := make([]conversationRow, 0, len(w.Conversations))
	var contacts []contactRow
	var pages []pageRow
	posts := make([]postRow, 0, len(w.Posts))
	var members []memberRow
	err := errors.Join(
		wanted(t, "mails", w.Mails, func(g *gorm.DB, ids []ticketing.MailID) *gorm.DB {
			return g.Select(append(slices.Clone(mailLine), "text", "reply")).Where("id IN ?", ids).Find(&mails)
		}),
		wanted(t, "conversations", w.Conversations, func(g *gorm.DB, ids []ticketing.ConversationID) *gorm.DB {
			return g.Where("id IN ?", ids).Find(&conversations)
		}),
		wanted(t, "contacts", w.Contacts, func(g *gorm.DB, ids []ticketing.ContactID) *gorm.DB {
			return g.Where("id IN ?", ids).Find(&contacts)
		}),
		wanted(t, "pages", w.Pages, func(g *gorm.DB, ids []ticketing.PageID) *gorm.DB {
			return g.Where("id IN ?", ids).Find(&pages)
		}),
		wanted(t, "posts", w.Posts, func(g *gorm.DB, keys []string) *gorm.DB {
			return g.Where(t.s.among("key"), jsonArray(keys)).Find(&posts)
		}),
		wanted(t, "members", w.Members, func(g *gorm.DB, ids []ticketing.MemberID) *gorm.DB {
			return g.Where(t.s.among("id"), jsonArray(texts(ids))).Find(&members)
		}),
		t.flush("rows"))
	return ticketing.Rows{
		Mails:         byKey(nouns(mails), func(m ticketing.Mail) ticketing.MailID { return m.ID }),
		Conversations: byKey(nouns(conversations), func(c ticketing.Conversation) ticketing.ConversationID { return c.ID }),
		Contacts:      byKey(nouns(contacts), func(c ticketing.Contact) ticketing.ContactID { return c.ID }),
		Pages:         byKey(nouns(pages), func(p ticketing.Page) ticketing.PageID { return p.ID }),
		Posts:         byKey(nouns(posts), func(p ticketing.Post) string { return p.Key }),
		Members:       byKey(nouns(members), func(m ticketing.Member) ticketing.MemberID { return m.ID }),
	}, err
}

// wanted reads, later, those of some keys that are any.
func wanted[K ~int64 | ~string](t *tx, what string, keys []K, build func(g *gorm.DB, keys []K) *gorm.DB) error {
	var none K
	keys = slices.DeleteFunc(slices.Clone(keys), func(k K) bool { return k == none })
	if len(keys) == 0 {
		return nil
	}
	slices.Sort(keys)
	return t.getLater(what, func(g *gorm.DB) *gorm.DB { return build(g, slices.Compact(keys)) })
}

func byKey[N any, K comparable](all []N, key func(N) K) map[K]N {
	m := make(map[K]N, len(all))
	for _, n := range all {
		m[key(n)] = n
	}
	return m
}
