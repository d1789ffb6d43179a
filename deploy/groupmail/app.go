package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"groupmail/bot"
	"groupmail/connectors/browser"
	"groupmail/connectors/imap"
	"groupmail/connectors/mailbox"
	"groupmail/connectors/mattermost"
	"groupmail/connectors/message"
	"groupmail/connectors/slack"
	"groupmail/connectors/smtp"
	"groupmail/store"
	"groupmail/ticketing"
	"groupmail/wiki"
)

// App is the running product, made of a typed configuration: serve, demo and the end-to-end tests
// differ only in what they put into Wiring.
type App struct {
	cfg      Config
	log      *slog.Logger
	listener net.Listener
	server   *http.Server

	store     *store.Store
	desk      *ticketing.Desk
	bot       *bot.Bot
	platforms []bot.Platform
	browser   *browser.Platform // nil: not used
	watchers  []*mailbox.Watcher
	troubles  *troubles
	clock     ticketing.Clock
	signIns   *signIns

	stopping atomic.Bool
}

// Wiring is what may differ from a plain service.
type Wiring struct {
	Listener net.Listener            // the HTTP server's; it belongs to the App from now on
	Store    *store.Store            // opened already; nil: opened as the configuration says
	Pages    map[string]http.Handler // further patterns of the HTTP server
	OnStop   func()                  // called when the HTTP server begins to stop
	People   []bot.Person            // of the browser channel
	Channels []browser.Channel
	Links    []browser.Link
	Clock    ticketing.Clock
}

// stopWithin is how long a stop may take before everything is left as it is: nothing is lost by
// that, since what is under way is found again at the next start.
const stopWithin = 10 * time.Second

// Open assembles the product. Nothing runs yet but what the store needs.
func Open(ctx context.Context, cfg Config, w Wiring, log *slog.Logger) (_ *App, err error) {
	a := &App{cfg: cfg, log: log, listener: w.Listener, store: w.Store}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if a.listener == nil {
		if a.listener, err = listen(ctx, cfg.Listen); err != nil {
			return nil, err
		}
	}
	if w.Clock == nil {
		w.Clock = ticketing.SystemClock
	}
	if a.store == nil {
		if a.store, err = openStore(ctx, cfg, w.Clock, log); err != nil {
			return nil, err
		}
	}
	a.desk = ticketing.NewDesk(a.store, cfg.groups(), w.Clock, log)
	a.clock = w.Clock
	a.troubles = &troubles{desk: a.desk, clock: w.Clock, log: log, told: map[string]telling{}}
	if err := a.openPlatforms(ctx, w); err != nil {
		return nil, err
	}
	secret, err := a.store.Secret(ctx, "bot", 32)
	if err != nil {
		return nil, err
	}
	a.bot = bot.New(bot.Config{
		Desk: a.desk, Platforms: a.platforms, Secret: secret, OpenFile: a.openFile, Mail: a.mailPeople, Web: a.web(), Clock: w.Clock, Log: log,
	})
	a.signIns = newSignIns(cfg, vault(cfg, a.store))
	a.openMail(w.Clock)
	a.server = a.newServer(w)
	return a, nil
}

// listen names the remedy where the address cannot be had.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w. Is GroupMail running already? Else choose another port: listen = \"…\" in the configuration, --listen for the demonstration", address, cause(err))
	}
	return l, nil
}

// cause is what is left of a network error without its address, which was named already.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		return sys.Err
	}
	return err
}

func openStore(ctx context.Context, cfg Config, clock ticketing.Clock, log *slog.Logger) (*store.Store, error) {
	c := store.Config{Clock: clock, Log: log}
	if cfg.Database.Set() {
		url, err := cfg.Database.Read()
		if err != nil {
			return nil, fmt.Errorf("database: %w", err)
		}
		c.URL = url
	} else {
		if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
			return nil, fmt.Errorf("the data folder cannot be made: %w. Choose another with data = \"…\"", err)
		}
		c.Path = filepath.Join(cfg.Data, "groupmail.db")
	}
	return store.Open(ctx, c)
}

// URL is where the HTTP server is reached from this machine.
func (a *App) URL() string { return localURL(a.listener) }

func localURL(l net.Listener) string {
	addr := l.Addr().(*net.TCPAddr)
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(addr.Port))
}

func (a *App) openPlatforms(ctx context.Context, w Wiring) error {
	if m := a.cfg.Mattermost; m != nil {
		secret, err := a.store.Secret(ctx, "mattermost", 32)
		if err != nil {
			return err
		}
		p, err := mattermost.New(mattermostConfig(a.cfg, secret), a.log)
		if err != nil {
			return err
		}
		a.platforms = append(a.platforms, p)
	}
	if a.cfg.Slack != nil {
		p, err := slack.New(slackConfig(a.cfg), a.log)
		if err != nil {
			return err
		}
		a.platforms = append(a.platforms, p)
	}
	if a.cfg.Browser != nil {
		c := browserConfig(a.cfg, w)
		c.Base = localURL(a.listener)
		p, err := browser.New(c, a.log)
		if err != nil {
			return err
		}
		a.browser = p
		a.platforms = append(a.platforms, p)
	}
	return nil
}

