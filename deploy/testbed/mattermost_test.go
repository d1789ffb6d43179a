package testbed

import (
	"net/http"
	"testing"
	"time"
)

func TestMattermost(t *testing.T) {
	start := time.Now()
	s := Mattermost(t)
	t.Logf("started in %s", time.Since(start))
	start = time.Now()
	ann, ben, bot := s.NewUser(), s.NewUser(), s.NewBot()
	team := s.NewTeam()
	channel := s.NewChannel(team, true, ann, bot)
	t.Logf("made a channel with two people and a bot in %s", time.Since(start))

	var post struct {
		ID     string
		UserID string `json:"user_id"`
	}
	mail := map[string]any{"channel_id": channel.ID, "message": "mail"}
	if status := s.Call(bot.Token, http.MethodPost, "/posts", mail, &post); status != http.StatusCreated || post.UserID != bot.ID {
		t.Errorf("the bot's post: %d, %+v", status, post)
	}
	if status := s.Call(ann.Token, http.MethodGet, "/posts/"+post.ID, nil, &post); status != http.StatusOK {
		t.Errorf("a member reads: %d", status)
	}
	if status := s.Call(ben.Token, http.MethodGet, "/posts/"+post.ID, nil, nil); status != http.StatusForbidden {
		t.Errorf("somebody else reads: %d", status)
	}
}

func TestMattermostRestarts(t *testing.T) {
	s := NewMattermost(t, "MM_SERVICESETTINGS_POSTEDITTIMELIMIT=1")
	ann := s.NewUser()
	var config struct{ PostEditTimeLimit string }
	if s.Call(ann.Token, http.MethodGet, "/config/client?format=old", nil, &config); config.PostEditTimeLimit != "1" {
		t.Errorf("the setting did not arrive: %+v", config)
	}
	for name, end := range map[string]func(){"stop": s.Stop, "kill": s.Kill} {
		start := time.Now()
		end()
		if _, err := callMattermost(s.URL, ann.Token, http.MethodGet, "/users/me", nil, nil); err == nil {
			t.Errorf("answers after %s", name)
		}
		stopped := time.Since(start)
		s.Start()
		t.Logf("%s took %s, start %s", name, stopped, time.Since(start)-stopped)
		var me MattermostUser
		if s.Call(ann.Token, http.MethodGet, "/users/me", nil, &me); me.ID != ann.ID {
			t.Errorf("after %s and start: %+v", name, me)
		}
	}
}
