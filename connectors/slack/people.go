package slack

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slack-go/slack"
	"golang.org/x/sync/errgroup"

	"groupmail/bot"
	"groupmail/bot/people"
	"groupmail/bot/plain"
)

const (
	// Slack allows about a hundred questions a minute.
	peopleLife = 30 * time.Minute
	peopleMost = 20_000
	// askSingly is up to how many people are asked for one by one; more are read from the workspace's list.
	askSingly = 20
)

// keep remembers an account; team is our own.
func (p *Platform) keep(u *slack.User, team string) people.Person {
	name := u.Profile.DisplayName
	for _, other := range []string{u.Profile.RealName, u.RealName, u.Name} {
		if name == "" {
			name = other
		}
	}
	return p.people.Keep(people.Person{
		Person: bot.Person{
			ID: u.ID, Handle: u.Name, Name: plain.Line(name), Email: u.Profile.Email,
			// Who belongs to another organisation is one, too.
			Guest: u.IsRestricted || u.IsUltraRestricted || u.IsStranger || team != "" && u.TeamID != "" && u.TeamID != team,
		},
		Bot: u.IsBot || u.ID == "USLACKBOT", Gone: u.Deleted,
	}, p.clock())
}

// person looks somebody up.
func (p *Platform) person(ctx context.Context, id string) (people.Person, error) {
	if who, ok := p.people.Known(id, p.clock()); ok {
		return who, nil
	}
	api, err := p.api.bot()
	if err != nil {
		return people.Person{}, err
	}
	me, err := p.me(ctx)
	if err != nil {
		return people.Person{}, err
	}
	u, err := api.GetUserInfoContext(ctx, id)
	if err != nil {
		return people.Person{}, why("user "+id, err)
	}
	return p.keep(u, me.TeamID), nil
}

// Online implements [bot.Onlooker]. Slack tells it of one person at a time, and fifty times a minute.
func (p *Platform) Online(ctx context.Context, members []string) ([]string, error) {
	const most, atOnce = 40, 8
	if len(members) > most {
		return nil, fmt.Errorf("slack: who is online: Slack is not asked for %d people, but for %d at most", len(members), most)
	}
	api, err := p.api.bot()
	if err != nil {
		return nil, err
	}
	var asking errgroup.Group
	asking.SetLimit(atOnce)
	active := make([]bool, len(members))
	for i, m := range members {
		asking.Go(func() error {
			got, err := api.GetUserPresenceContext(ctx, m)
			if err != nil && !unknown(err) {
				return why("presence of "+m, err)
			}
			active[i] = err == nil && got.Presence == "active"
			return nil
		})
	}
	if err := asking.Wait(); err != nil {
		return nil, err
	}
	var online []string
	for i, m := range members {
		if active[i] {
			online = append(online, m)
		}
	}
	return online, nil
}

// unknown tells whether Slack refused because there is no such person, for us.
func unknown(err error) bool { return is(err, "user_not_found", "user_not_visible") }

// persons looks many up. Those whom Slack does not know are left out.
func (p *Platform) persons(ctx context.Context, ids []string) (map[string]people.Person, error) {
	found := make(map[string]people.Person, len(ids))
	var missing []string
	for _, id := range ids {
		if who, ok := p.people.Known(id, p.clock()); ok {
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
			p.keep(&users.Users[i], me.TeamID)
		}
	}
}

// name adds what the members are called; who cannot be looked up is left out: a card is drawn without
// the name rather than not at all.
func (p *Platform) name(ctx context.Context, ids []string, names map[string]string) {
	for _, id := range ids {
		if who, err := p.person(ctx, id); err == nil {
			names[id] = who.Name
		}
	}
}
