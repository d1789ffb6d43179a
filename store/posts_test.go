package store

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"groupmail/ticketing"
)

// post adds one, leased to holder for an hour if there is one.
func (b *bed) post(p ticketing.Post, holder string) ticketing.PostID {
	b.t.Helper()
	if p.Key == "" {
		p.Key = fmt.Sprint(b.count("posts"))
	}
	var id ticketing.PostID
	b.change(func(tx ticketing.Tx) (err error) {
		id, err = tx.AddPost(p, holder, b.clock().Add(time.Hour))
		return err
	})
	return id
}

func (b *bed) raise(w ticketing.PostsWhere, holder string) (held []ticketing.PostID) {
	b.t.Helper()
	b.change(func(tx ticketing.Tx) (err error) {
		held, err = tx.Raise(w, holder, b.clock().Add(time.Hour))
		return err
	})
	return held
}

func (b *bed) lease(holder string, limit int) []ticketing.PostID {
	b.t.Helper()
	ids, err := b.LeasePosts(b.t.Context(), holder, time.Hour, limit)
	fatal(b.t, err)
	return ids
}

func (b *bed) drawn(id ticketing.PostID, holder, message string, version int64) bool {
	b.t.Helper()
	again, err := b.Drawn(b.t.Context(), id, holder, message, version, time.Hour)
	fatal(b.t, err)
	return again
}

func (b *bed) get(id ticketing.PostID) (p ticketing.Post) {
	b.t.Helper()
	b.read(func(tx ticketing.Tx) (err error) {
		p, err = tx.Post(id)
		return err
	})
	return p
}

// expire ends all leases on posts.
func (b *bed) expire() {
	b.exec("UPDATE posts SET lease_until = ? WHERE lease_until IS NOT NULL", b.past())
}

func TestAPostIsMadeOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		id := b.post(ticketing.Post{Key: "card 1", Kind: ticketing.CardPost, Board: "b", Subject: "first", Want: 5}, "me")
		if again := b.post(ticketing.Post{Key: "card 1", Subject: "second"}, "you"); again != 0 {
			t.Errorf("made again as %d", again)
		}
		p := b.get(id)
		if p.Subject != "first" || p.Want != 1 || p.Shown != 0 {
			t.Errorf("%+v", p)
		}
		if got := b.lease("you", 9); len(got) != 0 {
			t.Errorf("leased what is held: %v", got)
		}
		b.drawn(id, "me", "m1", 1)
		b.read(func(tx ticketing.Tx) error {
			byKey, err := tx.FindPost("card 1", "", "")
			fatal(t, err)
			byMessage, err := tx.FindPost("", "b", "m1")
			if byKey.ID != id || byMessage.ID != id {
				t.Errorf("found %d and %d", byKey.ID, byMessage.ID)
			}
			return err
		})
	})
}

func TestRaise(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		free := b.post(ticketing.Post{Conversation: 1, Kind: ticketing.CardPost, Board: "b"}, "")
		mine := b.post(ticketing.Post{Conversation: 1, Kind: ticketing.CardPost, Board: "c"}, "me")
		yours := b.post(ticketing.Post{Conversation: 1, Kind: ticketing.CardPost, Board: "d"}, "you")
		line := b.post(ticketing.Post{Conversation: 1, Kind: ticketing.ReplyPost, Reply: 7, Board: "b"}, "")
		other := b.post(ticketing.Post{Conversation: 2, Kind: ticketing.CardPost, Board: "b"}, "")
		gone := b.post(ticketing.Post{Conversation: 1, Kind: ticketing.CardPost, Board: "e"}, "me")
		fatal(t, b.Undrawn(t.Context(), gone, "me", time.Time{}, ticketing.GiveUp))

		same(t, b.raise(ticketing.PostsWhere{Conversation: 1, Kind: ticketing.CardPost}, "me"), []ticketing.PostID{free, mine})
		same(t, b.raise(ticketing.PostsWhere{Reply: 7}, ""), []ticketing.PostID(nil))
		same(t, b.raise(ticketing.PostsWhere{Reply: 7}, "me"), []ticketing.PostID{line})
		same(t, b.raise(ticketing.PostsWhere{ID: other, Board: "b"}, "me"), []ticketing.PostID{other})
		same(t, b.raise(ticketing.PostsWhere{ID: other, Board: "c"}, "me"), []ticketing.PostID(nil))
		same(t, b.raise(ticketing.PostsWhere{}, "me"), []ticketing.PostID(nil))
		var wants []int64
		for _, id := range []ticketing.PostID{free, mine, yours, line, other, gone} {
			wants = append(wants, b.get(id).Want)
		}
		same(t, wants, []int64{2, 2, 2, 3, 2, 1})

		// The colleague who holds one is told to draw again; after the lease anybody may.
		if !b.drawn(yours, "you", "m", 1) {
			t.Error("more is owed")
		}
		b.expire()
		same(t, b.raise(ticketing.PostsWhere{ID: yours}, "me"), []ticketing.PostID{yours})
	})
}

