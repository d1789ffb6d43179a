package bot

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"groupmail/ticketing"
)

// knownAs says on a card whom it is with, and why that is thought: what fails authentication only
// claims to be.
func knownAs(dr ticketing.Drawing) []Line {
	c := dr.Conversation
	called := func(k ticketing.Contact) Span { return Span{Text: ticketing.OneLine(k.Line(), 120), Strong: true} }
	who := dr.Known
	if who.ID == 0 {
		who = dr.Perhaps
	}
	switch {
	case who.ID == 0 && c.Proof == ticketing.Forged:
		return []Line{forged(dr.First, true)}
	case who.ID == 0:
		return nil
	case c.Proof == ticketing.Forged:
		return []Line{{{Text: "⚠ Claims to be "}, called(who), {Text: ", and fails authentication: somebody else may have written this."}}}
	case dr.Known.ID == 0:
		return []Line{{{Text: "☺ Perhaps "}, called(who), {Text: ", whose name is in the text."}}}
	}
	why := ""
	switch by := ticketing.OneLine(c.Matched, 80); c.Match {
	case ticketing.AddressMatch:
		why = "by the address"
	case ticketing.DomainMatch:
		why = "by the domain " + by
	case ticketing.NumberMatch:
		why = "by the number " + by
	case ticketing.ByHand:
		why = "somebody of the team said so"
	}
	if c.Match != ticketing.ByHand && c.Mailbox != "" {
		if c.Proof == ticketing.Proved {
			why += ", verified"
		} else {
			why += ", unverified"
		}
	}
	return []Line{{{Text: "☺ Known: "}, called(who), {Text: " · " + why}}}
}

// forged says that a mail only claims to be from whom it says: the first, or one that came later.
func forged(m ticketing.Mail, first bool) Line {
	text := "⚠ Claims to be from " + ticketing.OneLine(m.From.String(), 120) + ", and fails authentication: somebody else may have written this."
	if !first {
		text += " It gets no answer unless you add its address."
	}
	return Line{{Text: text}}
}

// contactItems are what a card's menu offers about whom it is with.
func contactItems(dr ticketing.Drawing) []Button {
	v := id(dr.Conversation)
	add := Button{ID: "addcontact", Label: "Add contact…", Value: v, Opens: true}
	wrong := Button{ID: "wrongperson", Label: "Wrong person…", Value: v, Opens: true}
	switch {
	case dr.Known.ID != 0 && dr.Conversation.Match == ticketing.DomainMatch: // it may be one of many there
		return []Button{{ID: "contact", Label: "Contact", Value: contactID(dr.Known.ID)}, add, wrong}
	case dr.Known.ID != 0:
		return []Button{{ID: "contact", Label: "Contact", Value: contactID(dr.Known.ID)}, wrong}
	case dr.Perhaps.ID != 0:
		return []Button{add, wrong}
	}
	return []Button{add}
}

func contactID(id ticketing.ContactID) string { return strconv.FormatInt(int64(id), 10) }

// runContact shows somebody, lists everybody, or, as "contact add NAME", opens the form for a new one.
func (h *hub) runContact(ctx context.Context, in invoked) Answer {
	rest := unquoted(in.rest)
	if rest == "" {
		return h.contactList(ctx, in.caller, ticketing.ContactPlace{})
	}
	if first, name := word(rest); strings.EqualFold(first, "add") {
		return h.contactForm(in.caller, 0, named(name))
	}
	c, answer := h.oneContact(ctx, in.caller, rest)
	if answer != nil {
		return *answer
	}
	return h.showContact(ctx, in.caller, c.ID)
}

// unquoted is an argument without the quotes that people put around names.
func unquoted(s string) string { return strings.Trim(strings.TrimSpace(s), `"'“”„«»`) }

// named begins a contact with what was typed behind "add": words, and addresses among them.
func named(text string) ticketing.ContactInput {
	var in ticketing.ContactInput
	var words []string
	for w := range strings.FieldsSeq(text) {
		if a := strings.Trim(w, "<>,;"); strings.Contains(a, "@") {
			in.Addresses = append(in.Addresses, a)
		} else {
			words = append(words, w)
		}
	}
	in.Name = unquoted(strings.Join(words, " "))
	return in
}

