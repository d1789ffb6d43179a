package pop3_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"groupmail/connectors/account"
	"groupmail/connectors/mailbox"
	"groupmail/connectors/mailbox/mailboxtest"
	"groupmail/connectors/pop3"
	"groupmail/ticketing"
)

// maildrop is a POP3 server that can do wrong what servers do wrong.
type maildrop struct {
	address string
	caps    string                                  // lines of CAPA; empty: it is refused
	answer  func(command string) (string, bool)     // instead of its own answer, given as it is; "" hangs up
	body    func(w io.Writer, raw string) (ok bool) // writes a mail; false hangs up

	mu       sync.Mutex
	mails    []dropped
	commands []string
}

type dropped struct{ name, raw string }

func newMaildrop(t testing.TB, mails ...dropped) *maildrop {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	d := &maildrop{address: l.Addr().String(), caps: "TOP\r\nUIDL\r\nUSER\r\n", mails: mails}
	var all sync.WaitGroup
	conns := map[net.Conn]bool{}
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d.mu.Lock()
			conns[c] = true
			d.mu.Unlock()
			all.Go(func() { defer c.Close(); d.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		d.mu.Lock()
		for c := range conns {
			_ = c.Close()
		}
		d.mu.Unlock()
		all.Wait()
	})
	return d
}

func (d *maildrop) serve(c net.Conn) {
	d.mu.Lock()
	mails := slices.Clone(d.mails)
	d.mu.Unlock()
	gone := map[string]bool{}
	in := bufio.NewScanner(c)
	say := func(s string) { _, _ = io.WriteString(c, s) }
	say("+OK hello\r\n")
	for in.Scan() {
		line := in.Text()
		d.mu.Lock()
		d.commands = append(d.commands, line)
		answer, caps := d.answer, d.caps
		d.mu.Unlock()
		if answer != nil {
			if a, ok := answer(line); ok {
				if a == "" {
					return
				}
				say(a)
				continue
			}
		}
		word, rest, _ := strings.Cut(line, " ")
		n := 0
		_, _ = fmt.Sscan(rest, &n)
		switch word {
		case "CAPA":
			if caps == "" {
				say("-ERR what?\r\n")
				continue
			}
			say("+OK\r\n" + caps + ".\r\n")
		case "UIDL":
			say("+OK\r\n")
			for i, m := range mails {
				say(fmt.Sprintf("%d %s\r\n", i+1, m.name))
			}
			say(".\r\n")
		case "TOP", "RETR":
			if n < 1 || n > len(mails) {
				say("-ERR no such mail\r\n")
				continue
			}
			raw := mails[n-1].raw
			if strings.HasSuffix(rest, " 0") {
				raw, _, _ = strings.Cut(raw, "\r\n\r\n")
				raw += "\r\n\r\n"
			}
			say("+OK 17 octets\r\n") // a size that is wrong
			if d.body != nil {
				if !d.body(c, raw) {
					return
				}
				continue
			}
			say(strings.TrimPrefix(strings.ReplaceAll("\r\n"+raw, "\r\n.", "\r\n.."), "\r\n") + ".\r\n")
		case "DELE":
			gone[mails[n-1].name] = true
			say("+OK\r\n")
		case "QUIT":
			d.mu.Lock()
			d.mails = slices.DeleteFunc(d.mails, func(m dropped) bool { return gone[m.name] })
			d.mu.Unlock()
			say("+OK\r\n")
			return
		default:
			say("+OK\r\n")
		}
	}
}

// set changes what the server does from now on.
func (d *maildrop) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *maildrop) said() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.commands)
}

func some(from, to int) (mails []dropped) {
	for n := from; n <= to; n++ {
		mails = append(mails, dropped{fmt.Sprintf("u%d", n), string(mailboxtest.Mail(n))})
	}
	return mails
}

var everything = mailbox.Config{Since: ticketing.Since{All: true}}

