package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"groupmail/deploy/testbed"
)

// window is a real browser's window.
type window struct {
	context.Context
	t *testing.T
}

func (w window) do(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.Context, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		w.t.Fatal(err)
	}
}

// until waits until an expression of JavaScript is true. A page that is just being left makes errors.
func (w window) until(what, expression string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.Context, 20*time.Second)
	defer cancel()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if ok && err == nil {
			return
		}
		if ctx.Err() != nil {
			w.t.Fatalf("waited in vain: %s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (w window) eval(expression string) string {
	w.t.Helper()
	s, err := chromedp.Run(w.Context, chromedp.Evaluate[string](expression))
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// cardOf is JavaScript for the card with a title.
func cardOf(title string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#list .msg")].find((m) => m.querySelector(".title")?.textContent === %q)`, title)
}

// TestWindows is the moment that GroupMail is for: two people see the same mail and both press Take.
// One has it, the other is told so privately, and both cards change by themselves.
func TestWindows(t *testing.T) {
	browser := testbed.Chromium(t)
	d := startDemo(t, DemoConfig{Listen: "127.0.0.1:0", Undo: time.Second})
	ann, ben := window{browser, t}, window{testbed.NewWindow(browser), t}
	const title = "Lamp arrived damaged (invoice 2231-7)"
	card := cardOf(title)
	take := `[...` + card + `.querySelectorAll("button")].find((b) => b.textContent.trim() === "Take")`

	for name, w := range map[string]window{"ann": ann, "ben": ben} {
		w.do(chromedp.Navigate(d.URL() + "/as/" + name))
		w.until(name+" sees the card", `!!`+card)
		w.do(chromedp.Evaluate[chromedp.Void](`window.stays = true`))
	}
	testbed.Screenshot(ann, "before")

	pressed := make(chan error, 2)
	for _, w := range []window{ann, ben} {
		go func() {
			_, err := chromedp.Run(w, chromedp.Evaluate[bool](take+`.click(), true`))
			pressed <- err
		}()
	}
	for range 2 {
		if err := <-pressed; err != nil {
			t.Fatal(err)
		}
	}
	for name, w := range map[string]window{"ann": ann, "ben": ben} {
		w.until(name+"'s card is taken", card+`.querySelector(".tone-taken") !== null && !`+take)
	}
	winner, loser := ann, ben
	if owner := ann.eval(card + `.innerText`); strings.Contains(owner, "Ben") {
		winner, loser = ben, ann
	}
	loser.until("the other is whispered to", `[...document.querySelectorAll(".whisper")].some((w) => /took|has/.test(w.innerText))`)
	if n := winner.eval(`String(document.querySelectorAll(".whisper").length)`); n != "0" {
		t.Errorf("the winner got %s whispers", n)
	}
	for _, w := range []window{ann, ben} {
		if w.eval(`String(window.stays)`) != "true" {
			t.Error("a page was loaded anew")
		}
	}
	testbed.Screenshot(winner, "winner")
	testbed.Screenshot(loser, "loser")
}

// TestCustomerWindow writes, reads and answers mail on the customer page, which shows what comes by
// itself and loses nothing that is being typed.
func TestCustomerWindow(t *testing.T) {
	browser := testbed.Chromium(t)
	d := startDemo(t, DemoConfig{Listen: "127.0.0.1:0", Undo: time.Millisecond})
	w := window{browser, t}
	w.do(chromedp.Navigate(d.URL() + "/customer"))
	testbed.Screenshot(w, "who")
	w.do(chromedp.SendKeys("#name", "Zoë Fischer"), chromedp.SendKeys("#address", "zoe@example.com"), chromedp.Click("form .primary"))
	w.until("the empty mailbox", `location.pathname === "/customer/zoe@example.com" && !!document.querySelector("#compose[open]")`)
	testbed.Screenshot(w, "empty")
	w.do(chromedp.SendKeys("#subject", "Lost umbrella"), chromedp.SendKeys("#text", "Hello,\nI left my umbrella in your shop on Monday. It is blue."),
		chromedp.Click("#compose form .primary"))
	w.until("the mail is among the sent", `document.querySelectorAll("article.mine").length === 1`)

	ann := d.person("ann")
	form := ann.press(ann.card("Lost umbrella"), "reply").Form
	values := form.values()
	values["text"] = "We have it here. You can fetch it until six.\n\nAnn"
	w.do(chromedp.Click("#compose > summary"), chromedp.SendKeys("#text", "typed meanwhile"))
	if a := ann.submit(form, values); len(a.Errors) > 0 {
		t.Fatal(a.Errors)
	}
	w.until("the answer appears", `document.querySelectorAll("article:not(.mine)").length === 1`)
	if typed := w.eval(`document.querySelector("#text").value`); typed != "typed meanwhile" {
		t.Errorf("what was being typed: %q", typed)
	}
	testbed.Screenshot(w, "answered")
	w.do(chromedp.Click("article .answer > summary"), chromedp.SendKeys("article .answer textarea", "Wonderful, thank you!"),
		chromedp.Click("article .headers > summary"))
	testbed.Screenshot(w, "answering")
	w.do(chromedp.Click("article .answer .primary"))
	w.until("the answer is sent", `document.querySelectorAll("article.mine").length === 2`)
	ann.thread(ann.card("Lost umbrella").ID, "Wonderful, thank you!")

	// On a phone, and in the dark.
	w.do(chromedp.EmulateViewport(390, 844), chromedp.Evaluate[chromedp.Void](`localStorage.setItem("groupmail.theme", "dark")`), chromedp.Navigate(d.URL()+"/customer/zoe@example.com"))
	w.until("the page on a phone", `document.querySelectorAll("article").length === 3`)
	if wide := w.eval(`String(document.documentElement.scrollWidth - document.documentElement.clientWidth)`); wide != "0" {
		t.Errorf("the page is %s pixels too wide for a phone", wide)
	}
	testbed.Screenshot(w, "phone")
	w.do(chromedp.Navigate(d.URL() + "/customer/anna.rossi@example.net"))
	w.until("a mail with files", `document.querySelectorAll(".file").length === 2`)
	testbed.Screenshot(w, "phone-files")
	w.do(chromedp.Navigate(d.URL() + "/customer"))
	testbed.Screenshot(w, "phone-who")
}
