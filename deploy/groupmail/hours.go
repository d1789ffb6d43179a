package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/ar"
	"github.com/rickar/cal/v2/at"
	"github.com/rickar/cal/v2/au"
	"github.com/rickar/cal/v2/be"
	"github.com/rickar/cal/v2/bg"
	"github.com/rickar/cal/v2/br"
	"github.com/rickar/cal/v2/ca"
	"github.com/rickar/cal/v2/ch"
	"github.com/rickar/cal/v2/cz"
	"github.com/rickar/cal/v2/de"
	"github.com/rickar/cal/v2/dk"
	"github.com/rickar/cal/v2/es"
	"github.com/rickar/cal/v2/fr"
	"github.com/rickar/cal/v2/gb"
	"github.com/rickar/cal/v2/gr"
	"github.com/rickar/cal/v2/hr"
	"github.com/rickar/cal/v2/ie"
	"github.com/rickar/cal/v2/it"
	"github.com/rickar/cal/v2/jp"
	"github.com/rickar/cal/v2/lt"
	"github.com/rickar/cal/v2/lv"
	"github.com/rickar/cal/v2/mw"
	"github.com/rickar/cal/v2/nc"
	"github.com/rickar/cal/v2/nl"
	"github.com/rickar/cal/v2/no"
	"github.com/rickar/cal/v2/nz"
	"github.com/rickar/cal/v2/pl"
	"github.com/rickar/cal/v2/ro"
	"github.com/rickar/cal/v2/ru"
	"github.com/rickar/cal/v2/se"
	"github.com/rickar/cal/v2/si"
	"github.com/rickar/cal/v2/sk"
	"github.com/rickar/cal/v2/ua"
	"github.com/rickar/cal/v2/us"
	"github.com/rickar/cal/v2/za"

	"groupmail/ticketing"
)

// regions are the countries, and the parts of them, whose holidays are known.
var regions = map[string][]*cal.Holiday{
	"ar": ar.Holidays, "at": at.Holidays, "be": be.Holidays, "bg": bg.Holidays, "br": br.Holidays, "ca": ca.Holidays,
	"cz": cz.Holidays, "dk": dk.Holidays, "es": es.Holidays, "fr": fr.Holidays, "gb": gb.Holidays, "gr": gr.Holidays,
	"hr": hr.Holidays, "ie": ie.Holidays, "it": it.Holidays, "jp": jp.Holidays, "lt": lt.Holidays, "lv": lv.Holidays,
	"mw": mw.Holidays, "nc": nc.Holidays, "nl": nl.Holidays, "no": no.Holidays, "nz": nz.Holidays, "pl": pl.Holidays,
	"ro": ro.Holidays, "ru": ru.Holidays, "se": se.Holidays, "si": si.Holidays, "sk": sk.Holidays, "ua": ua.Holidays,
	"us": us.Holidays, "za": za.Holidays,

	"au-act": au.HolidaysACT, "au-nsw": au.HolidaysNSW, "au-nt": au.HolidaysNT, "au-qld": au.HolidaysQLD,
	"au-sa": au.HolidaysSA, "au-tas": au.HolidaysTAS, "au-vic": au.HolidaysVIC, "au-wa": au.HolidaysWA,

	"ch": ch.Holidays, "ch-ag": ch.HolidaysAG, "ch-ai": ch.HolidaysAI, "ch-ar": ch.HolidaysAR, "ch-be": ch.HolidaysBE,
	"ch-bl": ch.HolidaysBL, "ch-bs": ch.HolidaysBS, "ch-fr": ch.HolidaysFR, "ch-ge": ch.HolidaysGE, "ch-gl": ch.HolidaysGL,
	"ch-gr": ch.HolidaysGR, "ch-ju": ch.HolidaysJU, "ch-lu": ch.HolidaysLU, "ch-ne": ch.HolidaysNE, "ch-nw": ch.HolidaysNW,
	"ch-ow": ch.HolidaysOW, "ch-sg": ch.HolidaysSG, "ch-sh": ch.HolidaysSH, "ch-so": ch.HolidaysSO, "ch-sz": ch.HolidaysSZ,
	"ch-tg": ch.HolidaysTG, "ch-ti": ch.HolidaysTI, "ch-ur": ch.HolidaysUR, "ch-vd": ch.HolidaysVD, "ch-vs": ch.HolidaysVS,
	"ch-zg": ch.HolidaysZG, "ch-zh": ch.HolidaysZH,

	"de": de.Holidays, "de-bb": de.HolidaysBB, "de-be": de.HolidaysBE, "de-bw": de.HolidaysBW, "de-by": de.HolidaysBY,
	"de-hb": de.HolidaysHB, "de-he": de.HolidaysHE, "de-hh": de.HolidaysHH, "de-mv": de.HolidaysMV, "de-ni": de.HolidaysNI,
	"de-nw": de.HolidaysNW, "de-rp": de.HolidaysRP, "de-sh": de.HolidaysSH, "de-sl": de.HolidaysSL, "de-sn": de.HolidaysSN,
	"de-st": de.HolidaysST, "de-th": de.HolidaysTH,
}

