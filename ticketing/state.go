package ticketing

import (
	"fmt"
	"slices"
	"time"
)

// Move is something that happens to a conversation, by a person or by mail. It is also the word in
// the action log.
type Move string

const (
	MoveTake     Move = "take"
	MoveRelease  Move = "release"
	MoveAssign   Move = "assign" // also: hand over
	MoveSpam     Move = "spam"
	MoveNoAnswer Move = "no answer needed"
	MoveUndo     Move = "undo" // of spam, of "no answer needed" and of discarding
	MoveClose    Move = "close"
	MoveReopen   Move = "reopen"
	MoveJoin     Move = "join"    // to another ticket
	MoveAway     Move = "move"    // to another group
	MoveAdmit    Move = "admit"   // from the held list
	MoveDiscard  Move = "discard" // from the held list

	MoveMailIn  Move = "mail in" // from the other side, and it wakes
	MoveAnswer  Move = "answer"  // a reply of ours was sent
	MoveOutside Move = "outside" // answered from an ordinary mail program
	MoveOverdue Move = "overdue" // it waits too long
	MoveKeep    Move = "keep"    // asked about, it goes on
	MoveLapse   Move = "lapse"   // released by itself
	MoveLeft    Move = "left"    // released, since its owner has left the group
	MoveOpen    Move = "open"    // a mail, or a person by command, opened it

	// In the log only: they move nothing.
	LogReply   Move = "reply"   // begun
	LogStop    Move = "stop"    // a reply was stopped
	LogFailed  Move = "failed"  // a reply could not be sent
	LogNotice  Move = "notice"  // an automatic answer or a bounce came in
	LogAgain   Move = "again"   // a known mail turned up again
	LogSetting Move = "setting" // a member changed their settings

	LogContact     Move = "contact"        // a contact was added
	LogContactEdit Move = "contact edited" // what is written down of one was changed
	LogMerge       Move = "merge"          // a contact was merged into another
	LogMerged      Move = "merged"         // another was merged into it
	LogUnmerge     Move = "unmerge"        // that was undone
	LogAttach      Move = "attach"         // a member said whom a conversation is with
	LogForward     Move = "forward"        // a colleague was pointed to it
	LogHandOver    Move = "hand over"      // a colleague was given all that somebody had who has left
	LogWrong       Move = "wrong person"   // a member said whom it is not with

	LogTodo       Move = "to-do"         // something was written down to be done
	LogTodoEdit   Move = "to-do changed" // what, by whom, or when
	LogTodoDone   Move = "to-do done"
	LogTodoUndo   Move = "to-do undone" // it is open again
	LogTodoPutOff Move = "to-do put off"
	LogTodoDue    Move = "to-do due" // people were reminded
)

// targets says where each move leads from each state. What is not here is refused.
var targets = map[Move]map[State]State{
	MoveTake:     {New: Taken, Waiting: Taken}, // waiting: only without an owner
	MoveRelease:  {Taken: New, Waiting: New},
	MoveAssign:   {New: Taken, Taken: Taken, Waiting: Waiting},
	MoveSpam:     {New: Spam, Taken: Spam, Waiting: Spam},
	MoveNoAnswer: {New: Closed},
	MoveUndo:     {Spam: New, Closed: New}, // closed as discarded: held again
	MoveClose:    {New: Closed, Taken: Closed, Waiting: Closed},
	MoveReopen:   {Closed: Taken},
	MoveJoin:     {New: Closed, Taken: Closed, Waiting: Closed},
	MoveAway:     {New: Closed, Taken: Closed, Waiting: Closed, Closed: Closed},
	MoveAdmit:    {Held: New},
	MoveDiscard:  {Held: Closed},
	MoveMailIn:   {New: New, Taken: Taken, Waiting: Taken, Closed: Taken, Spam: New, Held: New},
	MoveAnswer:   {New: Waiting, Taken: Waiting, Waiting: Waiting, Closed: Waiting, Spam: Waiting},
	MoveOutside:  {New: Waiting, Taken: Waiting, Waiting: Waiting, Closed: Closed, Spam: Waiting, Held: Held},
	MoveOverdue:  {New: New, Taken: Taken},
	MoveKeep:     {Taken: Taken, Waiting: Waiting},
	MoveLapse:    {Taken: New},
	MoveLeft:     {Taken: New, Waiting: Waiting},
}

