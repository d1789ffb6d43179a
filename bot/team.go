package bot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"groupmail/bot/dates"
	"groupmail/ticketing"
)

// Onlooker is a Platform that can tell who is online.
type Onlooker interface {
	// Online tells which of the members are online just now.
	Online(ctx context.Context, members []string) ([]string, error)
}

func (h *hub) openMe(ctx context.Context, who caller) Answer {
	m, err := h.Desk.Member(ctx, who.by.Member.ID)
	if err != nil {
		return whisper(h.say(err, "me", who))
	}
	values := map[string]string{"from_name": m.FromName, "signature": m.Signature, "zone": m.Zone, "status": m.StatusAt(h.Clock())}
	var until int64
	if values["status"] != "" {
		if values["until"] = exactly(m.Until, who); !m.Until.IsZero() {
			until = m.Until.Unix()
		}
		if m.Away {
			values["away"] = "true"
		}
	}
	return Answer{Form: h.meForm(who, values, until, "Name and signature empty: as "+who.group.Title+" signs.")}
}

func (h *hub) meForm(who caller, v map[string]string, until int64, first string) *Form {
	s := h.state(who, "me", 0)
	s.Seq = until
	return &Form{
		Title: "About you", Submit: "Save", State: h.sign(s), Intro: says(first),
		Fields: []FormField{
			{Name: "from_name", Label: "Name in From", Kind: Short, Value: v["from_name"], Max: 100, Help: "The address stays the team's."},
			{Name: "signature", Label: "Signature", Kind: Long, Value: v["signature"], Max: 2000},
			{Name: "status", Label: "Status", Kind: Short, Value: v["status"], Max: 100, Help: "For your colleagues: not in until Thursday."},
			{Name: "until", Label: "Until when?", Kind: Short, Value: v["until"], Max: 100, Help: "Thursday, 3 December, 31.12. 18:00; empty: until you change it."},
			{Name: "away", Label: "I am not in", Kind: Check, Value: v["away"], Help: "What you have is not counted as idle, and whoever gives you something is told."},
			{Name: "zone", Label: "Time zone", Kind: Short, Value: v["zone"], Max: 60, Help: "Like Europe/Vienna; empty: the team's" + zoneName(who.group.Zone) + "."},
		},
	}
}

// zoneName is a zone's name in brackets, where it has one that people know.
func zoneName(z *time.Location) string {
	if z == nil || z == time.Local {
		return ""
	}
	return " (" + z.String() + ")"
}

func (h *hub) submitMe(ctx context.Context, who caller, s formState, v map[string]string) (Answer, error) {
	if name := strings.TrimSpace(v["zone"]); name != "" {
		z, err := time.LoadLocation(name)
		if err != nil || name == "Local" {
			return Answer{}, ticketing.Refusal{Kind: ticketing.BadInput, Field: "zone", Text: "“" + ticketing.OneLine(name, 40) + "” is no time zone that I know. Write it like Europe/Vienna or America/New_York."}
		}
		who.zone = z
	}
	if strings.TrimSpace(v["until"]) == "" && s.Seq == 0 { // it may stand in the status
		if f, ok := dates.Find(v["status"], h.Clock().In(who.zone)); ok && f.At.After(h.Clock()) {
			v["until"] = exactly(f.At, who)
		}
	}
	until, sure, err := h.typedTime(who, "until", v["until"], s.Seq)
	if err != nil {
		return Answer{}, err
	}
	if !sure {
		at := exactly(seconds(until), who)
		v["until"] = at
		return Answer{Form: h.meForm(who, v, until, "Understood: until "+at+". Is that right?")}, nil
	}
	err = h.Desk.SetMember(ctx, who.by, ticketing.MemberSettings{
		FromName: v["from_name"], Signature: v["signature"], Status: v["status"], Until: seconds(until), Away: v["away"] != "", Zone: v["zone"],
	})
	if err != nil {
		return Answer{}, err
	}
	return whisper("Saved."), nil
}

// runWho lists the team: who is online, what they say of themselves, and what they have.
func (h *hub) runWho(ctx context.Context, in invoked) Answer {
	team, err := h.Desk.Who(ctx, in.group.Name)
	if err != nil {
		return whisper(h.say(err, "who", in.caller))
	}
	var online []string
	onlooker, tells := h.p.(Onlooker)
	if tells {
		var here []string
		for _, m := range team {
			if strings.HasPrefix(string(m.ID), h.p.Name()+":") {
				here = append(here, onPlatform(m.ID))
			}
		}
		if online, err = onlooker.Online(ctx, here); err != nil {
			h.Log.Warn("cannot see who is online", "platform", h.p.Name(), "err", err)
			tells = false
		}
	}
	now := h.Clock()
	m := &Message{Notice: "Who is in " + in.group.Title, Title: in.group.Title}
	for _, c := range team {
		l := Line{{Text: c.Called(), Strong: true}}
		if tells && slices.Contains(online, onPlatform(c.ID)) {
			l = append(l, Span{Text: " · online"})
		}
		if s := c.StatusAt(now); s != "" {
			l = append(l, Span{Text: " · " + ticketing.OneLine(s, 100)})
			if !c.Until.IsZero() {
				l = append(l, Span{Text: ", until "}, Span{Time: c.Until})
			}
		}
		if c.AwayAt(now) {
			l = append(l, Span{Text: " · away"})
		}
		l = append(l, Span{Text: " · has " + plural(c.Has, "conversation")})
		if c.Answered > 0 {
			l = append(l, Span{Text: fmt.Sprintf(", %d more wait for their senders", c.Answered)})
		}
		if c.Todos > 0 {
			l = append(l, Span{Text: ", " + plural(c.Todos, "to-do")})
		}
		m.Lines = append(m.Lines, l)
	}
	if len(team) == 0 {
		m.Lines = says("Nobody is known to be here yet. Try again in a minute.")
	}
	return Answer{Whisper: m}
}

// away warns that whoever was given something is not in; empty if they are.
func (h *hub) away(ctx context.Context, id ticketing.MemberID) string {
	m, err := h.Desk.Member(ctx, id)
	if err != nil || !m.AwayAt(h.Clock()) {
		return ""
	}
	return m.Called() + " is away: “" + ticketing.OneLine(m.Status, 100) + "”."
}
