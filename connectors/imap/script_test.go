package imap_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"groupmail/connectors/account"
	"groupmail/connectors/imap"
	"groupmail/connectors/mailbox"
	"groupmail/ticketing"
)

// newScript starts a server that says what is written down: after "«COMMAND»" what it says before it
// acknowledges the next such command, for which "«COMMAND:NO text»" is another answer than OK. The
// last commands' answers are repeated if they come again; others are never answered. "<HANGUP>"
// closes the connection.
func newScript(t testing.TB, script string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				act(c, script)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

type answer struct{ command, says, status string }

func act(c net.Conn, script string) {
	greeting, rest, _ := strings.Cut(script, "«")
	_, _ = io.WriteString(c, greeting)
	var answers []answer
	for part := range strings.SplitSeq(rest, "«") {
		head, says, ok := strings.Cut(part, "»")
		if !ok {
			continue
		}
		command, status, _ := strings.Cut(head, ":")
		if status == "" {
			status = "OK done"
		}
		answers = append(answers, answer{command, says, status})
	}
	r := bufio.NewReader(c)
	next := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		tag, line, _ := strings.Cut(strings.TrimSpace(line), " ")
		if line == "LOGOUT" {
			_, _ = io.WriteString(c, tag+" OK bye\r\n")
			return
		}
		found := slices.IndexFunc(answers[next:], func(a answer) bool { return strings.HasPrefix(line, a.command) })
		if found < 0 {
			found = slices.IndexFunc(answers, func(a answer) bool { return strings.HasPrefix(line, a.command) }) - next
		}
		if next+found < 0 {
			continue
		}
		next += found
		a := answers[next]
		next++
		says, _, hangUp := strings.Cut(a.says, "<HANGUP>")
		_, _ = io.WriteString(c, says)
		if hangUp {
			return
		}
		_, _ = io.WriteString(c, tag+" "+a.status+"\r\n")
	}
}

// scripted is a server with one folder, as far as the first FETCH.
const scripted = "* OK [CAPABILITY IMAP4rev1] hello\r\n«CAPABILITY»* CAPABILITY IMAP4rev1\r\n«LOGIN»" +
	"«EXAMINE»* 3 EXISTS\r\n* OK [UIDVALIDITY 9] .\r\n* OK [UIDNEXT 4] .\r\n«NOOP»«NOOP»«UID SEARCH»* SEARCH 1 2 3\r\n"

// fetched runs one Fetch against a script and returns what came, by UID.
func fetched(t *testing.T, script string) (got map[string]string, refused map[string]error, dates int, err error) {
	t.Helper()
	cfg := config(t, newScript(t, script))
	cfg.Timeout = 2 * time.Second
	m := open(t, cfg)
	got, refused = map[string]string{}, map[string]error{}
	err = m.Fetch(t.Context(), everything{}, func(_ context.Context, raw mailbox.Raw) error {
		body, err := io.ReadAll(raw.Body)
		switch {
		case errors.Is(err, mailbox.ErrUnreadable):
			refused[raw.Ref.UID] = err
			return nil
		case err != nil:
			refused[raw.Ref.UID] = err
			return err
		}
		got[raw.Ref.UID] = string(body)
		if !raw.Received.IsZero() {
			dates++
		}
		return nil
	})
	return got, refused, dates, err
}

type everything struct{}

func (everything) Look(context.Context, ticketing.Box) (ticketing.Window, error) {
	return ticketing.Window{First: 1}, nil
}

func (everything) Unknown(_ context.Context, refs []ticketing.Ref) ([]ticketing.Ref, error) {
	return refs, nil
}

const date = ` INTERNALDATE "02-Jun-2025 10:00:00 +0200" RFC822.SIZE 2`

