package slack

import (
	"slices"
	"testing"
	"time"

	"groupmail/connectors/slack/slacktest"
)

// Who is online is asked of Slack, and, where that takes nothing, not told.
func TestOnline(t *testing.T) {
	o := newOffice(t, false)
	eve := o.server.AddUser(slacktest.User{Name: "eve", Active: true})
	online, err := o.p.Online(t.Context(), []string{o.ben.ID, eve.ID, "U0NOTHERE00"})
	if err != nil || !slices.Equal(online, []string{eve.ID}) {
		t.Errorf("%v, %v", online, err)
	}
	o.server.Fail("users.getPresence", 1, slacktest.Fault{RetryAfter: 7 * time.Second})
	if online, err := o.p.Online(t.Context(), []string{eve.ID}); err == nil {
		t.Errorf("%v", online)
	}
	calls := len(o.server.Calls("users.getPresence"))
	if _, err := o.p.Online(t.Context(), slices.Repeat([]string{eve.ID}, 200)); err == nil || len(o.server.Calls("users.getPresence")) != calls {
		t.Errorf("of two hundred people: %v", err)
	}
}
