// Package dates finds a time in what people write: "call Ann tomorrow 10:00", "morgen um 10 Uhr",
// "until Thursday".
//
// It looks for the shapes of dates, and never takes other words for one ("May I ask Bob"). What day is
// meant is github.com/markusmobius/go-dateparser's to say, in several languages; the time of day, dates that
// are written in digits, and what else that library gets wrong, is read here. Who uses it shows what was
// understood before it counts.
package dates

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	dateparser "github.com/markusmobius/go-dateparser"
	"github.com/markusmobius/go-dateparser/date"
)

// Found is a time that stands in a text.
type Found struct {
	At    time.Time // in the zone of the present that it was found for; it may lie in the past
	Day   bool      // a day without a time of day: At is its morning
	Words string    // what was understood
	Rest  string    // the text without them
}

// Morning is the hour that stands for a day without a time.
const Morning = 9

const (
	months = `jan(?:uary|uar|vier)?|jän(?:ner)?|feb(?:ruary|ruar)?|févr(?:ier)?|mar(?:ch|s|zo)?|märz|apr(?:il)?|avril|mayo|maggio|may|mai|juni|juin|junio|june?|giugno|juli|juillet|julio|july?|luglio|aug(?:ust)?|août|agosto|sept?(?:ember|embre)?|septiembre|settembre|oct(?:ober|obre)?|okt(?:ober)?|octubre|ottobre|nov(?:ember|embre)?|noviembre|dec(?:ember)?|dez(?:ember)?|déc(?:embre)?|diciembre|dicembre`
	// weekdays are written in full: "sat" and "so" are words, too.
	weekdays    = `monday|tuesday|wednesday|thursday|friday|saturday|sunday|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|sonntag|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes|miércoles|jueves|viernes|sábado|domingo|lunedì|martedì|mercoledì|giovedì|venerdì|sabato|domenica|maandag|dinsdag|woensdag|donderdag|vrijdag|zaterdag|zondag`
	abbreviated = `mon|tues?|wed|thu(?:rs?)?|fri|sat|sun|mo|di|mi|do|fr|sa|so`
	// short are weekdays before a time of day: of two letters only with a capital.
	short    = `mon|tues?|wed|thu(?:rs?)?|fri|sat|sun|(?-i:Mo|Di|Mi|Do|Fr|Sa|So)`
	relative = `day after tomorrow|tomorrow|tomm?orr?ow|tmrw|tmr|today|yesterday|übermorgen|uebermorgen|heute|morgen|gestern|après-demain|demain|aujourd'hui|pasado mañana|mañana|hoy|dopodomani|domani|oggi|overmorgen|vandaag`
	numbers  = `\d{1,2}[.,]5\s*|\d{1,3}\s*|(?:an?|one|two|three|four|five|six|ten|half an|(?:einer\s+)?halben|eineinhalb|anderthalb|eine[rmn]?|zwei|drei|vier|fünf|sechs|zehn|une?|una|deux|trois|dos|tres|due|tre|een|twee|drie)\s+`
	// units: the longer of two that begin alike stands first.
	units    = `minuten|minutes?|minutos?|minut[oi]|mins?|hours?|horas?|heures?|hrs?|stunden?|uur|or[ae]|h|days?|tag(?:en|e)?|jours?|días?|giorn[oi]|dagen|dag|weeks?|wochen?|semaines?|semanas?|settiman[ae]|weken|months?|monat(?:en|e)?|mois`
	next     = `next|this|coming|nächste[nrsm]?|naechste[nrsm]?|kommende[nrsm]?|diese[nrsm]?`
	parts    = `morning|noon|midday|afternoon|evening|night|morgens?|früh|vormittags?|mittags?|nachmittags?|abends?`
	before   = `at|on|by|until|till|before|um|am|bis|vor|gegen|ab|den|der|zum|le|el|à|om|op|@`
	english  = `one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve`
	german   = `eins|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf`
	hours    = english + `|` + german
	daytimes = `morgens|früh|vormittags|nachmittags|abends` // "morgen" behind a time is the next day
	// clock: an hour in a word needs more words to be one. Of a range the beginning counts.
	clock = `(?:(?:between|from|zwischen|von)\s+(?:\d{1,2}|` + hours + `)\s+(?:and|to|und|bis)\s+)?` +
		`(?:(?:\d{1,2}[:h]\d{2}(?:\s?(?:uhr|h|[ap]\.?m\.?))?|\d{1,2}\.\d{2}\s?(?:uhr|h|[ap]\.?m\.?)|\d{1,2}\s?(?:uhr|o'clock|h|[ap]\.?m\.?)` +
		`|(?:half\s+past|quarter\s+(?:past|to))\s+(?:\d{1,2}|` + english + `)(?:\s?[ap]\.?m\.?)?|(?:halb|viertel\s+(?:nach|vor))\s+(?:\d{1,2}|` + german + `)(?:\s+uhr)?` +
		`|(?:` + english + `)(?:\s+o'clock|\s?[ap]\.?m\.?)|(?:` + german + `|ein)\s+uhr)(?:\s+(?:` + daytimes + `|in\s+the\s+(?:morning|afternoon|evening)|at\s+night))?` +
		`|(?:\d{1,2}|` + german + `)\s+(?:` + daytimes + `))`
	// endOf: the last day of a span.
	endOf = `(?:the\s+)?end\s+of\s+(?:(?:(?:the|this|next|coming)\s+)*(?:week|month|year)|(?:` + months + `)\.?(?:\s+\d{4})?)` +
		`|ende\s+(?:(?:(?:der|dieser|nächste[rn]?|kommende[rn]?)\s+)*woche|(?:(?:des|diese[sn]|nächsten|kommenden)\s+)+(?:monats|jahres)|(?:` + months + `)\.?(?:\s+\d{4})?)|(?:monats|jahres)ende`
	named    = `\d{1,2}(?:st|nd|rd|th|\.|er)?\s+(?:of\s+|de\s+)?(?:` + months + `)\.?(?:,?\s+\d{4})?|(?:` + months + `)\.?\s+\d{1,2}(?:st|nd|rd|th)?(?:,?\s+\d{4})?`
	dated    = `\d{4}-\d{1,2}-\d{1,2}|\d{1,2}\.\s?\d{1,2}\.(?:\s?\d{4}|\d{2})?|\d{1,2}/\d{1,2}(?:/\d{4}|/\d{2})?|` + named
	nextWeek = `next week|nächste woche|kommende woche`
	day      = `(?P<end>` + endOf + `)|(?:(?:` + weekdays + `|` + abbreviated + `)\.?,?\s+(?:` + before + `\s+)?)?(?P<dated>` + dated + `)` +
		`|(?P<weekdayof>` + weekdays + `)\s+(?:` + nextWeek + `)|(?:` + nextWeek + `),?\s+(?:(?:` + before + `)\s+)?(?P<ofweek>` + weekdays + `)` +
		`|(?:(?P<next>` + next + `)\s+)?(?P<weekday>` + weekdays + `)|(?P<relative>(?:` + relative + `)\b)|(?P<tonight>tonight|this\s+(?:morning|afternoon|evening))|(?P<week>` + nextWeek + `)|(?P<month>next month|nächsten monat)` +
		`|(?P<in>(?:in|dans|en|tra|fra|over)\s+(?:` + numbers + `)(?:` + units + `))|(?P<fromnow>(?:` + numbers + `)(?:` + units + `))\s+from\s+now`
	sep = `,?\s+(?:(?:` + before + `)\s+)*`
)

