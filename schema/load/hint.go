package load

import (
	"fmt"
	"strings"
)

// unknownField says that name is no field, and which one was likely meant.
func unknownField(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("unknown field %q, did you mean %q?", name, near)
	}
	if len(known) == 0 {
		return fmt.Sprintf("unknown field %q", name)
	}
	return fmt.Sprintf("unknown field %q, want one of %s", name, strings.Join(known, ", "))
}

// nearest is the known name closest to a mistyped one; "" if none is close.
func nearest(name string, known []string) string {
	best, least := "", max(1, len(name)/3)+1
	for _, k := range known {
		if d := nearness(strings.ToLower(name), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// nearness is the distance of two names, where a beginning counts as one step:
// "env" for "environment", "volume" for "volumes".
func nearness(a, b string) int {
	if min(len(a), len(b)) >= 3 && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a)) {
		return 1
	}
	return distance(a, b)
}

// distance counts the bytes to insert, drop, change or swap with the next one
// to make b of a (the optimal string alignment distance).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
