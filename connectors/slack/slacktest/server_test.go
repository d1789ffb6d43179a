package slacktest

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
)

// A client library that Slack's users use gets along with it.
func TestClientLibrary(t *testing.T) {
	b := setup(t)
	api := slack.New(b.BotToken, slack.OptionAPIURL(b.API), slack.OptionAppLevelToken(b.AppToken))
	ctx, cancel := context.WithCancel(t.Context())
	me, err := api.AuthTestContext(ctx)
	if err != nil || me.UserID != b.BotUser || me.BotID != b.BotID {
		t.Fatalf("auth.test = %+v, %v", me, err)
	}
	sm := socketmode.New(api)
	ran := make(chan error, 1)
	go func() { ran <- sm.RunContext(ctx) }()
	heard := make(chan string, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case e := <-sm.Events:
				if e.Request != nil && e.Request.EnvelopeID != "" {
					_ = sm.Ack(*e.Request)
					heard <- string(e.Type)
				}
				if e.Type == socketmode.EventTypeHello {
					heard <- "hello"
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	expect := func(want string) {
		t.Helper()
		for {
			select {
			case got := <-heard:
				if got == want {
					return
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("no %s was heard", want)
			}
		}
	}
	expect("hello")
	_, ts, err := api.PostMessageContext(ctx, b.help, slack.MsgOptionText("hello", false), slack.MsgOptionBlocks(
		slack.NewSectionBlock(slack.NewTextBlockObject(slack.PlainTextType, "A card", false, false), nil, nil),
		slack.NewActionBlock("", slack.NewButtonBlockElement("take", "7", slack.NewTextBlockObject(slack.PlainTextType, "Take", false, false)))))
	if err != nil {
		t.Fatal(err)
	}
	expect("events_api")
	if err := b.ann.Press(b.help, ts, "take"); err != nil {
		t.Fatal(err)
	}
	expect("interactive")
	if err := b.ann.Command(b.help, "/mail queue"); err != nil {
		t.Fatal(err)
	}
	expect("slash_commands")
	if _, err := api.UploadFileContext(ctx, slack.UploadFileParameters{Filename: "a.txt", Reader: strings.NewReader("hello"), FileSize: 5, Channel: b.help, ThreadTimestamp: ts}); err != nil {
		t.Fatal(err)
	}
	if thread := b.ann.Thread(b.help, ts); len(thread) != 2 || len(thread[1].Files) != 1 || string(thread[1].Files[0].Data) != "hello" {
		t.Errorf("the thread is %+v", thread)
	}
	users, _, err := api.GetUsersInConversationContext(ctx, &slack.GetUsersInConversationParameters{ChannelID: b.help})
	if err != nil || len(users) != 4 {
		t.Errorf("members = %v, %v", users, err)
	}
	if _, err := api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: b.help}); err != nil {
		t.Error(err)
	}
	if all, err := api.GetUsersContext(ctx); err != nil || len(all) != 5 {
		t.Errorf("users = %d, %v", len(all), err)
	}
	if h, err := api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: b.help, IncludeAllMetadata: true}); err != nil || len(h.Messages) != 1 {
		t.Errorf("history = %+v, %v", h, err)
	}
	if got := b.Troubles(); len(got) != 0 {
		t.Errorf("troubles: %v", got)
	}
	if got := b.Mistakes(); len(got) != 0 {
		t.Errorf("mistakes: %v", got)
	}
	cancel()
	<-ended
	if err := <-ran; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestTokens(t *testing.T) {
	b := setup(t)
	form := "application/x-www-form-urlencoded"
	for _, c := range []struct{ what, name, kind, body, token, want string }{
		{"none", "auth.test", form, "", "", "not_authed"},
		{"unknown", "auth.test", form, "", "xoxb-1-2-3", "invalid_auth"},
		{"in a form", "auth.test", form, url.Values{"token": {b.BotToken}}.Encode(), "", ""},
		{"in JSON", "auth.test", "application/json", `{"token": "` + b.BotToken + `"}`, "", "not_authed"},
		{"the app's for the bot", "auth.test", form, "", b.AppToken, "not_allowed_token_type"},
		{"the bot's for the app", "apps.connections.open", form, "", b.BotToken, "not_allowed_token_type"},
		{"the app's in a form", "apps.connections.open", form, url.Values{"token": {b.AppToken}}.Encode(), "", "invalid_auth"},
		{"the app's in the header", "apps.connections.open", form, "", b.AppToken, ""},
		{"the bot's for manifests", "apps.manifest.validate", form, "", b.BotToken, "not_allowed_token_type"},
		{"unknown method", "chat.postMassage", form, "", b.BotToken, "unknown_method"},
		{"content type", "auth.test", "application/xml", "<a/>", b.BotToken, "invalid_post_type"},
		{"no content type", "auth.test", "", "a=b", b.BotToken, "missing_post_type"},
		{"broken JSON", "chat.postMessage", "application/json", "{", b.BotToken, "invalid_json"},
		{"a JSON list", "chat.postMessage", "application/json", "[]", b.BotToken, "json_not_object"},
		{"charset", "chat.postMessage", "application/json; charset=utf-16", "{}", b.BotToken, "invalid_charset"},
	} {
		o := b.raw(c.name, c.kind, c.body, c.token)
		if got, _ := o["error"].(string); got != c.want {
			t.Errorf("%s: %v, want %q", c.what, o, c.want)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.API+"users.info?user="+b.ann.ID+"&token="+b.BotToken, nil)
	if err != nil {
		t.Fatal(err)
	}
	if o := b.do(r); o["error"] != "invalid_auth" {
		t.Errorf("a token in the query: %v", o)
	}
	b.RevokeToken()
	b.no("token_revoked", "auth.test", js{})
	b.Uninstall()
	b.no("account_inactive", "auth.test", js{})
}

func TestScopes(t *testing.T) {
	b := setup(t, without("chat:write", "groups:history", "users:read.email"))
	o := b.post("chat.postMessage", js{"channel": b.help, "text": "x"})
	if o["error"] != "missing_scope" || o["needed"] != "chat:write" || !strings.Contains(o["provided"].(string), "users:read") {
		t.Errorf("without chat:write: %v", o)
	}
	b.no("missing_scope", "users.lookupByEmail", js{"email": "ann@example.org"})
	b.ok("conversations.history", js{"channel": b.help})
	if o := b.post("conversations.history", js{"channel": b.secret}); o["error"] != "missing_scope" || o["needed"] != "groups:history" {
		t.Errorf("a private channel's history: %v", o)
	}
	u := b.ok("users.info", js{"user": b.ann.ID})["user"].(js)
	if _, there := u["profile"].(js)["email"]; there {
		t.Error("the address is shown without its scope")
	}
}

func TestArguments(t *testing.T) {
	b := setup(t)
	for _, c := range []struct {
		name string
		args js
		want string
	}{
		{"chat.postMessage", js{"text": "x"}, "[ERROR] missing required field: channel"},
		{"chat.postMessage", js{"channel": b.help, "text": "x", "colour": "red"}, "[ERROR] invalid additional property: colour"},
		{"chat.postMessage", js{"channel": b.help, "text": js{"a": "b"}}, "[ERROR] must provide a string [json-pointer:/text]"},
		{"chat.postMessage", js{"channel": b.help, "text": "x", "unfurl_links": "maybe"}, "[ERROR] must be a boolean [json-pointer:/unfurl_links]"},
		{"conversations.replies", js{"channel": b.help, "ts": "1.000000", "limit": "5000"}, "[ERROR] must be less than or equal to 1000 [json-pointer:/limit]"},
		{"conversations.history", js{"channel": b.help, "limit": "many"}, "[ERROR] must be a valid number [json-pointer:/limit]"},
		{"files.getUploadURLExternal", js{"filename": "a", "length": "0"}, "[ERROR] must be greater than or equal to 1 [json-pointer:/length]"},
		{"users.info", js{}, "[ERROR] missing required field: user"},
	} {
		if got := b.no("invalid_arguments", c.name, c.args); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	// Slack's own clients tell every method the team.
	b.ok("chat.postMessage", js{"channel": b.help, "text": "x", "team_id": b.TeamID})
	b.ok("views.publish", js{"user_id": b.ann.ID, "team_id": b.TeamID, "view": js{"type": "home", "blocks": arr(section("x"))}})
	lenient := setup(t, func(c *Config) { c.LenientArguments = true })
	lenient.ok("chat.postMessage", js{"channel": lenient.help, "text": "x", "colour": "red"})
	// A method that takes no JSON sees nothing of it.
	if o := b.raw("users.info", "application/json", `{"user": "`+b.ann.ID+`"}`, b.BotToken); o["error"] != "invalid_arguments" {
		t.Errorf("users.info by JSON = %v", o)
	}
	if o := b.raw("chat.postMessage", "application/json", `{"channel": "`+b.help+`", "text": "x"}`, b.BotToken); o["warning"] != "missing_charset" {
		t.Errorf("JSON without a charset: %v", o)
	}
}
