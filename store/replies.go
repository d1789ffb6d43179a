package store

import (
	"gorm.io/gorm"

	"groupmail/ticketing"
)

func (t *tx) AddReply(r *ticketing.Reply) error {
	row := rowOfReply(*r)
	row.ID = 0
	err := t.do("add reply", func(g *gorm.DB) error { return g.Create(&row).Error })
	r.ID = ticketing.ReplyID(row.ID)
	return err
}

func (t *tx) Reply(id ticketing.ReplyID) (ticketing.Reply, error) {
	var row replyRow
	err := t.do("reply", func(g *gorm.DB) error {
		return t.locked(g).Where("id = ?", int64(id)).Take(&row).Error
	})
	return row.noun(), err
}

func (t *tx) ReplyFrom(origin string) (ticketing.Reply, error) {
	var row replyRow
	err := t.do("reply of a message", func(g *gorm.DB) error {
		return g.Where("origin = ? AND origin <> ''", origin).Order("id DESC").Take(&row).Error
	})
	return row.noun(), err
}

func (t *tx) ReplyMarked(mark string) (ticketing.Reply, error) {
	var row replyRow
	err := t.do("reply with a mark", func(g *gorm.DB) error {
		return g.Where("mark = ? AND mark <> ''", mark).Take(&row).Error
	})
	return row.noun(), err
}

func (t *tx) SetReply(r ticketing.Reply) error {
	row := rowOfReply(r)
	return t.do("set reply", func(g *gorm.DB) error {
		return one(g.Model(&row).Select("*").Omit("id").Updates(&row))
	})
}

func (t *tx) Replies(id ticketing.ConversationID, states ...ticketing.ReplyState) ([]ticketing.Reply, error) {
	var rows []replyRow
	err := t.do("replies", func(g *gorm.DB) error {
		return g.Where("conversation = ? AND state IN ?", int64(id), texts(states)).Order("id").Find(&rows).Error
	})
	return nouns(rows), err
}
