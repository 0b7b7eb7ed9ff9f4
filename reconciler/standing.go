package reconciler

import "github.com/bayplan/bayplan/scheduler"

// Standings tells how each pool of the repository stands, sorted by name; none
// where it names none.
func Standings(in Input) []scheduler.Standing {
	if len(in.Facts.Spec.Pools) == 0 {
		return nil
	}
	in.Scratch = nil
	p := newPass(in)
	p.look()
	p.buildPool()
	return scheduler.Open(*p.pool).Standings()
}
