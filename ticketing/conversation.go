package ticketing

import (
	"strconv"
	"time"
)

// State of a conversation.
type State string

const (
	New     State = "new"
	Taken   State = "taken"
	Waiting State = "waiting" // answered: the sender's turn
	Closed  State = "closed"
	Spam    State = "spam"
	Held    State = "held" // kept aside, without a card: see Reason
)

// NoAnswerNeeded, Answered and Discarded are the outcomes that GroupMail itself records.
const (
	NoAnswerNeeded = "no answer needed"
	Answered       = "answered"
	Discarded      = "discarded" // from the held list
)

// Reason is why a mail is held: nothing that a person needs to see at once, and nothing that may be
// dropped unseen.
type Reason string

const (
	HeldAutoReply Reason = "auto-reply" // a person's mailbox answers by itself, and not to anything known
	HeldBounce    Reason = "bounce"     // says that a mail was not delivered which is not known here
	HeldUnread    Reason = "unreadable" // its server does not hand it out, or it could not be kept
)

// Conversation is mails that belong together, or a matter without mail. It has one card on each of
// its group's boards. With a number it is a ticket.
type Conversation struct {
	ID      ConversationID
	Group   string
	Number  int // 0 until the first take
	State   State
	Outcome string // closed: how it ended
	Subject string
	With    Address // whom the team talks to
	Mailbox string  // that the first mail came through; empty for a matter without mail
	Note    string  // what was written down of a matter without mail

	Owner     MemberID  // taken, waiting: who has it
	LastOwner MemberID  // who had it last
	Since     time.Time // taken, waiting: with this owner since; where nobody has it, in this state since
	Opened    time.Time
	Closed    time.Time
	ClosedBy  MemberID
	Touched   time.Time // last mail, reply or action: what idling is counted from
	Waits     time.Time // new: since when the sender waits for us

	Overdue  bool
	Reminded time.Time      // taken, waiting: when somebody was asked whether it goes on; zero: not since it last went on
	HeldFor  Reason         // held: why
	Flood    ConversationID // new, and part of a flood: shown by its digest instead of a card of its own. The first one's id
	Mentions int            // the ticket that its subject names though its sender has no part in it
	JoinedTo ConversationID // it was joined to another: its mails are there

	First     MailID // the mail that the card shows
	Last      MailID // the newest mail in or out
	Mails     int
	Seq       int64   // rises with each mail in, each mail out and each reply begun: what the stale guard compares
	Files     int     // attachments of the first mail
	NewPerson Address // who wrote last though they had no part in it; zero otherwise

	Contact ContactID // whom it is with, if they are known; resolved through mergers by whoever reads it
	Perhaps ContactID // whom it may be with: they only claim to be, or their name is in the text
	Match   Match     // how that was found
	Matched string    // by which address, number or name
	Proof   Proof     // of the mail that it began with

	Erased time.Time // its content was erased then, the time to keep it being over; zero: it is there
}

// Open tells whether somebody may still have to do something.
func (c Conversation) Open() bool { return c.State == New || c.State == Taken || c.State == Waiting }

// Name is how people call it in a sentence: "#12" or its subject.
func (c Conversation) Name() string {
	if c.Number > 0 {
		return "#" + strconv.Itoa(c.Number)
	}
	return "“" + c.Subject + "”"
}

// ReplyState is where a reply is on its way out.
type ReplyState string

const (
	Asking    ReplyState = "asking"    // waits for a person's Send
	Pending   ReplyState = "pending"   // will be sent at Due
	Sending   ReplyState = "sending"   // a process is talking to the mail server
	Sent      ReplyState = "sent"      // the mail server has it
	Failed    ReplyState = "failed"    // refused, or given up
	Unknown   ReplyState = "unknown"   // the connection died when the mail may already have been taken
	Cancelled ReplyState = "cancelled" // stopped by a person
)

// Why a reply asks before it is sent.
type Why string

const (
	WhyFirst     Why = "first"     // the member's first reply ever
	WhyStale     Why = "stale"     // a newer mail or a colleague's reply came meanwhile
	WhyColleague Why = "colleague" // the conversation is a colleague's
	WhyLate      Why = "late"      // written long ago, heard only now
	WhyMany      Why = "many"      // it goes to many people
)

