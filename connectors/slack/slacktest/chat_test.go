package slacktest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPosting(t *testing.T) {
	b := setup(t)
	root := b.ok("chat.postMessage", js{"channel": b.help, "text": "root"})["ts"].(string)
	if o := b.ok("chat.postMessage", js{"channel": "#help-desk", "text": "by name"}); o["channel"] != b.help {
		t.Errorf("by name: %v", o)
	}
	if o := b.ok("chat.postMessage", js{"channel": b.ann.ID, "text": "hello"}); o["channel"] != b.ann.Direct() {
		t.Errorf("to a person: %v", o)
	}
	reply, err := b.ben.Post(b.help, root, "reply")
	if err != nil {
		t.Fatal(err)
	}
	if o := b.ok("chat.postMessage", js{"channel": b.help, "text": "second", "thread_ts": reply}); o["message"].(js)["thread_ts"] != root {
		t.Errorf("a reply to a reply: %v", o)
	}
	other := b.AddUser(User{Name: "otherbot", Bot: true})
	gone := b.AddUser(User{Name: "gone", Deleted: true})
	archived := b.AddChannel(Channel{Name: "old"}, b.ann.ID, b.BotUser)
	if err := b.ann.Archive(archived); err != nil {
		t.Fatal(err)
	}
	private := b.AddChannel(Channel{Name: "private", Private: true}, b.ann.ID)
	for _, c := range []struct {
		code string
		args js
	}{
		{"channel_not_found", js{"channel": "C0NOTHERE00", "text": "x"}},
		{"channel_not_found", js{"channel": private, "text": "x"}},
		{"not_in_channel", js{"channel": b.outside, "text": "x"}},
		{"is_archived", js{"channel": archived, "text": "x"}},
		{"cannot_dm_bot", js{"channel": other.ID, "text": "x"}},
		{"user_disabled", js{"channel": gone.ID, "text": "x"}},
		{"no_text", js{"channel": b.help}},
		{"no_text", js{"channel": b.help, "text": " \n"}},
		{"thread_not_found", js{"channel": b.help, "text": "x", "thread_ts": "1.000001"}},
		{"invalid_thread_ts", js{"channel": b.help, "text": "x", "thread_ts": "yesterday"}},
		{"markdown_text_conflict", js{"channel": b.help, "text": "x", "markdown_text": "y"}},
		{"too_many_attachments", js{"channel": b.help, "attachments": many(101, js{"text": "x"})}},
		{"missing_scope", js{"channel": b.help, "text": "x", "username": "Somebody"}},
		{"invalid_metadata_format", js{"channel": b.help, "text": "x", "metadata": js{"event_type": "a"}}},
		{"invalid_metadata_format", js{"channel": b.help, "text": "x", "metadata": js{"event_type": "a", "event_payload": "x"}}},
		{"invalid_metadata_format", js{"channel": b.help, "text": "x", "metadata": js{"event_type": "a", "event_payload": js{}, "more": 1}}},
		{"invalid_metadata_format", js{"channel": b.help, "text": "x", "metadata": "{"}},
		{"metadata_too_large", js{"channel": b.help, "text": "x", "metadata": js{"event_type": "a", "event_payload": js{"x": long(20_000)}}}},
	} {
		b.no(c.code, "chat.postMessage", c.args)
	}
	o := b.ok("chat.postMessage", js{"channel": b.help, "text": long(40_001)})
	if n := length(o["message"].(js)["text"].(string)); n != 40_000 || o["warning"] != "message_truncated" {
		t.Errorf("a long text came out with %d characters, warning %v", n, o["warning"])
	}
	off := setup(t, func(c *Config) {
		c.Manifest = []byte(strings.Replace(DefaultManifest, `"messages_tab_enabled": true`, `"messages_tab_enabled": false`, 1))
	})
	off.no("messages_tab_disabled", "chat.postMessage", js{"channel": off.ann.ID, "text": "x"})
}

