package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// kind is one kind of fault, and how long one lasts.
type kind struct {
	name        string
	least, most time.Duration
	happen      func(w *World, m *machine, f Fault, r *rand.Rand)
}

// faults are all kinds, in the order in which seeds draw them: a new one goes to
// the end.
var faults = []kind{
	// The server and its ledger.
	{"server crash", time.Second, 2 * time.Minute, func(w *World, _ *machine, f Fault, _ *rand.Rand) {
		w.endServer("crashes", f.For)
	}},
	{"server pause", time.Second, 2 * time.Minute, func(w *World, _ *machine, f Fault, _ *rand.Rand) {
		w.pauseServer(f.For)
	}},
	{"ledger", time.Second, time.Minute, func(w *World, _ *machine, f Fault, r *rand.Rand) {
		w.breakLedger(pick(r, unwritten, unanswered, lostBefore, lostAfter), f.For)
	}},
	{"other leader", time.Second, 9 * time.Second, func(w *World, _ *machine, f Fault, _ *rand.Rand) { w.depose(f.For) }},
	// Agents and machines.
	{"agent crash", 100 * time.Millisecond, 40 * time.Second, func(w *World, m *machine, f Fault, _ *rand.Rand) {
		m.endAgent("crashes")
		w.after(f.For, m.startAgent)
	}},
	{"agent pause", time.Second, 50 * time.Second, func(_ *World, m *machine, f Fault, _ *rand.Rand) { m.pause(f.For) }},
	{"suspend", time.Second, 10 * time.Minute, func(_ *World, m *machine, f Fault, _ *rand.Rand) { m.suspend(f.For) }},
	{"clock", 0, 24 * time.Hour, func(w *World, m *machine, f Fault, r *rand.Rand) {
		m.ahead = pick(r, f.For, -f.For, time.Minute, 0)
		w.note("clock", m.name, m.ahead.String())
	}},
	{"machine crash", 10 * time.Second, 20 * time.Minute, func(w *World, m *machine, f Fault, _ *rand.Rand) {
		m.crash(true)
		w.after(f.For, m.returns)
	}},
	// Links.
	{"partition", time.Second, 20 * time.Minute, func(_ *World, m *machine, f Fault, _ *rand.Rand) { m.cut(true, true, f.For) }},
	{"zone partition", time.Second, 10 * time.Minute, func(w *World, m *machine, f Fault, _ *rand.Rand) {
		for _, o := range w.machines {
			if o.zone == m.zone {
				o.cut(true, true, f.For)
			}
		}
	}},
	{"one way", time.Second, 10 * time.Minute, func(_ *World, m *machine, f Fault, r *rand.Rand) {
		up := r.IntN(2) == 0
		m.cut(up, !up, f.For)
	}},
	{"slow link", time.Second, 20 * time.Minute, func(w *World, m *machine, f Fault, r *rand.Rand) {
		m.link.slow = between(r, 50*time.Millisecond, 8*time.Second)
		w.after(f.For, func() { m.link.slow = 0 })
	}},
	{"mangled message", 0, 0, func(_ *World, m *machine, _ Fault, r *rand.Rand) { m.link.mangle = pick(r, "lost", "doubled", "late") }},
	{"reset", 0, 0, func(_ *World, m *machine, _ Fault, _ *rand.Rand) {
		if c := m.conn; c != nil {
			m.gets(func() { m.disconnect(c) })
		}
	}},
	// Engines and what runs on them.
	{"engine down", time.Second, 5 * time.Minute, func(w *World, m *machine, f Fault, _ *rand.Rand) {
		m.engine.down++
		w.note("engine", m.name, "down")
		boot := m.boot
		w.after(f.For, func() {
			if m.boot == boot && m.engine.down > 0 {
				m.engine.down--
				m.woke = w.now
			}
		})
	}},
	{"container crash", 0, 0, func(_ *World, m *machine, _ Fault, r *rand.Rand) {
		if b := m.someBox(r); b != nil {
			m.exit(b, 1, r.IntN(3) == 0)
		}
	}},
	{"container hangs", time.Second, 10 * time.Minute, func(w *World, m *machine, f Fault, r *rand.Rand) {
		if b := m.someBox(r); b != nil {
			b.hung = true
			w.after(f.For, func() { b.hung = false })
		}
	}},
	{"registry", time.Second, 10 * time.Minute, func(w *World, _ *machine, f Fault, r *rand.Rand) {
		n := &w.registry.fails
		if r.IntN(2) == 0 {
			n = &w.registry.hangs
		}
		*n++
		w.after(f.For, func() { *n-- })
	}},
	{"tag moves", 0, 0, func(w *World, _ *machine, _ Fault, r *rand.Rand) { w.moveTag(r) }},
	// Git and operators.
	{"commit", 0, 0, func(w *World, _ *machine, f Fault, r *rand.Rand) { w.commit(r, f) }},
	{"burst", 0, 0, func(w *World, _ *machine, f Fault, r *rand.Rand) {
		for range 3 + r.IntN(5) {
			w.commit(r, f)
		}
	}},
	{"force push", 0, 0, func(w *World, _ *machine, _ Fault, r *rand.Rand) { w.forcePush(r) }},
	{"broken team", 0, 0, func(w *World, _ *machine, _ Fault, r *rand.Rand) { w.breakTeam(r) }},
	{"empty tree", 0, 0, func(w *World, _ *machine, _ Fault, _ *rand.Rand) { w.push(w.repo.head, nil, "", true) }},
	{"removal", 0, 0, func(w *World, _ *machine, _ Fault, r *rand.Rand) { w.removeMany(r) }},
	{"git away", time.Second, 20 * time.Minute, func(w *World, _ *machine, f Fault, _ *rand.Rand) {
		w.repo.away++
		w.after(f.For, func() { w.repo.away-- })
	}},
	{"drain", time.Minute, 30 * time.Minute, func(w *World, m *machine, f Fault, _ *rand.Rand) {
		w.operate(reconciler.Wish{Verb: reconciler.DrainNode, Of: m.name})
		w.after(f.For, func() { w.operate(reconciler.Wish{Verb: reconciler.UncordonNode, Of: m.name}) })
	}},
	{"operator", 0, 0, func(w *World, _ *machine, _ Fault, r *rand.Rand) { w.someWish(r) }},
	{"approve", 0, 0, func(w *World, _ *machine, _ Fault, _ *rand.Rand) {
		if s := w.leader(); s != nil {
			s.approve()
		}
	}},
	{"join", 0, 0, func(w *World, _ *machine, f Fault, _ *rand.Rand) {
		if len(w.machines) < 26 {
			w.addMachine(len(w.machines)).start()
		}
	}},
	{"machine loss", time.Minute, 20 * time.Minute, func(w *World, m *machine, f Fault, _ *rand.Rand) {
		m.crash(false)
		w.after(f.For, m.returns)
	}},
	{"leave", 0, 0, func(w *World, m *machine, _ Fault, r *rand.Rand) {
		if r.IntN(3) == 0 && w.leaving() {
			m.crash(false)
			m.gone = true
		}
	}},
}

