package slacktest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// User is somebody in the workspace.
type User struct {
	ID      string
	Name    string // as in @name: "ann"
	Real    string // "Ann Arbor"; Name if empty
	Display string // the display name in the profile; empty if they have none
	Email   string
	TZ      string // "Europe/Amsterdam" if empty
	Title   string

	Guest       bool // a multi-channel guest: is_restricted
	SingleGuest bool // a single-channel guest: is_restricted and is_ultra_restricted
	Admin       bool
	Bot         bool // another app's bot
	Deleted     bool // deactivated
	Stranger    bool // of another organisation, met in a shared channel
	Active      bool // with Slack open, as users.getPresence tells
}

// Channel is a channel.
type Channel struct {
	ID      string
	Name    string // "help-desk"
	Private bool
	Topic   string
	Purpose string
	General bool
}

type workspace struct {
	clock        *Clock
	team, domain string
	users        []*User
	channels     []*channel
	files        []*file
	lastTS       int64 // microseconds
	homes        map[string]*view
	stacks       map[string][]*view // of open modals, by user
	views        map[string]*view
}

type channel struct {
	Channel
	im       string // the person's id, in a direct message with the bot
	members  []string
	archived bool
	deleted  bool
	created  time.Time
	messages []*message // by ts
	pins     []*message
	frozen   bool
}

type message struct {
	channel     *channel
	ts          string
	root        *message // of the thread that it replies in
	replies     []*message
	broadcast   bool
	user        string
	bot         bool // posted by the app
	subtype     string
	text        string
	literal     bool // its text is shown without formatting
	blocks      []any
	attachments []any
	metadata    object
	files       []*file
	edited      object
	clientID    string
	inviter     string
	deleted     bool // and nothing is left of it
	tombstone   bool // deleted, but its thread is not
	only        string
	notified    []string
	unfurls     []string
	reactions   []reaction
	username    string
	hasUpload   bool
}

type reaction struct {
	name  string
	users []string
}

func newWorkspace(clock *Clock, team, domain string) workspace {
	return workspace{clock: clock, team: team, domain: domain, homes: map[string]*view{}, stacks: map[string][]*view{}, views: map[string]*view{}}
}

// slackbot is in every workspace, and looks like a person to apps: its is_bot is false.
const slackbot = "USLACKBOT"

// addBot puts the app's bot user into the workspace, beside Slackbot.
func (s *Server) addBot() {
	s.world.users = append(s.world.users, &User{ID: slackbot, Name: "slackbot", Real: "Slackbot"}, &User{ID: s.BotUser, Name: s.BotName, Real: s.app.Display.Name, Bot: true})
}

// ts is a new timestamp, later than all others.
func (s *Server) ts() string {
	micros := max(s.Clock.Now().UnixMicro(), s.world.lastTS+1)
	s.world.lastTS = micros
	return fmt.Sprintf("%d.%06d", micros/1e6, micros%1e6)
}

func tsCompare(a, b string) int { return cmp.Compare(tsMicros(a), tsMicros(b)) }

// tsMicros is the time of a timestamp; -1 if it is none.
func tsMicros(ts string) int64 {
	seconds, fraction, _ := strings.Cut(ts, ".")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || n < 0 || len(fraction) > 6 {
		return -1
	}
	f, err := strconv.ParseInt((fraction + "000000")[:6], 10, 64)
	if err != nil {
		return -1
	}
	return n*1e6 + f
}

// isTS tells whether it has the form of a message's timestamp.
func isTS(ts string) bool {
	seconds, fraction, ok := strings.Cut(ts, ".")
	return ok && len(seconds) >= 1 && len(fraction) == 6 && tsMicros(ts) >= 0
}

// AddUser adds somebody; it returns them with an ID.
func (s *Server) AddUser(u User) *Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	u.ID = or(u.ID, "U0"+id(9))
	u.Real = or(u.Real, u.Name)
	s.world.users = append(s.world.users, &u)
	s.wake()
	return &Person{s: s, ID: u.ID}
}

// SetUser changes somebody: deactivates them, makes them a guest, renames them.
func (s *Server) SetUser(id string, change func(*User)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.world.user(id); u != nil {
		change(u)
	}
	s.wake()
}

// AddChannel adds a channel with these members, people and, with BotUser, the bot. Nobody is told.
func (s *Server) AddChannel(c Channel, members ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.ID = or(c.ID, "C0"+id(9))
	s.world.channels = append(s.world.channels, &channel{Channel: c, members: members, created: s.Clock.Now()})
	s.wake()
	return c.ID
}

func (w *workspace) user(id string) *User {
	for _, u := range w.users {
		if u.ID == id {
			return u
		}
	}
	return nil
}

func (w *workspace) byName(name string) *User {
	for _, u := range w.users {
		if strings.EqualFold(u.Name, name) || u.Display != "" && strings.EqualFold(u.Display, name) {
			return u
		}
	}
	return nil
}

