package ticketing_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	. "groupmail/ticketing"
)

func TestSlug(t *testing.T) {
	for title, want := range map[string]string{
		"Heating broken":            "heating-broken",
		"  Maria's  boiler — №2! ":  "marias-boiler-2",
		"Straße 12":                 "straße-12",
		"Привет, мир":               "привет-мир",
		"東京の件":                      "東京の件",
		"हिन्दी":                    "हिन्दी",
		"../../etc/passwd":          "etc-passwd",
		"<script>alert(1)</script>": "script-alert-1-script",
		"%2e%2e/?x#y":               "2e-2e-x-y",
		"a\u202eb\x00c":             "a-b-c",
		"!!!":                       "page",
		"":                          "page",
		"’":                         "page",
	} {
		if got := Slug(title); got != want {
			t.Errorf("%q: %q, want %q", title, got, want)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := Slug(rapid.String().Draw(rt, "title"))
		if s == "" || Slug(s) != s || len([]rune(s)) > 200 {
			rt.Errorf("%q becomes %q", s, Slug(s))
		}
		if strings.HasPrefix(s, "-") || strings.HasSuffix(s, "-") || strings.Contains(s, "--") {
			rt.Errorf("%q", s)
		}
		if strings.ContainsFunc(s, func(r rune) bool {
			return r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
		}) {
			rt.Errorf("%q", s)
		}
	})
}

// A page is begun, edited and added to; each state is kept with who wrote it and when.
func TestPageAndItsHistory(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		p, err := o.desk.NewPage(ctx, by(ann), " Boiler\nroom ", "Key: *second* drawer\r\n\r\n", "moved here")
		o.ok(err)
		if p.Title != "Boiler room" || p.Slug != "boiler-room" || p.Text != "Key: *second* drawer" || p.Revision != 1 {
			t.Errorf("%+v", p)
		}
		o.pass(time.Hour)
		p, err = o.desk.EditPage(ctx, by(ben), p.ID, 1, "Cellar", "Key: under the mat", "")
		o.ok(err)
		if p.Slug != "boiler-room" || p.Revision != 2 {
			t.Errorf("the name stays: %+v", p)
		}
		o.pass(time.Hour)
		p, err = o.desk.AppendNote(ctx, by(ann), p.ID, "  indented, and\n```\na code block that is left open")
		o.ok(err)
		o.pass(time.Minute)
		p, err = o.desk.AppendNote(ctx, by(Member{ID: "x:ben", Name: "[[Ben]] *K*\n# x", Handle: "ben"}), p.ID, "second")
		o.ok(err)
		want := "Key: under the mat\n\n### Ann, 2 March 2026, 11:00\n\n  indented, and\n```\na code block that is left open\n```\n\n" +
			`### \[\[Ben\]\] \*K\* \# x, 2 March 2026, 11:01` + "\n\nsecond"
		if p.Text != want {
			t.Errorf("%q, want %q", p.Text, want)
		}

		again, err := o.desk.EditPage(ctx, by(ben), p.ID, 1, p.Title, p.Text, "")
		o.ok(err)
		if again.Revision != 4 {
			t.Errorf("what changes nothing made revision %d", again.Revision)
		}
		read, history, err := o.desk.PageHistory(ctx, "help", p.ID, 0, 10)
		o.ok(err)
		got := ""
		for _, w := range history {
			got += fmt.Sprintf("%d %s %s %s %s; ", w.Number, w.Title, w.Writer.Called(), w.At.Format("15:04"), w.Why)
		}
		if want := "4 Cellar Ben 11:01 note; 3 Cellar Ann 11:00 note; 2 Cellar Ben 10:00 ; 1 Boiler room Ann 09:00 moved here; "; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if read.Text != want || read.Writer.ID != ben.ID {
			t.Errorf("%+v", read)
		}
		_, history, err = o.desk.PageHistory(ctx, "help", p.ID, 3, 1)
		o.ok(err)
		if len(history) != 1 || history[0].Number != 2 {
			t.Errorf("%+v", history)
		}
		_, r, before, err := o.desk.PageRevision(ctx, "help", p.ID, 2)
		o.ok(err)
		if r.Text != "Key: under the mat" || before.Text != "Key: *second* drawer" || before.Writer.ID != ann.ID {
			t.Errorf("%+v %+v", r, before)
		}
		_, r, before, err = o.desk.PageRevision(ctx, "help", p.ID, 1)
		o.ok(err)
		if r.Number != 1 || before.Number != 0 {
			t.Errorf("%+v %+v", r, before)
		}
		_, _, _, err = o.desk.PageRevision(ctx, "help", p.ID, 5)
		o.refused(err, NotFound)
	})
}

