package pop3

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"groupmail/connectors/account"
)

// session is one connection, from greeting to QUIT.
type session struct {
	a      account.Account
	ctx    context.Context //nolint:containedctx // the session ends with it
	unhook func() bool
	conn   *account.Conn
	out    net.Conn // conn, or TLS over it
	in     *bufio.Reader
	tls    string              // version in use; empty without
	caps   map[string][]string // by name, in upper case; nil if the server tells none
	lost   bool

	names  []string // of all mails, oldest first
	number map[string]int
	twins  map[string]bool // names of which there are several
}

// refusal is the server's -ERR, after which the session goes on.
type refusal struct{ says string }

func (r *refusal) Error() string { return r.says }

func isRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

// trouble says what was tried.
func (s *session) trouble(doing string, err error) error {
	if s.ctx.Err() != nil && err != nil {
		return s.ctx.Err()
	}
	return s.a.Trouble(s.conn, doing, says(err), err)
}

func says(err error) string {
	var r *refusal
	if errors.As(err, &r) {
		return r.says
	}
	return ""
}

// connect dials and signs in.
func connect(ctx context.Context, a account.Account) (*session, error) {
	conn, err := a.Dial(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{a: a, ctx: ctx, conn: conn, out: conn}
	s.unhook = context.AfterFunc(ctx, func() { _ = conn.Close() })
	conn.Expect(a.Timeout)
	if err := s.greet(ctx); err != nil {
		s.drop()
		return nil, a.Connecting(ctx, conn, says(err), err)
	}
	if err := s.login(ctx); err != nil {
		s.drop()
		return nil, err
	}
	return s, nil
}

// greet goes as far as the capabilities of an encrypted connection.
func (s *session) greet(ctx context.Context) error {
	encrypt := func() error {
		encrypted, err := s.a.Encrypt(ctx, s.conn)
		if err != nil {
			return err
		}
		s.out, s.tls = encrypted, tls.VersionName(encrypted.ConnectionState().Version)
		s.in = bufio.NewReaderSize(encrypted, 64<<10)
		return nil
	}
	s.in = bufio.NewReaderSize(s.out, 64<<10)
	if s.a.TLS == account.TLS {
		if err := encrypt(); err != nil {
			return err
		}
	}
	if _, err := s.status(); err != nil {
		return err
	}
	if s.a.TLS == account.STARTTLS {
		if _, err := s.command("STLS"); err != nil {
			if isRefusal(err) {
				return s.a.NoTLS(says(err), err)
			}
			return err
		}
		if s.in.Buffered() > 0 { // put in by somebody who has no part in what is encrypted
			return errors.New("the server says something before the connection is encrypted")
		}
		if err := encrypt(); err != nil {
			return err
		}
	}
	return s.capabilities()
}

// capabilities asks what the server can do. One that does not know CAPA tells nothing.
func (s *session) capabilities() error {
	lines, err := s.lines("CAPA")
	s.caps = nil
	if isRefusal(err) {
		return nil
	}
	if err == nil {
		s.caps = map[string][]string{}
	}
	for _, line := range lines {
		if words := strings.Fields(strings.ToUpper(line)); len(words) > 0 {
			s.caps[words[0]] = words[1:]
		}
	}
	return err
}

func (s *session) has(capability string) bool {
	_, has := s.caps[capability]
	return has || s.caps == nil
}

// login signs in: by AUTH (RFC 5034) where the server knows it, else by USER and PASS.
func (s *session) login(ctx context.Context) error {
	offers := func(mechanism string) bool { return slices.Contains(s.caps["SASL"], mechanism) }
	as, err := s.a.Credentials(ctx, offers, s.has("USER"))
	if err != nil {
		return err
	}
	if as.Mechanism == "" {
		err = s.userPass(as)
	} else {
		err = s.auth(as)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case as.Explained(), isRefusal(err) && !passing(says(err)):
		return as.Refused(says(err), err)
	case err != nil:
		return as.Trouble(s.conn, says(err), err)
	}
	return s.trouble("ask for capabilities", s.capabilities()) // they may change with the login
}

func (s *session) userPass(as *account.Credentials) error {
	if strings.ContainsAny(as.User+as.Secret, "\r\n") {
		return errors.New("user or password holds a line break")
	}
	if _, err := s.command("USER " + as.User); err != nil {
		return err
	}
	_, err := s.command("PASS " + as.Secret)
	return err
}

// auth gives its answers only when they are asked for: initial responses are refused by some, and
// too long for a command with most tokens.
func (s *session) auth(as *account.Credentials) error {
	client := as.Client()
	mechanism, initial, err := client.Start()
	if err != nil {
		return err
	}
	text, err := s.command("AUTH " + mechanism)
	for first := true; err == nil && text.more; first = false {
		answer := initial
		if !first || initial == nil {
			challenge, decoding := base64.StdEncoding.DecodeString(text.says)
			if decoding != nil {
				return decoding
			}
			if answer, err = client.Next(challenge); err != nil {
				return err
			}
		}
		text, err = s.command(base64.StdEncoding.EncodeToString(answer))
	}
	return err
}

// passing tells whether a refusal says of itself that it will pass (RFC 2449 section 8.1.1, RFC
// 3206): mostly, another program has the mailbox for itself just now.
func passing(says string) bool {
	says = strings.ToUpper(says)
	for _, code := range []string{"[IN-USE]", "[LOGIN-DELAY]", "[SYS/TEMP]"} {
		if strings.Contains(says, code) {
			return true
		}
	}
	return !strings.HasPrefix(says, "[") && (strings.Contains(says, " LOCK") || strings.Contains(says, "IN USE") || strings.Contains(says, "BUSY"))
}

// list asks for the names of all mails.
func (s *session) list() error {
	lines, err := s.lines("UIDL")
	if isRefusal(err) && (s.caps == nil || !s.has("UIDL")) {
		return &account.Trouble{
			Doing: s.a.Doing("list mail"), Says: account.Printable(says(err)), Err: ErrNoUIDL,
			Cure: "without names it cannot be known which mail is new: read this mailbox by imap",
		}
	}
	if err != nil {
		return s.trouble("list mail", err)
	}
	s.number, s.twins = map[string]int{}, map[string]bool{}
	seen := map[string]int{}
	for _, line := range lines {
		words := strings.Fields(line)
		n := 0
		if len(words) == 2 {
			n, _ = strconv.Atoi(words[0])
		}
		if n < 1 {
			return s.trouble("list mail", fmt.Errorf("the server's list holds %q, not a number and a name", account.Printable(line)))
		}
		name := words[1]
		if seen[name]++; seen[name] > 1 {
			s.twins[name] = true
			name = fmt.Sprintf("%s#%d", name, seen[name])
			s.twins[name] = true
		}
		if _, taken := s.number[name]; taken {
			return s.trouble("list mail", fmt.Errorf("the server's list holds %q more often than can be told apart", account.Printable(name)))
		}
		s.number[name] = n
		s.names = append(s.names, name)
	}
	return nil
}

// received asks for the header of each mail, which tells when the server received it.
func (s *session) received() ([]time.Time, error) {
	all := make([]time.Time, len(s.names))
	if !s.has("TOP") {
		return all, nil
	}
	for i, name := range s.names {
		header, err := s.text(fmt.Sprintf("TOP %d 0", s.number[name]))
		if isRefusal(err) {
			continue
		}
		if err == nil {
			all[i] = header.received()
			_, err = io.Copy(io.Discard, header)
		}
		if err != nil {
			return nil, s.trouble("read headers", err)
		}
	}
	return all, nil
}

// end signs off. Whatever the server thinks of that, nothing was asked of it that must not be lost.
func (s *session) end() {
	if !s.lost {
		s.conn.Expect(min(2*time.Second, s.a.Timeout))
		_, _ = s.command("QUIT")
	}
	s.drop()
}

// drop ends the connection. A server must not delete then what was only marked (RFC 1939 section 6).
func (s *session) drop() {
	s.lost = true
	s.unhook()
	_ = s.conn.Close()
}

// reply is the first line of an answer.
type reply struct {
	says string
	more bool // the server wants to be answered (RFC 5034)
	lf   bool // its lines end in LF alone
}

// command sends a line and reads the first of the answer.
func (s *session) command(line string) (reply, error) {
	if _, err := io.WriteString(s.out, line+"\r\n"); err != nil {
		s.lost = true
		return reply{}, err
	}
	return s.status()
}

func (s *session) status() (reply, error) {
	line, err := s.in.ReadSlice('\n')
	if err != nil {
		s.lost = true
		if errors.Is(err, io.EOF) {
			err = errClosed
		}
		return reply{}, err
	}
	r := reply{lf: !bytes.HasSuffix(line, []byte("\r\n"))}
	word, rest, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
	r.says = rest
	switch strings.ToUpper(word) {
	case "+OK":
		return r, nil
	case "+":
		r.more = true
		return r, nil
	case "-ERR":
		return r, &refusal{rest}
	}
	s.lost = true
	return r, fmt.Errorf("the server does not speak POP3: %q", account.Printable(string(line)))
}

var errClosed = errors.New("the server has closed the connection")

// lines reads an answer of several lines.
func (s *session) lines(command string) (lines []string, err error) {
	t, err := s.text(command)
	if err != nil {
		return nil, err
	}
	all := bufio.NewScanner(t)
	for all.Scan() {
		lines = append(lines, all.Text())
	}
	return lines, all.Err()
}

// text begins an answer of many lines. It must be read to its end before the next command.
func (s *session) text(command string) (*text, error) {
	if s.lost {
		return nil, errClosed
	}
	r, err := s.command(command)
	if err != nil {
		return nil, err
	}
	t := &text{s: s, lf: r.lf, begin: true}
	t.ahead = bufio.NewReaderSize(readerFunc(t.read), headerSize)
	return t, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// headerSize is how much of a mail is looked through, in bytes, for when it was received.
const headerSize = 32 << 10

// text reads what follows a first line, up to the line that is a dot (RFC 1939 section 3). The dot
// that precedes other lines with one is taken away; whatever else there is stays, long lines, NUL
// and lone LF included.
type text struct {
	s     *session
	ahead *bufio.Reader
	lf    bool // lines end in LF alone: else LF is nothing special
	begin bool // of a line
	left  []byte
	err   error
}

func (t *text) Read(p []byte) (int, error) { return t.ahead.Read(p) }

func (t *text) read(p []byte) (int, error) {
	if len(t.left) == 0 && t.err == nil {
		t.fill()
	}
	if len(t.left) == 0 {
		return 0, t.err
	}
	n := copy(p, t.left)
	t.left = t.left[n:]
	return n, nil
}

func (t *text) fill() {
	line, err := t.s.in.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		t.s.lost = true
		if errors.Is(err, io.EOF) {
			err = errClosed
		}
		t.err = t.s.trouble("read a mail", err)
		return
	}
	end := "\r\n"
	if t.lf {
		end = "\n"
	}
	if t.begin && line[0] == '.' {
		if string(line[1:]) == end {
			t.err = io.EOF
			return
		}
		line = line[1:]
	}
	t.begin = bytes.HasSuffix(line, []byte(end))
	t.left = line
}

// received is when the server received the mail: by the first Received field, which it has put there
// itself, else by Date; zero without either. It is asked before anything is read.
func (t *text) received() (date time.Time) {
	begin, _ := t.ahead.Peek(headerSize) // an error comes again when it is read
	header := strings.ReplaceAll(string(begin), "\r\n", "\n")
	header, _, _ = strings.Cut(header, "\n\n")
	header = strings.NewReplacer("\n ", " ", "\n\t", " ").Replace(header)
	for field := range strings.Lines(header) {
		name, value, _ := strings.Cut(field, ":")
		switch strings.ToLower(name) {
		case "received":
			if at, err := mail.ParseDate(strings.TrimSpace(value[strings.LastIndexByte(value, ';')+1:])); err == nil {
				return at.UTC()
			}
		case "date":
			if at, err := mail.ParseDate(strings.TrimSpace(value)); err == nil && date.IsZero() {
				date = at.UTC()
			}
		}
	}
	return date
}
