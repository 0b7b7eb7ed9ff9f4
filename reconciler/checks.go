package reconciler

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// A canary's step may ask for checks: what goes ahead is healthy for its pause,
// the checks are made in their order, and only then an operator is asked or the
// next step begins. They are steps as a runbook has them, recorded and tried as
// those are; one that fails for good takes the update back.

// checkList is the name of the list of a canary's step, counted from 0.
func checkList(step int) string { return checkPrefix + strconv.Itoa(step+1) }

const checkPrefix = "canary "

// checksIn are the checks of the list of that name; nil where it is of none.
func checksIn(u *schema.Update, list string) []schema.Step {
	number, of := strings.CutPrefix(list, checkPrefix)
	if n, err := strconv.Atoi(number); of && err == nil && n >= 1 && n <= len(u.Canary) {
		return u.Canary[n-1].Checks
	}
	return nil
}

// Checks are those that the rollout has to make where it stands; none where it
// is at no such step, or where they have passed.
func (r *Rollout) Checks() []schema.Step {
	of := r.checks()
	if of == "" || r.Course != nil && r.Course.Of == of && r.Course.Part > 0 {
		return nil
	}
	return r.Want.Update.Canary[r.Step].Checks
}

// checks is which course the checks of its step are; "" where it has none.
func (r *Rollout) checks() string {
	if !r.onCanary() {
		return ""
	}
	s := &r.Want.Update.Canary[r.Step]
	if len(s.Checks) == 0 || s.Slots(r.Want.Replicas) == 0 { // no slot, nothing to ask
		return ""
	}
	b, err := json.Marshal(s.Checks)
	if err != nil {
		panic("reconciler: checks are always JSON: " + err.Error())
	}
	return shortHash(string(r.Target), checkList(r.Step), string(b))
}

// Checking is whether the checks of its step have begun and have not passed.
func (r *Rollout) Checking() bool {
	return !r.Ready.IsZero() && len(r.Checks()) > 0 && r.Course != nil && r.Course.Of == r.checks()
}

// makeChecks goes as far in the checks of the i-th rollout's step as the pass can.
func (p *pass) makeChecks(i int) {
	r, out := &p.facts.Rollouts[i], &p.outcome[i]
	checks := r.Checks()
	if len(checks) == 0 || r.Ready.IsZero() || !out.gate.open() || out.failure != "" {
		return
	}
	at, _ := r.halts()
	if out.settled < at.slots || r.Ready.Add(at.pause).After(p.in.Now) {
		return
	}
	k := &walker{p: p, i: i, goal: r.Want, ahead: true}
	if !k.take(r.Course, out.checks) {
		return
	}
	k.hear()
	if k.list(checkList(r.Step), at.slots-1, checks) {
		k.c.Part++
		k.further()
	} else if out.asking == "" {
		out.asking = k.standing()
	}
	k.record()
}

// running is the wanted instance of a slot, where that runs.
func (k *walker) running(slot int) *entry {
	r, group := &k.p.facts.Rollouts[k.i], k.p.groupAt(k.i)
	for j := range group {
		e := &group[j]
		if e.order != nil && !e.order.Stop && e.slot().Index == slot && e.order.Digest == r.Target && k.p.runsNow(e) {
			return e
		}
	}
	return nil
}

// asked is whether the instance that a try is about is to stay where it was asked.
// What one says that is drained or evicted meanwhile tells nothing of its version.
func (k *walker) asked(t *Try) bool {
	r, group := &k.p.facts.Rollouts[k.i], k.p.groupAt(k.i)
	for j := range group {
		e := &group[j]
		if e.order != nil && !e.order.Stop && e.slot().Index == t.On && e.order.Digest == r.Target && k.p.nodes[e.node].fact.Name == t.Node {
			return true
		}
	}
	return false
}

// proven is r at a halt once what is ahead of the rest has been healthy for its
// time, and while that is being checked.
func (p *pass) proven(r Rollout, at halt, out *slotCount) Rollout {
	if len(r.Checks()) > 0 {
		return p.checkDeadlines(r, out)
	}
	if !at.approve {
		return r.goOn(nil, p.in.Now)
	}
	since := r.Ready.Add(at.pause)
	if r.checks() != "" {
		since = later(since, r.Moved)
	}
	return p.awaitWord(r, since, at.within)
}

// unchecked is where the rollout's checks stand, for who would have it go on.
func (r *Rollout) unchecked() string {
	return fmt.Sprintf("%s cannot be promoted yet: the checks of step %d of %d have not passed", r.Workload, r.Step+1, len(r.Want.Update.Canary))
}
