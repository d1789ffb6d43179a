package main

import (
	"strings"
	"testing"
	"time"
)

// hoursOf reads a group with some settings more.
func hoursOf(t *testing.T, settings string) GroupConfig {
	t.Helper()
	cfg, err := Parse([]byte(strings.Replace(smallest, `name = "help_desk"`, "name = \"help_desk\"\ntimezone = \"Europe/Vienna\"\n"+settings, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Groups[0]
}

func TestHoursAndHolidays(t *testing.T) {
	const office = `hours = ["mon-fri 9:00-17:00", "sat 10:00-12:00"]` + "\n"
	for name, c := range map[string]struct {
		settings   string
		open, shut string // at noon
	}{
		"nothing":                {"", "2026-12-25 2026-11-29", ""},
		"24h":                    {`hours = "24h"`, "2026-12-25 2026-11-29", ""},
		"a week":                 {office, "2026-12-24 2026-12-25 2026-11-28", "2026-11-29"},
		"around the week's end":  {`hours = ["fri-mon 11-13"]`, "2026-11-27 2026-11-28 2026-11-29 2026-11-30", "2026-12-01"},
		"a country":              {office + `holidays = "at"`, "2026-12-24 2026-05-15", "2026-12-25 2026-12-08 2026-05-14 2027-03-29 2126-12-25"},
		"a country and days":     {office + `holidays = ["at", "12-24", "2026-12-23"]`, "2026-12-22 2027-12-23", "2026-12-23 2026-12-24 2026-12-25 2030-12-24"},
		"a part of a country":    {office + `holidays = "de-by"`, "2026-10-26", "2026-01-06 2026-10-03"},
		"kept on another day":    {office + `holidays = "gb"`, "2027-12-29", "2027-12-27 2027-12-28"}, // Christmas on a Saturday
		"kept in another year":   {office + `holidays = "us"`, "2021-12-30", "2021-12-31"},            // New Year of 2022 on a Saturday
		"holidays without hours": {`holidays = "at"`, "2026-11-29", "2026-12-25"},
	} {
		t.Run(name, func(t *testing.T) {
			g := hoursOf(t, c.settings)
			for want, days := range map[bool]string{true: c.open, false: c.shut} {
				for _, d := range strings.Fields(days) {
					at, err := time.ParseInLocation("2006-01-02 15", d+" 11", g.Zone)
					if err != nil {
						t.Fatal(err)
					}
					if got := g.Hours.Open(at.Add(30 * time.Minute)); got != want {
						t.Errorf("%s: open is %v", d, got)
					}
				}
			}
		})
	}
}

func TestDaysAreOpeningDays(t *testing.T) {
	const h = time.Hour
	for settings, want := range map[string][2]time.Duration{
		"":                             {h, 48 * h},
		`hours = "mon-fri 9:00-17:00"`: {h, 16 * h},
		`hours = "mon-fri 9:00-17:00"` + "\n" + `overdue = "1d"` + "\n" + `idle = "48h"`: {8 * h, 48 * h},
		`hours = ["mon-fri 9:00-17:00", "sat 10-12"]`:                                    {h, 14 * h},
		`hours = "mon-fri 9-12 13-17"`:                                                   {h, 14 * h},
	} {
		if g := hoursOf(t, settings); g.Overdue != want[0] || g.Idle != want[1] {
			t.Errorf("%s: %v and %v, want %v", settings, g.Overdue, g.Idle, want)
		}
	}
}
