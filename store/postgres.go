package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	gormpostgres "gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"groupmail/ticketing"
)

const (
	// startPatience is how long a Postgres may take to start up.
	startPatience = 15 * time.Second
	// fewestConns: one listens for jobs, one migrates while another holds the lock, one works.
	fewestConns = 4
	// migrationLock is the key of the advisory lock under which one process migrates.
	migrationLock = 0x67726f75706d61 // "groupma"
)

type postgres struct {
	pool    *pgxpool.Pool
	sql     *sql.DB
	gorm    *gorm.DB
	version string
	engin   *riverEngine[pgx.Tx]
}

func openPostgres(ctx context.Context, url string) (*postgres, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// The parser's error may quote the URL.
		return nil, errors.New("the database URL cannot be read; it should look like postgres://user:password@host:5432/database, " +
			"with special characters in the password written as %-codes (@ is %40)")
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = 10
	}
	config.MaxConns = max(config.MaxConns, fewestConns)
	if _, ok := config.ConnConfig.RuntimeParams["application_name"]; !ok {
		config.ConnConfig.RuntimeParams["application_name"] = "groupmail"
	}
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		// A frozen process gives up its locks. To compile a plan takes longer than to carry it out.
		_, err := c.Exec(ctx, "SET idle_in_transaction_session_timeout = '60s'; SET jit = off")
		return err
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 10 * time.Second
	}
	p := &postgres{}
	if p.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, explainPostgres(config.ConnConfig, err)
	}
	if err := p.await(ctx); err != nil {
		p.pool.Close()
		return nil, explainPostgres(config.ConnConfig, err)
	}
	p.sql = stdlib.OpenDBFromPool(p.pool)
	if p.gorm, err = newGorm(gormpostgres.New(gormpostgres.Config{Conn: pool{p.sql}})); err != nil {
		_ = p.close() // there is an error already
		return nil, err
	}
	p.gorm.ClauseBuilders["LIMIT"] = plainLimit
	return p, nil
}

// plainLimit writes a limit into the statement. As a parameter it would be unknown to a plan that is kept for all
// parameters, so that Postgres would think it dear and plan each statement anew, which takes longer than to carry it out.
func plainLimit(c clause.Clause, b clause.Builder) {
	if l, ok := c.Expression.(clause.Limit); ok && l.Limit != nil {
		_, _ = b.WriteString("LIMIT " + strconv.Itoa(*l.Limit)) // a buffer
	}
}

// await asks for the version until somebody answers. What no waiting can cure ends it at once.
func (p *postgres) await(ctx context.Context) error {
	deadline := time.Now().Add(startPatience)
	for {
		err := p.pool.QueryRow(ctx, "SHOW server_version").Scan(&p.version)
		if err == nil || ctx.Err() != nil || !startingUp(err) || time.Now().After(deadline) {
			return err
		}
		t := time.NewTimer(250 * time.Millisecond)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

func startingUp(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "57P03" // cannot_connect_now
	}
	var dns *net.DNSError
	var op *net.OpError
	return errors.As(err, &dns) || errors.As(err, &op) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// explainPostgres says what happened, why, and what to do.
func explainPostgres(c *pgx.ConnConfig, err error) error {
	where := fmt.Sprintf("the database %s on %s", c.Database, net.JoinHostPort(c.Host, fmt.Sprint(c.Port)))
	say := func(what, todo string) error {
		return fmt.Errorf("cannot open %s: %s. %s (%w)", where, what, todo, secretless{err, c.Password})
	}
	var pg *pgconn.PgError
	var dns *net.DNSError
	switch {
	case errors.As(err, &pg):
		switch pg.Code {
		case "28P01", "28000":
			return say(fmt.Sprintf("it refuses the user %s", c.User), "Check the user and the password in the database URL, and pg_hba.conf on the server")
		case "3D000":
			return say("there is no such database", fmt.Sprintf("Make it with: createdb -O %s %s", c.User, c.Database))
		case "42501":
			return say(fmt.Sprintf("the user %s may not make tables in it", c.User), fmt.Sprintf("Make it the database's owner: ALTER DATABASE %s OWNER TO %s", c.Database, c.User))
		case "53300":
			return say("it has no connection left", "Raise max_connections on the server, or lower pool_max_conns in the database URL")
		case "57P03":
			return say("it is still starting up", "Try again when it is ready")
		}
		return say("it refuses", "Its own words are in brackets")
	case errors.As(err, &dns):
		return say("there is no such host", "Check the host name in the database URL")
	case errors.Is(err, context.Canceled):
		return say("interrupted", "Try again")
	}
	return say("nobody answers there", "Check that Postgres is running and that host and port in the database URL are right")
}

// secretless is an error without the password, should any library ever put it there.
type secretless struct {
	err    error
	secret string
}

func (e secretless) Error() string {
	if e.secret == "" {
		return e.err.Error()
	}
	return strings.ReplaceAll(e.err.Error(), e.secret, "…")
}
func (e secretless) Unwrap() error { return e.err }

func (p *postgres) migrate(ctx context.Context) error {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return fmt.Errorf("waiting for another process that brings the database up to date: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if _, err := conn.Exec(ctx, "SELECT pg_advisory_unlock($1)", migrationLock); err != nil {
			_ = conn.Conn().Close(ctx) // which gives the lock up, too
		}
	}()
	err = migrateTables(ctx, goose.DialectPostgres, p.sql, "postgres")
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return explainPostgres(p.pool.Config().ConnConfig, err)
	}
	if err != nil {
		return err
	}
	return migrateJobs(ctx, riverpgxv5.New(p.pool))
}

