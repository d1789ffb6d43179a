package store

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"groupmail/ticketing"
)

// Config says where everything is kept.
type Config struct {
	// URL of a Postgres database: postgres://user:password@host:port/database. The parameters of
	// libpq and of the pool (pool_max_conns, 10 unless given) are understood. Empty: SQLite.
	URL string
	// Path of the SQLite file. It is made if there is none; a lock file beside it keeps out a second
	// process.
	Path  string
	Clock ticketing.Clock // SystemClock if nil
	Log   *slog.Logger    // nothing is logged if nil
}

// Store keeps everything. It implements ticketing.Store and works the jobs.
type Store struct {
	dialect
	clock ticketing.Clock
	log   *slog.Logger
	jobs  engine

	mu       sync.Mutex
	handlers map[ticketing.JobKind]handler

	limits limits

	closing sync.Once
	closed  error
}

var _ ticketing.Store = (*Store)(nil)

// Open connects, waiting some seconds for a Postgres that is still starting up, and brings the
// schema up to date, which is safe also when several processes start at once. Its errors are for
// the person who starts the program, and name no password.
func Open(ctx context.Context, c Config) (*Store, error) {
	s := &Store{clock: c.Clock, log: c.Log, handlers: map[ticketing.JobKind]handler{}, limits: defaultLimits}
	if s.clock == nil {
		s.clock = ticketing.SystemClock
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if c.URL != "" {
		s.dialect, err = openPostgres(ctx, c.URL)
	} else {
		s.dialect, err = openSQLite(ctx, c.Path, s.clock)
	}
	if err != nil {
		return nil, err
	}
	if err = s.migrate(ctx); err == nil {
		err = s.takeOver(ctx)
	}
	if err == nil {
		s.jobs, err = s.engine(s)
	}
	if err != nil {
		_ = s.close() // there is an error already
		return nil, err
	}
	return s, nil
}

// Close closes all connections. Run has returned before.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closed = s.close() })
	return s.closed
}

// Describe tells people where everything is kept: "Postgres 15 at db.example.org/groupmail",
// "SQLite in /var/lib/groupmail/groupmail.db". It holds no secrets.
func (s *Store) Describe() string { return s.describe() }

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.ping(ctx); err != nil {
		return fmt.Errorf("store: ping: %w", err)
	}
	return nil
}

// limits are what tests make smaller.
type limits struct {
	jobTime      time.Duration // how long a job may take
	rescue       time.Duration // after this a job whose process has died is run again
	finish       time.Duration // how long jobs in hand have when Run ends
	firstRetry   time.Duration // of a failed job; then twice as long each time
	longestRetry time.Duration
	attempts     int           // of a job, before it is given up
	sweep        time.Duration // between clean-ups
	poll         time.Duration // how late a job may begin that falls due
	beat         time.Duration // between two signs of life of a process that works jobs
	leaseBeats   int           // a worker's lease lasts so many beats
	eager        bool          // no random waits at start
}

var defaultLimits = limits{
	jobTime:      2 * time.Minute,
	rescue:       2*time.Minute + 30*time.Second,
	finish:       20 * time.Second,
	firstRetry:   time.Second,
	longestRetry: 10 * time.Minute,
	attempts:     500, // more than three days
	sweep:        time.Hour,
	poll:         250 * time.Millisecond,
	beat:         5 * time.Second,
	leaseBeats:   4,
}
