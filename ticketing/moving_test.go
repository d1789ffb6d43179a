package ticketing_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	. "groupmail/ticketing"
)

// accounts is another team beside the office's.
func accounts() Group {
	return Group{
		Name: "accounts", Title: "Accounts", Outcomes: []string{"paid"}, Tag: "[#%d]", Overdue: time.Hour, Undo: 30 * time.Second, Zone: time.UTC,
		Mailboxes: []Mailbox{{Name: "accounts", Address: Address{Addr: "accounts@example.org"}}},
		Boards:    []Board{{Name: "x/accounts", Platform: "x", Channel: "accounts"}},
	}
}

func TestMoveToAnotherGroup(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		help := group()
		help.Leads = []string{"somebody"}
		o.desk = NewDesk(o.store, []Group{help, accounts()}, o.now, slog.New(slog.DiscardHandler))
		cleo := Member{ID: "x:cleo", Name: "Cleo"}
		o.ok(o.desk.SetPresent(ctx, "x/accounts", []Member{cleo, ben}))
		o.add("Maria of Help", "maria@example.net")
		theirs, err := o.desk.AddContact(ctx, By{Member: cleo, Group: "accounts"}, ContactInput{Name: "Maria of Accounts", Addresses: []string{"maria@example.net"}}, 0)
		o.ok(err)

		c := o.from(mail(maria, "1@x", "My secret bill", "It is too high"))
		_, err = o.desk.Take(ctx, by(ann), c.ID)
		o.ok(err)
		o.arrives(mail(maria, "2@x", "Re: My secret bill", "Far too high", "1@x"))
		_, err = o.desk.MoveToGroup(ctx, by(ben), c.ID, "accounts")
		if text := o.refused(err, NotYours); !strings.Contains(text, "Ann") {
			t.Error(text)
		}
		for _, to := range []string{"help", "none", ""} {
			_, err = o.desk.MoveToGroup(ctx, by(ann), c.ID, to)
			o.refused(err, BadInput)
		}
		r, err := o.desk.Reply(ctx, by(ann), ReplyInput{Conversation: c.ID, Text: "Please wait", To: []Address{maria}, Seq: 99})
		o.ok(err)
		_, err = o.desk.MoveToGroup(ctx, by(ann), c.ID, "accounts")
		if text := o.refused(err, WrongState); !strings.Contains(text, "on its way out") {
			t.Error(text)
		}
		_, err = o.desk.StopReply(ctx, by(ann), r.ID)
		o.ok(err)
		bens, err := o.desk.AddTodo(ctx, by(ben), TodoInput{Text: "secret call", Owner: ben.ID, Conversation: c.ID, Contact: o.read(c.ID).Contact, Due: o.now().Add(time.Minute)})
		o.ok(err)
		anns, err := o.desk.AddTodo(ctx, by(ann), TodoInput{Text: "look for the bill", Owner: ann.ID, Conversation: c.ID})
		o.ok(err)
		o.pass(time.Hour)
		o.sweepTodos(1)
		was := o.read(c.ID)
		n, err := o.desk.MoveToGroup(ctx, by(ann), c.ID, "accounts")
		o.ok(err)

		// There it is new, with its number, its mails, and whom that team knows.
		s, err := o.desk.Conversation(ctx, "accounts", "x/accounts", n.ID)
		o.ok(err)
		if s.State != New || s.Number != was.Number || len(s.Mails) != 2 || s.Mails[0].Group != "accounts" || s.Owner != "" || s.Contact != theirs.ID || s.Subject != "My secret bill" || s.Card.Key == "" {
			t.Errorf("there: %+v", s)
		}
		if id, err := o.desk.Numbered(ctx, "accounts", "#1"); err != nil || id != n.ID {
			t.Errorf("%v, %v", id, err)
		}
		// A to-do goes with it where its owner is of that team, too.
		got, err := o.desk.TodoByID(ctx, "accounts", bens.ID)
		if err != nil || got.Text != "secret call" || got.Conversation != n.ID || got.Contact != 0 || got.Owner != ben.ID {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := o.desk.TodoByID(ctx, "help", anns.ID); err != nil || got.Text != "look for the bill" || got.Conversation != 0 {
			t.Errorf("%+v, %v", got, err)
		}
		_, err = o.desk.DoneTodo(ctx, by(ben), bens.ID)
		o.refused(err, NotFound)
		_, err = o.desk.DoneTodo(ctx, By{Member: ben, Group: "accounts"}, bens.ID)
		o.ok(err)
		for _, e := range o.shown(c.ID).Events {
			if strings.Contains(e.Detail, "secret") || strings.Contains(e.Detail, "Maria") {
				t.Errorf("the log says %+v", e)
			}
		}
		// Here nothing of what it says is left, in anything that was posted.
		left := o.read(c.ID)
		if left.MovedTo() != "Accounts" || left.Number != 0 || left.With != (Address{}) {
			t.Errorf("here: %+v", left)
		}
		for id := PostID(1); id < 100; id++ {
			dr, err := o.desk.Drawing(ctx, id)
			if err != nil || dr.Post.Group != "help" {
				continue
			}
			dr.Tally, dr.Boxes, dr.Team, dr.Group = Tally{}, nil, nil, Group{}
			if all := strings.ToLower(fmt.Sprintf("%+v", dr)); strings.Contains(all, "secret") || strings.Contains(all, "too high") || strings.Contains(all, "please wait") || strings.Contains(all, "maria@") {
				t.Errorf("%s shows %s", dr.Post.Key, all)
			}
			if dr.Post.Conversation == c.ID && dr.Post.Want < 2 && dr.Post.Kind == CardPost {
				t.Errorf("%s is not drawn anew", dr.Post.Key)
			}
		}
		_, err = o.desk.Mail(ctx, "help", s.Mails[0].ID)
		o.refused(err, NotFound)
		_, err = o.desk.Conversation(ctx, "help", "", n.ID)
		o.refused(err, NotFound)
		_, err = o.desk.Numbered(ctx, "help", "#1")
		o.refused(err, NotFound)
		for _, again := range []error{
			second(o.desk.Reopen(ctx, by(ann), c.ID)), second(o.desk.Draft(ctx, by(ann), c.ID)), second(o.desk.MoveToGroup(ctx, by(ann), c.ID, "accounts")),
		} {
			if text := o.refused(again, WrongState); !strings.Contains(text, "moved to Accounts") {
				t.Error(text)
			}
		}
		// They go on with it: the answer comes from them, and what is answered to it joins it.
		cleos := By{Member: cleo, Group: "accounts"}
		dr, err := o.desk.Draft(ctx, cleos, n.ID)
		o.ok(err)
		if n.Mailbox != "accounts" || slices.ContainsFunc(dr.Cc, Address{Addr: "help@example.org"}.Is) || dr.From.Addr != "accounts@example.org" || len(dr.To) != 1 || dr.To[0].Addr != maria.Addr {
			t.Errorf("%+v", dr)
		}
		o.ok(o.desk.Receive(ctx, Arrival{Mailbox: "accounts", Ref: Ref{UID: "a"}, Mail: mail(maria, "3@x", "Re: My secret bill", "Thanks", "2@x")}))
		if s, err = o.desk.Conversation(ctx, "accounts", "", n.ID); err != nil || len(s.Mails) != 3 {
			t.Errorf("%d mails, %v", len(s.Mails), err)
		}

		// A mail that was written to both is there already.
		both := mail(peter, "b@x", "To both of you", "hello")
		o.ok(o.desk.Receive(ctx, Arrival{Mailbox: "accounts", Ref: Ref{UID: "b"}, Mail: both}))
		_, err = o.desk.MoveToGroup(ctx, by(ann), o.from(both).ID, "accounts")
		if text := o.refused(err, Already); !strings.Contains(text, "written to both") {
			t.Error(text)
		}
	})
}

func second[T any](_ T, err error) error { return err }
