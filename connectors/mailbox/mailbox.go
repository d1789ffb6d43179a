// Package mailbox owns the pick-up of mail: the port Source that every kind of mailbox implements,
// and the loop that watches one mailbox through it (Watch).
//
// It knows neither what a conversation is nor how mail is shown; it hands what it finds to a
// Keeper. A mail is done on the server only after the Keeper has kept it: a crash anywhere repeats
// work and loses nothing.
//
// Start reading at Source, then Watcher.
package mailbox

import (
	"context"
	"errors"
	"io"
	"time"

	"groupmail/ticketing"
)

// Raw is one mail as it lies on the server.
type Raw struct {
	Ref      ticketing.Ref
	Received time.Time // IMAP: INTERNALDATE; zero if the source does not know
	Size     int64     // in bytes, as announced; -1 if unknown

	// Body is valid only until keep returns and need not be read to its end. An error that is
	// ErrUnreadable concerns this mail alone; after any other the source is lost.
	Body io.Reader
}

var (
	// ErrCannot means that a server will never do what was asked of it.
	ErrCannot = errors.New("the server cannot do this")
	// ErrNoOther means that there is no other mail to try, see Prober.
	ErrNoOther = errors.New("there is no other mail to try")
	// ErrUnreadable means that the server does not hand out one mail, while the connection goes on.
	ErrUnreadable = errors.New("the server does not hand out this mail")
)

// Source is an open mailbox: a connection, a locked file. It is used by one goroutine at a time,
// and never again after an error; its owner then closes it and opens a new one.
type Source interface {
	// Fetch shows keep every mail of the mailbox that ledger wants, oldest first, in batches, and
	// returns after the last. An error of keep or of ledger ends Fetch and is returned as it is.
	// Fetch changes nothing on the server. Where a connection is lost while one certain mail is
	// being read, it is that mail's Body that says so.
	Fetch(ctx context.Context, ledger Ledger, keep func(context.Context, Raw) error) error
	Close() error
}

// Ledger knows which mails are wanted.
type Ledger interface {
	// Look is told once a Fetch what the mailbox holds, and answers with what is picked up.
	Look(ctx context.Context, box ticketing.Box) (ticketing.Window, error)
	// Unknown returns those of the refs, in their order, that were neither kept nor given up.
	Unknown(ctx context.Context, refs []ticketing.Ref) ([]ticketing.Ref, error)
}

// Prober is a Source that can find out whether its server hands out mail at all: only then is a
// mail that cannot be read at fault itself. The mails named are left out of the test.
type Prober interface {
	// Probe returns nil if the server hands out other mail, from whichever folder. ErrNoOther means
	// that there is none, and that the server answered everything else that it was asked, what it
	// knows of the mails named included.
	Probe(ctx context.Context, except []ticketing.Ref) error
}

// Waiter is a Source that can be told of new mail (IMAP IDLE); others are polled.
type Waiter interface {
	// Wait returns nil when something may have changed or ctx has ended, and an error when the
	// connection is lost.
	Wait(ctx context.Context) error
}

// Settler is a Source that can carry out a mail's fate.
type Settler interface {
	// Settle does it, and is harmless when done twice, or when the mail is gone or has another Ref
	// by now. ErrCannot means that this server will never do it; any other error may pass.
	Settle(ctx context.Context, ref ticketing.Ref, fate ticketing.Fate) error
}

// Committer is a Settler whose Settle counts only after Commit (POP3: what is marked for deletion is
// deleted at the session's end).
type Committer interface {
	// Commit makes what was settled since the last time happen. After an error nothing is known to have.
	Commit(ctx context.Context) error
}

// Keeper is what the loop asks of the product (ticketing.Desk).
type Keeper interface {
	Look(ctx context.Context, mailbox string, since ticketing.Since, box ticketing.Box) (ticketing.Window, error)
	Unknown(ctx context.Context, mailbox string, refs []ticketing.Ref) ([]ticketing.Ref, error)
	// Spool keeps bytes, in small transactions, and returns where and how many.
	Spool(ctx context.Context, r io.Reader) (ticketing.BlobID, int64, error)
	// OpenBlob streams what Spool kept.
	OpenBlob(ctx context.Context, id ticketing.BlobID) (io.ReadCloser, error)
	// Receive keeps the mail under its identity; a second time it does nothing.
	Receive(ctx context.Context, a ticketing.Arrival) error
	// Fault notes that the mail itself, not the server or the database, made trouble, with what
	// could be spooled of it. After the third time Unknown no longer returns it, and it is kept as
	// a mail that could not be read.
	Fault(ctx context.Context, mailbox string, ref ticketing.Ref, raw ticketing.BlobID, why error) error
	// Unsettled lists mails whose fate is due, oldest first.
	Unsettled(ctx context.Context, mailbox string, limit int) ([]ticketing.Settlement, error)
	Settled(ctx context.Context, mailbox string, s ticketing.Settlement) error
	// Lease makes this process the holder of name until ttl from now, if nobody else is; it renews
	// a lease that this process holds.
	Lease(ctx context.Context, name string, ttl time.Duration) (held bool, err error)
	Unlease(ctx context.Context, name string) error
}
