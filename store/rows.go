package store

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"groupmail/ticketing"
)

// moment is a time as both databases keep it: UTC in whole microseconds, NULL for the zero time and
// for years that they cannot hold. SQLite compares times as text, which is right only as long as
// every one of them is written in this one form.
type moment time.Time

func at(t time.Time) moment { return moment(t.UTC().Truncate(time.Microsecond)) }

// Value implements driver.Valuer.
func (m moment) Value() (driver.Value, error) {
	t := time.Time(m).UTC().Truncate(time.Microsecond)
	if t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return nil, nil
	}
	return t, nil
}

// Scan implements sql.Scanner.
func (m *moment) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*m = moment{}
	case time.Time:
		*m = at(v)
	case string: // SQLite, where a column has no declared type: RETURNING, expressions
		t, err := time.Parse("2006-01-02 15:04:05.999999999-07:00", v)
		if err != nil {
			return err
		}
		*m = at(t)
	default:
		return fmt.Errorf("%T is no time", src)
	}
	return nil
}

func (m moment) time() time.Time { return time.Time(m) }

// list is a JSON array in one column.
type list[T any] []T

// Value implements driver.Valuer.
func (l list[T]) Value() (driver.Value, error) {
	if len(l) == 0 {
		return asJSON("[]"), nil
	}
	b, err := json.Marshal([]T(l))
	return asJSON(b), err
}

// Scan implements sql.Scanner.
func (l *list[T]) Scan(src any) error {
	var b []byte
	switch v := src.(type) {
	case string:
		b = []byte(v)
	case []byte:
		b = v
	default:
		return fmt.Errorf("%T is no list", src)
	}
	if string(b) == "[]" {
		*l = nil
		return nil
	}
	return json.Unmarshal(b, (*[]T)(l))
}

type (
	words     = list[string]
	addresses = list[ticketing.Address]
	files     = list[ticketing.Attachment]
)

type conversationRow struct {
	ID        int64 `gorm:"primaryKey;autoIncrement"`
	GroupName string
	Number    int64
	State     string
	Outcome   string
	Subject   string
	WithName  string
	WithAddr  string
	Mailbox   string
	Note      string
	Owner     string
	LastOwner string
	Since     moment
	Opened    moment
	Closed    moment
	ClosedBy  string
	Touched   moment
	Waits     moment
	Overdue   bool
	Reminded  moment
	Mentions  int64
	JoinedTo  int64
	FirstMail int64
	LastMail  int64
	Mails     int64
	Seq       int64
	Files     int64
	NewName   string
	NewAddr   string
	HeldFor   string
	Flood     int64
	Erased    moment
	Contact   int64
	Perhaps   int64
	Match     string
	Matched   string
	Proof     string
}

func (conversationRow) TableName() string { return "conversations" }

func rowOfConversation(c ticketing.Conversation) conversationRow {
	return conversationRow{
		ID: int64(c.ID), GroupName: c.Group, Number: int64(c.Number), State: string(c.State),
		Outcome: c.Outcome, Subject: c.Subject, WithName: c.With.Name, WithAddr: c.With.Addr,
		Mailbox: c.Mailbox, Note: c.Note, Owner: string(c.Owner), LastOwner: string(c.LastOwner),
		Since: at(c.Since), Opened: at(c.Opened), Closed: at(c.Closed), ClosedBy: string(c.ClosedBy),
		Touched: at(c.Touched), Waits: at(c.Waits), Overdue: c.Overdue, Reminded: at(c.Reminded), Mentions: int64(c.Mentions),
		JoinedTo: int64(c.JoinedTo), FirstMail: int64(c.First), LastMail: int64(c.Last),
		Mails: int64(c.Mails), Seq: c.Seq, Files: int64(c.Files),
		NewName: c.NewPerson.Name, NewAddr: c.NewPerson.Addr, HeldFor: string(c.HeldFor), Flood: int64(c.Flood), Erased: at(c.Erased),
		Contact: int64(c.Contact), Perhaps: int64(c.Perhaps), Match: string(c.Match), Matched: c.Matched, Proof: string(c.Proof),
	}
}

