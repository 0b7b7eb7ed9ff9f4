package reconciler_test

import (
	"cmp"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

var update = flag.Bool("update", false, "write the transcripts of testdata anew")

// TestReconcile_Scenarios plays every transcript of testdata: commands to a
// small world in, what Reconcile decided out. The commands are the methods of
// world that do is a list of.
func TestReconcile_Scenarios(t *testing.T) {
	if *update {
		if err := flag.Set("rewrite", "true"); err != nil {
			t.Fatal(err)
		}
	}
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			w := newWorld()
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return w.do(t, d) })
		})
	}
}

// world is a fleet that carries orders out when told to, a repository of one
// Spec, and the facts.
type world struct {
	now, started time.Time
	epoch        int64
	desired      schema.Spec
	pools        []schema.Pool
	owners       []schema.Owner
	rewritten    bool
	unverified   string
	unplanned    string
	planned      []string
	unresolved   []reconciler.Unresolved
	others       []reconciler.Ask
	facts        reconciler.Facts
	snap         nodes.Snapshot
	down         map[string]bool // nodes that are cut off
	restless     bool            // the server is restarted between every two steps of rounds
	told         nodes.Snapshot  // what the leader before this one had heard
	scratch      reconciler.Scratch
}

func newWorld() *world {
	now := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	return &world{now: now, started: now, epoch: 1, down: map[string]bool{}}
}

func (w *world) do(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "nodes": // a line each: NAME cpu=2 memory=4Gi attr.zone=a
		return w.addNodes(t, d.Input)
	case "follow": // follow [REPO]…: the repositories beside the operators', in this order
		w.follow(d)
	case "repos": // which repository's each team in force is
		return w.repos()
	case "commit": // commit ID [repo=REPO] [error=TEAM] [rewritten] [unverified] [unplanned] [allow=N]; a line each: NAME key=value…
		w.commit(t, d)
	case "pools": // the pools of the commits that follow, a line each: NAME parent=P weight=2 guarantee=2 limit=1 (cpu) lend=yes
		w.setPools(t, d.Input)
		return ""
	case "owners": // the owners of the commits that follow, a line each: PATH cpu=2 workloads=3 slots=4
		w.setOwners(t, d.Input)
		return ""
	case "approve": // approve ID [signature]
		w.facts.Approvals = append(w.facts.Approvals, reconciler.Approval{Commit: d.CmdArgs[0].Key, Repo: repoOf(t, d), Actor: "ann", At: w.now, Signature: d.HasArg("signature")})
	case "pin": // somebody approves the plan of pull request 7, which says what the commit would do
		w.pin(t)
	case "ask": // ask VERB NODE|WORKLOAD [reason="…"] [for=2h] [by=ann]: an operator wishes
		if text, granted := w.ask(t, d); granted {
			return text + w.pass()
		} else {
			return text
		}
	case "unresolved": // unresolved WORKLOAD CODE, or nothing to clear
		if w.setUnresolved(d); w.unresolved == nil {
			return "" // the commit that has the digest follows
		}
	case "tick": // tick DURATION: time passes; nodes that are up are heard
		w.tick(t, d.CmdArgs[0].Key)
	case "cut", "join": // the node's link breaks, or is whole again
		w.down[d.CmdArgs[0].Key] = d.Cmd == "cut"
		w.hearAll()
		return ""
	case "restart": // a new leader, with an empty roster
		w.fail()
		return ""
	case "hear": // nodes that are up report what they already run
		w.hearAll()
		return ""
	case "run": // nodes that are up carry out all orders; run unhealthy|exited|pulling SLOT@IMAGE: those instances go wrong; run failed|unknown|slow before_STEP_of_SLOT: those steps do
		w.run(d)
	case "end": // end SLOT [code=N]…: that attempt of a job exits
		return w.end(d) + w.pass()
	case "clock": // clock TIME: the wall clock is set; hours, not leases, go by it
		w.setClock(t, d.CmdArgs[0].Key)
	case "lose": // lose NODE: an operator takes it out of the cluster
		w.lose(d.CmdArgs[0].Key)
	case "runs": // what is remembered of the jobs
		return w.runs()
	case "attribute": // attribute NODE KEY=VALUE
		w.setAttribute(d)
	case "stray": // stray NODE SLOT: a container of the cluster that nobody ordered
		w.addStray(d)
	case "busy": // busy NODE PORT: a program outside has it; who was given it fails
		w.setBusy(t, d)
	case "commits": // what became of each
		return w.commits()
	case "history": // history WORKLOAD
		return w.history(d.CmdArgs[0].Key)
	case "rounds": // rounds N: orders are carried out and 10 s pass, N times
		n, err := strconv.Atoi(d.CmdArgs[0].Key)
		if err != nil {
			t.Fatal(err)
		}
		return w.rounds(t, n)
	case "state":
		return w.state()
	case "volumes": // where slots are at home, and what is kept
		return w.volumes()
	case "leases": // which orders have one
		return w.leases()
	case "peers": // peers SLOT: what its order says of the others
		return w.peers(d.CmdArgs[0].Key)
	default:
		t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	}
	return w.pass()
}

