package slacktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Person is somebody at their Slack. What they do returns when Slack has done it and, where the app is
// asked, when the app has answered: an error is then what the person sees ("didn't respond"), and it is
// among Server.Troubles, too. Events reach the app in the background.
type Person struct {
	s  *Server
	ID string
}

// As is the person with this id.
func (s *Server) As(id string) *Person { return &Person{s: s, ID: id} }

// errNotThere: what somebody wants to act on is not to be seen by them.
var errNotThere = errors.New("slacktest: there is no such message or channel for this person")

// Message is a message as somebody sees it.
type Message struct {
	ID, Thread, Channel string // timestamps, and the channel's id; Thread is empty outside threads
	User, Name          string // who posted it
	Bot, Ephemeral      bool
	Edited, Deleted     bool // "(edited)" is shown; only a tombstone is left
	Broadcast           bool // a reply that the channel shows, too
	Subtype             string
	Lines               []Line
	Text                string   // of the lines: what is shown, without its looks
	Markup              []string // what of it is shown as more than text
	Fallback            string   // the text beneath blocks: what notifications and screen readers say
	Controls            []Control
	Files               []File
	Pinned              bool
	Replies             int
	Reactions           map[string][]string
	Notified            []string // whom it alerted
	Unfurls             []string // addresses that Slack would unfold
	Metadata            map[string]any
	Blocks, Attachments []any
}

// File is a file in a message.
type File struct {
	ID, Name, Title, Type, Alt string
	Size                       int
	Data                       []byte
}

func (s *Server) seen(m *message) Message {
	v := Message{
		ID: m.ts, Channel: m.channel.ID, User: m.user, Bot: m.bot, Ephemeral: m.only != "", Edited: m.edited != nil, Deleted: m.tombstone, Broadcast: m.broadcast, Subtype: m.subtype,
		Lines: s.world.shown(m), Fallback: unescape.Replace(m.text), Controls: s.world.controls(m.blocks, nil, nil), Pinned: slices.Contains(m.channel.pins, m),
		Replies: len(m.thread()), Notified: m.notified, Unfurls: m.unfurls, Metadata: m.metadata, Blocks: m.blocks, Attachments: m.attachments, Reactions: map[string][]string{},
	}
	if m.root != nil {
		v.Thread = m.root.ts
	}
	if u := s.world.user(m.user); u != nil {
		v.Name = or(u.Display, u.Real)
	}
	v.Text, v.Markup = textOfLines(v.Lines), markupOf(v.Lines)
	for _, f := range m.files {
		v.Files = append(v.Files, File{f.id, f.name, f.title, f.mimetype, f.alt, f.size, f.data})
	}
	for _, r := range m.reactions {
		v.Reactions[r.name] = slices.Clone(r.users)
	}
	for _, a := range m.attachments {
		o, _ := a.(object)
		if blocks, ok := o["blocks"].([]any); ok {
			v.Controls = append(v.Controls, s.world.controls(blocks, nil, nil)...)
		}
	}
	return v
}

// visible finds a message that the person sees, a whisper to them included. Holds mu.
func (p *Person) visible(channel, ts string) (*message, error) {
	c := p.s.world.channel(channel)
	if !p.enters(c) {
		return nil, errNotThere
	}
	for _, m := range c.messages {
		if m.ts == ts && !m.deleted && (m.only == "" || m.only == p.ID) {
			return m, nil
		}
	}
	return nil, errNotThere
}

// enters tells whether the person can look into a channel: they are in it, or it is public and they no
// guest. Holds mu.
func (p *Person) enters(c *channel) bool {
	if c == nil {
		return false
	}
	u := p.s.world.user(p.ID)
	guest := u == nil || u.Guest || u.SingleGuest
	return c.has(p.ID) || c.im == "" && !c.Private && !guest
}

// See is the message as the person sees it; false if they do not.
func (p *Person) See(channel, ts string) (Message, bool) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	m, err := p.visible(channel, ts)
	if err != nil {
		return Message{}, false
	}
	return p.s.seen(m), true
}

// Messages are what the channel shows the person, oldest first: no replies, but whispers to them.
func (p *Person) Messages(channel string) []Message {
	return p.list(channel, func(m *message) bool { return m.root == nil || m.broadcast })
}

// Thread is a root and its replies as the person sees them.
func (p *Person) Thread(channel, root string) []Message {
	return p.list(channel, func(m *message) bool { return m.ts == root || m.root != nil && m.root.ts == root })
}

// All is everything in the channel that the person can see: replies, whispers.
func (p *Person) All(channel string) []Message {
	return p.list(channel, func(*message) bool { return true })
}

