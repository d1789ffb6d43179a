package mattermost

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"groupmail/bot"
	"groupmail/deploy/testbed"
)

func TestTwoPressAtOnce(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	o.run()
	ann, ben := o.open(o.ann), o.open(o.ben)
	id := o.post(card("post-1", 1))

	var mu sync.Mutex
	var owner string
	o.hub.click = func(c bot.Click) bot.Answer {
		mu.Lock()
		defer mu.Unlock()
		if owner != "" {
			return bot.Answer{Whisper: &bot.Message{Lines: []bot.Line{{{Text: "@" + owner + " took this."}}}}}
		}
		owner = c.Who.Handle
		m := card("post-1", 2)
		m.Tone, m.Status = bot.Green, bot.Line{{Text: "Taken by "}, {Member: c.Who.ID}}
		return bot.Answer{Redraw: &m}
	}
	var wg sync.WaitGroup
	for _, who := range []testbed.MattermostUser{o.ann, o.ben} {
		wg.Go(func() {
			if status := o.press(who, id, "take"); status != http.StatusOK {
				t.Errorf("press: %d", status)
			}
		})
	}
	wg.Wait()
	if len(o.hub.clicks) != 2 || o.hub.clicks[0].Event == o.hub.clicks[1].Event {
		t.Fatalf("clicks: %+v", o.hub.clicks)
	}
	c := o.hub.clicks[0]
	if c.Channel != o.channel.ID || c.Message != id || c.Key != "post-1" || c.Button != "take" || c.Value != "7" || c.Who.Handle == "" {
		t.Errorf("click: %+v", c)
	}
	for _, a := range []*app{ann, ben} {
		a.edited(id, func(p *model.Post) bool {
			return strings.HasPrefix(p.Attachments()[0].Text, "Taken by ") && p.GetProp(model.PostPropsFromBot) == "true"
		})
	}
	o.hub.until(t, "drawn 2", func() bool { return slices.Contains(o.hub.drawn, drawing{id, "post-1", 2}) })
	loser := ann
	if owner == o.ann.Username {
		loser = ben
	}
	if w := loser.whisper(); w.Message != "@\u200b"+escapeSpan(owner, true)+" took this." {
		t.Errorf("whispered %q", w.Message)
	}
}

func TestUpdateKeepsFiles(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	o.run()
	ann := o.open(o.ann)
	m := card("post-1", 1)
	m.Files = []bot.Upload{upload("a.txt", "a"), upload("empty.txt", "")}
	id := o.post(m)
	o.hub.click = func(bot.Click) bot.Answer {
		m := card("post-1", 2)
		return bot.Answer{Redraw: &m}
	}
	o.press(o.ann, id, "take")
	ann.edited(id, func(p *model.Post) bool { return len(p.FileIds) == 2 })

	// Also by a process that did not post the message.
	o.p.marks.forget(id)
	o.press(o.ben, id, "take")
	ann.edited(id, func(p *model.Post) bool { return len(p.FileIds) == 2 })
}

func TestMenu(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	o.run()
	id := o.post(card("post-1", 1))
	if status := o.choose(o.ann, id, "assign"); status != http.StatusOK {
		t.Errorf("choose: %d", status)
	}
	if len(o.hub.clicks) != 1 || o.hub.clicks[0].Button != "assign" || o.hub.clicks[0].Value != "8" {
		t.Errorf("clicks: %+v", o.hub.clicks)
	}
	for _, option := range []string{"take", "delete", ""} {
		if status := o.choose(o.ann, id, option); status == http.StatusOK {
			t.Errorf("chose %q, which is not in the menu", option)
		}
	}
	if len(o.hub.clicks) != 1 {
		t.Errorf("clicks: %+v", o.hub.clicks)
	}
}

