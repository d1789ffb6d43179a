package main

import (
	"fmt"
	"maps"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"groupmail/ticketing"
)

// section reads one table of the configuration. Each reader notes what is wrong and returns the
// default, so that reading goes on; end notes what nobody asked for.
type section struct {
	*table
	faults      *faults
	environment string // for its secrets
	where       string // for messages: `mailbox "help": `
	prefix      string // of its settings, for messages: "imap."
	known       []string
	absent      []fault // what must be there and is not; by key
	lacks       []string
}

func (s *section) sub(t *table) *section {
	return &section{table: t, faults: s.faults, environment: s.environment, where: s.where}
}

// header is the section as it is written in the file.
func (s *section) header() string {
	switch {
	case s.name == "":
		return "at the top of the file"
	case s.many:
		return "in [[" + s.name + "]]"
	}
	return "in [" + s.name + "]"
}

// fault notes what is wrong with a setting that is there.
func (s *section) fault(key, format string, args ...any) {
	line := s.line
	if v := s.keys[key]; v != nil {
		line = v.line
	}
	s.faults.add(line, "%s%s%s: %s", s.where, s.prefix, key, fmt.Sprintf(format, args...))
}

// missing notes that a setting is not there; end tells, unless something misspelt was meant.
func (s *section) missing(key, hint string) {
	if s.keys[key] == nil {
		s.lacks = append(s.lacks, key)
		what := key + " is missing " + s.header()
		if s.name == "" {
			what = "the section [" + key + "] is missing"
			if key == "group" { // of which there can be several
				what = "the section [[group]] is missing"
			}
		}
		s.absent = append(s.absent, fault{s.line, s.where + what + ". " + hint})
	}
}

// get finds a value of the wanted kind. A value that is not there, or was found faulty, is nil.
func (s *section) get(key, wanted string, kinds ...unstable.Kind) *value {
	s.known = append(s.known, key)
	v := s.keys[key]
	if v == nil || v.kind == unstable.Invalid && v.table == nil && v.tables == nil {
		return nil
	}
	if !slices.Contains(kinds, v.kind) {
		s.fault(key, "%s is wanted here, like %s.", kindName(kinds[0]), wanted)
		return nil
	}
	return v
}

func kindName(k unstable.Kind) string {
	switch k {
	case unstable.String:
		return "a text in quotes"
	case unstable.Integer:
		return "a whole number"
	case unstable.Bool:
		return "true or false"
	}
	return "a list"
}

// text reads a string that is not empty.
func (s *section) text(key, otherwise, example string) string {
	v := s.get(key, strconv.Quote(example), unstable.String)
	if v == nil {
		return otherwise
	}
	t := strings.TrimSpace(v.text)
	if t == "" {
		s.fault(key, "is empty. Write something like %q, or leave the line out.", example)
		return otherwise
	}
	return t
}

// block reads a string of several lines, which may be empty.
func (s *section) block(key string) string {
	v := s.get(key, `"""…"""`, unstable.String)
	if v == nil {
		return ""
	}
	return strings.TrimSpace(strings.ReplaceAll(v.text, "\r\n", "\n"))
}

func (s *section) flag(key string) bool {
	v := s.get(key, "true", unstable.Bool)
	return v != nil && v.text == "true"
}

func (s *section) port(key string, otherwise int) int {
	v := s.get(key, strconv.Itoa(otherwise), unstable.Integer)
	if v == nil {
		return otherwise
	}
	n, ok := v.number()
	if !ok || n < 1 || n > 65535 {
		s.fault(key, "%s is no port: ports go from 1 to 65535.", v.text)
		return otherwise
	}
	return n
}

// number reads a whole number.
func (s *section) number(key string, otherwise, least, most int) int {
	v := s.get(key, strconv.Itoa(otherwise), unstable.Integer)
	if v == nil {
		return otherwise
	}
	n, ok := v.number()
	if !ok || n < least || n > most {
		s.fault(key, "%s is out of range: it may be %d to %d.", v.text, least, most)
		return otherwise
	}
	return n
}

