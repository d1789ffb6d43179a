package bot

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"groupmail/ticketing"
)

// posted waits for the post of a kind.
func (w *world) posted(kind ticketing.PostKind) (p *posted) {
	w.t.Helper()
	w.until("there is a post of kind "+string(kind), func() bool {
		i := slices.IndexFunc(w.chat.posts, func(x *posted) bool { return strings.HasPrefix(x.m.Key, string(kind)+":") && !x.gone })
		if i < 0 {
			return false
		}
		p = w.chat.posts[i]
		known, err := w.desk.FindPost(w.t.Context(), p.m.Key, "", "")
		return err == nil && known.Message == p.id
	})
	return p
}

// whispered presses a button of a whisper.
func (w *world) whispered(who int, a Answer, button string) Answer {
	w.t.Helper()
	w.n++
	if a.Whisper == nil {
		w.t.Fatalf("no whisper in %+v", a)
	}
	for _, b := range a.Whisper.Buttons {
		for _, x := range append(b.Menu, b) {
			if x.ID == button {
				a := w.chat.hub.Click(w.t.Context(), Click{Event: fmt.Sprintf("w%d", w.n), Who: people[who], Channel: "board", Button: button, Value: x.Value})
				if a.Redraw != nil && a.Whisper == nil { // in the place of the whisper that was pressed
					a.Whisper = a.Redraw
				}
				return a
			}
		}
	}
	w.t.Fatalf("no button %q on %s", button, text(*a.Whisper))
	return Answer{}
}

