package slack

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"groupmail/bot"
)

// client calls the Web API with whatever token is configured now, and within Slack's limits.
type client struct {
	endpoint string
	token    func() (string, error)
	calls    *limited

	mu   sync.Mutex
	with string // token of last
	last *slack.Client
}

func newClient(endpoint string, token func() (string, error)) *client {
	return &client{endpoint: endpoint, token: token, calls: &limited{http: newHTTP(), until: map[string]time.Time{}, now: time.Now}}
}

// bot calls as the bot.
func (c *client) bot() (*slack.Client, error) {
	token, err := c.token()
	if err != nil {
		return nil, fmt.Errorf("slack: bot_token: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil || c.with != token {
		c.with, c.last = token, slack.New(token, slack.OptionAPIURL(c.endpoint), slack.OptionHTTPClient(c.calls))
	}
	return c.last, nil
}

// limited obeys Retry-After: until then no call of the kind is made, by nobody. Slack counts by method
// and, for new messages, by channel.
type limited struct {
	http *http.Client
	now  func() time.Time

	mu    sync.Mutex
	until map[string]time.Time
	// How much Slack's clock is ahead of ours, as last seen, at least and at most: it tells whole seconds, and at some
	// time between our question and its answer.
	ahead, atMost time.Duration
}

// theirs is what Slack's clock shows, or has shown shortly before.
func (l *limited) theirs() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now().Add(l.ahead)
}

// latest is what Slack's clock shows, or will show shortly.
func (l *limited) latest() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now().Add(l.atMost)
}

const (
	// unsaid is how long a limit holds that does not say so.
	unsaid = 30 * time.Second
	// apiTime is how long a method may take for which nobody has set a time: drawing has, and presses have.
	apiTime = 30 * time.Second
)

// Do implements slack-go's httpClient.
func (l *limited) Do(req *http.Request) (*http.Response, error) {
	kind := kindOf(req)
	l.mu.Lock()
	wait := l.until[kind].Sub(l.now())
	l.mu.Unlock()
	if wait > 0 {
		return nil, &slack.RateLimitedError{RetryAfter: wait}
	}
	method := strings.HasPrefix(req.URL.Path, "/api/")
	cancel := func() {}
	if _, set := req.Context().Deadline(); method && !set {
		var ctx context.Context
		ctx, cancel = context.WithTimeout(req.Context(), apiTime)
		req = req.WithContext(ctx)
	}
	begun := l.now()
	resp, err := l.http.Do(req)
	if err != nil {
		cancel()
		return nil, discreet(err)
	}
	resp.Body = &body{bufio.NewReader(resp.Body), resp.Body, cancel}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil && method {
		l.mu.Lock()
		l.ahead, l.atMost = at.Sub(l.now()), at.Add(time.Second).Sub(begun)
		l.mu.Unlock()
	}
	if method && resp.StatusCode == http.StatusOK && limitedAllTheSame(resp.Body.(*body)) {
		resp.StatusCode = http.StatusTooManyRequests
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		after, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		if err != nil || after < 0 {
			after = int(unsaid.Seconds())
		}
		after = max(after, 1)
		resp.Header.Set("Retry-After", strconv.Itoa(after)) // the library takes it for no limit without
		until := l.now().Add(time.Duration(after) * time.Second)
		l.mu.Lock()
		for k, t := range l.until {
			if t.Before(l.now()) {
				delete(l.until, k)
			}
		}
		if l.until[kind].Before(until) {
			l.until[kind] = until
		}
		l.mu.Unlock()
	}
	return resp, nil
}

// body is an answer's. Its call is over when it is closed.
type body struct {
	*bufio.Reader
	io.Closer
	cancel func()
}

func (b *body) Close() error {
	defer b.cancel()
	return b.Closer.Close()
}

// limitedAllTheSame tells whether an answer with status 200 says that too much was called.
// https://docs.slack.dev/reference/methods/chat.postMessage#errors
func limitedAllTheSame(b *body) bool {
	const refusal = 256 // bytes, and more
	begin, _ := b.Peek(refusal)
	return bytes.Contains(begin, []byte(`"error":"ratelimited"`)) || bytes.Contains(begin, []byte(`"error":"rate_limited"`))
}

// discreet is an error of the network without the address, which may be all that one needs to know to act
// for us: where to answer a press, where to put a file.
func discreet(err error) error {
	var u *url.Error
	if !errors.As(err, &u) {
		return err
	}
	host := "Slack"
	if at, parsed := url.Parse(u.URL); parsed == nil && at.Host != "" {
		host = at.Host
	}
	return fmt.Errorf("%s %s: %w", strings.ToLower(u.Op), host, u.Err)
}

// kindOf is what Slack counts a call by.
func kindOf(req *http.Request) string {
	method := path.Base(req.URL.Path)
	if method != "chat.postMessage" || req.GetBody == nil {
		return method
	}
	body, err := req.GetBody()
	if err != nil {
		return method
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		return method
	}
	form, err := url.ParseQuery(string(b))
	if err != nil {
		return method
	}
	return method + " " + form.Get("channel")
}

// is tells whether Slack refused with one of these words.
func is(err error, codes ...string) bool {
	var refusal slack.SlackErrorResponse
	if !errors.As(err, &refusal) {
		return false
	}
	for _, c := range codes {
		if refusal.Err == c {
			return true
		}
	}
	return false
}

// why words an error of Slack for the bot: what it means, where the port has a name for it.
func why(what string, err error) error {
	if err == nil {
		return nil
	}
	var limit *slack.RateLimitedError
	switch {
	case errors.As(err, &limit):
		err = bot.Limited{After: limit.RetryAfter}
	case is(err, "ratelimited", "rate_limited"): // without saying until when
		err = bot.Limited{After: time.Minute}
	case is(err, "message_not_found", "cant_update_message", "edit_window_closed", "file_not_found", "file_deleted", "file_is_deleted"):
		err = errors.Join(bot.ErrGone, err)
	case is(err, "channel_not_found", "not_in_channel", "is_archived", "is_inactive", "channel_is_archived"):
		err = errors.Join(bot.ErrNoChannel, err)
	case is(err, "invalid_auth", "account_inactive", "token_revoked", "token_expired", "not_authed", "missing_scope", "not_allowed_token_type"):
		err = errors.Join(bot.ErrNoAccess, err)
	case is(err, "file_uploads_disabled", "file_uploads_except_images_disabled", "file_type_not_allowed", "file_upload_size_restricted",
		"snippet_too_large", "storage_limit_reached", "blocked_file_type", "msg_too_long", "msg_blocks_too_long"):
		err = errors.Join(bot.ErrTooMuch, err)
	}
	var refusal slack.SlackErrorResponse
	if errors.As(err, &refusal) && len(refusal.ResponseMetadata.Messages) > 0 {
		err = fmt.Errorf("%w (%s)", err, strings.Join(refusal.ResponseMetadata.Messages, "; "))
	}
	return fmt.Errorf("slack: %s: %w", what, err)
}
