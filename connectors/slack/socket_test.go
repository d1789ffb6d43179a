package slack

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"groupmail/bot"
	"groupmail/bot/bottest"
	"groupmail/connectors/slack/slacktest"
)

// noMistakes makes sure at the end that the app did nothing that Slack merely lets pass.
func (o *office) noMistakes() {
	o.t.Cleanup(func() {
		for _, mistake := range o.server.Mistakes() {
			o.t.Errorf("mistake: %s", mistake)
		}
	})
}

// heardAll waits until each message was told, and makes sure that each was told under one key.
func heardAll(t *testing.T, hub *bottest.Hub, ids []string) {
	t.Helper()
	bottest.Eventually(t, "every message is told", func() (missing []string, ok bool) {
		events := map[string]string{}
		for _, s := range hub.AllSaid() {
			if s.Kind != bot.Written {
				continue
			}
			if old := events[s.Message]; old != "" && old != s.Event {
				t.Fatalf("%s is told as %s and as %s", s.Message, old, s.Event)
			}
			events[s.Message] = s.Event
		}
		for _, id := range ids {
			if events[id] == "" {
				missing = append(missing, id)
			}
		}
		return missing, len(missing) == 0
	})
}

// TestDisconnects: whatever becomes of connections, what people do is heard once, and they see what came of it.
func TestDisconnects(t *testing.T) {
	for _, c := range []struct {
		name  string
		sever func(*slacktest.Server)
		sees  bool // that a press or form in flight fails: nobody can answer it any more
	}{
		{"warning", func(s *slacktest.Server) { s.Disconnect("warning") }, false},
		{"refresh requested", func(s *slacktest.Server) { s.Disconnect("refresh_requested") }, true},
		{"cut", func(s *slacktest.Server) { s.CutSockets() }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, hub, _ := board(t, false)
			o.noMistakes()
			form := bot.Form{Title: "Reply", Submit: "Send", State: "s", Fields: []bot.FormField{{Name: "text", Label: "Answer", Kind: bot.Long, Required: true}}}
			inside, goOn := make(chan struct{}, 10), make(chan struct{}, 10)
			slow := func(a bot.Answer) bot.Answer { inside <- struct{}{}; <-goOn; return a }
			said := &bot.Message{Notice: "taken", Lines: lines("taken")}
			hub.With(func(h *bottest.Hub) {
				h.OnClick = func(c bot.Click) bot.Answer {
					if c.Button == "reply" {
						return bot.Answer{Form: &form}
					}
					return slow(bot.Answer{Whisper: said})
				}
				h.OnSubmit = func(bot.Submission) bot.Answer { return slow(bot.Answer{}) }
			})
			card, err := o.p.Post(t.Context(), o.channel, bot.Message{Key: "card:2", Version: 1, Notice: "New mail", Buttons: []bot.Button{
				{ID: "take", Label: "Take", Value: "1"}, {ID: "reply", Label: "Reply", Value: "1", Opens: true},
			}})
			if err != nil {
				t.Fatal(err)
			}
			// during does something that the hub is slow to answer while the connections break.
			during := func(what string, do func() error) {
				t.Helper()
				done := make(chan error, 1)
				go func() { done <- do() }()
				<-inside
				c.sever(o.server)
				time.Sleep(50 * time.Millisecond)
				goOn <- struct{}{}
				if err := <-done; (err != nil) != c.sees {
					t.Errorf("%s: they see %v", what, err)
				}
			}
			up := func() {
				t.Helper()
				bottest.Eventually(t, "connected again", func() (int, bool) {
					n := o.server.Connections()
					return n, o.p.Connected() && n >= connections
				})
			}

			during("a press", func() error { return o.ann.Press(o.channel, card, "take") })
			bottest.Eventually(t, "what came of the press", func() ([]slacktest.Message, bool) {
				all := o.ann.All(o.channel)
				return all, len(all) > 0 && all[len(all)-1].Ephemeral && strings.Contains(all[len(all)-1].Text, "taken")
			})
			if n := len(hub.Clicks()); n != 1 {
				t.Errorf("the press was told %d times", n)
			}
			up()
			if err := o.ann.Press(o.channel, card, "reply"); err != nil {
				t.Fatal(err)
			}
			bottest.Eventually(t, "the form", func() (slacktest.View, bool) { v, _ := o.ann.View(); return v, v.Submit == "Send" })
			submit := func() error { return o.ann.Submit(map[string]string{"text": "We are coming."}) }
			during("a form", submit)
			if c.sees { // the form stays, with what was typed; they send it again, and it is known
				up()
				goOn <- struct{}{}
				if err := submit(); err != nil {
					t.Fatal(err)
				}
			}
			all := hub.Submissions()
			for _, s := range all {
				if s.Event != all[0].Event || s.Values["text"] != "We are coming." {
					t.Errorf("submitted as %+v and %+v", all[0], s)
				}
			}
			up()

			var ids []string
			for i := range 30 {
				if i%10 == 5 {
					c.sever(o.server)
				}
				id, err := o.ben.Post(o.channel, card, fmt.Sprint("words ", i))
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, id)
			}
			heardAll(t, hub, ids)
			up()
			for _, trouble := range o.server.Troubles() {
				if !c.sees || trouble.User == "" {
					t.Errorf("%s saw: %s", trouble.User, trouble.What)
				}
			}
		})
	}
}