// ownersOnly are the moves of what somebody has that are theirs alone, and of those who may do what a lead may.
var ownersOnly = []Move{MoveRelease, MoveLeft, MoveAssign, MoveSpam, MoveJoin, MoveAway, MoveKeep}

// step is one move with all that its rule depends on.
type step struct {
	move    Move
	by      Member   // empty for mail and time
	lead    bool     // by may do what a lead may; only of the moves in ownersOnly
	to      MemberID // assign: the new owner
	outcome string
	present bool // mail in: the last owner is still in the group
	now     time.Time
}

// apply moves c, or says in a Refusal why not. It is the only place that changes a conversation's
// state, owner and outcome.
func (s step) apply(c *Conversation, called func(MemberID) string) error {
	to, ok := targets[s.move][c.State]
	if !ok {
		return s.refuse(*c, called)
	}
	if err := s.mayMove(*c, called); err != nil {
		return err
	}
	from, owner := c.State, c.Owner
	if s.move == MoveUndo && c.Outcome == Discarded {
		to = Held
	}
	switch s.move {
	case MoveTake, MoveReopen:
		owner = s.by.ID
	case MoveAssign:
		owner = s.to
	case MoveRelease, MoveLapse, MoveLeft, MoveUndo, MoveSpam:
		owner = ""
	case MoveClose, MoveNoAnswer, MoveJoin, MoveDiscard, MoveAway:
		owner = ""
		if from == New && s.move == MoveClose {
			c.LastOwner = s.by.ID
		}
	case MoveAnswer:
		if owner == "" {
			owner = s.by.ID
		}
	case MoveMailIn:
		if from == Closed || from == Waiting && owner == "" {
			if to = New; c.LastOwner != "" && s.present {
				to, owner = Taken, c.LastOwner
			}
		}
	}
	if owner != c.Owner || owner == "" && from != to {
		c.Since = s.now
	}
	if c.Owner != "" {
		c.LastOwner = c.Owner
	}
	if owner != "" {
		c.LastOwner = owner
	}
	if to == New && from != New && (s.move != MoveUndo && s.move != MoveAdmit || c.Waits.IsZero()) {
		c.Waits = s.now // who was hidden by mistake has waited all the time
	}
	switch {
	case to == Closed && (from != Closed || s.move == MoveAway):
		c.Outcome, c.Closed, c.ClosedBy = s.outcome, s.now, s.by.ID
	case to != Closed:
		c.Outcome, c.Closed, c.ClosedBy = "", time.Time{}, ""
	}
	c.State, c.Owner, c.Touched, c.Reminded = to, owner, s.now, time.Time{}
	if s.move == MoveOverdue {
		c.Overdue = true
	} else if s.move != MoveMailIn || from != New {
		c.Overdue = false
	}
	return nil
}

// mayMove asks whose conversation it is.
func (s step) mayMove(c Conversation, called func(MemberID) string) error {
	if c.JoinedTo != 0 && s.by.ID != "" {
		return refuse(WrongState, "%s was joined to another ticket: go on there.", c.Name())
	}
	if slices.Contains(ownersOnly, s.move) && c.Owner != "" && c.Owner != s.by.ID && !s.lead {
		return refuse(NotYours, "%s took %s %s: only %s or a lead can do that.",
			called(c.Owner), c.Name(), ago(s.now, c.Since), called(c.Owner))
	}
	switch s.move {
	case MoveTake:
		if c.Owner != "" {
			return s.refuse(c, called)
		}
	case MoveUndo:
		if c.State == Closed && c.Outcome != NoAnswerNeeded && c.Outcome != Discarded {
			return refuse(WrongState, "%s was closed as “%s”. Reopen it instead.", c.Name(), c.Outcome)
		}
	}
	if s.move == MoveAssign && s.to == c.Owner {
		return refuse(Already, "%s already has %s.", called(s.to), c.Name())
	}
	return nil
}

