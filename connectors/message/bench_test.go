package message

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	gomessage "github.com/emersion/go-message"
)

// officeMail is a mail of the usual kind: plain and HTML of about 20 KB, and a file of 100 KB if
// so wished.
func officeMail(n int, file bool) []byte {
	rnd := rand.New(rand.NewPCG(uint64(n), 7))
	word := func() string {
		const w = "the a heating is broken since Monday could you please send somebody before the weekend it gets cold here and we have small children in the house Grüße aus Köln vielen Dank "
		f := strings.Fields(w)
		return f[rnd.IntN(len(f))]
	}
	var plain, rich strings.Builder
	rich.WriteString(`<html><head><style>p{margin:0}</style></head><body><table role="presentation"><tr><td style="padding:4px">`)
	for plain.Len() < 6000 {
		var p []string
		for range 40 {
			p = append(p, word())
		}
		s := strings.Join(p, " ")
		plain.WriteString(s + "\n\n")
		rich.WriteString(`<p class="MsoNormal" style="margin:0;font-family:Calibri"><span lang="DE" style="color:#1F497D">` + s + `<o:p></o:p></span> <a href="https://shop.example/o?id=` + fmt.Sprint(rnd.IntN(1000)) + `">link</a></p>` + "\n")
	}
	rich.WriteString(`</td></tr></table></body></html>`)
	var b bytes.Buffer
	fmt.Fprintf(&b, "Return-Path: <p%d@example.org>\r\nReceived: from a.example by b.example; Mon, 2 Mar 2026 10:00:00 +0100\r\nFrom: =?utf-8?Q?J=C3=BCrgen_%d?= <p%d@example.org>\r\nTo: help@team.example\r\nSubject: =?utf-8?Q?Heizung_f=C3=A4llt_aus?= %d\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\nMessage-ID: <%d@example.org>\r\nMIME-Version: 1.0\r\n", n, n, n, n, n)
	if file {
		b.WriteString("Content-Type: multipart/mixed; boundary=mix\r\n\r\n--mix\r\n")
	}
	b.WriteString("Content-Type: multipart/alternative; boundary=alt\r\n\r\n--alt\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
	b.WriteString(strings.ReplaceAll(plain.String(), "\n", "\r\n"))
	b.WriteString("\r\n--alt\r\nContent-Type: text/html; charset=utf-8\r\n\r\n")
	b.WriteString(strings.ReplaceAll(rich.String(), "\n", "\r\n"))
	b.WriteString("\r\n--alt--\r\n")
	if file {
		b.WriteString("--mix\r\nContent-Type: application/pdf; name=plan.pdf\r\nContent-Disposition: attachment; filename=plan.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n")
		raw := make([]byte, 100<<10)
		for i := range raw {
			raw[i] = byte(rnd.Uint32())
		}
		e := base64.StdEncoding.EncodeToString(raw)
		for len(e) > 76 {
			b.WriteString(e[:76] + "\r\n")
			e = e[76:]
		}
		b.WriteString(e + "\r\n--mix--\r\n")
	}
	return b.Bytes()
}

func corpus() (mails [][]byte, size int) {
	for i := range 50 {
		m := officeMail(i, i%5 == 0)
		mails = append(mails, m)
		size += len(m)
	}
	return mails, size
}

func BenchmarkParse(b *testing.B) {
	mails, size := corpus()
	b.SetBytes(int64(size / len(mails)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		Parse(bytes.NewReader(mails[i%len(mails)]), Options{})
	}
}

// BenchmarkGoMessage is the floor: the same mails, bodies read and nothing else.
func BenchmarkGoMessage(b *testing.B) {
	mails, size := corpus()
	b.SetBytes(int64(size / len(mails)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e, err := gomessage.Read(bytes.NewReader(mails[i%len(mails)]))
		if err != nil {
			b.Fatal(err)
		}
		err = e.Walk(func(_ []int, p *gomessage.Entity, err error) error {
			if err == nil && p.MultipartReader() == nil {
				_, err = io.ReadAll(p.Body)
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSanitise(b *testing.B) {
	m := Parse(bytes.NewReader(officeMail(1, false)), Options{})
	b.SetBytes(int64(len(m.HTML)))
	for b.Loop() {
		Sanitise(m.HTML)
	}
}

func BenchmarkMarkdown(b *testing.B) {
	m := Parse(bytes.NewReader(officeMail(1, false)), Options{})
	b.SetBytes(int64(len(m.HTML)))
	for b.Loop() {
		htmlText(m.HTML)
	}
}

func BenchmarkReply(b *testing.B) {
	m := Parse(bytes.NewReader(officeMail(1, false)), Options{})
	b.SetBytes(int64(len(m.Text)))
	for b.Loop() {
		reply(m.Text, false)
	}
}
