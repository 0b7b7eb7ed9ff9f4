package reconciler_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// init keeps the plain run short, and testdata to transcripts; both flags can be
// given on the command line: go test ./reconciler -rapid.checks=2000.
func init() {
	for name, value := range map[string]string{"rapid.checks": "40", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
}

// TestReconcile_AnyWorld plays random histories: nodes come, go silent and
// return, attributes change, commits of any kind arrive, instances fail, the
// server restarts, orders arrive late and are carried out in part. Every
// decision is checked; then the faults end, and the newest commit must too.
func TestReconcile_AnyWorld(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFleet(t)
		f.t = failing{t, rt}
		for i := range rapid.IntRange(1, 3).Draw(rt, "nodes") {
			f.add(fmt.Sprintf("n%d", i), []string{"a", "b"}[i%2])
		}
		a := actions{f}
		rt.Repeat(map[string]func(*rapid.T){
			"commit": a.commit, "commit again": a.commit, "refuse": a.refuse, "approve": a.approve,
			"work": a.work, "work more": a.work, "work on": a.work, "all work": a.allWork, "all go on": a.allWork,
			"cut": a.cut, "join": a.join, "node": a.node, "move": a.move, "crash": a.crash, "port": a.port, "stray": a.stray, "restart": a.restart,
			"agent": a.agent, "engine": a.engine, "drain": a.drain, "promote": a.promote, "abort": a.abort, "delete volumes": a.delete, "end drain": a.uncordon,
			"operate": a.operate, "sicken": a.sicken, "trouble": a.trouble, "remove node": a.remove, "resolve": a.resolve,
		})
		f.recover()
		f.letGo()
		f.settleForGood()
	})
}

// failing gives the checks rapid's way to fail, which shrinks what failed.
type failing struct {
	testing.TB
	rt *rapid.T
}

func (f failing) Helper()                           {}
func (f failing) Fatal(args ...any)                 { f.rt.Fatal(args...) }
func (f failing) Fatalf(format string, args ...any) { f.rt.Fatalf(format, args...) }

func (f failing) Logf(format string, args ...any) { f.rt.Logf(format, args...) }

// tell has a world that fails say what each pass of it decided:
// go test ./reconciler -run AnyWorld -rapid.seed=N -tell.
var tell = flag.Bool("tell", false, "log what each pass of a random world that fails decides")

type actions struct{ *fleet }

var fleetNames = []string{"a/one", "a/two", "b/three", "b/four", "c/five"}

func (a actions) commit(t *rapid.T) {
	var ws []schema.Workload
	broken := rapid.SampledFrom([]string{"", "", "", "a", "b"}).Draw(t, "broken team")
	teams := map[string]bool{}
	for _, name := range fleetNames {
		if rapid.IntRange(0, 4).Draw(t, "in") == 0 {
			continue
		}
		w := a.workload(t, name)
		teams[w.Team()] = true
		if w.Team() != broken {
			ws = append(ws, w)
		}
	}
	var list []schema.Team
	for _, team := range []string{"a", "b", "c"} {
		switch {
		case team == broken:
			list = append(list, schema.Team{Name: team, Errors: []string{team + "/x.cue:1:1: boom"}})
		case teams[team]:
			list = append(list, schema.Team{Name: team})
		}
	}
	slices.SortFunc(ws, func(x, y schema.Workload) int { return strings.Compare(x.Name, y.Name) })
	a.pools = rapid.SampledFrom([][]schema.Pool{nil, nil, somePools(1000, 500), somePools(300, 900)}).Draw(t, "pools")
	a.push(ws, list)
	a.rewritten = rapid.IntRange(0, 9).Draw(t, "rewritten") == 0
	a.pass()
}

// somePools are two parts of the default pool: one bounded, one with a guarantee
// that it lends.
func somePools(limit, guarantee schema.CPU) []schema.Pool {
	return []schema.Pool{{Name: "default", Weight: 1}, {Name: "part", Parent: "default", Weight: 1, Limit: &schema.Quantity{CPU: limit}},
		{Name: "sure", Parent: "default", Weight: 2, Guarantee: &schema.Quantity{CPU: guarantee}, Lend: true}}
}

