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

// tx is one transaction at work. gorm makes its statements, and maps rows; the transaction runs them.
//
// A failed statement is the end of it: all that follows fails, and nothing of it is kept even if the
// use case goes on as if nothing had happened.
type tx struct {
	s        *Store
	txn      transaction
	g        *gorm.DB        // makes statements and does not run them
	ctx      context.Context // lives as long as the transaction
	readOnly bool
	err      error

	known  map[any]bool    // ids of rows that this transaction has locked or made
	absent map[string]bool // Message-IDs, by group, that the use case was told are unknown
}

// statement has gorm make one.
type statement func(g *gorm.DB) *gorm.DB

// do runs a statement that gorm makes. Missing rows are ErrNone, any other error ends the transaction.
func (t *tx) do(what string, build statement, run func(sql string, args []any, g *gorm.DB) error) error {
	if t.err != nil {
		return t.err
	}
	g := build(t.g)
	err := g.Error
	if err == nil {
		err = run(g.Statement.SQL.String(), g.Statement.Vars, g)
	}
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return ticketing.ErrNone
	}
	return t.fail(what, err)
}

func (t *tx) fail(what string, err error) error {
	if err != nil {
		t.err = fmt.Errorf("store: %s: %w", what, err)
	}
	return t.err
}

// get scans the rows of a statement into its destination.
func (t *tx) get(what string, build statement) error {
	return t.do(what, build, func(sql string, args []any, g *gorm.DB) error {
		rows, err := t.txn.query(t.ctx, sql, args)
		if err != nil {
			return err
		}
		gorm.Scan(rows, g, 0)
		if err := rows.Close(); err != nil {
			return err
		}
		return g.Error
	})
}

// each scans the rows of a statement one by one.
func (t *tx) each(what string, build statement, row func(scan func(...any) error) error) error {
	return t.do(what, build, func(sql string, args []any, _ *gorm.DB) error {
		rows, err := t.txn.query(t.ctx, sql, args)
		if err != nil {
			return err
		}
		for err == nil && rows.Next() {
			err = row(rows.Scan)
		}
		return errors.Join(err, rows.Err(), rows.Close())
	})
}

// add runs an INSERT that returns an id; 0 if it did nothing.
func (t *tx) add(what string, build statement) (id int64, err error) {
	err = t.each(what, build, func(scan func(...any) error) error { return scan(&id) })
	return id, err
}

// put runs a statement whose result nobody waits for.
func (t *tx) put(what string, build statement) error {
	return t.do(what, build, func(sql string, args []any, _ *gorm.DB) error {
		return t.txn.later(t.ctx, sql, args, nil)
	})
}

// getLater is get, but its destination is filled by the next statement that is waited for, or by flush: each message
// to a database and its answer cost more than most statements do. That nothing is found is no error then.
func (t *tx) getLater(what string, build statement) error {
	return t.do(what, build, func(sql string, args []any, g *gorm.DB) error {
		return t.txn.later(t.ctx, sql, args, func(rows gorm.Rows) error {
			gorm.Scan(rows, g, 0)
			return errors.Join(rows.Close(), g.Error)
		})
	})
}

// flush fills the destinations of what was to be read later.
func (t *tx) flush(what string) error {
	if t.err != nil {
		return t.err
	}
	return t.fail(what, t.txn.flush(t.ctx))
}

// putOne updates a row. ErrNone if it is not there, as can be only if this transaction does not know it.
func (t *tx) putOne(what string, id any, build statement) error {
	if t.known[id] {
		return t.put(what, build)
	}
	n, err := t.touch(what, build)
	if err == nil && n == 0 {
		return ticketing.ErrNone
	}
	return err
}

// touch runs a statement and tells how many rows it touched.
func (t *tx) touch(what string, build statement) (n int64, err error) {
	err = t.do(what, build, func(sql string, args []any, _ *gorm.DB) (err error) {
		n, err = t.txn.exec(t.ctx, sql, args)
		return err
	})
	return n, err
}

// know notes that a row is there and nobody else can take it away.
func (t *tx) know(id any) {
	if t.known == nil {
		t.known = map[any]bool{}
	}
	t.known[id] = true
}

// lock makes a SELECT lock its rows, on Postgres; on SQLite a writing transaction is alone.
func (t *tx) lock(g *gorm.DB) *gorm.DB {
	if t.readOnly {
		return g
	}
	return g.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
}

