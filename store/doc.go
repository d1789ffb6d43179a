// Package store keeps everything: it implements ticketing.Store on Postgres and, as the embedded
// default, on SQLite, and it is the job engine.
//
// It owns the schema (numbered SQL in migrations, one folder a dialect), the rows, the queries, the
// transactions with their races and retries, the bytes of mails and files in chunks, leases, and
// the jobs that it works with River in the same database. It knows no rule of the desk, no mail
// protocol and no chat platform, and nothing of gorm, pgx or River leaves it.
//
// There is one implementation. What the two databases do differently stands behind the interface
// dialect, in postgres.go and sqlite.go.
//
// Start reading at Open, then Change in change.go, then tx.go.
package store
