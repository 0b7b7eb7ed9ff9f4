package reconciler

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// The limits of pools hold when a commit is accepted, too, and not only when a
// slot is placed (I19): an update that stops the old instance first would find no
// place for the new one where the pool is above its limit. What counts is what
// the text asks for good ([schema.Workload.Asked]), before anything is stopped.
//
// Who would take a pool past its limit stays as it is, as a team that does not
// evaluate does (I13), and the others go on: of teams that ask for more than
// before those first by name go first, and what others give up makes room for
// them. Pools with a lower limit than what is asked of them stay as they are, too.
//
// The quotas of owners hold in the same way, for what their teams take together
// ([schema.Workload.Takes]).

// withinLimits sets back what of m would take a pool past its limit, or the teams
// of an owner past their quota.
func (p *pass) withinLimits(repo string, m *schema.Spec) {
	last := &p.facts.Spec
	if !limited(m) {
		return
	}
	a := newAsks(m, last.Workloads)
	if text := p.overLimit(m, a); text != "" {
		m.Pools, m.Registries, m.Owners, m.Gates = last.Pools, last.Registries, last.Owners, last.Gates
		setBack(m, last, schema.Team{}, text)
		if a = newAsks(m, last.Workloads); !limited(m) {
			return
		}
	}
	for _, team := range a.raising {
		if text := a.raise(m, team); text != "" {
			setBack(m, last, schema.Team{Name: team, Repo: repo}, text)
		}
	}
}

func limited(s *schema.Spec) bool {
	return slices.ContainsFunc(s.Pools, func(p schema.Pool) bool { return p.Limit != nil }) ||
		slices.ContainsFunc(s.Owners, func(o schema.Owner) bool { return o.Quota != nil })
}

// bound is what has a limit: a pool, or the teams under an owner's path.
type bound struct{ pool, owner string }

// eachBound hands over what is limited, and how much there may be.
func eachBound(s *schema.Spec, do func(bound, schema.Quota)) {
	for i := range s.Pools {
		if p := &s.Pools[i]; p.Limit != nil {
			do(bound{pool: p.Name}, p.Limit.Quota())
		}
	}
	for i := range s.Owners {
		if o := &s.Owners[i]; o.Quota != nil {
			do(bound{owner: o.Path}, *o.Quota)
		}
	}
}

// quantities are by what is limited; for a pool, with what is asked of its parts.
type quantities map[bound]schema.Quota

func (q quantities) add(r quantities) {
	for b, x := range r {
		q[b] = q[b].Plus(x)
	}
}

// ask adds what a workload asks of its pool, of those that this is a part of, and
// of its team's owners.
func (q quantities) ask(s *schema.Spec, w *schema.Workload) {
	schema.Outward(s.Pools, w.Pool, func(p *schema.Pool) {
		b := bound{pool: p.Name}
		q[b] = q[b].Plus(w.Asked().Quota())
	})
	for i := range s.Owners {
		if o := &s.Owners[i]; o.Quota != nil && o.Owns(w.Name) {
			b := bound{owner: o.Path}
			q[b] = q[b].Plus(w.Takes())
		}
	}
}

// asks is what teams ask for.
type asks struct {
	was, is map[string]quantities // by team
	// raising are the teams that ask for more of something than they did, sorted.
	raising []string
	// all is what is accepted: of those that raise what they had, at first.
	all quantities
}

// newAsks compares what m asks for with what was asked for, by the bounds of m.
func newAsks(m *schema.Spec, was []schema.Workload) *asks {
	a := &asks{was: byTeam(m, was), is: byTeam(m, m.Workloads), all: quantities{}}
	for _, team := range slices.Sorted(maps.Keys(a.is)) {
		if now, before := a.is[team], a.was[team]; now.above(before) {
			a.raising = append(a.raising, team)
			a.all.add(before)
		} else {
			a.all.add(now)
		}
	}
	return a
}

func byTeam(s *schema.Spec, workloads []schema.Workload) map[string]quantities {
	all := map[string]quantities{}
	for i := range workloads {
		w := &workloads[i]
		of := all[w.Team()]
		if of == nil {
			of = quantities{}
			all[w.Team()] = of
		}
		of.ask(s, w)
	}
	return all
}

