package slacktest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// The rules of Block Kit (https://docs.slack.dev/reference/block-kit), as tables: for every object the
// fields that it may have, each with its own rule. What is not in a table is refused. The words of a
// fault are Slack's where replies of it were published.

// surface is where blocks are shown.
type surface int

const (
	inMessage surface = iota
	inModal
	inHome
)

// blockFault is something wrong, and where: a JSON pointer.
type blockFault struct {
	pointer, message string
	expected         []string // the values that were possible, where that is what is wrong
}

// checker walks through blocks and notes what is wrong.
type checker struct {
	surface  surface
	faults   []blockFault
	blockIDs map[string]bool
	actions  map[string]bool // action_ids of the block at hand
	focus    int
	markdown int
	tables   int
	inputs   []string // pointers of input blocks
	team     *Server  // nil: users and files are not looked up
}

// rule checks one value.
type rule func(c *checker, at string, v any)

func (c *checker) fault(at, format string, args ...any) {
	c.faults = append(c.faults, blockFault{pointer: at, message: fmt.Sprintf(format, args...)})
}

// messages are the faults as Slack words them.
func (c *checker) messages() []string {
	var all []string
	for _, f := range c.faults {
		all = append(all, f.message+" [json-pointer:"+f.pointer+"]")
	}
	return all
}

// length of a text in characters.
func length(s string) int { return utf8.RuneCountInString(s) }

func str(least, most int) rule {
	return func(c *checker, at string, v any) {
		s, ok := v.(string)
		switch n := length(s); {
		case !ok:
			c.fault(at, "must provide a string")
		case n < least:
			c.fault(at, "must be more than %d characters", least-1)
		case most > 0 && n > most:
			c.fault(at, "must be less than %d characters", most+1)
		}
	}
}

func boolean(c *checker, at string, v any) {
	if _, ok := v.(bool); !ok {
		c.fault(at, "must be a boolean")
	}
}

func integer(least, most int64) rule {
	return func(c *checker, at string, v any) {
		n, ok := v.(json.Number)
		i, err := n.Int64()
		switch {
		case !ok || err != nil:
			c.fault(at, "must provide an integer")
		case i < least:
			c.fault(at, "must be greater than or equal to %d", least)
		case i > most:
			c.fault(at, "must be less than or equal to %d", most)
		}
	}
}

func one(values ...string) rule {
	return func(c *checker, at string, v any) {
		if s, ok := v.(string); !ok || !slices.Contains(values, s) {
			c.faults = append(c.faults, blockFault{at, "must be a valid enum value", values})
		}
	}
}

func matching(pattern, what string) rule {
	re := regexp.MustCompile(pattern)
	return func(c *checker, at string, v any) {
		if s, ok := v.(string); !ok || !re.MatchString(s) {
			c.fault(at, "%s", what)
		}
	}
}

func link(most int) rule {
	return func(c *checker, at string, v any) {
		str(1, most)(c, at, v)
		s, _ := v.(string)
		u, err := url.Parse(s)
		if s != "" && (err != nil || u.Scheme == "" || u.Host == "" && u.Scheme != "mailto" && u.Scheme != "tel") {
			c.fault(at, "must be a valid URL")
		}
	}
}

func list(least, most int, item rule) rule {
	return func(c *checker, at string, v any) {
		items, ok := v.([]any)
		switch {
		case !ok:
			c.fault(at, "must provide an array")
			return
		case len(items) < least:
			c.fault(at, "must provide at least %d items", least)
		case most > 0 && len(items) > most:
			c.fault(at, "no more than %d items allowed", most)
		}
		for i, v := range items {
			item(c, fmt.Sprintf("%s/%d", at, i), v)
		}
	}
}

// fields are an object's; a name with a star is required.
type fields map[string]rule

