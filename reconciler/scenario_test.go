package reconciler_test

import (
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
	rewritten    bool
	unresolved   []reconciler.Unresolved
	facts        reconciler.Facts
	snap         nodes.Snapshot
	down         map[string]bool // nodes that are cut off
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
	case "commit": // commit ID [error=TEAM] [rewritten] [allow=N]; a line each: NAME key=value…
		w.commit(t, d)
	case "approve":
		w.facts.Approvals = append(w.facts.Approvals, reconciler.Approval{Commit: d.CmdArgs[0].Key, Actor: "ann", At: w.now})
	case "unresolved": // unresolved WORKLOAD CODE, or nothing to clear
		w.setUnresolved(d)
	case "tick": // tick DURATION: time passes; nodes that are up are heard
		w.tick(t, d.CmdArgs[0].Key)
	case "cut", "join": // the node's link breaks, or is whole again
		w.down[d.CmdArgs[0].Key] = d.Cmd == "cut"
		w.hear()
		return ""
	case "restart": // a new leader, with an empty roster
		w.epoch++
		w.started, w.snap = w.now, nodes.Snapshot{}
		return ""
	case "hear": // nodes that are up report what they already run
		w.hearAll()
		return ""
	case "run": // nodes that are up carry out all orders; run unhealthy|exited SLOT@IMAGE: those instances go wrong
		w.run(d)
	case "attribute": // attribute NODE KEY=VALUE
		w.setAttribute(d)
	case "state":
		return w.state()
	default:
		t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	}
	return w.pass()
}

