package imap

import (
	"testing"

	"github.com/emersion/go-imap/v2"
)

func TestLastWords(t *testing.T) {
	for said, want := range map[string]string{
		"* OK hi\r\n* BYE Too many\r\n":           "Too many",
		"* BYE [ALERT] Pay\r\nT3 CAPABILITY\r\n":  "[ALERT] Pay",
		"* BYE of another time\r\n* 3 EXISTS\r\n": "",
		"* BYE bad \x00\x1b[31m\xff bytes\r\n":    "bad   [31m? bytes",
		"T1 OK done\r\n":                          "",
		"":                                        "",
	} {
		var l lastWords
		for i := range said { // however it is cut
			_, _ = l.Write([]byte(said[i : i+1]))
		}
		if got := l.bye(); got != want {
			t.Errorf("after %q: %q, want %q", said, got, want)
		}
	}
	var l lastWords
	_, _ = l.Write(make([]byte, 10_000))
	if len(l.end) != lastWordsSize {
		t.Errorf("it keeps %d bytes", len(l.end))
	}
}

func TestNear(t *testing.T) {
	f := &folders{delim: "/"}
	for _, name := range []string{"INBOX", "Sent", "Kunden/Anfragen", "Kunden/Erledigt", "Entwürfe", "Support 2025"} {
		f.list = append(f.list, listed(name))
	}
	for name, want := range map[string]string{
		"Snet": "Sent", "anfrage": "Kunden/Anfragen", "Kunden.Anfragen": "Kunden/Anfragen", "support": "Support 2025", "Entwurfe": "Entwürfe",
	} {
		if near := f.near(name); len(near) == 0 || near[0] != want {
			t.Errorf("near %s: %v, want %s first", name, near, want)
		}
	}
}

func listed(name string) *imap.ListData { return &imap.ListData{Mailbox: name, Delim: '/'} }
