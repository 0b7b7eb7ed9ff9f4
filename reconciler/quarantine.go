package reconciler

import "github.com/bayplan/bayplan/schema"

// Quarantine is the version that the repository asks for and that failed, while
// an operator has the one restarted that the workload went back to: for so long
// the rollout is about that. It comes back into the rollout at the restart's end.
type Quarantine struct {
	Want   *schema.Workload `json:"want"`
	Target schema.Digest    `json:"target"`
	Commit string           `json:"commit"`
	Reason string           `json:"reason,omitempty"`
	Failed *Failures        `json:"failed,omitempty"`
	// Restarts is how often that version was restarted.
	Restarts int `json:"restarts,omitempty"`
}

// setAside makes what a workload went back to the version that is wanted.
func (r *Rollout) setAside() {
	r.Quarantined = &Quarantine{Want: r.Want, Target: r.Target, Commit: r.Commit, Reason: r.Reason, Failed: r.Failed, Restarts: r.Restarts}
	r.Want, r.Commit, r.Restarts = r.Good, r.GoodCommit, restartsOf(r.Good)
}

// takeUp is the rollout at the end of such a restart, good or bad: back on what
// is good, and what the repository asks for stays in quarantine.
func (r Rollout) takeUp() Rollout {
	if q := r.Quarantined; q != nil {
		r.Want, r.Target, r.Commit, r.Reason, r.Failed, r.Restarts = q.Want, q.Target, q.Commit, q.Reason, q.Failed, q.Restarts
		r.Stage, r.Quarantined, r.Course = Reverted, nil, nil
	}
	return r
}

// asks is the newest text that was taken in, with how often it was restarted.
func (r *Rollout) asks() (*schema.Workload, int) {
	if q := r.Quarantined; q != nil {
		return q.Want, q.Restarts
	}
	return r.Want, r.Restarts
}

// stillAside is whether the text is the version in quarantine, which is then known
// by the newer text.
func (r *Rollout) stillAside(w *schema.Workload, commit string) bool {
	q := r.Quarantined
	if q == nil {
		return false
	}
	text := *restarted(w, q.Restarts)
	if text.Digest() != q.Target {
		return false
	}
	next := *q
	next.Want, next.Commit = &text, commit
	r.Quarantined = &next
	return true
}

// Restarting is whether the rollout goes to the version that it comes from: an
// operator has it restarted, and no commit asks for that.
func (r *Rollout) Restarting() bool {
	return r.Want != nil && r.Good != nil && restartsOf(r.Want) > 0 && r.GoodDigest != r.Target && plain(r.Good).Digest() == plain(r.Want).Digest()
}
