// Package slack is GroupMail in a Slack workspace, as an app of its own with a bot user.
//
// It owns everything that is peculiar to Slack: the Web API with its rate limits, Socket Mode and signed
// HTTP requests, Block Kit, modals, the App Home, and what Slack makes of what people type. It decides
// nothing about mail: what people do goes to [bot.Hub], and what it answers is drawn here.
//
// Start reading at [New]; then socket.go and http.go (two roads on which Slack reaches us), inbound.go
// (what people press, fill in and type), hear.go (what they write), post.go (what the bot posts) and
// render.go (what that looks like). No text is ever handed to Slack to be parsed: mail text goes as
// plain_text, our own words as rich_text, whose parts say what they are.
package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"groupmail/bot"
	"groupmail/bot/hearing"
	"groupmail/bot/inbound"
	"groupmail/bot/people"
	"groupmail/bot/plain"
)

// Name is the platform's word in the configuration and in member ids.
const Name = "slack"

// Path is where [Platform.Handler] is mounted, below the public address, when Slack sends requests
// over HTTP.
const Path = "/slack/"

// Config says how to reach Slack and how Slack reaches us. Tokens are read anew for each use.
type Config struct {
	BotToken func() (string, error) // xoxb-…
	// AppToken (xapp-…) opens Socket Mode: no address of ours need be reachable. nil: HTTP.
	AppToken func() (string, error)
	// SigningSecret proves that an HTTP request is Slack's. nil: Socket Mode.
	SigningSecret func() (string, error)
	APIURL        string         // empty: Slack's
	Zone          *time.Location // for times where Slack cannot show them in the reader's; nil is UTC
}

// Platform implements [bot.Platform]. Make one with [New].
type Platform struct {
	cfg Config
	log *slog.Logger
	api *client

	gateway inbound.Gate[*run]
	people  people.Cache
	home    home

	versions  versions
	shortcuts shortcuts

	mu          sync.Mutex
	self        *slack.AuthTestResponse // the bot's account, once known
	directs     map[string]string       // user → channel of direct messages
	guests      map[string]guests       // by channel
	connections int                     // of Socket Mode that are open
	ails        error                   // why there is none
	outage      hearing.Outage          // of them

	clock  func() time.Time
	slowly time.Duration // see the constant; tests hurry
}

var _ bot.Platform = (*Platform)(nil)

