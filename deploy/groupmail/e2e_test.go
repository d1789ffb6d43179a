package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/smtp"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"groupmail/ticketing"
)

// TestDemo goes the whole way, as people do: a customer's mail becomes a card, somebody takes and
// answers it, the customer gets the answer in their conversation and writes again.
func TestDemo(t *testing.T) {
	d := startDemo(t, DemoConfig{Listen: "127.0.0.1:0", Undo: time.Millisecond})
	ann, ben := d.person("ann"), d.person("ben")

	d.submit("maria@example.com", "Message-ID: <question@example.com>\r\nFrom: Maria <maria@example.com>\r\nTo: help@example.org\r\n"+
		"Subject: Do you open on Sunday?\r\n\r\nHello,\r\nare you open on Sunday?\r\n")
	card := ann.card("Do you open on Sunday?")
	if !strings.Contains(card.words(), "Maria") || !strings.Contains(card.words(), "are you open on Sunday?") {
		t.Errorf("the card says: %s", card.words())
	}

	ann.press(card, "take")
	taken := ben.cardWhere("Do you open on Sunday?", func(m chatMessage) bool { return strings.Contains(m.words(), "Ann") })
	if strings.Contains(taken.buttons(), "take") {
		t.Errorf("Ben can still press Take: %s", taken.buttons())
	}
	// Ben pressed at the same moment: his window still showed the card of before.
	if news := ben.press(card, "take"); !strings.Contains(news.said(), "Ann") {
		t.Errorf("Ben is told: %s", news.said())
	}

	form := ann.press(taken, "reply").Form
	if form == nil {
		t.Fatal("Reply opened no form")
	}
	values := form.values()
	if values["to"] != "maria@example.com" && !strings.Contains(values["to"], "<maria@example.com>") {
		t.Errorf("the answer goes to %q", values["to"])
	}
	values["text"] = "Yes, from ten to four."
	if answer := ann.submit(form, values); len(answer.Errors) > 0 {
		t.Fatalf("the form is refused: %v", answer.Errors)
	}

	got := d.received("maria@example.com", 1)[0]
	if !strings.Contains(got.Subject, "[#1]") || !strings.HasPrefix(got.Subject, "Re: Do you open on Sunday?") {
		t.Errorf("subject: %q", got.Subject)
	}
	if !slices.Equal(got.InReplyTo, []string{"question@example.com"}) || !slices.Contains(got.References, "question@example.com") {
		t.Errorf("not threaded: In-Reply-To %v, References %v", got.InReplyTo, got.References)
	}
	if !strings.Contains(got.Text, "Yes, from ten to four.") || !strings.Contains(got.Text, "Your help desk") {
		t.Errorf("text: %q", got.Text)
	}
	if got.From.Addr != "help@example.org" {
		t.Errorf("from: %v", got.From)
	}

	// The copy in the Sent folder.
	d.eventually("the copy is filed", func() bool { return len(d.mail.list(testTeam, "Sent")) == 1 })

	// The customer answers on their page.
	d.answerAsCustomer("maria@example.com", "Thank you! And on Monday?")
	ann.thread(card.ID, "And on Monday?")
	d.eventually("the ticket is Ann's again", func() bool {
		c := ben.card("Do you open on Sunday?")
		return strings.Contains(c.words(), "Ann") && !strings.Contains(strings.ToLower(c.words()), "waiting for")
	})

	// An answer from an ordinary mail program: copied to Sent by it.
	d.submit("help@example.org", "Message-ID: <by-hand@example.org>\r\nFrom: Help <help@example.org>\r\nTo: maria@example.com\r\n"+
		"Subject: Re: Do you open on Sunday?\r\nIn-Reply-To: <question@example.com>\r\n\r\nAlso on Monday.\r\n", "maria@example.com")
	if err := d.mail.add(testTeam, "Sent", time.Now(), nil, []byte("Message-ID: <by-hand@example.org>\r\nFrom: Help <help@example.org>\r\n"+
		"To: maria@example.com\r\nSubject: Re: Do you open on Sunday?\r\nIn-Reply-To: <question@example.com>\r\n\r\nAlso on Monday.\r\n")); err != nil {
		t.Fatal(err)
	}
	ann.thread(card.ID, "Also on Monday.")

	var ready readiness
	d.get("/readyz", &ready)
	if !ready.Ready || ready.Mailboxes["help"].State != "working" || !ready.Platforms["browser"].OK {
		t.Errorf("readyz: %+v", ready)
	}
}

