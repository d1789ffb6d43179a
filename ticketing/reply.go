package ticketing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// SendLease is how long a process that sends a reply may not be heard of (HoldReply), by
// the database's clock, before another
// tries: so long a crash may hold a reply back.
const SendLease = 30 * time.Second

// retries are the pauses after passing failures to send; after the last the reply has failed.
var retries = []time.Duration{
	30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
	30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
}

// Draft is what a member is shown before writing a reply.
type Draft struct {
	Conversation Conversation
	From         Address
	To, Cc       []Address
	Subject      string
	Last         Mail // the newest mail from the other side; zero if there is none
	Seq          int64
	Took         bool    // beginning the reply took the conversation
	Owner        Member  // a colleague who has the conversation; zero otherwise
	Stranger     Address // wrote last, without a part in it: no recipient unless confirmed
	Replies      []Reply // colleagues' replies that are on their way
	Stopped      string  // what the member wrote here last, if they stopped it: to go on with
}

// Draft begins a reply: a new conversation is thereby taken ("Ben is answering"); a colleague's
// stays theirs, and Owner says so.
func (d *Desk) Draft(ctx context.Context, by By, id ConversationID) (dr Draft, err error) {
	err = d.change(ctx, by, func(u *use) error {
		c, err := u.conversation(id)
		if err != nil {
			return err
		}
		took := c.State == New
		if took {
			if err := u.move(&c, step{move: MoveTake}, ""); err != nil {
				return err
			}
			if err := u.unfold(&c); err != nil {
				return err
			}
		}
		dr, err = u.draft(c)
		dr.Took = took
		return err
	})
	return dr, err
}

func (u *use) draft(c Conversation) (Draft, error) {
	dr := Draft{Conversation: c, Seq: c.Seq, Stranger: c.NewPerson}
	if !c.Erased.IsZero() {
		return dr, u.erased(c)
	}
	if c.State == Spam {
		return dr, refuse(WrongState, "%s was marked as spam. Press Undo first.", c.Name())
	}
	if c.JoinedTo != 0 {
		return dr, refuse(WrongState, "%s was joined to another ticket: answer there.", c.Name())
	}
	last, err := u.lastIn(c)
	if err != nil {
		return dr, err
	}
	dr.Last = last
	if dr.To, dr.Cc, err = u.recipients(c, last); err != nil {
		return dr, err
	}
	dr.Subject = c.Subject
	if last.Subject != "" {
		dr.Subject = last.Subject
	}
	member, err := u.Member(u.by.Member.ID)
	if err != nil && !errors.Is(err, ErrNone) {
		return dr, err
	}
	dr.From = u.from(c, member)
	if c.Owner != "" && c.Owner != u.by.Member.ID {
		if dr.Owner, err = u.Member(c.Owner); errors.Is(err, ErrNone) {
			dr.Owner, err = Member{ID: c.Owner}, nil
		}
		if err != nil {
			return dr, err
		}
	}
	replies, err := u.Replies(c.ID, Asking, Pending, Sending, Sent, Failed, Unknown, Cancelled)
	for _, r := range replies {
		switch {
		case r.By == u.by.Member.ID:
			if dr.Stopped = ""; r.State == Cancelled && r.Origin == "" {
				dr.Stopped = r.Text
			}
		case r.State == Pending, r.State == Sending, r.State == Unknown:
			dr.Replies = append(dr.Replies, r)
		}
	}
	return dr, err
}

// lastIn is the newest mail from the other side that wakes and whose sender had a part in the
// conversation; zero if there is none.
func (u *use) lastIn(c Conversation) (Mail, error) {
	mails, err := u.Mails(c.ID, 50)
	if err != nil {
		return Mail{}, err
	}
	for _, m := range mails {
		if m.Asks() && !m.NewPerson {
			return m, nil
		}
	}
	if c.First == 0 {
		return Mail{}, nil
	}
	first, err := u.Mail(c.First)
	if errors.Is(err, ErrNone) {
		err = nil
	}
	return first, err
}

