package message

import (
	"strings"
	"testing"

	"groupmail/ticketing"
)

// TestAuthentication: who is believed, and about what. Our own host is mx.team.example.
func TestAuthentication(t *testing.T) {
	const (
		hop    = "Received: from x.example (x.example [192.0.2.1]) by mx.team.example (Postfix) with ESMTPS id 1; Mon, 2 Mar 2026 10:00:00 +0100"
		others = "Received: from [10.0.0.1] by x.example with ESMTPSA"
		forged = "Authentication-Results: mx.team.example; spf=pass smtp.mailfrom=x.example; dkim=pass header.d=x.example; dmarc=pass header.from=x.example"
		cloud  = "Received: from x.example (192.0.2.1) by DB3EUR04FT058.mail.protection.outlook.com (10.152.25.1) with Microsoft SMTP Server (version=TLS1_2) id 15.20"
		inside = "Received: from DB3EUR04FT058.eop-eur04.prod.protection.outlook.com (2603:10a6::1) by AM0PR04.outlook.office365.com (2603:10a6::2) with Microsoft SMTP Server"
	)
	for _, c := range []struct {
		name string
		mail []string
		want Auth
	}{
		{"nothing", []string{hop}, Auth{"unknown", "unknown", "unknown"}},
		{"one field", []string{"Authentication-Results: mx.team.example; spf=fail smtp.mailfrom=x.example; dkim=pass header.d=x.example; dmarc=none header.from=x.example", hop}, Auth{"fail", "pass", "none"}},
		{"below our own Received", []string{hop, "Authentication-Results: mx.team.example; spf=pass smtp.mailfrom=x.example", others}, Auth{"pass", "unknown", "unknown"}},
		{"case and trailing dot", []string{"AUTHENTICATION-RESULTS: MX.Team.Example.; SPF=Pass smtp.mailfrom=x.example; DKIM=PASS", hop}, Auth{"pass", "pass", "unknown"}},
		{"version", []string{"Authentication-Results: mx.team.example 1; spf=pass; dkim/1=pass", hop}, Auth{"pass", "pass", "unknown"}},
		{"a version to come", []string{"Authentication-Results: mx.team.example 2; spf=pass", hop}, Auth{"unknown", "unknown", "unknown"}},
		{"quoted id", []string{`Authentication-Results: "mx.team.example"; spf=pass`, hop}, Auth{"pass", "unknown", "unknown"}},
		{"somebody else's", []string{"Authentication-Results: mx.other.example; spf=pass", hop}, Auth{"unknown", "unknown", "unknown"}},
		{"a host below ours", []string{"Authentication-Results: evil.mx.team.example; spf=pass", hop}, Auth{"unknown", "unknown", "unknown"}},
		{"our name in a comment", []string{"Authentication-Results: evil.example (mx.team.example); spf=pass", hop}, Auth{"unknown", "unknown", "unknown"}},
		{"our name as a prefix", []string{"Authentication-Results: mx.team.example.evil.example; spf=pass", hop}, Auth{"unknown", "unknown", "unknown"}},
		{"none", []string{"Authentication-Results: mx.team.example; none", hop}, Auth{"none", "none", "none"}},
		{"comments everywhere", []string{"Authentication-Results: (a) mx.team.example (b; spf=fail) 1 (c); (d) spf (e) = (f) pass (g; dkim=fail (h)) smtp.mailfrom=x.example; dkim=fail (body hash; dkim=pass)", hop}, Auth{"pass", "fail", "unknown"}},
		{"semicolons in quotes", []string{`Authentication-Results: mx.team.example; spf=fail reason="no; dkim=pass; \"dmarc=pass" smtp.mailfrom=x.example; dkim=none`, hop}, Auth{"fail", "none", "unknown"}},
		{"a comment without end", []string{"Authentication-Results: mx.team.example; spf=pass (oops; dkim=pass", hop}, Auth{"pass", "unknown", "unknown"}},
		{"nonsense between", []string{"Authentication-Results: mx.team.example; ; what is this; spf=pass;;dmarc=fail", hop}, Auth{"pass", "unknown", "fail"}},
		{"one good signature", []string{"Authentication-Results: mx.team.example; dkim=fail header.d=list.example; dkim=pass header.d=x.example; dkim=temperror header.d=y.example", hop}, Auth{"unknown", "pass", "unknown"}},
		{"no good signature", []string{"Authentication-Results: mx.team.example; dkim=temperror; dkim=fail; dkim=none", hop}, Auth{"unknown", "fail", "unknown"}},
		{"envelope before HELO", []string{"Authentication-Results: mx.team.example; spf=pass smtp.helo=x.example; spf=softfail smtp.mailfrom=y.example", hop}, Auth{"fail", "unknown", "unknown"}},
		{"ADSP is no DKIM", []string{"Authentication-Results: mx.team.example; dkim-adsp=pass; x-dkim=pass; arc=pass", hop}, Auth{"unknown", "unknown", "unknown"}},
		{"errors prove nothing", []string{"Authentication-Results: mx.team.example; spf=temperror; dkim=permerror; dmarc=weird", hop}, Auth{"unknown", "unknown", "unknown"}},
		{"words", []string{"Authentication-Results: mx.team.example; spf=neutral; dkim=policy; dmarc=bestguesspass action=none", hop}, Auth{"none", "fail", "none"}},
		{"hardfail", []string{"Authentication-Results: mx.team.example; spf=hardfail; dkim=neutral", hop}, Auth{"fail", "none", "unknown"}},
		{"two programs", []string{
			"Authentication-Results: mx.team.example; dmarc=fail header.from=x.example",
			"Authentication-Results: mx.team.example; dkim=pass header.d=x.example",
			"Authentication-Results: mx.team.example; spf=softfail smtp.mailfrom=x.example", hop}, Auth{"fail", "pass", "fail"}},
		{"two trusted hosts", []string{"Authentication-Results: filter.team.example; spf=pass", "Authentication-Results: mx.team.example; spf=fail; dkim=pass", hop}, Auth{"pass", "pass", "unknown"}},

		{"forged below", []string{"Authentication-Results: mx.team.example; spf=fail; dkim=none; dmarc=fail", hop, forged}, Auth{"fail", "none", "fail"}},
		{"forged below adds nothing", []string{"Authentication-Results: mx.team.example; spf=fail", hop, forged, others}, Auth{"fail", "unknown", "unknown"}},
		{"forged side by side never overrules", []string{hop, "Authentication-Results: mx.team.example; spf=fail; dkim=fail; dmarc=fail", forged, others}, Auth{"fail", "fail", "fail"}},
		{"forged between ours and a stranger's", []string{"Authentication-Results: mx.other.example; spf=pass", "Authentication-Results: mx.team.example; spf=fail; dkim=fail; dmarc=fail", hop, forged}, Auth{"fail", "fail", "fail"}},
		{"only forged", []string{hop, "Authentication-Results: evil.example; spf=pass; dkim=pass; dmarc=pass"}, Auth{"unknown", "unknown", "unknown"}},
		{"ARC", []string{"ARC-Authentication-Results: i=1; mx.team.example; spf=pass; dkim=pass; dmarc=pass", "X-Authentication-Results: mx.team.example; spf=pass", "Authentication-Results-Original: mx.team.example; spf=pass", hop}, Auth{"unknown", "unknown", "unknown"}},

		{"Microsoft", []string{inside, "Authentication-Results: spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=x.example; team.mail.onmicrosoft.com; dkim=fail (body hash did not verify) header.d=x.example;team.mail.onmicrosoft.com; dmarc=bestguesspass action=none header.from=x.example;compauth=pass reason=109", cloud}, Auth{"pass", "fail", "none"}},
		{"Microsoft's form, by another host", []string{hop, "Authentication-Results: spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=x.example; dkim=pass; dmarc=pass", others, cloud}, Auth{"unknown", "unknown", "unknown"}},
		{"Microsoft's form, by nobody", []string{hop, "Authentication-Results: spf=pass smtp.mailfrom=x.example; dmarc=pass"}, Auth{"unknown", "unknown", "unknown"}},
		{"Microsoft's form, by our host", []string{"Authentication-Results: spf=pass smtp.mailfrom=x.example; dmarc=pass", hop}, Auth{"unknown", "unknown", "unknown"}},
		{"Microsoft's form, forged below Microsoft's", []string{"Authentication-Results: spf=fail (sender IP is 192.0.2.1); dmarc=fail", cloud, "Authentication-Results: spf=pass; dkim=pass; dmarc=pass", cloud}, Auth{"fail", "unknown", "fail"}},
		{"Microsoft's form, forged below ours", []string{"Authentication-Results: mx.team.example; spf=fail", "Authentication-Results: dkim=pass; dmarc=pass", cloud}, Auth{"fail", "unknown", "unknown"}},
		{"look-alike of Microsoft", []string{"Authentication-Results: spf=pass", "Received: from x by mail.protection.outlook.com.evil.example"}, Auth{"unknown", "unknown", "unknown"}},
		{"another look-alike", []string{"Authentication-Results: spf=pass", "Received: from x by evilprotection.outlook.com"}, Auth{"unknown", "unknown", "unknown"}},

		{"Received-SPF", []string{"Received-SPF: Pass (mailfrom) identity=mailfrom; client-ip=192.0.2.1; envelope-from=a@x.example; receiver=mx.team.example", hop}, Auth{"pass", "unknown", "unknown"}},
		{"Received-SPF, receiver hidden", []string{"Received-SPF: Softfail (mailfrom) identity=mailfrom; receiver=<UNKNOWN>", hop}, Auth{"fail", "unknown", "unknown"}},
		{"Received-SPF, named in its comment", []string{"Received-SPF: fail (mx.team.example: domain of a@x.example does not designate 192.0.2.1) client-ip=192.0.2.1"}, Auth{"fail", "unknown", "unknown"}},
		{"Received-SPF that came along", []string{hop, "Received-SPF: pass (mx.team.example: domain of a@x.example designates 192.0.2.1) receiver=mx.team.example", hop}, Auth{"unknown", "unknown", "unknown"}},
		{"Received-SPF of a stranger", []string{"Received-SPF: pass receiver=mx.other.example", "Received: from x by mx.other.example"}, Auth{"unknown", "unknown", "unknown"}},
		{"Received-SPF is only a fallback", []string{"Received-SPF: pass receiver=mx.team.example", "Authentication-Results: mx.team.example; spf=fail", hop}, Auth{"fail", "unknown", "unknown"}},
	} {
		raw := strings.Join(c.mail, "\n") + "\nFrom: a@x.example\n\nx\n"
		trusted := []string{"mx.team.example", "filter.team.example", "protection.outlook.com"}
		if _, d := Inspect(strings.NewReader(raw), Options{Trusted: trusted}); d.Auth != c.want {
			t.Errorf("%s: %v, want %v", c.name, d.Auth, c.want)
		}
		if _, d := Inspect(strings.NewReader(raw), Options{}); d.Auth != (Auth{"unknown", "unknown", "unknown"}) {
			t.Errorf("%s: %v although nobody is trusted", c.name, d.Auth)
		}
	}
	// What is said inside a contained mail is not said of this one.
	raw := "From: a@x.example\nContent-Type: message/rfc822\n\n" + forged + "\nFrom: b@x.example\n\nx\n"
	if _, d := Inspect(strings.NewReader(raw), Options{Trusted: []string{"mx.team.example"}}); d.Auth.SPF != "unknown" {
		t.Errorf("inside: %v", d.Auth)
	}
}

