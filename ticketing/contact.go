package ticketing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// ContactID is a Contact's.
type ContactID int64

// Contact is somebody whom a team knows: a person, or an office. Mail is brought together with
// contacts in known.go.
type Contact struct {
	ID           ContactID
	Group        string
	Name         string
	Organisation string
	Addresses    []string  // mail addresses; "@example.org" stands for everybody there
	Phones       []string  // as Phone writes them; several contacts may share one
	Numbers      []string  // reference numbers: of a customer, a membership, a case
	Into         ContactID // it was merged into this one; 0: it was not
	Made         time.Time
	By           MemberID
	Version      int // rises with each change
}

// Line is a contact in a few words: the name, and where they belong.
func (c Contact) Line() string {
	if c.Organisation != "" && c.Organisation != c.Name {
		return c.Name + ", " + c.Organisation
	}
	return c.Name
}

// Has tells whether an address is one of theirs.
func (c Contact) Has(a Address) bool {
	return slices.ContainsFunc(c.Addresses, func(one string) bool { return a.Is(Address{Addr: one}) })
}

// KeyKind says what a contact is found by.
type KeyKind string

const (
	AddressKey KeyKind = "address" // a mail address
	DomainKey  KeyKind = "domain"  // of a mail address
	NumberKey  KeyKind = "number"  // a reference number
	PhoneKey   KeyKind = "phone"
)

// Key is what a contact is found by, in the form in which it is compared. Within a group a key
// belongs to one contact, but for phones.
type Key struct {
	Kind KeyKind
	Text string
}

// Keys are all that c is found by, each once.
func (c Contact) Keys() (all []Key) {
	add := func(kind func(string) Key, texts []string) {
		for _, t := range texts {
			if k := kind(t); k.Text != "" && !slices.Contains(all, k) {
				all = append(all, k)
			}
		}
	}
	add(writtenKey, c.Addresses)
	add(numberKey, c.Numbers)
	add(phoneKey, c.Phones)
	return all
}

// writtenKey is the key of one of a contact's Addresses. Addresses of mails go to addressKey: a stranger whose
// address is "@example.org" is not everybody there.
func writtenKey(a string) Key {
	if domain, ok := strings.CutPrefix(a, "@"); ok {
		return domainKey(domain)
	}
	return addressKey(a)
}

func addressKey(a string) Key { return Key{AddressKey, strings.ToLower(a)} }

func domainKey(d string) Key { return Key{DomainKey, strings.ToLower(d)} }

// numberKey compares reference numbers without case, blanks and signs between: "AB-12 34" is "ab1234".
func numberKey(n string) Key {
	return Key{NumberKey, strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, n)}
}

func phoneKey(p string) Key { return Key{PhoneKey, Phone(p)} }

// Phone is a phone number in one form: its digits, with a + in front if it names its country (also
// as 00), without the (0) that people write behind that. Letters and signs are left out; an
// extension is kept behind an x. Empty: it holds no digits.
func Phone(text string) string {
	text = strings.ToLower(strings.ReplaceAll(strings.TrimSpace(text), "(0)", ""))
	var b strings.Builder
	for _, r := range text {
		switch {
		case r >= '0' && r <= '9', r == '+' && b.Len() == 0:
			b.WriteRune(r)
		case r == 'x' && b.Len() > 0 && !strings.Contains(b.String(), "x"):
			b.WriteRune(r)
		}
	}
	p := strings.TrimSuffix(b.String(), "x")
	if rest, ok := strings.CutPrefix(p, "00"); ok {
		p = "+" + rest
	}
	if strings.Trim(p, "+") == "" {
		return ""
	}
	return p
}

