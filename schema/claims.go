package schema

import (
	"cmp"
	"maps"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
)

// claims finds the earlier pools that claim nodes which p claims too, where the
// text alone tells: one of the two selects by no attribute that the other does not
// select by as well, and values are found that satisfy both. Then whatever the
// narrower pool selects is contended as soon as there is such a node. Pools that
// each go by an attribute of their own (a zone, a device) may never meet; where
// they do, the nodes show it.
func (c *poolChecker) claims(i int) {
	p := &c.pools[i]
	for k := range c.pools[:i] {
		q := &c.pools[k]
		if len(p.Nodes) == 0 && len(q.Nodes) == 0 || partOf(c.pools, p.Name, q.Name) || partOf(c.pools, q.Name, p.Name) {
			continue
		}
		if text := contended(p.claim(), q.claim()); text != "" {
			at := p
			if len(p.Nodes) == 0 {
				at, q = q, p
			}
			c.add(at, "nodes", "pool %q claims the same nodes, such as one with %s", q.Name, text)
		}
	}
}

// claim are the constraints that a pool's nodes meet: without a selector, that
// they name it.
func (p *Pool) claim() []Constraint {
	if len(p.Nodes) > 0 {
		return p.Nodes
	}
	return []Constraint{{Attribute: "pool", Op: "=", Value: p.Name}}
}

// contended are the attributes of a node that meets all constraints of both: "disk
// = ssd, zone = a"; "" where none is known.
func contended(a, b []Constraint) string {
	rules, onlyA, onlyB := map[string][]Constraint{}, false, false
	for _, k := range slices.Concat(a, b) {
		rules[k.Attribute] = append(rules[k.Attribute], k)
	}
	for attribute := range rules {
		by := func(k Constraint) bool { return k.Attribute == attribute }
		onlyA = onlyA || !slices.ContainsFunc(b, by)
		onlyB = onlyB || !slices.ContainsFunc(a, by)
	}
	if onlyA && onlyB {
		return ""
	}
	var parts []string
	for _, attribute := range slices.Sorted(maps.Keys(rules)) {
		value, have, found := witness(attribute, rules[attribute])
		if !found {
			return ""
		}
		if have {
			parts = append(parts, attribute+" = "+strconv.Quote(value))
		} else {
			parts = append(parts, "no "+attribute)
		}
	}
	return strings.Join(parts, ", ")
}

// witness is a value of the attribute for which all constraints hold, or that it
// may be missing. Each is tried, so that none is wrong; of comparisons and of lists
// of values none is overlooked, of regular expressions those may be that have but
// unlikely values in common.
func witness(attribute string, all []Constraint) (value string, have, found bool) {
	known := Patterns{}
	meets := func(attributes map[string]string) bool {
		return !slices.ContainsFunc(all, func(k Constraint) bool { return !k.Holds(attributes, known) })
	}
	for _, v := range candidates(all) {
		if meets(map[string]string{attribute: v}) {
			return v, true, true
		}
	}
	return "", false, meets(nil)
}

// tiny is appended to the digits of a number or a version for one just above it.
const tiny = "000000000000000001"

// candidates are values worth trying, the likely ones first: those that are named,
// then those just beside them, then some that nobody names.
func candidates(all []Constraint) []string {
	var named, beside []string
	for i := range all {
		k := &all[i]
		switch k.Op {
		case "matches":
			named = append(named, matching(k.Value)...)
		case "version":
			rules, _ := ParseVersions(k.Value)
			for _, r := range rules {
				v := r.v.text()
				named = append(named, v)
				beside = append(beside, v+".0.0.0."+tiny, v+"-0")
			}
		case "<", "<=", ">", ">=":
			named = append(named, k.Value)
			beside = append(beside, nudged(k.Value)...)
		default:
			named = append(append(named, k.Values...), k.Value)
		}
	}
	named = slices.DeleteFunc(named, func(v string) bool { return v == "" })
	far := strings.Repeat("9", maxNumber-2)
	return slices.Concat(named, beside, []string{"1", "0", far, "-" + far, "a", "any other", ""})
}

// nudged are numbers beside another: a whole number's neighbours, one just above
// what is not negative, and one just below what is not positive.
func nudged(number string) (all []string) {
	if n, err := strconv.Atoi(number); err == nil {
		all = append(all, strconv.Itoa(n+1), strconv.Itoa(n-1))
	}
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(number, "-"), ".")
	off := whole + "." + fraction + tiny
	return append(all, off, "-"+off)
}

// text is one that parseVersion reads back to the same.
func (v version) text() string {
	numbers := slices.Clone(v.numbers)
	for i := range numbers {
		numbers[i] = cmp.Or(numbers[i], "0")
	}
	text := strings.Join(numbers, ".")
	if len(v.before) > 0 {
		text += "-" + strings.Join(v.before, ".")
	}
	return text
}

// maxExamples bounds the texts that are made of one regular expression.
const maxExamples = 64

// matching are some texts that a regular expression may match, short ones; whether
// they do is left to be tried.
func matching(pattern string) []string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	return examples(re)
}

func examples(re *syntax.Regexp) (all []string) {
	switch re.Op {
	case syntax.OpLiteral:
		return []string{string(re.Rune)}
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune) && i < maxExamples; i += 2 {
			all = append(all, string(re.Rune[i]), string(re.Rune[i+1]))
		}
		return all
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return []string{"a", "0"}
	case syntax.OpStar, syntax.OpQuest:
		return append([]string{""}, examples(re.Sub[0])...)
	case syntax.OpCapture, syntax.OpPlus:
		return examples(re.Sub[0])
	case syntax.OpRepeat:
		all = []string{""}
		for range min(re.Min, maxExamples) {
			all = joined(all, examples(re.Sub[0]))
		}
		return all
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			all = append(all, examples(sub)...)
		}
		return all[:min(len(all), maxExamples)]
	case syntax.OpConcat:
		all = []string{""}
		for _, sub := range re.Sub {
			all = joined(all, examples(sub))
		}
		return all
	}
	return []string{""}
}

// joined are the texts of one after those of another, not too many.
func joined(heads, tails []string) (all []string) {
	for _, tail := range tails {
		for _, head := range heads {
			if len(all) < maxExamples {
				all = append(all, head+tail)
			}
		}
	}
	return all
}
