package sim

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

// engine is what really is on a machine: the truth that reports are about.
type engine struct {
	boxes   []*box // sorted by ID
	volumes map[schema.Slot]bool
	images  map[string]bool
	starts  int
	// down is how many faults keep it from answering.
	down int
}

// box is a container.
type box struct {
	agent.Status
	work *schema.Workload
	// acts is how the program behaves.
	acts act
	life int
	// times are when it was started last.
	times []time.Duration
	hung  bool
	// stopping is whether somebody asked it to end.
	stopping bool
}

func (b *box) lives() bool { return b.State == agent.StateRunning }

func (e *engine) find(id string) (int, bool) {
	return slices.BinarySearchFunc(e.boxes, id, func(b *box, id string) int { return strings.Compare(b.ID, id) })
}

func (e *engine) box(id string) *box {
	if i, ok := e.find(id); ok {
		return e.boxes[i]
	}
	return nil
}

// list is what the engine holds; down is whether it does not answer.
func (e *engine) list() (all []agent.Status, down bool) {
	if e.down > 0 {
		return nil, true
	}
	all = make([]agent.Status, len(e.boxes))
	for i, b := range e.boxes {
		all[i] = b.Status
	}
	return all, false
}

// powerLoss ends all that runs; what the disk keeps is there again.
func (e *engine) powerLoss(keeps bool) {
	for _, b := range e.boxes {
		if b.lives() {
			b.State, b.ExitCode, b.life = agent.StateExited, 137, b.life+1
		}
	}
	if !keeps {
		*e = engine{}
	}
	e.down = 0
}

// The times that an engine takes.
const (
	slowestStart  = 1500 * time.Millisecond
	slowestPull   = 8 * time.Second
	slowestRemove = 500 * time.Millisecond
)

// begin does an action of the agent's: what it does to the engine happens whether or
// not the agent lives to see it.
func (p *proc) begin(a agent.Action) {
	m, begun := p.m, false
	end := func(d time.Duration, r agent.Result) {
		r.Verb, r.ID, r.Image, r.Life = a.Verb, a.ID, a.Image, a.Status.Started
		m.timer(d, func() {
			if p.over {
				return
			}
			if begun {
				p.starting--
			}
			p.step(agent.Input{Results: []agent.Result{r}})
			if a.Verb == agent.Start || a.Verb == agent.Stop || a.Verb == agent.Remove {
				p.relist()
			}
		})
	}
	fail := func(d time.Duration, code nodes.FailureCode, text string) {
		end(d, agent.Result{Failure: &nodes.Failure{Code: code, Text: text}})
	}
	if m.engine.down > 0 && a.Verb != agent.Note && a.Verb != agent.Cancel {
		fail(between(m.luck, 10*time.Millisecond, 5*time.Second), nodes.EngineDown, "the engine does not answer")
		return
	}
	switch a.Verb {
	case agent.Pull:
		m.pull(a, end, fail)
	case agent.Start:
		begun = true
		if p.starting++; p.starting > agent.Starts {
			m.w.violate("I28", "%s starts %d containers at once", m.name, p.starting)
		}
		m.after(between(m.luck, 20*time.Millisecond, slowestStart), func() { m.launch(a, end, fail) })
	case agent.Stop:
		m.stop(a, end)
	case agent.Remove:
		m.after(between(m.luck, 5*time.Millisecond, slowestRemove), func() {
			m.remove(a.ID)
			end(0, agent.Result{})
		})
	case agent.Probe:
		m.probe(a, end, fail)
	case agent.Note:
		m.timer(5*time.Millisecond, func() {
			if !p.over {
				p.keep(p.held)
			}
		})
		end(10*time.Millisecond, agent.Result{})
	case agent.Perform:
		end(between(m.luck, 50*time.Millisecond, 5*time.Second), agent.Result{Outcome: &nodes.Outcome{Passed: true}})
	case agent.Tail:
		b := m.engine.box(a.ID)
		end(20*time.Millisecond, agent.Result{Outcome: &nodes.Outcome{Passed: b != nil && b.ExitCode == 0}})
	case agent.Quote:
		end(20*time.Millisecond, agent.Result{Lines: "as it ended"})
	case agent.Erase:
		m.after(50*time.Millisecond, func() {
			m.w.truth.erased(m, a.Slot)
			delete(m.engine.volumes, a.Slot)
			end(0, agent.Result{})
		})
	}
}

// after has f happen unless the machine loses its power before.
func (m *machine) after(d time.Duration, f func()) {
	boot := m.boot
	m.w.after(d, func() {
		switch {
		case !m.up || m.boot != boot:
		case m.suspended:
			m.asleep = append(m.asleep, f)
		default:
			f()
		}
	})
}

type ended func(time.Duration, agent.Result)
type failed func(time.Duration, nodes.FailureCode, string)