func mattermostConfig(cfg Config, secret []byte) mattermost.Config {
	m := cfg.Mattermost
	return mattermost.Config{
		URL: m.URL, Token: m.Token.Read, Callback: m.Callback, Secret: secret, Zone: cfg.Groups[0].Zone,
		CommandTokens: func() []string {
			var all []string
			for _, s := range m.CommandTokens {
				if token, err := s.Read(); err == nil {
					all = append(all, token)
				}
			}
			return all
		},
	}
}

func slackConfig(cfg Config) slack.Config {
	s := cfg.Slack
	c := slack.Config{BotToken: s.BotToken.Read, APIURL: s.APIURL, Zone: cfg.Groups[0].Zone}
	if s.AppToken.from != "" {
		c.AppToken = s.AppToken.Read
	}
	if s.SigningSecret.from != "" {
		c.SigningSecret = s.SigningSecret.Read
	}
	return c
}

func browserConfig(cfg Config, w Wiring) browser.Config {
	c := browser.Config{Channels: w.Channels, People: w.People, Dir: filepath.Join(cfg.Data, "browser"), BotName: "GroupMail", Links: w.Links}
	if c.People == nil {
		for _, name := range cfg.Browser.People {
			c.People = append(c.People, bot.Person{ID: personID(name), Handle: personID(name), Name: name})
		}
	}
	if c.Channels != nil {
		return c
	}
	for _, g := range cfg.Groups {
		for _, b := range g.Boards {
			if b.Platform == platformBrowser {
				c.Channels = append(c.Channels, browser.Channel{ID: b.Channel, Title: b.Channel, Private: true})
			}
		}
	}
	return c
}

// openMail makes the watchers and says who works jobs.
func (a *App) openMail(clock ticketing.Clock) {
	nudges := map[string]func(){}
	for _, g := range a.cfg.Groups {
		for _, m := range g.Accounts {
			inbox := a.watch(g.Group, m)
			a.watchers = append(a.watchers, inbox)
			if m.From == fromIMAP {
				a.watchers = append(a.watchers, a.watchSent(g.Group, m))
			}
			nudges[m.Name] = inbox.Nudge
		}
	}
	a.desk.OnFates(func(mailbox string) {
		if nudge := nudges[mailbox]; nudge != nil {
			nudge()
		}
	})
	sender := smtp.NewSender(smtp.SenderConfig{
		Desk: a.desk, Clock: clock, Log: a.log,
		Account: func(mailbox string) (smtp.Config, error) {
			m, ok := a.cfg.account(mailbox)
			if !ok {
				return smtp.Config{}, fmt.Errorf("the mailbox %q is no longer in the configuration. Put it back, or answer from another", mailbox)
			}
			return a.signIns.smtp(m), nil
		},
		Ended: a.noteSending,
	})
	a.store.Handle(ticketing.SendJob, sender.Send)
	a.store.Handle(ticketing.FileSentJob, a.fileSent)
}

func (a *App) watch(g ticketing.Group, m MailboxConfig) *mailbox.Watcher {
	open := func(ctx context.Context) (mailbox.Source, error) { return a.signIns.open(ctx, m) }
	return mailbox.New(mailbox.Config{
		Name: m.Name, Since: m.Since, Poll: m.Poll, Done: m.Done, Junk: m.Junk,
		Parse: message.Options{Tag: g.Tag, Trusted: m.Trusted}, Credentials: a.signIns.stamp(m.reader()),
	}, open, a.desk, a.log)
}

// watchSent watches the Sent folder, so that answers from ordinary mail programs are seen. Where
// there is none and none was named, there is nothing to watch.
func (a *App) watchSent(g ticketing.Group, m MailboxConfig) *mailbox.Watcher {
	open := func(ctx context.Context) (mailbox.Source, error) {
		box, err := imap.Open(ctx, a.signIns.imap(m, cmp.Or(m.SentFolder, imap.SentFolder)))
		switch {
		case errors.Is(err, imap.ErrNoFolder) && m.SentFolder == "":
			a.log.Info("no Sent folder: answers from mail programs are not seen", "mailbox", m.Name)
			return noFolder{}, nil
		case err != nil:
			return nil, err
		}
		return box, nil
	}
	return mailbox.New(mailbox.Config{
		Name: ticketing.SentName(m.Name), Sent: true, Poll: m.Poll,
		Parse: message.Options{Tag: g.Tag, Trusted: m.Trusted}, Credentials: a.signIns.stamp(m.IMAP),
	}, open, a.desk, a.log)
}

