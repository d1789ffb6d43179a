package store

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"groupmail/ticketing"
)

// fill draws a value for every field of a noun, so that a field that is forgotten in its row is found.
func fill[T any](rt *rapid.T, zero ...string) T {
	var noun T
	v := reflect.ValueOf(&noun).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if !slices.Contains(zero, name) {
			fillValue(rt, name, v.Field(i))
		}
	}
	return noun
}

func fillValue(rt *rapid.T, name string, v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		if rapid.Bool().Draw(rt, name+" set") {
			*x = time.UnixMicro(rapid.Int64Range(-62135596800000000+1, 253402300799999999).Draw(rt, name)).UTC()
		}
		return
	case *ticketing.Attachment:
		*x = fill[ticketing.Attachment](rt)
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(strings.ReplaceAll(rapid.StringN(-1, 30, -1).Draw(rt, name), "\x00", ""))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(rt, name))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(rt, name))
	case reflect.Uint32:
		v.SetUint(uint64(rapid.Uint32().Draw(rt, name)))
	case reflect.Struct:
		for i := range v.NumField() {
			fillValue(rt, name+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Slice:
		n := rapid.IntRange(0, 3).Draw(rt, name+" length")
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fillValue(rt, name, v.Index(i))
		}
	default:
		rt.Fatalf("%s: %s", name, v.Type())
	}
}

// same compares nouns, an empty list being none.
func same(t rapid.TB, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("-want +got\n%s", diff)
	}
}

// Every field of every noun comes back as it was given, when added and when set to something else.
func TestEveryFieldIsKept(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			unique := fmt.Sprint(n)
			b.change(func(tx ticketing.Tx) error {
				c := fill[ticketing.Conversation](rt, "ID")
				c.Number = n
				fatal(rt, tx.AddConversation(&c))
				got, err := tx.Conversation(c.ID)
				fatal(rt, err)
				same(rt, got, c)
				changed := fill[ticketing.Conversation](rt)
				changed.ID, changed.Group, changed.Number = c.ID, "another, which is not kept", 1_000_000+n
				fatal(rt, tx.SetConversation(changed))
				got, err = tx.Conversation(c.ID)
				fatal(rt, err)
				changed.Group = c.Group
				same(rt, got, changed)

				m := fill[ticketing.Mail](rt, "ID")
				m.Digest = unique
				fatal(rt, tx.AddMail(&m))
				gotMail, err := tx.Mail(m.ID)
				fatal(rt, err)
				same(rt, gotMail, m)

				r := fill[ticketing.Reply](rt, "ID")
				r.Mark = unique
				fatal(rt, tx.AddReply(&r))
				gotReply, err := tx.Reply(r.ID)
				fatal(rt, err)
				same(rt, gotReply, r)
				id := r.ID
				r = fill[ticketing.Reply](rt)
				r.ID, r.Mark = id, unique+"b"
				fatal(rt, tx.SetReply(r))
				gotReply, err = tx.Reply(r.ID)
				fatal(rt, err)
				same(rt, gotReply, r)

				p := fill[ticketing.Post](rt, "ID")
				p.Key = unique
				p.ID, err = tx.AddPost(p, "", time.Time{})
				fatal(rt, err)
				p.Want = 1
				gotPost, err := tx.Post(p.ID)
				fatal(rt, err)
				same(rt, gotPost, p)

				todo := fill[ticketing.Todo](rt, "ID")
				fatal(rt, tx.AddTodo(&todo))
				gotTodo, err := tx.Todo(todo.ID)
				fatal(rt, err)
				same(rt, gotTodo, todo)
				changedTodo := fill[ticketing.Todo](rt)
				changedTodo.ID = todo.ID
				fatal(rt, tx.SetTodo(changedTodo))
				changedTodo.By, changedTodo.Made = todo.By, todo.Made
				gotTodo, err = tx.Todo(todo.ID)
				fatal(rt, err)
				same(rt, gotTodo, changedTodo)

				e := fill[ticketing.Event](rt, "ID")
				fatal(rt, tx.Log(&e))
				gotEvent, err := tx.Event(e.ID)
				fatal(rt, err)
				same(rt, gotEvent, e)

				s := fill[ticketing.Sighting](rt)
				s.Mailbox = unique
				for range 2 {
					fatal(rt, tx.PutSighting(s))
					gotSighting, err := tx.Sighting(s.Mailbox, s.Ref)
					fatal(rt, err)
					same(rt, gotSighting, s)
					place, box := s.Ref, s.Mailbox
					s = fill[ticketing.Sighting](rt)
					s.Ref, s.Mailbox = place, box
				}

				for range 2 {
					box := fill[ticketing.BoxMemory](rt)
					box.Window.Validity = "" // is the box's own: the desk fills it in
					fatal(rt, tx.SetBox(unique, box))
					gotBox, err := tx.Box(unique)
					fatal(rt, err)
					same(rt, gotBox, box)
				}

				who := fill[ticketing.Member](rt)
				who.ID = ticketing.MemberID(unique)
				fatal(rt, tx.MeetMember(who))
				fatal(rt, tx.SetMember(who))
				gotMember, err := tx.Member(who.ID)
				fatal(rt, err)
				same(rt, gotMember, who)

				contact := fill[ticketing.Contact](rt, "ID", "Addresses", "Numbers")
				contact.Addresses, contact.Numbers = []string{"a" + unique + "@x.example", "@d" + unique + ".example"}, []string{"N-" + unique}
				fatal(rt, tx.AddContact(&contact))
				gotContact, err := tx.Contact(contact.ID)
				fatal(rt, err)
				same(rt, gotContact, contact)
				edited := fill[ticketing.Contact](rt, "Addresses", "Numbers")
				edited.ID, edited.Group, edited.Made, edited.By = contact.ID, contact.Group, contact.Made, contact.By
				fatal(rt, tx.SetContact(edited))
				gotContact, err = tx.Contact(contact.ID)
				fatal(rt, err)
				same(rt, gotContact, edited)

				page := fill[ticketing.Page](rt, "ID")
				page.Slug, page.Contact = unique, ticketing.ContactID(n)
				fatal(rt, tx.AddPage(&page))
				gotPage, err := tx.Page(page.ID)
				fatal(rt, err)
				same(rt, gotPage, page)
				rewritten := fill[ticketing.Page](rt)
				rewritten.ID = page.ID
				fatal(rt, tx.SetPage(rewritten))
				gotPage, err = tx.Page(page.ID)
				fatal(rt, err)
				rewritten.Group, rewritten.Slug, rewritten.Contact, rewritten.Made = page.Group, page.Slug, page.Contact, page.Made
				same(rt, gotPage, rewritten)

				revision := fill[ticketing.Revision](rt)
				revision.Page = page.ID
				fatal(rt, tx.AddRevision(revision))
				gotRevision, err := tx.Revision(page.ID, revision.Number)
				fatal(rt, err)
				same(rt, gotRevision, revision)
				return nil
			})
		})
	})
}

