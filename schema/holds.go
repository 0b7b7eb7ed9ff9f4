package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Patterns are the regular expressions that were compiled so far, by their
// text. It may be nil: then nothing is kept.
type Patterns map[string]*regexp.Regexp

// Holds is whether attributes satisfy the constraint. Where the attribute is
// missing, or is no number or version where one is compared, all but "!=" is
// broken.
func (c *Constraint) Holds(attributes map[string]string, known Patterns) bool {
	value, have := attributes[c.Attribute]
	switch c.Op {
	case "!=":
		return value != c.Value
	case "=":
		return have && value == c.Value
	case "in":
		return have && slices.Contains(c.Values, value)
	case "exists":
		return have
	case "matches":
		re := known.compile(c.Value)
		return have && re != nil && re.MatchString(value)
	case "version":
		rules, err := ParseVersions(c.Value)
		v, is := parseVersion(value)
		return have && err == nil && is && rules.allow(v)
	}
	return have && compareNumbers(value, c.Op, c.Value)
}

func (known Patterns) compile(text string) *regexp.Regexp {
	if re, ok := known[text]; ok {
		return re
	}
	re, err := regexp.Compile(text)
	if err != nil {
		re = nil
	}
	if known != nil {
		known[text] = re
	}
	return re
}

func compareNumbers(have, op, want string) bool {
	a, ok := parseNumber(have)
	b, is := parseNumber(want)
	return ok && is && ordered(compareDecimal(a, b), op)
}

func ordered(c int, op string) bool {
	switch op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	case "=":
		return c == 0
	}
	return op == "!=" && c != 0
}

// decimal is a number of any length, so that no two that differ compare as
// equal.
type decimal struct {
	negative        bool
	whole, fraction string // digits, without zeros that mean nothing
}

// parseNumber reads "8", "-3" or "2.45".
func parseNumber(text string) (d decimal, ok bool) {
	text, d.negative = strings.CutPrefix(text, "-")
	whole, fraction, dot := strings.Cut(text, ".")
	if !digits(whole) || dot && !digits(fraction) || len(text) > maxNumber {
		return d, false
	}
	d.whole, d.fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	d.negative = d.negative && d.whole+d.fraction != ""
	return d, true
}

// maxNumber bounds what is read as a number, in bytes.
const maxNumber = 64

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func compareDecimal(a, b decimal) int {
	if a.negative != b.negative {
		if a.negative {
			return -1
		}
		return 1
	}
	c := compareDigits(a.whole, b.whole)
	if c == 0 {
		c = strings.Compare(a.fraction, b.fraction)
	}
	if a.negative {
		return -c
	}
	return c
}

// compareDigits compares whole numbers without leading zeros.
func compareDigits(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// Versions are comparisons that a version must all pass.
type Versions []versionRule

type versionRule struct {
	op string
	v  version
}

// ParseVersions reads ">= 1.10, < 2". A version without an operator is meant
// exactly.
func ParseVersions(text string) (rules Versions, err error) {
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		op := "="
		for _, o := range [...]string{">=", "<=", "!=", ">", "<", "="} {
			if rest, ok := strings.CutPrefix(part, o); ok {
				op, part = o, strings.TrimSpace(rest)
				break
			}
		}
		v, ok := parseVersion(part)
		if !ok {
			return nil, fmt.Errorf("version %s: want comparisons such as \">= 1.10, < 2\"", strconv.Quote(text))
		}
		rules = append(rules, versionRule{op, v})
	}
	return rules, nil
}

func (rules Versions) allow(v version) bool {
	for _, r := range rules {
		if !ordered(compareVersions(v, r.v), r.op) {
			return false
		}
	}
	return true
}

// version is numbers between dots, and after a "-" the parts of a version that
// comes before them.
type version struct {
	numbers []string
	before  []string
}

// parseVersion reads "1", "v1.10.3", "2.0.0-rc.1" or "20.10.24+dfsg1": what
// follows a "+" tells of the build and orders nothing.
func parseVersion(text string) (v version, ok bool) {
	text, _ = strings.CutPrefix(text, "v")
	if len(text) > maxNumber {
		return v, false
	}
	text, build, _ := strings.Cut(text, "+")
	if strings.IndexFunc(build, notBeforeRune) >= 0 {
		return v, false
	}
	numbers, before, pre := strings.Cut(text, "-")
	for _, n := range strings.Split(numbers, ".") {
		if !digits(n) {
			return v, false
		}
		v.numbers = append(v.numbers, strings.TrimLeft(n, "0"))
	}
	if pre {
		v.before = strings.Split(before, ".")
	}
	return v, !pre || before != "" && strings.IndexFunc(before, notBeforeRune) < 0
}

func notBeforeRune(r rune) bool {
	return (r|0x20 < 'a' || r|0x20 > 'z') && (r < '0' || r > '9') && r != '-' && r != '.'
}

// compareVersions orders as semantic versioning does; numbers that are left out
// are 0.
func compareVersions(a, b version) int {
	for i := range max(len(a.numbers), len(b.numbers)) {
		if c := compareDigits(part(a.numbers, i), part(b.numbers, i)); c != 0 {
			return c
		}
	}
	switch {
	case len(a.before) == 0 || len(b.before) == 0:
		return len(b.before) - len(a.before)
	}
	for i := range min(len(a.before), len(b.before)) {
		if c := compareBefore(a.before[i], b.before[i]); c != 0 {
			return c
		}
	}
	return len(a.before) - len(b.before)
}

func part(s []string, i int) string {
	if i < len(s) {
		return s[i]
	}
	return ""
}

// compareBefore orders numbers by value and before texts.
func compareBefore(a, b string) int {
	switch x, y := digits(a), digits(b); {
	case x && y:
		return compareDigits(strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0"))
	case x:
		return -1
	case y:
		return 1
	}
	return strings.Compare(a, b)
}
