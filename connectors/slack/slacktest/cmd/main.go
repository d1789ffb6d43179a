// Command cmd runs a stand-in for Slack by itself: an app connects to it as to Slack, and people use it in
// the browser.
//
//	go run ./connectors/slack/slacktest/cmd --listen 127.0.0.1:8425
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"groupmail/connectors/slack/slacktest"
	"groupmail/connectors/slack/slacktest/page"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("slacktest", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8425", "address of the API and the pages, on loopback")
	manifest := flags.String("manifest", "", "the app's manifest, a JSON file; a bot over Socket Mode if empty")
	bot := flags.String("bot-token", "", "the bot's token; made up if empty")
	app := flags.String("app-token", "", "the app's token; made up if empty")
	secret := flags.String("signing-secret", "", "made up if empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !strings.HasPrefix(*listen, "127.") && !strings.HasPrefix(*listen, "localhost:") && !strings.HasPrefix(*listen, "[::1]:") {
		return fmt.Errorf("%s is no loopback address: the pages ask for no password, so they are for this machine alone", *listen)
	}
	c := slacktest.Config{Listen: *listen, BotToken: *bot, AppToken: *app, SigningSecret: *secret}
	if *manifest != "" {
		data, err := os.ReadFile(*manifest)
		if err != nil {
			return err
		}
		c.Manifest = data
	}
	s, err := slacktest.New(c)
	if err != nil {
		return err
	}
	defer s.Close()
	s.ServeSite(page.Handler(s))
	ann := s.AddUser(slacktest.User{Name: "ann", Real: "Ann Arbor", Email: "ann@example.org", Admin: true})
	ben := s.AddUser(slacktest.User{Name: "ben", Real: "Ben Bosch", Email: "ben@example.org"})
	cara := s.AddUser(slacktest.User{Name: "cara", Real: "Cara Castillo", Email: "cara@example.org"})
	gus := s.AddUser(slacktest.User{Name: "gus", Real: "Gus Guest", SingleGuest: true})
	channels := []struct{ name, id string }{
		{"help-desk (private)", s.AddChannel(slacktest.Channel{Name: "help-desk", Private: true}, ann.ID, ben.ID, cara.ID, s.BotUser)},
		{"front-desk", s.AddChannel(slacktest.Channel{Name: "front-desk"}, ann.ID, ben.ID, gus.ID, s.BotUser)},
		{"random", s.AddChannel(slacktest.Channel{Name: "random", General: true}, ann.ID, ben.ID, cara.ID)},
	}
	_, _ = fmt.Fprintf(out, "API             %s\nbot token       %s\napp token       %s\nsigning secret  %s\n", s.API, s.BotToken, s.AppToken, s.SigningSecret)
	for _, c := range channels {
		_, _ = fmt.Fprintf(out, "channel         %s  %s\n", c.id, c.name)
	}
	for _, name := range []string{"ann", "ben", "cara", "gus"} {
		_, _ = fmt.Fprintf(out, "open as %-7s %s/as/%s\n", name, s.URL, name)
	}
	<-ctx.Done()
	return nil
}
