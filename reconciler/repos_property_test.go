package reconciler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// shared is a world with several repositories and what each of their commits said.
type shared struct {
	*world
	t *rapid.T
	// said is what a repository's commit said of a team, "repo commit team".
	said   map[string][]schema.Workload
	serial int
}

// I4, I13, I14: whatever is pushed to several repositories, and whichever are
// followed, each team in force is whole what one commit of one repository said, and
// nothing is removed but what the repository that had it removed.
func TestReconcile_SeveralRepositories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &shared{world: newWorld(), t: t, said: map[string][]schema.Workload{}}
		s.addNode("n1")
		s.others = []reconciler.Ask{{Repo: "b"}, {Repo: "c"}}
		steps := map[string]func(){
			"push": s.push, "follow": s.refollow,
			"approve": func() {
				for _, c := range s.facts.Commits {
					if c.Outcome == reconciler.Held && c.Reason != "" && s.facts.LastCommit(c.Repo).Revision.Commit == c.Revision.Commit {
						s.facts.Approvals = append(slices.Clone(s.facts.Approvals), reconciler.Approval{Commit: c.Revision.Commit, Repo: c.Repo, Actor: "ann", At: s.now})
						return
					}
				}
			},
		}
		names := []string{"push", "push", "push", "follow", "approve"}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			steps[rapid.SampledFrom(names).Draw(t, "step")]()
			s.settle()
		}
	})
}

func (s *shared) addNode(name string) {
	s.snap.Nodes = append(s.snap.Nodes, nodes.Seen{At: s.now, Report: nodes.Report{Node: nodes.Node{Name: name, Allocatable: nodes.Capacity{CPU: 64000, Memory: 64 << 30}}, Inventory: true}})
}

// push makes a commit of a followed repository with some of three teams, each of up
// to three workloads, or one that does not evaluate.
func (s *shared) push() {
	at := rapid.IntRange(-1, len(s.others)-1).Draw(s.t, "repo")
	s.serial++
	spec := schema.Spec{Revision: schema.Revision{Commit: fmt.Sprintf("c%d", s.serial)}}
	repo := ""
	if at >= 0 {
		repo = s.others[at].Repo
	}
	for _, team := range []string{"x", "y", "z"} {
		switch n := rapid.IntRange(0, 4).Draw(s.t, team); n {
		case 0:
		case 4:
			spec.Teams = append(spec.Teams, schema.Team{Name: team, Errors: []string{team + ": boom"}})
		default:
			spec.Teams = append(spec.Teams, schema.Team{Name: team, Commit: spec.Revision.Commit})
			var all []schema.Workload
			for i := range n {
				image := rapid.IntRange(1, 2).Draw(s.t, "image")
				all = append(all, schema.Workload{Name: fmt.Sprintf("%s/w%d", team, i), Kind: schema.Service, Image: fmt.Sprintf("img:%d", image), Replicas: 1})
			}
			s.said[repo+" "+spec.Revision.Commit+" "+team] = all
			spec.Workloads = append(spec.Workloads, all...)
		}
	}
	spec.Seal()
	if at < 0 {
		s.desired = spec
		return
	}
	s.others = slices.Clone(s.others)
	s.others[at].Desired = spec
}

// refollow has the server follow one repository more, or one less.
func (s *shared) refollow() {
	name := rapid.SampledFrom([]string{"b", "c"}).Draw(s.t, "name")
	if at := slices.IndexFunc(s.others, func(a reconciler.Ask) bool { return a.Repo == name }); at >= 0 {
		s.others = slices.Delete(slices.Clone(s.others), at, at+1)
		return
	}
	s.others = append(slices.Clone(s.others), reconciler.Ask{Repo: name})
}

// settle decides until nothing changes, and looks at each decision.
func (s *shared) settle() {
	for range 50 {
		in := s.input()
		plan := reconciler.Reconcile(in)
		in.Scratch = nil
		if again := reconciler.Reconcile(in); len(again.Changes) != len(plan.Changes) || !slices.Equal(again.Facts.Repos, plan.Facts.Repos) {
			s.t.Fatal("the same input gave another plan")
		}
		s.whole(&plan.Facts)
		s.removed(&in, &plan)
		s.stays(&in, &plan)
		if s.facts = plan.Facts; !plan.FactsChanged {
			s.newest(&in, &plan.Facts)
			return
		}
	}
	s.t.Fatalf("no end of decisions: %+v", s.facts.Spec.Teams)
}

