package main

import (
	"fmt"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDemoKilled: whatever the moment of a kill -9, no mail that was taken is lost, and none gets a
// second card. The demonstration is a process of its own here.
func TestDemoKilled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "groupmail") // by this name it is the program, see TestMain
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := free.Addr().String()
	_ = free.Close()
	data := t.TempDir()
	var process *exec.Cmd
	start := func() {
		process = exec.Command(program, "demo", "--data", data, "--listen", listen)
		process.Stderr = os.Stderr
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
	}
	kill := func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	}
	t.Cleanup(func() { kill() })

	var taken []string
	for round := range 6 {
		start()
		got := 0
		for n, deadline := 0, time.Now().Add(time.Minute); got < 2+round; n++ {
			if time.Now().After(deadline) {
				t.Fatalf("in round %d only %d mails were taken", round, got)
			}
			port, err := os.ReadFile(filepath.Join(data, "mail", "smtp.port"))
			if err != nil {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			subject := fmt.Sprintf("Mail %d of round %d", n, round)
			body := fmt.Sprintf("From: Maria <maria@example.com>\r\nMessage-ID: <%d.%d@example.com>\r\nSubject: %s\r\n\r\nx\r\n", n, round, subject)
			if err := smtp.SendMail("127.0.0.1:"+string(port), nil, "maria@example.com", []string{testTeam}, []byte(body)); err == nil {
				taken = append(taken, subject)
				got++
			}
			time.Sleep(time.Duration(10*round) * time.Millisecond) // another moment each time
		}
		kill()
	}

	start()
	d := &demo{t: t, client: httpClient(), url: "http://" + listen}
	ann := d.person("ann")
	d.eventually("the service is back", func() bool {
		resp, err := d.client.Get(d.url + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == 200
	})
	var cards []string
	d.eventually("all mails are on cards", func() bool {
		cards = titles(ann.all())
		for _, m := range ann.all() { // so many at once are a flood
			if strings.Contains(m.buttons(), "showmore") {
				ann.press(m, "showmore")
			}
		}
		// A card that a process died over is drawn when its lease has run out.
		return len(cards) >= len(taken)+8 && !slices.ContainsFunc(taken, func(s string) bool { return !slices.Contains(cards, s) })
	})
	slices.Sort(cards)
	for i := 1; i < len(cards); i++ {
		if cards[i] == cards[i-1] {
			t.Errorf("two cards: %s", cards[i])
		}
	}
	if n := len(slices.DeleteFunc(cards, func(s string) bool { return strings.HasPrefix(s, "Mail ") })); n != 8 {
		t.Errorf("%d cards of the samples, want 8: %q", n, cards[:n])
	}
	t.Logf("%d mails in six rounds", len(taken))
}
