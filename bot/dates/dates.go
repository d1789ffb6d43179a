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
	months = `jan(?:uary|uar|vier)?|jän(?:ner)?|feb(?:ruary|ruar)?|févr(?:ier)?|mar(?:ch|s|zo)?|märz|apr(?:il)?|avril|may|mai|mayo|maggio|june?|juni|juin|junio|giugno|july?|juli|juillet|julio|luglio|aug(?:ust)?|août|agosto|sept?(?:ember|embre)?|septiembre|settembre|oct(?:ober|obre)?|okt(?:ober)?|octubre|ottobre|nov(?:ember|embre)?|noviembre|dec(?:ember)?|dez(?:ember)?|déc(?:embre)?|diciembre|dicembre`
	// weekdays are written in full: "sat" and "so" are words, too.
	weekdays    = `monday|tuesday|wednesday|thursday|friday|saturday|sunday|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|sonntag|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes|miércoles|jueves|viernes|sábado|domingo|lunedì|martedì|mercoledì|giovedì|venerdì|sabato|domenica|maandag|dinsdag|woensdag|donderdag|vrijdag|zaterdag|zondag`
	abbreviated = `mon|tues?|wed|thu(?:rs?)?|fri|sat|sun|mo|di|mi|do|fr|sa|so`
	// short are weekdays before a time of day: of two letters only with a capital.
	short    = `mon|tues?|wed|thu(?:rs?)?|fri|sat|sun|(?-i:Mo|Di|Mi|Do|Fr|Sa|So)`
	relative = `day after tomorrow|tomorrow|tomm?orr?ow|tmrw|tmr|today|yesterday|übermorgen|uebermorgen|heute|morgen|gestern|après-demain|demain|aujourd'hui|pasado mañana|mañana|hoy|dopodomani|domani|oggi|overmorgen|vandaag`
	numbers  = `\d{1,3}\s*|(?:an?|one|two|three|four|five|six|ten|half an|eine[rmn]?|zwei|drei|vier|fünf|sechs|zehn|une?|una|deux|trois|dos|tres|due|tre|een|twee|drie)\s+`
	// units: the longer of two that begin alike stands first.
	units    = `minuten|minutes?|minutos?|minut[oi]|mins?|hours?|horas?|heures?|hrs?|stunden?|uur|or[ae]|h|days?|tag(?:en|e)?|jours?|días?|giorn[oi]|dagen|dag|weeks?|wochen?|semaines?|semanas?|settiman[ae]|weken|months?|monat(?:en|e)?|mois`
	next     = `next|this|coming|nächste[nrsm]?|naechste[nrsm]?|kommende[nrsm]?|diese[nrsm]?`
	parts    = `morning|noon|midday|afternoon|evening|night|morgens?|früh|vormittags?|mittags?|nachmittags?|abends?`
	before   = `at|on|by|until|till|before|um|am|bis|vor|gegen|ab|den|der|zum|le|el|à|om|op|@`
	hours    = `one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|eins?|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf`
	spoken   = `(?:(?:half|quarter|viertel)\s+(?:past|to|nach|vor)|halb)\s+(?:\d{1,2}|` + hours + `)|(?:` + hours + `)\s+(?:o'clock|uhr)`
	clock    = spoken + `|\d{1,2}[:h]\d{2}(?:\s?(?:uhr|h|[ap]\.?m\.?))?|\d{1,2}\.\d{2}\s?(?:uhr|h|[ap]\.?m\.?)|\d{1,2}\s?(?:uhr|o'clock|h|[ap]\.?m\.?)`
	named    = `\d{1,2}(?:st|nd|rd|th|\.|er)?\s+(?:of\s+|de\s+)?(?:` + months + `)\.?(?:,?\s+\d{4})?|(?:` + months + `)\.?\s+\d{1,2}(?:st|nd|rd|th)?(?:,?\s+\d{4})?`
	dated    = `\d{4}-\d{1,2}-\d{1,2}|\d{1,2}\.\s?\d{1,2}\.(?:\s?\d{4}|\d{2})?|\d{1,2}/\d{1,2}(?:/\d{4}|/\d{2})?|` + named
	nextWeek = `next week|nächste woche|kommende woche`
	endOf    = `(?:the\s+)?end\s+of\s+(?:(?:the|this|next)\s+)?(?:week|month|year)|(?:the\s+)?end\s+of\s+(?:` + months + `)|ende\s+(?:(?:der|dieser|nächster|kommender)\s+woche|(?:des|dieses|nächsten|kommenden)\s+(?:monats|jahres)|(?:` + months + `))|monatsende|jahresende`
	day      = `(?P<end>` + endOf + `)|(?:(?:` + weekdays + `|` + abbreviated + `)\.?,?\s+(?:` + before + `\s+)?)?(?P<dated>` + dated + `)` +
		`|(?P<weekdayof>` + weekdays + `)\s+(?:` + nextWeek + `)|(?:` + nextWeek + `),?\s+(?:(?:` + before + `)\s+)?(?P<ofweek>` + weekdays + `)` +
		`|(?:(?P<next>` + next + `)\s+)?(?P<weekday>` + weekdays + `)|(?P<relative>` + relative + `)|(?P<tonight>tonight|this\s+(?:morning|afternoon|evening))|(?P<week>` + nextWeek + `)|(?P<month>next month|nächsten monat)` +
		`|(?P<in>(?:in|dans|en|tra|fra|over)\s+(?:` + numbers + `)(?:` + units + `))|(?P<fromnow>(?:` + numbers + `)(?:` + units + `))\s+from\s+now`
	sep = `,?\s+(?:(?:` + before + `)\s+)*`
)