// whole is a day with or without a time, a time and its day, or a time alone. Of a range the beginning counts. An hour
// in digits alone is one only where nothing follows.
var whole = regexp.MustCompile(`(?i)(?:(?:` + before + `)\s+)*(?:(?P<first>` + clock + `)` + sep + `)?(?:` + day + `)(?:,?\s+(?P<part>` + parts + `))?(?:` + sep + `(?P<clock>` + clock + `)` + until + `|,?\s+(?:at|um|@)\s*(?P<hour>\d{1,2})|\s+(?P<bare>\d{1,2})$)?` +
	`|(?:(?:` + before + `)\s+)*(?P<short>` + short + `)\.?` + sep + `(?P<shortclock>` + clock + `)` + until +
	`|(?:(?:` + before + `)\s+)*(?P<alone>` + clock + `)` + until +
	`|(?:at|um)\s+(?P<noon>noon|midday|mittag)`)

const until = `(?:\s?[-–]\s?(?:` + clock + `))?`

// Find finds the time in a text, as it is meant at now, in now's zone. Of several it is the last with a time of
// day, or else the last day. A day and a time that stand apart are one: "Freitag Ann anrufen, um 15 Uhr".
func Find(text string, now time.Time) (Found, bool) {
	var best, day, clock piece
	limit := len(text)
	for from := 0; from < limit; {
		at := whole.FindStringSubmatchIndex(text[from:limit])
		if at == nil && limit == len(text) {
			break
		}
		if at == nil {
			from, limit = limit, len(text)
			continue
		}
		p := piece{groups: groups(text[from:], at), start: from + at[0], end: from + at[1]}
		_, size := utf8.DecodeRuneInString(text[p.start:])
		next := p.start + size
		if before, behind := apart(text, p.start, p.end); before {
			ok := behind
			if ok {
				p.Found, ok = understand(p.groups, now)
			}
			switch cut := wordAt(text, p.end); {
			case !ok && cut > p.start && cut < limit: // perhaps without its last word
				from, limit = p.start, cut
				continue
			case ok && noTime.MatchString(text[:p.start]):
				next = p.end
			case ok && !otherwise(text, p):
				next = p.end
				switch {
				case p.Day:
					day = p
				case p.groups["alone"] != "" || p.groups["noon"] != "":
					clock = p
				default:
					best = p
				}
			}
		}
		from, limit = next, len(text)
	}
	switch {
	case best.end > 0:
		return best.in(text), true
	case clock.end > 0 && day.end > 0:
		h, m, _ := clock.At.Clock()
		y, month, d := day.At.Date()
		both := Found{At: time.Date(y, month, d, h, m, 0, 0, now.Location())}
		first, last := day, clock
		if clock.start < day.start {
			first, last = clock, day
		}
		both.Words = first.in(text).Words + " … " + last.in(text).Words
		both.Rest = without(without(text, last.start, last.end), first.start, first.end)
		return both, true
	case clock.end > 0:
		return clock.in(text), true
	}
	return day.in(text), day.end > 0
}

