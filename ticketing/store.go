package ticketing

import (
	"context"
	"errors"
	"io"
	"time"
)

// Clock tells the time, in UTC and whole microseconds, as the store keeps it.
type Clock func() time.Time

// SystemClock is the real one.
func SystemClock() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

var (
	// ErrRepeated: an event with this key was already carried out.
	ErrRepeated = errors.New("this was already done")
	// ErrNone: there is no such row.
	ErrNone = errors.New("no such row")
	// ErrBadMail: the mail itself cannot be kept; trying again will not help.
	ErrBadMail = errors.New("this mail cannot be kept")
)

// Store keeps everything. Package store implements it on Postgres and on SQLite.
type Store interface {
	// Change runs f in one read-write transaction. When f loses a race (a row that must be unique
	// was inserted by somebody else, a serialisation failure, a deadlock) it is rolled back and run
	// again, a few times. The commit is not cancelled by ctx. An error of f rolls back and is
	// returned as it is. f uses nothing but its Tx, and calls no network.
	Change(ctx context.Context, f func(Tx) error) error
	// Read runs f in one read-only transaction that sees one state of the data.
	Read(ctx context.Context, f func(Tx) error) error

	// PutBlob keeps bytes as chunks in small transactions; a blob that no row names within a day
	// is swept. It returns the id and the number of bytes.
	PutBlob(ctx context.Context, r io.Reader) (BlobID, int64, error)
	// OpenBlob streams a blob. ErrNone if there is none.
	OpenBlob(ctx context.Context, id BlobID) (io.ReadCloser, error)

	// Lease makes holder the holder of name until ttl from now, by the database's clock, if nobody
	// else is; it renews a lease that holder has. Tx has the same, for a lease that is taken or given
	// up together with something else.
	Lease(ctx context.Context, name, holder string, ttl time.Duration) (bool, error)
	Unlease(ctx context.Context, name, holder string) error

	// LeasePosts leases to holder up to limit posts that are owed a drawing, that nobody holds and
	// whose time to try again has come, oldest first. Of the lines of a thread that are not posted
	// yet it leases only the oldest, and none while the thread's root is not posted.
	LeasePosts(ctx context.Context, holder string, ttl time.Duration, limit int) ([]PostID, error)
	// KeepPosts renews those of these leases that holder has had all the time, and returns which they are.
	KeepPosts(ctx context.Context, ids []PostID, holder string, ttl time.Duration) ([]PostID, error)
	// HoldPost renews holder's lease of a post, or takes it if nobody has it; false if somebody else has.
	HoldPost(ctx context.Context, id PostID, holder string, ttl time.Duration) (bool, error)
	// Drawn records that version of a post is shown as message. If more is owed by then the lease is
	// renewed and again is true; else it is given up. ErrNone: holder has lost the lease, nothing is
	// recorded. Empty message leaves the id as it is.
	Drawn(ctx context.Context, id PostID, holder, message string, version int64, ttl time.Duration) (again bool, err error)
	// Undrawn gives the lease up without a drawing, until it is tried again at retry. gone: the
	// message was deleted, and is to be posted anew (forget) or never again (given up).
	Undrawn(ctx context.Context, id PostID, holder string, retry time.Time, lost Lost) error

	// Secret returns n random bytes that are the same for all processes and restarts, made when
	// first asked for under this name.
	Secret(ctx context.Context, name string, n int) ([]byte, error)
	// Cursor and SetCursor keep a word under a name; "" if there is none.
	Cursor(ctx context.Context, name string) (string, error)
	SetCursor(ctx context.Context, name, value string) error
}

// Lost says what to do about a post whose message was deleted.
type Lost int

const (
	NotLost Lost = iota
	PostAnew
	GiveUp
)

