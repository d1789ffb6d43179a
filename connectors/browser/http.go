package browser

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"strings"

	"groupmail/bot"
)

//go:embed web
var web embed.FS

var pages = template.Must(template.ParseFS(web, "web/*.html"))

// imageTypes are shown as pictures; nothing else ever is.
var imageTypes = []string{"image/png", "image/jpeg", "image/gif", "image/webp"}

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Handler serves the pages, at Base:
//
//	/                                who are you?
//	/to/{channel}/{message}          the same, then on to a message
//	/as/{person}                     the first channel
//	/as/{person}/{channel}           a channel; @groupmail is the bot's direct messages
//	/api/{person}/…                  what the pages ask and send (JSON)
//
// In the pages a message is [data-message="m12"], a button of it [data-button="take"], its menu
// [data-menu], the link to its thread [data-thread], a whisper .whisper with [data-dismiss]; a form is
// dialog[data-form] with fields by their names, [data-submit] and [data-cancel]; a question is
// dialog.ask with [data-yes]; the boxes to write in are #composer and #thread-composer.
func (p *Platform) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.whoPage)
	mux.HandleFunc("GET /to/{channel}/{message}", p.whoPage)
	mux.HandleFunc("GET /as/{person}", p.firstChannel)
	mux.HandleFunc("GET /as/{person}/{channel}", p.channelPage)
	mux.HandleFunc("GET /assets/{name}", p.asset)

	get := func(pattern string, h http.HandlerFunc) { mux.HandleFunc("GET /api/{person}/"+pattern, p.known(h)) }
	get("events", p.events)
	get("changes", p.getChanges)
	get("room", p.getRoom)
	get("older", p.getOlder)
	get("thread", p.getThread)
	get("message", p.getMessage)
	get("commands", p.getCommands)
	get("complete", p.getComplete)
	get("file/{message}/{index}/{name}", p.getFile)
	post := func(pattern string, h http.HandlerFunc) { mux.HandleFunc("POST /api/{person}/"+pattern, p.known(h)) }
	post("say", p.postSay)
	post("edit", p.postEdit)
	post("delete", p.postDelete)
	post("press", p.postPress)
	post("submit", p.postSubmit)
	post("command", p.postCommand)
	post("dismiss", p.postDismiss)
	post("upload", p.postUpload)

	var h http.Handler = mux
	if p.root != "" {
		h = http.StripPrefix(p.root, mux)
	}
	cross := http.NewCrossOriginProtection()
	if err := cross.AddTrustedOrigin(p.base.Scheme + "://" + p.base.Host); err != nil {
		p.log.Warn("browser: the base address as an origin", "error", err)
	}
	return p.guard(cross.Handler(h))
}

// guard sets what every answer carries, and refuses hosts that are neither loopback nor Base's: a
// foreign name that was made to point here (DNS rebinding) would make its page ours.
func (p *Platform) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !p.ourHost(r.Host) {
			http.Error(w, "This server does not answer to that host name.", http.StatusMisdirectedRequest)
			return
		}
		if site := r.Header.Get("Sec-Fetch-Site"); strings.HasPrefix(r.URL.Path, p.root+"/api/") && site != "" && site != "same-origin" && site != "none" {
			http.Error(w, "This is for this server's own pages.", http.StatusForbidden)
			return
		}
		select {
		case <-p.closing:
			http.Error(w, "closing", http.StatusServiceUnavailable)
			return
		default:
		}
		next.ServeHTTP(w, r)
	})
}

func (p *Platform) ourHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	if strings.EqualFold(host, "localhost") || strings.EqualFold(host, p.base.Hostname()) {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// known lets only people of the configuration pass.
func (p *Platform) known(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, ok := p.people[r.PathValue("person")]; !ok {
			p.fail(w, r, http.StatusNotFound, "There is nobody of that name here.")
			return
		}
		next(w, r)
	}
}

func (p *Platform) answer(w http.ResponseWriter, r *http.Request, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		p.log.Error("browser: an answer", "path", r.URL.Path, "error", err)
		p.fail(w, r, http.StatusInternalServerError, "This cannot be shown.")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
}

// fail answers with one line for the person.
func (p *Platform) fail(w http.ResponseWriter, _ *http.Request, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text})
}

// refuse answers with a refusal, or logs a fault.
func (p *Platform) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var no refused
	switch {
	case errors.As(err, &no):
		p.fail(w, r, http.StatusConflict, string(no))
	case errors.Is(err, bot.ErrTooMuch):
		p.fail(w, r, http.StatusRequestEntityTooLarge, fmt.Sprintf("That is more than %d MB.", maxFile>>20))
	case errors.Is(err, errClosed), errors.Is(err, errNoBot):
		p.fail(w, r, http.StatusServiceUnavailable, p.cfg.BotName+" is not running just now. Please try again in a moment.")
	default:
		ref := word()[:6]
		p.log.Error("browser: request", "path", r.URL.Path, "error", err, "reference", ref)
		p.fail(w, r, http.StatusInternalServerError, "That went wrong on the server (reference "+ref+"). Please try again.")
	}
}

var errNoBot = errors.New("the bot is not running")

// room reads the room that a request is about.
func (p *Platform) room(w http.ResponseWriter, r *http.Request, name string) (string, bool) {
	id, ok := p.roomOf(r.PathValue("person"), name)
	if !ok {
		p.fail(w, r, http.StatusNotFound, "There is no such channel, or you are not in it.")
	}
	return id, ok
}
