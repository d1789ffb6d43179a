package testbed

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Dovecot is an IMAP and POP3 server of one test. Every user name exists, with
// the folders INBOX, Sent, Junk, Trash, Drafts (with their special uses) and "/"
// between folder levels. Its methods end the test if they fail.
type Dovecot struct {
	IMAP  string // host:port; plain text and STARTTLS
	IMAPS string // host:port; TLS from the start
	POP3  string // host:port; plain text and STLS
	POP3S string // host:port; TLS from the start

	t        testing.TB
	p        process
	password string // as SetPassword left it
	changes  int    // of the password
	resets   int    // of any UIDVALIDITY

	mu    sync.Mutex
	token string
}

// Token is what XOAUTH2 and OAUTHBEARER accept until SetToken; Dovecot takes it
// for the token of TokenUser.
const (
	Token     = "valid-token"
	TokenUser = "help"
)

// Quota is a setting for NewDovecot: every mailbox holds that much ("100k").
// APPEND and COPY beyond it are refused with OVERQUOTA; Deliver is not.
func Quota(size string) string {
	if dovecot().old {
		return `mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=` + size + `
  quota_grace = 0
}`
	}
	return `mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
quota user {
  driver = maildir
  storage_size = ` + size + `
  storage_grace = 0
}`
}

// Unpacks is a setting for NewDovecot: mail that lies compressed in its file is
// unpacked as it is read.
func Unpacks() string {
	if dovecot().old {
		return "mail_plugins = zlib"
	}
	return "mail_plugins = mail_compress"
}

// NewDovecot starts a server. Settings are lines for the end of dovecot.conf,
// for instance "imap_capability = IMAP4rev1 IDLE" for a server without MOVE.
func NewDovecot(t testing.TB, settings ...string) *Dovecot {
	t.Helper()
	installed := dovecot()
	if installed.program == "" {
		missing(t, "Dovecot (Debian: dovecot-imapd, dovecot-pop3d)")
	}
	dir, err := newDir("dovecot")
	must(t, "Dovecot", err)
	ports := [4]int{}
	for i := range ports {
		ports[i], err = freePort()
		must(t, "Dovecot", err)
	}
	d := &Dovecot{
		IMAP: loopback(ports[0]), IMAPS: loopback(ports[1]), POP3: loopback(ports[2]), POP3S: loopback(ports[3]),
		t: t, token: Token,
	}
	introspection := httptest.NewServer(http.HandlerFunc(d.introspect))
	t.Cleanup(introspection.Close)

	ca := testCA(t)
	user, group := serverUser()
	conf := dovecotConf
	if installed.old {
		conf = dovecotConf23
	}
	d.write("dovecot.conf", dir, strings.NewReplacer(
		"DIR", dir, "VERSION", installed.version, "INTROSPECTION", introspection.URL, "USER", user, "GROUP", group, "CERT", ca.serverCert, "KEY", ca.serverKey,
		"IMAP_PORT", fmt.Sprint(ports[0]), "IMAPS_PORT", fmt.Sprint(ports[1]),
		"POP3_PORT", fmt.Sprint(ports[2]), "POP3S_PORT", fmt.Sprint(ports[3]),
	).Replace(conf)+strings.Join(settings, "\n")+"\n")
	if installed.old {
		d.write("oauth2.conf", dir, "introspection_mode = post\nintrospection_url = "+introspection.URL+
			"/\nusername_attribute = username\nactive_attribute = active\nactive_value = true\n")
	}
	d.p = process{
		name: "Dovecot", dir: dir,
		args:  []string{installed.program, "-F", "-c", filepath.Join(dir, "dovecot.conf")},
		ready: d.ready,
	}
	d.SetPassword(Password)
	d.Start()
	t.Cleanup(func() { d.p.end(t, syscall.SIGKILL) })
	return d
}

