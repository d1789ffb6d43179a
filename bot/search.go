package bot

import (
	"context"
	"strconv"
	"strings"

	"groupmail/ticketing"
)

// runSearch whispers what is found, best first.
func (h *hub) runSearch(ctx context.Context, in invoked) Answer {
	if in.rest == "" {
		return h.openSearch(in.caller)
	}
	return h.found(ctx, in.caller, in.rest, 0)
}

func (h *hub) openSearch(who caller) Answer {
	return Answer{Form: &Form{
		Title: "Search", Submit: "Search", State: h.sign(h.state(who, "search", 0)),
		Fields: []FormField{{Name: "text", Label: "What do you look for?", Kind: Short, Required: true, Help: ticketing.SearchHelp}},
	}}
}

func (h *hub) submitSearch(ctx context.Context, who caller, _ formState, v map[string]string) (Answer, error) {
	if _, err := ticketing.ParseSearch(v["text"], who.group.Zone); err != nil {
		return Answer{}, err
	}
	return h.found(ctx, who, v["text"], 0), nil
}

// pressOlderFound shows older mail of the same search.
func (h *hub) pressOlderFound(ctx context.Context, who caller, c Click, _ int64) Answer {
	before, text, _ := strings.Cut(c.Value, " ")
	n, err := strconv.ParseInt(before, 10, 64)
	if err != nil {
		return whisper(broken)
	}
	return inPlace(c, h.found(ctx, who, text, ticketing.MailID(n)))
}

// longestSearch is how long a search may be to have further pages: it goes with their button.
const longestSearch = 150

func (h *hub) found(ctx context.Context, who caller, text string, before ticketing.MailID) Answer {
	text = ticketing.OneLine(text, 500)
	s, err := ticketing.ParseSearch(text, who.group.Zone)
	if err != nil {
		return whisper(h.say(err, "search", who))
	}
	s.Group = who.group.Name
	hits, err := h.Desk.Search(ctx, who.board.Name, s, before)
	if err != nil {
		return whisper(h.say(err, "search", who))
	}
	m := &Message{Notice: "Found for “" + ticketing.OneLine(text, 100) + "”", Title: "Search: " + ticketing.OneLine(text, 200)}
	for _, hit := range append(hits.Known, hits.Mails...) {
		m.Lines = append(m.Lines, h.hitLines(hit)...)
	}
	if len(m.Lines) == 0 {
		m.Lines = says("Nothing is found.")
		m.Footer = Line{{Text: ticketing.SearchHelp}}
	}
	if hits.More && len([]rune(text)) <= longestSearch {
		m.Buttons = append(m.Buttons, Button{ID: "olderfound", Label: "Older", Value: strconv.FormatInt(int64(hits.Before), 10) + " " + text})
	}
	return Answer{Whisper: m}
}

// hitLines are two lines of a hit: what it is, leading to its card, and where it was found.
func (h *hub) hitLines(hit ticketing.Hit) []Line {
	var first Line
	switch hit.Kind {
	case ticketing.ContactHit:
		first = Line{{Text: "☺ "}}
	case ticketing.PageHit:
		first = Line{{Text: "▤ "}}
	case ticketing.MatterHit, ticketing.MailHit:
		c := hit.Conversation
		mark := "✉ "
		if hit.Kind == ticketing.MatterHit {
			mark = "☎ "
		} else if hit.Mail.Direction == ticketing.Out {
			mark = "↗ "
		}
		first = Line{{Text: mark}}
		if hit.Kind == ticketing.MailHit {
			first = append(first, Span{Time: when(hit.Mail)}, Span{Text: " "})
		}
		if c.Number > 0 {
			first = append(first, Span{Text: c.Name() + " ", Strong: true})
		}
		first = append(first, Span{Text: ticketing.OneLine(c.With.Called(), 60) + ": "})
	}
	url := h.to(hit.Conversation.Card)
	title := pieces(hit.Title)
	if len(title) == 0 {
		title = Line{{Text: "(no subject)"}}
	}
	for i := range title {
		title[i].URL = url
	}
	lines := []Line{append(first, title...)}
	if state := string(hit.Conversation.State); state != "" {
		lines[0] = append(lines[0], Span{Text: " · " + state})
	}
	if len(hit.Excerpt) > 0 {
		lines = append(lines, append(Line{{Text: "   "}}, pieces(hit.Excerpt)...))
	}
	return lines
}

func pieces(all []ticketing.Piece) Line {
	line := make(Line, len(all))
	for i, p := range all {
		line[i] = Span{Text: p.Text, Strong: p.Hit}
	}
	return line
}
