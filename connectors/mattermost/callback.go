package mattermost

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"groupmail/bot"
	"groupmail/bot/inbound"
	"groupmail/bot/plain"
)

const (
	// maxCall is the most that the server sends us: a dialog's texts, in JSON.
	maxCall = 1 << 20
	// callTime is how long an answer may take. Server: OutgoingIntegrationRequestsTimeout, 30 s by default.
	callTime = 25 * time.Second
	// confirmLife is how long a question may stay open.
	confirmLife = time.Hour
)

const (
	starting = "GroupMail is just starting. Please try again in a few seconds."
	trouble  = "That did not work; nothing was changed. Please try again. (Reference %s)"
)

// Handler answers what the server sends when people press, choose, submit and type commands: POSTs to
// /mattermost/actions, /mattermost/dialogs and /mattermost/commands. Mount it at [Path] without
// stripping the prefix. Until [Platform.Run] runs, people are asked to try again.
func (p *Platform) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST "+Path+"actions", p.callback("application/json", p.action))
	mux.Handle("POST "+Path+"dialogs", p.callback("application/json", p.submission))
	mux.Handle("POST "+Path+"commands", p.callback("application/x-www-form-urlencoded", p.command))
	return mux
}

// refused is a call that nobody with an honest client can make.
type refused struct {
	status int
	err    error
}

func (r refused) Error() string { return r.err.Error() }
func (r refused) Unwrap() error { return r.err }

func forged(why string) error { return refused{http.StatusForbidden, errors.New(why)} }

// callback reads the body, bounds the time and writes what f answers as JSON.
func (p *Platform) callback(kind string, f func(ctx context.Context, r *http.Request, body []byte) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != kind {
			http.Error(w, "wrong content type", http.StatusUnsupportedMediaType)
			return
		}
		body, ok := inbound.Body(w, r, maxCall)
		if !ok {
			return
		}
		// What is decided is not undone because the caller went away.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), callTime)
		defer cancel()
		answer, err := f(ctx, r, body)
		if refusal := (refused{}); errors.As(err, &refusal) {
			p.log.Warn("refused a callback", "path", r.URL.Path, "from", r.RemoteAddr, "error", err)
			http.Error(w, http.StatusText(refusal.status), refusal.status)
			return
		}
		if err != nil { // f has told the person what it could
			p.log.Error("callback", "path", r.URL.Path, "error", err)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	})
}

// action is a pressed button or a chosen item of a menu.
func (p *Platform) action(ctx context.Context, _ *http.Request, body []byte) (any, error) {
	var req model.PostActionIntegrationRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, refused{http.StatusBadRequest, err}
	}
	data, _ := req.Context["d"].(string)
	mac, _ := req.Context["m"].(string)
	var press pressing
	if !p.signed("button", data, mac) {
		return nil, forged("button not signed by this bot")
	}
	if err := json.Unmarshal([]byte(data), &press); err != nil {
		return nil, refused{http.StatusBadRequest, err}
	}
	choice, err := chosen(press, req)
	switch {
	case err != nil:
		return nil, err
	case req.ChannelId != press.Channel:
		return nil, forged("button carried to another channel")
	case press.User != "" && press.User != req.UserId:
		return nil, forged("button of another user's whisper")
	}
	hub, leave := p.gateway.Enter()
	if hub == nil {
		return whisper(starting), nil
	}
	defer leave()
	trigger, err := p.trigger(ctx, req.TriggerId, req.UserId)
	if err != nil {
		return p.failed(err, func(s string) any { return whisper(s) }, "trigger of a press")
	}
	where := place{user: req.UserId, at: spot{press.Channel, press.About}, trigger: req.TriggerId}
	if press.User == "" { // a whisper is no message that anybody could look at
		m, err := p.markedAs(ctx, req.PostId)
		if is(err, http.StatusNotFound, http.StatusForbidden) || errors.Is(err, errForged) || err == nil && (m.key != press.Key || m.channel != press.Channel) {
			return nil, forged("button carried to another message")
		}
		if err != nil {
			return p.failed(err, func(s string) any { return whisper(s) }, "message pressed")
		}
		where.message, where.files = req.PostId, m.files
	}
	if press.Form != nil {
		if err := p.openForm(ctx, where, *press.Form); err != nil {
			return p.failed(err, func(s string) any { return whisper(s) }, "open form")
		}
		return whisper(""), nil
	}
	if choice.Confirm != "" {
		q := question{
			User: req.UserId, Channel: press.Channel, About: press.About, Message: where.message, Key: press.Key,
			Button: choice.ID, Value: choice.Value, Nonce: trigger, Expires: p.clock().Add(confirmLife).Unix(),
		}
		err := p.open(ctx, req.TriggerId, model.Dialog{
			CallbackId: "confirm", Title: plain.ClipBytes(plain.Line(choice.Label), maxDialogTitle),
			IntroductionText: escape(choice.Confirm), SubmitLabel: plain.Clip(plain.Line(choice.Label), maxLabel),
			State: p.seal("question", q),
		})
		if err != nil {
			return p.failed(err, func(s string) any { return whisper(s) }, "ask first")
		}
		return whisper(""), nil
	}
	who, err := p.person(ctx, req.UserId)
	if err != nil {
		return p.failed(err, func(s string) any { return whisper(s) }, "who pressed")
	}
	answer := hub.Click(ctx, bot.Click{
		Event: "press:" + trigger, Who: who.Person, Channel: press.About,
		Message: where.message, Key: press.Key, Button: choice.ID, Value: choice.Value,
	})
	return p.answerPress(ctx, where, answer)
}

