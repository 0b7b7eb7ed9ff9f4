package reconciler

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// A rollout waits for the workloads that its text names in After to come to
// their newest text first. Once it has begun it is not held up again: a
// dependency that restarts later stops nobody.

// inOrder are the rollouts, what others wait for before those, and by name
// otherwise. What waits in a circle is marked.
func (p *pass) inOrder() []int32 {
	p.walk, p.visits = p.walk[:0], slices.Grow(p.visits[:0], len(p.facts.Rollouts))[:len(p.facts.Rollouts)]
	clear(p.visits)
	for i := range p.facts.Rollouts {
		p.visit(int32(i))
	}
	return p.walk
}

// visit is how far inOrder is with a rollout.
type visit uint8

const (
	unseen visit = iota
	under        // on the way that is being followed
	done
	circling // done, and it waits for itself
)

func (p *pass) visit(i int32) {
	if p.visits[i] != unseen {
		return
	}
	p.visits[i] = under
	end := done
	if w := p.facts.Rollouts[i].Want; w != nil {
		for _, a := range w.After {
			d, known := p.byName[a.Workload]
			if !known {
				continue
			}
			p.visit(d)
			if p.visits[d] == under || p.visits[d] == circling && p.circle(i) != nil {
				end = circling
			}
		}
	}
	p.visits[i] = end
	p.walk = append(p.walk, i)
}

// circle is the way on which a rollout waits for itself; nil for none.
func (p *pass) circle(i int32) []string {
	return schema.Circle(p.facts.Rollouts[i].Workload, func(name string) []schema.After {
		if r := p.rollout(name); r != nil && r.Want != nil {
			return r.Want.After
		}
		return nil
	})
}

// letThrough begins the i-th rollout once nothing comes before it any more; from
// then on its deadlines run.
func (p *pass) letThrough(i int) {
	r := &p.facts.Rollouts[i]
	if r.Stage == Waiting && r.Paused == nil && !p.frozen(r.Workload) && p.beforeIt(i) == nil {
		p.editRollouts()
		r = &p.facts.Rollouts[i]
		r.Stage, r.Moved = Rolling, p.in.Now
	}
}

// afterOthers closes the gate of a rollout that has not begun. Slots that are
// lost meanwhile come back as they were, since that is what it steers to.
func (p *pass) afterOthers(i int) gate {
	r := &p.facts.Rollouts[i]
	if r.Stage != Waiting {
		return open
	}
	g := *p.beforeIt(i)
	g.start = r.Good != nil
	return g
}

// beforeIt is what has to come before the i-th rollout, as a gate that is
// closed; nil for nothing.
func (p *pass) beforeIt(i int) *gate {
	r := &p.facts.Rollouts[i]
	if p.visits[i] == circling {
		way := strings.Join(p.circle(int32(i)), " → ")
		return waits(r, true, "it would wait for itself: "+way, "take one of them out of after")
	}
	for _, a := range r.Want.After {
		if text, ended := p.unmet(r, a); text != "" {
			return waits(r, ended, "waits for "+a.Workload+": "+text, "see: bayplan status "+a.Workload)
		}
	}
	return nil
}

// InVain is the code of a Blocked that waits for what will not come by itself,
// Waits of one whose turn will come.
const (
	Waits  = "waits"
	InVain = "waits-in-vain"
)

func waits(r *Rollout, ended bool, text, next string) *gate {
	code := Waits
	if ended {
		code = InVain
	}
	return &gate{ended: ended, why: Blocked{Workload: r.Workload, Code: code, Text: text, Next: next}}
}

// unmet is why another workload is not what it has to be for r, and whether it
// will not be by itself; "" where it is. It was walked before.
func (p *pass) unmet(r *Rollout, a schema.After) (text string, ended bool) {
	d, known := p.byName[a.Workload]
	if !known {
		return "there is no such workload", true
	}
	other, out := &p.facts.Rollouts[d], &p.outcome[d]
	is := schema.Healthy
	if other.Want != nil {
		is = a.Condition(other.Want.Kind)
	}
	switch other.Stage {
	case Waiting:
		return "it " + strings.TrimPrefix(out.gate.why.Text, "it "), out.gate.ended
	case Removing:
		return "it is being removed", true
	case Stuck, Reverted:
		return "its newest version failed: " + other.Reason, true
	case Reverting:
		return "it goes back from its newest version: " + other.Reason, !p.deadline(other).After(p.in.Now)
	case Rolling:
		if other.Want.Kind.Runs() && other.Reason != "" {
			return "it gets no further: " + other.Reason, true
		}
	case Done:
		if is != schema.Healthy || out.settled >= out.desired {
			return "", false
		}
		until := p.watched(r.Began).Add(r.Want.Update.ProgressDeadline.D())
		p.wakeAt(until)
		return fmt.Sprintf("%d of %d are healthy", out.settled, out.desired), !until.After(p.in.Now)
	}
	if is == schema.Started && out.started >= out.desired {
		return "", false
	}
	return "it is not " + string(is) + " yet", false
}
