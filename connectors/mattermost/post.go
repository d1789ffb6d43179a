package mattermost

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"groupmail/bot"
	"groupmail/bot/plain"
)

const (
	// propMark is the property of our messages that holds their mark.
	propMark = "groupmail"
	// maxFiles is how many files a message can have. Server: model.PostFileidsMaxRunes.
	maxFiles = 10
	// findSlack covers clocks that differ.
	findSlack = 5 * time.Minute
)

// mark is what a message of ours carries unseen. Clients see it if they look, so it holds ids only.
type mark struct {
	Key     string `json:"key"`
	Version int64  `json:"version"`
	Part    int    `json:"part,omitempty"` // 1, 2, … of what did not fit into the message itself: files
}

// markOf reads the mark of a message that the bot has posted.
func markOf(post *model.Post, me string) (mark, bool) {
	props, ok := post.GetProp(propMark).(map[string]any)
	if !ok || post.UserId != me {
		return mark{}, false
	}
	var m mark
	m.Key, _ = props["key"].(string)
	version, _ := props["version"].(float64)
	part, _ := props["part"].(float64)
	m.Version, m.Part = int64(version), int(part)
	return m, true
}

// marked is what the server said of a message of ours.
type marked struct {
	channel, key string
	version      int64
	files        []string
}

// marks remembers which key each message carries, so that a press needs no look at the server.
type marks struct {
	mu       sync.Mutex
	now, old map[string]marked
}

const marksMost = 20_000 // in each half

func (c *marks) keep(id string, m marked) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(id, m)
}

func (c *marks) set(id string, m marked) {
	if c.now == nil || len(c.now) >= marksMost {
		c.now, c.old = map[string]marked{}, c.now
	}
	c.now[id] = m
}

func (c *marks) get(id string) (marked, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, ok := c.now[id]
	if !ok {
		if m, ok = c.old[id]; ok {
			c.set(id, m)
		}
	}
	return m, ok
}

func (c *marks) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.now, id)
	delete(c.old, id)
}

// note remembers a message of ours that the server has shown us.
func (p *Platform) note(post *model.Post, me string) (mark, bool) {
	m, ok := markOf(post, me)
	if !ok || m.Part != 0 {
		return m, false
	}
	p.marks.keep(post.Id, marked{post.ChannelId, m.Key, m.Version, post.FileIds})
	return m, true
}

// markedAs is the key of a message, by memory or by asking. Messages that are not ours have none.
func (p *Platform) markedAs(ctx context.Context, message string) (marked, error) {
	if m, ok := p.marks.get(message); ok {
		return m, nil
	}
	me, err := p.me(ctx)
	if err != nil {
		return marked{}, err
	}
	var post model.Post
	if err := p.api.get(ctx, "/posts/"+message, &post); err != nil {
		return marked{}, err
	}
	if _, ok := p.note(&post, me.Id); !ok {
		return marked{}, errForged
	}
	m, _ := p.marks.get(message)
	return m, nil
}

func (p *Platform) view(ctx context.Context, m bot.Message) view {
	return view{zone: p.cfg.Zone, now: p.clock(), names: p.names(ctx, m.Members())}
}

// props is everything of a message that can change.
func (p *Platform) props(ctx context.Context, at spot, m bot.Message) model.StringInterface {
	a := p.view(ctx, m).attachment(m)
	a.Actions = p.actions(m, at, "")
	return model.StringInterface{
		// The server adds it to what bots post, but not to what they change.
		model.PostPropsFromBot:     "true",
		model.PostPropsAttachments: []*model.MessageAttachment{a},
		propMark:                   mark{Key: m.Key, Version: m.Version},
	}
}

// spot is where a message stands, and the channel that its buttons are about. They differ where a
// member is told in a direct message what belongs to a board.
type spot struct{ channel, about string }

func in(channel string) spot { return spot{channel, channel} }

// where is the spot of a message in a channel.
func where(channel string, m bot.Message) spot { return spot{channel, cmp.Or(m.About, channel)} }

