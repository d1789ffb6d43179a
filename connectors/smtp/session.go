package smtp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"groupmail/connectors/account"
)

// session is one connection, signed in.
type session struct {
	cfg    Config
	conn   *account.Conn
	wire   *wire // what go-smtp talks through, within TLS
	c      *smtp.Client
	unhook func() bool
}

// connect dials, encrypts and signs in. When ctx ends, so does the connection, until close.
func connect(ctx context.Context, cfg Config, from string) (*session, error) {
	cfg, err := cfg.defaults(from)
	if err != nil {
		return nil, err
	}
	return account.Connect(ctx, cfg.Account, func(ctx context.Context, a account.Account) (*session, error) {
		s := &session{cfg: cfg}
		s.cfg.Account = a
		var err error
		if s.conn, err = a.Dial(ctx); err != nil {
			return nil, s.result(ctx, err)
		}
		s.conn.Expect(a.Timeout)
		s.unhook = context.AfterFunc(ctx, s.drop)
		if err = s.connecting(ctx, s.greet(ctx)); err == nil {
			err = s.login(ctx)
		}
		if err != nil {
			s.close()
			return nil, s.result(ctx, err)
		}
		return s, nil
	})
}

// greet goes as far as the answer to EHLO, within TLS.
func (s *session) greet(ctx context.Context) error {
	greeting := io.Reader(nil)
	if s.cfg.TLS == account.STARTTLS {
		if err := s.startTLS(); err != nil {
			return err
		}
		greeting = strings.NewReader("220 \r\n") // the server does not greet twice, go-smtp wants it
	}
	s.wire = &wire{Conn: s.conn}
	if s.cfg.TLS != account.Plain {
		encrypted, err := s.cfg.Encrypt(ctx, s.conn)
		if err != nil {
			return err
		}
		s.wire.Conn = encrypted
	}
	s.wire.r = s.wire.Conn
	if greeting != nil {
		s.wire.r = io.MultiReader(greeting, s.wire.Conn)
	}
	s.c = smtp.NewClient(s.wire)
	return s.c.Hello(s.cfg.Hello)
}

// startTLS asks for TLS (RFC 3207). go-smtp's own way names us "localhost", which some servers
// refuse, and its errors do not tell a server without STARTTLS from others.
func (s *session) startTLS() error {
	r := bufio.NewReader(s.conn)
	t := textproto.NewReader(r)
	ask := func(command string, code int) (string, error) {
		if command != "" {
			if _, err := io.WriteString(s.conn, command+"\r\n"); err != nil {
				return "", err
			}
		}
		_, text, err := t.ReadResponse(code)
		return text, err
	}
	if _, err := ask("", 220); err != nil {
		return err
	}
	if strings.ContainsAny(s.cfg.Hello, "\r\n") {
		return errors.New("hello has more than one line")
	}
	extensions, err := ask("EHLO "+s.cfg.Hello, 250)
	if err != nil {
		return err
	}
	offered := false
	for line := range strings.SplitSeq(extensions, "\n") {
		word, _, _ := strings.Cut(line, " ")
		offered = offered || strings.EqualFold(word, "STARTTLS")
	}
	if !offered {
		return s.cfg.NoTLS("", nil)
	}
	if _, err := ask("STARTTLS", 220); err != nil {
		return err
	}
	if r.Buffered() > 0 {
		return errors.New("something was said after STARTTLS and before TLS: somebody may be listening in")
	}
	return nil
}

// login signs in, if there is a user to sign in as.
func (s *session) login(ctx context.Context) error {
	if s.cfg.User == "" {
		return nil
	}
	as, err := s.cfg.Credentials(ctx, s.c.SupportsAuth, false)
	if err != nil {
		return err
	}
	err = s.c.Auth(as.Client())
	var no *smtp.SMTPError
	if errors.As(err, &no) && no.Code >= 500 {
		return as.Refused(no.Message, err)
	}
	return as.Trouble(s.conn, says(err), err)
}

// quit says goodbye. The mail's fate is decided by then, so nothing that happens here counts.
func (s *session) quit() {
	const soon = 5 * time.Second
	s.conn.Expect(min(soon, s.cfg.Timeout))
	_ = s.c.Quit()
}

// drop ends the connection without a word.
func (s *session) drop() { _ = s.conn.Close() }

func (s *session) close() {
	s.unhook()
	s.drop()
}

// result puts the end of ctx in the place of what it made fail.
func (s *session) result(ctx context.Context, err error) error {
	var refused *Refused
	if err == nil || ctx.Err() == nil || errors.As(err, &refused) {
		return err
	}
	if errors.Is(err, ErrUnknown) {
		return fmt.Errorf("%w: %w", ErrUnknown, ctx.Err())
	}
	return ctx.Err()
}

// wire is the connection as go-smtp sees it. It knows whether the end of a mail was sent.
type wire struct {
	net.Conn
	r   io.Reader
	end []byte // the last bytes that were to be sent
}

const endOfMail = "\r\n.\r\n"

func (w *wire) Read(b []byte) (int, error) { return w.r.Read(b) }

func (w *wire) Write(b []byte) (int, error) {
	w.end = append(w.end, b[max(0, len(b)-len(endOfMail)):]...)
	w.end = w.end[max(0, len(w.end)-len(endOfMail)):]
	return w.Conn.Write(b)
}

func (w *wire) ended() bool { return string(w.end) == endOfMail }

func (s *session) trouble(doing string, err error) error {
	return s.cfg.Trouble(s.conn, doing, says(err), err)
}

func (s *session) connecting(ctx context.Context, err error) error {
	return s.cfg.Connecting(ctx, s.conn, says(err), err)
}

// says is what the server said about an error.
func says(err error) string {
	var no *smtp.SMTPError
	var noTLS *textproto.Error
	switch {
	case errors.As(err, &no):
		return no.Message
	case errors.As(err, &noTLS):
		return noTLS.Msg
	}
	return ""
}
