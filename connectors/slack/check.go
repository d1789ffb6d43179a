package slack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"groupmail/bot"
)

// Finding is one thing that Check looked at.
type Finding struct {
	OK      bool
	Untried bool   // neither good nor bad: it could not be found out
	What    string // what was found, one sentence
	Remedy  string // what to do about it; empty if nothing
}

// maxSkew is how far clocks may differ: Slack's signatures count for five minutes.
const maxSkew = 2 * time.Minute

// Check looks at the workspace as the bot sees it, and at these channels. Nothing is posted. One fault
// is told once: what cannot be found out because of it is left out.
func (p *Platform) Check(ctx context.Context, channels []string) []Finding {
	c := checking{p: p}
	if !c.account(ctx) {
		return c.all
	}
	public, private := false, false
	for _, id := range channels {
		isPrivate, known := c.channel(ctx, id)
		public = public || known && !isPrivate
		private = private || known && isPrivate
	}
	c.scopes(public, private)
	if p.cfg.AppToken != nil {
		c.socket(ctx)
	} else {
		c.secret()
	}
	return c.all
}

// checking is a Check under way.
type checking struct {
	p       *Platform
	all     []Finding
	granted []string // scopes; nil if Slack did not say
}

func (c *checking) good(format string, args ...any) {
	c.all = append(c.all, Finding{OK: true, What: fmt.Sprintf(format, args...)})
}

func (c *checking) bad(remedy, format string, args ...any) {
	c.all = append(c.all, Finding{What: fmt.Sprintf(format, args...), Remedy: remedy})
}

const tokenPlace = "It stands on https://api.slack.com/apps under the app's OAuth & Permissions, as Bot User OAuth Token (xoxb-…)."

// account tells whether the token is the bot's.
func (c *checking) account(ctx context.Context) bool {
	token, err := c.p.cfg.BotToken()
	if err != nil {
		c.bad("", "bot_token: %v.", err)
		return false
	}
	if !strings.HasPrefix(token, "xoxb-") {
		c.bad(tokenPlace, "bot_token is no bot's token, which begins with xoxb-.")
		return false
	}
	c.p.forgetSelf() // as it is now
	me, err := c.p.me(ctx)
	switch {
	case is(err, "invalid_auth", "not_authed"):
		c.bad("Copy it once more. "+tokenPlace, "Slack does not know bot_token (%s).", refusal(err))
		return false
	case errors.Is(err, bot.ErrNoAccess):
		c.bad("Install the app in the workspace again and put the new token into the configuration. "+tokenPlace, "Slack does not take bot_token (%s).", refusal(err))
		return false
	case err != nil:
		c.bad("Look at the network; GroupMail must reach "+c.p.cfg.APIURL+".", "Slack does not answer: %v.", err)
		return false
	}
	c.good("The token is of the bot @%s in the workspace %s.", me.User, me.Team)
	if granted := me.Header.Get("X-Oauth-Scopes"); granted != "" {
		for scope := range strings.SplitSeq(granted, ",") {
			c.granted = append(c.granted, strings.TrimSpace(scope))
		}
	}
	if at, err := http.ParseTime(me.Header.Get("Date")); err == nil {
		if skew := c.p.clock().Sub(at); skew.Abs() > maxSkew {
			c.bad("Let this machine set its clock by NTP.", "This machine's clock and Slack's differ by %s.", skew.Abs().Round(time.Second))
		} else {
			c.good("Slack's clock and ours agree.")
		}
	}
	return true
}

// refusal is Slack's own word for why it refused.
func refusal(err error) string {
	var r slack.SlackErrorResponse
	if errors.As(err, &r) {
		return r.Err
	}
	return err.Error()
}

