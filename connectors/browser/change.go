package browser

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"groupmail/bot"
)

// message is one message as it is kept: the journal's line, and what the pages' view is made of. It
// is never changed; a change puts another in its place.
type message struct {
	ID      string    `json:"id"` // "m" and a number that only rises
	Seq     int64     `json:"seq"`
	Room    string    `json:"room"`
	Root    string    `json:"root,omitempty"`
	At      time.Time `json:"at"`
	Deleted int64     `json:"deleted,omitempty"` // Seq of its deletion
	Files   []file    `json:"files,omitempty"`

	// Of a person's: all that the message said, oldest first.
	Who       string     `json:"who,omitempty"`
	Revisions []revision `json:"revisions,omitempty"`
	ToBot     bool       `json:"toBot,omitempty"` // of a deleted one, whose words are no longer kept

	// Of the bot's.
	Key     string       `json:"key,omitempty"`
	Card    *bot.Message `json:"card,omitempty"`
	Pinned  bool         `json:"pinned,omitempty"`
	Drawing int64        `json:"drawing,omitempty"` // counts what was shown; Version may stay
	Before  []bot.Button `json:"before,omitempty"`  // buttons of the drawing before this one

	number  int64    // in ID
	replies []string // ids, oldest first; a root's only. Rebuilt on loading
}

type revision struct {
	Seq  int64     `json:"seq"`
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

type file struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
	Size int64  `json:"size"`
}

// whisper is shown to one person, and gone with the process.
type whisper struct {
	ID      string
	Seq     int64
	Room    string
	Root    string // the thread that it is shown in; empty: the channel
	Anchor  string // the message that it is shown beneath; empty: at the end
	To      string
	At      time.Time
	Card    bot.Message
	Drawing int64
	Before  []bot.Button
	Gone    bool
	Seen    bool // at least one window has got it
}

// room is a channel or the direct messages to one person.
type room struct {
	top  []string          // ids of messages outside threads, oldest first
	keys map[string]string // key of a bot's message → id of the newest with it
	said []spoken          // what people said in threads, in order
	heed chan struct{}     // said has grown
}

// spoken points to what the bot is to be told.
type spoken struct {
	seq      int64
	message  string
	revision int // index; -1: the deletion
}

// change is an entry of what windows are told.
type change struct {
	seq     int64
	room    string
	message string
	whisper string
}

const keepChanges = 20_000

func newRoom() *room { return &room{keys: map[string]string{}, heed: make(chan struct{}, 1)} }

var errClosed = errors.New("the platform is closed")

// line is the message in the journal.
func (m *message) line() ([]byte, error) {
	b, err := json.Marshal(m) //nolint:staticcheck // a function would be in Card.Files, which is always nil here
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

// text is what a person's message says now.
func (m *message) text() string {
	if len(m.Revisions) == 0 {
		return ""
	}
	return m.Revisions[len(m.Revisions)-1].Text
}

// commit keeps a changed message in the journal, then shows it. p.changing is held; m.Seq is the
// number that next gave. The new message is visible to nobody before it is on disk.
func (p *Platform) commit(m *message) error {
	p.mu.RLock()
	ended := p.ended
	p.mu.RUnlock()
	if ended {
		return errClosed
	}
	if p.journal != nil {
		if err := p.journal.append(m); err != nil {
			return err
		}
	}
	p.mu.Lock()
	p.apply(m)
	p.tell(change{seq: m.Seq, room: m.Room, message: m.ID})
	r := p.rooms[m.Room]
	p.mu.Unlock()
	poke(r.heed)
	return nil
}

// apply puts a message in its place. p.mu is held.
func (p *Platform) apply(m *message) {
	r := p.rooms[m.Room]
	old := p.messages[m.ID]
	if old == nil {
		p.last = max(p.last, m.number)
		if root := p.messages[m.Root]; m.Root == "" {
			r.top = append(r.top, m.ID)
		} else if root != nil {
			grown := *root
			grown.replies = append(slices.Clip(root.replies), m.ID)
			p.messages[root.ID] = &grown
		}
	} else {
		m.replies = old.replies
	}
	if m.Key != "" && m.Deleted == 0 {
		r.keys[m.Key] = m.ID
	}
	if m.Who != "" && m.Root != "" {
		heard := int64(0)
		if old != nil {
			heard = old.Seq
		}
		for i, rev := range m.Revisions {
			if rev.Seq > heard {
				r.said = append(r.said, spoken{rev.Seq, m.ID, i})
			}
		}
		if m.Deleted > heard {
			r.said = append(r.said, spoken{m.Deleted, m.ID, -1})
		}
	}
	p.seq = max(p.seq, m.Seq)
	p.messages[m.ID] = m
}

// tell notes a change for the windows and wakes them. p.mu is held.
func (p *Platform) tell(c change) {
	p.changes = append(p.changes, c)
	if len(p.changes) > 2*keepChanges {
		p.trimmed = p.changes[len(p.changes)-keepChanges-1].seq
		p.changes = slices.Clone(p.changes[len(p.changes)-keepChanges:])
	}
	p.wakeAll()
}

// next gives the number of the next change. p.changing is held until the change is applied: a
// window that has seen a number has seen all below it.
func (p *Platform) next() int64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.seq + 1
}