// An edit upon an older state is refused, with the newest; a note never is.
func TestStaleEdits(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		p, err := o.desk.NewPage(ctx, by(ann), "Boiler", "one", "")
		o.ok(err)
		_, err = o.desk.EditPage(ctx, by(ben), p.ID, 1, "Boiler", "two", "")
		o.ok(err)
		o.pass(5 * time.Minute)
		_, err = o.desk.EditPage(ctx, by(ann), p.ID, 1, "Boiler", "three", "")
		text := o.refused(err, Stale)
		var over Overtaken
		if !errors.As(err, &over) || over.Newest.Text != "two" || over.Newest.Revision != 2 {
			t.Errorf("%+v", err)
		}
		if want := "Ben changed “Boiler” 5 minutes ago, after you began to edit it. What you wrote is kept in the form."; text != want {
			t.Errorf("%q, want %q", text, want)
		}
		if _, err = o.desk.AppendNote(ctx, by(ann), p.ID, "a note"); err != nil {
			t.Error(err)
		}
	})
}

// Of edits at once upon the same state exactly one is kept, of notes every one.
func TestEditsAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		p, err := o.desk.NewPage(ctx, by(ann), "Boiler", "one", "")
		o.ok(err)
		const many = 8
		var all sync.WaitGroup
		var mu sync.Mutex
		kept := 0
		for i := range many {
			all.Go(func() {
				_, err := o.desk.EditPage(ctx, by(ann), p.ID, 1, "Boiler", fmt.Sprintf("edit %d", i), "")
				var over Overtaken
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					kept++
				case !errors.As(err, &over):
					t.Error(err)
				}
			})
			all.Go(func() {
				if _, err := o.desk.AppendNote(ctx, by(ben), p.ID, fmt.Sprintf("note %d.", i)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		read, err := o.desk.Page(ctx, "help", p.ID)
		o.ok(err)
		// An edit that comes before all notes is kept, one after a note is refused; and none takes a note away.
		if kept > 1 || read.Revision != 1+kept+many {
			t.Errorf("%d edits kept, revision %d", kept, read.Revision)
		}
		for i := range many {
			if !strings.Contains(read.Text, fmt.Sprintf("note %d.", i)) {
				t.Errorf("note %d is lost:\n%s", i, read.Text)
			}
		}
	})
}

// Pages of the same title, begun at once, get names of their own.
func TestTitlesAlike(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if _, err := o.desk.NewPage(ctx, by(ann), "Boiler", "", ""); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for range 30 {
			_, err := o.desk.NewPage(ctx, by(ann), "boiler!", "", "")
			o.ok(err)
		}
		list, err := o.desk.Pages(ctx, PageQuery{Group: "help", Limit: 100})
		o.ok(err)
		slugs := map[string]bool{}
		for _, p := range list {
			slugs[p.Slug] = true
		}
		if len(slugs) != 35 || !slugs["boiler"] || !slugs["boiler-2"] {
			t.Errorf("%v", slugs)
		}
	})
}

