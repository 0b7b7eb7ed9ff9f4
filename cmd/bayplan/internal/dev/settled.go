package dev

import (
	"fmt"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// settled is whether the cluster has come to rest at commit: its outcome in one
// line, and whether it is a good one. A commit that was applied before, in a
// folder that is used again, is at rest only once all of it runs again.
func settled(s *status.Status, commit string) (outcome string, good, done bool) {
	r := find(s, commit)
	if r == nil || !r.Outcome.Ended() {
		return "", false, false
	}
	outcome = fmt.Sprintf("commit %.10s %s", commit, r.Outcome)
	if r.Outcome != reconciler.Applied && r.Outcome != reconciler.NoEffect {
		if r.Reason != "" {
			outcome += ": " + r.Reason
		}
		return outcome, false, true
	}
	slots := 0
	for _, w := range s.Workloads {
		if w.Healthy < w.Desired || w.Updated < w.Desired {
			return "", false, false
		}
		slots += w.Healthy
	}
	return fmt.Sprintf("%s, %d of %d slots healthy", outcome, slots, slots), true, true
}

func find(s *status.Status, commit string) *status.Revision {
	if s.Revision.Commit == commit {
		return &s.Revision
	}
	for i := range s.History {
		if s.History[i].Commit == commit {
			return &s.History[i]
		}
	}
	return nil
}

func readyNodes(s *status.Status) int {
	n := 0
	for _, node := range s.Nodes {
		if node.State == "ready" {
			n++
		}
	}
	return n
}
