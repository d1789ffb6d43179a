package message

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/quotedprintable"
	"strings"
	"testing"

	gomessage "github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // the floor reads every charset, too
	"golang.org/x/text/encoding/charmap"
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

// corpus is what a shared mailbox gets, of 48 KB on average: mails of people, every fifth with a file,
// answers with what they answer below, invitations, bounces, and texts that are not in UTF-8.
func corpus() (mails [][]byte, size int) {
	for i := range 50 {
		m := officeMail(i, i%5 == 0)
		switch i % 10 {
		case 1, 6:
			m = answer(m)
		case 3:
			m = invitation(m)
		case 7:
			m = bounced(m)
		case 4, 8:
			m = inLatin1(m)
		}
		mails = append(mails, m)
		size += len(m)
	}
	return mails, size
}

// answer puts below both texts of m what they answer.
func answer(m []byte) []byte {
	s := string(m)
	s = strings.Replace(s, "Message-ID:", "In-Reply-To: <q@team.example>\r\nReferences: <q@team.example>\r\nMessage-ID:", 1)
	s = strings.Replace(s, "\r\n--alt\r\nContent-Type: text/html", "On Fri, 27 Feb 2026 at 16:05, Team <help@team.example> wrote:\r\n\r\n"+
		strings.Repeat("> Could you tell us which of the houses it is, and since when?\r\n> \r\n", 10)+"\r\n--alt\r\nContent-Type: text/html", 1)
	return []byte(strings.Replace(s, "</body>", `<div class="gmail_quote"><div class="gmail_attr">On Fri, 27 Feb 2026 at 16:05, Team &lt;<a href="mailto:help@team.example">help@team.example</a>&gt; wrote:<br></div><blockquote class="gmail_quote" style="margin:0 0 0 .8ex">`+
		strings.Repeat("<div>Could you tell us which of the houses it is, and since when?</div>\r\n", 10)+"</blockquote></div></body>", 1))
}

// invitation gives m a third alternative.
func invitation(m []byte) []byte {
	const event = "\r\n--alt\r\nContent-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nDTSTART;TZID=Europe/Berlin:20260305T140000\r\nDTEND;TZID=Europe/Berlin:20260305T150000\r\n" +
		"SUMMARY:Heizung ansehen\r\nORGANIZER;CN=Jürgen:mailto:p@example.org\r\nATTENDEE;CN=Team:mailto:help@team.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	return []byte(strings.Replace(string(m), "\r\n--alt--", event+"\r\n--alt--", 1))
}

// bounced is a server's report that m was not delivered, with all of m.
func bounced(m []byte) []byte {
	return []byte("Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example (Mail Delivery System)\r\nTo: help@team.example\r\nSubject: Undelivered Mail Returned to Sender\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\nMessage-ID: <b@mx.example>\r\nAuto-Submitted: auto-replied\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=rep\r\n\r\n--rep\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nI'm sorry to have to inform you that your message could not be delivered.\r\n\r\n<maria@example.org>: host mail.example.org said: 550 5.1.1 User unknown\r\n" +
		"\r\n--rep\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; maria@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 User unknown\r\n" +
		"\r\n--rep\r\nContent-Type: message/rfc822\r\n\r\n" + string(m) + "\r\n--rep--\r\n")
}

// inLatin1 is m in windows-1252 and quoted-printable, as older programs write.
func inLatin1(m []byte) []byte {
	parts := strings.Split(string(m), "Content-Type: text/")
	for i, p := range parts[1:] {
		head, text, _ := strings.Cut(p, "\r\n\r\n")
		text, rest, _ := strings.Cut(text, "\r\n--alt")
		latin, err := charmap.Windows1252.NewEncoder().String(text)
		if err != nil {
			panic(err)
		}
		var b strings.Builder
		w := quotedprintable.NewWriter(&b)
		_, _ = io.WriteString(w, latin) // into memory
		_ = w.Close()
		parts[i+1] = strings.Replace(head, "utf-8", "windows-1252", 1) + "\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + b.String() + "\r\n--alt" + rest
	}
	return []byte(strings.Join(parts, "Content-Type: text/"))
}

func BenchmarkParse(b *testing.B) {
	mails, size := corpus()
	b.SetBytes(int64(size / len(mails)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		Inspect(bytes.NewReader(mails[i%len(mails)]), Options{})
	}
}

// BenchmarkGoMessage is the floor: the same mails, bodies decoded and read, texts as UTF-8, and
// nothing else.
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

// BenchmarkPeak is what reading a mail with a file of 100 MB takes at its peak; TestMemory has others.
func BenchmarkPeak(b *testing.B) {
	line := base64.StdEncoding.EncodeToString(make([]byte, 57)) + "\r\n"
	head := "From: a@x.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\nContent-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	var most uint64
	for b.Loop() {
		most = max(most, peak(func() {
			Inspect(&repeat{head: []byte(head), body: []byte(line), tail: []byte("\r\n--b--\r\n"), left: 100 << 20}, Options{})
		}))
	}
	b.ReportMetric(float64(most)/(1<<20), "peak-MB")
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
