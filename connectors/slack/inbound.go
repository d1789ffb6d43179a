package slack

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"groupmail/bot"
	"groupmail/bot/hearing"
	"groupmail/bot/inbound"
	"groupmail/bot/plain"
)

// What a view is for.
const (
	callbackForm     = "form"
	callbackQuestion = "question"
	callbackNote     = "note"
	callbackHome     = "home"
	// ShortcutSend is the message shortcut "Send to the customer".
	ShortcutSend = "send_to_customer"
	// ShortcutNote is the message shortcut "Keep as a note".
	ShortcutNote = "keep_as_note"
)

const (
	// ackTime is how long an answer may take to be the answer to Slack's request. Slack waits three
	// seconds: https://docs.slack.dev/interactivity/handling-user-interaction#acknowledgment_response
	ackTime = 1500 * time.Millisecond
	// openTime is after which a modal is opened that is filled later: a trigger counts for three seconds.
	openTime = 700 * time.Millisecond
	// callTime is how long the whole of it may take.
	callTime = 60 * time.Second
)

// Words for people.
const (
	starting = "I am just starting. Please try again in a moment."
	tooLate  = "That took too long for a form to be opened. Please press it again."
	trouble  = "That did not work; what you typed is not lost. Please try again in a moment. (Reference for the log: %s)"
)

// run is one Run.
type run struct {
	p       *Platform
	hub     bot.Hub
	me      *slack.AuthTestResponse
	hearing *hearing.Hearing
	ctx     context.Context // ends with Run
	wg      sync.WaitGroup

	order  sync.Mutex
	newest int64 // when the newest event happened that was heard, or Run began or shortly later, in microseconds by Slack's clock
}

// Run implements [bot.Platform].
func (p *Platform) Run(ctx context.Context, hub bot.Hub) error {
	defer p.api.calls.http.CloseIdleConnections()
	var me *slack.AuthTestResponse
	for wait := (hearing.Backoff{}); ; {
		var err error
		if me, err = p.me(ctx); err == nil {
			break
		}
		p.lost(err)
		pause := max(wait.Next(), hearing.RetryAfter(err))
		if errors.Is(err, bot.ErrNoAccess) {
			pause = p.slowly
		}
		if !hearing.Pause(ctx, pause) {
			return nil
		}
	}
	r := &run{p: p, hub: hub, me: me, ctx: ctx, newest: p.api.calls.latest().UnixMicro()}
	r.hearing = hearing.New(r, hub, p.log)
	p.gateway.Open(r)
	for _, channel := range hub.Boards() {
		r.hearing.Listen(ctx, channel)
	}
	r.wg.Go(func() { r.keepHomes(ctx) })
	// The connections stay until everything that came over them is acknowledged.
	connected, disconnect := context.WithCancel(context.WithoutCancel(ctx))
	defer disconnect()
	if p.cfg.AppToken != nil {
		r.sockets(connected)
	}
	<-ctx.Done()
	p.gateway.Shut()
	disconnect()
	r.wg.Wait()
	r.hearing.Wait()
	return nil
}

// background does something that nobody waits for but Run. What is begun is finished; when Run ends
// nothing more is begun, and false returned.
func (r *run) background(f func(ctx context.Context)) bool {
	running, leave := r.p.gateway.Enter()
	if running != r {
		if running != nil {
			leave()
		}
		return false
	}
	go func() {
		defer leave()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), callTime)
		defer cancel()
		f(ctx)
	}()
	return true
}

// errEnding refuses what comes while Run ends: it is not acknowledged, and done again by whoever did it.
var errEnding = errors.New("slack: GroupMail is being stopped")

// forgetSelf makes the bot ask anew who it is.
func (p *Platform) forgetSelf() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.self = nil
}

// within returns what f gives if it takes no longer than d; f goes on all the same, and late gets what
// it gave then.
func within[T any](r *run, d time.Duration, f func(ctx context.Context) T, late func(ctx context.Context, t T)) (t T, ok bool, err error) {
	done := make(chan T, 1)
	var mu sync.Mutex
	waited := false // too long
	begun := r.background(func(ctx context.Context) {
		t := f(ctx)
		mu.Lock()
		over := waited
		if !over {
			done <- t
		}
		mu.Unlock()
		if over {
			late(ctx, t)
		}
	})
	if !begun {
		return t, false, errEnding
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case t = <-done:
		return t, true, nil
	case <-timer.C:
	}
	mu.Lock()
	defer mu.Unlock()
	select {
	case t = <-done: // just so
		return t, true, nil
	default:
		waited = true
		return t, false, nil
	}
}

