package message

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// header is the header of a mail or of a part: the fields in their order, unfolded, as bytes.
type header struct {
	fields []field
	hint   string // charset of the text below it, for raw eight-bit fields
}

type field struct {
	name  string // lower case
	value []byte // unfolded, no blanks around it

	clipped bool // the end is missing
}

func (h *header) has(name string) bool { return h.find(name) != nil }

func (h *header) find(name string) *field {
	for i := range h.fields {
		if h.fields[i].name == name {
			return &h.fields[i]
		}
	}
	return nil
}

// raw is the first such field that is not empty, as bytes in a string.
func (h *header) raw(name string) string {
	for i := range h.fields {
		if h.fields[i].name == name && len(h.fields[i].value) > 0 {
			return string(h.fields[i].value)
		}
	}
	return ""
}

func (h *header) all(name string) []string {
	var list []string
	for i := range h.fields {
		if h.fields[i].name == name && len(h.fields[i].value) > 0 {
			list = append(list, string(h.fields[i].value))
		}
	}
	return list
}

// lower is a field's value for comparing with keywords.
func (h *header) lower(name string) string {
	return strings.ToLower(strings.TrimSpace(h.raw(name)))
}

// text is the field decoded, on one line.
func (h *header) text(name string) string {
	return oneLine(decodeWords(h.utf8(h.raw(name))))
}

// utf8 is s, perhaps raw eight-bit bytes, as UTF-8; encoded-words stay as they are.
func (h *header) utf8(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "\x1b") {
		return s
	}
	t, _ := decodeText([]byte(s), "", h.hint)
	return t
}

// decodeWords decodes the encoded-words of RFC 2047 wherever they stand, also glued together,
// inside quotes or with blanks in them. Adjacent words of one charset are joined before they are
// decoded, since programs split them inside characters.
func decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	var out strings.Builder
	var run []byte // bytes of the words so far, of one charset
	var charset, odd string
	flush := func() {
		if len(run) > 0 {
			t, _ := decodeText(run, charset, "")
			out.WriteString(t)
		}
		run, odd = nil, ""
	}
	for {
		i := strings.Index(s, "=?")
		if i < 0 {
			break
		}
		w, ok := cutWord(s[i:])
		if !ok {
			flush()
			out.WriteString(s[:i+2])
			s = s[i+2:]
			continue
		}
		if len(run) == 0 && odd == "" || strings.Trim(s[:i], " \t\r\n") != "" {
			flush()
			out.WriteString(s[:i])
		}
		if !strings.EqualFold(charset, w.charset) {
			flush()
		}
		charset = w.charset
		if w.base64 {
			// A word may end inside a group of four: the next one goes on with it.
			text := odd + dropNonBase64(w.text)
			odd = ""
			if !strings.HasSuffix(text, "=") && len(text)%4 != 0 && strings.HasPrefix(strings.TrimLeft(s[i+w.size:], " \t\r\n"), "=?") {
				odd = text[len(text)-len(text)%4:]
				text = text[:len(text)-len(odd)]
			}
			run = append(run, looseBase64(text)...)
		} else {
			run = append(run, decodeQ(w.text)...)
		}
		s = s[i+w.size:]
	}
	if odd != "" {
		run = append(run, looseBase64(odd)...)
	}
	flush()
	out.WriteString(s)
	return out.String()
}

type word struct {
	charset, text string
	base64        bool
	size          int
}

