package ticketing

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Search is what somebody looks for. Zero fields do not select.
type Search struct {
	Group    string
	Words    []string // each begins a word of the text, whatever its case and accents
	Phrases  []string // each stands in the text, word by word
	From, To string   // mail: each of its words begins a word of the sender's or the recipients' names and addresses
	State    State    // of the conversation; empty: any but spam
	Open     bool     // of the conversation: new, taken or waiting
	Before   time.Time
	After    time.Time
	File     bool        // mail with an attachment
	Number   int         // of the ticket
	Contact  ContactID   // whom it is with
	Contacts []ContactID // set by the desk: Contact, and those that were merged into it
}

// onlyMail tells whether s says something that only mail has.
func (s Search) onlyMail() bool { return s.From != "" || s.To != "" || s.File }

// onlyMatters tells whether s says something that conversations have, and contacts and pages have not.
func (s Search) onlyMatters() bool {
	return s.State != "" || s.Open || !s.Before.IsZero() || !s.After.IsZero() || s.Number != 0 || s.Contact != 0
}

// states are those of the conversations that s looks for.
func (s Search) states() []State {
	switch {
	case s.State != "":
		return []State{s.State}
	case s.Open:
		return []State{New, Taken, Waiting}
	}
	return []State{New, Taken, Waiting, Closed, Held}
}

// fits tells whether a conversation is as s says, its words aside.
func (s Search) fits(c Conversation) bool {
	return c.Erased.IsZero() && c.Group == s.Group && slices.Contains(s.states(), c.State) &&
		(s.Number == 0 || c.Number == s.Number) && (s.Contact == 0 || c.Contact != 0 && slices.Contains(s.Contacts, c.Contact)) &&
		(s.Before.IsZero() || c.Opened.Before(s.Before)) && (s.After.IsZero() || !c.Opened.Before(s.After))
}

// Text tells whether s looks for words.
func (s Search) Text() bool { return len(s.Words) > 0 || len(s.Phrases) > 0 }

// SearchHelp says how one searches.
const SearchHelp = "words · \"a phrase\" · from:maria · to:ben@example.net · state:open, new, taken, waiting, closed, spam · before:2026-01-31 · after:2026-01 · since:2026-02 · has:attachment · #12"

// ParseSearch reads what was typed. What is no filter is a word. A filter that cannot be read is refused.
func ParseSearch(text string, zone *time.Location) (s Search, err error) {
	all := cutSearch(text)
	for i := 0; i < len(all); i++ {
		t := all[i]
		key, value, filter := strings.Cut(t.text, ":")
		filter = filter && slices.Contains(filters, strings.ToLower(key))
		if filter && value == "" && !t.quoted && i+1 < len(all) { // "from: maria"
			i++
			value = all[i].text
		}
		switch {
		case t.quoted:
			if hasWord(t.text) {
				s.Phrases = append(s.Phrases, t.text)
			}
			continue
		case strings.HasPrefix(t.text, "#"):
			if n, err := strconv.Atoi(t.text[1:]); err == nil && n > 0 {
				s.Number = n
				continue
			}
		case filter && value != "":
			if err := s.filter(strings.ToLower(key), value, zone); err != nil {
				return s, err
			}
			continue
		}
		if hasWord(t.text) {
			s.Words = append(s.Words, t.text)
		}
	}
	if !s.Text() && !s.onlyMail() && !s.onlyMatters() {
		return s, refuse(BadInput, "What do you look for? %s", SearchHelp)
	}
	const most = 12 // more make it no more exact
	s.Words, s.Phrases = s.Words[:min(len(s.Words), most)], s.Phrases[:min(len(s.Phrases), most)]
	return s, nil
}

// hasWord tells whether a text holds a letter or a digit.
func hasWord(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
}

// filters are what may stand before a colon.
var filters = []string{"from", "to", "state", "is", "has", "before", "after", "since"}

