// Package wiki is the web view of what a team knows: pages, contacts, tickets and mail, to be read by
// signed-in members. Nothing is written here: that is done in chat.
//
// It owns the HTML, Markdown, the sanitising of mail on its way out, and sign-in. It knows no database and no
// chat platform: everything that is read, and every right to read it, is ticketing.Desk's.
//
// A visitor sees the groups in whose channels they are present at that moment; for all else the answer is
// the same as for what does not exist.
//
// Start reading at Config and Handler, then read.go; signin.go is how one comes in.
package wiki

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"groupmail/ticketing"
)

// Config is what a web view is made of.
type Config struct {
	Desk *ticketing.Desk
	// OpenFile streams an attachment of a mail.
	OpenFile func(ctx context.Context, m ticketing.Mail, a ticketing.Attachment) (io.ReadCloser, error)
	// Link is an address that shows a message of a board in its chat; empty if there is none.
	Link func(board, message string) string
	// Public is where members' browsers reach the HTTP server: "https://groupmail.example.org".
	Public string
	OIDC   *OIDC // nil: one signs in by a link from the chat alone
	Clock  ticketing.Clock
	Log    *slog.Logger
}

// Root is the path below which everything lies: each group below its name, and what belongs to none below own.
const (
	Root = "/wiki/"
	own  = Root + "-/" // no group is called so
)

// Wiki is the web view.
type Wiki struct {
	Config
	secure bool // cookies travel by TLS alone
	pages  map[string]*template.Template
	oidc   provider
}

//go:embed web
var web embed.FS

// New makes one. It asks nobody: an issuer is asked when somebody signs in with it.
func New(cfg Config) *Wiki {
	w := &Wiki{Config: cfg, secure: strings.HasPrefix(cfg.Public, "https://"), pages: map[string]*template.Template{}}
	if w.Clock == nil {
		w.Clock = ticketing.SystemClock
	}
	names, err := fs.Glob(web, "web/*.html")
	if err != nil {
		panic(err) // of a constant pattern
	}
	frame := template.Must(template.New("frame.html").Funcs(functions).ParseFS(web, "web/frame.html", "web/parts.html"))
	for _, name := range names {
		if base := path.Base(name); base != "frame.html" && base != "parts.html" {
			page := template.Must(frame.Clone())
			w.pages[strings.TrimSuffix(base, ".html")] = template.Must(page.ParseFS(web, name))
		}
	}
	return w
}

// Handler serves everything below Root.
func (w *Wiki) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+own+"style.css", styleSheet)
	mux.Handle("GET "+own+"icon.svg", icon)
	mux.HandleFunc("GET "+own+"signin", w.signIn)
	mux.HandleFunc("GET "+own+"signin/{token}", w.offerLogin)
	mux.HandleFunc("POST "+own+"signin/{token}", w.login)
	mux.HandleFunc("GET "+own+"oidc", w.startOIDC)
	mux.HandleFunc("GET "+own+"oidc/callback", w.endOIDC)
	mux.HandleFunc("POST "+own+"signout", w.signOut)
	mux.HandleFunc("GET "+Root+"{$}", w.visited(w.groups))
	in := func(pattern string, f func(*visit) error) {
		mux.HandleFunc("GET "+Root+"{group}/"+pattern, w.visited(func(v *visit) error {
			var ok bool
			if v.group, ok = v.Group(v.r.PathValue("group")); !ok {
				return errNotHere
			}
			v.board = v.Boards[v.group.Name]
			return f(v)
		}))
	}
	in("{$}", w.front)
	in("contacts", w.contacts)
	in("contact/{id}", w.contact)
	in("pages", w.listPages)
	in("page/{slug}", w.page)
	in("page/{slug}/history", w.history)
	in("page/{slug}/revision/{number}", w.revision)
	in("tickets", w.tickets)
	in("todos", w.todos)
	in("search", w.search)
	in("ticket/{number}", w.ticket)
	in("conversation/{id}", w.conversation)
	in("file/{mail}/{index}/{name}", w.file)
	mux.HandleFunc(Root, w.visited(func(*visit) error { return errNotHere }))

	guard := http.NewCrossOriginProtection()
	if w.Public != "" {
		if err := guard.AddTrustedOrigin(w.Public); err != nil { // a proxy may have changed the Host
			w.Log.Warn("the public address is no origin; old browsers may not sign out", "public", w.Public, "err", err)
		}
	}
	return secured(guard.Handler(mux))
}

