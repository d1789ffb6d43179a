package slacktest

import (
	"slices"
	"strings"
)

func (s *Server) conversationsInfo(c *call) (object, error) {
	ch, err := s.need(c.text("channel"), "read")
	if err != nil {
		return nil, err
	}
	o := s.channelObject(ch)
	if c.flag("include_num_members") {
		o["num_members"] = len(ch.members)
	}
	if c.flag("include_locale") {
		o["locale"] = "en-US"
	}
	return object{"channel": o}, nil
}

func (s *Server) conversationsList(c *call) (object, error) {
	kinds := strings.Split(or(c.text("types"), "public_channel"), ",")
	for i, kind := range kinds {
		kind = strings.TrimSpace(kind)
		kinds[i] = kind
		scope, known := map[string]string{"public_channel": "channels:read", "private_channel": "groups:read", "im": "im:read", "mpim": "mpim:read"}[kind]
		if !known {
			return nil, refuse("invalid_types")
		}
		if !s.app.may(scope) {
			return nil, s.missingScope(scope)
		}
	}
	var all []*channel
	for _, ch := range s.world.channels {
		kind := map[string]string{"channel": "public_channel", "group": "private_channel", "im": "im"}[ch.kind()]
		if ch.deleted || !slices.Contains(kinds, kind) || ch.archived && c.flag("exclude_archived") || kind != "public_channel" && !ch.has(s.BotUser) {
			continue
		}
		all = append(all, ch)
	}
	page, next, err := paged(c, all, func(ch *channel) string { return "team:" + ch.ID }, 100, 1000)
	if err != nil {
		return nil, err
	}
	channels := []any{}
	for _, ch := range page {
		o := s.channelObject(ch)
		if ch.im == "" {
			o["num_members"] = len(ch.members)
		}
		channels = append(channels, o)
	}
	return object{"channels": channels, "response_metadata": object{"next_cursor": next}}, nil
}

func (s *Server) conversationsMembers(c *call) (object, error) {
	ch, err := s.need(c.text("channel"), "read")
	if err != nil {
		return nil, err
	}
	page, next, err := paged(c, ch.members, func(m string) string { return "user:" + m }, 100, 1000)
	if err != nil {
		return nil, err
	}
	return object{"members": append([]string{}, page...), "response_metadata": object{"next_cursor": next}}, nil
}

// span is the time that history and replies are asked for.
func span(c *call) (within func(ts string) bool, err error) {
	oldest, latest := c.text("oldest"), c.text("latest")
	if oldest != "" && tsMicros(oldest) < 0 {
		return nil, refuse("invalid_ts_oldest")
	}
	if latest == "now" {
		latest = ""
	}
	if latest != "" && tsMicros(latest) < 0 {
		return nil, refuse("invalid_ts_latest")
	}
	inclusive := c.flag("inclusive")
	return func(ts string) bool {
		at := tsMicros(ts)
		if from := tsMicros(oldest); oldest != "" && (at < from || at == from && !inclusive) {
			return false
		}
		to := tsMicros(latest)
		return latest == "" || at < to || at == to && inclusive
	}, nil
}

func (s *Server) conversationsHistory(c *call) (object, error) {
	ch, err := s.need(c.text("channel"), "history")
	if err != nil {
		return nil, err
	}
	if !ch.has(s.BotUser) {
		return nil, refuse("not_in_channel")
	}
	within, err := span(c)
	if err != nil {
		return nil, err
	}
	var all []*message // newest first; replies only where they were shown in the channel too
	for _, m := range slices.Backward(ch.messages) {
		if !m.deleted && m.only == "" && (m.root == nil || m.broadcast) && within(m.ts) {
			all = append(all, m)
		}
	}
	page, next, err := paged(c, all, func(m *message) string { return "next_ts:" + m.ts }, 100, 999)
	if err != nil {
		return nil, err
	}
	return s.messagePage(c, page, next, object{"pin_count": len(ch.pins), "channel_actions_ts": nil, "channel_actions_count": 0}), nil
}

func (s *Server) conversationsReplies(c *call) (object, error) {
	ch, err := s.need(c.text("channel"), "history")
	if err != nil {
		return nil, err
	}
	if !ch.has(s.BotUser) {
		return nil, refuse("channel_not_found")
	}
	within, err := span(c)
	if err != nil {
		return nil, err
	}
	m := ch.message(c.text("ts"))
	if m == nil {
		return nil, refuse("thread_not_found")
	}
	if m.root != nil {
		return s.messagePage(c, []*message{m}, "", nil), nil
	}
	var all []*message
	for _, r := range m.thread() {
		if within(r.ts) {
			all = append(all, r)
		}
	}
	page, next, err := paged(c, all, func(m *message) string { return "next_ts:" + m.ts }, 1000, 1000)
	if err != nil {
		return nil, err
	}
	// The root comes first on every page.
	return s.messagePage(c, append([]*message{m}, page...), next, nil), nil
}

func (s *Server) messagePage(c *call, page []*message, next string, more object) object {
	list := []any{}
	for _, m := range page {
		list = append(list, s.messageObject(m, c.flag("include_all_metadata")))
	}
	o := object{"messages": list, "has_more": next != ""}
	for k, v := range more {
		o[k] = v
	}
	if next != "" {
		o["response_metadata"] = object{"next_cursor": next}
	}
	return o
}

func (s *Server) conversationsOpen(c *call) (object, error) {
	var ch *channel
	switch users := strings.Split(c.text("users"), ","); {
	case c.text("channel") != "":
		if ch = s.find(c.text("channel")); ch == nil || ch.im == "" {
			return nil, refuse("channel_not_found")
		}
	case c.text("users") == "":
		return nil, refuse("users_list_not_supplied")
	case len(users) > 8:
		return nil, refuse("too_many_users")
	case len(users) > 1:
		return nil, s.missingScope("mpim:write") // group direct messages are not had here
	default:
		u := s.world.user(users[0])
		if err := s.mayWriteTo(u); err != nil {
			return nil, err
		}
		if !s.app.may("im:write") {
			return nil, s.missingScope("im:write")
		}
		ch = s.im(u.ID)
	}
	o := object{"id": ch.ID}
	if c.flag("return_im") {
		o = s.channelObject(ch)
	}
	return object{"no_op": false, "already_open": false, "channel": o}, nil
}

// mayWriteTo tells why the bot cannot write to this user directly.
func (s *Server) mayWriteTo(u *User) error {
	switch {
	case u == nil:
		return refuse("user_not_found")
	case u.Deleted:
		return refuse("user_disabled")
	case u.Bot, u.ID == slackbot:
		return refuse("cannot_dm_bot")
	}
	return nil
}

func (s *Server) conversationsJoin(c *call) (object, error) {
	ch := s.find(c.text("channel"))
	switch {
	case ch == nil || ch.ID != c.text("channel"):
		return nil, refuse("channel_not_found")
	case ch.kind() != "channel":
		return nil, refuse("method_not_supported_for_channel_type")
	case ch.archived:
		return nil, refuse("is_archived")
	}
	if ch.has(s.BotUser) {
		c.warn = append(c.warn, "already_in_channel")
	} else {
		s.join(ch, s.BotUser, "")
	}
	return object{"channel": s.channelObject(ch)}, nil
}