func TestConfirm(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	o.run()
	ann := o.open(o.ann)
	id := o.post(card("post-1", 1))
	o.hub.click = func(bot.Click) bot.Answer {
		m := card("post-1", 2)
		m.Status = bot.Line{{Text: "Spam"}}
		return bot.Answer{Redraw: &m, Whisper: &bot.Message{Title: "Gone"}}
	}
	o.press(o.ann, id, "spam")
	d := ann.dialog()
	if len(d.Dialog.Elements) != 0 || d.Dialog.IntroductionText != "Really spam?" || len(o.hub.clicks) != 0 {
		t.Errorf("question: %+v, clicks %v", d, o.hub.clicks)
	}
	// Ben cannot confirm for Ann.
	if status := o.as(o.ben, http.MethodPost, "/actions/dialogs/submit", submission(o, d, nil), nil); status == http.StatusOK {
		t.Error("Ben confirmed Ann's question")
	}
	o.submit(o.ann, d, nil)
	if len(o.hub.clicks) != 1 || o.hub.clicks[0].Button != "spam" || o.hub.clicks[0].Message != id {
		t.Fatalf("clicks: %+v", o.hub.clicks)
	}
	ann.edited(id, func(p *model.Post) bool { return strings.HasPrefix(p.Attachments()[0].Text, "Spam") })
	ann.wait("the whisper as a direct message", func(s seen) bool {
		return s.Event == "posted" && strings.Contains(s.Data.Post, "Gone")
	})
	// The same answer again is the same event.
	o.submit(o.ann, d, nil)
	if len(o.hub.clicks) != 2 || o.hub.clicks[0].Event != o.hub.clicks[1].Event {
		t.Errorf("clicks: %+v", o.hub.clicks)
	}
	// Hours later it is no answer.
	o.p.clock = func() time.Time { return time.Now().Add(2 * confirmLife) }
	if resp := o.submit(o.ann, d, nil); resp.Error == "" || len(o.hub.clicks) != 2 {
		t.Errorf("an old question counted: %+v", resp)
	}
}

func submission(o *office, d model.OpenDialogRequest, values map[string]any) model.SubmitDialogRequest {
	return model.SubmitDialogRequest{
		URL: d.URL, State: d.Dialog.State, ChannelId: o.channel.ID, TeamId: o.team.ID, Submission: values,
	}
}

var replyForm = bot.Form{
	Title: "Reply to Maria Kovács and others", Submit: "Send", State: "signed.by.bot",
	Intro: []bot.Line{{{Text: "To "}, {Text: "maria@example.org", Code: true}}},
	Quote: "Hello,\n*it* is [cold](http://x)\n@channel",
	Fields: []bot.FormField{
		{Name: "text", Label: "Your answer", Kind: bot.Long, Required: true, Value: "Dear Maria,\n", Help: strings.Repeat("Help. ", 50)},
		{Name: "subject", Label: "Subject of the mail that is sent", Kind: bot.Short, Value: "Re: heating"},
		{Name: "outcome", Label: "Outcome", Kind: bot.Select, Value: "phoned", Options: []bot.Option{{Value: "answered", Label: "Answered"}, {Value: "phoned", Label: "Phoned"}}},
		{Name: "close", Label: "Close", Kind: bot.Check, Value: "true"},
	},
}

func TestForm(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	o.run()
	ann := o.open(o.ann)
	id := o.post(card("post-1", 1))
	o.hub.click = func(bot.Click) bot.Answer {
		m := card("post-1", 2)
		return bot.Answer{Form: &replyForm, Redraw: &m}
	}
	o.press(o.ann, id, "reply")
	d := ann.dialog()
	ann.edited(id, func(*model.Post) bool { return true })
	if got, want := d.Dialog.IntroductionText, "To `maria@example.org`\n\n> Hello,\n> \\*it\\* is \\[cold\\](http&#58;//x)\n> @\u200bchannel"; got != want {
		t.Errorf("introduction %q, want %q", got, want)
	}

	// Errors keep it open.
	o.hub.submit = func(bot.Submission) bot.Answer {
		return bot.Answer{Errors: map[string]string{"text": "Too short.", "": "Please look again."}}
	}
	values := map[string]any{"text": "Dear Maria,\nyes", "subject": "Re: heating", "outcome": "phoned", "close": true}
	resp := o.submit(o.ann, d, values)
	if resp.Error != "Please look again." || resp.Errors["text"] != "Too short." {
		t.Errorf("errors: %+v", resp)
	}
	s := o.hub.subs[0]
	if s.State != "signed.by.bot" || s.Channel != o.channel.ID || s.Who.ID != o.ann.ID ||
		s.Values["text"] != "Dear Maria,\nyes" || s.Values["close"] != "true" || s.Values["outcome"] != "phoned" {
		t.Errorf("submission: %+v", s)
	}

	// The next form takes its place.
	next := replyForm
	next.Title, next.State = "A newer mail came", "another.state"
	o.hub.submit = func(bot.Submission) bot.Answer { return bot.Answer{Form: &next} }
	resp = o.submit(o.ann, d, values)
	if resp.Type != "form" || resp.Form == nil || resp.Form.Title != "A newer mail came" {
		t.Fatalf("next form: %+v", resp)
	}
	if err := resp.Form.IsValid(); err != nil {
		t.Error(err)
	}
	if o.hub.subs[0].Event != o.hub.subs[1].Event {
		t.Error("the same submission is another event")
	}
	o.hub.submit = nil
	values["text"] = "Dear Maria, no"
	d.Dialog = *resp.Form
	if resp = o.submit(o.ann, d, values); resp.Type != "" || resp.Error != "" {
		t.Errorf("done: %+v", resp)
	}
	if s := o.hub.subs[2]; s.State != "another.state" || s.Event == o.hub.subs[1].Event {
		t.Errorf("submission: %+v", s)
	}
}