// interactive is a press, a form sent, or a shortcut. It returns what Slack's request is answered with;
// nil is an empty answer. answered is to be closed when Slack has that answer.
func (r *run) interactive(raw []byte, answered <-chan struct{}) (any, error) {
	var c slack.InteractionCallback
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("interaction: %w", err)
	}
	switch c.Type {
	case slack.InteractionTypeBlockActions:
		for _, a := range c.ActionCallback.BlockActions {
			if err := r.press(c, a); err != nil {
				return nil, err
			}
		}
	case slack.InteractionTypeViewSubmission:
		return r.submitted(c, answered)
	case slack.InteractionTypeMessageAction:
		return nil, r.shortcut(c)
	}
	return nil, nil
}

// pressed is a button or menu item that was used.
type pressed struct {
	id, value, label string
	opens            bool
	question         string
}

// press answers a pressed button or a chosen item of a menu.
func (r *run) press(c slack.InteractionCallback, a *slack.BlockAction) error {
	mark, ours := readPressing(a.BlockID)
	if !ours { // a link, or a field of a form: nothing to do
		return nil
	}
	id, _, _ := strings.Cut(a.ActionID, ".")
	b := pressed{id: id, value: a.Value, label: html.UnescapeString(a.Text.Text)}
	if id == menuID {
		parts := strings.SplitN(a.SelectedOption.Value, " ", 3)
		if len(parts) != 3 {
			return fmt.Errorf("an item of a menu with value %q", a.SelectedOption.Value)
		}
		b = pressed{id: parts[0], value: parts[2], opens: strings.Contains(parts[1], "o")}
		if a.SelectedOption.Text != nil {
			b.label = html.UnescapeString(a.SelectedOption.Text.Text)
		}
		if strings.Contains(parts[1], "c") {
			if b.question = mark.Ask[b.id]; b.question == "" {
				b.question = "Are you sure?"
			}
		}
	} else {
		b.opens = slices.Contains(mark.Opens, b.id)
	}
	if b.id == linkID {
		return nil // the person's browser has opened it
	}
	at := place{
		channel: c.Channel.ID, about: c.Channel.ID, user: c.User.ID, trigger: c.TriggerID, response: c.ResponseURL,
		ephemeral: c.Container.IsEphemeral, thread: c.Container.ThreadTs,
	}
	if at.thread == c.Container.MessageTs { // it is the root: what is said in the thread alone is not seen beside it
		at.thread = ""
	}
	if at.channel == "" {
		at.channel = c.Container.ChannelID
		at.about = at.channel
	}
	if mark.About != "" {
		at.about = mark.About
	}
	if c.Container.Type == "view" {
		at.view = c.Container.ViewID
	} else if !at.ephemeral {
		at.message = c.Container.MessageTs
	}
	if b.question != "" {
		r.ask(at, mark, b)
		return nil
	}
	click := bot.Click{
		Event: "press:" + inbound.Digest(c.TriggerID, a.ActionID, a.ActionTs), Channel: at.about, Message: at.message,
		Key: mark.Key, Button: b.id, Value: b.value,
	}
	return r.clicked(at, click, b)
}

// clicked tells the hub of a press and shows its answer. A press that a form is the answer to gets one
// in time, however long the hub takes: an empty one, which is filled when the form is there.
func (r *run) clicked(at place, click bot.Click, b pressed) error {
	limit := ackTime
	if b.opens {
		limit = openTime
	}
	opened := make(chan string, 1) // the id of the empty modal; "" if there is none
	answer, ok, err := within(r, limit, r.click(at, click), func(ctx context.Context, a bot.Answer) {
		if b.opens {
			at.view, at.trigger = <-opened, ""
		}
		r.answer(ctx, at, b.label, a)
	})
	switch {
	case err != nil:
		return err
	case ok:
		r.after(func(ctx context.Context) { r.answer(ctx, at, b.label, answer) })
	case b.opens:
		opened <- r.openEmpty(at, b.label)
	}
	return nil
}

// click asks the hub.
func (r *run) click(at place, click bot.Click) func(ctx context.Context) bot.Answer {
	return func(ctx context.Context) bot.Answer {
		who, err := r.p.person(ctx, at.user)
		if err != nil {
			return r.failed("who pressed", err)
		}
		click.Who = who.Person
		return r.hub.Click(ctx, click)
	}
}