// TestLostAtEachCommand: the server hangs up at one command after the other, with and without having
// carried it out. Every mail is kept once, and is deleted only after that.
func TestLostAtEachCommand(t *testing.T) {
	t.Parallel()
	const mails = 2
	d, keeper := newMaildrop(t, some(1, mails)...), mailboxtest.NewKeeper()
	var mu sync.Mutex
	lost := map[string]bool{}
	d.answer = func(line string) (string, bool) {
		mu.Lock()
		defer mu.Unlock()
		word, _, _ := strings.Cut(line, " ")
		first := !lost[word]
		lost[word] = true
		return "", first
	}
	for n := range mails {
		keeper.Process("help", ticketing.Settlement{Ref: ticketing.Ref{UID: fmt.Sprintf("u%d", n+1)}, Why: ticketing.Done})
	}
	cfg := everything
	cfg.Done = "delete"
	watch(t, at(t, d.address), cfg, keeper)
	keeper.UntilKept(t, mails)
	for _, word := range []string{"CAPA", "USER", "PASS", "UIDL", "TOP"} {
		mu.Lock()
		if !lost[word] {
			t.Errorf("nothing was lost at %s", word)
		}
		mu.Unlock()
	}
	if kept := keeper.Kept(); len(kept) != mails || string(keeper.Raw(kept[0])) != some(1, 1)[0].raw {
		t.Errorf("kept %d mails, want %d", len(kept), mails)
	}
}

// TestDeletedAfterQuit: what is lost between DELE and QUIT is deleted the next time, and what counts
// as done is gone.
func TestDeletedAfterQuit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer string
		at     string // the command
	}{
		"lost at DELE":         {"", "DELE 2"},
		"lost at QUIT":         {"", "QUIT"},
		"not all were deleted": {"-ERR some deleted messages not removed\r\n", "QUIT"},
		"DELE refused":         {"-ERR locked\r\n", "DELE 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newMaildrop(t, some(1, 3)...)
			src, err := pop3.Open(t.Context(), at(t, d.address))
			check(t, err)
			defer src.Close()
			check(t, src.Fetch(t.Context(), nothing{}, nil))
			d.set(func() { d.answer = func(line string) (string, bool) { return test.answer, line == test.at } })
			settle := func() (err error) {
				for _, name := range []string{"u1", "u2"} {
					err = errors.Join(err, src.Settle(t.Context(), ticketing.Ref{UID: name}, "delete"))
				}
				return errors.Join(err, src.Commit(t.Context()))
			}
			if settle() == nil {
				t.Fatal("nothing failed")
			}
			if test.at == "DELE 2" && src.Commit(t.Context()) != nil {
				t.Error("the failure is told twice")
			}
			d.set(func() { d.answer = nil })
			check(t, settle())
			check(t, settle()) // both are gone
			if d.set(func() {}); len(d.mails) != 1 || d.mails[0].name != "u3" {
				t.Errorf("left: %v, want u3", d.mails)
			}
		})
	}
}

// nothing is a ledger that wants nothing.
type nothing struct{}

func (nothing) Look(context.Context, ticketing.Box) (ticketing.Window, error) {
	return ticketing.Window{First: 1}, nil
}
func (nothing) Unknown(context.Context, []ticketing.Ref) ([]ticketing.Ref, error) { return nil, nil }

// TestCrashBeforeSettled: the process dies after QUIT and before that is noted, or before.
func TestCrashBeforeSettled(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"Receive", "Settled"} {
		for _, done := range []bool{false, true} {
			d, keeper := newMaildrop(t, some(1, 2)...), mailboxtest.NewKeeper()
			crashed := false
			keeper.Fail = func(operation string, after bool) error {
				if operation == at && after == done && !crashed {
					crashed = true
					return errors.New("killed")
				}
				return nil
			}
			keeper.Process("help", ticketing.Settlement{Ref: ticketing.Ref{UID: "u1"}, Why: ticketing.Done})
			cfg := everything
			cfg.Done = "delete"
			stop := watch(t, atDrop(t, d), cfg, keeper)
			keeper.UntilKept(t, 2)
			keeper.Until(t, "settled", func() bool { return len(keeper.Settlements()) > 0 })
			stop()
			if len(d.mails) != 1 || len(keeper.Kept()) != 2 {
				t.Errorf("%s %v: kept %d, left %d", at, done, len(keeper.Kept()), len(d.mails))
			}
		}
	}
}

func atDrop(t testing.TB, d *maildrop) account.Account { return at(t, d.address) }

// fetched is what a server hands out.
func fetched(t *testing.T, d *maildrop, cfg ...func(*account.Account)) (raws []string, err error) {
	t.Helper()
	a := atDrop(t, d)
	for _, change := range cfg {
		change(&a)
	}
	src, err := pop3.Open(t.Context(), a)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	err = src.Fetch(t.Context(), all{}, func(_ context.Context, raw mailbox.Raw) error {
		body, err := io.ReadAll(raw.Body)
		raws = append(raws, string(body))
		return err
	})
	return raws, err
}

// all is a ledger that wants everything.
type all struct{ nothing }

