package main

import "slices"

// table is what one sub-command measures.
type table struct {
	name, about string
	folder      string // of the Go package
	runs        []bench
	figures     []figure
}

// bench is a benchmark, "Parse" for BenchmarkParse, and its -benchtime.
type bench struct{ bench, time string }

// measure names what a benchmark prints: "Take bare/s", or "Mail/4 bare/s" of a part.
type measure struct{ bench, unit string }

// figure is one row: ours beside its floor. Without a floor ours itself has the goal.
type figure struct {
	name        string
	ours, floor measure
	speed       bool // more is better: of two times the floor is divided by ours
	goal        float64
}

var tables = []table{{
	name: "message", about: "reading mail beside bare go-message, and the memory of a mail of 100 MB",
	folder: "connectors/message",
	runs:   []bench{{"Parse", "1000x"}, {"GoMessage", "1000x"}, {"Peak", "2x"}},
	figures: []figure{
		{name: "parse, sanitise, cut, classify / bare go-message", ours: measure{"Parse", "ns/op"}, floor: measure{"GoMessage", "ns/op"}, speed: true, goal: 0.40},
		{name: "peak of 100 MB, in MB", ours: measure{"Peak", "peak-MB"}, goal: 32},
	},
}, {
	name: "growth", about: "how much more a byte costs in a mail made to be slow than in one of a quarter of its length",
	folder: "connectors/message",
	runs:   []bench{{"Growth", "1x"}},
	figures: []figure{
		{name: "header fields", ours: measure{"Growth/header", "growth"}, goal: 3},
		{name: "address lists", ours: measure{"Growth/addresses", "growth"}, goal: 3},
		{name: "HTML, sanitised and as text", ours: measure{"Growth/html", "growth"}, goal: 3},
		{name: "quotes in plain text", ours: measure{"Growth/quotes", "growth"}, goal: 3},
		{name: "charsets and encodings", ours: measure{"Growth/charset", "growth"}, goal: 3},
		{name: "parts, nested and in a row", ours: measure{"Growth/parts", "growth"}, goal: 3},
		{name: "reports and invitations", ours: measure{"Growth/reports", "growth"}, goal: 3},
	},
}, {
	name: "store", about: "Take beside the bare UPDATE, a mail with its conversation beside the bare transaction (Postgres)",
	folder: "store",
	runs:   []bench{{"DeskTake", "1x"}, {"Take", "1x"}, {"Mail", "1x"}},
	figures: []figure{
		{name: "Take, whole, 16 at once", ours: measure{"DeskTake", "ours/s"}, floor: measure{"DeskTake", "bare/s"}, speed: true, goal: 0.3},
		{name: "a locked change, 16 at once", ours: measure{"Take", "ours/s"}, floor: measure{"Take", "bare/s"}, speed: true, goal: 0.3},
		{name: "mail and conversation, 1 connection", ours: measure{"Mail/1", "ours/s"}, floor: measure{"Mail/1", "bare/s"}, speed: true, goal: 0.5},
		{name: "mail and conversation, 4 connections", ours: measure{"Mail/4", "ours/s"}, floor: measure{"Mail/4", "bare/s"}, speed: true, goal: 0.5},
	},
}, {
	name: "search", about: "searches, and a contact with 10,000 mails, beside the better bare query, with up to a million mails (Postgres)",
	folder: "store",
	runs:   []bench{{"Search", "1x"}},
	figures: []figure{
		{name: "two seldom words among 1,000,000 mails", ours: measure{"Search", "seldom-ms/1000000"}, floor: measure{"Search", "seldom-bare-ms/1000000"}, goal: 3},
		{name: "two words among 1,000,000 mails", ours: measure{"Search", "two-ms/1000000"}, floor: measure{"Search", "two-bare-ms/1000000"}, goal: 3},
		{name: "a rare word among 1,000,000", ours: measure{"Search", "rare-ms/1000000"}, floor: measure{"Search", "rare-bare-ms/1000000"}, goal: 3},
		{name: "a common word among 1,000,000", ours: measure{"Search", "common-ms/1000000"}, floor: measure{"Search", "common-bare-ms/1000000"}, goal: 3},
		{name: "two words among 100,000 / 10,000", ours: measure{"Search", "two-ms/100000"}, floor: measure{"Search", "two-ms/10000"}, goal: 10},
		{name: "two words among 1,000,000 / 10,000", ours: measure{"Search", "two-ms/1000000"}, floor: measure{"Search", "two-ms/10000"}, goal: 10},
		{name: "a contact with 10,000 mails among 1,000,000", ours: measure{"Search", "page-ms/1000000"}, floor: measure{"Search", "page-bare-ms/1000000"}, goal: 5},
	},
}, {
	name: "press", about: "from a press until another sees it, beside a server that only answers (Mattermost)",
	folder: "connectors/mattermost",
	runs:   []bench{{"Press", "100x"}},
	figures: []figure{
		{name: "press to all see, median", ours: measure{"Press", "p50-ms"}, floor: measure{"Press", "bare-p50-ms"}, goal: 1.5},
		{name: "press to all see, 99 of 100", ours: measure{"Press", "p99-ms"}, floor: measure{"Press", "bare-p99-ms"}, goal: 2},
	},
}, {
	name: "limits", about: "how much of what Slack allows is used while more is owed, of one method and of two at once",
	folder: "connectors/slack",
	runs:   []bench{{"Limited", "1x"}},
	figures: []figure{
		{name: "share used, one method", ours: measure{"Limited/one", "share"}, speed: true, goal: 0.95},
		{name: "share used, changes among new ones", ours: measure{"Limited/mixed", "share-update"}, speed: true, goal: 0.95},
		{name: "share used, new ones among changes", ours: measure{"Limited/mixed", "share-post"}, speed: true, goal: 0.95},
		{name: "calls before Retry-After was over, one", ours: measure{"Limited/one", "early"}, goal: 0},
		{name: "calls before Retry-After was over, mixed", ours: measure{"Limited/mixed", "early"}, goal: 0},
		{name: "mails stored a second, limited / not", ours: measure{"Limited/mixed", "mails/s"}, floor: measure{"Limited/mixed", "quiet-mails/s"}, speed: true, goal: 0.5},
	},
}, {
	name: "start", about: "from start until ready, in ms, warm (Postgres, SQLite)",
	folder: "deploy/groupmail",
	runs:   []bench{{"Start", "10x"}},
	figures: []figure{
		{name: "start to ready on SQLite, in ms", ours: measure{"Start", "ms/sqlite"}, goal: 200},
		{name: "start to ready on Postgres, in ms", ours: measure{"Start", "ms/postgres"}, goal: 200},
	},
}, {
	name: "flood", about: "10,000 mails at once beside 1,000: what a mail costs, memory, posts (Postgres, SQLite)",
	folder:  "bot",
	runs:    []bench{{"Flood", "1x"}},
	figures: slices.Concat(flood("sqlite", "SQLite"), flood("postgres", "Postgres")),
}}

// flood is what is measured on one database.
func flood(database, called string) []figure {
	of := func(unit string) measure { return measure{"Flood/" + database, unit} }
	return []figure{
		{name: "mails a second, 10,000 / 1,000, " + called, ours: of("mails10000/s"), floor: of("mails1000/s"), speed: true, goal: 1 / 1.1},
		{name: "peak heap in use, in MB, " + called, ours: of("heap-MB"), goal: 80},
		{name: "peak resident, with the test's own, in MB, " + called, ours: of("rss-MB"), goal: 80},
		{name: "posts, 20 of them cards, " + called, ours: of("posts"), goal: 22},
	}
}
