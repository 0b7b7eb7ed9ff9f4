package sim

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
)

// machine is one node: its clocks, its disk, its engine, its link and its agent.
type machine struct {
	w    *World
	name string
	zone string
	size nodes.Capacity
	luck *rand.Rand
	link link
	// rate is how fast its clocks run; ahead is by how much its wall clock is wrong.
	rate  float64
	ahead time.Duration
	boot  int
	up    bool
	gone  bool // for good
	// since is when it was suspended, slept for how long it was before.
	suspended bool
	since     time.Duration
	slept     time.Duration
	woke      time.Duration // since when somebody can end what runs there, if so
	asleep    []func()      // what goes on once it wakes

	engine engine
	disk   disk
	proc   *proc // nil while no agent runs
	conn   *conn // the newest of its agent
}

// disk is what outlives the agent; the lease names the boot that it counts from.
type disk struct {
	assignment nodes.Assignment
	memory     []agent.Memory
	boot       int
	lease      agent.Mark
}

// local is what d of true time is on the machine's clocks.
func (m *machine) local(d time.Duration) time.Duration { return time.Duration(float64(d) * m.rate) }

// mono is a clock that stands still while the machine sleeps, and mark one that
// does not; both count from the beginning of the world.
func (m *machine) mono() time.Time {
	asleep := m.slept
	if m.suspended {
		asleep += m.w.now - m.since
	}
	return m.w.began.Add(m.local(m.w.now - asleep))
}

func (m *machine) mark() agent.Mark { return agent.Mark(m.local(m.w.now) + time.Hour) }

// wall is what its clock says, that anybody may set.
func (m *machine) wall() time.Time { return m.w.began.Add(m.local(m.w.now) + m.ahead) }

// timer has f happen after d on the agent's clock.
func (m *machine) timer(d time.Duration, f func()) {
	m.w.after(time.Duration(float64(d)/m.rate), func() { m.gets(f) })
}

// gets has f happen on the machine as soon as its agent runs. What was for an agent
// that has died is for nobody: f knows whose it is.
func (m *machine) gets(f func()) {
	p := m.proc
	switch {
	case !m.up || p == nil:
	case m.suspended || p.paused:
		p.waiting = append(p.waiting, f)
	default:
		f()
	}
}

func (m *machine) goOn() {
	p := m.proc
	if !m.up || p == nil || p.paused || m.suspended {
		return
	}
	m.woke = m.w.now
	all := p.waiting
	p.waiting = nil
	for _, f := range all {
		m.gets(f)
	}
	if c := m.conn; c != nil {
		m.w.after(time.Second, func() {
			if c.agentOpen && !c.serverOpen {
				m.gets(func() { m.disconnect(c) })
			}
		})
	}
}

// start boots the machine, or brings it back.
func (m *machine) start() {
	m.up, m.boot, m.woke = true, m.boot+1, m.w.now
	m.w.note("boots", m.name, strconv.Itoa(m.boot))
	m.startAgent()
}

// crash is a loss of power.
func (m *machine) crash(keeps bool) {
	if !m.up {
		return
	}
	m.w.note("crashes", m.name, map[bool]string{false: "and loses its disk"}[keeps])
	m.endAgent("with its machine")
	m.up, m.suspended, m.asleep = false, false, nil
	m.engine.powerLoss(keeps)
	if !keeps {
		m.disk = disk{}
		m.w.truth.wiped(m)
	}
}

func (m *machine) startAgent() {
	if !m.up || m.proc != nil {
		return
	}
	var kept []agent.Memory
	copied(m.disk.memory, &kept)
	p := &proc{m: m, local: agent.NewLocal(kept), held: m.disk.assignment, began: m.wall().Sub(m.mono())}
	if m.disk.boot == m.boot {
		p.lease = m.disk.lease
	}
	m.proc = p
	m.w.note("agent", m.name, "starts")
	p.step(agent.Input{})
	p.listed = -time.Hour
	p.relist()
	m.timer(between(m.luck, 0, time.Second), p.dial)
}

func (m *machine) endAgent(why string) {
	p := m.proc
	if p == nil {
		return
	}
	m.w.note("agent", m.name, "ends", why)
	m.proc, p.over = nil, true
	if c := m.conn; c != nil {
		c.closeAgent()
		m.conn = nil
	}
}

// describe is the node as its agent tells of it.
func (p *proc) describe() nodes.Node {
	m := p.m
	n := nodes.Node{Name: m.name, Address: m.name, Attributes: map[string]string{"zone": m.zone, "node": m.name, "os": "linux", "arch": "amd64", "runtime": "sim"},
		Allocatable: m.size, PortMin: 20000, PortMax: 20099, Runtime: "sim 1", Version: "1", BusyPorts: p.local.BusyPorts()}
	if p.engineDown {
		n.Trouble = "the engine does not answer"
	}
	if full := p.local.DiskFull(); full != "" {
		n.Trouble = full
	}
	return n
}
