package slacktest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config says what workspace and app to make. The zero value is a workspace without channels, and the
// app that [DefaultManifest] describes, installed.
type Config struct {
	Listen   string // "127.0.0.1:0" if empty
	Clock    *Clock // NewClock() if nil
	Manifest []byte // of the app, JSON; DefaultManifest if empty
	Team     string // the workspace's name: "Example"
	Domain   string // "example"
	// NoLimits switches the rate limits off.
	NoLimits bool
	// Files become visible only so much after files.completeUploadExternal, as on Slack, where they are
	// looked at meanwhile. 0: at once.
	FileDelay time.Duration
	// LenientArguments ignores unknown arguments, as Slack does, instead of refusing them.
	LenientArguments bool
	// MessageReplied also sends the message_replied event for a reply, without its subtype: Slack's
	// documented bug (https://docs.slack.dev/reference/events/message/message_replied).
	MessageReplied bool
	// BlocksTogether also refuses what is too much only together: the texts of all blocks of a message, see
	// maxBlocksText. Slack does; an app that obeys switches it on.
	BlocksTogether bool
	// Secrets; made up if empty.
	BotToken, AppToken, SigningSecret string
	// AppID and the like may be set so that a restarted stand-in looks the same; made up if empty.
	AppID, TeamID, BotUser, BotID string
}

// Server is a running Slack. Its fields are for reading.
type Server struct {
	URL   string // "http://127.0.0.1:1234"
	API   string // URL + "/api/"
	Clock *Clock

	BotToken, AppToken, ConfigToken, SigningSecret string
	AppID, TeamID, BotUser, BotID                  string
	BotName                                        string // as people address it: "groupmail"
	verification                                   string

	config Config
	app    manifest
	http   *http.Server
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu       sync.Mutex // of everything below
	renewed  string     // the bot's token since Reinstall
	closed   bool
	world    workspace
	calls    []Call
	faults   []*fault
	limits   limiter
	sockets  sockets
	outbox   []event
	sent     []event
	more     chan struct{} // something is in outbox
	triggers map[string]*trigger
	urls     map[string]*responseURL
	uploads  map[string]*file // by path
	revoked  string           // why no token works any more: token_revoked, account_inactive
	trouble  []Trouble
	mistakes []string
	tamper   Tamper
	site     http.Handler
	changed  chan struct{} // closed and made anew at each change that somebody could see
}

