package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"groupmail/connectors/account"
	"groupmail/connectors/account/oauth"
	"groupmail/deploy/testbed"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func config(i *testbed.Issuer) oauth.Config {
	return oauth.Config{
		Key: "help@example.org", Provider: oauth.Issuer(i.URL, nil), ClientID: testbed.IssuerClient,
		Secret: func(context.Context) (string, error) { return testbed.IssuerSecret, nil },
		Hint:   "help@example.org", Cure: "groupmail auth help@example.org",
	}
}

// signIn signs in; whatever is told goes through act, which may be a person's browser.
func signIn(t testing.TB, s *oauth.Source, act func(line string), typed <-chan string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return s.SignIn(ctx, func(line string) {
		t.Log(line)
		if act != nil {
			act(line)
		}
	}, typed)
}

// source is signed in already.
func source(t testing.TB, i *testbed.Issuer, vault oauth.Vault) *oauth.Source {
	t.Helper()
	s := oauth.New(config(i), vault)
	check(t, signIn(t, s, nil, nil))
	return s
}

func wantNoSecrets(t testing.TB, err error) {
	t.Helper()
	for _, secret := range []string{testbed.IssuerSecret, "refresh-", "access-", "code-", "s3cret"} {
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%q holds %q", err, secret)
		}
	}
}

func TestDevice(t *testing.T) {
	for name, test := range map[string]struct {
		answers []string
		is      error
		hint    string
	}{
		"at once":   {answers: []string{""}},
		"pending":   {answers: []string{"authorization_pending", "authorization_pending", ""}},
		"slow down": {answers: []string{"slow_down", ""}},
		"declined":  {answers: []string{"access_denied"}, is: oauth.ErrDeclined, hint: "groupmail auth"},
		"too late":  {answers: []string{"expired_token"}, is: account.ErrLogin, hint: "begin again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := testbed.NewIssuer(t, testbed.IssuerSettings{})
			i.Device(test.answers...)
			s := oauth.New(config(i), oauth.InFolder(t.TempDir()))
			var told []string
			err := signIn(t, s, func(line string) { told = append(told, line) }, nil)
			if !errors.Is(err, test.is) || err != nil && !strings.Contains(err.Error(), test.hint) {
				t.Fatalf("got %v", err)
			}
			wantNoSecrets(t, err)
			if all := strings.Join(told, "\n"); !strings.Contains(all, i.URL+"/enter") || !strings.Contains(all, "WDJB-MJHT") {
				t.Errorf("told %q", told)
			}
			if test.is == nil {
				token, err := s.Token(t.Context(), "")
				check(t, err)
				if !strings.HasPrefix(token, "access-") {
					t.Errorf("token %q", token)
				}
			}
		})
	}
}

// browse is a person's browser: it opens what it is told to, and follows to where it is sent.
func browse(t testing.TB, address string) {
	resp, err := http.Get(address)
	if err != nil {
		t.Error(err)
		return
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", address, resp.Status)
	}
}

func TestRedirect(t *testing.T) {
	i := testbed.NewIssuer(t, testbed.IssuerSettings{NoDevice: true})
	s := oauth.New(config(i), oauth.InFolder(t.TempDir()))
	var wg sync.WaitGroup
	check(t, signIn(t, s, func(line string) {
		if strings.HasPrefix(line, i.URL) {
			wg.Go(func() { browse(t, line) })
		}
	}, nil))
	wg.Wait()
	_, err := s.Token(t.Context(), "")
	check(t, err)
}

// TestRedirectElsewhere: the browser is on another machine, and its last address is typed. What does
// not belong to this sign-in is not taken.
func TestRedirectElsewhere(t *testing.T) {
	i := testbed.NewIssuer(t, testbed.IssuerSettings{NoDevice: true})
	s := oauth.New(config(i), oauth.InFolder(t.TempDir()))
	typed := make(chan string, 10)
	var refused bool
	check(t, signIn(t, s, func(line string) {
		if strings.HasPrefix(line, "That is not") {
			refused = true
		}
		if !strings.HasPrefix(line, i.URL) {
			return
		}
		there := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := there.Get(line)
		check(t, err)
		_ = resp.Body.Close()
		back := resp.Header.Get("Location")
		forged, err := http.Get(strings.Split(back, "?")[0] + "?code=forged&state=guessed")
		check(t, err)
		_ = forged.Body.Close()
		if forged.StatusCode != http.StatusNotFound {
			t.Errorf("a forged answer: %s", forged.Status)
		}
		typed <- "what?"
		typed <- strings.Replace(back, "state=", "state=x", 1)
		typed <- " " + back + " "
	}, typed))
	if !refused {
		t.Error("a wrong address was taken")
	}
}

