package bot

import (
	"strings"
	"testing"
	"time"

	"groupmail/ticketing"
)

// places is a web view somewhere.
type places struct{}

func (places) Login(token string) string      { return "https://web.example/in/" + token }
func (places) Page(group, slug string) string { return "https://web.example/" + group + "/" + slug }
func (places) History(group, slug string) string {
	return "https://web.example/" + group + "/" + slug + "/history"
}
func (places) Contact(string, ticketing.ContactID) string { return "https://web.example/contact" }

func links(m *Message) (all []string) {
	for _, l := range m.Lines {
		for _, s := range l {
			if s.URL != "" {
				all = append(all, s.URL)
			}
		}
	}
	return all
}

func TestLogin(t *testing.T) {
	w := newWorld(t, nil)
	if got := said(w.command(0, "login")); !strings.Contains(got, "has no address yet") || !strings.Contains(got, "public = ") {
		t.Errorf("without an address: %s", got)
	}
	w.bot.Web = places{}
	a := w.command(0, "login")
	all := links(a.Whisper)
	if len(all) != 1 || !strings.HasPrefix(all[0], "https://web.example/in/") || a.Whisper.Until.Sub(w.bot.Clock()) < ticketing.LoginLife-time.Minute {
		t.Fatalf("%+v", a.Whisper)
	}
	m, err := w.desk.LoginOf(t.Context(), strings.TrimPrefix(all[0], "https://web.example/in/"))
	if err != nil || m.Name != "Ann" {
		t.Errorf("it is %+v's, %v", m, err)
	}
}

// A page is begun, shown, edited, found by nearly its name, and added to, all from chat.
func TestPagesInChat(t *testing.T) {
	w := newWorld(t, nil)
	w.bot.Web = places{}
	a := w.command(0, "page")
	if got := said(a); !strings.Contains(got, "None yet") {
		t.Error(got)
	}
	form := w.whispered(0, a, "newpage").Form
	if got := w.submit(0, form, map[string]string{"title": " ", "text": "x"}); got.Errors["title"] == "" {
		t.Errorf("a page without title: %+v", got)
	}
	a = w.submit(0, form, map[string]string{"title": "Boiler room", "text": "The key: *second* drawer"})
	if got := said(a); !strings.Contains(got, "Boiler room") || !strings.Contains(got, "The key: *second* drawer") {
		t.Error(got)
	}
	if got := strings.Join(links(a.Whisper), " "); got != "https://web.example/help/boiler-room https://web.example/help/boiler-room/history" {
		t.Error(got)
	}
	if a := w.submit(0, form, map[string]string{"title": "Boiler room", "text": "x"}); !strings.Contains(said(a), "already sent") {
		t.Errorf("sent twice: %+v", a)
	}
	a = w.command(1, "page boiler ROOM")
	form = w.whispered(1, a, "editpage").Form
	if form == nil || form.Fields[1].Value != "The key: *second* drawer" {
		t.Fatalf("%+v", form)
	}
	a = w.submit(1, form, map[string]string{"text": "The key: first drawer", "why": "moved"})
	if got := said(a); !strings.Contains(got, "first drawer") || !strings.Contains(got, "by Ben") {
		t.Error(got)
	}
	a = w.command(0, "page boler")
	if got := said(a); !strings.Contains(got, "Did you mean one of these?") {
		t.Error(got)
	}
	if got := said(w.whispered(0, a, "pagea")); !strings.Contains(got, "first drawer") {
		t.Error(got)
	}
	form = w.whispered(0, w.command(0, "page Opening hours"), "newpage").Form
	if form.Fields[0].Value != "Opening hours" {
		t.Errorf("%+v", form)
	}
	w.submit(0, form, nil)

	for typed, page := range map[string]string{
		"note boiler room the plumber comes":     "Boiler room",
		"note boiler-room: the plumber comes":    "Boiler room",
		`note "Opening hours" the plumber comes`: "Opening hours",
		"note “boiler room” the plumber comes":   "Boiler room",
	} {
		if got := said(w.command(0, typed)); !strings.Contains(got, "✓ Noted on “"+page+"”") {
			t.Errorf("%s: %s", typed, got)
		}
	}
	p, err := w.desk.PageNamed(t.Context(), "help", "boiler-room")
	if err != nil || strings.Count(p.Text, "\n\nthe plumber comes") != 3 || p.Revision != 5 {
		t.Errorf("%+v, %v", p, err)
	}
	form = w.command(0, "note nothing of that name").Form
	if form == nil || form.Fields[1].Value != "nothing of that name" {
		t.Fatalf("what was typed is lost: %+v", form)
	}
	if a := w.submit(0, form, map[string]string{"page": "boler"}); !strings.Contains(a.Errors["page"], "There are: “Boiler room”") {
		t.Errorf("%+v", a)
	}
	if got := said(w.submit(0, form, map[string]string{"page": "Boiler room"})); !strings.Contains(got, "✓ Noted") {
		t.Error(got)
	}
	form = w.command(0, "note boiler room").Form
	if form == nil || form.Fields[0].Name != "text" || !strings.Contains(text(Message{Lines: form.Intro}), "For “Boiler room”.") {
		t.Errorf("%+v", form)
	}
	if form = w.command(0, "note").Form; form == nil || len(form.Fields) != 2 {
		t.Errorf("%+v", form)
	}
	form = w.whispered(0, w.command(0, "page boiler room"), "notepage").Form
	if got := said(w.submit(0, form, map[string]string{"text": "by the button"})); !strings.Contains(got, "✓ Noted on “Boiler room”") {
		t.Error(got)
	}
}

