package ticketing

import (
	"regexp"
	"strings"
)

// Proof is whether a mail comes from whom it says, as the team's own mail server found out.
type Proof string

const (
	Unproved Proof = ""     // nobody whom the team trusts has said anything
	Proved   Proof = "pass" // it does
	Forged   Proof = "fail" // it fails: it only claims to
)

// Match is how a mail was brought together with a contact. As Group.Matchers the first four are the
// ways that a team tries, in their order.
type Match string

const (
	AddressMatch Match = "address" // the sender's address is the contact's
	DomainMatch  Match = "domain"  // the contact has all addresses of the domain
	NumberMatch  Match = "number"  // a reference number of the contact's stands in the subject
	NameMatch    Match = "name"    // the contact's name stands in the text: a suggestion only

	ByHand  Match = "hand"     // a member said so
	NotThem Match = "not them" // a member said that it is not whom it was thought to be
)

// AllMatchers are the ways that a team may choose from.
var AllMatchers = []Match{AddressMatch, DomainMatch, NumberMatch, NameMatch}

// DefaultMatchers are tried where a team says nothing else.
var DefaultMatchers = []Match{AddressMatch, NumberMatch, DomainMatch}

// recognise finds out whom a conversation is with, by the mail that it begins with. Authentication
// comes first: who fails it only claims to be somebody, whatever matches.
func (u *use) recognise(c *Conversation, m Mail) error {
	c.Contact, c.Perhaps, c.Match, c.Matched = 0, 0, "", ""
	sender := m.Sender()
	c.Proof = m.Proof
	if m.Author.Addr != "" && !m.Author.Is(m.From) && c.Proof == Proved {
		c.Proof = Unproved // that a form or a colleague sent it proves nothing about whom it names
	}
	ways := u.group.Matchers
	if ways == nil {
		ways = DefaultMatchers
	}
	for _, how := range ways {
		found, by, err := u.match(how, sender, m)
		if err != nil {
			return err
		}
		if found == 0 {
			continue
		}
		c.Match, c.Matched = how, by
		if how == NameMatch || c.Proof == Forged {
			c.Perhaps = found
		} else {
			c.Contact = found
		}
		return nil
	}
	return nil
}

// match tries one way. by is what it was found by.
func (u *use) match(how Match, sender Address, m Mail) (id ContactID, by string, err error) {
	find := func(k Key) (ContactID, error) {
		if k.Text == "" {
			return 0, nil
		}
		c, err := u.whose(k)
		return c.ID, err
	}
	_, domain, _ := strings.Cut(sender.Addr, "@")
	switch how {
	case AddressMatch:
		id, err = find(addressKey(sender.Addr))
		return id, sender.Addr, err
	case DomainMatch:
		id, err = find(domainKey(domain))
		return id, domain, err
	case NumberMatch:
		for _, n := range numbersIn(u.group.Numbers, m.Subject) {
			if id, err = find(numberKey(n)); id != 0 || err != nil {
				return id, n, err
			}
		}
	case NameMatch:
		const most = 4000 // runes: who is meant is named early
		text := []rune(m.Subject + "\n" + m.Reply)
		all, err := u.NamedIn(u.group.Name, string(text[:min(len(text), most)]))
		if err != nil || len(all) != 1 {
			return 0, "", err // of several nobody can tell which
		}
		c, err := merged(u, all[0])
		return c.ID, c.Name, err
	}
	return 0, "", nil
}

// numbersIn are the reference numbers that a subject holds: what the patterns capture.
func numbersIn(patterns []*regexp.Regexp, subject string) (all []string) {
	for _, p := range patterns {
		for _, m := range p.FindAllStringSubmatch(subject, 5) {
			all = append(all, m[len(m)-1])
		}
	}
	return all
}
