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
	m.Signature, m.AutoSubmitted, m.References, m.Cc = "", true, nil, nil
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