// oneContact finds who is meant, or answers with whom it could be.
func (h *hub) oneContact(ctx context.Context, who caller, text string) (ticketing.Contact, *Answer) {
	found, near, err := h.Desk.FindContacts(ctx, who.group.Name, text)
	switch {
	case err != nil:
		return ticketing.Contact{}, &Answer{Whisper: whisper(h.say(err, "contact", who)).Whisper}
	case len(found) == 1:
		return found[0], nil
	}
	m := &Message{}
	said := "“" + ticketing.OneLine(text, 60) + "”"
	switch {
	case len(found) > 0:
		m.Notice = "There are several like " + said + ". Say more of the name, or an address:"
		m.Lines = append(says(m.Notice), contactLines(found)...)
	case len(near) > 0:
		m.Notice = "There is no " + said + ". Did you mean one of these?"
		m.Lines = append(says(m.Notice), contactLines(near)...)
	default:
		m.Notice = "There is no contact " + said + "."
		m.Lines = append(says(m.Notice), Line{{Text: "/" + CommandName + " contact add " + ticketing.OneLine(text, 60), Code: true}, {Text: " adds them."}})
	}
	return ticketing.Contact{}, &Answer{Whisper: m}
}

// says is one plain line.
func says(text string) []Line { return []Line{{{Text: text}}} }

func contactLines(all []ticketing.Contact) (lines []Line) {
	for _, c := range all {
		l := Line{{Text: "☺ "}, {Text: ticketing.OneLine(c.Line(), 120), Strong: true}}
		if how := slices.Concat(c.Addresses, c.Phones, c.Numbers); len(how) > 0 {
			l = append(l, Span{Text: " · " + ticketing.OneLine(strings.Join(how, ", "), 150)})
		}
		lines = append(lines, l)
	}
	return lines
}

// contactList whispers a page of all contacts.
func (h *hub) contactList(ctx context.Context, who caller, after ticketing.ContactPlace) Answer {
	all, more, err := h.Desk.Contacts(ctx, ticketing.ContactQuery{Group: who.group.Name, After: after, Limit: listed})
	if err != nil {
		return whisper(h.say(err, "contact", who))
	}
	m := &Message{Notice: "Contacts", Title: "Contacts of " + who.group.Title, Lines: contactLines(all)}
	if len(all) == 0 {
		m.Lines = says("None yet. A card's menu adds who wrote, and New contact anybody else.")
	} else {
		m.Footer = Line{{Text: "/" + CommandName + " contact NAME", Code: true}, {Text: " shows one: by name, address or number."}}
	}
	m.Buttons = []Button{{ID: "newcontact", Label: "New contact…", Opens: true}}
	if after != (ticketing.ContactPlace{}) {
		m.Buttons = append(m.Buttons, Button{ID: "contactsfirst", Label: "From the beginning"})
	}
	if more {
		last := all[len(all)-1]
		m.Buttons = append(m.Buttons, Button{ID: "contactsnext", Label: "Next", Value: contactID(last.ID) + " " + ticketing.OneLine(last.Name, 200)})
	}
	return Answer{Whisper: m}
}

func (h *hub) pressContacts(ctx context.Context, who caller, c Click, _ int64) Answer {
	at, name, _ := strings.Cut(c.Value, " ")
	n, _ := strconv.ParseInt(at, 10, 64) // without a number: from the beginning
	return inPlace(c, h.contactList(ctx, who, ticketing.ContactPlace{Name: name, ID: ticketing.ContactID(n)}))
}

func (h *hub) pressContact(ctx context.Context, who caller, _ Click, id int64) Answer {
	return h.showContact(ctx, who, ticketing.ContactID(id))
}

// unmerges are the buttons that part a contact again from those merged into it: each needs an ID of its own.
var unmerges = []string{"unmerge", "unmergeb", "unmergec", "unmerged"}

