package browser

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"groupmail/bot"
)

// openForm is what must come back with a form as it went out: to whom, where, and which fields.
type openForm struct {
	place
	Who    string      `json:"who"`
	State  string      `json:"state"`
	Fields []openField `json:"fields"`
}

type openField struct {
	Name     string        `json:"n"`
	Kind     bot.FieldKind `json:"k"`
	Required bool          `json:"r,omitempty"`
	Max      int           `json:"m,omitempty"`
	Options  []string      `json:"o,omitempty"`
}

const maxField = 60_000 // characters of a field without a Max

func (p *Platform) viewForm(o openForm, f *bot.Form) *viewForm {
	v := &viewForm{Title: clean(f.Title), Intro: p.viewLines(f.Intro), Quote: clean(f.Quote),
		Fields: []viewField{}, Submit: cmp.Or(clean(f.Submit), "OK")}
	for _, in := range f.Fields {
		o.Fields = append(o.Fields, openField{in.Name, in.Kind, in.Required, in.Max, nil})
		field := viewField{Name: in.Name, Label: clean(in.Label), Help: clean(in.Help), Kind: in.Kind,
			Value: in.Value, Required: in.Required, Max: cmp.Or(in.Max, maxField)}
		for _, opt := range in.Options {
			field.Options = append(field.Options, viewOption{opt.Value, clean(opt.Label)})
			last := &o.Fields[len(o.Fields)-1]
			last.Options = append(last.Options, opt.Value)
		}
		v.Fields = append(v.Fields, field)
	}
	v.Token = p.seal(o)
	return v
}

// seal signs an open form; unseal reads it back. So a form outlives a restart of the server.
func (p *Platform) seal(o openForm) string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // strings and numbers only
	}
	body := base64.RawURLEncoding.EncodeToString(b)
	return body + "." + p.sign(body)
}

func (p *Platform) sign(s string) string {
	h := hmac.New(sha256.New, p.secret)
	h.Write([]byte("form " + s))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func (p *Platform) unseal(token, who string) (openForm, bool) {
	var o openForm
	body, sum, _ := strings.Cut(token, ".")
	if !hmac.Equal([]byte(sum), []byte(p.sign(body))) {
		return o, false
	}
	b, err := base64.RawURLEncoding.DecodeString(body)
	return o, err == nil && json.Unmarshal(b, &o) == nil && o.Who == who && p.present(o.Room, who)
}

// check keeps what the form has fields for, and says what is wrong with it.
func (o openForm) check(in map[string]string) (values, faults map[string]string) {
	values, faults = map[string]string{}, map[string]string{}
	for _, f := range o.Fields {
		s := strings.ReplaceAll(strings.ToValidUTF8(in[f.Name], ""), "\r\n", "\n")
		most := cmp.Or(f.Max, maxField)
		n := utf8.RuneCountInString(s)
		switch {
		case f.Kind == bot.Check:
			if s != "" {
				s = "true"
			} else if f.Required {
				faults[f.Name] = "Please tick this."
			}
		case strings.TrimSpace(s) == "" && f.Required:
			faults[f.Name] = "Please fill this in."
		case n > most:
			faults[f.Name] = fmt.Sprintf("That is %d characters too long.", n-most)
		case f.Kind == bot.Select && s != "" && !slices.Contains(f.Options, s):
			faults[f.Name] = "Please choose one of the list."
		case f.Kind == bot.Short:
			s = strings.ReplaceAll(s, "\n", " ")
		}
		values[f.Name] = s
	}
	return values, faults
}
