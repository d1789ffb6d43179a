package ticketing_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"groupmail/deploy/testbed"
	"groupmail/store"
	. "groupmail/ticketing"
)

// office is a desk with a store of its own and a clock that the test moves.
type office struct {
	t     testing.TB
	desk  *Desk
	store *store.Store
	mu    sync.Mutex
	time  time.Time
	posts []PostID
	uid   atomic.Int64
}

var (
	maria = Address{Name: "Maria Kovács", Addr: "maria@example.net"}
	peter = Address{Name: "Peter", Addr: "peter@example.net"}
	ann   = Member{ID: "x:ann", Name: "Ann", Handle: "ann", Email: "ann@example.com"}
	ben   = Member{ID: "x:ben", Name: "Ben", Handle: "ben"}
)

func group() Group {
	return Group{
		Name: "help", Title: "Help desk", Signature: "Your help desk", Outcomes: []string{"phoned"},
		Tag: "[#%d]", Overdue: time.Hour, Idle: 24 * time.Hour, Undo: 30 * time.Second, Zone: time.UTC,
		Mailboxes: []Mailbox{
			{Name: "help", Address: Address{Name: "Help desk", Addr: "help@example.org"}, FileSent: true},
			{Name: "info", Address: Address{Addr: "info@example.org"}},
		},
		Boards: []Board{{Name: "x/board", Platform: "x", Channel: "board"}},
	}
}

// eachStore runs a test on every database that there is.
func eachStore(t *testing.T, f func(t *testing.T, o *office)) {
	t.Run("SQLite", func(t *testing.T) { f(t, newOffice(t, store.Config{Path: filepath.Join(t.TempDir(), "test.db")})) })
	t.Run("Postgres", func(t *testing.T) { f(t, newOffice(t, store.Config{URL: testbed.Postgres(t)})) })
}

func newOffice(t testing.TB, cfg store.Config) *office {
	o := &office{t: t, time: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	cfg.Clock, cfg.Log = o.now, slog.New(slog.DiscardHandler)
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	o.store = s
	o.desk = NewDesk(s, []Group{group()}, o.now, cfg.Log)
	o.desk.OnPosts(func(owed []Owed) {
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, p := range owed {
			o.posts = append(o.posts, p.ID)
		}
	})
	o.ok(o.desk.SetPresent(t.Context(), "x/board", []Member{ann, ben}))
	return o
}

// setGroup starts the desk again with another configuration.
func (o *office) setGroup(change func(*Group)) {
	g := group()
	change(&g)
	o.desk = NewDesk(o.store, []Group{g}, o.now, slog.New(slog.DiscardHandler))
	o.desk.OnPosts(func(owed []Owed) {
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, p := range owed {
			o.posts = append(o.posts, p.ID)
		}
	})
}

func (o *office) now() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.time
}

func (o *office) pass(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.time = o.time.Add(d)
}

func (o *office) ok(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) refused(err error, kind Kind) string {
	o.t.Helper()
	var no Refusal
	if !errors.As(err, &no) || no.Kind != kind {
		o.t.Fatalf("got %v, want a refusal %q", err, kind)
	}
	return no.Text
}

func by(m Member) By { return By{Member: m, Group: "help"} }

// mail is a mail as the parser hands it over.
func mail(from Address, id, subject, text string, answers ...string) Mail {
	return Mail{
		MessageID: id, From: from, To: []Address{{Addr: "help@example.org"}}, Subject: subject, Text: text, Reply: text,
		InReplyTo: answers, References: answers, Sent: time.Date(2026, 3, 2, 8, 59, 0, 0, time.UTC), Digest: "digest of " + text,
	}
}

// arrives lets a mail turn up under a new UID.
func (o *office) arrives(m Mail) Ref {
	o.t.Helper()
	ref := Ref{Validity: "1", UID: fmt.Sprint(o.uid.Add(1))}
	o.ok(o.desk.Receive(o.t.Context(), Arrival{Mailbox: "help", Ref: ref, Mail: m}))
	return ref
}

// all lists the conversations, in the order in which they were opened.
func (o *office) all() (all []Conversation) {
	o.t.Helper()
	o.ok(o.store.Read(o.t.Context(), func(tx Tx) (err error) {
		all, err = tx.Conversations(Query{Group: "help", Limit: 100})
		return err
	}))
	slices.SortFunc(all, func(a, b Conversation) int { return int(a.ID - b.ID) })
	return all
}

func (o *office) one() Conversation {
	o.t.Helper()
	all := o.all()
	if len(all) != 1 {
		o.t.Fatalf("there are %d conversations, want 1: %+v", len(all), all)
	}
	return all[0]
}

func (o *office) shown(id ConversationID) Shown {
	o.t.Helper()
	s, err := o.desk.Conversation(o.t.Context(), "help", "x/board", id)
	o.ok(err)
	return s
}

// lines are the posts of the board by key, as far as they are owed or shown.
func (o *office) lines() (kinds []PostKind) {
	o.t.Helper()
	o.mu.Lock()
	ids := slices.Compact(slices.Sorted(slices.Values(o.posts)))
	o.mu.Unlock()
	for _, id := range ids {
		dr, err := o.desk.Drawing(o.t.Context(), id)
		o.ok(err)
		kinds = append(kinds, dr.Post.Kind)
	}
	return kinds
}

