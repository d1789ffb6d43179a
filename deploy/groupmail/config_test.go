package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"groupmail/ticketing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestParseFaults reads each file of testdata/config and compares what is said about it.
func TestParseFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/config/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := "none\n"
			if _, err := Parse(a.Files[0].Data); err != nil {
				got = err.Error() + "\n"
			}
			if *update {
				a.Files = append(a.Files[:1], txtar.File{Name: "faults", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(a.Files[1].Data), got); diff != "" {
				t.Errorf("faults differ (-want +got):\n%s", diff)
			}
		})
	}
}

const smallest = `
[mattermost]
url = "https://chat.example.org"
token = "env:MATTERMOST_TOKEN"
command_tokens = "env:MATTERMOST_COMMAND"
callback = "http://10.0.0.5:8420"

[[group]]
name = "help_desk"
[[group.mailbox]]
address = "Help@Example.ORG"
imap = { host = "imap.example.org", password = "env:HELP_PASSWORD" }
smtp = { host = "smtp.example.org" }
[[group.board]]
channel = "8xk3y6m1fjgtxk4e5r8wq9b7oh"
`

func TestParseDefaults(t *testing.T) {
	cfg, err := Parse([]byte(smallest))
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Groups) != 1 || len(cfg.Groups[0].Accounts) != 1 {
		t.Fatalf("%+v", cfg)
	}
	g := cfg.Groups[0]
	want := ticketing.Group{
		Name: "help_desk", Title: "Help desk", From: ticketing.Address{Name: "Help desk", Addr: "Help@example.org"},
		Outcomes: []string{"answered", "solved by phone", "passed on", "nothing to do"},
		Tag:      "[#%d]", Overdue: time.Hour, Idle: 48 * time.Hour, Answered: 7 * 24 * time.Hour, Flood: 20, Undo: 30 * time.Second, Zone: time.Local, Hours: ticketing.Hours{Zone: time.Local},
		Keep: ticketing.Keep{Spam: 30 * 24 * time.Hour},
		Mailboxes: []ticketing.Mailbox{{
			Name: "Help@example.org", Address: ticketing.Address{Addr: "Help@example.org"}, Folder: "INBOX", FileSent: true, Leaves: true,
		}},
		Boards: []ticketing.Board{{
			Name: "mattermost/8xk3y6m1fjgtxk4e5r8wq9b7oh", Platform: "mattermost", Channel: "8xk3y6m1fjgtxk4e5r8wq9b7oh",
		}},
	}
	same := cmp.Comparer(func(a, b *time.Location) bool { return a == b })
	if diff := cmp.Diff(want, g.Group, same); diff != "" {
		t.Errorf("group (-want +got):\n%s", diff)
	}
	a := g.Accounts[0]
	for what, both := range map[string][2]any{
		"imap":          {"imap.example.org 993 tls Help@example.org", accountLine(a.IMAP)},
		"smtp":          {"smtp.example.org 587 starttls Help@example.org", accountLine(a.SMTP)},
		"smtp password": {"env:HELP_PASSWORD", a.SMTP.Password.String()},
		"poll":          {time.Minute, a.Poll},
		"fates":         {"leave leave", string(a.Done + " " + a.Junk)},
		"listen":        {"127.0.0.1:8420", cfg.Listen},
	} {
		if both[0] != both[1] {
			t.Errorf("%s: %v, want %v", what, both[1], both[0])
		}
	}
	if lines := strings.Count(strings.TrimSpace(smallest), "\n") + 1; lines > 16 {
		t.Errorf("the smallest useful file has %d lines", lines)
	}
}

func accountLine(a Account) string {
	return strings.Join([]string{a.Host, time.Duration(a.Port).String()[:3], a.TLS, a.User}, " ")
}

