package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// What is printed holds: the API takes the token, the page is there, and the end is orderly.
func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, w := io.Pipe()
	ran := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"--listen", "127.0.0.1:0", "--bot-token", "xoxb-1"}, w)
		_ = w.CloseWithError(err)
		ran <- err
	}()
	var api, page string
	for lines := bufio.NewScanner(r); (api == "" || page == "") && lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "API "); ok {
			api = strings.TrimSpace(rest)
		}
		if rest, ok := strings.CutPrefix(lines.Text(), "open as gus "); ok { // the last
			page = strings.TrimSpace(rest)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	get := func(url string) string {
		t.Helper()
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer xoxb-1")
		answer, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	if body := get(api + "auth.test"); !strings.Contains(body, `"ok":true`) {
		t.Errorf("auth.test: %s", body)
	}
	if body := get(page); !strings.Contains(body, "Gus Guest") || !strings.Contains(body, "front-desk") || strings.Contains(body, "help-desk") || strings.Contains(body, "random") {
		t.Errorf("the guest's page: %s", body)
	}
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}

func TestLoopbackOnly(t *testing.T) {
	if err := run(t.Context(), []string{"--listen", "0.0.0.0:0"}, io.Discard); err == nil {
		t.Error("it listens to the world")
	}
}