func TestAMailBecomesOneCard(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		m := mail(maria, "1@x", "Heating broken", "It is cold.")
		ref := o.arrives(m)
		o.ok(o.desk.Receive(t.Context(), Arrival{Mailbox: "help", Ref: ref, Mail: m})) // the same again
		c := o.one()
		if c.State != New || c.Number != 0 || c.With != maria || c.Subject != "Heating broken" || c.Mails != 1 {
			t.Errorf("the conversation is %+v", c)
		}
		if got := o.lines(); !slices.Equal(got, []PostKind{CardPost}) {
			t.Errorf("posted %v, want one card", got)
		}
	})
}

func TestIdentity(t *testing.T) {
	base := mail(maria, "1@x", "Heating", "cold")
	with := func(f func(*Mail)) Mail { m := base; f(&m); return m }
	for name, c := range map[string]struct {
		second Mail
		at     Arrival
		want   int
	}{
		"the same in another mailbox":      {base, Arrival{Mailbox: "info", Ref: Ref{"9", "1"}}, 1},
		"the same after a new UIDVALIDITY": {base, Arrival{Mailbox: "help", Ref: Ref{"2", "1"}}, 1},
		"the same under a new UID":         {base, Arrival{Mailbox: "help", Ref: Ref{"1", "77"}}, 1},
		"a reused Message-ID":              {with(func(m *Mail) { m.Digest = "other" }), Arrival{Mailbox: "help", Ref: Ref{"1", "77"}}, 2},
		"a forged Message-ID":              {with(func(m *Mail) { m.From = peter }), Arrival{Mailbox: "help", Ref: Ref{"1", "77"}}, 2},
		"no Message-ID, another body":      {with(func(m *Mail) { m.MessageID, m.Digest = "", "other" }), Arrival{Mailbox: "help", Ref: Ref{"1", "77"}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, o *office) {
				o.arrives(base)
				c.at.Mail = c.second
				o.ok(o.desk.Receive(t.Context(), c.at))
				if got := len(o.all()); got != c.want {
					t.Errorf("there are %d conversations, want %d", got, c.want)
				}
				unknown, err := o.desk.Unknown(t.Context(), c.at.Mailbox, []Ref{c.at.Ref})
				if err != nil || len(unknown) != 0 {
					t.Errorf("still unknown: %v, %v", unknown, err)
				}
			})
		})
	}
}

func TestDraggedBackReopens(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		m := mail(maria, "1@x", "Heating", "cold")
		o.arrives(m)
		_, err := o.desk.NoAnswer(t.Context(), by(ann), o.one().ID)
		o.ok(err)
		// Renumbering by the server is no act of a person.
		o.ok(o.desk.Receive(t.Context(), Arrival{Mailbox: "help", Ref: Ref{"2", "1"}, Mail: m}))
		if c := o.one(); c.State != Closed {
			t.Fatalf("a new UIDVALIDITY has made it %s", c.State)
		}
		o.arrives(m)
		if c := o.one(); c.State != New {
			t.Errorf("dragged back it is %s, want new", c.State)
		}
	})
}

func TestJoining(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		o.arrives(mail(maria, "2@x", "Re: Heating", "still cold", "1@x"))
		if c := o.one(); c.Mails != 2 {
			t.Fatalf("the follow-up did not join: %+v", c)
		}
		o.arrives(mail(peter, "3@x", "Re: Heating", "me too")) // subject alone never joins
		if got := len(o.all()); got != 2 {
			t.Fatalf("%d conversations, want 2", got)
		}
		// A child before its parent.
		o.arrives(mail(maria, "5@x", "Re: Bill", "child", "4@x"))
		o.arrives(mail(maria, "4@x", "Bill", "parent"))
		all := o.all()
		if len(all) != 3 || all[2].Mails != 2 {
			t.Fatalf("child and parent did not meet: %+v", all)
		}
		// Somebody who had no part in it is flagged.
		o.arrives(mail(peter, "6@x", "Re: Heating", "by the way", "2@x"))
		c := o.all()[0]
		if c.Mails != 3 || c.NewPerson != peter {
			t.Fatalf("the stranger was not flagged: %+v", c)
		}
		dr, err := o.desk.Draft(t.Context(), by(ann), c.ID)
		o.ok(err)
		if len(dr.To) != 1 || !dr.To[0].Is(maria) || slices.ContainsFunc(dr.Cc, peter.Is) || !dr.Stranger.Is(peter) {
			t.Errorf("an answer would go to %v, cc %v; stranger %v", dr.To, dr.Cc, dr.Stranger)
		}
	})
}

func TestTicketTag(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		c, err := o.desk.Take(t.Context(), by(ann), o.one().ID)
		o.ok(err)
		if c.Number != 1 {
			t.Fatalf("the first ticket is %s", c.Name())
		}
		tagged := func(from Address, id string) Mail {
			m := mail(from, id, "Heating [#1]", "text "+id)
			m.TicketRef = 1
			return m
		}
		o.arrives(tagged(maria, "2@x"))
		if c := o.one(); c.Mails != 2 {
			t.Fatalf("a participant with the tag did not join: %+v", c)
		}
		o.arrives(tagged(peter, "3@x"))
		all := o.all()
		if len(all) != 2 || all[1].Mentions != 1 {
			t.Fatalf("a stranger with the tag: %+v", all)
		}
		joined, err := o.desk.Join(t.Context(), by(ann), all[1].ID, 1)
		o.ok(err)
		all = o.all()
		if joined.Mails != 3 || all[1].State != Closed || all[1].JoinedTo != all[0].ID || len(o.shown(all[0].ID).Mails) != 3 {
			t.Errorf("after joining: %+v", all)
		}
		o.arrives(mail(peter, "4@x", "Re: Heating", "more", "3@x"))
		if c := o.all()[0]; c.Mails != 4 || c.NewPerson.Addr != "" {
			t.Errorf("a later mail of the joined one: %+v", c)
		}
	})
}

