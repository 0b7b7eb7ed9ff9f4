package reconciler

import "github.com/bayplan/bayplan/schema"

// gist is what is asked of a text for each of its slots, taken out of its maps
// once: going through a map for every slot is most of what a pass would cost.
type gist struct {
	of *schema.Workload
	// fixes is whether it has a port that is not chosen but fixed.
	fixes bool
	// chosen are its ports that are chosen where a slot is placed, in no order.
	chosen []string
	// volumes are the slots' own, in no order.
	volumes []ownVolume
	// held is the [Scratch.age] in which all homes that the text wants were found to
	// hold its volumes; zero is none.
	held uint64
}

// ownVolume is one with the size that it is to be bounded to.
type ownVolume struct {
	name string
	size schema.Bytes
}

// gistOf is the text's, which is of the i-th rollout. It is the one that it was
// made of until that rollout has another.
func (p *pass) gistOf(i int, w *schema.Workload) *gist {
	for len(p.gists) <= i {
		p.gists = append(p.gists, gist{})
	}
	g := &p.gists[i]
	if g.of != w {
		g.take(w)
	}
	return g
}

func (g *gist) take(w *schema.Workload) {
	*g = gist{of: w, chosen: g.chosen[:0], volumes: g.volumes[:0]}
	for name, port := range w.Ports {
		if port.Host == 0 {
			g.chosen = append(g.chosen, name)
		} else {
			g.fixes = true
		}
	}
	for name, v := range w.Volumes {
		if v.Host == "" {
			g.volumes = append(g.volumes, ownVolume{name, v.Size})
		}
	}
}