// piece is a time that stands somewhere in a text.
type piece struct {
	Found
	groups     map[string]string
	start, end int
}

func (p piece) in(text string) Found {
	p.Words, p.Rest = strings.TrimSpace(text[p.start:p.end]), without(text, p.start, p.end)
	return p.Found
}

// wordAt is where the word begins that goes on at a place.
func wordAt(text string, at int) int {
	return len(strings.TrimRightFunc(text[:at], func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }))
}

// apart tells whether text[start:end] neither goes on a word or a number before it nor goes on behind it.
func apart(text string, start, end int) (before, behind bool) {
	joins := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '#' || r == '_' || r == '/'
	}
	b, _ := utf8.DecodeLastRuneInString(text[:start])
	a, _ := utf8.DecodeRuneInString(text[end:])
	last, _ := utf8.DecodeLastRuneInString(text[:end])
	return (start == 0 || !joins(b)) && text[start:end] != "24/7", end == len(text) || !joins(a) || last == '.' && !unicode.IsDigit(a)
}

// Words that do not let something be a time.
var (
	// Before it: a greeting, the past; before a quarter what makes it a part of something.
	noTime    = regexp.MustCompile(`(?i)(?:^|\s)(?:good|guten|since|seit)\s*$`)
	noQuarter = regexp.MustCompile(`(?i)(?:^|\s)(?:an?|the|this|last|each|every|ein|das|dieses|letzte[sn]?|jedes)\s*$`)
	// Behind it: "Friday's", "vier Wochen", "week 12", "Monatsende-Brief"; "month statements".
	possessive = regexp.MustCompile(`(?i)^['’]s\b`)
	counted    = regexp.MustCompile(`(?i)^\s+(?:` + units + `)(?:$|\P{L})`)
	unended    = regexp.MustCompile(`(?i)^\s*(?:\d|-\pL)`)
	attribute  = regexp.MustCompile(`^\s*\pL`)

	quarter = regexp.MustCompile(`(?i)^(?:quarter|viertel)`)
	bareEnd = regexp.MustCompile(`(?i)^end\s+of\s+(?:week|month|year)$`)
)

