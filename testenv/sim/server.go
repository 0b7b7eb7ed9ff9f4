package sim

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/dialogue"
	"github.com/bayplan/bayplan/nodes/roster"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// server is one run of a server that leads. It does in plain calls what
// reconciler/loop does around Reconcile and nodes/wire around a session: decide
// until nothing changes, record, and only then order.
type server struct {
	w       *World
	run     string
	up      bool
	paused  bool
	waiting []func() // what reached it while it was paused
	epoch   int64
	// deposed is whether another leads, and this one has not noticed.
	deposed bool

	roster   *roster.Roster
	facts    reconciler.Facts
	seen     nodes.Snapshot
	blocked  []reconciler.Blocked
	scratch  reconciler.Scratch
	started  time.Time
	due      time.Time
	timer    uint64
	wish     wish
	newest   string // the tip that is being evaluated, or was
	sessions []*peer
}

// peer is a session, seen from the server.
type peer struct {
	node    string
	conn    *conn
	end     *dialogue.Server
	in, out dialogue.Count
}

// The loop's rhythm.
const (
	maxPasses  = 16
	unsettled  = 100 * time.Millisecond
	retryAfter = time.Second
	heldUp     = 10 * time.Second
	heartbeat  = 5 * time.Second
	silence    = 4 * heartbeat
	// gathers is how long a pass takes, and what comes meanwhile is in the next.
	gathers = 20 * time.Millisecond
)

// lead starts a server that wins the lead at once.
func (w *World) lead() *server {
	w.runs++
	w.ledger.epoch++
	s := &server{w: w, run: "s" + strconv.Itoa(w.runs), up: true, epoch: w.ledger.epoch, started: w.time(), due: w.time()}
	s.roster = roster.New(w.time)
	s.facts = w.ledger.read()
	s.facts.Anchor(w.time())
	w.servers = append([]*server{s}, w.servers...)
	w.note("lead", s.run)
	w.truth.written(&s.facts)
	for i := range s.facts.Nodes {
		if a := s.facts.Nodes[i].Assignment; a.Version != (nodes.Version{}) {
			s.assign(a)
		}
	}
	s.wakeAt(w.time())
	w.after(between(w.repo.luck, time.Second, 5*time.Second), func() { s.look() })
	return s
}

// end is the end of the process, however it comes.
func (s *server) end(why string) {
	if !s.up {
		return
	}
	s.up = false
	s.w.note("server", s.run, why)
	s.w.servers = slices.DeleteFunc(s.w.servers, func(o *server) bool { return o == s })
	for _, p := range slices.Clone(s.sessions) {
		p.conn.closeServer()
	}
	s.sessions = nil
}

// gets has f happen to the server, as soon as it runs.
func (s *server) gets(f func()) {
	switch {
	case !s.up:
	case s.paused:
		s.waiting = append(s.waiting, f)
	default:
		f()
	}
}

func (s *server) resume() {
	if !s.up || !s.paused {
		return
	}
	s.paused = false
	s.w.note("resumes", s.run)
	all := s.waiting
	s.waiting = nil
	for _, f := range all {
		s.gets(f)
	}
	s.wakeAt(s.w.time())
}

// wakeAt has the server decide at t, and at no other instant unless it hears
// something.
func (s *server) wakeAt(t time.Time) {
	s.due = t
	s.timer++
	mine := s.timer
	s.w.after(t.Sub(s.w.time()), func() {
		if mine == s.timer && s.up && !s.paused {
			s.decide()
		}
	})
}

// poke decides at once where the roster has news.
func (s *server) poke() {
	select {
	case <-s.roster.Changed():
		if soon := s.w.time().Add(gathers); s.due.After(soon) {
			s.wakeAt(soon)
		}
	default:
	}
}

func (s *server) decide() {
	now := s.w.time()
	if now.Sub(s.due) > heldUp {
		s.started = now
	}
	s.timer++
	wake := s.settle()
	if s.up {
		s.wakeAt(wake)
	}
}

// settle passes until nothing changes and returns when to look again.
func (s *server) settle() time.Time {
	now := s.w.time()
	wake := time.Time{}
	for range maxPasses {
		in := s.input()
		plan := reconciler.Reconcile(in)
		s.blocked = plan.Blocked
		if err := s.carryOut(&in, &plan); err != nil {
			return now.Add(retryAfter)
		}
		s.roster.Decided(now)
		for _, p := range s.sessions { // who is trusted since
			s.push(p, false)
		}
		if wake = plan.Wake; !plan.FactsChanged {
			break
		}
		wake = now.Add(unsettled)
	}
	if far := now.Add(time.Minute); wake.IsZero() || wake.After(far) {
		wake = far
	}
	return wake
}

func (s *server) input() reconciler.Input {
	return reconciler.Input{
		Desired: s.wish.spec, Refused: s.wish.refused, Rewritten: s.wish.rewritten, Unresolved: s.wish.unresolved,
		Observed: s.roster.Snapshot(), Facts: s.facts, Now: s.w.time(), Epoch: s.epoch, Started: s.started, Scratch: &s.scratch,
	}
}

// carryOut records what was decided, then orders it (I32).
func (s *server) carryOut(in *reconciler.Input, plan *reconciler.Plan) error {
	snap := s.roster.Snapshot()
	status.Happened(&s.facts, s.seen, snap, s.w.time())
	s.seen = snap
	if !plan.FactsChanged {
		return nil
	}
	if err := s.write(plan.Facts); err != nil {
		return err
	}
	s.w.truth.decided(in, plan)
	for _, a := range plan.Assignments {
		s.assign(a)
	}
	return nil
}

