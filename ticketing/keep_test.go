package ticketing_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	. "groupmail/ticketing"
)

// sweeps erases what is over, and tells how many it was.
func (o *office) sweeps() int {
	o.t.Helper()
	n, err := o.desk.SweepKept(o.t.Context())
	o.ok(err)
	return n
}

// keeps sets for how long something is kept.
func (o *office) keeps(k Keep) { o.desk.Groups()[0].Keep = k }

const day = 24 * time.Hour

func TestSpamIsErased(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.keeps(Keep{Spam: 30 * day})
		raw, _, err := o.desk.Spool(ctx, strings.NewReader("the secret bytes"))
		o.ok(err)
		m := mail(maria, "1@x", "secret subject", "secret text")
		m.Digest = "a hash"
		m.HTML, m.Raw, m.Attachments = "<b>secret html</b>", raw, []Attachment{{Name: "secret.pdf", Type: "application/pdf"}}
		m.Cc, m.Fault = []Address{{Name: "secret", Addr: "secret@example.net"}}, "secret fault"
		o.arrives(m)
		id := o.one().ID
		file, _, err := o.desk.Spool(ctx, strings.NewReader("the secret file"))
		o.ok(err)
		_, err = o.desk.Reply(ctx, by(ann), ReplyInput{Conversation: id, Text: "secret answer", Files: []Attachment{{Name: "secret.txt", Blob: file}}, Origin: "x/board m", Written: o.now()})
		o.ok(err)
		_, err = o.desk.Spam(ctx, by(ann), id)
		o.ok(err)
		o.pass(30 * day)
		if n := o.sweeps(); n != 0 {
			t.Fatalf("%d were erased on the last day", n)
		}
		o.pass(time.Second)
		o.mu.Lock()
		o.posts = nil
		o.mu.Unlock()
		if n := o.sweeps(); n != 1 {
			t.Fatalf("%d were erased", n)
		}
		if n := o.sweeps(); n != 0 {
			t.Errorf("%d were erased again", n)
		}
		c := o.one()
		if c.State != Spam || !c.Erased.Equal(o.now()) {
			t.Errorf("it is %+v", c)
		}
		for _, blob := range []BlobID{raw, file} {
			if _, err := o.desk.OpenBlob(ctx, blob); !errors.Is(err, ErrNone) {
				t.Errorf("its bytes are there: %v", err)
			}
		}
		var people []Address
		var replies []Reply
		o.ok(o.store.Read(ctx, func(tx Tx) (err error) {
			if people, err = tx.Participants(id); err != nil {
				return err
			}
			replies, err = tx.Replies(id, Asking, Pending, Cancelled)
			return err
		}))
		o.mu.Lock()
		posts := o.posts
		o.mu.Unlock()
		var drawings []Drawing
		for _, p := range posts {
			dr, err := o.desk.Drawing(ctx, p)
			o.ok(err)
			drawings = append(drawings, dr)
		}
		if len(drawings) == 0 || drawings[0].Post.Kind != CardPost {
			t.Errorf("the card is not drawn anew: %+v", drawings)
		}
		all, err := json.Marshal([]any{o.shown(id), people, replies, drawings})
		o.ok(err)
		for _, word := range []string{"secret", "maria", "Maria", "Kov"} {
			if before, after, left := strings.Cut(string(all), word); left {
				t.Errorf("%q is left: %s…%s", word, before[max(0, len(before)-200):], after[:min(len(after), 50)])
			}
		}
		if len(replies) != 1 || replies[0].State != Cancelled {
			t.Errorf("the draft is %+v", replies)
		}

		_, err = o.desk.Undo(ctx, by(ann), id)
		if text := o.refused(err, WrongState); !strings.Contains(text, "erased") {
			t.Errorf("told %q", text)
		}
		_, err = o.desk.SendReply(ctx, by(ann), replies[0].ID)
		o.refused(err, WrongState)
		_, err = o.desk.Draft(ctx, by(ann), id)
		o.refused(err, WrongState)

		o.arrives(m) // the same mail, once more
		if c := o.one(); c.State != Spam || c.Erased.IsZero() || c.Mails != 1 {
			t.Errorf("the same mail has come back: %+v", c)
		}
		o.arrives(mail(peter, "2@x", "A new subject", "It is cold.", "1@x"))
		c = o.one()
		if c.State != New || !c.Erased.IsZero() || c.Subject != "A new subject" || !c.With.Is(peter) || c.NewPerson.Addr != "" || c.First != c.Last {
			t.Errorf("an answer has made it %+v", c)
		}
		if _, err := o.desk.Take(ctx, by(ann), id); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatIsKept(t *testing.T) {
	year := 365 * day
	for name, c := range map[string]struct {
		keep   Keep
		do     func(o *office, id ConversationID) error
		erased bool
	}{
		"spam, by default for ever": {Keep{}, func(o *office, id ConversationID) error {
			_, err := o.desk.Spam(o.t.Context(), by(ann), id)
			return err
		}, false},
		"undone spam":       {Keep{Spam: day}, spamAndBack, false},
		"untaken, for ever": {Keep{Spam: day, Closed: day}, func(*office, ConversationID) error { return nil }, false},
		"untaken":           {Keep{Untaken: day}, func(*office, ConversationID) error { return nil }, true},
		"taken": {Keep{Spam: day, Untaken: day, Closed: day}, func(o *office, id ConversationID) error {
			_, err := o.desk.Take(o.t.Context(), by(ann), id)
			return err
		}, false},
		"released, with a number": {Keep{Untaken: day}, func(o *office, id ConversationID) error {
			_, err := o.desk.Take(o.t.Context(), by(ann), id)
			_, err2 := o.desk.Release(o.t.Context(), by(ann), id)
			return errors.Join(err, err2)
		}, false},
		"closed": {Keep{Closed: day}, func(o *office, id ConversationID) error {
			_, err := o.desk.Close(o.t.Context(), by(ann), id, "phoned")
			return err
		}, true},
		"closed, for ever": {Keep{Spam: day, Untaken: day}, func(o *office, id ConversationID) error {
			_, err := o.desk.Close(o.t.Context(), by(ann), id, "phoned")
			return err
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := lite(t)
			o.keeps(c.keep)
			o.arrives(mail(maria, "1@x", "Heating", "cold"))
			o.ok(c.do(o, o.one().ID))
			o.pass(year)
			if n := o.sweeps(); (n == 1) != c.erased {
				t.Errorf("%d were erased", n)
			}
			if got := o.one(); got.Erased.IsZero() == c.erased || c.erased && got.Open() {
				t.Errorf("it is %+v", got)
			}
		})
	}
}

func spamAndBack(o *office, id ConversationID) error {
	_, err := o.desk.Spam(o.t.Context(), by(ann), id)
	_, err2 := o.desk.Undo(o.t.Context(), by(ann), id)
	return errors.Join(err, err2)
}

// What somebody still has to do keeps the conversation, and goes with it when it is done.
func TestTodosAreErased(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.keeps(Keep{Closed: day})
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		o.arrives(mail(maria, "2@x", "Heating again", "colder"))
		all := o.all()
		_, err := o.desk.Take(ctx, by(ann), all[0].ID)
		o.ok(err)
		about := func(c Conversation) Todo {
			todo, err := o.desk.AddTodo(ctx, by(ann), TodoInput{Text: "call the secret number", Owner: ann.ID, Conversation: c.ID})
			o.ok(err)
			return todo
		}
		one, two := about(all[0]), about(all[1])
		_, err = o.desk.Join(ctx, by(ann), all[1].ID, 1)
		o.ok(err)
		if got, err := o.desk.TodoByID(ctx, "help", two.ID); err != nil || got.Conversation != all[0].ID {
			t.Errorf("joined: %+v, %v", got, err)
		}
		_, err = o.desk.Close(ctx, by(ann), all[0].ID, "phoned")
		o.ok(err)
		_, err = o.desk.DoneTodo(ctx, by(ann), one.ID)
		o.ok(err)
		o.pass(3 * day)
		if n := o.sweeps(); n != 0 {
			t.Fatalf("%d were erased though a to-do is open", n)
		}
		_, err = o.desk.DoneTodo(ctx, by(ann), two.ID)
		o.ok(err)
		if n := o.sweeps(); n != 1 {
			t.Fatalf("%d were erased", n)
		}
		for _, id := range []TodoID{one.ID, two.ID} {
			if got, err := o.desk.TodoByID(ctx, "help", id); err != nil || got.Text != ErasedText {
				t.Errorf("%+v, %v", got, err)
			}
		}
		for _, c := range all {
			for _, e := range o.shown(c.ID).Events {
				if strings.Contains(e.Detail, "secret") {
					t.Errorf("the log says %+v", e)
				}
			}
		}
	})
}

