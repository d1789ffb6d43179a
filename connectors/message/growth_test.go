package message

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// hostile is a kind of mail that is made to be slow to read, of about n bytes. Beyond most a bound of
// Parse cuts it.
type hostile struct {
	area, name string
	most       int
	mail       func(n int) string
}

func hostileMails() (list []hostile) {
	const mb = 1 << 20
	fill := func(s string, n int) string { return strings.Repeat(s, max(n/len(s), 1)) }
	add := func(area, name string, most int, mail func(n int) string) {
		list = append(list, hostile{area, name, most, mail})
	}

	// One field as long as it is kept, and as many of them as are kept.
	for _, f := range []struct{ area, name, field, begin, unit string }{
		{"addresses", "quotes", "To", "", `\"`},
		{"addresses", "open quotes", "To", `"`, `\"a`},
		{"addresses", "closed quotes", "To", "", `"a" `},
		{"addresses", "comments", "To", "", "("},
		{"addresses", "closed comments", "To", "", "(a) "},
		{"addresses", "angles", "To", "", "<"},
		{"addresses", "closed angles", "To", "", "<a> "},
		{"addresses", "angles and commas", "To", "", "<a@b "},
		{"addresses", "forgotten commas", "To", "", "a <a@b.example> "},
		{"addresses", "at-signs", "To", "", "@ a@( "},
		{"addresses", "names before commas", "To", "", "a,"},
		{"addresses", "commas", "To", "", ","},
		{"addresses", "semicolons", "To", "", "a;"},
		{"addresses", "colons", "To", "", "a@:"},
		{"addresses", "groups", "To", "", "a:"},
		{"addresses", "bare", "To", "", "a@b.example "},
		{"addresses", "words", "To", "", "=?utf-8?q?a?= "},
		{"addresses", "words that hold addresses", "To", "", "=?utf-8?q?a_=3Ca=40b=3E?=,"},
		{"addresses", "odd words", "To", "", "=?utf-8?b?YQ?= "},
		{"addresses", "guessed words", "To", "", "=?utf-8?q?=e4_b?= x "},
		{"addresses", "open words", "To", "", "=?a?q?"},
		{"header", "word begins", "Subject", "", "=?"},
		{"header", "open words", "Subject", "", "=?utf-8?q?"},
		{"header", "question marks", "Subject", "=?utf-8?q?", "?="},
		{"header", "words", "Subject", "", "=?utf-8?q?a?= "},
		{"header", "base64 words", "Subject", "", "=?utf-8?b?YQ?= "},
		{"header", "tags", "Subject", "", "[#1"},
		{"header", "brackets", "Subject", "[", "re: "},
		{"header", "blanks", "Subject", "", " \u00a0"},
		{"header", "ids", "References", "", "<a@b"},
		{"header", "bare ids", "References", strings.Repeat("a", 50), " a@b"},
		{"header", "different ids", "References", "", "<%d@b>"},
		{"header", "dates", "Date", "", "Mon, "},
		{"header", "date comments", "Date", "", "("},
		{"header", "parameters", "Content-Type", "text/plain", ";a"},
		{"header", "continuations", "Content-Type", "text/plain", ";a*9*=b"},
		{"header", "open parameters", "Content-Type", "text/plain", `;a="`},
		{"header", "quoted parameters", "Content-Type", "text/plain", `;a="b" c`},
		{"header", "comments", "Content-Type", "text/plain", "("},
		{"header", "authentication", "Authentication-Results", "mx.team.example", "; dkim=pass ("},
		{"header", "spam", "X-Forefront-Antispam-Report", "", "SCL:"},
		{"header", "auto-response", "X-Auto-Response-Suppress", "", "a,"},
		{"header", "return path", "Return-Path", "", "<("},
		{"header", "list", "List-Post", "", "[a]("},
	} {
		value := func(n int) string {
			if !strings.Contains(f.unit, "%d") {
				return f.begin + fill(f.unit, n)
			}
			var b strings.Builder
			for i := 0; b.Len() < n; i++ {
				fmt.Fprintf(&b, f.unit, i)
			}
			return f.begin + b.String()
		}
		add(f.area, f.name, 60_000, func(n int) string { return f.field + ": " + value(n) + "\n\nx" })
		add(f.area, f.name+", many", mb, func(n int) string { return fill(f.field+": "+value(1000)+"\n", n) + "\nx" })
	}

	for _, b := range []struct{ area, name, head, unit, tail string }{
		{"header", "fields", "", "a:b\n", "\nx"},
		{"header", "folded lines", "Subject: a\n", " b\n", "\nx"},
		{"header", "strays", "From: a@x.example\n", "stray\n Subject: y\n", "\nx"},
		{"header", "carriage returns", "From: a@x.example\n", "\r", "\nx"},
		{"quotes", "attributions", "\n", "On 2026-03-02 at 10:00\n<a@b.example>\nhe\nwrote:\n", ""},
		{"quotes", "almost attributed", "\n", "On 2:\n", ""},
		{"quotes", "colon lines", "\n", "a:\n", ""},
		{"quotes", "label lines", "\n", "From: a\nb\nc\n", ""},
		{"quotes", "labels", "\n", "To: a\n", ""},
		{"quotes", "header below", "\nx\n", "\nFrom: a\nSent: b\n", ""},
		{"quotes", "rulers", "\n", "--- a ---\n", ""},
		{"quotes", "dashes", "\n", "-", ""},
		{"quotes", "dash lines", "\n", "---\n", ""},
		{"quotes", "long line", "\n", "On x wrote: ", ""},
		{"quotes", "stars", "\n", "**a:**\n", ""},
		{"quotes", "brackets", "\n", "[a](b):\n", ""},
		{"quotes", "open brackets", "\n", "[", ":\n"},
		{"quotes", "angles", "\n", ">", ""},
		{"quotes", "angle lines", "\n", ">>>>>\n", ""},
		{"quotes", "groupwise", "\n", ">>> a 2026 >>>\n", ""},
		{"quotes", "groupwise rulers", "\n", ">>> a 2026 >>>\n---\n", ""},
		{"quotes", "quoted and not", "\n", "> a\nb\n", ""},
		{"quotes", "a quote, empty lines", "\n> a\n", "\n", "b"},
		{"quotes", "colons over empty lines", "\n", "On 2026-03-02 10:00 wrote:\n\n", ""},
		{"quotes", "signatures", "\n", "-- \n", ""},
		{"quotes", "closings", "\n", "Regards\n", ""},
		{"quotes", "devices", "\n", "Sent from my phone\n", ""},
		{"quotes", "devices in a line", "\n", "phone ", ""},
		{"quotes", "disclaimer", "\n", "this message ", ""},
		{"quotes", "forwarded", "Subject: Fwd: a\n\n", "From: a\n", ""},
		{"quotes", "forwarded headers", "Subject: Fwd: a\n\n", "From: a\nTo: b\nDate: c\n", ""},
		{"quotes", "flowed", "Content-Type: text/plain; format=flowed\n\n", "> a \n", ""},
		{"quotes", "flowed stuffing", "Content-Type: text/plain; format=flowed\n\n", ">", ""},
		{"quotes", "enriched", "Content-Type: text/enriched\n\n", "<param>", ""},
		{"quotes", "enriched, open", "Content-Type: text/enriched\n\n", "<a", ""},
		{"quotes", "blanks", "\n", " \n", ""},
		{"quotes", "one word", "\n", "a", ""},

		{"html", "divs", "", "<div>a", ""},
		{"html", "closed divs", "", "<div>a</div>", ""},
		{"html", "paragraphs", "", "<p>a", ""},
		{"html", "breaks", "", "<br>", ""},
		{"html", "bold", "", "<b>", ""},
		{"html", "closed bold", "", "<b>a</b> ", ""},
		{"html", "ends", "", "</b>", ""},
		{"html", "ends inside", strings.Repeat("<i>", 99), "</b>", ""},
		{"html", "deep and many", strings.Repeat("<b>", 99), "<p>a</p>", ""},
		{"html", "links", "", "<a href=https://x.example/>www.y.example</a> ", ""},
		{"html", "links with entities", "", "<a href='https://x.example/?&lt'>a</a> ", ""},
		{"html", "one long link", "<a href='https://x.example/", "a", "'>x</a>"},
		{"html", "a link around all", "<a href=https://x.example/>", "<p>a</p>", "</a>"},
		{"html", "cells", "<table><tr>", "<td>a", ""},
		{"html", "table cells", "", "<table><td>", ""},
		{"html", "rows", "<table>", "<tr><td>a", ""},
		{"html", "heads", "<table>", "<tr><th>a<th>b", ""},
		{"html", "headed rows", "<table><tr><th>a", "<tr><td>a<td>", ""},
		{"html", "rows after text", "<table><caption>" + strings.Repeat("a<br>", 1000) + "</caption>", "<tr><td>a<td>b", ""},
		{"html", "rows after sections", "<table>", "<tbody></tbody><tr><td>a<td>b<td>", ""},
		{"html", "tables", "", "<table><tr><td>a", ""},
		{"html", "spans", "<table>", "<tr><th colspan=99 rowspan=99>a<th>b", ""},
		{"html", "items", "", "<ul><li>a", ""},
		{"html", "closed items", "", "<ul><li>a</li></ul>", ""},
		{"html", "flat items", "<ol>", "<li>a", ""},
		{"html", "definitions", "<dl>", "<dt>a<dd>b", ""},
		{"html", "quotes", "", "<blockquote>a</blockquote>", ""},
		{"html", "deep quotes", "", "<blockquote>a", ""},
		{"html", "marked quotes", "", "<div class=protonmail_quote>a</div>", ""},
		{"html", "marked and empty", "", "<div class=protonmail_quote></div>", ""},
		{"html", "marked and empty, differently", "", "<div class=protonmail_quote></div><div class=gmail_signature></div><div class=gmail_attr></div>", "a"},
		{"html", "marked rulers", "", "<hr id=zwchr>", ""},
		{"html", "marked and open", "", "<div class=protonmail_quote>a", ""},
		{"html", "attributions", "", "<div class=gmail_attr>a</div>", ""},
		{"html", "rests", "", "<div id=divRplyFwdMsg>a</div>", ""},
		{"html", "signatures", "a", "<div class=gmail_signature>a</div>", ""},
		{"html", "entities", "", "&amp;&lt;&#120;", ""},
		{"html", "ampersands", "", "&", ""},
		{"html", "open entities", "", "&#", ""},
		{"html", "long entity", "&", "a", ""},
		{"html", "attributes", "<p ", "a=b ", ">"},
		{"html", "kept attributes", "<p ", "style=b ", ">"},
		{"html", "open attributes", "<p ", "a='b", ""},
		{"html", "open quotes", "", "<p a='", ""},
		{"html", "slashes", "<p ", "/", ">"},
		{"html", "styles", "", "<p style='a:b;c:none;'>", ""},
		{"html", "one style", "<p style='", "a:none;", "'>"},
		{"html", "one class", "<div class='", "a ", "'>"},
		{"html", "comments", "", "<!--", ""},
		{"html", "dashes", "<!--", "-", ""},
		{"html", "dashes and marks", "<!--", "--!", ""},
		{"html", "closed comments", "", "<!---->", ""},
		{"html", "declarations", "", "<!a", ""},
		{"html", "open tags", "", "<a", ""},
		{"html", "angles", "", "<", ""},
		{"html", "closing angles", "", ">", ""},
		{"html", "end begins", "", "</", ""},
		{"html", "hidden", "", "<p hidden>", ""},
		{"html", "hidden and shown", "", "<p hidden>a</p>b", ""},
		{"html", "scripts", "", "<script>", ""},
		{"html", "scripts, commented", "<script>", "<!--<script>", ""},
		{"html", "script ends", "<script>", "</script", ""},
		{"html", "styles of head", "", "<style>a</style>", ""},
		{"html", "titles", "", "<title>a</title>", ""},
		{"html", "dropped", "", "<svg>", ""},
		{"html", "plaintext", "<plaintext>", "<", ""},
		{"html", "markdown", "", "*_`[(#", ""},
		{"html", "headings", "", "<h1>a</h1>", ""},
		{"html", "pre", "", "<pre>`\n</pre>", ""},
		{"html", "pre lines", "<pre>", "a\n", ""},
		{"html", "one word", "", "a", ""},
		{"html", "blanks", "", " \u00a0", ""},
		{"html", "fillers", "", "\u200c\u00a0", ""},
		{"html", "letters", "", "ä", ""},
		{"html", "meta", "", "<meta charset=", ""},
		{"html", "images", "", "<img src=cid:a alt=b>", ""},
		{"html", "colons", "", ":", ""},

		{"charset", "latin", "\n", "Gr\xfc\xdfe ", ""},
		{"charset", "binary", "\n", "\x81\xfe\x00\xff\x9d", ""},
		{"charset", "jis", "\n", "\x1b$B8f\x1b(B", ""},
		{"charset", "escapes", "\n", "\x1b", ""},
		{"charset", "utf-7", "Content-Type: text/plain; charset=utf-7\n\n", "+AAAA-", ""},
		{"charset", "open utf-7", "Content-Type: text/plain; charset=utf-7\n\n", "+", ""},
		{"charset", "surrogates", "\n", "\xed\xa0\x80", ""},
		{"charset", "joined surrogates", "\n", "\xed\xa0\xbd\xed\xb8\x80", ""},
		{"charset", "gb18030", "Content-Type: text/plain; charset=gbk\n\n", "\x81\x30", ""},
		{"charset", "hz", "Content-Type: text/plain; charset=hz\n\n", "~{", ""},
		{"charset", "utf-16", "Content-Type: text/plain; charset=utf-16\n\n", "\xd8\x00", ""},
		{"charset", "quoted-printable", "Content-Transfer-Encoding: quoted-printable\n\n", "=", ""},
		{"charset", "soft breaks", "Content-Transfer-Encoding: quoted-printable\n\n", "=\r", ""},
		{"charset", "base64 padding", "Content-Transfer-Encoding: base64\n\nYQ==\n", "=", ""},
		{"charset", "base64 lines", "Content-Transfer-Encoding: base64\n\n", "YQ==\n", ""},
		{"charset", "base64 footer", "Content-Transfer-Encoding: base64\n\nYWFh" + strings.Repeat("YWFh", 600) + "YQ==\n", "YWFh", ""},

		{"parts", "uuencode", "\n", "begin 644 a\nM\n", ""},
		{"parts", "uuencode files", "\n", "begin 644 a\n#86)C\nend\n", ""},
		{"parts", "boundary lines", "Content-Type: multipart/mixed; boundary=b\n\n", "--c\n", ""},
		{"parts", "parts", "Content-Type: multipart/mixed; boundary=b\n\n", "--b\nContent-Type: image/png\n\nx\n", ""},
		{"parts", "texts", "Content-Type: multipart/mixed; boundary=b\n\n", "--b\n\nx\n", ""},
		{"parts", "ended", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n", "--b--\n", ""},
		{"parts", "nested", "Content-Type: multipart/mixed; boundary=b\n\n", "--b\nContent-Type: multipart/mixed; boundary=b\n\n", ""},
		{"parts", "nested, different", "Content-Type: multipart/mixed; boundary=b%d\n\n", "--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n", ""},
		{"parts", "alternatives", "Content-Type: multipart/alternative; boundary=b\n\n", "--b\n\nx\n--b\nContent-Type: text/html\n\n<p>x\n", ""},
		{"parts", "mixed alternatives", "Content-Type: multipart/mixed; boundary=b\n\n", "--b\n\nx\n--b\nContent-Type: text/html\n\n<p>x\n", ""},
		{"parts", "contained", "Content-Type: multipart/mixed; boundary=b\n\n", "--b\nContent-Type: message/rfc822\n\nSubject: a\n\nx\n", ""},
		{"parts", "contained in each other", "", "Content-Type: message/rfc822\n\n", ""},
		{"parts", "names", "Content-Type: multipart/mixed; boundary=b\n\n", "--b\nContent-Type: image/png; name=" + strings.Repeat("; x", 3000) + "\n\nx\n", ""},
		{"parts", "content ids", "Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n", "<img src=cid:a>", "\n" + strings.Repeat("--b\nContent-Type: image/png\nContent-ID: <z>\n\nx\n", 900)},
		{"parts", "part header", "Content-Type: multipart/mixed; boundary=b\n\n--b\n", "a: b\n", ""},
		{"parts", "preamble", "Content-Type: multipart/mixed; boundary=b\n\n", "--x\nfoo: bar\n", ""},

		{"reports", "bounce", "From: mailer-daemon@x.example\nSubject: Undelivered mail\n\n", "<a@b>: 550 5.1.1 \n", ""},
		{"reports", "bounce words", "From: mailer-daemon@x.example\nSubject: Undelivered mail\n\n", "recipient address ", ""},
		{"reports", "bounce html", "From: mailer-daemon@x.example\nSubject: Undelivered mail\nContent-Type: text/html\n\n", "<p>a@b.example ", ""},
		{"reports", "recipients", "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nx\n--b\nContent-Type: message/delivery-status\n\n", "Action: failed\n\n", ""},
		{"reports", "invitation", "Content-Type: text/calendar\n\nBEGIN:VEVENT\n", "ATTENDEE;CN=\"a;b\":mailto:a@x.example\n", ""},
		{"reports", "events", "Content-Type: text/calendar\n\n", "BEGIN:VEVENT\nSUMMARY:a\n", ""},
		{"reports", "folded invitation", "Content-Type: text/calendar\n\nBEGIN:VEVENT\nSUMMARY:", "\n a", ""},
	} {
		add(b.area, b.name, mb, func(n int) string {
			head := "From: a@x.example\n"
			if strings.HasPrefix(b.head, "From:") {
				head = ""
			}
			if b.area == "html" {
				head += "Content-Type: text/html\n\n"
			}
			if !strings.Contains(b.unit, "%d") {
				return head + b.head + fill(b.unit, n) + b.tail
			}
			var s strings.Builder
			s.WriteString(head + fmt.Sprintf(b.head, 0))
			for i := 0; s.Len() < n; i++ {
				fmt.Fprintf(&s, b.unit, i, i+1)
			}
			return s.String()
		})
	}
	return list
}

func (h hostile) parse(n int) func() {
	m := []byte(h.mail(n))
	return func() { Inspect(bytes.NewReader(m), Options{Trusted: []string{"mx.team.example"}}) }
}

// TestGrowth compares what is allocated for a mail and for one four times as long: what grows by the
// square is sixteen times as much. BenchmarkGrowth shows the same of the time.
func TestGrowth(t *testing.T) {
	for _, h := range hostileMails() {
		n := min(h.most, 1<<16)
		t.Run(h.area+"/"+h.name, func(t *testing.T) {
			h.parse(n / 16)() // what is made once
			small, big := allocated(h.parse(n/4)), allocated(h.parse(n))
			if big > 8*small+1<<20 {
				t.Errorf("%d bytes are allocated for %d, but %d for %d", small, n/4, big, n)
			}
		})
	}
}

// allocated tells how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// BenchmarkGrowth tells, for each area, how much more a byte costs in a mail than in one of a quarter of
// the length, in the kind where that is most, and lists all kinds, the worst first (go test shows ten
// lines, all with -v). What grows is measured again, so that other work of the machine does not count.
func BenchmarkGrowth(b *testing.B) {
	const harmless = 20 * time.Millisecond // whatever it has grown from: Parse has a bound there
	areas := map[string][]hostile{}
	for _, h := range hostileMails() {
		areas[h.area] = append(areas[h.area], h)
	}
	for _, area := range slices.Sorted(maps.Keys(areas)) {
		b.Run(area, func(b *testing.B) {
			for b.Loop() {
				worst := 0.0
				var table []string // begin with the growth
				for _, h := range areas[area] {
					parseQuarter, parseAll := h.parse(h.most/4), h.parse(h.most)
					quarter, all := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
					growth := 0.0
					for range 5 {
						quarter, all = min(quarter, took(parseQuarter)), min(all, took(parseAll))
						if growth = float64(all) / float64(quarter) / 4; growth < 1.5 {
							break
						}
					}
					if all > harmless {
						worst = max(worst, growth)
					}
					table = append(table, fmt.Sprintf("× %6.2f: %6.1f ns/byte of %7d, %6.1f of %7d, %s", growth, float64(quarter)/float64(h.most/4), h.most/4, float64(all)/float64(h.most), h.most, h.name))
				}
				slices.Sort(table)
				slices.Reverse(table)
				b.Log("\n" + strings.Join(table, "\n"))
				b.ReportMetric(worst, "growth")
			}
		})
	}
}

func took(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}
