package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"gorm.io/gorm"

	"groupmail/ticketing"
)

// searchKinds are the kinds as search_words numbers them: a doc is four times the id, and the kind.
var searchKinds = map[ticketing.HitKind]int64{ticketing.MailHit: 0, ticketing.MatterHit: 1, ticketing.PageHit: 2, ticketing.ContactHit: 3}

// searchOwed notes that a thing has changed and is to be looked through.
func (t *tx) searchOwed(kind ticketing.HitKind, id int64) error {
	return t.put("search owed", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`INSERT INTO search_owed (doc) VALUES (?)`, id*4+searchKinds[kind])
	})
}

// unsearch makes docs no longer found. which selects them.
func (t *tx) unsearch(mail bool, which string, args ...any) error {
	table, column := t.s.searchDoc(mail)
	return t.put("unsearch", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`DELETE FROM `+table+` WHERE `+column+` IN (`+which+`)`, args...)
	})
}

// searchText is what of a thing is searched, as words are compared.
type searchText struct {
	doc                              int64
	group                            string
	title, sender, recipients, words string
}

// mostSearched bounds the words of one thing, in bytes: what stands far behind is attachments gone astray.
const mostSearched = 200 << 10

const (
	indexEvery  = time.Second
	indexAtOnce = 50 // things in one transaction
)

