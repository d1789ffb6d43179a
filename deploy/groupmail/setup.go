package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"strings"

	"groupmail/bot"
	"groupmail/connectors/mattermost"
	"groupmail/connectors/slack"
)

type setupCommand struct {
	Mattermost setupMattermost `cmd:"" help:"Make the bot's account, its token and the command /mail on a Mattermost server, and print what goes into the configuration."`
	Slack      setupSlack      `cmd:"" help:"Print the description of the app to make in Slack, and say step by step what to do with it; with tokens, try them."`
}

type setupMattermost struct {
	URL           string   `name:"url" required:"" placeholder:"URL" help:"Address of the server, like https://chat.example.org."`
	AdminTokenEnv string   `required:"" placeholder:"NAME" help:"Environment variable with the access token of a system administrator. It is used for this and not kept."`
	Team          string   `required:"" placeholder:"TEAM" help:"Name of the team, as in its address."`
	Channel       []string `required:"" placeholder:"CHANNEL" help:"Name of a channel to work in, as in its address; may be given several times."`
	Callback      string   `required:"" placeholder:"URL" help:"Address at which the server reaches GroupMail, like http://groupmail.example.org:8420."`
	Username      string   `default:"groupmail" placeholder:"NAME" help:"Name of the bot's account (default: groupmail)."`
	Rotate        bool     `help:"Make new tokens; the old ones are no longer valid."`
}

var envName = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

// Run prints what was done as it would be read, on the standard error, and the lines for the
// configuration on the standard output. What was made is printed also when a later step fails.
func (c *setupMattermost) Run(ctx context.Context, s streams) error {
	token := os.Getenv(c.AdminTokenEnv)
	if token == "" && !envName.MatchString(c.AdminTokenEnv) {
		return errors.New("--admin-token-env wants the name of an environment variable, like ADMIN_TOKEN, not the token itself. Set the variable, and give its name")
	}
	if token == "" {
		return fmt.Errorf("the environment variable %s is not set. Put a system administrator's access token there (Mattermost: Profile, Security, Personal Access Tokens)", c.AdminTokenEnv)
	}
	cfg := mattermost.SetupConfig{
		URL: strings.TrimRight(c.URL, "/"), AdminToken: token, Callback: strings.TrimRight(c.Callback, "/"),
		Username: c.Username, Commands: bot.CommandList(), Rotate: c.Rotate,
	}
	for _, channel := range c.Channel {
		if !strings.Contains(channel, "/") && !mattermostChannel.MatchString(channel) {
			channel = c.Team + "/" + channel
		}
		cfg.Channels = append(cfg.Channels, channel)
	}
	made, err := mattermost.Setup(ctx, cfg)
	for _, step := range made.Steps {
		fmt.Fprintln(s.err, good, step)
	}
	for _, note := range made.Notes {
		fmt.Fprintln(s.err, untried, note)
	}
	if err == nil || made.Token != "" || len(made.CommandTokens) > 0 {
		printLines(s.out, made, cfg)
	}
	var remedy mattermost.Remedy
	if errors.As(err, &remedy) {
		return remedy
	}
	return err
}

func printLines(w io.Writer, made mattermost.Result, cfg mattermost.SetupConfig) {
	fmt.Fprint(w, made.Lines(cfg))
	for _, name := range cfg.Channels {
		if id := made.Channels[name]; id != "" {
			fmt.Fprintf(w, "\n# Below the [[group]] that works in %s:\n# [[group.board]]\n# channel = %q\n", name, id)
		}
	}
}

type setupSlack struct {
	HTTP        string   `name:"http" placeholder:"URL" help:"Public address at which Slack is to reach GroupMail, like https://groupmail.example.org. Without it: Socket Mode, which needs none."`
	BotTokenEnv string   `placeholder:"NAME" help:"Environment variable with the app's Bot User OAuth Token: it is tried, with its rights."`
	AppTokenEnv string   `placeholder:"NAME" help:"Environment variable with the app-level token: it is tried."`
	Channel     []string `placeholder:"ID" help:"Id of a channel to work in: it is looked whether the bot is there; may be given several times."`
	APIURL      string   `name:"api-url" hidden:""`
}

// Run prints the manifest on the standard output and what to do with it on the standard error. With a
// token it tries that instead.
func (c *setupSlack) Run(ctx context.Context, s streams) error {
	if c.BotTokenEnv != "" {
		return c.try(ctx, s)
	}
	if c.HTTP != "" {
		if u, err := url.Parse(c.HTTP); err != nil || u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("--http %s is no https address. Slack sends requests to https alone, like https://groupmail.example.org", c.HTTP)
		}
	}
	manifest := slack.Manifest(slack.ManifestConfig{HTTP: c.HTTP, Commands: bot.CommandList()})
	fmt.Fprint(s.out, manifest)
	above, lines, secret := "", `app_token = "env:SLACK_APP_TOKEN"`, "Under Basic Information, App-Level Tokens, press Generate, add the scope connections:write: that is app_token (xapp-…)."
	last := "6. groupmail check tries all of it."
	if c.HTTP != "" {
		above = `listen = "127.0.0.1:8420" # your web server's proxy leads ` + strings.TrimRight(c.HTTP, "/") + slack.Path + " here\n\n"
		lines, secret = `signing_secret = "env:SLACK_SIGNING_SECRET"`, "Under Basic Information, App Credentials, stands signing_secret."
		last = "6. groupmail check tries it. Start groupmail serve; then, on Slack's page, under Event Subscriptions, let Slack verify the request URL."
	}
	fmt.Fprintf(s.err, `
1. Open this address, or https://api.slack.com/apps, Create New App, From a manifest, and paste what is printed above:

%s

2. Press Install to Workspace. Under OAuth & Permissions stands bot_token (xoxb-…).
3. %s
4. In each channel to work in, type /invite @groupmail. Its id stands under the channel's name, About, at the bottom.
5. Into the configuration, the last three lines below the [[group]] that works in the channel. The tokens go into the environment
   of GroupMail, or into a file of NAME=value lines that is named by environment = "/path"; or write "file:/path" here.

%s[slack]
bot_token = "env:SLACK_BOT_TOKEN"
%s

[[group.board]]
platform = "slack"
channel = "C…"

%s
`, slack.CreateLink(manifest), secret, above, lines, last)
	return nil
}

// try looks at what was made.
func (c *setupSlack) try(ctx context.Context, s streams) error {
	variable := func(name string) func() (string, error) {
		return func() (string, error) {
			if token := os.Getenv(name); token != "" {
				return token, nil
			}
			return "", fmt.Errorf("the environment variable %s is not set", name)
		}
	}
	cfg := slack.Config{BotToken: variable(c.BotTokenEnv), APIURL: c.APIURL}
	if c.AppTokenEnv == "" {
		return errors.New("--app-token-env is missing: it names the environment variable with the app-level token (xapp-…). With HTTP instead of Socket Mode, use groupmail check")
	}
	cfg.AppToken = variable(c.AppTokenEnv)
	p, err := slack.New(cfg, nil)
	if err != nil {
		return err
	}
	faults := 0
	for _, f := range p.Check(ctx, c.Channel) {
		one := slackFinding("", f)
		if one.mark == bad {
			faults++
		}
		fmt.Fprintln(s.out, one.mark, one.text)
	}
	if faults > 0 {
		return errTold
	}
	return nil
}