func (p *postgres) db() *gorm.DB { return p.gorm }

func (p *postgres) ping(ctx context.Context) error { return p.pool.Ping(ctx) }

func (p *postgres) describe() string {
	c := p.pool.Config().ConnConfig
	host := c.Host
	if c.Port != 5432 {
		host = net.JoinHostPort(c.Host, fmt.Sprint(c.Port))
	}
	major, _, _ := strings.Cut(p.version, ".")
	return fmt.Sprintf("Postgres %s at %s/%s", major, host, c.Database)
}

func (p *postgres) close() error {
	var err error
	if p.sql != nil {
		err = p.sql.Close()
	}
	p.pool.Close()
	return err
}

func (p *postgres) now() clause.Expr { return gorm.Expr("clock_timestamp()") }

func (p *postgres) after(d time.Duration) clause.Expr {
	return gorm.Expr("clock_timestamp() + ?::float8 * interval '1 microsecond'", float64(d.Microseconds()))
}

func (p *postgres) among(column string) string {
	return column + " IN (SELECT jsonb_array_elements_text(?::jsonb))"
}

func (p *postgres) greatest() string { return "GREATEST" }

func (p *postgres) skipLocked() string { return "FOR UPDATE OF p SKIP LOCKED" }

func (p *postgres) blobsOfFiles() string {
	return `SELECT (f ->> 'blob')::bigint FROM replies, jsonb_array_elements(files) f
		WHERE files <> '[]' AND f ->> 'blob' IS NOT NULL`
}

func (p *postgres) takeOver(context.Context) error { return nil }

func (p *postgres) abandoned(ctx context.Context) error {
	_, err := p.pool.Exec(ctx, `UPDATE river_job SET state = 'available' WHERE state = 'running' AND NOT EXISTS (
		SELECT 1 FROM leases WHERE name = $1 || attempted_by[array_upper(attempted_by, 1)] AND until > clock_timestamp())`, workerLease)
	return err
}

// tidy leaves it to autovacuum.
func (p *postgres) tidy(context.Context) error { return nil }

func (p *postgres) nextNumber() string { return "SELECT nextval('ticket_numbers')" }

func (p *postgres) race(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "23505", // unique_violation
		"40001", // serialization_failure
		"40P01", // deadlock_detected
		"55P03": // lock_not_available
		return true
	case "0A000": // a newer process has changed a table under a prepared statement
		return strings.Contains(pg.Message, "cached plan")
	}
	return false
}

