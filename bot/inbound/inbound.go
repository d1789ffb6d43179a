// Package inbound is what platforms' connectors share in taking what their servers send: a gate that is
// open while they run, and the reading of requests. It knows no platform.
package inbound

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Gate lets calls through while a platform's Run runs, to whoever runs. The zero value is shut.
type Gate[T comparable] struct {
	mu    sync.Mutex
	who   T
	calls sync.WaitGroup
}

// Open lets calls through to who.
func (g *Gate[T]) Open(who T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.who = who
}

// Shut waits for the calls under way.
func (g *Gate[T]) Shut() {
	g.mu.Lock()
	var nobody T
	g.who = nobody
	g.mu.Unlock()
	g.calls.Wait()
}

// Enter returns who runs, or the zero value while nobody does; leave must be called when it is not that.
func (g *Gate[T]) Enter() (who T, leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var nobody T
	if g.who == nobody {
		return nobody, nil
	}
	g.calls.Add(1)
	return g.who, g.calls.Done
}

// Body reads a request's body of at most so many bytes; ok is false when the request was answered with
// what is wrong with it.
func Body(w http.ResponseWriter, r *http.Request, most int64) (body []byte, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err == nil {
		return body, true
	}
	status := http.StatusBadRequest
	if tooMuch := new(http.MaxBytesError); errors.As(err, &tooMuch) {
		status = http.StatusRequestEntityTooLarge
	}
	http.Error(w, http.StatusText(status), status)
	return nil, false
}

// Digest is a short key that is the same for the same parts, for what servers give no short key to.
func Digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:18])
}
