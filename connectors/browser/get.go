package browser

import (
	"cmp"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"groupmail/bot"
)

func (p *Platform) getChanges(w http.ResponseWriter, r *http.Request) {
	type reply struct {
		Mark   string       `json:"mark"`
		Reset  bool         `json:"reset,omitempty"`
		News   []viewChange `json:"news"`
		Online []string     `json:"online"`
	}
	p.mu.Lock()
	seen, ok := p.since(r.URL.Query().Get("after"))
	out := reply{Mark: p.mark(p.seq), Reset: !ok, Online: p.online()}
	if ok {
		out.News = p.news(r.PathValue("person"), seen)
	}
	p.mu.Unlock()
	p.answer(w, r, out)
}

// getRoom gives the newest page of a room with the whispers that no window has got yet.
func (p *Platform) getRoom(w http.ResponseWriter, r *http.Request) {
	id, ok := p.room(w, r, r.URL.Query().Get("room"))
	if !ok {
		return
	}
	p.mu.RLock()
	v := p.viewRoom(id, 0)
	p.mu.RUnlock()
	p.answer(w, r, v)
}

// getOlder gives the page before a message; with "to", all from that message on.
func (p *Platform) getOlder(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	id, ok := p.room(w, r, q.Get("room"))
	if !ok {
		return
	}
	before, _ := strconv.ParseInt(q.Get("before"), 10, 64)
	to, _ := strconv.ParseInt(q.Get("to"), 10, 64)
	p.mu.RLock()
	top := p.rooms[id].top
	at := func(n int64) int {
		i, _ := slices.BinarySearchFunc(top, n, func(id string, n int64) int { return cmp.Compare(p.messages[id].number, n) })
		return i
	}
	end := len(top)
	if before > 0 {
		end = at(before)
	}
	start := end - pageSize
	if to > 0 {
		start = min(start, at(to)-10)
	}
	v := p.viewFrom(id, top[:end], start)
	p.mu.RUnlock()
	p.answer(w, r, v)
}

func (p *Platform) getThread(w http.ResponseWriter, r *http.Request) {
	type reply struct {
		Root    *viewMessage   `json:"root"`
		Replies []*viewMessage `json:"replies"`
	}
	out := reply{Replies: []*viewMessage{}}
	p.mu.RLock()
	root := p.messages[r.URL.Query().Get("root")]
	if root != nil && root.Root == "" && p.present(root.Room, r.PathValue("person")) {
		out.Root = p.view(root)
		for _, id := range root.replies {
			if m := p.messages[id]; m.Deleted == 0 {
				out.Replies = append(out.Replies, p.view(m))
			}
		}
	}
	p.mu.RUnlock()
	if out.Root == nil {
		p.fail(w, r, http.StatusNotFound, "This thread is gone.")
		return
	}
	p.answer(w, r, out)
}

func (p *Platform) getMessage(w http.ResponseWriter, r *http.Request) {
	p.mu.RLock()
	var v *viewMessage
	if m := p.messages[r.URL.Query().Get("id")]; m != nil && m.Deleted == 0 && p.present(m.Room, r.PathValue("person")) {
		v = p.view(m)
	}
	p.mu.RUnlock()
	if v == nil {
		p.fail(w, r, http.StatusNotFound, "This message is gone.")
		return
	}
	p.answer(w, r, v)
}

func (p *Platform) getCommands(w http.ResponseWriter, r *http.Request) {
	type command struct {
		Name        string `json:"name"`
		Hint        string `json:"hint"`
		Description string `json:"description"`
	}
	all := []command{}
	if _, hub, done, ok := p.call(r.Context()); ok {
		for _, c := range hub.Commands() {
			all = append(all, command{c.Name, c.Hint, c.Description})
		}
		done()
	}
	p.answer(w, r, all)
}

func (p *Platform) getComplete(w http.ResponseWriter, r *http.Request) {
	type completion struct {
		Text string `json:"text"`
		Hint string `json:"hint"`
	}
	q := r.URL.Query()
	room, ok := p.room(w, r, q.Get("room"))
	if !ok {
		return
	}
	all := []completion{}
	if ctx, hub, done, ok := p.call(r.Context()); ok && len(q.Get("text")) <= 4000 {
		for _, c := range hub.Complete(ctx, bot.Command{Who: p.people[r.PathValue("person")], Channel: room, Root: q.Get("root"),
			Name: q.Get("name"), Text: q.Get("text")}) {
			all = append(all, completion{c.Text, c.Hint})
		}
		done()
	}
	p.answer(w, r, all)
}

func filePath(message string, index int, name string) string {
	return "file/" + message + "/" + strconv.Itoa(index) + "/" + url.PathEscape(name)
}

// getFile hands out a file of a message, to be kept and not to be shown, but for pictures.
func (p *Platform) getFile(w http.ResponseWriter, r *http.Request) {
	index, err := strconv.Atoi(r.PathValue("index"))
	m := p.get(r.PathValue("message"))
	if err != nil || m == nil || !p.present(m.Room, r.PathValue("person")) || index < 0 || index >= len(m.Files) {
		p.fail(w, r, http.StatusNotFound, "This file is gone.")
		return
	}
	f := m.Files[index]
	body, at, err := p.blobs.open(f.ID)
	if err != nil {
		p.log.Error("browser: a file", "message", m.ID, "error", err)
		p.fail(w, r, http.StatusNotFound, "This file is gone.")
		return
	}
	defer body.Close()
	start := make([]byte, 512)
	n, _ := io.ReadFull(body, start)
	kind := http.DetectContentType(start[:n])
	if !slices.Contains(imageTypes, kind) {
		kind = "application/octet-stream"
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		p.refuse(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", "private, max-age=3600")
	http.ServeContent(w, r, "", at, body)
}