func (p *postgres) unfit(err error) bool {
	var pg *pgconn.PgError
	// data_exception, program_limit_exceeded
	return errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "54"))
}

// errDead: a connection was lost before anything was committed on it.
var errDead = errors.New("the connection to the database was lost")

func isDead(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "57P") || strings.HasPrefix(pg.Code, "08")
	}
	return errors.Is(err, errDead) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) || pgconn.SafeToRetry(err)
}

// begin says BEGIN together with the first statement.
func (p *postgres) begin(ctx context.Context, readOnly bool) (transaction, error) {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("store: begin: %w", err)
	}
	t := &postgresTx{p: p, conn: conn}
	if readOnly {
		t.pending.Queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	} else {
		t.pending.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	}
	return t, nil
}

// postgresTx sends statements that nobody waits for with the next one that somebody does wait for,
// or with the commit: each message and its answer cost more than most statements do.
type postgresTx struct {
	p       *postgres
	conn    *pgxpool.Conn
	pending pgx.Batch
	readers map[int]func(gorm.Rows) error // of what is pending, by its place
	begun   bool                          // something other than BEGIN was asked for
}

// send sends what is pending. The results of the last statements are yet to be read, as many as are left.
func (t *postgresTx) send(ctx context.Context, left int) (pgx.BatchResults, error) {
	batch, readers := t.pending, t.readers
	t.pending, t.readers, t.begun = pgx.Batch{}, nil, true
	results := t.conn.SendBatch(ctx, &batch)
	for i := range batch.Len() - left {
		var err error
		if read := readers[i]; read == nil {
			_, err = results.Exec()
		} else {
			var rows pgx.Rows
			if rows, err = results.Query(); err == nil {
				err = read(pgxRows{rows, nil})
			}
		}
		if err != nil {
			_ = results.Close() // there is an error already
			return nil, err
		}
	}
	return results, nil
}

func (t *postgresTx) queue(sql string, args []any) error {
	args, err := cleanArgs(args)
	t.pending.Queue(sql, args...)
	return err
}

func (t *postgresTx) later(_ context.Context, sql string, args []any, read func(gorm.Rows) error) error {
	t.begun = true
	if read != nil {
		if t.readers == nil {
			t.readers = map[int]func(gorm.Rows) error{}
		}
		t.readers[t.pending.Len()] = read
	}
	return t.queue(sql, args)
}

func (t *postgresTx) flush(ctx context.Context) error {
	if len(t.readers) == 0 {
		return nil // nobody waits for any
	}
	return t.sendAll(ctx)
}

func (t *postgresTx) sendAll(ctx context.Context) error {
	results, err := t.send(ctx, 0)
	if err != nil {
		return err
	}
	return results.Close()
}

func (t *postgresTx) exec(ctx context.Context, sql string, args []any) (int64, error) {
	if err := t.queue(sql, args); err != nil {
		return 0, err
	}
	results, err := t.send(ctx, 1)
	if err != nil {
		return 0, err
	}
	tag, err := results.Exec()
	return tag.RowsAffected(), errors.Join(err, results.Close())
}

func (t *postgresTx) query(ctx context.Context, sql string, args []any) (gorm.Rows, error) {
	if err := t.queue(sql, args); err != nil {
		return nil, err
	}
	results, err := t.send(ctx, 1)
	if err != nil {
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		_ = results.Close() // there is an error already
		return nil, err
	}
	return pgxRows{rows, results}, nil
}

// pgxRows are rows as gorm scans them.
type pgxRows struct {
	rows    pgx.Rows
	results pgx.BatchResults // of which they are the last; nil: more come
}

func (r pgxRows) Columns() ([]string, error) {
	fields := r.rows.FieldDescriptions()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return names, nil
}

func (r pgxRows) ColumnTypes() ([]*sql.ColumnType, error) { return nil, nil }
func (r pgxRows) Next() bool                              { return r.rows.Next() }
func (r pgxRows) Scan(dest ...any) error                  { return r.rows.Scan(dest...) }
func (r pgxRows) Err() error                              { return r.rows.Err() }
func (r pgxRows) Close() error {
	r.rows.Close()
	if r.results == nil {
		return r.rows.Err()
	}
	return errors.Join(r.rows.Err(), r.results.Close())
}

