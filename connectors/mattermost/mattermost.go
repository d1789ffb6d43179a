// Package mattermost is GroupMail on a Mattermost server, as a bot account.
//
// It owns everything that is peculiar to Mattermost: the REST calls, the websocket, the signed
// buttons, dialogs and slash commands, the escaping of text, and the setting up of a server. It
// decides nothing about mail: what people do goes to [bot.Hub], and what it answers is drawn here.
//
// Start reading at [New]; then callback.go (what people press, fill in and type), hear.go (what
// people write), post.go (what the bot posts) and render.go with escape.go (what that looks like).
// "Server:" in a comment names the place in Mattermost's own source, version 11.1, that a
// line relies on.
package mattermost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"groupmail/bot"
	"groupmail/bot/inbound"
	"groupmail/bot/people"
	"groupmail/bot/plain"
)

// Name is the platform's word in the configuration and in member ids.
const Name = "mattermost"

// Path is where [Platform.Handler] is mounted, below Config.Callback.
const Path = "/mattermost/"

// Config says how to reach the server and how the server reaches us.
type Config struct {
	URL      string                 // of the server, e.g. https://chat.example.org
	Token    func() (string, error) // the bot's access token, read anew for each use
	Callback string                 // base address at which the server reaches us, e.g. http://10.0.0.5:8420
	// CommandTokens are the verification tokens of the slash commands, one a team and command, read anew
	// for each command.
	CommandTokens func() []string
	Secret        []byte         // key of the buttons' and dialogs' HMAC, at least 16 bytes; the same in all processes
	Zone          *time.Location // for times in cards; nil is UTC
}

// Platform implements [bot.Platform]. Make one with [New].
type Platform struct {
	cfg  Config
	base *url.URL
	log  *slog.Logger
	api  *client

	gateway inbound.Gate[bot.Hub]
	people  people.Cache
	signing signing
	marks   marks // which key each message of ours carries

	mu       sync.Mutex
	self     *model.User               // the bot's account, once known
	channels map[string]*model.Channel // seen before; their names may be old
	teams    map[string]string         // team id → name
	directs  map[string]string         // user id → id of the direct channel

	connected atomic.Bool
	clock     func() time.Time
}

var _ bot.Platform = (*Platform)(nil)

// New makes the platform; it calls nobody. The error names all faults of cfg.
func New(cfg Config, log *slog.Logger) (*Platform, error) {
	var faults []error
	base, err := serverURL(cfg.URL)
	if err != nil {
		faults = append(faults, fmt.Errorf("mattermost: url: %w", err))
	}
	if _, err := serverURL(cfg.Callback); err != nil {
		faults = append(faults, fmt.Errorf("mattermost: callback: %w", err))
	}
	if cfg.Token == nil {
		faults = append(faults, errors.New("mattermost: token: missing"))
	}
	if len(cfg.Secret) < 16 {
		faults = append(faults, errors.New("mattermost: secret: needs at least 16 bytes"))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if cfg.CommandTokens == nil {
		cfg.CommandTokens = func() []string { return nil }
	}
	if cfg.Zone == nil {
		cfg.Zone = time.UTC
	}
	cfg.Callback = strings.TrimRight(cfg.Callback, "/")
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Platform{
		cfg: cfg, base: base, log: log.With("platform", Name),
		api:      newClient(base, cfg.Token),
		people:   people.Cache{Life: peopleLife, Most: peopleMost},
		channels: map[string]*model.Channel{}, teams: map[string]string{}, directs: map[string]string{},
		clock: time.Now,
	}, nil
}

// serverURL checks an http(s) address that paths can be appended to.
func serverURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, fmt.Errorf("%q is no http or https address", s)
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return nil, fmt.Errorf("%q holds more than scheme, host and path", s)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	return u, nil
}

// Name implements [bot.Platform].
func (p *Platform) Name() string { return Name }

// Connected implements [bot.Platform].
func (p *Platform) Connected() bool { return p.connected.Load() }

// Echoes implements [bot.Platform]: an `update` in the callback's answer comes back over the websocket.
func (p *Platform) Echoes() bool { return p.connected.Load() }

// Link implements [bot.Platform].
func (p *Platform) Link(channel, message string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	team := "_redirect" // the web app finds the team
	if c := p.channels[channel]; c != nil && p.teams[c.TeamId] != "" {
		team = p.teams[c.TeamId]
	}
	return p.base.String() + "/" + url.PathEscape(team) + "/pl/" + url.PathEscape(message)
}

