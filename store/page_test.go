package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"groupmail/ticketing"
)

func TestPages(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		day := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
		var made []ticketing.Page
		for _, p := range []ticketing.Page{
			{Group: "help", Slug: "a", Title: "Boiler", Text: "first", Changed: day},
			{Group: "help", Slug: "b", Title: "BOILER", Changed: day.Add(time.Hour), Contact: 5},
			{Group: "help", Slug: "c", Title: "Straße", Changed: day.Add(time.Hour)},
			{Group: "info", Slug: "a", Title: "Boiler", Changed: day.Add(2 * time.Hour)},
		} {
			b.change(func(tx ticketing.Tx) error { return tx.AddPage(&p) })
			made = append(made, p)
		}
		list := func(q ticketing.PageQuery) (got string) {
			q.Group = "help"
			b.read(func(tx ticketing.Tx) error {
				all, err := tx.Pages(q)
				for _, p := range all {
					got += p.Slug + p.Text
				}
				return err
			})
			return got
		}
		if got := list(ticketing.PageQuery{Limit: 9}); got != "cba" {
			t.Errorf("last changed first, without texts: %s", got)
		}
		if got := list(ticketing.PageQuery{Before: made[2].Place(), Limit: 1}); got != "b" {
			t.Errorf("behind one that was changed at the same time: %s", got)
		}
		for _, c := range []struct {
			name          string
			slugs, titles []string
			want          string
		}{
			{"by slug", []string{"a", "none"}, nil, "a"},
			{"by title without case", nil, []string{"boilER", "STRAßE"}, "a b c"},
			{"by both, once", []string{"a", "b"}, []string{"boiler"}, "a b"},
			{"none", nil, nil, ""},
		} {
			b.read(func(tx ticketing.Tx) error {
				all, err := tx.PagesNamed("help", c.slugs, c.titles)
				got := map[string]bool{}
				for _, p := range all {
					if p.Group != "help" || p.Text != "" || got[p.Slug] {
						t.Errorf("%s: %+v", c.name, p)
					}
					got[p.Slug] = true
				}
				for _, want := range strings.Fields(c.want) {
					if !got[want] {
						t.Errorf("%s: no %s", c.name, want)
					}
				}
				if len(got) != len(strings.Fields(c.want)) {
					t.Errorf("%s: %v", c.name, got)
				}
				return err
			})
		}
		b.read(func(tx ticketing.Tx) error {
			id, err := tx.PageOf(5)
			if id != made[1].ID {
				t.Errorf("page %d is the contact's, want %d", id, made[1].ID)
			}
			return err
		})

		// A second with the same slug, or of the same contact, is a lost race: all is run again.
		for _, p := range []ticketing.Page{{Group: "help", Slug: "a"}, {Group: "help", Slug: "x", Contact: 5}} {
			tries := 0
			err := b.Change(t.Context(), func(tx ticketing.Tx) error {
				if tries++; tries > 1 {
					return errors.New("seen")
				}
				return tx.AddPage(&p)
			})
			if tries != 2 || err == nil || err.Error() != "seen" {
				t.Errorf("%+v: %d tries, %v", p, tries, err)
			}
		}
	})
}

func TestRevisionsOnlyGrow(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bed) {
		b.change(func(tx ticketing.Tx) error {
			var err error
			for n := 1; n <= 4; n++ {
				err = errors.Join(err, tx.AddRevision(ticketing.Revision{Page: 7, Number: n, Title: string(rune('a' + n)), Text: "text"}),
					tx.AddRevision(ticketing.Revision{Page: 8, Number: n, Title: "other"}))
			}
			return err
		})
		list := func(before, limit int) (got string) {
			b.read(func(tx ticketing.Tx) error {
				all, err := tx.Revisions(7, before, limit)
				for _, r := range all {
					got += r.Title + r.Text
				}
				return err
			})
			return got
		}
		if got := list(0, 9); got != "edcb" {
			t.Errorf("newest first, without texts: %s", got)
		}
		if got := list(4, 2); got != "dc" {
			t.Errorf("below the fourth: %s", got)
		}
		for _, sql := range []string{"UPDATE revisions SET text = 'x'", "DELETE FROM revisions"} {
			if err := b.db().Exec(sql).Error; err == nil || !strings.Contains(err.Error(), "only grows") {
				t.Errorf("%s: %v", sql, err)
			}
		}
		err := b.Change(t.Context(), func(tx ticketing.Tx) error {
			return tx.AddRevision(ticketing.Revision{Page: 7, Number: 4, Text: "in its place"})
		})
		if err == nil {
			t.Error("a revision was replaced")
		}
	})
}
