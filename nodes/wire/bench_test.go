package wire

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// From Assign on the server to Assign at the agent, over loopback and TLS.
func BenchmarkAssign(b *testing.B) {
	for _, orders := range []int{1, 100} {
		b.Run(fmt.Sprint(orders, "orders"), func(b *testing.B) {
			c := newCluster(b)
			m, _ := c.node("n1")
			a := assignment("n1", 1, 0)
			for k := 1; k < orders; k++ {
				o := a.Orders[0]
				o.ID = fmt.Sprintf("shop/web.%d@abc", k)
				o.Slot = schema.Slot{Workload: "shop/web", Index: k}
				a.Orders = append(a.Orders, o)
			}
			slices.SortFunc(a.Orders, func(x, y nodes.Order) int { return strings.Compare(x.ID, y.ID) })
			for b.Loop() {
				a.Version.Serial++
				c.roster.Assign(a)
				m.next(b)
			}
		})
	}
}

// From a change at the agent to the roster's signal.
func BenchmarkReport(b *testing.B) {
	c := newCluster(b)
	m, _ := c.node("n1")
	list := make([]nodes.Instance, 100)
	for k := range list {
		list[k] = instance(fmt.Sprintf("i%03d", k), nodes.Running)
	}
	m.set(list...)
	<-c.roster.Changed()
	for b.Loop() {
		next := append([]nodes.Instance(nil), list...)
		next[7].Restarts++
		list = next
		m.set(list...)
		<-c.roster.Changed()
	}
}
