package reconciler_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// TestReconcile_AnyLease plays random histories of nodes that are cut off and
// return at the worst moments, with agents that keep their leases and take as long
// to end a program as they may. At every instant at most one program of a slot
// that has a lease is alive, on whatever machine (I2, I6), a service runs on where
// it is cut off (I25), and in the end all runs (I34).
func TestReconcile_AnyLease(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := &landlord{fleet: newFleet(t), of: map[*machine]*tenant{}}
		l.t = failing{t, rt}
		for i := range 3 {
			l.add(fmt.Sprintf("n%d", i), "a")
		}
		for _, m := range l.machines {
			l.of[m] = &tenant{}
		}
		l.commit(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"commit": l.commit, "time": l.time, "more time": l.time, "much time": l.wait,
			"cut": l.cut, "join": l.join, "come to hear": l.someHear, "decide": l.decide, "decide late": l.decideLate, "restart": l.anew,
			"": func(*rapid.T) { l.look() },
		})
		for _, m := range l.machines {
			m.cut = false
		}
		for range 40 {
			l.pass5s()
		}
		l.allRun()
	})
}

// landlord is a fleet whose machines keep leases.
type landlord struct {
	*fleet
	of      map[*machine]*tenant
	decided time.Time
}

// tenant is what a machine's agent, and the server's roster, remember.
type tenant struct {
	lease time.Time // until when what is leased may run
	back  time.Time // when the node was heard again
	heard time.Time
}

func (l *landlord) commit(t *rapid.T) {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	lost := pick("on lost", "lost=replace", "lost=replace", "lost=wait")
	ws := []schema.Workload{
		parseWorkload(nil, strings.Fields("a/db kind=stateful replicas=2 start=parallel cpu=100m "+lost+" "+pick("image", "image=1", "image=2"))),
		parseWorkload(nil, strings.Fields("a/run kind=job onLost=retry completions=2 parallelism=2 attempts=9 cpu=100m "+pick("run", "image=1", "image=2"))),
		parseWorkload(nil, strings.Fields("a/web replicas=2 cpu=100m")),
	}
	l.push(ws, []schema.Team{{Name: "a"}})
	l.decide(t)
}

func (l *landlord) decide(*rapid.T) {
	l.pass()
	l.decided = l.now
}

// decideLate is the decision that gives up who is cut off, made from what was
// known a moment before the node is heard again, and in force only after that.
func (l *landlord) decideLate(t *rapid.T) {
	m := l.some(t)
	if given := l.of[m].heard.Add(nodes.LeaseWait); m.cut && given.After(l.now) {
		l.now = given
	}
	for _, other := range l.machines {
		l.work(other)
		l.heardOf(other)
	}
	before, at := l.heard, l.now
	l.now = l.now.Add(time.Second)
	m.cut = false
	l.heardOf(m)
	since := l.heard
	l.heard = before
	l.pass()
	l.heard, l.decided = since, at
}

// anew is another leader, which trusts nobody yet.
func (l *landlord) anew(*rapid.T) {
	l.restart()
	l.decided = time.Time{}
	for _, x := range l.of {
		x.heard, x.back = time.Time{}, time.Time{}
	}
}

func (l *landlord) some(t *rapid.T) *machine { return rapid.SampledFrom(l.machines).Draw(t, "node") }
func (l *landlord) cut(t *rapid.T)           { l.some(t).cut = true }

// join brings a machine back: what was parked for it reaches it at once, before
// any decision that knows of it.
func (l *landlord) join(t *rapid.T) {
	m := l.some(t)
	m.cut = false
	l.deliver(m)
	l.work(m)
}

func (l *landlord) someHear(t *rapid.T) { l.heardOf(l.some(t)) }

// heardOf is one message that reaches the server two seconds after it was sent,
// and its answer.
func (l *landlord) heardOf(m *machine) {
	x := l.of[m]
	if m.cut {
		return
	}
	if x.heard.IsZero() || l.now.Sub(x.heard) > 15*time.Second {
		x.back = l.now
	}
	x.heard = l.now
	l.hear(m)
	l.deliver(m)
	if x.back.Before(l.decided) {
		x.lease = l.now.Add(-2*time.Second + nodes.LeaseTime)
	}
	l.work(m)
}

func (l *landlord) time(t *rapid.T) { l.pass5s() }

// wait is long enough for the server to give up who is cut off.
func (l *landlord) wait(t *rapid.T) {
	for range rapid.IntRange(1, 20).Draw(t, "rounds") {
		l.pass5s()
	}
}

func (l *landlord) pass5s() {
	l.now = l.now.Add(5 * time.Second)
	for _, m := range l.machines {
		l.work(m)
		l.heardOf(m)
	}
	l.look()
	l.pass()
	l.decided = l.now
}

// work is what an agent does now: its orders, but for what has a lease that is
// over, which ends as late as it may.
func (l *landlord) work(m *machine) {
	over := map[string]bool{}
	for i := range m.held.Orders {
		o := &m.held.Orders[i]
		if over[o.ID] = o.Leased && !l.now.Before(l.of[m].lease); !over[o.ID] {
			continue
		}
		if x := m.insts[o.ID]; x != nil && x.Phase < nodes.Stopped && !l.now.Before(l.of[m].lease.Add(nodes.LeaseStop)) {
			m.insts[o.ID] = l.moved(*x, nodes.Stopped, nodes.HealthUnknown)
			m.insts[o.ID].Failure = &nodes.Failure{Code: nodes.LeaseExpired, Text: "its lease is over", At: l.now, Count: 1}
		}
	}
	l.carryOut(m, func(id string) bool { return over[id] })
	for i := range m.held.Orders { // what comes back begins anew
		o := &m.held.Orders[i]
		x := m.insts[o.ID]
		if x != nil && !over[o.ID] && !o.Stop && x.Phase == nodes.Stopped && x.Failure != nil && x.Failure.Code == nodes.LeaseExpired {
			m.insts[o.ID] = l.moved(*x, nodes.Running, nodes.NoCheck)
		}
	}
}

// look is what holds at every instant, on the machines themselves.
func (l *landlord) look() {
	alive := map[schema.Slot]string{}
	for _, m := range l.machines {
		for id, x := range m.insts {
			switch {
			case x.Phase < nodes.Starting || x.Phase >= nodes.Stopped:
			case x.Slot.Workload == "a/web":
			case alive[x.Slot] != "":
				l.t.Fatalf("I2, I6: %s is alive on %s and on %s", id, alive[x.Slot], m.node.Name)
			default:
				alive[x.Slot] = m.node.Name
			}
		}
		for i := range m.held.Orders {
			o := &m.held.Orders[i]
			if x := m.insts[o.ID]; !o.Stop && o.Slot.Workload == "a/web" && x != nil && x.Phase > nodes.Running {
				l.t.Fatalf("I25: %s was ended on %s", o.ID, m.node.Name)
			}
		}
	}
}

// allRun is where luck leads.
func (l *landlord) allRun() {
	running := map[string]int{}
	for _, m := range l.machines {
		for _, x := range m.insts {
			if x.Available() {
				running[x.Slot.Workload]++
			}
		}
	}
	if running["a/db"] != 2 || running["a/web"] != 2 {
		l.t.Fatalf("I34: %v run, of 2 each: %s", running, encode(l.t, l.plan.Blocked))
	}
	for _, r := range l.facts.Job("a/run").Runs {
		if r.Outcome == reconciler.RunUnderWay {
			l.t.Fatalf("I34: run %s does not end: %s", r.Name, encode(l.t, l.plan.Blocked))
		}
	}
}