func TestEphemeral(t *testing.T) {
	b := setup(t)
	ts := b.ok("chat.postEphemeral", js{"channel": b.help, "user": b.ann.ID, "text": "for your eyes", "blocks": arr(section("for your eyes"), actions(button("ok", "OK", "")))})["message_ts"].(string)
	if m, ok := b.ann.See(b.help, ts); !ok || !m.Ephemeral || m.Text != "for your eyes" {
		t.Errorf("Ann sees %+v", m)
	}
	if _, ok := b.ben.See(b.help, ts); ok {
		t.Error("Ben sees it")
	}
	if all := b.ok("conversations.history", js{"channel": b.help})["messages"].([]any); len(all) != 0 {
		t.Errorf("history has it: %v", all)
	}
	b.no("user_not_in_channel", "chat.postEphemeral", js{"channel": b.secret, "user": b.ben.ID, "text": "x"})
	b.no("not_in_channel", "chat.postEphemeral", js{"channel": b.outside, "user": b.ann.ID, "text": "x"})
	b.no("message_not_found", "chat.update", js{"channel": b.help, "ts": ts, "text": "x"})
	b.no("message_not_found", "chat.delete", js{"channel": b.help, "ts": ts})
	a := b.connect(nil)
	if err := b.ann.Press(b.help, ts, "ok"); err != nil {
		t.Fatal(err)
	}
	p := a.payload("interactive")
	if p["message"] != nil || p["container"].(js)["is_ephemeral"] != true {
		t.Errorf("the press on a whisper carries %v", p)
	}
}

func TestUpdating(t *testing.T) {
	b := setup(t)
	card := b.ok("chat.postMessage", js{"channel": b.help, "text": "card", "blocks": arr(section("one")), "metadata": js{"event_type": "card", "event_payload": js{"key": "k"}}})["ts"].(string)
	see := func() Message {
		t.Helper()
		m, ok := b.ann.See(b.help, card)
		if !ok {
			t.Fatal("the card is not seen")
		}
		return m
	}
	b.ok("chat.update", js{"channel": b.help, "ts": card, "text": "card", "blocks": arr(section("two"))})
	if m := see(); m.Text != "two" || m.Edited || m.Metadata == nil {
		t.Errorf("with blocks: %+v", m)
	}
	b.ok("chat.update", js{"channel": b.help, "ts": card, "text": "no blocks"})
	if m := see(); m.Text != "no blocks" || !m.Edited || len(m.Blocks) != 0 {
		t.Errorf("with text alone: %+v", m)
	}
	b.ok("chat.update", js{"channel": b.help, "ts": card, "text": "x", "metadata": js{}})
	if m := see(); m.Metadata != nil {
		t.Errorf("the metadata is still %v", m.Metadata)
	}
	// Without parse=none names and @here count; with it they do not.
	b.ok("chat.update", js{"channel": b.help, "ts": card, "text": "ask @ben, @here and #random"})
	if m := see(); !slices.Contains(m.Notified, b.ben.ID) || !slices.Contains(m.Notified, b.ann.ID) || !strings.Contains(m.Text, "@here") {
		t.Errorf("parse=client alerts %v", m.Notified)
	}
	b.ok("chat.update", js{"channel": b.help, "ts": card, "text": "ask @ben, @here and #random", "parse": "none"})
	if m := see(); len(m.Notified) != 0 || len(m.Markup) != 0 {
		t.Errorf("parse=none alerts %v, shows %v", m.Notified, m.Markup)
	}
	theirs, err := b.ben.Post(b.help, "", "mine")
	if err != nil {
		t.Fatal(err)
	}
	b.no("cant_update_message", "chat.update", js{"channel": b.help, "ts": theirs, "text": "x"})
	b.no("cant_delete_message", "chat.delete", js{"channel": b.help, "ts": theirs})
	b.no("message_not_found", "chat.update", js{"channel": b.help, "ts": "1.000001", "text": "x"})
	b.no("channel_not_found", "chat.update", js{"channel": "help-desk", "ts": card, "text": "x"})
	b.no("msg_too_long", "chat.update", js{"channel": b.help, "ts": card, "text": long(4001)})
	b.no("no_text", "chat.update", js{"channel": b.help, "ts": card, "text": ""})
	b.no("invalid_blocks", "chat.update", js{"channel": b.help, "ts": card, "text": "x", "blocks": arr(section(""))})
	if err := b.ann.Archive(b.help); err != nil {
		t.Fatal(err)
	}
	b.no("is_inactive", "chat.update", js{"channel": b.help, "ts": card, "text": "x"})
	if err := b.ann.Unarchive(b.help); err != nil {
		t.Fatal(err)
	}
	b.ok("chat.delete", js{"channel": b.help, "ts": card})
	b.no("message_not_found", "chat.update", js{"channel": b.help, "ts": card, "text": "x"})
	b.no("message_not_found", "chat.delete", js{"channel": b.help, "ts": card})
}

