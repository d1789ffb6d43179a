package mattermost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/mattermost/mattermost/server/public/model"

	"groupmail/bot"
	"groupmail/bot/plain"
)

// SetupConfig says what a server shall look like.
type SetupConfig struct {
	URL        string
	AdminToken string   // of a system administrator; used for this and not kept
	Callback   string   // as in Config
	Channels   []string // to work in: "team/channel" by the names in their addresses, or a channel's id
	Username   string   // of the bot; "groupmail" if empty
	Commands   []bot.CommandInfo
	Rotate     bool // make new tokens and let the old ones die
}

// Result is what Setup has made. It is to be looked at also when Setup returns an error.
type Result struct {
	BotID         string
	Token         string            // of the bot, only if it was made now
	CommandTokens map[string]string // by the team's name, and that with a short command ("team /contact"); only those made now
	Channels      map[string]string // ids, by the name they were asked for under
	Steps         []string          // what was done, a line each
	Notes         []string          // what cannot be done here and should be looked at
}

// Lines are for the configuration file; tokens that were made before are not among them.
func (r Result) Lines(cfg SetupConfig) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[mattermost]\nurl = %q\ncallback = %q\n", cfg.URL, cfg.Callback)
	if r.Token != "" {
		fmt.Fprintf(&b, "token = %q\n", r.Token)
	} else {
		b.WriteString("# token: as it was (--rotate makes a new one)\n")
	}
	if len(r.CommandTokens) > 0 {
		var tokens []string
		for _, team := range slices.Sorted(maps.Keys(r.CommandTokens)) {
			tokens = append(tokens, fmt.Sprintf("%q", r.CommandTokens[team]))
		}
		fmt.Fprintf(&b, "command_tokens = [%s] # of the teams %s; those of other teams stay\n", strings.Join(tokens, ", "), strings.Join(slices.Sorted(maps.Keys(r.CommandTokens)), ", "))
	} else {
		b.WriteString("# command_tokens: as they were (--rotate makes new ones)\n")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Channels)) {
		fmt.Fprintf(&b, "# channel %s: %s\n", name, r.Channels[name])
	}
	return b.String()
}

const tokenDescription = "GroupMail"

// Remedy is an error with what to do about it.
type Remedy struct {
	Err error
	Do  string
}

func (r Remedy) Error() string { return r.Err.Error() + ". " + r.Do }
func (r Remedy) Unwrap() error { return r.Err }

// Setup brings a server to the wanted state: the bot's account, its token, its membership in teams
// and channels, and the slash commands. What is so already stays, and no secret is made
// or told twice. It needs an administrator once; GroupMail itself runs as the bot.
func Setup(ctx context.Context, cfg SetupConfig) (Result, error) {
	s := setup{cfg: cfg, Result: Result{CommandTokens: map[string]string{}, Channels: map[string]string{}}}
	base, err := serverURL(cfg.URL)
	if err != nil {
		return s.Result, Remedy{fmt.Errorf("the server's address: %w", err), "Write it like https://chat.example.org."}
	}
	if _, err := serverURL(cfg.Callback); err != nil {
		return s.Result, Remedy{fmt.Errorf("the callback: %w", err), "Write it like http://groupmail.example.org:8420."}
	}
	s.cfg.Callback = strings.TrimRight(cfg.Callback, "/")
	s.cfg.Username = cmp.Or(cfg.Username, "groupmail")
	s.api = newClient(base, func() (string, error) { return cfg.AdminToken, nil })
	defer s.api.http.CloseIdleConnections()
	for _, step := range []func(context.Context) error{s.settings, s.find, s.account, s.join, s.commands, s.token} {
		if err := step(ctx); err != nil {
			return s.Result, s.explain(err)
		}
	}
	return s.Result, nil
}

// explain says what to do also where no step knows it.
func (s *setup) explain(err error) error {
	var known Remedy
	var refusal *apiError
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &refusal) && refusal.ID != "":
		return Remedy{fmt.Errorf("mattermost refuses %w", err), "What is done already stays; run this again when the server lets you."}
	}
	if err = s.api.unreachable(err); errors.As(err, &known) {
		return err
	}
	return Remedy{fmt.Errorf("mattermost: setup: %w", err), "What is done already stays; run this again."}
}

