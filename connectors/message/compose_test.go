package message

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"groupmail/ticketing"
)

func outgoing() Outgoing {
	return Outgoing{
		MessageID: "abc@team.example", Mark: "mark1",
		Date:      time.Date(2026, 3, 2, 10, 0, 0, 0, time.FixedZone("", 3600)),
		From:      ticketing.Address{Name: "Büro Köln", Addr: "help@team.example"},
		To:        []ticketing.Address{{Name: `Kovács, "Maria"`, Addr: "maria@x.example"}, {Addr: "ben@bücher.example"}},
		Cc:        []ticketing.Address{{Name: "Ann", Addr: "ann@x.example"}},
		Subject:   "Re: Heizung fällt aus – schon wieder, und zwar in der ganzen Straße, seit Montag früh um halb acht [#12]",
		InReplyTo: []string{"1@x.example"}, References: []string{"0@x.example", "1@x.example"},
		Text:      "Hallo Maria,\n\nwir kommen am <b>Dienstag</b> & bringen Öl.\n  Eingerückt\nhttps://team.example/a?b=1&c=(2), gut?\n.\nFrom here\n\n",
		Signature: "Ben\nBüro Köln",
	}
}

func fileOf(name, kind, content string) File {
	return File{name, kind, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }}
}

func compose(t testing.TB, m Outgoing) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Compose(&b, m); err != nil {
		t.Fatal(err)
	}
	for i, l := range bytes.Split(b.Bytes(), []byte("\r\n")) {
		if len(l) > 998 || bytes.ContainsAny(l, "\r\n") {
			t.Errorf("line %d: %d bytes, %q…", i, len(l), l[:min(len(l), 80)])
		}
	}
	if isASCII(b.Bytes()) == false {
		t.Errorf("not ASCII: %q", b.String())
	}
	return b.Bytes()
}

func TestComposeReadBack(t *testing.T) {
	m := outgoing()
	big := strings.Repeat("0123456789abcdef", 10000)
	m.Files = []File{
		fileOf("Übersicht März.pdf", "application/pdf", big),
		fileOf("../../plain.txt", "text/plain; charset=iso-8859-1", "caf\xe9\n"),
		fileOf("", "message/rfc822", "From: a\n\nb"),
		fileOf("leer.bin", "", ""),
	}
	raw := compose(t, m)
	p := Parse(bytes.NewReader(raw), Options{})
	checkMail(t, raw, p)
	if p.Fault != "" || p.MessageID != m.MessageID || p.Ours != m.Mark || p.Subject != m.Subject || p.TicketRef != 12 || !p.Sent.Equal(m.Date) {
		t.Errorf("%+v", p)
	}
	if got := fmt.Sprint(p.From, p.To, p.Cc, p.InReplyTo, p.References); got != `Büro Köln <help@team.example> [Kovács, "Maria" <maria@x.example> ben@xn--bcher-kva.example] [Ann <ann@x.example>] [1@x.example] [0@x.example 1@x.example]` {
		t.Error(got)
	}
	if want := strings.TrimRight(m.Text, "\n") + "\n\n-- \n" + m.Signature; p.Text != want {
		t.Errorf("text %q, want %q", p.Text, want)
	}
	if want := strings.TrimRight(m.Text, "\n"); p.Reply != want {
		t.Errorf("reply %q", p.Reply)
	}
	if !strings.Contains(p.HTML, "wir kommen am &lt;b&gt;Dienstag&lt;/b&gt; &amp; bringen Öl.<br>") || !strings.Contains(p.HTML, `<a href="https://team.example/a?b=1&amp;c=(2)"`) {
		t.Errorf("html %q", p.HTML)
	}
	want := []struct {
		name, kind string
		size       int64
	}{{"Übersicht März.pdf", "application/pdf", int64(len(big))}, {"plain.txt", "text/plain", 5}, {"attachment", "application/octet-stream", 10}, {"leer.bin", "application/octet-stream", 0}}
	if len(p.Attachments) != len(want) {
		t.Fatalf("attachments %+v", p.Attachments)
	}
	for i, w := range want {
		if a := p.Attachments[i]; a.Name != w.name || a.Type != w.kind || a.Size != w.size {
			t.Errorf("attachment %+v, want %+v", a, w)
		}
	}

	// the standard library reads the same
	sm, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := new(mime.WordDecoder).DecodeHeader(sm.Header.Get("Subject")); s != m.Subject {
		t.Errorf("subject %q", s)
	}
	if to, err := sm.Header.AddressList("To"); err != nil || to[0].Name != `Kovács, "Maria"` || len(to) != 2 {
		t.Errorf("To %v %v", to, err)
	}
	if d, err := sm.Header.Date(); err != nil || !d.Equal(m.Date) {
		t.Errorf("Date %v %v", d, err)
	}
	kind, params, err := mime.ParseMediaType(sm.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/mixed" {
		t.Fatal(kind, err)
	}
	mr := multipart.NewReader(sm.Body, params["boundary"])
	alt, err := mr.NextRawPart()
	if err != nil {
		t.Fatal(err)
	}
	_, params, _ = mime.ParseMediaType(alt.Header.Get("Content-Type"))
	ar := multipart.NewReader(alt, params["boundary"])
	for _, want := range []string{"text/plain", "text/html"} {
		p, err := ar.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		k, ps, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if k != want || ps["charset"] != "utf-8" || p.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Error(p.Header)
		}
		if b, err := io.ReadAll(quotedprintable.NewReader(p)); err != nil || !strings.Contains(string(b), "Öl") {
			t.Error(err)
		}
	}
	f, err := mr.NextRawPart()
	if err != nil {
		t.Fatal(err)
	}
	if f.FileName() != "Übersicht März.pdf" {
		t.Errorf("name %q of %v", f.FileName(), f.Header)
	}
	if b, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, f)); err != nil || string(b) != big {
		t.Errorf("content: %v", err)
	}
}