func fatal(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErr fails unless err is want.
func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func TestNoSuchRow(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		look := func(tx ticketing.Tx) error {
			_, err := tx.Conversation(7)
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.Numbered(7)
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.Numbered(0)
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.Mail(7)
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.SameMail("help", "7")
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.Sighting("help", ticketing.Ref{UID: "7"})
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.Box("help")
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.Post(7)
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.FindPost("7", "", "")
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.FindPost("", "board", "7")
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.FindPost("", "board", "")
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.Reply(7)
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.ReplyFrom("7")
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.ReplyFrom("")
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.ReplyMarked("7")
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.ReplyMarked("")
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.Event(7)
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.Member("7")
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.Contact(7)
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.Todo(7)
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.Page(7)
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.PageOf(7)
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.PageOf(0)
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.Revision(7, 1)
			wantErr(t, err, ticketing.ErrNone)
			_, _, _, err = tx.Session("7")
			wantErr(t, err, ticketing.ErrNone)
			_, err = tx.Login("7")
			wantErr(t, err, ticketing.ErrNone)
			return nil
		}
		b.read(look)
		b.change(func(tx ticketing.Tx) error {
			look(tx) //nolint:errcheck // is nil
			wantErr(t, tx.SetConversation(ticketing.Conversation{ID: 7}), ticketing.ErrNone)
			wantErr(t, tx.SetReply(ticketing.Reply{ID: 7}), ticketing.ErrNone)
			wantErr(t, tx.SetMember(ticketing.Member{ID: "7"}), ticketing.ErrNone)
			wantErr(t, tx.SetContact(ticketing.Contact{ID: 7}), ticketing.ErrNone)
			wantErr(t, tx.SetPage(ticketing.Page{ID: 7}), ticketing.ErrNone)
			return nil // ErrNone spoils nothing
		})
		if b.count("conversations")+b.count("replies")+b.count("members") != 0 {
			t.Error("setting what is not there has made rows")
		}
	})
}

func TestEventHappensOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		once := func(key string) error {
			return b.Change(ctx, func(tx ticketing.Tx) error { return tx.Once(key) })
		}
		fatal(t, once("click 1"))
		wantErr(t, once("click 1"), ticketing.ErrRepeated)
		fatal(t, once("click 2"))
		fatal(t, once(""))
		fatal(t, once(""))

		refused := errors.New("refused")
		wantErr(t, b.Change(ctx, func(tx ticketing.Tx) error { return errors.Join(tx.Once("click 3"), refused) }), refused)
		fatal(t, once("click 3")) // what was rolled back has not happened

		long := strings.Repeat("x", 10_000)
		fatal(t, once(long+"1"))
		fatal(t, once(long+"2"))
		wantErr(t, once(long+"1"), ticketing.ErrRepeated)
	})
}

func TestNumbersAreOneSequence(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		for want := 1; want <= 3; want++ {
			c := b.conversation(ticketing.Conversation{Group: fmt.Sprint("group", want)})
			b.change(func(tx ticketing.Tx) error {
				n, err := tx.NextNumber()
				if err != nil || n != want {
					t.Fatalf("number %d, %v; want %d", n, err, want)
				}
				c.Number = n
				return tx.SetConversation(c)
			})
			b.read(func(tx ticketing.Tx) error {
				id, err := tx.Numbered(want)
				if id != c.ID {
					t.Errorf("#%d is %d, want %d", want, id, c.ID)
				}
				return err
			})
		}
	})
}

