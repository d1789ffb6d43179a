package message

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"groupmail/ticketing"
)

// reply is what the sender wrote anew: text without the mail they answer and without signature.
// It cuts only what it knows: in doubt text stays, answers between quoted lines stay, and if
// nothing would be left, all of it is. A forwarded mail is what its sender wants to show, so
// nothing is cut from it. Marks in text (see marking) name quotes and signatures.
func reply(text string, forward bool) string {
	whole := strings.Trim(unmarkedText(text), "\n")
	if forward || whole == "" {
		return whole
	}
	q := quoteFinder{}
	if hasMarks(text) {
		q.lines, q.marks = takeMarks(strings.Trim(text, "\n"))
	} else {
		q.lines = strings.Split(whole, "\n")
	}
	q.openArmor()
	q.plainQuotes()
	q.drop = make([]bool, len(q.lines))
	q.find()
	kept := cutSignature(q.kept())
	if len(kept) == len(q.lines) && !q.mended {
		return strings.TrimRight(whole, " \t")
	}
	out := strings.Trim(squash(kept), "\n")
	if strings.TrimSpace(out) == "" {
		return whole
	}
	return strings.TrimRight(out, " \t\n")
}

// openArmor takes the cleartext signature of OpenPGP off what was signed (RFC 9580 §7).
func (q *quoteFinder) openArmor() {
	in := slices.Index(q.lines, "-----BEGIN PGP SIGNED MESSAGE-----")
	if in < 0 || q.marks != nil || !blank(q.lines[:in]) {
		return
	}
	begin := in + 1
	for begin < len(q.lines) && strings.TrimSpace(q.lines[begin]) != "" { // "Hash: SHA256"
		begin++
	}
	signature := slices.Index(q.lines, "-----BEGIN PGP SIGNATURE-----")
	end := slices.Index(q.lines, "-----END PGP SIGNATURE-----")
	if signature < begin || end < signature {
		return
	}
	var out []string
	for _, l := range q.lines[begin:signature] {
		out = append(out, strings.TrimPrefix(l, "- "))
	}
	q.lines, q.mended = append(out, q.lines[end+1:]...), true
}

// plainQuotes takes the initials off quoted lines, which The Bat! and others write: "MK> Monday?".
func (q *quoteFinder) plainQuotes() {
	quoted := false // or it may begin here
	for i, l := range q.lines {
		rest, ok := cutInitials(l)
		if ok && quoted {
			q.lines[i] = ">" + rest
			continue
		}
		if t := strings.TrimSpace(l); t != "" {
			quoted = strings.HasSuffix(t, ":") || strings.HasSuffix(t, "：")
		}
	}
}

// cutInitials gives what stands behind "MK>" at the beginning of a line.
func cutInitials(l string) (rest string, ok bool) {
	name, rest, ok := strings.Cut(strings.TrimPrefix(l, " "), ">")
	if !ok || name == "" || len(name) > 8 || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsUpper(r) }) {
		return "", false
	}
	return rest, true
}

// mostMarks is about how many bytes of marks may wait for a line.
const mostMarks = 1000

// takeMarks gives the lines without marks, and the marks that stand before each of them.
func takeMarks(text string) (lines, marks []string) {
	waiting := ""
	for l := range strings.SplitSeq(text, "\n") {
		before, after, content := "", "", false
		if hasMarks(l) {
			for _, r := range l {
				switch {
				case !isMark(r):
					content = content || r != ' ' && r != '>'
				case content:
					after += string(r)
				default:
					before += string(r)
				}
			}
			l = strings.TrimRight(unmarkedHTML(l), " ")
			if !content {
				if len(waiting) < mostMarks {
					waiting += before
				}
				continue
			}
		}
		if n := len(lines); l == "" && n > 0 && lines[n-1] == "" {
			continue // of lines that only marks had kept apart
		}
		lines, marks = append(lines, l), append(marks, waiting+before)
		waiting = after
	}
	return append(lines, ""), append(marks, waiting)
}

type quoteFinder struct {
	lines  []string
	marks  []string // before each line; nil if there are none
	drop   []bool
	bare   int  // lines at the beginning that are known to be no answer
	mended bool // a line was shortened
	tries  int  // lines looked at for an attribution
	cut    int  // first line of what is cut altogether
}

func (q *quoteFinder) find() {
	n := len(q.lines)
	q.cut = n
	attributed := false
	blocks, size := 0, 0
	for i := 0; i < n; i++ {
		if q.marks != nil && q.marks[i] != "" {
			quoted, rest := q.obey(i)
			attributed = attributed || quoted
			if rest {
				q.cut = i
				q.finishBlocks(blocks, size, true)
				return
			}
		}
		l := strings.TrimSpace(q.lines[i])
		if l == "" || q.drop[i] {
			continue
		}
		if end := q.groupWise(i); end >= 0 {
			if q.quotedBelow(end) {
				attributed = true
				q.dropLines(i, end, "")
				i = end
				continue
			}
			if q.textAbove(i) {
				q.cut = i
				q.finishBlocks(blocks, size, true)
				return
			}
		}
		switch {
		case l[0] == '>':
			if i == 0 || !q.drop[i-1] || strings.TrimSpace(q.lines[i-1]) == "" || strings.TrimSpace(q.lines[i-1])[0] != '>' {
				blocks++
			}
			size++
			q.drop[i] = true
			continue
		case forwardMark(l):
			// from here on it is shown, not answered
			q.finishBlocks(blocks, size, attributed)
			return
		case answerAbove(l) && q.textAbove(i):
			q.cut = i
			q.finishBlocks(blocks, size, true)
			return
		case originalMark(l), q.headerBlock(i), q.notesBlock(i):
			if q.textAbove(i) {
				q.cut = i
				q.finishBlocks(blocks, size, true)
			}
			// The quote stands above the answer, or there is no answer: all stays.
			return
		}
		start, end, prefix, sure := q.attribution(i)
		if end < 0 {
			continue
		}
		switch {
		case q.quotedBelow(end):
			attributed = true
			q.dropLines(start, end, prefix)
			i = end
		case sure && blank(q.lines[end+1:]):
			q.dropLines(start, end, prefix)
			i = end
		case sure && (q.textAbove(start) || prefix != ""):
			q.cut = start
			if prefix != "" {
				q.lines[start], q.mended = prefix, true
				q.cut = start + 1
			}
			q.finishBlocks(blocks, size, true)
			return
		}
	}
	q.finishBlocks(blocks, size, attributed)
}

