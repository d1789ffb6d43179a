package dates

import (
	"testing"
	"time"
)

func TestFind(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 25, 14, 30, 0, 0, zone) // a Wednesday
	for _, c := range []struct{ text, at, rest string }{
		{"call Ann tomorrow 10:00", "Thu 2026-11-26 10:00", "call Ann"},
		{"call Ann tomorrow at 10:00 about the heating", "Thu 2026-11-26 10:00", "call Ann about the heating"},
		{"tomorrow 10:00 call Ann", "Thu 2026-11-26 10:00", "call Ann"},
		{"call Ann at 10:00 tomorrow", "Thu 2026-11-26 10:00", "call Ann"},
		{"call Ann tomorrow at 3", "Thu 2026-11-26 15:00", "call Ann"},
		{"call Ann tomorrow", "Thu 2026-11-26 day", "call Ann"},
		{"morgen um 10 Uhr Ann anrufen", "Thu 2026-11-26 10:00", "Ann anrufen"},
		{"Ann anrufen, morgen um 10", "Thu 2026-11-26 10:00", "Ann anrufen"},
		{"Ann anrufen morgen früh", "Thu 2026-11-26 08:00", "Ann anrufen"},
		{"übermorgen 9.30 Uhr Besuch", "Fri 2026-11-27 09:30", "Besuch"},
		{"next tuesday at 3pm: visit", "Tue 2026-12-01 15:00", ": visit"},
		{"visit next Tuesday", "Tue 2026-12-01 day", "visit"},
		{"nächsten Dienstag besuchen", "Tue 2026-12-01 day", "besuchen"},
		{"in 2 hours", "Wed 2026-11-25 16:30", ""},
		{"ring back in 30 min", "Wed 2026-11-25 15:00", "ring back"},
		{"ring back in half an hour", "Wed 2026-11-25 15:00", "ring back"},
		{"in einer Stunde zurückrufen", "Wed 2026-11-25 15:30", "zurückrufen"},
		{"in 3 days", "Sat 2026-11-28 day", ""},
		{"in 3 days at 11:00", "Sat 2026-11-28 11:00", ""},
		{"in two weeks send the bill", "Wed 2026-12-09 day", "send the bill"},
		{"in drei Tagen", "Sat 2026-11-28 day", ""},
		{"31.12. 18:00 fireworks", "Thu 2026-12-31 18:00", "fireworks"},
		{"heute abend anrufen", "Wed 2026-11-25 18:00", "anrufen"},
		{"this evening", "Wed 2026-11-25 18:00", ""},
		{"tonight", "Wed 2026-11-25 20:00", ""},
		{"tomorrow evening at 7", "Thu 2026-11-26 19:00", ""},
		{"on friday", "Fri 2026-11-27 day", ""},
		{"by Friday noon", "Fri 2026-11-27 12:00", ""},
		{"wednesday 16:00", "Wed 2026-11-25 16:00", ""}, // still to come
		{"wednesday 10:00", "Wed 2026-12-02 10:00", ""},
		{"next wednesday 16:00", "Wed 2026-12-02 16:00", ""},
		{"1 April 9:00", "Thu 2027-04-01 09:00", ""},
		{"April 1st", "Thu 2027-04-01 day", ""},
		{"den 3. Dezember", "Thu 2026-12-03 day", ""},
		{"Fri 27 Nov 10:00", "Fri 2026-11-27 10:00", ""},
		{"Friday, 27 November 2026 at 10am", "Fri 2026-11-27 10:00", ""},
		{"2026-12-01 09:00", "Tue 2026-12-01 09:00", ""},
		{"2026-04-01 09:00", "Wed 2026-04-01 09:00", ""}, // over: who asks for it says so
		{"3/12/2026", "Thu 2026-12-03 day", ""},
		{"15:00", "Wed 2026-11-25 15:00", ""},
		{"at 10am", "Thu 2026-11-26 10:00", ""},
		{"um 15 Uhr", "Wed 2026-11-25 15:00", ""},
		{"12am", "Thu 2026-11-26 00:00", ""},
		{"today", "Wed 2026-11-25 day", ""},
		{"next week", "Mon 2026-11-30 day", ""},
		{"nächste Woche", "Mon 2026-11-30 day", ""},
		{"demain 10h30 appeler Ann", "Thu 2026-11-26 10:30", "appeler Ann"},
		{"llamar mañana", "Thu 2026-11-26 day", "llamar"},
		{"ask about the party on 31.12. tomorrow 10:00", "Thu 2026-11-26 10:00", "ask about the party on 31.12."},
		{"yesterday", "Tue 2026-11-24 day", ""},
		{"until Thursday", "Thu 2026-11-26 day", ""},

		{"3.12. at 9 pay", "Thu 2026-12-03 09:00", "pay"},
		{"am 3. 12. um 9 Uhr zahlen", "Thu 2026-12-03 09:00", "zahlen"},
		{"pay 20.12.", "Sun 2026-12-20 day", "pay"},
		{"23.12. 9:00", "Wed 2026-12-23 09:00", ""},
		{"1.1.", "Fri 2027-01-01 day", ""},
		{"25.11. 18:00", "Wed 2026-11-25 18:00", ""}, // today, still to come
		{"25.11. 10:00", "Thu 2027-11-25 10:00", ""},
		{"25.11.", "Wed 2026-11-25 day", ""},
		{"25 November 18:00", "Wed 2026-11-25 18:00", ""},
		{"25 November 2027 18:00", "Thu 2027-11-25 18:00", ""},
		{"12/24", "Thu 2026-12-24 day", ""},
		{"12/24/2026", "Thu 2026-12-24 day", ""},
		{"24.12.26", "Thu 2026-12-24 day", ""},
		{"Fri 14:00 call", "Fri 2026-11-27 14:00", "call"},
		{"fri 10:00", "Fri 2026-11-27 10:00", ""},
		{"Di 10:00 Ann", "Tue 2026-12-01 10:00", "Ann"},
		{"wed 16:00", "Wed 2026-11-25 16:00", ""},
		{"call in 2h", "Wed 2026-11-25 16:30", "call"},
		{"in 30min", "Wed 2026-11-25 15:00", ""},
		{"in 30 Minuten", "Wed 2026-11-25 15:00", ""},
		{"en 10 minutos", "Wed 2026-11-25 14:40", ""},
		{"tra 10 minuti", "Wed 2026-11-25 14:40", ""},
		{"over 10 minuten", "Wed 2026-11-25 14:40", ""},
		{"in 24 hours", "Thu 2026-11-26 14:30", ""},
		{"in 48 hours", "Fri 2026-11-27 14:30", ""},
		{"two weeks from now", "Wed 2026-12-09 day", ""},
		{"tomorrow 10:00-11:00 meet", "Thu 2026-11-26 10:00", "meet"},
		{"15:00 – 16:00 meet", "Wed 2026-11-25 15:00", "meet"},
		{"tomorrow morning at 6", "Thu 2026-11-26 06:00", ""},
		{"morgen früh um 6", "Thu 2026-11-26 06:00", ""},
		{"Freitag nächste Woche", "Fri 2026-12-04 day", ""},
		{"next week friday", "Fri 2026-12-04 day", ""},
		{"next month", "Tue 2026-12-01 day", ""},
		{"call tomorrow 10", "Thu 2026-11-26 10:00", "call"},
		{"tomorrow 10 chairs", "Thu 2026-11-26 day", "10 chairs"},
		{"tmrw 10:00", "Thu 2026-11-26 10:00", ""},
		{"call tomorow 10:00", "Thu 2026-11-26 10:00", "call"},
		{"half past nine call Ann", "Thu 2026-11-26 09:30", "call Ann"},
		{"call tomorrow at half past nine", "Thu 2026-11-26 09:30", "call"},
		{"tomorrow half past 3", "Thu 2026-11-26 15:30", ""},
		{"half past six", "Wed 2026-11-25 18:30", ""},
		{"half past six in the morning", "Thu 2026-11-26 06:30", ""},
		{"tomorrow morning half past six", "Thu 2026-11-26 06:30", ""},
		{"half past nine pm", "Wed 2026-11-25 21:30", ""},
		{"half past twelve tomorrow", "Thu 2026-11-26 12:30", ""},
		{"quarter to five", "Wed 2026-11-25 16:45", ""},
		{"quarter past twelve tomorrow", "Thu 2026-11-26 12:15", ""},
		{"quarter to seven", "Wed 2026-11-25 18:45", ""},
		{"quarter past six", "Wed 2026-11-25 18:15", ""},
		{"nine o'clock", "Thu 2026-11-26 09:00", ""},
		{"tomorrow three o'clock", "Thu 2026-11-26 15:00", ""},
		{"tomorrow 3 o'clock", "Thu 2026-11-26 15:00", ""},
		{"three o'clock in the morning", "Thu 2026-11-26 03:00", ""},
		{"ten o'clock at night", "Wed 2026-11-25 22:00", ""},
		{"six o'clock tomorrow in the morning", "Thu 2026-11-26 18:00", "in the morning"},
		{"morgen um halb neun", "Thu 2026-11-26 08:30", ""},
		{"morgen früh um halb sechs", "Thu 2026-11-26 05:30", ""},
		{"morgen früh um sechs Uhr", "Thu 2026-11-26 06:00", ""},
		{"halb 4 Besuch", "Wed 2026-11-25 15:30", "Besuch"},
		{"halb neun Uhr", "Thu 2026-11-26 08:30", ""},
		{"halb eins", "Thu 2026-11-26 12:30", ""},
		{"halb acht abends", "Wed 2026-11-25 19:30", ""},
		{"Freitag viertel vor acht", "Fri 2026-11-27 07:45", ""},
		{"um neun Uhr", "Thu 2026-11-26 09:00", ""},
		{"um neun Uhr abends", "Wed 2026-11-25 21:00", ""},
		{"um 8 Uhr abends anrufen", "Wed 2026-11-25 20:00", "anrufen"},
		{"um 8 Uhr morgens anrufen", "Thu 2026-11-26 08:00", "anrufen"},
		{"um 8 Uhr morgen anrufen", "Thu 2026-11-26 08:00", "anrufen"},
		{"um 6 Uhr", "Thu 2026-11-26 06:00", ""},
		{"um sechs Uhr", "Thu 2026-11-26 06:00", ""},
		{"Freitag Ann anrufen um 15 Uhr", "Fri 2026-11-27 15:00", "Ann anrufen"},
		{"um 15 Uhr Ann anrufen, am Freitag", "Fri 2026-11-27 15:00", "Ann anrufen"},
		{"Freitag von neun bis zehn Uhr", "Fri 2026-11-27 09:00", ""},
		{"call back between 2 and 3 pm tomorrow", "Thu 2026-11-26 14:00", "call back"},
		{"zwischen 15 und 16 Uhr anrufen", "Wed 2026-11-25 15:00", "anrufen"},
		{"tomorrow from 9 to 5pm", "Thu 2026-11-26 09:00", ""},
		{"lunch at noon on Friday", "Fri 2026-11-27 12:00", "lunch"},
		{"Friday at eight pm", "Fri 2026-11-27 20:00", ""},
		{"Freitag um acht abends", "Fri 2026-11-27 20:00", ""},
		{"nächsten Montag um 8 abends", "Mon 2026-11-30 20:00", ""},
		{"halb drei am Montag", "Mon 2026-11-30 14:30", ""},
		{"15:00 the report, on Friday", "Fri 2026-11-27 15:00", "the report"},
		{"Friday's report must be ready at 15:00", "Wed 2026-11-25 15:00", "Friday's report must be ready"},
		{"in einer halben Stunde", "Wed 2026-11-25 15:00", ""},
		{"in eineinhalb Stunden", "Wed 2026-11-25 16:00", ""},
		{"in 1,5 Stunden", "Wed 2026-11-25 16:00", ""},
		{"ring in 2.5 hours", "Wed 2026-11-25 17:00", "ring"},
		{"Freitag um einen Termin bitten", "Fri 2026-11-27 day", "um einen Termin bitten"},
		{"meet Friday at 10th Street", "Fri 2026-11-27 day", "meet at 10th Street"},
		{"Montag um zwei Tage verschieben", "Mon 2026-11-30 day", "um zwei Tage verschieben"},
		{"Freitag viertel nach 25 Tagen", "Fri 2026-11-27 day", "viertel nach 25 Tagen"},
		{"bis 15. Juni", "Tue 2027-06-15 day", ""},
		{"3. Juli", "Sat 2027-07-03 day", ""},
		{"15 June", "Tue 2027-06-15 day", ""},
		{"3 mayo", "Mon 2027-05-03 day", ""},
		{"pay by the end of the month", "Mon 2026-11-30 day", "pay"},
		{"pay by end of month please", "Mon 2026-11-30 day", "pay please"},
		{"pay, end of month", "Mon 2026-11-30 day", "pay"},
		{"pay at the end of next month", "Thu 2026-12-31 day", "pay"},
		{"the end of the next month", "Thu 2026-12-31 day", ""},
		{"end of the week", "Fri 2026-11-27 day", ""},
		{"end of next week at 10:00", "Fri 2026-12-04 10:00", ""},
		{"end of the coming week", "Fri 2026-12-04 day", ""},
		{"end of the year", "Thu 2026-12-31 day", ""},
		{"until the end of February", "Sun 2027-02-28 day", ""},
		{"end of November", "Mon 2026-11-30 day", ""},
		{"end of May 20", "Thu 2027-05-20 day", "end of"},
		{"bis Ende März zahlen", "Wed 2027-03-31 day", "zahlen"},
		{"Ende März 2028 zahlen", "Fri 2028-03-31 day", "zahlen"},
		{"Ende Juni", "Wed 2027-06-30 day", ""},
		{"Ende Nov.", "Mon 2026-11-30 day", ""},
		{"Ende der Woche", "Fri 2026-11-27 day", ""},
		{"Ende nächster Woche", "Fri 2026-12-04 day", ""},
		{"Ende der nächsten Woche", "Fri 2026-12-04 day", ""},
		{"Monatsende zahlen", "Mon 2026-11-30 day", "zahlen"},
		{"bis Monatsende", "Mon 2026-11-30 day", ""},
		{"Ende des nächsten Monats", "Thu 2026-12-31 day", ""},
		{"Ende diesen Jahres", "Thu 2026-12-31 day", ""},
		{"at noon", "Thu 2026-11-26 12:00", ""},
	} {
		f, ok := Find(c.text, now)
		layout := "Mon 2006-01-02 15:04"
		if f.Day {
			layout = "Mon 2006-01-02 day"
		}
		if got := f.At.Format(layout); !ok || got != c.at || f.Rest != c.rest {
			t.Errorf("%q: %v %s, rest %q; want %s, rest %q", c.text, ok, got, f.Rest, c.at, c.rest)
		}
	}
}