func TestComposePlain(t *testing.T) {
	m := outgoing()
	m.Signature, m.AutoSubmitted, m.References, m.InReplyTo, m.Cc = "", true, nil, nil, nil
	for i := range 50 {
		m.References = append(m.References, fmt.Sprint(i, "@x.example"))
	}
	raw := compose(t, m)
	p := Parse(bytes.NewReader(raw), Options{})
	if len(p.References) != 21 || p.References[0] != "0@x.example" || p.References[20] != "49@x.example" {
		t.Errorf("references %v", p.References)
	}
	if !p.AutoGenerated || p.Text != strings.TrimRight(m.Text, "\n") || len(p.Attachments) != 0 {
		t.Errorf("%+v", p)
	}
	if regexp.MustCompile(`(?im)^bcc:`).Match(raw) {
		t.Error("Bcc")
	}
	if !bytes.Contains(raw, []byte("Auto-Submitted: auto-generated\r\n")) || !bytes.Contains(raw, []byte("X-Auto-Response-Suppress: OOF, AutoReply\r\n")) {
		t.Errorf("%s", raw)
	}
	m.InReplyTo = []string{"1@x.example"}
	if raw := compose(t, m); !bytes.Contains(raw, []byte("Auto-Submitted: auto-replied\r\n")) {
		t.Errorf("%s", raw)
	}
	m.AutoSubmitted = false
	if raw := compose(t, m); bytes.Contains(bytes.ToLower(raw), []byte("\r\nauto-submitted")) || bytes.Contains(raw, []byte("Suppress")) {
		t.Errorf("%s", raw)
	}
}

