// Package testbed gives tests the real servers that a user would have:
// PostgreSQL, Dovecot, Mattermost and Chromium as separate processes, a
// submission server and a fault proxy within the test process.
//
// It owns how these are found, started, disturbed and stopped. It knows nothing
// of GroupMail and imports none of its packages; only _test files import it.
// Every server listens on loopback on a free port, keeps its files in a folder
// of its own below /tmp, and is gone when its test (or, if shared, the test
// process) is gone, however that ended.
//
// Start reading at the server you need: [Postgres], [NewDovecot], [NewSMTP],
// [NewProxy], [Mattermost], [Chromium]. All faults of the test bed itself end
// the test that met them. deploy/test installs what is needed and runs all tests.
package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Password is what every server accepts from any user until told otherwise.
const Password = "secret"

// patience is how long a server may take to start or to stop, on a busy machine.
const patience = 3 * time.Minute

// missing ends a test that cannot have its server: skipped on a developer's
// machine, failed where CI=true promises that everything is there.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("missing: %s (deploy/test installs it)", what)
	}
	t.Skipf("missing: %s (deploy/test installs it)", what)
}

// folder is where everything lies that this test process starts.
type folder struct {
	path string
	end  *os.File // kept open until this process ends
}

// base makes the folder in /tmp, not $TMPDIR, because paths of unix sockets must
// be short and the unprivileged user of the servers must reach it.
//
// A small shell, the keeper, waits for the end of this process and then kills
// what is left and removes the folder; so even a killed test leaves nothing.
var base = sync.OnceValues(func() (*folder, error) {
	path, err := os.MkdirTemp("/tmp", "groupmail-test-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o755); err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	keeper := exec.Command("sh", "-c", keeperScript, "keeper", path)
	keeper.Stdin = r
	keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // out of Ctrl-C's reach
	if err := keeper.Start(); err != nil {
		return nil, err
	}
	return &folder{path: path, end: w}, r.Close()
})

// keeperScript gets the folder as $1. Servers that can end tidily on SIGQUIT (as
// PostgreSQL, which frees its shared memory) have half a second for it.
const keeperScript = `cat
end() {
	for pid in "$2"/*/pid; do
		[ -f "$pid" ] && kill "$1" "-$(cat "$pid")" && found=yes
	done 2>/dev/null
}
found=
end -QUIT "$1"
[ "$found" ] && sleep 0.5
end -KILL "$1"
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
`

// newDir makes a folder for one server, owned by the servers' user.
func newDir(name string) (string, error) {
	parent, err := base()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(parent.path, name+"-")
	if err != nil {
		return "", err
	}
	return dir, own(dir)
}

// credential is the user the servers run as: nobody, if we are root, because
// PostgreSQL refuses to be root and nothing here needs it; else nil, ourselves.
func credential() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534} // the numbers on every Debian
}

// serverUser gives the names that go with credential.
func serverUser() (name, group string) {
	uid, gid := os.Getuid(), os.Getgid()
	if c := credential(); c != nil {
		uid, gid = int(c.Uid), int(c.Gid)
	}
	name, group = strconv.Itoa(uid), strconv.Itoa(gid)
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	if g, err := user.LookupGroupId(group); err == nil {
		group = g.Name
	}
	return name, group
}

// own gives a file to the servers' user.
func own(path string) error {
	c := credential()
	if c == nil {
		return nil
	}
	return os.Chown(path, int(c.Uid), int(c.Gid))
}

// freePort finds a loopback port below the range that the kernel gives to
// outgoing connections, so that a stopped server can have its port again.
func freePort() (int, error) {
	for range 1000 {
		port := 10240 + rand.IntN(21000)
		l, err := net.Listen("tcp", loopback(port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port on 127.0.0.1")
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// process is a server that runs as a process of its own.
type process struct {
	name string
	dir  string // its folder: log, pid, data
	cwd  string // working directory, dir if empty
	args []string
	env  []string // added to ours
	root bool     // run as ourselves, not as the servers' user

	ready func(context.Context) error // nil once the server answers

	cmd *exec.Cmd // nil while stopped
	ran bool      // has been ready once
}

var errExited = errors.New("exited at once")

// start runs the server until ready agrees. When it is started again after a
// kill, children of the killed one may hold a lock for a moment, so one that
// exits at once is then tried again for a while.
func (p *process) start() error {
	if p.cmd != nil {
		return fmt.Errorf("%s is running already", p.name)
	}
	err := p.startOnce()
	for deadline := time.Now().Add(10 * time.Second); errors.Is(err, errExited) && p.ran && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
		err = p.startOnce()
	}
	if err != nil {
		return fmt.Errorf("start %s: %w\n%s", p.name, err, p.logTail())
	}
	p.ran = true
	return nil
}

func (p *process) startOnce() error {
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	if p.cwd != "" {
		cmd.Dir = p.cwd
	}
	cmd.Env = append(os.Environ(), p.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if !p.root {
		cmd.SysProcAttr.Credential = credential()
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd = cmd
	if err := os.WriteFile(p.pidFile(), fmt.Appendln(nil, cmd.Process.Pid), 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := p.ready(ctx)
		switch {
		case err == nil:
			return nil
		case p.exited():
			p.stop(syscall.SIGKILL)
			return errExited
		case ctx.Err() != nil:
			p.stop(syscall.SIGKILL)
			return fmt.Errorf("not ready within %s: %w", patience, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// exited tells whether the process waits to be reaped. No goroutine watches it,
// so that tests which count goroutines are not disturbed.
func (p *process) exited() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return err != nil || bytes.HasPrefix(state, []byte("Z"))
}

// stop signals the server and waits for its end. Stopping a stopped server does
// nothing.
func (p *process) stop(sig syscall.Signal) {
	if p.cmd == nil {
		return
	}
	pid := p.cmd.Process.Pid
	target := pid
	if sig == syscall.SIGKILL {
		target = -pid // with its children
	}
	_ = syscall.Kill(target, sig)
	hurry := time.AfterFunc(patience, func() { _ = syscall.Kill(-pid, syscall.SIGKILL) })
	_ = p.cmd.Wait() // being killed is no news
	hurry.Stop()
	// Stragglers hold ports and locks until they, too, are gone.
	for range 500 {
		if syscall.Kill(-pid, syscall.SIGKILL) != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = os.Remove(p.pidFile())
	p.cmd = nil
}

// end is for t.Cleanup: it shows the log of a failed test and removes the folder.
func (p *process) end(t testing.TB, sig syscall.Signal) {
	p.stop(sig)
	if t.Failed() {
		t.Logf("log of %s:\n%s", p.name, p.logTail())
	}
	if err := removeAll(p.dir); err != nil {
		t.Errorf("remove the folder of %s: %v", p.name, err)
	}
}

func (p *process) logFile() string { return filepath.Join(p.dir, "log") }
func (p *process) pidFile() string { return filepath.Join(p.dir, "pid") }

func (p *process) logTail() string {
	log, err := os.ReadFile(p.logFile())
	if err != nil {
		return err.Error()
	}
	return strings.ToValidUTF8(string(log[max(0, len(log)-4000):]), "")
}

// removeAll is os.RemoveAll that outlasts a dying child's last file.
func removeAll(dir string) (err error) {
	for range 20 {
		if err = os.RemoveAll(dir); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// must ends the test on an error of the test bed.
func must(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("testbed: %s: %v", what, err)
	}
}
