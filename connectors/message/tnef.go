package message

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// tnef unpacks winmail.dat, Outlook's own envelope (MS-OXTNEF), as its bytes come: its files are
// listed behind it and their data is passed on, never held. What must be held, properties and texts,
// is bounded.
type tnef struct {
	w     *walker
	of    *part
	depth int // envelopes around this one

	valid bool // it has begun as it must
	state int
	head  []byte // signature, attribute header or checksum so far
	id    uint32 // of the attribute
	left  int64  // bytes of its data to come
	kept  []byte // its data
	over  bool   // too long to be kept

	charset string // of its eight-bit strings
	plain   string
	html    string
	rtf     []byte
	ansi    []byte // attBody, until the code page is known

	begun  bool // an attachment
	file   *part
	name   string
	kind   string
	cid    string
	object []byte // an embedded message
}

const (
	tnefSignature = 0x223e9f78
	tnefKept      = 4 << 20 // bytes of one attribute: an embedded message may be as long
	tnefDepth     = 3
)

// Attributes, MS-OXTNEF §2.1.3.
const (
	attBody           = 0x0002800c
	attAttachData     = 0x0006800f
	attAttachTitle    = 0x00018010
	attAttachRendData = 0x00069002
	attMAPIProps      = 0x00069003
	attAttachment     = 0x00069005
	attOemCodepage    = 0x00069007
)

const (
	tnefStart = iota
	tnefHeader
	tnefData
	tnefChecksum
	tnefOver // nothing more to be had
)

func (t *tnef) feed(b []byte) {
	for len(b) > 0 && t.state != tnefOver {
		if t.state == tnefData {
			n := int(min(int64(len(b)), t.left))
			t.data(b[:n])
			t.left -= int64(n)
			b = b[n:]
		} else {
			need := map[int]int{tnefStart: 6, tnefHeader: 9, tnefChecksum: 2}[t.state]
			n := min(need-len(t.head), len(b))
			t.head = append(t.head, b[:n]...)
			b = b[n:]
			if len(t.head) < need {
				return
			}
			t.next()
			t.head = t.head[:0]
		}
		if t.state == tnefData && t.left == 0 {
			t.attribute()
			t.kept, t.over = nil, false
			t.state = tnefChecksum
		}
	}
}

// next goes on after a signature, a header or a checksum.
func (t *tnef) next() {
	le := binary.LittleEndian
	switch t.state {
	case tnefStart:
		t.state = tnefHeader
		t.valid = le.Uint32(t.head) == tnefSignature
		if !t.valid {
			t.state = tnefOver
			if t.depth == 0 {
				t.w.fault("winmail.dat is none")
			}
		}
	case tnefHeader:
		t.id, t.left = le.Uint32(t.head[1:]), int64(le.Uint32(t.head[5:]))
		t.state = tnefData
		switch {
		case t.head[0] != 1 && t.head[0] != 2:
			t.w.fault("winmail.dat is damaged")
			t.state = tnefOver
		case t.id == attAttachRendData:
			t.endFile()
			t.begun = true
		case t.id == attAttachData && t.file == nil:
			t.beginFile()
		}
	case tnefChecksum:
		t.state = tnefHeader
	}
}

func (t *tnef) data(b []byte) {
	switch t.id {
	case attAttachData:
		if t.file != nil {
			_ = t.w.content(t.file, b) // the sink keeps its error
		}
	case attBody, attAttachTitle, attMAPIProps, attAttachment, attOemCodepage:
		if t.over = t.over || len(t.kept)+len(b) > tnefKept; !t.over {
			t.kept = append(t.kept, b...)
		}
	}
}

// attribute takes one whose data is complete.
func (t *tnef) attribute() {
	if t.over {
		t.w.fault("a part of winmail.dat is too long to be unpacked")
		return
	}
	switch t.id {
	case attOemCodepage:
		if len(t.kept) >= 4 {
			t.charset = codePage(binary.LittleEndian.Uint32(t.kept))
		}
	case attBody:
		t.ansi = t.kept
	case attAttachTitle:
		t.name = t.text(t.kept)
	case attMAPIProps:
		for _, p := range mapiProps(t.kept) {
			switch p.id {
			case 0x3fde: // PR_INTERNET_CPID
				if len(p.value) >= 4 && t.charset == "" {
					t.charset = codePage(binary.LittleEndian.Uint32(p.value))
				}
			case 0x1000: // PR_BODY
				t.plain = t.string(p)
			case 0x1013: // PR_HTML
				t.html = t.string(p)
			case 0x1009: // PR_RTF_COMPRESSED
				t.rtf = unpackRTF(p.value)
			}
		}
	case attAttachment:
		for _, p := range mapiProps(t.kept) {
			switch p.id {
			case 0x3707, 0x3704: // PR_ATTACH_LONG_FILENAME, PR_ATTACH_FILENAME
				if s := t.string(p); p.id == 0x3707 && s != "" || t.name == "" {
					t.name = s
				}
			case 0x3001: // PR_DISPLAY_NAME
				if t.name == "" {
					t.name = t.string(p)
				}
			case 0x370e: // PR_ATTACH_MIME_TAG
				t.kind = mendType(strings.ToLower(t.string(p)))
			case 0x3712: // PR_ATTACH_CONTENT_ID
				t.cid = cleanID(t.string(p))
			case 0x3701: // PR_ATTACH_DATA_OBJ
				t.object = p.value
				if p.kind == 0x0d && len(t.object) >= 16 {
					t.object = t.object[16:] // the class of the object stands first
				}
			}
		}
	}
}

func (t *tnef) text(b []byte) string {
	s, _ := decodeText([]byte(strings.TrimRight(string(b), "\x00")), t.charset, "")
	return s
}