// ContactTx is what the store keeps of contacts.
type ContactTx interface {
	// AddContact adds c and its keys, and sets its ID. Where somebody else adds one of the keys at the
	// same instant, the transaction is run again.
	AddContact(c *Contact) error
	// Contact reads one and, in Change, locks it.
	Contact(id ContactID) (Contact, error)
	// SetContact keeps every field but ID, Group, Made and By, and the keys.
	SetContact(c Contact) error
	// ContactsWith finds whose a key is, merged ones included.
	ContactsWith(group string, k Key) ([]ContactID, error)
	// Family reads one, first, and all that were merged into it, at whatever remove, without locking them.
	Family(id ContactID) ([]Contact, error)
	// Contacts lists a group's, without those that were merged, by name.
	Contacts(q ContactQuery) ([]Contact, error)
	// NamedIn finds those of a group whose whole name stands in a text, whatever its case and
	// accents; names of one short word do not count. At most three.
	NamedIn(group, text string) ([]ContactID, error)

	// PhonesEnding finds the contacts of a group, merged or not, one of whose phone numbers ends with some digits.
	PhonesEnding(group, digits string, limit int) ([]ContactID, error)
	// Belong makes a contact the one whom a conversation and its mails are with; 0: nobody known.
	Belong(id ConversationID, contact ContactID) error
	// BelongAll does so for all conversations of a group with this address that are with nobody known,
	// failed no authentication, and of which nobody has said that they are not the contact's.
	BelongAll(group, addr string, contact ContactID) error
	// OfContacts reads at once what there is of some contacts.
	OfContacts(q OfContactsQuery) (OfContacts, error)
	// ContactEvents lists the newest lines of the log about any of these contacts, newest first.
	ContactEvents(ids []ContactID, limit int) ([]Event, error)

	// Watchers are the members who are told when the contact writes.
	Watchers(id ContactID) ([]MemberID, error)
	SetWatcher(id ContactID, m MemberID, watches bool) error
}

// OfContactsQuery selects what there is of some contacts: all pages, and as many as are asked for of the rest.
type OfContactsQuery struct {
	IDs     []ContactID
	Todos   TodoQuery
	Tickets Query
	Before  MailID // mails before this; 0: the newest
	Mails   int
}

// OfContacts is what there is of some contacts: pages in any order, to-dos and conversations as their queries order
// them, and of mails, newest first, what is shown in a line.
type OfContacts struct {
	Pages   []Page
	Todos   []Todo
	Tickets []Conversation
	Mails   []Mail
}

// ContactQuery selects contacts.
type ContactQuery struct {
	Group string
	// Like: each of its words begins a word of the name, the organisation, an address or a number,
	// whatever its case and accents. Empty: all.
	Like  string
	Gone  bool // those that were merged into another, instead of the others
	After ContactPlace
	Limit int
}

// ContactPlace is where a contact stands in the list, whatever comes and goes around it.
type ContactPlace struct {
	Name string
	ID   ContactID
}

// Place is where c stands.
func (c Contact) Place() ContactPlace { return ContactPlace{c.Name, c.ID} }

// ContactInput is what is written down of a contact.
type ContactInput struct {
	Name, Organisation         string
	Addresses, Phones, Numbers []string
}

// AddContact adds one to the member's group, and a page for their case notes. If a conversation is given, it is with them: its address
// becomes one of theirs, and all else that came from it is theirs, too.
func (d *Desk) AddContact(ctx context.Context, by By, in ContactInput, about ConversationID) (c Contact, err error) {
	err = d.change(ctx, by, func(u *use) error {
		c = Contact{Group: u.group.Name, Made: u.now, By: by.Member.ID, Version: 1}
		if err := u.describe(&c, in); err != nil {
			return err
		}
		if err := u.AddContact(&c); err != nil {
			return err
		}
		if _, err := u.addPage(c.Name, c.ID, "", ""); err != nil {
			return err
		}
		if err := u.log(Event{Contact: c.ID, Conversation: about, Move: LogContact, Detail: c.Name}); err != nil {
			return err
		}
		if err := u.claim(c, nil); err != nil || about == 0 {
			return err
		}
		return u.attach(about, c)
	})
	return c, err
}

