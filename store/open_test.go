package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"gorm.io/gorm"

	"groupmail/deploy/testbed"
	"groupmail/ticketing"
)

func TestDescribe(t *testing.T) {
	b := newBed(t, Config{Path: filepath.Join(t.TempDir(), "a b%20?#.db")})
	if got, want := b.Describe(), "SQLite in "+b.config.Path; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if _, err := os.Stat(b.config.Path); err != nil {
		t.Error(err)
	}
	fatal(t, b.Ping(t.Context()))
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		info, err := os.Stat(b.config.Path + suffix)
		fatal(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: others may read it: %s", suffix, info.Mode())
		}
	}

	u := testbed.Postgres(t)
	p := newBed(t, Config{URL: strings.Replace(u, "postgres@", "postgres:hunter2@", 1) + "&pool_max_conns=7"})
	parsed, err := url.Parse(u)
	fatal(t, err)
	if got, want := p.Describe(), parsed.Host+parsed.Path; !strings.HasPrefix(got, "Postgres 1") || !strings.HasSuffix(got, " at "+want) {
		t.Errorf("%q, want %q in it", got, want)
	}
	if n := p.dialect.(*postgres).pool.Config().MaxConns; n != 7 {
		t.Errorf("%d connections", n)
	}
	fatal(t, p.Ping(t.Context()))
}

// What people read when it does not open: what happened, why, what to do.
func TestCannotOpen(t *testing.T) {
	dir := t.TempDir()
	used := newBed(t, Config{Path: filepath.Join(dir, "used.db")})
	notOne := filepath.Join(dir, "letter.txt")
	fatal(t, os.WriteFile(notOne, []byte(strings.Repeat("Dear Sir or Madam, ", 999)), 0o600))
	good := testbed.Postgres(t)
	change := func(f func(u *url.URL)) string {
		u, err := url.Parse(good)
		fatal(t, err)
		f(u)
		return u.String()
	}
	for _, c := range []struct {
		name string
		c    Config
		want []string
	}{
		{"nothing set", Config{}, []string{"neither a database URL nor the path"}},
		{"a second process", Config{Path: used.config.Path}, []string{"another groupmail is using it", fmt.Sprint("process ", os.Getpid()), "Stop that one first"}},
		{"no folder", Config{Path: filepath.Join(dir, "no", "groupmail.db")}, []string{"there is no folder " + filepath.Join(dir, "no"), "Make it"}},
		{"no SQLite", Config{Path: notOne}, []string{"no SQLite database"}},
		{"a folder", Config{Path: dir}, []string{"cannot open the database"}},
		{"no URL", Config{URL: "postgres://a:hunter2@b:c/d"}, []string{"cannot be read", "postgres://user:password@host"}},
		{"no database", Config{URL: change(func(u *url.URL) { u.Path = "/nowhere" })}, []string{"there is no such database", "createdb -O postgres nowhere"}},
		{"no user", Config{URL: change(func(u *url.URL) { u.User = url.UserPassword("ann", "hunter2") })}, []string{"refuses the user ann"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Open(t.Context(), c.c)
			if err == nil {
				_ = s.Close()
				t.Fatal("opened")
			}
			t.Log(err)
			for _, w := range append(c.want, "") {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is not in it", w)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the password")
			}
		})
	}
	fatal(t, used.Close())
	again := newBed(t, used.config) // the lock ends with its holder
	fatal(t, again.Ping(t.Context()))
}