// TB is what [Start] needs of a test.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Start is New for a test: it is closed at its end.
func Start(t TB, c Config) *Server {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatalf("slacktest: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// New starts a Slack.
func New(c Config) (*Server, error) {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Clock == nil {
		c.Clock = NewClock()
	}
	if len(c.Manifest) == 0 {
		c.Manifest = []byte(DefaultManifest)
	}
	app, err := readManifest(c.Manifest)
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", c.Listen)
	if err != nil {
		return nil, err
	}
	s := &Server{
		URL: "http://" + listener.Addr().String(), Clock: c.Clock, config: c, app: app, more: make(chan struct{}, 1),
		BotToken: or(c.BotToken, "xoxb-"+digits(12)+"-"+digits(13)+"-"+secret(24)), AppToken: or(c.AppToken, "xapp-1-A0"+id(9)+"-"+digits(13)+"-"+secret(64)),
		ConfigToken: "xoxe.xoxp-1-" + secret(48), SigningSecret: or(c.SigningSecret, secret(32)), verification: secret(24),
		AppID: or(c.AppID, "A0"+id(9)), TeamID: or(c.TeamID, "T0"+id(9)), BotUser: or(c.BotUser, "U0"+id(9)), BotID: or(c.BotID, "B0"+id(9)),
		BotName:  app.Features.BotUser.DisplayName,
		triggers: map[string]*trigger{}, urls: map[string]*responseURL{}, uploads: map[string]*file{}, changed: make(chan struct{}),
	}
	s.API = s.URL + "/api/"
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.limits = limiter{off: c.NoLimits, buckets: map[string]*bucket{}}
	s.world = newWorkspace(c.Clock, or(c.Team, "Example"), or(c.Domain, "example"))
	s.addBot()
	s.http = &http.Server{Handler: s.handler(), ReadHeaderTimeout: time.Minute}
	s.work.Go(func() { _ = s.http.Serve(listener) })
	s.work.Go(s.deliverAll)
	return s, nil
}

// Close ends it: connections are cut, and everything that was under way has ended when it returns.
func (s *Server) Close() {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	for _, c := range s.sockets.open {
		_ = c.ws.Close()
	}
	s.mu.Unlock()
	_ = s.http.Close()
	s.work.Wait()
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/{method}", s.serveMethod)
	mux.HandleFunc("/link/", s.serveSocket)
	mux.HandleFunc("POST /upload/v1/{token}", s.serveUpload)
	mux.HandleFunc("GET /files-pri/{id}/{name}", s.serveFile)
	mux.HandleFunc("GET /files-pri/{id}/download/{name}", s.serveFile)
	mux.HandleFunc("POST /actions/{team}/{id}/{secret}", s.serveResponseURL)
	mux.HandleFunc("POST /app/{team}/{id}/{secret}", s.serveResponseURL)
	mux.HandleFunc("POST /commands/{team}/{id}/{secret}", s.serveResponseURL)
	mux.HandleFunc("/", s.serveSite)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.begin() {
			panic(http.ErrAbortHandler)
		}
		defer s.work.Done()
		w.Header().Set("Date", s.Clock.Now().UTC().Format(http.TimeFormat))
		mux.ServeHTTP(w, r)
	})
}

// begin counts something under way, unless it is closed: work.Done must follow.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.work.Add(1)
	return true
}

// ServeSite puts pages beside the API, under / and /as/: see package page.
func (s *Server) ServeSite(site http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.site = site
}

func (s *Server) serveSite(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	site := s.site
	s.mu.Unlock()
	if site == nil {
		s.serveLogin(w, r)
		return
	}
	site.ServeHTTP(w, r)
}

// serveLogin is the page that Slack shows to whoever is not logged in: also, with status 200, instead of
// a file to a client whose token is missing or wrong.
func (s *Server) serveLogin(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head><body>Sign in to your workspace</body></html>")
}

// Call is one call of a Web API method.
type Call struct {
	At     time.Time
	Method string
	Args   map[string]any // as decoded; without the token
	Status int            // of HTTP; 0: the connection was cut
	Error  string         // Slack's code; empty: ok
	Answer map[string]any
}

// call is a call under way.
type call struct {
	method *method
	args   object
	warn   []string // warnings of the response
}

func (c *call) text(name string) string { s, _ := c.args[name].(string); return s }
func (c *call) flag(name string) bool   { b, _ := c.args[name].(bool); return b }

// number is the argument's value, or missing.
func (c *call) number(name string, missing int) int {
	if f, ok := c.args[name].(float64); ok {
		return int(f)
	}
	return missing
}

// serveMethod is the way of every call: faults that tests ask for, the method, the rate limit, the body,
// the token, the scopes, the arguments, and then the method itself.
func (s *Server) serveMethod(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("method")
	record := Call{At: s.Clock.Now(), Method: name, Status: http.StatusOK}
	body, err := io.ReadAll(io.LimitReader(r.Body, 32<<20))
	if err != nil {
		return
	}
	f := s.takeFault(name)
	switch {
	case f == nil:
	case f.Slow > 0:
		if !s.Clock.wait(r.Context(), record.At.Add(f.Slow), s.ctx.Done()) {
			return
		}
	case f.Cut:
		s.note(record, nil, 0)
		panic(http.ErrAbortHandler)
	case f.RetryAfter > 0:
		s.limited(w, record, f.RetryAfter)
		return
	case f.Status != 0:
		s.note(record, nil, f.Status)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><head><title>"+http.StatusText(f.Status)+"</title></head><body></body></html>")
		return
	}
	var c *call
	answer, failure := object(nil), error(nil)
	if f != nil && f.Code != "" {
		failure = refuse(f.Code)
	} else if c, failure = s.admit(r, name, body, w.Header()); failure == nil {
		record.Args = c.args
		if wait := s.limit(c); wait > 0 {
			s.limited(w, record, wait)
			return
		}
		s.mu.Lock()
		answer, failure = c.method.run(s, c)
		s.mu.Unlock()
	}
	answer = s.answer(r, c, answer, failure)
	if f != nil && f.Lost {
		s.note(record, answer, 0)
		panic(http.ErrAbortHandler)
	}
	s.note(record, answer, http.StatusOK)
	if f != nil && f.Half {
		whole := marshal(answer)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
		_, _ = w.Write(whole[:len(whole)/2])
		panic(http.ErrAbortHandler)
	}
	writeJSON(w, http.StatusOK, answer)
}