// filter takes over a filter.
func (s *Search) filter(key, value string, zone *time.Location) error {
	switch key {
	case "from", "to":
		if !hasWord(value) {
			return refuse(BadInput, "“%s:%s” names nobody.", key, OneLine(value, 30))
		}
		who := map[string]*string{"from": &s.From, "to": &s.To}[key]
		*who = strings.TrimSpace(*who + " " + value)
	case "state", "is":
		switch v := State(strings.ToLower(value)); {
		case v == "open":
			s.Open = true
		case slices.Contains([]State{New, Taken, Waiting, Closed, Spam, Held}, v):
			s.State = v
		default:
			return refuse(BadInput, "“state:%s” is none of open, new, taken, waiting, closed, spam, held.", OneLine(value, 30))
		}
	case "has":
		if v := strings.ToLower(value); !strings.HasPrefix("attachments", v) && !strings.HasPrefix("files", v) {
			return refuse(BadInput, "“has:%s” is not known: it is has:attachment.", OneLine(value, 30))
		}
		s.File = true
	case "before", "after", "since":
		from, to, ok := day(value, zone)
		if !ok {
			return refuse(BadInput, "“%s:%s” is no date. Write it like %s:2026-01-31, 31.1.2026, 2026-01 or 2026.", key, OneLine(value, 30), key)
		}
		switch key {
		case "before":
			s.Before = from
		case "after":
			s.After = to
		case "since":
			s.After = from
		}
	}
	return nil
}

// day is when a day, month or year begins, and when it is over.
func day(text string, zone *time.Location) (from, to time.Time, ok bool) {
	for _, f := range []struct {
		layout        string
		years, months int
	}{{"2006-1-2", 0, 0}, {"2.1.2006", 0, 0}, {"2/1/2006", 0, 0}, {"2006-1", 0, 1}, {"2006", 1, 0}} {
		at, err := time.ParseInLocation(f.layout, text, zone)
		if err != nil {
			continue
		}
		if f.years+f.months == 0 {
			return at, at.AddDate(0, 0, 1), true
		}
		return at, at.AddDate(f.years, f.months, 0), true
	}
	return from, to, false
}

type searchTerm struct {
	text   string
	quoted bool
}

// cutSearch cuts what was typed at its blanks, except between quotes; a filter's value may stand in
// quotes, too. A quote that is never closed ends with the text.
func cutSearch(text string) (all []searchTerm) {
	const quotes = "\"“”„«»"
	var b strings.Builder
	quoted, whole := false, false
	end := func() {
		if t := strings.TrimSpace(b.String()); t != "" {
			all = append(all, searchTerm{t, whole})
		}
		b.Reset()
		whole = false
	}
	for _, r := range text {
		switch {
		case strings.ContainsRune(quotes, r):
			if !quoted && b.Len() == 0 {
				whole = true
			}
			if quoted = !quoted; !quoted {
				end()
			}
		case unicode.IsSpace(r) && !quoted:
			end()
		default:
			b.WriteRune(r)
		}
	}
	end()
	return all
}

// HitKind says what was found.
type HitKind string

const (
	MailHit    HitKind = "mail"
	MatterHit  HitKind = "matter" // a conversation without mail
	PageHit    HitKind = "page"
	ContactHit HitKind = "contact"
)

// Piece is a piece of a text; those that were looked for are marked.
type Piece struct {
	Text string
	Hit  bool
}

// Found is a thing that the store has found.
type Found struct {
	Kind    HitKind
	ID      int64   // of the Mail, Conversation, Page or Contact
	Title   []Piece // subject, title or name
	Excerpt []Piece // where it was found
	score   float64
}

// SearchTx is the store's search. What was changed is found within seconds.
type SearchTx interface {
	// SearchMails finds mails, newest first, those before one if its id is given.
	SearchMails(s Search, before MailID, limit int) ([]FoundMail, error)
	// SearchAll finds contacts, pages and matters by words, too: their Kind and ID, newest first.
	SearchAll(s Search, before MailID, limit int) ([]FoundMail, []Found, error)
	// Pieces cuts a text where it has what s looks for; with limit, to about so many characters around the
	// first place, in one line.
	Pieces(text string, s Search, limit int) (pieces []Piece, found int)
}

