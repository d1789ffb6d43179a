package testbed

import (
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// page shows its visitor's name, kept in a cookie.
const page = `<!doctype html><meta charset="utf-8"><title>Greeting</title>
<h1>Grüße ✉️</h1><button id="sign-in">Sign in</button><p id="who"></p><script>
function show() { document.getElementById("who").textContent = document.cookie }
document.getElementById("sign-in").onclick = () => { document.cookie = "name=Ann"; show() }
show()
</script>`

func TestChromium(t *testing.T) {
	artefacts := t.TempDir()
	t.Setenv("GROUPMAIL_ARTEFACTS", artefacts)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) }))
	defer web.Close()

	start := time.Now()
	ann := Chromium(t)
	t.Logf("started in %s", time.Since(start))
	err := chromedp.Do(ann, chromedp.Navigate(web.URL), chromedp.Click("#sign-in"))
	if err != nil {
		t.Fatal(err)
	}
	ben := NewWindow(ann)
	if err := chromedp.Do(ben, chromedp.Navigate(web.URL)); err != nil {
		t.Fatal(err)
	}
	if who, err := chromedp.Run(ann, chromedp.TextContent("#who")); err != nil || who != "name=Ann" {
		t.Errorf("first window: %q %v", who, err)
	}
	if who, err := chromedp.Run(ben, chromedp.TextContent("#who")); err != nil || who != "" {
		t.Errorf("the second window has the cookies of the first: %q %v", who, err)
	}

	Screenshot(ann, "greeting")
	f, err := os.Open(filepath.Join(artefacts, "TestChromium", "greeting.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if picture, err := png.Decode(f); err != nil || picture.Bounds().Dx() < 1000 {
		t.Errorf("screenshot: %v", err)
	}
}

func TestChromiumConsoleErrors(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, `<script>console.error("one"); setTimeout(() => { throw new Error("two") })</script><img src=three.png>`)
	}))
	defer web.Close()
	ctx := Chromium(t)
	if err := chromedp.Do(ctx, chromedp.Navigate(web.URL)); err != nil {
		t.Fatal(err)
	}
	missing := []string{"one", "two", "three.png"}
	eventually(t, "all errors are heard", func() bool {
		for _, e := range ConsoleErrors(ctx) {
			missing = slices.DeleteFunc(missing, func(want string) bool { return strings.Contains(e, want) })
		}
		return len(missing) == 0
	})
}
