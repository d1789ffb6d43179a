package slack

import (
	"strings"
	"testing"
	"time"

	"groupmail/bot"
	"groupmail/bot/bottest"
	"groupmail/connectors/slack/slacktest"
)

// TestSlow: however long the hub takes, Slack is answered in time and the person sees what came of it.
func TestSlow(t *testing.T) {
	form := bot.Form{Title: "Reply", Submit: "Send", State: "s", Fields: []bot.FormField{{Name: "text", Label: "Answer", Kind: bot.Long, Required: true}}}
	late := &bot.Message{Notice: "late word", Lines: []bot.Line{{{Text: "late word"}}}}
	slow := func(d time.Duration, a bot.Answer) bot.Answer { time.Sleep(d); return a }
	for _, overHTTP := range []bool{false, true} {
		o := newOffice(t, overHTTP)
		hub := &bottest.Hub{Channels: []string{o.channel}}
		hub.OnClick = func(c bot.Click) bot.Answer {
			switch c.Button {
			case "reply":
				return slow(openTime+500*time.Millisecond, bot.Answer{Form: &form})
			case "refused":
				return slow(openTime+500*time.Millisecond, bot.Answer{Whisper: late})
			}
			return slow(ackTime+time.Second, bot.Answer{Whisper: late})
		}
		hub.OnCommand = func(bot.Command) bot.Answer { return slow(ackTime+1500*time.Millisecond, bot.Answer{Form: &form}) }
		hub.OnSubmit = func(bot.Submission) bot.Answer {
			return slow(ackTime+500*time.Millisecond, bot.Answer{Errors: map[string]string{"text": "Not so long"}})
		}
		o.run(hub)
		card, err := o.p.Post(t.Context(), o.channel, bot.Message{Key: "card:1", Version: 1, Notice: "New mail", Buttons: []bot.Button{
			{ID: "take", Label: "Take", Value: "1"}, {ID: "reply", Label: "Reply", Value: "1", Opens: true}, {ID: "refused", Label: "Close", Value: "1", Opens: true},
		}})
		if err != nil {
			t.Fatal(err)
		}
		view := func(who *slacktest.Person, what string, fits func(slacktest.View) bool) slacktest.View {
			t.Helper()
			return bottest.Eventually(t, what, func() (slacktest.View, bool) {
				v, ok := who.View()
				return v, ok && fits(v)
			})
		}
		whispered := func(who *slacktest.Person, words string) {
			t.Helper()
			bottest.Eventually(t, "a whisper: "+words, func() ([]slacktest.Message, bool) {
				all := who.All(o.channel)
				for _, m := range all {
					if m.Ephemeral && strings.Contains(m.Text, words) {
						return all, true
					}
				}
				return all, false
			})
		}
		press := func(who *slacktest.Person, button string) {
			t.Helper()
			if err := who.Press(o.channel, card, button); err != nil {
				t.Fatal(err)
			}
		}

		press(o.ann, "reply")
		if v, ok := o.ann.View(); !ok || !strings.Contains(v.Text, "One moment") {
			t.Errorf("no modal in time: %+v", v)
		}
		view(o.ann, "the form in it", func(v slacktest.View) bool { return v.Submit == "Send" && len(v.Controls) == 1 })
		if err := o.ann.Submit(map[string]string{"text": "We are coming."}); err != nil {
			t.Fatal(err)
		}
		if v, ok := o.ann.View(); !ok || !strings.Contains(v.Text, "One moment") {
			t.Errorf("the slow form has closed: %+v", v)
		}
		view(o.ann, "the form again, with what was typed and what is wrong", func(v slacktest.View) bool {
			return len(v.Controls) == 1 && v.Controls[0].Value == "We are coming." && strings.Contains(v.Text, "Not so long")
		})
		if err := o.ann.CloseView(true); err != nil {
			t.Fatal(err)
		}

		press(o.ben, "refused")
		view(o.ben, "the refusal in the modal", func(v slacktest.View) bool { return strings.Contains(v.Text, "late word") && v.Submit == "" })
		if err := o.ben.CloseView(true); err != nil {
			t.Fatal(err)
		}
		press(o.ben, "take")
		whispered(o.ben, "late word")
		if err := o.ann.Command(o.channel, "/mail new"); err != nil {
			t.Fatal(err)
		}
		whispered(o.ann, tooLate)
		for _, trouble := range o.server.Troubles() {
			t.Errorf("%s saw: %s", trouble.User, trouble.What)
		}
	}
}
