package ticketing_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"groupmail/deploy/testbed"
	"groupmail/store"
	. "groupmail/ticketing"
)

var asAnn, asBen = By{Member: ann, Group: "help"}, By{Member: ben, Group: "help"}

// todo writes one down that is due in an hour.
func (o *office) todo(change func(*TodoInput)) Todo {
	o.t.Helper()
	in := TodoInput{Text: "call Ann", Owner: ben.ID, Due: o.now().Add(time.Hour)}
	if change != nil {
		change(&in)
	}
	t, err := o.desk.AddTodo(o.t.Context(), asAnn, in)
	o.ok(err)
	return t
}

// reminders are the to-do posts that there are: "@member" or "thread" or "board".
func (o *office) reminders(id TodoID) (all []string) {
	o.t.Helper()
	o.ok(o.store.Read(o.t.Context(), func(tx Tx) error {
		t, err := tx.Todo(id)
		if err != nil {
			return err
		}
		for n := 1; n <= t.Times; n++ {
			for _, to := range []MemberID{"", ann.ID, ben.ID} {
				key := fmt.Sprintf("todo:%d.%d:x/board", id, n)
				if to != "" {
					key += ":" + string(to)
				}
				p, err := tx.FindPost(key, "", "")
				switch {
				case errors.Is(err, ErrNone):
				case err != nil:
					return err
				case p.To != "":
					all = append(all, "@"+string(p.To))
				case p.Root != 0:
					all = append(all, "thread")
				default:
					all = append(all, "board")
				}
			}
		}
		return nil
	}))
	slices.Sort(all)
	return all
}

func (o *office) sweepTodos(want int) {
	o.t.Helper()
	n, err := o.desk.SweepTodos(o.t.Context())
	o.ok(err)
	if n != want {
		o.t.Errorf("%d were reminded of, want %d", n, want)
	}
}

func TestTodoFallsDueOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.arrives(Mail{From: maria, Subject: "Heating"})
		c := o.one()
		o.todo(nil)
		todo := o.todo(func(in *TodoInput) { in.Conversation = c.ID })
		o.sweepTodos(0)
		o.pass(time.Hour)
		o.sweepTodos(2)
		if got := strings.Join(o.reminders(todo.ID), " "); got != "@x:ben thread" {
			t.Errorf("reminded %s", got)
		}
		o.sweepTodos(0)
		o.pass(-48 * time.Hour) // a clock that jumps back
		o.sweepTodos(0)
		o.pass(49 * time.Hour)
		o.sweepTodos(0)

		// Put off, it falls due anew; ticked off, never.
		_, err := o.desk.PutOffTodo(t.Context(), asBen, todo.ID, o.now().Add(time.Hour))
		o.ok(err)
		o.sweepTodos(0)
		o.pass(time.Hour)
		o.sweepTodos(1)
		if got := strings.Join(o.reminders(todo.ID), " "); got != "@x:ben @x:ben thread thread" {
			t.Errorf("reminded %s", got)
		}
		_, err = o.desk.PutOffTodo(t.Context(), asBen, todo.ID, o.now().Add(time.Hour))
		o.ok(err)
		_, err = o.desk.DoneTodo(t.Context(), asAnn, todo.ID)
		o.ok(err)
		o.pass(2 * time.Hour)
		o.sweepTodos(0)
		_, err = o.desk.UndoTodo(t.Context(), asAnn, todo.ID)
		o.ok(err)
		o.sweepTodos(1) // it is open again, and due

		var log []string
		s, err := o.desk.Conversation(t.Context(), "help", "x/board", c.ID)
		o.ok(err)
		for _, e := range s.Events {
			if strings.HasPrefix(string(e.Move), "to-do") {
				log = append(log, string(e.Move)+" "+string(e.Member))
			}
		}
		if got := strings.Join(log, ", "); got != "to-do x:ann, to-do due , to-do put off x:ben, to-do due , to-do put off x:ben, to-do done x:ann, to-do undone x:ann, to-do due " {
			t.Errorf("logged: %s", got)
		}
	})
}

func TestWhoIsRemindedWhenTheOwnerHasLeft(t *testing.T) {
	for _, c := range []struct {
		name         string
		leads        []string
		conversation bool
		here         []Member
		want         string
	}{
		{"there", []string{"ann"}, true, []Member{ann, ben}, "@x:ben thread"},
		{"left", []string{"ann"}, true, []Member{ann}, "@x:ann thread"},
		{"left, no conversation", []string{"ann"}, false, []Member{ann}, "@x:ann"},
		{"left, no leads", nil, true, []Member{ann}, "thread"},
		{"left, no leads, no conversation", nil, false, []Member{ann}, "@x:ann"}, // who wrote it down
		{"all have left", nil, false, nil, "board"},
		{"lead has left, too", []string{"ann"}, true, nil, "thread"},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, o *office) {
				o.setGroup(func(g *Group) { g.Leads = c.leads })
				o.arrives(Mail{From: maria, Subject: "Heating"})
				about := o.one().ID
				todo := o.todo(func(in *TodoInput) {
					if c.conversation {
						in.Conversation = about
					}
				})
				o.ok(o.desk.SetPresent(t.Context(), "x/board", c.here))
				o.pass(time.Hour)
				o.sweepTodos(1)
				if got := strings.Join(o.reminders(todo.ID), " "); got != c.want {
					t.Errorf("reminded %s, want %s", got, c.want)
				}
			})
		})
	}
}