func (f fields) check(c *checker, at string, v any) {
	o, ok := v.(object)
	if !ok {
		c.fault(at, "must provide an object")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(f)) {
		key, required := strings.CutSuffix(name, "*")
		value, given := o[key]
		switch {
		case given && value == nil && !required:
		case given:
			f[name](c, at+"/"+key, value)
		case required:
			c.fault(at, "missing required field: %s", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if _, known := f[key]; !known && f[key+"*"] == nil {
			c.fault(at, "invalid additional property: %s", key)
		}
	}
}

func with(base fields, more fields) fields {
	all := maps.Clone(base)
	maps.Copy(all, more)
	return all
}

func anyValue(*checker, string, any) {}

// --- objects that blocks are made of (https://docs.slack.dev/reference/block-kit/composition-objects) ---

// plain is a text object of type plain_text; texts also takes mrkdwn.
func plain(most int) rule { return textObject(most, "plain_text") }
func texts(most int) rule { return textObject(most, "plain_text", "mrkdwn") }

func textObject(most int, types ...string) rule {
	return func(c *checker, at string, v any) {
		o, ok := v.(object)
		if !ok {
			c.fault(at, "must provide an object")
			return
		}
		inner := &checker{}
		kind, _ := o["type"].(string)
		switch f := (fields{"type*": anyValue, "text*": str(1, most)}); {
		case o["type"] == nil:
			inner.fault(at, "missing required field: type")
		case !slices.Contains(types, kind):
			inner.faults = append(inner.faults, blockFault{at + "/type", "unsupported type: " + kind, types})
		case kind == "plain_text":
			with(f, fields{"emoji": boolean}).check(inner, at, v)
		default:
			with(f, fields{"verbatim": boolean}).check(inner, at, v)
		}
		if len(inner.faults) != 0 && len(types) > 1 {
			c.fault(at, "failed to match all allowed schemas")
		}
		c.faults = append(c.faults, inner.faults...)
	}
}

var confirmation = fields{"title": plain(100), "text*": texts(300), "confirm": plain(30), "deny": plain(30), "style": one("primary", "danger")}

func option(text rule, more fields) fields {
	return with(fields{"text*": text, "value": str(0, 150), "description": plain(75)}, more)
}

var (
	plainOption = option(plain(75), nil)
	anyOption   = with(option(texts(75), nil), fields{"description": texts(75)})
	urlOption   = option(plain(75), fields{"url": link(3000)})
	optionGroup = fields{"label*": plain(75), "options*": list(1, 100, plainOption.check)}
	dispatch    = fields{"trigger_actions_on": list(1, 2, one("on_enter_pressed", "on_character_entered"))}
	filter      = fields{"include": list(1, 4, one("im", "mpim", "private", "public")), "exclude_bot_users": boolean, "exclude_external_shared_channels": boolean}
)

// --- elements (https://docs.slack.dev/reference/block-kit/block-elements) ---

var acting = fields{"type*": anyValue, "action_id": actionID}

func actionID(c *checker, at string, v any) {
	str(1, 255)(c, at, v)
	s, _ := v.(string)
	if c.actions[s] {
		c.fault(at, "`action_id` %q already exists", s)
	} else if c.actions != nil {
		c.actions[s] = true
	}
}

func focusing(c *checker, at string, v any) {
	boolean(c, at, v)
	if v == true {
		if c.focus++; c.focus > 1 {
			c.fault(at, "only one element can have `focus_on_load`")
		}
	}
}

var (
	choosing = with(acting, fields{"confirm": confirmation.check, "focus_on_load": focusing})
	selecing = with(choosing, fields{"placeholder": plain(150)})
	several  = fields{"max_selected_items": integer(1, 1000)}
	userID   = matching(`^[UW][A-Z0-9]{2,}$`, "must be a valid user ID")
	anyID    = matching(`^[A-Z][A-Z0-9]{2,}$`, "must be a valid conversation ID")
	typing   = with(acting, fields{"placeholder": plain(150), "dispatch_action_config": dispatch.check, "focus_on_load": focusing})
)

var imageSource = fields{"type*": anyValue, "image_url": link(3000), "slack_file": slackFile, "alt_text*": str(1, 2000)}

func slackFile(c *checker, at string, v any) {
	f := fields{"id": str(1, 255), "url": link(3000)}
	f.check(c, at, v)
	o, _ := v.(object)
	if id, ok := o["id"].(string); ok && c.team != nil && c.team.world.file(id) == nil {
		c.fault(at, "invalid slack file")
	}
}

var elements = map[string]fields{
	"button": with(acting, fields{"text*": plain(75), "url": link(3000), "value": str(0, 2000), "style": one("primary", "danger"),
		"confirm": confirmation.check, "accessibility_label": str(1, 75)}),
	"overflow":                   with(acting, fields{"options*": list(1, 5, urlOption.check), "confirm": confirmation.check}),
	"static_select":              with(selecing, fields{"options": list(1, 100, plainOption.check), "option_groups": list(1, 100, optionGroup.check), "initial_option": plainOption.check}),
	"multi_static_select":        with(with(selecing, several), fields{"options": list(1, 100, plainOption.check), "option_groups": list(1, 100, optionGroup.check), "initial_options": list(1, 100, plainOption.check)}),
	"external_select":            with(selecing, fields{"min_query_length": integer(0, 1000), "initial_option": plainOption.check}),
	"multi_external_select":      with(with(selecing, several), fields{"min_query_length": integer(0, 1000), "initial_options": list(1, 100, plainOption.check)}),
	"users_select":               with(selecing, fields{"initial_user": userID}),
	"multi_users_select":         with(with(selecing, several), fields{"initial_users": list(1, 100, userID)}),
	"conversations_select":       with(selecing, fields{"initial_conversation": anyID, "default_to_current_conversation": boolean, "response_url_enabled": boolean, "filter": filter.check}),
	"multi_conversations_select": with(with(selecing, several), fields{"initial_conversations": list(1, 100, anyID), "default_to_current_conversation": boolean, "filter": filter.check}),
	"channels_select":            with(selecing, fields{"initial_channel": anyID, "response_url_enabled": boolean}),
	"multi_channels_select":      with(with(selecing, several), fields{"initial_channels": list(1, 100, anyID)}),
	"datepicker":                 with(selecing, fields{"initial_date": matching(`^\d{4}-\d{2}-\d{2}$`, "must be a valid date")}),
	"timepicker":                 with(selecing, fields{"initial_time": matching(`^([01]\d|2[0-3]):[0-5]\d$`, "must be a valid time"), "timezone": str(1, 100)}),
	"datetimepicker":             with(choosing, fields{"initial_date_time": integer(1_000_000_000, 9_999_999_999)}),
	"checkboxes":                 with(choosing, fields{"options*": list(1, 10, anyOption.check), "initial_options": list(1, 10, anyOption.check)}),
	"radio_buttons":              with(choosing, fields{"options*": list(1, 10, anyOption.check), "initial_option": anyOption.check}),
	"plain_text_input":           with(typing, fields{"initial_value": str(0, 3000), "multiline": boolean, "min_length": integer(0, 3000), "max_length": integer(1, 3000)}),
	"email_text_input":           with(typing, fields{"initial_value": str(0, 3000)}),
	"url_text_input":             with(typing, fields{"initial_value": str(0, 3000)}),
	"number_input":               with(typing, fields{"is_decimal_allowed*": boolean, "initial_value": str(0, 100), "min_value": str(1, 100), "max_value": str(1, 100)}),
	"rich_text_input":            with(typing, fields{"initial_value": func(c *checker, at string, v any) { blockKinds["rich_text"].check(c, at, v) }}),
	"file_input":                 with(acting, fields{"filetypes": list(1, 100, str(1, 100)), "max_files": integer(1, 10)}),
	"image":                      imageSource,
	"plain_text":                 {},
	"mrkdwn":                     {},
}

// element takes one of these types of elements.
func element(types string) rule {
	allowed := strings.Fields(types)
	return func(c *checker, at string, v any) {
		o, ok := v.(object)
		if !ok {
			c.fault(at, "must provide an object")
			return
		}
		kind, ok := o["type"].(string)
		switch {
		case !ok:
			c.fault(at, "missing required field: type")
			return
		case !slices.Contains(allowed, kind):
			c.faults = append(c.faults, blockFault{at + "/type", "unsupported type: " + kind, allowed})
			return
		case kind == "plain_text" || kind == "mrkdwn":
			texts(3000)(c, at, v)
			return
		}
		elements[kind].check(c, at, v)
		c.related(at, kind, o)
	}
}

// related checks what an element's fields say about each other.
func (c *checker) related(at, kind string, o object) {
	switch kind {
	case "static_select", "multi_static_select":
		_, options := o["options"]
		_, groups := o["option_groups"]
		if options == groups {
			c.fault(at, "must define either `options` or `option_groups`, not both")
		}
	case "image":
		c.oneImage(at, o)
	case "plain_text_input":
		low, high := intOf(o["min_length"], 0), intOf(o["max_length"], 3000)
		if low > high {
			c.fault(at+"/min_length", "must be less than or equal to `max_length`")
		}
		if n := length(textOf(o["initial_value"])); o["initial_value"] != nil && (n > high) {
			c.fault(at+"/initial_value", "must be less than %d characters", high+1)
		}
	}
	var all []object
	seen := map[string]bool{}
	gather := func(v any, at string) {
		options, _ := v.([]any)
		for i, v := range options {
			one, _ := v.(object)
			all = append(all, one)
			value := textOf(one["value"])
			if kind != "overflow" && kind != "checkboxes" && kind != "radio_buttons" && value == "" {
				if _, given := one["value"]; !given {
					c.fault(fmt.Sprintf("%s/%d", at, i), "missing required field: value")
				}
			}
			if value != "" && seen[value] {
				c.fault(fmt.Sprintf("%s/%d/value", at, i), "option value %q already exists", value)
			}
			seen[value] = true
		}
	}
	gather(o["options"], at+"/options")
	groups, _ := o["option_groups"].([]any)
	for i, g := range groups {
		group, _ := g.(object)
		gather(group["options"], fmt.Sprintf("%s/option_groups/%d/options", at, i))
	}
	initial, _ := o["initial_options"].([]any)
	if one := o["initial_option"]; one != nil {
		initial = []any{one}
	}
	if all != nil {
		for _, want := range initial {
			w, _ := want.(object)
			if !slices.ContainsFunc(all, func(o object) bool { return sameOption(o, w) }) {
				c.fault(at, "initial option must match one of the options")
			}
		}
	}
}

func sameOption(a, b object) bool {
	text := func(o object) string {
		t, _ := o["text"].(object)
		return textOf(t["text"]) + "\x00" + textOf(t["type"])
	}
	return textOf(a["value"]) == textOf(b["value"]) && text(a) == text(b)
}

func (c *checker) oneImage(at string, o object) {
	_, byURL := o["image_url"]
	_, byFile := o["slack_file"]
	if byURL == byFile {
		c.fault(at, "must define either `image_url` or `slack_file`")
	}
}

func textOf(v any) string { s, _ := v.(string); return s }

func intOf(v any, missing int) int {
	n, ok := v.(json.Number)
	i, err := n.Int64()
	if !ok || err != nil {
		return missing
	}
	return int(i)
}

const (
	selects      = "static_select external_select users_select conversations_select channels_select"
	multiSelects = "multi_static_select multi_external_select multi_users_select multi_conversations_select multi_channels_select"
	pickers      = "datepicker timepicker datetimepicker"
)

// --- blocks (https://docs.slack.dev/reference/block-kit/blocks) ---

var anyBlock = fields{"type*": anyValue, "block_id": blockID}

func blockID(c *checker, at string, v any) {
	str(1, 255)(c, at, v)
	s, _ := v.(string)
	if c.blockIDs[s] {
		c.fault(at, "`block_id` %q already exists", s)
	} else if c.blockIDs != nil && s != "" {
		c.blockIDs[s] = true
	}
}

var blockKinds map[string]fields

func init() { // rich text holds itself
	blockKinds = map[string]fields{
		"section": with(anyBlock, fields{"text": texts(3000), "fields": list(1, 10, texts(2000)), "expand": boolean,
			"accessory": element("button overflow checkboxes radio_buttons image " + selects + " " + multiSelects + " " + pickers)}),
		"header":  with(anyBlock, fields{"text*": plain(150)}),
		"divider": anyBlock,
		"image":   with(anyBlock, fields{"image_url": link(3000), "slack_file": slackFile, "alt_text*": str(1, 2000), "title": plain(2000)}),
		"context": with(anyBlock, fields{"elements*": list(1, 10, element("image plain_text mrkdwn"))}),
		"actions": with(anyBlock, fields{"elements*": list(1, 25, element("button overflow checkboxes radio_buttons rich_text_input "+selects+" "+multiSelects+" "+pickers))}),
		"input": with(anyBlock, fields{"label*": plain(2000), "hint": plain(2000), "optional": boolean, "dispatch_action": boolean,
			"element*": element("plain_text_input email_text_input url_text_input number_input rich_text_input file_input checkboxes radio_buttons " + selects + " " + multiSelects + " " + pickers)}),
		"markdown": with(anyBlock, fields{"text*": str(1, 12000)}),
		"video": with(anyBlock, fields{"alt_text*": str(1, 2000), "author_name": str(0, 50), "description": plain(200), "provider_icon_url": link(3000),
			"provider_name": str(0, 50), "title*": plain(200), "title_url": link(3000), "thumbnail_url*": link(3000), "video_url*": link(3000)}),
		"table": with(anyBlock, fields{"rows*": list(1, 100, list(1, 20, cell)),
			"column_settings": list(1, 20, fields{"align": one("left", "center", "right"), "is_wrapped": boolean}.check)}),
		"rich_text": with(anyBlock, fields{"elements*": list(1, 0, richElement)}),
	}
}

func cell(c *checker, at string, v any) {
	o, _ := v.(object)
	switch kind := textOf(o["type"]); kind {
	case "raw_text":
		fields{"type*": anyValue, "text*": str(1, 3000)}.check(c, at, v)
	case "rich_text":
		blockKinds[kind].check(c, at, v)
	default:
		c.fault(at+"/type", "unsupported type: %s", kind)
	}
}

var (
	styles   = fields{"bold": boolean, "italic": boolean, "strike": boolean, "code": boolean, "underline": boolean}
	richItem = fields{"type*": anyValue, "style": styles.check}
	richText = map[string]fields{
		"text":      with(richItem, fields{"text*": str(1, 0)}),
		"link":      with(richItem, fields{"url*": link(3000), "text": str(0, 0), "unsafe": boolean}),
		"emoji":     with(richItem, fields{"name*": str(1, 100), "unicode": str(1, 100), "skin_tone": integer(1, 6)}),
		"user":      with(richItem, fields{"user_id*": userID}),
		"channel":   with(richItem, fields{"channel_id*": anyID}),
		"usergroup": with(richItem, fields{"usergroup_id*": anyID}),
		"team":      with(richItem, fields{"team_id*": anyID}),
		"broadcast": with(richItem, fields{"range*": one("here", "channel", "everyone")}),
		"date":      with(richItem, fields{"timestamp*": integer(0, 99_999_999_999), "format*": str(1, 0), "url": link(3000), "fallback": str(0, 0)}),
		"color":     with(richItem, fields{"value*": matching(`^#[0-9a-fA-F]{6}$`, "must be a valid color")}),
	}
)

func richInline(types ...string) rule {
	return func(c *checker, at string, v any) {
		o, ok := v.(object)
		kind := textOf(o["type"])
		f, known := richText[kind]
		switch {
		case !ok:
			c.fault(at, "must provide an object")
		case !known || len(types) != 0 && !slices.Contains(types, kind):
			c.fault(at+"/type", "unsupported type: %s", kind)
		default:
			f.check(c, at, v)
		}
	}
}

var richSection = fields{"type*": one("rich_text_section"), "elements*": list(0, 0, richInline())}

func richElement(c *checker, at string, v any) {
	o, _ := v.(object)
	border := integer(0, 1)
	switch kind := textOf(o["type"]); kind {
	case "rich_text_section":
		richSection.check(c, at, v)
	case "rich_text_list":
		fields{"type*": anyValue, "style*": one("bullet", "ordered"), "indent": integer(0, 8), "offset": integer(0, 1_000_000), "border": border,
			"elements*": list(1, 0, richSection.check)}.check(c, at, v)
	case "rich_text_quote":
		fields{"type*": anyValue, "border": border, "elements*": list(0, 0, richInline())}.check(c, at, v)
	case "rich_text_preformatted":
		fields{"type*": anyValue, "border": border, "language": str(1, 100), "elements*": list(0, 0, richInline("text", "link"))}.check(c, at, v)
	default:
		c.fault(at+"/type", "unsupported type: %s", kind)
	}
}

// blocks checks a list of blocks at a pointer: "/blocks", "/view/blocks".
func (c *checker) blocks(at string, v any, least, most int) {
	c.blockIDs = map[string]bool{}
	list(least, most, c.block)(c, at, v)
}

func (c *checker) block(_ *checker, at string, v any) {
	o, ok := v.(object)
	if !ok {
		c.fault(at, "must provide an object")
		return
	}
	kind, ok := o["type"].(string)
	if !ok {
		c.fault(at, "missing required field: type")
		return
	}
	f, known := blockKinds[kind]
	if !known || c.surface != inMessage && (kind == "markdown" || kind == "table") {
		c.fault(at+"/type", "unsupported type: %s", kind)
		return
	}
	c.actions = map[string]bool{}
	f.check(c, at, v)
	switch kind {
	case "section":
		if o["text"] == nil && o["fields"] == nil {
			c.fault(at+"/type", "must define either `text` or `fields`")
		}
	case "image":
		c.oneImage(at, o)
	case "input":
		c.inputs = append(c.inputs, at)
		if e, _ := o["element"].(object); c.surface == inMessage && textOf(e["type"]) == "file_input" {
			c.fault(at+"/element/type", "unsupported type: file_input")
		}
	case "markdown":
		c.markdown += length(textOf(o["text"]))
	case "table":
		if c.tables++; c.tables > 1 {
			c.fault(at, "only one table block allowed")
		}
	}
}

// checkBlocks checks the blocks of a message, given decoded or as a JSON string, and gives them as a list.
func (s *Server) checkBlocks(v any) ([]any, error) {
	blocks, err := listOf(v)
	if err != nil {
		return nil, refuse("invalid_blocks_format")
	}
	c := &checker{surface: inMessage, team: s}
	c.blocks("/blocks", blocks, 0, 50)
	if len(c.faults) != 0 {
		return nil, blocksRefused(c)
	}
	text := textLength(blocks)
	if c.markdown > maxBlocksText || s.config.BlocksTogether && (text > maxBlocksText || text+perBlock*len(blocks) > maxBlocksCost) {
		return nil, refuse("msg_blocks_too_long")
	}
	return blocks, nil
}

// What all blocks of a message may hold together. Slack's documentation says so of markdown blocks alone; it
// holds for all, "12,000 text characters with a buffer for block containers"
// (https://github.com/slackapi/bolt-js/issues/2509 and 2867), which was measured to be about 13,200 where each
// block costs about 100.
const (
	maxBlocksText = 12_000
	maxBlocksCost = 13_200
	perBlock      = 100
)

// textLength is the length of all texts within, as Slack writes them: with &, < and > escaped.
func textLength(v any) int {
	n := 0
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			n += textLength(one)
		}
	case object:
		for key, one := range v {
			if s, ok := one.(string); ok && key == "text" {
				n += length(Escape(unescape.Replace(s)))
			} else {
				n += textLength(one)
			}
		}
	}
	return n
}

