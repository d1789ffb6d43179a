package wiki

import (
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"golang.org/x/net/html"

	"groupmail/ticketing"
)

func find(known map[string]string) func([]string) (map[string]string, error) {
	return func([]string) (map[string]string, error) { return known, nil }
}

func TestMarkdown(t *testing.T) {
	known := find(map[string]string{"Boiler": "/wiki/help/page/boiler", "a<b": "/x"})
	for source, want := range map[string]string{
		"plain *words* **strong**":     "<p>plain <em>words</em> <strong>strong</strong></p>\n",
		"# One\n### Two\n### Three":    "<h2>One</h2>\n<h3>Two</h3>\n<h3>Three</h3>\n",
		"### Note":                     "<h2>Note</h2>\n",
		"[[Boiler]] [[None]]":          `<p><a href="/wiki/help/page/boiler">Boiler</a> <span class="missing" title="There is no such page yet">None</span></p>` + "\n",
		"[[Boiler|the cellar]]":        `<p><a href="/wiki/help/page/boiler">the cellar</a></p>` + "\n",
		"[[a<b]] [[]] [[x":             `<p><a href="/x">a&lt;b</a> [[]] [[x</p>` + "\n",
		"`[[Boiler]]`":                 "<p><code>[[Boiler]]</code></p>\n",
		"- [x] done\n- [ ] not":        "<ul>\n<li><span class=\"task\" role=\"img\" aria-label=\"done\">☑</span> done</li>\n<li><span class=\"task\" role=\"img\" aria-label=\"to do\">☐</span> not</li>\n</ul>\n",
		"|a|b|\n|-|:-:|\n|1|2|":        "<table>\n<thead>\n<tr>\n<th>a</th>\n<th align=\"center\">b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>1</td>\n<td align=\"center\">2</td>\n</tr>\n</tbody>\n</table>\n",
		"https://example.org/x":        `<p><a href="https://example.org/x" rel="nofollow noreferrer">https://example.org/x</a></p>` + "\n",
		"![me](https://e.example/p)":   `<p><a href="https://e.example/p" rel="nofollow noreferrer">me (picture)</a></p>` + "\n",
		"<b>x</b> <!-- gone? -->":      "<p>&lt;b&gt;x&lt;/b&gt; &lt;!-- gone? --&gt;</p>\n",
		"<!-- open\n\n### Next note":   "<p>&lt;!-- open</p>\n<h2>Next note</h2>\n",
		"<script>alert(1)</script>":    "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n",
		"[x](javascript:alert(1))":     "<p>x</p>\n",
		"[x](data:text/html,1)":        "<p>x</p>\n",
		`[x](https://a.example "t\"")`: "<p><a href=\"https://a.example\" title=\"t&#34;\" rel=\"nofollow noreferrer\">x</a></p>\n",
		"~~old~~":                      "<p><del>old</del></p>\n",
	} {
		got, err := rendered(source, 2, known)
		if err != nil || string(got) != want {
			t.Errorf("%q:\n%q, want\n%q, %v", source, got, want, err)
		}
	}
}

// Whatever is written, what comes out holds no script, no style, nothing that loads, and no words are lost.
func TestHostileMarkdown(t *testing.T) {
	pieces := []string{"<script>", "</script>", "<img src=x onerror=alert(1)>", "[", "](", ")", "javascript:", "![", "[[", "]]", "|", "`", "```\n", "*", "_", "<", ">",
		"\"", "'", "&", "&#x6a;", "\n", "\n\n", "- [ ] ", "# ", "> ", "word", "onload=", "<style>", "<svg/onload=x>", "<!--", "data:", "https://x.example/", "\x00", "\u202e", "\\"}
	allowed := map[string]bool{"href": true, "title": true, "rel": true, "class": true, "role": true, "aria-label": true, "align": true, "start": true}
	elements := map[string]bool{}
	for _, e := range strings.Fields("p br hr h2 h3 h4 h5 h6 em strong del code pre blockquote ul ol li table thead tbody tr th td a span") {
		elements[e] = true
	}
	rapid.Check(t, func(rt *rapid.T) {
		source := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 30).Draw(rt, "source"), "")
		out, err := rendered(source, 2, find(map[string]string{"word": "/wiki/help/page/word"}))
		if err != nil {
			rt.Fatal(err)
		}
		z := html.NewTokenizer(strings.NewReader(string(out)))
		words := ""
		for z.Next() != html.ErrorToken {
			tok := z.Token()
			if tok.Type == html.TextToken {
				words += tok.Data
				continue
			}
			if !elements[tok.Data] {
				rt.Fatalf("%q: <%s> in %q", source, tok.Data, out)
			}
			for _, a := range tok.Attr {
				if !allowed[a.Key] || a.Key == "href" && !strings.HasPrefix(a.Val, "http") && !strings.HasPrefix(a.Val, "/wiki/") && strings.Contains(a.Val, ":") && !strings.HasPrefix(a.Val, "mailto:") {
					rt.Fatalf("%q: %s=%q in %q", source, a.Key, a.Val, out)
				}
			}
		}
		if strings.Count(source, "word") > 0 && !strings.Contains(string(out), "word") {
			rt.Fatalf("%q: lost words in %q", source, out)
		}
	})
}