func TestExplainPostgres(t *testing.T) {
	config, err := pgx.ParseConfig("postgres://ann:hunter2@db.example.org/groupmail")
	fatal(t, err)
	for _, c := range []struct {
		err  error
		want string
	}{
		{&pgconn.PgError{Code: "28P01", Message: `password authentication failed for "hunter2"`}, "it refuses the user ann"},
		{&pgconn.PgError{Code: "53300"}, "no connection left"},
		{&pgconn.PgError{Code: "42501"}, "ALTER DATABASE groupmail OWNER TO ann"},
		{&pgconn.PgError{Code: "57P03"}, "still starting up"},
		{&pgconn.PgError{Code: "XX000"}, "it refuses"},
		{&net.DNSError{}, "no such host"},
		{context.Canceled, "interrupted"},
		{errors.New("connection refused"), "nobody answers there. Check that Postgres is running"},
	} {
		got := explainPostgres(config, c.err)
		if !strings.Contains(got.Error(), c.want) || !strings.HasPrefix(got.Error(), "cannot open the database groupmail on db.example.org:5432: ") ||
			strings.Contains(got.Error(), "hunter2") || !errors.Is(got, c.err) {
			t.Error(got)
		}
	}
}

// A Postgres that is still starting up is waited for.
func TestPostgresComesLater(t *testing.T) {
	server := testbed.NewPostgres(t)
	server.Stop()
	opened := make(chan error)
	go func() {
		s, err := Open(t.Context(), Config{URL: server.URL})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	server.Start()
	fatal(t, <-opened)
}

func TestSeveralStartAtOnce(t *testing.T) {
	u := testbed.Postgres(t)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			s, err := Open(t.Context(), Config{URL: u})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Change(t.Context(), func(tx ticketing.Tx) error { return tx.Enqueue(ticketing.Job{Kind: testJob}) }); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestANewerProgramWasHere(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		b.exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, TRUE)")
		c := b.config
		fatal(t, b.Close())
		if s, err := Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "a newer groupmail has used this database") {
			t.Error(err)
			if err == nil {
				_ = s.Close()
			}
		} else {
			t.Log(err)
		}
	})
}

// What is in testdata/schema was released: people have run it, and it is never changed.
func TestReleasedMigrationsAreNotChanged(t *testing.T) {
	frozen := os.DirFS("testdata/schema")
	fatal(t, fs.WalkDir(frozen, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		was, err := fs.ReadFile(frozen, path)
		fatal(t, err)
		is, err := fs.ReadFile(migrations, "migrations/"+path)
		if string(is) != string(was) {
			t.Errorf("%s was released and is changed: write a new migration instead", path)
		}
		return err
	}))
	names := func(folder string) (all []string) {
		entries, err := fs.ReadDir(migrations, "migrations/"+folder)
		fatal(t, err)
		for _, e := range entries {
			all = append(all, e.Name())
		}
		return all
	}
	if a, b := names("postgres"), names("sqlite"); !slices.Equal(a, b) {
		t.Errorf("the dialects differ: %v and %v", a, b)
	}
}

// firstRows are rows as the first release wrote them.
const firstRows = `
INSERT INTO conversations (group_name, number, state, outcome, subject, with_name, with_addr, mailbox, note,
	owner, last_owner, since, opened, closed, closed_by, touched, waits, overdue, mentions, joined_to,
	first_mail, last_mail, mails, seq, files, new_name, new_addr)
VALUES ('help', 1, 'new', '', 'Heating broken', 'Maria', 'maria@example.org', 'help', '', '', '', NULL, NULL, NULL,
	'', NULL, '2026-03-01 09:00:00.123456+00:00', FALSE, 0, 0, 1, 1, 1, 1, 0, '', '');
INSERT INTO mails (group_name, mailbox, conversation, direction, message_id, in_reply_to, refs, from_name, from_addr,
	to_addrs, cc_addrs, reply_to, author_name, author_addr, subject, sent, received, ticket_ref, text, reply, html,
	attachments, auto_reply, bounce, auto_generated, no_auto_answer, spam, ours, fault, digest, raw, size, seq,
	by_member, new_person, fingerprint)
VALUES ('help', 'help', 1, 'in', 'a@x', '[]', '[]', 'Maria', 'maria@example.org', '[{"addr":"help@example.org"}]', '[]',
	'[]', '', '', 'Heating broken', NULL, '2026-03-01 09:00:00.123456+00:00', 0, 'Dear team', 'Dear team', '', '[]',
	FALSE, FALSE, FALSE, FALSE, FALSE, '', '', 'd', 1, 9, 1, '', FALSE, 'f');
INSERT INTO replies (conversation, group_name, mailbox, by_member, state, why, from_name, from_addr, to_addrs, cc_addrs,
	subject, text, signature, files, message_id, mark, in_reply_to, refs, close_as, seq, origin, created, due, sent_at,
	attempts, maybe_sent, lease_until, error, raw, mail)
VALUES (1, 'help', 'help', 'mm:1', 'pending', '', '', 'help@example.org', '[{"addr":"maria@example.org"}]', '[]', 'Re: Heating broken',
	'Coming', '', '[{"name":"plan.pdf","type":"application/pdf","size":9,"index":0,"blob":1}]', 'b@x', 'mark', '["a@x"]',
	'["a@x"]', '', 1, '', NULL, NULL, NULL, 0, FALSE, NULL, '', 0, 0);
INSERT INTO blobs (size, made) VALUES (9, '2026-03-01 09:00:00+00:00');
INSERT INTO chunks (blob, seq, bytes) VALUES (1, 0, %s);
`

