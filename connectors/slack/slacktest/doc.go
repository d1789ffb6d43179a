// Package slacktest is Slack in a process, for tests and for looking at the product by hand: a
// workspace with people and channels, the Web API, Socket Mode, request URLs, response URLs, files,
// modals and App Home. It is strict: what Slack refuses it refuses, with Slack's own codes, and what
// Slack delivers it delivers in the same shapes.
//
// It knows nothing of GroupMail, and no client library: it decodes and checks JSON by its own rules, so
// that a library's mistake cannot hide. The sources are Slack's documentation (docs.slack.dev), the
// definitions of the methods in methods/ (arguments, scopes, rate tiers; the licence is beside them) and
// replies of Slack that were published.
//
// Start reading with [Start] and [Config], then [Person]: what people do and see. server.go is the way of
// a request through the Web API, workspace.go what there is, blocks.go the rules of Block Kit,
// deliver.go how the app is told, socket.go and http.go the two ways to tell it.
//
// Where it is stricter than Slack: arguments that a method does not know are refused (Slack ignores
// them) unless Config.LenientArguments. What it does not have: Enterprise Grid, Slack Connect, group
// direct messages, user tokens, workflows, canvases; of Block Kit the blocks alert, card, carousel,
// container, context_actions, data_table, plan, task_card and call, which it refuses as unsupported.
package slacktest
