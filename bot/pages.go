package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	udiff "github.com/aymanbagabas/go-udiff"

	"groupmail/ticketing"
)

// Web is the web view, as links lead to it.
type Web interface {
	Login(token string) string // for its member's eyes alone
	Page(group, slug string) string
	History(group, slug string) string
	Contact(group string, id ticketing.ContactID) string
}

// noWeb says why there are no links to the web view.
const noWeb = "The web view has no address yet. Whoever runs GroupMail gives it one: public = \"https://…\" in its configuration, as your browser reaches it."

// editRoom is how many characters of a text every platform's form holds.
const editRoom = 2800

// runLogin whispers a link that signs the member in to the web view.
func (h *hub) runLogin(ctx context.Context, in invoked) Answer {
	if h.Web == nil {
		return whisper(noWeb)
	}
	token, err := h.Desk.NewLogin(ctx, in.by)
	if err != nil {
		return whisper(h.say(err, "login", in.caller))
	}
	return Answer{Whisper: &Message{
		Notice: "Your link to sign in",
		Lines: []Line{
			{{Text: "Sign in to read on the web", URL: h.Web.Login(token)}},
			{{Text: "The link is yours alone: it works once, within ten minutes. Open it in the browser in which you want to read."}},
		},
		Until: h.Clock().Add(ticketing.LoginLife),
	}}
}

// runPage shows a page, or lists those that were changed last.
func (h *hub) runPage(ctx context.Context, in invoked) Answer {
	name := unquoted(in.rest)
	if name == "" {
		return h.pageList(ctx, in.caller, ticketing.PagePlace{})
	}
	found, err := h.Desk.PagesNamed(ctx, in.group.Name, []string{name})
	if err != nil {
		return whisper(h.say(err, "page", in.caller))
	}
	if p, ok := found[name]; ok {
		return h.showPage(ctx, in.caller, p.ID)
	}
	if first, title := word(name); strings.EqualFold(first, "add") {
		return h.newPageForm(in.caller, title)
	}
	near, err := h.Desk.PagesLike(ctx, in.group.Name, name, 5)
	if err != nil {
		return whisper(h.say(err, "page", in.caller))
	}
	if len(near) == 1 && strings.HasPrefix(strings.ToLower(near[0].Title), strings.ToLower(name)) {
		return h.showPage(ctx, in.caller, near[0].ID) // the beginning of a title is enough
	}
	m := &Message{Notice: "There is no page “" + ticketing.OneLine(name, 60) + "”."}
	m.Lines = says(m.Notice)
	if len(near) > 0 {
		m.Notice += " Did you mean one of these?"
		m.Lines = says(m.Notice)
		for i, p := range near {
			m.Buttons = append(m.Buttons, Button{ID: "page" + string(rune('a'+i)), Label: ticketing.OneLine(p.Title, 60), Value: pageID(p.ID)})
		}
	}
	m.Buttons = append(m.Buttons, Button{ID: "newpage", Label: "New page…", Value: ticketing.OneLine(name, 200), Opens: true})
	return Answer{Whisper: m}
}

func pageID(id ticketing.PageID) string { return strconv.FormatInt(int64(id), 10) }

// pageList whispers a piece of the list of all pages, last changed first.
func (h *hub) pageList(ctx context.Context, who caller, before ticketing.PagePlace) Answer {
	all, err := h.Desk.Pages(ctx, ticketing.PageQuery{Group: who.group.Name, Before: before, Limit: listed + 1})
	if err != nil {
		return whisper(h.say(err, "page", who))
	}
	m := &Message{Notice: "Pages", Title: "Pages of " + who.group.Title}
	more := len(all) > listed
	all = all[:min(len(all), listed)]
	for _, p := range all {
		title := Span{Text: ticketing.OneLine(p.Title, 120), Strong: true}
		if h.Web != nil {
			title = Span{Text: title.Text, URL: h.Web.Page(p.Group, p.Slug)}
		}
		m.Lines = append(m.Lines, Line{title, {Text: " · "}, {Time: p.Changed}, {Text: " by " + p.Writer.Called()}})
	}
	if len(all) == 0 {
		m.Lines = says("None yet. New page begins one; each contact has one from the beginning.")
	} else {
		m.Footer = Line{{Text: "/" + CommandName + " page NAME", Code: true}, {Text: " shows one."}}
	}
	m.Buttons = []Button{{ID: "newpage", Label: "New page…", Opens: true}}
	if before != (ticketing.PagePlace{}) {
		m.Buttons = append(m.Buttons, Button{ID: "pagesfirst", Label: "From the beginning"})
	}
	if more {
		at := all[len(all)-1].Place()
		m.Buttons = append(m.Buttons, Button{ID: "pagesnext", Label: "Next", Value: pageID(at.ID) + " " + at.Changed.Format(time.RFC3339Nano)})
	}
	return Answer{Whisper: m}
}