// me is the bot's own account.
func (p *Platform) me(ctx context.Context) (*model.User, error) {
	p.mu.Lock()
	me := p.self
	p.mu.Unlock()
	if me != nil {
		return me, nil
	}
	if err := p.api.get(ctx, "/users/me", &me); err != nil {
		return nil, fmt.Errorf("mattermost: own account: %w", err)
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
	return "@" + me.Username
}

// Channel implements [bot.Platform].
func (p *Platform) Channel(ctx context.Context, channel string) (bot.Channel, error) {
	c, err := p.usable(ctx, channel)
	var stats model.ChannelStats
	if err == nil {
		err = p.api.get(ctx, "/channels/"+channel+"/stats?exclude_files_count=true", &stats)
	}
	if err != nil {
		return bot.Channel{}, fmt.Errorf("mattermost: channel %s: %w", channel, err)
	}
	p.remember(ctx, c)
	return bot.Channel{
		ID: c.Id, Title: plain.Text(c.DisplayName),
		Private: c.Type != model.ChannelTypeOpen, Guests: stats.GuestCount > 0,
	}, nil
}

// remember keeps what Link needs. A team's name that cannot be had now is asked for another time.
func (p *Platform) remember(ctx context.Context, c *model.Channel) {
	p.mu.Lock()
	p.channels[c.Id] = c
	known := c.TeamId == "" || p.teams[c.TeamId] != ""
	p.mu.Unlock()
	if known {
		return
	}
	var team model.Team
	if err := p.api.get(ctx, "/teams/"+c.TeamId, &team); err == nil {
		p.mu.Lock()
		p.teams[team.Id] = team.Name
		p.mu.Unlock()
	}
}

// present is nil if the bot is in the channel, ErrNoChannel if it is not.
func (p *Platform) present(ctx context.Context, channel string) error {
	if !model.IsValidId(channel) {
		return bot.ErrNoChannel
	}
	err := p.api.get(ctx, "/channels/"+channel+"/members/me", nil)
	if is(err, http.StatusNotFound, http.StatusForbidden) {
		return bot.ErrNoChannel
	}
	return err
}

// usable is a channel that the bot is in and can post to; an archived one is none.
func (p *Platform) usable(ctx context.Context, channel string) (*model.Channel, error) {
	if err := p.present(ctx, channel); err != nil {
		return nil, err
	}
	c := &model.Channel{}
	if err := p.api.get(ctx, "/channels/"+channel, c); err != nil {
		return nil, err
	}
	if c.DeleteAt != 0 {
		return nil, fmt.Errorf("%w: it is archived", bot.ErrNoChannel)
	}
	return c, nil
}

// Members implements [bot.Platform]. Deactivated accounts are no members.
func (p *Platform) Members(ctx context.Context, channel string) ([]bot.Person, error) {
	if err := p.present(ctx, channel); err != nil {
		return nil, fmt.Errorf("mattermost: members of %s: %w", channel, err)
	}
	const perPage = 200
	var members []bot.Person
	for page := 0; ; page++ {
		var users []*model.User
		path := fmt.Sprintf("/users?in_channel=%s&active=true&page=%d&per_page=%d", channel, page, perPage)
		if err := p.api.get(ctx, path, &users); err != nil {
			return nil, fmt.Errorf("mattermost: members of %s: %w", channel, err)
		}
		for _, u := range users {
			who := p.keep(u)
			if !who.Bot && !who.Gone {
				members = append(members, who.Person)
			}
		}
		if len(users) < perPage {
			return members, nil
		}
	}
}

// Online implements [bot.Onlooker].
func (p *Platform) Online(ctx context.Context, members []string) ([]string, error) {
	var statuses []model.Status
	if err := p.api.post(ctx, "/users/status/ids", members, &statuses); err != nil {
		return nil, fmt.Errorf("mattermost: who is online: %w", err)
	}
	var online []string
	for _, s := range statuses {
		if s.Status == model.StatusOnline {
			online = append(online, s.UserId)
		}
	}
	return online, nil
}

// Tell implements [bot.Platform]. Bots may not whisper unasked (Server: create_post_ephemeral is in
// no role that a bot has), so it is a direct message that leads back to the thread.
func (p *Platform) Tell(ctx context.Context, channel, root, member string, m bot.Message) error {
	if root != "" {
		m.Lines = append(m.Lines[:len(m.Lines):len(m.Lines)], bot.Line{{Text: "Go to the thread", URL: p.Link(channel, root)}})
	}
	_, err := p.tell(ctx, channel, member, m)
	return err
}

// tell is a direct message whose buttons are about a channel.
func (p *Platform) tell(ctx context.Context, about, member string, m bot.Message) (string, error) {
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
	me, err := p.me(ctx)
	if err != nil {
		return "", err
	}
	var c model.Channel
	err = p.api.post(ctx, "/channels/direct", []string{me.Id, member}, &c)
	// The server says that of its database's trouble, too. Server: app/channel.go, CreateDirectChannel.
	if because(err, "api.channel.create_direct_channel.invalid_user.app_error") && is(p.api.get(ctx, "/users/"+url.PathEscape(member), nil), http.StatusNotFound) {
		err = errors.Join(bot.ErrGone, err)
	}
	if err != nil {
		return "", fmt.Errorf("mattermost: direct messages to %s: %w", member, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.directs[member] = c.Id
	return c.Id, nil
}

// Download implements [bot.Platform].
func (p *Platform) Download(ctx context.Context, file bot.File) (io.ReadCloser, error) {
	if !model.IsValidId(file.ID) {
		return nil, fmt.Errorf("mattermost: download: %q is no file: %w", file.ID, bot.ErrGone)
	}
	body, err := p.api.stream(ctx, http.MethodGet, "/files/"+file.ID, nil, 0)
	if is(err, http.StatusNotFound) {
		err = errors.Join(bot.ErrGone, err)
	}
	if err != nil {
		return nil, fmt.Errorf("mattermost: download %s: %w", file.ID, err)
	}
	return body, nil
}