func TestADrawing(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		id := b.post(ticketing.Post{}, "me")
		b.raise(ticketing.PostsWhere{ID: id}, "me")
		if !b.drawn(id, "me", "m1", 1) {
			t.Error("version 2 is owed, again is false")
		}
		if got := b.lease("you", 9); len(got) != 0 {
			t.Errorf("the lease was not renewed: %v", got)
		}
		if b.drawn(id, "me", "", 2) {
			t.Error("nothing is owed, again is true")
		}
		if p := b.get(id); p.Message != "m1" || p.Shown != 2 {
			t.Errorf("%+v", p)
		}
		_, err := b.Drawn(ctx, id, "me", "m2", 3, time.Hour)
		wantErr(t, err, ticketing.ErrNone) // the lease was given up

		// A lost holder records nothing.
		b.raise(ticketing.PostsWhere{ID: id}, "me")
		b.expire()
		same(t, b.lease("you", 9), []ticketing.PostID{id})
		_, err = b.Drawn(ctx, id, "me", "mine", 3, time.Hour)
		wantErr(t, err, ticketing.ErrNone)
		fatal(t, b.Undrawn(ctx, id, "me", time.Time{}, ticketing.PostAnew)) // and spoils nothing
		if p := b.get(id); p.Message != "m1" || p.Shown != 2 {
			t.Errorf("%+v", p)
		}
		_, err = b.Drawn(ctx, id, "", "mine", 3, time.Hour)
		wantErr(t, err, ticketing.ErrNone)

		// One whose lease has run out, but whom nobody has replaced, has still drawn it.
		b.expire()
		if b.drawn(id, "you", "", 3) {
			t.Error("again")
		}
		// An older drawing that comes late takes nothing back.
		b.raise(ticketing.PostsWhere{ID: id}, "me")
		if !b.drawn(id, "me", "", 1) || b.get(id).Shown != 3 {
			t.Errorf("%+v", b.get(id))
		}
	})
}

func TestAnUndrawnPost(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		id := b.post(ticketing.Post{}, "me")
		fatal(t, b.Undrawn(ctx, id, "me", b.clock().Add(time.Hour), ticketing.NotLost))
		if got := b.lease("me", 9); len(got) != 0 {
			t.Errorf("tried again too early: %v", got)
		}
		b.exec("UPDATE posts SET retry_at = ?", b.past())
		same(t, b.lease("me", 9), []ticketing.PostID{id})
		b.drawn(id, "me", "m1", 1)

		// It was deleted on the board: posted anew …
		same(t, b.raise(ticketing.PostsWhere{ID: id}, "me"), []ticketing.PostID{id})
		fatal(t, b.Undrawn(ctx, id, "me", time.Time{}, ticketing.PostAnew))
		if p := b.get(id); p.Message != "" || p.Shown != 0 || p.Gone {
			t.Errorf("%+v", p)
		}
		same(t, b.lease("me", 9), []ticketing.PostID{id})
		b.drawn(id, "me", "m2", 2)
		// … or never again.
		b.raise(ticketing.PostsWhere{ID: id}, "me")
		fatal(t, b.Undrawn(ctx, id, "me", time.Time{}, ticketing.GiveUp))
		if p := b.get(id); !p.Gone {
			t.Errorf("%+v", p)
		}
		if got := b.lease("me", 9); len(got) != 0 {
			t.Errorf("leased what is gone: %v", got)
		}
	})
}

