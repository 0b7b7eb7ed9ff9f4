package status_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (run with -update to accept):\n%s", path, d)
	}
}

func document(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// world is a server's memory that tests drive through whole passes.
type world struct {
	now, started time.Time
	desired      schema.Spec
	facts        reconciler.Facts
	snap         nodes.Snapshot
	plan         reconciler.Plan
}

func newWorld(names ...string) *world {
	start := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	w := &world{now: start, started: start}
	for _, n := range names {
		w.snap.Nodes = append(w.snap.Nodes, nodes.Seen{At: start, Report: nodes.Report{Inventory: true, Node: nodes.Node{Name: n,
			Address: "10.0.0.1", Attributes: map[string]string{"zone": "a"}, Allocatable: nodes.Capacity{CPU: 2000, Memory: 4 << 30},
			PortMin: 31000, PortMax: 31009, Runtime: "docker 20.10.24", Version: "1"}}})
	}
	return w
}

// web is a service with a port and a check.
func web(image string, replicas int) schema.Workload {
	return schema.Workload{Name: "hello/web", Kind: schema.Service, Image: image, Pinned: image + "@sha256:1", Replicas: replicas,
		Resources: schema.Resources{CPU: 500, Memory: 256 << 20}, Pool: "default",
		Ports:  map[string]schema.Port{"http": {Container: 8080, Protocol: "tcp"}},
		Health: &schema.Health{HTTP: &schema.HTTPCheck{Path: "/up", Port: "http"}}, LostAfter: schema.Duration(30 * time.Second),
		Update: schema.Update{Strategy: "rolling", MaxSurge: schema.Amount{Count: 1}, HealthyDeadline: schema.Duration(time.Minute),
			ProgressDeadline: schema.Duration(5 * time.Minute)}}
}

func (w *world) push(commit string, ws ...schema.Workload) {
	s := schema.Spec{Revision: schema.Revision{Commit: commit, Time: w.started, Author: "ann", Subject: "change " + commit}, Workloads: ws}
	for _, x := range ws {
		if !slices.ContainsFunc(s.Teams, func(t schema.Team) bool { return t.Name == x.Team() }) {
			s.Teams = append(s.Teams, schema.Team{Name: x.Team(), Commit: commit})
		}
	}
	s.Seal()
	w.desired = s
}

func (w *world) input() reconciler.Input {
	return reconciler.Input{Desired: w.desired, Observed: w.snap, Facts: w.facts, Now: w.now, Epoch: 1, Started: w.started}
}

// pass decides until nothing changes.
func (w *world) pass() (events []status.Event) {
	for {
		before := w.facts
		w.plan = reconciler.Reconcile(w.input())
		w.facts = w.plan.Facts
		events = append(events, status.Decided(&before, &w.plan, w.now)...)
		if !w.plan.FactsChanged {
			return events
		}
	}
}

// run carries all orders out; what is observed gets a container and a start.
func (w *world) run() {
	w.snap = reconciler.Ideal(&w.facts, w.snap, w.now)
	for i := range w.snap.Nodes {
		n := &w.snap.Nodes[i]
		n.At = w.now
		for j := range n.Report.Instances {
			x := &n.Report.Instances[j]
			x.Container, x.Since, x.Started = fmt.Sprintf("c-%s", x.Slot), w.started, w.started
		}
	}
}

// settle goes on until nothing changes.
func (w *world) settle() {
	for done := false; !done; {
		done = len(w.pass()) == 0
		w.run()
	}
}

func (w *world) of() status.Status {
	return status.Of(status.Input{Cluster: "bay", Observed: w.snap, Facts: w.facts, Blocked: w.plan.Blocked, Now: w.now, Started: w.started})
}

func (w *world) instance(slot string) *nodes.Instance {
	for i := range w.snap.Nodes {
		for j := range w.snap.Nodes[i].Report.Instances {
			if x := &w.snap.Nodes[i].Report.Instances[j]; x.Slot.String() == slot {
				return x
			}
		}
	}
	return nil
}

// TestOf_Golden is the whole document of some worlds.
func TestOf_Golden(t *testing.T) {
	for name, w := range map[string]*world{
		"empty": newWorld(), "running": running(), "rolling": rolling(), "trouble": trouble(), "held": held(), "silent": silent(), "unplaced": unplaced(),
	} {
		t.Run(name, func(t *testing.T) { golden(t, "of_"+name+".json", document(t, w.of())) })
	}
}

func running() *world {
	w := newWorld("n1", "n2")
	w.push("1111111111111111", web("hello:1", 2))
	w.settle()
	return w
}

func rolling() *world {
	w := running()
	w.push("2222222222222222", web("hello:2", 2))
	w.pass()
	return w
}

func trouble() *world {
	w := running()
	x := w.instance("hello/web.1")
	x.Phase, x.Health, x.Restarts = nodes.Starting, nodes.HealthUnknown, 3
	x.Failure = &nodes.Failure{Code: nodes.OOMKilled, Text: "killed: it used more than 256Mi", ExitCode: 137, At: w.now, Count: 4}
	w.snap.Nodes[0].Report.Node.Trouble = "docker does not answer"
	w.pass()
	return w
}

func held() *world {
	w := newWorld("n1")
	a, b := web("hello:1", 1), web("hello:1", 1)
	b.Name = "hello/x"
	w.push("1111111111111111", a, b)
	w.settle()
	w.push("3333333333333333")
	w.pass()
	return w
}

func silent() *world {
	w := running()
	w.now = w.now.Add(20 * time.Second)
	w.snap.Nodes[0].At = w.now
	w.pass()
	return w
}

func unplaced() *world {
	w := newWorld("n1")
	big := web("hello:1", 1)
	big.Resources.CPU = 9000
	w.push("4444444444444444", big)
	w.pass()
	return w
}

// stateful is a slot with a volume of its own that may make room for others.
func stateful() *world {
	w := newWorld("n1", "n2")
	db := web("hello:1", 1)
	db.Volumes, db.EvictWithVolumes = map[string]schema.Volume{"data": {Path: "/data"}}, true
	db.Resources.CPU = 1500
	if err := db.Update.MaxUnavailable.UnmarshalJSON([]byte("1")); err != nil {
		panic(err)
	}
	w.push("5555555555555555", db)
	w.settle()
	return w
}

// TestOf_Promise: the fields that other tools rely on are there, spelt so, and
// lists and maps are never null.
func TestOf_Promise(t *testing.T) {
	for name, w := range map[string]*world{"running": running(), "trouble": trouble()} {
		var d struct {
			Schema    string
			Revision  map[string]any
			Workloads []map[string]any
			Nodes     []map[string]any
			Problems  []map[string]any
		}
		if err := json.Unmarshal(document(t, w.of()), &d); err != nil {
			t.Fatal(err)
		}
		if d.Schema != "bayplan/v1" {
			t.Errorf("schema %q", d.Schema)
		}
		has(t, name+" revision", d.Revision, "commit time author subject outcome")
		has(t, name+" workload", d.Workloads[0], "name kind desired running healthy updated digest state reason slots")
		slot := d.Workloads[0]["slots"].([]any)[0].(map[string]any)
		has(t, name+" slot", slot, "slot node phase health digest ports address container since")
		if port, ok := slot["ports"].(map[string]any)["http"].(float64); !ok || port < 31000 {
			t.Errorf("ports %v", slot["ports"])
		}
		has(t, name+" node", d.Nodes[0], "name state runtime allocatable reserved")
		has(t, name+" allocatable", d.Nodes[0]["allocatable"].(map[string]any), "cpu memory")
		for _, p := range d.Problems {
			has(t, name+" problem", p, "code text next")
		}
	}
	empty := string(document(t, newWorld().of()))
	for _, f := range []string{`"workloads": []`, `"nodes": []`, `"problems": []`, `"history": []`} {
		if !strings.Contains(empty, f) {
			t.Errorf("%s is not in %s", f, empty)
		}
	}
	portless := web("hello:1", 1)
	portless.Ports = nil
	w := newWorld("n1")
	w.push("1", portless)
	w.settle()
	if b := string(document(t, w.of())); !strings.Contains(b, `"ports": {}`) || strings.Contains(b, "null") {
		t.Errorf("a slot without ports: %s", b)
	}
}

func has(t *testing.T, what string, m map[string]any, fields string) {
	t.Helper()
	for _, f := range strings.Fields(fields) {
		if v, ok := m[f]; !ok || v == nil {
			t.Errorf("%s has no %q: %v", what, f, m)
		}
	}
}

// TestOf_UnknownIsNotHealthy: what a silent node last said does not count as
// healthy (I40).
func TestOf_UnknownIsNotHealthy(t *testing.T) {
	w := silent().of().Workloads[0]
	if w.Healthy != 1 || w.Slots[1].Health != nodes.HealthUnknown {
		t.Errorf("%d healthy, %s is %s", w.Healthy, w.Slots[1].Slot, w.Slots[1].Health)
	}
}
