package store

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"groupmail/ticketing"
)

// free is the condition that nobody holds a post, with the present as its parameter.
const free = "(lease_until IS NULL OR lease_until <= ?)"

// elder is the condition that a line e of a thread is yet to be posted, and not put off after a
// failure, with the present as its parameter.
const elder = "e.message = '' AND NOT e.gone AND (e.retry_at IS NULL OR e.retry_at <= ?)"

// until makes of a time by this process's clock one by the database's.
func (s *Store) until(t time.Time) clause.Expr { return s.after(t.Sub(s.clock())) }

func (t *tx) AddPost(p ticketing.Post, holder string, until time.Time) (ticketing.PostID, error) {
	lease := gorm.Expr("NULL")
	if holder != "" {
		lease = t.s.until(until)
	}
	id, err := t.add("add post", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`INSERT INTO posts (key, kind, group_name, board, to_member, conversation, mail, reply, event, todo, subject, root,
			message, want, shown, gone, made, lease_by, lease_until)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING RETURNING id`,
			p.Key, string(p.Kind), p.Group, p.Board, string(p.To), int64(p.Conversation), int64(p.Mail), int64(p.Reply), p.Event, int64(p.Todo),
			p.Subject, int64(p.Root), p.Message, p.Shown, p.Gone, at(p.Made), holder, lease)
	})
	return ticketing.PostID(id), err
}

func (t *tx) Raise(which ticketing.PostsWhere, holder string, until time.Time) ([]ticketing.PostID, error) {
	var held []ticketing.PostID
	err := t.each("raise posts", func(g *gorm.DB) *gorm.DB {
		sets := map[string]any{"want": gorm.Expr("want + 1")}
		if holder != "" {
			sets["lease_by"] = gorm.Expr("CASE WHEN "+free+" THEN ? ELSE lease_by END", t.s.now(), holder)
			sets["lease_until"] = gorm.Expr("CASE WHEN "+free+" THEN ? ELSE lease_until END", t.s.now(), t.s.until(until))
		}
		return where(g.Model(&postRow{}), which).
			Clauses(clause.Returning{Columns: []clause.Column{{Name: "id"}, {Name: "lease_by"}}}).UpdateColumns(sets)
	}, func(scan func(...any) error) error {
		var id int64
		var by string
		err := scan(&id, &by)
		if by == holder && holder != "" {
			held = append(held, ticketing.PostID(id))
		}
		return err
	})
	slices.Sort(held)
	return held, err
}

func where(g *gorm.DB, w ticketing.PostsWhere) *gorm.DB {
	g = g.Where("NOT gone")
	if w.ID != 0 {
		g = g.Where("id = ?", int64(w.ID))
	}
	if w.Conversation != 0 {
		g = g.Where("conversation = ? AND conversation <> 0", int64(w.Conversation))
	}
	if w.Kind != "" {
		g = g.Where("kind = ?", string(w.Kind))
	}
	if w.Reply != 0 {
		g = g.Where("reply = ? AND reply <> 0", int64(w.Reply))
	}
	if w.Todo != 0 {
		g = g.Where("todo = ? AND todo <> 0", int64(w.Todo))
	}
	if w.Board != "" {
		g = g.Where("board = ?", w.Board)
	}
	if w == (ticketing.PostsWhere{}) {
		g = g.Where("FALSE")
	}
	return g
}

func (t *tx) Post(id ticketing.PostID) (ticketing.Post, error) {
	var row postRow
	err := t.get("post", func(g *gorm.DB) *gorm.DB { return g.Where("id = ?", int64(id)).Take(&row) })
	return row.noun(), err
}

func (t *tx) Elder(p ticketing.Post) (bool, error) {
	found, err := t.add("elder post", func(g *gorm.DB) *gorm.DB {
		return g.Exec("SELECT e.id FROM posts e WHERE e.root = ? AND e.root <> 0 AND e.id < ? AND "+elder+" LIMIT 1",
			int64(p.Root), int64(p.ID), t.s.now())
	})
	return found != 0, err
}

func (t *tx) CountPosts(board string, kind ticketing.PostKind, since time.Time, limit int) (n int, err error) {
	err = t.each("count posts", func(g *gorm.DB) *gorm.DB {
		return g.Exec("SELECT count(*) FROM (SELECT 1 FROM posts WHERE board = ? AND kind = ? AND made > ? LIMIT ?) AS picked",
			board, string(kind), at(since), limit)
	}, func(scan func(...any) error) error { return scan(&n) })
	return n, err
}

