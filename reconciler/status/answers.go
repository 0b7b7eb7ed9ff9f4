package status

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bayplan/bayplan/reconciler"
)

// NodeAnswer is what one node would say to a slot now.
type NodeAnswer struct {
	Node string `json:"node"`
	Fits bool   `json:"fits"`
	// Score, and its parts in words, are of one that fits.
	Score int    `json:"score,omitempty"`
	Parts string `json:"parts,omitempty"`
	// Filter is what refuses otherwise, and Miss tells it with amounts.
	Filter string `json:"filter,omitempty"`
	Miss   string `json:"miss,omitempty"`
}

// answersOf are all nodes' answers, by name.
func answersOf(verdicts []reconciler.Verdict) []NodeAnswer {
	all := make([]NodeAnswer, 0, len(verdicts))
	for i := range verdicts {
		v := &verdicts[i]
		a := NodeAnswer{Node: v.Node, Fits: v.Fits, Filter: v.Filter, Miss: v.Miss}
		if v.Fits {
			a.Score, a.Parts = v.Score.Total(), v.Score.String()
		}
		all = append(all, a)
	}
	return all
}

const (
	// answerRoom is about how many lines nodes have in an explanation, so that one
	// is read at a glance whatever the number of nodes.
	answerRoom = 20
	// mostAlike is how many nodes of one cause are told at most.
	mostAlike = 5
)

// answerLines tells the answers for people: the best first, and of each cause a
// few, with how many more there are.
func answerLines(verdicts []reconciler.Verdict) []string {
	ranked := slices.Clone(verdicts)
	slices.SortFunc(ranked, func(a, b reconciler.Verdict) int { return cmp.Compare(a.Rank, b.Rank) })
	count := map[string]int{}
	for i := range ranked {
		count[ranked[i].Filter]++
	}
	room := min(mostAlike, max(1, answerRoom/max(1, len(count))))
	if len(ranked) <= answerRoom {
		room = answerRoom
	}
	lines, told := []string{}, map[string]int{}
	for i := range ranked {
		v := &ranked[i]
		told[v.Filter]++
		switch left := count[v.Filter] - told[v.Filter]; {
		case told[v.Filter] <= room || left == 0 && told[v.Filter] == room+1:
			lines = append(lines, answerLine(v))
		case left == 0:
			lines = append(lines, moreLike(v, count[v.Filter]-room))
		}
	}
	return lines
}

func answerLine(v *reconciler.Verdict) string {
	if !v.Fits {
		return v.Node + " cannot take it: " + v.Filter + ": " + v.Miss
	}
	return fmt.Sprintf("%s can take it: score %s", v.Node, v.Score)
}

func moreLike(v *reconciler.Verdict, more int) string {
	if v.Fits {
		return fmt.Sprintf("and %d more can take it", more)
	}
	return fmt.Sprintf("and %d more like it: %s", more, v.Filter)
}
