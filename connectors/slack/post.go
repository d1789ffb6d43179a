package slack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"groupmail/bot"
	"groupmail/bot/plain"
)

// eventType names the metadata of our messages. Everybody in the workspace can read them, so they hold
// ids only. https://docs.slack.dev/messaging/message-metadata
const eventType = "groupmail_post"

// place is where a message stands, or somebody did something.
type place struct {
	channel string
	about   string // the board's channel, which buttons are about; another than channel in direct messages
	thread  string // root of the thread; empty in the channel itself
	user    string

	message   string // pressed; empty for a whisper
	ephemeral bool   // a whisper was pressed
	response  string // address that answers a press or command
	trigger   string // opens a modal, once, within three seconds
	view      string // modal or home that was used
}

// placeOf is the place of a message in a channel.
func placeOf(channel string, m bot.Message) place {
	return place{channel: channel, about: cmp.Or(m.About, channel), thread: m.Root}
}

func (p *Platform) painter(ctx context.Context, messages ...bot.Message) painter {
	v := painter{zone: p.cfg.Zone, now: p.clock(), names: map[string]string{}}
	for _, m := range messages {
		p.name(ctx, m.Members(), v.names)
	}
	return v
}

// options are what a message is made of.
func (p *Platform) options(ctx context.Context, at place, m bot.Message) []slack.MsgOption {
	v := p.painter(ctx, m)
	return []slack.MsgOption{
		// With parse=none and escaped, Slack finds neither mentions nor links in it.
		slack.MsgOptionText(escape(v.notice(m)), false), slack.MsgOptionParse(false),
		slack.MsgOptionBlocks(v.message(m, at)...),
	}
}

// keyed is options of a message that stays, and can be found by its key.
func (p *Platform) keyed(ctx context.Context, at place, m bot.Message) []slack.MsgOption {
	options := p.options(ctx, at, m)
	if m.Key != "" {
		options = append(options, slack.MsgOptionMetadata(slack.SlackMetadata{
			EventType:    eventType,
			EventPayload: map[string]any{"key": m.Key, "version": m.Version},
		}))
	}
	return options
}

// Post implements [bot.Platform].
func (p *Platform) Post(ctx context.Context, channel string, m bot.Message) (string, error) {
	return p.post(ctx, placeOf(channel, m), m)
}

func (p *Platform) post(ctx context.Context, at place, m bot.Message) (string, error) {
	api, err := p.api.bot()
	if err != nil {
		return "", err
	}
	ids, err := p.upload(ctx, m.Files)
	if err != nil {
		return "", why("upload", err)
	}
	// Files first: a message that has its key is not posted again, and they would be missing.
	if at.thread != "" {
		if err := p.share(ctx, at, ids); err != nil {
			return "", err
		}
	}
	options := append(p.keyed(ctx, at, m), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl())
	if at.thread != "" {
		options = append(options, slack.MsgOptionTS(at.thread))
	}
	_, ts, err := api.PostMessageContext(ctx, at.channel, options...)
	if is(err, "thread_not_found", "cannot_reply_to_message") {
		err = errors.Join(bot.ErrGone, err)
	}
	if err != nil {
		return "", why("post", err)
	}
	p.versions.drawn(at.channel+ts, m.Version)
	p.home.changed()
	if at.thread == "" {
		at.thread = ts
		if err := p.share(ctx, at, ids); err != nil {
			p.log.Error("the files of a message could not be shared", "channel", at.channel, "error", err)
		}
	}
	return ts, nil
}

// upload sends files, which nobody sees until they are shared.
func (p *Platform) upload(ctx context.Context, files []bot.Upload) ([]slack.FileSummary, error) {
	var all []slack.FileSummary
	for _, f := range files {
		if f.Size == 0 { // Slack takes none
			continue
		}
		one, err := p.uploadOne(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("file %q: %w", f.Name, err)
		}
		all = append(all, one)
	}
	return all, nil
}