func blocksRefused(c *checker) error {
	plain := c.messages()
	marked := make([]string, len(plain))
	for i, m := range plain {
		marked[i] = "[ERROR] " + m
	}
	return &refusal{code: "invalid_blocks", messages: marked, more: object{"errors": plain}}
}

// listOf is a JSON array given as such or as a string.
func listOf(v any) ([]any, error) {
	if s, ok := v.(string); ok {
		if s == "" {
			return nil, nil
		}
		d, err := decode([]byte(s))
		if err != nil {
			return nil, err
		}
		v = d
	}
	items, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("no array")
	}
	for _, item := range items {
		if _, ok := item.(object); !ok {
			return nil, fmt.Errorf("no object")
		}
	}
	return items, nil
}

// objectOf is a JSON object given as such or as a string.
func objectOf(v any) (object, error) {
	if s, ok := v.(string); ok {
		d, err := decode([]byte(s))
		if err != nil {
			return nil, err
		}
		v = d
	}
	o, ok := v.(object)
	if !ok {
		return nil, fmt.Errorf("no object")
	}
	return o, nil
}

var (
	modalFields = fields{"type*": anyValue, "title*": plain(24), "submit": plain(24), "close": plain(24), "private_metadata": str(0, 3000), "callback_id": str(0, 255),
		"external_id": str(0, 255), "clear_on_close": boolean, "notify_on_close": boolean, "blocks*": anyValue}
	homeFields = fields{"type*": anyValue, "private_metadata": str(0, 3000), "callback_id": str(0, 255), "external_id": str(0, 255), "blocks*": anyValue}
)

