package account

import (
	"net"
	"testing"
)

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1": true, "127.3.2.1": true, "::1": true, "::ffff:127.0.0.1": true,
		"192.168.0.1": false, "10.0.0.1": false, "0.0.0.0": false, "fe80::1": false, "2001:db8::1": false,
	} {
		if got := loopback(&net.TCPAddr{IP: net.ParseIP(address)}); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	if loopback(&net.UnixAddr{}) {
		t.Error("a unix socket is none")
	}
}
