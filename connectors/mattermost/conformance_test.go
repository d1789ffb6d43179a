package mattermost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/mattermost/mattermost/server/public/model"

	"groupmail/bot"
	"groupmail/bot/bottest"
	"groupmail/deploy/testbed"
)

func TestConformance(t *testing.T) {
	server := testbed.Mattermost(t)
	bottest.Exercise(t, func(t *testing.T) bottest.Env {
		o := newOffice(t, server)
		o.makeCommand()
		h := &hands{o: o, users: map[string]testbed.MattermostUser{}, apps: map[string]*app{}, forms: map[string]*openForm{}}
		person := func(u testbed.MattermostUser) bot.Person {
			h.users[u.ID] = u
			h.apps[u.ID] = o.open(u)
			return bot.Person{ID: u.ID, Handle: u.Username, Name: u.Username}
		}
		return bottest.Env{
			Platform: o.p,
			Reopen: func(*testing.T) bot.Platform {
				p := o.platform(o.p.cfg)
				o.mu.Lock()
				o.p = p
				o.mu.Unlock()
				return p
			},
			Channel: o.channel.ID, Title: o.channel.Name,
			Ann: person(o.ann), Ben: person(o.ben),
			NoChannel: model.NewId(), Mention: "@" + o.bot.Username, Command: "mail", Hands: h,
		}
	})
}

// hands do by the server's API what people's apps do.
type hands struct {
	o     *office
	users map[string]testbed.MattermostUser
	apps  map[string]*app

	mu    sync.Mutex
	forms map[string]*openForm
}

type openForm struct {
	seen   int // how many of the app's events have been looked at
	open   *model.OpenDialogRequest
	values map[string]any
	errors map[string]string
}

var errStatus = errors.New("refused by the server")

func (h *hands) call(token, method, path string, body, answer any) error {
	if status := h.o.server.Call(token, method, path, body, answer); status >= 300 {
		return fmt.Errorf("%s %s: %d: %w", method, path, status, errStatus)
	}
	return nil
}

func (h *hands) See(_ context.Context, who bot.Person, _, message string) (*bottest.View, error) {
	var post model.Post
	switch status := h.o.server.Call(h.users[who.ID].Token, http.MethodGet, "/posts/"+message, nil, &post); {
	case status == http.StatusNotFound || status == http.StatusForbidden:
		return nil, nil
	case status >= 300:
		return nil, errStatus
	}
	v := look(&post)
	return &v, nil
}

// look is a post as an app shows it.
func look(post *model.Post) bottest.View {
	v := bottest.View{Message: post.Id, Root: post.RootId, Pinned: post.IsPinned}
	add := func(markdown string) {
		text, markup := rendered(markdown)
		v.Text += text + "\n"
		v.Markup = append(v.Markup, markup...)
	}
	add(post.Message)
	for _, a := range post.Attachments() {
		add(a.Text)
		v.Text += a.Footer + "\n" // which the apps show as it is
		for _, action := range a.Actions {
			if len(action.Options) == 0 {
				v.Buttons = append(v.Buttons, action.Name)
			}
			for _, o := range action.Options {
				v.Buttons = append(v.Buttons, o.Text)
			}
		}
	}
	if post.Metadata != nil {
		for _, f := range post.Metadata.Files {
			v.Files = append(v.Files, f.Name)
		}
	}
	return v
}

var (
	inline  = regexp.MustCompile("(?s)(`+)(.*?[^`])(`+)|\\*\\*|~~|\\[((?:[^\\]\\\\]|\\\\.)*)\\]\\(([^)]*)\\)|\\\\([`*{}\\[\\]()#+\\-.!_>|~])|&(?:lt|gt|amp|#\\d+);|[*_`\\[\\]<>]")
	quoting = regexp.MustCompile(`(?m)^> ?`)
)

// rendered is Markdown as the web app shows it, and what it shows that is not plain, strong,
// struck or quoted text.
func rendered(markdown string) (text string, markup []string) {
	markdown = strings.ReplaceAll(quoting.ReplaceAllString(markdown, ""), clippedNote, "")
	found, read := tree(markdown)
	for _, f := range found {
		if !strings.HasPrefix(f, "code ") && !strings.HasPrefix(f, "link ") {
			markup = append(markup, f)
		}
	}
	if m := pings.FindString(read); m != "" {
		markup = append(markup, "mention "+m)
	}
	bare := inline.ReplaceAllStringFunc(markdown, func(m string) string {
		switch {
		case strings.HasPrefix(m, "`"), strings.HasPrefix(m, "["), m == "**", m == "~~":
			return " "
		}
		return m
	})
	for what, re := range webParses {
		if m := re.FindString(bare); m != "" {
			markup = append(markup, what+" "+m)
		}
	}
	for what, re := range webLooksFor {
		if m := re.FindString(webEscape.ReplaceAllString(bare, "$1")); m != "" {
			markup = append(markup, what+" "+m)
		}
	}
	text = inline.ReplaceAllStringFunc(markdown, func(m string) string {
		parts := inline.FindStringSubmatch(m)
		switch {
		case parts[1] != "" && parts[1] == parts[3]:
			return strings.TrimSpace(parts[2])
		case m == "**" || m == "~~":
			return ""
		case parts[5] != "":
			inner, more := rendered(parts[4])
			markup = append(markup, append(more, "link "+parts[5])...)
			return inner
		case parts[6] != "":
			return parts[6]
		case strings.HasPrefix(m, "&"):
			return html.UnescapeString(m)
		}
		markup = append(markup, "bare "+m)
		return m
	})
	return text, markup
}

