package bot

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"groupmail/ticketing"
)

// That a post has to wait says nothing of it: what failed before stays counted until it is drawn.
func TestFailuresAreCounted(t *testing.T) {
	w := newWorld(t, nil)
	w.bot.Log = slog.New(slog.DiscardHandler)
	const id = ticketing.PostID(4711)
	for _, c := range []struct {
		err  error
		want int
	}{
		{errors.New("the file was refused"), 1},
		{Limited{After: time.Second}, 1},
		{errWaits, 1},
		{errors.New("the file was refused"), 2},
		{Limited{After: time.Second}, 2},
	} {
		w.bot.undrawn(t.Context(), id, c.err)
		if n := w.bot.draw.failedBefore(id); n != c.want {
			t.Errorf("after %q: failed %d times, want %d", c.err, n, c.want)
		}
	}
	w.bot.draw.drawn(ticketing.Post{ID: id}, time.Now())
	if n := w.bot.draw.failedBefore(id); n != 0 {
		t.Errorf("drawn, and failed %d times", n)
	}
}

// burst lets n cards be decided at once, and returns their subjects in that order. There are five before.
func (w *world) burst(n int) (subjects []string) {
	w.t.Helper()
	for i := range 5 + n {
		w.arrives(fmt.Sprintf("Subject %02d", i), fmt.Sprint("text ", i))
		if i >= 5 {
			subjects = append(subjects, fmt.Sprintf("Subject %02d", i))
		}
	}
	digest := w.posted(ticketing.DigestPost)
	var flood ticketing.ConversationID
	if _, err := fmt.Sscanf(digest.m.Key, "digest:%d:", &flood); err != nil {
		w.t.Fatal(err)
	}
	w.card("Subject 04")
	if _, err := w.desk.ShowCollected(w.t.Context(), ticketing.By{Group: "help", Member: ticketing.Member{ID: "x:ann", Name: "Ann"}}, flood, n); err != nil {
		w.t.Fatal(err)
	}
	return subjects
}

// inOrder is the order in which these cards stand on the board.
func (w *world) inOrder(subjects []string) (got []string) {
	w.t.Helper()
	w.until("all cards are there", func() bool {
		got = nil
		for _, p := range w.chat.posts {
			if slices.Contains(subjects, p.m.Title) {
				got = append(got, p.m.Title)
			}
		}
		return len(got) == len(subjects)
	})
	return got
}

// Cards are posted in the order in which they were decided, however long each is on its way.
func TestCardsStandInOrder(t *testing.T) {
	w := newWorld(t, func(c *chat) {
		c.delay = func(Message) { time.Sleep(rand.N(8 * time.Millisecond)) }
	})
	subjects := w.burst(40)
	if got := w.inOrder(subjects); !slices.Equal(got, subjects) {
		t.Errorf("they stand in this order: %q", got)
	}
}

// So are those that another process has left behind.
func TestCardsThatWereLeftStandInOrder(t *testing.T) {
	w := newWorld(t, func(c *chat) {
		c.delay = func(Message) { time.Sleep(rand.N(80 * time.Millisecond)) }
	})
	w.arrives("Before", "text")
	w.card("Before")
	here := w.desk
	w.desk = ticketing.NewDesk(w.store, here.Groups(), w.bot.Clock, slog.New(slog.DiscardHandler)) // draws nothing
	var subjects []string
	for i := range 4 {
		subjects = append(subjects, fmt.Sprint("Left ", i))
		w.arrives(subjects[i], fmt.Sprint("left ", i))
	}
	w.desk = here
	w.skip.Add(int64(2 * ticketing.DrawLease)) // of the other process nothing is heard any more
	if got := w.inOrder(subjects); !slices.Equal(got, subjects) {
		t.Errorf("they stand in this order: %q", got)
	}
}

// A card that cannot be posted holds up no other, and comes once it can be.
func TestACardThatFailsHoldsUpNoOther(t *testing.T) {
	fails := atomic.Bool{}
	fails.Store(true)
	w := newWorld(t, func(c *chat) {
		c.refuse = func(m Message) error {
			if m.Title == "Subject 07" && fails.Load() {
				return errors.New("not this one")
			}
			return nil
		}
	})
	subjects := w.burst(10)
	others := slices.DeleteFunc(slices.Clone(subjects), func(s string) bool { return s == "Subject 07" })
	if got := w.inOrder(others); !slices.Equal(got, others) {
		t.Errorf("the others stand in this order: %q", got)
	}
	fails.Store(false)
	w.inOrder(subjects)
}

// What changes is drawn while a burst is stuck.
func TestAChangeDoesNotWaitForABurst(t *testing.T) {
	stuck, going := make(chan struct{}), make(chan struct{}, 100)
	w := newWorld(t, func(c *chat) {
		c.delay = func(m Message) {
			if strings.HasPrefix(m.Key, "card:") && m.Title > "Subject 04" {
				going <- struct{}{}
				<-stuck
			}
		}
	})
	goOn := sync.OnceFunc(func() { close(stuck) })
	t.Cleanup(goOn)
	subjects := w.burst(30)
	<-going
	card := w.card("Subject 02")
	w.click(0, card, "take")
	w.shows(card, "Taken by Ann")
	if len(going) > 0 {
		t.Errorf("%d more are on their way", len(going))
	}
	goOn()
	if got := w.inOrder(subjects); !slices.Equal(got, subjects) {
		t.Errorf("they stand in this order: %q", got)
	}
}
