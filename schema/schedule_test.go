package schema

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func zone(t interface{ Fatal(...any) }, name string) *time.Location {
	z, err := LoadZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// instants are the next n after from.
func instants(t *testing.T, schedule, zoneName, from string, n int) string {
	t.Helper()
	s, err := ParseSchedule(schedule, zone(t, zoneName))
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339, from)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for range n {
		at = s.Next(at)
		all = append(all, at.Format("2006-01-02T15:04Z"))
	}
	return strings.Join(all, " ")
}

func TestSchedule_Next(t *testing.T) {
	for _, c := range []struct{ schedule, zone, from, want string }{
		{"*/15 * * * *", "UTC", "2026-01-02T03:07:00Z", "2026-01-02T03:15Z 2026-01-02T03:30Z 2026-01-02T03:45Z"},
		{"5-20/10,40 9 * * *", "UTC", "2026-01-02T09:00:00Z", "2026-01-02T09:05Z 2026-01-02T09:15Z 2026-01-02T09:40Z"},
		{"0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00Z 2108-02-29T00:00Z 2112-02-29T00:00Z"}, // 2100 is no leap year
		{"0 9 * * MON-FRI", "UTC", "2026-01-02T09:00:00Z", "2026-01-05T09:00Z 2026-01-06T09:00Z 2026-01-07T09:00Z"},
		{"0 9 13 * fri", "UTC", "2026-02-10T00:00:00Z", "2026-02-13T09:00Z 2026-02-20T09:00Z 2026-02-27T09:00Z"}, // either day
		{"0 9 31 2 7", "UTC", "2026-02-02T00:00:00Z", "2026-02-08T09:00Z 2026-02-15T09:00Z 2026-02-22T09:00Z"},
		{"@weekly", "UTC", "2026-01-02T00:00:00Z", "2026-01-04T00:00Z 2026-01-11T00:00Z 2026-01-18T00:00Z"},
		{"0 8 * * *", "Asia/Kathmandu", "2026-01-02T00:00:00Z", "2026-01-02T02:15Z 2026-01-03T02:15Z 2026-01-04T02:15Z"},
		// On 29 March 2026 Berlin goes from 02:00 to 03:00, which is 01:00 UTC.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-28T01:30Z 2026-03-29T01:00Z 2026-03-30T00:30Z"},
		{"*/20 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T01:00Z 2026-03-29T01:20Z 2026-03-29T01:40Z"},
		// On 25 October 2026 it is 02:00 to 03:00 twice there, the first time from 00:00 UTC.
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T00:30:00Z", "2026-10-25T00:30Z 2026-10-26T01:30Z 2026-10-27T01:30Z"},
		{"30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", "2026-10-25T00:30Z 2026-10-25T02:30Z 2026-10-25T03:30Z"},
		// Half an hour, on Lord Howe Island.
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-03T15:30Z 2026-10-04T15:15Z 2026-10-05T15:15Z"},
		// Midnight itself is missing in Cairo on 24 April 2026.
		{"0 0 * * *", "Africa/Cairo", "2026-04-23T00:00:00Z", "2026-04-23T22:00Z 2026-04-24T21:00Z 2026-04-25T21:00Z"},
		// Samoa had no 30 December 2011.
		{"0 12 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", "2011-12-29T22:00Z 2011-12-30T10:00Z 2011-12-30T22:00Z"},
	} {
		if got := instants(t, c.schedule, c.zone, c.from, 3); got != c.want {
			t.Errorf("%s in %s after %s:\n got %s\nwant %s", c.schedule, c.zone, c.from, got, c.want)
		}
	}
}

func TestParseSchedule_Refuses(t *testing.T) {
	for text, want := range map[string]string{
		"* * * *":             "want 5 fields (minute, hour, day of month, month, day of week), got 4",
		"60 * * * *":          `minute "60": want 0-59, got "60"`,
		"* * 0 * *":           `day of month "0": want 1-31, got "0"`,
		"* * * JANUARY *":     `month "JANUARY": want 1-12 or JAN-DEC, got "JANUARY"`,
		"* * * * FRI-MON":     `day of week "FRI-MON": the range goes backwards`,
		"*/0 * * * *":         `minute "*/0": want a step from 1 to 59 after the slash`,
		"5/10 * * * *":        `minute "5/10": a step goes with a range: want 5-59/10`,
		"1,,2 * * * *":        `minute "1,,2": want 0-59, got ""`,
		"+1 * * * *":          `minute "+1": want 0-59, got "+1"`,
		"@every 5m":           `"@every 5m" is none of @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually`,
		"0 0 31 2 *":          `"0 0 31 2 *" never fires: none of its months has such a day`,
		"0 0 31 APR,6,9,11 *": `"0 0 31 APR,6,9,11 *" never fires: none of its months has such a day`,
	} {
		_, err := ParseSchedule(text, time.UTC)
		if got := fmt.Sprint(err); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestLoadZone_Refuses(t *testing.T) {
	for _, name := range []string{"", "Local", "Europe/Atlantis", "../etc/passwd", "/etc/localtime"} {
		if _, err := LoadZone(name); err == nil {
			t.Errorf("%q is taken for a zone", name)
		}
	}
}

// I24: instants only grow, whatever the clocks of the zone do, and are those of
// a look at every minute.
func TestSchedule_AgreesWithEveryMinute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := zone(t, rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Santiago"}).Draw(t, "zone"))
		text := rapid.SampledFrom([]string{"*/7 * * * *", "30 2 * * *", "0 0 * * *", "15,45 1-3 * * *", "0 */2 * * 0", "59 23 25 * *"}).Draw(t, "schedule")
		s, err := ParseSchedule(text, zone)
		if err != nil {
			t.Fatal(err)
		}
		from := time.Date(2026, time.Month(rapid.SampledFrom([]int{1, 3, 4, 9, 10, 11}).Draw(t, "month")), rapid.IntRange(1, 31).Draw(t, "day"), rapid.IntRange(0, 23).Draw(t, "hour"), 0, 0, 0, time.UTC)
		want := everyMinute(s, from, from.Add(48*time.Hour))
		for at := s.Next(from); at.Before(from.Add(48 * time.Hour)); at = s.Next(at) {
			if len(want) == 0 || !want[0].Equal(at) {
				t.Fatalf("%s in %s after %s: %s, want %v", text, zone, from, at, want)
			}
			want = want[1:]
		}
		if len(want) > 0 {
			t.Fatalf("%s in %s after %s leaves out %v", text, zone, from, want)
		}
	})
}

// everyMinute walks the minutes and tells at which the clock shows, for the first
// time, a time that matches, or has just left one out.
func everyMinute(s *Schedule, from, to time.Time) (all []time.Time) {
	shown := func(t time.Time) time.Time {
		l := t.In(s.zone)
		return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), 0, 0, time.UTC)
	}
	fits := func(w time.Time) bool {
		return s.matches(w.Truncate(24*time.Hour)) && s.hours&(1<<w.Hour()) != 0 && s.minutes&(1<<w.Minute()) != 0
	}
	highest := shown(from.Add(-48 * time.Hour))
	for t := from.Add(-48 * time.Hour); t.Before(to); t = t.Add(time.Minute) {
		fires := false
		for now := shown(t); highest.Before(now); {
			highest = highest.Add(time.Minute)
			fires = fires || fits(highest)
		}
		if fires && t.After(from) {
			all = append(all, t)
		}
	}
	return all
}
