package slack

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"groupmail/bot"
	"groupmail/connectors/slack/slacktest"
)

// TestLimited: after Slack has said how long to wait, no call of the kind is made before.
func TestLimited(t *testing.T) {
	o := newOffice(t, false)
	other := o.server.AddChannel(slacktest.Channel{Name: "other"}, o.ann.ID, o.server.BotUser)
	card, err := o.p.Post(t.Context(), o.channel, bot.Message{Key: "card:1", Version: 1, Notice: "New mail"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	o.p.api.calls.now = func() time.Time { return now }
	limit := func(err error) time.Duration {
		var l bot.Limited
		errors.As(err, &l)
		return l.After
	}
	for name, c := range map[string]struct {
		method string
		call   func() error
		free   func() error // another kind, which goes on
	}{
		"a card": {"chat.update",
			func() error {
				return o.p.Redraw(t.Context(), o.channel, card, bot.Message{Key: "card:1", Version: 2, Notice: "Taken"})
			},
			func() error { _, err := o.p.Post(t.Context(), o.channel, bot.Message{Notice: "x"}); return err }},
		"a new message": {"chat.postMessage",
			func() error { _, err := o.p.Post(t.Context(), o.channel, bot.Message{Notice: "x"}); return err },
			func() error { _, err := o.p.Post(t.Context(), other, bot.Message{Notice: "x"}); return err }},
		"a person": {"users.info",
			func() error { _, err := o.p.person(t.Context(), o.ben.ID); return err },
			func() error { _, err := o.p.Channel(t.Context(), "C0NONE"); return nilIf(err, bot.ErrNoChannel) }},
		"a whisper": {"chat.postEphemeral",
			func() error {
				return o.p.Tell(t.Context(), o.channel, "", o.ann.ID, bot.Message{Notice: "x"})
			},
			func() error { return o.p.Pin(t.Context(), o.channel, card) }},
	} {
		t.Run(name, func(t *testing.T) {
			o.server.Fail(c.method, 1, slacktest.Fault{RetryAfter: 7 * time.Second})
			before := len(o.server.Calls(c.method))
			if after := limit(c.call()); after != 7*time.Second {
				t.Errorf("to wait: %s", after)
			}
			now = now.Add(6 * time.Second)
			if after := limit(c.call()); after != time.Second {
				t.Errorf("to wait after six seconds: %s", after)
			}
			if n := len(o.server.Calls(c.method)) - before; n != 1 {
				t.Errorf("%d calls", n)
			}
			if err := c.free(); err != nil {
				t.Errorf("another kind waits, too: %v", err)
			}
			now = now.Add(time.Second)
			if err := c.call(); err != nil {
				t.Error(err)
			}
		})
	}
}

func nilIf(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

func TestWhy(t *testing.T) {
	refused := func(code string) error { return slack.SlackErrorResponse{Err: code} }
	for _, c := range []struct {
		err  error
		want error
	}{
		{&slack.RateLimitedError{RetryAfter: 3 * time.Second}, bot.Limited{After: 3 * time.Second}},
		{refused("ratelimited"), bot.Limited{After: time.Minute}},
		{refused("rate_limited"), bot.Limited{After: time.Minute}},
		{refused("message_not_found"), bot.ErrGone},
		{refused("file_is_deleted"), bot.ErrGone},
		{refused("not_in_channel"), bot.ErrNoChannel},
		{refused("is_archived"), bot.ErrNoChannel},
		{refused("token_revoked"), bot.ErrNoAccess},
		{refused("missing_scope"), bot.ErrNoAccess},
		{refused("msg_blocks_too_long"), bot.ErrTooMuch},
		{refused("file_type_not_allowed"), bot.ErrTooMuch},
	} {
		if err := why("it", c.err); !errors.Is(err, c.want) {
			t.Errorf("%v is %v, not %v", c.err, err, c.want)
		}
	}
	if why("it", nil) != nil {
		t.Error("no error is one")
	}
}

// TestSecretAddresses: no error tells an address that is a secret, nor a token.
func TestSecretAddresses(t *testing.T) {
	o := newOffice(t, false)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	r := &run{p: o.p, ctx: t.Context()}
	errs := []error{r.respond(t.Context(), place{channel: o.channel, response: gone.URL + "/actions/T1/42/SECRET"}, bot.Message{Notice: "x"}, false)}
	o.server.Close()
	_, err := o.p.Post(t.Context(), o.channel, bot.Message{Notice: "x"})
	errs = append(errs, err)
	_, err = o.p.Download(t.Context(), bot.File{ID: "F1"})
	errs = append(errs, err)
	for _, err := range errs {
		if err == nil || strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), o.server.BotToken) || !strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("the error is %v", err)
		}
	}
}

