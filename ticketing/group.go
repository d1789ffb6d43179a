package ticketing

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Group is a team, as configured: its mailboxes, its boards and its habits.
type Group struct {
	Name      string // key; lower case, no spaces
	Title     string // what people read
	From      Address
	Signature string
	Outcomes  []string // what closing offers; never empty
	Leads     []string // handles or "platform:handle"; empty: any member may do what a lead may
	Admins    []string
	Tag       string        // the form of the ticket tag, with one %d: "[#%d]"
	Hours     Hours         // when it is there
	Overdue   time.Duration // a new conversation waits too long after this, counted in Hours
	Idle      time.Duration // a taken one lies idle too long after this, counted in Hours
	Answered  time.Duration // an answered one is asked about after so long without an answer; 0: never
	Flood     int           // more new cards than this in five minutes are collected in a digest; 0: never
	Undo      time.Duration // a reply can be stopped for so long
	Keep      Keep
	Zone      *time.Location
	Matchers  []Match          // how senders are recognised, in this order; nil: DefaultMatchers
	Numbers   []*regexp.Regexp // each captures a reference number in a subject
	Mailboxes []Mailbox
	Boards    []Board
}

// Mailbox is one watched folder of a mail account.
type Mailbox struct {
	Name    string  // key, unique in an installation
	Address Address // whom mail to it is written to
	Folder  string
	// FileSent: whether GroupMail files the copy of a sent mail ("append"); else the server does, or nobody.
	FileSent bool
	Leaves   bool // its mails stay on the server as they are, whatever becomes of them here
	Since    Since
}

// Show says how much of a mail a board's cards and notifications show.
type Show string

const (
	ShowFull    Show = "full"
	ShowSubject Show = "subject"
	ShowSender  Show = "sender"
	// ShowAuto is full in a private channel without guests, else sender.
	ShowAuto Show = ""
)

// Board is one channel of one platform. It belongs to exactly one group.
type Board struct {
	Name     string // key: "platform/channel"
	Platform string
	Channel  string // the platform's id
	Show     Show
}

// MemberID is a person's account on a platform: "mattermost:8xk3…".
type MemberID string

// Member is a person of a team.
type Member struct {
	ID        MemberID
	Name      string // what people call them
	Handle    string // what is typed after @
	Email     string // if the platform tells
	FromName  string // personal From name; empty: the group's
	Signature string // personal signature; empty: the group's
	Replied   bool   // has sent a reply before

	Status string    // what they say of themselves: "not in until Thursday"; see StatusAt
	Until  time.Time // it counts until then; zero: until it is changed
	Away   bool      // it means that they are not in; see AwayAt
	Zone   string    // of the IANA's list; empty: the group's
}

// Called is how others read them.
func (m Member) Called() string {
	switch {
	case m.Name != "":
		return m.Name
	case m.Handle != "":
		return "@" + m.Handle
	case m.ID == "":
		return "nobody"
	}
	return string(m.ID)
}

// Lead tells whether m may do what a lead may.
func (g Group) Lead(m Member) bool { return len(g.Leads) == 0 || Names(g.Leads, m) }

// leadsAmong are those of a team who are named as leads.
func (g Group) leadsAmong(team []Member) (all []MemberID) {
	for _, m := range team {
		if Names(g.Leads, m) {
			all = append(all, m.ID)
		}
	}
	return all
}

// TroubleGoesTo is who is told of trouble: the admins, else the leads.
func (g Group) TroubleGoesTo() []string {
	if len(g.Admins) > 0 {
		return g.Admins
	}
	return g.Leads
}

// Names tells whether a list of handles, "platform:handle" or ids names a member.
func Names(list []string, m Member) bool {
	platform, _, _ := strings.Cut(string(m.ID), ":")
	return slices.ContainsFunc(list, func(s string) bool {
		s = strings.TrimPrefix(s, "@")
		return strings.EqualFold(s, m.Handle) || strings.EqualFold(s, platform+":"+m.Handle) || s == string(m.ID)
	})
}

// Own tells whether an address is the team's own: its mailboxes' and its From.
func (g Group) Own(a Address) bool {
	return g.From.Is(a) || slices.ContainsFunc(g.Mailboxes, func(m Mailbox) bool { return m.Address.Is(a) })
}

// ownDomain tells whether an address is of the domain of one of the team's mailboxes.
func (g Group) ownDomain(a Address) bool {
	_, domain, _ := strings.Cut(a.Addr, "@")
	return domain != "" && slices.ContainsFunc(g.Mailboxes, func(m Mailbox) bool {
		_, own, _ := strings.Cut(m.Address.Addr, "@")
		return strings.EqualFold(own, domain)
	})
}

// Mailbox finds a mailbox by its name.
func (g Group) Mailbox(name string) (Mailbox, bool) {
	i := slices.IndexFunc(g.Mailboxes, func(m Mailbox) bool { return m.Name == name })
	if i < 0 {
		return Mailbox{}, false
	}
	return g.Mailboxes[i], true
}

// Board finds a board by its name.
func (g Group) Board(name string) (Board, bool) {
	i := slices.IndexFunc(g.Boards, func(b Board) bool { return b.Name == name })
	if i < 0 {
		return Board{}, false
	}
	return g.Boards[i], true
}

// TicketTag writes a ticket's number as it stands in subjects: "[#12]".
func (g Group) TicketTag(number int) string {
	if number == 0 {
		return ""
	}
	return fmt.Sprintf(g.Tag, number)
}