// channel tells whether the channel is private, if that is known.
func (c *checking) channel(ctx context.Context, id string) (private, known bool) {
	ch, err := c.p.usable(ctx, id)
	switch {
	case is(err, "missing_scope"):
		return false, false // told with the scopes
	case is(err, "channel_not_found"):
		c.bad("Invite the bot there with /invite @groupmail; the id is on the channel's name, About, at the bottom.", "There is no channel %s, or it is private and the bot is not in it.", id)
		return false, false
	case errors.Is(err, bot.ErrNoChannel):
		c.bad("Type /invite @groupmail there, or take the channel out of the archive.", "The bot cannot use the channel %s: %v.", id, err)
		return false, false
	case err != nil:
		c.bad("Try again later.", "The channel %s cannot be looked at: %v.", id, err)
		return false, false
	}
	members, err := c.p.Members(ctx, id)
	switch {
	case is(err, "missing_scope"):
	case err != nil:
		c.bad("Try again later.", "Who is in #%s cannot be asked: %v.", ch.Name, err)
	default:
		c.good("The bot is in #%s with %d people.", ch.Name, len(members))
		if ch.IsExtShared || hasGuest(members) {
			c.all = append(c.all, Finding{Untried: true, What: "Guests or another organisation read along in #" + ch.Name + ": cards show senders only, unless the board's show says otherwise."})
		}
	}
	return ch.IsPrivate, true
}

// scopes looks whether the app has the rights that these kinds of channel need.
func (c *checking) scopes(public, private bool) {
	if c.granted == nil {
		c.all = append(c.all, Finding{Untried: true, What: "Slack did not say which rights the app has."})
		return
	}
	if !public && !private {
		public, private = true, true // nobody knows
	}
	var lacks []string
	for _, s := range Scopes {
		needed := !s.Optional && (!s.Public || public) && (!s.Private || private)
		if needed && !slices.Contains(c.granted, s.Name) {
			lacks = append(lacks, s.Name+" ("+s.Reason+")")
		}
	}
	if len(lacks) > 0 {
		c.bad("Add them on https://api.slack.com/apps under OAuth & Permissions, Bot Token Scopes, and install the app again.", "The app lacks rights: %s.", strings.Join(lacks, "; "))
		return
	}
	c.good("The app has all the rights it needs.")
}

// socket looks whether the app-level token opens Socket Mode.
func (c *checking) socket(ctx context.Context) {
	const where = "It is made on https://api.slack.com/apps under Basic Information, App-Level Tokens, with the scope connections:write (xapp-…)."
	token, err := c.p.cfg.AppToken()
	if err != nil {
		c.bad("", "app_token: %v.", err)
		return
	}
	if !strings.HasPrefix(token, "xapp-") {
		c.bad(where, "app_token is no app-level token, which begins with xapp-.")
		return
	}
	api := slack.New("", slack.OptionAppLevelToken(token), slack.OptionAPIURL(c.p.cfg.APIURL), slack.OptionHTTPClient(c.p.api.calls))
	_, _, err = api.StartSocketModeContext(ctx)
	switch {
	case is(err, "socket_mode_not_enabled", "access_denied"):
		c.bad("Turn it on on https://api.slack.com/apps under Socket Mode.", "Socket Mode is off for this app.")
	case errors.Is(why("", err), bot.ErrNoAccess):
		c.bad(where, "Slack does not take app_token (%s).", refusal(err))
	case err != nil:
		c.bad("Try again later.", "Socket Mode cannot be opened: %v.", err)
	default:
		c.good("Socket Mode can be opened.")
	}
}

func (c *checking) secret() {
	secret, err := c.p.cfg.SigningSecret()
	switch {
	case err != nil:
		c.bad("", "signing_secret: %v.", err)
	case len(secret) != 32:
		c.bad("It stands on https://api.slack.com/apps under Basic Information, App Credentials.", "signing_secret is no signing secret, which is 32 letters and digits.")
	default:
		c.all = append(c.all, Finding{Untried: true, What: "Whether Slack reaches us is seen when it sends its first request: save the request URL on https://api.slack.com/apps under Event Subscriptions, which tries it."})
	}
}
