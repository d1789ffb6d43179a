package wiki

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"groupmail/deploy/testbed"
	"groupmail/ticketing"
)

// A link's GET uses nothing up, so that a preview of it does no harm; its POST works once, in one browser.
func TestLoginLink(t *testing.T) {
	onBoth(t, func(t *testing.T, o *office) {
		token, err := o.desk.NewLogin(t.Context(), by(ann, "help"))
		o.ok(err)
		link, ok := strings.CutPrefix(Links(o.http.URL+"/").Login(token), o.http.URL)
		if !ok {
			t.Fatal(link)
		}
		preview, one, other := o.stranger(), o.stranger(), o.stranger()
		for _, v := range []*visitor{preview, one, other} {
			r, body := v.ask("GET", link)
			has(t, body, "sign in as <strong>Ann</strong>", `<form method="post"`)
			if r.Header.Get("Referrer-Policy") != "no-referrer" || len(r.Cookies()) > 0 {
				t.Errorf("%v", r.Header)
			}
		}
		r, _ := one.ask("POST", link)
		if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != Root {
			t.Fatalf("%s %v", r.Status, r.Header)
		}
		c := r.Cookies()[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure || c.Path != Root {
			t.Errorf("%+v", c)
		}
		has(t, one.reads(Root), "<h1>Help desk</h1>", "Ann")
		for _, v := range []*visitor{one, other} { // used: by the same browser, and by another
			if r, body := v.ask("POST", link); r.StatusCode != http.StatusForbidden || !strings.Contains(body, "was used already") {
				t.Errorf("%s\n%s", r.Status, body)
			}
		}
		other.status(to("help", ""), http.StatusSeeOther)
		has(t, one.reads(to("help", "")), "Ann")

		token, err = o.desk.NewLogin(t.Context(), by(ann, "help"))
		o.ok(err)
		o.pass(ticketing.LoginLife)
		if r, _ := other.ask("POST", to("-", "signin", token)); r.StatusCode != http.StatusForbidden {
			t.Errorf("an expired link: %s", r.Status)
		}
		if r, _ := other.ask("GET", to("-", "signin", token)); r.StatusCode != http.StatusForbidden {
			t.Errorf("an expired link: %s", r.Status)
		}
	})
}

func TestCookiesByTLSAlone(t *testing.T) {
	o := lite(t)
	o.serve(func(c *Config) { c.Public = "https://groupmail.example.org" })
	token, err := o.desk.NewLogin(t.Context(), by(ann, "help"))
	o.ok(err)
	r, _ := o.stranger().ask("POST", to("-", "signin", token))
	if c := r.Cookies()[0]; !c.Secure || !c.HttpOnly {
		t.Errorf("%+v", c)
	}
}

// Who was not signed in goes on to where they wanted to go, and nowhere else.
func TestWhereSomebodyWanted(t *testing.T) {
	o := lite(t)
	o.page(ann, "help", "Boiler", "text")
	for path, want := range map[string]string{
		"/wiki/help/page/boiler?x=1": "/wiki/help/page/boiler?x=1",
		"/wiki/help/page/%C3%BC%2Fx": "/wiki/help/page/%C3%BC%2Fx",
		"/wiki/":                     Root,
	} {
		v := o.stranger()
		r, _ := v.ask("GET", path)
		if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != own+"signin" {
			t.Errorf("%s: %s %v", path, r.Status, r.Header)
		}
		token, err := o.desk.NewLogin(t.Context(), by(ann, "help"))
		o.ok(err)
		r, _ = v.ask("POST", to("-", "signin", token))
		if got := r.Header.Get("Location"); got != want {
			t.Errorf("%s: goes to %s", path, got)
		}
	}
	for _, hostile := range []string{"https://evil.example/", "//evil.example/wiki/", `/wiki/\evil`, "javascript:x", "/other", "%zz"} {
		token, err := o.desk.NewLogin(t.Context(), by(ann, "help"))
		o.ok(err)
		r, _ := o.stranger().ask("POST", to("-", "signin", token), "Cookie", nextCookie+"="+hostile)
		if got := r.Header.Get("Location"); got != Root {
			t.Errorf("%s: goes to %s", hostile, got)
		}
	}
}

// Other sites cannot make a browser sign out, or in as somebody else.
func TestOtherSites(t *testing.T) {
	o := lite(t)
	v := o.visitor(ann, "help")
	token, err := o.desk.NewLogin(t.Context(), by(ben, "help"))
	o.ok(err)
	for _, path := range []string{own + "signout", to("-", "signin", token)} {
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
			if r, _ := v.ask("POST", path, header...); r.StatusCode != http.StatusForbidden {
				t.Errorf("%s %v: %s", path, header, r.Status)
			}
		}
		v.status(path, map[bool]int{true: http.StatusNotFound, false: http.StatusOK}[path == own+"signout"]) // a GET does nothing
	}
	has(t, v.reads(to("help", "")), "Ann")
	r, _ := v.ask("POST", own+"signout", "Sec-Fetch-Site", "same-origin")
	if r.StatusCode != http.StatusSeeOther {
		t.Error(r.Status)
	}
	v.status(to("help", ""), http.StatusSeeOther)
}

