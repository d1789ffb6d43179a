package store

import (
	"strings"

	"gorm.io/gorm"
)

func (l *lite) searchDoc(bool) (table, column string) { return "search_words", "rowid" }

func (l *lite) putSearch(t *tx, x searchText) error {
	put := func(sql string, args ...any) error {
		return t.put("put search", func(g *gorm.DB) *gorm.DB { return g.Exec(sql, args...) })
	}
	if err := put(`INSERT OR REPLACE INTO search_groups (doc, group_name) VALUES (?, ?)`, x.doc, x.group); err != nil {
		return err
	}
	return put(`INSERT OR REPLACE INTO search_words (rowid, title, sender, recipients, words) VALUES (?, ?, ?, ?, ?)`,
		x.doc, x.title, x.sender, x.recipients, x.words)
}

func (l *lite) search(t *tx, x searchQuery) ([]doc, error) { return t.docs(x.fts, "w.rowid") }

func (l *lite) searchOthers(x searchQuery) (find statement, number string) { return x.fts, "w.rowid" }

// fts has FTS5 go through what it finds from the newest on.
func (x searchQuery) fts(g *gorm.DB) *gorm.DB {
	g = g.Table("search_words AS w").Joins("JOIN search_groups AS o ON o.doc = w.rowid").
		Where("search_words MATCH ? AND (w.rowid % 4 = 0) = ? AND o.group_name = ?", match(x.terms), x.mail, x.q.Group)
	if x.mail {
		g = g.Joins("JOIN mails AS m ON m.id = w.rowid / 4").Joins("JOIN conversations AS c ON c.id = m.conversation")
		if x.before != 0 {
			g = g.Where("w.rowid < ?", x.before*4)
		}
	}
	return x.narrowed(g).Order("w.rowid DESC").Limit(x.limit)
}

// match writes terms as FTS5 reads them (SQLite: "Full-text Query Syntax"). Plain words need no escaping.
func match(terms []term) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		parts[i] = `"` + strings.Join(t.words, " ") + `"`
		if t.begins {
			parts[i] += " *"
		}
		if t.in != "" {
			parts[i] = t.in + " : " + parts[i]
		}
	}
	return strings.Join(parts, " AND ")
}