func (p *Person) list(channel string, fits func(*message) bool) []Message {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	var all []Message
	c := p.s.world.channel(channel)
	if !p.enters(c) {
		return nil
	}
	for _, m := range c.messages {
		if !m.deleted && (m.only == "" || m.only == p.ID) && fits(m) {
			all = append(all, p.s.seen(m))
		}
	}
	return all
}

// Direct is the channel of direct messages between the person and the bot.
func (p *Person) Direct() string {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.s.im(p.ID).ID
}

// Pins are the channel's, oldest first.
func (p *Person) Pins(channel string) []Message {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	var all []Message
	if c := p.s.world.channel(channel); c != nil {
		for _, m := range c.pins {
			all = append(all, p.s.seen(m))
		}
	}
	return all
}

// --- writing ---

// Upload is a file that somebody adds to a message.
type Upload struct {
	Name, Type string // Type: a media type; guessed if empty
	Data       []byte
}

// Post writes what the person types, into the channel, or into the thread of root: names after @ and #,
// addresses and the characters & < > become what Slack's clients make of them. It returns the timestamp.
func (p *Person) Post(channel, root, text string, files ...Upload) (string, error) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	written, blocks := p.s.world.typed(text)
	return p.post(channel, root, written, blocks, false, files)
}

// PostRaw writes a text that is in Slack's form already, without blocks.
func (p *Person) PostRaw(channel, root, text string) (string, error) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.post(channel, root, text, nil, false, nil)
}

// Broadcast is a reply that is "also sent to the channel".
func (p *Person) Broadcast(channel, root, text string) (string, error) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	written, blocks := p.s.world.typed(text)
	return p.post(channel, root, written, blocks, true, nil)
}

func (p *Person) post(channel, root, text string, blocks []any, broadcast bool, files []Upload) (string, error) {
	c := p.s.world.channel(channel)
	switch {
	case c == nil || !c.has(p.ID):
		return "", errNotThere
	case c.archived:
		return "", errors.New("slacktest: the channel is archived")
	case c.im != "" && p.s.app.Features.Home.ReadOnly:
		return "", errors.New("slacktest: sending messages to this app has been turned off")
	}
	m := &message{channel: c, user: p.ID, text: text, blocks: blocks, clientID: secret(8) + "-" + secret(4) + "-4" + secret(3) + "-a" + secret(3) + "-" + secret(12), broadcast: broadcast}
	if root != "" {
		r := c.message(root)
		if r == nil {
			return "", errNotThere
		}
		if r.root != nil {
			r = r.root
		}
		m.root = r
	}
	if broadcast {
		m.subtype = "thread_broadcast"
	}
	if len(files) == 0 {
		p.s.reckon(m, nil)
		p.s.post(m)
		return m.ts, nil
	}
	var all []*file
	for _, u := range files {
		f := &file{id: "F0" + id(9), name: u.Name, title: u.Name, user: p.ID, size: len(u.Data), data: u.Data, mimetype: or(u.Type, typeOf(u.Name, u.Data)), created: p.s.Clock.Now(), uploaded: true, complete: true}
		p.s.world.files = append(p.s.world.files, f)
		all = append(all, f)
	}
	m.clientID = ""
	p.s.shareFiles(m, all)
	return m.ts, nil
}

// Edit changes the person's own message.
func (p *Person) Edit(channel, ts, text string) error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	m, err := p.visible(channel, ts)
	if err != nil || m.user != p.ID || m.tombstone {
		return errNotThere
	}
	before := p.s.messageObject(m, false)
	m.text, m.blocks = p.s.world.typed(text)
	m.edited = object{"user": p.ID, "ts": p.s.ts()}
	p.s.reckon(m, nil)
	p.s.tellChanged(m, before)
	p.s.wake()
	return nil
}

// Delete deletes a message, the person's own or, as an admin may, the bot's or a colleague's.
func (p *Person) Delete(channel, ts string) error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	m, err := p.visible(channel, ts)
	if err != nil || m.tombstone {
		return errNotThere
	}
	if u := p.s.world.user(p.ID); m.only == "" && m.user != p.ID && (u == nil || !u.Admin) {
		return errors.New("slacktest: only an admin may delete somebody else's message")
	}
	if m.only != "" {
		m.deleted = true
		p.s.wake()
		return nil
	}
	p.s.remove(m)
	return nil
}

// React adds a reaction: "eyes".
func (p *Person) React(channel, ts, name string) error {
	return p.reacts(channel, ts, name, "reaction_added", (*message).react)
}

