package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

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

// TestWikiWindow goes the whole way in a browser: Ann signs in from the chat, writes a page and a note there, and
// reads both, and their history, on the web; a sender becomes a contact with case notes beside their mail.
func TestWikiWindow(t *testing.T) {
	browser := testbed.Chromium(t)
	d := startDemo(t, DemoConfig{Listen: "127.0.0.1:0"})
	chat, web := window{browser, t}, window{browser, t}
	typed := func(line string) {
		t.Helper()
		chat.do(chromedp.SendKeys("#composer", line), chromedp.KeyEvent(kb.Enter))
	}
	whispered := func(what string) string {
		return fmt.Sprintf(`[...document.querySelectorAll(".whisper")].filter((w) => w.innerText.includes(%q)).at(-1)`, what)
	}
	press := func(whisper, button string) {
		t.Helper()
		chat.until(button, fmt.Sprintf(`[...%s.querySelectorAll("button")].some((b) => b.textContent.trim() === %q)`, whisper, button))
		chat.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`[...%s.querySelectorAll("button")].find((b) => b.textContent.trim() === %q).click()`, whisper, button)))
	}
	fill := func(values map[string]string) {
		t.Helper()
		chat.do(chromedp.WaitVisible("dialog.form"))
		for name, value := range values {
			chat.do(chromedp.SendKeys("dialog [name="+name+"]", value))
		}
		chat.do(chromedp.Click("dialog [data-submit]"))
		chat.until("the form is taken", `!document.querySelector("dialog.form")`)
	}
	open := func() { chat.do(chromedp.Navigate(d.URL()+"/as/ann"), chromedp.WaitVisible("#composer")) }

	open()
	typed("/mail login")
	chat.until("the link", `!!document.querySelector('.whisper a[href*="/wiki/-/signin/"]')`)
	link := chat.eval(`document.querySelector('.whisper a[href*="/wiki/-/signin/"]').href`)
	for range 3 { // previews
		r, err := http.Get(link)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatal(r, err)
		}
		_ = r.Body.Close()
	}
	web.do(chromedp.Navigate(link), chromedp.WaitVisible("h1"), chromedp.Click("main button"), chromedp.WaitVisible(".me"))
	web.until("Ann is in", `document.querySelector(".me").innerText.includes("Ann")`)
	testbed.Screenshot(web, "front")

	open()
	typed("/mail page Cellar keys")
	press(whispered("There is no page"), "New page…")
	fill(map[string]string{"text": "The key: *second* drawer, see [[Opening hours]]"})
	chat.until("the new page", `!!`+whispered("The key: *second* drawer"))
	open()
	typed("/mail note cellar keys the plumber comes on Thursday")
	chat.until("it is noted", `!!`+whispered("Noted on “Cellar keys”"))
	testbed.Screenshot(chat, "chat")
	chat.do(chromedp.Navigate(chat.eval(whispered("Noted on “Cellar keys”") + `.querySelector("a").href`)))
	web.until("the page", `document.querySelector("h1")?.textContent === "Cellar keys" && !!document.querySelector(".text em") && !!document.querySelector(".missing") &&
		document.querySelector(".text").innerText.includes("the plumber comes on Thursday")`)
	web.do(chromedp.Click(`a[href$="/history"]`))
	web.until("its history", `document.querySelectorAll("ol.list li").length === 2`)
	web.do(chromedp.Click(`a[href$="/revision/2"]`))
	web.until("what the note added", `[...document.querySelectorAll("ins")].some((i) => i.innerText.includes("the plumber comes")) && !document.querySelector(".hunk del")`)

	ann := d.person("ann")
	card := ann.card("Lamp arrived damaged (invoice 2231-7)")
	if form := ann.press(card, "addcontact").Form; form == nil {
		t.Fatal("no form")
	} else if a := ann.submit(form, form.values()); len(a.Errors) > 0 {
		t.Fatal(a.Errors)
	}
	web.do(chromedp.Navigate(d.URL()+"/wiki/"), chromedp.WaitVisible("h1"), chromedp.Click(`nav a[href$="/contacts"]`), chromedp.WaitVisible("main .list a"), chromedp.Click("main .list a"))
	web.until("their mail beside the notes", `[...document.querySelectorAll("#mail ~ .list a")].some((a) => a.textContent.includes("Lamp arrived damaged"))`)
	testbed.Screenshot(web, "contact")
	chatLink := web.eval(`[...document.querySelectorAll("main a")].find((a) => a.textContent.startsWith("in chat")).href`)
	web.do(chromedp.Click("#mail ~ .list a.what"), chromedp.WaitVisible("article.mail"))
	testbed.Screenshot(web, "conversation")
	chat.do(chromedp.Navigate(chatLink), chromedp.WaitVisible("h1"), chromedp.Click(`a[href*="/as/ann"]`))
	chat.until("the card", `!!`+cardOf("Lamp arrived damaged (invoice 2231-7)"))
	web.do(chromedp.Navigate(d.URL()+"/wiki/"), chromedp.WaitVisible(".me"), chromedp.Click(".me button"), chromedp.WaitVisible("h1"))
	web.until("signed out", `location.pathname === "/wiki/-/signin"`)
	web.do(chromedp.Navigate(link), chromedp.WaitVisible("h1"))
	web.until("the link is used up", `document.querySelector("main").innerText.includes("was used already") && !document.querySelector("main button")`)
	testbed.ConsoleErrors(web) // the refusal's status
}
