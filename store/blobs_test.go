package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"groupmail/ticketing"
)

func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b) //nolint:errcheck // never fails
	return b
}

func (b *bed) put(data []byte) ticketing.BlobID {
	b.t.Helper()
	id, n, err := b.PutBlob(b.t.Context(), bytes.NewReader(data))
	if err != nil || n != int64(len(data)) {
		b.t.Fatalf("put %d of %d bytes: %v", n, len(data), err)
	}
	return id
}

func (b *bed) blob(id ticketing.BlobID) []byte {
	b.t.Helper()
	r, err := b.OpenBlob(b.t.Context(), id)
	fatal(b.t, err)
	data, err := io.ReadAll(r)
	fatal(b.t, errors.Join(err, r.Close()))
	return data
}

func TestBlobs(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		for _, n := range []int{0, 1, 100, chunkSize - 1, chunkSize, chunkSize + 1, 3 * chunkSize, 3*chunkSize + 17} {
			data := noise(n)
			if got := b.blob(b.put(data)); !bytes.Equal(got, data) {
				t.Errorf("%d bytes came back as %d others", n, len(got))
			}
		}
		r, err := b.OpenBlob(t.Context(), b.put(noise(chunkSize+99)))
		fatal(t, err)
		fatal(t, iotest.TestReader(r, noise(chunkSize+99)))
		fatal(t, r.Close())
		if _, err := r.Read(make([]byte, 1)); err == nil {
			t.Error("read after close")
		}
		_, err = b.OpenBlob(t.Context(), 12345)
		wantErr(t, err, ticketing.ErrNone)
	})
}

func TestABlobThatCannotBeRead(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		broken := errors.New("the mail server hung up")
		for _, n := range []int{5, chunkSize + 5} {
			_, _, err := b.PutBlob(t.Context(), io.MultiReader(bytes.NewReader(noise(n)), iotest.ErrReader(broken)))
			wantErr(t, err, broken)
		}
		if n := b.count("blobs") + b.count("chunks"); n != 0 {
			t.Errorf("%d rows left", n)
		}
		// Half a blob, left by a process that died, is none.
		_, err := b.putChunk(t.Context(), chunk{bytes: []byte("half")})
		fatal(t, err)
		_, err = b.OpenBlob(t.Context(), 3)
		wantErr(t, err, ticketing.ErrNone)
		// One that has lost a chunk says so.
		id := b.put(noise(3 * chunkSize))
		b.exec("DELETE FROM chunks WHERE blob = ? AND seq = 1", int64(id))
		r, err := b.OpenBlob(t.Context(), id)
		fatal(t, err)
		if _, err := io.ReadAll(r); err == nil {
			t.Error("a missing chunk was not missed")
		}
	})
}

// endless is so many bytes that no memory holds.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.left)
	e.left -= n
	return int(n), nil
}

// A blob of 100 MB needs less than 5 MB of memory, and lets others write meanwhile.
func TestABigBlobNeedsLittleMemory(t *testing.T) {
	alone(t, func(t *testing.T, b *bed) {
		size := int64(100 << 20)
		if raceDetector {
			size /= 10
		}
		b.put(noise(chunkSize * 2)) // warm
		watch, stop := context.WithCancel(t.Context())
		var most int64
		var all sync.WaitGroup
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		base := int64(m.HeapAlloc)
		all.Go(func() {
			for watch.Err() == nil {
				runtime.GC() // what is garbage costs nothing: how much may lie about is GOGC's
				runtime.ReadMemStats(&m)
				most = max(most, int64(m.HeapAlloc))
			}
		})
		// Others write while it is under way: each of these would wait for ever if it were one transaction.
		others := func() { b.conversation(ticketing.Conversation{}) }
		id, n, err := b.PutBlob(t.Context(), &pausing{Reader: &endless{left: size}, every: size / 5, pause: others})
		if err != nil || n != size {
			t.Fatal(n, err)
		}
		r, err := b.OpenBlob(t.Context(), id)
		fatal(t, err)
		h := sha256.New()
		n, err = io.Copy(h, r)
		if err != nil || n != size {
			t.Fatal(n, err)
		}
		stop()
		all.Wait()
		t.Logf("%.1f MB above %.1f", float64(most-base)/1e6, float64(base)/1e6)
		if most > base+5<<20 && !raceDetector {
			t.Errorf("%d bytes of heap", most-base)
		}
	})
}

// pausing does something else every so many bytes.
type pausing struct {
	io.Reader
	every, read int64
	pause       func()
}

func (p *pausing) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	before := p.read / p.every
	if p.read += int64(n); p.read/p.every != before {
		p.pause()
	}
	return n, err
}

func TestSweep(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		var named, unnamed []ticketing.BlobID
		for i := range 7 {
			id := b.put(noise(10 + i))
			if i%2 == 0 {
				unnamed = append(unnamed, id)
			} else {
				named = append(named, id)
			}
		}
		b.change(func(tx ticketing.Tx) error {
			return errors.Join(
				tx.AddMail(&ticketing.Mail{Raw: named[0]}),
				tx.AddReply(&ticketing.Reply{Raw: named[1], Files: []ticketing.Attachment{{Name: "no blob"}}}),
				tx.AddReply(&ticketing.Reply{Files: []ticketing.Attachment{{Name: "a", Blob: named[2]}}}),
				tx.AddReply(&ticketing.Reply{}),
				tx.Once("old"), tx.Once("new"))
		})
		_, err := b.Lease(ctx, "old", "me", time.Hour)
		fatal(t, err)
		fatal(t, b.sweep(ctx))
		if n := b.count("blobs"); n != 7 {
			t.Errorf("%d blobs: swept too early", n)
		}
		b.exec("UPDATE blobs SET made = ?", b.after(-25*time.Hour))
		b.exec("UPDATE event_keys SET at = ? WHERE key = 'old'", b.after(-31*24*time.Hour))
		b.exec("UPDATE leases SET until = ? WHERE name = 'old'", b.after(-25*time.Hour))
		fresh := b.put(noise(3))
		b.exec("DELETE FROM cursors") // as if a day had passed since the last time
		fatal(t, b.sweep(ctx))
		for _, id := range append(named, fresh) {
			b.blob(id)
		}
		for _, id := range unnamed {
			_, err := b.OpenBlob(ctx, id)
			wantErr(t, err, ticketing.ErrNone)
		}
		if n := b.count("chunks"); n != 4 {
			t.Errorf("%d chunks", n)
		}
		if n := b.count("event_keys"); n != 1 {
			t.Errorf("%d event keys", n)
		}
		if n := b.count("leases"); n != 0 {
			t.Errorf("%d leases", n)
		}
		// Each blob is looked at once, when it is a day old.
		b.exec("DELETE FROM replies")
		fatal(t, b.sweep(ctx))
		b.blob(named[1])
		b.exec("UPDATE blobs SET made = ? WHERE id = ?", b.after(-24*time.Hour-time.Microsecond), int64(fresh))
		fatal(t, b.sweep(ctx))
		_, err = b.OpenBlob(ctx, fresh)
		wantErr(t, err, ticketing.ErrNone)
	})
}

func TestTheSweepRunsByItself(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		id := b.put([]byte("x"))
		b.exec("UPDATE blobs SET made = ?", b.after(-25*time.Hour))
		b.limits.sweep = 10 * time.Millisecond
		stop := b.run()
		eventually(t, "swept", func() bool {
			_, err := b.OpenBlob(t.Context(), id)
			return errors.Is(err, ticketing.ErrNone)
		})
		stop()
		if l := b.log.String(); strings.Contains(l, "WARN") {
			t.Error(l)
		}
	})
}