// TestDemoSamples: each of the samples is on a card, and all can be read.
func TestDemoSamples(t *testing.T) {
	d := startDemo(t, DemoConfig{Listen: "127.0.0.1:0"})
	ann := d.person("ann")
	for _, subject := range []string{
		"Heating broken since yesterday", "Our booking on 14 May: two questions", "Lamp arrived damaged (invoice 2231-7)",
		"申し込みについて", "Часы работы в субботу", "[Action Required] Your mailbox will be suspended", "Contact form: volunteering",
	} {
		c := ann.card(subject)
		if strings.Contains(c.words(), "<") && strings.Contains(c.words(), "script") || strings.Contains(c.words(), "track.mailer") {
			t.Errorf("%s: the card holds markup or addresses of pictures: %s", subject, c.words())
		}
	}
	if form := ann.card("Contact form: volunteering"); !strings.Contains(form.words(), "Tomás Oliveira") {
		t.Errorf("the contact form's card does not name who wrote: %s", form.words())
	}
	if heating := ann.card("Heating broken since yesterday"); !strings.Contains(heating.words(), "Known: Maria Kovács, Flat 12") {
		t.Errorf("nobody knows who wrote: %s", heating.words())
	}
	if cards := titles(ann.room()); len(cards) > 8 { // the follow-up stands in its thread
		t.Errorf("%d cards for nine mails, of which one is a follow-up: %q", len(cards), cards)
	}
}

// TestDemoTakenUpAgain: a data folder goes on where it stopped, and no card is posted twice.
func TestDemoTakenUpAgain(t *testing.T) {
	c := DemoConfig{Listen: "127.0.0.1:0", Data: t.TempDir()}
	d := startDemo(t, c)
	ann := d.person("ann")
	ann.press(ann.card("Lamp arrived damaged (invoice 2231-7)"), "take")
	d.eventually("all cards are there", func() bool { return len(titles(ann.room())) == 8 })
	before := titles(ann.room())
	d.stop()

	d = startDemo(t, c)
	ann = d.person("ann")
	d.submit("maria@example.com", "From: maria@example.com\r\nSubject: After the restart\r\n\r\nx\r\n")
	ann.card("After the restart")
	after := titles(ann.room())
	if want := append(before, "After the restart"); !slices.Equal(after, want) {
		t.Errorf("after the restart: %q, want %q", after, want)
	}
	if words := ann.card("Lamp arrived damaged (invoice 2231-7)").words(); !strings.Contains(words, "Ann") {
		t.Errorf("Ann no longer has it: %s", words)
	}
}

// titles are those of the conversations' cards; the desk card has the group's.
func titles(all []chatMessage) []string {
	var t []string
	for _, m := range all {
		if m.Card != nil && m.Card.Title != "" && m.Card.Title != "Help desk" {
			t = append(t, m.Card.Title)
		}
	}
	return t
}

// TestDemoLeavesNothing: neither goroutines nor files, however it was used.
func TestDemoLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	d := startDemo(t, DemoConfig{Listen: "127.0.0.1:0"})
	ann := d.person("ann")
	ann.card("Часы работы в субботу")
	// An open window, and an open customer page.
	for _, path := range []string{"/api/ann/events", "/customer/maria.kovacs@example.com/events"} {
		resp, err := d.client.Get(d.url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now()
	d.stop()
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the stop took %s", took)
	}
	if _, err := os.Stat(d.data); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", d.data, err)
	}
}

