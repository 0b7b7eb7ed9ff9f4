package agent_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/testenv/fake"
)

// TestAgent_MachinesClockIsSet: neither way stops a check or changes how long
// an instance reads as healthy.
func TestAgent_MachinesClockIsSet(t *testing.T) {
	for _, jump := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			onMachine(t, func(m *machine) {
				sick := atomic.Bool{}
				m.cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					if sick.Load() {
						return refuse(ctx, network, address)
					}
					return m.Dial(ctx, network, address)
				}
				m.stop()
				m.start()
				m.assign("t/web.0@a ports=http:20000 health=http interval=2s")
				m.pass(10 * time.Second)
				m.agent.SetWall(func() time.Time { return time.Now().Add(jump) })
				m.pass(time.Second)
				r := m.agent.Report()
				if age := r.Now.Sub(r.Instances[0].Since).Round(time.Second); age != 11*time.Second {
					t.Errorf("healthy for 11s, reads as %s", age)
				}
				sick.Store(true)
				m.pass(10 * time.Second)
				if i := m.instance("t/web.0@a"); i.Health != nodes.Unhealthy {
					t.Errorf("nobody looks at its health: %+v", i)
				}
			})
		})
	}
}

// TestStep_EnginesClockIsSet: the engine's instants are read by the machine's
// clock, and jump with it.
func TestStep_EnginesClockIsSet(t *testing.T) {
	for _, jump := range []time.Duration{-time.Hour, time.Hour} {
		r := crowd(t, 1, "health=http interval=2s retries=1 startPeriod=10s")
		r.ahead = jump
		for r.count(agent.Start) > 0 {
			r.end(0, nil)
		}
		r.ahead = 0
		if age := r.now.Sub(r.last[0].Started); age != 0 {
			t.Errorf("%s: started %s ago", jump, age)
		}
		sick := r.healthAfter(9*time.Second, 20*time.Second)
		if sick[0] != nodes.HealthUnknown || sick[1] != nodes.Unhealthy {
			t.Errorf("%s: it is %v in its start period and after it", jump, sick)
		}
		r.exit("t/w.0@a", []string{"code=1"})
		r.step(agent.Input{Listing: r.listing()})
		if wait := r.wake.Sub(r.now); wait <= 0 || wait > time.Second {
			t.Errorf("%s: the next start is in %s", jump, wait)
		}
	}
}

// healthAfter is the first instance's health at such times, if all probes fail.
func (r *rig) healthAfter(times ...time.Duration) (got []nodes.Health) {
	from := r.now
	for _, at := range times {
		for r.now.Before(from.Add(at)) {
			for r.count(agent.Probe) > 0 {
				r.end(0, &nodes.Failure{Code: nodes.HealthFailing, Text: "no"})
			}
			r.now = r.now.Add(100 * time.Millisecond)
			r.step(agent.Input{})
		}
		got = append(got, r.last[0].Health)
	}
	return got
}

// TestAgent_RestartKeepsHealth: a restarted agent reports a life that goes on
// as it last was, before the engine answers and after, until its own probes
// say otherwise.
func TestAgent_RestartKeepsHealth(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.assign("t/web.0@a ports=http:20000 health=http interval=2s", "t/web.1@a")
		m.pass(10 * time.Second)
		was := m.agent.Report()
		m.stop()
		m.pass(3 * time.Second)
		m.Fault("list", fake.Hang)
		m.cfg.Dial = refuse
		m.start()
		m.wantUnchanged(was, false)
		m.Fault("list", nil)
		m.pass(10300 * time.Millisecond) // the list that hangs is given up, another is not
		m.wantUnchanged(was, true)
		m.pass(10 * time.Second)
		if i := m.instance("t/web.0@a"); i.Health != nodes.Unhealthy {
			t.Errorf("its probes fail: %+v", i)
		}
		m.stop()
		m.start()
		if i := m.instance("t/web.0@a"); i.Health != nodes.Unhealthy || i.Failure == nil {
			t.Errorf("it was unhealthy: %+v", i)
		}
	})
}

func refuse(context.Context, string, string) (net.Conn, error) { return nil, errors.New("refused") }

func (m *machine) wantUnchanged(was nodes.Report, inventory bool) {
	m.t.Helper()
	r := m.agent.Report()
	if r.Inventory != inventory || len(r.Instances) != len(was.Instances) {
		m.t.Fatalf("inventory %v, instances %+v", r.Inventory, r.Instances)
	}
	for k, i := range r.Instances {
		old := was.Instances[k]
		if !i.Available() || !i.Since.Equal(old.Since) || i.Container != old.Container || !i.Started.Equal(old.Started) {
			m.t.Errorf("%+v became %+v", old, i)
		}
	}
}
