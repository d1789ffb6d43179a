package message

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

// repeat is a reader of head, then the same bytes for so long, then tail.
type repeat struct {
	head, body, tail []byte
	left             int64
	at               int
}

func (r *repeat) Read(p []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(p, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	n := 0
	for n < len(p) && r.left > 0 {
		k := copy(p[n:], r.body[r.at:])
		k = int(min(int64(k), r.left))
		n += k
		r.left -= int64(k)
		r.at = (r.at + k) % len(r.body)
	}
	if n > 0 {
		return n, nil
	}
	if len(r.tail) == 0 {
		return 0, io.EOF
	}
	n = copy(p, r.tail)
	r.tail = r.tail[n:]
	return n, nil
}

// peak runs f and tells by how much the heap grew at most while it ran.
func peak(f func()) uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	base := m.HeapAlloc
	done, sampled := make(chan bool), make(chan uint64)
	go func() {
		var most uint64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
			select {
			case <-done:
				sampled <- most
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	f()
	done <- true
	return max(<-sampled, base) - base
}

// TestMemory parses mails of 100 MB, of the usual kind and of the worst.
func TestMemory(t *testing.T) {
	if testing.Short() || racing {
		t.Skip("mails of 100 MB")
	}
	const big, small = 100 << 20, 8 << 20
	line := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1, 2, 3}, 19)) + "\r\n"
	head := "From: a@x.example\r\nSubject: big\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
	part := func(kind, encoding string) string {
		return head + "--b\r\nContent-Type: " + kind + "\r\nContent-Transfer-Encoding: " + encoding + "\r\n\r\n"
	}
	for _, c := range []struct{ name, head, body, tail string }{
		{"base64", part("application/zip; name=a.zip", "base64"), line, "\r\n--b--\r\n"},
		{"base64 on one line", part("application/zip", "base64"), "AAECAwQFBgcICQ", ""},
		{"binary", part("application/zip", "binary"), "\x00\xff\r\r\n\n--b-\r", "\r\n--b--\r\n"},
		{"text", part("text/plain", "8bit"), "a line of text, öfter als nötig\r\n", ""},
		{"html", part("text/html", "quoted-printable"), "<p>a=20<b>b</b><i>c", ""},
		{"html tags", part("text/html", "8bit"), "<b>", ""},
		{"quotes", part("text/plain", "7bit"), ">", ""},
		{"short quotes", part("text/plain", "7bit"), "> a\nb:\n", ""},
		{"contained mail", part("message/rfc822", "7bit"), "From: a@b\nSubject: x\n\ntext text text\n", ""},
		{"contained mail in base64", part("message/rfc822", "base64"), base64.StdEncoding.EncodeToString([]byte("Subject: x\nContent-Type: text/html\n\n<p>a</p> ")), ""},
		{"boundaries", head, "--b\r\n", ""},
		{"parts", head, "--b\r\nContent-Type: image/png; name=\"a\"\r\n\r\nx\r\n", ""},
		{"part header", head + "--b\r\n", "X-A: b\r\n", "\r\n\r\nx"},
		{"header", "From: a@x.example\r\n", "X-A: b\r\n", "\r\nx"},
		{"one field", "From: a@x.example\r\nX-B: ", "abcdefgh", "\r\nSubject: after\r\n\r\nx"},
		{"recipients", "From: a@x.example\r\nTo: ", "b@x.example,\r\n ", "\r\n\r\nx"},
		{"strays", "From: a@x.example\r\n", "stray line\r\n Subject: y\r\n", "\r\nx"},
		{"preamble", "From: a@x.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n", "--x\r\nfoo: bar\r\n", ""},
		{"nesting", "From: a@x.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n", "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n", ""},
		{"blank lines", "From: a@x.example\r\n\r\n", "\n", ""},
		{"CRs", "From: a@x.example\r\n\r\n", "\r", ""},
		{"nothing but NUL", "", "\x00", ""},
		{"winmail.dat", part("application/ms-tnef", "binary") + string(tnefOf(attribute(2, attAttachRendData, nil))) + "\x02\x0f\x80\x06\x00\xff\xff\xff\x7f", "data ", ""},
		{"winmail.dat of properties", part("application/ms-tnef", "binary") + string(tnefOf()) + "\x01\x03\x90\x06\x00\x00\x00\x3f\x00", "\xff\xff\xff\x7f\x02\x01\x09\x10", ""},
		{"winmail.dat of files", part("application/ms-tnef", "binary") + string(tnefOf()), string(tnefFile("a.txt", "a", 0x1f3707, "b")), ""},
		{"opaque signature", part("application/pkcs7-mime", "binary") + "\x30\x80\x06\x09" + string(oidSigned) + "\xa0\x80\x30\x80\x02\x01\x01\x31\x00\x30\x80\x06\x01\x01\xa0\x80\x24\x80", "\x04\x04Cont\x04\x06ent-Ty\x04\x02:a\x04\x04\r\n\r\n", ""},
		{"invitation", part("text/calendar", "7bit") + "BEGIN:VEVENT\r\n", "ATTENDEE;CN=\"a;b\":mailto:a@x.example\r\n", ""},
		{"uuencode", part("application/zip", "x-uuencode") + "begin 644 a\r\n", "M" + strings.Repeat("a", 60) + "\r\n", "end\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			size := int64(small)
			if c.name == "base64" || c.name == "text" || c.name == "contained mail" {
				size = big
			}
			mail := func() io.Reader {
				return &repeat{head: []byte(c.head), body: []byte(c.body), tail: []byte(c.tail), left: size}
			}
			grown := peak(func() {
				m := Parse(mail(), Options{})
				if m.Size < size {
					t.Errorf("read %d bytes", m.Size)
				}
				if len(m.Attachments) > mostParts || len(m.Text) > 3*mostText {
					t.Errorf("%d attachments, %d bytes of text", len(m.Attachments), len(m.Text))
				}
			})
			if grown > 32<<20 {
				t.Errorf("the heap grew by %d MB", grown>>20)
			}
		})
	}
	grown := peak(func() {
		r := &repeat{head: []byte(part("application/zip", "base64")), body: []byte(line), left: big}
		n := counter(0)
		if err := Attachment(&n, r, 0); err != nil || n < big/2 {
			t.Errorf("%d bytes, %v", n, err)
		}
	})
	if grown > 4<<20 {
		t.Errorf("Attachment: the heap grew by %d KB", grown>>10)
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

// TestDepth: nesting costs nothing, and what lies below the bound is a file and not lost.
func TestDepth(t *testing.T) {
	for _, depth := range []int{10, mostDepth - 1, mostDepth + 5, 2000} {
		var b strings.Builder
		b.WriteString("From: a@x.example\nSubject: deep\n")
		for i := range depth {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
		}
		b.WriteString("Content-Type: text/plain\n\ndown here\n")
		m := Parse(strings.NewReader(b.String()), Options{})
		checkMail(t, []byte(b.String()), m)
		if depth < mostDepth && m.Text != "down here" {
			t.Errorf("%d: text %q", depth, m.Text)
		}
		if depth > mostDepth && (len(m.Attachments) != 1 || !strings.Contains(m.Fault, "deeper")) {
			t.Errorf("%d: %d attachments, fault %q", depth, len(m.Attachments), m.Fault)
		}
	}
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "From: a%d@x.example\nSubject: %d\nContent-Type: message/rfc822\n\n", i, i)
	}
	b.WriteString("From: z@x.example\n\nbottom")
	m := Parse(strings.NewReader(b.String()), Options{})
	checkMail(t, []byte(b.String()), m)
	if len(m.Attachments) != 1 || m.Attachments[0].Name != "1.eml" {
		t.Errorf("%+v", m.Attachments)
	}
}

