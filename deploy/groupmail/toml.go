package main

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// This file reads TOML into a tree that remembers the line of everything, and goes on after a fault,
// so that all faults of a file can be told at once. go-toml's own decoder stops at the first; hence
// its parser, which is called unstable for its Go interface, not for what it reads.

// table is a TOML table: the file itself, [name], or one of several [[name]].
type table struct {
	line int
	name string // as in its header: "group.mailbox"; empty for the file itself
	many bool   // [[name]]
	keys map[string]*value
}

// value is what stands behind a key.
type value struct {
	line   int
	kind   unstable.Kind // Invalid: what stood there could not be read, which was said already
	text   string        // of a string its content, of other scalars what was written
	list   []*value      // Array
	table  *table        // InlineTable, and [name]
	tables []*table      // [[name]]
}

// faults are what is wrong with a file, in the order of its lines.
type faults []fault

// fault is one thing that is wrong.
type fault struct {
	line int // 0: the file as a whole
	text string
}

func (f *faults) add(line int, format string, args ...any) {
	*f = append(*f, fault{line, fmt.Sprintf(format, args...)})
}

// parseTOML never fails as a whole: what could not be read is left out and noted.
func parseTOML(data []byte, f *faults) *table {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	root := &table{line: 1, keys: map[string]*value{}}
	r := &tomlReader{data: data, faults: f, root: root, at: root}
	for start, again := 0, true; again; {
		start, again = r.readFrom(start)
	}
	return root
}

type tomlReader struct {
	data   []byte
	faults *faults
	root   *table
	at     *table // that keys go to
	broken int    // faults of spelling so far
}

// readFrom reads up to the end, or to the first fault of spelling, and then tells where to go on.
func (r *tomlReader) readFrom(start int) (next int, again bool) {
	var p unstable.Parser
	p.Reset(r.data[start:])
	first := 1 + bytes.Count(r.data[:start], []byte("\n"))
	for p.NextExpression() {
		r.expression(&p, first, p.Expression())
	}
	var bad *unstable.ParserError
	if !errors.As(p.Error(), &bad) {
		return 0, false
	}
	offset := start
	if len(bad.Highlight) > 0 {
		offset += int(p.Range(bad.Highlight).Offset)
	}
	// A text of many lines that is never closed is met at the end of the file; it begins where the
	// quotes stand.
	if quotes := bytes.LastIndex(r.data[start:offset], []byte(`"""`)); quotes >= 0 && bytes.Count(r.data[offset:], []byte("\n")) == 0 {
		offset = start + quotes
	}
	begin, text := r.lineAt(offset)
	if r.broken++; r.broken > 20 {
		return 0, false
	}
	// What is found wrong with the first letter of a line is that something before has not ended.
	if before := bytes.TrimRight(r.data[start:begin], " \t\r\n"); len(before) > 0 && len(bytes.TrimSpace(r.data[begin:offset])) == 0 {
		_, unfinished := r.lineAt(start + len(before))
		line := first + bytes.Count(before, []byte("\n"))
		r.faults.add(line, "this is not finished: %s. Is a closing bracket or quotation mark missing?", bad.Message)
		r.salvage(unfinished, line)
		return begin, true
	}
	line := 1 + bytes.Count(r.data[:begin], []byte("\n"))
	r.faults.add(line, "this line is not TOML: %s.%s", bad.Message, spellingHint(text))
	r.salvage(text, line)
	next = begin + len(text) + 1
	return next, next < len(r.data)
}

// lineAt is the line around an offset, and where it begins.
func (r *tomlReader) lineAt(offset int) (begin int, text string) {
	begin = bytes.LastIndexByte(r.data[:offset], '\n') + 1
	line, _, _ := bytes.Cut(r.data[begin:], []byte("\n"))
	return begin, string(line)
}

var (
	headerForm = regexp.MustCompile(`^\s*\[(\[?)\s*([\w.\- ]+)`)
	keyForm    = regexp.MustCompile(`^\s*([\w.\-]+)\s*=`)
	bareForm   = regexp.MustCompile(`^\s*[\w.\-]+\s*=\s*([^"'\s\[{#][^#]*?)\s*(#.*)?$`)
)

func spellingHint(line string) string {
	if m := bareForm.FindStringSubmatch(line); m != nil {
		return fmt.Sprintf(" Text stands in quotes: \"%s\".", strings.Trim(m[1], `"'`))
	}
	switch {
	case headerForm.MatchString(line):
		return " A section is written [name] or [[name]]."
	case !strings.Contains(line, "="):
		return " A setting is written name = value."
	case strings.Count(line, `"`)%2 == 1:
		return " A quotation mark is missing."
	}
	return ""
}

