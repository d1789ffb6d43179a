package message

import (
	"strings"
	"unicode"

	"groupmail/ticketing"
)

// addresses reads the address lists of a field. It never fails: what holds no address comes back as
// a name alone, what holds several, or in odd form, as the best reading.
//
// Only raw eight-bit bytes must be decoded in what comes in: encoded-words may hold commas and
// brackets that separate nothing, so they are decoded here, after splitting.
func addresses(values []string) []ticketing.Address {
	var list []ticketing.Address
	for _, v := range values {
		p := addressParser{s: unfoldWords(v)}
		p.run()
		list = append(list, p.list...)
		if len(list) >= mostAddresses {
			return list[:mostAddresses]
		}
	}
	return list
}

const mostAddresses = 2000

// unfoldWords drops line breaks that a broken program left.
func unfoldWords(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == 0 {
			return ' '
		}
		return r
	}, s)
}

type addressParser struct {
	s    string
	list []ticketing.Address

	// of the address being read
	words   strings.Builder // display name, or a bare address
	quoted  bool            // words hold a quoted-string
	angle   string
	behind  strings.Builder // words after the angle
	comment strings.Builder
	begun   bool
	carry   string // a piece before a comma that may belong to the name: "Doe, John <…>"

	// a quote, comment or bracket was never closed: later ones are not looked for
	noQuotes, noComments, noAngles bool
}

func (p *addressParser) run() {
	s := p.s
	for i := 0; i < len(s); {
		if w, ok := closedWord(s[i:]); ok && p.angle == "" {
			// what stands in an encoded-word separates nothing
			p.words.WriteString(s[i : i+w])
			p.begun = true
			i += w
			continue
		}
		switch c := s[i]; c {
		case '"':
			if p.noQuotes {
				i++
				continue
			}
			text, n := quotedString(s[i:])
			if n == 0 {
				p.noQuotes = true
				continue
			}
			if i+n < len(s) && s[i+n] == '@' { // "john doe"@example.com
				p.words.WriteString(s[i : i+n])
			} else if p.angle != "" {
				p.behind.WriteString(" " + text)
			} else {
				p.word(text)
				p.quoted = true
			}
			p.begun = true
			i += n
		case '(':
			if p.noComments {
				if p.angle == "" {
					p.words.WriteByte(c)
				} else {
					p.behind.WriteByte(c)
				}
				i++
				continue
			}
			text, n := commentText(s[i:])
			if n == 0 {
				p.noComments = true
				continue
			}
			p.comment.WriteString(" " + text)
			i += n
		case '<':
			end, inner := -1, ""
			if !p.noAngles {
				end = strings.IndexByte(s[i:], '>')
			}
			if end < 0 {
				p.noAngles = true // up to the next separator
				end = strings.IndexAny(s[i:], ",;")
				if end < 0 {
					end = len(s) - i
				}
				inner = s[i+1 : i+end]
				i += end
			} else {
				inner = s[i+1 : i+end]
				i += end + 1
			}
			inner = strings.Trim(inner, "< \t")
			if a := angleAddr(inner); a != "" {
				if p.angle != "" { // "A <a@b> C <c@d>": the comma was forgotten
					next := p.behind.String()
					p.behind.Reset()
					p.end(true)
					p.words.WriteString(next)
				}
				p.angle = a
			} else if p.angle == "" && strings.TrimSpace(inner) != "" && (strings.TrimLeft(p.words.String(), " \t") == "" || strings.Contains(p.words.String(), "@")) {
				p.word(inner) // "<Maria>" alone is a name; "Postmaster <postmaster>" needs no second one
			}
			p.begun = true
			for i < len(s) && s[i] == '>' {
				i++
			}
		case ',':
			p.end(true)
			i++
		case ';':
			p.end(false)
			i++
		case ':':
			// "Team: a@b, c@d;" opens a group; "mailto:a@b" does not
			w := strings.TrimSpace(p.words.String())
			switch {
			case p.angle == "" && strings.EqualFold(w, "mailto"):
				p.words.Reset()
			case p.angle == "" && !strings.Contains(w, "@") && !p.quotedAddress() && (w != "" || p.quoted):
				p.reset()
			case p.angle == "":
				p.words.WriteByte(c)
			}
			i++
		default:
			if p.angle != "" && (c == '>' || c == '\'') {
				i++
				continue
			}
			if p.angle != "" {
				p.behind.WriteByte(c)
			} else if p.words.Len() > 0 || c != ' ' && c != '\t' {
				p.words.WriteByte(c)
			}
			if c != ' ' && c != '\t' {
				p.begun = true
			}
			i++
		}
	}
	p.end(false)
}

