package slacktest

import (
	"maps"
	"strings"
	"time"
)

// event is something that the app is told, until it was acknowledged or given up.
type event struct {
	payload object
	twice   bool
}

// eventScopes are the events that an app can subscribe to here, each with the scopes of which one is needed.
var eventScopes = map[string][]string{
	"app_home_opened": nil, "app_mention": {"app_mentions:read"}, "app_uninstalled": nil, "tokens_revoked": nil, "app_rate_limited": nil,
	"message.channels": {"channels:history"}, "message.groups": {"groups:history"}, "message.im": {"im:history"}, "message.mpim": {"mpim:history"}, "message.app_home": nil,
	"member_joined_channel": {"channels:read", "groups:read"}, "member_left_channel": {"channels:read", "groups:read"},
	"channel_archive": {"channels:read"}, "channel_unarchive": {"channels:read"}, "channel_deleted": {"channels:read"}, "channel_rename": {"channels:read"}, "channel_left": {"channels:read"},
	"group_archive": {"groups:read"}, "group_unarchive": {"groups:read"}, "group_deleted": {"groups:read"}, "group_rename": {"groups:read"}, "group_left": {"groups:read"},
	"file_shared": {"files:read"}, "reaction_added": {"reactions:read"}, "reaction_removed": {"reactions:read"}, "pin_added": {"pins:read"}, "pin_removed": {"pins:read"},
	"user_change": {"users:read"}, "team_join": {"users:read"}, "link_shared": {"links:read"}, "file_deleted": {"files:read"}, "file_change": {"files:read"},
	"channel_created": {"channels:read"}, "im_created": {"im:read"}, "emoji_changed": {"emoji:read"},
}

// Tamper makes deliveries go wrong as they do on the way.
type Tamper struct {
	Duplicate      int           // so many of the next events are delivered twice
	Skew           time.Duration // by which the times of signed requests are off
	WrongSignature bool
}

// Tamper changes it.
func (s *Server) Tamper(change func(*Tamper)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.tamper)
}

// Trouble is an error that somebody saw because the app did not do its part, or an event given up.
type Trouble struct {
	At   time.Time
	User string // empty: nobody saw it
	What string
}

// Troubles are what went wrong so far; a test asserts that there are none.
func (s *Server) Troubles() []Trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Trouble(nil), s.trouble...)
}

func (s *Server) noteTrouble(user, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = append(s.trouble, Trouble{s.Clock.Now(), user, what})
	s.wake()
}

// emit queues an event for the app, if it hears such. Holds mu.
func (s *Server) emit(subscription, scope string, e object) {
	if s.revoked != "" && subscription != "tokens_revoked" && subscription != "app_uninstalled" || !s.app.hears(subscription, scope) {
		return
	}
	now := s.Clock.Now()
	payload := object{
		"token": s.verification, "team_id": s.TeamID, "context_team_id": s.TeamID, "context_enterprise_id": nil, "api_app_id": s.AppID, "event": e,
		"type": "event_callback", "event_id": "Ev0" + id(9), "event_time": now.Unix(),
		"authorizations":        []any{object{"enterprise_id": nil, "team_id": s.TeamID, "user_id": s.BotUser, "is_bot": true, "is_enterprise_install": false}},
		"is_ext_shared_channel": false, "event_context": "4-" + secret(60),
	}
	s.enqueue(payload)
}

func (s *Server) enqueue(payload object) {
	e := event{payload: payload}
	if s.tamper.Duplicate > 0 {
		s.tamper.Duplicate--
		e.twice = true
	}
	s.outbox = append(s.outbox, e)
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// Redeliver sends the app an event once more, as Slack does when it is not sure: the payload of
// [Server.Events].
func (s *Server) Redeliver(payload map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enqueue(payload)
}

// deliverAll hands the app its events, the first time in the order in which they happened.
func (s *Server) deliverAll() {
	for {
		s.mu.Lock()
		waiting := s.outbox
		s.outbox = nil
		s.sent = append(s.sent, waiting...)
		s.mu.Unlock()
		for _, e := range waiting {
			s.deliver(e.payload)
			if e.twice {
				s.deliver(e.payload)
			}
		}
		select {
		case <-s.more:
		case <-s.ctx.Done():
			return
		}
	}
}

// Events are the payloads of all events that the app was to be told, oldest first.
func (s *Server) Events() []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []map[string]any
	for _, e := range s.sent {
		all = append(all, e.payload)
	}
	return all
}

