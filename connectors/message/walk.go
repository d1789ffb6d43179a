package message

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"sync"

	"groupmail/ticketing"
)

// walker goes through a mail line by line and builds its tree of parts.
type walker struct {
	head *header
	root *part
	reading

	parts  int
	files  []ticketing.Attachment
	nested []contained
	inside *walker // that read the first of them
	looked *int    // contained mails that were looked into, at all levels
	packed segment // the text in a winmail.dat
	sealed string  // how the mail is encrypted, if it is
	texts  int     // body texts so far
	plain  int     // room left for plain text
	html   int     // and for HTML
	faults []string
	digest hash.Hash
	lines  *bufio.Writer // on the way to digest
	size   int64
	level  int // mails around this one

	want   *sink // Attachment: where to
	wanted int
	found  bool
	enough bool
}

// reading is where the walk stands. It is changed for another while a file is read that holds a MIME
// entity itself.
type reading struct {
	open     []*part // multiparts whose end has not come
	shut     *part   // the last one whose end has
	leaf     *part   // being read
	header   *collector
	ahead    *part         // whose header is being read
	out      *bufio.Writer // of the leaf's decoder
	gap      []byte        // the line end before the current line: it belongs to a boundary, if that comes
	uuHead   []byte        // a line of the body that may begin a uuencoded file
	uu       *part         // that file, while it is read
	unpacked int           // files around, in each other
}

// entity is a MIME entity, or the parts of one, that stands encoded in the mail: it is read by the
// walker itself, from where in is.
type entity struct {
	w  *walker
	in reading
	by *splitter
}

func (w *walker) within(in reading) *entity {
	in.unpacked = w.unpacked + 1
	return &entity{w: w, in: in, by: newSplitter(lineBuffer, func(l line) bool {
		if w.header != nil {
			w.headerLine(l)
		} else {
			w.bodyLine(l)
		}
		return true
	})}
}

func (e *entity) feed(b []byte) {
	e.w.reading, e.in = e.in, e.w.reading
	e.by.feed(b)
	e.w.reading, e.in = e.in, e.w.reading
}

func (e *entity) end() {
	e.w.reading, e.in = e.in, e.w.reading
	e.by.end()
	e.w.endReading()
	e.w.reading, e.in = e.in, e.w.reading
}

func newWalker() *walker {
	w := &walker{plain: mostText, html: mostText, looked: new(int)}
	w.header = &collector{top: true, limit: mostHeader}
	return w
}

func (w *walker) fault(s string) {
	if s != "" && len(w.faults) < 10 && !slices.Contains(w.faults, s) {
		w.faults = append(w.faults, s)
	}
}

// read drives the walk over a whole mail.
func (w *walker) read(r io.Reader) error {
	bufs := buffers.Get().(*[2][lineBuffer]byte)
	defer buffers.Put(bufs)
	split := &splitter{buf: bufs[0][:0], out: w.line}
	buf := bufs[1][:]
	var err error
	for {
		var n int
		n, err = r.Read(buf)
		w.size += int64(n)
		split.feed(buf[:n])
		if err != nil || w.enough {
			break
		}
	}
	split.end()
	w.finish()
	if err == io.EOF {
		err = nil
	}
	return err
}

// buffers are those that reading needs and nothing keeps.
var buffers = sync.Pool{New: func() any { return new([2][lineBuffer]byte) }}

func (w *walker) line(l line) bool {
	if w.head != nil {
		w.hash(l)
	}
	if w.header != nil {
		w.headerLine(l)
	} else {
		w.bodyLine(l)
	}
	if w.want != nil && (w.want.err != nil || w.found && w.leaf == nil && w.uu == nil) {
		w.enough = true
	}
	return !w.enough
}

// hash adds a line of the body to the digest, its end as \n, so that transports agree.
func (w *walker) hash(l line) {
	if w.lines == nil {
		return
	}
	_, _ = w.lines.Write(l.text) // a hash takes everything
	if len(l.end) > 0 {
		_ = w.lines.WriteByte('\n')
	}
}

func (w *walker) headerLine(l line) {
	if w.head != nil && l.start && w.boundary(l) { // a part's header may be cut short by a boundary
		return
	}
	done, rest := w.header.line(l)
	if done {
		w.headerDone(rest)
	}
}

