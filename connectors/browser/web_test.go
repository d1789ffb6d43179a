package browser

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"groupmail/bot"
	"groupmail/deploy/testbed"
)

// untilLost is how long is waited for a window, on a machine that is busy with other tests.
const untilLost = 60 * time.Second

// tab is one window.
type tab struct {
	testing.TB
	ctx context.Context
}

func (w tab) do(steps ...chromedp.Action[chromedp.Void]) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, untilLost)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		w.Fatal(err)
	}
}

// eval is an expression's value.
func eval[T any](w tab, expr string) T {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, untilLost)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expr, chromedp.EvalAwaitPromise))
	if err != nil {
		w.Fatalf("%s: %v", expr, err)
	}
	return v
}

// until waits for an expression to be true.
func (w tab) until(what, expr string) {
	w.Helper()
	end := time.Now().Add(untilLost)
	for !eval[bool](w, "Boolean("+expr+")") {
		if time.Now().After(end) {
			w.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

const text = "[...document.querySelectorAll(%q)].some(e => e.innerText.includes(%q))"

// shows waits until an element has the text; hides, until none has.
func (w tab) shows(sel, s string) {
	w.Helper()
	w.until(fmt.Sprintf("%s shows %q", sel, s), fmt.Sprintf(text, sel, s))
}

func (w tab) hides(sel, s string) {
	w.Helper()
	w.until(fmt.Sprintf("%s hides %q", sel, s), "!"+fmt.Sprintf(text, sel, s))
}

func (w tab) gone(sel string) {
	w.Helper()
	w.until(sel+" is gone", fmt.Sprintf("!document.querySelector(%q)", sel))
}

func (w tab) click(sel string) {
	w.Helper()
	w.do(chromedp.Click(sel, chromedp.NodeVisible))
}

func (w tab) keys(keys string, mods ...chromedp.Modifier) {
	w.Helper()
	w.do(chromedp.KeyEvent(keys, chromedp.KeyModifiers(mods...)))
}

// overlap tells whether two elements lie over each other.
func (w tab) overlap(a, b string) bool {
	w.Helper()
	return eval[bool](w, fmt.Sprintf(`((a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
		(document.querySelector(%q).getBoundingClientRect(), document.querySelector(%q).getBoundingClientRect())`, a, b))
}

// look keeps a picture for people to judge.
func (w tab) look(name string) {
	time.Sleep(150 * time.Millisecond) // what moves has come to rest
	testbed.Screenshot(w.ctx, name)
}

func (w tab) open(url string) {
	w.Helper()
	w.do(chromedp.Navigate(url), chromedp.WaitReady("#list .start, #list .msg"))
	w.until("the stream", "document.querySelector('.presence.on')")
}

// another is a window of its own in the same browser, with the same storage.
func (w tab) another() tab {
	ctx, cancel := chromedp.NewContext(w.ctx)
	w.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // opens it, for as long as ctx lasts
		w.Fatal(err)
	}
	return tab{w.TB, ctx}
}

// stage is the scene, and Ann's window on it.
func stage(t *testing.T) (*desk, *scene, tab) {
	d := serve(t, t.TempDir())
	s := newScene(t, d.Platform)
	w := tab{t, testbed.Chromium(t)}
	w.open(d.url + "/as/ann/help")
	return d, s, w
}

func of(id string) string { return fmt.Sprintf("[data-message=%q]", id) }

func onButton(m, id string) string { return of(m) + fmt.Sprintf(" [data-button=%q]", id) }

const composerBox = "#composer"

func TestLooks(t *testing.T) {
	d, s, w := stage(t)
	w.look("channel")
	w.do(chromedp.EmulateViewport(1280, 2300))
	w.look("all-states")
	w.click("#theme") // light
	w.click("#theme") // dark
	w.look("all-states-dark")
	w.do(chromedp.EmulateViewport(1280, 860))
	w.click(of(s.ids["taken"]) + " .replies")
	w.shows("#thread", "the plumber comes on Thursday")
	w.look("thread-dark")
	w.click("#thread " + onButton(s.ids["taken"], "reply"))
	w.do(chromedp.WaitVisible("dialog.form"))
	w.look("form-dark")
	w.keys(kb.Escape)
	w.click("#thread " + of(s.ids["taken"]) + " [data-menu]")
	w.keys("r")
	w.keys(kb.Enter)
	w.shows("#thread .whisper", "The whole mail") // where it was asked for
	w.look("read-dark")
	w.click(".whisper [data-dismiss]")
	w.do(chromedp.EmulateViewport(900, 700))
	w.look("narrow-dark")
	w.do(chromedp.EmulateViewport(1280, 860))
	w.click("#theme")
	w.look("thread")
	w.keys(kb.Escape)
	w.click(of(s.ids["new"]) + " [data-menu]")
	w.look("menu")
	w.keys(kb.Escape)
	w.click("#directs a")
	w.shows("#list", "Is it still yours?")
	w.look("direct")
	w.keys("?")
	w.look("help")
	w.keys(kb.Escape)
	w.do(chromedp.Navigate(d.url + "/"))
	w.look("who")

	// On a phone.
	w.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulatePortrait))
	w.open(d.url + "/as/ann/help")
	w.look("phone")
	if wide := eval[int](w, "document.documentElement.scrollWidth"); wide > 390 {
		t.Errorf("the page is %d wide on a phone", wide)
	}
	w.click("#side-open")
	time.Sleep(300 * time.Millisecond)
	w.look("phone-side")
	w.click("#side-close")
	time.Sleep(300 * time.Millisecond)
	w.click(of(s.ids["taken"]) + " .replies")
	w.shows("#thread", "the plumber comes on Thursday")
	w.look("phone-thread")
	if wide := eval[int](w, "document.querySelector('#thread').getBoundingClientRect().width"); wide != 390 {
		t.Errorf("the thread is %d wide on a phone", wide)
	}
	w.click("#thread-back")
	w.until("the thread is closed", "document.querySelector('#thread').hidden")
	w.click(onButton(s.ids["new"], "reply"))
	w.do(chromedp.WaitVisible("dialog.form"))
	w.look("phone-form")
}

