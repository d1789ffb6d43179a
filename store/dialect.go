package store

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"

	"groupmail/ticketing"
)

// dialect is what Postgres and SQLite do differently.
type dialect interface {
	// db runs single statements outside of a transaction.
	db() *gorm.DB
	// begin starts a transaction on a connection of its own.
	begin(ctx context.Context, readOnly bool) (transaction, error)
	// migrate brings the schema up to date, safely also when several processes do so at once.
	migrate(ctx context.Context) error
	ping(ctx context.Context) error
	describe() string
	close() error

	// now is the present by the database's clock, as SQL; on SQLite, where there is but one process,
	// by that process's own.
	now() clause.Expr
	// after is the time so long from now.
	after(d time.Duration) clause.Expr
	// among is the condition that a text column is one of those in a JSON array, the one parameter.
	among(column string) string
	// greatest is the name of the function that picks the greatest of its arguments.
	greatest() string
	// skipLocked makes a SELECT from p lock its rows and pass over those that others have locked.
	skipLocked() string
	// blobsOfFiles selects the blobs that are files of replies.
	blobsOfFiles() string
	// nextNumber is a statement that returns the next ticket number.
	nextNumber() string
	// search finds mails by words, newest first.
	search(t *tx, x searchQuery) ([]doc, error)
	// searchOthers is a statement that finds all else so, and the column that numbers it.
	searchOthers(x searchQuery) (find statement, number string)
	// putSearch replaces what is searched of a thing.
	putSearch(t *tx, x searchText) error
	// searchDoc is the table of what is searched of mail, or of all else, and its column that numbers it.
	searchDoc(mail bool) (table, column string)
	// takeOver frees, where there is but one process, what the one before had in hand.
	takeOver(ctx context.Context) error
	// abandoned frees the jobs of workers that hold no lease any more.
	abandoned(ctx context.Context) error
	// tidy is the database's own housekeeping.
	tidy(ctx context.Context) error

	// race tells that a transaction lost one, so that running it again may well succeed.
	race(err error) bool
	// unfit tells that a value cannot be kept, however often it is tried.
	unfit(err error) bool

	putChunk(ctx context.Context, c chunk) (int64, error)
	getChunk(ctx context.Context, blob, seq int64, buf []byte) ([]byte, error)

	// engine makes the job engine; without handlers it can only enqueue.
	engine(s *Store) (engine, error)
}

// transaction is one that has begun. It ends with the first commit or rollback. What gorm makes of
// a statement is run here, not by gorm, so that on Postgres several can go in one message.
type transaction interface {
	// query runs a statement that returns rows, which are closed before anything else is run.
	query(ctx context.Context, sql string, args []any) (gorm.Rows, error)
	// exec runs one that does not, and tells how many rows it has touched.
	exec(ctx context.Context, sql string, args []any) (int64, error)
	// later runs one at any time before the next that is waited for, or the commit; what is wrong with it is told
	// then. read, if it is not nil, is given its rows.
	later(ctx context.Context, sql string, args []any, read func(gorm.Rows) error) error
	// flush runs now what somebody wants to read of what may be run later.
	flush(ctx context.Context) error
	// enqueue makes a job in this transaction.
	enqueue(ctx context.Context, j ticketing.Job) error

	// commit is bounded in time, but by nothing else. ErrUnknown: the connection died, and nobody
	// can tell whether it was kept. errDead: it died before.
	commit() error
	rollback()
	// dead tells that the connection is lost, and the transaction with it.
	dead() bool
}

// commitTime bounds a commit: by then either the disk or the network is broken.
const commitTime = 30 * time.Second

func newGorm(d gorm.Dialector) (*gorm.DB, error) {
	return gorm.Open(d, &gorm.Config{
		SkipDefaultTransaction:   true,
		DisableAutomaticPing:     true,
		DisableNestedTransaction: true,
		Logger:                   discard{},
	})
}

// discard is gorm's logger: errors are returned, and whoever handles them logs them.
type discard struct{}

func (discard) LogMode(logger.LogLevel) logger.Interface                        { return discard{} }
func (discard) Info(context.Context, string, ...any)                            {}
func (discard) Warn(context.Context, string, ...any)                            {}
func (discard) Error(context.Context, string, ...any)                           {}
func (discard) Trace(context.Context, time.Time, func() (string, int64), error) {}
