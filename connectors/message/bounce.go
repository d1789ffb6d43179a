package message

import (
	"regexp"
	"slices"
	"strings"

	"groupmail/ticketing"
)

// Bounce is what a delivery report says of the first recipient that failed or, if Temporary, of one
// whose server will be tried again.
type Bounce struct {
	Recipient         string
	Others            []string // recipients that failed, too
	Status            string   // RFC 3463, such as 5.1.1; of a report in words, by its SMTP reply and its words
	Diagnostic        string   // the server's own words, one line
	OriginalMessageID string   // without angle brackets
	OriginalMark      string   // X-GroupMail-ID of the mail that came back
	Temporary         bool     // a warning of delay, no failure
}

// String says it for people: "maria@x.example: no such address (5.1.1)".
func (b Bounce) String() string {
	s := b.Reason()
	if b.Status != "" {
		s += " (" + b.Status + ")"
	}
	if b.Recipient != "" {
		s = b.Recipient + ": " + s
	}
	return s
}

// Reason says in plain words why the mail was not delivered.
func (b Bounce) Reason() string {
	if b.Temporary {
		return "temporary trouble, will be tried again"
	}
	if reason := reasons[strings.TrimLeft(b.Status, "245")]; reason != "" {
		return reason
	}
	// Servers say 5.7.1, 5.0.0 and their like of nearly everything: their words know better.
	for _, w := range reasonWords {
		if w.words.MatchString(b.Diagnostic) {
			return w.reason
		}
	}
	switch {
	case len(b.Status) > 4 && b.Status[1:4] == ".7.":
		return "refused by the rules of the recipient's server"
	case len(b.Status) > 4 && b.Status[1:4] == ".4.":
		return "the recipient's server could not be reached"
	case len(b.Status) > 4 && b.Status[1:4] == ".1.":
		return "no such address"
	case len(b.Status) > 4 && b.Status[1:4] == ".6.":
		return "the recipient's server cannot read it"
	case strings.HasPrefix(b.Status, "4."):
		return "given up after repeated temporary trouble"
	}
	return "not delivered"
}

// reasons by subject and detail of the enhanced status code (RFC 3463 §3, RFC 7504, and the IANA
// registry), where these are sure.
var reasons = map[string]string{
	".1.1": "no such address", ".1.6": "no such address any more", ".1.2": "no such domain", ".1.3": "not a valid address",
	".1.4": "the address is ambiguous", ".1.7": "our own address was refused", ".1.8": "our own address was refused", ".1.10": "the domain takes no mail",
	".2.1": "the mailbox is switched off", ".2.2": "mailbox full", ".2.3": "too large", ".2.4": "trouble with a mailing list",
	".3.1": "the recipient's server is full", ".3.4": "too large",
	".4.4": "no mail server found for the domain", ".4.6": "it went in circles", ".4.7": "given up: no server took it in time",
	".5.3": "too many recipients",
	".7.8": "our mail server was not allowed to send", ".7.9": "our mail server was not allowed to send",
	".7.20": "refused: the sender could not be verified", ".7.21": "refused: the sender could not be verified", ".7.22": "refused: the sender could not be verified",
	".7.23": "refused: the sender could not be verified", ".7.24": "refused: the sender could not be verified", ".7.25": "refused: the sender could not be verified",
	".7.26": "refused: the sender could not be verified", ".7.27": "refused: the sender could not be verified",
	".7.28": "refused: too much mail at once",
}