func TestSelectingConversations(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		day := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
		hour := func(h int) time.Time { return day.Add(time.Duration(h) * time.Hour) }
		add := func(c ticketing.Conversation) { b.conversation(c) }
		add(ticketing.Conversation{Subject: "a", Mailbox: "help", Waits: hour(5), Since: hour(5)})
		add(ticketing.Conversation{Subject: "b", Mailbox: "help", Waits: hour(1), Since: hour(6)})
		add(ticketing.Conversation{Subject: "c", Mailbox: "info", Waits: hour(2), Since: hour(2), Overdue: true})
		add(ticketing.Conversation{Subject: "d", Mailbox: "info", State: ticketing.Taken, Owner: "ann", Since: hour(3), Touched: hour(3), Reminded: hour(5)})
		add(ticketing.Conversation{Subject: "e", Mailbox: "help", State: ticketing.Waiting, Owner: "ann", Waits: hour(3), Since: hour(4), Touched: hour(1)})
		add(ticketing.Conversation{Subject: "f", State: ticketing.Closed, Waits: hour(4), Since: hour(9)})
		add(ticketing.Conversation{Subject: "g", Group: "other", Waits: hour(0), Since: hour(0)})
		for _, c := range []struct {
			name, want string
			q          ticketing.Query
		}{
			{"all, oldest waiting first", "dgbcefa" /* d waits for nobody */, ticketing.Query{}},
			{"a group", "dbcefa", ticketing.Query{Group: "help"}},
			{"newest first", "fbaedc", ticketing.Query{Group: "help", Order: ticketing.NewestFirst}},
			{"one state", "bca", ticketing.Query{Group: "help", States: []ticketing.State{ticketing.New}}},
			{"two states", "de", ticketing.Query{Group: "help", States: []ticketing.State{ticketing.Taken, ticketing.Waiting}, Limit: 3}},
			{"a mailbox", "bea", ticketing.Query{Mailbox: "help"}},
			{"an owner", "de", ticketing.Query{Owner: "ann"}},
			{"longest first", "cdeabf", ticketing.Query{Group: "help", Order: ticketing.BySince}},
			{"by opening", "abcdef", ticketing.Query{Group: "help", Order: ticketing.ByOpening}},
			{"latest first", "fedcba", ticketing.Query{Group: "help", Order: ticketing.LatestFirst}},
			{"behind a place", "ef", ticketing.Query{Group: "help", Place: ticketing.Place{At: hour(2), ID: 3}, Limit: 2}},
			{"behind a place between two", "ef", ticketing.Query{Group: "help", Place: ticketing.Place{At: hour(2), ID: 99}, Limit: 2}},
			{"before a place", "ce", ticketing.Query{Group: "help", Place: ticketing.Place{At: hour(4), ID: 6}, Back: true, Limit: 2}},
			{"the end", "fa", ticketing.Query{Group: "help", Back: true, Limit: 2}},
			{"behind a place, by since", "eab", ticketing.Query{Group: "help", Order: ticketing.BySince, Place: ticketing.Place{At: hour(3), ID: 4}, Limit: 3}},
			{"before a place, by since", "cd", ticketing.Query{Group: "help", Order: ticketing.BySince, Place: ticketing.Place{At: hour(4), ID: 5}, Back: true}},
			{"the end, by since", "f", ticketing.Query{Group: "help", Order: ticketing.BySince, Back: true, Limit: 1}},
			{"behind a place, by opening", "ef", ticketing.Query{Group: "help", Order: ticketing.ByOpening, Place: ticketing.Place{ID: 4}}},
			{"before a place, by opening", "bc", ticketing.Query{Group: "help", Order: ticketing.ByOpening, Place: ticketing.Place{ID: 4}, Back: true, Limit: 2}},
			{"the end, by opening", "f", ticketing.Query{Group: "help", Order: ticketing.ByOpening, Back: true, Limit: 1}},
			{"since between", "de", ticketing.Query{Group: "help", SinceAfter: hour(2), SinceUntil: hour(4), Order: ticketing.BySince}},
			{"waiting until", "bc", ticketing.Query{Group: "help", States: []ticketing.State{ticketing.New}, WaitsUntil: hour(5)}},
			{"waiting from until", "c", ticketing.Query{Group: "help", States: []ticketing.State{ticketing.New}, Place: ticketing.Place{At: hour(2)}, WaitsUntil: hour(5)}},
			{"not asked about", "e", ticketing.Query{Group: "help", States: []ticketing.State{ticketing.Waiting}, UnaskedSince: hour(2)}},
			{"asked about long ago", "d", ticketing.Query{Group: "help", States: []ticketing.State{ticketing.Taken}, AskedSince: hour(6)}},
			{"asked about, not long ago", "", ticketing.Query{Group: "help", AskedSince: hour(5)}},
			{"asked about after", "d", ticketing.Query{Group: "help", AskedAfter: hour(4)}},
			{"asked about before", "", ticketing.Query{Group: "help", AskedAfter: hour(5)}},
			{"new and due", "b", ticketing.Query{NotOverdueSince: hour(2), Group: "help"}},
			{"taken and idle", "d", ticketing.Query{NotOverdueSince: hour(4), States: []ticketing.State{ticketing.Taken}}},
		} {
			b.read(func(tx ticketing.Tx) error {
				all, err := tx.Conversations(c.q)
				got := ""
				for _, c := range all {
					got += c.Subject
				}
				if got != c.want {
					t.Errorf("%s: %s, want %s", c.name, got, c.want)
				}
				if err != nil {
					return err
				}
				if c.q.Limit == 0 {
					if n, err := tx.CountConversations(c.q); n != len(c.want) || err != nil {
						t.Errorf("%s: counted %d, %v", c.name, n, err)
					}
				}
				return err
			})
		}
		b.read(func(tx ticketing.Tx) error {
			n, err := tx.CountConversations(ticketing.Query{Group: "help", Limit: 4})
			if n != 4 {
				t.Errorf("counted %d, not as far as was asked", n)
			}
			return err
		})
	})
}

