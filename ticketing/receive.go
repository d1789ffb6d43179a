package ticketing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sentPatience is how long a mail in Sent may wait for the mail that it answers.
const sentPatience = 24 * time.Hour

// maxFaults is how often one mail may make trouble before its bytes are kept unread.
const maxFaults = 3

// Look is told what a mailbox holds, and answers with what is picked up of it. The very first look
// decides what `since = now` means, once and for all; on each board of the group it leaves a greeting.
func (d *Desk) Look(ctx context.Context, mailbox string, since Since, box Box) (Window, error) {
	group, _, err := d.groupOfMailbox(strings.TrimSuffix(mailbox, sentSuffix))
	if err != nil {
		return Window{}, err
	}
	var received []time.Time
	if box.Names != nil {
		var looked Window
		if looked, received, err = d.lookAtNames(ctx, mailbox, since, &box); err != nil || looked != (Window{}) {
			return looked, err
		}
	}
	var window Window
	err = d.change(ctx, By{Group: group.Name}, func(u *use) error {
		known, err := u.Box(mailbox)
		first := errors.Is(err, ErrNone)
		switch {
		case err == nil && known.Validity == box.Validity:
			window = known.Window
			return nil
		case err == nil:
			// The server numbers its mails anew. What arrived before the first look stays unwanted,
			// what was kept is recognised by its fingerprint.
			known.Validity, known.Window.First = box.Validity, box.Next
		case first:
			known = BoxMemory{Validity: box.Validity, Count: box.Count, Looked: u.now}
			known.Window = Window{First: box.Next, Since: u.now}
			if !since.Date.IsZero() {
				known.Window.Since = since.Date
			}
		default:
			return err
		}
		if since.All {
			known.Window = Window{First: 1}
		}
		if since.All || !since.Date.IsZero() {
			known.Decided = Configured
		}
		if box.Names != nil {
			known.Window.Validity = box.Validity
			all := first && !since.All && since.Date.IsZero() // whatever its date
			if err := u.unwant(mailbox, box, received, known.Window.Since, all); err != nil {
				return err
			}
		}
		window = known.Window
		if err := u.SetBox(mailbox, known); err != nil {
			return err
		}
		if strings.HasSuffix(mailbox, sentSuffix) {
			return nil
		}
		return u.post(Post{Kind: GreetingPost, Subject: mailbox}, mailbox)
	})
	return window, err
}

// lookAtNames finds out whether a mailbox whose names have no order is looked at for the first time,
// or whether its server names all mails anew, for which box gets a Validity of its own. Then the
// window is zero (which a known one never is), and it is told when the mails arrived if that matters.
//
// All names are unknown also where other programs take what is there away. So mails must be among
// them that are older than what was seen last, and not one or two, which somebody may have put there.
func (d *Desk) lookAtNames(ctx context.Context, mailbox string, since Since, box *Box) (w Window, received []time.Time, err error) {
	const few = 2
	var (
		known   BoxMemory
		last    time.Time
		first   bool
		unknown bool // all of them
	)
	err = d.store.Read(ctx, func(tx Tx) error {
		known, err = tx.Box(mailbox)
		if first = errors.Is(err, ErrNone); first {
			return nil
		}
		if err != nil || len(box.Names.UIDs) <= few {
			return err
		}
		unknown, err = allUnknown(tx, mailbox, known.Validity, box.Names.UIDs)
		if err != nil || !unknown {
			return err
		}
		last, err = tx.LastSighting(mailbox)
		if errors.Is(err, ErrNone) {
			unknown, err = false, nil
		}
		return err
	})
	if err != nil {
		return w, nil, err
	}
	if !first {
		w, box.Validity = known.Window, known.Validity
		w.Validity = known.Validity
		if !unknown {
			return w, nil, nil
		}
	}
	if first && since.All {
		return Window{}, nil, nil
	}
	received, err = box.Names.Received(ctx)
	if err != nil || first {
		return Window{}, received, err
	}
	for _, at := range received {
		if !at.IsZero() && at.Before(last.Add(-sameMoment)) {
			n, _ := strconv.Atoi(known.Validity)
			box.Validity = strconv.Itoa(max(n, 1) + 1)
			return Window{}, received, nil
		}
	}
	return w, nil, nil
}

