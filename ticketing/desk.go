package ticketing

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Desk is what people and mail do: one method a use case, one transaction each. A method returns a
// Refusal where the rules say no, ErrRepeated where the event was carried out before, and any other
// error for a fault of the machinery, after which nothing has changed and the same call may be
// made again.
type Desk struct {
	store  Store
	clock  Clock
	groups []Group
	holder string // this process, as it leases
	log    *slog.Logger

	announce func([]Owed)
	nudge    func(mailbox string)
}

// DrawLease is how long a process may take for one drawing before another takes it over: so long
// a crash may hold a card back. A platform call's own timeout is well below it.
const DrawLease = 15 * time.Second

// NewDesk makes the desk of these groups. Each process has one.
func NewDesk(store Store, groups []Group, clock Clock, log *slog.Logger) *Desk {
	return &Desk{
		store: store, clock: clock, groups: groups, holder: secretWord(), log: log,
		announce: func([]Owed) {}, nudge: func(string) {},
	}
}

// Owed is a post that this process has leased to draw.
type Owed struct {
	ID    PostID
	Board string // it is new, and stands in this board's channel itself; empty for all others
}

// OnPosts sets who is told, after each commit, which posts this process has leased to draw, in the order
// in which they were decided.
func (d *Desk) OnPosts(f func([]Owed)) { d.announce = f }

// OnFates sets who is told that mails of a mailbox are due for their fate, or more are to be picked up.
func (d *Desk) OnFates(f func(mailbox string)) { d.nudge = f }

// Groups are the configured groups.
func (d *Desk) Groups() []Group { return d.groups }

// Group finds a group by its name.
func (d *Desk) Group(name string) (Group, bool) {
	i := slices.IndexFunc(d.groups, func(g Group) bool { return g.Name == name })
	if i < 0 {
		return Group{}, false
	}
	return d.groups[i], true
}

// GroupOfBoard finds the group that a board belongs to.
func (d *Desk) GroupOfBoard(board string) (Group, Board, bool) {
	for _, g := range d.groups {
		if b, ok := g.Board(board); ok {
			return g, b, true
		}
	}
	return Group{}, Board{}, false
}

func (d *Desk) groupOfMailbox(mailbox string) (Group, Mailbox, error) {
	for _, g := range d.groups {
		if m, ok := g.Mailbox(mailbox); ok {
			return g, m, nil
		}
	}
	return Group{}, Mailbox{}, fmt.Errorf("mailbox %q belongs to no group", mailbox)
}

// By says who does something, in which group, and by which event of their platform.
type By struct {
	Member Member
	Group  string
	Event  string // unique key; a second use case with the same is ErrRepeated
}

// use is one use case at work: its transaction, its instant, and the posts that it has raised.
type use struct {
	Tx
	d      *Desk
	now    time.Time
	by     By
	group  Group
	raised []Owed
	fates  []string // mailboxes to be looked at
	event  int64    // the last one logged
}

// change runs one use case and announces, after the commit, what is to be drawn.
func (d *Desk) change(ctx context.Context, by By, f func(*use) error) error {
	group, ok := d.Group(by.Group)
	if !ok {
		return fmt.Errorf("there is no group %q", by.Group)
	}
	var u *use
	err := d.store.Change(ctx, func(tx Tx) error {
		u = &use{Tx: tx, d: d, now: d.clock(), by: by, group: group}
		if by.Event != "" {
			if err := tx.Once(by.Event); err != nil {
				return err
			}
		}
		if err := u.meet(by.Member); err != nil {
			return err
		}
		return f(u)
	})
	if err != nil {
		return err
	}
	if len(u.raised) > 0 {
		d.announce(u.raised)
	}
	for _, m := range u.fates {
		d.nudge(m)
	}
	return nil
}

// meet keeps who acts, so that others can read their name later.
func (u *use) meet(m Member) error {
	if m.ID == "" {
		return nil
	}
	known, err := u.Member(m.ID)
	if err != nil && !errors.Is(err, ErrNone) {
		return err
	}
	if err == nil && known.Name == m.Name && known.Handle == m.Handle && (m.Email == "" || known.Email == m.Email) {
		return nil
	}
	return u.MeetMember(m)
}

// called is how a member is named to others.
func (u *use) called(id MemberID) string {
	if id == u.by.Member.ID && id != "" {
		return "you"
	}
	m, err := u.Member(id)
	if err != nil {
		m = Member{ID: id}
	}
	return m.Called()
}