func TestPressIsSeenByAll(t *testing.T) {
	d, s, ann := stage(t)
	ann2 := ann.another()
	ann2.open(d.url + "/as/ann/help")
	ben := tab{t, testbed.NewWindow(ann.ctx)}
	ben.open(d.url + "/as/ben/help")
	for _, w := range []tab{ann, ann2, ben} {
		eval[bool](w, "window.notReloaded = true")
	}
	ann.click(onButton(s.ids["new"], "take"))
	for _, w := range []tab{ann, ann2, ben} {
		w.shows(of(s.ids["new"]), "Taken by Ann Baker")
		w.gone(onButton(s.ids["new"], "take"))
	}
	// Pressed once more, from a page that had not heard of it: the bot answers, to that person alone.
	card := d.get(s.ids["new"])
	if code := eval[int](ben, fmt.Sprintf(`fetch("/api/ben/press", {method: "POST", headers: {"Content-Type": "application/json"},
		body: JSON.stringify({event: "late-press", message: %q, drawing: %d, button: "take"})}).then(r => r.status)`, card.ID, card.Drawing-1)); code != 200 {
		t.Errorf("a press that came second was answered %d", code)
	}
	ben.shows(".whisper", "Somebody took this a moment ago.")
	ben.shows(".whisper", "Only you can see this")
	ben.look("whisper")

	// A whisper comes to all windows of one person, and goes from all.
	ann.click(of(s.ids["late"]) + " [data-menu]")
	ann.keys("r") // Read
	ann.keys(kb.Enter)
	ann.shows("#list .whisper", "The whole mail from Jonas Weber")
	ann2.shows("#list .whisper", "The whole mail from Jonas Weber")
	ann.look("read")
	ann2.click(".whisper [data-dismiss]")
	ann.gone(".whisper")
	ann2.gone(".whisper")
	if eval[bool](ben, fmt.Sprintf(text, ".whisper", "The whole mail")) {
		t.Error("Ben reads what Ann was told")
	}

	// Asked first.
	ben.click(onButton(s.ids["late"], "spam"))
	ben.shows("dialog.ask", "Move this conversation to spam?")
	ben.look("confirm")
	ben.keys(kb.Escape)
	ben.gone("dialog.ask")
	if got := len(s.hub.Clicks()); got != 3 {
		t.Errorf("%d presses were heard before the question was answered", got)
	}
	ben.click(onButton(s.ids["late"], "spam"))
	ben.click("dialog.ask [data-yes]")
	ann.shows(of(s.ids["late"]), "Spam by Ben Carter")

	for _, w := range []tab{ann, ann2, ben} {
		if !eval[bool](w, "window.notReloaded === true") {
			t.Error("a page was loaded anew")
		}
	}
	// What is told while no window is open waits; a reload clears what was read.
	ben.do(chromedp.Navigate("about:blank"))
	ben.shows("body", "")
	ann.until("Ben to be away", "![...document.querySelectorAll('.person')].some(e => e.innerText.includes('Ben') && e.querySelector('.presence.on'))")
	if err := d.Tell(t.Context(), "help", s.ids["late"], "ben", *aside("While you were out")); err != nil {
		t.Fatal(err)
	}
	ben.open(d.url + "/as/ben/help")
	ben.shows(".whisper", "While you were out")
	ben.do(chromedp.Reload(), chromedp.WaitReady("#list .msg"))
	ben.until("the stream", "document.querySelector('.presence.on')")
	if eval[bool](ben, "document.querySelector('.whisper') !== null") {
		t.Error("the whisper is still there after a reload")
	}
}

