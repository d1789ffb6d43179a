package ticketing

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Drawing is all that a post shows, read in one instant.
type Drawing struct {
	Post         Post
	Group        Group
	Board        Board
	Root         string  // the platform's id of the card in whose thread the post stands
	Elder        bool    // an earlier line of the thread is yet to be posted
	Known        Contact // card: whom it is with, if they are known; watch: who is watched
	Perhaps      Contact // card: whom it may be with
	Card         string  // pointer: the platform's id of the conversation's card
	Conversation Conversation
	First        Mail // that the card shows; zero for a matter without mail
	Newest       Mail // card: the newest of the other side that wakes; zero if there is none
	Failure      Mail // card: the report that an answer did not arrive, if nothing has come or gone since; else zero
	Mail         Mail // mail and pointer posts
	Reply        Reply
	Event        Event
	Todo         Todo               // to-do posts
	TodoContact  Contact            // whom that is about; zero: nobody known
	OwnerLeft    bool               // to-do posts: whose it is is no longer in the group
	TodosOpen    int                // event posts: of a closing, how many to-dos of the conversation stay open
	Events       []Event            // card, waiting or spam: what was done, oldest first
	Replies      []Reply            // card: replies on their way
	lines        map[ReplyID]string // card: the platform's ids of their lines in the thread
	Box          BoxMemory          // greeting
	Tally        Tally              // held, overdue, desk
	Troubles     []Trouble          // desk: those that last
	Boxes        []BoxNews          // desk
	Digest       Digest             // digest
	Opening      Opening            // opening
	Left         Left               // left
	Page         Page               // forward: the page that somebody is pointed to
	Others       []Group            // card: the groups that it can be moved to
	Team         []Member           // card: who is present, to name a colleague who wrote in
	Now          time.Time
	names        map[MemberID]Member
}

// Named is a member whom the drawing mentions.
func (d Drawing) Named(id MemberID) Member {
	if m, ok := d.names[id]; ok {
		return m
	}
	return Member{ID: id}
}

// Line is the platform's id of a reply's line in the card's thread; empty while it is not posted.
func (d Drawing) Line(id ReplyID) string { return d.lines[id] }

// Drawing reads what a post shows.
func (d *Desk) Drawing(ctx context.Context, id PostID) (dr Drawing, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		dr = Drawing{Now: d.clock(), names: map[MemberID]Member{}}
		if dr.Post, err = tx.Post(id); err != nil {
			return err
		}
		return d.fill(tx, &dr)
	})
	return dr, err
}

