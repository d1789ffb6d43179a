package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/pelletier/go-toml/v2/unstable"

	"groupmail/connectors/account"
	"groupmail/connectors/account/oauth"
	"groupmail/ticketing"
)

// parse reads a configuration as far as it goes; what is wrong is in the faults.
func parse(data []byte) (Config, faults) {
	p := &configParser{channels: map[string]place{}, boxes: map[string]place{}, folders: map[string]place{}, groups: map[string]place{}}
	top := &section{table: parseTOML(data, &p.faults), faults: &p.faults}
	return p.config(top), p.faults
}

// configParser knows what may stand only once in the whole file.
type configParser struct {
	faults   faults
	groups   map[string]place // by name
	boxes    map[string]place // by name
	folders  map[string]place // by server, user and folder
	channels map[string]place // by platform/channel
}

// place is where something stands.
type place struct {
	line  int
	group string
}

func (p *configParser) config(s *section) Config {
	c := Config{Listen: "127.0.0.1:8420", Data: "groupmail-data"}
	s.environment = s.text("environment", "", "/etc/groupmail/environment")
	if t := s.text("listen", "", c.Listen); t != "" {
		if why := badListen(t); why != "" {
			s.fault("listen", "%s", why)
		} else {
			c.Listen = t
		}
	}
	c.Public = s.web("public", "https://groupmail.example.org")
	c.Data = s.text("data", c.Data, "/var/lib/groupmail")
	c.Database = s.secret("database")
	if db := c.Database; db.plain() && !strings.HasPrefix(db.from, "postgres://") && !strings.HasPrefix(db.from, "postgresql://") {
		s.fault("database", `must be a PostgreSQL address, like "postgres://user@host/groupmail" or "env:NAME". Without one, SQLite is used.`)
	}
	c.Log = p.log(s.one("log"))
	c.Mattermost = p.mattermost(s.one("mattermost"), c.Public)
	c.Slack = p.slack(s.one("slack"))
	c.Browser = p.browser(s.one("browser"), c.Listen)
	c.OIDC = p.wiki(s.one("wiki"), c.Public)
	groups := s.several("group")
	s.missing("group", "A group is a team: its name, its mailboxes ([[group.mailbox]]) and its channels ([[group.board]]).")
	for _, g := range groups {
		c.Groups = append(c.Groups, p.group(g, c))
	}
	if c.Mattermost == nil && c.Slack == nil && c.Browser == nil && s.keys["browser"] == nil {
		s.missing("mattermost", "It says how to reach your chat; groupmail setup mattermost prints its lines. With Slack it is [slack]: see groupmail setup slack.")
	}
	s.end()
	return c
}

// badListen says what is wrong with an address to listen on.
func badListen(t string) string {
	_, port, err := net.SplitHostPort(t)
	if err != nil {
		return fmt.Sprintf(`%q is no address to listen on. Write it like "127.0.0.1:8420", or ":8420" for all networks.`, t)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Sprintf("%q is no port: ports go from 1 to 65535.", port)
	}
	return ""
}

func (p *configParser) log(s *section) LogConfig {
	if s == nil {
		return LogConfig{}
	}
	var l LogConfig
	_ = l.Level.UnmarshalText([]byte(s.choice("level", "info", "debug", "info", "warn", "error"))) // one of its own words
	l.JSON = s.choice("format", "text", "text", "json") == "json"
	s.end()
	return l
}

func (p *configParser) mattermost(s *section, public string) *MattermostConfig {
	if s == nil {
		return nil
	}
	const hint = "groupmail setup mattermost prints it."
	m := &MattermostConfig{
		URL:           s.web("url", "https://chat.example.org"),
		Token:         s.secret("token"),
		CommandTokens: s.secrets("command_tokens"),
		Callback:      s.web("callback", "http://groupmail.example.org:8420"),
	}
	s.missing("url", `It is the address of your Mattermost server, like "https://chat.example.org".`)
	s.missing("token", "It is the bot's access token; "+hint)
	s.missing("command_tokens", "They are the tokens of the slash command /mail and its short forms, in each team; "+hint)
	if m.Callback == "" && public != "" {
		m.Callback = public
	} else {
		s.missing("callback", "It is the address at which the Mattermost server reaches GroupMail when somebody presses a button.")
	}
	s.end()
	return m
}