func (w *workspace) channel(id string) *channel {
	for _, c := range w.channels {
		if c.ID == id && !c.deleted {
			return c
		}
	}
	return nil
}

// im is the direct message channel of the bot with this person; it is made if there is none.
func (s *Server) im(user string) *channel {
	for _, c := range s.world.channels {
		if c.im == user {
			return c
		}
	}
	c := &channel{Channel: Channel{ID: "D0" + id(9)}, im: user, members: []string{s.BotUser, user}, created: s.Clock.Now()}
	s.world.channels = append(s.world.channels, c)
	return c
}

func (c *channel) has(user string) bool { return slices.Contains(c.members, user) }

// kind is the channel_type of events.
func (c *channel) kind() string {
	switch {
	case c.im != "":
		return "im"
	case c.Private:
		return "group"
	}
	return "channel"
}

// family is the beginning of the scopes that are about this kind of channel.
func (c *channel) family() string {
	return map[string]string{"im": "im", "group": "groups", "channel": "channels"}[c.kind()]
}

// message finds a message, also in a thread; nil if there is none, or it was deleted.
func (c *channel) message(ts string) *message {
	i, found := slices.BinarySearchFunc(c.messages, ts, func(m *message, ts string) int { return tsCompare(m.ts, ts) })
	if !found || c.messages[i].deleted || c.messages[i].only != "" {
		return nil
	}
	return c.messages[i]
}

// find is the channel that an app names, by id or, where it may post, by name: with what the bot may know.
func (s *Server) find(name string) *channel {
	for _, c := range s.world.channels {
		if c.deleted || c.ID != name && (c.Name == "" || "#"+c.Name != name && c.Name != name) {
			continue
		}
		if (c.Private || c.im != "") && !c.has(s.BotUser) {
			return nil
		}
		return c
	}
	return nil
}

// need is find by id for a method that asks for a scope of the channel's kind: "read", "history".
func (s *Server) need(id, right string) (*channel, error) {
	c := s.find(id)
	if c == nil || c.ID != id {
		return nil, refuse("channel_not_found")
	}
	if scope := c.family() + ":" + right; !s.app.may(scope) {
		return nil, s.missingScope(scope)
	}
	return c, nil
}

// --- what objects look like ---

func (s *Server) userObject(u *User) object {
	tz := or(u.TZ, "Europe/Amsterdam")
	zone, offset := "", 0
	if at, err := time.LoadLocation(tz); err == nil {
		zone, offset = s.Clock.Now().In(at).Zone()
	}
	first, last, _ := strings.Cut(u.Real, " ")
	hash := fmt.Sprintf("g%011x", len(u.Name)*7919)
	profile := object{
		"title": u.Title, "phone": "", "skype": "", "real_name": u.Real, "real_name_normalized": u.Real, "display_name": u.Display, "display_name_normalized": u.Display,
		"fields": nil, "status_text": "", "status_emoji": "", "status_emoji_display_info": []any{}, "status_expiration": 0, "avatar_hash": hash,
		"first_name": first, "last_name": last, "status_text_canonical": "", "team": s.TeamID,
	}
	for _, size := range []int{24, 32, 48, 72, 192, 512} {
		profile[fmt.Sprintf("image_%d", size)] = fmt.Sprintf("https://secure.gravatar.com/avatar/%s.jpg?s=%d", hash, size)
	}
	if u.Email != "" && s.app.may("users:read.email") {
		profile["email"] = u.Email
	}
	o := object{
		"id": u.ID, "team_id": s.TeamID, "name": u.Name, "deleted": u.Deleted, "profile": profile, "is_bot": u.Bot, "is_app_user": false,
		"updated": s.Clock.Now().Unix(), "who_can_share_contact_card": "EVERYONE",
	}
	if u.Bot {
		profile["api_app_id"], profile["always_active"] = "A0OTHERAPP1", false
		if u.ID == s.BotUser {
			profile["api_app_id"], profile["bot_id"] = s.AppID, s.BotID
		}
	}
	if u.Stranger {
		o["team_id"], o["is_stranger"] = "T0OTHERTEAM", true
	}
	if u.Deleted { // Slack says little about the deactivated
		return o
	}
	for k, v := range (object{
		"color": "9f69e7", "real_name": u.Real, "tz": tz, "tz_label": zone, "tz_offset": offset, "is_admin": u.Admin, "is_owner": false, "is_primary_owner": false,
		"is_restricted": u.Guest || u.SingleGuest, "is_ultra_restricted": u.SingleGuest, "is_email_confirmed": !u.Bot,
	}) {
		o[k] = v
	}
	return o
}

