package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-mbox"

	"groupmail/ticketing"
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

// seedKnowledge has Cleo know one of those who have written, and something about boilers: once, however often the
// demonstration begins.
func seedKnowledge(ctx context.Context, desk *ticketing.Desk) error {
	by := func(what string) ticketing.By {
		return ticketing.By{
			Member: ticketing.Member{ID: platformBrowser + ":cleo", Name: "Cleo", Handle: "cleo"}, Group: demoConfig("", 0).Groups[0].Name, Event: "demonstration: " + what,
		}
	}
	once := func(err error) error {
		if errors.Is(err, ticketing.ErrRepeated) {
			return nil
		}
		return err
	}
	const address = "maria.kovacs@example.com"
	_, err := desk.AddContact(ctx, by("contact"), ticketing.ContactInput{
		Name: "Maria Kovács", Organisation: "Flat 12", Addresses: []string{address}, Phones: []string{"+43 1 234 56 78"}, Numbers: []string{"2041"},
	}, 0)
	if err := once(err); err != nil {
		return err
	}
	maria, _, err := desk.FindContacts(ctx, by("").Group, address)
	if err == nil && len(maria) == 1 {
		_, err = desk.NoteContact(ctx, by("note"), maria[0].ID, "Phoned about the heating last winter, too. The neighbour (flat 11) has a key. See [[Boiler room]].")
	}
	if err := once(err); err != nil {
		return err
	}
	_, err = desk.NewPage(ctx, by("page"), "Boiler room", "The key hangs in the office, behind the door.\n\n1. Look at the **pressure**: it should be above 1 bar.\n2. Below that, open the blue tap until it is.\n3. If it falls again within a day, call the plumber.\n", "")
	return once(err)
}

// seeded tells what came into the mailbox at the first start.
type seeded struct {
	mails   int
	skipped []string // files, or places in one, that hold no mail, and why
}

// seedPostOffice makes the post office in dir, whose team's mailbox holds the samples, or mail of the
// user's own. It is there whole or, if the process dies meanwhile, not at all.
func seedPostOffice(dir, team, mboxFile, emlDir string) (seeded, error) {
	unfinished := dir + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return seeded{}, err
	}
	o, err := openPostOffice(unfinished, team)
	if err != nil {
		return seeded{}, err
	}
	n, err := o.seed(time.Now(), mboxFile, emlDir)
	if err = errors.Join(err, o.close()); err != nil {
		return n, errors.Join(err, os.RemoveAll(unfinished))
	}
	return n, os.Rename(unfinished, dir)
}

// seed fills the team's empty mailbox with the samples, or with mail of the user's own.
func (o *postOffice) seed(now time.Time, mboxFile, emlDir string) (n seeded, err error) {
	err = o.many(func() error {
		if mboxFile == "" && emlDir == "" {
			for _, one := range sampleMails {
				if err := o.seedSample(one, now); err != nil {
					return err
				}
				n.mails++
			}
			return nil
		}
		if mboxFile != "" {
			if err := o.seedMbox(mboxFile, &n); err != nil {
				return err
			}
		}
		if emlDir != "" {
			if err := o.seedFolder(emlDir, &n); err != nil {
				return err
			}
		}
		if n.mails == 0 {
			return errors.New(strings.Join(append([]string{"there is no mail in it"}, n.skipped...), ". "))
		}
		return nil
	})
	return n, err
}

func (o *postOffice) seedSample(one sample, now time.Time) error {
	b, err := samples.ReadFile("samples/" + one.file)
	if err != nil {
		return err
	}
	at := now.Add(-one.ago)
	raw := withCRLF([]byte("Date: " + at.Format(time.RFC1123Z) + "\n" + string(b)))
	if err := o.add(o.team, "INBOX", at, nil, raw); err != nil || !one.person {
		return err
	}
	people := letterOf(raw, op{}).People
	author := strings.ToLower(people[len(people)-1].Address)
	if len(people) > 1 { // wrote through the website, and has nothing in Sent
		_, err = o.userOf(author)
		return err
	}
	return o.add(author, "Sent", at, []imap.Flag{imap.FlagSeen}, raw)
}