func TestMailHTML(t *testing.T) {
	for source, want := range map[string]string{
		`<p onclick="x">Hi <b>there</b></p>`:                    "<p>Hi <b>there</b></p>",
		`<script>alert(1)</script>x`:                            "x",
		`<a href="javascript:x">x</a>`:                          "x",
		`<a href="https://a.example" target="_top">x</a>`:       `<a href="https://a.example" rel="nofollow noreferrer">x</a>`,
		`<p style="position:fixed" id="main" class="top">x</p>`: "<p>x</p>",
		`<form action="/wiki/-/signout"><button>x</button>`:     "x",
		`<h1>Big</h1>`: "<p><strong>Big</strong></p>",
		`<svg><style><img src=x onerror=alert(1)></style></svg>`: "",
		`<table><tr><td colspan="2">x</td></tr></table>`:         `<table><tr><td colspan="2">x</td></tr></table>`,
	} {
		if got, _ := formatted(source); string(got) != want {
			t.Errorf("%q: %q, want %q", source, got, want)
		}
	}
	got, pictures := formatted(`<p>x<img src="https://t.example/1.gif"><IMG SRC=cid:1 alt=a></p>`)
	if strings.Contains(strings.ToLower(string(got)), "img") || pictures != 2 {
		t.Errorf("%q, %d", got, pictures)
	}
}

func TestLinked(t *testing.T) {
	for plain, want := range map[string]string{
		"see https://a.example/x?a=1&b=2. Bye": `see <a href="https://a.example/x?a=1&amp;b=2" rel="nofollow noreferrer noopener">https://a.example/x?a=1&amp;b=2</a>. Bye`,
		`<b> "x" http://`:                      `&lt;b&gt; &#34;x&#34; http://`,
		`https://a.example/"onload="x`:         `<a href="https://a.example/" rel="nofollow noreferrer noopener">https://a.example/</a>&#34;onload=&#34;x`,
		"https://...":                          "https://...",
	} {
		if got := linked(plain); string(got) != want {
			t.Errorf("%q: %s, want %s", plain, got, want)
		}
	}
}

func TestChanges(t *testing.T) {
	if got := changes("same", "same"); got != nil {
		t.Errorf("%+v", got)
	}
	got := ""
	for _, h := range changes("one\ntwo\nthree", "one\n2\nthree\nfour") {
		for _, l := range h.Lines {
			got += map[bool]string{true: "+"}[l.Added] + map[bool]string{true: "-"}[l.Gone] + l.Text + ";"
		}
	}
	if want := "one;-two;+2;three;+four;"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, c := range [][2]string{{"", "x"}, {"x", ""}, {"x\n", "x"}, {strings.Repeat("a\n", 50_000), strings.Repeat("b\n", 50_000)}} {
		changes(c[0], c[1])
	}
	rapid.Check(t, func(rt *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "", "ü", "c d"}), 0, 12)
		before, after := strings.Join(lines.Draw(rt, "before"), "\n"), strings.Join(lines.Draw(rt, "after"), "\n")
		added, gone := 0, 0
		for _, h := range changes(before, after) {
			for _, l := range h.Lines {
				if l.Added {
					added++
				}
				if l.Gone {
					gone++
				}
			}
		}
		count := func(s string) int {
			if s == "" {
				return 0
			}
			return strings.Count(strings.TrimSuffix(s, "\n"), "\n") + 1
		}
		if added-gone != count(after)-count(before) {
			rt.Errorf("%q to %q: %d added, %d gone", before, after, added, gone)
		}
	})
}