// otherwise tells whether what looks like a time is something else: a quarter of something, a number of a week, "end
// of month statements".
func otherwise(text string, p piece) bool {
	before, words, behind := text[:p.start], text[p.start:p.end], text[p.end:]
	end := p.groups["end"] != ""
	return possessive.MatchString(behind) ||
		quarter.MatchString(words) && (noQuarter.MatchString(before) || counted.MatchString(behind)) ||
		end && (unended.MatchString(behind) || bareEnd.MatchString(words) && attribute.MatchString(behind))
}

// without is the text without what stands there, with its blanks and commas put right.
func without(text string, start, end int) string {
	left, right := strings.TrimRight(text[:start], " ,;\t\n"), strings.TrimLeft(text[end:], " ,;\t\n")
	return strings.TrimSpace(left + " " + right)
}

func groups(text string, at []int) map[string]string {
	all := map[string]string{}
	for i, name := range whole.SubexpNames() {
		if name != "" && at[2*i] >= 0 {
			all[name] = text[at[2*i]:at[2*i+1]]
		}
	}
	return all
}

// understand makes a time of the pieces.
func understand(g map[string]string, now time.Time) (f Found, ok bool) {
	if in := g["in"]; in != "" {
		return later(in, g, now)
	}
	if span := g["fromnow"]; span != "" {
		return later("in "+span, g, now)
	}
	h, m, timed := 0, 0, false
	if g["noon"] != "" {
		h, timed = 12, true
	}
	part := strings.ToLower(g["part"])
	for _, c := range []string{g["first"], g["clock"], g["shortclock"], g["alone"]} {
		if c != "" {
			if h, m, ok = readClock(c, part != ""); !ok {
				return f, false
			}
			timed = true
		}
	}
	if g["end"] != "" && g["bare"] != "" { // week 12
		return f, false
	}
	if hour := g["hour"] + g["bare"]; hour != "" {
		if h, _ = strconv.Atoi(hour); h > 23 {
			return f, false
		}
		if h > 0 && h < 7 && part == "" {
			h += 12 // nobody means the night
		}
		timed = true
	}
	if t := strings.ToLower(g["tonight"]); t != "" {
		part = strings.TrimPrefix(strings.Join(strings.Fields(t), " "), "this ")
	}
	if part != "" && !timed {
		h, timed = hourOf(part), true
	} else if h > 0 && h < 12 && late(part) {
		h += 12
	}
	d, ok := dayOf(g, now, h, m, timed)
	if !ok {
		return f, false
	}
	if !timed {
		h, m = Morning, 0
	}
	f = Found{At: time.Date(d.Year(), d.Month(), d.Day(), h, m, 0, 0, now.Location()), Day: !timed}
	if f.Day && sameDay(f.At, now) { // today, and perhaps no longer in the morning
		for _, hour := range []int{Morning, 17, 23} {
			if f.At = time.Date(d.Year(), d.Month(), d.Day(), hour, 0, 0, 0, now.Location()); f.At.After(now) {
				break
			}
		}
	}
	return f, true
}