func (d *Desk) fill(tx Tx, dr *Drawing) (err error) {
	p := dr.Post
	dr.Group, _ = d.Group(p.Group)
	dr.Board, _ = dr.Group.Board(p.Board)
	who := []MemberID{}
	if p.Root != 0 {
		root, err := tx.Post(p.Root)
		if err != nil {
			return err
		}
		dr.Root = root.Message
		if p.Message == "" {
			if dr.Elder, err = tx.Elder(p); err != nil {
				return err
			}
		}
	}
	if p.Conversation != 0 {
		if dr.Conversation, err = tx.Conversation(p.Conversation); err != nil {
			return err
		}
		c := dr.Conversation
		who = append(who, c.Owner, c.LastOwner, c.ClosedBy)
		if c.First != 0 && p.Kind != ReplyPost {
			if dr.First, err = tx.Mail(c.First); err != nil {
				return err
			}
		}
	}
	if p.Kind == CardPost {
		dr.Others = d.OtherGroups(p.Group)
		if dr.Team, err = tx.Present(p.Group); err != nil {
			return err
		}
	}
	if p.Kind == CardPost || p.Kind == WatchPost {
		for id, who := range map[ContactID]*Contact{dr.Conversation.Contact: &dr.Known, dr.Conversation.Perhaps: &dr.Perhaps} {
			if id == 0 {
				continue
			}
			if *who, err = merged(tx, id); err != nil && !errors.Is(err, ErrNone) {
				return err
			}
		}
		if watched, err := strconv.ParseInt(p.Subject, 10, 64); p.Kind == WatchPost && err == nil {
			if dr.Known, err = merged(tx, ContactID(watched)); err != nil {
				return err
			}
		}
		if dr.Replies, err = tx.Replies(p.Conversation, Asking, Pending, Sending, Unknown, Failed); err != nil {
			return err
		}
		var w Wanted
		for _, r := range dr.Replies {
			w.Posts = append(w.Posts, postKey(ReplyPost, r.ID, dr.Board))
		}
		rows, err := tx.Rows(w)
		if err != nil {
			return err
		}
		dr.lines = map[ReplyID]string{}
		for _, r := range dr.Replies {
			if line := rows.Posts[postKey(ReplyPost, r.ID, dr.Board)]; !line.Gone {
				dr.lines[r.ID] = line.Message
			}
		}
		if dr.Newest, err = newestIn(tx, dr.Conversation, dr.First); err != nil {
			return err
		}
		if c := dr.Conversation; c.Last != c.First && c.Last != dr.Newest.ID && c.Last != 0 {
			last, err := tx.Mail(c.Last)
			if err != nil && !errors.Is(err, ErrNone) {
				return err
			}
			if last.Bounce {
				dr.Failure = last
			}
		}
		if c := dr.Conversation; c.State == Spam || c.State == Waiting {
			if dr.Events, err = tx.Events(p.Conversation); err != nil {
				return err
			}
		}
	}
	if (p.Kind == PointerPost || p.Kind == OverduePost || p.Kind == WatchPost || p.Kind == ForwardPost || p.Kind == TodoPost || p.Kind == AskPost) && p.Conversation != 0 {
		card, err := tx.FindPost(cardKey(p.Conversation, dr.Board), "", "")
		if err != nil && !errors.Is(err, ErrNone) {
			return err
		}
		dr.Card = card.Message
	}
	if p.Mail != 0 {
		if dr.Mail, err = tx.Mail(p.Mail); err != nil {
			return err
		}
	}
	if p.Reply != 0 {
		if dr.Reply, err = tx.Reply(p.Reply); err != nil {
			return err
		}
	}
	if p.Kind == ForwardPost && p.Conversation == 0 {
		page, err := strconv.ParseInt(p.Subject, 10, 64)
		if err != nil {
			return err
		}
		if dr.Page, err = tx.Page(PageID(page)); err != nil {
			return err
		}
	}
	if p.Event != 0 {
		if dr.Event, err = tx.Event(p.Event); err != nil {
			return err
		}
	}
	if p.Todo != 0 {
		if err := fillTodo(tx, dr); err != nil {
			return err
		}
		who = append(who, dr.Todo.Owner, dr.Todo.By, dr.Todo.DoneBy)
	}
	dr.elsewhere()
	if dr.Event.Move == MoveClose {
		open, err := tx.Todos(TodoQuery{Conversation: p.Conversation, Open: true, Limit: 100})
		if err != nil {
			return err
		}
		dr.TodosOpen = len(open)
	}
	switch p.Kind {
	case HeldPost, OverduePost:
		if dr.Tally, err = tx.Tally(p.Group); err != nil {
			return err
		}
	case DeskPost:
		v, err := d.deskView(tx, dr.Group)
		if err != nil {
			return err
		}
		dr.Tally, dr.Troubles, dr.Boxes = v.Tally, v.Troubles, v.Boxes
		for _, h := range v.Tally.Holders {
			who = append(who, h.Member)
		}
	case OpeningPost:
		if dr.Opening, err = opening(tx, p); err != nil {
			return err
		}
	case LeftPost:
		if dr.Left, err = left(tx, p); err != nil {
			return err
		}
	case DigestPost:
		if dr.Digest, err = digest(tx, p.Group, p.Conversation); err != nil {
			return err
		}
	}
	if p.Kind == GreetingPost {
		if dr.Box, err = tx.Box(p.Subject); err != nil {
			return err
		}
	}
	who = append(who, dr.Reply.By, dr.Event.Member, dr.Event.whom(), dr.Box.By, dr.Mail.By)
	for _, e := range dr.Events {
		who = append(who, e.Member)
	}
	for _, r := range dr.Replies {
		who = append(who, r.By)
	}
	return namesOf(tx, dr.names, who)
}