func TestForm(t *testing.T) {
	_, s, w := stage(t)
	id := s.ids["new"]
	const area = `dialog textarea[name="text"]`
	w.click(onButton(id, "reply"))
	w.do(chromedp.WaitVisible("dialog.form"))
	w.look("form")
	if got := eval[string](w, `(e => e.options.length + " " + e.selectedOptions[0].text)(document.querySelector('dialog [name="after"]'))`); got != "2 Wait for an answer" {
		t.Errorf("a choice that has a default offers and shows %q", got)
	}
	w.do(chromedp.SendKeys(area, "Yes, it is free. TODO price"))
	w.keys(kb.Enter, chromedp.ModifierCtrl)
	w.shows(`[data-field="text"] .fault`, "There is still a TODO in it.")
	w.shows("dialog .banner", "Nothing was sent.")
	w.look("form-errors")
	typed := "Dear Maria Kovács,\n\nYes, it is free. TODO price"
	value := func() string { return eval[string](w, fmt.Sprintf("document.querySelector(%q)?.value ?? ''", area)) }
	if got := value(); got != typed {
		t.Errorf("after a refusal the text is %q", got)
	}
	// Closed by accident, and opened again.
	w.keys(kb.Escape)
	w.gone("dialog")
	w.shows(".toast", "is kept")
	w.look("toast")
	for _, other := range []string{"#composer-place", "#main .bar", "#scroll"} {
		if w.overlap(".toast", other) {
			t.Errorf("the passing word lies over %s", other)
		}
	}
	w.until("the newest card is whole all the same", "(e => e.scrollHeight - e.scrollTop - e.clientHeight < 2)(document.querySelector('#scroll'))")
	w.click(onButton(id, "reply"))
	w.shows("dialog", "What you had typed is here again.")
	w.look("form-restored")
	if got := value(); got != typed {
		t.Errorf("after closing the text is %q", got)
	}
	// Reloaded by accident.
	w.do(chromedp.Reload(), chromedp.WaitVisible("dialog.form"))
	if got := value(); got != typed {
		t.Errorf("after a reload the text is %q", got)
	}
	// Another form in its place.
	w.do(chromedp.SetValue(area, "On Friday it is free."))
	w.click("dialog [data-submit]")
	w.shows("dialog h2", "A newer mail came")
	w.look("form-replaced")
	if got := value(); got != "On Friday it is free." {
		t.Errorf("the second form's text is %q", got)
	}
	w.click("dialog [data-submit]")
	w.gone("dialog")
	w.shows(".whisper", "Sends in 30 s.")
	w.click(onButton(id, "reply"))
	w.do(chromedp.WaitVisible("dialog.form"))
	if got := value(); got != "Dear Maria Kovács,\n\n" {
		t.Errorf("after sending the draft is still there: %q", got)
	}
	w.click("dialog [data-cancel]")
	w.gone("dialog")
	if n := len(s.hub.Submissions()); n != 3 {
		t.Errorf("%d submissions", n)
	}
}

