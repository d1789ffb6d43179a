package bot

import (
	"context"
	"strings"
	"testing"
	"time"

	"groupmail/ticketing"
)

var (
	noon  = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	maria = ticketing.Address{Name: "Maria Kovács", Addr: "maria@example.net"}
	peter = ticketing.Address{Name: "Peter", Addr: "peter@example.net"}
)

// shown is a message as text, with its times in full.
func shown(m Message) string {
	var b strings.Builder
	line := func(l Line) {
		for _, s := range l {
			b.WriteString(s.Text)
			switch {
			case s.Second:
				b.WriteString(s.Time.Format("15:04:05"))
			case !s.Time.IsZero():
				b.WriteString(s.Time.Format("15:04"))
			case s.URL != "":
				b.WriteString("<" + s.URL + ">")
			}
		}
		b.WriteString("\n")
	}
	b.WriteString(m.Notice + "\n")
	line(m.Status)
	b.WriteString(m.Title + "\n")
	for _, l := range m.Lines {
		line(l)
	}
	b.WriteString("> " + m.Quote + "\n")
	line(m.Footer)
	for _, x := range m.Buttons {
		b.WriteString("[" + x.Label + "]")
	}
	return b.String()
}

func TestCards(t *testing.T) {
	named := func(id ticketing.MemberID) ticketing.Member {
		return ticketing.Member{ID: id, Name: map[ticketing.MemberID]string{"x:ann": "Ann", "x:ben": "Ben"}[id]}
	}
	first := ticketing.Mail{ID: 1, Direction: ticketing.In, From: maria, Subject: "Heating", Reply: "It is cold.", Sent: noon.Add(-time.Hour), Received: noon}
	again := ticketing.Mail{ID: 3, Direction: ticketing.In, From: maria, Subject: "Re: Heating", Reply: "Even colder!", Sent: noon.Add(2 * time.Hour), Received: noon.Add(2 * time.Hour)}
	stranger := again
	stranger.From, stranger.NewPerson, stranger.ReplyTo = peter, true, []ticketing.Address{{Addr: "else@example.net"}}
	ours := ticketing.Mail{ID: 2, Direction: ticketing.Out, From: ticketing.Address{Addr: "help@example.org"}, Reply: "We are coming.", By: "x:ben"}
	urgent := again
	urgent.Priority, urgent.Attachments = ticketing.High, make([]ticketing.Attachment, 2)
	taken := ticketing.Conversation{ID: 1, Number: 7, State: ticketing.Taken, Owner: "x:ben", Since: noon, Subject: "Heating", With: maria, Mailbox: "help", First: 1, Last: 3, Mails: 3}
	with := func(c ticketing.Conversation, change func(*ticketing.Conversation)) ticketing.Conversation {
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		dr    ticketing.Drawing
		show  ticketing.Show
		want  []string
		never []string
	}{
		"the first mail": {
			dr:    ticketing.Drawing{Conversation: taken, First: first, Newest: first},
			want:  []string{"◆ Taken by Ben · 12:00 · Maria Kovács", "> It is cold."},
			never: []string{"wrote"},
		},
		"wrote again": {
			dr:    ticketing.Drawing{Conversation: taken, First: first, Newest: again},
			want:  []string{"◆ Taken by Ben · 12:00 · Maria Kovács", "\nHeating\n✉ Maria Kovács wrote again · 14:00\n> Even colder!"},
			never: []string{"It is cold", "Re: Heating"},
		},
		"wrote again, texts hidden": {
			dr:    ticketing.Drawing{Conversation: taken, First: first, Newest: again},
			show:  ticketing.ShowSender,
			want:  []string{"✉ Maria Kovács wrote again · 14:00"},
			never: []string{"colder", "Heating"},
		},
		"wrote again, subject only": {
			dr:    ticketing.Drawing{Conversation: taken, First: first, Newest: again},
			show:  ticketing.ShowSubject,
			want:  []string{"\nHeating\n✉ Maria Kovács wrote again · 14:00"},
			never: []string{"colder"},
		},
		"now urgent, with files": {
			dr:   ticketing.Drawing{Conversation: taken, First: first, Newest: urgent},
			want: []string{"❗ The sender marked it as urgent.", "✉ Maria Kovács wrote again · 14:00 · 📎 2 attachments"},
		},
		"somebody new": {
			dr:    ticketing.Drawing{Conversation: with(taken, func(c *ticketing.Conversation) { c.NewPerson = peter }), First: first, Newest: stranger},
			want:  []string{"· Maria Kovács <maria@", "⚠ Peter <peter@example.net> had no part in this before", "✉ Peter wrote · 14:00\n> Even colder!"},
			never: []string{"wrote again", "Asks for answers"},
		},
		"idle": {
			dr:   ticketing.Drawing{Conversation: with(taken, func(c *ticketing.Conversation) { c.Overdue, c.Touched = true, noon.Add(2*time.Hour) }), First: first, Newest: again},
			want: []string{"▲ Lies idle with Ben since 14:00", "✉ Maria Kovács wrote again · 14:00", "· Ben since 12:00"},
		},
		"answered": {
			dr: ticketing.Drawing{Conversation: with(taken, func(c *ticketing.Conversation) { c.State = ticketing.Waiting }), First: first, Newest: first,
				Events: []ticketing.Event{{Move: ticketing.MoveTake, Member: "x:ben", At: noon}, {Move: ticketing.MoveAnswer, Member: "x:ann", At: noon.Add(3 * time.Hour)}}},
			want: []string{"◇ Waiting for the sender · answered by Ann 15:00", "· Ben since 12:00", "[Close][Reply][Release][More…]"},
		},
		"answered outside, though somebody has it": {
			dr: ticketing.Drawing{Conversation: with(taken, func(c *ticketing.Conversation) { c.State = ticketing.Waiting }), First: first, Newest: first,
				Events: []ticketing.Event{{Move: ticketing.MoveAnswer, Member: "x:ann", At: noon}, {Move: ticketing.MoveOutside, At: noon.Add(3 * time.Hour)}}},
			want: []string{"· answered outside GroupMail 15:00", "· Ben since 12:00"},
		},
		"no mail, and we wrote first": {
			dr:    ticketing.Drawing{Conversation: with(taken, func(c *ticketing.Conversation) { c.Mailbox, c.Note = "", "Rang at noon" }), First: ours},
			want:  []string{"Taken by Ben: Maria Kovács – Heating", "· with Maria Kovács", "> Rang at noon"},
			never: []string{"help@example.org", "We are coming"},
		},
		"no mail, and they answered": {
			dr:    ticketing.Drawing{Conversation: with(taken, func(c *ticketing.Conversation) { c.Mailbox, c.Note = "", "Rang at noon" }), First: ours, Newest: again},
			want:  []string{"· with Maria Kovács", "✉ Maria Kovács wrote · 14:00\n> Even colder!"},
			never: []string{"wrote again"},
		},
		"moved to another team": {
			dr: ticketing.Drawing{Conversation: with(taken, func(c *ticketing.Conversation) {
				c.State, c.Owner, c.Outcome, c.ClosedBy, c.Closed, c.Erased, c.First = ticketing.Closed, "", "moved to Accounts", "x:ann", noon, noon, 0
			})},
			want:  []string{"➜ Moved to Accounts by Ann · 12:00"},
			never: []string{"[", "Heating", "Maria"},
		},
		"another team is there": {
			dr:   ticketing.Drawing{Conversation: taken, First: first, Newest: first, Others: []ticketing.Group{{Name: "accounts"}}},
			want: []string{"[Reply][Release][Close][More…]"},
		},
		"no answer needed, once a ticket": {
			dr: ticketing.Drawing{Conversation: with(taken, func(c *ticketing.Conversation) {
				c.State, c.Owner, c.Outcome = ticketing.Closed, "", ticketing.NoAnswerNeeded
			}), First: first, Newest: first},
			want: []string{"[Undo][Reply][More…]"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.show == "" {
				c.show = ticketing.ShowFull
			}
			got := shown(card(c.dr.With(named), c.show, func(string) string { return "" }))
			for _, w := range c.want {
				if !strings.Contains(got, w) {
					t.Errorf("it does not show %q:\n%s", w, got)
				}
			}
			for _, n := range c.never {
				if strings.Contains(got, n) {
					t.Errorf("it shows %q:\n%s", n, got)
				}
			}
		})
	}
}