// answer is what the method's outcome looks like.
func (s *Server) answer(r *http.Request, c *call, answer object, failure error) object {
	warnings := []string{}
	if c != nil {
		warnings = append(warnings, c.warn...)
	}
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch _, charset := params["charset"]; {
	case kind == "application/json" && !charset:
		warnings = append(warnings, "missing_charset")
	case kind == "application/x-www-form-urlencoded" && charset:
		warnings = append(warnings, "superfluous_charset")
	}
	meta := object{}
	var no *refusal
	switch {
	case failure == nil:
		if answer == nil {
			answer = object{}
		}
		answer["ok"] = true
		if m, ok := answer["response_metadata"].(object); ok {
			meta = m
		}
	case errors.As(failure, &no):
		answer = object{"ok": false, "error": no.code}
		for k, v := range no.more {
			answer[k] = v
		}
		if len(no.messages) != 0 {
			meta["messages"] = no.messages
		}
	default:
		answer = object{"ok": false, "error": "internal_error"}
	}
	if len(warnings) != 0 {
		answer["warning"], meta["warnings"] = strings.Join(warnings, ","), warnings
	}
	if len(meta) != 0 {
		answer["response_metadata"] = meta
	}
	return answer
}

// admit checks everything that is the same for all methods.
func (s *Server) admit(r *http.Request, name string, body []byte, header http.Header) (*call, error) {
	m, known := methods()[name]
	if !known || m.run == nil {
		return nil, &refusal{code: "unknown_method", more: object{"req_method": name}}
	}
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		return nil, refuse("invalid_method")
	}
	form, values, err := readBody(r, m, body)
	if err != nil {
		return nil, err
	}
	if err := s.authenticate(r, m, form, header); err != nil {
		return nil, err
	}
	if r.Method == http.MethodGet {
		form = r.URL.Query()
	}
	args, err := m.arguments(form, values, s.config.LenientArguments)
	if err != nil {
		return nil, err
	}
	return &call{method: m, args: args}, nil
}

// readBody reads the arguments of a POST: a form, or a JSON object where the method takes one. A method
// that takes none sees no arguments in a JSON body.
func readBody(r *http.Request, m *method, body []byte) (form url.Values, values object, err error) {
	form = url.Values{}
	if r.Method == http.MethodGet {
		return form, nil, nil
	}
	header := r.Header.Get("Content-Type")
	if header == "" {
		if len(body) == 0 {
			return form, nil, nil
		}
		return nil, nil, refuse("missing_post_type")
	}
	kind, params, err := mime.ParseMediaType(header)
	if err != nil {
		return nil, nil, refuse("invalid_post_type")
	}
	if set := params["charset"]; set != "" && !strings.EqualFold(set, "utf-8") && !strings.EqualFold(set, "iso-8859-1") {
		return nil, nil, refuse("invalid_charset")
	}
	switch kind {
	case "application/x-www-form-urlencoded":
		if form, err = url.ParseQuery(string(body)); err != nil {
			return nil, nil, refuse("invalid_form_data")
		}
	case "multipart/form-data":
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if err := r.ParseMultipartForm(32 << 20); err != nil {
			return nil, nil, refuse("invalid_form_data")
		}
		form = r.MultipartForm.Value
	case "application/json":
		if !m.JSON || len(body) == 0 {
			return form, nil, nil
		}
		v, err := decode(body)
		if err != nil {
			return nil, nil, refuse("invalid_json")
		}
		o, ok := v.(object)
		if !ok {
			return nil, nil, refuse("json_not_object")
		}
		return form, o, nil
	case "text/plain":
	default:
		return nil, nil, refuse("invalid_post_type")
	}
	return form, nil, nil
}

