// Package browser is a chat platform in a web page: channels with threads, the bot's cards, buttons,
// forms, whispers, direct messages and commands. It is the messenger of the demonstration and of the
// end-to-end tests.
//
// It owns what was said and drawn (a journal on disk), the pages that show it and the pushing of
// changes to every open window. It knows nothing of mail. There is no login: a window says in its
// address who it is (/as/ann), so that two windows can be two people. It therefore belongs on
// loopback; it refuses requests from other sites' pages and requests for another host.
//
// Start reading at [Platform]. change.go decides and keeps what changes (journal.go), hear.go tells
// the bot, events.go the windows; http.go is the way in for the pages, pages.go and get.go what they
// get, post.go and form.go what they send; web/ is what runs in them, app.js first.
package browser

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"groupmail/bot"
)

// Config is a browser platform's setting.
type Config struct {
	Channels []Channel
	// People are all who may open a window. Each is a member of every channel that does not name
	// its members.
	People []bot.Person
	// Dir keeps the journal and the uploaded files over restarts. Empty: memory only.
	Dir string
	// Base is the public address of the pages, "http://127.0.0.1:8420"; a path in it is honoured.
	Base string
	// BotName is the bot's name and, lower-case, its handle. Empty: "groupmail".
	BotName string
	// Links are shown in the side bar.
	Links []Link
}

// Channel is one channel.
type Channel struct {
	ID, Title string
	Private   bool
	// Members are the ids of the people in it. Empty: everybody.
	Members []string
}

// Link is an address in the side bar.
type Link struct{ Title, URL string }

// What the platform takes.
const (
	maxFile  = 100 << 20 // bytes of one file
	maxFiles = 10        // files a message
	maxSaid  = 40_000    // characters that a person may say at once
	maxCard  = 1 << 20   // bytes of a bot's message, as JSON
)

var _ bot.Platform = (*Platform)(nil)

// Platform is the chat platform. Several goroutines may use it at once.
type Platform struct {
	cfg    Config
	log    *slog.Logger
	now    func() time.Time
	root   string // path of Base, without a slash at its end
	base   *url.URL
	handle string // the bot's, after @
	people map[string]bot.Person
	boards map[string]Channel

	journal  *journal // nil: memory only
	blobs    blobs
	secret   []byte // signs open forms
	instance string // of the journal: message ids mean something only within it
	epoch    string // of this process: sequence numbers of events mean something only within it

	changing sync.Mutex // held while a change is decided, kept and applied: one at a time

	mu       sync.RWMutex // guards the rest; never held while anything waits
	seq      int64        // number of the last change
	last     int64        // number of the last message
	messages map[string]*message
	rooms    map[string]*room // by channel id, or @person for the direct messages to a person
	whispers map[string]*whisper
	pending  map[string]pendingFile // uploaded, not yet in a message
	changes  []change               // what windows may have missed, in order of seq
	trimmed  int64                  // changes up to here are no longer in changes
	windows  map[*window]struct{}
	ended    bool
	closing  chan struct{} // closed by Close

	hubMu   sync.Mutex
	hub     bot.Hub       // nil while Run does not run
	calls   int           // calls to hub under way
	quiet   chan struct{} // closed when calls has come to 0 after hub went
	notices []func(context.Context, bot.Hub)
	ring    chan struct{} // a notice was added
	answers map[string]*answer
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// New opens the platform: it reads the journal in cfg.Dir, if any. All faults of cfg are reported at
// once.
func New(cfg Config, log *slog.Logger) (*Platform, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	cfg.People, cfg.Channels = slices.Clone(cfg.People), slices.Clone(cfg.Channels)
	p := &Platform{
		cfg: cfg, log: log, now: time.Now,
		people: map[string]bot.Person{}, boards: map[string]Channel{},
		messages: map[string]*message{}, rooms: map[string]*room{}, whispers: map[string]*whisper{},
		pending: map[string]pendingFile{}, windows: map[*window]struct{}{},
		closing: make(chan struct{}), ring: make(chan struct{}, 1), answers: map[string]*answer{},
		epoch: word(), instance: word(),
	}
	if p.cfg.BotName == "" {
		p.cfg.BotName = "groupmail"
	}
	p.handle = strings.ToLower(p.cfg.BotName)
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("browser: %w", err)
	}
	for _, c := range cfg.Channels {
		p.rooms[c.ID] = newRoom()
	}
	for _, who := range cfg.People {
		p.rooms["@"+who.ID] = newRoom()
	}
	if err := p.open(); err != nil {
		return nil, fmt.Errorf("browser: %w", err)
	}
	return p, nil
}

