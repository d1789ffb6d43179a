package testbed

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestHold is how deploy/test starts the servers that all packages of a run
// share: it writes their variables into the file GROUPMAIL_TEST_HOLD, as lines
// NAME=value, and keeps them until standard input ends.
func TestHold(t *testing.T) {
	file := os.Getenv("GROUPMAIL_TEST_HOLD")
	if file == "" {
		return // nothing to test
	}
	m := Mattermost(t)
	p, err := sharedPostgres()
	must(t, "PostgreSQL", err)
	folder, err := base()
	must(t, "folder", err)
	variables := fmt.Sprintf("GROUPMAIL_TEST_POSTGRES=%s\nGROUPMAIL_TEST_MATTERMOST=%s\nGROUPMAIL_TEST_FOLDER=%s\n",
		p.url, strings.Replace(m.URL, "://", "://"+m.AdminToken+"@", 1), folder.path)
	must(t, "variables", os.WriteFile(file+".new", []byte(variables), 0o600))
	must(t, "variables", os.Rename(file+".new", file))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// TestKilledProcessLeavesNothing kills a test process that holds servers.
func TestKilledProcessLeavesNothing(t *testing.T) {
	needMattermost(t)
	file := filepath.Join(t.TempDir(), "variables")
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestHold$")
	child.Env = append(os.Environ(), "GROUPMAIL_TEST_HOLD="+file, "GROUPMAIL_TEST_POSTGRES=", "GROUPMAIL_TEST_MATTERMOST=")
	stdin, err := child.StdinPipe()
	must(t, "pipe", err)
	defer stdin.Close()
	must(t, "child", child.Start())
	variables := map[string]string{}
	eventually(t, "the servers run", func() bool {
		text, err := os.ReadFile(file)
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			variables[name] = value
		}
		return err == nil
	})
	must(t, "kill", child.Process.Kill())
	_ = child.Wait()

	eventually(t, "their folder is gone", func() bool {
		_, err := os.Stat(variables["GROUPMAIL_TEST_FOLDER"])
		return os.IsNotExist(err)
	})
	for _, name := range []string{"GROUPMAIL_TEST_POSTGRES", "GROUPMAIL_TEST_MATTERMOST"} {
		u, err := url.Parse(variables[name])
		must(t, name, err)
		if _, err := net.Dial("tcp", u.Host); err == nil {
			t.Errorf("%s still answers", name)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}
