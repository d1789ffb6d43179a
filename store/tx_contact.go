package store

import (
	"errors"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"groupmail/ticketing"
)

type contactRow struct {
	ID           int64 `gorm:"primaryKey;autoIncrement"`
	GroupName    string
	Name         string
	Organisation string
	Addresses    words
	Phones       words
	Numbers      words
	IntoContact  int64
	Made         moment
	ByMember     string
	Version      int64
	NameWords    string
	Words        string
}

func (contactRow) TableName() string { return "contacts" }

func rowOfContact(c ticketing.Contact) contactRow {
	all := append([]string{c.Name, c.Organisation}, c.Addresses...)
	return contactRow{
		ID: int64(c.ID), GroupName: c.Group, Name: c.Name, Organisation: c.Organisation, Addresses: c.Addresses,
		Phones: c.Phones, Numbers: c.Numbers, IntoContact: int64(c.Into), Made: at(c.Made), ByMember: string(c.By),
		Version: int64(c.Version), NameWords: plainWords(c.Name), Words: " " + plainWords(strings.Join(append(all, c.Numbers...), " ")),
	}
}

func (r contactRow) noun() ticketing.Contact {
	return ticketing.Contact{
		ID: ticketing.ContactID(r.ID), Group: r.GroupName, Name: r.Name, Organisation: r.Organisation, Addresses: r.Addresses,
		Phones: r.Phones, Numbers: r.Numbers, Into: ticketing.ContactID(r.IntoContact), Made: r.Made.time(),
		By: ticketing.MemberID(r.ByMember), Version: int(r.Version),
	}
}

type contactKeyRow struct {
	GroupName string
	Kind      string
	Key       string
	Contact   int64
}

func (contactKeyRow) TableName() string { return "contact_keys" }

func (t *tx) AddContact(c *ticketing.Contact) error {
	row := rowOfContact(*c)
	row.ID = 0
	id, err := t.add("add contact", func(g *gorm.DB) *gorm.DB { return g.Create(&row) })
	if err != nil {
		return err
	}
	c.ID = ticketing.ContactID(id)
	t.know(c.ID)
	return t.addContactKeys(*c)
}

func (t *tx) addContactKeys(c ticketing.Contact) error {
	if err := t.searchOwed(ticketing.ContactHit, int64(c.ID)); err != nil {
		return err
	}
	var rows []contactKeyRow
	for _, k := range c.Keys() {
		rows = append(rows, contactKeyRow{GroupName: c.Group, Kind: string(k.Kind), Key: key(k.Text), Contact: int64(c.ID)})
	}
	if len(rows) == 0 {
		return t.err
	}
	return t.put("add contact keys", func(g *gorm.DB) *gorm.DB { return g.Create(&rows) })
}

func (t *tx) Contact(id ticketing.ContactID) (ticketing.Contact, error) {
	var row contactRow
	err := t.get("contact", func(g *gorm.DB) *gorm.DB { return t.lock(g).Where("id = ?", int64(id)).Take(&row) })
	if err == nil && !t.readOnly {
		t.know(id)
	}
	return row.noun(), err
}

func (t *tx) SetContact(c ticketing.Contact) error {
	row := rowOfContact(c)
	err := t.putOne("set contact", c.ID, func(g *gorm.DB) *gorm.DB {
		return g.Model(&row).Select("*").Omit("id", "group_name", "made", "by_member").Updates(&row)
	})
	if err == nil {
		err = t.put("forget contact keys", func(g *gorm.DB) *gorm.DB {
			return g.Exec(`DELETE FROM contact_keys WHERE contact = ?`, int64(c.ID))
		})
	}
	if err != nil {
		return err
	}
	return t.addContactKeys(c)
}

func (t *tx) contactIDs(what, sql string, args ...any) ([]ticketing.ContactID, error) {
	var ids []ticketing.ContactID
	err := t.get(what, func(g *gorm.DB) *gorm.DB { return g.Raw(sql, args...).Find(&ids) })
	return ids, err
}

func (t *tx) ContactsWith(group string, k ticketing.Key) ([]ticketing.ContactID, error) {
	return t.contactIDs("contacts with", `SELECT contact FROM contact_keys WHERE group_name = ? AND kind = ? AND key = ? ORDER BY contact`,
		group, string(k.Kind), key(k.Text))
}

func (t *tx) PhonesEnding(group, digits string, limit int) ([]ticketing.ContactID, error) {
	return t.contactIDs("phones ending", `SELECT contact FROM contact_keys WHERE group_name = ? AND kind = ? AND key LIKE '%' || ? ORDER BY contact LIMIT ?`,
		group, string(ticketing.PhoneKey), digits, limit)
}

func (t *tx) Family(id ticketing.ContactID) ([]ticketing.Contact, error) {
	var rows []contactRow
	// Nobody merges in a circle, but nothing must hang on it.
	err := t.get("family of a contact", func(g *gorm.DB) *gorm.DB {
		return g.Raw(`WITH RECURSIVE family (id, depth) AS (SELECT id, 0 FROM contacts WHERE id = ?
			UNION SELECT c.id, family.depth + 1 FROM contacts c JOIN family ON c.into_contact = family.id AND c.into_contact <> 0 WHERE family.depth < 20)
			SELECT c.* FROM family JOIN contacts c ON c.id = family.id ORDER BY family.depth, c.id LIMIT 100`, int64(id)).Find(&rows)
	})
	if err == nil && len(rows) == 0 {
		err = ticketing.ErrNone
	}
	return nouns(rows), err
}