// TestComposeReferences: the first and the last stay, the field stays below 998 bytes, and no id is
// sent in pieces.
func TestComposeReferences(t *testing.T) {
	id := func(i, n int) string { return fmt.Sprintf("%d.%s@x.example", i, strings.Repeat("r", n)) }
	list := func(n, size int) (l []string) {
		for i := range n {
			l = append(l, id(i, size))
		}
		return l
	}
	for _, c := range []struct {
		ids  []string
		want string // indices
	}{
		{nil, ""},
		{list(1, 5), "0"},
		{list(3, 5), "0 1 2"},
		{list(40, 5), "0 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39"},
		{list(40, 80), "0 31 32 33 34 35 36 37 38 39"},
		{list(40, 400), "0 39"},
		{list(40, 700), "0 39"},
		{[]string{id(0, 5), id(1, 1200), id(2, 5)}, "0 2"},
		{[]string{id(0, 5), "with blank@x.example", "", "<b@x.example>", "ü@x.example", id(1, 5)}, "0 1"},
	} {
		m := outgoing()
		m.References = c.ids
		raw := compose(t, m)
		var got []string
		for _, r := range Parse(bytes.NewReader(raw), Options{}).References {
			n, _, _ := strings.Cut(r, ".")
			got = append(got, n)
			if len(r) > 900 {
				t.Errorf("%d bytes", len(r))
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%d references: %s, want %s", len(c.ids), s, c.want)
		}
		if sm, err := netmail.ReadMessage(bytes.NewReader(raw)); err != nil || len(c.ids) > 0 && len(c.ids[0]) < 450 && len("References: "+sm.Header.Get("References")) > 998 {
			t.Errorf("%v, %d bytes", err, len(sm.Header.Get("References")))
		}
	}
}

// TestComposeFiles: names of all kinds, read back by our own parser and by the standard library, in
// both spellings; content byte for byte.
func TestComposeFiles(t *testing.T) {
	content := "line\r\nunix\nold mac\rblank at the end \r\n.\r\n..dots\nFrom here\n\x00\xff\xfe caf\xe9" + strings.Repeat("x", 3000) + "\n\n"
	for _, c := range []struct{ name, want string }{
		{"plan.pdf", "plan.pdf"},
		{"Übersicht März.pdf", "Übersicht März.pdf"},
		{"見積書（最終版）.xlsx", "見積書（最終版）.xlsx"},
		{strings.Repeat("長い名前", 10) + ".pdf", strings.Repeat("長い名前", 10) + ".pdf"},
		{"a; b=\"c\", d's (1) [2] 100%.txt", "a; b=\"c\", d's (1) [2] 100%.txt"},
		{"  blanks .txt ", "blanks .txt"},
		{"🦊.png", "🦊.png"},
		{"C:\\Users\\ben\\plan.txt", "plan.txt"},
		{"../../etc/passwd", "passwd"},
		{"inv\u202efdp.exe", "invfdp.exe"},
		{"two\r\nX-Evil: 1.txt", "two  X-Evil: 1.txt"},
		{".", "attachment"},
		{"", "attachment"},
		{strings.Repeat("a", 300) + ".txt", strings.Repeat("a", 196) + ".txt"},
	} {
		m := outgoing()
		m.Files = []File{fileOf(c.name, "text/plain; charset=iso-8859-1", content)}
		raw := compose(t, m)
		p := Parse(bytes.NewReader(raw), Options{})
		if len(p.Attachments) != 1 || p.Attachments[0].Name != c.want {
			t.Errorf("%q: read as %+v", c.name, p.Attachments)
			continue
		}
		var b bytes.Buffer
		if err := Attachment(&b, bytes.NewReader(raw), 0); err != nil || b.String() != content {
			t.Errorf("%q: content changed: %v", c.name, err)
		}
		sm, _ := netmail.ReadMessage(bytes.NewReader(raw))
		_, params, _ := mime.ParseMediaType(sm.Header.Get("Content-Type"))
		mr := multipart.NewReader(sm.Body, params["boundary"])
		if _, err := mr.NextRawPart(); err != nil {
			t.Fatal(err)
		}
		f, err := mr.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		_, ps, err := mime.ParseMediaType(f.Header.Get("Content-Disposition"))
		if err != nil || ps["filename"] != c.want {
			t.Errorf("%q: disposition %q: %v", c.name, f.Header.Get("Content-Disposition"), err)
		}
		// and for programs that know no RFC 2231
		_, ps, err = mime.ParseMediaType(f.Header.Get("Content-Type"))
		old, err2 := new(mime.WordDecoder).DecodeHeader(ps["name"])
		if err != nil || err2 != nil || old != c.want {
			t.Errorf("%q: type %q gives %q: %v %v", c.name, f.Header.Get("Content-Type"), old, err, err2)
		}
		if all, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, f)); err != nil || string(all) != content {
			t.Errorf("%q: content changed for others: %v", c.name, err)
		}
	}
}

