package message

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzParse checks what holds for any bytes: no panic, text as it must be, attachments as listed,
// and the same reading whatever the pieces that the bytes come in.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txtar")
	for _, name := range files {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, x := range ar.Files {
			if !strings.HasSuffix(x.Name, ".want") {
				f.Add(x.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, d := Inspect(bytes.NewReader(raw), Options{Trusted: []string{"mx.team.example"}})
		checkMail(t, raw, m)
		for _, s := range append(d.Nested, d.Bounce.Recipient, d.Bounce.Status, d.Bounce.Diagnostic, d.Bounce.OriginalMessageID) {
			if s != oneLine(s) {
				t.Errorf("detail %q", s)
			}
		}
		again := Parse(&oddReader{b: raw}, Options{})
		if again.Digest != m.Digest || again.Text != m.Text || again.Subject != m.Subject || len(again.Attachments) != len(m.Attachments) || again.Fault != m.Fault {
			t.Errorf("read in pieces it is another mail: %+v, then %+v", m, again)
		}
	})
}

// oddReader gives bytes in pieces of changing size.
type oddReader struct {
	b []byte
	n int
}

func (r *oddReader) Read(p []byte) (int, error) {
	r.n++
	n := copy(p, r.b[:min(len(r.b), 1+r.n*7%13)])
	r.b = r.b[n:]
	if len(r.b) == 0 {
		return n, io.EOF
	}
	return n, nil
}

func FuzzDecodeWords(f *testing.F) {
	for _, s := range []string{"=?utf-8?Q?a=20b?= =?utf-8?B?YWI=?=", "=?iso-2022-jp?B?GyRC?=", "=?utf-7?Q?+AOQ-?=", "=?x?q??=="} {
		f.Add(s, "name=\"a\"; filename*=utf-8''b%20c; x*0*=a; x*1=b", "Maria <maria@x.example>, (a) \"b\" c@d; e:f;")
	}
	f.Fuzz(func(t *testing.T, s, params, addrs string) {
		if got := oneLine(decodeWords(s)); got != oneLine(got) {
			t.Errorf("%q", got)
		}
		parseMedia(params)
		parseDate(s)
		messageIDs([]string{s, addrs})
		for _, a := range addresses([]string{addrs}) {
			if a.Addr != "" && (cleanAddr(a.Addr) != a.Addr || oneLine(a.Addr) != a.Addr) {
				t.Errorf("address %q of %q is cleaned to %q", a.Addr, addrs, cleanAddr(a.Addr))
			}
			if oneLine(a.Name) != a.Name {
				t.Errorf("name %q", a.Name)
			}
		}
		ReplySubject(s, "[#1]")
	})
}

// FuzzCalendar checks that any invitation reads as clean lines, each event with its time at most once.
func FuzzCalendar(f *testing.F) {
	ar, err := txtar.ParseFile("testdata/calendar.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, x := range ar.Files {
		if i := bytes.Index(x.Data, []byte("BEGIN:VCALENDAR")); i >= 0 && !strings.HasSuffix(x.Name, ".want") {
			f.Add(string(x.Data[i:]))
		}
	}
	f.Add("BEGIN:VEVENT\nDTSTART;TZID=\"a;b:c\":20260305T1400\nDURATION:PT1H\nSUMMARY:a\\n\\, b\nATTENDEE;CN=\"x\u202e\":mailto:a@x.example\nEND:VEVENT\n")
	f.Fuzz(func(t *testing.T, s string) {
		c := readCalendar(cleanText(s))
		for l := range strings.SplitSeq(c.lines(), "\n") {
			if l != oneLine(l) {
				t.Errorf("line %q of %q", l, s)
			}
		}
		if len(c.attendees) != len(c.answers) {
			t.Errorf("%d attendees, %d answers", len(c.attendees), len(c.answers))
		}
		if when := c.when(); when != "" && !c.timeIn(when) && !strings.Contains(when, "all day") {
			t.Errorf("the time is not found in %q", when)
		}
	})
}

// FuzzPhrases checks that what phraseSet looks for first never keeps an expression from matching.
func FuzzPhrases(f *testing.F) {
	for _, s := range []string{"Undelivered Mail Returned to Sender", "Mail delivery failed", "Verzögerung bei der Zustellung", "Automatic reply: Urlaub", "Re: Fwd: a", "WG: ſuccess, \u212aézbesíthetetlen",
		"This is the mail system at host mx", "Delivery to the following recipient failed", "Am Montag schrieb Maria:", "Mit freundlichen Grüßen", "From my iPhone\nSent from my iPhone", "ДОСТАВЛЕНО: 退信", "Confidentiality notice", "-- copy of the message --\n", "Original Message", "Begin forwarded message", "\xff\xfe"} {
		f.Add(s)
	}
	all := []phrases{bounceSubject, delaySubject, successSubject, delayText, bounceOpening, bounceText, copyBelow, failedWord, autoMailer, awaySubject, awayWords, wrote, originalPhrase, forwardPhrase, disclaimer, deviceLine, closing, forwardSubject, aboveLine}
	for _, p := range spamWords {
		all = append(all, p)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, p := range all {
			if set := p(); set.compiled().MatchString(s) && !set.mayMatch(s) {
				t.Errorf("%.60s… matches %q", set.compiled(), s)
			}
		}
	})
}
