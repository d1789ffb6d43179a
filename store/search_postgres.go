package store

import (
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"
)

func (p *postgres) searchDoc(mail bool) (table, column string) {
	if mail {
		return "search_words", "doc"
	}
	return "search_others", "doc"
}

func (p *postgres) putSearch(t *tx, x searchText) error {
	return t.put("put search", func(g *gorm.DB) *gorm.DB {
		table, _ := p.searchDoc(x.doc%4 == 0)
		return g.Exec(`INSERT INTO `+table+` (doc, group_name, words) VALUES (?, ?, ?::tsvector)
			ON CONFLICT (doc) DO UPDATE SET group_name = EXCLUDED.group_name, words = EXCLUDED.words`, x.doc, x.group, tsvector(x))
	})
}

// tsvector writes words with where they stand as Postgres reads a tsvector, without its parser, which
// knows fewer letters. Plain words need no escaping.
func tsvector(x searchText) string {
	var b strings.Builder
	at := 0
	for _, part := range []struct{ words, weight string }{{x.title, "A"}, {x.sender, "B"}, {x.recipients, "C"}, {x.words, ""}} {
		for w := range strings.FieldsSeq(part.words) {
			at++
			fmt.Fprintf(&b, "%s:%d%s ", w, at, part.weight)
		}
		at++ // no phrase goes on from one part into the next
	}
	return b.String()
}

const (
	// searchProbe is how many of the newest are looked at to tell how common the words are, and searchMore how many where
	// those are too few to tell.
	searchProbe, searchMore = 250, 800
	// searchTells is how many of those looked at must match to tell.
	searchTells = 4
	// searchBound is how many times more than are expected to suffice are looked at before it is said that the newest
	// have misled.
	searchBound = 4
)

// search looks through some of the newest, which is all for common words. Where they are not enough it chooses between
// two plans, since neither is good for all words: on through the newest until enough are found, which takes forever for
// rare words; or through the index of words, which reads all that there is of common ones. How common they are, the
// newest tell. To read a match from the index costs about twice as much as to look at one of the newest. Of what has
// come up only lately there are fewer than they make believe: so many are looked at and no more.
func (p *postgres) search(t *tx, x searchQuery) ([]doc, error) {
	n, err := p.lookNewest(t, x)
	if err != nil || n.whole || len(n.found) == x.limit {
		return n.found, err
	}
	if n.matching == 0 {
		return t.docs(x.byWords, "w.doc")
	}
	enough := x.limit * n.looked / n.matching // of the newest
	if enough > 2*n.matching*n.all/n.looked && n.all > n.looked {
		return t.docs(x.byWords, "w.doc")
	}
	bound := n.to - (n.to-n.from)*int64(max(1, searchBound*enough/n.looked))
	on := x
	on.before, on.limit = n.from/4, x.limit-len(n.found)
	more, err := p.searchNewest(t, on, bound)
	if found := slices.Concat(n.found, more); err != nil || len(found) == x.limit || bound <= 0 {
		return found, err
	}
	return t.docs(x.byWords, "w.doc")
}

// newest is what the newest tell: how many were looked at, from where to where they are, and of how many there may be;
// how many have the words, and those of them that are found.
type newest struct {
	looked, all, matching int
	from, to              int64
	found                 []doc
	whole                 bool // there are no others
}