// EditContact changes what is written down of one. version is that which the member has seen.
func (d *Desk) EditContact(ctx context.Context, by By, id ContactID, version int, in ContactInput) (c Contact, err error) {
	err = d.change(ctx, by, func(u *use) error {
		if c, err = u.contact(id); err != nil {
			return err
		}
		if c.ID != id {
			return refuse(Stale, "They were merged into %s since you opened this form. Open that one, and change it there.", c.Line())
		}
		if c.Version != version {
			return refuse(Stale, "Somebody changed %s since you opened this form. What you typed stays here as long as it is open: open the contact once more beside it, and compare.", c.Name)
		}
		had, called := c.Addresses, c.Name
		if err := u.describe(&c, in); err != nil {
			return err
		}
		if err := u.renamePage(c, called); err != nil {
			return err
		}
		return u.revise(c, LogContactEdit, c.Name, had)
	})
	return c, err
}

// renamePage calls a contact's page as the contact, if it was called as they were.
func (u *use) renamePage(c Contact, was string) error {
	if c.Name == was {
		return nil
	}
	id, err := u.PageOf(c.ID)
	if errors.Is(err, ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	p, err := u.page(id)
	if err != nil || p.Title != OneLine(was, maxPageTitle) {
		return err
	}
	p.Title = OneLine(c.Name, maxPageTitle)
	return u.keepRevision(&p, "renamed")
}

// revise keeps a contact that was changed, and redraws what shows it.
func (u *use) revise(c Contact, why Move, detail string, had []string) error {
	c.Version++
	if err := u.SetContact(c); err != nil {
		return err
	}
	if err := u.log(Event{Contact: c.ID, Move: why, Detail: detail}); err != nil {
		return err
	}
	if err := u.claim(c, had); err != nil {
		return err
	}
	return u.redrawCards(Query{Group: c.Group, Contacts: []ContactID{c.ID}})
}

// describe takes over what was typed, and refuses what another contact has.
func (u *use) describe(c *Contact, in ContactInput) error {
	c.Name, c.Organisation = OneLine(in.Name, 200), OneLine(in.Organisation, 200)
	if c.Name == "" {
		c.Name = c.Organisation
	}
	if c.Name == "" {
		return refuseField("name", "Say who it is: a name, or an organisation.")
	}
	c.Addresses, c.Phones, c.Numbers = nil, nil, nil
	for _, a := range in.Addresses {
		local, domain, ok := strings.Cut(strings.TrimSpace(a), "@")
		if !ok || !strings.Contains(domain, ".") || strings.ContainsAny(a, " \t\n<>,;\"") || strings.Contains(domain, "@") {
			return refuseField("addresses", "“%s” is no mail address. Write one a line, like maria@example.net, or @example.net for everybody there.", OneLine(a, 60))
		}
		addr := local + "@" + strings.ToLower(domain)
		if u.group.Own(Address{Addr: addr}) {
			return refuseField("addresses", "%s is this team's own address.", addr)
		}
		c.Addresses = addTo(c.Addresses, addr)
	}
	for _, p := range in.Phones {
		phone := Phone(p)
		if len(strings.Trim(phone, "+")) < 3 {
			return refuseField("phones", "“%s” is no phone number.", OneLine(p, 40))
		}
		c.Phones = addTo(c.Phones, phone)
	}
	for _, n := range in.Numbers {
		if numberKey(n).Text == "" {
			return refuseField("numbers", "“%s” holds no letters or digits.", OneLine(n, 40))
		}
		c.Numbers = addTo(c.Numbers, OneLine(n, 60))
	}
	const most = 50
	if len(c.Addresses) > most || len(c.Phones) > most || len(c.Numbers) > most {
		return refuse(BadInput, "That is more than %d of a kind. Make several contacts of it.", most)
	}
	var err error
	if c.Addresses, err = u.unclaimed(*c, "addresses", c.Addresses, writtenKey); err != nil {
		return err
	}
	c.Numbers, err = u.unclaimed(*c, "numbers", c.Numbers, numberKey)
	return err
}

// unclaimed refuses what another contact has, and leaves out what c has by one that was merged into it.
func (u *use) unclaimed(c Contact, field string, all []string, key func(string) Key) (left []string, _ error) {
	for _, one := range all {
		ids, err := u.ContactsWith(u.group.Name, key(one))
		if err != nil {
			return nil, err
		}
		if len(ids) == 0 || ids[0] == c.ID {
			left = append(left, one)
			continue
		}
		other, err := merged(u, ids[0])
		if err != nil {
			return nil, err
		}
		if other.ID != c.ID {
			return nil, refuseField(field, "%s belongs to %s already. If they are one, merge the two.", one, other.Line())
		}
	}
	return left, nil
}

func addTo(list []string, one string) []string {
	if slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, one) }) {
		return list
	}
	return append(list, one)
}

