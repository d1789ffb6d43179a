package slacktest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// shapes hold what is emitted against two pictures of what Slack sends: the schema of Slack's own types, in
// testdata/incoming.schema.json, and payloads recorded from Slack, in testdata/json-logs (values blanked).
// Where the pictures differ the recorded payload holds: the types leave out what apps rarely need.
type shapes struct {
	t        *testing.T
	compiler *jsonschema.Compiler
}

func newShapes(t *testing.T) *shapes {
	t.Helper()
	f, err := os.Open("testdata/incoming.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	schema, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	loosen(schema)
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", schema); err != nil {
		t.Fatal(err)
	}
	return &shapes{t, c}
}

// loosen lets the schema's objects hold more than it knows; which more, the recorded payloads say.
func loosen(v any) {
	switch v := v.(type) {
	case map[string]any:
		if v["additionalProperties"] == false {
			delete(v, "additionalProperties")
		}
		for _, each := range v {
			loosen(each)
		}
	case []any:
		for _, each := range v {
			loosen(each)
		}
	}
}

func (s *shapes) fits(what, definition string, v any) {
	s.t.Helper()
	schema, err := s.compiler.Compile("schema.json#/definitions/" + definition)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := schema.Validate(plainJSON(s.t, v)); err != nil {
		s.t.Errorf("%s does not fit %s: %v\n%s", what, definition, err, marshal(v))
	}
}

// known tells of every field that the recorded payload does not have; also says where more is allowed:
// what people put into blocks and the like is theirs.
func (s *shapes) known(what, recorded string, v any, also ...string) {
	s.t.Helper()
	data, err := os.ReadFile("testdata/json-logs/" + recorded + ".json")
	if err != nil {
		s.t.Fatal(err)
	}
	var picture any
	if err := json.Unmarshal(data, &picture); err != nil {
		s.t.Fatal(err)
	}
	s.compare(what, picture, plainJSON(s.t, v), also)
}

var open = []string{"blocks", "values", "metadata", "shares", "attachments", "confirm"}

func (s *shapes) compare(at string, picture, v any, also []string) {
	s.t.Helper()
	switch v := v.(type) {
	case map[string]any:
		p, ok := picture.(map[string]any)
		if !ok {
			s.t.Errorf("%s is an object, and was recorded as %T", at, picture)
			return
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if slices.Contains(open, key) {
				continue
			}
			next, known := p[key]
			if !known {
				if !slices.Contains(also, key) {
					s.t.Errorf("%s has %q, which Slack was never seen to send", at, key)
				}
				continue
			}
			s.compare(at+"/"+key, next, v[key], also)
		}
	case []any:
		p, ok := picture.([]any)
		if !ok {
			s.t.Errorf("%s is a list, and was recorded as %T", at, picture)
			return
		}
		for i, one := range v {
			if len(p) > 0 {
				s.compare(fmt.Sprintf("%s/%d", at, i), p[0], one, also)
			}
		}
	case nil:
	default:
		if fmt.Sprintf("%T", v) != fmt.Sprintf("%T", picture) {
			s.t.Errorf("%s is a %T, and was recorded as %T", at, v, picture)
		}
	}
}

