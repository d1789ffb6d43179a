package browser

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"groupmail/bot"
)

//go:embed web
var web embed.FS

var pages = template.Must(template.ParseFS(web, "web/*.html"))

// imageTypes are shown as pictures; nothing else ever is.
var imageTypes = []string{"image/png", "image/jpeg", "image/gif", "image/webp"}

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Handler serves the pages, at Base:
//
//	/                                who are you?
//	/to/{channel}/{message}          the same, then on to a message
//	/as/{person}                     the first channel
//	/as/{person}/{channel}           a channel; @groupmail is the bot's direct messages
//	/api/{person}/…                  what the pages ask and send (JSON)
//
// In the pages a message is [data-message="m12"], a button of it [data-button="take"], its menu
// [data-menu], the link to its thread [data-thread], a whisper .whisper with [data-dismiss]; a form is
// dialog[data-form] with fields by their names, [data-submit] and [data-cancel]; a question is
// dialog.ask with [data-yes]; the boxes to write in are #composer and #thread-composer.
func (p *Platform) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.whoPage)
	mux.HandleFunc("GET /to/{channel}/{message}", p.whoPage)
	mux.HandleFunc("GET /as/{person}", p.firstChannel)
	mux.HandleFunc("GET /as/{person}/{channel}", p.channelPage)
	mux.HandleFunc("GET /assets/{name}", p.asset)

	get := func(pattern string, h http.HandlerFunc) { mux.HandleFunc("GET /api/{person}/"+pattern, p.known(h)) }
	get("events", p.events)
	get("changes", p.getChanges)
	get("room", p.getRoom)
	get("older", p.getOlder)
	get("thread", p.getThread)
	get("message", p.getMessage)
	get("commands", p.getCommands)
	get("complete", p.getComplete)
	get("file/{message}/{index}/{name}", p.getFile)
	post := func(pattern string, h http.HandlerFunc) { mux.HandleFunc("POST /api/{person}/"+pattern, p.known(h)) }
	post("say", p.postSay)
	post("edit", p.postEdit)
	post("delete", p.postDelete)
	post("press", p.postPress)
	post("submit", p.postSubmit)
	post("command", p.postCommand)
	post("dismiss", p.postDismiss)
	post("upload", p.postUpload)

	var h http.Handler = mux
	if p.root != "" {
		h = http.StripPrefix(p.root, mux)
	}
	cross := http.NewCrossOriginProtection()
	if err := cross.AddTrustedOrigin(p.base.Scheme + "://" + p.base.Host); err != nil {
		p.log.Warn("browser: the base address as an origin", "error", err)
	}
	return p.guard(cross.Handler(h))
}

// guard sets what every answer carries, and refuses hosts that are neither loopback nor Base's: a
// foreign name that was made to point here (DNS rebinding) would make its page ours.
func (p *Platform) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !p.ourHost(r.Host) {
			http.Error(w, "This server does not answer to that host name.", http.StatusMisdirectedRequest)
			return
		}
		if site := r.Header.Get("Sec-Fetch-Site"); strings.HasPrefix(r.URL.Path, p.root+"/api/") && site != "" && site != "same-origin" && site != "none" {
			http.Error(w, "This is for this server's own pages.", http.StatusForbidden)
			return
		}
		select {
		case <-p.closing:
			http.Error(w, "closing", http.StatusServiceUnavailable)
			return
		default:
		}
		next.ServeHTTP(w, r)
	})
}

func (p *Platform) ourHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	if strings.EqualFold(host, "localhost") || strings.EqualFold(host, p.base.Hostname()) {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// known lets only people of the configuration pass.
func (p *Platform) known(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, ok := p.people[r.PathValue("person")]; !ok {
			p.fail(w, r, http.StatusNotFound, "There is nobody of that name here.")
			return
		}
		next(w, r)
	}
}

// ---- pages

