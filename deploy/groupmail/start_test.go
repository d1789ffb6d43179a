package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"groupmail/deploy/testbed"
)

// BenchmarkStart measures how long the built program takes from its start until /readyz answers 200,
// with a database that is up to date already, on SQLite and on Postgres, beside two floors of the same
// run: the program that only prints its version, and a bare connection to that Postgres. They take
// turns; medians are reported, in ms.
//
//	go test ./deploy/groupmail -run '^$' -bench Start -benchtime 20x
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	program := filepath.Join(dir, "groupmail")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	mail, err := startMail(b.Context(), filepath.Join(dir, "mail"), testTeam, testPassword)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = mail.Close() })
	database := testbed.Postgres(b)
	config := func(name, line string) (path, url string) {
		listen := freeAddress(b)
		text := fmt.Sprintf(`
listen = %q
data = %q
%s
[browser]
insecure_no_login = true
[[group]]
name = "help"
[[group.mailbox]]
address = %q
imap = { host = "127.0.0.1", port = %d, tls = "none", password = %q }
smtp = { host = "127.0.0.1", port = %d, tls = "none" }
[[group.board]]
channel = "mail"
`, listen, filepath.Join(dir, name), line, testTeam, mail.imap.Addr().(*net.TCPAddr).Port, testPassword, mail.smtp.Addr().(*net.TCPAddr).Port)
		path = filepath.Join(dir, name+".toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		return path, "http://" + listen + "/readyz"
	}
	sqlite, sqliteURL := config("sqlite", "")
	postgres, postgresURL := config("postgres", fmt.Sprintf("database = %q", database))
	runs := []struct {
		name string
		run  func() time.Duration
		all  []time.Duration
	}{
		{name: "version", run: func() time.Duration {
			start := time.Now()
			if err := exec.CommandContext(b.Context(), program, "version").Run(); err != nil {
				b.Fatal(err)
			}
			return time.Since(start)
		}},
		{name: "connect", run: func() time.Duration {
			start := time.Now()
			c, err := pgx.Connect(b.Context(), database)
			if err != nil {
				b.Fatal(err)
			}
			took := time.Since(start)
			_ = c.Close(b.Context())
			return took
		}},
		{name: "sqlite", run: func() time.Duration { return startToReady(b, program, sqlite, sqliteURL) }},
		{name: "postgres", run: func() time.Duration { return startToReady(b, program, postgres, postgresURL) }},
	}
	for _, r := range runs { // the databases are made, and everything is warm
		r.run()
	}
	for b.Loop() {
		for i, r := range runs {
			runs[i].all = append(runs[i].all, r.run())
		}
	}
	for _, r := range runs {
		slices.Sort(r.all)
		b.ReportMetric(float64(r.all[len(r.all)/2].Microseconds())/1000, "ms/"+r.name)
	}
	b.ReportMetric(0, "ns/op") // of all together says nothing
}

func freeAddress(tb testing.TB) string {
	tb.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer free.Close()
	return free.Addr().String()
}

// startToReady starts the service, waits until it is ready, and stops it.
func startToReady(b *testing.B, program, config, url string) time.Duration {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	cmd := exec.Command(program, "serve", "--config", config)
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ready := func() bool {
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute) // it listens before it answers
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			b.Fatal(err)
		}
		resp, err := client.Do(req)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return false
		}
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	for !ready() {
		if time.Since(start) > time.Minute {
			b.Fatal("not ready")
		}
		time.Sleep(time.Millisecond)
	}
	took := time.Since(start)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return took
}