// cutWord reads one encoded-word at the beginning of s.
func cutWord(s string) (w word, ok bool) {
	a := strings.IndexByte(s[2:], '?')
	if a < 1 || a > 60 || strings.ContainsAny(s[2:2+a], " \t\r\n\"<>") {
		return w, false
	}
	w.charset, _, _ = strings.Cut(s[2:2+a], "*")
	rest := s[2+a+1:]
	if len(rest) < 2 || rest[1] != '?' {
		return w, false
	}
	switch rest[0] {
	case 'b', 'B':
		w.base64 = true
	case 'q', 'Q':
	default:
		return w, false
	}
	head := 2 + a + 3
	end := strings.Index(s[head:], "?=")
	switch {
	case end >= 0:
		// "=?utf-8?Q?really??=" ends in a question mark of its own
		for !w.base64 && strings.HasPrefix(s[head+end+1:], "?=") {
			end++
		}
		w.text, w.size = s[head:head+end], head+end+2
		// =?utf-8?q?a?=3D… : the mark is part of the text
		if !w.base64 && end+2 < len(s)-head && isHex2(s[head+end+2:]) && strings.Contains(s[head+end+2:], "?=") && !strings.Contains(s[head+end+2:head+end+2+strings.Index(s[head+end+2:], "?=")], "=?") {
			more := strings.Index(s[head+end+2:], "?=")
			w.text, w.size = s[head:head+end+2+more], head+end+2+more+2
		}
	case w.base64 && !strings.ContainsAny(strings.TrimSpace(s[head:]), " ?"):
		w.text, w.size = s[head:], len(s) // cut off before its end
	default:
		return w, false
	}
	return w, true
}

func isHex2(s string) bool { return len(s) >= 2 && unhex(s[0]) >= 0 && unhex(s[1]) >= 0 }

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func decodeQ(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '_':
			out = append(out, ' ')
		case s[i] == '=' && isHex2(s[i+1:]):
			out = append(out, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
		default:
			out = append(out, s[i])
		}
	}
	return out
}

func dropNonBase64(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && base64Value[byte(r)] != notBase64 || r == '=' {
			return r
		}
		return -1
	}, s)
}

// looseBase64 decodes what can be decoded, also several texts strung together.
func looseBase64(s string) []byte {
	var out []byte
	for run := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '=' }) {
		if len(run)%4 == 1 {
			run = run[:len(run)-1]
		}
		out, _ = base64.RawStdEncoding.AppendDecode(out, []byte(run))
	}
	return out
}

// mediaType is a Content-Type or a Content-Disposition, read as it may come: with parts missing,
// blanks and specials unquoted, parameters in every spelling that was ever in use.
type mediaType struct {
	value  string // lower case
	params []param
}

type param struct{ key, value string }

func (m mediaType) get(key string) string {
	for _, p := range m.params {
		if p.key == key {
			return p.value
		}
	}
	return ""
}

// parseMedia reads the value of a field. Values are decoded (RFC 2231, and RFC 2047 although it
// does not belong there).
func parseMedia(s string) mediaType {
	s = clip(s, 8<<10)
	head, rest, _ := strings.Cut(s, ";")
	var m mediaType
	const blanks = " \t\","
	head = strings.Trim(dropComments(head), blanks)
	if value, more := head, ""; head != "" {
		if i := strings.IndexAny(head, blanks); i >= 0 {
			value, more = head[:i], head[i:]
		}
		// "text/plain charset=utf-8": the semicolon was forgotten
		switch {
		case strings.Contains(value, "="):
			rest = head + ";" + rest
		case strings.Contains(more, "="):
			rest = more + ";" + rest
			fallthrough
		default:
			m.value = strings.ToLower(value)
		}
	}
	m.params = joinParams(cutParams(rest))
	return m
}

// dropComments takes (comments) out of s.
func dropComments(s string) string {
	if strings.IndexByte(s, '(') < 0 {
		return s
	}
	var b strings.Builder
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '(':
			depth++
		case s[i] == ')' && depth > 0:
			depth--
		case depth == 0:
			b.WriteByte(s[i])
		}
	}
	if depth > 0 {
		return s
	}
	return b.String()
}