func (all) Unknown(_ context.Context, refs []ticketing.Ref) ([]ticketing.Ref, error) {
	return refs, nil
}

// TestBytes: what a server sends is taken as it is.
func TestBytes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300_000)
	for name, test := range map[string]struct{ sends, want string }{
		"dots":                     {"A: 1\r\n\r\n..\r\n...x\r\n.y\r\n.\r\n", "A: 1\r\n\r\n.\r\n..x\r\ny\r\n"},
		"lone LF":                  {"A: 1\r\n\r\na\nb\n.\nc\r\n.\r\n", "A: 1\r\n\r\na\nb\n.\nc\r\n"},
		"lone CR, NUL and 8 bits":  {"A: 1\r\n\r\na\rb\x00\xff\r\r\n.\r\n", "A: 1\r\n\r\na\rb\x00\xff\r\r\n"},
		"a line beyond all limits": {"A: 1\r\n\r\n" + long + ".\r\n.\r\n", "A: 1\r\n\r\n" + long + ".\r\n"},
		"dots around a buffer":     {"A: 1\r\n\r\n" + long[:65536-10] + ".\r\n.\r\n", "A: 1\r\n\r\n" + long[:65536-10] + ".\r\n"},
		"nothing":                  {".\r\n", ""},
		"no end of line":           {"A: 1\r\n\r\nx\r\n.\r\n", "A: 1\r\n\r\nx\r\n"},
	} {
		d := newMaildrop(t, some(1, 1)...)
		d.body = func(w io.Writer, _ string) bool { _, _ = io.WriteString(w, test.sends); return true }
		if got, err := fetched(t, d); err != nil || len(got) != 1 || got[0] != test.want {
			t.Errorf("%s: %v, got %.80q, want %.80q", name, err, got, test.want)
		}
	}
	d := newMaildrop(t)
	d.answer = func(line string) (string, bool) {
		switch word, _, _ := strings.Cut(line, " "); word {
		case "UIDL":
			return "+OK\n1 a\n.\n", true
		case "TOP":
			return "+OK\nA: 1\n\n..\nx\n.\n", true
		}
		return "", false
	}
	if got, err := fetched(t, d); err != nil || len(got) != 1 || got[0] != "A: 1\n\n.\nx\n" {
		t.Errorf("a server whose lines end in LF: %q, %v", got, err)
	}
}

// TestHangsUpInAMail: half a mail is never taken for a whole one, and its body says what happened.
func TestHangsUpInAMail(t *testing.T) {
	t.Parallel()
	d, keeper := newMaildrop(t, some(1, 3)...), mailboxtest.NewKeeper()
	var mu sync.Mutex
	times := 0
	d.body = func(w io.Writer, raw string) bool {
		mu.Lock()
		times++
		half := times%2 == 1
		mu.Unlock()
		if half {
			_, _ = io.WriteString(w, raw[:len(raw)/2])
			return false
		}
		_, _ = io.WriteString(w, strings.ReplaceAll(raw, "\r\n.", "\r\n..")+".\r\n")
		return true
	}
	watch(t, atDrop(t, d), everything, keeper)
	for i, a := range keeper.UntilKept(t, 3) {
		if raw := string(keeper.Raw(a)); raw != some(i+1, i+1)[0].raw {
			t.Errorf("mail %d came as %.100q", i+1, raw)
		}
	}
}

// TestTwins: a server may give mails with the same bytes one name. Both are kept, and neither is
// deleted, since it stays open which one is meant.
func TestTwins(t *testing.T) {
	t.Parallel()
	d := newMaildrop(t, dropped{"a", "A: 1\r\n\r\n"}, dropped{"b", "A: 2\r\n\r\n"}, dropped{"a", "A: 1\r\n\r\n"})
	if got, err := fetched(t, d); err != nil || len(got) != 3 {
		t.Errorf("got %q, %v", got, err)
	}
	src, err := pop3.Open(t.Context(), atDrop(t, d))
	check(t, err)
	defer src.Close()
	check(t, src.Fetch(t.Context(), nothing{}, nil))
	for _, name := range []string{"a", "a#2"} {
		if err := src.Settle(t.Context(), ticketing.Ref{UID: name}, "delete"); !errors.Is(err, mailbox.ErrCannot) {
			t.Errorf("delete %s: %v", name, err)
		}
	}
	check(t, src.Settle(t.Context(), ticketing.Ref{UID: "b"}, "delete"))
	check(t, src.Commit(t.Context()))
	if len(d.mails) != 2 {
		t.Errorf("left: %v", d.mails)
	}
}

