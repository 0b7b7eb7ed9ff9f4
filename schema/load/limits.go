package load

import (
	"fmt"
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// beyond are the errors of a team that alone asks for more than a pool's limit,
// of one slot or of all of its slots together: nothing that others do makes room
// for that. What all teams ask for together is judged when the commit is accepted,
// since it cannot be told here whose part is too large.
func (r *result) beyond(team string, pools []schema.Pool) (errs []*Error) {
	if !slices.ContainsFunc(pools, func(p schema.Pool) bool { return p.Limit != nil }) {
		return nil
	}
	sums := map[string]schema.Quantity{}
	for i := range r.Workloads {
		w, b := &r.Workloads[i], &r.Belongs[i]
		told := false
		schema.Outward(pools, w.Pool, func(p *schema.Pool) {
			one := schema.Quantity{CPU: w.Resources.CPU, Memory: w.Resources.Memory}
			was := sums[p.Name]
			sums[p.Name] = was.Plus(w.Asked())
			what, all := one.Above(p.Limit), sums[p.Name].Above(p.Limit)
			switch {
			case told:
			case what != "":
				errs, told = append(errs, b.Size.error(team, fmt.Sprintf("a slot of %s is more than pool %q may ever have: its limit is %s", one.Text(what), p.Name, p.Limit.Text(what)))), true
			case all != "" && was.Above(p.Limit) == "":
				errs, told = append(errs, b.Count.error(team, fmt.Sprintf("with it the team asks for %s of pool %q, whose limit is %s", sums[p.Name].Text(all), p.Name, p.Limit.Text(all)))), true
			}
		})
	}
	return errs
}