// Servers before 11.1 close a dialog whatever comes after it.
func TestNextFormOnOlderServers(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	o.run()
	ann := o.open(o.ann)
	id := o.post(card("post-1", 1))
	o.hub.click = func(bot.Click) bot.Answer { return bot.Answer{Form: &replyForm} }
	o.press(o.ann, id, "reply")
	d := ann.dialog()
	next := replyForm
	next.Fields = slices.Clone(next.Fields)
	next.Fields[0].Value = "all that I typed"
	o.hub.submit = func(bot.Submission) bot.Answer { return bot.Answer{Form: &next} }

	o.p.api.mu.Lock()
	o.p.api.version = "10.11.2.x"
	o.p.api.mu.Unlock()
	where := place{user: o.ann.ID, at: in(o.channel.ID), message: id}
	answer, err := o.p.answerSubmission(context.Background(), where, bot.Answer{Form: &next}, nil)
	if b, _ := json.Marshal(answer); err != nil || string(b) != "{}" {
		t.Errorf("answer: %s, %v", b, err)
	}
	_ = d
	dm := ann.wait("a direct message", func(s seen) bool { return s.Event == "posted" && s.post().ChannelId != o.channel.ID }).post()
	if status := o.press(o.ann, dm.Id, "form"); status != http.StatusOK {
		t.Fatalf("press: %d", status)
	}
	again := ann.dialog()
	if got := again.Dialog.Elements[0].Default; got != "all that I typed" {
		t.Errorf("kept %q", got)
	}
}

func (o *office) makeCommand() {
	o.t.Helper()
	var cmd model.Command
	o.must(testbed.MattermostUser{Token: o.server.AdminToken}, http.MethodPost, "/commands", model.Command{
		TeamId: o.team.ID, Trigger: "mail", Method: model.CommandMethodPost, URL: o.http.URL + "/mattermost/commands",
	}, &cmd)
	o.command = cmd.Token
}