// obey drops what the marks before line i say is no answer. It tells whether that is a quote, and
// whether all the rest of the mail is one.
func (q *quoteFinder) obey(i int) (quoted, rest bool) {
	for at, m := range q.marks[i] {
		switch string(m) {
		case restMark:
			if q.textAbove(i) && !q.forwardNear(i) {
				return true, true
			}
		case headerMark:
			if q.textAbove(i) && !q.forwardNear(i) && q.likeHeader(i) {
				return true, true
			}
		case attributionMark:
			if end := q.beforeQuote(i, len(q.lines)); end >= 0 && !q.forwardNear(i) {
				q.dropLines(i, end, "")
				quoted = true
			}
		case quoteMark:
			if q.forwardNear(i) {
				continue
			}
			quoted = true
			end := q.markedEnd(i, at)
			if head := q.beforeQuote(i, end); head >= 0 {
				end = head + 1 // quoted lines are known by themselves; answers may stand between them
			}
			q.dropLines(i, end-1, "")
		case signatureMark:
			q.dropLines(i, q.markedEnd(i, at)-1, "")
		}
	}
	return quoted, false
}

// markedEnd is the line before which that has ended what the mark at that byte of those before line i
// begins.
func (q *quoteFinder) markedEnd(i, at int) int {
	mark, _ := utf8.DecodeRuneInString(q.marks[i][at:])
	open := 0
	for j := i; j < len(q.marks); j++ {
		for _, m := range q.marks[j][at:] {
			switch m {
			case mark:
				open++
			case mark + 1:
				if open--; open == 0 {
					return j
				}
			}
		}
		at = 0
	}
	return len(q.lines)
}

// beforeQuote is the last of at most four lines from i on that stand above a quoted one, -1 if there
// are more, or none is quoted before end.
func (q *quoteFinder) beforeQuote(i, end int) int {
	last, n := i-1, 0
	for j := i; j < end; j++ {
		switch l := strings.TrimSpace(q.lines[j]); {
		case l == "":
		case l[0] == '>':
			return last
		default:
			if n++; n > 4 {
				return -1
			}
			last = j
		}
	}
	return -1
}

// forwardNear tells whether one of the first lines from i on says that a forwarded mail follows.
func (q *quoteFinder) forwardNear(i int) bool {
	for n := 0; i < len(q.lines) && n < 3; i++ {
		if l := strings.TrimSpace(q.lines[i]); l != "" {
			if n++; forwardMark(l) {
				return true
			}
		}
	}
	return false
}

// likeHeader tells whether lines from i on look like a header in any language: three and more with
// a short label, and among them an address or a date.
func (q *quoteFinder) likeHeader(i int) bool {
	labels, told := 0, false
	for n := 0; i < len(q.lines) && n < 6; i++ {
		l := strings.TrimSpace(q.lines[i])
		if l == "" {
			continue
		}
		n++
		label, value, ok := strings.Cut(strings.Replace(l, "：", ":", 1), ":")
		if !ok || len(label) > 40 || strings.Count(strings.TrimSpace(label), " ") > 2 {
			break
		}
		labels++
		told = told || anAddress.MatchString(value) || yearOrDate.MatchString(value)
	}
	return labels >= 3 && told
}

// quotedBelow tells whether the first line after i that is not empty is a quoted one.
func (q *quoteFinder) quotedBelow(i int) bool {
	for i++; i < len(q.lines); i++ {
		if l := strings.TrimSpace(q.lines[i]); l != "" {
			return l[0] == '>'
		}
	}
	return false
}

// groupWise finds ">>> Ben <ben@x.example> 02.03.2026 10:00 >>>", on one line or two: its last
// line, or -1.
func (q *quoteFinder) groupWise(i int) int {
	l := strings.TrimSpace(q.lines[i])
	if !strings.HasPrefix(l, ">>> ") {
		return -1
	}
	for j := i; j < len(q.lines) && j < i+2; j++ {
		if j > i {
			l += " " + strings.TrimSpace(q.lines[j])
		}
		if strings.HasSuffix(l, " >>>") && len(l) < 300 && yearOrDate.MatchString(l) {
			return j
		}
	}
	return -1
}

// finishBlocks spares a single line that begins with ">" in the midst of text: it is as likely
// an example or a prompt as a quote.
func (q *quoteFinder) finishBlocks(blocks, size int, attributed bool) {
	if attributed || blocks != 1 || size != 1 {
		return
	}
	for i, l := range q.lines[:q.cut] {
		if q.drop[i] && strings.HasPrefix(strings.TrimSpace(l), ">") {
			below := false
			for _, m := range q.lines[i+1 : q.cut] {
				below = below || strings.TrimSpace(m) != ""
			}
			if below && q.textAbove(i) {
				q.drop[i] = false
			}
			return
		}
	}
}

// textAbove tells whether an answer stands above line i.
func (q *quoteFinder) textAbove(i int) bool {
	for ; q.bare < i; q.bare++ {
		if l := strings.TrimSpace(q.lines[q.bare]); !q.drop[q.bare] && l != "" && !ruler(l) {
			return true
		}
	}
	return false
}

func (q *quoteFinder) dropLines(start, end int, prefix string) {
	for i := start; i <= end; i++ {
		q.drop[i] = true
	}
	if prefix != "" {
		q.lines[start], q.mended = prefix, true
		q.drop[start] = false
	}
}

