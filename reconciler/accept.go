package reconciler

import (
	"cmp"
	"slices"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// accept takes in what the repositories ask for.
func (p *pass) accept() {
	for _, a := range p.in.Asks() {
		p.acceptFrom(&a)
	}
	p.forgetRepos()
}

// acceptFrom takes in what one repository asks for, if it is new: team by team,
// each whole or not at all (I13), and the commit as a whole only if it is not
// held (I7, I12).
func (p *pass) acceptFrom(a *Ask) {
	d := &a.Desired
	if d.Revision.Commit == "" {
		return
	}
	if d.Hash == p.facts.TakenIn(a.Repo) && d.Hash != "" && !p.handed(a) {
		p.backAt(a)
		return
	}
	if a.Refused != "" {
		p.endAs(a, Failed, a.Refused, nil)
		return
	}
	if a.Unverified != "" {
		p.endAs(a, Held, a.Unverified, nil)
		return
	}
	last := p.facts.Part(a.Repo)
	all, given := p.mergeAll(a, &last)
	merged := all
	if !p.lone(a) {
		merged = partOf(&all, a.Repo)
	}
	removals := missing(last.Workloads, keptBy(merged.Workloads, given))
	if reason := p.holdReason(a, &last, &merged, removals); reason != "" {
		p.endAs(a, Held, reason, removals)
		return
	}
	p.inForce(a, all, merged.Workloads)
}

// inForce makes the text that was merged what is in force.
func (p *pass) inForce(a *Ask, all schema.Spec, own []schema.Workload) {
	c := p.commitFor(a)
	touched := p.adopt(a, &all, own)
	c.Touched = union(c.Touched, touched)
	c.Removals, c.Teams, c.Unverified, c.Unplanned = nil, nil, false, false
	// A commit that had ended ends anew: it was approved, or what it asks for
	// became known.
	c.Outcome, c.Reason, c.Ended = Progressing, "", time.Time{}
	p.facts.Spec = all
	p.noteAccepted(a)
	if spent := p.spendApproval(a); spent != nil {
		c.Approved = spent
	}
	c.Vouched = append(c.Vouched, p.spendPlans(a.Planned)...)
	p.dirty = true
}

// backAt ends the wait of a held commit that the branch has left for the one in
// force.
func (p *pass) backAt(a *Ask) {
	r := &a.Desired.Revision
	c := p.facts.LastCommit(a.Repo)
	if c == nil || c.Outcome != Held {
		return
	}
	p.editCommits()
	c = p.facts.LastCommit(a.Repo)
	if c.Revision.Commit == r.Commit { // what it would have taken over is another's after all
		c.Outcome, c.Reason, c.Ended = Progressing, "", time.Time{}
		return
	}
	c.Outcome, c.Reason, c.Ended = Superseded, "the branch is back at "+r.Short(), p.in.Now
}

// Registries are those of d, or the last accepted ones where d's root did not
// evaluate.
func Registries(d, last *schema.Spec) []schema.Registry {
	if failing(d, "") {
		return last.Registries
	}
	return d.Registries
}

// mergeSpec is d, of one repository, with the last accepted text for every team
// that did not evaluate, for the pools, owners and gates if the root did not,
// and for every workload whose image is not known.
func (p *pass) mergeSpec(a *Ask, d, last *schema.Spec) schema.Spec {
	m := schema.Spec{Revision: d.Revision, Teams: slices.Clone(d.Teams), Pools: d.Pools, Registries: Registries(d, last), Owners: d.Owners, Gates: d.Gates}
	if failing(d, "") { // the root's errors
		m.Pools, m.Owners, m.Gates = last.Pools, last.Owners, last.Gates
	}
	for i := range m.Teams {
		t := &m.Teams[i]
		t.Repo = a.Repo
		if len(t.Errors) == 0 {
			continue
		}
		t.Commit = commitOf(last, *t)
		for j := range last.Workloads {
			if last.Workloads[j].Team() == t.Name {
				m.Workloads = append(m.Workloads, last.Workloads[j])
			}
		}
	}
	m.Workloads = slices.Grow(m.Workloads, len(d.Workloads))
	all := failed(d)
	for i := range d.Workloads {
		w := &d.Workloads[i]
		if all[w.Team()] {
			continue
		}
		if a.unresolved(w.Name) != nil {
			w = cmp.Or(last.Workload(w.Name), w)
		}
		m.Workloads = append(m.Workloads, *w)
	}
	schema.SortWorkloads(m.Workloads)
	return m
}

// failed are the teams of a text that do not evaluate.
func failed(s *schema.Spec) map[string]bool {
	all := map[string]bool{}
	for i := range s.Teams {
		if len(s.Teams[i].Errors) > 0 {
			all[s.Teams[i].Name] = true
		}
	}
	return all
}

func failing(s *schema.Spec, team string) bool {
	return slices.ContainsFunc(s.Teams, func(t schema.Team) bool { return t.Name == team && len(t.Errors) > 0 })
}

func commitOf(s *schema.Spec, team schema.Team) string {
	for i := range s.Teams {
		if s.Teams[i].Name == team.Name && s.Teams[i].Repo == team.Repo {
			return s.Teams[i].Commit
		}
	}
	return ""
}

// endAs records that the commit failed or waits for someone; what runs stays.
func (p *pass) endAs(a *Ask, outcome Outcome, reason string, removals []string) {
	last := p.facts.LastCommit(a.Repo)
	if last != nil && last.Revision.Commit == a.Desired.Revision.Commit && last.Outcome == outcome && last.Reason == reason {
		return
	}
	c := p.commitFor(a)
	c.Outcome, c.Reason, c.Removals, c.Ended = outcome, reason, removals, p.in.Now
	c.Unverified = outcome == Held && a.Unverified != ""
	c.Unplanned = outcome == Held && reason == a.Unplanned
}

// commitFor is the record of the revision in work, begun if it is new: one that
// was still under way is superseded, and what it leaves behind is taken over.
func (p *pass) commitFor(a *Ask) *Commit {
	p.editCommits()
	r := a.Desired.Revision
	next := Commit{Revision: r, Repo: a.Repo, Outcome: Progressing, Seen: p.in.Now}
	if last := p.facts.LastCommit(a.Repo); last != nil {
		if last.Revision.Commit == r.Commit {
			return last
		}
		next.Touched = p.untold(last)
		if !last.Outcome.Ended() || last.Outcome == Held {
			last.Outcome, last.Reason, last.Ended = Superseded, "by "+r.Short(), p.in.Now
		}
	}
	p.facts.Commits = append(newest(p.facts.Commits, a.Repo, MaxCommits-1), next)
	return &p.facts.Commits[len(p.facts.Commits)-1]
}

// untold are the workloads of a commit that gives way which have not come to a
// good end, or may yet go back from it, and whose end no record tells of: its own
// does if it was in force and waited for them. So each change that fails is the
// outcome of one commit.
func (p *pass) untold(c *Commit) (names []string) {
	if c.Outcome.Ended() && c.Revision.Commit == p.facts.InForce(c.Repo) {
		return nil
	}
	for _, name := range c.Touched {
		if r := p.rollout(name); p.unresolved(name) == nil && r != nil && r.Stage != Done {
			names = append(names, name)
		}
	}
	return names
}

// adopt turns a repository's own part of the new text into rollouts and returns the
// workloads that it touches, sorted.
func (p *pass) adopt(a *Ask, s *schema.Spec, own []schema.Workload) (touched []string) {
	commit := a.Desired.Revision.Commit
	for i := range own {
		w := &own[i]
		if p.heldBack(w.Name, w) {
			if r := p.rollout(w.Name); r == nil || lateText(r, w) {
				touched = append(touched, w.Name)
			}
			continue
		}
		if p.adoptOne(w, commit) || a.unresolved(w.Name) != nil {
			touched = append(touched, w.Name)
		}
	}
	for i := range p.facts.Rollouts {
		r := p.facts.Rollouts[i]
		if r.Want == nil || s.Workload(r.Workload) != nil || p.facts.RepoOf(r.Workload) != a.Repo {
			continue
		}
		if !p.heldBack(r.Workload, nil) {
			p.removeOne(i, commit)
		}
		touched = append(touched, r.Workload)
	}
	slices.Sort(touched)
	return touched
}

// removeOne begins the end of a workload that left the repository.
func (p *pass) removeOne(i int, commit string) {
	p.editRollouts()
	r := &p.facts.Rollouts[i]
	r.Want, r.Target, r.Stage, r.Reason, r.Serving, r.Paused, r.Quarantined = nil, "", Removing, "", "", nil, nil
	r.Commit, r.Began, r.Moved = commit, p.in.Now, p.in.Now
}

// adoptOne begins a rollout if the workload's text differs from what is wanted.
func (p *pass) adoptOne(w *schema.Workload, commit string) bool {
	at, known := findRollout(p.facts.Rollouts, w.Name)
	if known && p.facts.Rollouts[at].Want != nil && !lateText(&p.facts.Rollouts[at], w) {
		return false
	}
	p.editRollouts()
	if !known {
		p.facts.Rollouts = slices.Insert(p.facts.Rollouts, at, Rollout{Workload: w.Name})
	}
	r := &p.facts.Rollouts[at]
	if r.stillAside(w, commit) {
		return true
	}
	r.Quarantined = nil
	w = r.recount(w)
	target := w.Digest()
	// A digest that was rolled back stays quarantined until it changes.
	quarantined := (r.Stage == Reverting || r.Stage == Reverted) && target == r.Target
	text := *w
	if r.Stage == Keeping { // what serves is what was good before
		r.Good, r.GoodDigest = r.Want, r.Target
	}
	if target != r.Target {
		r.Step, r.Failed, r.Promoted, r.Course = 0, nil, nil, nil
	}
	r.Want, r.Target, r.Commit = &text, target, commit
	if !quarantined {
		r.Ready = time.Time{}
		r.direct(r.served(), p.in.Now)
		r.Stage, r.Reason, r.Progress, r.Paused = Rolling, "", 0, nil
		if len(w.After) > 0 {
			r.Stage = Waiting
		}
		r.Began, r.Moved = p.in.Now, p.in.Now
	}
	return true
}

// unresolved is why the image of a workload is not known, in the text of the
// repository that it is of; nil where it is.
func (p *pass) unresolved(workload string) *Unresolved {
	repo := p.facts.RepoOf(workload)
	if repo == "" {
		own := Ask{Unresolved: p.in.Unresolved}
		return own.unresolved(workload)
	}
	for i := range p.in.Others {
		if p.in.Others[i].Repo == repo {
			return p.in.Others[i].unresolved(workload)
		}
	}
	return nil
}

func union(a, b []string) []string {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}