// Reply is an answer on its way from a member to the sender.
type Reply struct {
	ID           ReplyID
	Conversation ConversationID
	Group        string
	Mailbox      string // whose submission server sends it
	By           MemberID
	State        ReplyState
	Why          Why // asking: the reason
	From         Address
	To, Cc       []Address
	Subject      string
	Text         string
	Signature    string
	Files        []Attachment // each with its Blob
	MessageID    string
	Mark         string // value of X-GroupMail-ID
	InReplyTo    []string
	References   []string
	CloseAs      string // outcome to close with once it is sent; empty: stays open
	Seq          int64  // the conversation's Seq when it was begun
	Origin       string // the chat message that it was written as: "board message"; empty for a form
	Created      time.Time
	Due          time.Time // pending, unknown: when it is sent, or tried again
	SentAt       time.Time
	Attempts     int
	MaybeSent    bool   // an attempt ended without an answer: the mail server may have it
	Error        string // what the mail server said last
	Raw          BlobID // composed bytes
	Mail         MailID // sent: the mail that it became
}

// Event is one line of the action log, which only grows; but its words go when what they are about is erased.
type Event struct {
	ID           int64
	At           time.Time
	Group        string
	Conversation ConversationID
	Contact      ContactID
	Member       MemberID // empty: GroupMail itself, or the sender
	Move         Move
	Detail       string // the outcome, the colleague's id, the reason
	Mail         MailID
	Reply        ReplyID
}

// PostKind says what a post shows.
type PostKind string

const (
	CardPost     PostKind = "card"     // a conversation
	HintPost     PostKind = "hint"     // first line of a thread: what is sent and what stays internal
	MailPost     PostKind = "mail"     // a mail in the thread, with its files
	ReplyPost    PostKind = "reply"    // a reply and where it is on its way
	FailurePost  PostKind = "failure"  // a reply could not be sent
	EventPost    PostKind = "event"    // a line in the thread: closed, reopened
	PointerPost  PostKind = "pointer"  // a line at the channel's bottom that points to a card
	GreetingPost PostKind = "greeting" // first start on a board
	HeldPost     PostKind = "held"     // how many mails of the group are held
	DigestPost   PostKind = "digest"   // what came in a flood and has no card of its own
	DeskPost     PostKind = "desk"     // how the group stands: pinned
	WatchPost    PostKind = "watch"    // to one: a contact whom they watch has written
	ForwardPost  PostKind = "forward"  // to one: a colleague points them to something, or gives it to them
	OpeningPost  PostKind = "opening"  // a line at the channel's bottom: what came while the group was not there
	AskPost      PostKind = "ask"      // to its owner alone, mostly: a conversation lies idle, or waits for its sender for long
	LeftPost     PostKind = "left"     // to the leads, mostly: somebody has left who still has something
	HandedPost   PostKind = "handed"   // to one: a colleague gave them all that a leaver had
	OverduePost  PostKind = "overdue"  // a line at the channel's bottom: something waits too long
	TodoPost     PostKind = "todo"     // a to-do is due: in its thread, and to its owner alone
)

// Post is anything that the bot has put on a board, or owes it. Want counts the changes that were
// decided, Shown the newest that was drawn: a post with Shown < Want is owed a drawing.
type Post struct {
	ID           PostID
	Key          string // unique; travels with the message, so that it can be found again
	Kind         PostKind
	Group        string
	Board        string
	To           MemberID       // a direct message to one who is present on Board, where its buttons act; empty: for all of it
	Conversation ConversationID // of a digest: the first of its flood
	Mail         MailID
	Reply        ReplyID
	Event        int64
	Todo         TodoID
	Subject      string // of a greeting: the mailbox; of an opening: from when until when; of a page that somebody is pointed to: its id; of what a leaver has, or had: who that is; to one who watches a contact: its id
	Root         PostID // the card in whose thread it stands; 0: the channel itself
	Message      string // the platform's id; empty until posted
	Want, Shown  int64
	Gone         bool // somebody deleted it, and it is not posted anew
	Made         time.Time
}