// check finds the faults of the configuration and fills what is looked up by id.
func (p *Platform) check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	u, err := url.Parse(p.cfg.Base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		fault("base %q is not an address like http://127.0.0.1:8420", p.cfg.Base)
		u = &url.URL{}
	}
	p.base, p.root = u, strings.TrimRight(u.Path, "/")
	if !idForm.MatchString(p.handle) {
		fault("the bot's name %q holds more than letters, digits, dot, dash and underscore", p.cfg.BotName)
	}
	for i, who := range p.cfg.People {
		who.Handle = cmp.Or(who.Handle, who.ID)
		who.Name = cmp.Or(who.Name, who.Handle)
		p.cfg.People[i] = who
		if !idForm.MatchString(who.ID) {
			fault("person id %q holds more than letters, digits, dot, dash and underscore", who.ID)
		}
		if _, twice := p.people[who.ID]; twice {
			fault("person id %q stands twice", who.ID)
		}
		if strings.EqualFold(who.Handle, p.handle) {
			fault("person %q has the bot's handle", who.ID)
		}
		p.people[who.ID] = who
	}
	for i, c := range p.cfg.Channels {
		c.Title = cmp.Or(c.Title, c.ID)
		p.cfg.Channels[i] = c
		if !idForm.MatchString(c.ID) {
			fault("channel id %q holds more than letters, digits, dot, dash and underscore", c.ID)
		}
		if _, twice := p.boards[c.ID]; twice {
			fault("channel id %q stands twice", c.ID)
		}
		for _, m := range c.Members {
			if _, ok := p.people[m]; !ok {
				fault("channel %q names a member %q who is not among the people", c.ID, m)
			}
		}
		p.boards[c.ID] = c
	}
	if len(p.boards) == 0 {
		fault("no channels")
	}
	if len(p.people) == 0 {
		fault("no people")
	}
	for _, l := range p.cfg.Links {
		if !webLink(l.URL) && !strings.HasPrefix(l.URL, "/") {
			fault("link %q is neither http, https nor a path", l.URL)
		}
	}
	return errors.Join(faults...)
}

// Close ends the streams to all windows and closes the journal. Handler answers 503 afterwards.
// Give it to http.Server.RegisterOnShutdown, which would wait for the streams otherwise.
func (p *Platform) Close() error {
	p.changing.Lock()
	defer p.changing.Unlock()
	p.mu.Lock()
	first := !p.ended
	p.ended = true
	p.mu.Unlock()
	if !first {
		return nil
	}
	close(p.closing)
	if p.journal == nil {
		return nil
	}
	return p.journal.close()
}

// Name is "browser".
func (p *Platform) Name() string { return "browser" }

// Connected implements [bot.Platform].
func (p *Platform) Connected() bool { return true }

// Echoes is true: what Answer.Redraw says is applied here, and reported by Hub.Drawn.
func (p *Platform) Echoes() bool { return true }

// Post implements [bot.Platform]. A root that is gone is ErrGone too.
func (p *Platform) Post(ctx context.Context, channel string, m bot.Message) (string, error) {
	if _, ok := p.rooms[channel]; !ok {
		return "", fmt.Errorf("browser: post in %q: %w", channel, bot.ErrNoChannel)
	}
	id, err := p.post(ctx, channel, m)
	if err != nil {
		return "", fmt.Errorf("browser: post in %q: %w", channel, err)
	}
	return id, nil
}

// Redraw implements [bot.Platform]. An m older than what is shown changes nothing.
func (p *Platform) Redraw(ctx context.Context, channel, message string, m bot.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, ok := p.rooms[channel]; !ok {
		return fmt.Errorf("browser: redraw %s in %q: %w", message, channel, bot.ErrNoChannel)
	}
	if err := p.redraw(channel, message, m); err != nil {
		return fmt.Errorf("browser: redraw %s in %q: %w", message, channel, err)
	}
	return nil
}

// Pin implements [bot.Platform].
func (p *Platform) Pin(_ context.Context, channel, message string) error {
	if err := p.pin(channel, message); err != nil {
		return fmt.Errorf("browser: pin: %w", err)
	}
	return nil
}

