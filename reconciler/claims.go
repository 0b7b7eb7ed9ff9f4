package reconciler

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// handover is a team that its repository gives up while another one has it: it
// goes on there, and nothing stops.
type handover struct {
	team string
	to   *Ask
}

// mergeAll is all that would be in force with a repository's newest text in the place
// of its former, and the teams that it would hand over.
func (p *pass) mergeAll(a *Ask, last *schema.Spec) (all schema.Spec, given []handover) {
	text := p.permitted(a)
	own := p.mergeSpec(a, &text, last)
	if all = own; !p.lone(a) {
		given = p.handsOver(a, &own, last)
		all = p.joined(a, own, given)
	}
	p.withinLimits(a.Repo, &all)
	return all, given
}

// lone is whether a repository is the only one, now and before.
func (p *pass) lone(a *Ask) bool { return a.Repo == "" && p.facts.alone() }

// permitted is what a repository asks for without the teams that are another's.
func (p *pass) permitted(a *Ask) schema.Spec {
	text := a.Desired
	if p.lone(a) {
		return text
	}
	text.Teams = slices.Clone(text.Teams)
	for i := range text.Teams {
		t := &text.Teams[i]
		owner, owned := ownerIn(p.facts.Spec.Teams, t.Name)
		if t.Name != "" && len(t.Errors) == 0 && owned && owner != a.Repo && p.follows(owner) {
			t.Errors = []string{t.Name + ": the team is in " + RepoName(owner) + ", too, which had it first" + goesOn}
		}
	}
	return text
}

// goesOn ends what is told of a team that is another repository's.
const goesOn = ": it stays that one's; remove it there, or give this one another name"

// Claimed is whether a team's error is that another repository has it.
func Claimed(text string) bool { return strings.HasSuffix(text, goesOn) }

// RepoName is a repository as sentences name it; "" is the operators'.
func RepoName(repo string) string {
	if repo == "" {
		return "the operators' repository"
	}
	return "repository " + repo
}

func (p *pass) follows(repo string) bool { return repo == "" || p.in.askOf(repo) != nil }

// handsOver are the teams that a repository's text has no longer and another has, one
// whose text is in force: whoever is named first gets it.
func (p *pass) handsOver(a *Ask, own, last *schema.Spec) (given []handover) {
	asks := p.in.Asks()
	for i := range last.Teams {
		t := &last.Teams[i]
		if _, still := teamAt(own.Teams, t.Name, a.Repo); still || t.Commit == "" || t.Name == "" {
			continue
		}
		at := slices.IndexFunc(asks, func(b Ask) bool {
			return b.Repo != a.Repo && b.sound(t.Name) != nil && b.Desired.Hash != "" && b.Desired.Hash == p.facts.TakenIn(b.Repo)
		})
		if at >= 0 {
			given = append(given, handover{t.Name, &asks[at]})
		}
	}
	return given
}

func handoverOf(given []handover, team string) *handover {
	at := slices.IndexFunc(given, func(h handover) bool { return h.team == team })
	if at < 0 {
		return nil
	}
	return &given[at]
}

// joined is what is in force with a repository's own part in the place of its
// former.
func (p *pass) joined(a *Ask, own schema.Spec, given []handover) schema.Spec {
	all := p.facts.Spec
	if a.Repo == "" {
		all = own
	}
	all.Teams = p.joinedTeams(a, own.Teams, given)
	theirs := belonging(p.facts.Spec.Teams, a.Repo)
	all.Workloads = slices.Clone(own.Workloads)
	for _, w := range p.facts.Spec.Workloads {
		team := w.Team()
		if theirs(team) && handoverOf(given, team) == nil || !theirs(team) && a.takes(own.Teams, team) {
			continue
		}
		all.Workloads = append(all.Workloads, w)
	}
	schema.SortWorkloads(all.Workloads)
	return all
}

func (p *pass) joinedTeams(a *Ask, own []schema.Team, given []handover) []schema.Team {
	all := slices.Clone(own)
	for _, t := range p.facts.Spec.Teams {
		to := handoverOf(given, t.Name)
		switch {
		case t.Repo == a.Repo && to != nil: // as it is, until the other's text is taken in
			t.Repo, t.Errors = to.to.Repo, nil
		case t.Repo == a.Repo, to != nil && t.Repo == to.to.Repo, t.Commit != "" && a.takes(own, t.Name):
			continue
		}
		all = append(all, t)
	}
	slices.SortFunc(all, compareTeams)
	return all
}

