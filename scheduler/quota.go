package scheduler

import (
	"fmt"

	"github.com/bayplan/bayplan/schema"
)

// denial is why a pool may not have one more of a workload, whatever the nodes.
type denial struct {
	filter string // "limit" or "guarantee"; empty where nothing denies it
	pool   int32  // whose amounts tell it
	r      int    // the resource
	want   int64  // of which so much is asked for

	// leaf is who asks, home whose nodes have the most for it.
	leaf, home int32
	revocable  bool
}

// denies is what denies a leaf one more: a limit, or what is held for others on all
// nodes that it may use.
func (t *Table) denies(leaf int32, r *Request) denial {
	if no := t.shares.limits(leaf, amountsOf(r.Workload)); no.filter != "" || !t.shares.promised || t.offHeld(r) {
		return no
	}
	return t.shares.keeps(leaf, r.Workload)
}

// offHeld is whether a request comes back to a node that takes no other work, so that
// nothing there is held for anybody.
func (t *Table) offHeld(r *Request) bool {
	if !r.Home {
		return false
	}
	n := t.at(r.Only)
	return n >= 0 && t.nodes[n].Closed != "" && t.nodes[n].Keeps
}

// limits is the innermost limit that denies a leaf so much more.
func (s *shares) limits(leaf int32, want amounts) denial {
	for at := leaf; at >= 0; at = s.all[at].parent {
		x := &s.all[at]
		for r := range want {
			if x.limit != unbounded && x.use.plus(want)[r] > x.limit[r] {
				return denial{filter: "limit", pool: at, r: r, want: want[r]}
			}
		}
	}
	return denial{}
}

// keeps is what is held for others on all nodes that a leaf may use.
func (s *shares) keeps(leaf int32, w *schema.Workload) (no denial) {
	for home := leaf; home >= 0; home = s.all[home].parent {
		if s.all[home].hold.nodes == 0 {
			continue
		}
		if no = s.deniesOn(leaf, home, amountsOf(w), w.Revocable); no.filter == "" {
			return no
		}
	}
	return no
}

// deniesOn is what denies it on nodes of the pool home.
func (s *shares) deniesOn(leaf, home int32, want amounts, revocable bool) denial {
	for r := range want {
		if s.takes(leaf, home, r, want[r], revocable) {
			return denial{"guarantee", s.top(leaf), r, want[r], leaf, home, revocable}
		}
	}
	return denial{}
}

// bars are the pools on whose nodes a leaf may have no more, since what these have
// free is held for others.
func (t *Table) bars(leaf int32, r *Request) (homes []int32) {
	s := t.shares
	if !s.promised || !s.split || t.offHeld(r) {
		return nil
	}
	for home := leaf; home >= 0; home = s.all[home].parent {
		if s.all[home].hold.nodes > 0 && s.deniesOn(leaf, home, amountsOf(r.Workload), r.Workload.Revocable).filter != "" {
			homes = append(homes, home)
		}
	}
	return homes
}

// most is the most of a resource, up to some amount, that a leaf may have more on
// nodes of the pool home.
func (s *shares) most(leaf, home int32, r int, upTo int64, revocable bool) int64 {
	if !s.takes(leaf, home, r, upTo, revocable) {
		return upTo
	}
	low, high := int64(0), upTo
	for high-low > 1 {
		if middle := low + (high-low)/2; s.takes(leaf, home, r, middle, revocable) {
			high = middle
		} else {
			low = middle
		}
	}
	return low
}

// why tells a denial of all of so many nodes.
func (s *shares) why(no denial, nodes int) *Why {
	x := &s.all[no.pool]
	amount := func(n int64) string {
		if no.r == 0 {
			return schema.CPU(n).String()
		}
		return schema.Bytes(n).Human()
	}
	of, suffix := x.limit[no.r], ""
	if no.filter == "guarantee" {
		of = sub(x.use[no.r], -s.most(no.leaf, no.home, no.r, no.want, no.revocable))
		suffix = " that are not kept for others"
	}
	what := [...]string{"cpu", "memory"}[no.r]
	text := fmt.Sprintf("needs %s %s; pool %s has %s of %s%s", amount(no.want), what, x.name, amount(x.use[no.r]), amount(of), suffix)
	why := &Why{Nodes: nodes, Refusals: []Refusal{{Filter: no.filter, Nodes: nodes, Nearest: text}}}
	if no.filter == "limit" && no.want > of {
		why.Never = fmt.Sprintf("it needs %s %s, and pool %s may have no more than %s", amount(no.want), what, x.name, amount(of))
	}
	return why
}

// mayHave is whether a node takes a request, and its pool may have it there.
func (t *Table) mayHave(leaf, n int32, r *Request) (may bool) {
	if t.denies(leaf, r).filter == "" {
		t.asking(r, t.bars(leaf, r), func(g *run) { may = g.refuse(n) < 0 })
	}
	return may
}
