package message

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf16"
)

// tnefOf writes a winmail.dat of attributes, each in the message's or an attachment's level.
func tnefOf(attributes ...[]byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, tnefSignature)
	return append(append(b, 1, 0), bytes.Join(attributes, nil)...)
}

func attribute(level byte, id uint32, data []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{level}, id)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	b = append(b, data...)
	var sum uint16
	for _, c := range data {
		sum += uint16(c)
	}
	return binary.LittleEndian.AppendUint16(b, sum)
}

// props writes MAPI properties: strings of one byte a character (id | 0x1e<<16), of two (0x1f),
// bytes (0x102), objects (0x0d), numbers (0x03).
func props(list ...any) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, uint32(len(list)/2))
	for i := 0; i < len(list); i += 2 {
		tag := uint32(list[i].(int))
		b = le.AppendUint16(le.AppendUint16(b, uint16(tag>>16)), uint16(tag))
		var v []byte
		switch x := list[i+1].(type) {
		case int:
			b = le.AppendUint32(b, uint32(x))
			continue
		case string:
			v = []byte(x + "\x00")
			if tag>>16 == 0x1f {
				v = nil
				for _, u := range utf16.Encode([]rune(x + "\x00")) {
					v = le.AppendUint16(v, u)
				}
			}
		case []byte:
			v = x
		}
		b = le.AppendUint32(le.AppendUint32(b, 1), uint32(len(v)))
		b = append(b, v...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	return b
}

func tnefFile(name, data string, more ...any) []byte {
	return bytes.Join([][]byte{
		attribute(2, attAttachRendData, make([]byte, 14)),
		attribute(2, attAttachTitle, []byte(name+"\x00")),
		attribute(2, attAttachData, []byte(data)),
		attribute(2, attAttachment, props(more...)),
	}, nil)
}

func winmail(text string, dat []byte) []byte {
	return []byte("From: a@x.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n" + text +
		"\n--b\nContent-Type: application/ms-tnef; name=\"winmail.dat\"\nContent-Transfer-Encoding: base64\n\n" +
		base64.StdEncoding.EncodeToString(dat) + "\n--b\nContent-Type: text/plain; name=after.txt\n\nafter\n--b--\n")
}

func names(raw []byte) string {
	var s []string
	for _, a := range Parse(bytes.NewReader(raw), Options{}).Attachments {
		s = append(s, a.Name+" "+a.Type)
	}
	return strings.Join(s, ", ")
}

// TestTNEF: what is in a winmail.dat is listed behind it, by its best name, and Attachment gives its
// bytes; what cannot be read leaves the winmail.dat as it is.
func TestTNEF(t *testing.T) {
	inner := tnefOf(attribute(1, attMAPIProps, props(0x1f1000, "inner text")), tnefFile("deep.txt", "deep"))
	iid, _ := hex.DecodeString("0703020000000000c000000000000046")
	for _, c := range []struct {
		name  string
		body  string
		dat   []byte
		files string // between winmail.dat and after.txt
		text  string
	}{
		{"files", "see file", tnefOf(tnefFile("LONGNA~1.PDF", "%PDF", 0x1f3707, "Long näme.pdf", 0x1e370e, "application/pdf", 0x1f3712, "i@x"), tnefFile("b.txt", "")), "Long näme.pdf application/pdf, b.txt application/octet-stream", "see file"},
		{"a path in a name", "x", tnefOf(tnefFile(`C:\docs\a.txt`, "a")), "a.txt application/octet-stream", "x"},
		{"no name", "x", tnefOf(tnefFile("", "a")), "attachment-2.bin application/octet-stream", "x"},
		{"code page", "x", tnefOf(attribute(1, attOemCodepage, []byte{0xe3, 4, 0, 0, 0, 0, 0, 0}), tnefFile("\xcf\xf0\xe8.txt", "a")), "При.txt application/octet-stream", "x"},
		{"plain text", "", tnefOf(attribute(1, attBody, []byte("from attBody\r\nsecond\x00"))), "", "from attBody\nsecond"},
		{"text by property", " ", tnefOf(attribute(1, attMAPIProps, props(0x030001, 5, 0x1f1000, "Grüße"))), "", "Grüße"},
		{"html", "", tnefOf(attribute(1, attMAPIProps, props(0x033fde, 65001, 0x1021013, []byte("<p>Grüße <b>fett</b></p>")))), "", "Grüße fett"},
		{"the mail's own text wins", "own", tnefOf(attribute(1, attBody, []byte("other"))), "", "own"},
		{"rtf", "", tnefOf(attribute(1, attMAPIProps, props(0x1021009, mela(`{\rtf1\ansi{\fonttbl{\f0\fswiss Arial;}}\f0 Hall\'f6chen \u8364?\par next}`)))), "", "Hallöchen €\nnext"},
		{"html in rtf", "", tnefOf(attribute(1, attMAPIProps, props(0x1021009, mela(`{\rtf1\ansi\fromhtml1 {\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 Hi {\*\htmltag84 <b>}\htmlrtf {\b\htmlrtf0 there\htmlrtf }\htmlrtf0{\*\htmltag92 </b>}\htmlrtf\par}\htmlrtf0{\*\htmltag72 </p>}}`)))), "", "Hi there"},
		{"message in it", "x", tnefOf(attribute(2, attAttachRendData, make([]byte, 14)), attribute(2, attAttachTitle, []byte("FW")), attribute(2, attAttachment, props(0x0d3701, append(iid, inner...)))), "deep.txt application/octet-stream, FW.txt text/plain", "x"},
		{"object in it", "x", tnefOf(attribute(2, attAttachRendData, make([]byte, 14)), attribute(2, attAttachment, props(0x1f3001, "a.doc", 0x1023701, []byte("DOC")))), "a.doc application/octet-stream", "x"},
		{"cut off", "x", tnefOf(tnefFile("a.txt", "abcdef"))[:70], "a.txt application/octet-stream", "x"},
		{"nothing", "x", nil, "", "x"},
		{"no envelope", "x", []byte("PK\x03\x04 and so on"), "", "x"},
		{"endless", "x", append(tnefOf(), 1, 3, 0x90, 6, 0, 0xff, 0xff, 0xff, 0xff, 1), "", "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := winmail(c.body, c.dat)
			m := Parse(bytes.NewReader(raw), Options{})
			checkMail(t, raw, m)
			want := "winmail.dat application/ms-tnef, "
			if c.files != "" {
				want += c.files + ", "
			}
			if got := names(raw); got != want+"after.txt text/plain" {
				t.Errorf("%s", got)
			}
			if m.Text != c.text {
				t.Errorf("text %q", m.Text)
			}
		})
	}
	raw := winmail("x", tnefOf(tnefFile("a", "1"), tnefFile("b", "two", 0x1f3712, "<i@x>")))
	var b bytes.Buffer
	if err := Attachment(&b, bytes.NewReader(raw), 2); err != nil || b.String() != "two" {
		t.Errorf("%q, %v", b.String(), err)
	}
	if m := Parse(bytes.NewReader(raw), Options{}); m.Attachments[2].ContentID != "i@x" {
		t.Errorf("%+v", m.Attachments[2])
	}
}