func TestSpam(t *testing.T) {
	for _, c := range []struct {
		field string
		want  bool
	}{
		{"X-Spam-Flag: YES", true},
		{"X-Spam-Flag: yes", true},
		{"X-Spam-Flag: NO", false},
		{"X-Spam-Flag:", false},
		{"X-Spam-Status: Yes, score=15.2 required=5.0 tests=[BAYES_99=3.5]", true},
		{"X-Spam-Status: No, score=-1.9 required=5.0 tests=SPAM_YES", false},
		{"X-Spam-Status: No, hits=4.9; yes=0", false},
		{"X-Spam-Score: 4.9", false},
		{"X-Spam-Level: *****", false},
		{"X-Spam: Yes", true},
		{"X-Spam: Not detected", false},
		{"X-Spam: [F=0.1; spam=no]", false},
		{"X-Spam: nospam", false},
		{"X-Spam-Prev-Subject: Cheap watches", true},
		{"X-Spam-Checker-Version: SpamAssassin 4.0.0", false},
		{"X-Spamd-Result: default: True [18.10 / 15.00]; R_SPF_FAIL(1.00)[-all]", true},
		{"X-Spamd-Result: default: False [1.10 / 15.00]; X(0.00)[true]", false},
		{"X-Rspamd-Action: add header", true},
		{"X-Rspamd-Action: no action", false},
		{"X-Rspamd-Action: greylist", false},
		{"X-Barracuda-Spam-Status: Yes, SCORE=7.0", true},
		{"X-Barracuda-Spam-Status: No, SCORE=0.0", false},
		{"X-MS-Exchange-Organization-SCL: 9", true},
		{"X-MS-Exchange-Organization-SCL: 5", true},
		{"X-MS-Exchange-Organization-SCL: 4", false},
		{"X-MS-Exchange-Organization-SCL: -1", false},
		{"X-Forefront-Antispam-Report: CIP:192.0.2.1;CTRY:DE;LANG:en;SCL:1;SRV:;IPV:NLI;SFV:NSPM;H:x;CAT:NONE;", false},
		{"X-Forefront-Antispam-Report: CIP:192.0.2.1;SCL:5;SFV:SPM;CAT:SPM;", true},
		{"X-Forefront-Antispam-Report: CIP:192.0.2.1;SCL:9;SFV:SKS;", true},
		{"X-Forefront-Antispam-Report: CIP:192.0.2.1;SCL:1;SFV:SKN;CAT:NONE", false},
		{"X-Microsoft-Antispam-Mailbox-Delivery: ucf:0;jmr:0;auth:0;dest:J;ENG:(5062000261)", true},
		{"X-Microsoft-Antispam-Mailbox-Delivery: ucf:0;jmr:0;auth:0;dest:I;ENG:(5062000261)", false},
		{"X-SES-Spam-Verdict: FAIL", true},
		{"X-SES-Spam-Verdict: PASS", false},
		{"X-SES-Spam-Verdict: GRAY", false},
		{"X-Gmail-Labels: Spam,Unread", true},
		{"X-Gmail-Labels: Inbox,No Spam here", false},
		{"X-YahooFilteredBulk: 192.0.2.1", true},
		{"X-DSPAM-Result: Spam", true},
		{"X-DSPAM-Result: Innocent", false},
		{"X-Bogosity: Yes, tests=bogofilter, spamicity=0.99", true},
		{"X-Bogosity: Ham, tests=bogofilter, spamicity=0.00", false},
		{"X-MailScanner-SpamCheck: spam, SpamAssassin (score=9)", true},
		{"X-MailScanner-SpamCheck: not spam, SpamAssassin (score=1)", false},
		{"X-Proofpoint-Spam-Details: rule=spam policy=default score=99", true},
		{"X-Proofpoint-Spam-Details: rule=notspam policy=default score=0", false},
		{"X-Yandex-Spam: 4", true},
		{"X-Yandex-Spam: 1", false},
		{"X-TM-AS-Result: Yes--12.3-5.0-31-10", true},
		{"X-TM-AS-Result: No--1.3-5.0-31-10", false},
		{"X-VR-SPAMSTATE: SPAM", true},
		{"X-VR-SPAMSTATE: OK", false},
		{"Subject: [SPAM] says a colleague", false},
	} {
		m := Parse(strings.NewReader("From: a@x.example\n"+c.field+"\n\nx\n"), Options{})
		if m.Spam != c.want {
			t.Errorf("%s: %v", c.field, m.Spam)
		}
		if c.want && !m.NoAutoAnswer {
			t.Errorf("%s: spam may be answered", c.field)
		}
	}
	// The last server stands on top; a "No" of another never outweighs a "Yes".
	m := Parse(strings.NewReader("X-Spam-Flag: NO\nX-Spam-Flag: YES\nFrom: a@x.example\n\nx\n"), Options{})
	if m.Spam {
		t.Error("the sender's own flag counts")
	}
	m = Parse(strings.NewReader("X-Spam-Flag: NO\nX-Bogosity: Spam, tests=x\nFrom: a@x.example\n\nx\n"), Options{})
	if !m.Spam {
		t.Error("bogofilter was not heard")
	}
}

