package agent

import (
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// finish takes in how actions ended.
func (s *step) finish(results []Result) {
	for i := range results {
		r := &results[i]
		if r.Failure != nil {
			s.notice(r.Failure)
		}
		if r.Verb == Pull {
			s.pulled(r)
		} else if r.Verb == Erase {
			s.erased(r)
		} else if l := s.get(r.ID); l != nil {
			s.ended(l, r)
		}
	}
}

func (s *step) ended(l *berth, r *Result) {
	switch r.Verb {
	case Probe:
		s.probed(l, r)
		return
	case Quote:
		s.quoted(l, r)
		return
	case Start:
		s.started(l, r)
	case Stop, Remove:
		s.halted(l, r)
		s.endings(l, r)
	case Note:
		s.noted(l, r)
	case Perform, Tail:
		s.performed(l, r)
	}
	l.busy, l.cancelled, l.touched = Idle, false, s.pass
}

func (s *step) started(l *berth, r *Result) {
	if r.Failure == nil && r.Status != nil {
		s.roomAfter(l.mem.Failure)
		l.box = r.Status
		s.lives(l)
		return
	}
	if r.Failure == nil || r.Cancelled || l.order == nil || l.order.Stop {
		return
	}
	if r.Failure.Code == nodes.ImageNotFound {
		for ref := range sourcesOf(l.order.Workload) {
			s.image(ref).present = false
		}
	}
	s.fail(l, *r.Failure, s.now)
}

// fail counts a failure and sets the next try.
func (s *step) fail(l *berth, f nodes.Failure, at time.Time) {
	l.mem.Streak++
	f.At, f.Count = at, l.mem.Streak
	if was := l.mem.Failure; was != nil && was.Code == f.Code {
		f.Log = was.Log // of the life before, until this one's is read
	}
	l.mem.Failure = &f
	l.mem.Next = at.Add(max(restartBackoff(l.order, l.mem.Streak), minBackoff))
}

func (s *step) halted(l *berth, r *Result) {
	if r.Failure != nil {
		l.endTry.fail(*r.Failure, s.now)
		return
	}
	l.endTry = retry{}
	switch {
	case r.Verb == Remove:
		l.box, l.seen = nil, s.pass
	case l.box != nil:
		ended := *l.box
		ended.State, ended.Finished, ended.Address, ended.Left = StateExited, s.now, "", false
		l.box = &ended
	}
}

// The back-off of what belongs to the node and to no workload: pulls, stops
// and removals.
const (
	nodeBackoff    = time.Second
	nodeBackoffMax = time.Minute
)

func (t *retry) fail(f nodes.Failure, now time.Time) {
	t.streak++
	f.At, f.Count = now, t.streak
	t.failure = &f
	t.next = now.Add(backoff(nodeBackoff, nodeBackoffMax, t.streak))
}

// backoff doubles from base with every failure after the first, up to most.
func backoff(base, most time.Duration, failures int) time.Duration {
	d := base
	for range failures - 1 {
		if d >= most {
			break
		}
		d *= 2
	}
	return min(d, most)
}

// minBackoff keeps a workload that asks for none from spinning: it lies between a
// failed start and the next one, and between the beginnings of two lives.
const minBackoff = 100 * time.Millisecond

func restartBackoff(o *nodes.Order, failures int) time.Duration {
	base, most := restartBounds(o)
	return backoff(base, most, failures)
}

func restartBounds(o *nodes.Order) (base, most time.Duration) {
	base = o.Workload.Restart.Backoff.D()
	return base, max(o.Workload.Restart.MaxBackoff.D(), base, minBackoff)
}

func (s *step) pulled(r *Result) {
	img := s.image(r.Image)
	img.busy, img.cancelled, img.fetched = false, false, nil
	switch {
	case r.Failure == nil:
		s.roomAfter(img.failure)
		img.present, img.retry = true, retry{}
	case !r.Cancelled:
		img.retry.fail(*r.Failure, s.now)
	}
}

// fetched takes in how far pulls are.
func (s *step) fetched(all []Fetched) {
	for i := range all {
		if img := s.image(all[i].Image); img.busy {
			img.fetched = &all[i].Fetched
		}
	}
}

// count is how much is under way.
func (s *step) count() {
	for _, l := range s.berths {
		if l.busy != Idle {
			s.underway[l.busy]++
		}
		if l.busy == Start && l.mem.Streak > 0 {
			s.retrying++
		}
		if l.probe.busy {
			s.underway[Probe]++
		}
		if l.quoting {
			s.underway[Quote]++
		}
	}
	for _, img := range s.images {
		if !img.busy {
			continue
		}
		s.pulling++
		if age := s.now.Sub(img.began); age < pullSlow {
			s.underway[Pull]++
			s.wake(img.began.Add(pullSlow))
		}
	}
}
