package mattermost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"groupmail/bot"
)

// client calls the server's REST API. It is ours rather than model.Client4, which holds files whole
// in memory, cannot change its token while in use and hides what a rate limit says.
type client struct {
	base  *url.URL
	token func() (string, error)
	http  *http.Client

	mu      sync.Mutex
	until   time.Time // no call before, said by the rate limit
	version string    // of the server, as its last answer said
	skew    time.Duration
}

func newClient(base *url.URL, token func() (string, error)) *client {
	t := http.DefaultTransport.(*http.Transport).Clone() // documented
	t.MaxIdleConnsPerHost = 32
	t.ResponseHeaderTimeout = 60 * time.Second
	return &client{base: base, token: token, http: &http.Client{
		Transport: t,
		// A redirect would turn a POST into a GET and may lead the token elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// apiError is a refusal by the server.
type apiError struct {
	Status  int    `json:"-"`
	ID      string `json:"id"`
	Message string `json:"message"`
	Detail  string `json:"detailed_error"`
}

func (e *apiError) Error() string {
	s := strconv.Itoa(e.Status) + " " + http.StatusText(e.Status)
	for _, part := range []string{e.ID, e.Message, e.Detail} {
		if part != "" {
			s += ": " + part
		}
	}
	return s
}

// is tells whether err is a refusal with one of these statuses.
func is(err error, status ...int) bool {
	var e *apiError
	return errors.As(err, &e) && slices.Contains(status, e.Status)
}

// because tells whether err is a refusal for this reason, by Mattermost's own id for it.
func because(err error, id string) bool {
	var e *apiError
	return errors.As(err, &e) && e.ID == id
}

func (c *client) get(ctx context.Context, path string, out any) error {
	return c.call(ctx, http.MethodGet, path, nil, out)
}

func (c *client) post(ctx context.Context, path string, in, out any) error {
	return c.call(ctx, http.MethodPost, path, in, out)
}

func (c *client) put(ctx context.Context, path string, in, out any) error {
	return c.call(ctx, http.MethodPut, path, in, out)
}

// callPatience bounds calls whose caller sets no bound.
const callPatience = time.Minute

// call makes one request with JSON both ways; path is below /api/v4.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callPatience)
		defer cancel()
	}
	var body io.Reader
	size := int64(0)
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body, size = bytes.NewReader(b), int64(len(b))
	}
	answer, err := c.stream(ctx, method, path, body, size)
	if err != nil {
		return err
	}
	defer answer.Close()
	if err := decode(answer, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// decode reads an answer, to its end so that the connection can be used again.
func decode(answer io.Reader, out any) error {
	if out != nil {
		if err := json.NewDecoder(answer).Decode(out); err != nil {
			return err
		}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer, 1<<20))
	return nil
}

// stream makes one request and returns the body of a successful answer. The server takes a file's
// bytes as the body of the request just as well as JSON.
//
// After a 429 nothing is asked before the server allows it: such calls return bot.Limited at once.
func (c *client) stream(ctx context.Context, method, path string, body io.Reader, size int64) (io.ReadCloser, error) {
	if wait := c.wait(); wait > 0 {
		return nil, bot.Limited{After: wait}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base.String()+"/api/v4"+path, body)
	if err != nil {
		return nil, err
	}
	token, err := c.token()
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/octet-stream")
		if _, ok := body.(*bytes.Reader); ok {
			req.Header.Set("Content-Type", "application/json")
		}
		req.ContentLength = size // 0 is unknown
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	c.note(resp.Header)
	if resp.StatusCode < 300 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode == http.StatusTooManyRequests {
		return nil, c.limit(resp.Header)
	}
	refusal := &apiError{}
	if json.Unmarshal(text, refusal) != nil {
		refusal.Message = strings.TrimSpace(string(text[:min(len(text), 200)]))
	}
	refusal.Status = resp.StatusCode
	if to := resp.Header.Get("Location"); to != "" {
		refusal.Message = to
	}
	return nil, fmt.Errorf("%s %s: %w", method, path, refusal)
}

// note remembers what each answer tells of the server.
func (c *client) note(h http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := h.Get("X-Version-Id"); v != "" {
		c.version = v
	}
	if at, err := http.ParseTime(h.Get("Date")); err == nil {
		c.skew = time.Until(at).Truncate(time.Second)
	}
}

// clockSkew is how far the server's clock goes before ours, to a second or two.
func (c *client) clockSkew() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skew
}

// wait is how long no call may be made.
func (c *client) wait() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Until(c.until)
}

// limit notes a 429. Server: app/ratelimit.go sends whole seconds, rounded up.
func (c *client) limit(h http.Header) error {
	after := time.Second
	if s, err := strconv.Atoi(h.Get("Retry-After")); err == nil && s > 0 {
		after = time.Duration(s) * time.Second
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if until := time.Now().Add(after); until.After(c.until) {
		c.until = until
	}
	return bot.Limited{After: after}
}

// serverVersion is major and minor, 0.0 while unknown. The header reads "11.1.0.11.1.0.abc.false".
func (c *client) serverVersion() (major, minor int) {
	c.mu.Lock()
	v := c.version
	c.mu.Unlock()
	_, _ = fmt.Sscanf(v, "%d.%d.", &major, &minor)
	return major, minor
}
