package maildir

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf16"

	"groupmail/connectors/account"
	"groupmail/connectors/mailbox"
	"groupmail/ticketing"
)

// Settle implements mailbox.Settler. Each fate is one rename, or one removal.
func (m *Mailbox) Settle(ctx context.Context, ref ticketing.Ref, fate ticketing.Fate) error {
	verb, argument, _ := strings.Cut(string(fate), ":")
	if verb == "" || verb == "leave" {
		return nil
	}
	do := m.remove
	switch {
	case verb == "seen" && argument == "":
		do = m.seen
	case verb == "delete" && argument == "":
	case verb == "move" && argument != "":
		target, err := m.target(argument)
		if err != nil {
			return err
		}
		do = func(f file) error {
			name := f.name
			if !strings.ContainsAny(name, ":;") { // in cur all have flags, be it none
				name += ":" + flagged
			}
			return os.Rename(m.place(f), filepath.Join(target, "cur", name))
		}
	default:
		return fmt.Errorf("maildir: fate %q: %w", fate, mailbox.ErrCannot)
	}
	if ref.Validity != m.validity {
		return nil
	}
	err := m.whereItIs(ctx, ref.UID, do)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone
	}
	if err == nil && verb != "seen" {
		delete(m.files, ref.UID)
	}
	return m.trouble("carry out "+string(fate), err)
}

// flagged begins the flags in a file's name.
const flagged = "2,"

func (m *Mailbox) remove(f file) error { return os.Remove(m.place(f)) }

// seen sets the flag S among the others, which stand in the order of the alphabet. A mail with flags
// is in cur.
func (m *Mailbox) seen(f file) error {
	i := strings.IndexAny(f.name, ":;")
	name, colon, flags := f.name, ":", ""
	if i >= 0 {
		name, colon = f.name[:i], f.name[i:i+1]
		flags = strings.TrimPrefix(f.name[i+1:], flagged)
	}
	if f.sub == "cur" && strings.Contains(flags, "S") {
		return nil
	}
	if !strings.Contains(flags, "S") {
		all := append([]rune(flags), 'S')
		slices.Sort(all)
		flags = string(all)
	}
	to := f
	to.sub, to.name = "cur", name+colon+flagged+flags
	if err := os.Rename(m.place(f), m.place(to)); err != nil {
		return err
	}
	m.files[f.unique] = to
	return nil
}

// target is the folder that a fate names, beside the one that is watched. It is made if need be.
func (m *Mailbox) target(folder string) (string, error) {
	root := filepath.Clean(m.path)
	if base := filepath.Base(root); strings.HasPrefix(base, ".") {
		root = filepath.Dir(root) // a subfolder is watched
	}
	target := root
	if !strings.EqualFold(folder, "INBOX") {
		name, err := folderName(folder)
		if err != nil {
			return "", err
		}
		target = filepath.Join(root, name)
	}
	if target == filepath.Clean(m.path) {
		return "", &account.Trouble{
			Doing: "maildir " + m.path + ": move mail to " + folder, Err: mailbox.ErrCannot,
			Cure: "this is the folder that is watched: name another",
		}
	}
	if _, err := os.Stat(filepath.Join(target, "cur")); err == nil {
		return target, nil
	}
	for _, sub := range []string{"", "tmp", "new", "cur"} {
		if err := os.Mkdir(filepath.Join(target, sub), m.mode()); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", m.trouble("make the folder "+folder, err)
		}
	}
	// So Maildir++ marks a folder that is no mailbox of its own.
	mark, err := os.OpenFile(filepath.Join(target, "maildirfolder"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return "", m.trouble("make the folder "+folder, err)
	}
	return target, mark.Close()
}

// mode is the watched folder's: who may read that may read the new one, too.
func (m *Mailbox) mode() fs.FileMode {
	if info, err := os.Stat(m.path); err == nil {
		return info.Mode().Perm()
	}
	return 0o700
}

// folderName writes "Old/2025" as Maildir++ does: ".Old.2025", with what is not ASCII in the UTF-7 of
// IMAP (RFC 3501 section 5.1.3).
func folderName(folder string) (string, error) {
	levels := strings.FieldsFunc(folder, func(r rune) bool { return r == '/' || r == '.' })
	if len(levels) == 0 || strings.ContainsFunc(folder, func(r rune) bool { return r < ' ' }) {
		return "", fmt.Errorf("maildir: %q is no name of a folder: %w", folder, mailbox.ErrCannot)
	}
	return "." + utf7(strings.Join(levels, ".")), nil
}

var utf7Base64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

func utf7(s string) string {
	var b strings.Builder
	var wide []rune
	flush := func() {
		if len(wide) == 0 {
			return
		}
		var bytes []byte
		for _, u := range utf16.Encode(wide) {
			bytes = append(bytes, byte(u>>8), byte(u))
		}
		b.WriteString("&" + utf7Base64.EncodeToString(bytes) + "-")
		wide = nil
	}
	for _, r := range s {
		if r < ' ' || r > '~' {
			wide = append(wide, r)
			continue
		}
		flush()
		if b.WriteRune(r); r == '&' {
			b.WriteByte('-')
		}
	}
	flush()
	return b.String()
}
