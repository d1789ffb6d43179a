package store

import (
	"time"

	"gorm.io/gorm"

	"groupmail/ticketing"
)

// Erase deletes the bytes in the same transaction: the sweep looks at each blob once only.
func (t *tx) Erase(id ticketing.ConversationID, now time.Time) (joined []ticketing.ConversationID, err error) {
	all, last := []int64{int64(id)}, []int64{int64(id)}
	for len(last) > 0 { // what was joined may have been joined to before
		var more []int64
		err := t.get("joined conversations", func(g *gorm.DB) *gorm.DB {
			return g.Raw(`SELECT id FROM conversations WHERE joined_to <> 0 AND joined_to IN ? ORDER BY id`, last).Find(&more)
		})
		if err != nil {
			return nil, err
		}
		for _, id := range more {
			joined = append(joined, ticketing.ConversationID(id))
		}
		all, last = append(all, more...), more
	}
	var blobs []int64
	err = t.get("blobs of a conversation", func(g *gorm.DB) *gorm.DB {
		return g.Raw(`SELECT raw FROM mails WHERE conversation IN ? AND raw <> 0
			UNION SELECT raw FROM replies WHERE conversation IN ? AND raw <> 0
			UNION `+t.s.blobsOfFiles()+` AND conversation IN ?`, all, all, all).Find(&blobs)
	})
	if err != nil {
		return nil, err
	}
	erase := func(sql string, args ...any) {
		if err == nil {
			err = t.put("erase", func(g *gorm.DB) *gorm.DB { return g.Exec(sql, args...) })
		}
	}
	const words = ticketing.ErasedText
	erase(`UPDATE mails SET from_name = '', from_addr = '', to_addrs = '[]', cc_addrs = '[]', reply_to = '[]', author_name = '',
		author_addr = '', subject = ?, text = ?, reply = ?, html = '', attachments = '[]', fault = '', report = '', report_says = '', raw = 0, contact = 0
		WHERE conversation IN ?`, words, words, words, all)
	erase(`UPDATE replies SET to_addrs = '[]', cc_addrs = '[]', subject = ?, text = ?, signature = '', files = '[]', error = '', raw = 0
		WHERE conversation IN ?`, words, words, all)
	if err == nil {
		err = t.unsearch(true, `SELECT id * 4 FROM mails WHERE conversation IN ?`, all)
	}
	erase(`UPDATE todos SET text = ? WHERE conversation IN ? AND conversation <> 0 AND done IS NOT NULL`, words, all)
	if err == nil {
		err = t.eraseLog(all)
	}
	erase(`DELETE FROM participants WHERE conversation IN ?`, all)
	if len(joined) > 0 {
		erase(`UPDATE conversations SET subject = ?, with_name = '', with_addr = '', note = '', new_name = '', new_addr = '', files = 0, contact = 0, perhaps = 0, matched = '',
			erased = ? WHERE id IN ?`, words, at(now), all[1:])
	}
	if len(blobs) > 0 {
		erase(`DELETE FROM chunks WHERE blob IN ?`, blobs)
		erase(`DELETE FROM blobs WHERE id IN ?`, blobs)
	}
	return joined, err
}

// eraseLog takes the words that somebody wrote, and the names of contacts, out of the log of some conversations: who did
// what, and when, stays.
func (t *tx) eraseLog(conversations []int64) error {
	return t.put("erase log", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`UPDATE events SET detail = '' WHERE conversation IN ? AND move IN ?`, conversations, []ticketing.Move{
			ticketing.LogTodo, ticketing.LogTodoEdit, ticketing.LogTodoDone, ticketing.LogTodoUndo, ticketing.LogTodoPutOff, ticketing.LogTodoDue,
			ticketing.LogForward, ticketing.LogContact, ticketing.LogAttach, ticketing.LogWrong,
		})
	})
}