// cutParams splits `; key=value; key="value"`.
func cutParams(s string) []param {
	var list []param
	for len(list) < 200 {
		blank := ""
		if strings.HasPrefix(s, "; ") {
			blank = " "
		}
		s = strings.TrimLeft(s, "; \t\r\n")
		if s == "" {
			return list
		}
		eq := strings.IndexByte(s, '=')
		semi := strings.IndexByte(s, ';')
		if eq < 0 || semi >= 0 && semi < eq {
			// No key: a semicolon inside an unquoted file name.
			piece := s
			if semi >= 0 {
				piece, s = s[:semi], s[semi:]
			} else {
				s = ""
			}
			if charsetOf(piece) != nil { // "text/html; iso-8859-1"
				list = append(list, param{"charset", strings.TrimSpace(piece)})
			} else if n := len(list); n > 0 && isName(list[n-1].key) && len(list[n-1].value) < 500 {
				list[n-1].value += ";" + blank + strings.TrimSpace(piece)
			}
			continue
		}
		p := param{key: strings.ToLower(strings.Trim(s[:eq], " \t\r\n\""))}
		if i := strings.LastIndexAny(p.key, " \t"); i >= 0 {
			p.key = p.key[i+1:]
		}
		s = strings.TrimLeft(s[eq+1:], " \t\r\n")
		if strings.HasPrefix(s, `"`) {
			p.value, s = cutQuoted(s, isName(p.key))
			// behind the quotes stands nothing, or a parameter whose semicolon was forgotten
			if t := strings.TrimLeft(s, " \t"); t != "" && t[0] != ';' {
				semi, eq := strings.IndexByte(t, ';'), strings.IndexByte(t, '=')
				switch {
				case eq >= 0 && (semi < 0 || eq < semi):
				default:
					if semi < 0 {
						semi = len(t)
					}
					if t[0] == '.' && isName(p.key) { // there was a quote inside the name
						p.value += t[:semi]
					}
					s = t[semi:]
				}
			}
		} else {
			end := strings.IndexByte(s, ';')
			if end < 0 {
				end = len(s)
			}
			p.value, s = strings.TrimSpace(s[:end]), s[end:]
			if !isName(p.key) {
				p.value = strings.TrimSpace(dropComments(p.value))
				// "charset=utf-8 format=flowed": again no semicolon
				if i := strings.IndexAny(p.value, " \t"); i >= 0 && strings.Contains(p.value[i:], "=") && p.key != "boundary" {
					p.value, s = p.value[:i], p.value[i:]+s
				}
			}
		}
		list = append(list, p)
	}
	return list
}

func isName(key string) bool {
	key, _, _ = strings.Cut(key, "*")
	return key == "name" || key == "filename"
}

