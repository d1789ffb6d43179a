package message

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"groupmail/ticketing"
)

// Auth is what trusted hosts found: each "pass", "fail", "none" or "unknown".
type Auth struct{ SPF, DKIM, DMARC string }

// findings are what trusted hosts found, by method; "dkim of" are the domains that signed well, blanks
// between them, "spf of" is the one whose envelope was right.
type findings map[string]string

// authentication reads what trusted hosts found (RFC 8601).
//
// Anybody can write such a field. So only one counts whose authserv-id is trusted, and of these the
// topmost, since a host puts its own above what came with the mail (§5, §7.1). Fields of trusted
// hosts that stand with it, up to the next Received, add methods that it does not mention, as when
// one program checks SPF and another DKIM; they never overrule it. What stands below may be the
// sender's own. ARC-Authentication-Results never count: they pass through every server (RFC 8617
// §5.1), and nothing here checks their seals.
//
// Exchange Online states no authserv-id. Its field counts if it is the topmost of all, if the
// Received just below it is by a host of Microsoft's, and if a domain of that host's name, such as
// protection.outlook.com, is trusted.
func authentication(h *header, trusted []string) findings {
	found := findings{}
	above := 0 // such fields above this one
	for i, f := range h.fields {
		if f.name == "received" && len(found) > 0 {
			break
		}
		if f.name != "authentication-results" {
			continue
		}
		id, results := parseAuthResults(string(f.value))
		if named(trusted, id) || id == "" && above == 0 && microsoft(trusted, receivedBy(h.fields[i+1:])) {
			for method, value := range results {
				if found[method] == "" {
					found[method] = value
				}
			}
		}
		above++
	}
	if found["spf"] == "" {
		found["spf"] = receivedSPF(h, trusted)
	}
	return found
}

func (f findings) auth() Auth {
	known := func(method string) string { return cmp.Or(f[method], "unknown") }
	return Auth{known("spf"), known("dkim"), known("dmarc")}
}

// proof is whether a mail comes from whom its From says. DMARC decides (RFC 7489 §3.1). Where its
// domain states no policy, a signature or an envelope of the same organisation's proves as much; and a
// mail whose envelope is refused and that nobody signed well does not come from there.
func (f findings) proof(from string) ticketing.Proof {
	switch f["dmarc"] {
	case "pass":
		return ticketing.Proved
	case "fail":
		return ticketing.Forged
	}
	_, domain, _ := strings.Cut(from, "@")
	for d := range strings.FieldsSeq(f["dkim of"] + " " + f["spf of"]) {
		if aligned(d, domain) {
			return ticketing.Proved
		}
	}
	if f["spf"] == "fail" && f["dkim"] != "pass" {
		return ticketing.Forged
	}
	return ticketing.Unproved
}

// aligned tells whether two domains are one organisation's (RFC 7489 §3.1.1, relaxed).
func aligned(a, b string) bool {
	a, b = strings.ToLower(strings.TrimSuffix(a, ".")), strings.ToLower(strings.TrimSuffix(b, "."))
	if a == b {
		return a != ""
	}
	one, err := publicsuffix.EffectiveTLDPlusOne(a)
	other, err2 := publicsuffix.EffectiveTLDPlusOne(b)
	return err == nil && err2 == nil && one == other
}

// named tells whether host is one of the list, whatever its case.
func named(list []string, host string) bool {
	host = strings.TrimSuffix(host, ".")
	return host != "" && slices.ContainsFunc(list, func(t string) bool { return strings.EqualFold(strings.TrimSuffix(t, "."), host) })
}

// microsoft tells hosts of Exchange Online below a domain of the list.
func microsoft(list []string, host string) bool {
	host = strings.ToLower(host)
	return slices.ContainsFunc(list, func(t string) bool {
		t = "." + strings.ToLower(t)
		return strings.HasSuffix("."+host, t) && (strings.HasSuffix(t, ".outlook.com") || strings.HasSuffix(t, ".outlook.cn") || strings.HasSuffix(t, ".office365.us"))
	})
}

// receivedBy is the host that the first Received of the fields says it was received by.
func receivedBy(fields []field) string {
	for _, f := range fields {
		if f.name == "received" {
			if m := byHost.FindStringSubmatch(dropComments(string(f.value))); m != nil {
				return strings.TrimSuffix(m[1], ".")
			}
			return ""
		}
	}
	return ""
}

var byHost = regexp.MustCompile(`(?i)(?:^|\s)by\s+([^\s;()]+)`)

