package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"groupmail/ticketing"
)

const (
	deskEvery  = 10 * time.Second // for what changes by itself: trouble that lasts
	deskPause  = time.Second      // between two looks after something was done
	alertEvery = 10 * time.Second
	seldom     = time.Hour        // at most this long after it could not be told
	alertLease = 10 * time.Minute // however slow the platforms are: given up as soon as all is told
)

// deskCard is how the group stands. It is pinned, and shows times, not ages, so that it changes only
// when something has happened.
func deskCard(dr ticketing.Drawing) Message {
	t := dr.Tally
	m := Message{Title: dr.Group.Title, Buttons: []Button{{ID: "queue", Label: "Queue", Value: "0"}, {ID: "mine", Label: "Mine", Value: "0"}}}
	switch {
	case t.New == 0:
		m.Status = Line{{Text: "✓ Nothing waits for somebody", Strong: true}}
	case t.Late > 0:
		m.Tone = Red
		m.Status = Line{{Text: fmt.Sprintf("▲ %s for somebody, %d too long", waitsFor(t.New), t.Late), Strong: true}, {Text: " · the first since "}, {Time: t.Oldest}}
	default:
		m.Tone = Yellow
		m.Status = Line{{Text: "● " + waitsFor(t.New) + " for somebody", Strong: true}, {Text: " · the first since "}, {Time: t.Oldest}}
	}
	if t.Failed > 0 { // said in front: it makes the card red
		m.Status = append(m.Status, Span{Text: " · "}, Span{Text: "✗ " + plural(t.Failed, "answer") + " could not be sent", Strong: true})
	}
	m.Notice = dr.Group.Title + ": " + m.Status[0].Text
	if len(t.Holders) > 0 {
		holds := make([]string, len(t.Holders))
		for i, h := range t.Holders {
			holds[i] = fmt.Sprintf("%s has %d", dr.Named(h.Member).Called(), h.Count)
		}
		line := "◆ " + ticketing.OneLine(strings.Join(holds, ", "), 500)
		if t.Idle > 0 {
			line += fmt.Sprintf(" · %d idle too long", t.Idle)
		}
		m.Lines = append(m.Lines, Line{{Text: line}})
	}
	if t.Waiting > 0 {
		m.Lines = append(m.Lines, Line{{Text: "◇ " + plural(t.Waiting, "answered conversation") + ", the sender’s turn"}})
	}
	if t.Collected > 0 {
		m.Lines = append(m.Lines, Line{{Text: "≋ " + plural(t.Collected, "mail") + " of a flood without cards yet"}})
	}
	if t.Failed > 0 {
		m.Tone = Red
		m.Lines = append(m.Lines, Line{{Text: "See the threads of the answers that could not be sent."}})
	}
	if t.Asking > 0 {
		m.Lines = append(m.Lines, Line{{Text: "⏸ " + plural(t.Asking, "answer") + " not sent yet: somebody has to press Send"}})
	}
	if t.Held > 0 {
		m.Lines = append(m.Lines, Line{{Text: "⊘ " + plural(t.Held, "mail") + " held"}})
		m.Buttons = append(m.Buttons, Button{ID: "held", Label: "Held", Value: "0"})
	}
	for _, b := range dr.Boxes {
		line := Line{{Text: "✉ " + b.Mailbox.Address.Addr}}
		if b.Last.IsZero() {
			line = append(line, Span{Text: " · no mail yet"})
		} else {
			line = append(line, Span{Text: " · last mail "}, Span{Time: b.Last})
		}
		m.Lines = append(m.Lines, line)
	}
	for _, x := range dr.Troubles {
		if !x.Soon {
			m.Tone = Red
		}
		m.Lines = append(m.Lines, troubleLine(x))
	}
	return m
}

func waitsFor(n int) string {
	if n == 1 {
		return "1 mail waits"
	}
	return fmt.Sprintf("%d mails wait", n)
}

