package mattermost

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"groupmail/bot"
)

const (
	// overlap is how much of what was heard is read again after a hole: messages are not always
	// delivered in the order of their times.
	overlap = 2 * time.Minute
	// recentFor is how long a message is watched for changes that happen in a hole, recentMost how
	// many are.
	recentFor  = time.Hour
	recentMost = 50
	// saveEvery is how often a cursor is kept that moved over what nobody needs.
	saveEvery = time.Minute
	// queueMost is how many events may wait in a channel; after that they are read again from the server.
	queueMost = 2000
	// sinceMost is how many posts the server's list of changes holds at most.
	sinceMost = 1000
)

// Run implements [bot.Platform].
func (p *Platform) Run(ctx context.Context, hub bot.Hub) error {
	h := &hearing{p: p, hub: hub, ears: map[string]*ear{}, echoes: newEchoes(), rollCall: make(chan struct{}, 1)}
	p.gateway.open(hub)
	defer p.api.http.CloseIdleConnections()
	defer p.gateway.shut()
	defer h.wg.Wait()
	h.wg.Go(func() { h.echoes.run(ctx, hub) })
	h.wg.Go(func() { h.callRoll(ctx) })

	var s session
	var wait backoff
	for ctx.Err() == nil {
		err := h.connect(ctx, &s, &wait)
		p.connected.Store(false)
		if ctx.Err() != nil {
			break
		}
		p.log.Warn("not connected", "error", err)
		pause(ctx, wait.next())
	}
	return nil
}

// hearing is one Run.
type hearing struct {
	p   *Platform
	hub bot.Hub
	wg  sync.WaitGroup

	echoes   *echoes
	rollCall chan struct{}

	mu   sync.Mutex
	ears map[string]*ear // by channel
}

func (h *hearing) connect(ctx context.Context, s *session, wait *backoff) error {
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
		wait.reset()
		h.p.connected.Store(true)
		h.p.log.Info("connected", "resumed", !fresh)
		if fresh {
			h.p.people.forgetAll()
			h.allBehind()
			wake(h.rollCall)
		}
	}
	return s.connection(ctx, h.p.base, token, ready, func(f frame) { h.event(ctx, me, f) })
}

// event sorts what comes over the websocket. It must not wait.
func (h *hearing) event(ctx context.Context, me *model.User, f frame) {
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
		switch f.Event {
		case model.WebsocketEventPosted:
			if e := h.ear(ctx, post.ChannelId, board(model.ChannelType(f.Data.ChannelType))); e != nil {
				e.put(utterance{bot.Written, &post})
			}
		case model.WebsocketEventPostEdited:
			if e := h.ear(ctx, post.ChannelId, false); e != nil {
				e.put(utterance{bot.Edited, &post})
			}
		default:
			if e := h.ear(ctx, post.ChannelId, false); e != nil {
				e.put(utterance{bot.Deleted, &post})
			}
		}
	case model.WebsocketEventUserUpdated:
		var u struct{ ID string }
		if json.Unmarshal(f.Data.User, &u) == nil {
			h.p.people.forget(u.ID)
		}
	case model.WebsocketEventUserRoleUpdated, model.WebsocketEventMemberroleUpdated, model.WebsocketEventUserActivationStatusChange:
		h.p.people.forgetAll()
	case model.WebsocketEventUserAdded:
		if f.Data.UserID == me.Id {
			h.ear(ctx, f.Broadcast.ChannelID, true)
		}
	}
}

// own is a message of the bot's: an echo of what we did, or its end.
func (h *hearing) own(post *model.Post, me *model.User, deleted bool) {
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

// ear returns the ear for a channel; a new one if there is none and add is true.
func (h *hearing) ear(ctx context.Context, channel string, add bool) *ear {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.ears[channel]
	if e == nil && add {
		e = &ear{h: h, channel: channel, behind: 1, wake: make(chan struct{}, 1)}
		h.ears[channel] = e
		wake(e.wake)
		h.wg.Go(func() { e.run(ctx) })
	}
	return e
}

func (h *hearing) allBehind() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.ears {
		e.fallBehind()
	}
}