func TestTombstone(t *testing.T) {
	b := setup(t)
	a := b.connect(nil)
	root := b.ok("chat.postMessage", js{"channel": b.help, "text": "root"})["ts"].(string)
	if _, err := b.ben.Post(b.help, root, "reply"); err != nil {
		t.Fatal(err)
	}
	if err := b.ann.Delete(b.help, root); err != nil {
		t.Fatal(err)
	}
	for {
		e, _ := a.event("message")
		if e["subtype"] == "message_changed" {
			if m := e["message"].(js); m["subtype"] != "tombstone" || m["text"] != "This message was deleted." || m["hidden"] != true {
				t.Errorf("the tombstone is %v", m)
			}
			break
		}
	}
	b.no("message_not_found", "chat.update", js{"channel": b.help, "ts": root, "text": "x"})
	if all := b.ok("conversations.replies", js{"channel": b.help, "ts": root})["messages"].([]any); len(all) != 2 || all[0].(js)["subtype"] != "tombstone" {
		t.Errorf("the thread is %v", all)
	}
}

// What alerts people and what is unfolded.
func TestAlerts(t *testing.T) {
	b := setup(t)
	members := []string{b.ann.ID, b.ben.ID, b.gus.ID}
	slices.Sort(members)
	for _, c := range []struct {
		what   string
		args   js
		want   []string
		unfurl []string
	}{
		{"nothing", js{"text": "hello", "unfurl_media": false}, nil, nil},
		{"a mention", js{"text": "<@" + b.ben.ID + ">", "unfurl_media": false}, []string{b.ben.ID}, nil},
		{"an escaped mention", js{"text": "&lt;@" + b.ben.ID + "&gt;"}, nil, nil},
		{"a name", js{"text": "@ben"}, nil, nil},
		{"a name, parsed", js{"text": "@ben", "parse": "full"}, []string{b.ben.ID}, nil},
		{"a name, linked", js{"text": "@ben", "link_names": true}, []string{b.ben.ID}, nil},
		{"everybody", js{"text": "<!channel>"}, members, nil},
		{"everybody, bare", js{"text": "@channel"}, nil, nil},
		{"everybody, bare in mrkdwn", js{"text": "x", "blocks": arr(js{"type": "section", "text": mrk("@channel look")})}, members, nil},
		{"everybody, bare and verbatim", js{"text": "x", "blocks": arr(js{"type": "section", "text": js{"type": "mrkdwn", "text": "@channel look", "verbatim": true}})}, nil, nil},
		{"in a field", js{"text": "x", "blocks": arr(js{"type": "section", "fields": arr(mrk("<!here>"))})}, members, nil},
		{"in plain text", js{"text": "x", "blocks": arr(section("<!channel> <@" + b.ben.ID + "> @here"))}, nil, nil},
		{"in rich text", js{"text": "x", "blocks": arr(rich(js{"type": "user", "user_id": b.ben.ID}))}, []string{b.ben.ID}, nil},
		{"as text in rich text", js{"text": "x", "blocks": arr(rich(js{"type": "text", "text": "<!channel>"}))}, nil, nil},
		{"in the fallback", js{"text": "<!here>", "blocks": arr(section("x"))}, members, nil},
		{"in an attachment", js{"text": "x", "attachments": arr(js{"text": "<@" + b.ben.ID + ">"})}, []string{b.ben.ID}, nil},
		{"in markdown", js{"text": "x", "blocks": arr(js{"type": "markdown", "text": "<@" + b.ben.ID + ">"})}, []string{b.ben.ID}, nil},
		{"a link", js{"text": "<https://example.org/x>"}, nil, []string{"https://example.org/x"}},
		{"a bare link", js{"text": "see https://example.org/x."}, nil, []string{"https://example.org/x"}},
		{"a bare link, not parsed", js{"text": "see https://example.org/x.", "parse": "none"}, nil, nil},
		{"a link, off", js{"text": "<https://example.org/x>", "unfurl_links": false, "unfurl_media": false}, nil, nil},
		{"a link, half off", js{"text": "<https://example.org/x>", "unfurl_links": false}, nil, []string{"https://example.org/x"}},
	} {
		c.args["channel"] = b.help
		m, _ := b.ann.See(b.help, b.ok("chat.postMessage", c.args)["ts"].(string))
		if !slices.Equal(m.Notified, c.want) || !slices.Equal(m.Unfurls, c.unfurl) {
			t.Errorf("%s: alerts %v, want %v; unfolds %v, want %v", c.what, m.Notified, c.want, m.Unfurls, c.unfurl)
		}
	}
}

