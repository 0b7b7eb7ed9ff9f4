package reconciler

import (
	"slices"

	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// Verdict is what one node would say to a slot now.
type Verdict struct {
	Node string
	// Fits is whether it could take the slot; Score then tells how well, and
	// Miss otherwise what stands in the way.
	Fits  bool
	Score scheduler.Score
	Miss  string
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
	asked := t.AskAll(&r)
	verdicts := make([]Verdict, len(asked))
	for i, v := range asked {
		verdicts[i] = Verdict{Node: t.Name(i), Fits: v.Fits, Score: v.Score}
		if !v.Fits {
			verdicts[i].Miss = v.Filter + ": " + v.Miss
		}
	}
	return verdicts
}
