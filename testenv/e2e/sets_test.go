package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// provenWeb has a way of updating that proves a version first.
const provenWeb = `package hello

workloads: web: {
	kind:     "service"
	image:    "IMAGE:VERSION"
	replicas: 3
	env: {ENV}
	resources: {cpu: "20m", memory: "32Mi"}
	ports: http: container: 8080
	health: {http: {path: "/up", port: "http"}, interval: "1s"}
	restart: {backoff: "100ms", maxBackoff: "200ms"}
	update: {UPDATE, minHealthyTime: "500ms"}
}
`

func (d *dev) proven(version, env, update string) string {
	return strings.NewReplacer("ENV", env, "UPDATE", update).Replace(d.named(provenWeb, version))
}

// A router that follows the serving set loses no request, whether a new set is
// promoted by itself or by hand, or is gone back from.
func TestE2E_BlueGreenUnderRequests(t *testing.T) { onEach(t, blueGreenUnderRequests) }

func blueGreenUnderRequests(t *testing.T, on world) {
	d := startOn(t, on, t.TempDir())
	const sets = `strategy: "blueGreen", blueGreen: {soak: "1s", keepOld: "30s", drain: "3s", promotion: "PROMOTION"}`
	auto, manual := strings.Replace(sets, "PROMOTION", "auto", 1), strings.Replace(sets, "PROMOTION", "manual", 1)
	d.write("hello/web.cue", d.proven("1", "", auto))
	d.wantOutcome(d.commit("two sets from now on"), reconciler.Applied)
	d.eventually("one set", func() bool { return len(d.of("hello/web")) == 3 })
	r := route(d, "hello/web")
	d.write("hello/web.cue", d.proven("2", "", auto))
	d.wantOutcome(d.commit("a new set"), reconciler.Applied)
	d.eventually("traffic to the new set", func() bool { return len(r.served()) == 2 })
	d.write("hello/web.cue", d.proven("2", `EDITION: "2"`, manual))
	commit := d.commit("a set that somebody has to promote")
	d.eventually("a set that is ready", func() bool {
		p := d.workload("hello/web").Proof
		return p != nil && !p.Ready.IsZero()
	})
	d.wantExit(0, "bayplan promote hello/web --reason fine")
	if said, code := d.try("bayplan promote hello/web 2>&1"); code == 0 || !strings.Contains(said, "already, promoted at") {
		t.Errorf("the second operator: %d, %s", code, said)
	}
	d.eventually("traffic to the promoted set", func() bool { return len(r.served()) == 3 })
	d.wantExit(0, "bayplan abort hello/web --reason 'not so fine'")
	d.eventually("traffic back to the old set", func() bool { return len(r.served()) == 4 })
	d.eventually("the end of what was aborted", func() bool { return len(d.of("hello/web")) == 3 })
	if rev := d.revision(commit); rev.Outcome != reconciler.RolledBack || !strings.Contains(rev.Reason, "not so fine") {
		t.Errorf("the aborted commit is %s: %s", rev.Outcome, rev.Reason)
	}
	r.end()
	if all := r.served(); len(all) != 4 || all[1] != all[3] {
		t.Errorf("traffic went to %v", all)
	}
}

// A canary that fails goes back and touches nothing else, and its commit tells
// what it wrote last; one that is well goes on step by step.
func TestE2E_CanaryGoesBack(t *testing.T) { onEach(t, canaryGoesBack) }

