// Package page shows a stand-in for Slack in the browser: a page for each person, on which they see
// what is posted, press, choose, fill modals, and write. It is for looking at an app by hand and for
// pictures; it knows nothing but what [slacktest.Person] gives, so what it shows is what tests see.
//
// Start reading with Handler. The pages are made here (page.html, render.go); page.js only sends what is
// done and fetches what has changed.
package page

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"groupmail/connectors/slack/slacktest"
)

//go:embed page.html page.css page.js
var assets embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{"spans": spans, "emoji": slacktest.Emoji, "clock": clock, "initial": initial, "hue": hue, "kb": kb, "text": emojiText}).
	ParseFS(assets, "page.html"))

type site struct{ slack *slacktest.Server }

// Handler serves / (who is there), /as/{name} and what belongs to them.
func Handler(s *slacktest.Server) http.Handler {
	h := &site{s}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.who)
	mux.HandleFunc("GET /as/{name}", h.shell)
	mux.HandleFunc("GET /as/{name}/parts", h.parts)
	mux.HandleFunc("GET /as/{name}/live", h.live)
	mux.HandleFunc("POST /as/{name}/do", h.do)
	mux.HandleFunc("GET /page/file/{id}", h.file)
	mux.Handle("GET /page/", http.StripPrefix("/page/", http.FileServerFS(assets)))
	return http.NewCrossOriginProtection().Handler(mux)
}

// person is who the address names, by name or id.
func (h *site) person(r *http.Request) (slacktest.User, *slacktest.Person, bool) {
	name := r.PathValue("name")
	for _, u := range h.slack.Users() {
		if (u.Name == name || u.ID == name) && !u.Bot {
			return u, h.slack.As(u.ID), true
		}
	}
	return slacktest.User{}, nil, false
}

func (h *site) write(w http.ResponseWriter, name string, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'self'; img-src * data:; style-src 'self'")
	_, _ = w.Write(b.Bytes())
}

func (h *site) who(w http.ResponseWriter, _ *http.Request) {
	var people []slacktest.User
	for _, u := range h.slack.Users() {
		if !u.Bot && !u.Deleted {
			people = append(people, u)
		}
	}
	h.write(w, "who", map[string]any{"People": people, "API": h.slack.API})
}

// state is what the page shows: the place (a channel's id, "home", "messages") and the thread beside it.
type state struct {
	Me            slacktest.User
	Bot           string
	Place, Thread string
	Channels      []place
	People        []slacktest.User
	Title         string
	Private       bool
	Pins          []message
	Messages      []message
	Replies       []message
	Root          *message
	Home          *viewed
	View          *viewed
	Commands      bool
	Troubles      []slacktest.Trouble
}

type place struct {
	slacktest.Channel
	Current bool
}

func (h *site) state(u slacktest.User, p *slacktest.Person, r *http.Request) state {
	s := state{Me: u, Bot: h.slack.BotName, Place: r.URL.Query().Get("c"), Thread: r.URL.Query().Get("t")}
	all := p.Channels()
	slices.SortFunc(all, func(a, b slacktest.Channel) int { return cmp.Compare(a.Name, b.Name) })
	if s.Place == "" && len(all) > 0 {
		s.Place = all[0].ID
		for _, c := range all {
			if slices.Contains(h.slack.Members(c.ID), u.ID) && slices.Contains(h.slack.Members(c.ID), h.slack.BotUser) {
				s.Place = c.ID
				break
			}
		}
	}
	for _, c := range all {
		s.Channels = append(s.Channels, place{c, c.ID == s.Place})
		if c.ID == s.Place {
			s.Title, s.Private = c.Name, c.Private
		}
	}
	channel := s.Place
	switch s.Place {
	case "home", "messages":
		s.Title = s.Bot
		channel = p.Direct()
		if v, ok := p.Home(); ok && s.Place == "home" {
			s.Home = h.viewed(v)
		}
	}
	if s.Place != "home" {
		s.Messages = h.messages(p.Messages(channel), "")
		s.Pins = h.messages(p.Pins(channel), "")
	}
	if s.Thread != "" {
		thread := h.messages(p.Thread(channel, s.Thread), s.Thread)
		if len(thread) > 0 {
			s.Root, s.Replies = &thread[0], thread[1:]
		}
	}
	if v, ok := p.View(); ok {
		s.View = h.viewed(v)
	}
	return s
}

