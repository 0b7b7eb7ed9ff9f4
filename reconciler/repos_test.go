package reconciler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/bayplan/bayplan/reconciler"
)

// repoOf is the repository that a command is about; "" is the operators'.
func repoOf(t *testing.T, d *datadriven.TestData) (repo string) {
	if d.HasArg("repo") {
		d.ScanArgs(t, "repo", &repo)
	}
	return repo
}

func ofRepo(repo string) string {
	if repo == "" {
		return ""
	}
	return " of " + repo
}

// askOf is what a repository beside the operators' asks for, to be changed.
func (w *world) askOf(repo string) *reconciler.Ask {
	at := slices.IndexFunc(w.others, func(a reconciler.Ask) bool { return a.Repo == repo })
	w.others = slices.Clone(w.others)
	return &w.others[at]
}

// follow has the server started anew with other flags: those that stay are as they
// were.
func (w *world) follow(d *datadriven.TestData) {
	was := w.others
	w.others = nil
	for _, arg := range d.CmdArgs {
		a := reconciler.Ask{Repo: arg.Key}
		if at := slices.IndexFunc(was, func(a reconciler.Ask) bool { return a.Repo == arg.Key }); at >= 0 {
			a = was[at]
		}
		w.others = append(w.others, a)
	}
}

// repos tells whose each team in force is, and the errors of those that are not.
func (w *world) repos() string {
	var b strings.Builder
	for _, t := range w.facts.Spec.Teams {
		fmt.Fprintf(&b, "%s%s", t.Name, ofRepo(t.Repo))
		if t.Commit != "" {
			fmt.Fprintf(&b, " as of %s", t.Commit)
		}
		for _, text := range t.Errors {
			fmt.Fprintf(&b, ": %s", text)
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

// lastCommits are the commits in work of all repositories, followed or not, the
// operators' first.
func (w *world) lastCommits() []string {
	names := []string{""}
	for _, c := range w.facts.Commits {
		if !slices.Contains(names, c.Repo) {
			names = append(names, c.Repo)
		}
	}
	slices.Sort(names)
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = w.lastCommit(name)
	}
	return all
}
