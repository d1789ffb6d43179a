package ticketing

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// PageID is a Page's.
type PageID int64

// Page is what a group writes down to be read again: the case notes of a contact, or anything else.
// Its text is Markdown. It is written from chat, and every state of it is kept as a Revision.
type Page struct {
	ID       PageID
	Group    string
	Slug     string // its name in addresses and links: unique in the group, and stays when the title changes
	Title    string
	Contact  ContactID // whose case notes it is; 0: nobody's
	Text     string
	Revision int // the number of the newest
	Made     time.Time
	Changed  time.Time
	By       MemberID // who wrote the newest revision
}

// Revision is a page as somebody left it. It is never changed, nor taken away.
type Revision struct {
	Page   PageID
	Number int // from 1, without a gap
	Title  string
	Text   string
	At     time.Time
	By     MemberID
	Why    string // in the writer's words; may be empty
}

// PageQuery selects pages of a group, last changed first.
type PageQuery struct {
	Group  string
	Before PagePlace // only those behind this place in the list; zero: from its beginning
	Limit  int
}

// PagePlace is where a page stands in the list.
type PagePlace struct {
	Changed time.Time
	ID      PageID
}

// Place is where the page stands in the list of a group's pages.
func (p Page) Place() PagePlace { return PagePlace{p.Changed, p.ID} }

// PageTx is the part of Tx that keeps pages.
type PageTx interface {
	// AddPage inserts a page; its first revision is added beside it. Slugs are unique in a group, and a
	// contact has one page: where somebody else adds the same at this instant, the transaction is run again.
	AddPage(p *Page) error // sets ID
	// Page reads one and, in Change, locks it.
	Page(id PageID) (Page, error)
	SetPage(p Page) error // keeps Title, Text, Revision, Changed and By
	// PageOf finds the page of a contact.
	PageOf(contact ContactID) (PageID, error)
	// PagesNamed finds the pages of a group that have one of these slugs, or one of these titles, which
	// are compared without case. Their texts are left out.
	PagesNamed(group string, slugs, titles []string) ([]Page, error)
	// Pages lists pages without their texts.
	Pages(q PageQuery) ([]Page, error)

	AddRevision(r Revision) error
	// Revision reads one of a page.
	Revision(page PageID, number int) (Revision, error)
	// Revisions lists a page's revisions without their texts, newest first, at most limit, those below
	// before; from the newest if before is 0.
	Revisions(page PageID, before, limit int) ([]Revision, error)
}

// How long pages may be, in characters.
const (
	MaxPage      = 200_000
	maxPageTitle = 200
	maxSlug      = 80
	maxWhy       = 200
)

// Overtaken refuses an edit of a page that has a newer revision than the one it was begun upon.
type Overtaken struct {
	Refusal
	Newest Page
}

// Unwrap makes it a Refusal for errors.As.
func (o Overtaken) Unwrap() error { return o.Refusal }

// NewPage begins a free page.
func (d *Desk) NewPage(ctx context.Context, by By, title, text, why string) (p Page, err error) {
	title = OneLine(title, maxPageTitle)
	if title == "" {
		return p, refuseField("title", "A page needs a title.")
	}
	err = d.change(ctx, by, func(u *use) error {
		p, err = u.addPage(title, 0, text, why)
		return err
	})
	return p, err
}

// EditPage replaces a page's title and text, as they were edited from revision base. If there is a newer
// revision by now it is refused with Overtaken. What changes nothing makes no revision.
func (d *Desk) EditPage(ctx context.Context, by By, id PageID, base int, title, text, why string) (p Page, err error) {
	title = OneLine(title, maxPageTitle)
	if title == "" {
		return p, refuseField("title", "A page needs a title.")
	}
	err = d.change(ctx, by, func(u *use) error {
		if p, err = u.page(id); err != nil {
			return err
		}
		text = pageText(text)
		switch {
		case p.Title == title && p.Text == text:
			return nil
		case p.Revision != base:
			return Overtaken{refuse(Stale, "%s changed “%s” %s, after you began to edit it. What you wrote is kept in the form.",
				upperFirst(u.called(p.By)), p.Title, ago(u.now, p.Changed)), p}
		}
		p.Title, p.Text = title, text
		return u.keepRevision(&p, why)
	})
	return p, err
}

// AppendNote adds a note to a page, below a heading that says whose it is and when it was written. It
// never conflicts with what others write meanwhile.
func (d *Desk) AppendNote(ctx context.Context, by By, id PageID, note string) (p Page, err error) {
	note = pageText(note)
	if note == "" {
		return p, refuseField("text", "The note is empty.")
	}
	err = d.change(ctx, by, func(u *use) error {
		if p, err = u.page(id); err != nil {
			return err
		}
		return u.appendNote(&p, note)
	})
	return p, err
}