// seedMbox takes the mails of an mbox file, as Thunderbird, mutt and Google's Takeout write it.
func (o *postOffice) seedMbox(file string, n *seeded) error {
	if info, err := os.Stat(file); err != nil {
		return unreadable("--mbox", file, err)
	} else if info.IsDir() {
		return fmt.Errorf("--mbox %s is a folder, and wants a file. A folder of *.eml files goes with --eml", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return unreadable("--mbox", file, err)
	}
	defer f.Close()
	r := mbox.NewReader(f)
	for i := 1; ; i++ {
		m, err := r.NextMessage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, mbox.ErrInvalidFormat) {
			return fmt.Errorf("--mbox %s is no mbox file: each mail in one begins with a line like \"From maria@example.com Tue Nov 18 10:00:00 2025\"", file)
		}
		if err != nil {
			return unreadable("--mbox", file, err)
		}
		raw, err := io.ReadAll(io.LimitReader(m, maxLetter+1))
		if err != nil {
			return unreadable("--mbox", file, err)
		}
		if err := o.seedOwn(fmt.Sprintf("mail %d of %s", i, file), raw, n); err != nil {
			return err
		}
	}
}

// seedFolder takes the files *.eml of a folder, by name.
func (o *postOffice) seedFolder(dir string, n *seeded) error {
	entries, err := os.ReadDir(dir)
	if info, statErr := os.Stat(dir); statErr == nil && !info.IsDir() {
		return fmt.Errorf("--eml %s is a file, and wants a folder of *.eml files. An mbox file goes with --mbox", dir)
	}
	if err != nil {
		return unreadable("--eml", dir, err)
	}
	for _, entry := range entries { // sorted
		file := filepath.Join(dir, entry.Name())
		if !strings.EqualFold(filepath.Ext(file), ".eml") {
			continue
		}
		if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
			n.skipped = append(n.skipped, file+" is no file")
			continue
		}
		raw, err := readFile(file)
		if err != nil {
			n.skipped = append(n.skipped, unreadable("--eml", file, err).Error())
			continue
		}
		if err := o.seedOwn(file, raw, n); err != nil {
			return err
		}
	}
	return nil
}

// readFile reads no more than one byte beyond the longest mail.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxLetter+1))
}

// headerLine is a line of a mail's head. Broken heads are mail, too.
var headerLine = regexp.MustCompile(`(?m)^[!-9;-~]+[ \t]*:`)

// seedOwn takes a mail of the user's own, unless it is none.
func (o *postOffice) seedOwn(where string, raw []byte, n *seeded) error {
	skip := ""
	switch {
	case len(bytes.TrimSpace(raw)) == 0:
		skip = " is empty"
	case len(raw) > maxLetter:
		skip = fmt.Sprintf(" is larger than %d MB", maxLetter>>20)
	case !headerLine.Match(raw[:min(len(raw), 64<<10)]):
		skip = " is no mail: it holds no line like \"Subject: Heating\""
	}
	if skip != "" {
		n.skipped = append(n.skipped, where+skip)
		return nil
	}
	raw = withCRLF(raw)
	at, err := mail.ParseDate(headOf(raw).Get("Date"))
	if err != nil || at.After(time.Now()) {
		at = time.Now()
	}
	if err := o.add(o.team, "INBOX", at, nil, raw); err != nil {
		return err
	}
	n.mails++
	return nil
}

// unreadable says what is wrong with what a flag names.
func unreadable(flag, name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: there is no %s. Name a file or folder of yours", flag, name)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %s may not be read by %s", flag, name, whoWeAre())
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("%s: %s cannot be read: %w", flag, name, err)
}

// withCRLF ends lines as mail on servers does.
func withCRLF(raw []byte) []byte {
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
}