// above is whether q has more of anything than r.
func (q quantities) above(r quantities) bool {
	for b, x := range q {
		if x.More(r[b]) {
			return true
		}
	}
	return false
}

// raise takes in what a team asks for now, unless that would be past the limit of
// something that it asks more of: then it tells which.
func (a *asks) raise(m *schema.Spec, team string) (text string) {
	was, is := a.was[team], a.is[team]
	eachBound(m, func(b bound, most schema.Quota) {
		rest := a.all[b].Minus(was[b])
		if what := rest.Plus(is[b]).Above(most); what != "" && is[b].More(was[b]) && text == "" {
			text = b.tooMuch(is[b].Text(what), rest.Text(what), most.Text(what))
		}
	})
	if text != "" {
		return text
	}
	for b, x := range was {
		a.all[b] = a.all[b].Minus(x)
	}
	a.all.add(is)
	return ""
}

// tooMuch is why a team may not have what it asks for.
func (b bound) tooMuch(asked, others, most string) string {
	if b.pool != "" {
		return fmt.Sprintf("it asks for %s of pool %s, others ask for %s, and its limit is %s", asked, b.pool, others, most)
	}
	whom := (&schema.Owner{Path: b.owner}).Whom()
	return fmt.Sprintf("it asks for %s, the other %s for %s, and together they may have %s", asked, whom, others, most)
}

// overLimit tells of a limit that is lower than what is asked for, and was not so
// far.
func (p *pass) overLimit(m *schema.Spec, a *asks) (text string) {
	last := &p.facts.Spec
	before, former := quantities{}, quantities{}
	for i := range last.Workloads {
		before.ask(last, &last.Workloads[i])
	}
	eachBound(last, func(b bound, most schema.Quota) { former[b] = most })
	eachBound(m, func(b bound, most schema.Quota) {
		what := a.all[b].Above(most)
		if what == "" || before[b].Above(former[b]) != "" || text != "" {
			return
		}
		text = b.tooLow(a.all[b].Text(what), most.Text(what))
	})
	return text
}

func (b bound) tooLow(asked, most string) string {
	if b.pool != "" {
		return fmt.Sprintf("pool %s: %s is asked of it, and its limit would be %s", b.pool, asked, most)
	}
	return fmt.Sprintf("owner %s: its teams ask for %s, and would have %s together", b.owner, asked, most)
}

// setBack gives a team of m the text that it had; one without a name is the root.
func setBack(m, last *schema.Spec, team schema.Team, text string) {
	m.Workloads = slices.DeleteFunc(m.Workloads, func(w schema.Workload) bool { return w.Team() == team.Name })
	for i := range last.Workloads {
		if last.Workloads[i].Team() == team.Name {
			m.Workloads = append(m.Workloads, last.Workloads[i])
		}
	}
	slices.SortFunc(m.Workloads, func(a, b schema.Workload) int { return strings.Compare(a.Name, b.Name) })
	at, known := teamAt(m.Teams, team.Name, team.Repo)
	if !known {
		m.Teams = slices.Insert(m.Teams, at, team)
	}
	t := &m.Teams[at]
	t.Commit = commitOf(last, team)
	t.Errors = append(slices.Clip(t.Errors), cmp.Or(team.Name, "(root)")+": "+text+stays)
}

// stays ends what is told of a team that is set back.
const stays = ": it stays as it was"

// PastLimit is whether a team's error is that it would take a pool or an owner past a limit.
func PastLimit(text string) bool { return strings.HasSuffix(text, stays) }

func allErrors(s *schema.Spec) (errors []string) {
	for i := range s.Teams {
		errors = append(errors, s.Teams[i].Errors...)
	}
	return errors
}

// Refused are the errors of teams that evaluate and were not accepted: those that
// the accepted text of the same repository has and the newest one has not.
func Refused(newest, accepted *schema.Spec) (errors []string) {
	if newest.Revision.Commit != accepted.Revision.Commit {
		return nil
	}
	known := map[string]bool{}
	for _, text := range allErrors(newest) {
		known[text] = true
	}
	for _, text := range allErrors(accepted) {
		if !known[text] {
			errors = append(errors, text)
		}
	}
	return errors
}
