package status

import (
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// Schema names the shape of every document here.
const Schema = "bayplan/v1"

// Status is the whole cluster at one instant.
type Status struct {
	Schema  string `json:"schema"`
	Cluster string `json:"cluster"`
	// Revision is the commit in work, or the last that ended.
	Revision Revision `json:"revision"`
	// Evaluating is a newer commit whose evaluation takes long; absent otherwise.
	Evaluating *Evaluating `json:"evaluating,omitempty"`
	// Repos are the repositories beside the operators', whose commit Revision is: as
	// they are followed, then those that are followed no more and have teams in force.
	// Operators is what the operators' is known by, where there are others.
	Repos     []Repo    `json:"repos,omitempty"`
	Operators *Followed `json:"operators,omitempty"`
	// History is what became of the revisions before it, and before those of Repos,
	// newest first.
	History   []Revision `json:"history"`
	Workloads []Workload `json:"workloads"`
	Nodes     []Node     `json:"nodes"`
	// Pools are those that the repository names, sorted by name.
	Pools []Pool `json:"pools,omitempty"`
	// Volumes are the slots' own ones, those that are kept after their slots too.
	Volumes  []Volume  `json:"volumes,omitempty"`
	Problems []Problem `json:"problems"`
}

// Revision is a commit and what became of it.
type Revision struct {
	// Repo is the repository that it is of; absent of the operators'.
	Repo    string             `json:"repo,omitempty"`
	Commit  string             `json:"commit"`
	Time    time.Time          `json:"time"`
	Author  string             `json:"author"`
	Subject string             `json:"subject"`
	Outcome reconciler.Outcome `json:"outcome"`
	Reason  string             `json:"reason,omitempty"`
	// Causes are the slots that made it fail or go back, with their last lines.
	Causes []reconciler.Cause `json:"causes,omitempty"`
	// Removals are what a Held commit would remove.
	Removals []string `json:"removals,omitempty"`
	// Unplanned is whether a Held one waits for an approved plan.
	Unplanned bool `json:"unplanned,omitempty"`
	// Approved are who let it through, and whose approved plans it carried out.
	Approved []string               `json:"approved,omitempty"`
	Phases   []reconciler.PhaseTime `json:"phases,omitempty"`
	// Ended is when it came to its outcome; absent before.
	Ended time.Time `json:"ended,omitzero"`
	// Teams are what became of it team by team, once it has ended.
	Teams []reconciler.TeamOutcome `json:"teams,omitempty"`
}

// History is what became of commits and rollouts: the answer of `bayplan
// history`.
type History struct {
	Schema string `json:"schema"`
	// Operators is what the operators' repository is known by, where there are others.
	Operators *Followed `json:"operators,omitempty"`
	// Commits are the newest ones, of a workload those that touched it, newest
	// first.
	Commits []Revision `json:"commits"`
	// Workload and Rollouts, newest first, are there where one was asked for.
	Workload string           `json:"workload,omitempty"`
	Rollouts []reconciler.End `json:"rollouts,omitempty"`
}

// Evaluating is a commit that is not decided about yet: until it is, what was
// in force stays.
type Evaluating struct {
	Commit  string    `json:"commit"`
	Time    time.Time `json:"time"`
	Author  string    `json:"author"`
	Subject string    `json:"subject"`
	// Since is when its evaluation began.
	Since time.Time `json:"since"`
}

// Workload is one workload's state.
type Workload struct {
	Name string `json:"name"`
	// Repo is the repository that it is of; absent of the operators'.
	Repo    string `json:"repo,omitempty"`
	Kind    string `json:"kind"`
	Desired int    `json:"desired"`
	// Running, Healthy and Updated count slots: with a running instance, with
	// an available one, with an available one of the target digest.
	Running int `json:"running"`
	Healthy int `json:"healthy"`
	Updated int `json:"updated"`
	// Unknown counts slots that are to run on nodes not heard since the server
	// started: they are neither there nor gone.
	Unknown int           `json:"unknown,omitempty"`
	Digest  schema.Digest `json:"digest"`
	// Image is the image as it is written, or the artifact's URL.
	Image string `json:"image"`
	// Serving is the version whose instances should receive traffic: who directs it
	// sends it to the slots of this digest that are healthy and not stopping.
	// Absent where all of the workload's should.
	Serving schema.Digest `json:"serving,omitempty"`
	// Proof is how far an update is that proves itself before it has all of the
	// work, and what failed on the way; absent where there is nothing to tell.
	Proof *Proof `json:"proof,omitempty"`
	// State is one word: "running", "rolling", "reverting", "reverted",
	// "failed", "removing", "waiting", "degraded", "paused", "held", or "unknown": as
	// desired, but for slots of which nothing is known yet. A job's is "completed" in the
	// end, and a cron's "scheduled" between its runs; neither counts what is healthy.
	State string `json:"state"`
	// Reason is why it is in that state; empty when it is as desired.
	Reason string `json:"reason"`
	// Rollout is its way to its newest version, under way or the last one.
	Rollout *Rollout `json:"rollout,omitempty"`
	Slots   []Slot   `json:"slots"`
	// Runbook is where its ordered update stands; absent otherwise.
	Runbook *Runbook `json:"runbook,omitempty"`
	// Runs are a job's or cron's, newest first: those under way and those whose
	// containers are kept.
	Runs []Run `json:"runs,omitempty"`
	// Next is when a cron fires next, Skipped the newest instant that did not run.
	Next    time.Time `json:"next,omitzero"`
	Skipped *Skipped  `json:"skipped,omitempty"`
}

// Skipped is an instant of a cron at which nothing ran, and why.
type Skipped struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// Proof is where an update stands.
type Proof struct {
	// Step counts the steps behind it, of Steps in all.
	Step  int `json:"step,omitempty"`
	Steps int `json:"steps,omitempty"`
	// Ready is since when all that goes ahead is healthy.
	Ready time.Time `json:"ready,omitzero"`
	// Kept is until when the old set stays, to go back to by bayplan abort.
	Kept time.Time `json:"kept,omitzero"`
	// Promoted is who let it go on last.
	Promoted *reconciler.Said `json:"promoted,omitempty"`
	// Failed are the failures of slots, oldest first.
	Failed reconciler.Failures `json:"failed,omitempty"`
}

// Slot is one instance of a slot; while a rollout surges a slot has two.
type Slot struct {
	Slot string `json:"slot"`
	Node string `json:"node"`
	// Unknown is whether its node was not heard since the server started: Phase
	// says nothing then.
	Unknown   bool           `json:"unknown,omitempty"`
	Phase     nodes.Phase    `json:"phase"`
	Health    nodes.Health   `json:"health"`
	Digest    schema.Digest  `json:"digest"`
	Ports     map[string]int `json:"ports"`
	Address   string         `json:"address"`
	Container string         `json:"container"`
	Since     time.Time      `json:"since"`
	Started   time.Time      `json:"started,omitzero"`
	Restarts  int            `json:"restarts"`
	// Stopping is whether it has been told to stop, and Reason why it is here
	// or goes.
	Stopping bool           `json:"stopping,omitempty"`
	Reason   string         `json:"reason"`
	Failure  *nodes.Failure `json:"failure,omitempty"`
}

// Node is one machine's state.
type Node struct {
	Name string `json:"name"`
	// State is "ready", "troubled", "unreachable", "lost" or "expected" (known
	// from before, not yet heard by this run of the server); of one that is well
	// and closed to new work "cordoned", "draining" or "drained".
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	// Cordon is who closed it to new work, when and why; absent while it is open.
	Cordon      *reconciler.Cordon `json:"cordon,omitempty"`
	Runtime     string             `json:"runtime"`
	Address     string             `json:"address"`
	Version     string             `json:"version"`
	Attributes  map[string]string  `json:"attributes"`
	Allocatable nodes.Capacity     `json:"allocatable"`
	Reserved    nodes.Capacity     `json:"reserved"`
	// Heard is when the server last heard of it.
	Heard time.Time `json:"heard,omitzero"`
}

// Problem is one thing that someone should know, with what to do about it.
type Problem struct {
	// Code is stable and for programs: "spec-invalid", "git-unreachable",
	// "held", "unplaced", "image-not-found", …
	Code string `json:"code"`
	// Subject is the workload, slot, node or file that it is about; may be empty.
	Subject string `json:"subject,omitempty"`
	Text    string `json:"text"`
	// Next is the next command to type or step to take.
	Next string `json:"next"`
}

// Event is one thing that happened: a line of `bayplan events -o json`.
type Event struct {
	Time time.Time `json:"time"`
	// Kind is from a closed list: "commit", "order", "stop", "phase",
	// "health", "failure", "node", "rollout", "run", "problem", "operator".
	Kind     string `json:"kind"`
	Workload string `json:"workload,omitempty"`
	Slot     string `json:"slot,omitempty"`
	Node     string `json:"node,omitempty"`
	Commit   string `json:"commit,omitempty"`
	// Actor is who did it, where a person did.
	Actor string `json:"actor,omitempty"`
	// Code and Subject are a problem's, as in Status.Problems, but for slots,
	// whose Subject is their workload; Over is whether the problem has ended.
	Code    string `json:"code,omitempty"`
	Subject string `json:"subject,omitempty"`
	Over    bool   `json:"over,omitempty"`
	// Serving is the version that should receive a workload's traffic from now on,
	// where that changed.
	Serving schema.Digest `json:"serving,omitempty"`
	// Log are the last lines of a slot that failed.
	Log  string `json:"log,omitempty"`
	Text string `json:"text"`
}