// recipients is the one place where it is decided whom an answer goes to, before a person may
// change it: Reply-To is obeyed where that diverts nothing to a stranger, the author goes before a sender
// that only carried the mail, our own addresses are never among them, and everybody whom the sender wrote
// to gets a copy.
func (u *use) recipients(c Conversation, m Mail) (to, cc []Address, err error) {
	if len(m.ReplyTo) > 0 {
		known, err := u.Participants(c.ID)
		if err != nil {
			return nil, nil, err
		}
		strangers := u.diverted(c, m, known)
		m.ReplyTo = slices.DeleteFunc(slices.Clone(m.ReplyTo), func(a Address) bool { return slices.ContainsFunc(strangers, a.Is) })
	}
	came, _, err := u.d.groupOfMailbox(strings.TrimSuffix(m.Mailbox, sentSuffix))
	if err != nil { // of a mailbox that is no longer configured, or of none
		came = u.group
	}
	seen := func(a Address) bool {
		return a.Addr == "" || u.group.Own(a) || came.Own(a) || slices.ContainsFunc(to, a.Is) || slices.ContainsFunc(cc, a.Is)
	}
	first := []Address{m.From}
	switch {
	case m.Direction == Out:
		first = m.To
	case m.Author.Addr != "":
		first = []Address{m.Author}
	case len(m.ReplyTo) > 0:
		first = m.ReplyTo
	}
	for _, a := range first {
		if !seen(a) {
			to = append(to, a)
		}
	}
	if len(to) == 0 && !seen(c.With) {
		to = append(to, c.With)
	}
	if m.Author.Addr != "" && m.Author.Addr != m.From.Addr && len(m.ReplyTo) == 0 {
		return to, nil, nil // forwarded by hand: those whom the colleague wrote to are no part of it
	}
	for _, a := range slices.Concat(m.To, m.Cc) {
		if !seen(a) {
			cc = append(cc, a)
		}
	}
	return to, cc, nil
}

// from is the group's address, with the member's From name if they have one.
func (u *use) from(c Conversation, m Member) Address {
	a := u.group.From
	box, ok := u.group.Mailbox(c.Mailbox)
	if !ok && len(u.group.Mailboxes) > 0 {
		box = u.group.Mailboxes[0]
	}
	if a.Addr == "" {
		a.Addr = box.Address.Addr
	}
	if a.Name == "" {
		a.Name = box.Address.Name
	}
	if m.FromName != "" {
		a.Name = m.FromName
	}
	return a
}

// ReplyInput is a reply as a member wrote it.
type ReplyInput struct {
	Conversation ConversationID
	Text         string
	To, Cc       []Address // nil: as Draft offered them
	Files        []Attachment
	CloseAs      string // outcome to close with once it is sent

	// By form: what the member had seen when it was opened.
	Seq   int64
	Owner MemberID // the colleague that they were told has the conversation

	// From a thread: the message, when it was written, and whether it was heard long after.
	Origin  string
	Written time.Time
	Late    bool
}

// Reply queues a reply; it is sent after the group's undo window. A form that has become stale is
// refused (Stale) with what came since; a thread message is kept and asks.
func (d *Desk) Reply(ctx context.Context, by By, in ReplyInput) (r Reply, err error) {
	in.Text = strings.TrimSpace(in.Text)
	if in.Text == "" && len(in.Files) == 0 {
		return r, refuseField("text", "There is nothing to send: write something first.")
	}
	err = d.change(ctx, by, func(u *use) error {
		c, err := u.conversation(in.Conversation)
		if err != nil {
			return err
		}
		dr, err := u.draft(c)
		if err != nil {
			return err
		}
		if in.To == nil && in.Cc == nil {
			in.To, in.Cc = dr.To, dr.Cc
		}
		if len(in.To) == 0 {
			return refuseField("to", "There is nobody to send it to: give an address.")
		}
		for _, a := range slices.Concat(in.To, in.Cc) {
			if u.group.Own(a) {
				return refuseField("to", "%s is this team's own address: the answer would come back as a new mail.", a.Addr)
			}
		}
		member, err := u.Member(by.Member.ID)
		if err != nil {
			return err
		}
		why, came, err := u.asks(c, dr, in, member)
		if err != nil {
			return err
		}
		r, err = u.queue(&c, dr, in, member, why, came)
		return err
	})
	return r, err
}

