package store

import (
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"groupmail/ticketing"
)

type troubleRow struct {
	Name      string `gorm:"primaryKey"`
	GroupName string
	What      string
	Says      string
	Cure      string
	Soon      bool
	Since     moment
	Told      moment
	Ended     moment
	Note      string
}

func (troubleRow) TableName() string { return "troubles" }

func (r troubleRow) noun() ticketing.Trouble {
	return ticketing.Trouble{
		Name: r.Name, Group: r.GroupName, What: r.What, Says: r.Says, Cure: r.Cure, Soon: r.Soon,
		Since: r.Since.time(), Told: r.Told.time(), Over: r.Ended.time(), Note: r.Note,
	}
}

func (t *tx) Troubles(group string) ([]ticketing.Trouble, error) {
	var rows []troubleRow
	err := t.get("troubles", func(g *gorm.DB) *gorm.DB {
		if group != "" {
			g = g.Where("group_name = ?", group)
		}
		return g.Order("since, name").Find(&rows)
	})
	return nouns(rows), err
}

func (t *tx) Trouble(name string) (ticketing.Trouble, error) {
	var row troubleRow
	err := t.get("trouble", func(g *gorm.DB) *gorm.DB { return t.lock(g).Where("name = ?", name).Take(&row) })
	return row.noun(), err
}

func (t *tx) PutTrouble(x ticketing.Trouble) error {
	row := troubleRow{
		Name: x.Name, GroupName: x.Group, What: x.What, Says: x.Says, Cure: x.Cure, Soon: x.Soon,
		Since: at(x.Since), Told: at(x.Told), Ended: at(x.Over), Note: x.Note,
	}
	return t.put("put trouble", func(g *gorm.DB) *gorm.DB {
		return g.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "name"}}, UpdateAll: true}).Create(&row)
	})
}

func (t *tx) EndTrouble(name string) error {
	return t.put("end trouble", func(g *gorm.DB) *gorm.DB { return g.Exec("DELETE FROM troubles WHERE name = ?", name) })
}

func (t *tx) LastIn(mailbox string) (time.Time, error) {
	var last moment
	err := t.each("last mail", func(g *gorm.DB) *gorm.DB {
		return g.Exec("SELECT received FROM mails WHERE mailbox = ? AND direction = 'in' ORDER BY id DESC LIMIT 1", mailbox)
	}, func(scan func(...any) error) error { return scan(&last) })
	return last.time(), err
}