// By default addresses become links and *bold* is bold; parse=none leaves addresses, parse=full formatting.
func TestParse(t *testing.T) {
	b := setup(t)
	for _, c := range []struct {
		parse, text, shown string
		markup             []string
	}{
		{"", "*b* http://x.example/a?b&amp;c.", "b http://x.example/a?b&c.", []string{"bold: b", "link: http://x.example/a?b&c"}},
		{"", "<http://x.example> `y` <@U0|z", "http://x.example y <@U0|z", []string{"link: http://x.example", "code: y"}},
		{"none", "*b* http://x.example", "b http://x.example", []string{"bold: b"}},
		{"full", "*b* http://x.example", "*b* http://x.example", []string{"link: http://x.example"}},
	} {
		args := js{"channel": b.help, "text": c.text}
		if c.parse != "" {
			args["parse"] = c.parse
		}
		m, _ := b.ann.See(b.help, b.ok("chat.postMessage", args)["ts"].(string))
		if m.Text != c.shown || !slices.Equal(m.Markup, c.markup) {
			t.Errorf("%q with parse=%s shows %q with %q, want %q with %q", c.text, c.parse, m.Text, m.Markup, c.shown, c.markup)
		}
	}
}

// What people see of mrkdwn.
func TestShown(t *testing.T) {
	b := setup(t)
	b.Clock.Stop() // midnight is no time for this
	day := func(n int, format string) string {
		return fmt.Sprintf("<!date^%d^{%s}|then>", b.Clock.Now().AddDate(0, 0, n).Unix(), format)
	}
	for _, c := range []struct {
		block  js
		text   string
		markup []string
	}{
		{js{"type": "section", "text": mrk("*bold* _it_ ~no~ `code`")}, "bold it no code", []string{"bold: bold", "italic: it", "strike: no", "code: code"}},
		{js{"type": "section", "text": mrk("a*b*c 2*3*4 * x * _ snake_case_name **b**")}, "a*b*c 2*3*4 * x * _ snake_case_name **b**", nil},
		{js{"type": "section", "text": mrk("&lt;b&gt; &amp;amp; &lt;!channel&gt;")}, "<b> &amp; <!channel>", nil},
		{js{"type": "section", "text": mrk("<https://evil.example|your bank>")}, "your bank", []string{"link: your bank (https://evil.example)"}},
		{js{"type": "section", "text": mrk("see https://example.org.")}, "see https://example.org.", []string{"link: https://example.org"}},
		{js{"type": "section", "text": js{"type": "mrkdwn", "text": "see https://example.org", "verbatim": true}}, "see https://example.org", nil},
		{js{"type": "section", "text": mrk("&gt; quoted\nnot")}, "quoted\nnot", []string{"quote: quoted"}},
		{js{"type": "section", "text": mrk("```a *b*```")}, "a *b*", []string{"pre: a *b*"}},
		{js{"type": "section", "text": mrk(":tada: :nosuch: 10:30:00")}, ":tada: :nosuch: 10:30:00", []string{"emoji: :tada:"}},
		{js{"type": "section", "text": text("*x* <https://a.b|c> :tada:")}, "*x* <https://a.b|c> :tada:", []string{"emoji: :tada:"}},
		{js{"type": "section", "text": js{"type": "plain_text", "text": "a &amp; b :tada:", "emoji": false}}, "a & b :tada:", nil},
		{js{"type": "section", "text": mrk("<@" + b.ann.ID + "> in <#" + b.help + ">")}, "@Ann in #help-desk", []string{"mention: @Ann", "channel: #help-desk"}},
		{js{"type": "section", "text": mrk("<!date^1392734382^{date_num} {time}|then>")}, "2014-02-18 14:39", []string{"date: 2014-02-18 14:39"}},
		{js{"type": "section", "text": mrk(day(0, "date_short_pretty") + " " + day(-1, "date_pretty") + " " + day(1, "date_long_pretty"))}, "today yesterday tomorrow", []string{"date: today", "date: yesterday", "date: tomorrow"}},
		{js{"type": "section", "text": mrk("<!date^1392734382^{date_short_pretty}|then>")}, "Feb 18, 2014", []string{"date: Feb 18, 2014"}},
		{rich(js{"type": "text", "text": "*a* <!channel> :tada:"}, js{"type": "text", "text": "b", "style": js{"bold": true}}), "*a* <!channel> :tada:b", []string{"bold: b"}},
		{js{"type": "markdown", "text": "**b** [x](https://a.b) \\*c\\* `d`"}, "b x *c* d", []string{"bold: b", "link: x (https://a.b)", "code: d"}},
	} {
		m, _ := b.ann.See(b.help, b.ok("chat.postMessage", js{"channel": b.help, "text": "x", "blocks": arr(c.block)})["ts"].(string))
		if m.Text != c.text || !slices.Equal(m.Markup, c.markup) {
			t.Errorf("%s\nshows %q, want %q\nmarkup %q, want %q", marshal(c.block), m.Text, c.text, m.Markup, c.markup)
		}
	}
}

