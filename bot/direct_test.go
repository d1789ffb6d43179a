package bot

import (
	"errors"
	"slices"
	"testing"
	"time"

	"groupmail/ticketing"
)

// direct keeps a post for Ann alone, as another process would have that crashed before it drew it.
func (w *world) direct() *posted {
	w.t.Helper()
	err := w.store.Change(w.t.Context(), func(tx ticketing.Tx) error {
		_, err := tx.AddPost(ticketing.Post{Key: "for ann", Kind: ticketing.DeskPost, Group: "help", Board: "x/board", To: "x:ann", Made: ticketing.SystemClock()}, "", time.Time{})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.found("for ann")
}

// found waits for a post that is known to be drawn.
func (w *world) found(key string) (p *posted) {
	w.t.Helper()
	w.until("there is "+key, func() bool {
		known, err := w.desk.FindPost(w.t.Context(), key, "", "")
		i := slices.IndexFunc(w.chat.posts, func(x *posted) bool { return x.m.Key == key && x.id == known.Message && !x.gone })
		if err == nil && i >= 0 {
			p = w.chat.posts[i]
		}
		return p != nil
	})
	return p
}

func TestDirectPost(t *testing.T) {
	w := newWorld(t, nil)
	p := w.direct()
	if p.channel != "@ann" || p.m.About != "board" {
		t.Fatalf("it stands in %q and is about %q", p.channel, p.m.About)
	}
	if a := w.click(1, p, "mine"); a.Whisper == nil || a.Whisper.Notice != "This was said to somebody else alone." {
		t.Errorf("Ben's press: %s", said(a))
	}
	if a := w.click(0, p, "mine"); a.Whisper == nil || a.Whisper.Notice == "This was said to somebody else alone." {
		t.Errorf("Ann's press: %+v", a)
	}
	redraw := func() ticketing.Post {
		t.Helper()
		post, err := w.desk.FindPost(t.Context(), "for ann", "", "")
		if err == nil {
			err = w.desk.Redraw(t.Context(), post)
		}
		if err != nil {
			t.Fatal(err)
		}
		return post
	}
	redraw()
	w.until("it is redrawn", func() bool { return p.m.Version >= 2 })

	// Deleted, it is not said again.
	w.chat.mu.Lock()
	p.gone = true
	before := len(w.chat.posts)
	w.chat.mu.Unlock()
	redraw()
	w.until("it is given up", func() bool {
		post, err := w.desk.FindPost(t.Context(), "for ann", "", "")
		return err == nil && post.Gone
	})
	if len(w.chat.posts) != before {
		t.Errorf("it was said again:\n%s", w.board())
	}
}

// The first attempt reaches the platform, and nobody hears of it.
func TestDirectPostIsFoundAgain(t *testing.T) {
	failed := false
	w := newWorld(t, func(c *chat) {
		c.fault = func(what string) error {
			if what == "posted" && !failed && len(c.posts) > 0 && c.posts[len(c.posts)-1].channel == "@ann" {
				failed = true
				return errors.New("the connection broke")
			}
			return nil
		}
	})
	w.direct()
	n := 0
	for _, p := range w.chat.posts {
		if p.m.Key == "for ann" {
			n++
		}
	}
	if n != 1 || !failed {
		t.Errorf("posted %d times", n)
	}
}

// Who has left is told nothing, and nothing is tried for ever.
func TestDirectPostToNobody(t *testing.T) {
	w := newWorld(t, func(c *chat) {
		c.fault = func(what string) error {
			if what == "direct" {
				return ErrGone
			}
			return nil
		}
	})
	err := w.store.Change(t.Context(), func(tx ticketing.Tx) error {
		_, err := tx.AddPost(ticketing.Post{Key: "for ann", Kind: ticketing.DeskPost, Group: "help", Board: "x/board", To: "x:ann"}, "", time.Time{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.until("it is given up", func() bool {
		post, err := w.desk.FindPost(t.Context(), "for ann", "", "")
		return err == nil && post.Gone
	})
}