func TestLeasePosts(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		card := b.post(ticketing.Post{}, "")
		one := b.post(ticketing.Post{Root: card}, "")
		two := b.post(ticketing.Post{Root: card}, "")
		three := b.post(ticketing.Post{Root: card}, "")
		last := b.post(ticketing.Post{}, "")
		elder := func(id ticketing.PostID) (found bool) {
			b.read(func(tx ticketing.Tx) error {
				p, err := tx.Post(id)
				fatal(t, err)
				found, err = tx.Elder(p)
				return err
			})
			return found
		}
		if elder(card) || elder(one) || !elder(two) || !elder(three) || elder(last) {
			t.Error("elders at first")
		}
		same(t, b.lease("me", 1), []ticketing.PostID{card})
		same(t, b.lease("you", 9), []ticketing.PostID{last})
		if got := b.lease("you", 9); len(got) != 0 {
			t.Errorf("a thread without its root: %v", got)
		}
		b.drawn(card, "me", "root", 1)
		same(t, b.lease("me", 9), []ticketing.PostID{one}) // one after the other
		if got := b.lease("you", 9); len(got) != 0 {
			t.Errorf("a line before its elder: %v", got)
		}
		fatal(t, b.Undrawn(ctx, one, "me", b.clock().Add(time.Hour), ticketing.NotLost))
		if elder(two) {
			t.Error("an elder that was put off")
		}
		same(t, b.lease("me", 9), []ticketing.PostID{two})
		b.exec("UPDATE posts SET retry_at = ?", b.past())
		same(t, b.lease("you", 9), []ticketing.PostID{one})
		b.drawn(two, "me", "second", 1)
		b.raise(ticketing.PostsWhere{ID: two}, "") // a line that is posted already waits for nobody
		same(t, b.lease("me", 9), []ticketing.PostID{two})
		b.drawn(one, "you", "first", 1)
		same(t, b.lease("you", 9), []ticketing.PostID{three})

		b.expire()
		same(t, b.lease("them", 2), []ticketing.PostID{two, three})
	})
}

func TestKeepPosts(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		keep := func(who string, want ...ticketing.PostID) {
			t.Helper()
			kept, err := b.KeepPosts(t.Context(), []ticketing.PostID{1, 2, 3, 99}, who, time.Hour)
			fatal(t, err)
			slices.Sort(kept)
			same(t, kept, want)
		}
		first, second := b.post(ticketing.Post{}, ""), b.post(ticketing.Post{}, "")
		keep("me")
		same(t, b.lease("me", 1), []ticketing.PostID{first})
		same(t, b.lease("you", 9), []ticketing.PostID{second})
		keep("me", first)
		keep("you", second)
		b.expire()
		keep("me") // somebody may have had it meanwhile
		same(t, b.lease("you", 9), []ticketing.PostID{first, second})
		keep("you", first, second)
	})
}

func TestHoldPost(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		hold := func(id ticketing.PostID, who string, want bool) {
			t.Helper()
			held, err := b.HoldPost(t.Context(), id, who, time.Hour)
			fatal(t, err)
			if held != want {
				t.Errorf("%s holds it: %v", who, held)
			}
		}
		id := b.post(ticketing.Post{}, "")
		same(t, b.lease("me", 9), []ticketing.PostID{id})
		hold(id, "me", true)
		hold(id, "you", false)
		b.expire()
		hold(id, "me", true) // late, but nobody came
		b.expire()
		same(t, b.lease("you", 9), []ticketing.PostID{id})
		hold(id, "me", false)
		hold(id+1, "me", false)
	})
}