// holidays reads which days are closed: a country's, and days of the group's own. nil: none.
func (s *section) holidays(key string) func(year int, month time.Month, day int) bool {
	known, own := []*cal.Holiday{}, map[string]bool{}
	for _, v := range s.items(key, "at") {
		t := strings.ToLower(strings.TrimSpace(v.text))
		if some, ok := regions[t]; ok {
			known = append(known, some...)
			continue
		}
		fault := func(format string, args ...any) {
			s.faults.add(v.line, "%s%s%s: %s", s.where, s.prefix, key, fmt.Sprintf(format, args...))
		}
		switch some := partsOf(t); {
		case t[0] >= '0' && t[0] <= '9':
			_, every := time.Parse(time.DateOnly, "2000-"+t)
			if _, once := time.Parse(time.DateOnly, t); once != nil && every != nil {
				fault(`%q is no day. Write it like "2026-12-24", or "12-24" for each year.`, v.text)
			}
			own[t] = true
		case len(some) > 0:
			fault("%s has holidays of its states alone. There are: %s.", strings.ToUpper(t), strings.Join(some, ", "))
		default:
			country, _, part := strings.Cut(t, "-")
			if some := partsOf(country); part && len(some) > 0 {
				fault("%q is no part of %s that is known. There are: %s.", v.text, strings.ToUpper(country), strings.Join(some, ", "))
				continue
			}
			fault(`%q is neither a country whose holidays are known, like "at" or "de-by", nor a day, like "2026-12-24" or "12-24". There are: %s.`,
				v.text, strings.Join(partsOf(""), ", "))
		}
	}
	if len(known) == 0 && len(own) == 0 {
		return nil
	}
	var years sync.Map // of a year its holidays
	return func(year int, month time.Month, day int) bool {
		date := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
		if own[date.Format("01-02")] || own[date.Format(time.DateOnly)] {
			return true
		}
		days, ok := years.Load(year)
		if !ok {
			days, _ = years.LoadOrStore(year, daysOff(known, year))
		}
		return days.(map[int]bool)[date.YearDay()] //nolint:forcetypeassert // nothing else is stored
	}
}

// daysOff are the days of a year that are holidays, or kept instead of one that falls on a weekend.
func daysOff(holidays []*cal.Holiday, year int) map[int]bool {
	off := map[int]bool{}
	for _, h := range holidays {
		for y := year - 1; y <= year+1; y++ { // one is perhaps kept in another year
			actual, kept := h.Calc(y)
			for _, t := range []time.Time{actual, kept} {
				if !t.IsZero() && t.Year() == year {
					off[t.YearDay()] = true
				}
			}
		}
	}
	return off
}

