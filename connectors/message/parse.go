// Package message turns bytes into a ticketing.Mail, and an answer into bytes: MIME, charsets,
// sanitising, the cut between answer and quote, classification, composing. Its functions are pure:
// no network, no clock, nothing kept between two calls. It knows nothing of mailboxes, platforms or
// the store.
//
// Mail is read as it comes, and much of it comes broken. Hence a reader of our own that goes through
// the bytes once, line by line, repairs (repair.go) and never gives up, while go-message, which
// refuses a mail for one bad line, composes.
//
// Start with Parse; then header.go and address.go for the fields, charset.go for their bytes,
// body.go and html.go for the text, quote.go for the answer in it, classify.go for what kind of mail
// it is, compose.go for the way back.
package message

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"groupmail/ticketing"
)

// Options are the settings of the installation that reading depends on.
type Options struct {
	Tag     string   // form of the ticket tag in subjects, with one %d; "[#%d]" if empty
	Trusted []string // authserv-ids whose Authentication-Results count
}

// Details is what a mail says beyond what ticketing.Mail holds.
type Details struct {
	Bounce         Bounce   // of a delivery failure, or of a delay
	FeedbackReport bool     // an abuse report (RFC 5965)
	Feedback       Feedback // what it says
	References     []string // as the header has them; those of a Mail also name what came back with a bounce
	Auth           Auth     // as trusted hosts saw it
	Nested         []string // subjects of the contained message/rfc822
}

// Bounds: a mail may be anything; reading it costs no more than this.
const (
	mostDepth   = 50       // multiparts in each other
	mostParts   = 1000     // more are left in the raw mail
	mostText    = 1 << 20  // bytes of plain text kept, and of HTML
	mostHeader  = 1 << 20  // bytes of the mail's header kept
	partHeader  = 16 << 10 // bytes of a part's header kept
	mostSample  = 64 << 10 // bytes kept of a delivery report or of a contained mail's header
	nestedText  = 64 << 10 // bytes of text kept of a contained mail
	mostNested  = 50       // contained mails that are looked into
	nestedDepth = 5        // mails in mails
	lineBuffer  = 32 << 10
)

// Parse reads a whole raw mail (RFC 5322 and MIME), streaming: attachments are hashed, not held.
// It never fails: what could not be read stands in Mail.Fault, and the other fields hold the best
// reading. ID, Group, Mailbox, Conversation, Direction, Raw, By, NewPerson and Received stay zero.
func Parse(r io.Reader, opt Options) ticketing.Mail {
	m, _ := Inspect(r, opt)
	return m
}

// Inspect is Parse with everything else that the mail says.
func Inspect(r io.Reader, opt Options) (ticketing.Mail, Details) {
	w := newWalker()
	w.digest = sha256.New()
	w.lines = bufio.NewWriterSize(w.digest, 4<<10)
	err := w.read(r)
	m, d := w.mail(opt)
	if err != nil {
		w.fault("reading: " + oneLine(clip(err.Error(), 200)))
	}
	m.Fault = strings.Join(w.faults, "; ")
	return m, d
}

// ErrNoAttachment says that the mail has no attachment of that number.
var ErrNoAttachment = errors.New("message: no such attachment")

// Attachment streams the decoded bytes of the index'th attachment, as Parse numbers them, of the
// raw mail to w. It gives ErrNoAttachment, or the error of raw or of w.
func Attachment(w io.Writer, raw io.Reader, index int) error {
	if index < 0 {
		return ErrNoAttachment
	}
	wk := newWalker()
	wk.want, wk.wanted = &sink{w: w}, index
	err := wk.read(raw)
	switch {
	case wk.want.err != nil:
		return fmt.Errorf("message: attachment %d: %w", index, wk.want.err)
	case wk.found:
		// complete, or as complete as the mail
		if err != nil && !wk.enough {
			return fmt.Errorf("message: attachment %d: %w", index, err)
		}
		return nil
	case err != nil:
		return fmt.Errorf("message: attachment %d: %w", index, err)
	}
	return ErrNoAttachment
}

// sink remembers the error of a writer, so that the walk can stop for it.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	if s.err == nil {
		_, s.err = s.w.Write(p)
	}
	return len(p), s.err
}

