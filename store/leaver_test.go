package store

import (
	"testing"
	"time"

	"groupmail/ticketing"
)

func TestLeavers(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
		b.change(func(tx ticketing.Tx) error {
			for _, c := range []ticketing.Conversation{
				{Group: "help", State: ticketing.Taken, Owner: "x:here"},
				{Group: "help", State: ticketing.Taken, Owner: "x:gone"},
				{Group: "help", State: ticketing.Waiting, Owner: "x:gone"},
				{Group: "help", State: ticketing.Closed, LastOwner: "x:last"},
				{Group: "other", State: ticketing.Taken, Owner: "x:other"},
			} {
				fatal(t, tx.AddConversation(&c))
			}
			for _, todo := range []ticketing.Todo{
				{Group: "help", Text: "open", Owner: "x:todo"},
				{Group: "help", Text: "done", Owner: "x:done", Done: now},
				{Group: "other", Text: "open", Owner: "x:else"},
			} {
				fatal(t, tx.AddTodo(&todo))
			}
			fatal(t, tx.SetPresent("other", "o", []ticketing.MemberID{"x:gone"}))
			return tx.SetPresent("help", "a", []ticketing.MemberID{"x:here", "x:idle"})
		})
		missing := func(want ...ticketing.MemberID) {
			t.Helper()
			b.read(func(tx ticketing.Tx) error {
				got, err := tx.Missing("help")
				same(t, got, want)
				return err
			})
		}
		missing("x:gone", "x:todo")
		b.change(func(tx ticketing.Tx) error { return tx.ForgetBoards("help", []string{"b"}) })
		missing("x:gone", "x:here", "x:todo")
		b.change(func(tx ticketing.Tx) error { return tx.ForgetBoards("other", []string{"o"}) })

		one, two := ticketing.Leaver{Group: "help", Member: "x:gone", Since: now}, ticketing.Leaver{Group: "help", Member: "x:todo", Since: now}
		leavers := func(want ...ticketing.Leaver) {
			t.Helper()
			b.change(func(tx ticketing.Tx) error {
				got, err := tx.Leavers("help")
				same(t, got, want)
				return err
			})
		}
		put := func(l ticketing.Leaver) { b.change(func(tx ticketing.Tx) error { return tx.PutLeaver(l) }) }
		put(two)
		put(one)
		put(ticketing.Leaver{Group: "other", Member: "x:gone", Since: now})
		leavers(one, two)
		one.Told = now.Add(time.Hour)
		put(one)
		leavers(one, two)
		b.change(func(tx ticketing.Tx) error { return tx.ForgetLeaver("help", "x:todo") })
		leavers(one)
	})
}