// checkView checks a view; home tells which kind is wanted.
func checkView(s *Server, o object, home bool, at string) *checker {
	c := &checker{surface: inModal, team: s}
	kind, given := o["type"].(string)
	switch want := map[bool]string{true: "home", false: "modal"}[home]; {
	case !given:
		c.fault(at, "missing required field: type")
	case kind != want:
		c.faults = append(c.faults, blockFault{at + "/type", "must be a valid enum value", []string{want}})
		return c
	}
	if home {
		c.surface = inHome
		homeFields.check(c, at, o)
	} else {
		modalFields.check(c, at, o)
	}
	if blocks, given := o["blocks"]; given {
		c.blocks(at+"/blocks", blocks, 1, 100)
	}
	if !home && o["submit"] == nil {
		for _, input := range c.inputs {
			c.fault(input+"/input", "must define `submit` to use an `input` block in modals")
		}
	}
	return c
}

// finish fills in what Slack fills in: ids that were not given, and the flags of texts.
func finish(v any, block bool) any {
	switch v := v.(type) {
	case []any:
		all := make([]any, len(v))
		for i, item := range v {
			all[i] = finish(item, block)
		}
		return all
	case object:
		o := object{}
		for key, value := range v {
			o[key] = finish(value, false)
		}
		kind := textOf(o["type"])
		_, isElement := elements[kind]
		given := func(key string, v any) {
			if o[key] == nil {
				o[key] = v
			}
		}
		switch kind {
		case "input":
			given("optional", false)
			given("dispatch_action", false)
		case "plain_text_input":
			given("dispatch_action_config", object{"trigger_actions_on": []any{"on_enter_pressed"}})
		}
		switch {
		case kind == "plain_text" && o["emoji"] == nil:
			o["emoji"] = true
		case kind == "mrkdwn" && o["verbatim"] == nil:
			o["verbatim"] = false
		case block:
			if textOf(o["block_id"]) == "" {
				o["block_id"] = shortID()
			}
		case isElement && elements[kind]["action_id"] != nil && textOf(o["action_id"]) == "":
			o["action_id"] = shortID()
		}
		return o
	}
	return v
}