// What a card says of replies on their way: times of day that stay true, and the way to the buttons.
func TestOnItsWay(t *testing.T) {
	for want, r := range map[string]ticketing.Reply{
		"⏳ Ben’s answer goes out at 12:00:00 · Stop it in the thread<L>":                  {State: ticketing.Pending, Due: noon},
		"⏳ Ben’s answer is not sent yet, and is tried again at 12:00: see the thread<L>":  {State: ticketing.Pending, Due: noon, Error: "busy"},
		"⏸ Ben’s answer waits for Send in the thread<L>":                                  {State: ticketing.Asking},
		"Ben’s answer is being sent.":                                                     {State: ticketing.Sending},
		"? Ben’s answer was perhaps sent, and is tried again at 12:00: see the thread<L>": {State: ticketing.Unknown, Due: noon},
		"✗ Ben’s answer could not be sent: see the thread<L>":                             {State: ticketing.Failed},
	} {
		got := strings.Split(shown(Message{Lines: []Line{onItsWay(r, "Ben", "L")}}), "\n")[3]
		if got != want {
			t.Errorf("%s: %q, want %q", r.State, got, want)
		}
		for _, s := range onItsWay(r, "Ben", "") {
			if s.URL != "" {
				t.Errorf("%s leads somewhere though its line is not posted", r.State)
			}
		}
	}
}