// What comes from outside is data on every page.
func TestHostileNames(t *testing.T) {
	onBoth(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>`
		m := ann
		m.Name = evil
		o.ok(o.desk.SetPresent(ctx, "x/help", []ticketing.Member{m, ben}))
		p, err := o.desk.NewPage(ctx, by(m, "help"), evil+" {{.}} %s", evil, evil)
		o.ok(err)
		_, err = o.desk.AppendNote(ctx, by(m, "help"), p.ID, evil)
		o.ok(err)
		o.files[evil] = "x"
		c := o.arrives("help", ticketing.Mail{From: ticketing.Address{Name: evil, Addr: `"<b>"@b.example`}, Subject: evil + "\u202e", Text: evil + "\n\nOn x wrote:\n> " + evil, HTML: evil,
			Attachments: []ticketing.Attachment{{Name: evil, Type: evil, Size: 1}, {Name: "../../etc/passwd\r\nX: y\u202egpj.exe", Type: "text/html"}}, Fault: evil})
		who, err := o.desk.AddContact(ctx, by(m, "help"), ticketing.ContactInput{Name: evil, Organisation: evil, Numbers: []string{evil}}, c.ID)
		o.ok(err)
		_, err = o.desk.Close(ctx, by(m, "help"), c.ID, evil)
		o.ok(err)
		v := o.visitor(m, "help")
		for _, path := range []string{
			to("help", ""), to("help", "pages"), to("help", "contacts"), to("help", "contacts") + "?like=%22%3E%3Cscript%3E", to("help", "tickets") + "?which=all", to("help", "todos"), to("help", "page", p.Slug),
			to("help", "page", p.Slug, "history"), to("help", "page", p.Slug, "revision", "2"), to("help", "contact", number(int64(who.ID))), to("help", "conversation", number(int64(c.ID))),
		} {
			r, body := v.ask("GET", path)
			if r.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", path, r.Status)
			}
			hasNot(t, body, "<script", "<img", `onerror="`)
			if csp := r.Header.Get("Content-Security-Policy"); csp != policy {
				t.Error(csp)
			}
		}
		for _, c := range []struct{ path, name, kind string }{
			{to("help", "file", number(int64(c.First)), "0", evil), evil, "application/octet-stream"},
		} {
			r, body := v.ask("GET", c.path)
			if r.StatusCode != http.StatusOK || body != "x" {
				t.Errorf("%s %q", r.Status, body)
			}
			h := r.Header
			kind, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
			if kind != "attachment" || err != nil || strings.ContainsAny(params["filename"], `/\"<>`) {
				t.Errorf("%q: %v", h.Get("Content-Disposition"), err)
			}
			if h.Get("Content-Type") != c.kind || h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "sandbox;") {
				t.Errorf("%v", h)
			}
		}
		v.status(to("help", "file", number(int64(c.First)), "1", "passwd"), http.StatusNotFound) // not kept
		v.status(to("help", "file", number(int64(c.First)), "2", "x"), http.StatusNotFound)
		v.status(to("help", "file", number(int64(c.First)), "-1", "x"), http.StatusNotFound)
		v.status(to("help", "file", "99", "0", "x"), http.StatusNotFound)
	})
}

func TestDisposition(t *testing.T) {
	for name, want := range map[string]string{
		"plan.pdf":                 "plan.pdf",
		"../../etc/passwd":         ".._.._etc_passwd",
		"a\r\nSet-Cookie: x.pdf":   "a Set-Cookie_ x.pdf",
		"invoice\u202egpj.exe":     "invoicegpj.exe",
		"Übersicht für Müller.pdf": "Übersicht für Müller.pdf",
		`a"b;c.txt`:                "a_b;c.txt",
		"":                         "file",
		strings.Repeat("x", 1000):  strings.Repeat("x", 149) + "…",
	} {
		kind, params, err := mime.ParseMediaType(disposition(name))
		if kind != "attachment" || params["filename"] != want || err != nil {
			t.Errorf("%q: %q, want %q, %v", name, params["filename"], want, err)
		}
	}
}

