package slacktest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bed is a workspace with Ann, Ben and a guest, a public and a private channel with the bot in it, and one
// without.
type bed struct {
	*Server
	t                     *testing.T
	ann, ben, gus         *Person
	help, secret, outside string
}

func setup(t *testing.T, change ...func(*Config)) *bed {
	t.Helper()
	c := Config{NoLimits: true}
	for _, f := range change {
		f(&c)
	}
	s := Start(t, c)
	b := &bed{Server: s, t: t}
	b.ann = s.AddUser(User{Name: "ann", Real: "Ann Arbor", Display: "Ann", Email: "ann@example.org", Admin: true})
	b.ben = s.AddUser(User{Name: "ben", Real: "Ben Bosch"})
	b.gus = s.AddUser(User{Name: "gus", Real: "Gus Guest", SingleGuest: true})
	b.help = s.AddChannel(Channel{Name: "help-desk"}, b.ann.ID, b.ben.ID, b.gus.ID, s.BotUser)
	b.secret = s.AddChannel(Channel{Name: "board", Private: true}, b.ann.ID, s.BotUser)
	b.outside = s.AddChannel(Channel{Name: "random"}, b.ann.ID)
	return b
}

// scopes changes the default manifest's bot scopes.
func without(scopes ...string) func(*Config) {
	return func(c *Config) {
		m := DefaultManifest
		for _, s := range scopes {
			m = strings.Replace(m, `"`+s+`", `, "", 1)
		}
		c.Manifest = []byte(m)
	}
}

// post calls a method with a JSON body, or with a form where the method takes none.
func (b *bed) post(name string, args map[string]any) map[string]any {
	b.t.Helper()
	if !methods()[name].JSON {
		form := url.Values{}
		for k, v := range args {
			if s, ok := v.(string); ok {
				form.Set(k, s)
			} else {
				form.Set(k, string(marshal(v)))
			}
		}
		return b.raw(name, "application/x-www-form-urlencoded", form.Encode(), b.BotToken)
	}
	return b.raw(name, "application/json; charset=utf-8", string(marshal(args)), b.BotToken)
}

func (b *bed) raw(name, kind, body, token string) map[string]any {
	b.t.Helper()
	r, err := newRequest(b.t, b.API+name, body, token)
	if err != nil {
		b.t.Fatal(err)
	}
	if kind == "" {
		r.Header.Del("Content-Type")
	} else {
		r.Header.Set("Content-Type", kind)
	}
	return b.do(r)
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func newRequest(t *testing.T, url, body, token string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r, nil
}

func (b *bed) do(r *http.Request) map[string]any {
	b.t.Helper()
	answer, err := client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	var o map[string]any
	if err := json.Unmarshal(data, &o); err != nil {
		return map[string]any{"status": answer.StatusCode, "body": string(data)}
	}
	if answer.StatusCode != http.StatusOK {
		o["status"], o["retry"] = answer.StatusCode, answer.Header.Get("Retry-After")
	}
	return o
}

// ok is post that must succeed.
func (b *bed) ok(name string, args map[string]any) map[string]any {
	b.t.Helper()
	o := b.post(name, args)
	if o["ok"] != true {
		b.t.Fatalf("%s(%s) = %s", name, marshal(args), marshal(o))
	}
	return o
}

// no is post that must be refused with this code; it returns the messages.
func (b *bed) no(code, name string, args map[string]any) string {
	b.t.Helper()
	o := b.post(name, args)
	if o["ok"] != false || o["error"] != code {
		b.t.Errorf("%s(%.300s) = %.600s; want %s", name, marshal(args), marshal(o), code)
	}
	meta, _ := o["response_metadata"].(map[string]any)
	var all []string
	list, _ := meta["messages"].([]any)
	for _, m := range list {
		all = append(all, m.(string))
	}
	return strings.Join(all, "\n")
}

type js = map[string]any

func text(s string) js    { return js{"type": "plain_text", "text": s} }
func mrk(s string) js     { return js{"type": "mrkdwn", "text": s} }
func arr(v ...any) []any  { return append([]any{}, v...) }
func section(s string) js { return js{"type": "section", "text": text(s)} }
func button(action, label, value string) js {
	return js{"type": "button", "action_id": action, "text": text(label), "value": value}
}

// app is a client of Socket Mode: it acknowledges everything, with what answer says.
type app struct {
	b      *bed
	ws     *websocket.Conn
	heard  chan map[string]any
	answer func(envelope map[string]any) (payload any, ack bool)
	ended  chan struct{}
}

func (b *bed) connect(answer func(envelope map[string]any) (any, bool)) *app {
	b.t.Helper()
	o := b.raw("apps.connections.open", "application/x-www-form-urlencoded", "", b.AppToken)
	if o["ok"] != true {
		b.t.Fatalf("apps.connections.open = %v", o)
	}
	ws, resp, err := websocket.DefaultDialer.DialContext(b.t.Context(), o["url"].(string), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = resp.Body.Close()
	a := &app{b: b, ws: ws, heard: make(chan map[string]any, 1000), answer: answer, ended: make(chan struct{})}
	go func() {
		defer close(a.ended)
		defer close(a.heard)
		for {
			_, data, err := ws.ReadMessage()
			if err != nil {
				return
			}
			var m map[string]any
			if err := json.NewDecoder(bytes.NewReader(data)).Decode(&m); err != nil {
				return
			}
			a.heard <- m
			if m["envelope_id"] == nil {
				continue
			}
			payload, ack := any(nil), true
			if a.answer != nil {
				payload, ack = a.answer(m)
			}
			if ack {
				reply := js{"envelope_id": m["envelope_id"]}
				if payload != nil {
					reply["payload"] = payload
				}
				if ws.WriteJSON(reply) != nil {
					return
				}
			}
		}
	}()
	b.t.Cleanup(func() { _ = ws.Close(); <-a.ended })
	if hello := a.next(); hello["type"] != "hello" {
		b.t.Fatalf("the first words are %v", hello)
	}
	return a
}

// next is what the app hears next.
func (a *app) next() map[string]any {
	a.b.t.Helper()
	select {
	case m, ok := <-a.heard:
		if !ok {
			a.b.t.Fatal("the connection has ended")
		}
		return m
	case <-time.After(20 * time.Second):
		a.b.t.Fatal("the app hears nothing")
	}
	return nil
}

// event is the next event of this type, and its envelope's payload.
func (a *app) event(kind string) (event, payload map[string]any) {
	a.b.t.Helper()
	for {
		m := a.next()
		if m["type"] != "events_api" {
			continue
		}
		payload = m["payload"].(map[string]any)
		if event = payload["event"].(map[string]any); event["type"] == kind {
			return event, payload
		}
	}
}

// payload is that of the next envelope of this type.
func (a *app) payload(kind string) map[string]any {
	a.b.t.Helper()
	for {
		if m := a.next(); m["type"] == kind {
			return m["payload"].(map[string]any)
		}
	}
}