func TestCompletion(t *testing.T) {
	_, s, w := stage(t)
	value := func() string { return eval[string](w, "document.querySelector('#composer').value") }
	w.until("the box has the focus", "document.activeElement.id === 'composer'")
	w.keys("/")
	w.shows(".offers", "the shared mailbox")
	w.keys(kb.Tab)
	if got := value(); got != "/mail " {
		t.Errorf("tab gives %q", got)
	}
	w.shows(".offers", "what waits")
	w.look("completion")
	if broken := eval[string](w, "[...document.querySelectorAll('.offers .what')].filter(e => e.scrollWidth > e.clientWidth + 1 || e.clientHeight > 30).map(e => e.innerText).join()"); broken != "" {
		t.Errorf("offered on two lines, or cut off: %s", broken)
	}
	w.keys(kb.ArrowDown)
	w.keys(kb.ArrowDown)
	w.until("the second is chosen", `document.querySelector('#composer').getAttribute('aria-activedescendant').endsWith('-1')`)
	w.keys(kb.Enter)
	if got := value(); got != "/mail mine" {
		t.Errorf("enter gives %q", got)
	}
	w.keys(strings.Repeat(kb.Backspace, 4) + "q")
	w.until("one is left", "document.querySelectorAll('.offers li').length === 1")
	w.keys(kb.Escape)
	w.until("the list is closed", "document.querySelector('.offers').hidden")
	if got := value(); got != "/mail q" {
		t.Errorf("escape gives %q", got)
	}
	w.keys("ueue")
	w.keys(kb.Enter)
	w.shows(".whisper", "2 wait")
	w.until("the box is empty", "document.querySelector('#composer').value === ''")
	w.look("command")
	if c := s.hub.TypedCommands(); len(c) != 1 || c[0].Text != "queue" {
		t.Errorf("heard %+v", c)
	}
	// The link in it leads to the card, in this window.
	w.do(chromedp.Click(".whisper a"))
	w.until("the card is marked", fmt.Sprintf("document.querySelector('%s.target')", of(s.ids["late"])))
	w.click(composerBox)
	w.keys("Hello @gro")
	w.shows(".offers", "@groupmail")
	w.keys(kb.Enter)
	if got := value(); got != "Hello @groupmail " {
		t.Errorf("the mention gives %q", got)
	}
	eval[bool](w, "document.querySelector('#composer').select(), true")
	w.keys("/nosuch thing")
	w.keys(kb.Enter)
	w.shows(".composer .fault", "There is no command /nosuch.")
	if got := value(); got != "/nosuch thing" {
		t.Errorf("a refusal leaves %q", got)
	}
	testbed.ConsoleErrors(w.ctx) // the refusal's status
}

