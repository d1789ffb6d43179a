package mattermost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"groupmail/bot"
	"groupmail/deploy/testbed"
)

func texts(saids []bot.Said) []string {
	var t []string
	for _, s := range saids {
		late := ""
		if s.Late {
			late = " late"
		}
		t = append(t, fmt.Sprintf("%s %s%s", s.Kind, s.Text, late))
	}
	return t
}

func TestHearsOnlyPeopleInThreads(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	o.run()
	root := o.post(card("post-1", 1))
	line := card("line", 1)
	line.Root = root
	o.post(line)
	o.say(o.ann, "", "in the channel")
	o.must(o.ann, http.MethodPost, "/posts", map[string]any{
		"channel_id": o.channel.ID, "root_id": root, "message": "from a webhook", "props": map[string]any{"from_webhook": "true"},
	}, nil)
	another := o.server.NewBot()
	o.must(testbed.MattermostUser{Token: o.server.AdminToken}, http.MethodPost, "/teams/"+o.team.ID+"/members", map[string]any{"team_id": o.team.ID, "user_id": another.ID}, nil)
	o.must(testbed.MattermostUser{Token: o.server.AdminToken}, http.MethodPost, "/channels/"+o.channel.ID+"/members", map[string]any{"user_id": another.ID}, nil)
	o.say(another, root, "from a bot")
	o.say(o.ben, root, "hello @"+o.bot.Username)
	o.say(o.ben, root, "@"+o.bot.Username+"2 hello")
	got := texts(o.hub.said(t, 2))
	want := []string{"new hello @" + o.bot.Username, "new @" + o.bot.Username + "2 hello"}
	if !slices.Equal(got, want) || o.hub.saids[0].ToBot || o.hub.saids[1].ToBot {
		t.Errorf("said %q, want %q", got, want)
	}
}

// The reaction 📝 on what somebody wrote in a card's thread keeps it as a note, and says so to whoever reacted.
func TestKeptByReaction(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	o.hub.command = func(bot.Command) bot.Answer {
		return bot.Answer{Whisper: &bot.Message{Notice: "Noted", Lines: []bot.Line{{{Text: "Noted on it."}}}}}
	}
	o.run()
	window := o.open(o.ann)
	root := o.post(card("post-1", 1))
	words := o.say(o.ben, root, "She prefers *mornings*")
	talk := o.say(o.ben, "", "a talk")
	aside := o.say(o.ann, talk, "of our own")
	react := func(who testbed.MattermostUser, post, emoji string) {
		o.must(who, http.MethodPost, "/reactions", map[string]any{"user_id": who.ID, "post_id": post, "emoji_name": emoji}, nil)
	}
	react(o.ann, aside, "memo")
	react(o.ann, root, "memo")
	react(o.ann, words, "+1")
	react(o.ann, words, "memo")
	o.hub.until(t, "a command", func() bool { return len(o.hub.cmds) > 0 })
	window.wait("a direct message", func(s seen) bool {
		return s.Event == "posted" && s.post().ChannelId != o.channel.ID && strings.Contains(s.Data.Post, "Noted on it")
	})
	o.hub.mu.Lock()
	defer o.hub.mu.Unlock()
	if c := o.hub.cmds[0]; len(o.hub.cmds) != 1 || c.Who.ID != o.ann.ID || c.Root != root || c.Channel != o.channel.ID || c.Name != bot.CommandName || c.Text != "note here She prefers mornings" || c.Event != "note:"+words {
		t.Errorf("%+v", o.hub.cmds)
	}
}

func TestPeopleChange(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	o.run()
	root := o.post(card("post-1", 1))
	o.say(o.ann, root, "one")
	o.hub.said(t, 1)
	o.must(o.ann, http.MethodPut, "/users/"+o.ann.ID+"/patch", map[string]any{"nickname": "Annie"}, nil)
	o.say(o.ann, root, "two")
	if s := o.hub.said(t, 2); s[0].Who.Name != o.ann.Username || s[1].Who.Name != "Annie" || s[1].Who.Handle != o.ann.Username {
		t.Errorf("who: %+v, %+v", s[0].Who, s[1].Who)
	}
}