// Unreact takes a reaction back.
func (p *Person) Unreact(channel, ts, name string) error {
	return p.reacts(channel, ts, name, "reaction_removed", (*message).unreact)
}

func (p *Person) reacts(channel, ts, name, event string, do func(*message, string, string) bool) error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	m, err := p.visible(channel, ts)
	if err != nil {
		return err
	}
	if do(m, name, p.ID) {
		p.s.tellReaction(event, m, name, p.ID)
		p.s.wake()
	}
	return nil
}

// --- channels ---

// Join joins a channel.
func (p *Person) Join(in string) error {
	return p.inChannel(in, func(c *channel) { p.s.join(c, p.ID, "") })
}

// Invite brings somebody in, the bot included.
func (p *Person) Invite(in, user string) error {
	return p.inChannel(in, func(c *channel) { p.s.join(c, user, p.ID) })
}

// Leave leaves a channel.
func (p *Person) Leave(in string) error {
	return p.inChannel(in, func(c *channel) { p.s.part(c, p.ID, p.ID) })
}

// Kick takes somebody out of a channel, the bot included.
func (p *Person) Kick(in, user string) error {
	return p.inChannel(in, func(c *channel) { p.s.part(c, user, p.ID) })
}

// Archive archives a channel.
func (p *Person) Archive(in string) error {
	return p.inChannel(in, func(c *channel) { p.s.archive(c, true, p.ID) })
}

// Unarchive opens an archived channel again.
func (p *Person) Unarchive(in string) error {
	return p.inChannel(in, func(c *channel) { p.s.archive(c, false, p.ID) })
}

// Rename gives a channel another name.
func (p *Person) Rename(in, name string) error {
	return p.inChannel(in, func(c *channel) {
		old := c.Name
		c.Name = name
		prefix := map[string]string{"channel": "channel", "group": "group"}[c.kind()]
		p.s.post(&message{channel: c, user: p.ID, subtype: prefix + "_name", text: "has renamed the channel from \"" + old + "\" to \"" + name + "\""})
		p.s.aboutChannel(c, prefix+"_rename", c.family()+":read", object{"type": prefix + "_rename", "event_ts": p.s.ts(),
			"channel": object{"id": c.ID, "is_channel": true, "is_mpim": false, "name": name, "name_normalized": name, "created": c.created.Unix()}})
	})
}

// DeleteChannel deletes a channel with all that is in it.
func (p *Person) DeleteChannel(in string) error {
	return p.inChannel(in, func(c *channel) {
		prefix := map[string]string{"channel": "channel", "group": "group"}[c.kind()]
		p.s.aboutChannel(c, prefix+"_deleted", c.family()+":read", object{"type": prefix + "_deleted", "channel": c.ID, "actor_id": p.ID, "event_ts": p.s.ts()})
		c.deleted = true
	})
}

func (p *Person) inChannel(id string, do func(*channel)) error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	c := p.s.world.channel(id)
	if c == nil || c.im != "" {
		return errNotThere
	}
	do(c)
	p.s.wake()
	return nil
}

// Uninstall takes the app out of the workspace: its token is worth nothing from then on.
func (s *Server) Uninstall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = "account_inactive"
	s.emit("app_uninstalled", "", object{"type": "app_uninstalled"})
	s.emit("tokens_revoked", "", object{"type": "tokens_revoked", "tokens": object{"oauth": []string{}, "bot": []string{s.BotUser}}})
	s.wake()
}

// RevokeToken revokes the bot's token.
func (s *Server) RevokeToken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = "token_revoked"
	s.emit("tokens_revoked", "", object{"type": "tokens_revoked", "tokens": object{"oauth": []string{}, "bot": []string{s.BotUser}}})
	s.wake()
}

// Reinstall installs the app again after its token was revoked or it was uninstalled: there is a new
// token, and the old one is worth nothing.
func (s *Server) Reinstall() (token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = ""
	s.renewed = "xoxb-" + digits(12) + "-" + digits(13) + "-" + secret(24)
	s.wake()
	return s.renewed
}

// --- interactions ---

// payload is an interaction of this type with what all of them have, and more. Shortcuts name no app: there
// is no api_app_id for all.
func (p *Person) payload(kind string, more object) object {
	o := object{"type": kind, "token": p.s.verification, "team": p.s.teamObject(), "user": p.user(), "is_enterprise_install": false, "enterprise": nil}
	maps.Copy(o, more)
	return o
}

