package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"groupmail/connectors/slack/slacktest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"groupmail": main})
}

// TestScripts runs the program as people do: testdata/script/*.txtar. A mail server runs for each,
// whose ports and password are in the environment.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: *update, RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// envsubst FROM TO writes a file with the variables of the environment in it.
			"envsubst": func(ts *testscript.TestScript, _ bool, args []string) {
				text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
				ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
			},
			// ready waits until the service at $LISTEN says that it is.
			"ready": func(ts *testscript.TestScript, _ bool, _ []string) {
				for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
					resp, err := http.Get("http://" + ts.Getenv("LISTEN") + "/readyz")
					if err == nil {
						_ = resp.Body.Close()
						if resp.StatusCode == http.StatusOK {
							return
						}
					}
					if time.Now().After(deadline) {
						ts.Fatalf("not ready: %v", err)
					}
				}
			},
		},
		Setup: func(e *testscript.Env) error {
			s, err := startMail(t.Context(), e.WorkDir+"/mailserver", testTeam, "right")
			if err != nil {
				return err
			}
			e.Defer(func() { _ = s.Close() })
			for name, l := range map[string]net.Listener{"IMAP_PORT": s.imap, "SMTP_PORT": s.smtp} {
				e.Setenv(name, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
			}
			free, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			e.Setenv("LISTEN", free.Addr().String())
			_ = free.Close()
			chat, err := slacktest.New(slacktest.Config{NoLimits: true})
			if err != nil {
				return err
			}
			e.Defer(chat.Close)
			e.Setenv("SLACK_API", chat.API)
			e.Setenv("SLACK_BOT_TOKEN", chat.BotToken)
			e.Setenv("SLACK_APP_TOKEN", chat.AppToken)
			e.Setenv("SLACK_CHANNEL", chat.AddChannel(slacktest.Channel{Name: "help-desk"}, chat.AddUser(slacktest.User{Name: "ann"}).ID, chat.BotUser))
			e.Setenv("SLACK_ELSEWHERE", chat.AddChannel(slacktest.Channel{Name: "elsewhere"}))
			deploy, err := filepath.Abs("..")
			if err != nil {
				return err
			}
			e.Setenv("DEPLOY", deploy)
			e.Setenv("HELP_PASSWORD", "right")
			e.Setenv("USER", "tester")
			e.Setenv("TZ", os.Getenv("TZ"))
			return nil
		},
	})
}