// TestComposeText: what people type arrives as they typed it.
func TestComposeText(t *testing.T) {
	for _, text := range []string{
		"one line",
		"blank at the end \n\ttab\nand two  \nlast",
		".\n..\n.leading dot\nFrom the start\n>From\n-- not a signature",
		strings.Repeat("a paragraph of one line, ", 200) + "end",
		strings.Repeat("ö", 5000),
		strings.Repeat("x", 5000),
		"=3D = =20 ?= =?utf-8?q?x?=",
		"--boundary\n--\n----",
		"🦊 Ελληνικά 日本語 עברית\n\nنص",
	} {
		m := outgoing()
		m.Text, m.Signature = text, ""
		raw := compose(t, m)
		if p := Parse(bytes.NewReader(raw), Options{}); p.Text != text {
			t.Errorf("%q arrived as %q", text[:min(len(text), 60)], p.Text[:min(len(p.Text), 60)])
		}
		sm, err := netmail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		_, params, _ := mime.ParseMediaType(sm.Header.Get("Content-Type"))
		first, err := multipart.NewReader(sm.Body, params["boundary"]).NextPart() // undoes quoted-printable
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(first)
		if got := strings.ReplaceAll(string(b), "\r\n", "\n"); err != nil || got != text+"\n" {
			t.Errorf("%q arrived elsewhere as %q: %v", text[:min(len(text), 60)], got[:min(len(got), 60)], err)
		}
		if kind := first.Header.Get("Content-Type"); strings.Contains(kind, "flowed") {
			t.Error(kind)
		}
	}
}

// TestComposeWithoutSender: a mail without From is refused, not sent.
func TestComposeWithoutSender(t *testing.T) {
	m := outgoing()
	m.From.Addr = ""
	if err := Compose(io.Discard, m); err == nil || !strings.Contains(err.Error(), "From") {
		t.Error(err)
	}
}

// TestComposeInjection tries to smuggle header fields and bodies through every value.
func TestComposeInjection(t *testing.T) {
	for _, evil := range []string{
		"x\r\nBcc: evil@x.example\r\n\r\nowned",
		"x\nBcc: evil@x.example",
		"x\rBcc: evil@x.example",
		"x\u2028Bcc: evil@x.example\u0085Bcc: evil@x.example\x00\x0b\x0c",
		"=?utf-8?Q?x=0D=0ABcc:_evil=40x.example?=",
		`"><script>`, `\`, `"`, `a" <evil@x.example>, "b`, "<evil@x.example>", strings.Repeat("ö", 3000), strings.Repeat("a", 5000), strings.Repeat("a ", 5000), "\xff\xfe",
		"x@y.example>\r\nRCPT TO:<evil@x.example",
	} {
		a := ticketing.Address{Name: evil, Addr: "ok@x.example"}
		m := Outgoing{
			MessageID: evil, Mark: evil, Date: time.Unix(0, 0), From: a, To: []ticketing.Address{a, {Name: evil}},
			Subject: evil, InReplyTo: []string{evil, "", " "}, References: []string{evil}, Text: evil, Signature: evil,
			Files: []File{fileOf(evil, evil, evil), fileOf("a.txt", "text/plain; charset="+evil, evil)},
		}
		for _, addr := range []string{evil, evil + "@x.example", "a@" + evil} {
			with := m
			with.Cc = []ticketing.Address{{Addr: addr}}
			if err := Compose(io.Discard, with); err == nil {
				t.Errorf("%q passed for an address", addr)
			}
		}
		raw := compose(t, m)
		sm, err := netmail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Errorf("%q: %v", evil, err)
			continue
		}
		for k := range sm.Header {
			switch k {
			case "Date", "From", "To", "Cc", "Subject", "Message-Id", "In-Reply-To", "References", "X-Groupmail-Id", "Mime-Version", "Content-Type":
			default:
				t.Errorf("%q: field %s", evil, k)
			}
		}
		if _, err := sm.Header.AddressList("From"); err != nil {
			t.Errorf("%q: From %q: %v", evil, sm.Header.Get("From"), err)
		}
		p := Parse(bytes.NewReader(raw), Options{})
		checkMail(t, raw, p)
		if p.From.Addr != "ok@x.example" || p.To[0].Addr != "ok@x.example" || len(p.Attachments) != 2 {
			t.Errorf("%q: %+v", evil, p)
		}
		for _, to := range append(p.To, p.Cc...) {
			if to.Addr == "evil@x.example" && !strings.Contains(evil, "evil") {
				t.Errorf("%q: sent to %v", evil, to)
			}
		}
	}
}