// whose is the contact that a key belongs to, or what that was merged into; zero if it is nobody's.
func (u *use) whose(k Key) (Contact, error) {
	ids, err := u.ContactsWith(u.group.Name, k)
	if err != nil || len(ids) == 0 {
		return Contact{}, err
	}
	return merged(u, ids[0])
}

// merged reads a contact, or the one that it was merged into.
func merged(tx Tx, id ContactID) (c Contact, err error) {
	for range 20 { // nobody merges in a circle, but nothing must hang on it
		if c, err = tx.Contact(id); err != nil || c.Into == 0 {
			return c, err
		}
		id = c.Into
	}
	return c, fmt.Errorf("contact %d was merged in a circle", id)
}

// mergedAll reads several so, each once.
func mergedAll(tx Tx, ids []ContactID) (all []Contact, err error) {
	for _, id := range ids {
		c, err := merged(tx, id)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, func(one Contact) bool { return one.ID == c.ID }) {
			all = append(all, c)
		}
	}
	return all, nil
}

// contact locks one of the acting member's group.
func (u *use) contact(id ContactID) (Contact, error) {
	c, err := merged(u, id)
	if errors.Is(err, ErrNone) || err == nil && c.Group != u.group.Name {
		return c, refuse(NotFound, "There is no such contact in %s.", u.group.Title)
	}
	return c, err
}

// claim makes the conversations of a contact's addresses theirs; those of had are so already.
func (u *use) claim(c Contact, had []string) error {
	for _, a := range c.Addresses {
		if strings.HasPrefix(a, "@") || slices.Contains(had, a) {
			continue // of a domain only what comes from now on: they may be many
		}
		if err := u.BelongAll(c.Group, a, c.ID); err != nil {
			return err
		}
		if err := u.redrawCards(Query{Group: c.Group, With: a}); err != nil {
			return err
		}
	}
	return nil
}

// redrawCards redraws those of open conversations.
func (u *use) redrawCards(q Query) error {
	q.States, q.Order, q.Limit = []State{New, Taken, Waiting}, LatestFirst, 100
	open, err := u.Conversations(q)
	if err != nil {
		return err
	}
	for _, c := range open {
		if err := u.raise(PostsWhere{Conversation: c.ID, Kind: CardPost}); err != nil {
			return err
		}
	}
	return nil
}

// AttachContact says that a conversation is with a contact, by hand. The address is theirs from now on,
// unless it is another's, or none.
func (d *Desk) AttachContact(ctx context.Context, by By, about ConversationID, id ContactID) (c Contact, err error) {
	err = d.change(ctx, by, func(u *use) error {
		if c, err = u.contact(id); err != nil {
			return err
		}
		if err := u.attach(about, c); err != nil {
			return err
		}
		c, err = u.Contact(c.ID)
		return err
	})
	return c, err
}

func (u *use) attach(about ConversationID, c Contact) error {
	conv, err := u.conversation(about)
	if err != nil {
		return err
	}
	if !conv.Erased.IsZero() {
		return u.erased(conv)
	}
	addr := conv.With.Addr
	if addr != "" && conv.Proof != Forged && !c.Has(conv.With) {
		other, err := u.whose(addressKey(addr))
		if err != nil {
			return err
		}
		if other.ID != 0 && other.ID != c.ID && conv.Contact == other.ID {
			return refuse(WrongState, "%s is an address of %s. If they are one person, merge the two; if not, say “wrong person” on the card first.", addr, other.Line())
		}
		if other.ID == 0 {
			c.Addresses = append(c.Addresses, addr)
			if err := u.revise(c, LogContactEdit, "+ "+addr, slices.Clone(c.Addresses[:len(c.Addresses)-1])); err != nil {
				return err
			}
			if conv, err = u.conversation(about); err != nil { // it may belong there by now
				return err
			}
		}
	}
	if conv.Contact != c.ID || conv.Match == "" {
		conv.Match, conv.Matched = ByHand, ""
	}
	conv.Contact, conv.Perhaps = c.ID, 0
	if err := u.SetConversation(conv); err != nil {
		return err
	}
	if err := u.Belong(conv.ID, c.ID); err != nil {
		return err
	}
	if err := u.logged(conv, Event{Contact: c.ID, Move: LogAttach, Detail: c.Name}); err != nil {
		return err
	}
	return u.raise(PostsWhere{Conversation: conv.ID, Kind: CardPost})
}