// policy lets a page show its own style and nothing else, run nothing, and stand in no frame.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h := rw.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "private, no-cache")
		next.ServeHTTP(rw, r)
	})
}

// visit is one request of somebody who is signed in.
type visit struct {
	ticketing.Visitor
	w     http.ResponseWriter
	r     *http.Request
	group ticketing.Group
	board string
}

var errNotHere = ticketing.Refusal{Kind: ticketing.NotFound, Text: "There is no such page, or it is of a team that you are not in."}

// visited lets in who is signed in, and sends all others to sign in.
func (w *Wiki) visited(f func(*visit) error) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		v := &visit{w: rw, r: r}
		var err error
		cookie, none := r.Cookie(sessionCookie)
		if none == nil {
			v.Visitor, err = w.Desk.Visitor(r.Context(), cookie.Value)
		}
		var no ticketing.Refusal
		switch {
		case none != nil || errors.As(err, &no):
			w.remember(rw, r)
			http.Redirect(rw, r, own+"signin", http.StatusSeeOther)
			return
		case err == nil:
			err = f(v)
		}
		if err != nil {
			w.fail(v, err)
		}
	}
}

// fail answers with what is wrong: a refusal in its own words, anything else logged whole.
func (w *Wiki) fail(v *visit, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	status, text := http.StatusInternalServerError, "That did not work. Please try again in a moment."
	var no ticketing.Refusal
	if errors.As(err, &no) {
		status, text = http.StatusNotFound, no.Text
	} else {
		w.Log.Error("a page cannot be shown", "path", v.r.URL.Path, "member", v.Member.ID, "err", err)
	}
	w.render(v, status, "message", "Not found", struct{ Text string }{text})
}

// framed is what the frame around each page shows.
type framed struct {
	Title  string
	Group  *ticketing.Group
	Member ticketing.Member
	Many   bool // the visitor is in several groups
	Here   string
	Page   any
}

// render writes a page, or that it is as it was.
func (w *Wiki) render(v *visit, status int, page, title string, data any) {
	if status == http.StatusInternalServerError {
		title = "Something went wrong"
	}
	var b bytes.Buffer
	err := w.pages[page].ExecuteTemplate(&b, "frame.html", framed{
		Title: title, Group: &v.group, Member: v.Member, Many: len(v.Groups) > 1, Here: page, Page: data,
	})
	if err != nil {
		w.Log.Error("a page cannot be written", "page", page, "err", err)
		http.Error(v.w, "That did not work. Please try again in a moment.", http.StatusInternalServerError)
		return
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if status != http.StatusOK {
		v.w.WriteHeader(status)
		_, _ = v.w.Write(b.Bytes()) // the client may be gone
		return
	}
	sum := sha256.Sum256(b.Bytes())
	v.w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
	http.ServeContent(v.w, v.r, "", time.Time{}, bytes.NewReader(b.Bytes()))
}

// asset is a file of the web view that is the same for everybody.
type asset struct {
	body      []byte
	kind, tag string
}

var styleSheet, icon = embedded("style.css", "text/css; charset=utf-8"), embedded("icon.svg", "image/svg+xml")

func embedded(name, kind string) asset {
	b, err := web.ReadFile("web/" + name)
	if err != nil {
		panic(err) // it is embedded
	}
	sum := sha256.Sum256(b)
	return asset{b, kind, hex.EncodeToString(sum[:8])}
}

func (a asset) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", a.kind)
	rw.Header().Set("ETag", `"`+a.tag+`"`)
	if r.URL.RawQuery == a.tag { // the address holds the version
		rw.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(rw, r, "", time.Time{}, bytes.NewReader(a.body))
}

// to makes a path below Root of words that may hold anything.
func to(parts ...string) string {
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return Root + strings.Join(parts, "/")
}
