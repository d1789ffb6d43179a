package message

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"groupmail/deploy/testbed"
)

// TestBrowser shows a real browser what Sanitise makes of the attacks: no script runs, and nothing
// is asked of any server but the page itself. The last page is not sanitised, and must be caught.
func TestBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a browser")
	}
	var mu sync.Mutex
	var asked []string
	page := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path != "/page" && r.URL.Path != "/favicon.ico" {
			asked = append(asked, r.URL.Path)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(page))
	}))
	defer srv.Close()
	ctx := testbed.Chromium(t)
	show := func(bodies []string) (ran string) {
		here := strings.NewReplacer("//evil.example", srv.URL+"/evil", "alert(1)", "document.title='ran'")
		var b strings.Builder
		b.WriteString("<!doctype html><title>quiet</title>")
		for _, s := range bodies {
			b.WriteString("<section>" + here.Replace(s) + "</section>\n")
		}
		mu.Lock()
		page, asked = b.String(), nil
		mu.Unlock()
		if err := chromedp.Do(ctx, chromedp.Navigate(srv.URL+"/page"), chromedp.WaitReady("section")); err != nil {
			t.Fatal(err)
		}
		title, err := chromedp.Run(ctx, chromedp.Evaluate[string](`new Promise(done => setTimeout(() => done(document.title), 500))`, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		testbed.ConsoleErrors(ctx)
		return title
	}
	var clean []string
	for _, a := range append(mutants(300), attacks...) {
		// what an attack does before it is sanitised, it must do against this server
		out := Sanitise(strings.ReplaceAll(a, "alert(1)", "document.title='ran'"))
		clean = append(clean, out, Sanitise(out+a))
	}
	if title := show(clean); title != "quiet" {
		t.Errorf("a script ran: the title is %q", title)
	}
	mu.Lock()
	if len(asked) > 0 {
		t.Errorf("the browser asked for %q", asked)
	}
	mu.Unlock()
	title := show([]string{`<img src="//evil.example/x" onerror=alert(1)>`})
	mu.Lock()
	defer mu.Unlock()
	if title != "ran" && len(asked) == 0 {
		t.Errorf("the test catches nothing: title %q, asked %q", title, asked)
	}
}
