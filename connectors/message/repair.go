package message

import (
	"bytes"
	"strings"
)

// splitter cuts a stream into lines. A line ends with LF, CRLF or CR, also mixed, and with CR CR LF,
// which some gateways make of CRLF. Lines longer than the buffer come in pieces.
type splitter struct {
	buf []byte
	out func(line) bool // false: enough

	mid    bool // the next piece goes on with a line
	closed bool
}

// line is a line, or a piece of one. Its bytes are valid during the call only.
type line struct {
	text  []byte
	end   []byte // the line end as it came; empty if the line goes on, or the stream is over
	start bool   // text begins the line
}

func newSplitter(size int, out func(line) bool) *splitter {
	return &splitter{buf: make([]byte, 0, size), out: out}
}

// feed takes the next bytes; after out has said "enough" it drops them.
func (s *splitter) feed(p []byte) {
	for len(p) > 0 && !s.closed {
		k := min(cap(s.buf)-len(s.buf), len(p))
		s.buf = append(s.buf, p[:k]...)
		if len(s.buf) == cap(s.buf) || bytes.IndexByte(p[:k], '\n') >= 0 || bytes.IndexByte(p[:k], '\r') >= 0 {
			s.scan(false)
		}
		p = p[k:]
	}
}

// end says that the stream is over.
func (s *splitter) end() {
	if !s.closed {
		s.scan(true)
		s.closed = true
	}
}

func (s *splitter) scan(final bool) {
	b, pos := s.buf, 0
	lf, cr := -1, -1 // next of each at or after pos; len(b) if none
	for pos < len(b) {
		if lf < pos {
			if lf = bytes.IndexByte(b[pos:], '\n'); lf < 0 {
				lf = len(b)
			} else {
				lf += pos
			}
		}
		if cr < pos {
			if cr = bytes.IndexByte(b[pos:], '\r'); cr < 0 {
				cr = len(b)
			} else {
				cr += pos
			}
		}
		stop, end := lf, lf+1
		if cr < lf {
			stop, end = cr, cr+1
			run := cr
			for run < len(b) && b[run] == '\r' && run-cr < 3 {
				run++
			}
			switch {
			case run == len(b) && !final: // what follows the CR is not known yet
				if pos > 0 || len(b) < cap(b) {
					s.keep(b[pos:])
					return
				}
				if cr > 0 {
					if !s.emit(line{text: b[pos:cr]}) {
						return
					}
					s.keep(b[cr:])
					return
				}
			case run < len(b) && b[run] == '\n':
				end = run + 1
			}
		}
		if stop == len(b) {
			break
		}
		if !s.emit(line{text: b[pos:stop], end: b[stop:end]}) {
			return
		}
		pos = end
	}
	rest := b[pos:]
	if len(rest) > 0 && (final || pos == 0 && len(b) == cap(b)) {
		if !s.emit(line{text: rest}) {
			return
		}
		rest = nil
	}
	s.keep(rest)
}

func (s *splitter) keep(rest []byte) { s.buf = s.buf[:copy(s.buf[:cap(s.buf)], rest)] }

func (s *splitter) emit(l line) bool {
	l.start = !s.mid
	s.mid = len(l.end) == 0
	if !s.out(l) {
		s.closed = true
		return false
	}
	return true
}

// collector reads a header block line by line and repairs it: an mbox line or blank lines in front,
// lines that are no fields, fields that were not folded, a missing blank line, fields without end.
type collector struct {
	header
	top      bool
	size     int
	limit    int // bytes kept
	strays   []stray
	clipped  bool
	garbled  bool // something was left out or guessed
	begun    bool
	skipping bool // the field being read is not kept
}

// stray is a line that is no field: a piece of the field above, or the beginning of the body.
type stray struct{ text, end []byte }

const (
	mostFields     = 2000
	mostFieldBytes = 64 << 10
)

// line takes the next line. done says that the header is over; rest are lines that belong to the
// body already.
func (c *collector) line(l line) (done bool, rest []stray) {
	if !l.start {
		c.goOn(l.text)
		return false, nil
	}
	text := l.text
	blank := len(bytes.Trim(text, " \t")) == 0 && len(l.end) > 0
	if !c.begun {
		if c.top {
			text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
			if blank || mboxLine(text) {
				return false, nil
			}
		}
		c.begun = true
	}
	if len(text) == 0 && len(l.end) > 0 {
		if c.fieldLike() {
			c.mend()
		}
		rest = c.strays
		c.strays = nil
		if len(rest) > 0 {
			c.garbled = true
			// the blank line was text, too
			rest = append(rest, stray{nil, bytes.Clone(l.end)})
		}
		return true, rest
	}
	if len(c.fields) == 0 && len(c.strays) == 0 {
		// a first line that goes on with nothing
		if t := bytes.TrimLeft(text, " \t"); len(t) > 0 {
			if _, _, ok := headerLine(t); ok {
				text = t
			}
		}
	}
	if text[0] == ' ' || text[0] == '\t' {
		if len(c.strays) > 0 {
			return c.astray(l)
		}
		c.goOn(append([]byte{' '}, bytes.Trim(text, " \t")...))
		return false, nil
	}
	name, value, ok := headerLine(text)
	if ok && len(c.strays) > 0 {
		// After lines that are none, only a well-known field, and not one seen before, is a field;
		// and what has a hyphen in its name.
		if !knownFields[name] && !strings.Contains(name, "-") || c.has(name) && onlyOnce[name] {
			ok = false
		} else {
			c.mend()
		}
	}
	if !ok {
		if !c.top && len(c.fields) == 0 && len(c.strays) == 0 {
			// a part without header and without blank line
			c.garbled = true
			return true, []stray{{bytes.Clone(text), bytes.Clone(l.end)}}
		}
		if bytes.HasPrefix(text, []byte("--")) && (!c.top || c.announced()) {
			rest = append(c.strays, stray{bytes.Clone(text), bytes.Clone(l.end)})
			c.strays, c.garbled = nil, true
			return true, rest
		}
		return c.astray(l)
	}
	c.add(name, value)
	return false, nil
}

