package store

import (
	"gorm.io/gorm"

	"groupmail/ticketing"
)

func (t *tx) AddReply(r *ticketing.Reply) error {
	row := rowOfReply(*r)
	row.ID = 0
	id, err := t.add("add reply", func(g *gorm.DB) *gorm.DB { return g.Create(&row) })
	if r.ID = ticketing.ReplyID(id); err == nil {
		t.know(r.ID)
	}
	return err
}

func (t *tx) Reply(id ticketing.ReplyID) (ticketing.Reply, error) {
	var row replyRow
	err := t.get("reply", func(g *gorm.DB) *gorm.DB { return t.lock(g).Where("id = ?", int64(id)).Take(&row) })
	if err == nil && !t.readOnly {
		t.know(id)
	}
	return row.noun(), err
}

func (t *tx) ReplyFrom(origin string) (ticketing.Reply, error) {
	var row replyRow
	err := t.get("reply of a message", func(g *gorm.DB) *gorm.DB {
		return g.Where("origin = ? AND origin <> ''", origin).Order("id DESC").Take(&row)
	})
	return row.noun(), err
}

func (t *tx) ReplyMarked(mark string) (ticketing.Reply, error) {
	var row replyRow
	err := t.get("reply with a mark", func(g *gorm.DB) *gorm.DB {
		return g.Where("mark = ? AND mark <> ''", mark).Take(&row)
	})
	return row.noun(), err
}

func (t *tx) SetReply(r ticketing.Reply) error {
	row := rowOfReply(r)
	return t.putOne("set reply", r.ID, func(g *gorm.DB) *gorm.DB {
		return g.Model(&row).Select("*").Omit("id").Updates(&row)
	})
}

func (t *tx) Replies(id ticketing.ConversationID, states ...ticketing.ReplyState) ([]ticketing.Reply, error) {
	var rows []replyRow
	err := t.get("replies", func(g *gorm.DB) *gorm.DB {
		return g.Where("conversation = ? AND state IN ?", int64(id), texts(states)).Order("id").Find(&rows)
	})
	return nouns(rows), err
}
