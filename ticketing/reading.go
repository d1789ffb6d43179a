package ticketing

import (
	"context"
	"errors"
	"slices"
)

// Reading reads a piece of a list of conversations without counting what else there is; more: there is more
// behind it.
func (d *Desk) Reading(ctx context.Context, board string, q Query) (list []Listed, more bool, err error) {
	limit := q.Limit
	q.Limit++
	err = d.store.Read(ctx, func(tx Tx) error {
		some, err := tx.Conversations(q)
		if err != nil {
			return err
		}
		if more = len(some) > limit; more && q.Back {
			some = some[1:]
		} else if more {
			some = some[:limit]
		}
		list, err = listed(tx, board, some)
		return err
	})
	return list, more, err
}

// FiledMail is a mail with the conversation that it belongs to.
type FiledMail struct {
	Mail
	In Listed
}

// ContactFile is all that a group has of a contact: the newest of each kind.
type ContactFile struct {
	Contact
	Merged      []Contact    // that were merged into it
	Notes       []ReadPage   // their own first
	Todos       []ListedTodo // open ones, first due first, at most ten
	MoreTodos   bool
	Mails       []FiledMail // newest first; what is shown in a line
	MoreMails   bool
	Tickets     []Listed // the latest, latest first
	MoreTickets bool
}

// ContactFile reads what there is of a contact, or of the one that it was merged into: at most limit mails, those
// before one if it is given, and the latest ten conversations. Refused with NotFound where the group has none of this id.
func (d *Desk) ContactFile(ctx context.Context, group, board string, id ContactID, before MailID, limit int) (f ContactFile, err error) {
	const latest = 10
	err = d.store.Read(ctx, func(tx Tx) error {
		family, err := contactIn(tx, group, id)
		if err != nil {
			return err
		}
		f = ContactFile{Contact: family[0], Merged: family[1:]}
		ids := ContactIDs(family)
		of, err := tx.OfContacts(OfContactsQuery{
			IDs: ids, Todos: TodoQuery{Group: group, Contacts: ids, Open: true, Limit: latest + 1}, Before: before, Mails: limit + 1,
			Tickets: Query{Group: group, Contacts: ids, Order: LatestFirst, Limit: latest + 1},
		})
		if err != nil {
			return err
		}
		if f.MoreMails = len(of.Mails) > limit; f.MoreMails {
			of.Mails = of.Mails[:limit]
		}
		if f.MoreTodos = len(of.Todos) > latest; f.MoreTodos {
			of.Todos = of.Todos[:latest]
		}
		if f.MoreTickets = len(of.Tickets) > latest; f.MoreTickets {
			of.Tickets = of.Tickets[:latest]
		}
		var w Wanted
		w.todos(of.Todos, board)
		for _, c := range of.Tickets {
			w.listed(c, board)
		}
		for _, p := range of.Pages {
			w.Members = append(w.Members, p.By)
		}
		for _, m := range of.Mails {
			if !slices.ContainsFunc(of.Tickets, func(c Conversation) bool { return c.ID == m.Conversation }) {
				w.conversation(m.Conversation, board)
			}
		}
		rows, err := tx.Rows(w)
		if err != nil {
			return err
		}
		for _, c := range of.Tickets {
			rows.Conversations[c.ID] = c
		}
		if err := rows.owners(tx); err != nil {
			return err
		}
		slices.SortFunc(of.Pages, func(a, b Page) int { return slices.Index(ids, a.Contact) - slices.Index(ids, b.Contact) })
		for _, p := range of.Pages {
			f.Notes = append(f.Notes, ReadPage{p, rows.member(p.By)})
		}
		if f.Todos, err = listedTodosAt(tx, board, of.Todos, rows); err != nil {
			return err
		}
		f.Tickets = make([]Listed, 0, len(of.Tickets))
		for _, c := range of.Tickets {
			f.Tickets = append(f.Tickets, rows.with(c, board))
		}
		f.Mails = make([]FiledMail, 0, len(of.Mails))
		for _, m := range of.Mails {
			f.Mails = append(f.Mails, FiledMail{m, rows.with(rows.Conversations[m.Conversation], board)})
		}
		return nil
	})
	return f, err
}

// EarlierMails lists a conversation's mails before one, newest first. Refused with NotFound where the group
// has no such conversation.
func (d *Desk) EarlierMails(ctx context.Context, group string, id ConversationID, before MailID, limit int) (all []Mail, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		c, err := tx.Conversation(id)
		if errors.Is(err, ErrNone) || err == nil && c.Group != group {
			return refuse(NotFound, "There is no such conversation here.")
		}
		if err != nil {
			return err
		}
		all, err = tx.MailsBefore(id, before, limit)
		return err
	})
	return all, err
}

var inWords = map[Move]string{
	MoveOpen: "opened", MoveTake: "taken", MoveRelease: "released", MoveAssign: "assigned",
	MoveSpam: "marked as spam", MoveNoAnswer: "closed, no answer needed", MoveUndo: "undone",
	MoveClose: "closed", MoveReopen: "reopened", MoveJoin: "joined", MoveMailIn: "a mail came",
	MoveAnswer: "answered", MoveOutside: "answered outside GroupMail", MoveOverdue: "waits too long", MoveKeep: "to go on", MoveLapse: "released by itself", MoveLeft: "released",
	LogReply: "an answer was written", LogStop: "an answer was stopped", LogFailed: "an answer could not be sent", LogErased: "its content was erased",
	LogNotice: "an automatic mail came", LogAgain: "it turned up again",
	LogContact: "added as a contact", LogContactEdit: "the contact was changed", LogMerge: "merged into another",
	LogMerged: "another was merged into it", LogUnmerge: "parted again", LogAttach: "the contact was named", LogWrong: "the contact was taken off", LogForward: "a colleague was pointed to it", LogHandOver: "handed over",
	LogTodo: "a to-do was written down", LogTodoEdit: "a to-do was changed", LogTodoDone: "a to-do was done", LogTodoUndo: "a to-do was opened again",
	LogTodoPutOff: "a to-do was put off", LogTodoDue: "a to-do fell due",
	MoveAdmit: "released from the held list", MoveDiscard: "discarded", MoveAway: "moved to another team",
}

// whom is the member whom a line of the action log is about, besides who did it; empty: nobody.
func (e Event) whom() MemberID {
	switch e.Move {
	case MoveAssign, MoveLapse, MoveLeft, LogHandOver:
		return MemberID(e.Detail)
	}
	return ""
}

// Words say what a line of the action log records.
func (e Event) Words(named func(MemberID) Member) string {
	text := inWords[e.Move]
	if text == "" {
		text = string(e.Move)
	}
	if e.Member != "" {
		text += " by " + named(e.Member).Called()
	}
	switch {
	case e.Move == MoveLapse:
		return text + ": it lay idle with " + named(e.whom()).Called()
	case e.Move == MoveLeft:
		return text + ": " + named(e.whom()).Called() + " has left"
	case e.Move == MoveAssign:
		return text + " to " + named(e.whom()).Called()
	case e.Detail != "":
		return text + ": " + OneLine(e.Detail, 100)
	}
	return text
}