func (p *Person) user() object {
	name := p.ID
	if u := p.s.world.user(p.ID); u != nil {
		name = u.Name
	}
	return object{"id": p.ID, "username": name, "name": name, "team_id": p.s.TeamID}
}

func (s *Server) teamObject() object { return object{"id": s.TeamID, "domain": s.world.domain} }

// shownName is a channel's name as interactions have it.
func (c *channel) shownName() string {
	switch c.kind() {
	case "im":
		return "directmessage"
	case "group":
		return "privategroup"
	}
	return c.Name
}

// Press presses the button with this action_id, in a message.
func (p *Person) Press(channel, ts, action string) error {
	return p.use(channel, ts, action, "")
}

// Choose chooses from a menu in a message: an overflow or a select by the option's value; dates, times,
// people and channels by theirs.
func (p *Person) Choose(channel, ts, action, value string) error {
	return p.use(channel, ts, action, value)
}

// use uses a control of a message.
func (p *Person) use(channel, ts, action, value string) error {
	s := p.s
	s.mu.Lock()
	m, err := p.visible(channel, ts)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	blocks := slices.Clone(m.blocks)
	for _, a := range m.attachments {
		o, _ := a.(object)
		if more, ok := o["blocks"].([]any); ok {
			blocks = append(blocks, more...)
		}
	}
	done, state, err := s.action(blocks, action, value)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	container := object{"type": "message", "message_ts": m.ts, "channel_id": channel, "is_ephemeral": m.only != ""}
	if m.root != nil {
		container["thread_ts"] = m.root.ts
	}
	payload := p.payload("block_actions", object{"api_app_id": s.AppID, "container": container, "trigger_id": s.newTrigger(p.ID, nil),
		"channel": object{"id": channel, "name": m.channel.shownName()}, "state": object{"values": state},
		"response_url": s.newResponseURL("actions", &responseURL{channel: m.channel, user: p.ID, origin: m}), "actions": []any{done}})
	if m.only == "" { // a whisper is not kept, and not sent along
		payload["message"] = s.messageObject(m, true)
	}
	s.mu.Unlock()
	return p.interact(payload, false)
}

// interact sends an interaction and notes if the app does not answer.
func (p *Person) interact(payload object, accepts bool) error {
	if !p.s.app.Settings.Interactivity.On {
		return p.fails("This app is not configured to handle interactive responses.")
	}
	d := p.s.ask("interactive", p.s.app.Settings.Interactivity.URL, payload, accepts)
	if !d.ok {
		return p.fails(fmt.Sprintf("%s: the app didn't respond (%s)", payload["type"], d.reason))
	}
	return nil
}

func (p *Person) fails(what string) error {
	p.s.noteTrouble(p.ID, what)
	return errors.New("slacktest: " + what)
}

// action is the actions entry for using a control of blocks, and the state of all of them. Holds mu.
func (s *Server) action(blocks []any, action, value string) (done, state object, err error) {
	for _, c := range interactive(blocks) {
		if c.action != action {
			continue
		}
		set, err := s.choice(c.element, value)
		if err != nil {
			return nil, nil, err
		}
		done = object{"type": c.element["type"], "action_id": c.action, "block_id": c.block, "action_ts": s.ts()}
		for _, key := range []string{"text", "value", "style", "url", "placeholder", "confirm"} {
			if v := c.element[key]; v != nil && (key != "text" && key != "value" && key != "url" || c.element["type"] == "button") {
				done[key] = v
			}
		}
		for key, v := range set {
			if key != "type" {
				done[key] = v
			}
		}
		values := initialState(blocks)
		if values[c.block][c.action] != nil {
			values[c.block][c.action] = set
		}
		state = object{}
		for block, actions := range values {
			of := object{}
			for name, v := range actions {
				of[name] = v
			}
			state[block] = of
		}
		return done, state, nil
	}
	return nil, nil, fmt.Errorf("slacktest: nothing here has the action_id %q", action)
}

