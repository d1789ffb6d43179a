package browser

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// window is one open stream of changes.
type window struct {
	who  string
	wake chan struct{}
}

const (
	beat     = 15 * time.Second
	patience = 10 * time.Second // for a window that does not read
)

// mark names a place in the row of changes: what a window has seen. It is the id of an event.
func (p *Platform) mark(seq int64) string { return p.epoch + "-" + strconv.FormatInt(seq, 10) }

// since reads a mark. ok is false if what came after it is not known any more: another process, or
// too long ago.
func (p *Platform) since(mark string) (seq int64, ok bool) {
	epoch, n, _ := strings.Cut(mark, "-")
	seq, err := strconv.ParseInt(n, 10, 64)
	return seq, err == nil && epoch == p.epoch && seq >= p.trimmed
}

// news lists what a person may see of the changes after seq, each thing once and as it is now. p.mu
// is held.
func (p *Platform) news(who string, seq int64) []viewChange {
	i, _ := slices.BinarySearchFunc(p.changes, seq+1, func(c change, seq int64) int { return int(c.seq - seq) })
	all := []viewChange{}
	for _, c := range p.changes[i:] {
		if c.whisper != "" {
			w := p.whispers[c.whisper]
			if w == nil || w.To != who || w.Seq != c.seq {
				continue
			}
			if w.Gone {
				all = append(all, viewChange{Dismiss: w.ID})
				continue
			}
			w.Seen = true
			all = append(all, viewChange{Message: p.viewWhisper(w)})
			continue
		}
		if m := p.messages[c.message]; m.Seq == c.seq && p.present(c.room, who) {
			all = append(all, viewChange{Message: p.view(m)})
		}
	}
	return all
}

// unseen lists the whispers to a person up to seq that no window has got: they came while none was
// open. p.mu is held.
func (p *Platform) unseen(who string, seq int64) []viewChange {
	var all []viewChange
	for _, w := range p.whispers {
		if w.To == who && !w.Gone && !w.Seen && w.Seq <= seq {
			w.Seen = true
			all = append(all, viewChange{Message: p.viewWhisper(w)})
		}
	}
	slices.SortFunc(all, func(a, b viewChange) int { return cmp.Compare(a.Message.Seq, b.Message.Seq) })
	return all
}

// online lists who has a window open. p.mu is held.
func (p *Platform) online() []string {
	all := []string{}
	for w := range p.windows {
		if !slices.Contains(all, w.who) {
			all = append(all, w.who)
		}
	}
	slices.Sort(all)
	return all
}

// events is the stream of changes to a window: server-sent events, of these kinds:
//
//	news   an array of changes; its id is the mark to go on from
//	reset  what came since the mark is not known: load everything anew
//	online who has a window open
//	beat   nothing; but the line works
func (p *Platform) events(w http.ResponseWriter, r *http.Request) {
	who := r.PathValue("person")
	from := r.URL.Query().Get("after")
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		from = last
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	c := http.NewResponseController(w)
	send := func(kind, id string, data any) bool {
		b, err := json.Marshal(data)
		if err != nil {
			p.log.Error("browser: an event", "error", err)
			return false
		}
		if id != "" {
			id = "id: " + id + "\n"
		}
		_ = c.SetWriteDeadline(time.Now().Add(patience))
		_, err = fmt.Fprintf(w, "%sevent: %s\ndata: %s\n\n", id, kind, b)
		return err == nil && c.Flush() == nil
	}

	win := &window{who: who, wake: make(chan struct{}, 1)}
	p.mu.Lock()
	seen, ok := p.since(from)
	reset := from != "" && !ok
	if !ok {
		seen = p.seq
	}
	p.windows[win] = struct{}{}
	p.wakeAll()
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.windows, win)
		p.wakeAll()
		p.mu.Unlock()
	}()

	if _, err := fmt.Fprint(w, "retry: 1000\n\n"); err != nil {
		return
	}
	if reset && !send("reset", p.mark(seen), struct{}{}) {
		return
	}
	tick := time.NewTicker(beat)
	defer tick.Stop()
	var there []string
	for first := true; ; first = false {
		p.mu.Lock()
		upTo, online := p.seq, p.online()
		fresh := p.news(who, seen)
		if first {
			fresh = append(p.unseen(who, seen), fresh...)
		}
		p.mu.Unlock()
		if (first || len(fresh) > 0) && !send("news", p.mark(upTo), fresh) {
			return
		}
		seen = upTo
		if first || !slices.Equal(there, online) {
			if there = online; !send("online", "", there) {
				return
			}
		}
		select {
		case <-r.Context().Done():
			return
		case <-p.closing:
			return
		case <-win.wake:
		case <-tick.C:
			if !send("beat", "", struct{}{}) {
				return
			}
		}
	}
}

// wakeAll has all windows look again. p.mu is held.
func (p *Platform) wakeAll() {
	for w := range p.windows {
		poke(w.wake)
	}
}
