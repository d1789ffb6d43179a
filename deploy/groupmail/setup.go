package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"groupmail/bot"
	"groupmail/connectors/mattermost"
)

type setupCommand struct {
	Mattermost setupMattermost `cmd:"" help:"Make the bot's account, its token and the command /mail on a Mattermost server, and print what goes into the configuration."`
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