// A connection that broke is taken up again: nothing is lost, and nothing is late.
func TestResume(t *testing.T) {
	s := testbed.Mattermost(t)
	proxy, through := proxyTo(t, s)
	o := newOffice(t, s, through)
	o.run()
	root := o.post(card("post-1", 1))
	o.say(o.ann, root, "before")
	o.hub.said(t, 1)

	for i := range 3 {
		proxy.Refuse()
		proxy.Cut()
		o.hub.bell.until(t, "disconnected", func() bool {
			o.hub.bell.ring() // nobody else would
			return !o.p.Echoes()
		})
		o.say(o.ann, root, fmt.Sprint("while cut ", i))
		proxy.Heal()
		saids := o.hub.said(t, 2+i)
		if got, want := saids[1+i], fmt.Sprint("while cut ", i); got.Text != want || got.Late {
			t.Errorf("said %+v, want %q", got, want)
		}
	}
}

// A connection on which nothing comes any more is noticed within seconds.
func TestStall(t *testing.T) {
	s := testbed.Mattermost(t)
	proxy, through := proxyTo(t, s)
	o := newOffice(t, s, through)
	o.run()
	root := o.post(card("post-1", 1))
	proxy.Stall()
	began := time.Now()
	o.hub.bell.until(t, "disconnected", func() bool {
		o.hub.bell.ring()
		return !o.p.Echoes()
	})
	if d := time.Since(began); d > deadAfter+pingEvery {
		t.Errorf("noticed after %s", d)
	}
	o.say(o.ann, root, "stalled")
	proxy.Heal()
	// Whether the new connection resumes the old one or catches up depends on what the server still has.
	if got := texts(o.hub.said(t, 1)); strings.TrimSuffix(got[0], " late") != "new stalled" {
		t.Errorf("said %q", got)
	}
}

// A token that is revoked while we run is noticed, and its successor is taken up.
func TestTokenChanges(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	var mu sync.Mutex
	token := o.bot.Token
	o.p.cfg.Token = func() (string, error) {
		mu.Lock()
		defer mu.Unlock()
		return token, nil
	}
	o.p.api.token = o.p.cfg.Token
	o.run()
	root := o.post(card("post-1", 1))
	var tokens []*model.UserAccessToken
	o.must(admin(o.server), http.MethodGet, "/users/"+o.bot.ID+"/tokens", nil, &tokens)
	var fresh model.UserAccessToken
	o.must(admin(o.server), http.MethodPost, "/users/"+o.bot.ID+"/tokens", map[string]any{"description": "next"}, &fresh)
	o.must(admin(o.server), http.MethodPost, "/users/tokens/revoke", map[string]any{"token_id": tokens[0].Id}, nil)
	mu.Lock()
	token = fresh.Token
	mu.Unlock()
	o.say(o.ann, root, "unheard")
	if s := o.hub.said(t, 1)[0]; s.Text != "unheard" {
		t.Errorf("said %+v", s)
	}
}

// A server that was restarted knows no old connections: what was missed is read.
func TestServerRestart(t *testing.T) {
	s := testbed.NewMattermost(t)
	o := newOffice(t, s)
	o.run()
	root := o.post(card("post-1", 1))
	doomed := o.post(card("post-2", 1))
	o.say(o.ann, root, "one")
	two := o.say(o.ann, root, "two")
	three := o.say(o.ben, root, "three")
	o.hub.said(t, 3)
	o.stop()

	o.say(o.ann, root, "four")
	o.must(o.ann, http.MethodPut, "/posts/"+two+"/patch", map[string]any{"message": "two and a half"}, nil)
	o.must(o.ben, http.MethodDelete, "/posts/"+three, nil, nil)
	o.must(testbed.MattermostUser{Token: s.AdminToken}, http.MethodDelete, "/posts/"+doomed, nil, nil)
	s.Kill()
	s.Start()

	o.run()
	got := texts(o.hub.said(t, 6))[3:]
	if want := []string{"new four late", "edited two and a half late", "deleted  late"}; !slices.Equal(got, want) {
		t.Errorf("said %q, want %q", got, want)
	}
	o.hub.until(t, "lost", func() bool { return slices.Contains(o.hub.lost, doomed) })

	// And while we run.
	s.Stop()
	s.Start()
	o.say(o.ann, root, "five")
	if s := o.hub.said(t, 7)[6]; s.Text != "five" {
		t.Errorf("said %+v", s)
	}
}

