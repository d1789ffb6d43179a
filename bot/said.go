package bot

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"groupmail/ticketing"
)

const (
	// lateAfter is how old a thread message may be, when it is heard by catching up, to be sent unasked.
	lateAfter = 10 * time.Minute
	// filesLimit is how much may be attached to one answer: what most mail servers take.
	filesLimit = 20 << 20
)

// Said implements Hub: a thread message that begins with the bot's name is a reply to the other
// side, its edits and its deletion change what is sent while that is possible. All other talk
// stays where it is.
func (h *hub) Said(ctx context.Context, s Said) error {
	if s.Root == "" || s.Root == s.Message || s.Kind == Written && !s.ToBot {
		return nil
	}
	card, err := h.Desk.FindPost(ctx, "", boardName(h.p, s.Channel), s.Root)
	if errors.Is(err, ticketing.ErrNone) || err == nil && card.Conversation == 0 {
		return nil // somebody else's thread
	}
	if err != nil {
		return err
	}
	who, err := h.caller(ctx, s.Channel, s.Who, s.Event)
	if err == nil {
		err = h.heard(ctx, who, card.Conversation, s)
	}
	var no ticketing.Refusal
	switch {
	case err == nil, errors.Is(err, ticketing.ErrRepeated):
		return nil
	case errors.As(err, &no):
		if no.Text == "" {
			return nil
		}
		// The person must hear of it, but hearing it twice is better than a channel that no longer moves on.
		m := Message{Notice: no.Text, Root: s.Root, Lines: []Line{{{Text: no.Text}}}}
		if err := h.p.Tell(ctx, s.Channel, s.Root, s.Who.ID, m); err != nil {
			h.Log.Error("cannot tell a member why their message was not sent", "member", who.by.Member.ID, "err", err)
		}
		return nil
	}
	return err
}

func (h *hub) heard(ctx context.Context, who caller, about ticketing.ConversationID, s Said) error {
	origin := who.board.Name + " " + s.Message
	if s.Kind == Deleted {
		_, err := h.Desk.StopReplyFrom(ctx, who.by, origin)
		return known(err)
	}
	late := s.Late && h.Clock().Sub(s.At) > lateAfter
	var files []ticketing.Attachment
	if s.ToBot {
		var err error
		if files, err = h.take(ctx, s.Files); err != nil {
			return err
		}
	}
	if s.Kind == Edited {
		text := s.Text
		if !s.ToBot {
			text, files = "", nil // it no longer is for the other side
		}
		_, err := h.Desk.EditReply(ctx, who.by, origin, text, files)
		if !errors.Is(err, ticketing.ErrNone) || !s.ToBot {
			return known(err)
		}
		late = true // talk that only now was given the bot's name asks: it was written for colleagues
	}
	_, err := h.Desk.Reply(ctx, who.by, ticketing.ReplyInput{
		Conversation: about, Text: s.Text, Files: files, Origin: origin, Written: s.At,
		Late: late,
	})
	return err
}

// known takes "no reply came from this message" for nothing to do.
func known(err error) error {
	if errors.Is(err, ticketing.ErrNone) {
		return nil
	}
	return err
}

// take copies the files of a message into the store.
func (h *hub) take(ctx context.Context, files []File) ([]ticketing.Attachment, error) {
	var all []ticketing.Attachment
	var total int64
	for _, f := range files {
		a, err := h.takeOne(ctx, f, filesLimit-total)
		if err != nil {
			return nil, err
		}
		total += a.Size
		all = append(all, a)
	}
	return all, nil
}

func (h *hub) takeOne(ctx context.Context, f File, left int64) (a ticketing.Attachment, err error) {
	tooMuch := ticketing.Refusal{Kind: ticketing.BadInput, Text: "Your answer was not sent: with “" + ticketing.OneLine(f.Name, 80) +
		"” its files are larger than 20 MB, which many mail servers refuse. Send a link to it instead."}
	if f.Size > left {
		return a, tooMuch
	}
	body, err := h.p.Download(ctx, f)
	if errors.Is(err, ErrGone) {
		return a, ticketing.Refusal{Kind: ticketing.NotFound, Text: "Your answer was not sent: its file “" + ticketing.OneLine(f.Name, 80) + "” is gone."}
	}
	if err != nil {
		return a, err
	}
	defer body.Close()
	blob, size, err := h.Desk.Spool(ctx, io.LimitReader(body, left+1))
	if err != nil {
		return a, err
	}
	if size > left {
		return a, tooMuch
	}
	kind := strings.ToLower(f.Type)
	if kind == "" {
		kind = "application/octet-stream"
	}
	return ticketing.Attachment{Name: f.Name, Type: kind, Size: size, Blob: blob}, nil
}