// Tx is one transaction. Rows are returned as values; a changed value is kept only by the method
// that keeps it. Methods that read one row return ErrNone where there is none.
type Tx interface {
	ContactTx
	SearchTx
	PageTx
	SessionTx
	TodoTx
	LeaverTx

	// Rows reads rows of several kinds at once, those that are there, without locking them.
	Rows(w Wanted) (Rows, error)

	// Once inserts the key of an inbound event; ErrRepeated if it is there. Empty: does nothing.
	Once(key string) error

	// Conversation reads one and, in Change, locks it until the end of the transaction.
	Conversation(id ConversationID) (Conversation, error)
	// Numbered finds a ticket by its number. Numbers are one sequence an installation.
	Numbered(number int) (ConversationID, error)
	AddConversation(c *Conversation) error // sets ID
	SetConversation(c Conversation) error  // keeps every field but ID and Group
	Conversations(q Query) ([]Conversation, error)
	// CountConversations counts them, up to q.Limit if there is one.
	CountConversations(q Query) (int, error)
	// Writers tells with whom the selected conversations are, most first, at most q.Limit. Addresses are
	// compared without case.
	Writers(q Query) ([]Writer, error)
	// Tally counts a group's open conversations and replies.
	Tally(group string) (Tally, error)
	// NextNumber draws a ticket number. A number drawn in a transaction that fails may be lost.
	NextNumber() (int, error)

	// Erase takes the content out of a conversation's mails and replies, and of those joined to it:
	// who wrote and to whom, subjects, texts, files, bytes; and its participants. What identifies a
	// mail stays: its Message-ID, its fingerprint, where it was seen. The texts of to-dos that are done, and
	// what people wrote that stands in the log, go, too. Of those joined, which it returns, the
	// conversation's own content goes, too.
	Erase(id ConversationID, now time.Time) (joined []ConversationID, err error)

	AddMail(m *Mail) error // sets ID
	Mail(id MailID) (Mail, error)
	// Mails lists a conversation's mails, newest first, at most limit.
	Mails(id ConversationID, limit int) ([]Mail, error)
	// MailsBefore lists those that were kept before one likewise.
	MailsBefore(id ConversationID, before MailID, limit int) ([]Mail, error)
	// MoveMails gives all mails, references and participants of one conversation to another; seq is
	// added to the mails' Seq.
	MoveMails(from, to ConversationID, seq int64) error

	// Rehome gives all mails, references, participants and replies of one conversation to another, of another
	// group. References that the group has already stay there, and the log without what people wrote.
	Rehome(from, to ConversationID, group string) error

	// Participants are the addresses that have a part in a conversation: senders, recipients and
	// those that a participant named. They are compared without case.
	Participants(id ConversationID) ([]Address, error)
	AddParticipants(id ConversationID, a []Address) error // those that are there already stay

	// References finds which conversations of a group the Message-IDs belong to.
	References(group string, messageIDs []string) (map[string]Reference, error)
	// AddReferences notes Message-IDs of a conversation; unique in a group: one that is there already
	// keeps its conversation, but becomes Own if it is so now. Where somebody else inserts one at the
	// same instant, the transaction is run again.
	AddReferences(group string, refs map[string]Reference) error

	// SameMail finds a mail of the group by its fingerprint (see Fingerprint).
	SameMail(group, fingerprint string) (MailID, error)

	// Sighting reads where a mail was seen; ErrNone if it never was.
	Sighting(mailbox string, ref Ref) (Sighting, error)
	// Sightings lists the places in one mailbox where a mail was seen.
	Sightings(mailbox string, mail MailID) ([]Sighting, error)
	// PutSighting inserts or replaces some, each of another place.
	PutSighting(s ...Sighting) error
	// LastSighting is when a mailbox's newest sighting was put; ErrNone without any.
	LastSighting(mailbox string) (time.Time, error)
	// ForgetUnwanted deletes a mailbox's sightings without mail and faults whose At is at or after since.
	ForgetUnwanted(mailbox string, since time.Time) error
	// Unknown returns those refs, in order, that have no sighting, or one without a mail that had one
	// or two faults.
	Unknown(mailbox string, refs []Ref) ([]Ref, error)
	// Process marks all sightings of a conversation's mails as due for their fate, or, with
	// NotProcessed, as no longer due. Those settled stay so.
	Process(id ConversationID, why Processed) error
	// Unsettled lists the mailbox's sightings that are due, oldest first.
	Unsettled(mailbox string, limit int) ([]Settlement, error)
	Settled(mailbox string, s Settlement) error

	// Box reads what is remembered of a mailbox; ErrNone before the first look.
	Box(mailbox string) (BoxMemory, error)
	SetBox(mailbox string, b BoxMemory) error

	// AddPost inserts a post with Want 1, leased to holder until until; one with the same key that
	// is there already stays as it is, and 0 is returned.
	AddPost(p Post, holder string, until time.Time) (PostID, error)
	// Raise raises the Want of all posts that match by one, and leases those that nobody holds to
	// holder until until. It returns those that holder now holds.
	Raise(which PostsWhere, holder string, until time.Time) ([]PostID, error)
	Post(id PostID) (Post, error)
	// CountPosts counts a board's posts of a kind that were made since, up to limit.
	CountPosts(board string, kind PostKind, since time.Time, limit int) (int, error)
	// Elder tells whether an earlier line of p's thread is yet to be posted, and was not put off
	// after a failure: lines are posted in the order in which they were decided.
	Elder(p Post) (bool, error)
	// FindPost finds a post by its key, or by board and message if key is empty.
	FindPost(key, board, message string) (Post, error)

	Lease(name, holder string, ttl time.Duration) (bool, error)
	Unlease(name, holder string) error

	AddReply(r *Reply) error // sets ID
	// Reply reads one and, in Change, locks it.
	Reply(id ReplyID) (Reply, error)
	// ReplyFrom finds the newest reply that was written as this chat message.
	ReplyFrom(origin string) (Reply, error)
	// ReplyMarked finds the reply whose mail carries this mark.
	ReplyMarked(mark string) (Reply, error)
	SetReply(r Reply) error
	// Replies lists a conversation's replies in one of these states, oldest first.
	Replies(id ConversationID, states ...ReplyState) ([]Reply, error)

	Log(e *Event) error // sets ID
	Event(id int64) (Event, error)
	// Events lists a conversation's log, oldest first.
	Events(id ConversationID) ([]Event, error)

	Member(id MemberID) (Member, error)
	// MeetMember inserts a member or brings name, handle and e-mail up to date, and nothing else.
	MeetMember(m Member) error
	// SetMember keeps a member's own settings: every field but ID, Name, Handle and Email.
	SetMember(m Member) error
	// SetPresent replaces the list of those present on a board.
	SetPresent(group, board string, members []MemberID) error
	// Present lists those who are on any board of the group.
	Present(group string) ([]Member, error)

	// Troubles lists what is wrong with a group's things; of all groups if group is empty.
	Troubles(group string) ([]Trouble, error)
	// Trouble reads one by its name and, in Change, locks it.
	Trouble(name string) (Trouble, error)
	// PutTrouble inserts or replaces the trouble of this name, EndTrouble forgets it.
	PutTrouble(t Trouble) error
	EndTrouble(name string) error
	// LastIn is when the newest mail from outside was kept that came through a mailbox; zero if none did.
	LastIn(mailbox string) (time.Time, error)

	// Enqueue makes a job that runs at or after at, once the transaction has committed, and again
	// with backoff when it fails.
	Enqueue(j Job) error
}

