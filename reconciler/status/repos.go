package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// Followed is what people know a repository by.
type Followed struct {
	// Name is as the server's flags say; the operators' may have none.
	Name string `json:"name"`
	// Source is where it is, without credentials, and Branch what is followed of it.
	Source string `json:"source,omitempty"`
	Branch string `json:"branch,omitempty"`
	// Root is the folder of it that counts; empty is all.
	Root string `json:"root,omitempty"`
}

// Repo is a repository beside the operators'.
type Repo struct {
	Followed
	// Unfollowed is whether the server follows it no more, though teams of it are in
	// force.
	Unfollowed bool `json:"unfollowed,omitempty"`
	// Revision is its commit in work, or the last that ended.
	Revision   Revision    `json:"revision"`
	Evaluating *Evaluating `json:"evaluating,omitempty"`
	// Teams are those that it has in force, sorted.
	Teams []string `json:"teams"`
}

// Text is what the shells know of a repository's newest commit, in the words of
// Input's fields about the operators'.
type Text struct {
	Followed
	Newest     *schema.Spec
	Refused    []string
	Evaluating *Evaluating
}

// texts are those of all repositories, the operators' first; where the newest is
// not known yet, what is in force stands for it.
func texts(in *Input) []Text {
	all := append([]Text{{Newest: in.Newest, Refused: in.Refused, Evaluating: in.Evaluating}}, in.Others...)
	for i := range all {
		if all[i].Newest == nil {
			part := in.Facts.Part(all[i].Name)
			all[i].Newest = &part
		}
	}
	return all
}

func reposOf(in *Input) (all []Repo) {
	for _, text := range in.Others {
		all = append(all, Repo{Followed: text.Followed, Evaluating: text.Evaluating, Teams: teamsOf(&in.Facts, text.Name)})
	}
	for _, r := range in.Facts.Repos {
		if !slices.ContainsFunc(in.Others, func(t Text) bool { return t.Name == r.Name }) {
			all = append(all, Repo{Followed: Followed{Name: r.Name}, Unfollowed: true, Teams: teamsOf(&in.Facts, r.Name)})
		}
	}
	return all
}

func teamsOf(f *reconciler.Facts, repo string) []string {
	names := []string{}
	for _, t := range f.Spec.Teams {
		if t.Repo == repo && t.Commit != "" {
			names = append(names, t.Name)
		}
	}
	return names
}

// newest is the place of a repository's commit in work; nil where it is forgotten.
func (s *Status) newest(repo string) *Revision {
	if repo == "" {
		return &s.Revision
	}
	if at := s.repoAt(repo); at >= 0 {
		return &s.Repos[at].Revision
	}
	return nil
}

// Newest is a repository's commit in work, or the last that ended; nil where there
// is no such repository. "" is the operators'.
func (s *Status) Newest(repo string) *Revision { return s.newest(repo) }

// Commits are all that the status tells of: each repository's in work, the
// operators' first, then those before them, newest first.
func (s *Status) Commits() []Revision {
	all := []Revision{s.Revision}
	for i := range s.Repos {
		all = append(all, s.Repos[i].Revision)
	}
	return slices.DeleteFunc(append(all, s.History...), func(r Revision) bool { return r.Commit == "" })
}

// Of is the status with the commits of one repository alone, as if there were no
// other.
func (s *Status) Of(repo string) *Status {
	if repo == "" && len(s.Repos) == 0 {
		return s
	}
	one := *s
	one.Repos, one.Operators, one.Revision = nil, nil, Revision{}
	if r := s.newest(repo); r != nil {
		one.Revision = *r
	}
	if at := s.repoAt(repo); at >= 0 {
		one.Evaluating = s.Repos[at].Evaluating
	}
	one.History = slices.DeleteFunc(slices.Clone(s.History), func(r Revision) bool { return r.Repo != repo })
	one.Workloads = slices.DeleteFunc(slices.Clone(s.Workloads), func(w Workload) bool { return w.Repo != repo })
	return &one
}

// OperatorsName is what the operators' repository is called where it has no name.
const OperatorsName = "operators"

// RepoNamed is a repository by the name that people know it by, "" for the
// operators'; false where there is none.
func (s *Status) RepoNamed(name string) (repo string, known bool) {
	if name == s.NameOf("") {
		return "", true
	}
	return name, name != "" && s.repoAt(name) >= 0
}

// NameOf is the name that people know a repository by.
func (s *Status) NameOf(repo string) string {
	if repo == "" && s.Operators != nil {
		return cmp.Or(s.Operators.Name, OperatorsName)
	}
	return cmp.Or(repo, OperatorsName)
}

// RepoNames are those names, the operators' first.
func (s *Status) RepoNames() []string {
	names := []string{s.NameOf("")}
	for i := range s.Repos {
		names = append(names, s.Repos[i].Name)
	}
	return names
}

func (s *Status) repoAt(repo string) int {
	return slices.IndexFunc(s.Repos, func(r Repo) bool { return r.Name == repo })
}

// ofRepo names the repository behind a commit; nothing for the operators'.
func ofRepo(repo string) string {
	if repo == "" {
		return ""
	}
	return " of " + reconciler.RepoName(repo)
}

// teamTwice is the code of a team that two repositories have.
const teamTwice = "team-twice"

// repoProblems are about repositories among each other: an owner is told who else
// has its team, too, and of one that is followed no more it is told what stays.
func repoProblems(in *Input) (all []Problem) {
	for _, t := range in.Facts.Spec.Teams {
		if !slices.ContainsFunc(t.Errors, reconciler.Claimed) {
			continue
		}
		owner := in.Facts.RepoOf(t.Name + "/")
		all = append(all, Problem{Code: teamTwice, Subject: t.Name, Next: "take it out of one of the two: where its owner removes it, it goes over to the other",
			Text: fmt.Sprintf("%s: %s has the team, too; it stays this one's", reconciler.RepoName(owner), reconciler.RepoName(t.Repo))})
	}
	for _, r := range reposOf(in) {
		if r.Unfollowed {
			all = append(all, Problem{Code: "repo-unfollowed", Subject: r.Name, Next: "follow it again and remove there what is to end, or have its teams in another repository",
				Text: fmt.Sprintf("%s is followed no more; its %s as they are: %s", reconciler.RepoName(r.Name), stays(len(r.Teams)), strings.Join(r.Teams, ", "))})
		}
	}
	return all
}

func stays(teams int) string {
	if teams == 1 {
		return "one team's workloads stay"
	}
	return fmt.Sprintf("%d teams' workloads stay", teams)
}