// dovecotConf23 is for Dovecot 2.3, as in Debian 12.
const dovecotConf23 = `
base_dir = DIR/run
state_dir = DIR/state
log_path = /dev/stderr
protocols = imap pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <CERT
ssl_key = <KEY
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
default_internal_user = USER
default_internal_group = GROUP
default_login_user = USER
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:DIR/mail/%u
mail_max_userip_connections = 1000
mailbox_idle_check_interval = 1s
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = DIR/oauth2.conf
}
passdb {
  driver = passwd-file
  mechanisms = plain login
  args = scheme=PLAIN username_format=anybody DIR/passwd
}
userdb {
  driver = static
  args = uid=USER gid=GROUP home=DIR/home/%u
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Sent {
    auto = create
    special_use = \Sent
  }
  mailbox Junk {
    auto = create
    special_use = \Junk
  }
  mailbox Trash {
    auto = create
    special_use = \Trash
  }
  mailbox Drafts {
    auto = create
    special_use = \Drafts
  }
}
service imap-login {
  chroot =
  service_count = 0
  inet_listener imap {
    port = IMAP_PORT
  }
  inet_listener imaps {
    port = IMAPS_PORT
    ssl = yes
  }
}
service pop3-login {
  chroot =
  service_count = 0
  inet_listener pop3 {
    port = POP3_PORT
  }
  inet_listener pop3s {
    port = POP3S_PORT
    ssl = yes
  }
}
service anvil {
  chroot =
  # No growing delays after failed logins.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  chroot =
}
`

// dovecotConf is for Dovecot 2.4, as in Debian 13, whose settings have other names.
const dovecotConf = `
dovecot_config_version = VERSION
dovecot_storage_version = VERSION
base_dir = DIR/run
state_dir = DIR/state
log_path = /dev/stderr
protocols = imap pop3
listen = 127.0.0.1
ssl = yes
ssl_server_cert_file = CERT
ssl_server_key_file = KEY
auth_allow_cleartext = yes
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
default_internal_user = USER
default_internal_group = GROUP
default_login_user = USER
first_valid_uid = 1
first_valid_gid = 1
mail_driver = maildir
mail_path = DIR/mail/%{user}
mail_max_userip_connections = 1000
mailbox_idle_check_interval = 1s
oauth2 {
  introspection_mode = post
  introspection_url = INTROSPECTION/
  username_attribute = username
  active_attribute = active
  active_value = true
}
passdb oauth2 {
  mechanisms_filter = xoauth2 oauthbearer
}
passdb passwd-file {
  mechanisms_filter = plain login
  default_password_scheme = PLAIN
  auth_username_format = anybody
  passwd_file_path = DIR/passwd
}
userdb static {
  fields {
    uid = USER
    gid = GROUP
    home = DIR/home/%{user}
  }
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Sent {
    auto = create
    special_use = \Sent
  }
  mailbox Junk {
    auto = create
    special_use = \Junk
  }
  mailbox Trash {
    auto = create
    special_use = \Trash
  }
  mailbox Drafts {
    auto = create
    special_use = \Drafts
  }
}
service imap-login {
  chroot =
  restart_request_count = unlimited
  inet_listener imap {
    port = IMAP_PORT
  }
  inet_listener imaps {
    port = IMAPS_PORT
    ssl = yes
  }
}
service pop3-login {
  chroot =
  restart_request_count = unlimited
  inet_listener pop3 {
    port = POP3_PORT
  }
  inet_listener pop3s {
    port = POP3S_PORT
    ssl = yes
  }
}
service anvil {
  chroot =
  # No growing delays after failed logins.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  chroot =
}
`

// dovecotProgram is what is installed.
type dovecotProgram struct {
	program string // empty: nothing
	version string // "2.4.1"
	old     bool   // before 2.4
}