// closedWord is the length of the whole encoded-word at the beginning of s.
func closedWord(s string) (int, bool) {
	if !strings.HasPrefix(s, "=?") {
		return 0, false
	}
	w, ok := cutWord(s)
	return w.size, ok && strings.HasSuffix(s[:w.size], "?=")
}

func (p *addressParser) quotedAddress() bool {
	return p.quoted && strings.Contains(p.words.String(), "@")
}

func (p *addressParser) word(s string) {
	if p.words.Len() > 0 {
		p.words.WriteByte(' ')
	}
	p.words.WriteString(s)
}

func (p *addressParser) reset() {
	p.words.Reset()
	p.behind.Reset()
	p.comment.Reset()
	p.angle = ""
	p.quoted, p.begun = false, false
}

// end finishes one address at a separator or the end.
func (p *addressParser) end(comma bool) {
	defer p.reset()
	words := strings.TrimSpace(p.words.String())
	if words == "" {
		words = strings.TrimSpace(p.behind.String())
	}
	comment := strings.TrimSpace(p.comment.String())
	if !p.begun && words == "" && comment == "" {
		if !comma && p.carry != "" {
			p.add(ticketing.Address{Name: cleanName(p.carry)})
			p.carry = ""
		}
		return
	}
	a := ticketing.Address{Addr: cleanAddr(p.angle)}
	name := decodeWords(words)
	if a.Addr == "" {
		// bare: a@b, or a@b Name, or an encoded "Name <a@b>"
		name, a.Addr = bareAddr(name)
	}
	if a.Addr == "" && strings.Contains(name, "<") && name != words {
		q := addressParser{s: name}
		if !strings.Contains(name, "=?") { // decoded once is enough
			q.run()
			if len(q.list) == 1 && q.list[0].Addr != "" {
				name, a = q.list[0].Name, q.list[0]
			}
		}
	}
	if strings.TrimSpace(name) == "" || a.Addr == "" && comment != "" && !strings.Contains(words, " ") { // root (Cron Daemon)
		name = decodeWords(comment)
	}
	if a.Addr == "" && comma && !p.quoted && comment == "" {
		// perhaps the first half of a name: "Doe, John <john@example.com>"
		if p.carry != "" {
			p.carry += ", "
		}
		p.carry = clip(p.carry+name, 500)
		return
	}
	if p.carry != "" {
		if p.angle != "" && a.Addr != "" && !p.quoted {
			name = strings.TrimRight(p.carry+", "+name, ", ")
		} else {
			p.add(ticketing.Address{Name: cleanName(p.carry)})
		}
		p.carry = ""
	}
	a.Name = cleanName(name)
	if strings.EqualFold(a.Name, a.Addr) {
		a.Name = ""
	}
	if a.Name != "" || a.Addr != "" {
		p.add(a)
	}
}

func (p *addressParser) add(a ticketing.Address) {
	if len(p.list) < mostAddresses && (a.Name != "" || a.Addr != "") {
		p.list = append(p.list, a)
	}
}

// quotedString reads "…" at the beginning of s: its text, and its length (0 if it never ends).
func quotedString(s string) (string, int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			return b.String(), i + 1
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0
}

// commentText reads (…), nested, at the beginning of s.
func commentText(s string) (string, int) {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == '(':
			if depth++; depth > 1 {
				b.WriteByte(c)
			}
		case c == ')':
			if depth--; depth == 0 {
				return b.String(), i + 1
			}
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return "", 0
}

