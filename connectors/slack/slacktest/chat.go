package slacktest

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// content is what chat.postMessage, postEphemeral, update and response URLs say a message holds.
type content struct {
	text        string
	hasText     bool
	blocks      []any
	hasBlocks   bool
	attachments []any
	hasAttached bool
	metadata    object
	hasMetadata bool
	literal     bool // parse=full: *bold* and the like do not count
}

const (
	maxText     = 40_000 // chat.postMessage cuts
	maxUpdate   = 4_000  // chat.update refuses
	maxMetadata = 16 << 10
)

// readContent checks what a message is to hold. parse is the mode where none is given.
func (s *Server) readContent(c *call, parse string) (content, error) {
	var m content
	a := c.args
	_, m.hasText = a["text"]
	_, m.hasBlocks = a["blocks"]
	_, m.hasAttached = a["attachments"]
	_, m.hasMetadata = a["metadata"]
	if a["markdown_text"] != nil {
		if m.hasText || m.hasBlocks {
			return m, refuse("markdown_text_conflict")
		}
		if length(c.text("markdown_text")) > 12_000 {
			return m, refuse("msg_too_long")
		}
		m.text, m.hasText = c.text("markdown_text"), true
	}
	var err error
	if m.hasBlocks {
		if m.blocks, err = s.checkBlocks(a["blocks"]); err != nil {
			return m, err
		}
		m.blocks, _ = finish(any(m.blocks), true).([]any)
	}
	if m.hasAttached && a["attachments"] != false {
		if m.attachments, err = listOf(a["attachments"]); err != nil {
			return m, refuse("invalid_attachments")
		}
		if len(m.attachments) > 100 {
			return m, refuse("too_many_attachments")
		}
		for i, v := range m.attachments {
			attachment, _ := v.(object)
			o := maps.Clone(attachment)
			if blocks := o["blocks"]; blocks != nil {
				checked, err := s.checkBlocks(blocks)
				if err != nil {
					return m, err
				}
				o["blocks"] = finish(any(checked), true)
			}
			o["id"] = i + 1
			if o["fallback"] == nil {
				o["fallback"] = or(textOf(o["text"]), "[no preview available]")
			}
			m.attachments[i] = o
		}
	}
	if m.hasMetadata {
		if m.metadata, err = readMetadata(a["metadata"]); err != nil {
			return m, err
		}
	}
	if m.hasText && m.text == "" {
		m.text = c.text("text")
	}
	switch mode := or(c.text("parse"), parse); {
	case !slices.Contains([]string{"none", "full", "client", "mrkdwn", "false"}, mode):
		return m, refuse("invalid_arguments", "[ERROR] must be a valid enum value [json-pointer:/parse]")
	case mode == "full" || mode == "client" || c.flag("link_names") || c.args["link_names"] == "true" || c.args["link_names"] == "1":
		m.text = s.linkNames(m.text, mode == "full" || mode == "client")
	}
	m.literal = c.text("parse") == "full"
	if c.text("parse") != "none" {
		m.text = linkURLs(m.text)
	}
	if strings.TrimSpace(m.text) == "" && len(m.blocks) == 0 && len(m.attachments) == 0 {
		return m, refuse("no_text")
	}
	return m, nil
}

var eventType = regexp.MustCompile(`^[a-zA-Z0-9_.:-]{1,255}$`)

// readMetadata checks metadata (https://docs.slack.dev/messaging/message-metadata): an event_type and an
// object event_payload, nothing else. An empty object takes away what was there.
func readMetadata(v any) (object, error) {
	o, err := objectOf(v)
	if err != nil {
		return nil, refuse("invalid_metadata_format")
	}
	if len(o) == 0 {
		return nil, nil
	}
	for key := range o {
		if key != "event_type" && key != "event_payload" {
			return nil, refuse("invalid_metadata_format")
		}
	}
	if kind, ok := o["event_type"].(string); !ok || !eventType.MatchString(kind) {
		return nil, refuse("invalid_metadata_format")
	}
	if _, ok := o["event_payload"].(object); !ok {
		return nil, refuse("invalid_metadata_format")
	}
	if data, _ := json.Marshal(o); len(data) > maxMetadata {
		return nil, refuse("metadata_too_large")
	}
	return o, nil
}