// firstSchema makes a database of the first release, with rows in it.
func firstSchema(t *testing.T, c Config) {
	t.Helper()
	rows := func(g *gorm.DB, err error, dearTeam string) {
		t.Helper()
		fatal(t, err)
		for stmt := range strings.SplitSeq(fmt.Sprintf(firstRows, dearTeam), ";\n") {
			if strings.TrimSpace(stmt) != "" {
				fatal(t, g.Exec(stmt).Error)
			}
		}
	}
	if c.URL != "" {
		p, err := openPostgres(t.Context(), c.URL)
		fatal(t, err)
		rows(p.gorm, migrateFrom(t.Context(), goose.DialectPostgres, p.sql, os.DirFS("testdata/schema/postgres")), "'Dear team'::bytea")
		fatal(t, p.close())
		return
	}
	l, err := openSQLite(t.Context(), c.Path, ticketing.SystemClock)
	fatal(t, err)
	rows(l.gorm, migrateFrom(t.Context(), goose.DialectSQLite3, l.writer, os.DirFS("testdata/schema/sqlite")), "CAST('Dear team' AS BLOB)")
	fatal(t, l.close())
}

// An old database, with rows in it, is brought up to date.
func TestMigrateFromTheFirstSchema(t *testing.T) {
	check := func(t *testing.T, c Config) {
		t.Helper()
		firstSchema(t, c)
		b := newBed(t, c)
		b.read(func(tx ticketing.Tx) error {
			conv, err := tx.Conversation(1)
			fatal(t, err)
			mails, err := tx.Mails(1, 9)
			fatal(t, err)
			reply, err := tx.Reply(1)
			fatal(t, err)
			when := time.Date(2026, 3, 1, 9, 0, 0, 123456000, time.UTC)
			if conv.Subject != "Heating broken" || !conv.Waits.Equal(when) || !conv.Closed.IsZero() ||
				len(mails) != 1 || mails[0].To[0].Addr != "help@example.org" || reply.Files[0].Blob != 1 {
				t.Errorf("%+v\n%+v\n%+v", conv, mails, reply)
			}
			return nil
		})
		if got := string(b.blob(1)); got != "Dear team" {
			t.Errorf("%q", got)
		}
		if n := b.conversation(ticketing.Conversation{}); n.ID != 2 {
			t.Errorf("the next conversation is %d", n.ID)
		}
		fatal(t, b.Close())
		newBed(t, c) // and a second time does nothing
	}
	t.Run("sqlite", func(t *testing.T) { check(t, Config{Path: filepath.Join(t.TempDir(), "groupmail.db")}) })
	t.Run("postgres", func(t *testing.T) { check(t, Config{URL: testbed.Postgres(t)}) })
}
