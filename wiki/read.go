package wiki

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"groupmail/ticketing"
)

// atOnce is how long a piece of a list is.
const atOnce = 30

func number(n int64) string { return strconv.FormatInt(n, 10) }

// id reads a row number out of a path or a query; 0 if it is none.
func id(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// ticketLine is a conversation in a list, with no more than is shown: there are many, and templates are slow to look
// for a field.
type ticketLine struct {
	State         template.HTML
	Number        int
	Since         time.Time // since when it waits for somebody, or was opened
	Holder        string    // who has it, if somebody has
	Subject, With string
	Path, Chat    string // Chat: its card
}

func (w *Wiki) ticketLine(v *visit, l *ticketing.Listed) ticketLine {
	t := ticketLine{
		State: state(l), Number: l.Number, Since: l.Opened, Subject: l.Subject, With: l.With.Called(),
		Path: to(v.group.Name, "conversation", number(int64(l.ID))), Chat: w.chat(l.Card),
	}
	if l.State == ticketing.New {
		t.Since = l.Waits
	}
	if l.Holder.ID != "" {
		t.Holder = l.Holder.Called()
	}
	return t
}

// chat is where a post is in its chat; empty if it is nowhere.
func (w *Wiki) chat(p ticketing.Post) string {
	if w.Link == nil || p.Message == "" || p.Gone {
		return ""
	}
	return w.Link(p.Board, p.Message)
}

func (w *Wiki) ticketLines(v *visit, all []ticketing.Listed) (lines []ticketLine) {
	for i := range all {
		lines = append(lines, w.ticketLine(v, &all[i]))
	}
	return lines
}

// groups lists the visitor's, or goes to the only one.
func (w *Wiki) groups(v *visit) error {
	if len(v.Groups) == 1 {
		http.Redirect(v.w, v.r, to(v.Groups[0].Name, ""), http.StatusSeeOther)
		return nil
	}
	w.render(v, http.StatusOK, "groups", "Your teams", v.Groups)
	return nil
}

type pageLine struct {
	ticketing.ReadPage
	Path string
}

func pageLines(g ticketing.Group, all []ticketing.ReadPage) (lines []pageLine) {
	for _, p := range all {
		lines = append(lines, pageLine{p, to(g.Name, "page", p.Slug)})
	}
	return lines
}

// front is how a group stands: its queue and what was written lately.
func (w *Wiki) front(v *visit) error {
	ctx := v.r.Context()
	waits, has := ticketing.Waits(v.group.Name, ""), ticketing.Has(v.group.Name, "")
	answered := ticketing.Query{Group: v.group.Name, States: []ticketing.State{ticketing.Waiting}, Order: ticketing.NewestFirst}
	waits.Limit, has.Limit, answered.Limit = 12, 12, 5
	var p struct {
		Waits, Has, Answered             []ticketLine
		MoreWaits, MoreHas, MoreAnswered bool
		Changes                          []pageLine
	}
	for _, part := range []struct {
		q    ticketing.Query
		list *[]ticketLine
		more *bool
	}{{waits, &p.Waits, &p.MoreWaits}, {has, &p.Has, &p.MoreHas}, {answered, &p.Answered, &p.MoreAnswered}} {
		list, more, err := w.Desk.Reading(ctx, v.board, part.q)
		if err != nil {
			return err
		}
		*part.list, *part.more = w.ticketLines(v, list), more
	}
	changes, err := w.Desk.Pages(ctx, ticketing.PageQuery{Group: v.group.Name, Limit: 12})
	if err != nil {
		return err
	}
	p.Changes = pageLines(v.group, changes)
	w.render(v, http.StatusOK, "front", v.group.Title, p)
	return nil
}

func (w *Wiki) contacts(v *visit) error {
	type line struct {
		ticketing.Contact
		Path string
	}
	query := v.r.URL.Query()
	q := ticketing.ContactQuery{
		Group: v.group.Name, Like: ticketing.OneLine(query.Get("like"), 100), Limit: atOnce,
		After: ticketing.ContactPlace{Name: query.Get("after"), ID: ticketing.ContactID(id(query.Get("id")))},
	}
	all, more, err := w.Desk.Contacts(v.r.Context(), q)
	if err != nil {
		return err
	}
	p := struct {
		Like    string
		Lines   []line
		First   bool
		Further string
	}{Like: q.Like, First: q.After == ticketing.ContactPlace{}}
	for _, c := range all {
		p.Lines = append(p.Lines, line{c, contactPath(v.group, c.ID)})
	}
	if more {
		at := all[len(all)-1].Place()
		p.Further = again(v, "like", q.Like, "after", at.Name, "id", number(int64(at.ID)))
	}
	w.render(v, http.StatusOK, "contacts", "Contacts", p)
	return nil
}

// again is the address of what is read, with another query.
func again(v *visit, pairs ...string) string {
	u := *v.r.URL
	q := u.Query()
	for i := 0; i < len(pairs); i += 2 {
		if q.Del(pairs[i]); pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	u.RawQuery = q.Encode()
	return u.RequestURI()
}

// mailLine is a mail in a list, like a ticketLine.
type mailLine struct {
	Received      bool // or sent
	When          time.Time
	Subject, Path string
	In            ticketLine
	Files         []file
}

type note struct {
	pageLine
	HTML    any
	History string
}

func contactPath(g ticketing.Group, id ticketing.ContactID) string {
	return to(g.Name, "contact", number(int64(id)))
}

func (w *Wiki) contact(v *visit) error {
	before := ticketing.MailID(id(v.r.URL.Query().Get("before")))
	f, err := w.Desk.ContactFile(v.r.Context(), v.group.Name, v.board, ticketing.ContactID(id(v.r.PathValue("id"))), before, atOnce)
	if err != nil {
		return err
	}
	p := struct {
		ticketing.ContactFile
		Notes   []note
		Todos   []todoLine
		Tickets []ticketLine
		Mails   []mailLine
		First   bool
		Older   string
		Newest  string
	}{
		ContactFile: f, First: before == 0, Todos: w.todoLines(v, f.Todos, false), Tickets: w.ticketLines(v, f.Tickets),
		Newest: contactPath(v.group, f.ID),
	}
	for _, n := range f.Notes {
		html, err := rendered(n.Text, 3, w.finder(v))
		if err != nil {
			return err
		}
		p.Notes = append(p.Notes, note{pageLine{n, to(v.group.Name, "page", n.Slug)}, html, to(v.group.Name, "page", n.Slug, "history")})
	}
	p.Mails = make([]mailLine, 0, len(f.Mails))
	for i := range f.Mails {
		m := &f.Mails[i]
		in := w.ticketLine(v, &m.In)
		p.Mails = append(p.Mails, mailLine{
			Received: m.Direction == ticketing.In, When: when(&m.Mail), Subject: m.Subject, Path: in.Path + "#mail-" + number(int64(m.ID)),
			In: in, Files: files(v.group, m.Mail),
		})
	}
	if f.MoreMails {
		p.Older = again(v, "before", number(int64(f.Mails[len(f.Mails)-1].ID)))
	}
	w.render(v, http.StatusOK, "contact", f.Name, p)
	return nil
}

func (w *Wiki) listPages(v *visit) error {
	query := v.r.URL.Query()
	q := ticketing.PageQuery{Group: v.group.Name, Limit: atOnce + 1}
	if at, err := time.Parse(time.RFC3339Nano, query.Get("before")); err == nil {
		q.Before = ticketing.PagePlace{Changed: at, ID: ticketing.PageID(id(query.Get("id")))}
	}
	all, err := w.Desk.Pages(v.r.Context(), q)
	if err != nil {
		return err
	}
	p := struct {
		Lines   []pageLine
		First   bool
		Further string
	}{First: q.Before == ticketing.PagePlace{}}
	if len(all) > atOnce {
		all = all[:atOnce]
		at := all[atOnce-1].Place()
		p.Further = again(v, "before", at.Changed.Format(time.RFC3339Nano), "id", number(int64(at.ID)))
	}
	p.Lines = pageLines(v.group, all)
	w.render(v, http.StatusOK, "pages", "Pages", p)
	return nil
}

// pageHere finds the page that a path names.
func (w *Wiki) pageHere(v *visit) (ticketing.ReadPage, error) {
	return w.Desk.PageNamed(v.r.Context(), v.group.Name, v.r.PathValue("slug"))
}

func (w *Wiki) page(v *visit) error {
	p, err := w.pageHere(v)
	if err != nil {
		return err
	}
	if p.Contact != 0 { // read beside all else that there is of them
		http.Redirect(v.w, v.r, contactPath(v.group, p.Contact), http.StatusSeeOther)
		return nil
	}
	html, err := rendered(p.Text, 2, w.finder(v))
	if err != nil {
		return err
	}
	w.render(v, http.StatusOK, "page", p.Title, note{pageLine{p, to(v.group.Name, "page", p.Slug)}, html, to(v.group.Name, "page", p.Slug, "history")})
	return nil
}

type revisionLine struct {
	ticketing.Written
	Path string
}

func (w *Wiki) history(v *visit) error {
	found, err := w.pageHere(v)
	if err != nil {
		return err
	}
	before := int(id(v.r.URL.Query().Get("before")))
	p, all, err := w.Desk.PageHistory(v.r.Context(), v.group.Name, found.ID, before, atOnce)
	if err != nil {
		return err
	}
	data := struct {
		pageLine
		Lines   []revisionLine
		First   bool
		Further string
	}{pageLine: pageLine{p, to(v.group.Name, "page", p.Slug)}, First: before == 0}
	for _, r := range all {
		data.Lines = append(data.Lines, revisionLine{r, to(v.group.Name, "page", p.Slug, "revision", strconv.Itoa(r.Number))})
	}
	if n := len(all); n > 0 && all[n-1].Number > 1 {
		data.Further = again(v, "before", strconv.Itoa(all[n-1].Number))
	}
	w.render(v, http.StatusOK, "history", "History of "+p.Title, data)
	return nil
}

func (w *Wiki) revision(v *visit) error {
	found, err := w.pageHere(v)
	if err != nil {
		return err
	}
	p, r, before, err := w.Desk.PageRevision(v.r.Context(), v.group.Name, found.ID, int(id(v.r.PathValue("number"))))
	if err != nil {
		return err
	}
	html, err := rendered(r.Text, 3, w.finder(v))
	if err != nil {
		return err
	}
	base := to(v.group.Name, "page", p.Slug)
	data := struct {
		pageLine
		This, Before  ticketing.Written
		Changes       []hunk
		HTML          any
		History       string
		Earlier, Next string
	}{pageLine{p, base}, r, before, changes(before.Text, r.Text), html, base + "/history", "", ""}
	if r.Number > 1 {
		data.Earlier = fmt.Sprintf("%s/revision/%d", base, r.Number-1)
	}
	if r.Number < p.Revision {
		data.Next = fmt.Sprintf("%s/revision/%d", base, r.Number+1)
	}
	w.render(v, http.StatusOK, "revision", fmt.Sprintf("%s, revision %d", p.Title, r.Number), data)
	return nil
}

// list is what lists of tickets and of to-dos have in common: of everybody or of one contact, in pieces.
type list struct {
	Title   string
	About   about
	Choices []choice
	First   bool
	Start   string // the first piece
	Further string // the next; empty if there is none
}

// choice is one of the lists that a page may show.
type choice struct {
	Word, Label, Path string
	On                bool
}

// about is the contact that a list is of, or that a line of it is about; zero if there is none.
type about struct {
	Name, Path string
	ids        []ticketing.ContactID // with those that were merged into it
}

// list reads which of a page's lists is asked for, and its word.
func (w *Wiki) list(v *visit, title string, choices ...choice) (word string, l list, err error) {
	query := v.r.URL.Query()
	first := func(pairs ...string) string { return again(v, append(pairs, "before", "", "after", "", "at", "")...) }
	word, known := query.Get("which"), false
	for i := range choices {
		c := &choices[i]
		c.Path, c.On = first("which", c.Word), c.Word == word
		known = known || c.On
	}
	if !known {
		return word, l, errNotHere
	}
	l = list{Title: title, Choices: choices, First: id(query.Get("before")) == 0 && id(query.Get("after")) == 0, Start: first()}
	if of := query.Get("contact"); of != "" {
		all, err := w.Desk.Family(v.r.Context(), v.group.Name, ticketing.ContactID(id(of)))
		if err != nil {
			return word, l, err
		}
		l.Title += " of " + all[0].Name
		l.About = about{all[0].Name, contactPath(v.group, all[0].ID), ticketing.ContactIDs(all)}
	}
	return word, l, nil
}

func (w *Wiki) tickets(v *visit) error {
	word, of, err := w.list(v, "Tickets", choice{Word: "", Label: "Open"}, choice{Word: "mine", Label: "Yours"}, choice{Word: "closed", Label: "Closed"}, choice{Word: "all", Label: "All"})
	if err != nil {
		return err
	}
	q := ticketing.Query{Group: v.group.Name, Contacts: of.About.ids, Order: ticketing.LatestFirst, Limit: atOnce}
	switch word {
	case "":
		q.States = []ticketing.State{ticketing.New, ticketing.Taken, ticketing.Waiting}
	case "mine":
		q.States, q.Owner = []ticketing.State{ticketing.Taken, ticketing.Waiting}, v.Member.ID
	case "closed":
		q.States = []ticketing.State{ticketing.Closed}
	}
	if at := id(v.r.URL.Query().Get("before")); at > 0 { // the list goes backwards from there
		q.Order, q.Place, q.Back = ticketing.ByOpening, ticketing.Place{ID: ticketing.ConversationID(at)}, true
	}
	all, more, err := w.Desk.Reading(v.r.Context(), v.board, q)
	if err != nil {
		return err
	}
	if q.Back {
		slices.Reverse(all)
	}
	if more {
		of.Further = again(v, "before", number(int64(all[len(all)-1].ID)))
	}
	w.render(v, http.StatusOK, "tickets", of.Title, struct {
		list
		Lines []ticketLine
	}{of, w.ticketLines(v, all)})
	return nil
}

// todoLine is a to-do in a list.
type todoLine struct {
	Text, Whose string
	Late        bool
	Due, Done   time.Time
	Did         string
	Ticket      string // the number or the subject of what it is about
	Path, Chat  string // of that, if it is about a conversation; Chat: its card
	About       about  // the contact, unless it is plain who that is
}

func (w *Wiki) todoLines(v *visit, all []ticketing.ListedTodo, named bool) (lines []todoLine) {
	now := w.Clock()
	for _, t := range all {
		l := todoLine{Text: t.Text, Whose: t.Whose.Called(), Late: t.Late(now), Due: t.Due, Done: t.Done, Did: t.Did.Called(), Chat: w.chat(t.Card)}
		if t.About.ID != 0 {
			l.Ticket, l.Path = t.About.Subject, to(v.group.Name, "conversation", number(int64(t.About.ID)))
			if t.About.Number != 0 {
				l.Ticket = fmt.Sprintf("#%d", t.About.Number)
			}
		}
		if named && t.Contact.ID != 0 {
			l.About = about{Name: t.Contact.Name, Path: contactPath(v.group, t.Contact.ID)}
		}
		lines = append(lines, l)
	}
	return lines
}

func (w *Wiki) todos(v *visit) error {
	word, of, err := w.list(v, "To-dos", choice{Word: "", Label: "Open"}, choice{Word: "mine", Label: "Yours"}, choice{Word: "done", Label: "Done"})
	if err != nil {
		return err
	}
	query, done := v.r.URL.Query(), word == "done"
	q := ticketing.TodoQuery{Group: v.group.Name, Contacts: of.About.ids, Open: !done, Done: done, Limit: atOnce + 1}
	if word == "mine" {
		q.Owner = v.Member.ID
	}
	if q.After.ID = ticketing.TodoID(id(query.Get("after"))); q.After.ID != 0 {
		q.After.At, _ = time.Parse(time.RFC3339Nano, query.Get("at")) // none: at no time
	}
	all, err := w.Desk.Todos(v.r.Context(), v.board, q)
	if err != nil {
		return err
	}
	if len(all) > atOnce {
		all = all[:atOnce]
		at := all[atOnce-1].Place()
		of.Further = again(v, "after", number(int64(at.ID)), "at", at.At.Format(time.RFC3339Nano))
	}
	w.render(v, http.StatusOK, "todos", of.Title, struct {
		list
		Lines []todoLine
		Done  bool
	}{of, w.todoLines(v, all, of.About.Name == ""), done})
	return nil
}

// ticket leads from a number to its conversation.
func (w *Wiki) ticket(v *visit) error {
	c, err := w.Desk.Numbered(v.r.Context(), v.group.Name, v.r.PathValue("number"))
	if err != nil {
		return err
	}
	http.Redirect(v.w, v.r, to(v.group.Name, "conversation", number(int64(c))), http.StatusSeeOther)
	return nil
}

func (w *Wiki) conversation(v *visit) error {
	of := ticketing.ConversationID(id(v.r.PathValue("id")))
	s, err := w.Desk.Conversation(v.r.Context(), v.group.Name, v.board, of)
	if err != nil {
		return err
	}
	before := ticketing.MailID(id(v.r.URL.Query().Get("before")))
	mails := s.Mails
	if before != 0 {
		if mails, err = w.Desk.EarlierMails(v.r.Context(), v.group.Name, of, before, len(s.Mails)); err != nil {
			return err
		}
	}
	type logLine struct {
		At   time.Time
		Text string
	}
	p := struct {
		ticketing.Listed
		Chat    string // its card
		Heading string
		Contact string
		Joined  string
		Mails   []shownMail
		Log     []logLine
		First   bool
		Older   string
		Newest  string
	}{Listed: s.Listed, Chat: w.chat(s.Card), Newest: to(v.group.Name, "conversation", number(int64(of))), Heading: cmp.Or(ticketing.OneLine(s.Subject, 300), "(no subject)"), First: before == 0}
	if s.Contact != 0 {
		p.Contact = contactPath(v.group, s.Contact)
	}
	if s.JoinedTo != 0 {
		p.Joined = to(v.group.Name, "conversation", number(int64(s.JoinedTo)))
	}
	for _, m := range mails {
		p.Mails = append(p.Mails, shown(v.group, m))
	}
	for _, e := range s.Events {
		p.Log = append(p.Log, logLine{e.At, e.Words(s.Named)})
	}
	if n := len(mails); n > 0 && n == 50 {
		p.Older = again(v, "before", number(int64(mails[n-1].ID)))
	}
	w.render(v, http.StatusOK, "conversation", strings.TrimSpace(ticketing.OneLine(s.Name(), 20)+" "+p.Heading), &p)
	return nil
}

// file hands out an attachment: to be kept, never to be shown or run in a page of ours.
func (w *Wiki) file(v *visit) error {
	m, err := w.Desk.Mail(v.r.Context(), v.group.Name, ticketing.MailID(id(v.r.PathValue("mail"))))
	if err != nil {
		return err
	}
	i, err := strconv.Atoi(v.r.PathValue("index"))
	if err != nil || i < 0 || i >= len(m.Attachments) {
		return errNotHere
	}
	a := m.Attachments[i]
	h := v.w.Header()
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Content-Type", "application/octet-stream")
	if t, _, err := mime.ParseMediaType(a.Type); err == nil && !a.Dangerous() {
		h.Set("Content-Type", t)
	}
	h.Set("Content-Disposition", disposition(a.Name))
	if a.SHA256 != "" {
		tag := `"` + a.SHA256 + `"`
		h.Set("ETag", tag)
		if v.r.Header.Get("If-None-Match") == tag {
			v.w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	r, err := w.OpenFile(v.r.Context(), m, a)
	if errors.Is(err, ticketing.ErrNone) {
		return ticketing.Refusal{Kind: ticketing.NotFound, Text: "This file is not kept any longer."}
	}
	if err != nil {
		return err
	}
	defer r.Close()
	if a.Size > 0 {
		h.Set("Content-Length", number(a.Size))
	}
	if _, err := io.Copy(v.w, r); err != nil && v.r.Context().Err() == nil {
		w.Log.Error("a file was not handed out to its end", "mail", m.ID, "index", i, "err", err)
		panic(http.ErrAbortHandler) // so that the reader sees that it is not all
	}
	return nil
}

// disposition names a file for the one who keeps it (RFC 6266), whatever characters its name has.
func disposition(name string) string {
	name = ticketing.OneLine(strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`/\:*?"<>|`, r):
			return '_'
		case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r == '\u200e', r == '\u200f': // gpj.exe is not exe.jpg
			return -1
		}
		return r
	}, name), 150)
	if d := mime.FormatMediaType("attachment", map[string]string{"filename": cmp.Or(name, "file")}); d != "" {
		return d
	}
	return "attachment"
}
