package wiki

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"groupmail/deploy/testbed"
	"groupmail/ticketing"
)

// full is an office with something of everything, in words as people write them.
func full(t *testing.T) (o *office, paths map[string]string) {
	o = lite(t)
	ctx := t.Context()
	maria := ticketing.Address{Name: "Maria Kovács", Addr: "maria@example.net"}
	o.page(ann, "help", "Opening hours", "Monday to Friday, 9 to 17. On the phone until 16.")
	p := o.page(ann, "help", "Boiler room", "# Where things are\n\nThe key hangs in the *second* drawer; see [[Opening hours]] for when somebody is there, and [[Plumber]].\n\n"+
		"- [x] valve replaced\n- [ ] pump ordered\n\n## Readings\n\n| Day | Bar | Who |\n|---|--:|---|\n| Monday | 1.4 | Ann |\n| Tuesday | 0.9 | Ben |\n\n> “Never turn the red one.” – the plumber\n\n    shut valve 3\n    wait\n\nMore at https://example.org/boiler.")
	o.pass(time.Hour)
	_, err := o.desk.EditPage(ctx, by(ben, "help"), p.ID, 1, "Boiler room", strings.Replace(p.Text, "the *second* drawer", "the office, behind the door", 1), "it moved")
	o.ok(err)
	_, err = o.desk.AppendNote(ctx, by(ann, "help"), p.ID, "The plumber comes **Thursday** at ten.")
	o.ok(err)
	first := o.arrives("help", ticketing.Mail{From: maria, Subject: "Heating broken in flat 12", MessageID: "m1@x",
		Text:        "Good morning,\n\nthe heating has been cold since Sunday, in all three rooms. Could somebody look? I am home until noon.\n\nBest regards\nMaria Kovács\n\nOn Friday, Help desk wrote:\n> We have noted your new number.",
		HTML:        `<p>Good morning,</p><p>the heating has been <b>cold</b> since Sunday.</p><table><tr><td>Room</td><td>°C</td></tr><tr><td>Kitchen</td><td>14</td></tr></table><img src="https://t.example/x.gif">`,
		Attachments: []ticketing.Attachment{{Name: "thermometer.jpg", Type: "image/jpeg", Size: 2_345_678}, {Name: "reading.xlsm", Type: "application/zip", Size: 45_678}}})
	who, err := o.desk.AddContact(ctx, by(ann, "help"), ticketing.ContactInput{Name: "Maria Kovács", Organisation: "Kovács & Sons", Addresses: []string{maria.Addr}, Phones: []string{"+43 1 2345678"}, Numbers: []string{"K-2041"}}, first.ID)
	o.ok(err)
	_, err = o.desk.Take(ctx, by(ann, "help"), first.ID)
	o.ok(err)
	_, err = o.desk.NoteContact(ctx, by(ann, "help"), who.ID, "Phoned: she is home until noon, and the neighbour has a key.\n\n- flat 12, second door\n- dog, friendly")
	o.ok(err)
	o.pass(26 * time.Hour)
	_, err = o.desk.NoteContact(ctx, by(ben, "help"), who.ID, "Valve replaced; see [[Boiler room]].")
	o.ok(err)
	for i, s := range []string{"Invoice 2041", "A question about the garden", "Key lost"} {
		c := o.arrives("help", ticketing.Mail{From: maria, Subject: s, MessageID: fmt.Sprintf("n%d@x", i), Text: "Could you help me with that?"})
		if i == 0 {
			_, err = o.desk.Close(ctx, by(ben, "help"), c.ID, "phoned")
			o.ok(err)
		}
		o.pass(40 * time.Minute)
	}
	for i, text := range []string{"Call her about the neighbour's key", "Order a pump", "Ask the plumber for the bill"} {
		todo := ticketing.TodoInput{Text: text, Owner: []ticketing.MemberID{ann.ID, ben.ID}[i%2], Contact: who.ID}
		if i == 0 {
			todo.Conversation, todo.Due = first.ID, o.now().Add(time.Minute)
		}
		made, err := o.desk.AddTodo(ctx, by(ann, "help"), todo)
		o.ok(err)
		if i == 2 {
			_, err = o.desk.DoneTodo(ctx, by(ben, "help"), made.ID)
			o.ok(err)
		}
	}
	o.pass(5 * time.Minute)
	o.arrives("help", ticketing.Mail{From: ticketing.Address{Name: "Städtische Wasserversorgung – Kundendienst", Addr: "kundendienst@wasserversorgung.example"}, Subject: "Unterbrechung der Wasserversorgung in der Donaudampfschifffahrtsgesellschaftsstraße am Donnerstag von 8 bis 12 Uhr", Text: "Wir arbeiten."})
	_, err = o.desk.SweepOverdue(ctx)
	o.ok(err)
	o.indexed("donaudampf")
	return o, map[string]string{
		"front": to("help", ""), "tickets": to("help", "tickets") + "?which=all", "todos": to("help", "todos"), "done": to("help", "todos") + "?which=done", "contacts": to("help", "contacts"), "pages": to("help", "pages"),
		"contact": to("help", "contact", number(int64(who.ID))), "conversation": to("help", "conversation", number(int64(first.ID))),
		"page": to("help", "page", "boiler-room"), "history": to("help", "page", "boiler-room", "history"), "revision": to("help", "page", "boiler-room", "revision", "2"),
		"missing": to("help", "page", "none"), "search": to("help", "search"), "found": to("help", "search") + "?q=heating", "refused": to("help", "search") + "?q=state:odd",
	}
}