func TestNoTimeIsGuessed(t *testing.T) {
	now := time.Date(2026, 11, 25, 14, 30, 0, 0, time.UTC)
	for _, text := range []string{
		"", "May I ask Bob", "call Ann", "call Ann about May", "march on", "Ben sat down", "so do it", "order 3 pumps", "#12", "room 12",
		"version 1.4", "pay 3.50", "24/7 support", "the second floor", "Guten Morgen sagen", "good morning", "call 0171 1234567", "2026", "12",
		"in the house", "in 2 minds", "an hour", "25:00", "31.31.", "99/99", "file 2026-13-45", "a1.2.3b", "sun screen", "1.000 Euro", "at 7",
		"half ten", "half to nine", "half past", "half past 70", "halb voll", "nine", "acht geben", "end of the line", "the end", "week", "quarter of a year", "viertel nach 25",
		"refund a quarter to one of the customers", "cut the stock by a quarter to 12 boxes", "move the quarter to three rows",
		"Das letzte Viertel nach zwei Jahren kündigen", "Viertel nach vier Wochen prüfen", "deliver by end of week 12", "bis Ende der Woche 48 liefern",
		"prepare for the end of Jan's contract", "print end of month statements", "end of year accounts", "Jahresende-Brief",
		"since the end of March no reply", "seit Ende März keine Antwort", "zwei Uhren kaufen", "at ten customers", "seit Montag krank",
		"prepare Friday's meeting", "in 1.5 minutes", "in 3.5",
	} {
		if f, ok := Find(text, now); ok {
			t.Errorf("%q was taken for %s (%q)", text, f.At, f.Words)
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add("tomorrow 10:00 call Ann")
	f.Add("İ31.12. 18:00ß")
	f.Add("Freitag Ann – um 10x")
	now := time.Date(2026, 11, 25, 14, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		if found, ok := Find(text, now); ok && (len(found.Rest) > len(text)+1 || found.Words == "") {
			t.Errorf("%q: %+v", text, found)
		}
	})
}

// A night in which clocks are changed is as long as it is.
func TestClocksChange(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, now := range []time.Time{
		time.Date(2026, 10, 25, 0, 45, 0, 0, time.UTC), // 2:45, which comes once more
		time.Date(2026, 10, 25, 1, 15, 0, 0, time.UTC), // 2:15, for the second time
		time.Date(2026, 3, 29, 0, 45, 0, 0, time.UTC),  // 1:45, before 3:00
	} {
		for text, want := range map[string]time.Duration{"in 30 min": 30 * time.Minute, "in 2 hours": 2 * time.Hour, "in half an hour": 30 * time.Minute} {
			if f, ok := Find(text, now.In(zone)); !ok || !f.At.Equal(now.Add(want)) {
				t.Errorf("%s, %s: %s", now.In(zone), text, f.At)
			}
		}
	}
}