// retries are the pauses before an event is delivered again (https://docs.slack.dev/apis/events-api#retries).
var retries = []time.Duration{0, time.Minute, 5 * time.Minute}

// delivery is how an attempt ended.
type delivery struct {
	ok     bool
	reason string // timeout, http_error, connection_failed
	final  bool   // the app wants no retry
	answer []byte
}

// deliver starts the first attempt, and sees in the background to the rest.
func (s *Server) deliver(payload object) {
	outcome := s.attempt(payload, 0, "")
	s.work.Go(func() {
		for n := 1; ; n++ {
			d, open := <-outcome
			if !open || d.ok || d.final {
				return
			}
			if n > len(retries) {
				s.noteTrouble("", "an event was given up: "+textOf(payload["event_id"])+", "+d.reason)
				return
			}
			if !s.Clock.wait(s.ctx, s.Clock.Now().Add(retries[n-1]), nil) {
				return
			}
			outcome = s.attempt(payload, n, d.reason)
		}
	})
}

// attempt begins one attempt; the channel gets its outcome.
func (s *Server) attempt(payload object, n int, reason string) <-chan delivery {
	outcome := make(chan delivery, 1)
	if s.app.Settings.Socket {
		wait := s.sendEnvelope("events_api", payload, false, n, reason)
		s.work.Go(func() { outcome <- wait(); close(outcome) })
		return outcome
	}
	s.work.Go(func() {
		outcome <- s.request(s.app.Settings.Events.URL, "application/json", marshal(payload), n, reason)
		close(outcome)
	})
	return outcome
}

// ask puts an interaction before the app and waits for what it says within three seconds. kind is
// "interactive" or "slash_commands".
func (s *Server) ask(kind, url string, payload object, accepts bool) delivery {
	switch {
	case s.app.Settings.Socket:
		return s.sendEnvelope(kind, payload, accepts, 0, "")()
	case kind == "slash_commands":
		return s.request(url, "application/x-www-form-urlencoded", formOf(payload), 0, "")
	}
	return s.request(url, "application/x-www-form-urlencoded", formOf(object{"payload": string(marshal(payload))}), 0, "")
}

// --- the events ---

var messageFamilies = map[string]string{"channel": "message.channels", "group": "message.groups", "im": "message.im"}

// aboutChannel is emit for what members of the channel alone are told.
func (s *Server) aboutChannel(c *channel, subscription, scope string, e object) {
	if c.has(s.BotUser) {
		s.emit(subscription, scope, e)
	}
}

func (s *Server) tellMessage(m *message) {
	c := m.channel
	e := s.messageObject(m, false)
	for _, name := range []string{"app_id", "pinned_to"} {
		if !m.bot {
			delete(e, name)
		}
	}
	if m.metadata != nil {
		e["metadata"] = object{"event_type": m.metadata["event_type"]}
	}
	e["channel"], e["channel_type"], e["event_ts"] = c.ID, c.kind(), m.ts
	s.aboutChannel(c, messageFamilies[c.kind()], c.family()+":history", e)
	if !m.bot && m.subtype != "channel_join" && c.im == "" && strings.Contains(m.text, "<@"+s.BotUser) {
		mention := maps.Clone(e)
		mention["type"] = "app_mention"
		delete(mention, "channel_type")
		delete(mention, "subtype")
		s.aboutChannel(c, "app_mention", "app_mentions:read", mention)
	}
	for _, f := range m.files {
		s.aboutChannel(c, "file_shared", "files:read", object{"type": "file_shared", "file_id": f.id, "user_id": m.user, "file": object{"id": f.id}, "channel_id": c.ID, "event_ts": m.ts})
	}
}