// receivedSPF reads a Received-SPF (RFC 7208 §9.1) that stands above every Received, where only the
// last host can have put it. Servers do not remove those that came with a mail.
func receivedSPF(h *header, trusted []string) string {
	for i, f := range h.fields {
		switch f.name {
		case "received":
			return ""
		case "received-spf":
			v := string(f.value)
			word, rest, _ := strings.Cut(v, " ")
			host, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(rest), "("), ":")
			if m := receiver.FindStringSubmatch(v); m != nil {
				host = m[1]
			}
			if named(trusted, host) || named(trusted, receivedBy(h.fields[i+1:])) {
				return verdict(strings.Trim(word, ";("))
			}
		}
	}
	return ""
}

var receiver = regexp.MustCompile(`(?i)\breceiver="?([^\s;"]+)`)

// parseAuthResults reads one field (RFC 8601 §2.2): its authserv-id, "" where there is none, and a
// verdict for each of the methods spf, dkim and dmarc that it mentions. Of several signatures a good
// one is enough; of several SPF checks that of the envelope's sender counts.
func parseAuthResults(s string) (id string, results map[string]string) {
	results = map[string]string{}
	pieces := cutResults(s)
	if head := strings.Fields(pieces[0]); len(head) > 0 && !strings.Contains(head[0], "=") {
		id = strings.Trim(head[0], `"`)
		if len(head) > 1 {
			if v, err := strconv.Atoi(head[1]); err == nil && v != 1 {
				return "another version", nil
			}
		}
		pieces = pieces[1:]
	}
	rank := map[string]int{"unknown": 1, "none": 2, "fail": 3, "pass": 4}
	helo := false
	for _, p := range pieces {
		if strings.EqualFold(strings.TrimSpace(p), "none") && len(pieces) == 1 {
			return id, map[string]string{"spf": "none", "dkim": "none", "dmarc": "none"}
		}
		m := methodResult.FindStringSubmatch(p)
		if m == nil {
			continue
		}
		method, value := strings.ToLower(m[1]), verdict(m[2])
		switch had := results[method]; method {
		case "spf":
			l := strings.ToLower(p)
			ofHelo := strings.Contains(l, "smtp.helo") && !strings.Contains(l, "smtp.mailfrom")
			if had == "" || helo && !ofHelo {
				results[method], helo = value, ofHelo
				delete(results, "spf of")
				if value == "pass" {
					results["spf of"] = domainOf(mailFrom, p)
				}
			}
		case "dkim":
			if rank[value] > rank[had] {
				results[method] = value
			}
			if value == "pass" {
				results["dkim of"] += " " + domainOf(signedBy, p)
			}
		case "dmarc":
			if had == "" {
				results[method] = value
			}
		}
	}
	return id, results
}

// domainOf is the domain of a property; empty if it is not there.
func domainOf(property *regexp.Regexp, p string) string {
	m := property.FindStringSubmatch(p)
	if m == nil {
		return ""
	}
	v := strings.Trim(m[1], `"<>`)
	return v[strings.LastIndexByte(v, '@')+1:]
}

var (
	mailFrom = regexp.MustCompile(`(?i)\bsmtp\.mailfrom\s*=\s*([^\s;]+)`)
	signedBy = regexp.MustCompile(`(?i)\bheader\.[di]\s*=\s*([^\s;]+)`)
)

var methodResult = regexp.MustCompile(`^\s*([A-Za-z0-9][A-Za-z0-9_-]*)\s*(?:/\s*1\s*)?=\s*([A-Za-z]+)`)

// cutResults splits a field at its semicolons, without comments; both mean nothing inside quotes.
func cutResults(s string) []string {
	var pieces []string
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && (quoted || depth > 0):
			i++
		case quoted:
			if c == '"' {
				quoted = false
			}
			b.WriteByte(c)
		case c == '(':
			depth++
		case depth > 0:
			if c == ')' {
				depth--
				b.WriteByte(' ')
			}
		case c == ';':
			pieces = append(pieces, b.String())
			b.Reset()
		default:
			quoted = c == '"'
			b.WriteByte(c)
		}
	}
	return append(pieces, b.String())
}

// verdict puts the results of RFC 8601 §2.7, and some that servers made up, into four.
func verdict(v string) string {
	switch strings.ToLower(v) {
	case "pass":
		return "pass"
	case "fail", "hardfail", "softfail", "policy":
		return "fail"
	case "none", "neutral", "bestguesspass": // no policy, but one would have been met
		return "none"
	}
	return "unknown"
}
