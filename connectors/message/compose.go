package message

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"io"
	"mime"
	"path"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/emersion/go-message/mail"
	"golang.org/x/net/idna"

	"groupmail/ticketing"
)

// Outgoing is a mail to be composed.
type Outgoing struct {
	MessageID     string // without angle brackets
	Mark          string // value of X-GroupMail-ID, by which a returning copy is known as ours
	Date          time.Time
	From          ticketing.Address
	To, Cc        []ticketing.Address
	Subject       string
	InReplyTo     []string // without angle brackets
	References    []string // without angle brackets, oldest first
	Text          string   // plain text
	Signature     string   // plain text, put below "-- "; none if empty
	Files         []File
	AutoSubmitted bool // written by the program and not by a person (RFC 3834)
}

// File is one attachment of an outgoing mail. Open is called once, when its turn comes; what it
// returns is closed.
type File struct {
	Name, Type string
	Open       func() (io.ReadCloser, error)
}

// Compose writes the mail with CRLF line ends, ready for SMTP's DATA (whose dot-stuffing is not
// done here). Files are streamed. An error of w or of a file leaves an incomplete mail behind.
func Compose(w io.Writer, m Outgoing) error {
	h, err := composeHeader(m)
	if err != nil {
		return fmt.Errorf("compose: %w", err)
	}
	if len(m.Files) == 0 {
		iw, err := mail.CreateInlineWriter(w, h)
		if err != nil {
			return fmt.Errorf("compose: %w", err)
		}
		return composeText(iw, m)
	}
	mw, err := mail.CreateWriter(w, h)
	if err != nil {
		return fmt.Errorf("compose: %w", err)
	}
	iw, err := mw.CreateInline()
	if err != nil {
		return fmt.Errorf("compose: %w", err)
	}
	if err := composeText(iw, m); err != nil {
		return err
	}
	for _, f := range m.Files {
		if err := composeFile(mw, f); err != nil {
			return fmt.Errorf("compose: file %q: %w", f.Name, err)
		}
	}
	if err := mw.Close(); err != nil {
		return fmt.Errorf("compose: %w", err)
	}
	return nil
}

func composeHeader(m Outgoing) (h mail.Header, err error) {
	// The header prints its fields in the reverse order of Add and Set.
	h.Set("MIME-Version", "1.0")
	if m.AutoSubmitted {
		what := "auto-generated"
		if len(m.InReplyTo) > 0 {
			what = "auto-replied" // RFC 3834 §5
		}
		h.Set("Auto-Submitted", what)
		h.Set("X-Auto-Response-Suppress", "OOF, AutoReply") // Exchange; failures of delivery are still wanted
	}
	if mark := headerToken(m.Mark); mark != "" {
		h.Set(markField, mark)
	}
	setIDs(&h, "References", capReferences(wholeIDs(m.References)))
	setIDs(&h, "In-Reply-To", wholeIDs(m.InReplyTo))
	setIDs(&h, "Message-Id", []string{m.MessageID})
	h.SetSubject(clip(oneLine(m.Subject), 900))
	if m.From.Addr == "" {
		err = errors.New("there is no address in From")
	}
	err = errors.Join(err,
		setAddresses(&h, "Cc", m.Cc),
		setAddresses(&h, "To", m.To),
		setAddresses(&h, "From", []ticketing.Address{m.From}))
	if !m.Date.IsZero() {
		h.SetDate(m.Date)
	}
	return h, err
}

const markField = "X-GroupMail-ID"

// setAddresses refuses what is no address: a recipient who is named must not be dropped unseen.
func setAddresses(h *mail.Header, field string, list []ticketing.Address) error {
	var out []*mail.Address
	for _, a := range list {
		if a.Addr == "" {
			continue
		}
		addr := sendable(a.Addr)
		if addr == "" {
			return fmt.Errorf("%s: %q is no address", field, a.Addr)
		}
		out = append(out, &mail.Address{Name: clip(oneLine(a.Name), 300), Address: addr})
	}
	if len(out) > 0 {
		h.SetAddressList(field, out)
	}
	return nil
}

