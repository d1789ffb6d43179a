package mattermost

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/mattermost/mattermost/server/public/model"

	"groupmail/bot"
	"groupmail/deploy/testbed"
)

var mailCommand = []bot.CommandInfo{{Name: "mail", Hint: "[queue | mine | help]", Description: "The shared mailbox"}}

func admin(s *testbed.MattermostServer) testbed.MattermostUser {
	return testbed.MattermostUser{Token: s.AdminToken}
}

// works tells whether a token is good for anything.
func works(s *testbed.MattermostServer, token string) bool {
	return s.Call(token, http.MethodGet, "/users/me", nil, nil) == http.StatusOK
}

func TestSetup(t *testing.T) {
	ctx := context.Background()
	o := newOffice(t, testbed.Mattermost(t))
	cfg := SetupConfig{
		URL: o.server.URL, AdminToken: o.server.AdminToken, Callback: o.http.URL, Commands: mailCommand,
		Channels: []string{o.team.Name + "/" + o.channel.Name, o.channel.ID}, Username: "gm-" + model.NewId(),
	}
	first, err := Setup(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if !works(o.server, first.Token) || len(first.CommandTokens[o.team.Name]) != 26 || first.Channels[cfg.Channels[0]] != o.channel.ID || len(first.Notes) != 0 {
		t.Errorf("first: %+v", first)
	}
	lines := first.Lines(cfg)
	for _, want := range []string{first.Token, first.CommandTokens[o.team.Name], o.channel.ID, o.http.URL} {
		if !strings.Contains(lines, want) {
			t.Errorf("no %s in\n%s", want, lines)
		}
	}

	// The bot that was made can do its work, and its command arrives.
	o.bot = testbed.MattermostUser{ID: first.BotID, Username: cfg.Username, Token: first.Token}
	o.command = first.CommandTokens[o.team.Name]
	o.run()
	id := o.post(card("post-1", 1))
	o.press(o.ann, id, "take")
	o.must(o.ann, http.MethodPost, "/commands/execute", map[string]any{"channel_id": o.channel.ID, "team_id": o.team.ID, "command": "/mail queue"}, nil)
	if len(o.hub.clicks) != 1 || len(o.hub.cmds) != 1 {
		t.Errorf("clicks %v, commands %v", o.hub.clicks, o.hub.cmds)
	}
	var offered []*model.Command
	o.must(o.ann, http.MethodGet, "/teams/"+o.team.ID+"/commands/autocomplete", nil, &offered)
	found := false
	for _, c := range offered {
		found = found || c.Trigger == "mail" && c.AutoCompleteHint == mailCommand[0].Hint && c.AutoCompleteDesc == mailCommand[0].Description
	}
	if !found {
		t.Error("/mail is not offered to who types")
	}

	second, err := Setup(ctx, cfg)
	if err != nil || second.Token != "" || len(second.CommandTokens) != 0 || len(second.Steps) != 0 || second.BotID != first.BotID {
		t.Errorf("second: %+v, %v", second, err)
	}
	if lines := second.Lines(cfg); strings.Contains(lines, first.Token) || strings.Contains(lines, o.command) {
		t.Errorf("the second run tells secrets:\n%s", lines)
	}

	moved := cfg
	moved.Callback = "http://localhost:1"
	third, err := Setup(ctx, moved)
	if err != nil || len(third.Steps) != 1 || len(third.CommandTokens) != 0 {
		t.Errorf("moved: %+v, %v", third, err)
	}
	cfg.Rotate = true
	fourth, err := Setup(ctx, cfg)
	if err != nil || fourth.Token == "" || fourth.Token == first.Token || fourth.CommandTokens[o.team.Name] == o.command {
		t.Errorf("rotated: %+v, %v", fourth, err)
	}
	if works(o.server, first.Token) || !works(o.server, fourth.Token) {
		t.Error("the old token lives, or the new one does not")
	}
	if status := o.as(o.ann, http.MethodPost, "/commands/execute", map[string]any{"channel_id": o.channel.ID, "team_id": o.team.ID, "command": "/mail queue"}, nil); status == http.StatusOK {
		t.Error("the old command token is good still")
	}

	// Short forms have tokens of their own, and stand back where their name is taken.
	short := cfg
	short.Rotate = false
	short.Commands = append(slices.Clone(mailCommand), bot.CommandInfo{Name: "contact", Description: "Somebody you know", Short: true}, bot.CommandInfo{Name: "shrug", Description: "Mattermost's own", Short: true})
	shortened, err := Setup(ctx, short)
	if err != nil || len(shortened.CommandTokens[o.team.Name+" /contact"]) != 26 || len(shortened.CommandTokens) != 1 || len(shortened.Notes) != 1 || !strings.Contains(shortened.Notes[0], "/mail shrug does the same") {
		t.Errorf("short forms: %+v, %v", shortened, err)
	}

	// A command of the same name that is not ours stays.
	foreign := o.server.NewTeam(o.ann)
	o.must(admin(o.server), http.MethodPost, "/commands", model.Command{TeamId: foreign.ID, Trigger: "mail", Method: "P", URL: "http://mailer.example.org/hook"}, nil)
	there := cfg
	there.Channels = []string{o.server.NewChannel(foreign, false, o.ann).ID}
	result, err := Setup(ctx, there)
	if remedy := (Remedy{}); !errors.As(err, &remedy) || !strings.Contains(err.Error(), "mailer.example.org") {
		t.Errorf("another's command: %v, %+v", err, result)
	}

	// A bot that was disabled and thrown out comes back.
	o.must(admin(o.server), http.MethodPost, "/bots/"+first.BotID+"/disable", nil, nil)
	o.must(admin(o.server), http.MethodDelete, "/teams/"+o.team.ID+"/members/"+first.BotID, nil, nil)
	fifth, err := Setup(ctx, cfg)
	if err != nil || !works(o.server, fifth.Token) {
		t.Errorf("disabled: %+v, %v", fifth, err)
	}
	o.bot.Token = fifth.Token
	if _, err := o.p.Channel(ctx, o.channel.ID); err != nil {
		t.Error(err)
	}
}

func TestSetupRemedies(t *testing.T) {
	ctx := context.Background()
	s := testbed.NewMattermost(t, "MM_SERVICESETTINGS_ENABLEBOTACCOUNTCREATION=false", "MM_SERVICESETTINGS_ALLOWEDUNTRUSTEDINTERNALCONNECTIONS=10.0.0.0/24 other")
	ann := s.NewUser()
	team := s.NewTeam(ann)
	channel := s.NewChannel(team, false, ann)
	cfg := SetupConfig{
		URL: s.URL, AdminToken: s.AdminToken, Callback: "http://10.0.0.5:8420", Commands: mailCommand,
		Channels: []string{team.Name + "/" + channel.Name},
	}
	with := func(change func(*SetupConfig)) SetupConfig {
		c := cfg
		change(&c)
		return c
	}
	for _, c := range []struct {
		what string
		cfg  SetupConfig
		says string
	}{
		{"bots are off", cfg, "EnableBotAccountCreation"},
		{"no administrator", with(func(c *SetupConfig) { c.AdminToken = ann.Token }), "no system administrator"},
		{"bad token", with(func(c *SetupConfig) { c.AdminToken = "x" }), "does not know"},
		{"no channel", with(func(c *SetupConfig) { c.Channels = []string{team.Name + "/nowhere"} }), `no channel "nowhere" in the team ` + team.Name},
		{"no team", with(func(c *SetupConfig) { c.Channels = []string{"nowhere/nowhere"} }), `no team "nowhere"; there are: ` + team.Name},
		{"no id", with(func(c *SetupConfig) { c.Channels = []string{"12345678901234567890123456"} }), "no channel with the id"},
		{"a person", with(func(c *SetupConfig) { c.Username = ann.Username }), "person's account"},
	} {
		result, err := Setup(ctx, c.cfg)
		if remedy := (Remedy{}); !errors.As(err, &remedy) || remedy.Do == "" || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, %+v", c.what, err, result)
		}
	}
	if _, err := Setup(ctx, with(func(c *SetupConfig) { c.Callback = "10.0.0.5:8420" })); err == nil {
		t.Error("a callback that is no URL was taken")
	}

	for callback, note := range map[string]bool{
		"http://10.0.0.5:8420": false, "http://10.0.1.5:8420": true, "http://other:1": false,
		"http://127.0.0.1:8420": true, "https://8.8.8.8": false, "http://[::1]:8420": true,
	} {
		if got := internal(ctx, callback, "10.0.0.0/24 other"); (got != "") != note {
			t.Errorf("%s: %q", callback, got)
		}
	}
}

