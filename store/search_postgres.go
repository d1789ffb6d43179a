package store

import (
	"context"
	"strings"

	"gorm.io/gorm"
)

func (p *postgres) searchDoc() string { return "doc" }

func (p *postgres) putSearch(t *tx, x searchText) error {
	return t.put("put search", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`INSERT INTO search_words (doc, group_name, words) VALUES (?, ?, setweight(to_tsvector('simple', ?), 'A') ||
			setweight(to_tsvector('simple', ?), 'B') || setweight(to_tsvector('simple', ?), 'C') || to_tsvector('simple', ?))
			ON CONFLICT (doc) DO UPDATE SET group_name = EXCLUDED.group_name, words = EXCLUDED.words`,
			x.doc, x.group, x.title, x.sender, x.recipients, x.words)
	})
}

// search lets two plans race, since neither is good for all words, and how common they are cannot be
// told beforehand: through the newest until enough are found, which takes forever for rare words; or
// through the index of words, which reads all that there is of common ones. The first to end wins, and
// the other is cancelled.
func (p *postgres) search(ctx context.Context, x searchQuery) (ids []int64, err error) {
	if len(x.terms) == 0 {
		if x.kind != 0 {
			return nil, nil
		}
		return ids, x.mails(p.gorm.WithContext(ctx)).Pluck("m.id", &ids).Error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		ids []int64
		err error
	}
	plans := []func(context.Context, searchQuery) ([]int64, error){p.searchWords, p.searchNewest}
	if x.kind != 0 { // there are not many
		plans = plans[:1]
	}
	ended := make(chan result, len(plans))
	for _, plan := range plans {
		go func() {
			ids, err := plan(ctx, x)
			ended <- result{ids, err}
		}()
	}
	for range plans {
		r := <-ended
		if ids, err = r.ids, r.err; err == nil {
			break
		}
	}
	return ids, err
}

// searchWords goes through the index of words.
func (p *postgres) searchWords(ctx context.Context, x searchQuery) (ids []int64, err error) {
	g := p.gorm.WithContext(ctx)
	found := g.Table("search_words").Select("doc").Where("words @@ to_tsquery('simple', ?) AND group_name = ? AND doc % 4 = ?", tsquery(x.terms), x.q.Group, x.kind)
	if x.before != 0 {
		found = found.Where("doc < ?", x.before*4)
	}
	g = g.Table("(WITH found AS MATERIALIZED (?) SELECT doc FROM found) AS w", found)
	return ids, x.joined(g).Pluck("w.doc / 4", &ids).Error
}

// searchNewest goes through what is newest.
func (p *postgres) searchNewest(ctx context.Context, x searchQuery) (ids []int64, err error) {
	err = p.gorm.WithContext(ctx).Transaction(func(g *gorm.DB) error {
		if err := g.Exec(`SET LOCAL enable_bitmapscan = off`).Error; err != nil {
			return err
		}
		if err := g.Exec(`SET LOCAL enable_seqscan = off`).Error; err != nil {
			return err
		}
		words := g.Table("search_words AS w").Where("w.words @@ to_tsquery('simple', ?) AND w.group_name = ? AND w.doc % 4 = ?", tsquery(x.terms), x.q.Group, x.kind)
		if x.before != 0 {
			words = words.Where("w.doc < ?", x.before*4)
		}
		return x.joined(words).Pluck("w.doc / 4", &ids).Error
	})
	return ids, err
}

// joined narrows what is found in w, newest first.
func (x searchQuery) joined(g *gorm.DB) *gorm.DB {
	if x.kind == 0 {
		g = g.Joins("JOIN mails AS m ON m.id = w.doc / 4").Joins("JOIN conversations AS c ON c.id = m.conversation")
	}
	return x.narrowed(g).Order("w.doc DESC").Limit(x.limit)
}

// tsquery writes terms as to_tsquery reads them. Plain words need no escaping.
func tsquery(terms []term) string {
	in := map[string]string{"sender": "B", "recipients": "C"}
	parts := make([]string, len(terms))
	for i, t := range terms {
		words := make([]string, len(t.words))
		for j, w := range t.words {
			flags := in[t.in]
			if j == len(t.words)-1 && t.begins {
				flags = "*" + flags
			}
			if words[j] = w; flags != "" {
				words[j] += ":" + flags
			}
		}
		parts[i] = "(" + strings.Join(words, " <-> ") + ")"
	}
	return strings.Join(parts, " & ")
}