// lookNewest looks at searchProbe of them, or, in the same message, at searchMore.
func (p *postgres) lookNewest(t *tx, x searchQuery) (n newest, err error) {
	err = t.each("search the newest", func(g *gorm.DB) *gorm.DB {
		look := func(limit int) *gorm.DB {
			return x.ofGroup(fresh(g).Table(x.table()).Select("w.doc, w.words @@ ?::tsquery AS hit", tsquery(x.terms))).Order("w.doc DESC").Limit(limit)
		}
		more := look(searchMore-searchProbe).
			Where("w.doc < (SELECT min(doc) FROM probed) AND (SELECT count(*) FILTER (WHERE hit) FROM probed) BETWEEN 1 AND ?", searchTells-1)
		found := x.joined(fresh(g).Table("(SELECT doc FROM looked WHERE hit ORDER BY doc DESC OFFSET 0) AS w").Select("w.doc, m.conversation")) // fenced, as in byWords
		return g.Exec(`WITH probed AS MATERIALIZED (?), more AS MATERIALIZED (?),
			looked AS MATERIALIZED (SELECT doc, hit FROM probed UNION ALL SELECT doc, hit FROM more), found AS MATERIALIZED (?)
			SELECT count(*), (SELECT COALESCE(max(doc), 0) / 4 FROM search_words), count(*) FILTER (WHERE hit), COALESCE(min(doc), 0), COALESCE(max(doc), 0),
			ARRAY(SELECT doc FROM found ORDER BY doc DESC), ARRAY(SELECT conversation FROM found ORDER BY doc DESC) FROM looked`, look(searchProbe), more, found)
	}, func(scan func(...any) error) error {
		var docs, conversations []int64
		err := scan(&n.looked, &n.all, &n.matching, &n.from, &n.to, &docs, &conversations)
		for i, d := range docs {
			n.found = append(n.found, doc{d, conversations[i]})
		}
		return err
	})
	n.whole = n.looked < searchProbe || n.looked > searchProbe && n.looked < searchMore
	return n, err
}

// scansOnly has the transaction's plans go through an index in its order, and read nothing more than they give, or no
// longer. As that leaves one plan, it is kept.
func (p *postgres) scansOnly(t *tx, only bool) error {
	word, keep := "on", "auto"
	if only {
		word, keep = "off", "force_generic_plan"
	}
	return t.put("plan a search", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`SELECT set_config('enable_bitmapscan', @word, TRUE), set_config('enable_seqscan', @word, TRUE), set_config('enable_sort', @word, TRUE),
			set_config('enable_hashjoin', @word, TRUE), set_config('enable_mergejoin', @word, TRUE), set_config('plan_cache_mode', @keep, TRUE)`, map[string]any{"word": word, "keep": keep})
	})
}

// searchOthers goes through the index: there are not many.
func (p *postgres) searchOthers(x searchQuery) (find statement, number string) {
	return x.byWords, "w.doc"
}

// byWords finds docs through the index of words.
func (x searchQuery) byWords(g *gorm.DB) *gorm.DB {
	found := x.ofGroup(fresh(g).Table(x.table()).Select("w.doc")).Where("w.words @@ ?::tsquery", tsquery(x.terms))
	// Sorted behind a fence, so that only as many are joined as are wanted.
	return x.joined(g.Table("(WITH found AS MATERIALIZED (?) SELECT doc FROM found ORDER BY doc DESC OFFSET 0) AS w", found))
}

// searchNewest goes through the newest, as far back as from.
func (p *postgres) searchNewest(t *tx, x searchQuery, from int64) ([]doc, error) {
	if err := p.scansOnly(t, true); err != nil {
		return nil, err
	}
	found, err := t.docs(func(g *gorm.DB) *gorm.DB {
		return x.joined(x.ofGroup(g.Table(x.table())).Where("w.words @@ ?::tsquery AND w.doc >= ?", tsquery(x.terms), from))
	}, "w.doc")
	if err != nil {
		return nil, err
	}
	return found, p.scansOnly(t, false) // lest other statements keep such plans
}

// table is where the docs are, as w.
func (x searchQuery) table() string {
	if x.mail {
		return "search_words AS w"
	}
	return "search_others AS w"
}

// ofGroup selects the group's docs of w, as far as they are wanted.
func (x searchQuery) ofGroup(g *gorm.DB) *gorm.DB {
	g = g.Where("w.group_name = ?", x.q.Group)
	if x.before != 0 {
		g = g.Where("w.doc < ?", x.before*4)
	}
	return g
}

// joined narrows what is found in w, newest first.
func (x searchQuery) joined(g *gorm.DB) *gorm.DB {
	if x.mail {
		g = g.Joins("JOIN mails AS m ON m.id = w.doc / 4").Joins("JOIN conversations AS c ON c.id = m.conversation")
	}
	return x.narrowed(g).Order("w.doc DESC").Limit(x.limit)
}

// tsquery writes terms as Postgres reads a tsquery. Plain words need no escaping.
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