// sendable is an address as it may stand in a header, with the domain in ASCII where there is a
// spelling for it (RFC 5891); "" if it is none, or holds what could end it.
func sendable(addr string) string {
	if !utf8.ValidString(addr) || strings.ContainsFunc(addr, func(r rune) bool { return !unicode.IsPrint(r) || r == '<' || r == '>' }) {
		return ""
	}
	if c := cleanAddr(addr); !strings.EqualFold(c, addr) {
		return ""
	}
	at := strings.LastIndexByte(addr, '@')
	if ascii, err := idna.Lookup.ToASCII(addr[at+1:]); err == nil {
		addr = addr[:at+1] + ascii
	}
	return addr
}

func setIDs(h *mail.Header, field string, ids []string) {
	var out []string
	for _, id := range ids {
		if id = headerToken(id); id != "" {
			out = append(out, "<"+id+">")
		}
	}
	if len(out) > 0 {
		h.Set(field, strings.Join(out, " "))
	}
}

// headerToken is s as one word of printable ASCII that neither folds nor ends an angle bracket.
func headerToken(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == '<' || r == '>' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), 900)]
}

// wholeIDs leaves out the ids that cannot stand in a header as they are: a piece of an id names
// another mail, or none.
func wholeIDs(ids []string) []string {
	var whole []string
	for _, id := range ids {
		if id != "" && headerToken(id) == id {
			whole = append(whole, id)
		}
	}
	return whole
}

// capReferences keeps the first, which names the thread, and of the last ones as many as fit, at
// most twenty: the whole field then stays below 998 bytes (RFC 5322 §2.1.1), also where a gateway
// unfolds it.
func capReferences(ids []string) []string {
	const last, most = 20, 998 - len("References: ")
	if len(ids) < 2 {
		return ids
	}
	room := most - len(ids[0]) - len("<>")
	from := len(ids)
	for from > 1 && len(ids)-from < last && (room >= len(ids[from-1])+len(" <>") || from == len(ids)) { // the mail answered always stays
		from--
		room -= len(ids[from]) + len(" <>")
	}
	return append([]string{ids[0]}, ids[from:]...)
}

// composeText writes the text and the same as HTML. The plain text is neither wrapped nor
// format=flowed (RFC 3676): most of today's programs wrap long lines to their window, but show
// flowed lines as they are, broken at 72 columns. Quoted-printable keeps the lines short on the way,
// and blanks at their ends, leading dots and letters beyond ASCII whole through any server.
func composeText(iw *mail.InlineWriter, m Outgoing) error {
	text := strings.TrimRight(cleanText(m.Text), " \t\n")
	sign := strings.Trim(cleanText(m.Signature), "\n")
	plain := text + "\n"
	rich := `<div>` + htmlOf(text) + `</div>`
	if strings.TrimSpace(sign) != "" {
		plain += "\n-- \n" + sign + "\n"
		rich += "<div><br>-- <br>" + htmlOf(sign) + "</div>"
	}
	for _, part := range []struct{ kind, body string }{
		{"text/plain", plain},
		{"text/html", "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head>\n<body>" + rich + "</body></html>\n"},
	} {
		var h mail.InlineHeader
		h.SetContentType(part.kind, map[string]string{"charset": "utf-8"})
		h.Set("Content-Transfer-Encoding", "quoted-printable")
		w, err := iw.CreatePart(h)
		if err != nil {
			return fmt.Errorf("compose: %w", err)
		}
		if _, err := io.WriteString(w, strings.ReplaceAll(part.body, "\n", "\r\n")); err != nil {
			return fmt.Errorf("compose: %w", err)
		}
		if err := w.Close(); err != nil {
			return fmt.Errorf("compose: %w", err)
		}
	}
	if err := iw.Close(); err != nil {
		return fmt.Errorf("compose: %w", err)
	}
	return nil
}

func composeFile(mw *mail.Writer, f File) error {
	if f.Open == nil {
		return errors.New("nothing to read it from")
	}
	var h mail.AttachmentHeader
	// The name twice: as RFC 2231 has it, and in Content-Type as an encoded-word for programs that
	// know nothing else.
	name := fileName(f.Name, "attachment")
	h.SetContentType(fileType(f.Type), map[string]string{"name": wordsOf(name)})
	disposition := mime.FormatMediaType("attachment", map[string]string{"filename": name})
	if disposition == "" {
		disposition = "attachment"
	}
	h.Set("Content-Disposition", disposition)
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := mw.CreateAttachment(h)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	return w.Close()
}

