package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"gorm.io/gorm"

	"groupmail/ticketing"
)

// chunkSize is how many bytes of a blob are in one row, and in memory.
const chunkSize = 256 << 10

// chunk is one part of a blob on its way in.
type chunk struct {
	blob  int64 // 0 with seq 0: makes the blob
	seq   int64
	bytes []byte
	last  bool
	size  int64 // of the whole blob, with last
}

var buffers = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// PutBlob implements ticketing.Store. The blob is on the disk once any later Change is.
func (s *Store) PutBlob(ctx context.Context, r io.Reader) (ticketing.BlobID, int64, error) {
	buf := buffers.Get().(*[chunkSize]byte)
	defer buffers.Put(buf)
	c := chunk{}
	for !c.last {
		n, err := io.ReadFull(r, buf[:])
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			c.last = true
		case err != nil:
			s.dropBlob(ctx, c.blob)
			return 0, 0, fmt.Errorf("store: read blob: %w", err)
		}
		c.bytes = buf[:n]
		c.size += int64(n)
		bounded, cancel := context.WithTimeout(ctx, longest)
		c.blob, err = s.putChunk(bounded, c)
		cancel()
		if err != nil {
			return 0, 0, fmt.Errorf("store: put blob: %w", err)
		}
		c.seq++
	}
	return ticketing.BlobID(c.blob), c.size, nil
}

// dropBlob removes what there is of a blob that will never be whole. If it fails, the sweep does it.
func (s *Store) dropBlob(ctx context.Context, id int64) {
	if id == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := s.deleteBlobs(ctx, []int64{id}); err != nil {
		s.log.Warn("An unfinished blob is left for the clean-up", "err", err)
	}
}

func (s *Store) deleteBlobs(ctx context.Context, ids []int64) error {
	return s.single(ctx, "delete blob", func(g *gorm.DB) error {
		return errors.Join(
			g.Exec(`DELETE FROM chunks WHERE blob IN ?`, ids).Error,
			g.Exec(`DELETE FROM blobs WHERE id IN ?`, ids).Error)
	})
}

// OpenBlob implements ticketing.Store. What it returns reads chunk by chunk and holds no connection
// in between; ctx ends it.
func (s *Store) OpenBlob(ctx context.Context, id ticketing.BlobID) (io.ReadCloser, error) {
	var sizes []int64
	err := s.again(ctx, true, func(t ticketing.Tx) error {
		return t.(*tx).get("open blob", func(g *gorm.DB) *gorm.DB {
			return g.Raw(`SELECT size FROM blobs WHERE id = ? AND size >= 0`, int64(id)).Find(&sizes)
		})
	})
	if err != nil {
		return nil, err
	}
	if len(sizes) == 0 {
		return nil, ticketing.ErrNone
	}
	return &blob{s: s, ctx: ctx, id: int64(id), left: sizes[0]}, nil
}

type blob struct {
	s    *Store
	ctx  context.Context // a Reader has no other way
	id   int64
	seq  int64
	left int64 // bytes not yet fetched
	buf  []byte
	rest bytes.Reader // of buf
}

var errClosed = errors.New("store: read from a closed blob")

func (b *blob) Read(p []byte) (int, error) {
	if b.s == nil {
		return 0, errClosed
	}
	for b.rest.Len() == 0 {
		if b.left == 0 {
			return 0, io.EOF
		}
		ctx, cancel := context.WithTimeout(b.ctx, longest)
		buf, err := b.s.getChunk(ctx, b.id, b.seq, b.buf)
		cancel()
		if errors.Is(err, ticketing.ErrNone) || err == nil && (len(buf) == 0 || int64(len(buf)) > b.left) {
			err = errors.New("a chunk is missing")
		}
		if err != nil {
			return 0, fmt.Errorf("store: read blob %d: %w", b.id, err)
		}
		b.buf = buf
		b.rest.Reset(buf)
		b.left -= int64(len(buf))
		b.seq++
	}
	return b.rest.Read(p)
}

func (b *blob) Close() error {
	b.s = nil
	return nil
}
