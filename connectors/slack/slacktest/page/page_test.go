package page

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"groupmail/connectors/slack/slacktest"
	"groupmail/deploy/testbed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type js = map[string]any

func plain(s string) js { return js{"type": "plain_text", "text": s} }

var card = []any{
	js{"type": "context", "elements": []any{js{"type": "mrkdwn", "text": "*● New* · 14:03 · Maria Kovács"}}},
	js{"type": "section", "text": plain("Heating <b>broken</b> & *cold*")},
	js{"type": "rich_text", "elements": []any{js{"type": "rich_text_quote", "elements": []any{js{"type": "text", "text": "Dear team,\nthe heating in flat 12 is cold."}}}}},
	js{"type": "actions", "elements": []any{
		js{"type": "button", "action_id": "reply", "text": plain("Reply"), "style": "primary"},
		js{"type": "overflow", "action_id": "more", "options": []any{js{"text": plain("Read"), "value": "read"}, js{"text": plain("Spam"), "value": "spam"}}}}},
}

var form = js{"type": "modal", "title": plain("Reply"), "submit": plain("Send"), "blocks": []any{
	js{"type": "section", "text": js{"type": "mrkdwn", "text": "To `maria@example.org`"}},
	js{"type": "input", "block_id": "text", "label": plain("Text"), "element": js{"type": "plain_text_input", "action_id": "text", "multiline": true}},
	js{"type": "input", "block_id": "outcome", "label": plain("Outcome"), "element": js{"type": "static_select", "action_id": "outcome",
		"options": []any{js{"text": plain("Phoned"), "value": "phoned"}, js{"text": plain("Sent the info pack"), "value": "sent"}}}},
	js{"type": "input", "block_id": "close", "optional": true, "label": plain("Then"), "element": js{"type": "checkboxes", "action_id": "close", "options": []any{js{"text": plain("Close it"), "value": "true"}}}},
}}

// app answers what people do: Reply opens the form, a form with "wrong" is refused, another is said aloud in
// the thread; everything else is whispered back.
type app struct {
	t *testing.T
	s *slacktest.Server
}

func (a app) call(name, token string, args any) js {
	a.t.Helper()
	data, err := json.Marshal(args)
	if err != nil {
		a.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, a.s.API+name, bytes.NewReader(data))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var o js
	if err := json.NewDecoder(answer.Body).Decode(&o); err != nil || o["ok"] != true {
		a.t.Errorf("%s = %v, %v", name, o, err)
	}
	return o
}

