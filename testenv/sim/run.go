package sim

import (
	"fmt"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Result is what a run came to.
type Result struct {
	Scenario  Scenario
	Violation *Violation // nil where all was as it is to be
	// Sum is over all that happened: two runs of one scenario have one.
	Sum    uint64
	Lasted time.Duration // of the cluster's time
	Events int
	Trace  []string // where it was asked for
}

// Run plays a scenario to its end, or to the first violation.
func Run(s Scenario, trace bool) (r Result) {
	w := newWorld(s)
	w.tracing = trace
	defer func() {
		r = Result{Scenario: s, Sum: w.sum, Lasted: w.now, Events: w.events, Trace: w.lines}
		switch p := recover().(type) {
		case nil:
		case *Violation:
			r.Violation = p
		default:
			panic(p)
		}
	}()
	w.begin()
	w.run(s.Length)
	w.heal()
	w.settle()
	return r
}

func newWorld(s Scenario) *World {
	w := &World{Scenario: s, began: ordinary}
	if s.PutBack {
		w.began = putBack
	}
	w.truth = newTruth(w)
	w.repo.luck = w.luck("git")
	for i := range s.Nodes {
		w.addMachine(i)
	}
	return w
}

func (w *World) addMachine(i int) *machine {
	m := &machine{w: w, name: fmt.Sprintf("n%02d", i), zone: []string{"a", "b", "c"}[i%3], size: nodes.Capacity{CPU: 4000, Memory: 8 << 30}, rate: 1}
	m.luck = w.luck(m.name)
	m.link.luck = m.luck
	m.rate = 0.98 + 0.04*m.luck.Float64()
	m.ahead = between(m.luck, -time.Hour, time.Hour)
	w.machines = append(w.machines, m)
	return m
}

// auditEvery is how often what was in doubt is looked at again.
const auditEvery = 5 * time.Second

// begin starts the server, the machines and the first commit, and has the faults
// come.
func (w *World) begin() {
	w.lead()
	for _, m := range w.machines {
		m.start()
	}
	d := w.writer(w.luck("text"))
	var all []schema.Workload
	for i := range w.Workloads {
		all = append(all, d.workload(fmt.Sprintf("%s/w%02d", teams[i%len(teams)], i)))
	}
	w.after(time.Second, func() { w.push(nil, all, "", false) })
	for _, f := range w.Faults {
		w.after(f.At, func() { w.happen(f) })
	}
	w.auditOn()
}

func (w *World) auditOn() {
	w.truth.audit()
	w.after(auditEvery, w.auditOn)
}