// A session ends on the server: the cookie alone is worth nothing.
func TestSigningOutEndsTheSession(t *testing.T) {
	o := lite(t)
	v, thief := o.visitor(ann, "help"), o.stranger()
	u := v.client.Jar.Cookies(must(http.NewRequest("GET", o.http.URL+Root, nil)).URL)
	stolen := ""
	for _, c := range u {
		stolen += c.Name + "=" + c.Value
	}
	if r, _ := thief.ask("GET", to("help", ""), "Cookie", stolen); r.StatusCode != http.StatusOK {
		t.Fatalf("%s with %q", r.Status, stolen)
	}
	v.ask("POST", own+"signout")
	if r, _ := thief.ask("GET", to("help", ""), "Cookie", stolen); r.StatusCode != http.StatusSeeOther {
		t.Error(r.Status)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A member of one team who asks for another's gets the same answer as for what does not exist; who has left
// sees nothing any more.
func TestTeamsAreStrangers(t *testing.T) {
	onBoth(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		p := o.page(eve, "shop", "Secret", "the plan")
		o.files["plan.txt"] = "secret"
		c := o.arrives("shop", ticketing.Mail{From: ticketing.Address{Addr: "a@b.example"}, Subject: "s", Text: "t",
			Attachments: []ticketing.Attachment{{Name: "plan.txt", Type: "text/plain", Size: 6}}})
		who, err := o.desk.AddContact(ctx, by(eve, "shop"), ticketing.ContactInput{Name: "Zoe", Addresses: []string{"z@b.example"}}, 0)
		o.ok(err)
		taken, err := o.desk.Take(ctx, by(eve, "shop"), c.ID)
		o.ok(err)
		file := number(int64(c.First))
		paths := []string{
			to("shop", ""), to("shop", "pages"), to("shop", "contacts"), to("shop", "tickets"), to("shop", "todos"), to("shop", "page", p.Slug), to("shop", "page", p.Slug, "history"),
			to("shop", "page", p.Slug, "revision", "1"), to("shop", "contact", number(int64(who.ID))), to("shop", "conversation", number(int64(c.ID))),
			to("shop", "file", file, "0", "plan.txt"),
		}
		a, e, b := o.visitor(ann, "help"), o.visitor(eve, "shop"), o.visitor(ben, "help")
		for _, path := range paths {
			e.status(path, http.StatusOK)
			b.status(path, http.StatusOK)
			r, body := a.ask("GET", path)
			_, none := a.ask("GET", to("nothing", "of", "the", "kind"))
			if r.StatusCode != http.StatusNotFound || body != none {
				t.Errorf("%s: %s\n%s", path, r.Status, body)
			}
			o.stranger().status(path, http.StatusSeeOther)
			// Nor under the own team's name.
			a.status(strings.Replace(path, "/shop/", "/help/", 1), map[bool]int{true: http.StatusOK, false: http.StatusNotFound}[strings.Count(path, "/") == 3])
		}
		e.status(to("shop", "ticket", number(int64(taken.Number))), http.StatusSeeOther)
		a.status(to("help", "ticket", number(int64(taken.Number))), http.StatusNotFound)
		has(t, b.reads(Root), "Help desk", "Shop")

		o.ok(o.desk.SetPresent(ctx, "x/shop", []ticketing.Member{eve})) // Ben leaves one team
		b.status(paths[0], http.StatusNotFound)
		b.status(to("help", ""), http.StatusOK)
		o.ok(o.desk.SetPresent(ctx, "x/help", []ticketing.Member{ann})) // … and the other
		b.status(to("help", ""), http.StatusSeeOther)
		o.ok(o.desk.SetPresent(ctx, "x/help", []ticketing.Member{ann, ben}))
		b.status(to("help", ""), http.StatusSeeOther) // the session has ended
	})
}

func TestSessionsOutlastNothing(t *testing.T) {
	o := lite(t)
	v := o.visitor(ann, "help")
	o.pass(ticketing.SessionLife - time.Minute)
	v.status(to("help", ""), http.StatusOK)
	o.pass(ticketing.SessionLife - time.Minute)
	v.status(to("help", ""), http.StatusOK)
	o.pass(ticketing.SessionLife)
	v.status(to("help", ""), http.StatusSeeOther)
}

// Signing in by OpenID Connect, with a provider in this process.
func TestOIDC(t *testing.T) {
	o := lite(t)
	verified := func(address string, is any) map[string]any {
		return map[string]any{"email": address, "email_verified": is}
	}
	issuer := testbed.NewIssuer(t, testbed.IssuerSettings{Claims: verified("Ann@Example.com", true)})
	o.serve(func(c *Config) {
		c.Clock = nil // the issuer's
		c.OIDC = &OIDC{Issuer: issuer.URL, ClientID: testbed.IssuerClient, Secret: func() (string, error) { return testbed.IssuerSecret, nil }}
	})
	o.mu.Lock()
	o.time = time.Now()
	o.mu.Unlock()
	// agreed goes to the provider and comes back with its answer.
	agreed := func(v *visitor) string {
		t.Helper()
		r, body := v.ask("GET", own+"oidc")
		if r.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s\n%s", r.Status, body)
		}
		at := r.Header.Get("Location")
		has(t, at, "nonce=", "state=", "code_challenge_method=S256", "scope=openid+email")
		a, err := v.client.Get(at)
		o.ok(err)
		a.Body.Close()
		back, ok := strings.CutPrefix(a.Header.Get("Location"), o.http.URL)
		if !ok {
			t.Fatal(a.Header)
		}
		return back
	}
	v := o.stranger()
	has(t, v.reads(own+"signin"), `href="/wiki/-/oidc"`)
	back := agreed(v)
	other := o.stranger() // a browser that has not begun cannot end it
	if r, body := other.ask("GET", back); r.StatusCode != http.StatusForbidden || !strings.Contains(body, "not begun in this browser") {
		t.Errorf("%s\n%s", r.Status, body)
	}
	if r, body := v.ask("GET", back); r.StatusCode != http.StatusSeeOther {
		t.Fatalf("%s\n%s", r.Status, body)
	}
	has(t, v.reads(to("help", "")), "Ann")
	if r, _ := v.ask("GET", back); r.StatusCode != http.StatusForbidden { // once
		t.Error(r.Status)
	}
	for name, c := range map[string]struct {
		claims map[string]any
		says   string
	}{
		"not verified":        {verified("ann@example.com", false), "no verified e-mail"},
		"nothing said":        {map[string]any{"email": "ann@example.com"}, "no verified e-mail"},
		"nobody's":            {verified("mallory@example.com", true), "Nobody with the address mallory@example.com"},
		"another's audience":  {map[string]any{"email": "ann@example.com", "email_verified": true, "aud": "another"}, "That did not work"},
		"another's issuer":    {map[string]any{"email": "ann@example.com", "email_verified": true, "iss": "https://evil.example"}, "That did not work"},
		"another's nonce":     {map[string]any{"email": "ann@example.com", "email_verified": true, "nonce": "x"}, "belongs to another sign-in"},
		"expired":             {map[string]any{"email": "ann@example.com", "email_verified": true, "exp": 1}, "That did not work"},
		"verified in letters": {verified("ann@example.com", "yes"), "That did not work"},
	} {
		issuer.Claim(c.claims)
		v := o.stranger()
		r, body := v.ask("GET", agreed(v))
		if r.StatusCode == http.StatusSeeOther || !strings.Contains(body, c.says) {
			t.Errorf("%s: %s\n%s", name, r.Status, body)
		}
		v.status(to("help", ""), http.StatusSeeOther)
	}
	v = o.stranger()
	back = agreed(v)
	if r, body := v.ask("GET", strings.Replace(back, "code=", "error=access_denied&code=", 1)); r.StatusCode != http.StatusForbidden || !strings.Contains(body, "access_denied") {
		t.Errorf("%s\n%s", r.Status, body)
	}
	if strings.Contains(o.log.String(), "code-") || strings.Contains(o.log.String(), testbed.IssuerSecret) {
		t.Errorf("the log holds secrets:\n%s", o.log)
	}
}

// An issuer that does not answer is said, and asked again the next time.
func TestIssuerDown(t *testing.T) {
	o := lite(t)
	o.serve(func(c *Config) {
		c.OIDC = &OIDC{Issuer: "http://127.0.0.1:1", ClientID: "x", Secret: func() (string, error) { return "x", nil }}
	})
	if r, body := o.stranger().ask("GET", own+"oidc"); r.StatusCode != http.StatusInternalServerError || !strings.Contains(body, "/mail login") {
		t.Errorf("%s\n%s", r.Status, body)
	}
	if !strings.Contains(o.log.String(), "127.0.0.1:1") {
		t.Error(o.log)
	}
	o.serve(func(*Config) {})
	o.stranger().status(own+"oidc", http.StatusNotFound)
}
