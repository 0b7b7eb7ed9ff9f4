package reconciler

import "github.com/bayplan/bayplan/schema"

// budget is what a rolling update may still do in this pass.
type budget struct {
	surge int // slots that may run old and new side by side
	down  int // slots that may be down
	// instead is how many may be down where fixed host ports keep old and new
	// from running side by side; down is counted in it.
	instead int
	// counted is whether it was: most passes need none, and counting is a second walk
	// over all slots.
	counted bool
}

// left is what the workload may still do, counted when it is first asked for.
func (p *pass) left(i int, goal *schema.Workload, b *budget) *budget {
	if !b.counted {
		*b = p.serviceBudget(i, goal)
	}
	return b
}

// serviceBudget counts what is surging and down now, stops in flight included
// (I1), and returns what is left of the workload's allowance.
func (p *pass) serviceBudget(i int, goal *schema.Workload) budget {
	entries := p.groupAt(i)
	var t tally
	for index := range goal.Replicas {
		var mine []entry
		mine, entries = cut(entries, index)
		what := p.versionOf(i, index, mine)
		t.count(p, what.text, what.digest, mine)
	}
	return t.budget(p.gistOf(i, goal), goal.Replicas)
}

// tally counts slots without changing anything.
type tally struct{ surging, down int }

func (t *tally) count(p *pass, goal *schema.Workload, digest schema.Digest, entries []entry) {
	var current, old, serves bool
	for j := range entries {
		e := &entries[j]
		if e.order == nil || e.order.Stop || p.givenUp(e, goal) {
			continue
		}
		is := e.order.Digest == digest && !p.leaving(e, goal) && p.mayStay(&p.nodes[e.node], goal)
		current = current || is
		old = old || !is
		serves = serves || p.serves(e) && (!is || p.settledSince(e, goal))
	}
	if current && old {
		t.surging++
	}
	if !serves {
		t.down++
	}
}

// budget is the text's allowance less what is used. Where fixed host ports keep old
// and new from running side by side, at least one slot at a time may go down
// instead.
func (t *tally) budget(of *gist, slots int) budget {
	goal, u := of.of, &of.of.Update
	surge, down := u.MaxSurge.Of(slots), maySpare(u, slots)
	if u.Strategy == "recreate" {
		return budget{down: down - t.down, counted: true} // of what moves, and its text stays
	}
	switch {
	case u.Strategy == schema.Ordered:
		surge, down = 0, u.InPlace(slots)
	case keepsPlace(goal):
		surge, down = 0, max(down, 1)
	case surge == 0 && down == 0:
		surge = 1
	}
	if goal.Quorum > 0 {
		down = min(down, slots-goal.Quorum)
	}
	b := budget{surge: surge - t.surging, down: down - t.down, counted: true}
	if of.fixes {
		b.instead = max(down, 1) - t.down
	}
	return b
}

// maySpare is how many slots may be down where none is for another text of it: of a
// recreate, which never runs two side by side, one at least.
func maySpare(u *schema.Update, slots int) int {
	down := u.MaxUnavailable.Floor(slots)
	if u.Strategy == "recreate" {
		return max(down, 1)
	}
	return down
}