// texts reads a list of strings; a single string is a list of one.
func (s *section) texts(key string, otherwise []string, example string) []string {
	var all []string
	for _, v := range s.items(key, example) {
		all = append(all, strings.TrimSpace(v.text))
	}
	if all == nil {
		return otherwise
	}
	return all
}

func (s *section) items(key, example string) []*value {
	v := s.get(key, fmt.Sprintf("[%q]", example), unstable.Array, unstable.String)
	if v == nil {
		return nil
	}
	list := v.list
	if v.kind == unstable.String {
		list = []*value{v}
	}
	var all []*value
	for _, one := range list {
		if one.kind != unstable.String || strings.TrimSpace(one.text) == "" {
			s.faults.add(one.line, "%s%s%s: the list holds something that is no text in quotes, or empty. Write it like [%q].", s.where, s.prefix, key, example)
			continue
		}
		all = append(all, one)
	}
	return all
}

func (s *section) choice(key, otherwise string, options ...string) string {
	t := s.text(key, otherwise, options[0])
	if t == otherwise {
		return t
	}
	if !slices.Contains(options, t) {
		s.fault(key, "%q is none of %s.%s", t, strings.Join(options, ", "), suggest(strings.ToLower(t), options))
		return otherwise
	}
	return t
}

// duration reads "1h30m", and "2d" for days.
func (s *section) duration(key string, otherwise, least, most time.Duration) time.Duration {
	v := s.get(key, strconv.Quote(short(otherwise)), unstable.String)
	if v == nil {
		return otherwise
	}
	t := strings.ReplaceAll(strings.TrimSpace(v.text), " ", "")
	d, err := time.ParseDuration(t)
	if days, ok := strings.CutSuffix(t, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(n) * 24 * time.Hour
	}
	switch {
	case err != nil:
		s.fault(key, `%q is no duration. Write it like "30s", "5m", "1h30m" or "2d".`, v.text)
	case d < least || d > most:
		s.fault(key, "%q is out of range: it may be %s to %s.", v.text, short(least), short(most))
	default:
		return d
	}
	return otherwise
}

// short writes a duration as it may stand in the file.
func short(d time.Duration) string {
	if d >= 48*time.Hour && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	t := d.String()
	if strings.HasSuffix(t, "m0s") {
		t = strings.TrimSuffix(t, "0s")
	}
	if strings.HasSuffix(t, "h0m") {
		t = strings.TrimSuffix(t, "0m")
	}
	return t
}

// address reads "Name <local@domain>", or the address alone.
func (s *section) address(key, example string) ticketing.Address {
	t := s.text(key, "", example)
	if t == "" {
		return ticketing.Address{}
	}
	a, err := mail.ParseAddress(t)
	if err != nil {
		s.fault(key, "%q is no mail address. Write it like %q.", t, example)
		return ticketing.Address{}
	}
	at := strings.LastIndexByte(a.Address, '@')
	return ticketing.Address{Name: strings.TrimSpace(a.Name), Addr: a.Address[:at] + strings.ToLower(a.Address[at:])}
}

// web reads an address of a server, to which paths are appended.
func (s *section) web(key, example string) string {
	t := s.text(key, "", example)
	if t == "" {
		return ""
	}
	u, err := url.Parse(t)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		s.fault(key, "%q is no web address. Write it like %q.", t, example)
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		s.fault(key, "%q: only host, port and path may stand here, like %q.", t, example)
	default:
		return strings.TrimRight(t, "/")
	}
	return ""
}

func (s *section) secret(key string) Secret {
	v := s.get(key, `"env:NAME"`, unstable.String)
	if v == nil {
		return Secret{}
	}
	return s.secretOf(key, v)
}

func (s *section) secrets(key string) []Secret {
	var all []Secret
	for _, v := range s.items(key, "env:NAME") {
		all = append(all, s.secretOf(key, v))
	}
	return all
}

func (s *section) secretOf(key string, v *value) Secret {
	for _, prefix := range []string{"env:", "file:"} {
		if rest, ok := strings.CutPrefix(v.text, prefix); ok && strings.TrimSpace(rest) != rest || rest == "" {
			s.faults.add(v.line, `%s%s%s: %q names nothing. Write it like "env:NAME" or "file:/path".`, s.where, s.prefix, key, v.text)
			return Secret{}
		}
	}
	return Secret{from: v.text, environment: s.environment, name: s.where + s.prefix + key, line: v.line}
}