func TestFollowUpWakes(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		id := o.one().ID
		_, err := o.desk.Take(ctx, by(ann), id)
		o.ok(err)
		_, err = o.desk.Close(ctx, by(ann), id, "phoned")
		o.ok(err)
		auto := mail(maria, "2@x", "Out of office", "away", "1@x")
		auto.AutoReply = true
		o.arrives(auto)
		if c := o.one(); c.State != Closed || c.Outcome != "phoned" {
			t.Fatalf("an automatic answer has reopened it: %+v", c)
		}
		o.arrives(mail(maria, "3@x", "Re: Heating", "again", "1@x"))
		if c := o.one(); c.State != Taken || c.Owner != ann.ID || c.Outcome != "" {
			t.Fatalf("a mail did not reopen it for Ann: %+v", c)
		}
		_, err = o.desk.Close(ctx, by(ann), id, "phoned")
		o.ok(err)
		o.ok(o.desk.SetPresent(ctx, "x/board", []Member{ben}))
		o.arrives(mail(maria, "4@x", "Re: Heating", "and again", "1@x"))
		if c := o.one(); c.State != New || c.Owner != "" || c.Number != 1 {
			t.Errorf("Ann has left, and it became %+v", c)
		}
	})
}

func TestFates(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		ref := o.arrives(mail(maria, "1@x", "Heating", "cold"))
		id := o.one().ID
		due := func() []Settlement {
			all, err := o.desk.Unsettled(ctx, "help", 10)
			o.ok(err)
			return all
		}
		if got := due(); len(got) != 0 {
			t.Fatalf("due before anything was done: %v", got)
		}
		_, err := o.desk.Spam(ctx, by(ann), id)
		o.ok(err)
		if got := due(); !slices.Equal(got, []Settlement{{ref, Junk}}) {
			t.Fatalf("due for spam: %v", got)
		}
		_, err = o.desk.Undo(ctx, by(ann), id)
		o.ok(err)
		if got := due(); len(got) != 0 {
			t.Fatalf("still due after Undo: %v", got)
		}
		_, err = o.desk.NoAnswer(ctx, by(ann), id)
		o.ok(err)
		o.ok(o.desk.Settled(ctx, "help", due()[0]))
		if got := due(); len(got) != 0 {
			t.Errorf("due after it was settled: %v", got)
		}
	})
}

func TestLook(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		look := func(since Since, box Box) Window {
			w, err := o.desk.Look(ctx, "help", since, box)
			o.ok(err)
			return w
		}
		first := look(Since{}, Box{Validity: "1", Next: 38, Count: 37})
		if first.First != 38 || !first.Since.Equal(o.now()) {
			t.Fatalf("the first look sees %+v", first)
		}
		o.pass(time.Hour)
		if w := look(Since{}, Box{Validity: "1", Next: 50, Count: 49}); w != first {
			t.Errorf("a later look sees %+v, want %+v", w, first)
		}
		if w := look(Since{}, Box{Validity: "2", Next: 12, Count: 11}); w.First != 12 || !w.Since.Equal(first.Since) {
			t.Errorf("under a new UIDVALIDITY: %+v", w)
		}
		if got := o.lines(); !slices.Equal(got, []PostKind{GreetingPost}) {
			t.Errorf("posted %v, want one greeting", got)
		}
		o.ok(o.desk.AnswerGreeting(ctx, by(ann), "help", 7*24*time.Hour))
		o.refused(o.desk.AnswerGreeting(ctx, by(ben), "help", 0), Already)
		if w := look(Since{}, Box{Validity: "2", Next: 12, Count: 11}); !w.Since.Equal(first.Since.Add(-7 * 24 * time.Hour)) {
			t.Errorf("after “show the last 7 days”: %+v", w)
		}
	})
}

func TestABoardAddedLater(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		_, err := o.desk.Look(ctx, "help", Since{All: true}, Box{Validity: "1", Next: 1})
		o.ok(err)
		o.ok(o.desk.OpenBoards(ctx))
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		o.arrives(mail(maria, "2@x", "Bill", "too much"))
		_, err = o.desk.NoAnswer(ctx, by(ann), o.all()[0].ID)
		o.ok(err)
		g := group()
		g.Boards = append(g.Boards, Board{Name: "x/second", Platform: "x", Channel: "second"})
		d := NewDesk(o.store, []Group{g}, o.now, slog.New(slog.DiscardHandler))
		var posted []PostID
		d.OnPosts(func(owed []Owed) {
			for _, p := range owed {
				posted = append(posted, p.ID)
			}
		})
		o.ok(d.OpenBoards(ctx))
		o.ok(d.OpenBoards(ctx))
		if len(posted) != 3 {
			t.Errorf("posted %d things on the new board, want the greeting, one card and the desk card", len(posted))
		}
	})
}