// noFolder is a folder that is not there: nothing ever comes.
type noFolder struct{}

func (noFolder) Fetch(context.Context, mailbox.Ledger, func(context.Context, mailbox.Raw) error) error {
	return nil
}
func (noFolder) Close() error { return nil }

// fileSent is the work of a ticketing.FileSentJob: the copy of a sent reply goes into Sent.
func (a *App) fileSent(ctx context.Context, id int64) error {
	r, err := a.desk.ReplyByID(ctx, ticketing.ReplyID(id))
	if errors.Is(err, ticketing.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	m, ok := a.cfg.account(r.Mailbox)
	if !ok || !m.FileSent || r.Raw == 0 {
		a.log.Warn("the copy of a sent mail is not filed: its mailbox is no longer configured for it", "mailbox", r.Mailbox, "reply", id)
		return nil
	}
	size, err := a.sizeOf(ctx, r.Raw)
	if err != nil {
		return err
	}
	raw, err := a.desk.OpenBlob(ctx, r.Raw)
	if err != nil {
		return err
	}
	defer raw.Close()
	err = imap.AppendSent(ctx, a.signIns.imap(m, ""), m.SentFolder, r.MessageID, raw, size)
	a.noteCopy(context.WithoutCancel(ctx), m, err)
	return err
}

func (a *App) sizeOf(ctx context.Context, id ticketing.BlobID) (int64, error) {
	r, err := a.desk.OpenBlob(ctx, id)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, r)
	return n, errors.Join(err, r.Close())
}

// openFile streams an attachment out of the mail that carries it.
func (a *App) openFile(ctx context.Context, m ticketing.Mail, f ticketing.Attachment) (io.ReadCloser, error) {
	if f.Blob != 0 {
		return a.desk.OpenBlob(ctx, f.Blob)
	}
	raw, err := a.desk.OpenBlob(ctx, m.Raw)
	if err != nil {
		return nil, err
	}
	read, write := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := message.Attachment(write, raw, f.Index)
		write.CloseWithError(errors.Join(err, raw.Close()))
	}()
	return &extracted{read, done}, nil
}

// extracted is an attachment while it is decoded by a goroutine, which Close waits for.
type extracted struct {
	*io.PipeReader
	done chan struct{}
}

func (e *extracted) Close() error {
	err := e.PipeReader.Close()
	<-e.done
	return err
}

func (a *App) newServer(w Wiring) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /readyz", a.ready)
	if a.public() != "" {
		mux.Handle(wiki.Root, a.newWiki().Handler())
	}
	for pattern, page := range w.Pages {
		mux.Handle(pattern, page)
	}
	for _, p := range a.platforms {
		if h, ok := p.(interface{ Handler() http.Handler }); ok && p.Name() != platformBrowser {
			mux.Handle("/"+p.Name()+"/", h.Handler())
		}
	}
	if a.browser != nil {
		mux.Handle("/", a.browser.Handler())
	} else {
		mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = io.WriteString(w, "GroupMail is running. There is nothing to see here: it works in your chat.\n")
		})
	}
	s := &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Minute, WriteTimeout: 10 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	if w.OnStop != nil {
		s.RegisterOnShutdown(w.OnStop)
	}
	return s
}

// Run serves until ctx ends, then finishes what is under way, within ten seconds, and closes
// everything. It returns an error if something went wrong for good.
func (a *App) Run(ctx context.Context) error {
	base := context.WithoutCancel(ctx)
	failed := make(chan error, 3) // one each of those who call fail
	fail := func(what string, err error) { failed <- fmt.Errorf("%s: %w", what, err) }

	// The stages end in this order: mail is no longer fetched or sent, then what it led to is drawn,
	// then the HTTP server, which the platforms' callbacks come through, closes.
	mail, chat := newStage(base), newStage(base)
	chat.run(func(ctx context.Context) {
		if err := a.bot.Run(ctx); err != nil {
			fail("the bot has stopped", err)
		}
	})
	mail.run(func(ctx context.Context) {
		if err := a.store.Run(ctx); err != nil {
			fail("the jobs have stopped", err)
		}
	})
	for _, w := range a.watchers {
		mail.run(func(ctx context.Context) { _ = w.Run(ctx) }) // always nil
	}
	mail.run(a.watchTrouble)
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
			fail("the web server has stopped", err)
		}
	}()

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	a.stopping.Store(true)
	a.log.Info("stopping")
	stopped := make(chan error, 1)
	go func() {
		mail.end()
		chat.end()
		err := a.stopServer(base)
		<-served
		stopped <- errors.Join(err, a.Close())
	}()
	select {
	case stop := <-stopped:
		return errors.Join(err, stop)
	case <-time.After(stopWithin):
		return errors.Join(err, errors.New("something did not end within 10 seconds and is left behind. Nothing is lost: it is taken up again at the next start"))
	}
}

