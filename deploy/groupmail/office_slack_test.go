package main

import (
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"groupmail/connectors/slack/slacktest"
	"groupmail/ticketing"
)

// slackChat is an office's Slack: the stand-in.
type slackChat struct {
	o       *office
	server  *slacktest.Server
	people  map[string]*slacktest.Person
	channel string
	api     string // address of the gate in front of the Web API
}

func onSlack(o *office) chat { return newSlackChat(o, slacktest.Config{NoLimits: true}) }

func newSlackChat(o *office, cfg slacktest.Config) *slackChat {
	c := &slackChat{o: o, server: slacktest.Start(o.t, cfg), people: map[string]*slacktest.Person{}}
	c.people["ann"] = c.server.AddUser(slacktest.User{Name: "ann", Real: "Ann Arbor"})
	c.people["ben"] = c.server.AddUser(slacktest.User{Name: "ben", Real: "Ben Brown"})
	c.channel = c.server.AddChannel(slacktest.Channel{Name: "help-desk", Private: true}, c.people["ann"].ID, c.people["ben"].ID, c.server.BotUser)
	c.api = o.chatGate(c.server.URL, func(r *http.Request) string {
		switch path.Base(r.URL.Path) {
		case "chat.postMessage":
			return "post"
		case "chat.update":
			return "patch"
		}
		return "other"
	}) + "/api/"
	return c
}

func (c *slackChat) section() (section, board string) {
	c.token(c.server.BotToken)
	return fmt.Sprintf("[slack]\nbot_token = %q\napp_token = %q\napi_url = %q", "file:"+c.tokenFile(), c.server.AppToken, c.api),
		fmt.Sprintf("platform = \"slack\"\nchannel = %q", c.channel)
}

func (c *slackChat) tokenFile() string { return filepath.Join(c.o.dir, "slack-token") }

// token puts the bot's token where the configuration reads it from.
func (c *slackChat) token(token string) {
	if err := os.WriteFile(c.tokenFile(), []byte(token+"\n"), 0o600); err != nil {
		c.o.t.Fatal(err)
	}
}

func (c *slackChat) posts() []chatPost { return c.seen("ann", c.channel, false) }

func (c *slackChat) direct(who string) []chatPost {
	return c.seen(who, c.people[who].Direct(), false)
}

func (c *slackChat) whispered(who string) chatPost {
	all := c.seen(who, c.channel, true)
	if len(all) == 0 {
		return chatPost{}
	}
	return all[len(all)-1]
}

func (c *slackChat) seen(who, channel string, whispers bool) (all []chatPost) {
	for _, m := range c.people[who].All(channel) {
		if m.Ephemeral != whispers {
			continue
		}
		payload, _ := m.Metadata["event_payload"].(map[string]any)
		key, _ := payload["key"].(string)
		one := chatPost{ID: m.ID, Key: key, channel: channel, words: m.Fallback + "\n" + m.Text, buttons: map[string]string{}}
		for _, x := range m.Controls {
			one.buttons[x.Label] = x.Action
		}
		all = append(all, one)
	}
	return all
}

func (c *slackChat) press(who string, p chatPost, button string) {
	_ = c.people[who].Press(p.channel, p.ID, p.buttons[button]) // it may fail when the process was killed
}

func (c *slackChat) say(who, root, words string, files ...chatFile) {
	var all []slacktest.Upload
	for _, f := range files {
		all = append(all, slacktest.Upload{Name: f.name, Data: []byte(f.content)})
	}
	if _, err := c.people[who].Post(c.channel, root, "@"+c.server.BotName+" "+words, all...); err != nil {
		c.o.t.Fatal(err)
	}
}

func (c *slackChat) command(who, line string) { _ = c.people[who].Command(c.channel, line) }

func (c *slackChat) handle(who string) string { return who }

func (c *slackChat) file(root, name string) (content string, ok bool) {
	for _, m := range c.people["ann"].Thread(c.channel, root) {
		for _, f := range m.Files {
			if f.Name == name {
				return string(f.Data), true
			}
		}
	}
	return "", false
}