func TestCommand(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	o.makeCommand()
	o.run()
	ann := o.open(o.ann)
	root := o.post(card("post-1", 1))
	type typed = map[string]any
	o.hub.command = func(bot.Command) bot.Answer {
		m := card("", 0)
		m.Title = "<http://evil.example|click me> & <!channel>"
		return bot.Answer{Whisper: &m}
	}
	line := typed{"channel_id": o.channel.ID, "team_id": o.team.ID, "root_id": root, "command": "/mail queue  help@ now "}
	o.must(o.ann, http.MethodPost, "/commands/execute", line, nil)
	c := o.hub.cmds[0]
	if c.Name != "mail" || c.Text != "queue  help@ now" || c.Root != root || c.Channel != o.channel.ID || c.Who.ID != o.ann.ID {
		t.Errorf("command: %+v", c)
	}
	w := ann.whisper()
	if len(w.Attachments()) != 1 || len(w.Attachments()[0].Actions) != 4 || w.RootId != root {
		t.Fatalf("whisper: %+v", w)
	}
	if text := w.Attachments()[0].Text; !strings.Contains(text, "**&lt;http&#58;//evil\\.example&#124;click me&gt; &amp; &lt;!channel&gt;**") {
		t.Errorf("whispered %s", text)
	}

	// Buttons of a whisper work, for its reader.
	o.hub.click = func(bot.Click) bot.Answer {
		m := bot.Message{Title: "Taken"}
		return bot.Answer{Redraw: &m}
	}
	action := w.Attachments()[0].Actions[0]
	body := typed{"cookie": action.Cookie}
	if status := o.as(o.ann, http.MethodPost, "/posts/"+w.Id+"/actions/"+action.Id, body, nil); status != http.StatusOK {
		t.Errorf("press: %d", status)
	}
	if len(o.hub.clicks) != 1 || o.hub.clicks[0].Message != "" || o.hub.clicks[0].Button != "take" {
		t.Errorf("clicks: %+v", o.hub.clicks)
	}
	if w := ann.whisper(); w.Message != "**Taken**" {
		t.Errorf("whispered %q", w.Message)
	}
	if status := o.as(o.ben, http.MethodPost, "/posts/"+w.Id+"/actions/"+action.Id, body, nil); status == http.StatusOK || len(o.hub.clicks) != 1 {
		t.Errorf("Ben pressed Ann's whisper: %d", status)
	}

	// A command can open a form.
	o.hub.command = func(bot.Command) bot.Answer { return bot.Answer{Form: &replyForm} }
	o.must(o.ann, http.MethodPost, "/commands/execute", line, nil)
	ann.dialog()
	if o.hub.cmds[0].Event == o.hub.cmds[1].Event {
		t.Error("two commands are one event")
	}

	o.command = "another"
	if status := o.as(o.ann, http.MethodPost, "/commands/execute", line, nil); status == http.StatusOK {
		t.Error("a command with a wrong token worked")
	}
	if len(o.hub.cmds) != 2 {
		t.Errorf("commands: %+v", o.hub.cmds)
	}
}

// Whispers after a press have no buttons on this platform; they come as direct messages too.
func TestWhisperWithButtons(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	o.run()
	ann := o.open(o.ann)
	id := o.post(card("post-1", 1))
	o.hub.click = func(c bot.Click) bot.Answer {
		if c.Button == "undo" {
			m := bot.Message{Key: "w", Version: 2, Title: "Undone"}
			return bot.Answer{Redraw: &m}
		}
		return bot.Answer{Whisper: &bot.Message{Key: "w", Title: "Sent", Buttons: []bot.Button{
			{ID: "undo", Label: "Undo"}, {Label: "Read", URL: "https://mail.example.org/x?a=1&b=(2)"},
		}}}
	}
	o.press(o.ann, id, "take")
	dm := ann.wait("a direct message", func(s seen) bool { return s.Event == "posted" && s.post().ChannelId != o.channel.ID }).post()
	w := ann.whisper()
	if want := "**Sent**\n(With buttons in your direct messages\\.)\n\n[Read](https://mail.example.org/x?a=1&amp;b=%282%29)"; strings.ReplaceAll(w.Message, `\.)`, `.)`) != strings.ReplaceAll(want, `\.)`, `.)`) {
		t.Errorf("whispered %q", w.Message)
	}
	if status := o.press(o.ann, dm.Id, "undo"); status != http.StatusOK {
		t.Errorf("press: %d", status)
	}
	ann.edited(dm.Id, func(p *model.Post) bool { return p.Attachments()[0].Text == "**Undone**" })
}

// wire is what the server sends us, as a spy between the two sees it.
type wire struct {
	path   string
	header http.Header
	body   []byte
}

