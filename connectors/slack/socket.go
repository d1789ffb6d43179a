package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"

	"groupmail/bot"
	"groupmail/bot/hearing"
)

// Socket Mode. The library's own client is not used: it answers over whichever connection is open by then,
// does not say whether an answer was written, and closes a connection as soon as Slack says that it will.
// https://docs.slack.dev/apis/events-api/using-socket-mode

const (
	// connections is how many are open at once: while one is renewed, which Slack asks for every few
	// hours, the other hears.
	connections = 2

	dialTime  = 10 * time.Second
	writeTime = 5 * time.Second
	pingEvery = 5 * time.Second
	deadAfter = 20 * time.Second // without a sign of life
	// farewell is how long a connection is heard that Slack wants to close: it says so ten seconds before.
	farewell = 15 * time.Second
	// goodbye is how long Slack may take to answer that we close.
	goodbye  = time.Second
	maxFrame = 16 << 20
	// steady is how long a connection lasts that is no part of a trouble.
	steady = 10 * time.Second
	// slowly is how often is tried what can only be mended by hand.
	slowly = time.Minute
)

// envelope is what comes over a connection.
type envelope struct {
	Type    string          `json:"type"`
	Reason  string          `json:"reason"` // of disconnect
	ID      string          `json:"envelope_id"`
	Payload json.RawMessage `json:"payload"`
	Accepts bool            `json:"accepts_response_payload"`
	Attempt int             `json:"retry_attempt"`
}

// errDisabled: somebody switched Socket Mode off.
var errDisabled = errors.New("slack: Socket Mode is switched off for the app")

// sockets keeps connections open until ctx ends.
func (r *run) sockets(ctx context.Context) {
	for range connections {
		r.wg.Go(func() {
			var wait hearing.Backoff
			disabled := false
			for ctx.Err() == nil {
				began := time.Now()
				was := r.socket(ctx)
				if ctx.Err() != nil {
					return
				}
				err := was.why
				disabled = disabled && !was.open || errors.Is(err, errDisabled)
				if time.Since(began) > steady {
					wait.Reset()
					if err == nil {
						continue
					}
				}
				pause := max(wait.Next(), hearing.RetryAfter(err))
				if disabled && !errors.Is(err, errDisabled) { // whatever Slack's word for it is
					err = errors.Join(errDisabled, err)
				}
				if disabled || errors.Is(err, bot.ErrNoAccess) {
					pause = r.p.slowly
				}
				if err != nil {
					r.p.lost(err)
				}
				hearing.Pause(ctx, pause)
			}
		})
	}
}

// lost notes why there is no connection, if there is none.
func (p *Platform) lost(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.connections > 0 {
		p.log.Info("a connection ended, another hears", "error", err)
		return
	}
	p.ails = err
	if log, since := p.outage.Lasts(p.clock()); log {
		p.log.Warn("not connected", "for", since.Round(time.Second), "error", err)
	}
}

// opened counts a connection; first tells whether nobody heard before.
func (p *Platform) opened() (first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connections++
	p.ails = nil
	if since, was := p.outage.Over(p.clock()); was {
		p.log.Info("connected again", "after", since.Round(time.Second))
	}
	return p.connections == 1
}

func (p *Platform) closed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connections--
}

// Ails says why there is no connection and, where only hands can help, what they have to do. why is nil
// while there is one.
func (p *Platform) Ails() (cure string, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case errors.Is(p.ails, errDisabled):
		cure = "Switch Socket Mode on: https://api.slack.com/apps, the app, Socket Mode. No restart is needed, and what was written meanwhile is read then."
	case errors.Is(p.ails, bot.ErrNoAccess):
		cure = "Put valid tokens where the configuration reads bot_token and app_token from; groupmail check says which is wrong. No restart is needed."
	}
	return cure, p.ails
}

// socket opens a connection and returns when another must take its place: because it ended, or, without an
// error, because Slack is going to close it. Until then it is heard on, and what came over it answered.
func (r *run) socket(ctx context.Context) ending {
	ws, err := r.dial(ctx)
	if err != nil {
		return ending{why: why("Socket Mode", err)}
	}
	c := &connection{r: r, ws: ws, replace: make(chan ending, 1)}
	r.wg.Go(func() { c.listen(ctx) })
	return <-c.replace
}

// ending is why another connection is needed, and whether Slack had said hello on this one.
type ending struct {
	open bool
	why  error
}