// linkURLs is what Slack makes of addresses in a text unless parse=none is asked for: links.
func linkURLs(text string) string {
	var b strings.Builder
	for text != "" {
		before, rest, open := strings.Cut(text, "<")
		b.WriteString(bareURL.ReplaceAllString(before, "<$0>"))
		inside, after, closed := strings.Cut(rest, ">")
		if open {
			b.WriteByte('<')
			b.WriteString(inside)
		}
		if closed {
			b.WriteByte('>')
		}
		text = after
	}
	return b.String()
}

// linkNames is what parse=full, parse=client and link_names make of a text: whoever it names is alerted.
func (s *Server) linkNames(text string, all bool) string {
	text = bareBroadcast.ReplaceAllStringFunc(text, func(m string) string {
		before, name, _ := strings.Cut(m, "@")
		return before + "<!" + name + ">"
	})
	text = bareName.ReplaceAllStringFunc(text, func(m string) string {
		before, name, _ := strings.Cut(m, "@")
		if u := s.world.byName(name); u != nil {
			return before + "<@" + u.ID + ">"
		}
		return m
	})
	if all {
		text = bareChannel.ReplaceAllStringFunc(text, func(m string) string {
			before, name, _ := strings.Cut(m, "#")
			for _, c := range s.world.channels {
				if c.Name == name {
					return before + "<#" + c.ID + "|" + c.Name + ">"
				}
			}
			return m
		})
	}
	return text
}

// target is the channel that a message is for: by id, by name, or a person, who is then written to
// directly.
func (s *Server) target(name string) (*channel, error) {
	if u := s.world.user(name); u != nil {
		if err := s.mayWriteTo(u); err != nil {
			return nil, err
		}
		if !s.app.Features.Home.Messages {
			return nil, refuse("messages_tab_disabled")
		}
		return s.im(u.ID), nil
	}
	c := s.find(name)
	switch {
	case c == nil:
		return nil, refuse("channel_not_found")
	case !c.has(s.BotUser):
		return nil, refuse("not_in_channel")
	case c.archived:
		return nil, refuse("is_archived")
	case c.im != "" && !s.app.Features.Home.Messages:
		return nil, refuse("messages_tab_disabled")
	}
	return c, nil
}

// thread is the root that thread_ts names: a reply's thread counts as its root's.
func thread(c *call, ch *channel) (*message, error) {
	ts := c.text("thread_ts")
	if ts == "" {
		return nil, nil
	}
	if !isTS(ts) {
		return nil, refuse("invalid_thread_ts")
	}
	m := ch.message(ts)
	if m == nil {
		return nil, refuse("thread_not_found")
	}
	if m.root != nil {
		m = m.root
	}
	if m.subtype == "channel_join" || m.subtype == "channel_leave" {
		return nil, refuse("cannot_reply_to_message")
	}
	return m, nil
}

func (s *Server) chatPostMessage(c *call) (object, error) {
	if err := s.noCustomising(c); err != nil {
		return nil, err
	}
	ch, err := s.target(c.text("channel"))
	if err != nil {
		return nil, err
	}
	root, err := thread(c, ch)
	if err != nil {
		return nil, err
	}
	held, err := s.readContent(c, "none")
	if err != nil {
		return nil, err
	}
	if length(held.text) > maxText {
		held.text = string([]rune(held.text)[:maxText])
		c.warn = append(c.warn, "message_truncated")
	}
	m := &message{channel: ch, root: root, broadcast: root != nil && c.flag("reply_broadcast"), user: s.BotUser, bot: true}
	if m.broadcast {
		m.subtype = "thread_broadcast"
	}
	m.hold(held)
	s.reckon(m, c)
	s.post(m)
	return object{"channel": ch.ID, "ts": m.ts, "message": s.messageObject(m, true)}, nil
}

