package agent_test

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
)

// boot is a machine's clock since boot, which runs while it sleeps.
type boot struct {
	began time.Time
	slept atomic.Int64 // nanoseconds
}

func (b *boot) since() time.Duration { return time.Since(b.began) + time.Duration(b.slept.Load()) }

// onTenant is a machine whose agent has a lease, and runs one thing by it and one
// without.
func onTenant(t *testing.T, play func(m *machine, b *boot)) {
	onMachine(t, func(m *machine) {
		b := &boot{began: time.Now().Add(-time.Hour)}
		m.cfg.SinceBoot, m.cfg.BootID = b.since, "first"
		m.stop()
		m.start()
		m.assign("t/db.0@a leased", "t/web.0@a")
		m.pass(time.Second)
		m.wantPhase("t/db.0@a", nodes.Assigned)
		m.agent.Renew(m.agent.Mark(), m.agent.Holds().Version)
		m.pass(time.Second)
		m.wantPhase("t/db.0@a", nodes.Running)
		play(m, b)
		if i := m.wantPhase("t/web.0@a", nodes.Running); i.Restarts != 0 {
			t.Errorf("I25: what has no lease was touched: %+v", i)
		}
	})
}

func (m *machine) wantLapsed() {
	m.wantPhase("t/db.0@a", nodes.Stopped)
	m.wantFailure("t/db.0@a", nodes.LeaseExpired)
}

func TestAgent_EndsWhatIsLeasedUnheard(t *testing.T) {
	onTenant(t, func(m *machine, b *boot) {
		sent := m.agent.Mark()
		m.pass(50 * time.Second)
		m.agent.Renew(sent, m.agent.Holds().Version) // it counts from the sending
		m.pass(9 * time.Second)
		m.wantPhase("t/db.0@a", nodes.Running)
		m.pass(2 * time.Second)
		m.wantLapsed()
		late := agent.Mark(b.since() - nodes.LeaseTime)
		m.agent.Renew(late, m.agent.Holds().Version) // an answer that lay about
		m.pass(time.Minute)
		m.wantLapsed()
		m.agent.Renew(m.agent.Mark(), m.agent.Holds().Version)
		m.pass(time.Second)
		if i := m.wantPhase("t/db.0@a", nodes.Running); i.Restarts != 1 {
			m.t.Errorf("%+v", i)
		}
	})
}

// What came to an end while an Assignment was refused does not go on by the one
// before it.
func TestAgent_GoesOnByTheNewestAssignmentAlone(t *testing.T) {
	onTenant(t, func(m *machine, _ *boot) {
		newest := m.agent.Holds().Version
		newest.Serial++
		m.pass(30 * time.Second)
		m.agent.Renew(m.agent.Mark(), newest)
		m.pass(50 * time.Second)
		m.wantPhase("t/db.0@a", nodes.Running)
		m.pass(20 * time.Second)
		m.wantLapsed()
		m.agent.Renew(m.agent.Mark(), newest)
		m.pass(time.Second)
		m.wantLapsed()
	})
}

func TestAgent_LeaseRunsWhileTheMachineSleeps(t *testing.T) {
	onTenant(t, func(m *machine, b *boot) {
		b.slept.Store(int64(10 * time.Minute))
		m.pass(2 * time.Second)
		m.wantLapsed()
	})
}

func TestAgent_LeaseOutlivesTheAgentAndNotTheBoot(t *testing.T) {
	onTenant(t, func(m *machine, _ *boot) {
		m.stop()
		m.pass(30 * time.Second)
		m.start()
		m.pass(20 * time.Second)
		if i := m.wantPhase("t/db.0@a", nodes.Running); i.Restarts != 0 {
			m.t.Errorf("I10: %+v", i)
		}
		m.pass(10 * time.Second)
		m.wantLapsed()
		m.agent.Renew(m.agent.Mark(), m.agent.Holds().Version)
		m.pass(time.Second)
		m.stop()
		m.cfg.BootID = "second"
		m.start()
		m.pass(time.Second)
		m.wantLapsed()
		m.stop()
		if err := os.WriteFile(filepath.Join(m.cfg.Dir, "lease"), []byte("second"), 0o600); err != nil {
			m.t.Fatal(err)
		}
		m.start() // a torn file is no lease
		m.pass(time.Second)
		m.wantLapsed()
	})
}