// choice is an element's state when somebody gives it this value; the client refuses what is not offered.
func (s *Server) choice(e object, value string) (object, error) {
	kind := textOf(e["type"])
	o := object{"type": kind}
	option := func(value string) (object, error) {
		for _, one := range optionsOf(e) {
			if textOf(one.option["value"]) == value {
				return one.option, nil
			}
		}
		return nil, fmt.Errorf("slacktest: %q is none of the options", value)
	}
	several := func() []string {
		if value == "" {
			return nil
		}
		return strings.Split(value, "\n")
	}
	null := func() any {
		if value == "" {
			return nil
		}
		return value
	}
	switch kind {
	case "button":
		return object{"type": kind}, nil
	case "static_select", "overflow", "radio_buttons", "external_select":
		if value == "" && kind != "overflow" {
			o["selected_option"] = nil
			return o, nil
		}
		one, err := option(value)
		if kind == "external_select" && err != nil {
			one, err = object{"text": object{"type": "plain_text", "text": value, "emoji": true}, "value": value}, nil
		}
		o["selected_option"] = one
		return o, err
	case "multi_static_select", "checkboxes":
		chosen := []any{}
		for _, v := range several() {
			one, err := option(v)
			if err != nil {
				return nil, err
			}
			chosen = append(chosen, one)
		}
		o["selected_options"] = chosen
	case "users_select":
		o["selected_user"] = null()
	case "conversations_select":
		o["selected_conversation"] = null()
	case "channels_select":
		o["selected_channel"] = null()
	case "multi_users_select", "multi_conversations_select", "multi_channels_select":
		chosen := []any{}
		for _, v := range several() {
			chosen = append(chosen, v)
		}
		o["selected_"+strings.TrimSuffix(strings.TrimPrefix(kind, "multi_"), "_select")] = chosen
	case "datepicker":
		if _, err := time.Parse(time.DateOnly, value); err != nil && value != "" {
			return nil, fmt.Errorf("slacktest: %q is no date", value)
		}
		o["selected_date"] = null()
	case "timepicker":
		if _, err := time.Parse("15:04", value); err != nil && value != "" {
			return nil, fmt.Errorf("slacktest: %q is no time", value)
		}
		o["selected_time"] = null()
	case "datetimepicker":
		o["selected_date_time"] = nil
		if value != "" {
			o["selected_date_time"] = json.Number(value)
		}
	default:
		o["value"] = null()
	}
	return o, nil
}

// Command types a slash command: "/mail queue". What the app answers is whispered to the person, or
// posted, as it says. In threads there are none.
func (p *Person) Command(channel, line string) error {
	s := p.s
	name, text, _ := strings.Cut(line, " ")
	s.mu.Lock()
	c := s.world.channel(channel)
	at := slices.IndexFunc(s.app.Features.Commands, func(c slashCommand) bool { return c.Command == name })
	switch {
	case !p.enters(c):
		s.mu.Unlock()
		return errNotThere
	case at < 0 || s.revoked != "" || !s.app.may("commands"):
		s.mu.Unlock()
		return fmt.Errorf("slacktest: %s is not a valid command", name)
	}
	command := s.app.Features.Commands[at]
	text = strings.TrimSpace(text)
	if command.Escape {
		text = s.world.escaped(text)
	}
	u := &responseURL{channel: c, user: p.ID}
	payload := object{"token": s.verification, "team_id": s.TeamID, "team_domain": s.world.domain, "channel_id": c.ID, "channel_name": c.shownName(), "user_id": p.ID,
		"user_name": p.user()["name"], "command": name, "text": text, "api_app_id": s.AppID, "is_enterprise_install": "false",
		"response_url": s.newResponseURL("commands", u), "trigger_id": s.newTrigger(p.ID, nil)}
	s.mu.Unlock()
	d := s.ask("slash_commands", command.URL, payload, true)
	if !d.ok {
		return p.fails(name + " failed with the error \"dispatch_failed\" (" + d.reason + ")")
	}
	answer := strings.TrimSpace(string(d.answer))
	if answer == "" || answer == "null" || answer == "{}" {
		return nil
	}
	v, err := decode([]byte(answer))
	o, ok := v.(object)
	switch {
	case err != nil && !s.app.Settings.Socket: // over HTTP a bare text will do
		o = object{"text": answer}
	case err != nil || !ok:
		return p.fails(name + " failed: the answer is no message")
	}
	s.mu.Lock()
	err = s.respond(u, o)
	s.mu.Unlock()
	if err != nil {
		return p.fails(fmt.Sprintf("%s failed with the error %q", name, err))
	}
	return nil
}

// CommandInThread is a slash command typed into a thread: Slack refuses it.
func (p *Person) CommandInThread(_, _, line string) error {
	name, _, _ := strings.Cut(line, " ")
	return fmt.Errorf("slacktest: %s is not supported in threads. Sorry", name)
}

// escaped is a command's text with should_escape: people and channels by their ids.
func (w *workspace) escaped(text string) string {
	text = typedName.ReplaceAllStringFunc(text, func(m string) string {
		before, name, _ := strings.Cut(m, "@")
		if u := w.byName(name); u != nil {
			return before + "<@" + u.ID + "|" + u.Name + ">"
		}
		return m
	})
	return typedChannel.ReplaceAllStringFunc(text, func(m string) string {
		before, name, _ := strings.Cut(m, "#")
		for _, c := range w.channels {
			if c.Name == name {
				return before + "<#" + c.ID + "|" + c.Name + ">"
			}
		}
		return m
	})
}

