package slacktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Socket Mode (https://docs.slack.dev/apis/events-api/using-socket-mode).

const (
	maxSockets   = 10
	ackWithin    = 3 * time.Second
	ticketLife   = 30 * time.Second
	socketLife   = 18060 * time.Second // about five hours
	debugLife    = 360 * time.Second   // with debug_reconnects
	warnedBefore = 10 * time.Second
	pingEvery    = 5 * time.Second
)

type sockets struct {
	open    []*socket
	tickets map[string]time.Time
	next    int
	off     bool // somebody has switched Socket Mode off
}

// socket is one connection of the app.
type socket struct {
	ws      *websocket.Conn
	host    string
	writing sync.Mutex
	gone    chan struct{} // closed when it is
	mu      sync.Mutex
	waiting map[string]chan []byte // envelopes without an answer yet
	payload map[string]bool        // envelopes that may be answered with a payload
	done    map[string]bool        // answered or expired
}

func (s *Server) connectionsOpen(*call) (object, error) {
	if !s.app.Settings.Socket || s.sockets.off {
		return nil, refuse("forbidden_team")
	}
	ticket := secret(36)
	if s.sockets.tickets == nil {
		s.sockets.tickets = map[string]time.Time{}
	}
	s.sockets.tickets[ticket] = s.Clock.Now()
	return object{"url": "ws" + s.URL[len("http"):] + "/link/?" + url.Values{"ticket": {ticket}, "app_id": {secret(64)}}.Encode()}, nil
}

// serveSocket is a connection: from its ticket, which holds once, to its end.
func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	ticket := r.URL.Query().Get("ticket")
	s.mu.Lock()
	issued, known := s.sockets.tickets[ticket]
	delete(s.sockets.tickets, ticket)
	s.mu.Unlock()
	if !known || s.Clock.Now().Sub(issued) > ticketLife {
		http.Error(w, "invalid ticket", http.StatusNotFound)
		return
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &socket{ws: ws, host: "applink-" + secret(8), gone: make(chan struct{}), waiting: map[string]chan []byte{}, payload: map[string]bool{}, done: map[string]bool{}}
	defer func() { _ = ws.Close() }()
	life := socketLife
	if r.URL.Query().Get("debug_reconnects") == "true" {
		life = debugLife
	}
	s.mu.Lock()
	if s.closed || len(s.sockets.open) >= maxSockets {
		s.mu.Unlock()
		c.disconnect("too_many_websockets")
		return
	}
	s.sockets.open = append(s.sockets.open, c)
	n := len(s.sockets.open)
	s.mu.Unlock()
	end := s.Clock.Now().Add(life) // before anybody can know of it and set the clock forward
	c.write(object{"type": "hello", "num_connections": n, "connection_info": object{"app_id": s.AppID},
		"debug_info": object{"host": c.host, "build_number": 10, "approximate_connection_time": int(life.Seconds())}})
	s.mu.Lock()
	s.wake()
	s.mu.Unlock()
	s.work.Go(func() { s.age(c, end) })
	s.work.Go(c.ping)
	s.listen(c)
	close(c.gone)
	s.mu.Lock()
	s.sockets.open = slices.DeleteFunc(s.sockets.open, func(o *socket) bool { return o == c })
	s.wake()
	s.mu.Unlock()
}

// age says farewell in time.
func (s *Server) age(c *socket, end time.Time) {
	if s.Clock.wait(s.ctx, end.Add(-warnedBefore), c.gone) {
		c.disconnect("warning")
		if s.Clock.wait(s.ctx, end, c.gone) {
			c.disconnect("refresh_requested")
			_ = c.ws.Close()
		}
	}
}

func (c *socket) ping() {
	t := time.NewTicker(pingEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			_ = c.ws.WriteControl(websocket.PingMessage, []byte("Ping from "+c.host), time.Now().Add(time.Second))
		case <-c.gone:
			return
		}
	}
}

