package bot

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"groupmail/ticketing"
)

// pickable is how many tickets the form offers that a command opens which names none.
const pickable = 40

// pickTicket asks which ticket a command is about. Where there is none to choose, the command says so by itself.
func (h *hub) pickTicket(ctx context.Context, who caller, one command) (Answer, bool) {
	mine, waits := ticketing.Mine(who.group.Name, who.by.Member.ID), ticketing.Waits(who.group.Name, "")
	queries := []ticketing.Query{mine, waits}
	switch one.name {
	case "take", "spam":
		queries = []ticketing.Query{waits}
	case "release":
		queries = []ticketing.Query{mine}
	case "reopen":
		queries = []ticketing.Query{{Group: who.group.Name, States: []ticketing.State{ticketing.Closed}, Order: ticketing.NewestFirst}}
	}
	if one.name == "move" && len(h.Desk.OtherGroups(who.group.Name)) == 0 {
		return whisper("There is no other team here."), true
	}
	var options []Option
	for _, q := range queries {
		q.Limit = pickable
		p, err := h.Desk.List(ctx, who.board.Name, q)
		if err != nil {
			return whisper(h.say(err, one.name, who)), true
		}
		for _, l := range p.List {
			label := ticketing.OneLine(l.With.Called(), 25) + ": " + ticketing.OneLine(l.Subject, 40)
			if l.Number > 0 {
				label = l.Name() + " " + label
			}
			options = append(options, Option{Value: id(l.Conversation), Label: label})
		}
	}
	if len(options) == 0 {
		return Answer{}, false
	}
	return Answer{Form: &Form{
		Title: "Which one?", Submit: "Go on", State: h.sign(h.state(who, "pick "+one.name, 0)),
		Intro:  []Line{{{Text: "/" + CommandName + " " + one.name, Code: true}, {Text: " – " + one.help + "."}}},
		Fields: []FormField{{Name: "ticket", Label: "Ticket", Kind: Select, Options: options[:min(len(options), 2*pickable)], Required: true}},
	}}, true
}

// submitPick carries the command out on the ticket that was chosen.
func (h *hub) submitPick(ctx context.Context, who caller, s formState, v map[string]string) (Answer, error) {
	_, name, _ := strings.Cut(s.Purpose, " ")
	n, err := strconv.ParseInt(v["ticket"], 10, 64)
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == name })
	if err != nil || i < 0 {
		return Answer{}, ticketing.Refusal{Kind: ticketing.BadInput, Field: "ticket", Text: "Choose one of the list."}
	}
	in := invoked{caller: who, Command: Command{Who: Person{ID: onPlatform(who.by.Member.ID)}, Channel: who.board.Channel, Name: CommandName, Text: name}, picked: ticketing.ConversationID(n)}
	return commands[i].run(h, ctx, in), nil
}