// TestTroubleInWords is about servers that do not let us in, or not now.
func TestTroubleInWords(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		at, answer string
		caps       string
		login      bool // it counts as a refused login
		is         error
		hint       string
	}{
		"wrong password":          {at: "PASS", answer: "-ERR [AUTH] no\r\n", caps: "USER\r\n", login: true, hint: "check user and password"},
		"wrong password, no code": {at: "PASS", answer: "-ERR authentication failed\r\n", caps: "USER\r\n", login: true},
		"locked":                  {at: "PASS", answer: "-ERR [IN-USE] Do you have another POP session running?\r\n", caps: "USER\r\n", hint: "another POP session"},
		"locked, no code":         {at: "PASS", answer: "-ERR maildrop already locked\r\n", caps: "USER\r\n", hint: "already locked"},
		"too often":               {at: "PASS", answer: "-ERR [LOGIN-DELAY] wait\r\n", caps: "USER\r\n", hint: "wait"},
		"out of order":            {at: "PASS", answer: "-ERR [SYS/TEMP] disk\r\n", caps: "USER\r\n", hint: "disk"},
		"no UIDL":                 {at: "UIDL", answer: "-ERR what?\r\n", caps: "USER\r\n", is: pop3.ErrNoUIDL, hint: "by imap"},
		"no UIDL, no CAPA":        {at: "UIDL", answer: "-ERR what?\r\n", is: pop3.ErrNoUIDL},
		"a list that is none":     {at: "UIDL", answer: "+OK\r\n1\r\n.\r\n", caps: "USER\r\n", hint: "not a number and a name"},
		"only what is encrypted":  {at: "-", caps: "STLS\r\n", login: true, hint: `tls = "tls"`},
		"hangs up":                {at: "USER", answer: "", caps: "USER\r\n", hint: "closed the connection"},
		"another protocol":        {at: "USER", answer: "250 OK\r\n", caps: "USER\r\n", hint: "does not speak POP3"},
	} {
		d := newMaildrop(t, some(1, 1)...)
		d.caps = test.caps
		d.answer = func(line string) (string, bool) { return test.answer, strings.HasPrefix(line, test.at) }
		_, err := fetched(t, d)
		if err == nil || errors.Is(err, account.ErrLogin) != test.login || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.hint) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the password is in %v", name, err)
		}
	}
}

// TestSTLS: without it no password is sent, and what was said before it is not believed.
func TestSTLS(t *testing.T) {
	t.Parallel()
	for answer, hint := range map[string]string{
		"-ERR what?\r\n":              "no password was sent",
		"+OK\r\n+OK\r\nUSER\r\n.\r\n": "before the connection is encrypted",
	} {
		d := newMaildrop(t)
		d.answer = func(line string) (string, bool) { return answer, line == "STLS" }
		_, err := fetched(t, d, func(a *account.Account) { a.TLS = account.STARTTLS })
		if err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%q: %v", answer, err)
		}
		for _, line := range d.said() {
			if strings.HasPrefix(line, "PASS") || strings.HasPrefix(line, "USER") {
				t.Errorf("%q: sent %q", answer, line)
			}
		}
	}
}

// TestSilence: a server that says nothing is given up.
func TestSilence(t *testing.T) {
	t.Parallel()
	d := newMaildrop(t, some(1, 1)...)
	d.body = func(w io.Writer, raw string) bool {
		_, _ = io.WriteString(w, raw[:len(raw)/2])
		time.Sleep(500 * time.Millisecond)
		return false
	}
	_, err := fetched(t, d, func(a *account.Account) { a.Timeout = 100 * time.Millisecond })
	var silence *account.Silence
	if !errors.As(err, &silence) {
		t.Errorf("got %v", err)
	}
}

// TestNamedAnew: a server is replaced by one that names all mails otherwise; with a mailbox that
// remembers, nothing is kept twice. (ticketing.TestAllNamesAnew has the rest.)
func TestNamedAnew(t *testing.T) {
	t.Parallel()
	d, keeper := newMaildrop(t, some(1, 3)...), mailboxtest.NewKeeper()
	watch(t, atDrop(t, d), everything, keeper)
	keeper.UntilKept(t, 3)
	d.set(func() {
		d.mails = some(1, 4)
		for i := range d.mails {
			d.mails[i].name = fmt.Sprintf("new%d", i)
		}
	})
	if kept := keeper.UntilKept(t, 4); len(kept) != 4 || kept[3].Ref.UID != "new3" {
		t.Errorf("kept %d", len(kept))
	}
}