// Shortcut uses a message shortcut, by its callback_id.
func (p *Person) Shortcut(channel, ts, callback string) error {
	s := p.s
	s.mu.Lock()
	m, err := p.visible(channel, ts)
	known := slices.ContainsFunc(s.app.Features.Shortcuts, func(c shortcut) bool { return c.Type == "message" && c.Callback == callback })
	if err != nil || !known || m.only != "" {
		s.mu.Unlock()
		return fmt.Errorf("slacktest: there is no shortcut %q here", callback)
	}
	payload := p.payload("message_action", object{"action_ts": s.ts(), "channel": object{"id": channel, "name": m.channel.shownName()}, "callback_id": callback,
		"trigger_id": s.newTrigger(p.ID, nil), "message_ts": m.ts, "message": s.messageObject(m, true),
		"response_url": s.newResponseURL("app", &responseURL{channel: m.channel, user: p.ID, origin: m})})
	s.mu.Unlock()
	return p.interact(payload, false)
}

// GlobalShortcut uses a global shortcut, by its callback_id.
func (p *Person) GlobalShortcut(callback string) error {
	s := p.s
	s.mu.Lock()
	if !slices.ContainsFunc(s.app.Features.Shortcuts, func(c shortcut) bool { return c.Type == "global" && c.Callback == callback }) {
		s.mu.Unlock()
		return fmt.Errorf("slacktest: there is no shortcut %q", callback)
	}
	payload := p.payload("shortcut", object{"action_ts": s.ts(), "callback_id": callback, "trigger_id": s.newTrigger(p.ID, nil)})
	s.mu.Unlock()
	return p.interact(payload, false)
}

// OpenHome opens the app's Home tab.
func (p *Person) OpenHome() error { return p.opens("home") }

// OpenMessages opens the app's Messages tab.
func (p *Person) OpenMessages() error { return p.opens("messages") }

func (p *Person) opens(tab string) error {
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if tab == "home" && !s.app.Features.Home.Home || tab == "messages" && !s.app.Features.Home.Messages {
		return fmt.Errorf("slacktest: the app has no tab %q", tab)
	}
	e := object{"type": "app_home_opened", "user": p.ID, "channel": s.im(p.ID).ID, "tab": tab, "event_ts": s.ts()}
	if v := s.world.homes[p.ID]; v != nil && tab == "home" {
		e["view"] = s.viewObject(v)
	}
	s.emit("app_home_opened", "", e)
	return nil
}

// View is a modal or an App Home as somebody sees it.
type View struct {
	ID, Type, Hash       string
	Title, Submit, Close string
	Lines                []Line
	Text                 string
	Markup               []string
	Controls             []Control // with what is typed and chosen
	Errors               map[string]string
	Metadata, Callback   string
	External             string
	Blocks               []any
	Depth                int // how many views lie in the stack
}

func (s *Server) seenView(v *view, depth int) View {
	title := func(name string) string { return plainOf(s.world.textObject(v.content[name])) }
	o := View{ID: v.id, Type: v.text("type"), Hash: v.hash, Title: title("title"), Submit: title("submit"), Close: title("close"), Lines: s.world.shownBlocks(v.blocks()),
		Controls: s.world.controls(v.blocks(), v.state, v.errors), Errors: v.errors, Metadata: v.text("private_metadata"), Callback: v.text("callback_id"), External: v.text("external_id"),
		Blocks: v.blocks(), Depth: depth}
	o.Text, o.Markup = textOfLines(o.Lines), markupOf(o.Lines)
	return o
}

// View is the modal on top; false if none is open.
func (p *Person) View() (View, bool) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	stack := p.s.world.stacks[p.ID]
	if len(stack) == 0 {
		return View{}, false
	}
	return p.s.seenView(stack[len(stack)-1], len(stack)), true
}

// Home is the App Home that was published for the person; false if there is none.
func (p *Person) Home() (View, bool) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	v := p.s.world.homes[p.ID]
	if v == nil {
		return View{}, false
	}
	return p.s.seenView(v, 1), true
}

// top is the modal on top. Holds mu.
func (p *Person) top() (*view, error) {
	stack := p.s.world.stacks[p.ID]
	if len(stack) == 0 {
		return nil, errors.New("slacktest: no modal is open")
	}
	return stack[len(stack)-1], nil
}