func (t *tnef) string(p mapiProp) string {
	if p.kind == 0x1f {
		return strings.TrimRight(wide(2, binary.LittleEndian)(p.value), "\x00")
	}
	return t.text(p.value)
}

// end is called after the last byte.
func (t *tnef) end() {
	if t.state == tnefData || t.state == tnefHeader && len(t.head) > 0 {
		t.w.fault("winmail.dat is cut off")
	}
	t.endFile()
	if t.plain == "" {
		t.plain = t.text(t.ansi)
	}
	if s := string(t.rtf); s != "" && t.html == "" {
		if strings.Contains(clip(s, 4<<10), `\fromhtml`) {
			t.html = rtfText(s, true)
		} else if strings.TrimSpace(t.plain) == "" {
			t.plain = rtfText(s, false)
		}
	}
	t.plain, t.html = cleanText(clip(t.plain, mostText)), cleanText(clip(t.html, mostText))
	if t.depth == 0 && t.w.packed.blank() {
		t.w.packed = segment{plain: t.plain, html: t.html}
	}
}

func (t *tnef) beginFile() {
	if t.w.parts >= mostParts {
		t.w.fault(fmt.Sprintf("more than %d parts", mostParts))
		return
	}
	t.w.parts++
	t.file = &part{parent: t.of, head: &header{}, kind: mediaType{value: "application/octet-stream"}, role: file}
	t.w.beginFile(t.file)
}

// endFile completes an attachment, whose name and type come after its data.
func (t *tnef) endFile() {
	if t.begun {
		t.embedded()
	}
	if f := t.file; f != nil {
		a := &t.w.files[f.file]
		a.Name, a.ContentID = fileName(oneLine(t.name), ""), t.cid
		if t.kind != "" {
			a.Type = t.kind
		}
		t.w.endFile(f)
	}
	t.begun, t.file, t.name, t.kind, t.cid, t.object = false, nil, "", "", "", nil
}

// embedded unpacks a message that was attached: its files follow on, its text is a file.
func (t *tnef) embedded() {
	if t.file != nil || len(t.object) == 0 {
		return
	}
	if t.depth < tnefDepth {
		in := &tnef{w: t.w, of: t.of, depth: t.depth + 1, charset: t.charset}
		in.feed(t.object)
		if in.valid {
			in.end()
			text, kind, ending := in.plain, "text/plain", ".txt"
			if strings.TrimSpace(text) == "" && in.html != "" {
				text, kind, ending = in.html, "text/html", ".html"
			}
			if t.beginFile(); t.file != nil {
				t.name, t.kind = strings.TrimSpace(t.name)+ending, kind
				_ = t.w.content(t.file, []byte(text)) // the sink keeps its error
			}
			return
		}
	}
	if t.beginFile(); t.file != nil {
		_ = t.w.content(t.file, t.object)
	}
}

type mapiProp struct {
	kind, id uint16
	value    []byte
}

// mapiProps reads a list of MAPI properties (MS-OXTNEF §2.1.3.4), as far as it is whole. Of those
// with several values it gives the first.
func mapiProps(b []byte) []mapiProp {
	var list []mapiProp
	whole := true
	take := func(n int) []byte {
		if n < 0 || n > len(b) {
			whole = false
			return nil
		}
		v := b[:n]
		b = b[n:]
		return v
	}
	number := func() int {
		v := take(4)
		if v == nil {
			return 0
		}
		n := binary.LittleEndian.Uint32(v)
		if n > 1<<30 {
			whole = false
			return 0
		}
		return int(n)
	}
	padded := func(n int) []byte { return take((n + 3) &^ 3) }
	for range number() {
		h := take(4)
		if !whole {
			break
		}
		p := mapiProp{kind: binary.LittleEndian.Uint16(h), id: binary.LittleEndian.Uint16(h[2:])}
		if p.id >= 0x8000 { // named
			take(16)
			if number() == 0 {
				take(4)
			} else {
				padded(number())
			}
		}
		several := p.kind&0x1000 != 0
		p.kind &^= 0x1000
		var size int
		switch p.kind {
		case 0x02, 0x03, 0x04, 0x0a, 0x0b:
			size = 4
		case 0x05, 0x06, 0x07, 0x14, 0x40:
			size = 8
		case 0x48:
			size = 16
		case 0x0d, 0x1e, 0x1f, 0x102:
			size = -1
		case 0x00, 0x01:
		default:
			return list
		}
		n := 1
		if several || size < 0 {
			n = number()
		}
		for i := 0; i < n && whole; i++ {
			length := size
			if size < 0 {
				length = number()
			} else if size == 0 {
				break
			}
			v := padded(length)
			if i == 0 && whole {
				p.value = v[:length]
			}
		}
		if whole && p.id < 0x8000 {
			list = append(list, p)
		}
	}
	return list
}

// codePage is the charset label of a Windows code page.
func codePage(n uint32) string {
	switch n {
	case 65001:
		return "utf-8"
	case 65000:
		return "utf-7"
	case 1200:
		return "utf-16le"
	case 20127:
		return "us-ascii"
	case 20866:
		return "koi8-r"
	case 21866:
		return "koi8-u"
	case 50220, 50221, 50222:
		return "iso-2022-jp"
	case 50225:
		return "iso-2022-kr"
	case 20932, 51932:
		return "euc-jp"
	case 51949:
		return "euc-kr"
	case 54936:
		return "gb18030"
	case 28605:
		return "iso-8859-15"
	}
	if 28591 <= n && n <= 28599 {
		return fmt.Sprintf("iso-8859-%d", n-28590)
	}
	return fmt.Sprintf("cp%d", n)
}
