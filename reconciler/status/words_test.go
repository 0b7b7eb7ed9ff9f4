package status_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// preview is what the commit in w.desired would change.
func (w *world) preview() status.Preview {
	before := w.facts
	f := reconciler.Foresee(w.input())
	return status.PreviewOf(&before, &f, nil)
}

// TestPreviewOf_Golden is the whole document of some commits.
func TestPreviewOf_Golden(t *testing.T) {
	for name, change := range map[string]func(*world){
		"nothing": func(w *world) { w.push("5", web("hello:1", 2)) },
		"update":  func(w *world) { w.push("5", web("hello:2", 2)) },
		"ordered": func(w *world) {
			x := web("hello:2", 2)
			x.Update.Strategy, x.Update.Runbook = schema.Ordered, &schema.Runbook{
				First: []schema.Step{{Name: "quorum", Kind: schema.Check, Run: &schema.OneShot{}}},
				Phases: []schema.Phase{{Name: "standbys", Before: []schema.Step{{Name: "drain", Kind: schema.Action, Exec: &schema.ExecCheck{}},
					{Name: "lag", Kind: schema.Check, Exec: &schema.ExecCheck{}, Together: true}}}, {Name: "primary", Slots: []int{0}}},
			}
			w.push("5", x)
		},
		"scale":  func(w *world) { w.push("5", web("hello:1", 3)) },
		"remove": func(w *world) { w.push("5") },
		"create": func(w *world) {
			x := web("hello:1", 1)
			x.Name = "hello/x"
			w.push("5", web("hello:1", 2), x)
		},
		"settings": func(w *world) {
			x := web("hello:1", 2)
			x.Health.Interval = schema.Duration(time.Second)
			w.push("5", x)
		},
		"unplaced": func(w *world) {
			x := web("hello:1", 2)
			x.Resources.CPU = 9000
			w.push("5", x)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := running()
			change(w)
			golden(t, "preview_"+name+".json", document(t, w.preview()))
		})
	}
}

// TestPreviewOf_Evictions names who would end, for whom and why, and what becomes
// of one that has its data there.
func TestPreviewOf_Evictions(t *testing.T) {
	w := stateful()
	high := web("hello:1", 2)
	high.Name, high.Priority, high.Resources.CPU = "hello/high", 3, 1500
	w.push("6", *w.facts.Spec.Workload("hello/web"), high)
	golden(t, "preview_evictions.json", document(t, w.preview()))
}

// TestLimit_ToldBeforeAndAfter: that a team would take a pool past its limit is
// told by the preview, and once it is merged among the problems and as the
// commit's outcome; what runs stays.
func TestLimit_ToldBeforeAndAfter(t *testing.T) {
	w := running()
	big := web("hello:2", 4)
	big.Resources.CPU = 900
	w.push("6", big)
	w.desired.Pools = []schema.Pool{{Name: "default", Weight: 1, Limit: &schema.Quantity{CPU: 3000}}}
	w.desired.Teams = []schema.Team{{Name: "hello", Commit: "6"}}
	w.desired.Seal()
	want := "hello: it asks for 3600m cpu of pool default, others ask for 0 cpu, and its limit is 3 cpu: it stays as it was"
	if got := w.preview().Warnings; !slices.Equal(got, []string{want}) {
		t.Errorf("the preview warns of %q", got)
	}
	w.settle()
	s := w.of()
	if i := slices.IndexFunc(s.Problems, func(p status.Problem) bool { return p.Code == "spec-refused" }); i < 0 || s.Problems[i].Text != want || s.Problems[i].Subject != "hello" {
		t.Errorf("the problems are %v", s.Problems)
	}
	if c := w.facts.Commits[len(w.facts.Commits)-1]; c.Outcome != reconciler.Failed || c.Reason != want {
		t.Errorf("the commit is %s: %s", c.Outcome, c.Reason)
	}
	if x := s.Workloads[0]; x.Running != 2 || x.Desired != 2 {
		t.Errorf("%d of %d run", x.Running, x.Desired)
	}
}

// TestPreviewOf_ChangesNothing: a preview leaves the facts as they are.
func TestPreviewOf_ChangesNothing(t *testing.T) {
	w := running()
	was := string(document(t, w.facts))
	w.push("5", web("hello:2", 4))
	w.preview()
	if string(document(t, w.facts)) != was {
		t.Error("a preview changed the facts")
	}
}

func TestExplain(t *testing.T) {
	w := running()
	s := w.of()
	slot := schema.Slot{Workload: "hello/web", Index: 0}
	for _, c := range []struct {
		name string
		slot schema.Slot
		of   *world
		want []string
	}{
		{"running", slot, w, []string{"hello/web.0 is running on n1, health healthy: created", "n1 can take it: score", "n2 can take it: score"}},
		{"bound to its data", slot, stateful(), []string{"n1 can take it: score", "n2 cannot take it: node: its data is on n1"}},
		{"above replicas", schema.Slot{Workload: "hello/web", Index: 7}, w, []string{"hello/web.7 is not wanted: hello/web has 2 slots"}},
		{"unplaced", slot, unplaced(), []string{"hello/web.0 is nowhere: waiting", "n1 cannot take it: cpu: needs 9 cpu; n1 has 2 free of 2, 0 reserved", "lower the request"}},
		{"failing", schema.Slot{Workload: "hello/web", Index: 1}, trouble(), []string{"killed: it used more than 256Mi", "raise resources.limit.memory"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := c.of.of()
			x, err := status.Explain(&st, reconciler.Places(c.of.input(), c.slot), c.slot, nil)
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Join(append(append([]string{x.Text}, x.Lines...), x.Next), "\n")
			for _, want := range c.want {
				if !strings.Contains(all, want) {
					t.Errorf("%q is not in:\n%s", want, all)
				}
			}
			if b := string(document(t, x)); strings.Contains(b, "null") {
				t.Errorf("null in %s", b)
			}
		})
	}
	if _, err := status.Explain(&s, nil, schema.Slot{Workload: "no/such"}, nil); err == nil || !strings.Contains(err.Error(), "bayplan status") {
		t.Errorf("an unknown workload: %v", err)
	}
}