// TestWarned: while Slack renews connections, the platform is connected all the time.
func TestWarned(t *testing.T) {
	o, _, _ := board(t, false)
	o.noMistakes()
	log := o.listen()
	o.server.Disconnect("warning")
	bottest.Eventually(t, "new connections beside the old", func() (int, bool) {
		if !o.p.Connected() {
			t.Fatal("not connected")
		}
		n := o.server.Connections()
		return n, n == 2*connections
	})
	o.server.Clock.Advance(time.Minute)
	bottest.Eventually(t, "the old are gone", func() (int, bool) {
		if !o.p.Connected() {
			t.Fatal("not connected")
		}
		n := o.server.Connections()
		return n, n == connections
	})
	if s := log.String(); s != "" {
		t.Errorf("the log says %s", s)
	}
}

// TestSwitchedOff: Socket Mode is switched off. That is said once, with its cure; it is tried slowly, and
// when it is on again all is well without a restart.
func TestSwitchedOff(t *testing.T) {
	o := newOffice(t, false)
	log := o.listen()
	o.p.slowly = 300 * time.Millisecond
	hub := &bottest.Hub{Channels: []string{o.channel}}
	o.run(hub)
	card, err := o.p.Post(t.Context(), o.channel, bot.Message{Key: "card:1", Version: 1, Notice: "New mail"})
	if err != nil {
		t.Fatal(err)
	}
	bottest.Eventually(t, "it listens", func() (int, bool) { n := o.server.Connections(); return n, n == connections })
	first, err := o.ann.Post(o.channel, card, "before")
	if err != nil {
		t.Fatal(err)
	}
	saidOf(t, hub, first, bot.Written)

	before := len(o.server.Calls("apps.connections.open"))
	o.server.SwitchSocketMode(false)
	bottest.Eventually(t, "it is known", func() (string, bool) {
		cure, why := o.p.Ails()
		return cure, !o.p.Connected() && why != nil && strings.Contains(cure, "Switch Socket Mode on") && strings.Contains(cure, "No restart")
	})
	meanwhile, err := o.ann.Post(o.channel, card, "meanwhile")
	if err != nil {
		t.Fatal(err)
	}
	tries := func() int { return len(o.server.Calls("apps.connections.open")) - before }
	bottest.Eventually(t, "it is tried again", func() (int, bool) { n := tries(); return n, n >= 3*connections })
	if cure, why := o.p.Ails(); why == nil || !strings.Contains(cure, "Switch Socket Mode on") || o.p.Connected() {
		t.Errorf("after some tries: %v, %q", why, cure)
	}
	if n := strings.Count(log.String(), "not connected"); n != 1 {
		t.Errorf("said %d times:\n%s", n, log)
	}
	o.server.SwitchSocketMode(true)
	bottest.Eventually(t, "it is well again", func() (string, bool) {
		cure, why := o.p.Ails()
		return cure, o.p.Connected() && why == nil && cure == ""
	})
	saidOf(t, hub, meanwhile, bot.Written)
	if n := strings.Count(log.String(), "connected again"); n != 1 {
		t.Errorf("that it is over is said %d times:\n%s", n, log)
	}
}

