package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-mbox"
)

//go:embed samples/*.eml
var samples embed.FS

// sample is a mail that lies in the team's mailbox when the demonstration begins. Its file has no
// Date, which is reckoned from the start.
type sample struct {
	file   string
	ago    time.Duration
	person bool // somebody who can be chosen on the customer page
}

var sampleMails = []sample{
	{"newsletter.eml", 5*time.Hour + 12*time.Minute, false},
	{"heating.eml", 2*time.Hour + 47*time.Minute, true},
	{"meeting.eml", 51 * time.Minute, true},
	{"account.eml", 44 * time.Minute, false},
	{"booking.eml", 38 * time.Minute, true},
	{"form.eml", 29 * time.Minute, true},
	{"hours.eml", 21 * time.Minute, true},
	{"heating-again.eml", 9 * time.Minute, true},
	{"parcel.eml", 3 * time.Minute, true},
}

// seed fills the team's empty mailbox with the samples, or with mail of the user's own.
func (s *mailServer) seed(now time.Time, mboxFile, emlDir string) (int, error) {
	n := 0
	err := s.many(func() (err error) {
		switch {
		case mboxFile != "" || emlDir != "":
			if mboxFile != "" {
				n, err = s.seedMbox(mboxFile)
			}
			if emlDir != "" && err == nil {
				var more int
				more, err = s.seedFolder(emlDir)
				n += more
			}
			if err == nil && n == 0 {
				err = errors.New("there is no mail in it")
			}
			return err
		}
		for _, one := range sampleMails {
			if err := s.seedSample(one, now); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

func (s *mailServer) seedSample(one sample, now time.Time) error {
	b, err := samples.ReadFile("samples/" + one.file)
	if err != nil {
		return err
	}
	at := now.Add(-one.ago)
	raw := withCRLF([]byte("Date: " + at.Format(time.RFC1123Z) + "\n" + string(b)))
	if err := s.add(s.team, "INBOX", at, nil, raw); err != nil || !one.person {
		return err
	}
	people := letterOf(raw, op{}).People
	author := strings.ToLower(people[len(people)-1].Address)
	if len(people) > 1 { // wrote through the website, and has nothing in Sent
		_, err = s.userOf(author)
		return err
	}
	return s.add(author, "Sent", at, []imap.Flag{imap.FlagSeen}, raw)
}

// seedMbox takes the mails of an mbox file, as Thunderbird, mutt and Google's Takeout write it.
func (s *mailServer) seedMbox(file string) (n int, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, missingFile(err, file, "--mbox")
	}
	defer f.Close()
	r := mbox.NewReader(f)
	for {
		m, err := r.NextMessage()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if errors.Is(err, mbox.ErrInvalidFormat) {
			return n, fmt.Errorf("%s is no mbox file: each mail in one begins with a line like \"From maria@example.com Tue Nov 18 10:00:00 2025\"", file)
		}
		if err != nil {
			return n, fmt.Errorf("%s cannot be read: %w", file, err)
		}
		raw, err := io.ReadAll(io.LimitReader(m, maxLetter))
		if err != nil {
			return n, fmt.Errorf("%s cannot be read: %w", file, err)
		}
		if len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		if err := s.seedOwn(raw); err != nil {
			return n, err
		}
		n++
	}
}

// seedFolder takes the files *.eml of a folder, by name.
func (s *mailServer) seedFolder(dir string) (n int, err error) {
	if _, err := os.Stat(dir); err != nil {
		return 0, missingFile(err, dir, "--eml")
	}
	files, err := filepath.Glob(filepath.Join(strings.NewReplacer("*", "\\*", "?", "\\?", "[", "\\[").Replace(dir), "*.[eE][mM][lL]"))
	if err != nil {
		return 0, err
	}
	slices.Sort(files)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return n, err
		}
		if err := s.seedOwn(raw); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (s *mailServer) seedOwn(raw []byte) error {
	raw = withCRLF(raw)
	at, err := mail.ParseDate(headOf(raw).Get("Date"))
	if err != nil || at.After(time.Now()) {
		at = time.Now()
	}
	return s.add(s.team, "INBOX", at, nil, raw)
}

func missingFile(err error, name, flag string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s. Name a file or folder of yours with %s", name, flag)
	}
	return err
}

// withCRLF ends lines as mail on servers does.
func withCRLF(raw []byte) []byte {
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
}