var (
	halves    = regexp.MustCompile(`(half a|halben|eineinhalb|anderthalb|(\d+)[.,]5)`)
	spanParts = regexp.MustCompile(`^(.*?)(\d+)\s*(\pL+)$`)
	exact     = regexp.MustCompile(`^(?:min|h|stund|uur|or[ae]$)`) // units that count to the minute
)

// later is a span of time from now.
func later(in string, g map[string]string, now time.Time) (f Found, ok bool) {
	in = strings.ToLower(in)
	if p := spanParts.FindStringSubmatch(in); p != nil { // as the library knows it
		switch p[3] {
		case "h", "hr", "hrs":
			p[3] = "hours"
		case "min", "mins":
			p[3] = "minutes"
		}
		in = p[1] + p[2] + " " + p[3]
	}
	words := strings.Fields(in)
	unit := words[len(words)-1]
	switch {
	case halves.MatchString(in):
		p := halves.FindStringSubmatch(in)
		n, _ := strconv.Atoi(p[2])
		if p[1] == "eineinhalb" || p[1] == "anderthalb" {
			n = 1
		}
		return Found{At: now.Add(time.Duration(n)*time.Hour + 30*time.Minute)}, exact.MatchString(unit) && !strings.HasPrefix(unit, "min")
	case exact.MatchString(unit): // in real time: a clock that is changed at night does not count
		utc, ok := parse(strings.Join(words, " "), now.UTC())
		return Found{At: utc.Time.In(now.Location())}, ok && g["clock"] == ""
	}
	d, ok := parse(strings.Join(words, " "), now)
	if !ok {
		return f, false
	}
	h, m := Morning, 0
	if c := g["clock"]; c != "" {
		if h, m, ok = readClock(c, false); !ok {
			return f, false
		}
	}
	return Found{At: time.Date(d.Time.Year(), d.Time.Month(), d.Time.Day(), h, m, 0, 0, now.Location()), Day: g["clock"] == ""}, true
}

var (
	clockPieces = regexp.MustCompile(`^(?:(half|halb|(?:quarter|viertel)\s+(?:past|to|nach|vor))\s+(?:past\s+)?)?(\d{1,2}|` + hours + `|ein)(?:[:.h](\d{2}))?\s*(uhr|o'clock|h)?\s*([ap]\.?m\.?)?\s*(?:in\s+the|at)?\s*(\pL*)$`)
	ranged      = regexp.MustCompile(`^(?:between|from|zwischen|von)\s+(\S+)\s+(?:and|to|und|bis)\s+`)
	hourNames   = map[string]int{
		"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
		"ein": 1, "eins": 1, "zwei": 2, "drei": 3, "vier": 4, "fünf": 5, "sechs": 6, "sieben": 7, "acht": 8, "neun": 9, "zehn": 10, "elf": 11, "zwölf": 12,
	}
)

func hourNamed(s string) int {
	if h, ok := hourNames[s]; ok {
		return h
	}
	h, _ := strconv.Atoi(s)
	return h
}