// asks finds what stands between a reply and its sending, and what came if something did. A form is
// refused, so that the person sees it at once and nothing typed is lost; a thread message is kept
// and waits.
func (u *use) asks(c Conversation, dr Draft, in ReplyInput, m Member) (why Why, came string, err error) {
	form := in.Origin == ""
	since, written := in.Seq, time.Time{}
	if !form {
		since, written = 0, in.Written
	}
	came, err = u.came(c, since, written, m.ID, 0)
	switch {
	case err != nil:
		return "", "", err
	case came != "" && form:
		return "", "", Refusal{Kind: Stale, Text: came}
	case came != "":
		why = WhyStale
	case form && dr.Owner.ID != in.Owner && dr.Owner.ID != "":
		return "", "", refuse(Stale, "%s took %s meanwhile.", dr.Owner.Called(), c.Name())
	case form:
	case dr.Owner.ID != "":
		why = WhyColleague
	case in.Late:
		why = WhyLate
	case len(in.To)+len(in.Cc) > unasked:
		why = WhyMany
	case !m.Replied:
		why = WhyFirst
	}
	return why, came, nil
}

// unasked is how many recipients a reply from a thread may have without asking.
const unasked = 10

// came says what reached the conversation after seq, or after a moment if one is given, that the
// author of a reply should see before it goes: a mail, or a colleague's reply. Empty: nothing.
func (u *use) came(c Conversation, seq int64, after time.Time, author MemberID, except ReplyID) (string, error) {
	mails, err := u.Mails(c.ID, 200)
	if err != nil {
		return "", err
	}
	for _, m := range mails {
		newer := m.Seq > seq
		if !after.IsZero() {
			newer = m.Seq > 0 && m.Received.After(after)
		}
		switch {
		case !newer || m.By != "": // a reply of ours is found below
		case m.Direction == Out:
			return fmt.Sprintf("%s was answered outside GroupMail meanwhile: “%s”", c.Name(), OneLine(m.Reply, 200)), nil
		default:
			return fmt.Sprintf("%s wrote meanwhile: “%s”", m.Sender().Called(), OneLine(m.Reply, 200)), nil
		}
	}
	replies, err := u.Replies(c.ID, Pending, Sending, Unknown, Sent)
	if err != nil {
		return "", err
	}
	for _, r := range slices.Backward(replies) {
		newer := r.Seq > seq
		if !after.IsZero() {
			newer = r.State != Sent || r.Created.After(after)
		}
		if newer && r.By != author && r.ID != except {
			return fmt.Sprintf("%s has answered meanwhile: “%s”", u.called(r.By), OneLine(r.Text, 200)), nil
		}
	}
	return "", nil
}

