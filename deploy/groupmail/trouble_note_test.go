package main

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"groupmail/connectors/smtp"
	"groupmail/store"
	"groupmail/ticketing"
)

// Processes that read a mailbox in turns tell the desk what each of them sees, also when that is what
// each of them saw before; and what is no longer in the configuration has no trouble.
func TestTroubleOfTwoProcesses(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "test.db"), Clock: clock, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	cfg := Config{Groups: []GroupConfig{{Group: ticketing.Group{Name: "help"}, Accounts: []MailboxConfig{{Mailbox: ticketing.Mailbox{Name: "help"}, From: fromIMAP, Sent: sentNone}}}}}
	process := func() *App {
		desk := ticketing.NewDesk(s, []ticketing.Group{cfg.Groups[0].Group}, clock, quiet)
		return &App{cfg: cfg, desk: desk, troubles: &troubles{desk: desk, clock: clock, log: quiet, told: map[string]telling{}}}
	}
	a, b := process(), process()
	down := ticketing.Trouble{Name: "mailbox:help/sent", Group: "help", What: "Cannot read help@example.org"}
	fine := ticketing.Trouble{Name: down.Name, Group: "help"}
	lasts := func() (n int) {
		t.Helper()
		all, err := a.desk.Troubles(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range all {
			if x.Over.IsZero() {
				n++
			}
		}
		return n
	}
	for range 2 {
		a.troubles.note(t.Context(), down, "")
		if lasts() != 1 {
			t.Error("the trouble that the first process has is not known")
		}
		now = now.Add(2 * time.Minute)
		b.troubles.note(t.Context(), fine, "")
		if lasts() != 0 {
			t.Error("it lasts although the second process has none")
		}
		now = now.Add(2 * time.Minute)
	}

	for _, name := range []string{down.Name, "mailbox:old", "mailbox:old/sent", "sent copy:help", "fate:old", "smtp:old", "sent copy:old", "ends:old:the password:30"} {
		if err := a.desk.Troubled(t.Context(), ticketing.Trouble{Name: name, Group: "help", What: "Trouble"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.endStrayTrouble(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := lasts(); n != 1 {
		t.Errorf("%d last, want that of the mailbox which is still there", n)
	}
}

// How an attempt to send ends is told whatever was told just before, and by whom.
func TestTroubleOfSendingEnds(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "test.db"), Clock: clock, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	group := ticketing.Group{Name: "help", Mailboxes: []ticketing.Mailbox{{Name: "help"}}}
	cfg := Config{Groups: []GroupConfig{{Group: group, Accounts: []MailboxConfig{{Mailbox: group.Mailboxes[0]}}}}}
	desk := ticketing.NewDesk(s, []ticketing.Group{group}, clock, quiet)
	process := func() *App {
		return &App{cfg: cfg, desk: desk, troubles: &troubles{desk: desk, clock: clock, log: quiet, told: map[string]telling{}}}
	}
	a, b := process(), process()
	down := errors.New("connection refused")
	for _, c := range []struct {
		name  string
		by    *App
		err   error
		lasts bool
	}{
		{"nothing is wrong", b, nil, false},
		{"one process fails", a, down, true},
		{"the other sends", b, nil, false},
		{"it fails again", a, down, true},
		{"one mail is refused as a whole: it says nothing of others", b, &smtp.Refused{Code: 554, Permanent: true}, true},
		{"it cannot be addressed, which the server does not know", b, smtp.ErrAddress, true},
		{"a recipient is refused: the server works", b, &smtp.Refused{Code: 550, Recipients: map[string]string{"x@example.net": "no such user"}, Permanent: true}, false},
		{"it fails", b, down, true},
		{"a recipient is refused for now", a, &smtp.Refused{Code: 450, Recipients: map[string]string{"x@example.net": "later"}}, false},
	} {
		now = now.Add(time.Second)
		c.by.noteSending(t.Context(), "help", c.err)
		all, err := desk.Troubles(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		lasts := false
		for _, x := range all {
			lasts = lasts || x.Over.IsZero()
		}
		if lasts != c.lasts {
			t.Errorf("%s: trouble lasts: %v", c.name, lasts)
		}
	}
}