// TestTokenRefused: the app's token is not taken, and mended without a restart.
func TestTokenRefused(t *testing.T) {
	o := newOffice(t, false)
	o.p.slowly = 100 * time.Millisecond
	good := make(chan struct{})
	o.p.cfg.AppToken = func() (string, error) {
		select {
		case <-good:
			return o.server.AppToken, nil
		default:
			return "xapp-of-yesterday", nil
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { _ = o.p.Run(ctx, &bottest.Hub{}); close(ended) }()
	defer func() { cancel(); <-ended }()
	bottest.Eventually(t, "it is known", func() (string, bool) {
		cure, _ := o.p.Ails()
		return cure, strings.Contains(cure, "app_token") && !o.p.Connected()
	})
	close(good)
	bottest.Eventually(t, "it is connected", func() (bool, bool) { return false, o.p.Connected() })
}

// TestEnding: Run ends while a press is answered, while a form waits, while a modal is filled. What is begun
// is finished and answered, what comes then is not taken, and Run returns.
func TestEnding(t *testing.T) {
	form := bot.Form{Title: "Reply", Submit: "Send", State: "s", Fields: []bot.FormField{{Name: "text", Label: "Answer", Kind: bot.Long}}}
	said := &bot.Message{Notice: "a late word", Lines: lines("a late word")}
	for name, overHTTP := range map[string]bool{"socket": false, "http": true} {
		for _, c := range []struct {
			what   string
			button string
			late   time.Duration // after Run was ended
			shows  func(o *office) bool
		}{
			{"a press", "take", 100 * time.Millisecond, func(o *office) bool {
				all := o.ann.All(o.channel)
				return len(all) > 0 && all[len(all)-1].Ephemeral && strings.Contains(all[len(all)-1].Text, "a late word")
			}},
			{"a press that takes long", "take", ackTime + 300*time.Millisecond, func(o *office) bool {
				all := o.ann.All(o.channel)
				return len(all) > 0 && all[len(all)-1].Ephemeral && strings.Contains(all[len(all)-1].Text, "a late word")
			}},
			{"a modal to be filled", "reply", openTime + 500*time.Millisecond, func(o *office) bool { v, _ := o.ann.View(); return v.Submit == "Send" }},
		} {
			t.Run(name+"/"+c.what, func(t *testing.T) {
				o := newOffice(t, overHTTP)
				o.noMistakes()
				inside := make(chan struct{}, 1)
				hub := &bottest.Hub{Channels: []string{o.channel}, OnClick: func(k bot.Click) bot.Answer {
					inside <- struct{}{}
					time.Sleep(c.late)
					if k.Button == "reply" {
						return bot.Answer{Form: &form}
					}
					return bot.Answer{Whisper: said}
				}}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- o.p.Run(ctx, hub) }()
				bottest.Eventually(t, "it runs", func() (int, bool) {
					run, leave := o.p.gateway.Enter()
					if run != nil {
						leave()
					}
					return 0, run != nil && (overHTTP || o.server.Connections() == connections)
				})
				card, err := o.p.Post(t.Context(), o.channel, bot.Message{Key: "card:1", Version: 1, Notice: "New mail", Buttons: []bot.Button{
					{ID: "take", Label: "Take", Value: "1"}, {ID: "reply", Label: "Reply", Value: "1", Opens: true},
				}})
				if err != nil {
					t.Fatal(err)
				}
				pressed := make(chan error, 1)
				go func() { pressed <- o.ann.Press(o.channel, card, c.button) }()
				<-inside
				cancel()
				if err := <-pressed; err != nil {
					t.Errorf("they see %v", err)
				}
				select {
				case err := <-ended:
					if err != nil {
						t.Error(err)
					}
				case <-time.After(bottest.Patience):
					t.Fatal("Run goes on")
				}
				if !c.shows(o) {
					t.Error("Run has ended, and what came of it is not shown")
				}
				if n := hub.UnderWay(); n != 0 {
					t.Errorf("%d calls of the hub go on", n)
				}
				if n := o.server.Connections(); n != 0 {
					bottest.Eventually(t, "no connection is left", func() (int, bool) { n := o.server.Connections(); return n, n == 0 })
				}
			})
		}
	}
}

// TestAskedFirst: an item of a menu that asks first and opens a form then gives the form in the question's
// place, however slow the hub is.
func TestAskedFirst(t *testing.T) {
	form := bot.Form{Title: "Close it", Submit: "Close", State: "s", Fields: []bot.FormField{{Name: "text", Label: "Outcome", Kind: bot.Short}}}
	for name, late := range map[string]time.Duration{"fast": 0, "slow": ackTime + 2*time.Second} {
		t.Run(name, func(t *testing.T) {
			o, hub, _ := board(t, false)
			o.noMistakes()
			hub.With(func(h *bottest.Hub) {
				h.OnClick = func(bot.Click) bot.Answer { time.Sleep(late); return bot.Answer{Form: &form} }
			})
			card, err := o.p.Post(t.Context(), o.channel, bot.Message{Key: "card:2", Version: 1, Notice: "New mail", Buttons: []bot.Button{
				{ID: "more", Label: "More…", Menu: []bot.Button{{ID: "shut", Label: "Close", Value: "1", Opens: true, Confirm: "Without an answer?"}, {ID: "read", Label: "Read", Value: "1"}}},
			}})
			if err != nil {
				t.Fatal(err)
			}
			h := &hands{o: o}
			if err := h.Press(t.Context(), bot.Person{ID: o.ann.ID}, o.channel, card, "Close"); err != nil {
				t.Fatal(err)
			}
			if v, _ := o.ann.View(); !strings.Contains(v.Text, "Without an answer?") || len(hub.Clicks()) != 0 {
				t.Fatalf("asked: %+v, told: %+v", v, hub.Clicks())
			}
			if err := o.ann.Submit(nil); err != nil {
				t.Fatal(err)
			}
			if v, ok := o.ann.View(); !ok || late == 0 && v.Submit != "Close" || late > 0 && !strings.Contains(v.Text, "One moment") {
				t.Errorf("after the answer there is %+v, %v", v, ok)
			}
			v := bottest.Eventually(t, "the form", func() (slacktest.View, bool) {
				v, _ := o.ann.View()
				return v, v.Submit == "Close" && len(v.Controls) == 1
			})
			if v.Depth != 1 {
				t.Errorf("%d modals lie on each other", v.Depth)
			}
			if n := len(hub.Clicks()); n != 1 {
				t.Errorf("told %d times", n)
			}
			if err := o.ann.Submit(map[string]string{"text": "done"}); err != nil {
				t.Fatal(err)
			}
			if all := hub.Submissions(); len(all) != 1 || all[0].Values["text"] != "done" || all[0].State != "s" || all[0].Channel != o.channel {
				t.Errorf("submitted: %+v", all)
			}
			for _, trouble := range o.server.Troubles() {
				t.Errorf("%s saw: %s", trouble.User, trouble.What)
			}
		})
	}
}