func mela(rtf string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(rtf)+12))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(rtf)))
	return append(append(b, "MELA\x00\x00\x00\x00"...), rtf...)
}

// TestUnpackRTF holds the examples of MS-OXRTFCP §4.1.
func TestUnpackRTF(t *testing.T) {
	for in, want := range map[string]string{
		"2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0": "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n",
		"1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0":                                       "{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}",
		"00": "",
	} {
		b, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(unpackRTF(b)); !strings.HasPrefix(got, want) || len(got) != len(want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func FuzzTNEF(f *testing.F) {
	f.Add(tnefOf(attribute(1, attMAPIProps, props(0x1f1000, "x", 0x1021009, mela(`{\rtf1\fromhtml1 {\*\htmltag64 <p>}\u-10179?\u-8704?}`))), tnefFile("a.txt", "a", 0x1f3707, "b")))
	f.Add(tnefOf(tnefFile("a", "b", 0x0d3701, append(make([]byte, 16), tnefOf(tnefFile("c", "d"))...))))
	f.Fuzz(func(t *testing.T, b []byte) {
		raw := winmail("", b)
		checkMail(t, raw, Parse(bytes.NewReader(raw), Options{}))
	})
}

func FuzzRTF(f *testing.F) {
	f.Add([]byte(`{\rtf1\ansi\ansicpg1251{\fonttbl{\f0\fcharset204 A;}}\f0\'cf{\*\htmltag <p>}\uc2\u1055??\bin3 abc}`))
	f.Fuzz(func(_ *testing.T, b []byte) {
		rtfText(string(b), true)
		rtfText(string(b), false)
		unpackRTF(append(make([]byte, 4, 64), b...))
	})
}