func (h *site) shell(w http.ResponseWriter, r *http.Request) {
	u, p, ok := h.person(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	h.write(w, "shell", h.state(u, p, r))
}

// parts are the pieces of the page that may have changed, by the id of their element.
func (h *site) parts(w http.ResponseWriter, r *http.Request) {
	u, p, ok := h.person(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	s := h.state(u, p, r)
	out := map[string]string{}
	for _, part := range []string{"side", "pins", "messages", "replies", "modal"} {
		var b bytes.Buffer
		if err := pages.ExecuteTemplate(&b, part, s); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		out[part] = b.String()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

// live says whenever something has changed.
func (h *site) live(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	flush := http.NewResponseController(w)
	for {
		changed := h.slack.Changed()
		if _, err := io.WriteString(w, "data: changed\n\n"); err != nil || flush.Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-time.After(20 * time.Second):
		case <-r.Context().Done():
			return
		}
		select { // what comes in one breath is told once
		case <-time.After(50 * time.Millisecond):
		case <-r.Context().Done():
			return
		}
	}
}

func (h *site) file(w http.ResponseWriter, r *http.Request) {
	f, ok := h.slack.File(r.PathValue("id"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.Type)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "sandbox")
	http.ServeContent(w, r, f.Name, time.Time{}, bytes.NewReader(f.Data))
}

// do carries out what was done on the page; the answer says what went wrong.
func (h *site) do(w http.ResponseWriter, r *http.Request) {
	_, p, ok := h.person(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	if err := r.ParseMultipartForm(64 << 20); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	channel := r.FormValue("channel")
	if channel == "messages" {
		channel = p.Direct()
	}
	message, action, value := r.FormValue("message"), r.FormValue("action"), r.FormValue("value")
	var err error
	switch r.FormValue("do") {
	case "say":
		err = h.say(p, r, channel)
	case "press":
		err = p.Press(channel, message, action)
	case "choose":
		err = p.Choose(channel, message, action, value)
	case "pressin":
		err = p.PressIn(action, value)
	case "presshome":
		err = p.PressHome(action, value)
	case "home":
		err = p.OpenHome()
	case "messages":
		err = p.OpenMessages()
	case "shortcut":
		err = p.Shortcut(channel, message, action)
	case "react":
		err = p.React(channel, message, value)
	case "delete":
		err = p.Delete(channel, message)
	case "edit":
		err = p.Edit(channel, message, value)
	case "join":
		err = p.Join(channel)
	case "invite":
		err = p.Invite(channel, h.slack.BotUser)
	case "close":
		err = p.CloseView(false)
	case "submit", "keep":
		values := map[string]string{}
		for name, all := range r.MultipartForm.Value {
			if field, ok := strings.CutPrefix(name, "field "); ok {
				values[field] = strings.ReplaceAll(strings.Join(slices.DeleteFunc(all, func(s string) bool { return s == "" }), "\n"), "\r\n", "\n")
			}
		}
		if r.FormValue("do") == "submit" {
			err = p.Submit(values)
			break
		}
		for field, value := range values { // before a button in the modal is pressed
			if e := p.Fill(field, value); e != nil && err == nil {
				err = e
			}
		}
	default:
		err = fmt.Errorf("page: unknown action %q", r.FormValue("do"))
	}
	answer := map[string]string{}
	if err != nil {
		answer["error"] = strings.TrimPrefix(err.Error(), "slacktest: ")
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// say writes a message, or runs a command.
func (h *site) say(p *slacktest.Person, r *http.Request, channel string) error {
	text, root := strings.ReplaceAll(r.FormValue("text"), "\r\n", "\n"), r.FormValue("thread")
	if strings.HasPrefix(text, "/") {
		if root != "" {
			return p.CommandInThread(channel, root, text)
		}
		return p.Command(channel, text)
	}
	var files []slacktest.Upload
	for _, header := range r.MultipartForm.File["files"] {
		f, err := header.Open()
		if err != nil {
			return err
		}
		data, err := io.ReadAll(f)
		_ = f.Close()
		if err != nil {
			return err
		}
		files = append(files, slacktest.Upload{Name: header.Filename, Data: data})
	}
	if text == "" && len(files) == 0 {
		return nil
	}
	_, err := p.Post(channel, root, text, files...)
	return err
}
