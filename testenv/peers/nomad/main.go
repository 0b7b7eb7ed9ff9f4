// Command nomad places tasks with the scheduler of Nomad's last release under the
// Mozilla licence, on nodes and of sizes as command peers has them, and prints how
// many it places a second of processor time. It is a module of its own beside that
// one, whose versions of what both link are others.
package main

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/helper/uuid"
	"github.com/hashicorp/nomad/nomad/mock"
	"github.com/hashicorp/nomad/nomad/structs"
	"github.com/hashicorp/nomad/scheduler"
)

// contest is one work at one size: groups of equal tasks, a job each.
type contest struct {
	work         string
	nodes, tasks int
	group        int
}

var contests = []contest{{"plain", 1_000, 10_000, 100}, {"plain", 5_000, 5_000, 100}, {"spread", 1_000, 1_000, 100}}

func main() {
	testing.Init()
	fmt.Println("work    nodes   tasks  groups of  nomad/cpu-s")
	for _, c := range contests {
		// Its harness wants a test to fail, which a benchmark is.
		testing.Benchmark(func(b *testing.B) {
			if b.N == 1 {
				fmt.Printf("%-6s %6d  %6d  %9d  %11.0f\n", c.work, c.nodes, c.tasks, c.group, c.measure(b))
			}
		})
	}
}

// measure is how many tasks a second it places, from the evaluation of each job to
// its plan; all must have a place.
func (c contest) measure(b *testing.B) float64 {
	h := scheduler.NewHarness(b)
	for i := range c.nodes {
		must(h.State.UpsertNode(structs.MsgTypeTestSetup, h.NextIndex(), c.node(i)))
	}
	var asked []*structs.Evaluation
	for g := range c.tasks / c.group {
		job := c.job(g)
		e := &structs.Evaluation{Namespace: structs.DefaultNamespace, ID: uuid.Generate(), Priority: job.Priority,
			TriggeredBy: structs.EvalTriggerJobRegister, JobID: job.ID, Status: structs.EvalStatusPending}
		must(h.State.UpsertJob(structs.MsgTypeTestSetup, h.NextIndex(), nil, job))
		must(h.State.UpsertEvals(structs.MsgTypeTestSetup, h.NextIndex(), []*structs.Evaluation{e}))
		asked = append(asked, e)
	}
	began := processorTime()
	for _, e := range asked {
		must(h.Process(scheduler.NewServiceScheduler, e))
	}
	spent := processorTime() - began
	placed := 0
	for _, p := range h.Plans {
		for _, on := range p.NodeAllocation {
			placed += len(on)
		}
	}
	if placed != c.tasks {
		must(fmt.Errorf("%d of %d tasks were placed", placed, c.tasks))
	}
	return float64(placed) / spent.Seconds()
}

// node is one of two sizes in three zones; together they take four times the tasks.
func (c contest) node(i int) *structs.Node {
	n := mock.Node()
	n.ID, n.Name = uuid.Generate(), fmt.Sprintf("node-%05d", i)
	size := 2 * int64(max(1, c.tasks/c.nodes))
	if i%4 == 0 {
		size *= 2
	}
	n.NodeResources.Cpu.CpuShares, n.NodeResources.Memory.MemoryMB = max(400*size, 500), max(768*size, 1024)
	n.ReservedResources = nil
	n.Attributes["zone"], n.Attributes["disk"] = string(rune('a'+i%3)), []string{"ssd", "hdd"}[i/3%2]
	must(n.ComputeClass())
	return n
}

func (c contest) job(g int) *structs.Job {
	j := mock.Job()
	j.ID, j.Constraints = fmt.Sprintf("work-%05d", g), nil
	group := j.TaskGroups[0]
	group.Count, group.Networks, group.Services, group.Constraints = c.group, nil, nil, nil
	group.EphemeralDisk = &structs.EphemeralDisk{}
	task := group.Tasks[0]
	task.Constraints, task.Services, task.Templates = nil, nil, nil
	size := [4][2]int{{100, 256}, {250, 512}, {500, 128}, {100, 1024}}[g%4]
	task.Resources = &structs.Resources{CPU: size[0], MemoryMB: size[1]}
	if c.work == "spread" {
		j.Spreads = []*structs.Spread{{Attribute: "${attr.zone}", Weight: 50}}
		j.Constraints = []*structs.Constraint{{LTarget: "${attr.disk}", RTarget: []string{"ssd", "hdd"}[g%2], Operand: "="}}
	}
	return j
}

func processorTime() time.Duration {
	var u syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "nomad:", err)
		os.Exit(1)
	}
}
