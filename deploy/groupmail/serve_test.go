package main

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"groupmail/connectors/message"
	"groupmail/deploy/testbed"
	"groupmail/ticketing"
)

// The test binary is the program, too, so that there is something to kill.
func init() { //nolint:gochecknoinits // must come before the tests
	if args := os.Getenv("GROUPMAIL_TEST_ARGS"); args != "" {
		os.Exit(run(strings.Split(args, "\n"), streams{os.Stdin, os.Stdout, os.Stderr}))
	}
}

// office is a team with real servers all around: Dovecot, SMTP, Postgres, and a chat. Between
// GroupMail and each of them stands a gate at which it can be killed.
type office struct {
	t       *testing.T
	dovecot *testbed.Dovecot
	smtp    *testbed.SMTP
	chat    chat
	dir     string
	db      string
	listen  string
	number  string // of the ticket

	mu      sync.Mutex
	process *exec.Cmd
	exited  chan struct{}
	output  bytes.Buffer
	target  crash
	seen    int
	killed  bool
}

// crash is the n'th time that something happens at a gate.
type crash struct {
	at string // "commit", "commit done", "post", "post done", "patch", "patch done", "mail"
	n  int
}

// chat is a chat platform as an office's people, ann and ben, use it.
type chat interface {
	// section is the platform's in the configuration, and board the channel's.
	section() (section, board string)
	// posts are what stands in the channel and its threads, oldest first.
	posts() []chatPost
	// press presses a button as a person does: it may fail, and then nothing was seen to happen.
	press(who string, p chatPost, button string)
	// say writes what begins with the bot's name into a thread.
	say(who, root, words string, files ...chatFile)
	command(who, line string)
	handle(who string) string
	// whispered is the last that only this person sees in the channel; it is pressed like a post.
	whispered(who string) chatPost
	// direct is what the bot has said to this person alone, oldest first.
	direct(who string) []chatPost
	// file is one that the bot has put into the thread.
	file(root, name string) (content string, ok bool)
}

// chatPost is a message in the channel as people see it.
type chatPost struct {
	ID, Key string
	channel string // empty: the office's
	words   string
	buttons map[string]string // how they are pressed, by label
}

type chatFile struct{ name, content string }

// hit tells the gate whether the process was killed there: then nothing more goes through.
func (o *office) hit(at string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.killed || o.target.at != at {
		return false
	}
	if o.seen++; o.seen != o.target.n {
		return false
	}
	o.killed = true
	_ = o.process.Process.Kill()
	<-o.exited
	return true
}

// arm sets when to kill next.
func (o *office) arm(c crash) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.target, o.seen, o.killed = c, 0, false
}

