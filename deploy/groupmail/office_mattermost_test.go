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
}

func onMattermost(o *office) chat {
	server := testbed.Mattermost(o.t)
	ann, ben := server.NewUser(), server.NewUser()
	c := &mattermostChat{o: o, server: server, people: map[string]testbed.MattermostUser{"ann": ann, "ben": ben}}
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
	ID    string   `json:"id"`
	Root  string   `json:"root_id"`
	Files []string `json:"file_ids"`
	Props struct {
		Mark        struct{ Key string } `json:"groupmail"`
		Attachments []struct {
			Pretext, Text, Title, Footer, Fallback string
			Actions                                []struct{ ID, Name string }
		} `json:"attachments"`
	} `json:"props"`
}

func (c *mattermostChat) raw() (all []mattermostPost) {
	var list struct {
		Order []string
		Posts map[string]mattermostPost
	}
	c.call("ann", http.MethodGet, "/channels/"+c.channel.ID+"/posts?per_page=200", nil, &list)
	for i := len(list.Order) - 1; i >= 0; i-- {
		all = append(all, list.Posts[list.Order[i]])
	}
	return all
}

func (c *mattermostChat) posts() (all []chatPost) {
	for _, p := range c.raw() {
		one := chatPost{ID: p.ID, Key: p.Props.Mark.Key, buttons: map[string]string{}}
		for _, a := range p.Props.Attachments {
			one.words += strings.Join([]string{a.Fallback, a.Pretext, a.Title, a.Text, a.Footer}, "\n") + "\n"
			for _, x := range a.Actions {
				one.buttons[x.Name] = x.ID
			}
		}
		all = append(all, one)
	}
	return all
}

func (c *mattermostChat) press(who string, p chatPost, button string) {
	c.call(who, http.MethodPost, "/posts/"+p.ID+"/actions/"+p.buttons[button], map[string]any{}, nil)
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
