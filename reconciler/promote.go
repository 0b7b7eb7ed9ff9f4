package reconciler

import (
	"fmt"
	"slices"
)

// The verbs on an update that is under way.
const (
	// PromoteWorkload lets an update go on from where it halts, AbortWorkload takes
	// one back, also while the old set of one that went over is kept.
	PromoteWorkload Verb = "promote"
	AbortWorkload   Verb = "abort"
)

// promote goes on from a halt that has been reached, without waiting there any
// longer.
func promote(f *Facts, w *Wish) (Granted, error) {
	at, known := findRollout(f.Rollouts, w.Of)
	if !known {
		return Granted{}, unknown("there is no workload %s; see: bayplan status", w.Of)
	}
	if err := f.free(w.Of); err != nil {
		return Granted{}, err
	}
	r := f.Rollouts[at]
	if _, halts := r.halts(); !halts || r.Ready.IsZero() || len(r.Checks()) > 0 {
		return Granted{}, refuse("%s", r.notWaiting())
	}
	next := r.goOn(&Said{Actor: w.Actor, Reason: w.Reason, At: w.At}, w.At)
	f.Rollouts = slices.Clone(f.Rollouts)
	f.Rollouts[at] = next
	text := fmt.Sprintf("%s goes on after step %d of %d", r.Workload, r.Step+1, len(r.Want.Update.Canary))
	if next.Stage == Keeping {
		text = fmt.Sprintf("%s is promoted: traffic goes to %s", r.Workload, next.Serving.Short())
	}
	return Granted{Workload: r.Workload, Serving: next.Serving, Text: text + ", promoted " + by(w.Actor, w.Reason), Next: "bayplan status -w " + r.Workload}, nil
}

// notWaiting is why there is nothing to promote, and what to type instead.
func (r *Rollout) notWaiting() string {
	text := ""
	switch at, halts := r.halts(); {
	case halts && !r.Ready.IsZero():
		text = r.unchecked()
	case halts && r.Paused != nil:
		return fmt.Sprintf("%s cannot be promoted yet: its update is paused %s; to go on: bayplan resume %s", r.Workload,
			since(r.Paused.At, r.Paused.Actor, r.Paused.Reason), r.Workload)
	case halts && r.comesBeside():
		text = fmt.Sprintf("%s cannot be promoted yet: its new set is not healthy on all %d slots", r.Workload, at.slots)
	case halts:
		text = fmt.Sprintf("%s cannot be promoted yet: step %d of %d is not healthy on %d slots", r.Workload, r.Step+1, len(r.Want.Update.Canary), at.slots)
	case r.Stage == Keeping:
		text = fmt.Sprintf("%s went over to %s already", r.Workload, r.Target.Short())
	default:
		text = fmt.Sprintf("%s waits for no promotion: it is %s", r.Workload, r.Stage)
	}
	if r.Promoted != nil {
		text += ", promoted at " + r.Promoted.At.UTC().Format("2006-01-02 15:04:05 UTC") + " " + by(r.Promoted.Actor, r.Promoted.Reason)
	}
	return text + "; see: bayplan status " + r.Workload
}

// abort goes back to what was good before.
func abort(f *Facts, w *Wish) (Granted, error) {
	at, known := findRollout(f.Rollouts, w.Of)
	if !known {
		return Granted{}, unknown("there is no workload %s; see: bayplan status", w.Of)
	}
	if err := f.free(w.Of); err != nil {
		return Granted{}, err
	}
	r := f.Rollouts[at]
	if why := r.notAborted(); why != "" {
		return Granted{}, refuse("%s; see: bayplan status %s", why, r.Workload)
	}
	next := r.goBack("aborted "+by(w.Actor, w.Reason), w.At)
	next.Paused = nil // it is on its way back, as an undo is
	f.Rollouts = slices.Clone(f.Rollouts)
	f.Rollouts[at] = next
	if r.Stage == Keeping {
		f.takeBack(&next)
	}
	text := fmt.Sprintf("%s goes back to %s, aborted %s", r.Workload, r.GoodDigest.Short(), by(w.Actor, w.Reason))
	return Granted{Workload: r.Workload, Serving: next.Serving, Text: text, Next: "bayplan status -w " + r.Workload}, nil
}

// notAborted is why there is nothing to take back; "" where there is.
func (r *Rollout) notAborted() string {
	switch {
	case r.Stage == Reverting || r.Stage == Reverted:
		return fmt.Sprintf("%s is %s already: %s", r.Workload, r.Stage, r.Reason)
	case r.Stage == Waiting:
		return fmt.Sprintf("%s has not begun its update; to keep it from beginning, hold it (bayplan hold %s) or revert its commit", r.Workload, r.Workload)
	case r.Stage != Rolling && r.Stage != Keeping:
		return fmt.Sprintf("%s has no update under way: it is %s; to go back from one that ended, revert its commit", r.Workload, r.Stage)
	case r.Good == nil || r.GoodDigest == r.Target:
		return fmt.Sprintf("%s has nothing to go back to: no other version of it was ever healthy", r.Workload)
	}
	return ""
}
