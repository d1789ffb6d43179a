package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"groupmail/bot"
	"groupmail/bot/bottest"
	"groupmail/connectors/slack/slacktest"
)

// TestFaults: however a call fails, it fails as what it is, and what was carried out all the same is found.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  slacktest.Fault
		limit  time.Duration // not before
		posted bool          // all the same
	}{
		{"limited", slacktest.Fault{RetryAfter: 3 * time.Second}, 3 * time.Second, false},
		{"limited, not said how long", slacktest.Fault{Status: 429}, unsaid, false},
		{"limited with status 200", slacktest.Fault{Code: "ratelimited"}, unsaid, false},
		{"limited with status 200, another word", slacktest.Fault{Code: "rate_limited"}, unsaid, false},
		{"page with status 503", slacktest.Fault{Status: 503}, 0, false},
		{"page with status 200", slacktest.Fault{Status: 200}, 0, false},
		{"fault of Slack's own", slacktest.Fault{Code: "fatal_error"}, 0, false},
		{"cut", slacktest.Fault{Cut: true}, 0, false},
		{"answer lost", slacktest.Fault{Lost: true}, 0, true},
		{"answer breaks off", slacktest.Fault{Half: true}, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOffice(t, false)
			now := time.Now()
			o.p.api.calls.now = func() time.Time { return now }
			began := now
			fails := func(what string, err error) {
				t.Helper()
				var l bot.Limited
				if err == nil || errors.As(err, &l) != (c.limit > 0) || l.After != c.limit || errors.Is(err, bot.ErrGone) || errors.Is(err, bot.ErrNoChannel) || errors.Is(err, bot.ErrNoAccess) {
					t.Errorf("%s: %v", what, err)
				}
			}
			m := bot.Message{Key: "card:1", Version: 1, Notice: "New mail"}
			o.server.Fail("chat.postMessage", 1, c.fault)
			_, err := o.p.Post(t.Context(), o.channel, m)
			fails("post", err)
			id, err := o.p.Find(t.Context(), o.channel, "", m.Key, began)
			if err != nil || (id != "") != c.posted {
				t.Errorf("found %q, %v", id, err)
			}
			now = now.Add(c.limit)
			if id == "" {
				if id, err = o.p.Post(t.Context(), o.channel, m); err != nil {
					t.Fatal(err)
				}
			}
			m.Version, m.Notice = 2, "Taken"
			before := len(o.server.Calls("chat.update"))
			o.server.Fail("chat.update", 1, c.fault)
			fails("redraw", o.p.Redraw(t.Context(), o.channel, id, m))
			if c.limit > 0 {
				fails("redraw at once", o.p.Redraw(t.Context(), o.channel, id, m))
				now = now.Add(c.limit)
			}
			if err := o.p.Redraw(t.Context(), o.channel, id, m); err != nil {
				t.Fatal(err)
			}
			if n := len(o.server.Calls("chat.update")) - before; n != 2 {
				t.Errorf("chat.update was called %d times", n)
			}
			all := slices.DeleteFunc(o.ann.Messages(o.channel), func(m slacktest.Message) bool { return !m.Bot })
			if len(all) != 1 || all[0].Fallback != "Taken" {
				t.Errorf("the channel shows %+v", all)
			}
		})
	}
}

