package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"groupmail/bot"
	"groupmail/bot/hearing"
	"groupmail/bot/plain"
	"groupmail/connectors/emoji"
)

// hear takes an event, again if Slack tells it not for the first time. It must not wait.
func (r *run) hear(ctx context.Context, raw []byte, again bool) error {
	var e struct{ Event json.RawMessage }
	if err := json.Unmarshal(raw, &e); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	var inner struct {
		Type    string          `json:"type"`
		User    json.RawMessage `json:"user"`
		Channel json.RawMessage `json:"channel"`
		Tab     string          `json:"tab"`
		Tokens  struct {
			Bot []string `json:"bot"`
		} `json:"tokens"`
	}
	if err := json.Unmarshal(e.Event, &inner); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	switch inner.Type {
	case "message":
		var m slack.MessageEvent
		if err := json.Unmarshal(e.Event, &m); err != nil {
			return fmt.Errorf("message: %w", err)
		}
		r.message(ctx, slack.Message(m), again)
	case "app_home_opened":
		var user string
		if inner.Tab == "home" && json.Unmarshal(inner.User, &user) == nil {
			r.p.home.open(user, r.p.clock())
			r.background(func(ctx context.Context) {
				if err := r.publish(ctx, user); err != nil {
					r.unpublished(user, err)
				}
			})
		}
	case "member_joined_channel":
		var user, channel string
		if json.Unmarshal(inner.User, &user) == nil && json.Unmarshal(inner.Channel, &channel) == nil && user == r.me.UserID {
			r.hearing.Listen(ctx, channel)
		}
	case "app_uninstalled", "tokens_revoked":
		if inner.Type == "app_uninstalled" || len(inner.Tokens.Bot) > 0 {
			r.p.log.Error("the app was removed from the workspace, or its token revoked: install it again and put the new token into the configuration; mail is kept meanwhile")
			r.p.forgetSelf()
		}
	}
	return nil
}

// message sorts what was said, changed or deleted.
func (r *run) message(ctx context.Context, m slack.Message, again bool) {
	kind, about := bot.Written, m.Msg
	switch m.SubType {
	case slack.MsgSubTypeMessageChanged:
		if m.SubMessage == nil {
			return
		}
		kind, about = bot.Edited, *m.SubMessage
		if about.SubType == "tombstone" { // a deleted root of a thread
			kind = bot.Deleted
			if m.PreviousMessage != nil {
				about = *m.PreviousMessage
			}
		} else if before := m.PreviousMessage; about.Edited == nil || before != nil && before.Edited != nil && before.Edited.Timestamp == about.Edited.Timestamp {
			return // a preview was added, or replies were counted
		}
	case slack.MsgSubTypeMessageDeleted:
		if m.PreviousMessage == nil {
			return
		}
		kind, about = bot.Deleted, *m.PreviousMessage
	}
	if kind == bot.Deleted && r.own(about) {
		r.background(func(ctx context.Context) { r.hub.Lost(ctx, m.Channel, about.Timestamp) })
		return
	}
	u := r.utterance(m.Channel, kind, about)
	// Two connections hand on at once what they hear.
	r.order.Lock()
	defer r.order.Unlock()
	again = again || micros(m.EventTimestamp) < r.newest
	r.newest = max(r.newest, micros(m.EventTimestamp))
	if again && kind != bot.Deleted && r.wanted(about) {
		u.Said = func(ctx context.Context) (bot.Said, bool, error) { return r.reread(ctx, m.Channel, u, about) }
	}
	r.hearing.Heard(ctx, m.Channel, u)
}

// reread words an utterance that comes again, or out of order: as the message is now, for its author may have
// deleted it meanwhile, and that may have been told before.
func (r *run) reread(ctx context.Context, channel string, u hearing.Utterance, m slack.Msg) (said bot.Said, ok bool, err error) {
	err = r.p.replies(ctx, channel, m.ThreadTimestamp, m.Timestamp, func(now slack.Message) bool {
		if now.Timestamp == m.Timestamp {
			m, ok = now.Msg, true
		}
		return !ok
	})
	if is(err, "thread_not_found") {
		err = nil
	}
	if err != nil || !ok || !r.wanted(m) {
		return said, false, err
	}
	return r.worded(ctx, channel, u, m)
}

func (r *run) own(m slack.Msg) bool {
	return m.User == r.me.UserID || m.BotID != "" && m.BotID == r.me.BotID
}

// utterance is something that happened to a message.
func (r *run) utterance(channel string, kind bot.SaidKind, m slack.Msg) hearing.Utterance {
	u := hearing.Utterance{Kind: kind, ID: m.Timestamp, Written: micros(m.Timestamp), Event: "post:" + channel + ":" + m.Timestamp}
	if m.Edited != nil {
		u.Changed = micros(m.Edited.Timestamp)
	}
	switch kind {
	case bot.Edited:
		u.Event = fmt.Sprintf("edit:%s:%s:%d", channel, m.Timestamp, u.Changed)
	case bot.Deleted:
		u.Changed, u.Event = r.p.api.calls.theirs().UnixMicro(), "delete:"+channel+":"+m.Timestamp
	}
	u.Said = func(ctx context.Context) (bot.Said, bool, error) {
		if !r.wanted(m) || kind == bot.Edited && m.Edited == nil {
			return bot.Said{}, false, nil
		}
		return r.worded(ctx, channel, u, m)
	}
	return u
}