// Wanted names rows.
type Wanted struct {
	Mails         []MailID
	Conversations []ConversationID
	Contacts      []ContactID
	Pages         []PageID
	Posts         []string // their keys
	Members       []MemberID
}

// Rows are those that were wanted; of mails what is shown in a line, Text and Reply.
type Rows struct {
	Mails         map[MailID]Mail
	Conversations map[ConversationID]Conversation
	Contacts      map[ContactID]Contact
	Pages         map[PageID]Page
	Posts         map[string]Post
	Members       map[MemberID]Member
}

// Query selects conversations. Zero fields do not select.
type Query struct {
	Group   string
	Mailbox string
	Owner   MemberID
	States  []State
	// NotOverdueSince: not yet overdue, and new with Waits before this, or taken with Touched before this by
	// somebody who was not away then or later.
	NotOverdueSince time.Time
	WaitsUntil      time.Time // Waits before this
	UnaskedSince    time.Time // Reminded zero, and Touched before this
	AskedSince      time.Time // Reminded and Touched before this
	AskedAfter      time.Time // Reminded after this
	UnerasedSince   time.Time // not erased, joined to none, new only without a number, with no open to-do, and Since and Touched before this
	With            string    // the address that the team talks to, without case
	Collected       bool      // part of a flood
	Flood           ConversationID
	Contacts        []ContactID // with one of them
	SinceAfter      time.Time   // Since after this …
	SinceUntil      time.Time   // … and until this

	Order Order
	Limit int

	// A page of a list that is ordered oldest first: what stands behind a place, or, with Back, the
	// last before it. With Back and without a place it is the end of the list.
	Place Place
	Back  bool
}