func (r conversationRow) noun() ticketing.Conversation {
	return ticketing.Conversation{
		ID: ticketing.ConversationID(r.ID), Group: r.GroupName, Number: int(r.Number),
		State: ticketing.State(r.State), Outcome: r.Outcome, Subject: r.Subject,
		With: ticketing.Address{Name: r.WithName, Addr: r.WithAddr}, Mailbox: r.Mailbox, Note: r.Note,
		Owner: ticketing.MemberID(r.Owner), LastOwner: ticketing.MemberID(r.LastOwner),
		Since: r.Since.time(), Opened: r.Opened.time(), Closed: r.Closed.time(),
		ClosedBy: ticketing.MemberID(r.ClosedBy), Touched: r.Touched.time(), Waits: r.Waits.time(),
		Overdue: r.Overdue, Reminded: r.Reminded.time(), Mentions: int(r.Mentions), JoinedTo: ticketing.ConversationID(r.JoinedTo),
		First: ticketing.MailID(r.FirstMail), Last: ticketing.MailID(r.LastMail), Mails: int(r.Mails),
		Seq: r.Seq, Files: int(r.Files), NewPerson: ticketing.Address{Name: r.NewName, Addr: r.NewAddr},
		HeldFor: ticketing.Reason(r.HeldFor), Flood: ticketing.ConversationID(r.Flood),
		Erased: r.Erased.time(), Contact: ticketing.ContactID(r.Contact), Perhaps: ticketing.ContactID(r.Perhaps),
		Match: ticketing.Match(r.Match), Matched: r.Matched, Proof: ticketing.Proof(r.Proof),
	}
}

type mailRow struct {
	ID            int64 `gorm:"primaryKey;autoIncrement"`
	GroupName     string
	Mailbox       string
	Conversation  int64
	Direction     string
	MessageID     string
	InReplyTo     words
	Refs          words
	FromName      string
	FromAddr      string
	ToAddrs       addresses
	CcAddrs       addresses
	ReplyTo       addresses
	AuthorName    string
	AuthorAddr    string
	Subject       string
	Sent          moment
	Received      moment
	TicketRef     int64
	Text          string
	Reply         string
	HTML          string `gorm:"column:html"`
	Attachments   files
	AutoReply     bool
	Bounce        bool
	AutoGenerated bool
	NoAutoAnswer  bool
	Spam          bool
	Priority      string
	Ours          string
	Fault         string
	Digest        string
	Raw           int64
	Size          int64
	Seq           int64
	ByMember      string
	NewPerson     bool
	Fingerprint   *string
	Report        string
	ReportSays    string
	ReportMark    string
	Delay         bool
	Contact       int64
	Proof         string
}

func (mailRow) TableName() string { return "mails" }

// mailLine are the columns of a mail that are shown in a line: to read them all takes twice as long.
var mailLine = []string{
	"id", "group_name", "mailbox", "conversation", "direction", "from_name", "from_addr", "author_name", "author_addr", "subject", "sent",
	"received", "attachments", "by_member", "contact", "proof",
}

func rowOfMail(m ticketing.Mail) mailRow {
	r := mailRow{
		ID: int64(m.ID), GroupName: m.Group, Mailbox: m.Mailbox, Conversation: int64(m.Conversation),
		Direction: string(m.Direction), MessageID: m.MessageID, InReplyTo: m.InReplyTo, Refs: m.References,
		FromName: m.From.Name, FromAddr: m.From.Addr, ToAddrs: m.To, CcAddrs: m.Cc, ReplyTo: m.ReplyTo,
		AuthorName: m.Author.Name, AuthorAddr: m.Author.Addr, Subject: m.Subject, Sent: at(m.Sent),
		Received: at(m.Received), TicketRef: int64(m.TicketRef), Text: m.Text, Reply: m.Reply,
		HTML: m.HTML, Attachments: m.Attachments, AutoReply: m.AutoReply, Bounce: m.Bounce,
		AutoGenerated: m.AutoGenerated, NoAutoAnswer: m.NoAutoAnswer, Spam: m.Spam, Priority: string(m.Priority), Ours: m.Ours,
		Fault: m.Fault, Digest: m.Digest, Raw: int64(m.Raw), Size: m.Size, Seq: m.Seq,
		ByMember: string(m.By), NewPerson: m.NewPerson,
		Report: m.Report.Text, ReportSays: m.Report.Says, ReportMark: m.Report.Mark, Delay: m.Report.Delay,
		Contact: int64(m.Contact), Proof: string(m.Proof),
	}
	if m.By == "" { // came from a mailbox; what a member sent from here is identified by its mark
		f := ticketing.Fingerprint(m)
		r.Fingerprint = &f
	}
	return r
}

