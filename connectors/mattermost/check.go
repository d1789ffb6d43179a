package mattermost

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"groupmail/bot"
)

// Finding is one thing that Check looked at.
type Finding struct {
	OK     bool
	What   string // what was found, one sentence
	Remedy string // what to do about it; empty if nothing
}

// maxSkew is how far clocks may differ before times on cards look wrong.
const maxSkew = time.Minute

// oldest is the oldest version of the server that GroupMail is made for.
const oldestMajor, oldestMinor = 9, 9

// Check looks at the server as the bot sees it, and at these channels.
//
// Whether the server reaches us is tried, not guessed: the server forwards a dialog to any address
// that its sender names, so the bot sends one to its own callback, sealed for the
// purpose, and whoever listens there, this process or another with the same secret, must answer it.
// If that fails, the same is sent from here: where that is answered, the server is what does not come
// through; it does not tell a bot whether it refuses the address
// (AllowedUntrustedInternalConnections) or cannot connect.
func (p *Platform) Check(ctx context.Context, channels []string) []Finding {
	var all []Finding
	good := func(format string, args ...any) {
		all = append(all, Finding{OK: true, What: fmt.Sprintf(format, args...)})
	}
	bad := func(remedy, format string, args ...any) {
		all = append(all, Finding{What: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	if err := p.api.get(ctx, "/system/ping", nil); err != nil {
		bad("Look at the address in the configuration, at the network, and whether the server runs.", "%s does not answer as a Mattermost server: %v.", p.base, err)
		return all
	}
	major, minor := p.api.serverVersion()
	switch {
	case major == 0:
		bad("Look at the address in the configuration; it must be the server's own, without /api.", "%s does not tell its version.", p.base)
	case major < oldestMajor || major == oldestMajor && minor < oldestMinor:
		bad("Update the Mattermost server.", "%s is Mattermost %d.%d, which is older than GroupMail is made for (%d.%d).", p.base, major, minor, oldestMajor, oldestMinor)
	default:
		good("%s is Mattermost %d.%d.", p.base, major, minor)
	}
	if skew := p.api.clockSkew(); skew.Abs() > maxSkew {
		bad("Let both machines set their clocks by NTP.", "The server's clock and ours differ by %s.", skew.Abs().Round(time.Second))
	} else {
		good("The server's clock and ours agree.")
	}

	p.mu.Lock()
	p.self = nil // as it is now
	p.mu.Unlock()
	me, err := p.me(ctx)
	switch {
	case is(err, http.StatusUnauthorized):
		bad("Run groupmail setup mattermost with --rotate and put the new token into the configuration.", "The server does not know the bot's token.")
		return all
	case err != nil:
		bad("Look at the token in the configuration.", "The bot's account cannot be looked at: %v.", err)
		return all
	case !me.IsBot:
		bad("Use the bot's token, not a person's; groupmail setup mattermost makes one.", "The token is of @%s, which is a person's account.", me.Username)
	default:
		good("The token is of the bot @%s.", me.Username)
	}
	if me.IsSystemAdmin() {
		bad("Make it an ordinary member; GroupMail needs no more.", "@%s is a system administrator.", me.Username)
	}

	var reached string
	for _, channel := range channels {
		c, err := p.Channel(ctx, channel)
		switch {
		case errors.Is(err, bot.ErrNoChannel):
			bad(fmt.Sprintf("Invite it: /invite @%s in that channel. The id stands under the channel's name, View Info.", me.Username), "There is no channel %s, or @%s is not in it.", channel, me.Username)
		case err != nil:
			bad("Try again.", "The channel %s cannot be looked at: %v.", channel, err)
		default:
			good("@%s is in the channel %s.", me.Username, c.Title)
			reached = channel
		}
	}
	return append(all, p.checkCallback(ctx, reached))
}

// checkCallback finds out whether the server reaches us; channel is one that the bot is in.
func (p *Platform) checkCallback(ctx context.Context, channel string) Finding {
	target := p.cfg.Callback + Path + "dialogs"
	why := errors.New("the bot is in no channel, which the trial needs")
	if channel != "" {
		word := rand.Text()
		p.mu.Lock()
		team := p.channels[channel].TeamId
		p.mu.Unlock()
		var resp model.SubmitDialogResponse
		why = p.api.post(ctx, "/actions/dialogs/submit", model.SubmitDialogRequest{
			URL: target, State: p.seal("trial", trial{Word: word}), ChannelId: channel, TeamId: team,
		}, &resp)
		if why == nil && resp.Error == word {
			return Finding{OK: true, What: "The server reaches us at " + p.cfg.Callback + "."}
		}
		if why == nil {
			return Finding{
				What:   "At " + p.cfg.Callback + " something that is not GroupMail answers the server.",
				Remedy: "Look at the callback in the configuration, and at what listens there.",
			}
		}
	}
	word := rand.Text()
	body, err := json.Marshal(model.SubmitDialogRequest{State: p.seal("trial", trial{Word: word})})
	if err != nil {
		return Finding{What: err.Error(), Remedy: "Try again."}
	}
	status, said, err := p.knock(ctx, target, body)
	switch {
	case err != nil:
		return Finding{
			What:   fmt.Sprintf("The server does not reach us at %s (%v), and neither do we (%v).", p.cfg.Callback, why, err),
			Remedy: "Is groupmail serve running? Then look at the callback in the configuration, and at proxies and firewalls on the way.",
		}
	case status == http.StatusForbidden:
		return Finding{
			What:   "At " + p.cfg.Callback + " a GroupMail with another secret answers.",
			Remedy: "Processes that share an address must share their database. Look for one that runs with another configuration.",
		}
	case said != word:
		return Finding{
			What:   fmt.Sprintf("At %s something answers (%d) that is not GroupMail.", p.cfg.Callback, status),
			Remedy: "Look at the callback in the configuration, and at proxies on the way: " + Path + " must come through unchanged.",
		}
	}
	return Finding{
		What:   fmt.Sprintf("We answer at %s, but the server does not get through to us (%v).", p.cfg.Callback, why),
		Remedy: "If the address is inside your network, an administrator must name its host in AllowedUntrustedInternalConnections (System Console, Environment, Developer). Otherwise look at firewalls between the server and us.",
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

// trial is the state of a dialog by which Check tries the way from the server to us.
type trial struct {
	Word string `json:"w"`
}