// happen is a fault coming true.
func (w *World) happen(f Fault) {
	i := slices.IndexFunc(faults, func(k kind) bool { return k.name == f.Kind })
	m := w.machines[f.Node%len(w.machines)]
	w.note("FAULT", f.Kind, m.name)
	faults[i].happen(w, m, f, rand.New(rand.NewPCG(f.Luck, 2)))
}

// leader is the server that leads and can be asked; nil while there is none.
func (w *World) leader() *server {
	if len(w.servers) == 0 || w.servers[0].paused {
		return nil
	}
	return w.servers[0]
}

func (w *World) operate(wish reconciler.Wish) {
	if s := w.leader(); s != nil {
		s.operate(wish)
	}
}

func (w *World) endServer(why string, d time.Duration) {
	if len(w.servers) == 0 {
		return
	}
	w.servers[0].end(why)
	w.after(d, w.replaceServer)
}

// replaceServer starts a server where none is.
func (w *World) replaceServer() {
	if len(w.servers) == 0 {
		w.after(between(w.repo.luck, time.Second, 10*time.Second), func() {
			if len(w.servers) == 0 {
				w.lead()
			}
		})
	}
}

func (w *World) pauseServer(d time.Duration) {
	s := w.leader()
	if s == nil {
		return
	}
	s.paused = true
	w.note("pauses", s.run)
	w.after(dead, func() {
		for _, m := range w.machines {
			if c := m.conn; s.paused && c != nil && c.s == s {
				c.lapse()
			}
		}
	})
	w.after(d, s.resume)
}

func (w *World) breakLedger(how broken, d time.Duration) {
	w.ledger.broken = how
	w.note("ledger", string(how))
	w.after(d, func() { w.ledger.broken = "" })
}

// depose has another server lead while this one does not know.
func (w *World) depose(d time.Duration) {
	old := w.leader()
	if old == nil || old.deposed {
		return
	}
	old.deposed = true
	w.lead()
	w.after(d, func() { old.end("notices that it leads no more") })
}