// sameMoment is how far the clocks of mail servers may be wrong.
const sameMoment = 5 * time.Minute

func allUnknown(tx Tx, mailbox, validity string, uids []string) (bool, error) {
	const atOnce = 500
	for some := range slices.Chunk(uids, atOnce) {
		refs := make([]Ref, len(some))
		for i, uid := range some {
			refs[i] = Ref{Validity: validity, UID: uid}
		}
		unknown, err := tx.Unknown(mailbox, refs)
		if err != nil || len(unknown) < len(refs) {
			return false, err
		}
	}
	return true, nil
}

// unwant notes mails as known that are not picked up: those that arrived before since, or all. When
// they arrived is noted, too, for ForgetUnwanted.
func (u *use) unwant(mailbox string, box Box, received []time.Time, since time.Time, all bool) error {
	var unwanted []Sighting
	for i, at := range received {
		if all || !at.IsZero() && at.Before(since) {
			ref := Ref{Validity: box.Validity, UID: box.Names.UIDs[i]}
			unwanted = append(unwanted, Sighting{Mailbox: mailbox, Ref: ref, At: at})
		}
	}
	return u.PutSighting(unwanted...)
}

// sentSuffix marks the name under which a mailbox's Sent folder is watched.
const sentSuffix = "/sent"

// SentName is the name under which a mailbox's Sent folder is watched.
func SentName(mailbox string) string { return mailbox + sentSuffix }

// OpenBoards gives boards that were added to the configuration since the last start what the others
// show: the greetings, and a card for each conversation that is open. Who was on boards that were taken
// out of it is forgotten.
func (d *Desk) OpenBoards(ctx context.Context) error {
	for _, g := range d.groups {
		var boards []string
		for _, b := range g.Boards {
			boards = append(boards, b.Name)
		}
		if err := d.store.Change(ctx, func(tx Tx) error { return tx.ForgetBoards(g.Name, boards) }); err != nil {
			return err
		}
		for _, b := range g.Boards {
			opened, err := d.store.Cursor(ctx, "opened:"+b.Name)
			if err != nil || opened != "" {
				if err != nil {
					return err
				}
				continue
			}
			if err := d.change(ctx, By{Group: g.Name}, func(u *use) error { return u.openBoard(b) }); err != nil {
				return err
			}
			if err := d.store.SetCursor(ctx, "opened:"+b.Name, "yes"); err != nil {
				return err
			}
		}
	}
	return nil
}

func (u *use) openBoard(b Board) error {
	for _, m := range u.group.Mailboxes {
		_, err := u.Box(m.Name)
		if errors.Is(err, ErrNone) {
			continue // the first look will greet
		}
		if err != nil {
			return err
		}
		if err := u.postOn(b, Post{Kind: GreetingPost, Subject: m.Name}, m.Name); err != nil {
			return err
		}
	}
	open, err := u.Conversations(Query{Group: u.group.Name, States: []State{New, Taken, Waiting}})
	if err != nil {
		return err
	}
	for _, c := range open {
		p, subject := Post{Kind: CardPost, Conversation: c.ID}, c.ID
		if c.Flood != 0 && c.State == New {
			p, subject = Post{Kind: DigestPost, Conversation: c.Flood}, c.Flood
		}
		if err := u.postOn(b, p, subject); err != nil {
			return err
		}
	}
	return u.postOn(b, Post{Kind: DeskPost}, u.group.Name)
}

