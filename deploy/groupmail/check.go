package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"groupmail/bot"
	"groupmail/connectors/account"
	"groupmail/connectors/imap"
	"groupmail/connectors/mattermost"
	"groupmail/connectors/slack"
	"groupmail/connectors/smtp"
	"groupmail/store"
	"groupmail/ticketing"
)

type checkCommand struct{ configFlag }

// checkTime is how long one server may take.
const checkTime = 20 * time.Second

// finding is a line of check's answer.
type finding struct {
	mark string // good, bad or untried
	text string
}

const (
	good    = "✓"
	bad     = "✗"
	untried = "–"
)

// Run tries everything out that the configuration names. It touches no mail and posts nothing. Its
// status is 1 if something does not work.
func (c *checkCommand) Run(ctx context.Context, s streams) error {
	failed := false
	tell := func(all ...finding) {
		for _, f := range all {
			fmt.Fprintf(s.out, "%s %s\n", f.mark, f.text)
			failed = failed || f.mark == bad
		}
	}
	cfg, warnings, err := Load(c.Config)
	var file *FaultyFile
	switch {
	case errors.As(err, &file):
		for _, fault := range file.Faults {
			tell(finding{bad, fault})
		}
		return errTold
	case err != nil:
		tell(finding{bad, err.Error()})
		return errTold
	}
	tell(finding{good, "configuration: " + c.Config})
	for _, w := range warnings {
		tell(finding{untried, w})
	}
	k := checker{cfg: cfg}
	defer k.close()
	tell(k.listen(ctx)...)
	tell(k.database(ctx))
	k.signIns = newSignIns(cfg, vault(cfg, k.store))
	for _, found := range k.servers(ctx) {
		tell(found...)
	}
	if failed {
		return errTold
	}
	return nil
}

// checker tries a configuration out.
type checker struct {
	cfg      Config
	listener net.Listener // where the service would listen; nil if it runs, or cannot
	running  *readiness   // of the groupmail serve on this machine; nil if none runs
	store    *store.Store // nil if it could not be opened
	signIns  *signIns
}

func (k *checker) close() {
	if k.listener != nil {
		_ = k.listener.Close()
	}
	if k.store != nil {
		_ = k.store.Close() // nothing was written that could be lost
	}
}

// listen takes the service's place, unless it runs.
func (k *checker) listen(ctx context.Context) []finding {
	if ready, ok := k.askRunning(ctx); ok {
		k.running = &ready
		return nil
	}
	var err error
	if k.listener, err = listen(ctx, k.cfg.Listen); err != nil {
		return []finding{{bad, oneLine(err.Error(), 1000)}}
	}
	return nil
}

func (k *checker) database(ctx context.Context) finding {
	if k.running != nil && !k.cfg.Database.Set() {
		if !k.running.Database.OK {
			return finding{bad, "database: GroupMail is running, and says: " + k.running.Database.Error}
		}
		return finding{good, "database: SQLite in " + k.cfg.Data + ", in use by the GroupMail that is running"}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	st, err := openStore(ctx, k.cfg, ticketing.SystemClock, slog.New(slog.DiscardHandler))
	if err != nil {
		return finding{bad, "database: " + oneLine(err.Error(), 1000)}
	}
	k.store = st
	return finding{good, "database: " + st.Describe()}
}

// askRunning asks the service on this machine, if it runs.
func (k *checker) askRunning(ctx context.Context) (r readiness, ok bool) {
	host, port, err := net.SplitHostPort(k.cfg.Listen)
	if err != nil {
		return r, false
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return r, false
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return r, false
	}
	defer resp.Body.Close()
	err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&r)
	return r, err == nil && r.Mailboxes != nil
}

// servers asks all servers at once; the answers come in the order of the configuration.
func (k *checker) servers(ctx context.Context) [][]finding {
	var asks []func(context.Context) []finding
	for _, g := range k.cfg.Groups {
		for _, m := range g.Accounts {
			asks = append(asks, func(ctx context.Context) []finding { return k.signIns.try(ctx, g.Group, m) })
		}
	}
	if k.cfg.Mattermost != nil {
		asks = append(asks, k.mattermost)
	}
	if k.cfg.Slack != nil {
		asks = append(asks, k.slack)
	}
	asks = append(asks, k.web)
	if k.cfg.Browser != nil {
		asks = append(asks, func(context.Context) []finding {
			return []finding{{good, "browser: a channel without login, on this machine only"}}
		})
	}
	answers := make([][]finding, len(asks))
	var all sync.WaitGroup
	for i, ask := range asks {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, checkTime)
			defer cancel()
			answers[i] = ask(ctx)
		})
	}
	all.Wait()
	return answers
}

