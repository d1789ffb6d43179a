package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"groupmail/connectors/account"
	"groupmail/connectors/mailbox"
	"groupmail/ticketing"
)

// Settle implements mailbox.Settler.
//
// Nothing is ever removed before the server has said that the copy is made, and nobody else's mail
// is expunged: without UIDPLUS (RFC 4315) a mail is only marked \Deleted, and goes when some mail
// program next tidies up. A crash between copy and mark may leave a second copy in the target.
func (m *Mailbox) Settle(ctx context.Context, ref ticketing.Ref, fate ticketing.Fate) error {
	if m.lost {
		return m.lostBy()
	}
	verb, argument, _ := strings.Cut(string(fate), ":")
	if verb == "" || verb == "leave" {
		return nil
	}
	if !m.writable {
		if err := m.selectFolder(ctx, true); err != nil {
			return err
		}
		m.tell() // what arrived since the last look was not told of
	}
	uid, ok := m.uid(ref)
	if !ok {
		return nil // another UIDVALIDITY: this number means another mail now, or none
	}
	switch {
	case verb == "seen":
		return m.flag(ctx, uid, imap.FlagSeen)
	case verb == "keyword" && argument != "" && argument[0] != '\\':
		return m.flag(ctx, uid, imap.Flag(argument))
	case verb == "delete":
		return m.remove(ctx, uid)
	case verb == "move" && argument != "":
		return m.move(ctx, uid, argument)
	}
	return fmt.Errorf("imap: fate %q: %w", fate, mailbox.ErrCannot)
}

// flag sets a flag that stays.
func (m *Mailbox) flag(ctx context.Context, uid imap.UID, flag imap.Flag) error {
	if !m.mayFlag(flag) {
		return &account.Trouble{
			Doing: m.cfg.Doing(fmt.Sprintf("set %s in %s", flag, m.folder)), Err: mailbox.ErrCannot,
			Cure: "the server does not keep this flag in this folder",
		}
	}
	return m.cannot(m.ask(ctx, fmt.Sprintf("set %s in %s", flag, m.folder), func() error {
		return m.c.Store(imap.UIDSetNum(uid), &imap.StoreFlags{
			Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{flag},
		}, nil).Close()
	}))
}

// mayFlag tells whether a flag stays. A server that does not list such flags keeps all of them (RFC
// 3501 section 7.1); only "\*" stands for keywords that are not listed.
func (m *Mailbox) mayFlag(flag imap.Flag) bool {
	if !strings.HasPrefix(string(flag), `\`) {
		if strings.ContainsFunc(string(flag), func(r rune) bool {
			return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\]`, r)
		}) {
			return false
		}
		if slices.Contains(m.permanent, imap.FlagWildcard) {
			return true
		}
	}
	return len(m.permanent) == 0 || slices.ContainsFunc(m.permanent, func(f imap.Flag) bool {
		return strings.EqualFold(string(f), string(flag)) || f == imap.FlagWildcard
	})
}

// cannot marks refusals that say of themselves that they will not pass (RFC 5530).
func (m *Mailbox) cannot(err error) error {
	var refused *imap.Error
	if errors.As(err, &refused) && slices.Contains([]imap.ResponseCode{
		imap.ResponseCodeNoPerm, imap.ResponseCodeCannot, "READ-ONLY",
	}, refused.Code) {
		return fmt.Errorf("%w: %w", mailbox.ErrCannot, err)
	}
	return err
}

// remove deletes one mail, and no other.
func (m *Mailbox) remove(ctx context.Context, uid imap.UID) error {
	if err := m.flag(ctx, uid, imap.FlagDeleted); err != nil {
		return err
	}
	if !m.caps.Has(imap.CapUIDPlus) {
		return nil
	}
	return m.cannot(m.ask(ctx, "expunge", func() error { return m.c.UIDExpunge(imap.UIDSetNum(uid)).Close() }))
}

// move files a mail in another folder, which is made if need be.
func (m *Mailbox) move(ctx context.Context, uid imap.UID, folder string) error {
	target, err := m.target(ctx, folder)
	if err != nil {
		return err
	}
	if target == m.folder || strings.EqualFold(target, "INBOX") && strings.EqualFold(m.folder, "INBOX") {
		return &account.Trouble{
			Doing: m.cfg.Doing("move mail to " + folder), Err: mailbox.ErrCannot,
			Cure: "this is the folder that is watched: name another",
		}
	}
	there, err := m.search(ctx, &imap.SearchCriteria{UID: []imap.UIDSet{imap.UIDSetNum(uid)}})
	if err != nil || len(there) == 0 {
		return err // moved already, or by somebody else; not every server takes a mail that is gone for granted
	}
	if err = m.transfer(ctx, uid, target); !missing(err) {
		return err
	}
	delete(m.targets, folder)
	if err := m.create(ctx, target); err != nil {
		var refused *imap.Error
		if !errors.As(err, &refused) || refused.Code != imap.ResponseCodeAlreadyExists {
			return m.cannot(err)
		}
	}
	return m.transfer(ctx, uid, target)
}

// missing tells whether a server wants the target to be made first.
func missing(err error) bool {
	var refused *imap.Error
	return errors.As(err, &refused) && (refused.Code == imap.ResponseCodeTryCreate || refused.Code == imap.ResponseCodeNonExistent)
}

// target is the name of a fate's folder on this server; it is made if it does not exist.
func (m *Mailbox) target(ctx context.Context, folder string) (string, error) {
	if name, ok := m.targets[folder]; ok {
		return name, nil
	}
	f, err := m.list(ctx)
	if err != nil {
		return "", err
	}
	name, wanted := f.special(folder), ""
	if !strings.HasPrefix(folder, `\`) {
		name, wanted = f.find(folder)
	} else if name == "" {
		return "", fmt.Errorf("%w: %w", mailbox.ErrCannot, m.noFolder(f, folder, "the server marks no folder so: name one in the configuration"))
	}
	if name == "" {
		if err := m.create(ctx, wanted); err != nil {
			var refused *imap.Error
			if !errors.As(err, &refused) || refused.Code != imap.ResponseCodeAlreadyExists {
				return "", m.cannot(err)
			}
		}
		name = wanted
	}
	m.targets[folder] = name
	return name, nil
}

// transfer moves a mail to a folder that exists. go-imap's own Move sends COPY, STORE and EXPUNGE at
// once to a server without MOVE, so that a copy that fails loses the mail.
func (m *Mailbox) transfer(ctx context.Context, uid imap.UID, target string) error {
	doing := "move mail to " + target
	if m.caps.Has(imap.CapMove) {
		return m.cannot(m.ask(ctx, doing, func() error {
			_, err := m.c.Move(imap.UIDSetNum(uid), target).Wait()
			return err
		}))
	}
	if !m.mayFlag(imap.FlagDeleted) {
		return fmt.Errorf("%s: nothing can be deleted in %s: %w", m.cfg.Doing(doing), m.folder, mailbox.ErrCannot)
	}
	err := m.ask(ctx, doing, func() error {
		_, err := m.c.Copy(imap.UIDSetNum(uid), target).Wait()
		return err
	})
	if err != nil {
		return m.cannot(err)
	}
	return m.remove(ctx, uid)
}