func (s *Server) channelObject(c *channel) object {
	o := object{"id": c.ID, "created": c.created.Unix(), "is_archived": c.archived, "is_im": c.im != "", "is_org_shared": false, "context_team_id": s.TeamID, "updated": c.created.UnixMilli()}
	if c.im != "" {
		o["user"], o["is_user_deleted"], o["priority"] = c.im, false, 0
		if u := s.world.user(c.im); u != nil {
			o["is_user_deleted"] = u.Deleted
		}
		return o
	}
	about := func(text string) object { return object{"value": text, "creator": "", "last_set": 0} }
	for k, v := range (object{
		"name": c.Name, "name_normalized": c.Name, "is_channel": true, "is_group": false, "is_mpim": false, "is_private": c.Private, "is_general": c.General,
		"unlinked": 0, "is_shared": false, "is_ext_shared": false, "is_pending_ext_shared": false, "pending_shared": []any{}, "pending_connected_team_ids": []any{},
		"parent_conversation": nil, "creator": s.creator(c), "shared_team_ids": []any{s.TeamID}, "is_member": c.has(s.BotUser),
		"topic": about(c.Topic), "purpose": about(c.Purpose), "previous_names": []any{},
	}) {
		o[k] = v
	}
	return o
}

func (s *Server) creator(c *channel) string {
	for _, m := range c.members {
		if m != s.BotUser {
			return m
		}
	}
	return s.BotUser
}

func (s *Server) botProfile() object {
	icon := func(size int) string {
		return fmt.Sprintf("https://a.slack-edge.com/80588/img/plugins/app/bot_%d.png", size)
	}
	return object{"id": s.BotID, "app_id": s.AppID, "name": s.BotName, "icons": object{"image_36": icon(36), "image_48": icon(48), "image_72": icon(72)},
		"deleted": false, "updated": 1_700_000_000, "team_id": s.TeamID}
}

// messageObject is how a message looks in history, in answers and inside events.
func (s *Server) messageObject(m *message, metadata bool) object {
	o := object{"type": "message", "ts": m.ts, "text": m.text}
	set := func(name string, v any, when bool) {
		if when {
			o[name] = v
		}
	}
	set("subtype", m.subtype, m.subtype != "")
	if m.tombstone {
		o["user"], o["hidden"] = slackbot, true
	} else {
		set("user", m.user, m.user != "")
		set("team", s.TeamID, m.subtype == "" || m.subtype == "thread_broadcast")
	}
	if m.bot {
		o["bot_id"], o["app_id"], o["bot_profile"] = s.BotID, s.AppID, s.botProfile()
		set("username", m.username, m.username != "")
	}
	set("client_msg_id", m.clientID, m.clientID != "")
	set("inviter", m.inviter, m.inviter != "")
	set("blocks", m.blocks, len(m.blocks) != 0)
	set("attachments", m.attachments, len(m.attachments) != 0)
	set("edited", m.edited, m.edited != nil)
	set("metadata", m.metadata, m.metadata != nil && metadata)
	if len(m.files) != 0 {
		var files []any
		for _, f := range m.files {
			files = append(files, s.fileObject(f))
		}
		o["files"], o["upload"], o["display_as_bot"] = files, m.hasUpload, false
	}
	if len(m.reactions) != 0 {
		var all []any
		for _, r := range m.reactions {
			all = append(all, object{"name": r.name, "users": r.users, "count": len(r.users)})
		}
		o["reactions"] = all
	}
	set("pinned_to", []string{m.channel.ID}, slices.Contains(m.channel.pins, m))
	switch replies := m.thread(); {
	case m.root != nil:
		o["thread_ts"], o["parent_user_id"] = m.root.ts, m.root.user
		set("root", s.rootObject(m.root), m.broadcast)
	case len(replies) != 0:
		for k, v := range s.threadFacts(m) {
			o[k] = v
		}
	}
	return o
}

// rootObject is a thread's root as thread_broadcast carries it.
func (s *Server) rootObject(m *message) object {
	o := object{"type": "message", "ts": m.ts, "user": m.user, "text": m.text, "team": s.TeamID}
	if m.bot {
		o["bot_id"] = s.BotID
	}
	for k, v := range s.threadFacts(m) {
		o[k] = v
	}
	delete(o, "is_locked")
	delete(o, "subscribed")
	return o
}

func (s *Server) threadFacts(m *message) object {
	replies := m.thread()
	var users []string
	for _, r := range replies {
		if !slices.Contains(users, r.user) {
			users = append(users, r.user)
		}
	}
	return object{"thread_ts": m.ts, "reply_count": len(replies), "reply_users_count": len(users), "reply_users": users[:min(5, len(users))],
		"latest_reply": replies[len(replies)-1].ts, "is_locked": false, "subscribed": slices.Contains(users, s.BotUser) || m.user == s.BotUser}
}

// thread are the replies that are left.
func (m *message) thread() []*message {
	var left []*message
	for _, r := range m.replies {
		if !r.deleted {
			left = append(left, r)
		}
	}
	return left
}