// Many drawers on two processes: none is drawn by two at once, and in the end nothing is owed.
func TestDrawersShareTheWork(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		processes := []*Store{b.Store, b.another()}
		rapid.Check(t, func(rt *rapid.T) {
			n := rapid.IntRange(1, 40).Draw(rt, "posts")
			b.change(func(tx ticketing.Tx) error {
				for range n {
					if _, err := tx.AddPost(ticketing.Post{Key: fmt.Sprint(rapid.Uint64().Draw(rt, "key"))}, "", time.Time{}); err != nil {
						return err
					}
				}
				return nil
			})
			var mu sync.Mutex
			drawing := map[ticketing.PostID]string{}
			var all sync.WaitGroup
			for i := range 8 {
				me := fmt.Sprint("drawer ", i)
				all.Go(func() {
					for {
						ids, err := processes[i%2].LeasePosts(t.Context(), me, time.Hour, 3)
						if err != nil || len(ids) == 0 {
							if err != nil {
								t.Error(err)
							}
							return
						}
						for _, id := range ids {
							mu.Lock()
							if who, busy := drawing[id]; busy {
								t.Errorf("post %d: %s and %s", id, who, me)
							}
							drawing[id] = me
							mu.Unlock()
							if again, err := processes[i%2].Drawn(t.Context(), id, me, "m", 1, time.Hour); again || err != nil {
								t.Error(again, err)
							}
						}
					}
				})
			}
			all.Wait()
			if owed := b.count("posts WHERE shown < want"); owed != 0 {
				rt.Fatalf("%d are owed", owed)
			}
		})
	})
}

func TestLeases(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		ctx, other := t.Context(), b.another()
		lease := func(s *Store, holder string) bool {
			held, err := s.Lease(ctx, "help", holder, time.Hour)
			fatal(t, err)
			return held
		}
		if !lease(b.Store, "me") || lease(other, "you") {
			t.Error("mine, not yours")
		}
		if !lease(b.Store, "me") {
			t.Error("not renewed")
		}
		if held, err := b.Lease(ctx, "info", "you", time.Hour); !held || err != nil {
			t.Error("another one", err)
		}
		b.exec("UPDATE leases SET until = ? WHERE name = 'help'", b.past())
		if !lease(other, "you") || lease(b.Store, "me") {
			t.Error("handed over when it has run out")
		}
		fatal(t, b.Unlease(ctx, "help", "me")) // not mine
		if lease(b.Store, "me") {
			t.Error("still yours")
		}
		fatal(t, b.Unlease(ctx, "help", "you"))
		if !lease(b.Store, "me") {
			t.Error("given up")
		}

		for round := range 20 {
			var won []string
			var mu sync.Mutex
			var all sync.WaitGroup
			for i := range 16 {
				all.Go(func() {
					me := fmt.Sprint(i)
					held, err := []*Store{b.Store, other}[i%2].Lease(ctx, fmt.Sprint("round", round), me, time.Hour)
					mu.Lock()
					defer mu.Unlock()
					if held {
						won = append(won, me)
					}
					fatal(t, err)
				})
			}
			all.Wait()
			if len(won) != 1 {
				t.Fatalf("round %d: %v", round, won)
			}
		}
	})
}

func TestSecretsAndCursors(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		ctx, other := t.Context(), b.another()
		var all sync.WaitGroup
		secrets := make([]string, 16)
		for i := range secrets {
			all.Go(func() {
				s, err := []*Store{b.Store, other}[i%2].Secret(ctx, "buttons", 32)
				fatal(t, err)
				secrets[i] = string(s)
			})
		}
		all.Wait()
		if len(secrets[0]) != 32 || len(slices.Compact(secrets)) != 1 {
			t.Errorf("%q", secrets)
		}
		if s, err := b.Secret(ctx, "links", 32); err != nil || string(s) == secrets[0] {
			t.Error("another secret", err)
		}
		if _, err := b.Secret(ctx, "links", 16); err == nil {
			t.Error("a secret of another length")
		}

		word := func() string {
			w, err := other.Cursor(ctx, "board")
			fatal(t, err)
			return w
		}
		if w := word(); w != "" {
			t.Errorf("%q", w)
		}
		for _, w := range []string{"p1", "p2", ""} {
			fatal(t, b.SetCursor(ctx, "board", w))
			if got := word(); got != w {
				t.Errorf("%q, want %q", got, w)
			}
		}
	})
}
