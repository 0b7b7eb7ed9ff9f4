package agent

import (
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// watch follows a container that no order names: it is reported and left
// alone.
func (l *berth) watch(now time.Time) {
	if l.box == nil {
		return
	}
	phase := nodes.Starting
	switch l.box.State {
	case StateRunning:
		phase = nodes.Running
	case StateExited:
		phase = nodes.Stopped
	}
	if phase < l.phase {
		l.begin(now)
	}
	l.advance(phase, now)
	l.setHealth(nodes.HealthUnknown, now)
}

// misfit is whether the container was made for another order: other ports, or
// another digest under the same short name.
func (l *berth) misfit() bool {
	if l.box == nil {
		return false
	}
	if l.box.Digest != "" && l.box.Digest != l.order.Digest {
		return true
	}
	return l.box.Ports != nil && !samePorts(l.box.Ports, l.order.Ports)
}

// end stops and removes, one action at a time.
func (s *step) end(l *berth) {
	l.pull = nil
	l.advance(nodes.Stopping, s.now)
	switch {
	case (l.busy == Start || l.busy == Perform) && !l.cancelled:
		l.cancelled = true
		s.act(Action{Verb: Cancel, ID: l.mem.ID})
	case l.busy != Idle:
	case l.box == nil:
		l.gone = l.gone || l.verified()
		s.out.List = s.out.List || !l.gone
	case s.now.Before(l.endTry.next):
		s.wake(l.endTry.next)
	case l.box.State == StateRunning || l.box.State == StatePreparing || l.box.Left:
		s.stop(l)
	case l.order.Leased && lastWords(l.order) > 0 && !s.leases():
		l.advance(nodes.Stopped, s.now) // its post-stop waits as it would
	default:
		l.advance(nodes.Stopped, s.now)
		l.busy, l.touched = Remove, s.pass
		s.act(Action{Verb: Remove, ID: l.mem.ID, Order: l.order, Timeout: removeTimeout + lastWords(l.order)})
	}
}

// lastWords is how long the order's post-stop may take.
func lastWords(o *nodes.Order) time.Duration {
	if o.Workload == nil || o.Workload.PostStop == nil {
		return 0
	}
	return o.Workload.PostStop.Timeout.D()
}

func (s *step) stop(l *berth) {
	if s.underway[Stop] < stopsAtOnce {
		s.stopNow(l)
	}
}

// stopNow stops whatever else is under way.
func (s *step) stopNow(l *berth) {
	signal, grace := "", 10*time.Second // where an orphan's order has no workload
	if w := l.order.Workload; w != nil {
		signal, grace = w.Stop.Signal, w.Stop.Grace.D()
	}
	if signal == "" {
		signal = "SIGTERM"
	}
	if l.order.Leased {
		grace = min(grace, max(s.lease.Sub(s.now), leaseGrace))
	}
	s.underway[Stop]++
	l.busy, l.touched, l.mem.Halted = Stop, s.pass, true
	s.act(Action{Verb: Stop, ID: l.mem.ID, Signal: signal, Grace: grace, Timeout: grace + stopMargin})
}

// stopRest ends what is left of a group whose life is over.
func (s *step) stopRest(l *berth) {
	halted := l.mem.Halted
	if !s.now.Before(l.endTry.next) {
		s.stop(l)
		l.mem.Halted = halted
		return
	}
	s.wake(l.endTry.next)
}

// run brings an instance up and keeps it there.
func (s *step) run(l *berth) {
	l.pull = nil
	switch {
	case l.busy != Idle:
	case l.box != nil && l.box.State == StateRunning:
		if l.phase > nodes.Running {
			l.begin(s.now)
		}
		l.advance(nodes.Running, s.now)
		s.check(l)
	case l.box != nil && l.box.State == StatePreparing:
		l.advance(nodes.Starting, s.now)
	case l.box != nil && l.box.State == StateCreated:
		if !s.keptOut(l) {
			s.wantStart(l)
		}
	default:
		s.revive(l)
	}
}

// revive starts what ended or never was.
func (s *step) revive(l *berth) {
	s.died(l)
	if l.box != nil && l.box.Left {
		s.stopRest(l)
		return
	}
	if l.stays() {
		l.advance(nodes.Stopped, s.now)
		return
	}
	if l.phase > nodes.Starting {
		l.begin(s.now)
	}
	if s.keptOut(l) || l.box == nil && !s.wantImage(l) {
		return
	}
	s.wantStart(l)
}

// stays is whether the restart policy leaves an ended life ended.
func (l *berth) stays() bool {
	m := &l.mem
	if m.Halted || m.Life.IsZero() || m.Failure == nil {
		return false
	}
	switch l.order.Workload.Restart.Policy {
	case "never":
		return true
	case "on-failure":
		return m.Failure.Code == nodes.Exited && m.Failure.ExitCode == 0
	}
	return false
}

// wantImage is whether all that it is made of is there; what is not it asks for.
// Of several it waits for the one that failed, which says more.
func (s *step) wantImage(l *berth) bool {
	for ref := range sourcesOf(l.order.Workload) {
		img := s.image(ref)
		if img.present {
			continue
		}
		if l.pull == nil || l.pull.failure == nil {
			l.pull = img
		}
		s.ask(l, img)
	}
	if l.pull == nil {
		return true
	}
	l.advance(nodes.Pulling, s.now)
	return false
}

// ask asks for an image. One pull serves all that wait for the same.
func (s *step) ask(l *berth, img *image) {
	asked := img.needed || img.busy
	img.needed = true
	switch {
	case asked:
	case s.now.Before(img.next):
		s.wake(img.next)
	default:
		img.first = l
		s.pulls = append(s.pulls, img)
	}
}

func (s *step) wantStart(l *berth) {
	l.advance(nodes.Starting, s.now)
	_, most := restartBounds(l.order)
	if limit := s.now.Add(most); l.mem.Next.After(limit) {
		l.mem.Next = limit // the clock was set back, or MaxBackoff lowered
	}
	if s.now.Before(l.mem.Next) {
		s.wake(l.mem.Next)
		return
	}
	s.starts = append(s.starts, l)
}

// forget drops what neither an order nor the engine knows any more.
func (s *step) forget() {
	kept := s.berths[:0]
	for _, l := range s.berths {
		if l.order != nil || l.box != nil || !s.listed || !l.verified() {
			s.out.List = s.out.List || l.order == nil && l.box == nil
			kept = append(kept, l)
			continue
		}
		s.out.Durable = s.out.Durable || l.kept != (Memory{ID: l.mem.ID})
		s.part(l)
	}
	clear(s.berths[len(kept):])
	s.berths = kept
	s.forgetImages()
	s.forgetNotices()
}

func (s *step) forgetImages() {
	for _, l := range s.berths {
		if l.order != nil && l.order.Workload != nil && !l.order.Stop {
			for ref := range sourcesOf(l.order.Workload) {
				s.image(ref).needed = true
			}
		}
	}
	kept := s.images[:0]
	for _, img := range s.images {
		if img.needed || img.busy {
			kept = append(kept, img)
		}
	}
	clear(s.images[len(kept):])
	s.images = kept
}