// cutQuoted reads a quoted-string. In file names a backslash that quotes nothing is a separator of
// a Windows path.
func cutQuoted(s string, name bool) (value, rest string) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (!name || s[i+1] == '"' && strings.IndexByte(s[i+2:], '"') >= 0 || s[i+1] == '\\' && !strings.Contains(s, `:\`)):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			return b.String(), s[i+1:]
		default:
			b.WriteByte(s[i])
		}
	}
	// never closed: up to the next parameter
	value, rest, _ = strings.Cut(s[1:], ";")
	return strings.TrimSpace(value), rest
}

// joinParams joins the continuations of RFC 2231 and decodes.
func joinParams(raw []param) []param {
	var list []param
	type piece struct {
		n       int
		encoded bool
		value   string
	}
	pieces := map[string][]piece{}
	var order []string
	for _, p := range raw {
		key, ext, star := strings.Cut(p.key, "*")
		if !star {
			if key != "" {
				list = append(list, param{key, p.value})
			}
			continue
		}
		if pieces[key] == nil {
			order = append(order, key)
		}
		pc := piece{value: p.value, encoded: strings.HasSuffix(p.key, "*")}
		for _, c := range []byte(strings.TrimSuffix(ext, "*")) {
			if '0' <= c && c <= '9' && pc.n < 1000 {
				pc.n = pc.n*10 + int(c-'0')
			}
		}
		pieces[key] = append(pieces[key], pc)
	}
	for i := range list {
		if isName(list[i].key) || strings.Contains(list[i].value, "=?") {
			list[i].value = decodeWords(list[i].value)
		}
	}
	for _, key := range order {
		all := pieces[key]
		for i := 1; i < len(all); i++ { // few, and mostly in order
			for j := i; j > 0 && all[j-1].n > all[j].n; j-- {
				all[j-1], all[j] = all[j], all[j-1]
			}
		}
		var b []byte
		charset := ""
		for i, pc := range all {
			v := pc.value
			if pc.encoded {
				if i == 0 {
					if a, r, ok := strings.Cut(v, "'"); ok {
						if _, text, ok := strings.Cut(r, "'"); ok {
							charset, v = a, text
						}
					}
				}
				b = append(b, unpercent(v)...)
			} else {
				b = append(b, v...)
			}
		}
		value, _ := decodeText(b, charset, "")
		if strings.Contains(value, "=?") {
			value = decodeWords(value)
		}
		// The extended spelling is the better one of two (RFC 6266 §4.3 says so for HTTP).
		list = append([]param{{key, value}}, list...)
	}
	return list
}

func unpercent(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && isHex2(s[i+1:]) {
			out = append(out, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
		} else {
			out = append(out, s[i])
		}
	}
	return out
}

// messageIDs lists the ids of a field, without brackets.
func messageIDs(values []string) []string {
	var list []string
	seen := map[string]bool{}
	add := func(id string) {
		id = cleanID(id)
		if id != "" && !seen[id] {
			seen[id] = true
			list = append(list, id)
		}
	}
	for _, v := range values {
		v = decodeWords(v)
		if !strings.Contains(v, "<") {
			for _, f := range strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune(" \t,;>", r) }) {
				if strings.Contains(f, "@") || !strings.ContainsAny(strings.TrimSpace(v), " \t") {
					add(f)
				}
			}
			continue
		}
		for {
			_, rest, ok := strings.Cut(v, "<")
			if !ok {
				break
			}
			end := strings.IndexAny(rest, "<>")
			if end < 0 {
				add(rest)
				break
			}
			add(rest[:end])
			v = rest[end:]
		}
	}
	// A thread of thousands of mails needs its beginning and its end.
	const most = 200
	if len(list) > most {
		list = append(list[:1:1], list[len(list)-most+1:]...)
	}
	return list
}

func cleanID(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == '<' || r == '>' || unwanted(r) || bidi(r) || r == 0xfeff {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return clip(s, 998)
}

// clip cuts s to at most n bytes, not inside a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// parseDate reads a Date field: RFC 5322's form, and what is sent instead of it.
func parseDate(s string) time.Time {
	if t, err := time.Parse("Mon, 2 Jan 2006 15:04:05 -0700", s); err == nil && sane(t) {
		return t // the usual form
	}
	d := dateReader{month: -1, hour: -1}
	s = dropComments(strings.ToValidUTF8(clip(decodeWords(s), 300), ""))
	s = looseColon.ReplaceAllString(s, ":")
	s = asianDate.ReplaceAllString(s, "$1-$2-$3 ")
	for _, f := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \t,;\"'()\u00a0\u202f", r) }) {
		if !d.token(f) {
			break
		}
	}
	return d.time()
}

var (
	looseColon = regexp.MustCompile(`\s*:\s*`) // blanks may stand there, RFC 5322 §4.3
	asianDate  = regexp.MustCompile(`(\d{4})\s?[年년]\s?(\d{1,2})\s?[月월]\s?(\d{1,2})\s?[日일]`)
)

// dateReader takes the words of a date in whatever order they come; what it does not know it skips.
type dateReader struct {
	year, day      int
	month          int // -1 until known
	hour, min, sec int // hour is -1 until known
	zone           *time.Location
	offset         bool // zone is a number: "GMT +0100" means the number
}

// token takes a word. It gives false where the date is complete: what follows is junk.
func (d *dateReader) token(f string) bool {
	low := strings.ToLower(strings.Trim(f, "."))
	switch {
	case low == "":
	case d.hour >= 0 && (low == "am" || low == "pm" || low == "a.m" || low == "p.m"):
		if low[0] == 'p' && d.hour < 12 {
			d.hour += 12
		} else if low[0] == 'a' && d.hour == 12 {
			d.hour = 0
		}
	case d.hour < 0 && monthOf(low) >= 0: // "mar., 6 oct. 2026": the last one is the month
		d.month = monthOf(low)
	case d.month < 0 && monthOf(low) >= 0:
		d.month = monthOf(low)
	case d.clock(low):
	case d.hour >= 0 && d.zoneWord(f):
	case low[0] >= '0' && low[0] <= '9':
		d.number(low)
	}
	return d.zone == nil || d.year == 0 || !d.offset
}

// clock reads 10:00, 10:00:00.123, 9:5:7, 10.00.00, and 10:00:00+0100 or 10:00AM in one word.
func (d *dateReader) clock(s string) bool {
	sep := ":"
	if !strings.Contains(s, ":") && strings.Count(s, ".") == 2 && len(s) <= 8 && (d.month >= 0 || d.year > 0) {
		sep = "."
	}
	if d.hour >= 0 || !strings.Contains(s, sep) {
		return false
	}
	end := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != ':' && r != '.' })
	rest := ""
	if end >= 0 {
		s, rest = s[:end], s[end:]
	}
	p := strings.Split(s, sep)
	if len(p) < 2 || len(p) > 3 {
		return false
	}
	var n [3]int
	for i := range p {
		p[i], _, _ = strings.Cut(p[i], ".") // fractions of a second
		v, err := strconv.Atoi(p[i])
		if err != nil || len(p[i]) > 2 {
			return false
		}
		n[i] = v
	}
	if n[0] > 24 || n[1] > 59 || n[2] > 60 || n[0] == 24 && n[1]+n[2] > 0 {
		return false
	}
	d.hour, d.min, d.sec = n[0], n[1], n[2]
	if rest != "" {
		d.token(rest)
	}
	return true
}

// zoneWord reads +0100, +01:00, +1, GMT+01:00, and names. An offset outranks a name before it.
func (d *dateReader) zoneWord(s string) bool {
	s = strings.ToUpper(s)
	for _, p := range []string{"GMT", "UTC", "UT"} {
		if rest, ok := strings.CutPrefix(s, p); ok && rest != "" {
			s = rest
			break
		}
	}
	z, ok := zoneOf(s)
	offset := s[0] == '+' || s[0] == '-'
	if !ok || d.zone != nil && !offset {
		return false
	}
	d.zone, d.offset = z, offset
	return true
}

// number takes a day, a year, or all of a date in figures.
func (d *dateReader) number(s string) {
	if i := strings.IndexByte(s, 't'); i >= 6 && d.hour < 0 { // 2006-01-02T15:04:05Z
		d.number(s[:i])
		rest := s[i+1:]
		if len(rest) >= 6 && strings.Trim(rest[:6], "0123456789") == "" {
			rest = rest[:2] + ":" + rest[2:4] + ":" + rest[4:]
		}
		d.clock(rest)
		return
	}
	for _, sep := range []string{"-", "/", "."} {
		p := strings.Split(s, sep)
		if len(p) != 3 {
			continue
		}
		if d.month = monthOf(p[1]); d.month < 0 {
			d.month = figure(p[1]) - 1
		}
		switch {
		case len(p[0]) == 4:
			d.year, d.day = figure(p[0]), figure(p[2])
		case sep == "/": // as Americans write
			d.month, d.day, d.year = figure(p[0])-1, figure(p[1]), fullYear(p[2])
			if d.month > 11 {
				d.month, d.day = d.day-1, d.month+1
			}
		default:
			d.day, d.year = figure(p[0]), fullYear(p[2])
		}
		return
	}
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz.") // 2nd, 2.
	n := figure(digits)
	switch {
	case n < 0:
	case len(digits) == 8 && d.year == 0:
		d.year, d.month, d.day = n/10000, n/100%100-1, n%100
	case d.day == 0 && len(digits) <= 2:
		d.day = n
	case d.year == 0 && d.day > 0 && len(digits) <= 4:
		d.year = fullYear(digits)
	case d.year == 0 && len(digits) == 4:
		d.year = n
	case d.hour < 0 && len(digits) == 4 && n < 2400 && n%100 < 60: // military time
		d.hour, d.min = n/100, n%100
	}
}

// fullYear reads a year of two or three digits as RFC 5322 §4.3 says.
func fullYear(s string) int {
	n := figure(s)
	switch {
	case len(s) == 2 && n >= 0 && n < 50:
		return n + 2000
	case (len(s) == 2 || len(s) == 3) && n >= 0:
		return n + 1900
	}
	return n
}

// figure is a whole number, -1 for what is none.
func figure(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || len(s) > 9 {
		return -1
	}
	return n
}

func (d *dateReader) time() time.Time {
	if d.year <= 0 || d.month < 0 || d.month > 11 || d.day < 1 || d.day > 31 {
		return time.Time{}
	}
	zone := d.zone
	if zone == nil {
		zone = time.UTC
	}
	t := time.Date(d.year, time.Month(d.month+1), d.day, max(d.hour, 0), d.min, d.sec, 0, zone)
	if time.Date(d.year, time.Month(d.month+1), d.day, 12, 0, 0, 0, time.UTC).Day() != d.day || !sane(t) {
		return time.Time{}
	}
	return t
}

func sane(t time.Time) bool { return t.Year() >= 1969 && t.Year() < 2200 }

// monthOf is the month of a name, 0 to 11: its English beginning, or another language's name as
// mail programs write it into Date although they must not. -1 is none.
func monthOf(s string) int {
	s = strings.ToLower(strings.Trim(s, "."))
	if n, ok := figureMonth(s); ok {
		return n - 1
	}
	if len(s) < 3 || len(s) > 24 {
		return -1
	}
	for i, m := range [...]string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"} {
		if strings.HasPrefix(m, s) {
			return i
		}
	}
	if n, ok := foreignMonths[s]; ok {
		return n - 1
	}
	return -1
}

// figureMonth reads 3月 and 三月.
func figureMonth(s string) (int, bool) {
	n, ok := strings.CutSuffix(s, "月")
	if !ok {
		n, ok = strings.CutSuffix(s, "월")
	}
	if i := slices.Index([]string{"一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二"}, n); ok && i >= 0 {
		return i + 1, true
	}
	f := figure(n)
	return f, ok && 1 <= f && f <= 12
}

var foreignMonths = map[string]int{
	"sept": 9, "januar": 1, "janv": 1, "janvier": 1, "ene": 1, "enero": 1, "gen": 1, "gennaio": 1, "januari": 1, "stycznia": 1,
	"februar": 2, "févr": 2, "fév": 2, "fev": 2, "février": 2, "febrero": 2, "febbraio": 2, "februari": 2, "fevereiro": 2, "lutego": 2,
	"mär": 3, "märz": 3, "mrz": 3, "mars": 3, "marzo": 3, "março": 3, "maart": 3, "mrt": 3, "marca": 3,
	"avr": 4, "avril": 4, "abr": 4, "abril": 4, "aprile": 4, "kwi": 4, "kwietnia": 4,
	"mai": 5, "mei": 5, "mag": 5, "maggio": 5, "mayo": 5, "maio": 5, "maj": 5, "maja": 5,
	"juin": 6, "juni": 6, "junio": 6, "giu": 6, "giugno": 6, "junho": 6, "cze": 6, "czerwca": 6,
	"juil": 7, "juillet": 7, "juli": 7, "julio": 7, "lug": 7, "luglio": 7, "julho": 7, "lip": 7, "lipca": 7,
	"août": 8, "aou": 8, "aoû": 8, "ago": 8, "agosto": 8, "sie": 8, "sierpnia": 8, "augusti": 8, "augustus": 8,
	"septembre": 9, "septiembre": 9, "set": 9, "settembre": 9, "setembro": 9, "wrz": 9, "września": 9,
	"okt": 10, "oktober": 10, "octobre": 10, "octubre": 10, "ott": 10, "ottobre": 10, "out": 10, "outubro": 10, "paź": 10, "października": 10,
	"novembre": 11, "noviembre": 11, "novembro": 11, "lis": 11, "listopada": 11,
	"dez": 12, "dezember": 12, "déc": 12, "décembre": 12, "dic": 12, "diciembre": 12, "dicembre": 12, "dezembro": 12, "gru": 12, "grudnia": 12, "desember": 12,
	"янв": 1, "января": 1, "фев": 2, "февр": 2, "февраля": 2, "мар": 3, "март": 3, "марта": 3, "апр": 4, "апреля": 4, "май": 5, "мая": 5, "июн": 6, "июня": 6,
	"июл": 7, "июля": 7, "авг": 8, "августа": 8, "сен": 9, "сент": 9, "сентября": 9, "окт": 10, "октября": 10, "ноя": 11, "нояб": 11, "ноября": 11, "дек": 12, "декабря": 12,
	"ιαν": 1, "φεβ": 2, "μαρ": 3, "απρ": 4, "μαϊ": 5, "μαΐ": 5, "ιουν": 6, "ιουλ": 7, "αυγ": 8, "σεπ": 9, "οκτ": 10, "νοε": 11, "δεκ": 12,
	"oca": 1, "ocak": 1, "şub": 2, "şubat": 2, "mart": 3, "nis": 4, "nisan": 4, "mayıs": 5, "haz": 6, "haziran": 6, "tem": 7, "temmuz": 7, "ağu": 8, "ağustos": 8, "eyl": 9, "eylül": 9, "eki": 10, "ekim": 10, "kas": 11, "kasım": 11, "ara": 12, "aralık": 12,
}

func zoneOf(s string) (*time.Location, bool) {
	if len(s) > 1 && (s[0] == '+' || s[0] == '-') {
		h, m, colon := strings.Cut(s[1:], ":")
		if !colon {
			if len(h) > 2 {
				h, m = h[:len(h)-2], h[len(h)-2:]
			} else {
				m = "0"
			}
		}
		hours, minutes := figure(h), figure(m)
		if hours < 0 || minutes < 0 || len(h) > 2 || len(m) > 2 {
			return nil, false
		}
		sec := hours*3600 + minutes*60
		if s[0] == '-' {
			sec = -sec
		}
		if sec > 16*3600 || sec < -16*3600 {
			return time.UTC, true
		}
		return time.FixedZone("", sec), true
	}
	hours, ok := map[string]int{"Z": 0, "GMT": 0, "UTC": 0, "UT": 0, "WET": 0, "BST": 1, "CET": 1, "MEZ": 1, "WEST": 1, "CEST": 2, "MESZ": 2, "MEST": 2, "MET": 1, "EET": 2, "EEST": 3, "MSK": 3,
		"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "JST": 9, "KST": 9, "HKT": 8, "HST": -10, "AKST": -9, "AKDT": -8, "NZST": 12, "NZDT": 13, "SGT": 8, "AEST": 10, "AEDT": 11}[s]
	if !ok {
		return nil, false
	}
	return time.FixedZone("", hours*3600), true
}

// headerLine splits "Name: value". ok is false for what is no header line.
func headerLine(line []byte) (name string, value []byte, ok bool) {
	i := bytes.IndexByte(line, ':')
	if i < 1 || i > 200 {
		return "", nil, false
	}
	n := bytes.TrimRight(line[:i], " \t")
	for _, c := range n {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;\"/[]?={}`, c) >= 0 {
			return "", nil, false
		}
	}
	name = strings.ToLower(string(n))
	if name == "" || (name == "http" || name == "https") && bytes.HasPrefix(line[i:], []byte("://")) {
		return "", nil, false
	}
	return name, bytes.Trim(line[i+1:], " \t"), true
}