func TestExplain_Events(t *testing.T) {
	w := running()
	s := w.of()
	slot := schema.Slot{Workload: "hello/web", Index: 0}
	var events []status.Event
	for i := range 30 {
		events = append(events, status.Event{Slot: schema.Slot{Workload: "hello/web", Index: i % 2}.String(), Text: strings.Repeat("x", i)})
	}
	x, _ := status.Explain(&s, nil, slot, events)
	if y, _ := status.Explain(&s, nil, slot, append(events, status.Event{Kind: "problem", Workload: "hello/web"})); len(y.Events) != 10 || y.Events[9].Kind != "problem" {
		t.Errorf("a problem of its workload is not among %v", y.Events)
	}
	if len(x.Events) != 10 || len(x.Events[9].Text) != 28 || slices.ContainsFunc(x.Events, func(e status.Event) bool { return e.Slot != "hello/web.0" }) {
		t.Errorf("%d events, the last %v", len(x.Events), x.Events[len(x.Events)-1])
	}
}

// TestEvents_Golden is a whole story as events: a deploy, an update, a failure,
// a removal.
func TestEvents_Golden(t *testing.T) {
	w := newWorld("n1", "n2")
	var events []status.Event
	play := func() {
		for range 6 {
			events = append(events, w.pass()...)
			before := w.snap
			w.now = w.now.Add(5 * time.Second)
			w.run()
			events = append(events, status.Happened(&w.facts, before, w.snap, w.now)...)
		}
	}
	events = append(events, status.Happened(&w.facts, nodes.Snapshot{}, w.snap, w.now)...)
	w.push("1111111111111111", web("hello:1", 2))
	play()
	w.push("2222222222222222", web("hello:2", 2))
	play()
	before := w.snap
	after := nodes.Snapshot{Nodes: slices.Clone(before.Nodes)}
	r := &after.Nodes[0].Report
	r.Instances = slices.Clone(r.Instances)
	x := &r.Instances[0]
	x.Phase, x.Health, x.Restarts = nodes.Starting, nodes.HealthUnknown, 1
	x.Failure = &nodes.Failure{Code: nodes.Exited, Text: "exited with code 3", At: w.now, Count: 1}
	r.Node.Trouble = "docker does not answer"
	events = append(events, status.Happened(&w.facts, before, after, w.now)...)
	events = append(events, status.Happened(&w.facts, after, before, w.now)...)
	w.push("3333333333333333")
	play()
	var lines []byte
	for _, e := range events {
		lines = append(lines, []byte(e.Time.Format("15:04:05 ")+e.Kind+" "+e.Commit+" "+e.Text+"\n")...)
	}
	golden(t, "events.txt", lines)
}

// TestHappened_Nothing: the same snapshot twice tells nothing, and a heartbeat
// neither.
func TestHappened_Nothing(t *testing.T) {
	w := running()
	later := nodes.Snapshot{Nodes: slices.Clone(w.snap.Nodes)}
	for i := range later.Nodes {
		later.Nodes[i].At = w.now.Add(time.Second)
	}
	if events := status.Happened(&w.facts, w.snap, later, w.now); len(events) > 0 {
		t.Errorf("%v", events)
	}
	if events := status.Decided(&w.facts, &w.plan, w.now); len(events) > 0 {
		t.Errorf("%v", events)
	}
}

// An image that cannot be had is told beside the workload that asks for it, and
// what it would be pinned to is no change.
func TestPreviewOf_WarnsOfAnImageThatCannotBeHad(t *testing.T) {
	w := running()
	w.push("5", web("hello:2", 2))
	before := w.facts
	f := reconciler.Foresee(w.input())
	const text = "image hello:2 does not exist"
	image := w.desired.Workloads[0].Image
	p := status.PreviewOf(&before, &f, []reconciler.Unresolved{{Workload: image, Failure: nodes.Failure{Text: text}}})
	if len(p.Changes) != 1 || !slices.Equal(p.Changes[0].Warnings, []string{text}) || !slices.Equal(p.Warnings, []string{text}) {
		t.Errorf("%+v", p)
	}
	if slices.ContainsFunc(p.Changes[0].Fields, func(f status.FieldChange) bool { return f.Path == "pinned" }) {
		t.Errorf("pinned is told as a change: %+v", p.Changes[0].Fields)
	}
	f.Facts.Spec = before.Spec
	waiting := before.Spec.Workloads[0].Image
	p = status.PreviewOf(&before, &f, []reconciler.Unresolved{{Workload: waiting, Failure: nodes.Failure{Text: text}}})
	if len(p.Changes) != 0 || !slices.Equal(p.Warnings, []string{text}) {
		t.Errorf("a workload that waits already: %+v", p)
	}
}
