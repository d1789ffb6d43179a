package slack

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"groupmail/bot/hearing"
)

// connections is how many are open at once: while one is renewed, which Slack asks for every few
// hours, the other hears. https://docs.slack.dev/apis/events-api/using-socket-mode#connections
const connections = 2

// sockets hears over Socket Mode until ctx ends.
func (r *run) sockets(ctx context.Context) {
	for range connections {
		r.wg.Go(func() {
			var wait hearing.Backoff
			for ctx.Err() == nil {
				err := r.socket(ctx, &wait)
				if ctx.Err() != nil {
					return
				}
				r.p.log.Warn("not connected", "error", why("Socket Mode", err))
				hearing.Pause(ctx, max(wait.Next(), hearing.RetryAfter(why("", err))))
			}
		})
	}
}

// socket is one connection, renewed as often as Slack wants it.
func (r *run) socket(ctx context.Context, wait *hearing.Backoff) error {
	token, err := r.p.cfg.AppToken()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	api := slack.New("", slack.OptionAppLevelToken(token), slack.OptionAPIURL(r.p.cfg.APIURL), slack.OptionHTTPClient(r.p.api.calls))
	client := socketmode.New(api, socketmode.OptionLog(slog.NewLogLogger(slog.DiscardHandler, 0)))
	ended := make(chan error, 1)
	r.wg.Go(func() { ended <- client.RunContext(ctx) })
	up := false
	down := func() {
		if up {
			r.p.connections.Add(-1)
			up = false
		}
	}
	defer down()
	for {
		select {
		case err := <-ended:
			if err == nil {
				err = errors.New("the connection ended")
			}
			return err
		case e := <-client.Events:
			switch e.Type {
			case socketmode.EventTypeHello:
				wait.Reset()
				if !up {
					up = true
					if r.p.connections.Add(1) == 1 { // nobody heard for a while
						r.hearing.FellBehind()
						r.p.log.Info("connected")
					}
				}
			case socketmode.EventTypeConnecting:
				down()
			case socketmode.EventTypeConnectionError:
				r.p.log.Warn("not connected", "error", e.Data)
			case socketmode.EventTypeErrorBadMessage:
				r.unread(client, e)
			case socketmode.EventTypeEventsAPI, socketmode.EventTypeInteractive, socketmode.EventTypeSlashCommand:
				r.envelope(client, e)
			}
		}
	}
}

// envelope hands on what came and acknowledges it, without keeping the connection waiting.
func (r *run) envelope(client *socketmode.Client, e socketmode.Event) {
	req := *e.Request
	ack := func(payload any) {
		var err error
		if payload != nil && req.AcceptsResponsePayload {
			err = client.Ack(req, payload)
		} else {
			err = client.Ack(req)
		}
		if err != nil {
			r.p.log.Error("acknowledge", "type", e.Type, "error", err)
		}
	}
	switch e.Type {
	case socketmode.EventTypeEventsAPI:
		if r.ctx.Err() != nil {
			return // Slack tells another connection
		}
		// What is lost between here and the hub is read again: the cursor has not moved.
		if err := r.hear(r.ctx, req.Payload, req.RetryAttempt > 0); err != nil {
			r.p.log.Error("event", "error", err)
		}
		ack(nil)
	case socketmode.EventTypeInteractive:
		r.background(func(context.Context) {
			answer, err := r.interactive(req.Payload)
			if errors.Is(err, errEnding) {
				return
			}
			if err != nil {
				r.p.log.Error("interaction", "error", err)
			}
			ack(answer)
		})
	default:
		command, _ := e.Data.(slack.SlashCommand)
		r.background(func(context.Context) {
			if r.slash(command) == nil {
				ack(nil)
			}
		})
	}
}

// unread acknowledges what the library cannot read, new kinds of events most of all: Slack would go on
// sending it.
func (r *run) unread(client *socketmode.Client, e socketmode.Event) {
	bad, ok := e.Data.(*socketmode.ErrorBadMessage)
	if !ok {
		return
	}
	var req socketmode.Request
	if json.Unmarshal(bad.Message, &req) != nil || req.EnvelopeID == "" {
		r.p.log.Warn("a message that cannot be read", "error", bad.Cause)
		return
	}
	if req.Type == socketmode.RequestTypeEventsAPI {
		if err := r.hear(r.ctx, req.Payload, req.RetryAttempt > 0); err != nil {
			r.p.log.Warn("event", "error", err)
		}
	}
	if err := client.Ack(req); err != nil {
		r.p.log.Error("acknowledge", "error", err)
	}
}
