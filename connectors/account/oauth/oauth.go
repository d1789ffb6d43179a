// Package oauth signs in to mail servers with OAuth2 tokens (RFC 6749): it lets a person sign in
// once, keeps what that gives in a Vault, and hands out access tokens from then on.
//
// A refresh token is the only thing that cannot be had again without a person. Providers replace it
// with each use, so that one process at a time uses it, under the vault's lock, and the new one is
// kept before anything else is done.
//
// It knows nothing of mailboxes. Secrets and tokens are in no error and in no log.
//
// Start reading at Source, then Source.Token and Source.SignIn.
package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"groupmail/connectors/account"
)

// Config says at which provider, and as which application, one signs in.
type Config struct {
	// Key names the sign-in in the vault.
	Key      string
	Provider Provider
	ClientID string
	// Secret is the application's; nil if it has none. It is asked anew each time.
	Secret func(context.Context) (string, error)
	// SecretEnds is when the secret ends, which no provider tells; zero if that is not known.
	SecretEnds time.Time
	// App means that the application signs in as itself (RFC 6749 section 4.4), without a person.
	App bool
	// Hint is the address that the person should sign in with.
	Hint string
	// Cure is what a person does to sign in again: "groupmail auth help@example.org".
	Cure string
}

// Source hands out access tokens. It may be used by several goroutines at once.
type Source struct {
	cfg   Config
	vault Vault
	busy  chan struct{} // holds one token while somebody works with what follows

	at    *Endpoints // of the provider, once they are known
	grant grant      // as far as this process knows
	owed  bool       // grant could not be kept
}

// New makes a source.
func New(cfg Config, vault Vault) *Source {
	return &Source{cfg: cfg, vault: vault, busy: make(chan struct{}, 1)}
}

// grant is what a sign-in gave.
type grant struct {
	ID          string    `json:"id"`     // of the sign-in; it outlives every rotation
	Client      string    `json:"client"` // to whom it was given
	Refresh     string    `json:"refresh,omitempty"`
	RefreshEnds time.Time `json:"refresh_ends,omitzero"` // if the provider tells
	Access      string    `json:"access,omitempty"`
	AccessEnds  time.Time `json:"access_ends,omitzero"` // shortly before it does
}

const (
	// request is how long a provider may take. It is less than a lock lasts.
	request = 15 * time.Second
	// shortly is how long before its end an access token is replaced.
	shortly = 2 * time.Minute
	// unknown is how long an access token is used whose end the provider does not tell.
	unknown = 5 * time.Minute
)

func (s *Source) enter(ctx context.Context) error {
	select {
	case s.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Source) leave() { <-s.busy }

// Token returns an access token, other than the refused one. account.ErrLogin means that a person
// must do something, which the error says; any other error may pass.
func (s *Source) Token(ctx context.Context, refused string) (string, error) {
	if err := s.enter(ctx); err != nil {
		return "", err
	}
	defer s.leave()
	if s.owed {
		s.owed = s.keep(ctx) != nil
	}
	if s.grant.serves(refused) {
		return s.grant.Access, nil
	}
	unlock, err := s.vault.Lock(ctx, s.cfg.Key)
	if err != nil {
		return "", fmt.Errorf("oauth: take the lock of the tokens: %w", err)
	}
	defer unlock()
	if !s.owed {
		if err := s.load(ctx); err != nil {
			return "", err
		}
		if s.grant.serves(refused) { // another process was faster
			return s.grant.Access, nil
		}
	}
	if err := s.renew(ctx); err != nil {
		return "", err
	}
	return s.grant.Access, nil
}

func (g grant) serves(refused string) bool {
	return g.Access != "" && g.Access != refused && time.Now().Before(g.AccessEnds)
}

// load reads what is kept. What was given to another application is of no use.
func (s *Source) load(ctx context.Context) error {
	kept, err := s.vault.Load(ctx, s.cfg.Key)
	if err != nil {
		return fmt.Errorf("oauth: read the tokens: %w", err)
	}
	s.grant = grant{}
	if kept != "" && json.Unmarshal([]byte(kept), &s.grant) != nil {
		s.grant = grant{} // damaged: as if nobody had signed in
	}
	if s.grant.Client != s.client() {
		s.grant = grant{}
	}
	return nil
}

func (s *Source) client() string {
	sum := sha256.Sum256([]byte(s.cfg.Provider.Name + "\x00" + s.cfg.ClientID + "\x00" + strconv.FormatBool(s.cfg.App)))
	return hex.EncodeToString(sum[:8])
}

// keep writes the grant, whether or not ctx has ended: it cannot be had again.
func (s *Source) keep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), request)
	defer cancel()
	b, err := json.Marshal(s.grant)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		if err = s.vault.Save(ctx, s.cfg.Key, string(b)); err == nil || try == 3 {
			return err
		}
		time.Sleep(time.Duration(try) * 100 * time.Millisecond)
	}
}

