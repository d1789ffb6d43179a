package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"groupmail/bot"
	"groupmail/bot/bottest"
	"groupmail/connectors/slack/slacktest"
)

// office is a workspace with the app, and people in a channel.
type office struct {
	t        *testing.T
	server   *slacktest.Server
	channel  string
	ann, ben *slacktest.Person
	p        *Platform
	web      *httptest.Server // in HTTP mode
	serving  atomic.Pointer[Platform]
}

func newOffice(t *testing.T, overHTTP bool) *office {
	t.Helper()
	o := &office{t: t}
	web := httptest.NewUnstartedServer(nil)
	c := slacktest.Config{NoLimits: true, BlocksTogether: true, Manifest: manifestJSON(t, "")}
	if overHTTP {
		web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { o.serving.Load().Handler().ServeHTTP(w, r) })
		web.Start()
		t.Cleanup(web.Close)
		o.web = web
		c.Manifest = manifestJSON(t, web.URL)
	}
	o.server = slacktest.Start(t, c)
	o.ann = o.server.AddUser(slacktest.User{Name: "ann", Real: "Ann Arbor", Email: "ann@example.org"})
	o.ben = o.server.AddUser(slacktest.User{Name: "ben", Real: "Ben Brown", Display: "Ben"})
	o.channel = o.server.AddChannel(slacktest.Channel{Name: "help-desk", Private: true}, o.ann.ID, o.ben.ID, o.server.BotUser)
	o.reopen()
	return o
}

// reopen puts a new platform in place of the one before, as a restart does.
func (o *office) reopen() *Platform {
	o.p = o.platform()
	o.serving.Store(o.p)
	return o.p
}

func (o *office) platform() *Platform {
	c := Config{BotToken: fixed(o.server.BotToken), APIURL: o.server.API}
	if o.web == nil {
		c.AppToken = fixed(o.server.AppToken)
	} else {
		c.SigningSecret = fixed(o.server.SigningSecret)
	}
	p, err := New(c, slog.New(slog.NewTextHandler(o.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		o.t.Fatal(err)
	}
	return p
}

func fixed(s string) func() (string, error) { return func() (string, error) { return s, nil } }

func TestConformance(t *testing.T) {
	for name, overHTTP := range map[string]bool{"socket": false, "http": true} {
		t.Run(name, func(t *testing.T) {
			bottest.Exercise(t, func(t *testing.T) bottest.Env {
				o := newOffice(t, overHTTP)
				guest := o.server.AddUser(slacktest.User{Name: "gus", Real: "Gus Guest", Guest: true})
				if err := o.ann.Invite(o.channel, guest.ID); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					for _, trouble := range o.server.Troubles() {
						t.Errorf("%s saw: %s", trouble.User, trouble.What)
					}
					for _, mistake := range o.server.Mistakes() {
						t.Errorf("mistake: %s", mistake)
					}
				})
				person := func(p *slacktest.Person, handle, name string) bot.Person {
					return bot.Person{ID: p.ID, Handle: handle, Name: name}
				}
				g := person(guest, "gus", "Gus Guest")
				g.Guest = true
				return bottest.Env{
					Platform: o.p,
					Reopen:   func(*testing.T) bot.Platform { return o.reopen() },
					Channel:  o.channel, Title: "help-desk",
					Ann: person(o.ann, "ann", "Ann Arbor"), Ben: person(o.ben, "ben", "Ben"), Guest: &g,
					NoChannel: "C0NOCHANNEL", Mention: "@" + o.server.BotName, Command: "mail", Hands: &hands{o: o},
				}
			})
		})
	}
}

// hands do what people do at their Slack.
type hands struct{ o *office }

func (h *hands) as(who bot.Person) *slacktest.Person { return h.o.server.As(who.ID) }

func (h *hands) See(_ context.Context, who bot.Person, channel, message string) (*bottest.View, error) {
	m, ok := h.as(who).See(channel, message)
	if !ok || m.Deleted {
		return nil, nil
	}
	v := look(m)
	root := m.Thread
	if root == "" {
		root = message
	}
	for _, one := range h.as(who).Thread(channel, root) { // files come as messages of their own, just before
		if one.ID == message {
			break
		}
		for _, f := range one.Files {
			v.Files = append(v.Files, f.Name)
		}
		if len(one.Files) == 0 {
			v.Files = nil
		}
	}
	return &v, nil
}

// look is a message as Slack shows it.
func look(m slacktest.Message) bottest.View {
	v := bottest.View{Message: m.ID, Root: m.Thread, Text: strings.ReplaceAll(m.Text, clippedNote, ""), Pinned: m.Pinned}
	for _, f := range m.Files {
		v.Files = append(v.Files, f.Name)
	}
	for _, c := range m.Controls {
		if len(c.Options) == 0 {
			v.Buttons = append(v.Buttons, c.Label)
		}
		for _, option := range c.Options {
			v.Buttons = append(v.Buttons, option.Label)
		}
	}
	for _, line := range m.Lines {
		for _, s := range line.Spans {
			switch s.Kind {
			case "", "bold", "code", "date", "link", "break":
			default:
				v.Markup = append(v.Markup, s.Kind+" "+s.Text)
			}
			if s.Kind == "link" && s.Text == s.URL && line.Block != "rich_text" {
				v.Markup = append(v.Markup, "link "+s.URL)
			}
		}
	}
	v.Markup = append(v.Markup, m.Unfurls...)
	return v
}