func (p *configParser) slack(s *section) *SlackConfig {
	if s == nil {
		return nil
	}
	c := &SlackConfig{
		BotToken: s.secret("bot_token"), AppToken: s.secret("app_token"), SigningSecret: s.secret("signing_secret"),
		APIURL: s.web("api_url", "https://slack.com/api/"),
	}
	s.missing("bot_token", "It is the app's Bot User OAuth Token (xoxb-…); groupmail setup slack says how to get it.")
	switch {
	case s.keys["app_token"] != nil && s.keys["signing_secret"] != nil:
		s.fault("signing_secret", "is for requests over HTTP, app_token for Socket Mode: an app uses one of them. Remove the other.")
	case s.keys["signing_secret"] == nil:
		s.missing("app_token", "It is the app-level token (xapp-…) with which Slack reaches GroupMail without a public address; or give signing_secret, if Slack is to send requests over HTTP.")
	}
	s.end()
	return c
}

func (p *configParser) browser(s *section, listen string) *BrowserConfig {
	if s == nil {
		return nil
	}
	b := &BrowserConfig{People: s.texts("people", []string{"Ann", "Ben", "Cleo"}, "Ann")}
	seen := map[string]bool{}
	for _, name := range b.People {
		switch id := personID(name); {
		case id == "":
			s.fault("people", "%q cannot be a name here: it needs a letter from a to z.", name)
		case seen[id]:
			s.fault("people", "%q stands twice, or is spelt like another. Names must differ in their letters.", name)
		default:
			seen[id] = true
		}
	}
	if !s.flag("insecure_no_login") {
		s.faults.add(s.line, "%s[browser] has no login: whoever opens it can be anybody. Set insecure_no_login = true if that is what you want, on this machine alone.", s.where)
	}
	if host, _, _ := net.SplitHostPort(listen); !loopback(host) {
		s.faults.add(s.line, "%s[browser] has no login and may be used on this machine only, but listen is %q. Set listen = \"127.0.0.1:8420\", or remove [browser].", s.where, listen)
	}
	s.end()
	return b
}

// personID is a person's id and handle in the browser channel.
func personID(name string) string {
	id := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '.', r == '_':
			return r
		case r == ' ':
			return '-'
		}
		return -1
	}, strings.ToLower(strings.TrimSpace(name)))
	return strings.TrimLeft(id, "-._")
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)

func (p *configParser) group(s *section, c Config) GroupConfig {
	name := s.text("name", "", "help")
	s.missing("name", `A short word that stays, like "help".`)
	if name != "" {
		s.where = fmt.Sprintf("group %q: ", name)
		switch before, twice := p.groups[name]; {
		case !nameForm.MatchString(name):
			s.fault("name", "%q holds more than small letters, digits, - and _. What people read is title.", name)
		case twice:
			s.fault("name", "another group in line %d has this name. Names must differ.", before.line)
		}
		p.groups[name] = place{s.line, name}
	}
	g := GroupConfig{Group: ticketing.Group{
		Name: name, Title: s.text("title", titled(name), "Help desk"), From: s.address("from", "Help desk <help@example.org>"),
		Signature: s.block("signature"),
		Outcomes:  s.texts("outcomes", []string{ticketing.Answered, "solved by phone", "passed on", "nothing to do"}, ticketing.Answered),
		Leads:     s.texts("leads", nil, "ann"), Admins: s.texts("admins", nil, "ann"),
		Tag:      s.tag("tag", "[#%d]"),
		Overdue:  s.duration("overdue", time.Hour, time.Minute, 365*24*time.Hour),
		Idle:     s.duration("idle", 2*24*time.Hour, time.Minute, 365*24*time.Hour),
		Answered: s.duration("answered", 7*24*time.Hour, 0, 365*24*time.Hour),
		Flood:    s.number("flood", 20, 0, 1000),
		Undo:     s.duration("undo", 30*time.Second, 0, 10*time.Minute),
		Keep: ticketing.Keep{
			Spam: s.keep("keep_spam", 30*24*time.Hour), Untaken: s.keep("keep_untaken", 0), Closed: s.keep("keep_closed", 0),
		},
		Zone:     s.zone("timezone"),
		Hours:    ticketing.Hours{Week: s.week("hours"), Closed: s.holidays("holidays")},
		Matchers: s.matchers("known"),
		Numbers:  s.patterns("numbers"),
	}}
	g.Hours.Zone = g.Zone
	g.Overdue, g.Idle = s.openDays("overdue", g.Overdue, g.Hours), s.openDays("idle", g.Idle, g.Hours)
	for i, m := range s.several("mailbox") {
		a := p.mailbox(m, g, i)
		g.Mailboxes = append(g.Mailboxes, a.Mailbox)
		g.Accounts = append(g.Accounts, a)
	}
	s.missing("mailbox", "Add [[group.mailbox]] with address, imap and smtp below it.")
	for _, b := range s.several("board") {
		g.Boards = append(g.Boards, p.board(b, g, c))
	}
	s.missing("board", "Its mail would be shown nowhere. Add [[group.board]] with the channel below it.")
	if g.From.Addr == "" && len(g.Mailboxes) > 0 {
		g.From = ticketing.Address{Name: g.Title, Addr: g.Mailboxes[0].Address.Addr}
	} else if g.From.Name == "" {
		g.From.Name = g.Title
	}
	s.end()
	return g
}

