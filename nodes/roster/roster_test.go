package roster

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// hand is a clock that a test moves.
type hand struct{ t time.Time }

func (h *hand) now() time.Time       { return h.t }
func (h *hand) pass(d time.Duration) { h.t = h.t.Add(d) }
func newHand() *hand                 { return &hand{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} }
func yields(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func report(name string, now time.Time, since ...time.Time) nodes.Report {
	r := nodes.Report{Node: nodes.Node{Name: name}, Now: now, Inventory: true}
	for k, s := range since {
		r.Instances = append(r.Instances, nodes.Instance{ID: fmt.Sprint("i", k), Phase: nodes.Running, Since: s})
	}
	return r
}

func TestReport_TimesMoveToTheServersClock(t *testing.T) {
	h := newHand()
	r := New(h.now)
	agent := h.t.Add(-9 * time.Hour)
	rep := report("n1", agent, agent.Add(-time.Minute), agent.Add(time.Minute))
	rep.Instances[0].Failure = &nodes.Failure{At: agent.Add(-time.Second)}
	r.Report("n1", rep)
	seen := r.Snapshot().Nodes[0]
	got := seen.Report.Instances
	if want := h.t.Add(-time.Minute); !got[0].Since.Equal(want) {
		t.Errorf("since %v, want %v", got[0].Since, want)
	}
	if want := h.t.Add(-time.Second); !got[0].Failure.At.Equal(want) {
		t.Errorf("failed at %v, want %v", got[0].Failure.At, want)
	}
	if !got[1].Since.Equal(h.t) {
		t.Errorf("a time after the report's own is %v, want the server's now %v", got[1].Since, h.t)
	}
	if !got[0].Started.IsZero() {
		t.Error("a time that was not set is set")
	}
	if !seen.Report.Now.Equal(h.t) || !seen.At.Equal(h.t) {
		t.Errorf("now %v, heard %v, want both %v", seen.Report.Now, seen.At, h.t)
	}
	if !rep.Instances[0].Since.Equal(agent.Add(-time.Minute)) || !rep.Instances[0].Failure.At.Equal(agent.Add(-time.Second)) {
		t.Error("the report that was handed in has changed")
	}
}

func TestReport_DelayDoesNotMoveWhatStandsStill(t *testing.T) {
	h := newHand()
	r := New(h.now)
	agent := h.t.Add(time.Hour)
	r.Report("n1", report("n1", agent, agent.Add(-time.Minute)))
	first := r.Snapshot().Nodes[0].Report.Instances[0].Since
	h.pass(10*time.Second + 30*time.Millisecond)
	r.Report("n1", report("n1", agent.Add(10*time.Second), agent.Add(-time.Minute)))
	if got := r.Snapshot().Nodes[0].Report.Instances[0].Since; !got.Equal(first) {
		t.Errorf("30 ms of delay moved %v to %v", first, got)
	}
	h.pass(10 * time.Second)
	r.Report("n1", report("n1", agent.Add(10*time.Second), agent.Add(-time.Minute)))
	if got := r.Snapshot().Nodes[0].Report.Instances[0].Since; !got.Equal(first.Add(10*time.Second + 30*time.Millisecond)) {
		t.Errorf("a clock that was set back by 10 s: since is %v", got)
	}
}

func TestChanged_OneSignalForMany(t *testing.T) {
	h := newHand()
	r := New(h.now)
	for k := range 5 {
		r.Report(fmt.Sprint("n", k), report(fmt.Sprint("n", k), h.t))
	}
	if !yields(r.Changed()) || yields(r.Changed()) {
		t.Error("want one signal for five reports")
	}
}

func TestHeard_TellsOnlyOfReturn(t *testing.T) {
	h := newHand()
	r := New(h.now)
	r.Report("n1", report("n1", h.t))
	<-r.Changed()
	h.pass(Silence)
	r.Heard("n1")
	if yields(r.Changed()) {
		t.Error("a heartbeat in time woke the loop")
	}
	if at := r.Snapshot().Nodes[0].At; !at.Equal(h.t) {
		t.Errorf("heard at %v, want %v", at, h.t)
	}
	h.pass(Silence + time.Second)
	r.Heard("n1")
	if !yields(r.Changed()) {
		t.Error("the return of a silent node woke nobody")
	}
}

func TestSnapshot_SortedSharedAndStill(t *testing.T) {
	h := newHand()
	r := New(h.now)
	r.Assign(nodes.Assignment{Node: "n0", Version: nodes.Version{Epoch: 1}})
	r.Heard("n9")
	for _, n := range []string{"n3", "n1", "n2"} {
		r.Report(n, report(n, h.t, h.t))
	}
	s := r.Snapshot()
	if len(s.Nodes) != 3 || s.Nodes[0].Report.Node.Name != "n1" || s.Nodes[2].Report.Node.Name != "n3" {
		t.Fatalf("want n1 n2 n3, and no node that was never heard: %v", s)
	}
	r.Report("n2", report("n2", h.t, h.t, h.t))
	next := r.Snapshot()
	if len(s.Nodes[1].Report.Instances) != 1 || len(next.Nodes[1].Report.Instances) != 2 {
		t.Error("a snapshot changed after it was taken")
	}
	if &s.Nodes[0].Report.Instances[0] != &next.Nodes[0].Report.Instances[0] {
		t.Error("instances of a node that did not change were copied")
	}
	r.Forget("n2")
	if got := r.Snapshot(); got.Node("n2") != nil || len(next.Nodes) != 3 {
		t.Error("want n2 forgotten in new snapshots only")
	}
}

func TestAssign_NewestWins(t *testing.T) {
	h := newHand()
	r := New(h.now)
	none, newer := r.Parked("n1")
	if none.Version != (nodes.Version{}) {
		t.Fatalf("something is parked: %v", none)
	}
	r.Assign(nodes.Assignment{Node: "n1", Version: nodes.Version{Epoch: 2, Serial: 1}})
	if !yields(newer) {
		t.Fatal("a waiting reader was not told")
	}
	a, newer := r.Parked("n1")
	r.Assign(nodes.Assignment{Node: "n1", Version: nodes.Version{Epoch: 1, Serial: 9}})
	r.Assign(a)
	if b, _ := r.Parked("n1"); yields(newer) || b.Version != a.Version {
		t.Errorf("an older one took the place of %v: %v", a.Version, b.Version)
	}
}

// I8: however much was ordered, the end of it fits into a message.
func TestAssign_StopsAreLean(t *testing.T) {
	r := New(time.Now)
	w := &schema.Workload{Name: "shop/web", Kind: schema.Service, Image: "a/b:1", Env: map[string]string{"A": "b"},
		Stop: schema.Stop{Signal: "SIGINT", Grace: schema.Duration(time.Second)}}
	given := nodes.Assignment{Node: "n1", Version: nodes.Version{Epoch: 1, Serial: 1},
		Orders: []nodes.Order{{ID: "a", Workload: w, Stop: true}, {ID: "b", Workload: w}, {ID: "c", Stop: true}}}
	r.Assign(given)
	a, _ := r.Parked("n1")
	if got := a.Orders[0].Workload; got.Name != w.Name || got.Stop != w.Stop || got.Image != "" || got.Env != nil {
		t.Errorf("to stop: %+v", got)
	}
	if a.Orders[1].Workload != w || a.Orders[2].Workload != nil {
		t.Errorf("the others: %+v", a.Orders[1:])
	}
	if given.Orders[0].Workload != w {
		t.Error("the Assignment that was handed in has changed")
	}
}

func TestRefused_StandsUntilANewerOneIsParked(t *testing.T) {
	h := newHand()
	r := New(h.now)
	v := nodes.Version{Epoch: 1}
	r.Assign(nodes.Assignment{Node: "n1", Version: v})
	r.Report("n1", report("n1", h.t))
	<-r.Changed()
	r.Refused("n1", nodes.Version{}, "late")
	r.Refused("n1", v, "epoch 1 is older than 2")
	r.Refused("n1", v, "epoch 1 is older than 2")
	if got := r.Snapshot().Nodes[0].Refusal; got != "epoch 1 is older than 2" {
		t.Errorf("refusal %q", got)
	}
	if !yields(r.Changed()) || yields(r.Changed()) {
		t.Error("want one signal")
	}
	r.Assign(nodes.Assignment{Node: "n1", Version: nodes.Version{Epoch: 3}})
	if got := r.Snapshot().Nodes[0].Refusal; got != "" {
		t.Errorf("refusal %q of an Assignment that is no more", got)
	}
}

func TestRoster_Concurrently(t *testing.T) {
	r := New(time.Now)
	var g sync.WaitGroup
	for k := range 8 {
		name := fmt.Sprint("n", k%4)
		g.Go(func() {
			for s := range 100 {
				r.Report(name, report(name, time.Now(), time.Now()))
				r.Heard(name)
				r.Assign(nodes.Assignment{Node: name, Version: nodes.Version{Serial: int64(s + 1)}})
				r.Parked(name)
				r.Snapshot()
			}
		})
	}
	g.Wait()
	if got := len(r.Snapshot().Nodes); got != 4 {
		t.Errorf("%d nodes", got)
	}
}

func filled(nodesN, slots int) *Roster {
	r := New(time.Now)
	since := make([]time.Time, slots/nodesN)
	for k := range nodesN {
		name := fmt.Sprintf("n%04d", k)
		r.Report(name, report(name, time.Now(), since...))
	}
	return r
}

// One of a thousand nodes reports, then the loop looks: the cost must not grow
// with the slots.
func BenchmarkSnapshot_AfterOneReport(b *testing.B) {
	for _, slots := range []int{20_000, 200_000} {
		b.Run(fmt.Sprint(slots, "slots"), func(b *testing.B) {
			r := filled(1000, slots)
			one := report("n0500", time.Now())
			b.ReportAllocs()
			for b.Loop() {
				r.Report("n0500", one)
				r.Snapshot()
			}
		})
	}
}

// A pass that changes nothing takes a snapshot of nothing new.
func BenchmarkSnapshot_Unchanged(b *testing.B) {
	r := filled(1000, 20_000)
	b.ReportAllocs()
	for b.Loop() {
		r.Snapshot()
	}
}

// A node that was not heard may run what is leased only once what was decided
// meanwhile is parked (I2, I25).
func TestTrusted_AfterADecisionThatKnewOfIt(t *testing.T) {
	h := newHand()
	r := New(h.now)
	want := func(what string, is bool) {
		t.Helper()
		if r.Trusted("n1") != is {
			t.Errorf("%s: trusted %v", what, !is)
		}
	}
	decide := func() {
		h.pass(time.Second)
		r.Decided(h.t)
	}
	decide()
	want("never heard", false)
	r.Report("n1", report("n1", h.t))
	want("heard after the decision", false)
	before := h.t
	h.pass(time.Second)
	r.Decided(before)
	want("the decision was from before", false)
	decide()
	want("decided since", true)
	h.pass(Silence - 5*time.Second)
	r.Heard("n1")
	want("it was no silence", true)
	h.pass(Silence + time.Second)
	r.Heard("n1")
	want("back after a silence", false)
	decide()
	want("decided since it is back", true)
	h.pass(Silence + time.Second)
	r.Report("n1", report("n1", h.t))
	want("back with a report", false)
	decide()
	r.Decided(time.Time{})
	want("nobody decides here", false)
}
