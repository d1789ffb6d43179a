package store

import (
	"testing"

	"pgregory.net/rapid"
)

func TestPlainASCII(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[\x00-\x7f]*`).Draw(t, "text")
		if got, want := plainASCII(text), plainUnicode(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	})
}
