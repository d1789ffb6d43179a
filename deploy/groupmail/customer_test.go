package main

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// form sends a form of the customer page and returns the status of the page that it leads to.
func (d *demo) form(path string, values url.Values) int {
	d.t.Helper()
	resp := d.postForm(path, values, nil, "")
	defer resp.Body.Close()
	return resp.StatusCode
}

func (d *demo) postForm(path string, values url.Values, files map[string]string, origin string) *http.Response {
	d.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, all := range values {
		for _, v := range all {
			if err := w.WriteField(name, v); err != nil {
				d.t.Fatal(err)
			}
		}
	}
	for name, content := range files {
		part, err := w.CreateFormFile("files", name)
		if err == nil {
			_, err = io.WriteString(part, content)
		}
		if err != nil {
			d.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		d.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, d.URL()+path, &body)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp
}

func (d *demo) page(path string) (int, string) {
	d.t.Helper()
	resp, err := d.client.Get(d.URL() + path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestCustomerPage(t *testing.T) {
	d := startDemo(t, DemoConfig{Listen: "127.0.0.1:0"})
	if status, page := d.page("/customer"); status != 200 || !strings.Contains(page, "Maria Kovács") || strings.Contains(page, `href="/customer/help@example.org"`) {
		t.Errorf("who are you: %d %s", status, page)
	}
	if status, page := d.page("/customer/maria.kovacs@example.com"); status != 200 || strings.Count(page, "<article") != 2 {
		t.Errorf("Maria's mail: %d %s", status, page)
	}

	// A new mail with a file, from somebody new; what they write is shown as they wrote it.
	const address = "/customer/o'neil+x@example.com"
	const evil = `<script>alert(1)</script> & "quotes"`
	resp := d.postForm(address, url.Values{"name": {"Zoë O'Neil"}, "subject": {"Subject: " + evil + "\r\nBcc: x@example.com"}, "text": {"Hello\r\n" + evil}},
		map[string]string{"../../a<b>.html": evil}, "")
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Fatalf("sent: %d", resp.StatusCode)
	}
	_, page := d.page(address)
	if strings.Contains(page, "<script>alert") || !strings.Contains(page, "&lt;script&gt;alert(1)&lt;/script&gt;") {
		t.Errorf("not escaped: %s", page)
	}
	card := d.person("ann").card("Subject: " + evil + " Bcc: x@example.com")
	if !strings.Contains(card.words(), "Zoë O'Neil") {
		t.Errorf("the card: %s", card.words())
	}
	if got := d.mail.list("x@example.com", "INBOX"); len(got) != 0 {
		t.Error("a line break in the subject became a recipient")
	}

	// The file comes back as a download that no browser opens.
	_, after, _ := strings.Cut(page, `class="file" href="`)
	link, _, _ := strings.Cut(after, `"`)
	file, err := d.client.Get(d.URL() + strings.ReplaceAll(strings.ReplaceAll(link, "&#43;", "+"), "&#39;", "'"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Body.Close()
	content, err := io.ReadAll(file.Body)
	if err != nil || string(content) != evil {
		t.Errorf("%s: %d %q %v", link, file.StatusCode, content, err)
	}
	h := file.Header
	if !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") || h.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.Contains(h.Get("Content-Security-Policy"), "sandbox") || h.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("the file's headers: %v", h)
	}
}

func TestCustomerPageRefuses(t *testing.T) {
	d := startDemo(t, DemoConfig{Listen: "127.0.0.1:0"})
	for _, test := range []struct {
		name   string
		path   string
		values url.Values
		origin string
		status int
		says   string
	}{
		{"nothing written", "/customer/a@example.com", url.Values{"subject": {"kept"}, "text": {" "}}, "", 422, "write something first"},
		{"an answer to nothing", "/customer/a@example.com", url.Values{"answer": {"INBOX-999"}, "text": {"typed text"}}, "", 422, "is gone"},
		{"somebody else's mail", "/customer/a@example.com", url.Values{"answer": {"../help@example.org-1"}, "text": {"x"}}, "", 422, "is gone"},
		{"another site's form", "/customer/a@example.com", url.Values{"text": {"x"}}, "https://evil.example.com", 403, ""},
	} {
		resp := d.postForm(test.path, test.values, nil, test.origin)
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != test.status || !strings.Contains(string(b), test.says) {
			t.Errorf("%s: %d %s", test.name, resp.StatusCode, b)
		}
		for _, typed := range test.values["subject"] {
			if test.status == 422 && !strings.Contains(string(b), typed) {
				t.Errorf("%s: what was typed is lost: %s", test.name, b)
			}
		}
	}
	// Names that only point here (DNS rebinding).
	req, err := http.NewRequest(http.MethodGet, d.URL()+"/customer", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example.com"
	resp, err := d.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("another host name: %d", resp.StatusCode)
	}
	for _, address := range []string{"help@example.org", "nonsense", "HELP@example.org"} {
		resp, err := d.client.PostForm(d.URL()+"/customer", url.Values{"address": {address}})
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("to be %s: %d", address, resp.StatusCode)
		}
	}
}