// callRoll finds the channels that the bot is in, each time that it is woken.
func (h *hearing) callRoll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.rollCall:
		}
		var wait backoff
		for {
			err := h.roll(ctx)
			if err == nil || ctx.Err() != nil {
				break
			}
			h.p.log.Warn("list of channels", "error", err)
			if !pause(ctx, max(wait.next(), retryAfter(err))) {
				return
			}
		}
	}
}

func (h *hearing) roll(ctx context.Context) error {
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
			h.ear(ctx, c.Id, true)
		}
	}
	return nil
}

// retryAfter is how long the server's limit forbids another try.
func retryAfter(err error) time.Duration {
	var l bot.Limited
	errors.As(err, &l)
	return l.After
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// utterance is something that happened to a message.
type utterance struct {
	kind bot.SaidKind
	post *model.Post
}

// event is the same for the same thing, however it is heard.
func (u utterance) event() string {
	switch u.kind {
	case bot.Edited:
		return fmt.Sprintf("edit:%s:%d", u.post.Id, u.post.EditAt)
	case bot.Deleted:
		return "delete:" + u.post.Id
	default:
		return "post:" + u.post.Id
	}
}

func (u utterance) at() int64 {
	switch u.kind {
	case bot.Edited:
		return u.post.EditAt
	case bot.Deleted:
		return u.post.DeleteAt
	default:
		return u.post.CreateAt
	}
}

// wanted tells whether the hub is to hear of it: words of people, in threads.
func (u utterance) wanted(me string) bool {
	p := u.post
	return p.UserId != me && p.RootId != "" && p.OriginalId == "" &&
		(p.Type == model.PostTypeDefault || p.Type == model.PostTypeMe) &&
		p.GetProp(model.PostPropsFromBot) == nil && p.GetProp(model.PostPropsFromWebhook) == nil &&
		(u.kind != bot.Edited || p.EditAt != 0)
}

// cursor is how far a channel has been heard.
type cursor struct {
	At     int64    `json:"at"` // creation of the youngest message heard, in milliseconds
	Recent []recent `json:"recent,omitempty"`
}

// recent is a message that was told and may still be changed.
type recent struct {
	ID   string `json:"id"`
	At   int64  `json:"at"`
	Edit int64  `json:"edit,omitempty"` // when it was last changed
	Gone bool   `json:"gone,omitempty"`
}

// knows tells whether u is no news about r.
func (r recent) knows(u utterance) bool {
	switch u.kind {
	case bot.Edited:
		return r.Gone || r.Edit == u.post.EditAt
	case bot.Deleted:
		return r.Gone
	default:
		return true
	}
}

// heard moves the cursor over u; told says that the hub was told of it.
func (c *cursor) heard(u utterance, told bool) {
	if u.kind == bot.Written {
		c.At = max(c.At, u.post.CreateAt)
	}
	if !told {
		return
	}
	c.Recent = slices.DeleteFunc(c.Recent, func(r recent) bool {
		return r.ID == u.post.Id || c.At-r.At > recentFor.Milliseconds()
	})
	if c.At-u.post.CreateAt <= recentFor.Milliseconds() {
		c.Recent = append(c.Recent, recent{u.post.Id, u.post.CreateAt, u.post.EditAt, u.kind == bot.Deleted})
	}
	if n := len(c.Recent) - recentMost; n > 0 {
		c.Recent = slices.Delete(c.Recent, 0, n)
	}
}

// ear hears one channel, in order. A channel that the hub does not take is tried again, without
// the others waiting for it.
type ear struct {
	h       *hearing
	channel string
	wake    chan struct{}

	mu     sync.Mutex
	queue  []utterance
	behind int // counts reasons to read from the server before the queue; 0 if none

	// Of run alone.
	cursor cursor
	saved  time.Time
	dirty  bool
}

func (e *ear) put(u utterance) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.queue) >= queueMost {
		e.queue = nil
		e.behind++
	}
	e.queue = append(e.queue, u)
	wake(e.wake)
}