// matchers reads how senders are recognised.
func (s *section) matchers(key string) []ticketing.Match {
	if s.keys[key] == nil {
		s.known = append(s.known, key)
		return nil
	}
	all := []ticketing.Match{}
	for _, v := range s.items(key, "address") {
		m := ticketing.Match(strings.TrimSpace(v.text))
		switch {
		case !slices.Contains(ticketing.AllMatchers, m):
			words := make([]string, len(ticketing.AllMatchers))
			for i, one := range ticketing.AllMatchers {
				words[i] = string(one)
			}
			s.faults.add(v.line, "%s%s%s: %q is none of %s.%s", s.where, s.prefix, key, v.text, strings.Join(words, ", "), suggest(string(m), words))
		case !slices.Contains(all, m):
			all = append(all, m)
		}
	}
	return all
}

// patterns reads how reference numbers look in subjects.
func (s *section) patterns(key string) (all []*regexp.Regexp) {
	for _, v := range s.items(key, `customer (\d+)`) {
		p, err := regexp.Compile("(?i)" + strings.TrimSpace(v.text))
		switch {
		case err != nil:
			s.faults.add(v.line, "%s%s%s: %q is no pattern: %v. Write it like 'customer (\\d+)', in single quotes.", s.where, s.prefix, key, v.text, err)
		case p.NumSubexp() != 1:
			s.faults.add(v.line, "%s%s%s: %q has to mark the number with one pair of brackets, like 'customer (\\d+)'.", s.where, s.prefix, key, v.text)
		default:
			all = append(all, p)
		}
	}
	return all
}

// titled is a name as a title: "help_desk" as "Help desk".
func titled(name string) string {
	r := []rune(strings.NewReplacer("_", " ", "-", " ").Replace(name))
	if len(r) > 0 {
		r[0] = unicode.ToUpper(r[0])
	}
	return string(r)
}

// tag reads the form of a ticket's number in subjects. A bare number would be found in any subject.
func (s *section) tag(key, otherwise string) string {
	t := s.text(key, otherwise, otherwise)
	rest := strings.Replace(t, "%d", "", 1)
	switch {
	case rest == t:
		s.fault(key, "%q holds no %%d, where the number goes. Write it like %q.", t, otherwise)
	case strings.ContainsAny(rest, "%\n\r"):
		s.fault(key, "%q may hold one %%d and no other %% or line break. Write it like %q.", t, otherwise)
	case strings.IndexFunc(rest, unicode.IsPunct) < 0 && strings.IndexFunc(rest, unicode.IsSymbol) < 0:
		s.fault(key, "%q is not to be told from other words and numbers in a subject. Put a sign around it, like %q.", t, otherwise)
	default:
		return t
	}
	return otherwise
}

// keep reads for how many days something is kept; zero is forever.
func (s *section) keep(key string, otherwise time.Duration) time.Duration {
	v := s.get(key, `"30d" or "forever"`, unstable.String)
	if v == nil {
		return otherwise
	}
	t := strings.ReplaceAll(v.text, " ", "")
	if t == "forever" {
		return 0
	}
	days, ok := strings.CutSuffix(t, "d")
	n, err := strconv.Atoi(days)
	if !ok || err != nil || n < 1 || n > 36500 {
		s.fault(key, `%q is neither a number of days like "30d" nor "forever".`, v.text)
		return otherwise
	}
	return time.Duration(n) * 24 * time.Hour
}