func TestTyped(t *testing.T) {
	b := setup(t)
	for _, c := range []struct{ typed, want string }{
		{"a & b < c", "a &amp; b &lt; c"},
		{"@groupmail Dear Maria", "<@" + b.BotUser + "> Dear Maria"},
		{"@GROUPMAIL shouted", "<@" + b.BotUser + "> shouted"},
		{"@groupmails are many", "@groupmails are many"},
		{"ask @groupmail.", "ask <@" + b.BotUser + ">."},
		{"me@ben.example is mine", "<mailto:me@ben.example|me@ben.example> is mine"},
		{"@here #random #board #nosuch", "<!here> <#" + b.outside + "|random> <#" + b.secret + "|> #nosuch"},
		{"https://example.org/a_b_c?x=1&y=2 <b> & \"q\" ü", "<https://example.org/a_b_c?x=1&amp;y=2> &lt;b&gt; &amp; \"q\" ü"},
		{"two\n\nlines", "two\n\nlines"},
	} {
		got, blocks := b.world.typed(c.typed)
		if got != c.want {
			t.Errorf("%q becomes %q, want %q", c.typed, got, c.want)
		}
		check := &checker{}
		decoded, _ := decode(marshal(blocks))
		check.blocks("", decoded, 1, 1)
		if len(check.faults) != 0 {
			t.Errorf("%q becomes wrong blocks: %v", c.typed, check.messages())
		}
	}
}