func (t *tx) Contacts(q ticketing.ContactQuery) ([]ticketing.Contact, error) {
	var rows []contactRow
	err := t.get("contacts", func(g *gorm.DB) *gorm.DB {
		if q.Gone {
			g = g.Where("group_name = ? AND into_contact <> 0", q.Group)
		} else {
			g = g.Where("group_name = ? AND into_contact = 0", q.Group)
		}
		for w := range strings.FieldsSeq(plainWords(q.Like)) {
			g = g.Where("words LIKE ?", "% "+w+"%") // a word holds letters and digits alone
		}
		if q.After != (ticketing.ContactPlace{}) {
			g = g.Where("(name_words, id) > (?, ?)", plainWords(q.After.Name), int64(q.After.ID))
		}
		return g.Order("name_words, id").Limit(q.Limit).Find(&rows)
	})
	return nouns(rows), err
}

func (t *tx) NamedIn(group, text string) ([]ticketing.ContactID, error) {
	return t.contactIDs("contacts named", `SELECT id FROM contacts WHERE group_name = ? AND into_contact = 0
		AND (name_words LIKE '% %' OR length(name_words) > 7) AND ? LIKE '% ' || name_words || ' %' ORDER BY id LIMIT 3`,
		group, " "+plainWords(text)+" ")
}

func (t *tx) Belong(id ticketing.ConversationID, contact ticketing.ContactID) error {
	err := t.put("belong", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`UPDATE conversations SET contact = ? WHERE id = ? AND contact <> ?`, int64(contact), int64(id), int64(contact))
	})
	if err != nil {
		return err
	}
	return t.put("belong", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`UPDATE mails SET contact = ? WHERE conversation = ? AND contact <> ? AND proof <> ?`, int64(contact), int64(id), int64(contact), string(ticketing.Forged))
	})
}

func (t *tx) BelongAll(group, addr string, contact ticketing.ContactID) error {
	err := t.put("belong", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`UPDATE conversations SET contact = ?, perhaps = 0, match = ?, matched = ? WHERE group_name = ? AND lower(with_addr) = lower(?)
			AND contact = 0 AND proof <> ? AND match <> ? AND erased IS NULL`, int64(contact), string(ticketing.AddressMatch), addr, group, addr,
			string(ticketing.Forged), string(ticketing.NotThem))
	})
	if err != nil {
		return err
	}
	return t.put("belong", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`UPDATE mails SET contact = ? WHERE contact <> ? AND proof <> ? AND conversation IN
			(SELECT id FROM conversations WHERE contact = ? AND contact <> 0 AND group_name = ? AND lower(with_addr) = lower(?))`,
			int64(contact), int64(contact), string(ticketing.Forged), int64(contact), group, addr)
	})
}

func (t *tx) OfContacts(q ticketing.OfContactsQuery) (of ticketing.OfContacts, err error) {
	var pages []pageRow
	var todos []todoRow
	tickets := make([]conversationRow, 0, q.Tickets.Limit)
	mails := make([]mailRow, 0, q.Mails)
	err = errors.Join(
		t.getLater("pages of contacts", func(g *gorm.DB) *gorm.DB { return g.Where("contact IN ? AND contact <> 0", q.IDs).Find(&pages) }),
		t.getLater("to-dos", func(g *gorm.DB) *gorm.DB { return selectedTodos(g, q.Todos).Find(&todos) }),
		t.getLater("conversations", func(g *gorm.DB) *gorm.DB { return ordered(g, q.Tickets).Find(&tickets) }),
		t.getLater("mails of contacts", func(g *gorm.DB) *gorm.DB {
			g = g.Select(mailLine).Where("contact <> 0")
			if len(q.IDs) == 1 { // nearly always; then the newest are found without sorting them all
				g = g.Where("contact = ?", int64(q.IDs[0]))
			} else {
				g = g.Where("contact IN ?", q.IDs)
			}
			if q.Before != 0 {
				g = g.Where("-id > ?", -int64(q.Before))
			}
			return g.Order("-id").Limit(q.Mails).Find(&mails)
		}),
		t.flush("of contacts"))
	return ticketing.OfContacts{Pages: nouns(pages), Todos: nouns(todos), Tickets: inOrder(tickets, q.Tickets), Mails: nouns(mails)}, err
}

func (t *tx) ContactEvents(ids []ticketing.ContactID, limit int) ([]ticketing.Event, error) {
	var rows []eventRow
	err := t.get("events of a contact", func(g *gorm.DB) *gorm.DB {
		return g.Where("contact IN ? AND contact <> 0", ids).Order("id DESC").Limit(limit).Find(&rows)
	})
	return nouns(rows), err
}

func (t *tx) Watchers(id ticketing.ContactID) ([]ticketing.MemberID, error) {
	var all []ticketing.MemberID
	err := t.get("watchers", func(g *gorm.DB) *gorm.DB {
		return g.Raw(`SELECT member FROM watchers WHERE contact = ? ORDER BY member`, int64(id)).Find(&all)
	})
	return all, err
}

func (t *tx) SetWatcher(id ticketing.ContactID, m ticketing.MemberID, watches bool) error {
	return t.put("set watcher", func(g *gorm.DB) *gorm.DB {
		if !watches {
			return g.Exec(`DELETE FROM watchers WHERE contact = ? AND member = ?`, int64(id), string(m))
		}
		return g.Clauses(clause.OnConflict{DoNothing: true}).Table("watchers").Create(map[string]any{"contact": int64(id), "member": string(m)})
	})
}
