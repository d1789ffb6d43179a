package mattermost

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"groupmail/bot"
	"groupmail/bot/hearing"
	"groupmail/bot/plain"
)

// sinceMost is how many posts the server's list of changes holds at most.
const sinceMost = 1000

// Run implements [bot.Platform].
func (p *Platform) Run(ctx context.Context, hub bot.Hub) error {
	h := &listener{p: p, hub: hub, echoes: newEchoes(), rollCall: make(chan struct{}, 1)}
	h.hearing = hearing.New(h, hub, p.log)
	p.gateway.Open(hub)
	defer p.api.http.CloseIdleConnections()
	defer p.gateway.Shut()
	defer h.hearing.Wait()
	defer h.wg.Wait()
	h.wg.Go(func() { h.echoes.run(ctx, hub) })
	h.wg.Go(func() { h.callRoll(ctx) })

	var s session
	var wait hearing.Backoff
	for ctx.Err() == nil {
		err := h.connect(ctx, &s, &wait)
		p.connected.Store(false)
		if ctx.Err() != nil {
			break
		}
		p.log.Warn("not connected", "error", err)
		hearing.Pause(ctx, wait.Next())
	}
	return nil
}

// listener is one Run.
type listener struct {
	p       *Platform
	hub     bot.Hub
	hearing *hearing.Hearing
	wg      sync.WaitGroup

	echoes   *echoes
	rollCall chan struct{}
}

func (h *listener) connect(ctx context.Context, s *session, wait *hearing.Backoff) error {
	me, err := h.p.me(ctx)
	if err != nil {
		return err
	}
	if _, _, err := h.p.signingKey(ctx, false); err != nil { // so that the first press need not
		return err
	}
	token, err := h.p.cfg.Token()
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	ready := func(fresh bool) {
		wait.Reset()
		h.p.connected.Store(true)
		h.p.log.Info("connected", "resumed", !fresh)
		if fresh {
			h.p.people.ForgetAll()
			h.hearing.FellBehind()
			wake(h.rollCall)
		}
	}
	return s.connection(ctx, h.p.base, token, ready, func(f frame) { h.event(ctx, me, f) })
}

// event sorts what comes over the websocket. It must not wait.
func (h *listener) event(ctx context.Context, me *model.User, f frame) {
	switch f.Event {
	case model.WebsocketEventPosted, model.WebsocketEventPostEdited, model.WebsocketEventPostDeleted:
		var post model.Post
		if err := json.Unmarshal([]byte(f.Data.Post), &post); err != nil {
			h.p.log.Error("post in event", "event", f.Event, "error", err)
			return
		}
		if post.UserId == me.Id {
			h.own(&post, me, f.Event == model.WebsocketEventPostDeleted)
			return
		}
		kind := map[model.WebsocketEventType]bot.SaidKind{
			model.WebsocketEventPosted: bot.Written, model.WebsocketEventPostEdited: bot.Edited, model.WebsocketEventPostDeleted: bot.Deleted,
		}[f.Event]
		if kind != bot.Written || board(model.ChannelType(f.Data.ChannelType)) {
			h.hearing.Heard(ctx, post.ChannelId, h.utterance(me, kind, &post))
		}
	case model.WebsocketEventReactionAdded:
		var r model.Reaction
		if json.Unmarshal([]byte(f.Data.Reaction), &r) == nil && slices.Contains(keepEmoji, r.EmojiName) && r.UserId != me.Id {
			h.wg.Go(func() {
				if err := h.keep(ctx, me, r); err != nil && ctx.Err() == nil {
					h.p.log.Error("cannot keep a message as a note", "post", r.PostId, "err", err)
				}
			})
		}
	case model.WebsocketEventUserUpdated:
		var u struct{ ID string }
		if json.Unmarshal(f.Data.User, &u) == nil {
			h.p.people.Forget(u.ID)
		}
	case model.WebsocketEventUserRoleUpdated, model.WebsocketEventMemberroleUpdated, model.WebsocketEventUserActivationStatusChange:
		h.p.people.ForgetAll()
	case model.WebsocketEventUserAdded:
		if f.Data.UserID == me.Id {
			h.hearing.Listen(ctx, f.Broadcast.ChannelID)
		}
	}
}

// keepEmoji are the names of the reaction 📝: what somebody has written in a card's thread is kept as a note by it.
// Server: the emoji's data, in which one has both.
var keepEmoji = []string{"memo", "pencil"}

