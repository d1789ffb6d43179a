package slacktest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// DefaultManifest is an app that hears and may do what a chat bot over Socket Mode needs.
const DefaultManifest = `{
 "_metadata": {"major_version": 2, "minor_version": 1},
 "display_information": {"name": "GroupMail", "description": "Shared mailbox in a channel"},
 "features": {
  "app_home": {"home_tab_enabled": true, "messages_tab_enabled": true, "messages_tab_read_only_enabled": false},
  "bot_user": {"display_name": "groupmail", "always_online": true},
  "shortcuts": [{"name": "Send to the customer", "type": "message", "callback_id": "send_to_customer", "description": "Sends it to the other side"}],
  "slash_commands": [{"command": "/mail", "description": "The shared mailbox", "usage_hint": "help | queue | new", "should_escape": true}]
 },
 "oauth_config": {"scopes": {"bot": ["chat:write", "commands", "channels:history", "groups:history", "im:history", "channels:read", "groups:read", "im:read",
  "im:write", "users:read", "users:read.email", "files:read", "files:write", "pins:write", "pins:read", "reactions:read", "reactions:write", "team:read", "app_mentions:read"]}},
 "settings": {
  "event_subscriptions": {"bot_events": ["app_home_opened", "app_mention", "app_uninstalled", "channel_archive", "channel_deleted", "channel_left", "channel_rename",
   "channel_unarchive", "file_shared", "group_archive", "group_deleted", "group_left", "group_rename", "group_unarchive", "member_joined_channel", "member_left_channel",
   "message.channels", "message.groups", "message.im", "reaction_added", "reaction_removed", "tokens_revoked"]},
  "interactivity": {"is_enabled": true},
  "org_deploy_enabled": false, "socket_mode_enabled": true, "token_rotation_enabled": false
 }
}`

// manifest is what of an app's manifest (https://docs.slack.dev/reference/app-manifest) Slack goes by here.
type manifest struct {
	Display struct {
		Name string `json:"name"`
	} `json:"display_information"`
	Features struct {
		Home struct {
			Home     bool `json:"home_tab_enabled"`
			Messages bool `json:"messages_tab_enabled"`
			ReadOnly bool `json:"messages_tab_read_only_enabled"`
		} `json:"app_home"`
		BotUser struct {
			DisplayName string `json:"display_name"`
		} `json:"bot_user"`
		Shortcuts []shortcut     `json:"shortcuts"`
		Commands  []slashCommand `json:"slash_commands"`
	} `json:"features"`
	OAuth struct {
		Scopes struct {
			Bot []string `json:"bot"`
		} `json:"scopes"`
	} `json:"oauth_config"`
	Settings struct {
		Events struct {
			URL  string   `json:"request_url"`
			List []string `json:"bot_events"`
		} `json:"event_subscriptions"`
		Interactivity struct {
			On      bool   `json:"is_enabled"`
			URL     string `json:"request_url"`
			Options string `json:"message_menu_options_url"`
		} `json:"interactivity"`
		Socket bool `json:"socket_mode_enabled"`
	} `json:"settings"`
}

type shortcut struct {
	Name     string `json:"name"`
	Type     string `json:"type"` // message, global
	Callback string `json:"callback_id"`
}

type slashCommand struct {
	Command     string `json:"command"`
	URL         string `json:"url"`
	Description string `json:"description"`
	Hint        string `json:"usage_hint"`
	Escape      bool   `json:"should_escape"`
}

func readManifest(data []byte) (m manifest, err error) {
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("the manifest: %w", err)
	}
	if m.Display.Name == "" || m.Features.BotUser.DisplayName == "" {
		return m, fmt.Errorf("the manifest names no app or no bot user")
	}
	return m, nil
}

func (m *manifest) may(scope string) bool { return slices.Contains(m.OAuth.Scopes.Bot, scope) }

// hears tells whether the app is told of this event: it must have subscribed to it, and hold the scope
// that the event asks for.
func (m *manifest) hears(event, scope string) bool {
	return slices.Contains(m.Settings.Events.List, event) && (scope == "" || m.may(scope))
}

// manifestValidate knows what makes a manifest unusable here; the whole of Slack's rules is its schema.
func (s *Server) manifestValidate(c *call) (object, error) {
	data := []byte(c.text("manifest"))
	if o, ok := c.args["manifest"].(object); ok {
		data, _ = json.Marshal(o)
	}
	var faults []object
	fault := func(pointer, format string, args ...any) {
		faults = append(faults, object{"message": fmt.Sprintf(format, args...), "pointer": pointer})
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		fault("/", "Failed to parse manifest: %v", err)
	} else {
		switch n := length(m.Display.Name); {
		case n == 0:
			fault("/display_information", "requires property `name`")
		case n > 35:
			fault("/display_information/name", "must be less than 36 characters")
		}
		for i, command := range m.Features.Commands {
			if !strings.HasPrefix(command.Command, "/") || length(command.Command) > 32 {
				fault(fmt.Sprintf("/features/slash_commands/%d/command", i), "must begin with a slash and be less than 33 characters")
			}
			if !m.Settings.Socket && command.URL == "" {
				fault(fmt.Sprintf("/features/slash_commands/%d", i), "requires a request URL unless Socket Mode is on")
			}
		}
		if len(m.Settings.Events.List) != 0 && !m.Settings.Socket && m.Settings.Events.URL == "" {
			fault("/settings/event_subscriptions", "Event Subscription requires either Request URL or Socket Mode Enabled")
		}
		if m.Settings.Interactivity.On && !m.Settings.Socket && m.Settings.Interactivity.URL == "" {
			fault("/settings/interactivity", "Interactivity requires a Request URL or Socket Mode Enabled")
		}
		for i, event := range m.Settings.Events.List {
			need, known := eventScopes[event]
			if !known {
				fault(fmt.Sprintf("/settings/event_subscriptions/bot_events/%d", i), "must be a known event: %s", event)
			} else if len(need) != 0 && !slices.ContainsFunc(need, m.may) {
				fault("/oauth_config/scopes/bot", "the event %s requires one of the scopes %s", event, strings.Join(need, ", "))
			}
		}
	}
	if len(faults) != 0 {
		return nil, &refusal{code: "invalid_manifest", more: object{"errors": faults}}
	}
	return object{"errors": []any{}}, nil
}
