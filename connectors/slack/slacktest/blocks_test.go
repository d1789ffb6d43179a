package slacktest

import (
	"strings"
	"testing"
)

func many(n int, v any) []any {
	all := make([]any, n)
	for i := range all {
		all[i] = v
	}
	return all
}

func long(n int) string { return strings.Repeat("ü", n) }

func options(n int) []any {
	var all []any
	for i := range n {
		all = append(all, js{"text": text("option"), "value": strings.Repeat("v", i+1)})
	}
	return all
}

func actions(elements ...any) js { return js{"type": "actions", "elements": arr(elements...)} }
func input(element js) js        { return js{"type": "input", "label": text("L"), "element": element} }
func rich(elements ...any) js {
	return js{"type": "rich_text", "elements": arr(js{"type": "rich_text_section", "elements": elements})}
}

func with1(o js, key string, v any) js {
	all := js{key: v}
	for k, w := range o {
		if k != key {
			all[k] = w
		}
	}
	return all
}

func TestBlocks(t *testing.T) {
	b := setup(t, func(c *Config) { c.BlocksTogether = true })
	press := button("a", "A", "v")
	sel := js{"type": "static_select", "action_id": "s", "options": options(2)}
	for _, c := range []struct {
		what   string
		blocks []any
		want   string // empty: it is taken
	}{
		{"sections", arr(section("x"), js{"type": "section", "fields": arr(mrk("*x*"), text("y"))}), ""},
		{"everything", arr(js{"type": "header", "text": text("H")}, js{"type": "divider"}, js{"type": "context", "elements": arr(mrk("x"), js{"type": "image", "image_url": "https://example.org/a.png", "alt_text": "a"})},
			actions(press, sel, js{"type": "overflow", "action_id": "o", "options": options(1)}, js{"type": "datepicker", "action_id": "d", "initial_date": "2026-04-01"}),
			js{"type": "image", "image_url": "https://example.org/a.png", "alt_text": "a"}, js{"type": "markdown", "text": "**x**"}, rich(js{"type": "text", "text": "x", "style": js{"bold": true}}),
			js{"type": "section", "text": mrk("x"), "accessory": js{"type": "button", "text": text("B"), "confirm": js{"title": text("t"), "text": mrk("x"), "confirm": text("y"), "deny": text("n"), "style": "danger"}}},
			input(js{"type": "plain_text_input", "action_id": "i"})), ""},
		{"the longest", arr(section(long(3000)), js{"type": "header", "text": text(long(150))}, js{"type": "section", "fields": many(4, text(long(2000)))}), ""},
		{"ten fields", arr(js{"type": "section", "fields": many(10, text("x"))}), ""},
		{"no type", arr(js{"text": text("x")}), "missing required field: type [json-pointer:/blocks/0]"},
		{"unknown type", arr(js{"type": "paragraph"}), "unsupported type: paragraph [json-pointer:/blocks/0/type]"},
		{"unknown field", arr(js{"type": "divider", "color": "red"}), "invalid additional property: color [json-pointer:/blocks/0]"},
		{"51 blocks", many(51, js{"type": "divider"}), "no more than 50 items allowed [json-pointer:/blocks]"},
		{"empty section", arr(js{"type": "section"}), "must define either `text` or `fields` [json-pointer:/blocks/0/type]"},
		{"empty text", arr(section("")), "must be more than 0 characters [json-pointer:/blocks/0/text/text]"},
		{"long text", arr(section(long(3001))), "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"},
		{"and its schemas", arr(section(long(3001))), "failed to match all allowed schemas [json-pointer:/blocks/0/text]"},
		{"a bare string", arr(js{"type": "section", "text": "x"}), "must provide an object [json-pointer:/blocks/0/text]"},
		{"emoji in mrkdwn", arr(js{"type": "section", "text": js{"type": "mrkdwn", "text": "x", "emoji": true}}), "invalid additional property: emoji [json-pointer:/blocks/0/text]"},
		{"verbatim in plain text", arr(js{"type": "section", "text": js{"type": "plain_text", "text": "x", "verbatim": true}}), "invalid additional property: verbatim [json-pointer:/blocks/0/text]"},
		{"11 fields", arr(js{"type": "section", "fields": many(11, text("x"))}), "no more than 10 items allowed [json-pointer:/blocks/0/fields]"},
		{"long field", arr(js{"type": "section", "fields": arr(text(long(2001)))}), "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]"},
		{"long header", arr(js{"type": "header", "text": text(long(151))}), "must be less than 151 characters [json-pointer:/blocks/0/text/text]"},
		{"mrkdwn header", arr(js{"type": "header", "text": mrk("x")}), "unsupported type: mrkdwn [json-pointer:/blocks/0/text/type]"},
		{"11 in context", arr(js{"type": "context", "elements": many(11, text("x"))}), "no more than 10 items allowed [json-pointer:/blocks/0/elements]"},
		{"a button in context", arr(js{"type": "context", "elements": arr(press)}), "unsupported type: button [json-pointer:/blocks/0/elements/0/type]"},
		{"26 actions", arr(actions(many(26, js{"type": "button", "text": text("A")})...)), "no more than 25 items allowed [json-pointer:/blocks/0/elements]"},
		{"no actions", arr(actions()), "must provide at least 1 items [json-pointer:/blocks/0/elements]"},
		{"an input among actions", arr(actions(js{"type": "plain_text_input", "action_id": "a"})), "unsupported type: plain_text_input"},
		{"the same action twice", arr(section("x"), actions(press, button("a", "B", "w"))), "`action_id` \"a\" already exists [json-pointer:/blocks/1/elements/1/action_id]"},
		{"the same action in two blocks", arr(actions(press), actions(press)), ""},
		{"the same block_id twice", arr(with1(section("x"), "block_id", "b"), with1(section("y"), "block_id", "b")), "`block_id` \"b\" already exists [json-pointer:/blocks/1/block_id]"},
		{"long block_id", arr(with1(section("x"), "block_id", long(256))), "must be less than 256 characters [json-pointer:/blocks/0/block_id]"},
		{"long action_id", arr(actions(button(long(256), "A", ""))), "must be less than 256 characters [json-pointer:/blocks/0/elements/0/action_id]"},
		{"long label", arr(actions(button("a", long(76), ""))), "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]"},
		{"long value", arr(actions(button("a", "A", long(2001)))), "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]"},
		{"a style", arr(actions(with1(press, "style", "default"))), "must be a valid enum value [json-pointer:/blocks/0/elements/0/style]"},
		{"accessibility", arr(actions(with1(press, "accessibility_label", long(76)))), "must be less than 76 characters"},
		{"a URL", arr(actions(with1(press, "url", "example"))), "must be a valid URL [json-pointer:/blocks/0/elements/0/url]"},
		{"confirm without text", arr(actions(with1(press, "confirm", js{"title": text("t")}))), "missing required field: text [json-pointer:/blocks/0/elements/0/confirm]"},
		{"long confirm", arr(actions(with1(press, "confirm", js{"text": text("t"), "deny": text(long(31))}))), "must be less than 31 characters [json-pointer:/blocks/0/elements/0/confirm/deny/text]"},
		{"6 in an overflow", arr(actions(js{"type": "overflow", "action_id": "o", "options": options(6)})), "no more than 5 items allowed [json-pointer:/blocks/0/elements/0/options]"},
		{"none in an overflow", arr(actions(js{"type": "overflow", "action_id": "o", "options": arr()})), "must provide at least 1 items"},
		{"101 options", arr(actions(with1(sel, "options", options(101)))), "no more than 100 items allowed [json-pointer:/blocks/0/elements/0/options]"},
		{"a long option", arr(actions(with1(sel, "options", arr(js{"text": text(long(76)), "value": "v"})))), "must be less than 76 characters"},
		{"a long option's value", arr(actions(with1(sel, "options", arr(js{"text": text("x"), "value": long(151)})))), "must be less than 151 characters"},
		{"an option without value", arr(actions(with1(sel, "options", arr(js{"text": text("x")})))), "missing required field: value"},
		{"a URL in a select's option", arr(actions(with1(sel, "options", arr(js{"text": text("x"), "value": "v", "url": ""})))), "invalid additional property: url"},
		{"no options", arr(actions(js{"type": "static_select", "action_id": "s"})), "must define either `options` or `option_groups`"},
		{"both", arr(actions(with1(sel, "option_groups", arr(js{"label": text("g"), "options": options(1)})))), "must define either `options` or `option_groups`"},
		{"a foreign initial option", arr(actions(with1(sel, "initial_option", js{"text": text("x"), "value": "x"}))), "initial option must match one of the options"},
		{"11 checkboxes", arr(actions(js{"type": "checkboxes", "action_id": "c", "options": options(11)})), "no more than 10 items allowed"},
		{"a date", arr(actions(js{"type": "datepicker", "action_id": "c", "initial_date": "1.4.2026"})), "must be a valid date"},
		{"long placeholder", arr(actions(with1(sel, "placeholder", text(long(151))))), "must be less than 151 characters"},
		{"an image without alt text", arr(js{"type": "image", "image_url": "https://example.org/a.png"}), "missing required field: alt_text [json-pointer:/blocks/0]"},
		{"an unknown file", arr(js{"type": "image", "slack_file": js{"id": "F0NOTHERE"}, "alt_text": "a"}), "invalid slack file [json-pointer:/blocks/0/slack_file]"},
		{"an input's label", arr(js{"type": "input", "element": js{"type": "plain_text_input"}}), "missing required field: label [json-pointer:/blocks/0]"},
		{"max_length", arr(input(js{"type": "plain_text_input", "max_length": 3001})), "must be less than or equal to 3000"},
		{"min over max", arr(input(js{"type": "plain_text_input", "max_length": 5, "min_length": 6})), "must be less than or equal to `max_length`"},
		{"initial over max", arr(input(js{"type": "plain_text_input", "max_length": 5, "initial_value": "123456"})), "must be less than 6 characters"},
		{"a file input in a message", arr(input(js{"type": "file_input", "action_id": "f"})), "unsupported type: file_input"},
		{"empty rich text", arr(rich(js{"type": "text", "text": ""})), "must be more than 0 characters"},
		{"an unknown style", arr(rich(js{"type": "text", "text": "x", "style": js{"loud": true}})), "invalid additional property: loud"},
		{"a broadcast", arr(rich(js{"type": "broadcast", "range": "world"})), "must be a valid enum value"},
		{"a mention in preformatted text", arr(js{"type": "rich_text", "elements": arr(js{"type": "rich_text_preformatted", "elements": arr(js{"type": "user", "user_id": "U012"})})}), "unsupported type: user"},
		{"a list of text", arr(js{"type": "rich_text", "elements": arr(js{"type": "rich_text_list", "style": "bullet", "elements": arr(js{"type": "text", "text": "x"})})}), "invalid additional property: text"},
		{"long markdown", arr(js{"type": "markdown", "text": long(12001)}), "must be less than 12001 characters"},
		{"two tables", arr(js{"type": "table", "rows": arr(arr(js{"type": "raw_text", "text": "x"}))}, js{"type": "table", "rows": arr(arr(js{"type": "raw_text", "text": "x"}))}), "only one table block allowed"},
		{"a number as text", arr(js{"type": "section", "text": js{"type": "plain_text", "text": 7}}), "must provide a string"},
		{"a flag as text", arr(js{"type": "section", "text": js{"type": "plain_text", "text": "x", "emoji": "true"}}), "must be a boolean"},
	} {
		args := js{"channel": b.help, "text": "fallback", "blocks": c.blocks}
		if c.want == "" {
			b.ok("chat.postMessage", args)
			continue
		}
		before := len(b.ann.All(b.help))
		got := b.no("invalid_blocks", "chat.postMessage", args)
		if !strings.Contains(got, "[ERROR] "+c.want) {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
		if len(b.ann.All(b.help)) != before {
			t.Errorf("%s: refused, and posted", c.what)
		}
	}
	// The same faults stand under errors, without their level.
	o := b.post("chat.postMessage", js{"channel": b.help, "blocks": arr(js{"type": "section"})})
	if all := o["errors"].([]any); len(all) != 1 || all[0] != "must define either `text` or `fields` [json-pointer:/blocks/0/type]" {
		t.Errorf("errors are %v", all)
	}
	for _, blocks := range []any{"no JSON", js{"blocks": arr()}, `{"blocks": []}`, `["x"]`, arr("x")} {
		b.no("invalid_blocks_format", "chat.postMessage", js{"channel": b.help, "text": "x", "blocks": blocks})
	}
	b.ok("chat.postMessage", js{"channel": b.help, "blocks": many(4, section(long(3000)))})
	b.no("msg_blocks_too_long", "chat.postMessage", js{"channel": b.help, "blocks": many(5, section(long(3000)))})
	b.no("msg_blocks_too_long", "chat.postMessage", js{"channel": b.help, "blocks": many(4, section(strings.Repeat("&", 700)))})
	b.no("msg_blocks_too_long", "chat.postMessage", js{"channel": b.help, "blocks": many(20, section(long(580)))})
	b.no("msg_blocks_too_long", "chat.postMessage", js{"channel": b.help, "blocks": many(2, js{"type": "markdown", "text": long(7000)})})
}

func TestBlocksAreFilledIn(t *testing.T) {
	b := setup(t)
	o := b.ok("chat.postMessage", js{"channel": b.help, "blocks": arr(js{"type": "section", "text": mrk("x"), "accessory": js{"type": "button", "text": text("B")}})})
	block := o["message"].(js)["blocks"].([]any)[0].(js)
	accessory := block["accessory"].(js)
	if block["block_id"] == "" || block["text"].(js)["verbatim"] != false || accessory["action_id"] == "" || accessory["text"].(js)["emoji"] != true {
		t.Errorf("the block is %v", block)
	}
	o = b.ok("views.publish", js{"user_id": b.ann.ID, "view": js{"type": "home", "blocks": arr(js{"type": "input", "label": text("Words"), "element": js{"type": "plain_text_input"}})}})
	block = o["view"].(js)["blocks"].([]any)[0].(js)
	if got := string(marshal(block["element"].(js)["dispatch_action_config"])); block["optional"] != false || block["dispatch_action"] != false || got != `{"trigger_actions_on":["on_enter_pressed"]}` {
		t.Errorf("the input is %v", block)
	}
}

func TestViews(t *testing.T) {
	field := input(js{"type": "plain_text_input", "action_id": "a"})
	modal := js{"type": "modal", "title": text("T"), "submit": text("S"), "blocks": arr(field)}
	for _, c := range []struct {
		what string
		view js
		home bool
		want string
	}{
		{"a modal", modal, false, ""},
		{"without blocks", js{"type": "modal", "title": text("T")}, false, "missing required field: blocks [json-pointer:/view]"},
		{"without title", js{"type": "modal", "blocks": arr(section("x"))}, false, "missing required field: title [json-pointer:/view]"},
		{"no blocks at all", js{"type": "modal", "title": text("T"), "blocks": arr()}, false, "must provide at least 1 items [json-pointer:/view/blocks]"},
		{"101 blocks", with1(modal, "blocks", many(101, js{"type": "divider"})), false, "no more than 100 items allowed [json-pointer:/view/blocks]"},
		{"a long title", with1(modal, "title", text(long(25))), false, "must be less than 25 characters [json-pointer:/view/title/text]"},
		{"a mrkdwn title", with1(modal, "title", mrk("x")), false, "unsupported type: mrkdwn [json-pointer:/view/title/type]"},
		{"a long submit", with1(modal, "submit", text(long(25))), false, "must be less than 25 characters [json-pointer:/view/submit/text]"},
		{"no submit", js{"type": "modal", "title": text("T"), "blocks": arr(section("x"), field)}, false, "must define `submit` to use an `input` block in modals [json-pointer:/view/blocks/1/input]"},
		{"submit_disabled", with1(modal, "submit_disabled", true), false, "invalid additional property: submit_disabled [json-pointer:/view]"},
		{"private_metadata", with1(modal, "private_metadata", long(3001)), false, "must be less than 3001 characters [json-pointer:/view/private_metadata]"},
		{"callback_id", with1(modal, "callback_id", long(256)), false, "must be less than 256 characters [json-pointer:/view/callback_id]"},
		{"markdown", with1(modal, "blocks", arr(js{"type": "markdown", "text": "x"})), false, "unsupported type: markdown [json-pointer:/view/blocks/0/type]"},
		{"a home as a modal", js{"type": "home", "blocks": arr(section("x"))}, false, "must be a valid enum value [json-pointer:/view/type]"},
		{"a home", js{"type": "home", "blocks": arr(section("x"), actions(button("a", "A", "")))}, true, ""},
		{"a home with a title", js{"type": "home", "title": text("x"), "blocks": arr(section("x"))}, true, "invalid additional property: title [json-pointer:/view]"},
		{"two in focus", with1(modal, "blocks", arr(input(js{"type": "plain_text_input", "action_id": "a", "focus_on_load": true}), input(js{"type": "plain_text_input", "action_id": "b", "focus_on_load": true}))), false, "only one element can have `focus_on_load`"},
	} {
		decoded, err := decode(marshal(c.view))
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(checkView(nil, decoded.(object), c.home, "/view").messages(), "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func TestBlocksValidate(t *testing.T) {
	b := setup(t)
	b.ok("blocks.validate", js{"blocks": string(marshal(arr(section("x"))))})
	o := b.post("blocks.validate", js{"blocks": string(marshal(arr(js{"type": "section", "text": js{"type": "invalid", "text": "x"}})))})
	last := o["errors"].([]any)[1].(js)
	if o["error"] != "invalid_blocks" || last["message"] != "unsupported type: invalid" || last["pointer"] != "/0/text/type" {
		t.Errorf("blocks.validate = %v", o)
	}
	if got := b.no("invalid_arguments", "blocks.validate", js{}); got != "must provide exactly one of `blocks`, `view`, or `message`" {
		t.Errorf("without anything: %q", got)
	}
	b.no("invalid_view", "blocks.validate", js{"view": `{"type": "modal"}`})
	b.no("invalid_message", "blocks.validate", js{"message": `{"blocks": [{"type": "x"}]}`})
}
