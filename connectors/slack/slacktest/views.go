package slacktest

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	triggerLife = 3 * time.Second
	maxStack    = 3
	maxView     = 250 << 10
)

// trigger lets the app show a modal to whoever did something, once and soon.
type trigger struct {
	user   string
	view   *view // that it was done in
	issued time.Time
	used   bool
}

// newTrigger is a trigger_id. Holds mu.
func (s *Server) newTrigger(user string, in *view) string {
	name := digits(12) + "." + digits(12) + "." + secret(32)
	s.triggers[name] = &trigger{user: user, view: in, issued: s.Clock.Now()}
	return name
}

func (s *Server) exchange(name string) (*trigger, error) {
	t := s.triggers[name]
	switch {
	case t == nil:
		return nil, refuse("invalid_trigger_id")
	case t.used:
		return nil, refuse("exchanged_trigger_id")
	case s.Clock.Now().Sub(t.issued) > triggerLife:
		return nil, refuse("expired_trigger_id")
	}
	t.used = true
	return t, nil
}

// view is a modal that is open, or somebody's App Home.
type view struct {
	id, user   string
	content    object // as given, finished
	hash       string
	root, prev string
	// state is what was typed and chosen: by block and action, as Slack's state.values has it.
	state map[string]map[string]object
	// errors are shown beside the fields, by block_id.
	errors map[string]string
}

func (v *view) text(name string) string { return textOf(v.content[name]) }

func (v *view) blocks() []any { b, _ := v.content["blocks"].([]any); return b }

// readView checks the view argument of a method.
func readView(s *Server, c *call, home bool) (object, error) {
	o, err := objectOf(c.args["view"])
	if err != nil {
		return nil, invalid("must provide an object [json-pointer:/view]")
	}
	if len(marshal(o)) > maxView {
		return nil, refuse("view_too_large")
	}
	check := checkView(s, o, home, "/view")
	if len(check.faults) != 0 {
		return nil, invalid(check.messages()...)
	}
	return o, nil
}

// newView makes a view of checked content.
func (s *Server) newView(o object, user string) (*view, error) {
	v := &view{id: "V0" + id(9), user: user}
	v.root = v.id
	if err := s.fillView(v, o); err != nil {
		return nil, err
	}
	s.world.views[v.id] = v
	return v, nil
}

// fillView puts content into a view. What was typed stays where block_id and action_id stay.
func (s *Server) fillView(v *view, o object) error {
	if external := textOf(o["external_id"]); external != "" {
		for _, other := range s.world.views {
			if other != v && other.text("external_id") == external {
				return refuse("duplicate_external_id")
			}
		}
	}
	filled, _ := finish(any(o), false).(object)
	filled["blocks"] = finish(o["blocks"], true)
	before := v.state
	v.content, v.errors = filled, nil
	v.state = initialState(v.blocks())
	for block, actions := range before {
		for action, value := range actions {
			if now := v.state[block][action]; now != nil && now["type"] == value["type"] {
				v.state[block][action] = value
			}
		}
	}
	v.hash = fmt.Sprintf("%d.%s", s.Clock.Now().Unix(), secret(8))
	return nil
}

// initialState is what state.values holds before anybody touched anything.
func initialState(blocks []any) map[string]map[string]object {
	state := map[string]map[string]object{}
	for _, e := range interactive(blocks) {
		value := stateOf(e.element)
		if value == nil {
			continue
		}
		if state[e.block] == nil {
			state[e.block] = map[string]object{}
		}
		state[e.block][e.action] = value
	}
	return state
}

// stateOf is an element's value as it stands in state.values; nil for what has none.
func stateOf(e object) object {
	kind := textOf(e["type"])
	o := object{"type": kind}
	null := func(name, from string) object {
		o[name] = e[from] // nil: null
		return o
	}
	empty := func(name, from string) object {
		o[name] = []any{}
		if given, ok := e[from].([]any); ok {
			o[name] = given
		}
		return o
	}
	switch kind {
	case "plain_text_input", "email_text_input", "url_text_input", "number_input":
		return null("value", "initial_value")
	case "static_select", "external_select", "radio_buttons":
		return null("selected_option", "initial_option")
	case "multi_static_select", "multi_external_select", "checkboxes":
		return empty("selected_options", "initial_options")
	case "users_select":
		return null("selected_user", "initial_user")
	case "multi_users_select":
		return empty("selected_users", "initial_users")
	case "conversations_select":
		return null("selected_conversation", "initial_conversation")
	case "multi_conversations_select":
		return empty("selected_conversations", "initial_conversations")
	case "channels_select":
		return null("selected_channel", "initial_channel")
	case "multi_channels_select":
		return empty("selected_channels", "initial_channels")
	case "datepicker":
		return null("selected_date", "initial_date")
	case "timepicker":
		return null("selected_time", "initial_time")
	case "datetimepicker":
		return null("selected_date_time", "initial_date_time")
	case "rich_text_input":
		if e["initial_value"] != nil {
			o["rich_text_value"] = e["initial_value"]
		}
		return o
	case "file_input":
		o["files"] = []any{}
		return o
	}
	return nil
}