// Find implements [bot.Platform].
func (p *Platform) Find(_ context.Context, channel, _, key string, since time.Time) (string, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	r, ok := p.rooms[channel]
	if !ok {
		return "", fmt.Errorf("browser: find in %q: %w", channel, bot.ErrNoChannel)
	}
	if m := p.messages[r.keys[key]]; key != "" && m != nil && m.Deleted == 0 && !m.At.Before(since) {
		return m.ID, nil
	}
	return "", nil
}

// Tell whispers to the member. Whoever has no window open finds it on opening one.
func (p *Platform) Tell(_ context.Context, channel, root, member string, m bot.Message) error {
	if !p.present(channel, member) {
		return fmt.Errorf("browser: tell %q in %q: %w", member, channel, bot.ErrNoChannel)
	}
	m.Root = cmp.Or(root, m.Root)
	if err := fits(m); err != nil {
		return fmt.Errorf("browser: tell %q: %w", member, err)
	}
	p.whisper(channel, member, "", m)
	return nil
}

// DirectChannel implements [bot.Platform]: "@" and the member's id.
func (p *Platform) DirectChannel(_ context.Context, member string) (string, error) {
	if _, ok := p.people[member]; !ok {
		return "", fmt.Errorf("browser: direct messages to %q: %w", member, bot.ErrGone)
	}
	return "@" + member, nil
}

// Members implements [bot.Platform].
func (p *Platform) Members(_ context.Context, channel string) ([]bot.Person, error) {
	c, ok := p.boards[channel]
	if !ok {
		return nil, fmt.Errorf("browser: members of %q: %w", channel, bot.ErrNoChannel)
	}
	return p.members(c), nil
}

// Channel implements [bot.Platform].
func (p *Platform) Channel(_ context.Context, channel string) (bot.Channel, error) {
	c, ok := p.boards[channel]
	if !ok {
		return bot.Channel{}, fmt.Errorf("browser: channel %q: %w", channel, bot.ErrNoChannel)
	}
	return bot.Channel{ID: c.ID, Title: c.Title, Private: c.Private,
		Guests: slices.ContainsFunc(p.members(c), func(w bot.Person) bool { return w.Guest })}, nil
}

// Online implements [bot.Onlooker]: who has a window open.
func (p *Platform) Online(_ context.Context, members []string) ([]string, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	online := p.online()
	return slices.DeleteFunc(slices.Clone(members), func(m string) bool { return !slices.Contains(online, m) }), nil
}

// Mention implements [bot.Platform].
func (p *Platform) Mention(context.Context) string { return "@" + p.handle }

// Download implements [bot.Platform].
func (p *Platform) Download(_ context.Context, f bot.File) (io.ReadCloser, error) {
	if !blobID.MatchString(f.ID) {
		return nil, fmt.Errorf("browser: file %q: %w", f.ID, bot.ErrGone)
	}
	r, _, err := p.blobs.open(f.ID)
	if err != nil {
		return nil, fmt.Errorf("browser: file %q: %w", f.ID, errors.Join(bot.ErrGone, err))
	}
	return r, nil
}

// Link is a page that asks who is reading and goes on to the message.
func (p *Platform) Link(channel, message string) string {
	return p.base.Scheme + "://" + p.base.Host + p.root + "/to/" + url.PathEscape(channel) + "/" + url.PathEscape(message)
}

func (p *Platform) members(c Channel) []bot.Person {
	if len(c.Members) == 0 {
		return slices.Clone(p.cfg.People)
	}
	var all []bot.Person
	for _, who := range p.cfg.People {
		if slices.Contains(c.Members, who.ID) {
			all = append(all, who)
		}
	}
	return all
}

// present tells whether the person may read and write in the room.
func (p *Platform) present(roomID, person string) bool {
	if _, ok := p.people[person]; !ok {
		return false
	}
	if direct, ok := strings.CutPrefix(roomID, "@"); ok {
		return direct == person
	}
	c, ok := p.boards[roomID]
	return ok && (len(c.Members) == 0 || slices.Contains(c.Members, person))
}

// webLink tells whether an address may be a link: http or https, a host, no user name before it that
// could pose as one.
func webLink(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
}

// word is a short random name.
func word() string { return strings.ToLower(rand.Text()[:13]) }
