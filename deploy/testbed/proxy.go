package testbed

import (
	"context"
	"net"
	"sync"
	"testing"
)

// Proxy stands between a client and a TCP server and breaks the network on
// request. Its methods may be called from any goroutine.
type Proxy struct {
	Addr string // where clients connect

	t      testing.TB
	target string
	wg     sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while refusing
	conns    map[net.Conn]struct{}
	flow     chan struct{} // closed while bytes may flow
	closed   bool
}

// NewProxy forwards a fresh loopback address to target ("host:port").
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	port, err := freePort()
	must(t, "proxy", err)
	p := &Proxy{Addr: loopback(port), t: t, target: target, conns: map[net.Conn]struct{}{}, flow: make(chan struct{})}
	close(p.flow)
	p.Heal()
	t.Cleanup(p.close)
	return p
}

// Cut resets all connections. New ones are accepted.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		reset(c)
	}
}

// Refuse refuses new connections until Heal. Open ones go on.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse()
}

// Stall lets no byte through in either direction until Heal: connections stay
// open and new ones are accepted, but nobody answers.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.flowing() {
		p.flow = make(chan struct{})
	}
}

// Heal ends Refuse and Stall; what was held back arrives.
func (p *Proxy) Heal() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.flowing() {
		close(p.flow)
	}
	if p.listener != nil || p.closed {
		return
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", p.Addr)
	must(p.t, "proxy", err)
	p.listener = l
	p.wg.Go(func() { p.accept(l) })
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.refuse()
	if !p.flowing() {
		close(p.flow)
	}
	for c := range p.conns {
		reset(c)
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *Proxy) refuse() {
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
}

func (p *Proxy) flowing() bool {
	select {
	case <-p.flow:
		return true
	default:
		return false
	}
}

func (p *Proxy) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		if p.add(client) {
			p.wg.Go(func() { p.forward(client) })
		}
	}
}

// forward copies both ways until either side ends.
func (p *Proxy) forward(client net.Conn) {
	defer p.remove(client)
	server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.target)
	if err != nil || !p.add(server) {
		return
	}
	defer p.remove(server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.copy(client, server)
	}()
	p.copy(server, client)
	<-done
}

// copy ends both connections when one way ends: the protocols tested here have
// no use for half-closed ones.
func (p *Proxy) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		flow := p.flow
		p.mu.Unlock()
		<-flow
		if _, writeErr := to.Write(buf[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

func (p *Proxy) add(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.Close()
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *Proxy) remove(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// reset closes a connection so that the other side gets an error, not an end of
// file.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
