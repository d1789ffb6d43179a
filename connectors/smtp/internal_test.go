package smtp

import "testing"

func TestAddresses(t *testing.T) {
	for given, want := range map[string]string{
		"maria@example.org":         "maria@example.org",
		"Maria.K+x@Example.ORG":     "Maria.K+x@Example.ORG",
		"maria@büro.example":        "maria@xn--bro-hoa.example",
		"mária@example.org":         "mária@example.org",
		`"odd name"@example.org`:    `"odd name"@example.org`,
		`"a@b"@example.org`:         `"a@b"@example.org`,
		"maria":                     "",
		"@example.org":              "",
		"maria@":                    "",
		"":                          "",
		"a b@example.org":           "",
		"<maria@example.org>":       "",
		"maria@example.org> SIZE=1": "",
		"maria@example.org\r\nDATA": "",
		"maria\x00@example.org":     "",
		"maria@exa mple.org":        "",
		"maria@-.ü":                 "",
	} {
		a, err := parse(given)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q is taken for %s", given, a)
		case want != "" && (err != nil || a.String() != want):
			t.Errorf("%q is %s, %v, want %s", given, a, err, want)
		}
	}
}