func (s *section) zone(key string) *time.Location {
	t := s.text(key, "", "Europe/Vienna")
	if t == "" {
		return time.Local
	}
	zone, err := time.LoadLocation(t)
	if err != nil || t == "Local" {
		s.fault(key, `%q is no time zone. Write a name of the tz database, like "Europe/Vienna" or "UTC".`, t)
		return time.UTC
	}
	return zone
}

func (p *configParser) mailbox(s *section, g GroupConfig, index int) MailboxConfig {
	m := MailboxConfig{Mailbox: ticketing.Mailbox{Address: s.address("address", "help@example.org")}}
	s.missing("address", `It is the address that people write to, like "help@example.org".`)
	m.Name = s.text("name", m.Address.Addr, "help")
	if m.Name != "" {
		s.where += fmt.Sprintf("mailbox %q: ", m.Name)
		key := "name"
		if s.keys[key] == nil {
			key = "address"
		}
		if before, twice := p.boxes[m.Name]; twice {
			s.fault(key, "another mailbox in line %d has the name %q. Give one of them another name = \"…\".", before.line, m.Name)
		} else if strings.ContainsAny(m.Name, "/ \t") {
			s.fault(key, "%q holds a blank or a slash. What people read is title and address.", m.Name)
		}
		p.boxes[m.Name] = place{s.line, g.Name}
	} else {
		s.where += fmt.Sprintf("mailbox %d: ", index+1)
	}
	m.Since = s.since("since", g.Zone)
	m.Done = s.fate("done")
	m.Junk = s.fate("spam")
	m.Leaves = m.Done == "leave" && m.Junk == "leave"
	m.Sent = s.choice("sent", sentAppend, sentAppend, sentServer, sentNone)
	m.SentFolder = s.text("sent_folder", "", "Sent")
	m.FileSent = m.Sent == sentAppend
	p.source(s, &m, g.Name)
	m.Poll = s.duration("poll", m.Poll, time.Second, 24*time.Hour)
	m.Trusted = s.texts("trusted", nil, "mx.example.org")

	smtp := s.one("smtp")
	s.missing("smtp", `How are answers sent? Add smtp = { host = "smtp.example.org" }.`)
	if smtp != nil {
		smtp.where, smtp.prefix = s.where, "smtp."
		reads := m.reader()
		m.SMTP = p.account(smtp, Account{User: reads.User, Password: reads.Password, OAuth: reads.OAuth}, account.SMTP, m.Name+"/smtp")
		smtp.end()
	}
	s.end()
	return m
}

// account reads how to sign in; key names its tokens, if it has any of its own. Submission without a user is by a trusted address; that is
// written user = "".
func (p *configParser) account(s *section, otherwise Account, protocol account.Protocol, key string) Account {
	a := Account{Host: s.text("host", "", "mail.example.org")}
	s.missing("host", `It is the mail server's name, like "mail.example.org".`)
	if strings.ContainsAny(a.Host, ":/ @") && !strings.Contains(a.Host, "::") {
		s.fault("host", `%q is no host name. Write the name alone, like "mail.example.org"; the port is a setting of its own.`, a.Host)
		a.Host = ""
	}
	a.TLS = protocol.TLS
	if v := s.keys["port"]; v != nil && s.keys["tls"] == nil {
		for tls, port := range protocol.Ports {
			if n, ok := v.number(); ok && n == port && tls != account.Plain {
				a.TLS = tls
			}
		}
	}
	a.TLS = s.choice("tls", a.TLS, account.TLS, account.STARTTLS, account.Plain)
	a.Port = s.port("port", protocol.Ports[a.TLS])
	if v := s.keys["user"]; v != nil && v.kind == unstable.String && v.text == "" {
		s.known = append(s.known, "user")
	} else {
		a.User = s.text("user", otherwise.User, "help@example.org")
		a.Password, a.OAuth = otherwise.Password, otherwise.OAuth
	}
	if s.keys["password"] != nil {
		a.Password, a.OAuth = s.secret("password"), nil
	} else {
		s.known = append(s.known, "password")
	}
	if o := s.one("oauth"); o != nil {
		o.where, o.prefix = s.where, s.prefix+"oauth."
		if s.keys["password"] != nil {
			s.fault("oauth", "one signs in with a password or with oauth. Remove one of the two.")
		}
		a.Password, a.OAuth = Secret{}, p.oauth(o, key)
	}
	a.CA = s.text("ca", otherwise.CA, "/etc/ssl/our-ca.pem")
	if a.caLine = otherwise.caLine; s.keys["ca"] != nil {
		a.caLine = s.keys["ca"].line
	}
	a.AllowPlaintext = s.flag("allow_plaintext")
	if a.plaintext() && !a.AllowPlaintext && a.Host != "" {
		s.fault("tls", "the password would cross the network to %s where everybody can read it. Use \"tls\" or \"starttls\"; if the line is safe otherwise, set allow_plaintext = true.", a.Host)
	}
	return a
}