// TestSlackStorms: a flood of mail arrives while Slack answers with 429, one connection after the other
// is cut in the middle of presses, and events come twice. Everything stands in the channel once in the end,
// nobody has seen an error, and no call came before Retry-After.
func TestSlackStorms(t *testing.T) {
	var c *slackChat
	o := newOffice(t, func(o *office) chat {
		c = newSlackChat(o, slacktest.Config{NoLimits: true})
		return c
	})
	o.ready()
	const mails = 15
	for n := range mails {
		o.dovecot.Deliver("help", []byte(strings.NewReplacer("Heating broken", fmt.Sprintf("Question %d.", n), "<first@", fmt.Sprintf("<first%d@", n)).Replace(customerMail)))
		if n == 5 {
			c.server.Storm(10, 2*time.Second)
		}
	}
	c.server.Tamper(func(x *slacktest.Tamper) { x.Duplicate = 20 })
	for n := range mails {
		o.shows("card", fmt.Sprintf("Question %d.", n))
	}
	var all sync.WaitGroup
	for n := range mails {
		card := o.find("card", fmt.Sprintf("Question %d.", n))
		if n%5 == 2 {
			c.server.CutSockets()
			o.eventually("it is connected again", func() bool { return c.server.Connections() > 0 })
		}
		for _, who := range []string{"ann", "ben"} {
			all.Go(func() { c.press(who, card, "Take") })
		}
	}
	all.Wait()
	for n := range mails {
		o.eventually("each is taken", func() bool {
			card := o.find("card", fmt.Sprintf("Question %d.", n))
			if !strings.Contains(card.words, "Taken by") {
				c.press("ann", card, "Take") // a press that a cut connection has lost
				return false
			}
			return true
		})
	}
	o.onceEach()
	if got := o.moves()[ticketing.MoveTake]; got != mails {
		t.Errorf("the log has %d takes of %d mails", got, mails)
	}
	const onTheirWay = 200 * time.Millisecond // calls that were sent before the answer was there
	for _, call := range c.server.Calls() {
		for _, before := range c.server.Calls(call.Method) {
			if before.Status == http.StatusTooManyRequests && call.At.After(before.At.Add(onTheirWay)) && call.At.Before(before.At.Add(1900*time.Millisecond)) &&
				call.Args["channel"] == before.Args["channel"] && call.Status != http.StatusTooManyRequests {
				t.Errorf("%s was called %s after it was limited for 2 s", call.Method, call.At.Sub(before.At))
			}
		}
	}
}

// TestSlackReconciles: what is written while nothing is heard is heard when the process is back, in
// whatever thread; what was taken back is stopped.
func TestSlackReconciles(t *testing.T) {
	var c *slackChat
	o := newOffice(t, func(o *office) chat {
		c = newSlackChat(o, slacktest.Config{NoLimits: true})
		return c
	})
	o.ready()
	o.dovecot.Deliver("help", []byte(customerMail))
	card := o.shows("card", "Heating broken")
	o.pressUntil("card", "New", "Take", "Taken by")
	o.stop()
	c.say("ann", card.ID, "We are coming.")
	o.start()
	o.ready()
	o.pressUntil("reply", "Not sent yet", "Send", "Sent")
	o.eventually("the customer has it", func() bool { return len(o.dovecot.Messages("maria", "INBOX")) == 1 })
	o.onceEach()
}

// TestSlackLost: a channel that the bot was thrown out of, one that was archived, and a token that was
// revoked are trouble that names its cure. Mail is kept meanwhile, and shown once it is mended, without a
// restart.
func TestSlackLost(t *testing.T) {
	for _, test := range []struct {
		name       string
		lose, mend func(c *slackChat) error
		says, cure string
	}{
		{
			"kicked", func(c *slackChat) error { return c.people["ann"].Kick(c.channel, c.server.BotUser) },
			func(c *slackChat) error { return c.people["ann"].Invite(c.channel, c.server.BotUser) }, "Cannot use the channel", "Invite the bot there",
		},
		{
			"archived", func(c *slackChat) error { return c.people["ann"].Archive(c.channel) },
			func(c *slackChat) error { return c.people["ann"].Unarchive(c.channel) }, "Cannot use the channel", "out of the archive",
		},
		{
			"revoked", func(c *slackChat) error { c.server.RevokeToken(); return nil },
			func(c *slackChat) error { c.token(c.server.Reinstall()); return nil }, "Cannot use the channel", "Give the bot a token",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var c *slackChat
			o := newOffice(t, func(o *office) chat {
				c = newSlackChat(o, slacktest.Config{NoLimits: true})
				return c
			})
			o.ready()
			o.dovecot.Deliver("help", []byte(customerMail))
			o.shows("card", "Heating broken")
			if err := test.lose(c); err != nil {
				t.Fatal(err)
			}
			o.dovecot.Deliver("help", []byte(strings.NewReplacer("Heating broken", "Meanwhile", "<first@", "<second@").Replace(customerMail)))
			o.eventually("there is trouble", func() bool {
				var what, cure string
				err := o.query(`SELECT what, cure FROM troubles WHERE name LIKE 'board:%' AND ended IS NULL`, &what, &cure)
				return err == nil && strings.Contains(what, test.says) && strings.Contains(cure, test.cure)
			})
			if err := test.mend(c); err != nil {
				t.Fatal(err)
			}
			o.shows("card", "Meanwhile")
			o.onceEach()
		})
	}
}