func (h *hub) showContact(ctx context.Context, who caller, id ticketing.ContactID) Answer {
	k, err := h.Desk.Contact(ctx, who.group.Name, who.board.Name, id)
	if err != nil {
		return whisper(h.say(err, "contact", who))
	}
	m := &Message{Notice: k.Line(), Title: ticketing.OneLine(k.Line(), 200)}
	line := func(mark string, all []string) {
		if len(all) > 0 {
			m.Lines = append(m.Lines, Line{{Text: mark + ticketing.OneLine(strings.Join(all, ", "), 500)}})
		}
	}
	line("✉ ", k.Addresses)
	line("☎ ", k.Phones)
	line("№ ", k.Numbers)
	v := contactID(k.ID)
	watch := Button{ID: "watch", Label: "Watch", Value: v}
	if k.Watches(who.by.Member.ID) {
		watch = Button{ID: "unwatch", Label: "Don’t watch", Value: v}
	}
	menu := []Button{{ID: "newto", Label: "Write to them…", Value: v, Opens: true}, {ID: "todofor", Label: "To-do…", Value: v, Opens: true}, {ID: "ticketwith", Label: "New ticket…", Value: v, Opens: true}, {ID: "merge", Label: "Merge…", Value: v, Opens: true}}
	for i, other := range k.Merged {
		m.Lines = append(m.Lines, Line{{Text: "＋ " + ticketing.OneLine(other.Line(), 150) + ", merged"}})
		line("   ✉ ", other.Addresses)
		if i < len(unmerges) {
			menu = append(menu, Button{ID: unmerges[i], Label: ticketing.OneLine("Undo: part from "+other.Name, 60), Value: contactID(other.ID),
				Confirm: "Part them again? Each has then what was its own."})
		}
	}
	if len(k.Watchers) > 0 {
		names := make([]string, len(k.Watchers))
		for i, w := range k.Watchers {
			names[i] = w.Called()
		}
		line("👁 watched by ", names)
	}
	if len(k.Open) > 0 {
		m.Lines = append(m.Lines, Line{{Text: "Open:", Strong: true}})
		m.Lines = append(m.Lines, h.listLines(k.Open, true)...)
	}
	todos, err := h.Desk.TodosOf(ctx, who.group.Name, who.board.Name, k.ID)
	if err != nil {
		return whisper(h.say(err, "contact", who))
	}
	if len(todos) > 0 {
		m.Lines = append(append(m.Lines, Line{{Text: "To do:", Strong: true}}), h.todoLines(todos, true)...)
	}
	const last = 5
	for _, e := range k.Log[:min(len(k.Log), last)] {
		m.Lines = append(m.Lines, Line{{Time: e.At}, {Text: " " + e.Words(k.Named)}})
	}
	if h.Web != nil {
		m.Lines = append(m.Lines, Line{{Text: "Case notes, mail and tickets on the web", URL: h.Web.Contact(k.Group, k.ID)}})
	}
	m.Buttons = []Button{{ID: "editcontact", Label: "Edit…", Value: v, Opens: true}, watch, {Label: "More…", Menu: menu}}
	return Answer{Whisper: m}
}

func watching(watches bool) func(h *hub, ctx context.Context, who caller, c Click, id int64) Answer {
	return func(h *hub, ctx context.Context, who caller, c Click, id int64) Answer {
		if _, err := h.Desk.Watch(ctx, who.by, ticketing.ContactID(id), watches); err != nil {
			return h.told(err, c.Button, who)
		}
		return inPlace(c, h.showContact(ctx, who, ticketing.ContactID(id)))
	}
}

