package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivermigrate"
)

// A migration that was ever released is never changed again; testdata/schema holds the oldest ones
// as they were, and tests start from there.
//
//go:embed migrations
var migrations embed.FS

// migrateTables brings our own tables up to date.
func migrateTables(ctx context.Context, d goose.Dialect, db *sql.DB, folder string) error {
	files, err := fs.Sub(migrations, "migrations/"+folder)
	if err != nil {
		return err
	}
	return migrateFrom(ctx, d, db, files)
}

func migrateFrom(ctx context.Context, d goose.Dialect, db *sql.DB, files fs.FS) error {
	p, err := goose.NewProvider(d, db, files, goose.WithSlog(slog.New(slog.DiscardHandler)), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	has, knows, err := p.GetVersions(ctx)
	if err != nil {
		return err
	}
	if has > knows {
		return fmt.Errorf("cannot open the database: a newer groupmail has used this database (its tables are at version %d, this program knows up to %d); "+
			"use the newer program, or restore a backup from before", has, knows)
	}
	if has == knows {
		return nil
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("cannot bring the database's tables up to date: %w", err)
	}
	return nil
}

// migrateJobs brings River's tables up to date.
func migrateJobs[T any](ctx context.Context, d riverdriver.Driver[T]) error {
	m, err := rivermigrate.New(d, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("store: tables of the job engine: %w", err)
	}
	return nil
}
