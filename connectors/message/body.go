package message

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"groupmail/ticketing"
)

// segment is one stretch of the body: a text, its HTML, or both.
type segment struct{ plain, html string }

func (s segment) blank() bool {
	return strings.TrimSpace(s.plain) == "" && strings.TrimSpace(s.html) == ""
}

// segments reads the body off the tree: alternatives are one stretch, everything else follows on.
func (w *walker) segments(p *part) []segment {
	switch p.role {
	case body:
		if decoded := wholeBase64(p.kept); decoded != nil {
			p.kept = decoded
		}
		hint := ""
		if w.head != nil {
			hint = w.head.hint
		}
		t, f := p.textOf(hint)
		w.fault(f)
		if p.clipped {
			w.fault("text too long, clipped")
		}
		kind := p.kind.value
		switch {
		case kind == "text/html", kind == "text/plain" && beginsAsHTML(t):
			return []segment{{html: t}}
		case kind == "text/enriched" || kind == "text/richtext":
			t = enrichedText(t)
		}
		return []segment{{plain: strings.Trim(t, "\n")}}
	case multi:
		if p.kind.value != "multipart/alternative" {
			var segs []segment
			for _, k := range p.kids {
				for _, s := range w.segments(k) {
					if n := len(segs); n > 0 && s.plain == "" && segs[n-1].html == "" && sameText(segs[n-1].plain, s.html) {
						segs[n-1].html = s.html // two alternatives that were not called so
						continue
					}
					segs = append(segs, s)
				}
			}
			return segs
		}
		var one segment
		for _, k := range p.kids {
			plain, html := "", ""
			for _, s := range w.segments(k) {
				plain = joinText(plain, s.plain, "\n\n")
				if s.html != "" {
					html = joinText(html, s.html, "\n")
				} else if html != "" && s.plain != "" {
					html = joinText(html, "<p>"+htmlOf(s.plain)+"</p>", "\n")
				}
			}
			// Of two that say the same the last HTML is the best, and the first plain text; but what
			// programs call alternatives may be one text and another.
			if strings.TrimSpace(one.plain) == "" || k.kind.value == "text/plain" && !says(one.plain, plain) && !says(plain, one.plain) {
				one.plain = joinText(one.plain, plain, "\n\n")
			}
			switch {
			case strings.TrimSpace(html) == "":
			case one.html != "" && !sameText(strippedText(Sanitise(clip(one.html, 20000))), html) && !sameText(strippedText(Sanitise(clip(html, 20000))), one.html):
				one.html = joinText(one.html, html, "\n")
			default:
				one.html = html
			}
		}
		return []segment{one}
	}
	return nil
}

// sameText tells whether HTML says what the plain text says.
func sameText(plain, rich string) bool {
	return says(strippedText(Sanitise(clip(rich, 20000))), plain)
}

// says tells whether a text begins with what another one says, by their letters.
func says(whole, part string) bool {
	letters := func(s string) string {
		return strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				return r
			}
			return -1
		}, s)
	}
	p := letters(clip(part, 2000))
	return len(p) > 0 && strings.HasPrefix(letters(clip(whole, 20000)), p)
}

func joinText(a, b, sep string) string {
	if strings.TrimSpace(a) == "" {
		return b
	}
	if strings.TrimSpace(b) == "" {
		return a
	}
	return a + sep + b
}

// render gives the whole body as text, with the marks of quotes and signatures, and as safe HTML (""
// if the mail has none).
func (w *walker) render(segs []segment) (text, html string) {
	rich := false
	for _, s := range segs {
		rich = rich || strings.TrimSpace(s.html) != ""
	}
	for _, s := range segs {
		if s.blank() {
			continue
		}
		marked := ""
		if strings.TrimSpace(s.html) != "" {
			marked = strings.TrimSpace(sanitise(s.html))
		}
		safe := unmarkedHTML(marked)
		t := unmarkedHTML(strings.TrimRight(s.plain, " \t\n"))
		if safe != "" && !useful(t, safe) {
			if t2 := htmlText(marked); strings.TrimSpace(t2) != "" {
				t = t2
			}
		}
		text = joinText(text, t, "\n\n")
		if rich {
			if safe == "" && strings.TrimSpace(s.plain) != "" {
				safe = "<p>" + Sanitise(htmlOf(strings.TrimSpace(s.plain))) + "</p>"
			}
			html = joinText(html, safe, "\n")
		}
	}
	return text, html
}

