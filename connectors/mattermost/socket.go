package mattermost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/mattermost/mattermost/server/public/model"
)

const (
	pingEvery = 3 * time.Second
	deadAfter = 10 * time.Second // without a sign of life
	dialTime  = 10 * time.Second
	maxFrame  = 16 << 20
)

// frame is what comes over the websocket: an event, or the answer to one of our pings.
type frame struct {
	Event model.WebsocketEventType `json:"event"`
	Data  struct {
		ConnectionID string          `json:"connection_id"` // hello
		Post         string          `json:"post"`          // JSON in JSON
		ChannelType  string          `json:"channel_type"`
		User         json.RawMessage `json:"user"` // user_updated
		UserID       string          `json:"user_id"`
		Reaction     string          `json:"reaction"` // JSON in JSON
	} `json:"data"`
	Broadcast struct {
		ChannelID string `json:"channel_id"`
	} `json:"broadcast"`
	Seq    int64  `json:"seq"`
	Status string `json:"status"` // of an answer: OK or FAIL
}

// session is a connection that can be taken up again after it broke: the server keeps what it did not
// get rid of for some minutes. Server: app/platform/web_conn.go, deadQueue.
type session struct {
	id   string
	next int64 // number of the event that comes next
}

var (
	errGap    = errors.New("events are missing")
	errSilent = errors.New("the server tells us nothing any more; was the token revoked?")
)

// connection hears one connection until it breaks or ctx ends. ready is called once events flow; fresh
// tells that there may be a hole before them.
func (s *session) connection(ctx context.Context, base *url.URL, token string, ready func(fresh bool), event func(frame)) error {
	u := *base
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	u.Path += "/api/v4/websocket"
	if s.id != "" {
		u.RawQuery = url.Values{"connection_id": {s.id}, "sequence_number": {strconv.FormatInt(s.next, 10)}}.Encode()
	}
	dialer := websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: dialTime}
	conn, resp, err := dialer.DialContext(ctx, u.String(), http.Header{"Authorization": {"Bearer " + strings.TrimSpace(token)}}) //nolint:bodyclose // gorilla: it need not be
	if err != nil {
		if resp != nil {
			err = fmt.Errorf("%s: %w", resp.Status, err)
		}
		return err
	}
	defer conn.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() {
		defer conn.Close() // ends the reading below
		// The server does not close a connection whose token was revoked, it only tells it nothing.
		// Hence its own kind of ping, which is refused then. The first is sent at once: its answer
		// comes after the hello, if there is one; without a hello the old session goes on.
		tick := time.NewTicker(pingEvery)
		defer tick.Stop()
		for n := int64(1); ; n++ {
			_ = conn.SetWriteDeadline(time.Now().Add(pingEvery))
			if conn.WriteJSON(model.WebSocketRequest{Seq: n, Action: "ping"}) != nil {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	conn.SetReadLimit(maxFrame)
	alive := func() { _ = conn.SetReadDeadline(time.Now().Add(deadAfter)) }
	alive()
	flowing := false
	for {
		_, data, err := conn.ReadMessage()
		if err != nil {
			return err
		}
		alive()
		var f frame
		if err := json.Unmarshal(data, &f); err != nil {
			return fmt.Errorf("frame: %w", err)
		}
		switch {
		case f.Event == model.WebsocketEventHello:
			s.id, s.next = f.Data.ConnectionID, f.Seq+1
			flowing = true
			ready(true)
		case f.Event == "" && f.Status == model.StatusFail:
			s.id = "" // nobody counts what is not told
			return errSilent
		case f.Event == "":
			if !flowing {
				flowing = true
				ready(false)
			}
		case f.Seq < s.next: // heard before
		case f.Seq > s.next:
			s.id = "" // what is missing will not come
			return fmt.Errorf("%w: %d instead of %d", errGap, f.Seq, s.next)
		default:
			s.next++
			event(f)
		}
	}
}