// reasonWords are read in this order; status is what they say where the report has no better one.
var reasonWords = []struct {
	words          phrases
	status, reason string
}{
	{anyOf(`(?i)\b(?:mail)?box(?: is| was)? (?:over ?)?(?:full|quota)|quota|over (?:the )?(?:storage|disk) |mailbox (?:exceeds|size limit)|exceeds allowed size|out of storage|insufficient (?:system )?storage|postfach(?: ist)? voll|bo[îi]te (?:de réception )?pleine|buz[óo]n lleno|casella piena|переполнен`), "5.2.2", "mailbox full"},
	{anyOf(`(?i)(?:message|mail|size|it)(?: file)?(?: is)? too (?:big|large)|(?:size|length) (?:exceeds|limit)|exceeds? (?:the )?(?:maximum|fixed|size|message)|larger than|zu gro(?:ß|ss)|trop volumineux`), "5.3.4", "too large"},
	{anyOf(`(?i)\bspf\b|\bdkim\b|\bdmarc\b|sender (?:verif|auth)|unauthenticated`), "5.7.1", "refused: the sender could not be verified"},
	{anyOf(`(?i)\bspam|\bjunk|\bbulk\b|unsolicited|spamhaus|black ?list|block ?list|\brbl\b|dnsbl|poor reputation|blocked using|virus|malware|phish`), "5.7.1", "refused as spam"},
	{anyOf(`(?i)host (?:or domain name )?(?:not found|unknown)|unknown host|no such (?:host|domain)|name service error|domain (?:name )?(?:"?[\w.-]+"? )?(?:not found|does(?: not|n.t) exist|unknown)|nonexistent ?domain|unrouteable|\bMX\b.*(?:not|non).*(?:exist|found)|host address lookups? failed`), "5.1.2", "no such domain"},
	{anyOf(`(?i)(?:user|recipient|mailbox|account|address|addressee|inbox)(?: name| address| you)?\b[^.;\n]{0,80}?\b(?:unknown|not (?:be )?(?:found|exist|known|listed|recogni[sz]ed|valid|available)|invalid|(?:does ?n.t|does not|do not|don.t|isn.t|is not|no longer) (?:exist|have|valid|listed|active|available|found)|couldn.t be found|wasn.t found)|(?:unknown|invalid|no such|bad destination|nonexistent) (?:local )?(?:user|recipient|mailbox|address|account|person)|no (?:mailbox|user|account|such|one) (?:here|by|with)|does ?n.t have an? [a-z]* ?account|user not found|recip(?:ient)?notfound|not listed in|not our customer|empf[äa]nger unbekannt|kein (?:postfach|solcher)|utilisateur inconnu|usuario desconocido|utente sconosciuto|не существует|адрес не найден|用户不存在|(?:user|account) (?:is )?(?:disabled|inactive|suspended)`), "5.1.1", "no such address"},
	{anyOf(`(?i)timed? ?out|connection (?:refused|lost)|(?:retry|queue|delivery)[^.]{0,40}(?:exceeded|expired|too long)|message expired|not going to try again|no route to host|could ?n.t establish`), "5.4.7", "given up: no server took it in time"},
	{anyOf(`(?i)relay(?:ing)? (?:access )?(?:denied|not permitted)|unable to relay|not (?:permitted|allowed) to relay`), "5.7.1", "refused: the server does not take mail for this address"},
	{anyOf(`(?i)access denied|not authori[sz]ed|polic(?:y|ies)|prohibited|refused|rejected|not (?:allowed|permitted|accept)`), "5.7.1", "refused by the rules of the recipient's server"},
}

// delivery is one recipient of a delivery report (RFC 3464 §2.3).
type delivery struct {
	final, original string
	action, status  string
	diagnostic      string
}

func (d delivery) failed() bool {
	for _, word := range []string{"fail", "expired", "error", "undeliver"} {
		if strings.HasPrefix(d.action, word) {
			return true
		}
	}
	return d.action == "" && strings.HasPrefix(d.status, "5")
}

// recipient is the address that failed: the final one, unless that is no address, as where a
// server names a local user or another network's address.
func (d delivery) recipient() string {
	if d.final != "" {
		return d.final
	}
	return d.original
}

