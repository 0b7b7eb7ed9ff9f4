package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// How long the world has, once it is left alone, until the newest commit has ended;
// how long it is then given to come to rest, and looked at.
const (
	endsWithin = 90 * time.Minute
	restsFor   = 15 * time.Minute
	lookedAt   = 10 * time.Minute
)

// heal ends all faults: what is broken for a while is whole, and operators let go of
// what they held. What is lost for good stays lost.
func (w *World) heal() {
	w.quiet = true
	w.note("QUIET")
	w.ledger.broken = ""
	w.repo.away, w.registry.fails, w.registry.hangs = 0, 0, 0
	if len(w.servers) == 0 {
		w.lead()
	}
	for _, s := range slices.Clone(w.servers) {
		if s.resume(); s.deposed {
			s.end("notices that it leads no more")
		}
	}
	for _, m := range w.machines {
		m.heal()
	}
	if w.repo.head.empty || slices.ContainsFunc(w.repo.head.spec.Teams, func(t schema.Team) bool { return len(t.Errors) > 0 }) {
		w.push(w.repo.head, w.text(), "", false)
	}
	w.after(30*time.Second, w.letGo)
	w.after(time.Minute, w.letGo)
}

func (m *machine) heal() {
	if !m.up {
		return
	}
	m.link.cutUp, m.link.cutDown, m.link.slow, m.link.mangle = 0, 0, 0, ""
	if m.suspended {
		m.wakeUp()
	}
	m.startAgent()
	if m.proc.paused {
		m.proc.paused = false
		m.goOn()
	}
	if m.engine.down > 0 {
		m.engine.down, m.woke = 0, m.w.now
	}
	for _, b := range m.engine.boxes {
		b.hung = false
	}
	if c := m.conn; c != nil {
		m.w.release(&c.up, 0)
		m.w.release(&c.down, 0)
	}
}

// letGo is operators taking their hands off.
func (w *World) letGo() {
	s := w.leader()
	if s == nil {
		return
	}
	for _, c := range slices.Clone(s.facts.Cordons) {
		s.operate(reconciler.Wish{Verb: reconciler.UncordonNode, Of: c.Node})
	}
	for _, h := range slices.Clone(s.facts.Holds) {
		s.operate(reconciler.Wish{Verb: reconciler.ReleaseWorkload, Of: h.Workload})
	}
	for _, r := range slices.Clone(s.facts.Rollouts) {
		if r.Paused != nil {
			s.operate(reconciler.Wish{Verb: reconciler.ResumeRollout, Of: r.Workload})
		}
	}
	s.approve()
}

// settle waits for the end of the newest commit and holds what is there then against
// what was asked for (I34), and whether it stays so (I17).
func (w *World) settle() {
	end := w.now + endsWithin
	w.run(w.now + 2*time.Minute)
	for !w.ended() {
		if w.now >= end {
			w.violate("I34", "commit %s has no end %s after the last fault: %s", w.repo.head.id[:4], endsWithin, w.why())
		}
		w.run(w.now + 30*time.Second)
	}
	w.run(w.now + restsFor)
	w.truth.changes = 0
	up := map[string]bool{}
	for t := w.now; w.now < t+lookedAt; {
		w.run(w.now + 20*time.Second)
		w.see(up)
	}
	if n := w.truth.changes; n > 0 {
		w.violate("I17", "%d changes without a cause", n)
	}
	w.converged(up)
	w.leftovers()
}

// ended is whether the newest commit has come to its end.
func (w *World) ended() bool {
	s := w.leader()
	if s == nil {
		return false
	}
	n := len(s.facts.Commits)
	return n > 0 && s.facts.Commits[n-1].Revision.Commit == w.repo.head.id && s.facts.Commits[n-1].Outcome.Ended() && s.facts.Commits[n-1].Outcome != reconciler.Held
}

// why is what the server says that it waits for.
func (w *World) why() string {
	s := w.leader()
	if s == nil {
		return "there is no leader"
	}
	var all []string
	if n := len(s.facts.Commits); n > 0 {
		all = append(all, string(s.facts.Commits[n-1].Outcome)+" "+s.facts.Commits[n-1].Reason)
	}
	for i := range s.facts.Rollouts {
		if r := &s.facts.Rollouts[i]; r.Stage != reconciler.Done {
			all = append(all, r.Workload+" "+string(r.Stage)+" "+r.Reason)
		}
	}
	for _, b := range s.blocked {
		all = append(all, b.Workload+": "+b.Text)
	}
	return strings.Join(all, "; ")
}

// see notes which instances live now.
func (w *World) see(up map[string]bool) {
	for _, m := range w.machines {
		for _, b := range m.engine.boxes {
			if b.lives() && m.up {
				up[b.ID] = true
			}
		}
	}
}