// useful tells whether a plain alternative says what the HTML says.
func useful(plain, safe string) bool {
	p := strings.TrimFunc(plain, invisible)
	if !strings.ContainsFunc(p, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
		return false
	}
	return len(p) > 600 || !pointer.MatchString(p) || len(strippedText(safe)) < 2*len(p)
}

// pointer matches what programs write into a plain part that only leads to the HTML one. People
// write such words, too.
var pointer = anyOf(`(?i)html|browser|(?:e-?)?mail client|view (?:this|the|it|online)|(?:can(?:no|['’])?t|unable to) (?:see|view|read|display)|(?:online|web)[- ]?version|multi-?part message|mime format|click here|` +
	`mail-?programm|klicken sie|nicht (?:richtig|korrekt) (?:angezeigt|dargestellt)|online[- ]ansicht|` +
	`navigateur|messagerie|en ligne|s['’]affiche|visualis|navegador|en línea|no (?:puede|puedes) ver|cliente de correo|cliente de e-?mail|` +
	`programma di posta|client di posta|e-?mailprogramma|niet goed (?:weergegeven|leesbaar)|bekijk|przegląd|nie wyświetla|program(?:u)? pocztow|webbläsare|nettleser|visas inte|vises ikke|selaim|prohlížeč|böngésző|tarayıcı|` +
	`браузер|отображается|веб-верси|онлайн|переглядач|почтовый клиент|浏览器|瀏覽器|客户端|无法(?:正常)?(?:查看|显示|阅读)|無法(?:正常)?(?:檢視|顯示)|ブラウザ|表示(?:されない|できない)|브라우저|보이지 않|المتصفح|דפדפן`)

// beginsAsHTML tells HTML that is labelled as plain text.
func beginsAsHTML(t string) bool {
	t = strings.TrimSpace(t[:min(len(t), 300)])
	if !strings.HasPrefix(t, "<") {
		return false
	}
	t = strings.ToLower(t)
	return strings.HasPrefix(t, "<!doctype html") || strings.HasPrefix(t, "<html")
}

// enrichedText drops the commands of text/enriched (RFC 1896).
func enrichedText(t string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(t, '<')
		if i < 0 {
			break
		}
		b.WriteString(t[:i])
		t = t[i:]
		if strings.HasPrefix(t, "<<") {
			b.WriteByte('<')
			t = t[2:]
			continue
		}
		end := strings.IndexByte(t, '>')
		if end < 0 {
			break
		}
		cmd := strings.ToLower(t[1:end])
		t = t[end+1:]
		if cmd == "param" {
			if j := strings.Index(strings.ToLower(t[:min(len(t), 500)]), "</param>"); j >= 0 {
				t = t[j+8:]
			}
		}
	}
	b.WriteString(t)
	return b.String()
}

// markInline marks the files that the HTML shows.
func markInline(segs []segment, files []ticketing.Attachment) {
	if !slices.ContainsFunc(files, func(a ticketing.Attachment) bool { return a.ContentID != "" }) {
		return
	}
	shown := map[string]bool{}
	for _, s := range segs {
		for rest := s.html; ; {
			i := strings.Index(rest, ":")
			if i < 0 {
				break
			}
			if i >= 3 && strings.EqualFold(rest[i-3:i], "cid") {
				id := rest[i+1:]
				if end := strings.IndexAny(id, "\"' >)\n\t;"); end >= 0 {
					id = id[:end]
				}
				if len(id) < 1000 {
					shown[strings.ToLower(string(unpercent(strings.ReplaceAll(id, "&amp;", "&"))))] = true
				}
			}
			rest = rest[i+1:]
		}
	}
	for i := range files {
		files[i].Inline = files[i].ContentID != "" && shown[strings.ToLower(files[i].ContentID)]
	}
}

