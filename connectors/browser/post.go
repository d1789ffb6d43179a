package browser

import (
	"cmp"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"groupmail/bot"
)

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
		var at place
		var whispered string
		p.mu.RLock()
		m, wh := p.messages[in.Message], p.whispers[in.Message]
		p.mu.RUnlock()
		var b bot.Button
		switch {
		case m != nil && m.Card != nil && m.Deleted == 0 && p.present(m.Room, who.ID):
			at = place{Room: m.Room, About: m.Card.About, Root: m.Root, Anchor: m.ID}
			c.Message, c.Key = m.ID, m.Key
			b, ok = pressed(in.Button, in.Drawing, m.Drawing, m.Card.Buttons, m.Before)
		case wh != nil && wh.To == who.ID && !wh.Gone:
			at = place{Room: wh.Room, About: wh.Card.About, Root: wh.Root, Anchor: wh.Anchor}
			c.Key, whispered = wh.Card.Key, wh.ID
			b, ok = pressed(in.Button, in.Drawing, wh.Drawing, wh.Card.Buttons, wh.Before)
		default:
			return reply{}, refused("This message is gone.")
		}
		if !ok {
			return reply{}, refused("This button is no longer there; the message has changed.")
		}
		c.Channel, c.Button, c.Value = at.channel(), b.ID, b.Value
		a := hub.Click(ctx, c)
		if a.Redraw != nil {
			if whispered != "" {
				p.rewhisper(who.ID, whispered, a.Redraw)
			} else if err := p.redraw(at.Room, c.Message, *a.Redraw); err != nil && !errors.Is(err, bot.ErrGone) {
				return reply{}, err
			}
		}
		return p.reply(who, at, in.Message, a), nil
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

// place is where something was done.
type place struct {
	Room   string `json:"room"`
	About  string `json:"about,omitempty"` // the channel that it is about, if that is another
	Root   string `json:"root,omitempty"`
	Anchor string `json:"anchor,omitempty"` // the message that answers are shown beneath
}

// channel is what the bot is told.
func (at place) channel() string { return cmp.Or(at.About, at.Room) }

// reply turns the bot's answer into the page's. The whisper goes to all windows of the person.
func (p *Platform) reply(who bot.Person, at place, pressed string, a bot.Answer) reply {
	out := reply{Errors: a.Errors}
	if m := a.Whisper; m != nil {
		wm := *m
		wm.Root, wm.About = cmp.Or(wm.Root, at.Root), at.About
		w := p.whisper(at.Room, who.ID, at.Anchor, wm)
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
		out.Form = p.viewForm(openForm{Who: who.ID, place: at, State: a.Form.State}, a.Form)
	}
	return out
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
		a := hub.Submit(ctx, bot.Submission{Event: p.event(who, in.Event), Who: who, Channel: o.channel(), State: o.State, Values: values})
		if a.Redraw != nil && o.Anchor != "" {
			if err := p.redraw(o.Room, o.Anchor, *a.Redraw); err != nil && !errors.Is(err, bot.ErrGone) {
				return reply{}, err
			}
		}
		return p.reply(who, o.place, o.Anchor, a), nil
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
		return p.reply(who, place{Room: room, Root: in.Root}, "", a), nil
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