// queue keeps a reply, takes the conversation for its author if nobody has it, and shows it.
func (u *use) queue(c *Conversation, dr Draft, in ReplyInput, m Member, why Why, came string) (Reply, error) {
	var err error
	switch c.State {
	case New:
		err = u.move(c, step{move: MoveTake}, "")
	case Closed:
		err = u.move(c, step{move: MoveReopen}, "")
	}
	if err != nil {
		return Reply{}, err
	}
	c.Seq++
	r := Reply{
		Conversation: c.ID, Group: u.group.Name, Mailbox: c.Mailbox, By: m.ID,
		State: Asking, Why: why, Error: came, From: dr.From, To: in.To, Cc: in.Cc, Subject: dr.Subject,
		Text: in.Text, Signature: u.group.Signature, Files: in.Files, CloseAs: in.CloseAs,
		Mark: secretWord(), Seq: c.Seq, Origin: in.Origin, Created: u.now,
	}
	if r.Mailbox == "" && len(u.group.Mailboxes) > 0 {
		r.Mailbox = u.group.Mailboxes[0].Name
	}
	if m.Signature != "" {
		r.Signature = m.Signature
	}
	_, domain, _ := strings.Cut(r.From.Addr, "@")
	r.MessageID = secretWord() + "@" + domain
	if id := dr.Last.MessageID; id != "" {
		r.InReplyTo = []string{id}
		r.References = append(slices.Clone(dr.Last.References), id)
	}
	if why == "" {
		r.State, r.Due = Pending, u.now.Add(u.group.Undo)
	}
	if err := u.AddReply(&r); err != nil {
		return r, err
	}
	// From now on: an answer may come before we know that ours was sent.
	if err := u.AddReferences(u.group.Name, map[string]Reference{r.MessageID: {Conversation: c.ID, Own: true}}); err != nil {
		return r, err
	}
	c.Touched = u.now
	if err := u.SetConversation(*c); err != nil {
		return r, err
	}
	if err := u.logged(*c, Event{Move: LogReply, Reply: r.ID}); err != nil {
		return r, err
	}
	if err := u.unfold(c); err != nil {
		return r, err
	}
	if err := u.inThread(*c, Post{Kind: ReplyPost, Reply: r.ID}, r.ID); err != nil {
		return r, err
	}
	if err := u.raise(PostsWhere{Conversation: c.ID, Kind: CardPost}); err != nil || why != "" {
		return r, err
	}
	return r, errors.Join(u.replied(m), u.Enqueue(Job{Kind: SendJob, ID: int64(r.ID), At: r.Due}))
}

// replied notes that a member has sent a reply before: their next one from a thread goes unasked.
func (u *use) replied(m Member) error {
	if m.Replied {
		return nil
	}
	m.Replied = true
	return u.SetMember(m)
}

// SendReply lets a reply go now: one that asks, one that waits for its time, or, again, one that failed.
func (d *Desk) SendReply(ctx context.Context, by By, id ReplyID) (Reply, error) {
	return d.withReply(ctx, by, id, func(u *use, c *Conversation, r *Reply) error {
		switch {
		case !c.Erased.IsZero():
			return u.erased(*c)
		case c.State == Spam:
			return refuse(WrongState, "%s was marked as spam. Press Undo on its card first.", c.Name())
		case c.JoinedTo != 0:
			return refuse(WrongState, "%s was joined to another ticket: answer there.", c.Name())
		}
		switch r.State {
		case Asking, Pending, Failed, Unknown:
		case Cancelled:
			return refuse(Already, "It was stopped. Write it anew to send it.")
		default:
			return u.tooLate(*r)
		}
		if r.State == Asking && r.Why == WhyFirst && r.By != by.Member.ID {
			return refuse(NotYours, "It is the first answer of %s: only %s can send it.", u.called(r.By), u.called(r.By))
		}
		if r.State == Asking {
			r.Created = u.now // whoever says Send has seen how it stands
		}
		r.State, r.Why, r.Error, r.Due = Pending, "", "", u.now
		author, err := u.Member(r.By)
		if err != nil {
			return err
		}
		return errors.Join(u.replied(author), u.Enqueue(Job{Kind: SendJob, ID: int64(r.ID)}))
	})
}

// StopReply stops a reply that has not gone yet.
func (d *Desk) StopReply(ctx context.Context, by By, id ReplyID) (Reply, error) {
	return d.withReply(ctx, by, id, func(u *use, c *Conversation, r *Reply) error {
		if r.State == Failed { // its failure stays to be seen, and its text to be sent again
			return u.tooLate(*r)
		}
		return stop(u, c, r)
	})
}

func stop(u *use, c *Conversation, r *Reply) error {
	switch {
	case r.State == Cancelled:
		return refuse(Already, "It was already stopped.")
	case r.MaybeSent || r.State != Asking && r.State != Pending && r.State != Failed:
		return u.tooLate(*r)
	}
	r.State, r.Why = Cancelled, ""
	return u.logged(*c, Event{Move: LogStop, Reply: r.ID})
}

