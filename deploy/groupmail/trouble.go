package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"groupmail/connectors/account"
	"groupmail/connectors/mailbox"
	"groupmail/connectors/message"
	"groupmail/connectors/smtp"
	"groupmail/ticketing"
)

// troubleEvery is how often the watchers' health is looked at. It lies in memory.
const troubleEvery = 5 * time.Second

// endingsEvery is how often it is asked what ends soon.
const endingsEvery = time.Hour

// troubles keeps the desk told of what only a person can mend, and of its end.
type troubles struct {
	desk  *ticketing.Desk
	clock func() time.Time
	log   *slog.Logger

	mu   sync.Mutex
	told map[string]telling // what the desk was told last, by name
}

type telling struct {
	what string // empty: that nothing is wrong
	at   time.Time
}

// tellAgain is how often the desk is told what it was told: another process, which reads or sends for
// the same mailbox at times, may have told it otherwise since.
const tellAgain = time.Minute

// note tells the desk what is wrong, or with an empty What that nothing is. What it was told
// just now it is not told again; what could not be told now is told the next time.
func (t *troubles) note(ctx context.Context, x ticketing.Trouble, since string) {
	state := ""
	if x.What != "" {
		state = x.What + "\x00" + x.Says + "\x00" + x.Cure
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if was, known := t.told[x.Name]; known && was.what == state && t.clock().Sub(was.at) < tellAgain {
		return
	}
	var err error
	if x.What == "" {
		err = t.desk.Recovered(ctx, x.Name, since)
	} else {
		err = t.desk.Troubled(ctx, x)
	}
	if err != nil {
		if ctx.Err() == nil {
			t.log.Error("cannot note trouble for the desk card; will try again", "trouble", x.Name, "err", err)
		}
		return
	}
	t.told[x.Name] = telling{state, t.clock()}
}

// heard is note for what is heard once only, and of which there is perhaps no other word for days: the
// end of an attempt. It is told whatever was told before.
func (t *troubles) heard(ctx context.Context, x ticketing.Trouble) {
	t.mu.Lock()
	delete(t.told, x.Name)
	t.mu.Unlock()
	t.note(ctx, x, "")
}

// explained fills in what a server's trouble says of itself.
func explained(x ticketing.Trouble, err error) ticketing.Trouble {
	var t *account.Trouble
	if errors.As(err, &t) {
		x.Says, x.Cure = t.Says, t.Cure
	}
	if x.Says == "" && err != nil && t == nil {
		x.Cure = err.Error()
	}
	return x
}

// watchTrouble looks at the health of the watchers of this process.
func (a *App) watchTrouble(ctx context.Context) {
	tick := time.NewTicker(troubleEvery)
	defer tick.Stop()
	marks := map[string]int{} // mails picked up when it began to fail
	for n := 0; ; n++ {
		a.noteHealth(ctx, marks)
		if n%int(endingsEvery/troubleEvery) == 0 {
			a.noteEndings(ctx)
			if err := a.endStrayTrouble(ctx); err != nil && ctx.Err() == nil {
				a.log.Error("cannot end the trouble of mailboxes that are no longer in the configuration; will try again", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// noteEndings announces, 30 and 7 days ahead, that a sign-in must be renewed.
func (a *App) noteEndings(ctx context.Context) {
	now := a.clock()
	endings, err := a.signIns.endings(ctx)
	if err != nil && ctx.Err() == nil {
		a.log.Warn("cannot find out when sign-ins end", "err", err)
	}
	for _, e := range endings {
		m, _ := a.cfg.account(e.Mailbox)
		due, isDue := e.notice(now)
		for _, days := range append([]int{0}, notices...) {
			x := ticketing.Trouble{Name: fmt.Sprintf("ends:%s:%s:%d", e.Mailbox, e.What, days), Group: a.groupOf(e.Mailbox), Soon: true}
			if isDue && due == days {
				x.What = fmt.Sprintf("%s: %s ends on %s", m.Address.Addr, e.What, e.Ends.Format("2 January 2006"))
				x.Cure = e.Cure
			}
			a.troubles.note(ctx, x, "")
		}
	}
}

// endStrayTrouble ends the trouble of what is no longer in the configuration: nobody else will.
func (a *App) endStrayTrouble(ctx context.Context) error {
	all, err := a.desk.Troubles(ctx)
	for _, t := range all {
		what, box, _ := strings.Cut(t.Name, ":")
		if what == "board" || what == "chat" {
			continue // the bot ends it
		}
		box, _, _ = strings.Cut(box, ":")
		own := strings.TrimSuffix(box, ticketing.SentName(""))
		m, there := a.cfg.account(own)
		switch {
		case what == "sent copy":
			there = there && m.FileSent
		case own != box:
			there = there && m.From == fromIMAP
		}
		if !there && err == nil && t.Over.IsZero() {
			err = a.desk.Recovered(ctx, t.Name, "it is no longer in the configuration")
		}
	}
	return err
}

func (a *App) noteHealth(ctx context.Context, marks map[string]int) {
	health := map[string]mailbox.Health{}
	for _, w := range a.watchers {
		h := w.Health()
		health[h.Mailbox] = h
	}
	for _, g := range a.cfg.Groups {
		for _, m := range g.Accounts {
			inbox, sent := health[m.Name], health[ticketing.SentName(m.Name)]
			a.noteBox(ctx, g.Name, "Cannot read "+m.Address.Addr, m, inbox, marks)
			a.noteFate(ctx, g.Name, m, inbox)
			if inbox.State == mailbox.Working { // else it is one and the same trouble
				a.noteBox(ctx, g.Name, "Cannot read the Sent folder of "+m.Address.Addr+", so that answers from mail programs are not seen", m, sent, marks)
			}
		}
	}
}

func (a *App) noteBox(ctx context.Context, group, what string, m MailboxConfig, h mailbox.Health, marks map[string]int) {
	x := ticketing.Trouble{Name: "mailbox:" + h.Mailbox, Group: group}
	switch {
	case h.State == mailbox.Failing:
		if _, failing := marks[h.Mailbox]; !failing {
			marks[h.Mailbox] = h.Mails
		}
		x.What = what
		x = explained(x, h.Err)
		if cure := m.reader().Password.cure(); h.Login && cure != "" {
			x.Cure = cure
		}
		a.troubles.note(ctx, x, "")
	case h.State == mailbox.Working && h.Looked.After(h.ErrAt): // a whole look has succeeded since
		since := ""
		if before, failed := marks[h.Mailbox]; failed {
			since = count(h.Mails-before, "mail was", "mails were") + " picked up"
		}
		delete(marks, h.Mailbox)
		a.troubles.note(ctx, x, since)
	}
}

func (a *App) noteFate(ctx context.Context, group string, m MailboxConfig, h mailbox.Health) {
	x := ticketing.Trouble{Name: "fate:" + h.Mailbox, Group: group}
	if h.State != mailbox.Working {
		return
	}
	if h.Fate != nil {
		x.What = "Mail of " + m.Address.Addr + " that is done cannot be moved or marked on its server"
		x = explained(x, h.Fate)
	}
	a.troubles.note(ctx, x, "")
}

// noteSending hears how attempts to send end. That one certain mail was refused is its author's
// matter, and stands in its thread.
func (a *App) noteSending(ctx context.Context, box string, err error) {
	m, ok := a.cfg.account(box)
	if !ok {
		return
	}
	x := ticketing.Trouble{Name: "smtp:" + box, Group: a.groupOf(box)}
	var refused *smtp.Refused
	switch {
	case errors.As(err, &refused) && len(refused.Recipients) > 0: // the server is there, and takes mail to others
	case errors.As(err, &refused) && refused.Permanent, errors.Is(err, smtp.ErrAddress):
		return // it says nothing of other mails
	case err != nil:
		x.What = "Answers of " + m.Address.Addr + " cannot be sent"
		x = explained(x, err)
		if refused != nil {
			x.Says, x.Cure = refused.Text, "they are tried again by themselves"
		}
		if cure := m.SMTP.Password.cure(); errors.Is(err, account.ErrLogin) && cure != "" {
			x.Cure = cure
		}
	}
	a.troubles.heard(ctx, x)
}

// noteCopy hears whether copies of sent mail can be filed.
func (a *App) noteCopy(ctx context.Context, m MailboxConfig, err error) {
	x := ticketing.Trouble{Name: "sent copy:" + m.Name, Group: a.groupOf(m.Name)}
	if err != nil {
		x.What = "Copies of answers of " + m.Address.Addr + " cannot be filed in its Sent folder"
		x = explained(x, err)
	}
	a.troubles.heard(ctx, x)
}

func (a *App) groupOf(box string) string {
	for _, g := range a.cfg.Groups {
		if _, ok := g.Mailbox(box); ok {
			return g.Name
		}
	}
	return ""
}

// mailPeople writes to people of a group, where chat fails.
func (a *App) mailPeople(ctx context.Context, g ticketing.Group, to []ticketing.Address, subject, text string) error {
	if len(g.Mailboxes) == 0 {
		return errors.New("the group has no mailbox to write from")
	}
	m, ok := a.cfg.account(g.Mailboxes[0].Name)
	if !ok {
		return fmt.Errorf("the mailbox %q is not in the configuration", g.Mailboxes[0].Name)
	}
	_, domain, _ := strings.Cut(g.From.Addr, "@")
	out := message.Outgoing{
		MessageID: strings.ToLower(rand.Text()) + "@" + domain, Date: time.Now().In(g.Zone),
		From: g.From, To: to, Subject: "GroupMail: " + subject, Text: text, AutoSubmitted: true,
	}
	var raw bytes.Buffer
	if err := message.Compose(&raw, out); err != nil {
		return err
	}
	addresses := make([]string, len(to))
	for i, one := range to {
		addresses[i] = one.Addr
	}
	return smtp.Submit(ctx, a.signIns.smtp(m), g.From.Addr, addresses, &raw)
}