func (q *quoteFinder) kept() []string {
	var out []string
	for i, l := range q.lines[:q.cut] {
		if !q.drop[i] {
			out = append(out, l)
		}
	}
	if q.cut < len(q.lines) {
		// the ruler above what was cut
		for len(out) > 0 && (strings.TrimSpace(out[len(out)-1]) == "" || ruler(strings.TrimSpace(out[len(out)-1]))) {
			out = out[:len(out)-1]
		}
	}
	return out
}

// ruler tells a line of nothing but dashes, underscores or stars.
func ruler(l string) bool {
	return len(l) >= 3 && strings.Trim(l, "-_=*─—– ") == ""
}

// squash joins lines, of several empty ones keeping one.
func squash(lines []string) string {
	var b strings.Builder
	empty := 0
	for _, l := range lines {
		if strings.TrimSpace(l) == "" {
			empty++
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
			if empty > 0 {
				b.WriteByte('\n')
			}
		}
		empty = 0
		b.WriteString(strings.TrimRight(l, " \t"))
	}
	return b.String()
}

// attribution finds "On Monday, Maria wrote:" beginning at line i, on one to four lines. sure says
// that it cannot well be prose: it names a date, or an address, as programs do. prefix is text of
// the answer on the same line. end is -1 where there is none.
func (q *quoteFinder) attribution(i int) (start, end int, prefix string, sure bool) {
	joined := ""
	for j := i; j < len(q.lines) && j < i+4; j++ {
		l := strings.TrimSpace(q.lines[j])
		if l == "" || l[0] == '>' {
			break
		}
		l = plainMarkdown(l)
		if joined != "" {
			joined += " "
		}
		joined += l
		if len(joined) > 600 {
			break
		}
		if !endsAttribution(l) {
			continue
		}
		if q.tries++; q.tries > 2000 {
			break // no correspondence is that long
		}
		// "Thanks! On Monday … wrote:": only what stands on the first line may be the answer's
		first := len(plainMarkdown(strings.TrimSpace(q.lines[i])))
		for _, at := range innerOpener.FindAllStringSubmatchIndex(joined, -1) {
			begin := max(at[2], at[4])
			if begin >= first {
				break
			}
			before := strings.TrimRight(strings.TrimSpace(joined[:begin]), "- ")
			if ok, sure := isAttribution(joined[begin:]); ok && sure && before != "" {
				return i, j, before, true
			}
		}
		if ok, sure := isAttribution(joined); ok && (sure || q.quotedBelow(j)) {
			return i, j, "", sure
		}
	}
	return 0, -1, "", false
}

var markdownLink = regexp.MustCompile(`\[([^\[\]]*)\]\(([^()\s]*)\)`)

// plainMarkdown drops what the conversion from HTML put around words.
func plainMarkdown(l string) string {
	if strings.Contains(l, "](") {
		l = markdownLink.ReplaceAllString(l, "$1")
	}
	l = strings.ReplaceAll(l, "**", "")
	if strings.Contains(l, "\u200f") || strings.Contains(l, "\u200e") || strings.Contains(l, "\u202a") || strings.Contains(l, "\u202b") || strings.Contains(l, "\u202c") {
		l = strings.Map(func(r rune) rune {
			if bidi(r) {
				return -1
			}
			return r
		}, l)
	}
	return strings.TrimSpace(strings.Trim(l, "*"))
}

func endsAttribution(l string) bool {
	l = strings.TrimRight(l, " \u00a0\u200e\u200f")
	return strings.HasSuffix(l, ":") || endsInTime(l) || l != "" && l[0] >= '0' && l[0] <= '9' && strings.HasSuffix(l, ">") || strings.HasSuffix(l, "：") || strings.HasSuffix(l, "----") || strings.HasSuffix(l, "---") && strings.HasPrefix(l, "---")
}

// endsInTime tells "10:00" and "9.30" at the end of a line.
func endsInTime(l string) bool {
	digit := func(c byte) bool { return '0' <= c && c <= '9' }
	n := len(l)
	return n >= 4 && digit(l[n-1]) && digit(l[n-2]) && (l[n-3] == ':' || l[n-3] == '.') && digit(l[n-4])
}

// wroteWords are "wrote" in the languages of today's mail programs, as they stand in attributions.
const wroteWords = `wrote|writes|sent|schrieb|schrieben|a écrit|écrit|ha écrit|escribió|escribi[oó]|ha escrito|ha scritto|scrisse|scrive|schreef|geschreven|escreveu|pisze|napisał|napisała|napisał\(a\)|napisał/a|` +
	`írta|írta:|írt|написал|написала|написал\(а\)|пишет|писал|пише|написав|написала|написав\(ла\)|skrev|har skrevet|kirjoitti|kirjutas|yazdı|yazmış|napsal|napsala|napsal\(a\)|napísal|napísala|napísal\(a\)|` +
	`a scris|έγραψε|написа|je napisao|je napisala|napisao|napisala|je napisal|napisal|rašė|parašė|rakstīja|va escriure|ha escrit|je napisao/la|je napisala|је написао/ла|је написао|је написала|ने लिखा|نوشت|نوشته|geschrieben|이\(가\) 쓴 글|escrigué|đã viết|viết|menulis|đã ghi|כתב|כתבה|כתב/ה|كتب|كتبت|เขียนว่า|写道|寫道|写到|のメッセージ|書きました|wrote on|님이 작성|작성`