func (h *hub) pressPages(ctx context.Context, who caller, c Click, _ int64) Answer {
	n, changed, _ := strings.Cut(c.Value, " ")
	before := ticketing.PagePlace{}
	if at, err := time.Parse(time.RFC3339Nano, changed); err == nil { // else from the beginning
		id, _ := strconv.ParseInt(n, 10, 64)
		before = ticketing.PagePlace{Changed: at, ID: ticketing.PageID(id)}
	}
	return inPlace(c, h.pageList(ctx, who, before))
}

func (h *hub) pressShowPage(ctx context.Context, who caller, c Click, id int64) Answer {
	return inPlace(c, h.showPage(ctx, who, ticketing.PageID(id)))
}

// showPage whispers a page: its text as it was written, and what can be done with it.
func (h *hub) showPage(ctx context.Context, who caller, id ticketing.PageID) Answer {
	p, err := h.Desk.Page(ctx, who.group.Name, id)
	if err != nil {
		return whisper(h.say(err, "page", who))
	}
	m := &Message{
		Notice: p.Title, Title: p.Title, Quote: p.Text,
		Status: Line{{Text: "Written "}, {Time: p.Changed}, {Text: " by " + p.Writer.Called()}},
	}
	if p.Text == "" {
		m.Lines = says("Nothing is written here yet.")
	}
	m.Buttons = []Button{
		{ID: "editpage", Label: "Edit…", Value: pageID(p.ID), Opens: true},
		{ID: "notepage", Label: "Note…", Value: pageID(p.ID), Opens: true},
	}
	if h.Web != nil {
		m.Lines = append(m.Lines, Line{{Text: "Read it on the web", URL: h.Web.Page(p.Group, p.Slug)}, {Text: " · "}, {Text: "History", URL: h.Web.History(p.Group, p.Slug)}})
	}
	return Answer{Whisper: m}
}

func (h *hub) pressNewPage(_ context.Context, who caller, c Click, _ int64) Answer {
	return h.newPageForm(who, c.Value)
}

func (h *hub) newPageForm(who caller, title string) Answer {
	return Answer{Form: &Form{
		Title: "New page", Submit: "Save", State: h.sign(h.state(who, "newpage", 0)),
		Fields: []FormField{
			{Name: "title", Label: "Title", Kind: Short, Value: title, Required: true, Max: 200},
			{Name: "text", Label: "Text", Kind: Long, Help: "Markdown; [[Title]] links another page. More than fits here goes in as notes."},
		},
	}}
}

func (h *hub) submitNewPage(ctx context.Context, who caller, _ formState, v map[string]string) (Answer, error) {
	p, err := h.Desk.NewPage(ctx, who.by, v["title"], v["text"], "")
	if err != nil {
		return Answer{}, err
	}
	return h.showPage(ctx, who, p.ID), nil
}

// pressEditPage opens the form to edit a page, unless its text is more than a form holds.
func (h *hub) pressEditPage(ctx context.Context, who caller, c Click, id int64) Answer {
	p, err := h.Desk.Page(ctx, who.group.Name, ticketing.PageID(id))
	if err != nil {
		return whisper(h.say(err, c.Button, who))
	}
	if n := len([]rune(p.Text)); n > editRoom {
		answer := whisper(fmt.Sprintf("“%s” has %d characters, more than a form holds without cutting it. Add to it by notes.", p.Title, n))
		answer.Whisper.Buttons = []Button{{ID: "notepage", Label: "Note…", Value: pageID(p.ID), Opens: true}}
		return answer
	}
	return Answer{Form: h.editForm(who, p.Page, map[string]string{"title": p.Title, "text": p.Text})}
}