// mboxLine tells the line that stands in front of each mail of an mbox.
func mboxLine(text []byte) bool {
	if _, _, ok := headerLine(text); ok {
		return false
	}
	return bytes.HasPrefix(bytes.TrimPrefix(text, []byte(">")), []byte("From "))
}

// astray keeps a line that is no field until it is known what it was.
func (c *collector) astray(l line) (done bool, rest []stray) {
	if mboxLine(l.text) {
		c.skipping = true
		return false, nil
	}
	c.strays = append(c.strays, stray{bytes.Clone(l.text), bytes.Clone(l.end)})
	c.garbled = true
	const most = 3
	if len(c.strays) > most {
		rest, c.strays = c.strays, nil
		return true, rest
	}
	return false, nil
}

// fieldLike tells whether the strays before the blank line were meant for fields: the last has a
// name, if not a lawful one ("X Ä: value"), or a lawful one that a line without colon precedes.
func (c *collector) fieldLike() bool {
	if len(c.strays) == 0 || len(c.fields) < 3 {
		return false
	}
	last := c.strays[len(c.strays)-1].text
	if _, _, ok := headerLine(last); ok {
		return len(c.strays) == 2
	}
	name, _, ok := bytes.Cut(last, []byte(":"))
	return ok && len(c.strays) == 1 && len(name) < 40 && bytes.Count(name, []byte(" ")) < 2 && (len(last) == len(name)+1 || last[len(name)+1] != '/')
}

// mend takes the strays as what a field above should have folded.
func (c *collector) mend() {
	strays := c.strays
	c.strays = nil
	for _, s := range strays {
		if t := bytes.TrimSpace(s.text); len(c.fields) > 0 && bytes.IndexByte(t, ':') < 0 && !bytes.HasPrefix(t, []byte("--")) && !c.whole(t) {
			c.goOn(append([]byte{' '}, t...))
		}
	}
}

// announced tells whether a field has said that boundaries follow.
func (c *collector) announced() bool {
	f := c.find("content-type")
	return f != nil && bytes.Contains(bytes.ToLower(f.value), []byte("multipart"))
}

// whole tells whether the last field is complete without a line of words below it: a date, or an
// address to which the line adds none.
func (c *collector) whole(line []byte) bool {
	f := c.fields[len(c.fields)-1]
	switch f.name {
	case "date", "message-id", "mime-version", "content-transfer-encoding":
		return true
	case "from", "to", "cc", "sender", "reply-to", "return-path", "references", "in-reply-to":
		return bytes.IndexByte(f.value, '@') >= 0 && bytes.IndexByte(line, '@') < 0
	}
	return false
}

func (c *collector) add(name string, value []byte) {
	if len(c.fields) >= mostFields || c.size >= c.limit {
		c.clipped, c.skipping = true, true
		return
	}
	c.skipping = false
	c.size += len(name) + 40
	c.fields = append(c.fields, field{name: name})
	c.goOn(value)
}

// goOn appends to the last field.
func (c *collector) goOn(b []byte) {
	if n := len(c.strays); n > 0 {
		if s := &c.strays[n-1]; len(s.text) < mostFieldBytes {
			s.text = append(s.text, b...)
		}
		return
	}
	if len(c.fields) == 0 || c.skipping {
		return
	}
	f := &c.fields[len(c.fields)-1]
	room := min(mostFieldBytes-len(f.value), c.limit-c.size)
	if len(b) > room {
		b = b[:max(room, 0)]
		c.clipped, f.clipped = true, true
	}
	if len(f.value) == 0 {
		b = bytes.TrimLeft(b, " \t")
	}
	f.value = append(f.value, b...)
	c.size += len(b)
}

// end is called when the stream is over before the header was.
func (c *collector) end() (rest []stray) {
	rest, c.strays = c.strays, nil
	return rest
}

// finish tidies the fields.
func (c *collector) finish() *header {
	for i := range c.fields {
		v := c.fields[i].value
		if bytes.IndexByte(v, 0) >= 0 {
			v = bytes.ReplaceAll(v, []byte{0}, nil)
		}
		c.fields[i].value = bytes.Trim(v, " \t")
	}
	return &c.header
}

var (
	knownFields = words(`from to cc bcc subject date message-id in-reply-to references reply-to sender
		received return-path delivered-to mime-version content-type content-transfer-encoding
		content-disposition content-id content-description content-location content-language user-agent x-mailer
		importance priority x-priority list-id list-unsubscribe list-post precedence auto-submitted
		dkim-signature authentication-results arc-seal arc-message-signature arc-authentication-results
		received-spf x-spam-flag x-spam-status x-spam-score x-spam-level x-original-to envelope-to
		thread-topic thread-index accept-language x-originating-ip organization errors-to resent-from
		resent-to resent-date x-groupmail-id`)
	onlyOnce = words(`from to cc subject date message-id content-type`)
)

func words(s string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(s) {
		m[w] = true
	}
	return m
}
