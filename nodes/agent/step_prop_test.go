package agent_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
)

// TestStep_Properties plays a node with an unlucky life against Step, and
// checks after every step what must always hold (I4, I10, I25, I28, I33), and in the
// end that luck brings it where it should be (I15, I34).
func TestStep_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{rig: newRig(), t: t, phases: map[string]nodes.Instance{}}
		w.see(w.rig.step(agent.Input{}))
		t.Repeat(map[string]func(*rapid.T){
			"assign":  w.assign,
			"list":    w.list,
			"ask":     w.ask,
			"done":    func(t *rapid.T) { w.end(t, nil) },
			"fail":    w.fail,
			"exit":    w.exit,
			"lost":    w.lost,
			"tick":    w.tick,
			"down":    func(*rapid.T) { w.see(w.rig.step(agent.Input{EngineDown: true})); w.up = false },
			"renew":   w.renew,
			"restart": w.restart,
			"":        w.check,
		})
		w.settle()
	})
}

type world struct {
	*rig
	t      *rapid.T
	up     bool
	phases map[string]nodes.Instance
}

func (w *world) assign(t *rapid.T) {
	var orders []nodes.Order
	for i := range 14 {
		digest := string(rune('a' + i%3))
		line := fmt.Sprintf("t/w.%02d@%s", i, digest)
		line = strings.Replace(line, ".0", ".", 1)
		switch rapid.IntRange(0, 5).Draw(t, "order") {
		case 0:
			continue
		case 1:
			line += " stop"
		case 2:
			line += fmt.Sprintf(" ports=http:%d", 20000+i*2+rapid.IntRange(0, 1).Draw(t, "port"))
		case 3:
			line += fmt.Sprintf(" ports=http:%d health=http", 20000+i*2)
		}
		if i%2 == 1 {
			line += " leased"
		}
		orders = append(orders, parseOrder(w.t, line))
	}
	slices.SortFunc(orders, func(a, b nodes.Order) int { return strings.Compare(a.ID, b.ID) })
	for _, o := range orders {
		if old := w.order(o.ID); !o.Stop && (old == nil || old.Stop) {
			delete(w.phases, o.ID) // a new wish is a new life
		}
	}
	w.orders = orders
	w.see(w.rig.step(agent.Input{}))
}

func (w *world) ask(*rapid.T) { w.asked = w.listing() }

func (w *world) list(*rapid.T) {
	l := w.asked
	if l == nil {
		l = w.listing()
	}
	w.asked, w.up = nil, true
	w.see(w.rig.step(agent.Input{Listing: l}))
}

func (w *world) end(t *rapid.T, f *nodes.Failure) {
	if len(w.underway) == 0 {
		return
	}
	w.see(w.rig.end(rapid.IntRange(0, len(w.underway)-1).Draw(t, "action"), f))
}

func (w *world) fail(t *rapid.T) {
	codes := []nodes.FailureCode{nodes.StartFailed, nodes.ImageNotFound, nodes.PortInUse, nodes.EngineDown, nodes.DiskFull}
	f := &nodes.Failure{Code: rapid.SampledFrom(codes).Draw(t, "code"), Text: "bad luck"}
	if f.Code == nodes.PortInUse {
		f.Port = 20000
	}
	w.end(t, f)
}