// WrongPerson says that a conversation is not with whom it was thought to be with. forget: nor is
// anything else that comes from this address, where that is theirs and nobody else only claimed to have it.
func (d *Desk) WrongPerson(ctx context.Context, by By, about ConversationID, forget bool) error {
	return d.change(ctx, by, func(u *use) error {
		conv, err := u.conversation(about)
		if err != nil {
			return err
		}
		id := conv.Contact
		if id == 0 {
			id = conv.Perhaps
		}
		if id == 0 {
			return refuse(Already, "Nobody known is named on this card.")
		}
		c, err := u.contact(id)
		if err != nil {
			return err
		}
		conv.Contact, conv.Perhaps, conv.Match, conv.Matched = 0, 0, NotThem, ""
		if err := u.SetConversation(conv); err != nil {
			return err
		}
		if err := u.Belong(conv.ID, 0); err != nil {
			return err
		}
		if err := u.logged(conv, Event{Contact: c.ID, Move: LogWrong, Detail: c.Name}); err != nil {
			return err
		}
		if forget && conv.Proof != Forged {
			if err := u.forget(conv.With.Addr, c); err != nil {
				return err
			}
		}
		return u.raise(PostsWhere{Conversation: conv.ID, Kind: CardPost})
	})
}

// forget takes an address away from a contact, or from the one of those merged into it that has it.
func (u *use) forget(addr string, from Contact) error {
	ids, err := u.ContactsWith(u.group.Name, addressKey(addr))
	if err != nil || len(ids) == 0 {
		return err
	}
	if owner, err := merged(u, ids[0]); err != nil || owner.ID != from.ID {
		return err
	}
	c, err := u.Contact(ids[0])
	if err != nil {
		return err
	}
	c.Addresses = slices.DeleteFunc(slices.Clone(c.Addresses), func(a string) bool { return strings.EqualFold(a, addr) })
	return u.revise(c, LogContactEdit, "− "+addr, c.Addresses)
}

// MergeContacts makes two contacts one: all that was the first's is the second's from now on, until
// UnmergeContact.
func (d *Desk) MergeContacts(ctx context.Context, by By, from, into ContactID) (c Contact, err error) {
	err = d.change(ctx, by, func(u *use) error {
		// Two merges the other way round must not wait for each other: the older is locked first.
		for _, id := range []ContactID{min(from, into), max(from, into)} {
			if _, err := u.contact(id); err != nil {
				return err
			}
		}
		f, err := u.contact(from)
		if err != nil {
			return err
		}
		if c, err = u.contact(into); err != nil {
			return err
		}
		if f.ID == c.ID {
			return refuse(Already, "They are one already: %s.", c.Line())
		}
		f.Into = c.ID
		f.Version++
		if err := u.SetContact(f); err != nil {
			return err
		}
		for _, e := range []Event{{Contact: f.ID, Move: LogMerge, Detail: c.Name}, {Contact: c.ID, Move: LogMerged, Detail: f.Name}} {
			if err := u.log(e); err != nil {
				return err
			}
		}
		return u.redrawCards(Query{Group: c.Group, Contacts: []ContactID{f.ID, c.ID}})
	})
	return c, err
}

