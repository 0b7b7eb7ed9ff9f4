package sim

import (
	"math/rand/v2"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/dialogue"
)

// The messages of a session, as far as something follows from them.

type hello struct{ leases bool }

type refused struct {
	version nodes.Version
	why     string
}

type toServer struct {
	seq     uint64
	hello   *hello
	report  *nodes.Report
	change  *nodes.Change
	refused *refused
	beat    *dialogue.Beat
}

type toAgent struct {
	seq        uint64
	welcome    bool
	assignment *nodes.Assignment
	heard      uint64
	newest     nodes.Version
	resync     bool
}

// link is a machine's way to the server.
type link struct {
	luck *rand.Rand
	// cutUp and cutDown count the faults that let nothing through.
	cutUp, cutDown int
	// slow is added to each message's way.
	slow time.Duration
	// mangle is what happens to the next message: "lost", "doubled" or "late".
	mangle string
}

func (l *link) whole() bool { return l.cutUp == 0 && l.cutDown == 0 }

// conn is one connection. What is sent arrives in order, or not at all.
type conn struct {
	m    *machine
	s    *server
	peer *peer // the server's
	// Each side closes for itself, and learns of the other's end if the link lets
	// it.
	agentOpen, serverOpen bool
	up, down              pipe
	heard                 time.Duration // by the server
}

// pipe is one direction.
type pipe struct {
	last   time.Duration // when the newest message arrives
	flying int
	held   []func() // by a link that is cut
	late   func()
}

// dead is how long a side that gets nothing through takes to notice.
const dead = 10 * time.Second

func (c *conn) toServer(m toServer) {
	if !c.agentOpen {
		return
	}
	c.m.w.send(c, &c.up, func() int { return c.m.link.cutUp }, func() {
		c.s.gets(func() { c.s.take(c, m) })
	}, m.beat != nil)
}

func (c *conn) toAgent(m toAgent) {
	if !c.serverOpen {
		return
	}
	c.m.w.send(c, &c.down, func() int { return c.m.link.cutDown }, func() {
		c.m.gets(func() {
			if c.agentOpen {
				c.m.take(c, m)
			}
		})
	}, m.heard != 0)
}

// send brings a message to the other side, in its turn. On a link that is well and
// idle a heartbeat and its answer take no time: there are more of them than of all
// else.
func (w *World) send(c *conn, p *pipe, cut func() int, deliver func(), quick bool) {
	l := &c.m.link
	if l.mangle != "" {
		how := l.mangle
		l.mangle = ""
		w.note("mangles", c.m.name, how)
		switch how {
		case "lost":
			return
		case "doubled":
			w.fly(l, p, cut, deliver)
		case "late":
			p.late = deliver
			return
		}
	}
	if quick && p.flying == 0 && len(p.held) == 0 && cut() == 0 && l.slow == 0 && p.late == nil {
		deliver()
		return
	}
	w.fly(l, p, cut, deliver)
	if late := p.late; late != nil {
		p.late = nil
		w.fly(l, p, cut, late)
	}
}

func (w *World) fly(l *link, p *pipe, cut func() int, deliver func()) {
	at := max(p.last, w.now+time.Millisecond+between(l.luck, 0, 20*time.Millisecond)+l.slow)
	p.last = at
	p.flying++
	w.after(at-w.now, func() {
		p.flying--
		if cut() > 0 || len(p.held) > 0 {
			p.held = append(p.held, deliver)
			return
		}
		deliver()
	})
}

// release lets go what a cut link held: it comes late, in its order.
func (w *World) release(p *pipe, cut int) {
	if cut > 0 || len(p.held) == 0 {
		return
	}
	all := p.held
	p.held = nil
	for _, f := range all {
		f()
	}
}

// cut breaks the machine's link in one or both directions, for a while.
func (m *machine) cut(up, down bool, d time.Duration) {
	change := func(by int) {
		if up {
			m.link.cutUp += by
		}
		if down {
			m.link.cutDown += by
		}
	}
	change(1)
	m.w.note("cut", m.name, map[bool]string{true: "up"}[up], map[bool]string{true: "down"}[down])
	if c := m.conn; c != nil {
		m.w.after(dead, func() { c.lapse() })
	}
	m.w.after(d, func() {
		change(-1)
		m.w.note("mends", m.name)
		if c := m.conn; c != nil {
			m.w.release(&c.up, m.link.cutUp)
			m.w.release(&c.down, m.link.cutDown)
		}
	})
}

// lapse is the agent's side of a connection that carries nothing: its questions
// whether the other side is there come to nothing.
func (c *conn) lapse() {
	if c.agentOpen && (!c.m.link.whole() || c.s.paused || !c.s.up) {
		c.m.gets(func() { c.m.disconnect(c) })
	}
}

// closeServer ends the server's side.
func (c *conn) closeServer() {
	if !c.serverOpen {
		return
	}
	c.serverOpen = false
	if p := c.peer; p != nil {
		c.s.forget(p)
	}
	if c.m.link.cutDown == 0 {
		c.m.w.after(time.Millisecond, func() { c.m.gets(func() { c.m.disconnect(c) }) })
	} else {
		c.m.w.after(dead, func() { c.m.gets(func() { c.m.disconnect(c) }) })
	}
}

// closeAgent ends the agent's side.
func (c *conn) closeAgent() {
	if !c.agentOpen {
		return
	}
	c.agentOpen = false
	if c.m.link.cutUp == 0 && c.s.up {
		c.m.w.after(time.Millisecond, func() { c.s.gets(c.closeServer) })
	}
}

func (s *server) forget(p *peer) {
	for i, o := range s.sessions {
		if o == p {
			s.sessions = append(s.sessions[:i:i], s.sessions[i+1:]...)
			return
		}
	}
}