func (p *Platform) get(id string) *message {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.messages[id]
}

// thread checks that a message can stand under root.
func (p *Platform) thread(roomID, root string) error {
	if root == "" {
		return nil
	}
	m := p.get(root)
	switch {
	case m == nil || m.Room != roomID || m.Deleted != 0:
		return fmt.Errorf("root %s: %w", root, bot.ErrGone)
	case m.Root != "":
		return fmt.Errorf("root %s stands in a thread itself", root)
	}
	return nil
}

// fits checks a bot's message.
func fits(m bot.Message) error {
	m.Files = nil
	line, err := (&message{Card: &m}).line()
	if err == nil && len(line) > maxCard {
		err = fmt.Errorf("a message of %d bytes: %w", len(line), bot.ErrTooMuch)
	}
	return err
}

func (p *Platform) newMessage(roomID, root string) *message {
	p.mu.RLock()
	number := p.last + 1
	p.mu.RUnlock()
	return &message{ID: "m" + strconv.FormatInt(number, 10), number: number, Seq: p.next(),
		Room: roomID, Root: root, At: p.now().UTC().Truncate(time.Microsecond)}
}

// post keeps a message of the bot's.
func (p *Platform) post(ctx context.Context, roomID string, m bot.Message) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := fits(m); err != nil {
		return "", err
	}
	if err := p.thread(roomID, m.Root); err != nil {
		return "", err
	}
	files, err := p.upload(ctx, m.Files)
	if err != nil {
		return "", err
	}
	p.changing.Lock()
	defer p.changing.Unlock()
	if err := p.thread(roomID, m.Root); err != nil {
		return "", err
	}
	m.Files = nil
	n := p.newMessage(roomID, m.Root)
	n.Key, n.Card, n.Drawing, n.Files = m.Key, &m, 1, files
	if err := p.commit(n); err != nil {
		return "", err
	}
	p.drawn(n)
	return n.ID, nil
}

// upload stores the files of a message to be posted.
func (p *Platform) upload(ctx context.Context, uploads []bot.Upload) ([]file, error) {
	if len(uploads) > maxFiles {
		return nil, fmt.Errorf("%d files: %w", len(uploads), bot.ErrTooMuch)
	}
	var files []file
	for _, u := range uploads {
		f, err := p.store(ctx, u)
		if err != nil {
			for _, f := range files {
				p.blobs.remove(f.ID)
			}
			return nil, fmt.Errorf("file %q: %w", u.Name, err)
		}
		files = append(files, f)
	}
	return files, nil
}

func (p *Platform) store(ctx context.Context, u bot.Upload) (file, error) {
	if u.Size > maxFile {
		return file{}, bot.ErrTooMuch
	}
	r, err := u.Open(ctx)
	if err != nil {
		return file{}, err
	}
	defer r.Close()
	return p.keepFile(u.Name, u.Type, r)
}

