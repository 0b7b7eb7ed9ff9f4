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

// withinLimits sets back what of m would take a pool past its limit.
func (p *pass) withinLimits(m *schema.Spec) {
	last := &p.facts.Spec
	if !limited(m.Pools) {
		return
	}
	a := newAsks(m.Pools, last.Workloads, m.Workloads)
	if text := p.overLimit(m, a); text != "" {
		m.Pools, m.Registries = last.Pools, last.Registries
		setBack(m, last, "", text)
		if a = newAsks(m.Pools, last.Workloads, m.Workloads); !limited(m.Pools) {
			return
		}
	}
	for _, team := range a.raising {
		if text := a.raise(m.Pools, team); text != "" {
			setBack(m, last, team, text)
		}
	}
}

func limited(pools []schema.Pool) bool {
	return slices.ContainsFunc(pools, func(p schema.Pool) bool { return p.Limit != nil })
}

// quantities are by pool, what is asked of its parts included.
type quantities map[string]schema.Quantity

func (q quantities) add(r quantities) {
	for name, x := range r {
		q[name] = q[name].Plus(x)
	}
}

// ask adds what a workload asks of its pool, and of those that this is a part of.
func (q quantities) ask(pools []schema.Pool, w *schema.Workload) {
	schema.Outward(pools, w.Pool, func(p *schema.Pool) { q[p.Name] = q[p.Name].Plus(w.Asked()) })
}

// asks is what teams ask of pools.
type asks struct {
	was, is map[string]quantities // by team
	// raising are the teams that ask for more of some pool than they did, sorted.
	raising []string
	// all is what is accepted: of those that raise what they had, at first.
	all quantities
}

func newAsks(pools []schema.Pool, was, is []schema.Workload) *asks {
	a := &asks{was: byTeam(pools, was), is: byTeam(pools, is), all: quantities{}}
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

func byTeam(pools []schema.Pool, workloads []schema.Workload) map[string]quantities {
	all := map[string]quantities{}
	for i := range workloads {
		w := &workloads[i]
		of := all[w.Team()]
		if of == nil {
			of = quantities{}
			all[w.Team()] = of
		}
		of.ask(pools, w)
	}
	return all
}

// above is whether q has more of anything than r.
func (q quantities) above(r quantities) bool {
	for name, x := range q {
		if y := r[name]; x.CPU > y.CPU || x.Memory > y.Memory {
			return true
		}
	}
	return false
}

// raise takes in what a team asks for now, unless a pool that it asks more of
// would be past its limit: then it tells which.
func (a *asks) raise(pools []schema.Pool, team string) string {
	was, is := a.was[team], a.is[team]
	for i := range pools {
		name := pools[i].Name
		rest := a.all[name].Minus(was[name])
		more := is[name].CPU > was[name].CPU || is[name].Memory > was[name].Memory
		if what := rest.Plus(is[name]).Above(pools[i].Limit); what != "" && more {
			return fmt.Sprintf("it asks for %s of pool %s, others ask for %s, and its limit is %s",
				is[name].Text(what), name, rest.Text(what), pools[i].Limit.Text(what))
		}
	}
	for name, x := range was {
		a.all[name] = a.all[name].Minus(x)
	}
	a.all.add(is)
	return ""
}

// overLimit tells of a pool whose limit is lower than what is asked of it, and was
// not so far.
func (p *pass) overLimit(m *schema.Spec, a *asks) string {
	last := &p.facts.Spec
	before := quantities{}
	for i := range last.Workloads {
		before.ask(last.Pools, &last.Workloads[i])
	}
	for i := range m.Pools {
		pool := &m.Pools[i]
		what := a.all[pool.Name].Above(pool.Limit)
		if what == "" || before[pool.Name].Above(limitOf(last.Pools, pool.Name)) != "" {
			continue
		}
		return fmt.Sprintf("pool %s: %s is asked of it, and its limit would be %s", pool.Name, a.all[pool.Name].Text(what), pool.Limit.Text(what))
	}
	return ""
}

func limitOf(pools []schema.Pool, name string) (limit *schema.Quantity) {
	schema.Outward(pools, name, func(p *schema.Pool) {
		if p.Name == name {
			limit = p.Limit
		}
	})
	return limit
}

// setBack gives a team of m the text that it had; "" is the root.
func setBack(m, last *schema.Spec, team, text string) {
	m.Workloads = slices.DeleteFunc(m.Workloads, func(w schema.Workload) bool { return w.Team() == team })
	for i := range last.Workloads {
		if last.Workloads[i].Team() == team {
			m.Workloads = append(m.Workloads, last.Workloads[i])
		}
	}
	slices.SortFunc(m.Workloads, func(a, b schema.Workload) int { return strings.Compare(a.Name, b.Name) })
	at, known := slices.BinarySearchFunc(m.Teams, team, func(t schema.Team, name string) int { return strings.Compare(t.Name, name) })
	if !known {
		m.Teams = slices.Insert(m.Teams, at, schema.Team{Name: team})
	}
	t := &m.Teams[at]
	t.Commit = commitOf(last, team)
	t.Errors = append(slices.Clip(t.Errors), cmp.Or(team, "(root)")+": "+text+stays)
}

// stays ends what is told of a team that is set back.
const stays = ": it stays as it was"

// PastLimit is whether a team's error is that it would take a pool past its limit.
func PastLimit(text string) bool { return strings.HasSuffix(text, stays) }

// Refused are the errors of teams that evaluate and were not accepted: those that
// the accepted text has and the newest one has not.
func Refused(newest, accepted *schema.Spec) (errors []string) {
	if newest.Revision.Commit != accepted.Revision.Commit {
		return nil
	}
	known := map[string]bool{}
	for _, text := range specErrors(newest) {
		known[text] = true
	}
	for _, text := range specErrors(accepted) {
		if !known[text] {
			errors = append(errors, text)
		}
	}
	return errors
}
