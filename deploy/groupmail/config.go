package main

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"groupmail/connectors/account"
	"groupmail/connectors/account/oauth"
	"groupmail/ticketing"
)

// Config is the whole configuration, with every default filled in. The file that it is read from is
// explained in deploy/groupmail.example.toml.
type Config struct {
	Listen   string // host:port of the HTTP server
	Public   string // where members' browsers reach it; empty: nowhere
	Data     string // folder of the SQLite database and the browser channel's journal
	Database Secret // a postgres:// address; empty: SQLite in Data
	Log      LogConfig

	Mattermost *MattermostConfig // nil: not used
	Slack      *SlackConfig      // nil: not used
	Browser    *BrowserConfig    // nil: not used
	OIDC       *OIDCConfig       // nil: one signs in to the web view from the chat alone
	Groups     []GroupConfig
}

// LogConfig says what is logged, and how.
type LogConfig struct {
	Level slog.Level
	JSON  bool
}

// MattermostConfig is a bot account on a Mattermost server.
type MattermostConfig struct {
	URL           string
	Token         Secret
	CommandTokens []Secret
	Callback      string // base address at which the server reaches us
}

// SlackConfig is an app in a Slack workspace. One of AppToken and SigningSecret is set.
type SlackConfig struct {
	BotToken      Secret
	AppToken      Secret // Socket Mode
	SigningSecret Secret // HTTP
	APIURL        string // empty: Slack's
}

// BrowserConfig is the channel in a web page. It has no login.
type BrowserConfig struct {
	People []string // names; in lower case they are ids and handles
}

// GroupConfig is a team. Its Mailboxes and Boards are in the embedded Group; Accounts says how each
// mailbox, by its place, is reached.
type GroupConfig struct {
	ticketing.Group
	Accounts []MailboxConfig
}

// MailboxConfig is how mail comes from and goes out through a mailbox.
type MailboxConfig struct {
	ticketing.Mailbox
	From       string  // fromIMAP, fromPOP3, fromMbox or fromMaildir
	IMAP, POP3 Account // the one of From
	Path       string  // of fromMbox and fromMaildir
	SMTP       Account
	Done, Junk ticketing.Fate // of mail whose conversation is closed, or spam
	Sent       string         // sentAppend, sentServer or sentNone
	SentFolder string         // empty: the one that the server marks
	Poll       time.Duration
	Trusted    []string // hosts whose Authentication-Results count
}

// Account is a sign-in on a mail server.
type Account struct {
	Host           string
	Port           int
	TLS            string // account.TLS, STARTTLS or Plain
	User           string
	Password       Secret
	OAuth          *OAuth // nil: one signs in with the password
	AllowPlaintext bool
	CA             string // file of the authorities whose certificates count; empty: the system's
	caLine         int
}

// OAuth says how one signs in without a password.
type OAuth struct {
	Key      string // of the tokens; several accounts may share them
	Provider oauth.Provider
	ClientID string
	Secret   Secret
	Expires  time.Time // when Secret does; zero if that is not known
	App      bool      // the application signs in as itself
}

// The words of the configuration file.
const (
	sentAppend = "append" // GroupMail files a copy of each sent mail
	sentServer = "server" // the mail server does so by itself
	sentNone   = "none"   // nobody does

	platformMattermost = "mattermost"
	platformSlack      = "slack"
	platformBrowser    = "browser"
)

// roots are the authorities whose certificates count: those of the file, read anew so that a renewed one
// needs no restart, or the system's (nil).
func (a Account) roots() *x509.CertPool {
	if a.CA == "" {
		return nil
	}
	pool := x509.NewCertPool()
	if pem, err := os.ReadFile(a.CA); err == nil { // else nobody is trusted; Load has looked
		pool.AppendCertsFromPEM(pem)
	}
	return pool
}

// plaintext tells whether a password would cross the network unencrypted.
func (a Account) plaintext() bool { return a.TLS == account.Plain && !loopback(a.Host) }

// loopback tells whether a host is this machine, as far as that can be seen from its name.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// accounts lists all sign-ins on mail servers.
func (c Config) accounts() (all []Account) {
	for _, g := range c.Groups {
		for _, m := range g.Accounts {
			all = append(all, m.reader(), m.SMTP)
		}
	}
	return all
}

// signIns are those without a password, each once.
func (m MailboxConfig) signIns() (all []*OAuth) {
	for _, a := range []Account{m.reader(), m.SMTP} {
		if a.OAuth != nil && !slices.Contains(all, a.OAuth) {
			all = append(all, a.OAuth)
		}
	}
	return all
}