// openEmpty opens a modal that is filled later.
func (r *run) openEmpty(at place, title string) (view string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), ackTime)
	defer cancel()
	v, err := r.open(ctx, at.trigger, note(title, words("One moment…")))
	if err != nil {
		r.p.log.Warn("open a modal", "error", err)
		return ""
	}
	return v
}

func (r *run) open(ctx context.Context, trigger string, view slack.ModalViewRequest) (id string, err error) {
	api, err := r.p.api.bot()
	if err != nil {
		return "", err
	}
	v, err := api.OpenViewContext(ctx, trigger, view)
	if err != nil {
		return "", why("open a modal", err)
	}
	return v.ID, nil
}

func (r *run) fill(ctx context.Context, id string, view slack.ModalViewRequest) error {
	api, err := r.p.api.bot()
	if err != nil {
		return err
	}
	_, err = api.UpdateViewContext(ctx, view, "", "", id)
	return why("fill a modal", err)
}

// after shows what the hub said in time. Slack's own request need not wait for that.
func (r *run) after(show func(ctx context.Context)) {
	if r.background(show) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), callTime)
	defer cancel()
	show(ctx)
}

// answer shows what the hub said to a press or a command.
func (r *run) answer(ctx context.Context, at place, title string, a bot.Answer) {
	if err := r.show(ctx, at, title, a); err != nil {
		r.p.log.Error("answer", "user", at.user, "error", err)
	}
}

func (r *run) show(ctx context.Context, at place, title string, a bot.Answer) error {
	modal := at.view != "" && at.trigger == "" // an empty one was opened
	var faults []error
	if a.Form != nil {
		err := r.showForm(ctx, at, *a.Form, modal)
		switch {
		case err == nil:
		case late(err):
			a.Whisper = &bot.Message{Notice: tooLate, Lines: []bot.Line{{{Text: tooLate}}}}
			faults = append(faults, err)
		default:
			a.Form, a.Whisper = nil, r.failed("open a form", err).Whisper
		}
	}
	if a.Redraw != nil {
		faults = append(faults, r.redrawn(ctx, at, *a.Redraw))
	}
	switch {
	case a.Whisper == nil:
		if modal && a.Form == nil {
			done := note(title, words("✓ Done."))
			faults = append(faults, r.fill(ctx, at.view, done))
		}
	case modal && a.Form == nil:
		blocks := r.p.painter(ctx, *a.Whisper).blocks(*a.Whisper, place{about: at.about}, 0)
		faults = append(faults, r.fill(ctx, at.view, note(title, blocks)))
	default:
		faults = append(faults, r.tell(ctx, at, *a.Whisper))
	}
	if at.view != "" {
		r.p.home.changed()
	}
	return errors.Join(faults...)
}

// late tells whether a modal could not be opened because the trigger had been used, or was too old.
func late(err error) bool {
	return errors.Is(err, slack.ErrParametersMissing) || is(err, "expired_trigger_id", "exchanged_trigger_id", "invalid_trigger_id", "trigger_expired", "trigger_exchanged")
}

func (r *run) showForm(ctx context.Context, at place, f bot.Form, modal bool) error {
	view := r.p.painter(ctx, bot.Message{Lines: f.Intro}).modal(f, kept(at, f.State))
	if modal {
		return r.fill(ctx, at.view, view)
	}
	_, err := r.open(ctx, at.trigger, view)
	return err
}

// redrawn shows a pressed message as it is now.
func (r *run) redrawn(ctx context.Context, at place, m bot.Message) error {
	if at.ephemeral {
		return r.respond(ctx, at, m, true)
	}
	if at.message == "" {
		return nil
	}
	return r.p.redraw(ctx, at, at.message, m)
}

// tell says something to whoever did something, where they did it.
func (r *run) tell(ctx context.Context, at place, m bot.Message) error {
	switch {
	case at.channel == "" && at.trigger != "": // the App Home
		_, err := r.open(ctx, at.trigger, note(m.Notice, r.p.painter(ctx, m).blocks(m, place{about: at.about}, 0)))
		if late(err) {
			_, err = r.p.direct(ctx, at.about, at.user, m)
		}
		return err
	case at.channel == "":
		_, err := r.p.direct(ctx, at.about, at.user, m)
		return err
	case strings.HasPrefix(at.channel, "D"):
		_, err := r.p.post(ctx, at, m)
		return err
	case at.response != "" && at.thread == "": // works in channels that the bot is not in, too
		return r.respond(ctx, at, m, false)
	}
	return r.p.whisper(ctx, at, m)
}