func TestUnreadableMailIsKept(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		ref := Ref{"1", "5"}
		for n := range 3 {
			if unknown, err := o.desk.Unknown(ctx, "help", []Ref{ref}); err != nil || len(unknown) != 1 {
				t.Fatalf("after %d faults: %v, %v", n, unknown, err)
			}
			o.ok(o.desk.Fault(ctx, "help", ref, 0, errors.New("no end of header")))
		}
		if unknown, err := o.desk.Unknown(ctx, "help", []Ref{ref}); err != nil || len(unknown) != 0 {
			t.Errorf("after three faults: %v, %v", unknown, err)
		}
		c := o.one()
		if mails := o.shown(c.ID).Mails; c.State != Held || c.HeldFor != HeldUnread || o.cards() != 0 || len(mails) != 1 || mails[0].Fault != "no end of header" {
			t.Errorf("kept as %+v, %+v", c, mails)
		}
	})
}

func TestOverdue(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		sweep := func() int {
			n, err := o.desk.SweepOverdue(t.Context())
			o.ok(err)
			return n
		}
		o.pass(59 * time.Minute)
		if n := sweep(); n != 0 || o.one().Overdue {
			t.Fatalf("overdue after 59 minutes")
		}
		o.pass(2 * time.Minute)
		if n := sweep(); n != 1 || !o.one().Overdue {
			t.Fatalf("not overdue after 61 minutes")
		}
		if n := sweep(); n != 0 {
			t.Errorf("marked again")
		}
		_, err := o.desk.Take(t.Context(), by(ann), o.one().ID)
		o.ok(err)
		if o.one().Overdue {
			t.Errorf("overdue though Ann has it")
		}
		o.pass(25 * time.Hour)
		if n := sweep(); n != 1 {
			t.Errorf("a taken one that lies idle is not marked")
		}
	})
}

// TestSimultaneousTakes: of any number of takes at once exactly one succeeds, whichever process
// they reach, and one number is used.
func TestSimultaneousTakes(t *testing.T) {
	run := func(t *testing.T, desks []*Desk, o *office) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			many := rapid.IntRange(2, 16).Draw(rt, "members")
			o.arrives(mail(maria, fmt.Sprintf("%d@take", n), "Heating", fmt.Sprint("cold ", n)))
			all := o.all()
			c := all[len(all)-1]
			errs := make([]error, many)
			start := make(chan struct{})
			var wait sync.WaitGroup
			for i := range many {
				wait.Go(func() {
					<-start
					m := Member{ID: MemberID(fmt.Sprintf("x:m%d", i)), Name: fmt.Sprint("M", i), Handle: fmt.Sprint("m", i)}
					_, errs[i] = desks[i%len(desks)].Take(t.Context(), By{Member: m, Group: "help", Event: fmt.Sprintf("%d.%d", n, i)}, c.ID)
				})
			}
			close(start)
			wait.Wait()
			won := -1
			for i, err := range errs {
				var no Refusal
				switch {
				case err == nil && won >= 0:
					rt.Fatalf("both %d and %d took it", won, i)
				case err == nil:
					won = i
				case !errors.As(err, &no) || no.Kind != TakenBy:
					rt.Fatalf("%d was answered %v", i, err)
				}
			}
			if won < 0 {
				rt.Fatalf("nobody took it: %v", errs)
			}
			got := o.shown(c.ID)
			if got.Owner != MemberID(fmt.Sprintf("x:m%d", won)) || got.Number != n {
				rt.Fatalf("%d won, but it is %+v", won, got.Conversation)
			}
			takes := 0
			for _, e := range got.Events {
				if e.Move == MoveTake {
					takes++
				}
			}
			if takes != 1 {
				rt.Fatalf("the log has %d takes", takes)
			}
			_, err := desks[0].NoAnswer(t.Context(), by(ann), c.ID)
			o.refused(err, WrongState)
			_, err = desks[0].Close(t.Context(), by(ann), c.ID, "done")
			o.ok(err)
		})
	}
	t.Run("SQLite", func(t *testing.T) {
		o := newOffice(t, store.Config{Path: filepath.Join(t.TempDir(), "test.db")})
		run(t, []*Desk{o.desk}, o)
	})
	t.Run("Postgres, two processes", func(t *testing.T) {
		url := testbed.Postgres(t)
		o, p := newOffice(t, store.Config{URL: url}), newOffice(t, store.Config{URL: url})
		run(t, []*Desk{o.desk, p.desk}, o)
	})
}

func TestEventsAreDoneOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		id := o.one().ID
		b := by(ann)
		b.Event = "click 1"
		_, err := o.desk.Take(t.Context(), b, id)
		o.ok(err)
		_, err = o.desk.Release(t.Context(), by(ann), id)
		o.ok(err)
		if _, err = o.desk.Take(t.Context(), b, id); !errors.Is(err, ErrRepeated) {
			t.Errorf("the same click again: %v", err)
		}
		if c := o.one(); c.State != New {
			t.Errorf("the repeated click has made it %s", c.State)
		}
	})
}

func TestOtherGroupsAreStrangers(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		other := group()
		other.Name, other.Mailboxes, other.Boards = "shop", nil, nil
		d := NewDesk(o.store, []Group{group(), other}, o.now, slog.New(slog.DiscardHandler))
		_, err := d.Take(t.Context(), By{Member: ann, Group: "shop"}, o.one().ID)
		o.refused(err, NotFound)
		_, err = d.Conversation(t.Context(), "shop", "", o.one().ID)
		o.refused(err, NotFound)
	})
}