func TestWriters(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		for _, with := range []ticketing.Address{{Name: "News", Addr: "news@x"}, {Addr: "ben@x"}, {Addr: "NEWS@X"}, {Addr: "ann@x"}, {Addr: ""}, {Addr: "ben@x"}, {Addr: "News@x"}} {
			b.conversation(ticketing.Conversation{With: with, Flood: 1})
		}
		b.conversation(ticketing.Conversation{With: ticketing.Address{Addr: "ben@x"}}) // not of the flood
		b.read(func(tx ticketing.Tx) error {
			all, err := tx.Writers(ticketing.Query{Group: "help", Flood: 1, Limit: 3})
			got := ""
			for _, w := range all {
				got += fmt.Sprintf("%d %s %s;", w.Count, w.With.Name, strings.ToLower(w.With.Addr))
			}
			if got != "3 News news@x;2  ben@x;1  ;" {
				t.Errorf("writers: %s", got)
			}
			return err
		})
	})
}

func TestTally(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		hour := func(h int) time.Time { return time.Date(2026, 3, 1, h, 0, 0, 0, time.UTC) }
		for _, c := range []ticketing.Conversation{
			{Waits: hour(5)}, {Waits: hour(3), Overdue: true}, {Waits: hour(4), Flood: 7},
			{State: ticketing.Taken, Owner: "x:ben", Waits: hour(1)}, {State: ticketing.Taken, Owner: "x:ann", Overdue: true}, {State: ticketing.Taken, Owner: "x:ann"},
			{State: ticketing.Waiting, Owner: "x:ann"}, {State: ticketing.Closed, Waits: hour(0)}, {State: ticketing.Spam, Flood: 7},
			{State: ticketing.Held, HeldFor: ticketing.HeldBounce}, {State: ticketing.Held, HeldFor: ticketing.HeldUnread}, {State: ticketing.Held, HeldFor: ticketing.HeldBounce},
			{Group: "info", Waits: hour(0)},
		} {
			b.conversation(c)
		}
		b.change(func(tx ticketing.Tx) error {
			for i, state := range []ticketing.ReplyState{ticketing.Failed, ticketing.Asking, ticketing.Asking, ticketing.Sent} {
				r := ticketing.Reply{Group: "help", State: state, Mark: fmt.Sprint(i)}
				if err := tx.AddReply(&r); err != nil {
					return err
				}
			}
			return nil
		})
		b.read(func(tx ticketing.Tx) error {
			y, err := tx.Tally("help")
			same(t, y, ticketing.Tally{
				New: 3, Taken: 3, Waiting: 1, Held: 3, Collected: 1, Late: 1, Idle: 1, Oldest: hour(3), Failed: 1, Asking: 2,
				Holders: []ticketing.Holding{{Member: "x:ann", Count: 2}, {Member: "x:ben", Count: 1}},
				HeldFor: map[ticketing.Reason]int{ticketing.HeldBounce: 2, ticketing.HeldUnread: 1},
			})
			return err
		})
	})
}

func TestTroubles(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		rapid.Check(t, func(rt *rapid.T) {
			x := fill[ticketing.Trouble](rt)
			b.change(func(tx ticketing.Tx) error {
				_, err := tx.Trouble(x.Name)
				wantErr(t, err, ticketing.ErrNone)
				fatal(rt, tx.PutTrouble(x))
				got, err := tx.Trouble(x.Name)
				fatal(rt, err)
				same(rt, got, x)
				name := x.Name
				x = fill[ticketing.Trouble](rt)
				x.Name = name
				fatal(rt, tx.PutTrouble(x))
				all, err := tx.Troubles("")
				fatal(rt, err)
				same(rt, all, []ticketing.Trouble{x})
				return tx.EndTrouble(name)
			})
		})
		at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
		b.change(func(tx ticketing.Tx) error {
			return errors.Join(
				tx.PutTrouble(ticketing.Trouble{Name: "late", Group: "help", Since: at.Add(time.Hour)}),
				tx.PutTrouble(ticketing.Trouble{Name: "other", Group: "info", Since: at}),
				tx.PutTrouble(ticketing.Trouble{Name: "early", Group: "help", Since: at}))
		})
		b.read(func(tx ticketing.Tx) error {
			all, err := tx.Troubles("help")
			if len(all) != 2 || all[0].Name != "early" || all[1].Name != "late" {
				t.Errorf("%+v", all)
			}
			return err
		})
	})
}

