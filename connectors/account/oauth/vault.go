package oauth

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Vault keeps tokens. Its keys are any text.
type Vault interface {
	// Load returns what was saved last, or "".
	Load(ctx context.Context, key string) (string, error)
	// Save replaces it, as a whole or not at all.
	Save(ctx context.Context, key, value string) error
	// Lock waits until nobody else, in any process, has the key's lock. Load and Save need none. A lock
	// that is not given back ends after a minute.
	Lock(ctx context.Context, key string) (unlock func(), err error)
}

const (
	lockTTL  = time.Minute
	lockWait = 100 * time.Millisecond
)

func waitForLock(ctx context.Context) error {
	timer := time.NewTimer(lockWait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Database is what a vault needs of one that several processes share (store.Store).
type Database interface {
	Cursor(ctx context.Context, name string) (string, error)
	SetCursor(ctx context.Context, name, value string) error
	Lease(ctx context.Context, name, holder string, ttl time.Duration) (held bool, err error)
	Unlease(ctx context.Context, name, holder string) error
}

// InDatabase is a vault in a database.
func InDatabase(db Database) Vault { return inDatabase{db} }

type inDatabase struct{ db Database }

func (v inDatabase) Load(ctx context.Context, key string) (string, error) {
	return v.db.Cursor(ctx, "oauth:"+key)
}

func (v inDatabase) Save(ctx context.Context, key, value string) error {
	return v.db.SetCursor(ctx, "oauth:"+key, value)
}

func (v inDatabase) Lock(ctx context.Context, key string) (func(), error) {
	name, holder := "oauth:"+key, rand.Text()
	for {
		held, err := v.db.Lease(ctx, name, holder, lockTTL)
		switch {
		case err != nil:
			return nil, err
		case held:
			return func() {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
				defer cancel()
				_ = v.db.Unlease(ctx, name, holder) // else it runs out
			}, nil
		}
		if err := waitForLock(ctx); err != nil {
			return nil, err
		}
	}
}

// InFolder is a vault in a folder of this machine, which is made when it is needed: a file a key, that
// nobody else can read.
func InFolder(dir string) Vault { return inFolder(dir) }

type inFolder string

// path is a name that every file system takes.
func (v inFolder) path(key string) string {
	return filepath.Join(string(v), hex.EncodeToString([]byte(key))+".json")
}

func (v inFolder) Load(_ context.Context, key string) (string, error) {
	b, err := os.ReadFile(v.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(b), err
}

func (v inFolder) Save(_ context.Context, key, value string) (err error) {
	if err := os.MkdirAll(string(v), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(string(v), "new-*") // for its owner alone
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if _, err := f.WriteString(value); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), v.path(key))
}

func (v inFolder) Lock(ctx context.Context, key string) (func(), error) {
	if err := os.MkdirAll(string(v), 0o700); err != nil {
		return nil, err
	}
	path := v.path(key) + ".lock"
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		switch {
		case err == nil:
			if err := f.Close(); err != nil {
				return nil, fmt.Errorf("lock: %w", err)
			}
			return func() { _ = os.Remove(path) }, nil
		case !errors.Is(err, fs.ErrExist):
			return nil, err
		}
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > lockTTL {
			_ = os.Remove(path) // its holder is dead: what is done under a lock takes less
			continue
		}
		if err := waitForLock(ctx); err != nil {
			return nil, err
		}
	}
}