var dovecot = sync.OnceValue(func() (d dovecotProgram) {
	for _, program := range []string{"dovecot", "/usr/sbin/dovecot"} { // sbin is not on every PATH
		path, err := exec.LookPath(program)
		if err != nil {
			continue
		}
		out, _ := exec.Command(path, "--version").Output() // "2.4.1-4 (7d8c0e5759)"
		d.program = path
		d.version = regexp.MustCompile(`^[0-9.]*`).FindString(string(out))
		d.old = strings.HasPrefix(d.version, "2.3.")
		return d
	}
	return d
})

// Start starts a stopped or killed server again, on the same ports with the
// same mail, and waits until it answers.
func (d *Dovecot) Start() {
	d.t.Helper()
	_ = os.Remove(filepath.Join(d.p.dir, "run", "master.pid")) // left by Kill; its number may be taken
	must(d.t, "Dovecot", d.p.start())
}

// Stop shuts the server down; its connections are closed.
func (d *Dovecot) Stop() { d.p.stop(syscall.SIGTERM) }

// Kill ends the server at once, as kill -9 does.
func (d *Dovecot) Kill() { d.p.stop(syscall.SIGKILL) }

// Restart is Stop and Start.
func (d *Dovecot) Restart() {
	d.t.Helper()
	d.Stop()
	d.Start()
}

// ready waits for the greetings on both protocols.
func (d *Dovecot) ready(ctx context.Context) error {
	for _, addr := range []string{d.IMAP, d.POP3} {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		line, err := bufio.NewReader(c).ReadString('\n')
		_ = c.Close()
		if err != nil {
			return err
		}
		if !strings.Contains(line, "OK") {
			return errors.New(line)
		}
	}
	return nil
}

// SetPassword changes the password of all users. Open connections stay.
func (d *Dovecot) SetPassword(password string) {
	d.t.Helper()
	d.write("passwd", d.p.dir, "anybody:"+password+"\n")
	// Dovecot rereads the file when its time, in whole seconds, differs.
	d.changes++
	changed := time.Now().Add(time.Duration(d.changes) * time.Minute)
	must(d.t, "password", os.Chtimes(filepath.Join(d.p.dir, "passwd"), changed, changed))
	d.password = password
	if d.p.cmd != nil { // and looks no more than once in each of its clock's seconds
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second + 10*time.Millisecond)))
	}
}

// SetToken changes the OAuth2 token; the old one is refused from then on. Open connections stay.
func (d *Dovecot) SetToken(token string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.token = token
}

