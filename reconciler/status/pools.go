package status

import (
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// Pool is one pool's state.
type Pool struct {
	Name   string `json:"name"`
	Parent string `json:"parent,omitempty"`
	// Nodes are those of the pool itself; it may use its parent's too.
	Nodes  int `json:"nodes"`
	Weight int `json:"weight"`
	Slots  int `json:"slots"`
	// Whole is what there is to share, Use what its work and that of its parts
	// holds, Share the larger of its shares of cpu and memory in thousandths.
	Whole schema.Quantity `json:"whole"`
	Use   schema.Quantity `json:"use"`
	Share int             `json:"share"`

	Guarantee *schema.Quantity `json:"guarantee,omitempty"`
	Limit     *schema.Quantity `json:"limit,omitempty"`
	// Lent is the part of its guarantee that others use.
	Lent schema.Quantity `json:"lent"`
	// Largest are the slots than which it could place none larger now, by falling cpu.
	Largest []schema.Quantity `json:"largest"`
}

func (b *builder) pools() (all []Pool) {
	in := reconciler.Input{Observed: b.in.Observed, Facts: b.in.Facts, Now: b.in.Now, Started: b.in.Started}
	for _, s := range reconciler.Standings(in) {
		all = append(all, Pool{Name: s.Pool.Name, Parent: s.Pool.Parent, Nodes: s.Nodes, Weight: s.Pool.Weight, Slots: s.Use.Slots,
			Whole: s.Whole, Use: schema.Quantity{CPU: s.Use.CPU, Memory: s.Use.Memory}, Share: s.Share,
			Guarantee: s.Pool.Guarantee, Limit: s.Pool.Limit, Lent: s.Lent, Largest: s.Largest})
	}
	return all
}
