package slacktest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Sign is the X-Slack-Signature of a request
// (https://docs.slack.dev/authentication/verifying-requests-from-slack).
func Sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(mac, "v0:%s:%s", timestamp, body)
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}

// request calls one of the app's request URLs, signed, and gives it three seconds.
func (s *Server) request(to, kind string, body []byte, retry int, reason string) delivery {
	if to == "" {
		return delivery{reason: "connection_failed", final: true}
	}
	s.mu.Lock()
	tamper := s.tamper
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	deadline := s.Clock.Now().Add(ackWithin)
	expired := make(chan struct{})
	s.work.Go(func() {
		if s.Clock.wait(ctx, deadline, nil) {
			close(expired)
			cancel()
		}
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return delivery{reason: "connection_failed", final: true}
	}
	stamp := strconv.FormatInt(s.Clock.Now().Add(tamper.Skew).Unix(), 10)
	secret := s.SigningSecret
	if tamper.WrongSignature {
		secret += "!"
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	r.Header.Set("X-Slack-Request-Timestamp", stamp)
	r.Header.Set("X-Slack-Signature", Sign(secret, stamp, body))
	if retry > 0 {
		r.Header.Set("X-Slack-Retry-Num", strconv.Itoa(retry))
		r.Header.Set("X-Slack-Retry-Reason", map[string]string{"timeout": "http_timeout", "error": "http_error", "connection_failed": "connection_failed"}[reason])
	}
	answer, err := s.client().Do(r)
	failed := func() delivery {
		select {
		case <-expired:
			return delivery{reason: "timeout"}
		default:
			return delivery{reason: "connection_failed"}
		}
	}
	if err != nil {
		return failed()
	}
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return failed()
	}
	if answer.StatusCode/100 != 2 {
		return delivery{reason: "error", final: answer.Header.Get("X-Slack-No-Retry") == "1"}
	}
	return delivery{ok: true, answer: data}
}

// client keeps no connections and follows no redirects.
func (s *Server) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// VerifyURL does what Slack does when the request URL for events is entered: a challenge that must come
// back.
func (s *Server) VerifyURL() error {
	challenge := secret(40)
	d := s.request(s.app.Settings.Events.URL, "application/json", marshal(object{"token": s.verification, "challenge": challenge, "type": "url_verification"}), 0, "")
	if !d.ok {
		return fmt.Errorf("your URL didn't respond with the value of the challenge parameter: %s", d.reason)
	}
	var answer struct{ Challenge string }
	if json.Unmarshal(d.answer, &answer) == nil && answer.Challenge == challenge || strings.TrimSpace(string(d.answer)) == challenge {
		return nil
	}
	if form, err := url.ParseQuery(string(d.answer)); err == nil && form.Get("challenge") == challenge {
		return nil
	}
	return errors.New("your URL didn't respond with the value of the challenge parameter")
}

// --- response URLs (https://docs.slack.dev/interactivity/handling-user-interaction#message_responses) ---

const (
	responseUses = 5
	responseLife = 30 * time.Minute
)

// responseURL lets the app answer an interaction, without a token and wherever it happened.
type responseURL struct {
	channel *channel
	user    string
	origin  *message // that the interaction was with; nil for a command
	issued  time.Time
	uses    int
}

func (s *Server) newResponseURL(kind string, u *responseURL) string {
	u.issued = s.Clock.Now()
	path := "/" + kind + "/" + s.TeamID + "/" + digits(12) + "/" + id(24)
	s.urls[path] = u
	return s.URL + path
}

func (s *Server) serveResponseURL(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	no := func(status int, code string) {
		s.note(Call{At: s.Clock.Now(), Method: "response_url"}, object{"ok": false, "error": code}, status)
		writeJSON(w, status, object{"ok": false, "error": code})
	}
	s.mu.Lock()
	u := s.urls[r.URL.Path]
	code := ""
	switch {
	case u == nil:
		code = "invalid_url"
	case s.Clock.Now().Sub(u.issued) > responseLife:
		code = "expired_url"
	case u.uses >= responseUses:
		code = "used_url"
	default:
		u.uses++
	}
	s.mu.Unlock()
	if code != "" {
		no(http.StatusNotFound, code)
		return
	}
	payload := body
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			no(http.StatusBadRequest, "invalid_payload")
			return
		}
		payload = []byte(form.Get("payload"))
	}
	v, err := decode(payload)
	o, ok := v.(object)
	if err != nil || !ok {
		no(http.StatusBadRequest, "invalid_payload")
		return
	}
	s.mu.Lock()
	err = s.respond(u, o)
	s.mu.Unlock()
	var refused *refusal
	if errors.As(err, &refused) {
		no(http.StatusBadRequest, refused.code)
		return
	}
	s.note(Call{At: s.Clock.Now(), Method: "response_url", Args: o}, object{"ok": true}, http.StatusOK)
	_, _ = io.WriteString(w, "ok")
}

var responseFields = map[string]argument{
	"text": {Type: "string"}, "blocks": {Type: "string"}, "attachments": {Type: "string"}, "response_type": {Type: "string"}, "replace_original": {Type: "boolean"},
	"delete_original": {Type: "boolean"}, "thread_ts": {Type: "string"}, "unfurl_links": {Type: "boolean"}, "unfurl_media": {Type: "boolean"}, "mrkdwn": {Type: "boolean"},
	"metadata": {Type: "string"}, "parse": {Type: "string"}, "link_names": {Type: "boolean"},
}

// respond carries out what the app says over a response URL, or as the answer to a command. Holds mu.
func (s *Server) respond(u *responseURL, o object) error {
	m := &method{}
	m.Args.Properties = responseFields
	args, err := m.arguments(nil, o, false)
	if err != nil {
		return err
	}
	c := &call{method: m, args: args}
	if c.flag("delete_original") {
		if u.origin == nil || u.origin.deleted {
			return refuse("message_not_found")
		}
		if u.origin.only != "" {
			u.origin.deleted = true
			s.wake()
		} else {
			s.remove(u.origin)
		}
		return nil
	}
	held, err := s.readContent(c, "none")
	if err != nil {
		return err
	}
	if c.flag("replace_original") && u.origin != nil {
		return s.replaceOriginal(u.origin, held)
	}
	out := &message{channel: u.channel, user: s.BotUser, bot: true}
	if ts := c.text("thread_ts"); ts != "" {
		if out.root = u.channel.message(ts); out.root == nil {
			return refuse("thread_not_found")
		}
		if out.root.root != nil {
			out.root = out.root.root
		}
	}
	out.hold(held)
	switch c.text("response_type") {
	case "in_channel":
		s.reckon(out, c)
		s.post(out)
	case "", "ephemeral":
		out.only, out.metadata = u.user, nil
		s.whisper(out)
	default:
		return refuse("invalid_response_type")
	}
	return nil
}

func (s *Server) replaceOriginal(m *message, held content) error {
	if m.deleted || m.tombstone {
		return refuse("message_not_found")
	}
	before := s.messageObject(m, false)
	m.hold(held)
	if m.only == "" {
		s.reckon(m, nil)
		if !held.hasBlocks {
			m.edited = object{"user": s.BotUser, "ts": s.ts()}
		}
		s.tellChanged(m, before)
	}
	s.wake()
	return nil
}

func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("slacktest: " + err.Error()) // everything here is made of JSON's own types
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

func formOf(o object) []byte {
	form := url.Values{}
	for key, v := range o {
		form.Set(key, fmt.Sprint(v))
	}
	return []byte(form.Encode())
}