// workload is either as it was, so that most of a commit is old, or any.
func (a actions) workload(t *rapid.T, name string) schema.Workload {
	if old := a.facts.Spec.Workload(name); old != nil && rapid.Bool().Draw(t, "same") {
		return *old
	}
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	if a.jobsOnly {
		return a.anyJob(t, name)
	}
	fields := []string{name, "image=" + pick("image", "1", "2", "3", "bad"), "cpu=" + pick("cpu", "100m", "300m", "900m"),
		"surge=" + pick("surge", "1", "1", "0", "2", `"50%"`), "down=" + pick("down", "0", "0", "1", "2", `"25%"`)}
	fields = append(fields, pick("kind", "replicas=0", "replicas=1", "replicas=2", "replicas=3", "replicas=4", "kind=daemon", "kind=job", "kind=job completions=3 parallelism=2", "kind=cron"))
	if kind := fields[len(fields)-1]; strings.HasPrefix(kind, "kind=job") || kind == "kind=cron" {
		return a.job(t, append(fields[:3:3], strings.Fields(kind)...))
	}
	if rapid.IntRange(0, 3).Draw(t, "stateful") == 0 {
		fields = append(fields, "kind=stateful", pick("ordinals", "replicas=0", "replicas=1", "replicas=2", "replicas=3", "replicas=3"),
			pick("start", "start=ordered", "start=parallel"), pick("lost", "lost=wait", "lost=replace"), pick("retain", "retain=1m", "retain=1h"), pick("quorum", "quorum=0", "quorum=2"))
	}
	for _, f := range []string{pick("port", "", "", "port=http:80", "port=http:80:8080"), pick("check", "", "check=/up"),
		pick("strategy", "", "", "strategy=recreate", "strategy=ordered", "strategy=ordered", "soak=15s", "promotion=manual", "canary=1/15s,50%/approve", "canary=1/15s,50% checks=1:!smoke*1,~load checks=2:sick*1"), pick("failures", "", "", "failures=1"),
		pick("on", "", "", "on=zone:a"), pick("volume", "", "", "", "volume=data"), pick("yields", "", "yields=yes"),
		pick("priority", "", "", "priority=-1", "priority=1"), pick("revocable", "", "", "", "revocable=yes"), pick("gang", "", "", "", "gang=yes"),
		pick("after", "", "", "", "", "after=a/one", "after=b/three:started", "after=a/two,c/five"), pick("pool", "", "", "", "pool=part", "pool=sure")} {
		fields = append(fields, strings.Fields(f)...)
	}
	w := parseWorkload(nil, fields)
	a.anyRunbook(&w, pick)
	a.anyTimes(t, &w)
	a.anyImage(&w, pick)
	dropQuorum(&w)
	return w
}

// dropQuorum takes a quorum away that no repository could ask for: nothing could be
// done to its slots without breaking it.
func dropQuorum(w *schema.Workload) {
	if slices.ContainsFunc(w.Check(), func(p schema.Problem) bool { return slices.Equal(p.Path, []string{"quorum"}) }) {
		w.Quorum = 0
	}
}

func (a actions) refuse(t *rapid.T) {
	a.push(nil, nil)
	a.refused = "the tree is empty"
	a.pass()
}

func (a actions) approve(t *rapid.T) {
	if c := a.fleet.commit(); c != nil && c.Outcome == reconciler.Held {
		a.facts.Approvals = append(slices.Clone(a.facts.Approvals), reconciler.Approval{Commit: c.Revision.Commit, At: a.now})
		a.rewritten = false // the checks take an approved one for any other
	}
	a.pass()
}

func (a actions) machine(t *rapid.T) *machine {
	return rapid.SampledFrom(a.machines).Draw(t, "machine")
}

// work lets time pass while each machine does some part of its work.
func (a actions) work(t *rapid.T) {
	a.now = a.now.Add(time.Duration(rapid.SampledFrom([]int{1, 5, 10, 14, 31, 65, 130}).Draw(t, "seconds")) * time.Second)
	for _, m := range a.machines {
		how := rapid.IntRange(0, 7).Draw(t, "how")
		if how&1 == 0 {
			a.deliver(m)
		}
		if how&2 == 0 {
			a.carryOut(m, func(string) bool { return rapid.IntRange(0, 3).Draw(t, "skip") == 0 })
		}
		if how != 7 {
			a.hear(m)
		}
	}
	a.pass()
}

func (a actions) allWork(t *rapid.T) { a.round(11 * time.Second) }

func (a actions) cut(t *rapid.T) { a.machine(t).cut = true }

func (a actions) join(t *rapid.T) {
	m := a.machine(t)
	m.cut = false
	a.hear(m)
	a.pass()
}