// listen reads what the app says: acknowledgements.
func (s *Server) listen(c *socket) {
	for {
		_, data, err := c.ws.ReadMessage()
		if err != nil {
			return
		}
		var ack struct {
			EnvelopeID string          `json:"envelope_id"`
			Payload    json.RawMessage `json:"payload"`
		}
		if err := json.Unmarshal(data, &ack); err != nil || ack.EnvelopeID == "" {
			s.lockedMistake("a message over the socket is no acknowledgement: %.200s", data)
			continue
		}
		c.mu.Lock()
		answer, waiting := c.waiting[ack.EnvelopeID]
		accepts, before := c.payload[ack.EnvelopeID], c.done[ack.EnvelopeID]
		delete(c.waiting, ack.EnvelopeID)
		c.done[ack.EnvelopeID] = true
		c.mu.Unlock()
		switch {
		case !waiting && before:
			s.lockedMistake("envelope %s was acknowledged twice, or too late", ack.EnvelopeID)
			continue
		case !waiting:
			s.lockedMistake("envelope %s was never sent over this connection", ack.EnvelopeID)
			continue
		case !accepts && len(ack.Payload) != 0 && string(ack.Payload) != "null" && string(ack.Payload) != "{}":
			s.lockedMistake("envelope %s accepts no payload: %.200s", ack.EnvelopeID, ack.Payload)
			ack.Payload = nil
		}
		answer <- ack.Payload
	}
}

func (s *Server) lockedMistake(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mistake(format, args...)
}

func (c *socket) write(v any) bool {
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = c.ws.SetWriteDeadline(time.Now().Add(5 * time.Second))
	return c.ws.WriteMessage(websocket.TextMessage, marshal(v)) == nil
}

func (c *socket) disconnect(reason string) {
	c.write(object{"type": "disconnect", "reason": reason, "debug_info": object{"host": c.host}})
}

// sendEnvelope sends one over any of the connections; the function waits for its acknowledgement.
func (s *Server) sendEnvelope(kind string, payload object, accepts bool, attempt int, reason string) func() delivery {
	envelope := fmt.Sprintf("%s-%s-%s-%s-%s", secret(8), secret(4), secret(4), secret(4), secret(12))
	message := object{"envelope_id": envelope, "payload": payload, "type": kind, "accepts_response_payload": accepts}
	if kind == "events_api" {
		message["retry_attempt"], message["retry_reason"] = attempt, reason
	}
	answer := make(chan []byte, 1)
	sent := s.Clock.Now()
	var c *socket
	for {
		s.mu.Lock()
		open := len(s.sockets.open)
		if open > 0 {
			s.sockets.next++
			c = s.sockets.open[s.sockets.next%open]
		}
		s.mu.Unlock()
		if open == 0 {
			return func() delivery { return delivery{reason: "connection_failed"} }
		}
		c.mu.Lock()
		c.waiting[envelope], c.payload[envelope] = answer, accepts
		c.mu.Unlock()
		if c.write(message) {
			break
		}
		_ = c.ws.Close()
		<-c.gone
	}
	return func() delivery {
		stop, expired := make(chan struct{}), make(chan struct{})
		s.work.Go(func() {
			if s.Clock.wait(s.ctx, sent.Add(ackWithin), stop) {
				close(expired)
			}
		})
		defer close(stop)
		select {
		case data := <-answer:
			return delivery{ok: true, answer: data}
		case <-expired:
		case <-c.gone:
		case <-s.ctx.Done():
		}
		c.mu.Lock()
		delete(c.waiting, envelope)
		c.done[envelope] = true
		c.mu.Unlock()
		return delivery{reason: "timeout"}
	}
}

// Connections is how many connections the app has.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sockets.open)
}

// Disconnect tells every connection so, and closes it: after "warning" ten seconds later, after
// "refresh_requested" and "link_disabled" at once.
func (s *Server) Disconnect(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	end := s.Clock.Now().Add(warnedBefore)
	for _, c := range s.sockets.open {
		s.work.Go(func() {
			c.disconnect(reason)
			if reason != "warning" || s.Clock.wait(s.ctx, end, c.gone) {
				_ = c.ws.Close()
			}
		})
	}
}

// SwitchSocketMode switches Socket Mode off, as an admin of the app can, or on again.
func (s *Server) SwitchSocketMode(on bool) {
	s.mu.Lock()
	s.sockets.off = !on
	s.mu.Unlock()
	if !on {
		s.Disconnect("link_disabled")
	}
}

// CutSockets cuts every connection without a word.
func (s *Server) CutSockets() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.sockets.open {
		_ = c.ws.Close()
	}
}
