package slack

import (
	"context"
	"fmt"
	"testing"

	"groupmail/bot"
	"groupmail/bot/bottest"
)

// TestMissedInAGreatChannel: catching up in a channel with thousands of messages asks Slack few questions,
// of which it allows fifty a minute, and finds what was written in a thread far back.
func TestMissedInAGreatChannel(t *testing.T) {
	o := newOffice(t, false)
	hub := &bottest.Hub{Channels: []string{o.channel}}
	card, err := o.p.Post(t.Context(), o.channel, bot.Message{Key: "card:1", Version: 1, Notice: "New mail"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { _ = o.p.Run(ctx, hub); close(ended) }()
	bottest.Eventually(t, "a cursor is kept", func() (string, bool) {
		at, err := hub.Cursor(t.Context(), o.channel)
		return at, err == nil && at != ""
	})
	cancel()
	<-ended
	for n := range 2500 {
		if _, err := o.ben.Post(o.channel, "", fmt.Sprint("talk ", n)); err != nil {
			t.Fatal(err)
		}
	}
	message, err := o.ann.Post(o.channel, card, "far back")
	if err != nil {
		t.Fatal(err)
	}
	before := len(o.server.Calls("conversations.history", "conversations.replies"))
	o.reopen()
	o.run(hub)
	bottest.Eventually(t, "the words far back", func() ([]bot.Said, bool) {
		all := hub.AllSaid()
		for _, s := range all {
			if s.Message == message && s.Text == "far back" && s.Late {
				return all, true
			}
		}
		return all, false
	})
	if n := len(o.server.Calls("conversations.history", "conversations.replies")) - before; n > 10 {
		t.Errorf("catching up took %d questions", n)
	}
}