func canaryGoesBack(t *testing.T, on world) {
	d := startOn(t, on, t.TempDir())
	const steps = `strategy: "canary", canary: [{count: 1, pause: "1s"}, {count: 2, approve: true}]`
	d.write("hello/web.cue", d.proven("1", "", "maxSurge: 3"))
	d.wantOutcome(d.commit("another version"), reconciler.Applied)
	d.write("hello/web.cue", d.proven("1", "", steps))
	d.wantOutcome(d.commit("canaries from now on"), reconciler.Applied)
	d.eventually("one version", func() bool { return len(d.of("hello/web")) == 3 })
	before := d.of("hello/web")
	d.write("hello/web.cue", d.proven("2", `DRAIN: "soon"`, steps))
	rev := d.wantOutcome(d.commit("one that cannot start"), reconciler.RolledBack)
	if len(rev.Causes) == 0 || rev.Causes[0].Failure == nil {
		t.Fatalf("causes: %+v", rev.Causes)
	}
	if c := rev.Causes[0]; c.Slot.String() != "hello/web.0" || c.Failure.ExitCode != 1 || !strings.Contains(c.Failure.Log, `DRAIN "soon"`) {
		t.Errorf("the cause: %+v, %+v", c, c.Failure)
	}
	d.wantShown(`DRAIN "soon"`)
	d.eventually("the end of the canary", func() bool { return len(d.of("hello/web")) == 3 })
	wantSame(t, "the slots beside the canary", before, d.of("hello/web"))
	d.write("hello/web.cue", d.proven("2", "", steps))
	commit := d.commit("one that is well")
	d.eventually("two canaries that wait", func() bool {
		w := d.workload("hello/web")
		return w.Proof != nil && w.Proof.Step == 1 && !w.Proof.Ready.IsZero()
	})
	if w := d.workload("hello/web"); w.Updated != 2 {
		t.Errorf("%d slots went ahead, want 2", w.Updated)
	}
	d.wantExit(0, "bayplan promote hello/web")
	d.wantOutcome(commit, reconciler.Applied)
}

func (d *dev) workload(name string) status.Workload {
	d.t.Helper()
	for _, w := range d.status().Workloads {
		if w.Name == name {
			return w
		}
	}
	return status.Workload{}
}

// router sends requests without a pause to the set that should have them, as
// `bayplan status -w` has it.
type router struct {
	d        *dev
	workload string
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	client   http.Client

	mu      sync.Mutex
	targets []string
	sets    []schema.Digest // one after the other, as they got traffic
	asked   int
	lost    []string
}

func route(d *dev, workload string) *router {
	d.t.Helper()
	r := &router{d: d, workload: workload}
	r.client = newAsker()
	st := d.status()
	r.see(&st)
	ctx, cancel := context.WithCancel(d.t.Context())
	r.cancel = cancel
	d.t.Cleanup(cancel)
	r.wg.Go(func() { d.followStatus(ctx, r.see) })
	r.wg.Go(func() { r.ask(ctx) })
	return r
}

// see takes in who has the traffic.
func (r *router) see(st *status.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range st.Workloads {
		w := &st.Workloads[i]
		if w.Name != r.workload {
			continue
		}
		r.targets = nil
		for _, s := range w.Slots {
			if s.Digest == w.Serving && !s.Stopping && s.Phase == nodes.Running && s.Health == nodes.Healthy {
				r.targets = append(r.targets, at(s.Address, s.Ports["http"]))
			}
		}
		if n := len(r.sets); n == 0 || r.sets[n-1] != w.Serving {
			r.sets = append(r.sets, w.Serving)
		}
	}
}

func (r *router) ask(ctx context.Context) {
	for ctx.Err() == nil {
		r.mu.Lock()
		now := r.targets
		r.asked++
		i := r.asked
		r.mu.Unlock()
		err := fmt.Errorf("nobody serves")
		if len(now) > 0 {
			err = fetch(&r.client, now[i%len(now)]+"/")
		}
		if err != nil {
			r.mu.Lock()
			r.lost = append(r.lost, err.Error())
			r.mu.Unlock()
		}
		pause(ctx, 3*time.Millisecond)
	}
}

// served are the sets that had the traffic, one after the other.
func (r *router) served() []schema.Digest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sets)
}

func (r *router) end() {
	r.d.t.Helper()
	r.cancel()
	r.wg.Wait()
	r.d.t.Logf("%d requests, %d lost", r.asked, len(r.lost))
	if r.asked < 500 {
		r.d.t.Error("too few requests to mean anything")
	}
	for _, text := range r.lost[:min(len(r.lost), 10)] {
		r.d.t.Error("lost: ", text)
	}
}