func (w *world) ids(state agent.State) (ids []string) {
	for id, b := range w.boxes {
		if b.State == state {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (w *world) exit(t *rapid.T) {
	if ids := w.ids(agent.StateRunning); len(ids) > 0 {
		w.rig.exit(rapid.SampledFrom(ids).Draw(t, "id"), []string{"code=1"})
	}
}

func (w *world) lost(t *rapid.T) {
	if ids := w.ids(agent.StateExited); len(ids) > 0 {
		delete(w.boxes, rapid.SampledFrom(ids).Draw(t, "id"))
	}
}

func (w *world) tick(t *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.IntRange(1, 20000).Draw(t, "ms")) * time.Millisecond)
	w.see(w.rig.step(agent.Input{}))
}

// restart kills the agent; of what was under way the engine has done a part.
func (w *world) restart(t *rapid.T) {
	for _, a := range w.underway {
		if rapid.Bool().Draw(t, "effect") {
			w.apply(a, &agent.Result{})
		}
	}
	w.local, w.underway, w.asked, w.up = agent.NewLocal(w.local.Memories()), nil, nil, false
	w.phases = map[string]nodes.Instance{}
	w.see(w.rig.step(agent.Input{}))
}

func (w *world) renew(*rapid.T) {
	w.lease = w.now.Add(nodes.LeaseTime)
	w.see(w.rig.step(agent.Input{}))
}

// lapsed is whether the instance may not run now, although it is ordered.
func (w *world) lapsed(o *nodes.Order) bool { return o.Leased && !w.now.Before(w.lease) }

// checkLeases: once the lease is over nothing that is leased runs, but what is
// being ended or is to be ended again.
func (w *world) checkLeases() {
	for i := range w.orders {
		o := &w.orders[i]
		b := w.boxes[o.ID]
		if !w.up || !w.lapsed(o) || b == nil || b.State != agent.StateRunning {
			continue
		}
		ending := slices.ContainsFunc(w.underway, func(a agent.Action) bool { return a.ID == o.ID && a.Verb != agent.Probe && a.Verb != agent.Quote })
		if x := slices.IndexFunc(w.last, func(i nodes.Instance) bool { return i.ID == o.ID }); !ending && x >= 0 && w.last[x].Phase == nodes.Running {
			w.t.Fatalf("I25: %s runs on although its lease is over", o.ID)
		}
	}
}

func (w *world) order(id string) *nodes.Order {
	for i := range w.orders {
		if w.orders[i].ID == id {
			return &w.orders[i]
		}
	}
	return nil
}

// see checks one step's output.
func (w *world) see(out agent.Output) {
	for _, a := range out.Actions {
		w.seeAction(a)
	}
	if !out.Wake.IsZero() && !out.Wake.After(w.now) {
		w.t.Fatalf("asks to be woken at %s, which is not after now", w.clock(out.Wake))
	}
	before := w.phases
	w.phases = map[string]nodes.Instance{}
	for _, i := range out.Instances {
		if was, ok := before[i.ID]; ok && w.order(i.ID) != nil && wentBack(was, i) {
			w.t.Fatalf("%s went back from %s to %s", i.ID, was.Phase, i.Phase)
		}
		w.phases[i.ID] = i
	}
}

// wentBack is whether a phase is lower than it was without a new life. A stop
// that failed and is no longer wanted leaves the container running.
func wentBack(was, now nodes.Instance) bool {
	if now.Phase >= was.Phase || now.Phase <= nodes.Starting && now.Phase != nodes.Pulling {
		return false
	}
	return !now.Started.After(was.Started) && !(was.Phase == nodes.Stopping && now.Phase == nodes.Running)
}

func (w *world) seeAction(a agent.Action) {
	if !w.up {
		w.t.Fatalf("%s while the engine is down", tellAction(a))
	}
	o, b := w.order(a.ID), w.boxes[a.ID]
	switch a.Verb {
	case agent.Stop, agent.Remove:
		if o == nil {
			w.t.Fatalf("I4: %s without an order", tellAction(a))
		}
		if !o.Stop && b != nil && o.Ports["http"] == b.Ports["http"] && !w.lapsed(o) {
			w.t.Fatalf("I33: %s without a cause", tellAction(a))
		}
	case agent.Start:
		if o == nil || o.Stop {
			w.t.Fatalf("%s without an order", tellAction(a))
		}
		if w.lapsed(o) {
			w.t.Fatalf("I25: %s without a lease", tellAction(a))
		}
		for _, m := range w.local.Memories() {
			if m.ID == a.ID && m.Next.After(w.now) {
				w.t.Fatalf("I28: %s before its back-off is over", tellAction(a))
			}
		}
	}
}

// check is what holds between steps.
func (w *world) check(*rapid.T) {
	w.checkLeases()
	count, busy := map[agent.Verb]int{}, map[string]bool{}
	for _, a := range w.underway {
		count[a.Verb]++
		name := a.ID
		switch a.Verb {
		case agent.Pull:
			name = "image " + a.Image
		case agent.Probe:
			name += " probe"
		case agent.Quote:
			name += " quote"
		}
		if busy[name] {
			w.t.Fatalf("two actions at once on %s", name)
		}
		busy[name] = true
	}
	if count[agent.Start] > agent.Starts {
		w.t.Fatalf("I28: %d starts at once", count[agent.Start])
	}
	for _, m := range w.local.Memories() {
		if o := w.order(m.ID); o != nil && !o.Stop && w.up && m.Next.Sub(w.now) > 8*time.Second {
			w.t.Fatalf("I28: %s waits for %s", m.ID, m.Next.Sub(w.now))
		}
	}
}

// settle lets all go well: then what runs is what was ordered, and replaying
// it changes nothing.
func (w *world) settle() {
	w.up, w.lease = true, w.now.Add(2*nodes.LeaseTime)
	for range 60 {
		w.see(w.rig.step(agent.Input{Listing: w.listing()}))
		for len(w.underway) > 0 {
			w.see(w.rig.end(0, nil))
		}
		w.now = w.now.Add(time.Second)
	}
	for i := range w.orders {
		o := &w.orders[i]
		b := w.boxes[o.ID]
		switch {
		case o.Stop && b != nil:
			w.t.Fatalf("I8: %s was not removed: %+v", o.ID, b)
		case !o.Stop && (b == nil || b.State != agent.StateRunning || b.Ports["http"] != o.Ports["http"]):
			w.t.Fatalf("I34: %s does not run as ordered: %+v", o.ID, b)
		}
	}
	for id := range w.boxes {
		if !slices.ContainsFunc(w.last, func(i nodes.Instance) bool { return i.ID == id }) {
			w.t.Fatalf("%s is not reported", id)
		}
	}
	out := w.rig.step(agent.Input{Listing: w.listing()})
	if len(out.Actions) > 0 && out.Actions[0].Verb != agent.Probe || out.Changed || out.Durable || out.List {
		w.t.Fatalf("I15: not quiet: %+v", out)
	}
}

// TestStep_Deterministic plays the same life twice (I14).
func TestStep_Deterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.SliceOfN(rapid.IntRange(0, 99), 1, 60).Draw(t, "life")
		if a, b := liveBy(t, seed), liveBy(t, seed); a != b {
			t.Fatalf("two answers:\n%s\n%s", a, b)
		}
	})
}

func liveBy(t *rapid.T, seed []int) string {
	r := newRig()
	for i := range 20 {
		r.orders = append(r.orders, parseOrder(t, fmt.Sprintf("t/w.%d@%c ports=http:%d health=http", i, 'a'+i%3, 20000+i)))
	}
	slices.SortFunc(r.orders, func(a, b nodes.Order) int { return strings.Compare(a.ID, b.ID) })
	r.step(agent.Input{Listing: r.listing()})
	for _, n := range seed {
		var f *nodes.Failure
		if n%3 == 0 {
			f = &nodes.Failure{Code: nodes.StartFailed, Text: "bad luck"}
		}
		if len(r.underway) > 0 {
			r.end(n%len(r.underway), f)
		}
		r.now = r.now.Add(time.Duration(n) * 10 * time.Millisecond)
		r.step(agent.Input{Listing: r.listing()})
	}
	return r.out.String()
}