// groups are in the form that the desk wants.
func (c Config) groups() []ticketing.Group {
	var all []ticketing.Group
	for _, g := range c.Groups {
		all = append(all, g.Group)
	}
	return all
}

// account finds a mailbox by its name.
func (c Config) account(mailbox string) (MailboxConfig, bool) {
	for _, g := range c.Groups {
		for _, a := range g.Accounts {
			if a.Name == mailbox {
				return a, true
			}
		}
	}
	return MailboxConfig{}, false
}

// channels are those of a platform that are boards.
func (c Config) channels(platform string) []string {
	var all []string
	for _, g := range c.Groups {
		for _, b := range g.Boards {
			if b.Platform == platform {
				all = append(all, b.Channel)
			}
		}
	}
	return all
}

// secrets lists all that the configuration names.
func (c Config) secrets() []Secret {
	all := []Secret{c.Database}
	if c.Mattermost != nil {
		all = append(all, c.Mattermost.Token)
		all = append(all, c.Mattermost.CommandTokens...)
	}
	if c.Slack != nil {
		all = append(all, c.Slack.BotToken, c.Slack.AppToken, c.Slack.SigningSecret)
	}
	if c.OIDC != nil {
		all = append(all, c.OIDC.Secret)
	}
	for _, g := range c.Groups {
		for _, a := range g.Accounts {
			all = append(all, a.reader().Password, a.SMTP.Password)
			for _, o := range a.signIns() {
				all = append(all, o.Secret)
			}
		}
	}
	return slices.DeleteFunc(all, func(s Secret) bool { return s.from == "" })
}

// FaultyFile is the error of a configuration file: everything that is wrong with it, a line each.
type FaultyFile struct {
	Path   string
	Faults []string // "groupmail.toml:14: imap.port: …"
}

func (e *FaultyFile) Error() string { return strings.Join(e.Faults, "\n") }

func (f faults) err(path string) error {
	if len(f) == 0 {
		return nil
	}
	slices.SortStableFunc(f, func(a, b fault) int { return cmp.Compare(a.line, b.line) })
	e := &FaultyFile{Path: path}
	for _, one := range f {
		at := path
		if one.line > 0 {
			at = fmt.Sprintf("%s:%d", path, one.line)
		}
		e.Faults = append(e.Faults, at+": "+one.text)
	}
	return e
}

// Load reads the configuration file and looks after the secrets that it names. Warnings are no
// faults, but should be read.
func Load(path string) (cfg Config, warnings []string, err error) {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return cfg, nil, fmt.Errorf("there is no file %s. Name your configuration with --config; deploy/groupmail.example.toml is one to begin with", path)
	case err != nil:
		return cfg, nil, fmt.Errorf("the configuration cannot be read: %w", err)
	}
	cfg, bad := parse(data)
	for _, a := range cfg.accounts() {
		if a.CA != "" && a.roots().Equal(x509.NewCertPool()) {
			bad.add(a.caLine, "ca: %s cannot be read, or holds no certificate in PEM form (-----BEGIN CERTIFICATE-----).", a.CA)
		}
	}
	plain := 0
	seen := map[string]bool{}
	for _, s := range cfg.secrets() {
		switch {
		case s.plain():
			plain++
		case seen[s.from]:
		default:
			seen[s.from] = true
			if _, err := s.Read(); err != nil {
				bad.add(s.line, "%s: %v.", s.name, err)
			}
			if readable, err := s.open(); err == nil && readable {
				warnings = append(warnings, fmt.Sprintf("%s:%d: %s: others on this machine can read %s. Cure: chmod 600 it.",
					path, s.line, s.name, strings.TrimPrefix(s.from, "file:")))
			}
		}
	}
	if info, err := os.Stat(path); err == nil && plain > 0 && info.Mode().Perm()&0o044 != 0 {
		warnings = append(warnings, fmt.Sprintf("%s: holds %s, and others on this machine can read it. Cure: chmod 600 %s, or write env:NAME or file:/path instead.",
			path, count(plain, "password", "passwords"), path))
	}
	return cfg, warnings, bad.err(path)
}

// Parse reads a configuration. Its error names all faults with their lines. It looks at nothing but
// data: whether files and environment variables are there, Load asks.
func Parse(data []byte) (Config, error) {
	cfg, bad := parse(data)
	return cfg, bad.err("groupmail.toml")
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
