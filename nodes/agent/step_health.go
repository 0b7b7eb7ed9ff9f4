package agent

import (
	"hash/fnv"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// A young container is probed often, so that healthy is seen at once: first
// immediately, then after quickProbe, growing by half up to the interval. An
// exec probe costs the engine some 50 ms and begins slower.
const (
	quickProbe     = 25 * time.Millisecond
	quickExecProbe = 250 * time.Millisecond
)

// probe is where an instance's health checking stands within one life.
type probe struct {
	busy bool
	next time.Time
	// quick is the present wait between probes before the first success.
	quick  time.Duration
	passed bool
	// fails counts failures in a row that count, the last at counted.
	fails   int
	counted time.Time
	failure *nodes.Failure
}

// check keeps the health of a running container.
func (s *step) check(l *berth) {
	h := l.order.Workload.Health
	if h == nil {
		l.setHealth(nodes.NoCheck, s.now)
		l.probe = probe{busy: l.probe.busy}
		return
	}
	if l.health == nodes.NoCheck {
		l.setHealth(nodes.HealthUnknown, s.now)
	}
	switch {
	case l.probe.busy:
	case s.now.Before(l.probe.next):
		s.wake(l.probe.next)
	case s.underway[Probe] < probesAtOnce:
		s.underway[Probe]++
		l.probe.busy = true
		s.act(Action{Verb: Probe, ID: l.mem.ID, Order: l.order, Status: *l.box, Timeout: probeTimeout(h)})
	}
}

func probeTimeout(h *schema.Health) time.Duration {
	if h.Timeout <= 0 {
		return time.Second
	}
	return h.Timeout.D()
}

// probed takes in one probe's answer; one about an earlier life says nothing.
func (s *step) probed(l *berth, r *Result) {
	l.probe.busy = false
	if l.order == nil || l.order.Stop || l.order.Workload.Health == nil || l.phase != nodes.Running || !r.Life.Equal(l.mem.Life) {
		return
	}
	h := l.order.Workload.Health
	switch {
	case r.Failure == nil:
		s.hit(l, h)
	case r.Failure.Code == nodes.EngineDown:
		l.probe.next = s.now.Add(interval(h))
	default:
		s.miss(l, h, *r.Failure)
	}
}

// hit ends all doubt.
func (s *step) hit(l *berth, h *schema.Health) {
	p := &l.probe
	wait := interval(h)
	if !p.passed {
		wait = spread(l.mem.ID, wait)
	}
	*p = probe{passed: true, next: s.now.Add(wait)}
	l.setHealth(nodes.Healthy, s.now)
}

// miss counts a failed probe. Before the first success, failures count from
// the end of the start period on and once an interval, however often it was
// probed.
func (s *step) miss(l *berth, h *schema.Health, f nodes.Failure) {
	p := &l.probe
	p.next = s.now.Add(p.pause(h))
	if !p.passed {
		since := l.born.Add(h.StartPeriod.D())
		if p.counted.After(since) {
			since = p.counted
		}
		if s.now.Before(since.Add(interval(h))) {
			return
		}
	}
	p.fails++
	p.counted = s.now
	f.Code, f.At, f.Count = nodes.HealthFailing, s.now, p.fails
	if p.failure != nil {
		f.Log = p.failure.Log
	}
	p.failure = &f
	if p.fails&(p.fails-1) == 0 {
		s.quote(l)
	}
	if p.fails >= max(h.Retries, 1) {
		l.setHealth(nodes.Unhealthy, s.now)
	}
}

// pause is the wait until the next probe after one that failed.
func (p *probe) pause(h *schema.Health) time.Duration {
	most := interval(h)
	if p.passed {
		return most
	}
	switch {
	case p.quick > 0:
		p.quick += p.quick / 2
	case h.Exec != nil:
		p.quick = quickExecProbe
	default:
		p.quick = quickProbe
	}
	p.quick = min(p.quick, most)
	return p.quick
}

func interval(h *schema.Health) time.Duration { return max(h.Interval.D(), quickProbe) }

// spread is a part of d, from half to all, that depends on the instance: so
// that those that became healthy together are not probed together for ever.
func spread(id string, d time.Duration) time.Duration {
	sum := fnv.New32a()
	sum.Write([]byte(id))
	return d/2 + d/2*time.Duration(sum.Sum32()%1000)/1000
}
