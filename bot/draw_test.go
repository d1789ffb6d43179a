package bot

import (
	"errors"
	"log/slog"
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
