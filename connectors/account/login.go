package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/emersion/go-sasl"
)

// Connect runs connect, which dials and signs in, and once more with another token if the server
// refused the one that it was given: tokens end before their time when a password is changed, or
// consent is given anew.
func Connect[T any](ctx context.Context, a Account, connect func(context.Context, Account) (T, error)) (T, error) {
	c, err := connect(ctx, a)
	var refused *Trouble
	if errors.As(err, &refused) && refused.token != "" && ctx.Err() == nil {
		a.refused = refused.token
		return connect(ctx, a)
	}
	return c, err
}

// Credentials are for one sign-in.
type Credentials struct {
	// Mechanism is the SASL mechanism to use; empty means the protocol's own command with user and
	// password, such as LOGIN.
	Mechanism string
	User      string
	Secret    string // password or token

	a    Account
	says string // the server's explanation of a refused token
}

// xoauth2 is Google's and Microsoft's way to sign in with an OAuth2 token; OAUTHBEARER, of RFC 7628,
// is the standard's. Microsoft knows the former only, so that it is tried first.
// https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
const xoauth2 = "XOAUTH2"

// Credentials picks a way to sign in that the server offers, and reads password or token. own tells
// whether the protocol's own command is open. If there is no way, nothing is read.
func (a Account) Credentials(ctx context.Context, offers func(mechanism string) bool, own bool) (*Credentials, error) {
	c := &Credentials{User: a.User, a: a}
	mechanisms := []string{sasl.Plain, sasl.Login}
	if a.Token != nil {
		mechanisms, own = []string{xoauth2, sasl.OAuthBearer}, false
	}
	for _, m := range mechanisms {
		// LOGIN (which has no RFC) is for servers that have nothing better: neither PLAIN nor a command.
		if c.Mechanism == "" && offers(m) && (m != sasl.Login || !own) {
			c.Mechanism = m
		}
	}
	if c.Mechanism == "" && !own {
		return nil, c.noWay()
	}
	var err error
	if a.Token != nil {
		if c.Secret, err = a.Token(ctx, a.refused); err != nil {
			return nil, a.Trouble(nil, c.doing(), "", fmt.Errorf("get a token: %w", err))
		}
		return c, nil
	}
	if c.Secret, err = a.Password(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", a.Doing("read the password of "+a.User), err)
	}
	return c, nil
}

func (c *Credentials) doing() string { return "sign in as " + c.User }

func (c *Credentials) noWay() error {
	t := &Trouble{Doing: c.a.Doing(c.doing()), Err: ErrLogin}
	switch {
	case c.a.Token != nil:
		t.Cure = "the server does not know XOAUTH2, nor OAUTHBEARER: use a password"
	case c.a.TLS == Plain:
		t.Err = fmt.Errorf("the server offers no way to sign in on a connection that is not encrypted: %w", ErrLogin)
		t.Cure = `use tls = "tls" or "starttls"`
	default:
		t.Cure = "the server offers no way to sign in that is known here: check host, port and tls"
	}
	return t
}

// Client speaks the Mechanism.
func (c *Credentials) Client() sasl.Client {
	switch c.Mechanism {
	case xoauth2, sasl.OAuthBearer:
		return (*bearer)(c)
	case sasl.Login:
		return sasl.NewLoginClient(c.User, c.Secret)
	}
	return sasl.NewPlainClient("", c.User, c.Secret)
}

// Refused is the trouble of a sign-in that the server refused for good.
func (c *Credentials) Refused(says string, err error) *Trouble {
	t := &Trouble{Doing: c.a.Doing(c.doing()), Says: Printable(says), Cure: "check user and password", Err: ErrLogin}
	if err != nil && !errors.Is(err, ErrLogin) {
		t.Err = fmt.Errorf("%w: %w", ErrLogin, err)
	}
	if c.a.Token != nil {
		t.Cure, t.token = "the token is not accepted: sign in to the provider again", c.Secret
		if t.Says == "" {
			t.Says = c.says
		}
	}
	return t
}

// Explained tells whether the server has explained, within the exchange, why it refuses a token.
func (c *Credentials) Explained() bool { return c.says != "" }

// Trouble is that of a sign-in which was not refused.
func (c *Credentials) Trouble(conn *Conn, says string, err error) error {
	return c.a.Trouble(conn, c.doing(), says, err)
}

// bearer signs in with a token.
type bearer Credentials

func (b *bearer) Start() (mechanism string, response []byte, err error) {
	if b.Mechanism == sasl.OAuthBearer {
		return sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{
			Username: b.User, Token: b.Secret, Host: b.a.Host, Port: b.a.Port,
		}).Start()
	}
	return xoauth2, []byte("user=" + b.User + "\x01auth=Bearer " + b.Secret + "\x01\x01"), nil
}

// Next is called only when the token is refused: it gives the answer that the server wants before it
// says so (RFC 7628 section 3.2.3).
func (b *bearer) Next(challenge []byte) ([]byte, error) {
	b.says = Printable(string(challenge))
	if b.Mechanism == sasl.OAuthBearer {
		return []byte{1}, nil
	}
	return []byte{}, nil
}