// What was joined goes with the ticket that has its mails, and not before.
func TestJoinedConversationsAreErasedTogether(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.keeps(Keep{Closed: day})
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		o.arrives(mail(maria, "2@x", "secret joined", "colder"))
		all := o.all()
		_, err := o.desk.Take(t.Context(), by(ann), all[0].ID)
		o.ok(err)
		_, err = o.desk.Join(t.Context(), by(ann), all[1].ID, 1)
		o.ok(err)
		o.pass(3 * day)
		if n := o.sweeps(); n != 0 {
			t.Fatalf("%d were erased though the ticket is open", n)
		}
		_, err = o.desk.Close(t.Context(), by(ann), all[0].ID, "phoned")
		o.ok(err)
		o.pass(3 * day)
		if n := o.sweeps(); n != 1 {
			t.Fatalf("%d were erased", n)
		}
		for _, c := range o.all() {
			if c.Subject != ErasedText || c.Erased.IsZero() {
				t.Errorf("left is %+v", c)
			}
		}
	})
}

// A mail that comes at the same instant is not erased with the rest, whoever is first.
func TestAMailAgainstTheSweep(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.keeps(Keep{Spam: day})
		for i := range 5 {
			id := string(rune('a' + i))
			o.arrives(mail(maria, id+"1@x", "Offer "+id, "buy"))
			c := o.all()[i]
			_, err := o.desk.Spam(t.Context(), by(ann), c.ID)
			o.ok(err)
			o.pass(2 * day)
			var both sync.WaitGroup
			both.Go(func() { o.arrives(mail(maria, id+"2@x", "Re: Offer", "A real question "+id, id+"1@x")) })
			both.Go(func() { o.sweeps() })
			both.Wait()
			s := o.shown(c.ID)
			if s.State != New || !s.Erased.IsZero() || s.Mails[0].Text != "A real question "+id || !s.Mails[0].From.Is(maria) {
				t.Errorf("after both it is %+v with %+v", s.Conversation, s.Mails[0])
			}
		}
	})
}
