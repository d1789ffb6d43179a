package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"groupmail/ticketing"
)

// tx is one transaction at work. A failed statement is the end of it: all that follows fails, and
// nothing of it is kept even if the use case goes on as if nothing had happened.
type tx struct {
	s        *Store
	txn      transaction
	g        *gorm.DB
	ctx      context.Context //nolint:containedctx // lives as long as the transaction
	readOnly bool
	err      error

	absent map[string]bool // Message-IDs, by group, that the use case was told are unknown
}

// do runs statements. Missing rows are ErrNone.
func (t *tx) do(what string, f func(g *gorm.DB) error) error {
	if t.err != nil {
		return t.err
	}
	err := f(t.g)
	switch {
	case err == nil, errors.Is(err, ticketing.ErrNone), errors.Is(err, ticketing.ErrRepeated):
		return err
	case errors.Is(err, gorm.ErrRecordNotFound):
		return ticketing.ErrNone
	}
	t.err = fmt.Errorf("store: %s: %w", what, err)
	return t.err
}

// one tells ErrNone if no row was touched.
func one(g *gorm.DB) error {
	if g.Error == nil && g.RowsAffected == 0 {
		return ticketing.ErrNone
	}
	return g.Error
}

// locked makes a SELECT lock its rows, on Postgres; on SQLite a writing transaction is alone.
func (t *tx) locked(g *gorm.DB) *gorm.DB {
	if t.readOnly {
		return g
	}
	return g.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
}

func (t *tx) Once(k string) error {
	if k == "" {
		return nil
	}
	return t.do("event key", func(g *gorm.DB) error {
		g = g.Exec(`INSERT INTO event_keys (key, at) VALUES (?, ?) ON CONFLICT DO NOTHING`, key(k), t.s.now())
		if g.Error == nil && g.RowsAffected == 0 {
			return ticketing.ErrRepeated
		}
		return g.Error
	})
}

func (t *tx) Conversation(id ticketing.ConversationID) (ticketing.Conversation, error) {
	var row conversationRow
	err := t.do("conversation", func(g *gorm.DB) error {
		return t.locked(g).Where("id = ?", int64(id)).Take(&row).Error
	})
	return row.noun(), err
}

func (t *tx) Numbered(number int) (ticketing.ConversationID, error) {
	var row conversationRow
	err := t.do("ticket number", func(g *gorm.DB) error {
		return g.Select("id").Where("number = ? AND number <> 0", int64(number)).Take(&row).Error
	})
	return ticketing.ConversationID(row.ID), err
}

func (t *tx) AddConversation(c *ticketing.Conversation) error {
	row := rowOfConversation(*c)
	row.ID = 0
	err := t.do("add conversation", func(g *gorm.DB) error { return g.Create(&row).Error })
	c.ID = ticketing.ConversationID(row.ID)
	return err
}

func (t *tx) SetConversation(c ticketing.Conversation) error {
	row := rowOfConversation(c)
	return t.do("set conversation", func(g *gorm.DB) error {
		return one(g.Model(&row).Select("*").Omit("id", "group_name").Updates(&row))
	})
}

func (t *tx) Conversations(q ticketing.Query) ([]ticketing.Conversation, error) {
	var rows []conversationRow
	err := t.do("conversations", func(g *gorm.DB) error {
		if q.Group != "" {
			g = g.Where("group_name = ?", q.Group)
		}
		if q.Mailbox != "" {
			g = g.Where("mailbox = ?", q.Mailbox)
		}
		if q.Owner != "" {
			g = g.Where("owner = ? AND owner <> ''", string(q.Owner))
		}
		switch len(q.States) {
		case 0:
		case 1:
			g = g.Where("state = ?", string(q.States[0]))
		default:
			g = g.Where("state IN ?", texts(q.States))
		}
		if !q.NotOverdueSince.IsZero() {
			since := at(q.NotOverdueSince)
			g = g.Where("NOT overdue AND (state = 'new' AND waits < ? OR state = 'taken' AND touched < ?)", since, since)
		}
		if q.NewestFirst {
			g = g.Order("since DESC NULLS LAST, id DESC")
		} else {
			g = g.Order("waits NULLS FIRST, id")
		}
		if q.Limit > 0 {
			g = g.Limit(q.Limit)
		}
		return g.Offset(q.Offset).Find(&rows).Error
	})
	return nouns(rows), err
}