func (p *Platform) page(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		p.log.Error("browser: a page", "page", name, "error", err)
		http.Error(w, "This page cannot be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

func (p *Platform) whoPage(w http.ResponseWriter, r *http.Request) {
	type person struct{ Name, Initial, URL, Note string }
	data := struct {
		Root, Bot string
		People    []person
		Missing   bool
	}{Root: p.root, Bot: p.cfg.BotName}
	channel, id, status := r.PathValue("channel"), r.PathValue("message"), http.StatusOK
	for _, who := range p.cfg.People {
		to := p.root + "/as/" + url.PathEscape(who.ID)
		if channel != "" {
			if !p.present(channel, who.ID) {
				continue
			}
			to += "/" + url.PathEscape(p.address(channel)) + "#" + url.PathEscape(id)
		}
		note := ""
		if who.Guest {
			note = "guest"
		}
		data.People = append(data.People, person{who.Name, initial(who.Name), to, note})
	}
	if channel != "" && len(data.People) == 0 {
		data.Missing = true
		status = http.StatusNotFound
	}
	p.page(w, status, "who.html", data)
}

// address is a room's name in addresses.
func (p *Platform) address(roomID string) string {
	if strings.HasPrefix(roomID, "@") {
		return "@" + p.handle
	}
	return roomID
}

// roomOf turns the name in an address into a room that the person is in.
func (p *Platform) roomOf(person, name string) (string, bool) {
	if name == "@"+p.handle || name == "@"+person {
		return "@" + person, p.present("@"+person, person)
	}
	return name, !strings.HasPrefix(name, "@") && p.present(name, person)
}

func initial(name string) string {
	r, _ := utf8.DecodeRuneInString(name)
	return strings.ToUpper(string(r))
}

func (p *Platform) firstChannel(w http.ResponseWriter, r *http.Request) {
	who := r.PathValue("person")
	for _, c := range p.cfg.Channels {
		if p.present(c.ID, who) {
			http.Redirect(w, r, p.root+"/as/"+url.PathEscape(who)+"/"+url.PathEscape(c.ID), http.StatusFound)
			return
		}
	}
	http.Redirect(w, r, p.root+"/", http.StatusFound)
}

type viewRoom struct {
	ID       string         `json:"id"`
	Messages []*viewMessage `json:"messages"` // outside threads, oldest first
	Older    bool           `json:"older"`    // there are older ones
}

type viewBoot struct {
	Root     string        `json:"root"`
	Mark     string        `json:"mark"`
	Me       string        `json:"me"`
	Bot      viewPerson    `json:"bot"`
	People   []viewPerson  `json:"people"`
	Channels []viewChannel `json:"channels"`
	Room     viewRoom      `json:"room"`
	Links    []viewLink    `json:"links"`
	MaxFile  int64         `json:"maxFile"`
	MaxFiles int           `json:"maxFiles"`
	MaxSaid  int           `json:"maxSaid"`
}

type viewLink struct{ Title, URL string }

func (p *Platform) channelPage(w http.ResponseWriter, r *http.Request) {
	who := r.PathValue("person")
	roomID, ok := p.roomOf(who, r.PathValue("channel"))
	if !ok {
		http.Redirect(w, r, p.root+"/", http.StatusFound)
		return
	}
	b := viewBoot{Root: p.root, Me: who, Bot: viewPerson{Handle: p.handle, Name: p.cfg.BotName},
		MaxFile: maxFile, MaxFiles: maxFiles, MaxSaid: maxSaid, Links: []viewLink{}}
	for _, l := range p.cfg.Links {
		b.Links = append(b.Links, viewLink(l))
	}
	for _, one := range p.cfg.People {
		b.People = append(b.People, viewPerson{one.ID, one.Handle, one.Name, one.Guest})
	}
	p.mu.Lock()
	b.Mark = p.mark(p.seq)
	for _, c := range p.cfg.Channels {
		if !p.present(c.ID, who) {
			continue
		}
		v := viewChannel{ID: c.ID, Title: c.Title, Private: c.Private, Recent: p.recent(c.ID, who)}
		for _, m := range p.members(c) {
			v.Members = append(v.Members, m.ID)
		}
		b.Channels = append(b.Channels, v)
	}
	direct := "@" + who
	b.Channels = append(b.Channels, viewChannel{ID: direct, Title: p.cfg.BotName, Direct: true, Recent: p.recent(direct, who)})
	b.Room = p.viewRoom(roomID, 0)
	p.mu.Unlock()
	p.page(w, http.StatusOK, "channel.html", struct {
		Root, Title, Me string
		Boot            viewBoot
	}{p.root, p.title(roomID), p.people[who].Name, b})
}

func (p *Platform) title(roomID string) string {
	if c, ok := p.boards[roomID]; ok {
		return "#" + c.Title
	}
	return p.cfg.BotName
}

// recent lists the numbers of the newest messages by others. p.mu is held.
func (p *Platform) recent(roomID, who string) []int64 {
	var all []int64
	for _, id := range slices.Backward(p.rooms[roomID].top) {
		if m := p.messages[id]; m.Deleted == 0 && m.Who != who {
			if all = append(all, m.number); len(all) == 30 {
				break
			}
		}
	}
	return all
}

const pageSize = 100

// viewRoom shows the newest messages of a room, or those before the number. p.mu is held.
func (p *Platform) viewRoom(roomID string, before int64) viewRoom {
	top := p.rooms[roomID].top
	if before > 0 {
		i, _ := slices.BinarySearchFunc(top, before, func(id string, n int64) int { return cmp.Compare(p.messages[id].number, n) })
		top = top[:i]
	}
	return p.viewFrom(roomID, top, len(top)-pageSize)
}

// viewFrom shows the messages of top from index i on. p.mu is held.
func (p *Platform) viewFrom(roomID string, top []string, i int) viewRoom {
	i = max(i, 0)
	v := viewRoom{ID: roomID, Messages: []*viewMessage{}, Older: i > 0}
	for _, id := range top[i:] {
		if m := p.messages[id]; m.Deleted == 0 || len(m.replies) > 0 {
			v.Messages = append(v.Messages, p.view(m))
		}
	}
	return v
}

// asset serves what the pages load.
func (p *Platform) asset(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.PathValue("name"))
	b, err := fs.ReadFile(web, "web/"+name)
	if err != nil || strings.HasSuffix(name, ".html") {
		http.NotFound(w, r)
		return
	}
	sum := sha256.Sum256(b)
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

// ---- what pages ask

func (p *Platform) answer(w http.ResponseWriter, r *http.Request, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		p.log.Error("browser: an answer", "path", r.URL.Path, "error", err)
		p.fail(w, r, http.StatusInternalServerError, "This cannot be shown.")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
}

// fail answers with one line for the person.
func (p *Platform) fail(w http.ResponseWriter, _ *http.Request, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text})
}