// conversation locks one of the acting member's group.
func (u *use) conversation(id ConversationID) (Conversation, error) {
	c, err := u.Conversation(id)
	if errors.Is(err, ErrNone) || err == nil && c.Group != u.group.Name {
		return c, refuse(NotFound, "There is no such conversation in %s.", u.group.Title)
	}
	return c, err
}

// move applies a step to c, keeps it, logs it and raises its cards.
func (u *use) move(c *Conversation, s step, detail string) error {
	s.now, s.by = u.now, u.by.Member
	if slices.Contains(ownersOnly, s.move) {
		var err error
		if s.lead, err = u.leads(c.Owner); err != nil {
			return err
		}
	}
	if !c.Erased.IsZero() && s.by.ID != "" {
		return u.erased(*c)
	}
	was, flood, asked := c.State, c.Flood, !c.Reminded.IsZero()
	if err := s.apply(c, u.called); err != nil {
		return err
	}
	if c.State == Taken || c.State == Waiting {
		c.Flood = 0 // who works on it needs a card and its thread
	}
	if c.Number == 0 && c.Owner != "" || c.Number == 0 && s.move == MoveClose {
		n, err := u.NextNumber()
		if err != nil {
			return err
		}
		c.Number = n
	}
	if err := u.process(*c, was); err != nil {
		return err
	}
	if err := u.SetConversation(*c); err != nil {
		return err
	}
	if err := u.logged(*c, Event{Move: s.move, Detail: detail}); err != nil {
		return err
	}
	if err := u.raise(PostsWhere{Conversation: c.ID, Kind: CardPost}); err != nil {
		return err
	}
	if asked {
		if err := u.raise(PostsWhere{Conversation: c.ID, Kind: AskPost}); err != nil {
			return err
		}
	}
	return u.appear(*c, was, flood)
}

// appear gives a card to a conversation that is open and may have none: it was held, collected in a
// flood, or closed before a board was added. The digest of the flood counts anew.
func (u *use) appear(c Conversation, was State, flood ConversationID) error {
	if flood != 0 && (c.State != was || c.Flood != flood) {
		if err := u.postOrRaise(Post{Kind: DigestPost, Conversation: flood}, flood); err != nil {
			return err
		}
	}
	if !c.Open() || c.Flood != 0 || flood == 0 && (was == New || was == Taken || was == Waiting) {
		return nil
	}
	return u.post(Post{Kind: CardPost, Conversation: c.ID}, c.ID)
}

// erased refuses what needs the content of a conversation.
func (u *use) erased(c Conversation) error {
	if to := c.MovedTo(); to != "" {
		return refuse(WrongState, "This conversation was moved to %s %s: go on there.", to, ago(u.now, c.Erased))
	}
	return refuse(WrongState, "The content of this conversation was erased %s, as this team's settings want: nothing is left to go on with. A new mail from the sender opens it again.", ago(u.now, c.Erased))
}

// processed is why the mails of a conversation are due for their fate.
var processed = map[State]Processed{Closed: Done, Spam: Junk}

// process makes the fate of the conversation's mails on their servers due, or no longer due.
func (u *use) process(c Conversation, was State) error {
	if c.Mailbox == "" || processed[c.State] == processed[was] {
		return nil
	}
	for _, m := range u.group.Mailboxes {
		u.fates = append(u.fates, m.Name)
	}
	return u.Process(c.ID, processed[c.State])
}

// logged adds a line about a conversation to the action log.
func (u *use) logged(c Conversation, e Event) error {
	e.Conversation = c.ID
	return u.log(e)
}

// log adds a line to the action log.
func (u *use) log(e Event) error {
	e.At, e.Group, e.Member = u.now, u.group.Name, u.by.Member.ID
	err := u.Log(&e)
	u.event = e.ID
	return err
}

// raise makes posts owe a newer drawing.
func (u *use) raise(which PostsWhere) error {
	ids, err := u.Raise(which, u.d.holder, u.now.Add(DrawLease))
	for _, id := range ids {
		if !slices.ContainsFunc(u.raised, func(o Owed) bool { return o.ID == id }) {
			u.raised = append(u.raised, Owed{ID: id})
		}
	}
	return err
}

// post adds a post on each board of the group. Its key is made of its kind, what it shows and the
// board; one that is there already stays as it is.
func (u *use) post(p Post, subject any) error {
	for _, b := range u.group.Boards {
		if err := u.postOn(b, p, subject); err != nil {
			return err
		}
	}
	return nil
}