// NoteContact adds a note to the case notes of a contact, as AppendNote does.
func (d *Desk) NoteContact(ctx context.Context, by By, id ContactID, note string) (p Page, err error) {
	note = pageText(note)
	if note == "" {
		return p, refuseField("text", "The note is empty.")
	}
	err = d.change(ctx, by, func(u *use) error {
		c, err := u.contact(id)
		if err != nil {
			return err
		}
		switch page, err := u.PageOf(c.ID); {
		case errors.Is(err, ErrNone):
			if p, err = u.addPage(c.Name, c.ID, "", ""); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			if p, err = u.page(page); err != nil {
				return err
			}
		}
		return u.appendNote(&p, note)
	})
	return p, err
}

func (u *use) appendNote(p *Page, note string) error {
	before := p.Text
	if before != "" {
		before = closeFence(before) + "\n\n"
	}
	zone := u.group.Zone
	if zone == nil {
		zone = time.UTC
	}
	p.Text = fmt.Sprintf("%s### %s, %s\n\n%s", before, plainMarkdown(OneLine(u.by.Member.Called(), 100)),
		u.now.In(zone).Format("2 January 2006, 15:04"), closeFence(note))
	return u.keepRevision(p, "note")
}

// addPage begins a page of a contact, or a free one.
func (u *use) addPage(title string, contact ContactID, text, why string) (Page, error) {
	p := Page{
		Group: u.group.Name, Title: OneLine(title, maxPageTitle), Contact: contact, Text: pageText(text), Revision: 1,
		Made: u.now, Changed: u.now, By: u.by.Member.ID,
	}
	if p.Title == "" {
		p.Title = "Untitled"
	}
	if err := fits(p); err != nil {
		return p, err
	}
	var err error
	if p.Slug, err = u.freeSlug(Slug(p.Title)); err != nil {
		return p, err
	}
	if err := u.AddPage(&p); err != nil {
		return p, err
	}
	return p, u.AddRevision(p.revision(why))
}

// keepRevision keeps a page that was changed as its next revision.
func (u *use) keepRevision(p *Page, why string) error {
	if err := fits(*p); err != nil {
		return err
	}
	p.Revision, p.Changed, p.By = p.Revision+1, u.now, u.by.Member.ID
	if err := u.SetPage(*p); err != nil {
		return err
	}
	return u.AddRevision(p.revision(why))
}

func (p Page) revision(why string) Revision {
	return Revision{Page: p.ID, Number: p.Revision, Title: p.Title, Text: p.Text, At: p.Changed, By: p.By, Why: OneLine(why, maxWhy)}
}

func fits(p Page) error {
	if n := utf8.RuneCountInString(p.Text); n > MaxPage {
		return refuseField("text", "“%s” would have %d characters, and a page can have %d. Begin another page, and link it: [[Its title]].", p.Title, n, MaxPage)
	}
	return nil
}

// page locks one of the acting member's group.
func (u *use) page(id PageID) (Page, error) {
	p, err := u.Page(id)
	if errors.Is(err, ErrNone) || err == nil && p.Group != u.group.Name {
		return p, refuse(NotFound, "There is no such page in %s.", u.group.Title)
	}
	return p, err
}

// freeSlug finds a slug that no page of the group has yet.
func (u *use) freeSlug(slug string) (string, error) {
	candidates := []string{slug}
	for i := 2; i <= 30; i++ {
		candidates = append(candidates, fmt.Sprintf("%s-%d", slug, i))
	}
	taken, err := u.PagesNamed(u.group.Name, candidates, nil)
	if err != nil {
		return "", err
	}
	used := map[string]bool{}
	for _, p := range taken {
		used[p.Slug] = true
	}
	for _, c := range candidates {
		if !used[c] {
			return c, nil
		}
	}
	return slug + "-" + secretWord()[:8], nil
}

// Slug is what a page with this title is called in addresses: lower case, letters and digits of any
// script, "-" between words. It is never empty.
func Slug(title string) string {
	var b strings.Builder
	gap := false
	n := 0
	for _, r := range strings.ToLower(title) {
		switch {
		case n == maxSlug:
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r) && n > 0 && !gap:
			if gap && n > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(r)
			n++
		case r == '\'' || r == '’': // Maria's: marias
		default:
			gap = true
		}
	}
	if n == 0 {
		return "page"
	}
	return b.String()
}

// pageText is a text as pages have it: lines end in LF, no blanks at its ends.
func pageText(text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	text = strings.TrimRightFunc(text, unicode.IsSpace)
	for { // blank lines go from the beginning, an indented first line stays so
		line, rest, more := strings.Cut(text, "\n")
		if !more || strings.TrimSpace(line) != "" {
			return text
		}
		text = rest
	}
}