func do(t testing.TB, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) { //nolint:revive // as in package testbed
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func eval[T any](t testing.TB, ctx context.Context, expr string) T { //nolint:revive // as in package testbed
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expr))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Every kind of page is accessible and fits, light and dark, on a phone and on a desk.
func TestEveryPageIsAccessible(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a browser")
	}
	o, paths := full(t)
	issuer := testbed.NewIssuer(t, testbed.IssuerSettings{})
	o.serve(func(c *Config) {
		c.OIDC = &OIDC{Issuer: issuer.URL, ClientID: "x", Secret: func() (string, error) { return "x", nil }}
	})
	ctx := testbed.Chromium(t)
	look := func(name, path string) {
		for _, w := range []struct {
			name          string
			width, height int64
			dark          bool
		}{{"desk-light", 1400, 900, false}, {"desk-dark", 1400, 900, true}, {"phone-light", 360, 740, false}, {"phone-dark", 360, 740, true}} {
			testbed.Shows(t, ctx, w.width, w.height, w.dark, "")
			do(t, ctx, chromedp.Navigate(o.http.URL+path), chromedp.WaitVisible("h1"))
			eval[any](t, ctx, "document.querySelectorAll('details').forEach(d => d.open = true)")
			for _, found := range testbed.Axe(t, ctx) {
				t.Errorf("%s, %s: %s", name, w.name, found)
			}
			if wide := eval[int64](t, ctx, "document.documentElement.scrollWidth"); wide > w.width {
				t.Errorf("%s, %s: is %d wide", name, w.name, wide)
			}
			testbed.Screenshot(ctx, name+"-"+w.name)
		}
	}
	look("signin", own+"signin")
	token, err := o.desk.NewLogin(t.Context(), by(ann, "help"))
	o.ok(err)
	look("login", to("-", "signin", token))
	do(t, ctx, chromedp.Click("main button"), chromedp.WaitVisible(".me"))
	for name, path := range paths {
		look(name, path)
	}
	testbed.ConsoleErrors(ctx) // one page is not there
	testbed.Shows(t, ctx, 800, 1100, false, "print")
	do(t, ctx, chromedp.Navigate(o.http.URL+paths["page"]), chromedp.WaitVisible("h1"))
	if eval[bool](t, ctx, "getComputedStyle(document.querySelector('.me')).display != 'none'") {
		t.Error("signing out is printed")
	}
	testbed.Screenshot(ctx, "page-print")
}

// All of it can be done with the keyboard alone, and one sees where one is.
func TestKeyboard(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a browser")
	}
	o, paths := full(t)
	ctx := testbed.Chromium(t)
	token, err := o.desk.NewLogin(t.Context(), by(ann, "help"))
	o.ok(err)
	do(t, ctx, chromedp.Navigate(Links(o.http.URL).Login(token)), chromedp.WaitVisible("h1"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(".me"))
	do(t, ctx, chromedp.Navigate(o.http.URL+paths["page"]), chromedp.WaitVisible("h1"), chromedp.KeyEvent(kb.Tab))
	if got := eval[string](t, ctx, "document.activeElement.className + ' ' + (document.activeElement.getBoundingClientRect().top >= 0)"); got != "skip true" {
		t.Errorf("first comes %q", got)
	}
	do(t, ctx, chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Tab))
	if got := eval[string](t, ctx, "document.activeElement.textContent"); got != "Opening hours" {
		t.Errorf("behind the skip link comes %q", got)
	}
	if got := eval[string](t, ctx, "getComputedStyle(document.activeElement).outlineStyle"); got != "solid" {
		t.Errorf("the focus is %s", got)
	}
}