func TestHistory(t *testing.T) {
	b := setup(t)
	var roots []string
	for i := range 5 {
		roots = append(roots, b.ok("chat.postMessage", js{"channel": b.help, "text": fmt.Sprint(i), "metadata": js{"event_type": "e", "event_payload": js{"n": i}}})["ts"].(string))
	}
	for i := range 5 {
		if _, err := b.ben.Post(b.help, roots[0], fmt.Sprint("reply ", i)); err != nil {
			t.Fatal(err)
		}
	}
	pages := func(name string, args js) (texts []string) {
		for {
			o := b.ok(name, args)
			for _, m := range o["messages"].([]any) {
				texts = append(texts, m.(js)["text"].(string))
			}
			meta, _ := o["response_metadata"].(js)
			next, _ := meta["next_cursor"].(string)
			if (next != "") != (o["has_more"] == true) {
				t.Errorf("has_more is %v with cursor %q", o["has_more"], next)
			}
			if next == "" {
				return texts
			}
			args["cursor"] = next
		}
	}
	for _, c := range []struct {
		name string
		args js
		want string
	}{
		{"conversations.history", js{"limit": 2}, "4 3 2 1 0"},
		{"conversations.history", js{"oldest": roots[1], "latest": roots[3]}, "2"},
		{"conversations.history", js{"oldest": roots[1], "latest": roots[3], "inclusive": true}, "3 2 1"},
		{"conversations.replies", js{"ts": roots[0]}, "0 reply 0 reply 1 reply 2 reply 3 reply 4"},
		{"conversations.replies", js{"ts": roots[0], "limit": 3}, "0 reply 0 reply 1 reply 2 0 reply 3 reply 4"}, // the root on every page
		{"conversations.replies", js{"ts": roots[1]}, "1"},
	} {
		c.args["channel"] = b.help
		if got := strings.Join(pages(c.name, c.args), " "); got != c.want {
			t.Errorf("%s(%v) = %s, want %s", c.name, c.args, got, c.want)
		}
	}
	first := func(args js) js {
		args["channel"], args["inclusive"], args["oldest"], args["latest"] = b.help, true, roots[0], roots[0]
		return b.ok("conversations.history", args)["messages"].([]any)[0].(js)
	}
	if m := first(js{}); m["metadata"] != nil || m["reply_count"] != 5.0 || len(m["reply_users"].([]any)) != 1 {
		t.Errorf("without metadata: %v", m)
	}
	if m := first(js{"include_all_metadata": true}); m["metadata"].(js)["event_payload"].(js)["n"] != 0.0 {
		t.Errorf("with metadata: %v", m)
	}
	b.no("not_in_channel", "conversations.history", js{"channel": b.outside})
	b.no("channel_not_found", "conversations.history", js{"channel": "C0NOTHERE00"})
	b.no("invalid_cursor", "conversations.history", js{"channel": b.help, "cursor": "abc"})
	b.no("invalid_ts_oldest", "conversations.history", js{"channel": b.help, "oldest": "then"})
	b.no("invalid_ts_latest", "conversations.history", js{"channel": b.help, "latest": "then"})
	b.no("thread_not_found", "conversations.replies", js{"channel": b.help, "ts": "1.000001"})
}