// readClock reads a clock; parted: that it is a morning or an evening is said elsewhere.
func readClock(s string, parted bool) (h, m int, ok bool) {
	s = strings.ToLower(s)
	if from := ranged.FindStringSubmatch(s); from != nil {
		until, _, ok := readClock(s[len(from[0]):], parted)
		if h = hourNamed(from[1]); h+12 <= until { // "between 2 and 3 pm"
			h += 12
		}
		return h, 0, ok && h < 24
	}
	at := clockPieces.FindStringSubmatch(s)
	if at == nil {
		return 0, 0, false
	}
	lead, unit, half, part := at[1], at[4], strings.ReplaceAll(at[5], ".", ""), at[6]
	h = hourNamed(at[2])
	m, _ = strconv.Atoi(at[3])
	if h > 23 || m > 59 || (lead != "" || half != "") && (h < 1 || h > 12) {
		return 0, 0, false
	}
	m += h * 60
	switch {
	case lead == "half":
		m += 30
	case lead == "halb":
		m -= 30
	case strings.HasSuffix(lead, "past"), strings.HasSuffix(lead, "nach"):
		m += 15
	case lead != "":
		m -= 15
	}
	const noon, seven = 12 * 60, 7 * 60
	switch {
	case half == "am":
		m %= noon
	case half == "pm":
		m = m%noon + noon
	case part == "night" && m < 6*60:
	case late(part):
		m = m%noon + noon
	case part == "" && !parted && (lead != "" || unit == "o'clock") && m < seven:
		m += noon // nobody means the night
	}
	return m / 60 % 24, m % 60, true
}

// late tells whether a part of the day is in its second half.
func late(part string) bool {
	return part != "" && strings.Contains("tonight afternoon evening night nachmittag nachmittags abend abends", part)
}

// hourOf is when a part of the day is.
func hourOf(part string) int {
	switch strings.TrimSuffix(part, "s") {
	case "noon", "midday", "mittag":
		return 12
	case "afternoon", "nachmittag":
		return 15
	case "evening", "abend":
		return 18
	case "night", "tonight":
		return 20
	case "früh":
		return 8
	}
	return Morning
}

func sameDay(a, b time.Time) bool { return a.Format(time.DateOnly) == b.Format(time.DateOnly) }

// dayOf is the day that is meant.
func dayOf(g map[string]string, now time.Time, h, m int, timed bool) (time.Time, bool) {
	// ahead tells whether that time of a day is still to come; without a time the whole day is.
	ahead := func(d time.Time) bool {
		if !timed {
			return !d.Before(now) || sameDay(d, now)
		}
		return time.Date(d.Year(), d.Month(), d.Day(), h, m, 0, 0, now.Location()).After(now)
	}
	monday := now.AddDate(0, 0, 7-(int(now.Weekday())+6)%7) // of next week
	switch {
	case g["alone"] != "" || g["noon"] != "":
		if ahead(now) {
			return now, true
		}
		return now.AddDate(0, 0, 1), true
	case g["tonight"] != "":
		return now, true
	case g["week"] != "":
		return monday, true
	case g["end"] != "":
		return endOfSpan(g["end"], now)
	case g["month"] != "":
		return time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, now.Location()), true
	case g["weekdayof"]+g["ofweek"] != "":
		d, ok := parse(g["weekdayof"]+g["ofweek"], now)
		return monday.AddDate(0, 0, (int(d.Time.Weekday())+6)%7), ok
	case g["weekday"]+g["short"] != "":
		d, ok := parse(g["weekday"]+longer[strings.ToLower(g["short"])], now)
		if ok && g["next"] == "" && timed && d.Time.Weekday() == now.Weekday() && ahead(now) {
			return now, true
		}
		return d.Time, ok
	case g["relative"] != "":
		text := g["relative"]
		if misspelt.MatchString(text) {
			text = "tomorrow"
		}
		d, ok := parse(text, now)
		return d.Time, ok
	}
	text := strings.Join(strings.Fields(g["dated"]), " ")
	if t, err := time.ParseInLocation("2006-1-2", text, now.Location()); err == nil {
		return t, true
	}
	if p := digits.FindStringSubmatch(text); p != nil {
		return inDigits(p[1], p[2], p[3], now, ahead)
	}
	d, ok := parse(text, now)
	if today := d.Time.AddDate(-1, 0, 0); ok && sameDay(today, now) && !year.MatchString(text) && ahead(now) {
		return now, true // the library takes today's date for next year's
	}
	return d.Time, ok
}