// Post implements [bot.Platform]. A repetition within half a minute gives the message that the first
// attempt made, also if its answer was lost.
func (p *Platform) Post(ctx context.Context, channel string, m bot.Message) (string, error) {
	me, err := p.me(ctx)
	if err != nil {
		return "", err
	}
	files, err := p.upload(ctx, channel, m.Files)
	if err != nil {
		return "", p.why(ctx, "post", channel, "", err)
	}
	first, rest := files, []string(nil)
	if len(files) > maxFiles {
		first, rest = files[:maxFiles], files[maxFiles:]
	}
	post := &model.Post{
		ChannelId: channel, RootId: m.Root, FileIds: first, PendingPostId: pendingID(me.Id, m, 0),
	}
	post.SetProps(p.props(ctx, where(channel, m), m))
	made, err := p.create(ctx, post)
	if err != nil {
		return "", p.why(ctx, "post", channel, m.Root, err)
	}
	p.note(made, me.Id)
	for part := 1; len(rest) > 0; part++ {
		n := min(len(rest), maxFiles)
		more := &model.Post{
			ChannelId: channel, RootId: m.Root, FileIds: rest[:n], PendingPostId: pendingID(me.Id, m, part),
		}
		if more.RootId == "" {
			more.RootId = made.Id
		}
		more.SetProps(model.StringInterface{propMark: mark{Key: m.Key, Version: m.Version, Part: part}})
		if _, err := p.create(ctx, more); err != nil {
			return "", p.why(ctx, "post files", channel, more.RootId, err)
		}
		rest = rest[n:]
	}
	return made.Id, nil
}

func (p *Platform) create(ctx context.Context, post *model.Post) (*model.Post, error) {
	made := &model.Post{}
	err := p.api.post(ctx, "/posts", post, made)
	if because(err, "api.post.deduplicate_create_post.failed_to_get") { // the one it made before was deleted
		post.PendingPostId = ""
		err = p.api.post(ctx, "/posts", post, made)
	}
	return made, err
}