// Order is that of a list.
type Order int

const (
	ByWaits     Order = iota // who waits longest first
	BySince                  // oldest first
	ByOpening                // oldest first
	NewestFirst              // by Since
	LatestFirst              // by opening
)

// Place is where a conversation stands in a list, whatever comes and goes around it.
type Place struct {
	At time.Time // what the list is ordered by; zero in one by opening
	ID ConversationID
}

func (p Place) behind(q Place) bool {
	return p.At.After(q.At) || p.At.Equal(q.At) && p.ID > q.ID
}

// PlaceIn is where a conversation stands in a list that is ordered oldest first.
func (c Conversation) PlaceIn(o Order) Place {
	switch o {
	case BySince:
		return Place{c.Since, c.ID}
	case ByOpening:
		return Place{ID: c.ID}
	}
	return Place{c.Waits, c.ID}
}

// Tally counts what concerns a group's people now.
type Tally struct {
	New, Taken, Waiting, Held, Collected int
	Late, Idle                           int       // of the new and of the taken ones: overdue
	Oldest                               time.Time // since when the first of the new ones waits
	Holders                              []Holding // who has taken ones; most first
	HeldFor                              map[Reason]int
	Failed, Asking                       int // replies that need somebody
}

// Holding is how many conversations somebody has.
type Holding struct {
	Member MemberID
	Count  int
}

// Writer is an address and how many conversations are with it.
type Writer struct {
	With  Address
	Count int
}

// Reference is what is known of a Message-ID in a group.
type Reference struct {
	Conversation ConversationID
	Own          bool // a mail with this Message-ID is kept; else another mail only named it
}

// Sighting is a mail seen at a place in a mailbox.
type Sighting struct {
	Mailbox string
	Ref     Ref
	Mail    MailID // 0 while it fails, and for a mail that needs no keeping (our own coming back): that has no faults
	Faults  int    // times that the mail itself made trouble
	Error   string // the last trouble
	At      time.Time
}

// BoxMemory is what is remembered of a mailbox from look to look.
type BoxMemory struct {
	Validity string
	Window   Window
	Count    int       // mails in it at the first look
	Looked   time.Time // the first look
	Decided  Greeted
	By       MemberID // who decided
}

// Greeted is what a member answered to the greeting of the first start.
type Greeted string

const (
	Undecided Greeted = ""
	ShowBack  Greeted = "back" // show mail from before the first look, too
	FromNow   Greeted = "now"
	// Configured: nobody is asked, the configuration says since when mail is shown.
	Configured Greeted = "configured"
)

// PostsWhere selects posts. Zero fields do not select; at least one is set.
type PostsWhere struct {
	ID           PostID
	Conversation ConversationID
	Kind         PostKind
	Reply        ReplyID
	Todo         TodoID
	Board        string
}

// JobKind says what a job does; its ID says to what.
type JobKind string

const (
	SendJob     JobKind = "send"      // a reply
	FileSentJob JobKind = "file_sent" // the copy of a sent reply into the Sent folder
)

// Job is something to do later.
type Job struct {
	Kind JobKind
	ID   int64
	At   time.Time // zero: as soon as it is committed
}

// RunAgain is what a job's handler returns to be run again at At; it is no failure.
type RunAgain struct{ At time.Time }

func (r RunAgain) Error() string { return "to be run again at " + r.At.Format(time.RFC3339) }
