package reconciler

import (
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Facts are the few things that must outlive the server. All else is rebuilt
// from Git and the nodes. A pass returns them anew; what differs is recorded
// before anything is ordered (I32).
type Facts struct {
	// Spec is the last one that was accepted: evaluated, resolved, not held.
	// It stays in force whatever becomes of the repository.
	Spec schema.Spec `json:"spec"`
	// Accepted is the Hash of the Desired that Spec took in last.
	Accepted string `json:"accepted"`
	// Repos are the repositories beside the operators' that have, or had, a commit
	// in force, sorted by name.
	Repos []RepoFact `json:"repos,omitempty"`
	// Commits are the newest revisions that were seen with what became of
	// them, oldest first, at most MaxCommits of each repository, whose last is the
	// one in work.
	Commits []Commit `json:"commits"`
	// Rollouts are sorted by workload; a workload that is in the Spec or still
	// has instances has one.
	Rollouts []Rollout `json:"rollouts"`
	// Nodes are all that ever joined, sorted by name.
	Nodes []NodeFact `json:"nodes"`
	// Approvals are commits that an operator let through.
	Approvals []Approval `json:"approvals"`
	// Plans are those that were approved and wait for their commits, oldest first.
	Plans []PinnedPlan `json:"plans,omitempty"`
	// Volumes say on which node each slot is at home and its volumes are, sorted by
	// slot and node; one of a slot's at most lives, the others are tombstones. They
	// outlive the slot and its workload: a volume is never forgotten by itself.
	Volumes []VolumeFact `json:"volumes"`
	// Enrolments say which key each node's name belongs to, and which names
	// belong to nobody since they were removed, sorted by node.
	Enrolments []Enrolment `json:"enrolments"`
	// Cordons are the nodes that an operator closed to new work, sorted by node.
	Cordons []Cordon `json:"cordons,omitempty"`
	// Holds are the workloads that an operator stopped reconciling, sorted by
	// workload.
	Holds []Hold `json:"holds,omitempty"`
	// Jobs are what jobs and crons ran, sorted by workload.
	Jobs []JobFact `json:"jobs,omitempty"`
	// Ends are how each workload's newest rollouts ended, sorted by workload.
	Ends []Ends `json:"ends,omitempty"`
}

// MaxCommits bounds the history of outcomes.
const MaxCommits = 100

// Outcome is what became of a commit.
type Outcome string

// The outcomes. Progressing is the only one that is not an end; Held ends when
// someone approves, and is an end for who waits.
const (
	Progressing Outcome = "Progressing"
	Applied     Outcome = "Applied"
	NoEffect    Outcome = "NoEffect"
	Superseded  Outcome = "Superseded"
	Held        Outcome = "Held"
	Failed      Outcome = "Failed"
	RolledBack  Outcome = "RolledBack"
)

// Ended is whether nothing more will become of it without a new cause.
func (o Outcome) Ended() bool { return o != Progressing && o != "" }

// Commit is one revision and what became of it.
type Commit struct {
	Revision schema.Revision `json:"revision"`
	// Repo is the repository that it is of; empty is the operators'.
	Repo    string  `json:"repo,omitempty"`
	Outcome Outcome `json:"outcome"`
	// Reason is one sentence: what it waits for, or why it ended so.
	Reason string `json:"reason,omitempty"`
	// Touched are the workloads that it added, changed or removed, and those that it
	// took over unfinished from the commits that it superseded, sorted.
	Touched []string `json:"touched,omitempty"`
	// Causes are the slots that made it fail or go back, at most MaxCauses.
	Causes []Cause `json:"causes,omitempty"`
	// Teams are what became of it team by team, sorted, once it has ended.
	Teams []TeamOutcome `json:"teams,omitempty"`
	// Removals are the workloads that a Held commit would remove, sorted.
	Removals []string `json:"removals,omitempty"`
	// Unverified is whether a Held commit waits for want of a signature.
	Unverified bool `json:"unverified,omitempty"`
	// Unplanned is whether a Held commit waits since no approved plan says what it
	// would do.
	Unplanned bool `json:"unplanned,omitempty"`
	// Vouched are who approved the plans that the commit carried out.
	Vouched []Voucher `json:"vouched,omitempty"`
	// Approved is who let the commit through that was held; nil for one that was not.
	Approved *Approval `json:"approved,omitempty"`
	// Seen is when the server saw the commit, Ended when Outcome became an end.
	Seen  time.Time `json:"seen"`
	Ended time.Time `json:"ended,omitzero"`
	// Phases are how long each part took, in the order of the work.
	Phases []PhaseTime `json:"phases,omitempty"`
}

// TeamOutcome is what became of a commit for one team.
type TeamOutcome struct {
	Team    string  `json:"team"`
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason,omitempty"`
}

// PhaseTime is how long one part of a commit's way took.
type PhaseTime struct {
	// Name is "detect", "verify" (of a commit that nobody vouches for), "evaluate",
	// "resolve", "compare" (with the plans that were approved), "plan", "held" (until it was let through), "order", "pull" and
	// "start" (until the last instance had), and how it ended: "healthy", "superseded"
	// (until a newer one came), "fail" (until it was given up) and "back" (until what
	// was good was back). After that come "kept", until it was taken back after all,
	// and "retried", until it was applied after all.
	Name string          `json:"name"`
	Took schema.Duration `json:"took"`
}

// Stage is how far a rollout has come.
type Stage string

// The stages of a rollout.
const (
	// Waiting has not begun: what Want's After names comes first. The workload
	// stays on Good.
	Waiting Stage = "waiting"
	// Rolling is on the way from Good to Target.
	Rolling Stage = "rolling"
	// Done has every slot on Target, healthy for its minHealthyTime.
	Done Stage = "done"
	// Reverting is on the way back to Good after a failure.
	Reverting Stage = "reverting"
	// Reverted is back on Good; Target is quarantined.
	Reverted Stage = "reverted"
	// Keeping went over to a new set and keeps the old one whole for a while, to
	// go back to at once. Want is what serves, Good the old set's text.
	Keeping Stage = "keeping"
	// Stuck failed with nothing to go back to.
	Stuck Stage = "stuck"
	// Removing is the workload's end.
	Removing Stage = "removing"
)

// Rollout is one workload's way from one digest to another.
type Rollout struct {
	Workload string `json:"workload"`
	Stage    Stage  `json:"stage"`
	// Target is what the repository asks for.
	Target schema.Digest `json:"target"`
	// Want is the workload as the repository asks for it; its digest is Target.
	// Nil once it left the repository.
	Want *schema.Workload `json:"want,omitempty"`
	// Good is the workload as it last was Done; nil before the first time.
	Good       *schema.Workload `json:"good,omitempty"`
	GoodDigest schema.Digest    `json:"goodDigest,omitempty"`
	// GoodCommit is the revision that had set Good.
	GoodCommit string `json:"goodCommit,omitempty"`
	// Quarantined is what the repository asks for and failed, while Want is Good
	// anew, since an operator has that restarted; nil otherwise.
	Quarantined *Quarantine `json:"quarantined,omitempty"`
	// Before is what was Good before another text of the repository became so,
	// for who wants to go back; nil for none.
	Before       *schema.Workload `json:"before,omitempty"`
	BeforeCommit string           `json:"beforeCommit,omitempty"`
	// Commit is the revision that set Target.
	Commit string `json:"commit"`
	// Began is when Target was set; Moved when the rollout last got further.
	Began time.Time `json:"began"`
	Moved time.Time `json:"moved"`
	// Progress is how many slots were ready for good when it last moved.
	Progress int `json:"progress"`
	// Reason is why it failed or what it waits for.
	Reason string `json:"reason,omitempty"`
	// Course is how far an ordered rollout has come in its runbook, or a canary in
	// the checks of its step; nil before that begins. It stays until the next one, to
	// tell what was done.
	Course *Course `json:"course,omitempty"`
	// Paused is who stopped it from going on; nil while it may. A newer text begins
	// anew.
	Paused *Pause `json:"paused,omitempty"`
	// Resumed is when a pause or a hold last ended: no deadline counts from before.
	Resumed time.Time `json:"resumed,omitzero"`
	// Restarts is how often an operator had it restarted since its text changed.
	Restarts int `json:"restarts,omitempty"`
	// Serving is the version whose instances should receive traffic: one fact, for
	// who directs it to follow. Empty where all that are available should.
	Serving schema.Digest `json:"serving,omitempty"`
	// Switched is when traffic last went from one set to another.
	Switched time.Time `json:"switched,omitzero"`
	// Step is how many steps of a canary are behind it.
	Step int `json:"step,omitempty"`
	// Ready is since when all that goes ahead of the rest is healthy, a new set or
	// a step's slots; zero while it is not.
	Ready time.Time `json:"ready,omitzero"`
	// Promoted is who let it go on last; nil where nobody had to.
	Promoted *Said `json:"promoted,omitempty"`
	// Retried is who has a version tried again that had failed; nil where it was not.
	Retried *Said `json:"retried,omitempty"`
	// Failed are the failures of slots since Target was set, oldest first; nil for
	// none. It is replaced, never changed in place.
	Failed *Failures `json:"failed,omitempty"`
}

// Pause is an operator's word that a rollout takes no further step.
type Pause struct {
	Actor  string    `json:"actor"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}

// Said is who asked for something, and when.
type Said struct {
	Actor  string    `json:"actor"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// NodeFact is a node that joined, with what it was last told.
type NodeFact struct {
	Name string `json:"name"`
	// Node is how it last described itself, so that a node that is silent
	// since the server's start still has its place and size.
	Node nodes.Node `json:"node"`
	// Assignment is the last one recorded for it.
	Assignment nodes.Assignment `json:"assignment"`
	// Ahead is whether the node was told, or may have been told, orders that this
	// ledger does not know, being an older copy. It lasts until the node shows
	// that nothing runs there that nobody ordered.
	Ahead bool `json:"ahead,omitempty"`
	// Unaware are the IDs of its orders that were given a lease after they were
	// first ordered, and of which it has not shown yet that it knows, sorted.
	Unaware []string `json:"unaware,omitempty"`
}

// Approval lets one held commit through. What its text would have it held for
// was not known to those who let it through for its signatures: that is held anew.
type Approval struct {
	Commit string `json:"commit"`
	// Repo is the repository whose commit it is about; empty is the operators'.
	Repo  string    `json:"repo,omitempty"`
	Actor string    `json:"actor"`
	At    time.Time `json:"at"`
	// Signature is whether it is about the signatures alone: those of the commit
	// and of all that it builds on.
	Signature bool `json:"signature,omitempty"`
}

// Enrolment is a machine that joined. The newest one of a name holds it: a
// machine that had the name before is a node no more.
type Enrolment struct {
	Node string `json:"node"`
	// Key is the hash of the public key in the node's certificate.
	Key string `json:"key"`
	// From is the address that asked.
	From string    `json:"from"`
	At   time.Time `json:"at"`
	// Removed is when an operator took the node out of the cluster; zero while
	// it belongs to it. Who held the name is a node no more; who joins under it
	// later is.
	Removed time.Time `json:"removed,omitzero"`
}