func (h *hands) Whispers(_ context.Context, who bot.Person, channel string) ([]bottest.View, error) {
	var all []bottest.View
	for _, m := range h.as(who).All(channel) {
		if m.Ephemeral {
			all = append(all, look(m))
		}
	}
	for _, m := range h.as(who).All(h.as(who).Direct()) {
		if m.Bot {
			all = append(all, look(m))
		}
	}
	return all, nil
}

func (h *hands) Press(_ context.Context, who bot.Person, channel, message, label string) error {
	m, ok := h.as(who).See(channel, message)
	if !ok {
		return fmt.Errorf("no message %s", message)
	}
	for _, c := range m.Controls {
		if len(c.Options) == 0 && c.Label == label {
			return h.as(who).Press(channel, message, c.Action)
		}
		for _, option := range c.Options {
			if option.Label == label {
				return h.as(who).Choose(channel, message, c.Action, option.Value)
			}
		}
	}
	return fmt.Errorf("no button %q", label)
}

// Forge does what somebody can who knows the request URLs: Slack itself takes no presses but of what
// it shows.
func (h *hands) Forge(ctx context.Context, who bot.Person, channel, message, _ string) error {
	if err := h.as(who).Press(channel, message, "close"); err == nil {
		return errors.New("a button was pressed that the message does not have")
	}
	if h.o.web == nil {
		return nil
	}
	payload, _ := json.Marshal(map[string]any{
		"type": "block_actions", "user": map[string]any{"id": who.ID}, "channel": map[string]any{"id": channel}, "trigger_id": "1.2.3",
		"container": map[string]any{"type": "message", "message_ts": message, "channel_id": channel},
		"actions":   []any{map[string]any{"type": "button", "block_id": "{}", "action_id": "close", "value": "mail-8", "action_ts": "1.1"}},
	})
	body := []byte(url.Values{"payload": {string(payload)}}.Encode())
	now := time.Now()
	for _, signature := range []struct {
		at     time.Time
		secret string
	}{{now, "another secret"}, {now.Add(-6 * time.Minute), h.o.server.SigningSecret}, {now.Add(6 * time.Minute), h.o.server.SigningSecret}, {}} {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.o.web.URL+Path+"interactive", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if signature.secret != "" {
			at := strconv.FormatInt(signature.at.Unix(), 10)
			req.Header.Set("X-Slack-Request-Timestamp", at)
			req.Header.Set("X-Slack-Signature", slacktest.Sign(signature.secret, at, body))
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			return fmt.Errorf("a forged request was answered with %s", resp.Status)
		}
	}
	return nil
}

func (h *hands) Form(_ context.Context, who bot.Person) (*bottest.FormView, error) {
	v, ok := h.as(who).View()
	if !ok || v.Submit == "" {
		return nil, nil
	}
	f := &bottest.FormView{Title: v.Title, Values: map[string]string{}}
	for _, line := range v.Lines {
		if line.BlockID == faultID {
			f.Errors = map[string]string{"": strings.TrimPrefix(line.Text(), "⚠ ")}
			continue
		}
		f.Text += line.Text() + "\n"
	}
	for _, c := range v.Controls {
		f.Values[c.Block] = c.Value
		if c.Type == "static_select" {
			f.Values[c.Block] = strings.TrimPrefix(c.Value, valueMark)
		}
		if c.Error != "" {
			if f.Errors == nil {
				f.Errors = map[string]string{}
			}
			f.Errors[c.Block] = c.Error
		}
	}
	return f, nil
}

func (h *hands) Submit(_ context.Context, who bot.Person, values map[string]string) error {
	v, _ := h.as(who).View()
	values = maps.Clone(values)
	for _, c := range v.Controls {
		if value, given := values[c.Block]; given && c.Type == "static_select" {
			values[c.Block] = valueMark + value
		}
	}
	return h.as(who).Submit(values)
}

func (h *hands) Type(_ context.Context, who bot.Person, channel, _, line string) error {
	return h.as(who).Command(channel, line)
}

func (h *hands) Say(_ context.Context, who bot.Person, channel, root, text string, files ...bottest.Blob) (string, error) {
	var uploads []slacktest.Upload
	for _, f := range files {
		uploads = append(uploads, slacktest.Upload{Name: f.Name, Type: f.Type, Data: f.Data})
	}
	return h.as(who).Post(channel, root, text, uploads...)
}

func (h *hands) Edit(_ context.Context, who bot.Person, channel, message, text string) error {
	return h.as(who).Edit(channel, message, text)
}

func (h *hands) Delete(_ context.Context, who bot.Person, channel, message string) error {
	h.o.server.SetUser(who.ID, func(u *slacktest.User) { u.Admin = true })
	return h.as(who).Delete(channel, message)
}

func (h *hands) Fetch(_ context.Context, who bot.Person, channel, message, name string) ([]byte, error) {
	for _, m := range h.as(who).Thread(channel, message) {
		for _, f := range m.Files {
			if f.Name == name {
				return f.Data, nil
			}
		}
	}
	for _, m := range h.as(who).All(channel) {
		for _, f := range m.Files {
			if f.Name == name {
				return f.Data, nil
			}
		}
	}
	return nil, fmt.Errorf("no file %q", name)
}

func (h *hands) Pinged(_ context.Context, who bot.Person, channel, message string) (bool, error) {
	m, _ := h.as(who).See(channel, message)
	return slices.Contains(m.Notified, who.ID), nil
}