func TestDemoRefuses(t *testing.T) {
	for _, test := range []struct {
		c    DemoConfig
		says string
	}{
		{DemoConfig{Listen: "0.0.0.0:0"}, "this machine only"},
		{DemoConfig{Listen: ":8420"}, "this machine only"},
		{DemoConfig{Listen: "192.0.2.1:8420"}, "this machine only"},
		{DemoConfig{Listen: "8420"}, "is no address"},
		{DemoConfig{Listen: "127.0.0.1:0", Mbox: "/nowhere"}, "there is no /nowhere"},
	} {
		d, err := OpenDemo(t.Context(), test.c, quiet)
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%+v: %v", test.c, err)
		}
		if err == nil {
			_ = d.Close()
		}
	}
	// Two at once in one folder would spoil it.
	dir := t.TempDir()
	d := startDemo(t, DemoConfig{Listen: "127.0.0.1:0", Data: dir})
	if _, err := OpenDemo(t.Context(), DemoConfig{Listen: "127.0.0.1:0", Data: dir}, quiet); err == nil {
		t.Error("a second demonstration in the same folder was not refused")
	}
	// A taken port.
	if _, err := OpenDemo(t.Context(), DemoConfig{Listen: strings.TrimPrefix(d.URL(), "http://")}, quiet); err == nil || !strings.Contains(err.Error(), "another port") {
		t.Errorf("a taken port: %v", err)
	}
}

var quiet = slog.New(slog.DiscardHandler)

// demo is a running demonstration in a test.
type demo struct {
	*Demo
	t      *testing.T
	client *http.Client
	url    string
	stop   func() // ends it and waits
}

func httpClient() *http.Client {
	return &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}
}

func startDemo(t *testing.T, c DemoConfig) *demo {
	t.Helper()
	log := quiet
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	opened, err := OpenDemo(t.Context(), c, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- opened.Run(ctx) }()
	d := &demo{Demo: opened, t: t, client: httpClient(), url: opened.URL()}
	stopped := false
	d.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the demonstration ended with: %v", err)
		}
		d.client.CloseIdleConnections()
	}
	t.Cleanup(d.stop)
	return d
}

func (d *demo) eventually(what string, f func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("waited in vain: %s", what)
		}
	}
}

func (d *demo) submit(from, raw string, to ...string) {
	d.t.Helper()
	if to == nil {
		to = []string{testTeam}
	}
	if err := smtp.SendMail(d.mail.smtp.Addr().String(), nil, from, to, []byte(raw)); err != nil {
		d.t.Fatal(err)
	}
}

// received waits for mail in a customer's INBOX, newest first.
func (d *demo) received(address string, n int) []ticketing.Mail {
	d.t.Helper()
	var all []letter
	d.eventually(fmt.Sprintf("%s has %d mails", address, n), func() bool {
		all = d.mail.list(address, "INBOX")
		return len(all) >= n
	})
	var mails []ticketing.Mail
	for _, l := range all {
		m, err := d.customer.read(l)
		if err != nil {
			d.t.Fatal(err)
		}
		mails = append(mails, m)
	}
	return mails
}

// answerAsCustomer answers the newest mail by the customer page's form.
func (d *demo) answerAsCustomer(address, text string) {
	d.t.Helper()
	l := d.mail.list(address, "INBOX")[0]
	resp := d.form("/customer/"+address, url.Values{"answer": {fmt.Sprintf("INBOX-%d", l.UID)}, "text": {text}})
	if resp != http.StatusOK {
		d.t.Fatalf("the customer page answers %d", resp)
	}
}

func (d *demo) get(path string, into any) {
	d.t.Helper()
	resp, err := d.client.Get(d.url + path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		d.t.Fatalf("%s: %v", path, err)
	}
}

// person is somebody's window, without the window.
type person struct {
	*demo
	id     string
	events int
}

func (d *demo) person(id string) *person { return &person{demo: d, id: id} }

// What the browser channel's pages get.
type chatMessage struct {
	ID      string `json:"id"`
	Whisper bool   `json:"whisper"`
	Text    string `json:"text"`
	Card    *struct {
		Drawing int64        `json:"drawing"`
		Notice  string       `json:"notice"`
		Title   string       `json:"title"`
		Quote   string       `json:"quote"`
		Status  []chatSpan   `json:"status"`
		Lines   [][]chatSpan `json:"lines"`
		Footer  []chatSpan   `json:"footer"`
		Buttons []chatButton `json:"buttons"`
	} `json:"card"`
	Files []struct {
		Name string `json:"name"`
	} `json:"files"`
}

