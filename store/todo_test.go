package store

import (
	"testing"
	"time"

	"groupmail/ticketing"
)

func TestTodos(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		now := b.clock()
		var ids []ticketing.TodoID
		b.change(func(tx ticketing.Tx) error {
			c := ticketing.Conversation{Group: "help", State: ticketing.New, Contact: 8}
			fatal(t, tx.AddConversation(&c))
			fatal(t, tx.Belong(c.ID, 8))
			for _, todo := range []ticketing.Todo{
				{Group: "help", Owner: "x:ann", Text: "0 at no time"},
				{Group: "help", Owner: "x:ann", Text: "1 due", Due: now.Add(-time.Hour), Contact: 7},
				{Group: "help", Owner: "x:ben", Text: "2 later", Due: now.Add(time.Hour), Conversation: c.ID},
				{Group: "help", Owner: "x:ann", Text: "3 done", Due: now.Add(-time.Hour), Done: now},
				{Group: "help", Owner: "x:ann", Text: "4 said", Due: now.Add(-2 * time.Hour), Reminded: true},
				{Group: "info", Owner: "x:ann", Text: "5 elsewhere", Due: now},
				{Group: "help", Owner: "x:ben", Text: "6 done before", Done: now.Add(-time.Minute)},
			} {
				fatal(t, tx.AddTodo(&todo))
				ids = append(ids, todo.ID)
			}
			return nil
		})
		for what, c := range map[string]struct {
			q    ticketing.TodoQuery
			want []int
		}{
			"all":                       {ticketing.TodoQuery{}, []int{4, 1, 3, 5, 2, 0, 6}},
			"of a group":                {ticketing.TodoQuery{Group: "info"}, []int{5}},
			"one's open":                {ticketing.TodoQuery{Group: "help", Owner: "x:ann", Open: true}, []int{4, 1, 0}},
			"the first":                 {ticketing.TodoQuery{Group: "help", Open: true, Limit: 2}, []int{4, 1}},
			"due":                       {ticketing.TodoQuery{Unsaid: now}, []int{1, 5}},
			"of a conversation":         {ticketing.TodoQuery{Conversation: 1}, []int{2}},
			"of contacts":               {ticketing.TodoQuery{Group: "help", Contacts: []ticketing.ContactID{7, 8}}, []int{1, 2}},
			"of a conversation's":       {ticketing.TodoQuery{Group: "help", Contacts: []ticketing.ContactID{8}, Open: true}, []int{2}},
			"done":                      {ticketing.TodoQuery{Group: "help", Done: true}, []int{3, 6}},
			"done before that":          {ticketing.TodoQuery{Group: "help", Done: true, After: ticketing.TodoPlace{At: now, ID: ids[3]}}, []int{6}},
			"done, behind the end":      {ticketing.TodoQuery{Group: "help", Done: true, After: ticketing.TodoPlace{At: now.Add(-time.Minute), ID: ids[6]}}, nil},
			"due after that":            {ticketing.TodoQuery{Group: "help", Open: true, After: ticketing.TodoPlace{At: now.Add(-time.Hour), ID: ids[1]}}, []int{2, 0}},
			"due together":              {ticketing.TodoQuery{Group: "help", Open: true, After: ticketing.TodoPlace{At: now.Add(-time.Hour), ID: ids[1] - 1}}, []int{1, 2, 0}},
			"behind those without time": {ticketing.TodoQuery{Group: "help", Open: true, After: ticketing.TodoPlace{ID: ids[0]}}, nil},
			"of nobody":                 {ticketing.TodoQuery{Contacts: []ticketing.ContactID{}}, nil},
			"of a contact, elsewhere":   {ticketing.TodoQuery{Group: "info", Contacts: []ticketing.ContactID{7}}, nil},
			"of a conversation without": {ticketing.TodoQuery{Conversation: 99}, nil},
		} {
			b.read(func(tx ticketing.Tx) error {
				got, err := tx.Todos(c.q)
				fatal(t, err)
				var want, have []ticketing.TodoID
				for _, i := range c.want {
					want = append(want, ids[i])
				}
				for _, todo := range got {
					have = append(have, todo.ID)
				}
				t.Log(what)
				same(t, have, want)
				return nil
			})
		}
	})
}
