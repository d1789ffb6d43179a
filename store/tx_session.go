package store

import (
	"time"

	"gorm.io/gorm"

	"groupmail/ticketing"
)

// sessionRow is of the tables logins and sessions, which are alike.
type sessionRow struct {
	Hash   string `gorm:"primaryKey"`
	Member string
	Used   moment
}

func (sessionRow) TableName() string { return "sessions" }

func (r sessionRow) noun() ticketing.Session {
	return ticketing.Session{Hash: r.Hash, Member: ticketing.MemberID(r.Member), Used: r.Used.time()}
}

func (t *tx) addSession(table string, s ticketing.Session, stale time.Time) error {
	err := t.put("forget "+table, func(g *gorm.DB) *gorm.DB {
		return g.Exec(`DELETE FROM `+table+` WHERE used < ?`, at(stale))
	})
	if err != nil {
		return err
	}
	return t.put("add to "+table, func(g *gorm.DB) *gorm.DB {
		return g.Table(table).Create(&sessionRow{Hash: s.Hash, Member: string(s.Member), Used: at(s.Used)})
	})
}

func (t *tx) session(table, hash string) (ticketing.Session, error) {
	var row sessionRow
	err := t.get(table, func(g *gorm.DB) *gorm.DB { return g.Table(table).Where("hash = ?", hash).Take(&row) })
	return row.noun(), err
}

func (t *tx) AddLogin(s ticketing.Session, stale time.Time) error {
	return t.addSession("logins", s, stale)
}
func (t *tx) Login(hash string) (ticketing.Session, error) { return t.session("logins", hash) }

func (t *tx) TakeLogin(hash string) (s ticketing.Session, err error) {
	s, err = t.session("logins", hash)
	if err != nil {
		return s, err
	}
	n, err := t.touch("take login", func(g *gorm.DB) *gorm.DB { return g.Exec(`DELETE FROM logins WHERE hash = ?`, hash) })
	if err == nil && n == 0 {
		err = ticketing.ErrNone
	}
	return s, err
}

func (t *tx) AddSession(s ticketing.Session, stale time.Time) error {
	return t.addSession("sessions", s, stale)
}

func (t *tx) Session(hash string) (s ticketing.Session, m ticketing.Member, in []ticketing.Presence, err error) {
	var member memberRow
	if err := t.getLater("member", func(g *gorm.DB) *gorm.DB {
		return g.Where("id = (SELECT member FROM sessions WHERE hash = ?)", hash).Find(&member)
	}); err != nil {
		return s, m, nil, err
	}
	err = t.each("session", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`SELECT s.member, s.used, COALESCE(p.group_name, ''), COALESCE(p.board, '') FROM sessions s
			LEFT JOIN present p ON p.member = s.member WHERE s.hash = ? ORDER BY p.group_name, p.board`, hash)
	}, func(scan func(...any) error) error {
		var used moment
		var p ticketing.Presence
		err := scan(&s.Member, &used, &p.Group, &p.Board)
		s.Hash, s.Used = hash, used.time()
		if p.Board != "" {
			in = append(in, p)
		}
		return err
	})
	if err == nil && s.Hash == "" {
		err = ticketing.ErrNone
	}
	if m = member.noun(); m.ID == "" {
		m.ID = s.Member
	}
	return s, m, in, err
}

func (t *tx) UseSession(hash string, now time.Time) error {
	return t.put("use session", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`UPDATE sessions SET used = ? WHERE hash = ?`, at(now), hash)
	})
}

func (t *tx) EndSession(hash string) error {
	return t.put("end session", func(g *gorm.DB) *gorm.DB { return g.Exec(`DELETE FROM sessions WHERE hash = ?`, hash) })
}

func (t *tx) PresentOn(m ticketing.MemberID) (all []ticketing.Presence, err error) {
	err = t.each("present on", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`SELECT group_name, board FROM present WHERE member = ? ORDER BY group_name, board`, string(m))
	}, func(scan func(...any) error) error {
		var p ticketing.Presence
		err := scan(&p.Group, &p.Board)
		all = append(all, p)
		return err
	})
	return all, err
}
