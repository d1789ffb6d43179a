package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"groupmail/ticketing"
)

// readers is how many transactions read at once.
const readers = 4

type lite struct {
	path   string
	clock  ticketing.Clock
	lock   *os.File
	writer *sql.DB // one connection, whose transactions begin by taking the write lock
	reader *sql.DB
	gorm   *gorm.DB
	engin  *riverEngine[*sql.Tx]
}

func openSQLite(ctx context.Context, path string, clock ticketing.Clock) (_ *lite, err error) {
	if path == "" {
		return nil, errors.New("there is neither a database URL nor the path of a database file; set one of them")
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	l := &lite{path: path, clock: clock}
	defer func() {
		if err != nil {
			_ = l.close() // there is an error already
		}
	}()
	if l.lock, err = takeLock(path + ".lock"); err != nil {
		return nil, explainFile(path, err)
	}
	// Mail is nobody else's business; SQLite gives the files beside it the same mode.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, explainFile(path, err)
	}
	if err := file.Close(); err != nil {
		return nil, explainFile(path, err)
	}
	// FULL: a commit is on the disk before it is reported, also on a Mac (fullfsync).
	if l.writer, err = openFile(path, 1, url.Values{
		"_txlock":      {"immediate"},
		"_time_format": {"sqlite"},
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "fullfsync(1)",
			"journal_size_limit(67108864)", "cache_size(-8000)"},
	}); err != nil {
		return nil, err
	}
	if err := l.writer.PingContext(ctx); err != nil {
		return nil, explainFile(path, err)
	}
	if l.reader, err = openFile(path, readers, url.Values{
		"mode":         {"ro"},
		"_time_format": {"sqlite"},
		"_pragma":      {"busy_timeout(5000)", "query_only(1)"},
	}); err != nil {
		return nil, err
	}
	if l.gorm, err = newGorm(liteGorm{pool{l.writer}}); err != nil {
		return nil, explainFile(path, err)
	}
	return l, nil
}

func openFile(path string, conns int, params url.Values) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: params.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

var errLocked = errors.New("in use")

// explainFile says what happened, why, and what to do.
func explainFile(path string, err error) error {
	say := func(what, todo string) error {
		return fmt.Errorf("cannot open the database %s: %s. %s (%w)", path, what, todo, err)
	}
	var lite *sqlite.Error
	switch {
	case errors.Is(err, errLocked):
		return say("another groupmail is using it", "Stop that one first; for several processes use Postgres")
	case errors.Is(err, os.ErrNotExist):
		return say("there is no folder "+filepath.Dir(path), "Make it, or set another path")
	case errors.Is(err, os.ErrPermission):
		return say("this user may not write there", "Give the folder and the file to the user that runs groupmail, or set another path")
	case errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_NOTADB:
		return say("that file is no SQLite database", "Set another path, or move the file away")
	case errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_CORRUPT:
		return say("the file is damaged", "Put a backup in its place")
	}
	return say("the file cannot be used", "The system's own words are in brackets")
}

func (l *lite) migrate(ctx context.Context) error {
	err := migrateTables(ctx, goose.DialectSQLite3, l.writer, "sqlite")
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return explainFile(l.path, err)
	}
	if err != nil {
		return err
	}
	return migrateJobs(ctx, riversqlite.New(l.writer))
}

func (l *lite) db() *gorm.DB { return l.gorm }

func (l *lite) ping(ctx context.Context) error { return l.reader.PingContext(ctx) }

func (l *lite) describe() string { return "SQLite in " + l.path }

func (l *lite) close() error {
	var errs []error
	if l.reader != nil {
		errs = append(errs, l.reader.Close())
	}
	if l.writer != nil {
		errs = append(errs, l.writer.Close())
	}
	if l.lock != nil {
		errs = append(errs, l.lock.Close())
	}
	return errors.Join(errs...)
}

func (l *lite) now() clause.Expr { return gorm.Expr("?", at(l.clock())) }

func (l *lite) after(d time.Duration) clause.Expr { return gorm.Expr("?", at(l.clock().Add(d))) }

func (l *lite) among(column string) string {
	return column + " IN (SELECT value FROM json_each(?))"
}

func (l *lite) greatest() string { return "MAX" }

func (l *lite) skipLocked() string { return "" }

func (l *lite) blobsOfFiles() string {
	return `SELECT json_extract(f.value, '$.blob') FROM replies, json_each(files) f
		WHERE files <> '[]' AND json_extract(f.value, '$.blob') IS NOT NULL`
}

func (l *lite) takeOver(ctx context.Context) error {
	for _, sql := range []string{
		`UPDATE posts SET lease_by = '', lease_until = NULL WHERE lease_by <> ''`,
		`DELETE FROM leases`,
		`UPDATE river_job SET state = 'available' WHERE state = 'running'`,
	} {
		if _, err := l.writer.ExecContext(ctx, sql); err != nil {
			return fmt.Errorf("store: take over from the process before: %w", err)
		}
	}
	return nil
}

