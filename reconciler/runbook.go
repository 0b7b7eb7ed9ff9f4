package reconciler

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// An ordered rollout follows its runbook: what comes first, then the slots of
// each phase in their turns, then what comes last. A slot goes over to the new
// version in its turn only; until then what it loses comes back in the version
// that it had, and that goes on while the rollout waits. A rollout that fails goes
// back slot by slot without any step: what failed may have been just that.

// courseOf is which course the rollout has to follow in this pass; "" where none:
// nothing is replaced, as where no slot is left, or not by turns.
func (p *pass) courseOf(i int) string {
	r := &p.facts.Rollouts[i]
	if r.Stage != Rolling && r.Stage != Stuck || r.Want == nil || r.Want.Update.Strategy != schema.Ordered || r.Want.Replicas == 0 {
		return ""
	}
	b, err := json.Marshal(r.Want.Update.Runbook)
	if err != nil {
		panic("reconciler: a runbook is always JSON: " + err.Error())
	}
	of := shortHash(string(r.Target), string(b))
	if r.Course != nil && r.Course.Of == of || p.replaces(i) {
		return of
	}
	return ""
}

// shortHash is as long as a digest is in the names of instances.
func shortHash(parts ...string) string {
	h := sha256.New()
	for _, s := range parts {
		fmt.Fprintf(h, "%d %s ", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// replaces is whether any slot is, or was, on another version than the wanted
// one. What was of another kind has no turn to wait for: it ends, and no more.
func (p *pass) replaces(i int) bool {
	r := &p.facts.Rollouts[i]
	if r.Good != nil && r.GoodDigest != r.Target && r.Good.Kind == r.Want.Kind && r.Good.Replicas > 0 {
		return true
	}
	for _, e := range p.groupAt(i) {
		if e.order != nil && !e.order.Stop && e.order.Digest != r.Target && e.isKind(r.Want.Kind) {
			return true
		}
	}
	return false
}

// isKind is whether the instance was ordered as one of such a workload.
func (e *entry) isKind(k schema.Kind) bool { return e.text() != nil && e.text().Kind == k }

// mark is what a pass found of one slot of an ordered rollout.
type mark struct {
	slot         int
	current, old *entry
	settled      bool
	// serves is whether either does; comesBack whether there is a version to come
	// back in where neither is there.
	serves, comesBack bool
	// waits is whether it never was there, and may not be started yet.
	waits bool
}

func (p *pass) markOf(i int, v *slotView) mark {
	m := mark{slot: v.slot.Index, current: v.current, old: v.old, settled: v.settled, serves: v.serves}
	if v.kept { // on a node that is being drained
		m.current, m.old, m.settled = v.old, nil, true
	}
	if m.current == nil && m.old == nil {
		m.comesBack = p.present(i, v) != nil
		m.waits = v.waits && !m.comesBack
	}
	return m
}

// inTurn is the gate of one slot, within the rollout's.
func (p *pass) inTurn(i int, whole gate, slot int) gate {
	r, out := &p.facts.Rollouts[i], &p.outcome[i]
	switch {
	case !whole.open():
	case r.Stage == Reverting && r.Good != nil && r.Good.Update.Strategy == schema.Ordered:
		whole.update = whole.update && p.stepsUnderWay(i, nil) == "" && (slot >= p.highestOther(i) || p.isDown(i, slot))
	case out.course != "":
		if c := r.Course; c != nil && c.Of == out.course {
			if t := c.turn(slot); t != nil && t.At != TurnBefore || t == nil && !c.ahead(r.Want, slot) {
				return whole
			}
		}
		whole.start, whole.update = false, false
	}
	return whole
}

// highestOther is the highest slot that is not on the version that the rollout
// goes back to and could go now.
func (p *pass) highestOther(i int) int {
	_, digest := p.facts.Rollouts[i].goal()
	group := p.groupAt(i)
	for j := len(group) - 1; j >= 0; j-- {
		if e := &group[j]; e.order != nil && !e.order.Stop && e.order.Digest != digest && p.nodes[e.node].fresh() {
			return e.slot().Index
		}
	}
	return 0
}

// isDown is whether a slot has something, and all that it has is down: nobody waits
// for it, or what is to go before it would wait for ever.
func (p *pass) isDown(i, slot int) (down bool) {
	for _, e := range p.groupAt(i) {
		if e.slot().Index != slot || e.order == nil || e.order.Stop {
			continue
		}
		if down = p.down(&e); !down {
			return false
		}
	}
	return down
}

// followRunbook goes as far in the i-th rollout's runbook as the pass can.
func (p *pass) followRunbook(i int) {
	out := &p.outcome[i]
	r := &p.facts.Rollouts[i]
	if out.course == "" || r.Stage != Rolling || !out.gate.open() || out.failure != "" {
		return
	}
	k := &walker{p: p, i: i, goal: r.Want, phases: r.Want.Update.Turns(r.Want.Replicas)}
	if !k.take(r.Course, out.course) {
		return
	}
	k.hear()
	if !k.walk() && out.waiting == "" {
		out.waiting = k.standing()
	}
	k.record()
}

// record takes in how far the pass has come.
func (k *walker) record() {
	if k.changed {
		k.p.setCourse(k.i, k.c)
	}
	if k.moved {
		k.p.facts.Rollouts[k.i].Moved = k.p.in.Now
	}
}

// setCourse records it.
func (p *pass) setCourse(i int, c *Course) {
	p.editRollouts()
	p.facts.Rollouts[i].Course = c
}

// walker goes through a runbook in one pass.
type walker struct {
	p       *pass
	i       int
	goal    *schema.Workload
	phases  []schema.Phase
	c       *Course
	changed bool
	// moved is whether the rollout got further: a step ended well, or an instance
	// is where it is to be. A try alone is no progress.
	moved bool
	// ahead is whether it goes through the checks of a canary's step: they are about
	// the wanted instances alone.
	ahead bool
}

// further records that the rollout got further.
func (k *walker) further() { k.changed, k.moved = true, true }

// take goes on with the course, or begins it, once nothing of another one is
// under way any more.
func (k *walker) take(was *Course, of string) bool {
	if was != nil && was.Of == of && !was.Failed {
		k.c = was.copy()
		return true
	}
	if left := k.p.stepsUnderWay(k.i, nil); left != "" {
		k.wait("runbook-superseded", left+" of the update before it has not ended", "it ends at its timeout")
		return false
	}
	at := strconv.FormatInt(k.p.in.Now.UnixNano(), 36)
	k.c = &Course{ID: shortHash(k.goal.Name, of, at)[:12], Of: of}
	k.further()
	return true
}

func (k *walker) runbook() *schema.Runbook {
	if b := k.goal.Update.Runbook; b != nil {
		return b
	}
	return &schema.Runbook{}
}

// walk is whether the runbook's end is reached.
func (k *walker) walk() bool {
	for end := len(k.phases) + 1; k.c.Part <= end; k.c.Part++ {
		ok := false
		switch k.c.Part {
		case 0:
			ok = k.list("first", around, k.runbook().First)
		case end:
			ok = k.list("last", around, k.runbook().Last)
		default:
			ok = k.phase(&k.phases[k.c.Part-1])
		}
		if !ok {
			return false
		}
		k.further()
	}
	return true
}

func (k *walker) slot(n int) string { return schema.Slot{Workload: k.goal.Name, Index: n}.String() }

func (k *walker) explain(slot int) string { return "see why: bayplan explain " + k.slot(slot) }

// wait tells what the runbook waits for.
func (k *walker) wait(code, text, next string) bool {
	out := &k.p.outcome[k.i]
	if k.ahead {
		out.asking = text
	} else if out.waiting == "" {
		out.waiting = text
	}
	k.p.blocked = append(k.p.blocked, Blocked{Workload: k.goal.Name, Code: code, Text: text, Next: next})
	return false
}

// standing is where the runbook stands, in words.
func (k *walker) standing() string {
	for i := range k.c.Tries {
		if t := &k.c.Tries[i]; t.State != TryPassed {
			return k.name(t)
		}
	}
	for _, t := range k.c.Turns {
		if t.At == TurnChange {
			return k.slot(t.Slot) + " goes over to the new version"
		}
	}
	return "its runbook"
}

// untilTry is until when the steps under way may take: what was begun is let come
// to its end, and only then the rollout's own deadline ends it.
func (p *pass) untilTry(r *Rollout) (until time.Time) {
	if r.Course == nil || r.Course.Failed {
		return until
	}
	for i := range r.Course.Tries {
		t := &r.Course.Tries[i]
		if t.State != TryOrdered {
			continue
		}
		if s := StepOf(r.Want, t); s != nil {
			until = later(until, p.tryEnds(r.Want, s, t))
		}
	}
	return until
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