func (p *Platform) keepFile(name, kind string, r io.Reader) (file, error) {
	id := word() + word()
	size, err := p.blobs.put(id, io.LimitReader(r, maxFile+1))
	if err == nil && size > maxFile {
		err = bot.ErrTooMuch
	}
	if err != nil {
		p.blobs.remove(id)
		return file{}, err
	}
	return file{ID: id, Name: fileName(name), Type: cmp.Or(kind, "application/octet-stream"), Size: size}, nil
}

// fileName is a name as people may see it: its last part, without what could mislead.
func fileName(s string) string {
	s = s[strings.LastIndexAny(s, `/\`)+1:]
	s = strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r < ' ', r == 0x7f, r >= 0x80 && r < 0xa0, r == utf8.RuneError, steers(r), r == '\u2028', r == '\u2029':
			return -1
		}
		return r
	}, s), " .")
	if n := []rune(s); len(n) > 200 {
		s = string(n[:100]) + "…" + string(n[len(n)-99:])
	}
	return cmp.Or(s, "file")
}

// redraw shows a bot's message anew, unless a newer version is shown already.
func (p *Platform) redraw(roomID, id string, m bot.Message) error {
	if err := fits(m); err != nil {
		return err
	}
	p.changing.Lock()
	defer p.changing.Unlock()
	old := p.get(id)
	switch {
	case old == nil || old.Room != roomID || old.Card == nil || old.Deleted != 0,
		old.Key != m.Key && m.Key != "": // the id of another journal's message
		return bot.ErrGone
	case m.Version < old.Card.Version:
		p.drawn(old)
		return nil
	}
	m.Files, m.Root, m.Key = nil, old.Root, old.Key
	if reflect.DeepEqual(&m, old.Card) {
		p.drawn(old)
		return nil
	}
	n := *old
	n.Seq, n.Card, n.Drawing, n.Before = p.next(), &m, old.Drawing+1, old.Card.Buttons
	if err := p.commit(&n); err != nil {
		return err
	}
	p.drawn(&n)
	return nil
}

// pin keeps a bot's message at the top of its room.
func (p *Platform) pin(roomID, id string) error {
	p.changing.Lock()
	defer p.changing.Unlock()
	old := p.get(id)
	switch {
	case old == nil || old.Room != roomID || old.Card == nil || old.Deleted != 0:
		return bot.ErrGone
	case old.Pinned:
		return nil
	}
	n := *old
	n.Seq, n.Pinned = p.next(), true
	return p.commit(&n)
}

// refused is an answer to a person: what they asked for cannot be.
type refused string

func (r refused) Error() string { return string(r) }

// say keeps what a person says.
func (p *Platform) say(who, roomID, root, text string, fileIDs []string) (*message, error) {
	if err := sayable(text, len(fileIDs)); err != nil {
		return nil, err
	}
	p.changing.Lock()
	defer p.changing.Unlock()
	if err := p.thread(roomID, root); err != nil {
		return nil, refused("This thread is gone.")
	}
	var files []file
	p.mu.RLock()
	for _, id := range fileIDs {
		f, ok := p.pending[id]
		if !ok || f.who != who {
			p.mu.RUnlock()
			return nil, refused("A file is gone; please attach it again.")
		}
		files = append(files, f.file)
	}
	p.mu.RUnlock()
	m := p.newMessage(roomID, root)
	m.Who, m.Files, m.Revisions = who, files, []revision{{m.Seq, m.At, text}}
	if err := p.commit(m); err != nil {
		return nil, err
	}
	p.mu.Lock()
	for _, id := range fileIDs {
		delete(p.pending, id)
	}
	p.mu.Unlock()
	return m, nil
}

func sayable(text string, files int) error {
	switch {
	case strings.TrimSpace(text) == "" && files == 0:
		return refused("There is nothing to send.")
	case utf8.RuneCountInString(text) > maxSaid:
		return refused(fmt.Sprintf("That is longer than the %d characters of a message.", maxSaid))
	case files > maxFiles:
		return refused(fmt.Sprintf("A message takes at most %d files.", maxFiles))
	}
	return nil
}

// edit changes what a person said.
func (p *Platform) edit(who, id, text string) error {
	p.changing.Lock()
	defer p.changing.Unlock()
	old := p.get(id)
	if old == nil || old.Who != who || old.Deleted != 0 {
		return refused("This message cannot be edited.")
	}
	if err := sayable(text, len(old.Files)); err != nil {
		return err
	}
	if old.text() == text {
		return nil
	}
	n := *old
	n.Seq = p.next()
	n.Revisions = append(slices.Clip(old.Revisions), revision{n.Seq, p.now().UTC().Truncate(time.Microsecond), text})
	return p.commit(&n)
}

// remove deletes a message: a person's own, or one of the bot's, as a channel's owner may.
func (p *Platform) remove(who, id string) error {
	p.changing.Lock()
	defer p.changing.Unlock()
	old := p.get(id)
	if old == nil || !p.present(old.Room, who) || (old.Who != "" && old.Who != who) {
		return refused("This message cannot be deleted.")
	}
	if old.Deleted != 0 {
		return nil
	}
	n := *old
	n.Seq = p.next()
	n.Deleted = n.Seq
	n.Files, n.Before = nil, nil // nothing of it is kept
	if n.Card != nil {
		n.Card = &bot.Message{Version: old.Card.Version}
	}
	_, n.ToBot = p.mention(old.text())
	n.Revisions = slices.Clone(old.Revisions)
	for i := range n.Revisions {
		n.Revisions[i].Text = ""
	}
	if err := p.commit(&n); err != nil {
		return err
	}
	if n.Who == "" {
		room, id := n.Room, n.ID
		p.notice(func(ctx context.Context, hub bot.Hub) { hub.Lost(ctx, room, id) })
	}
	return nil
}

// whisper shows m to one person, in all their windows: in the thread m.Root, beneath the message
// anchor.
func (p *Platform) whisper(roomID, to, anchor string, m bot.Message) *whisper {
	m.Files = nil
	p.changing.Lock()
	defer p.changing.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	in := func(id string) string {
		if t := p.messages[id]; t == nil || t.Room != roomID {
			return ""
		}
		return id
	}
	p.seq++
	w := &whisper{ID: "w" + strconv.FormatInt(p.seq, 10), Seq: p.seq, Room: roomID, Root: in(m.Root), Anchor: in(anchor),
		To: to, At: p.now().UTC().Truncate(time.Microsecond), Card: m, Drawing: 1}
	p.whispers[w.ID] = w
	p.tell(change{seq: w.Seq, room: roomID, whisper: w.ID})
	p.forget(to)
	return w
}

// forget drops the oldest whispers to a person when they are many. p.mu is held.
func (p *Platform) forget(to string) {
	const most = 200
	var all []*whisper
	for _, w := range p.whispers {
		if w.To == to {
			all = append(all, w)
		}
	}
	if len(all) <= most {
		return
	}
	slices.SortFunc(all, func(a, b *whisper) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, w := range all[:len(all)-most] {
		delete(p.whispers, w.ID)
	}
}

// rewhisper changes a whisper; m nil takes it away.
func (p *Platform) rewhisper(to, id string, m *bot.Message) {
	p.changing.Lock()
	defer p.changing.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.whispers[id]
	if old == nil || old.To != to || old.Gone || (m != nil && m.Version < old.Card.Version) {
		return
	}
	n := *old
	p.seq++
	n.Seq = p.seq
	if m == nil {
		n.Gone, n.Card, n.Before = true, bot.Message{}, nil
	} else {
		n.Card, n.Drawing, n.Before = *m, old.Drawing+1, old.Card.Buttons
		n.Card.Files, n.Card.About = nil, old.Card.About
	}
	p.whispers[id] = &n
	p.tell(change{seq: n.Seq, room: n.Room, whisper: id})
}

// poke wakes whoever waits on c, now or next.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
