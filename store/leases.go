package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"groupmail/ticketing"
)

// single runs one statement outside of a transaction, again if it loses a race.
func (s *Store) single(ctx context.Context, what string, f func(g *gorm.DB) error) error {
	for try := 1; ; try++ {
		bounded, cancel := context.WithTimeout(ctx, longest)
		err := f(s.db().WithContext(bounded))
		cancel()
		if err == nil {
			return nil
		}
		if !s.race(err) || try == maxTries || pause(ctx, try) != nil {
			return fmt.Errorf("store: %s: %w", what, err)
		}
	}
}

// lease takes a lease or renews it: one row is touched if holder has it now.
func (s *Store) lease(name, holder string, ttl time.Duration) statement {
	return func(g *gorm.DB) *gorm.DB {
		return g.Exec(`INSERT INTO leases (name, holder, until) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
			WHERE leases.holder = excluded.holder OR leases.until <= ?`,
			name, holder, s.after(ttl), s.now())
	}
}

func unlease(name, holder string) statement {
	return func(g *gorm.DB) *gorm.DB {
		return g.Exec(`DELETE FROM leases WHERE name = ? AND holder = ?`, name, holder)
	}
}

// Lease implements ticketing.Store.
func (s *Store) Lease(ctx context.Context, name, holder string, ttl time.Duration) (held bool, err error) {
	err = s.single(ctx, "lease", func(g *gorm.DB) error {
		g = s.lease(name, holder, ttl)(g)
		held = g.RowsAffected == 1
		return g.Error
	})
	return held && err == nil, err
}

// Unlease implements ticketing.Store.
func (s *Store) Unlease(ctx context.Context, name, holder string) error {
	return s.single(ctx, "unlease", func(g *gorm.DB) error { return unlease(name, holder)(g).Error })
}

func (t *tx) Lease(name, holder string, ttl time.Duration) (bool, error) {
	n, err := t.touch("lease", t.s.lease(name, holder, ttl))
	return n == 1, err
}

func (t *tx) Unlease(name, holder string) error { return t.put("unlease", unlease(name, holder)) }

// Secret implements ticketing.Store.
func (s *Store) Secret(ctx context.Context, name string, n int) (secret []byte, err error) {
	err = s.single(ctx, "secret", func(g *gorm.DB) error {
		var all [][]byte
		get := func() error { return g.Raw(`SELECT bytes FROM secrets WHERE name = ?`, name).Scan(&all).Error }
		if err := get(); err != nil {
			return err
		}
		if len(all) == 0 {
			fresh := make([]byte, n)
			rand.Read(fresh) // never fails
			if err := g.Exec(`INSERT INTO secrets (name, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING`, name, fresh).Error; err != nil {
				return err
			}
			if err := get(); err != nil {
				return err
			}
		}
		if len(all) != 1 || len(all[0]) != n {
			return fmt.Errorf("the secret %q was not made with %d bytes", name, n)
		}
		secret = all[0]
		return nil
	})
	return secret, err
}

type cursorRow struct {
	Name  string `gorm:"primaryKey"`
	Value string
}

func (cursorRow) TableName() string { return "cursors" }

// Cursor implements ticketing.Store.
func (s *Store) Cursor(ctx context.Context, name string) (string, error) {
	var row cursorRow
	err := s.again(ctx, true, func(t ticketing.Tx) error {
		return t.(*tx).get("cursor", func(g *gorm.DB) *gorm.DB { return g.Where("name = ?", name).Limit(1).Find(&row) })
	})
	return row.Value, err
}

// SetCursor implements ticketing.Store.
func (s *Store) SetCursor(ctx context.Context, name, value string) error {
	row := cursorRow{Name: name, Value: value}
	return s.single(ctx, "set cursor", func(g *gorm.DB) error {
		return g.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "name"}}, UpdateAll: true}).Create(&row).Error
	})
}