func TestComposeErrors(t *testing.T) {
	m := outgoing()
	m.Files = []File{{"a", "text/plain", func() (io.ReadCloser, error) { return nil, errors.New("gone") }}}
	if err := Compose(io.Discard, m); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Error(err)
	}
	m.Files = []File{{"a", "text/plain", func() (io.ReadCloser, error) { return io.NopCloser(iotest.ErrReader(errors.New("torn"))), nil }}}
	if err := Compose(io.Discard, m); err == nil || !strings.Contains(err.Error(), "torn") {
		t.Error(err)
	}
	m.Files = nil
	for n := 0; n < len(compose(t, m))-100; n += 50 {
		if err := Compose(&failing{n}, m); err == nil {
			t.Errorf("no error after %d bytes", n)
		}
	}
}

type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errors.New("full")
	}
	return len(p), nil
}

func TestReplySubject(t *testing.T) {
	for _, c := range []struct{ in, tag, want string }{
		{"Heating broken", "[#12]", "Re: Heating broken [#12]"},
		{"Re: Heating broken [#12]", "[#12]", "Re: Heating broken [#12]"},
		{"RE: AW: Re[2]: sv: Heating broken", "[#12]", "Re: Heating broken [#12]"},
		{"Re: [#12] Re: Heating", "[#12]", "Re: Heating [#12]"},
		{"Antw: Re (3): Re^4: x", "", "Re: x"},
		{"回复：暖气", "[#1]", "Re: 暖气 [#1]"},
		{"Fwd: x", "[#1]", "Re: Fwd: x [#1]"},
		{"Reflections on rain", "", "Re: Reflections on rain"},
		{"Region: north", "", "Re: Region: north"},
		{"", "[#1]", "Re: [#1]"},
		{"a\r\nBcc: b", "[#1]", "Re: a Bcc: b [#1]"},
		{"Odp: RES: x [#7]", "[#12]", "Re: x [#7] [#12]"},
	} {
		if got := ReplySubject(c.in, c.tag); got != c.want {
			t.Errorf("ReplySubject(%q, %q) = %q, want %q", c.in, c.tag, got, c.want)
		}
		if got := ReplySubject(ReplySubject(c.in, c.tag), c.tag); got != ReplySubject(c.in, c.tag) {
			t.Errorf("twice: %q", got)
		}
	}
}

func TestNewMessageID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{32}\.groupmail@team\.example$`)
	seen := map[string]bool{}
	for range 1000 {
		id := NewMessageID("team.example")
		if !form.MatchString(id) || seen[id] {
			t.Fatal(id)
		}
		seen[id] = true
	}
	if id := NewMessageID("a\r\nb <c>"); strings.ContainsAny(id, "\r\n <>") {
		t.Error(id)
	}
	if id := NewMessageID(""); strings.HasSuffix(id, "@") {
		t.Error(id)
	}
}

func ExampleReplySubject() {
	fmt.Println(ReplySubject("AW: Re[2]: Heating broken", "[#12]"))
	// Output: Re: Heating broken [#12]
}
