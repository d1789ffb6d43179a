package ticketing

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// NewMailInput is a mail to somebody who has not written first.
type NewMailInput struct {
	Mailbox string // whose address it comes from; empty: the group's first
	To, Cc  []Address
	Subject string
	Text    string
	Files   []Attachment
	CloseAs string // outcome to close with once it is sent
}

// NewMail opens a conversation of the acting member's with a mail of theirs, which is sent after the
// group's undo window. What is answered to it comes into its thread.
func (d *Desk) NewMail(ctx context.Context, by By, in NewMailInput) (r Reply, err error) {
	in.Subject, in.Text = OneLine(in.Subject, 300), strings.TrimSpace(in.Text)
	switch {
	case len(in.To) == 0:
		return r, refuseField("to", "There is nobody to send it to: give an address.")
	case in.Subject == "":
		return r, refuseField("subject", "Say in a few words what it is about.")
	case in.Text == "" && len(in.Files) == 0:
		return r, refuseField("text", "There is nothing to send: write something first.")
	}
	err = d.change(ctx, by, func(u *use) error {
		for _, a := range slices.Concat(in.To, in.Cc) {
			if u.group.Own(a) {
				return refuseField("to", "%s is this team's own address: it would come back as a new mail.", a.Addr)
			}
		}
		if _, ok := u.group.Mailbox(in.Mailbox); in.Mailbox != "" && !ok {
			return refuseField("mailbox", "There is no mailbox “%s” here.", OneLine(in.Mailbox, 40))
		}
		c, err := u.openMatter(in.Subject, in.To[0], "", 0)
		if err != nil {
			return err
		}
		if err := u.AddParticipants(c.ID, slices.Concat(in.To, in.Cc)); err != nil {
			return err
		}
		member, err := u.Member(by.Member.ID)
		if err != nil {
			return err
		}
		from := c
		from.Mailbox = in.Mailbox
		dr := Draft{From: u.from(from, member), Subject: in.Subject}
		r, err = u.queue(&c, dr, ReplyInput{Text: in.Text, To: in.To, Cc: in.Cc, Files: in.Files, CloseAs: in.CloseAs}, member, "", "")
		if err != nil || in.Mailbox == "" {
			return err
		}
		r.Mailbox = in.Mailbox
		return u.SetReply(r)
	})
	return r, err
}

// openMatter opens a conversation without mail, which the acting member has. known is whom it is with;
// 0: whoever has the address.
func (u *use) openMatter(summary string, with Address, note string, known ContactID) (Conversation, error) {
	c := Conversation{
		Group: u.group.Name, State: New, Subject: summary, With: with, Note: strings.TrimSpace(note),
		Since: u.now, Opened: u.now, Touched: u.now, Waits: u.now,
	}
	if known != 0 {
		k, err := u.contact(known)
		if err != nil {
			return c, err
		}
		c.Contact, c.Match = k.ID, ByHand
	} else if with.Addr != "" {
		k, err := u.whose(addressKey(with.Addr))
		if err != nil {
			return c, err
		}
		if k.ID != 0 {
			c.Contact, c.Match, c.Matched = k.ID, AddressMatch, with.Addr
		}
	}
	if err := u.AddConversation(&c); err != nil {
		return c, err
	}
	if with.Addr != "" {
		if err := u.AddParticipants(c.ID, []Address{with}); err != nil {
			return c, err
		}
	}
	if err := u.post(Post{Kind: CardPost, Conversation: c.ID}, c.ID); err != nil {
		return c, err
	}
	if err := u.logged(c, Event{Move: MoveOpen}); err != nil {
		return c, err
	}
	return c, u.move(&c, step{move: MoveTake}, "")
}

// TicketInput is a matter without mail: a phone call, a visit.
type TicketInput struct {
	Summary string
	With    Address   // whom it is with; if Contact is given, a name and the first address are taken from there
	Contact ContactID // 0: whoever has the address
	Note    string    // what was said
	Outcome string    // it is done already; empty: it stays open
}