func (a actions) node(t *rapid.T) {
	if len(a.machines) >= 5 {
		t.Skip("enough")
	}
	a.add(fmt.Sprintf("n%d", a.joined), rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone"))
}

func (a actions) move(t *rapid.T) {
	m := a.machine(t)
	m.node.Attributes = map[string]string{"zone": rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone")}
	a.hear(m)
	a.pass()
}

// crash ends a running instance once.
func (a actions) crash(t *rapid.T) {
	m := a.machine(t)
	for _, id := range m.ids() {
		if x := m.insts[id]; x.Phase == nodes.Running && !m.performs(id) && rapid.Bool().Draw(t, "this") {
			if m.insts[id] = a.moved(*x, nodes.Starting, nodes.HealthUnknown); runsOut(m, id) {
				exit(m.insts[id], 1, a.now)
				continue
			}
			m.insts[id].Failure = &nodes.Failure{Code: nodes.Exited, Text: "exited", At: a.now, Count: 1}
		}
	}
	a.hear(m)
	a.pass()
}

// agent starts a node's agent anew.
func (a actions) agent(t *rapid.T) {
	m := a.machine(t)
	a.rise(m)
	a.hear(m)
	a.pass()
}

// engine stops answering on a node, or answers again.
func (a actions) engine(t *rapid.T) {
	m := a.machine(t)
	m.blind = !m.blind
	a.hear(m)
	a.pass()
}

// port takes the ports of an instance away: a program outside holds them.
func (a actions) port(t *rapid.T) {
	m := a.machine(t)
	for _, id := range m.ids() {
		x := m.insts[id]
		for _, port := range slices.Sorted(maps.Values(x.Ports)) {
			if len(m.node.BusyPorts) >= 3 || slices.Contains(m.node.BusyPorts, port) || x.Phase >= nodes.Stopping {
				continue
			}
			m.node.BusyPorts = append(slices.Clone(m.node.BusyPorts), port)
			slices.Sort(m.node.BusyPorts)
			m.insts[id] = a.moved(*x, nodes.Starting, nodes.HealthUnknown)
			m.insts[id].Failure = &nodes.Failure{Code: nodes.PortInUse, Text: "port in use", Port: port, At: a.now, Count: 1}
		}
	}
	a.hear(m)
	a.pass()
}

// stray is a container of this cluster that nobody ordered.
func (a actions) stray(t *rapid.T) {
	m := a.machine(t)
	slot := schema.Slot{Workload: rapid.SampledFrom(append(slices.Clone(fleetNames), "x/gone")).Draw(t, "workload"), Index: rapid.IntRange(0, 3).Draw(t, "index")}
	digest := schema.Digest(strings.Repeat("e", 64))
	if r := rolloutOf(&a.facts, slot.Workload); r != nil && r.Target != "" && rapid.Bool().Draw(t, "wanted") {
		digest = r.Target
	}
	id := nodes.InstanceID(slot, digest)
	if m.insts[id] == nil {
		m.insts[id] = a.moved(nodes.Instance{ID: id, Slot: slot, Digest: digest}, nodes.Running, nodes.NoCheck)
	}
	a.hear(m)
	a.pass()
}

func (a actions) restart(t *rapid.T) {
	tip, refused, rewritten := a.desired, a.refused, a.rewritten
	a.fleet.restart()
	a.pass()
	if rapid.Bool().Draw(t, "later") {
		a.round(time.Second)
	}
	a.desired, a.refused, a.rewritten = tip, refused, rewritten
	a.pass()
}

// recover ends the faults: links are whole, and each node works at once.
func (f *fleet) recover() {
	for _, m := range f.machines {
		m.cut, m.blind, m.sick, m.node.BusyPorts, m.node.Trouble = false, false, false, nil, ""
	}
	for range 3 {
		f.round(time.Second)
	}
}

// settleForGood: with a well-behaved fleet the newest commit reaches its end
// within its deadlines (I34), and after that nothing changes without a new
// one (I17).
func (f *fleet) settleForGood() {
	f.quiet = true
	end := f.now.Add(2 * time.Hour)
	for f.commit() != nil && !f.commit().Outcome.Ended() {
		if f.now.After(end) {
			f.t.Fatalf("I34: commit %s has no end after two hours: %s\n%s", f.commit().Revision.Commit, encode(f.t, f.plan.Blocked), encode(f.t, f.facts.Rollouts))
		}
		f.round(10 * time.Second)
	}
	for range 6 * 30 {
		f.round(10 * time.Second)
	}
	was := f.changes
	for range 60 {
		f.round(10 * time.Second)
	}
	if f.changes != was {
		f.t.Fatalf("I17: %d changes with no new cause; the last: %s\n%s\n%s", f.changes-was, encode(f.t, f.plan.Changes), encode(f.t, f.plan.Blocked), encode(f.t, f.facts.Rollouts))
	}
	f.checkReasons()
	f.checkDrains()
}

// checkReasons: what is not as desired in the end has a reason that is shown
// (I34).
func (f *fleet) checkReasons() {
	live := f.live(&f.facts)
	for i := range f.facts.Rollouts {
		r := &f.facts.Rollouts[i]
		if r.Quarantined != nil && !slices.ContainsFunc(f.plan.Blocked, func(b reconciler.Blocked) bool { return b.Workload == r.Workload }) {
			f.t.Fatalf("I17: the restart of %s has no end: %s", r.Workload, encode(f.t, r))
		}
		if r.Reason != "" || r.Stage == reconciler.Removing || goalOf(r).Kind.Runs() || slices.ContainsFunc(f.plan.Blocked, func(b reconciler.Blocked) bool { return b.Workload == r.Workload }) {
			continue
		}
		goal := goalOf(r)
		for _, slot := range wantedSlots(goal, live, &f.plan) {
			bad := strings.HasSuffix(goal.Image, "bad")
			if !bad && !slices.ContainsFunc(live[slot], func(v view) bool { return v.Serves }) {
				f.t.Fatalf("I34: %s is down, %s, and nothing says why", slot, r.Stage)
			}
		}
	}
}
