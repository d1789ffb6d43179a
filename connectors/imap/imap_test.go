package imap_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"go.uber.org/goleak"

	"groupmail/connectors/account"
	"groupmail/connectors/imap"
	"groupmail/connectors/mailbox"
	"groupmail/connectors/mailbox/mailboxtest"
	"groupmail/deploy/testbed"
	"groupmail/ticketing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const user = "help"

// config is for a server without TLS on this machine.
func config(t testing.TB, address string) imap.Config {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	cfg := imap.Config{Account: account.Account{Host: host, TLS: account.Plain, User: user, Password: password(testbed.Password)}}
	if _, err := fmt.Sscan(port, &cfg.Port); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func password(p string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return p, nil }
}

func token(t string) func(context.Context, string) (string, error) {
	return func(context.Context, string) (string, error) { return t, nil }
}

func open(t testing.TB, cfg imap.Config) *imap.Mailbox {
	t.Helper()
	m, err := imap.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func source(cfg imap.Config) func(context.Context) (mailbox.Source, error) {
	return func(ctx context.Context) (mailbox.Source, error) { return imap.Open(ctx, cfg) }
}

func TestDovecot(t *testing.T) {
	server := testbed.NewDovecot(t)
	var mu sync.Mutex
	users := 0
	mailboxtest.Exercise(t, func(t *testing.T) mailboxtest.Box {
		mu.Lock()
		users++
		user := fmt.Sprintf("user%d", users)
		mu.Unlock()
		proxy := testbed.NewProxy(t, server.IMAP)
		cfg := config(t, proxy.Addr)
		cfg.User = user
		person := sync.OnceValue(func() *imapclient.Client { return server.Dial(user) })
		return box(t, cfg, person, func(raw []byte) { server.Deliver(user, raw) }, proxy.Cut)
	})
}

func TestMemoryServer(t *testing.T) {
	mailboxtest.Exercise(t, func(t *testing.T) mailboxtest.Box {
		s := newMemory(t, memoryCaps)
		proxy := testbed.NewProxy(t, s.address)
		box := box(t, config(t, proxy.Addr), sync.OnceValue(func() *imapclient.Client { return s.dial(t) }), s.deliver, proxy.Cut)
		box.Headed = true // of others it gives an empty body
		return box
	})
}

// box is an IMAP mailbox; person is another mail program on it.
func box(t *testing.T, cfg imap.Config, person func() *imapclient.Client, deliver func([]byte), cut func()) mailboxtest.Box {
	view := func(folder string) []message { return messages(t, person(), folder) }
	in := func(folder string, flag goimap.Flag, want bool) func([]byte) error {
		return func(raw []byte) error {
			n := 0
			for _, m := range view(folder) {
				if bytes.Equal(m.raw, raw) && (flag == "" || slices.ContainsFunc(m.flags, func(f goimap.Flag) bool { return strings.EqualFold(string(f), string(flag)) })) {
					n++
				}
			}
			if want != (n == 1) {
				return fmt.Errorf("%d mails with flag %q in %s, want one: %v", n, flag, folder, want)
			}
			return nil
		}
	}
	moved := func(folder string) func([]byte) error {
		there, away := in(folder, "", true), in("INBOX", "", false)
		return func(raw []byte) error {
			if err := there(raw); err != nil {
				return err
			}
			return away(raw)
		}
	}
	return mailboxtest.Box{
		Open:    source(cfg),
		Deliver: deliver,
		View: func() string {
			var b strings.Builder
			for _, m := range view("INBOX") {
				fmt.Fprintf(&b, "%d %v %q\n", m.uid, m.flags, m.raw)
			}
			return b.String()
		},
		Read: func() {
			c := person()
			sel(t, c, "INBOX", false)
			check(t, c.Store(all, &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Silent: true, Flags: []goimap.Flag{goimap.FlagSeen}}, nil).Close())
		},
		Remove: func(i int) {
			c := person()
			sel(t, c, "INBOX", false)
			check(t, c.Store(goimap.SeqSetNum(uint32(i+1)), &goimap.StoreFlags{
				Op: goimap.StoreFlagsAdd, Silent: true, Flags: []goimap.Flag{goimap.FlagDeleted},
			}, nil).Close())
			check(t, c.Expunge().Close())
		},
		Break:   cut,
		Ordered: true, Dated: true, Told: true,
		Fates: map[ticketing.Fate]func([]byte) error{
			"seen":            in("INBOX", goimap.FlagSeen, true),
			"keyword:$Done":   in("INBOX", "$Done", true),
			"delete":          in("INBOX", "", false),
			"move:Done":       moved("Done"),
			"move:Old/2025":   moved("Old/2025"),
			"move:Erledigt ü": moved("Erledigt ü"),
		},
	}
}