// chosen is the button pressed, or the menu's item if the HMAC covers it.
func chosen(press pressing, req model.PostActionIntegrationRequest) (pressingChoice, error) {
	if req.Type != model.PostActionTypeSelect {
		if len(press.Items) != 1 {
			return pressingChoice{}, forged("a menu pressed like a button")
		}
		return press.Items[0], nil
	}
	option, _ := req.Context["selected_option"].(string)
	for _, c := range press.Items {
		if c.ID == option && option != "" {
			return c, nil
		}
	}
	return pressingChoice{}, forged("no such item in the menu")
}

// place is where somebody did something.
type place struct {
	user    string
	at      spot
	message string   // pressed; empty for a whisper
	files   []string // of the message
	root    string   // thread of a command
	trigger string
}

// thread is the message pressed if it stands on a board.
func (w place) thread() string {
	if w.at.channel != w.at.about {
		return ""
	}
	return w.message
}

// whisper is an answer to a press; an empty one says nothing.
func whisper(text string) *model.PostActionIntegrationResponse {
	return &model.PostActionIntegrationResponse{EphemeralText: text, SkipSlackParsing: true}
}

// failed words an error for the person, with a reference that finds it in the log.
func (p *Platform) failed(err error, say func(string) any, what string) (any, error) {
	ref := strings.ToLower(rand.Text()[:8])
	return say(fmt.Sprintf(trouble, ref)), fmt.Errorf("%s (reference %s): %w", what, ref, err)
}

// answerPress turns an answer into what the server does after a press.
func (p *Platform) answerPress(ctx context.Context, where place, a bot.Answer) (any, error) {
	if where.message == "" && a.Redraw != nil { // a whisper cannot be redrawn
		if a.Whisper == nil {
			a.Whisper = a.Redraw
		}
		a.Redraw = nil
	}
	resp := whisper("")
	var faults []error
	if a.Form != nil {
		if err := p.openForm(ctx, where, *a.Form); err != nil {
			said, err := p.failed(err, func(s string) any { return whisper(s) }, "open form")
			resp, _ = said.(*model.PostActionIntegrationResponse)
			faults = append(faults, err)
		}
	}
	if a.Whisper != nil {
		m := *a.Whisper
		if pressable(m) { // the server's whisper has no buttons, a direct message has
			if _, err := p.tell(ctx, where.at.about, where.user, m); err != nil {
				faults = append(faults, err)
			} else {
				m.Lines = append(m.Lines[:len(m.Lines):len(m.Lines)], bot.Line{{Text: "(With buttons in your direct messages.)"}})
			}
		}
		resp.EphemeralText = paragraphs(resp.EphemeralText, p.view(ctx, m).text(m))
	}
	if a.Redraw != nil && !p.outdated(where.message, *a.Redraw) {
		// Server: what is left out of the update is taken away, files included.
		update := &model.Post{FileIds: where.files}
		update.SetProps(p.props(ctx, where.at, *a.Redraw))
		resp.Update = update
	}
	return resp, errors.Join(faults...)
}

// pressable tells whether m has buttons that call us.
func pressable(m bot.Message) bool {
	for _, b := range m.Buttons {
		if b.URL == "" {
			return true
		}
	}
	return false
}

// question is the state of a dialog that asks before a press counts.
type question struct {
	User    string `json:"u"`
	Channel string `json:"c"`
	About   string `json:"a"`
	Message string `json:"p,omitempty"`
	Key     string `json:"k,omitempty"`
	Button  string `json:"b"`
	Value   string `json:"v,omitempty"`
	Nonce   string `json:"n"`
	Expires int64  `json:"e"`
}

