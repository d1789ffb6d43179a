package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"groupmail/deploy/testbed"
)

// TestSetupAndCheck prepares a real Mattermost server by the command, puts the printed lines into a
// configuration, and finds all of it good.
func TestSetupAndCheck(t *testing.T) {
	chat := testbed.Mattermost(t)
	ann := chat.NewUser()
	team := chat.NewTeam(ann)
	channel := chat.NewChannel(team, true, ann)
	listen := freeAddress(t)
	t.Setenv("MATTERMOST_ADMIN", chat.AdminToken)
	username := "gm" + ann.Username[len(ann.Username)-12:]
	call := func(args ...string) (status int, out, errs string) {
		var o, e bytes.Buffer
		status = run(args, streams{strings.NewReader(""), &o, &e})
		t.Logf("groupmail %s: status %d\n%s%s", strings.Join(args, " "), status, &o, &e)
		return status, o.String(), e.String()
	}
	setup := []string{"setup", "mattermost", "--url", chat.URL, "--admin-token-env", "MATTERMOST_ADMIN", "--team", team.Name,
		"--channel", channel.Name, "--callback", "http://" + listen, "--username", username}
	status, lines, _ := call(setup...)
	if status != 0 || !strings.Contains(lines, `token = "`) || !strings.Contains(lines, channel.ID) {
		t.Fatalf("setup: %d\n%s", status, lines)
	}
	if status, again, _ := call(setup...); status != 0 || strings.Contains(again, `token = "`) {
		t.Errorf("a second setup: %d\n%s", status, again)
	}

	mail := testMail(t, t.TempDir())
	defer closeMail(t, mail)
	imapHost, imapPort, _ := net.SplitHostPort(mail.imap.Addr().String())
	_, smtpPort, _ := net.SplitHostPort(mail.smtp.Addr().String())
	config := filepath.Join(t.TempDir(), "groupmail.toml")
	write := func(lines string) {
		t.Helper()
		text := fmt.Sprintf(`
listen = %q
data = %q
%s
[[group]]
name = "help"
[[group.mailbox]]
address = "help@example.org"
imap = { host = %q, port = %s, tls = "none", password = %q }
smtp = { host = %q, port = %s, tls = "none" }
[[group.board]]
channel = %q
`, listen, t.TempDir(), lines, imapHost, imapPort, testPassword, imapHost, smtpPort, channel.ID)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(lines)
	status, found, _ := call("check", "--config", config)
	if status != 0 || strings.Contains(found, bad) || !strings.Contains(found, "The server reaches us at http://"+listen) || !strings.Contains(found, "/mail in the team "+team.Name+" arrives") {
		t.Errorf("check: %d\n%s", status, found)
	}
	good, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}

	refusing := testbed.NewSMTP(t, testbed.PlainText)
	refusing.Fail(testbed.Fault{At: "MAIL", Code: 553, Text: "5.7.1 Not your address"})
	refusing.SetPassword(testPassword)
	_, refusingPort, _ := net.SplitHostPort(refusing.Addr)
	database := testbed.Postgres(t)
	db, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	role := "gm" + ann.Username[len(ann.Username)-12:]
	if _, err := db.Exec(t.Context(), "REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE "+role+" LOGIN"); err != nil {
		t.Fatal(err)
	}
	defer db.Exec(t.Context(), "DROP ROLE "+role) //nolint:errcheck // the server goes soon
	missing := strings.Replace(database, "/test_", "/nowhere_", 1)
	powerless := strings.Replace(database, "postgres@", role+"@", 1)

	// One mistake each: one fault is told, with what to do.
	for _, test := range []struct{ what, from, to, says string }{
		{"the bot's token", `\ntoken = "[^"]*`, "\ntoken = \"abcdefghijklmnopqrstuvwxyz", "--rotate"},
		{"nobody at the url", `\nurl = "[^"]*`, "\nurl = \"http://127.0.0.1:1", "nobody listens there"},
		{"https for http", `\nurl = "http:`, "\nurl = \"https:", "does not speak https"},
		{"no scheme", `\nurl = "http://`, "\nurl = \"", "url"},
		{"the callback", `callback = "[^"]*`, `callback = "http://127.0.0.1:1`, "does not reach us"},
		{"the channel", `channel = "[^"]*"\n$`, "channel = \"12345678901234567890123456\"\n", "/invite @" + username},
		{"a command token", `command_tokens = \["[^"]*`, `command_tokens = ["abcdefghijklmnopqrstuvwxyz`, "not among command_tokens"},
		{"half a command token", `command_tokens = \["[^"]{6}`, `command_tokens = ["`, "20 characters"},
		{"the password", `password = "[^"]*`, `password = "wrong`, "check user and password"},
		{"the password of smtp alone", `(smtp = .*) }`, `$1, password = "wrong" }`, "user and password under smtp"},
		{"the folder", `(imap = .*) }`, `$1, folder = "Nowhere" }`, "Nowhere"},
		{"nobody at the imap port", `(imap = .*) port = \d+`, `$1 port = 1`, "nobody listens there"},
		{"TLS where there is none", `(imap = .*)tls = "none"`, `${1}tls = "tls"`, "does not speak TLS"},
		{"the sender", `(smtp = .*) port = \d+`, `$1 port = ` + refusingPort, "Not your address"},
		{"the data folder", `data = "[^"]*`, `data = "/proc/groupmail`, "data folder"},
		{"another's address", `listen = "[^"]*`, `listen = "192.0.2.1:8420`, "cannot listen on 192.0.2.1:8420"},
		{"no such database", `^`, fmt.Sprintf("database = %q\n", missing), "createdb"},
		{"no rights", `^`, fmt.Sprintf("database = %q\n", powerless), "OWNER TO " + role},
	} {
		t.Run(test.what, func(t *testing.T) {
			wrong := regexp.MustCompile(test.from).ReplaceAllString(string(good), test.to)
			if err := os.WriteFile(config, []byte(wrong), 0o600); err != nil || wrong == string(good) {
				t.Fatal("nothing is wrong", err)
			}
			status, found, _ := call("check", "--config", config)
			if status != 1 || strings.Count(found, bad) != 1 || !strings.Contains(found, test.says) {
				t.Errorf("status %d\n%s", status, found)
			}
		})
	}
}