func (l *lite) abandoned(ctx context.Context) error {
	_, err := l.writer.ExecContext(ctx, `UPDATE river_job SET state = 'available' WHERE state = 'running' AND NOT EXISTS (
		SELECT 1 FROM leases WHERE name = ? || json_extract(attempted_by, '$[#-1]') AND until > ?)`,
		workerLease, time.Time(at(l.clock())))
	return err
}

// tidy lets SQLite learn how its rows are spread, where that has changed much.
func (l *lite) tidy(ctx context.Context) error {
	_, err := l.writer.ExecContext(ctx, "PRAGMA optimize")
	return err
}

func (l *lite) nextNumber() string {
	return "UPDATE counters SET value = value + 1 WHERE name = 'ticket' RETURNING value"
}

func (l *lite) race(err error) bool {
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		return false
	}
	switch lite.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return true
	}
	switch lite.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return true
	}
	return false
}

func (l *lite) unfit(err error) bool {
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_TOOBIG
}

func (l *lite) begin(ctx context.Context, readOnly bool) (transaction, error) {
	db := l.writer
	if readOnly {
		db = l.reader
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("store: begin: %w", err)
	}
	// Its end is decided by us alone: database/sql would roll back when ctx ends.
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		_ = conn.Close() // there is an error already
		return nil, fmt.Errorf("store: begin: %w", err)
	}
	return &liteTx{l: l, sql: conn, tx: tx}, nil
}

type liteTx struct {
	l   *lite
	sql *sql.Conn
	tx  *sql.Tx
}

func (t *liteTx) query(ctx context.Context, sql string, args []any) (gorm.Rows, error) {
	return pool{t.tx}.QueryContext(ctx, sql, args...) //nolint:rowserrcheck // whoever reads them does
}

func (t *liteTx) exec(ctx context.Context, sql string, args []any) (int64, error) {
	result, err := pool{t.tx}.ExecContext(ctx, sql, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (t *liteTx) later(ctx context.Context, sql string, args []any, read func(gorm.Rows) error) error {
	if read == nil {
		_, err := t.exec(ctx, sql, args)
		return err
	}
	rows, err := t.query(ctx, sql, args)
	if err != nil {
		return err
	}
	return read(rows)
}

func (t *liteTx) flush(context.Context) error { return nil }

func (t *liteTx) commit() error {
	defer t.sql.Close()
	err := t.tx.Commit()
	if err != nil { // database/sql thinks that it has ended; SQLite may not
		t.reset()
	}
	return err
}

func (t *liteTx) rollback() {
	defer t.sql.Close()
	if err := t.tx.Rollback(); err != nil {
		t.reset()
	}
}

// reset makes sure that no transaction is left open on the connection; if in doubt it is closed.
func (t *liteTx) reset() {
	_, err := t.sql.ExecContext(context.Background(), "ROLLBACK")
	var lite *sqlite.Error
	if err == nil || errors.As(err, &lite) && lite.Code() == sqlite3.SQLITE_ERROR { // "no transaction is active"
		return
	}
	_ = t.sql.Raw(func(any) error { return driver.ErrBadConn })
}

func (t *liteTx) dead() bool { return false }

func (t *liteTx) enqueue(ctx context.Context, j ticketing.Job) error {
	return t.l.engin.enqueue(ctx, t.tx, j)
}

func (l *lite) engine(s *Store) (engine, error) {
	var err error
	l.engin, err = newEngine[*sql.Tx](s, riversqlite.New(l.writer))
	return l.engin, err
}

// putChunk does not wait for the disk: the log is one file, so that a blob is on the disk as soon as
// the later commit is that names it.
func (l *lite) putChunk(ctx context.Context, c chunk) (id int64, err error) {
	conn, err := l.writer.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "PRAGMA synchronous = NORMAL"); err != nil {
		return 0, err
	}
	defer func() {
		if _, full := conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA synchronous = FULL"); full != nil {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // never again this one
			err = errors.Join(err, full)
		}
	}()
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // after the commit there is nothing left to roll back
	size := int64(-1)
	if c.last {
		size = c.size
	}
	if id = c.blob; c.seq == 0 {
		err = tx.QueryRowContext(ctx, `INSERT INTO blobs (size, made) VALUES (?, ?) RETURNING id`, size, time.Time(at(l.clock()))).Scan(&id)
	} else {
		_, err = tx.ExecContext(ctx, `UPDATE blobs SET size = ? WHERE id = ?`, size, id)
	}
	if err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO chunks (blob, seq, bytes) VALUES (?, ?, ?)`, id, c.seq, c.bytes); err != nil {
		return 0, err
	}
	return id, tx.Commit()
}

func (l *lite) getChunk(ctx context.Context, blob, seq int64, buf []byte) ([]byte, error) {
	rows, err := l.reader.QueryContext(ctx, `SELECT bytes FROM chunks WHERE blob = ? AND seq = ?`, blob, seq)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return nil, err
		}
		return nil, ticketing.ErrNone
	}
	var raw sql.RawBytes
	if err := rows.Scan(&raw); err != nil {
		return nil, err
	}
	return append(buf[:0], raw...), rows.Err()
}