// whole is a day with or without a time, a time and its day, or a time alone. Of a range the beginning counts. An hour
// in digits alone is one only where nothing follows.
var whole = regexp.MustCompile(`(?i)(?:(?:` + before + `)\s+)*(?:(?P<first>` + clock + `)` + sep + `)?(?:` + day + `)(?:,?\s+(?P<part>` + parts + `))?(?:` + sep + `(?P<clock>` + clock + `)` + until + `|,?\s+(?:at|um|@)\s*(?P<hour>\d{1,2}|` + hours + `)|\s+(?P<bare>\d{1,2})$)?` +
	`|(?:(?:` + before + `)\s+)*(?P<short>` + short + `)\.?` + sep + `(?P<shortclock>` + clock + `)` + until +
	`|(?:(?:` + before + `)\s+)*(?P<alone>` + clock + `)` + until +
	`|(?:at|um)\s+(?P<noon>noon|midday|mittag)`)

const until = `(?:\s?[-–]\s?(?:` + clock + `))?`

// Find finds the time in a text, as it is meant at now, in now's zone. Of several it is the last with a time of
// day, or else the last day.
func Find(text string, now time.Time) (Found, bool) {
	var best Found
	ok := false
	for from := 0; from < len(text); {
		at := whole.FindStringSubmatchIndex(text[from:])
		if at == nil {
			break
		}
		start, end := from+at[0], from+at[1]
		if !apart(text, start, end) {
			_, size := utf8.DecodeRuneInString(text[start:])
			from = start + size
			continue
		}
		f, good := understand(groups(text[from:], at), now)
		if good && !greeting(text[:start]) && (!ok || best.Day || !f.Day) {
			f.Words = strings.TrimSpace(text[start:end])
			f.Rest = without(text, start, end)
			best, ok = f, true
		}
		from = end
	}
	return best, ok
}

// apart tells whether text[start:end] is no part of a longer word or number.
func apart(text string, start, end int) bool {
	joins := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '#' || r == '_' || r == '/'
	}
	b, _ := utf8.DecodeLastRuneInString(text[:start])
	a, _ := utf8.DecodeRuneInString(text[end:])
	last, _ := utf8.DecodeLastRuneInString(text[:end])
	return (start == 0 || !joins(b)) && (end == len(text) || !joins(a) || last == '.' && !unicode.IsDigit(a)) && text[start:end] != "24/7"
}

func greeting(before string) bool {
	before = strings.ToLower(strings.TrimSpace(before))
	return strings.HasSuffix(before, "guten") || strings.HasSuffix(before, "good")
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
	for _, c := range []string{g["first"], g["clock"], g["shortclock"], g["alone"]} {
		if c != "" {
			if h, m, ok = readClock(c); !ok {
				return f, false
			}
			timed = true
		}
	}
	part := strings.ToLower(g["part"])
	if hour := g["hour"] + g["bare"]; hour != "" {
		if h = hourNamed(hour); h > 23 {
			return f, false
		}
		if part == "" {
			h = byDay(h)
		}
		timed = true
	}
	if t := strings.ToLower(g["tonight"]); t != "" {
		part = strings.TrimPrefix(strings.Join(strings.Fields(t), " "), "this ")
	}
	if part != "" && !timed {
		h, timed = hourOf(part), true
	} else if h > 0 && h < 12 && strings.Contains("tonight afternoon evening night nachmittag nachmittags abend abends", part) && part != "" {
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
	case strings.Contains(in, "half a"):
		return Found{At: now.Add(30 * time.Minute)}, strings.HasPrefix(unit, "h")
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
		if h, m, ok = readClock(c); !ok {
			return f, false
		}
	}
	return Found{At: time.Date(d.Time.Year(), d.Time.Month(), d.Time.Day(), h, m, 0, 0, now.Location()), Day: g["clock"] == ""}, true
}

