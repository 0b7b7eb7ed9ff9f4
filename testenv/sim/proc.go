package sim

import (
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/dialogue"
)

// proc is one run of an agent. It does in plain calls what the shell in nodes/agent
// does around Step, and the client of nodes/wire around a session.
type proc struct {
	m       *machine
	over    bool
	paused  bool
	waiting []func()
	// began is by how much the wall clock was ahead as it started: its time begins
	// there, and nobody sets it.
	began time.Duration

	local      *agent.Local
	held       nodes.Assignment
	lease      agent.Mark
	leased     bool
	shown      []nodes.Instance
	engineDown bool
	failures   int           // of listing, in a row
	listed     time.Duration // when it last asked the engine
	listing    bool          // a look is due
	wake       uint64
	keeping    bool
	starting   int // how many starts are under way
	telling    bool
	stale      bool // the report may differ from what was sent

	end      dialogue.Agent
	in, out  dialogue.Count
	welcomed bool
	tries    int
}

// The agent's rhythm.
const (
	listEvery = 30 * time.Second
	listPause = 50 * time.Millisecond
	keepPause = 50 * time.Millisecond
)

func (p *proc) now() time.Time { return p.m.mono().Add(p.began) }

// step asks Step and does as it says.
func (p *proc) step(in agent.Input) {
	in.Local, in.Orders, in.Deletions = p.local, p.held.Orders, p.held.Deletions
	in.Now, in.Wall = p.now(), p.m.wall()
	in.Lease = in.Now.Add(time.Duration(p.lease - p.m.mark()))
	out := agent.Step(in)
	p.stale = true
	for i := range out.Actions {
		p.begin(out.Actions[i])
	}
	if out.Changed {
		p.shown = out.Instances
		p.tell()
	}
	if out.Durable {
		p.keepSoon()
	}
	if out.List {
		p.relist()
	}
	if out.Leased && !p.leased {
		p.m.disk.boot, p.m.disk.lease = p.m.boot, p.lease
	}
	p.leased = out.Leased
	p.wake++
	if !out.Wake.IsZero() {
		p.wakeAfter(out.Wake.Sub(in.Now))
	}
}

func (p *proc) wakeAfter(d time.Duration) {
	mine := p.wake
	p.m.timer(max(d, time.Microsecond), func() {
		if mine == p.wake && !p.over {
			p.step(agent.Input{})
		}
	})
}

// keepSoon writes down what must outlive the agent.
func (p *proc) keepSoon() {
	if p.keeping {
		return
	}
	p.keeping = true
	p.m.timer(keepPause, func() {
		if p.keeping = false; !p.over {
			p.keep(p.held)
		}
	})
}

func (p *proc) keep(a nodes.Assignment) {
	p.m.disk.assignment, p.m.disk.memory = a, p.local.Memories()
}

// relist looks at the engine soon.
func (p *proc) relist() {
	if p.listing || p.over {
		return
	}
	p.listing = true
	wait := listPause
	if since := p.m.w.now - p.listed; since > listPause {
		wait = between(p.m.luck, time.Millisecond, 20*time.Millisecond)
	}
	if p.failures > 0 {
		wait = min(250*time.Millisecond<<min(p.failures, 5), 5*time.Second)
	}
	p.m.timer(wait, p.list)
}

// list asks the engine; what it answers is from when it was asked.
func (p *proc) list() {
	if p.over {
		return
	}
	p.listing, p.listed = false, p.m.w.now
	asked := p.local.Pass()
	items, err := p.m.engine.list()
	p.m.timer(between(p.m.luck, time.Millisecond, 50*time.Millisecond), func() {
		if p.over {
			return
		}
		if p.engineDown = err; err {
			p.failures++
			p.step(agent.Input{EngineDown: true})
			p.relist()
			return
		}
		p.failures = 0
		p.step(agent.Input{Listing: &agent.Listing{Began: asked, Items: items}})
		mine := p.listed
		p.m.timer(listEvery, func() {
			if mine == p.listed {
				p.relist()
			}
		})
	})
}

// assign takes over a newer Assignment: it is on disk before anything is done
// about it.
func (p *proc) assign(next nodes.Assignment) error {
	same, err := agent.Admit(p.m.name, p.held, next)
	if err != nil || same {
		return err
	}
	if p.held.Version == (nodes.Version{}) {
		p.local.Distrust(next)
	}
	p.m.w.truth.admitted(p.m, &p.held, &next)
	p.keep(next)
	p.held = next
	p.step(agent.Input{})
	p.tell()
	p.relist()
	return nil
}