func (u *use) tooLate(r Reply) error {
	switch {
	case r.State == Sent:
		return refuse(Already, "It was already sent %s.", ago(u.now, r.SentAt))
	case r.State == Failed && !r.MaybeSent:
		return refuse(Already, "It could not be sent: see its line. Write a new message to send something else.")
	case r.MaybeSent:
		return refuse(Already, "It may already have been delivered: the connection broke while it was sent.")
	}
	return refuse(Already, "It is just being sent.")
}

// EditReply changes what is sent: the author has edited the thread message that it came from.
// ErrNone: no reply came from that message.
func (d *Desk) EditReply(ctx context.Context, by By, origin, text string, files []Attachment) (Reply, error) {
	return d.withReplyFrom(ctx, by, origin, func(u *use, c *Conversation, r *Reply) error {
		if r.State != Asking && r.State != Pending || r.MaybeSent {
			switch text = strings.TrimSpace(text); {
			case text == r.Text:
				return refuse(Already, "")
			case r.State == Cancelled:
				return refuse(Already, "It was stopped and stays so: nothing was sent. Write a new message to answer.")
			}
			return u.tooLate(*r)
		}
		if text = strings.TrimSpace(text); text == "" && len(files) == 0 {
			return stop(u, c, r)
		}
		r.Text, r.Files, r.Raw = text, files, 0 // composed anew, if it was
		return nil
	})
}

// StopReplyFrom stops the reply that came from a thread message which was deleted.
func (d *Desk) StopReplyFrom(ctx context.Context, by By, origin string) (Reply, error) {
	return d.withReplyFrom(ctx, by, origin, stop)
}

func (d *Desk) withReplyFrom(ctx context.Context, by By, origin string, f func(*use, *Conversation, *Reply) error) (r Reply, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		r, err = tx.ReplyFrom(origin)
		return err
	})
	if err != nil {
		return r, err
	}
	return d.withReply(ctx, by, r.ID, f)
}

// withReply locks a reply after its conversation, changes it and shows it anew.
func (d *Desk) withReply(ctx context.Context, by By, id ReplyID, f func(*use, *Conversation, *Reply) error) (r Reply, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		r, err = tx.Reply(id)
		return err
	})
	if errors.Is(err, ErrNone) {
		return r, refuse(NotFound, "There is no such reply.")
	}
	if err != nil {
		return r, err
	}
	if by.Group == "" {
		by.Group = r.Group
	}
	err = d.change(ctx, by, func(u *use) error {
		c, err := u.conversation(r.Conversation)
		if err != nil {
			return err
		}
		if r, err = u.Reply(id); err != nil {
			return err
		}
		was := r.State
		if err := f(u, &c, &r); err != nil {
			return err
		}
		if err := u.SetReply(r); err != nil {
			return err
		}
		if r.State != was {
			if err := u.raise(PostsWhere{Conversation: r.Conversation, Kind: CardPost}); err != nil {
				return err
			}
		}
		return u.raise(PostsWhere{Reply: id})
	})
	return r, err
}

// ErrNotDue: a reply is not to be sent now; whoever asked has nothing to do.
var ErrNotDue = errors.New("the reply is not due")

// A claim is a lease by the database's clock, held by one attempt: each claim begins another, so that
// whoever has lost the lease is known by the number of their attempt.
func (r Reply) lease() (name, holder string) {
	return fmt.Sprintf("reply:%d", r.ID), fmt.Sprintf("attempt %d", r.Attempts)
}

// claimed tells whether the attempt that r was claimed for is still the last one, and under way. Also
// when its lease has run out: until somebody takes over, how it ends is news.
func (r Reply) claimed(now Reply) bool { return now.State == Sending && now.Attempts == r.Attempts }

// claimPause is how soon a reply that somebody else is sending is looked at again.
const claimPause = SendLease / 6

