package reconciler

import (
	"slices"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// A cluster follows one repository, the operators', or several, each with teams
// of its own. What holds for the whole cluster (its pools, registries and owners)
// is the operators' alone. A team is of one repository: the first that it was
// accepted from, until that gives it up. Each repository is evaluated, held,
// accepted and rolled back by itself, so that none waits for another.

// Ask is what one repository asks for and what is known about it, in the words of
// the fields of Input, which are about the operators'.
type Ask struct {
	// Repo is the repository's name; "" is the operators'.
	Repo       string
	Desired    schema.Spec
	Refused    string
	Unverified string
	Unplanned  string
	Planned    []string
	Overtaken  []schema.Revision
	Rewritten  bool
	Unresolved []Unresolved
	Trace      string
}

// RepoFact is what is remembered of a repository beside the operators': its text
// in force stands in Facts.Spec.
type RepoFact struct {
	Name string `json:"name"`
	// Revision is the commit in force, and Accepted the Hash of the text that it was.
	Revision schema.Revision `json:"revision"`
	Accepted string          `json:"accepted"`
}

// Asks are those of all repositories that are followed, the operators' first.
func (in *Input) Asks() []Ask {
	own := Ask{Desired: in.Desired, Refused: in.Refused, Unverified: in.Unverified, Unplanned: in.Unplanned, Planned: in.Planned,
		Overtaken: in.Overtaken, Rewritten: in.Rewritten, Unresolved: in.Unresolved, Trace: in.Trace}
	return append([]Ask{own}, in.Others...)
}

// Put is what one repository asks for, put into the input; the operators' comes
// first.
func (in *Input) Put(a Ask) {
	if a.Repo != "" {
		in.Others = append(in.Others, a)
		return
	}
	in.Desired, in.Refused, in.Unverified, in.Overtaken, in.Rewritten = a.Desired, a.Refused, a.Unverified, a.Overtaken, a.Rewritten
	in.Unplanned, in.Planned, in.Unresolved, in.Trace = a.Unplanned, a.Planned, a.Unresolved, a.Trace
}

// askOf is what one repository asks for; nil where it is not followed.
func (in *Input) askOf(repo string) *Ask {
	for _, a := range in.Asks() {
		if a.Repo == repo {
			return &a
		}
	}
	return nil
}

func (a *Ask) unresolved(workload string) *Unresolved {
	at := slices.IndexFunc(a.Unresolved, func(u Unresolved) bool { return u.Workload == workload })
	if at < 0 {
		return nil
	}
	return &a.Unresolved[at]
}

// sound is the team as the repository has it, in good order; nil where it has not.
func (a *Ask) sound(team string) *schema.Team {
	at := slices.IndexFunc(a.Desired.Teams, func(t schema.Team) bool { return t.Name == team && len(t.Errors) == 0 })
	if at < 0 {
		return nil
	}
	return &a.Desired.Teams[at]
}

// alone is whether there never was more than the operators' repository.
func (f *Facts) alone() bool { return len(f.Repos) == 0 }

func findRepo(sorted []RepoFact, name string) (at int, known bool) {
	return slices.BinarySearchFunc(sorted, name, func(r RepoFact, name string) int { return strings.Compare(r.Name, name) })
}

// inForce is the commit of a repository that is in force; zero before the first.
func (f *Facts) inForce(repo string) schema.Revision {
	if repo == "" {
		return f.Spec.Revision
	}
	if at, known := findRepo(f.Repos, repo); known {
		return f.Repos[at].Revision
	}
	return schema.Revision{}
}

// InForce is the hash of that commit; "" before the first.
func (f *Facts) InForce(repo string) string { return f.inForce(repo).Commit }

// TakenIn is the Hash of what a repository asked for as it was last taken in.
func (f *Facts) TakenIn(repo string) string {
	if repo == "" {
		return f.Accepted
	}
	if at, known := findRepo(f.Repos, repo); known {
		return f.Repos[at].Accepted
	}
	return ""
}

// teamAt is the place of a repository's team among teams, sorted by name and
// repository.
func teamAt(teams []schema.Team, name, repo string) (at int, known bool) {
	return slices.BinarySearchFunc(teams, schema.Team{Name: name, Repo: repo}, compareTeams)
}

func compareTeams(a, b schema.Team) int {
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return strings.Compare(a.Repo, b.Repo)
}

// ownerIn is the repository that the text of a team in force is from; false where
// there is none. Others may have a team of that name, with the error that says so.
func ownerIn(teams []schema.Team, name string) (repo string, owned bool) {
	at, _ := teamAt(teams, name, "")
	for ; at < len(teams) && teams[at].Name == name; at++ {
		if teams[at].Commit != "" {
			return teams[at].Repo, true
		}
	}
	return "", false
}

// RepoOf is the repository that a workload's text in force is from; the operators'
// where it has none.
func (f *Facts) RepoOf(workload string) string {
	if f.alone() {
		return ""
	}
	repo, _ := ownerIn(f.Spec.Teams, (&schema.Workload{Name: workload}).Team())
	return repo
}

// Part is what one repository has in force. What is cluster-wide is in each: it
// holds for all of them.
func (f *Facts) Part(repo string) schema.Spec {
	if f.alone() && repo == "" {
		return f.Spec
	}
	part := partOf(&f.Spec, repo)
	part.Revision = f.inForce(repo)
	return part
}

// partOf is what of s belongs to one repository.
func partOf(s *schema.Spec, repo string) schema.Spec {
	part := *s
	part.Teams, part.Workloads = nil, nil
	for i := range s.Teams {
		if s.Teams[i].Repo == repo {
			part.Teams = append(part.Teams, s.Teams[i])
		}
	}
	theirs := belonging(s.Teams, repo)
	for i := range s.Workloads {
		if theirs(s.Workloads[i].Team()) {
			part.Workloads = append(part.Workloads, s.Workloads[i])
		}
	}
	return part
}

// belonging tells which teams have their text in force from one repository.
func belonging(teams []schema.Team, repo string) func(team string) bool {
	others := map[string]bool{}
	for i := range teams {
		if teams[i].Commit != "" {
			others[teams[i].Name] = teams[i].Repo != repo
		}
	}
	return func(team string) bool {
		other, owned := others[team]
		return owned && !other || !owned && repo == ""
	}
}