func (t *tx) Once(k string) error {
	if k == "" {
		return t.err
	}
	n, err := t.touch("event key", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`INSERT INTO event_keys (key, at) VALUES (?, ?) ON CONFLICT DO NOTHING`, key(k), t.s.now())
	})
	if err == nil && n == 0 {
		return ticketing.ErrRepeated
	}
	return err
}

func (t *tx) Conversation(id ticketing.ConversationID) (ticketing.Conversation, error) {
	var row conversationRow
	err := t.get("conversation", func(g *gorm.DB) *gorm.DB { return t.lock(g).Where("id = ?", int64(id)).Take(&row) })
	if err == nil && !t.readOnly {
		t.know(id)
	}
	return row.noun(), err
}

func (t *tx) Numbered(number int) (ticketing.ConversationID, error) {
	var row conversationRow
	err := t.get("ticket number", func(g *gorm.DB) *gorm.DB {
		return g.Select("id").Where("number = ? AND number <> 0", int64(number)).Take(&row)
	})
	return ticketing.ConversationID(row.ID), err
}

func (t *tx) AddConversation(c *ticketing.Conversation) error {
	row := rowOfConversation(*c)
	row.ID = 0
	id, err := t.add("add conversation", func(g *gorm.DB) *gorm.DB { return g.Create(&row) })
	if c.ID = ticketing.ConversationID(id); err != nil {
		return err
	}
	t.know(c.ID)
	return t.matterOwed(*c)
}

func (t *tx) SetConversation(c ticketing.Conversation) error {
	row := rowOfConversation(c)
	err := t.putOne("set conversation", c.ID, func(g *gorm.DB) *gorm.DB {
		return g.Model(&row).Select("*").Omit("id", "group_name").Updates(&row)
	})
	if err != nil {
		return err
	}
	return t.matterOwed(c)
}

// matterOwed has a matter without mail looked through; of others their mails are.
func (t *tx) matterOwed(c ticketing.Conversation) error {
	if c.Mailbox != "" {
		return t.err
	}
	return t.searchOwed(ticketing.MatterHit, int64(c.ID))
}

func (t *tx) Conversations(q ticketing.Query) ([]ticketing.Conversation, error) {
	var rows []conversationRow
	err := t.get("conversations", func(g *gorm.DB) *gorm.DB { return ordered(g, q).Find(&rows) })
	return inOrder(rows, q), err
}

// ordered selects conversations, and puts them into the order asked for, or, with Back, into its reverse, which inOrder
// puts right.
func ordered(g *gorm.DB, q ticketing.Query) *gorm.DB {
	g = selected(g, q)
	switch by := q.Order; {
	case by == ticketing.NewestFirst || by == ticketing.BySince && q.Back:
		g = g.Order("since DESC NULLS LAST, id DESC")
	case by == ticketing.LatestFirst || by == ticketing.ByOpening && q.Back:
		g = g.Order("id DESC")
	case by == ticketing.BySince:
		g = g.Order("since NULLS FIRST, id")
	case by == ticketing.ByOpening:
		g = g.Order("id")
	case q.Back:
		g = g.Order("waits DESC NULLS LAST, id DESC")
	default:
		g = g.Order("waits NULLS FIRST, id")
	}
	if q.Limit > 0 {
		g = g.Limit(q.Limit)
	}
	return g
}

func inOrder(rows []conversationRow, q ticketing.Query) []ticketing.Conversation {
	if q.Back {
		slices.Reverse(rows)
	}
	return nouns(rows)
}

func (t *tx) CountConversations(q ticketing.Query) (n int, err error) {
	err = t.each("count conversations", func(g *gorm.DB) *gorm.DB {
		some := selected(g.Session(&gorm.Session{NewDB: true}).Table("conversations").Select("1"), q)
		if q.Limit > 0 {
			some = some.Limit(q.Limit)
		}
		return g.Exec("SELECT count(*) FROM (?) AS picked", some)
	}, func(scan func(...any) error) error { return scan(&n) })
	return n, err
}

func (t *tx) Writers(q ticketing.Query) (all []ticketing.Writer, err error) {
	err = t.each("writers", func(g *gorm.DB) *gorm.DB {
		some := selected(g.Session(&gorm.Session{NewDB: true}).Table("conversations").
			Select("max(with_name), min(with_addr), count(*)").Group("lower(with_addr)").Order("count(*) DESC, lower(with_addr)").Limit(q.Limit), q)
		return g.Exec("?", some)
	}, func(scan func(...any) error) error {
		var w ticketing.Writer
		err := scan(&w.With.Name, &w.With.Addr, &w.Count)
		all = append(all, w)
		return err
	})
	return all, err
}