// listItem is what a list item begins with, up to what it holds (CommonMark 0.31, 5.2).
var listItem = regexp.MustCompile(`^ *(?:[-+*]|\d{1,9}[.)])(?: {1,4}|$)`)

// closeFence ends a code block that a text leaves open (CommonMark 0.31, 4.5), so that what is appended
// is not part of it. One in a list item ends with that, as soon as a line is indented less.
func closeFence(text string) string {
	open, item, inItem := "", 0, false // item: how far the last list item's content is indented
	for line := range strings.SplitSeq(text, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		indent := len(line) - len(trimmed)
		if trimmed == "" {
			continue
		}
		if indent < item && (open == "" || inItem) {
			open, item, inItem = "", 0, false
		}
		if open == "" {
			if begin := listItem.FindString(line); begin != "" && indent < item+4 {
				item = len(begin)
				continue
			}
		}
		if indent-item > 3 || trimmed[0] != '`' && trimmed[0] != '~' {
			continue
		}
		rest := strings.TrimLeft(trimmed, trimmed[:1])
		fence := trimmed[:len(trimmed)-len(rest)]
		switch {
		case len(fence) < 3:
		case open == "" && (fence[0] == '~' || !strings.Contains(rest, "`")):
			open, inItem = fence, item > 0
		case open != "" && fence[0] == open[0] && len(fence) >= len(open) && strings.TrimSpace(rest) == "":
			open, inItem = "", false
		}
	}
	if open != "" && !inItem {
		return text + "\n" + open
	}
	return text
}

// plainMarkdown escapes what Markdown, or a link to a page, would make of a name.
func plainMarkdown(name string) string {
	var b strings.Builder
	for _, r := range name {
		if strings.ContainsRune("\\`*_[]<>#&~|!", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// signs are those of Markdown, each with what is left of it, in this order.
var signs = []struct {
	sign *regexp.Regexp
	left string
}{
	{regexp.MustCompile(`(?m)^[ \t>]*(?:#{1,6}[ \t]+|[-*+][ \t]+(?:\[[ xX]\][ \t]+)?|(?:` + "```|~~~" + `).*$|\|?[ \t:|-]*-[ \t:|-]*$|[=]+$)`), ""}, // what a line begins with, or consists of
	{regexp.MustCompile(`!?\[([^\[\]]*)\]\([^()\s]*\)`), "$1"},
	{regexp.MustCompile(`\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]`), "$1"},
	{regexp.MustCompile("\\*\\*|__|~~|`"), ""},
	{regexp.MustCompile(`[ \t]*\|[ \t]*`), " "},
	{regexp.MustCompile(`\\([!-/:-@\[-` + "`" + `{-~])`), "$1"},
}

// withoutMarkdown is what is read of a page's text in an excerpt, roughly: its words, without what sets them.
func withoutMarkdown(text string) string {
	for _, s := range signs {
		text = s.sign.ReplaceAllString(text, s.left)
	}
	return text
}

func upperFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// ReadPage is a page with who wrote its newest revision.
type ReadPage struct {
	Page
	Writer Member
}

// Page reads one of a group. Refused with NotFound where the group has none of this id.
func (d *Desk) Page(ctx context.Context, group string, id PageID) (p ReadPage, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		p, err = readPage(tx, group, id)
		return err
	})
	return p, err
}

func readPage(tx Tx, group string, id PageID) (p ReadPage, err error) {
	p.Page, err = tx.Page(id)
	if errors.Is(err, ErrNone) || err == nil && p.Group != group {
		return p, refuse(NotFound, "There is no such page here.")
	}
	if err != nil {
		return p, err
	}
	p.Writer, err = memberOf(tx, p.By)
	return p, err
}

// PageNamed reads a group's page by its slug, else by its title; the page last changed if several have
// the title. Refused with NotFound where there is none.
func (d *Desk) PageNamed(ctx context.Context, group, name string) (p ReadPage, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		found, err := pagesNamed(tx, group, []string{name})
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return refuse(NotFound, "There is no page “%s” here.", OneLine(name, 80))
		}
		p, err = readPage(tx, group, found[name].ID)
		return err
	})
	return p, err
}

// PagesNamed finds the pages of a group that these names mean, as links do: each a slug, else a title. A
// name without a page is not in the answer, and the texts are left out.
func (d *Desk) PagesNamed(ctx context.Context, group string, names []string) (found map[string]Page, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		found, err = pagesNamed(tx, group, names)
		return err
	})
	return found, err
}

