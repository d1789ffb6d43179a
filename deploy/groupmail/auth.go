package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"groupmail/connectors/account"
	"groupmail/connectors/account/oauth"
	"groupmail/connectors/imap"
	"groupmail/connectors/smtp"
	"groupmail/store"
	"groupmail/ticketing"
)

// signIns turns the configuration's accounts into the form that connectors want. All that are in a
// process share their tokens through it.
type signIns struct {
	cfg     Config
	sources map[string]*oauth.Source // by key
}

func newSignIns(cfg Config, vault oauth.Vault) *signIns {
	s := &signIns{cfg: cfg, sources: map[string]*oauth.Source{}}
	for _, g := range cfg.Groups {
		for _, m := range g.Accounts {
			for _, o := range m.signIns() {
				c := oauth.Config{
					Key: o.Key, Provider: o.Provider, ClientID: o.ClientID, SecretEnds: o.Expires, App: o.App,
					Hint: m.reader().User, Cure: "groupmail auth " + m.Name,
				}
				if o.Secret.Set() {
					c.Secret = func(context.Context) (string, error) { return o.Secret.Read() }
				}
				s.sources[o.Key] = oauth.New(c, vault)
			}
		}
	}
	return s
}

// vault is where tokens are kept: in the database, if several processes share it; else in the data
// folder, so that groupmail auth can be used while groupmail serve has the database.
func vault(cfg Config, st *store.Store) oauth.Vault {
	switch {
	case !cfg.Database.Set():
		return oauth.InFolder(filepath.Join(cfg.Data, "oauth"))
	case st == nil:
		return noVault{}
	}
	return oauth.InDatabase(st)
}

// noVault is in a database that could not be opened.
type noVault struct{}

var errNoVault = errors.New("the tokens are in the database, which cannot be opened")

func (noVault) Load(context.Context, string) (string, error) { return "", errNoVault }
func (noVault) Save(context.Context, string, string) error   { return errNoVault }
func (noVault) Lock(context.Context, string) (func(), error) { return nil, errNoVault }

func (s *signIns) imap(m MailboxConfig, folder string) imap.Config {
	return imap.Config{Account: s.account(m.IMAP), Folder: folder}
}

func (s *signIns) smtp(m MailboxConfig) smtp.Config { return smtp.Config{Account: s.account(m.SMTP)} }

func (s *signIns) account(a Account) account.Account {
	to := account.Account{
		Host: a.Host, Port: a.Port, TLS: a.TLS, User: a.User, AllowPlaintext: a.AllowPlaintext,
		Password: func(context.Context) (string, error) { return a.Password.Read() },
		RootCAs:  a.roots(),
	}
	if a.OAuth != nil {
		to.Token = s.sources[a.OAuth.Key].Token
	}
	return to
}

// stamp is for mailbox.Config.Credentials: it differs whenever user or password do, or somebody has
// signed in.
func (s *signIns) stamp(a Account) func() string {
	return func() string {
		secret := ""
		if a.OAuth != nil {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			secret = s.sources[a.OAuth.Key].Stamp(ctx)
		} else if password, err := a.Password.Read(); err == nil {
			secret = password
		} else {
			secret = err.Error()
		}
		sum := sha256.Sum256([]byte(a.User + "\x00" + secret))
		return hex.EncodeToString(sum[:])
	}
}

// ending is something of a mailbox that a person must renew in time.
type ending struct {
	Mailbox string
	oauth.Expiry
}