var (
	wrote = anyOf(`(?i)(?:^|[\s,/)>"'“”«»;:.\d日]|님이\s*)(?:` + wroteWords + `)(?:$|[\s:：,(<\-])`)
	// The words that attributions begin with.
	attributionOpener = regexp.MustCompile(`(?:^|\s)(?:On|At|Am|Le|El|Il|Op|Em|Às|No dia|Dana|Wiadomość napisana przez|Missatge de|W dniu|Dnia|Den|På|Dne|Dňa|La|În|Στις|На|Pada|Vào|Ngày|בתאריך|في|于|在|Il giorno|` +
		`(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Mo|Di|Mi|Do|Fr|Sa|So|пн|вт|ср|чт|пт|сб|вс|pon|wt|śr|czw|pt|sob|ndz|lun|mar|mer|jeu|ven|sam|dim)[.,]|\d{4}[-./年]\s?\d|\d{1,2}[./]\s?\d{1,2}[./]\s?\d{2,4})\s?`)
	innerOpener      = regexp.MustCompile(`(?:[.!?)…:;]\s+|-{2,}\s*)((?:On|Am|Le|El|Il|Op|Em|På|На)\s)|\s(On (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|\d))`)
	anAddress        = regexp.MustCompile(`[^\s<>"'(\[]+@[^\s<>"')\]]+\.[^\s<>"')\]]+`)
	yearOrDate       = regexp.MustCompile(`(?:^|\D)(?:19|20)\d\d(?:\D|$)|\d{1,2}[./]\d{1,2}[./]\d{2,4}|\d{1,2}\. ?\d{1,2}\. ?\d{2}(?:\D|$)`)
	bracketedAddress = regexp.MustCompile(`<\s?[^\s<>]+@[^\s<>]+\s?>`)
	timeOfDay        = regexp.MustCompile(`\d{1,2}[:.h]\d{2}`)
	zohoRuler        = regexp.MustCompile(`^-{3,}\s*\S.*-{3,}$`)
)

// isAttribution tells whether s may be an attribution, good above quoted lines, and whether it is
// surely one, good without them.
func isAttribution(s string) (ok, sure bool) {
	s = latinDigits(strings.TrimRight(s, " \u00a0\u200e\u200f"))
	address := anAddress.MatchString(s)
	year := yearOrDate.MatchString(s)
	clock := timeOfDay.MatchString(s)
	begins := attributionOpener.FindStringIndex(s)
	opens := begins != nil && begins[0] == 0
	words := len(strings.Fields(s))
	if strings.HasSuffix(s, ":") && opens && year && clock && address {
		return true, true // whatever the words for "wrote"
	}
	verb := wrote.MatchString(s)
	if zohoRuler.MatchString(s) {
		return verb, verb && (address || year || strings.Contains(s, ": ---"))
	}
	if strings.HasSuffix(s, ">") { // "2011/4/7 Maria <maria@example.org>"
		return year && address && s[0] >= '0' && s[0] <= '9' && len(s) < 160, false
	}
	if !strings.HasSuffix(s, ":") && !strings.HasSuffix(s, "：") { // "Maria maria@example.org – 2 March 2026 10:00"
		return year && clock && address && words < 12, false
	}
	switch {
	case verb && year && (clock || address):
		return true, true
	case verb && address && len(s) < 200:
		return true, true
	case year && clock && address: // "2020-03-12 10:00 GMT+01:00 Maria <maria@example.org>:"
		return true, opens || words < 16 && bracketedAddress.MatchString(s) || words < 9
	case year && clock && opens && words < 14:
		return true, false
	case address && words < 8: // "Quoting Maria <maria@example.org>:"
		return true, false
	case verb && len(s) < 120 && strings.Count(s, " ") < 12:
		return true, false // "Maria wrote:", good only above quoted lines
	}
	return false, false
}

// latinDigits writes the digits of Arabic and Persian as 0 to 9.
func latinDigits(s string) string {
	if isASCII([]byte(s)) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case '٠' <= r && r <= '٩':
			return r - '٠' + '0'
		case '۰' <= r && r <= '۹':
			return r - '۰' + '0'
		}
		return r
	}, s)
}

// The labels of header blocks, by kind.
var headerLabels = func() map[string]byte {
	m := map[string]byte{}
	for kind, labels := range map[byte]string{
		'f': "from|von|de|da|van|od|feladó|от|från|fra|lähettäjä|kimden|gönderen|від|από|发件人|寄件者|寄件人|差出人|보낸 사람|expéditeur|expediteur|remitente|mittente|afzender|remetente|nadawca|absender|отправитель|odesílatel|odosielateľ|pošiljatelj|de la|dari|từ|מאת|من|送信者|desde|saatja|no|nuo|보낸사람|expedido por",
		'd': "sent|date|gesendet|datum|envoyé|envoyé le|envoye|enviado|enviado el|enviada|enviada em|fecha|data|inviato|verzonden|wysłano|wysłane|data wysłania|elküldve|küldve|dátum|отправлено|дата|skickat|sendt|lähetetty|päiväys|gönderildi|tarih|odesláno|odoslané|poslano|trimis|dată|εστάλη|ημερομηνία|发送时间|发送日期|日期|寄件日期|傳送時間|送信日時|日時|보낸 날짜|날짜|надіслано|изпратено|dato|päivämäärä|gesendet am|date d'envoi|dikirim|ngày|đã gửi|נשלח|تاريخ|التاريخ|تم الإرسال|تاريخ الإرسال|أُرسلت|أرسلت|saadetud|nosūtīts|išsiųsta|enviat|enviat el|보낸 시간|寄件時間|data|dátum odoslania",
		't': "to|an|à|a|para|aan|do|címzett|кому|komu|za|per a|kam|adressaat|ke|tới|받는사람|catre|till|til|vastaanottaja|kime|alıcı|komu|către|προς|收件人|收件者|宛先|받는 사람|destinataire|destinatario|ontvanger|destinatário|adresat|empfänger|pro|до|za|prima|kepada|đến|אל|إلى|naar|получатель",
		's': "subject|betreff|objet|asunto|oggetto|onderwerp|assunto|temat|tárgy|тема|ämne|emne|aihe|konu|předmět|predmet|subiect|θέμα|主题|主題|标题|件名|제목|subjekt|tema|subyek|perihal|chủ đề|נושא|موضوع|الموضوع|objecte|assumpte|относно|zadeva|主旨|teema|tēma|υπόθεση",
		'c': "cc|kopie|copie|copia|kopia|cc:|копия|kopio|bilgi|másolat|抄送|副本|참조|reply-to|antwort an|importance|priority|wichtigkeit|attachments|anlagen|répondre à|responder a|dw|kopi|cópia|másolatot kap|organization",
	} {
		for l := range strings.SplitSeq(labels, "|") {
			m[l] = kind
		}
	}
	return m
}()