func (p *Platform) uploadOne(ctx context.Context, f bot.Upload) (slack.FileSummary, error) {
	api, err := p.api.bot()
	if err != nil {
		return slack.FileSummary{}, err
	}
	name := plain.FileName(f.Name)
	content, err := f.Open(ctx)
	if err != nil {
		return slack.FileSummary{}, err
	}
	defer content.Close()
	place, err := api.GetUploadURLExternalContext(ctx, slack.GetUploadURLExternalParameters{FileName: name, FileSize: int(f.Size)})
	if err != nil {
		return slack.FileSummary{}, err
	}
	err = api.UploadToURL(ctx, slack.UploadToURLParameters{UploadURL: place.UploadURL, Reader: content, Filename: name})
	return slack.FileSummary{ID: place.FileID, Title: name}, err
}

// share shows uploaded files in a thread.
func (p *Platform) share(ctx context.Context, at place, files []slack.FileSummary) error {
	if len(files) == 0 {
		return nil
	}
	api, err := p.api.bot()
	if err != nil {
		return err
	}
	_, err = api.CompleteUploadExternalContext(ctx, slack.CompleteUploadExternalParameters{Files: files, Channel: at.channel, ThreadTimestamp: at.thread})
	return why("share files", err)
}

// Redraw implements [bot.Platform].
func (p *Platform) Redraw(ctx context.Context, channel, message string, m bot.Message) error {
	return p.redraw(ctx, placeOf(channel, m), message, m)
}

func (p *Platform) redraw(ctx context.Context, at place, message string, m bot.Message) error {
	if !p.versions.newer(at.channel+message, m.Version) {
		return nil
	}
	api, err := p.api.bot()
	if err != nil {
		return err
	}
	_, _, _, err = api.UpdateMessageContext(ctx, at.channel, message, p.keyed(ctx, at, m)...)
	if is(err, "block_mismatch") { // what was rich text alone stays so, and there are buttons now: it is taken away, and posted anew
		if _, _, cause := api.DeleteMessageContext(ctx, at.channel, message); cause != nil {
			return why("redraw", errors.Join(err, cause))
		}
		err = errors.Join(bot.ErrGone, err)
	}
	if err == nil {
		p.versions.drawn(at.channel+message, m.Version)
		p.home.changed()
	}
	return why("redraw", err)
}

// versions remembers which version each message shows, so that an older one never takes the place of a
// newer one.
type versions struct {
	mu       sync.Mutex
	now, old map[string]int64
}

const versionsMost = 20_000 // in each half

// newer tells whether nothing newer than v is shown.
func (c *versions) newer(message string, v int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return v >= max(c.now[message], c.old[message])
}

func (c *versions) drawn(message string, v int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now == nil || len(c.now) >= versionsMost {
		c.now, c.old = map[string]int64{}, c.now
	}
	c.now[message] = max(c.now[message], v)
}

// whisper shows a message to one member alone.
func (p *Platform) whisper(ctx context.Context, at place, m bot.Message) error {
	api, err := p.api.bot()
	if err != nil {
		return err
	}
	options := p.options(ctx, at, m)
	if at.thread != "" {
		options = append(options, slack.MsgOptionTS(at.thread))
	}
	_, err = api.PostEphemeralContext(ctx, at.channel, at.user, options...)
	return why("whisper", err)
}

// readPage is how many messages are read at once, the most that Slack gives: it allows fifty questions a
// minute. findPages is how many pages are looked through.
const (
	readPage  = 999
	findPages = 20
)

