package slack

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/slack-go/slack"

	"groupmail/bot/inbound"
)

// maxRequest is the size of a request that is read. Slack's are far smaller.
const maxRequest = 2 << 20

// Handler takes Slack's signed requests, at Path+"events", "interactive" and "commands". Without a
// signing secret there are none.
func (p *Platform) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST "+Path+"events", p.signed(p.httpEvent))
	mux.Handle("POST "+Path+"interactive", p.signed(p.httpInteractive))
	mux.Handle("POST "+Path+"commands", p.signed(p.httpCommand))
	return mux
}

// request is a signed request's body, and whoever runs now.
type request struct {
	body  []byte
	again bool // Slack has sent it before
	run   *run // nil while nobody runs
}

// signed lets through what carries Slack's signature of the last five minutes.
// https://docs.slack.dev/authentication/verifying-requests-from-slack
func (p *Platform) signed(f func(w http.ResponseWriter, q request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.cfg.SigningSecret == nil {
			http.NotFound(w, r)
			return
		}
		body, ok := inbound.Body(w, r, maxRequest)
		if !ok {
			return
		}
		secret, err := p.cfg.SigningSecret()
		if err != nil {
			p.log.Error("signing secret", "error", err)
			http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
			return
		}
		v, err := slack.NewSecretsVerifier(r.Header, secret)
		if err == nil {
			_, _ = v.Write(body) // of a hash: cannot fail
			err = v.Ensure()
		}
		if err != nil {
			p.log.Warn("refused a request", "path", r.URL.Path, "from", r.RemoteAddr, "error", err)
			http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
			return
		}
		run, leave := p.gateway.Enter()
		if run != nil {
			defer leave()
		}
		f(w, request{body, r.Header.Get("X-Slack-Retry-Num") != "", run})
	})
}

func (p *Platform) httpEvent(w http.ResponseWriter, q request) {
	var e struct {
		Type      string `json:"type"`
		Challenge string `json:"challenge"`
	}
	if err := json.Unmarshal(q.body, &e); err != nil {
		http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
		return
	}
	switch {
	case e.Type == "url_verification":
		answer(w, map[string]string{"challenge": e.Challenge})
	case q.run == nil: // Slack sends it again
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
	default:
		if err := q.run.hear(q.run.ctx, q.body, q.again); err != nil {
			p.log.Error("event", "error", err)
		}
		w.WriteHeader(http.StatusOK)
	}
}

func (p *Platform) httpInteractive(w http.ResponseWriter, q request) {
	form, err := url.ParseQuery(string(q.body))
	if err != nil || form.Get("payload") == "" {
		http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
		return
	}
	if q.run == nil {
		http.Error(w, starting, http.StatusServiceUnavailable)
		return
	}
	answered := make(chan struct{})
	defer close(answered)
	said, err := q.run.interactive([]byte(form.Get("payload")), answered)
	if errors.Is(err, errEnding) {
		http.Error(w, starting, http.StatusServiceUnavailable)
		return
	}
	if err != nil {
		p.log.Error("interaction", "error", err)
	}
	answer(w, said)
}

func (p *Platform) httpCommand(w http.ResponseWriter, q request) {
	form, err := url.ParseQuery(string(q.body))
	if err != nil || form.Get("command") == "" {
		http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
		return
	}
	if q.run == nil {
		answer(w, map[string]string{"response_type": slack.ResponseTypeEphemeral, "text": starting})
		return
	}
	err = q.run.slash(slack.SlashCommand{
		TeamID: form.Get("team_id"), ChannelID: form.Get("channel_id"), UserID: form.Get("user_id"), UserName: form.Get("user_name"),
		Command: form.Get("command"), Text: form.Get("text"), ResponseURL: form.Get("response_url"), TriggerID: form.Get("trigger_id"),
	})
	if err != nil {
		http.Error(w, starting, http.StatusServiceUnavailable)
		return
	}
	answer(w, nil)
}

// answer answers a request, at once; nil is an empty answer.
func answer(w http.ResponseWriter, body any) {
	defer func() { _ = http.NewResponseController(w).Flush() }()
	if body == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}