type chatSpan struct {
	Text   string `json:"text"`
	Member string `json:"member"`
}

type chatButton struct {
	ID   string       `json:"id"`
	Menu []chatButton `json:"menu"`
}

type chatForm struct {
	Token  string `json:"token"`
	Fields []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"fields"`
}

type chatAnswer struct {
	Error  string            `json:"error"`
	Form   *chatForm         `json:"form"`
	Errors map[string]string `json:"errors"`
	News   []struct {
		Message *chatMessage `json:"message"`
	} `json:"news"`
}

// words are all that a message says.
func (m chatMessage) words() string {
	if m.Card == nil {
		return m.Text
	}
	var b strings.Builder
	line := func(spans []chatSpan) {
		for _, s := range spans {
			b.WriteString(s.Text + s.Member)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintln(&b, m.Card.Notice)
	line(m.Card.Status)
	fmt.Fprintln(&b, m.Card.Title)
	for _, l := range m.Card.Lines {
		line(l)
	}
	fmt.Fprintln(&b, m.Card.Quote)
	line(m.Card.Footer)
	return b.String()
}

func (m chatMessage) buttons() string {
	var all []string
	var add func([]chatButton)
	add = func(buttons []chatButton) {
		for _, b := range buttons {
			all = append(all, b.ID)
			add(b.Menu)
		}
	}
	if m.Card != nil {
		add(m.Card.Buttons)
	}
	return strings.Join(all, " ")
}

// said is what was whispered, or refused.
func (a chatAnswer) said() string {
	all := a.Error
	for _, n := range a.News {
		if n.Message != nil && n.Message.Whisper {
			all += n.Message.words()
		}
	}
	return all
}

func (f chatForm) values() map[string]string {
	v := map[string]string{}
	for _, field := range f.Fields {
		v[field.Name] = field.Value
	}
	return v
}

func (p *person) room() []chatMessage {
	p.t.Helper()
	var room struct {
		Messages []chatMessage `json:"messages"`
	}
	p.get("/api/"+p.id+"/room?room="+demoChannel, &room)
	return room.Messages
}

// all are the messages of the channel, also those that a window loads only when it is scrolled up.
func (p *person) all() []chatMessage {
	p.t.Helper()
	var older struct {
		Messages []chatMessage `json:"messages"`
	}
	p.get("/api/"+p.id+"/older?to=1&room="+demoChannel, &older)
	return older.Messages
}

func (p *person) card(title string) chatMessage {
	p.t.Helper()
	return p.cardWhere(title, func(chatMessage) bool { return true })
}

func (p *person) cardWhere(title string, f func(chatMessage) bool) (found chatMessage) {
	p.t.Helper()
	p.eventually("a card "+title, func() bool {
		for _, m := range p.room() {
			if m.Card != nil && m.Card.Title == title && f(m) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// thread waits until a thread says something.
func (p *person) thread(root, says string) {
	p.t.Helper()
	var thread struct {
		Replies []chatMessage `json:"replies"`
	}
	p.eventually("the thread says "+says, func() bool {
		p.get("/api/"+p.id+"/thread?root="+root, &thread)
		return slices.ContainsFunc(thread.Replies, func(m chatMessage) bool { return strings.Contains(m.words(), says) })
	})
}

func (p *person) press(m chatMessage, button string) chatAnswer {
	p.t.Helper()
	return p.send("press", map[string]any{"message": m.ID, "drawing": m.Card.Drawing, "button": button})
}

func (p *person) submit(f *chatForm, values map[string]string) chatAnswer {
	p.t.Helper()
	return p.send("submit", map[string]any{"token": f.Token, "values": values})
}

func (p *person) send(what string, body map[string]any) (answer chatAnswer) {
	p.t.Helper()
	p.events++
	body["event"] = fmt.Sprintf("event-of-%s-%d", p.id, p.events)
	sent, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := p.client.Post(p.url+"/api/"+p.id+"/"+what, "application/json", bytes.NewReader(sent))
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(got, &answer)
	}
	if err != nil {
		p.t.Fatalf("%s: %s: %v", what, got, err)
	}
	return answer
}