var (
	misspelt = regexp.MustCompile(`(?i)^(?:tm|tom)`)
	digits   = regexp.MustCompile(`^(\d{1,2})[./]\s?(\d{1,2})(?:[./]\s?(\d{2,4})?)?$`)
	year     = regexp.MustCompile(`\d{4}`)
	longer   = map[string]string{
		"mon": "monday", "tue": "tuesday", "tues": "tuesday", "wed": "wednesday", "thu": "thursday", "thur": "thursday", "thurs": "thursday", "fri": "friday", "sat": "saturday", "sun": "sunday",
		"mo": "montag", "di": "dienstag", "mi": "mittwoch", "do": "donnerstag", "fr": "freitag", "sa": "samstag", "so": "sonntag",
	}
)

var endYear = regexp.MustCompile(`\s+(\d{4})$`)

// endOfSpan is the Friday of a week, or the last day of a month or a year.
func endOfSpan(words string, now time.Time) (time.Time, bool) {
	words = strings.ToLower(words)
	has := func(some ...string) bool {
		return slices.ContainsFunc(some, func(w string) bool { return strings.Contains(words, w) })
	}
	further := 0
	if has("next", "coming", "nächst", "kommend") {
		further = 1
	}
	last := func(year int, month time.Month) (time.Time, bool) {
		return time.Date(year, month+1, 0, 0, 0, 0, 0, now.Location()), true
	}
	switch {
	case has("week", "woche"):
		friday := now.AddDate(0, 0, 7*further+4-(int(now.Weekday())+6)%7)
		if friday.Before(now) { // it is the weekend
			friday = friday.AddDate(0, 0, 7)
		}
		return friday, true
	case has("month", "monat"):
		return last(now.Year(), now.Month()+time.Month(further))
	case has("year", "jahr"):
		return last(now.Year()+further, time.December)
	}
	year := 0
	if at := endYear.FindStringSubmatch(words); at != nil {
		year, _ = strconv.Atoi(at[1])
		words = strings.TrimSuffix(words, at[0])
	}
	month, ok := parse("1 "+words[strings.LastIndexAny(words, " \t\n")+1:], now)
	if !ok {
		return now, false
	}
	if year == 0 {
		if year = now.Year(); month.Time.Month() < now.Month() {
			year++
		}
	}
	return last(year, month.Time.Month())
}

// inDigits is a date that is written as day and month, or as month and day where it cannot be otherwise. Without a year
// it is the next that is ahead.
func inDigits(first, second, in string, now time.Time, ahead func(time.Time) bool) (time.Time, bool) {
	d, _ := strconv.Atoi(first)
	m, _ := strconv.Atoi(second)
	if m > 12 && d <= 12 {
		d, m = m, d
	}
	y, _ := strconv.Atoi(in)
	switch {
	case in == "":
		y = now.Year()
	case len(in) == 2:
		y += 2000
	case len(in) == 3:
		return time.Time{}, false
	}
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, now.Location())
	if in == "" && !ahead(t) {
		t = time.Date(y+1, time.Month(m), d, 0, 0, 0, 0, now.Location())
	}
	return t, t.Day() == d && t.Month() == time.Month(m)
}

// languages are tried one after the other.
var languages = [][]string{{"en", "de"}, {"fr", "es", "it", "nl"}}

// parse asks the library for a day, or a span from now.
func parse(text string, now time.Time) (date.Date, bool) {
	for _, l := range languages {
		d, err := dateparser.Parse(&dateparser.Configuration{
			Languages: l, CurrentTime: now, DefaultTimezone: now.Location(), PreferredDateSource: dateparser.Future, DateOrder: dateparser.DMY,
		}, text)
		if err == nil && (d.Period == date.Day || strings.Contains(text, "mon") || strings.Contains(text, "mois")) {
			d.Time = d.Time.In(now.Location())
			return d, true
		}
	}
	return date.Date{}, false
}