// endings are all that are known, the first to end first. An error may come with some of them.
func (s *signIns) endings(ctx context.Context) (all []ending, err error) {
	for _, g := range s.cfg.Groups {
		for _, m := range g.Accounts {
			for _, o := range m.signIns() {
				found, failed := s.sources[o.Key].Expiries(ctx)
				err = errors.Join(err, failed)
				for _, e := range found {
					all = append(all, ending{m.Name, e})
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b ending) int { return a.Ends.Compare(b.Ends) })
	return all, err
}

// notices are how many days before an end it is announced.
var notices = []int{7, 30}

// notice is the announcement that is due: 30 or 7 days ahead, 0 once it has ended; false if none is.
func (e ending) notice(now time.Time) (days int, due bool) {
	left := e.Ends.Sub(now)
	if left <= 0 {
		return 0, true
	}
	for _, days := range notices {
		if left <= time.Duration(days)*24*time.Hour {
			return days, true
		}
	}
	return 0, false
}

// text says it to a person.
func (e ending) text(now time.Time) string {
	day := e.Ends.Format("2 January 2006")
	if !e.Ends.After(now) {
		return fmt.Sprintf("%s has ended on %s: %s", e.What, day, e.Cure)
	}
	return fmt.Sprintf("%s ends on %s, in %s; before that, %s", e.What, day,
		count(int(e.Ends.Sub(now)/(24*time.Hour)), "day", "days"), e.Cure)
}

// ending is what check says about the ends of a mailbox's sign-ins.
func (s *signIns) ending(ctx context.Context, m MailboxConfig) (found []finding) {
	now := time.Now()
	endings, err := s.endings(ctx)
	if err != nil {
		found = append(found, finding{untried, m.Name + ", signing in: when it ends is not known: " + oneLine(err.Error(), 1000)})
	}
	for _, e := range endings {
		days, due := e.notice(now)
		if e.Mailbox != m.Name || !due {
			continue
		}
		mark := untried
		if days == 0 {
			mark = bad
		}
		found = append(found, finding{mark, m.Name + ", signing in: " + e.text(now)})
	}
	return found
}

type authCommand struct {
	configFlag
	Mailbox string `arg:"" help:"The mailbox's name or address."`
}

// Run signs in to a mailbox, as often as it has sign-ins of its own, and tries it out. It may be used
// while groupmail serve runs, which takes up what it keeps.
func (c *authCommand) Run(ctx context.Context, s streams) error {
	cfg, err := c.load(s)
	if err != nil {
		return err
	}
	group, m, err := cfg.mailboxNamed(c.Mailbox)
	if err != nil {
		return err
	}
	if len(m.signIns()) == 0 {
		fmt.Fprintf(s.out, "%s signs in with a password: there is nothing to do here. groupmail check tries it.\n", m.Name)
		return nil
	}
	var st *store.Store
	if cfg.Database.Set() {
		if st, err = openStore(ctx, cfg, ticketing.SystemClock, slog.New(slog.DiscardHandler)); err != nil {
			return fmt.Errorf("database: %w", err)
		}
		defer st.Close() // what it was given is committed
	}
	all := newSignIns(cfg, vault(cfg, st))
	typed := lines(s.in)
	for _, o := range m.signIns() {
		if err := all.sources[o.Key].SignIn(ctx, func(line string) { fmt.Fprintln(s.out, line) }, typed); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s signed in at %s\n", good, o.Provider.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	failed := false
	for _, f := range all.try(ctx, group, m) {
		fmt.Fprintf(s.out, "%s %s\n", f.mark, f.text)
		failed = failed || f.mark == bad
	}
	if failed {
		return errTold
	}
	return nil
}

// mailboxNamed finds a mailbox by its name or its address.
func (c Config) mailboxNamed(name string) (ticketing.Group, MailboxConfig, error) {
	var names []string
	for _, g := range c.Groups {
		for _, m := range g.Accounts {
			if m.Name == name || strings.EqualFold(m.Address.Addr, name) {
				return g.Group, m, nil
			}
			names = append(names, m.Name)
		}
	}
	return ticketing.Group{}, MailboxConfig{}, fmt.Errorf("there is no mailbox %q in the configuration. There are: %s", name, strings.Join(names, ", "))
}

// lines are what is typed. The goroutine that reads ends with its input, which is the process's own.
func lines(r io.Reader) <-chan string {
	typed := make(chan string)
	go func() {
		defer close(typed)
		for scanner := bufio.NewScanner(r); scanner.Scan(); {
			typed <- scanner.Text()
		}
	}()
	return typed
}
