package ticketing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"
)

const (
	// LoginLife is how long a link to sign in with can be used.
	LoginLife = 10 * time.Minute
	// SessionLife is how long a session stays that nobody uses.
	SessionLife = 30 * 24 * time.Hour
	// touchEvery is how exactly it is known when a session was used last.
	touchEvery = time.Hour
)

// Session is a member signed in to the web view, or, as a login, a link with which they can become so once.
// Neither holds the token itself: who reads the database cannot sign in with it.
type Session struct {
	Hash   string // of the token
	Member MemberID
	Used   time.Time // last; of a login: when it was given
}

// Presence is a member's being on a board.
type Presence struct{ Group, Board string }

// SessionTx is the part of Tx that keeps who is signed in.
type SessionTx interface {
	// AddLogin keeps a login, and forgets those given before stale.
	AddLogin(s Session, stale time.Time) error
	Login(hash string) (Session, error)
	// TakeLogin takes a login away; of several at once exactly one gets it, the others ErrNone.
	TakeLogin(hash string) (Session, error)
	// AddSession keeps a session, and forgets those last used before stale.
	AddSession(s Session, stale time.Time) error
	// Session reads one, its member, who is zero but for the id where they are not known, and where they are present.
	Session(hash string) (Session, Member, []Presence, error)
	UseSession(hash string, now time.Time) error
	EndSession(hash string) error
	// PresentOn lists where a member is present.
	PresentOn(m MemberID) ([]Presence, error)
}

// Visitor is a member who is signed in, and what they may see.
type Visitor struct {
	Member Member
	Groups []Group           // where they are present now
	Boards map[string]string // by group: a board of it where they are
}

// Group finds a group that the visitor may see.
func (v Visitor) Group(name string) (Group, bool) {
	i := slices.IndexFunc(v.Groups, func(g Group) bool { return g.Name == name })
	if i < 0 {
		return Group{}, false
	}
	return v.Groups[i], true
}

var errSignedOut = refuse(NotMember, "You are not signed in.")

// NewLogin gives a member the token of a link to sign in with: once, within LoginLife.
func (d *Desk) NewLogin(ctx context.Context, by By) (token string, err error) {
	token = secretWord()
	err = d.change(ctx, by, func(u *use) error {
		return u.AddLogin(Session{Hash: hashed(token), Member: by.Member.ID, Used: u.now}, u.now.Add(-LoginLife))
	})
	return token, err
}

// LoginOf tells whose login a token is, and changes nothing. Refused with NotFound if it is none that
// could be used now.
func (d *Desk) LoginOf(ctx context.Context, token string) (m Member, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		l, err := tx.Login(hashed(token))
		if err := d.usable(l, err); err != nil {
			return err
		}
		m, err = memberOf(tx, l.Member)
		return err
	})
	return m, err
}

// Login uses a login up and begins a session, whose token it returns.
func (d *Desk) Login(ctx context.Context, token string) (session string, m Member, err error) {
	session = secretWord()
	err = d.store.Change(ctx, func(tx Tx) error {
		l, err := tx.TakeLogin(hashed(token))
		if err := d.usable(l, err); err != nil {
			return err
		}
		if m, err = memberOf(tx, l.Member); err != nil {
			return err
		}
		return d.begin(tx, session, l.Member)
	})
	return session, m, err
}

func (d *Desk) usable(l Session, err error) error {
	if errors.Is(err, ErrNone) || err == nil && !l.Used.After(d.clock().Add(-LoginLife)) {
		return refuse(NotFound, "This link was used already, or is older than ten minutes. Ask for a new one in your channel.")
	}
	return err
}

func (d *Desk) begin(tx Tx, token string, m MemberID) error {
	now := d.clock()
	return tx.AddSession(Session{Hash: hashed(token), Member: m, Used: now}, now.Add(-SessionLife))
}

// LoginByMail begins a session for the member with this address, which somebody else has verified. Of
// several accounts with one address it is the one that is in most groups. Refused with NotMember if no
// member who is present has it.
func (d *Desk) LoginByMail(ctx context.Context, address string) (session string, m Member, err error) {
	session = secretWord()
	err = d.store.Change(ctx, func(tx Tx) error {
		in := map[MemberID]int{}
		var found []Member
		for _, g := range d.groups {
			team, err := tx.Present(g.Name)
			if err != nil {
				return err
			}
			for _, one := range team {
				if one.Email == "" || !strings.EqualFold(one.Email, strings.TrimSpace(address)) {
					continue
				}
				if in[one.ID]++; in[one.ID] == 1 {
					found = append(found, one)
				}
			}
		}
		if len(found) == 0 {
			return refuse(NotMember, "Nobody with the address %s is in a channel of a team here.", OneLine(address, 100))
		}
		m = slices.MaxFunc(found, func(a, b Member) int { return in[a.ID] - in[b.ID] })
		return d.begin(tx, session, m.ID)
	})
	return session, m, err
}

// Visitor tells who a session's token belongs to and what they may see now. Refused with NotMember if
// it is none, was not used for SessionLife, or its member is in no group any more; then it has ended.
func (d *Desk) Visitor(ctx context.Context, token string) (v Visitor, err error) {
	hash, now := hashed(token), d.clock()
	var s Session
	err = d.store.Read(ctx, func(tx Tx) error {
		v = Visitor{Boards: map[string]string{}}
		var places []Presence
		if s, v.Member, places, err = tx.Session(hash); errors.Is(err, ErrNone) {
			return errSignedOut
		}
		if err != nil {
			return err
		}
		for _, p := range places {
			g, ok := d.Group(p.Group)
			if _, there := g.Board(p.Board); !ok || !there {
				continue // no longer configured
			}
			if _, twice := v.Boards[p.Group]; !twice {
				v.Groups = append(v.Groups, g)
				v.Boards[p.Group] = p.Board
			}
		}
		return err
	})
	if err != nil {
		return v, err
	}
	if len(v.Groups) == 0 || !s.Used.After(now.Add(-SessionLife)) {
		return Visitor{}, errors.Join(errSignedOut, d.Logout(ctx, token))
	}
	if now.Sub(s.Used) >= touchEvery {
		err = d.store.Change(ctx, func(tx Tx) error { return tx.UseSession(hash, now) })
	}
	return v, err
}

// Logout ends a session. One that has ended is none of its concern.
func (d *Desk) Logout(ctx context.Context, token string) error {
	return d.store.Change(ctx, func(tx Tx) error { return tx.EndSession(hashed(token)) })
}

// hashed is what is kept of a token. It is random and long: no salt is needed.
func hashed(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