// Two edit at once: the second sees what the first changed, and keeps all that they typed.
func TestEditedByTwo(t *testing.T) {
	w := newWorld(t, nil)
	_, err := w.desk.NewPage(t.Context(), ticketing.By{Member: ticketing.Member{ID: "x:ann", Name: "Ann"}, Group: "help"}, "Boiler", "one\ntwo\nthree", "")
	if err != nil {
		t.Fatal(err)
	}
	first, second := w.whispered(0, w.command(0, "page boiler"), "editpage").Form, w.whispered(1, w.command(1, "page boiler"), "editpage").Form
	w.submit(0, first, map[string]string{"text": "one\n2\nthree", "title": "Cellar"})
	a := w.submit(1, second, map[string]string{"text": "one\ntwo\nthree\nfour", "why": "more"})
	if a.Form == nil || a.Form.Fields[1].Value != "one\ntwo\nthree\nfour" || a.Form.Fields[2].Value != "more" {
		t.Fatalf("%+v", a)
	}
	if want := "one\n− two\n+ 2\nthree"; a.Form.Quote != want {
		t.Errorf("%q, want %q", a.Form.Quote, want)
	}
	intro := ""
	for _, l := range a.Form.Intro {
		intro += l[0].Text + "\n"
	}
	if !strings.Contains(intro, "Ann changed “Cellar”") || !strings.Contains(intro, "“Cellar” now") || !strings.Contains(intro, "Nothing was saved yet") {
		t.Error(intro)
	}
	if got := said(w.submit(1, a.Form, map[string]string{"text": "one\n2\nthree\nfour"})); !strings.Contains(got, "one\n2\nthree\nfour") {
		t.Error(got)
	}
	p, err := w.desk.PageNamed(t.Context(), "help", "boiler")
	if err != nil || p.Revision != 3 || p.Text != "one\n2\nthree\nfour" {
		t.Errorf("%+v, %v", p, err)
	}
}

// What a form cannot hold is never cut.
func TestLongPagesTakeNotes(t *testing.T) {
	w := newWorld(t, nil)
	long := strings.Repeat("word ", 1000)
	_, err := w.desk.NewPage(t.Context(), ticketing.By{Member: ticketing.Member{ID: "x:ann", Name: "Ann"}, Group: "help"}, "Long", long, "")
	if err != nil {
		t.Fatal(err)
	}
	a := w.whispered(0, w.command(0, "page long"), "editpage")
	if a.Form != nil || !strings.Contains(said(a), "more than a form holds") {
		t.Fatalf("%+v", a)
	}
	w.submit(0, w.whispered(0, a, "notepage").Form, map[string]string{"text": "short"})
	p, err := w.desk.PageNamed(t.Context(), "help", "long")
	if err != nil || !strings.HasPrefix(p.Text, strings.TrimSpace(long)) || !strings.HasSuffix(p.Text, "short") {
		t.Errorf("%d characters, %v", len(p.Text), err)
	}
}

// A note on a ticket goes to the case notes of whom it is with.
func TestCaseNotesFromATicket(t *testing.T) {
	w := newWorld(t, nil)
	w.bot.Web = places{}
	w.arrives("Heating broken", "It is cold.")
	card := w.card("Heating broken")
	w.click(0, card, "take")
	form := w.command(0, "note #1 she phoned").Form
	if form == nil || form.Fields[1].Value != "she phoned" || !strings.Contains(form.Intro[0][0].Text, "no contact yet") {
		t.Fatalf("%+v", form)
	}
	w.submit(0, w.click(0, card, "addcontact").Form, map[string]string{"name": "Maria Kovács"})
	if got := said(w.command(0, "note #1 she phoned")); !strings.Contains(got, "✓ Noted on “Maria Kovács”") {
		t.Error(got)
	}
	in := func(text string) Answer {
		w.n++
		return w.chat.hub.Command(t.Context(), Command{Event: "thread" + text, Who: people[0], Channel: "board", Root: card.id, Name: "mail", Text: text})
	}
	for _, text := range []string{"note in the thread", "note here #1 is what it begins with"} {
		if got := said(in(text)); !strings.Contains(got, "✓ Noted on “Maria Kovács”") {
			t.Errorf("%s: %s", text, got)
		}
	}
	form = in("note").Form
	if form == nil || len(form.Fields) != 1 {
		t.Fatalf("%+v", form)
	}
	w.submit(0, form, map[string]string{"text": "by the form"})
	if got := said(w.command(0, "note #9 x")); !strings.Contains(got, "no ticket #9") {
		t.Error(got)
	}
	p, err := w.desk.PageNamed(t.Context(), "help", "Maria Kovács")
	if err != nil {
		t.Fatal(err)
	}
	for _, note := range []string{"\n\nshe phoned", "\n\nin the thread", "\n\n#1 is what it begins with", "\n\nby the form"} {
		if !strings.Contains(p.Text, note) {
			t.Errorf("no %q in %q", note, p.Text)
		}
	}
}

