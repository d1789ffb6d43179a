package message

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestDecoders gives each text to its decoder whole and in pieces of every size.
func TestDecoders(t *testing.T) {
	long := strings.Repeat("QUJD", 3000)
	for _, c := range []struct{ encoding, in, want string }{
		{"base64", "SGVsbG8=", "Hello"},
		{"Base64 ", "SGVs\r\nbG8", "Hello"},
		{"base64", "SGVsbG8=IHdvcmxk", "Hello world"},
		{"base64", "SGVsbG8=\r\nIHdvcmxk\r\n", "Hello world"},
		{"base64", "SGVsbG8=\n-- \nA footer of words\n", "Hello"},
		{"base64", "SA==SQ==Sg==\n", "HIJ"},
		{"base64", "===SA==", "H"},
		{"base64", "S*G!V s\tb-G_8", "Hello"},
		{"base64", long, strings.Repeat("ABC", 3000)},
		{"base64", long[:76] + "\n\n" + long[:10], strings.Repeat("ABC", 19) + "ABCABCA"},
		{"base64", "", ""},
		{"quoted-printable", "a=3Db=\r\nc=e9 \t\r\n=\r\nd= \ne=", "a=bc\xe9\r\nde"},
		{"QUOTED PRINTABLE", "=", ""},
		{"qp", "=3", "=3"},
		{"qp", "=XY=3d", "=XY="},
		{"qp", strings.Repeat("=41", 30000), strings.Repeat("A", 30000)},
		{"x-uuencode", "junk\nbegin 644 a.txt\n,2&5L;&\\@=V]R;&0*\n`\nend\nmore\n", "Hello world\n"},
		{"uuencode", "begin 644 a.txt\n,2&5L;&\\@=V]R;&0*", "Hello world\n"},
		{"8-bit", "a\r\nb", "a\r\nb"},
		{"(comment) 7bit", "a", "a"},
	} {
		for _, size := range []int{1, 2, 3, 5, 76, 77, 1 << 20} {
			var b bytes.Buffer
			d := newDecoder(c.encoding, false, &b)
			for in := []byte(c.in); len(in) > 0; {
				n := min(size, len(in))
				if k, err := d.Write(in[:n]); k != n || err != nil {
					t.Fatal(k, err)
				}
				in = in[n:]
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if b.String() != c.want {
				t.Errorf("%s %.60q in pieces of %d gives %.60q", c.encoding, c.in, size, b.String())
			}
		}
	}
}

// TestSplitter cuts random lines in random pieces.
func TestSplitter(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var in bytes.Buffer
		for range rnd.IntN(30) {
			in.WriteString([]string{"a", "bc", "\r", "\n", "\r\n", "\r\r\n", "longer than the buffer is"}[rnd.IntN(7)])
		}
		read := func(size int) (lines []string, all string) {
			var now string
			s := newSplitter(8, func(l line) bool {
				if l.start != (now == "") && now != "" {
					t.Errorf("start %v after %q", l.start, now)
				}
				now += string(l.text)
				all += string(l.text) + string(l.end)
				if len(l.end) > 0 {
					lines = append(lines, now)
					now = ""
				}
				return true
			})
			for b := in.Bytes(); len(b) > 0; {
				n := min(size, len(b))
				s.feed(b[:n])
				b = b[n:]
			}
			s.end()
			return append(lines, now), all
		}
		want, all := read(1)
		if all != in.String() {
			t.Fatalf("%q became %q", in.String(), all)
		}
		for _, size := range []int{2, 3, 7, 100} {
			if got, _ := read(size); strings.Join(got, "|") != strings.Join(want, "|") {
				t.Fatalf("%q in pieces of %d: %q, want %q", in.String(), size, got, want)
			}
		}
	}
}
