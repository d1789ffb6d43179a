package imap

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// FindSent returns the name of the Sent folder on the server: the configured one, else the one that
// the server marks as such, else one with a usual name. ErrNoFolder if there is none.
func FindSent(ctx context.Context, cfg Config, configured string) (string, error) {
	m, err := connect(ctx, cfg)
	if err != nil {
		return "", err
	}
	defer m.Close()
	return m.sent(ctx, configured)
}

func (m *Mailbox) sent(ctx context.Context, configured string) (string, error) {
	if configured == "" {
		configured = SentFolder
	}
	return m.resolve(ctx, configured)
}

// AppendSent files a copy of a mail that was sent, marked as read, unless one with its Message-ID is
// there already: by a try whose outcome was not learned, or by the submission server. folder is as
// for FindSent; a configured one is made if it is missing. raw has exactly size bytes with CRLF.
func AppendSent(ctx context.Context, cfg Config, folder, messageID string, raw io.Reader, size int64) error {
	messageID = strings.Trim(messageID, "<> ")
	if messageID == "" {
		return errors.New("imap: a copy without Message-ID could be filed twice")
	}
	m, err := connect(ctx, cfg)
	if err != nil {
		return err
	}
	defer m.Close()
	name, err := m.sent(ctx, folder)
	if errors.Is(err, ErrNoFolder) && folder != "" && !strings.HasPrefix(folder, `\`) {
		f, listErr := m.list(ctx)
		if listErr != nil {
			return listErr
		}
		_, name = f.find(folder)
		err = m.create(ctx, name)
	}
	if err != nil {
		return err
	}
	m.folder = name
	if err := m.selectFolder(ctx, false); err != nil {
		return err
	}
	there, err := m.holds(ctx, messageID)
	if err != nil || there {
		return err
	}
	return m.append(ctx, name, raw, size)
}

// holds tells whether the open folder holds a mail with this Message-ID.
func (m *Mailbox) holds(ctx context.Context, messageID string) (bool, error) {
	// Some servers index with delay, some search headers badly or not at all: the newest mails are
	// looked at in any case.
	const newest, hits = 20, 50
	box := m.c.Mailbox()
	if box == nil || box.NumMessages == 0 {
		return false, nil
	}
	found, err := m.search(ctx, &imap.SearchCriteria{
		Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: "<" + messageID + ">"}},
	})
	if err != nil && !isRefusal(err) {
		return false, err
	}
	var latest imap.SeqSet
	latest.AddRange(max(1, box.NumMessages-min(box.NumMessages, newest)+1), box.NumMessages)
	sets := []imap.NumSet{latest}
	if len(found) > 0 {
		sets = append(sets, imap.UIDSetNum(found[max(0, len(found)-hits):]...))
	}
	section := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"Message-ID"}, Peek: true}
	for _, set := range sets {
		there := false
		err := m.ask(ctx, "read Message-IDs", func() error {
			return m.literals(set, section, func(header []byte) { there = there || messageIDOf(header) == messageID })
		})
		if err != nil || there {
			return there, err
		}
	}
	return false, nil
}

// messageIDOf reads the Message-ID of a header.
func messageIDOf(header []byte) string {
	h, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(header))).ReadMIMEHeader() // what could be read
	return strings.Trim(h.Get("Message-Id"), "<> \t")
}

func (m *Mailbox) append(ctx context.Context, folder string, raw io.Reader, size int64) error {
	doing := "file a copy in " + folder
	var reading error
	err := m.bounded(ctx, func() error {
		cmd := m.c.Append(folder, size, &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}})
		body := &exactly{r: raw, left: size}
		_, err := io.Copy(cmd, body)
		if err == nil && body.left > 0 {
			err = io.ErrUnexpectedEOF
		}
		reading = body.err
		if err != nil && (reading != nil || body.left > 0 && errors.Is(err, io.ErrUnexpectedEOF)) {
			// Half a mail must not be filed: the server takes it only when it has all its bytes.
			_ = m.conn.Close()
		}
		closed := cmd.Close()
		_, waited := cmd.Wait()
		if isRefusal(waited) {
			return waited // the server's words rather than the write error that follows from them
		}
		return cmp.Or(err, closed, waited)
	})
	if reading != nil {
		return fmt.Errorf("%s: read the mail: %w", m.cfg.Doing(doing), reading)
	}
	return m.trouble(doing, err)
}

// exactly reads as many bytes as were announced, and remembers why it could not.
type exactly struct {
	r    io.Reader
	left int64
	err  error
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if errors.Is(err, io.EOF) && e.left > 0 {
		err = fmt.Errorf("it ends %d bytes too early: %w", e.left, io.ErrUnexpectedEOF)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		e.err = err
	}
	return n, err
}