// try tries both ways of a mailbox. Where both sign in as the same, and both servers refuse it, that is
// one fault.
func (s *signIns) try(ctx context.Context, g ticketing.Group, m MailboxConfig) []finding {
	var sent []finding
	var refused error // of the sending
	var both sync.WaitGroup
	both.Go(func() { sent, refused = s.sending(ctx, g, m) })
	read, err := s.reading(ctx, m)
	both.Wait()
	if errors.Is(err, account.ErrLogin) && errors.Is(refused, account.ErrLogin) && s.stamp(m.reader())() == s.stamp(m.SMTP)() {
		same := " refuses the same user and password"
		if m.SMTP.OAuth != nil {
			same = " wants the same sign-in"
		}
		sent = []finding{{untried, m.Name + ", sending: " + m.SMTP.Host + same}}
	}
	return slices.Concat(read, sent, s.ending(ctx, m))
}

func (s *signIns) reading(ctx context.Context, m MailboxConfig) ([]finding, error) {
	if m.From != fromIMAP {
		return s.readingOther(ctx, m)
	}
	what := m.Name + ", reading: "
	r, err := imap.Check(ctx, s.imap(m, m.Folder))
	if err != nil {
		return []finding{{bad, what + oneLine(err.Error(), 1000)}}, err
	}
	text := fmt.Sprintf("%s at %s (%s) holds %s", r.Folder, r.Address, cmp.Or(r.TLS, "not encrypted"), count(r.Count, "mail", "mails"))
	if r.Idle {
		text += "; new mail is told at once"
	}
	if r.Sent != "" {
		text += "; Sent folder " + r.Sent
	}
	all := []finding{{good, what + text}}
	for _, note := range r.Notes {
		all = append(all, finding{untried, what + note})
	}
	if m.SentFolder != "" {
		_, err := imap.FindSent(ctx, s.imap(m, ""), m.SentFolder)
		if err != nil && (!errors.Is(err, imap.ErrNoFolder) || !m.FileSent) { // a missing one is made when it is needed
			all = append(all, finding{bad, what + oneLine(err.Error(), 1000)})
		}
	}
	return all, nil
}

func (s *signIns) sending(ctx context.Context, g ticketing.Group, m MailboxConfig) ([]finding, error) {
	what := m.Name + ", sending: "
	c := s.smtp(m)
	if err := smtp.Check(ctx, c, g.From.Addr); err != nil {
		text := oneLine(err.Error(), 1000)
		if errors.Is(err, account.ErrLogin) && m.SMTP.OAuth == nil {
			text += ". Look at user and password under smtp"
		}
		return []finding{{bad, what + text}}, err
	}
	return []finding{{good, fmt.Sprintf("%s%s:%d takes mail from %s", what, c.Host, c.Port, g.From.Addr)}}, nil
}

func (k *checker) slack(ctx context.Context) []finding {
	const what = "slack: "
	p, err := slack.New(slackConfig(k.cfg), slog.New(slog.DiscardHandler))
	if err != nil {
		return []finding{{bad, what + oneLine(err.Error(), 1000)}}
	}
	var all []finding
	for _, f := range p.Check(ctx, k.cfg.channels(platformSlack)) {
		all = append(all, slackFinding(what, f))
	}
	return all
}

func slackFinding(what string, f slack.Finding) finding {
	mark := bad
	switch {
	case f.OK:
		mark = good
	case f.Untried:
		mark = untried
	}
	return finding{mark, what + strings.TrimSpace(f.What+" "+f.Remedy)}
}

func (k *checker) mattermost(ctx context.Context) []finding {
	const what = "mattermost: "
	secret := []byte(rand.Text())
	if k.store != nil {
		var err error
		if secret, err = k.store.Secret(ctx, platformMattermost, 32); err != nil {
			return []finding{{bad, what + oneLine(err.Error(), 1000)}}
		}
	}
	p, err := mattermost.New(mattermostConfig(k.cfg, secret), slog.New(slog.DiscardHandler))
	if err != nil {
		return []finding{{bad, what + oneLine(err.Error(), 1000)}}
	}
	if k.listener != nil { // the service's part in the trial is played here
		server := &http.Server{Handler: p.Handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(k.listener) }) // ends with Close
		defer serving.Wait()
		defer server.Close()
	}
	var commands []string
	for _, c := range bot.CommandList() {
		commands = append(commands, c.Name)
	}
	var all []finding
	for _, f := range p.Check(ctx, k.cfg.channels(platformMattermost), commands) {
		text := what + strings.TrimSpace(f.What+" "+f.Remedy)
		switch {
		case f.OK:
			all = append(all, finding{good, text})
		case f.Untried:
			all = append(all, finding{untried, text})
		case f.Foreign && k.store == nil && k.running != nil:
			all = append(all, finding{untried, what + "Buttons and /mail are not tried while GroupMail is running: the key for that is in its database. Type /mail help in the channel, or stop GroupMail for the moment."})
		case f.Callback && k.listener == nil && k.running == nil:
			all = append(all, finding{untried, what + "Buttons and /mail are not tried, since nothing can listen here, as is said above."})
		default:
			all = append(all, finding{bad, text})
		}
	}
	return all
}