func (r mailRow) noun() ticketing.Mail {
	return ticketing.Mail{
		ID: ticketing.MailID(r.ID), Group: r.GroupName, Mailbox: r.Mailbox,
		Conversation: ticketing.ConversationID(r.Conversation), Direction: ticketing.Direction(r.Direction),
		MessageID: r.MessageID, InReplyTo: r.InReplyTo, References: r.Refs,
		From: ticketing.Address{Name: r.FromName, Addr: r.FromAddr}, To: r.ToAddrs, Cc: r.CcAddrs,
		ReplyTo: r.ReplyTo, Author: ticketing.Address{Name: r.AuthorName, Addr: r.AuthorAddr},
		Subject: r.Subject, Sent: r.Sent.time(), Received: r.Received.time(), TicketRef: int(r.TicketRef),
		Text: r.Text, Reply: r.Reply, HTML: r.HTML, Attachments: r.Attachments, AutoReply: r.AutoReply,
		Bounce: r.Bounce, AutoGenerated: r.AutoGenerated, NoAutoAnswer: r.NoAutoAnswer, Spam: r.Spam, Priority: ticketing.Priority(r.Priority),
		Ours: r.Ours, Fault: r.Fault, Digest: r.Digest, Raw: ticketing.BlobID(r.Raw), Size: r.Size,
		Seq: r.Seq, By: ticketing.MemberID(r.ByMember), NewPerson: r.NewPerson,
		Report:  ticketing.Report{Text: r.Report, Says: r.ReportSays, Mark: r.ReportMark, Delay: r.Delay},
		Contact: ticketing.ContactID(r.Contact), Proof: ticketing.Proof(r.Proof),
	}
}

type participantRow struct { // its id only keeps the order
	Conversation int64
	AddrKey      string
	Name         string
	Addr         string
}

func (participantRow) TableName() string { return "participants" }

type messageIDRow struct {
	GroupName    string `gorm:"primaryKey"`
	MessageID    string `gorm:"primaryKey"`
	Conversation int64
	Own          bool
}

func (messageIDRow) TableName() string { return "message_ids" }

type sightingRow struct {
	ID       int64 `gorm:"primaryKey;autoIncrement"`
	Mailbox  string
	Validity string
	UID      string `gorm:"column:uid"`
	Mail     int64
	Faults   int64
	Error    string
	At       moment
	Due      string
	Settled  bool
}

func (sightingRow) TableName() string { return "sightings" }

func (r sightingRow) noun() ticketing.Sighting {
	return ticketing.Sighting{
		Mailbox: r.Mailbox, Ref: ticketing.Ref{Validity: r.Validity, UID: r.UID},
		Mail: ticketing.MailID(r.Mail), Faults: int(r.Faults), Error: r.Error, At: r.At.time(),
	}
}

type boxRow struct {
	Mailbox     string `gorm:"primaryKey"`
	Validity    string
	FirstUID    int64 `gorm:"column:first_uid"`
	WindowSince moment
	Count       int64
	Looked      moment
	Decided     string
	DecidedBy   string
}

func (boxRow) TableName() string { return "boxes" }

func (r boxRow) noun() ticketing.BoxMemory {
	return ticketing.BoxMemory{
		Validity: r.Validity, Count: int(r.Count), Looked: r.Looked.time(),
		Window:  ticketing.Window{First: uint32(r.FirstUID), Since: r.WindowSince.time()},
		Decided: ticketing.Greeted(r.Decided), By: ticketing.MemberID(r.DecidedBy),
	}
}

type postRow struct {
	ID           int64 `gorm:"primaryKey;autoIncrement"`
	Key          string
	Kind         string
	GroupName    string
	Board        string
	ToMember     string
	Conversation int64
	Mail         int64
	Reply        int64
	Event        int64
	Todo         int64
	Subject      string
	Root         int64
	Message      string
	Want         int64
	Shown        int64
	Gone         bool
	Made         moment
	LeaseBy      string
	LeaseUntil   moment
	RetryAt      moment
}

func (postRow) TableName() string { return "posts" }

func (r postRow) noun() ticketing.Post {
	return ticketing.Post{
		ID: ticketing.PostID(r.ID), Key: r.Key, Kind: ticketing.PostKind(r.Kind), Group: r.GroupName,
		Board: r.Board, To: ticketing.MemberID(r.ToMember), Conversation: ticketing.ConversationID(r.Conversation),
		Mail: ticketing.MailID(r.Mail), Reply: ticketing.ReplyID(r.Reply), Event: r.Event, Todo: ticketing.TodoID(r.Todo),
		Subject: r.Subject, Root: ticketing.PostID(r.Root), Message: r.Message, Want: r.Want,
		Shown: r.Shown, Gone: r.Gone, Made: r.Made.time(),
	}
}

type replyRow struct {
	ID           int64 `gorm:"primaryKey;autoIncrement"`
	Conversation int64
	GroupName    string
	Mailbox      string
	ByMember     string
	State        string
	Why          string
	FromName     string
	FromAddr     string
	ToAddrs      addresses
	CcAddrs      addresses
	Subject      string
	Text         string
	Signature    string
	Files        files
	MessageID    string
	Mark         string
	InReplyTo    words
	Refs         words
	CloseAs      string
	Seq          int64
	Origin       string
	Created      moment
	Due          moment
	SentAt       moment
	Attempts     int64
	MaybeSent    bool
	Error        string
	Raw          int64
	Mail         int64
}