// refuse answers with a refusal, or logs a fault.
func (p *Platform) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var no refused
	switch {
	case errors.As(err, &no):
		p.fail(w, r, http.StatusConflict, string(no))
	case errors.Is(err, bot.ErrTooMuch):
		p.fail(w, r, http.StatusRequestEntityTooLarge, fmt.Sprintf("That is more than %d MB.", maxFile>>20))
	case errors.Is(err, errClosed), errors.Is(err, errNoBot):
		p.fail(w, r, http.StatusServiceUnavailable, p.cfg.BotName+" is not running just now. Please try again in a moment.")
	default:
		ref := word()[:6]
		p.log.Error("browser: request", "path", r.URL.Path, "error", err, "reference", ref)
		p.fail(w, r, http.StatusInternalServerError, "That went wrong on the server (reference "+ref+"). Please try again.")
	}
}

var errNoBot = errors.New("the bot is not running")

// room reads the room that a request is about.
func (p *Platform) room(w http.ResponseWriter, r *http.Request, name string) (string, bool) {
	id, ok := p.roomOf(r.PathValue("person"), name)
	if !ok {
		p.fail(w, r, http.StatusNotFound, "There is no such channel, or you are not in it.")
	}
	return id, ok
}

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
	defer body.Close() //nolint:errcheck // only read
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

