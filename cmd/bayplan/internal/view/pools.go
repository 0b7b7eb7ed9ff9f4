package view

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// noPools is what there is to say where the repository names none.
const noPools = "no pools: the repository's root may name some, `cluster: pools: ...`"

// Pools draws one line a pool, its parts below it.
func Pools(w io.Writer, all []status.Pool, l Look) {
	if len(all) == 0 {
		fmt.Fprintln(w, noPools)
		return
	}
	t := show.NewColumns(l.Paint, "POOL", "NODES", "WEIGHT", "GUARANTEE", "LIMIT", "SHARE", "CPU", "MEMORY", "LENT", "LARGEST SLOT")
	var draw func(parent, indent string)
	draw = func(parent, indent string) {
		for i := range all {
			if p := &all[i]; p.Parent == parent {
				t.Row(indent+p.Name, p.Nodes, p.Weight, bound(p.Guarantee), bound(p.Limit), percent(p.Share), p.Use.CPU.String()+"/"+p.Whole.CPU.String(),
					p.Use.Memory.Human()+"/"+p.Whole.Memory.Human(), amount(p.Lent), largest(p.Largest))
				draw(p.Name, indent+"  ")
			}
		}
	}
	draw("", "")
	t.Print(w)
}

// PoolTop draws the pools by how much they use, the most first.
func PoolTop(w io.Writer, all []status.Pool, l Look) {
	if len(all) == 0 {
		fmt.Fprintln(w, noPools)
		return
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b status.Pool) int { return cmp.Compare(b.Share, a.Share) })
	t := show.NewColumns(l.Paint, "POOL", "SHARE", "SLOTS", "GUARANTEE", "CPU", "MEMORY", "LENT", "LARGEST SLOT")
	for i := range all {
		p := &all[i]
		t.Row(p.Name, percent(p.Share), p.Slots, bound(p.Guarantee), p.Use.CPU, p.Use.Memory.Human(), amount(p.Lent), largest(p.Largest))
	}
	t.Print(w)
}

func percent(thousandths int) string { return fmt.Sprintf("%d.%d%%", thousandths/10, thousandths%10) }

func bound(q *schema.Quantity) string {
	if q == nil {
		return "-"
	}
	return amount(*q)
}

// largest is "2 cpu, 4Gi", or, where what nodes have free differs in kind, the one
// with the most cpu and the one with the most memory, with dots for others between.
func largest(all []schema.Quantity) string {
	switch last := len(all) - 1; last {
	case -1:
		return "-"
	case 0:
		return amount(all[0])
	case 1:
		return amount(all[0]) + " or " + amount(all[1])
	default:
		return amount(all[0]) + " … " + amount(all[last])
	}
}

// amount is "2 cpu, 4Gi", without what is zero.
func amount(q schema.Quantity) string {
	var parts []string
	if q.CPU > 0 {
		parts = append(parts, q.CPU.String()+" cpu")
	}
	if q.Memory > 0 {
		parts = append(parts, q.Memory.Human())
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}
