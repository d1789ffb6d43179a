package store

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"groupmail/ticketing"
)

func TestZZ(t *testing.T) {
	b := onPostgres(t)
	c := b.conversation(ticketing.Conversation{Mailbox: "help"})
	b.post(ticketing.Post{Kind: ticketing.CardPost, Conversation: c.ID, Board: "mm/town"}, "")
	group := ticketing.Group{Name: "help", Boards: []ticketing.Board{{Name: "mm/town"}}, Mailboxes: []ticketing.Mailbox{{Name: "help"}}}
	desk := ticketing.NewDesk(b, []ticketing.Group{group}, ticketing.SystemClock, slog.New(slog.DiscardHandler))
	record := &recorder{}
	b.db().Logger = record
	for i := range 2 {
		_, err := desk.Take(t.Context(), ticketing.By{Group: "help", Member: ticketing.Member{ID: "mm:1", Name: "Ann"}, Event: fmt.Sprint(i)}, c.ID)
		t.Log(err)
	}
	fatal(t, desk.Receive(t.Context(), ticketing.Arrival{Mailbox: "help", Ref: ticketing.Ref{UID: "1"}, Mail: ticketing.Mail{MessageID: "a@x", From: ticketing.Address{Addr: "m@x"}, Subject: "x", References: []string{"b@x"}, Sent: time.Now()}}))
	for _, s := range record.sql {
		t.Log(s)
	}
}
