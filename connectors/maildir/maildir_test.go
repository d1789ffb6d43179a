package maildir_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gomaildir "github.com/emersion/go-maildir"
	"go.uber.org/goleak"

	"groupmail/connectors/mailbox"
	"groupmail/connectors/mailbox/mailboxtest"
	"groupmail/connectors/maildir"
	"groupmail/deploy/testbed"
	"groupmail/ticketing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newMaildir makes one as another library does.
func newMaildir(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "Maildir")
	check(t, gomaildir.Dir(path).Init())
	return path
}

func open(path string) func(context.Context) (mailbox.Source, error) {
	return func(context.Context) (mailbox.Source, error) { return maildir.Open(path) }
}

// put delivers a mail under a name of its own into a folder.
func put(t testing.TB, folder, name string, raw []byte) {
	t.Helper()
	check(t, os.MkdirAll(folder, 0o700))
	tmp := filepath.Join(t.TempDir(), "mail")
	check(t, os.WriteFile(tmp, raw, 0o600))
	check(t, os.Rename(tmp, filepath.Join(folder, name)))
}

func names(t testing.TB, folder string) (all []string) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	check(t, err)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// in tells whether a folder holds exactly one copy of a mail, under a name that holds something.
func in(t testing.TB, folder, part string, raw []byte) bool {
	n := 0
	for _, name := range names(t, folder) {
		if got, err := os.ReadFile(filepath.Join(folder, name)); err == nil && bytes.Equal(got, raw) && strings.Contains(name, part) {
			n++
		}
	}
	return n == 1
}