// readDelivery reads the fields of a delivery report: a group for the message, then one for each
// recipient. Blank lines are missing there, or stand where they should not: a recipient begins
// where a field comes again.
func (r *report) readDelivery(b []byte) {
	var d *delivery
	group := func(h *header) {
		for _, f := range h.fields {
			var into *string
			value := string(f.value)
			if d == nil || f.name == "final-recipient" && d.final != "" || f.name == "original-recipient" && d.original != "" || f.name == "action" && d.action != "" {
				if f.name == "final-recipient" || f.name == "original-recipient" || f.name == "action" || f.name == "status" {
					r.recipients = append(r.recipients, delivery{})
					d = &r.recipients[len(r.recipients)-1]
				}
			}
			switch {
			case f.name == "x-original-message-id":
				if ids := messageIDs([]string{value}); len(ids) > 0 && r.originalID == "" {
					r.originalID = ids[0]
				}
				continue
			case d == nil:
				continue
			case f.name == "final-recipient":
				into, value = &d.final, typedAddress(value)
			case f.name == "original-recipient", f.name == "x-actual-recipient" && d.original == "":
				into, value = &d.original, typedAddress(value)
			case f.name == "action":
				into, value = &d.action, strings.ToLower(value)
			case f.name == "status":
				into, value = &d.status, findStatus(value)
			case f.name == "diagnostic-code":
				into, value = &d.diagnostic, untyped(oneLine(decodeWords(h.utf8(value))))
			default:
				continue
			}
			if *into == "" {
				*into = value
			}
		}
	}
	c := &collector{top: true, limit: mostSample}
	s := newSplitter(4<<10, func(l line) bool {
		if len(l.text) == 0 && len(l.end) > 0 {
			group(c.finish())
			c = &collector{top: true, limit: mostSample}
			return len(r.recipients) < mostNested
		}
		c.line(l)
		return true
	})
	s.feed(b)
	s.end()
	group(c.finish())
}

// typedAddress reads "rfc822; maria@example.org", also with the address in angle brackets, or the
// type missing.
func typedAddress(s string) string {
	if _, rest, ok := strings.Cut(s, ";"); ok {
		s = rest
	}
	return first(addresses([]string{s})).Addr
}

// untyped drops the type of "smtp; 550 no such user".
func untyped(s string) string {
	if t, rest, ok := strings.Cut(s, ";"); ok && !strings.ContainsAny(strings.TrimSpace(t), " <@") {
		s = strings.TrimSpace(rest)
	}
	return clip(s, 1000)
}

// findStatus finds an enhanced status code, and takes no piece of an IP address for one.
func findStatus(s string) string {
	for _, at := range statusCode.FindAllStringSubmatchIndex(s, 20) {
		code, after := s[at[2]:at[3]], s[at[3]:]
		if len(after) > 1 && after[0] == '.' && '0' <= after[1] && after[1] <= '9' || len(after) > 0 && '0' <= after[0] && after[0] <= '9' {
			continue
		}
		return code
	}
	return ""
}

var statusCode = regexp.MustCompile(`(?:^|[^\d.])([245]\.[0-7]\.\d{1,3})`)

// bounced tells whether the mail says that a mail of ours did not arrive. A report's fields are
// believed. Without them two of three must agree: a sender of bounces, a subject, an opening.
func (w *walker) bounced(m *ticketing.Mail, r report, s sender) bool {
	if r.feedback || r.receipt {
		return false
	}
	if r.delivery && r.stated() {
		return r.failed() != nil
	}
	suspect := r.delivery || s.null || s.daemon || s.administrator || machineAddress(m.From)
	failed := w.head.has("x-failed-recipients")
	about := bounceSubject.MatchString(m.Subject)
	if !suspect && !failed && !about || delaySubject.MatchString(m.Subject) || successSubject.MatchString(m.Subject) {
		return false
	}
	words := clip(beforeOriginal(w.plainWords()), 4<<10)
	if delayText.MatchString(words) && !about {
		return false
	}
	if failed {
		return true
	}
	conversation := rePrefix.MatchString(m.Subject) || isForward(m.Subject)
	subject := about && !conversation
	opening := bounceOpening.MatchString(clip(words, 800))
	switch {
	case r.delivery:
		return subject || opening || bounceText.MatchString(words)
	case s.null || s.daemon || s.administrator:
		return subject || opening && (s.null || !conversation) || s.daemon && !conversation && bounceText.MatchString(words)
	case machineAddress(m.From):
		return opening
	}
	// people write of parcels in the same words, but not to whom and with what reply
	return subject && opening && (anAddress.MatchString(words) || replyIn(words) >= 0)
}

