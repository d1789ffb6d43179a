package slack

import (
	"strings"
	"testing"

	"groupmail/connectors/slack/slacktest"
)

// TestCheck: each fault is found, told once, with its cure.
func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(o *office, c *Config)
		faults []string // what each ✗ says, in order
		cures  []string
	}{
		{"all is well", func(*office, *Config) {}, nil, nil},
		{"a person's token", func(_ *office, c *Config) { c.BotToken = fixed("xoxp-1") }, []string{"no bot's token"}, []string{"Bot User OAuth Token"}},
		{"a wrong token", func(_ *office, c *Config) { c.BotToken = fixed("xoxb-wrong") }, []string{"does not know bot_token (invalid_auth)"}, []string{"Copy it once more"}},
		{"a revoked token", func(o *office, _ *Config) { o.server.RevokeToken() }, []string{"does not take bot_token (token_revoked)"}, []string{"Install the app"}},
		{"an app that was removed", func(o *office, _ *Config) { o.server.Uninstall() }, []string{"does not take bot_token"}, []string{"Install the app"}},
		{"a bot that is not in the channel", func(o *office, _ *Config) {
			if err := o.ann.Kick(o.channel, o.server.BotUser); err != nil {
				o.t.Fatal(err)
			}
		}, []string{"There is no channel"}, []string{"/invite @groupmail"}},
		{"an archived channel", func(o *office, _ *Config) {
			if err := o.ann.Archive(o.channel); err != nil {
				o.t.Fatal(err)
			}
		}, []string{"it is archived"}, []string{"out of the archive"}},
		{"an app-level token that is none", func(_ *office, c *Config) { c.AppToken = fixed("xoxb-1") }, []string{"no app-level token"}, []string{"connections:write"}},
		{"a wrong app-level token", func(_ *office, c *Config) { c.AppToken = fixed("xapp-wrong") }, []string{"does not take app_token (invalid_auth)"}, []string{"connections:write"}},
		{"a signing secret that is none", func(_ *office, c *Config) { c.AppToken, c.SigningSecret = nil, fixed("short") }, []string{"no signing secret"}, []string{"App Credentials"}},
		{"nobody answers", func(_ *office, c *Config) { c.APIURL = "http://127.0.0.1:1/api/" }, []string{"does not answer"}, []string{"network"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := newOffice(t, false)
			c := o.p.cfg
			test.change(o, &c)
			p, err := New(c, nil)
			if err != nil {
				t.Fatal(err)
			}
			var faults []Finding
			for _, f := range p.Check(t.Context(), []string{o.channel}) {
				if !f.OK && !f.Untried {
					faults = append(faults, f)
				}
				if strings.Contains(f.What+f.Remedy, o.server.BotToken) || strings.Contains(f.What+f.Remedy, o.server.AppToken) {
					t.Errorf("a secret is told: %+v", f)
				}
			}
			if len(faults) != len(test.faults) {
				t.Fatalf("found %+v, want %q", faults, test.faults)
			}
			for i, f := range faults {
				if !strings.Contains(f.What, test.faults[i]) || !strings.Contains(f.Remedy, test.cures[i]) {
					t.Errorf("%+v", f)
				}
			}
			if calls := o.server.Calls("chat.postMessage", "chat.update", "chat.postEphemeral", "views.publish", "pins.add"); len(calls) != 0 {
				t.Errorf("something was posted: %+v", calls)
			}
		})
	}
}

// TestCheckScopes: a right that the app lacks is named, with what it is for.
func TestCheckScopes(t *testing.T) {
	o := newOffice(t, false)
	manifest := strings.NewReplacer(`"pins:write"`, `"emoji:read"`, `"files:read",`, ``).Replace(string(manifestJSON(t, "")))
	server := slacktest.Start(t, slacktest.Config{NoLimits: true, Manifest: []byte(manifest)})
	ann := server.AddUser(slacktest.User{Name: "ann"})
	channel := server.AddChannel(slacktest.Channel{Name: "help", Private: true}, ann.ID, server.BotUser)
	c := o.p.cfg
	c.BotToken, c.AppToken, c.APIURL = fixed(server.BotToken), fixed(server.AppToken), server.API
	p, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range p.Check(t.Context(), []string{channel}) {
		if strings.Contains(f.What, "lacks rights") {
			found = true
			if !strings.Contains(f.What, "pins:write (pin the desk card)") || !strings.Contains(f.What, "files:read (") || strings.Contains(f.What, "channels:read") {
				t.Errorf("%+v", f)
			}
		}
	}
	if !found {
		t.Error("nothing is said of rights")
	}
}