// introspect tells Dovecot whether a token is valid, and whose it is (RFC 7662).
func (d *Dovecot) introspect(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"active": "%t", "username": %q}`, r.FormValue("token") == d.token, TokenUser)
}

// Deliver puts a mail into a user's INBOX as a mail server's delivery agent
// does, not through IMAP. A client in IDLE is told. Mails get their UIDs in the
// order of their delivery. Lines may end in LF or CRLF.
func (d *Dovecot) Deliver(user string, raw []byte) {
	d.t.Helper()
	d.DeliverTo(user, "INBOX", raw)
}

// DeliverTo is Deliver into any folder, which is made if need be.
func (d *Dovecot) DeliverTo(user, folder string, raw []byte) {
	d.t.Helper()
	maildir := d.maildir(user, folder)
	for _, dir := range []string{d.maildir(user, "INBOX"), maildir} {
		for _, sub := range []string{"", "cur", "new", "tmp"} {
			d.mkdir(filepath.Join(dir, sub))
		}
	}
	if folder != "INBOX" {
		d.write("maildirfolder", maildir, "")
	}
	// The microseconds (M) keep mails of one second in their order.
	now := time.Now()
	name := fmt.Sprintf("%d.M%06dP%d_%s.testbed", now.Unix(), now.Nanosecond()/1000, os.Getpid(), rand.Text())
	d.write(filepath.Join("tmp", name), maildir, string(raw))
	must(d.t, "deliver", os.Rename(filepath.Join(maildir, "tmp", name), filepath.Join(maildir, "new", name)))
}

// ResetUIDValidity makes the folder look restored from a backup: its UIDVALIDITY
// is another and UIDs count from 1 again. Connections are closed.
func (d *Dovecot) ResetUIDValidity(user, folder string) {
	d.t.Helper()
	d.Kill()
	maildir := d.maildir(user, folder)
	indexes, err := filepath.Glob(filepath.Join(maildir, "dovecot.index*"))
	must(d.t, "reset UIDVALIDITY", err)
	for _, index := range indexes {
		must(d.t, "reset UIDVALIDITY", os.Remove(index))
	}
	d.resets++
	d.write("dovecot-uidlist", maildir, fmt.Sprintf("3 V%d N1\n", time.Now().Unix()+int64(d.resets)*1000))
	d.Start()
}

// Message is a mail in a folder.
type Message struct {
	UID   uint32
	Flags []string // in the server's order, without \Recent
	Raw   []byte
}

func (m Message) String() string { return fmt.Sprintf("%d %v %q", m.UID, m.Flags, m.Raw) }

// Messages lists a folder by UID, changing nothing; a folder that does not exist
// is empty.
func (d *Dovecot) Messages(user, folder string) []Message {
	d.t.Helper()
	c := d.Dial(user)
	defer c.Close()
	box, err := c.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait()
	var refused *imap.Error
	if errors.As(err, &refused) && refused.Type == imap.StatusResponseTypeNo {
		return nil // Dovecot 2.3 gives this refusal no code
	}
	must(d.t, "select "+folder, err)
	if box.NumMessages == 0 {
		return nil
	}
	body := &imap.FetchItemBodySection{Peek: true}
	fetched, err := c.Fetch(imap.SeqSet{imap.SeqRange{Start: 1, Stop: 0}}, &imap.FetchOptions{
		UID: true, Flags: true, BodySection: []*imap.FetchItemBodySection{body},
	}).Collect()
	must(d.t, "fetch "+folder, err)
	var messages []Message
	for _, f := range fetched {
		m := Message{UID: uint32(f.UID), Raw: f.FindBodySection(body)}
		for _, flag := range f.Flags {
			if flag != `\Recent` {
				m.Flags = append(m.Flags, string(flag))
			}
		}
		messages = append(messages, m)
	}
	return messages
}

// Dial signs in over IMAP, as a person's own mail program does. The test may
// drag mails about with it; it is closed when the test ends.
func (d *Dovecot) Dial(user string) *imapclient.Client {
	d.t.Helper()
	c, err := imapclient.DialInsecure(d.IMAP, nil)
	must(d.t, "IMAP", err)
	d.t.Cleanup(func() { _ = c.Close() })
	must(d.t, "IMAP login", c.Login(user, d.password).Wait())
	return c
}

// Maildir is the folder on this machine that holds a user's INBOX.
func (d *Dovecot) Maildir(user string) string { return d.maildir(user, "INBOX") }

func (d *Dovecot) maildir(user, folder string) string {
	dir := filepath.Join(d.p.dir, "mail", user)
	if folder == "INBOX" {
		return dir
	}
	return filepath.Join(dir, "."+strings.ReplaceAll(folder, "/", "."))
}

// mkdir makes a folder that the server may write.
func (d *Dovecot) mkdir(dir string) {
	d.t.Helper()
	switch err := os.Mkdir(dir, 0o700); {
	case errors.Is(err, os.ErrExist):
		return
	case errors.Is(err, os.ErrNotExist):
		d.mkdir(filepath.Dir(dir))
		d.mkdir(dir)
	default:
		must(d.t, "folder", err)
		must(d.t, "folder", own(dir))
	}
}

// write makes a file that the server may read and rename.
func (d *Dovecot) write(name, dir, content string) {
	d.t.Helper()
	path := filepath.Join(dir, name)
	must(d.t, "file", os.WriteFile(path, []byte(content), 0o600))
	must(d.t, "file", own(path))
}