// wanted tells whether the hub is to hear of it: words of people, in threads. Slack gives our own
// messages no subtype, only a bot_id.
func (r *run) wanted(m slack.Msg) bool {
	if m.BotID != "" || m.User == "" || r.own(m) || m.ThreadTimestamp == "" || m.ThreadTimestamp == m.Timestamp {
		return false
	}
	switch m.SubType {
	case "", slack.MsgSubTypeFileShare, slack.MsgSubTypeThreadBroadcast, slack.MsgSubTypeMeMessage:
		return true
	}
	return false
}

// worded words an utterance for the hub; ok is false if a bot said it.
func (r *run) worded(ctx context.Context, channel string, u hearing.Utterance, m slack.Msg) (said bot.Said, ok bool, err error) {
	who, err := r.p.person(ctx, m.User)
	if unknown(err) {
		return said, false, nil
	}
	if err != nil || who.Bot {
		return said, false, err
	}
	said = bot.Said{
		Event: u.Event, Who: who.Person, Channel: channel, Root: m.ThreadTimestamp, Message: m.Timestamp,
		Kind: u.Kind, At: time.UnixMicro(u.Written),
	}
	if u.Kind == bot.Deleted {
		return said, true, nil
	}
	said.Text, said.ToBot = r.p.heard(ctx, m.Text, r.me)
	said.ToBot = said.ToBot || u.Kind == bot.Edited && r.p.shortcuts.has(channel+m.Timestamp)
	for _, f := range m.Files {
		if f.FileAccess == "check_file_info" { // of another organisation: nothing is told but its id
			known, err := r.p.file(ctx, f.ID)
			if errors.Is(err, bot.ErrGone) || is(err, "access_denied", "file_not_found", "not_visible") {
				continue
			}
			if err != nil {
				return said, false, err
			}
			f = *known
		}
		name := firstOf(plain.Line(f.Name), plain.Line(f.Title))
		switch {
		case f.Mode == "tombstone" || f.Mode == "hidden_by_limit":
		case f.Mode == "external" || f.IsExternal: // it lies elsewhere, and a reader sees a link to it
			address := f.URLPrivate
			if f.ExternalURL != nil {
				address = *f.ExternalURL
			}
			said.Text = strings.TrimSpace(said.Text + "\n" + name + ": " + plain.Line(address))
		default:
			said.Files = append(said.Files, bot.File{ID: f.ID, Name: name, Type: f.Mimetype, Size: int64(f.Size)})
		}
	}
	return said, true, nil
}

// verbatim is what is not read as marks of emphasis or names of emoji: code in a block or in a line, and what
// stands in angle brackets.
var verbatim = regexp.MustCompile("(?s:```(.+?)```)|`([^`\n]+)`|" + marked.String())

// marked is what stands in angle brackets in a message's text: <@U1>, <#C1|name>, <!here>,
// <!date^…|words>, <https://x|words>. https://docs.slack.dev/messaging/formatting-message-text
var marked = regexp.MustCompile(`<(?:([@#!])|[a-zA-Z][a-zA-Z0-9+.-]*:)([^<>|]*)(?:\|([^<>]*))?>`)

// heard turns what a person typed into what a reader sees, as plain text: mentions become names, links
// stand in full, emoji codes become emoji, marks of emphasis go. toBot tells whether it began with our
// mention, which is then gone.
func (p *Platform) heard(ctx context.Context, words string, me *slack.AuthTestResponse) (text string, toBot bool) {
	words = strings.TrimSpace(words)
	if rest, ok := strings.CutPrefix(words, "<@"+me.UserID); ok {
		if end := strings.IndexByte(rest, '>'); end >= 0 && (end == 0 || rest[0] == '|') {
			words, toBot = strings.TrimLeft(rest[end+1:], ",:. \n"), true
		}
	}
	const gap = "\x00" // stands for what is verbatim meanwhile
	words = strings.ReplaceAll(words, gap, "")
	apart := verbatim.FindAllStringSubmatch(words, -1)
	words = emoji.Replace(unmark(verbatim.ReplaceAllLiteralString(words, gap)))
	resolve := func(m string) string { return p.resolved(ctx, m, me) }
	var b strings.Builder
	for i, part := range strings.Split(words, gap) {
		if i > 0 {
			m := apart[i-1]
			code := strings.Trim(m[1], "\n") + m[2]
			if code == "" {
				code = m[0]
			}
			b.WriteString(marked.ReplaceAllStringFunc(code, resolve))
		}
		b.WriteString(part)
	}
	return strings.TrimSpace(plain.Text(html.UnescapeString(b.String()))), toBot
}

