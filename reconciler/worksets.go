package reconciler

import (
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// workSets walks the slots of a workload that has two sets. The one that serves
// is kept as any other workload is, within its budget, and what is neither set
// goes; the one beside it is filled up, and kept as long as it may be needed.
func (p *pass) workSets(i int) {
	r, out := &p.facts.Rollouts[i], &p.outcome[i]
	serves, beside := r.sets()
	out.desired = r.Want.Replicas
	if r.Stage == Reverting {
		out.desired = r.Good.Replicas
		p.wakeAt(r.drains())
	}
	b := p.setBudget(i, serves, beside)
	group, first, asks := p.groupAt(i), len(p.wants), false
	for index := range max(serves.text.Replicas, beside.text.Replicas) {
		var mine []entry
		mine, group = cut(group, index)
		rest, set := splitSet(mine, beside.digest)
		asked := len(p.wants)
		p.workServing(i, serves, index, rest, &b)
		asksNow := len(p.wants) > asked
		p.workBeside(i, beside, index, set, asksNow)
		asks = asks || asksNow
	}
	if asks && beside.text.Gang { // all of the set at once, or none yet
		kept := slices.DeleteFunc(p.wants[first:], func(w want) bool { return w.digest == beside.digest })
		p.wants = p.wants[:first+len(kept)]
	}
	for j := range group {
		p.end(i, &group[j], nodes.ScaledDown)
	}
}

// setBudget is what is left of the allowance of the set that serves.
func (p *pass) setBudget(i int, serves, beside version) budget {
	group := p.groupAt(i)
	var t tally
	for index := range serves.text.Replicas {
		var mine []entry
		mine, group = cut(group, index)
		rest, _ := splitSet(mine, beside.digest)
		t.count(p, serves.text, serves.digest, rest)
	}
	return t.budget(p.gistOf(i, p.facts.Rollouts[i].Want), serves.text.Replicas)
}

// splitSet parts the entries of one slot into those of a digest and all others.
func splitSet(mine []entry, d schema.Digest) (rest, set []entry) {
	of := func(e *entry) int {
		if e.digest() == d {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(mine, func(a, b entry) int { return of(&a) - of(&b) })
	at := slices.IndexFunc(mine, func(e entry) bool { return of(&e) == 1 })
	if at < 0 {
		at = len(mine)
	}
	return mine[:at], mine[at:]
}

func (e *entry) digest() schema.Digest {
	if e.order != nil {
		return e.order.Digest
	}
	return e.inst.Digest
}

// workServing does what a slot of the set that serves needs. While a new set
// comes up it takes no part in the rollout, so that nothing of it counts.
func (p *pass) workServing(i int, what version, index int, mine []entry, b *budget) {
	r, out := &p.facts.Rollouts[i], &p.outcome[i]
	was := *out
	if index >= what.text.Replicas {
		why := nodes.ScaledDown
		if index < r.Want.Replicas { // left from a set that was superseded
			why = nodes.Replaced
		}
		for j := range mine {
			p.end(i, &mine[j], why)
		}
	} else {
		v := p.viewSlot(what.text, what.digest, schema.Slot{Workload: r.Workload, Index: index}, mine)
		p.step(i, r.Want, &v, b, "")
	}
	if r.Stage == Rolling {
		*out = was
	}
}

// workBeside does what a slot of the other set needs. Nothing of it serves, so
// that it may come and go freely; but where the slot's own that serves asks for
// a place in this pass, that comes first.
func (p *pass) workBeside(i int, what version, index int, mine []entry, later bool) {
	r, out := &p.facts.Rollouts[i], &p.outcome[i]
	was := *out
	slot := schema.Slot{Workload: r.Workload, Index: index}
	switch {
	case index >= what.text.Replicas:
		for j := range mine {
			p.end(i, &mine[j], nodes.ScaledDown)
		}
		return
	case r.Stage == Reverting: // it served a moment ago, and ends after that
		out.left += len(mine)
		return
	}
	v := p.viewSlot(what.text, what.digest, slot, mine)
	v.beside = true
	asked := len(p.wants)
	p.step(i, r.Want, &v, &budget{surge: 1, counted: true}, "")
	if later {
		p.wants = p.wants[:asked]
	}
	if r.Stage == Keeping {
		*out = was
	}
}