var (
	bounceSubject = anyOf(`(?i)undeliver(?:ed|able)|delivery (?:status notification \(?fail|fail|has failed|notification: delivery has failed|unsuccessful|problem|error|notification)|mail (?:delivery (?:fail|problem|error)|system error|could not be delivered|failure)|message (?:could )?not (?:be )?delivered|message delivery failure|failure notice|failed mail|returned (?:mail|to sender|e-?mail|message)|delivery (?:status notification|report|failure)|non[- ]?deliver|not deliver|could not be delivered|address not found|bounced? (?:mail|message)|\bDSN\b.*fail|` +
		`nicht zustellbar|unzustellbar|zustellung (?:fehlgeschlagen|gescheitert|nicht möglich)|zustell(?:fehler|problem)|fehler bei der (?:zustellung|übermittlung)|nichtzustell|(?:konnte )?nicht (?:aus|zu)(?:geliefert|gestellt)|` +
		`non[_ -]remis|non délivr|échec de (?:la )?(?:remise|livraison|distribution)|n['’]a pas pu être (?:remis|distribué|livr)|message non distribu|courrier (?:non|refus)|` +
		`no se (?:pudo|ha podido|puede) entregar|error (?:de|en la) entrega|no entregad|(?:correo|mensaje) (?:devuelto|no entreg)|devolución|` +
		`non recapit|impossibil\w (?:recapitare|consegnare)|mancat[oa] (?:recapito|consegna)|messaggio (?:respinto|non consegnato)|non consegnat|` +
		`niet (?:bezorgd|afgeleverd|bestelbaar|worden bezorgd)|onbestelbaar|kan niet worden (?:bezorgd|afgeleverd)|bezorg(?:ing|fout)|` +
		`não (?:foi )?(?:possível )?entreg|falha na entrega|(?:mensagem|email) (?:não entregue|devolvid)|não é possível entregar|` +
		`niedostarcz|nie można dostarczyć|niedoręcz|nie dostarczono|zwrot|kézbesíthetetlen|kézbesítés sikertelen|sikertelen kézbesítés|nem kézbesíthető|` +
		`недоставлен|не (?:может быть )?доставлен|ошибка (?:при )?доставк|невозможно доставить|не удалось доставить|не доставлено|недоставлене|не вдалося доставити|` +
		`kunde inte levereras|olevererbart|går inte att leverera|det går inte att leverera|kunne ikke leveres|kan ikke leveres|ikke leverbar|ulever|toimittaminen epäonnistui|ei voitu toimittaa|toimittamaton|` +
		`nelze doručit|nedoručiteľn|nedoručiteln|nie je možné doručiť|teslim edilemedi|teslim edilemez|iletilemedi|nu poate fi livrat|nelivrabil|nelivrat|nije isporuč|ni mogoče dostaviti|ανεπίδοτο|δεν ήταν δυνατή η παράδοση|αδύνατη η παράδοση|` +
		`退信|无法(?:投递|传递|送达)|無法(?:傳遞|投遞|送達|傳送)|未送达|邮件被退回|投递失败|配信(?:不能|不可|できません|エラー|に失敗)|配達(?:不能|できません)|宛先不明|전송할 수 없|배달(?:되지|할 수)|반송|không thể gửi|לא ניתן למסירה|تعذر التسليم|لا يمكن تسليم`)
	delaySubject   = anyOf(`(?i)\bdelay|warning: (?:could not send|message)|verzögert|verzögerung|retard[ée]|\bretraso|\bretrasad|ritard|vertraagd|opóźnion|késleltet|késik|задерж|försenad|forsinket|viivästy|atrasad|will be retried|still being retried|配信の遅延|遅延|延迟|延遲`)
	successSubject = anyOf(`(?i)\bsuccess|\(relay\)|\brelayed|^\s*delivered:|^\s*(?:zugestellt|remis|entregado|consegnato|bezorgd|entregue|доставлено|已送达)\s*:`)
	delayText      = anyOf(`(?i)warning message only|has not yet been delivered|delivery attempts will continue|do not need to resend|will (?:continue|keep) (?:to try|trying)|temporary problem delivering|will (?:be retried|retry) for|noch nicht zugestellt`)
	// how the servers' own texts begin
	bounceOpening = anyOf(`(?i)this is the [^\n]{0,60}(?:qmail|mail system|delivery system|postfix|mailer)|created automatically by (?:the )?(?:mail|e-mail) delivery|mail delivery software|(?:did|has) not (?:been delivered|reach)|(?:delivery|transmission) (?:of your (?:message|mail) )?(?:to|has failed)[^\n]{0,40}(?:recipients?|fail)|unable to deliver|not able to deliver|could not (?:be delivered|deliver)|cannot be delivered|can['’]?t be delivered|couldn['’]t be delivered|wasn['’]t able to deliver|wasn['’]t delivered|was not delivered|were not delivered|undeliverable|(?:permanent|fatal)(?: fatal)?(?: delivery)? errors?|delivery status notification|delivery failure|failed to deliver|failed recipient|address not found|message blocked|recipient inbox full|user unknown|unknown user|invalid (?:final delivery )?(?:recipient|userid)|mailbox exceeds|reporting-mta:|recipients? (?:could not|cannot) be|error occurred while (?:trying|sending)|the original message was received at|message from yahoo|returned to (?:you|sender)|` +
		`(?:nicht|nicht erfolgreich) (?:zugestellt|zustell|ausgeliefert)|unzustellbar|zustellung (?:ist )?fehlgeschlagen|n['’]a pas (?:pu être|été) (?:remis|distribu|livr)|échec de la remise|no se (?:pudo|ha podido|puede) entregar|error al entregar|impossibil\w (?:recapitare|consegnare)|non è stato (?:recapitato|consegnato|possibile)|kan? niet (?:worden )?(?:bezorg|aflever)|niet (?:worden )?(?:bezorgd|afgeleverd)|não (?:foi possível|pôde ser|foi) entreg|nie (?:można|mógł|została?|udało)[^\n]{0,30}dostarcz|не (?:было|была|может быть|удалось|был)[^\n]{0,20}достав|kunde inte levereras|kunne ikke leveres|ei voitu toimittaa|kézbesít|nelze doručit|teslim edilemedi|退回|退信|无法(?:投递|送达|发送)|無法|配信できません|お届けできません|전송하지 못|배달되지`)
	bounceText = anyOf(`(?i)could not be delivered|(?:wasn['’]t|was not|not been|couldn['’]t be) delivered|undeliverable|delivery (?:to the following recipients? )?failed|permanent (?:fatal )?error|user unknown|unknown user|unknown recipient|mailbox (?:unavailable|is full|not found)|no such (?:user|recipient|mailbox)|recipient address rejected|address rejected|unable to deliver|konnte nicht zugestellt|n['’]a pas pu être|no se pudo entregar|impossibil\w recapitare|\b5\d\d[ -]5\.\d\.\d`)
)

