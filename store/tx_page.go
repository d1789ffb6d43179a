package store

import (
	"gorm.io/gorm"

	"groupmail/ticketing"
)

type pageRow struct {
	ID        int64 `gorm:"primaryKey;autoIncrement"`
	GroupName string
	Slug      string
	Title     string
	TitleKey  string // the title without case
	Contact   int64
	Text      string
	Revision  int64
	Made      moment
	Changed   moment
	ByMember  string
}

func (pageRow) TableName() string { return "pages" }

func rowOfPage(p ticketing.Page) pageRow {
	return pageRow{
		ID: int64(p.ID), GroupName: p.Group, Slug: p.Slug, Title: p.Title, TitleKey: key(fold(p.Title)),
		Contact: int64(p.Contact), Text: p.Text, Revision: int64(p.Revision), Made: at(p.Made),
		Changed: at(p.Changed), ByMember: string(p.By),
	}
}

func (r pageRow) noun() ticketing.Page {
	return ticketing.Page{
		ID: ticketing.PageID(r.ID), Group: r.GroupName, Slug: r.Slug, Title: r.Title,
		Contact: ticketing.ContactID(r.Contact), Text: r.Text, Revision: int(r.Revision), Made: r.Made.time(),
		Changed: r.Changed.time(), By: ticketing.MemberID(r.ByMember),
	}
}

type revisionRow struct {
	Page     int64 `gorm:"primaryKey;autoIncrement:false"`
	Number   int64 `gorm:"primaryKey;autoIncrement:false"`
	Title    string
	Text     string
	At       moment
	ByMember string
	Why      string
}

func (revisionRow) TableName() string { return "revisions" }

func rowOfRevision(r ticketing.Revision) revisionRow {
	return revisionRow{
		Page: int64(r.Page), Number: int64(r.Number), Title: r.Title, Text: r.Text, At: at(r.At),
		ByMember: string(r.By), Why: r.Why,
	}
}

func (r revisionRow) noun() ticketing.Revision {
	return ticketing.Revision{
		Page: ticketing.PageID(r.Page), Number: int(r.Number), Title: r.Title, Text: r.Text, At: r.At.time(),
		By: ticketing.MemberID(r.ByMember), Why: r.Why,
	}
}

func (t *tx) AddPage(p *ticketing.Page) error {
	row := rowOfPage(*p)
	row.ID = 0
	id, err := t.add("add page", func(g *gorm.DB) *gorm.DB { return g.Create(&row) })
	if p.ID = ticketing.PageID(id); err != nil {
		return err
	}
	t.know(p.ID)
	return t.searchOwed(ticketing.PageHit, id)
}

func (t *tx) Page(id ticketing.PageID) (ticketing.Page, error) {
	var row pageRow
	err := t.get("page", func(g *gorm.DB) *gorm.DB { return t.lock(g).Where("id = ?", int64(id)).Take(&row) })
	if err == nil && !t.readOnly {
		t.know(id)
	}
	return row.noun(), err
}

func (t *tx) SetPage(p ticketing.Page) error {
	row := rowOfPage(p)
	err := t.putOne("set page", p.ID, func(g *gorm.DB) *gorm.DB {
		return g.Model(&row).Select("title", "title_key", "text", "revision", "changed", "by_member").Updates(&row)
	})
	if err != nil {
		return err
	}
	return t.searchOwed(ticketing.PageHit, int64(p.ID))
}

func (t *tx) PageOf(contact ticketing.ContactID) (ticketing.PageID, error) {
	var row pageRow
	err := t.get("page of a contact", func(g *gorm.DB) *gorm.DB {
		return g.Select("id").Where("contact = ? AND contact <> 0", int64(contact)).Take(&row)
	})
	return ticketing.PageID(row.ID), err
}

func (t *tx) PagesNamed(group string, slugs, titles []string) ([]ticketing.Page, error) {
	keys := make([]string, 0, len(titles))
	for _, title := range titles {
		keys = append(keys, key(fold(title)))
	}
	// Two statements in one, each with its own index: with OR a database may read every page of a group.
	var rows []pageRow
	err := t.get("pages by name", func(g *gorm.DB) *gorm.DB {
		named := func(column string, all []string) *gorm.DB {
			return g.Session(&gorm.Session{NewDB: true}).Model(&pageRow{}).Omit("text").
				Where("group_name = ? AND "+t.s.among(column), group, jsonArray(all))
		}
		return g.Raw("? UNION ?", named("slug", slugs), named("title_key", keys)).Find(&rows)
	})
	return nouns(rows), err
}

func (t *tx) Pages(q ticketing.PageQuery) ([]ticketing.Page, error) {
	var rows []pageRow
	err := t.get("pages", func(g *gorm.DB) *gorm.DB {
		g = g.Omit("text").Where("group_name = ?", q.Group)
		if q.Before != (ticketing.PagePlace{}) {
			g = g.Where("(changed, id) < (?, ?)", at(q.Before.Changed), int64(q.Before.ID))
		}
		return g.Order("changed DESC, id DESC").Limit(q.Limit).Find(&rows)
	})
	return nouns(rows), err
}

func (t *tx) AddRevision(r ticketing.Revision) error {
	row := rowOfRevision(r)
	return t.put("add revision", func(g *gorm.DB) *gorm.DB { return g.Create(&row) })
}

func (t *tx) Revision(page ticketing.PageID, number int) (ticketing.Revision, error) {
	var row revisionRow
	err := t.get("revision", func(g *gorm.DB) *gorm.DB {
		return g.Where("page = ? AND number = ?", int64(page), int64(number)).Take(&row)
	})
	return row.noun(), err
}

func (t *tx) Revisions(page ticketing.PageID, before, limit int) ([]ticketing.Revision, error) {
	var rows []revisionRow
	err := t.get("revisions", func(g *gorm.DB) *gorm.DB {
		g = g.Omit("text").Where("page = ?", int64(page))
		if before > 0 {
			g = g.Where("number < ?", int64(before))
		}
		return g.Order("number DESC").Limit(limit).Find(&rows)
	})
	return nouns(rows), err
}