// tellReplied is message_replied as the Events API sends it: without its subtype.
func (s *Server) tellReplied(m *message) {
	c := m.channel
	root := s.messageObject(m.root, false)
	var replies []any
	for _, r := range m.root.thread() {
		replies = append(replies, object{"user": r.user, "ts": r.ts})
	}
	root["replies"] = replies
	s.aboutChannel(c, messageFamilies[c.kind()], c.family()+":history",
		object{"type": "message", "message": root, "hidden": true, "channel": c.ID, "channel_type": c.kind(), "event_ts": m.ts, "ts": m.ts})
}

func (s *Server) inner(m *message) object {
	o := s.messageObject(m, false)
	if !m.tombstone {
		o["source_team"], o["user_team"] = s.TeamID, s.TeamID
	}
	return o
}

func (s *Server) tellChanged(m *message, before object) {
	c, ts := m.channel, s.ts()
	s.aboutChannel(c, messageFamilies[c.kind()], c.family()+":history", object{"type": "message", "subtype": "message_changed", "message": s.inner(m), "previous_message": before,
		"channel": c.ID, "hidden": true, "ts": ts, "event_ts": ts, "channel_type": c.kind()})
}

func (s *Server) tellDeleted(m *message, before object) {
	c, ts := m.channel, s.ts()
	s.aboutChannel(c, messageFamilies[c.kind()], c.family()+":history", object{"type": "message", "subtype": "message_deleted", "previous_message": before,
		"channel": c.ID, "hidden": true, "deleted_ts": m.ts, "ts": ts, "event_ts": ts, "channel_type": c.kind()})
}

func (s *Server) tellReaction(kind string, m *message, name, user string) {
	s.aboutChannel(m.channel, kind, "reactions:read", object{"type": kind, "user": user, "reaction": name, "item_user": m.user,
		"item": object{"type": "message", "channel": m.channel.ID, "ts": m.ts}, "event_ts": s.ts()})
}

func (c *channel) letter() string {
	if c.Private {
		return "G"
	}
	return "C"
}

// join makes somebody a member. Holds mu.
func (s *Server) join(c *channel, user, inviter string) {
	if c.has(user) {
		return
	}
	c.members = append(c.members, user)
	s.post(&message{channel: c, user: user, subtype: "channel_join", text: "<@" + user + "> has joined the channel", inviter: inviter})
	e := object{"type": "member_joined_channel", "user": user, "channel": c.ID, "channel_type": c.letter(), "team": s.TeamID, "event_ts": s.ts()}
	if inviter != "" {
		e["inviter"] = inviter
	}
	s.aboutChannel(c, "member_joined_channel", c.family()+":read", e)
}

// part takes somebody out. The bot itself is told only that it was taken out. Holds mu.
func (s *Server) part(c *channel, user, actor string) {
	if !c.has(user) {
		return
	}
	i := 0
	for _, m := range c.members {
		if m != user {
			c.members[i] = m
			i++
		}
	}
	c.members = c.members[:i]
	if user == s.BotUser {
		prefix := map[string]string{"channel": "channel", "group": "group"}[c.kind()]
		s.emit(prefix+"_left", c.family()+":read", object{"type": prefix + "_left", "channel": c.ID, "actor_id": actor, "event_ts": s.ts()})
	} else {
		s.aboutChannel(c, "member_left_channel", c.family()+":read",
			object{"type": "member_left_channel", "user": user, "channel": c.ID, "channel_type": c.letter(), "team": s.TeamID, "event_ts": s.ts()})
	}
	s.wake()
}

// archive archives the channel, or opens it again. Holds mu.
func (s *Server) archive(c *channel, on bool, user string) {
	what, words := "archive", " archived the channel"
	if !on {
		what, words = "unarchive", " un-archived the channel"
	}
	prefix := map[string]string{"channel": "channel", "group": "group"}[c.kind()]
	c.archived = on
	s.post(&message{channel: c, user: user, subtype: prefix + "_" + what, text: "<@" + user + ">" + words})
	s.aboutChannel(c, prefix+"_"+what, c.family()+":read", object{"type": prefix + "_" + what, "channel": c.ID, "user": user, "event_ts": s.ts()})
}
