package testbed

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Postgres returns the URL of a fresh, empty database, dropped when the test
// ends. Its server is the one named by GROUPMAIL_TEST_POSTGRES (a URL whose user
// may create databases), else one that this test process starts for itself.
func Postgres(t testing.TB) string {
	t.Helper()
	server := os.Getenv("GROUPMAIL_TEST_POSTGRES")
	if server == "" {
		if postgresBinaries() == "" {
			missing(t, "PostgreSQL (Debian: postgresql)")
		}
		p, err := sharedPostgres()
		must(t, "PostgreSQL", err)
		server = p.url
	}
	return newDatabase(t, server)
}

// PostgresServer is a server that one test has for itself and may disturb.
// Its methods end the test if they fail.
type PostgresServer struct {
	URL string // of an empty database

	t testing.TB
	p *postgres
}

// NewPostgres starts a server that the test may stop, kill and start again, on
// the same port with the same data.
func NewPostgres(t testing.TB) *PostgresServer {
	t.Helper()
	if postgresBinaries() == "" {
		missing(t, "PostgreSQL (Debian: postgresql)")
	}
	p, err := startPostgres()
	must(t, "PostgreSQL", err)
	t.Cleanup(func() { p.end(t, syscall.SIGQUIT) })
	return &PostgresServer{URL: p.url, t: t, p: p}
}

// Stop shuts the server down; its connections end with an error of class 57P01.
func (s *PostgresServer) Stop() { s.p.stop(syscall.SIGINT) }

// Kill ends the server at once, as kill -9 does.
func (s *PostgresServer) Kill() { s.p.stop(syscall.SIGKILL) }

// Start starts a stopped or killed server again and waits until it answers.
func (s *PostgresServer) Start() {
	s.t.Helper()
	must(s.t, "PostgreSQL", s.p.start())
}

// postgres is a server process; url names its database "postgres".
type postgres struct {
	process
	url string
}

var sharedPostgres = sync.OnceValues(startPostgres)

// startPostgres makes and starts a server with Debian's defaults, fsync
// included, but with room for the connections of many tests.
func startPostgres() (*postgres, error) {
	dir, err := newDir("postgres")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	bin, data := postgresBinaries(), filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--pgdata", data, "--username", "postgres",
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: credential()}
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	p := &postgres{url: fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", loopback(port))}
	p.process = process{
		name: "PostgreSQL", dir: dir,
		args: []string{filepath.Join(bin, "postgres"), "-D", data, "-p", fmt.Sprint(port),
			"-c", "listen_addresses=127.0.0.1", "-k", "", "-c", "max_connections=500"},
		ready: func(ctx context.Context) error {
			c, err := pgx.Connect(ctx, p.url)
			if err != nil {
				return err
			}
			return c.Close(ctx)
		},
	}
	return p, p.start()
}

// postgresBinaries is the folder of initdb and postgres, the newest first.
var postgresBinaries = sync.OnceValue(func() string {
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(folders, func(a, b string) int { return len(b) - len(a) + strings.Compare(b, a) })
	for _, dir := range append(folders, filepath.SplitList(os.Getenv("PATH"))...) {
		if isProgram(filepath.Join(dir, "initdb")) && isProgram(filepath.Join(dir, "postgres")) {
			return dir
		}
	}
	return ""
})

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// newDatabase creates a database on a server and returns its URL.
func newDatabase(t testing.TB, server string) string {
	t.Helper()
	u, err := url.Parse(server)
	must(t, "URL of PostgreSQL", err)
	name := "test_" + strings.ToLower(rand.Text())
	// template0, because nobody can be connected to it, which CREATE would refuse.
	must(t, "create database", execPostgres(server, "CREATE DATABASE "+name+" TEMPLATE template0"))
	t.Cleanup(func() {
		if err := execPostgres(server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("testbed: drop database: %v", err)
		}
	})
	u.Path = "/" + name
	return u.String()
}

func execPostgres(server, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, statement)
	if closeErr := c.Close(ctx); err == nil {
		err = closeErr
	}
	return err
}
