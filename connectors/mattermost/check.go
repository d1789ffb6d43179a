package mattermost

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"groupmail/bot"
	"groupmail/bot/plain"
)

// Finding is one thing that Check looked at.
type Finding struct {
	OK       bool
	Untried  bool   // neither good nor bad: it could not be found out
	Callback bool   // about the way from the server to us
	Foreign  bool   // at whose end a GroupMail with another secret answers
	What     string // what was found, one sentence
	Remedy   string // what to do about it; empty if nothing
}

// maxSkew is how far clocks may differ before times on cards look wrong.
const maxSkew = time.Minute

// oldest is the oldest version of the server that GroupMail is made for.
const oldestMajor, oldestMinor = 9, 9

// Check looks at the server as the bot sees it, at these channels, and at the slash commands of these
// names. One fault is told once: what cannot be found out because of it is left out, or Untried.
//
// Whether the server reaches us is tried, not guessed: the server forwards a dialog to any address
// that its sender names, so the bot sends one to its own callback, sealed for the
// purpose, and whoever listens there, this process or another with the same secret, must answer it.
// If that fails, the same is sent from here: where that is answered, the server is what does not come
// through; it does not tell a bot whether it refuses the address
// (AllowedUntrustedInternalConnections) or cannot connect. Likewise the bot types each command, with
// a sealed word that is answered to it alone, so that the command's address and token are tried.
func (p *Platform) Check(ctx context.Context, channels, commands []string) []Finding {
	c := checking{p: p}
	if !c.server(ctx) || !c.account(ctx) {
		return c.all
	}
	for _, channel := range channels {
		c.channel(ctx, channel)
	}
	reached := c.callback(ctx)
	c.all[len(c.all)-1].Callback = true
	if c.tokens() && reached {
		for _, in := range c.teams {
			for _, name := range commands {
				c.command(ctx, name, in)
			}
		}
	}
	return c.all
}

// checking is a Check under way.
type checking struct {
	p     *Platform
	all   []Finding
	me    *model.User
	teams []*model.Channel // of those that Check was asked about, one a team
}

func (c *checking) good(format string, args ...any) {
	c.all = append(c.all, Finding{OK: true, What: fmt.Sprintf(format, args...)})
}