// oauth reads how one signs in with OAuth2.
func (p *configParser) oauth(s *section, key string) *OAuth {
	o := &OAuth{Key: key}
	provider, tenant := s.choice("provider", "", "google", "microsoft"), s.text("tenant", "", "example.onmicrosoft.com")
	issuer, scopes := s.web("issuer", "https://login.example.org"), s.texts("scopes", nil, "openid")
	o.ClientID = s.text("client_id", "", "1234-abcd.apps.example.org")
	o.Secret, o.Expires, o.App = s.secret("client_secret"), s.date("expires"), s.flag("app")
	s.missing("client_id", "The provider gives it to the application that you register there.")
	switch {
	case s.keys["issuer"] == nil:
		s.missing("provider", `It is "google" or "microsoft"; for any other, set issuer = "https://…".`)
	case s.keys["provider"] != nil:
		s.fault("issuer", "provider says already who that is. Remove one of the two.")
	case !strings.HasPrefix(issuer, "https://") && issuer != "":
		if u, err := url.Parse(issuer); err != nil || !loopback(u.Hostname()) {
			s.fault("issuer", "%q is not https://: secrets would cross the network where everybody can read them.", issuer)
		}
	}
	switch provider {
	case "google":
		o.Provider = oauth.Google()
		if o.App {
			s.fault("app", "Google has no sign-in of an application by itself for mail. Remove it, and sign in once with groupmail auth.")
		}
	case "microsoft":
		o.Provider = oauth.Microsoft(tenant)
		if o.App {
			s.missing("tenant", "An application signs in to one organisation: its id or domain stands in Microsoft Entra under Overview.")
		}
	default:
		o.Provider = oauth.Issuer(issuer, scopes)
	}
	if provider != "microsoft" && s.keys["tenant"] != nil {
		s.fault("tenant", `only provider = "microsoft" has tenants.`)
	}
	if provider != "" && s.keys["scopes"] != nil {
		s.fault("scopes", "those of provider = %q are known. Remove it.", provider)
	}
	if o.App || provider == "google" {
		s.missing("client_secret", `The provider shows it once, beside the client's id. Write "env:NAME" or "file:/path".`)
	}
	s.end()
	return o
}

// date reads a day, whose beginning is meant.
func (s *section) date(key string) time.Time {
	v := s.get(key, "2027-01-31", unstable.LocalDate, unstable.String)
	if v == nil {
		return time.Time{}
	}
	day, err := time.ParseInLocation(time.DateOnly, strings.TrimSpace(v.text), time.Local)
	if err != nil {
		s.fault(key, "%q is no day. Write it like 2027-01-31.", v.text)
	}
	return day
}

// since reads from when on mail is picked up.
func (s *section) since(key string, zone *time.Location) ticketing.Since {
	v := s.get(key, `"now"`, unstable.String, unstable.LocalDate)
	if v == nil {
		return ticketing.Since{}
	}
	switch t := strings.TrimSpace(v.text); t {
	case "now":
		return ticketing.Since{}
	case "all":
		return ticketing.Since{All: true}
	default:
		day, err := time.ParseInLocation(time.DateOnly, t, zone)
		if err != nil {
			s.fault(key, `%q is none of "now", "all" and a day like "2026-01-31".`, t)
		}
		return ticketing.Since{Date: day}
	}
}