// TestParts: all parts up to the bound are listed, and the bound is told.
func TestParts(t *testing.T) {
	var b strings.Builder
	b.WriteString("From: a@x.example\nContent-Type: multipart/mixed; boundary=b\n\n")
	for i := range 1500 {
		fmt.Fprintf(&b, "--b\nContent-Type: image/png; name=%d.png\n\n%d\n", i, i)
	}
	m := Parse(strings.NewReader(b.String()), Options{})
	if n := len(m.Attachments); n < mostParts-1 || n > mostParts || !strings.Contains(m.Fault, "more than") {
		t.Errorf("%d attachments, fault %q", n, m.Fault)
	}
}

// TestManyRecipients: a list that is too long, in bytes or in addresses, is cut between two addresses,
// and the fault says so; a long list within the bounds is whole.
func TestManyRecipients(t *testing.T) {
	list := func(n int, domain string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "\r\n p%d@%s,", i, domain)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	for _, c := range []struct {
		field, value string
		whole        int // addresses, if none is missing
	}{
		{"To", list(1500, "team.example"), 1500},
		{"To", list(mostAddresses+1, "t.example"), 0},
		{"Cc", list(mostAddresses+500, "t.example"), 0},
		{"Cc", list(mostFieldBytes/60, "a-domain-with-a-name-of-some-fifty-letters.in-all.example"), 0},
	} {
		m := Parse(strings.NewReader("From: a@x.example\r\n"+c.field+":"+c.value+"\r\nSubject: s\r\n\r\nx"), Options{})
		got := m.To
		if c.field == "Cc" {
			got = m.Cc
		}
		for i, a := range got {
			if a.Name != "" || !strings.HasPrefix(a.Addr, fmt.Sprintf("p%d@", i)) || !strings.HasSuffix(a.Addr, ".example") {
				t.Fatalf("%s: recipient %d is %v", c.field, i, a)
			}
		}
		switch said := strings.Contains(m.Fault, "not all recipients could be read: "+strings.ToLower(c.field)); {
		case c.whole > 0 && (said || len(got) != c.whole):
			t.Errorf("%s: %d of %d, fault %q", c.field, len(got), c.whole, m.Fault)
		case c.whole == 0 && (!said || len(got) < 900):
			t.Errorf("%s: %d, fault %q", c.field, len(got), m.Fault)
		}
		if m.Subject != "s" || m.Text != "x" {
			t.Errorf("%s: subject %q, text %q", c.field, m.Subject, m.Text)
		}
	}
}