// converged: of each workload all slots run what is wanted, or a reason is shown.
func (w *World) converged(up map[string]bool) {
	s := w.leader()
	paused := slices.ContainsFunc(s.blocked, func(b reconciler.Blocked) bool { return b.Code == "nodes-silent" })
	for i := range s.facts.Rollouts {
		r := &s.facts.Rollouts[i]
		g := goal(r)
		reason := paused || r.Reason != "" || slices.ContainsFunc(s.blocked, func(b reconciler.Blocked) bool { return b.Workload == r.Workload || b.Slot.Workload == r.Workload })
		if g.Kind.Runs() || reason {
			continue
		}
		if g.Kind != schema.Daemon {
			for index := range g.Replicas {
				slot := schema.Slot{Workload: g.Name, Index: index}
				if id := nodes.InstanceID(slot, g.Digest()); !up[id] && !w.fails(s, id) {
					w.violate("I34", "%s is %s and not there, and nothing says why: %s", id, r.Stage, w.why())
				}
			}
			continue
		}
		w.daemon(s, g, up)
	}
	w.feasible(s)
}

// fails is whether a node tells why an instance is not as it should be.
func (w *World) fails(s *server, id string) bool {
	snap := s.roster.Snapshot()
	return slices.ContainsFunc(snap.Nodes, func(n nodes.Seen) bool {
		x := n.Report.Instance(id)
		return x != nil && x.Failure != nil
	})
}

// daemon has a slot on each machine that it may be on.
func (w *World) daemon(s *server, g *schema.Workload, up map[string]bool) {
	want, have := 0, 0
	for i := range s.facts.Nodes {
		n := &s.facts.Nodes[i]
		m := w.machine(n.Name)
		if m == nil || !m.up || !reconciler.Matches(s.facts.Spec.Pools, &n.Node, g) {
			continue
		}
		want++
		if slices.ContainsFunc(m.engine.boxes, func(b *box) bool {
			return b.Slot.Workload == g.Name && b.Digest == g.Digest() && (b.lives() || w.fails(s, b.ID))
		}) {
			have++
		}
	}
	if have != want {
		w.violate("I34", "daemon %s is on %d of %d nodes, and nothing says why", g.Name, have, want)
	}
}

// feasible: who is told that there is no room finds none: a slot that may be
// anywhere is not left out while a machine has room for it.
func (w *World) feasible(s *server) {
	for _, b := range s.blocked {
		r := rollout(&s.facts, b.Slot.Workload)
		if b.Why == nil || r == nil {
			continue
		}
		g := goal(r)
		if len(g.Constraints) > 0 || len(g.Ports) > 0 || len(g.Volumes) > 0 || g.Kind != schema.Service || r.Stage != reconciler.Done {
			continue
		}
		for i := range s.facts.Nodes {
			n := &s.facts.Nodes[i]
			if m := w.machine(n.Name); m != nil && m.up && room(s, n).CPU >= g.Resources.CPU && room(s, n).Memory >= g.Resources.Memory {
				w.violate("I34", "%s waits for room, and %s has %s of it", b.Slot, n.Name, room(s, n).CPU)
			}
		}
	}
}

// room is what is left on a node beside all that is ordered there, and all that is at
// home there.
func room(s *server, n *reconciler.NodeFact) nodes.Capacity {
	free := n.Node.Allocatable
	held := map[schema.Slot]bool{}
	for i := range n.Assignment.Orders {
		if o := &n.Assignment.Orders[i]; o.Workload != nil {
			free = free.Minus(nodes.Capacity{CPU: o.Workload.Resources.CPU, Memory: o.Workload.Resources.Memory})
			held[o.Slot] = true
		}
	}
	for i := range s.facts.Volumes {
		v := &s.facts.Volumes[i]
		if r := rollout(&s.facts, v.Slot.Workload); r != nil && v.Node == n.Name && !held[v.Slot] {
			free = free.Minus(nodes.Capacity{CPU: goal(r).Resources.CPU, Memory: goal(r).Resources.Memory})
		}
	}
	return free
}

func (w *World) machine(name string) *machine {
	for _, m := range w.machines {
		if m.name == name {
			return m
		}
	}
	return nil
}

// leftovers: nothing lives on a machine that is heard that nobody ordered, or that
// was ordered to stop (I8).
func (w *World) leftovers() {
	s := w.leader()
	for _, m := range w.machines {
		if !m.up || m.proc == nil {
			continue
		}
		for _, b := range m.engine.boxes {
			o := m.proc.order(b.ID)
			if b.lives() && (o == nil || o.Stop) {
				w.violate("I8", "%s on %s lives, and nobody wants it", b.ID, m.name)
			}
		}
		i := slices.IndexFunc(s.facts.Nodes, func(n reconciler.NodeFact) bool { return n.Name == m.name })
		if i < 0 || s.facts.Nodes[i].Assignment.Version != m.proc.held.Version {
			w.violate("I34", "%s does not hold what it is to run", m.name)
		}
	}
}
