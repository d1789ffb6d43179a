package store

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"groupmail/ticketing"
)

// A reply is sent by one process at a time, whatever their clocks say, and who has lost the claim has
// nothing to say about it any more.
func TestAClaimGoesByTheDatabasesClock(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		group := ticketing.Group{Name: "help", Mailboxes: []ticketing.Mailbox{{Name: "help", Address: ticketing.Address{Addr: "help@example.org"}}}}
		desk := func(shift time.Duration) *ticketing.Desk {
			clock := func() time.Time { return ticketing.SystemClock().Add(shift) }
			s := b.another()
			if b.config.URL != "" { // two processes, whose clocks differ; SQLite has one process and one clock
				s.clock = clock
			}
			return ticketing.NewDesk(s, []ticketing.Group{group}, clock, slog.New(slog.DiscardHandler))
		}
		slow, fast := desk(-time.Minute), desk(time.Minute)
		c := b.conversation(ticketing.Conversation{State: ticketing.Taken, Owner: "mm:ann"})
		r := ticketing.Reply{Conversation: c.ID, Group: "help", Mailbox: "help", By: "mm:ann", State: ticketing.Pending, MessageID: "m@x", Mark: "mark"}
		b.change(func(tx ticketing.Tx) error { return tx.AddReply(&r) })
		now := func() (r2 ticketing.Reply) {
			b.read(func(tx ticketing.Tx) (err error) {
				r2, err = tx.Reply(r.ID)
				return err
			})
			return r2
		}
		var again ticketing.RunAgain

		first, err := slow.ClaimReply(ctx, r.ID)
		fatal(t, err)
		for name, d := range map[string]*ticketing.Desk{"another process": fast, "another job of the same": slow} {
			if _, err := d.ClaimReply(ctx, r.ID); !errors.As(err, &again) {
				t.Fatalf("%s claims it, too: %v", name, err)
			}
		}
		fatal(t, slow.HoldReply(ctx, first))

		b.exec("UPDATE leases SET until = ?", b.past())
		second, err := fast.ClaimReply(ctx, r.ID)
		fatal(t, err)
		if !second.MaybeSent || second.MessageID != "m@x" || second.Attempts != 2 {
			t.Errorf("taken over as %+v", second)
		}
		if err := slow.HoldReply(ctx, first); !errors.Is(err, ticketing.ErrNotDue) {
			t.Errorf("the loser holds on: %v", err)
		}
		if _, err := slow.Composed(ctx, first, 7); !errors.Is(err, ticketing.ErrNotDue) {
			t.Errorf("the loser has composed: %v", err)
		}
		for _, a := range []ticketing.Attempt{
			{Error: errors.New("550 no"), Final: true}, {Error: errors.New("421 later")}, {Sent: ticketing.Mail{MessageID: "m@x"}},
		} {
			fatal(t, slow.FinishReply(ctx, first, a))
		}
		if got := now(); got.State != ticketing.Sending || got.Raw != 0 || got.Error != "" || got.Attempts != 2 {
			t.Errorf("the loser has made it %+v", got)
		}

		fatal(t, fast.FinishReply(ctx, second, ticketing.Attempt{Sent: ticketing.Mail{MessageID: "m@x"}}))
		fatal(t, fast.FinishReply(ctx, second, ticketing.Attempt{Error: errors.New("said twice")})) // its commit was of unknown end
		if got := now(); got.State != ticketing.Sent || got.Error != "" {
			t.Errorf("in the end it is %+v", got)
		}
		if n := b.count("leases"); n != 0 {
			t.Errorf("%d leases are left", n)
		}
	})
}
