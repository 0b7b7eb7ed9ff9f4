package reconciler

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// RemovalTrailer is the line of a commit's message that lets a large removal
// through without anyone's approval: "Bayplan-Allow-Removal: 12".
const RemovalTrailer = "Bayplan-Allow-Removal"

// holdReason is why the commit must be approved first; empty if it need not.
func (p *pass) holdReason(a *Ask, last, merged *schema.Spec, removals []string) string {
	d := &a.Desired
	if p.approved(a) {
		return ""
	}
	if reason := p.takesOver(a); reason != "" || last.Revision.Commit == d.Revision.Commit {
		return reason
	}
	inForce := len(last.Workloads)
	switch {
	case a.Rewritten:
		return fmt.Sprintf("it does not descend from %s, which is in force: the branch was rewritten", last.Revision.Short())
	case len(removals) > 1 && 2*len(removals) > inForce && !allowsRemoval(d.Revision, len(removals)):
		return fmt.Sprintf("it would remove %d of %d workloads", len(removals), inForce)
	}
	if teams := wholeTeams(last.Workloads, removals); len(teams) > 0 && !allowsRemoval(d.Revision, len(removals)) {
		return "it would remove all workloads of " + strings.Join(teams, " and of ")
	}
	return cmp.Or(belowQuorum(last.Workloads, merged), a.Unplanned)
}

// belowQuorum tells of the first workload that would have fewer slots than the
// quorum that is in force: those that are left could not agree on going on.
func belowQuorum(inForce []schema.Workload, merged *schema.Spec) string {
	for i := range inForce {
		was := &inForce[i]
		if was.Quorum == 0 {
			continue
		}
		if is := merged.Workload(was.Name); is != nil && is.Kind == schema.Stateful && is.Replicas < was.Quorum {
			return fmt.Sprintf("it would shrink %s from %d slots to %d, below its quorum of %d", was.Name, was.Replicas, is.Replicas, was.Quorum)
		}
	}
	return ""
}

// wholeTeams are the teams of more than one workload that would keep none,
// sorted. A workload alone in its team is no more than itself.
func wholeTeams(inForce []schema.Workload, removals []string) (teams []string) {
	had, left := map[string]int{}, map[string]int{}
	for i := range inForce {
		team := inForce[i].Team()
		had[team]++
		if _, goes := slices.BinarySearch(removals, inForce[i].Name); !goes {
			left[team]++
		}
	}
	for team, n := range had {
		if n > 1 && left[team] == 0 {
			teams = append(teams, team)
		}
	}
	slices.Sort(teams)
	return teams
}

func allowsRemoval(r schema.Revision, count int) bool {
	n, err := strconv.Atoi(r.Trailer(RemovalTrailer))
	return err == nil && n >= count
}

// spendApproval uses the approvals of a commit up and returns the last: it lets the commit through once, from what
// is in force now, and not again from wherever the branch goes later.
func (p *pass) spendApproval(of *Ask) *Approval {
	var last *Approval
	for _, a := range p.facts.Approvals {
		if a.about(of.Repo, of.Desired.Revision.Commit) {
			last = &a
		}
	}
	if last != nil {
		p.facts.Approvals = slices.DeleteFunc(slices.Clone(p.facts.Approvals), func(a Approval) bool { return a.about(of.Repo, last.Commit) })
	}
	return last
}

func (a *Approval) about(repo, commit string) bool { return a.Repo == repo && a.Commit == commit }

// approved is whether someone let the commit through who knew what it asks for.
func (p *pass) approved(of *Ask) bool {
	return slices.ContainsFunc(p.facts.Approvals, func(a Approval) bool { return a.about(of.Repo, of.Desired.Revision.Commit) && !a.Signature })
}

// TrustedBy is whether an operator let the commit of a repository through whatever
// its signatures are. Nothing in the repository can.
func (f *Facts) TrustedBy(repo, commit string) bool {
	return slices.ContainsFunc(f.Approvals, func(a Approval) bool { return a.about(repo, commit) && a.Signature })
}

// missing are the names in was that are not in is, sorted.
func missing(was, is []schema.Workload) (names []string) {
	for i := range was {
		for len(is) > 0 && is[0].Name < was[i].Name {
			is = is[1:]
		}
		if len(is) == 0 || is[0].Name != was[i].Name {
			names = append(names, was[i].Name)
		}
	}
	return names
}
