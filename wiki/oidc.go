package wiki

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"groupmail/ticketing"
)

// OIDC is an OpenID Connect provider that members may sign in with. They are found by the e-mail address
// that it has verified (OpenID Connect Core 1.0, 5.1).
type OIDC struct {
	Issuer   string
	ClientID string
	Secret   func() (string, error)
	Client   *http.Client // nil: the usual one
}

// provider is what is known of the provider, once it was asked.
type provider struct {
	mu    sync.Mutex
	known *oidc.Provider
}

// askWithin bounds what a provider is asked.
const askWithin = 15 * time.Second

func (w *Wiki) provider(ctx context.Context) (*oidc.Provider, error) {
	w.oidc.mu.Lock()
	defer w.oidc.mu.Unlock()
	if w.oidc.known != nil {
		return w.oidc.known, nil
	}
	p, err := oidc.NewProvider(ctx, w.OIDC.Issuer)
	if err != nil {
		return nil, fmt.Errorf("wiki: ask the issuer %s: %w", w.OIDC.Issuer, err)
	}
	w.oidc.known = p
	return p, nil
}

// client gives ctx the HTTP client to ask with. The provider keeps it, with its keys, for longer than a request.
func (w *Wiki) client(ctx context.Context) context.Context {
	c := w.OIDC.Client
	if c == nil {
		c = &http.Client{Timeout: askWithin}
	}
	return oidc.ClientContext(ctx, c)
}

func (w *Wiki) oauth(ctx context.Context) (oauth2.Config, *oidc.Provider, error) {
	p, err := w.provider(context.WithoutCancel(ctx))
	if err != nil {
		return oauth2.Config{}, nil, err
	}
	secret, err := w.OIDC.Secret()
	return oauth2.Config{
		ClientID: w.OIDC.ClientID, ClientSecret: secret, Endpoint: p.Endpoint(),
		RedirectURL: strings.TrimSuffix(w.Public, "/") + own + "oidc/callback", Scopes: []string{oidc.ScopeOpenID, "email"},
	}, p, err
}

// startOIDC sends somebody to the provider. State, nonce and the verifier of PKCE (RFC 7636) stay with the
// browser that began, so that no other can end it.
func (w *Wiki) startOIDC(rw http.ResponseWriter, r *http.Request) {
	if w.OIDC == nil {
		http.NotFound(rw, r)
		return
	}
	c, _, err := w.oauth(w.client(r.Context()))
	if err != nil {
		w.refused(rw, r, "OpenID Connect", err)
		return
	}
	state, nonce, verifier := random(), random(), oauth2.GenerateVerifier()
	http.SetCookie(rw, w.cookie(oidcCookie, state+"."+nonce+"."+verifier, 10*time.Minute))
	http.Redirect(rw, r, c.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), http.StatusSeeOther)
}

func random() string {
	b := make([]byte, 24)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

func (w *Wiki) endOIDC(rw http.ResponseWriter, r *http.Request) {
	if w.OIDC == nil {
		http.NotFound(rw, r)
		return
	}
	http.SetCookie(rw, w.cookie(oidcCookie, "", 0))
	session, m, err := w.endedOIDC(r)
	if err != nil {
		w.refused(rw, r, "OpenID Connect", err)
		return
	}
	w.enter(rw, r, session, m)
}

func badAnswer(text string) error {
	return ticketing.Refusal{Kind: ticketing.NotMember, Text: text}
}

func (w *Wiki) endedOIDC(r *http.Request) (session string, m ticketing.Member, err error) {
	begun, err := r.Cookie(oidcCookie)
	parts := []string{}
	if err == nil {
		parts = strings.Split(begun.Value, ".")
	}
	if len(parts) != 3 || subtle.ConstantTimeCompare([]byte(parts[0]), []byte(r.FormValue("state"))) != 1 {
		return "", m, badAnswer("This sign-in was not begun in this browser, or more than ten minutes ago. Begin it again.")
	}
	if why := r.FormValue("error"); why != "" {
		return "", m, badAnswer("The sign-in was refused there: " + ticketing.OneLine(why+" "+r.FormValue("error_description"), 200))
	}
	ctx, cancel := context.WithTimeout(w.client(r.Context()), askWithin)
	defer cancel()
	c, p, err := w.oauth(ctx)
	if err != nil {
		return "", m, err
	}
	tokens, err := c.Exchange(ctx, r.FormValue("code"), oauth2.VerifierOption(parts[2]))
	if err != nil {
		return "", m, fmt.Errorf("wiki: exchange the code: %w", withoutBody(err))
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := p.Verifier(&oidc.Config{ClientID: c.ClientID, Now: w.Clock}).Verify(ctx, raw)
	if err != nil {
		return "", m, fmt.Errorf("wiki: verify the id token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(parts[1])) != 1 {
		return "", m, badAnswer("The answer belongs to another sign-in. Begin it again.")
	}
	var claims struct {
		Email    string `json:"email"`
		Verified bool   `json:"email_verified"`
	}
	if err := id.Claims(&claims); err != nil {
		return "", m, fmt.Errorf("wiki: read the id token: %w", err)
	}
	if claims.Email == "" || !claims.Verified {
		return "", m, badAnswer("Your account there has no verified e-mail address, by which you could be found here. Use /mail login in your channel.")
	}
	return w.Desk.LoginByMail(r.Context(), claims.Email)
}

// withoutBody leaves out what the provider answered, which may hold tokens.
func withoutBody(err error) error {
	var answered *oauth2.RetrieveError
	if errors.As(err, &answered) {
		return fmt.Errorf("the issuer answered %s %s", answered.Response.Status, answered.ErrorCode)
	}
	return err
}
