package slacktest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// eventually waits until it holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not: %s", what)
		}
	}
}

func TestSignature(t *testing.T) {
	data, err := os.ReadFile("testdata/signature-v0.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Secret    string `json:"signing_secret"`
		Timestamp string
		Body      string
		Signature string
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	if got := Sign(v.Secret, v.Timestamp, []byte(v.Body)); got != v.Signature {
		t.Errorf("%s, want %s", got, v.Signature)
	}
}

func TestRetriesOverSockets(t *testing.T) {
	clock := NewClock()
	clock.Stop()
	b := setup(t, func(c *Config) { c.Clock = clock })
	b.mu.Lock()
	b.limits.off = true
	b.mu.Unlock()
	var mu sync.Mutex
	refuse := 2
	a := b.connect(func(map[string]any) (any, bool) {
		mu.Lock()
		defer mu.Unlock()
		refuse--
		return nil, refuse < 0
	})
	if _, err := b.ann.Post(b.help, "", "hello"); err != nil {
		t.Fatal(err)
	}
	first := a.next()
	if first["retry_attempt"] != 0.0 || first["accepts_response_payload"] != false {
		t.Errorf("the first attempt is %v", first)
	}
	clock.Advance(ackWithin)
	second := a.next()
	if second["retry_attempt"] != 1.0 || second["retry_reason"] != "timeout" || second["envelope_id"] == first["envelope_id"] ||
		second["payload"].(js)["event_id"] != first["payload"].(js)["event_id"] {
		t.Errorf("the second attempt is %v", second)
	}
	clock.Advance(ackWithin)
	var third js
	go func() { // the pause of a minute begins some time after the advance
		for range 200 {
			clock.Advance(time.Second)
			time.Sleep(time.Millisecond)
		}
	}()
	if third = a.next(); third["retry_attempt"] != 2.0 {
		t.Errorf("the third attempt is %v", third)
	}
	eventually(t, "acknowledged", func() bool { mu.Lock(); defer mu.Unlock(); return refuse == -1 })
	time.Sleep(300 * time.Millisecond)
	if got := b.Troubles(); len(got) != 0 {
		t.Errorf("troubles: %v", got)
	}
}

func TestSockets(t *testing.T) {
	b := setup(t)
	open := func() string {
		t.Helper()
		return b.raw("apps.connections.open", "application/x-www-form-urlencoded", "", b.AppToken)["url"].(string)
	}
	dial := func(url string) (*websocket.Conn, int) {
		ws, resp, err := websocket.DefaultDialer.DialContext(t.Context(), url, http.Header{"Origin": {"https://api.slack.com"}})
		if resp != nil {
			_ = resp.Body.Close()
		}
		if err != nil {
			return nil, resp.StatusCode
		}
		t.Cleanup(func() { _ = ws.Close() })
		return ws, resp.StatusCode
	}
	read := func(ws *websocket.Conn) js {
		t.Helper()
		var m js
		_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
		if err := ws.ReadJSON(&m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	u := open()
	ws, _ := dial(u + "&debug_reconnects=true")
	hello := read(ws)
	if hello["type"] != "hello" || hello["num_connections"] != 1.0 || hello["connection_info"].(js)["app_id"] != b.AppID || hello["debug_info"].(js)["approximate_connection_time"] != 360.0 {
		t.Errorf("hello is %v", hello)
	}
	if _, status := dial(u); status != http.StatusNotFound {
		t.Errorf("a ticket used twice: %d", status)
	}
	stale := open()
	b.Clock.Advance(time.Minute)
	if _, status := dial(stale); status != http.StatusNotFound {
		t.Errorf("an old ticket: %d", status)
	}
	b.Clock.Advance(5*time.Minute - 5*time.Second)
	if m := read(ws); m["type"] != "disconnect" || m["reason"] != "warning" {
		t.Errorf("before the end: %v", m)
	}
	b.Clock.Advance(10 * time.Second)
	if m := read(ws); m["reason"] != "refresh_requested" {
		t.Errorf("at the end: %v", m)
	}
	if _, _, err := ws.ReadMessage(); err == nil {
		t.Error("the connection is still open")
	}
	eventually(t, "no connection", func() bool { return b.Connections() == 0 })

	var all []*websocket.Conn
	for i := range maxSockets {
		ws, _ := dial(open())
		if m := read(ws); m["num_connections"] != float64(i+1) {
			t.Errorf("hello is %v", m)
		}
		all = append(all, ws)
	}
	extra, _ := dial(open())
	if m := read(extra); m["reason"] != "too_many_websockets" {
		t.Errorf("the eleventh: %v", m)
	}
	// Any of them gets a payload.
	got := make(chan int, 100)
	for i, ws := range all {
		_ = ws.SetReadDeadline(time.Time{})
		go func() {
			for {
				var m js
				if ws.ReadJSON(&m) != nil {
					return
				}
				if m["envelope_id"] != nil {
					got <- i
					_ = ws.WriteJSON(js{"envelope_id": m["envelope_id"], "payload": js{"text": "not accepted"}})
					_ = ws.WriteJSON(js{"envelope_id": m["envelope_id"]})
				}
			}
		}()
	}
	used := map[int]bool{}
	for range 10 {
		if _, err := b.ann.Post(b.help, "", "x"); err != nil {
			t.Fatal(err)
		}
		used[<-got] = true
	}
	if len(used) < 2 {
		t.Errorf("only %d connections were used", len(used))
	}
	eventually(t, "mistakes to be noted", func() bool { return len(b.Mistakes()) >= 20 })
	if m := strings.Join(b.Mistakes(), "\n"); !strings.Contains(m, "accepts no payload") || !strings.Contains(m, "twice") {
		t.Errorf("mistakes: %s", m)
	}
	b.Disconnect("link_disabled")
	eventually(t, "no connection", func() bool { return b.Connections() == 0 })
}

func TestNobodyListens(t *testing.T) {
	b := setup(t)
	card := b.ok("chat.postMessage", js{"channel": b.help, "text": "x", "blocks": arr(actions(button("a", "A", "")))})["ts"].(string)
	if err := b.ann.Press(b.help, card, "a"); err == nil {
		t.Error("the press succeeded")
	}
	if err := b.ann.Command(b.help, "/mail"); err == nil || !strings.Contains(err.Error(), "dispatch_failed") {
		t.Errorf("the command: %v", err)
	}
	if got := b.Troubles(); len(got) != 2 || got[0].User != b.ann.ID {
		t.Errorf("troubles: %v", got)
	}
	if err := b.ann.CommandInThread(b.help, card, "/mail"); err == nil {
		t.Error("a command in a thread")
	}
	if err := b.ann.Command(b.help, "/nosuch"); err == nil {
		t.Error("an unknown command")
	}
	// What was said meanwhile is delivered once somebody listens.
	if _, err := b.ann.Post(b.help, "", "is anybody there?"); err != nil {
		t.Fatal(err)
	}
	a := b.connect(nil)
	eventually(t, "the words of before to be heard", func() bool {
		b.Clock.Advance(10 * time.Second) // the pause before the retry begins at some time
		select {
		case m := <-a.heard:
			p, _ := m["payload"].(js)
			e, _ := p["event"].(js)
			return e["text"] == "is anybody there?"
		default:
			return false
		}
	})
}

func TestDuplicates(t *testing.T) {
	b := setup(t)
	a := b.connect(nil)
	b.Tamper(func(t *Tamper) { t.Duplicate = 1 })
	if _, err := b.ann.Post(b.help, "", "hello"); err != nil {
		t.Fatal(err)
	}
	_, one := a.event("message")
	_, two := a.event("message")
	if one["event_id"] != two["event_id"] {
		t.Errorf("the duplicate is %v", two)
	}
	b.Redeliver(b.Events()[0])
	if _, three := a.event("message"); three["event_id"] != one["event_id"] {
		t.Errorf("the redelivery is %v", three)
	}
}

// Only what was subscribed to, with its scope, from where the bot is.
func TestSubscriptions(t *testing.T) {
	b := setup(t, without("app_mentions:read"), func(c *Config) {
		c.Manifest = []byte(strings.Replace(strings.Replace(string(c.Manifest), `, "app_mentions:read"`, "", 1), `"message.groups", `, "", 1))
	})
	a := b.connect(nil)
	say := func(p *Person, channel, text string) {
		t.Helper()
		if _, err := p.Post(channel, "", text); err != nil {
			t.Fatal(err)
		}
	}
	say(b.ann, b.secret, "not subscribed")
	say(b.ann, b.outside, "not there")
	say(b.ann, b.help, "@groupmail hello") // no scope for app_mention
	say(b.ann, b.ann.Direct(), "direct")
	if err := b.ann.Kick(b.help, b.BotUser); err != nil {
		t.Fatal(err)
	}
	say(b.ann, b.help, "gone")
	if err := b.ann.Invite(b.help, b.BotUser); err != nil {
		t.Fatal(err)
	}
	var got []string
	for len(got) < 5 {
		m := a.next()
		e := m["payload"].(js)["event"].(js)
		word, _ := e["text"].(string)
		if word == "" {
			word, _ = e["user"].(string)
		}
		got = append(got, e["type"].(string)+" "+strings.ReplaceAll(strings.ReplaceAll(word, b.BotUser, "BOT"), b.ann.ID, "ANN"))
	}
	want := []string{"message <@BOT> hello", "message direct", "channel_left ", "message <@BOT> has joined the channel", "member_joined_channel BOT"}
	if !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

func TestModals(t *testing.T) {
	clock := NewClock()
	b := setup(t, func(c *Config) { c.Clock = clock })
	var answer any
	var mu sync.Mutex
	say := func(v any) { mu.Lock(); answer = v; mu.Unlock() }
	a := b.connect(func(m map[string]any) (any, bool) {
		mu.Lock()
		defer mu.Unlock()
		if m["accepts_response_payload"] == true {
			return answer, true
		}
		return nil, true
	})
	card := b.ok("chat.postMessage", js{"channel": b.help, "text": "x", "blocks": arr(actions(button("a", "A", "")))})["ts"].(string)
	trigger := func() string {
		t.Helper()
		if err := b.ann.Press(b.help, card, "a"); err != nil {
			t.Fatal(err)
		}
		for {
			if p := a.payload("interactive"); p["type"] == "block_actions" {
				return p["trigger_id"].(string)
			}
		}
	}
	field := func(id, label, initial string, optional bool) js {
		return js{"type": "input", "block_id": id, "optional": optional, "label": text(label), "element": js{"type": "plain_text_input", "action_id": id, "initial_value": initial, "max_length": 20}}
	}
	modal := js{"type": "modal", "title": text("Reply"), "submit": text("Send"), "close": text("Cancel"), "external_id": "ext-1", "private_metadata": "m",
		"blocks": arr(section("To maria"), field("text", "Text", "Dear", false), field("subject", "Subject", "", true),
			js{"type": "actions", "block_id": "b", "elements": arr(button("more", "More", "1"))})}

	b.no("invalid_trigger_id", "views.open", js{"trigger_id": "1.2.3", "view": modal})
	if got := b.no("invalid_arguments", "views.open", js{"trigger_id": "1.2.3", "view": js{"type": "modal"}}); !strings.Contains(got, "[ERROR] missing required field: title [json-pointer:/view]") {
		t.Errorf("an incomplete view: %q", got)
	}
	late := trigger()
	clock.Advance(4 * time.Second)
	b.no("expired_trigger_id", "views.open", js{"trigger_id": late, "view": modal})
	b.no("view_too_large", "views.open", js{"trigger_id": late, "view": with1(modal, "blocks", many(90, section(long(2900))))})
	once := trigger()
	v := b.ok("views.open", js{"trigger_id": once, "view": modal})["view"].(js)
	b.no("exchanged_trigger_id", "views.open", js{"trigger_id": once, "view": with1(modal, "external_id", "ext-2")})
	b.no("duplicate_external_id", "views.open", js{"trigger_id": trigger(), "view": modal})

	if got, ok := b.ann.View(); !ok || got.Title != "Reply" || got.Submit != "Send" || len(got.Controls) != 3 || got.Controls[0].Value != "Dear" || !strings.Contains(got.Text, "To maria") {
		t.Errorf("Ann sees %+v", got)
	}
	if _, ok := b.ben.View(); ok {
		t.Error("Ben sees it, too")
	}
	// What was typed outlives an update that keeps the ids.
	if err := b.ann.Fill("text", "Dear Maria"); err != nil {
		t.Fatal(err)
	}
	b.no("hash_conflict", "views.update", js{"view_id": v["id"], "hash": "1.abc", "view": modal})
	b.no("not_found", "views.update", js{"view_id": "V0NOTHERE", "view": modal})
	updated := b.ok("views.update", js{"external_id": "ext-1", "hash": v["hash"], "view": with1(modal, "title", text("Reply again"))})["view"].(js)
	if updated["hash"] == v["hash"] || updated["state"].(js)["values"].(js)["text"].(js)["text"].(js)["value"] != "Dear Maria" {
		t.Errorf("updated: %v", updated)
	}
	// Stacks are three deep at most.
	if err := b.ann.PressIn("more", ""); err != nil {
		t.Fatal(err)
	}
	push := a.payload("interactive")["trigger_id"]
	second := b.ok("views.push", js{"trigger_id": push, "view": with1(modal, "external_id", "ext-2")})["view"].(js)
	if second["root_view_id"] != v["id"] || second["previous_view_id"] != v["id"] {
		t.Errorf("pushed: %v", second)
	}
	for i, want := range []string{"", "push_limit_reached"} {
		if err := b.ann.PressIn("more", ""); err != nil {
			t.Fatal(err)
		}
		args := js{"trigger_id": a.payload("interactive")["trigger_id"], "view": with1(modal, "external_id", "ext-"+strconv.Itoa(3+i))}
		if want == "" {
			b.ok("views.push", args)
		} else {
			b.no(want, "views.push", args)
		}
	}
	b.no("not_found", "views.push", js{"trigger_id": trigger(), "view": with1(modal, "external_id", "ext-9")})
	for range 2 {
		if err := b.ann.CloseView(false); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := b.ann.View(); got.Title != "Reply again" || got.Depth != 1 {
		t.Errorf("beneath lies %+v", got)
	}

	// The client's own checks, then what the app says to a submission.
	for _, wrong := range []map[string]string{{"text": ""}, {"text": long(21)}, {"nosuch": "x"}} {
		if err := b.ann.Submit(wrong); err == nil {
			t.Errorf("%v was submitted", wrong)
		}
	}
	say(js{"response_action": "errors", "errors": js{"text": "a wrong word"}})
	if err := b.ann.Submit(map[string]string{"text": "wrong"}); err != nil {
		t.Fatal(err)
	}
	if got, ok := b.ann.View(); !ok || got.Errors["text"] != "a wrong word" || got.Controls[0].Error != "a wrong word" || got.Controls[0].Value != "wrong" {
		t.Errorf("with an error: %+v", got)
	}
	for _, bad := range []any{js{"response_action": "errors", "errors": js{"nosuch": "x"}}, js{"response_action": "close"}, js{"response_action": "update"}, js{"text": "thanks"},
		js{"response_action": "update", "view": js{"type": "modal"}}} {
		before := len(b.Troubles())
		say(bad)
		if err := b.ann.Submit(nil); err == nil || len(b.Troubles()) != before+1 {
			t.Errorf("the answer %v was taken: %v", bad, err)
		}
	}
	say(js{"response_action": "update", "view": with1(modal, "title", text("A newer mail"))})
	if err := b.ann.Submit(map[string]string{"text": "right"}); err != nil {
		t.Fatal(err)
	}
	if got, _ := b.ann.View(); got.Title != "A newer mail" || got.Controls[0].Value != "right" || len(got.Errors) != 0 {
		t.Errorf("updated: %+v", got)
	}
	say(js{"response_action": "push", "view": with1(modal, "external_id", "ext-8")})
	if err := b.ann.Submit(nil); err != nil {
		t.Fatal(err)
	}
	if got, _ := b.ann.View(); got.Depth != 2 {
		t.Errorf("pushed: %+v", got)
	}
	say(js{"response_action": "clear"})
	if err := b.ann.Submit(map[string]string{"text": "x"}); err != nil {
		t.Fatal(err)
	}
	if got, ok := b.ann.View(); ok {
		t.Errorf("still open: %+v", got)
	}
}

func TestHome(t *testing.T) {
	b := setup(t)
	home := js{"type": "home", "blocks": arr(section("Yours"), actions(button("a", "A", "")))}
	v := b.ok("views.publish", js{"user_id": b.ann.ID, "view": home})["view"].(js)
	b.no("hash_conflict", "views.publish", js{"user_id": b.ann.ID, "view": home, "hash": "1.2"})
	b.ok("views.publish", js{"user_id": b.ann.ID, "view": home, "hash": v["hash"]})
	b.no("invalid_arguments", "views.publish", js{"user_id": "U0NOTHERE00", "view": home})
	b.no("invalid_arguments", "views.publish", js{"user_id": b.ann.ID, "view": js{"type": "modal", "title": text("x"), "blocks": arr(section("x"))}})
	if got, ok := b.ann.Home(); !ok || got.Text != "Yours" {
		t.Errorf("Ann's home is %+v", got)
	}
	a := b.connect(nil)
	if err := b.ann.PressHome("a", ""); err != nil {
		t.Fatal(err)
	}
	if p := a.payload("interactive"); p["container"].(js)["type"] != "view" || p["view"].(js)["type"] != "home" || p["channel"] != nil {
		t.Errorf("the press at home is %v", p)
	}
	off := setup(t, func(c *Config) {
		c.Manifest = []byte(strings.Replace(DefaultManifest, `"home_tab_enabled": true`, `"home_tab_enabled": false`, 1))
	})
	off.no("not_enabled", "views.publish", js{"user_id": off.ann.ID, "view": home})
}

func TestResponseURL(t *testing.T) {
	clock := NewClock()
	b := setup(t, func(c *Config) { c.Clock = clock })
	a := b.connect(nil)
	card := b.ok("chat.postMessage", js{"channel": b.help, "text": "x", "blocks": arr(actions(button("a", "A", "")))})["ts"].(string)
	press := func() string {
		t.Helper()
		if err := b.ann.Press(b.help, card, "a"); err != nil {
			t.Fatal(err)
		}
		return a.payload("interactive")["response_url"].(string)
	}
	send := func(url string, v any) js {
		t.Helper()
		r, err := newRequest(t, url, string(marshal(v)), "")
		if err != nil {
			t.Fatal(err)
		}
		return b.do(r)
	}
	u := press()
	if o := send(u, js{"text": "only you"}); o["body"] != "ok" {
		t.Errorf("the answer is %v", o)
	}
	whisper := b.ann.Messages(b.help)[1]
	if !whisper.Ephemeral || whisper.Text != "only you" || len(b.ben.Messages(b.help)) != 1 {
		t.Errorf("the whisper is %+v", whisper)
	}
	send(u, js{"text": "all of you", "response_type": "in_channel", "replace_original": false})
	send(u, js{"text": "in the thread", "thread_ts": card, "replace_original": false, "response_type": "in_channel"})
	if n := len(b.ben.Thread(b.help, card)); n != 2 || len(b.ben.Messages(b.help)) != 2 {
		t.Errorf("the thread has %d messages", n)
	}
	send(u, js{"replace_original": true, "text": "replaced", "blocks": arr(section("replaced"), actions(button("a", "A", "")))})
	if m, _ := b.ben.See(b.help, card); m.Text != "replaced" {
		t.Errorf("the original is %+v", m)
	}
	if o := send(u, js{"text": ""}); o["error"] != "no_text" {
		t.Errorf("nothing: %v", o)
	}
	if o := send(u, js{"text": "a sixth"}); o["error"] != "used_url" || o["status"] != 404 {
		t.Errorf("the sixth use: %v", o)
	}
	u = press()
	if o := send(u, js{"text": "x", "blocks": arr(section(""))}); o["error"] != "invalid_blocks" {
		t.Errorf("wrong blocks: %v", o)
	}
	if o := send(u, js{"text": "x", "colour": "red"}); o["error"] != "invalid_arguments" {
		t.Errorf("unknown fields: %v", o)
	}
	clock.Advance(31 * time.Minute)
	if o := send(u, js{"text": "late"}); o["error"] != "expired_url" {
		t.Errorf("late: %v", o)
	}
	u = press()
	send(u, js{"delete_original": true})
	if _, ok := b.ann.See(b.help, card); ok {
		if m, _ := b.ann.See(b.help, card); !m.Deleted {
			t.Error("the original is still there")
		}
	}
}

func TestCommandAnswers(t *testing.T) {
	b := setup(t)
	var answer any
	b.connect(func(map[string]any) (any, bool) { return answer, true })
	answer = js{"text": "four wait", "blocks": arr(section("four wait"))}
	if err := b.ann.Command(b.outside, "/mail queue"); err != nil {
		t.Fatal(err)
	}
	if m := b.ann.Messages(b.outside); len(m) != 1 || !m[0].Ephemeral || m[0].Text != "four wait" {
		t.Errorf("Ann sees %+v", m)
	}
	answer = js{"text": "hear", "response_type": "in_channel"}
	if err := b.ann.Command(b.outside, "/mail"); err != nil {
		t.Fatal(err)
	}
	if m := b.ben.Messages(b.outside); len(m) != 1 || m[0].Text != "hear" {
		t.Errorf("Ben sees %+v", m)
	}
	answer = js{"text": "x", "blocks": arr(section(""))}
	if err := b.ann.Command(b.outside, "/mail"); err == nil {
		t.Error("wrong blocks were taken")
	}
}

// Over request URLs everything is signed, and tried again unless the app says no.
func TestHTTPMode(t *testing.T) {
	clock := NewClock()
	type hit struct {
		path, kind, body string
		header           http.Header
	}
	var mu sync.Mutex
	var hits []hit
	status := http.StatusOK
	reply := func(hit) string { return "" }
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		h := hit{r.URL.Path, r.Header.Get("Content-Type"), string(body), r.Header}
		hits = append(hits, h)
		code, say := status, reply(h)
		mu.Unlock()
		if code == http.StatusTeapot {
			w.Header().Set("X-Slack-No-Retry", "1")
			code = http.StatusInternalServerError
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, say)
	}))
	defer app.Close()
	manifest := strings.NewReplacer(`"socket_mode_enabled": true`, `"socket_mode_enabled": false`, `"bot_events"`, `"request_url": "`+app.URL+`/events", "bot_events"`,
		`"is_enabled": true`, `"is_enabled": true, "request_url": "`+app.URL+`/press"`, `"command": "/mail"`, `"command": "/mail", "url": "`+app.URL+`/command"`).Replace(DefaultManifest)
	b := setup(t, func(c *Config) { c.Manifest, c.Clock = []byte(manifest), clock })
	set := func(code int, say func(hit) string) {
		mu.Lock()
		defer mu.Unlock()
		status, hits = code, nil
		if say == nil {
			say = func(hit) string { return "" }
		}
		reply = say
	}
	got := func(n int) []hit {
		t.Helper()
		eventually(t, "requests", func() bool { mu.Lock(); defer mu.Unlock(); return len(hits) >= n })
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(hits)
	}
	check := func(h hit) {
		t.Helper()
		stamp := h.header.Get("X-Slack-Request-Timestamp")
		if h.header.Get("X-Slack-Signature") != Sign(b.SigningSecret, stamp, []byte(h.body)) {
			t.Errorf("the signature of %+v is wrong", h)
		}
	}

	if err := b.VerifyURL(); err == nil {
		t.Error("a URL that does not know the challenge was verified")
	}
	set(http.StatusOK, func(h hit) string {
		var c struct{ Challenge string }
		_ = json.Unmarshal([]byte(h.body), &c)
		return c.Challenge
	})
	if err := b.VerifyURL(); err != nil {
		t.Error(err)
	}

	set(http.StatusOK, nil)
	card := b.ok("chat.postMessage", js{"channel": b.help, "text": "x", "blocks": arr(actions(button("a", "A", "")))})["ts"].(string)
	h := got(1)[0]
	check(h)
	var p js
	if err := json.Unmarshal([]byte(h.body), &p); err != nil || h.path != "/events" || h.kind != "application/json" || p["type"] != "event_callback" {
		t.Errorf("the event is %+v", h)
	}
	set(http.StatusOK, nil)
	if err := b.ann.Press(b.help, card, "a"); err != nil {
		t.Fatal(err)
	}
	h = got(1)[0]
	check(h)
	form, err := url.ParseQuery(h.body)
	if err != nil || h.path != "/press" || json.Unmarshal([]byte(form.Get("payload")), &p) != nil || p["type"] != "block_actions" {
		t.Errorf("the press is %+v", h)
	}
	set(http.StatusOK, func(hit) string { return "four wait" })
	if err := b.ann.Command(b.help, "/mail queue"); err != nil {
		t.Fatal(err)
	}
	h = got(1)[0]
	check(h)
	if form, _ := url.ParseQuery(h.body); form.Get("command") != "/mail" || form.Get("text") != "queue" || form.Get("response_url") == "" {
		t.Errorf("the command is %+v", h)
	}
	if m := b.ann.Messages(b.help); m[len(m)-1].Text != "four wait" {
		t.Errorf("the answer is %+v", m[len(m)-1])
	}

	set(http.StatusInternalServerError, nil)
	if _, err := b.ann.Post(b.help, "", "hello"); err != nil {
		t.Fatal(err)
	}
	all := got(2)
	if all[0].header.Get("X-Slack-Retry-Num") != "" || all[1].header.Get("X-Slack-Retry-Num") != "1" || all[1].header.Get("X-Slack-Retry-Reason") != "http_error" {
		t.Errorf("the retry is %v", all[1].header)
	}
	// The pauses of a minute and of five begin some time after the attempts.
	eventually(t, "given up", func() bool {
		time.Sleep(50 * time.Millisecond) // an attempt that is under way is not to run into its three seconds
		clock.Advance(30 * time.Second)
		return len(b.Troubles()) == 1
	})
	if n := len(got(4)); n != 4 {
		t.Errorf("%d attempts", n)
	}

	set(http.StatusTeapot, nil)
	if _, err := b.ann.Post(b.help, "", "once"); err != nil {
		t.Fatal(err)
	}
	got(1)
	time.Sleep(100 * time.Millisecond)
	if n := len(got(1)); n != 1 {
		t.Errorf("X-Slack-No-Retry, and %d attempts", n)
	}
	if err := b.ann.Press(b.help, card, "a"); err == nil {
		t.Error("a press that failed succeeded")
	}

	set(http.StatusOK, nil)
	b.Tamper(func(t *Tamper) { t.WrongSignature, t.Skew = true, -10*time.Minute })
	if err := b.ann.Press(b.help, card, "a"); err != nil {
		t.Fatal(err)
	}
	h = got(1)[0]
	stamp := h.header.Get("X-Slack-Request-Timestamp")
	seconds, _ := strconv.ParseInt(stamp, 10, 64)
	if h.header.Get("X-Slack-Signature") == Sign(b.SigningSecret, stamp, []byte(h.body)) || clock.Now().Unix()-seconds < 500 {
		t.Errorf("the forged request is %v", h.header)
	}
}

// What happens in channels besides messages.
func TestChannelEvents(t *testing.T) {
	b := setup(t)
	a := b.connect(nil)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ts, err := b.ann.Post(b.help, "", "@groupmail hello", Upload{Name: "a.txt", Data: []byte("x")})
	must(err)
	if e, _ := a.event("app_mention"); e["user"] != b.ann.ID || e["ts"] != ts || e["subtype"] != nil || e["channel_type"] != nil || len(e["files"].([]any)) != 1 {
		t.Errorf("app_mention is %v", e)
	}
	must(b.ben.React(b.help, ts, "eyes"))
	if e, _ := a.event("reaction_added"); e["reaction"] != "eyes" || e["user"] != b.ben.ID || e["item_user"] != b.ann.ID || e["item"].(js)["ts"] != ts {
		t.Errorf("reaction_added is %v", e)
	}
	must(b.ben.Unreact(b.help, ts, "eyes"))
	a.event("reaction_removed")
	must(b.ben.Leave(b.help))
	if e, _ := a.event("member_left_channel"); e["user"] != b.ben.ID || e["channel_type"] != "C" {
		t.Errorf("member_left_channel is %v", e)
	}
	must(b.ann.Invite(b.secret, b.ben.ID))
	if e, _ := a.event("member_joined_channel"); e["user"] != b.ben.ID || e["channel_type"] != "G" || e["inviter"] != b.ann.ID || e["team"] != b.TeamID {
		t.Errorf("member_joined_channel is %v", e)
	}
	must(b.ann.Rename(b.help, "office"))
	if e, _ := a.event("channel_rename"); e["channel"].(js)["name"] != "office" {
		t.Errorf("channel_rename is %v", e)
	}
	must(b.ann.Archive(b.secret))
	if e, _ := a.event("group_archive"); e["channel"] != b.secret || e["user"] != b.ann.ID {
		t.Errorf("group_archive is %v", e)
	}
	must(b.ann.Unarchive(b.secret))
	a.event("group_unarchive")
	must(b.ann.DeleteChannel(b.help))
	if e, _ := a.event("channel_deleted"); e["channel"] != b.help {
		t.Errorf("channel_deleted is %v", e)
	}
	b.no("channel_not_found", "conversations.info", js{"channel": b.help})

	root := b.ok("chat.postMessage", js{"channel": b.secret, "text": "x"})["ts"].(string)
	must(b.ann.Shortcut(b.secret, root, "send_to_customer"))
	if p := a.payload("interactive"); p["type"] != "message_action" || p["callback_id"] != "send_to_customer" || p["message_ts"] != root || p["message"].(js)["text"] != "x" {
		t.Errorf("the shortcut is %v", p)
	}
	if err := b.ann.Shortcut(b.secret, root, "nosuch"); err == nil {
		t.Error("an unknown shortcut was used")
	}
}