// authenticate checks the token, where it stands and what it may do. A token belongs into the
// Authorization header or into a form, not into a query string
// (https://docs.slack.dev/changelog/2020-11-no-more-tokens-in-querystrings-for-newly-created-apps), not
// into JSON, and that of apps.connections.open into the header alone.
func (s *Server) authenticate(r *http.Request, m *method, form url.Values, header http.Header) error {
	token, inHeader := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !inHeader {
		token = form.Get("token")
	}
	switch {
	case m.token == noToken:
		return nil
	case r.URL.Query().Has("token"):
		return refuse("invalid_auth")
	case token == "":
		return refuse("not_authed")
	case m.token == appToken && !inHeader:
		return refuse("invalid_auth")
	}
	s.mu.Lock()
	revoked, renewed := s.revoked, s.renewed
	s.mu.Unlock()
	kind, granted := botToken, s.app.OAuth.Scopes.Bot
	switch token {
	case renewed:
	case s.BotToken:
		if renewed != "" {
			revoked = "token_revoked"
		}
	case s.AppToken:
		kind, granted = appToken, []string{"connections:write"}
	case s.ConfigToken:
		kind, granted = configToken, []string{"app_configurations:write", "app_configurations:read"}
	default:
		return refuse("invalid_auth")
	}
	if kind != m.token {
		return refuse("not_allowed_token_type")
	}
	if revoked != "" && kind == botToken {
		return refuse(revoked)
	}
	header.Set("X-OAuth-Scopes", strings.Join(granted, ","))
	accepted := m.Scope.Bot
	header.Set("X-Accepted-OAuth-Scopes", strings.Join(accepted, ","))
	for _, one := range accepted {
		if s.app.may(one) {
			return nil
		}
	}
	if len(accepted) != 0 {
		return s.missingScope(strings.Join(accepted, ","))
	}
	return nil
}

func (s *Server) missingScope(needed string) error {
	return &refusal{code: "missing_scope", more: object{"needed": needed, "provided": strings.Join(s.app.OAuth.Scopes.Bot, ",")}}
}

// Calls are the calls of these methods, of all if none is named, oldest first.
func (s *Server) Calls(methods ...string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Call
	for _, c := range s.calls {
		for _, m := range methods {
			if m == c.Method {
				found = append(found, c)
			}
		}
		if len(methods) == 0 {
			found = append(found, c)
		}
	}
	return found
}

func (s *Server) note(c Call, answer object, status int) {
	c.Status, c.Answer = status, answer
	c.Error, _ = answer["error"].(string)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
	s.wake()
}

// wake tells those who look that something may have changed. Holds mu.
func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Changed is closed at the next change of anything: a message, a view, a call.
func (s *Server) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Mistakes are what Slack lets pass although an app should not do it: an acknowledgement of nothing, a
// payload where none is accepted.
func (s *Server) Mistakes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.mistakes...)
}

// mistake notes one. Holds mu.
func (s *Server) mistake(format string, args ...any) {
	s.mistakes = append(s.mistakes, fmt.Sprintf(format, args...))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
}

// id is n letters and digits as Slack's ids have them.
func id(n int) string { return random(n, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") }

func digits(n int) string { return random(n, "123456789") }

func random(n int, alphabet string) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}

func secret(n int) string {
	b := make([]byte, (n+1)/2)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)[:n]
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
