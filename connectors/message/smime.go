package message

import "bytes"

// cms unpacks the mail inside an opaque S/MIME signature (RFC 8551 §3.5.2: application/pkcs7-mime;
// smime-type=signed-data), as its bytes come. It reads as much ASN.1 as stands before the content,
// in DER or BER (RFC 5652 §5), and nothing of the signature: what the mail says is shown, not proven.
type cms struct {
	w  *walker
	of *part

	head   []byte // what has come of the beginning
	left   int64  // bytes of the content's piece to come
	chunks bool   // the content comes in several pieces
	found  bool
	over   bool
	sealed bool // encrypted

	inside *entity
}

const mostCMSHead = 4 << 10

// The content types that count, RFC 5652 §4 to §6, RFC 5083.
var (
	oidSigned    = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2}
	oidEnveloped = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3}
	oidAuthEnv   = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 23}
)

func (c *cms) feed(b []byte) {
	for len(b) > 0 && !c.over {
		if c.left > 0 {
			n := int(min(int64(len(b)), c.left))
			c.text(b[:n])
			c.left -= int64(n)
			b = b[n:]
			if c.left == 0 && !c.chunks {
				c.over = true
			}
			continue
		}
		// byte by byte: what stands before the content, or between its pieces, is short
		c.head = append(c.head, b[0])
		b = b[1:]
		whole := false
		if c.found {
			whole = c.piece(c.head)
		} else {
			whole = c.begin(c.head)
		}
		if whole {
			c.head = c.head[:0]
		} else if len(c.head) >= mostCMSHead {
			c.over = true
		}
	}
}

// tlv reads the tag and the length of an ASN.1 value; length is -1 where it is indefinite. whole is
// false if more bytes are needed.
func tlv(b []byte) (tag byte, length int64, rest []byte, whole bool) {
	if len(b) < 2 {
		return 0, 0, nil, false
	}
	tag, n := b[0], b[1]
	b = b[2:]
	switch {
	case n < 0x80:
		return tag, int64(n), b, true
	case n == 0x80:
		return tag, -1, b, true
	}
	k := int(n & 0x7f)
	if k > 6 {
		return 0, 0, b, true // no tag that anybody waits for
	}
	if len(b) < k {
		return 0, 0, nil, false
	}
	for _, c := range b[:k] {
		length = length<<8 | int64(c)
	}
	return tag, length, b[k:], true
}

// begin reads up to the content, and sets over where there is none to be had. whole is false if more
// bytes are needed.
func (c *cms) begin(b []byte) (whole bool) {
	step := func(want byte) (value []byte, ok bool) {
		tag, length, after, whole := tlv(b)
		if !whole {
			return nil, false
		}
		if tag != want {
			c.over = true
			return nil, false
		}
		if want == 0x06 || want == 0x02 || want == 0x31 {
			if length < 0 || length > mostCMSHead {
				c.over = true
				return nil, false
			}
			if int64(len(after)) < length {
				return nil, false
			}
			value, after = after[:length], after[length:]
		}
		b = after
		return value, true
	}
	if _, ok := step(0x30); !ok { // ContentInfo
		return false
	}
	kind, ok := step(0x06)
	if !ok {
		return false
	}
	if !bytes.Equal(kind, oidSigned) {
		c.sealed = bytes.Equal(kind, oidEnveloped) || bytes.Equal(kind, oidAuthEnv)
		c.over = true
		return false
	}
	for _, tag := range []byte{0xa0, 0x30, 0x02, 0x31, 0x30, 0x06, 0xa0} { // SignedData up to eContent
		if _, ok := step(tag); !ok {
			return false
		}
	}
	c.found = true
	return true
}

// piece reads the header of the content, or of its next piece.
func (c *cms) piece(b []byte) (whole bool) {
	tag, length, _, whole := tlv(b)
	switch {
	case !whole:
	case tag == 0x24: // constructed: pieces follow
		c.chunks = true
	case tag == 0x04 && length > 0:
		c.left = length
	case tag == 0x04 && length == 0 && c.chunks:
	default:
		c.over = true
	}
	return whole
}

// text takes content: a MIME entity, which is read in the place of the file that it is in.
func (c *cms) text(b []byte) {
	w := c.w
	if c.inside == nil {
		kid := &part{parent: c.of.parent}
		if kid.parent == nil {
			w.root = &part{role: multi, head: c.of.head, kind: mediaType{value: "multipart/mixed"}, kids: []*part{c.of}}
			kid.parent = w.root
		}
		kid.parent.kids = append(kid.parent.kids, kid)
		c.inside = w.within(reading{ahead: kid, header: &collector{limit: partHeader}})
	}
	c.inside.feed(b)
}

func (c *cms) end() {
	if c.inside != nil {
		c.inside.end()
	}
	if c.sealed {
		c.w.sealed = "S/MIME"
	}
}