// TestUnreachable words what a person gets to know about a wrong address.
func TestUnreachable(t *testing.T) {
	answer := func(status int, location, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if location != "" {
				w.Header().Set("Location", location)
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
	}
	plain := func(h http.Handler) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	secure := httptest.NewTLSServer(answer(http.StatusOK, "", ""))
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	defer secure.Close()
	page := plain(answer(http.StatusOK, "", "<!DOCTYPE html>"))
	for _, test := range []struct{ what, url, says, do string }{
		{"no scheme", "chat.example.org", "is no http or https address", "https://chat.example.org"},
		{"host and port alone", "chat.example.org:8065", "is no http or https address", "https://chat.example.org"},
		{"blanks", "http://chat example", "is no http or https address", "https://chat.example.org"},
		{"http for https", strings.Replace(secure.URL, "https", "http", 1), "refuses http", "https://"},
		{"https for http", strings.Replace(page, "http", "https", 1), "does not speak https", "http://"},
		{"unknown authority", secure.URL, "authority that is not known here", "SSL_CERT_FILE"},
		{"elsewhere", plain(answer(http.StatusMovedPermanently, "https://new.example.org/api/v4/system/ping", "")), "leads elsewhere: https://new.example.org", "Write the address"},
		{"a web page", page, "not as a Mattermost server", "browser"},
		{"a channel's page", page + "/team/channels/help", "not as a Mattermost server", page + "?"},
		{"another service", plain(answer(http.StatusNotFound, "", "404")), "not as a Mattermost server", "browser"},
		{"a proxy alone", plain(answer(http.StatusBadGateway, "", "")), "502 Bad Gateway", "proxy"},
		{"nobody", "http://127.0.0.1:1", "nobody listens there", "host and port"},
	} {
		_, err := Setup(context.Background(), SetupConfig{URL: test.url, AdminToken: "x", Callback: "http://localhost:8420", Channels: []string{"a/b"}})
		var r Remedy
		if !errors.As(err, &r) || !strings.Contains(r.Err.Error(), test.says) || !strings.Contains(r.Do, test.do) {
			t.Errorf("%s: %v", test.what, err)
		}
	}
	base, _ := serverURL("https://chat.example.org")
	err := newClient(base, nil).unreachable(&url.Error{Op: "Get", URL: "x", Err: &net.DNSError{Name: "chat.example.org", Err: "no such host", IsNotFound: true}})
	if want := "https://chat.example.org cannot be reached: there is no host chat.example.org (no such host). Look at the host's name in the address, and at the network."; err.Error() != want {
		t.Errorf("no such host: %v", err)
	}
}

func TestCheck(t *testing.T) {
	ctx := context.Background()
	o := newOffice(t, testbed.Mattermost(t))
	faults := func(p *Platform, channels ...string) []Finding {
		t.Helper()
		var bad []Finding
		for _, f := range p.Check(ctx, channels, []string{"mail"}) {
			t.Logf("%v %s %s", f.OK, f.What, f.Remedy)
			if !f.OK && !f.Untried {
				bad = append(bad, f)
				if f.Remedy == "" {
					t.Errorf("no remedy: %+v", f)
				}
			}
		}
		return bad
	}
	one := func(what string, bad []Finding, says string) {
		t.Helper()
		if len(bad) != 1 || !strings.Contains(bad[0].What+bad[0].Remedy, says) {
			t.Errorf("%s: %+v", what, bad)
		}
	}
	declare := func(team, url string) (token string) {
		t.Helper()
		var made model.Command
		o.must(admin(o.server), http.MethodPost, "/commands", model.Command{TeamId: team, Trigger: "mail", Method: "P", URL: url + Path + "commands"}, &made)
		return made.Token
	}
	one("no command", faults(o.p, o.channel.ID), "has no command /mail")
	o.command = declare(o.team.ID, o.http.URL)
	if bad := faults(o.p, o.channel.ID); len(bad) != 0 {
		t.Errorf("all is well, but %+v", bad)
	}
	one("only a channel that there is not", faults(o.p, "12345678901234567890123456"), "/invite @"+o.bot.Username)
	one("a channel it is not in", faults(o.p, o.channel.ID, o.server.NewChannel(o.team, true, o.ann).ID), "/invite @"+o.bot.Username)

	base := o.p.cfg
	with := func(change func(*Config)) *Platform {
		c := base
		change(&c)
		return o.platform(c)
	}
	one("a dead token", faults(with(func(c *Config) { c.Token = func() (string, error) { return "x", nil } }), o.channel.ID), "--rotate")
	one("a person's token", faults(with(func(c *Config) { c.Token = func() (string, error) { return o.ann.Token, nil } }), o.channel.ID), "person's")
	one("no server", faults(with(func(c *Config) { c.URL = "http://127.0.0.1:1" }), o.channel.ID), "nobody listens there")
	one("nothing listens", faults(with(func(c *Config) { c.Callback = "http://127.0.0.1:1" }), o.channel.ID), "neither do we")
	one("another secret", faults(with(func(c *Config) { c.Secret = []byte("fedcba9876543210") }), o.channel.ID), "another secret")

	tokens := func(all ...string) *Platform {
		return with(func(c *Config) { c.CommandTokens = func() []string { return all } })
	}
	right := o.command
	o.command = "abcdefghijklmnopqrstuvwxyz" // whoever answers the server has it, too
	one("a wrong command token", faults(o.p, o.channel.ID), "--rotate")
	o.command = right
	one("half a command token", faults(tokens(o.command[:20]), o.channel.ID), "20 characters")
	one("the bot's token for the command's", faults(tokens(o.bot.Token), o.channel.ID), "bot's own")
	elsewhere := o.server.NewTeam(o.ann, o.bot)
	declare(elsewhere.ID, "http://127.0.0.1:1")
	one("a command of another address", faults(o.p, o.channel.ID, o.server.NewChannel(elsewhere, false, o.bot).ID), "leads to another address")
	lonely := o.server.NewBot()
	one("a bot in no channel", faults(with(func(c *Config) { c.Token = func() (string, error) { return lonely.Token, nil } }), o.channel.ID), "/invite @"+lonely.Username)

	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	defer stranger.Close()
	one("somebody else listens", faults(with(func(c *Config) { c.Callback = stranger.URL }), o.channel.ID), "not GroupMail")
	// The server, not we, is kept away.
	deaf := testbed.NewMattermost(t, "MM_SERVICESETTINGS_ALLOWEDUNTRUSTEDINTERNALCONNECTIONS=")
	far := newOffice(t, deaf)
	one("a forbidden address", faults(far.p, far.channel.ID), "AllowedUntrustedInternalConnections")
}