// byDay is the hour that is meant by one between 1 and 12: nobody means the night.
func byDay(h int) int {
	if h > 0 && h < 7 {
		return h + 12
	}
	return h
}

var hourNames = strings.Split(hours, "|")

// hourNamed reads an hour in digits or in a word.
func hourNamed(s string) int {
	s = strings.ToLower(s)
	if i := slices.Index(hourNames, strings.Replace(s, "eins", "eins?", 1)); i >= 0 {
		return i%12 + 1
	}
	if s == "ein" {
		return 1
	}
	h, _ := strconv.Atoi(s)
	return h
}

var clockSpoken = regexp.MustCompile(`^(?:(half|quarter|viertel|halb)\s+(?:(past|to|nach|vor)\s+)?)?(\d{1,2}|` + hours + `)(?:\s+(?:o'clock|uhr))?$`)

// readSpoken reads "half past nine", "viertel vor neun", "halb neun", "nine o'clock".
func readSpoken(s string) (h, m int, ok bool) {
	at := clockSpoken.FindStringSubmatch(strings.ToLower(s))
	if at == nil || at[1] == "" && unicode.IsDigit(rune(at[3][0])) {
		return 0, 0, false
	}
	if h = hourNamed(at[3]); h < 1 || h > 24 || at[1] == "half" && at[2] != "past" {
		return 0, 0, false
	}
	h = byDay(h) * 60
	switch {
	case at[1] == "half":
		h += 30
	case at[1] == "halb":
		h -= 30
	case at[2] == "past" || at[2] == "nach":
		h += 15
	case at[1] != "":
		h -= 15
	}
	return h / 60 % 24, h % 60, true
}

var clockDigits = regexp.MustCompile(`^(\d{1,2})(?:[:.h](\d{2}))?\s?(.*)$`)

func readClock(s string) (h, m int, ok bool) {
	at := clockDigits.FindStringSubmatch(strings.ToLower(s))
	if at == nil {
		return readSpoken(s)
	}
	h, _ = strconv.Atoi(at[1])
	if at[2] != "" {
		m, _ = strconv.Atoi(at[2])
	}
	switch half := strings.ReplaceAll(at[3], ".", ""); {
	case (half == "am" || half == "pm") && (h < 1 || h > 12):
		return 0, 0, false
	case half == "am":
		h %= 12
	case half == "pm":
		h = h%12 + 12
	}
	return h, m, h < 24 && m < 60
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

// endOfSpan is the last working day of a week, or the last day of a month or a year.
func endOfSpan(words string, now time.Time) (time.Time, bool) {
	words = strings.ToLower(words)
	further := 0
	for _, w := range []string{"next", "nächst", "kommend"} {
		if strings.Contains(words, w) {
			further = 1
		}
	}
	on := func(year int, month time.Month, day int) (time.Time, bool) {
		return time.Date(year, month, day, 0, 0, 0, 0, now.Location()), true
	}
	switch {
	case strings.Contains(words, "week"), strings.Contains(words, "woche"):
		friday := now.AddDate(0, 0, 7*further+4-(int(now.Weekday())+6)%7)
		if friday.Before(now) { // it is the weekend
			friday = friday.AddDate(0, 0, 7)
		}
		return friday, true
	case strings.Contains(words, "month"), strings.Contains(words, "monat"):
		return on(now.Year(), now.Month()+time.Month(further)+1, 0)
	case strings.Contains(words, "year"), strings.Contains(words, "jahr"):
		return on(now.Year()+further, time.December, 31)
	}
	month := words[strings.LastIndexAny(words, " \t\n")+1:]
	d, ok := parse("1 "+month, now)
	if !ok {
		return now, false
	}
	year := now.Year()
	if d.Time.Month() < now.Month() {
		year++
	}
	return on(year, d.Time.Month()+1, 0)
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