// runWatch turns it on, or off again.
func (h *hub) runWatch(ctx context.Context, in invoked) Answer {
	text := unquoted(in.rest)
	if text == "" {
		return Answer{Form: &Form{
			Title: "Watch a contact", Submit: "Watch", State: h.sign(h.state(in.caller, "watch", 0)),
			Intro:  says("You are told by direct message when they write. The same again ends it."),
			Fields: []FormField{{Name: "name", Label: "Whom?", Kind: Short, Required: true, Help: "A name, an address or a number."}},
		}}
	}
	c, answer := h.oneContact(ctx, in.caller, text)
	if answer != nil {
		return *answer
	}
	k, err := h.Desk.Contact(ctx, in.group.Name, in.board.Name, c.ID)
	if err == nil {
		_, err = h.Desk.Watch(ctx, in.by, c.ID, !k.Watches(in.by.Member.ID))
	}
	switch {
	case err != nil:
		return h.told(err, "watch", in.caller)
	case k.Watches(in.by.Member.ID):
		return whisper("✓ You are no longer told when " + c.Name + " writes.")
	}
	return whisper("✓ You are told by direct message when " + c.Name + " writes.")
}

func (h *hub) submitWatch(ctx context.Context, who caller, _ formState, v map[string]string) (Answer, error) {
	return h.runWatch(ctx, invoked{caller: who, rest: v["name"]}), nil
}

func (h *hub) pressUnmerge(ctx context.Context, who caller, c Click, id int64) Answer {
	part, err := h.Desk.UnmergeContact(ctx, who.by, ticketing.ContactID(id))
	if err != nil {
		return h.told(err, c.Button, who)
	}
	return inPlace(c, h.showContact(ctx, who, part.ID))
}

// contactForm asks for what is known of somebody; about is the conversation that it is filled in for.
func (h *hub) contactForm(who caller, about ticketing.ConversationID, in ticketing.ContactInput) Answer {
	f := &Form{
		Title: "New contact", Submit: "Save", State: h.sign(h.state(who, "contact", about)), Fields: contactFields(in),
	}
	if about != 0 {
		f.Title = "Who is this?"
		f.Fields = append(f.Fields, FormField{
			Name: "existing", Label: "Or: known already as", Kind: Short,
			Help: "A contact's name, address or number: then this address becomes one of theirs, and what stands above is not used.",
		})
	}
	return Answer{Form: f}
}

func contactFields(in ticketing.ContactInput) []FormField {
	return []FormField{
		{Name: "name", Label: "Name", Kind: Short, Value: in.Name, Max: 200},
		{Name: "organisation", Label: "Organisation", Kind: Short, Value: in.Organisation, Max: 200},
		{Name: "addresses", Label: "Mail addresses", Kind: Long, Value: strings.Join(in.Addresses, "\n"), Help: "One a line; @example.net stands for everybody there."},
		{Name: "phones", Label: "Phones", Kind: Short, Value: strings.Join(in.Phones, ", "), Help: "Several: commas between them."},
		{Name: "numbers", Label: "Reference numbers", Kind: Short, Value: strings.Join(in.Numbers, ", "), Help: "Of a customer, a membership, a case; commas between them."},
	}
}

func typedContact(v map[string]string) ticketing.ContactInput {
	cut := func(field, at string) []string {
		return slices.DeleteFunc(strings.FieldsFunc(v[field], func(r rune) bool { return strings.ContainsRune(at, r) }),
			func(s string) bool { return strings.TrimSpace(s) == "" })
	}
	return ticketing.ContactInput{
		Name: v["name"], Organisation: v["organisation"], Addresses: cut("addresses", "\n,; \t"),
		Phones: cut("phones", ",;\n"), Numbers: cut("numbers", ",;\n"),
	}
}

func (h *hub) pressNewContact(_ context.Context, who caller, _ Click, _ int64) Answer {
	return h.contactForm(who, 0, ticketing.ContactInput{})
}