func (r *run) dial(ctx context.Context) (*websocket.Conn, error) {
	token, err := r.p.cfg.AppToken()
	if err != nil {
		return nil, fmt.Errorf("app_token: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	api := slack.New("", slack.OptionAppLevelToken(token), slack.OptionAPIURL(r.p.cfg.APIURL), slack.OptionHTTPClient(r.p.api.calls))
	_, address, err := api.StartSocketModeContext(ctx)
	if is(err, "socket_mode_not_enabled", "access_denied") {
		err = errors.Join(errDisabled, err)
	}
	if err != nil {
		return nil, err
	}
	dialer := websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: dialTime}
	ws, resp, err := dialer.DialContext(ctx, address, nil) //nolint:bodyclose // gorilla: it need not be
	if err != nil && resp != nil {
		err = fmt.Errorf("%s: %w", resp.Status, err)
	}
	return ws, err
}

// connection is one of Socket Mode.
type connection struct {
	r       *run
	ws      *websocket.Conn
	replace chan ending // takes one
	greeted bool        // of listen alone: Slack has said hello

	writing sync.Mutex

	mu  sync.Mutex
	end time.Time // when it is given up, whatever comes; zero: not decided
}

// listen hears a connection to its end.
func (c *connection) listen(ctx context.Context) {
	defer c.ws.Close()
	farewell := context.AfterFunc(ctx, func() {
		c.endWithin(goodbye)
		_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(goodbye))
	})
	defer farewell()
	over := make(chan struct{})
	defer close(over)
	c.r.wg.Go(func() { c.ping(over) })
	c.ws.SetReadLimit(maxFrame)
	pinged, ponged := c.ws.PingHandler(), c.ws.PongHandler()
	c.ws.SetPingHandler(func(s string) error { c.alive(); return pinged(s) })
	c.ws.SetPongHandler(func(s string) error { c.alive(); return ponged(s) })
	c.alive()
	for {
		_, data, err := c.ws.ReadMessage()
		if err != nil {
			if c.greeted {
				c.r.p.closed()
			}
			c.leave(fmt.Errorf("slack: Socket Mode: %w", err))
			return
		}
		c.alive()
		var e envelope
		if err := json.Unmarshal(data, &e); err != nil {
			c.r.p.log.Warn("a message that cannot be read", "error", err)
			continue
		}
		switch e.Type {
		case "hello":
			if c.greeted {
				continue
			}
			c.greeted = true
			if c.r.p.opened() {
				c.r.hearing.FellBehind()
			}
		case "disconnect":
			c.disconnected(e.Reason)
		default:
			c.take(e)
		}
	}
}

// disconnected is Slack's word that it will close the connection, or closes it.
func (c *connection) disconnected(reason string) {
	c.endWithin(farewell)
	switch reason {
	case "link_disabled":
		c.leave(errDisabled)
	case "warning", "refresh_requested":
		c.leave(nil)
	default: // too_many_websockets
		c.leave(fmt.Errorf("slack: Socket Mode: %s", reason))
	}
}

func (c *connection) leave(why error) {
	select {
	case c.replace <- ending{c.greeted, why}:
	default: // said before
	}
}

// alive notes a sign of life.
func (c *connection) alive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end.IsZero() {
		_ = c.ws.SetReadDeadline(time.Now().Add(deadAfter))
	}
}

// endWithin gives the connection up after d at the latest.
func (c *connection) endWithin(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if end := time.Now().Add(d); c.end.IsZero() || end.Before(c.end) {
		c.end = end
		_ = c.ws.SetReadDeadline(end)
	}
}

// ping asks for signs of life: a connection may be dead without anybody being told.
func (c *connection) ping(over <-chan struct{}) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-tick.C:
			_ = c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTime)) // reading notices what is wrong
		}
	}
}

// acknowledge answers an envelope. What cannot be answered any more Slack sends again, or tells the person
// that it failed, who does it again: both is heard under the same key, or harmless.
func (c *connection) acknowledge(e envelope, payload any) {
	answer := map[string]any{"envelope_id": e.ID}
	if payload != nil && e.Accepts {
		answer["payload"] = payload
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = c.ws.SetWriteDeadline(time.Now().Add(writeTime))
	if err := c.ws.WriteJSON(answer); err != nil {
		c.r.p.log.Warn("an answer came too late, the connection is closed", "type", e.Type, "error", err)
	}
}

// take hands on what came and acknowledges it, without keeping the connection waiting.
func (c *connection) take(e envelope) {
	r := c.r
	if e.ID == "" {
		return
	}
	switch e.Type {
	case "interactive":
		r.background(func(context.Context) {
			answered := make(chan struct{})
			defer close(answered)
			answer, err := r.interactive(e.Payload, answered)
			if errors.Is(err, errEnding) {
				return
			}
			if err != nil {
				r.p.log.Error("interaction", "error", err)
			}
			c.acknowledge(e, answer)
		})
	case "slash_commands":
		r.background(func(context.Context) {
			var command slack.SlashCommand
			if err := json.Unmarshal(e.Payload, &command); err != nil {
				r.p.log.Error("command", "error", err)
			} else if r.slash(command) != nil {
				return
			}
			c.acknowledge(e, nil)
		})
	case "events_api":
		if r.ctx.Err() != nil {
			return // Slack tells another connection
		}
		// What is lost between here and the hub is read again: the cursor has not moved.
		if err := r.hear(r.ctx, e.Payload, e.Attempt > 0); err != nil {
			r.p.log.Error("event", "error", err)
		}
		c.acknowledge(e, nil)
	default: // a new kind; Slack would go on sending it
		c.acknowledge(e, nil)
	}
}