// A page that did not change is not sent again.
func TestNotModified(t *testing.T) {
	o := lite(t)
	p := o.page(ann, "help", "Boiler", "text")
	o.files["x.txt"] = "x"
	c := o.arrives("help", ticketing.Mail{From: ticketing.Address{Addr: "a@b.example"}, Subject: "s", Text: "t", Attachments: []ticketing.Attachment{{Name: "x.txt", Type: "text/plain", Size: 1, SHA256: "abc"}}})
	v := o.visitor(ann, "help")
	for _, path := range []string{to("help", ""), to("help", "page", "boiler"), to("help", "file", number(int64(c.First)), "0", "x.txt"), own + "style.css", own + "icon.svg"} {
		r, _ := v.ask("GET", path)
		tag := r.Header.Get("ETag")
		if r.StatusCode != http.StatusOK || tag == "" {
			t.Errorf("%s: %s %q", path, r.Status, tag)
		}
		if r, body := v.ask("GET", path, "If-None-Match", tag); r.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("%s: %s", path, r.Status)
		}
		if r, _ := o.stranger().ask("GET", path, "If-None-Match", tag); r.StatusCode == http.StatusNotModified && !strings.HasPrefix(path, own) {
			t.Errorf("%s: a stranger learns that it is so", path)
		}
	}
	r, _ := v.ask("GET", to("help", "page", "boiler"))
	_, err := o.desk.EditPage(t.Context(), by(ann, "help"), p.ID, 1, "Boiler", "changed", "")
	o.ok(err)
	if r, _ := v.ask("GET", to("help", "page", "boiler"), "If-None-Match", r.Header.Get("ETag")); r.StatusCode != http.StatusOK {
		t.Error(r.Status)
	}
}

func TestPagesAndTheirHistory(t *testing.T) {
	onBoth(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		p := o.page(ann, "help", "Boiler room", "The key: see [[Opening hours]]\n\n[[Nowhere]]")
		o.page(ann, "help", "Opening hours", "9 to 17")
		o.page(eve, "shop", "Nowhere", "is the shop's")
		o.pass(time.Hour)
		_, err := o.desk.EditPage(ctx, by(ben, "help"), p.ID, 1, "Cellar", "The key: under the mat\n\n[[Nowhere]]", "it moved")
		o.ok(err)
		v := o.visitor(ann, "help")
		has(t, v.reads(to("help", "page", "boiler-room")), "<h1>Cellar</h1>", "under the mat", `<span class="missing"`, `<time datetime="2026-03-02T10:00:00Z">2 Mar 2026, 10:00</time> by Ben`)
		has(t, v.reads(to("help", "page", "boiler-room", "history")), "Revision 2", "Revision 1", "by Ben", "it moved")
		body := v.reads(to("help", "page", "boiler-room", "revision", "2"))
		has(t, body, "taken away: </span></span>The key: see [[Opening hours]]</del>", "added: </span></span>The key: under the mat</ins>", "<del>Boiler room</del> <ins>Cellar</ins>")
		has(t, v.reads(to("help", "page", "boiler-room", "revision", "1")), `<a href="/wiki/help/page/opening-hours">Opening hours</a>`)
		v.status(to("help", "page", "boiler-room", "revision", "3"), http.StatusNotFound)
		v.status(to("help", "page", "nowhere"), http.StatusNotFound)
		for i := range 2*atOnce - 2 {
			o.pass(time.Minute)
			o.page(ann, "help", fmt.Sprintf("Page %02d", i), "")
		}
		seen, path := map[string]bool{}, to("help", "pages")
		for range 3 {
			body := v.reads(path)
			for _, line := range strings.Split(body, `class="what" href="`)[1:] {
				href, _, _ := strings.Cut(line, `"`)
				if seen[href] {
					t.Errorf("%s twice", href)
				}
				seen[href] = true
			}
			_, rest, more := strings.Cut(body, `rel="next" href="`)
			if !more {
				break
			}
			path, _, _ = strings.Cut(strings.ReplaceAll(rest, "&amp;", "&"), `"`)
		}
		if len(seen) != 2*atOnce {
			t.Errorf("%d pages listed, want %d", len(seen), 2*atOnce)
		}
	})
}

