package scheduler

import (
	"math"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// trait is an attribute that rules ask about.
type trait struct {
	attribute string
	// whole is whether each of its values makes a class: a rule counts by them.
	whole bool
	// asked are the questions that other rules put.
	asked []schema.Constraint
	many  bool // too many values for a class each, where the answers will do
}

// manyValues is up to how many values of an attribute a class for each is
// cheaper than asking each node every question.
const manyValues = 64

func (t *Table) trait(attribute string) *trait {
	i, found := slices.BinarySearchFunc(t.traits, attribute, func(x trait, name string) int { return strings.Compare(x.attribute, name) })
	if !found {
		t.traits = slices.Insert(t.traits, i, trait{attribute: attribute})
	}
	return &t.traits[i]
}

// tell makes classes tell apart what requests ask about.
func (t *Table) tell(requests []Request) {
	var last *schema.Workload
	news := false
	for i := range requests {
		if w := requests[i].Workload; w != last {
			news = t.tellOf(w) || news
			last = w
		}
	}
	if news {
		t.classify()
	}
}

// tellOf is whether w asks about anything that no one asked about so far.
func (t *Table) tellOf(w *schema.Workload) (news bool) {
	needs := w.Needs()
	for i := range needs {
		news = t.ask(&needs[i]) || news
	}
	for i := range w.Affinity {
		news = t.ask(&w.Affinity[i].Constraint) || news
	}
	for i := range w.Spread {
		news = t.askAll(w.Spread[i].Over) || news
	}
	for i := range w.Near {
		news = t.askAll(w.Near[i].Over) || news
	}
	for _, over := range sortedKeys(w.MaxPer) {
		news = t.askAll(over) || news
	}
	return news
}

func (t *Table) ask(c *schema.Constraint) (news bool) {
	x := t.trait(c.Attribute)
	for i := range x.asked {
		if k := &x.asked[i]; k.Op == c.Op && k.Value == c.Value && slices.Equal(k.Values, c.Values) {
			return false
		}
	}
	x.asked = append(x.asked, *c)
	return true
}

func (t *Table) askAll(attribute string) (news bool) {
	if attribute == schema.EachNode {
		return false
	}
	x := t.trait(attribute)
	news = !x.whole
	x.whole = true
	return news
}

// classify sorts the nodes into classes and puts them on their shelves anew.
func (t *Table) classify() {
	t.hold(nil)
	t.classes, t.index.shelf = t.classes[:0], t.index.shelf[:0]
	t.index.states, t.index.spare = t.index.states[:0], t.index.spare[:0]
	for i := range t.traits {
		t.traits[i].many = t.hasMany(t.traits[i].attribute)
	}
	known := map[string]int32{}
	var key []byte
	for i := range t.nodes {
		home := t.tree.Home(t.nodes[i].Node, t.known)
		key = t.key(key[:0], int32(i), &home)
		c, ok := known[string(key)]
		if !ok {
			c = int32(len(t.classes))
			known[string(key)] = c
			t.classes = append(t.classes, class{head: int32(i), home: home})
			t.index.shelf = append(t.index.shelf, shelf{leastCPU: math.MaxInt64, leastMem: math.MaxInt64})
		}
		t.class[i] = c
		t.index.shelf[c].widen(t.capCPU[i], t.capMem[i])
		t.index.of[i] = -1
	}
	for i := range t.nodes {
		t.enter(int32(i))
	}
}

func (t *Table) hasMany(attribute string) bool {
	seen := map[string]bool{}
	for i := range t.nodes {
		if v, have := t.nodes[i].Node.Attributes[attribute]; have {
			if seen[v] = true; len(seen) > manyValues {
				return true
			}
		}
	}
	return false
}

// key is equal for nodes of one class: those of about the same size for which
// every rule on attributes has the same answer.
func (t *Table) key(b []byte, i int32, home *Home) []byte {
	n := &t.nodes[i]
	b = append(b, rung(t.capCPU[i]), rung(t.capMem[i]))
	for _, text := range [...]string{n.Closed, home.Pool, home.Rival} {
		b = append(append(b, text...), 0)
	}
	if n.Keeps {
		b = append(b, 2)
	}
	for _, taint := range home.Taints {
		b = append(append(b, 1), taint...)
	}
	if home.policy != nil {
		b = append(append(b, n.Node.Attributes[schema.PolicyAttribute]...), 0)
	}
	for k := range t.traits {
		b = t.traits[k].answer(b, n, t.known)
	}
	return b
}

func (x *trait) answer(b []byte, n *Node, known schema.Patterns) []byte {
	if x.whole || !x.many {
		if v, have := n.Node.Attributes[x.attribute]; have {
			b = append(append(b, 1), v...)
		}
		return append(b, 0)
	}
	for i := range x.asked {
		if x.asked[i].Holds(n.Node.Attributes, known) {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	return b
}

func (s *shelf) widen(cpu, mem int64) {
	s.leastCPU, s.mostCPU = min(s.leastCPU, cpu), max(s.mostCPU, cpu)
	s.leastMem, s.mostMem = min(s.leastMem, mem), max(s.mostMem, mem)
}
