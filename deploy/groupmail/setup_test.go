package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"groupmail/deploy/testbed"
)

// TestSetupAndCheck prepares a real Mattermost server by the command, puts the printed lines into a
// configuration, and finds all of it good.
func TestSetupAndCheck(t *testing.T) {
	chat := testbed.Mattermost(t)
	ann := chat.NewUser()
	team := chat.NewTeam(ann)
	channel := chat.NewChannel(team, true, ann)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := free.Addr().String()
	_ = free.Close()
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
	if status != 0 || strings.Contains(found, bad) || !strings.Contains(found, "The server reaches us at http://"+listen) {
		t.Errorf("check: %d\n%s", status, found)
	}
	for _, test := range []struct{ from, to, says string }{
		{`token = "`, `token = "x`, "rotate"},
		{chat.URL, "http://127.0.0.1:1", "does not answer"},
		{"callback = \"http://" + listen, "callback = \"http://127.0.0.1:1", "does not reach us"},
	} {
		write(strings.Replace(lines, test.from, test.to, 1))
		if status, found, _ := call("check", "--config", config); status != 1 || !strings.Contains(found, test.says) {
			t.Errorf("with %s: %d\n%s", test.to, status, found)
		}
	}
}
