package message

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"strings"

	"groupmail/ticketing"
)

// part is one entity of the tree: a multipart, a text of the body, or a file.
type part struct {
	parent  *part
	head    *header
	kind    mediaType // Content-Type
	shown   mediaType // Content-Disposition
	role    role
	kids    []*part
	started bool // multipart: a boundary has come
	bounds  []string
	latent  string // a text: a boundary that it should not have
	maybe   string // multipart: a line that may be a boundary nobody announced

	dec     decoder
	kept    []byte
	clipped bool
	file    int // index in files, or -1
	sum     hash.Hash
	n       int64     // decoded bytes
	into    *splitter // contained mail
	inner   *walker
	unpack  unpacker // of a file that holds others
}

// unpacker takes the bytes of a file that holds others, and lists those.
type unpacker interface {
	feed([]byte)
	end()
}

type role int

const (
	multi   role = iota
	body         // text for people
	file         // attachment
	ignored      // nothing anybody looks for
)

// describe reads Content-Type and Content-Disposition.
func (p *part) describe() {
	for _, v := range few(p.head.all("content-type")) {
		k := parseMedia(p.head.utf8(v))
		k.value = mendType(k.value)
		if k.value == "" {
			if len(p.kind.params) == 0 {
				p.kind.params = k.params
			}
			continue
		}
		if p.kind.value == "" || strings.HasPrefix(k.value, "multipart/") && k.get("boundary") != "" && p.kind.get("boundary") == "" {
			p.kind = k
		}
	}
	if p.kind.value == "" {
		p.kind.value = "text/plain"
		if p.parent != nil && p.parent.kind.value == "multipart/digest" && !p.head.has("content-type") {
			p.kind.value = "message/rfc822" // RFC 2046 §5.1.5
		}
	}
	for _, v := range few(p.head.all("content-disposition")) {
		// of several the first counts, but an attachment is one whoever says it
		d := parseMedia(p.head.utf8(v))
		if p.shown.value == "" || d.value == "attachment" {
			p.shown.value = d.value
		}
		p.shown.params = append(p.shown.params, d.params...)
	}
}

func few(values []string) []string { return values[:min(len(values), 5)] }

// mendType makes a media type of what stands there, "" if nothing can be made of it.
func mendType(s string) string {
	s = strings.Trim(s, " /")
	switch s {
	case "text", "plain", "text/plaintext", "text/ascii", "text/text":
		return "text/plain"
	case "html", "text/htm", "application/html":
		return "text/html"
	case "image", "audio", "video", "application":
		return "application/octet-stream"
	}
	a, b, ok := strings.Cut(s, "/")
	b, _, _ = strings.Cut(b, "/")
	if !ok || a == "" || b == "" || strings.IndexFunc(a+b, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"[]?=`, r) }) >= 0 {
		return ""
	}
	return clip(a+"/"+b, 120)
}

// name is the file name that the part states, cleaned, or "".
func (p *part) name() string {
	for _, n := range []string{p.shown.get("filename"), p.kind.get("name"), p.shown.get("name"), p.kind.get("filename")} {
		if strings.TrimSpace(n) != "" {
			if n = fileName(n, ""); n != "" {
				return n
			}
		}
	}
	return ""
}

// roleOf tells text for people from files. A text with a name is a file, except the mail's first;
// the text that stands second in a report is evidence.
func (w *walker) roleOf(p *part) role {
	if p.shown.value == "attachment" || strings.Contains(p.head.lower("content-transfer-encoding"), "uue") {
		return file
	}
	named := p.name() != ""
	alternative := p.parent != nil && p.parent.kind.value == "multipart/alternative"
	report := p.parent != nil && p.parent.kind.value == "multipart/report" && len(p.parent.kids) > 1 && w.texts > 0
	switch p.kind.value {
	case "text/x-amp-html", "text/watch-html":
		if alternative {
			return ignored
		}
		return file
	case "text/plain", "text/html":
		if report || named && w.texts > 0 && !alternative {
			return file
		}
		return body
	case "text/enriched", "text/richtext", "text/markdown", "text/x-markdown":
		if !named && (alternative || w.texts == 0) {
			return body
		}
	}
	return file
}

// beginFile lists an attachment.
func (w *walker) beginFile(p *part) {
	p.file = len(w.files)
	a := ticketing.Attachment{Name: p.name(), Type: p.kind.value, Index: p.file}
	if ids := messageIDs([]string{p.head.raw("content-id")}); len(ids) > 0 {
		a.ContentID = ids[0]
	}
	if a.Name == "" {
		if l := p.head.raw("content-location"); l != "" {
			l, _, _ = strings.Cut(l, "?")
			if n := fileName(string(unpercent(l)), ""); strings.Contains(n, ".") {
				a.Name = n
			}
		}
	}
	w.files = append(w.files, a)
	if p.kind.value == "application/pgp-encrypted" {
		w.sealed = "PGP"
	}
	if w.want == nil || p.file != w.wanted {
		p.unpack = w.unpacker(p)
	}
	if w.want != nil {
		if p.file == w.wanted {
			w.found = true
		}
		return
	}
	if w.level == 0 {
		p.sum = sha256.New()
	}
	if p.holdsMail() && w.level < nestedDepth && *w.looked < mostNested {
		*w.looked++
		p.look(w)
	}
}