// stopServer lets the requests under way end. Streams to open windows would never, so the platform
// that has them is closed.
func (a *App) stopServer(ctx context.Context) error {
	if a.browser != nil {
		a.server.RegisterOnShutdown(func() { _ = a.browser.Close() })
	}
	ctx, cancel := context.WithTimeout(ctx, stopWithin/2)
	defer cancel()
	if err := a.server.Shutdown(ctx); err != nil {
		_ = a.server.Close() // the requests that are left are given up
	}
	return nil
}

// Close closes what Open opened. After Run there is nothing left to close.
func (a *App) Close() error {
	var errs []error
	if a.listener != nil {
		if err := a.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if a.browser != nil {
		errs = append(errs, a.browser.Close())
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	return errors.Join(errs...)
}

// stage is a number of goroutines that are ended together.
type stage struct {
	ctx    context.Context
	cancel context.CancelFunc
	all    sync.WaitGroup
}

func newStage(ctx context.Context) *stage {
	s := &stage{}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

func (s *stage) run(f func(context.Context)) { s.all.Go(func() { f(s.ctx) }) }

func (s *stage) end() {
	s.cancel()
	s.all.Wait()
}

// readiness is what /readyz answers: 200 while the database works. Trouble with a mailbox or a
// platform is told, but does not take the service out of use: the others go on.
type readiness struct {
	Ready     bool                    `json:"ready"`
	Database  state                   `json:"database"`
	Mailboxes map[string]mailboxState `json:"mailboxes"`
	Platforms map[string]state        `json:"platforms"`
}

type state struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

type mailboxState struct {
	State  mailbox.State `json:"state"`
	Since  time.Time     `json:"since"`
	Looked time.Time     `json:"looked,omitzero"`
	Mails  int           `json:"mails"`
	Error  string        `json:"error,omitempty"` // of a failing one
	Cure   string        `json:"cure,omitempty"`
	// Expires is when the sign-in or its secret ends, as far as that is known: somebody must act before.
	Expires time.Time `json:"expires,omitzero"`
}

func (a *App) readiness(ctx context.Context) readiness {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r := readiness{Mailboxes: map[string]mailboxState{}, Platforms: map[string]state{}, Database: state{OK: true}}
	if err := a.store.Ping(ctx); err != nil {
		a.log.Warn("the database does not answer", "err", err)
		r.Database = state{Error: "the database does not answer"}
	}
	for _, w := range a.watchers {
		h := w.Health()
		m := mailboxState{State: h.State, Since: h.Since, Looked: h.Looked, Mails: h.Mails}
		if h.State == mailbox.Failing && h.Err != nil {
			m.Error, m.Cure = h.Err.Error(), h.Cure
		}
		r.Mailboxes[h.Mailbox] = m
	}
	endings, err := a.signIns.endings(ctx)
	if err != nil {
		a.log.Warn("when sign-ins end is not known", "err", err)
	}
	for _, e := range endings { // the first to end comes first
		if m, ok := r.Mailboxes[e.Mailbox]; ok && m.Expires.IsZero() {
			m.Expires = e.Ends
			r.Mailboxes[e.Mailbox] = m
		}
	}
	for _, p := range a.platforms {
		r.Platforms[p.Name()] = state{OK: p.Connected()}
	}
	r.Ready = r.Database.OK && !a.stopping.Load()
	return r
}

func (a *App) ready(w http.ResponseWriter, r *http.Request) {
	state := a.readiness(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !state.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(state)
}

// Describe tells what is watched, where it is posted, and what is kept where.
func (a *App) Describe(w io.Writer) {
	fmt.Fprintf(w, "Database   %s\n", a.store.Describe())
	for _, g := range a.cfg.Groups {
		var boards []string
		for _, b := range g.Boards {
			boards = append(boards, b.Name)
		}
		for _, m := range g.Accounts {
			fmt.Fprintf(w, "Watching   %s: %s, %s\n", m.Address.Addr, m.place(), since(m.Since))
			if m.From != fromIMAP {
				fmt.Fprintf(w, "           %s\n", noSent)
			}
		}
		fmt.Fprintf(w, "Posting    for %s to %s\n", g.Title, strings.Join(boards, ", "))
	}
	fmt.Fprintf(w, "Listening  %s\n", a.URL())
}

func since(s ticketing.Since) string {
	switch {
	case s.All:
		return "all mail"
	case !s.Date.IsZero():
		return "mail since " + s.Date.Format("2 January 2006")
	}
	return "mail from the first start on"
}
