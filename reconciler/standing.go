package reconciler

import "github.com/bayplan/bayplan/scheduler"

// Standings tells how each pool of the repository stands, sorted by name; none
// where it names none.
func Standings(in Input) []scheduler.Standing {
	if len(in.Facts.Spec.Pools) == 0 {
		return nil
	}
	p := newPass(in)
	p.Scratch = &Scratch{}
	p.look()
	p.buildPool()
	return scheduler.Open(*p.pool).Standings()
}