func (t *tx) NextNumber() (number int, err error) {
	err = t.do("ticket number", func(g *gorm.DB) error {
		number, err = t.s.nextNumber(g)
		return err
	})
	return number, err
}

func (t *tx) Log(e *ticketing.Event) error {
	row := rowOfEvent(*e)
	row.ID = 0
	err := t.do("log", func(g *gorm.DB) error { return g.Create(&row).Error })
	e.ID = row.ID
	return err
}

func (t *tx) Event(id int64) (ticketing.Event, error) {
	var row eventRow
	err := t.do("event", func(g *gorm.DB) error { return g.Where("id = ?", id).Take(&row).Error })
	return row.noun(), err
}

func (t *tx) Events(id ticketing.ConversationID) ([]ticketing.Event, error) {
	var rows []eventRow
	err := t.do("events", func(g *gorm.DB) error {
		return g.Where("conversation = ?", int64(id)).Order("id").Find(&rows).Error
	})
	return nouns(rows), err
}

func (t *tx) Member(id ticketing.MemberID) (ticketing.Member, error) {
	var row memberRow
	err := t.do("member", func(g *gorm.DB) error { return g.Where("id = ?", string(id)).Take(&row).Error })
	return row.noun(), err
}

func (t *tx) MeetMember(m ticketing.Member) error {
	row := rowOfMember(ticketing.Member{ID: m.ID, Name: m.Name, Handle: m.Handle, Email: m.Email})
	return t.do("meet member", func(g *gorm.DB) error {
		return g.Clauses(clause.OnConflict{
			Columns:   []clause.Column{{Name: "id"}},
			DoUpdates: clause.AssignmentColumns([]string{"name", "handle", "email"}),
		}).Create(&row).Error
	})
}

func (t *tx) SetMember(m ticketing.Member) error {
	row := rowOfMember(m)
	return t.do("set member", func(g *gorm.DB) error {
		return one(g.Model(&row).Select("from_name", "signature", "replied").Updates(&row))
	})
}

func (t *tx) SetPresent(group, board string, members []ticketing.MemberID) error {
	want := texts(members)
	slices.Sort(want) // the same order in all processes, so that they do not lock each other out
	want = slices.Compact(want)
	return t.do("present", func(g *gorm.DB) error {
		var have []string
		err := g.Raw(`SELECT member FROM present WHERE group_name = ? AND board = ?`, group, board).Scan(&have).Error
		if err != nil {
			return err
		}
		slices.Sort(have)
		if slices.Equal(have, want) {
			return nil
		}
		err = g.Exec(`DELETE FROM present WHERE group_name = ? AND board = ? AND NOT `+t.s.among("member"),
			group, board, jsonArray(want)).Error
		for _, m := range want {
			if _, found := slices.BinarySearch(have, m); !found && err == nil {
				err = g.Exec(`INSERT INTO present (group_name, board, member) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
					group, board, m).Error
			}
		}
		return err
	})
}

func (t *tx) Present(group string) ([]ticketing.Member, error) {
	var rows []memberRow
	err := t.do("present", func(g *gorm.DB) error {
		return g.Raw(`SELECT p.member AS id, COALESCE(m.name, '') AS name, COALESCE(m.handle, '') AS handle,
			COALESCE(m.email, '') AS email, COALESCE(m.from_name, '') AS from_name,
			COALESCE(m.signature, '') AS signature, COALESCE(m.replied, FALSE) AS replied
			FROM (SELECT DISTINCT member FROM present WHERE group_name = ?) p
			LEFT JOIN members m ON m.id = p.member ORDER BY 2, 1`, group).Scan(&rows).Error
	})
	return nouns(rows), err
}

func (t *tx) Enqueue(j ticketing.Job) error {
	return t.do("enqueue", func(*gorm.DB) error { return t.txn.enqueue(t.ctx, j) })
}

// texts is a list of some kind of string as plain ones, for a database.
func texts[S ~string](all []S) []string {
	plain := make([]string, 0, len(all))
	for _, s := range all {
		plain = append(plain, string(s))
	}
	return plain
}

// jsonArray is the parameter of the condition among.
func jsonArray(all []string) asJSON {
	cleaned := make([]string, 0, len(all))
	for _, s := range all {
		cleaned = append(cleaned, clean(s))
	}
	b, err := json.Marshal(cleaned)
	if err != nil {
		panic(err) // strings always can be
	}
	return asJSON(b)
}

// sorted is the keys of a map in one order for all processes, so that they wait for each other
// rather than lock each other out.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
