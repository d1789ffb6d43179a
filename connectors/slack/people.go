package slack

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"groupmail/bot"
	"groupmail/bot/plain"
)

// people remembers accounts for a while: Slack allows about a hundred questions a minute.
type people struct {
	mu   sync.Mutex
	byID map[string]person
}

type person struct {
	bot.Person
	bot, gone bool
	seen      time.Time
}

const (
	peopleLife = 30 * time.Minute
	peopleMost = 20_000
	// askSingly is up to how many people are asked for one by one; more are read from the workspace's list.
	askSingly = 20
)

func (c *people) keep(u *slack.User, team string, now time.Time) person {
	name := u.Profile.DisplayName
	for _, other := range []string{u.Profile.RealName, u.RealName, u.Name} {
		if name == "" {
			name = other
		}
	}
	who := person{
		Person: bot.Person{
			ID: u.ID, Handle: u.Name, Name: plain.Line(name), Email: u.Profile.Email,
			// Who belongs to another organisation is one, too.
			Guest: u.IsRestricted || u.IsUltraRestricted || u.IsStranger || team != "" && u.TeamID != "" && u.TeamID != team,
		},
		bot: u.IsBot || u.ID == "USLACKBOT", gone: u.Deleted, seen: now,
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil || len(c.byID) >= peopleMost {
		c.byID = map[string]person{}
	}
	c.byID[u.ID] = who
	return who
}

func (c *people) known(id string, now time.Time) (person, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	who, ok := c.byID[id]
	return who, ok && now.Sub(who.seen) < peopleLife
}

// person looks somebody up.
func (p *Platform) person(ctx context.Context, id string) (person, error) {
	if who, ok := p.people.known(id, p.clock()); ok {
		return who, nil
	}
	api, err := p.api.bot()
	if err != nil {
		return person{}, err
	}
	me, err := p.me(ctx)
	if err != nil {
		return person{}, err
	}
	u, err := api.GetUserInfoContext(ctx, id)
	if err != nil {
		return person{}, why("user "+id, err)
	}
	return p.people.keep(u, me.TeamID, p.clock()), nil
}

// unknown tells whether Slack refused because there is no such person, for us.
func unknown(err error) bool { return is(err, "user_not_found", "user_not_visible") }

// persons looks many up. Those whom Slack does not know are left out.
func (p *Platform) persons(ctx context.Context, ids []string) (map[string]person, error) {
	found := make(map[string]person, len(ids))
	var missing []string
	for _, id := range ids {
		if who, ok := p.people.known(id, p.clock()); ok {
			found[id] = who
		} else if !slices.Contains(missing, id) {
			missing = append(missing, id)
		}
	}
	if len(missing) > askSingly {
		if err := p.listAll(ctx); err != nil {
			return nil, err
		}
	}
	for _, id := range missing {
		who, err := p.person(ctx, id)
		if unknown(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found[id] = who
	}
	return found, nil
}

// listAll reads everybody of the workspace.
func (p *Platform) listAll(ctx context.Context) error {
	api, err := p.api.bot()
	if err != nil {
		return err
	}
	me, err := p.me(ctx)
	if err != nil {
		return err
	}
	const perPage = 200
	users := api.GetUsersPaginated(slack.GetUsersOptionLimit(perPage))
	for {
		if users, err = users.Next(ctx); users.Done(err) {
			return nil
		}
		if err != nil {
			return why("list of people", err)
		}
		for i := range users.Users {
			p.people.keep(&users.Users[i], me.TeamID, p.clock())
		}
	}
}

// names are what the members are called; who cannot be looked up is left out: a card is drawn without
// the name rather than not at all.
func (p *Platform) names(ctx context.Context, ids []string) map[string]string {
	names := map[string]string{}
	for _, id := range ids {
		if who, err := p.person(ctx, id); err == nil {
			names[id] = who.Name
		}
	}
	return names
}