// renew gets a new access token from the provider. Once asked, it is waited for: a refresh token is
// used up by the question.
func (s *Source) renew(ctx context.Context) error {
	if s.grant.Refresh == "" && !s.cfg.App {
		return s.login("", "nobody has signed in yet", nil)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), request)
	defer cancel()
	conf, ctx, err := s.conf(ctx)
	if err != nil {
		return err
	}
	var got *oauth2.Token
	if s.cfg.App {
		c := clientcredentials.Config{
			ClientID: conf.ClientID, ClientSecret: conf.ClientSecret, TokenURL: conf.Endpoint.TokenURL,
			AuthStyle: conf.Endpoint.AuthStyle, Scopes: conf.Scopes,
		}
		got, err = c.Token(ctx)
	} else {
		got, err = conf.TokenSource(ctx, &oauth2.Token{RefreshToken: s.grant.Refresh}).Token()
	}
	if err != nil {
		return s.explain("renew the token", err)
	}
	s.take(got)
	// What could not be kept is kept with the next Token; until then this process goes on with it.
	s.owed = s.keep(ctx) != nil
	return nil
}

// take notes what the provider gave.
func (s *Source) take(t *oauth2.Token) {
	now := time.Now()
	g := &s.grant
	g.Client, g.Access = s.client(), t.AccessToken
	if s.cfg.App {
		g.ID = "app"
	} else {
		g.Refresh = t.RefreshToken // the old one, if there is no new one
	}
	lasts := unknown
	if !t.Expiry.IsZero() {
		lasts = t.Expiry.Sub(now)
	}
	g.AccessEnds = now.Add(max(lasts/2, lasts-shortly))
	if ends, ok := seconds(t.Extra("refresh_token_expires_in")); ok {
		g.RefreshEnds = now.Add(ends)
	}
}

func seconds(v any) (time.Duration, bool) {
	var n float64
	switch v := v.(type) {
	case float64:
		n = v
	case int64:
		n = float64(v)
	case string:
		n, _ = strconv.ParseFloat(v, 64)
	}
	return time.Duration(n * float64(time.Second)), n > 0 && n < 1e9
}

// conf is the configuration of the library; its secret is read now. The context carries our client.
func (s *Source) conf(ctx context.Context) (*oauth2.Config, context.Context, error) {
	if s.at == nil {
		at, err := s.cfg.Provider.endpoints(ctx)
		if err != nil {
			return nil, ctx, err
		}
		s.at = &at
	}
	conf := &oauth2.Config{
		ClientID: s.cfg.ClientID, Scopes: s.cfg.Provider.Scopes,
		Endpoint: oauth2.Endpoint{
			AuthURL: s.at.Authorize, TokenURL: s.at.Token, DeviceAuthURL: s.at.Device, AuthStyle: oauth2.AuthStyleInParams,
		},
	}
	if s.at.SecretInHeader {
		conf.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	}
	if s.cfg.App && s.cfg.Provider.AppScopes != nil {
		conf.Scopes = s.cfg.Provider.AppScopes
	}
	if s.cfg.Secret != nil {
		var err error
		if conf.ClientSecret, err = s.cfg.Secret(ctx); err != nil {
			return nil, ctx, fmt.Errorf("oauth: read client_secret: %w", err)
		}
	} else {
		conf.Endpoint.AuthStyle = oauth2.AuthStyleInParams // the only way to name oneself without one
	}
	return conf, context.WithValue(ctx, oauth2.HTTPClient, client), nil
}

