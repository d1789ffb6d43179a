package slack

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"groupmail/bot"
	"groupmail/bot/bottest"
	"groupmail/connectors/slack/slacktest"
)

// TestHeard: what a person typed becomes what a reader sees. ANN, BEN and BOT stand for their ids.
func TestHeard(t *testing.T) {
	o := newOffice(t, false)
	me, err := o.p.me(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ids := strings.NewReplacer("ANN", o.ann.ID, "BEN", o.ben.ID, "BOT", o.server.BotUser)
	for _, c := range []struct {
		typed, want string
		toBot       bool
	}{
		{"", "", false},
		{"plain words", "plain words", false},
		{"a &lt; b &amp;&amp; c &gt; d", "a < b && c > d", false},
		{"&amp;lt;b&amp;gt; and &amp;copy;", "&lt;b&gt; and &copy;", false},
		{"&gt; quoted\n&gt; twice\nanswer", "> quoted\n> twice\nanswer", false},

		{"<@BOT> we are coming", "we are coming", true},
		{"<@BOT>, we are coming", "we are coming", true},
		{"<@BOT|groupmail>: we are coming", "we are coming", true},
		{"  <@BOT>\nwe are coming", "we are coming", true},
		{"<@BOT>", "", true},
		{"<@BOT> <@BOT>", "@groupmail", true},
		{"please <@BOT> answer", "please @groupmail answer", false},
		{"<@BEN> look", "@Ben look", false},
		{"<@ANN|ann> look", "@Ann Arbor look", false},
		{"<@U0NOBODY> look", "@U0NOBODY look", false},
		{"<@U0NOBODY|zed> look", "@zed look", false},
		{"<#C123|random> and <#C124>", "#random and #C124", false},
		{"<!here> <!channel> <!subteam^S1|@team> <!subteam^S1>", "@here @channel @team @subteam", false},
		{"<!date^1392734382^{date}|Feb 18>", "Feb 18", false},

		{"<https://example.org>", "https://example.org", false},
		{"<https://example.org|example.org>", "example.org", false},
		{"<http://example.org|here>", "here (http://example.org)", false},
		{"<https://example.org/?a=1&amp;b=2>", "https://example.org/?a=1&b=2", false},
		{"<mailto:maria@example.net|maria@example.net>", "maria@example.net", false},
		{"<tel:+3612345|+36 1 2345>", "+36 1 2345 (+3612345)", false},
		{"<https://example.org/a-_b_-c?*d*>", "https://example.org/a-_b_-c?*d*", false},
		{"<https://example.org/x:tada:y>", "https://example.org/x:tada:y", false},
		{"*see <https://example.org/_x_|this>* now", "see this (https://example.org/_x_) now", false},

		{":tada: done :+1:", "🎉 done 👍", false},
		{":own_emoji: 12:30:45", ":own_emoji: 12:30:45", false},

		{"*strong* _slanted_ ~struck~ *_~all~_*", "strong slanted struck all", false},
		{"*a* *b* *c* *d* *e*", "a b c d e", false},
		{"snake_case_name and 2*3*4 and a~b~c", "snake_case_name and 2*3*4 and a~b~c", false},
		{"* item\n* another *strong*", "* item\n* another strong", false},
		{"*not\nover lines*", "*not\nover lines*", false},
		{"*differing_ ends", "*differing_ ends", false},
		{"(*strong*), \"_slanted_\".", "(strong), \"slanted\".", false},

		{"`*as* :tada: is`", "*as* :tada: is", false},
		{"```\n*as* _is_ :tada:\n  indented\n```", "*as* _is_ :tada:\n  indented", false},
		{"see ```<https://example.org/_a_>``` there", "see https://example.org/_a_ there", false},
		{"one ` tick *and* more", "one ` tick and more", false},
		{"*strong* `co*de*` *strong*", "strong co*de* strong", false},

		{"nul \x00 and \u202eturned", "nul  and turned", false},
		{"not closed <@BEN and <", "not closed <@BEN and <", false},
	} {
		text, toBot := o.p.heard(t.Context(), ids.Replace(c.typed), me)
		if want := ids.Replace(c.want); text != want || toBot != c.toBot {
			t.Errorf("%q is heard as %q, to the bot: %v; want %q, %v", c.typed, text, toBot, want, c.toBot)
		}
	}
}

// board is a running office with a card.
func board(t *testing.T, overHTTP bool) (o *office, hub *bottest.Hub, card string) {
	t.Helper()
	o = newOffice(t, overHTTP)
	hub = &bottest.Hub{Channels: []string{o.channel}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { _ = o.p.Run(ctx, hub); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	bottest.Eventually(t, "it listens", func() (string, bool) {
		word, err := hub.Cursor(ctx, o.channel)
		return word, err == nil && word != "" && (overHTTP || o.server.Connections() == connections)
	})
	card, err := o.p.Post(t.Context(), o.channel, bot.Message{Key: "card:1", Version: 1, Notice: "New mail"})
	if err != nil {
		t.Fatal(err)
	}
	return o, hub, card
}

// saidOf waits for what was said of a message, of this kind.
func saidOf(t *testing.T, hub *bottest.Hub, message string, kind bot.SaidKind) bot.Said {
	t.Helper()
	return bottest.Eventually(t, string(kind)+" "+message, func() (bot.Said, bool) {
		for _, s := range hub.AllSaid() {
			if s.Message == message && s.Kind == kind {
				return s, true
			}
		}
		return bot.Said{}, false
	})
}

// TestWhoIsHeard: people, in the threads of cards, and what becomes of their words.
func TestWhoIsHeard(t *testing.T) {
	o, hub, card := board(t, false)
	must := func(id string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	guest := o.server.AddUser(slacktest.User{Name: "gus", Real: "Gus Guest", Guest: true})
	robot := o.server.AddUser(slacktest.User{Name: "robot", Bot: true})
	for _, id := range []string{guest.ID, robot.ID} {
		if err := o.ann.Invite(o.channel, id); err != nil {
			t.Fatal(err)
		}
	}
	loud := must(o.ann.Broadcast(o.channel, card, "for all to see"))
	bare := must(o.ann.Post(o.channel, card, "", slacktest.Upload{Name: "photo.png", Type: "image/png", Data: []byte("png")}))
	fromGuest := must(guest.Post(o.channel, card, "from outside"))
	fromRobot := must(robot.Post(o.channel, card, "beep"))
	beside := must(o.ann.Post(o.channel, "", "lunch?"))
	taken := must(o.ben.Post(o.channel, card, "too soon"))
	if err := o.ben.Delete(o.channel, taken); err != nil {
		t.Fatal(err)
	}
	changed := must(o.ann.Post(o.channel, card, "one"))
	for _, words := range []string{"first", "the first"} {
		if err := o.ann.Edit(o.channel, changed, words); err != nil {
			t.Fatal(err)
		}
	}
	last := must(o.ann.Post(o.channel, card, "the last"))

	if s := saidOf(t, hub, loud, bot.Written); s.Text != "for all to see" {
		t.Errorf("heard %+v", s)
	}
	if s := saidOf(t, hub, bare, bot.Written); s.Text != "" || len(s.Files) != 1 || s.Files[0].Name != "photo.png" {
		t.Errorf("heard %+v", s)
	}
	if s := saidOf(t, hub, fromGuest, bot.Written); !s.Who.Guest {
		t.Errorf("heard %+v", s)
	}
	if s := saidOf(t, hub, taken, bot.Deleted); s.Who.ID != o.ben.ID {
		t.Errorf("heard %+v", s)
	}
	saidOf(t, hub, last, bot.Written)
	edits := bottest.Eventually(t, "both edits", func() ([]string, bool) {
		var edits []string
		seen := map[string]bool{} // what comes again has the same key, and counts once
		for _, s := range hub.AllSaid() {
			if s.Kind == bot.Edited && s.Message == changed && !seen[s.Event] {
				seen[s.Event] = true
				edits = append(edits, s.Text)
			}
		}
		return edits, len(edits) >= 2
	})
	for _, s := range hub.AllSaid() {
		if s.Message == fromRobot || s.Message == beside {
			t.Errorf("heard %+v", s)
		}
	}
	// Two connections may tell the first edit after the second; it is heard as the message is now.
	if len(edits) != 2 || edits[1] != "the first" {
		t.Errorf("edits: %q", edits)
	}
}

// TestLostCard: somebody deletes a card, with its thread or without.
func TestLostCard(t *testing.T) {
	o, hub, card := board(t, false)
	o.server.SetUser(o.ann.ID, func(u *slacktest.User) { u.Admin = true })
	if _, err := o.ann.Post(o.channel, card, "words"); err != nil {
		t.Fatal(err)
	}
	bare, err := o.p.Post(t.Context(), o.channel, bot.Message{Key: "card:2", Version: 1, Notice: "Another mail"})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []string{card, bare} {
		if err := o.ann.Delete(o.channel, one); err != nil {
			t.Fatal(err)
		}
	}
	bottest.Eventually(t, "both are lost", func() ([]bottest.Lost, bool) {
		all := hub.AllLost()
		return all, slices.Contains(all, bottest.Lost{Channel: o.channel, Message: card}) && slices.Contains(all, bottest.Lost{Channel: o.channel, Message: bare})
	})
}

// TestToldAgain: an event that comes once more, minutes later, brings nothing back that was deleted.
func TestToldAgain(t *testing.T) {
	for name, overHTTP := range map[string]bool{"socket": false, "http": true} {
		t.Run(name, func(t *testing.T) {
			o, hub, card := board(t, overHTTP)
			deleted, err := o.ann.Post(o.channel, card, "too soon")
			if err != nil {
				t.Fatal(err)
			}
			saidOf(t, hub, deleted, bot.Written)
			if err := o.ann.Delete(o.channel, deleted); err != nil {
				t.Fatal(err)
			}
			saidOf(t, hub, deleted, bot.Deleted)
			kept, err := o.ann.Post(o.channel, card, "kept")
			if err != nil {
				t.Fatal(err)
			}
			saidOf(t, hub, kept, bot.Written)
			times := func() (n, old int) {
				for _, s := range hub.AllSaid() {
					if s.Message == kept && s.Kind == bot.Written {
						n++
					}
					if s.Message == deleted && s.Kind == bot.Written {
						old++
					}
				}
				return n, old
			}
			for _, payload := range o.server.Events() {
				o.server.Redeliver(payload)
			}
			bottest.Eventually(t, "the one is told again", func() (int, bool) { n, _ := times(); return n, n == 2 })
			time.Sleep(bottest.Quiet)
			if n, old := times(); n != 2 || old != 1 {
				t.Errorf("what is there was told %d times, what was deleted %d times", n, old)
			}
		})
	}
}

// TestToldLate: what was written and deleted just before the start, and is told for the first time after it, is
// not heard: Slack's clock is known to the second only.
func TestToldLate(t *testing.T) {
	for name, overHTTP := range map[string]bool{"socket": false, "http": true} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, overHTTP)
			hub := &bottest.Hub{Channels: []string{o.channel}}
			card, err := o.p.Post(t.Context(), o.channel, bot.Message{Key: "card:1", Version: 1, Notice: "New mail"})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(1300 * time.Millisecond))) // well into a second
			deleted, err := o.ann.Post(o.channel, card, "taken back")
			if err != nil {
				t.Fatal(err)
			}
			if err := o.ann.Delete(o.channel, deleted); err != nil {
				t.Fatal(err)
			}
			o.run(hub)
			bottest.Eventually(t, "it has caught up", func() (string, bool) {
				word, err := hub.Cursor(t.Context(), o.channel)
				return word, err == nil && word != ""
			})
			for _, payload := range o.server.Events() {
				o.server.Redeliver(payload)
			}
			time.Sleep(bottest.Quiet)
			last, err := o.ann.Post(o.channel, card, "the last")
			if err != nil {
				t.Fatal(err)
			}
			saidOf(t, hub, last, bot.Written)
			for _, s := range hub.AllSaid() {
				if s.Message == deleted && s.Kind != bot.Deleted {
					t.Errorf("heard %+v", s)
				}
			}
		})
	}
}