func (t *tx) FindPost(k, board, message string) (ticketing.Post, error) {
	var row postRow
	if k == "" && message == "" {
		return ticketing.Post{}, ticketing.ErrNone
	}
	err := t.get("find post", func(g *gorm.DB) *gorm.DB {
		if k != "" {
			return g.Where("key = ?", k).Take(&row)
		}
		return g.Where("board = ? AND message = ?", board, message).Order("id").Take(&row)
	})
	return row.noun(), err
}

// LeasePosts implements ticketing.Store.
func (s *Store) LeasePosts(ctx context.Context, holder string, ttl time.Duration, limit int) (ids []ticketing.PostID, err error) {
	err = s.single(ctx, "lease posts", func(g *gorm.DB) error {
		return g.Raw(`WITH owed AS (
				SELECT p.id FROM posts p LEFT JOIN posts r ON r.id = p.root
				WHERE p.shown < p.want AND NOT p.gone
				AND (p.lease_until IS NULL OR p.lease_until <= ?) AND (p.retry_at IS NULL OR p.retry_at <= ?)
				AND (p.root = 0 OR r.message <> '' AND (p.message <> '' OR NOT EXISTS (
					SELECT 1 FROM posts e WHERE e.root = p.root AND e.root <> 0 AND e.id < p.id AND `+elder+`)))
				ORDER BY p.id LIMIT ? `+s.skipLocked()+`)
			UPDATE posts SET lease_by = ?, lease_until = ? WHERE id IN (SELECT id FROM owed) RETURNING id`,
			s.now(), s.now(), s.now(), limit, holder, s.after(ttl)).Scan(&ids).Error
	})
	slices.Sort(ids)
	return ids, err
}

// KeepPosts implements ticketing.Store.
func (s *Store) KeepPosts(ctx context.Context, ids []ticketing.PostID, holder string, ttl time.Duration) (kept []ticketing.PostID, err error) {
	err = s.single(ctx, "keep posts", func(g *gorm.DB) error {
		return g.Raw("UPDATE posts SET lease_until = ? WHERE id IN ? AND lease_by = ? AND lease_until > ? RETURNING id", s.after(ttl), ids, holder, s.now()).Scan(&kept).Error
	})
	return kept, err
}

// HoldPost implements ticketing.Store.
func (s *Store) HoldPost(ctx context.Context, id ticketing.PostID, holder string, ttl time.Duration) (held bool, err error) {
	err = s.single(ctx, "hold post", func(g *gorm.DB) error {
		done := g.Model(&postRow{}).Where("id = ? AND (lease_by = ? OR "+free+")", int64(id), holder, s.now()).
			UpdateColumns(map[string]any{"lease_by": holder, "lease_until": s.after(ttl)})
		held = done.RowsAffected == 1
		return done.Error
	})
	return held, err
}

// Drawn implements ticketing.Store. An expired lease that nobody took over is as good as a held one:
// what was drawn is the truth, and who forgot it would draw it twice.
func (s *Store) Drawn(ctx context.Context, id ticketing.PostID, holder, message string, version int64, ttl time.Duration) (again bool, err error) {
	var rows []bool
	err = s.single(ctx, "post drawn", func(g *gorm.DB) error {
		return g.Raw(`UPDATE posts SET
			shown = `+s.greatest()+`(shown, ?),
			message = CASE WHEN ? = '' THEN message ELSE ? END,
			lease_by = CASE WHEN want > ? THEN lease_by ELSE '' END,
			lease_until = CASE WHEN want > ? THEN ? ELSE NULL END,
			retry_at = NULL
			WHERE id = ? AND lease_by = ? AND lease_by <> '' RETURNING want > shown`,
			version, message, message, version, version, s.after(ttl), int64(id), holder).Scan(&rows).Error
	})
	if err == nil && len(rows) == 0 {
		return false, ticketing.ErrNone
	}
	return err == nil && rows[0], err
}

// Undrawn implements ticketing.Store. Of a lease that was lost there is nothing to give up, and it
// does nothing.
func (s *Store) Undrawn(ctx context.Context, id ticketing.PostID, holder string, retry time.Time, lost ticketing.Lost) error {
	sets := map[string]any{"lease_by": "", "lease_until": nil, "retry_at": s.until(retry)}
	if retry.IsZero() {
		sets["retry_at"] = nil
	}
	switch lost {
	case ticketing.PostAnew:
		sets["message"], sets["shown"] = "", 0
	case ticketing.GiveUp:
		sets["gone"] = true
	case ticketing.NotLost:
	}
	return s.single(ctx, "post not drawn", func(g *gorm.DB) error {
		return g.Model(&postRow{}).Where("id = ? AND lease_by = ? AND lease_by <> ''", int64(id), holder).UpdateColumns(sets).Error
	})
}
