package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"groupmail/connectors/account"
)

// Provider is who knows the person: Google, Microsoft, or any OpenID issuer.
type Provider struct {
	Name      string   // begins errors
	Scopes    []string // of a person's sign-in
	AppScopes []string // of an application's; nil: the same
	Extra     map[string]string
	Issuer    string    // where At is found, unless it is set
	At        Endpoints // known from the start
}

// Endpoints are a provider's addresses.
type Endpoints struct {
	Authorize, Token string
	Device           string // RFC 8628; empty if there is none
	SecretInHeader   bool   // the application's secret goes into the header, not the form
}

// Google is Gmail and Google Workspace. Its device flow is not open to mail, so that it has none here.
// https://developers.google.com/identity/protocols/oauth2/native-app
func Google() Provider {
	return Provider{
		Name: "google", Scopes: []string{"https://mail.google.com/"},
		At: Endpoints{Authorize: "https://accounts.google.com/o/oauth2/v2/auth", Token: "https://oauth2.googleapis.com/token"},
		// A refresh token comes with the first consent only, and with each that is asked for.
		Extra: map[string]string{"access_type": "offline", "prompt": "consent"},
	}
}

// Microsoft is Microsoft 365 and outlook.com. tenant is the organisation's id or domain; empty means
// any, which an application cannot sign in to as itself.
// https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth
func Microsoft(tenant string) Provider {
	if tenant == "" {
		tenant = "common"
	}
	base := "https://login.microsoftonline.com/" + url.PathEscape(tenant) + "/oauth2/v2.0/"
	return Provider{
		Name: "microsoft",
		Scopes: []string{
			"https://outlook.office.com/IMAP.AccessAsUser.All", "https://outlook.office.com/POP.AccessAsUser.All",
			"https://outlook.office.com/SMTP.Send", "offline_access",
		},
		AppScopes: []string{"https://outlook.office365.com/.default"},
		At:        Endpoints{Authorize: base + "authorize", Token: base + "token", Device: base + "devicecode"},
	}
}

// Issuer is any provider with OpenID Connect Discovery. Without scopes, an identity and a refresh
// token are asked for.
func Issuer(issuer string, scopes []string) Provider {
	p := Provider{Name: issuer, Issuer: issuer, Scopes: scopes, AppScopes: scopes}
	if u, err := url.Parse(issuer); err == nil && u.Host != "" {
		p.Name = u.Host
	}
	if scopes == nil {
		p.Scopes, p.AppScopes = []string{"openid", "email", "offline_access"}, []string{}
	}
	return p
}

// endpoints asks the issuer, if need be.
// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
func (p Provider) endpoints(ctx context.Context) (Endpoints, error) {
	if p.At.Token != "" {
		return p.At, nil
	}
	trouble := func(err error, cure string) (Endpoints, error) {
		return Endpoints{}, &account.Trouble{Doing: "oauth " + p.Name + ": ask " + p.Issuer + " how to sign in", Err: err, Cure: cure}
	}
	const check = "check issuer"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(p.Issuer, "/")+"/.well-known/openid-configuration", nil)
	if err != nil || !confidential(p.Issuer) {
		return trouble(errors.New("an issuer is an https:// address"), check)
	}
	resp, err := client.Do(req)
	if err != nil {
		return trouble(err, "")
	}
	defer resp.Body.Close()
	var found struct {
		Issuer    string   `json:"issuer"`
		Authorize string   `json:"authorization_endpoint"`
		Token     string   `json:"token_endpoint"`
		Device    string   `json:"device_authorization_endpoint"`
		Methods   []string `json:"token_endpoint_auth_methods_supported"`
	}
	switch err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&found); {
	case resp.StatusCode >= http.StatusInternalServerError:
		return trouble(fmt.Errorf("the provider answers %d", resp.StatusCode), "")
	case resp.StatusCode != http.StatusOK:
		return trouble(fmt.Errorf("the provider answers %d", resp.StatusCode), check)
	case err != nil:
		return trouble(fmt.Errorf("the answer is no OpenID configuration: %w", err), check)
	case strings.TrimRight(found.Issuer, "/") != strings.TrimRight(p.Issuer, "/"):
		return trouble(fmt.Errorf("it says that it is %q", account.Printable(found.Issuer)), check)
	}
	for _, address := range []string{found.Authorize, found.Token, found.Device} {
		if address != "" && !confidential(address) {
			return trouble(fmt.Errorf("it names %q, which is not https", account.Printable(address)), "")
		}
	}
	if found.Token == "" {
		return trouble(errors.New("it names no token endpoint"), check)
	}
	return Endpoints{
		Authorize: found.Authorize, Token: found.Token, Device: found.Device,
		// Without a list, only the header is sure (section 3 of the above).
		SecretInHeader: !slices.Contains(found.Methods, "client_secret_post"),
	}, nil
}

// confidential tells whether what is sent to an address stays between the two.
func confidential(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" && u.Host != "" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}