func (h *hands) Whispers(_ context.Context, who bot.Person, channel string) ([]bottest.View, error) {
	a := h.apps[who.ID]
	a.mu.Lock()
	defer a.mu.Unlock()
	var views []bottest.View
	for _, s := range a.frames {
		if s.Data.Post == "" {
			continue
		}
		post := s.post()
		if s.Event == "ephemeral_message" && post.ChannelId == channel || s.Event == "posted" && post.UserId == h.o.bot.ID && post.ChannelId != channel {
			views = append(views, look(post))
		}
	}
	return views, nil
}

func (h *hands) Press(_ context.Context, who bot.Person, _, message, label string) error {
	token := h.users[who.ID].Token
	var post model.Post
	if err := h.call(token, http.MethodGet, "/posts/"+message, nil, &post); err != nil {
		return err
	}
	for _, a := range post.Attachments() {
		for _, action := range a.Actions {
			if len(action.Options) == 0 && action.Name == label {
				return h.call(token, http.MethodPost, "/posts/"+message+"/actions/"+action.Id, map[string]any{}, nil)
			}
			for _, o := range action.Options {
				if o.Text == label {
					return h.call(token, http.MethodPost, "/posts/"+message+"/actions/"+action.Id, map[string]any{"selected_option": o.Value}, nil)
				}
			}
		}
	}
	return fmt.Errorf("no button %q", label)
}

func (h *hands) Forge(ctx context.Context, who bot.Person, channel, message, other string) error {
	token := h.users[who.ID].Token
	// Through the server.
	for _, action := range []string{"close", "menu", "nothing"} {
		_ = h.call(token, http.MethodPost, "/posts/"+message+"/actions/"+action, map[string]any{"selected_option": "take"}, nil)
	}
	genuine, err := h.o.p.markedAs(ctx, other)
	if err != nil {
		return err
	}
	its := h.o.p.integration(pressing{Channel: channel, About: channel, Key: genuine.key, Items: []pressingChoice{{ID: "close", Value: "mail-8"}}})
	mine := model.PostActionIntegration{URL: its.URL, Context: its.Context}
	post := &model.Post{ChannelId: channel}
	post.AddProp(model.PostPropsAttachments, []*model.MessageAttachment{{Text: "x", Actions: []*model.PostAction{{Id: "steal", Type: "button", Name: "x", Integration: &mine}}}})
	post.AddProp(propMark, mark{Key: genuine.key, Version: 1})
	var made model.Post
	if err := h.call(token, http.MethodPost, "/posts", post, &made); err != nil {
		return err
	}
	_ = h.call(token, http.MethodPost, "/posts/"+made.Id+"/actions/steal", map[string]any{}, nil)
	for _, u := range []string{"dialogs", "actions"} {
		_ = h.call(token, http.MethodPost, "/actions/dialogs/submit", model.SubmitDialogRequest{
			URL: h.o.http.URL + Path + u, ChannelId: channel, TeamId: h.o.team.ID, State: "state",
		}, nil)
	}
	// Past it.
	altered := map[string]any{"d": strings.Replace(its.Context["d"].(string), "mail-8", "mail-9", 1), "m": its.Context["m"]}
	for _, body := range []map[string]any{
		{"context": its.Context, "post_id": message},
		{"context": altered, "post_id": other},
		{"context": map[string]any{"d": its.Context["d"]}, "post_id": other},
		{"context": its.Context, "post_id": other}, // all right but for the server's signature
	} {
		body["user_id"], body["channel_id"], body["type"] = who.ID, channel, "button"
		b, _ := json.Marshal(body)
		resp, err := http.Post(h.o.http.URL+Path+"actions", "application/json", bytes.NewReader(b))
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
	}
	return nil
}

// form looks whether a dialog was opened since. The lock is held.
func (h *hands) form(who bot.Person) *openForm {
	f := h.forms[who.ID]
	if f == nil {
		f = &openForm{}
		h.forms[who.ID] = f
	}
	a := h.apps[who.ID]
	a.mu.Lock()
	defer a.mu.Unlock()
	for ; f.seen < len(a.frames); f.seen++ {
		if s := a.frames[f.seen]; s.Event == "open_dialog" {
			f.open = &model.OpenDialogRequest{}
			_ = json.Unmarshal([]byte(s.Data.Dialog), f.open)
			f.fill()
		}
	}
	return f
}