// salvage keeps what a line that cannot be read was about, so that nothing is said to be missing
// that is there.
func (r *tomlReader) salvage(line string, number int) {
	if m := headerForm.FindStringSubmatch(line); m != nil {
		r.open(strings.Split(strings.ReplaceAll(m[2], " ", ""), "."), m[1] != "", number)
		return
	}
	if m := keyForm.FindStringSubmatch(line); m != nil {
		r.set(r.at, strings.Split(m[1], "."), &value{line: number}, number)
	}
}

func (r *tomlReader) expression(p *unstable.Parser, first int, n *unstable.Node) {
	lineOf := func(n *unstable.Node) int {
		return first + bytes.Count(p.Data()[:n.Raw.Offset], []byte("\n"))
	}
	var path []string
	line := 0
	for it := n.Key(); it.Next(); {
		if line == 0 {
			line = lineOf(it.Node())
		}
		path = append(path, string(it.Node().Data))
	}
	switch n.Kind {
	case unstable.KeyValue:
		r.set(r.at, path, r.value(lineOf, n.Value(), line), line)
	default:
		r.open(path, n.Kind == unstable.ArrayTable, line)
	}
}

func (r *tomlReader) value(lineOf func(*unstable.Node) int, n *unstable.Node, line int) *value {
	v := &value{line: line, kind: n.Kind, text: string(n.Data)}
	switch n.Kind {
	case unstable.Array:
		for it := n.Children(); it.Next(); {
			at := line
			if it.Node().Raw.Length > 0 {
				at = lineOf(it.Node())
			}
			v.list = append(v.list, r.value(lineOf, it.Node(), at))
		}
	case unstable.InlineTable:
		v.table = &table{line: line, keys: map[string]*value{}}
		for it := n.Children(); it.Next(); {
			var path []string
			at := line
			for key := it.Node().Key(); key.Next(); {
				at = lineOf(key.Node())
				path = append(path, string(key.Node().Data))
			}
			r.set(v.table, path, r.value(lineOf, it.Node().Value(), at), at)
		}
	}
	return v
}

// open makes [name] or another [[name]] the table that keys go to.
func (r *tomlReader) open(path []string, many bool, line int) {
	t := r.root
	for _, key := range path[:len(path)-1] {
		t = r.under(t, key, line)
	}
	key := path[len(path)-1]
	old := t.keys[key]
	name := strings.Join(path, ".")
	next := &table{line: line, name: name, many: many, keys: map[string]*value{}}
	r.at = next
	switch {
	case old == nil && many:
		t.keys[key] = &value{line: line, tables: []*table{next}}
	case old == nil:
		t.keys[key] = &value{line: line, table: next}
	case many && old.tables != nil:
		old.tables = append(old.tables, next)
	case !many && old.table != nil && old.table.line == 0: // made by [name.other] before
		next.keys = old.table.keys
		old.table, old.line = next, line
	case !many && old.tables != nil:
		r.faults.add(line, "[%s] must be written [[%s]], as in line %d: there can be several.", name, name, old.line)
		next.many = true
		old.tables = append(old.tables, next)
	case many && old.table != nil:
		r.faults.add(line, "[[%s]] stands in line %d as [%s] already: use one form.", name, old.line, name)
	default:
		r.faults.add(line, "[%s] stands in line %d already. Put everything of it in one place.", name, old.line)
	}
}

// under is the table behind a key: of several the last, made if there is none.
func (r *tomlReader) under(t *table, key string, line int) *table {
	v := t.keys[key]
	switch {
	case v == nil:
		v = &value{line: line, table: &table{name: strings.TrimPrefix(t.name+"."+key, "."), keys: map[string]*value{}}}
		t.keys[key] = v
	case v.tables != nil:
		return v.tables[len(v.tables)-1]
	case v.table == nil:
		r.faults.add(line, "%q in line %d is a single value, and cannot hold more settings.", key, v.line)
		return &table{keys: map[string]*value{}}
	}
	return v.table
}

func (r *tomlReader) set(t *table, path []string, v *value, line int) {
	for _, key := range path[:len(path)-1] {
		t = r.under(t, key, line)
		if t.line == 0 {
			t.line = line
		}
	}
	key := path[len(path)-1]
	if old := t.keys[key]; old != nil {
		r.faults.add(line, "%q is set twice: first in line %d. Remove one of the two.", strings.Join(path, "."), old.line)
		return
	}
	t.keys[key] = v
}

// number reads a whole number as TOML writes it.
func (v *value) number() (int, bool) {
	n, err := strconv.ParseInt(strings.ReplaceAll(v.text, "_", ""), 0, 32)
	return int(n), err == nil && v.kind == unstable.Integer
}