func TestCountPosts(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
		for i := range 4 {
			b.post(ticketing.Post{Key: fmt.Sprint("card", i), Kind: ticketing.CardPost, Board: "b", Made: at.Add(time.Duration(i) * time.Minute)}, "")
		}
		b.post(ticketing.Post{Key: "pointer", Kind: ticketing.PointerPost, Board: "b", Made: at.Add(time.Hour)}, "")
		b.post(ticketing.Post{Key: "elsewhere", Kind: ticketing.CardPost, Board: "c", Made: at.Add(time.Hour)}, "")
		b.read(func(tx ticketing.Tx) error {
			for _, c := range []struct {
				since       time.Time
				limit, want int
			}{{at.Add(-time.Second), 9, 4}, {at, 9, 3}, {at.Add(-time.Second), 2, 2}, {at.Add(time.Hour), 9, 0}} {
				n, err := tx.CountPosts("b", ticketing.CardPost, c.since, c.limit)
				if err != nil {
					return err
				}
				if n != c.want {
					t.Errorf("%v: %d", c, n)
				}
			}
			return nil
		})
	})
}

func TestLastIn(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
		last := func() (got time.Time) {
			b.read(func(tx ticketing.Tx) (err error) {
				got, err = tx.LastIn("help")
				return err
			})
			return got
		}
		if !last().IsZero() {
			t.Errorf("there was none, at %s", last())
		}
		add := func(mailbox string, d ticketing.Direction, hours int) {
			b.change(func(tx ticketing.Tx) error {
				return tx.AddMail(&ticketing.Mail{Group: "help", Mailbox: mailbox, Direction: d, Received: at.Add(time.Duration(hours) * time.Hour), Digest: fmt.Sprint(mailbox, hours)})
			})
		}
		add("help", ticketing.In, 1)
		add("help", ticketing.In, 2)
		add("help", ticketing.Out, 3)
		add("info", ticketing.In, 4)
		if got := last(); !got.Equal(at.Add(2 * time.Hour)) {
			t.Errorf("the last one came at %s", got)
		}
	})
}

func TestUnwantedSightings(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
		seen := func(mailbox string, n int, mail ticketing.MailID, faults int) ticketing.Sighting {
			return ticketing.Sighting{Mailbox: mailbox, Ref: ticketing.Ref{Validity: "1", UID: fmt.Sprint(n)}, Mail: mail, Faults: faults, At: at.Add(time.Duration(n) * time.Second)}
		}
		b.change(func(tx ticketing.Tx) error {
			_, err := tx.LastSighting("help")
			wantErr(t, err, ticketing.ErrNone)
			many := []ticketing.Sighting{seen("help", 9999, 7, 0)} // wanted
			for i := range 1200 {                                  // more than one statement puts
				many = append(many, seen("help", i, 0, 0))
			}
			many = append(many, seen("help", 5000, 0, 2), seen("info", 6000, 0, 0), seen("help", 1200, 0, 0))
			fatal(t, tx.PutSighting(many...))
			last, err := tx.LastSighting("help")
			fatal(t, err)
			if !last.Equal(at.Add(1200 * time.Second)) { // put last, whenever it was
				t.Errorf("the last was at %s", last)
			}
			return tx.ForgetUnwanted("help", at.Add(1000*time.Second))
		})
		if n := b.count("sightings WHERE mailbox = 'help' AND mail = 0 AND faults = 0"); n != 1000 {
			t.Errorf("%d unwanted are left, want those before", n)
		}
		if n := b.count("sightings"); n != 1003 {
			t.Errorf("%d are left: those with a mail or a fault and another mailbox's stay", n)
		}
	})
}

func TestMailsOfAConversation(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		c, d := b.conversation(ticketing.Conversation{}), b.conversation(ticketing.Conversation{})
		add := func(id ticketing.ConversationID, subject, messageID string, people ...string) {
			b.change(func(tx ticketing.Tx) error {
				var all []ticketing.Address
				for _, p := range people {
					all = append(all, ticketing.Address{Name: strings.ToUpper(p), Addr: p + strings.Repeat("@example.org", len(p)/3)})
				}
				return errors.Join(
					tx.AddMail(&ticketing.Mail{Group: "help", Conversation: id, Subject: subject, MessageID: messageID}),
					tx.AddReferences("help", map[string]ticketing.Reference{messageID: {Conversation: id, Own: true}}),
					tx.AddParticipants(id, all))
			})
		}
		add(c.ID, "1", "one@x", "ann")
		add(d.ID, "2", "two@x", "ben", "ann")
		add(c.ID, "3", "three@x", "cat", "Ann", "")
		mails := func(id ticketing.ConversationID, limit int) (got string) {
			b.read(func(tx ticketing.Tx) error {
				all, err := tx.Mails(id, limit)
				for _, m := range all {
					got += m.Subject
				}
				people, peopleErr := tx.Participants(id)
				for _, p := range people {
					got += " " + p.Name
				}
				return errors.Join(err, peopleErr)
			})
			return got
		}
		if got := mails(c.ID, 10); got != "31 ANN CAT" {
			t.Errorf("newest first, people once: %s", got)
		}
		if got := mails(c.ID, 1); got != "3 ANN CAT" {
			t.Errorf("at most one: %s", got)
		}

		b.exec("UPDATE mails SET seq = id WHERE id <> 3")
		b.change(func(tx ticketing.Tx) error { return tx.MoveMails(c.ID, d.ID, 40) })
		b.read(func(tx ticketing.Tx) error {
			all, err := tx.Mails(d.ID, 9)
			var seqs []int64
			for _, m := range all {
				seqs = append(seqs, m.Seq)
			}
			same(t, seqs, []int64{0, 2, 41}) // what wakes nobody has none
			return err
		})
		if got := mails(d.ID, 10); got != "321 BEN ANN CAT" {
			t.Errorf("after the move: %s", got)
		}
		if got := mails(c.ID, 10); got != "" {
			t.Errorf("left behind: %s", got)
		}
		b.change(func(tx ticketing.Tx) error { return tx.MoveMails(d.ID, d.ID, 0) })
		if got := mails(d.ID, 10); got != "321 BEN ANN CAT" {
			t.Errorf("after a move to itself: %s", got)
		}
		b.read(func(tx ticketing.Tx) error {
			refs, err := tx.References("help", []string{"one@x", "three@x"})
			same(t, refs, map[string]ticketing.Reference{
				"one@x": {Conversation: d.ID, Own: true}, "three@x": {Conversation: d.ID, Own: true}})
			return err
		})
	})
}

