package slack

import (
	"context"
	"strings"
	"testing"

	"groupmail/bot"
	"groupmail/bot/bottest"
)

// run runs the platform until the test ends.
func (o *office) run(hub bot.Hub) {
	o.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { _ = o.p.Run(ctx, hub); close(ended) }()
	o.t.Cleanup(func() { cancel(); <-ended })
	bottest.Eventually(o.t, "it is connected", func() (int, bool) {
		if o.web != nil {
			run, leave := o.p.gateway.Enter()
			if run != nil {
				leave()
			}
			return 0, run != nil
		}
		return o.server.Connections(), o.server.Connections() > 0
	})
}

// TestShortcut: "Send to the customer" on a message of one's own in a card's thread counts like the bot's
// name before it, and so does what is changed in it; elsewhere it says what it is for.
func TestShortcut(t *testing.T) {
	o := newOffice(t, false)
	hub := &bottest.Hub{Channels: []string{o.channel}}
	o.run(hub)
	card, err := o.p.Post(t.Context(), o.channel, bot.Message{Key: "card:1", Version: 1, Notice: "New mail"})
	if err != nil {
		t.Fatal(err)
	}
	message, err := o.ann.Post(o.channel, card, "We are coming.")
	if err != nil {
		t.Fatal(err)
	}
	if err := o.ann.Shortcut(o.channel, message, ShortcutSend); err != nil {
		t.Fatal(err)
	}
	said := bottest.Eventually(t, "it is sent", func() (bot.Said, bool) {
		for _, s := range hub.AllSaid() {
			if s.ToBot {
				return s, true
			}
		}
		return bot.Said{}, false
	})
	if said.Text != "We are coming." || said.Root != card || said.Message != message || said.Who.ID != o.ann.ID || said.Kind != bot.Written || said.Event == "post:"+o.channel+":"+message {
		t.Errorf("heard %+v", said)
	}
	if err := o.ann.Edit(o.channel, message, "We are coming at ten."); err != nil {
		t.Fatal(err)
	}
	bottest.Eventually(t, "the change is for the other side, too", func() (bot.Said, bool) {
		all := hub.AllSaid()
		last := all[len(all)-1]
		return last, last.Kind == bot.Edited && last.ToBot && last.Text == "We are coming at ten."
	})

	outside, err := o.ann.Post(o.channel, "", "Lunch?")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ message, says string }{
		{outside, "in a card's thread"}, {card, "in a card's thread"}, {message, "somebody else"},
	} {
		who := o.ben
		if err := who.Shortcut(o.channel, test.message, ShortcutSend); err != nil {
			t.Fatal(err)
		}
		bottest.Eventually(t, "a word why not: "+test.says, func() (string, bool) {
			for _, m := range who.All(o.channel) {
				if m.Ephemeral && strings.Contains(m.Text, test.says) {
					return m.Text, true
				}
			}
			return "", false
		})
	}
}

// TestNoteShortcut: "Keep as a note" on a message of a card's thread is the command in that thread, whoever
// wrote it; elsewhere it says what it is for.
func TestNoteShortcut(t *testing.T) {
	o := newOffice(t, false)
	hub := &bottest.Hub{Channels: []string{o.channel}}
	o.run(hub)
	card, err := o.p.Post(t.Context(), o.channel, bot.Message{Key: "card:1", Version: 1, Notice: "New mail"})
	if err != nil {
		t.Fatal(err)
	}
	message, err := o.ann.Post(o.channel, card, "#7 is *the* flat & more")
	if err != nil {
		t.Fatal(err)
	}
	if err := o.ben.Shortcut(o.channel, message, ShortcutNote); err != nil {
		t.Fatal(err)
	}
	typed := bottest.Eventually(t, "it is a command", func() (bot.Command, bool) {
		all := hub.TypedCommands()
		if len(all) == 0 {
			return bot.Command{}, false
		}
		return all[0], true
	})
	if typed.Name != bot.CommandName || typed.Root != card || typed.Channel != o.channel || typed.Who.ID != o.ben.ID || typed.Text != "note here #7 is the flat & more" || typed.Event == "" {
		t.Errorf("%+v", typed)
	}
	outside, err := o.ann.Post(o.channel, "", "Lunch?")
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range []string{outside, card} {
		before := len(o.ben.All(o.channel))
		if err := o.ben.Shortcut(o.channel, message, ShortcutNote); err != nil {
			t.Fatal(err)
		}
		bottest.Eventually(t, "a word why not", func() (string, bool) {
			for _, m := range o.ben.All(o.channel)[before:] {
				if m.Ephemeral && strings.Contains(m.Text, "/mail note") {
					return m.Text, true
				}
			}
			return "", false
		})
	}
	if n := len(hub.TypedCommands()); n != 1 {
		t.Errorf("%d commands", n)
	}
}
