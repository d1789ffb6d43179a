package imap

import (
	"net"
	"testing"

	"github.com/emersion/go-imap/v2"
)

// from is a connection from an address.
type from struct {
	net.Conn
	address net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.address }

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1": true, "127.3.2.1": true, "::1": true, "::ffff:127.0.0.1": true,
		"192.168.0.1": false, "10.0.0.1": false, "0.0.0.0": false, "fe80::1": false, "2001:db8::1": false,
	} {
		if got := loopback(from{address: &net.TCPAddr{IP: net.ParseIP(address)}}); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	if loopback(from{address: &net.UnixAddr{}}) {
		t.Error("a unix socket is none")
	}
}

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