// client follows no redirection: secrets go to the address that they are meant for, or nowhere.
var client = &http.Client{
	Timeout:       request,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// login is a refusal that a person must undo.
func (s *Source) login(says, why string, err error) error {
	if err == nil {
		err = account.ErrLogin
	} else {
		err = fmt.Errorf("%w: %w", account.ErrLogin, err)
	}
	if why != "" {
		err = fmt.Errorf("%s: %w", why, err)
	}
	return &account.Trouble{
		Doing: s.doing("sign in"), Says: account.Printable(says), Err: err, Cure: "sign in: " + s.cfg.Cure,
	}
}

func (s *Source) doing(what string) string { return "oauth " + s.cfg.Provider.Name + ": " + what }

// ErrDeclined means that the person, or the provider for them, said no.
var ErrDeclined = errors.New("the sign-in was declined")

// explain says what a provider's no means. What it answered is not quoted but for its words: with the
// rest it may repeat what it was asked.
func (s *Source) explain(doing string, err error) error {
	var no *oauth2.RetrieveError
	if !errors.As(err, &no) {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err
		}
		return &account.Trouble{Doing: s.doing(doing), Err: err}
	}
	says := no.ErrorCode
	if no.ErrorDescription != "" {
		says += ": " + no.ErrorDescription
	}
	t := &account.Trouble{Doing: s.doing(doing), Says: account.Printable(says), Err: errors.New("refused")}
	if says == "" && no.Response != nil {
		t.Err = fmt.Errorf("the provider answers %d without a reason", no.Response.StatusCode)
	}
	switch no.ErrorCode {
	case "invalid_grant", "interaction_required", "consent_required", "login_required":
		return s.login(says, "", nil)
	case "invalid_client", "unauthorized_client":
		t.Err = account.ErrLogin
		t.Cure = "check client_id and client_secret, and whether the secret has run out; the provider's page of the application shows that"
	case "invalid_scope", "unsupported_grant_type", "invalid_request":
		t.Err = account.ErrLogin
		t.Cure = "the application must be allowed this at the provider: check its permissions there"
	case "access_denied":
		t.Err = fmt.Errorf("%w: %w", ErrDeclined, account.ErrLogin)
		t.Cure = "sign in again and agree: " + s.cfg.Cure
	case "expired_token":
		t.Err = fmt.Errorf("the code was not used in time: %w", account.ErrLogin)
		t.Cure = "begin again: " + s.cfg.Cure
	}
	return t
}

// Stamp differs once somebody has signed in anew, or the settings are others.
func (s *Source) Stamp(ctx context.Context) string {
	sum := sha256.New()
	kept, err := s.vault.Load(ctx, s.cfg.Key)
	if err == nil {
		var g grant
		_ = json.Unmarshal([]byte(kept), &g) // what cannot be read has no ID
		fmt.Fprintf(sum, "%s\x00", g.ID)
	}
	if s.cfg.Secret != nil {
		secret, err := s.cfg.Secret(ctx)
		fmt.Fprintf(sum, "%s\x00%t", secret, err == nil)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Expiry is something that must be renewed by a person in time.
type Expiry struct {
	What string // "the sign-in", "the client secret"
	Ends time.Time
	Cure string
}

// Expiries are what is known to end, in no order.
func (s *Source) Expiries(ctx context.Context) (all []Expiry, err error) {
	if !s.cfg.SecretEnds.IsZero() {
		all = append(all, Expiry{"the client secret", s.cfg.SecretEnds, "make a new one at the provider, and put it where client_secret is read from"})
	}
	if s.cfg.App {
		return all, nil
	}
	if err := s.enter(ctx); err != nil {
		return all, err
	}
	defer s.leave()
	if !s.owed {
		if err := s.load(ctx); err != nil {
			return all, err
		}
	}
	if !s.grant.RefreshEnds.IsZero() {
		all = append(all, Expiry{"the sign-in", s.grant.RefreshEnds, "sign in: " + s.cfg.Cure})
	}
	return all, nil
}

// signedIn keeps what a person's sign-in gave, in the place of what there was.
func (s *Source) signedIn(ctx context.Context, t *oauth2.Token) error {
	if t.RefreshToken == "" {
		return &account.Trouble{
			Doing: s.doing("sign in"), Err: errors.New("the provider gives no refresh token, so that the sign-in would end within the hour"),
			Cure: "allow the application offline access at the provider; with issuer, add the scope offline_access",
		}
	}
	return s.alone(ctx, func() error {
		s.grant, s.owed = grant{ID: rand.Text()}, false
		s.take(t)
		if err := s.keep(ctx); err != nil {
			return fmt.Errorf("oauth: keep the tokens: %w", err)
		}
		return nil
	})
}

// alone runs f while nobody else, in any process, works with these tokens.
func (s *Source) alone(ctx context.Context, f func() error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	unlock, err := s.vault.Lock(ctx, s.cfg.Key)
	if err != nil {
		return fmt.Errorf("oauth: take the lock of the tokens: %w", err)
	}
	defer unlock()
	return f()
}