func (m *machine) returns() {
	if !m.up && !m.gone {
		m.start()
	}
}

func (m *machine) pause(d time.Duration) {
	p := m.proc
	if p == nil || p.paused {
		return
	}
	p.paused = true
	m.w.note("agent", m.name, "pauses")
	m.w.after(d, func() {
		if p.paused = false; m.proc == p {
			m.goOn()
		}
	})
}

func (m *machine) suspend(d time.Duration) {
	if !m.up || m.suspended {
		return
	}
	m.suspended, m.since = true, m.w.now
	m.w.note("suspends", m.name)
	boot := m.boot
	m.w.after(d, func() {
		if m.boot == boot && m.suspended {
			m.wakeUp()
		}
	})
}

func (m *machine) wakeUp() {
	m.suspended = false
	m.slept += m.w.now - m.since
	m.woke = m.w.now
	m.w.note("wakes", m.name)
	all := m.asleep
	m.asleep = nil
	m.goOn()
	for _, f := range all {
		f()
	}
}

func (m *machine) someBox(r *rand.Rand) *box {
	var live []*box
	for _, b := range m.engine.boxes {
		if b.lives() && m.up && !m.suspended {
			live = append(live, b)
		}
	}
	if len(live) == 0 {
		return nil
	}
	return live[r.IntN(len(live))]
}

// leaving is whether there are enough machines for one to go for good.
func (w *World) leaving() bool {
	here := 0
	for _, m := range w.machines {
		if !m.gone {
			here++
		}
	}
	return here > 4
}

func (w *World) writer(r *rand.Rand) *writer {
	return &writer{Rand: r, kinds: w.Kinds, bads: w.Bads, room: w.room(), serial: 1000 * (len(w.repo.commits) + 1)}
}

// room is what a slot may ask for, so that about all that is asked for fits.
func (w *World) room() schema.CPU {
	return 4000 * schema.CPU(w.Nodes) / schema.CPU(6*max(w.Workloads, 1))
}

func (w *World) commit(r *rand.Rand, _ Fault) {
	var was []schema.Workload
	if w.repo.head != nil {
		was = w.text()
	}
	w.push(w.repo.head, w.writer(r).edit(was, w.Workloads+5), "", false)
}

func (w *World) forcePush(r *rand.Rand) {
	if n := len(w.repo.commits); n > 1 {
		c := w.repo.commits[r.IntN(n-1)]
		w.push(c.parent, w.writer(r).edit(c.spec.Workloads, w.Workloads), "", false)
	}
}

func (w *World) breakTeam(r *rand.Rand) {
	w.push(w.repo.head, w.writer(r).edit(w.text(), w.Workloads), pick(r, teams...), false)
}

// removeMany is a commit that removes more than is allowed without asking.
func (w *World) removeMany(r *rand.Rand) {
	var kept []schema.Workload
	for _, x := range w.text() {
		if r.IntN(3) == 0 {
			kept = append(kept, x)
		}
	}
	w.push(w.repo.head, kept, "", len(kept) == 0)
}

// text is the newest whole text of the branch.
func (w *World) text() []schema.Workload {
	for c := w.repo.head; c != nil; c = c.parent {
		whole := !c.empty
		for _, t := range c.spec.Teams {
			whole = whole && len(t.Errors) == 0
		}
		if whole {
			return c.spec.Workloads
		}
	}
	return nil
}

func (w *World) moveTag(r *rand.Rand) {
	all := w.text()
	if len(all) == 0 {
		return
	}
	tag := all[r.IntN(len(all))].Image
	if w.registry.moved == nil {
		w.registry.moved = map[string]int{}
	}
	w.registry.moved[tag]++
	w.note("tag", tag)
}

func (w *World) someWish(r *rand.Rand) {
	s := w.leader()
	if s == nil || len(s.facts.Rollouts) == 0 {
		return
	}
	of := s.facts.Rollouts[r.IntN(len(s.facts.Rollouts))].Workload
	verb := pick(r, reconciler.HoldWorkload, reconciler.ReleaseWorkload, reconciler.PauseRollout, reconciler.ResumeRollout, reconciler.RestartWorkload,
		reconciler.RetryRollout, reconciler.UndoRollout, reconciler.PromoteWorkload, reconciler.AbortWorkload)
	s.operate(reconciler.Wish{Verb: verb, Of: of, For: between(r, time.Minute, 30*time.Minute)})
}
