package testbed

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axeVersion is the release of axe-core that deploy/test fetches.
const axeVersion = "4.14.1"

// Axe loads axe-core into the page that the window shows, and returns what it finds against WCAG 2.2 A and
// AA and against its best practices: a line each, with the place and the cure.
func Axe(t testing.TB, ctx context.Context) []string { //nolint:revive // t comes first in this package
	t.Helper()
	cache, err := os.UserCacheDir()
	must(t, "axe-core", err)
	source, err := os.ReadFile(filepath.Join(cache, "groupmail", "axe-core-"+axeVersion, "axe.min.js"))
	if err != nil {
		missing(t, "axe-core "+axeVersion)
	}
	_, err = chromedp.Run(ctx, chromedp.Evaluate[any](string(source)+"\n;null"))
	must(t, "axe-core", err)
	found, err := chromedp.Run(ctx, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ['violations', 'incomplete']}).then(r => JSON.stringify({
		rules: r.passes.length + r.violations.length,
		found: r.violations.flatMap(v => v.nodes.map(n => v.id + ' at ' + n.target.join(' ') + ': ' + n.failureSummary))
			.concat(r.incomplete.filter(v => v.id != 'color-contrast').flatMap(v => v.nodes.map(n => 'perhaps ' + v.id + ' at ' + n.target.join(' ') + ': ' + n.failureSummary)))}))`,
		chromedp.EvalAwaitPromise))
	must(t, "axe-core", err)
	var report struct {
		Rules int
		Found []string
	}
	must(t, "axe-core", json.Unmarshal([]byte(found), &report))
	if report.Rules < 10 {
		t.Fatal("axe-core has looked at nothing")
	}
	return report.Found
}

// Shows sets the window's size in CSS pixels, and whether it is dark, or printed on paper.
func Shows(t testing.TB, ctx context.Context, width, height int64, dark bool, media string) { //nolint:revive // t comes first in this package
	t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	var phone []chromedp.EmulateViewportOption
	if width < 600 {
		phone = append(phone, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	must(t, fmt.Sprintf("a window of %d×%d", width, height), chromedp.Do(ctx, chromedp.EmulateViewport(width, height, phone...),
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Media: media, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			return err
		})))
}