// ---- what pages send

const (
	maxBody   = 1 << 20
	eventForm = `^[A-Za-z0-9-]{8,64}$`
)

var eventID = regexp.MustCompile(eventForm)

// body reads a JSON request.
func (p *Platform) body(w http.ResponseWriter, r *http.Request, into any) bool {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		p.fail(w, r, http.StatusUnsupportedMediaType, "JSON is expected.")
		return false
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	if err := d.Decode(into); err != nil {
		var tooLong *http.MaxBytesError
		if errors.As(err, &tooLong) {
			p.fail(w, r, http.StatusRequestEntityTooLarge, "That is too long.")
		} else {
			p.fail(w, r, http.StatusBadRequest, "That request cannot be read.")
		}
		return false
	}
	return true
}

// answer is what the bot said to an event, for the page's retry of the same event.
type answer struct {
	done chan struct{}
	at   time.Time
	out  reply
	err  error
}

// reply is what a page gets for a press, a submission, a command or something said.
type reply struct {
	ID     string            `json:"id,omitempty"` // of what was said
	Form   *viewForm         `json:"form,omitempty"`
	Errors map[string]string `json:"errors,omitempty"`
	News   []viewChange      `json:"news,omitempty"` // what changed by it; the stream brings it too
}

// once does what an event asks for, and answers its repetition alike.
func (p *Platform) once(w http.ResponseWriter, r *http.Request, event string, do func() (reply, error)) {
	const keep = 5 * time.Minute
	if !eventID.MatchString(event) {
		p.fail(w, r, http.StatusBadRequest, "That request cannot be read.")
		return
	}
	key := r.PathValue("person") + " " + event
	p.hubMu.Lock()
	a, again := p.answers[key]
	if !again {
		for k, old := range p.answers {
			if len(p.answers) > 1000 && p.now().Sub(old.at) > keep {
				delete(p.answers, k)
			}
		}
		a = &answer{done: make(chan struct{}), at: p.now()}
		p.answers[key] = a
	}
	p.hubMu.Unlock()
	if again {
		select {
		case <-a.done:
		case <-r.Context().Done():
			return
		}
	} else {
		a.err = errors.New("the bot's answer broke off")
		func() {
			defer close(a.done)
			a.out, a.err = do()
		}()
		if a.err != nil { // another try may fare better
			p.hubMu.Lock()
			delete(p.answers, key)
			p.hubMu.Unlock()
		}
	}
	if a.err != nil {
		p.refuse(w, r, a.err)
		return
	}
	p.answer(w, r, a.out)
}

// event is the key of an event as the bot gets it.
func (p *Platform) event(who bot.Person, event string) string {
	return p.instance + ":" + who.ID + ":" + event
}

func (p *Platform) postPress(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Event   string `json:"event"`
		Message string `json:"message"` // of a message or a whisper
		Drawing int64  `json:"drawing"` // the one that was pressed
		Button  string `json:"button"`
	}
	if !p.body(w, r, &in) {
		return
	}
	who := p.people[r.PathValue("person")]
	p.once(w, r, in.Event, func() (reply, error) {
		ctx, hub, done, ok := p.call(r.Context())
		if !ok {
			return reply{}, errNoBot
		}
		defer done()
		c := bot.Click{Event: p.event(who, in.Event), Who: who}
		var root, whispered string
		p.mu.RLock()
		m, wh := p.messages[in.Message], p.whispers[in.Message]
		p.mu.RUnlock()
		var b bot.Button
		switch {
		case m != nil && m.Card != nil && m.Deleted == 0 && p.present(m.Room, who.ID):
			c.Channel, c.Message, c.Key, root = m.Room, m.ID, m.Key, m.Root
			b, ok = pressed(in.Button, in.Drawing, m.Drawing, m.Card.Buttons, m.Before)
		case wh != nil && wh.To == who.ID && !wh.Gone:
			c.Channel, c.Key, root, whispered = wh.Room, wh.Card.Key, wh.Root, wh.ID
			b, ok = pressed(in.Button, in.Drawing, wh.Drawing, wh.Card.Buttons, wh.Before)
		default:
			return reply{}, refused("This message is gone.")
		}
		if !ok {
			return reply{}, refused("This button is no longer there; the message has changed.")
		}
		c.Button, c.Value = b.ID, b.Value
		a := hub.Click(ctx, c)
		if a.Redraw != nil {
			if whispered != "" {
				p.rewhisper(who.ID, whispered, a.Redraw)
			} else if err := p.redraw(c.Channel, c.Message, *a.Redraw); err != nil && !errors.Is(err, bot.ErrGone) {
				return reply{}, err
			}
		}
		return p.reply(who, c.Channel, root, cmp.Or(c.Message, p.anchor(whispered)), in.Message, a), nil
	})
}