// editForm edits what a page is now; values is what was typed already.
func (h *hub) editForm(who caller, p ticketing.Page, values map[string]string) *Form {
	s := h.state(who, "editpage", 0)
	s.Page, s.Seq = p.ID, int64(p.Revision)
	return &Form{
		Title: "Edit a page", Submit: "Save", State: h.sign(s),
		Fields: []FormField{
			{Name: "title", Label: "Title", Kind: Short, Value: values["title"], Required: true, Max: 200},
			{Name: "text", Label: "Text", Kind: Long, Value: values["text"], Help: "Markdown; [[Title]] links another page."},
			{Name: "why", Label: "What did you change?", Kind: Short, Value: values["why"], Max: 200, Help: "For the history; may be empty."},
		},
	}
}

func (h *hub) submitEditPage(ctx context.Context, who caller, s formState, v map[string]string) (Answer, error) {
	p, err := h.Desk.EditPage(ctx, who.by, s.Page, int(s.Seq), v["title"], v["text"], v["why"])
	if err == nil {
		return h.showPage(ctx, who, p.ID), nil
	}
	var over ticketing.Overtaken
	if !errors.As(err, &over) {
		return Answer{}, err
	}
	_, _, was, err := h.Desk.PageRevision(ctx, who.group.Name, s.Page, int(s.Seq)+1) // was: what the form began with
	if err != nil {
		return Answer{}, err
	}
	// The same form once more, with all that was typed and what became of the page.
	f := h.editForm(who, over.Newest, v)
	f.Intro = []Line{
		{{Text: "⚠ " + over.Text, Strong: true}},
		{{Text: "Nothing was saved yet. Below is what they changed: take over into your text what is to stay of it, then press Save."}},
	}
	f.Quote = difference(was.Text, over.Newest.Text)
	if was.Title != over.Newest.Title {
		f.Intro = append(f.Intro, Line{{Text: "The title is “" + over.Newest.Title + "” now."}})
	}
	return Answer{Form: f}, nil
}

