package ticketing

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// TodoID is a Todo's.
type TodoID int64

// Todo is something that a member is to do, perhaps at a time: a call, a visit. It may be about a
// conversation and about a contact. When it falls due its owner is reminded, once.
type Todo struct {
	ID           TodoID
	Group        string
	Text         string
	Owner        MemberID
	By           MemberID // who wrote it down
	Due          time.Time
	Conversation ConversationID
	Contact      ContactID
	Made         time.Time
	Done         time.Time // zero: it is open
	DoneBy       MemberID
	Reminded     bool // that it is due now was said
	Times        int  // how often it was said that it is due
}

// Open tells whether it is still to be done.
func (t Todo) Open() bool { return t.Done.IsZero() }

// TodoPlace is where a to-do stands in a list of open or of done ones, whatever comes and goes around it.
type TodoPlace struct {
	At time.Time // when it is due or was done; zero: at no time
	ID TodoID
}

// Place is where it stands.
func (t Todo) Place() TodoPlace {
	if t.Open() {
		return TodoPlace{t.Due, t.ID}
	}
	return TodoPlace{t.Done, t.ID}
}

// Late tells whether it should have been done by now.
func (t Todo) Late(now time.Time) bool { return t.Open() && !t.Due.IsZero() && t.Due.Before(now) }

// TodoTx is the part of Tx that keeps to-dos.
type TodoTx interface {
	AddTodo(t *Todo) error // sets ID
	// Todo reads one and, in Change, locks it.
	Todo(id TodoID) (Todo, error)
	SetTodo(t Todo) error // keeps every field but ID, By and Made
	// Todos lists those that are selected, first due first, those without a time last; with Done, the last done first.
	Todos(q TodoQuery) ([]Todo, error)
}

// TodoQuery selects to-dos. Zero fields do not select.
type TodoQuery struct {
	Group        string
	Owner        MemberID
	Conversation ConversationID
	// Contacts: about one of them, by itself or by its conversation.
	Contacts []ContactID
	Open     bool
	Done     bool
	After    TodoPlace // what stands behind it, of those that are open or, with Done, done
	Unsaid   time.Time // open, due by then, and not reminded of
	Limit    int
}

// TodoInput is what is written down.
type TodoInput struct {
	Text         string
	Owner        MemberID
	Due          time.Time // zero: no time
	Conversation ConversationID
	Contact      ContactID
}

const maxTodo = 300 // characters

// AddTodo writes something down to be done.
func (d *Desk) AddTodo(ctx context.Context, by By, in TodoInput) (t Todo, err error) {
	err = d.change(ctx, by, func(u *use) error {
		t = Todo{Group: u.group.Name, By: by.Member.ID, Made: u.now, Conversation: in.Conversation, Contact: in.Contact}
		if in.Conversation != 0 {
			if _, err := u.conversation(in.Conversation); err != nil {
				return err
			}
		}
		if in.Contact != 0 {
			c, err := u.contact(in.Contact)
			if err != nil {
				return err
			}
			t.Contact = c.ID
		}
		if err := u.todoIs(&t, in, ""); err != nil {
			return err
		}
		if err := u.AddTodo(&t); err != nil {
			return err
		}
		if err := u.todoLogged(t, LogTodo, t.Text); err != nil {
			return err
		}
		return u.todoGiven(t, "")
	})
	return t, err
}

// EditTodo changes what is to be done, by whom and when.
func (d *Desk) EditTodo(ctx context.Context, by By, id TodoID, in TodoInput) (Todo, error) {
	return d.todo(ctx, by, id, LogTodoEdit, func(u *use, t *Todo) (string, error) {
		if !t.Open() {
			return "", u.todoDone(*t)
		}
		had := t.Owner
		if err := u.todoIs(t, in, had); err != nil {
			return "", err
		}
		return t.Text, u.todoGiven(*t, had)
	})
}

// todoGiven tells whoever is to do something that a colleague gave it to them. had is who had it before.
func (u *use) todoGiven(t Todo, had MemberID) error {
	if t.Owner == had || t.Owner == u.by.Member.ID {
		return nil
	}
	return u.direct(t.Owner, Post{Kind: TodoPost, Todo: t.ID, Conversation: t.Conversation}, fmt.Sprintf("given.%d.%d", t.ID, u.now.UnixMicro()))
}

// DoneTodo ticks a to-do off.
func (d *Desk) DoneTodo(ctx context.Context, by By, id TodoID) (Todo, error) {
	return d.todo(ctx, by, id, LogTodoDone, func(u *use, t *Todo) (string, error) {
		if !t.Open() {
			return "", u.todoDone(*t)
		}
		t.Done, t.DoneBy = u.now, by.Member.ID
		return t.Text, nil
	})
}

// UndoTodo opens one again that was ticked off.
func (d *Desk) UndoTodo(ctx context.Context, by By, id TodoID) (Todo, error) {
	return d.todo(ctx, by, id, LogTodoUndo, func(_ *use, t *Todo) (string, error) {
		if t.Open() {
			return "", refuse(Already, "It is open: there is nothing to undo.")
		}
		t.Done, t.DoneBy = time.Time{}, ""
		return t.Text, nil
	})
}