func shortID() string {
	return random(5, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=")
}

// blocksValidate is blocks.validate: it checks a payload that was not sent.
func (s *Server) blocksValidate(c *call) (object, error) {
	if len(c.args) != 1 {
		return nil, refuse("invalid_arguments", "must provide exactly one of `blocks`, `view`, or `message`")
	}
	var code string
	var check *checker
	switch {
	case c.args["blocks"] != nil:
		blocks, err := listOf(c.args["blocks"])
		if err != nil {
			return nil, invalid("must be a valid JSON array [json-pointer:/blocks]")
		}
		code, check = "invalid_blocks", &checker{team: s}
		check.blocks("", blocks, 0, 50)
	case c.args["view"] != nil:
		view, err := objectOf(c.args["view"])
		if err != nil {
			return nil, invalid("must be a valid JSON object [json-pointer:/view]")
		}
		code, check = "invalid_view", checkView(s, view, view["type"] == "home", "")
	default:
		message, err := objectOf(c.args["message"])
		if err != nil {
			return nil, invalid("must be a valid JSON object [json-pointer:/message]")
		}
		code, check = "invalid_message", &checker{team: s}
		if message["blocks"] != nil {
			check.blocks("/blocks", message["blocks"], 0, 50)
		}
	}
	var faults []object
	for _, f := range check.faults {
		o := object{"code": "failed_constraint", "message": f.message, "pointer": f.pointer}
		if f.expected != nil {
			o["constraint"] = object{"type": "enum", "expected": f.expected}
		}
		faults = append(faults, o)
	}
	if len(faults) != 0 {
		return nil, &refusal{code: code, more: object{"errors": faults}}
	}
	return nil, nil
}