// pressed finds the button in the drawing that was pressed: the one shown now, or the one before it.
func pressed(id string, drawing, now int64, buttons, before []bot.Button) (bot.Button, bool) {
	if drawing == now-1 {
		buttons, before = before, buttons
	}
	if b, ok := button(buttons, id); ok {
		return b, true
	}
	return button(before, id)
}

// anchor is where a whisper is shown.
func (p *Platform) anchor(id string) string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if w := p.whispers[id]; w != nil {
		return w.Anchor
	}
	return ""
}

// reply turns the bot's answer into the page's. The whisper goes to all windows of the person.
func (p *Platform) reply(who bot.Person, roomID, root, anchor, pressed string, a bot.Answer) reply {
	out := reply{Errors: a.Errors}
	if m := a.Whisper; m != nil {
		wm := *m
		wm.Root = cmp.Or(wm.Root, root)
		w := p.whisper(roomID, who.ID, anchor, wm)
		p.mu.RLock()
		out.News = append(out.News, viewChange{Message: p.viewWhisper(w)})
		p.mu.RUnlock()
	}
	p.mu.RLock()
	if m := p.messages[pressed]; m != nil {
		out.News = append(out.News, viewChange{Message: p.view(m)})
	} else if w := p.whispers[pressed]; w != nil && !w.Gone {
		out.News = append(out.News, viewChange{Message: p.viewWhisper(w)})
	}
	p.mu.RUnlock()
	if a.Form != nil {
		out.Form = p.viewForm(openForm{Who: who.ID, Room: roomID, Root: root, Anchor: anchor, State: a.Form.State}, a.Form)
	}
	return out
}

// openForm is what must come back with a form as it went out: to whom, where, and which fields.
type openForm struct {
	Who    string      `json:"who"`
	Room   string      `json:"room"`
	Root   string      `json:"root,omitempty"`
	Anchor string      `json:"anchor,omitempty"`
	State  string      `json:"state"`
	Fields []openField `json:"fields"`
}

type openField struct {
	Name     string        `json:"n"`
	Kind     bot.FieldKind `json:"k"`
	Required bool          `json:"r,omitempty"`
	Max      int           `json:"m,omitempty"`
	Options  []string      `json:"o,omitempty"`
}

const maxField = 60_000 // characters of a field without a Max

func (p *Platform) viewForm(o openForm, f *bot.Form) *viewForm {
	v := &viewForm{Title: clean(f.Title), Intro: p.viewLines(f.Intro), Quote: clean(f.Quote),
		Fields: []viewField{}, Submit: cmp.Or(clean(f.Submit), "OK")}
	for _, in := range f.Fields {
		o.Fields = append(o.Fields, openField{in.Name, in.Kind, in.Required, in.Max, nil})
		field := viewField{Name: in.Name, Label: clean(in.Label), Help: clean(in.Help), Kind: in.Kind,
			Value: in.Value, Required: in.Required, Max: cmp.Or(in.Max, maxField)}
		for _, opt := range in.Options {
			field.Options = append(field.Options, viewOption{opt.Value, clean(opt.Label)})
			last := &o.Fields[len(o.Fields)-1]
			last.Options = append(last.Options, opt.Value)
		}
		v.Fields = append(v.Fields, field)
	}
	v.Token = p.seal(o)
	return v
}

