package main

import (
	"strings"
	"testing"

	"groupmail/deploy/testbed"
)

func TestOIDCConfiguration(t *testing.T) {
	with := "public = \"https://groupmail.example.org\"\n[wiki.oidc]\nissuer = \"https://login.example.org/\"\nclient_id = \"groupmail\"\nclient_secret = \"env:OIDC\"\n"
	cfg, err := Parse([]byte(with + smallest))
	if err != nil {
		t.Fatal(err)
	}
	without, err := Parse([]byte(smallest))
	if err != nil || without.OIDC != nil {
		t.Errorf("%+v, %v", without.OIDC, err)
	}
	if o := cfg.OIDC; o.Issuer != "https://login.example.org/" || o.ClientID != "groupmail" || len(cfg.secrets()) != len(without.secrets())+1 {
		t.Errorf("%+v", o)
	}
}

// check says where the web view is, and whether its provider answers.
func TestCheckOfTheWebView(t *testing.T) {
	issuer := testbed.NewIssuer(t, testbed.IssuerSettings{})
	for _, c := range []struct {
		cfg         Config
		marks, says string
	}{
		{Config{}, "–", "Set public ="},
		{Config{Public: "https://groupmail.example.org"}, "✓", "https://groupmail.example.org/wiki/"},
		{Config{Public: "http://groupmail.example.org"}, "–", "without TLS"},
		{Config{Public: "https://g.example", OIDC: &OIDCConfig{Issuer: issuer.URL}}, "✓✓", issuer.URL},
		{Config{Public: "https://g.example", OIDC: &OIDCConfig{Issuer: issuer.URL + "/"}}, "✓✗", "written as the provider writes it"},
		{Config{Public: "https://g.example", OIDC: &OIDCConfig{Issuer: "http://127.0.0.1:1"}}, "✓✗", "connection refused"},
	} {
		k := checker{cfg: c.cfg}
		marks, text := "", ""
		for _, f := range k.web(t.Context()) {
			marks += f.mark
			text += f.text + "\n"
		}
		if marks != c.marks || !strings.Contains(text, c.says) {
			t.Errorf("%+v: %s %s", c.cfg, marks, text)
		}
	}
}
