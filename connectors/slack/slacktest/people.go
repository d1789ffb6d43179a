package slacktest

import (
	"encoding/base64"
	"slices"
	"strings"
)

func (s *Server) authTest(*call) (object, error) {
	return object{"url": "https://" + s.world.domain + ".slack.com/", "team": s.world.team, "user": s.BotName, "team_id": s.TeamID, "user_id": s.BotUser,
		"bot_id": s.BotID, "is_enterprise_install": false}, nil
}

func (s *Server) botsInfo(c *call) (object, error) {
	bot := c.text("bot")
	if bot != "" && bot != s.BotID {
		return nil, refuse("bot_not_found")
	}
	p := s.botProfile()
	return object{"bot": object{"id": s.BotID, "deleted": false, "name": s.BotName, "updated": p["updated"], "app_id": s.AppID, "user_id": s.BotUser, "icons": p["icons"]}}, nil
}

func (s *Server) teamInfo(c *call) (object, error) {
	if team := c.text("team"); team != "" && team != s.TeamID {
		return nil, refuse("team_not_found")
	}
	return object{"team": object{"id": s.TeamID, "name": s.world.team, "url": "https://" + s.world.domain + ".slack.com/", "domain": s.world.domain, "email_domain": "",
		"icon": object{"image_default": true}, "is_verified": false}}, nil
}

func (s *Server) usersInfo(c *call) (object, error) {
	u := s.world.user(c.text("user"))
	if u == nil {
		return nil, refuse("user_not_found")
	}
	o := s.userObject(u)
	if c.flag("include_locale") {
		o["locale"] = "en-US"
	}
	return object{"user": o}, nil
}

// usersGetPresence knows somebody else's presence only: of its own a bot is told more.
func (s *Server) usersGetPresence(c *call) (object, error) {
	u := s.world.user(c.text("user"))
	if u == nil {
		return nil, refuse("user_not_found")
	}
	if u.Active && !u.Deleted {
		return object{"presence": "active"}, nil
	}
	return object{"presence": "away"}, nil
}

func (s *Server) usersLookupByEmail(c *call) (object, error) {
	for _, u := range s.world.users {
		if u.Email != "" && !u.Deleted && strings.EqualFold(u.Email, c.text("email")) {
			return object{"user": s.userObject(u)}, nil
		}
	}
	return nil, refuse("users_not_found")
}

func (s *Server) usersList(c *call) (object, error) {
	page, next, err := paged(c, s.world.users, func(u *User) string { return "user:" + u.ID }, 0, 1000)
	if err != nil {
		return nil, err
	}
	members := []any{}
	for _, u := range page {
		o := s.userObject(u)
		if c.flag("include_locale") {
			o["locale"] = "en-US"
		}
		members = append(members, o)
	}
	return object{"members": members, "cache_ts": s.Clock.Now().Unix(), "response_metadata": object{"next_cursor": next}}, nil
}

// paged is one page of all: limit from the call, or missing (0: all), at most most. Cursors name the item
// that comes next.
func paged[T any](c *call, all []T, name func(T) string, missing, most int) (page []T, next string, err error) {
	limit := c.number("limit", missing)
	if limit < 0 {
		return nil, "", refuse("invalid_limit")
	}
	if limit > most {
		limit = most
	}
	if cursor := c.text("cursor"); cursor != "" {
		wanted, err := base64.StdEncoding.DecodeString(cursor)
		if err != nil {
			return nil, "", refuse("invalid_cursor")
		}
		at := slices.IndexFunc(all, func(v T) bool { return name(v) == string(wanted) })
		if at < 0 {
			return nil, "", refuse("invalid_cursor")
		}
		all = all[at:]
	}
	if limit == 0 || len(all) <= limit {
		return all, "", nil
	}
	return all[:limit], base64.StdEncoding.EncodeToString([]byte(name(all[limit]))), nil
}