// answered takes a conversation and queues a reply to it.
func (o *office) answered(who Member, id ConversationID, text string) Reply {
	o.t.Helper()
	dr, err := o.desk.Draft(o.t.Context(), by(who), id)
	o.ok(err)
	r, err := o.desk.Reply(o.t.Context(), by(who), ReplyInput{Conversation: id, Text: text, Seq: dr.Seq, Owner: dr.Owner.ID})
	o.ok(err)
	return r
}

// claimed is a reply that is due, claimed.
func (o *office) claimed(id ReplyID) Reply {
	o.t.Helper()
	r, err := o.desk.ClaimReply(o.t.Context(), id)
	o.ok(err)
	return r
}

// lapses lets the claim of a process run out that is not heard of any more.
func (o *office) lapses(r Reply) {
	o.t.Helper()
	o.ok(o.store.Unlease(o.t.Context(), fmt.Sprint("reply:", r.ID), fmt.Sprint("attempt ", r.Attempts)))
}

func TestReplyIsSentAfterTheUndoWindow(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		id := o.one().ID
		r := o.answered(ann, id, "We are coming.")
		if c := o.one(); c.State != Taken || c.Owner != ann.ID || c.Number != 1 {
			t.Fatalf("replying to a new one has made it %+v", c)
		}
		if r.State != Pending || r.From.Addr != "help@example.org" || r.Signature != "Your help desk" ||
			!slices.Equal(r.InReplyTo, []string{"1@x"}) || len(r.To) != 1 || !r.To[0].Is(maria) || len(r.Cc) != 0 {
			t.Fatalf("queued %+v", r)
		}
		var again RunAgain
		if _, err := o.desk.ClaimReply(ctx, r.ID); !errors.As(err, &again) || !again.At.Equal(r.Due) {
			t.Fatalf("claimed within the undo window: %v", err)
		}
		o.pass(31 * time.Second)
		claim := o.claimed(r.ID)
		if _, err := o.desk.ClaimReply(ctx, r.ID); !errors.As(err, &again) {
			t.Fatalf("claimed twice: %v", err)
		}
		_, err := o.desk.StopReply(ctx, by(ann), r.ID)
		o.refused(err, Already)
		o.ok(o.desk.FinishReply(ctx, claim, Attempt{Sent: mail(r.From, r.MessageID, "Re: Heating [#1]", "We are coming.")}))
		o.ok(o.desk.FinishReply(ctx, claim, Attempt{Sent: mail(r.From, r.MessageID, "Re: Heating [#1]", "We are coming.")}))
		c := o.one()
		if mails := o.shown(id).Mails; c.State != Waiting || c.Owner != ann.ID || c.Mails != 2 || len(mails) != 2 || mails[0].By != ann.ID {
			t.Fatalf("after sending: %+v", c)
		}
		// The copy in the Sent folder is no news, an answer to it joins.
		sent := mail(r.From, r.MessageID, "Re: Heating [#1]", "We are coming.")
		sent.Ours = r.Mark
		o.ok(o.desk.Receive(ctx, Arrival{Mailbox: SentName("help"), Ref: Ref{"1", "1"}, Mail: sent, Sent: true}))
		o.arrives(mail(maria, "2@x", "Re: Heating", "Thank you", r.MessageID))
		if c := o.one(); c.Mails != 3 || c.State != Taken || c.Owner != ann.ID {
			t.Errorf("after the customer's answer: %+v", c)
		}
	})
}

func TestStopAndEdit(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		id := o.one().ID
		thread := func(origin, text string) Reply {
			r, err := o.desk.Reply(ctx, by(ann), ReplyInput{Conversation: id, Text: text, Origin: origin, Written: o.now()})
			o.ok(err)
			return r
		}
		first := thread("x/board m1", "Hello")
		if first.State != Asking || first.Why != WhyFirst {
			t.Fatalf("the first reply from a thread: %+v", first)
		}
		_, err := o.desk.SendReply(ctx, by(ann), first.ID)
		o.ok(err)
		if r, err := o.desk.EditReply(ctx, by(ann), "x/board m1", "Hello Maria", nil); err != nil || r.Text != "Hello Maria" {
			t.Fatalf("edited before it went: %+v, %v", r, err)
		}
		o.ok(o.desk.FinishReply(ctx, o.claimed(first.ID), Attempt{Sent: mail(first.From, first.MessageID, "Re", "Hello Maria")}))
		_, err = o.desk.EditReply(ctx, by(ann), "x/board m1", "Hello Maria!", nil)
		if text := o.refused(err, Already); !strings.Contains(text, "already sent") {
			t.Errorf("an edit afterwards is told %q", text)
		}
		second := thread("x/board m2", "One more thing")
		if second.State != Pending {
			t.Fatalf("the second reply from a thread: %+v", second)
		}
		r, err := o.desk.StopReplyFrom(ctx, by(ann), "x/board m2")
		if err != nil || r.State != Cancelled {
			t.Fatalf("deleted: %+v, %v", r, err)
		}
		if _, err := o.desk.StopReplyFrom(ctx, by(ann), "x/board talk"); !errors.Is(err, ErrNone) {
			t.Errorf("a message that was no reply: %v", err)
		}
		o.pass(time.Hour)
		if _, err := o.desk.ClaimReply(ctx, second.ID); !errors.Is(err, ErrNotDue) {
			t.Errorf("a stopped reply was claimed: %v", err)
		}
	})
}

