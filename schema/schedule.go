package schema

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Schedule is when a cron fires: the instants whose wall-clock time in its zone
// matches five sets. The rules for what has no simple answer:
//
//   - Where both day-of-month and day-of-week are restricted a day matches if
//     either does, as in every cron.
//   - A wall-clock time that does not exist, since clocks are put forward over it,
//     stands for the first instant after the gap; several of one gap are one.
//   - One that happens twice, since clocks are put back, stands for the first.
//
// So the instants only ever grow with the wall-clock times that they stand for,
// and each is told once.
type Schedule struct {
	minutes, hours, days, months, weekdays uint64
	// eitherDay is whether days and weekdays are both restricted.
	eitherDay bool
	zone      *time.Location
}

// field is one of the five: its bounds and the names that stand for numbers.
type field struct {
	name     string
	min, max int
	names    []string // from min
}

var cronFields = [...]field{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of month", 1, 31, nil},
	{"month", 1, 12, []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}},
	{"day of week", 0, 7, []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}},
}

var cronMacros = map[string]string{
	"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
	"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}

// ParseSchedule reads the five fields (minute, hour, day of month, month, day of
// week; lists, ranges and steps, names of months and days) or one of @hourly,
// @daily, @midnight, @weekly, @monthly, @yearly and @annually. One that never
// fires is an error.
func ParseSchedule(text string, zone *time.Location) (*Schedule, error) {
	if full, is := cronMacros[text]; is {
		text = full
	} else if strings.HasPrefix(text, "@") {
		return nil, fmt.Errorf("%q is none of @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually", text)
	}
	parts := strings.Fields(text)
	if len(parts) != len(cronFields) {
		return nil, fmt.Errorf("want 5 fields (minute, hour, day of month, month, day of week), got %d", len(parts))
	}
	var sets [len(cronFields)]uint64
	for i := range parts {
		var err error
		if sets[i], err = cronFields[i].parse(parts[i]); err != nil {
			return nil, fmt.Errorf("%s %q: %w", cronFields[i].name, parts[i], err)
		}
	}
	const sunday, seventh = 1, 1 << 7
	if sets[4]&seventh != 0 {
		sets[4] = sets[4]&^seventh | sunday
	}
	s := &Schedule{minutes: sets[0], hours: sets[1], days: sets[2], months: sets[3], weekdays: sets[4], zone: zone,
		eitherDay: !strings.HasPrefix(parts[2], "*") && !strings.HasPrefix(parts[4], "*")}
	return s, s.everFires(text)
}

// everFires is an error where no month that matches is as long as any day that
// does.
func (s *Schedule) everFires(text string) error {
	longest := [...]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	for m := 1; m <= 12; m++ {
		if s.months&(1<<m) != 0 && (s.eitherDay || bits.TrailingZeros64(s.days) <= longest[m-1]) {
			return nil
		}
	}
	return fmt.Errorf("%q never fires: none of its months has such a day", text)
}

func (f *field) parse(text string) (set uint64, err error) {
	for part := range strings.SplitSeq(text, ",") {
		one, err := f.part(part)
		if err != nil {
			return 0, err
		}
		set |= one
	}
	return set, nil
}

// part reads "*", "5", "5-9", "*/10" or "5-59/10".
func (f *field) part(text string) (set uint64, err error) {
	span, step, stepped := strings.Cut(text, "/")
	from, to, by := f.min, f.max, 1
	if f.max == 7 {
		to = 6 // Sunday is not twice in "*"
	}
	if span != "*" {
		if from, to, err = f.span(span); err != nil {
			return 0, err
		}
	}
	if stepped {
		if by, err = strconv.Atoi(step); err != nil || by < 1 || by > f.max {
			return 0, fmt.Errorf("want a step from 1 to %d after the slash", f.max)
		}
		if span != "*" && !strings.Contains(span, "-") {
			return 0, fmt.Errorf("a step goes with a range: want %s-%d/%s", span, f.max, step)
		}
	}
	for v := from; v <= to; v += by {
		set |= 1 << v
	}
	return set, nil
}

func (f *field) span(text string) (from, to int, err error) {
	low, high, isRange := strings.Cut(text, "-")
	if from, err = f.value(low); err != nil || !isRange {
		return from, from, err
	}
	if to, err = f.value(high); err == nil && to < from {
		err = errors.New("the range goes backwards")
	}
	return from, to, err
}

func (f *field) value(text string) (int, error) {
	if i := slices.Index(f.names, strings.ToUpper(text)); i >= 0 {
		return f.min + i, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.min || n > f.max || strings.Trim(text, "0123456789") != "" {
		words := ""
		if f.names != nil {
			words = fmt.Sprintf(" or %s-%s", f.names[0], f.names[len(f.names)-1])
		}
		return 0, fmt.Errorf("want %d-%d%s, got %q", f.min, f.max, words, text)
	}
	return n, nil
}

// horizon is how many days Next looks ahead: the 29th of February may be eight
// years away.
const horizon = 8*366 + 1

// Next is the first instant after t, in UTC.
func (s *Schedule) Next(t time.Time) time.Time {
	local := t.In(s.zone)
	// From the day before on: where clocks were put back over midnight, times of
	// that day stand for instants after t.
	year, month, day := local.AddDate(0, 0, -1).Date()
	for d := range horizon {
		date := time.Date(year, month, day+d, 0, 0, 0, 0, time.UTC)
		if !s.matches(date) {
			continue
		}
		if at, ok := s.nextOn(date, t); ok {
			return at.UTC()
		}
	}
	return time.Time{} // ParseSchedule refused what comes to this
}

func (s *Schedule) matches(date time.Time) bool {
	day, weekday := s.days&(1<<date.Day()) != 0, s.weekdays&(1<<date.Weekday()) != 0
	switch {
	case s.months&(1<<date.Month()) == 0:
		return false
	case s.eitherDay:
		return day || weekday
	}
	return day && weekday
}

func (s *Schedule) nextOn(date, after time.Time) (time.Time, bool) {
	for h := range 24 {
		if s.hours&(1<<h) == 0 {
			continue
		}
		for m := range 60 {
			if s.minutes&(1<<m) == 0 {
				continue
			}
			if at := instantOf(date, h, m, s.zone); at.After(after) {
				return at, true
			}
		}
	}
	return time.Time{}, false
}

// instantOf is what a wall-clock time stands for in a zone.
func instantOf(date time.Time, hour, minute int, zone *time.Location) time.Time {
	t := time.Date(date.Year(), date.Month(), date.Day(), hour, minute, 0, 0, zone)
	start, end := t.ZoneBounds()
	if _, h, m := t.Date(); m != date.Day() || t.Hour() != hour || t.Minute() != minute || h != date.Month() {
		return afterGap(t, date, hour, minute, start, end)
	}
	if start.IsZero() {
		return t
	}
	_, now := t.Zone()
	_, before := start.Add(-1).Zone()
	if first := t.Add(time.Duration(now-before) * time.Second); first.Before(start) && first.Before(t) {
		return first
	}
	return t
}

// afterGap is the end of the gap that a wall-clock time lies in. t is the same
// time by the clock before the gap or by the one after it.
func afterGap(t, date time.Time, hour, minute int, start, end time.Time) time.Time {
	wall := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	if wall.After(time.Date(date.Year(), date.Month(), date.Day(), hour, minute, 0, 0, time.UTC)) {
		return start
	}
	return end
}