// takes is whether a repository has the team's text in force from now on.
func (a *Ask) takes(own []schema.Team, team string) bool {
	at, has := teamAt(own, team, a.Repo)
	return has && own[at].Commit != "" && team != ""
}

// kept are the workloads that are in force after a repository's text is: its own,
// and those that it hands over and the other one has.
func keptBy(own []schema.Workload, given []handover) []schema.Workload {
	if len(given) == 0 {
		return own
	}
	all := slices.Clone(own)
	for _, h := range given {
		for _, w := range h.to.Desired.Workloads {
			if w.Team() == h.team {
				all = append(all, w)
			}
		}
	}
	slices.SortFunc(all, func(a, b schema.Workload) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// handed is whether a repository, whose text was taken in but for a team that was
// another's, has got that team since.
func (p *pass) handed(a *Ask) bool {
	if p.facts.alone() {
		return false
	}
	return slices.ContainsFunc(p.facts.Spec.Teams, func(t schema.Team) bool {
		wanted := a.sound(t.Name)
		if t.Repo != a.Repo || t.Name == "" || wanted == nil {
			return false
		}
		owner, owned := ownerIn(p.facts.Spec.Teams, t.Name)
		return len(t.Errors) == 0 && t.Commit != wanted.Commit ||
			slices.ContainsFunc(t.Errors, Claimed) && (!owned || !p.follows(owner))
	})
}

// takesOver is why a commit waits that would have teams of a repository which is
// followed no more: who stops following one may have done so by mistake.
func (p *pass) takesOver(a *Ask) string {
	if p.lone(a) {
		return ""
	}
	for i := range a.Desired.Teams {
		t := &a.Desired.Teams[i]
		owner, owned := ownerIn(p.facts.Spec.Teams, t.Name)
		if owned && t.Name != "" && len(t.Errors) == 0 && owner != a.Repo && !p.follows(owner) {
			return fmt.Sprintf("it would take team %s over from %s, which is followed no more", t.Name, RepoName(owner))
		}
	}
	return ""
}

// noteAccepted records that a repository's text was taken in.
func (p *pass) noteAccepted(a *Ask) {
	if a.Repo == "" {
		p.facts.Accepted = a.Desired.Hash
		return
	}
	p.facts.Repos = slices.Clone(p.facts.Repos)
	at, known := findRepo(p.facts.Repos, a.Repo)
	if !known {
		p.facts.Repos = slices.Insert(p.facts.Repos, at, RepoFact{Name: a.Repo})
	}
	p.facts.Repos[at].Revision, p.facts.Repos[at].Accepted = a.Desired.Revision, a.Desired.Hash
}

// forgetRepos forgets the repositories that are followed no more once they have no
// team left. Their work stays as it is until another repository has it, or they
// are followed again and remove it (I4); nothing that they asked for is waited for.
func (p *pass) forgetRepos() {
	for i := range p.facts.Commits {
		if c := &p.facts.Commits[i]; c.Repo != "" && c.Outcome == Held && !p.follows(c.Repo) {
			p.editCommits()
			c = &p.facts.Commits[i]
			c.Outcome, c.Reason, c.Ended = Superseded, RepoName(c.Repo)+" is followed no more", p.in.Now
		}
	}
	for _, r := range p.facts.Repos {
		if p.follows(r.Name) || slices.ContainsFunc(p.facts.Spec.Teams, func(t schema.Team) bool { return t.Repo == r.Name && t.Commit != "" }) {
			continue
		}
		p.dirty = true
		p.facts.Repos = slices.DeleteFunc(slices.Clone(p.facts.Repos), func(x RepoFact) bool { return x.Name == r.Name })
		p.facts.Spec.Teams = slices.DeleteFunc(slices.Clone(p.facts.Spec.Teams), func(t schema.Team) bool { return t.Repo == r.Name })
	}
}

// commitOf is the commit that a workload's text, or that it is gone, is from.
func (p *pass) commitOf(workload string) string {
	if p.facts.alone() {
		return p.facts.Spec.Revision.Commit
	}
	if r := p.rollout(workload); r != nil && r.Want == nil {
		return r.Commit
	}
	return p.facts.InForce(p.facts.RepoOf(workload))
}

// traceFor is the traceparent that a workload's orders carry.
func (p *pass) traceFor(workload string) string {
	if len(p.in.Others) == 0 {
		return p.in.Trace
	}
	if a := p.in.askOf(p.facts.RepoOf(workload)); a != nil {
		return a.Trace
	}
	return ""
}