// keep does with a message as if its words were typed behind /mail note here in its thread: once a message, whoever
// reacts, and in however many processes that is heard. What is no message in a card's thread is none of ours.
func (h *listener) keep(ctx context.Context, me *model.User, r model.Reaction) error {
	var post, root model.Post
	if err := h.p.api.get(ctx, "/posts/"+url.PathEscape(r.PostId), &post); err != nil {
		return err
	}
	if !wanted(me, &post) {
		return nil
	}
	if err := h.p.api.get(ctx, "/posts/"+url.PathEscape(post.RootId), &root); err != nil {
		return err
	}
	if root.UserId != me.Id {
		return nil
	}
	said, ok, err := h.p.said(ctx, me, h.utterance(me, bot.Written, &post), &post)
	if err != nil || !ok || strings.TrimSpace(said.Text) == "" {
		return err
	}
	who, err := h.p.person(ctx, r.UserId)
	if err != nil || who.Bot {
		return err
	}
	a := h.hub.Command(ctx, bot.Command{
		Event: "note:" + post.Id, Who: who.Person, Channel: post.ChannelId, Root: post.RootId, Name: bot.CommandName, Text: "note here " + said.Text,
	})
	if a.Form != nil { // nobody has opened one
		a.Whisper = &bot.Message{Notice: "Not kept as a note", Lines: append(a.Form.Intro, bot.Line{{Text: "Then react once more, or type /" + bot.CommandName + " note in the thread."}})}
	}
	if a.Whisper == nil {
		return nil
	}
	return h.p.Tell(ctx, post.ChannelId, post.RootId, r.UserId, *a.Whisper)
}

// own is a message of the bot's: an echo of what we did, or its end.
func (h *listener) own(post *model.Post, me *model.User, deleted bool) {
	m, ok := h.p.note(post, me.Id)
	switch {
	case deleted && ok:
		h.p.marks.forget(post.Id)
		h.echoes.put(echo{channel: post.ChannelId, message: post.Id, lost: true})
	case ok && m.Key != "":
		h.echoes.put(echo{channel: post.ChannelId, message: post.Id, mark: m})
	}
}

func board(t model.ChannelType) bool {
	return t == model.ChannelTypeOpen || t == model.ChannelTypePrivate
}

// callRoll finds the channels that the bot is in, each time that it is woken.
func (h *listener) callRoll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.rollCall:
		}
		var wait hearing.Backoff
		for {
			err := h.roll(ctx)
			if err == nil || ctx.Err() != nil {
				break
			}
			h.p.log.Warn("list of channels", "error", err)
			if !hearing.Pause(ctx, max(wait.Next(), hearing.RetryAfter(err))) {
				return
			}
		}
	}
}