// newestIn is the newest mail of the other side that wakes; zero if there is none. What the first
// mail answers came late, and is not newer.
func newestIn(tx Tx, c Conversation, first Mail) (Mail, error) {
	if c.First != c.Last && c.JoinedTo == 0 {
		for _, atMost := range []int{2, 50} { // nearly always it is the last, or the one before our answer
			mails, err := tx.Mails(c.ID, atMost)
			if err != nil {
				return Mail{}, err
			}
			for _, m := range mails {
				if m.Asks() && !slices.Contains(first.InReplyTo, m.MessageID) && !slices.Contains(first.References, m.MessageID) {
					return m, nil
				}
			}
		}
	}
	if first.Direction == In {
		return first, nil
	}
	return Mail{}, nil
}

// namesOf reads those of some members who are not known yet.
func namesOf(tx Tx, known map[MemberID]Member, who []MemberID) error {
	var w Wanted
	for _, id := range who {
		if _, ok := known[id]; !ok && id != "" {
			w.Members = append(w.Members, id)
		}
	}
	rows, err := tx.Rows(w)
	for _, id := range w.Members {
		known[id] = rows.member(id)
	}
	return err
}

// member is one of those that were wanted; zero but for the id if they are not known yet.
func (r Rows) member(id MemberID) Member {
	m := r.Members[id]
	m.ID = id
	return m
}

// LeasePosts leases posts that are owed a drawing to this process.
func (d *Desk) LeasePosts(ctx context.Context, limit int) ([]PostID, error) {
	return d.store.LeasePosts(ctx, d.holder, DrawLease, limit)
}

// KeepPosts renews the leases of posts that wait for their turn, and returns those that this process has had
// all the time: nobody else can have drawn them.
func (d *Desk) KeepPosts(ctx context.Context, ids []PostID) ([]PostID, error) {
	return d.store.KeepPosts(ctx, ids, d.holder, DrawLease)
}

// HoldPost renews the lease of a post that this process has held for long; false if another has it now.
func (d *Desk) HoldPost(ctx context.Context, id PostID) (bool, error) {
	return d.store.HoldPost(ctx, id, d.holder, DrawLease)
}

// Drawn notes what is shown now; again: more is owed, and the lease is still ours.
func (d *Desk) Drawn(ctx context.Context, id PostID, message string, version int64) (again bool, err error) {
	return d.store.Drawn(ctx, id, d.holder, message, version, DrawLease)
}

// Undrawn gives a post up until retry.
func (d *Desk) Undrawn(ctx context.Context, id PostID, retry time.Time, lost Lost) error {
	return d.store.Undrawn(ctx, id, d.holder, retry, lost)
}

// Redraw makes a post owe a drawing, though nothing that it shows has changed: its message was
// deleted, or shows something older.
func (d *Desk) Redraw(ctx context.Context, p Post) error {
	return d.change(ctx, By{Group: p.Group}, func(u *use) error { return u.raise(PostsWhere{ID: p.ID}) })
}

// FindPost finds a post by its key, or by its message if key is empty. ErrNone if there is none.
func (d *Desk) FindPost(ctx context.Context, key, board, message string) (p Post, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		p, err = tx.FindPost(key, board, message)
		return err
	})
	return p, err
}

// Listed is a conversation in a list, with its owner.
type Listed struct {
	Conversation
	Holder Member
	Card   Post // on the board asked for; zero if there is none
}

