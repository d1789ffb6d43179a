// Package smtp hands mail to a submission server (RFC 6409): one connection a mail, with an outcome
// that is certain wherever it can be.
//
// It knows the protocol alone: who may send what to whom, and what is tried again, is decided
// elsewhere. The copy in the Sent folder is connectors/imap's.
//
// Start reading at Submit.
package smtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/net/idna"

	"groupmail/connectors/account"
)

// Config says how to submit through an account. One without User does not sign in.
type Config struct {
	account.Account
	Hello string // our name in EHLO; empty means the domain of the sender
}

// patience is how long the server has after a whole mail, or longer (RFC 5321 section 4.5.3.2.6).
const patience = 10 * time.Minute

func (c Config) defaults(from string) (Config, error) {
	if c.Hello == "" {
		c.Hello = "localhost"
		if a, err := parse(from); err == nil && a.domain != "" {
			c.Hello = a.domain
		}
	}
	var err error
	c.Account, err = c.Speak(account.SMTP)
	return c, err
}

var (
	// ErrUnknown means that the connection was lost after the whole mail had been handed over and
	// before the server acknowledged it: the mail may have gone out, or not.
	ErrUnknown = errors.New("the server took the whole mail and did not say what became of it")
	// ErrAddress means that an address cannot be written to, or not through this server.
	ErrAddress = errors.New("not a usable mail address")
)

// Refused is the server's no to a mail. Nobody has received it.
type Refused struct {
	Code     int    // RFC 5321: 4xx passes, 5xx does not
	Enhanced string // RFC 3463, "5.1.1"; empty if the server gave none
	Text     string // in the server's own words, one line
	// Recipients are those whom the server refused, with its words for each. Empty if it refused the
	// mail as a whole. Others, whom it would have accepted, were not written to either.
	Recipients map[string]string
	Permanent  bool // trying the same again will not help
}

func (r *Refused) Error() string {
	said := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	if len(r.Recipients) == 0 {
		return "the server refused the mail: " + said(fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text))
	}
	var each []string
	for _, to := range slices.Sorted(maps.Keys(r.Recipients)) {
		each = append(each, to+": "+said(r.Recipients[to]))
	}
	return "the server refused recipients, nobody was written to: " + strings.Join(each, "; ")
}

// Submit sends one mail to all recipients, or to none. Addresses are bare, raw has CRLF line ends.
//
// *Refused is the server's no. ErrUnknown means that the mail may have gone out. account.ErrLogin,
// ErrPlaintext and ErrNoTLS, and ErrAddress, need a person. After any other error, too, nothing was
// sent, and it may be tried again.
func Submit(ctx context.Context, cfg Config, from string, to []string, raw io.Reader) error {
	sender, err := parse(from)
	if err != nil {
		return err
	}
	if len(to) == 0 {
		return fmt.Errorf("smtp: a mail to nobody: %w", ErrAddress)
	}
	var recipients []address
	for _, t := range to {
		a, err := parse(t)
		if err != nil {
			return err
		}
		if !slices.Contains(recipients, a) {
			recipients = append(recipients, a)
		}
	}
	s, err := connect(ctx, cfg, from)
	if err != nil {
		return err
	}
	defer s.close()
	return s.result(ctx, s.submit(sender, recipients, raw))
}

// Check signs in and lets the server agree to mail from an address, without sending any. Its errors
// are Submit's.
func Check(ctx context.Context, cfg Config, from string) error {
	sender, err := parse(from)
	if err != nil {
		return err
	}
	s, err := connect(ctx, cfg, from)
	if err != nil {
		return err
	}
	defer s.close()
	return s.result(ctx, s.check(sender))
}

func (s *session) check(from address) error {
	if err := s.mail(from, from.utf8(), 0); err != nil {
		return err
	}
	if err := s.c.Reset(); err != nil {
		return s.trouble("reset", err)
	}
	s.quit()
	return nil
}

func (s *session) submit(from address, to []address, raw io.Reader) error {
	utf8 := from.utf8() || slices.ContainsFunc(to, address.utf8)
	size := 0
	if sized, ok := raw.(interface{ Len() int }); ok {
		size = sized.Len()
	}
	if most, ok := s.c.MaxMessageSize(); ok && most > 0 && size > most {
		return &Refused{
			Code: 552, Enhanced: "5.3.4", Permanent: true,
			Text: fmt.Sprintf("The mail has %d bytes, this server takes %d at most", size, most),
		}
	}
	if err := s.mail(from, utf8, size); err != nil {
		return err
	}
	if err := s.recipients(to); err != nil {
		return err
	}
	return s.data(raw)
}

