package slack

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"groupmail/bot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logged is what the platform logs.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// listen keeps what the office's platform logs from now on; to be called before it runs.
func (o *office) listen() *logged {
	l := &logged{}
	o.p.log = slog.New(slog.NewTextHandler(l, nil))
	return l
}

// lines are lines of words alone.
func lines(all ...string) []bot.Line {
	var out []bot.Line
	for _, words := range all {
		out = append(out, bot.Line{{Text: words}})
	}
	return out
}
