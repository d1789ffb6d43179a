package mattermost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"groupmail/bot"
	"groupmail/deploy/testbed"
)

func TestPostRedrawFind(t *testing.T) {
	ctx := context.Background()
	o := newOffice(t, testbed.Mattermost(t))
	o.run()
	began := time.Now()
	id := o.post(card("post-1", 1))

	post := o.read(o.ann, id)
	if post.UserId != o.bot.ID || post.Message != "" || len(post.Attachments()) != 1 {
		t.Fatalf("posted: %+v", post)
	}
	a := post.Attachments()[0]
	if err := a.IsValid(); err == nil {
		t.Error("the client sees where the buttons lead") // IsValid wants the address
	}
	if len(a.Actions) != 4 || a.Actions[3].Type != model.PostActionTypeSelect || a.Fallback != "New mail: Maria Kovács – Heating broken" {
		t.Errorf("attachment: %+v", a)
	}
	o.hub.until(t, "drawn 1", func() bool { return slices.Contains(o.hub.drawn, drawing{id, "post-1", 1}) })

	again := o.post(card("post-1", 1))
	if again != id {
		t.Errorf("posted twice: %s, %s", id, again)
	}

	m := card("post-1", 2)
	m.Status = bot.Line{{Text: "Taken by "}, {Member: o.ann.ID}}
	if err := o.p.Redraw(ctx, o.channel.ID, id, m); err != nil {
		t.Fatal(err)
	}
	o.hub.until(t, "drawn 2", func() bool { return slices.Contains(o.hub.drawn, drawing{id, "post-1", 2}) })
	post = o.read(o.ben, id)
	if text := post.Attachments()[0].Text; !strings.HasPrefix(text, "Taken by "+escapeSpan(o.ann.Username, false)) {
		t.Errorf("redrawn: %s", text)
	}
	if post.GetProp(model.PostPropsFromBot) != "true" {
		t.Error("the redrawn card is no bot's any more")
	}

	for i := range perPage + 5 { // more than a page on top of it
		o.say(o.ann, "", fmt.Sprint("chat ", i))
	}
	found, err := o.p.Find(ctx, o.channel.ID, "", "post-1", began)
	if err != nil || found != id {
		t.Errorf("Find: %q, %v", found, err)
	}
	found, err = o.p.Find(ctx, o.channel.ID, "", "post-2", began)
	if err != nil || found != "" {
		t.Errorf("Find nothing: %q, %v", found, err)
	}
}

func TestGone(t *testing.T) {
	ctx := context.Background()
	o := newOffice(t, testbed.Mattermost(t))
	o.run()
	id := o.post(card("post-1", 1))
	o.must(testbed.MattermostUser{Token: o.server.AdminToken}, http.MethodDelete, "/posts/"+id, nil, nil)
	o.hub.until(t, "lost", func() bool { return slices.Contains(o.hub.lost, id) })
	if err := o.p.Redraw(ctx, o.channel.ID, id, card("post-1", 2)); !errors.Is(err, bot.ErrGone) {
		t.Errorf("redraw of a deleted card: %v", err)
	}
	m := card("line", 1)
	m.Root = id
	if _, err := o.p.Post(ctx, o.channel.ID, m); !errors.Is(err, bot.ErrGone) {
		t.Errorf("line in a deleted thread: %v", err)
	}

	// Posted anew at once, although the server remembers the one that is gone.
	if again := o.post(card("post-1", 1)); again == id || o.as(o.ann, http.MethodGet, "/posts/"+again, nil, nil) != http.StatusOK {
		t.Errorf("posted anew: %s", again)
	}

	archived := o.server.NewChannel(o.team, true, o.ann, o.bot)
	o.must(testbed.MattermostUser{Token: o.server.AdminToken}, http.MethodDelete, "/channels/"+archived.ID, nil, nil)
	strange := o.server.NewChannel(o.team, true, o.ann)
	open := o.server.NewChannel(o.team, false, o.ann)
	for what, channel := range map[string]string{
		"archived": archived.ID, "private": strange.ID, "public": open.ID, "none": model.NewId(), "no id": "x/../y",
	} {
		_, err := o.p.Post(ctx, channel, card("post-1", 1))
		if !errors.Is(err, bot.ErrNoChannel) {
			t.Errorf("post, %s channel: %v", what, err)
		}
		if _, err = o.p.Channel(ctx, channel); !errors.Is(err, bot.ErrNoChannel) {
			t.Errorf("channel, %s: %v", what, err)
		}
		if _, err = o.p.Members(ctx, channel); what != "archived" && !errors.Is(err, bot.ErrNoChannel) {
			t.Errorf("members, %s: %v", what, err)
		}
		if _, err = o.p.Find(ctx, channel, "", "x", time.Now()); what != "public" && what != "archived" && !errors.Is(err, bot.ErrNoChannel) {
			t.Errorf("find, %s: %v", what, err)
		}
	}
}