// TestSlowAnswers: whoever draws has set a time, and gets an error then; who has set none has one set.
func TestSlowAnswers(t *testing.T) {
	o := newOffice(t, false)
	m := bot.Message{Key: "card:1", Version: 1, Notice: "New mail"}
	id, err := o.p.Post(t.Context(), o.channel, m)
	if err != nil {
		t.Fatal(err)
	}
	o.server.Clock.Stop() // what is slow is never there
	o.server.Fail("", 1, slacktest.Fault{Slow: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := o.p.Redraw(ctx, o.channel, id, m); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a drawing that takes too long: %v", err)
	}
	if err := o.p.Redraw(t.Context(), o.channel, id, m); err != nil {
		t.Error(err)
	}
}

// TestPageFaults: a page that Slack does not take just now is drawn once more, and one that it will never
// take is not.
func TestPageFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault slacktest.Fault
		calls int
	}{
		"limited":       {slacktest.Fault{RetryAfter: time.Second}, 2},
		"hash conflict": {slacktest.Fault{Code: "hash_conflict"}, 2},
		"page":          {slacktest.Fault{Status: 502}, 2},
		"answer lost":   {slacktest.Fault{Half: true}, 2},
		"never":         {slacktest.Fault{Code: "not_enabled"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, false)
			o.p.home.pause = 50 * time.Millisecond
			o.run(&bottest.Hub{Channels: []string{o.channel}, OnPage: func(bot.Person) bot.Page {
				return bot.Page{Sections: []bot.Section{{Channel: o.channel, Title: "Yours", Lines: lines("Nothing to do")}}}
			}})
			o.server.Fail("views.publish", 1, c.fault)
			if err := o.ann.OpenHome(); err != nil {
				t.Fatal(err)
			}
			calls := func() int { return len(o.server.Calls("views.publish")) }
			bottest.Eventually(t, "it is drawn", func() (int, bool) { n := calls(); return n, n >= c.calls })
			if c.calls > 1 {
				bottest.Eventually(t, "the page", func() (slacktest.View, bool) {
					v, _ := o.ann.Home()
					return v, strings.Contains(v.Text, "Nothing to do")
				})
			}
			time.Sleep(bottest.Quiet)
			if n := calls(); n != c.calls {
				t.Errorf("views.publish was called %d times", n)
			}
		})
	}
}

// settled waits until Run has begun so long ago that it does not ask about everything that it is told.
func (o *office) settled() {
	o.t.Helper()
	bottest.Eventually(o.t, "Run has begun before what happens now", func() (int64, bool) {
		run, leave := o.p.gateway.Enter()
		if run == nil {
			return 0, false
		}
		defer leave()
		run.order.Lock()
		defer run.order.Unlock()
		return run.newest, run.newest < o.server.Clock.Now().UnixMicro()
	})
}

// TestClocks: our clock is an hour ahead of Slack's, or behind. What is heard live costs no question.
func TestClocks(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"behind": -time.Hour, "ahead": time.Hour} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, false)
			ours := func() time.Time { return time.Now().Add(ahead) }
			o.p.clock, o.p.api.calls.now = ours, ours
			hub := &bottest.Hub{Channels: []string{o.channel}}
			o.run(hub)
			card, err := o.p.Post(t.Context(), o.channel, bot.Message{Key: "card:1", Version: 1, Notice: "New mail"})
			if err != nil {
				t.Fatal(err)
			}
			bottest.Eventually(t, "it listens", func() (int, bool) {
				word, _ := hub.Cursor(t.Context(), o.channel)
				n := o.server.Connections()
				return n, n == connections && word != ""
			})
			time.Sleep(bottest.Quiet)
			o.settled()
			before := len(o.server.Calls("conversations.replies"))
			for i := range 5 { // one after the other: two connections may overtake each other
				id, err := o.ann.Post(o.channel, card, fmt.Sprint("words ", i))
				if err != nil {
					t.Fatal(err)
				}
				saidOf(t, hub, id, bot.Written)
			}
			if n := len(o.server.Calls("conversations.replies")) - before; n != 0 {
				t.Errorf("%d questions", n)
			}
		})
	}
}