func TestStaleGuard(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		id := o.one().ID
		_, err := o.desk.Take(ctx, by(ann), id)
		o.ok(err)
		form := func(who Member) ReplyInput {
			dr, err := o.desk.Draft(ctx, by(who), id)
			o.ok(err)
			return ReplyInput{Conversation: id, Text: "text of " + who.Name, Seq: dr.Seq, Owner: dr.Owner.ID}
		}
		stale := form(ann)
		o.arrives(mail(maria, "2@x", "Re: Heating", "It works again!", "1@x"))
		_, err = o.desk.Reply(ctx, by(ann), stale)
		if text := o.refused(err, Stale); !strings.Contains(text, "It works again!") {
			t.Errorf("told %q", text)
		}
		bens, anns := form(ben), form(ann)
		if bens.Owner != ann.ID {
			t.Errorf("Ben was not told that Ann has it")
		}
		r, err := o.desk.Reply(ctx, by(ann), anns)
		o.ok(err)
		_, err = o.desk.Reply(ctx, by(ben), bens)
		if text := o.refused(err, Stale); !strings.Contains(text, "text of Ann") {
			t.Errorf("Ben was told %q", text)
		}
		thread, err := o.desk.Reply(ctx, by(ben), ReplyInput{Conversation: id, Text: "from the thread", Origin: "x/board m", Written: o.now()})
		o.ok(err)
		if thread.State != Asking || thread.Why != WhyStale {
			t.Errorf("a thread message beside Ann's reply: %+v", thread)
		}
		// A mail within the undo window stops what is on its way.
		o.arrives(mail(maria, "3@x", "Re: Heating", "Please hurry", "1@x"))
		o.pass(time.Minute)
		if _, err := o.desk.ClaimReply(ctx, r.ID); !errors.Is(err, ErrNotDue) {
			t.Fatalf("sent past a newer mail: %v", err)
		}
		got, err := o.desk.ReplyByID(ctx, r.ID)
		o.ok(err)
		if got.State != Asking || !strings.Contains(got.Error, "Please hurry") {
			t.Errorf("the reply is %+v", got)
		}
		_, err = o.desk.SendReply(ctx, by(ann), r.ID)
		o.ok(err)
		_, err = o.desk.ClaimReply(ctx, r.ID)
		o.ok(err)
	})
}

func TestWhyAThreadReplyAsks(t *testing.T) {
	o := newOffice(t, store.Config{Path: filepath.Join(t.TempDir(), "test.db")})
	o.arrives(mail(maria, "1@x", "Heating", "cold"))
	id := o.one().ID
	_, err := o.desk.Take(t.Context(), by(ann), id)
	o.ok(err)
	o.pass(time.Hour)
	n := 0
	why := func(who Member, written time.Time, late bool) Why {
		n++
		r, err := o.desk.Reply(t.Context(), by(who), ReplyInput{Conversation: id, Text: "x", Origin: fmt.Sprint("x/board m", n), Written: written, Late: late})
		o.ok(err)
		_, err = o.desk.StopReply(t.Context(), by(who), r.ID)
		o.ok(err)
		return r.Why
	}
	if got := why(ann, o.now().Add(-20*time.Minute), true); got != WhyLate {
		t.Errorf("heard late: %q", got)
	}
	if got := why(ann, o.now(), false); got != WhyFirst {
		t.Errorf("the first one: %q", got)
	}
	if got := why(ben, o.now(), false); got != WhyColleague {
		t.Errorf("on a colleague's: %q", got)
	}
	o.arrives(mail(maria, "2@x", "Re", "more", "1@x"))
	if got := why(ann, o.now().Add(-time.Second), false); got != WhyStale {
		t.Errorf("written before a mail came: %q", got)
	}
}

func TestSendingFails(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		id := o.one().ID
		r := o.answered(ann, id, "We are coming.")
		state := func() Reply {
			got, err := o.desk.ReplyByID(ctx, r.ID)
			o.ok(err)
			return got
		}
		claim := func() Reply {
			t.Helper()
			o.pass(5 * time.Hour)
			return o.claimed(r.ID)
		}
		o.ok(o.desk.FinishReply(ctx, claim(), Attempt{Error: errors.New("421 try later")}))
		if got := state(); got.State != Pending || got.Error != "421 try later" || !got.Due.After(o.now()) {
			t.Fatalf("after a passing failure: %+v", got)
		}
		o.lapses(claim()) // it dies
		second := claim()
		if got := state(); !got.MaybeSent || got.Attempts != 3 {
			t.Fatalf("after a crash in mid-sending: %+v", got)
		}
		o.ok(o.desk.FinishReply(ctx, second, Attempt{Error: errors.New("connection lost"), Unknown: true}))
		if got := state(); got.State != Unknown {
			t.Fatalf("after a lost answer: %+v", got)
		}
		_, err := o.desk.StopReply(ctx, by(ann), r.ID)
		o.refused(err, Already)
		o.ok(o.desk.FinishReply(ctx, claim(), Attempt{Error: errors.New("550 no such user"), Final: true}))
		if got := state(); got.State != Failed || o.one().State != Taken {
			t.Fatalf("after a refusal: %+v", got)
		}
		if !slices.Contains(o.lines(), FailurePost) {
			t.Errorf("the thread is not told: %v", o.lines())
		}
		_, err = o.desk.SendReply(ctx, by(ben), r.ID)
		o.ok(err)
		o.ok(o.desk.FinishReply(ctx, claim(), Attempt{Sent: mail(r.From, r.MessageID, "Re", "We are coming.")}))
		if got := state(); got.State != Sent || o.one().State != Waiting {
			t.Errorf("at last: %+v", got)
		}
	})
}