// seal signs an open form; unseal reads it back. So a form outlives a restart of the server.
func (p *Platform) seal(o openForm) string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // strings and numbers only
	}
	body := base64.RawURLEncoding.EncodeToString(b)
	return body + "." + p.sign(body)
}

func (p *Platform) sign(s string) string {
	h := hmac.New(sha256.New, p.secret)
	h.Write([]byte("form " + s))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func (p *Platform) unseal(token, who string) (openForm, bool) {
	var o openForm
	body, sum, _ := strings.Cut(token, ".")
	if !hmac.Equal([]byte(sum), []byte(p.sign(body))) {
		return o, false
	}
	b, err := base64.RawURLEncoding.DecodeString(body)
	return o, err == nil && json.Unmarshal(b, &o) == nil && o.Who == who && p.present(o.Room, who)
}

// check keeps what the form has fields for, and says what is wrong with it.
func (o openForm) check(in map[string]string) (values, faults map[string]string) {
	values, faults = map[string]string{}, map[string]string{}
	for _, f := range o.Fields {
		s := strings.ReplaceAll(strings.ToValidUTF8(in[f.Name], ""), "\r\n", "\n")
		most := cmp.Or(f.Max, maxField)
		n := utf8.RuneCountInString(s)
		switch {
		case f.Kind == bot.Check:
			if s != "" {
				s = "true"
			} else if f.Required {
				faults[f.Name] = "Please tick this."
			}
		case strings.TrimSpace(s) == "" && f.Required:
			faults[f.Name] = "Please fill this in."
		case n > most:
			faults[f.Name] = fmt.Sprintf("That is %d characters too long.", n-most)
		case f.Kind == bot.Select && s != "" && !slices.Contains(f.Options, s):
			faults[f.Name] = "Please choose one of the list."
		case f.Kind == bot.Short:
			s = strings.ReplaceAll(s, "\n", " ")
		}
		values[f.Name] = s
	}
	return values, faults
}

func (p *Platform) postSubmit(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Event  string            `json:"event"`
		Token  string            `json:"token"`
		Values map[string]string `json:"values"`
	}
	if !p.body(w, r, &in) {
		return
	}
	who := p.people[r.PathValue("person")]
	p.once(w, r, in.Event, func() (reply, error) {
		o, ok := p.unseal(in.Token, who.ID)
		if !ok {
			return reply{}, refused("This form is not valid any more. Copy what you have typed, and open it again.")
		}
		values, faults := o.check(in.Values)
		if len(faults) > 0 {
			return reply{Errors: faults}, nil
		}
		ctx, hub, done, ok := p.call(r.Context())
		if !ok {
			return reply{}, errNoBot
		}
		defer done()
		a := hub.Submit(ctx, bot.Submission{Event: p.event(who, in.Event), Who: who, Channel: o.Room, State: o.State, Values: values})
		if a.Redraw != nil && o.Anchor != "" {
			if err := p.redraw(o.Room, o.Anchor, *a.Redraw); err != nil && !errors.Is(err, bot.ErrGone) {
				return reply{}, err
			}
		}
		return p.reply(who, o.Room, o.Root, o.Anchor, o.Anchor, a), nil
	})
}

