package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"groupmail/deploy/testbed"
	"groupmail/ticketing"
)

func benchStore(b *testing.B, url string) *Store {
	s, err := Open(context.Background(), Config{URL: url, Path: filepath.Join(b.TempDir(), "groupmail.db")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

// inParallel runs f n times on so many goroutines and returns how often a second.
func inParallel(b *testing.B, goroutines, n int, f func(i int) error) float64 {
	var next atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range goroutines {
		all.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				if err := f(i - 1); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return float64(n) / time.Since(began).Seconds()
}

// A lock, a check and an update in one Change, against the bare conditional UPDATE that does the
// same, alternating.
func BenchmarkTake(b *testing.B) {
	url := testbed.Postgres(b)
	s := benchStore(b, url+"&pool_max_conns=16")
	bare, err := pgxpool.New(context.Background(), url+"&pool_max_conns=16")
	if err != nil {
		b.Fatal(err)
	}
	defer bare.Close()
	ctx := context.Background()
	const rows = 256
	for range rows {
		if err := s.Change(ctx, func(tx ticketing.Tx) error {
			return tx.AddConversation(&ticketing.Conversation{Group: "help", State: ticketing.New, Waits: s.clock()})
		}); err != nil {
			b.Fatal(err)
		}
	}
	id := func(i int) int64 { return int64(i%rows) + 1 }
	const n = 4000
	var ratio []string
	for b.Loop() {
		update := inParallel(b, 16, n, func(i int) error {
			tag, err := bare.Exec(ctx, `UPDATE conversations SET owner = $2, state = 'taken', touched = $3 WHERE id = $1 AND note = '' RETURNING id`, id(i), "ann", time.Now())
			if err == nil && tag.RowsAffected() != 1 {
				err = errors.New("not one")
			}
			return err
		})
		change := inParallel(b, 16, n, func(i int) error {
			return s.Change(ctx, func(tx ticketing.Tx) error {
				c, err := tx.Conversation(ticketing.ConversationID(id(i)))
				if err != nil || c.Note != "" {
					return errors.Join(errors.New("no"), err)
				}
				c.Owner, c.State, c.Touched = "ann", ticketing.Taken, s.clock()
				return tx.SetConversation(c)
			})
		})
		ratio = append(ratio, fmt.Sprintf("%.0f/%.0f=%.2f", change, update, change/update))
	}
	b.Log(strings.Join(ratio, " "))
}

// The whole use case Take against the same bare UPDATE, alternating.
func BenchmarkDeskTake(b *testing.B) {
	url := testbed.Postgres(b)
	s := benchStore(b, url+"&pool_max_conns=16")
	bare, err := pgxpool.New(context.Background(), url+"&pool_max_conns=16")
	if err != nil {
		b.Fatal(err)
	}
	defer bare.Close()
	ctx := context.Background()
	group := ticketing.Group{Name: "help", Boards: []ticketing.Board{{Name: "mm/town"}}}
	desk := ticketing.NewDesk(s, []ticketing.Group{group}, ticketing.SystemClock, slog.New(slog.DiscardHandler))
	const n = 2000
	var ratio []string
	event := atomic.Int64{}
	for b.Loop() {
		ids := make([]ticketing.ConversationID, n)
		if err := s.Change(ctx, func(tx ticketing.Tx) error {
			for i := range ids {
				c := ticketing.Conversation{Group: "help", State: ticketing.New, Waits: s.clock()}
				if err := tx.AddConversation(&c); err != nil {
					return err
				}
				ids[i] = c.ID
				if _, err := tx.AddPost(ticketing.Post{Key: fmt.Sprint("card", c.ID), Kind: ticketing.CardPost, Board: "mm/town", Conversation: c.ID}, "", time.Time{}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
		update := inParallel(b, 16, n, func(i int) error {
			tag, err := bare.Exec(ctx, `UPDATE conversations SET note = 'x', touched = $2 WHERE id = $1 AND owner = '' RETURNING id`, int64(ids[i]), time.Now())
			if err == nil && tag.RowsAffected() != 1 {
				err = errors.New("not one")
			}
			return err
		})
		take := inParallel(b, 16, n, func(i int) error {
			_, err := desk.Take(ctx, ticketing.By{Group: "help", Member: ticketing.Member{ID: ticketing.MemberID(fmt.Sprint("mm:", i%16)), Name: "Ann"}, Event: fmt.Sprint("click", event.Add(1))}, ids[i])
			return err
		})
		ratio = append(ratio, fmt.Sprintf("%.0f/%.0f=%.2f", take, update, take/update))
	}
	b.Log(strings.Join(ratio, " "))
}

func BenchmarkBlobs(b *testing.B) {
	for _, url := range []string{"sqlite", "postgres"} {
		for _, size := range []int64{48 << 10, 20 << 20} {
			b.Run(fmt.Sprintf("%s/%dKB", url, size>>10), func(b *testing.B) {
				if url == "postgres" {
					url = testbed.Postgres(b)
				} else {
					url = ""
				}
				s := benchStore(b, url)
				ctx := context.Background()
				b.Run("put", func(b *testing.B) {
					b.SetBytes(size)
					b.ReportAllocs()
					for b.Loop() {
						if _, _, err := s.PutBlob(ctx, &endless{left: size}); err != nil {
							b.Fatal(err)
						}
					}
				})
				b.Run("get", func(b *testing.B) {
					b.SetBytes(size)
					b.ReportAllocs()
					for b.Loop() {
						r, err := s.OpenBlob(ctx, 1)
						if err != nil {
							b.Fatal(err)
						}
						if n, err := io.Copy(io.Discard, r); n != size || err != nil {
							b.Fatal(n, err)
						}
					}
				})
			})
		}
	}
}