// ClaimReply gives a due reply to this process to send, for SendLease. ErrNotDue: it was sent,
// stopped or asks again; RunAgain: look again then. The attempt is committed before anything is sent.
func (d *Desk) ClaimReply(ctx context.Context, id ReplyID) (Reply, error) {
	again := time.Time{}
	asked := false
	r, err := d.withReply(ctx, By{}, id, func(u *use, c *Conversation, r *Reply) error {
		again, asked = time.Time{}, false
		switch {
		case (r.State == Pending || r.State == Unknown) && r.Due.After(u.now):
			again = r.Due
			return ErrNotDue
		case r.State == Pending && !r.MaybeSent:
			came, err := u.changed(*c, *r)
			if err != nil {
				return err
			}
			if came != "" {
				asked = true
				r.State, r.Why, r.Error, r.Seq = Asking, WhyStale, came, c.Seq // as the line says from now on
				return nil
			}
		case r.State != Sending && r.State != Pending && r.State != Unknown:
			return ErrNotDue
		}
		begun := r.State == Sending
		r.State = Sending
		r.Attempts++
		name, holder := r.lease()
		held, err := u.Lease(name, holder, SendLease)
		switch {
		case err != nil:
			return err
		case !held:
			again = u.now.Add(claimPause)
			return ErrNotDue
		case !begun:
			return nil
		}
		r.MaybeSent = true // whoever tried has not told how it ended
		if r.Attempts <= len(retries)+1 {
			return nil
		}
		r.State, r.Error = Failed, "it was begun too often without an end"
		asked = true
		return errors.Join(u.Unlease(name, holder),
			u.inThread(*c, Post{Kind: FailurePost, Reply: r.ID}, fmt.Sprintf("%d.%d", r.ID, r.Attempts)))
	})
	switch {
	case errors.Is(err, ErrNotDue) && !again.IsZero():
		return r, RunAgain{At: again}
	case err != nil:
		return r, err
	case asked:
		return r, ErrNotDue
	}
	return r, nil
}

// changed says what has become of the conversation since the reply was begun, so that its author
// should look again before it goes. Empty: nothing.
func (u *use) changed(c Conversation, r Reply) (string, error) {
	switch {
	case c.State == Spam:
		return c.Name() + " was marked as spam meanwhile.", nil
	case c.JoinedTo != 0:
		return c.Name() + " was joined to another ticket meanwhile.", nil
	case c.State == Closed && c.Closed.After(r.Created) && c.ClosedBy != r.By:
		return fmt.Sprintf("%s closed %s meanwhile: %s.", u.called(c.ClosedBy), c.Name(), c.Outcome), nil
	}
	return u.came(c, r.Seq, time.Time{}, r.By, r.ID)
}

// HoldReply renews the claim of a reply that is still being sent. ErrNotDue: somebody else has taken
// over, and what is under way is better broken off.
func (d *Desk) HoldReply(ctx context.Context, claimed Reply) error {
	name, holder := claimed.lease()
	return d.store.Change(ctx, func(tx Tx) error {
		r, err := tx.Reply(claimed.ID)
		if err != nil {
			return err
		}
		if !claimed.claimed(r) {
			return ErrNotDue
		}
		held, err := tx.Lease(name, holder, SendLease)
		if err == nil && !held {
			err = ErrNotDue
		}
		return err
	})
}

// Composed keeps the bytes of a claimed reply: every further attempt sends the very same. ErrNotDue:
// somebody else has taken over.
func (d *Desk) Composed(ctx context.Context, claimed Reply, raw BlobID) (Reply, error) {
	return d.withReply(ctx, By{}, claimed.ID, func(_ *use, _ *Conversation, r *Reply) error {
		if !claimed.claimed(*r) {
			return ErrNotDue
		}
		if r.Raw == 0 {
			r.Raw = raw
		}
		return nil
	})
}

// Attempt is how an attempt to send a reply ended.
type Attempt struct {
	Error   error // nil: the mail server has it
	Final   bool  // trying again will not help
	Unknown bool  // the mail server may have it
	Sent    Mail  // what was sent, as our own parser reads it
}