// indexOften keeps what can be searched up to date until ctx ends. Several processes share the work.
func (s *Store) indexOften(ctx context.Context) {
	tick := time.NewTicker(indexEvery)
	defer tick.Stop()
	for {
		n, err := s.index(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Warn("cannot keep the search up to date; trying again", "err", err)
		}
		if n == indexAtOnce && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// index looks through some of what has changed, and tells of how much.
func (s *Store) index(ctx context.Context) (n int, err error) {
	err = s.Change(ctx, func(use ticketing.Tx) error {
		t := use.(*tx)
		var owed []struct{ ID, Doc int64 }
		err := t.get("what is to be searched", func(g *gorm.DB) *gorm.DB {
			return g.Raw(`SELECT p.id, p.doc FROM search_owed p ORDER BY p.id LIMIT ? `+s.skipLocked(), indexAtOnce).Find(&owed)
		})
		if n = len(owed); err != nil || n == 0 {
			return err
		}
		rows, docs := make([]int64, n), make([]int64, n)
		for i, o := range owed {
			rows[i], docs[i] = o.ID, o.Doc
		}
		slices.Sort(docs)
		for _, doc := range slices.Compact(docs) {
			text, err := t.searchText(doc)
			if errors.Is(err, ticketing.ErrNone) {
				continue
			}
			if err == nil {
				err = s.putSearch(t, text)
			}
			if err != nil {
				return err
			}
		}
		return t.put("searched", func(g *gorm.DB) *gorm.DB { return g.Exec(`DELETE FROM search_owed WHERE id IN ?`, rows) })
	})
	return n, err
}

// searchText reads what a doc is of.
func (t *tx) searchText(doc int64) (x searchText, err error) {
	x.doc = doc
	id := doc / 4
	plain := func(parts ...string) string {
		words := searchable(strings.Join(parts, " "))
		if len(words) > mostSearched {
			words = strings.ToValidUTF8(words[:mostSearched], "")
		}
		return words
	}
	addressed := func(all []ticketing.Address) string {
		var parts []string
		for _, a := range all {
			parts = append(parts, a.String())
		}
		return plain(parts...)
	}
	switch doc % 4 {
	case 0:
		var r mailRow
		err = t.get("mail", func(g *gorm.DB) *gorm.DB { return g.Omit("html").Where("id = ?", id).Take(&r) })
		m := r.noun()
		x.group, x.title = m.Group, plain(m.Subject)
		x.sender, x.recipients = addressed([]ticketing.Address{m.From, m.Author}), addressed(slices.Concat(m.To, m.Cc))
		parts := []string{m.Text}
		if m.Text == "" {
			parts[0] = m.Reply
		}
		for _, f := range m.Attachments {
			parts = append(parts, f.Name)
		}
		x.words = plain(parts...)
	case 1:
		var r conversationRow
		err = t.get("conversation", func(g *gorm.DB) *gorm.DB { return g.Where("id = ?", id).Take(&r) })
		c := r.noun()
		x.group, x.title, x.sender, x.words = c.Group, plain(c.Subject), addressed([]ticketing.Address{c.With}), plain(c.Note, c.Outcome)
	case 2:
		var r pageRow
		err = t.get("page", func(g *gorm.DB) *gorm.DB { return g.Where("id = ?", id).Take(&r) })
		x.group, x.title, x.words = r.GroupName, plain(r.Title), plain(r.Text)
	case 3:
		var r contactRow
		err = t.get("contact", func(g *gorm.DB) *gorm.DB { return g.Where("id = ?", id).Take(&r) })
		c := r.noun()
		x.group, x.title = c.Group, plain(c.Name, c.Organisation)
		x.words = plain(slices.Concat(c.Addresses, c.Phones, c.Numbers)...)
	}
	return x, err
}

// searchable is a text's plain words, each cut to what a database can index: nobody types more.
func searchable(text string) string {
	const most = 120 // bytes
	words := strings.Fields(plainWords(text))
	for i, w := range words {
		if len(w) > most {
			words[i] = strings.ToValidUTF8(w[:most], "")
		}
	}
	return strings.Join(words, " ")
}

// term is some words that stand behind each other; the last may go on if begins.
type term struct {
	words  []string
	begins bool
	in     string // "": anywhere; "sender" or "recipients"
}

// terms are what a search looks for, in the form in which it is compared.
func terms(s ticketing.Search) (all []term) {
	add := func(text string, begins bool, in string) {
		if words := strings.Fields(searchable(text)); len(words) > 0 {
			all = append(all, term{words, begins, in})
		}
	}
	for _, w := range s.Words {
		add(w, true, "")
	}
	for _, p := range s.Phrases {
		add(p, false, "")
	}
	for w := range strings.FieldsSeq(s.From) {
		add(w, true, "sender")
	}
	for w := range strings.FieldsSeq(s.To) {
		add(w, true, "recipients")
	}
	return all
}

func (t *tx) SearchMails(q ticketing.Search, before ticketing.MailID, limit int) (found []ticketing.FoundMail, err error) {
	x := searchQuery{terms: terms(q), mail: true, q: q, before: int64(before), limit: limit}
	var docs []doc
	if len(x.terms) > 0 {
		docs, err = t.s.search(t, x)
	} else {
		docs, err = t.docs(x.mails, "m.id * 4")
	}
	for _, d := range docs {
		found = append(found, ticketing.FoundMail{ID: ticketing.MailID(d.id / 4), Conversation: ticketing.ConversationID(d.conversation)})
	}
	return found, err
}

func (t *tx) SearchAll(q ticketing.Search, before ticketing.MailID, limit int) (mails []ticketing.FoundMail, others []ticketing.Found, err error) {
	var docs []int64
	if x := (searchQuery{terms: terms(q), q: q, limit: limit}); len(x.terms) > 0 {
		find, number := t.s.searchOthers(x)
		if err := t.getLater("search", func(g *gorm.DB) *gorm.DB {
			return g.Raw("?", find(fresh(g)).Select(number)).Find(&docs)
		}); err != nil {
			return nil, nil, err
		}
	}
	if mails, err = t.SearchMails(q, before, limit); err != nil {
		return nil, nil, err
	}
	for _, d := range docs {
		for kind, n := range searchKinds {
			if n == d%4 {
				others = append(others, ticketing.Found{Kind: kind, ID: d / 4})
			}
		}
	}
	return mails, others, nil
}

// doc is a mail that a search finds: its number, and what it belongs to.
type doc struct{ id, conversation int64 }

// docs scans the mails that a statement finds. number is the column of their numbers.
func (t *tx) docs(build statement, number string) (all []doc, err error) {
	err = t.each("search", func(g *gorm.DB) *gorm.DB { return g.Exec("?", build(fresh(g)).Select(number+", m.conversation")) }, func(scan func(...any) error) error {
		var d doc
		err := scan(&d.id, &d.conversation)
		all = append(all, d)
		return err
	})
	return all, err
}

// fresh is a session for a statement of its own, inside of another.
func fresh(g *gorm.DB) *gorm.DB { return g.Session(&gorm.Session{NewDB: true}) }

// searchQuery is a search for mails, or for all else.
type searchQuery struct {
	terms  []term
	mail   bool
	q      ticketing.Search
	before int64
	limit  int
}

// docs adds to a SELECT from search_words AS w, or from mails AS m, what is looked for but for the words
// themselves. doc is the column that numbers what is found.
func (x searchQuery) narrowed(g *gorm.DB) *gorm.DB {
	q := x.q
	if !x.mail {
		return g
	}
	if x.before != 0 {
		g = g.Where("m.id < ?", x.before)
	}
	switch {
	case q.State != "":
		g = g.Where("c.state = ?", string(q.State))
	case q.Open:
		g = g.Where("c.state IN ('new', 'taken', 'waiting')")
	default:
		g = g.Where("c.state <> 'spam'")
	}
	if q.Number != 0 {
		g = g.Where("c.number = ?", int64(q.Number))
	}
	if len(q.Contacts) > 0 {
		g = g.Where("m.contact IN ? AND m.contact <> 0", q.Contacts)
	}
	if q.File {
		g = g.Where("m.attachments <> '[]'")
	}
	if !q.Before.IsZero() {
		g = g.Where("COALESCE(m.sent, m.received) < ?", at(q.Before))
	}
	if !q.After.IsZero() {
		g = g.Where("COALESCE(m.sent, m.received) >= ?", at(q.After))
	}
	return g
}

// mails selects mails that nobody looks for by words, newest first.
func (x searchQuery) mails(g *gorm.DB) *gorm.DB {
	g = g.Table("mails AS m").Joins("JOIN conversations AS c ON c.id = m.conversation").Where("m.group_name = ?", x.q.Group)
	return x.narrowed(g).Order("m.id DESC").Limit(x.limit)
}

// Pieces implements ticketing.SearchTx.
func (t *tx) Pieces(text string, q ticketing.Search, limit int) (pieces []ticketing.Piece, found int) {
	if limit > 0 {
		text = strings.Join(strings.Fields(text), " ")
	}
	looked := terms(q)
	var marks [][2]int // in bytes
	words := cutWords(text)
	for i := range words {
		for _, one := range looked {
			if n := one.stands(words[i:]); n > 0 && one.in == "" {
				marks = append(marks, [2]int{words[i].from, words[i+n-1].to})
			}
		}
	}
	from, to := 0, len(text)
	if limit > 0 && len([]rune(text)) > limit {
		first := 0
		if len(marks) > 0 {
			first = marks[0][0]
		}
		from, to = around(text, first, limit)
	}
	at := from
	put := func(until int, hit bool) {
		if until > at {
			pieces = append(pieces, ticketing.Piece{Text: text[at:until], Hit: hit})
			at = until
		}
	}
	if from > 0 {
		pieces = append(pieces, ticketing.Piece{Text: "… "})
	}
	for _, m := range marks {
		if m[0] >= at && m[1] <= to {
			put(m[0], false)
			put(m[1], true)
		}
	}
	put(to, false)
	if to < len(text) {
		pieces = append(pieces, ticketing.Piece{Text: " …"})
	}
	return pieces, len(marks)
}

// around is a piece of about limit characters with a place in it, cut between words.
func around(text string, place, limit int) (from, to int) {
	before := 0
	for from = place; from > 0 && before < limit/3; before++ {
		from--
		for from > 0 && !startsRune(text[from]) {
			from--
		}
	}
	if from > 0 {
		if i := strings.IndexByte(text[from:place], ' '); i >= 0 {
			from += i + 1
		}
	}
	to = from
	for n := 0; to < len(text) && n < limit; n++ {
		to++
		for to < len(text) && !startsRune(text[to]) {
			to++
		}
	}
	if to < len(text) {
		if i := strings.LastIndexByte(text[max(from, place):to], ' '); i > 0 {
			to = max(from, place) + i
		}
	}
	return from, to
}

func startsRune(b byte) bool { return b&0xc0 != 0x80 }

// word is one of a text, where it stands in bytes, and the plain words that it makes.
type word struct {
	from, to int
	plain    string
}

func cutWords(text string) (all []word) {
	start := -1
	end := func(at int) {
		if start >= 0 {
			if p := plainWords(text[start:at]); p != "" {
				all = append(all, word{start, at, p})
			}
			start = -1
		}
	}
	for i, r := range text {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r) {
			if start < 0 {
				start = i
			}
			continue
		}
		end(i)
	}
	end(len(text))
	return all
}

// stands tells whether a term stands at the beginning of some words, and how many of them it takes.
func (t term) stands(words []word) int {
	if len(words) < len(t.words) {
		return 0
	}
	for i, w := range t.words {
		last := i == len(t.words)-1
		if words[i].plain != w && (!last || !t.begins || !strings.HasPrefix(words[i].plain, w)) {
			return 0
		}
	}
	return len(t.words)
}