// troubleLine says what is wrong, since when, and what to do.
func troubleLine(t ticketing.Trouble) Line {
	l := Line{{Text: "⚠ " + ticketing.OneLine(t.What, 300), Strong: true}}
	if !t.Soon {
		l = append(l, Span{Text: " since "}, Span{Time: t.Since})
	}
	end := "."
	if t.Says != "" {
		end = "; the server says “" + ticketing.OneLine(t.Says, 300) + "”."
	}
	if t.Cure != "" {
		end += " " + sentence(ticketing.OneLine(t.Cure, 500))
	}
	return append(l, Span{Text: end})
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	r := []rune(s)
	if len(r) == 0 {
		return s
	}
	s = strings.ToUpper(string(r[0])) + string(r[1:])
	if strings.HasSuffix(s, ".") || strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}

// overdueLine stands at the channel's bottom when something has waited too long.
func overdueLine(dr ticketing.Drawing, link string) Message {
	t := dr.Tally
	if t.Late == 0 {
		return Message{Notice: "Nothing waits too long any more", Status: Line{{Text: "✓ Nothing waits too long any more"}}}
	}
	l := Line{{Text: "▲ " + waitsFor(t.Late) + " too long", Strong: true}, {Text: " · the first since "}, {Time: t.Oldest}}
	if link != "" {
		l = append(l, Span{Text: " · "}, Span{Text: "to a card", URL: link})
	}
	return Message{Notice: waitsFor(t.Late) + " too long", Tone: Red, Status: l}
}

// keepDesks keeps the desk cards as the groups stand: soon after anything is done here, and every so
// often for what is done elsewhere.
func (b *Bot) keepDesks(ctx context.Context) {
	for ctx.Err() == nil {
		if err := b.Desk.RefreshDesks(ctx); err != nil && ctx.Err() == nil {
			b.Log.Error("cannot keep the desk cards up to date", "err", err)
		}
		wait, cancel := context.WithTimeout(ctx, deskEvery)
		select {
		case <-b.stirred:
		case <-wait.Done():
		}
		cancel()
		wait, cancel = context.WithTimeout(ctx, deskPause)
		<-wait.Done()
		cancel()
	}
}

// alert tells the admins of trouble, and the leads of what waits far too long: one process at a time.
func (b *Bot) alert(ctx context.Context) {
	if held, err := b.Desk.Lease(ctx, "alerts", alertLease); err != nil || !held {
		return // the database's trouble is told by whoever needs it
	}
	telling, cancel := context.WithTimeout(ctx, alertLease-time.Minute)
	defer cancel()
	err := errors.Join(b.alertAdmins(telling), b.alertLeads(telling))
	if err != nil && ctx.Err() == nil {
		b.Log.Error("cannot tell people of trouble; will try again", "err", err)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), drawTime)
	defer cancel()
	if err := b.Desk.Unlease(ending, "alerts"); err != nil {
		b.Log.Warn("nobody tells people of trouble until a lease is over", "lease", alertLease, "err", err)
	}
}