// write records facts; the server has them from then on.
func (s *server) write(after reconciler.Facts) error {
	before := s.facts
	err := s.w.ledger.record(s.epoch, after)
	switch {
	case errors.Is(err, errDied):
		s.end("dies as it writes")
		s.w.replaceServer()
		return err
	case errors.Is(err, errEpoch):
		s.end("notices that it leads no more")
		return err
	case err != nil:
		return err
	}
	s.w.truth.written(&after)
	s.w.noteWrite(s, &before, &after)
	s.facts = after
	return nil
}

func (w *World) noteWrite(s *server, before, after *reconciler.Facts) {
	w.note("records", s.run, strconv.Itoa(len(after.Commits)))
	if n := len(after.Commits); n > 0 && (len(before.Commits) < n || before.Commits[len(before.Commits)-1].Outcome != after.Commits[n-1].Outcome) {
		c := &after.Commits[n-1]
		w.note("commit", c.Revision.Commit, string(c.Outcome), c.Reason)
	}
}

// assign parks an Assignment, and sends it where there is a session.
func (s *server) assign(a nodes.Assignment) {
	s.w.truth.ordered(s, &a)
	s.roster.Assign(a)
	if p := s.peer(a.Node); p != nil {
		s.push(p, false)
	}
}

func (s *server) peer(node string) *peer {
	i, ok := slices.BinarySearchFunc(s.sessions, node, func(p *peer, n string) int { return strings.Compare(p.node, n) })
	if !ok {
		return nil
	}
	return s.sessions[i]
}

// accept begins a session; the one that the node had before ends.
func (s *server) accept(c *conn, h hello) {
	node := c.m.name
	p := &peer{node: node, conn: c, end: dialogue.NewServer(node, s.roster, h.leases)}
	c.peer = p
	if old := s.peer(node); old != nil {
		old.conn.closeServer()
	}
	at, _ := slices.BinarySearchFunc(s.sessions, node, func(p *peer, n string) int { return strings.Compare(p.node, n) })
	s.sessions = slices.Insert(s.sessions, at, p)
	s.w.note("session", node, s.run)
	p.send(toAgent{welcome: true})
	s.push(p, false)
	s.expect(p)
}

// expect ends a session that says nothing for too long.
func (s *server) expect(p *peer) {
	s.w.after(silence, func() {
		if !p.conn.serverOpen || !s.up {
			return
		}
		if quiet := s.w.now - p.conn.heard; quiet < silence {
			s.w.after(silence-quiet, func() { s.expectNow(p) })
			return
		}
		s.expectNow(p)
	})
}

func (s *server) expectNow(p *peer) {
	switch quiet := s.w.now - p.conn.heard; {
	case !p.conn.serverOpen || !s.up:
	case s.paused || quiet < silence:
		s.w.after(max(silence-quiet, time.Second), func() { s.expectNow(p) })
	default:
		p.conn.closeServer()
	}
}

// push sends the newest Assignment, if it is due.
func (s *server) push(p *peer, again bool) (newest nodes.Version) {
	a, _ := s.roster.Parked(p.node)
	if p.end.Delivers(a.Version, again) {
		p.send(toAgent{assignment: &a})
	}
	return a.Version
}

func (p *peer) send(m toAgent) {
	m.seq = p.out.Next()
	p.conn.toAgent(m)
}

// take is a message of an agent.
func (s *server) take(c *conn, m toServer) {
	p := c.peer
	if !c.serverOpen {
		return
	}
	c.heard = s.w.now
	if m.hello != nil && p == nil {
		s.accept(c, *m.hello)
		p = c.peer
	}
	if p == nil || p.in.Take(m.seq) != nil {
		c.closeServer()
		return
	}
	switch {
	case m.report != nil:
		if p.end.Report(*m.report) {
			s.push(p, false)
		}
	case m.change != nil:
		if p.end.Change(*m.change) != nil {
			c.closeServer()
			return
		}
	case m.refused != nil:
		s.roster.Refused(p.node, m.refused.version, m.refused.why)
	case m.beat != nil:
		s.beat(p, m.seq, *m.beat)
	}
	s.poke()
}

func (s *server) beat(p *peer, seq uint64, b dialogue.Beat) {
	a, _ := s.roster.Parked(p.node)
	r := p.end.Beat(b, &a)
	newest := s.push(p, r.Again)
	if r.Answer {
		p.send(toAgent{heard: seq, newest: newest})
	}
	if r.Resync {
		p.send(toAgent{resync: true})
	}
}

// operate grants an operator's wish and records it; refused ones are no matter.
func (s *server) operate(w reconciler.Wish) bool {
	w.At, w.Actor, w.Reason = s.w.time(), "ann", "to see"
	after, _, err := reconciler.Grant(s.facts, w)
	if err != nil || s.write(after) != nil {
		return false
	}
	s.w.note("operator", string(w.Verb), w.Of)
	s.wakeAt(s.w.time())
	return true
}

// approve lets the held commit through.
func (s *server) approve() {
	n := len(s.facts.Commits)
	if n == 0 || s.facts.Commits[n-1].Outcome != reconciler.Held {
		return
	}
	after := s.facts
	after.Approvals = append(slices.Clone(s.facts.Approvals), reconciler.Approval{Commit: s.facts.Commits[n-1].Revision.Commit, Actor: "ann", At: s.w.time()})
	if s.write(after) == nil {
		s.w.note("operator", "approve", s.facts.Commits[n-1].Revision.Commit)
		s.wakeAt(s.w.time())
	}
}

// wish is what a pass hears of the repository; it changes as a whole.
type wish struct {
	spec       schema.Spec
	refused    string
	rewritten  bool
	unresolved []reconciler.Unresolved
}