// noCustomising refuses a name and a face of one's own, which ask for a scope.
func (s *Server) noCustomising(c *call) error {
	for _, name := range []string{"username", "icon_url", "icon_emoji"} {
		if c.text(name) != "" && !s.app.may("chat:write.customize") {
			return s.missingScope("chat:write.customize")
		}
	}
	if c.flag("as_user") {
		return refuse("as_user_not_supported")
	}
	return nil
}

func (m *message) hold(c content) {
	if c.hasText {
		m.text, m.literal = c.text, c.literal
	}
	m.blocks, m.attachments = c.blocks, c.attachments
	if c.hasMetadata {
		m.metadata = c.metadata
	}
}

// reckon works out whom the message alerts and which addresses it would have unfolded.
func (s *Server) reckon(m *message, c *call) {
	alerted := map[string]bool{}
	var links []string
	s.eachSpan(m, func(span Span) {
		switch span.Kind {
		case "mention":
			if m.channel.has(span.URL) {
				alerted[span.URL] = true
			}
		case "broadcast":
			for _, who := range m.channel.members {
				alerted[who] = true
			}
		case "link":
			if strings.HasPrefix(span.URL, "http") {
				links = append(links, span.URL)
			}
		}
	})
	delete(alerted, m.user)
	m.notified = slices.Sorted(maps.Keys(alerted))
	// An address is unfolded unless both are off: whether it leads to an image is known only by looking.
	if c == nil {
		return
	}
	if media, given := c.args["unfurl_media"].(bool); c.flag("unfurl_links") || !given || media {
		m.unfurls = links
	}
}

// eachSpan visits everything that the message shows, and its fallback text, too, which alerts as well.
func (s *Server) eachSpan(m *message, visit func(Span)) {
	var each func([]Span)
	each = func(spans []Span) {
		for _, span := range spans {
			visit(span)
			each(span.Of)
		}
	}
	each(s.world.textOf(m))
	for _, line := range s.world.shownBlocks(m.blocks) {
		each(line.Spans)
	}
	for _, v := range m.attachments {
		each(s.world.shownAttachment(v))
	}
}

// post puts a new message into its channel, and tells the app and everybody.
func (s *Server) post(m *message) {
	m.ts = s.ts()
	m.channel.messages = append(m.channel.messages, m)
	if m.root != nil {
		m.root.replies = append(m.root.replies, m)
	}
	s.tellMessage(m)
	if m.root != nil && s.config.MessageReplied {
		s.tellReplied(m)
	}
	s.wake()
}

// whisper puts a message that one person alone sees, until it is taken back.
func (s *Server) whisper(m *message) {
	m.ts = s.ts()
	m.channel.messages = append(m.channel.messages, m)
	s.wake()
}

func (s *Server) chatPostEphemeral(c *call) (object, error) {
	if err := s.noCustomising(c); err != nil {
		return nil, err
	}
	if c.args["metadata"] != nil {
		if _, err := readMetadata(c.args["metadata"]); err != nil {
			return nil, err
		}
	}
	if s.world.user(c.text("channel")) != nil {
		return nil, refuse("channel_not_found")
	}
	ch, err := s.target(c.text("channel"))
	if err != nil {
		return nil, err
	}
	if !ch.has(c.text("user")) {
		return nil, refuse("user_not_in_channel")
	}
	root, err := thread(c, ch)
	if err != nil {
		return nil, err
	}
	held, err := s.readContent(c, "none")
	if err != nil {
		return nil, err
	}
	if length(held.text) > maxText {
		return nil, refuse("msg_too_long")
	}
	m := &message{channel: ch, root: root, user: s.BotUser, bot: true, only: c.text("user")}
	m.hold(held)
	m.metadata = nil
	s.whisper(m)
	return object{"message_ts": m.ts}, nil
}

