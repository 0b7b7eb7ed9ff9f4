package reconciler

import (
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// Ends are how a workload's newest rollouts ended, for who asks later: oldest
// first, at most MaxEnds. They last as long as the workload.
type Ends struct {
	Workload string `json:"workload"`
	List     []End  `json:"list"`
}

// MaxEnds bounds a workload's history.
const MaxEnds = 20

// End is how one rollout ended.
type End struct {
	// From is the last good version as it began, absent for a first one; To is the
	// version that it was about, by Commit.
	From   schema.Digest `json:"from,omitempty"`
	To     schema.Digest `json:"to"`
	Commit string        `json:"commit"`
	// Outcome is Applied, RolledBack, Failed or Superseded.
	Outcome Outcome   `json:"outcome"`
	Reason  string    `json:"reason,omitempty"`
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended"`
}

func findEnds(sorted []Ends, workload string) (at int, known bool) {
	return slices.BinarySearchFunc(sorted, workload, func(e Ends, name string) int { return strings.Compare(e.Workload, name) })
}

// EndsOf is how a workload's rollouts ended, oldest first.
func (f *Facts) EndsOf(workload string) []End {
	if at, known := findEnds(f.Ends, workload); known {
		return f.Ends[at].List
	}
	return nil
}

// recordEnds notes the rollouts that this pass ended.
func (p *pass) recordEnds() {
	if !p.ownRollouts {
		return
	}
	before := p.in.Facts.Rollouts
	gone := false
	for i := range p.facts.Rollouts {
		is := &p.facts.Rollouts[i]
		for len(before) > 0 && before[0].Workload < is.Workload {
			before, gone = before[1:], true
		}
		var was *Rollout
		if len(before) > 0 && before[0].Workload == is.Workload {
			was, before = &before[0], before[1:]
		}
		if e, ended := endOf(was, is, p.in.Now); ended {
			p.addEnd(is.Workload, e)
		}
	}
	if gone || len(before) > 0 {
		p.dropEnds()
	}
}

// endOf is how a rollout ended between two passes; the newer one may have ended
// in the very pass that it began in.
func endOf(was, is *Rollout, now time.Time) (e End, ended bool) {
	same := was != nil && was.Target == is.Target && was.Began.Equal(is.Began)
	switch {
	case was != nil && was.Quarantined != nil && is.Quarantined == nil && is.Target == was.Quarantined.Target && is.Stage == Reverted:
		e = End{From: was.GoodDigest, To: was.Target, Commit: was.Commit, Outcome: Applied, Began: was.Began, Ended: now}
		if is.GoodDigest != was.Target {
			e.Outcome, e.Reason = RolledBack, was.Reason
		}
	case is.ended() && (!same || was.Stage != is.Stage):
		e = End{To: is.Target, Commit: is.Commit, Outcome: outcomeOf(is.Stage), Reason: is.Reason, Began: is.Began, Ended: now}
		if was != nil && was.GoodDigest != is.Target {
			e.From = was.GoodDigest
		}
	case was != nil && !same && !was.ended() && was.Target != "":
		e = End{From: was.GoodDigest, To: was.Target, Commit: was.Commit, Outcome: Superseded, Began: was.Began, Ended: now}
	default:
		return e, false
	}
	return e, true
}

func outcomeOf(s Stage) Outcome {
	switch s {
	case Reverted:
		return RolledBack
	case Stuck:
		return Failed
	}
	return Applied
}

func (p *pass) addEnd(workload string, e End) {
	p.dirty = true
	if !p.ownEnds {
		p.facts.Ends, p.ownEnds = slices.Clone(p.facts.Ends), true
	}
	at, known := findEnds(p.facts.Ends, workload)
	if !known {
		p.facts.Ends = slices.Insert(p.facts.Ends, at, Ends{Workload: workload})
	}
	list := slices.Clone(p.facts.Ends[at].List)
	if n := len(list); n > 0 && list[n-1].Began.Equal(e.Began) && list[n-1].To == e.To && list[n-1].Outcome == e.Outcome {
		return // it was restarted in the version that it had gone back to
	}
	list = append(list, e)
	p.facts.Ends[at].List = list[max(0, len(list)-MaxEnds):]
}

// dropEnds forgets workloads that are no more.
func (p *pass) dropEnds() {
	gone := func(e Ends) bool {
		_, known := findRollout(p.facts.Rollouts, e.Workload)
		return !known
	}
	if slices.ContainsFunc(p.facts.Ends, gone) {
		p.facts.Ends = slices.DeleteFunc(slices.Clone(p.facts.Ends), gone)
		p.dirty = true
	}
}