// respond answers a press or command at the address that came with it, which takes five answers in half
// an hour. The library's own way adds empty metadata, which Slack refuses.
// https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
func (r *run) respond(ctx context.Context, at place, m bot.Message, replace bool) error {
	v := r.p.painter(ctx, m)
	body, err := json.Marshal(struct {
		ResponseType string        `json:"response_type"`
		Replace      bool          `json:"replace_original"`
		Text         string        `json:"text"`
		Blocks       []slack.Block `json:"blocks"`
	}{slack.ResponseTypeEphemeral, replace, escape(v.notice(m)), v.message(m, at)})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.response, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.p.api.calls.Do(req)
	if err != nil {
		return why("respond", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		words, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("slack: respond: %s: %s", resp.Status, plain.Line(string(words)))
	}
	return nil
}

// failed words an error for the person, with a reference that finds it in the log.
func (r *run) failed(what string, err error) bot.Answer {
	ref := strings.ToLower(rand.Text()[:8])
	r.p.log.Error(what, "reference", ref, "error", err)
	words := fmt.Sprintf(trouble, ref)
	return bot.Answer{Whisper: &bot.Message{Notice: words, Lines: []bot.Line{{{Text: words}}}}}
}

// keeping is what a modal carries unseen: ids, and the hub's own signed state.
type keeping struct {
	State   string `json:"s,omitempty"`
	Channel string `json:"c,omitempty"`
	About   string `json:"a,omitempty"`
	Thread  string `json:"t,omitempty"`
	Message string `json:"m,omitempty"`
	// Of a question: what is asked about.
	Key    string `json:"k,omitempty"`
	Button string `json:"b,omitempty"`
	Value  string `json:"v,omitempty"`
	Nonce  string `json:"n,omitempty"`
	Opens  bool   `json:"o,omitempty"`
	// Long are values of options that are too long to be an option's.
	Long []string `json:"l,omitempty"`
}

func (k *keeping) String() string {
	b, _ := json.Marshal(k) // strings: cannot fail
	return string(b)
}

func kept(at place, state string) keeping {
	return keeping{State: state, Channel: at.channel, About: at.about, Thread: at.thread, Message: at.message}
}

// ask opens a modal that asks whether a press was meant.
func (r *run) ask(at place, mark pressing, b pressed) {
	k := keeping{
		Channel: at.channel, About: at.about, Thread: at.thread, Message: at.message,
		Key: mark.Key, Button: b.id, Value: b.value, Nonce: rand.Text(), Opens: b.opens,
	}
	view := note(b.label, words(plain.Line(b.question)))
	view.CallbackID, view.PrivateMetadata = callbackQuestion, k.String()
	view.Submit, view.Close = text(viewTitle(b.label), maxViewTitle), text("Cancel", maxViewTitle)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), ackTime)
	defer cancel()
	if _, err := r.open(ctx, at.trigger, view); err != nil {
		r.p.log.Error("ask first", "error", err)
	}
}

// submitted is a modal sent.
func (r *run) submitted(c slack.InteractionCallback, answered <-chan struct{}) (any, error) {
	var k keeping
	if err := json.Unmarshal([]byte(c.View.PrivateMetadata), &k); err != nil {
		return nil, fmt.Errorf("a modal with private metadata that is not ours: %w", err)
	}
	at := place{channel: k.Channel, about: k.About, thread: k.Thread, message: k.Message, user: c.User.ID, trigger: c.TriggerID}
	if c.View.CallbackID == callbackQuestion {
		click := bot.Click{Event: "press:" + k.Nonce, Channel: k.About, Message: k.Message, Key: k.Key, Button: k.Button, Value: k.Value}
		if k.Opens {
			return r.meant(at, c.View, click, answered)
		}
		return nil, r.clicked(at, click, pressed{id: k.Button, label: viewWords(c.View)})
	}
	if c.View.CallbackID != callbackForm {
		return nil, nil
	}
	s := bot.Submission{Channel: k.About, State: k.State, Values: k.values(c.View)}
	typed, _ := json.Marshal(s.Values) // sorted
	s.Event = "submit:" + inbound.Digest(k.State, string(typed))
	do := func(ctx context.Context) bot.Answer {
		who, err := r.p.person(ctx, at.user)
		if err != nil {
			return bot.Answer{Errors: map[string]string{"": r.failed("who submitted", err).Whisper.Notice}}
		}
		s.Who = who.Person
		return r.hub.Submit(ctx, s)
	}
	answer, ok, err := within(r, ackTime, do, func(ctx context.Context, a bot.Answer) {
		<-answered // else "One moment…" might take the place of what is shown now
		r.submittedLate(ctx, at, c.View, k, s.Values, a)
	})
	if err != nil {
		return nil, err
	}
	if !ok {
		return moment(c.View), nil
	}
	return r.submittedSoon(at, c.View, k, s.Values, answer, answered), nil
}

