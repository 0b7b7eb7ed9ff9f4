package scheduler_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// works are what is measured, each at some sizes.
var works = []struct {
	work         string
	nodes, tasks int
}{
	{"plain", 1_000, 10_000}, {"plain", 1_000, 100_000}, {"plain", 1_000, 1_000_000},
	{"plain", 5_000, 10_000}, {"plain", 5_000, 100_000}, {"plain", 5_000, 1_000_000},
	{"plain", 10_000, 10_000}, {"plain", 10_000, 100_000}, {"plain", 10_000, 1_000_000},
	{"plain", 50_000, 100_000}, {"plain", 50_000, 1_000_000},
	{"spread", 1_000, 10_000}, {"spread", 5_000, 100_000}, {"spread", 10_000, 100_000}, {"spread", 10_000, 1_000_000},
	{"single", 1_000, 10_000}, {"single", 5_000, 10_000}, {"single", 10_000, 10_000},
	{"pools", 1_000, 10_000}, {"pools", 5_000, 100_000}, {"pools", 10_000, 100_000},
	{"update", 1_000, 2_500}, {"ports", 5_000, 100_000}, {"nofit", 1_000, 1}, {"nofit", 5_000, 1}, {"nofit", 10_000, 1},
}

// BenchmarkPlace gives tasks of mixed sizes a place on empty nodes, and tells
// how many a second of processor time it places. The works:
//
//	plain   groups of 100 equal tasks
//	spread  the same, over zones, two at most for each node, half of the nodes
//	        only, and apart from another group
//	single  groups of one, into a cluster that is full before the end
//	update  a quarter of one workload of 10,000 slots, each beside its old one
//	nofit   a group that fits nowhere, with why; counted in groups
//	ports   groups of 100 whose tasks take a host port each
//	pools   1,000 pools that contend, a task at a time
func BenchmarkPlace(b *testing.B) {
	for _, c := range works {
		b.Run(fmt.Sprintf("%s/nodes=%d/tasks=%d", c.work, c.nodes, c.tasks), func(b *testing.B) {
			benchPlace(b, c.work, c.nodes, c.tasks)
		})
	}
}

func benchPlace(b *testing.B, work string, count, tasks int) {
	pool, requests := benchCase(work, count, tasks)
	if work == "nofit" {
		benchNoFit(b, pool, &requests[0])
		return
	}
	b.ReportAllocs()
	placed, began := 0, processorTime()
	for b.Loop() {
		p, _ := scheduler.Place(pool, requests)
		placed += len(p)
	}
	spent := processorTime() - began
	if placed < b.N*tasks*8/10 {
		b.Fatalf("only %d of %d were placed", placed/b.N, tasks)
	}
	b.ReportMetric(float64(placed)/spent.Seconds(), "placements/cpu-s")
	g := growthOf(work, count, tasks)
	b.ReportMetric(g.kept, "B/task")
	b.ReportMetric(g.peak, "peak-B/task")
}

// benchCase is the nodes and tasks of a work at one size.
func benchCase(work string, count, tasks int) (scheduler.Pool, []scheduler.Request) {
	if work == "update" {
		return rolling(count, tasks)
	}
	pool, requests := benchPool(count, tasks, work), benchRequests(tasks, work)
	if work == "pools" {
		contend(&pool, requests)
	}
	return pool, requests
}

// benchNoFit asks a table that is laid out already: that is done once for all
// groups.
func benchNoFit(b *testing.B, pool scheduler.Pool, r *scheduler.Request) {
	t := scheduler.Open(pool)
	if _, ok := t.Take(r); ok {
		b.Fatal("it fits")
	}
	b.ReportAllocs()
	began := processorTime()
	for b.Loop() {
		t.Place([]scheduler.Request{*r})
	}
	b.ReportMetric(float64(b.N)/(processorTime()-began).Seconds(), "placements/cpu-s")
}