func TestConformance(t *testing.T) {
	mailboxtest.Exercise(t, func(t *testing.T) mailboxtest.Box {
		path := newMaildir(t)
		n := 0
		all := func() []string {
			var all []string
			for _, sub := range []string{"new", "cur"} {
				for _, name := range names(t, filepath.Join(path, sub)) {
					all = append(all, filepath.Join(path, sub, name))
				}
			}
			slices.SortFunc(all, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
			return all
		}
		away := func(raw []byte) error {
			if in(t, filepath.Join(path, "new"), "", raw) || in(t, filepath.Join(path, "cur"), "", raw) {
				return errors.New("it is still there")
			}
			return nil
		}
		moved := func(folder string) func([]byte) error {
			return func(raw []byte) error {
				if !in(t, filepath.Join(path, folder, "cur"), ":2,", raw) {
					return fmt.Errorf("it is not in %s: %v", folder, names(t, path))
				}
				return away(raw)
			}
		}
		return mailboxtest.Box{
			Open: open(path),
			Deliver: func(raw []byte) {
				n++
				put(t, filepath.Join(path, "new"), fmt.Sprintf("%d.M%06dP1.host", time.Now().Unix(), n), raw)
			},
			View: func() string {
				var b strings.Builder
				for _, file := range all() {
					raw, err := os.ReadFile(file)
					check(t, err)
					fmt.Fprintf(&b, "%s %q\n", file, raw)
				}
				return b.String()
			},
			Read: func() {
				_, err := gomaildir.Dir(path).Unseen() // moves new to cur
				check(t, err)
				check(t, gomaildir.Dir(path).Walk(func(m *gomaildir.Message) error { return m.SetFlags([]gomaildir.Flag{gomaildir.FlagSeen}) }))
			},
			Remove: func(i int) { check(t, os.Remove(all()[i])) },
			Told:   true,
			Fates: map[ticketing.Fate]func([]byte) error{
				"seen": func(raw []byte) error {
					if !in(t, filepath.Join(path, "cur"), ":2,S", raw) {
						return fmt.Errorf("it is not seen in cur: %v", all())
					}
					return nil
				},
				"delete":          away,
				"move:Done":       moved(".Done"),
				"move:Old/2025":   moved(".Old.2025"),
				"move:Erledigt ü": moved(".Erledigt &APw-"),
			},
		}
	})
}

// watch runs the pick-up loop until the test ends, and returns what stops it.
func watch(t *testing.T, path string, cfg mailbox.Config, keeper *mailboxtest.Keeper) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	cfg.Name = "help"
	if cfg.Poll == 0 {
		cfg.Poll = time.Hour // nothing is found by looking
	}
	w := mailbox.New(cfg, open(path), keeper.As("one"), slog.New(slog.DiscardHandler))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.Run(ctx)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// TestFlagsAndMovesAreNoNews: mail programs rename files as they like, and nothing is kept twice; a
// mail that comes back under a new name is another place of the same.
func TestFlagsAndMovesAreNoNews(t *testing.T) {
	path, keeper := newMaildir(t), mailboxtest.NewKeeper()
	stop := watch(t, path, mailbox.Config{Since: ticketing.Since{All: true}}, keeper)
	fresh, cur := filepath.Join(path, "new"), filepath.Join(path, "cur")
	put(t, fresh, "1700000001.M1P1.host", mailboxtest.Mail(1))
	put(t, cur, "1700000002.M1P1.host,S=300:2,", mailboxtest.Mail(2))
	put(t, cur, "1700000003.M1P1.host;2,F", mailboxtest.Mail(3))
	put(t, cur, "1700000004.M1P1.host", mailboxtest.Mail(4)) // without flags
	put(t, fresh, "no time at all", mailboxtest.Mail(5))
	put(t, fresh, ".hidden", mailboxtest.Mail(6))
	check(t, os.Mkdir(filepath.Join(fresh, "1700000005.M1P1.host"), 0o700))
	keeper.UntilKept(t, 5)
	for from, to := range map[string]string{
		fresh + "/1700000001.M1P1.host":              cur + "/1700000001.M1P1.host:2,",
		cur + "/1700000002.M1P1.host,S=300:2,":       cur + "/1700000002.M1P1.host,S=300,U=7:2,RS",
		cur + "/1700000003.M1P1.host;2,F":            cur + "/1700000003.M1P1.host;2,FS",
		cur + "/1700000004.M1P1.host":                cur + "/1700000004.M1P1.host:2,T",
		filepath.Join(fresh, "no time at all"):       filepath.Join(cur, "no time at all:2,S"),
		filepath.Join(fresh, "1700000005.M1P1.host"): filepath.Join(cur, "1700000005.M1P1.host:2,S"),
	} {
		check(t, os.Rename(from, to))
	}
	stop()
	before := keeper.Asked()
	watch(t, path, mailbox.Config{Since: ticketing.Since{All: true}}, keeper)
	put(t, fresh, "1700000009.M1P1.host", mailboxtest.Mail(9))
	if n := len(keeper.UntilKept(t, 6)); n != 6 {
		t.Errorf("%d mails are kept, want 6", n)
	}
	if asked := keeper.Asked() - before; asked > 12 {
		t.Errorf("asked about %d mails, want each once and a few more", asked)
	}
}

// TestSinceNow: what was there at the first look stays unwanted, whatever its date, through restarts;
// an old mail that is put there afterwards is wanted.
func TestSinceNow(t *testing.T) {
	path, keeper := newMaildir(t), mailboxtest.NewKeeper()
	fresh := filepath.Join(path, "new")
	for n := range 3 {
		put(t, fresh, fmt.Sprintf("%d.M%dP1.host", time.Now().Add(time.Hour).Unix(), n), mailboxtest.Mail(n))
	}
	stop := watch(t, path, mailbox.Config{}, keeper)
	keeper.Until(t, "a look", func() bool { return len(keeper.Looks()) > 0 })
	stop()
	put(t, fresh, "1000000000.M1P1.host", mailboxtest.Mail(10))
	watch(t, path, mailbox.Config{}, keeper)
	keeper.UntilKept(t, 1)
	put(t, fresh, "1000000001.M1P1.host", mailboxtest.Mail(11))
	kept := keeper.UntilKept(t, 2)
	if got := kept[0].Mail.Subject + ", " + kept[1].Mail.Subject; len(kept) != 2 || got != "Mail 10, Mail 11" {
		t.Errorf("kept %d: %s", len(kept), got)
	}
}

// racing renames the files while they are read, as a mail program does.
type racing struct {
	ticketing.Window
	meanwhile func()
}

func (r *racing) Look(context.Context, ticketing.Box) (ticketing.Window, error) { return r.Window, nil }

func (r *racing) Unknown(_ context.Context, refs []ticketing.Ref) ([]ticketing.Ref, error) {
	r.meanwhile()
	return refs, nil
}

func TestRenamedMeanwhile(t *testing.T) {
	path := newMaildir(t)
	fresh, cur := filepath.Join(path, "new"), filepath.Join(path, "cur")
	for n := range 4 {
		put(t, fresh, fmt.Sprintf("170000000%d.M1P1.host", n), mailboxtest.Mail(n))
	}
	src, err := maildir.Open(path)
	check(t, err)
	defer src.Close()
	var got []string
	ledger := &racing{meanwhile: func() {
		check(t, os.Rename(fresh+"/1700000000.M1P1.host", cur+"/1700000000.M1P1.host:2,S"))
		check(t, os.Remove(fresh+"/1700000001.M1P1.host"))
	}}
	err = src.Fetch(t.Context(), ledger, func(_ context.Context, raw mailbox.Raw) error {
		if raw.Ref.UID == "1700000002.M1P1.host" { // while another is read
			check(t, os.Rename(fresh+"/1700000003.M1P1.host", cur+"/1700000003.M1P1.host:2,"))
			check(t, os.Rename(cur+"/1700000003.M1P1.host:2,", cur+"/1700000003.M1P1.host:2,RS"))
		}
		body, err := io.ReadAll(raw.Body)
		got = append(got, raw.Ref.UID[9:10])
		if !bytes.Contains(body, []byte("Subject: Mail "+raw.Ref.UID[9:10])) {
			t.Errorf("%s holds %q", raw.Ref.UID, body)
		}
		return err
	})
	check(t, err)
	if want := []string{"0", "2", "3"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestUnreadableFile: one mail that cannot be read stops no other, and is kept unread in the end.
func TestUnreadableFile(t *testing.T) {
	if os.Getuid() == 0 {
		// Root reads everything; a link to nowhere that is no "not found" does the same.
		t.Log("as root, by a loop of links")
	}
	path, keeper := newMaildir(t), mailboxtest.NewKeeper()
	fresh := filepath.Join(path, "new")
	check(t, os.Symlink("1700000001.M1P1.host", filepath.Join(fresh, "1700000001.M1P1.host"))) // ELOOP
	put(t, fresh, "1700000002.M1P1.host", mailboxtest.Mail(2))
	watch(t, path, mailbox.Config{Since: ticketing.Since{All: true}, Poll: 20 * time.Millisecond}, keeper)
	keeper.UntilKept(t, 1)
	keeper.Until(t, "it is given up", func() bool {
		return keeper.Faults()[ticketing.Ref{UID: "1700000001.M1P1.host"}] == 3
	})
}

// TestKilled: the process dies between a mail's keeping and its fate, and each of them is done once.
func TestKilled(t *testing.T) {
	for _, at := range []string{"Receive", "Settled"} {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprint(at, " ", done), func(t *testing.T) {
				path, keeper := newMaildir(t), mailboxtest.NewKeeper()
				var crashes atomic.Int32
				keeper.Fail = func(operation string, after bool) error {
					if operation == at && after == done && crashes.CompareAndSwap(0, 1) {
						return errors.New("killed")
					}
					return nil
				}
				put(t, filepath.Join(path, "new"), "1700000001.M1P1.host", mailboxtest.Mail(1))
				keeper.Process("help", ticketing.Settlement{Ref: ticketing.Ref{UID: "1700000001.M1P1.host"}, Why: ticketing.Done})
				watch(t, path, mailbox.Config{Since: ticketing.Since{All: true}, Done: "move:Done"}, keeper)
				keeper.UntilKept(t, 1)
				keeper.Until(t, "settled, after a crash", func() bool { return len(keeper.Settlements()) > 0 && crashes.Load() == 1 })
				if !in(t, filepath.Join(path, ".Done", "cur"), "", mailboxtest.Mail(1)) || len(keeper.Kept()) != 1 {
					t.Errorf("kept %d, in Done %v", len(keeper.Kept()), names(t, filepath.Join(path, ".Done", "cur")))
				}
			})
		}
	}
}

// TestFolderReplaced: somebody puts another Maildir in the place of the one that is watched.
func TestFolderReplaced(t *testing.T) {
	path, keeper := newMaildir(t), mailboxtest.NewKeeper()
	watch(t, path, mailbox.Config{Since: ticketing.Since{All: true}}, keeper)
	put(t, filepath.Join(path, "new"), "1700000001.M1P1.host", mailboxtest.Mail(1))
	keeper.UntilKept(t, 1)
	check(t, os.Rename(path, path+".old"))
	check(t, gomaildir.Dir(path).Init())
	put(t, filepath.Join(path, "new"), "1700000002.M1P1.host", mailboxtest.Mail(2))
	keeper.UntilKept(t, 2)
}

func TestOpenRefusals(t *testing.T) {
	for what, path := range map[string]string{
		"nothing there":   filepath.Join(t.TempDir(), "none"),
		"an empty folder": t.TempDir(),
	} {
		if _, err := maildir.Open(path); err == nil || !strings.Contains(err.Error(), "new, cur and tmp") {
			t.Errorf("%s: %v", what, err)
		}
	}
	path := newMaildir(t)
	src, err := maildir.Open(path)
	check(t, err)
	defer src.Close()
	if err := src.Settle(t.Context(), ticketing.Ref{UID: "x"}, "move:INBOX"); !errors.Is(err, mailbox.ErrCannot) {
		t.Errorf("into itself: %v", err)
	}
}

// TestDovecotShares: Dovecot and GroupMail work on the same Maildir, each as it likes.
func TestDovecotShares(t *testing.T) {
	server := testbed.NewDovecot(t)
	server.Deliver("help", mailboxtest.Mail(1))
	path := server.Maildir("help")
	keeper := mailboxtest.NewKeeper()
	watch(t, path, mailbox.Config{Since: ticketing.Since{All: true}, Done: "move:Alt/Für später"}, keeper)
	keeper.UntilKept(t, 1)
	check(t, server.Dial("help").Create("Alt/Für später", nil).Wait()) // theirs, since the server is another user
	server.Messages("help", "INBOX")                                   // takes it over into cur
	server.Deliver("help", mailboxtest.Mail(2))
	kept := keeper.UntilKept(t, 2)
	keeper.Process("help", ticketing.Settlement{Ref: kept[0].Ref, Why: ticketing.Done})
	server.Deliver("help", mailboxtest.Mail(3)) // wakes the loop
	keeper.Until(t, "settled", func() bool { return len(keeper.Settlements()) == 1 })
	if left, there := server.Messages("help", "INBOX"), server.Messages("help", "Alt/Für später"); len(left) != 2 || len(there) != 1 {
		t.Errorf("Dovecot sees %v in INBOX and %v where the first went", left, there)
	}
}