// TestParseSettings sets everything that can be set.
func TestParseSettings(t *testing.T) {
	cfg, err := Parse([]byte(`
listen = ":8080"
public = "https://groupmail.example.org/"
data = "/var/lib/groupmail"
database = "env:DATABASE"

[log]
level = "debug"
format = "json"

[mattermost]
url = "https://chat.example.org"
token = "file:/run/secrets/token"
command_tokens = ["abc", "env:OTHER"]

[[group]]
name = "help"
title = "Help desk"
from = "The help desk <help@example.org>"
signature = """
Your help desk
Open 9 to 17
"""
outcomes = ["phoned", "answered"]
leads = ["ann"]
admins = ["mattermost:ben"]
overdue = "2h30m"
idle = "3d"
undo = "0s"
keep_spam = "forever"
keep_untaken = "90d"
keep_closed = "365d"
tag = "(ticket %d)"
timezone = "Europe/Vienna"

[[group.mailbox]]
name = "help"
address = "Help <help@example.org>"
since = 2026-01-31
done = "move: Done"
spam = "keyword:Junk"
sent = "none"
sent_folder = "Gesendet"
poll = "5m"
trusted = ["mx.example.org"]
imap.host = "127.0.0.1"
imap.port = 1430
imap.tls = "none"
imap.user = "me"
imap.password = "secret"
imap.folder = "Team"
[group.mailbox.smtp]
host = "relay.example.org"
port = 465
user = ""

[[group.mailbox]]
address = "old@example.org"
since = "all"
imap = { host = "imap.example.org", port = 143, password = "x" }
smtp = { host = "imap.example.org", password = "y", user = "z" }

[[group.board]]
channel = "8xk3y6m1fjgtxk4e5r8wq9b7oh"
show = "subject"
`))
	if err != nil {
		t.Fatal(err)
	}
	g := cfg.Groups[0]
	a, b := g.Accounts[0], g.Accounts[1]
	zone, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	for what, both := range map[string][2]any{
		"public":         {"https://groupmail.example.org", cfg.Public},
		"callback":       {"https://groupmail.example.org", cfg.Mattermost.Callback},
		"command tokens": {2, len(cfg.Mattermost.CommandTokens)},
		"json":           {true, cfg.Log.JSON},
		"signature":      {"Your help desk\nOpen 9 to 17", g.Signature},
		"undo":           {time.Duration(0), g.Undo},
		"overdue":        {150 * time.Minute, g.Overdue},
		"keep":           {ticketing.Keep{Untaken: 90 * 24 * time.Hour, Closed: 365 * 24 * time.Hour}, g.Keep},
		"idle":           {72 * time.Hour, g.Idle},
		"tag":            {"(ticket 12)", g.TicketTag(12)},
		"since":          {time.Date(2026, 1, 31, 0, 0, 0, 0, zone).String(), a.Since.Date.String()},
		"since all":      {true, b.Since.All},
		"done":           {ticketing.Fate("move:Done"), a.Done},
		"spam":           {ticketing.Fate("keyword:Junk"), a.Junk},
		"file sent":      {false, a.FileSent},
		"folder":         {"Team", a.Folder},
		"imap tls":       {"none 1430", a.IMAP.TLS + " 1430"},
		"smtp tls":       {"tls", a.SMTP.TLS},
		"smtp user":      {"", a.SMTP.User},
		"smtp password":  {false, a.SMTP.Password.Set()},
		"by port":        {"starttls", b.IMAP.TLS},
		"other user":     {"z", b.SMTP.User},
		"show":           {ticketing.ShowSubject, g.Boards[0].Show},
	} {
		if both[0] != both[1] {
			t.Errorf("%s: %v, want %v", what, both[1], both[0])
		}
	}
}

func TestExampleConfiguration(t *testing.T) {
	data, err := os.ReadFile("../groupmail.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(data); err != nil {
		t.Error(err)
	}
}

// TestSecretIsNotPrinted: a configuration may end up in a log.
func TestSecretIsNotPrinted(t *testing.T) {
	s := NewSecret("hunter2")
	for _, shown := range []string{s.String(), s.GoString()} {
		if strings.Contains(shown, "hunter2") {
			t.Errorf("shows %s", shown)
		}
	}
}

func TestSecretRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file:" + path
	}
	t.Setenv("GROUPMAIL_TEST_PASSWORD", "from env")
	for _, test := range []struct{ from, want, fault string }{
		{"plain", "plain", ""},
		{"env:GROUPMAIL_TEST_PASSWORD", "from env", ""},
		{"env:GROUPMAIL_TEST_NOT_SET", "", "is not set"},
		{write("good", "s3cret\r\n"), "s3cret", ""},
		{write("blanks", " s3 cret \n"), " s3 cret ", ""},
		{write("empty", "\n"), "", "is empty"},
		{write("two", "a\nb\n"), "", "more than one line"},
		{"file:" + filepath.Join(dir, "none"), "", "there is no file"},
	} {
		got, err := NewSecret(test.from).Read()
		if got != test.want || (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%s: %q, %v", test.from, got, err)
		}
	}
	// A changed password needs no restart.
	s := NewSecret(write("changing", "old"))
	write("changing", "new")
	if got, err := s.Read(); got != "new" || err != nil {
		t.Errorf("after the change: %q, %v", got, err)
	}
	// Nor does one in a file of variables, which goes before the process's own.
	file := strings.TrimPrefix(write("environment", "# passwords\nOTHER=x\nexport GROUPMAIL_TEST_PASSWORD=\"from file\"\nGROUPMAIL_TEST_EMPTY=\n"), "file:")
	for from, want := range map[string]string{"env:GROUPMAIL_TEST_PASSWORD": "from file", "env:OTHER": "x", "env:GROUPMAIL_TEST_EMPTY": ""} {
		got, err := Secret{from: from, environment: file}.Read()
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s in a file: %q, %v", from, got, err)
		}
	}
	write("environment", "OTHER='y'\n")
	if got, err := (Secret{from: "env:OTHER", environment: file}).Read(); got != "y" || err != nil {
		t.Errorf("after the change: %q, %v", got, err)
	}
}

// FuzzParse: whatever stands in the file, there is an answer and no crash.
func FuzzParse(f *testing.F) {
	f.Add(smallest)
	f.Add("[[group]]\n[group]\ngroup = 1\ngroup.x.y = 2\n[group.mailbox.imap]\n[[group.mailbox]]\n")
	f.Add("a = {b = {c = [1, {d = 2}]}}\n[a.b]\n[[a]]\n[a.b.c]\n")
	f.Fuzz(func(_ *testing.T, data string) {
		_, _ = Parse([]byte(data))
	})
}

// TestSources: each place where mail is read, with its defaults.
func TestSources(t *testing.T) {
	for where, want := range map[string]struct {
		place, folder, smtp, sent string
		poll                      time.Duration
	}{
		`imap = { host = "h", password = "env:P" }`: {"INBOX at h", "INBOX", "help@example.org env:P", sentAppend, time.Minute},
		`pop3 = { host = "h", password = "env:P" }`: {"POP3 at h", "INBOX", "help@example.org env:P", sentNone, 2 * time.Minute},
		`mbox = "/var/mail/help"`:                   {"mbox /var/mail/help", "/var/mail/help", " ", sentNone, time.Minute},
		`maildir = "/home/help/Maildir/"`:           {"maildir /home/help/Maildir", "/home/help/Maildir", " ", sentNone, time.Minute},
	} {
		cfg, err := Parse([]byte(strings.Replace(smallest, `imap = { host = "imap.example.org", password = "env:HELP_PASSWORD" }`, where, 1)))
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		m := cfg.Groups[0].Accounts[0]
		smtp := strings.ToLower(m.SMTP.User) + " " + m.SMTP.Password.String()
		if m.place() != want.place || m.Folder != want.folder || smtp != want.smtp || m.Sent != want.sent || m.FileSent != (want.sent == sentAppend) || m.Poll != want.poll {
			t.Errorf("%s: %s, %s, smtp %q, sent %s, poll %s; want %+v", where, m.place(), m.Folder, smtp, m.Sent, m.Poll, want)
		}
	}
}
