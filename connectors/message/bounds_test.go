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
	if testing.Short() {
		t.Skip("100 MB mails")
	}
	const big, small = 100 << 20, 16 << 20
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
			start := time.Now()
			grown := peak(func() {
				m := Parse(mail(), Options{})
				if m.Size < size {
					t.Errorf("read %d bytes", m.Size)
				}
				if len(m.Attachments) > mostParts || len(m.Text) > 3*mostText {
					t.Errorf("%d attachments, %d bytes of text", len(m.Attachments), len(m.Text))
				}
			})
			took := time.Since(start)
			t.Logf("%.1f MB in %v", float64(grown)/(1<<20), took.Round(time.Millisecond))
			if grown > 32<<20 {
				t.Errorf("the heap grew by %d MB", grown>>20)
			}
			if took > time.Minute {
				t.Errorf("took %v", took)
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