func (t *tx) Tally(group string) (ticketing.Tally, error) {
	y := ticketing.Tally{HeldFor: map[ticketing.Reason]int{}}
	holders := map[string]int{}
	err := t.each("tally", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`SELECT state, overdue, held_for, owner, flood <> 0, count(*), min(waits) FROM conversations
			WHERE group_name = ? AND state IN ('new', 'taken', 'waiting', 'held') GROUP BY state, overdue, held_for, owner, flood <> 0`, group)
	}, func(scan func(...any) error) error {
		var state ticketing.State
		var overdue, flood bool
		var reason ticketing.Reason
		var owner string
		var n int
		var waits moment
		if err := scan(&state, &overdue, &reason, &owner, &flood, &n, &waits); err != nil {
			return err
		}
		switch state {
		case ticketing.New:
			y.New += n
			if overdue {
				y.Late += n
			}
			if flood {
				y.Collected += n
			}
			if w := waits.time(); y.Oldest.IsZero() || w.Before(y.Oldest) {
				y.Oldest = w
			}
		case ticketing.Taken:
			y.Taken += n
			holders[owner] += n
			if overdue {
				y.Idle += n
			}
		case ticketing.Waiting:
			y.Waiting += n
		case ticketing.Held:
			y.Held += n
			y.HeldFor[reason] += n
		}
		return nil
	})
	if err != nil {
		return y, err
	}
	for _, m := range sorted(holders) {
		y.Holders = append(y.Holders, ticketing.Holding{Member: ticketing.MemberID(m), Count: holders[m]})
	}
	slices.SortStableFunc(y.Holders, func(a, b ticketing.Holding) int { return b.Count - a.Count })
	err = t.each("tally replies", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`SELECT state, count(*) FROM replies WHERE group_name = ? AND state IN ('failed', 'asking') GROUP BY state`, group)
	}, func(scan func(...any) error) error {
		var state ticketing.ReplyState
		var n int
		err := scan(&state, &n)
		if state == ticketing.Failed {
			y.Failed = n
		} else {
			y.Asking = n
		}
		return err
	})
	return y, err
}

// selected adds what a query asks for.
func selected(g *gorm.DB, q ticketing.Query) *gorm.DB {
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
		g = g.Where("NOT overdue AND (state = 'new' AND waits < ? OR state = 'taken' AND touched < ?"+
			" AND NOT EXISTS (SELECT 1 FROM members WHERE members.id = owner AND away AND (away_until IS NULL OR away_until > ?)))", since, since, since)
	}
	if !q.WaitsUntil.IsZero() {
		g = g.Where("waits < ?", at(q.WaitsUntil))
	}
	if !q.UnaskedSince.IsZero() {
		g = g.Where("reminded IS NULL AND touched < ?", at(q.UnaskedSince))
	}
	if !q.AskedSince.IsZero() {
		since := at(q.AskedSince)
		g = g.Where("reminded < ? AND touched < ?", since, since)
	}
	if !q.AskedAfter.IsZero() {
		g = g.Where("reminded > ?", at(q.AskedAfter))
	}
	if !q.UnerasedSince.IsZero() {
		since := at(q.UnerasedSince)
		g = g.Where("erased IS NULL AND joined_to = 0 AND (state <> 'new' OR number = 0) AND since < ? AND touched < ?", since, since).
			Where("NOT EXISTS (SELECT 1 FROM todos WHERE todos.conversation = conversations.id AND todos.conversation <> 0 AND todos.done IS NULL)")
	}
	if q.With != "" {
		g = g.Where("lower(with_addr) = lower(?)", q.With)
	}
	if q.Collected {
		g = g.Where("flood <> 0")
	}
	if q.Flood != 0 {
		g = g.Where("flood = ? AND flood <> 0", int64(q.Flood))
	}
	switch len(q.Contacts) {
	case 0:
	case 1:
		g = g.Where("contact = ? AND contact <> 0", int64(q.Contacts[0]))
	default:
		g = g.Where("contact IN ? AND contact <> 0", q.Contacts)
	}
	if !q.SinceAfter.IsZero() {
		g = g.Where("since > ?", at(q.SinceAfter))
	}
	if !q.SinceUntil.IsZero() {
		g = g.Where("since <= ?", at(q.SinceUntil))
	}
	if p := q.Place; p != (ticketing.Place{}) {
		column, than := map[ticketing.Order]string{ticketing.ByWaits: "waits", ticketing.BySince: "since"}[q.Order], ">"
		if q.Back {
			than = "<"
		}
		if column == "" {
			return g.Where("id "+than+" ?", int64(p.ID))
		}
		g = g.Where("("+column+", id) "+than+" (?, ?)", at(p.At), int64(p.ID))
	}
	return g
}

