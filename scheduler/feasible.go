package scheduler

// The filters in the order in which they are asked. The first that refuses a
// node is the one that the node counts under.
const (
	filterNode = iota
	filterClosed
	filterEnding
	filterAmount
	filterPool
	filterTaint
	filterConstraint
	filterPolicy
	filterHeld
	filterNear
	filterMost
	filterCPU
	filterMemory
	filterDisk
	filterDevice
	filterPort
	filterCount
)

var filterNames = [filterCount]string{"node", "closed", "ending", "amount", "pool", "taint", "constraint", "policy", "guarantee",
	"near", "most", "cpu", "memory", "disk", "device", "port"}

// Verdict is what a node says to a request.
type Verdict struct {
	// Fits is whether it can take the request; Score then tells how well, and
	// otherwise Filter what refuses it and Miss by how much.
	Fits         bool
	Score        Score
	Filter, Miss string

	far far
}

// Nearer orders verdicts: a node that can take the request is before one that
// cannot, the higher score first; of others those that a later filter refuses are
// before, and under one filter the nearer miss.
func (v *Verdict) Nearer(other *Verdict) int {
	switch {
	case v.Fits != other.Fits:
		if v.Fits {
			return -1
		}
		return 1
	case v.Fits:
		return other.Score.Total() - v.Score.Total()
	}
	return v.far.compare(&other.far)
}

// Ask asks the i-th node about a request, by the one rule that the preview, the
// placement and the check when an order is made go by.
func (t *Table) Ask(i int, r *Request) (v Verdict) {
	t.asking(r, nil, func(g *run) { v = g.verdict(int32(i)) })
	return v
}

// asking asks a run for one request that may not go to the barred pools' nodes.
func (t *Table) asking(r *Request, barred []int32, ask func(*run)) {
	t.tell([]Request{*r})
	g := t.run(r)
	defer t.end(g)
	g.barred = barred
	t.hold(g)
	g.leave(t.at(r.Leaves))
	ask(g)
}

// AskAll asks every node, and the request's pool, which may refuse them all.
func (t *Table) AskAll(r *Request) []Verdict {
	all := make([]Verdict, len(t.nodes))
	leaf, denied := t.shares.leaf(t, r.Workload.Pool), Verdict{Fits: true}
	if no := t.denies(leaf, r); no.filter != "" {
		denied = Verdict{Filter: no.filter, Miss: t.shares.why(no, len(all)).Refusals[0].Nearest}
	}
	t.asking(r, t.bars(leaf, r), func(g *run) {
		for i := range all {
			if all[i] = g.verdict(int32(i)); all[i].Fits && !denied.Fits {
				all[i] = denied
			}
		}
	})
	return all
}

func (g *run) verdict(n int32) Verdict {
	if f := g.refuse(n); f >= 0 {
		return Verdict{Filter: filterNames[f], Miss: g.missText(f, n), far: far{filterCount - f, g.lack(f, n), g.more(f, n)}}
	}
	return Verdict{Fits: true, Score: g.scoreOf(n)}
}