// headerLabel tells which header a line shows ("From: …", "**Von:** …"), 0 if none, and its value.
func headerLabel(l string) (byte, string) {
	l = strings.TrimLeft(l, "> \t")
	if len(l) > 2000 {
		return 0, ""
	}
	l = strings.TrimSpace(strings.TrimLeft(l, "*_•· "))
	head := l[:min(len(l), 60)]
	i := strings.IndexByte(head, ':')
	if j := strings.Index(head, "："); j >= 0 && (i < 0 || j < i) {
		i = j
	}
	if i < 1 {
		return 0, ""
	}
	label := strings.ToLower(strings.TrimSpace(strings.Trim(l[:i], "*_ \u00a0\t")))
	kind := headerLabels[label]
	if kind == 0 {
		return 0, ""
	}
	v := strings.TrimPrefix(strings.TrimPrefix(l[i:], "："), ":")
	return kind, strings.TrimSpace(strings.TrimLeft(v, "*_ \u00a0\t"))
}

// headerBlock tells whether line i begins the header that Outlook and others put above a quoted
// mail: the sender, and two more of date, recipient and subject.
func (q *quoteFinder) headerBlock(i int) bool {
	kind, value := headerLabel(q.lines[i])
	if kind != 'f' && kind != 'd' && kind != 's' && kind != 't' || value == "" && i+1 >= len(q.lines) {
		return false
	}
	seen := map[byte]bool{kind: true}
	other := 0
	told := tellsWho(value) // or when, as people's "From: floor 3" does not
	for j := i + 1; j < len(q.lines) && j < i+14; j++ {
		l := strings.TrimSpace(q.lines[j])
		if l == "" {
			if len(seen) == 1 && j > i+1 {
				break
			}
			continue
		}
		told = told || tellsWho(l)
		if k, _ := headerLabel(l); k != 0 {
			seen[k] = true
			other = 0
		} else if other++; other > 2 {
			break
		}
	}
	return told && seen['f'] && (seen['d'] || seen['t']) && (seen['s'] || seen['t'] && seen['d'])
}

// tellsWho tells whether a line of a header names an address or a date.
func tellsWho(l string) bool {
	return anAddress.MatchString(l) || yearOrDate.MatchString(latinDigits(l))
}

// notesBlock tells whether line i begins the header of Lotus Notes: sender and time on lines without
// labels, then labels and values on lines of their own.
func (q *quoteFinder) notesBlock(i int) bool {
	if len(q.lines[i]) > 160 || !strings.Contains(q.lines[i], "@") || !anAddress.MatchString(q.lines[i]) {
		return false
	}
	at, labels := 0, map[byte]bool{}
	for j := i + 1; j < len(q.lines) && at < 9; j++ {
		l := strings.TrimSpace(plainMarkdown(q.lines[j]))
		if l == "" {
			continue
		}
		if at++; at == 1 && (len(l) > 40 || !yearOrDate.MatchString(l) || !timeOfDay.MatchString(l)) {
			return false
		}
		labels[headerLabels[strings.ToLower(l)]] = true
	}
	return labels['t'] && labels['s']
}

var (
	originalPhrase = anyOf(`(?i)^(?:original|replied message|mail original|original[ -]?(?:message|mail|e-?mail|nachricht|appointment)|reply message|antwort nachricht|ursprüngliche (?:nachricht|mail|e-?mail)|originalnachricht|urspr\. nachricht|message d['’]origine|message original|mensaje original|messaggio originale|oorspronkelijk bericht|origineel bericht|mensagem original|(?:oryginalna wiadomość|wiadomość oryginalna)|eredeti üzenet|исходное сообщение|оригинальное сообщение|původní (?:zpráva|e-?mail)|pôvodná správa|ursprungligt meddelande|originalmeddelande|oprindelig (?:meddelelse|besked)|opprinnelig melding|alkuperäinen viesti|orijinal (?:[iİ]leti|mesaj)|özgün [iİ]leti|mesaj original|mesajul original|αρχικό μήνυμα|оригинално съобщение|(?:початкове|оригінальне|вихідне) повідомлення|izvorna poruka|izvirno sporočilo|原始(?:邮件|郵件)|元のメッセージ|원본 메시지|missatge original|pesan asli|הודעה מקורית|الرسالة الأصلية)$`)

	forwardPhrase = anyOf(`(?i)^(?:(?:begin )?forwarded (?:message|by .*|mail|email)|weitergeleitete nachricht|anfang der weitergeleiteten (?:nachricht|e-?mail)|message (?:transféré|réexpédié|transmis)|début du message (?:réexpédié|transféré)|mensaje reenviado|inicio del mensaje reenviado|messaggio inoltrato|inizio messaggio inoltrato|inizio del messaggio inoltrato|doorgestuurd bericht|begin doorgestuurd bericht|mensagem (?:encaminhada|reencaminhada)|início da mensagem (?:encaminhada|reencaminhada)|(?:przekazana wiadomość|wiadomość przekazana|treść przekazanej wiadomości)|továbbított (?:üzenet|levél)|пересылаемое сообщение|перенаправленное сообщение|начало переадресованного сообщения|vidarebefordrat (?:meddelande|mail)|videresendt (?:meddelelse|besked|melding)|välitetty viesti|přeposlaná zpráva|preposlaná správa|iletilmiş mesaj|iletilen mesaj|mesaj redirecționat|προωθημένο μήνυμα|препратено съобщение|переслане повідомлення|转发的邮件|轉寄郵件|転送メッセージ|전달된 메시지)\s*:?$`)
)

