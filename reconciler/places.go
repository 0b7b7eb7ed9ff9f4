package reconciler

import (
	"slices"

	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// Verdict is what one node would say to a slot now.
type Verdict struct {
	Node string
	// Fits is whether it could take the slot; Score then tells how well.
	Fits  bool
	Score scheduler.Score
	// Filter is what refuses, and Miss tells it with amounts.
	Filter, Miss string
	// Rank is its place among all when the best come first: those that could take
	// it by their score, then the nearest misses.
	Rank int
}

// Places asks every node about one slot, as placing it now would, sorted by
// node. The slot's own instances are not counted against it. A slot of an
// unknown workload has no verdicts.
func Places(in Input, slot schema.Slot) []Verdict {
	in.Scratch = nil
	p := newPass(in)
	p.look()
	at, known := findRollout(p.facts.Rollouts, slot.Workload)
	if !known {
		return nil
	}
	goal, _ := p.facts.Rollouts[at].goal()
	if goal == nil {
		return nil
	}
	r := p.request(p.wanted(at), &slotView{slot: slot}, "")
	p.wants = append(p.wants, want{version: p.wanted(at), request: r})
	p.entries = slices.DeleteFunc(p.entries, func(e entry) bool { return e.slot() == slot })
	p.buildPool()
	t := scheduler.Open(*p.pool)
	return ranked(t, t.AskAll(&r))
}

// ranked puts the scheduler's answers, which are in the order of nodes, in words.
func ranked(t *scheduler.Table, asked []scheduler.Verdict) []Verdict {
	order := make([]int, len(asked))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return asked[a].Nearer(&asked[b]) })
	all := make([]Verdict, len(asked))
	for rank, i := range order {
		v := &asked[i]
		all[i] = Verdict{Node: t.Name(i), Fits: v.Fits, Score: v.Score, Filter: v.Filter, Miss: v.Miss, Rank: rank}
	}
	return all
}