// The page of a contact: case notes, and beside them all mail and tickets, in pieces.
func TestContactPage(t *testing.T) {
	onBoth(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		maria := ticketing.Address{Name: "Maria", Addr: "maria@example.net"}
		first := o.arrives("help", ticketing.Mail{From: maria, Subject: "Heating broken", MessageID: "m0@x", Text: "cold",
			Attachments: []ticketing.Attachment{{Name: "photo.jpg", Type: "image/jpeg", Size: 123_456}, {Name: "run.exe", Type: "application/x-msdownload", Size: 5}}})
		who, err := o.desk.AddContact(ctx, by(ann, "help"), ticketing.ContactInput{Name: "Maria Kovács", Organisation: "Kovács Ltd", Addresses: []string{maria.Addr}, Phones: []string{"+43 1 234567"}}, first.ID)
		o.ok(err)
		for i := range atOnce + 5 {
			o.pass(time.Minute)
			o.arrives("help", ticketing.Mail{From: maria, Subject: fmt.Sprintf("Mail %02d", i), MessageID: fmt.Sprintf("m%d@y", i), Text: "x"})
		}
		o.arrives("help", ticketing.Mail{From: ticketing.Address{Addr: "other@example.net"}, Subject: "Of another", Text: "x"})
		_, err = o.desk.NoteContact(ctx, by(ann, "help"), who.ID, "phoned: *she* waits")
		o.ok(err)
		_, err = o.desk.Take(ctx, by(ann, "help"), first.ID)
		o.ok(err)
		for i, text := range []string{"Call <her>", "Plan a visit"} {
			_, err = o.desk.AddTodo(ctx, by(ann, "help"), ticketing.TodoInput{Text: text, Owner: ann.ID, Contact: who.ID, Conversation: first.ID, Due: o.now().Add(time.Duration(i+1) * time.Hour)})
			o.ok(err)
		}
		o.pass(90 * time.Minute)
		closed, err := o.desk.Close(ctx, by(ann, "help"), first.ID, "phoned")
		o.ok(err)
		v := o.visitor(ann, "help")
		path := to("help", "contact", number(int64(who.ID)))
		body := v.reads(path)
		has(t, body, "<h1>Maria Kovács</h1>", "Kovács Ltd", "<em>she</em> waits", "Mail 34", "Older mail", "Call &lt;her&gt;", "▲ was due</strong> <time", "Plan a visit", "due <time", ">#1</a>")
		hasNot(t, body, "Of another", "Newest mail")
		_, rest, _ := strings.Cut(body, `rel="next" href="`)
		next, _, _ := strings.Cut(rest, `"`)
		older := v.reads(next)
		has(t, older, "Heating broken", "photo.jpg", "123 KB", "⚠ may carry a program", fmt.Sprintf("#%d", closed.Number), "closed: phoned", "Newest mail")
		hasNot(t, older, "Older mail")
		listed := strings.Count(body, "#mail-") + strings.Count(older, "#mail-")
		if listed != atOnce+6 {
			t.Errorf("%d mails, want %d", listed, atOnce+6)
		}
		f, err := o.desk.ContactFile(ctx, "help", "", who.ID, 0, 1)
		o.ok(err)
		r, _ := v.ask("GET", to("help", "page", f.Notes[0].Slug))
		if r.Header.Get("Location") != path {
			t.Error(r.Header)
		}
		has(t, v.reads(to("help", "contacts")), "Maria Kovács", "Kovács Ltd", "maria@example.net")
		has(t, v.reads(to("help", "contacts")+"?like=kov"), "Maria Kovács")
		hasNot(t, v.reads(to("help", "contacts")+"?like=peter"), "Maria Kovács")
		v.status(to("help", "contact", "77"), http.StatusNotFound)
		v.status(to("help", "contact", "x"), http.StatusNotFound)
		has(t, v.reads(to("help", "tickets")+"?which=closed"), "Heating broken", "closed: phoned")
		hasNot(t, v.reads(to("help", "tickets")), "Heating broken")
		v.status(to("help", "tickets")+"?which=x", http.StatusNotFound)
	})
}

