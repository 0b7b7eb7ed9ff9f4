package reconciler_test

import (
	"fmt"
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

func (w *world) commit(t *testing.T, d *datadriven.TestData) {
	id := d.CmdArgs[0].Key
	spec := schema.Spec{Revision: schema.Revision{Commit: id, Author: "ann", Subject: "change " + id}}
	var unverified string
	if d.HasArg("unverified") { // its text is not known
		unverified = "commit " + id + " by eve is not signed"
	}
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
	if repo := repoOf(t, d); repo != "" {
		spec.Seal()
		*w.askOf(repo) = reconciler.Ask{Repo: repo, Desired: spec, Rewritten: d.HasArg("rewritten"), Unverified: unverified}
		return
	}
	spec.Pools, spec.Owners = w.pools, w.owners
	spec.Seal()
	w.desired, w.rewritten, w.unverified = spec, d.HasArg("rewritten"), unverified
	w.unplanned, w.planned = "", nil
	if d.HasArg("unplanned") {
		w.unplanned = "nobody approved a plan that says so"
	}
}

func (w *world) pin(t *testing.T) {
	p := reconciler.PinnedPlan{Voucher: reconciler.Voucher{Pull: 7, Commit: "head", Actor: "ann", At: w.now}}
	facts, err := reconciler.PinPlan(w.facts, p)
	if err != nil {
		t.Fatal(err)
	}
	w.facts, w.unplanned, w.planned = facts, "", []string{p.Key()}
}

func (w *world) setOwners(t *testing.T, input string) {
	w.owners = nil
	for line := range strings.Lines(input) {
		f := strings.Fields(line)
		q := &schema.Quota{}
		for _, kv := range f[1:] {
			k, v, _ := strings.Cut(kv, "=")
			var err error
			switch k {
			case "cpu":
				q.CPU, err = schema.ParseCPU(v)
			case "workloads":
				q.Workloads, err = strconv.Atoi(v)
			case "slots":
				q.Slots, err = strconv.Atoi(v)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		w.owners = append(w.owners, schema.Owner{Path: f[0], Quota: q})
	}
}

func (w *world) setPools(t *testing.T, input string) {
	w.pools = nil
	for line := range strings.Lines(input) {
		f := strings.Fields(line)
		p := schema.Pool{Name: f[0], Weight: 1}
		for _, kv := range f[1:] {
			k, v, _ := strings.Cut(kv, "=")
			var err error
			cpu := func() (q *schema.Quantity) {
				q = &schema.Quantity{}
				q.CPU, err = schema.ParseCPU(v)
				return q
			}
			switch k {
			case "parent":
				p.Parent = v
			case "weight":
				p.Weight, err = strconv.Atoi(v)
			case "guarantee":
				p.Guarantee = cpu()
			case "limit":
				p.Limit = cpu()
			case "nodes":
				a, b, _ := strings.Cut(v, ":")
				p.Nodes = []schema.Constraint{{Attribute: a, Op: "=", Value: b}}
			case "lend":
				p.Lend = true
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		w.pools = append(w.pools, p)
	}
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
		if w.Image, w.Pinned = "img:"+v, "img@"+v; v == "?" { // one that no registry told of
			w.Pinned = ""
		}
	case "kind":
		w.Kind, w.Replicas = schema.Kind(v), 0
		if w.Kind.Runs() {
			w.Update, w.Timing = schema.Update{}, schema.Timing{}
			w.Batch = schema.Batch{Completions: 1, Parallelism: 1, Attempts: 2, Backoff: schema.Duration(10 * time.Second),
				MaxBackoff: schema.Duration(time.Minute), Keep: 2}
			w.OnLost = schema.WaitForNode
		}
		if w.Kind == schema.Cron {
			w.Timing = schema.Timing{Schedule: "*/10 * * * *", TimeZone: "UTC", Overlap: schema.ForbidOverlap, CatchUp: schema.Duration(10 * time.Minute)}
		}
	case "completions":
		w.Completions, err = strconv.Atoi(v)
	case "parallelism":
		w.Parallelism, err = strconv.Atoi(v)
	case "attempts":
		w.Attempts, err = strconv.Atoi(v)
	case "kept":
		w.Keep, err = strconv.Atoi(v)
	case "deadline":
		err = w.Deadline.UnmarshalText([]byte(v))
	case "catchUp":
		err = w.CatchUp.UnmarshalText([]byte(v))
	case "onLost":
		w.OnLost = schema.OnLost(v)
	case "overlap":
		w.Overlap = schema.Overlap(v)
	case "schedule":
		w.Schedule = strings.ReplaceAll(v, "_", " ")
	case "zone":
		w.TimeZone = v
	case "replicas":
		w.Replicas, err = strconv.Atoi(v)
	case "quorum":
		w.Quorum, err = strconv.Atoi(v)
	case "start":
		w.Start = schema.StartOrder(v)
	case "lost":
		w.OnLost = schema.OnLost(v)
	case "retain":
		var d time.Duration
		d, err = time.ParseDuration(v)
		w.Retain = schema.Duration(d)
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
	case "priority":
		w.Priority, err = strconv.Atoi(v)
	case "revocable":
		w.Revocable = v == "yes"
	case "yields":
		w.EvictWithVolumes = v == "yes"
	case "gang":
		w.Gang = v == "yes"
	case "pool":
		w.Pool = v
	case "host":
		w.Volumes = map[string]schema.Volume{"shared": {Path: "/shared", Host: v}}
	case "volume":
		w.Volumes = map[string]schema.Volume{v: {Path: "/data"}}
	case "failures":
		w.Update.MaxFailures, err = strconv.Atoi(v)
	case "soak", "keep", "within", "promotion", "drain":
		err = setSets(w, k, v)
	case "canary":
		w.Update.Strategy = schema.Canary
		w.Update.Canary, err = parseCanary(v)
	case "checks": // of the step of a canary: 1:smoke*2,~load@0
		of, list, _ := strings.Cut(v, ":")
		var n int
		if n, err = strconv.Atoi(of); err == nil {
			w.Update.Canary[n-1].Checks, err = parseSteps(list)
		}
	case "strategy":
		w.Update.Strategy = v
	case "after":
		for _, name := range strings.Split(v, ",") {
			var a schema.After
			if err = a.UnmarshalJSON([]byte(strconv.Quote(name))); err == nil {
				w.After = append(w.After, a)
			}
		}
	case "check":
		w.Health = &schema.Health{HTTP: &schema.HTTPCheck{Path: v}}
	case "on":
		a, b, _ := strings.Cut(v, ":")
		w.Constraints = []schema.Constraint{{Attribute: a, Op: "=", Value: b}}
	case "parallel", "first", "before", "steps", "last", "phase":
		err = setRunbook(w, k, v)
	default:
		err = fmt.Errorf("unknown field")
	}
	return err
}

// fail is the leader giving way to another, which has heard nobody yet.
func (w *world) fail() {
	w.epoch++
	for _, seen := range w.snap.Nodes {
		w.told.Nodes = slices.DeleteFunc(w.told.Nodes, func(s nodes.Seen) bool { return s.Report.Node.Name == seen.Report.Node.Name })
		w.told.Nodes = append(w.told.Nodes, seen)
	}
	w.started, w.snap = w.now, nodes.Snapshot{}
}

// hearAll brings nodes of the facts back into an empty roster: they run what they
// ran.
func (w *world) hearAll() {
	for _, was := range w.told.Nodes {
		name := was.Report.Node.Name
		if w.snap.Node(name) == nil && !w.down[name] && nodeFact(&w.facts, name) != nil {
			w.snap.Nodes = append(slices.Clone(w.snap.Nodes), nodes.Seen{At: w.now, Report: was.Report})
		}
	}
	w.sortNodes()
	w.hear()
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
			if w.endStep(x, was.Instance(x.ID), wrong, prefix) {
				continue
			}
			old := was.Instance(x.ID)
			if o := orderOf(nodeFact(&w.facts, ideal.Nodes[i].Report.Node.Name), x.ID); o.Workload != nil && o.Workload.Kind.Runs() {
				goesOn(x, old)
			}
			if old != nil && old.Health == x.Health && old.Phase == x.Phase {
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
		w.keepStrays(&w.snap.Nodes[i].Report, &was)
	}
	w.hear()
}

// keepStrays: what nobody ordered goes on running.
func (w *world) keepStrays(r, was *nodes.Report) {
	f := nodeFact(&w.facts, r.Node.Name)
	for _, x := range was.Instances {
		if r.Instance(x.ID) == nil && orderOf(f, x.ID) == nil && strings.HasPrefix(string(x.Digest), "ffff") {
			r.Instances = append(r.Instances, x)
		}
	}
	slices.SortFunc(r.Instances, func(a, b nodes.Instance) int { return strings.Compare(a.ID, b.ID) })
}

func spoil(x *nodes.Instance, wrong string, now time.Time) {
	switch wrong {
	case "unhealthy":
		x.Health = nodes.Unhealthy
		x.Failure = &nodes.Failure{Code: nodes.HealthFailing, Text: "GET /up: status 503", At: now, Count: 9}
	case "exited":
		x.Phase = nodes.Starting
		x.Failure = &nodes.Failure{Code: nodes.Exited, Text: "exited with code 3", ExitCode: 3, At: now, Count: 5}
	case "pulling":
		x.Phase, x.Health, x.Container, x.Started = nodes.Pulling, nodes.HealthUnknown, "", time.Time{}
		x.Fetched = &nodes.Fetched{Done: 12 << 20, Total: 340 << 20}
	case "starting":
		x.Phase, x.Health = nodes.Starting, nodes.HealthUnknown
	case "cannot":
		x.Phase, x.Health = nodes.Starting, nodes.HealthUnknown
		x.Failure = &nodes.Failure{Code: nodes.StartFailed, Text: "no such user", At: now, Count: 5}
	}
}

// history is how a workload's rollouts ended.
func (w *world) history(workload string) string {
	var b strings.Builder
	for _, e := range w.facts.EndsOf(workload) {
		fmt.Fprintf(&b, "%s by %s after %s", e.Outcome, e.Commit, e.Ended.Sub(e.Began))
		if e.Reason != "" {
			fmt.Fprintf(&b, ": %s", e.Reason)
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

// commits are all that were seen, with what became of each.
func (w *world) commits() string {
	var b strings.Builder
	for i := range w.facts.Commits {
		c := &w.facts.Commits[i]
		fmt.Fprintf(&b, "%s%s %s", c.Revision.Commit, ofRepo(c.Repo), c.Outcome)
		if c.Reason != "" {
			fmt.Fprintf(&b, ": %s", c.Reason)
		}
		for k := range c.Vouched {
			fmt.Fprintf(&b, ", by %s", &c.Vouched[k])
		}
		fmt.Fprintln(&b)
	}
	for i := range w.facts.Plans {
		fmt.Fprintf(&b, "there waits %s\n", &w.facts.Plans[i].Voucher)
	}
	return b.String()
}

// leases are the orders that have one, and of which the node may not know.
func (w *world) leases() string {
	var b strings.Builder
	for i := range w.facts.Nodes {
		f := &w.facts.Nodes[i]
		for _, o := range f.Assignment.Orders {
			if o.Leased {
				fmt.Fprintf(&b, "%s on %s, told %v\n", o.Slot, f.Name, !slices.Contains(f.Unaware, o.ID))
			}
		}
	}
	return b.String()
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
			what := "@" + w.image(o.Digest)
			if o.Step != nil {
				what = "[" + o.Step.Name + "]"
			}
			fmt.Fprintf(&b, " %s%s%s", o.Slot, what, stop)
		}
		fmt.Fprintln(&b)
	}
	for _, c := range w.facts.Cordons {
		fmt.Fprintf(&b, "%s is closed, drain %v, drained %v\n", c.Node, c.Drain, !c.Drained.IsZero())
	}
	for i := range w.facts.Rollouts {
		r := &w.facts.Rollouts[i]
		fmt.Fprintf(&b, "%s %s %s", r.Workload, r.Stage, w.image(r.Target))
		if r.Serving != "" {
			fmt.Fprintf(&b, ", %s serves", w.image(r.Serving))
		}
		if r.Step > 0 {
			fmt.Fprintf(&b, ", step %d is done", r.Step)
		}
		if !r.Ready.IsZero() {
			fmt.Fprintf(&b, ", ready for %s", w.now.Sub(r.Ready))
		}
		if r.Reason != "" {
			fmt.Fprintf(&b, ": %s", r.Reason)
		}
		tellCourse(&b, r.Course)
		fmt.Fprintln(&b)
	}
	return b.String()
}