// FinishReply notes how an attempt ended: the reply becomes a mail of the conversation, which then
// waits for the sender or is closed; or it is tried again; or it has failed, and the thread says why.
// Once somebody else has taken over it is theirs to say, and nothing is noted.
func (d *Desk) FinishReply(ctx context.Context, claimed Reply, a Attempt) error {
	name, holder := claimed.lease()
	_, err := d.withReply(ctx, By{}, claimed.ID, func(u *use, c *Conversation, r *Reply) error {
		if !claimed.claimed(*r) {
			return ErrNotDue
		}
		if err := u.Unlease(name, holder); err != nil {
			return err
		}
		u.by.Member.ID = r.By
		if a.Error == nil {
			return u.sent(c, r, a.Sent)
		}
		r.Error = a.Error.Error()
		pause := time.Duration(0)
		if n := r.Attempts - 1; n >= 0 && n < len(retries) {
			pause = retries[n]
		}
		r.MaybeSent = r.MaybeSent || a.Unknown
		switch {
		case !a.Final && pause > 0 && r.MaybeSent:
			r.State = Unknown
		case !a.Final && pause > 0:
			r.State = Pending
		default:
			r.State = Failed
			if err := u.logged(*c, Event{Move: LogFailed, Reply: r.ID}); err != nil {
				return err
			}
			if err := u.raise(PostsWhere{Conversation: c.ID, Kind: CardPost}); err != nil {
				return err
			}
			return u.inThread(*c, Post{Kind: FailurePost, Reply: r.ID}, fmt.Sprintf("%d.%d", r.ID, r.Attempts))
		}
		r.Due = u.now.Add(pause)
		return u.Enqueue(Job{Kind: SendJob, ID: int64(r.ID), At: r.Due})
	})
	if errors.Is(err, ErrNotDue) {
		d.log.Warn("an attempt to send a reply ended that is noted already, or that somebody else has taken over", "reply", claimed.ID, "attempt", claimed.Attempts)
		return nil
	}
	if err == nil && a.Error == nil {
		d.log.Info("a reply was sent", "reply", claimed.ID)
	}
	return err
}

func (u *use) sent(c *Conversation, r *Reply, m Mail) error {
	r.State, r.SentAt, r.Error = Sent, u.now, ""
	m.Group, m.Mailbox, m.Conversation, m.Direction = r.Group, r.Mailbox, c.ID, Out
	m.Received, m.By, m.Seq, m.Raw = u.now, r.By, r.Seq, r.Raw
	m.Reply, m.Contact = r.Text, c.Contact
	if err := u.AddMail(&m); err != nil {
		return err
	}
	r.Mail = m.ID
	if err := u.AddParticipants(c.ID, slices.Concat(r.To, r.Cc)); err != nil {
		return err
	}
	if c.First == 0 {
		c.First = m.ID
	}
	c.Last, c.NewPerson = m.ID, Address{}
	c.Mails++
	if box, ok := u.group.Mailbox(r.Mailbox); ok && box.FileSent {
		if err := u.Enqueue(Job{Kind: FileSentJob, ID: int64(r.ID)}); err != nil {
			return err
		}
	}
	if c.State == Closed && c.Closed.After(r.Created) { // whoever closed it knew that the answer was on its way
		if err := u.SetConversation(*c); err != nil {
			return err
		}
		if err := u.logged(*c, Event{Move: MoveAnswer, Reply: r.ID}); err != nil {
			return err
		}
		return u.raise(PostsWhere{Conversation: c.ID, Kind: CardPost})
	}
	if r.CloseAs == "" || c.State == Closed {
		return u.move(c, step{move: MoveAnswer}, "")
	}
	if err := u.move(c, step{move: MoveClose, outcome: r.CloseAs}, r.CloseAs); err != nil {
		return err
	}
	return u.inThread(*c, Post{Kind: EventPost, Event: u.event}, u.event)
}
