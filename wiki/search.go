package wiki

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"groupmail/ticketing"
)

// searchPage is a search with what was asked, as it was asked.
type searchPage struct {
	Asked    map[string]string // the fields of the form
	Refused  string            // why it cannot be carried out
	Filtered bool              // by more than words
	Looked   bool
	Known    []hitLine
	Mails    []hitLine
	Further  string
	Help     string
	Also     []also // the same in other teams of the visitor's
}

type also struct{ Label, Path string }

// hitLine is something that was found, and where it is to be read.
type hitLine struct {
	ticketing.Hit
	Line ticketLine // of mail and matters
	Path string
}

// searchFields are those of the form. All but q are filters that may also be typed into q.
var searchFields = []string{"q", "person", "state", "after", "before", "file"}

// search finds what is looked for. It always answers with the form, filled in as it was sent.
func (w *Wiki) search(v *visit) error {
	ctx := v.r.Context()
	query := v.r.URL.Query()
	p := searchPage{Asked: map[string]string{}, Help: ticketing.SearchHelp}
	typed, words := []string{}, ""
	for _, name := range searchFields {
		value := ticketing.OneLine(query.Get(name), 500)
		p.Asked[name] = value
		if value == "" {
			continue
		}
		p.Looked = true
		p.Filtered = p.Filtered || name != "q"
		switch name {
		case "q":
			words = value // last: a quote that is never closed ends with it
		case "state", "after", "before":
			typed = append(typed, name+":"+strings.ReplaceAll(value, `"`, ""))
		case "file":
			typed = append(typed, "has:attachment")
		}
	}
	for _, g := range v.Groups {
		if g.Name != v.group.Name && p.Looked {
			p.Also = append(p.Also, also{g.Title, to(g.Name, "search") + "?" + v.r.URL.RawQuery})
		}
	}
	title := "Search"
	if p.Asked["q"] != "" {
		title += ": " + ticketing.OneLine(p.Asked["q"], 60)
	}
	if !p.Looked {
		w.render(v, http.StatusOK, "search", title, p)
		return nil
	}
	s := ticketing.Search{}
	var err error
	if typed = append(typed, words); strings.Join(typed, "") != "" {
		s, err = ticketing.ParseSearch(strings.Join(typed, " "), v.group.Zone)
	}
	if err == nil && p.Asked["person"] != "" {
		err = w.person(v, &s, p.Asked["person"])
	}
	if no := (ticketing.Refusal{}); errors.As(err, &no) {
		p.Refused = no.Text
		w.render(v, http.StatusOK, "search", title, p)
		return nil
	}
	if err != nil {
		return err
	}
	s.Group = v.group.Name
	hits, err := w.Desk.Search(ctx, v.board, s, ticketing.MailID(id(query.Get("older"))))
	if err != nil {
		return err
	}
	for _, h := range hits.Known {
		p.Known = append(p.Known, w.hitLine(v, h))
	}
	for _, h := range hits.Mails {
		p.Mails = append(p.Mails, w.hitLine(v, h))
	}
	if hits.More {
		p.Further = again(v, "older", number(int64(hits.Before)))
	}
	w.render(v, http.StatusOK, "search", title, p)
	return nil
}

// person narrows a search to a contact, or, if nobody is known so, to senders of that name.
func (w *Wiki) person(v *visit, s *ticketing.Search, text string) error {
	found, _, err := w.Desk.FindContacts(v.r.Context(), v.group.Name, text)
	if err != nil {
		return err
	}
	if len(found) == 1 {
		s.Contact = found[0].ID
	} else {
		s.From = strings.TrimSpace(s.From + " " + text)
	}
	return nil
}

func (w *Wiki) hitLine(v *visit, h ticketing.Hit) hitLine {
	l := hitLine{Hit: h}
	switch h.Kind {
	case ticketing.ContactHit:
		l.Path = contactPath(v.group, h.Contact.ID)
	case ticketing.PageHit:
		l.Path = to(v.group.Name, "page", h.Page.Slug)
	case ticketing.MatterHit, ticketing.MailHit:
		l.Line = w.ticketLine(v, &h.Conversation)
		l.Path = l.Line.Path
		if h.Kind == ticketing.MailHit {
			l.Path += "#mail-" + url.PathEscape(number(h.ID))
		}
	}
	return l
}
