package reconciler

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// Hold keeps the server's hands off one workload until it is released or over.
// Nothing of it is ordered: no start, no stop, no update, no move, also not where
// a node is lost or drained; what runs goes on running, and its agents restart
// what ends. What a commit asks of it meanwhile is taken in when the hold ends,
// and until then the commit is Progressing. No deadline runs.
//
// With Keep it is held on one version only: what an undo brought back is
// reconciled like any other, and only other texts wait.
type Hold struct {
	Workload string    `json:"workload"`
	Actor    string    `json:"actor"`
	At       time.Time `json:"at"`
	Reason   string    `json:"reason,omitempty"`
	// Until is when it ends by itself.
	Until time.Time `json:"until"`
	// Keep is the digest of the text that an undo brought back; a commit that asks
	// for that one ends the hold.
	Keep schema.Digest `json:"keep,omitempty"`
}

func findHold(sorted []Hold, workload string) (at int, known bool) {
	return slices.BinarySearchFunc(sorted, workload, func(h Hold, name string) int { return strings.Compare(h.Workload, name) })
}

// holdOn is the hold on a workload; nil for none.
func (f *Facts) holdOn(workload string) *Hold {
	if len(f.Holds) == 0 {
		return nil
	}
	at, known := findHold(f.Holds, workload)
	if !known {
		return nil
	}
	return &f.Holds[at]
}

// frozen is whether nothing is ordered for the workload.
func (p *pass) frozen(workload string) bool {
	h := p.facts.holdOn(workload)
	return h != nil && h.Keep == ""
}

// text is the sentence that tells of a hold.
func (h *Hold) text() string {
	return fmt.Sprintf("it is held %s (until %s)", since(h.At, h.Actor, h.Reason), h.Until.UTC().Format("2006-01-02 15:04:05 UTC"))
}

// endHolds ends what is over, and takes in what the repository asks for since.
func (p *pass) endHolds() {
	over := func(h Hold) bool {
		_, known := findRollout(p.facts.Rollouts, h.Workload)
		return !h.Until.After(p.in.Now) || !known
	}
	for i := range p.facts.Holds {
		h := &p.facts.Holds[i]
		p.wakeAt(h.Until)
		if over(*h) {
			p.endHold(h.Workload)
		}
	}
	if slices.ContainsFunc(p.facts.Holds, over) {
		p.facts.Holds = slices.DeleteFunc(slices.Clone(p.facts.Holds), over)
		p.dirty = true
	}
}

// endHold has a workload's rollout go on from now.
func (p *pass) endHold(workload string) {
	at, known := findRollout(p.facts.Rollouts, workload)
	if !known {
		return
	}
	p.editRollouts()
	r := &p.facts.Rollouts[at]
	r.Moved, r.Resumed = p.in.Now, p.in.Now
	commit := p.facts.InForce(p.facts.RepoOf(workload))
	if w := p.facts.Spec.Workload(workload); w != nil {
		p.adoptOne(w, commit)
	} else if r.Want != nil {
		p.removeOne(at, commit)
	}
}

// heldBack is whether the newest text of a workload waits for its hold to end;
// what an undo brought back and the repository now asks for ends it instead.
func (p *pass) heldBack(workload string, text *schema.Workload) bool {
	h := p.facts.holdOn(workload)
	if h == nil {
		return false
	}
	if h.Keep != "" && text != nil && p.landed(h, text) {
		at, _ := findHold(p.facts.Holds, workload)
		p.facts.Holds = slices.Delete(slices.Clone(p.facts.Holds), at, at+1)
		return false
	}
	return true
}

// landed is whether the repository asks for what an undo brought back, be it that
// a tag of it has moved since.
func (p *pass) landed(h *Hold, text *schema.Workload) bool {
	r := p.rollout(h.Workload)
	return text.Digest() == h.Keep || r != nil && r.Good != nil && unpinned(text).Digest() == unpinned(plain(r.Good)).Digest()
}

func unpinned(w *schema.Workload) *schema.Workload {
	text := w.WithPins(func(string) string { return "" })
	return &text
}

// late is whether the workload's newest text is not taken in yet, since it is
// held.
func (p *pass) late(r *Rollout) bool {
	if p.facts.holdOn(r.Workload) == nil {
		return false
	}
	w := p.facts.Spec.Workload(r.Workload)
	if w == nil || r.Want == nil {
		return w != nil || r.Want != nil
	}
	return lateText(r, w)
}

// lateText is whether the rollout steers to another text than w.
func lateText(r *Rollout, w *schema.Workload) bool {
	want, restarts := r.asks()
	return want == nil || !schema.SameText(want, restarted(w, restarts))
}

// keepStill walks a workload that is held: what was told to stop is seen to its
// end, all else stays as it is and is counted.
func (p *pass) keepStill(i int) {
	r, out := &p.facts.Rollouts[i], &p.outcome[i]
	goal, digest := r.goal()
	group := p.groupAt(i)
	for rest := group; len(rest) > 0; {
		var mine []entry
		mine, rest = cut(rest, rest[0].slot().Index)
		if goal == nil {
			p.forgetEnded(mine)
			out.left += len(mine)
			continue
		}
		v := p.viewSlot(goal, digest, mine[0].slot(), mine)
		out.desired++
		if v.settled || v.kept {
			out.settled++
		}
	}
	if goal != nil && goal.Kind != schema.Daemon {
		out.desired = goal.Replicas
	}
}

func (p *pass) forgetEnded(mine []entry) {
	for j := range mine {
		if e := &mine[j]; e.order != nil && e.order.Stop {
			p.forgetIfGone(e)
		}
	}
}

// onHold closes the gate of a workload that is held.
func (p *pass) onHold(i int) gate {
	r := &p.facts.Rollouts[i]
	h := p.facts.holdOn(r.Workload)
	if h == nil || h.Keep != "" {
		return open
	}
	return gate{why: Blocked{Workload: r.Workload, Code: "on-hold", Text: h.text(), Next: "bayplan release " + r.Workload}}
}

// onPause closes the gate of a rollout that was paused.
func (p *pass) onPause(i int) gate {
	r := &p.facts.Rollouts[i]
	if r.Paused == nil {
		return open
	}
	return gate{why: Blocked{Workload: r.Workload, Code: "paused", Text: "its rollout is paused " + since(r.Paused.At, r.Paused.Actor, r.Paused.Reason),
		Next: "bayplan resume " + r.Workload}}
}