func TestSendAndClose(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		id := o.one().ID
		dr, err := o.desk.Draft(ctx, by(ann), id)
		o.ok(err)
		r, err := o.desk.Reply(ctx, by(ann), ReplyInput{Conversation: id, Text: "Done.", Seq: dr.Seq, CloseAs: Answered})
		o.ok(err)
		o.pass(time.Minute)
		o.ok(o.desk.FinishReply(ctx, o.claimed(r.ID), Attempt{Sent: mail(r.From, r.MessageID, "Re", "Done.")}))
		if c := o.one(); c.State != Closed || c.Outcome != Answered || c.ClosedBy != ann.ID {
			t.Errorf("it is %+v", c)
		}
	})
}

func TestAnsweredOutside(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.arrives(mail(maria, "1@x", "Heating", "cold"))
		us := Address{Addr: "help@example.org"}
		sent := func(uid string, m Mail) {
			m.To = []Address{maria}
			o.ok(o.desk.Receive(ctx, Arrival{Mailbox: SentName("help"), Ref: Ref{"1", uid}, Mail: m, Sent: true}))
		}
		sent("1", mail(us, "out@x", "Re: Heating", "From my phone", "1@x"))
		c := o.one()
		if mails := o.shown(c.ID).Mails; c.State != Waiting || c.Number != 0 || mails[0].Direction != Out || mails[0].By != "" {
			t.Fatalf("answered outside: %+v", c)
		}
		sent("2", mail(us, "private@x", "Lunch?", "Are you hungry?"))
		o.arrives(mail(maria, "2@x", "Re: Heating", "Thanks, but", "out@x"))
		if c := o.one(); c.State != New || c.Mails != 3 {
			t.Errorf("after the customer's answer: %+v", c)
		}
	})
}

func TestRecipients(t *testing.T) {
	list := func(addrs ...string) (all []Address) {
		for _, a := range addrs {
			all = append(all, Address{Addr: a})
		}
		return all
	}
	for name, c := range map[string]struct {
		change func(*Mail)
		to, cc []string
	}{
		"plain":       {func(*Mail) {}, []string{"maria@example.net"}, nil},
		"reply-to":    {func(m *Mail) { m.ReplyTo = list("office@example.net") }, []string{"office@example.net"}, nil},
		"cc":          {func(m *Mail) { m.Cc = list("son@example.net", "INFO@example.org") }, []string{"maria@example.net"}, []string{"son@example.net"}},
		"twice":       {func(m *Mail) { m.Cc = list("Maria@example.net") }, []string{"maria@example.net"}, nil},
		"reply to us": {func(m *Mail) { m.ReplyTo = list("help@example.org") }, []string{"maria@example.net"}, nil},
		"forwarded by a colleague": {func(m *Mail) {
			m.From = Address{Addr: "Ann@example.com"}
			m.Author = Address{Addr: "far@example.com"}
			m.Cc = list("boss@example.net")
		}, []string{"far@example.com"}, nil},
		"forwarded by a customer": {func(m *Mail) { m.Author = Address{Addr: "far@example.com"} }, []string{"maria@example.net"}, nil},
		"contact form": {func(m *Mail) {
			m.From = Address{Addr: "www@example.org"}
			m.Author = Address{Addr: "far@example.com"}
			m.ReplyTo = list("far@example.com")
		}, []string{"far@example.com"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, store.Config{Path: filepath.Join(t.TempDir(), "test.db")})
			m := mail(maria, "1@x", "Heating", "cold")
			c.change(&m)
			o.arrives(m)
			dr, err := o.desk.Draft(t.Context(), by(ann), o.one().ID)
			o.ok(err)
			plain := func(all []Address) (s []string) {
				for _, a := range all {
					s = append(s, a.Addr)
				}
				return s
			}
			if !slices.Equal(plain(dr.To), c.to) || !slices.Equal(plain(dr.Cc), c.cc) {
				t.Errorf("to %v, cc %v; want %v and %v", plain(dr.To), plain(dr.Cc), c.to, c.cc)
			}
		})
	}
}

func TestBadReplies(t *testing.T) {
	o := newOffice(t, store.Config{Path: filepath.Join(t.TempDir(), "test.db")})
	ctx := context.Background()
	o.arrives(mail(maria, "1@x", "Heating", "cold"))
	id := o.one().ID
	seq := o.one().Seq
	reply := func(in ReplyInput) error {
		in.Conversation, in.Seq = id, seq
		_, err := o.desk.Reply(ctx, by(ann), in)
		return err
	}
	o.refused(reply(ReplyInput{Text: " \n "}), BadInput)
	o.refused(reply(ReplyInput{Text: "x", To: []Address{}, Cc: []Address{}}), BadInput)
	o.refused(reply(ReplyInput{Text: "x", To: []Address{{Addr: "Help@example.org"}}}), BadInput)
	if c := o.one(); c.State != New {
		t.Errorf("a refused reply has made it %s", c.State)
	}
	_, err := o.desk.Spam(ctx, by(ann), id)
	o.ok(err)
	o.refused(reply(ReplyInput{Text: "x"}), WrongState)
}