// Lists of tickets and to-dos: everybody's, one's own, those that are over, of everybody or of one contact, in pieces.
func TestLists(t *testing.T) {
	onBoth(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		contact := func(name, addr string) (ticketing.ContactID, ticketing.ConversationID) {
			c := o.arrives("help", ticketing.Mail{From: ticketing.Address{Addr: addr}, Subject: "Of " + name, MessageID: name + "@x", Text: "x"})
			who, err := o.desk.AddContact(ctx, by(ann, "help"), ticketing.ContactInput{Name: name, Addresses: []string{addr}}, c.ID)
			o.ok(err)
			return who.ID, c.ID
		}
		maria, first := contact("Maria <b>", "maria@example.net")
		peter, second := contact("Peter", "peter@example.net")
		mary, _ := contact("Mary", "mary@example.net")
		_, err := o.desk.MergeContacts(ctx, by(ann, "help"), mary, maria)
		o.ok(err)
		_, err = o.desk.Take(ctx, by(ann, "help"), first)
		o.ok(err)
		_, err = o.desk.Take(ctx, by(ben, "help"), second)
		o.ok(err)
		todo := func(text string, owner ticketing.Member, in ticketing.TodoInput, done bool) {
			t.Helper()
			in.Text, in.Owner = text, owner.ID
			one, err := o.desk.AddTodo(ctx, by(ann, "help"), in)
			o.ok(err)
			if done {
				_, err = o.desk.DoneTodo(ctx, by(ben, "help"), one.ID)
				o.ok(err)
				o.pass(time.Minute)
			}
		}
		for i := range atOnce + 3 {
			todo(fmt.Sprintf("Old %02d", i), ben, ticketing.TodoInput{Contact: peter}, true)
		}
		for i := range atOnce + 3 {
			in := ticketing.TodoInput{Contact: peter}
			if i%2 == 0 {
				in.Due = o.now().Add(time.Duration(i+1) * time.Minute)
			}
			todo(fmt.Sprintf("Next %02d", i), ben, in, false)
		}
		todo("Call <i>her</i>", ann, ticketing.TodoInput{Conversation: first, Contact: maria, Due: o.now().Add(time.Hour)}, false)
		bare := o.arrives("help", ticketing.Mail{From: ticketing.Address{Addr: "bare@example.net"}, MessageID: "bare@x", Text: "x"})
		todo("Of what is bare", ann, ticketing.TodoInput{Conversation: bare.ID}, false)
		todo("Called Mary", ann, ticketing.TodoInput{Contact: mary}, true)
		o.pass(2 * time.Hour)
		v := o.visitor(ann, "help")
		todos, tickets := to("help", "todos"), to("help", "tickets")
		// all follows a list to its end.
		all := func(path string) (body string) {
			t.Helper()
			for range 5 {
				page := v.reads(path)
				body += page
				_, rest, more := strings.Cut(page, `rel="next" href="`)
				if !more {
					return body
				}
				path, _, _ = strings.Cut(strings.ReplaceAll(rest, "&amp;", "&"), `"`)
			}
			t.Fatal("no end of " + path)
			return ""
		}
		items := func(body, what string) (found []string) {
			for _, part := range strings.Split(body, "<div>"+what)[1:] {
				word, _, _ := strings.Cut(part, "<")
				found = append(found, word)
			}
			return found
		}

		open := all(todos)
		has(t, open, "Call &lt;i&gt;her&lt;/i&gt;", "▲ was due</strong>", "Maria &lt;b&gt;</a>", ">#1</a>", "(no subject)</a>", "From the beginning")
		hasNot(t, open, "Old 00", "Called Mary")
		var want []string
		for _, odd := range []int{0, 1} { // those with a time come first
			for i := odd; i < atOnce+3; i += 2 {
				want = append(want, fmt.Sprintf("%02d", i))
			}
		}
		if got := items(open, "Next "); !slices.Equal(got, want) {
			t.Errorf("open ones are %v, want %v", got, want)
		}
		mine := all(todos + "?which=mine")
		has(t, mine, "Call &lt;i&gt;")
		hasNot(t, mine, "Next 00", "Old 00")
		want = nil
		for i := range atOnce + 3 {
			want = append([]string{fmt.Sprintf("%02d", i)}, want...)
		}
		done := all(todos + "?which=done")
		has(t, done, "Called Mary", "done <time", "by Ben")
		if got := items(done, "Old "); !slices.Equal(got, want) {
			t.Errorf("done ones are %v, want %v", got, want)
		}
		if got := items(all(todos+"?which=done&contact="+number(int64(peter))), "Old "); !slices.Equal(got, want) {
			t.Errorf("Peter's are %v, want %v", got, want)
		}
		hers := v.reads(todos + "?which=done&contact=" + number(int64(maria)))
		has(t, hers, "To-dos of Maria &lt;b&gt;</h1>", "Called Mary", "contact="+number(int64(maria))+"&amp;which=mine")
		hasNot(t, hers, "Old")
		page := v.reads(to("help", "contact", number(int64(maria))))
		has(t, page, "Call &lt;i&gt;", "What was done</a>", todos+"?which=done&amp;contact="+number(int64(maria)))
		hasNot(t, page, "All that is to do")
		page = v.reads(to("help", "contact", number(int64(peter))))
		has(t, page, "Next 00", "All that is to do", todos+"?contact="+number(int64(peter)))

		hasNot(t, v.reads(tickets+"?which=mine"), "Of Peter")
		has(t, v.reads(tickets+"?which=mine"), "Of Maria")
		hers = v.reads(tickets + "?contact=" + number(int64(mary))) // merged into Maria
		has(t, hers, "Tickets of Maria &lt;b&gt;</h1>", "Of Maria", "Of Mary", "All about Maria")
		hasNot(t, hers, "Of Peter")
		for _, path := range []string{todos, tickets} {
			v.status(path+"?which=x", http.StatusNotFound)
			v.status(path+"?contact=77", http.StatusNotFound)
			v.status(path+"?contact=x", http.StatusNotFound)
			v.status(path+"?after=x&at=y&before=z", http.StatusOK)
		}
		other := o.visitor(ben, "shop")
		has(t, other.reads(to("shop", "todos")), "None. <code>/mail todo</code>")
		hasNot(t, other.reads(to("shop", "todos")+"?which=done"), "/mail todo")
		v.status(todos+"?after=9223372036854775807&at=2026", http.StatusOK)
	})
}