func (e *ear) fallBehind() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.behind++
	wake(e.wake)
}

func (e *ear) run(ctx context.Context) {
	var wait backoff
	for {
		select {
		case <-ctx.Done():
			if e.dirty {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
				defer cancel()
				if err := e.save(ctx); err != nil {
					e.h.p.log.Warn("keep cursor", "channel", e.channel, "error", err)
				}
			}
			return
		case <-e.wake:
		}
		err := e.work(ctx)
		switch {
		case err == nil:
			wait.reset()
		case ctx.Err() != nil:
		case errors.Is(err, bot.ErrNoChannel):
			e.h.p.log.Warn("channel cannot be heard", "channel", e.channel, "error", err)
		default:
			e.h.p.log.Error("hear channel", "channel", e.channel, "error", err)
			pause(ctx, max(wait.next(), retryAfter(err)))
			wake(e.wake)
		}
	}
}

// work hears what there is. After an error it is read from the server again, from the cursor on.
func (e *ear) work(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			e.mu.Lock()
			e.behind++
			e.mu.Unlock()
		}
	}()
	for {
		e.mu.Lock()
		behind := e.behind
		e.mu.Unlock()
		if behind > 0 {
			if err := e.catchUp(ctx); err != nil {
				return err
			}
		}
		e.mu.Lock()
		if e.behind != behind { // another hole meanwhile
			e.mu.Unlock()
			continue
		}
		e.behind = 0
		queue := e.queue
		e.queue = nil
		e.mu.Unlock()
		if len(queue) == 0 {
			return nil
		}
		for _, u := range queue {
			if err := e.tell(ctx, u, false); err != nil {
				return err
			}
		}
	}
}

// tell tells the hub, and moves the cursor if the hub kept it.
func (e *ear) tell(ctx context.Context, u utterance, late bool) error {
	me, err := e.h.p.me(ctx)
	if err != nil {
		return err
	}
	told := false
	if u.wanted(me.Id) {
		said, ok, err := e.h.p.said(ctx, me, u)
		if err != nil {
			return err
		}
		if ok {
			said.Late = late
			if err := e.h.hub.Said(ctx, said); err != nil {
				return err
			}
			told = true
		}
	}
	e.cursor.heard(u, told)
	e.dirty = true
	if told || time.Since(e.saved) > saveEvery {
		return e.save(ctx)
	}
	return nil
}

func (e *ear) save(ctx context.Context) error {
	word, err := json.Marshal(e.cursor)
	if err == nil {
		err = e.h.hub.SetCursor(ctx, e.channel, string(word))
	}
	if err != nil {
		return fmt.Errorf("mattermost: keep cursor: %w", err)
	}
	e.saved, e.dirty = time.Now(), false
	return nil
}

// said words an utterance for the hub; ok is false if a bot said it.
func (p *Platform) said(ctx context.Context, me *model.User, u utterance) (said bot.Said, ok bool, err error) {
	post := u.post
	who, err := p.person(ctx, post.UserId)
	if is(err, http.StatusNotFound) {
		return said, false, nil
	}
	if err != nil || who.bot {
		return said, false, err
	}
	said = bot.Said{
		Event: u.event(), Who: who.Person, Channel: post.ChannelId, Root: post.RootId, Message: post.Id,
		Kind: u.kind, At: time.UnixMilli(post.CreateAt),
	}
	if u.kind == bot.Deleted { // the server does not always tell what it said
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
			said.Files = append(said.Files, bot.File{ID: f.Id, Name: oneLine(f.Name), Type: f.MimeType, Size: f.Size})
		}
	}
	return said, true, nil
}

