package scheduler

import (
	"fmt"

	"github.com/bayplan/bayplan/schema"
)

// forbid is why a pool may not have one more of w: a limit, or what is
// guaranteed to others.
func (s *shares) forbid(leaf int32, w *schema.Workload, nodes int) *Why {
	want := amountsOf(w)
	for at := leaf; at >= 0; at = s.all[at].parent {
		if x := &s.all[at]; x.limit != unbounded && x.use.plus(want).above(x.limit) {
			return poolWhy(nodes, "limit", x, want, x.limit, x.use)
		}
	}
	return s.kept(leaf, w, nodes)
}

// kept is why what is guaranteed to others leaves no room for one more of w.
func (s *shares) kept(leaf int32, w *schema.Workload, nodes int) *Why {
	want, top := amountsOf(w), &s.all[s.top(leaf)]
	if top.idle == (amounts{}) || s.owed(leaf, want) {
		return nil
	}
	if idle := s.idleAfter(leaf, want, w.Revocable); top.use.plus(want).plus(idle).above(top.whole) {
		return poolWhy(nodes, "guarantee", top, want, top.whole.minus(idle), top.use)
	}
	return nil
}

// idleAfter is what would be kept for others once a leaf had one more.
func (s *shares) idleAfter(leaf int32, want amounts, revocable bool) amounts {
	var less amounts
	var out amounts
	for at := leaf; at >= 0; at = s.all[at].parent {
		x := &s.all[at]
		below, now := x.below.idle, x.idle
		if revocable {
			below, now = x.below.kept, x.kept
		}
		out = below.minus(less)
		if !revocable || !x.lend {
			out = out.most(x.guarantee.minus(x.use.plus(want)))
		}
		out = out.most(amounts{})
		less = now.minus(out)
	}
	return out
}

// poolWhy tells what of a pool's is short.
func poolWhy(nodes int, filter string, x *share, want, all, use amounts) *Why {
	text := ""
	if use.plus(want)[0] > all[0] {
		text = fmt.Sprintf("needs %s cpu; pool %s has %s of %s", schema.CPU(want[0]), x.name, schema.CPU(use[0]), schema.CPU(max(all[0], 0)))
	} else {
		text = fmt.Sprintf("needs %s memory; pool %s has %s of %s", schema.Bytes(want[1]).Human(), x.name, schema.Bytes(use[1]).Human(), schema.Bytes(max(all[1], 0)).Human())
	}
	if filter == "guarantee" {
		text += " that are not kept for others"
	}
	return &Why{Nodes: nodes, Refusals: []Refusal{{Filter: filter, Nodes: nodes, Nearest: text}}}
}