// OpenTicket opens a ticket for a matter without mail. The acting member has it.
func (d *Desk) OpenTicket(ctx context.Context, by By, in TicketInput) (c Conversation, err error) {
	if in.Summary = OneLine(in.Summary, 200); in.Summary == "" {
		return c, refuseField("summary", "Say in a few words what it is about.")
	}
	err = d.change(ctx, by, func(u *use) error {
		if in.Contact != 0 {
			k, err := u.contact(in.Contact)
			if err != nil {
				return err
			}
			in.With = Address{Name: k.Name}
			if i := slices.IndexFunc(k.Addresses, func(a string) bool { return !strings.HasPrefix(a, "@") }); i >= 0 {
				in.With.Addr = k.Addresses[i]
			}
		}
		if c, err = u.openMatter(in.Summary, in.With, in.Note, in.Contact); err != nil || in.Outcome == "" {
			return err
		}
		in.Outcome = OneLine(in.Outcome, 100)
		if err := u.move(&c, step{move: MoveClose, outcome: in.Outcome}, in.Outcome); err != nil {
			return err
		}
		return u.inThread(c, Post{Kind: EventPost, Event: u.event}, u.event)
	})
	return c, err
}

// Forward points a colleague to a conversation, by a direct message with a note.
func (d *Desk) Forward(ctx context.Context, by By, id ConversationID, to MemberID, note string) (c Conversation, err error) {
	err = d.change(ctx, by, func(u *use) error {
		if c, err = u.conversation(id); err != nil {
			return err
		}
		if err := u.colleague(to); err != nil {
			return err
		}
		if err := u.logged(c, Event{Move: LogForward, Detail: OneLine(note, 500)}); err != nil {
			return err
		}
		return u.direct(to, Post{Kind: ForwardPost, Conversation: c.ID, Event: u.event}, u.event)
	})
	return c, err
}

// ForwardPage does so with a page.
func (d *Desk) ForwardPage(ctx context.Context, by By, id PageID, to MemberID, note string) (p Page, err error) {
	err = d.change(ctx, by, func(u *use) error {
		if p, err = u.page(id); err != nil {
			return err
		}
		if err := u.colleague(to); err != nil {
			return err
		}
		if err := u.log(Event{Contact: p.Contact, Move: LogForward, Detail: OneLine(note, 500)}); err != nil {
			return err
		}
		return u.direct(to, Post{Kind: ForwardPost, Subject: strconv.FormatInt(int64(p.ID), 10), Event: u.event}, u.event)
	})
	return p, err
}

// colleague refuses who is not in the group.
func (u *use) colleague(id MemberID) error {
	here, err := u.present(id)
	if err == nil && !here {
		return refuseField("member", "That person is not in %s.", u.group.Title)
	}
	return err
}

// tellWatchers tells those who watch a contact that they have written.
func (u *use) tellWatchers(c Conversation, m Mail) error {
	if !m.Asks() || m.Proof == Forged || m.ID == c.First && c.Proof == Forged {
		return nil
	}
	k, err := u.whose(addressKey(m.Sender().Addr)) // in a conversation others may write, too
	if err != nil {
		return err
	}
	if k.ID == 0 {
		if c.Contact == 0 {
			return nil
		}
		if k, err = merged(u, c.Contact); err != nil {
			return err
		}
	}
	all, err := u.Family(k.ID)
	if err != nil {
		return err
	}
	told := map[MemberID]bool{}
	for _, one := range all {
		watchers, err := u.Watchers(one.ID)
		if err != nil {
			return err
		}
		for _, w := range watchers {
			if told[w] {
				continue
			}
			told[w] = true
			if err := u.direct(w, Post{Kind: WatchPost, Conversation: c.ID, Mail: m.ID, Subject: strconv.FormatInt(int64(k.ID), 10)}, m.ID); err != nil {
				return err
			}
		}
	}
	return nil
}
