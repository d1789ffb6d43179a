package message

import (
	"regexp"
	"sync"
)

// phrases is a regular expression of words in many languages, compiled when it is first asked for:
// all of them together take longer than the rest of the program's start.
type phrases func() *regexp.Regexp

func anyOf(expr string) phrases {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// MatchString is as that of a regexp.Regexp.
func (p phrases) MatchString(s string) bool { return p().MatchString(s) }