// Fill types or chooses in the modal on top; the field is named by its action_id or its block_id. Several
// values stand one a line. If the input dispatches its action, the app is told.
func (p *Person) Fill(field, value string) error {
	p.s.mu.Lock()
	v, err := p.top()
	if err == nil {
		err = p.s.fill(v, field, value)
	}
	var dispatches string
	if err == nil {
		for _, c := range interactive(v.blocks()) {
			if c.named(field) && c.input["dispatch_action"] == true {
				dispatches = c.action
			}
		}
	}
	p.s.mu.Unlock()
	if err != nil || dispatches == "" {
		return err
	}
	return p.useIn(v, dispatches, value)
}

func (c control) named(field string) bool { return c.action == field || c.block == field }

func (s *Server) fill(v *view, field, value string) error {
	for _, c := range interactive(v.blocks()) {
		if !c.named(field) {
			continue
		}
		set, err := s.choice(c.element, value)
		if err != nil {
			return err
		}
		v.state[c.block][c.action] = set
		s.wake()
		return nil
	}
	return fmt.Errorf("slacktest: the view has no field %q", field)
}

// PressIn presses a button, or chooses from a menu, in the modal on top.
func (p *Person) PressIn(action, value string) error {
	p.s.mu.Lock()
	v, err := p.top()
	p.s.mu.Unlock()
	if err != nil {
		return err
	}
	return p.useIn(v, action, value)
}

// PressHome presses a button, or chooses from a menu, in App Home.
func (p *Person) PressHome(action, value string) error {
	p.s.mu.Lock()
	v := p.s.world.homes[p.ID]
	p.s.mu.Unlock()
	if v == nil {
		return errors.New("slacktest: App Home is empty")
	}
	return p.useIn(v, action, value)
}

func (p *Person) useIn(v *view, action, value string) error {
	s := p.s
	s.mu.Lock()
	done, _, err := s.action(v.blocks(), action, value)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	if block := textOf(done["block_id"]); v.state[block][action] != nil {
		set, err := s.choice(elementOf(v.blocks(), action), value)
		if err != nil {
			s.mu.Unlock()
			return err
		}
		v.state[block][action] = set
	}
	shown := s.viewObject(v)
	payload := p.payload("block_actions", object{"api_app_id": s.AppID, "container": object{"type": "view", "view_id": v.id}, "trigger_id": s.newTrigger(p.ID, v),
		"state": shown["state"], "view": shown, "actions": []any{done}})
	s.mu.Unlock()
	return p.interact(payload, false)
}

func elementOf(blocks []any, action string) object {
	for _, c := range interactive(blocks) {
		if c.action == action {
			return c.element
		}
	}
	return nil
}

// Submit fills fields of the modal on top, named by action_id or block_id, and submits it. What is
// required and empty, or too long, the client refuses.
func (p *Person) Submit(values map[string]string) error {
	s := p.s
	s.mu.Lock()
	v, err := p.top()
	if err == nil && v.content["submit"] == nil {
		err = errors.New("slacktest: the modal has nothing to submit")
	}
	for field, value := range values {
		if err == nil {
			err = s.fill(v, field, value)
		}
	}
	if err == nil {
		err = complete(v)
	}
	if err != nil {
		s.mu.Unlock()
		return err
	}
	v.errors = nil
	payload := p.payload("view_submission", object{"api_app_id": s.AppID, "trigger_id": s.newTrigger(p.ID, v), "view": s.viewObject(v), "response_urls": []any{}})
	s.mu.Unlock()
	d := s.ask("interactive", s.app.Settings.Interactivity.URL, payload, true)
	if !d.ok {
		return p.fails("We had some trouble connecting. Try again? (view_submission: " + d.reason + ")")
	}
	s.mu.Lock()
	err = s.act(v, []byte(strings.TrimSpace(string(d.answer))))
	s.mu.Unlock()
	if err != nil {
		return p.fails("We had some trouble connecting. Try again? (" + err.Error() + ")")
	}
	return nil
}

// complete is the client's check before a submission.
func complete(v *view) error {
	for _, c := range interactive(v.blocks()) {
		if c.input == nil {
			continue
		}
		value := valueOf(v.state[c.block][c.action])
		label, _ := c.input["label"].(object)
		name := textOf(label["text"])
		switch n := length(value); {
		case value == "" && c.input["optional"] != true:
			return fmt.Errorf("slacktest: please complete the required field %q", name)
		case value != "" && n < intOf(c.element["min_length"], 0):
			return fmt.Errorf("slacktest: %q is too short", name)
		case textOf(c.element["type"]) == "plain_text_input" && n > intOf(c.element["max_length"], 3000):
			return fmt.Errorf("slacktest: %q is too long", name)
		case value != "" && c.element["type"] == "email_text_input" && !typedMail.MatchString(value):
			return fmt.Errorf("slacktest: %q is no email address", name)
		}
	}
	return nil
}