// asking is the state of a form's dialog. State is signed by the bot as well, which alone decides what
// may be done with it; the seal around it says where and for whom the form was opened.
type asking struct {
	User    string `json:"u"`
	Channel string `json:"c,omitempty"`
	State   string `json:"s"`
}

// open shows a dialog to whoever caused the trigger.
func (p *Platform) open(ctx context.Context, trigger string, d model.Dialog) error {
	return p.api.post(ctx, "/actions/dialogs/open", model.OpenDialogRequest{
		TriggerId: trigger, URL: p.cfg.Callback + Path + "dialogs", Dialog: d,
	}, nil)
}

func (p *Platform) openForm(ctx context.Context, where place, f bot.Form) error {
	return p.open(ctx, where.trigger, p.form(ctx, where, f))
}

func (p *Platform) form(ctx context.Context, where place, f bot.Form) model.Dialog {
	d := p.view(ctx, bot.Message{Lines: f.Intro}).dialog(f)
	d.State = p.seal("form", asking{User: where.user, Channel: where.at.about, State: f.State})
	return d
}

// submission is a dialog sent. It may come from anybody who can reach us, and through the server from
// any user with any content; so nothing in it counts but what was sealed for its user.
func (p *Platform) submission(ctx context.Context, _ *http.Request, body []byte) (any, error) {
	var req model.SubmitDialogRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, refused{http.StatusBadRequest, err}
	}
	say := func(s string) any { return &model.SubmitDialogResponse{Error: s} }
	var tr trial
	if err := p.unseal("trial", req.State, &tr); err == nil {
		return say(tr.Word), nil
	}
	var q question
	if err := p.unseal("question", req.State, &q); err == nil {
		return p.confirmed(ctx, req, q, say)
	}
	var a asking
	if err := p.unseal("form", req.State, &a); err != nil {
		return nil, refused{http.StatusForbidden, err}
	}
	if a.User != req.UserId || req.Type != "dialog_submission" {
		return nil, forged("form of another user")
	}
	if req.Cancelled {
		return struct{}{}, nil
	}
	hub, leave := p.gateway.Enter()
	if hub == nil {
		return say(starting), nil
	}
	defer leave()
	who, err := p.person(ctx, req.UserId)
	if err != nil {
		return p.failed(err, say, "who submitted")
	}
	s := bot.Submission{Who: who.Person, Channel: a.Channel, State: a.State, Values: map[string]string{}}
	for name, v := range req.Submission {
		switch v := v.(type) {
		case string:
			s.Values[name] = v
		case bool:
			s.Values[name] = ""
			if v {
				s.Values[name] = "true"
			}
		case float64:
			s.Values[name] = strconv.FormatFloat(v, 'f', -1, 64)
		case nil:
			s.Values[name] = ""
		}
	}
	values, _ := json.Marshal(s.Values) // strings only; sorted
	s.Event = "submit:" + inbound.Digest(req.State, string(values))
	return p.answerSubmission(ctx, place{user: a.User, at: in(a.Channel)}, hub.Submit(ctx, s), say)
}

// confirmed is the yes to a question.
func (p *Platform) confirmed(ctx context.Context, req model.SubmitDialogRequest, q question, say func(string) any) (any, error) {
	if q.User != req.UserId || req.Type != "dialog_submission" {
		return nil, forged("question of another user")
	}
	if req.Cancelled {
		return struct{}{}, nil
	}
	if p.clock().Unix() > q.Expires {
		return say("This question is too old. Please press the button again."), nil
	}
	hub, leave := p.gateway.Enter()
	if hub == nil {
		return say(starting), nil
	}
	defer leave()
	who, err := p.person(ctx, req.UserId)
	if err != nil {
		return p.failed(err, say, "who confirmed")
	}
	a := hub.Click(ctx, bot.Click{
		Event: "press:" + q.Nonce, Who: who.Person, Channel: q.About,
		Message: q.Message, Key: q.Key, Button: q.Button, Value: q.Value,
	})
	where := place{user: q.User, at: spot{q.Channel, q.About}, message: q.Message}
	if a.Redraw != nil && q.Message != "" {
		if err := p.redraw(ctx, where.at, q.Message, *a.Redraw); err != nil {
			p.log.Error("redraw after a question", "error", err)
		}
	} else if a.Redraw != nil && a.Whisper == nil {
		a.Whisper = a.Redraw
	}
	return p.answerSubmission(ctx, where, a, say)
}