// What the server calls its list of changes is an unordered thousand, in which our own redrawings
// crowd out what people wrote. Ours is not.
func TestCatchUpBehindOurOwnChanges(t *testing.T) {
	ctx := context.Background()
	o := newOffice(t, testbed.Mattermost(t))
	o.run()
	old := o.post(card("old", 1))
	o.say(o.ann, old, "before")
	changed := o.say(o.ann, old, "to be changed")
	deleted := o.say(o.ann, old, "to be deleted")
	o.hub.said(t, 3)
	o.stop()
	card1 := o.post(card("post-1", 1))
	o.say(o.ann, old, "reply under an old root")
	const redrawn = sinceMost + 100
	for i := range redrawn {
		if err := o.p.Redraw(ctx, o.channel.ID, card1, card("post-1", int64(i+2))); err != nil {
			t.Fatal(err)
		}
	}
	o.must(o.ann, http.MethodPut, "/posts/"+changed+"/patch", map[string]any{"message": "changed"}, nil)
	o.must(o.ann, http.MethodDelete, "/posts/"+deleted, nil, nil)
	o.say(o.ben, card1, "last word")

	// The premise: the server's list does not have it.
	var list model.PostList
	var c struct {
		At int64 `json:"at"` // microseconds
	}
	if err := json.Unmarshal([]byte(o.hub.cursors[o.channel.ID]), &c); err != nil {
		t.Fatal(err)
	}
	o.must(o.bot, http.MethodGet, fmt.Sprintf("/channels/%s/posts?since=%d", o.channel.ID, c.At/1000-(2*time.Minute).Milliseconds()), nil, &list)
	people := 0
	for _, p := range list.Posts {
		if p.UserId != o.bot.ID && p.RootId != "" {
			people++
		}
	}
	t.Logf("the server's list: %d posts, %d of them by people", len(list.Posts), people)

	o.run()
	got := texts(o.hub.said(t, 7))[3:]
	want := []string{"new reply under an old root late", "edited changed late", "deleted  late", "new last word late"}
	if !slices.Equal(got, want) {
		t.Errorf("said %q, want %q", got, want)
	}
	o.hub.until(t, "the last redrawing", func() bool {
		return slices.Contains(o.hub.drawn, drawing{card1, "post-1", redrawn + 1})
	})
}

// More than a page of replies, more than a page even in one millisecond, come each once and in order.
func TestCatchUpPages(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	o.run()
	root := o.post(card("post-1", 1))
	o.say(o.ann, root, "before")
	o.hub.said(t, 1)
	o.stop()
	const n = perPage + 70
	var want []string
	var post model.Post
	at := time.Now().UnixMilli()
	for i := range n {
		// An administrator may say when something was written.
		at := at
		if i >= perPage+30 {
			at++
		}
		o.must(testbed.MattermostUser{Token: o.server.AdminToken}, http.MethodPost, "/posts", map[string]any{
			"channel_id": o.channel.ID, "root_id": root, "message": fmt.Sprint(i), "create_at": at,
		}, &post)
		if post.CreateAt != at {
			t.Fatalf("created at %d, not %d", post.CreateAt, at)
		}
		want = append(want, fmt.Sprintf("new %d late", i))
	}
	o.run()
	got := texts(o.hub.said(t, 1+n))[1:]
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("said %d things, want %d", len(got), len(want))
	}
	if !slices.IsSortedFunc(o.hub.saids, func(a, b bot.Said) int { return a.At.Compare(b.At) }) {
		t.Error("not in order")
	}
}