// beforeOriginal cuts off the copy of what did not arrive.
func beforeOriginal(text string) string {
	if at := copyBelow().compiled().FindStringIndex(text); at != nil && strings.TrimSpace(text[:at[0]]) != "" {
		return text[:at[0]]
	}
	return text
}

var copyBelow = anyOf(`(?im)^[ \t]*-{2,}[^\n]*(?:copy|original|returned|below this line|unsent|undelivered|header|message follows|nachricht|message)[^\n]*$|^[ \t]*(?:original message (?:follows|headers?)|message headers? follows?|the headers? of the original message|included is a copy|unsent message below|kopfzeilen der ursprünglichen nachricht|ursprüngliche (?:nachrichten)?kopfzeilen|(?:en-têtes|entêtes) (?:de|du) message d['’]origine|encabezados de mensajes? original|intestazioni originali)[^\n]*$|^(?:received|return-path|dkim-signature):`)

// plainWords is the body without Markdown, so that addresses in it are as they were.
func (w *walker) plainWords() string {
	if w.root == nil {
		return ""
	}
	var b strings.Builder
	for _, s := range w.segments(w.root) {
		t := s.plain
		if strings.TrimSpace(t) == "" {
			t = strippedText(Sanitise(clip(s.html, 256<<10)))
		}
		b.WriteString(clip(t, 64<<10))
		b.WriteByte('\n')
	}
	return b.String()
}

