package browser

import (
	"slices"
	"strings"
	"time"

	"groupmail/bot"
)

// The shapes below are what the pages get, as JSON. Text in them is plain text: the pages make text
// nodes of it, never markup.

type viewPerson struct {
	ID     string `json:"id"`
	Handle string `json:"handle"`
	Name   string `json:"name"`
	Guest  bool   `json:"guest,omitempty"`
}

type viewChannel struct {
	ID      string   `json:"id"`
	Title   string   `json:"title"`
	Private bool     `json:"private,omitempty"`
	Direct  bool     `json:"direct,omitempty"`
	Members []string `json:"members,omitempty"`
	// Recent are the numbers of the newest messages by others, newest first: what may be unread.
	Recent []int64 `json:"recent,omitempty"`
}

type viewMessage struct {
	ID      string      `json:"id"`
	Number  int64       `json:"number,omitempty"`
	Seq     int64       `json:"seq"`
	Room    string      `json:"room"`
	Root    string      `json:"root,omitempty"`
	Who     string      `json:"who,omitempty"` // empty: the bot
	At      time.Time   `json:"at"`
	Edited  *time.Time  `json:"edited,omitempty"`
	Pinned  bool        `json:"pinned,omitempty"`
	Deleted bool        `json:"deleted,omitempty"`
	Text    string      `json:"text,omitempty"`
	Card    *viewCard   `json:"card,omitempty"`
	Files   []viewFile  `json:"files,omitempty"`
	Thread  *viewThread `json:"thread,omitempty"` // of a root that has replies
	// Parent is the thread that a reply stands in, as it is with it.
	Parent *viewThread `json:"parent,omitempty"`
	// Of a whisper: the message that it is shown beneath.
	Whisper bool   `json:"whisper,omitempty"`
	Anchor  string `json:"anchor,omitempty"`
}

type viewThread struct {
	Root  string    `json:"root"`
	Count int       `json:"count"`
	Last  time.Time `json:"last"`
	Who   []string  `json:"who"` // the latest speakers, "" being the bot
}

type viewCard struct {
	Drawing int64        `json:"drawing"`
	Version int64        `json:"version,omitempty"`
	Notice  string       `json:"notice,omitempty"`
	Tone    bot.Tone     `json:"tone,omitempty"`
	Status  []viewSpan   `json:"status,omitempty"`
	Title   string       `json:"title,omitempty"`
	Lines   [][]viewSpan `json:"lines,omitempty"`
	Quote   string       `json:"quote,omitempty"`
	Clipped bool         `json:"clipped,omitempty"`
	Footer  []viewSpan   `json:"footer,omitempty"`
	Buttons []viewButton `json:"buttons,omitempty"`
	Until   *time.Time   `json:"until,omitempty"` // of a whisper: it is gone then
}

type viewSpan struct {
	Text   string     `json:"text,omitempty"`
	Strong bool       `json:"strong,omitempty"`
	Code   bool       `json:"code,omitempty"`
	Time   *time.Time `json:"time,omitempty"`
	Second bool       `json:"second,omitempty"`
	URL    string     `json:"url,omitempty"`
	Member string     `json:"member,omitempty"` // a name to be shown
	Ping   bool       `json:"ping,omitempty"`
}

type viewButton struct {
	ID      string       `json:"id,omitempty"`
	Label   string       `json:"label"`
	Style   bot.Style    `json:"style,omitempty"`
	Confirm string       `json:"confirm,omitempty"`
	URL     string       `json:"url,omitempty"`
	Menu    []viewButton `json:"menu,omitempty"`
}

type viewFile struct {
	Name  string `json:"name"`
	Size  int64  `json:"size"`
	URL   string `json:"url"` // relative to the person's address
	Image bool   `json:"image,omitempty"`
}

// viewChange is one thing that happened.
type viewChange struct {
	Message *viewMessage `json:"message,omitempty"`
	Dismiss string       `json:"dismiss,omitempty"` // id of a whisper that is gone
}

type viewForm struct {
	Title  string       `json:"title"`
	Intro  [][]viewSpan `json:"intro,omitempty"`
	Quote  string       `json:"quote,omitempty"`
	Fields []viewField  `json:"fields"`
	Submit string       `json:"submit"`
	Token  string       `json:"token"` // comes back with what was filled in
}

type viewField struct {
	Name     string        `json:"name"`
	Label    string        `json:"label"`
	Help     string        `json:"help,omitempty"`
	Kind     bot.FieldKind `json:"kind"`
	Value    string        `json:"value,omitempty"`
	Options  []viewOption  `json:"options,omitempty"`
	Required bool          `json:"required,omitempty"`
	Max      int           `json:"max,omitempty"`
}

