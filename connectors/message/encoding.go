package message

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"unicode/utf8"
)

// decoder undoes a Content-Transfer-Encoding as the bytes come. It forgives what it can; fault says
// what it could not.
type decoder interface {
	io.WriteCloser
	fault() string
}

// newDecoder chooses by the name, misspelt or not. text tells that the part is read by people.
func newDecoder(name string, text bool, w io.Writer) decoder {
	if i := strings.IndexAny(name, ";,"); i >= 0 {
		name = name[:i]
	}
	key := strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 32
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		}
		return -1
	}, dropComments(name))
	switch key {
	case "", "7bit", "8bit", "binary", "7bits", "8bits", "7", "8", "none", "plain", "text", "7bitascii", "ascii", "usascii", "utf8", "identity", "8bitmime":
		return &identity{w: w}
	case "base64", "xbase64", "b64", "b", "mimebase64", "base", "64":
		return &base64Decoder{w: w, unsure: text}
	case "quotedprintable", "xquotedprintable", "qp", "q", "quotedprintible", "quotedprinteable", "quoteprintable", "quotedprintables", "quotedprinted", "quoted":
		return &qpDecoder{w: w}
	case "xuuencode", "uuencode", "xuue", "uue", "xuu", "uu":
		return &uuDecoder{w: w}
	}
	return &identity{w: w, odd: oneLine(clip(name, 40))}
}

type identity struct {
	w   io.Writer
	odd string
}

func (d *identity) Write(p []byte) (int, error) { return d.w.Write(p) }
func (d *identity) Close() error                { return nil }
func (d *identity) fault() string {
	if d.odd != "" {
		return "unknown transfer encoding " + d.odd
	}
	return ""
}

const notBase64 = 0xff

