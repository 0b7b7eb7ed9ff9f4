package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// BenchmarkRefit is the most that looking for room for what was left out costs:
// nodes and requests all differ, two or fewer of which fit on a node, and the
// search comes to the end of what it may ask.
func BenchmarkRefit(b *testing.B) {
	for _, count := range []int{8, 16, 32} {
		b.Run(fmt.Sprintf("nodes=%d", count), func(b *testing.B) {
			var pool scheduler.Pool
			for i := range count {
				n := node(fmt.Sprintf("n%02d", i))
				n.Node.Allocatable = nodes.Capacity{CPU: schema.CPU(1000 + 7*i), Memory: schema.Bytes(1000 + 11*i)}
				pool.Nodes = append(pool.Nodes, n)
			}
			var requests []scheduler.Request
			for i := range min(64, count*5/2) {
				w := work(fmt.Sprintf("a/w%02d", i))
				w.Resources = schema.Resources{CPU: schema.CPU(450 + 13*i%300), Memory: schema.Bytes(450 + 17*i%300)}
				requests = append(requests, request(w, 0))
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, unplaced := scheduler.Place(pool, requests); len(unplaced) == 0 {
					b.Fatal("all fit")
				}
			}
		})
	}
}