// answerAbove tells the line that ticket systems put between an answer and what it answers.
func answerAbove(l string) bool {
	if len(l) > 200 {
		return false
	}
	return aboveLine.MatchString(l)
}

const answerWords = `(?:reply|write|type|respond|answer)`

var aboveLine = anyOf(`(?i)` + answerWords + `.*above th(?:is|e) line|above th(?:is|e) line.*` + answerWords +
	`|(?:oberhalb|über) dieser (?:linie|zeile)|au-dessus de cette ligne|encima de esta línea|sopra questa (?:linea|riga)|boven deze (?:regel|lijn)`)

// phraseOf takes the dashes off a ruler with words in it: "-----Original Message-----".
func phraseOf(l string) (phrase string, ruled bool) {
	l = strings.ReplaceAll(plainMarkdown(l), "&nbsp;", " ")
	p := strings.Trim(l, "-_=— \u00a0*>")
	return p, strings.HasPrefix(l, "--") || strings.HasPrefix(l, "__") || strings.HasPrefix(l, "==") || strings.HasPrefix(l, "——")
}

func originalMark(l string) bool {
	if len(l) > 160 {
		return false
	}
	p, ruled := phraseOf(l)
	return ruled && originalPhrase.MatchString(strings.TrimRight(p, ": "))
}

func forwardMark(l string) bool {
	if len(l) > 160 {
		return false
	}
	p, ruled := phraseOf(l)
	return (ruled || strings.HasSuffix(p, ":")) && forwardPhrase.MatchString(p)
}

// cutSignature takes off what stands below "-- ", the line that a telephone adds, and a closing
// phrase with the few lines of name and address below it.
func cutSignature(lines []string) []string {
	lines = trimEmpty(lines)
	const most = 25 // lines of a signature
	for i, l := range lines {
		strict := l == "-- "
		if !strict && strings.TrimRight(l, " \t") != "--" {
			continue
		}
		if i > 0 && (len(lines)-i <= most || strict) && !blank(lines[:i]) {
			lines = trimEmpty(lines[:i])
			break
		}
	}
	for range 3 {
		n := len(lines)
		if n == 0 {
			break
		}
		l := plainMarkdown(strings.TrimSpace(lines[n-1]))
		if len(l) < 160 && deviceLine.MatchString(l) && (!pronoun.MatchString(l) || excuse.MatchString(l)) && !blank(lines[:n-1]) {
			lines = trimEmpty(lines[:n-1])
			continue
		}
		if above := cutDisclaimer(lines); !blank(above) && len(above) < n {
			lines = above
			continue
		}
		break
	}
	return cutClosing(lines)
}

// A line that begins like a device's and goes on like a sentence: "Sent from my phone I cannot open
// it." But "Sent from my phone, please excuse my typos".
var (
	pronoun = regexp.MustCompile(`(?i)\s(?:i|we|you|he|she|they|it)\s`)
	excuse  = regexp.MustCompile(`(?i)excuse|typos?\b|brevity|autocorrect`)
)

// cutDisclaimer takes off a last paragraph of the kind that lawyers put below all mail.
func cutDisclaimer(lines []string) []string {
	begin := len(lines)
	for begin > 0 && strings.TrimSpace(lines[begin-1]) != "" {
		begin--
	}
	if len(lines)-begin > 30 {
		return lines
	}
	p := strings.Join(lines[begin:], " ")
	if strings.Contains(p, "  ") || strings.ContainsFunc(p, func(r rune) bool { return r != ' ' && unicode.IsSpace(r) }) {
		p = strings.Join(strings.Fields(p), " ")
	}
	if p = strings.TrimSpace(p); len(p) < 90 || len(p) > 4000 || !disclaimer.MatchString(p) {
		return lines
	}
	return trimEmpty(lines[:begin])
}

var disclaimer = anyOf(`(?i)^(?:[*_\s]*(?:confidentiality notice|disclaimer|legal notice|important notice|avis de confidentialité|aviso legal|aviso de confidencialidad|rechtlicher hinweis|hinweis)\W+)?(?:` +
	`(?:this|the information (?:contained )?in this|the contents? of this|information in this) (?:e-?mail|message|communication|transmission)\b.{0,200}(?:confidential|privileged|intended (?:only |solely |exclusively )?for|intended recipient|named recipient)|` +
	`(?:please )?(?:consider|think of) the environment before printing|` +
	`diese (?:e-?mail|nachricht|mitteilung)\b.{0,200}(?:vertraulich|rechtlich geschützt|adressat)|` +
	`(?:ce|cet|cette) (?:message|courriel|e-?mail|mail|courrier)\b.{0,200}(?:confidentiel|destinataire)|` +
	`est[ea] (?:mensaje|correo|e-?mail|comunicación)\b.{0,200}(?:confidencial|destinatari)|` +
	`(?:quest[oa] (?:messaggio|e-?mail|comunicazione)|le informazioni contenute)\b.{0,200}(?:riservat|confidenzial|destinatari)|` +
	`esta (?:mensagem|e-?mail|comunicação)\b.{0,200}(?:confidencia|destinatári)|` +
	`(?:dit|deze) (?:bericht|e-?mail|mail)\b.{0,200}(?:vertrouwelijk|bestemd|geadresseerde)|` +
	`(?:ta|ten|niniejsza|niniejszy|treść tej) (?:wiadomość|e-?mail|wiadomości)\s.{0,200}(?:poufn|adresat)|` +
	`(?:detta|dette|denne) (?:meddelande|e-?post\S*|e-?mail\S*|mail|meddelelse|melding)\b.{0,200}(?:konfidentiel|fortrolig|avsett|avsedd|bestemt|beregnet)|` +
	`(?:ez az|jelen) (?:üzenet|e-?mail|levél)\b.{0,200}(?:bizalmas|címzett)|` +
	`(?:настоящ|данн|это|эта|цей|це)\S* (?:электронн\S* |електронн\S* )?(?:сообщени|письмо|повідомлення|лист).{0,200}(?:конфиденциальн|конфіденційн))`)

