package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// BenchmarkEvict asks whom 32 requests could have end on nodes that are full of
// ten orders each: where every node would do, and where none does since the port
// that they want is held by what stays.
func BenchmarkEvict(b *testing.B) {
	for _, fits := range []bool{true, false} {
		for _, count := range []int{1_000, 10_000} {
			b.Run(fmt.Sprintf("fits=%t/nodes=%d", fits, count), func(b *testing.B) { benchEvict(b, count, fits) })
		}
	}
}

func benchEvict(b *testing.B, count int, fits bool) {
	on := make([][]scheduler.Held, count)
	var pool scheduler.Pool
	spare := map[string]int{}
	for i := range count {
		n := node(fmt.Sprintf("n%05d", i))
		for k := range 10 {
			h := held(fmt.Sprintf("a/low-%d", (i*7+k)%100), 200, priority(k%3))
			h.Workload.Resources.Memory = 100 << 20
			n.Hold(h.Workload)
			spare[h.Workload.Name] = 5
			on[i] = append(on[i], h)
		}
		if !fits {
			n.Ports = []int{8080}
		}
		pool.Nodes = append(pool.Nodes, n)
	}
	var asked []scheduler.Request
	w := held("b/high", 700, priority(5)).Workload
	hostPort(w, 8080)
	for i := range 32 {
		asked = append(asked, request(w, i))
	}
	b.ReportAllocs()
	began := processorTime()
	for b.Loop() {
		left := map[string]int{}
		for name, n := range spare {
			left[name] = n
		}
		t := scheduler.Open(pool)
		if got := t.Evict(asked, func(i int) []scheduler.Held { return on[i] }, left); (len(got) > 0) != fits {
			b.Fatalf("%d evictions", len(got))
		}
	}
	b.ReportMetric(float64((processorTime()-began).Milliseconds())/float64(b.N), "cpu-ms/op")
}

func hostPort(w *schema.Workload, port int) {
	w.Ports = map[string]schema.Port{"p": {Container: 80, Host: port}}
}