func TestConversations(t *testing.T) {
	b := setup(t)
	if c := b.ok("conversations.info", js{"channel": b.secret, "include_num_members": true})["channel"].(js); c["is_private"] != true || c["num_members"] != 2.0 || c["is_member"] != true {
		t.Errorf("info: %v", c)
	}
	if m := b.ok("conversations.members", js{"channel": b.help, "limit": 3}); len(m["members"].([]any)) != 3 || m["response_metadata"].(js)["next_cursor"] == "" {
		t.Errorf("members: %v", m)
	}
	b.ok("conversations.info", js{"channel": b.outside})
	b.no("invalid_types", "conversations.list", js{"types": "public"})
	b.no("missing_scope", "conversations.list", js{"types": "mpim"})
	if l := b.ok("conversations.list", js{"types": "public_channel,private_channel"})["channels"].([]any); len(l) != 3 {
		t.Errorf("list: %v", l)
	}
	b.no("users_list_not_supplied", "conversations.open", js{})
	b.no("user_not_found", "conversations.open", js{"users": "U0NOTHERE00"})
	b.no("cannot_dm_bot", "conversations.open", js{"users": b.BotUser})
	one := b.ok("conversations.open", js{"users": b.ann.ID})["channel"].(js)["id"]
	if again := b.ok("conversations.open", js{"users": b.ann.ID, "return_im": true})["channel"].(js); again["id"] != one || again["user"] != b.ann.ID {
		t.Errorf("open: %v, %v", one, again)
	}
	if o := b.post("conversations.join", js{"channel": b.outside}); o["needed"] != "channels:join" {
		t.Errorf("join: %v", o)
	}
	u := b.ok("users.info", js{"user": b.gus.ID})["user"].(js)
	if u["is_restricted"] != true || u["is_ultra_restricted"] != true || u["is_bot"] != false {
		t.Errorf("the guest is %v", u)
	}
	b.no("user_not_found", "users.info", js{"user": "U0NOTHERE00"})
	b.no("users_not_found", "users.lookupByEmail", js{"email": "nobody@example.org"})
	if u := b.ok("users.lookupByEmail", js{"email": "ANN@example.org"})["user"].(js); u["id"] != b.ann.ID {
		t.Errorf("by address: %v", u)
	}
	if l := b.ok("users.list", js{"limit": 2}); len(l["members"].([]any)) != 2 || l["response_metadata"].(js)["next_cursor"] == "" {
		t.Errorf("users: %v", l)
	}
	b.no("bot_not_found", "bots.info", js{"bot": "B0NOTHERE00"})
	if o := b.ok("bots.info", js{"bot": b.BotID})["bot"].(js); o["user_id"] != b.BotUser {
		t.Errorf("the bot is %v", o)
	}
	if o := b.ok("team.info", js{})["team"].(js); o["id"] != b.TeamID {
		t.Errorf("the team is %v", o)
	}
}

func TestPinsAndReactions(t *testing.T) {
	b := setup(t)
	ts := b.ok("chat.postMessage", js{"channel": b.help, "text": "x"})["ts"].(string)
	at := js{"channel": b.help, "timestamp": ts}
	b.ok("pins.add", at)
	b.no("already_pinned", "pins.add", at)
	b.no("no_item_specified", "pins.add", js{"channel": b.help})
	b.no("message_not_found", "pins.add", js{"channel": b.help, "timestamp": "1.000001"})
	b.no("bad_timestamp", "pins.add", js{"channel": b.help, "timestamp": "then"})
	b.no("not_in_channel", "pins.add", js{"channel": b.outside, "timestamp": ts})
	if m, _ := b.ann.See(b.help, ts); !m.Pinned || len(b.ann.Pins(b.help)) != 1 {
		t.Errorf("it is not pinned: %+v", m)
	}
	if l := b.ok("pins.list", js{"channel": b.help})["items"].([]any); len(l) != 1 {
		t.Errorf("pins: %v", l)
	}
	b.ok("pins.remove", at)
	b.no("no_pin", "pins.remove", at)
	for i := range maxPins {
		b.ok("pins.add", js{"channel": b.help, "timestamp": b.ok("chat.postMessage", js{"channel": b.help, "text": fmt.Sprint(i)})["ts"]})
	}
	b.no("too_many_pins", "pins.add", at)

	react := js{"channel": b.help, "timestamp": ts, "name": "eyes"}
	b.ok("reactions.add", react)
	b.no("already_reacted", "reactions.add", react)
	b.no("invalid_name", "reactions.add", with1(react, "name", "no such"))
	if m, _ := b.ann.See(b.help, ts); !reflect.DeepEqual(m.Reactions, map[string][]string{"eyes": {b.BotUser}}) {
		t.Errorf("reactions: %v", m.Reactions)
	}
	b.ok("reactions.remove", react)
	b.no("no_reaction", "reactions.remove", react)
}