// postOrRaise adds a post on each board, or makes the one that is there owe a newer drawing.
func (u *use) postOrRaise(p Post, subject any) error {
	for _, b := range u.group.Boards {
		there, err := u.FindPost(postKey(p.Kind, subject, b), "", "")
		switch {
		case errors.Is(err, ErrNone):
			err = u.postOn(b, p, subject)
		case err == nil:
			err = u.raise(PostsWhere{ID: there.ID})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// direct adds a post for one member alone, on the first of the group's boards that they are present on,
// where its buttons act. Nothing is posted to who is present on none. Its key is made of its kind, what
// it shows, the board and the member.
func (u *use) direct(to MemberID, p Post, subject any) error {
	places, err := u.PresentOn(to)
	if err != nil {
		return err
	}
	for _, b := range u.group.Boards {
		if slices.ContainsFunc(places, func(p Presence) bool { return p.Board == b.Name && p.Group == u.group.Name }) {
			p.To = to
			return u.postOn(b, p, subject)
		}
	}
	return nil
}

// tell adds a post for each of some members alone, or, where that reaches nobody, for all of the group.
func (u *use) tell(to []MemberID, p Post, subject any) error {
	before := len(u.raised)
	for _, m := range to {
		if err := u.direct(m, p, subject); err != nil {
			return err
		}
	}
	if len(u.raised) > before {
		return nil
	}
	return u.post(p, subject)
}

func (u *use) postOn(b Board, p Post, subject any) error {
	p.Group, p.Board, p.Made = u.group.Name, b.Name, u.now
	p.Key = p.key(b, subject)
	id, err := u.AddPost(p, u.d.holder, u.now.Add(DrawLease))
	if err == nil && id != 0 {
		o := Owed{ID: id}
		if p.Root == 0 && p.To == "" {
			o.Board = b.Name
		}
		u.raised = append(u.raised, o)
	}
	return err
}

// inThread adds a post to the thread under each card of the conversation, after the hint that
// every thread begins with.
func (u *use) inThread(c Conversation, p Post, subject any) error {
	p.Conversation = c.ID
	for _, b := range u.group.Boards {
		card, err := u.FindPost(cardKey(c.ID, b), "", "")
		if errors.Is(err, ErrNone) {
			continue // a board that was configured after the card was posted
		}
		if err != nil {
			return err
		}
		p.Root = card.ID
		if err := u.postOn(b, Post{Kind: HintPost, Conversation: c.ID, Root: card.ID}, c.ID); err != nil {
			return err
		}
		if err := u.postOn(b, p, subject); err != nil {
			return err
		}
	}
	return nil
}

// key is what p is found by on b, of which subject says what it shows.
func (p Post) key(b Board, subject any) string {
	if p.To != "" {
		return postKey(p.Kind, subject, b) + ":" + string(p.To)
	}
	return postKey(p.Kind, subject, b)
}

func postKey(k PostKind, subject any, b Board) string {
	return fmt.Sprintf("%s:%v:%s", k, subject, b.Name)
}

func cardKey(id ConversationID, b Board) string { return postKey(CardPost, id, b) }

// secretWord is unguessable: 128 random bits in lower-case letters and digits.
func secretWord() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}

// Spool keeps a mail's bytes before anything is decided about it.
func (d *Desk) Spool(ctx context.Context, r io.Reader) (BlobID, int64, error) {
	return d.store.PutBlob(ctx, r)
}

// OpenBlob streams what was spooled.
func (d *Desk) OpenBlob(ctx context.Context, id BlobID) (io.ReadCloser, error) {
	return d.store.OpenBlob(ctx, id)
}

// Lease makes this process the holder of name for ttl, or says that another is.
func (d *Desk) Lease(ctx context.Context, name string, ttl time.Duration) (bool, error) {
	return d.store.Lease(ctx, name, d.holder, ttl)
}

// Unlease gives a lease up.
func (d *Desk) Unlease(ctx context.Context, name string) error {
	return d.store.Unlease(ctx, name, d.holder)
}

// Cursor and SetCursor keep how far something outside was followed.
func (d *Desk) Cursor(ctx context.Context, name string) (string, error) {
	return d.store.Cursor(ctx, name)
}

// SetCursor keeps a word under a name.
func (d *Desk) SetCursor(ctx context.Context, name, value string) error {
	return d.store.SetCursor(ctx, name, value)
}
