package mattermost

import (
	"context"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/mattermost/mattermost/server/public/model"
)

// mac is the HMAC of body for one purpose; what is signed as a button is no dialog.
func (p *Platform) mac(purpose, body string) string {
	h := hmac.New(sha256.New, p.cfg.Secret)
	h.Write([]byte("groupmail/mattermost/" + purpose + "\x00" + body))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// signed tells, in constant time, whether mac is ours.
func (p *Platform) signed(purpose, body, mac string) bool {
	return hmac.Equal([]byte(p.mac(purpose, body)), []byte(mac))
}

// seal makes a token of v that its reader can read but not make.
func (p *Platform) seal(purpose string, v any) string {
	body, _ := json.Marshal(v) // strings and numbers only
	s := base64.RawURLEncoding.EncodeToString(body)
	return s + "." + p.mac(purpose, s)
}

var errForged = errors.New("not signed by this bot")

// unseal reads a token that seal made.
func (p *Platform) unseal(purpose, token string, v any) error {
	s, mac, _ := strings.Cut(token, ".")
	if !p.signed(purpose, s, mac) {
		return errForged
	}
	body, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}

// Each press and command carries a trigger id that the server signs over a unique word, the user and the
// time, and it publishes the key (Server: model.GenerateTriggerId, app/platform/config.go). So
// a request that somebody else sends to us in a user's name can be told from one that the server
// sent. It comes on top of the HMAC and of the command's token.
const triggerLife = 10 * time.Minute

type signing struct {
	mu    sync.Mutex
	key   *ecdsa.PrivateKey // public half only; nil where the server publishes none
	asked time.Time
}

// trigger checks a trigger id and returns its unique word.
func (p *Platform) trigger(ctx context.Context, id, user string) (word string, err error) {
	if id == "" {
		return "", errors.New("no trigger id")
	}
	key, fresh, err := p.signingKey(ctx, false)
	if err != nil {
		return "", err
	}
	if key == nil {
		return id, nil
	}
	life := triggerLife + max(0, -p.api.clockSkew())
	word, who, appErr := model.DecodeAndVerifyTriggerId(id, key, life)
	if appErr != nil && !fresh { // a server set up anew has a new key
		if key, _, err = p.signingKey(ctx, true); err != nil {
			return "", err
		}
		word, who, appErr = model.DecodeAndVerifyTriggerId(id, key, life)
	}
	if appErr != nil {
		return "", appErr
	}
	if who != user {
		return "", errors.New("the trigger id is another user's")
	}
	return word, nil
}

// signingKey asks the server once, and again, not more than once a minute, if told to.
func (p *Platform) signingKey(ctx context.Context, again bool) (key *ecdsa.PrivateKey, fresh bool, err error) {
	s := &p.signing
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.asked.IsZero() && (!again || time.Since(s.asked) < time.Minute) {
		return s.key, false, nil
	}
	var config map[string]string
	if err := p.api.get(ctx, "/config/client?format=old", &config); err != nil {
		return nil, false, err
	}
	s.asked = time.Now()
	der, err := base64.StdEncoding.DecodeString(config["AsymmetricSigningPublicKey"])
	if err != nil || len(der) == 0 {
		return s.key, true, nil
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, false, err
	}
	if k, ok := public.(*ecdsa.PublicKey); ok {
		s.key = &ecdsa.PrivateKey{PublicKey: *k}
	}
	return s.key, true, nil
}
