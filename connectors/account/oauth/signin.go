package oauth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"groupmail/connectors/account"
)

// SignIn lets a person sign in, with whatever browser they have, and keeps what that gives. tell is
// given what they have to do, line by line; typed hands over the lines that they type meanwhile, and
// may be nil. An application that signs in as itself needs nobody: it is only tried.
func (s *Source) SignIn(ctx context.Context, tell func(string), typed <-chan string) error {
	if s.cfg.App {
		return s.alone(ctx, func() error { return s.renew(ctx) })
	}
	starting, cancel := context.WithTimeout(ctx, request)
	conf, _, err := s.conf(starting)
	cancel()
	if err != nil {
		return err
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, client)
	var t *oauth2.Token
	if conf.Endpoint.DeviceAuthURL != "" {
		t, err = s.byDevice(ctx, conf, tell)
	} else {
		t, err = s.byRedirect(ctx, conf, tell, typed)
	}
	if err != nil {
		return err
	}
	return s.signedIn(ctx, t)
}

// byDevice is for a browser on any device (RFC 8628).
func (s *Source) byDevice(ctx context.Context, conf *oauth2.Config, tell func(string)) (*oauth2.Token, error) {
	var options []oauth2.AuthCodeOption
	if conf.ClientSecret != "" {
		options = append(options, oauth2.SetAuthURLParam("client_secret", conf.ClientSecret))
	}
	code, err := conf.DeviceAuth(ctx, options...)
	if err != nil {
		return nil, s.explain("ask for a code", err)
	}
	page := account.Printable(code.VerificationURI)
	if !confidential(code.VerificationURI) {
		return nil, &account.Trouble{Doing: s.doing("ask for a code"), Err: fmt.Errorf("the provider names the page %q, which is not https", page)}
	}
	tell("On any device, open " + page)
	tell("and type the code " + account.Printable(code.UserCode))
	s.tellWho(tell)
	for {
		t, err := conf.DeviceAccessToken(ctx, code)
		var no *oauth2.RetrieveError
		switch {
		case err == nil:
			return t, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !code.Expiry.IsZero() && !time.Now().Before(code.Expiry):
			return nil, s.explain("wait for the sign-in", &oauth2.RetrieveError{ErrorCode: "expired_token"})
		case errors.As(err, &no) && (no.Response == nil || no.Response.StatusCode < 500):
			return nil, s.explain("wait for the sign-in", err)
		case code.Expiry.IsZero():
			return nil, s.explain("wait for the sign-in", err)
		}
		// The provider could not be reached just now: the code is still good, and the person at work.
	}
}

func (s *Source) tellWho(tell func(string)) {
	if s.cfg.Hint != "" {
		tell("Sign in there with an account that may use " + s.cfg.Hint + ".")
	}
}

// byRedirect is for a browser on this machine, to which the provider sends it back (RFC 8252 section
// 7.3, with PKCE, RFC 7636). Whoever has the browser elsewhere types the address at which it ends up.
func (s *Source) byRedirect(ctx context.Context, conf *oauth2.Config, tell func(string), typed <-chan string) (*oauth2.Token, error) {
	if conf.Endpoint.AuthURL == "" {
		return nil, &account.Trouble{Doing: s.doing("sign in"), Err: errors.New("the provider has no page to sign in on"), Cure: "use app = true, if the provider has that"}
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("oauth: wait for the browser: %w", err)
	}
	conf.RedirectURL = "http://" + l.Addr().String() + "/"
	state, verifier := oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier)}
	for k, v := range s.cfg.Provider.Extra {
		options = append(options, oauth2.SetAuthURLParam(k, v))
	}
	if s.cfg.Hint != "" {
		options = append(options, oauth2.SetAuthURLParam("login_hint", s.cfg.Hint))
	}

	answers := make(chan url.Values, 1)
	back := &back{state: state, answers: answers}
	server := &http.Server{Handler: back, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l) // ends with Shutdown
	}()
	defer func() {
		soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(soon) != nil {
			_ = server.Close()
		}
		<-served
	}()

	tell("Open this address in a browser on this machine:")
	tell(conf.AuthCodeURL(state, options...))
	s.tellWho(tell)
	tell("If your browser is on another machine, it ends at a page that cannot be reached: paste that page's address here.")
	var answer url.Values
	for answer == nil {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case answer = <-answers:
		case line, ok := <-typed:
			if !ok {
				typed = nil
				continue
			}
			if answer = back.typed(line); answer == nil && strings.TrimSpace(line) != "" {
				tell("That is not the address at which this sign-in ends. It begins with " + conf.RedirectURL + "?")
			}
		}
	}
	if code := answer.Get("error"); code != "" {
		return nil, s.explain("sign in", &oauth2.RetrieveError{ErrorCode: code, ErrorDescription: answer.Get("error_description")})
	}
	ctx, cancel := context.WithTimeout(ctx, request)
	defer cancel()
	t, err := conf.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, s.explain("sign in", err)
	}
	return t, nil
}

// back is where the browser comes back to.
type back struct {
	state   string
	answers chan url.Values
}

// ours tells whether an answer belongs to this sign-in: others on this machine can call, too.
func (b *back) ours(q url.Values) bool {
	return subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(b.state)) == 1 && (q.Has("code") || q.Has("error"))
}

func (b *back) typed(line string) url.Values {
	u, err := url.Parse(strings.TrimSpace(line))
	if err != nil || !b.ours(u.Query()) {
		return nil
	}
	return u.Query()
}

func (b *back) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	q := r.URL.Query()
	text := "You are signed in. You can close this page."
	switch {
	case r.Method != http.MethodGet || r.URL.Path != "/" || !b.ours(q):
		w.WriteHeader(http.StatusNotFound)
		text = "There is nothing here."
	case q.Has("error"):
		text = "The sign-in did not work. The window in which you began it says why."
		fallthrough
	default:
		select {
		case b.answers <- q:
		default: // it was answered already
		}
	}
	_, _ = io.WriteString(w, "<!doctype html><title>GroupMail</title><p>"+html.EscapeString(text)+"\n")
}
