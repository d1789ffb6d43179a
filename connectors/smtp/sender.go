package smtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"groupmail/connectors/message"
	"groupmail/ticketing"
)

// Desk is what sending asks of the product (ticketing.Desk).
type Desk interface {
	ClaimReply(ctx context.Context, id ticketing.ReplyID) (ticketing.Reply, error)
	Composed(ctx context.Context, claimed ticketing.Reply, raw ticketing.BlobID) (ticketing.Reply, error)
	HoldReply(ctx context.Context, claimed ticketing.Reply) error
	FinishReply(ctx context.Context, claimed ticketing.Reply, a ticketing.Attempt) error
	Number(ctx context.Context, id ticketing.ConversationID) (group ticketing.Group, number int, begun bool, err error)
	Spool(ctx context.Context, r io.Reader) (ticketing.BlobID, int64, error)
	OpenBlob(ctx context.Context, id ticketing.BlobID) (io.ReadCloser, error)
}

// SenderConfig is what a Sender works with.
type SenderConfig struct {
	Desk Desk
	// Account is the submission server of a mailbox.
	Account func(mailbox string) (Config, error)
	// Ended, if set, hears how each attempt to submit ended.
	Ended func(ctx context.Context, mailbox string, err error)
	Clock ticketing.Clock
	Log   *slog.Logger
}

// Sender carries replies from the desk to the mail server.
type Sender struct{ cfg SenderConfig }

// NewSender makes a sender.
func NewSender(cfg SenderConfig) *Sender {
	if cfg.Clock == nil {
		cfg.Clock = ticketing.SystemClock
	}
	return &Sender{cfg}
}

// Send is the work of a ticketing.SendJob: the reply is claimed and the attempt committed before
// anything goes out, composed once, kept, and submitted; how it ended is noted. An error means
// that nothing was noted, and the job is to be run again: by then the claim has run out, and the
// attempt counts as one of unknown end.
func (s *Sender) Send(ctx context.Context, id int64) error {
	r, err := s.cfg.Desk.ClaimReply(ctx, ticketing.ReplyID(id))
	switch {
	case errors.Is(err, ticketing.ErrNotDue):
		return nil
	case err != nil:
		return err
	}
	// What is claimed is brought to an end, also when the process is asked to stop.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTime)
	defer cancel()
	ctx, release := s.hold(ctx, r)
	defer release()
	attempt := s.attempt(ctx, r)
	if attempt.Error != nil {
		s.cfg.Log.Warn("a reply could not be sent", "reply", r.ID, "attempt", r.Attempts, "err", attempt.Error)
	}
	return s.finish(ctx, r, attempt)
}

// finishPause and finishTime are how often, and for how long, the end of an attempt is tried to be
// noted: what is not noted is sent once more.
const (
	finishPause = time.Second
	finishTime  = 10 * time.Minute
)

// finish notes how an attempt ended, for as long as the database cannot be reached. The claim is
// renewed meanwhile, as far as that is possible, so that nobody else tries.
func (s *Sender) finish(ctx context.Context, r ticketing.Reply, a ticketing.Attempt) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	for {
		err := s.cfg.Desk.FinishReply(ctx, r, a)
		if err == nil {
			return nil
		}
		s.cfg.Log.Error("cannot note how the sending of a reply ended; trying again", "reply", r.ID, "err", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(finishPause):
		}
	}
}

// attemptTime bounds one attempt: enough for a large mail on a slow line.
const attemptTime = 5 * time.Minute

// hold renews the claim of a reply until release is called. The context that it returns ends when
// somebody else has taken over, so that no more of the mail goes out than must.
func (s *Sender) hold(ctx context.Context, r ticketing.Reply) (held context.Context, release func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(ticketing.SendLease / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			err := s.cfg.Desk.HoldReply(ctx, r)
			switch {
			case errors.Is(err, ticketing.ErrNotDue): // also when its end was noted a moment ago
				cancel()
			case err != nil && ctx.Err() == nil:
				s.cfg.Log.Warn("cannot renew the claim of a reply that is being sent", "reply", r.ID, "err", err)
			}
		}
	}()
	return ctx, func() { cancel(); <-done }
}

func (s *Sender) attempt(ctx context.Context, r ticketing.Reply) ticketing.Attempt {
	account, err := s.cfg.Account(r.Mailbox)
	if err != nil {
		return ticketing.Attempt{Error: err}
	}
	if r.Raw == 0 {
		if r, err = s.compose(ctx, r); err != nil {
			return ticketing.Attempt{Error: err}
		}
	}
	raw, err := s.cfg.Desk.OpenBlob(ctx, r.Raw)
	if err != nil {
		return ticketing.Attempt{Error: err}
	}
	defer raw.Close()
	to := make([]string, 0, len(r.To)+len(r.Cc))
	for _, a := range append(append([]ticketing.Address{}, r.To...), r.Cc...) {
		to = append(to, a.Addr)
	}
	err = Submit(ctx, account, r.From.Addr, to, raw)
	if s.cfg.Ended != nil {
		s.cfg.Ended(ctx, r.Mailbox, err)
	}
	var refused *Refused
	switch {
	case err == nil:
		return ticketing.Attempt{Sent: s.read(ctx, r)}
	case errors.As(err, &refused):
		return ticketing.Attempt{Error: err, Final: refused.Permanent}
	case errors.Is(err, ErrAddress):
		return ticketing.Attempt{Error: err, Final: true}
	case errors.Is(err, ErrUnknown):
		return ticketing.Attempt{Error: err, Unknown: true}
	}
	return ticketing.Attempt{Error: err}
}

// read is what was sent as our own parser reads it. That it cannot be read back changes nothing
// about its having been sent.
func (s *Sender) read(ctx context.Context, r ticketing.Reply) ticketing.Mail {
	raw, err := s.cfg.Desk.OpenBlob(ctx, r.Raw)
	if err != nil {
		return ticketing.Mail{MessageID: r.MessageID, From: r.From, To: r.To, Cc: r.Cc, Subject: r.Subject, Text: r.Text, Fault: err.Error()}
	}
	defer raw.Close()
	return message.Parse(raw, message.Options{})
}

// compose writes the mail once and for all: every attempt sends the same bytes.
func (s *Sender) compose(ctx context.Context, r ticketing.Reply) (ticketing.Reply, error) {
	group, number, begun, err := s.cfg.Desk.Number(ctx, r.Conversation)
	if err != nil {
		return r, err
	}
	out := message.Outgoing{
		MessageID: r.MessageID, Mark: r.Mark, Date: s.cfg.Clock(), From: r.From, To: r.To, Cc: r.Cc,
		Subject:   message.TaggedSubject(r.Subject, group.TicketTag(number)),
		InReplyTo: r.InReplyTo, References: r.References, Text: r.Text, Signature: r.Signature,
	}
	if begun {
		out.Subject = message.ReplySubject(r.Subject, group.TicketTag(number))
	}
	if group.Zone != nil {
		out.Date = out.Date.In(group.Zone)
	}
	for _, f := range r.Files {
		out.Files = append(out.Files, message.File{Name: f.Name, Type: f.Type, Open: func() (io.ReadCloser, error) {
			return s.cfg.Desk.OpenBlob(ctx, f.Blob)
		}})
	}
	read, write := io.Pipe()
	go func() { write.CloseWithError(message.Compose(write, out)) }()
	blob, _, err := s.cfg.Desk.Spool(ctx, read)
	read.CloseWithError(err) // lets the composer end if the store gave up
	if err != nil {
		return r, fmt.Errorf("compose the mail: %w", err)
	}
	return s.cfg.Desk.Composed(ctx, r, blob)
}