// one reads [name]; nil if there is none.
func (s *section) one(key string) *section {
	s.known = append(s.known, key)
	v := s.keys[key]
	switch {
	case v == nil:
		return nil
	case v.table != nil:
		v.table.name = strings.TrimPrefix(s.name+"."+key, ".")
		if v.table.line == 0 {
			v.table.line = v.line
		}
		return s.sub(v.table)
	case v.tables != nil:
		s.faults.add(v.line, "[[%s]] must be written [%s]: there is only one.", v.tables[0].name, v.tables[0].name)
		return s.sub(v.tables[0])
	case v.kind != unstable.Invalid:
		s.fault(key, "is a section of its own. Write [%s], and its settings below.", strings.TrimPrefix(s.name+"."+key, "."))
	}
	return nil
}

// several reads all [[name]].
func (s *section) several(key string) []*section {
	s.known = append(s.known, key)
	v := s.keys[key]
	if v == nil {
		return nil
	}
	name := strings.TrimPrefix(s.name+"."+key, ".")
	switch {
	case v.table != nil && v.kind == unstable.Invalid:
		s.faults.add(v.table.line, "[%s] must be written [[%s]]: there can be several.", name, name)
		v.tables = []*table{v.table}
	case v.tables == nil && v.kind == unstable.Array:
		for _, one := range v.list {
			if one.table != nil {
				one.table.name, one.table.many = name, true
				v.tables = append(v.tables, one.table)
			}
		}
	case v.tables == nil && v.kind != unstable.Invalid:
		s.fault(key, "is a section of its own. Write [[%s]], and its settings below.", name)
	}
	var all []*section
	for _, t := range v.tables {
		all = append(all, s.sub(t))
	}
	return all
}

// otherWords are names that people try, and what they are called here.
var otherWords = map[string]string{
	"server": "host", "hostname": "host", "username": "user", "login": "user", "pass": "password",
	"passwd": "password", "pwd": "password", "email": "address", "mail": "address", "ssl": "tls",
	"security": "tls", "encryption": "tls", "id": "channel", "tz": "timezone", "zone": "timezone",
	"sender": "from", "junk": "spam", "closed": "done", "interval": "poll", "bind": "listen",
	"open": "hours", "opening_hours": "hours", "closed_days": "holidays", "db": "database", "base_url": "public", "start": "since", "access_token": "token", "members": "people",
}

// end notes the settings that nobody asked for, and those that are missing.
func (s *section) end() {
	for _, key := range slices.Sorted(maps.Keys(s.keys)) {
		v := s.keys[key]
		if slices.Contains(s.known, key) {
			continue
		}
		line := v.line
		if v.table != nil && v.table.line > 0 {
			line = v.table.line
		}
		meant := nearest(strings.ToLower(strings.ReplaceAll(key, "-", "_")), s.known)
		if word := otherWords[strings.ToLower(key)]; meant == "" && slices.Contains(s.known, word) {
			meant = word
		}
		hint := " There are: " + strings.Join(s.known, ", ") + "."
		if meant != "" {
			hint = fmt.Sprintf(" Did you mean %q?", meant)
		}
		s.faults.add(line, "%sthere is no setting %q %s.%s", s.where, key, s.header(), hint)
		if i := slices.Index(s.lacks, meant); i >= 0 {
			s.lacks, s.absent = slices.Delete(s.lacks, i, i+1), slices.Delete(s.absent, i, i+1)
		}
	}
	*s.faults = append(*s.faults, s.absent...)
}

// suggest offers the most similar of the options, if one is similar.
func suggest(word string, options []string) string {
	if best := nearest(word, options); best != "" {
		return fmt.Sprintf(" Did you mean %q?", best)
	}
	return ""
}

func nearest(word string, options []string) string {
	best, far := "", 1+len(word)/3
	for _, o := range options {
		if d := distance(word, o); d <= far && (best == "" || d < far) {
			best, far = o, d
		}
	}
	return best
}

// distance is Levenshtein's, with two letters changing places counted once.
func distance(a, b string) int {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