// wordsOf is s in encoded-words (RFC 2047), in the shorter of their two forms.
func wordsOf(s string) string {
	q, b := mime.QEncoding.Encode("utf-8", s), mime.BEncoding.Encode("utf-8", s)
	if len(b) < len(q) {
		return b
	}
	return q
}

// fileType is a media type as it may label a base64 part: no parameters, and no composite type,
// which RFC 2046 §5 does not allow to be encoded.
func fileType(s string) string {
	t, _, err := mime.ParseMediaType(s)
	if err != nil || !strings.Contains(t, "/") || strings.HasPrefix(t, "message/") || strings.HasPrefix(t, "multipart/") {
		return "application/octet-stream"
	}
	return t
}

var urlInText = regexp.MustCompile(`https?://[^\s<>"]+`)

// htmlOf is plain text as HTML: escaped, line breaks kept, web addresses clickable.
func htmlOf(text string) string {
	var b strings.Builder
	last := 0
	for _, at := range urlInText.FindAllStringIndex(text, -1) {
		url := strings.TrimRight(text[at[0]:at[1]], ".,;:!?'")
		for strings.HasSuffix(url, ")") && strings.Count(url, ")") > strings.Count(url, "(") {
			url = strings.TrimRight(url[:len(url)-1], ".,;:!?'")
		}
		b.WriteString(htmlLines(text[last:at[0]]))
		u := html.EscapeString(url)
		b.WriteString(`<a href="` + u + `">` + u + `</a>`)
		last = at[0] + len(url)
	}
	b.WriteString(htmlLines(text[last:]))
	return b.String()
}

func htmlLines(s string) string {
	s = html.EscapeString(s)
	s = strings.ReplaceAll(s, "\t", "    ")
	s = strings.ReplaceAll(s, "  ", "&nbsp; ")
	return strings.ReplaceAll(s, "\n", "<br>\n")
}

// NewMessageID gives an unguessable Message-ID (128 bits) under domain, without brackets. Its form
// tells our mail where a list or a gateway has dropped X-GroupMail-ID.
func NewMessageID(domain string) string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	domain = strings.Trim(headerToken(domain), ".@")
	if domain == "" {
		domain = "localhost"
	}
	return hex.EncodeToString(b[:]) + ".groupmail@" + domain
}

func ownID(id string) bool { return ownForm.MatchString(id) }

var ownForm = regexp.MustCompile(`^[0-9a-f]{32}\.groupmail@`)

// ReplySubject gives the subject of an answer: one "Re: " in front, whatever chain of "AW: Re[2]:"
// was there, and the tag once, at the end.
func ReplySubject(subject, tag string) string {
	s := TaggedSubject(subject, "")
	if tag != "" {
		s = strings.ReplaceAll(s, oneLine(tag), " ")
	}
	s = strings.Join(strings.Fields(s), " ")
	for {
		cut := rePrefix.FindString(s)
		if cut == "" {
			break
		}
		s = s[len(cut):]
	}
	return TaggedSubject("Re: "+strings.TrimSpace(s), tag)
}

// TaggedSubject is a subject with the tag at its end.
func TaggedSubject(subject, tag string) string {
	return strings.TrimSpace(strings.TrimSpace(oneLine(subject)) + " " + oneLine(tag))
}

// rePrefix matches one mark of a reply, in the words of today's mail programs.
var rePrefix = regexp.MustCompile(`(?i)^\s*(?:re|aw|antw|antwort|sv|vs|odp|ynt|res|rif|ref|r|bls|atb|vá|na|отв|ответ|απ|σχετ|回复|回覆|答复|答覆|返信|회신|reply)\s*(?:[\[(^]\d+[\])]?)?\s*[:：]\s*`)

// fileName is a bare and harmless file name: no path, no controls, not too long, never empty.
func fileName(s, otherwise string) string {
	s = oneLine(s)
	s = path.Base("/" + strings.ReplaceAll(s, `\`, "/"))
	s = strings.Trim(s, " /")
	if strings.Trim(s, ".") == "" {
		return otherwise
	}
	const most = 200
	if len(s) > most {
		ext := path.Ext(s)
		if len(ext) > 20 {
			ext = ""
		}
		stem := s[:most-len(ext)]
		for !utf8.ValidString(stem) {
			stem = stem[:len(stem)-1]
		}
		s = strings.TrimSpace(stem) + ext
	}
	return s
}
