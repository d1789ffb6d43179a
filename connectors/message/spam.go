package message

import (
	"regexp"
	"strconv"
	"strings"
)

// spam reads what receiving servers wrote. A sender can write such a field, too, but would only
// harm itself; and a "No" proves nothing, so it never outweighs another's "Yes".
func spam(h *header) bool {
	for name, form := range spamWords {
		if v := h.raw(name); v != "" && form.MatchString(v) {
			return true
		}
	}
	// SpamAssassin keeps the subject that it has marked.
	if h.has("x-spam-prev-subject") {
		return true
	}
	level := h.lower("x-ms-exchange-organization-scl") // spam confidence level, -1 to 9
	if m := confidence.FindStringSubmatch(h.raw("x-forefront-antispam-report")); level == "" && m != nil {
		level = m[1]
	}
	n, err := strconv.Atoi(strings.TrimSpace(level))
	return err == nil && n >= 5
}

var confidence = regexp.MustCompile(`(?i)\bSCL:\s*(-?\d+)`)

// spamWords says what a field holds if the server that wrote it took the mail for spam.
var spamWords = func() map[string]phrases {
	yes := anyOf(`(?i)^\W*(?:yes|true|spam|junk)\b`)
	m := map[string]phrases{
		// Rspamd: "default: True [15.2 / 15.0]", or its action
		"x-spamd-result":  anyOf(`(?i)^[^:]*:\s*true\b`),
		"x-rspamd-action": anyOf(`(?i)^\W*(?:add[ _-]header|rewrite[ _-]subject|reject|quarantine)\b`),
		"x-spam-action":   anyOf(`(?i)^\W*(?:add[ _-]header|rewrite[ _-]subject|reject|quarantine)\b`),
		// Microsoft: filtered as spam, by a rule, by a list of the tenant; phishing; put into Junk
		"x-forefront-antispam-report":           anyOf(`(?i)\bSFV:(?:SPM|SKS|SKB)\b|\bCAT:(?:H?SPM|H?PHSH|MALW)\b`),
		"x-microsoft-antispam-mailbox-delivery": anyOf(`(?i)\bdest:J\b`),
		"x-ses-spam-verdict":                    anyOf(`(?i)^\W*fail\b`),
		"x-gmail-labels":                        anyOf(`(?i)(?:^|,)\s*"?spam"?\s*(?:,|$)`),
		"x-yahoofilteredbulk":                   anyOf(`\d`), // the address that it came from
		"x-proofpoint-spam-details":             anyOf(`(?i)\brule=(?:[a-z_]+_)?spam\b`),
		"x-yandex-spam":                         anyOf(`^\s*4\b`),
		"x-klms-antispam-status":                anyOf(`(?i)^\W*spam\b`),
		"x-mailscanner-spamcheck":               yes,
	}
	for _, name := range strings.Fields(`x-spam-flag x-spam-status x-spam x-barracuda-spam-flag x-barracuda-spam-status
		x-rspamd-spam x-suspected-spam x-dspam-result x-bogosity x-crm114-status x-tm-as-result x-spam-verdict
		x-vr-spamstate x-ovh-spamstate x-spamexperts-class`) {
		m[name] = yes
	}
	return m
}()