// mail fills in the result of a finished walk.
func (w *walker) mail(opt Options) (ticketing.Mail, Details) {
	var m ticketing.Mail
	var d Details
	m.Size = w.size
	w.lines.Flush()
	m.Digest = hex.EncodeToString(w.digest.Sum(nil))
	if w.size == 0 {
		w.fault("empty")
	}
	h := w.head
	if h == nil {
		h = &header{}
		w.head = h
	}
	w.setHint()

	if ids := messageIDs(h.all("message-id")); len(ids) > 0 {
		m.MessageID = ids[0]
	}
	m.InReplyTo = messageIDs(h.all("in-reply-to"))
	m.References = messageIDs(h.all("references"))
	m.From = w.from()
	m.To = w.recipients("to")
	m.Cc = w.recipients("cc")
	m.ReplyTo = headerAddresses(h, "reply-to")
	m.Subject = clip(h.text("subject"), mostSubject)
	for _, v := range h.all("date") {
		if m.Sent = parseDate(h.utf8(v)); !m.Sent.IsZero() {
			break
		}
	}
	m.TicketRef = ticketRef(m.Subject, opt.Tag)
	m.Ours = cleanID(h.raw("x-groupmail-id"))
	m.Attachments = w.files

	var segs []segment
	if w.root != nil {
		segs = w.segments(w.root)
	}
	if !slices.ContainsFunc(segs, func(s segment) bool { return !s.blank() }) && !w.packed.blank() {
		segs = []segment{w.packed}
	}
	marked, html := w.render(segs)
	m.HTML = html
	markInline(segs, m.Attachments)
	if strings.TrimSpace(marked) == "" && len(w.nested) > 0 && !w.hasReport() {
		marked = w.inside.asText()
	}
	if w.root != nil {
		marked = withInvitation(marked, w.root)
	}
	if strings.TrimSpace(marked) == "" && w.sealed != "" {
		marked = "This mail is encrypted with " + w.sealed + ". Open it in a mail program that has the key."
	}
	m.Text = unmarkedText(marked)
	forward := isForward(m.Subject)
	m.Reply = reply(marked, forward)

	d.Nested = subjects(w.nested)
	w.classify(&m, &d, opt)
	m.Author = w.author(m, forward)
	return m, d
}

// from is the From field, or what stands in for it.
func (w *walker) from() ticketing.Address {
	var named ticketing.Address
	for _, f := range []string{"from", "resent-from", "sender"} {
		a := first(headerAddresses(w.head, f))
		if a.Addr != "" {
			if named.Name != "" && a.Name == "" {
				a.Name = named.Name
			}
			return a
		}
		if named.Name == "" {
			named = a
		}
		if f == "from" && named.Name != "" {
			return named
		}
	}
	if named.Name == "" {
		return first(headerAddresses(w.head, "return-path"))
	}
	return named
}

// setHint takes the charset of the first text as the likely one of raw bytes in the header.
func (w *walker) setHint() {
	var find func(p *part) bool
	find = func(p *part) bool {
		if p == nil {
			return false
		}
		if p.role == body {
			label := p.kind.get("charset")
			if label == "" && p.kind.value == "text/html" {
				label = metaCharset(p.kept)
			}
			if cs := charsetOf(label); cs != nil && !cs.claimsNothing {
				w.head.hint = label
				return true
			}
		}
		for _, k := range p.kids {
			if find(k) {
				return true
			}
		}
		return false
	}
	find(w.root)
}

// contained is what is kept of a mail inside the mail.
type contained struct {
	subject string
	id      string
	from    ticketing.Address
	ours    string
	to      string // if it is one address
	nested  []contained
}

func subjects(list []contained) []string {
	var s []string
	for _, c := range list {
		s = append(append(s, c.subject), subjects(c.nested)...)
	}
	return s
}

func (w *walker) contained() contained {
	h := w.head
	if h == nil {
		return contained{}
	}
	w.setHint()
	c := contained{
		subject: clip(h.text("subject"), mostSubject),
		from:    first(headerAddresses(h, "from")),
		ours:    cleanID(h.raw("x-groupmail-id")),
		nested:  w.nested,
	}
	if ids := messageIDs(h.all("message-id")); len(ids) > 0 {
		c.id = ids[0]
	}
	if to := headerAddresses(h, "to"); len(to) == 1 {
		c.to = to[0].Addr
	}
	return c
}

// asText shows the contained mail that w has read where the mail has no text of its own.
func (w *walker) asText() string {
	c := w.contained()
	var b strings.Builder
	if c.from != (ticketing.Address{}) {
		b.WriteString("From: " + c.from.String() + "\n")
	}
	if date := oneLine(w.head.utf8(w.head.raw("date"))); date != "" {
		b.WriteString("Date: " + date + "\n")
	}
	text, _ := w.render(w.segments(w.root))
	b.WriteString("Subject: " + c.subject + "\n\n" + unmarkedText(text))
	return strings.TrimRight(b.String(), "\n")
}

func first(list []ticketing.Address) ticketing.Address {
	for _, a := range list {
		if a.Addr != "" {
			return a
		}
	}
	if len(list) > 0 {
		return list[0]
	}
	return ticketing.Address{}
}

func headerAddresses(h *header, name string) []ticketing.Address {
	var values []string
	for _, f := range h.fields {
		if f.name != name || len(f.value) == 0 {
			continue
		}
		v := string(f.value)
		if i := strings.LastIndexByte(v, ','); f.clipped && i >= 0 {
			v = v[:i] // half an address is another one
		}
		values = append(values, h.utf8(v))
	}
	return addresses(values)
}

// recipients reads a list of recipients and says in the fault if somebody is missing from it.
func (w *walker) recipients(name string) []ticketing.Address {
	list := headerAddresses(w.head, name)
	for _, f := range w.head.fields {
		if f.name == name && (f.clipped || len(list) == mostAddresses) {
			w.fault("not all recipients could be read: " + name + " is too long")
		}
	}
	return list
}

const mostSubject = 4000
