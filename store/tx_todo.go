package store

import (
	"gorm.io/gorm"

	"groupmail/ticketing"
)

type todoRow struct {
	ID           int64 `gorm:"primaryKey;autoIncrement"`
	GroupName    string
	Text         string
	Owner        string
	ByMember     string
	Due          moment
	Conversation int64
	Contact      int64
	Made         moment
	Done         moment
	DoneBy       string
	Reminded     bool
	Times        int64
}

func (todoRow) TableName() string { return "todos" }

func rowOfTodo(t ticketing.Todo) todoRow {
	return todoRow{
		ID: int64(t.ID), GroupName: t.Group, Text: t.Text, Owner: string(t.Owner), ByMember: string(t.By), Due: at(t.Due),
		Conversation: int64(t.Conversation), Contact: int64(t.Contact), Made: at(t.Made), Done: at(t.Done),
		DoneBy: string(t.DoneBy), Reminded: t.Reminded, Times: int64(t.Times),
	}
}

func (r todoRow) noun() ticketing.Todo {
	return ticketing.Todo{
		ID: ticketing.TodoID(r.ID), Group: r.GroupName, Text: r.Text, Owner: ticketing.MemberID(r.Owner),
		By: ticketing.MemberID(r.ByMember), Due: r.Due.time(), Conversation: ticketing.ConversationID(r.Conversation),
		Contact: ticketing.ContactID(r.Contact), Made: r.Made.time(), Done: r.Done.time(),
		DoneBy: ticketing.MemberID(r.DoneBy), Reminded: r.Reminded, Times: int(r.Times),
	}
}

func (t *tx) AddTodo(todo *ticketing.Todo) error {
	row := rowOfTodo(*todo)
	row.ID = 0
	id, err := t.add("add to-do", func(g *gorm.DB) *gorm.DB { return g.Create(&row) })
	if todo.ID = ticketing.TodoID(id); err == nil {
		t.know(todo.ID)
	}
	return err
}

func (t *tx) Todo(id ticketing.TodoID) (ticketing.Todo, error) {
	var row todoRow
	err := t.get("to-do", func(g *gorm.DB) *gorm.DB { return t.lock(g).Where("id = ?", int64(id)).Take(&row) })
	if err == nil && !t.readOnly {
		t.know(id)
	}
	return row.noun(), err
}

func (t *tx) SetTodo(todo ticketing.Todo) error {
	row := rowOfTodo(todo)
	return t.putOne("set to-do", todo.ID, func(g *gorm.DB) *gorm.DB {
		return g.Model(&row).Select("group_name", "text", "owner", "due", "conversation", "contact", "done", "done_by", "reminded", "times").Updates(&row)
	})
}

func (t *tx) Todos(q ticketing.TodoQuery) ([]ticketing.Todo, error) {
	var rows []todoRow
	err := t.get("to-dos", func(g *gorm.DB) *gorm.DB { return selectedTodos(g, q).Find(&rows) })
	return nouns(rows), err
}

// selectedTodos adds what a query asks for.
func selectedTodos(g *gorm.DB, q ticketing.TodoQuery) *gorm.DB {
	if q.Group != "" {
		g = g.Where("group_name = ?", q.Group)
	}
	if q.Owner != "" {
		g = g.Where("owner = ?", string(q.Owner))
	}
	if q.Conversation != 0 {
		g = g.Where("conversation = ? AND conversation <> 0", int64(q.Conversation))
	}
	if q.Contacts != nil {
		g = g.Where(`(contact IN ? AND contact <> 0 OR conversation <> 0 AND
				EXISTS (SELECT 1 FROM conversations c WHERE c.id = todos.conversation AND c.contact IN ? AND c.contact <> 0))`, q.Contacts, q.Contacts)
	}
	if q.Open {
		g = g.Where("done IS NULL")
	}
	if q.Done {
		g = g.Where("done IS NOT NULL")
	}
	switch p := q.After; {
	case p.ID == 0:
	case q.Done:
		g = g.Where("(done, id) < (?, ?)", at(p.At), int64(p.ID))
	case p.At.IsZero():
		g = g.Where("due IS NULL AND id > ?", int64(p.ID))
	default:
		g = g.Where("(due IS NULL OR (due, id) > (?, ?))", at(p.At), int64(p.ID))
	}
	if !q.Unsaid.IsZero() {
		g = g.Where("done IS NULL AND NOT reminded AND due IS NOT NULL AND due <= ?", at(q.Unsaid))
	}
	if q.Limit > 0 {
		g = g.Limit(q.Limit)
	}
	if q.Done {
		return g.Order("done DESC, id DESC")
	}
	return g.Order("due IS NULL, due, id")
}