func TestPagesAreListedInPieces(t *testing.T) {
	w := newWorld(t, nil)
	by := ticketing.By{Member: ticketing.Member{ID: "x:ann", Name: "Ann"}, Group: "help"}
	for i := range listed + 3 {
		if _, err := w.desk.NewPage(t.Context(), by, "Page "+string(rune('A'+i)), "", ""); err != nil {
			t.Fatal(err)
		}
	}
	a := w.command(0, "page")
	first := said(a)
	next := w.whispered(0, a, "pagesnext")
	second := said(next)
	for i := range listed + 3 {
		title := "Page " + string(rune('A'+i))
		if n := strings.Count(first, title) + strings.Count(second, title); n != 1 {
			t.Errorf("%s stands %d times", title, n)
		}
	}
	if back := said(w.whispered(0, next, "pagesfirst")); back != first {
		t.Errorf("%s\nis not\n%s", back, first)
	}
}

func TestPagesAreOffered(t *testing.T) {
	w := newWorld(t, nil)
	for _, title := range []string{"Boiler room", "House rules", "Room plan"} {
		if _, err := w.desk.NewPage(t.Context(), ticketing.By{Member: ticketing.Member{ID: "x:ann"}, Group: "help"}, title, "text", ""); err != nil {
			t.Fatal(err)
		}
	}
	for typed, want := range map[string]string{
		"page ":        "page Room plan, page House rules, page Boiler room",
		"page ROOM":    "page Room plan, page Boiler room",
		"note boil ro": "note Boiler room",
		"note nothing": "",
	} {
		var got []string
		for _, o := range w.chat.hub.Complete(t.Context(), Command{Who: people[0], Channel: "board", Name: "mail", Text: typed}) {
			got = append(got, o.Text)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("after %q were offered %q", typed, got)
		}
	}
}

// A note goes to whom it is meant for, though two are called the same, or a contact is called otherwise by now.
func TestNotesOfNamesakes(t *testing.T) {
	w := newWorld(t, nil)
	ann := ticketing.By{Member: ticketing.Member{ID: "x:ann"}, Group: "help"}
	add := func(organisation string) ticketing.Contact {
		k, err := w.desk.AddContact(t.Context(), ann, ticketing.ContactInput{Name: "Maria Kovacs", Organisation: organisation, Addresses: []string{"maria@" + strings.ToLower(organisation) + ".example"}}, 0)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	a, b := add("A"), add("B")
	notes := func(k ticketing.Contact) string {
		f, err := w.desk.ContactFile(t.Context(), "help", "", k.ID, 0, 10)
		if err != nil || len(f.Notes) != 1 {
			t.Fatal(f.Notes, err)
		}
		return f.Notes[0].Text
	}
	answer := w.command(0, "note maria@a.example is ill")
	if answer.Form == nil || !strings.Contains(text(Message{Lines: answer.Form.Intro}), "Maria Kovacs, A") {
		t.Fatalf("%+v", answer)
	}
	w.submit(0, answer.Form, map[string]string{"text": "is ill"})
	if !strings.Contains(notes(a), "is ill") || notes(b) != "" {
		t.Errorf("A: %q, B: %q", notes(a), notes(b))
	}
	answer = w.command(0, "note Maria Kovacs: prefers mornings")
	if answer.Form == nil || !strings.Contains(text(Message{Lines: answer.Form.Intro}), "maria-kovacs-2 (Maria Kovacs, B, maria@b.example)") {
		t.Fatalf("%s", said(answer))
	}
	if refused := w.submit(0, answer.Form, map[string]string{"page": "Maria Kovacs", "text": "prefers mornings"}); !strings.Contains(refused.Errors["page"], "Several pages") {
		t.Errorf("%+v", refused)
	}
	w.submit(0, answer.Form, map[string]string{"page": "maria-kovacs-2", "text": "prefers mornings"})
	w.command(0, "note maria-kovacs-2 and evenings")
	if got := notes(b); !strings.Contains(got, "prefers mornings") || !strings.Contains(got, "and evenings") || strings.Contains(notes(a), "mornings") {
		t.Errorf("A: %q, B: %q", notes(a), got)
	}

	if _, err := w.desk.EditContact(t.Context(), ann, a.ID, a.Version, ticketing.ContactInput{Name: "Maria Szabo", Addresses: a.Addresses}); err != nil {
		t.Fatal(err)
	}
	w.command(0, "note Maria Szabo: has married")
	if got := notes(a); !strings.Contains(got, "has married") {
		t.Errorf("A: %q", got)
	}
}
