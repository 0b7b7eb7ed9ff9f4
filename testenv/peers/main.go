// Command peers places the same tasks on the same nodes with this project's
// scheduler and with swarmkit's, one after the other, and prints how many each
// places a second of processor time.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// contest is one work at one size.
type contest struct {
	work         string
	nodes, tasks int
	group        int
}

var contests = []contest{
	{"plain", 1_000, 10_000, 100}, {"plain", 5_000, 100_000, 100}, {"plain", 10_000, 100_000, 100},
	{"spread", 1_000, 10_000, 100}, {"spread", 10_000, 100_000, 100},
	{"single", 5_000, 10_000, 1},
}

func main() {
	only := flag.String("work", "", "plain, spread or single; all without it")
	flag.Parse()
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "work\tnodes\ttasks\tgroups of\tbayplan/cpu-s\tswarmkit/cpu-s\tratio\t")
	for _, c := range contests {
		if *only != "" && *only != c.work {
			continue
		}
		pool, requests := c.make()
		ours := median(func() float64 { return measure(len(requests), func() int { return placeOurs(pool, requests) }) })
		theirs := swarm(pool, requests)
		fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%.0f\t%.0f\t%.0fx\t\n", c.work, c.nodes, c.tasks, c.group, ours, theirs, ours/theirs)
	}
	out.Flush()
}

func placeOurs(pool scheduler.Pool, requests []scheduler.Request) int {
	placed, _ := scheduler.Place(pool, requests)
	return len(placed)
}

// median is that of five.
func median(of func() float64) float64 {
	var all [5]float64
	for i := range all {
		all[i] = of()
	}
	for i := range all {
		for k := i; k > 0 && all[k] < all[k-1]; k-- {
			all[k], all[k-1] = all[k-1], all[k]
		}
	}
	return all[2]
}

// measure is how many tasks a second of processor time f places; it must place
// all.
func measure(tasks int, f func() int) float64 {
	runtime.GC()
	began := processorTime()
	if placed := f(); placed != tasks {
		fmt.Fprintf(os.Stderr, "peers: %d of %d tasks were placed\n", placed, tasks)
		os.Exit(1)
	}
	return float64(tasks) / (processorTime() - began).Seconds()
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// make is nodes of two sizes in three zones, and tasks of four sizes that take
// about half of them.
func (c contest) make() (pool scheduler.Pool, requests []scheduler.Request) {
	perNode := max(1, c.tasks/c.nodes)
	for i := range c.nodes {
		size := nodes.Capacity{CPU: schema.CPU(perNode * 400), Memory: schema.Bytes(perNode) * 768 << 20}
		if i%4 == 0 {
			size = nodes.Capacity{CPU: 2 * size.CPU, Memory: 2 * size.Memory}
		}
		if c.work == "single" { // a third of each is held, in its own way
			size = nodes.Capacity{CPU: 4000 + schema.CPU(i%97), Memory: 8<<30 + schema.Bytes(i*7919%4096)<<10}
		}
		n := &nodes.Node{Name: fmt.Sprintf("node-%05d", i), Allocatable: size, PortMin: 20000, PortMax: 32000,
			Attributes: map[string]string{"zone": string(rune('a' + i%3)), "disk": []string{"ssd", "hdd"}[i/3%2]}}
		pool.Nodes = append(pool.Nodes, scheduler.Node{Node: n})
	}
	for g := 0; len(requests) < c.tasks; g++ {
		w := c.workload(g)
		for i := 0; i < c.group && len(requests) < c.tasks; i++ {
			requests = append(requests, scheduler.Request{Slot: schema.Slot{Workload: w.Name, Index: i}, Workload: w})
		}
	}
	return pool, requests
}

func (c contest) workload(g int) *schema.Workload {
	w := &schema.Workload{Name: fmt.Sprintf("team-%d/work-%05d", g%50, g), Kind: schema.Service, Pool: scheduler.DefaultPool, Replicas: c.group}
	w.Resources = []schema.Resources{
		{CPU: 100, Memory: 256 << 20}, {CPU: 250, Memory: 512 << 20}, {CPU: 500, Memory: 128 << 20}, {CPU: 100, Memory: 1 << 30},
	}[g%4]
	if c.work == "spread" {
		w.Spread, w.MaxPer = []schema.Spread{{Over: "zone", Weight: 50}}, map[string]int{schema.EachNode: 2}
		w.Constraints = []schema.Constraint{{Attribute: "disk", Op: "=", Value: []string{"ssd", "hdd"}[g%2]}}
	}
	return w
}
