package ticketing

import (
	"context"
	"errors"
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
	Todos       []ListedTodo // open ones, first due first
	Mails       []FiledMail  // newest first; without texts
	MoreMails   bool
	Tickets     []Listed // the latest, latest first
	MoreTickets bool
}

// ContactFile reads what there is of a contact, or of the one that it was merged into: at most limit mails, those
// before one if it is given, and the latest ten conversations. Refused with NotFound where the group has none of this id.
func (d *Desk) ContactFile(ctx context.Context, group, board string, id ContactID, before MailID, limit int) (f ContactFile, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		f = ContactFile{}
		c, ids, err := contactIn(tx, group, id)
		if err != nil {
			return err
		}
		f.Contact = c
		if f.Merged, err = contactsOf(tx, ids[1:]); err != nil {
			return err
		}
		if f.Notes, err = notesOf(tx, group, ids); err != nil {
			return err
		}
		if f.Todos, err = listedTodos(tx, board, TodoQuery{Group: group, Contacts: ids, Open: true, Limit: 20}); err != nil {
			return err
		}
		mails, err := tx.ContactMails(ids, before, limit+1)
		if err != nil {
			return err
		}
		if f.MoreMails = len(mails) > limit; f.MoreMails {
			mails = mails[:limit]
		}
		const latest = 10
		tickets, err := tx.Conversations(Query{Group: group, Contacts: ids, Order: LatestFirst, Limit: latest + 1})
		if err != nil {
			return err
		}
		if f.MoreTickets = len(tickets) > latest; f.MoreTickets {
			tickets = tickets[:latest]
		}
		read := map[ConversationID]bool{}
		for _, c := range tickets {
			read[c.ID] = true
		}
		in := []ConversationID{}
		for _, m := range mails {
			if !read[m.Conversation] {
				read[m.Conversation] = true
				in = append(in, m.Conversation)
			}
		}
		others, err := tx.ConversationsByID(in)
		if err != nil {
			return err
		}
		all, err := listed(tx, board, append(tickets, others...))
		if err != nil {
			return err
		}
		f.Tickets = all[:len(tickets):len(tickets)]
		of := map[ConversationID]Listed{}
		for _, l := range all {
			of[l.ID] = l
		}
		for _, m := range mails {
			f.Mails = append(f.Mails, FiledMail{m, of[m.Conversation]})
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
