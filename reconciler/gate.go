package reconciler

import (
	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// gate is what a rollout may do in this pass beside its budget. A closed one
// takes nothing down and brings nothing up that is new: what the workload has
// is kept as it is, and a slot that is lost meanwhile comes back in the version
// that it had. No deadline runs behind it.
type gate struct {
	// start is whether slots that have nothing may have the wanted version,
	// update whether slots that run another may go over to it.
	start, update bool
	// ended is whether what it waits for came to an end that is another: the
	// rollout waits on, and its commit no longer does.
	ended bool
	// why is what closes it.
	why Blocked
}

var open = gate{start: true, update: true}

func (g *gate) open() bool { return g.start && g.update }

// gateOf is the i-th rollout's, as the first of its clauses that closes it says.
func (p *pass) gateOf(i int) gate {
	if g := p.onHold(i); !g.open() {
		return g
	}
	if g := p.onPause(i); !g.open() {
		return g
	}
	return p.afterOthers(i)
}

// present is the version that a slot without an instance is to come back in
// while its rollout's gate is closed: the one that it was last ordered in, else
// the last good one, if that had the slot; nil where it had none.
func (p *pass) present(i int, v *slotView) *version {
	r := &p.facts.Rollouts[i]
	if v.beside {
		if v.had {
			return &v.what
		}
		return nil
	}
	var last *nodes.Order
	for j := range v.entries {
		if o := v.entries[j].order; o != nil && o.Workload != nil && o.Workload.Kind == r.Want.Kind && (last == nil || o.Placed.After(last.Placed)) {
			last = o
		}
	}
	switch {
	case last != nil && last.Digest == r.Target:
		return &version{r.Want, r.Target}
	case last != nil:
		return &version{last.Workload, last.Digest}
	}
	if r.Good == nil || r.Good.Kind != r.Want.Kind || r.Good.Kind != schema.Daemon && v.slot.Index >= r.Good.Replicas {
		return nil
	}
	return &version{r.Good, r.GoodDigest}
}

// version is a workload's text with its digest.
type version struct {
	text   *schema.Workload
	digest schema.Digest
}

// is whether the instance was ordered in the version.
func (v version) is(e *entry) bool { return e.order.Digest == v.digest }