func (w *world) receives(m ticketing.Mail) {
	w.t.Helper()
	w.n++
	m.MessageID, m.Digest = fmt.Sprintf("%d@example.net", w.n), fmt.Sprint(w.n)
	err := w.desk.Receive(w.t.Context(), ticketing.Arrival{Mailbox: "help", Ref: ticketing.Ref{Validity: "1", UID: fmt.Sprint(w.n)}, Mail: m})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestHeldList(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 3 {
		w.receives(ticketing.Mail{From: ticketing.Address{Addr: fmt.Sprintf("p%d@example.net", i)}, Subject: fmt.Sprintf("Away %d", i), Text: "until Monday", Reply: "until Monday", AutoReply: true})
	}
	w.receives(ticketing.Mail{From: ticketing.Address{Addr: "mailer-daemon@example.net"}, Subject: "Undelivered", Reply: "no such user", Bounce: true})
	held := w.posted(ticketing.HeldPost)
	w.shows(held, "Held: 4 mails")
	w.shows(held, "3 automatic answers")

	a := w.click(0, held, "held")
	if got := text(*a.Whisper); !strings.Contains(got, "Away 0") || !strings.Contains(got, "until Monday") {
		t.Errorf("first: %s", got)
	}
	a = w.whispered(0, a, "admit")
	w.card("Away 0")
	if got := text(*a.Whisper); !strings.Contains(got, "✓ Released") || !strings.Contains(got, "Away 1") {
		t.Errorf("released: %s", got)
	}
	a = w.whispered(0, a, "discard")
	w.shows(held, "Held: 2 mails")
	undo := w.whispered(0, a, "undo")
	if undo.Whisper != nil {
		t.Errorf("undo: %s", said(undo))
	}
	w.shows(held, "Held: 3 mails")
	a = w.whispered(0, a, "held")
	if got := text(*a.Whisper); !strings.Contains(got, "Away 2") {
		t.Errorf("next: %s", got)
	}
	w.whispered(0, a, "discardall")
	w.shows(held, "Held: 1 mail ")
	a = w.command(0, "held")
	if got := text(*a.Whisper); !strings.Contains(got, "Undelivered") {
		t.Errorf("/mail held: %s", got)
	}
	a = w.whispered(0, a, "discard")
	w.shows(held, "Nothing is held any more")
	if a = w.whispered(0, a, "held"); !strings.Contains(said(a), "That was the last one") {
		t.Errorf("after the last: %s", said(a))
	}
}

func TestDigestOfAFlood(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 30 {
		from := "news@example.net"
		if i%10 == 9 {
			from = "maria@example.net"
		}
		w.receives(ticketing.Mail{From: ticketing.Address{Addr: from}, Subject: fmt.Sprintf("Offer %d", i), Reply: "Buy!"})
	}
	digest := w.posted(ticketing.DigestPost)
	w.shows(digest, "25 more mails came at once")
	w.shows(digest, "22 × news@example.net")
	cards := func() (n int) {
		for _, p := range w.chat.posts {
			if strings.HasPrefix(p.m.Key, "card:") {
				n++
			}
		}
		return n
	}
	w.until("there are five cards", func() bool { return cards() == 5 })
	if got := text(*w.click(0, digest, "collected").Whisper); !strings.Contains(got, "Offer 5") || strings.Contains(got, "Offer 4") {
		t.Errorf("list: %s", got)
	}
	w.click(0, digest, "showmore")
	w.until("there are ten more", func() bool { return cards() == 15 })
	w.shows(digest, "15 more mails came at once")

	form := w.click(0, digest, "floodspam").Form
	if form == nil || form.Fields[0].Options[0].Label != "13 × news@example.net" {
		t.Fatalf("form: %+v", form)
	}
	a := w.chat.hub.Submit(t.Context(), Submission{Event: "s", Who: people[0], Channel: "board", State: form.State, Values: map[string]string{"from": "news@example.net"}})
	w.shows(digest, "2 more mails came at once")
	w.whispered(0, a, "floodundo")
	w.shows(digest, "15 more mails came at once")
}

func TestDeskCardIsPinned(t *testing.T) {
	w := newWorld(t, nil)
	desk := w.posted(ticketing.DeskPost)
	w.until("it is pinned", func() bool { return slices.Contains(w.chat.pinned, desk.id) })
	w.arrives("Heating", "cold")
	w.shows(desk, "1 mail waits for somebody")
	w.click(0, w.card("Heating"), "take")
	w.shows(desk, "Ann has 1")
	w.shows(desk, "Nothing waits")
	if got := said(w.click(1, desk, "queue")); !strings.Contains(got, "Queue of Help desk") {
		t.Errorf("queue: %s", got)
	}
	w.chat.mu.Lock()
	desk.gone = true
	w.chat.mu.Unlock()
	w.chat.hub.Lost(t.Context(), "board", desk.id)
	if anew := w.posted(ticketing.DeskPost); anew.id == desk.id {
		t.Error("it is not posted anew")
	}
}

func TestAdminsAreTold(t *testing.T) {
	w := newWorld(t, nil)
	trouble := ticketing.Trouble{Name: "mailbox:help", Group: "help", What: "Cannot read help@example.org", Says: "wrong password", Cure: "put the new password into /etc/groupmail/help"}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	told := func() []string {
		w.chat.mu.Lock()
		defer w.chat.mu.Unlock()
		return slices.Clone(w.chat.told)
	}
	alert := func() { ok(w.bot.alertAdmins(t.Context())) }
	ok(w.desk.Troubled(t.Context(), trouble))
	alert()
	w.skip.Store(int64(11 * time.Minute))
	alert()
	alert()
	if got := told(); len(got) != 1 || !strings.HasPrefix(got[0], "ann: ") || !strings.Contains(got[0], "Cannot read help@example.org since TIME; the server says “wrong password”. Put the new password into /etc/groupmail/help.") {
		t.Errorf("told: %q", got)
	}
	ok(w.bot.Desk.RefreshDesks(t.Context()))
	w.shows(w.posted(ticketing.DeskPost), "Cannot read help@example.org")
	ok(w.desk.Recovered(t.Context(), "mailbox:help", "14 mails were picked up"))
	w.skip.Add(int64(6 * time.Minute))
	alert()
	alert()
	if got := told(); len(got) != 2 || !strings.Contains(got[1], "Over: Cannot read help@example.org") || !strings.Contains(got[1], "14 mails were picked up.") {
		t.Errorf("told: %q", got)
	}

	// Where chat fails it goes by mail, and it counts as told.
	w.chat.mu.Lock()
	w.chat.fault = func(what string) error {
		if what == "direct" {
			return errors.New("chat is down")
		}
		return nil
	}
	w.chat.mu.Unlock()
	ok(w.desk.Troubled(t.Context(), trouble))
	w.skip.Add(int64(11 * time.Minute))
	alert()
	alert()
	if len(w.mail) != 1 || !strings.HasPrefix(w.mail[0], "ann@example.com: Cannot read help@example.org: ") || !strings.Contains(w.mail[0], "No mail is lost") {
		t.Errorf("mailed: %q", w.mail)
	}
}

// Nobody else tells people the same while a slow platform is being told; right after it anybody may.
func TestOneProcessTells(t *testing.T) {
	w := newWorld(t, nil)
	other := func() bool {
		held, err := w.store.Lease(t.Context(), "alerts", "another process", time.Second)
		if err != nil {
			t.Error(err)
		}
		return held
	}
	tried := false
	w.chat.mu.Lock()
	w.chat.fault = func(what string) error {
		if what == "direct" {
			w.skip.Add(int64(time.Minute))
			tried = true
			if other() {
				t.Error("another process tells people the same")
			}
		}
		return nil
	}
	w.chat.mu.Unlock()
	if err := w.desk.Troubled(t.Context(), ticketing.Trouble{Name: "mailbox:help", Group: "help", What: "Cannot read help@example.org"}); err != nil {
		t.Fatal(err)
	}
	w.skip.Add(int64(2 * time.Hour)) // the lease of the test is over
	w.bot.alert(t.Context())
	if !tried || !other() {
		t.Errorf("told: %v; or nobody else may tell", tried)
	}
}

func TestLeadsAreTold(t *testing.T) {
	w := newWorld(t, nil)
	w.arrives("Heating", "cold")
	w.skip.Store(int64(3 * time.Hour))
	for range 2 {
		if err := w.bot.alertLeads(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.chat.told; len(got) != 1 || !strings.HasPrefix(got[0], "ann: ") || !strings.Contains(got[0], "1 mail waits for somebody for more than twice as long") {
		t.Errorf("told: %q", got)
	}
	w.bot.sweepOverdue(t.Context())
	w.shows(w.posted(ticketing.OverduePost), "1 mail waits too long")
}

func TestAFailureIsToldToWhoeverAnswered(t *testing.T) {
	w := newWorld(t, nil)
	id := w.arrives("Heating", "cold")
	card := w.card("Heating")
	w.click(0, card, "take")
	w.shows(card, "Taken by Ann")
	w.receives(ticketing.Mail{
		From: ticketing.Address{Addr: "mailer-daemon@example.net"}, Subject: "Undelivered", References: []string{id}, Bounce: true,
		Report: ticketing.Report{Text: "maria@example.net: mailbox full (5.2.2)", Says: "552 quota exceeded"},
	})
	line := w.line("Not delivered")
	if got := text(line.m); !strings.Contains(got, "maria@example.net: mailbox full (5.2.2)") || !strings.Contains(got, "552 quota exceeded") {
		t.Errorf("the line says %s", got)
	}
	if !slices.ContainsFunc(line.m.Status, func(s Span) bool { return s.Member == "ann" && s.Ping }) {
		t.Errorf("Ann is not told: %+v", line.m.Status)
	}
	w.shows(card, "The answer did not arrive: maria@example.net: mailbox full (5.2.2)")
	w.shows(card, "Taken by Ann")
}

// Whom nobody can reach is tried less and less often.
func TestAdminsThatCannotBeReached(t *testing.T) {
	w := newWorld(t, func(c *chat) {
		c.fault = func(what string) error {
			if what == "direct" {
				return errors.New("chat is down")
			}
			return nil
		}
	})
	w.bot.Mail = nil
	if err := w.desk.Troubled(t.Context(), ticketing.Trouble{Name: "mailbox:help", Group: "help", What: "Cannot read help@example.org"}); err != nil {
		t.Fatal(err)
	}
	w.skip.Store(int64(11 * time.Minute))
	for range 12 * 60 {
		_ = w.bot.alertAdmins(t.Context())
		w.skip.Add(int64(time.Minute))
	}
	w.chat.mu.Lock()
	tries := w.chat.calls["direct"]
	w.chat.fault = nil
	w.chat.mu.Unlock()
	if tries < 12 || tries > 20 {
		t.Errorf("tried %d times in twelve hours", tries)
	}
	w.skip.Add(int64(time.Hour))
	if err := w.bot.alertAdmins(t.Context()); err != nil || len(w.chat.told) != 1 {
		t.Errorf("told: %q, %v", w.chat.told, err)
	}
}

// A channel that the bot was removed from, and a token that was revoked, are trouble with a cure, which
// admins are told of by mail if chat has no way; what was to be posted is posted when it is mended.
func TestBoardTrouble(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		cure string
	}{
		{"channel", fmt.Errorf("chat: %w: it is archived", ErrNoChannel), "Invite the bot there"},
		{"token", fmt.Errorf("chat: %w: token_revoked", ErrNoAccess), "groupmail check says which"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.chat.mu.Lock()
			w.chat.fault = func(string) error { return test.err }
			w.chat.deaf = true
			w.chat.mu.Unlock()
			w.receives(ticketing.Mail{From: ticketing.Address{Addr: "maria@example.net"}, Subject: "Meanwhile"})
			troubles := func(n int) []ticketing.Trouble {
				var all []ticketing.Trouble
				w.until(fmt.Sprintf("%d troubles", n), func() bool {
					got, err := w.desk.Troubles(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					all = slices.DeleteFunc(got, func(x ticketing.Trouble) bool { return !x.Over.IsZero() })
					return len(all) == n
				})
				return all
			}
			w.bot.watchPlatforms(t.Context())
			all := troubles(2) // the drawing that failed has made the bot look
			i := slices.IndexFunc(all, func(x ticketing.Trouble) bool { return x.Name == "board:x/board" })
			if i < 0 || !strings.Contains(all[i].What, "Board") || !strings.Contains(all[i].Cure, test.cure) {
				t.Fatalf("%+v", all)
			}
			w.skip.Add(int64(11 * time.Minute))
			if err := w.bot.alertAdmins(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(w.mail) != 2 || !strings.Contains(strings.Join(w.mail, "\n"), test.cure) || !strings.Contains(strings.Join(w.mail, "\n"), "Not connected to x") {
				t.Errorf("mailed: %q", w.mail)
			}

			w.chat.mu.Lock()
			w.chat.fault, w.chat.deaf = nil, false
			w.chat.mu.Unlock()
			w.bot.people.refresh(t.Context())
			w.bot.watchPlatforms(t.Context())
			troubles(0)
			w.card("Meanwhile")
		})
	}
}