func TestTicketWithoutMail(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		c, err := o.desk.OpenTicket(t.Context(), by(ann), TicketInput{Summary: "Rang about the bill", With: maria, Note: "Call back"})
		o.ok(err)
		if c.State != Taken || c.Owner != ann.ID || c.Number != 1 || c.With != maria {
			t.Errorf("opened %+v", c)
		}
		r := o.answered(ann, c.ID, "About your call")
		if len(r.To) != 1 || !r.To[0].Is(maria) || r.Mailbox != "help" {
			t.Errorf("queued %+v", r)
		}
	})
}

// namedBox is a mailbox whose names have no order, as POP3, Maildir and mbox have them.
func namedBox(asked *int, mails map[string]time.Time) Box {
	n := &Listing{UIDs: slices.Sorted(maps.Keys(mails))}
	n.Received = func(context.Context) (all []time.Time, _ error) {
		*asked++
		for _, uid := range n.UIDs {
			all = append(all, mails[uid])
		}
		return all, nil
	}
	return Box{Count: len(mails), Names: n}
}

func TestLookAtNamesWithoutOrder(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx, asked := t.Context(), 0
		mails := map[string]time.Time{}
		look := func(name string, since Since) (wanted []string) {
			t.Helper()
			box := namedBox(&asked, mails)
			w, err := o.desk.Look(ctx, name, since, box)
			o.ok(err)
			var refs []Ref
			for _, uid := range box.Names.UIDs {
				refs = append(refs, Ref{Validity: w.Validity, UID: uid})
			}
			unknown, err := o.desk.Unknown(ctx, name, refs)
			o.ok(err)
			for _, ref := range unknown {
				wanted = append(wanted, ref.Validity+ref.UID)
			}
			return wanted
		}
		want := func(what string, got []string, want ...string) {
			t.Helper()
			if !slices.Equal(got, want) {
				t.Errorf("%s: %q are wanted, want %q", what, got, want)
			}
		}
		day := 24 * time.Hour
		mails["month"], mails["week"], mails["undated"] = o.now().Add(-30*day), o.now().Add(-5*day), time.Time{}
		mails["tomorrow"] = o.now().Add(day) // the server's clock is wrong
		want("the first look", look("help", Since{}))
		mails["old one put there"] = o.now().Add(-300 * day)
		want("a later look", look("help", Since{}), "old one put there")
		o.pass(time.Hour)
		o.ok(o.desk.AnswerGreeting(ctx, by(ann), "help", 7*day))
		want("the last seven days, too", look("help", Since{}), "old one put there", "tomorrow", "week")
		want("of a day", look("info", Since{Date: o.now().Add(-10 * day)}), "tomorrow", "undated", "week")
		if asked != 2 {
			t.Errorf("asked %d times when mails arrived, want once a first look", asked)
		}
	})
}

// TestAllNamesAnew: a POP3 server is replaced by another, which names all mails otherwise.
func TestAllNamesAnew(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx, asked := t.Context(), 0
		mails := map[string]time.Time{"a": o.now().Add(-time.Hour)}
		look := func() Window {
			t.Helper()
			w, err := o.desk.Look(ctx, "help", Since{}, namedBox(&asked, mails))
			o.ok(err)
			return w
		}
		look()
		o.pass(time.Minute)
		receive := func(w Window, uid string, m Mail) {
			o.ok(o.desk.Receive(ctx, Arrival{Mailbox: "help", Ref: Ref{Validity: w.Validity, UID: uid}, Mail: m, Seen: o.now()}))
		}
		heating := mail(maria, "1@x", "Heating", "cold")
		alarm := mail(maria, "", "Alarm", "it rings")
		for uid, m := range map[string]Mail{"b": heating, "c": alarm} {
			mails[uid] = o.now()
			receive(look(), uid, m)
		}
		for _, c := range o.all() {
			_, err := o.desk.NoAnswer(ctx, by(ann), c.ID)
			o.ok(err)
		}

		// Other programs take all away, and three new mails come: nothing is named anew.
		o.pass(time.Hour)
		mails = map[string]time.Time{"d": o.now(), "e": o.now(), "f": o.now()}
		if w := look(); w.Validity != "" {
			t.Errorf("new mail in an empty mailbox: the names are of %q", w.Validity)
		}
		mails = map[string]time.Time{"1": o.now().Add(-2 * time.Hour), "2": o.now().Add(-time.Hour), "3": o.now().Add(-time.Hour)}
		w := look()
		if w.Validity == "" {
			t.Fatal("it is not seen that all names are new")
		}
		unknown, err := o.desk.Unknown(ctx, "help", []Ref{{w.Validity, "1"}, {w.Validity, "2"}, {w.Validity, "3"}})
		o.ok(err)
		if want := []Ref{{w.Validity, "2"}, {w.Validity, "3"}}; !slices.Equal(unknown, want) {
			t.Errorf("%v are wanted, want %v, without what is older than the first look", unknown, want)
		}
		receive(w, "2", heating)
		receive(w, "3", alarm)
		if again := look(); again != w {
			t.Errorf("the look after that sees %+v, want %+v", again, w)
		}
		all := o.all()
		if len(all) != 2 || all[0].State != Closed || all[1].State != Closed {
			t.Errorf("the same two mails under new names: %+v, want them closed as they were", all)
		}
	})
}
