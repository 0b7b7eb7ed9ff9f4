package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// Rollout is a workload's way from one version to another: the answer of
// `bayplan rollout`.
type Rollout struct {
	// Stage is one of reconciler's: "waiting", "rolling", "done", "reverting",
	// "reverted", "stuck", "removing".
	Stage reconciler.Stage `json:"stage"`
	// From is the last good version, absent for a first one or where nothing
	// changes; To is what the repository asks for, by Commit.
	From   schema.Digest `json:"from,omitempty"`
	To     schema.Digest `json:"to,omitempty"`
	Commit string        `json:"commit,omitempty"`
	// Strategy tells the way in words.
	Strategy string    `json:"strategy,omitempty"`
	Began    time.Time `json:"began"`
	// Deadline is until when it must have got further; absent where none runs.
	Deadline time.Time `json:"deadline,omitzero"`
	// Done, Moving and Left count slots: healthy where they are to go, on the way
	// there, and not begun.
	Done   int `json:"done"`
	Moving int `json:"moving,omitempty"`
	Left   int `json:"left,omitempty"`
	// Waits is what it waits for, Next what to do about that.
	Waits string `json:"waits,omitempty"`
	Next  string `json:"next,omitempty"`
	// Reason is why it failed.
	Reason string `json:"reason,omitempty"`
	// Restarts is how often an operator had it restarted in this text.
	Restarts int `json:"restarts,omitempty"`
	// Quarantined is what the repository asks for and failed, while To is restarted,
	// which the workload went back to; absent otherwise.
	Quarantined schema.Digest `json:"quarantined,omitempty"`
	// Undo is the commit whose version an undo would go back to; absent where there
	// is none.
	Undo string `json:"undo,omitempty"`
	// Paused and Hold are who stopped it; absent while it may go on.
	Paused *reconciler.Pause `json:"paused,omitempty"`
	Hold   *reconciler.Hold  `json:"hold,omitempty"`
}

// Ended is whether it goes no further without a new cause.
func (r *Rollout) Ended() bool {
	return r.Stage == reconciler.Done || r.Stage == reconciler.Reverted || r.Stage == reconciler.Stuck
}

func holdOf(all []reconciler.Hold, workload string) *reconciler.Hold {
	at, known := slices.BinarySearchFunc(all, workload, func(h reconciler.Hold, name string) int { return strings.Compare(h.Workload, name) })
	if !known {
		return nil
	}
	return &all[at]
}

func (b *builder) rollout(w *Workload, r *reconciler.Rollout) *Rollout {
	out := &Rollout{Stage: r.Stage, To: r.Target, Commit: r.Commit, Began: r.Began, Reason: r.Reason, Restarts: r.Restarts,
		Paused: r.Paused, Hold: holdOf(b.in.Facts.Holds, r.Workload)}
	switch {
	case r.Stage == reconciler.Done:
		out.Undo = r.BeforeCommit
	case r.Good != nil:
		out.Undo = r.GoodCommit
	}
	if r.GoodDigest != r.Target {
		out.From = r.GoodDigest
	}
	if r.Quarantined != nil {
		out.Quarantined = r.Quarantined.Target
	}
	if r.Want == nil {
		return out
	}
	if out.From != "" {
		out.Strategy = strategyText(r.Want)
	}
	running := r.Stage == reconciler.Rolling || r.Stage == reconciler.Reverting
	if running && (r.Ready.IsZero() || r.Checking()) && out.Paused == nil && (out.Hold == nil || out.Hold.Keep != "") {
		out.Deadline = r.Moved.Add(r.Want.Update.ProgressDeadline.D())
	}
	_, to := goalOf(r)
	out.Done, out.Moving = progressOf(w.Slots, to)
	out.Left = max(w.Desired-out.Done-out.Moving, 0)
	b.waits(out, r.Workload)
	return out
}

// goalOf is where the slots are to go: to what the repository asks for, or back.
func goalOf(r *reconciler.Rollout) (*schema.Workload, schema.Digest) {
	if (r.Stage == reconciler.Waiting || r.Stage == reconciler.Reverting || r.Stage == reconciler.Reverted) && r.Good != nil {
		return r.Good, r.GoodDigest
	}
	return r.Want, r.Target
}

// backReason is why it went back and, where that changes it, to how many slots.
func backReason(r *reconciler.Rollout) string {
	good, want := r.Good, r.Want
	if good == nil || want == nil || good.Replicas == want.Replicas || good.Kind == schema.Daemon {
		return r.Reason
	}
	return fmt.Sprintf("%s; the good version has %d of the %d slots asked for", r.Reason, good.Replicas, want.Replicas)
}

// progressOf counts the slots that are healthy in a version and have nothing
// else left, and those that are on their way there.
func progressOf(all []Slot, to schema.Digest) (done, moving int) {
	for len(all) > 0 {
		name := all[0].Slot
		there, healthy, others := false, false, false
		for len(all) > 0 && all[0].Slot == name {
			s := &all[0]
			all = all[1:]
			if s.Digest != to || s.Stopping {
				others = true
				continue
			}
			there = true
			healthy = healthy || s.Phase == nodes.Running && (s.Health == nodes.Healthy || s.Health == nodes.NoCheck)
		}
		switch {
		case healthy && !others:
			done++
		case there:
			moving++
		}
	}
	return done, moving
}

// waits tells what keeps a rollout; of several things the first.
func (b *builder) waits(out *Rollout, workload string) {
	for i := range b.in.Blocked {
		if x := &b.in.Blocked[i]; x.Workload == workload {
			out.Waits, out.Next = x.Text, x.Next
			if x.Slot.Workload != "" {
				out.Waits = x.Slot.String() + ": " + x.Text
			}
			return
		}
	}
	if h := out.Hold; h != nil {
		out.Waits, out.Next = fmt.Sprintf("it is kept on this version by %s until %s", h.Actor, h.Until.UTC().Format("2006-01-02 15:04:05 UTC")), "bayplan release "+workload
	}
}

// tellHold warns that a change waits for an operator.
func (c *PreviewChange) tellHold(f *reconciler.Facts) {
	if h := holdOf(f.Holds, c.Workload); h != nil && c.Action != "" {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%s is held by %s until %s: this waits for that", c.Workload, h.Actor, h.Until.UTC().Format("2006-01-02 15:04:05 UTC")))
	}
}

// holdEvents tell of holds that ended.
func holdEvents(before, after []reconciler.Hold, at time.Time) (events []Event) {
	for i := range before {
		if h := &before[i]; holdOf(after, h.Workload) == nil {
			events = append(events, Event{Time: at, Kind: "rollout", Workload: h.Workload, Text: h.Workload + " is held no more"})
		}
	}
	return events
}
