package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
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

// reportRates reports the medians of what alternated, how often a second.
func reportRates(b *testing.B, ours, floor []float64) {
	slices.Sort(ours)
	slices.Sort(floor)
	b.ReportMetric(ours[len(ours)/2], "ours/s")
	b.ReportMetric(floor[len(floor)/2], "bare/s")
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
	var ours, floor []float64
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
		ours, floor = append(ours, change), append(floor, update)
	}
	reportRates(b, ours, floor)
}

// How many locked changes SQLite commits a second, each of them on the disk.
func BenchmarkSQLite(b *testing.B) {
	s := benchStore(b, "")
	ctx := context.Background()
	c := ticketing.Conversation{Group: "help", State: ticketing.New}
	if err := s.Change(ctx, func(tx ticketing.Tx) error { return tx.AddConversation(&c) }); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := s.Change(ctx, func(tx ticketing.Tx) error {
			c, err := tx.Conversation(c.ID)
			if err != nil {
				return err
			}
			c.Seq++
			return tx.SetConversation(c)
		}); err != nil {
			b.Fatal(err)
		}
	}
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
	var ours, floor []float64
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
		ours, floor = append(ours, take), append(floor, update)
	}
	reportRates(b, ours, floor)
}

// A mail of 20 KB and its conversation in one Change, against the same two INSERTs in a bare
// transaction, alternating.
func BenchmarkMail(b *testing.B) {
	for _, conns := range []int{1, 4} {
		b.Run(fmt.Sprint(conns), func(b *testing.B) {
			url := fmt.Sprintf("%s&pool_max_conns=16", testbed.Postgres(b))
			s := benchStore(b, url)
			bare, err := pgxpool.New(context.Background(), url)
			if err != nil {
				b.Fatal(err)
			}
			defer bare.Close()
			ctx := context.Background()
			words := strings.Fields("the heating in the second floor is broken again and nobody answers our calls since Monday")
			var text strings.Builder
			for i := 0; text.Len() < 10_000; i++ {
				fmt.Fprintf(&text, "%s%d ", words[i*i%len(words)], i%977)
			}
			var id atomic.Int64
			const n = 400
			var ours, floors []float64
			for b.Loop() {
				floor := inParallel(b, conns, n, func(int) error {
					tx, err := bare.Begin(ctx)
					if err != nil {
						return err
					}
					defer tx.Rollback(ctx) //nolint:errcheck // after the commit there is nothing left
					var c int64
					err = tx.QueryRow(ctx, `INSERT INTO conversations (group_name, number, state, outcome, subject, with_name, with_addr, mailbox, note,
						owner, last_owner, closed_by, waits, overdue, mentions, joined_to, first_mail, last_mail, mails, seq, files, new_name, new_addr)
						VALUES ('help', 0, 'new', '', $1, '', 'm@x', 'help', '', '', '', '', $2, FALSE, 0, 0, 0, 0, 0, 0, 0, '', '') RETURNING id`,
						"Heating broken", time.Now()).Scan(&c)
					if err != nil {
						return err
					}
					_, err = tx.Exec(ctx, `INSERT INTO mails (group_name, mailbox, conversation, direction, message_id, in_reply_to, refs, from_name, from_addr,
						to_addrs, cc_addrs, reply_to, author_name, author_addr, subject, sent, received, ticket_ref, text, reply, html,
						attachments, auto_reply, bounce, auto_generated, no_auto_answer, spam, ours, fault, digest, raw, size, seq, by_member, new_person, fingerprint)
						VALUES ('help', 'help', $1, 'in', $2, '[]', '[]', 'Maria', 'm@x', '[{"addr":"help@x"}]', '[]', '[]', '', '', 'Heating broken', $3, $3, 0, $4, '', $5,
						'[]', FALSE, FALSE, FALSE, FALSE, FALSE, '', '', '', 0, 20000, 1, '', FALSE, $2)`,
						c, fmt.Sprint(id.Add(1)), time.Now(), text.String(), text.String())
					if err != nil {
						return err
					}
					return tx.Commit(ctx)
				})
				change := inParallel(b, conns, n, func(int) error {
					return s.Change(ctx, func(tx ticketing.Tx) error {
						c := ticketing.Conversation{Group: "help", State: ticketing.New, Subject: "Heating broken", Waits: s.clock()}
						if err := tx.AddConversation(&c); err != nil {
							return err
						}
						return tx.AddMail(&ticketing.Mail{
							Group: "help", Mailbox: "help", Conversation: c.ID, Direction: ticketing.In, MessageID: fmt.Sprint(id.Add(1)),
							From: ticketing.Address{Name: "Maria", Addr: "m@x"}, To: []ticketing.Address{{Addr: "help@x"}}, Subject: "Heating broken",
							Sent: s.clock(), Received: s.clock(), Text: text.String(), HTML: text.String(), Size: 20_000,
						})
					})
				})
				ours, floors = append(ours, change), append(floors, floor)
			}
			reportRates(b, ours, floors)
		})
	}
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
