package testbed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The application that an Issuer knows.
const (
	IssuerClient = "groupmail-client"
	IssuerSecret = "s3cret/of+the=client"
)

// Issuer is an OAuth2 and OpenID Connect provider in the test's own process: OpenID Discovery,
// the authorisation code flow with PKCE, the device flow, client credentials,
// and refresh tokens that are good for one use.
type Issuer struct {
	URL string

	mu       sync.Mutex
	settings IssuerSettings
	serial   int
	refresh  map[string]bool // the refresh tokens that are good
	codes    map[string]url.Values
	device   []string // answers to polls, the last of them for ever
	asked    []string // grant types
	faults   []string // errors of the next answers of the token endpoint
	key      *ecdsa.PrivateKey
}

// IssuerSettings are what may differ.
type IssuerSettings struct {
	NoDevice     bool
	AccessLasts  int              // in seconds; 0: an hour
	RefreshLasts int              // in seconds; 0: it does not tell
	NoRefresh    bool             // it gives no refresh tokens
	NoRotation   bool             // the refresh token stays
	OnAccess     func(tok string) // is called with each access token before it is handed out
	// Claims are what the id tokens of OpenID Connect say beside iss, aud, sub, exp, iat and the nonce that was
	// asked with; nil: there are none.
	Claims map[string]any
}

// NewIssuer starts an issuer.
func NewIssuer(t testing.TB, settings IssuerSettings) *Issuer {
	t.Helper()
	i := &Issuer{settings: settings, refresh: map[string]bool{}, codes: map[string]url.Values{}}
	var err error
	i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, "Issuer", err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /keys", i.keys)
	mux.HandleFunc("GET /authorize", i.authorize)
	mux.HandleFunc("POST /device", i.startDevice)
	mux.HandleFunc("POST /token", i.token)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// Device says what the polls of a device flow are answered: errors, or "" for
// a token.
func (i *Issuer) Device(answers ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.device = answers
}

// Fail makes the token endpoint answer with these errors next; a number is an
// HTTP status without a reason.
func (i *Issuer) Fail(errors ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.faults = errors
}

// Revoke makes all refresh tokens useless.
func (i *Issuer) Revoke() {
	i.mu.Lock()
	defer i.mu.Unlock()
	clear(i.refresh)
}

// Asked are the grant types that the token endpoint was asked for.
func (i *Issuer) Asked() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]string{}, i.asked...)
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	found := map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token",
		"jwks_uri": i.URL + "/keys", "id_token_signing_alg_values_supported": []string{"ES256"},
	}
	if !i.settings.NoDevice {
		found["device_authorization_endpoint"] = i.URL + "/device"
	}
	reply(w, http.StatusOK, found)
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// Claim changes what the next id tokens say.
func (i *Issuer) Claim(claims map[string]any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.settings.Claims = claims
}

// keys are what id tokens are verified with (RFC 7517).
func (i *Issuer) keys(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
}

// idToken says who has signed in; nonce is of the request for the code.
func (i *Issuer) idToken(nonce string) (string, error) {
	claims := map[string]any{
		"iss": i.URL, "aud": IssuerClient, "sub": "42", "nonce": nonce, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	maps.Copy(claims, i.settings.Claims)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: i.key, KeyID: "1"}}, nil)
	if err != nil {
		return "", err
	}
	said, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(said)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// authorize agrees at once, in the person's name.
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	q := r.URL.Query()
	if q.Get("client_id") != IssuerClient || q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" {
		http.Error(w, "not a request for a code with PKCE: "+r.URL.RawQuery, http.StatusBadRequest)
		return
	}
	i.serial++
	code := fmt.Sprintf("code-%d", i.serial)
	i.codes[code] = q
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
}

func (i *Issuer) startDevice(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("client_id") != IssuerClient {
		reply(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	reply(w, http.StatusOK, map[string]any{
		"device_code": "device-code", "user_code": "WDJB-MJHT", "verification_uri": i.URL + "/enter", "expires_in": 60, "interval": 1,
	})
}

func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	no := func(why string) {
		reply(w, http.StatusBadRequest, map[string]string{
			"error": why, "error_description": "because of\r\n" + why, "you_said": r.PostForm.Encode(),
		})
	}
	kind := r.FormValue("grant_type")
	i.asked = append(i.asked, kind)
	id, secret, _ := r.BasicAuth()
	id, _ = url.QueryUnescape(id)
	secret, _ = url.QueryUnescape(secret)
	if id != IssuerClient || secret != IssuerSecret {
		no("invalid_client")
		return
	}
	if len(i.faults) > 0 {
		fault := i.faults[0]
		i.faults = i.faults[1:]
		if fault == "503" {
			http.Error(w, "overloaded: "+r.PostForm.Encode(), http.StatusServiceUnavailable)
			return
		}
		no(fault)
		return
	}
	old := r.FormValue("refresh_token")
	nonce := ""
	switch kind {
	case "authorization_code":
		q, ok := i.codes[r.FormValue("code")]
		delete(i.codes, r.FormValue("code"))
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if !ok || q.Get("redirect_uri") != r.FormValue("redirect_uri") || q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
			no("invalid_grant")
			return
		}
		nonce = q.Get("nonce")
	case "refresh_token":
		if !i.refresh[old] {
			no("invalid_grant")
			return
		}
		if !i.settings.NoRotation {
			delete(i.refresh, old)
		}
	case "urn:ietf:params:oauth:grant-type:device_code":
		answer := ""
		if len(i.device) > 0 {
			answer = i.device[0]
		}
		if len(i.device) > 1 {
			i.device = i.device[1:]
		}
		if answer != "" {
			no(answer)
			return
		}
	case "client_credentials":
	default:
		no("unsupported_grant_type")
		return
	}
	i.serial++
	access := fmt.Sprintf("access-%d", i.serial)
	if i.settings.OnAccess != nil {
		i.settings.OnAccess(access)
	}
	lasts := i.settings.AccessLasts
	if lasts == 0 {
		lasts = 3600
	}
	given := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": lasts}
	if kind != "client_credentials" && !i.settings.NoRefresh && (old == "" || !i.settings.NoRotation) {
		refresh := fmt.Sprintf("refresh-%d", i.serial)
		i.refresh[refresh] = true
		given["refresh_token"] = refresh
		if i.settings.RefreshLasts > 0 {
			given["refresh_token_expires_in"] = i.settings.RefreshLasts
		}
	}
	if kind == "authorization_code" && i.settings.Claims != nil {
		token, err := i.idToken(nonce)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		given["id_token"] = token
	}
	reply(w, http.StatusOK, given)
}