// TestDownload: the token goes to nobody but Slack, and who closes a file early leaves nothing behind.
func TestDownload(t *testing.T) {
	const token = "xoxb-secret"
	asked := make(chan string, 10)
	foreign := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Header.Get("Authorization") }))
	defer foreign.Close()
	var url string
	stuck := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/api/files.info", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"ok":true,"file":{"id":"F1","url_private":"`+url+`"}}`)
	})
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) {
		part := bytes.Repeat([]byte("x"), 1<<20)
		for range 100 {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/stuck", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begun")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(stuck)
	})
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(foreign.URL, "127.0.0.1", "localhost", 1), http.StatusFound) // another host, not only another port
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	p, err := New(Config{BotToken: fixed(token), AppToken: fixed("xapp-x"), APIURL: server.URL + "/api/"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	get := func(address string) io.ReadCloser {
		t.Helper()
		url = address
		r, err := p.Download(context.Background(), bot.File{ID: "F1"})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}

	r := get(foreign.URL + "/f")
	if _, err := io.ReadAll(r); err == nil {
		t.Error("a file of another host is taken")
	}
	_ = r.Close()
	r = get(server.URL + "/elsewhere")
	_, _ = io.ReadAll(r)
	_ = r.Close()
	foreign.Close()
	close(asked)
	for authorization := range asked {
		if authorization != "" {
			t.Errorf("another host is told %q", authorization)
		}
	}

	r = get(server.URL + "/big")
	if n, err := io.Copy(io.Discard, r); n != 100<<20 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	_ = r.Close()

	r = get(server.URL + "/stuck")
	if _, err := io.ReadFull(r, make([]byte, len("begun"))); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-stuck: // the connection has ended
	case <-time.After(30 * time.Second):
		t.Error("a download that was closed goes on")
	}
	p.api.calls.http.CloseIdleConnections()
}

// TestUploadedNames: whatever a file is called, it is posted, and an empty one left out.
func TestUploadedNames(t *testing.T) {
	o := newOffice(t, false)
	card, err := o.p.Post(t.Context(), o.channel, bot.Message{Key: "card:1", Version: 1, Notice: "New mail"})
	if err != nil {
		t.Fatal(err)
	}
	file := func(name, words string) bot.Upload {
		return bot.Upload{Name: name, Size: int64(len(words)), Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(words)), nil }}
	}
	m := bot.Message{Key: "line:1", Root: card, Notice: "Files", Files: []bot.Upload{
		file("../../etc/passwd", "a"), file("a\x00b\u202egpj.exe\n", "b"), file(strings.Repeat("é", 300), "c"), file(" . ", "d"), file("empty", ""),
	}}
	if _, err := o.p.Post(t.Context(), o.channel, m); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, one := range o.ann.Thread(o.channel, card) {
		for _, f := range one.Files {
			names = append(names, f.Name)
		}
	}
	if want := []string{".._.._etc_passwd", "abgpj.exe", strings.Repeat("é", 199) + "…", "file"}; strings.Join(names, "|") != strings.Join(want, "|") {
		t.Errorf("the files are %q", names)
	}
	for _, code := range []string{"file_upload_size_restricted", "storage_limit_reached", "file_uploads_except_images_disabled"} {
		o.server.Fail("files.getUploadURLExternal", 1, slacktest.Fault{Code: code})
		if _, err := o.p.Post(t.Context(), o.channel, m); !errors.Is(err, bot.ErrTooMuch) {
			t.Errorf("%s: %v", code, err)
		}
	}
}