// difference is what became of a text, line by line: − gone, + added.
func difference(before, after string) string {
	lines := func(s string) string { return strings.TrimSuffix(s, "\n") + "\n" }
	before, after = lines(before), lines(after)
	u, err := udiff.ToUnifiedDiff("", "", before, udiff.Strings(before, after), 1)
	if err != nil { // edits that do not fit the text, which cannot be: they are made of it
		return after
	}
	var b strings.Builder
	for i, hunk := range u.Hunks {
		if i > 0 {
			b.WriteString("…\n")
		}
		for _, l := range hunk.Lines {
			b.WriteString(map[udiff.OpKind]string{udiff.Insert: "+ ", udiff.Delete: "− "}[l.Kind] + l.Content)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// runNote adds a note: "PAGE TEXT", "#12 TEXT" to the notes of whom the ticket is with, "here TEXT" in a card's
// thread, or in a form.
func (h *hub) runNote(ctx context.Context, in invoked) Answer {
	if in.rest == "" && in.Root == "" {
		return Answer{Form: h.noteForm(in.caller, "", "")}
	}
	first, rest := word(in.rest)
	if in.Root != "" && strings.EqualFold(first, "here") { // whatever it begins with
		in.rest = ""
		id, _, err := h.ticket(ctx, in)
		if err != nil {
			return whisper(h.say(err, "note", in.caller))
		}
		return h.noteTicket(ctx, in.caller, id, strings.TrimSpace(rest))
	}
	if in.Root != "" || strings.HasPrefix(first, "#") {
		id, text, err := h.ticket(ctx, in)
		if err == nil {
			return h.noteTicket(ctx, in.caller, id, strings.TrimSpace(text))
		}
		if strings.HasPrefix(first, "#") {
			return whisper(h.say(err, "note", in.caller))
		}
	}
	page, text, err := h.pageAndText(ctx, in.caller, in.rest)
	switch {
	case err != nil:
		return whisper(h.say(err, "note", in.caller))
	case page.ID == 0:
		// A contact that is named in passing may be another: a look at the form decides.
		if found, _, err := h.Desk.FindContacts(ctx, in.group.Name, first); err == nil && len(found) == 1 && len([]rune(first)) > 2 {
			return Answer{Form: h.caseForm(in.caller, found[0], strings.TrimSpace(rest), "Is it for the case notes of "+ticketing.OneLine(found[0].Line(), 120)+"?")}
		}
		return Answer{Form: h.noteForm(in.caller, in.rest, "Which page is it for? Its name did not come first, or there is none of that name.")}
	case text == "":
		return Answer{Form: h.pageNoteForm(in.caller, page)}
	}
	if bySlug := strings.HasPrefix(in.rest, page.Slug) && page.Slug != strings.ToLower(page.Title); !bySlug {
		which, err := h.namesakes(ctx, in.caller, page)
		if err != nil {
			return whisper(h.say(err, "note", in.caller))
		}
		if which != "" {
			return Answer{Form: h.noteForm(in.caller, text, which)}
		}
	}
	page, err = h.Desk.AppendNote(ctx, in.by, page.ID, text)
	return h.noted(in.caller, page, err)
}

// pageAndText parts what was typed: a page's name, in quotes or as many words as one has, and the rest.
func (h *hub) pageAndText(ctx context.Context, who caller, typed string) (p ticketing.Page, text string, err error) {
	for quote, end := range map[string]string{`"`: `"`, "“": "”", "„": "“", "«": "»"} {
		if inner, ok := strings.CutPrefix(typed, quote); ok {
			if name, rest, ok := strings.Cut(inner, end); ok {
				found, err := h.Desk.PagesNamed(ctx, who.group.Name, []string{name})
				return found[name], strings.TrimSpace(rest), err
			}
		}
	}
	const most = 12 // words of a name
	var names []string
	for i, r := range typed + " " {
		if unicode.IsSpace(r) && len(names) < most {
			names = append(names, strings.TrimRight(typed[:i], ": "))
		}
	}
	found, err := h.Desk.PagesNamed(ctx, who.group.Name, names)
	if err != nil {
		return p, "", err
	}
	for _, name := range slices.Backward(names) {
		if p, ok := found[name]; ok {
			return p, strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(typed, name), ":")), nil
		}
	}
	return p, "", nil
}

// noteTicket adds a note to the case notes of whom a conversation is with.
func (h *hub) noteTicket(ctx context.Context, who caller, id ticketing.ConversationID, text string) Answer {
	s, err := h.Desk.Conversation(ctx, who.group.Name, who.board.Name, id)
	if err != nil {
		return whisper(h.say(err, "note", who))
	}
	if s.Contact == 0 {
		return Answer{Form: h.noteForm(who, text, ticketing.OneLine(s.With.Called(), 80)+" is no contact yet, and has no case notes. Add the contact in the card's menu, or choose a page for the note.")}
	}
	if text == "" {
		k, err := h.Desk.Contact(ctx, who.group.Name, who.board.Name, s.Contact)
		if err != nil {
			return whisper(h.say(err, "note", who))
		}
		return Answer{Form: h.caseForm(who, k.Contact, "", "For the case notes of "+ticketing.OneLine(k.Line(), 120)+".")}
	}
	p, err := h.Desk.NoteContact(ctx, who.by, s.Contact, text)
	return h.noted(who, p, err)
}

// caseForm asks for a note on a contact's case notes.
func (h *hub) caseForm(who caller, k ticketing.Contact, text, first string) *Form {
	s := h.state(who, "note", 0)
	s.Contact = k.ID
	return h.noteOn(s, text, first)
}

// noteForm asks for a note, and on which page.
func (h *hub) noteForm(who caller, text, first string) *Form {
	f := h.noteOn(h.state(who, "note", 0), text, first)
	page := FormField{Name: "page", Label: "Page", Kind: Short, Required: true, Max: 200, Help: "Its title, or a contact's name."}
	f.Fields = append([]FormField{page}, f.Fields...)
	return f
}

// noteOn asks for a note on what s names.
func (h *hub) noteOn(s formState, text, first string) *Form {
	f := &Form{
		Title: "Note", Submit: "Save", State: h.sign(s),
		Fields: []FormField{{Name: "text", Label: "Note", Kind: Long, Value: text, Required: true}},
	}
	if first != "" {
		f.Intro = says(first)
	}
	return f
}

func (h *hub) pressNotePage(ctx context.Context, who caller, c Click, id int64) Answer {
	p, err := h.Desk.Page(ctx, who.group.Name, ticketing.PageID(id))
	if err != nil {
		return whisper(h.say(err, c.Button, who))
	}
	return Answer{Form: h.pageNoteForm(who, p.Page)}
}

// pageNoteForm asks for a note on a page.
func (h *hub) pageNoteForm(who caller, p ticketing.Page) *Form {
	s := h.state(who, "note", 0)
	s.Page = p.ID
	return h.noteOn(s, "", "For “"+p.Title+"”.")
}

// namesakes asks which of several pages of one title is meant; empty: there is but one.
func (h *hub) namesakes(ctx context.Context, who caller, p ticketing.Page) (which string, err error) {
	all, err := h.Desk.PagesCalled(ctx, who.group.Name, p.Title)
	if err != nil || len(all) < 2 {
		return "", err
	}
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = one.Slug
		if one.Contact == 0 {
			continue
		}
		k, err := h.Desk.Contact(ctx, who.group.Name, who.board.Name, one.Contact)
		if err != nil {
			return "", err
		}
		names[i] += " (" + ticketing.OneLine(strings.Join(append([]string{k.Line()}, k.Addresses...), ", "), 100) + ")"
	}
	return "Several pages are called “" + ticketing.OneLine(p.Title, 60) + "”. Write which: " + strings.Join(names, "; ") + ".", nil
}