func (t *tx) NextNumber() (int, error) {
	n, err := t.add("ticket number", func(g *gorm.DB) *gorm.DB { return g.Exec(t.s.nextNumber()) })
	return int(n), err
}

func (t *tx) Log(e *ticketing.Event) (err error) {
	row := rowOfEvent(*e)
	row.ID = 0
	e.ID, err = t.add("log", func(g *gorm.DB) *gorm.DB { return g.Create(&row) })
	return err
}

func (t *tx) Event(id int64) (ticketing.Event, error) {
	var row eventRow
	err := t.get("event", func(g *gorm.DB) *gorm.DB { return g.Where("id = ?", id).Take(&row) })
	return row.noun(), err
}

func (t *tx) Events(id ticketing.ConversationID) ([]ticketing.Event, error) {
	var rows []eventRow
	err := t.get("events", func(g *gorm.DB) *gorm.DB {
		return g.Where("conversation = ?", int64(id)).Order("id").Find(&rows)
	})
	return nouns(rows), err
}

func (t *tx) Member(id ticketing.MemberID) (ticketing.Member, error) {
	var row memberRow
	err := t.get("member", func(g *gorm.DB) *gorm.DB { return g.Where("id = ?", string(id)).Take(&row) })
	return row.noun(), err
}

func (t *tx) MeetMember(m ticketing.Member) error {
	row := rowOfMember(ticketing.Member{ID: m.ID, Name: m.Name, Handle: m.Handle, Email: m.Email})
	return t.put("meet member", func(g *gorm.DB) *gorm.DB {
		return g.Clauses(clause.OnConflict{
			Columns:   []clause.Column{{Name: "id"}},
			DoUpdates: clause.AssignmentColumns([]string{"name", "handle", "email"}),
		}).Create(&row)
	})
}

func (t *tx) SetMember(m ticketing.Member) error {
	row := rowOfMember(m)
	return t.putOne("set member", m.ID, func(g *gorm.DB) *gorm.DB {
		return g.Model(&row).Select("from_name", "signature", "replied", "status", "away_until", "away", "zone").Updates(&row)
	})
}

func (t *tx) SetPresent(group, board string, members []ticketing.MemberID) error {
	want := texts(members)
	slices.Sort(want) // the same order in all processes, so that they do not lock each other out
	want = slices.Compact(want)
	var have []string
	err := t.get("present", func(g *gorm.DB) *gorm.DB {
		return g.Raw(`SELECT member FROM present WHERE group_name = ? AND board = ?`, group, board).Find(&have)
	})
	slices.Sort(have)
	if err != nil || slices.Equal(have, want) {
		return err
	}
	err = t.put("present", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`DELETE FROM present WHERE group_name = ? AND board = ? AND NOT `+t.s.among("member"),
			group, board, jsonArray(want))
	})
	for _, m := range want {
		if _, found := slices.BinarySearch(have, m); !found && err == nil {
			err = t.put("present", func(g *gorm.DB) *gorm.DB {
				return g.Exec(`INSERT INTO present (group_name, board, member) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
					group, board, m)
			})
		}
	}
	return err
}

func (t *tx) Present(group string) ([]ticketing.Member, error) {
	var rows []memberRow
	err := t.get("present", func(g *gorm.DB) *gorm.DB {
		return g.Raw(`SELECT here.member AS id, COALESCE(m.name, '') AS name, COALESCE(m.handle, '') AS handle,
			COALESCE(m.email, '') AS email, COALESCE(m.from_name, '') AS from_name,
			COALESCE(m.signature, '') AS signature, COALESCE(m.replied, FALSE) AS replied,
			COALESCE(m.status, '') AS status, m.away_until, COALESCE(m.away, FALSE) AS away, COALESCE(m.zone, '') AS zone
			FROM (SELECT DISTINCT member FROM present WHERE group_name = ?) here
			LEFT JOIN members m ON m.id = here.member ORDER BY 2, 1`, group).Find(&rows)
	})
	return nouns(rows), err
}

func (t *tx) Enqueue(j ticketing.Job) error {
	if t.err != nil {
		return t.err
	}
	return t.fail("enqueue", t.txn.enqueue(t.ctx, j))
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
