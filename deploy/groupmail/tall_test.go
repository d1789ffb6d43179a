package main
import ("testing";"time";"github.com/chromedp/chromedp";"groupmail/deploy/testbed")
func TestTall(t *testing.T) {
	b := testbed.Chromium(t)
	d := startDemo(t, DemoConfig{Listen: "127.0.0.1:0"})
	w := window{b, t}
	d.person("ann").card("Lamp arrived damaged (invoice 2231-7)")
	w.do(chromedp.EmulateViewport(1100, 2600), chromedp.Navigate(d.URL()+"/as/ann"))
	time.Sleep(time.Second)
	testbed.Screenshot(w, "tall")
}