// own is the message of the bot's that an app names; others is the code if it is somebody else's.
func (s *Server) own(channel, ts, others string) (*message, error) {
	ch := s.find(channel)
	if ch == nil || ch.ID != channel {
		return nil, refuse("channel_not_found")
	}
	m := ch.message(ts)
	switch {
	case m == nil || m.tombstone:
		return nil, refuse("message_not_found")
	case !m.bot:
		return nil, refuse(others)
	}
	return m, nil
}

func (s *Server) chatUpdate(c *call) (object, error) {
	m, err := s.own(c.text("channel"), c.text("ts"), "cant_update_message")
	if err != nil {
		return nil, err
	}
	if m.channel.archived || m.channel.frozen {
		return nil, refuse("is_inactive")
	}
	held, err := s.readContent(c, "client")
	switch {
	case err != nil:
		return nil, err
	case length(held.text) > maxUpdate:
		return nil, refuse("msg_too_long")
	case c.args["file_ids"] != nil:
		return nil, refuse("file_not_found")
	case isRich(m.blocks) && held.hasBlocks && !isRich(held.blocks) && len(held.blocks) != 0:
		return nil, refuse("block_mismatch")
	}
	before := s.messageObject(m, false)
	// Text without blocks takes the blocks away; blocks and attachments stay only where neither is given.
	if !held.hasText && !held.hasBlocks {
		held.blocks = m.blocks
	}
	if !held.hasAttached && !held.hasText && !held.hasBlocks {
		held.attachments = m.attachments
	}
	m.hold(held)
	s.reckon(m, nil)
	if !held.hasBlocks { // with blocks nothing is shown as edited
		m.edited = object{"user": s.BotUser, "ts": s.ts()}
	}
	s.tellChanged(m, before)
	s.wake()
	return object{"channel": m.channel.ID, "ts": m.ts, "text": m.text, "message": s.messageObject(m, true)}, nil
}

// isRich tells whether the blocks are rich text alone, as people's messages and theirs only are.
func isRich(blocks []any) bool {
	return len(blocks) != 0 && !slices.ContainsFunc(blocks, func(v any) bool { o, _ := v.(object); return o["type"] != "rich_text" })
}

func (s *Server) chatDelete(c *call) (object, error) {
	m, err := s.own(c.text("channel"), c.text("ts"), "cant_delete_message")
	if err != nil {
		return nil, err
	}
	s.remove(m)
	return object{"channel": m.channel.ID, "ts": m.ts}, nil
}

// remove deletes a message. The root of a thread that has replies leaves a tombstone.
func (s *Server) remove(m *message) {
	before := s.messageObject(m, false)
	m.channel.pins = slices.DeleteFunc(m.channel.pins, func(p *message) bool { return p == m })
	if len(m.thread()) != 0 {
		m.tombstone, m.subtype, m.text = true, "tombstone", "This message was deleted."
		m.blocks, m.attachments, m.files, m.metadata, m.edited, m.bot = nil, nil, nil, nil, nil, false
		s.tellChanged(m, before)
	} else {
		m.deleted = true
		s.tellDeleted(m, before)
	}
	s.wake()
}

func (s *Server) chatGetPermalink(c *call) (object, error) {
	ch := s.find(c.text("channel"))
	if ch == nil {
		return nil, refuse("channel_not_found")
	}
	m := ch.message(c.text("message_ts"))
	if m == nil {
		return nil, refuse("message_not_found")
	}
	link := "https://" + s.world.domain + ".slack.com/archives/" + ch.ID + "/p" + strings.Replace(m.ts, ".", "", 1)
	if m.root != nil {
		link += "?thread_ts=" + m.root.ts + "&cid=" + ch.ID
	}
	return object{"channel": ch.ID, "permalink": link}, nil
}

// --- pins and reactions ---