func (w *world) addNodes(t *testing.T, input string) string {
	for line := range strings.Lines(input) {
		f := strings.Fields(line)
		n := nodes.Node{Name: f[0], Address: "10.0.0.1", Attributes: map[string]string{"node": f[0]},
			Allocatable: nodes.Capacity{CPU: 2000, Memory: 4 << 30}, PortMin: 20000, PortMax: 20999, Runtime: "test 1"}
		for _, kv := range f[1:] {
			k, v, _ := strings.Cut(kv, "=")
			var err error
			switch {
			case k == "cpu":
				n.Allocatable.CPU, err = schema.ParseCPU(v)
			case k == "memory":
				n.Allocatable.Memory, err = schema.ParseBytes(v)
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

func (w *world) commit(t *testing.T, d *datadriven.TestData) {
	id := d.CmdArgs[0].Key
	spec := schema.Spec{Revision: schema.Revision{Commit: id, Author: "ann", Subject: "change " + id}}
	w.rewritten = d.HasArg("rewritten")
	if d.HasArg("allow") {
		var n string
		d.ScanArgs(t, "allow", &n)
		spec.Revision.Body = reconciler.RemovalTrailer + ": " + n
	}
	teams := map[string]bool{}
	for line := range strings.Lines(d.Input) {
		wl := parseWorkload(t, strings.Fields(line))
		spec.Workloads = append(spec.Workloads, wl)
		teams[wl.Team()] = true
	}
	if d.HasArg("error") {
		var team string
		d.ScanArgs(t, "error", &team)
		spec.Workloads = slices.DeleteFunc(spec.Workloads, func(x schema.Workload) bool { return x.Team() == team })
		spec.Teams = append(spec.Teams, schema.Team{Name: team, Errors: []string{team + "/a.cue:1:2: boom"}})
		delete(teams, team)
	}
	for team := range teams {
		spec.Teams = append(spec.Teams, schema.Team{Name: team, Commit: id})
	}
	slices.SortFunc(spec.Teams, func(a, b schema.Team) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(spec.Workloads, func(a, b schema.Workload) int { return strings.Compare(a.Name, b.Name) })
	spec.Seal()
	w.desired = spec
}

// parseWorkload reads NAME image=1 replicas=2 cpu=100m memory=128Mi port=http:80[:8080] ….
func parseWorkload(t *testing.T, f []string) schema.Workload {
	w := schema.Workload{Name: f[0], Kind: schema.Service, Image: "img:1", Pinned: "img@1", Replicas: 1,
		Resources: schema.Resources{CPU: 100, Memory: 128 << 20}, Pool: "default", LostAfter: schema.Duration(30 * time.Second),
		Update: schema.Update{Strategy: "rolling", MaxSurge: schema.Amount{Count: 1}, MinHealthyTime: schema.Duration(10 * time.Second),
			HealthyDeadline: schema.Duration(time.Minute), ProgressDeadline: schema.Duration(2 * time.Minute)}}
	for _, kv := range f[1:] {
		k, v, _ := strings.Cut(kv, "=")
		if err := setField(&w, k, v); err != nil {
			t.Fatalf("%s: %v", kv, err)
		}
	}
	return w
}

func setField(w *schema.Workload, k, v string) (err error) {
	switch k {
	case "image":
		w.Image, w.Pinned = "img:"+v, "img@"+v
	case "kind":
		w.Kind, w.Replicas = schema.Kind(v), 0
	case "replicas":
		w.Replicas, err = strconv.Atoi(v)
	case "cpu":
		w.Resources.CPU, err = schema.ParseCPU(v)
	case "memory":
		w.Resources.Memory, err = schema.ParseBytes(v)
	case "port":
		parts := strings.Split(v, ":")
		p := schema.Port{Protocol: "tcp"}
		p.Container, err = strconv.Atoi(parts[1])
		if len(parts) == 3 && err == nil {
			p.Host, err = strconv.Atoi(parts[2])
		}
		w.Ports = map[string]schema.Port{parts[0]: p}
	case "surge":
		err = w.Update.MaxSurge.UnmarshalJSON([]byte(v))
	case "down":
		err = w.Update.MaxUnavailable.UnmarshalJSON([]byte(v))
	case "volume":
		w.Volumes = map[string]schema.Volume{v: {Path: "/data"}}
	case "strategy":
		w.Update.Strategy = v
	case "check":
		w.Health = &schema.Health{HTTP: &schema.HTTPCheck{Path: v}}
	case "on":
		a, b, _ := strings.Cut(v, ":")
		w.Constraints = []schema.Constraint{{Attribute: a, Op: "=", Value: b}}
	default:
		err = fmt.Errorf("unknown field")
	}
	return err
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

// hearAll brings nodes of the facts back into an empty roster, running what
// they were last told.
func (w *world) hearAll() {
	for i := range w.facts.Nodes {
		f := &w.facts.Nodes[i]
		if w.snap.Node(f.Name) == nil && !w.down[f.Name] {
			w.snap.Nodes = append(slices.Clone(w.snap.Nodes), nodes.Seen{At: w.now, Report: nodes.Report{Node: f.Node, Inventory: true}})
			w.sortNodes()
		}
	}
	w.carryOut("", "")
}

func (w *world) run(d *datadriven.TestData) {
	if len(d.CmdArgs) == 2 {
		w.carryOut(d.CmdArgs[0].Key, d.CmdArgs[1].Key)
		return
	}
	w.carryOut("", "")
}

// carryOut makes every node that is up run its Assignment; instances whose
// place begins with prefix go wrong as told.
func (w *world) carryOut(wrong, prefix string) {
	ideal := reconciler.Ideal(&w.facts, w.snap, w.now)
	for i := range ideal.Nodes {
		if name := ideal.Nodes[i].Report.Node.Name; w.down[name] {
			continue
		}
		was := w.snap.Nodes[i].Report
		for j := range ideal.Nodes[i].Report.Instances {
			x := &ideal.Nodes[i].Report.Instances[j]
			if old := was.Instance(x.ID); old != nil && old.Health == x.Health && old.Phase == x.Phase {
				x.Since = old.Since
			} else {
				x.Since = w.now
			}
			if wrong != "" && strings.HasPrefix(x.Slot.String()+"@"+w.image(x.Digest), prefix) {
				spoil(x, wrong, w.now)
			}
		}
		w.snap.Nodes = slices.Clone(w.snap.Nodes)
		w.snap.Nodes[i] = ideal.Nodes[i]
	}
	w.hear()
}

func spoil(x *nodes.Instance, wrong string, now time.Time) {
	switch wrong {
	case "unhealthy":
		x.Health = nodes.Unhealthy
		x.Failure = &nodes.Failure{Code: nodes.HealthFailing, Text: "GET /up: status 503", At: now, Count: 9}
	case "exited":
		x.Phase = nodes.Starting
		x.Failure = &nodes.Failure{Code: nodes.Exited, Text: "exited with code 3", ExitCode: 3, At: now, Count: 5}
	case "starting":
		x.Phase, x.Health = nodes.Starting, nodes.HealthUnknown
	}
}

func (w *world) input() reconciler.Input {
	return reconciler.Input{Desired: w.desired, Rewritten: w.rewritten, Unresolved: w.unresolved, Observed: w.snap,
		Facts: w.facts, Now: w.now, Epoch: w.epoch, Started: w.started, Scratch: &w.scratch}
}

// pass decides until nothing changes and prints what it decided.
func (w *world) pass() string {
	var b strings.Builder
	before := w.lastCommit()
	var plan reconciler.Plan
	for {
		plan = reconciler.Reconcile(w.input())
		w.facts = plan.Facts
		for _, c := range plan.Changes {
			verb := "place"
			if c.Stop {
				verb = "stop"
			}
			fmt.Fprintf(&b, "%s %s@%s on %s: %s\n", verb, c.Slot, w.image(c.Digest), c.Node, c.Reason)
		}
		if !plan.FactsChanged {
			break
		}
	}
	for _, x := range plan.Blocked {
		fmt.Fprintf(&b, "blocked %s%s: %s: %s\n", x.Workload, slotSuffix(x), x.Code, x.Text)
	}
	if c := w.lastCommit(); c != before {
		fmt.Fprintln(&b, c)
	}
	if !plan.Wake.IsZero() {
		fmt.Fprintf(&b, "wake in %s\n", plan.Wake.Sub(w.now))
	}
	return b.String()
}

func slotSuffix(x reconciler.Blocked) string {
	if x.Slot.Workload == "" {
		return ""
	}
	return "." + strconv.Itoa(x.Slot.Index)
}

func (w *world) lastCommit() string {
	if len(w.facts.Commits) == 0 {
		return ""
	}
	c := w.facts.Commits[len(w.facts.Commits)-1]
	text := fmt.Sprintf("commit %s %s", c.Revision.Commit, c.Outcome)
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

// state is every node's orders and every rollout.
func (w *world) state() string {
	var b strings.Builder
	for i := range w.facts.Nodes {
		a := &w.facts.Nodes[i].Assignment
		fmt.Fprintf(&b, "%s at %d.%d:", a.Node, a.Version.Epoch, a.Version.Serial)
		for _, o := range a.Orders {
			stop := ""
			if o.Stop {
				stop = "(stop)"
			}
			fmt.Fprintf(&b, " %s@%s%s", o.Slot, w.image(o.Digest), stop)
		}
		fmt.Fprintln(&b)
	}
	for i := range w.facts.Rollouts {
		r := &w.facts.Rollouts[i]
		fmt.Fprintf(&b, "%s %s %s", r.Workload, r.Stage, w.image(r.Target))
		if r.Reason != "" {
			fmt.Fprintf(&b, ": %s", r.Reason)
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}