type viewOption struct {
	Value string `json:"value"`
	Label string `json:"label"`
}

// view shows a message. p.mu is held for reading.
func (p *Platform) view(m *message) *viewMessage {
	v := &viewMessage{ID: m.ID, Number: m.number, Seq: m.Seq, Room: m.Room, Root: m.Root, Who: m.Who, At: m.At,
		Deleted: m.Deleted != 0}
	if len(m.replies) > 0 {
		v.Thread = p.viewThread(m)
	}
	if root := p.messages[m.Root]; root != nil {
		v.Parent = p.viewThread(root)
	}
	if v.Deleted {
		return v
	}
	if n := len(m.Revisions); n > 0 {
		v.Text = clean(m.text())
		if n > 1 {
			v.Edited = &m.Revisions[n-1].At
		}
	}
	if m.Card != nil {
		v.Pinned = m.Pinned
		v.Card = p.viewCard(m.Card, m.Drawing)
	}
	for i, f := range m.Files {
		v.Files = append(v.Files, viewFile{Name: f.Name, Size: f.Size, Image: slices.Contains(imageTypes, f.Type),
			URL: filePath(m.ID, i, f.Name)})
	}
	return v
}

func (p *Platform) viewThread(root *message) *viewThread {
	t := &viewThread{Root: root.ID}
	for _, id := range slices.Backward(root.replies) {
		r := p.messages[id]
		if r.Deleted != 0 {
			continue
		}
		if t.Count++; t.Count == 1 {
			t.Last = r.At
		}
		if len(t.Who) < 3 && !slices.Contains(t.Who, r.Who) {
			t.Who = append(t.Who, r.Who)
		}
	}
	return t
}

func (p *Platform) viewWhisper(w *whisper) *viewMessage {
	v := &viewMessage{ID: w.ID, Seq: w.Seq, Room: w.Room, Root: w.Root, Anchor: w.Anchor, At: w.At, Whisper: true}
	v.Card = p.viewCard(&w.Card, w.Drawing)
	return v
}

func (p *Platform) viewCard(m *bot.Message, drawing int64) *viewCard {
	var until *time.Time
	if !m.Until.IsZero() {
		until = &m.Until
	}
	return &viewCard{
		Until: until, Drawing: drawing, Version: m.Version, Notice: clean(m.Notice), Tone: m.Tone,
		Status: p.viewLine(m.Status), Title: clean(m.Title), Lines: p.viewLines(m.Lines),
		Quote: clean(m.Quote), Clipped: m.Clipped, Footer: p.viewLine(m.Footer), Buttons: viewButtons(m.Buttons),
	}
}

func (p *Platform) viewLines(lines []bot.Line) [][]viewSpan {
	var all [][]viewSpan
	for _, l := range lines {
		all = append(all, p.viewLine(l))
	}
	return all
}

func (p *Platform) viewLine(l bot.Line) []viewSpan {
	var all []viewSpan
	for _, s := range l {
		v := viewSpan{Text: clean(s.Text), Strong: s.Strong, Code: s.Code}
		switch {
		case !s.Time.IsZero():
			v.Time, v.Second = &s.Time, s.Second
		case webLink(s.URL):
			v.URL = s.URL
		case s.Member != "":
			v.Member, v.Ping = s.Member, s.Ping
			if who, ok := p.people[s.Member]; ok {
				v.Member = clean(who.Name)
			}
		}
		all = append(all, v)
	}
	return all
}

func viewButtons(buttons []bot.Button) []viewButton {
	var all []viewButton
	for _, b := range buttons {
		v := viewButton{ID: b.ID, Label: clean(b.Label), Style: b.Style, Confirm: clean(b.Confirm)}
		if b.URL != "" {
			if !webLink(b.URL) {
				continue
			}
			v.URL = b.URL
		}
		v.Menu = viewButtons(b.Menu)
		all = append(all, v)
	}
	return all
}

// button finds one by its id, in menus too.
func button(all []bot.Button, id string) (bot.Button, bool) {
	for _, b := range all {
		if b.ID == id && b.URL == "" && len(b.Menu) == 0 {
			return b, true
		}
		if b, ok := button(b.Menu, id); ok {
			return b, true
		}
	}
	return bot.Button{}, false
}

// clean takes away what has no look of its own: control characters, and the overrides with which a
// text can run backwards. Right-to-left text itself stays; the pages isolate it.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\u2028' || r == '\u2029':
			return '\n'
		case r < ' ', r == 0x7f, r >= 0x80 && r < 0xa0, r == '\u202d', r == '\u202e':
			return -1
		}
		return r
	}, s)
}

// steers tells whether a character changes the direction of the text around it.
func steers(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == '\u200e' || r == '\u200f' || r == '\u061c'
}