// meant is a question answered with yes, to which a form is the answer: it takes the question's place.
func (r *run) meant(at place, view slack.View, click bot.Click, answered <-chan struct{}) (any, error) {
	title := viewWords(view)
	answer, ok, err := within(r, ackTime, r.click(at, click), func(ctx context.Context, a bot.Answer) {
		<-answered
		at.view, at.trigger = view.ID, ""
		r.answer(ctx, at, title, a)
	})
	if err != nil {
		return nil, err
	}
	if !ok {
		return moment(view), nil
	}
	var next any
	if answer.Form != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), callTime)
		defer cancel()
		next = r.instead(view, *r.next(ctx, at, view, keeping{}, nil, answer), answered)
		answer.Form = nil
	}
	r.after(func(ctx context.Context) { r.answer(ctx, at, title, answer) })
	return next, nil
}

// moment keeps a modal that was sent open, until it is filled.
func moment(view slack.View) any {
	wait := note(viewWords(view), words("One moment…"))
	return slack.NewUpdateViewSubmissionResponse(&wait)
}

// maxAnswer is what the answer to a request over Socket Mode may hold; more is dropped without a word.
// https://github.com/slack-go/slack/issues/1474
const maxAnswer = 18_000

// submittedSoon is the answer to Slack's request.
func (r *run) submittedSoon(at place, view slack.View, k keeping, typed map[string]string, a bot.Answer, answered <-chan struct{}) any {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), callTime)
	defer cancel()
	next := r.next(ctx, at, view, k, typed, a)
	if next == nil {
		if fields := fieldErrors(a.Errors, view); len(fields) > 0 {
			return slack.NewErrorsViewSubmissionResponse(fields)
		}
		r.after(func(ctx context.Context) { r.said(ctx, at, a) })
		return nil
	}
	return r.instead(view, *next, answered)
}

// instead is the answer that puts another modal into the place of the one sent.
func (r *run) instead(view slack.View, next slack.ModalViewRequest, answered <-chan struct{}) any {
	answer := slack.NewUpdateViewSubmissionResponse(&next)
	if b, err := json.Marshal(answer); err == nil && len(b) > maxAnswer {
		r.background(func(ctx context.Context) {
			<-answered
			if err := r.fill(ctx, view.ID, next); err != nil {
				r.p.log.Error("next form", "error", err)
			}
		})
		return moment(view)
	}
	return answer
}

// submittedLate shows what became of a form that "One moment…" has taken the place of.
func (r *run) submittedLate(ctx context.Context, at place, view slack.View, k keeping, typed map[string]string, a bot.Answer) {
	next := r.next(ctx, at, view, k, typed, a)
	if next == nil && len(a.Errors) > 0 {
		words := ""
		for _, e := range a.Errors {
			words += e + " "
		}
		form := again(view, k, typed, strings.TrimSpace(words))
		next = &form
	}
	if next == nil {
		done := note(viewWords(view), words("✓ Done."))
		next = &done
		r.said(ctx, at, a)
	}
	if err := r.fill(ctx, view.ID, *next); err != nil {
		r.p.log.Error("form answered late", "error", err)
	}
}

// next is the modal that takes the place of the one sent; nil: none.
func (r *run) next(ctx context.Context, at place, view slack.View, k keeping, typed map[string]string, a bot.Answer) *slack.ModalViewRequest {
	switch {
	case a.Form != nil:
		form := r.p.painter(ctx, bot.Message{Lines: a.Form.Intro}).modal(*a.Form, kept(at, a.Form.State))
		return &form
	case len(a.Errors) > 0 && len(fieldErrors(a.Errors, view)) < len(a.Errors): // of the whole form
		form := again(view, k, typed, a.Errors[""])
		return &form
	}
	return nil
}

