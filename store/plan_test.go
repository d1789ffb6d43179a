package store

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"

	"groupmail/ticketing"
)

// plenty is how many rows each table has when plans are looked at.
const plenty = 100_000

// many inserts plenty of rows like row, with SQL of the number i for some columns.
func (b *bed) many(row schema.Tabler, columns map[string]string) {
	b.t.Helper()
	var names, values []string
	naming := schema.NamingStrategy{}
	typ := reflect.TypeOf(row)
	for i := range typ.NumField() {
		f := typ.Field(i)
		name := naming.ColumnName("", f.Name)
		value, ok := columns[name]
		delete(columns, name)
		switch {
		case ok:
		case name == "id":
			continue
		case f.Type.Kind() == reflect.String:
			value = "''"
		case f.Type.Kind() == reflect.Int64:
			value = "0"
		case f.Type.Kind() == reflect.Bool:
			value = "FALSE"
		case f.Type.Kind() == reflect.Slice:
			value = "'[]'"
		default:
			value = "NULL"
		}
		names, values = append(names, name), append(values, value)
	}
	if len(columns) > 0 {
		b.t.Fatalf("%s has no %v", row.TableName(), columns)
	}
	series := fmt.Sprintf("generate_series(1, %d) AS n(i)", plenty)
	if b.config.URL == "" {
		series = fmt.Sprintf("(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n)", plenty)
	}
	b.exec("INSERT INTO " + row.TableName() + " (" + strings.Join(names, ", ") + ") SELECT " + strings.Join(values, ", ") + " FROM " + series)
}

// recorder is gorm's logger for a test that wants the SQL.
type recorder struct {
	discard
	sql []string
}

func (r *recorder) LogMode(logger.LogLevel) logger.Interface { return r }
func (r *recorder) Trace(_ context.Context, _ time.Time, fc func() (string, int64), _ error) {
	sql, _ := fc()
	r.sql = append(r.sql, sql)
}