// readBounce gathers what is said of the failure: by the report's fields, else by header and words.
func (w *walker) readBounce(m *ticketing.Mail, r report) Bounce {
	b := Bounce{OriginalMessageID: r.originalID, OriginalMark: r.originalMark}
	if d := r.failed(); d != nil {
		b.Recipient, b.Status, b.Diagnostic = d.recipient(), d.status, d.diagnostic
		for _, other := range r.recipients {
			if a := other.recipient(); other.failed() && a != b.Recipient && a != "" && !slices.Contains(b.Others, a) {
				b.Others = append(b.Others, a)
			}
		}
	}
	whole := w.plainWords()
	words := clip(beforeOriginal(whole), 16<<10)
	if b.Recipient == "" {
		for _, a := range addresses(w.head.all("x-failed-recipients")) {
			if a.Addr != "" && b.Recipient == "" {
				b.Recipient = a.Addr
			} else if a.Addr != "" {
				b.Others = append(b.Others, a.Addr)
			}
		}
	}
	if b.Recipient == "" {
		b.Recipient = variableSender(first(m.To).Addr)
	}
	if b.Recipient == "" {
		b.Recipient, b.Others = failedAddresses(words, m)
	}
	if b.Recipient == "" {
		b.Recipient = r.originalTo
	}
	if b.Diagnostic == "" {
		b.Diagnostic = diagnosticIn(words, b.Recipient)
	}
	if b.Status == "" {
		b.Status = findStatus(b.Diagnostic)
	}
	if b.Status == "" {
		b.Status = statusOf(b.Diagnostic)
	}
	if b.Status == "" {
		b.Status = findStatus(words)
	}
	if b.Status == "" {
		b.Status = statusOf(clip(words, 2<<10))
	}
	if at := replyIn(b.Diagnostic); b.Status == "" && at >= 0 {
		b.Status = b.Diagnostic[at:at+1] + ".0.0" // RFC 3463 §3.1: only the class is known
	}
	if b.OriginalMessageID == "" {
		if mm := quotedID.FindStringSubmatch(whole); mm != nil {
			b.OriginalMessageID = cleanID(mm[1])
		}
	}
	if b.OriginalMessageID == "" {
		b.OriginalMessageID = answeredID(*m)
	}
	return b
}

var quotedID = regexp.MustCompile(`(?im)^[>\s]*message[- ]id:\s*<([^<>\s]+)>`)

// answeredID is the one mail that a report names as what it answers.
func answeredID(m ticketing.Mail) string {
	switch {
	case len(m.InReplyTo) > 0:
		return m.InReplyTo[0]
	case len(m.References) > 0:
		return m.References[len(m.References)-1]
	}
	return ""
}

// statusOf makes a status of what words say, with the class of an SMTP reply among them.
func statusOf(said string) string {
	class := "5"
	if at := replyIn(said); at >= 0 {
		class = said[at : at+1]
	}
	for _, w := range reasonWords[:len(reasonWords)-1] { // "refused" says no more than the code
		if w.words.MatchString(said) {
			return class + w.status[1:]
		}
	}
	return ""
}

// failedAddresses finds the recipients in a report that is only words: first such as stand for
// themselves, as servers list them, else the first that is not the sender's.
func failedAddresses(words string, m *ticketing.Mail) (one string, others []string) {
	var listed, other []string
	for l := range strings.SplitSeq(words, "\n") {
		if strings.Contains(strings.ToLower(l), "message-id") {
			continue
		}
		for _, at := range anAddress.FindAllStringIndex(l, 10) {
			label := afterLabel.FindStringIndex(l[at[0]:at[1]])
			if label != nil {
				at[0] += label[1]
			}
			a := cleanAddr(l[at[0]:at[1]])
			if a == "" || daemonAddress(ticketing.Address{Addr: a}) || (ticketing.Address{Addr: a}).Is(m.From) || recipient(*m, ticketing.Address{Addr: a}) {
				continue
			}
			before, after := strings.Trim(l[:at[0]], " \t>*•·\"'<[(-"), strings.Trim(l[at[1]:], " \t\"'>])")
			alone := before == "" && (after == "" || strings.HasPrefix(after, ":") || strings.HasPrefix(after, "("))
			if alone || failedWord.MatchString(l[:at[0]]) {
				listed = append(listed, a)
			} else {
				other = append(other, a)
			}
			break
		}
	}
	if len(listed) == 0 && len(other) > 0 {
		listed = other[:1]
	}
	for _, a := range listed {
		if one == "" {
			one = a
		} else if a != one && !slices.Contains(others, a) && len(others) < mostNested {
			others = append(others, a)
		}
	}
	return one, others
}