// angleAddr is what stands between < and >, without comments, routes (RFC 5322 §4.4) and blanks.
func angleAddr(s string) string {
	if strings.Contains(s, "=?") {
		s = decodeWords(s)
	}
	s = strings.TrimSpace(s)
	if q := strings.IndexByte(s, '"'); q < 0 {
		s = dropComments(s)
	}
	if strings.HasPrefix(s, "@") {
		if _, rest, ok := strings.Cut(s, ":"); ok {
			s = rest
		}
	}
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s = s[7:]
	}
	if !strings.Contains(s, "@") {
		return ""
	}
	if f := strings.Fields(s); len(f) > 1 && !strings.HasPrefix(s, `"`) {
		// blanks around the at-sign or the dots, or a name inside the brackets
		joined := strings.Join(f, "")
		if strings.Contains(s, " @") || strings.Contains(s, "@ ") || strings.Contains(s, " .") || strings.Contains(s, ". ") {
			return joined
		}
		for _, w := range f {
			if strings.Contains(w, "@") {
				return w
			}
		}
	}
	return s
}

// bareAddr finds an address that stands without brackets among words.
func bareAddr(s string) (name, addr string) {
	if !strings.Contains(s, "@") {
		return s, ""
	}
	if strings.HasPrefix(s, `"`) && cleanAddr(s) != "" {
		return "", cleanAddr(s)
	}
	f := strings.Fields(s)
	for i, w := range f {
		switch {
		case w == "@" && i > 0 && i+1 < len(f):
			return strings.Join(append(append([]string{}, f[:i-1]...), f[i+2:]...), " "), cleanAddr(f[i-1] + "@" + f[i+1])
		case strings.HasSuffix(w, "@") && i+1 < len(f):
			return strings.Join(append(append([]string{}, f[:i]...), f[i+2:]...), " "), cleanAddr(w + f[i+1])
		case strings.HasPrefix(w, "@") && i > 0:
			return strings.Join(append(append([]string{}, f[:i-1]...), f[i+1:]...), " "), cleanAddr(f[i-1] + w)
		}
		if a := cleanAddr(w); a != "" {
			return strings.Join(append(append([]string{}, f[:i]...), f[i+1:]...), " "), a
		}
	}
	return s, ""
}

// cleanAddr is local@domain with the domain in lower case, or "" for what is no address.
func cleanAddr(s string) string {
	s = oneLine(s)
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s = s[7:]
	}
	if !strings.HasPrefix(s, `"`) {
		s = strings.Trim(s, "'\"<>()[]{},;: \t")
	}
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at == len(s)-1 {
		return ""
	}
	local, domain := s[:at], strings.Trim(s[at+1:], ". '\">")
	if i := strings.IndexAny(domain, " \t<>,;\"'()?"); i >= 0 {
		domain = strings.TrimRight(domain[:i], ".")
	}
	if strings.HasPrefix(domain, "[") && !strings.HasSuffix(domain, "]") {
		domain += "]" // trimmed above
	}
	if !isDomain(domain) {
		return ""
	}
	if !strings.HasPrefix(local, `"`) {
		if strings.ContainsAny(local, " \t<>,;:\"()\\") {
			return ""
		}
	} else if len(local) < 3 || !strings.HasSuffix(local, `"`) {
		return ""
	}
	if len(s) > 320 {
		return ""
	}
	return local + "@" + strings.ToLower(domain)
}

// isDomain is generous: names in any script, and addresses in brackets.
func isDomain(s string) bool {
	if ip, ok := strings.CutPrefix(s, "["); ok {
		ip, ok = strings.CutSuffix(ip, "]")
		return ok && ip != "" && strings.Trim(ip, "0123456789abcdefABCDEFIPv.:") == ""
	}
	return s != "" && !strings.HasPrefix(s, ".") && !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x80 && r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') || unicode.IsSpace(r)
	})
}

// cleanName is a display name as people read it.
func cleanName(s string) string {
	s = strings.Join(strings.Fields(oneLine(decodeWords(s))), " ")
	for len(s) >= 2 && (s[0] == '"' && s[len(s)-1] == '"' || s[0] == '\'' && s[len(s)-1] == '\'') {
		s = strings.TrimSpace(s[1 : len(s)-1])
	}
	if strings.Trim(s, `"'<>(),;: `) == "" {
		return ""
	}
	if strings.Count(s, `"`) == 1 {
		s = strings.TrimSpace(strings.ReplaceAll(s, `"`, ""))
	}
	return strings.TrimSpace(clip(s, 400))
}