// pendingID is the same for a repetition of the same message, or empty where messages have no key.
// Server: app/post.go, deduplicateCreatePost.
func pendingID(me string, m bot.Message, part int) string {
	if m.Key == "" {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d", m.Key, m.Version, part))
	return me + ":" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}

// upload sends the files, which belong to nobody until a post names them.
func (p *Platform) upload(ctx context.Context, channel string, files []bot.Upload) ([]string, error) {
	var ids []string
	for _, f := range files {
		id, err := p.uploadOne(ctx, channel, f)
		if err != nil {
			return nil, fmt.Errorf("file %q: %w", f.Name, err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (p *Platform) uploadOne(ctx context.Context, channel string, f bot.Upload) (string, error) {
	content, err := f.Open(ctx)
	if err != nil {
		return "", err
	}
	defer content.Close()
	query := url.Values{"channel_id": {channel}, "filename": {plain.FileName(f.Name)}}
	answer, err := p.api.stream(ctx, http.MethodPost, "/files?"+query.Encode(), content, f.Size)
	if is(err, http.StatusRequestEntityTooLarge) {
		return "", errors.Join(bot.ErrTooMuch, err)
	}
	if err != nil {
		return "", err
	}
	defer answer.Close()
	var made model.FileUploadResponse
	if err := decode(answer, &made); err != nil {
		return "", err
	}
	if len(made.FileInfos) != 1 {
		return "", fmt.Errorf("the server made %d files of one", len(made.FileInfos))
	}
	return made.FileInfos[0].Id, nil
}

// Redraw implements [bot.Platform]. It changes the properties alone: a change of the text would be
// refused once the server's PostEditTimeLimit has passed.
func (p *Platform) Redraw(ctx context.Context, channel, message string, m bot.Message) error {
	return p.redraw(ctx, where(channel, m), message, m)
}

func (p *Platform) redraw(ctx context.Context, at spot, message string, m bot.Message) error {
	if p.outdated(message, m) {
		return nil
	}
	props := p.props(ctx, at, m)
	made := &model.Post{}
	if err := p.api.put(ctx, "/posts/"+url.PathEscape(message)+"/patch", &model.PostPatch{Props: &props}, made); err != nil {
		return p.why(ctx, "redraw", at.channel, message, err)
	}
	if me, err := p.me(ctx); err == nil {
		p.note(made, me.Id)
	}
	return nil
}

// outdated tells whether the message is known to show something newer than m. What it shows is what the
// server said last, so that an old drawing that lands late is not taken for a new one.
func (p *Platform) outdated(message string, m bot.Message) bool {
	shown, ok := p.marks.get(message)
	return ok && shown.key == m.Key && shown.version > m.Version
}

// why finds out what a refusal means; message is the one changed or answered, if any. The server
// says 403 of a message that is gone as well as of a channel that the bot was removed from.
func (p *Platform) why(ctx context.Context, what, channel, message string, err error) error {
	cause := err
	if is(err, http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound) {
		if _, absent := p.usable(ctx, channel); errors.Is(absent, bot.ErrNoChannel) {
			cause = errors.Join(bot.ErrNoChannel, err)
		} else if absent == nil && message != "" {
			if gone := p.api.get(ctx, "/posts/"+url.PathEscape(message), nil); is(gone, http.StatusNotFound) {
				p.marks.forget(message)
				cause = errors.Join(bot.ErrGone, err)
			}
		}
	}
	return fmt.Errorf("mattermost: %s: %w", what, cause)
}

// Pin implements [bot.Platform].
func (p *Platform) Pin(ctx context.Context, channel, message string) error {
	if err := p.api.post(ctx, "/posts/"+url.PathEscape(message)+"/pin", nil, nil); err != nil {
		return p.why(ctx, "pin", channel, message, err)
	}
	return nil
}

// Find implements [bot.Platform]. The server lists threads with their channel.
func (p *Platform) Find(ctx context.Context, channel, _, key string, since time.Time) (string, error) {
	me, err := p.me(ctx)
	if err != nil {
		return "", err
	}
	found := ""
	err = p.back(ctx, channel, since.Add(-findSlack).UnixMilli(), func(post *model.Post) bool {
		if m, ok := p.note(post, me.Id); ok && m.Key == key {
			found = post.Id
		}
		return found == ""
	})
	if err != nil {
		return "", p.why(ctx, "find", channel, "", err)
	}
	return found, nil
}

// perPage is how many posts are read at once. Server: at most 200.
const perPage = 200

// back reads the posts of a channel, newest first, until one was created before since (in
// milliseconds) or f returns false. Each comes once.
//
// It goes by creation: the server's own "since" goes by the time of change and gives an
// unordered thousand, in which each redrawing counts twice (the post and a copy of what it was).
// And it goes from post to post, not by page number, since what is posted or deleted meanwhile
// would shift the pages. "before" leaves out what was created in the same millisecond, so the post
// to go on from is one that all younger ones are known of.
func (p *Platform) back(ctx context.Context, channel string, since int64, f func(*model.Post) bool) error {
	if !model.IsValidId(channel) {
		return bot.ErrNoChannel
	}
	anchor, page := "", 0
	seen := map[string]bool{} // of the last page
	for {
		path := fmt.Sprintf("/channels/%s/posts?page=%d&per_page=%d&skipFetchThreads=true", url.PathEscape(channel), page, perPage)
		if anchor != "" {
			path += "&before=" + anchor
		}
		var list model.PostList
		if err := p.api.get(ctx, path, &list); err != nil {
			return err
		}
		list.SortByCreateAt()
		now := make(map[string]bool, len(list.Order))
		oldest, next := int64(0), ""
		for i := len(list.Order) - 1; i >= 0; i-- {
			post := list.Posts[list.Order[i]]
			if post == nil {
				continue
			}
			if oldest == 0 {
				oldest = post.CreateAt
			}
			if next == "" && post.CreateAt > oldest {
				next = post.Id
			}
			now[post.Id] = true
		}
		for _, id := range list.Order {
			post := list.Posts[id]
			if post == nil || seen[id] {
				continue
			}
			if post.CreateAt < since || !f(post) {
				return nil
			}
		}
		if len(list.Order) < perPage {
			return nil
		}
		if seen = now; next == "" || next == anchor {
			page++ // a page full of one millisecond
		} else {
			anchor, page = next, 0
		}
	}
}
