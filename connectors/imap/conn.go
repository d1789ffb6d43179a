package imap

import (
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// conn is the TCP connection below go-imap, and below TLS. go-imap's own deadlines are for whole
// commands and whole literals: a large mail over a slow line would never arrive, and a server that
// falls silent between two responses would never be noticed. Here only silence counts, and only
// while something is expected from the server.
type conn struct {
	net.Conn
	silence time.Duration // how long the other side may say nothing

	mu       sync.Mutex
	expected bool
	timedOut bool
}

// expect says whether the server owes us something from now on.
func (c *conn) expect(something bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expected = something
	_ = c.Conn.SetReadDeadline(c.deadline()) // fails only on a closed connection, as the next read will
}

func (c *conn) deadline() time.Time {
	if !c.expected {
		return time.Time{}
	}
	return time.Now().Add(c.silence)
}

func (c *conn) Read(b []byte) (int, error) {
	c.mu.Lock()
	_ = c.Conn.SetReadDeadline(c.deadline())
	c.mu.Unlock()
	n, err := c.Conn.Read(b)
	c.note(err)
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	_ = c.Conn.SetWriteDeadline(time.Now().Add(c.silence))
	n, err := c.Conn.Write(b)
	c.note(err)
	return n, err
}

func (c *conn) note(err error) {
	if t, ok := err.(net.Error); ok && t.Timeout() { //nolint:errorlint // of this connection itself
		c.mu.Lock()
		c.timedOut = true
		c.mu.Unlock()
	}
}

func (c *conn) silent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.timedOut
}

// Go-imap's deadlines are ignored, see conn.
func (c *conn) SetDeadline(time.Time) error      { return nil }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// lastWords keeps the end of what goes over a connection. go-imap drops the text of BYE, which is
// where servers say why they hang up.
type lastWords struct {
	mu  sync.Mutex
	end []byte
}

const lastWordsSize = 512

// Write implements io.Writer for go-imap's DebugWriter.
func (l *lastWords) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = append(l.end, b[max(0, len(b)-lastWordsSize):]...)
	if extra := len(l.end) - lastWordsSize; extra > 0 {
		l.end = append(l.end[:0], l.end[extra:]...)
	}
	return len(b), nil
}

// bye is the text of a BYE, if that is the last that the server said. A command of ours may stand
// after it.
func (l *lastWords) bye() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := strings.Split(string(l.end), "\n")
	for _, line := range slices.Backward(lines) {
		if words, ok := strings.CutPrefix(line, "* BYE "); ok {
			return printable(words)
		}
		if strings.HasPrefix(line, "* ") {
			break
		}
	}
	return ""
}