func (h *hub) submitNote(ctx context.Context, who caller, s formState, v map[string]string) (Answer, error) {
	var p ticketing.Page
	var err error
	switch {
	case s.Contact != 0:
		p, err = h.Desk.NoteContact(ctx, who.by, s.Contact, v["text"])
	case s.Page != 0:
		p, err = h.Desk.AppendNote(ctx, who.by, s.Page, v["text"])
	default:
		name := unquoted(v["page"])
		found, notFound := h.Desk.PagesNamed(ctx, who.group.Name, []string{name})
		if notFound != nil {
			return Answer{}, notFound
		}
		to, ok := found[name]
		if !ok {
			return Answer{}, h.noPage(ctx, who, name)
		}
		if name != to.Slug {
			which, err := h.namesakes(ctx, who, to)
			if err != nil {
				return Answer{}, err
			}
			if which != "" {
				return Answer{}, ticketing.Refusal{Kind: ticketing.BadInput, Field: "page", Text: which}
			}
		}
		p, err = h.Desk.AppendNote(ctx, who.by, to.ID, v["text"])
	}
	if err != nil {
		return Answer{}, err
	}
	return h.noted(who, p, nil), nil
}

// noPage refuses a name that no page has, and says which it could be.
func (h *hub) noPage(ctx context.Context, who caller, name string) error {
	near, err := h.Desk.PagesLike(ctx, who.group.Name, name, 5)
	if err != nil {
		return err
	}
	no := ticketing.Refusal{Kind: ticketing.NotFound, Field: "page", Text: "There is no page “" + ticketing.OneLine(name, 60) + "”."}
	if len(near) > 0 {
		titles := make([]string, len(near))
		for i, p := range near {
			titles[i] = "“" + ticketing.OneLine(p.Title, 60) + "”"
		}
		no.Text += " There are: " + strings.Join(titles, ", ") + "."
	} else {
		no.Text += " /" + CommandName + " page begins one."
	}
	return no
}

// noted confirms a note.
func (h *hub) noted(who caller, p ticketing.Page, err error) Answer {
	if err != nil {
		return h.told(err, "note", who)
	}
	m := &Message{Notice: "✓ Noted on “" + p.Title + "”.", Lines: says("✓ Noted on “" + p.Title + "”.")}
	if h.Web != nil {
		m.Lines[0] = append(m.Lines[0], Span{Text: " "}, Span{Text: "Read it on the web", URL: h.Web.Page(p.Group, p.Slug)})
	}
	return Answer{Whisper: m}
}

// pages offers titles for a command line: by any of their words, without one those that were changed last.
func (h *hub) pages(ctx context.Context, who caller, typed string) (offers []Completion) {
	const most = 20
	if typed = strings.TrimSpace(typed); typed == "" {
		all, err := h.Desk.Pages(ctx, ticketing.PageQuery{Group: who.group.Name, Limit: most})
		if err != nil {
			return nil
		}
		for _, p := range all {
			offers = append(offers, Completion{Text: p.Title})
		}
		return offers
	}
	all, err := h.Desk.PagesLike(ctx, who.group.Name, typed, most)
	if err != nil {
		return nil
	}
	for _, p := range all {
		offers = append(offers, Completion{Text: p.Title})
	}
	return offers
}
