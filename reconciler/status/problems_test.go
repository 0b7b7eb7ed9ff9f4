package status_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// brief is each problem's code, subject and next step.
func brief(s status.Status) (lines []string) {
	for _, p := range s.Problems {
		lines = append(lines, p.Code+" "+p.Subject+" → "+p.Next)
	}
	return lines
}

// TestProblems_OneCauseIsToldOnce: and its next step leads somewhere.
func TestProblems_OneCauseIsToldOnce(t *testing.T) {
	for name, c := range map[string]struct {
		of   func() *world
		want string
	}{
		"what has no place and failed for it": {func() *world {
			w := unplaced()
			w.after(6 * time.Minute)
			return w
		}, "unplaced hello/web.0 → lower the request, lower replicas, or add a node: bayplan node token"},
		"what never started": {func() *world { return with(stuck(), nil) }, "rollout-failed hello/web → bayplan explain hello/web.0"},
		"what ran and is not well": {func() *world {
			return with(stuck(), func(x *nodes.Instance) { x.Container, x.Phase, x.Health = "c1", nodes.Running, nodes.Unhealthy })
		}, "rollout-failed hello/web → bayplan logs hello/web.0"},
		"what exits": {func() *world {
			return with(stuck(), func(x *nodes.Instance) {
				x.Container, x.Phase = "c1", nodes.Starting
				x.Failure = &nodes.Failure{Code: nodes.Exited, Text: "exited with code 3", Count: 1}
			})
		}, "exited hello/web.0 → bayplan logs hello/web.0"},
		"what ends for its sidecar": {func() *world {
			return with(stuck(), func(x *nodes.Instance) {
				x.Container, x.Phase = "c1", nodes.Starting
				x.Failure = &nodes.Failure{Code: nodes.Exited, Text: "exited with code 3: sidecar proxy", Part: "proxy", Count: 1}
			})
		}, "exited hello/web.0 → bayplan logs hello/web.0 -c proxy"},
		"what could not be started": {func() *world {
			return with(stuck(), func(x *nodes.Instance) {
				x.Container, x.Phase = "", nodes.Starting
				x.Failure = &nodes.Failure{Code: nodes.StartFailed, Text: "no such user", Count: 1}
			})
		}, "start-failed hello/web.0 → bayplan explain hello/web.0"},
		"what runs and has a full volume": {func() *world {
			w := running()
			w.instance("hello/web.1").Failure = &nodes.Failure{Code: nodes.VolumeFull, Text: "no more fits into its volume data (1Gi)", At: w.now, Count: 1}
			w.pass()
			return w
		}, "volume-full hello/web.1 → raise the volume's size, or remove what it holds: bayplan exec hello/web.1 -- …"},
		"a post-stop that failed": {func() *world {
			w := running()
			w.snap.Nodes[0].Report.Endings = []nodes.Ending{{ID: "hello/web.1@x", Slot: schema.Slot{Workload: "hello/web", Index: 1},
				Failure: nodes.Failure{Code: nodes.PostStopFailed, Text: "postStop bye: exited with code 1", Log: "one\nno such table", At: w.now, Count: 1}}}
			w.pass()
			return w
		}, "post-stop-failed hello/web.1 → do by hand what it was to do, if it is needed (this is told for an hour): bayplan events hello/web.1"},
		"an engine that is down": {func() *world {
			s := with(stuck(), func(x *nodes.Instance) {
				x.Phase, x.Failure = nodes.Starting, &nodes.Failure{Code: nodes.EngineDown, Text: "docker does not answer", Count: 1}
			})
			s.snap.Nodes[0].Report.Node.Trouble = "docker does not answer"
			return s
		}, "node-troubled n1 → mend it on the node; bayplan doctor there tells more\nrollout-failed hello/web → bayplan explain hello/web.0"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(brief(c.of().of()), "\n"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// stuck is a first rollout that failed: its instance was never seen.
func stuck() *world {
	w := newWorld("n1")
	w.push("4444444444444444", web("hello:1", 1))
	w.pass()
	w.after(6 * time.Minute)
	return w
}

// with gives the one instance that was ordered the state that change makes.
func with(world *world, change func(*nodes.Instance)) *world {
	if change != nil {
		world.snap = reconciler.Ideal(&world.facts, world.snap, world.now)
		x := world.instance("hello/web.0")
		x.Health = nodes.HealthUnknown
		change(x)
	}
	return world
}

// after lets time pass while the nodes are heard.
func (w *world) after(d time.Duration) {
	w.now = w.now.Add(d)
	for i := range w.snap.Nodes {
		w.snap.Nodes[i].At = w.now
	}
	w.pass()
}

// TestExplain_LeadsOn: what leads to an explanation does not lead back to it.
func TestExplain_LeadsOn(t *testing.T) {
	w := stuck()
	s := w.of()
	x, err := status.Explain(&s, nil, schema.Slot{Workload: "hello/web"}, nil)
	if err != nil || !strings.HasSuffix(x.Next, "bayplan events hello/web.0") {
		t.Errorf("next %q, %v", x.Next, err)
	}
}