// pressAddContact asks who wrote: filled in with what the mail says.
func (h *hub) pressAddContact(ctx context.Context, who caller, c Click, id int64) Answer {
	s, err := h.Desk.Conversation(ctx, who.group.Name, who.board.Name, ticketing.ConversationID(id))
	if err != nil {
		return whisper(h.say(err, c.Button, who))
	}
	in := ticketing.ContactInput{Name: ticketing.OneLine(s.With.Name, 200)}
	if in.Name == "" {
		in.Name, _, _ = strings.Cut(s.With.Addr, "@")
	}
	if s.With.Addr != "" {
		in.Addresses = []string{s.With.Addr}
	}
	answer := h.contactForm(who, s.ID, in)
	if s.Perhaps != 0 {
		if k, err := h.Desk.Contact(ctx, who.group.Name, who.board.Name, s.Perhaps); err == nil {
			answer.Form.Fields[len(answer.Form.Fields)-1].Value = k.Name
		}
	}
	answer.Form.Intro = []Line{{{Text: ticketing.OneLine(s.With.String(), 120) + ": "}, {Text: ticketing.OneLine(s.Subject, 150), Strong: true}}}
	if s.Proof == ticketing.Forged {
		answer.Form.Intro = append(answer.Form.Intro, Line{{Text: "⚠ This mail fails authentication: somebody else may have written it. Its address is not kept."}})
	}
	return answer
}

func (h *hub) submitContact(ctx context.Context, who caller, s formState, v map[string]string) (Answer, error) {
	if existing := unquoted(v["existing"]); existing != "" && s.About != 0 {
		found, near, err := h.Desk.FindContacts(ctx, who.group.Name, existing)
		if err != nil {
			return Answer{}, err
		}
		if len(found) != 1 {
			return Answer{}, ticketing.Refusal{Kind: ticketing.NotFound, Field: "existing", Text: whichContact(existing, found, near, "Leave it empty to add a new one.")}
		}
		c, err := h.Desk.AttachContact(ctx, who.by, s.About, found[0].ID)
		if err != nil {
			return Answer{}, err
		}
		return whisper("✓ This is with " + c.Line() + "."), nil
	}
	c, err := h.Desk.AddContact(ctx, who.by, typedContact(v), s.About)
	if err != nil {
		return Answer{}, err
	}
	return h.showContact(ctx, who, c.ID), nil
}

// whichContact asks for a better name.
func whichContact(text string, found, near []ticketing.Contact, otherwise string) string {
	said := "“" + ticketing.OneLine(text, 40) + "”"
	list := func(all []ticketing.Contact) string {
		names := make([]string, len(all))
		for i, c := range all {
			names[i] = c.Line()
			if len(c.Addresses) > 0 {
				names[i] += " (" + c.Addresses[0] + ")"
			}
		}
		return ticketing.OneLine(strings.Join(names, "; "), 600)
	}
	switch {
	case len(found) > 0:
		return "There are several like " + said + ": " + list(found) + ". Write an address."
	case len(near) > 0:
		return "There is no contact " + said + ". Did you mean: " + list(near) + "?"
	}
	return strings.TrimSpace("There is no contact " + said + ". " + otherwise)
}

// pressEditContact opens what is written down of somebody.
func (h *hub) pressEditContact(ctx context.Context, who caller, c Click, id int64) Answer {
	k, err := h.Desk.Contact(ctx, who.group.Name, who.board.Name, ticketing.ContactID(id))
	if err != nil {
		return whisper(h.say(err, c.Button, who))
	}
	s := h.state(who, "editcontact", 0)
	s.Contact, s.Seq = k.ID, int64(k.Version)
	in := ticketing.ContactInput{Name: k.Name, Organisation: k.Organisation, Addresses: k.Addresses, Phones: k.Phones, Numbers: k.Numbers}
	for _, all := range []string{strings.Join(in.Addresses, "\n"), strings.Join(in.Phones, ", "), strings.Join(in.Numbers, ", ")} {
		if len(all) > addressRoom {
			return whisper(fmt.Sprintf("%s has more addresses or numbers than a form can show, and none is to be dropped unseen. Merge them into several contacts.", k.Name))
		}
	}
	return Answer{Form: &Form{Title: "Edit contact", Submit: "Save", State: h.sign(s), Fields: contactFields(in)}}
}

func (h *hub) submitEditContact(ctx context.Context, who caller, s formState, v map[string]string) (Answer, error) {
	c, err := h.Desk.EditContact(ctx, who.by, s.Contact, int(s.Seq), typedContact(v))
	if err != nil {
		return Answer{}, err
	}
	return h.showContact(ctx, who, c.ID), nil
}