func TestConversationPage(t *testing.T) {
	o := lite(t)
	ctx := t.Context()
	maria := ticketing.Address{Name: "Maria", Addr: "maria@example.net"}
	c := o.arrives("help", ticketing.Mail{From: maria, Subject: "Heating broken", MessageID: "m0@x", Text: "It is cold.\n\nOn Monday Ann wrote:\n> How are you?",
		HTML: `<p>It is <b>cold</b>.</p><img src="https://t.example/x.gif">`})
	for i := range 60 {
		o.arrives("help", ticketing.Mail{From: maria, Subject: "Re: Heating broken", MessageID: fmt.Sprintf("r%d@x", i), InReplyTo: []string{"m0@x"}, References: []string{"m0@x"}, Text: fmt.Sprintf("more %02d.", i)})
	}
	_, err := o.desk.Take(ctx, by(ann, "help"), c.ID)
	o.ok(err)
	v := o.visitor(ann, "help")
	body := v.reads(to("help", "ticket", "1"))
	has(t, body, "#1</span> Heating broken", "more 59.", "more 10.", "taken by Ann", "Older mail")
	hasNot(t, body, "more 09.")
	_, rest, _ := strings.Cut(body, `rel="next" href="`)
	next, _, _ := strings.Cut(rest, `"`)
	older := v.reads(next)
	has(t, older, "more 09.", `<div class="plain">It is cold.</div>`, "<details><summary>Quoted text and signature</summary>", "&gt; How are you?", "<b>cold</b>", "1 picture was left out")
	hasNot(t, older, "t.example", "more 10.")
	o.arrives("help", ticketing.Mail{From: maria, Subject: "Re: Heating broken", MessageID: "f@x", InReplyTo: []string{"m0@x"}, Text: "pay elsewhere", Proof: ticketing.Forged})
	has(t, v.reads(to("help", "ticket", "1")), "⚠ It claims to be from maria@example.net")
	hasNot(t, body, "⚠ It claims")
	v.status(to("help", "ticket", "2"), http.StatusNotFound)
	v.status(to("help", "ticket", "x"), http.StatusNotFound)
}