func TestPagesByName(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		titles := []string{"Boiler", "Opening hours", "12", "Boiler"}
		var made []Page
		for _, title := range titles {
			p, err := o.desk.NewPage(ctx, by(ann), title, "text", "")
			o.ok(err)
			made = append(made, p)
			o.pass(time.Minute)
		}
		_, err := o.desk.EditPage(ctx, by(ann), made[1].ID, 1, "When we are open", "text", "")
		o.ok(err)
		found, err := o.desk.PagesNamed(ctx, "help", []string{"boiler", "BOILER", "opening hours", "when WE are open", "12", "none", "", "!!", "Boiler?"})
		o.ok(err)
		for name, want := range map[string]int{"boiler": 0, "BOILER": 3, "opening hours": 1, "when WE are open": 1, "12": 2, "Boiler?": 0} {
			if found[name].ID != made[want].ID {
				t.Errorf("%q is %+v", name, found[name])
			}
		}
		if len(found) != 6 {
			t.Errorf("%v", found)
		}
		p, err := o.desk.PageNamed(ctx, "help", "opening-hours")
		o.ok(err)
		if p.ID != made[1].ID || p.Text != "text" || p.Writer.Name != "Ann" {
			t.Errorf("%+v", p)
		}
		_, err = o.desk.PageNamed(ctx, "help", "opening")
		o.refused(err, NotFound)
		_, err = o.desk.PageNamed(ctx, "other", "boiler")
		o.refused(err, NotFound)
		_, err = o.desk.Page(ctx, "other", made[0].ID)
		o.refused(err, NotFound)
	})
}

func TestBadPages(t *testing.T) {
	o := lite(t)
	ctx := t.Context()
	p, err := o.desk.NewPage(ctx, by(ann), "Boiler", "", "")
	o.ok(err)
	_, err = o.desk.NewPage(ctx, by(ann), " \x00\n ", "text", "")
	o.refused(err, BadInput)
	_, err = o.desk.EditPage(ctx, by(ann), p.ID, 1, "", "text", "")
	o.refused(err, BadInput)
	_, err = o.desk.EditPage(ctx, by(ann), p.ID+1, 1, "x", "text", "")
	o.refused(err, NotFound)
	_, err = o.desk.AppendNote(ctx, by(ann), p.ID+1, "x")
	o.refused(err, NotFound)
	_, err = o.desk.AppendNote(ctx, by(ann), p.ID, " \n ")
	o.refused(err, BadInput)
	full := strings.Repeat("ü", MaxPage)
	p, err = o.desk.EditPage(ctx, by(ann), p.ID, 1, "Boiler", full, "")
	o.ok(err)
	if text := o.refused(func() error { _, err := o.desk.AppendNote(ctx, by(ann), p.ID, "x"); return err }(), BadInput); !strings.Contains(text, "Begin another page") {
		t.Error(text)
	}
	_, err = o.desk.EditPage(ctx, by(ann), p.ID, 2, "Boiler", full+"x", "")
	o.refused(err, BadInput)
	if p, err := o.desk.Page(ctx, "help", p.ID); err != nil || p.Revision != 2 {
		t.Errorf("revision %d, %v", p.Revision, err)
	}
	for _, event := range []string{"e1", "e1"} {
		b := by(ann)
		b.Event = event
		_, err = o.desk.NewPage(ctx, b, "Once", "", "")
	}
	if !errors.Is(err, ErrRepeated) {
		t.Error(err)
	}
}

// A contact has a page from the beginning; when two are merged, both are read, and notes go to the one
// that is left.
func TestCaseNotes(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		one, other := o.add("Maria Kovács", "maria@example.net"), o.add("M. Kovács", "m@example.net")
		notes := func(id ContactID) (got string) {
			f, err := o.desk.ContactFile(ctx, "help", "", id, 0, 10)
			o.ok(err)
			for _, p := range f.Notes {
				got += fmt.Sprintf("%s/%d ", p.Slug, p.Revision)
			}
			return got
		}
		if got := notes(one.ID); got != "maria-kovács/1 " {
			t.Error(got)
		}
		_, err := o.desk.NoteContact(ctx, by(ann), other.ID, "phoned")
		o.ok(err)
		_, err = o.desk.MergeContacts(ctx, by(ann), other.ID, one.ID)
		o.ok(err)
		p, err := o.desk.NoteContact(ctx, by(ann), other.ID, "phoned again")
		o.ok(err)
		if p.Slug != "maria-kovács" || !strings.HasSuffix(p.Text, "phoned again") {
			t.Errorf("%+v", p)
		}
		if got := notes(other.ID); got != "maria-kovács/2 m-kovács/2 " {
			t.Error(got)
		}
		_, err = o.desk.NoteContact(ctx, by(ann), other.ID+100, "x")
		o.refused(err, NotFound)
		_, err = o.desk.ContactFile(ctx, "other", "", one.ID, 0, 10)
		o.refused(err, NotFound)
	})
}
