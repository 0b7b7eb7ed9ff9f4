package reconciler

import (
	"fmt"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// Two strategies let a new version prove itself before it has all of the work: a
// blueGreen update beside the old set, a canary's in a few slots. Both come to
// halts, and go on from one by themselves, by an operator's word, or back.

// comesBeside is whether the update brings a new set up beside the one that is
// good. Where nothing is good yet there is no set to be beside, and the slots go
// over one by one.
func (r *Rollout) comesBeside() bool {
	w, good := r.Want, r.Good
	return w != nil && w.Kind == schema.Service && w.Update.Strategy == schema.BlueGreen && !holdsVolume(w) &&
		good != nil && good.Kind == schema.Service && !holdsVolume(good) && r.GoodDigest != r.Target
}

// twoSets is whether each slot may have an instance of either set now: while the
// new one comes up, while the old one is kept, and for a moment after a set has
// served.
func (r *Rollout) twoSets(now time.Time) bool {
	switch r.Stage {
	case Rolling, Keeping:
		return r.comesBeside()
	case Reverting:
		return r.comesBeside() && r.drains().After(now)
	}
	return false
}

// drains is until when a set that served before goes on.
func (r *Rollout) drains() time.Time {
	if r.Switched.IsZero() || r.Want == nil {
		return r.Switched
	}
	return r.Switched.Add(r.Want.Update.Sets().Drain.D())
}

// sets are the version that serves and the one beside it.
func (r *Rollout) sets() (serves, beside version) {
	good, want := version{r.Good, r.GoodDigest}, version{r.Want, r.Target}
	if r.Stage == Keeping {
		return want, good
	}
	return good, want
}

// directs is whether instances of the digest should receive traffic.
func (r *Rollout) directs(d schema.Digest) bool { return r.Serving == "" || r.Serving == d }

// served is what should receive traffic once the slots are on the way to Target.
func (r *Rollout) served() schema.Digest {
	switch {
	case r.Want == nil || r.Want.Update.Strategy != schema.BlueGreen:
		return ""
	case r.comesBeside():
		return r.GoodDigest
	case r.GoodDigest == r.Target:
		return r.Target
	}
	return "" // slot by slot: what was there before is needed too until it is done
}

// direct makes d what should receive traffic.
func (r *Rollout) direct(d schema.Digest, now time.Time) {
	if r.Serving != d && r.Serving != "" {
		r.Switched = now
	}
	r.Serving = d
}

// halt is where an update waits: so many slots are healthy for a time, and where
// an operator must agree it goes back without that by the end of within.
type halt struct {
	slots   int
	pause   time.Duration
	approve bool
	within  time.Duration
}

// halts is where the rollout halts next, if it does.
func (r *Rollout) halts() (halt, bool) {
	switch {
	case r.Stage != Rolling:
	case r.comesBeside():
		s := r.Want.Update.Sets()
		return halt{r.Want.Replicas, s.Soak.D(), s.Manual(), s.Within.D()}, true
	case r.onCanary():
		s := &r.Want.Update.Canary[r.Step]
		return halt{s.Slots(r.Want.Replicas), s.Pause.D(), s.Approve, s.Within.D()}, true
	}
	return halt{}, false
}

// onCanary is whether a few slots are ahead of the rest. Where nothing is good
// yet there is no rest to protect.
func (r *Rollout) onCanary() bool {
	w := r.Want
	return r.Stage == Rolling && w != nil && w.Kind == schema.Service && w.Update.Strategy == schema.Canary && r.Step < len(w.Update.Canary) &&
		r.Good != nil && r.Good.Kind == schema.Service && r.GoodDigest != r.Target
}

// goOn leaves a halt: to the next step, or over to the new set.
func (r Rollout) goOn(by *Said, now time.Time) Rollout {
	if r.comesBeside() {
		r.Stage = Keeping
		r.Serving, r.Switched = r.Target, now
	} else {
		r.Step++
	}
	r.Ready, r.Moved, r.Promoted = time.Time{}, now, by
	return r
}

// goBack is the rollout on the way to what was good, or, with nothing to go back
// to, where it is.
func (r Rollout) goBack(reason string, now time.Time) Rollout {
	was := r.Stage
	r.Reason, r.Moved, r.Progress, r.Ready = reason, now, 0, time.Time{}
	r.Stage = Stuck
	if r.Course != nil && !r.Course.Failed {
		r.Course = r.Course.copy()
		r.Course.Failed = true
	}
	if r.Good != nil && r.GoodDigest != r.Target {
		r.Stage = Reverting
		switch {
		case was == Keeping:
			r.direct(r.GoodDigest, now)
		case r.Serving != r.GoodDigest:
			r.Serving = "" // slot by slot: both are needed until it is back
		}
	}
	return r
}

// reverted is the rollout back where it was.
func (r Rollout) reverted(now time.Time) Rollout {
	r.Stage, r.Paused = Reverted, nil
	if r.Want != nil && r.Want.Update.Strategy == schema.BlueGreen {
		r.direct(r.GoodDigest, now)
	}
	return r.takeUp()
}

// done is the rollout at its end.
func (r Rollout) done(now time.Time) Rollout {
	r.Stage, r.Reason, r.Ready, r.Paused = Done, "", time.Time{}, nil
	r.succeed()
	r.direct(r.served(), now)
	return r.takeUp()
}

// versionOf is what a slot of the i-th rollout is to run: while canaries are
// ahead, the rest stays on what was good, and comes back in that. One that has
// gone over already stays so.
func (p *pass) versionOf(i, index int, mine []entry) version {
	r := &p.facts.Rollouts[i]
	if !r.onCanary() || index < r.Want.Update.Canary[r.Step].Slots(r.Want.Replicas) {
		return p.wanted(i)
	}
	for j := range mine {
		if o := mine[j].order; o != nil && !o.Stop && o.Digest == r.Target {
			return p.wanted(i)
		}
	}
	return version{r.Good, r.GoodDigest}
}

// halt is r where it may not go on before what is ahead has been healthy for a
// while and, where that is asked for, an operator agrees. What nothing is known
// of at the moment neither goes on nor begins anew.
func (p *pass) halt(r Rollout, at halt, out *slotCount) Rollout {
	switch {
	case p.failing(&r, out):
		return p.checkDeadlines(r, out)
	case out.settled+out.unsure < at.slots:
		if !r.Ready.IsZero() {
			r.Ready, r.Moved = time.Time{}, p.in.Now
		}
		return p.checkDeadlines(r, out)
	case out.settled < at.slots:
		return p.checkDeadlines(r, out)
	case r.Ready.IsZero():
		r.Ready = p.in.Now
	}
	over := r.Ready.Add(at.pause)
	switch {
	case !out.gate.open():
	case over.After(p.in.Now):
		p.wakeAt(over)
	default:
		return p.proven(r, at, out)
	}
	return r
}

// awaitWord is r where an operator has to let it go on, and has not yet.
func (p *pass) awaitWord(r Rollout, since time.Time, within time.Duration) Rollout {
	end := p.watched(r.Ready, since).Add(within)
	if !end.After(p.in.Now) {
		return p.fail(r, "nobody promoted it within "+schema.Duration(within).String())
	}
	p.wakeAt(end)
	p.blocked = append(p.blocked, Blocked{Workload: r.Workload, Code: "promotion",
		Text: fmt.Sprintf("%s; it goes back at %s unless it is promoted", r.halted(), end.UTC().Format("2006-01-02 15:04:05 UTC")),
		Next: fmt.Sprintf("bayplan promote %s, or go back: bayplan abort %s", r.Workload, r.Workload)})
	return r
}

// halted tells where the rollout stands at a halt.
func (r *Rollout) halted() string {
	if r.comesBeside() {
		return "the new set is healthy and waits to be promoted"
	}
	at, _ := r.halts()
	return fmt.Sprintf("step %d of %d is healthy on %d of %d slots and waits to be promoted", r.Step+1, len(r.Want.Update.Canary), at.slots, r.Want.Replicas)
}

// keep is r until the old set has been kept for long enough.
func (p *pass) keep(r Rollout) Rollout {
	s := r.Want.Update.Sets()
	until := r.Switched.Add(s.Kept().D())
	if until.After(p.in.Now) {
		p.wakeAt(until)
		return r
	}
	return r.done(p.in.Now)
}