var base64Value = func() (t [256]byte) {
	for i := range t {
		t[i] = notBase64
	}
	for i := range 64 {
		t["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[i]] = byte(i)
	}
	return t
}()

// base64Decoder skips what is not of the alphabet and begins anew after padding, as when several
// encoded texts were strung together. After padding a line of words is a footer, not data.
//
// In a text part, where the label may be wrong, the beginning is looked at first.
type base64Decoder struct {
	w      io.Writer
	unsure bool // text: may be no base64 at all
	head   []byte
	plain  bool

	quad   uint32
	n      int // characters in quad
	padded bool
	line   []byte // after padding: the line so far
	chars  int64
	odd    int64
	out    [4096]byte
}

func (d *base64Decoder) Write(p []byte) (int, error) {
	n := len(p)
	if d.unsure {
		d.head = append(d.head, p...)
		if len(d.head) < 2048 {
			return n, nil
		}
		p = d.decide()
	}
	if d.plain {
		_, err := d.w.Write(p)
		return n, err
	}
	return n, d.decode(p)
}

func (d *base64Decoder) decide() []byte {
	d.unsure = false
	p := d.head
	d.head = nil
	d.plain = !looksBase64(p)
	return p
}

// looksBase64 tells whether the beginning of a text labelled base64 is base64.
func looksBase64(p []byte) bool {
	good, odd := 0, 0
	for _, c := range p {
		switch {
		case base64Value[c] != notBase64 || c == '=':
			good++
		case c == '\r' || c == '\n':
		default:
			odd++
		}
	}
	if odd*12 <= good+odd {
		return true
	}
	if good < 4 {
		return false
	}
	// Polluted base64 still decodes to text; prose does not.
	var b bytes.Buffer
	d := base64Decoder{w: &b}
	if d.decode(p) != nil || d.Close() != nil {
		return false
	}
	return looksText(b.Bytes())
}

// looksText tells whether the beginning of something is text in UTF-8.
func looksText(t []byte) bool {
	for len(t) > 0 && !utf8.FullRune(t[max(0, len(t)-4):]) {
		t = t[:len(t)-1]
	}
	if !utf8.Valid(t) {
		return false
	}
	for _, c := range t {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}

func (d *base64Decoder) decode(p []byte) error {
	o := 0
	fresh := true // at the beginning of a line
	for i := 0; i < len(p); i++ {
		c := p[i]
		if d.padded {
			if c != '\n' && c != '\r' {
				if len(d.line) < 1024 {
					d.line = append(d.line, c)
				}
				if len(d.line) < 1024 {
					continue
				}
			}
			again := d.line
			if len(bytes.Trim(again, " \t=\r")) == 0 {
				d.line = d.line[:0]
				continue
			}
			if !pureBase64(again) {
				d.odd += int64(len(again))
				d.line = d.line[:0]
				continue
			}
			if o > 0 {
				if _, err := d.w.Write(d.out[:o]); err != nil {
					return err
				}
				o = 0
			}
			if err := d.decodeLine(); err != nil {
				return err
			}
			continue
		}
		// whole lines, then whole groups, the usual case
		if fresh && d.n == 0 {
			end := bytes.IndexByte(p[i:], '\n')
			if end < 0 {
				end = len(p) - i
			} else if end > 0 && p[i+end-1] == '\r' {
				end--
			}
			if end &^= 3; end > 3 && p[i+end-1] != '=' && o+end <= len(d.out) {
				if n, err := base64.StdEncoding.Decode(d.out[o:], p[i:i+end]); err == nil && n == end/4*3 {
					o += n
					i += end
					d.chars += int64(end)
				}
			}
		}
		fresh = false
		for d.n == 0 && i+4 <= len(p) && o+6 <= len(d.out) {
			a, b, e, f := base64Value[p[i]], base64Value[p[i+1]], base64Value[p[i+2]], base64Value[p[i+3]]
			if (a|b|e|f)&0x80 != 0 {
				break
			}
			q := uint32(a)<<18 | uint32(b)<<12 | uint32(e)<<6 | uint32(f)
			d.out[o], d.out[o+1], d.out[o+2] = byte(q>>16), byte(q>>8), byte(q)
			o += 3
			i += 4
			d.chars += 4
		}
		if i == len(p) {
			break
		}
		if o+6 > len(d.out) {
			if _, err := d.w.Write(d.out[:o]); err != nil {
				return err
			}
			o = 0
		}
		c = p[i]
		v := base64Value[c]
		if v == notBase64 {
			switch c {
			case '\r', '\n', ' ', '\t':
				fresh = c == '\n'
				continue
			case '=':
				if d.n >= 2 {
					o += d.tail(d.out[o:])
				}
				if d.n == 0 || d.n >= 2 {
					d.padded = d.chars > 0
				}
				d.n, d.quad = 0, 0
			default:
				d.odd++
			}
			continue
		}
		d.chars++
		d.quad = d.quad<<6 | uint32(v)
		if d.n++; d.n == 4 {
			d.out[o], d.out[o+1], d.out[o+2] = byte(d.quad>>16), byte(d.quad>>8), byte(d.quad)
			d.n, d.quad = 0, 0
			if o += 3; o+6 > len(d.out) {
				if _, err := d.w.Write(d.out[:o]); err != nil {
					return err
				}
				o = 0
			}
		}
	}
	if o > 0 {
		if _, err := d.w.Write(d.out[:o]); err != nil {
			return err
		}
	}
	return nil
}

// decodeLine decodes the line behind padding, which is one encoded text or several.
func (d *base64Decoder) decodeLine() error {
	line := bytes.Trim(d.line, " \t\r")
	d.line = nil
	for len(line) > 0 {
		n := bytes.IndexByte(line, '=') + 1
		if n == 0 {
			n = len(line)
		}
		d.padded = false
		if err := d.decode(line[:n]); err != nil {
			return err
		}
		line = bytes.TrimLeft(line[n:], "=")
	}
	return nil
}

// tail writes the bytes of an incomplete group.
func (d *base64Decoder) tail(out []byte) int {
	switch d.n {
	case 2:
		out[0] = byte(d.quad >> 4)
		return 1
	case 3:
		out[0], out[1] = byte(d.quad>>10), byte(d.quad>>2)
		return 2
	}
	return 0
}

func pureBase64(b []byte) bool {
	b = bytes.Trim(b, " \t\r=")
	for _, c := range b {
		if base64Value[c] == notBase64 && c != '=' {
			return false
		}
	}
	return len(b) > 0
}

func (d *base64Decoder) Close() error {
	if d.unsure {
		p := d.decide()
		if d.plain {
			_, err := d.w.Write(p)
			return err
		}
		if err := d.decode(p); err != nil {
			return err
		}
	}
	if d.plain {
		return nil
	}
	if d.padded && pureBase64(d.line) {
		if err := d.decodeLine(); err != nil {
			return err
		}
	}
	if d.n >= 2 {
		var out [4]byte
		n := d.tail(out[:])
		_, err := d.w.Write(out[:n])
		return err
	}
	return nil
}

func (d *base64Decoder) fault() string {
	switch {
	case d.plain:
		return "labelled base64 but is not"
	case d.n == 1:
		return "base64 is cut off"
	case d.odd > 0 && d.odd*20 > d.chars:
		return "base64 is damaged"
	}
	return ""
}

// qpDecoder reads quoted-printable (RFC 2045 §6.7). What is no escape stays as it is.
type qpDecoder struct {
	w    io.Writer
	line []byte
}

func (d *qpDecoder) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			d.line = append(d.line, p...)
			if len(d.line) > 32<<10 {
				if err := d.flush(false); err != nil {
					return n, err
				}
			}
			break
		}
		d.line = append(d.line, p[:i+1]...)
		p = p[i+1:]
		if err := d.flush(true); err != nil {
			return n, err
		}
	}
	return n, nil
}