// refuse explains a move that the state does not know.
func (s step) refuse(c Conversation, called func(MemberID) string) error {
	when := ago(s.now, c.Since)
	switch {
	case s.move == MoveTake && c.Owner == s.by.ID && c.Owner != "":
		return refuse(Already, "You took %s %s.", c.Name(), when)
	case s.move == MoveTake && c.Owner != "":
		return refuse(TakenBy, "%s took %s %s.", called(c.Owner), c.Name(), when)
	case c.JoinedTo != 0:
		return refuse(WrongState, "%s was joined to another ticket %s.", c.Name(), when)
	case (s.move == MoveAdmit || s.move == MoveDiscard) && c.HeldFor != "":
		return refuse(Already, "%s is no longer held.", c.Name())
	case c.State == Held:
		return refuse(WrongState, "%s is held. Release it from the held list first.", c.Name())
	case c.State == Closed && s.move == MoveClose:
		return refuse(Already, "%s was already closed %s: %s.", c.Name(), when, c.Outcome)
	case c.State == Closed:
		return refuse(WrongState, "%s was closed %s: %s. Reopen it first.", c.Name(), when, c.Outcome)
	case c.State == Spam && s.move == MoveSpam:
		return refuse(Already, "%s was already marked as spam %s.", c.Name(), when)
	case c.State == Spam:
		return refuse(WrongState, "%s was marked as spam %s. Press Undo first.", c.Name(), when)
	case c.State == New && s.move == MoveRelease:
		return refuse(Already, "Nobody has %s: there is nothing to release.", c.Name())
	case s.move == MoveReopen:
		return refuse(Already, "%s is open: there is nothing to reopen.", c.Name())
	case s.move == MoveUndo:
		return refuse(Already, "There is nothing to undo: %s is %s.", c.Name(), c.State)
	case s.move == MoveNoAnswer && c.Owner != "":
		return refuse(WrongState, "%s took %s %s: close it instead.", called(c.Owner), c.Name(), when)
	case s.move == MoveNoAnswer:
		return refuse(WrongState, "%s was already answered %s: close it instead.", c.Name(), when)
	}
	return refuse(WrongState, "%s is %s: that can't be done now.", c.Name(), c.State)
}

// ago says how long something has been so, coarsely, as people do.
func ago(now, since time.Time) string {
	switch d := now.Sub(since); {
	case d < time.Minute:
		return "a moment ago"
	case d < 2*time.Minute:
		return "a minute ago"
	case d < time.Hour:
		return fmt.Sprintf("%d minutes ago", int(d.Minutes()))
	case d < 2*time.Hour:
		return "an hour ago"
	case d < 24*time.Hour:
		return fmt.Sprintf("%d hours ago", int(d.Hours()))
	case d < 48*time.Hour:
		return "a day ago"
	default:
		return fmt.Sprintf("%d days ago", int(d.Hours()/24))
	}
}

// Kind sorts refusals for those who act on them; people read the text.
type Kind string

const (
	TakenBy    Kind = "taken"      // somebody else has it
	NotYours   Kind = "not yours"  // only the owner or a lead may
	Already    Kind = "already"    // it is so already: harmless
	WrongState Kind = "state"      // the state does not know this move
	BadInput   Kind = "input"      // what was typed will not do; Field says which
	Stale      Kind = "stale"      // something came since the form was opened
	NotFound   Kind = "not found"  // no such ticket, member, mailbox
	NotMember  Kind = "not member" // not of this group
)

// Refusal is an answer to the person who asked, in words for them. It is no fault of the program
// and is not logged as one.
type Refusal struct {
	Kind  Kind
	Field string // the form field that it is about, if it is about one
	Text  string
}

func (r Refusal) Error() string { return r.Text }

func refuse(k Kind, format string, args ...any) Refusal {
	return Refusal{Kind: k, Text: fmt.Sprintf(format, args...)}
}

func refuseField(field, format string, args ...any) Refusal {
	return Refusal{Kind: BadInput, Field: field, Text: fmt.Sprintf(format, args...)}
}