// textOf decodes a kept text part.
func (p *part) textOf(hint string) (text string, fault string) {
	label := p.kind.get("charset")
	raw := p.kept
	if p.kind.value == "text/html" {
		if c := charsetOf(label); c == nil || c.claimsNothing {
			if m := metaCharset(raw); m != "" && charsetOf(m) != nil {
				label = m
				if cs := charsetOf(m); !cs.ascii && isASCII(raw[:min(len(raw), 64)]) && bytes.IndexByte(raw[:min(len(raw), 64)], 0) < 0 {
					label = "" // "utf-16", said in plain ASCII
				}
			}
		}
	}
	if p.clipped {
		// not in the middle of a character
		for i := 0; i < 4 && len(raw) > 0 && raw[len(raw)-1] >= 0x80; i++ {
			raw = raw[:len(raw)-1]
		}
	}
	if cs := charsetOf(label); (cs == nil && label == "" || cs != nil && (cs.unicode || cs.claimsNothing)) && bytes.IndexByte(raw, 0x1b) < 0 && utf8.Valid(raw) {
		if _, marked := byOrderMark(raw); !marked {
			// nearly every mail: cleaned where it lies
			text = string(appendClean(raw[:0], raw))
			p.kept = p.kept[:len(text)]
			return p.shape(text), ""
		}
	}
	t, known := decodeText(raw, label, hint)
	if !known && !isASCII(raw) {
		fault = "unknown charset " + oneLine(clip(label, 40))
	}
	return p.shape(cleanText(t)), fault
}

// shape undoes what was done to the lines of a text.
func (p *part) shape(t string) string {
	if strings.EqualFold(p.kind.get("format"), "flowed") && p.kind.value == "text/plain" {
		t = unflow(t, strings.EqualFold(p.kind.get("delsp"), "yes"))
	}
	return t
}

// unflow joins the lines of format=flowed (RFC 3676 §4) into paragraphs.
func unflow(text string, delsp bool) string {
	var b strings.Builder
	b.Grow(len(text))
	open := false // the line before ends in a blank: this one goes on with it
	depth := 0
	first := true
	for l := range strings.SplitSeq(text, "\n") {
		q := 0
		for q < len(l) && l[q] == '>' {
			q++
		}
		l = l[q:]
		l = strings.TrimPrefix(l, " ") // space-stuffing
		sign := l == "-- "
		if open && q == depth && !sign && l != "" { // an empty line is one, whatever ends above it
			// goes on
		} else {
			if !first {
				b.WriteByte('\n')
			}
			if q > 0 {
				b.WriteString(strings.Repeat(">", min(q, 50)))
				b.WriteByte(' ')
			}
		}
		first = false
		depth = q
		open = strings.HasSuffix(l, " ") && !sign
		if open && delsp {
			l = l[:len(l)-1]
		}
		b.WriteString(l)
	}
	return b.String()
}

// wholeBase64 decodes a text that is nothing but base64, sent by a program that forgot to say so.
func wholeBase64(b []byte) []byte {
	t := bytes.TrimSpace(b)
	if len(t) < 120 || bytes.IndexByte(t, '\n') < 0 {
		return nil
	}
	first := -1
	for l := range bytes.SplitSeq(t, []byte("\n")) {
		l = bytes.TrimSuffix(l, []byte("\r"))
		if !pureBase64(l) {
			return nil
		}
		if first < 0 {
			first = len(l)
		} else if len(l) > first {
			return nil
		}
	}
	if first < 60 {
		return nil
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(t)))
	n, err := base64.StdEncoding.Decode(out, bytes.ReplaceAll(t, []byte("\r"), nil))
	if err != nil || !utf8.Valid(out[:n]) || bytes.IndexFunc(out[:n], func(r rune) bool { return unwanted(r) && r != '\r' }) >= 0 {
		return nil
	}
	return out[:n]
}
