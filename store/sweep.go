package store

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"gorm.io/gorm"
)

const (
	blobGrace     = 24 * time.Hour      // a blob that no row names by then is swept
	eventKeyGrace = 30 * 24 * time.Hour // no platform repeats an event after so long
	sweepLease    = 10 * time.Minute
	// sweptBlobs is the cursor up to when blobs were made that the sweep has looked at.
	sweptBlobs = "store/swept-blobs"
	// atOnce is how many rows one statement of the sweep deletes, so that none locks much for long.
	atOnce = 500
)

// sweepOften cleans up until ctx ends: one process at a time, an hour after its start for the first
// time, so that a start is never slow.
func (s *Store) sweepOften(ctx context.Context) {
	holder := rand.Text()
	tick := time.NewTicker(s.limits.sweep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		held, err := s.Lease(ctx, "store/sweep", holder, sweepLease)
		if held && err == nil {
			if err = s.sweep(ctx); err == nil {
				err = s.Unlease(ctx, "store/sweep", holder)
			}
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("Cannot clean up; trying again later", "err", err)
		}
	}
}

func (s *Store) sweep(ctx context.Context) error {
	return errors.Join(
		s.sweepRows(ctx, "event_keys", "key", "at < ?", s.after(-eventKeyGrace)),
		s.sweepRows(ctx, "leases", "name", "until < ?", s.after(-blobGrace)),
		s.sweepBlobs(ctx),
		s.tidy(ctx))
}

// sweepRows deletes the rows of a table that a condition holds for.
func (s *Store) sweepRows(ctx context.Context, table, key, condition string, args ...any) error {
	for {
		var n int64
		err := s.single(ctx, "sweep "+table, func(g *gorm.DB) error {
			g = g.Exec(`DELETE FROM `+table+` WHERE `+key+` IN (SELECT `+key+` FROM `+table+` WHERE `+condition+` LIMIT ?)`,
				append(args, atOnce)...)
			n = g.RowsAffected
			return g.Error
		})
		if err != nil || n < atOnce {
			return err
		}
	}
}

// sweepBlobs looks at each blob once, when it is a day old: one that a row names by then is kept for
// as long as the row is, and whoever deletes such a row deletes its blobs with it.
func (s *Store) sweepBlobs(ctx context.Context) error {
	from, err := s.Cursor(ctx, sweptBlobs)
	if err != nil {
		return err
	}
	var after time.Time
	if from != "" {
		if after, err = time.Parse(time.RFC3339Nano, from); err != nil {
			return err
		}
	}
	until := s.clock().Add(-blobGrace)
	for {
		var ids []int64
		err := s.single(ctx, "sweep blobs", func(g *gorm.DB) error {
			g = g.Table("blobs").Where("made <= ?", at(until)).
				Where("NOT EXISTS (SELECT 1 FROM mails WHERE raw = blobs.id AND raw <> 0)").
				Where("NOT EXISTS (SELECT 1 FROM replies WHERE raw = blobs.id AND raw <> 0)").
				Where("id NOT IN (" + s.blobsOfFiles() + ")")
			if from != "" {
				g = g.Where("made > ?", at(after))
			}
			return g.Order("made").Limit(100).Pluck("id", &ids).Error
		})
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return s.SetCursor(ctx, sweptBlobs, until.UTC().Format(time.RFC3339Nano))
		}
		if err := s.deleteBlobs(ctx, ids); err != nil {
			return err
		}
	}
}
