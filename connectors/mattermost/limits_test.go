package mattermost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"groupmail/bot"
	"groupmail/bot/hearing"
	"groupmail/bot/plain"
	"groupmail/deploy/testbed"
)

// A card can be changed although the server lets no text be edited any more, by us and by a press.
func TestEditTimeLimit(t *testing.T) {
	s := testbed.NewMattermost(t, "MM_SERVICESETTINGS_POSTEDITTIMELIMIT=0", "MM_FILESETTINGS_MAXFILESIZE=1000", "MM_SERVICESETTINGS_EXPERIMENTALENABLEHARDENEDMODE=true")
	o := newOffice(t, s)
	o.run()
	ann := o.open(o.ann)
	id := o.post(card("post-1", 1))
	if status := o.as(o.bot, http.MethodPut, "/posts/"+id+"/patch", map[string]any{"message": "x"}, nil); status != http.StatusBadRequest {
		t.Fatalf("the server lets us edit: %d", status)
	}
	if err := o.p.Redraw(context.Background(), o.channel.ID, id, card("post-1", 2)); err != nil {
		t.Error(err)
	}
	o.hub.click = func(bot.Click) bot.Answer {
		m := card("post-1", 3)
		return bot.Answer{Redraw: &m}
	}
	o.press(o.ann, id, "take")
	ann.edited(id, func(p *model.Post) bool {
		m, ok := markOf(p, o.bot.ID)
		return ok && m.Version == 3
	})

	m := card("post-2", 1)
	m.Files = []bot.Upload{upload("ok.txt", "x"), upload("big.txt", strings.Repeat("x", 1001))}
	if _, err := o.p.Post(context.Background(), o.channel.ID, m); !errors.Is(err, bot.ErrTooMuch) {
		t.Errorf("a big file: %v", err)
	}
}

// With the server's rate limit on, nothing is asked before it allows.
func TestRateLimit(t *testing.T) {
	ctx := context.Background()
	s := testbed.NewMattermost(t, "MM_RATELIMITSETTINGS_ENABLE=true", "MM_RATELIMITSETTINGS_PERSEC=4",
		"MM_RATELIMITSETTINGS_MAXBURST=12", "MM_RATELIMITSETTINGS_VARYBYUSER=true", "MM_RATELIMITSETTINGS_VARYBYREMOTEADDR=false")
	o := newOffice(t, s)
	o.run()
	o.p.api.http.Transport = &counter{t: t, inner: o.p.api.http.Transport}
	root := o.post(card("root", 1))
	var limited bot.Limited
	posted := 0
	began := time.Now()
	for i := 0; posted < 30; {
		m := card(fmt.Sprint("post-", i), 1)
		m.Root = root
		_, err := o.p.Post(ctx, o.channel.ID, m)
		switch {
		case err == nil:
			posted++
			i++
		case errors.As(err, &limited):
			if limited.After <= 0 || limited.After > 2*time.Second {
				t.Fatalf("after %s", limited.After)
			}
			hearing.Pause(ctx, limited.After)
		default:
			t.Fatal(err)
		}
	}
	t.Logf("30 posts in %s, last told to wait %s", time.Since(began), limited.After)
	if limited.After == 0 {
		t.Error("the limit was never felt")
	}
	var thread model.PostList
	o.must(admin(s), http.MethodGet, "/posts/"+root+"/thread", nil, &thread)
	if len(thread.Posts) != 31 {
		t.Errorf("%d posts", len(thread.Posts))
	}
	o.hub.until(t, "the last echo", func() bool {
		return slices.ContainsFunc(o.hub.drawn, func(d drawing) bool { return d.key == "post-29" })
	})
}

// counter fails the test if a call goes out that the server has forbidden.
type counter struct {
	t     *testing.T
	inner http.RoundTripper
	until time.Time
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	if time.Now().Before(c.until) {
		c.t.Errorf("%s %s goes out before the server allows", r.Method, r.URL.Path)
	}
	resp, err := c.inner.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusTooManyRequests {
		c.until = time.Now().Add(time.Second)
	}
	return resp, err
}

// What is far too long is cut so that it can be posted.
func TestHugeMessage(t *testing.T) {
	o := newOffice(t, testbed.Mattermost(t))
	m := card("post-1", 1)
	m.Title = strings.Repeat("title *", 2000)
	m.Notice = m.Title
	m.Quote = strings.Repeat("@channel [x](y) & ", 5000)
	m.Footer = bot.Line{{Text: strings.Repeat("footer ", 2000)}}
	for range 100 {
		m.Lines = append(m.Lines, bot.Line{{Text: strings.Repeat("line _", 1000)}})
	}
	id := o.post(m)
	text := o.read(o.ann, id).Attachments()[0].Text
	if n := runes(text); n > maxText+runes(clippedNote)+100 || !strings.Contains(text, clippedNote) {
		t.Errorf("%d runes: %s", n, text[len(text)-200:])
	}
	if found, _ := tree(text); slices.Contains(found, "autolink") {
		t.Errorf("found %q", found)
	}
}

// Everything that is drawn is what Mattermost calls valid.
func TestValid(t *testing.T) {
	p, err := New(Config{
		URL: "https://chat.example.org/", Token: func() (string, error) { return "", nil },
		Callback: "http://10.0.0.5:8420/", Secret: make([]byte, 32),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for _, text := range append(nasty, strings.Repeat("ä", 5000)) {
		m := card("post-1", 1)
		m.Notice, m.Title, m.Quote = text, text, text
		m.Status, m.Footer = bot.Line{{Text: text}}, bot.Line{{Text: text}}
		m.Lines = []bot.Line{{{Text: text, Strong: true}, {Text: text, Code: true}, {Text: text, URL: "https://x.org"}, {Time: time.Now()}}}
		m.Buttons[0].Value = text
		for tone := range colours {
			m.Tone = tone
			a := p.view(ctx, m).attachment(m)
			a.Actions = p.actions(m, in(model.NewId()), "")
			if err := a.IsValid(); err != nil {
				t.Errorf("%.99q: %v", text, err)
			}
			if len(a.Actions) != 4 {
				t.Errorf("%d actions", len(a.Actions))
			}
		}
		f := bot.Form{Title: text, Quote: text, Submit: text, Intro: m.Lines, Fields: []bot.FormField{
			{Name: "a", Label: text, Help: text, Kind: bot.Short, Value: text},
			{Name: "b", Label: text, Help: text, Kind: bot.Check, Value: "true"},
			{Name: "c", Label: text, Help: text, Kind: bot.Select, Value: "?", Options: []bot.Option{{Value: "x", Label: "X"}}},
			{Name: "d", Label: text, Help: text, Kind: bot.Long, Value: plain.ClipBytes(text, maxLong)},
		}}
		d := p.form(ctx, place{}, f)
		if err := d.IsValid(); err != nil {
			t.Errorf("%.99q: %v", text, err)
		}
	}
}

func TestNewFaults(t *testing.T) {
	_, err := New(Config{URL: "chat.example.org", Callback: "https://u:p@x.org/?a", Secret: []byte("short")}, nil)
	for _, want := range []string{"url", "callback", "token", "secret"} {
		if err == nil || !strings.Contains(err.Error(), "mattermost: "+want) {
			t.Errorf("no word of %s in %v", want, err)
		}
	}
}
