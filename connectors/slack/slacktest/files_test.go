package slacktest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func (b *bed) upload(name, data string) string {
	b.t.Helper()
	o := b.ok("files.getUploadURLExternal", js{"filename": name, "length": len(data)})
	r, err := newRequest(b.t, o["upload_url"].(string), data, "")
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/octet-stream")
	if got := b.do(r); !strings.HasPrefix(got["body"].(string), "OK - ") {
		b.t.Fatalf("the upload: %v", got)
	}
	return o["file_id"].(string)
}

func (b *bed) fetch(url, token string) (status int, kind, body string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header.Get("Content-Type"), string(data)
}

func TestFiles(t *testing.T) {
	b := setup(t)
	root := b.ok("chat.postMessage", js{"channel": b.help, "text": "root"})["ts"].(string)
	id := b.upload("plan für Ann.pdf", "%PDF-1.4")
	b.no("file_not_found", "files.info", js{"file": id})
	b.ok("files.completeUploadExternal", js{"files": arr(js{"id": id, "title": "The plan"}), "channel_id": b.help, "thread_ts": root, "initial_comment": "here"})
	b.no("file_not_found", "files.completeUploadExternal", js{"files": arr(js{"id": id}), "channel_id": b.help})
	m := b.ann.Thread(b.help, root)[1]
	if m.Text != "here" || len(m.Files) != 1 || m.Files[0].Name != "plan für Ann.pdf" || m.Files[0].Title != "The plan" || m.Files[0].Type != "application/pdf" || string(m.Files[0].Data) != "%PDF-1.4" {
		t.Errorf("the message is %+v", m)
	}
	f := b.ok("files.info", js{"file": id})["file"].(js)
	private := f["url_private"].(string)
	if !strings.HasPrefix(private, b.URL) || f["shares"].(js)["public"].(js)[b.help] == nil {
		t.Errorf("the file is %v", f)
	}
	if status, kind, body := b.fetch(private, b.BotToken); status != 200 || kind != "application/pdf" || body != "%PDF-1.4" {
		t.Errorf("with the token: %d %s %q", status, kind, body)
	}
	for _, token := range []string{"", "xoxb-wrong", b.AppToken} {
		if status, kind, body := b.fetch(private, token); status != 200 || !strings.HasPrefix(kind, "text/html") || strings.Contains(body, "PDF") {
			t.Errorf("with %q: %d %s %q", token, status, kind, body)
		}
	}
	for _, c := range []struct {
		code string
		args js
	}{
		{"invalid_arguments", js{"files": arr()}},
		{"invalid_arguments", js{"files": arr(js{"id": "F0X", "name": "x"})}},
		{"file_not_found", js{"files": arr(js{"id": "F0NOTHERE00"})}},
		{"channel_not_found", js{"files": arr(js{"id": b.upload("a.txt", "a")}), "channel_id": "C0NOTHERE00"}},
		{"not_in_channel", js{"files": arr(js{"id": b.upload("a.txt", "a")}), "channel_id": b.outside}},
		{"thread_not_found", js{"files": arr(js{"id": b.upload("a.txt", "a")}), "channel_id": b.help, "thread_ts": "1.000001"}},
	} {
		b.no(c.code, "files.completeUploadExternal", c.args)
	}
	o := b.ok("files.getUploadURLExternal", js{"filename": "a.txt", "length": 5})
	b.no("file_not_found", "files.completeUploadExternal", js{"files": arr(js{"id": o["file_id"]}), "channel_id": b.help})
	r, err := newRequest(t, o["upload_url"].(string), "too long for it", "")
	if err != nil {
		t.Fatal(err)
	}
	if got := b.do(r); got["status"] != 400 || len(b.Mistakes()) != 1 {
		t.Errorf("a wrong length: %v", got)
	}
	// A person's file where the bot is not is none of its business.
	if _, err := b.ann.Post(b.outside, "", "mine", Upload{Name: "a.txt", Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	all := b.ann.Messages(b.outside)
	b.no("file_not_found", "files.info", js{"file": all[len(all)-1].Files[0].ID})
}

func TestFilesComeLater(t *testing.T) {
	b := setup(t, func(c *Config) { c.FileDelay = time.Minute })
	b.ok("files.completeUploadExternal", js{"files": arr(js{"id": b.upload("a.txt", "a")}), "channel_id": b.help})
	if n := len(b.ann.Messages(b.help)); n != 0 {
		t.Errorf("%d messages at once", n)
	}
	b.Clock.Advance(time.Minute)
	eventually(t, "the file to be shown", func() bool { return len(b.ann.Messages(b.help)) == 1 })
}