// TestFetchOddServers is about what real servers were seen doing, and about what go-imap makes of it.
func TestFetchOddServers(t *testing.T) {
	all := map[string]string{"1": "a1", "2": "a2", "3": "a3"}
	for name, test := range map[string]struct {
		script  string
		want    map[string]string
		refused string // UID
		text    string // in its error
		dates   int
		fails   bool // Fetch returns an error
	}{
		"plain": {
			script: "«UID FETCH»* 1 FETCH (UID 1" + date + " BODY[] {2}\r\na1)\r\n* 2 FETCH (UID 2" + date + " BODY[] {2}\r\na2)\r\n" +
				"* 3 FETCH (UID 3" + date + " BODY[] {2}\r\na3)\r\n",
			want: all, dates: 3,
		},
		"dates after the mail": {
			script: "«UID FETCH»* 1 FETCH (UID 1 BODY[] {2}\r\na1" + date + ")\r\n* 2 FETCH (UID 2 BODY[] {2}\r\na2" + date + ")\r\n" +
				"* 3 FETCH (UID 3 BODY[] {2}\r\na3" + date + ")\r\n",
			want: all,
		},
		"flags of another mail in between": {
			script: "«UID FETCH»* 3 FETCH (UID 3 FLAGS (\\Seen))\r\n* 1 FETCH (UID 1" + date + " BODY[] {2}\r\na1)\r\n" +
				"* 2 FETCH (UID 2" + date + " BODY[] {2}\r\na2)\r\n* 3 FETCH (UID 3" + date + " BODY[] {2}\r\na3)\r\n" +
				"«NOOP»«UID SEARCH»* SEARCH 3\r\n«UID FETCH»* 3 FETCH (UID 3" + date + " BODY[] {2}\r\na3)\r\n",
			want: all, dates: 3,
		},
		"UID after the mail": {
			script: "«UID FETCH»* 1 FETCH (" + date[1:] + " BODY[] {2}\r\na1 UID 1)\r\n* 2 FETCH (UID 2" + date + " BODY[] {2}\r\na2)\r\n" +
				"* 3 FETCH (UID 3" + date + " BODY[] {2}\r\na3)\r\n" +
				"«NOOP»«UID SEARCH»* SEARCH 1\r\n«UID FETCH»* 1 FETCH (" + date[1:] + " BODY[] {2}\r\na1 UID 1)\r\n",
			want: map[string]string{"2": "a2", "3": "a3"}, refused: "1", text: "sends nothing of it", dates: 2,
		},
		"one is refused": {
			script: "«UID FETCH:NO [SERVERBUG] Internal error»* 1 FETCH (UID 1" + date + " BODY[] {2}\r\na1)\r\n" +
				"«NOOP»«UID SEARCH»* SEARCH 2\r\n«UID FETCH:NO The message could not be converted»" +
				"«NOOP»«UID SEARCH»* SEARCH 3\r\n«UID FETCH»* 3 FETCH (UID 3" + date + " BODY[] {2}\r\na3)\r\n",
			want: map[string]string{"1": "a1", "3": "a3"}, refused: "2", text: "The message could not be converted", dates: 2,
		},
		"one is gone": {
			script: "«UID FETCH:NO [EXPUNGEISSUED] Some are gone»* 1 FETCH (UID 1" + date + " BODY[] {2}\r\na1)\r\n" +
				"* 3 FETCH (UID 3" + date + " BODY[] {2}\r\na3)\r\n«NOOP»* 2 EXPUNGE\r\n«UID SEARCH»* SEARCH\r\n",
			want: map[string]string{"1": "a1", "3": "a3"}, dates: 2,
		},
		"one is empty, although it has a size": {
			script: "«UID FETCH»* 1 FETCH (UID 1" + date + " BODY[] {2}\r\na1)\r\n* 2 FETCH (UID 2" + date + " BODY[] \"\")\r\n" +
				"* 3 FETCH (UID 3" + date + " BODY[] {2}\r\na3)\r\n" +
				"«NOOP»«UID SEARCH»* SEARCH 2\r\n«UID FETCH»* 2 FETCH (UID 2" + date + " BODY[] NIL)\r\n",
			want: map[string]string{"1": "a1", "3": "a3"}, refused: "2", text: "sends nothing of it", dates: 2,
		},
		"ends in the middle of a mail": {
			script: "«UID FETCH»* 1 FETCH (UID 1" + date + " BODY[] {2}\r\na1)\r\n* 2 FETCH (UID 2" + date + " BODY[] {2}\r\na<HANGUP>",
			want:   map[string]string{"1": "a1"}, refused: "2", text: "unexpected EOF", dates: 1, fails: true,
		},
		"hangs up before a mail, and says why": {
			script: "«UID FETCH»* 1 FETCH (UID 1" + date + " BODY[] {2}\r\na1)\r\n* BYE Mailbox is corrupt\r\n<HANGUP>",
			want:   map[string]string{"1": "a1"}, refused: "2", text: `the server says "Mailbox is corrupt"`, dates: 1, fails: true,
		},
		"talks nonsense": {
			script: "«UID FETCH»* 1 FETCH (UID 1" + date + " BODY[] {2}\r\na1)\r\n* 2 FETCH (UID 2 BODY[] {zwei}\r\n",
			want:   map[string]string{"1": "a1"}, refused: "2", text: "number64", dates: 1, fails: true,
		},
		"falls silent": {
			script: "«UID FETCH:»* 1 FETCH (UID 1" + date + " BODY[] {2}\r\na1)\r\n* 2 FETCH (UID 2" + date + " BODY[] {200000}\r\na",
			want:   map[string]string{"1": "a1"}, refused: "2", text: "said nothing for 2s", dates: 1, fails: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, refused, dates, err := fetched(t, scripted+test.script)
			if test.fails != (err != nil) {
				t.Errorf("Fetch returned %v", err)
			}
			for uid, want := range test.want {
				if got[uid] != want {
					t.Errorf("mail %s is %q, want %q", uid, got[uid], want)
				}
			}
			if len(got) != len(test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if dates != test.dates {
				t.Errorf("%d mails have a date, want %d", dates, test.dates)
			}
			switch {
			case test.refused == "" && len(refused) == 0:
			case refused[test.refused] == nil || len(refused) > 1:
				t.Errorf("refused are %v, want %s", refused, test.refused)
			case !strings.Contains(refused[test.refused].Error(), test.text):
				t.Errorf("refused for %q, want %q", refused[test.refused], test.text)
			}
		})
	}
}