// catchUp reads from the server what was missed: what was written, and what happened to messages
// told shortly before. Changes of older messages come too, unless more than a thousand
// changes, our own redrawings included, happened in the meantime.
func (e *ear) catchUp(ctx context.Context) error {
	p := e.h.p
	me, err := p.me(ctx)
	if err != nil {
		return err
	}
	word, err := e.h.hub.Cursor(ctx, e.channel)
	if err != nil {
		return fmt.Errorf("mattermost: cursor: %w", err)
	}
	if word == "" {
		return e.first(ctx)
	}
	var c cursor
	if err := json.Unmarshal([]byte(word), &c); err != nil {
		return fmt.Errorf("mattermost: cursor %q: %w", word, err)
	}
	e.cursor = c
	e.mu.Lock()
	e.queue = nil // whatever is in it the server tells as well
	e.mu.Unlock()

	from := c.At - overlap.Milliseconds()
	told := map[string]recent{}
	for _, r := range c.Recent {
		told[r.ID] = r
	}
	missed := map[string]utterance{}
	add := func(kind bot.SaidKind, post *model.Post) {
		u := utterance{kind, post}
		if r, ok := told[post.Id]; (!ok || !r.knows(u)) && u.wanted(me.Id) {
			missed[u.event()] = u
		}
	}
	newest := c.At
	err = p.back(ctx, e.channel, from, func(post *model.Post) bool {
		newest = max(newest, post.CreateAt)
		if post.UserId == me.Id {
			e.h.own(post, me, false)
			return true
		}
		add(bot.Written, post)
		add(bot.Edited, post)
		return true
	})
	if err != nil {
		return p.why(ctx, "catch up", e.channel, "", err)
	}
	if err := e.changed(ctx, from, me, add); err != nil {
		return err
	}
	if err := e.recently(ctx, c.Recent, add); err != nil {
		return err
	}
	inOrder := make([]utterance, 0, len(missed))
	for _, u := range missed {
		inOrder = append(inOrder, u)
	}
	slices.SortFunc(inOrder, func(a, b utterance) int {
		return cmp.Or(cmp.Compare(a.at(), b.at()), cmp.Compare(a.post.Id, b.post.Id), -cmp.Compare(a.kind, b.kind))
	})
	for _, u := range inOrder {
		if err := e.tell(ctx, u, true); err != nil {
			return err
		}
	}
	e.cursor.At = max(e.cursor.At, newest)
	if e.cursor.At != c.At || e.dirty {
		return e.save(ctx)
	}
	return nil
}

// first begins a channel: nothing that was said before is told.
func (e *ear) first(ctx context.Context) error {
	var list model.PostList
	if err := e.h.p.api.get(ctx, "/channels/"+e.channel+"/posts?page=0&per_page=1&skipFetchThreads=true", &list); err != nil {
		return e.h.p.why(ctx, "begin", e.channel, "", err)
	}
	e.cursor = cursor{}
	for _, id := range list.Order {
		e.cursor.At = list.Posts[id].CreateAt
	}
	return e.save(ctx)
}

// changed asks for what was changed or deleted. See back for what is wrong with the server's list.
func (e *ear) changed(ctx context.Context, since int64, me *model.User, add func(bot.SaidKind, *model.Post)) error {
	var list model.PostList
	if err := e.h.p.api.get(ctx, fmt.Sprintf("/channels/%s/posts?since=%d", e.channel, max(since, 1)), &list); err != nil {
		return e.h.p.why(ctx, "changes", e.channel, "", err)
	}
	if len(list.Order) >= sinceMost {
		e.h.p.log.Info("too many changes to see all of them", "channel", e.channel)
	}
	for _, post := range list.Posts {
		switch {
		case post.OriginalId != "": // what a post was before a change
		case post.UserId == me.Id:
			if post.DeleteAt > since {
				e.h.own(post, me, true)
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
func (e *ear) recently(ctx context.Context, told []recent, add func(bot.SaidKind, *model.Post)) error {
	if len(told) == 0 {
		return nil
	}
	var ids []string
	for _, r := range told {
		ids = append(ids, r.ID)
	}
	var posts []*model.Post
	err := e.h.p.api.post(ctx, "/posts/ids", ids, &posts)
	if is(err, http.StatusNotFound) { // none is left at all
		return nil
	}
	if err != nil {
		return e.h.p.why(ctx, "changes", e.channel, "", err)
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
