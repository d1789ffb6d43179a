package wiki

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"groupmail/ticketing"
)

const (
	sessionCookie = "groupmail_session"
	nextCookie    = "groupmail_next" // where somebody wanted to go before they were signed in
	oidcCookie    = "groupmail_oidc"
)

// Links are the addresses of the web view, by the address at which browsers reach the HTTP server.
type Links string

func (l Links) to(parts ...string) string { return strings.TrimSuffix(string(l), "/") + to(parts...) }

// Login is the address of a login, for its member's eyes alone.
func (l Links) Login(token string) string { return l.to("-", "signin", token) }

// Page is the address of a page.
func (l Links) Page(group, slug string) string { return l.to(group, "page", slug) }

// History is the address of a page's history.
func (l Links) History(group, slug string) string { return l.to(group, "page", slug, "history") }

// Contact is the address of a contact.
func (l Links) Contact(group string, id ticketing.ContactID) string {
	return l.to(group, "contact", number(int64(id)))
}

func (w *Wiki) cookie(name, value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: name, Value: value, Path: Root, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: w.secure,
		MaxAge: int(life.Seconds()),
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// remember keeps where somebody wanted to go for when they are signed in.
func (w *Wiki) remember(rw http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && r.URL.Path != Root {
		http.SetCookie(rw, w.cookie(nextCookie, url.QueryEscape(r.URL.RequestURI()), time.Hour))
	}
}

// wanted is where they wanted to go: a path of ours, and nothing else.
func (w *Wiki) wanted(rw http.ResponseWriter, r *http.Request) string {
	c, err := r.Cookie(nextCookie)
	if err != nil {
		return Root
	}
	http.SetCookie(rw, w.cookie(nextCookie, "", 0))
	next, err := url.QueryUnescape(c.Value)
	if err != nil {
		return Root
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(u.Path, Root) || strings.ContainsAny(next, "\\\r\n") {
		return Root
	}
	return u.RequestURI()
}

// outside is a request of somebody who is not signed in.
func outside(rw http.ResponseWriter, r *http.Request) *visit { return &visit{w: rw, r: r} }

type signInPage struct {
	OIDC bool
	Text string // what went wrong; empty: nothing yet
}

func (w *Wiki) signIn(rw http.ResponseWriter, r *http.Request) {
	w.render(outside(rw, r), http.StatusOK, "signin", "Sign in", signInPage{OIDC: w.OIDC != nil})
}

// refused shows the page to sign in with what went wrong.
func (w *Wiki) refused(rw http.ResponseWriter, r *http.Request, doing string, err error) {
	var no ticketing.Refusal
	if errors.As(err, &no) {
		w.render(outside(rw, r), http.StatusForbidden, "signin", "Sign in", signInPage{w.OIDC != nil, no.Text})
		return
	}
	w.Log.Error("somebody cannot sign in", "doing", doing, "err", err)
	w.render(outside(rw, r), http.StatusInternalServerError, "signin", "Sign in", signInPage{w.OIDC != nil, "That did not work. Please try again in a moment."})
}

// offerLogin shows a button and uses nothing up: chats look at links to show a preview of them.
func (w *Wiki) offerLogin(rw http.ResponseWriter, r *http.Request) {
	m, err := w.Desk.LoginOf(r.Context(), r.PathValue("token"))
	if err != nil {
		w.refused(rw, r, "offer a login", err)
		return
	}
	rw.Header().Set("X-Robots-Tag", "noindex")
	w.render(outside(rw, r), http.StatusOK, "login", "Sign in", struct{ Name, Action string }{m.Called(), to("-", "signin", r.PathValue("token"))})
}

func (w *Wiki) login(rw http.ResponseWriter, r *http.Request) {
	session, m, err := w.Desk.Login(r.Context(), r.PathValue("token"))
	if err != nil {
		w.refused(rw, r, "login", err)
		return
	}
	w.enter(rw, r, session, m)
}

// enter lets somebody in. Who was signed in before in this browser is so no more.
func (w *Wiki) enter(rw http.ResponseWriter, r *http.Request, session string, m ticketing.Member) {
	if old, err := r.Cookie(sessionCookie); err == nil {
		if err := w.Desk.Logout(r.Context(), old.Value); err != nil {
			w.Log.Warn("an old session did not end", "err", err)
		}
	}
	w.Log.Info("signed in to the web view", "member", m.ID)
	http.SetCookie(rw, w.cookie(sessionCookie, session, 400*24*time.Hour)) // the desk knows when it ends
	http.Redirect(rw, r, w.wanted(rw, r), http.StatusSeeOther)
}

func (w *Wiki) signOut(rw http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(sessionCookie); err == nil {
		if err := w.Desk.Logout(r.Context(), c.Value); err != nil {
			w.Log.Error("a session did not end", "err", err)
			http.Error(rw, "That did not work, and you are still signed in. Please try again in a moment.", http.StatusInternalServerError)
			return
		}
	}
	http.SetCookie(rw, w.cookie(sessionCookie, "", 0))
	http.Redirect(rw, r, own+"signin", http.StatusSeeOther)
}
