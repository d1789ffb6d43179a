package account

import (
	"net"
	"sync"
	"time"
)

// Conn is the TCP connection below TLS. The mail libraries' own deadlines are for whole commands and
// whole mails, and for some there are none: a large mail over a slow line would never arrive, and a
// server that falls silent half-way would never be noticed. Here only silence counts, and only while
// something is expected from the server.
type Conn struct {
	net.Conn

	mu       sync.Mutex
	silence  time.Duration // how long the other side may say nothing
	expected bool
	timedOut bool
}

// Expect says that the server owes us something from now on, at the latest after so much silence; 0
// means that it owes nothing. In the beginning it does not.
func (c *Conn) Expect(silence time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.expected = silence > 0; c.expected {
		c.silence = silence
	}
	_ = c.Conn.SetReadDeadline(c.deadline()) // fails only on a closed connection, as the next read will
}

func (c *Conn) deadline() time.Time {
	if !c.expected {
		return time.Time{}
	}
	return time.Now().Add(c.silence)
}

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	c.mu.Lock()
	_ = c.Conn.SetReadDeadline(c.deadline())
	c.mu.Unlock()
	n, err := c.Conn.Read(b)
	c.note(err)
	return n, err
}

// Write implements net.Conn.
func (c *Conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	_ = c.Conn.SetWriteDeadline(time.Now().Add(c.silence))
	c.mu.Unlock()
	n, err := c.Conn.Write(b)
	c.note(err)
	return n, err
}

func (c *Conn) note(err error) {
	if t, ok := err.(net.Error); ok && t.Timeout() { //nolint:errorlint // of this connection itself
		c.mu.Lock()
		c.timedOut = true
		c.mu.Unlock()
	}
}

// silent is the Silence of a connection on which there was too much of it.
func (c *Conn) silent() (s *Silence, ok bool) {
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return &Silence{c.silence}, c.timedOut
}

// SetDeadline implements net.Conn. The libraries' deadlines are ignored, see Conn.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn, likewise.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn, likewise.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
