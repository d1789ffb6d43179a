package store

import (
	"gorm.io/gorm"

	"groupmail/ticketing"
)

func (t *tx) ConversationsOf(ids []ticketing.ConversationID) ([]ticketing.Conversation, error) {
	var rows []conversationRow
	if len(ids) == 0 {
		return nil, t.err
	}
	err := t.get("conversations by id", func(g *gorm.DB) *gorm.DB { return g.Where("id IN ?", ids).Find(&rows) })
	return nouns(rows), err
}

func (t *tx) MailsBefore(id ticketing.ConversationID, before ticketing.MailID, limit int) ([]ticketing.Mail, error) {
	var rows []mailRow
	err := t.get("earlier mails", func(g *gorm.DB) *gorm.DB {
		return g.Where("conversation = ? AND id < ?", int64(id), int64(before)).Order("id DESC").Limit(limit).Find(&rows)
	})
	return nouns(rows), err
}

func (t *tx) PostsKeyed(keys []string) ([]ticketing.Post, error) {
	var rows []postRow
	if len(keys) == 0 {
		return nil, t.err
	}
	err := t.get("posts by key", func(g *gorm.DB) *gorm.DB { return g.Where(t.s.among("key"), jsonArray(keys)).Find(&rows) })
	return nouns(rows), err
}