// A stale answer quotes what came; a channel that shows no texts does not get it that way.
func TestTheStaleGuardKeepsToShow(t *testing.T) {
	dr := ticketing.Drawing{Reply: ticketing.Reply{State: ticketing.Asking, Why: ticketing.WhyStale, Error: "Maria wrote meanwhile: “my PIN is 1234”", Text: "Hello"}}
	for show, says := range map[ticketing.Show]bool{ticketing.ShowFull: true, ticketing.ShowSubject: false, ticketing.ShowSender: false} {
		got := shown(replyLine(dr, show))
		if strings.Contains(got, "1234") != says || !strings.Contains(got, "Send it all the same?") {
			t.Errorf("%s: %s", show, got)
		}
	}
}

func TestPointerLines(t *testing.T) {
	m := ticketing.Mail{ID: 1, Direction: ticketing.In, From: maria, Received: noon}
	dr := ticketing.Drawing{Post: ticketing.Post{Made: noon}, Conversation: ticketing.Conversation{Number: 7, Subject: "Heating"}, Mail: m}
	if got := pointerLine(dr, ticketing.ShowFull, "L"); got.Notice != "Maria Kovács wrote again – Heating" || !strings.Contains(shown(got), "(#7) · to the card<L>") {
		t.Error(shown(got))
	}
	dr.Post.Made = noon.Add(time.Hour)
	if got := pointerLine(dr, ticketing.ShowSender, ""); got.Notice != "A mail from Maria Kovács was put back into the mailbox" || !strings.Contains(shown(got), "see its card above") {
		t.Error(shown(got))
	}
}

// Read shows what can be read, whatever the conversation began with.
func TestRead(t *testing.T) {
	w := newWorld(t, nil)
	first := w.arrives("Heating broken", "It is cold.")
	heating := w.card("Heating broken")
	w.click(0, heating, "take")
	w.shows(heating, "◆ Taken by Ann")
	w.arrives("Re: Heating broken", "Even colder!", first)
	w.shows(heating, "Maria wrote again")
	if got := said(w.click(1, heating, "read")); !strings.Contains(got, "Even colder!") || !strings.Contains(got, "newest of 2 mails") {
		t.Errorf("read %s", got)
	}

	w.n++
	err := w.desk.Receive(context.Background(), ticketing.Arrival{Mailbox: "help", Ref: ticketing.Ref{Validity: "1", UID: "99"}, Mail: ticketing.Mail{
		MessageID: "99@example.net", From: peter, Subject: "About #1", Text: "From Peter", Reply: "From Peter", Digest: "99", TicketRef: 1,
	}})
	if err != nil {
		t.Fatal(err)
	}
	mention := w.card("About #1")
	w.shows(mention, "Mentions #1")
	w.click(0, mention, "join")
	w.shows(mention, "✓ Closed: joined to #1")
	w.shows(heating, "✉ Peter wrote")
	if got := said(w.click(1, mention, "read")); !strings.Contains(got, "From Peter") {
		t.Errorf("read what was joined: %s", got)
	}

	w.submit(0, w.command(0, "ticket").Form, map[string]string{"summary": "Rang about the bill", "with": "Maria", "note": "Call back"})
	if got := said(w.click(1, w.card("Rang about the bill"), "read")); !strings.Contains(got, "Call back") {
		t.Errorf("read a matter without mail: %s", got)
	}
}