func TestLimits(t *testing.T) {
	clock := NewClock()
	clock.Stop()
	b := setup(t, func(c *Config) { c.NoLimits, c.Clock = false, clock })
	post := func() js { return b.post("chat.postMessage", js{"channel": b.help, "text": "x"}) }
	n := 0
	for ; n < 20; n++ {
		if o := post(); o["ok"] != true {
			if o["error"] != "ratelimited" || o["status"] != 429 || o["retry"] != "1" {
				t.Errorf("the limit is %v", o)
			}
			break
		}
	}
	if n == 0 || n == 20 {
		t.Fatalf("%d posts in a second", n)
	}
	if o := b.post("chat.postMessage", js{"channel": b.secret, "text": "x"}); o["ok"] != true {
		t.Errorf("another channel: %v", o)
	}
	clock.Advance(time.Second)
	if o := post(); o["ok"] != true {
		t.Errorf("a second later: %v", o)
	}
	updates := 0
	ts := b.ann.Messages(b.help)[0].ID
	for b.post("chat.update", js{"channel": b.help, "ts": ts, "text": "y"})["ok"] == true {
		updates++
	}
	if updates != 50 {
		t.Errorf("%d updates at once, tier 3 is 50 a minute", updates)
	}
	clock.Advance(time.Minute)
	b.ok("chat.update", js{"channel": b.help, "ts": ts, "text": "y"})

	b.Storm(2, 7*time.Second)
	for range 2 {
		if o := b.post("auth.test", js{}); o["status"] != 429 || o["retry"] != "7" {
			t.Errorf("in the storm: %v", o)
		}
	}
	b.ok("auth.test", js{})
	b.Fail("auth.test", 1, Fault{Status: 503})
	if o := b.post("auth.test", js{}); o["status"] != 503 {
		t.Errorf("unavailable: %v", o)
	}
	b.Fail("auth.test", 1, Fault{Code: "fatal_error"})
	b.no("fatal_error", "auth.test", js{})
	before := len(b.ann.Messages(b.secret))
	b.Fail("chat.postMessage", 1, Fault{Lost: true})
	func() {
		r, err := newRequest(t, b.API+"chat.postMessage", string(marshal(js{"channel": b.secret, "text": "lost"})), b.BotToken)
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := client.Do(r); err == nil {
			_ = answer.Body.Close()
			t.Errorf("the lost answer arrived: %v", answer.Status)
		}
	}()
	if len(b.ann.Messages(b.secret)) != before+1 {
		t.Error("the call whose answer was lost was not carried out")
	}
	calls := b.Calls("chat.postMessage")
	if last := calls[len(calls)-1]; last.Status != 0 || last.Args["text"] != "lost" {
		t.Errorf("the log says %+v", last)
	}
	b.Fail("chat.postMessage", 1, Fault{Cut: true})
	if r, err := newRequest(t, b.API+"chat.postMessage", "{}", b.BotToken); err != nil {
		t.Fatal(err)
	} else if answer, err := client.Do(r); err == nil {
		_ = answer.Body.Close()
		t.Error("the connection was not cut")
	}
}

func TestManifest(t *testing.T) {
	b := setup(t)
	validate := func(manifest string) js {
		return b.raw("apps.manifest.validate", "application/json", string(marshal(js{"manifest": manifest})), b.ConfigToken)
	}
	if o := validate(DefaultManifest); o["ok"] != true {
		t.Errorf("the default: %v", o)
	}
	for _, c := range []struct{ old, new, pointer string }{
		{`"name": "GroupMail"`, `"name": ""`, "/display_information"},
		{`"channels:history", `, "", "/oauth_config/scopes/bot"},
		{`"socket_mode_enabled": true`, `"socket_mode_enabled": false`, "/settings/interactivity"},
		{`"app_mention", `, `"app_mentioned", `, "/settings/event_subscriptions/bot_events/1"},
	} {
		o := validate(strings.Replace(DefaultManifest, c.old, c.new, 1))
		if !strings.Contains(string(marshal(o["errors"])), `"pointer":"`+c.pointer) || o["error"] != "invalid_manifest" {
			t.Errorf("%s: %v", c.new, o)
		}
	}
}