var all = goimap.SeqSet{goimap.SeqRange{Start: 1, Stop: 0}}

type message struct {
	uid   goimap.UID
	flags []goimap.Flag
	raw   []byte
}

func sel(t testing.TB, c *imapclient.Client, folder string, readOnly bool) *goimap.SelectData {
	t.Helper()
	data, err := c.Select(folder, &goimap.SelectOptions{ReadOnly: readOnly}).Wait()
	if err != nil {
		t.Fatalf("select %s: %v", folder, err)
	}
	return data
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// messages lists a folder as another mail program sees it.
func messages(t testing.TB, c *imapclient.Client, folder string) []message {
	t.Helper()
	data, err := c.Select(folder, &goimap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil || data.NumMessages == 0 {
		return nil
	}
	body := &goimap.FetchItemBodySection{Peek: true}
	got, err := c.Fetch(all, &goimap.FetchOptions{UID: true, Flags: true, BodySection: []*goimap.FetchItemBodySection{body}}).Collect()
	check(t, err)
	var list []message
	for _, g := range got {
		flags := slices.DeleteFunc(g.Flags, func(f goimap.Flag) bool { return f == `\Recent` })
		slices.Sort(flags)
		list = append(list, message{g.UID, flags, g.FindBodySection(body)})
	}
	return list
}

// memory is go-imap's server in memory, with the extensions and oddities that a test gives it.
type memory struct {
	address string
	user    *imapmemserver.User
	server  *imapserver.Server
}

var memoryCaps = goimap.CapSet{
	goimap.CapIMAP4rev1: {}, goimap.CapNamespace: {}, goimap.CapUIDPlus: {}, goimap.CapESearch: {},
	goimap.CapListExtended: {}, goimap.CapListStatus: {}, goimap.CapMove: {}, goimap.CapSpecialUse: {},
}

// newMemory starts one; wrap may replace its sessions.
func newMemory(t testing.TB, caps goimap.CapSet, wrap ...func(*imapserver.Conn, *imapmemserver.UserSession) imapserver.Session) *memory {
	t.Helper()
	m := &memory{user: imapmemserver.NewUser(user, testbed.Password)}
	for _, folder := range []string{"INBOX", "Sent"} {
		check(t, m.user.Create(folder, nil))
	}
	m.server = imapserver.New(&imapserver.Options{
		NewSession: func(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			session := imapmemserver.NewUserSession(m.user)
			for _, w := range wrap {
				return w(c, session), nil, nil
			}
			return session, nil, nil
		},
		Caps: caps, InsecureAuth: true, Logger: log.New(io.Discard, "", 0),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	m.address = l.Addr().String()
	var wg sync.WaitGroup
	wg.Go(func() { _ = m.server.Serve(l) })
	t.Cleanup(func() {
		_ = m.server.Close()
		wg.Wait()
	})
	return m
}

type literal struct{ *bytes.Reader }

func (m *memory) deliver(raw []byte) { m.deliverTo("INBOX", raw) }

func (m *memory) deliverTo(folder string, raw []byte) {
	if _, err := m.user.Append(folder, literal{bytes.NewReader(raw)}, &goimap.AppendOptions{}); err != nil {
		panic(err)
	}
}

func (m *memory) dial(t testing.TB) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialInsecure(m.address, nil)
	check(t, err)
	t.Cleanup(func() { _ = c.Close() })
	check(t, c.Login(user, testbed.Password).Wait())
	return c
}