// headerDone begins the entity whose header is complete. rest are lines taken for header that are
// body.
func (w *walker) headerDone(rest []stray) {
	c := w.header
	w.header = nil
	h := c.finish()
	if w.head == nil {
		w.head = h
		if c.clipped {
			w.fault("header too long, clipped")
		}
		if len(h.fields) == 0 {
			w.fault("no header")
		} else if c.garbled {
			w.fault("header damaged")
		}
		for _, s := range rest {
			w.hash(line{s.text, s.end, true})
		}
	}
	p := w.ahead
	if p == nil {
		p = &part{}
		w.root = p
	}
	w.ahead = nil
	p.head = h
	w.begin(p)
	if e := p.head.lower("content-transfer-encoding"); len(rest) > 0 && strings.Contains(e, "base64") && p.role != multi {
		return // a line in the header is no base64
	}
	for _, s := range rest {
		w.bodyLine(line{s.text, s.end, true})
	}
}

// begin decides what the entity is and readies it for its body.
func (w *walker) begin(p *part) {
	w.parts++
	p.file = -1
	p.describe()
	if strings.HasPrefix(p.kind.value, "multipart/") && len(w.open) < mostDepth {
		p.role = multi
		p.bounds = nil
		if b := strings.TrimRight(p.kind.get("boundary"), " \t"); b != "" {
			p.bounds = append(p.bounds, b)
		}
		w.open = append(w.open, p)
		w.leaf = nil
		return
	}
	p.role = w.roleOf(p)
	w.leaf = p
	switch p.role {
	case body:
		w.texts++
		p.latent = p.kind.get("boundary")
	case file:
		if strings.HasPrefix(p.kind.value, "multipart/") {
			w.fault(fmt.Sprintf("nested deeper than %d", mostDepth))
		}
		w.beginFile(p)
	}
	w.decode(p)
}

// decode readies a leaf for its content.
func (w *walker) decode(p *part) {
	to := writerFunc(func(b []byte) error { return w.content(p, b) })
	if w.out == nil {
		w.out = bufio.NewWriterSize(to, 4<<10)
	} else {
		w.out.Reset(to)
	}
	p.dec = newDecoder(p.head.raw("content-transfer-encoding"), p.role == body, w.out)
}

// content takes decoded bytes of a leaf.
func (w *walker) content(p *part, b []byte) error {
	switch p.role {
	case ignored:
		if p.unpack != nil {
			p.unpack.feed(b)
		}
	case body:
		if w.want != nil {
			return nil
		}
		room := &w.plain
		if p.kind.value == "text/html" {
			room = &w.html
		}
		if len(b) > *room {
			p.clipped = true
			b = b[:*room]
		}
		*room -= len(b)
		if p.kept == nil {
			p.kept = make([]byte, 0, 8<<10)
		}
		p.kept = append(p.kept, b...)
	case file:
		if w.want != nil {
			if p.file == w.wanted {
				_, err := w.want.Write(b)
				return err
			}
			if p.unpack != nil {
				p.unpack.feed(b)
			}
			return w.want.err
		}
		if p.unpack != nil {
			p.unpack.feed(b)
		}
		p.n += int64(len(b))
		if p.sum != nil {
			p.sum.Write(b)
		}
		if p.into != nil {
			p.into.feed(b)
		}
		if p.sampled() && len(p.kept) < mostSample {
			p.kept = append(p.kept, b[:min(len(b), mostSample-len(p.kept))]...)
		}
	}
	return nil
}

type writerFunc func([]byte) error

func (f writerFunc) Write(p []byte) (int, error) { return len(p), f(p) }

// bodyLine gives a line to the part it belongs to.
func (w *walker) bodyLine(l line) {
	if l.start && w.boundary(l) {
		return
	}
	if w.leaf != nil {
		if w.leaf.latent != "" && l.start && w.multipartAfterAll(w.leaf, l) {
			return
		}
		if !w.inlineUU(l) {
			w.text(w.leaf, l.text, l.end)
		}
		return
	}
	// between the parts of a multipart, or before the first
	if n := len(w.open); n > 0 && !w.open[n-1].started {
		w.beforeParts(w.open[n-1], l)
	}
}

// multipartAfterAll corrects a text that states a boundary and begins with it.
func (w *walker) multipartAfterAll(p *part, l line) bool {
	t := bytes.TrimSpace(l.text)
	if len(t) == 0 {
		return false
	}
	b := p.latent
	p.latent = ""
	if string(t) != "--"+b || len(w.open) >= mostDepth {
		return false
	}
	w.gap = w.gap[:0]
	w.texts--
	p.role, p.bounds = multi, []string{b}
	p.kind.value = "multipart/mixed"
	w.open = append(w.open, p)
	w.startPart(p)
	return true
}