// PutOffTodo makes a to-do due at another time.
func (d *Desk) PutOffTodo(ctx context.Context, by By, id TodoID, until time.Time) (Todo, error) {
	return d.todo(ctx, by, id, LogTodoPutOff, func(u *use, t *Todo) (string, error) {
		if !t.Open() {
			return "", u.todoDone(*t)
		}
		if err := u.dueAt(t, until); err != nil {
			return "", err
		}
		return t.Text, nil
	})
}

// todo changes one, logs it and redraws what shows it. f gives the detail for the log.
func (d *Desk) todo(ctx context.Context, by By, id TodoID, why Move, f func(*use, *Todo) (string, error)) (t Todo, err error) {
	err = d.change(ctx, by, func(u *use) error {
		if t, err = u.Todo(id); errors.Is(err, ErrNone) || err == nil && t.Group != u.group.Name {
			return refuse(NotFound, "There is no such to-do in %s.", u.group.Title)
		}
		if err != nil {
			return err
		}
		detail, err := f(u, &t)
		if err != nil {
			return err
		}
		if err := u.todoLogged(t, why, detail); err != nil {
			return err
		}
		return u.setTodo(t)
	})
	return t, err
}

// eachTodo changes each to-do of a query, unless change tells that it is to stay as it is, and redraws what shows it. It
// returns how many it changed.
func (u *use) eachTodo(q TodoQuery, change func(*Todo) (bool, error)) (n int, err error) {
	todos, err := u.Todos(q)
	if err != nil {
		return 0, err
	}
	for _, one := range todos {
		t, err := u.Todo(one.ID) // locked
		if err != nil {
			return n, err
		}
		if changed, err := change(&t); err != nil {
			return n, err
		} else if !changed {
			continue
		}
		if err := u.setTodo(t); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// setTodo stores a to-do and redraws what shows it.
func (u *use) setTodo(t Todo) error {
	if err := u.SetTodo(t); err != nil {
		return err
	}
	return u.raise(PostsWhere{Todo: t.ID})
}

func (u *use) todoDone(t Todo) error {
	return refuse(Already, "%s did that %s.", upperFirst(u.called(t.DoneBy)), ago(u.now, t.Done))
}

func (u *use) todoLogged(t Todo, why Move, detail string) error {
	return u.log(Event{Conversation: t.Conversation, Contact: t.Contact, Move: why, Detail: detail})
}

// todoIs takes over what was typed. had is who has it already, and may keep it though they have left.
func (u *use) todoIs(t *Todo, in TodoInput, had MemberID) error {
	if t.Text = OneLine(in.Text, maxTodo); t.Text == "" {
		return refuseField("text", "Say in a few words what is to be done.")
	}
	if t.Owner = in.Owner; t.Owner != had || had == "" {
		ok, err := u.present(t.Owner)
		if err != nil {
			return err
		}
		if !ok {
			return refuseField("owner", "That person is not in %s.", u.group.Title)
		}
	}
	if in.Due.Equal(t.Due) {
		return nil
	}
	return u.dueAt(t, in.Due)
}

// dueAt sets when a to-do is due; zero: at no time.
func (u *use) dueAt(t *Todo, at time.Time) error {
	const furthest = 10 * 366 * 24 * time.Hour
	switch {
	case at.IsZero():
	case !at.After(u.now):
		return refuseField("when", "%s is over. Say when it is to be done.", at.In(u.group.Zone).Format("Monday 2 January 2006 15:04"))
	case at.Sub(u.now) > furthest:
		return refuseField("when", "%s is too far away for me to remember.", at.In(u.group.Zone).Format("2 January 2006"))
	}
	t.Due, t.Reminded = at.UTC().Truncate(time.Microsecond), false
	return nil
}

// SweepTodos reminds of what has fallen due, and returns how many. However many processes do so, of
// each time that a to-do falls due it is said once.
func (d *Desk) SweepTodos(ctx context.Context) (reminded int, err error) {
	const atOnce = 100
	var due []Todo
	err = d.store.Read(ctx, func(tx Tx) error {
		due = nil
		for _, g := range d.groups {
			some, err := tx.Todos(TodoQuery{Group: g.Name, Unsaid: d.clock(), Limit: atOnce})
			if err != nil {
				return err
			}
			due = append(due, some...)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, t := range due {
		said := false
		err := d.change(ctx, By{Group: t.Group}, func(u *use) error {
			said = false
			t, err := u.Todo(t.ID)
			if err != nil || t.Reminded || !t.Open() || t.Due.IsZero() || t.Due.After(u.now) {
				return err // somebody was quicker
			}
			said = true
			return u.remind(t)
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("to-do %d: %w", t.ID, err))
		} else if said {
			reminded++
		}
	}
	return reminded, errors.Join(errs...)
}

// remind says that a to-do is due: in the thread of its conversation, and to its owner. Of one whose owner
// has left the leads are told; and where that leaves nobody, who wrote it down, or all of the group.
func (u *use) remind(t Todo) error {
	t.Reminded = true
	t.Times++
	if err := u.SetTodo(t); err != nil {
		return err
	}
	if err := u.todoLogged(t, LogTodoDue, t.Text); err != nil {
		return err
	}
	post, subject, told := Post{Kind: TodoPost, Todo: t.ID}, fmt.Sprintf("%d.%d", t.ID, t.Times), len(u.raised)
	if t.Conversation != 0 {
		c, err := u.Conversation(t.Conversation)
		if err == nil && c.JoinedTo != 0 {
			c, err = u.Conversation(c.JoinedTo)
		}
		if err != nil {
			return err
		}
		if err := u.inThread(c, post, subject); err != nil {
			return err
		}
		post.Conversation = c.ID
	}
	to, err := u.reminded(t, len(u.raised) > told)
	if err != nil {
		return err
	}
	for _, m := range to {
		if err := u.direct(m, post, subject); err != nil {
			return err
		}
	}
	if len(u.raised) > told {
		return nil
	}
	return u.post(post, subject)
}

// reminded is who is told that t is due. thread: a line in a thread says so already.
func (u *use) reminded(t Todo, thread bool) (to []MemberID, err error) {
	team, err := u.Present(u.group.Name)
	if err != nil {
		return nil, err
	}
	if among(team, t.Owner) {
		return []MemberID{t.Owner}, nil
	}
	to = u.group.leadsAmong(team)
	if len(to) == 0 && !thread && among(team, t.By) {
		to = []MemberID{t.By}
	}
	return to, nil
}

// fillTodo reads what a to-do's post shows.
func fillTodo(tx Tx, dr *Drawing) (err error) {
	if dr.Todo, err = tx.Todo(dr.Post.Todo); err != nil {
		return err
	}
	team, err := tx.Present(dr.Post.Group)
	if err != nil {
		return err
	}
	dr.OwnerLeft = !among(team, dr.Todo.Owner)
	if dr.Todo.Contact != 0 {
		dr.TodoContact, err = merged(tx, dr.Todo.Contact)
	}
	return err
}

// ListedTodo is a to-do in a list.
type ListedTodo struct {
	Todo
	Whose   Member
	Did     Member       // who did it; zero while it is open
	About   Conversation // zero if it is about none
	Card    Post         // of About, on the board asked for
	Contact Contact      // zero if it is about none
}

// Todos lists to-dos.
func (d *Desk) Todos(ctx context.Context, board string, q TodoQuery) (all []ListedTodo, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		all, err = listedTodos(tx, board, q)
		return err
	})
	return all, err
}

// TodosOf lists the open to-dos about a contact, or about those that were merged into it. Refused with NotFound
// where the group has none of this id.
func (d *Desk) TodosOf(ctx context.Context, group, board string, id ContactID) (all []ListedTodo, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		family, err := contactIn(tx, group, id)
		if err == nil {
			all, err = listedTodos(tx, board, TodoQuery{Group: group, Contacts: ContactIDs(family), Open: true, Limit: 20})
		}
		return err
	})
	return all, err
}

func listedTodos(tx Tx, board string, q TodoQuery) ([]ListedTodo, error) {
	todos, err := tx.Todos(q)
	if err != nil {
		return nil, err
	}
	var w Wanted
	w.todos(todos, board)
	rows, err := tx.Rows(w)
	if err != nil {
		return nil, err
	}
	return listedTodosAt(tx, board, todos, rows)
}

// todos adds what a list of to-dos shows.
func (w *Wanted) todos(todos []Todo, board string) {
	for _, t := range todos {
		w.Members = append(w.Members, t.Owner, t.DoneBy)
		if t.Conversation != 0 {
			w.conversation(t.Conversation, board)
		}
		if t.Contact != 0 {
			w.Contacts = append(w.Contacts, t.Contact)
		}
	}
}

// listedTodosAt lists to-dos where the rows are known that are shown with them.
func listedTodosAt(tx Tx, board string, todos []Todo, rows Rows) (all []ListedTodo, err error) {
	for _, t := range todos {
		l := ListedTodo{Todo: t, Whose: rows.member(t.Owner), Did: rows.member(t.DoneBy)}
		if t.Conversation != 0 {
			l.About, l.Card = rows.Conversations[t.Conversation], rows.Posts[cardKey(t.Conversation, Board{Name: board})]
		}
		if l.Contact = rows.Contacts[t.Contact]; l.Contact.Into != 0 {
			if l.Contact, err = merged(tx, l.Contact.Into); err != nil {
				return nil, err
			}
		}
		all = append(all, l)
	}
	return all, nil
}

// TodoByID reads one of a group. Refused with NotFound where the group has none of this id.
func (d *Desk) TodoByID(ctx context.Context, group string, id TodoID) (t Todo, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		t, err = tx.Todo(id)
		if errors.Is(err, ErrNone) || err == nil && t.Group != group {
			return refuse(NotFound, "There is no such to-do here.")
		}
		return err
	})
	return t, err
}
