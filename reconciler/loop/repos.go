package loop

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// repos are all that are followed, the operators' first.
func (l *Loop) repos() []Repo {
	own := func(ctx context.Context, _, files fs.FS, rev schema.Revision) (schema.Spec, error) {
		return l.cfg.Load(ctx, files, rev)
	}
	return append([]Repo{{Followed: l.cfg.Followed, Source: l.cfg.Source, Load: own}}, l.cfg.Others...)
}

// checkRepos refuses a repository as the operators' that was another one so far: what
// it lacks of the operators' work would count as removed.
func (l *Loop) checkRepos(f *reconciler.Facts) error {
	name := l.cfg.Followed.Name
	if name == "" || !slices.ContainsFunc(f.Repos, func(r reconciler.RepoFact) bool { return r.Name == name }) {
		return nil
	}
	return errdefs.ErrFailedPrecondition.WithMessage(fmt.Sprintf("repository %s has been followed beside the operators' so far and cannot take its place: give the operators' first (--repo URL --repo %s=URL)", name, name))
}

// follows is an error where no repository of that name is followed.
func (l *Loop) follows(name string) error {
	var known []string
	for _, r := range l.cfg.Others {
		if known = append(known, r.Name); r.Name == name {
			return nil
		}
	}
	switch {
	case name == "":
		return nil
	case len(known) == 0:
		return errdefs.ErrNotFound.WithMessage(fmt.Sprintf("there is no repository %s: this server follows one alone, for which no name is needed", name))
	}
	return errdefs.ErrNotFound.WithMessage(fmt.Sprintf("there is no repository %s; beside the operators' there are %s", name, strings.Join(known, ", ")))
}

// Operators is the operators' tree that is in force, by which the texts of all other
// repositories are judged.
func (l *Loop) Operators(ctx context.Context) (fs.FS, error) {
	commit := l.current().input.Facts.InForce("")
	if commit == "" {
		return nil, errors.New("no commit of the operators' repository is in force yet")
	}
	tip, err := l.cfg.Source.At(ctx, commit)
	return tip.Files, err
}

// log names the repository, where it is not the operators'.
func (d *desired) log() *slog.Logger {
	if d.repo == "" {
		return d.t.log
	}
	return d.t.log.With("repo", d.repo)
}

// asks is what a pass hears of the repository.
func (d *desired) asks() reconciler.Ask {
	return reconciler.Ask{Repo: d.repo, Desired: d.wish.spec, Refused: reconciler.AndMore(d.wish.refused), Rewritten: d.wish.rewritten,
		Unverified: d.wish.unverified, Unplanned: d.wish.unplanned, Planned: d.wish.planned, Unresolved: d.wish.unresolved, Overtaken: d.passedOver(), Trace: d.commit.parent()}
}

// told is what a status is made of.
func (d *desired) told() status.Text {
	text := status.Text{Followed: d.followed, Newest: d.text(), Evaluating: d.long()}
	if d.trouble == nil || d.trouble.About.Commit != d.wish.spec.Revision.Commit {
		text.Refused = d.wish.refused
	}
	return text
}

// troubles are the source's.
func (d *desired) troubles() (all []status.Problem) {
	of := ""
	if d.repo != "" {
		of = reconciler.RepoName(d.repo) + ": "
	}
	if d.trouble != nil {
		all = append(all, status.Problem{Code: d.trouble.Code, Subject: d.repo, Text: of + d.trouble.Text, Next: d.trouble.Next})
	}
	switch {
	case d.last == nil || d.draft == nil || d.draft.evaluated:
	case d.lacks != nil:
		all = append(all, status.Problem{Code: "operators-unread", Subject: d.repo, Next: "see to the operators' repository; what is in force stays meanwhile",
			Text: fmt.Sprintf("repository %s waits, since the operators' part that holds for it cannot be read: %v", d.repo, d.lacks)})
	case d.repo != "" && d.t.facts.InForce("") == "":
		all = append(all, status.Problem{Code: "operators-unread", Subject: d.repo, Next: "push a commit to the operators' repository that can be applied, or see to the one that was",
			Text: fmt.Sprintf("repository %s waits until a commit of the operators' is in force, whose policy holds for it", d.repo)})
	}
	for _, text := range d.warnings {
		all = append(all, status.Problem{Code: "git-ignored", Subject: d.repo, Text: of + text, Next: "put the files themselves into the repository"})
	}
	return all
}

// operatorsAt is the operators' tree as of a commit, which all others are evaluated
// by: without it a team could get around the policy. It is asked for until own
// ends, and what is in force stays meanwhile.
func (d *desired) operatorsAt(ctx, own context.Context, commit string) (fs.FS, bool) {
	for own.Err() == nil {
		tip, err := d.t.cfg.Source.At(own, commit)
		d.t.tell(ctx, func(*term) { d.lacks = err })
		if err == nil {
			return tip.Files, true
		}
		sleep(own, retryAfter)
	}
	return nil, false
}

// operatorsMoved evaluates the newest text of every other repository anew, once
// another commit of the operators' is in force: it may have another policy.
func (t *term) operatorsMoved(ctx context.Context) {
	if t.operators == t.facts.InForce("") {
		return
	}
	t.operators = t.facts.InForce("")
	for _, d := range t.repos[1:] {
		if d.last == nil || d.doubted != nil {
			continue
		}
		if d.draft != nil {
			d.draft.overtaken()
		}
		d.start(ctx, &draft{tip: *d.last})
	}
}