// TestRotation: each refresh token is used once and the next is kept, also by another process.
func TestRotation(t *testing.T) {
	i := testbed.NewIssuer(t, testbed.IssuerSettings{})
	dir := t.TempDir()
	s := source(t, i, oauth.InFolder(dir))
	last := ""
	for n := range 6 {
		if n%2 == 1 { // after a restart
			s = oauth.New(config(i), oauth.InFolder(dir))
		}
		token, err := s.Token(t.Context(), last)
		check(t, err)
		if token == last {
			t.Fatal("a refused token is handed out again")
		}
		if again, err := s.Token(t.Context(), ""); err != nil || again != token {
			t.Errorf("%s, %v: the token is not reused", again, err)
		}
		last = token
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	check(t, err)
	if len(files) != 1 {
		t.Fatalf("there are %v", files)
	}
	info, err := os.Stat(files[0])
	check(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

// TestTogether: many processes whose token has run out; one of them renews it.
func TestTogether(t *testing.T) {
	i := testbed.NewIssuer(t, testbed.IssuerSettings{})
	dir := t.TempDir()
	first, err := source(t, i, oauth.InFolder(dir)).Token(t.Context(), "")
	check(t, err)
	var wg sync.WaitGroup
	tokens := make([]string, 8)
	for n := range tokens {
		wg.Go(func() {
			var err error
			if tokens[n], err = oauth.New(config(i), oauth.InFolder(dir)).Token(t.Context(), first); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, token := range tokens {
		if token != tokens[0] || token == first {
			t.Errorf("tokens %v after %s", tokens, first)
			break
		}
	}
	if asked := i.Asked(); len(asked) != 2 {
		t.Errorf("the provider was asked %v", asked)
	}
}

func TestShortly(t *testing.T) {
	i := testbed.NewIssuer(t, testbed.IssuerSettings{AccessLasts: 1})
	s := source(t, i, oauth.InFolder(t.TempDir()))
	first, err := s.Token(t.Context(), "")
	check(t, err)
	time.Sleep(600 * time.Millisecond) // half of its life
	if second, err := s.Token(t.Context(), ""); err != nil || second == first {
		t.Errorf("%s, %v: still in use shortly before its end", second, err)
	}
}

// TestRefusals: what the provider says no to, what a person is told, and that nothing is lost.
func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		fault string
		login bool
		hint  string
	}{
		"revoked":     {"invalid_grant", true, "groupmail auth help@example.org"},
		"client":      {"invalid_client", true, "client_secret"},
		"scope":       {"invalid_scope", true, "permissions"},
		"unavailable": {"temporarily_unavailable", false, "temporarily_unavailable"},
		"down":        {"503", false, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			i := testbed.NewIssuer(t, testbed.IssuerSettings{})
			s := source(t, i, oauth.InFolder(t.TempDir()))
			token, err := s.Token(t.Context(), "")
			check(t, err)
			i.Fail(test.fault)
			_, err = s.Token(t.Context(), token)
			t.Log(err)
			if err == nil || errors.Is(err, account.ErrLogin) != test.login || !strings.Contains(err.Error(), test.hint) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v", err)
			}
			wantNoSecrets(t, err)
			_, err = s.Token(t.Context(), token) // it was a passing mood
			check(t, err)
		})
	}
}

func TestNobodySignedIn(t *testing.T) {
	i := testbed.NewIssuer(t, testbed.IssuerSettings{})
	dir := t.TempDir()
	s := oauth.New(config(i), oauth.InFolder(dir))
	before := s.Stamp(t.Context())
	_, err := s.Token(t.Context(), "")
	if !errors.Is(err, account.ErrLogin) || !strings.Contains(err.Error(), "groupmail auth") || len(i.Asked()) > 0 {
		t.Errorf("got %v, asked %v", err, i.Asked())
	}
	source(t, i, oauth.InFolder(dir)) // by another process
	if s.Stamp(t.Context()) == before {
		t.Error("the sign-in is not noticed")
	}
	token, err := s.Token(t.Context(), "")
	check(t, err)
	after := s.Stamp(t.Context())
	_, err = s.Token(t.Context(), token)
	check(t, err)
	if s.Stamp(t.Context()) != after {
		t.Error("a rotation is taken for a sign-in")
	}
	other := config(i)
	other.ClientID = "another"
	if _, err := oauth.New(other, oauth.InFolder(dir)).Token(t.Context(), ""); !errors.Is(err, account.ErrLogin) || len(i.Asked()) != 2 {
		t.Errorf("another application uses the tokens: %v", err)
	}
}

func TestApp(t *testing.T) {
	i := testbed.NewIssuer(t, testbed.IssuerSettings{})
	cfg := config(i)
	cfg.App = true
	s := oauth.New(cfg, oauth.InFolder(t.TempDir()))
	token, err := s.Token(t.Context(), "")
	check(t, err)
	if next, err := s.Token(t.Context(), token); err != nil || next == token {
		t.Errorf("%s, %v", next, err)
	}
	check(t, signIn(t, s, nil, nil))
	cfg.Secret = func(context.Context) (string, error) { return "wrong", nil }
	err = signIn(t, oauth.New(cfg, oauth.InFolder(t.TempDir())), nil, nil)
	if !errors.Is(err, account.ErrLogin) || !strings.Contains(err.Error(), "client_secret") {
		t.Errorf("got %v", err)
	}
}

// failing cannot save for a while.
type failing struct {
	oauth.Vault
	fails int
}

func (f *failing) Save(ctx context.Context, key, value string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if f.fails--; f.fails >= 0 {
		return errors.New("the disk is full")
	}
	return f.Vault.Save(ctx, key, value)
}

// TestNotKept: the new refresh token cannot be kept at once, and is not forgotten; nor is it when the
// one who asked has left.
func TestNotKept(t *testing.T) {
	i := testbed.NewIssuer(t, testbed.IssuerSettings{})
	dir := t.TempDir()
	source(t, i, oauth.InFolder(dir))
	vault := &failing{Vault: oauth.InFolder(dir), fails: 4}
	s := oauth.New(config(i), vault)
	first, err := s.Token(t.Context(), "")
	check(t, err)
	second, err := s.Token(t.Context(), first) // three tries
	check(t, err)
	third, err := s.Token(t.Context(), second) // one more, then it is kept
	check(t, err)
	if got, err := oauth.New(config(i), oauth.InFolder(dir)).Token(t.Context(), ""); err != nil || got != third {
		t.Errorf("kept is %s, %v, want %s", got, err, third)
	}
	if vault.fails >= 0 {
		t.Errorf("%d failures were not met", vault.fails)
	}
}

func TestExpiries(t *testing.T) {
	i := testbed.NewIssuer(t, testbed.IssuerSettings{RefreshLasts: 3 * 24 * 3600})
	cfg := config(i)
	cfg.SecretEnds = time.Date(2030, 1, 31, 0, 0, 0, 0, time.UTC)
	s := oauth.New(cfg, oauth.InFolder(t.TempDir()))
	check(t, signIn(t, s, nil, nil))
	all, err := s.Expiries(t.Context())
	check(t, err)
	if len(all) != 2 || !all[0].Ends.Equal(cfg.SecretEnds) || time.Until(all[1].Ends).Round(time.Hour) != 72*time.Hour || !strings.Contains(all[1].Cure, "groupmail auth") {
		t.Errorf("got %+v", all)
	}
}

func TestNoRefreshToken(t *testing.T) {
	i := testbed.NewIssuer(t, testbed.IssuerSettings{NoRefresh: true})
	err := signIn(t, oauth.New(config(i), oauth.InFolder(t.TempDir())), nil, nil)
	if err == nil || !strings.Contains(err.Error(), "offline") {
		t.Errorf("got %v", err)
	}
}

func TestDiscoveryRefusals(t *testing.T) {
	for name, test := range map[string]struct{ status, body, hint string }{
		"another issuer": {"200", `{"issuer":"https://evil.example","token_endpoint":"https://evil.example/token"}`, "evil.example"},
		"not https":      {"200", `{"issuer":"SELF","token_endpoint":"http://example.org/token"}`, "not https"},
		"no token":       {"200", `{"issuer":"SELF"}`, "no token endpoint"},
		"no JSON":        {"200", `<html>`, "no OpenID configuration"},
		"not there":      {"404", ``, "404"},
	} {
		server := httptest.NewServer(nil)
		server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if test.status == "404" {
				w.WriteHeader(http.StatusNotFound)
			}
			fmt.Fprint(w, strings.ReplaceAll(test.body, "SELF", server.URL))
		})
		cfg := config(&testbed.Issuer{URL: server.URL})
		cfg.App = true
		_, err := oauth.New(cfg, oauth.InFolder(t.TempDir())).Token(t.Context(), "")
		if err == nil || !strings.Contains(err.Error(), test.hint) {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
	cfg := config(&testbed.Issuer{URL: "http://login.example.org"})
	cfg.App = true
	if _, err := oauth.New(cfg, oauth.InFolder(t.TempDir())).Token(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "https") {
		t.Errorf("without https: %v", err)
	}
}

// TestPresets: the addresses as the providers document them.
func TestPresets(t *testing.T) {
	g, m := oauth.Google(), oauth.Microsoft("contoso.example")
	if g.At.Device != "" || g.Extra["access_type"] != "offline" || g.Scopes[0] != "https://mail.google.com/" {
		t.Errorf("google: %+v", g)
	}
	if m.At.Device != "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/devicecode" || m.AppScopes[0] != "https://outlook.office365.com/.default" {
		t.Errorf("microsoft: %+v", m)
	}
	if m := oauth.Microsoft(""); m.At.Token != "https://login.microsoftonline.com/common/oauth2/v2.0/token" {
		t.Errorf("microsoft: %+v", m)
	}
}