type setup struct {
	cfg SetupConfig
	api *client
	Result
	channels []*model.Channel
	teams    map[string]string // name by id
	creates  bool              // the server lets bots be made
}

func (s *setup) did(format string, args ...any) {
	s.Steps = append(s.Steps, fmt.Sprintf(format, args...))
}

// settings looks at the server's own configuration.
func (s *setup) settings(ctx context.Context) error {
	if _, _, err := s.api.greet(ctx); err != nil {
		return err
	}
	var me model.User
	err := s.api.get(ctx, "/users/me", &me)
	if is(err, http.StatusUnauthorized) {
		return Remedy{errors.New("the server does not know the administrator's token"), "Make one in Mattermost under your profile, Security, Personal Access Tokens; or sign in again."}
	}
	if err != nil {
		return err
	}
	if !me.IsSystemAdmin() {
		return Remedy{fmt.Errorf("@%s is no system administrator", me.Username), "Use an administrator's token; it is needed this once."}
	}
	var config model.Config
	if err := s.api.get(ctx, "/config", &config); err != nil {
		return err
	}
	service := config.ServiceSettings
	s.creates = on(service.EnableBotAccountCreation)
	if !on(service.EnableCommands) {
		return Remedy{errors.New("slash commands are switched off (EnableCommands)"), "Switch them on in the System Console, Integrations, Integration Management, “Enable Custom Slash Commands”."}
	}
	if note := internal(ctx, s.cfg.Callback, deref(service.AllowedUntrustedInternalConnections)); note != "" {
		s.Notes = append(s.Notes, note)
	}
	return nil
}