// unpacker chooses how a file is unpacked, nil if it is not.
func (w *walker) unpacker(p *part) unpacker {
	const most = 3 // in each other
	if w.level > 0 || w.unpacked >= most || p.role != file {
		return nil
	}
	name := strings.ToLower(w.files[p.file].Name)
	switch p.kind.value {
	case "application/ms-tnef", "application/vnd.ms-tnef":
		return &tnef{w: w, of: p}
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		return &cms{w: w, of: p}
	case "application/octet-stream":
		switch name {
		case "winmail.dat", "win.dat":
			return &tnef{w: w, of: p}
		case "smime.p7m":
			return &cms{w: w, of: p}
		}
	}
	return nil
}

// feed gives encoded bytes to the part's decoder. What can go wrong there is the writer that
// Attachment was given; it keeps its error, and the walk stops for it.
func (p *part) feed(b []byte) { _, _ = p.dec.Write(b) }

func (p *part) holdsMail() bool {
	return p.kind.value == "message/rfc822" || p.kind.value == "message/global" || p.kind.value == "message/news"
}

// look prepares for reading a contained mail while it goes by.
func (p *part) look(w *walker) {
	p.inner = newWalker()
	p.inner.level, p.inner.looked = w.level+1, w.looked
	p.inner.plain, p.inner.html = nestedText, nestedText
	p.inner.header.limit = mostSample
	p.into = newSplitter(8<<10, p.inner.line)
}

// sampled tells the files whose beginning is kept, to be read when the walk is over.
func (p *part) sampled() bool { return p.evidence() || p.isCalendar() }

// evidence tells the parts of a report that classification reads.
func (p *part) evidence() bool {
	switch p.kind.value {
	case "message/delivery-status", "message/global-delivery-status", "message/disposition-notification", "message/feedback-report", "text/rfc822-headers", "text/rfc822-header", "text/rfc822", "message/rfc822-headers", "message/global-headers", "message/global-disposition-notification":
		return true
	}
	return strings.HasPrefix(p.kind.value, "text/") && p.parent != nil && p.parent.kind.value == "multipart/report"
}

func emlName(subject string) string {
	if subject == "" {
		return "message.eml"
	}
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, clip(subject, 150))
	return fileName(name+".eml", "message.eml")
}

// defaultName names a file that has no name.
func defaultName(kind string, index int) string {
	n := fmt.Sprint(index + 1)
	switch kind {
	case "message/rfc822", "message/global", "message/news":
		return "message.eml"
	case "message/delivery-status", "message/global-delivery-status":
		return "delivery-status.txt"
	case "message/disposition-notification":
		return "disposition-notification.txt"
	case "message/feedback-report":
		return "feedback-report.txt"
	case "text/rfc822-headers", "message/global-headers":
		return "headers.txt"
	case "text/calendar", "application/ics":
		return "invite.ics"
	case "text/vcard", "text/x-vcard", "text/directory":
		return "contact.vcf"
	case "application/pgp-signature":
		return "signature.asc"
	case "application/pgp-encrypted":
		return "version.asc"
	case "application/pgp-keys":
		return "key.asc"
	case "application/pkcs7-signature", "application/x-pkcs7-signature":
		return "smime.p7s"
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		return "smime.p7m"
	case "application/ms-tnef":
		return "winmail.dat"
	}
	major, minor, _ := strings.Cut(kind, "/")
	ext := map[string]string{
		"image/jpeg": "jpg", "image/jpg": "jpg", "image/svg+xml": "svg", "image/tiff": "tif", "image/x-icon": "ico",
		"text/plain": "txt", "text/html": "html", "text/rtf": "rtf", "text/markdown": "md", "application/xhtml+xml": "xhtml",
		"application/msword": "doc", "application/vnd.ms-excel": "xls", "application/vnd.ms-powerpoint": "ppt",
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   "docx",
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         "xlsx",
		"application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
		"application/gzip": "gz", "application/x-gzip": "gz", "application/x-zip-compressed": "zip",
		"audio/mpeg": "mp3", "audio/x-wav": "wav", "video/quicktime": "mov", "video/mpeg": "mpg",
		"application/octet-stream": "bin", "application/javascript": "js",
	}[kind]
	if ext == "" {
		ext = "bin"
		if len(minor) <= 4 && minor != "" && strings.Trim(minor, "abcdefghijklmnopqrstuvwxyz0123456789") == "" {
			ext = minor
		}
	}
	switch major {
	case "image", "audio", "video":
		return major + "-" + n + "." + ext
	}
	return "attachment-" + n + "." + ext
}