// partsOf lists the parts of a country that are known; without one, the countries.
func partsOf(country string) (all []string) {
	for _, r := range slices.Sorted(maps.Keys(regions)) {
		if c, _, part := strings.Cut(r, "-"); part && c == country || country == "" && (!part || !slices.Contains(all, c)) {
			if country == "" {
				r = c
			}
			if !slices.Contains(all, r) {
				all = append(all, r)
			}
		}
	}
	return all
}

var (
	weekdays  = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	clockTime = regexp.MustCompile(`^(\d{1,2})(?:[:.](\d{2}))?$`)
)

// week reads when a group is there. nil: always.
func (s *section) week(key string) (week []ticketing.Span) {
	const example = "mon-fri 9:00-17:00"
	all := s.items(key, example)
	for _, v := range all {
		t := strings.ToLower(strings.TrimSpace(v.text))
		if t == "24h" && len(all) == 1 {
			return nil
		}
		spans, why := spansOf(t)
		if why != "" {
			s.faults.add(v.line, "%s%s%s: %q: %s Write it like %q, or \"24h\" alone.", s.where, s.prefix, key, v.text, why, example)
		}
		week = append(week, spans...)
	}
	return week
}

// spansOf reads "mon-fri 9:00-12:00 13:00-17:00", or says why it is none.
func spansOf(t string) (all []ticketing.Span, why string) {
	fields := strings.Fields(strings.NewReplacer("–", "-", " - ", "-", ", ", ",").Replace(t))
	if len(fields) < 2 {
		return nil, "days and times are wanted."
	}
	var days []time.Weekday
	for _, one := range strings.Split(fields[0], ",") {
		first, last, several := strings.Cut(one, "-")
		if !several {
			last = first
		}
		from, to := weekday(first), weekday(last)
		for i, name := range []string{first, last} {
			if []int{from, to}[i] < 0 {
				return nil, fmt.Sprintf("%q is no day of the week: they are %s.", name, strings.Join(append(weekdays[1:7:7], weekdays[0]), ", "))
			}
		}
		for d := from; ; d = (d + 1) % 7 {
			days = append(days, time.Weekday(d))
			if d == to {
				break
			}
		}
	}
	for _, one := range strings.FieldsFunc(strings.Join(fields[1:], ","), func(r rune) bool { return r == ',' }) {
		first, last, ok := strings.Cut(one, "-")
		from, to := minutes(first), minutes(last)
		switch {
		case !ok || from < 0 || to < 0:
			return nil, fmt.Sprintf("%q is no time from when until when.", one)
		case from == to:
			return nil, fmt.Sprintf("%q ends when it begins; a whole day is 0:00-24:00.", one)
		case to < from:
			to += 24 * 60 // until the next morning
		}
		for _, d := range days {
			all = append(all, ticketing.Span{Day: d, From: from, To: to})
		}
	}
	return all, ""
}

// weekday is -1 for a word that is none: "mon", "monday".
func weekday(t string) int {
	return slices.IndexFunc(weekdays, func(d string) bool {
		full := strings.ToLower(time.Weekday(slices.Index(weekdays, d)).String())
		return len(t) >= len(d) && strings.HasPrefix(full, t)
	})
}

// minutes reads "9", "9:00" or "24:00"; -1 for what is no time of the day.
func minutes(t string) int {
	m := clockTime.FindStringSubmatch(t)
	if m == nil {
		return -1
	}
	hour, _ := strconv.Atoi(m[1]) // digits
	minute, _ := strconv.Atoi("0" + m[2])
	if all := hour*60 + minute; minute < 60 && all <= 24*60 {
		return all
	}
	return -1
}

// openDays is a duration that is counted in opening hours: where it is written in days, a day is as long
// as the group's.
func (s *section) openDays(key string, d time.Duration, h ticketing.Hours) time.Duration {
	const day = 24 * time.Hour
	if v := s.keys[key]; d%day == 0 && (v == nil || strings.HasSuffix(strings.TrimSpace(v.text), "d")) {
		return d / day * h.Day()
	}
	return d
}
