package slack

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"groupmail/bot"
)

// Scope is a right that the app asks for, and what for.
type Scope struct {
	Name, Reason string
	Public       bool // needed where a board is a public channel only
	Private      bool // needed where a board is a private channel only
	Optional     bool // asked for by those who want it
}

// Scopes are the bot's rights: all of what GroupMail does, and no more.
var Scopes = []Scope{
	{Name: "chat:write", Reason: "post cards, lines in their threads, whispers, and change them in place"},
	{Name: "commands", Reason: "the command /mail, and the shortcuts on messages"},
	{Name: "channels:read", Reason: "know who is in a public channel, and whether it is archived", Public: true},
	{Name: "channels:history", Reason: "hear what is written in the cards' threads in public channels", Public: true},
	{Name: "groups:read", Reason: "the same in private channels", Private: true},
	{Name: "groups:history", Reason: "the same in private channels", Private: true},
	{Name: "users:read", Reason: "call people by their names, and tell guests and bots from members"},
	{Name: "files:read", Reason: "take the files of an answer that is written in a thread"},
	{Name: "files:write", Reason: "put the files of a mail into its thread"},
	{Name: "im:write", Reason: "remind somebody, or tell them of trouble, in a direct message"},
	{Name: "im:history", Reason: "look there whether it was told already, and tell it once"},
	{Name: "pins:write", Reason: "pin the desk card"},
	{Name: "users:read.email", Reason: "know a colleague who writes to the shared address by mail", Optional: true},
}

// events are what Slack is asked to tell.
var events = []struct{ name, reason string }{
	{"app_home_opened", "somebody looks at their own page"},
	{"app_uninstalled", "said in the log, with the cure"},
	{"member_joined_channel", "the bot was invited"},
	{"message.channels", "what is written in the threads of public channels"},
	{"message.groups", "what is written in the threads of private channels"},
	{"tokens_revoked", "said in the log, with the cure"},
}

// ManifestConfig says how an app is to be made.
type ManifestConfig struct {
	// HTTP is the public address that Slack sends requests to, "https://groupmail.example.org"; empty:
	// Socket Mode.
	HTTP     string
	Commands []bot.CommandInfo
}

// Manifest is the app's description in YAML, as Slack's page "From a manifest" takes it.
// https://docs.slack.dev/reference/app-manifest
func Manifest(c ManifestConfig) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	request := func(indent, key, path string) {
		if c.HTTP != "" {
			line("%s%s: %s", indent, key, word(strings.TrimRight(c.HTTP, "/")+Path+path))
		}
	}
	line("_metadata:")
	line("  major_version: 1")
	line("display_information:")
	line("  name: GroupMail")
	line("  description: The team's shared mailbox in its channel")
	line("  background_color: %s", word("#2c5282"))
	line("features:")
	line("  app_home:")
	line("    home_tab_enabled: true # what you have and what waits")
	line("    messages_tab_enabled: true # for direct messages")
	line("    messages_tab_read_only_enabled: true")
	line("  bot_user:")
	line("    display_name: groupmail")
	line("    always_online: true")
	line("  shortcuts:")
	line("    - name: Send to the customer")
	line("      type: message")
	line("      callback_id: %s", ShortcutSend)
	line("      description: Sends this message of the thread to the other side")
	line("    - name: Keep as a note")
	line("      type: message")
	line("      callback_id: %s", ShortcutNote)
	line("      description: Adds this message of the thread to the case notes")
	line("  slash_commands:")
	for _, command := range c.Commands {
		line("    - command: %s", word("/"+command.Name))
		line("      description: %s", word(command.Description))
		line("      usage_hint: %s", word(command.Hint))
		line("      should_escape: true # names arrive as whose they are")
		request("      ", "url", "commands")
	}
	line("oauth_config:")
	line("  scopes:")
	line("    bot:")
	for _, s := range Scopes {
		if s.Optional {
			line("      # - %s # if you like: %s", s.Name, s.Reason)
		} else {
			line("      - %s # %s", s.Name, s.Reason)
		}
	}
	line("settings:")
	line("  event_subscriptions:")
	request("    ", "request_url", "events")
	line("    bot_events:")
	for _, e := range events {
		line("      - %s # %s", e.name, e.reason)
	}
	line("  interactivity:")
	line("    is_enabled: true")
	request("    ", "request_url", "interactive")
	line("  org_deploy_enabled: false")
	line("  socket_mode_enabled: %v", c.HTTP == "")
	line("  token_rotation_enabled: false")
	return b.String()
}

// word quotes a string so that YAML takes it as it is: JSON's strings are YAML's, too.
func word(s string) string {
	b, _ := json.Marshal(s) // a string: cannot fail
	return string(b)
}

// CreateLink is an address that opens Slack's page for a new app with the manifest filled in, without
// its remarks.
func CreateLink(manifest string) string {
	remark := regexp.MustCompile(`(?m)^ *# .*\n| # .*$`)
	return "https://api.slack.com/apps?new_app=1&manifest_yaml=" + url.QueryEscape(remark.ReplaceAllString(manifest, ""))
}