// Waits selects what waits for somebody, who waits longest first. mailbox may be empty.
func Waits(group, mailbox string) Query {
	return Query{Group: group, Mailbox: mailbox, States: []State{New}, Order: ByWaits}
}

// Has selects what somebody has taken, longest first. mailbox may be empty.
func Has(group, mailbox string) Query {
	return Query{Group: group, Mailbox: mailbox, States: []State{Taken}, Order: BySince}
}

// Mine selects what a member has: taken ones, and those that wait for the sender.
func Mine(group string, who MemberID) Query {
	return Query{Group: group, Owner: who, States: []State{Taken, Waiting}, Order: BySince}
}

// Collected selects what of a flood has no card yet, oldest first.
func Collected(group string, flood ConversationID) Query {
	return Query{Group: group, Flood: flood, States: []State{New}, Order: ByOpening}
}

// ListPage is a piece of a list.
type ListPage struct {
	List        []Listed
	Before, All int  // how many there are before it, and in all: Counted at most
	More        bool // there are some behind it
}

// Counted is as far as lists are counted for people.
const Counted = 10_000

// List reads the page of a list that q.Place and q.Back name; q.Limit is its length. Where nothing is
// left there it is the nearest one.
func (d *Desk) List(ctx context.Context, board string, q Query) (p ListPage, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		p = ListPage{}
		all := q
		all.Place, all.Back, all.Limit = Place{}, false, Counted
		if p.All, err = tx.CountConversations(all); err != nil {
			return err
		}
		some, err := tx.Conversations(q)
		switch {
		case err != nil:
			return err
		case q.Back && len(some) < q.Limit:
			q.Place, q.Back = Place{}, false
			some, err = tx.Conversations(q)
		case len(some) == 0 && q.Place != Place{}:
			q.Place, q.Back = Place{}, true
			some, err = tx.Conversations(q)
		}
		if err != nil || len(some) == 0 {
			return err
		}
		all.Place, all.Back = some[0].PlaceIn(q.Order), true
		if p.Before, err = tx.CountConversations(all); err != nil {
			return err
		}
		all.Place, all.Back, all.Limit = some[len(some)-1].PlaceIn(q.Order), false, 1
		more, err := tx.CountConversations(all)
		if err != nil {
			return err
		}
		p.More = more > 0
		p.List, err = listed(tx, board, some)
		return err
	})
	return p, err
}

// listed adds to conversations who has them and where their cards are.
func listed(tx Tx, board string, some []Conversation) (list []Listed, err error) {
	var w Wanted
	for _, c := range some {
		w.listed(c, board)
	}
	rows, err := tx.Rows(w)
	for _, c := range some {
		list = append(list, rows.with(c, board))
	}
	return list, err
}

// listed adds what is shown of a conversation in a list.
func (w *Wanted) listed(c Conversation, board string) {
	w.Posts = append(w.Posts, cardKey(c.ID, Board{Name: board}))
	w.Members = append(w.Members, c.Owner)
}

// conversation adds a conversation and its card.
func (w *Wanted) conversation(id ConversationID, board string) {
	w.Conversations = append(w.Conversations, id)
	w.Posts = append(w.Posts, cardKey(id, Board{Name: board}))
}

// with is a conversation as lists show it.
func (r Rows) with(c Conversation, board string) Listed {
	return Listed{Conversation: c, Holder: r.member(c.Owner), Card: r.Posts[cardKey(c.ID, Board{Name: board})]}
}

// owners reads who has the conversations.
func (r Rows) owners(tx Tx) error {
	var who []MemberID
	for _, c := range r.Conversations {
		who = append(who, c.Owner)
	}
	return namesOf(tx, r.Members, who)
}

// Shown is a conversation with its mails, newest first, and its log, oldest first.
type Shown struct {
	Listed
	Mails  []Mail
	Events []Event
	names  map[MemberID]Member
}

