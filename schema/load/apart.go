package load

import (
	"slices"

	"cuelang.org/go/cue"

	"github.com/bayplan/bayplan/schema"
)

// under is what a package comes to under the policy, if there is one, by what comes
// makes of each part of the work.
//
// A team's text is evaluated without the policy; what it says is then held to the
// policy apart. So a policy that changed has nothing evaluated again, and a team
// that changed has only its own judged. Where the policy objects, or adds what
// nobody knows a place for, both are done together, since then it takes the text to
// say where.
func under(p Package, come func(Package) entry) result {
	if !p.Policy {
		return come(p).result
	}
	alone := p
	alone.Policy, alone.Bare = false, true
	e := come(alone)
	said := e.result
	if said.Broken || len(said.Errors) == 0 && len(said.Said) == 0 {
		return said
	}
	if len(said.Errors) == 0 && e.content != (entry{}).content {
		judge := p
		judge.Judge, judge.from = said.Said, e.content
		verdict := come(judge).result
		if verdict.Broken {
			return verdict
		}
		if r, ok := said.with(&verdict); ok {
			return r
		}
	}
	return come(p).result
}

// with is the result and what the policy adds to it; false if it takes the text to
// tell.
func (r result) with(verdict *result) (result, bool) {
	if verdict.Objected || len(verdict.Errors) > 0 {
		return result{}, false
	}
	if len(verdict.Workloads) > 0 {
		r.Workloads, r.Belongs = slices.Clone(r.Workloads), slices.Clone(r.Belongs)
	}
	for i := range verdict.Workloads {
		w := &verdict.Workloads[i]
		at := r.find(w.Name)
		if at < 0 || !slices.Equal(r.Workloads[at].After, w.After) {
			return result{}, false
		}
		b, ok := r.Belongs[at].of(w)
		if !ok {
			return result{}, false
		}
		r.Workloads[at], r.Belongs[at] = *w, b
	}
	return r, true
}

func (r *result) find(name string) int {
	for i := range r.Workloads {
		if r.Workloads[i].Name == name {
			return i
		}
	}
	return -1
}

// stages are the parts of the work on one folder, each with a result of its own.
var stages = []string{"", stageBare, stageJudge}

const (
	stageBare  = "\x00bare"
	stageJudge = "\x00judge"
)

// slot is where the result is remembered.
func (p *Package) slot() string {
	switch {
	case p.Judge != nil:
		return p.Dir + stageJudge
	case p.Bare:
		return p.Dir + stageBare
	}
	return p.Dir
}

// judgeApart holds to the policy what the package said of itself before.
func (e *evaluation) judgeApart(all []Statement) {
	e.out.Team = true
	policy, ok := e.openPolicy()
	if !ok {
		return
	}
	kinds := e.kinds()
	for _, s := range all {
		c := candidate{under: []string{"workloads"}, name: s.Name, team: teamUnder(e.root, e.dir), dir: e.dir, policy: policy, limits: e.limits,
			kindName: string(s.Kind), rule: rules().kinds[string(s.Kind)]}
		w, added, ok := c.judgeSaid(kinds, s.Data)
		if !ok {
			e.out.Objected, e.out.Workloads, e.out.Belongs = true, nil, nil
			return
		}
		if added {
			e.out.Workloads = append(e.out.Workloads, w)
			e.out.Belongs = append(e.out.Belongs, belonging{Pool: w.Pool})
		}
	}
}

// judgeSaid is the workload if the policy adds to it; not ok is an objection.
func (c *candidate) judgeSaid(kinds func() cue.Value, said []byte) (w schema.Workload, added, ok bool) {
	if c.rule == nil {
		return w, false, false
	}
	text, added, err := c.underPolicy(kinds, said)
	if err != nil || len(c.errs) > 0 {
		return w, false, false
	}
	if added {
		w, _ = c.finish(text)
	}
	return w, added, len(c.errs) == 0
}