func (s *session) mail(from address, utf8 bool, size int) error {
	if utf8 {
		if ok, _ := s.c.Extension("SMTPUTF8"); !ok {
			return &account.Trouble{
				Doing: s.cfg.Doing("send"), Err: ErrAddress,
				Cure: "the server does not do addresses with letters beyond ASCII before the @ (SMTPUTF8)",
			}
		}
	}
	err := s.c.Mail(from.String(), &smtp.MailOptions{UTF8: utf8, Size: int64(size)})
	return s.refused("name the sender", err)
}

// recipients names all of them, so that all who are refused are known at once.
func (s *session) recipients(to []address) error {
	var first *Refused
	words := map[string]string{}
	for _, t := range to {
		err := s.refused("name "+t.given, s.c.Rcpt(t.String(), nil))
		var refused *Refused
		switch {
		case err == nil:
			continue
		case !errors.As(err, &refused):
			return err
		}
		words[t.given] = strings.TrimSpace(fmt.Sprintf("%d %s %s", refused.Code, refused.Enhanced, refused.Text))
		if first == nil || refused.Permanent && !first.Permanent {
			first = refused
		}
	}
	if first == nil {
		return nil
	}
	s.quit() // which ends the transaction, too
	first.Recipients = words
	return first
}

// data hands the mail over. Until the last line is on its way, whatever fails, the server throws
// away what it has (RFC 5321 section 4.1.1.4).
func (s *session) data(raw io.Reader) error {
	w, err := s.c.Data()
	if err != nil {
		return s.refused("hand the mail over", err)
	}
	source := &recorder{r: raw}
	if _, err := io.Copy(w, source); err != nil {
		// Not even QUIT may follow: go-smtp would end the mail first, and the half of it would go out.
		s.drop()
		if source.err != nil {
			return fmt.Errorf("%s: %w", s.cfg.Doing("read the mail"), source.err)
		}
		return s.trouble("hand the mail over", err)
	}
	s.conn.Expect(max(s.cfg.Timeout, patience))
	_, err = w.CloseWithResponse()
	var answer *smtp.SMTPError
	switch {
	case errors.As(err, &answer) && answer.Code >= 200 && answer.Code < 300:
	case errors.As(err, &answer) && answer.Code >= 400 && answer.Code < 600:
		return s.refused("hand the mail over", err)
	case err != nil:
		defer s.drop()
		if !s.wire.ended() {
			return s.trouble("hand the mail over", err)
		}
		return fmt.Errorf("%w: %w", ErrUnknown, s.trouble("hand the mail over", err))
	}
	s.quit()
	return nil
}

// refused turns the server's no into Refused, and all else into trouble.
func (s *session) refused(doing string, err error) error {
	var no *smtp.SMTPError
	if !errors.As(err, &no) {
		return s.trouble(doing, err)
	}
	return &Refused{
		Code: no.Code, Enhanced: enhanced(no.EnhancedCode), Text: account.Printable(no.Message), Permanent: no.Code >= 500,
	}
}

func enhanced(c smtp.EnhancedCode) string {
	if c[0] <= 0 {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", c[0], c[1], c[2])
}

// address is one end of a mail.
type address struct {
	given  string
	local  string
	domain string // in ASCII: an internationalised name as in DNS, which needs no SMTPUTF8
}

// parse reads a bare address, "maria@example.org".
func parse(given string) (address, error) {
	wrong := func(why string) (address, error) {
		return address{}, fmt.Errorf("smtp: %q: %s: %w", given, why, ErrAddress)
	}
	at := strings.LastIndexByte(given, '@')
	if at <= 0 || at == len(given)-1 {
		return wrong("no name and domain around an @")
	}
	a := address{given: given, local: given[:at], domain: given[at+1:]}
	quoted := len(a.local) > 1 && a.local[0] == '"' && a.local[len(a.local)-1] == '"'
	for _, r := range given {
		// These end an address, a command or a line.
		if r < ' ' || r == 0x7f || r == '<' || r == '>' || r == ' ' && !quoted {
			return wrong("a character that cannot be in an address")
		}
	}
	if strings.ContainsAny(a.domain, " ") {
		return wrong("a blank in the domain")
	}
	if !ascii(a.domain) {
		domain, err := idna.Lookup.ToASCII(a.domain)
		if err != nil {
			return wrong("the domain is not valid")
		}
		a.domain = domain
	}
	return a, nil
}

func (a address) String() string { return a.local + "@" + a.domain }

// utf8 tells whether the address needs SMTPUTF8 (RFC 6531).
func (a address) utf8() bool { return !ascii(a.local) }

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e })
}

// recorder remembers why reading failed.
type recorder struct {
	r   io.Reader
	err error
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}