func (o *office) spy() (seen func() []wire) {
	var mu sync.Mutex
	var calls []wire
	inner := o.http.Config.Handler
	o.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r.Body)
		mu.Lock()
		calls = append(calls, wire{r.URL.Path, r.Header.Clone(), b.Bytes()})
		mu.Unlock()
		r.Body = http.MaxBytesReader(w, readCloser{bytes.NewReader(b.Bytes())}, 1<<30)
		inner.ServeHTTP(w, r)
	})
	return func() []wire {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(calls)
	}
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// forge sends a callback as anybody can who reaches us.
func (o *office) forge(w wire, change func(map[string]any)) int {
	o.t.Helper()
	body := map[string]any{}
	if err := json.Unmarshal(w.body, &body); err != nil {
		o.t.Fatal(err)
	}
	if change != nil {
		change(body)
	}
	b, _ := json.Marshal(body)
	r := httptest.NewRequest(http.MethodPost, w.path, bytes.NewReader(b))
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	o.p.Handler().ServeHTTP(rec, r)
	if rec.Code == http.StatusOK && strings.Contains(rec.Body.String(), "did not work") {
		return http.StatusForbidden // said kindly, since a server's trouble looks the same
	}
	return rec.Code
}

func TestForgery(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	calls := o.spy()
	o.run()
	ann := o.open(o.ann)
	id := o.post(card("post-1", 1))
	other := o.post(card("post-2", 1))
	humans := o.say(o.ben, "", "no card")
	elsewhere := o.server.NewChannel(o.team, true, o.ann, o.bot)
	o.press(o.ann, id, "take")
	o.hub.click = func(bot.Click) bot.Answer { return bot.Answer{Form: &replyForm} }
	o.press(o.ann, id, "reply")
	d := ann.dialog()
	o.submit(o.ann, d, map[string]any{"text": "x"})
	seen := calls()
	take, sent := seen[0], seen[2]
	clicks, subs := len(o.hub.clicks), len(o.hub.subs)
	ctx := func(b map[string]any) map[string]any { return b["context"].(map[string]any) }
	data := func(b map[string]any, from, to string) {
		c := ctx(b)
		c["d"] = strings.Replace(c["d"].(string), from, to, 1)
	}
	for what, change := range map[string]func(map[string]any){
		"no context":           func(b map[string]any) { delete(b, "context") },
		"no mac":               func(b map[string]any) { delete(ctx(b), "m") },
		"mac of nothing":       func(b map[string]any) { ctx(b)["m"] = "" },
		"other value":          func(b map[string]any) { data(b, `"7"`, `"8"`) },
		"other button":         func(b map[string]any) { data(b, `"take"`, `"reply"`) },
		"other key":            func(b map[string]any) { data(b, `post-1`, `post-2`) },
		"another card":         func(b map[string]any) { b["post_id"] = other },
		"somebody's message":   func(b map[string]any) { b["post_id"] = humans },
		"no message":           func(b map[string]any) { b["post_id"] = model.NewId() },
		"another channel":      func(b map[string]any) { b["channel_id"] = elsewhere.ID },
		"another user":         func(b map[string]any) { b["user_id"] = o.ben.ID },
		"no trigger":           func(b map[string]any) { delete(b, "trigger_id") },
		"a trigger of its own": func(b map[string]any) { b["trigger_id"] = "YWJjOmRlZjoxOmFiYw==" },
		"as a menu":            func(b map[string]any) { b["type"] = "select"; ctx(b)["selected_option"] = "x" },
		"dialog's state as button": func(b map[string]any) {
			s, mac, _ := strings.Cut(d.Dialog.State, ".")
			ctx(b)["d"], ctx(b)["m"] = s, mac
		},
	} {
		if status := o.forge(take, change); status == http.StatusOK {
			t.Errorf("press, %s: %d", what, status)
		}
	}
	if len(o.hub.clicks) != clicks {
		t.Fatalf("the hub heard of forged presses: %+v", o.hub.clicks[clicks:])
	}
	// Replayed as it was, it is the same event, which the hub makes harmless; hours later it is refused.
	if status := o.forge(take, nil); status != http.StatusOK || o.hub.clicks[0].Event != o.hub.clicks[clicks].Event {
		t.Errorf("replay: %d, %+v", status, o.hub.clicks)
	}
	clicks = len(o.hub.clicks)

	for what, change := range map[string]func(map[string]any){
		"another user": func(b map[string]any) { b["user_id"] = o.ben.ID },
		"no state":     func(b map[string]any) { b["state"] = "" },
		"bare state":   func(b map[string]any) { b["state"] = "signed.by.bot" },
		"other state": func(b map[string]any) {
			b["state"] = o.p.seal("button", asking{User: o.ann.ID, State: "signed.by.bot"})
		},
		"other purpose": func(b map[string]any) { b["type"] = "dialog_lookup" },
	} {
		if status := o.forge(sent, change); status == http.StatusOK {
			t.Errorf("submission, %s: %d", what, status)
		}
	}
	// Through the server, any user may send any state to us, and even any dialog to the buttons' address.
	if status := o.as(o.ben, http.MethodPost, "/actions/dialogs/submit", submission(o, d, nil), nil); status == http.StatusOK {
		t.Error("Ben submitted Ann's form")
	}
	d.URL = strings.Replace(d.URL, "dialogs", "actions", 1)
	if status := o.as(o.ann, http.MethodPost, "/actions/dialogs/submit", submission(o, d, nil), nil); status == http.StatusOK {
		t.Error("a dialog pressed a button")
	}
	if len(o.hub.subs) != subs || len(o.hub.clicks) != clicks {
		t.Errorf("the hub heard of it: %+v %+v", o.hub.subs, o.hub.clicks)
	}

	// The client's channel does not count.
	o.must(o.ann, http.MethodPost, "/actions/dialogs/submit", model.SubmitDialogRequest{
		URL: strings.Replace(d.URL, "actions", "dialogs", 1), State: d.Dialog.State, ChannelId: elsewhere.ID, TeamId: o.team.ID,
	}, nil)
	if s := o.hub.subs[subs]; s.Channel != o.channel.ID {
		t.Errorf("the form was opened in %s, not %s", o.channel.ID, s.Channel)
	}
}