// fate reads what happens to a mail on its server.
func (s *section) fate(key string) ticketing.Fate {
	words := []string{"leave", "seen", "delete", "move:", "keyword:"}
	t := s.text(key, "leave", "leave")
	kind, what, colon := strings.Cut(t, ":")
	what = strings.TrimSpace(what)
	switch {
	case !colon && slices.Contains(words, kind):
		return ticketing.Fate(kind)
	case colon && slices.Contains(words, kind+":") && what == "":
		s.fault(key, `%q lacks a name. Write it like "move:Archive" or "keyword:Done".`, t)
	case kind == "move" && colon:
		return ticketing.Fate("move:" + what)
	case kind == "keyword" && colon && !strings.ContainsAny(what, "(){%*\"\\] \t") && strings.IndexFunc(what, func(r rune) bool { return r > '~' }) < 0:
		return ticketing.Fate("keyword:" + what)
	case kind == "keyword" && colon:
		s.fault(key, "%q cannot be a keyword: it may hold no blanks, brackets or quotes, and no accents.", what)
	default:
		s.fault(key, `%q is none of "leave", "seen", "delete", "move:Folder", "keyword:Name".%s`, t, suggest(strings.ToLower(kind), []string{"leave", "seen", "delete", "move:Folder", "keyword:Name"}))
	}
	return "leave"
}

var (
	mattermostChannel = regexp.MustCompile(`^[a-z0-9]{26}$`)
	slackChannel      = regexp.MustCompile(`^[CG][A-Z0-9]{8,}$`)
)

func (p *configParser) board(s *section, g GroupConfig, c Config) ticketing.Board {
	used := map[string]bool{platformMattermost: c.Mattermost != nil, platformSlack: c.Slack != nil, platformBrowser: c.Browser != nil}
	only, several := "", 0
	for name, is := range used {
		if is {
			only = name
			several++
		}
	}
	if several > 1 {
		only = ""
	}
	b := ticketing.Board{Platform: s.choice("platform", only, platformMattermost, platformSlack, platformBrowser)}
	if several > 1 {
		s.missing("platform", "It is mattermost, slack or browser.")
	}
	b.Channel = s.text("channel", "", "mail")
	s.missing("channel", "It is the channel's id. groupmail setup mattermost prints it; in Mattermost it also stands under the channel's name, View Info, in Slack under the channel's name, About.")
	switch {
	case b.Platform != "" && !used[b.Platform]:
		s.fault("platform", "there is no section [%s] that says how to reach it. Add one.", b.Platform)
	case b.Channel == "":
	case b.Platform == platformMattermost && !mattermostChannel.MatchString(b.Channel):
		s.fault("channel", "%q is no channel id of Mattermost, which is 26 small letters and digits. groupmail setup mattermost prints it; it also stands under the channel's name, View Info.", b.Channel)
	case b.Platform == platformSlack && !slackChannel.MatchString(b.Channel):
		s.fault("channel", "%q is no channel id of Slack, like C0123456789. It stands under the channel's name, About, at the bottom.", b.Channel)
	case b.Platform == platformBrowser && !nameForm.MatchString(b.Channel):
		s.fault("channel", "%q holds more than small letters, digits, - and _.", b.Channel)
	}
	b.Name = b.Platform + "/" + b.Channel
	if before, twice := p.channels[b.Name]; twice && b.Channel != "" {
		if before.group == g.Name {
			s.fault("channel", "%q stands in line %d already. Remove one of the two.", b.Channel, before.line)
		} else {
			s.fault("channel", "%q belongs to group %q already (line %d). A channel belongs to one group: give this one a channel of its own.", b.Channel, before.group, before.line)
		}
	} else {
		p.channels[b.Name] = place{s.line, g.Name}
	}
	if show := s.choice("show", "auto", "auto", "full", "subject", "sender"); show != "auto" {
		b.Show = ticketing.Show(show)
	}
	s.end()
	return b
}

// logger writes to w what the configuration wants logged.
func (l LogConfig) handler(w interface{ Write([]byte) (int, error) }) slog.Handler {
	options := &slog.HandlerOptions{Level: l.Level}
	if l.JSON {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}
