package message

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestReply cuts the texts of testdata/reply: each file "name" is a text and "name.reply" what of
// it the sender wrote. A name that begins with "fwd" is of a forwarded mail.
func TestReply(t *testing.T) {
	files, _ := filepath.Glob("testdata/reply/*.txtar")
	n := 0
	for _, f := range files {
		ar, err := txtar.ParseFile(f)
		if err != nil {
			t.Fatal(err)
		}
		wants := map[string]string{}
		for _, x := range ar.Files {
			if name, ok := strings.CutSuffix(x.Name, ".reply"); ok {
				wants[name] = string(x.Data)
			}
		}
		for _, x := range ar.Files {
			want, ok := wants[x.Name]
			if !ok {
				if !strings.HasSuffix(x.Name, ".reply") {
					t.Errorf("%s has no .reply", x.Name)
				}
				continue
			}
			n++
			t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar")+"/"+x.Name, func(t *testing.T) {
				got := reply(string(x.Data), strings.HasPrefix(x.Name, "fwd"))
				if want := strings.Trim(want, "\n"); got != want {
					t.Errorf("got:\n%s\n\nwant:\n%s", got, want)
				}
			})
		}
	}
	if n < 60 {
		t.Errorf("only %d texts", n)
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{
		"Yes.\n\nOn Mon, 2 Mar 2026 at 10:00, Ben <ben@x.example> wrote:\n> Really?\n",
		"> a\nb\n> c\nd\n-- \nme",
		"x\n-----Original Message-----\nFrom: a\nTo: b\nSubject: c\n\nd",
		"Am 02.03.26 um 10:00 schrieb Ben:\n> a\n\nSent from my iPhone",
	} {
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, forward bool) {
		s = cleanText(s)
		got := reply(s, forward)
		if !utf8.ValidString(got) || strings.IndexFunc(got, unwanted) >= 0 {
			t.Errorf("reply(%q) = %q", s, got)
		}
		if strings.TrimSpace(s) != "" && strings.TrimSpace(got) == "" {
			t.Errorf("reply(%q) is empty", s)
		}
		// every line of it is one of the text's
		for l := range strings.SplitSeq(got, "\n") {
			if !strings.Contains(s, strings.TrimSpace(l)) && !strings.Contains(plainMarkdown(strings.Join(strings.Fields(s), " ")), strings.TrimSpace(l)) && !strings.Contains(s, "](") && !strings.Contains(s, "*") {
				t.Errorf("reply(%q) invents %q", s, l)
			}
		}
		forwardedSender(s)
	})
}