// inlineUU takes uuencoded files out of a plain text, where programs put them before there was
// MIME. It tells whether the line was such a file's.
func (w *walker) inlineUU(l line) bool {
	p := w.leaf
	if p.role != body || p.kind.value == "text/html" || !l.start && w.uu == nil {
		return false
	}
	if _, plain := p.dec.(*identity); !plain {
		return false
	}
	switch {
	case w.uu != nil:
		w.uu.feed(append(bytes.Clone(l.text), l.end...))
		if string(bytes.TrimSpace(l.text)) == "end" {
			w.endUU(p)
		}
		return true
	case w.uuHead != nil:
		head := w.uuHead
		w.uuHead = nil
		if uuFits(l.text) && w.parts < mostParts {
			w.parts++
			w.uu = &part{parent: p, head: &header{}, kind: mediaType{value: "application/octet-stream", params: []param{{"name", decodeWords(uuBegin(head))}}}, role: file}
			w.beginFile(w.uu)
			u := w.uu
			w.uu.dec = &uuDecoder{w: writerFunc(func(b []byte) error { return w.content(u, b) })}
			w.uu.feed(append(head, '\n'))
			w.uu.feed(append(bytes.Clone(l.text), l.end...))
			return true
		}
		w.text(p, head, []byte{'\n'})
		return w.inlineUU(l)
	case len(l.end) > 0 && len(l.text) < 300 && uuBegin(l.text) != "":
		w.uuHead = bytes.Clone(l.text)
		return true
	}
	return false
}

// endUU finishes a uuencoded file at its end, or where the text ends.
func (w *walker) endUU(p *part) {
	if w.uuHead != nil {
		w.text(p, w.uuHead, []byte{'\n'})
		w.uuHead = nil
	}
	if u := w.uu; u != nil {
		w.uu = nil
		u.dec.Close()
		w.endFile(u)
		if u.file == w.wanted && w.want != nil {
			w.enough = true
		}
	}
}

// text gives a line to a leaf, after the line end that was held back.
func (w *walker) text(p *part, text, end []byte) {
	if len(w.gap) > 0 {
		p.feed(w.gap)
	}
	p.feed(text)
	w.gap = append(w.gap[:0], end...)
}

// beforeParts keeps a multipart's preamble, and finds boundaries that were not announced: a line
// of two hyphens and something, with a part's header below it.
func (w *walker) beforeParts(p *part, l line) {
	if l.start && len(p.kept) == 0 && w.encodedParts(p, l) {
		return
	}
	if p.maybe != "" && l.start {
		name, _, ok := headerLine(l.text)
		if ok && strings.HasPrefix(name, "content-") || len(l.text) == 0 && len(p.bounds) == 0 {
			p.bounds = append(p.bounds, p.maybe)
			p.maybe = ""
			w.startPart(p)
			w.headerLine(l)
			return
		}
		p.maybe = ""
	}
	if t := bytes.TrimRight(l.text, " \t"); l.start && len(t) > 2 && len(t) < 200 && bytes.HasPrefix(t, []byte("--")) && len(bytes.Trim(t, "-")) > 0 {
		p.maybe = string(t[2:])
	}
	if n := len(l.text) + len(l.end); n <= w.plain {
		w.plain -= n
		p.kept = append(append(p.kept, l.text...), l.end...)
	}
}

// encodedParts tells by the first line of a multipart whether all of it was encoded, although that
// is not allowed (RFC 2045 §6.4), and reads it decoded. Most that state an encoding have none.
func (w *walker) encodedParts(p *part, l line) bool {
	const most = 3 // in each other
	t := bytes.TrimRight(l.text, " \t")
	if w.unpacked >= most || len(t) == 0 {
		return false
	}
	switch e := p.head.lower("content-transfer-encoding"); {
	case strings.Contains(e, "base64"):
		if !pureBase64(t) || len(t) < 20 || !looksText(looseBase64(string(t))) {
			return false
		}
	case strings.Contains(e, "quoted"):
		if !bytes.HasPrefix(t, []byte("--")) || !bytes.Contains(t, []byte("=3D")) {
			return false
		}
	default:
		return false
	}
	w.open = w.open[:len(w.open)-1]
	w.leaf = &part{role: ignored, head: p.head, unpack: w.within(reading{open: []*part{p}})}
	w.decode(w.leaf)
	w.text(w.leaf, l.text, l.end)
	return true
}