func trimEmpty(lines []string) []string {
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

func blank(lines []string) bool {
	for _, l := range lines {
		if strings.TrimSpace(l) != "" {
			return false
		}
	}
	return true
}

const devices = `(?:i-?(?:phon|pad|pod)\w*|android\w*|blackberry|galaxy|samsung\w*|huawei|xiaomi|redmi|oneplus|nokia|pixel|motorola|xperia|windows(?:[ -]?(?:phone|mail|10|11))?|mobile?|mobil\w*|mobiele?|móvil|cellulare|telefon\w*|téléphone|telefoon|telemóvel|celular|komórki|(?:cell ?|my )?phone|apple watch|smart-?phone\w*|smartfon\w*|tablet\w*|handy|handheld|outlook|yahoo|gmail|proton ?mail|aol|mail\.ru|tuta(?:nota)?|mailbird|spark|superhuman|k-9|fairemail|bluemail|edison|zoho|airmail|mac|macbook|айфона?|телефона|смартфона|почты|gmx|web\.de|t-online|orange|free|laposte|myMail|wp|o2|onet)`

var deviceLine = anyOf(`(?i)^(?:` +
	`sent (?:from|via|with|using|by)\b.*\b` + devices + `\b.*|` +
	`(?:get|download) outlook for \S+.*|(?:skaffa|hent|skaff deg|hanki|získat|získejte|descărcați|obțineți|отримати|завантажити|λήψη του|获取|下载|取得|下載|تنزيل|الحصول على|קבל את) .*\boutlook\b.*|(?:ios|android).*outlook.*(?:入手|받기|edinin|取得)|取得 .*outlook|.*\boutlook\b.*<?https?://aka\.ms/\S*|outlook (?:für|pour|para|per|voor|dla) .*|(?:holen sie sich|laden sie|obtenir|télécharger|obtener|descargar|obtenha o|obter o|baixar o|scarica|ottieni|pobierz(?: program)?|download) outlook .*|outlook voor \S+ downloaden|az? outlook .* beszerzése|скачать outlook.*|` +
	`(?:el)?küldve .*\b` + devices + `.*|(?:von|vom|aus|mit)\b.*\b` + devices + `\b.*(?:gesendet|geschickt|verschickt|versandt|versendet|getippt).*|(?:gesendet|geschickt|verschickt) (?:von|vom|mit|aus|über)\b.*\b` + devices + `\b.*|diese nachricht wurde von meinem .* gesendet.*|` +
	`envoyé (?:de|depuis|à partir|avec|via)\b.*\b` + devices + `\b.*|` +
	`enviado (?:desde|con|de|do|pelo|a partir|via|com)\b.*\b` + devices + `\b.*|` +
	`inviato (?:da|dal|con|tramite)\b.*\b` + devices + `\b.*|` +
	`(?:verzonden|verstuurd) (?:vanaf|van|met|via|vanuit)\b.*\b` + devices + `\b.*|` +
	`wysłan[eoy] z.*\b` + devices + `.*|` +
	`.*\b` + devices + `.*(?:küldve|elküldve|küldöm|gönderildi)\.?|` +
	`отправлено (?:с|из|от)\s.*|надіслано (?:з|із)\s.*|изпратено от .*|` +
	`(?:skickat|sendt|sent) (?:från|fra) (?:min|mitt|mit) .*\b` + devices + `\b.*|lähetetty .*` + devices + `.*|odesláno z .*|odoslané z .*|poslan[oa] (?:s|z|sa|iz) .*` + devices + `.*|trimis de pe .*|στάλθηκε από .*|` +
	`发自我的.*|發自我的.*|從我的 ?.* ?傳送|从我的.*发送|.*から送信|나의 .*에서 보냄|내 .*에서 보냄|đã gửi từ .*|dikirim dari .*|أُرسلت من .*|תם נשלח.*|נשלח מ.*|(?:تم الإرسال|مُ?رسل[ةه]?) من .*|ส่งจาก.*|saadetud minu .*|išsiųsta iš .*|nosūtīts no .*|enviat des .*` + devices + `.*` +
	`)$`)

var closing = anyOf(`(?i)^(?:(?:with |my |our |many |very )?(?:best|kind|kindest|warm|warmest|friendly)(?: personal)? (?:regards|wishes)|(?:best )?regards|(?:thanks|thank you|many thanks)(?: and|,|, and| &)? (?:best |kind )?regards|all (?:the|my) best|best|warmly|respectfully|with (?:best|kind) regards|rgds|br|kr|yours(?: sincerely| faithfully| truly)?|sincerely(?: yours)?|cheers|` +
	`(?:mit )?(?:(?:freundlichen?|besten?|herzlichen?|lieben?|vielen|schönen?|sonnigen?)(?:, \S+)? )(?:grüßen|grüße|gruß|gruss|grüsse|grüssen|gruessen|gruesse)(?: aus \S+)?|(?:viele|beste|liebe|herzliche|schöne|freundliche) (?:grüße|grüsse|gruesse)(?: aus \S+)?|mfg|lg|vg|hochachtungsvoll|` +
	`(?:bien )?cordialement|(?:bien |très )?(?:cordialement|sincèrement) (?:vôtre|à vous)|(?:meilleures|sincères|cordiales) salutations|salutations distinguées|bien à vous|amicalement|` +
	`(?:un )?(?:saludo|saludos|abrazo)(?: cordial| cordiales)?|(?:cordiales|atentos) saludos|atentamente|` +
	`(?:cordiali|distinti|cari|migliori) saluti|(?:un )?cordiale saluto|cordialmente|saluti|` +
	`(?:met )?(?:vriendelijke|hartelijke|beste|de) groet(?:en)?|met vriendelijke groet(?:en)?|groet(?:en|jes)?|hoogachtend|mvg|` +
	`(?:com os )?(?:melhores|meus|atenciosos) cumprimentos|cumprimentos|atenciosamente|(?:um )?abraço|abraços|att|` +
	`pozdrawiam(?: serdecznie)?|z poważaniem|(?:serdecznie )?pozdrawiam|z wyrazami szacunku|serdeczne pozdrowienia|` +
	`(?:szívélyes )?üdvözlettel|tisztelettel|üdv|üdvözlet|` +
	`с уважением|с наилучшими пожеланиями|всего доброго|з повагою|` +
	`(?:med )?(?:vänliga?|venlig|vennlig|bästa|bedste|beste|de bedste) (?:hälsningar|hälsning|hilsen|hilsner)|mvh|hälsningar|hilsen|ystävällisin terveisin|terveisin|` +
	`s pozdravem|s přátelským pozdravem|s pozdravom|saygılarımla|saygılar|cu stimă|cu respect|με εκτίμηση|φιλικά|parhain terveisin|vänligen|з найкращими побажаннями|iyi çalışmalar|selamlar|saludos atentos|bestens|בברכה|בכבוד רב|مع (?:أطيب )?التحيات|تحياتي|مع خالص التحية|此致|敬礼|此致敬礼|敬上|謹啟|此致 敬禮|祝好|よろしくお願い(?:いた|致)?します|顺祝商祺|敬具|trân trọng|thân mến|salam|hormat kami|hormat saya|s úctou|hezký den|med venlig hilsen|с поздрав|s poštovanjem|lep pozdrav|lp)$`)

// cutClosing cuts a closing phrase with a name and a few short lines below it, at the end of the
// text. A phrase alone stays, and so does one with prose below.
func cutClosing(lines []string) []string {
	const most = 8
	n := len(lines)
	for i := n - 1; i > 0 && i >= n-2*most; i-- {
		l := strings.TrimRight(plainMarkdown(strings.TrimSpace(lines[i])), " ,.!;。、，！")
		if len(l) > 60 || !closing.MatchString(l) {
			continue
		}
		below := 0
		for _, m := range lines[i+1:] {
			m = strings.TrimSpace(m)
			if m == "" {
				continue
			}
			below++
			if prose(m) {
				return lines
			}
		}
		if below == 0 || below > most || blank(lines[:i]) {
			return lines
		}
		return trimEmpty(lines[:i])
	}
	return lines
}

// prose tells a sentence from a line of a signature.
func prose(l string) bool {
	if postscript.MatchString(l) || len(l) > 90 && !strings.Contains(l, "|") && !strings.Contains(l, "://") {
		return true
	}
	last, _ := utf8.DecodeLastRuneInString(l)
	switch last {
	case '?', '。', '？', '！', '؟':
		return true
	}
	if strings.ContainsAny(l, "@|") {
		return false
	}
	small := 0 // words that are no names
	for w := range strings.FieldsSeq(l) {
		if r, _ := utf8.DecodeRuneInString(w); unicode.IsLower(r) && !strings.Contains(w, ".") || unicode.IsLower(r) && strings.HasSuffix(w, ".") {
			small++
		}
	}
	return small > 3 || small > 1 && (last == '.' || last == '!' || last == '…')
}

var postscript = regexp.MustCompile(`(?i)^(?:p\.? ?p?\.?s\b\.?|n\.?b\.|pd\s?:|з\.ы|ps)`)

// isForward tells by its subject that a mail was forwarded, not answered.
func isForward(subject string) bool { return forwardSubject.MatchString(subject) }

var forwardSubject = anyOf(`(?i)^\s*(?:\[[^\]]*\]\s*)?(?:fwd?|wg|weitergeleitet|tr|rv|reenv|i|enc|doorst|pd|vb|továbbítás|továbbítva|tov|пересл|fw|trs|transf|ilt|vl|přep|prep|転送|转发|轉寄|전달)\s*:`)

// forwardedSender finds who wrote the mail that is forwarded in text: the first header block, below
// a mark or not.
func forwardedSender(text string) ticketing.Address {
	q := quoteFinder{lines: strings.Split(clip(text, 64<<10), "\n")}
	for i, l := range q.lines {
		kind, value := headerLabel(l)
		if kind != 'f' || !q.headerBlock(i) {
			continue
		}
		if value == "" && i+1 < len(q.lines) {
			value = strings.TrimSpace(q.lines[i+1])
		} else if i+1 < len(q.lines) && !strings.Contains(value, "@") {
			// "From: Maria Kovács\n <maria@example.org>"
			if next := strings.TrimSpace(q.lines[i+1]); strings.HasPrefix(next, "<") || strings.HasPrefix(next, "[") {
				value += " " + next
			}
		}
		if a := writtenAddress(value); a.Addr != "" {
			return a
		}
	}
	return ticketing.Address{}
}

var writtenBrackets = strings.NewReplacer("[mailto:", "<", "]", ">", "[", "<", "<<", "<", ">>", ">", "**", "", "＜", "<", "＞", ">")

// writtenAddress reads an address as people and programs write it into a text:
// "Maria <maria@x>", "Maria [mailto:maria@x]", "[maria@x](mailto:maria@x)".
func writtenAddress(s string) ticketing.Address {
	s = markdownLink.ReplaceAllStringFunc(s, func(l string) string {
		m := markdownLink.FindStringSubmatch(l)
		if addr, ok := strings.CutPrefix(m[2], "mailto:"); ok && !strings.Contains(m[1], "@") {
			return m[1] + " <" + addr + ">"
		}
		return m[1]
	})
	s = writtenBrackets.Replace(s)
	if i := strings.LastIndex(s, "<mailto:"); i > 0 && strings.Contains(s[:i], "@") {
		s = s[:i]
	}
	a := first(addresses([]string{s}))
	a.Name = strings.TrimFunc(a.Name, func(r rune) bool { return unicode.IsSpace(r) || r == '<' || r == '>' })
	return a
}