// control is an element that people can use, and where it stands.
type control struct {
	block, action string
	element       object
	input         object // the input block around it
}

// interactive are the controls of blocks, in their order.
func interactive(blocks []any) []control {
	var all []control
	add := func(block object, v any, input object) {
		if e, ok := v.(object); ok && e["action_id"] != nil {
			all = append(all, control{textOf(block["block_id"]), textOf(e["action_id"]), e, input})
		}
	}
	for _, v := range blocks {
		b, _ := v.(object)
		switch b["type"] {
		case "section":
			add(b, b["accessory"], nil)
		case "input":
			add(b, b["element"], b)
		case "actions":
			list, _ := b["elements"].([]any)
			for _, e := range list {
				add(b, e, nil)
			}
		}
	}
	return all
}

// viewObject is a view as the app sees it.
func (s *Server) viewObject(v *view) object {
	values := object{}
	for block, actions := range v.state {
		of := object{}
		for action, value := range actions {
			of[action] = maps.Clone(value)
		}
		values[block] = of
	}
	o := object{
		"id": v.id, "team_id": s.TeamID, "type": v.text("type"), "blocks": v.blocks(), "private_metadata": v.text("private_metadata"), "callback_id": v.text("callback_id"),
		"state": object{"values": values}, "hash": v.hash, "clear_on_close": v.content["clear_on_close"] == true, "notify_on_close": v.content["notify_on_close"] == true,
		"title": v.content["title"], "close": v.content["close"], "submit": v.content["submit"], "previous_view_id": nil, "root_view_id": v.root,
		"app_id": s.AppID, "external_id": v.text("external_id"), "app_installed_team_id": s.TeamID, "bot_id": s.BotID,
	}
	if v.prev != "" {
		o["previous_view_id"] = v.prev
	}
	if v.text("type") == "home" {
		o["title"] = object{"type": "plain_text", "text": "View Title", "emoji": true}
	}
	return o
}

func (s *Server) triggerOf(c *call) (*trigger, error) {
	name := or(c.text("trigger_id"), c.text("interactivity_pointer"))
	if name == "" {
		return nil, invalid("missing required field: trigger_id")
	}
	return s.exchange(name)
}

func (s *Server) viewsOpen(c *call) (object, error) {
	o, err := readView(s, c, false)
	if err != nil {
		return nil, err
	}
	t, err := s.triggerOf(c)
	if err != nil {
		return nil, err
	}
	v, err := s.newView(o, t.user)
	if err != nil {
		return nil, err
	}
	s.closeStack(t.user)
	s.world.stacks[t.user] = []*view{v}
	s.wake()
	return object{"view": s.viewObject(v)}, nil
}

func (s *Server) viewsPush(c *call) (object, error) {
	o, err := readView(s, c, false)
	if err != nil {
		return nil, err
	}
	t, err := s.triggerOf(c)
	if err != nil {
		return nil, err
	}
	if t.view == nil || !slices.Contains(s.world.stacks[t.user], t.view) {
		return nil, refuse("not_found")
	}
	v, err := s.push(t.user, o)
	if err != nil {
		return nil, err
	}
	return object{"view": s.viewObject(v)}, nil
}

func (s *Server) push(user string, o object) (*view, error) {
	stack := s.world.stacks[user]
	if len(stack) >= maxStack {
		return nil, refuse("push_limit_reached")
	}
	v, err := s.newView(o, user)
	if err != nil {
		return nil, err
	}
	if len(stack) > 0 {
		v.root, v.prev = stack[0].id, stack[len(stack)-1].id
	}
	s.world.stacks[user] = append(stack, v)
	s.wake()
	return v, nil
}