// renew is told that the server hears the node.
func (p *proc) renew(sent agent.Mark, newest nodes.Version) {
	until, lapsed := agent.Renewed(p.lease, p.m.mark(), sent, p.held.Version, newest)
	if until == p.lease {
		return
	}
	if lapsed && p.leased {
		p.step(agent.Input{})
	}
	if p.lease = until; p.leased {
		p.m.disk.boot, p.m.disk.lease = p.m.boot, p.lease
	}
	if lapsed && p.leased {
		p.step(agent.Input{})
	}
}

func (p *proc) report() nodes.Report {
	p.stale = false
	return nodes.Report{Node: p.describe(), Seen: p.held.Version, Now: p.now(), Instances: p.shown,
		Deleted: p.local.Deleted(), Endings: p.local.Endings(), Inventory: p.local.Inventory()}
}

// tell sends what differs, soon.
func (p *proc) tell() {
	if p.telling || !p.welcomed {
		return
	}
	p.telling = true
	c := p.m.conn
	p.m.timer(time.Millisecond, func() {
		if p.telling = false; !p.over && c == p.m.conn {
			p.change()
		}
	})
}

func (p *proc) change() {
	if !p.stale || !p.welcomed {
		return
	}
	if c, differs := p.end.Change(p.report()); differs {
		p.send(toServer{change: &c})
	}
}

func (p *proc) send(m toServer) {
	m.seq = p.out.Next()
	p.m.conn.toServer(m)
}

// dial opens a connection to the server that is known as such.
func (p *proc) dial() {
	m := p.m
	if p.over || m.conn != nil {
		return
	}
	if len(m.w.servers) == 0 || !m.link.whole() || !m.w.servers[0].up {
		p.redial()
		return
	}
	c := &conn{m: m, s: m.w.servers[0], agentOpen: true, serverOpen: true, heard: m.w.now}
	m.conn = c
	p.end, p.in, p.out, p.welcomed, p.telling = dialogue.Agent{}, 0, 0, false, false
	p.send(toServer{hello: &hello{leases: true}})
	m.timer(dead, func() {
		if !p.over && m.conn == c && !p.welcomed {
			m.disconnect(c)
		}
	})
}

func (p *proc) redial() {
	p.tries++
	wait := min(100*time.Millisecond<<min(p.tries, 7), 10*time.Second)
	p.m.timer(wait/2+between(p.m.luck, 0, wait), p.dial)
}

// disconnect is the end of a connection, as the agent learns of it.
func (m *machine) disconnect(c *conn) {
	c.closeAgent()
	if m.conn != c {
		return
	}
	m.conn = nil
	if m.proc != nil {
		m.w.note("parted", m.name)
		m.proc.welcomed = false
		m.proc.redial()
	}
}

// take is a message of the server.
func (m *machine) take(c *conn, t toAgent) {
	p := m.proc
	if m.conn != c || p.in.Take(t.seq) != nil {
		m.disconnect(c)
		return
	}
	switch {
	case t.welcome:
		p.welcomed, p.tries = true, 0
		r := p.report()
		p.end.Whole(r)
		p.send(toServer{report: &r})
		m.timer(heartbeat, func() { p.beat(c) })
	case t.assignment != nil:
		if err := p.assign(*t.assignment); err != nil {
			m.w.note("refuses", m.name, err.Error())
			p.send(toServer{refused: &refused{t.assignment.Version, err.Error()}})
		}
	case t.heard != 0:
		if at, ok := p.end.Heard(t.heard); ok {
			p.renew(agent.Mark(at), t.newest)
		}
	case t.resync && p.welcomed:
		r := p.report()
		p.end.Whole(r)
		p.send(toServer{report: &r})
	}
}

func (p *proc) beat(c *conn) {
	m := p.m
	if p.over || m.conn != c || !p.welcomed {
		return
	}
	p.change()
	b := p.end.Beat(&p.held)
	p.end.Mark(uint64(p.out)+1, time.Duration(m.mark()))
	m.timer(heartbeat, func() { p.beat(c) })
	p.send(toServer{beat: &b})
}

// order is the node's for an instance; nil for none.
func (p *proc) order(id string) *nodes.Order {
	i := slices.IndexFunc(p.held.Orders, func(o nodes.Order) bool { return o.ID == id })
	if i < 0 {
		return nil
	}
	return &p.held.Orders[i]
}