// New makes the platform; it calls nobody. The error names all faults of cfg.
func New(cfg Config, log *slog.Logger) (*Platform, error) {
	var faults []error
	if cfg.BotToken == nil {
		faults = append(faults, errors.New("slack: bot_token: missing"))
	}
	switch {
	case cfg.AppToken == nil && cfg.SigningSecret == nil:
		faults = append(faults, errors.New("slack: app_token (Socket Mode) or signing_secret (HTTP): one of them is needed"))
	case cfg.AppToken != nil && cfg.SigningSecret != nil:
		faults = append(faults, errors.New("slack: app_token (Socket Mode) and signing_secret (HTTP): an app uses one of them, remove the other"))
	}
	if cfg.APIURL == "" {
		cfg.APIURL = slack.APIURL
	}
	if u, err := url.Parse(cfg.APIURL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		faults = append(faults, fmt.Errorf("slack: api_url: %q is no http or https address", cfg.APIURL))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if !strings.HasSuffix(cfg.APIURL, "/") {
		cfg.APIURL += "/"
	}
	if cfg.Zone == nil {
		cfg.Zone = time.UTC
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Platform{
		cfg: cfg, log: log.With("platform", Name), api: newClient(cfg.APIURL, cfg.BotToken),
		people: people.Cache{Life: peopleLife, Most: peopleMost}, home: home{opened: map[string]time.Time{}, wake: make(chan struct{}, 1), pause: homePause},
		directs: map[string]string{}, guests: map[string]guests{}, clock: time.Now, slowly: slowly,
	}, nil
}

// Name implements [bot.Platform].
func (p *Platform) Name() string { return Name }

// Connected implements [bot.Platform]. Over HTTP it is Slack that connects.
func (p *Platform) Connected() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cfg.AppToken == nil || p.connections > 0
}

// Echoes implements [bot.Platform]: an answer to a press cannot redraw what was pressed; chat.update does.
func (p *Platform) Echoes() bool { return false }

// me is the bot's own account.
func (p *Platform) me(ctx context.Context) (*slack.AuthTestResponse, error) {
	p.mu.Lock()
	me := p.self
	p.mu.Unlock()
	if me != nil {
		return me, nil
	}
	api, err := p.api.bot()
	if err != nil {
		return nil, err
	}
	if me, err = api.AuthTestContext(ctx); err != nil {
		return nil, why("own account", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.self = me
	return me, nil
}

// Mention implements [bot.Platform].
func (p *Platform) Mention(ctx context.Context) string {
	me, err := p.me(ctx)
	if err != nil {
		return ""
	}
	return "@" + me.User
}

// Link implements [bot.Platform]. The address is https://TEAM.slack.com/archives/C…/p1700000000000100.
func (p *Platform) Link(channel, message string) string {
	p.mu.Lock()
	base := "https://app.slack.com/"
	if p.self != nil && p.self.URL != "" {
		base = strings.TrimRight(p.self.URL, "/") + "/"
	}
	p.mu.Unlock()
	return base + "archives/" + url.PathEscape(channel) + "/p" + url.PathEscape(strings.ReplaceAll(message, ".", ""))
}

// Channel implements [bot.Platform].
func (p *Platform) Channel(ctx context.Context, channel string) (bot.Channel, error) {
	c, err := p.usable(ctx, channel)
	if err != nil {
		return bot.Channel{}, err
	}
	there, err := p.guestsIn(ctx, channel)
	if err != nil {
		return bot.Channel{}, err
	}
	return bot.Channel{
		ID: c.ID, Title: plain.Text(c.Name), Private: c.IsPrivate,
		// In a shared one people of another organisation read along.
		Guests: c.IsExtShared || c.IsPendingExtShared || there,
	}, nil
}

// guests is whether there are any in a channel, as Members has found just before.
type guests struct {
	there bool
	at    time.Time
}

// guestsIn asks, unless it was asked for the members a moment ago: whoever wants to know the channel wants to
// know them, too.
func (p *Platform) guestsIn(ctx context.Context, channel string) (bool, error) {
	const moment = 10 * time.Second
	p.mu.Lock()
	known, ok := p.guests[channel]
	delete(p.guests, channel)
	p.mu.Unlock()
	if ok && p.clock().Sub(known.at) < moment {
		return known.there, nil
	}
	members, err := p.Members(ctx, channel)
	return hasGuest(members), err
}

func hasGuest(members []bot.Person) bool {
	return slices.ContainsFunc(members, func(m bot.Person) bool { return m.Guest })
}

// usable is a channel that the bot is in and can post to; an archived one is none.
func (p *Platform) usable(ctx context.Context, channel string) (*slack.Channel, error) {
	api, err := p.api.bot()
	if err != nil {
		return nil, err
	}
	c, err := api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: channel})
	if err != nil {
		return nil, why("channel "+channel, err)
	}
	switch {
	case c.IsArchived:
		err = fmt.Errorf("%w: it is archived", bot.ErrNoChannel)
	case !c.IsMember:
		err = fmt.Errorf("%w: invite it there with /invite", bot.ErrNoChannel)
	}
	if err != nil {
		return nil, fmt.Errorf("slack: channel %s: %w", channel, err)
	}
	return c, nil
}

// Members implements [bot.Platform].
func (p *Platform) Members(ctx context.Context, channel string) ([]bot.Person, error) {
	api, err := p.api.bot()
	if err != nil {
		return nil, err
	}
	const perPage = 200
	var ids []string
	for cursor := ""; ; {
		page, next, err := api.GetUsersInConversationContext(ctx, &slack.GetUsersInConversationParameters{ChannelID: channel, Cursor: cursor, Limit: perPage})
		if err != nil {
			return nil, why("members of "+channel, err)
		}
		ids = append(ids, page...)
		if cursor = next; cursor == "" {
			break
		}
	}
	me, err := p.me(ctx)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(ids, me.UserID) {
		return nil, fmt.Errorf("slack: members of %s: %w", channel, bot.ErrNoChannel)
	}
	known, err := p.persons(ctx, ids)
	if err != nil {
		return nil, err
	}
	var members []bot.Person
	for _, id := range ids {
		if who, ok := known[id]; ok && !who.Bot && !who.Gone {
			members = append(members, who.Person)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.guests[channel] = guests{hasGuest(members), p.clock()}
	return members, nil
}

// Pin implements [bot.Platform].
func (p *Platform) Pin(ctx context.Context, channel, message string) error {
	api, err := p.api.bot()
	if err != nil {
		return err
	}
	err = api.AddPinContext(ctx, channel, slack.NewRefToMessage(channel, message))
	if is(err, "already_pinned") {
		return nil
	}
	return why("pin", err)
}

// Tell implements [bot.Platform]: a whisper, or a direct message to somebody who is not in the channel.
func (p *Platform) Tell(ctx context.Context, channel, root, member string, m bot.Message) error {
	err := p.whisper(ctx, place{user: member, channel: channel, about: channel, thread: root}, m)
	if is(err, "user_not_in_channel", "not_in_channel", "channel_not_found", "is_archived") {
		_, err = p.direct(ctx, channel, member, m)
	}
	return err
}

// direct is a direct message whose buttons are about a channel.
func (p *Platform) direct(ctx context.Context, about, member string, m bot.Message) (string, error) {
	channel, err := p.DirectChannel(ctx, member)
	if err != nil {
		return "", err
	}
	m.Root, m.About = "", about
	return p.Post(ctx, channel, m)
}

// DirectChannel implements [bot.Platform].
func (p *Platform) DirectChannel(ctx context.Context, member string) (string, error) {
	p.mu.Lock()
	channel := p.directs[member]
	p.mu.Unlock()
	if channel != "" {
		return channel, nil
	}
	api, err := p.api.bot()
	if err != nil {
		return "", err
	}
	c, _, _, err := api.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{member}})
	if is(err, "user_not_found", "user_disabled", "user_not_visible") {
		err = errors.Join(bot.ErrGone, err)
	}
	if err != nil {
		return "", why("direct message to "+member, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.directs[member] = c.ID
	return c.ID, nil
}

// httpTime is how long Slack may take to begin an answer.
const httpTime = 30 * time.Second

func newHTTP() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = httpTime
	t.MaxIdleConnsPerHost = 16
	return &http.Client{Transport: t}
}