func TestParticipantsAreComparedWithoutCase(t *testing.T) {
	for _, pair := range [][2]string{{"Maria@X.org", "maria@x.ORG"}, {"ſtrasse@x", "Strasse@x"}, {"K@x", "K@x" /* Kelvin */}, {"É@x", "é@x"}} {
		if !strings.EqualFold(pair[0], pair[1]) || fold(pair[0]) != fold(pair[1]) {
			t.Errorf("%q and %q fold to %q and %q", pair[0], pair[1], fold(pair[0]), fold(pair[1]))
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		a, b := rapid.String().Draw(rt, "a"), rapid.String().Draw(rt, "b")
		if strings.EqualFold(a, b) != (fold(a) == fold(b)) {
			rt.Errorf("%q and %q", a, b)
		}
		if u := strings.ToUpper(a); strings.EqualFold(a, u) != (fold(a) == fold(u)) {
			rt.Errorf("%q and %q", a, u)
		}
	})
}

func TestReferences(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		type refs = map[string]ticketing.Reference
		add := func(group string, r refs) {
			b.change(func(tx ticketing.Tx) error { return tx.AddReferences(group, r) })
		}
		known := func(group string, ids ...string) (all refs) {
			b.read(func(tx ticketing.Tx) (err error) {
				all, err = tx.References(group, ids)
				return err
			})
			return all
		}
		add("help", refs{"a": {Conversation: 1, Own: true}, "b": {Conversation: 1}, "": {Conversation: 1}})
		add("help", refs{"a": {Conversation: 2}, "b": {Conversation: 2, Own: true}, "c": {Conversation: 2}})
		add("info", refs{"a": {Conversation: 3}})
		same(t, known("help", "a", "b", "c", "d", ""), refs{
			"a": {Conversation: 1, Own: true}, // what is there keeps its conversation and stays own
			"b": {Conversation: 1, Own: true}, // … and becomes own
			"c": {Conversation: 2},
		})
		same(t, known("info", "a", "b"), refs{"a": {Conversation: 3}})
		same(t, known("help"), refs{})

		many, long := refs{}, strings.Repeat("x", 10_000)
		var ids []string
		for i := range 1_200 {
			id := fmt.Sprintf("%s%d'\"\x00\xff", long[:i*8], i)
			many[id], ids = ticketing.Reference{Conversation: 4}, append(ids, id)
		}
		add("help", many)
		same(t, known("help", ids...), many)
	})
}

func TestSightings(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		at := b.clock()
		ref := func(uid string) ticketing.Ref { return ticketing.Ref{Validity: "9", UID: uid} }
		put := func(uid string, mail ticketing.MailID, faults int) {
			b.change(func(tx ticketing.Tx) error {
				return tx.PutSighting(ticketing.Sighting{Mailbox: "help", Ref: ref(uid), Mail: mail, Faults: faults, At: at})
			})
		}
		put("kept", 1, 0)
		put("kept after faults", 2, 3)
		put("ours", 0, 0)
		put("failed once", 0, 1)
		put("failed twice", 0, 2)
		put("given up", 0, 3)
		put("kept again", 1, 0)
		b.read(func(tx ticketing.Tx) error {
			var refs []ticketing.Ref
			for _, uid := range []string{"new", "kept", "failed twice", "ours", "kept after faults", "failed once", "given up", "newer"} {
				refs = append(refs, ref(uid))
			}
			refs = append(refs, ticketing.Ref{Validity: "10", UID: "kept"})
			got, err := tx.Unknown("help", refs)
			same(t, got, []ticketing.Ref{ref("new"), ref("failed twice"), ref("failed once"), ref("newer"), {Validity: "10", UID: "kept"}})
			if err != nil {
				return err
			}
			if got, err := tx.Unknown("info", refs[:3]); err != nil || !slices.Equal(got, refs[:3]) {
				t.Errorf("another mailbox: %v, %v", got, err)
			}
			if got, err := tx.Unknown("help", nil); err != nil || len(got) != 0 {
				t.Errorf("none: %v, %v", got, err)
			}
			places, err := tx.Sightings("help", 1)
			var uids []string
			for _, p := range places {
				uids = append(uids, p.Ref.UID)
			}
			same(t, uids, []string{"kept", "kept again"})
			return err
		})
	})
}