func (h *listener) roll(ctx context.Context) error {
	me, err := h.p.me(ctx)
	if err != nil {
		return err
	}
	var channels []*model.Channel
	if err := h.p.api.get(ctx, "/users/"+me.Id+"/channels", &channels); err != nil {
		return err
	}
	for _, c := range channels {
		if board(c.Type) && c.DeleteAt == 0 {
			h.p.remember(ctx, c)
			h.hearing.Listen(ctx, c.Id)
		}
	}
	return nil
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// utterance is something that happened to a message.
func (h *listener) utterance(me *model.User, kind bot.SaidKind, post *model.Post) hearing.Utterance {
	u := hearing.Utterance{Kind: kind, ID: post.Id, Written: micros(post.CreateAt), Changed: micros(post.EditAt), Event: "post:" + post.Id}
	switch kind {
	case bot.Edited:
		u.Event = fmt.Sprintf("edit:%s:%d", post.Id, post.EditAt)
	case bot.Deleted:
		u.Changed, u.Event = micros(post.DeleteAt), "delete:"+post.Id
	}
	u.Said = func(ctx context.Context) (bot.Said, bool, error) {
		if !wanted(me, post) || kind == bot.Edited && post.EditAt == 0 {
			return bot.Said{}, false, nil
		}
		return h.p.said(ctx, me, u, post)
	}
	return u
}

// micros are microseconds of the server's milliseconds.
func micros(ms int64) int64 { return ms * 1000 }

// wanted tells whether the hub is to hear of it: words of people, in threads.
func wanted(me *model.User, p *model.Post) bool {
	return p.UserId != me.Id && p.RootId != "" && p.OriginalId == "" &&
		(p.Type == model.PostTypeDefault || p.Type == model.PostTypeMe) &&
		p.GetProp(model.PostPropsFromBot) == nil && p.GetProp(model.PostPropsFromWebhook) == nil
}

// said words an utterance for the hub; ok is false if a bot said it.
func (p *Platform) said(ctx context.Context, me *model.User, u hearing.Utterance, post *model.Post) (said bot.Said, ok bool, err error) {
	who, err := p.person(ctx, post.UserId)
	if is(err, http.StatusNotFound) {
		return said, false, nil
	}
	if err != nil || who.Bot {
		return said, false, err
	}
	said = bot.Said{
		Event: u.Event, Who: who.Person, Channel: post.ChannelId, Root: post.RootId, Message: post.Id,
		Kind: u.Kind, At: time.UnixMilli(post.CreateAt),
	}
	if u.Kind == bot.Deleted { // the server does not always tell what it said
		return said, true, nil
	}
	if said.Text, said.ToBot, err = p.heard(ctx, me, post.Message); err != nil {
		return said, false, err
	}
	if len(post.FileIds) > 0 {
		infos := []*model.FileInfo(nil)
		if post.Metadata != nil {
			infos = post.Metadata.Files
		}
		if len(infos) == 0 {
			if err := p.api.get(ctx, "/posts/"+post.Id+"/files/info", &infos); err != nil && !is(err, http.StatusNotFound, http.StatusForbidden) {
				return said, false, fmt.Errorf("mattermost: files of %s: %w", post.Id, err)
			}
		}
		for _, f := range infos {
			said.Files = append(said.Files, bot.File{ID: f.Id, Name: plain.Line(f.Name), Type: f.MimeType, Size: f.Size})
		}
	}
	return said, true, nil
}

// Newest implements [hearing.Platform].
func (h *listener) Newest(ctx context.Context, channel string) (int64, error) {
	var list model.PostList
	if err := h.p.api.get(ctx, "/channels/"+channel+"/posts?page=0&per_page=1&skipFetchThreads=true", &list); err != nil {
		return 0, h.p.why(ctx, "begin", channel, "", err)
	}
	newest := int64(0)
	for _, id := range list.Order {
		newest = micros(list.Posts[id].CreateAt)
	}
	return newest, nil
}

// Missed implements [hearing.Platform]. Changes of older messages come too, unless more than a
// thousand changes, our own redrawings included, happened in the meantime.
func (h *listener) Missed(ctx context.Context, channel string, from int64, recent []hearing.Recent) (all []hearing.Utterance, newest int64, err error) {
	me, err := h.p.me(ctx)
	if err != nil {
		return nil, 0, err
	}
	since := from / 1000
	add := func(kind bot.SaidKind, post *model.Post) {
		if wanted(me, post) && (kind != bot.Edited || post.EditAt != 0) {
			all = append(all, h.utterance(me, kind, post))
		}
	}
	err = h.p.back(ctx, channel, since, func(post *model.Post) bool {
		newest = max(newest, micros(post.CreateAt))
		if post.UserId == me.Id {
			h.own(post, me, false)
			return true
		}
		add(bot.Written, post)
		add(bot.Edited, post)
		return true
	})
	if err != nil {
		return nil, 0, h.p.why(ctx, "catch up", channel, "", err)
	}
	if err := h.changed(ctx, channel, since, me, add); err != nil {
		return nil, 0, err
	}
	return all, newest, h.recently(ctx, channel, recent, add)
}

// changed asks for what was changed or deleted. See back for what is wrong with the server's list.
func (h *listener) changed(ctx context.Context, channel string, since int64, me *model.User, add func(bot.SaidKind, *model.Post)) error {
	var list model.PostList
	if err := h.p.api.get(ctx, fmt.Sprintf("/channels/%s/posts?since=%d", channel, max(since, 1)), &list); err != nil {
		return h.p.why(ctx, "changes", channel, "", err)
	}
	if len(list.Order) >= sinceMost {
		h.p.log.Info("too many changes to see all of them", "channel", channel)
	}
	for _, post := range list.Posts {
		switch {
		case post.OriginalId != "": // what a post was before a change
		case post.UserId == me.Id:
			if post.DeleteAt > since {
				h.own(post, me, true)
			}
		case post.DeleteAt > since:
			add(bot.Deleted, post)
		case post.DeleteAt == 0 && post.EditAt > since:
			add(bot.Edited, post)
		}
	}
	return nil
}

// recently looks at each message that was told shortly before.
func (h *listener) recently(ctx context.Context, channel string, told []hearing.Recent, add func(bot.SaidKind, *model.Post)) error {
	if len(told) == 0 {
		return nil
	}
	var ids []string
	for _, r := range told {
		ids = append(ids, r.ID)
	}
	var posts []*model.Post
	err := h.p.api.post(ctx, "/posts/ids", ids, &posts)
	if is(err, http.StatusNotFound) { // none is left at all
		return nil
	}
	if err != nil {
		return h.p.why(ctx, "changes", channel, "", err)
	}
	for _, post := range posts {
		if post.DeleteAt != 0 {
			add(bot.Deleted, post)
		} else {
			add(bot.Edited, post)
		}
	}
	return nil
}

// echoes are on their way to the hub: of each message only what is newest, and not delayed by
// what people say.
type echoes struct {
	mu    sync.Mutex
	order []string
	last  map[string]echo
	wake  chan struct{}
}

type echo struct {
	channel, message string
	mark             mark
	lost             bool
}

func newEchoes() *echoes { return &echoes{last: map[string]echo{}, wake: make(chan struct{}, 1)} }

func (q *echoes) put(e echo) {
	q.mu.Lock()
	defer q.mu.Unlock()
	before, waits := q.last[e.message]
	if before.lost {
		return
	}
	if !waits {
		q.order = append(q.order, e.message)
	}
	q.last[e.message] = e
	wake(q.wake)
}

func (q *echoes) take() (echo, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.order) == 0 {
		q.order = nil
		return echo{}, false
	}
	id := q.order[0]
	q.order = q.order[1:]
	e := q.last[id]
	delete(q.last, id)
	return e, true
}

func (q *echoes) run(ctx context.Context, hub bot.Hub) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		}
		for ctx.Err() == nil {
			e, ok := q.take()
			if !ok {
				break
			}
			if e.lost {
				hub.Lost(ctx, e.channel, e.message)
			} else {
				hub.Drawn(ctx, e.channel, e.message, e.mark.Key, e.mark.Version)
			}
		}
	}
}