// afterLabel matches what stands before an address without a blank: [SMTP:maria@x.example].
var afterLabel = regexp.MustCompile(`^[^@]*[:：]`)

var failedWord = anyOf(`(?i)(?:rcpt to:\s*<?|recipient(?: address)?:?\s*<?|undeliverable to\s*|(?:failed|unable) to deliver (?:message )?to:?\s*['"<]?|(?:unknown|invalid) (?:user|recipient|address):\s*<?|empfänger:?\s*<?|destinataires?\s*:?\s*<?|收件人[:：]?\s*<?)$`)

// diagnosticIn finds the server's answer in the words of a report: from the SMTP reply on, else
// what stands below the recipient.
func diagnosticIn(words, to string) string {
	lines := strings.Split(words, "\n")
	paragraph := func(i int) string {
		s := ""
		for n := i; n < len(lines) && n < i+8 && strings.TrimSpace(lines[n]) != ""; n++ {
			s += " " + strings.TrimLeft(lines[n], "> \t")
		}
		return strings.Join(strings.Fields(s), " ")
	}
	for i, l := range lines {
		if at := replyIn(l); at >= 0 {
			lines[i] = l[at:]
			return clip(oneLine(strings.TrimRight(paragraph(i), " #'\"")), 1000)
		}
	}
	if to == "" {
		return ""
	}
	for i, l := range lines {
		at := strings.Index(strings.ToLower(l), strings.ToLower(to))
		if at < 0 || strings.EqualFold(strings.TrimSpace(l[:at]), "to:") { // of the mail that failed
			continue
		}
		if same := strings.Trim(l[at+len(to):], " \t>\"':*)]"); same != "" {
			return clip(oneLine(strings.TrimLeft(paragraph(i), `<"`)), 1000)
		}
		for n := i + 1; n < len(lines) && n < i+3; n++ {
			if p := paragraph(n); p != "" {
				return clip(oneLine(p), 1000)
			}
		}
		if before := strings.TrimSpace(l[:at]); len(before) > 5 {
			return clip(oneLine(strings.TrimSpace(l)), 1000)
		}
	}
	return ""
}

// replyIn finds an SMTP reply of failure: a code with an enhanced one, or one at the beginning of
// what the server said. It gives -1 if there is none.
func replyIn(l string) int {
	if at := smtpReply.FindStringSubmatchIndex(l); at != nil {
		return max(at[2], at[4])
	}
	return -1
}

var smtpReply = regexp.MustCompile(`(?:^|[^\d.])([45]\d\d[ :-]+#?[45]\.\d{1,3}\.\d{1,3}\b)|(?:^\s*|[:'"(<>]\s*|\b(?:[Ss]aid|[Rr]eturned|[Ee]rror|[Cc]ode):?\s+)([45][0-5]\d[ :-]\s*\S)`)

// variableSender reads the recipient out of a VERP address: bounces+maria=example.org@us. SRS and
// BATV addresses look alike and hold the sender.
func variableSender(addr string) string {
	local, _, ok := strings.Cut(addr, "@")
	l := strings.ToLower(local)
	if !ok || strings.Contains(l, "srs0") || strings.Contains(l, "srs1") || strings.Contains(l, "+srs=") || strings.HasPrefix(l, "prvs=") || strings.HasPrefix(l, "btv1=") || strings.HasPrefix(l, "msprvs1=") {
		return ""
	}
	eq := strings.LastIndexByte(local, '=')
	if eq < 0 || !strings.Contains(local[eq:], ".") {
		return ""
	}
	i := strings.LastIndexAny(local[:eq], "+-=")
	if i < 0 {
		return ""
	}
	return cleanAddr(local[i+1:eq] + "@" + local[eq+1:])
}
