package message

import (
	"regexp"
	"strings"
)

// Feedback is what an abuse report says (RFC 5965). Each may be empty.
type Feedback struct {
	Type              string // abuse, fraud, virus, not-spam, auth-failure, opt-out …
	Recipient         string // who complains: Original-Rcpt-To, where it was not blotted out
	Sender            string // Original-Mail-From
	Domain            string // Reported-Domain
	Source            string // the IP address that it came from
	OriginalMessageID string // of the mail complained about, without angle brackets
	OriginalMark      string // its X-GroupMail-ID
}

func readFeedback(b []byte) Feedback {
	h := headerOf(b)
	word, _, _ := strings.Cut(h.lower("feedback-type"), ";")
	return Feedback{
		Type:      strings.TrimSpace(word),
		Recipient: first(addresses(h.all("original-rcpt-to"))).Addr,
		Sender:    first(addresses(h.all("original-mail-from"))).Addr,
		Domain:    strings.ToLower(oneLine(h.utf8(h.raw("reported-domain")))),
		Source:    cleanID(h.raw("source-ip")),
	}
}

// complaint is the subject of Microsoft's reports (JMRP), which are no ARF: a mail with the reported
// one attached.
var complaint = regexp.MustCompile(`(?i)^\s*complaint about message from (\S+)`)

func (w *walker) complaint() (f Feedback, ok bool) {
	m := complaint.FindStringSubmatch(w.head.text("subject"))
	if m == nil || len(w.nested) == 0 {
		return f, false
	}
	return Feedback{Type: "abuse", Source: cleanID(m[1])}, true
}