func (w *world) addNodes(t *testing.T, input string) string {
	for line := range strings.Lines(input) {
		f := strings.Fields(line)
		n := nodes.Node{Name: f[0], Address: "10.0.0.1", Attributes: map[string]string{"node": f[0]},
			Allocatable: nodes.Capacity{CPU: 2000, Memory: 4 << 30}, PortMin: 20000, PortMax: 20999, Runtime: "test 1", Leases: true}
		for _, kv := range f[1:] {
			k, v, _ := strings.Cut(kv, "=")
			var err error
			switch {
			case k == "cpu":
				n.Allocatable.CPU, err = schema.ParseCPU(v)
			case k == "memory":
				n.Allocatable.Memory, err = schema.ParseBytes(v)
			case k == "leases": // no: its agent knows none
				n.Leases = v == "yes"
			case strings.HasPrefix(k, "attr."):
				n.Attributes[strings.TrimPrefix(k, "attr.")] = v
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		w.snap.Nodes = append(slices.Clone(w.snap.Nodes), nodes.Seen{At: w.now, Report: nodes.Report{Node: n, Inventory: true}})
	}
	w.sortNodes()
	return w.pass()
}

func (w *world) sortNodes() {
	slices.SortFunc(w.snap.Nodes, func(a, b nodes.Seen) int { return strings.Compare(a.Report.Node.Name, b.Report.Node.Name) })
}

func (w *world) setUnresolved(d *datadriven.TestData) {
	w.unresolved = nil
	if len(d.CmdArgs) > 0 {
		w.unresolved = []reconciler.Unresolved{{Workload: d.CmdArgs[0].Key,
			Failure: nodes.Failure{Code: nodes.FailureCode(d.CmdArgs[1].Key), Text: "no such image", At: w.now}}}
	}
}

func (w *world) setAttribute(d *datadriven.TestData) {
	for i := range w.snap.Nodes {
		if w.snap.Nodes[i].Report.Node.Name == d.CmdArgs[0].Key {
			n := &w.snap.Nodes[i].Report.Node
			n.Attributes = map[string]string{"node": n.Name, d.CmdArgs[1].Key: d.CmdArgs[1].Vals[0]}
		}
	}
}

// report is a node's, to be changed: what earlier passes saw stays as it was.
func (w *world) report(name string) *nodes.Report {
	w.snap.Nodes = slices.Clone(w.snap.Nodes)
	for i := range w.snap.Nodes {
		if r := &w.snap.Nodes[i].Report; r.Node.Name == name {
			r.Instances = slices.Clone(r.Instances)
			return r
		}
	}
	return nil
}

func (w *world) addStray(d *datadriven.TestData) {
	slot, _ := schema.ParseSlot(d.CmdArgs[1].Key)
	digest := schema.Digest(strings.Repeat("f", 64))
	r := w.report(d.CmdArgs[0].Key)
	r.Instances = append(r.Instances, nodes.Instance{ID: nodes.InstanceID(slot, digest), Slot: slot, Digest: digest, Phase: nodes.Running, Health: nodes.NoCheck, Since: w.now})
	slices.SortFunc(r.Instances, func(a, b nodes.Instance) int { return strings.Compare(a.ID, b.ID) })
}

func (w *world) setBusy(t *testing.T, d *datadriven.TestData) {
	r := w.report(d.CmdArgs[0].Key)
	port, err := strconv.Atoi(d.CmdArgs[1].Key)
	if err != nil {
		t.Fatal(err)
	}
	r.Node.BusyPorts = []int{port}
	for i := range r.Instances {
		for _, p := range r.Instances[i].Ports {
			if x := &r.Instances[i]; p == port {
				x.Phase, x.Health = nodes.Starting, nodes.HealthUnknown
				x.Failure = &nodes.Failure{Code: nodes.PortInUse, Text: "port " + d.CmdArgs[1].Key + " is in use", Port: port, At: w.now, Count: 1}
			}
		}
	}
}

func (w *world) tick(t *testing.T, text string) {
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(d)
	w.hear()
}

func (w *world) hear() {
	w.snap.Nodes = slices.Clone(w.snap.Nodes)
	for i := range w.snap.Nodes {
		if !w.down[w.snap.Nodes[i].Report.Node.Name] {
			w.snap.Nodes[i].At = w.now
		}
	}
}

func (w *world) input() reconciler.Input {
	return reconciler.Input{Desired: w.desired, Rewritten: w.rewritten, Unverified: w.unverified, Unplanned: w.unplanned, Planned: w.planned, Unresolved: w.unresolved, Others: w.others, Observed: w.snap,
		Facts: w.facts, Now: w.now, Epoch: w.epoch, Started: w.started, Scratch: &w.scratch}
}

// pass decides until nothing changes and prints what it decided.
func (w *world) pass() string {
	var b strings.Builder
	before := w.lastCommits()
	var plan reconciler.Plan
	for {
		plan = reconciler.Reconcile(w.input())
		w.facts = plan.Facts
		for _, c := range plan.Changes {
			if c.Reason == nodes.RunbookStep {
				fmt.Fprintf(&b, "step %s: %s on %s\n", c.Slot, c.Why, c.Node)
				continue
			}
			verb := "place"
			if c.Stop {
				verb = "stop"
			}
			why := ""
			if c.Why != "" {
				why = " " + c.Why
			}
			fmt.Fprintf(&b, "%s %s@%s on %s: %s%s%s\n", verb, c.Slot, w.image(c.Digest), c.Node, c.Reason, why, w.portsOf(&c))
		}
		for _, a := range plan.Assignments {
			for _, d := range a.Deletions {
				if d.Since == a.Version {
					fmt.Fprintf(&b, "delete the volumes of %s on %s: %s\n", d.Slot, a.Node, d.Actor)
				}
			}
		}
		if !plan.FactsChanged {
			break
		}
	}
	for _, x := range plan.Blocked {
		fmt.Fprintf(&b, "blocked %s%s: %s: %s\n", cmp.Or(x.Workload, x.Node), slotSuffix(x), x.Code, x.Text)
	}
	for _, c := range w.lastCommits() {
		if !slices.Contains(before, c) {
			fmt.Fprintln(&b, c)
		}
	}
	if !plan.Wake.IsZero() {
		fmt.Fprintf(&b, "wake in %s\n", plan.Wake.Sub(w.now))
	}
	return b.String()
}

// portsOf are the ports that a placed instance was given, where it has any.
func (w *world) portsOf(c *reconciler.Change) string {
	n := nodeFact(&w.facts, c.Node)
	if o := orderOf(n, nodes.InstanceID(c.Slot, c.Digest)); o != nil && !c.Stop && len(o.Ports) > 0 {
		return fmt.Sprint(" ", o.Ports)
	}
	return ""
}

func slotSuffix(x reconciler.Blocked) string {
	if x.Slot.Workload == "" {
		return ""
	}
	return "." + strconv.Itoa(x.Slot.Index)
}

func (w *world) lastCommit(repo string) string {
	c := w.facts.LastCommit(repo)
	if c == nil {
		return ""
	}
	text := fmt.Sprintf("commit %s%s %s", c.Revision.Commit, ofRepo(c.Repo), c.Outcome)
	if c.Reason != "" {
		text += ": " + c.Reason
	}
	if len(c.Removals) > 0 {
		text += fmt.Sprintf(" %v", c.Removals)
	}
	return text
}

// image is the tag that a digest stands for, so that transcripts read well.
func (w *world) image(d schema.Digest) string {
	for i := range w.facts.Rollouts {
		r := &w.facts.Rollouts[i]
		if r.Want != nil && r.Target == d {
			return r.Want.Image[4:]
		}
		if r.Good != nil && r.GoodDigest == d {
			return r.Good.Image[4:]
		}
	}
	for i := range w.facts.Nodes {
		for _, o := range w.facts.Nodes[i].Assignment.Orders {
			if o.Digest == d && o.Workload != nil {
				return o.Workload.Image[4:]
			}
		}
	}
	return d.Short()
}