// plainJSON is the value as it comes out of JSON.
func plainJSON(t *testing.T, v any) any {
	t.Helper()
	d, err := jsonschema.UnmarshalJSON(strings.NewReader(string(marshal(v))))
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(marshal(d), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestShapesOfEvents(t *testing.T) {
	b := setup(t, func(c *Config) { c.MessageReplied = true })
	sh := newShapes(t)
	a := b.connect(nil)

	ts, err := b.ann.Post(b.help, "", "hello <b> & @ben, see https://example.org/a?b=1&c=2 in #random :tada:")
	if err != nil {
		t.Fatal(err)
	}
	e, p := a.event("message")
	sh.fits("a message", "InMessage", e)
	sh.known("a message", "MessagePayload", p, "context_team_id", "context_enterprise_id")
	if want := "hello &lt;b&gt; &amp; <@" + b.ben.ID + ">, see <https://example.org/a?b=1&amp;c=2> in <#" + b.outside + "|random> :tada:"; e["text"] != want {
		t.Errorf("the text is %q, want %q", e["text"], want)
	}

	card := b.ok("chat.postMessage", js{"channel": b.help, "text": "card", "blocks": arr(section("A card"), js{"type": "actions", "elements": arr(button("take", "Take", "7"))}),
		"metadata": js{"event_type": "card", "event_payload": js{"key": "k"}}})
	e, p = a.event("message")
	sh.fits("the bot's own message", "InMessage", e)
	sh.known("the bot's own message", "MessagePayload", p, "context_team_id", "context_enterprise_id", "app_id")
	if e["subtype"] != nil || e["bot_id"] != b.BotID || e["user"] != b.BotUser || e["channel_type"] != "channel" {
		t.Errorf("the bot's own message is %v", e)
	}
	if m := e["metadata"].(js); m["event_type"] != "card" || m["event_payload"] != nil {
		t.Errorf("the metadata in an event is %v", m)
	}

	reply, err := b.ben.Post(b.help, card["ts"].(string), "a reply")
	if err != nil {
		t.Fatal(err)
	}
	e, p = a.event("message")
	sh.fits("a reply", "InMessage", e)
	sh.known("a reply", "MessagePayload", p, "context_team_id", "context_enterprise_id")
	if e["thread_ts"] != card["ts"] || e["parent_user_id"] != b.BotUser {
		t.Errorf("the reply is %v", e)
	}
	if e, _ = a.event("message"); e["hidden"] != true || e["subtype"] != nil || e["message"].(js)["reply_count"] != 1.0 {
		t.Errorf("message_replied is %v", e)
	}

	if err := b.ben.Edit(b.help, reply, "another reply"); err != nil {
		t.Fatal(err)
	}
	e, p = a.event("message")
	sh.fits("an edit", "InChanged", withChannel(e))
	sh.known("an edit", "MessageChangedPayload", p, "context_team_id", "context_enterprise_id")
	if e["message"].(js)["text"] != "another reply" || e["previous_message"].(js)["text"] != "a reply" || e["message"].(js)["edited"].(js)["user"] != b.ben.ID {
		t.Errorf("the edit is %v", e)
	}

	if err := b.ben.Delete(b.help, reply); err != nil {
		t.Fatal(err)
	}
	e, p = a.event("message")
	sh.fits("a deletion", "InDeleted", withChannel(e))
	sh.known("a deletion", "MessageDeletedPayload", p, "context_team_id", "context_enterprise_id")
	if e["deleted_ts"] != reply {
		t.Errorf("the deletion is %v", e)
	}

	if _, err := b.ann.Broadcast(b.help, ts, "for all to see"); err != nil {
		t.Fatal(err)
	}
	e, p = a.event("message")
	sh.known("a broadcast", "MessageThreadBroadcastPayload", p, "context_team_id", "context_enterprise_id", "parent_user_id", "team", "reply_users")
	root := e["root"].(js)
	for k, v := range (js{"channel": "", "channel_type": "channel", "event_ts": ""}) { // the types want them in the root, too
		root[k] = v
	}
	sh.fits("a broadcast", "InBroadcast", e)
	a.event("message") // message_replied

	if _, err := b.ann.Post(b.help, ts, "with a file", Upload{Name: "plan für Ann.pdf", Data: []byte("%PDF-1.4")}); err != nil {
		t.Fatal(err)
	}
	e, p = a.event("message")
	sh.known("a file", "MessageFileSharePayload", p, "context_team_id", "context_enterprise_id", "user_team", "ims", "channels", "groups")
	file := e["files"].([]any)[0].(js)
	delete(file, "comments_count") // a string in the types, a number on the wire
	sh.fits("a file", "InFileShare", e)
	e, p = a.event("file_shared")
	sh.fits("file_shared", "InFileShared", e)
	sh.known("file_shared", "FileSharedPayload", p)

	if err := b.ann.OpenHome(); err != nil {
		t.Fatal(err)
	}
	e, p = a.event("app_home_opened")
	sh.fits("an empty home", "InHome", e)
	sh.known("an empty home", "AppHomeOpenedPayload", p, "context_team_id", "context_enterprise_id")
	b.ok("views.publish", js{"user_id": b.ann.ID, "view": js{"type": "home", "blocks": arr(section("Yours"))}})
	if err := b.ann.OpenHome(); err != nil {
		t.Fatal(err)
	}
	e, p = a.event("app_home_opened")
	sh.fits("a home", "InHome", e)
	sh.known("a home", "AppHomeOpenedPayload", p, "context_team_id", "context_enterprise_id")

	b.Uninstall()
	_, p = a.event("app_uninstalled")
	sh.known("app_uninstalled", "AppUninstalledPayload", p, "context_team_id", "context_enterprise_id", "event_ts")
	e, p = a.event("tokens_revoked")
	sh.known("tokens_revoked", "TokensRevokedPayload", p, "context_team_id", "context_enterprise_id", "event_ts")
	if bots := e["tokens"].(js)["bot"].([]any); len(bots) != 1 || bots[0] != b.BotUser {
		t.Errorf("tokens_revoked is %v", e)
	}
}

// withoutNull is a payload less what must be null in it: the types have such fields as an object or not at all.
func withoutNull(t *testing.T, p map[string]any, null ...string) map[string]any {
	t.Helper()
	o := maps.Clone(p)
	for _, key := range null {
		if v, given := o[key]; !given || v != nil {
			t.Errorf("%s is %v, want null", key, v)
		}
		delete(o, key)
	}
	return o
}

// withChannel adds to the messages inside what the types demand of them and Slack does not send.
func withChannel(e map[string]any) map[string]any {
	o := maps.Clone(e)
	for _, key := range []string{"message", "previous_message"} {
		if inner, ok := e[key].(js); ok {
			inner = maps.Clone(inner)
			inner["channel"], inner["channel_type"], inner["event_ts"] = e["channel"], e["channel_type"], e["event_ts"]
			o[key] = inner
		}
	}
	return o
}

func TestShapesOfInteractions(t *testing.T) {
	b := setup(t)
	sh := newShapes(t)
	a := b.connect(nil)
	card := b.ok("chat.postMessage", js{"channel": b.help, "text": "card", "blocks": arr(section("A card"), js{"type": "actions", "elements": arr(
		js{"type": "button", "action_id": "take", "text": text("Take"), "value": "7", "style": "primary"},
		js{"type": "overflow", "action_id": "more", "options": arr(js{"text": text("Read"), "value": "read"}, js{"text": text("Spam"), "value": "spam"})})})})["ts"].(string)
	if err := b.ann.Press(b.help, card, "take"); err != nil {
		t.Fatal(err)
	}
	p := a.payload("interactive")
	sh.fits("a press", "InBlockAction", withoutNull(t, p, "enterprise"))
	sh.known("a press", "BlockActionPayload", p, "app_id")
	if got := p["actions"].([]any)[0].(js); got["action_id"] != "take" || got["value"] != "7" || p["channel"].(js)["name"] != "help-desk" || p["message"].(js)["ts"] != card {
		t.Errorf("the press is %v", p)
	}
	if err := b.ann.Choose(b.help, card, "more", "spam"); err != nil {
		t.Fatal(err)
	}
	p = a.payload("interactive")
	sh.known("a choice", "BlockActionPayload", p, "app_id")
	if got := p["actions"].([]any)[0].(js); got["type"] != "overflow" || got["selected_option"].(js)["value"] != "spam" || got["text"] != nil {
		t.Errorf("the choice is %v", got)
	}

	trigger := p["trigger_id"].(string)
	modal := js{"type": "modal", "callback_id": "reply", "title": text("Reply"), "submit": text("Send"), "notify_on_close": true, "private_metadata": "m",
		"blocks": arr(js{"type": "input", "block_id": "text", "label": text("Text"), "element": js{"type": "plain_text_input", "action_id": "text", "multiline": true}})}
	b.ok("views.open", js{"trigger_id": trigger, "view": modal})
	if err := b.ann.Submit(map[string]string{"text": "Dear Maria"}); err != nil {
		t.Fatal(err)
	}
	p = a.payload("interactive")
	sh.fits("a submission", "InViewSubmit", withoutNull(t, p, "enterprise"))
	sh.known("a submission", "ViewSubmissionPayload", p, "response_urls")
	values := p["view"].(js)["state"].(js)["values"].(js)
	if values["text"].(js)["text"].(js)["value"] != "Dear Maria" {
		t.Errorf("the values are %v", values)
	}
	if _, open := b.ann.View(); open {
		t.Error("the modal is still open")
	}
	if err := b.ann.Press(b.help, card, "take"); err != nil {
		t.Fatal(err)
	}
	b.ok("views.open", js{"trigger_id": a.payload("interactive")["trigger_id"], "view": modal})
	if err := b.ann.CloseView(false); err != nil {
		t.Fatal(err)
	}
	p = a.payload("interactive")
	sh.fits("a closing", "InViewClosed", withoutNull(t, p, "enterprise"))
	sh.known("a closing", "ViewClosedPayload", p)

	if err := b.ann.Shortcut(b.help, card, "send_to_customer"); err != nil {
		t.Fatal(err)
	}
	p = a.payload("interactive")
	want := []string{"action_ts", "callback_id", "channel", "enterprise", "is_enterprise_install", "message", "message_ts", "response_url", "team", "token", "trigger_id", "type", "user"}
	if got := slices.Sorted(maps.Keys(p)); !slices.Equal(got, want) || !strings.HasPrefix(p["response_url"].(string), b.URL+"/app/") {
		t.Errorf("the shortcut has %v and answers at %v; want %v", got, p["response_url"], want)
	}

	if err := b.ann.Command(b.secret, "/mail ask @ben about #random"); err != nil {
		t.Fatal(err)
	}
	p = a.payload("slash_commands")
	sh.fits("a command", "InSlash", p)
	delete(p, "is_enterprise_install") // a string on the wire
	sh.known("a command", "SlashCommandPayload", p)
	if p["command"] != "/mail" || p["text"] != "ask <@"+b.ben.ID+"|ben> about <#"+b.outside+"|random>" || p["channel_name"] != "privategroup" {
		t.Errorf("the command is %v", p)
	}
	if got := b.Troubles(); len(got) != 0 {
		t.Errorf("troubles: %v", got)
	}

	sh.known("users.info", "users.info", b.ok("users.info", js{"user": b.ann.ID}), "fields")
	sh.known("auth.test", "auth.test", b.ok("auth.test", js{}))
}
