package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// BenchmarkPlace gives 20,000 slots of 1,000 workloads a place on 1,000 empty
// nodes: a whole cluster from nothing.
func BenchmarkPlace(b *testing.B) {
	for _, port := range []bool{false, true} {
		b.Run(fmt.Sprintf("ports=%v", port), func(b *testing.B) {
			pool, requests := largePool(1000), manyRequests(1000, 20, port)
			b.ReportAllocs()
			for b.Loop() {
				if placed, _ := scheduler.Place(pool, requests); len(placed) != len(requests) {
					b.Fatal("no room")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(requests)), "µs/slot")
		})
	}
}

func largePool(count int) (p scheduler.Pool) {
	for i := range count {
		n := node(fmt.Sprintf("node-%04d", i))
		n.Node.Allocatable, n.Node.PortMax = nodes.Capacity{CPU: 16000, Memory: 64 << 30}, 32000
		p.Nodes = append(p.Nodes, n)
	}
	return p
}

func manyRequests(workloads, slots int, port bool) (all []scheduler.Request) {
	for i := range workloads {
		w := work(fmt.Sprintf("team/work-%04d", i))
		if port {
			w.Ports = map[string]schema.Port{"http": {Container: 80}}
		}
		for k := range slots {
			all = append(all, request(w, k))
		}
	}
	return all
}
