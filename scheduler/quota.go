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

// denies is what denies a leaf one more of w: a limit, or what is held for others on
// all nodes that it may use.
func (s *shares) denies(leaf int32, w *schema.Workload) (no denial) {
	want := amountsOf(w)
	for at := leaf; at >= 0; at = s.all[at].parent {
		x := &s.all[at]
		for r := range want {
			if x.limit != unbounded && x.use.plus(want)[r] > x.limit[r] {
				return denial{filter: "limit", pool: at, r: r, want: want[r]}
			}
		}
	}
	if !s.promised {
		return denial{}
	}
	for home := leaf; home >= 0; home = s.all[home].parent {
		if s.all[home].hold.nodes == 0 {
			continue
		}
		if no = s.deniesOn(leaf, home, want, w.Revocable); no.filter == "" {
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

// bars are the pools on whose nodes a leaf may have no more of w, since what these
// have free is held for others.
func (s *shares) bars(leaf int32, w *schema.Workload) (homes []int32) {
	if !s.promised || !s.split {
		return nil
	}
	for home := leaf; home >= 0; home = s.all[home].parent {
		if s.all[home].hold.nodes > 0 && s.deniesOn(leaf, home, amountsOf(w), w.Revocable).filter != "" {
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
	return &Why{Nodes: nodes, Refusals: []Refusal{{Filter: no.filter, Nodes: nodes, Nearest: text}}}
}

// mayHave is whether a node takes a request, and its pool may have it there.
func (t *Table) mayHave(leaf, n int32, r *Request) (may bool) {
	if t.shares.denies(leaf, r.Workload).filter == "" {
		t.asking(r, t.shares.bars(leaf, r.Workload), func(g *run) { may = g.refuse(n) < 0 })
	}
	return may
}
