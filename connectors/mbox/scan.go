package mbox

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// entry is a mail in the file.
type entry struct {
	start  int64 // of its From line, or of whatever stands before the first one
	body   int64 // where the mail begins, its header first
	end    int64 // after its last line that is not empty
	digest string
	name   string    // the digest, and which of its twins it is
	at     time.Time // when it was delivered, by its From line; zero if that is not known
}

// scan brings entries up to date. Where mails were only appended, only they are read.
func (m *Mailbox) scan(f *os.File) error {
	if f == nil {
		m.seen, m.entries = nil, nil
		m.name()
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	old := m.seen
	if old != nil && os.SameFile(old, info) && old.Size() == info.Size() && old.ModTime().Equal(info.ModTime()) {
		return nil
	}
	m.seen = nil // until it has succeeded
	var kept []entry
	if n := len(m.entries); old != nil && n > 0 && os.SameFile(old, info) && info.Size() > old.Size() {
		kept = m.entries[:n-1]
		last := m.entries[n-1]
		added, err := scan(io.NewSectionReader(f, last.start, info.Size()-last.start), last.start)
		if err != nil {
			return err
		}
		if len(added) > 0 && added[0] == last.unnamed() { // else it was rewritten
			m.entries = append(slices.Clip(kept), added...)
			m.seen = info
			m.name()
			return nil
		}
	}
	if m.entries, err = scan(io.NewSectionReader(f, 0, info.Size()), 0); err != nil {
		return err
	}
	m.seen = info
	m.name()
	return nil
}

func (e entry) unnamed() entry {
	e.name = ""
	return e
}

// name gives each mail a name of its own.
func (m *Mailbox) name() {
	twins := map[string]int{}
	m.named = map[string]int{}
	for i := range m.entries {
		e := &m.entries[i]
		twins[e.digest]++
		e.name = e.digest
		if n := twins[e.digest]; n > 1 {
			e.name = fmt.Sprintf("%s#%d", e.digest, n)
		}
		m.named[e.name] = i
	}
}

// fromLine is what separates mails, after an empty line or at the file's beginning: "From ", who, and
// when in the form of asctime. "From now on" in a text that nobody has escaped is none.
var fromLine = regexp.MustCompile(`^From .*\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +` +
	`(\d{1,2}) +(\d{1,2}:\d\d(?::\d\d)?)((?: +(?:[A-Z]{2,5}|[-+]\d{4}))*) +(\d{4})((?: +(?:[A-Z]{2,5}|[-+]\d{4}))*) *\r?\n?$`)

// dated reads a From line's time; ok tells whether it is one. Without a zone, mail servers mean
// their own.
func dated(line []byte) (at time.Time, ok bool) {
	const longest = 1000
	if !bytes.HasPrefix(line, []byte("From ")) || len(line) > longest {
		return at, false
	}
	p := fromLine.FindSubmatch(line)
	if p == nil {
		return at, false
	}
	clock := string(p[4])
	if strings.Count(clock, ":") == 1 {
		clock += ":00"
	}
	day := fmt.Sprintf("%s %s %s %s", p[2], p[3], p[6], clock)
	for _, zone := range strings.Fields(string(p[5]) + " " + string(p[7])) {
		if at, err := time.Parse("Jan 2 2006 15:04:05 -0700", day+" "+zone); err == nil {
			return at.UTC(), true
		}
		if zone == "UTC" || zone == "GMT" {
			at, _ = time.Parse("Jan 2 2006 15:04:05", day)
			return at, true
		}
	}
	at, err := time.ParseInLocation("Jan 2 2006 15:04:05", day, time.Local)
	if err != nil {
		return time.Time{}, true
	}
	return at.UTC(), true
}

// scanner goes through a file.
type scanner struct {
	entries  []entry
	open     bool // the last entry is not yet at its end
	sum      hash.Hash
	blank    int  // empty lines that belong to the mail only if more comes
	header   bool // still in it
	skip     bool // in a header field that does not count
	internal int  // signs that it is a note of mail programs to themselves
}

// scan finds the mails of a file, whose first byte is at an offset. It needs no more memory for a
// large one than for a small one.
func scan(r io.Reader, offset int64) ([]entry, error) {
	s := &scanner{sum: sha256.New()}
	in := bufio.NewReaderSize(r, 64<<10)
	begin, afterBlank := true, true
	for {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 {
			whole := begin && line[len(line)-1] == '\n'
			at, from := time.Time{}, false
			if begin && afterBlank {
				at, from = dated(line)
				from = from || offset == 0 && bytes.HasPrefix(line, []byte("From "))
			}
			switch {
			case from:
				s.close()
				s.begin(offset, offset+int64(len(line)), at)
			default:
				s.line(line, begin, offset)
			}
			begin = line[len(line)-1] == '\n'
			afterBlank = whole && len(bytes.TrimRight(line, "\r\n")) == 0
			offset += int64(len(line))
		}
		switch {
		case errors.Is(err, io.EOF):
			s.close()
			return s.entries, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

func (s *scanner) begin(start, body int64, at time.Time) {
	s.entries = append(s.entries, entry{start: start, body: body, end: body, at: at})
	s.sum.Reset()
	s.open, s.header, s.skip, s.blank, s.internal = true, true, false, 0, 0
}

// line takes a line, or a part of a long one.
func (s *scanner) line(line []byte, begin bool, offset int64) {
	text := bytes.TrimRight(line, "\r\n")
	if begin && len(text) == 0 {
		if s.open {
			s.header = false
			s.blank++
		}
		return
	}
	if !s.open { // the file does not begin with a From line
		s.begin(offset, offset, time.Time{})
	}
	s.entries[len(s.entries)-1].end = offset + int64(len(line))
	if s.header && begin {
		s.field(text)
	}
	if s.skip && s.header {
		return
	}
	for ; s.blank > 0; s.blank-- {
		s.sum.Write([]byte{'\n'})
	}
	if line[len(line)-1] == '\n' {
		s.sum.Write(text)
		s.sum.Write([]byte{'\n'})
	} else {
		s.sum.Write(line)
	}
}

// field decides whether a header line counts. Those that mail programs keep for themselves do not.
func (s *scanner) field(text []byte) {
	if text[0] == ' ' || text[0] == '\t' {
		return // as the line before
	}
	field, value, _ := bytes.Cut(text, []byte{':'})
	name := strings.ToLower(string(field))
	s.skip = name == "status" || name == "content-length" || name == "lines" || strings.HasPrefix(name, "x-")
	if name == "x-imap" || name == "subject" && string(bytes.TrimSpace(value)) == internalSubject {
		s.internal++
	}
}

// internalSubject is that of the first mail in files that UW IMAP, Alpine or Dovecot have written.
const internalSubject = "DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA"

func (s *scanner) close() {
	if !s.open {
		return
	}
	s.open = false
	last := &s.entries[len(s.entries)-1]
	last.digest = hex.EncodeToString(s.sum.Sum(nil))
	if last.start == 0 && s.internal > 1 || last.end == last.body {
		s.entries = s.entries[:len(s.entries)-1] // no mail, or nothing at all
	}
}

// unescaped reads a mail of which lines that begin with "From " were escaped by one ">" (mboxrd). A
// file whose writer escapes only "From " itself (mboxo) gives the same, but for a quoted ">From ".
func unescaped(r io.Reader) io.Reader {
	return &unescaper{r: bufio.NewReaderSize(r, 64<<10), begin: true}
}

type unescaper struct {
	r     *bufio.Reader
	begin bool // of a line
	left  []byte
	err   error
}

func (u *unescaper) Read(p []byte) (int, error) {
	if len(u.left) == 0 && u.err == nil {
		var err error
		u.left, err = u.r.ReadSlice('\n')
		if !errors.Is(err, bufio.ErrBufferFull) {
			u.err = err
		}
		if u.begin && bytes.HasPrefix(u.left, []byte(">")) && bytes.HasPrefix(bytes.TrimLeft(u.left, ">"), []byte("From ")) {
			u.left = u.left[1:]
		}
		u.begin = bytes.HasSuffix(u.left, []byte("\n"))
	}
	if len(u.left) == 0 {
		return 0, u.err
	}
	n := copy(p, u.left)
	u.left = u.left[n:]
	return n, nil
}