func (h *hub) pressMerge(ctx context.Context, who caller, c Click, id int64) Answer {
	k, err := h.Desk.Contact(ctx, who.group.Name, who.board.Name, ticketing.ContactID(id))
	if err != nil {
		return whisper(h.say(err, c.Button, who))
	}
	s := h.state(who, "merge", 0)
	s.Contact = k.ID
	return Answer{Form: &Form{
		Title: "Merge contacts", Submit: "Merge", State: h.sign(s),
		Intro:  []Line{{{Text: ticketing.OneLine(k.Line(), 150), Strong: true}, {Text: " and all that is theirs becomes part of another contact. It can be undone from there."}}},
		Fields: []FormField{{Name: "into", Label: "Into whom?", Kind: Short, Required: true, Help: "A name, an address or a number."}},
	}}
}

func (h *hub) submitMerge(ctx context.Context, who caller, s formState, v map[string]string) (Answer, error) {
	into := unquoted(v["into"])
	found, near, err := h.Desk.FindContacts(ctx, who.group.Name, into)
	if err != nil {
		return Answer{}, err
	}
	if others := slices.DeleteFunc(slices.Clone(found), func(c ticketing.Contact) bool { return c.ID == s.Contact }); len(others) == 1 {
		found = others // two of one name: the other is meant
	}
	if len(found) != 1 {
		return Answer{}, ticketing.Refusal{Kind: ticketing.NotFound, Field: "into", Text: whichContact(into, found, near, "")}
	}
	c, err := h.Desk.MergeContacts(ctx, who.by, s.Contact, found[0].ID)
	if err != nil {
		return Answer{}, err
	}
	return h.showContact(ctx, who, c.ID), nil
}

func (h *hub) pressWrongPerson(ctx context.Context, who caller, c Click, id int64) Answer {
	s, err := h.Desk.Conversation(ctx, who.group.Name, who.board.Name, ticketing.ConversationID(id))
	if err != nil {
		return whisper(h.say(err, c.Button, who))
	}
	f := &Form{
		Title: "Wrong person", Submit: "Not them", State: h.sign(h.state(who, "wrongperson", s.ID)),
		Intro: []Line{{{Text: ticketing.OneLine(s.With.String(), 120) + ": "}, {Text: ticketing.OneLine(s.Subject, 150), Strong: true}}},
	}
	named := max(s.Contact, s.Perhaps)
	if named == 0 {
		return Answer{Form: f}
	}
	k, err := h.Desk.Contact(ctx, who.group.Name, who.board.Name, named)
	if err != nil {
		return whisper(h.say(err, c.Button, who))
	}
	f.Intro = append(f.Intro, says("It is not from "+ticketing.OneLine(k.Line(), 120)+".")...)
	if s.Contact == 0 || s.Proof == ticketing.Forged {
		return Answer{Form: f}
	}
	if slices.ContainsFunc(append(k.Merged, k.Contact), func(one ticketing.Contact) bool { return one.Has(s.With) }) {
		f.Fields = []FormField{{Name: "forget", Label: "Take the address off", Kind: Check, Help: ticketing.OneLine(s.With.Addr, 60) + " is no longer the contact’s: nothing else from there is taken for them, either."}}
	}
	return Answer{Form: f}
}

func (h *hub) submitWrongPerson(ctx context.Context, who caller, s formState, v map[string]string) (Answer, error) {
	if err := h.Desk.WrongPerson(ctx, who.by, s.About, v["forget"] != ""); err != nil {
		return Answer{}, err
	}
	return whisper("✓ The card no longer says who it is. Add contact in its menu says it anew."), nil
}

// contacts offers names for a command line.
func (h *hub) contacts(ctx context.Context, who caller, typed string) []Completion {
	all, _, err := h.Desk.Contacts(ctx, ticketing.ContactQuery{Group: who.group.Name, Like: typed, Limit: 20})
	if err != nil {
		return nil
	}
	offers := make([]Completion, len(all))
	for i, c := range all {
		offers[i] = Completion{Text: c.Name, Hint: ticketing.OneLine(strings.Join(append([]string{c.Organisation}, c.Addresses...), " "), 60)}
	}
	return offers
}
