package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gorilla/websocket"

	"groupmail/bot"
	"groupmail/connectors/mattermost"
	"groupmail/deploy/testbed"
)

// mattermostChat is an office's Mattermost.
type mattermostChat struct {
	o       *office
	server  *testbed.MattermostServer
	people  map[string]testbed.MattermostUser
	bot     string // user name
	channel testbed.MattermostChannel
	lines   string
	botID   string
	windows map[string]*whispers // of those who have looked for any
}

// whispers is what somebody's program was sent that is kept nowhere.
type whispers struct {
	mu   sync.Mutex
	last mattermostPost
}

// window opens somebody's program, so that it hears whispers.
func (c *mattermostChat) window(who string) *whispers {
	if w := c.windows[who]; w != nil {
		return w
	}
	conn, resp, err := websocket.DefaultDialer.Dial(strings.Replace(c.server.URL, "http", "ws", 1)+"/api/v4/websocket", http.Header{"Authorization": {"Bearer " + c.people[who].Token}})
	if err != nil {
		c.o.t.Fatal(err)
	}
	_ = resp.Body.Close()
	w, ready, ended := &whispers{}, make(chan struct{}), make(chan struct{})
	c.windows[who] = w
	go func() {
		defer close(ended)
		for {
			var event struct {
				Event string
				Data  struct{ Post string }
			}
			if err := conn.ReadJSON(&event); err != nil {
				return
			}
			switch event.Event {
			case "hello":
				close(ready)
			case "ephemeral_message":
				var p mattermostPost
				if err := json.Unmarshal([]byte(event.Data.Post), &p); err == nil {
					w.mu.Lock()
					w.last = p
					w.mu.Unlock()
				}
			}
		}
	}()
	c.o.t.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
	<-ready
	return w
}

func onMattermost(o *office) chat {
	server := testbed.Mattermost(o.t)
	ann, ben := server.NewUser(), server.NewUser()
	c := &mattermostChat{o: o, server: server, windows: map[string]*whispers{}, people: map[string]testbed.MattermostUser{"ann": ann, "ben": ben}}
	team := server.NewTeam(ann, ben)
	c.channel = server.NewChannel(team, true, ann, ben)
	gate := o.chatGate(server.URL, func(r *http.Request) string {
		switch {
		case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/api/v4/posts"):
			return "post"
		case r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/patch"):
			return "patch"
		}
		return "other"
	})
	c.bot = "gm" + strings.ToLower(ann.Username[len(ann.Username)-12:])
	done, err := mattermost.Setup(o.t.Context(), mattermost.SetupConfig{
		URL: server.URL, AdminToken: server.AdminToken, Callback: "http://" + o.listen, Channels: []string{c.channel.ID},
		Username: c.bot, Commands: bot.CommandList(),
	})
	if err != nil {
		o.t.Fatal(err)
	}
	c.botID = done.BotID
	tokens := slices.Collect(maps.Values(done.CommandTokens))
	for i, token := range tokens {
		tokens[i] = strconv.Quote(token)
	}
	c.lines = fmt.Sprintf("[mattermost]\nurl = %q\ncallback = \"http://%s\"\ntoken = %q\ncommand_tokens = [%s]", gate, o.listen, done.Token, strings.Join(tokens, ", "))
	return c
}

func (c *mattermostChat) section() (section, board string) {
	return c.lines, fmt.Sprintf("platform = \"mattermost\"\nchannel = %q", c.channel.ID)
}

func (c *mattermostChat) call(who, method, path string, body, answer any) {
	c.server.Call(c.people[who].Token, method, path, body, answer)
}

// mattermostPost is a message in the channel as a member's program gets it.
type mattermostPost struct {
	ID      string   `json:"id"`
	Root    string   `json:"root_id"`
	Files   []string `json:"file_ids"`
	Message string   `json:"message"`
	Props   struct {
		Mark        struct{ Key string } `json:"groupmail"`
		Attachments []struct {
			Pretext, Text, Title, Footer, Fallback string
			Actions                                []struct{ ID, Name, Cookie string }
		} `json:"attachments"`
	} `json:"props"`
}

func (c *mattermostChat) raw() []mattermostPost { return c.in("ann", c.channel.ID) }

func (c *mattermostChat) in(who, channel string) (all []mattermostPost) {
	var list struct {
		Order []string
		Posts map[string]mattermostPost
	}
	c.call(who, http.MethodGet, "/channels/"+channel+"/posts?per_page=200", nil, &list)
	for i := len(list.Order) - 1; i >= 0; i-- {
		all = append(all, list.Posts[list.Order[i]])
	}
	return all
}

func (p mattermostPost) shown() chatPost {
	one := chatPost{ID: p.ID, Key: p.Props.Mark.Key, words: p.Message + "\n", buttons: map[string]string{}}
	for _, a := range p.Props.Attachments {
		one.words += strings.Join([]string{a.Fallback, a.Pretext, a.Title, a.Text, a.Footer}, "\n") + "\n"
		for _, x := range a.Actions {
			one.buttons[x.Name] = x.ID + " " + x.Cookie
		}
	}
	return one
}

func (c *mattermostChat) posts() (all []chatPost) {
	for _, p := range c.raw() {
		all = append(all, p.shown())
	}
	return all
}

func (c *mattermostChat) direct(who string) (all []chatPost) {
	var channel struct{ ID string }
	c.call(who, http.MethodPost, "/channels/direct", []string{c.botID, c.people[who].ID}, &channel)
	for _, p := range c.in(who, channel.ID) {
		all = append(all, p.shown())
	}
	return all
}

func (c *mattermostChat) whispered(who string) chatPost {
	w := c.window(who)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last.shown()
}

func (c *mattermostChat) press(who string, p chatPost, button string) {
	id, cookie, _ := strings.Cut(p.buttons[button], " ")
	c.call(who, http.MethodPost, "/posts/"+p.ID+"/actions/"+id, map[string]string{"cookie": cookie}, nil)
}

func (c *mattermostChat) say(who, root, words string, files ...chatFile) {
	ids := []string{}
	for _, f := range files {
		var uploaded struct {
			Infos []struct{ ID string } `json:"file_infos"`
		}
		answer := c.request(who, http.MethodPost, "/files?channel_id="+c.channel.ID+"&filename="+f.name, []byte(f.content))
		if err := json.Unmarshal(answer, &uploaded); err != nil {
			c.o.t.Fatal(err)
		}
		ids = append(ids, uploaded.Infos[0].ID)
	}
	c.call(who, http.MethodPost, "/posts", map[string]any{"channel_id": c.channel.ID, "root_id": root, "message": "@" + c.bot + " " + words, "file_ids": ids}, nil)
}

func (c *mattermostChat) command(who, line string) {
	c.call(who, http.MethodPost, "/commands/execute", map[string]any{"channel_id": c.channel.ID, "command": line}, nil)
}

func (c *mattermostChat) handle(who string) string { return c.people[who].Username }

func (c *mattermostChat) file(root, name string) (content string, ok bool) {
	for _, p := range c.raw() {
		for _, id := range p.Files {
			var info struct{ Name string }
			c.call("ann", http.MethodGet, "/files/"+id+"/info", nil, &info)
			if p.Root == root && info.Name == name {
				return string(c.request("ann", http.MethodGet, "/files/"+id, nil)), true
			}
		}
	}
	return "", false
}

// request is one with bytes instead of JSON.
func (c *mattermostChat) request(who, method, path string, body []byte) []byte {
	t := c.o.t
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.server.URL+"/api/v4"+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.people[who].Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s %v", method, path, resp.Status, got, err)
	}
	return got
}