// whole wants one owner at most of each team, and what that one said of it.
func (s *shared) whole(f *reconciler.Facts) {
	has := map[string][]schema.Workload{}
	for _, w := range f.Spec.Workloads {
		has[w.Team()] = append(has[w.Team()], w)
	}
	owned := map[string]bool{}
	for _, t := range f.Spec.Teams {
		if t.Commit == "" {
			continue
		}
		if owned[t.Name] {
			s.t.Fatalf("two have team %s: %+v", t.Name, f.Spec.Teams)
		}
		owned[t.Name] = true
		whole := false
		for key, said := range s.said { // the words of whoever had it, until those of the new one are taken in
			whole = whole || strings.HasSuffix(key, " "+t.Commit+" "+t.Name) && slices.EqualFunc(said, has[t.Name], func(a, b schema.Workload) bool { return a.Name == b.Name && a.Image == b.Image })
		}
		if !whole {
			s.t.Fatalf("team %s of %q is no commit's: %+v", t.Name, t.Repo, has[t.Name])
		}
	}
	for team := range has {
		if !owned[team] {
			s.t.Fatalf("nobody has team %s", team)
		}
	}
}

// newest wants a repository that was taken in to have each of its teams as it says by
// then, unless it waits for somebody.
func (s *shared) newest(in *reconciler.Input, f *reconciler.Facts) {
	for _, a := range in.Asks() {
		last := f.LastCommit(a.Repo)
		if a.Desired.Hash != f.TakenIn(a.Repo) || last == nil || last.Outcome == reconciler.Held {
			continue
		}
		for _, t := range f.Spec.Teams {
			wants := slices.ContainsFunc(a.Desired.Teams, func(x schema.Team) bool { return x.Name == t.Name && len(x.Errors) == 0 })
			if t.Repo == a.Repo && t.Commit != "" && wants && t.Commit != a.Desired.Revision.Commit {
				s.t.Fatalf("team %s of %q stayed at %s", t.Name, t.Repo, t.Commit)
			}
		}
	}
}

// stays wants a team to go over only from who gives it up, or is followed no more and
// somebody let that through.
func (s *shared) stays(in *reconciler.Input, plan *reconciler.Plan) {
	asks := in.Asks()
	for _, t := range in.Facts.Spec.Teams {
		now := plan.Facts.RepoOf(t.Name + "/")
		if t.Commit == "" || now == t.Repo || plan.Facts.Spec.Workloads == nil {
			continue
		}
		at := slices.IndexFunc(asks, func(a reconciler.Ask) bool { return a.Repo == t.Repo })
		to := plan.Facts.LastCommit(now)
		switch {
		case at >= 0 && asks[at].Desired.Revision.Commit != "" && !slices.ContainsFunc(asks[at].Desired.Teams, func(x schema.Team) bool { return x.Name == t.Name }):
		case at < 0 && to != nil && to.Approved != nil:
		default:
			s.t.Fatalf("team %s went from %q to %q: %+v", t.Name, t.Repo, now, plan.Facts.Spec.Teams)
		}
	}
}

// removed wants what ends to be no more in the text of a repository that is followed
// and had it, or has it now.
func (s *shared) removed(in *reconciler.Input, plan *reconciler.Plan) {
	for i := range plan.Facts.Rollouts {
		r := &plan.Facts.Rollouts[i]
		if r.Stage != reconciler.Removing || in.Facts.Spec.Workload(r.Workload) == nil {
			continue
		}
		by := in.Facts.RepoOf(r.Workload)
		asks := in.Asks()
		at := slices.IndexFunc(asks, func(a reconciler.Ask) bool { return a.Desired.Revision.Commit == r.Commit })
		if at < 0 || asks[at].Desired.Workload(r.Workload) != nil {
			s.t.Fatalf("%s ends by %s, which has it or is not asked for", r.Workload, r.Commit)
		}
		approved := slices.ContainsFunc(in.Facts.Approvals, func(a reconciler.Approval) bool { return a.Repo == asks[at].Repo && a.Commit == r.Commit })
		if asks[at].Repo != by && !approved {
			s.t.Fatalf("%s of %q was ended by %q", r.Workload, by, asks[at].Repo)
		}
	}
}
