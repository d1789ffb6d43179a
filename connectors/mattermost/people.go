package mattermost

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"groupmail/bot"
	"groupmail/bot/people"
	"groupmail/bot/plain"
	"groupmail/connectors/emoji"
)

const (
	peopleLife = 5 * time.Minute // the websocket says when an account has changed
	peopleMost = 10_000
	// mentionsMost is how many mentions of a message are looked up, each in two spellings.
	mentionsMost = 200
)

// keep remembers an account.
func (p *Platform) keep(u *model.User) people.Person {
	return p.people.Keep(people.Person{
		Person: bot.Person{
			ID: u.Id, Handle: u.Username, Name: plain.Line(u.GetDisplayName(model.ShowNicknameFullName)),
			Guest: u.IsGuest(), Email: u.Email,
		},
		Bot: u.IsBot, Gone: u.DeleteAt != 0,
	}, p.clock())
}

// person looks somebody up.
func (p *Platform) person(ctx context.Context, id string) (people.Person, error) {
	if who, ok := p.people.Known(id, p.clock()); ok {
		return who, nil
	}
	var u model.User
	if !model.IsValidId(id) {
		return people.Person{}, fmt.Errorf("mattermost: %q is no user", id)
	}
	if err := p.api.get(ctx, "/users/"+id, &u); err != nil {
		return people.Person{}, fmt.Errorf("mattermost: user %s: %w", id, err)
	}
	return p.keep(&u), nil
}

// names looks up many at once. Those that cannot be had are left out: a card is drawn without them
// rather than not at all.
func (p *Platform) names(ctx context.Context, ids []string) map[string]people.Person {
	if len(ids) == 0 {
		return nil
	}
	names := make(map[string]people.Person, len(ids))
	var missing []string
	for _, id := range ids {
		if who, ok := p.people.Known(id, p.clock()); ok {
			names[id] = who
		} else if model.IsValidId(id) && !slices.Contains(missing, id) {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		var users []*model.User
		if err := p.api.post(ctx, "/users/ids", missing, &users); err != nil {
			p.log.Debug("names of members", "error", err)
		}
		for _, u := range users {
			names[u.Id] = p.keep(u)
		}
	}
	return names
}

// heard turns what a person typed into what a reader sees, as plain text: marks go, mentions become
// names, emoji codes become emoji. toBot tells whether it began with our mention, which is then gone.
func (p *Platform) heard(ctx context.Context, me *model.User, message string) (text string, toBot bool, err error) {
	text = strings.TrimSpace(plain.Text(message))
	if rest, ok := cutMention(text, me.Username); ok {
		text, toBot = rest, true
	}
	text = strings.TrimSpace(unmark(text, emoji.Replace))
	var handles []string
	eachMention(text, func(handle string) string {
		if len(handles) < mentionsMost {
			handles = append(handles, strings.ToLower(strings.TrimRight(handle, ".-_")), strings.ToLower(handle))
		}
		return ""
	})
	if len(handles) == 0 {
		return text, toBot, nil
	}
	slices.Sort(handles)
	var users []*model.User
	if err := p.api.post(ctx, "/users/usernames", slices.Compact(handles), &users); err != nil {
		return "", false, fmt.Errorf("mattermost: mentioned users: %w", err)
	}
	byHandle := map[string]string{}
	for _, u := range users {
		if who := p.keep(u); u.Id != me.Id {
			byHandle[u.Username] = who.Name
		}
	}
	return eachMention(text, func(handle string) string {
		trimmed := strings.TrimRight(handle, ".-_")
		for _, h := range []string{handle, trimmed} {
			if name := byHandle[strings.ToLower(h)]; name != "" {
				return "@" + name + handle[len(h):]
			}
		}
		return "@" + handle
	}), toBot, nil
}

// cutMention cuts @name off the beginning of text, with a comma or colon behind it.
func cutMention(text, name string) (rest string, ok bool) {
	if !strings.HasPrefix(text, "@") {
		return text, false
	}
	handle := text[1:]
	if i := strings.IndexFunc(handle, func(r rune) bool { return !handleRune(r) }); i >= 0 {
		handle = handle[:i]
	}
	if !strings.EqualFold(handle, name) && !strings.EqualFold(strings.TrimRight(handle, ".-_"), name) {
		return text, false
	}
	rest = text[1+len(name):]
	return strings.TrimSpace(strings.TrimLeft(rest, ",:. ")), true
}

// eachMention replaces every @handle.
func eachMention(text string, f func(handle string) string) string {
	var b strings.Builder
	prev := ' '
	for i := 0; i < len(text); {
		if text[i] == '@' && !handleRune(prev) && prev != '@' {
			end := i + 1
			for end < len(text) && handleRune(rune(text[end])) {
				end++
			}
			if end > i+1 {
				b.WriteString(f(text[i+1 : end]))
				prev, i = rune(text[end-1]), end
				continue
			}
		}
		prev = rune(text[i])
		b.WriteByte(text[i])
		i++
	}
	return b.String()
}

// handleRune tells whether r may be in a username. Server: model.IsValidUsername.
func handleRune(r rune) bool { return asciiWord(r) || r == '.' || r == '-' || r == '_' }