// item is the message that pins and reactions are about.
func (s *Server) item(c *call, right string) (*message, error) {
	ch := s.find(c.text("channel"))
	if ch == nil {
		return nil, refuse("channel_not_found")
	}
	ts := c.text("timestamp")
	switch {
	case ts == "":
		return nil, refuse("no_item_specified")
	case !isTS(ts):
		return nil, refuse("bad_timestamp")
	case !ch.has(s.BotUser):
		return nil, refuse(right)
	case ch.archived:
		return nil, refuse("is_archived")
	}
	m := ch.message(ts)
	if m == nil || m.tombstone {
		return nil, refuse("message_not_found")
	}
	return m, nil
}

const maxPins = 100

func (s *Server) pinsAdd(c *call) (object, error) {
	m, err := s.item(c, "not_in_channel")
	switch {
	case err != nil:
		return nil, err
	case m.subtype == "channel_join" || m.subtype == "channel_leave":
		return nil, refuse("not_pinnable")
	case slices.Contains(m.channel.pins, m):
		return nil, refuse("already_pinned")
	case len(m.channel.pins) >= maxPins:
		return nil, refuse("too_many_pins")
	}
	m.channel.pins = append(m.channel.pins, m)
	s.wake()
	return nil, nil
}

func (s *Server) pinsRemove(c *call) (object, error) {
	m, err := s.item(c, "not_in_channel")
	if err != nil {
		return nil, err
	}
	if !slices.Contains(m.channel.pins, m) {
		return nil, refuse("no_pin")
	}
	m.channel.pins = slices.DeleteFunc(m.channel.pins, func(p *message) bool { return p == m })
	s.wake()
	return nil, nil
}

func (s *Server) pinsList(c *call) (object, error) {
	ch := s.find(c.text("channel"))
	if ch == nil {
		return nil, refuse("channel_not_found")
	}
	items := []any{}
	for _, m := range slices.Backward(ch.pins) {
		items = append(items, object{"type": "message", "channel": ch.ID, "message": s.messageObject(m, false), "created": s.Clock.Now().Unix(), "created_by": s.BotUser})
	}
	return object{"items": items}, nil
}

var reactionName = regexp.MustCompile(`^[a-z0-9_+'-]+(::skin-tone-[2-6])?$`)

func (s *Server) reactionsAdd(c *call) (object, error) {
	m, err := s.item(c, "no_access")
	if err != nil {
		return nil, err
	}
	name := strings.Trim(c.text("name"), ":")
	if !reactionName.MatchString(name) {
		return nil, refuse("invalid_name")
	}
	if !m.react(name, s.BotUser) {
		return nil, refuse("already_reacted")
	}
	s.tellReaction("reaction_added", m, name, s.BotUser)
	s.wake()
	return nil, nil
}

func (s *Server) reactionsRemove(c *call) (object, error) {
	m, err := s.item(c, "no_access")
	if err != nil {
		return nil, err
	}
	name := strings.Trim(c.text("name"), ":")
	if !m.unreact(name, s.BotUser) {
		return nil, refuse("no_reaction")
	}
	s.tellReaction("reaction_removed", m, name, s.BotUser)
	s.wake()
	return nil, nil
}

func (m *message) react(name, user string) bool {
	for i, r := range m.reactions {
		if r.name == name {
			if slices.Contains(r.users, user) {
				return false
			}
			m.reactions[i].users = append(r.users, user)
			return true
		}
	}
	m.reactions = append(m.reactions, reaction{name, []string{user}})
	return true
}

func (m *message) unreact(name, user string) bool {
	for i, r := range m.reactions {
		if at := slices.Index(r.users, user); r.name == name && at >= 0 {
			m.reactions[i].users = slices.Delete(slices.Clone(r.users), at, at+1)
			if len(m.reactions[i].users) == 0 {
				m.reactions = slices.Delete(m.reactions, i, i+1)
			}
			return true
		}
	}
	return false
}