func TestOnlyWhatTheServerSends(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	o.command = "right"
	o.run()
	form := url.Values{"token": {"right"}, "user_id": {o.ann.ID}, "command": {"/mail"}}
	for _, c := range []struct {
		what, method, path, kind, body string
		want                           int
	}{
		{"GET", http.MethodGet, "actions", "", "", http.StatusMethodNotAllowed},
		{"GET", http.MethodGet, "commands", "", "", http.StatusMethodNotAllowed},
		{"elsewhere", http.MethodPost, "other", "application/json", "{}", http.StatusNotFound},
		{"a form's content", http.MethodPost, "actions", "application/x-www-form-urlencoded", "{}", http.StatusUnsupportedMediaType},
		{"no content type", http.MethodPost, "dialogs", "", "{}", http.StatusUnsupportedMediaType},
		{"no JSON", http.MethodPost, "actions", "application/json", "x", http.StatusBadRequest},
		{"no JSON", http.MethodPost, "dialogs", "application/json; charset=utf-8", "[]", http.StatusBadRequest},
		{"too much", http.MethodPost, "actions", "application/json", `"` + strings.Repeat("x", maxCall) + `"`, http.StatusRequestEntityTooLarge},
		{"no token", http.MethodPost, "commands", "application/x-www-form-urlencoded", "", http.StatusForbidden},
		{"wrong token", http.MethodPost, "commands", "application/x-www-form-urlencoded", "token=wrong", http.StatusForbidden},
		{"empty token", http.MethodPost, "commands", "application/x-www-form-urlencoded", "token=", http.StatusForbidden},
	} {
		r := httptest.NewRequest(c.method, Path+c.path, strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.kind)
		w := httptest.NewRecorder()
		o.p.Handler().ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s %s: %d, want %d", c.path, c.what, w.Code, c.want)
		}
	}
	// A command's token alone lets nobody speak for Ann: the server signs who typed.
	r := httptest.NewRequest(http.MethodPost, Path+"commands", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	o.p.Handler().ServeHTTP(w, r)
	if len(o.hub.cmds) != 0 {
		t.Errorf("a command nobody typed: %+v", o.hub.cmds)
	}
}

func TestNotRunning(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	ann := o.open(o.ann)
	id := o.post(card("post-1", 1))
	if status := o.press(o.ann, id, "take"); status != http.StatusOK {
		t.Errorf("press: %d", status)
	}
	if w := ann.whisper(); w.Message != starting {
		t.Errorf("whispered %q", w.Message)
	}
}
