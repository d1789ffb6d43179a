package store

import (
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"groupmail/ticketing"
)

type leaverRow struct {
	GroupName string `gorm:"primaryKey"`
	Member    string `gorm:"primaryKey"`
	Since     moment
	Told      moment
}

func (leaverRow) TableName() string { return "leavers" }

func (r leaverRow) noun() ticketing.Leaver {
	return ticketing.Leaver{Group: r.GroupName, Member: ticketing.MemberID(r.Member), Since: r.Since.time(), Told: r.Told.time()}
}

func (t *tx) Missing(group string) (all []ticketing.MemberID, err error) {
	err = t.get("missing", func(g *gorm.DB) *gorm.DB {
		return g.Raw(`SELECT owner FROM (
			SELECT owner FROM conversations WHERE owner <> '' AND state IN ('taken', 'waiting') AND group_name = ?
			UNION SELECT owner FROM todos WHERE group_name = ? AND done IS NULL) owners
			WHERE owner NOT IN (SELECT member FROM present WHERE group_name = ?) ORDER BY owner`, group, group, group).Find(&all)
	})
	return all, err
}

func (t *tx) Leavers(group string) ([]ticketing.Leaver, error) {
	var rows []leaverRow
	err := t.get("leavers", func(g *gorm.DB) *gorm.DB {
		return t.lock(g).Where("group_name = ?", group).Order("member").Find(&rows)
	})
	return nouns(rows), err
}

func (t *tx) PutLeaver(l ticketing.Leaver) error {
	row := leaverRow{GroupName: l.Group, Member: string(l.Member), Since: at(l.Since), Told: at(l.Told)}
	return t.put("put leaver", func(g *gorm.DB) *gorm.DB {
		return g.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row)
	})
}

func (t *tx) ForgetLeaver(group string, m ticketing.MemberID) error {
	return t.put("forget leaver", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`DELETE FROM leavers WHERE group_name = ? AND member = ?`, group, string(m))
	})
}

func (t *tx) ForgetBoards(group string, boards []string) error {
	return t.put("forget boards", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`DELETE FROM present WHERE group_name = ? AND NOT `+t.s.among("board"), group, jsonArray(boards))
	})
}