func (b *Bot) alertAdmins(ctx context.Context) error {
	due, err := b.Desk.Alerts(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range due {
		g, ok := b.Desk.Group(t.Group)
		if ok {
			told, err := b.untold.try("admins:"+t.Name, b.Clock(), func() error {
				return b.tell(ctx, g, g.TroubleGoesTo(), alertMessage(g, t))
			})
			if err != nil {
				errs = append(errs, err)
			}
			if !told {
				continue
			}
		}
		errs = append(errs, b.Desk.Alerted(ctx, t))
	}
	return errors.Join(errs...)
}

// alertMessage tells of trouble, or of its end.
func alertMessage(g ticketing.Group, t ticketing.Trouble) Message {
	if t.Over.IsZero() {
		m := Message{Notice: t.What, Tone: Red, Lines: []Line{troubleLine(t)}}
		if !t.Soon {
			m.Lines = append(m.Lines, Line{{Text: "No mail is lost: everything goes on by itself once this is mended. No restart is needed."}})
		}
		m.Footer = Line{{Text: g.Title}}
		return m
	}
	l := Line{{Text: "✓ Over: ", Strong: true}, {Text: ticketing.OneLine(t.What, 300) + ", from "}, {Time: t.Since}, {Text: " to "}, {Time: t.Over}, {Text: "."}}
	if t.Note != "" {
		l = append(l, Span{Text: " " + sentence(ticketing.OneLine(t.Note, 200))})
	}
	return Message{Notice: "Over: " + t.What, Lines: []Line{l}, Footer: Line{{Text: g.Title}}}
}

func (b *Bot) alertLeads(ctx context.Context) error {
	all, err := b.Desk.Escalations(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range all {
		text := waitsFor(e.Count) + " for somebody for more than twice as long as they should"
		m := Message{
			Notice: e.Group.Title + ": " + text, Tone: Red,
			Lines:  []Line{{{Text: "▲ " + text, Strong: true}, {Text: " · the first since "}, {Time: e.Oldest}}},
			Footer: Line{{Text: e.Group.Title}},
		}
		told, err := b.untold.try("leads:"+e.Group.Name, b.Clock(), func() error { return b.tell(ctx, e.Group, e.Group.Leads, m) })
		if err != nil {
			errs = append(errs, err)
		}
		if !told {
			continue
		}
		errs = append(errs, b.Desk.Escalated(ctx, e))
	}
	return errors.Join(errs...)
}

// untold is what could not be told, by name: it is tried less and less often.
type untold map[string]struct {
	times int
	next  time.Time
}

// try tells, unless that failed a moment ago.
func (u untold) try(what string, now time.Time, tell func() error) (told bool, err error) {
	was := u[what]
	if now.Before(was.next) {
		return false, nil
	}
	if err := tell(); err != nil {
		was.times++
		was.next = now.Add(min(alertEvery<<min(was.times, 10), seldom))
		u[what] = was
		return false, err
	}
	delete(u, what)
	return true, nil
}

// tell sends a direct message to those of a group's people whom a list names; where none can be
// reached in chat, a mail. That there is nobody to tell is no error: the desk card says it all.
func (b *Bot) tell(ctx context.Context, g ticketing.Group, list []string, m Message) error {
	if len(list) == 0 {
		return nil
	}
	team, err := b.Desk.Colleagues(ctx, g.Name)
	if err != nil {
		return err
	}
	team = slices.DeleteFunc(team, func(m ticketing.Member) bool { return !ticketing.Names(list, m) })
	reached := false
	var errs []error
	var addresses []ticketing.Address
	for _, one := range team {
		platform, own, _ := strings.Cut(string(one.ID), ":")
		p, ok := b.platforms[platform]
		if !ok {
			continue
		}
		if one.Email != "" {
			addresses = append(addresses, ticketing.Address{Name: one.Name, Addr: one.Email})
		}
		ctx, cancel := context.WithTimeout(ctx, drawTime)
		channel, err := p.DirectChannel(ctx, own)
		if err == nil {
			_, err = p.Post(ctx, channel, m)
		}
		cancel()
		if err != nil {
			errs = append(errs, fmt.Errorf("direct message to %s: %w", one.ID, err))
			continue
		}
		reached = true
	}
	switch {
	case reached && len(errs) > 0: // once a day, to whom it reaches: the others would not make it better
		b.Log.Warn("not everybody could be told of trouble", "group", g.Name, "trouble", m.Notice, "err", errors.Join(errs...))
		return nil
	case reached:
		return nil
	case len(team) == 0:
		b.Log.Warn("nobody of those who are to be told of trouble is in the group's channels", "group", g.Name, "listed", strings.Join(list, ", "), "trouble", m.Notice)
		return nil
	case len(addresses) == 0 || b.Mail == nil:
		return errors.Join(errs...)
	}
	if err := b.Mail(ctx, g, addresses, m.Notice, plainText(m, g.Zone)); err != nil {
		return errors.Join(append(errs, err)...)
	}
	b.Log.Warn("told by mail, since chat fails", "group", g.Name, "trouble", m.Notice, "err", errors.Join(errs...))
	return nil
}

// plainText is a message as a mail says it.
func plainText(m Message, zone *time.Location) string {
	named := func(s Span) string { return s.Text }
	at := func(s Span) string { return s.Time.In(zone).Format("2 January 15:04") }
	var b strings.Builder
	for _, l := range slices.Concat([]Line{m.Status}, m.Lines, []Line{m.Footer}) {
		b.WriteString(l.Words(named, at))
		if len(l) > 0 {
			b.WriteString("\n\n")
		}
	}
	return strings.TrimSpace(b.String())
}
