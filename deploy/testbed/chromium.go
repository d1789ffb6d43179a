package testbed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// chromiumTime is how long one test may use its browser; a test that waits for
// something that never shows ends then, with a screenshot.
const chromiumTime = 5 * time.Minute

// Chromium starts a browser with an empty profile and returns a context for
// chromedp.Do and chromedp.Run in its first window. It ends with the test.
//
// Whatever a page complains of in its console fails the test, unless the test
// has fetched it with [ConsoleErrors]. A failed test leaves a screenshot of each
// window, as if by [Screenshot].
func Chromium(t testing.TB) context.Context {
	t.Helper()
	program := chromiumProgram()
	if program == "" {
		missing(t, "Chromium (Debian: chromium)")
	}
	dir, err := newDir("chromium")
	must(t, "Chromium", err)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program),
		chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.Env("HOME="+dir, "TMPDIR="+dir),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		}),
	)
	timeout, cancelTimeout := context.WithTimeout(context.Background(), chromiumTime)
	allocator, cancelAllocator := chromedp.NewExecAllocator(timeout, options...)
	b := &browser{t: t}
	pid := 0
	t.Cleanup(func() { // after the windows' own clean-up
		cancelAllocator()
		cancelTimeout()
		if pid != 0 {
			_ = syscall.Kill(-pid, syscall.SIGKILL) // stragglers
		}
		if err := removeAll(dir); err != nil {
			t.Errorf("testbed: remove Chromium's folder: %v", err)
		}
	})
	ctx := b.open(allocator)
	pid = chromedp.FromContext(ctx).Browser.Process().Pid
	must(t, "Chromium", os.WriteFile(filepath.Join(dir, "pid"), fmt.Appendln(nil, pid), 0o600))
	return ctx
}

// NewWindow opens a window for another person: in the same browser, but with its
// own cookies and storage.
func NewWindow(ctx context.Context) context.Context {
	return browserOf(ctx).open(ctx, chromedp.WithNewBrowserContext())
}

// Screenshot writes what the window shows as NAME.png, below the test's name,
// into the folder GROUPMAIL_ARTEFACTS. Without that it does nothing.
func Screenshot(ctx context.Context, name string) {
	b := browserOf(ctx)
	b.t.Helper()
	folder := os.Getenv("GROUPMAIL_ARTEFACTS")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Errorf("testbed: screenshot %s: %v", name, err)
		return
	}
	file := filepath.Join(folder, filepath.FromSlash(b.t.Name()), name+".png")
	must(b.t, "screenshot", os.MkdirAll(filepath.Dir(file), 0o755))
	must(b.t, "screenshot", os.WriteFile(file, png, 0o644))
}

// ConsoleErrors returns, and forgets, what the pages of all windows of the test
// complained of: uncaught exceptions, console.error, and the browser's own
// errors, such as a resource that did not load or was against the
// content-security policy.
func ConsoleErrors(ctx context.Context) []string {
	b := browserOf(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	errs := b.errors
	b.errors = nil
	return errs
}

// browser is the state of one test's browser.
type browser struct {
	t       testing.TB
	mu      sync.Mutex
	errors  []string
	windows int
}

type browserKey struct{}

func browserOf(ctx context.Context) *browser { return ctx.Value(browserKey{}).(*browser) }

// open opens a window and listens to its console until the test ends.
func (b *browser) open(parent context.Context, options ...chromedp.ContextOption) context.Context {
	b.t.Helper()
	b.windows++
	window := fmt.Sprintf("failed-%d", b.windows)
	ctx, cancel := chromedp.NewContext(context.WithValue(parent, browserKey{}, b), options...)
	messages := chromedp.Console(ctx) // starts the browser
	var listener sync.WaitGroup
	listener.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			b.hear(m)
		}
	})
	b.t.Cleanup(func() {
		if b.t.Failed() {
			b.lastLook(ctx, window)
		}
		cancel()
		listener.Wait()
		for _, e := range ConsoleErrors(ctx) {
			b.t.Errorf("the browser's console: %s", e)
		}
	})
	must(b.t, "Chromium", chromedp.Do(ctx))
	return ctx
}

func (b *browser) hear(m chromedp.ConsoleMessage) {
	bad := []chromedp.ConsoleType{chromedp.ConsoleError, chromedp.ConsoleException, "assert"}
	if !slices.Contains(bad, m.Type) || strings.HasSuffix(m.URL, "/favicon.ico") { // which no page asked for
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errors = append(b.errors, fmt.Sprintf("%s (%s:%d)", m, m.URL, m.Line+1))
}

// lastLook is a screenshot of a window that may be gone.
func (b *browser) lastLook(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if ctx.Err() == nil {
		Screenshot(ctx, name)
	}
}

// chromiumProgram prefers the program itself to Debian's wrapper, which adds
// flags of the machine's owner.
func chromiumProgram() string {
	for _, program := range []string{"/usr/lib/chromium/chromium", "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(program); err == nil {
			return path
		}
	}
	return ""
}