func (replyRow) TableName() string { return "replies" }

func rowOfReply(r ticketing.Reply) replyRow {
	return replyRow{
		ID: int64(r.ID), Conversation: int64(r.Conversation), GroupName: r.Group, Mailbox: r.Mailbox,
		ByMember: string(r.By), State: string(r.State), Why: string(r.Why), FromName: r.From.Name,
		FromAddr: r.From.Addr, ToAddrs: r.To, CcAddrs: r.Cc, Subject: r.Subject, Text: r.Text,
		Signature: r.Signature, Files: r.Files, MessageID: r.MessageID, Mark: r.Mark,
		InReplyTo: r.InReplyTo, Refs: r.References, CloseAs: r.CloseAs, Seq: r.Seq, Origin: r.Origin,
		Created: at(r.Created), Due: at(r.Due), SentAt: at(r.SentAt), Attempts: int64(r.Attempts), MaybeSent: r.MaybeSent,
		Error: r.Error, Raw: int64(r.Raw), Mail: int64(r.Mail),
	}
}

func (r replyRow) noun() ticketing.Reply {
	return ticketing.Reply{
		ID: ticketing.ReplyID(r.ID), Conversation: ticketing.ConversationID(r.Conversation),
		Group: r.GroupName, Mailbox: r.Mailbox, By: ticketing.MemberID(r.ByMember),
		State: ticketing.ReplyState(r.State), Why: ticketing.Why(r.Why),
		From: ticketing.Address{Name: r.FromName, Addr: r.FromAddr}, To: r.ToAddrs, Cc: r.CcAddrs,
		Subject: r.Subject, Text: r.Text, Signature: r.Signature, Files: r.Files,
		MessageID: r.MessageID, Mark: r.Mark, InReplyTo: r.InReplyTo, References: r.Refs,
		CloseAs: r.CloseAs, Seq: r.Seq, Origin: r.Origin, Created: r.Created.time(), Due: r.Due.time(),
		SentAt: r.SentAt.time(), Attempts: int(r.Attempts), MaybeSent: r.MaybeSent,
		Error: r.Error, Raw: ticketing.BlobID(r.Raw), Mail: ticketing.MailID(r.Mail),
	}
}

type eventRow struct {
	ID           int64 `gorm:"primaryKey;autoIncrement"`
	At           moment
	GroupName    string
	Conversation int64
	Member       string
	Move         string
	Detail       string
	Mail         int64
	Reply        int64
	Contact      int64
}

func (eventRow) TableName() string { return "events" }

func rowOfEvent(e ticketing.Event) eventRow {
	return eventRow{
		ID: e.ID, At: at(e.At), GroupName: e.Group, Conversation: int64(e.Conversation),
		Member: string(e.Member), Move: string(e.Move), Detail: e.Detail, Mail: int64(e.Mail),
		Reply: int64(e.Reply), Contact: int64(e.Contact),
	}
}

func (r eventRow) noun() ticketing.Event {
	return ticketing.Event{
		ID: r.ID, At: r.At.time(), Group: r.GroupName,
		Conversation: ticketing.ConversationID(r.Conversation), Member: ticketing.MemberID(r.Member),
		Move: ticketing.Move(r.Move), Detail: r.Detail, Mail: ticketing.MailID(r.Mail),
		Reply: ticketing.ReplyID(r.Reply), Contact: ticketing.ContactID(r.Contact),
	}
}

type memberRow struct {
	ID        string `gorm:"primaryKey"`
	Name      string
	Handle    string
	Email     string
	FromName  string
	Signature string
	Replied   bool
	Status    string
	AwayUntil moment
	Away      bool
	Zone      string
}

func (memberRow) TableName() string { return "members" }

func rowOfMember(m ticketing.Member) memberRow {
	return memberRow{
		ID: string(m.ID), Name: m.Name, Handle: m.Handle, Email: m.Email, FromName: m.FromName,
		Signature: m.Signature, Replied: m.Replied, Status: m.Status, AwayUntil: at(m.Until), Away: m.Away, Zone: m.Zone,
	}
}

func (r memberRow) noun() ticketing.Member {
	return ticketing.Member{
		ID: ticketing.MemberID(r.ID), Name: r.Name, Handle: r.Handle, Email: r.Email,
		FromName: r.FromName, Signature: r.Signature, Replied: r.Replied,
		Status: r.Status, Until: r.AwayUntil.time(), Away: r.Away, Zone: r.Zone,
	}
}

// nouns maps rows to nouns.
func nouns[R interface{ noun() N }, N any](rows []R) []N {
	all := make([]N, 0, len(rows))
	for _, r := range rows {
		all = append(all, r.noun())
	}
	return all
}
