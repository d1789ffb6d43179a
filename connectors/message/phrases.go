package message

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"sync"
	"unicode"
	"unicode/utf8"
)

// phrases is a regular expression of words in many languages, parsed when it is first asked for, and
// compiled when a text may match: all of them together take longer than the rest of the program's start.
type phrases func() phraseSet

func anyOf(expr string) phrases {
	return sync.OnceValue(func() phraseSet {
		set := phraseSet{compiled: sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })}
		tree, err := syntax.Parse(expr, syntax.Perl)
		if err != nil {
			panic(err)
		}
		words, _, _ := needed(tree)
		set.begin(words)
		return set
	})
}

// MatchString is as that of a regexp.Regexp.
func (p phrases) MatchString(s string) bool {
	set := p()
	return set.mayMatch(s) && set.compiled().MatchString(s)
}

// phraseSet is a regular expression and the words of which every match has one. Nearly every text has
// none, and that is seen a hundred times sooner than the expression says so.
type phraseSet struct {
	compiled func() *regexp.Regexp
	size     int                 // bytes of how a word begins, at most 4; 0 if any text may match
	words    map[uint32][]string // folded, by how they begin
	table    []uint64            // bits, by the hash of a beginning
}

const phraseBits = 14

func phraseHash(w uint32) uint32 { return w * 0x9e3779b1 >> (32 - phraseBits) }

func (p *phraseSet) begin(words []string) {
	p.size = min(4, shortest(words))
	if p.size == 0 {
		return
	}
	p.words = map[uint32][]string{}
	p.table = make([]uint64, 1<<phraseBits/64)
	for _, word := range words {
		var w uint32
		for _, c := range []byte(word[:p.size]) {
			w = w<<8 | uint32(c)
		}
		p.words[w] = append(p.words[w], word)
		h := phraseHash(w)
		p.table[h/64] |= 1 << (h % 64)
	}
}

// mayMatch tells whether one of the words stands in s. If not, the expression does not match.
func (p *phraseSet) mayMatch(s string) bool {
	if p.size == 0 {
		return true
	}
	w, n, mask := uint32(0), 0, ^uint32(0)>>(32-8*p.size)
	var from [4]int // where in s the rune begins that each of the last bytes is of
	take := func(c byte, at int) bool {
		w = (w<<8 | uint32(c)) & mask
		from[n%4] = at
		if n++; n < p.size {
			return false
		}
		h := phraseHash(w)
		if p.table[h/64]&(1<<(h%64)) == 0 {
			return false
		}
		rest := s[from[(n-p.size)%4]:]
		return slices.ContainsFunc(p.words[w], func(word string) bool { return beginsFolded(rest, word) })
	}
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			if take(c, i) {
				return true
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		var b [utf8.UTFMax]byte
		for _, c := range b[:utf8.EncodeRune(b[:], foldRune(r))] {
			if take(c, i) {
				return true
			}
		}
		i += size
	}
	return false
}

// beginsFolded tells whether s begins with a word that is folded.
func beginsFolded(s, word string) bool {
	for _, want := range word {
		r, size := utf8.DecodeRuneInString(s)
		if size == 0 || foldRune(r) != want {
			return false
		}
		s = s[size:]
	}
	return true
}

// needed gives words, folded, of which each text that matches has at least one; none if nothing can
// be said. first tells whether each match begins with one of them, whole whether it is one of them.
func needed(re *syntax.Regexp) (words []string, first, whole bool) {
	switch re.Op {
	case syntax.OpLiteral:
		folded := make([]rune, len(re.Rune))
		for i, r := range re.Rune {
			folded[i] = foldRune(r)
		}
		return []string{string(folded)}, true, true
	case syntax.OpCapture:
		return needed(re.Sub[0])
	case syntax.OpPlus, syntax.OpRepeat:
		if re.Op == syntax.OpPlus || re.Min > 0 {
			words, first, _ = needed(re.Sub[0])
			return words, first, false
		}
	case syntax.OpAlternate:
		first, whole = true, true
		for _, sub := range re.Sub {
			w, f, all := needed(sub)
			if len(w) == 0 {
				return nil, false, false
			}
			words, first, whole = append(words, w...), first && f, whole && all
		}
		return words, first, whole
	case syntax.OpConcat:
		return neededOf(re.Sub)
	}
	return nil, false, false
}

// neededOf is needed for expressions one behind the other. The parser has made au(?:to|sente) of
// auto|ausente: words are put together again until they are long enough to be rare.
func neededOf(subs []*syntax.Regexp) (best []string, first, whole bool) {
	run, atStart := []string{""}, true // words that end where the next expression begins
	whole = true
	settle := func(words []string, f bool) {
		if was, is := min(4, shortest(best)), min(4, shortest(words)); is > was || is == was && len(words) < len(best) {
			best, first = words, f
		}
	}
	cut := func() {
		settle(run, atStart)
		run, atStart, whole = []string{""}, false, false
	}
	for _, sub := range subs {
		words, f, all := needed(sub)
		if !f {
			cut()
			settle(words, false)
			continue
		}
		if len(words) > 1 && shortest(run) >= 4 {
			cut()
		}
		var longer []string
		for _, w := range run {
			for _, v := range words {
				longer = append(longer, w+v)
			}
		}
		run = longer
		if !all {
			cut()
		}
	}
	settle(run, atStart)
	return best, first, whole
}

// shortest is the length of the shortest word, 0 if there is none.
func shortest(words []string) int {
	if len(words) == 0 {
		return 0
	}
	n := len(words[0])
	for _, w := range words {
		n = min(n, len(w))
	}
	return n
}

// foldRune is one of the letters that are the same to an expression that ignores case.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		return unicode.ToLower(r)
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if least < utf8.RuneSelf {
		return unicode.ToLower(least)
	}
	return least
}