// Named is a member who acted in the conversation.
func (s Shown) Named(id MemberID) Member {
	if m, ok := s.names[id]; ok {
		return m
	}
	return Member{ID: id}
}

// Conversation reads one of a group. Refused with NotFound where the group has none of this id.
func (d *Desk) Conversation(ctx context.Context, group, board string, id ConversationID) (s Shown, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		s = Shown{}
		c, err := tx.Conversation(id)
		if errors.Is(err, ErrNone) || err == nil && c.Group != group {
			return refuse(NotFound, "There is no such conversation here.")
		}
		if err != nil {
			return err
		}
		if s.Mails, err = tx.Mails(id, 50); err != nil {
			return err
		}
		if s.Events, err = tx.Events(id); err != nil {
			return err
		}
		var w Wanted
		w.listed(c, board)
		w.Members = append(w.Members, c.LastOwner, c.ClosedBy)
		for _, e := range s.Events {
			w.Members = append(w.Members, e.Member, e.whom())
		}
		rows, err := tx.Rows(w)
		s.Listed, s.names = rows.with(c, board), rows.Members
		return err
	})
	return s, err
}

// Numbered finds a group's ticket by "12" or "#12".
func (d *Desk) Numbered(ctx context.Context, group, number string) (id ConversationID, err error) {
	n, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(number), "#"))
	if err != nil || n <= 0 {
		return 0, refuse(BadInput, "“%s” is no ticket number. Write it like #12.", OneLine(number, 40))
	}
	err = d.store.Read(ctx, func(tx Tx) error {
		id, err = tx.Numbered(n)
		if errors.Is(err, ErrNone) {
			return refuse(NotFound, "There is no ticket #%d.", n)
		}
		if err != nil {
			return err
		}
		c, err := tx.Conversation(id)
		if err == nil && c.Group != group {
			return refuse(NotFound, "There is no ticket #%d.", n)
		}
		return err
	})
	return id, err
}

// Colleagues lists who is present in a group.
func (d *Desk) Colleagues(ctx context.Context, group string) (all []Member, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		all, err = tx.Present(group)
		return err
	})
	return all, err
}

// Member reads one; zero but for the id if they are not known yet.
func (d *Desk) Member(ctx context.Context, id MemberID) (m Member, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		m, err = memberOf(tx, id)
		return err
	})
	return m, err
}

func memberOf(tx Tx, id MemberID) (Member, error) {
	m, err := tx.Member(id)
	if errors.Is(err, ErrNone) {
		return Member{ID: id}, nil
	}
	return m, err
}

// Mail reads one of a group.
func (d *Desk) Mail(ctx context.Context, group string, id MailID) (m Mail, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		m, err = tx.Mail(id)
		if errors.Is(err, ErrNone) || err == nil && m.Group != group {
			return refuse(NotFound, "There is no such mail here.")
		}
		return err
	})
	return m, err
}

// Number reads a conversation's group and ticket number; begun: a mail came or went in it before.
func (d *Desk) Number(ctx context.Context, id ConversationID) (g Group, number int, begun bool, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		c, err := tx.Conversation(id)
		number, begun = c.Number, c.First != 0
		g, _ = d.Group(c.Group)
		return err
	})
	return g, number, begun, err
}

// ReplyByID reads a reply.
func (d *Desk) ReplyByID(ctx context.Context, id ReplyID) (r Reply, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		r, err = tx.Reply(id)
		return err
	})
	return r, err
}

// With gives a drawing that was not read for a post the names that it mentions.
func (d Drawing) With(named func(MemberID) Member) Drawing {
	d.names = map[MemberID]Member{}
	c := d.Conversation
	for _, id := range []MemberID{c.Owner, c.LastOwner, c.ClosedBy} {
		d.names[id] = named(id)
	}
	for _, e := range d.Events {
		d.names[e.Member] = named(e.Member)
	}
	return d
}