func (f *openForm) fill() {
	f.values, f.errors = map[string]any{}, nil
	for _, e := range f.open.Dialog.Elements {
		f.values[e.Name] = e.Default
		if e.Type == "bool" {
			f.values[e.Name] = e.Default == "true"
		}
	}
}

func (h *hands) Form(_ context.Context, who bot.Person) (*bottest.FormView, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.form(who)
	if f.open == nil {
		return nil, nil
	}
	text, _ := rendered(f.open.Dialog.IntroductionText)
	v := &bottest.FormView{Title: f.open.Dialog.Title, Text: text, Values: map[string]string{}, Errors: f.errors}
	for name, value := range f.values {
		switch value {
		case true:
			v.Values[name] = "true"
		case false:
			v.Values[name] = ""
		default:
			v.Values[name] = fmt.Sprint(value)
		}
	}
	return v, nil
}

func (h *hands) Submit(_ context.Context, who bot.Person, values map[string]string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.form(who)
	if f.open == nil {
		return errors.New("no form is open")
	}
	for name, value := range values {
		if _, check := f.values[name].(bool); check {
			f.values[name] = value == "true"
		} else {
			f.values[name] = value
		}
	}
	var resp model.SubmitDialogResponse
	err := h.call(h.users[who.ID].Token, http.MethodPost, "/actions/dialogs/submit", model.SubmitDialogRequest{
		URL: f.open.URL, CallbackId: f.open.Dialog.CallbackId, State: f.open.Dialog.State,
		ChannelId: h.o.channel.ID, TeamId: h.o.team.ID, Submission: f.values,
	}, &resp)
	switch {
	case err != nil:
		return err
	case resp.Error != "" || len(resp.Errors) > 0:
		f.errors = map[string]string{}
		for name, text := range resp.Errors {
			f.errors[name] = text
		}
		if resp.Error != "" {
			f.errors[""] = resp.Error
		}
	case resp.Form != nil:
		f.open.Dialog = *resp.Form
		f.fill()
	default:
		f.open = nil
	}
	return nil
}

func (h *hands) Type(_ context.Context, who bot.Person, channel, root, line string) error {
	return h.call(h.users[who.ID].Token, http.MethodPost, "/commands/execute", map[string]any{
		"channel_id": channel, "team_id": h.o.team.ID, "root_id": root, "command": line,
	}, nil)
}

func (h *hands) Say(ctx context.Context, who bot.Person, channel, root, text string, files ...bottest.Blob) (string, error) {
	token := h.users[who.ID].Token
	var ids []string
	for _, f := range files {
		c := newClient(h.o.p.base, func() (string, error) { return token, nil })
		query := url.Values{"channel_id": {channel}, "filename": {f.Name}}
		body, err := c.stream(ctx, http.MethodPost, "/files?"+query.Encode(), io.NopCloser(bytes.NewReader(f.Data)), int64(len(f.Data)))
		if err != nil {
			return "", err
		}
		var up model.FileUploadResponse
		err = decode(body, &up)
		_ = body.Close()
		c.http.CloseIdleConnections()
		if err != nil {
			return "", err
		}
		ids = append(ids, up.FileInfos[0].Id)
	}
	var post model.Post
	err := h.call(token, http.MethodPost, "/posts", map[string]any{"channel_id": channel, "root_id": root, "message": text, "file_ids": ids}, &post)
	return post.Id, err
}

func (h *hands) Edit(_ context.Context, who bot.Person, _, message, text string) error {
	return h.call(h.users[who.ID].Token, http.MethodPut, "/posts/"+message+"/patch", map[string]any{"message": text}, nil)
}

func (h *hands) Delete(_ context.Context, _ bot.Person, _, message string) error {
	return h.call(h.o.server.AdminToken, http.MethodDelete, "/posts/"+message, nil, nil)
}

func (h *hands) Fetch(ctx context.Context, who bot.Person, _, message, name string) ([]byte, error) {
	token := h.users[who.ID].Token
	var infos []*model.FileInfo
	if err := h.call(token, http.MethodGet, "/posts/"+message+"/files/info", nil, &infos); err != nil {
		return nil, err
	}
	for _, f := range infos {
		if f.Name == name {
			c := newClient(h.o.p.base, func() (string, error) { return token, nil })
			defer c.http.CloseIdleConnections()
			body, err := c.stream(ctx, http.MethodGet, "/files/"+f.Id, nil, 0)
			if err != nil {
				return nil, err
			}
			defer body.Close()
			return io.ReadAll(body)
		}
	}
	return nil, fmt.Errorf("no file %q", name)
}

func (h *hands) Pinged(_ context.Context, who bot.Person, _, message string) (bool, error) {
	a := h.apps[who.ID]
	s := a.find("the message of which it may be told", func(s seen) bool { return s.Event == "posted" && s.post().Id == message })
	return strings.Contains(s.Data.Mentions, who.ID), nil
}
