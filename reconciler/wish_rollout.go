package reconciler

import (
	"fmt"
	"slices"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// The verbs on workloads.
const (
	// HoldWorkload stops reconciling one, ReleaseWorkload ends that.
	HoldWorkload    Verb = "hold"
	ReleaseWorkload Verb = "release"
	// PauseRollout has a rollout take no further step, ResumeRollout go on.
	PauseRollout  Verb = "pause"
	ResumeRollout Verb = "resume"
	// RestartWorkload replaces every instance as an update would.
	RestartWorkload Verb = "restart"
	// RetryRollout tries a version again that had failed.
	RetryRollout Verb = "retry"
	// UndoRollout goes back to the version before and stays there.
	UndoRollout Verb = "undo"
)

const (
	// holdFor is how long a hold lasts if nobody says: as long as someone looks
	// into something, and short enough that a forgotten one ends by itself.
	holdFor = 2 * time.Hour
	// undoFor is how long an undo keeps other texts away: until a revert is
	// reviewed and merged.
	undoFor = 24 * time.Hour
)

// rolloutOf is a copy of a workload's rollout, to be changed and put back.
func rolloutOf(f *Facts, name string) (Rollout, error) {
	at, known := findRollout(f.Rollouts, name)
	switch {
	case !known:
		return Rollout{}, unknown("there is no workload %s; see: bayplan status", name)
	case f.Rollouts[at].Stage == Removing:
		return Rollout{}, refuse("%s is being removed; see: bayplan status %s", name, name)
	}
	return f.Rollouts[at], nil
}

// put is f with the rollout in the place of the one of its name.
func (f *Facts) put(r Rollout) {
	at, _ := findRollout(f.Rollouts, r.Workload)
	f.Rollouts = slices.Clone(f.Rollouts)
	f.Rollouts[at] = r
}

// ended is whether the rollout came to an end, good or bad.
func (r *Rollout) ended() bool { return r.Stage == Done || r.Stage == Reverted || r.Stage == Stuck }

// free refuses what a hold on the workload forbids.
func (f *Facts) free(name string) error {
	if h := f.holdOn(name); h != nil && h.Keep == "" {
		return refuse("%s: %s; first: bayplan release %s", name, h.text(), name)
	}
	return nil
}

func granted(w *Wish, next, format string, a ...any) Granted {
	return Granted{Workload: w.Of, Text: fmt.Sprintf(format, a...) + " " + by(w.Actor, w.Reason), Next: next}
}

func hold(f *Facts, w *Wish) (Granted, error) {
	if _, err := rolloutOf(f, w.Of); err != nil {
		return Granted{}, err
	}
	if w.Reason == "" {
		return Granted{}, refuse("say why %s is to be held, for those who find it so: bayplan hold %s --reason …", w.Of, w.Of)
	}
	at, known := findHold(f.Holds, w.Of)
	if known {
		return Granted{}, refuse("%s: %s; first: bayplan release %s", w.Of, f.Holds[at].text(), w.Of)
	}
	h := Hold{Workload: w.Of, Actor: w.Actor, At: w.At, Reason: w.Reason, Until: w.At.Add(orElse(w.For, holdFor))}
	f.Holds = slices.Insert(slices.Clone(f.Holds), at, h)
	return granted(w, "bayplan rollout "+w.Of, "%s is held until %s", w.Of, h.Until.UTC().Format("2006-01-02 15:04:05 UTC")), nil
}

func orElse(d, other time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return other
}

// release lets the next pass end the hold, which takes in what came meanwhile.
func release(f *Facts, w *Wish) (Granted, error) {
	if _, err := rolloutOf(f, w.Of); err != nil {
		return Granted{}, err
	}
	at, known := findHold(f.Holds, w.Of)
	if !known {
		return Granted{}, refuse("%s is not held; see: bayplan rollout %s", w.Of, w.Of)
	}
	f.Holds = slices.Clone(f.Holds)
	f.Holds[at].Until = w.At
	return granted(w, "bayplan rollout "+w.Of, "%s is released", w.Of), nil
}

func pause(f *Facts, w *Wish) (Granted, error) {
	r, err := rolloutOf(f, w.Of)
	switch {
	case err != nil:
		return Granted{}, err
	case r.Paused != nil:
		return Granted{}, refuse("the rollout of %s is paused %s; to go on: bayplan resume %s", w.Of, since(r.Paused.At, r.Paused.Actor, r.Paused.Reason), w.Of)
	case r.ended():
		return Granted{}, refuse("%s has no rollout under way; to keep the next one from beginning: bayplan hold %s --reason …", w.Of, w.Of)
	}
	r.Paused = &Pause{Actor: w.Actor, At: w.At, Reason: w.Reason}
	f.put(r)
	return granted(w, "bayplan rollout "+w.Of, "the rollout of %s is paused", w.Of), nil
}

func resume(f *Facts, w *Wish) (Granted, error) {
	r, err := rolloutOf(f, w.Of)
	switch {
	case err != nil:
		return Granted{}, err
	case r.Paused == nil && f.holdOn(w.Of) != nil:
		return Granted{}, refuse("%s is held, not paused: bayplan release %s", w.Of, w.Of)
	case r.Paused == nil:
		return Granted{}, refuse("the rollout of %s is not paused; see: bayplan rollout %s", w.Of, w.Of)
	}
	r.Paused, r.Moved, r.Resumed = nil, w.At, w.At
	f.put(r)
	return granted(w, "bayplan rollout "+w.Of+" -w", "the rollout of %s goes on", w.Of), nil
}

// restart counts the workload's restarts up, which is another version of the
// same text: of the one that it runs, be that what it went back to.
func restart(f *Facts, w *Wish) (Granted, error) {
	r, err := rolloutOf(f, w.Of)
	switch {
	case err != nil:
		return Granted{}, err
	case f.free(w.Of) != nil:
		return Granted{}, f.free(w.Of)
	case r.Want.Kind == schema.Job || r.Want.Kind == schema.Cron:
		return Granted{}, refuse("%s is a %s: it runs to its end, and there is nothing to keep running; see: bayplan status %s", w.Of, r.Want.Kind, w.Of)
	case !r.ended():
		return Granted{}, refuse("%s has a rollout under way (%s); wait for its end first: bayplan rollout %s -w", w.Of, r.doing(), w.Of)
	case r.Stage == Reverted && r.Good.Kind.Runs():
		return Granted{}, refuse("%s went back to a %s, which runs to its end, and there is nothing to keep running; see: bayplan status %s", w.Of, r.Good.Kind, w.Of)
	case r.Stage == Reverted && !r.Restarting():
		r.setAside()
	}
	r.Restarts++
	r.Want = restarted(plain(r.Want), r.Restarts)
	r.begin(r.Want.Digest(), w.At)
	f.put(r)
	return granted(w, "bayplan rollout "+w.Of+" -w", "%s is restarted", w.Of), nil
}

// begin has the rollout start for a version, from now and from its first step.
func (r *Rollout) begin(target schema.Digest, now time.Time) {
	r.Target, r.Stage, r.Reason, r.Progress, r.Paused = target, Rolling, "", 0, nil
	r.Began, r.Moved, r.Course = now, now, nil
	r.Step, r.Failed, r.Promoted, r.Retried, r.Ready = 0, nil, nil, nil, time.Time{}
	r.direct(r.served(), now)
}

// doing tells a rollout that is under way in a few words.
func (r *Rollout) doing() string {
	switch {
	case r.Stage == Rolling && restartsOf(r.Want) > 0:
		return "a restart since " + r.Began.UTC().Format("15:04:05 UTC")
	case r.Stage == Waiting:
		return "it waits for others"
	}
	return string(r.Stage) + " since " + r.Moved.UTC().Format("15:04:05 UTC")
}

func retry(f *Facts, w *Wish) (Granted, error) {
	r, err := rolloutOf(f, w.Of)
	switch {
	case err != nil:
		return Granted{}, err
	case f.holdOn(w.Of) != nil:
		return Granted{}, refuse("%s: %s; first: bayplan release %s", w.Of, f.holdOn(w.Of).text(), w.Of)
	case !r.ended():
		return Granted{}, refuse("%s has a rollout under way (%s); see: bayplan rollout %s", w.Of, r.doing(), w.Of)
	case r.Stage == Done && r.Want.Kind.Runs():
		return Granted{}, refuse("the newest run of %s did not fail, and what has run never runs again; see: bayplan status %s", w.Of, w.Of)
	case r.Stage == Done:
		return Granted{}, refuse("the newest version of %s did not fail; to have it run anew: bayplan restart %s", w.Of, w.Of)
	}
	f.retryRun(w.Of, w.At)
	r.begin(r.Target, w.At)
	r.Retried = &Said{Actor: w.Actor, Reason: w.Reason, At: w.At}
	f.put(r)
	return granted(w, "bayplan rollout "+w.Of+" -w", "%s is tried again in version %s", w.Of, r.Target.Short()), nil
}

// undo goes back to the version before, quarantines the present one, and keeps
// other texts away until the repository asks for what runs then.
func undo(f *Facts, w *Wish) (Granted, error) {
	r, err := rolloutOf(f, w.Of)
	if err != nil {
		return Granted{}, err
	}
	if h := f.holdOn(w.Of); h != nil {
		return Granted{}, refuse("%s: %s; first: bayplan release %s", w.Of, h.text(), w.Of)
	}
	if r.Want.Kind == schema.Job || r.Want.Kind == schema.Cron {
		return Granted{}, refuse("%s is a %s: what has run cannot be undone; revert its commit in Git", w.Of, r.Want.Kind)
	}
	if r.Stage == Done {
		r.Good, r.GoodCommit, r.Before, r.BeforeCommit = r.Before, r.BeforeCommit, nil, ""
	}
	if r.Good == nil {
		return Granted{}, refuse("%s has no good version before this one; see: bayplan history %s", w.Of, w.Of)
	}
	r.GoodDigest = r.Good.Digest()
	switch {
	case r.Stage == Reverted || r.Stage == Reverting:
	case r.GoodDigest == r.Target:
		return Granted{}, refuse("%s has no other version that was good; see: bayplan history %s", w.Of, w.Of)
	case r.Stage == Keeping:
		r = r.goBack("undone "+by(w.Actor, w.Reason), w.At)
		f.takeBack(&r)
	default:
		r = r.goBack("undone "+by(w.Actor, w.Reason), w.At)
	}
	r.Paused = nil
	f.put(r)
	at, _ := findHold(f.Holds, w.Of)
	f.Holds = slices.Insert(slices.Clone(f.Holds), at, Hold{Workload: w.Of, Actor: w.Actor, At: w.At, Until: w.At.Add(orElse(w.For, undoFor)),
		Reason: "undone" + trail(": ", w.Reason), Keep: plain(r.Good).Digest()})
	g := granted(w, "bayplan rollout "+w.Of, "%s goes back to version %s", w.Of, r.GoodDigest.Short())
	g.Commit = r.GoodCommit
	return g, nil
}

// trail is a text after a mark; nothing where there is no text.
func trail(mark, text string) string {
	if text == "" {
		return ""
	}
	return mark + text
}