func (t *postgresTx) commit() error {
	defer t.conn.Release()
	if !t.begun {
		return nil
	}
	if t.dead() {
		return errDead
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTime)
	defer cancel()
	t.pending.Queue("COMMIT")
	results, err := t.send(ctx, 1)
	if err == nil {
		var tag pgconn.CommandTag
		if tag, err = results.Exec(); err == nil && tag.String() != "COMMIT" {
			err = errors.New("rolled back by Postgres")
		}
		err = errors.Join(err, results.Close())
	}
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &pg) && pg.Severity == "ERROR", !t.dead():
		t.end()
		return err
	}
	// pgconn.SafeToRetry is of no use here: it says yes also to a connection that died after sending.
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}

func (t *postgresTx) rollback() {
	defer t.conn.Release()
	t.end()
}

// end rolls back what was begun. Where it fails pgx closes the connection, and the server rolls back
// by itself.
func (t *postgresTx) end() {
	if t.dead() || t.conn.Conn().PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := t.conn.Exec(ctx, "ROLLBACK"); err != nil {
		_ = t.conn.Conn().Close(ctx) // in doubt
	}
}

func (t *postgresTx) dead() bool { return t.conn.Conn().IsClosed() }

func (t *postgresTx) enqueue(ctx context.Context, j ticketing.Job) error {
	if t.pending.Len() > 0 {
		if err := t.sendAll(ctx); err != nil {
			return err
		}
	}
	return t.p.engin.enqueue(ctx, riverTx{t.conn.Conn()}, j)
}

// riverTx shows River the transaction that we began. It is ours to end.
type riverTx struct{ *pgxConn }

type pgxConn = pgx.Conn

var errNotRivers = errors.New("store: the job engine may not begin or end transactions of others")

func (t riverTx) Begin(context.Context) (pgx.Tx, error) { return nil, errNotRivers }
func (t riverTx) Commit(context.Context) error          { return errNotRivers }
func (t riverTx) Rollback(context.Context) error        { return errNotRivers }
func (t riverTx) LargeObjects() pgx.LargeObjects        { panic(errNotRivers) }
func (t riverTx) Conn() *pgx.Conn                       { return t.pgxConn }

func (p *postgres) engine(s *Store) (engine, error) {
	var err error
	p.engin, err = newEngine[pgx.Tx](s, riverpgxv5.New(p.pool))
	return p.engin, err
}

// putChunk does not wait for the disk: the log of a database is written in order, so that a blob is
// on the disk as soon as the later commit is that names it.
func (p *postgres) putChunk(ctx context.Context, c chunk) (int64, error) {
	const quick = "(SELECT set_config('synchronous_commit', 'off', true)) AS quick"
	size := int64(-1)
	if c.last {
		size = c.size
	}
	if c.seq > 0 {
		_, err := p.pool.Exec(ctx, `WITH b AS (UPDATE blobs SET size = $4 WHERE id = $1)
			INSERT INTO chunks (blob, seq, bytes) SELECT $1, $2, $3 FROM `+quick, c.blob, c.seq, c.bytes, size)
		return c.blob, err
	}
	var id int64
	err := p.pool.QueryRow(ctx, `WITH b AS (INSERT INTO blobs (size, made) SELECT $1, clock_timestamp() FROM `+quick+` RETURNING id)
		INSERT INTO chunks (blob, seq, bytes) SELECT id, 0, $2 FROM b RETURNING blob`, size, c.bytes).Scan(&id)
	return id, err
}

func (p *postgres) getChunk(ctx context.Context, blob, seq int64, buf []byte) ([]byte, error) {
	rows, err := p.pool.Query(ctx, `SELECT bytes FROM chunks WHERE blob = $1 AND seq = $2`, blob, seq)
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
	buf = append(buf[:0], rows.RawValues()[0]...)
	rows.Close()
	return buf, rows.Err()
}