// UnmergeContact takes a merge back: from is its own again, with all that was its own.
func (d *Desk) UnmergeContact(ctx context.Context, by By, from ContactID) (c Contact, err error) {
	err = d.change(ctx, by, func(u *use) error {
		if c, err = u.Contact(from); errors.Is(err, ErrNone) || err == nil && c.Group != u.group.Name {
			return refuse(NotFound, "There is no such contact in %s.", u.group.Title)
		}
		if err != nil {
			return err
		}
		if c.Into == 0 {
			return refuse(Already, "%s is not merged with anybody.", c.Line())
		}
		into := c.Into
		c.Into = 0
		c.Version++
		if err := u.SetContact(c); err != nil {
			return err
		}
		for _, e := range []Event{{Contact: c.ID, Move: LogUnmerge, Detail: c.Name}, {Contact: into, Move: LogUnmerge, Detail: c.Name}} {
			if err := u.log(e); err != nil {
				return err
			}
		}
		return u.redrawCards(Query{Group: c.Group, Contacts: []ContactID{c.ID, into}})
	})
	return c, err
}

// Watch lets a member be told by direct message when a contact writes, or no longer.
func (d *Desk) Watch(ctx context.Context, by By, id ContactID, watches bool) (c Contact, err error) {
	err = d.change(ctx, by, func(u *use) error {
		if c, err = u.contact(id); err != nil {
			return err
		}
		if watches {
			return u.SetWatcher(c.ID, by.Member.ID, true)
		}
		all, err := u.Family(c.ID)
		for _, one := range all {
			err = errors.Join(err, u.SetWatcher(one.ID, by.Member.ID, false))
		}
		return err
	})
	return c, err
}

// contactIn reads a group's contact, or the one that it was merged into, with its family.
func contactIn(tx Tx, group string, id ContactID) (all []Contact, err error) {
	if all, err = tx.Family(id); err == nil && all[0].Into != 0 {
		var c Contact
		if c, err = merged(tx, id); err == nil {
			all, err = tx.Family(c.ID)
		}
	}
	if errors.Is(err, ErrNone) || err == nil && all[0].Group != group {
		return nil, refuse(NotFound, "There is no such contact here.")
	}
	return all, err
}

// Family lists a contact of a group, or the one that it was merged into, and then all that were merged into that.
// Refused with NotFound where the group has none of this id.
func (d *Desk) Family(ctx context.Context, group string, id ContactID) (all []Contact, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		all, err = contactIn(tx, group, id)
		return err
	})
	return all, err
}

// ContactIDs are those of contacts.
func ContactIDs(all []Contact) (ids []ContactID) {
	for _, c := range all {
		ids = append(ids, c.ID)
	}
	return ids
}

// KnownContact is a contact with what is known of them.
type KnownContact struct {
	Contact
	Merged   []Contact // that were merged into it
	Watchers []Member
	Open     []Listed // conversations that are open, newest first, at most ten
	Log      []Event  // newest first, at most twenty
	names    map[MemberID]Member
}

// Named is a member who acted.
func (k KnownContact) Named(id MemberID) Member {
	if m, ok := k.names[id]; ok {
		return m
	}
	return Member{ID: id}
}

// Contact reads one of a group, or the one that it was merged into. Refused with NotFound where the
// group has none of this id.
func (d *Desk) Contact(ctx context.Context, group, board string, id ContactID) (k KnownContact, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		k = KnownContact{names: map[MemberID]Member{}}
		all, err := contactIn(tx, group, id)
		if err != nil {
			return err
		}
		k.Contact, k.Merged = all[0], all[1:]
		ids := ContactIDs(all)
		watchers := []MemberID{}
		for _, id := range ids {
			more, err := tx.Watchers(id)
			if err != nil {
				return err
			}
			watchers = append(watchers, more...)
		}
		slices.Sort(watchers)
		watchers = slices.Compact(watchers)
		if k.Log, err = tx.ContactEvents(ids, 20); err != nil {
			return err
		}
		who := slices.Clone(watchers)
		for _, e := range k.Log {
			who = append(who, e.Member)
		}
		if err := namesOf(tx, k.names, append(who, k.By)); err != nil {
			return err
		}
		for _, w := range watchers {
			k.Watchers = append(k.Watchers, k.Named(w))
		}
		open, err := tx.Conversations(Query{Group: group, Contacts: ids, States: []State{New, Taken, Waiting}, Order: LatestFirst, Limit: 10})
		if err != nil {
			return err
		}
		k.Open, err = listed(tx, board, open)
		return err
	})
	return k, err
}