func (p *Platform) postCommand(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Event string `json:"event"`
		Room  string `json:"room"`
		Root  string `json:"root"`
		Name  string `json:"name"`
		Text  string `json:"text"`
	}
	if !p.body(w, r, &in) {
		return
	}
	room, ok := p.room(w, r, in.Room)
	if !ok {
		return
	}
	who := p.people[r.PathValue("person")]
	p.once(w, r, in.Event, func() (reply, error) {
		if utf8.RuneCountInString(in.Text) > maxSaid {
			return reply{}, refused("That is too long.")
		}
		if err := p.thread(room, in.Root); err != nil {
			return reply{}, refused("This thread is gone.")
		}
		ctx, hub, done, ok := p.call(r.Context())
		if !ok {
			return reply{}, errNoBot
		}
		defer done()
		if !slices.ContainsFunc(hub.Commands(), func(c bot.CommandInfo) bool { return c.Name == in.Name }) {
			return reply{}, refused("There is no command /" + in.Name + ".")
		}
		a := hub.Command(ctx, bot.Command{Event: p.event(who, in.Event), Who: who, Channel: room, Root: in.Root,
			Name: in.Name, Text: strings.TrimSpace(in.Text)})
		return p.reply(who, room, in.Root, "", "", a), nil
	})
}

func (p *Platform) postSay(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Event string   `json:"event"`
		Room  string   `json:"room"`
		Root  string   `json:"root"`
		Text  string   `json:"text"`
		Files []string `json:"files"`
	}
	if !p.body(w, r, &in) {
		return
	}
	room, ok := p.room(w, r, in.Room)
	if !ok {
		return
	}
	who := r.PathValue("person")
	p.once(w, r, in.Event, func() (reply, error) {
		if strings.HasPrefix(room, "@") {
			return reply{}, refused(p.cfg.BotName + " does not read here. Write in a channel or a thread.")
		}
		m, err := p.say(who, room, in.Root, strings.ToValidUTF8(in.Text, "�"), in.Files)
		if err != nil {
			return reply{}, err
		}
		p.mu.RLock()
		defer p.mu.RUnlock()
		return reply{ID: m.ID, News: []viewChange{{Message: p.view(p.messages[m.ID])}}}, nil
	})
}

func (p *Platform) postEdit(w http.ResponseWriter, r *http.Request) {
	var in struct{ Event, Message, Text string }
	if !p.body(w, r, &in) {
		return
	}
	p.once(w, r, in.Event, func() (reply, error) {
		return reply{}, p.edit(r.PathValue("person"), in.Message, strings.ToValidUTF8(in.Text, "�"))
	})
}

func (p *Platform) postDelete(w http.ResponseWriter, r *http.Request) {
	var in struct{ Event, Message string }
	if !p.body(w, r, &in) {
		return
	}
	p.once(w, r, in.Event, func() (reply, error) {
		return reply{}, p.remove(r.PathValue("person"), in.Message)
	})
}

func (p *Platform) postDismiss(w http.ResponseWriter, r *http.Request) {
	var in struct{ Whisper string }
	if !p.body(w, r, &in) {
		return
	}
	p.rewhisper(r.PathValue("person"), in.Whisper, nil)
	p.answer(w, r, struct{}{})
}

// postUpload takes the bytes of one file, and gives it an id under which it can be sent.
func (p *Platform) postUpload(w http.ResponseWriter, r *http.Request) {
	who := r.PathValue("person")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(10 * time.Minute)) // a great file on a slow line
	kind := r.Header.Get("Content-Type")
	if _, _, err := mime.ParseMediaType(kind); err != nil {
		kind = ""
	}
	f, err := p.keepFile(r.URL.Query().Get("name"), kind, http.MaxBytesReader(w, r.Body, maxFile+1))
	if err != nil {
		var tooLong *http.MaxBytesError
		if errors.As(err, &tooLong) {
			err = bot.ErrTooMuch
		}
		p.refuse(w, r, err)
		return
	}
	p.mu.Lock()
	for id, old := range p.pending {
		if p.now().Sub(old.at) > 24*time.Hour {
			delete(p.pending, id)
			p.blobs.remove(id)
		}
	}
	p.pending[f.ID] = pendingFile{file: f, who: who, at: p.now()}
	p.mu.Unlock()
	p.answer(w, r, map[string]string{"id": f.ID, "name": f.Name})
}

var _ bot.Platform = (*Platform)(nil)