func TestFates(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		c := b.conversation(ticketing.Conversation{})
		other := b.conversation(ticketing.Conversation{})
		ref := func(uid string) ticketing.Ref { return ticketing.Ref{Validity: "9", UID: uid} }
		b.change(func(tx ticketing.Tx) error {
			for i, uid := range []string{"1", "2", "3", "4"} {
				m := ticketing.Mail{Group: "help", Conversation: c.ID, Digest: uid}
				if uid == "4" {
					m.Conversation = other.ID
				}
				box := "help"
				if i == 2 {
					box = "info"
				}
				fatal(t, tx.AddMail(&m))
				fatal(t, tx.PutSighting(ticketing.Sighting{Mailbox: box, Ref: ref(uid), Mail: m.ID}))
			}
			return tx.PutSighting(ticketing.Sighting{Mailbox: "help", Ref: ref("ours")})
		})
		due := func(box string, limit int) (got string) {
			b.read(func(tx ticketing.Tx) error {
				all, err := tx.Unsettled(box, limit)
				for _, s := range all {
					got += s.Ref.Validity + "/" + s.Ref.UID + " " + string(s.Why) + "; "
				}
				return err
			})
			return got
		}
		process := func(why ticketing.Processed) {
			b.change(func(tx ticketing.Tx) error { return tx.Process(c.ID, why) })
		}
		settle := func(uid string, why ticketing.Processed) {
			b.change(func(tx ticketing.Tx) error { return tx.Settled("help", ticketing.Settlement{Ref: ref(uid), Why: why}) })
		}
		check := func(step, got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %q, want %q", step, got, want)
			}
		}
		check("at first", due("help", 9), "")
		process(ticketing.Done)
		check("closed", due("help", 9), "9/1 done; 9/2 done; ")
		check("limited", due("help", 1), "9/1 done; ")
		check("other mailbox", due("info", 9), "9/3 done; ")
		settle("1", ticketing.Done)
		check("settled", due("help", 9), "9/2 done; ")
		process(ticketing.NotProcessed)
		check("reopened", due("help", 9), "")
		process(ticketing.Junk)
		check("what is settled stays so", due("help", 9), "9/2 spam; ")
		settle("2", ticketing.Done) // carried out for a reason that holds no more
		check("the new reason is still due", due("help", 9), "9/2 spam; ")
		process(ticketing.NotProcessed)
		settle("2", ticketing.Junk) // carried out just before it was reopened
		process(ticketing.Junk)
		check("it was carried out", due("help", 9), "")
		b.change(func(tx ticketing.Tx) error {
			return tx.PutSighting(ticketing.Sighting{Mailbox: "info", Ref: ref("3"), Mail: 3, Error: "x"})
		})
		check("seen again", due("info", 9), "9/3 spam; ")
	})
}

func TestReplies(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		c := b.conversation(ticketing.Conversation{})
		add := func(r ticketing.Reply) {
			r.Conversation = c.ID
			b.change(func(tx ticketing.Tx) error { return tx.AddReply(&r) })
		}
		add(ticketing.Reply{Text: "1", State: ticketing.Sent, Mark: "m1", Origin: "board 5"})
		add(ticketing.Reply{Text: "2", State: ticketing.Pending, Mark: "m2", Origin: "board 5"})
		add(ticketing.Reply{Text: "3", State: ticketing.Failed})
		add(ticketing.Reply{Text: "4", State: ticketing.Pending})
		b.read(func(tx ticketing.Tx) error {
			all, err := tx.Replies(c.ID, ticketing.Pending, ticketing.Sent)
			got := ""
			for _, r := range all {
				got += r.Text
			}
			if got != "124" {
				t.Errorf("oldest first: %s", got)
			}
			none, noneErr := tx.Replies(c.ID)
			if len(none) != 0 {
				t.Error("replies in no state")
			}
			newest, originErr := tx.ReplyFrom("board 5")
			marked, markErr := tx.ReplyMarked("m1")
			if newest.Text != "2" || marked.Text != "1" {
				t.Errorf("newest %q, marked %q", newest.Text, marked.Text)
			}
			return errors.Join(err, noneErr, originErr, markErr)
		})
	})
}

func TestLogOnlyGrows(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		c := b.conversation(ticketing.Conversation{})
		for _, detail := range []string{"1", "2", "3"} {
			b.change(func(tx ticketing.Tx) error {
				return errors.Join(
					tx.Log(&ticketing.Event{Conversation: c.ID, Detail: detail, At: b.clock()}),
					tx.Log(&ticketing.Event{Conversation: c.ID + 1, Detail: "other"}))
			})
		}
		b.read(func(tx ticketing.Tx) error {
			all, err := tx.Events(c.ID)
			got := ""
			for _, e := range all {
				got += e.Detail
			}
			if got != "123" {
				t.Errorf("oldest first: %s", got)
			}
			return err
		})
		for _, sql := range []string{"UPDATE events SET detail = 'x'", "UPDATE events SET detail = '', member = 'x'", "UPDATE events SET contact = 7, detail = ''", "DELETE FROM events"} {
			if err := b.db().Exec(sql).Error; err == nil || !strings.Contains(err.Error(), "only grows") {
				t.Errorf("%s: %v", sql, err)
			}
		}
	})
}

