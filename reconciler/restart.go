package reconciler

import (
	"maps"
	"strconv"

	"github.com/bayplan/bayplan/schema"
)

// RestartsVariable counts how often an operator had a workload restarted since
// its text changed. It is part of what runs, so that a restart is a rollout like
// any other, by the workload's own strategy and budgets.
const RestartsVariable = "BAYPLAN_RESTARTS"

// restarted is the text with its count; without one it is the repository's.
func restarted(w *schema.Workload, count int) *schema.Workload {
	if count == 0 {
		return w
	}
	text := *w
	text.Env = maps.Clone(w.Env)
	if text.Env == nil {
		text.Env = map[string]string{}
	}
	text.Env[RestartsVariable] = strconv.Itoa(count)
	return &text
}

// recount is a text that is about to be wanted, with the count of the good
// version where it is that one's, and without where it is new.
func (r *Rollout) recount(w *schema.Workload) *schema.Workload {
	switch digest := w.Digest(); {
	case r.Want != nil && plain(r.Want).Digest() == digest:
	case r.Good != nil && plain(r.Good).Digest() == digest:
		r.Restarts = restartsOf(r.Good)
	default:
		r.Restarts = 0
	}
	return restarted(w, r.Restarts)
}

// plain is the text as the repository has it.
func plain(w *schema.Workload) *schema.Workload {
	if _, counted := w.Env[RestartsVariable]; !counted {
		return w
	}
	text := *w
	text.Env = maps.Clone(w.Env)
	delete(text.Env, RestartsVariable)
	return &text
}

// restartsOf is the count that a text has.
func restartsOf(w *schema.Workload) int {
	n, err := strconv.Atoi(w.Env[RestartsVariable])
	if err != nil {
		return 0
	}
	return n
}
