package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"

	"groupmail/bot"
	"groupmail/wiki"
)

// OIDCConfig is an OpenID Connect provider that members may sign in with to the web view.
type OIDCConfig struct {
	Issuer, ClientID string
	Secret           Secret
}

// wiki reads how one signs in to the web view.
func (p *configParser) wiki(s *section, public string) *OIDCConfig {
	if s == nil {
		return nil
	}
	defer s.end()
	o := s.one("oidc")
	if o == nil {
		return nil
	}
	c := &OIDCConfig{ClientID: o.text("client_id", "", "groupmail"), Secret: o.secret("client_secret")}
	if o.web("issuer", "https://login.example.org") != "" {
		c.Issuer = o.text("issuer", "", "") // to the letter: a / at its end belongs to its name
	}
	o.missing("issuer", "It is the provider's address, as its /.well-known/openid-configuration gives it.")
	o.missing("client_id", "The provider gives it when GroupMail is registered there.")
	o.missing("client_secret", "The provider gives it when GroupMail is registered there.")
	if public == "" {
		o.faults.add(o.line, "%sneeds public = \"https://…\": the provider sends members back to there.", o.where)
	}
	o.end()
	return c
}

// public is where browsers reach the web view; empty: nowhere. The browser channel is for browsers of this
// machine.
func (a *App) public() string {
	if a.cfg.Public == "" && a.browser != nil {
		return localURL(a.listener)
	}
	return a.cfg.Public
}

// web are the links into the web view; nil if it has no address.
func (a *App) web() bot.Web {
	if a.public() == "" {
		return nil
	}
	return wiki.Links(a.public())
}

func (a *App) newWiki() *wiki.Wiki {
	c := wiki.Config{Desk: a.desk, OpenFile: a.openFile, Link: a.linkTo, Public: a.public(), Clock: a.clock, Log: a.log}
	if o := a.cfg.OIDC; o != nil {
		c.OIDC = &wiki.OIDC{Issuer: o.Issuer, ClientID: o.ClientID, Secret: o.Secret.Read}
	}
	return wiki.New(c)
}

// linkTo is an address that shows a message of a board.
func (a *App) linkTo(board, message string) string {
	name, channel, _ := strings.Cut(board, "/")
	for _, p := range a.platforms {
		if p.Name() == name {
			return p.Link(channel, message)
		}
	}
	return ""
}

// web tells where the web view is, and asks its provider.
func (k *checker) web(ctx context.Context) []finding {
	if k.cfg.Public == "" {
		return []finding{{untried, `web view: has no address, so that /mail login has nowhere to lead. Set public = "https://…", as browsers reach GroupMail.`}}
	}
	all := []finding{{good, "web view: " + strings.TrimSuffix(k.cfg.Public, "/") + wiki.Root}}
	if !strings.HasPrefix(k.cfg.Public, "https://") {
		all[0] = finding{untried, all[0].text + " – without TLS, what members read and their sign-in can be read on the way"}
	}
	if k.cfg.OIDC == nil {
		return all
	}
	if _, err := oidc.NewProvider(ctx, k.cfg.OIDC.Issuer); err != nil {
		why := oneLine(err.Error(), 300)
		if errors.Is(err, context.DeadlineExceeded) {
			why = fmt.Sprintf("no answer within %s", checkTime)
		}
		return append(all, finding{bad, "wiki.oidc: " + k.cfg.OIDC.Issuer + ": " + why + ". Is the issuer written as the provider writes it?"})
	}
	return append(all, finding{good, "wiki.oidc: " + k.cfg.OIDC.Issuer})
}