// answerSubmission turns an answer into what a dialog does after it was sent.
func (p *Platform) answerSubmission(ctx context.Context, where place, a bot.Answer, say func(string) any) (any, error) {
	if len(a.Errors) > 0 {
		resp := &model.SubmitDialogResponse{Error: plain.Text(a.Errors[""]), Errors: map[string]string{}}
		for name, text := range a.Errors {
			if name != "" {
				resp.Errors[name] = plain.Text(text)
			}
		}
		return resp, nil
	}
	var faults []error
	if a.Whisper != nil && !a.Aside { // a dialog's answer cannot whisper
		if err := p.Tell(ctx, where.at.about, where.thread(), where.user, *a.Whisper); err != nil {
			faults = append(faults, err)
		}
	}
	if a.Form == nil {
		return struct{}{}, errors.Join(faults...)
	}
	d := p.form(ctx, where, *a.Form)
	if major, minor := p.api.serverVersion(); major > 11 || major == 11 && minor >= 1 {
		return &model.SubmitDialogResponse{Type: string(model.SubmitDialogResponseTypeForm), Form: &d}, errors.Join(faults...)
	}
	// Older servers close the dialog whatever we say, so a button that opens the next one comes as
	// a direct message. What was typed is in it.
	if err := p.sendForm(ctx, where, *a.Form); err != nil {
		said, err := p.failed(err, say, "next form")
		return said, errors.Join(append(faults, err)...)
	}
	return struct{}{}, errors.Join(faults...)
}

// sendForm posts a button that opens f, for its user alone.
func (p *Platform) sendForm(ctx context.Context, where place, f bot.Form) error {
	channel, err := p.DirectChannel(ctx, where.user)
	if err != nil {
		return err
	}
	m := bot.Message{
		Key: "form:" + rand.Text(), Title: f.Title, Lines: f.Intro,
		Buttons: []bot.Button{{ID: "form", Label: "Continue", Style: bot.Primary}},
	}
	props := p.props(ctx, in(channel), m)
	for _, a := range props[model.PostPropsAttachments].([]*model.MessageAttachment) { // just made
		a.Actions[0].Integration = p.integration(pressing{Channel: channel, Key: m.Key, Items: []pressingChoice{{ID: "form"}}, Form: &f})
	}
	post := &model.Post{ChannelId: channel}
	post.SetProps(props)
	_, err = p.create(ctx, post)
	return err
}

// command is a slash command.
func (p *Platform) command(ctx context.Context, r *http.Request, body []byte) (any, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, refused{http.StatusBadRequest, err}
	}
	token := form.Get("token")
	if t, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Token "); ok {
		token = t
	}
	if !p.commandToken(token) {
		return nil, forged("command with a wrong token")
	}
	say := func(s string) any {
		return &model.CommandResponse{ResponseType: model.CommandResponseTypeEphemeral, Text: s, SkipSlackParsing: true}
	}
	var tr trial
	if err := p.unseal("trial", form.Get("text"), &tr); err == nil {
		return say(tr.Word), nil
	}
	hub, leave := p.gateway.Enter()
	if hub == nil {
		return say(starting), nil
	}
	defer leave()
	where := place{user: form.Get("user_id"), at: in(form.Get("channel_id")), root: form.Get("root_id"), trigger: form.Get("trigger_id")}
	trigger, err := p.trigger(ctx, where.trigger, where.user)
	if err != nil {
		return p.failed(err, say, "trigger of a command")
	}
	who, err := p.person(ctx, where.user)
	if err != nil {
		return p.failed(err, say, "who typed a command")
	}
	a := hub.Command(ctx, bot.Command{
		Event: "command:" + trigger, Who: who.Person, Channel: where.at.about, Root: where.root,
		Name: strings.TrimPrefix(form.Get("command"), "/"), Text: strings.TrimSpace(plain.Text(form.Get("text"))),
	})
	if a.Form != nil {
		if err := p.openForm(ctx, where, *a.Form); err != nil {
			return p.failed(err, say, "open form")
		}
	}
	if a.Whisper == nil {
		return struct{}{}, nil
	}
	// Attachments go through a conversion of <a|b> that cannot be turned off; escape leaves no <.
	attachment := p.view(ctx, *a.Whisper).attachment(*a.Whisper)
	attachment.Actions = p.actions(*a.Whisper, where.at, where.user)
	return &model.CommandResponse{
		ResponseType: model.CommandResponseTypeEphemeral, SkipSlackParsing: true,
		Attachments: []*model.MessageAttachment{attachment},
	}, nil
}

// commandToken compares with all tokens in constant time.
func (p *Platform) commandToken(token string) bool {
	known := 0
	got := sha256.Sum256([]byte(token))
	for _, t := range p.cfg.CommandTokens() {
		if t = strings.TrimSpace(t); t != "" {
			want := sha256.Sum256([]byte(t))
			known |= subtle.ConstantTimeCompare(got[:], want[:])
		}
	}
	return known == 1
}