// Find implements [bot.Platform].
func (p *Platform) Find(ctx context.Context, channel, root, key string, since time.Time) (string, error) {
	me, err := p.me(ctx)
	if err != nil {
		return "", err
	}
	found := ""
	look := func(m slack.Message) bool {
		payload := m.Metadata.EventPayload
		if m.Metadata.EventType == eventType && (m.User == me.UserID || m.BotID == me.BotID) && payload["key"] == key {
			found = m.Timestamp
		}
		return found == ""
	}
	const clocks = 5 * time.Minute // that differ
	oldest := stamp(since.Add(-clocks).UnixMicro())
	if root != "" {
		err = p.replies(ctx, channel, root, oldest, look)
	} else {
		err = p.history(ctx, channel, oldest, readPage, findPages, look)
	}
	if is(err, "thread_not_found") {
		err = nil
	}
	return found, err
}

// history reads a channel's messages, newest first, until f returns false. Those in threads are not
// among them. It ends quietly after so many pages.
func (p *Platform) history(ctx context.Context, channel, oldest string, perPage, pages int, f func(slack.Message) bool) error {
	api, err := p.api.bot()
	if err != nil {
		return err
	}
	in := slack.GetConversationHistoryParameters{ChannelID: channel, Oldest: oldest, Limit: perPage, Inclusive: true, IncludeAllMetadata: true}
	for range pages {
		page, err := api.GetConversationHistoryContext(ctx, &in)
		if err != nil {
			return why("history", err)
		}
		for _, m := range page.Messages {
			if !f(m) {
				return nil
			}
		}
		if in.Cursor = page.ResponseMetaData.NextCursor; in.Cursor == "" {
			return nil
		}
	}
	return nil
}

// replies reads a thread's messages, the root first, until f returns false.
func (p *Platform) replies(ctx context.Context, channel, root, oldest string, f func(slack.Message) bool) error {
	api, err := p.api.bot()
	if err != nil {
		return err
	}
	in := slack.GetConversationRepliesParameters{ChannelID: channel, Timestamp: root, Oldest: oldest, Limit: readPage, Inclusive: true, IncludeAllMetadata: true}
	for range findPages {
		messages, _, next, err := api.GetConversationRepliesContext(ctx, &in)
		if err != nil {
			return why("replies", err)
		}
		for _, m := range messages {
			if !f(m) {
				return nil
			}
		}
		if in.Cursor = next; next == "" {
			return nil
		}
	}
	return nil
}

// micros are the microseconds of a message's id, "1700000000.000100"; 0 if it is none.
func micros(ts string) int64 {
	seconds, fraction, _ := strings.Cut(ts, ".")
	s, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return 0
	}
	f, err := strconv.ParseInt((fraction + "000000")[:6], 10, 64)
	if err != nil {
		return 0
	}
	return s*1_000_000 + f
}

// stamp is the other way round; nothing for the beginning of time.
func stamp(micros int64) string {
	if micros <= 0 {
		return ""
	}
	return fmt.Sprintf("%d.%06d", micros/1_000_000, micros%1_000_000)
}

// file is what Slack tells of a file.
func (p *Platform) file(ctx context.Context, id string) (*slack.File, error) {
	api, err := p.api.bot()
	if err != nil {
		return nil, err
	}
	f, _, _, err := api.GetFileInfoContext(ctx, id, 0, 0)
	return f, why("file "+id, err)
}

// Download implements [bot.Platform].
func (p *Platform) Download(ctx context.Context, file bot.File) (io.ReadCloser, error) {
	f, err := p.file(ctx, file.ID)
	if err != nil {
		return nil, err
	}
	api, err := p.api.bot()
	if err != nil {
		return nil, err
	}
	address := f.URLPrivateDownload
	if address == "" {
		address = f.URLPrivate
	}
	if address == "" || f.Mode == "tombstone" {
		return nil, fmt.Errorf("slack: file %s: %w", file.ID, bot.ErrGone)
	}
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	go func() { // ends with the download, or when the reader is closed
		w.CloseWithError(why("download", api.GetFileContext(ctx, address, w)))
	}()
	return download{r, cancel}, nil
}

// download is a file on its way. Who closes it early waits for nothing more.
type download struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (d download) Close() error {
	d.cancel()
	return d.PipeReader.Close()
}