func (m *machine) pull(a agent.Action, end ended, fail failed) {
	took := between(m.luck, 50*time.Millisecond, slowestPull)
	switch r := &m.w.registry; {
	case m.engine.images[a.Image]:
		end(time.Millisecond, agent.Result{})
	case r.hangs > 0:
		fail(min(a.Timeout, 5*time.Minute), nodes.RegistryUnreachable, "the registry hangs")
	case r.fails > 0:
		fail(took, nodes.RegistryUnreachable, "the registry does not answer")
	case r.acts(a.Image) == missing:
		fail(took, nodes.ImageNotFound, a.Image+" is not there")
	default:
		m.after(took, func() {
			if m.engine.images == nil {
				m.engine.images = map[string]bool{}
			}
			m.engine.images[a.Image] = true
			end(0, agent.Result{})
		})
	}
}

// launch creates or revives the container of an order.
func (m *machine) launch(a agent.Action, end ended, fail failed) {
	e, o := &m.engine, a.Order
	if port := e.taken(o); port > 0 {
		end(0, agent.Result{Failure: &nodes.Failure{Code: nodes.PortInUse, Text: "port in use", Port: port}})
		return
	}
	i, there := e.find(o.ID)
	if !there {
		e.starts++
		e.boxes = slices.Insert(e.boxes, i, &box{work: o.Workload, acts: m.w.registry.acts(imageOf(o.Workload)), Status: agent.Status{
			ID: o.ID, Slot: o.Slot, Digest: o.Digest, Container: m.name + "-" + strconv.Itoa(m.boot) + "-" + strconv.Itoa(e.starts), Ports: o.Ports}})
	}
	b := e.boxes[i]
	if b.lives() {
		s := b.Status
		end(0, agent.Result{Status: &s})
		return
	}
	b.times = append(b.times[max(0, len(b.times)-startsLooked+1):], m.w.now)
	b.State, b.Started, b.stopping, b.hung, b.life = agent.StateRunning, m.wall(), false, false, b.life+1
	m.w.note("starts", m.name, b.ID, b.Container)
	if o.Workload.OwnsVolumes() {
		if e.volumes == nil {
			e.volumes = map[schema.Slot]bool{}
		}
		e.volumes[o.Slot] = true
	}
	m.w.truth.started(m, b, o)
	m.play(b)
	s := b.Status
	end(0, agent.Result{Status: &s})
}

func imageOf(w *schema.Workload) string {
	if w.Pinned != "" {
		return w.Pinned
	}
	return w.Image
}

// taken is a port of the order that another container holds; zero is none.
func (e *engine) taken(o *nodes.Order) int {
	for _, b := range e.boxes {
		if b.ID == o.ID || !b.lives() {
			continue
		}
		for _, have := range b.Ports {
			for _, want := range o.Ports {
				if have == want {
					return want
				}
			}
		}
	}
	return 0
}

// exit ends a container's life by itself.
func (m *machine) exit(b *box, code int, oom bool) {
	if !b.lives() {
		return
	}
	m.w.note("exits", m.name, b.ID, strconv.Itoa(code))
	m.over(b, code)
	b.OOM = oom
}

// over is the end of a life, however it came.
func (m *machine) over(b *box, code int) {
	b.State, b.ExitCode, b.Finished, b.OOM = agent.StateExited, code, m.wall(), false
	b.life++
	m.w.truth.ended(m, b)
	if p := m.proc; p != nil {
		m.gets(func() { p.relist() })
	}
}

// stop asks a container to end, and kills it after the grace.
func (m *machine) stop(a agent.Action, end ended) {
	b := m.engine.box(a.ID)
	if b == nil || !b.lives() {
		end(time.Millisecond, agent.Result{})
		return
	}
	took := min(a.Grace, between(m.luck, 10*time.Millisecond, 3*time.Second))
	if b.acts == stubborn || b.hung {
		took = a.Grace + 10*time.Millisecond
	}
	if !b.stopping {
		m.w.truth.stopping(m, b)
	}
	b.stopping = true
	m.w.note("stops", m.name, b.ID)
	life := b.life
	m.after(took, func() {
		if b.lives() && b.life == life {
			m.over(b, 143)
		}
		end(0, agent.Result{})
	})
}

func (m *machine) remove(id string) {
	i, ok := m.engine.find(id)
	if !ok {
		return
	}
	if m.engine.boxes[i].lives() {
		m.w.violate("I4", "%s on %s is to be removed, and it lives", id, m.name)
	}
	m.w.note("removes", m.name, id)
	m.engine.boxes = slices.Delete(m.engine.boxes, i, i+1)
}

func (m *machine) probe(a agent.Action, end ended, fail failed) {
	b := m.engine.box(a.ID)
	switch {
	case b == nil || !b.lives():
		fail(5*time.Millisecond, nodes.HealthFailing, "connection refused")
	case b.hung:
		fail(a.Timeout, nodes.HealthFailing, "no answer in time")
	case b.acts == sick || b.acts == slow && m.wall().Sub(b.Started) < slowness:
		fail(5*time.Millisecond, nodes.HealthFailing, "status 503")
	default:
		end(5*time.Millisecond, agent.Result{})
	}
}
