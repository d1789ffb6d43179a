package store

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// plainWords are the words of a text as they are compared and looked for: in small letters, without
// accents, with one blank between. What has no plain letter below its accent is written as people
// without that key do: "Straße" is "strasse", "Łódź" is "lodz".
func plainWords(text string) string {
	var b strings.Builder
	blank := true // nothing, or a blank, was written last
	for _, r := range norm.NFKD.String(text) {
		switch {
		case unicode.Is(unicode.Mn, r):
			continue
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			r = unicode.ToLower(r)
			if plain, ok := plainLetters[r]; ok {
				b.WriteString(plain)
			} else {
				b.WriteRune(r)
			}
			blank = false
		case !blank:
			b.WriteByte(' ')
			blank = true
		}
	}
	return strings.TrimSuffix(b.String(), " ")
}

// plainLetters are letters that Unicode does not take apart.
var plainLetters = map[rune]string{
	'ß': "ss", 'ł': "l", 'ø': "o", 'đ': "d", 'ð': "d", 'þ': "th", 'æ': "ae", 'œ': "oe", 'ħ': "h", 'ı': "i", 'ŧ': "t", 'ŋ': "n",
}