// said whispers what a form's answer says.
func (r *run) said(ctx context.Context, at place, a bot.Answer) {
	if a.Whisper != nil && !a.Aside {
		if err := r.p.Tell(ctx, at.about, at.thread, at.user, *a.Whisper); err != nil {
			r.p.log.Error("answer to a form", "user", at.user, "error", err)
		}
	}
}

// fieldErrors are those that stand at a field. Slack takes no others.
func fieldErrors(all map[string]string, view slack.View) map[string]string {
	fields := map[string]string{}
	for _, b := range view.Blocks.BlockSet {
		if in, ok := b.(*slack.InputBlock); ok && all[in.BlockID] != "" {
			fields[in.BlockID] = plain.Line(all[in.BlockID])
		}
	}
	return fields
}

// again is the form as it was sent, with what is wrong above it and all that was typed.
func again(view slack.View, k keeping, typed map[string]string, fault string) slack.ModalViewRequest {
	blocks := slices.DeleteFunc(slices.Clone(view.Blocks.BlockSet), func(b slack.Block) bool { return b.ID() == faultID })
	for _, b := range blocks {
		if in, ok := b.(*slack.InputBlock); ok {
			k.prefill(in, typed[in.BlockID])
		}
	}
	warning := slack.NewSectionBlock(text("⚠ "+plain.Line(fault), maxSection), nil, nil, slack.SectionBlockOptionBlockID(faultID))
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: callbackForm, PrivateMetadata: k.String(), Title: view.Title, Submit: view.Submit, Close: view.Close,
		Blocks: slack.Blocks{BlockSet: append([]slack.Block{warning}, blocks...)},
	}
}

const faultID = "fault"

func (k *keeping) prefill(in *slack.InputBlock, value string) {
	switch e := in.Element.(type) {
	case *slack.PlainTextInputBlockElement:
		e.InitialValue = value
	case *slack.SelectBlockElement:
		e.InitialOption = nil
		options := slices.Clone(e.Options)
		for _, g := range e.OptionGroups {
			options = append(options, g.Options...)
		}
		for _, o := range options {
			if k.value(o.Value) == value {
				e.InitialOption = o
			}
		}
	case *slack.CheckboxGroupsBlockElement:
		e.InitialOptions = nil
		if value != "" {
			e.InitialOptions = e.Options
		}
	}
}

func viewWords(v slack.View) string {
	if v.Title == nil {
		return ""
	}
	return html.UnescapeString(v.Title.Text)
}

// values are what was filled in, by field.
func (k *keeping) values(v slack.View) map[string]string {
	all := map[string]string{}
	if v.State == nil {
		return all
	}
	for block, actions := range v.State.Values {
		a, ok := actions[valueID]
		if !ok {
			continue
		}
		switch {
		case a.SelectedOption.Value != "":
			all[block] = k.value(a.SelectedOption.Value)
		case len(a.SelectedOptions) > 0:
			all[block] = a.SelectedOptions[0].Value
		default:
			all[block] = a.Value
		}
	}
	return all
}

// shortcut is one that was used on a message.
func (r *run) shortcut(c slack.InteractionCallback) error {
	switch c.CallbackID {
	case ShortcutSend:
		return r.shortcutSend(c)
	case ShortcutNote:
		return r.shortcutNote(c)
	}
	return nil
}