// resolved is what a reader sees of something in angle brackets.
func (p *Platform) resolved(ctx context.Context, m string, me *slack.AuthTestResponse) string {
	parts := marked.FindStringSubmatch(m)
	kind, target, label := parts[1], parts[2], parts[3]
	switch kind {
	case "@":
		if target == me.UserID {
			return "@" + me.User
		}
		if who, err := p.person(ctx, target); err == nil {
			return "@" + who.Name
		}
		return "@" + firstOf(label, target)
	case "#":
		return "#" + firstOf(label, target)
	case "!":
		if name, _, _ := strings.Cut(target, "^"); label == "" {
			return "@" + name
		}
		return label
	}
	address, _, _ := strings.Cut(strings.Trim(m, "<>"), "|")
	address = strings.TrimPrefix(address, "mailto:")
	address = strings.TrimPrefix(address, "tel:")
	if label == "" || label == address || "http://"+label == address || "https://"+label == address {
		return firstOf(label, address)
	}
	return label + " (" + address + ")"
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// emphasis is *strong*, _slanted_ and ~struck~ as Slack reads it: the marks stand at the edges of words, and
// what is between them neither begins nor ends with space.
var emphasis = sync.OnceValue(func() (all []*regexp.Regexp) {
	for _, mark := range []string{`\*`, `_`, `~`} {
		all = append(all, regexp.MustCompile(strings.ReplaceAll("(^|[\\s(\\[{\"'“‘,.;:!?—–*_~-])M([^\\sM](?:[^\\nM]*[^\\sM])?)M($|[\\s)\\]}\"'”’,.;:!?—–*_~-])", "M", mark)))
	}
	return all
})

// unmark takes away the marks that Slack shows as emphasis.
func unmark(words string) string {
	for range 3 { // *_~x~_*, and those that share what is between them
		for _, one := range emphasis() {
			words = one.ReplaceAllString(words, "$1$2$3")
		}
	}
	return words
}

// Newest implements [hearing.Platform].
func (r *run) Newest(ctx context.Context, channel string) (int64, error) {
	newest := int64(0)
	err := r.p.history(ctx, channel, "", 1, 1, func(m slack.Message) bool {
		newest = micros(m.Timestamp)
		return false
	})
	if err == nil && newest == 0 {
		newest = 1 // an empty channel has been heard all the same
	}
	return newest, err
}

// threadPages is how far back threads are looked for that something was written in: ten thousand messages
// of the channel.
const threadPages = 10

// Missed implements [hearing.Platform]. Slack lists no replies but those of one thread, so each thread
// of ours is read whose newest reply is not older.
func (r *run) Missed(ctx context.Context, channel string, from int64, recent []hearing.Recent) (all []hearing.Utterance, newest int64, err error) {
	threads := map[string]bool{}
	err = r.p.history(ctx, channel, "", readPage, threadPages, func(m slack.Message) bool {
		newest = max(newest, micros(m.Timestamp))
		if r.own(m.Msg) && micros(m.LatestReply) >= from {
			threads[m.Timestamp] = true
		}
		return true
	})
	if err != nil {
		return nil, 0, err
	}
	told := map[string][]hearing.Recent{} // by thread
	for _, one := range recent {
		if !one.Gone && one.Root != "" {
			told[one.Root] = append(told[one.Root], one)
			threads[one.Root] = true
		}
	}
	for root := range threads {
		oldest := from
		for _, one := range told[root] {
			oldest = min(oldest, one.Written)
		}
		there := map[string]bool{}
		err := r.p.replies(ctx, channel, root, stamp(oldest), func(m slack.Message) bool {
			there[m.Timestamp] = true
			newest = max(newest, micros(m.Timestamp))
			if m.Timestamp == root {
				return true
			}
			if micros(m.Timestamp) >= from {
				all = append(all, r.utterance(channel, bot.Written, m.Msg))
			}
			if m.Edited != nil {
				all = append(all, r.utterance(channel, bot.Edited, m.Msg))
			}
			return true
		})
		if err != nil && !errors.Is(err, bot.ErrGone) && !is(err, "thread_not_found") {
			return nil, 0, err
		}
		for _, one := range told[root] {
			if !there[one.ID] {
				all = append(all, r.gone(channel, one))
			}
		}
	}
	return all, newest, nil
}

// gone is a message that was told before and is no longer there.
func (r *run) gone(channel string, one hearing.Recent) hearing.Utterance {
	u := r.utterance(channel, bot.Deleted, slack.Msg{Timestamp: one.ID, ThreadTimestamp: one.Root})
	u.Said = func(ctx context.Context) (bot.Said, bool, error) {
		who, err := r.p.person(ctx, one.By)
		if unknown(err) {
			return bot.Said{}, false, nil
		}
		if err != nil {
			return bot.Said{}, false, err
		}
		return bot.Said{
			Event: u.Event, Who: who.Person, Channel: channel, Root: one.Root, Message: one.ID,
			Kind: bot.Deleted, At: time.UnixMicro(one.Written),
		}, true, nil
	}
	return u
}