func (a app) run() {
	url := a.call("apps.connections.open", a.s.AppToken, js{})["url"].(string)
	ws, answer, err := websocket.DefaultDialer.DialContext(a.t.Context(), url, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	_ = answer.Body.Close()
	ended := make(chan struct{})
	a.t.Cleanup(func() { _ = ws.Close(); <-ended })
	go func() {
		defer close(ended)
		var root, channel string
		for {
			var m struct {
				EnvelopeID string `json:"envelope_id"`
				Type       string
				Payload    js
			}
			if ws.ReadJSON(&m) != nil {
				return
			}
			reply, p := js{"envelope_id": m.EnvelopeID}, m.Payload
			switch {
			case m.Type == "slash_commands":
				reply["payload"] = js{"text": "Heard: " + p["text"].(string)}
			case p["type"] == "view_submission":
				values := p["view"].(js)["state"].(js)["values"].(js)
				text, _ := values["text"].(js)["text"].(js)["value"].(string)
				if strings.Contains(text, "wrong") {
					reply["payload"] = js{"response_action": "errors", "errors": js{"text": "This has a wrong word."}}
					break
				}
				outcome := values["outcome"].(js)["outcome"].(js)["selected_option"].(js)["value"].(string)
				boxes := values["close"].(js)["close"].(js)["selected_options"].([]any)
				a.call("chat.postMessage", a.s.BotToken, js{"channel": channel, "thread_ts": root, "text": "Sent: " + text + " / " + outcome + " / " + map[bool]string{true: "closed", false: "open"}[len(boxes) == 1]})
			}
			if m.EnvelopeID != "" && ws.WriteJSON(reply) != nil {
				return
			}
			if p["type"] != "block_actions" {
				continue
			}
			root, channel = p["message"].(js)["ts"].(string), p["channel"].(js)["id"].(string)
			switch act := p["actions"].([]any)[0].(js); act["action_id"] {
			case "reply":
				a.call("views.open", a.s.BotToken, js{"trigger_id": p["trigger_id"], "view": form})
			default:
				a.call("chat.postEphemeral", a.s.BotToken, js{"channel": channel, "user": p["user"].(js)["id"], "text": "Chosen: " + act["selected_option"].(js)["value"].(string)})
			}
		}
	}()
}

// quoted is s as JavaScript writes it.
func quoted(t *testing.T, s string) string {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A person works with an app in a browser: presses, chooses, fills a form, writes, runs a command.
func TestPage(t *testing.T) {
	s := slacktest.Start(t, slacktest.Config{NoLimits: true})
	s.ServeSite(Handler(s))
	ann := s.AddUser(slacktest.User{Name: "ann", Real: "Ann Arbor"})
	channel := s.AddChannel(slacktest.Channel{Name: "help-desk", Private: true}, ann.ID, s.BotUser)
	a := app{t, s}
	a.run()
	root := a.call("chat.postMessage", s.BotToken, js{"channel": channel, "text": "New mail", "blocks": card})["ts"].(string)

	ctx := testbed.Chromium(t)
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatal(err)
		}
	}
	set := func(selector, value string) { // as a person's choice or typing does
		t.Helper()
		script := "(e => { e.value = " + quoted(t, value) + "; return e.value })(document.querySelector(" + quoted(t, selector) + "))"
		if got, err := chromedp.Run(ctx, chromedp.Evaluate[string](script)); err != nil || got != value {
			t.Fatalf("%s holds %q, %v", selector, got, err)
		}
	}
	see := func(what string) {
		t.Helper()
		if _, err := chromedp.Run(ctx, chromedp.Poll[bool]("document.body.innerText.includes("+quoted(t, what)+")")); err != nil {
			t.Fatalf("%q is not shown: %v", what, err)
		}
	}
	do(chromedp.Navigate(s.URL + "/as/ann"))
	see("Heating <b>broken</b> & *cold*")
	see("the heating in flat 12 is cold.")
	do(chromedp.Click(".overflow summary"), chromedp.Click(`.overflow [data-value="spam"]`))
	see("Chosen: spam")
	do(chromedp.Click(`[data-action="reply"]`), chromedp.WaitVisible(".modal textarea"), chromedp.SendKeys(".modal textarea", "something wrong"),
		chromedp.Click(".modal .check input"))
	if got, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector(".modal select").value`)); err != nil || got != "" {
		t.Errorf("nobody has chosen, and %q is chosen: %v", got, err)
	}
	set(".modal select", "sent")
	do(chromedp.Click(".modal .button.primary"))
	see("This has a wrong word.")
	testbed.Screenshot(ctx, "slack-modal")
	set(".modal textarea", "Dear Maria")
	do(chromedp.Click(".modal .button.primary"), chromedp.WaitNotPresent(".modal"))
	see("1 reply")
	do(chromedp.Click(".replies"), chromedp.WaitVisible("#replies .msg"))
	see("Sent: Dear Maria / sent / closed")
	do(chromedp.SendKeys(".thread textarea", "@groupmail thanks"), chromedp.Click(".thread .compose button"))
	see("@GroupMail thanks")
	do(chromedp.SendKeys(".thread textarea", "/mail queue"), chromedp.Click(".thread .compose button"))
	see("not supported in threads")
	set(".thread textarea", "")
	do(chromedp.SendKeys("main .compose textarea", "/mail queue"), chromedp.Click("main .compose button"))
	see("Heard: queue")
	testbed.Screenshot(ctx, "slack-thread")
	do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch), chromedp.Navigate(s.URL+"/as/ann?c="+channel))
	see("Heard: queue")
	testbed.Screenshot(ctx, "slack-phone")
	if wide, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("document.documentElement.scrollWidth > innerWidth")); err != nil || wide {
		t.Errorf("the page is wider than the phone: %v, %v", wide, err)
	}
	thread := ann.Thread(channel, root)
	if len(thread) != 3 || thread[2].Text != "@GroupMail thanks" {
		t.Errorf("the thread is %+v", thread)
	}
	if got := s.Troubles(); len(got) != 0 {
		t.Errorf("troubles: %v", got)
	}
	do(chromedp.Navigate("about:blank"))
}

func TestNobody(t *testing.T) {
	s := slacktest.Start(t, slacktest.Config{})
	s.ServeSite(Handler(s))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/as/nobody", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusNotFound {
		t.Errorf("nobody's page: %s", answer.Status)
	}
}