// TestOneQuestion: who asks for the members and then for the channel asks Slack once who is in it; and a
// guest who has come meanwhile is not overlooked.
func TestOneQuestion(t *testing.T) {
	o := newOffice(t, false)
	asked := func() int { return len(o.server.Calls("conversations.members")) }
	look := func() bot.Channel {
		t.Helper()
		c, err := o.p.Channel(t.Context(), o.channel)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if _, err := o.p.Members(t.Context(), o.channel); err != nil {
		t.Fatal(err)
	}
	if c := look(); c.Guests || asked() != 1 {
		t.Errorf("%+v after %d questions", c, asked())
	}
	guest := o.server.AddUser(slacktest.User{Name: "gus", Real: "Gus Guest", Guest: true})
	if err := o.ann.Invite(o.channel, guest.ID); err != nil {
		t.Fatal(err)
	}
	if c := look(); !c.Guests || asked() != 2 {
		t.Errorf("%+v after %d questions", c, asked())
	}
}

// inject tells the app an event about a message, as Slack would.
func (o *office) inject(event map[string]any) {
	at := o.server.Clock.Now().UnixMicro()
	e := map[string]any{"type": "message", "channel": o.channel, "channel_type": "group", "ts": stamp(at), "event_ts": stamp(at)}
	for k, v := range event {
		e[k] = v
	}
	o.server.Redeliver(map[string]any{"type": "event_callback", "event_id": "Ev0" + stamp(at), "team_id": o.server.TeamID, "event": e})
}

// TestKindsOfMessages: what Slack calls a message and people do not; and what they do write, in all its forms.
func TestKindsOfMessages(t *testing.T) {
	o, hub, card := board(t, false)
	stranger := o.server.AddUser(slacktest.User{Name: "stan", Real: "Stan Stranger", Stranger: true})
	guest := o.server.AddUser(slacktest.User{Name: "gus", Real: "Gus Guest", SingleGuest: true})
	gone := o.server.AddUser(slacktest.User{Name: "gone", Real: "Gone Girl", Deleted: true})
	robot := o.server.AddUser(slacktest.User{Name: "robot", Bot: true})
	for _, who := range []*slacktest.Person{stranger, guest} {
		if err := o.ann.Invite(o.channel, who.ID); err != nil {
			t.Fatal(err)
		}
	}
	o.settled()
	n := 0
	// written is a message with these fields; with a nil field it lacks it.
	written := func(with map[string]any) (ts string) {
		n++
		ts = stamp(o.server.Clock.Now().UnixMicro() + int64(n))
		m := map[string]any{"ts": ts, "event_ts": ts, "thread_ts": card, "parent_user_id": o.server.BotUser, "user": o.ann.ID, "text": fmt.Sprint("words ", n)}
		for k, v := range with {
			if m[k] = v; v == nil {
				delete(m, k)
			}
		}
		o.inject(m)
		return ts
	}
	for _, c := range []struct {
		name string
		with map[string]any
		want func(bot.Said) bool // nil: not heard
	}{
		{"/me", map[string]any{"subtype": "me_message", "text": "waves"}, func(s bot.Said) bool { return s.Text == "waves" }},
		{"broadcast", map[string]any{"subtype": "thread_broadcast", "root": map[string]any{"ts": card, "text": "New mail"}}, func(s bot.Said) bool { return s.Root == card }},
		{"guest", map[string]any{"user": guest.ID}, func(s bot.Said) bool { return s.Who.Guest }},
		{"stranger", map[string]any{"user": stranger.ID, "team": "T0OTHERTEAM"}, func(s bot.Said) bool { return s.Who.Guest && s.Who.Name == "Stan Stranger" }},
		{"deactivated", map[string]any{"user": gone.ID}, func(s bot.Said) bool { return s.Who.ID == gone.ID }},
		{"nobody known", map[string]any{"user": "U0NOBODY"}, nil},
		{"another bot's user", map[string]any{"user": robot.ID}, nil},
		{"another bot", map[string]any{"user": robot.ID, "bot_id": "B0OTHER", "app_id": "A0OTHER"}, nil},
		{"webhook", map[string]any{"subtype": "bot_message", "bot_id": "B0HOOK", "username": "alerts", "user": nil}, nil},
		{"workflow", map[string]any{"bot_id": "B0FLOW", "app_id": "A0FLOW", "user": "USLACKBOT", "bot_profile": map[string]any{"id": "B0FLOW", "is_workflow_bot": true}}, nil},
		{"Slackbot", map[string]any{"user": "USLACKBOT"}, nil},
		{"somebody joined", map[string]any{"subtype": "channel_join", "thread_ts": nil}, nil},
		{"reminder", map[string]any{"subtype": "reminder_add"}, nil},
		{"ekm", map[string]any{"subtype": "ekm_access_denied", "user": "UREVOKEDU"}, nil},
		{"huge", map[string]any{"text": strings.Repeat("ä&amp;", 20_000)}, func(s bot.Said) bool { return s.Text == strings.Repeat("ä&", 20_000) }},
		{"file elsewhere", map[string]any{"subtype": "file_share", "text": "see", "files": []any{map[string]any{"id": "F0DRIVE", "name": "Offer", "mode": "external", "is_external": true, "external_type": "gdrive", "url_private": "https://docs.example.org/d/1"}}},
			func(s bot.Said) bool {
				return s.Text == "see\nOffer: https://docs.example.org/d/1" && len(s.Files) == 0
			}},
		{"deleted file", map[string]any{"subtype": "file_share", "text": "see", "files": []any{map[string]any{"id": "F0GONE", "mode": "tombstone"}, map[string]any{"id": "F0OLD", "mode": "hidden_by_limit"}}},
			func(s bot.Said) bool { return s.Text == "see" && len(s.Files) == 0 }},
		{"file of strangers, not there", map[string]any{"text": "see", "files": []any{map[string]any{"id": "F0FOREIGN", "file_access": "check_file_info"}}},
			func(s bot.Said) bool { return s.Text == "see" && len(s.Files) == 0 }},
		{"unknown fields", map[string]any{"new_in_2030": map[string]any{"a": []any{1, "x", nil}}, "blocks": []any{map[string]any{"type": "block_of_2030", "x": 1}}},
			func(s bot.Said) bool { return strings.HasPrefix(s.Text, "words") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			ts := written(c.with)
			if c.want != nil {
				if s := saidOf(t, hub, ts, bot.Written); !c.want(s) {
					t.Errorf("heard %.300v", s)
				}
				return
			}
			saidOf(t, hub, written(nil), bot.Written) // two connections tell in no order, but this one is quick
			time.Sleep(bottest.Quiet / 4)
			for _, s := range hub.AllSaid() {
				if s.Message == ts {
					t.Errorf("heard %+v", s)
				}
			}
		})
	}

	// A preview is added, a reply counted: nobody has edited anything.
	id, err := o.ann.Post(o.channel, card, "see https://example.org")
	if err != nil {
		t.Fatal(err)
	}
	saidOf(t, hub, id, bot.Written)
	if err := o.ann.Edit(o.channel, id, "look at https://example.org"); err != nil {
		t.Fatal(err)
	}
	edited := saidOf(t, hub, id, bot.Edited)
	var last map[string]any
	for _, payload := range o.server.Events() {
		if e, _ := payload["event"].(map[string]any); e["subtype"] == "message_changed" {
			last = e
		}
	}
	now := last["message"].(map[string]any)
	before := len(hub.AllSaid())
	for _, was := range []map[string]any{now, {"ts": id, "user": o.ann.ID, "thread_ts": card, "text": "see"}} {
		after := map[string]any{"attachments": []any{map[string]any{"id": 1, "title": "Example", "from_url": "https://example.org"}}}
		for k, v := range now {
			after[k] = v
		}
		if was["edited"] == nil {
			delete(after, "edited")
		}
		o.inject(map[string]any{"subtype": "message_changed", "hidden": true, "message": after, "previous_message": was})
	}
	saidOf(t, hub, written(nil), bot.Written)
	time.Sleep(bottest.Quiet)
	if all := hub.AllSaid(); len(all) != before+1 {
		t.Errorf("after a preview heard %+v; the edit was %+v", all[before:], edited)
	}
}

// TestTwoProcesses: two processes on one workspace hear what happens under the same keys, whichever of them
// is told, and after a hole both read the same.
func TestTwoProcesses(t *testing.T) {
	o := newOffice(t, false)
	o.noMistakes()
	type process struct {
		p    *Platform
		hub  *bottest.Hub
		stop func()
	}
	start := func(hub *bottest.Hub) process {
		p := o.platform()
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { _ = p.Run(ctx, hub); close(ended) }()
		stop := func() { cancel(); <-ended }
		t.Cleanup(stop)
		return process{p, hub, stop}
	}
	a, b := start(&bottest.Hub{Channels: []string{o.channel}}), start(&bottest.Hub{Channels: []string{o.channel}})
	listening := func() {
		t.Helper()
		bottest.Eventually(t, "both listen", func() (int, bool) {
			wordA, _ := a.hub.Cursor(t.Context(), o.channel)
			wordB, _ := b.hub.Cursor(t.Context(), o.channel)
			n := o.server.Connections()
			return n, n == 2*connections && wordA != "" && wordB != ""
		})
	}
	listening()
	card, err := a.p.Post(t.Context(), o.channel, bot.Message{Key: "card:1", Version: 1, Notice: "New mail"})
	if err != nil {
		t.Fatal(err)
	}
	say := func(n int) (ids []string) {
		t.Helper()
		for i := range n {
			id, err := o.ann.Post(o.channel, card, fmt.Sprint("words ", i))
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		return ids
	}
	change := func(ids []string) {
		t.Helper()
		for i, id := range ids {
			err := o.ann.Edit(o.channel, id, "other words")
			if i%2 == 1 {
				err = errors.Join(err, o.ann.Delete(o.channel, id))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	// keys are what hubs were told of messages, by message and kind; more than one of a kind is a mistake.
	keys := func(hubs ...*bottest.Hub) map[string]string {
		t.Helper()
		all := map[string]string{}
		for _, hub := range hubs {
			for _, s := range hub.AllSaid() {
				what := string(s.Kind) + " " + s.Message
				if old := all[what]; old != "" && old != s.Event {
					t.Errorf("%s is told as %s and as %s", what, old, s.Event)
				}
				all[what] = s.Event
			}
		}
		return all
	}
	complete := func(ids []string, changed bool, hubs ...*bottest.Hub) {
		t.Helper()
		bottest.Eventually(t, "everything is told", func() (missing []string, ok bool) {
			all := keys(hubs...)
			for i, id := range ids {
				want := []string{"new " + id}
				if changed {
					want = []string{"edited " + id}
					if i%2 == 1 {
						want = []string{"deleted " + id}
					}
				}
				for _, what := range want {
					if all[what] == "" {
						missing = append(missing, what)
					}
				}
			}
			return missing, len(missing) == 0
		})
	}

	// Live: each event goes to one of the four connections, or to two.
	o.server.Tamper(func(tamper *slacktest.Tamper) { tamper.Duplicate = 1000 })
	live := say(20)
	complete(live, false, a.hub, b.hub)
	change(live)
	complete(live, true, a.hub, b.hub)
	o.server.Tamper(func(tamper *slacktest.Tamper) { tamper.Duplicate = 0 })
	if len(a.hub.AllSaid()) == 0 || len(b.hub.AllSaid()) == 0 {
		t.Error("one of them was told nothing")
	}

	// A hole: both are down. What one has told before the other need not have heard.
	told := say(10)
	complete(told, false, a.hub, b.hub)
	before := keys(a.hub, b.hub)
	a.stop()
	b.stop()
	change(told)
	missed := say(10)
	a, b = start(a.hub), start(b.hub)
	for _, hub := range []*bottest.Hub{a.hub, b.hub} {
		complete(missed, false, hub)
	}
	complete(told, true, a.hub, b.hub)
	for what, key := range before {
		if now := keys(a.hub, b.hub)[what]; now != key {
			t.Errorf("%s was %s and is %s", what, key, now)
		}
	}
}

// TestSharedCursor: two processes keep one cursor. What one has told and the other kept the cursor after is
// looked after in a hole.
func TestSharedCursor(t *testing.T) {
	o := newOffice(t, false)
	hub := &bottest.Hub{Channels: []string{o.channel}}
	var stops []func()
	start := func() {
		p := o.reopen()
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { _ = p.Run(ctx, hub); close(ended) }()
		stop := func() { cancel(); <-ended }
		t.Cleanup(stop)
		stops = append(stops, stop)
	}
	start()
	start()
	bottest.Eventually(t, "both listen", func() (int, bool) {
		n := o.server.Connections()
		word, _ := hub.Cursor(t.Context(), o.channel)
		return n, n == 2*connections && word != ""
	})
	time.Sleep(bottest.Quiet)
	var ids []string
	for i := range 12 {
		card, err := o.p.Post(t.Context(), o.channel, bot.Message{Key: fmt.Sprint("card:", i), Version: 1, Notice: "New mail"})
		if err != nil {
			t.Fatal(err)
		}
		id, err := o.ann.Post(o.channel, card, fmt.Sprint("words ", i))
		if err != nil {
			t.Fatal(err)
		}
		saidOf(t, hub, id, bot.Written)
		ids = append(ids, id)
	}
	o.server.Clock.Advance(10 * time.Minute) // so that they are older than what is read again anyway
	last, err := o.ann.Post(o.channel, ids[0], "later words")
	if err != nil {
		t.Fatal(err)
	}
	saidOf(t, hub, last, bot.Written)
	for _, stop := range stops {
		stop()
	}
	for _, id := range ids {
		if err := o.ann.Edit(o.channel, id, "other words"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.ben.Post(o.channel, "", "talk"); err != nil {
		t.Fatal(err)
	}
	start()
	for _, id := range ids {
		saidOf(t, hub, id, bot.Edited)
	}
}