func TestThread(t *testing.T) {
	d, s, w := stage(t)
	root := s.ids["wait"]
	ben := tab{t, testbed.NewWindow(w.ctx)}
	ben.open(d.url + "/as/ben/help?thread=" + root)
	ben.shows("#thread", "No replies yet")
	// By keyboard: to the messages, up, into the thread.
	w.do(chromedp.Focus(of(root)))
	w.keys(kb.Enter)
	w.until("the thread's box has the focus", "document.activeElement.id === 'thread-composer'")
	w.keys("first line")
	w.keys(kb.Enter, chromedp.ModifierShift)
	w.keys("second <b>line</b> https://user@evil.example/ https://good.example/a?b=1.")
	w.keys(kb.Enter)
	w.shows("#thread-list .msg", "second <b>line</b>")
	ben.shows("#thread-list .msg", "first line\nsecond <b>line</b>")
	ben.shows(of(root)+" .replies", "1 reply")
	if links := eval[[]string](ben, "[...document.querySelectorAll('#thread-list .text a')].map(a => a.href + ' ' + a.rel)"); len(links) != 1 || links[0] != "https://good.example/a?b=1 noopener noreferrer nofollow" {
		t.Errorf("links are %q", links)
	}
	w.keys(kb.ArrowUp)
	w.do(chromedp.WaitVisible(".editor textarea"))
	w.look("editing")
	w.keys(" changed")
	w.keys(kb.Enter)
	ben.shows("#thread-list .msg", "changed (edited)")
	// Files.
	dir := t.TempDir()
	names := []string{filepath.Join(dir, "plan.pdf"), filepath.Join(dir, "notes für Ben.txt")}
	for _, n := range names {
		if err := os.WriteFile(n, []byte("data of "+n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.do(chromedp.SetUploadFiles("#thread-composer-place input[type=file]", names, chromedp.NodeReady))
	w.shows("#thread .chips", "notes für Ben.txt")
	w.until("both are up", "[...document.querySelectorAll('#thread .chips progress')].every(p => p.hidden)")
	w.click("#thread-composer")
	w.keys("@groupmail here they are")
	w.look("upload")
	w.do(chromedp.Reload(), chromedp.WaitVisible("#thread .chips li")) // the draft and its files survive
	w.click("#thread .go")
	ben.shows("#thread-list .files", "notes für Ben.txt")
	got := eval[string](ben, "fetch(document.querySelectorAll('#thread-list .file')[1].href).then(r => r.text())")
	if got != "data of "+names[1] {
		t.Errorf("the file holds %q", got)
	}
	// A reply that nobody is looking at marks the card; deleting takes it away.
	ben.click("#thread-close")
	w.click("#thread-composer")
	w.keys("ping")
	w.keys(kb.Enter)
	ben.do(chromedp.WaitReady(of(root) + " .replies.unread"))
	ben.look("unread-thread")
	w.shows("#thread-list .msg", "ping")
	eval[bool](w, `document.querySelector('#thread-list .msg:last-child [data-tool="more"]').click() ?? true`)
	w.click(`.menu [data-button="note"]`)
	w.until("the menu is closed", "!document.querySelector('.menu')")
	noted := func() bool {
		return slices.ContainsFunc(s.hub.TypedCommands(), func(c bot.Command) bool { return c.Text == "note here ping" && c.Root == root && c.Who.ID == "ann" })
	}
	for end := time.Now().Add(5 * time.Second); !noted() && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
	}
	if !noted() {
		t.Errorf("kept as a note: %+v", s.hub.TypedCommands())
	}
	eval[bool](w, "[...document.querySelectorAll('#thread-list .msg')].find(e => e.innerText.includes('ping')).focus() ?? true")
	w.keys(kb.Delete)
	w.click("dialog.ask [data-yes]")
	w.hides("#thread-list .msg:not(.whisper)", "ping")
	ben.shows(of(root)+" .replies", "2 replies")
	var kinds []string
	for end := time.Now().Add(5 * time.Second); len(kinds) < 5 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		kinds = nil
		for _, one := range s.hub.AllSaid() {
			if one.Root == root {
				kinds = append(kinds, fmt.Sprintf("%s %t %d", one.Kind, one.ToBot, len(one.Files)))
			}
		}
	}
	if want := "new false 0,edited false 0,new true 2,new false 0,deleted false 0"; strings.Join(kinds, ",") != want {
		t.Errorf("heard %q", kinds)
	}
	w.keys(kb.Escape)
	w.until("the thread is closed", "document.querySelector('#thread').hidden")
}

func TestHostileTextInThePage(t *testing.T) {
	d := serve(t, "")
	w := tab{t, testbed.Chromium(t)}
	nasty := "<img src=x onerror=alert(1)><script>alert(2)</script> &lt;b&gt; @channel <!channel> **bold** [x](javascript:alert(3)) \u202egpj.exe\u202c שלום עולם " +
		strings.Repeat("W", 5000) + strings.Repeat("\u0301", 500) + " javascript:alert(4) data:text/html,x https://bank.example@evil.example/ https://\u0430pple.com/x"
	m := bot.Message{Notice: nasty, Tone: bot.Yellow, Status: bot.Line{{Text: nasty, Strong: true}, {Text: "link", URL: "javascript:alert(5)"}}, Title: nasty + strings.Repeat(" subject", 1200),
		Lines: []bot.Line{{{Text: nasty, Code: true}, {Member: nasty}}}, Quote: nasty + strings.Repeat("\n"+nasty[:60], 50), Footer: bot.Line{{Text: nasty}},
		Buttons: []bot.Button{{ID: "a", Label: nasty}, {ID: "b", Label: "Open", URL: "javascript:alert(6)"}, {Label: "More…", Menu: []bot.Button{{ID: "c", Label: nasty}}}}}
	id, err := d.Post(t.Context(), "help", m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.say("ben", "help", id, nasty[:4000], nil); err != nil {
		t.Fatal(err)
	}
	w.open(d.url + "/as/ann/help?thread=" + id)
	w.do(chromedp.WaitReady("#thread-list .msg:nth-of-type(2)"))
	w.look("hostile")
	if n := eval[int](w, "document.querySelectorAll('#list img, #list script, #thread-list img, #thread-list script, #list b i').length"); n != 0 {
		t.Errorf("%d elements were made of text", n)
	}
	for _, href := range eval[[]string](w, "[...document.querySelectorAll('#app .msg a')].map(a => a.href)") {
		if href != "https://xn--pple-43d.com/x" {
			t.Errorf("a link to %s", href)
		}
	}
	w.shows("#list .words", "https://xn--pple-43d.com/x") // its true name, not its look
	for _, sel := range []string{"#app", "#scroll", "#thread-scroll", "body"} {
		if eval[bool](w, fmt.Sprintf("(e => e.scrollWidth > e.clientWidth + 1)(document.querySelector(%q))", sel)) {
			t.Errorf("%s is wider than its place", sel)
		}
	}
	w.click(of(id) + " [data-menu]")
	w.look("hostile-menu")
}

func TestManyMessages(t *testing.T) {
	d := serve(t, "")
	for i := range 3000 {
		if i%3 == 0 {
			if _, err := d.say("ben", "help", "", fmt.Sprintf("message %d", i), nil); err != nil {
				t.Fatal(err)
			}
			continue
		}
		m := bot.Message{Key: fmt.Sprint(i), Tone: bot.Yellow, Status: bot.Line{{Text: "● New", Strong: true}}, Title: fmt.Sprintf("Subject %d", i),
			Quote: strings.Repeat("Words of a mail. ", i%30), Buttons: []bot.Button{{ID: "take", Label: "Take"}}}
		if _, err := d.Post(t.Context(), "help", m); err != nil {
			t.Fatal(err)
		}
	}
	w := tab{t, testbed.Chromium(t)}
	w.open(d.url + "/as/ann/help")
	if n := eval[int](w, "document.querySelectorAll('#list .msg').length"); n != 100 {
		t.Errorf("%d messages were loaded", n)
	}
	w.until("the newest is in sight", "(r => r.bottom <= innerHeight && r.top > 0)(document.querySelector('#list .msg:last-child').getBoundingClientRect())")
	// Scrolling up loads older ones and the place stays.
	for want := 200; want <= 400; want += 100 {
		eval[bool](w, "document.querySelector('#scroll').scrollTop = 0, true")
		w.until(fmt.Sprint(want, " messages"), fmt.Sprintf("document.querySelectorAll('#list .msg').length >= %d", want))
		w.until("the place stays", "document.querySelector('#scroll').scrollTop > 1000")
	}
	// What comes below does not move what is being read.
	eval[bool](w, "document.querySelector('#scroll').scrollTop = 5000, true")
	time.Sleep(100 * time.Millisecond)
	const place = "document.elementFromPoint(700, 300).closest('.msg').dataset.message + ' ' + Math.round(document.elementFromPoint(700, 300).closest('.msg').getBoundingClientRect().top)"
	before := eval[string](w, place)
	if _, err := d.say("ben", "help", "", "something new", nil); err != nil {
		t.Fatal(err)
	}
	w.shows("#jump", "1 new message")
	w.look("scrolled-up")
	if w.overlap("#jump", "#scroll") || w.overlap("#jump", "#composer") {
		t.Error("the way to the newest lies over messages or the box to write in")
	}
	if after := eval[string](w, place); after != before {
		t.Errorf("what is read has moved from %s to %s", before, after)
	}
	w.click("#jump")
	w.until("at the end", "document.querySelector('#jump').hidden")
	w.shows("#list .msg", "something new")
	// Even with all of them loaded nothing but what is new is drawn.
	eval[bool](w, "location.hash = '#m2', true")
	w.until("all are loaded", "document.querySelectorAll('#list .msg').length > 2990")
	if drawn := eval[int](w, `(async () => {
		let drawn = 0;
		const count = (all) => all.forEach((m) => drawn += m.addedNodes.length + m.removedNodes.length);
		const observer = new MutationObserver(count);
		observer.observe(document.querySelector("#list"), {childList: true, subtree: true});
		await fetch("/api/ben/say", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({event: crypto.randomUUID(), room: "help", text: "the very last"})});
		while (!document.querySelector("#list").lastElementChild.innerText.includes("the very last")) await new Promise(requestAnimationFrame);
		count(observer.takeRecords());
		observer.disconnect();
		return drawn;
	})()`); drawn < 1 || drawn > 20 {
		t.Errorf("a message among 3,000 made %d elements be drawn", drawn)
	} else {
		t.Logf("%d elements were drawn", drawn)
	}
}

func TestLinkToMessage(t *testing.T) {
	d := serve(t, "")
	first, err := d.Post(t.Context(), "help", bot.Message{Key: "first", Title: "The very first"})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := d.say("ben", "help", first, "deep down", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		if _, err := d.say("ben", "help", "", fmt.Sprintf("message %d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	w := tab{t, testbed.Chromium(t)}
	w.do(chromedp.Navigate(d.Link("help", first)))
	w.click(".welcome li:first-child a")
	inSight := func(id string) {
		t.Helper()
		w.until(id+" is marked and in sight", fmt.Sprintf("(e => e && e.classList.contains('target') && (r => r.top >= 0 && r.bottom <= innerHeight)(e.getBoundingClientRect()))(document.querySelector('%s.target'))", of(id)))
	}
	inSight(first)
	w.look("linked")
	w.do(chromedp.Navigate("about:blank"))
	w.do(chromedp.Navigate(d.url + "/as/ann/help#" + reply.ID))
	inSight(reply.ID)
	w.until("in the thread", "!document.querySelector('#thread').hidden")
	nowhere, err := http.Get(d.url + "/to/nowhere/m1")
	if err != nil {
		t.Fatal(err)
	}
	defer nowhere.Body.Close()
	if nowhere.StatusCode != http.StatusNotFound {
		t.Errorf("a link to nowhere is answered %s", nowhere.Status)
	}
}

func TestUnread(t *testing.T) {
	d, s, w := stage(t)
	w.click("#directs a")
	w.shows("#list", "Is it still yours?")
	for _, text := range []string{"while you are elsewhere", "and more"} {
		if _, err := d.say("ben", "help", "", text, nil); err != nil {
			t.Fatal(err)
		}
	}
	w.shows("#channels .unread", "2")
	w.until("the title tells", "document.title.startsWith('(2) ')")
	w.look("unread")
	w.keys(kb.ArrowDown, chromedp.ModifierAlt) // from the last to the first
	w.shows("#list .divider", "New")
	w.shows("#list", "while you are elsewhere")
	w.look("divider")
	w.gone("#channels .unread")
	w.keys(kb.Escape)
	w.gone(".divider")
	if _, err := d.Post(t.Context(), "@ann", *aside("A word for you")); err != nil {
		t.Fatal(err)
	}
	w.shows("#directs .unread", "1")
	w.click("#directs a")
	w.shows("#list", "A word for you")
	if eval[bool](w, "document.querySelector('#composer').offsetParent !== null") {
		t.Error("there is a box to write in where nobody reads")
	}
	_ = s
}

// The stream breaks, and the server is started anew: windows catch up by themselves.
func TestStreamResumes(t *testing.T) {
	dir := t.TempDir()
	d := serve(t, dir)
	proxy := testbed.NewProxy(t, strings.TrimPrefix(d.url, "http://"))
	newScene(t, d.Platform)
	w := tab{t, testbed.Chromium(t)}
	w.open("http://" + proxy.Addr + "/as/ann/help")
	say := func(p *Platform, text string) {
		t.Helper()
		if _, err := p.say("ben", "help", "", text, nil); err != nil {
			t.Fatal(err)
		}
	}
	eval[bool](w, "window.notReloaded = true")
	proxy.Refuse()
	proxy.Cut()
	w.until("the loss is told", "!document.querySelector('#lost').hidden")
	w.look("lost")
	w.click(composerBox)
	w.keys("said without a connection")
	w.keys(kb.Enter)
	say(d.Platform, "missed one")
	if _, err := d.Post(t.Context(), "help", bot.Message{Key: "x", Title: "missed two"}); err != nil {
		t.Fatal(err)
	}
	proxy.Heal()
	w.shows("#list", "missed one")
	w.shows("#list", "missed two")
	w.shows("#list", "said without a connection")
	w.until("all is well", "document.querySelector('#lost').hidden")
	testbed.ConsoleErrors(w.ctx) // of the refused connections

	// Another process, with the same journal: another row of changes.
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	p, err := New(config(d.url, dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	say(p, "said to the new process")
	d.swap(p.Handler())
	w.shows("#list", "said to the new process")
	w.shows("#list", "missed two")
	say(p, "and live again")
	w.shows("#list", "and live again")
	if !eval[bool](w, "window.notReloaded === true") {
		t.Error("the page was loaded anew")
	}
	testbed.ConsoleErrors(w.ctx)
}

// More windows than a browser opens connections.
func TestManyWindows(t *testing.T) {
	d := serve(t, "")
	first := tab{t, testbed.Chromium(t)}
	all := []tab{first}
	for range 8 {
		all = append(all, first.another())
	}
	for _, w := range all {
		w.open(d.url + "/as/ann/help")
	}
	id, err := d.Post(t.Context(), "help", bot.Message{Key: "k", Title: "to all windows", Buttons: []bot.Button{{ID: "take", Label: "Take"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range all {
		w.shows(of(id), "to all windows")
	}
	d.mu.Lock()
	streams := len(d.windows)
	d.mu.Unlock()
	if streams != 1 {
		t.Errorf("nine windows hold %d streams", streams)
	}
	// The one that listens is closed: another takes over.
	if err := chromedp.Cancel(all[1].ctx); err != nil {
		t.Fatal(err)
	}
	first.do(chromedp.Navigate("about:blank"))
	if _, err := d.say("ben", "help", "", "after the change", nil); err != nil {
		t.Fatal(err)
	}
	for _, w := range all[2:] {
		w.shows("#list", "after the change")
	}
}

// What somebody types is never lost, and stands where they look: after a form, while it is being sent, and while a
// message is on its way.
func TestNothingTypedIsLost(t *testing.T) {
	d, s, w := stage(t)
	value := func() string { return eval[string](w, "document.querySelector('#composer').value") }
	empty := func() { eval[string](w, "document.querySelector('#composer').value = ''") }
	write := func(text string) {
		w.Helper()
		for _, r := range text {
			w.keys(string(r))
		}
	}
	id := s.ids["new"]
	fill := func() {
		w.Helper()
		w.click(onButton(id, "reply"))
		w.do(chromedp.WaitVisible("dialog.form"))
		w.do(chromedp.SetValue(`dialog textarea[name="text"]`, "On Friday it is free."), chromedp.Focus(`dialog textarea[name="text"]`))
	}
	send := func() { w.keys(kb.Enter, chromedp.ModifierCtrl) }
	fill()
	send()
	w.shows("dialog h2", "A newer mail came")
	send()
	w.gone("dialog")
	write("hello team, I have answered m e ? t")
	w.until("what is typed after a form stands in the box", "document.querySelector('#composer').value === 'hello team, I have answered m e ? t'")
	w.gone("dialog")

	// Focus on a button: letters go to the box, a space presses it.
	empty()
	w.do(chromedp.Focus(onButton(id, "reply")))
	write("more")
	if got := value(); got != "more" {
		t.Errorf("typed on a button, the box has %q", got)
	}
	empty()
	w.do(chromedp.Focus(onButton(id, "reply")))
	write(" ")
	w.do(chromedp.WaitVisible("dialog.form"))
	w.click("dialog [data-cancel]")
	w.gone("dialog")

	slow := d.Handler()
	d.swap(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			time.Sleep(700 * time.Millisecond)
		}
		slow.ServeHTTP(rw, r)
	}))
	w.do(chromedp.Focus(composerBox))
	for _, text := range []string{"the first", "the second"} {
		write(text)
		w.keys(kb.Enter)
	}
	write("the third")
	w.shows("#list .msg", "the first")
	w.shows("#list .msg", "the second")
	if got := value(); got != "the third" {
		t.Errorf("while messages were on their way was typed %q", got)
	}

	empty()
	fill()
	send()
	write("too ")
	w.shows("dialog h2", "A newer mail came")
	send()
	write("early")
	w.gone("dialog")
	w.until("it stands in the box", "document.querySelector('#composer').value === 'early'")
	write(", and on")
	if got := value(); got != "early, and on" {
		t.Errorf("the box has %q", got)
	}

	// Esc in the channel's box leaves an open thread open.
	w.do(chromedp.Focus(of(id)))
	w.keys(kb.Enter)
	w.until("the thread's box has the focus", "document.activeElement.id === 'thread-composer'")
	w.do(chromedp.Focus(composerBox))
	w.keys(kb.Escape)
	write(" and on")
	if eval[bool](w, "document.querySelector('#thread').hidden") || value() != "early, and on and on" {
		t.Errorf("the box has %q", value())
	}
}