// PagesCalled finds all pages of a title, without their texts.
func (d *Desk) PagesCalled(ctx context.Context, group, title string) (all []Page, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		all, err = tx.PagesNamed(group, nil, []string{OneLine(title, maxPageTitle)})
		return err
	})
	return all, err
}

func pagesNamed(tx Tx, group string, names []string) (map[string]Page, error) {
	var slugs, titles []string
	for _, n := range names {
		n = OneLine(n, maxPageTitle)
		slugs, titles = append(slugs, Slug(n)), append(titles, n)
	}
	all, err := tx.PagesNamed(group, slugs, titles)
	if err != nil {
		return nil, err
	}
	bySlug, byTitle := map[string]Page{}, map[string]Page{}
	for _, p := range all {
		bySlug[p.Slug] = p
		title := strings.ToLower(p.Title)
		if other, ok := byTitle[title]; !ok || p.Changed.After(other.Changed) {
			byTitle[title] = p
		}
	}
	found := map[string]Page{}
	for i, n := range names {
		if strings.TrimSpace(n) == "" {
			continue
		}
		p, ok := bySlug[titles[i]]
		if !ok {
			p, ok = byTitle[strings.ToLower(titles[i])]
		}
		if !ok && hasWord(n) {
			p, ok = bySlug[slugs[i]]
		}
		if ok {
			found[n] = p
		}
	}
	return found, nil
}

// Pages lists a group's pages without their texts, last changed first, with who changed each.
func (d *Desk) Pages(ctx context.Context, q PageQuery) (list []ReadPage, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		list = nil
		all, err := tx.Pages(q)
		if err != nil {
			return err
		}
		var w Wanted
		for _, p := range all {
			w.Members = append(w.Members, p.By)
		}
		rows, err := tx.Rows(w)
		for _, p := range all {
			list = append(list, ReadPage{p, rows.member(p.By)})
		}
		return err
	})
	return list, err
}

// PagesLike finds pages whose titles are written nearly so, or have all words of the name, at most most. The
// titles are read in pieces, last changed first, up to a bound: it is an aid, asked for by a person who found
// nothing.
func (d *Desk) PagesLike(ctx context.Context, group, name string, most int) (near []Page, err error) {
	const atOnce, bound = 500, 20
	words := strings.Fields(strings.ToLower(OneLine(name, maxPageTitle)))
	err = d.store.Read(ctx, func(tx Tx) error {
		near = nil
		q := PageQuery{Group: group, Limit: atOnce}
		for range bound {
			some, err := tx.Pages(q)
			if err != nil {
				return err
			}
			for _, p := range some {
				title := strings.ToLower(p.Title)
				has := func(word string) bool { return strings.Contains(title, word) }
				if len(near) < most && len(words) > 0 && (every(words, has) || alike(words, strings.Fields(title))) {
					near = append(near, p)
				}
			}
			if len(some) < atOnce || len(near) == most {
				return nil
			}
			q.Before = some[len(some)-1].Place()
		}
		return nil
	})
	return near, err
}

func every(words []string, is func(string) bool) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !is(w) })
}

// Written is a revision and who wrote it.
type Written struct {
	Revision
	Writer Member
}

// PageHistory lists a page's revisions without their texts, newest first: those below before, or from the
// newest if that is 0.
func (d *Desk) PageHistory(ctx context.Context, group string, id PageID, before, limit int) (p ReadPage, list []Written, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		list = nil
		if p, err = readPage(tx, group, id); err != nil {
			return err
		}
		all, err := tx.Revisions(id, before, limit)
		if err != nil {
			return err
		}
		var w Wanted
		for _, r := range all {
			w.Members = append(w.Members, r.By)
		}
		rows, err := tx.Rows(w)
		for _, r := range all {
			list = append(list, Written{r, rows.member(r.By)})
		}
		return err
	})
	return p, list, err
}

// PageRevision reads one revision of a page, and the one before it; that is zero for the first.
func (d *Desk) PageRevision(ctx context.Context, group string, id PageID, number int) (p ReadPage, r, before Written, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		before = Written{}
		if p, err = readPage(tx, group, id); err != nil {
			return err
		}
		if r, err = written(tx, id, number); err != nil || number == 1 {
			return err
		}
		before, err = written(tx, id, number-1)
		return err
	})
	return p, r, before, err
}

func written(tx Tx, id PageID, number int) (w Written, err error) {
	w.Revision, err = tx.Revision(id, number)
	if errors.Is(err, ErrNone) {
		return w, refuse(NotFound, "This page has no revision %d.", number)
	}
	if err != nil {
		return w, err
	}
	w.Writer, err = memberOf(tx, w.By)
	return w, err
}