func (s *Server) viewsUpdate(c *call) (object, error) {
	var v *view
	switch id, external := c.text("view_id"), c.text("external_id"); {
	case id == "" && external == "":
		return nil, invalid("must provide either `view_id` or `external_id`")
	case id != "":
		v = s.world.views[id]
	default:
		for _, other := range s.world.views {
			if other.text("external_id") == external {
				v = other
			}
		}
	}
	if v == nil || v.text("type") == "home" {
		if _, err := readView(s, c, v != nil); err != nil {
			return nil, err
		}
	}
	if v == nil {
		return nil, refuse("not_found")
	}
	o, err := readView(s, c, v.text("type") == "home")
	if err != nil {
		return nil, err
	}
	if hash := c.text("hash"); hash != "" && hash != v.hash {
		return nil, refuse("hash_conflict")
	}
	if err := s.fillView(v, o); err != nil {
		return nil, err
	}
	s.wake()
	return object{"view": s.viewObject(v)}, nil
}

func (s *Server) viewsPublish(c *call) (object, error) {
	if !s.app.Features.Home.Home {
		return nil, refuse("not_enabled")
	}
	user := s.world.user(c.text("user_id"))
	if user == nil || user.Bot {
		return nil, invalid("invalid `user_id` [json-pointer:/user_id]")
	}
	o, err := readView(s, c, true)
	if err != nil {
		return nil, err
	}
	v := s.world.homes[user.ID]
	hash := c.text("hash")
	switch {
	case v == nil && hash != "", v != nil && hash != "" && hash != v.hash:
		return nil, refuse("hash_conflict")
	case v == nil:
		if v, err = s.newView(o, user.ID); err != nil {
			return nil, err
		}
		s.world.homes[user.ID] = v
	default:
		if err := s.fillView(v, o); err != nil {
			return nil, err
		}
	}
	s.wake()
	return object{"view": s.viewObject(v)}, nil
}

// closeStack closes all modals of somebody's. Holds mu.
func (s *Server) closeStack(user string) {
	for _, v := range s.world.stacks[user] {
		delete(s.world.views, v.id)
	}
	delete(s.world.stacks, user)
	s.wake()
}

// pop closes the topmost modal. Holds mu.
func (s *Server) pop(user string) {
	stack := s.world.stacks[user]
	if len(stack) == 0 {
		return
	}
	delete(s.world.views, stack[len(stack)-1].id)
	s.world.stacks[user] = stack[:len(stack)-1]
	s.wake()
}

// act carries out the app's answer to a submission: nothing closes the modal, response_action says
// otherwise (https://docs.slack.dev/surfaces/modals#handling_submissions). Holds mu.
func (s *Server) act(v *view, answer []byte) error {
	o := object{}
	if len(answer) != 0 && string(answer) != "null" {
		decoded, err := decode(answer)
		if err != nil {
			return fmt.Errorf("the answer to a submission is no JSON: %w", err)
		}
		var ok bool
		if o, ok = decoded.(object); !ok {
			return fmt.Errorf("the answer to a submission is no object")
		}
	}
	allowed := map[string]string{"errors": "errors", "update": "view", "push": "view", "clear": ""}
	action, given := o["response_action"].(string)
	with, known := allowed[action]
	if given && !known || o["response_action"] != nil && !given {
		return fmt.Errorf("response_action is %v", o["response_action"])
	}
	for key := range o {
		if key != "response_action" && (key != with || with == "") {
			return fmt.Errorf("the answer %q holds %q", action, key)
		}
	}
	var next object
	if with == "view" {
		var err error
		if next, err = objectOf(o["view"]); err != nil {
			return fmt.Errorf("the answer %q holds no view", action)
		}
		if check := checkView(s, next, false, "/view"); len(check.faults) != 0 {
			return invalid(check.messages()...)
		}
	}
	switch action {
	case "":
		s.pop(v.user)
	case "clear":
		s.closeStack(v.user)
	case "update":
		if err := s.fillView(v, next); err != nil {
			return err
		}
	case "push":
		if _, err := s.push(v.user, next); err != nil {
			return err
		}
	case "errors":
		all, ok := o["errors"].(object)
		if !ok || len(all) == 0 {
			return fmt.Errorf("the answer errors names none")
		}
		shown := map[string]string{}
		for block, message := range all {
			text, ok := message.(string)
			input := slices.ContainsFunc(v.blocks(), func(b any) bool { o, _ := b.(object); return o["type"] == "input" && o["block_id"] == block })
			if !ok || text == "" || !input {
				return fmt.Errorf("errors must name input blocks of the view, each with a text; %q is none", block)
			}
			shown[block] = text
		}
		v.errors = shown
	}
	s.wake()
	return nil
}