func newOffice(t *testing.T, open func(o *office) chat) *office {
	o := &office{t: t, dovecot: testbed.NewDovecot(t), smtp: testbed.NewSMTP(t, testbed.PlainText), dir: t.TempDir()}
	o.smtp.Forward = func(_ string, to []string, raw []byte) {
		for _, one := range to {
			user, _, _ := strings.Cut(one, "@")
			o.dovecot.Deliver(user, raw)
		}
		o.hit("mail")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.listen = l.Addr().String()
	l.Close()
	o.db = o.databaseGate(testbed.Postgres(t))
	o.chat = open(o)
	section, board := o.chat.section()
	imapHost, imapPort, _ := net.SplitHostPort(o.dovecot.IMAP)
	smtpHost, smtpPort, _ := net.SplitHostPort(o.smtp.Addr)
	config := fmt.Sprintf(`
listen = %q
data = %q
database = %q
%s
[[group]]
name = "help"
undo = "0s"
[[group.mailbox]]
name = "help"
address = "help@example.org"
since = "all"
done = "move:Done"
poll = "2s"
imap = { host = %q, port = %s, tls = "none", user = "help", password = %q }
smtp = { host = %q, port = %s, tls = "none", user = "help", password = %q }
[[group.board]]
%s
`, o.listen, o.dir, o.db, section, imapHost, imapPort, testbed.Password, smtpHost, smtpPort, testbed.Password, board)
	if err := os.WriteFile(o.config(), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	o.start()
	t.Cleanup(func() {
		o.stop()
		if t.Failed() {
			t.Logf("groupmail said:\n%s", o.output.String())
		}
	})
	return o
}

func (o *office) config() string { return filepath.Join(o.dir, "groupmail.toml") }

// start begins groupmail serve and waits until it is ready.
func (o *office) start() {
	o.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(o.t.Context()), os.Args[0])
	cmd.Env = append(os.Environ(), "GROUPMAIL_TEST_ARGS=serve\n--config\n"+o.config())
	cmd.Stdout, cmd.Stderr = &o.output, &o.output
	if err := cmd.Start(); err != nil {
		o.t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	o.mu.Lock()
	o.process, o.exited = cmd, exited
	o.mu.Unlock()
}

func (o *office) ready() {
	o.t.Helper()
	o.eventually("groupmail is ready", func() bool {
		resp, err := http.Get("http://" + o.listen + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

func (o *office) stop() {
	o.mu.Lock()
	p, exited := o.process, o.exited
	o.mu.Unlock()
	_ = p.Process.Signal(os.Interrupt)
	select {
	case <-exited:
	case <-time.After(15 * time.Second):
		o.t.Error("groupmail did not end within 15 seconds of being asked to")
		_ = p.Process.Kill()
		<-exited
	}
}

// revive starts the process again if it was killed.
func (o *office) revive() {
	o.mu.Lock()
	killed := o.killed
	o.target, o.killed = crash{}, false
	o.mu.Unlock()
	if killed {
		o.start()
	}
}

// eventually waits for f; a killed process is started again.
func (o *office) eventually(what string, f func() bool) {
	o.t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !f(); {
		o.mu.Lock()
		killed := o.killed
		o.mu.Unlock()
		if killed {
			o.revive()
		}
		if time.Now().After(deadline) {
			o.t.Fatalf("it never came that %s; in the channel:\n%s", what, o.transcript())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// databaseGate stands in front of Postgres and knows a commit when it sees one.
func (o *office) databaseGate(database string) string {
	u, err := url.Parse(database)
	if err != nil {
		o.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		o.t.Fatal(err)
	}
	var all sync.WaitGroup
	o.t.Cleanup(func() { l.Close(); all.Wait() })
	target := u.Host
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { o.databaseConn(client, target) })
		}
	})
	u.Host = l.Addr().String()
	q := u.Query()
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	return u.String()
}

// commitQuery is "commit" as a message of the simple query protocol.
var commitQuery = []byte("Q\x00\x00\x00\x0bcommit\x00")

func (o *office) databaseConn(client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	var mu sync.Mutex
	committing := false
	var both sync.WaitGroup
	both.Go(func() { // to the server
		defer server.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := client.Read(buf)
			if n > 0 {
				if bytes.HasSuffix(buf[:n], commitQuery) {
					if o.hit("commit") {
						return
					}
					mu.Lock()
					committing = true
					mu.Unlock()
				}
				if _, err := server.Write(buf[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	both.Go(func() { // to the client
		defer client.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if n > 0 {
				mu.Lock()
				was := committing
				committing = false
				mu.Unlock()
				if was && o.hit("commit done") {
					return
				}
				if _, err := client.Write(buf[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	both.Wait()
}

// chatGate stands in front of a chat's server; of tells what a request is.
func (o *office) chatGate(server string, of func(r *http.Request) string) string {
	target, err := url.Parse(server)
	if err != nil {
		o.t.Fatal(err)
	}
	gate := ""
	proxy := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = target.Host },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		ModifyResponse: func(r *http.Response) error {
			if o.hit(of(r.Request) + " done") {
				return io.ErrUnexpectedEOF
			}
			if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
				return nil
			}
			body, err := io.ReadAll(r.Body) // addresses of the server lead through the gate, too
			body = bytes.ReplaceAll(body, []byte(server), []byte(gate))
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return err
		},
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.hit(of(r)) {
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	o.t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	gate = s.URL
	return gate
}

func (o *office) transcript() string {
	var b strings.Builder
	for _, p := range o.chat.posts() {
		fmt.Fprintf(&b, "%s %q %s\n", p.ID, p.Key, strings.ReplaceAll(p.words, "\n", " | "))
	}
	return b.String()
}

// find returns the post of a kind that says something.
func (o *office) find(kind, says string) (found chatPost) {
	for _, p := range o.chat.posts() {
		if strings.HasPrefix(p.Key, kind+":") && strings.Contains(p.words, says) {
			return p
		}
	}
	return chatPost{}
}

// shows waits for a post of a kind that says something.
func (o *office) shows(kind, says string) (found chatPost) {
	o.t.Helper()
	o.eventually(fmt.Sprintf("a %s says %q", kind, says), func() bool {
		found = o.find(kind, says)
		return found.ID != ""
	})
	return found
}

// pressUntil presses a button until the post says something, as a patient person does.
func (o *office) pressUntil(kind, before, button, after string) {
	o.t.Helper()
	o.patiently(fmt.Sprintf("%s leads to %q", button, after), func() bool { return o.find(kind, after).ID != "" }, func() {
		if p := o.find(kind, before); p.ID != "" && p.buttons[button] != "" {
			o.chat.press("ann", p, button)
		}
	})
}

// patiently does something once a second until it has led to what is wanted.
func (o *office) patiently(what string, led func() bool, do func()) {
	o.t.Helper()
	last := time.Time{}
	o.eventually(what, func() bool {
		if led() {
			return true
		}
		if time.Since(last) > time.Second {
			do()
			last = time.Now()
		}
		return false
	})
}

// ticketNumber reads the number off the card.
func (o *office) ticketNumber() string {
	return regexp.MustCompile(`#(?:&#35;)?(\d+)`).FindStringSubmatch(html.UnescapeString(o.find("card", "").words))[1]
}

const customerMail = "From: =?utf-8?q?Maria_Kov=C3=A1cs?= <maria@example.net>\r\nTo: help@example.org\r\nSubject: Heating broken\r\n" +
	"Message-ID: <first@example.net>\r\nDate: Mon, 02 Mar 2026 09:00:00 +0000\r\n\r\nIt is cold.\r\n"

// work is the main job: a mail is picked up, taken, answered from its thread and closed. Each of its
// steps may be killed once; then a person does what they would do.
func (o *office) work(crashes map[string]crash) {
	o.t.Helper()
	o.ready()
	o.arm(crashes["mail"])
	o.dovecot.Deliver("help", []byte(customerMail))
	o.shows("card", "Heating broken")
	o.revive()

	o.arm(crashes["take"])
	o.pressUntil("card", "New", "Take", "Taken by")
	card := o.shows("card", "Taken by")
	o.shows("mail", "It is cold")
	o.revive()

	o.arm(crashes["reply"])
	o.chat.say("ann", card.ID, "We are coming.")
	o.pressUntil("reply", "Not sent yet", "Send", "Sent")
	o.shows("card", "Waiting for the sender")
	o.revive()

	o.arm(crashes["close"])
	// A number that was drawn by a transaction which died is lost.
	o.number = o.ticketNumber()
	o.patiently("it is closed", func() bool { return o.find("card", "Closed").ID != "" }, func() {
		o.chat.command("ann", "/mail close #"+o.number+" phoned")
	})
	o.shows("event", "Closed by")
	o.eventually("the mail is moved", func() bool { return len(o.dovecot.Messages("help", "Done")) == 1 })
	o.revive()
	o.eventually("the copy is filed", func() bool { return len(o.dovecot.Messages("help", "Sent")) > 0 })
}

// onceEach looks whether everything that was posted was posted once.
func (o *office) onceEach() map[string]int {
	o.t.Helper()
	keys := map[string]int{}
	for _, p := range o.chat.posts() {
		if p.Key != "" {
			keys[p.Key]++
		}
	}
	for key, n := range keys {
		if n != 1 {
			o.t.Errorf("%s was posted %d times:\n%s", key, n, o.transcript())
		}
	}
	return keys
}

// query reads one row of the database.
func (o *office) query(sql string, into ...any) error {
	db, err := pgx.Connect(o.t.Context(), o.db)
	if err != nil {
		return err
	}
	defer db.Close(context.WithoutCancel(o.t.Context()))
	return db.QueryRow(o.t.Context(), sql).Scan(into...)
}

// moves counts what the log has.
func (o *office) moves() map[ticketing.Move]int {
	o.t.Helper()
	db, err := pgx.Connect(o.t.Context(), o.db)
	if err != nil {
		o.t.Fatal(err)
	}
	defer db.Close(context.WithoutCancel(o.t.Context()))
	rows, err := db.Query(o.t.Context(), `SELECT move, count(*) FROM events GROUP BY move`)
	if err != nil {
		o.t.Fatal(err)
	}
	done := map[ticketing.Move]int{}
	for rows.Next() {
		var move ticketing.Move
		var n int
		if err := rows.Scan(&move, &n); err != nil {
			o.t.Fatal(err)
		}
		done[move] = n
	}
	return done
}

// check looks whether everything is there once.
func (o *office) check(sentTwice bool) {
	o.t.Helper()
	keys := o.onceEach()
	for _, kind := range []string{"card", "hint", "mail", "reply", "event"} {
		n := 0
		for key := range keys {
			if strings.HasPrefix(key, kind+":") {
				n++
			}
		}
		if n != 1 {
			o.t.Errorf("there are %d posts of the kind %s:\n%s", n, kind, o.transcript())
		}
	}
	mails := o.dovecot.Messages("maria", "INBOX")
	if len(mails) != 1 && (!sentTwice || len(mails) != 2) {
		o.t.Errorf("the customer has %d answers", len(mails))
	}
	for _, m := range mails {
		got := message.Parse(bytes.NewReader(m.Raw), message.Options{})
		if !bytes.Equal(m.Raw, mails[0].Raw) || fmt.Sprint(got.TicketRef) != o.number || !slices.Equal(got.InReplyTo, []string{"first@example.net"}) {
			o.t.Errorf("the customer has %s", m.Raw)
		}
	}
	if inbox, sent := o.dovecot.Messages("help", "INBOX"), o.dovecot.Messages("help", "Sent"); len(inbox) != 0 || len(sent) != 1 {
		o.t.Errorf("the mailbox has %d mails and %d copies of what was sent", len(inbox), len(sent))
	}
	done := o.moves()
	for _, move := range []ticketing.Move{ticketing.MoveOpen, ticketing.MoveTake, ticketing.LogReply, ticketing.MoveAnswer, ticketing.MoveClose} {
		if done[move] != 1 {
			o.t.Errorf("the log has %d times %q: %v", done[move], move, done)
		}
	}
}

// onEach runs a test on each chat platform.
func onEach(t *testing.T, f func(t *testing.T, on func(*office) chat)) {
	t.Run("mattermost", func(t *testing.T) { f(t, onMattermost) })
	t.Run("slack", func(t *testing.T) { f(t, onSlack) })
}

func TestServe(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*office) chat) {
		o := newOffice(t, on)
		o.work(nil)
		o.check(false)
	})
}

// TestBothPressTake: two people press Take in the same instant; one has it, the other is told.
func TestBothPressTake(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*office) chat) {
		o := newOffice(t, on)
		o.ready()
		o.dovecot.Deliver("help", []byte(customerMail))
		card := o.shows("card", "Heating broken")
		var both sync.WaitGroup
		for _, who := range []string{"ann", "ben"} {
			both.Go(func() { o.chat.press(who, card, "Take") })
		}
		both.Wait()
		o.shows("card", "Taken by")
		o.shows("mail", "It is cold")
		if takes := o.moves()[ticketing.MoveTake]; takes != 1 {
			t.Errorf("the log has %d takes", takes)
		}
	})
}

// TestKilledAnywhere kills the process with SIGKILL at each step of a mail's, a click's and a reply's
// way, starts it again, and looks whether anything was lost or done twice.
func TestKilledAnywhere(t *testing.T) {
	type kill struct {
		step  string
		crash crash
		on    func(*office) chat
	}
	var kills []kill
	for step, gates := range map[string]map[string]int{
		"mail":  {"commit": 4, "commit done": 4, "post": 1, "post done": 1},
		"take":  {"commit": 3, "commit done": 3, "post": 2, "post done": 2, "patch": 1, "patch done": 1},
		"reply": {"commit": 8, "commit done": 8, "post": 1, "post done": 1, "patch": 2, "patch done": 2, "mail": 1},
		"close": {"commit": 3, "commit done": 3, "post": 1, "post done": 1},
	} {
		for at, most := range gates {
			for n := range most {
				kills = append(kills, kill{step, crash{at, n + 1}, onMattermost})
				if strings.HasSuffix(at, " done") && at != "commit done" { // the platform's part in it
					kills = append(kills, kill{step, crash{at, n + 1}, onSlack})
				}
			}
		}
	}
	slices.SortFunc(kills, func(a, b kill) int {
		return strings.Compare(fmt.Sprint(a.step, a.crash.at, a.crash.n), fmt.Sprint(b.step, b.crash.at, b.crash.n))
	})
	if testing.Short() {
		kills = kills[:3]
	}
	for _, k := range kills {
		t.Run(fmt.Sprintf("%s, %s %d", k.step, k.crash.at, k.crash.n), func(t *testing.T) {
			t.Parallel() // most of it is waiting for leases of the dead to run out
			o := newOffice(t, k.on)
			o.work(map[string]crash{k.step: k.crash})
			o.check(k.step == "reply") // a lost acknowledgement: the same mail once more
		})
	}
}

// TestAnsweredOutsideOnDovecot: an answer from an ordinary mail program shows.
func TestAnsweredOutsideOnDovecot(t *testing.T) {
	o := newOffice(t, onMattermost)
	o.ready()
	o.dovecot.Deliver("help", []byte(customerMail))
	o.shows("card", "Heating broken")
	o.dovecot.DeliverTo("help", "Sent", []byte("From: help@example.org\r\nTo: maria@example.net\r\nSubject: Re: Heating broken\r\n"+
		"Message-ID: <phone@example.org>\r\nIn-Reply-To: <first@example.net>\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\n\r\nFrom my phone: we are coming.\r\n"))
	o.shows("mail", "Answered outside GroupMail")
	o.shows("card", "Waiting for the sender")
	o.dovecot.Deliver("help", []byte(strings.NewReplacer("<first@", "<second@", "Date:", "In-Reply-To: <phone@example.org>\r\nDate:", "It is cold.", "Thank you, but when?").Replace(customerMail)))
	o.shows("mail", "Thank you, but when?")
	o.shows("card", "New")
	o.shows("pointer", "wrote again")
}

// TestFilesBothWays: what a customer attaches comes into the thread, what a member attaches reaches
// the customer, and a program does neither.
func TestFilesBothWays(t *testing.T) { onEach(t, filesBothWays) }

func filesBothWays(t *testing.T, on func(*office) chat) {
	o := newOffice(t, on)
	o.ready()
	o.dovecot.Deliver("help", []byte(strings.ReplaceAll(strings.ReplaceAll(`From: maria@example.net
To: help@example.org
Subject: Two files
Message-ID: <files@example.net>
Date: Mon, 02 Mar 2026 09:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

See the plan.
--b
Content-Type: application/pdf; name="Plan für Ann.pdf"
Content-Disposition: attachment; filename*=utf-8''Plan%20f%C3%BCr%20Ann.pdf
Content-Transfer-Encoding: base64

JVBERi0xLjQgdGhlIHBsYW4=
--b
Content-Type: application/octet-stream
Content-Disposition: attachment; filename=setup.exe
Content-Transfer-Encoding: base64

TVqQAAMAAAAEAAAA
--b--
`, "\r\n", "\n"), "\n", "\r\n")))
	card := o.shows("card", "2 attachments")
	o.pressUntil("card", "New", "Take", "Taken by")
	o.shows("mail", "setup")
	o.eventually("the file is in the thread", func() bool {
		content, ok := o.chat.file(card.ID, "Plan für Ann.pdf")
		if ok && content != "%PDF-1.4 the plan" {
			t.Fatalf("the file in the thread is %q", content)
		}
		return ok
	})
	if _, ok := o.chat.file(card.ID, "setup.exe"); ok {
		t.Error("a program is in the thread")
	}
	o.chat.say("ann", card.ID, "Here is our offer.", chatFile{"offer.pdf", "%PDF-1.4 the offer"})
	o.pressUntil("reply", "Not sent yet", "Send", "Sent")
	o.eventually("the customer has it", func() bool { return len(o.dovecot.Messages("maria", "INBOX")) == 1 })
	raw := o.dovecot.Messages("maria", "INBOX")[0].Raw
	got := message.Parse(bytes.NewReader(raw), message.Options{})
	var body bytes.Buffer
	if err := message.Attachment(&body, bytes.NewReader(raw), 0); err != nil || len(got.Attachments) != 1 ||
		got.Attachments[0].Name != "offer.pdf" || body.String() != "%PDF-1.4 the offer" {
		t.Errorf("the customer has %+v, %q, %v", got.Attachments, body.String(), err)
	}
}