// boundary handles a line that delimits parts (RFC 2046 §5.1.1): of the innermost multipart that it
// fits, whose inner ones end with it.
func (w *walker) boundary(l line) bool {
	if len(w.open) == 0 && w.shut == nil || !bytes.HasPrefix(l.text, []byte("--")) || len(l.text) > 400 {
		return false
	}
	t := string(bytes.TrimRight(l.text[2:], " \t"))
	for _, last := range []bool{false, true} {
		name := t
		if last {
			var ok bool
			if name, ok = strings.CutSuffix(t, "--"); !ok {
				return false
			}
		}
		for i := len(w.open) - 1; i >= 0; i-- {
			if p := w.open[i]; slices.Contains(p.bounds, name) {
				w.endLeaf()
				w.open = w.open[:i+1]
				if last {
					p.started, w.shut = true, p
					w.open = w.open[:i]
					w.leaf, w.header, w.ahead = nil, nil, nil
				} else {
					w.startPart(p)
				}
				return true
			}
		}
		if p := w.shut; p != nil && !last && slices.Contains(p.bounds, name) && (p.parent == nil && len(w.open) == 0 || len(w.open) > 0 && w.open[len(w.open)-1] == p.parent) {
			// "--b--" between two parts: the multipart goes on
			w.endLeaf()
			w.open = append(w.open, p)
			w.startPart(p)
			return true
		}
	}
	return false
}

func (w *walker) startPart(p *part) {
	p.started = true
	w.plain += len(p.kept)
	p.kept = nil
	w.ahead, w.leaf, w.header = nil, nil, nil
	if w.parts >= mostParts {
		w.fault(fmt.Sprintf("more than %d parts", mostParts))
		return
	}
	kid := &part{parent: p}
	p.kids = append(p.kids, kid)
	w.ahead = kid
	w.header = &collector{limit: partHeader}
}

// endLeaf finishes the part being read, header or body.
func (w *walker) endLeaf() {
	if w.header != nil && w.ahead != nil {
		w.headerDone(w.header.end())
		if w.leaf == nil { // a multipart without body
			return
		}
	}
	p := w.leaf
	w.leaf = nil
	w.gap = w.gap[:0]
	if p == nil {
		return
	}
	w.endUU(p)
	p.dec.Close()
	w.out.Flush()
	if p.role == ignored {
		if p.unpack != nil {
			p.unpack.end()
		}
		return
	}
	if f := p.dec.fault(); f != "" {
		w.fault("part " + fmt.Sprint(w.parts) + ": " + f)
	}
	if p.role == file {
		w.endFile(p)
	}
}

// endFile completes the entry of an attachment.
func (w *walker) endFile(p *part) {
	if p.into != nil {
		p.into.end()
		p.inner.finish()
		c := p.inner.contained()
		if len(w.nested) == 0 {
			w.inside = p.inner
		}
		w.nested = append(w.nested, c)
		p.into, p.inner = nil, nil
		if w.files[p.file].Name == "" {
			w.files[p.file].Name = emlName(c.subject)
		}
	}
	if p.unpack != nil {
		p.unpack.end()
		p.unpack = nil
	}
	a := &w.files[p.file]
	if u, ok := p.dec.(*uuDecoder); ok && a.Name == "" {
		a.Name = fileName(decodeWords(u.name), "")
	}
	a.Size = p.n
	if p.sum != nil {
		a.SHA256 = hex.EncodeToString(p.sum.Sum(nil))
		p.sum = nil
	}
	if a.Name == "" {
		a.Name = defaultName(a.Type, p.file)
	}
}

func (w *walker) finish() {
	if w.header != nil && w.head == nil {
		w.headerDone(w.header.end())
	}
	w.endReading()
	if w.root != nil {
		w.rescue(w.root)
	}
}

// endReading ends what is open at the end of the stream.
func (w *walker) endReading() {
	if w.header != nil && w.ahead != nil {
		w.endLeaf()
	}
	if w.leaf != nil {
		w.endUU(w.leaf)
		if len(w.gap) > 0 {
			w.leaf.feed(w.gap)
		}
		w.endLeaf()
	}
	w.open = nil
}

// rescue makes a text of a multipart in which no part was found.
func (w *walker) rescue(p *part) {
	for _, k := range p.kids {
		w.rescue(k)
	}
	if p.role == multi && !p.started && len(bytes.TrimSpace(p.kept)) > 0 {
		p.role = body
		p.kind = mediaType{value: "text/plain"}
		w.fault("no parts found in a multipart")
		var b bytes.Buffer
		d := newDecoder(p.head.raw("content-transfer-encoding"), true, &b)
		if _, err := d.Write(p.kept); err == nil && d.Close() == nil {
			p.kept = b.Bytes()
		}
	}
}