func on(b *bool) bool { return b != nil && *b }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// internal tells what is to be changed so that the server calls back, if anything. The server does
// not call addresses inside networks, nor its own, unless they are allowed. Server:
// public/shared/httpservice.
func internal(ctx context.Context, callback, allowed string) string {
	u, err := url.Parse(callback)
	if err != nil {
		return ""
	}
	host := u.Hostname()
	entries := strings.FieldsFunc(allowed, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' })
	if slices.Contains(entries, host) {
		return ""
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return fmt.Sprintf("The callback's host %s cannot be found from here (%v). The Mattermost server must find it.", host, err)
	}
	for _, a := range addrs {
		if a = a.Unmap(); !reserved(a) {
			continue
		}
		if !slices.ContainsFunc(entries, func(e string) bool {
			prefix, err := netip.ParsePrefix(e)
			return err == nil && prefix.Contains(a)
		}) {
			return fmt.Sprintf("Mattermost will refuse to call %s, an internal address. Add %q to “Allow untrusted internal connections to” (AllowedUntrustedInternalConnections) in the System Console, Environment, Developer.", callback, host)
		}
	}
	return ""
}

var shared = netip.MustParsePrefix("100.64.0.0/10")

func reserved(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() || a.IsMulticast() || shared.Contains(a)
}

// find finds the channels and their teams.
func (s *setup) find(ctx context.Context) error {
	if len(s.cfg.Channels) == 0 {
		return errors.New("no channel is named")
	}
	s.teams = map[string]string{}
	for _, name := range s.cfg.Channels {
		c := &model.Channel{}
		path := "/channels/" + url.PathEscape(name)
		if team, channel, ok := strings.Cut(strings.Trim(name, "/~"), "/"); ok {
			path = "/teams/name/" + url.PathEscape(team) + "/channels/name/" + url.PathEscape(strings.TrimLeft(channel, "~"))
		}
		err := s.api.get(ctx, path, c)
		if is(err, http.StatusNotFound, http.StatusBadRequest, http.StatusForbidden) {
			return s.noChannel(ctx, name)
		}
		if err != nil {
			return err
		}
		if !board(c.Type) {
			return fmt.Errorf("%q is a direct message, not a channel", name)
		}
		s.channels = append(s.channels, c)
		s.Channels[name] = c.Id
		if s.teams[c.TeamId] == "" {
			var team model.Team
			if err := s.api.get(ctx, "/teams/"+c.TeamId, &team); err != nil {
				return err
			}
			s.teams[team.Id] = team.Name
		}
	}
	return nil
}

// noChannel tells a wrong team from a wrong channel.
func (s *setup) noChannel(ctx context.Context, name string) error {
	const do = "Names are those in the channel's address, https://chat.example.org/TEAM/channels/CHANNEL, not the titles."
	team, channel, ok := strings.Cut(strings.Trim(name, "/~"), "/")
	if !ok {
		return Remedy{fmt.Errorf("there is no channel with the id %s", name), "The id stands under the channel's name, View Info; or write team/channel."}
	}
	var all []*model.Team
	if err := s.api.get(ctx, "/teams?per_page=100", &all); err != nil {
		return err
	}
	var names []string
	for _, t := range all {
		if t.Name == team {
			return Remedy{fmt.Errorf("there is no channel %q in the team %s", strings.TrimLeft(channel, "~"), team), do}
		}
		names = append(names, t.Name)
	}
	slices.Sort(names)
	return Remedy{fmt.Errorf("there is no team %q; there are: %s", team, plain.Clip(strings.Join(names, ", "), 300)), do}
}

// account makes the bot, or brings it to life again.
func (s *setup) account(ctx context.Context) error {
	const display, about = "GroupMail", "Brings the shared mailbox into the channel."
	var user model.User
	err := s.api.get(ctx, "/users/username/"+url.PathEscape(s.cfg.Username), &user)
	switch {
	case is(err, http.StatusNotFound):
		var made model.Bot
		err := s.api.post(ctx, "/bots", map[string]string{"username": s.cfg.Username, "display_name": display, "description": about}, &made)
		if err != nil && !s.creates {
			return Remedy{errors.New("the server does not let bots be made (EnableBotAccountCreation)"), "Switch it on in the System Console, Integrations, Bot Accounts, and run this again; it may be switched off afterwards."}
		}
		if err != nil {
			return err
		}
		s.BotID = made.UserId
		s.did("made the bot @%s", s.cfg.Username)
		return nil
	case err != nil:
		return err
	case !user.IsBot:
		return Remedy{fmt.Errorf("@%s is a person's account", s.cfg.Username), "Choose another name for the bot."}
	}
	s.BotID = user.Id
	var b model.Bot
	if err := s.api.get(ctx, "/bots/"+user.Id+"?include_deleted=true", &b); err != nil {
		return err
	}
	if b.DeleteAt != 0 {
		if err := s.api.post(ctx, "/bots/"+user.Id+"/enable", nil, nil); err != nil {
			return err
		}
		s.did("enabled the bot @%s again", s.cfg.Username)
	}
	return nil
}

// join brings the bot into the teams and channels.
func (s *setup) join(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(s.teams)) {
		var m model.TeamMember
		err := s.api.get(ctx, "/teams/"+id+"/members/"+s.BotID, &m)
		if err == nil && m.DeleteAt == 0 {
			continue
		}
		if err != nil && !is(err, http.StatusNotFound) {
			return err
		}
		if err := s.api.post(ctx, "/teams/"+id+"/members", map[string]string{"team_id": id, "user_id": s.BotID}, nil); err != nil {
			return err
		}
		s.did("brought the bot into the team %s", s.teams[id])
	}
	for i, c := range s.channels {
		err := s.api.get(ctx, "/channels/"+c.Id+"/members/"+s.BotID, nil)
		if err == nil {
			continue
		}
		if !is(err, http.StatusNotFound) {
			return err
		}
		if err := s.api.post(ctx, "/channels/"+c.Id+"/members", map[string]string{"user_id": s.BotID}, nil); err != nil {
			return err
		}
		s.did("brought the bot into the channel %s", s.cfg.Channels[i])
	}
	return nil
}