// AnswerGreeting decides, once, whether mail from up to back before the first look is shown, too.
func (d *Desk) AnswerGreeting(ctx context.Context, by By, mailbox string, back time.Duration) error {
	return d.change(ctx, by, func(u *use) error {
		if _, ok := u.group.Mailbox(mailbox); !ok {
			return refuse(NotFound, "%s is no longer one of this team's mailboxes.", mailbox)
		}
		b, err := u.Box(mailbox)
		if err != nil {
			return err
		}
		if b.Decided != Undecided {
			return refuse(Already, "%s already decided that.", u.called(b.By))
		}
		b.Decided, b.By = FromNow, by.Member.ID
		if back > 0 {
			b.Decided, b.Window.Since = ShowBack, b.Looked.Add(-back)
			if err := u.ForgetUnwanted(mailbox, b.Window.Since); err != nil {
				return err
			}
		}
		if err := u.SetBox(mailbox, b); err != nil {
			return err
		}
		u.fates = append(u.fates, mailbox)
		for _, board := range u.group.Boards {
			p, err := u.FindPost(fmt.Sprintf("%s:%s:%s", GreetingPost, mailbox, board.Name), "", "")
			if errors.Is(err, ErrNone) {
				continue
			}
			if err != nil {
				return err
			}
			if err := u.raise(PostsWhere{ID: p.ID}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Unknown returns those of the refs that were neither kept nor given up.
func (d *Desk) Unknown(ctx context.Context, mailbox string, refs []Ref) (unknown []Ref, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		unknown, err = tx.Unknown(mailbox, refs)
		return err
	})
	return unknown, err
}

// Receive keeps a mail under its identity, finds or opens its conversation, wakes it, and makes or
// raises the posts that show it. A second arrival of the same does nothing.
func (d *Desk) Receive(ctx context.Context, a Arrival) error {
	group, _, err := d.groupOfMailbox(strings.TrimSuffix(a.Mailbox, sentSuffix))
	if err != nil {
		return err
	}
	var kept Mail
	err = d.change(ctx, By{Group: group.Name}, func(u *use) (err error) {
		kept, err = u.receive(a)
		return err
	})
	if err == nil && kept.ID != 0 {
		d.log.Info("a mail was picked up", "mailbox", a.Mailbox, "mail", kept.ID, "conversation", kept.Conversation)
	}
	return err
}

// receive returns the mail that was kept; zero if there was nothing to keep.
func (u *use) receive(a Arrival) (none Mail, _ error) {
	seen, err := u.Sighting(a.Mailbox, a.Ref)
	if err == nil && (seen.Mail != 0 || seen.Faults == 0) {
		return none, nil
	}
	if err != nil && !errors.Is(err, ErrNone) {
		return none, err
	}
	m := a.Mail
	m.Group, m.Received, m.Direction = u.group.Name, u.now, In
	m.Mailbox = strings.TrimSuffix(a.Mailbox, sentSuffix)
	sighting := Sighting{Mailbox: a.Mailbox, Ref: a.Ref, At: u.now}

	if err := u.judgeAuthor(&m); err != nil {
		return none, err
	}
	if ours, err := u.ours(m); err != nil || ours != nil {
		if ours != nil {
			sighting.Mail = ours.Mail
			err = u.PutSighting(sighting)
		}
		return none, err
	}
	if again, err := u.copyOf(a, &m); err != nil {
		return none, err
	} else if again != 0 {
		return none, u.receiveAgain(a, again, sighting)
	}

	id, mentions, err := u.joins(m)
	if err != nil {
		return none, err
	}
	// That From names the team proves nothing about a mail in the inbox; what is in Sent, we wrote.
	outside := a.Sent
	if a.Sent && id == 0 {
		// What it answers may be seen only after it: it stays unknown, and is looked at again, for a day.
		if answers := len(m.InReplyTo)+len(m.References) > 0; answers && u.now.Sub(a.Seen) < sentPatience {
			return none, nil
		}
		return none, u.PutSighting(sighting) // the team wrote to somebody about something else
	}
	var c Conversation
	if id == 0 {
		c = u.opened(a, m)
		c.Mentions = mentions
		if err := u.recognise(&c, m); err != nil {
			return none, err
		}
		if err := u.AddConversation(&c); err != nil {
			return none, err
		}
	} else if c, err = u.Conversation(id); err != nil {
		return none, err
	}

	if err := u.keep(&c, &m, outside); err != nil {
		return none, err
	}
	sighting.Mail = m.ID
	if err := u.PutSighting(sighting); err != nil {
		return none, err
	}
	if id == 0 {
		err = u.show(&c, m, "")
	} else {
		err = u.followUp(c, m)
	}
	if err != nil {
		return m, err
	}
	return m, u.tellWatchers(c, m)
}

// show begins a conversation in chat: by a card, by the digest of the flood that it is part of, or
// by the held list.
func (u *use) show(c *Conversation, m Mail, detail string) error {
	if c.State == New {
		if err := u.inFlood(c); err != nil {
			return err
		}
	}
	if err := u.SetConversation(*c); err != nil {
		return err
	}
	if err := u.logged(*c, Event{Move: MoveOpen, Mail: m.ID, Detail: detail}); err != nil {
		return err
	}
	switch {
	case c.State == Held:
		return u.postOrRaise(Post{Kind: HeldPost}, u.group.Name)
	case c.Flood != 0:
		return u.postOrRaise(Post{Kind: DigestPost, Conversation: c.Flood}, c.Flood)
	}
	return u.post(Post{Kind: CardPost, Conversation: c.ID}, c.ID)
}

// judgeAuthor decides whether somebody else than From counts as the sender. What a colleague forwards
// and what the team's own website sends was written by the one named inside. Anybody else may
// forward a stranger's mail or ask for answers elsewhere, and stays its sender: Reply-To is obeyed and
// shown, but nobody is answered who is merely quoted.
func (u *use) judgeAuthor(m *Mail) error {
	if u.group.Own(m.Author) {
		m.Author = Address{}
	}
	if m.Author.Addr == "" || u.group.Own(m.From) {
		return nil
	}
	team, err := u.Present(u.group.Name)
	if err != nil {
		return err
	}
	colleague := slices.ContainsFunc(team, func(t Member) bool { return strings.EqualFold(t.Email, m.From.Addr) && t.Email != "" })
	form := slices.ContainsFunc(m.ReplyTo, m.Author.Is) && (m.NoAutoAnswer || u.group.ownDomain(m.From))
	if !colleague && !form {
		m.Author = Address{}
	}
	return nil
}

// ours finds the reply that a mail is the copy of: our own mail coming back through the Sent
// folder, a list or a loop is no news.
func (u *use) ours(m Mail) (*Reply, error) {
	if m.Ours == "" {
		return nil, nil
	}
	r, err := u.ReplyMarked(m.Ours)
	if errors.Is(err, ErrNone) || err == nil && (r.MessageID != m.MessageID || r.Group != u.group.Name) {
		return nil, nil // another installation, another team's, or a customer's program that copies headers
	}
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// copyOf finds the kept mail that m is a copy of. A mail without a Message-ID that stands beside its
// twin in one folder is no copy but another one: an alarm, a web form sent twice.
func (u *use) copyOf(a Arrival, m *Mail) (MailID, error) {
	id, err := u.SameMail(u.group.Name, Fingerprint(*m))
	if errors.Is(err, ErrNone) {
		return 0, nil
	}
	if err != nil || m.MessageID != "" {
		return id, err
	}
	places, err := u.Sightings(a.Mailbox, id)
	if err != nil || !beside(places, a.Ref) {
		return id, err
	}
	m.Digest += fmt.Sprintf(" again as %s %s %s", a.Mailbox, a.Ref.Validity, a.Ref.UID)
	return 0, nil
}

// beside tells whether one of the places is in the same folder under the same numbering.
func beside(places []Sighting, ref Ref) bool {
	return slices.ContainsFunc(places, func(p Sighting) bool { return p.Ref.Validity == ref.Validity && p.Ref.UID != ref.UID })
}

// receiveAgain notes another place of a mail that is kept already. In the same mailbox under the
// same numbering, it is there because somebody put it there: that reopens it.
func (u *use) receiveAgain(a Arrival, id MailID, s Sighting) error {
	s.Mail = id
	m, err := u.Mail(id)
	if err != nil {
		return err
	}
	places, err := u.Sightings(a.Mailbox, id)
	if err != nil {
		return err
	}
	if err := u.PutSighting(s); err != nil {
		return err
	}
	c, err := u.Conversation(m.Conversation)
	if err != nil {
		return err
	}
	if !beside(places, a.Ref) || c.Open() || m.Direction == Out || c.JoinedTo != 0 || !c.Erased.IsZero() {
		return u.process(c, New)
	}
	unseen := c.unseen()
	if err := u.wake(&c, "it was put back into "+a.Mailbox); err != nil || unseen || c.Flood != 0 {
		return err
	}
	return u.pointer(c, m)
}

// joins finds the conversation that a mail belongs to by what it answers, or by a ticket number in
// its subject if its sender takes part there; otherwise the ticket that it merely mentions.
// Subject alone never joins.
func (u *use) joins(m Mail) (id ConversationID, mentions int, err error) {
	named := slices.Clone(m.InReplyTo)
	for _, r := range slices.Backward(m.References) {
		named = append(named, r)
	}
	ids := named
	if m.MessageID != "" {
		ids = append(slices.Clone(named), m.MessageID)
	}
	known, err := u.References(u.group.Name, ids)
	if err != nil {
		return 0, 0, err
	}
	for _, r := range named {
		if ref, ok := known[r]; ok {
			return ref.Conversation, 0, nil
		}
	}
	// A child that came before its parent has named it. A Message-ID that a kept mail has already
	// is one used twice, and says nothing.
	if ref, ok := known[m.MessageID]; ok && !ref.Own {
		return ref.Conversation, 0, nil
	}
	if mark := m.Report.Mark; mark != "" { // its server wrote a Message-ID of its own into our mail
		r, err := u.ReplyMarked(mark)
		if err == nil && r.Group == u.group.Name {
			return r.Conversation, 0, nil
		}
		if err != nil && !errors.Is(err, ErrNone) {
			return 0, 0, err
		}
	}
	if m.TicketRef == 0 {
		return 0, 0, nil
	}
	id, err = u.Numbered(m.TicketRef)
	if errors.Is(err, ErrNone) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	c, err := u.Conversation(id)
	for err == nil && c.JoinedTo != 0 {
		id = c.JoinedTo
		c, err = u.Conversation(id)
	}
	if err != nil || c.Group != u.group.Name {
		return 0, 0, err
	}
	people, err := u.Participants(id)
	if err != nil || !slices.ContainsFunc(people, m.From.Is) || m.Proof == Forged { // who only claims to be them can guess a number
		return 0, c.Number, err
	}
	return id, 0, nil
}

// opened is the conversation that a mail begins.
func (u *use) opened(a Arrival, m Mail) Conversation {
	c := Conversation{
		Group: u.group.Name, State: New, Subject: m.Subject, With: m.Sender(), Mailbox: m.Mailbox,
		Since: u.now, Opened: u.now, Touched: u.now, Waits: u.now, Files: len(m.Attachments),
	}
	if !a.Seen.IsZero() && a.Seen.Before(u.now) {
		c.Waits = a.Seen.UTC().Truncate(time.Microsecond)
	}
	if c.HeldFor = heldFor(m); c.HeldFor != "" {
		c.State = Held
	}
	return c
}

// keep adds a mail to its conversation, with its Message-IDs and the people that it brings in.
func (u *use) keep(c *Conversation, m *Mail, outside bool) error {
	m.Conversation = c.ID
	if outside {
		m.Direction = Out
	}
	if !c.Erased.IsZero() { // it begins anew
		c.Subject, c.With, c.Files, c.First, c.Erased = m.Subject, m.Sender(), len(m.Attachments), 0, time.Time{}
		if m.Direction == Out && len(m.To) > 0 {
			c.With = m.To[0]
		}
		if err := u.recognise(c, *m); err != nil {
			return err
		}
	}
	if m.Proof != Forged {
		m.Contact = c.Contact
	}
	if m.Wakes() {
		c.Seq++
		m.Seq = c.Seq
	}
	people := append(slices.Concat(m.To, m.Cc, m.ReplyTo), m.From, m.Author)
	if c.First != 0 && m.Asks() {
		known, err := u.Participants(c.ID)
		if err != nil {
			return err
		}
		part := slices.ContainsFunc(known, m.From.Is) || c.With.Is(m.From)
		m.NewPerson = !part || m.Proof == Forged
		diverted := u.diverted(*c, *m, known)
		switch {
		case len(diverted) > 0 && !m.NewPerson:
			c.NewPerson = diverted[0]
			people = slices.DeleteFunc(people, func(a Address) bool { return slices.ContainsFunc(diverted, a.Is) })
		case !part && !u.group.Own(m.From):
			c.NewPerson = m.Sender()
			if c.NewPerson.Addr == "" {
				c.NewPerson.Name = "somebody without an address"
				if len(m.ReplyTo) > 0 {
					c.NewPerson = m.ReplyTo[0]
				}
			}
		}
	}
	if m.NewPerson || !m.Wakes() {
		people = nil
	}
	people = slices.DeleteFunc(people, func(a Address) bool { return a.Addr == "" || u.group.Own(a) })
	if err := u.AddMail(m); err != nil {
		return err
	}
	if len(people) > 0 {
		if err := u.AddParticipants(c.ID, people); err != nil {
			return err
		}
	}
	refs := map[string]Reference{}
	for _, id := range slices.Concat(m.InReplyTo, m.References) {
		refs[id] = Reference{Conversation: c.ID}
	}
	if m.MessageID != "" {
		refs[m.MessageID] = Reference{Conversation: c.ID, Own: true}
	}
	if err := u.AddReferences(u.group.Name, refs); err != nil {
		return err
	}
	if c.First == 0 {
		c.First = m.ID
	}
	c.Last = m.ID
	c.Mails++
	return nil
}

// diverted are those to whom a follow-up asks for answers though they have no part in its conversation, and nothing
// proves that it comes from whom it says. Machines ask for answers to an address of its own for each mail: below their
// own domain, where nobody else is, they may. known are those who have a part in it.
func (u *use) diverted(c Conversation, m Mail, known []Address) (strangers []Address) {
	if m.ID == c.First && m.ID != 0 || m.Proof == Proved || m.Direction == Out {
		return nil
	}
	_, domain, _ := strings.Cut(strings.ToLower(m.From.Addr), "@")
	for _, a := range m.ReplyTo {
		_, own, _ := strings.Cut(strings.ToLower(a.Addr), "@")
		if !strings.HasSuffix(own, "."+domain) && !a.Is(m.From) && !c.With.Is(a) && !slices.ContainsFunc(known, a.Is) && !u.group.Own(a) {
			strangers = append(strangers, a)
		}
	}
	return strangers
}

// followUp shows a mail in the thread of its conversation and lets it wake whom it concerns.
func (u *use) followUp(c Conversation, m Mail) error {
	answered := m.Direction == Out && m.Wakes()
	if answered { // first, for it gives a card to what has none
		if err := u.move(&c, step{move: MoveOutside}, ""); err != nil {
			return err
		}
	}
	if err := u.inThread(c, Post{Kind: MailPost, Mail: m.ID}, m.ID); err != nil {
		return err
	}
	switch {
	case answered:
		return nil
	case !m.Wakes(): // also the mailbox's own vacation notice in Sent
		if err := u.SetConversation(c); err != nil {
			return err
		}
		if err := u.logged(c, Event{Move: LogNotice, Mail: m.ID}); err != nil {
			return err
		}
		return u.raise(PostsWhere{Conversation: c.ID, Kind: CardPost})
	}
	was, unseen := c.State, c.unseen()
	if err := u.wake(&c, ""); err != nil {
		return err
	}
	if unseen || c.Flood != 0 {
		return nil // its card, now or when it is shown, has it all
	}
	if c.State == New || was == Closed || was == Spam {
		return u.pointer(c, m)
	}
	present, err := u.present(c.Owner)
	if err != nil || present {
		return err
	}
	return u.pointer(c, m)
}

// wake moves a conversation as a mail from the other side does.
func (u *use) wake(c *Conversation, detail string) error {
	present, err := u.present(c.LastOwner)
	if err != nil {
		return err
	}
	unseen := c.unseen()
	if unseen { // a flood may also come as answers to what is held
		if err := u.inFlood(c); err != nil {
			return err
		}
	}
	if err := u.move(c, step{move: MoveMailIn, present: present}, detail); err != nil || !unseen {
		return err
	}
	return u.unheld(c)
}

// unseen tells whether a conversation is on the held list, or was only ever there.
func (c Conversation) unseen() bool { return c.State == Held || c.Outcome == Discarded }

func (u *use) present(id MemberID) (bool, error) {
	if id == "" {
		return false, nil
	}
	all, err := u.Present(u.group.Name)
	return among(all, id), err
}

func among(team []Member, id MemberID) bool {
	return slices.ContainsFunc(team, func(m Member) bool { return m.ID == id })
}

// pointer puts one line at the channel's bottom that points to the card, unless too many stand there.
func (u *use) pointer(c Conversation, m Mail) error {
	if room, err := u.room(PointerPost); err != nil || room <= 0 {
		return err // the card and the queue have it
	}
	return u.post(Post{Kind: PointerPost, Conversation: c.ID, Mail: m.ID}, fmt.Sprintf("%d.%d", m.ID, c.Seq))
}

// Fault notes that a mail itself made trouble. After the third time its bytes are kept, and it is
// held.
func (d *Desk) Fault(ctx context.Context, mailbox string, ref Ref, raw BlobID, why error) error {
	group, _, err := d.groupOfMailbox(strings.TrimSuffix(mailbox, sentSuffix))
	if err != nil {
		return err
	}
	return d.change(ctx, By{Group: group.Name}, func(u *use) error {
		s, err := u.Sighting(mailbox, ref)
		if err != nil && !errors.Is(err, ErrNone) {
			return err
		}
		if err == nil && s.Faults == 0 {
			return nil // kept meanwhile
		}
		s.Mailbox, s.Ref, s.At, s.Error = mailbox, ref, u.now, why.Error()
		s.Faults++
		if s.Faults < maxFaults || strings.HasSuffix(mailbox, sentSuffix) {
			return u.PutSighting(s)
		}
		m := Mail{
			Group: u.group.Name, Mailbox: mailbox, Direction: In, Received: u.now, Raw: raw,
			Subject: "(a mail that could not be read)", Fault: why.Error(),
			Digest: fmt.Sprintf("unread %s %s %s", mailbox, ref.Validity, ref.UID),
		}
		c := u.opened(Arrival{}, m)
		c.State, c.HeldFor = Held, HeldUnread
		if err := u.AddConversation(&c); err != nil {
			return err
		}
		if err := u.keep(&c, &m, false); err != nil {
			return err
		}
		s.Mail = m.ID
		if err := u.PutSighting(s); err != nil {
			return err
		}
		return u.show(&c, m, "it could not be read")
	})
}

// Unsettled lists the mails of a mailbox whose fate on the server is due, oldest first.
func (d *Desk) Unsettled(ctx context.Context, mailbox string, limit int) (due []Settlement, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		due, err = tx.Unsettled(mailbox, limit)
		return err
	})
	return due, err
}

// Settled notes that a mail's fate was carried out.
func (d *Desk) Settled(ctx context.Context, mailbox string, s Settlement) error {
	return d.store.Change(ctx, func(tx Tx) error { return tx.Settled(mailbox, s) })
}