// FoundMail is a mail that was found, and what it belongs to.
type FoundMail struct {
	ID           MailID
	Conversation ConversationID
}

// Hit is something that was found, with what people need to know of it.
type Hit struct {
	Found
	Mail         Mail // of a mail: without Text and HTML
	Conversation Listed
	Page         Page
	Contact      Contact
}

// Hits are what was found, best first: contacts, pages and matters, then mail. More: there is older mail.
type Hits struct {
	Known  []Hit // contacts, pages and matters without mail
	Mails  []Hit // one of each conversation
	More   bool
	Before MailID // where older mail begins
}

const (
	hitsKnown = 8  // contacts, pages and matters
	hitsMail  = 10 // conversations
	hitsLook  = 20 // of the newest that match, the best are shown
	// hitsRounds is how often that many are looked at where nearly all are of the same few conversations.
	hitsRounds = 10
)

// Search finds what is looked for in a group. board is where the cards are that hits lead to. before is
// Hits.Before of the page before; 0: the first.
func (d *Desk) Search(ctx context.Context, board string, s Search, before MailID) (h Hits, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		h = Hits{}
		if s.Contact != 0 {
			all, err := contactIn(tx, s.Group, s.Contact)
			if err != nil {
				return err
			}
			s.Contacts = ContactIDs(all)
		}
		var mails []FoundMail
		var others []Found
		switch {
		case s.onlyMail() || before != 0:
			mails, err = tx.SearchMails(s, before, hitsLook)
		case s.Text():
			mails, others, err = tx.SearchAll(s, before, hitsLook)
		default:
			if others, err = matters(tx, s); err == nil {
				mails, err = tx.SearchMails(s, before, hitsLook)
			}
		}
		if err != nil {
			return err
		}
		h.Before = before
		for round := 1; ; round++ {
			var w Wanted
			w.found(others, board)
			ids := h.pick(mails, board, &w)
			rows, err := tx.Rows(w)
			if err != nil {
				return err
			}
			if err := rows.owners(tx); err != nil {
				return err
			}
			if round == 1 {
				if h.Known, err = knownHits(tx, board, s, others, rows); err != nil {
					return err
				}
				others = nil
			}
			h.Mails = append(h.Mails, mailHits(tx, board, s, ids, rows)...)
			if !h.More || len(h.Mails) > hitsMail/2 || round == hitsRounds {
				break
			}
			if mails, err = tx.SearchMails(s, h.Before, hitsLook); err != nil {
				return err
			}
		}
		slices.SortStableFunc(h.Mails, byScore)
		return nil
	})
	return h, err
}

// matters are the conversations without mail that s selects by something else than words, newest first.
func matters(tx Tx, s Search) (found []Found, err error) {
	const most = 100
	var all []Conversation
	if s.Number != 0 {
		id, err := tx.Numbered(s.Number)
		if errors.Is(err, ErrNone) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		c, err := tx.Conversation(id)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	} else if all, err = tx.Conversations(Query{Group: s.Group, States: s.states(), Contacts: s.Contacts, Order: NewestFirst, Limit: most}); err != nil {
		return nil, err
	}
	for _, c := range all {
		if c.Mails == 0 && s.fits(c) {
			found = append(found, Found{Kind: MatterHit, ID: int64(c.ID)})
		}
	}
	return found, nil
}

// found adds what is shown of contacts, pages and matters that were found.
func (w *Wanted) found(all []Found, board string) {
	for _, f := range all {
		switch f.Kind {
		case MatterHit:
			w.conversation(ConversationID(f.ID), board)
		case PageHit:
			w.Pages = append(w.Pages, PageID(f.ID))
		case ContactHit:
			w.Contacts = append(w.Contacts, ContactID(f.ID))
		}
	}
}

