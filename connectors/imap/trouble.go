package imap

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-imap/v2"

	"groupmail/connectors/account"
)

// ErrNoFolder means that the folder does not exist.
var ErrNoFolder = errors.New("no such folder")

// trouble turns what went wrong into something that a person can act upon.
func (m *Mailbox) trouble(doing string, err error) error {
	return m.cfg.Trouble(m.conn, doing, m.says(err), err)
}

// says is what the server said about an error, or when it hung up.
func (m *Mailbox) says(err error) string {
	var refused *imap.Error
	if errors.As(err, &refused) {
		return refused.Text
	}
	return m.words.bye()
}

// lastWords keeps the end of what goes over a connection. go-imap drops the text of BYE, which is
// where servers say why they hang up.
type lastWords struct {
	mu  sync.Mutex
	end []byte
}

const lastWordsSize = 512

// Write implements io.Writer for go-imap's DebugWriter.
func (l *lastWords) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = append(l.end, b[max(0, len(b)-lastWordsSize):]...)
	if extra := len(l.end) - lastWordsSize; extra > 0 {
		l.end = append(l.end[:0], l.end[extra:]...)
	}
	return len(b), nil
}

// bye is the text of a BYE, if that is the last that the server said. A command of ours may stand
// after it.
func (l *lastWords) bye() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := strings.Split(string(l.end), "\n")
	for _, line := range slices.Backward(lines) {
		if words, ok := strings.CutPrefix(line, "* BYE "); ok {
			return account.Printable(words)
		}
		if strings.HasPrefix(line, "* ") {
			break
		}
	}
	return ""
}