// flush decodes the line, or as much of it as is sure.
func (d *qpDecoder) flush(whole bool) error {
	in := d.line
	var end []byte
	if whole {
		body := bytes.TrimRight(in, "\r\n")
		end = in[len(body):]
		in = bytes.TrimRight(body, " \t") // added on the way, RFC 2045 §6.7 rule 3
		if bytes.HasSuffix(in, []byte("=")) {
			in, end = in[:len(in)-1], nil
		}
	}
	out := in[:0] // never longer than what it is made of
	i := 0
	for ; i < len(in); i++ {
		if in[i] != '=' {
			out = append(out, in[i])
			continue
		}
		if !whole && i+2 >= len(in) {
			break
		}
		if i+2 < len(in) && unhex(in[i+1]) >= 0 && unhex(in[i+2]) >= 0 {
			out = append(out, byte(unhex(in[i+1])<<4|unhex(in[i+2])))
			i += 2
			continue
		}
		// "=\r" inside: a soft break of a mail with odd line ends
		if j := i + 1; j < len(in) && in[j] == '\r' {
			i = j
			continue
		}
		out = append(out, '=')
	}
	rest := in[i:]
	if len(out) > 0 {
		if _, err := d.w.Write(out); err != nil {
			return err
		}
	}
	if len(end) > 0 {
		if _, err := d.w.Write(end); err != nil {
			return err
		}
	}
	d.line = d.line[:copy(d.line[:cap(d.line)], rest)]
	return nil
}

func (d *qpDecoder) Close() error {
	if len(d.line) == 0 {
		return nil
	}
	return d.flush(true)
}

func (d *qpDecoder) fault() string { return "" }

// uuDecoder reads what uuencode wrote, from its "begin" line to its "end" line.
type uuDecoder struct {
	w     io.Writer
	line  []byte
	name  string // that it was given
	begun bool
	done  bool
}

func (d *uuDecoder) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexAny(p, "\r\n")
		if i < 0 {
			if len(d.line) < 4096 {
				d.line = append(d.line, p...)
			}
			break
		}
		if len(d.line) < 4096 {
			d.line = append(d.line, p[:i]...)
		}
		p = p[i+1:]
		err := d.flush()
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (d *uuDecoder) flush() error {
	l := d.line
	d.line = d.line[:0]
	switch {
	case len(l) == 0 || d.done:
		return nil
	case !d.begun:
		d.name = uuBegin(l)
		d.begun = d.name != ""
		return nil
	case string(bytes.TrimSpace(l)) == "end":
		d.done = true
		return nil
	}
	_, err := d.w.Write(uuLine(l))
	return err
}

func (d *uuDecoder) Close() error { return d.flush() }
func (d *uuDecoder) fault() string {
	if !d.begun {
		return "uuencoded part without a beginning"
	}
	return ""
}

// uuBegin gives the file name of a "begin 644 name" line, "" for another line.
func uuBegin(l []byte) string {
	rest, ok := bytes.CutPrefix(l, []byte("begin "))
	if !ok {
		return ""
	}
	mode, name, ok := bytes.Cut(rest, []byte(" "))
	if !ok || len(mode) < 3 || len(mode) > 4 || len(bytes.Trim(mode, "01234567")) > 0 {
		return ""
	}
	return string(bytes.TrimSpace(name))
}

// uuFits tells whether a line may stand in a uuencoded file: its first character gives its length.
func uuFits(l []byte) bool {
	l = bytes.TrimRight(l, "\r")
	if len(l) == 0 || l[0] < ' ' || l[0] > '`' {
		return false
	}
	n := (int(l[0]-' ')&0x3f + 2) / 3 * 4
	for _, c := range l {
		if c < ' ' || c > '`' {
			return false
		}
	}
	return len(l) >= 1+n-2 && len(l) <= 1+n+2 // some add a checksum, some lose blanks
}

func uuLine(l []byte) []byte {
	n := int(l[0]-' ') & 0x3f
	out := make([]byte, 0, n+3)
	for i := 1; i < len(l) && len(out) < n; i += 4 {
		var q [4]byte
		for j := range q {
			if i+j < len(l) {
				q[j] = (l[i+j] - ' ') & 0x3f
			}
		}
		out = append(out, q[0]<<2|q[1]>>4, q[1]<<4|q[2]>>2, q[2]<<6|q[3])
	}
	return out[:min(n, len(out))]
}