// shortcutNote is "Keep as a note": as if /mail note had been typed in the thread, with the message's words.
func (r *run) shortcutNote(c slack.InteractionCallback) error {
	at := place{channel: c.Channel.ID, about: c.Channel.ID, user: c.User.ID, trigger: c.TriggerID, response: c.ResponseURL}
	m := c.Message
	do := func(ctx context.Context) bot.Answer {
		who, err := r.p.person(ctx, at.user)
		if err != nil {
			return r.failed("who keeps a note", err)
		}
		said, ok := bot.Said{}, m.ThreadTimestamp != "" && m.ThreadTimestamp != m.Timestamp && m.BotID == "" && m.User != "" && !r.own(m.Msg)
		if ok {
			if said, ok, err = r.worded(ctx, c.Channel.ID, r.utterance(c.Channel.ID, bot.Written, m.Msg), m.Msg); err != nil {
				return r.failed("keep a note", err)
			}
		}
		if !ok || strings.TrimSpace(said.Text) == "" {
			const text = "Only what somebody of you has written in a card's thread can be kept as a note from here. For all else there is /mail note."
			return bot.Answer{Whisper: &bot.Message{Notice: text, Lines: []bot.Line{{{Text: text}}}}}
		}
		return r.hub.Command(ctx, bot.Command{
			Event: "note:" + inbound.Digest(c.TriggerID), Who: who.Person, Channel: c.Channel.ID, Root: m.ThreadTimestamp, Name: bot.CommandName,
			Text: "note here " + said.Text,
		})
	}
	answer, ok, err := within(r, ackTime, do, func(ctx context.Context, a bot.Answer) { r.answer(ctx, at, "Keep as a note", a) })
	if ok {
		r.after(func(ctx context.Context) { r.answer(ctx, at, "Keep as a note", answer) })
	}
	return err
}

// shortcutSend is "Send to the customer": as if the message had begun with the bot's name.
func (r *run) shortcutSend(c slack.InteractionCallback) error {
	at := place{channel: c.Channel.ID, about: c.Channel.ID, user: c.User.ID, response: c.ResponseURL}
	m := c.Message
	refuse := ""
	switch {
	case m.ThreadTimestamp == "" || m.ThreadTimestamp == m.Timestamp:
		refuse = "Only what is written in a card's thread can be sent to the other side. Write your answer there, then use the shortcut on it."
	case m.BotID != "" || m.User == "" || r.own(m.Msg):
		refuse = "Only what somebody of you has written can be sent to the other side."
	case m.User != c.User.ID:
		refuse = "This was written by somebody else. Only they can send it; or write it in your own words."
	}
	begun := r.background(func(ctx context.Context) {
		if refuse == "" {
			u := r.utterance(c.Channel.ID, bot.Written, m.Msg)
			u.Event = "send:" + c.Channel.ID + ":" + m.Timestamp
			said, ok, err := r.worded(ctx, c.Channel.ID, u, m.Msg)
			if err == nil && ok {
				said.ToBot = true
				r.p.shortcuts.add(c.Channel.ID+m.Timestamp, r.p.clock())
				err = r.hub.Said(ctx, said)
			}
			if err == nil {
				return
			}
			refuse = r.failed("shortcut", err).Whisper.Notice
		}
		if err := r.tell(ctx, at, bot.Message{Notice: refuse, Lines: []bot.Line{{{Text: refuse}}}}); err != nil {
			r.p.log.Error("answer to a shortcut", "user", at.user, "error", err)
		}
	})
	if !begun {
		return errEnding
	}
	return nil
}

// shortcuts remembers the messages that were sent by the shortcut: what is changed in them is for the
// other side, too, though it does not begin with the bot's name.
type shortcuts struct {
	mu  sync.Mutex
	all map[string]time.Time
}

// shortcutLife is longer than any answer can be stopped.
const shortcutLife = time.Hour

func (s *shortcuts) add(message string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]time.Time{}
	}
	for old, at := range s.all {
		if now.Sub(at) > shortcutLife {
			delete(s.all, old)
		}
	}
	s.all[message] = now
}

func (s *shortcuts) has(message string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.all[message]
	return ok
}

// slash is a slash command. Slack's request is answered empty; what there is to say comes after.
func (r *run) slash(c slack.SlashCommand) error {
	at := place{channel: c.ChannelID, about: c.ChannelID, user: c.UserID, trigger: c.TriggerID, response: c.ResponseURL}
	command := bot.Command{
		Event: "command:" + inbound.Digest(c.TriggerID), Channel: c.ChannelID, Name: strings.TrimPrefix(c.Command, "/"),
	}
	do := func(ctx context.Context) bot.Answer {
		who, err := r.p.person(ctx, at.user)
		if err != nil {
			return r.failed("who typed a command", err)
		}
		command.Who = who.Person
		command.Text, _ = r.p.heard(ctx, c.Text, r.me)
		return r.hub.Command(ctx, command)
	}
	answer, ok, err := within(r, ackTime, do, func(ctx context.Context, a bot.Answer) { r.answer(ctx, at, c.Command, a) })
	if ok {
		r.after(func(ctx context.Context) { r.answer(ctx, at, c.Command, answer) })
	}
	return err
}