func TestChannel(t *testing.T) {
	ctx := context.Background()
	o := newOffice(t, testbed.Mattermost(t))
	c, err := o.p.Channel(ctx, o.channel.ID)
	if want := (bot.Channel{ID: o.channel.ID, Title: o.channel.Name, Private: true}); err != nil || c != want {
		t.Errorf("Channel: %+v, %v", c, err)
	}
	if got, want := o.p.Link(o.channel.ID, "xyz"), o.server.URL+"/"+o.team.Name+"/pl/xyz"; got != want {
		t.Errorf("Link: %s, want %s", got, want)
	}
	members, err := o.p.Members(ctx, o.channel.ID)
	var ids []string
	for _, m := range members {
		ids = append(ids, m.ID)
	}
	slices.Sort(ids)
	want := []string{o.ann.ID, o.ben.ID}
	slices.Sort(want)
	// The administrator made the channel and is in it.
	ids = slices.DeleteFunc(ids, func(id string) bool { return !slices.Contains(want, id) && id != o.bot.ID })
	if err != nil || !slices.Equal(ids, want) {
		t.Errorf("Members: %v, %v", ids, err)
	}
}

func TestDirect(t *testing.T) {
	ctx := context.Background()
	o := newOffice(t, testbed.Mattermost(t))
	ben := o.open(o.ben)
	root := o.post(card("post-1", 1))
	if err := o.p.Tell(ctx, o.channel.ID, root, o.ben.ID, bot.Message{Lines: []bot.Line{{{Text: "Ann has it."}}}}); err != nil {
		t.Fatal(err)
	}
	post := ben.wait("a direct message", func(s seen) bool {
		return s.Event == "posted" && len(s.post().Attachments()) > 0 && s.post().ChannelId != o.channel.ID
	}).post()
	want := "Ann has it.\n[Go to the thread](" + o.p.Link(o.channel.ID, root) + ")"
	if got := post.Attachments()[0].Text; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

// The server tells an app when its owner is mentioned, so its silence about our messages is telling.
func TestMentionsAreSeen(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	ann := o.open(o.ann)
	for text, want := range map[string]bool{"@" + o.ann.Username: true, "@channel": true, "nobody": false} {
		id := o.say(o.ben, "", text)
		s := ann.find("the message", func(s seen) bool { return s.Event == "posted" && s.post().Id == id })
		if got := strings.Contains(s.Data.Mentions, o.ann.ID); got != want {
			t.Errorf("%q mentions: %v", text, got)
		}
	}
}

func TestThreadBothWays(t *testing.T) {
	ctx := context.Background()
	o := newOffice(t, testbed.Mattermost(t))
	o.run()
	root := o.post(card("post-1", 1))

	m := bot.Message{Key: "line-1", Version: 1, Root: root, Lines: []bot.Line{{{Text: "Mail in"}}}}
	for i := range 12 {
		m.Files = append(m.Files, upload(fmt.Sprintf("file%d.txt", i), fmt.Sprint("content ", i)))
	}
	m.Files[3].Name = "../../etc/pass\x00wd\u202etxt.exe"
	line := o.post(m)
	post := o.read(o.ann, line)
	if len(post.FileIds) != maxFiles || post.RootId != root {
		t.Errorf("line: %+v", post)
	}
	var thread model.PostList
	o.must(o.ann, http.MethodGet, "/posts/"+root+"/thread", nil, &thread)
	files := 0
	for _, p := range thread.Posts {
		files += len(p.FileIds)
	}
	if files != 12 || len(thread.Posts) != 3 {
		t.Errorf("%d files in %d posts", files, len(thread.Posts))
	}
	if name := post.Metadata.Files; !slices.ContainsFunc(name, func(f *model.FileInfo) bool { return f.Name == ".._.._etc_passwdtxt.exe" }) {
		for _, f := range name {
			t.Log(f.Name)
		}
		t.Error("no file with the cleaned name")
	}
	// A redrawing, whoever makes it, leaves the files.
	m.Version = 2
	if err := o.p.Redraw(ctx, o.channel.ID, line, m); err != nil {
		t.Fatal(err)
	}
	if n := len(o.read(o.ann, line).FileIds); n != maxFiles {
		t.Errorf("%d files after a redrawing", n)
	}

	// And the other way.
	var up model.FileUploadResponse
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, o.server.URL+"/api/v4/files?filename=answer.txt&channel_id="+o.channel.ID, strings.NewReader("the answer"))
	req.Header.Set("Authorization", "Bearer "+o.ann.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	err = decode(resp.Body, &up)
	_ = resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	var said model.Post
	o.must(o.ann, http.MethodPost, "/posts", map[string]any{
		"channel_id": o.channel.ID, "root_id": root, "file_ids": []string{up.FileInfos[0].Id},
		"message": "@" + strings.ToUpper(o.bot.Username) + ": Dear Maria :smile: ask @" + o.ben.Username + ". *Bye*",
	}, &said)
	s := o.hub.said(t, 1)[0]
	if !s.ToBot || s.Text != "Dear Maria 😄 ask @"+o.ben.Username+". Bye" || s.Root != root || s.Message != said.Id ||
		s.Kind != bot.Written || s.Who.ID != o.ann.ID || s.Late || s.At.UnixMilli() != said.CreateAt || len(s.Files) != 1 {
		t.Fatalf("said: %+v", s)
	}
	body, err := o.p.Download(ctx, s.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); string(got) != "the answer" || err != nil || s.Files[0].Name != "answer.txt" || s.Files[0].Size != 10 {
		t.Errorf("downloaded %q of %+v, %v", got, s.Files[0], err)
	}

	o.must(o.ann, http.MethodPut, "/posts/"+said.Id+"/patch", map[string]any{"message": "@" + o.bot.Username + " Dear Mary"}, nil)
	s = o.hub.said(t, 2)[1]
	if s.Kind != bot.Edited || s.Text != "Dear Mary" || !s.ToBot {
		t.Errorf("edited: %+v", s)
	}
	o.must(o.ann, http.MethodDelete, "/posts/"+said.Id, nil, nil)
	s = o.hub.said(t, 3)[2]
	if s.Kind != bot.Deleted || s.Message != said.Id || s.Who.ID != o.ann.ID {
		t.Errorf("deleted: %+v", s)
	}
}

// Only a member who is meant is told: a mention that the bot makes rings for them, and says their
// name all the same.
func TestPing(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	a, b := o.open(o.ann), o.open(o.ben)
	id := o.post(bot.Message{Key: "k1", Version: 1, Status: bot.Line{{Text: "Maria wrote · "}, {Member: o.ann.ID, Text: "Ann", Ping: true}, {Text: " and "}, {Member: o.ben.ID, Text: "Ben"}}})
	heard := func(x *app) string {
		return x.find("the message", func(s seen) bool { return s.Event == "posted" && s.post().Id == id }).Data.Mentions
	}
	if got := heard(a); !strings.Contains(got, o.ann.ID) {
		t.Errorf("Ann was not told: %q", got)
	}
	if got := heard(b); strings.Contains(got, o.ben.ID) {
		t.Errorf("Ben was told: %q", got)
	}
}