func TestTodoIsRefused(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		done := o.todo(nil)
		_, err := o.desk.DoneTodo(t.Context(), asBen, done.ID)
		o.ok(err)
		open := o.todo(nil)
		add := func(change func(*TodoInput)) func() error {
			return func() error {
				in := TodoInput{Text: "call", Owner: ann.ID}
				change(&in)
				_, err := o.desk.AddTodo(t.Context(), asAnn, in)
				return err
			}
		}
		for name, c := range map[string]struct {
			do   func() error
			kind Kind
			want string
		}{
			"no text":         {add(func(in *TodoInput) { in.Text = " \n" }), BadInput, "what is to be done"},
			"nobody":          {add(func(in *TodoInput) { in.Owner = "x:eve" }), BadInput, "not in Help desk"},
			"over":            {add(func(in *TodoInput) { in.Due = o.now() }), BadInput, "is over"},
			"too far":         {add(func(in *TodoInput) { in.Due = o.now().AddDate(11, 0, 0) }), BadInput, "too far"},
			"no conversation": {add(func(in *TodoInput) { in.Conversation = 99 }), NotFound, "no such conversation"},
			"no contact":      {add(func(in *TodoInput) { in.Contact = 99 }), NotFound, "no such contact"},
			"done twice":      {func() error { _, err := o.desk.DoneTodo(t.Context(), asAnn, done.ID); return err }, Already, "Ben did that"},
			"done, put off": {func() error {
				_, err := o.desk.PutOffTodo(t.Context(), asAnn, done.ID, o.now().Add(time.Hour))
				return err
			}, Already, "Ben did that"},
			"undone": {func() error { _, err := o.desk.UndoTodo(t.Context(), asAnn, open.ID); return err }, Already, "is open"},
			"put off into the past": {func() error {
				_, err := o.desk.PutOffTodo(t.Context(), asAnn, open.ID, o.now().Add(-time.Hour))
				return err
			}, BadInput, "is over"},
			"none": {func() error { _, err := o.desk.DoneTodo(t.Context(), asAnn, 99); return err }, NotFound, "no such to-do"},
		} {
			var no Refusal
			if err := c.do(); !errors.As(err, &no) || no.Kind != c.kind || !strings.Contains(no.Text, c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// Two processes, each with its own connections, look at the same instant.
func TestTwoProcessesRemindOnce(t *testing.T) {
	url := testbed.Postgres(t)
	o := newOffice(t, store.Config{URL: url})
	other, err := store.Open(t.Context(), store.Config{URL: url, Clock: o.now, Log: slog.New(slog.DiscardHandler)})
	o.ok(err)
	defer other.Close()
	desks := []*Desk{o.desk, NewDesk(other, []Group{group()}, o.now, slog.New(slog.DiscardHandler))}
	o.arrives(Mail{From: maria, Subject: "Heating"})
	about := o.one().ID
	var todos []Todo
	for range 20 {
		todos = append(todos, o.todo(func(in *TodoInput) { in.Conversation = about }))
	}
	o.pass(time.Hour)
	var all sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for _, d := range append(desks, desks...) {
		all.Go(func() {
			n, err := d.SweepTodos(t.Context())
			mu.Lock()
			defer mu.Unlock()
			total += n
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if total != len(todos) {
		t.Errorf("%d reminders of %d to-dos", total, len(todos))
	}
	for _, todo := range todos {
		if got := strings.Join(o.reminders(todo.ID), " "); got != "@x:ben thread" {
			t.Errorf("reminded %s", got)
		}
	}
}

// Whatever is done in whatever order: a to-do is said to be due exactly once for each time that it fell due
// while it was open.
func TestRemindersAreCounted(t *testing.T) {
	o := newOffice(t, store.Config{Path: t.TempDir() + "/test.db"})
	rapid.Check(t, func(rt *rapid.T) {
		todo := o.todo(nil)
		open, said, times, due := true, false, 0, todo.Due
		rt.Repeat(map[string]func(*rapid.T){
			"time passes": func(rt *rapid.T) { o.pass(time.Duration(rapid.IntRange(-30, 90).Draw(rt, "minutes")) * time.Minute) },
			"look": func(*rapid.T) {
				_, err := o.desk.SweepTodos(t.Context())
				o.ok(err)
				if open && !said && !due.After(o.now()) {
					said = true
					times++
				}
			},
			"done": func(rt *rapid.T) {
				if _, err := o.desk.DoneTodo(t.Context(), asAnn, todo.ID); (err == nil) != open {
					rt.Errorf("done: %v", err)
				}
				open = false
			},
			"undo": func(rt *rapid.T) {
				if _, err := o.desk.UndoTodo(t.Context(), asAnn, todo.ID); (err == nil) == open {
					rt.Errorf("undo: %v", err)
				}
				open = true
			},
			"put off": func(rt *rapid.T) {
				until := o.now().Add(time.Duration(rapid.IntRange(-30, 90).Draw(rt, "until")) * time.Minute)
				_, err := o.desk.PutOffTodo(t.Context(), asAnn, todo.ID, until)
				if (err == nil) != (open && until.After(o.now())) {
					rt.Errorf("put off: %v", err)
				}
				if err == nil {
					due, said = until, false
				}
			},
			"": func(rt *rapid.T) {
				now, err := o.desk.TodoByID(t.Context(), "help", todo.ID)
				o.ok(err)
				if now.Times != times || now.Open() != open || now.Reminded != said || len(o.reminders(todo.ID)) != times {
					rt.Errorf("%+v; want open %v, reminded %v, %d times", now, open, said, times)
				}
			},
		})
	})
}

func TestTodosOfAContact(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.arrives(Mail{From: maria, Subject: "Heating"})
		c := o.one()
		k, err := o.desk.AddContact(ctx, asAnn, ContactInput{Name: "Maria"}, c.ID)
		o.ok(err)
		other, err := o.desk.AddContact(ctx, asAnn, ContactInput{Name: "Mary"}, 0)
		o.ok(err)
		o.todo(func(in *TodoInput) { in.Text, in.Conversation = "by conversation", c.ID })
		o.todo(func(in *TodoInput) { in.Text, in.Contact = "by contact", other.ID })
		o.todo(func(in *TodoInput) { in.Text = "about nobody" })
		_, err = o.desk.MergeContacts(ctx, asAnn, other.ID, k.ID)
		o.ok(err)
		all, err := o.desk.TodosOf(ctx, "help", "x/board", k.ID)
		o.ok(err)
		var texts []string
		for _, l := range all {
			texts = append(texts, l.Text)
		}
		if got := strings.Join(texts, ", "); got != "by conversation, by contact" {
			t.Errorf("to-dos of Maria: %s", got)
		}
	})
}

func TestClosingSaysWhatIsOpen(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.arrives(Mail{From: maria, Subject: "Heating"})
		c, err := o.desk.Take(ctx, asAnn, o.one().ID)
		o.ok(err)
		todo := o.todo(func(in *TodoInput) { in.Conversation = c.ID })
		_, err = o.desk.Close(ctx, asAnn, c.ID, "phoned")
		o.ok(err)
		var line Drawing
		for _, id := range o.posts {
			dr, err := o.desk.Drawing(ctx, id)
			o.ok(err)
			if dr.Post.Kind == EventPost {
				line = dr
			}
		}
		if line.TodosOpen != 1 {
			t.Errorf("the line says that %d stay open", line.TodosOpen)
		}
		if now, err := o.desk.TodoByID(ctx, "help", todo.ID); err != nil || !now.Open() {
			t.Errorf("after closing: %+v, %v", now, err)
		}
	})
}

// Whom a colleague gives something to do is told so at once.
func TestGivenTodos(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		own, err := o.desk.AddTodo(ctx, by(ann), TodoInput{Text: "call", Owner: ann.ID})
		o.ok(err)
		if n := len(o.direct(TodoPost)); n != 0 {
			t.Errorf("told %d times of one's own", n)
		}
		_, err = o.desk.EditTodo(ctx, by(ann), own.ID, TodoInput{Text: "call Maria", Owner: ben.ID, Due: o.now().Add(time.Hour)})
		o.ok(err)
		_, err = o.desk.AddTodo(ctx, by(ann), TodoInput{Text: "visit", Owner: ben.ID})
		o.ok(err)
		var told []string
		for _, dr := range o.direct(TodoPost) {
			told = append(told, string(dr.Post.To)+" "+dr.Todo.Text)
		}
		slices.Sort(told)
		if strings.Join(told, ", ") != "x:ben call Maria, x:ben visit" {
			t.Errorf("%q", told)
		}
		_, err = o.desk.EditTodo(ctx, by(ann), own.ID, TodoInput{Text: "call Maria now", Owner: ben.ID, Due: o.now().Add(time.Hour)})
		o.ok(err)
		posts := map[PostID]bool{} // redrawn, they are announced again
		for _, dr := range o.direct(TodoPost) {
			posts[dr.Post.ID] = true
		}
		if len(posts) != 2 {
			t.Errorf("told %d times", len(posts))
		}
	})
}

// What is due of a team that is no longer configured stops no other reminders.
func TestTodosOfARemovedTeam(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.ok(o.store.Change(t.Context(), func(tx Tx) error {
			for i := range 120 {
				if err := tx.AddTodo(&Todo{Group: "gone", Text: "x", Owner: "x:nobody", Due: o.now().Add(time.Duration(i) * time.Second)}); err != nil {
					return err
				}
			}
			return nil
		}))
		_, err := o.desk.AddTodo(t.Context(), by(ann), TodoInput{Text: "call", Owner: ann.ID, Due: o.now().Add(time.Hour)})
		o.ok(err)
		o.pass(2 * time.Hour)
		o.sweepTodos(1)
	})
}