// benchPool is nodes of two sizes in three zones that take about as much as the
// tasks ask; for one at a time they are full already, each in its own way.
func benchPool(count, tasks int, work string) (p scheduler.Pool) {
	perNode := max(1, tasks/count)
	for i := range count {
		n := node(fmt.Sprintf("node-%05d", i))
		size := nodes.Capacity{CPU: schema.CPU(perNode * 400), Memory: schema.Bytes(perNode) * 768 << 20}
		if i%4 == 0 {
			size = nodes.Capacity{CPU: 2 * size.CPU, Memory: 2 * size.Memory}
		}
		if work == "single" {
			n.Reserved, size = scattered(i)
		}
		n.Node.Attributes = map[string]string{"zone": string(rune('a' + i%3)), "disk": []string{"ssd", "hdd"}[i/3%2]}
		n.Node.Allocatable, n.Node.PortMax = size, 32000
		p.Nodes = append(p.Nodes, n)
	}
	return p
}

// scattered is what is held of the i-th of many nodes, each with some memory
// less than the next: 55 to 98 percent.
func scattered(i int) (held, all nodes.Capacity) {
	all = nodes.Capacity{CPU: 16_000, Memory: 64<<30 - schema.Bytes(i*7919%4096)<<10}
	cpu, mem := 5_500+(i*7_919)%4_300, 5_500+(i*104_729)%4_300
	return nodes.Capacity{CPU: all.CPU * schema.CPU(cpu) / 10_000, Memory: all.Memory / 10_000 * schema.Bytes(mem)}, all
}

// benchRequests are tasks of four sizes: on the average 238m and 480Mi.
func benchRequests(tasks int, work string) (all []scheduler.Request) {
	group := 100
	if work == "single" {
		group = 1
	}
	all = make([]scheduler.Request, 0, tasks)
	for g := 0; len(all) < tasks; g++ {
		w := benchWork(g, work)
		for i := 0; i < group && len(all) < tasks; i++ {
			all = append(all, request(w, i))
		}
	}
	return all
}

func benchWork(g int, kind string) *schema.Workload {
	w := &schema.Workload{Name: fmt.Sprintf("team-%d/work-%05d", g%50, g), Kind: schema.Service, Pool: scheduler.DefaultPool, Replicas: 100}
	w.Resources = []schema.Resources{
		{CPU: 100, Memory: 256 << 20}, {CPU: 250, Memory: 512 << 20}, {CPU: 500, Memory: 128 << 20}, {CPU: 100, Memory: 1 << 30},
	}[g%4]
	if kind == "spread" {
		w.Spread, w.MaxPer = []schema.Spread{{Over: "zone", Weight: 50}}, map[string]int{schema.EachNode: 2}
		w.Constraints = []schema.Constraint{{Attribute: "disk", Op: "=", Value: []string{"ssd", "hdd"}[g%2]}}
		other := fmt.Sprintf("team-%d/work-%05d", (g+48)%50, g-2)
		w.Near = []schema.Near{{Workload: other, Over: schema.EachNode, Apart: true, Must: true}}
	}
	if kind == "ports" {
		w.Ports = map[string]schema.Port{"http": {Container: 80}}
	}
	if kind == "nofit" {
		w.Resources.CPU = 1 << 40
	}
	return w
}

// rolling is a workload of ten slots a node, of which some are to be replaced.
func rolling(count, tasks int) (scheduler.Pool, []scheduler.Request) {
	pool, w := benchPool(count, 40*count, "update"), benchWork(0, "update")
	var requests []scheduler.Request
	for i := range pool.Nodes {
		n := &pool.Nodes[i]
		for range 10 {
			n.Hold(w)
		}
		n.Slots = map[string]int{w.Name: 10}
	}
	for i := range tasks {
		r := request(w, i)
		r.Leaves = pool.Nodes[i%count].Node.Name
		requests = append(requests, r)
	}
	return pool, requests
}

// contend gives each workload to one of 1,000 pools that share the nodes.
func contend(pool *scheduler.Pool, requests []scheduler.Request) {
	pool.Tree = scheduler.Tree{{Name: scheduler.DefaultPool, Weight: 1}}
	for i := range 1000 {
		pool.Tree = append(pool.Tree, schema.Pool{Name: fmt.Sprintf("pool-%04d", i), Parent: scheduler.DefaultPool, Weight: 1 + i%3})
	}
	g := -1
	for i := range requests {
		if i == 0 || requests[i].Workload != requests[i-1].Workload {
			g++
			requests[i].Workload.Pool = fmt.Sprintf("pool-%04d", g%1000)
		}
	}
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