// CloseView closes the modal on top; with all, the whole stack. The app is told if the view asks for it.
func (p *Person) CloseView(all bool) error {
	s := p.s
	s.mu.Lock()
	v, err := p.top()
	if err != nil {
		s.mu.Unlock()
		return err
	}
	all = all || v.content["clear_on_close"] == true
	closed := []*view{v}
	if all {
		closed = slices.Clone(s.world.stacks[p.ID])
		slices.Reverse(closed)
		s.closeStack(p.ID)
	} else {
		s.pop(p.ID)
	}
	var payloads []object
	for _, v := range closed {
		if v.content["notify_on_close"] == true {
			payloads = append(payloads, p.payload("view_closed", object{"api_app_id": s.AppID, "view": s.viewObject(v), "is_cleared": all}))
		}
	}
	s.mu.Unlock()
	for _, payload := range payloads {
		if err := p.interact(payload, false); err != nil {
			return err
		}
	}
	return nil
}

// Options asks the app for the options of an external select in the modal on top.
func (p *Person) Options(action, typed string) ([]Option, error) {
	s := p.s
	s.mu.Lock()
	v, err := p.top()
	var block string
	if err == nil {
		for _, c := range interactive(v.blocks()) {
			if c.action == action {
				block = c.block
			}
		}
		if block == "" {
			err = fmt.Errorf("slacktest: nothing here has the action_id %q", action)
		}
	}
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	payload := p.payload("block_suggestion", object{"api_app_id": s.AppID, "action_id": action, "block_id": block, "value": typed, "container": object{"type": "view", "view_id": v.id},
		"view": s.viewObject(v)})
	s.mu.Unlock()
	d := s.ask("interactive", or(s.app.Settings.Interactivity.Options, s.app.Settings.Interactivity.URL), payload, true)
	if !d.ok {
		return nil, p.fails("the options could not be loaded (" + d.reason + ")")
	}
	o, err := objectOf(string(d.answer))
	check := &checker{}
	fields{"options": list(0, 100, plainOption.check), "option_groups": list(0, 100, optionGroup.check)}.check(check, "", o)
	if err != nil || len(check.faults) != 0 {
		return nil, p.fails(fmt.Sprintf("the options could not be loaded: %v %v", err, check.messages()))
	}
	var all []Option
	for _, one := range optionsOf(o) {
		text, _ := one.option["text"].(object)
		all = append(all, Option{Label: textOf(text["text"]), Value: textOf(one.option["value"]), Group: one.group})
	}
	return all, nil
}

// --- the workspace as somebody sees it ---

// Users are everybody in the workspace, the bot included, but not Slackbot.
func (s *Server) Users() []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []User
	for _, u := range s.world.users {
		if u.ID != slackbot {
			all = append(all, *u)
		}
	}
	return all
}

// Channels are those that the person is in and, for who is no guest, the public ones; no direct messages.
func (p *Person) Channels() []Channel {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	var all []Channel
	for _, c := range p.s.world.channels {
		if !c.deleted && c.im == "" && p.enters(c) {
			all = append(all, c.Channel)
		}
	}
	return all
}

// Members are the ids of who is in the channel.
func (s *Server) Members(channel string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.world.channel(channel); c != nil {
		return slices.Clone(c.members)
	}
	return nil
}

// Shown is what blocks show, and the controls in them.
func (s *Server) Shown(blocks []any) ([]Line, []Control) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.shownBlocks(blocks), s.world.controls(blocks, nil, nil)
}

// File is a file by its id; false if there is none.
func (s *Server) File(id string) (File, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.world.file(id)
	if f == nil || f.deleted || !f.uploaded {
		return File{}, false
	}
	return File{f.id, f.name, f.title, f.mimetype, f.alt, f.size, f.data}, true
}

// Shortcuts are the app's message shortcuts: names by callback_id.
func (s *Server) Shortcuts() map[string]string {
	all := map[string]string{}
	for _, c := range s.app.Features.Shortcuts {
		if c.Type == "message" {
			all[c.Callback] = c.Name
		}
	}
	return all
}

// Emoji is the character of a name, "tada"; empty if it is not known here.
func Emoji(name string) string { return emojis[strings.Trim(name, ":")] }
