package mailbox

import (
	"io"

	"groupmail/connectors/message"
	"groupmail/ticketing"
)

// SetParser replaces the parser.
func (w *Watcher) SetParser(parse func(io.Reader, message.Options) ticketing.Mail) { w.parse = parse }