// TestBye quotes what a server says when it hangs up.
func TestBye(t *testing.T) {
	_, err := imap.Open(t.Context(), config(t, newScript(t, "* BYE Too many connections\r\n")))
	if err == nil || !strings.Contains(err.Error(), `"Too many connections"`) {
		t.Errorf("got %v", err)
	}
	_, err = imap.Open(t.Context(), config(t, newScript(t,
		"* OK hello\r\n«CAPABILITY»* CAPABILITY IMAP4rev1\r\n«LOGIN»* BYE [ALERT] Pay your bill\r\n<HANGUP>")))
	if err == nil || !strings.Contains(err.Error(), `Pay your bill`) || errors.Is(err, account.ErrLogin) {
		t.Errorf("got %v", err)
	}
}

// TestFolderNames finds folders on servers with another delimiter and a prefix.
func TestFolderNames(t *testing.T) {
	const courier = "* OK hello\r\n«CAPABILITY»* CAPABILITY IMAP4rev1 NAMESPACE\r\n«LOGIN»" +
		"«LIST»* LIST (\\HasChildren) \".\" INBOX\r\n* LIST () \".\" \"INBOX.Old.2025\"\r\n* LIST () \".\" INBOX.Sent\r\n" +
		"* LIST (\\Noselect) \".\" INBOX.Old\r\n" +
		"«NAMESPACE»* NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\r\n" +
		"«EXAMINE \"Old\":NO None such»«EXAMINE \"Junk\":NO None such»" +
		"«EXAMINE»* 0 EXISTS\r\n* OK [UIDVALIDITY 9] .\r\n* OK [UIDNEXT 4] .\r\n«NOOP»"
	for folder, works := range map[string]bool{
		"INBOX": true, "inbox": true, "Sent": true, "INBOX.Sent": true, "Old/2025": true, "Old.2025": true, `\Sent`: true,
		"Old": false, "Junk": false,
	} {
		cfg := config(t, newScript(t, courier))
		cfg.Folder = folder
		m, err := imap.Open(t.Context(), cfg)
		if works != (err == nil) {
			t.Errorf("%s: %v", folder, err)
		}
		if !works && !errors.Is(err, imap.ErrNoFolder) {
			t.Errorf("%s: %v, want ErrNoFolder", folder, err)
		}
		if err == nil {
			check(t, m.Close())
		}
	}
}
