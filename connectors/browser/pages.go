package browser

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

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
	Pinned   []*viewMessage `json:"pinned,omitempty"`
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
	for _, id := range top {
		if m := p.messages[id]; m.Pinned && m.Deleted == 0 {
			v.Pinned = append(v.Pinned, p.view(m))
		}
	}
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