// What the hub does not keep is told again, before what came after it.
func TestRefusedBySaid(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	o.run()
	root := o.post(card("post-1", 1))
	o.say(o.ann, root, "one")
	o.hub.said(t, 1)
	o.hub.note(func() { o.hub.refuse = errors.New("no database") })
	before := o.hub.cursors[o.channel.ID]
	o.say(o.ann, root, "two")
	o.say(o.ann, root, "three")
	if err := o.p.Redraw(context.Background(), o.channel.ID, root, card("post-1", 2)); err != nil {
		t.Fatal(err)
	}
	o.hub.until(t, "echoes do not wait", func() bool { return slices.Contains(o.hub.drawn, drawing{root, "post-1", 2}) })
	if o.hub.cursors[o.channel.ID] != before {
		t.Error("the cursor moved over what was not kept")
	}
	o.hub.note(func() { o.hub.refuse = nil })
	o.say(o.ann, root, "four")
	got := o.hub.said(t, 4)
	for i, want := range []string{"one", "two", "three", "four"} {
		if got[i].Text != want {
			t.Errorf("said %q", texts(got))
			break
		}
	}
}

// The bot hears a channel that it is added to while it runs, from then on.
func TestAddedToChannel(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	o.run()
	late := o.server.NewChannel(o.team, true, o.ann)
	var post model.Post
	o.must(o.ann, http.MethodPost, "/posts", map[string]any{"channel_id": late.ID, "message": "root"}, &post)
	o.must(o.ann, http.MethodPost, "/posts", map[string]any{"channel_id": late.ID, "root_id": post.Id, "message": "before"}, nil)
	o.must(testbed.MattermostUser{Token: o.server.AdminToken}, http.MethodPost, "/channels/"+late.ID+"/members", map[string]any{"user_id": o.bot.ID}, nil)
	o.hub.until(t, "the new channel is heard", func() bool { return o.hub.cursors[late.ID] != "" })
	o.must(o.ann, http.MethodPost, "/posts", map[string]any{"channel_id": late.ID, "root_id": post.Id, "message": "after"}, nil)
	if got := texts(o.hub.said(t, 1)); got[0] != "new after" {
		t.Errorf("said %q", got)
	}
}

func TestPlainText(t *testing.T) {
	me := &model.User{Username: "groupmail"}
	p := &Platform{clock: time.Now}
	for _, c := range []struct {
		typed, text string
		toBot       bool
	}{
		{"@groupmail hello", "hello", true},
		{"@GroupMail: hello", "hello", true},
		{"  @groupmail, hello\nworld ", "hello\nworld", true},
		{"@groupmail.", "", true},
		{"@groupmail", "", true},
		{"hello groupmail", "hello groupmail", false},
		{":+1: :smile::heart: at 12:100:00, :nothing: and :own_emoji:", "👍 😄❤️ at 12:100:00, :nothing: and :own_emoji:", false},
		{"@groupmail *bold* [link](https://x.org/a_b_c) `code`", "bold link (https://x.org/a_b_c) code", true},
		{"nul\x00 and \u202eturned", "nul and turned", false},
	} {
		text, toBot, err := p.heard(context.Background(), me, c.typed)
		if text != c.text || toBot != c.toBot || err != nil {
			t.Errorf("%q is heard as %q, %v, %v; want %q, %v", c.typed, text, toBot, err, c.text, c.toBot)
		}
	}
	if rest, ok := cutMention("@groupmail-test hello", "groupmail"); ok {
		t.Errorf("another's mention was ours: %q", rest)
	}
	got := eachMention("mail a@b.org, @ann. (@ben) @@carl é@dora @-x", func(h string) string { return "<" + h + ">" })
	if want := "mail a@b.org, <ann.> (<ben>) @@carl é<dora> <-x>"; got != want {
		t.Errorf("mentions: %q, want %q", got, want)
	}
}