// commands declares the slash commands in each team.
func (s *setup) commands(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(s.teams)) {
		var there []*model.Command
		if err := s.api.get(ctx, "/commands?custom_only=true&team_id="+id, &there); err != nil {
			return err
		}
		for _, info := range s.cfg.Commands {
			i := slices.IndexFunc(there, func(c *model.Command) bool { return c.Trigger == strings.ToLower(info.Name) })
			old := (*model.Command)(nil)
			if i >= 0 {
				old = there[i]
			}
			if err := s.declare(ctx, id, info, old); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *setup) declare(ctx context.Context, team string, info bot.CommandInfo, old *model.Command) error {
	want := model.Command{
		TeamId: team, Trigger: strings.ToLower(info.Name), Method: model.CommandMethodPost,
		URL: s.cfg.Callback + Path + "commands", Username: s.cfg.Username,
		AutoComplete: true, AutoCompleteHint: info.Hint, AutoCompleteDesc: info.Description,
		DisplayName: "GroupMail", Description: plain.ClipBytes(info.Description, 128),
	}
	if old == nil {
		var made model.Command
		err := s.api.post(ctx, "/commands", want, &made)
		if because(err, "api.command.duplicate_trigger.app_error") && info.Short {
			s.Notes = append(s.Notes, fmt.Sprintf("/%s is a command of Mattermost or of a plugin already: /%s %s does the same", info.Name, bot.CommandName, info.Name))
			return nil
		}
		if because(err, "api.command.duplicate_trigger.app_error") {
			return Remedy{fmt.Errorf("/%s is a command of Mattermost or of a plugin already", info.Name), "Remove the other one."}
		}
		if err != nil {
			return err
		}
		s.CommandTokens[s.tokenOf(team, info)] = made.Token
		s.did("declared /%s in the team %s", info.Name, s.teams[team])
		return nil
	}
	if !strings.HasSuffix(old.URL, Path+"commands") && info.Short {
		return nil // another's: /mail does the same
	}
	if !strings.HasSuffix(old.URL, Path+"commands") {
		return Remedy{fmt.Errorf("/%s in the team %s leads to %s, which is not GroupMail", info.Name, s.teams[team], old.URL), "Remove that command in Mattermost, Integrations, Slash Commands, and run this again."}
	}
	want.Id = old.Id
	same := old.URL == want.URL && old.Method == want.Method && old.AutoComplete && old.Username == want.Username &&
		old.AutoCompleteHint == want.AutoCompleteHint && old.AutoCompleteDesc == want.AutoCompleteDesc &&
		old.DisplayName == want.DisplayName && old.Description == want.Description
	if !same {
		if err := s.api.put(ctx, "/commands/"+old.Id, want, nil); err != nil {
			return err
		}
		s.did("updated /%s in the team %s", info.Name, s.teams[team])
	}
	if s.cfg.Rotate {
		var fresh struct{ Token string }
		if err := s.api.put(ctx, "/commands/"+old.Id+"/regen_token", nil, &fresh); err != nil {
			return err
		}
		s.CommandTokens[s.tokenOf(team, info)] = fresh.Token
		s.did("made a new token for /%s in the team %s; the old one is dead", info.Name, s.teams[team])
	}
	return nil
}

// tokenOf names the token of a command in Result.CommandTokens.
func (s *setup) tokenOf(team string, info bot.CommandInfo) string {
	if info.Short {
		return s.teams[team] + " /" + info.Name
	}
	return s.teams[team]
}

// token makes the bot's token if it has none, or a new one. The old ones die after the new one is
// there.
func (s *setup) token(ctx context.Context) error {
	const perPage = 200
	var ours []*model.UserAccessToken
	for page := 0; ; page++ {
		var there []*model.UserAccessToken
		if err := s.api.get(ctx, fmt.Sprintf("/users/%s/tokens?page=%d&per_page=%d", s.BotID, page, perPage), &there); err != nil {
			return err
		}
		for _, t := range there {
			if t.Description == tokenDescription && t.IsActive {
				ours = append(ours, t)
			}
		}
		if len(there) < perPage {
			break
		}
	}
	if len(ours) > 0 && !s.cfg.Rotate {
		return nil
	}
	var made model.UserAccessToken
	err := s.api.post(ctx, "/users/"+s.BotID+"/tokens", map[string]string{"description": tokenDescription}, &made)
	if because(err, "app.user_access_token.disabled") {
		return Remedy{errors.New("access tokens are switched off (EnableUserAccessTokens)"), "Switch them on in the System Console, Integrations, Integration Management, “Enable User Access Tokens”."}
	}
	if err != nil {
		return err
	}
	s.Token = made.Token
	s.did("made a token for the bot")
	for _, t := range ours {
		if err := s.api.post(ctx, "/users/tokens/revoke", map[string]string{"token_id": t.Id}, nil); err != nil {
			return err
		}
	}
	if len(ours) > 0 {
		s.did("revoked %d older ones", len(ours))
	}
	return nil
}
