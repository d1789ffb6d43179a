package ticketing

import (
	"context"
	"time"
)

// Ref is the place of a mail in a mailbox, and with the mailbox's name its identity there.
//
//	IMAP: UIDVALIDITY and UID; POP3: UIDL; mbox: a digest; Maildir: the unique part of the file's name.
type Ref struct {
	Validity string // IMAP: UIDVALIDITY in decimal; others: Window.Validity
	UID      string // IMAP: UID in decimal, others: the source's own name of the mail
}

// Box is what a source sees when it opens a mailbox.
type Box struct {
	Validity string   // IMAP: UIDVALIDITY in decimal; others: empty
	Next     uint32   // IMAP: UIDNEXT; others: 0
	Count    int      // mails in it
	Names    *Listing // IMAP: nil; others: all mails
}

// Listing is all mails of a mailbox in which names have no order, so that only a list can tell what
// was there at the first look.
type Listing struct {
	UIDs []string // oldest first, each once
	// Received tells when each of them arrived; zero where that is not known. It is asked for
	// seldom: it may cost a question for each mail.
	Received func(context.Context) ([]time.Time, error)
}

// Since is from when on a mailbox's mail is picked up, as configured.
type Since struct {
	All  bool      // everything there is
	Date time.Time // from this day on; zero with All false: from the very first look on
}

// Window says which of a mailbox's mails are picked up: those with a UID of at least First, and
// those that the server received at Since or later, whatever their UID. Of a Box with Names all are
// picked up that are unknown: what is not wanted was noted as known.
type Window struct {
	First    uint32
	Since    time.Time
	Validity string // of the names; it changes when the server names all its mails anew
}

// Arrival is one mail as a source hands it over, its bytes already kept.
type Arrival struct {
	Mailbox string
	Ref     Ref
	Mail    Mail      // parsed, with Raw and Size set
	Sent    bool      // found in the mailbox's Sent folder: somebody of the team wrote it
	Seen    time.Time // when the server received it; zero if it does not say
}

// Fate is what happens to a mail on its server once it is processed.
//
//	"leave" (or empty), "seen", "move:Folder", "delete", "keyword:Name"
type Fate string

// Processed says why a mail's fate is due.
type Processed string

const (
	NotProcessed Processed = ""
	Done         Processed = "done" // its conversation is closed
	Junk         Processed = "spam" // its conversation is spam
)

// Settlement is a mail whose fate is due on the server.
type Settlement struct {
	Ref Ref
	Why Processed
}