// TestProof: whether a mail comes from whom its From says.
func TestProof(t *testing.T) {
	for field, want := range map[string]ticketing.Proof{
		"": ticketing.Unproved,
		"mx.team.example; dmarc=pass header.from=x.example":                                                       ticketing.Proved,
		"mx.team.example; dmarc=fail header.from=x.example; dkim=pass header.d=x.example":                         ticketing.Forged,
		"mx.other.example; dmarc=pass header.from=x.example":                                                      ticketing.Unproved,
		"mx.team.example; dmarc=none; dkim=pass header.d=mail.x.example":                                          ticketing.Proved,
		"mx.team.example; dkim=fail header.d=x.example; dkim=pass header.i=@x.example":                            ticketing.Proved,
		"mx.team.example; dkim=pass header.d=sender.example; spf=pass smtp.mailfrom=bounce@sender.example":        ticketing.Unproved,
		"mx.team.example; spf=pass smtp.mailfrom=\"maria@x.example\"":                                             ticketing.Proved,
		"mx.team.example; spf=pass smtp.helo=x.example":                                                           ticketing.Unproved,
		"mx.team.example; spf=fail smtp.mailfrom=x.example":                                                       ticketing.Forged,
		"mx.team.example; spf=fail smtp.mailfrom=list.example; dkim=pass header.d=list.example":                   ticketing.Unproved,
		"mx.team.example; spf=fail smtp.mailfrom=x.example; spf=pass smtp.mailfrom=x.example":                     ticketing.Forged,
		"mx.team.example; dkim=pass (2048-bit key; header.d=x.example) header.d=evil.example":                     ticketing.Unproved,
		"mx.team.example; dkim=pass header.d=\"evil.example; dmarc=pass\"; spf=pass smtp.mailfrom=a@evil.example": ticketing.Unproved,
	} {
		raw := "From: Maria <maria@x.example>\r\nSubject: x\r\n\r\nx\r\n"
		if field != "" {
			raw = "Authentication-Results: " + field + "\r\n" + raw
		}
		if got := Parse(strings.NewReader(raw), Options{Trusted: []string{"mx.team.example"}}).Proof; got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	two := "Authentication-Results: mx.team.example; dkim=pass header.d=example.co.uk\r\nFrom: a@other.co.uk\r\n\r\nx"
	if got := Parse(strings.NewReader(two), Options{Trusted: []string{"mx.team.example"}}).Proof; got != ticketing.Unproved {
		t.Errorf("co.uk is no organisation: %q", got)
	}
}