// No statement of the desk reads a whole table.
func TestPlans(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("fills large tables; there is nothing to race for")
	}
	onBoth(t, func(t *testing.T, b *bed) {
		ago := func() string {
			if b.config.URL == "" {
				return "strftime('%Y-%m-%d %H:%M:%S+00:00', '2026-01-01', '-' || i || ' minutes')"
			}
			return "timestamptz '2026-01-01' - i * interval '1 minute'"
		}
		pick := func(values ...string) string {
			sql := "CASE i % 100"
			for i, v := range values[1:] {
				sql += fmt.Sprintf(" WHEN %d THEN '%s'", i, v)
			}
			return sql + fmt.Sprintf(" ELSE '%s' END", values[0])
		}
		text := func(prefix string) string { return "'" + prefix + "' || i" }
		b.many(conversationRow{}, map[string]string{
			"group_name": pick("help", "info", "jobs"), "number": "i", "state": pick("closed", "new", "taken", "waiting", "spam", "held"),
			"flood": "CASE i % 4 WHEN 0 THEN 4 ELSE 0 END", "with_addr": "'a' || (i % 1000)",
			"owner": "CASE i % 100 WHEN 1 THEN 'mm:' || (i % 7) ELSE '' END", "since": ago(), "waits": ago(), "touched": ago(), "subject": text("s"), "contact": "CASE i % 10 WHEN 1 THEN i % 1000 ELSE 0 END",
		})
		b.many(mailRow{}, map[string]string{
			"group_name": pick("help", "info"), "mailbox": pick("help", "info"), "conversation": "i / 2", "direction": "'in'", "raw": "i", "fingerprint": text("f"), "message_id": text("m"), "contact": "CASE i % 10 WHEN 1 THEN i % 1000 ELSE 0 END",
		})
		b.many(participantRow{}, map[string]string{"conversation": "i / 2", "addr_key": text("a")})
		b.many(messageIDRow{}, map[string]string{"group_name": "'help'", "message_id": text("m"), "conversation": "i / 2"})
		b.many(sightingRow{}, map[string]string{"mailbox": pick("help", "info"), "uid": text(""), "validity": "'1'", "mail": "CASE i % 3 WHEN 0 THEN 0 ELSE i END", "at": ago(), "due": "CASE i % 1000 WHEN 1 THEN 'done' ELSE '' END"})
		b.many(postRow{}, map[string]string{
			"key": text("k"), "kind": pick("card", "mail", "reply"), "board": pick("b", "c"), "made": ago(), "conversation": "i / 2", "todo": "CASE i % 10 WHEN 2 THEN i ELSE 0 END", "reply": "CASE i % 10 WHEN 1 THEN i ELSE 0 END",
			"root": "CASE i % 2 WHEN 1 THEN 0 ELSE i - 1 END", "message": "CASE i % 1000 WHEN 1 THEN '' ELSE 'm' || i END", "want": "1", "shown": "CASE i % 1000 WHEN 1 THEN 0 ELSE 1 END",
		})
		b.many(replyRow{}, map[string]string{"conversation": "i", "group_name": "'help'", "state": pick("sent", "pending", "failed", "asking"), "mark": text("m"), "origin": text("o"), "raw": "i", "message_id": text("m")})
		b.many(eventRow{}, map[string]string{"conversation": "i / 3", "move": "'take'"})
		b.many(memberRow{}, map[string]string{"id": text("mm:")})
		b.many(contactRow{}, map[string]string{"group_name": pick("help", "info"), "name": text("n"), "name_words": text("n"), "words": text(" n"), "into_contact": "CASE i % 50 WHEN 1 THEN i + 1 ELSE 0 END"})
		b.many(contactKeyRow{}, map[string]string{"group_name": "'help'", "kind": "'address'", "key": text("k"), "contact": "i"})
		b.many(pageRow{}, map[string]string{"group_name": pick("help", "info"), "slug": text("s"), "title_key": text("t"), "contact": "CASE i % 2 WHEN 1 THEN 0 ELSE i END", "changed": ago()})
		b.many(revisionRow{}, map[string]string{"page": "i / 10", "number": "i % 10"})
		b.many(todoRow{}, map[string]string{"group_name": pick("help", "info"), "owner": "'mm:' || (i % 1000)", "due": ago(), "conversation": "CASE i % 2 WHEN 1 THEN i ELSE 0 END", "contact": "CASE i % 10 WHEN 1 THEN i % 1000 ELSE 0 END", "done": "CASE i % 500 WHEN 1 THEN NULL ELSE " + ago() + " END"})
		b.many(sessionRow{}, map[string]string{"hash": text("h"), "used": ago()})
		if b.config.URL != "" {
			b.exec(`INSERT INTO search_words (doc, group_name, words) SELECT i, 'help', ('w' || i)::tsvector FROM generate_series(1, 50000) i`)
		}
		b.exec("ANALYZE")

		record, unsorted := &recorder{}, map[string]bool{}
		b.db().Logger = record
		now, soonest := b.clock(), time.Date(2025, 11, 1, 0, 0, 0, 0, time.UTC)
		ctx := t.Context()
		b.change(func(tx ticketing.Tx) error {
			fatal(t, tx.Once("click"))
			c, err := tx.Conversation(77)
			fatal(t, err)
			_, err = tx.Numbered(88)
			fatal(t, err)
			fatal(t, tx.SetConversation(c))
			other := ticketing.Conversation{Group: "help", State: ticketing.New}
			fatal(t, tx.AddConversation(&other))
			for _, q := range []ticketing.Query{
				{Group: "help", States: []ticketing.State{ticketing.New}, Limit: 20},
				{Group: "help", States: []ticketing.State{ticketing.New, ticketing.Taken, ticketing.Waiting}, Limit: 20},
				{Group: "help", Order: ticketing.NewestFirst, Limit: 20},
				{Group: "help", States: []ticketing.State{ticketing.Closed}, Order: ticketing.NewestFirst, Limit: 20},
				{Owner: "mm:1", States: []ticketing.State{ticketing.Taken}},
				{Group: "help", States: []ticketing.State{ticketing.New}, NotOverdueSince: soonest, Limit: 20},
				{Group: "help", States: []ticketing.State{ticketing.Taken}, NotOverdueSince: soonest, Limit: 20},
				{Group: "help", States: []ticketing.State{ticketing.New}, Place: ticketing.Place{At: soonest}, WaitsUntil: now, Limit: 20},
				{Group: "help", States: []ticketing.State{ticketing.Taken}, AskedSince: soonest, Order: ticketing.BySince, Limit: 20},
				{Group: "help", States: []ticketing.State{ticketing.Waiting}, UnaskedSince: soonest, Order: ticketing.BySince, Limit: 20},
				{Group: "help", Owner: "mm:1", States: []ticketing.State{ticketing.Waiting}, AskedAfter: soonest, Limit: 5},
				{Group: "help", States: []ticketing.State{ticketing.Spam}, UnerasedSince: soonest, Limit: 20},
			} {
				_, err = tx.Conversations(q)
				fatal(t, err)
			}
			state := func(s ticketing.State) []ticketing.State { return []ticketing.State{s} }
			place := ticketing.Place{At: soonest, ID: 5000}
			pages := []ticketing.Query{
				{Group: "help", States: state(ticketing.New), Order: ticketing.ByWaits, Limit: 20},
				{Group: "help", States: state(ticketing.New), Mailbox: "help", Order: ticketing.ByWaits, Place: place, Limit: 20},
				{Group: "help", States: state(ticketing.Taken), Order: ticketing.BySince, Place: place, Limit: 20},
				{Group: "help", States: state(ticketing.Held), Order: ticketing.BySince, Place: place, Limit: 20},
				{Group: "help", States: state(ticketing.New), Flood: 4, Order: ticketing.ByOpening, Place: place, Limit: 20},
			}
			began := len(record.sql)
			for _, q := range pages {
				for _, q.Back = range []bool{false, true} {
					_, err = tx.Conversations(q)
					fatal(t, err)
				}
			}
			for _, q := range []ticketing.Query{
				{Group: "help", Collected: true, Order: ticketing.LatestFirst, Limit: 1},
				{Group: "help", States: state(ticketing.Held), Order: ticketing.BySince, Back: true, Limit: 1},
				{Group: "help", Flood: 4, With: "a7", States: state(ticketing.Spam), Place: ticketing.Place{ID: 5}, Order: ticketing.ByOpening, Limit: 100},
			} {
				_, err = tx.Conversations(q)
				fatal(t, err)
			}
			for _, q := range []ticketing.PageQuery{
				{Group: "help", Limit: 20},
				{Group: "help", Before: ticketing.PagePlace{Changed: soonest, ID: 5000}, Limit: 20},
			} {
				_, err = tx.Pages(q)
				fatal(t, err)
			}
			_, err = tx.Revisions(5, 0, 20)
			fatal(t, err)
			_, err = tx.Revisions(5, 7, 20)
			fatal(t, err)
			for _, after := range []ticketing.TodoPlace{{}, {At: now, ID: 7}} {
				_, err = tx.Todos(ticketing.TodoQuery{Group: "help", Done: true, After: after, Limit: 31})
				fatal(t, err)
			}
			for _, sql := range record.sql[began:] {
				unsorted[sql] = true
			}
			for _, q := range append(pages,
				ticketing.Query{Group: "help", Collected: true, States: state(ticketing.New), Limit: 101},
				ticketing.Query{Group: "help", States: state(ticketing.New), SinceAfter: soonest, SinceUntil: now},
				ticketing.Query{Owner: "mm:1", Group: "help", States: []ticketing.State{ticketing.Taken, ticketing.Waiting}, Limit: 10_000},
			) {
				_, err = tx.CountConversations(q)
				fatal(t, err)
			}
			for _, q := range []ticketing.Query{
				{Group: "help", Owner: "mm:1", States: []ticketing.State{ticketing.Taken, ticketing.Waiting}, Order: ticketing.LatestFirst, Limit: 31},
				{Group: "help", Contacts: []ticketing.ContactID{7, 8}, Order: ticketing.ByOpening, Place: ticketing.Place{ID: 5000}, Back: true, Limit: 31},
			} {
				_, err = tx.Conversations(q)
				fatal(t, err)
			}
			for _, q := range []ticketing.TodoQuery{
				{Unsaid: now, Limit: 100}, {Group: "help", Owner: "mm:1", Open: true, Limit: 11}, {Conversation: 5, Open: true, Limit: 100},
				{Group: "help", Contacts: []ticketing.ContactID{7, 8}, Open: true, Limit: 20},
				{Group: "help", Open: true, After: ticketing.TodoPlace{At: now, ID: 7}, Limit: 31}, {Group: "help", Open: true, After: ticketing.TodoPlace{ID: 7}, Limit: 31},
				{Group: "help", Contacts: []ticketing.ContactID{7}, Done: true, Limit: 31},
			} {
				_, err = tx.Todos(q)
				fatal(t, err)
			}
			_, err = tx.Raise(ticketing.PostsWhere{Todo: 7}, "me", now)
			fatal(t, err)
			_, err = tx.Contact(7)
			fatal(t, err)
			kept := ticketing.Contact{Group: "help", Name: "Maria", Addresses: []string{"maria@example.net"}, Phones: []string{"+431"}}
			fatal(t, tx.AddContact(&kept))
			fatal(t, tx.SetContact(kept))
			_, err = tx.ContactsWith("help", ticketing.Key{Kind: ticketing.AddressKey, Text: "k7"})
			fatal(t, err)
			_, err = tx.Family(52)
			fatal(t, err)
			_, err = tx.PhonesEnding("help", "2345678", 10)
			fatal(t, err)
			_, err = tx.Contacts(ticketing.ContactQuery{Group: "help", Like: "n5", Gone: true, Limit: 10})
			fatal(t, err)
			_, err = tx.Contacts(ticketing.ContactQuery{Group: "help", After: ticketing.ContactPlace{Name: "n5", ID: 5}, Limit: 20})
			fatal(t, err)
			fatal(t, tx.Belong(5, 7))
			fatal(t, tx.BelongAll("help", "a7", 7))
			for _, q := range []ticketing.OfContactsQuery{{IDs: []ticketing.ContactID{7}}, {IDs: []ticketing.ContactID{7, 8}, Before: 1000}} {
				q.Mails = 50
				q.Todos = ticketing.TodoQuery{Group: "help", Contacts: q.IDs, Open: true, Limit: 11}
				q.Tickets = ticketing.Query{Group: "help", Contacts: q.IDs, Order: ticketing.LatestFirst, Limit: 11}
				_, err = tx.OfContacts(q)
				fatal(t, err)
			}
			_, err = tx.ContactEvents([]ticketing.ContactID{7}, 20)
			fatal(t, err)
			_, err = tx.Conversations(ticketing.Query{Group: "help", Contacts: []ticketing.ContactID{7}, Order: ticketing.LatestFirst, Limit: 10})
			fatal(t, err)
			_, err = tx.Conversations(ticketing.Query{Group: "help", With: "a7", States: state(ticketing.New), Order: ticketing.LatestFirst, Limit: 10})
			fatal(t, err)
			fatal(t, tx.SetWatcher(7, "mm:1", true))
			_, err = tx.Watchers(7)
			fatal(t, err)
			_, err = tx.Writers(ticketing.Query{Group: "help", Flood: 4, States: state(ticketing.New), Limit: 5})
			fatal(t, err)
			_, err = tx.Tally("help")
			fatal(t, err)
			_, err = tx.CountPosts("b", ticketing.CardPost, time.Date(2025, 12, 31, 23, 55, 0, 0, time.UTC), 20)
			fatal(t, err)
			_, err = tx.LastIn("help")
			fatal(t, err)
			fatal(t, tx.PutTrouble(ticketing.Trouble{Name: "t5"}))
			_, err = tx.Trouble("t5")
			fatal(t, err)
			_, err = tx.Troubles("info")
			fatal(t, err)
			fatal(t, tx.EndTrouble("t6"))
			_, err = tx.NextNumber()
			fatal(t, err)
			_, err = tx.Erase(5, now)
			fatal(t, err)
			_, err = tx.Lease("reply:5", "attempt 1", time.Minute)
			fatal(t, err)
			fatal(t, tx.Unlease("reply:5", "attempt 1"))
			_, err = tx.Mail(1)
			fatal(t, err)
			_, err = tx.Mails(5, 20)
			fatal(t, err)
			fatal(t, tx.MoveMails(5, 6, 0))
			_, err = tx.Participants(7)
			fatal(t, err)
			fatal(t, tx.AddParticipants(7, []ticketing.Address{{Addr: "x@y"}}))
			_, err = tx.References("help", []string{"m5", "m6", "none"})
			fatal(t, err)
			fatal(t, tx.AddReferences("help", map[string]ticketing.Reference{"m5": {Own: true}, "none": {}}))
			_, err = tx.SameMail("help", "f77")
			fatal(t, err)
			_, err = tx.Sighting("help", ticketing.Ref{Validity: "1", UID: "555"})
			fatal(t, err)
			_, err = tx.Sightings("help", 555)
			fatal(t, err)
			fatal(t, tx.PutSighting(ticketing.Sighting{Mailbox: "help", Ref: ticketing.Ref{Validity: "1", UID: "555"}, Mail: 555}))
			_, err = tx.LastSighting("help")
			fatal(t, err)
			fatal(t, tx.ForgetUnwanted("help", time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC)))
			many := make([]ticketing.Sighting, 300)
			for i := range many {
				many[i] = ticketing.Sighting{Mailbox: "help", Ref: ticketing.Ref{Validity: "2", UID: fmt.Sprint(i)}}
			}
			fatal(t, tx.PutSighting(many...))
			_, err = tx.Unknown("help", []ticketing.Ref{{Validity: "1", UID: "555"}, {Validity: "1", UID: "x"}})
			fatal(t, err)
			fatal(t, tx.Process(50, ticketing.Done))
			_, err = tx.Unsettled("help", 20)
			fatal(t, err)
			fatal(t, tx.Settled("help", ticketing.Settlement{Ref: ticketing.Ref{Validity: "1", UID: "101"}, Why: ticketing.Done}))
			id, err := tx.AddPost(ticketing.Post{Key: "new", Root: 1}, "me", now)
			fatal(t, err)
			_, err = tx.Raise(ticketing.PostsWhere{Conversation: 5, Kind: ticketing.CardPost}, "me", now)
			fatal(t, err)
			_, err = tx.Raise(ticketing.PostsWhere{Reply: 11}, "me", now)
			fatal(t, err)
			_, err = tx.Raise(ticketing.PostsWhere{ID: id}, "me", now)
			fatal(t, err)
			_, err = tx.Elder(ticketing.Post{ID: id, Root: 1})
			fatal(t, err)
			_, err = tx.FindPost("k5", "", "")
			fatal(t, err)
			_, err = tx.FindPost("", "b", "m5")
			fatal(t, err)
			_, err = tx.Reply(5)
			fatal(t, err)
			_, err = tx.ReplyFrom("o5")
			fatal(t, err)
			_, err = tx.ReplyMarked("m5")
			fatal(t, err)
			_, err = tx.Replies(5, ticketing.Pending, ticketing.Sent)
			fatal(t, err)
			fatal(t, tx.Log(&ticketing.Event{}))
			_, err = tx.Events(5)
			fatal(t, err)
			_, err = tx.Member("mm:5")
			fatal(t, err)
			page, err := tx.Page(5)
			fatal(t, err)
			fatal(t, tx.SetPage(page))
			fatal(t, tx.AddPage(&ticketing.Page{Group: "help", Slug: "new"}))
			fatal(t, tx.AddRevision(ticketing.Revision{Page: 5, Number: 99}))
			_, err = tx.PageOf(6)
			fatal(t, err)
			_, err = tx.PagesNamed("help", []string{"s5", "s6", "none"}, []string{"T7", "none"})
			fatal(t, err)
			_, err = tx.Revision(5, 7)
			fatal(t, err)
			_, _, _, err = tx.Session("h5")
			fatal(t, err)
			fatal(t, tx.UseSession("h5", now))
			fatal(t, tx.AddSession(ticketing.Session{Hash: "new", Used: now}, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)))
			fatal(t, tx.EndSession("h6"))
			_, err = tx.PresentOn("mm:1")
			fatal(t, err)
			_, err = tx.Rows(ticketing.Wanted{
				Mails: []ticketing.MailID{5, 6}, Conversations: []ticketing.ConversationID{5, 6}, Contacts: []ticketing.ContactID{5, 6},
				Pages: []ticketing.PageID{5, 6}, Posts: []string{"k5", "k6", "none"}, Members: []ticketing.MemberID{"mm:5", "mm:6"},
			})
			fatal(t, err)
			_, err = tx.MailsBefore(5, 11, 20)
			fatal(t, err)
			fatal(t, tx.SetPresent("help", "b", []ticketing.MemberID{"mm:1", "mm:2"}))
			_, err = tx.Present("help")
			fatal(t, err)
			_, err = tx.Missing("help")
			return err
		})
		_, err := b.LeasePosts(ctx, "me", time.Minute, 20)
		fatal(t, err)
		b.drawn(1, "me", "m", 1)
		fatal(t, b.Undrawn(ctx, 1001, "me", now, ticketing.NotLost))
		r, err := b.OpenBlob(ctx, b.put([]byte("x")))
		fatal(t, err)
		_, err = io.ReadAll(r)
		fatal(t, err)
		b.db().Logger = discard{}

		whole := regexp.MustCompile(`Seq Scan on (\w+)`)
		sorts := regexp.MustCompile(`\bSort\b|TEMP B-TREE`)
		explain := "EXPLAIN "
		if b.config.URL == "" {
			whole = regexp.MustCompile(`\bSCAN (\w+)$`)
			explain = "EXPLAIN QUERY PLAN "
		}
		small := map[string]bool{"counters": true, "present": true, "leases": true, "json_each": true, "event_keys": true, "n": true, "here": true, "owed": true, "cursors": true, "blobs": true, "chunks": true, "boxes": true, "troubles": true, "picked": true, "watchers": true, "owners": true, "leavers": true, "family": true}
		for _, sql := range record.sql {
			plan := b.plan(explain + sql)
			for _, line := range plan {
				if m := whole.FindStringSubmatch(line); m != nil && !small[m[1]] {
					t.Errorf("reads all of %s:\n%s", m[1], sql)
				}
				if unsorted[sql] && sorts.MatchString(line) {
					t.Errorf("sorts more than it gives:\n%s", sql)
				}
			}
			if t.Failed() || testing.Verbose() {
				t.Logf("%s\n\t%s", sql, strings.Join(plan, "\n\t"))
			}
		}
	})
}

// plan is what an EXPLAIN says: the last column of each row.
func (b *bed) plan(explain string) (plan []string) {
	b.t.Helper()
	rows, err := b.db().WithContext(b.t.Context()).Raw(explain).Rows()
	fatal(b.t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	fatal(b.t, err)
	for rows.Next() {
		line := make([]any, len(columns))
		for i := range line {
			line[i] = new(any)
		}
		var last string
		line[len(line)-1] = &last
		fatal(b.t, rows.Scan(line...))
		plan = append(plan, last)
	}
	fatal(b.t, rows.Err())
	return plan
}