// knownHits shows the contacts, pages and matters that were found, best first.
func knownHits(tx Tx, board string, s Search, found []Found, rows Rows) (hits []Hit, err error) {
	for _, f := range found {
		if f.Kind != MatterHit && s.onlyMatters() {
			continue
		}
		hit, err := knownHit(tx, board, s, f, rows)
		if errors.Is(err, ErrNone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		twice := func(h Hit) bool { return h.Kind == ContactHit && h.Contact.ID == hit.Contact.ID }
		if f.Kind == MatterHit && s.onlyMatters() && !s.fits(hit.Conversation.Conversation) || f.Kind == ContactHit && slices.ContainsFunc(hits, twice) {
			continue
		}
		hits = append(hits, hit)
	}
	slices.SortStableFunc(hits, byScore)
	return hits[:min(len(hits), hitsKnown)], nil
}

// pick picks the newest mail of each conversation, those aside that are shown already, and adds what is shown of them.
func (h *Hits) pick(found []FoundMail, board string, w *Wanted) (ids []MailID) {
	var convs []ConversationID
	h.More = len(found) == hitsLook
	for _, m := range found {
		known := slices.Contains(convs, m.Conversation) || slices.ContainsFunc(h.Mails, func(x Hit) bool { return x.Mail.Conversation == m.Conversation })
		if !known && len(h.Mails)+len(convs) == hitsMail {
			h.More = true
			break
		}
		if h.Before = m.ID; !known {
			convs, ids = append(convs, m.Conversation), append(ids, m.ID)
			w.conversation(m.Conversation, board)
		}
	}
	w.Mails = append(w.Mails, ids...)
	return ids
}

// mailHits shows mails that were found.
func mailHits(tx Tx, board string, s Search, ids []MailID, rows Rows) (hits []Hit) {
	for _, id := range ids {
		m, there := rows.Mails[id]
		if !there {
			continue
		}
		hit := Hit{Found: Found{Kind: MailHit, ID: int64(id)}, Mail: m, Conversation: rows.with(rows.Conversations[m.Conversation], board)}
		hit.Mail.Text, hit.Mail.HTML = "", ""
		mark(tx, &hit, s, m.Subject, m.Reply, m.Text)
		hits = append(hits, hit)
	}
	return hits
}

func byScore(a, b Hit) int { return cmp.Compare(b.score, a.score) }

const excerptRoom = 160 // characters

// mark fills in where a hit has what is looked for, and how well. Of its texts the first counts that has it.
func mark(tx Tx, h *Hit, s Search, title string, texts ...string) {
	inTitle, inText := 0, 0
	h.Title, inTitle = tx.Pieces(OneLine(title, 300), s, 0)
	for _, text := range texts {
		if h.Excerpt, inText = tx.Pieces(text, s, excerptRoom); inText > 0 {
			break
		}
	}
	h.score = 3*float64(inTitle) + float64(min(inText, 5))
}

// knownHit shows a contact, page or matter. ErrNone if it is not there any more.
func knownHit(tx Tx, board string, s Search, f Found, rows Rows) (h Hit, err error) {
	h.Found = f
	there := false
	title, text := "", ""
	switch f.Kind {
	case MatterHit:
		id := ConversationID(f.ID)
		c, known := rows.Conversations[id]
		h.Conversation, there = rows.with(c, board), known
		title, text = h.Conversation.Subject, h.Conversation.Note
	case PageHit:
		h.Page, there = rows.Pages[PageID(f.ID)]
		title, text = h.Page.Title, withoutMarkdown(h.Page.Text)
	case ContactHit:
		if h.Contact, there = rows.Contacts[ContactID(f.ID)]; h.Contact.Into != 0 {
			if h.Contact, err = merged(tx, h.Contact.Into); err != nil {
				return h, err
			}
		}
		title = h.Contact.Line()
		text = strings.Join(slices.Concat(h.Contact.Addresses, h.Contact.Phones, h.Contact.Numbers), ", ")
	}
	if !there {
		return h, ErrNone
	}
	mark(tx, &h, s, title, text)
	return h, nil
}