// Watches tells whether a member is told when k writes.
func (k KnownContact) Watches(id MemberID) bool {
	return among(k.Watchers, id)
}

// Contacts lists a group's contacts by name; more: there are some behind them.
func (d *Desk) Contacts(ctx context.Context, q ContactQuery) (all []Contact, more bool, err error) {
	limit := q.Limit
	q.Limit++
	err = d.store.Read(ctx, func(tx Tx) error {
		all, err = tx.Contacts(q)
		return err
	})
	if len(all) > limit {
		return all[:limit], true, err
	}
	return all, false, err
}

// localPhone is how many digits of a phone number tell whose it is without those of its country.
const localPhone = 6

// FindContacts finds whom somebody means: by an address, a phone number (also without its country) or reference number, or by the
// beginnings of the words of a name. Where nobody is found, near are those whose names are written
// nearly so. All of them are of the group and not merged; who was is found by their name, too.
func (d *Desk) FindContacts(ctx context.Context, group, text string) (found, near []Contact, err error) {
	if text = OneLine(strings.TrimPrefix(strings.TrimSpace(text), "@"), 200); !hasWord(text) {
		return nil, nil, nil
	}
	const most = 10
	err = d.store.Read(ctx, func(tx Tx) error {
		found, near = nil, nil
		for _, k := range []Key{addressKey(text), numberKey(text), phoneKey(text)} {
			if k.Text == "" || k.Kind == PhoneKey && len(k.Text) < 5 {
				continue
			}
			ids, err := tx.ContactsWith(group, k)
			if err != nil {
				return err
			}
			if found, err = mergedAll(tx, ids); err != nil || len(found) > 0 {
				return err
			}
		}
		if local := strings.TrimLeft(Phone(text), "0"); len(local) >= localPhone && !strings.ContainsAny(local, "+x") && !strings.ContainsFunc(text, unicode.IsLetter) {
			ids, err := tx.PhonesEnding(group, local, most)
			if err != nil {
				return err
			}
			if found, err = mergedAll(tx, ids); err != nil || len(found) > 0 {
				return err
			}
		}
		if found, err = tx.Contacts(ContactQuery{Group: group, Like: text, Limit: most}); err != nil {
			return err
		}
		other := func(c Contact) bool { return !strings.EqualFold(c.Name, text) }
		if exactly := slices.DeleteFunc(slices.Clone(found), other); len(exactly) == 1 {
			found = exactly
		}
		if len(found) > 0 {
			return nil
		}
		gone, err := tx.Contacts(ContactQuery{Group: group, Like: text, Gone: true, Limit: most})
		if err != nil {
			return err
		}
		var into []ContactID
		for _, c := range gone {
			into = append(into, c.Into)
		}
		if found, err = mergedAll(tx, into); err != nil || len(found) > 0 {
			return err
		}
		near, err = nearMisses(tx, group, text, most)
		return err
	})
	return found, near, err
}

// nearMisses are the contacts one of whose words differs by few letters from one of the text's. Names
// are read in pieces, up to a bound: it is an aid, asked for by a person who found nobody.
func nearMisses(tx Tx, group, text string, most int) (near []Contact, err error) {
	const atOnce, bound = 500, 20
	words := strings.Fields(strings.ToLower(text))
	q := ContactQuery{Group: group, Limit: atOnce}
	for range bound {
		some, err := tx.Contacts(q)
		if err != nil {
			return nil, err
		}
		for _, c := range some {
			if len(near) < most && alike(words, strings.Fields(strings.ToLower(c.Name+" "+c.Organisation))) {
				near = append(near, c)
			}
		}
		if len(some) < atOnce || len(near) == most {
			break
		}
		q.After = some[len(some)-1].Place()
	}
	return near, nil
}

func alike(words, of []string) bool {
	return slices.ContainsFunc(words, func(w string) bool {
		return len([]rune(w)) > 3 && slices.ContainsFunc(of, func(o string) bool { return Edits(w, o) <= 2 })
	})
}

// Edits is the number of letters to change, add or leave out to make a into b.
func Edits(one, other string) int {
	a, b := []rune(one), []rune(other)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
