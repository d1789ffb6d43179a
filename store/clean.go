package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"gorm.io/gorm"
)

// pool is the one way that statements go to a database: what Postgres refuses in a text, NUL bytes
// and invalid UTF-8, is replaced here, whatever the text is and wherever it came from.
type pool struct{ gorm.ConnPool }

func (p pool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	args, err := cleanArgs(args)
	if err != nil {
		return nil, err
	}
	return p.ConnPool.ExecContext(ctx, query, args...)
}

func (p pool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	args, err := cleanArgs(args)
	if err != nil {
		return nil, err
	}
	return p.ConnPool.QueryContext(ctx, query, args...)
}

func (p pool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if cleaned, err := cleanArgs(args); err == nil {
		args = cleaned
	}
	return p.ConnPool.QueryRowContext(ctx, query, args...)
}

// asJSON marks the text of a JSON column.
type asJSON string

func cleanArgs(args []any) ([]any, error) {
	cleaned := make([]any, len(args))
	for i, a := range args {
		if v, ok := a.(driver.Valuer); ok {
			var err error
			if a, err = v.Value(); err != nil {
				return nil, err
			}
		}
		switch v := a.(type) {
		case string:
			a = clean(v)
		case *string:
			if v == nil {
				a = nil
			} else {
				a = clean(*v)
			}
		case asJSON:
			a = cleanJSON(string(v))
		}
		cleaned[i] = a
	}
	return cleaned, nil
}

// clean puts U+FFFD wherever there is something that no text may hold.
func clean(s string) string {
	if !utf8.ValidString(s) {
		s = string([]rune(s)) // as encoding/json does: one for each byte
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\ufffd")
	}
	return s
}

// cleanJSON does the same with NULs in what encoding/json has written, which escapes them and has
// replaced invalid UTF-8 already.
func cleanJSON(s string) string {
	const nul = `\u0000`
	if !strings.Contains(s, nul) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			b.WriteByte(s[i])
		case strings.HasPrefix(s[i:], nul):
			b.WriteString(`\ufffd`)
			i += len(nul) - 1
		default: // whatever is escaped, a backslash among it
			b.WriteString(s[i : i+2])
			i++
		}
	}
	return b.String()
}

// maxKey is how long a text may be that is looked up by an index: Postgres refuses entries of more
// than 2,704 bytes, and an index of long texts is a slow one.
const maxKey = 400

// key shortens an endless text from outside to something that is still unique.
func key(s string) string {
	s = clean(s)
	if len(s) <= maxKey {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return strings.ToValidUTF8(s[:maxKey-80], "") + "…" + hex.EncodeToString(sum[:])
}

// fold makes equal what strings.EqualFold calls equal.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, s)
}
