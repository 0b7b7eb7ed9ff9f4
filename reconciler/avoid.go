package reconciler

import (
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// failedLately is for how long a failure speaks against its node.
const failedLately = 5 * time.Minute

// failedOn are the nodes where an instance of a rollout's workload failed lately, by name:
// others are tried first, since what ails it may be the node's. A place is looked
// for only when there is need of one, so that the end of that time alone asks for
// no pass.
func (p *pass) failedOn(rollout int) (names []string) {
	group := p.groupAt(rollout)
	for j := range group {
		e := &group[j]
		if code, ended := ranOut(e); ended && code == 0 && e.text() != nil && e.text().Kind.Runs() {
			continue // it ended well
		}
		if e.inst == nil || !maybeTheNodes(e.inst.Failure) || p.in.Now.Sub(e.inst.Failure.At) >= failedLately {
			continue
		}
		if name := p.nodes[e.node].fact.Name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, c := range p.facts.Rollouts[rollout].failures() {
		if p.in.Now.Sub(c.At) < failedLately && !slices.Contains(names, c.Node) {
			names = append(names, c.Node)
		}
	}
	slices.Sort(names)
	return names
}

// maybeTheNodes is whether a failure could be the node's: an image that no
// registry has is missing everywhere.
func maybeTheNodes(f *nodes.Failure) bool {
	return f != nil && f.Code != nodes.ImageNotFound && f.Code != nodes.ImageUnauthorized && f.Code != nodes.PortInUse && f.Code != nodes.VolumeFull && f.Code != nodes.LeaseExpired
}