func (c *checking) bad(remedy, format string, args ...any) {
	c.all = append(c.all, Finding{What: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (c *checking) untried(format string, args ...any) {
	c.all = append(c.all, Finding{Untried: true, What: fmt.Sprintf(format, args...)})
}

// server tells whether there is one to ask further.
func (c *checking) server(ctx context.Context) bool {
	major, minor, err := c.p.api.greet(ctx)
	var r Remedy
	switch {
	case errors.As(err, &r):
		c.bad(r.Do, "%s.", capital(r.Err.Error()))
		return false
	case err != nil:
		c.bad("Look at the address in the configuration, at the network, and whether the server runs.", "%s does not answer: %v.", c.p.base, err)
		return false
	case major < oldestMajor || major == oldestMajor && minor < oldestMinor:
		c.bad("Update the Mattermost server.", "%s is Mattermost %d.%d, which is older than GroupMail is made for (%d.%d).", c.p.base, major, minor, oldestMajor, oldestMinor)
	default:
		c.good("%s is Mattermost %d.%d.", c.p.base, major, minor)
	}
	if skew := c.p.api.clockSkew(); skew.Abs() > maxSkew {
		c.bad("Let both machines set their clocks by NTP.", "The server's clock and ours differ by %s.", skew.Abs().Round(time.Second))
	} else {
		c.good("The server's clock and ours agree.")
	}
	return true
}

// account tells whether the token is the bot's.
func (c *checking) account(ctx context.Context) bool {
	c.p.mu.Lock()
	c.p.self = nil // as it is now
	c.p.mu.Unlock()
	me, err := c.p.me(ctx)
	switch {
	case is(err, http.StatusUnauthorized):
		c.bad("Run groupmail setup mattermost with --rotate and put the new token into the configuration.", "The server does not know the bot's token.")
		return false
	case err != nil:
		c.bad("Look at the token in the configuration.", "The bot's account cannot be looked at: %v.", err)
		return false
	case !me.IsBot:
		c.bad("Use the bot's token, not a person's; groupmail setup mattermost makes one.", "The token is of @%s, which is a person's account.", me.Username)
		return false
	case me.IsSystemAdmin():
		c.bad("Make it an ordinary member; GroupMail needs no more.", "@%s is a system administrator.", me.Username)
	default:
		c.good("The token is of the bot @%s.", me.Username)
	}
	c.me = me
	return true
}

func (c *checking) channel(ctx context.Context, channel string) {
	found, err := c.p.Channel(ctx, channel)
	switch {
	case errors.Is(err, bot.ErrNoChannel):
		c.bad(fmt.Sprintf("Invite it: /invite @%s in that channel. The id stands under the channel's name, View Info.", c.me.Username), "There is no channel %s, or @%s is not in it.", channel, c.me.Username)
	case err != nil:
		c.bad("Try again.", "The channel %s cannot be looked at: %v.", channel, err)
	default:
		c.good("@%s is in the channel %s.", c.me.Username, found.Title)
		c.p.mu.Lock()
		defer c.p.mu.Unlock()
		seen := c.p.channels[channel]
		if !slices.ContainsFunc(c.teams, func(t *model.Channel) bool { return t.TeamId == seen.TeamId }) {
			c.teams = append(c.teams, seen)
		}
	}
}

// anywhere is a channel that the bot is in: the way from the server to us does not depend on which.
func (c *checking) anywhere(ctx context.Context) *model.Channel {
	if len(c.teams) > 0 {
		return c.teams[0]
	}
	var there []*model.Channel
	if err := c.p.api.get(ctx, "/users/"+c.me.Id+"/channels", &there); err != nil {
		return nil
	}
	for _, t := range there {
		if board(t.Type) && t.DeleteAt == 0 {
			return t
		}
	}
	return nil
}

var tokenForm = regexp.MustCompile(`^[a-z0-9]{26}$`) // Server: model.NewId

// tokens looks at the commands' tokens by themselves.
func (c *checking) tokens() bool {
	const hint = "groupmail setup mattermost prints command_tokens when it declares the command; with --rotate it makes new ones."
	bots, _ := c.p.cfg.Token() // was good a moment ago
	tokens := c.p.cfg.CommandTokens()
	for i, t := range tokens {
		t = strings.TrimSpace(t)
		switch {
		case t == "": // commandToken passes over it, too
		case t == strings.TrimSpace(bots):
			c.bad("Put the slash command's token there. "+hint, "Command token %d is the bot's own token.", i+1)
			return false
		case !tokenForm.MatchString(t):
			c.bad("Look whether it was copied whole. "+hint, "Command token %d is none: they have 26 small letters and digits, this one has %d characters.", i+1, len(t))
			return false
		}
	}
	return true
}

// callback finds out whether the server reaches us.
func (c *checking) callback(ctx context.Context) bool {
	target := c.p.cfg.Callback + Path + "dialogs"
	var why error
	if in := c.anywhere(ctx); in != nil {
		word := rand.Text()
		var resp model.SubmitDialogResponse
		why = c.p.api.post(ctx, "/actions/dialogs/submit", model.SubmitDialogRequest{
			URL: target, State: c.p.seal("trial", trial{Word: word}), ChannelId: in.Id, TeamId: in.TeamId,
		}, &resp)
		switch {
		case why == nil && resp.Error == word:
			c.good("The server reaches us at %s.", c.p.cfg.Callback)
			return true
		case why == nil:
			c.bad("Look at the callback in the configuration, and at what listens there.", "At %s something that is not GroupMail answers the server.", c.p.cfg.Callback)
			return false
		}
	}
	word := rand.Text()
	body, err := json.Marshal(model.SubmitDialogRequest{State: c.p.seal("trial", trial{Word: word})})
	if err != nil {
		c.bad("Try again.", "%v.", err)
		return false
	}
	status, said, err := c.p.knock(ctx, target, body)
	switch {
	case err != nil:
		c.bad("Is groupmail serve running? Then look at the callback in the configuration, and at proxies and firewalls on the way.",
			"The server does not reach us at %s, and neither do we: %s.", c.p.cfg.Callback, inShort(err))
	case status == http.StatusForbidden:
		c.bad("Processes that share an address must share their database. Look for one that runs with another configuration.",
			"At %s a GroupMail with another secret answers.", c.p.cfg.Callback)
		c.all[len(c.all)-1].Foreign = true
	case said != word:
		c.bad("Look at the callback in the configuration, and at proxies on the way: "+Path+" must come through unchanged.",
			"At %s something answers (%d) that is not GroupMail.", c.p.cfg.Callback, status)
	case why == nil:
		c.untried("We answer at %s. Whether the server reaches us there can be tried when the bot is in a channel.", c.p.cfg.Callback)
	default:
		c.bad("If the address is inside your network, an administrator must name its host in AllowedUntrustedInternalConnections (System Console, Environment, Developer). Otherwise look at firewalls between the server and us.",
			"We answer at %s, but the server does not get through to us (%s).", c.p.cfg.Callback, inShort(why))
	}
	return false
}

// command tries one. Its answer is an ephemeral message to the bot, which nobody else sees and the
// server does not keep.
func (c *checking) command(ctx context.Context, name string, in *model.Channel) {
	c.p.mu.Lock()
	team := cmp.Or(c.p.teams[in.TeamId], in.TeamId)
	c.p.mu.Unlock()
	word := rand.Text()
	var resp model.CommandResponse
	err := c.p.api.post(ctx, "/commands/execute", model.CommandArgs{
		ChannelId: in.Id, TeamId: in.TeamId, Command: "/" + name + " " + c.p.seal("trial", trial{Word: word}),
	}, &resp)
	switch {
	case err == nil && resp.Text == word:
		c.good("/%s in the team %s arrives with its token.", name, team)
	case because(err, "api.command.execute_command.not_found.app_error"):
		c.bad("Run groupmail setup mattermost for a channel of that team, and put the command token that it prints into the configuration.",
			"The team %s has no command /%s.", team, name)
	case because(err, "api.command.execute_command.failed_resp.app_error"):
		c.bad("Run groupmail setup mattermost with --rotate for a channel of that team, and put the command token that it prints into the configuration.",
			"The token of /%s in the team %s is not among command_tokens, so the command is refused.", name, team)
	case because(err, "api.command.execute_command.failed.app_error"):
		c.bad("Run groupmail setup mattermost for a channel of that team: it corrects the address.",
			"The command /%s in the team %s leads to another address than %s.", name, team, c.p.cfg.Callback)
	default:
		c.untried("Whether /%s works in the team %s cannot be tried from here (%s). Type /%s help in the channel.", name, team, inShort(err), name)
	}
}

// knock does what the server does, from here.
func (p *Platform) knock(ctx context.Context, target string, body []byte) (status int, said string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.api.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	var answer model.SubmitDialogResponse
	_ = json.NewDecoder(io.LimitReader(resp.Body, maxCall)).Decode(&answer) // anything may answer
	return resp.StatusCode, answer.Error, nil
}

// trial is the state of a dialog, or the text of a command, by which Check tries the way from the
// server to us.
type trial struct {
	Word string `json:"w"`
}

// greet asks whether this is a Mattermost server, and which. Its error is a Remedy where a person can
// do something.
func (c *client) greet(ctx context.Context) (major, minor int, err error) {
	if err := c.get(ctx, "/system/ping", nil); err != nil {
		return 0, 0, c.unreachable(err)
	}
	if major, minor = c.serverVersion(); major == 0 {
		return 0, 0, c.stranger()
	}
	return major, minor, nil
}

// stranger is what answers that is no Mattermost server.
func (c *client) stranger() Remedy {
	r := Remedy{fmt.Errorf("%s answers, but not as a Mattermost server", c.base), "Look at the address; it is where the server's own page opens in a browser."}
	if c.base.Path != "" {
		r.Do = fmt.Sprintf("Look at the address. Team and channel do not belong to it: is it %s://%s?", c.base.Scheme, c.base.Host)
	}
	return r
}

// unreachable words why the server could not be asked.
func (c *client) unreachable(err error) error {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		dns     *net.DNSError
		timeout net.Error
		refusal *apiError
	)
	with := func(do, format string, args ...any) Remedy {
		return Remedy{fmt.Errorf("%s cannot be reached: %w", c.base, fmt.Errorf(format, args...)), do}
	}
	switch {
	case errors.As(err, &unknown):
		return with("Install the authority's certificate (update-ca-certificates), or set SSL_CERT_FILE to its file.", "its certificate is signed by an authority that is not known here")
	case errors.As(err, &name):
		return with("Use the name that is in the certificate.", "its certificate belongs to another name (%w)", name)
	case errors.As(err, &invalid):
		return with("Renew the certificate; or is this machine's clock wrong?", "its certificate is not valid (%w)", invalid)
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return with("Write http:// if that is meant, or look at the port.", "it does not speak https")
	case errors.As(err, &dns):
		return with("Look at the host's name in the address, and at the network.", "there is no host %s (%s)", dns.Name, dns.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return with("Look at host and port in the address, and whether the server runs.", "nobody listens there")
	case errors.As(err, &refusal) && refusal.Status/100 == 3:
		return Remedy{fmt.Errorf("%s leads elsewhere: %s", c.base, refusal.Message), "Write the address that it leads to."}
	case errors.As(err, &refusal) && refusal.Status == http.StatusBadRequest && c.base.Scheme == "http" && refusal.ID == "":
		return with("Write https://.", "it refuses http")
	case errors.As(err, &refusal) && refusal.Status >= 500:
		return with("Wait until it runs, or look at the proxy before it.", "it answers %d %s", refusal.Status, http.StatusText(refusal.Status))
	case errors.As(err, &refusal):
		return c.stranger()
	case errors.As(err, &timeout) && timeout.Timeout():
		return with("Look at the address, and at firewalls between.", "nobody answers there")
	}
	return err
}

// inShort is the part of an error that people can use.
func inShort(err error) string {
	var refusal *apiError
	var op *net.OpError
	var at *url.Error
	switch {
	case err == nil:
		return "something unexpected answers"
	case errors.As(err, &refusal) && refusal.Message != "":
		return strings.TrimRight(plain.Line(refusal.Message), ".")
	case errors.As(err, &op):
		return op.Err.Error()
	case errors.As(err, &at):
		return at.Err.Error()
	}
	return err.Error()
}

// capital begins a sentence.
func capital(s string) string {
	if strings.HasPrefix(s, "http") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