func TestMembers(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		ann := ticketing.Member{ID: "mm:1", Name: "Ann", Handle: "ann", Email: "ann@x"}
		b.change(func(tx ticketing.Tx) error { return tx.MeetMember(ann) })
		ann.FromName, ann.Signature, ann.Replied = "Ann of Help", "--\nAnn", true
		b.change(func(tx ticketing.Tx) error {
			other := ann
			other.Name, other.Handle, other.Email = "not", "kept", "here"
			return tx.SetMember(other)
		})
		b.change(func(tx ticketing.Tx) error {
			ann.Name = "Ann K."
			return tx.MeetMember(ticketing.Member{ID: ann.ID, Name: ann.Name, Handle: ann.Handle, Email: ann.Email, FromName: "not kept"})
		})
		b.read(func(tx ticketing.Tx) error {
			got, err := tx.Member(ann.ID)
			same(t, got, ann)
			return err
		})

		set := func(board string, members ...ticketing.MemberID) {
			b.change(func(tx ticketing.Tx) error { return tx.SetPresent("help", board, members) })
		}
		present := func() (got string) {
			b.read(func(tx ticketing.Tx) error {
				all, err := tx.Present("help")
				for _, m := range all {
					got += string(m.ID) + "=" + m.Called() + " "
				}
				return err
			})
			return got
		}
		set("a", "mm:1", "mm:2", "mm:1")
		set("b", "mm:2", "mm:3")
		if got := present(); got != "mm:2=mm:2 mm:3=mm:3 mm:1=Ann K. " {
			t.Error(got)
		}
		set("a", "mm:4")
		set("b")
		if got := present(); got != "mm:4=mm:4 " {
			t.Error(got)
		}
		set("a", "mm:4")
		set("a")
		if got := present(); got != "" {
			t.Error(got)
		}
	})
}

// Whatever comes from outside can be kept and found again.
func TestTextFromOutside(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		for _, text := range []string{"a\x00b", "\xff\xfe", "\xed\xa0\x80", "\u202e%s%d@channel", `\u0000`, `\\u0000"`, "\x00", strings.Repeat("ü", 100_000)} {
			b.change(func(tx ticketing.Tx) error {
				c := ticketing.Conversation{Group: text, State: "new", Subject: text, Owner: ticketing.MemberID(text)}
				fatal(t, tx.AddConversation(&c))
				m := ticketing.Mail{
					Group: text[:min(len(text), 100)], Text: text, References: []string{text, "x"}, To: []ticketing.Address{{Name: text, Addr: text}},
					Attachments: []ticketing.Attachment{{Name: text, Index: 3}}, Digest: text,
				}
				fatal(t, tx.AddMail(&m))
				got, err := tx.Mail(m.ID)
				fatal(t, err)
				if want := clean(text); got.Text != want || got.References[0] != want || got.To[0].Name != want || got.Attachments[0].Name != want {
					t.Errorf("%.40q: %.40q %.40q %.40q", text, got.Text, got.References, got.To)
				}
				if same, err := tx.SameMail(m.Group, ticketing.Fingerprint(m)); err != nil || same != m.ID {
					t.Errorf("%.40q: same mail %d, %v", text, same, err)
				}
				fatal(t, tx.AddParticipants(c.ID, []ticketing.Address{{Name: text, Addr: text}}))
				fatal(t, tx.AddReferences("help", map[string]ticketing.Reference{text: {Conversation: c.ID}}))
				refs, err := tx.References("help", []string{text})
				if refs[text].Conversation != c.ID {
					t.Errorf("%.40q: reference %v", text, refs)
				}
				return err
			})
		}
	})
}

func TestCleanJSON(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.SliceOfN(rapid.StringOf(rapid.RuneFrom([]rune("\x00\\u0\"nü"))), 1, 5).Draw(rt, "words")
		v, err := list[string](words).Value()
		fatal(rt, err)
		var got list[string]
		fatal(rt, got.Scan(cleanJSON(string(v.(asJSON)))))
		for i := range words {
			words[i] = clean(words[i])
		}
		same(rt, []string(got), words)
	})
}

// A year that no database holds is no time.
func TestTimesOutOfRange(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		b.change(func(tx ticketing.Tx) error {
			for _, sent := range []time.Time{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), {}} {
				m := ticketing.Mail{Sent: sent, Digest: sent.String()}
				fatal(t, tx.AddMail(&m))
				got, err := tx.Mail(m.ID)
				fatal(t, err)
				if !got.Sent.IsZero() {
					t.Errorf("%s became %s", sent, got.Sent)
				}
			}
			zone := time.FixedZone("IST", 5*3600+1800)
			sent := time.Date(2026, 3, 1, 3, 0, 0, 123456789, zone)
			m := ticketing.Mail{Sent: sent}
			fatal(t, tx.AddMail(&m))
			got, err := tx.Mail(m.ID)
			if got.Sent != time.Date(2026, 2, 28, 21, 30, 0, 123456000, time.UTC) {
				t.Error(got.Sent)
			}
			return err
		})
	})
}

// A mail that the database refuses as it is will be refused again.
func TestBadMail(t *testing.T) {
	b := onPostgres(t)
	tries := 0
	err := b.Change(t.Context(), func(tx ticketing.Tx) error {
		tries++
		m := ticketing.Mail{Group: string(noise(20_000))} // more than an index may hold
		return tx.AddMail(&m)
	})
	if !errors.Is(err, ticketing.ErrBadMail) || tries != 1 {
		t.Errorf("%d tries, %v", tries, err)
	}
}
