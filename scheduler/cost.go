package scheduler

import (
	"math"
	"slices"
)

// cost is what a set of victims costs, what counts most first: the worst rank
// among them (whether it is not revocable, and its priority), how many are not
// revocable, how many there are, and how many have their data there.
type cost [5]int

// leastCost is less than that of any set: priorities may be negative.
var leastCost = cost{1: math.MinInt}

func (c cost) compare(d cost) int { return slices.Compare(c[:], d[:]) }

// plan is a way to make room for a request on one node.
type plan struct {
	node    int32
	relief  *relief
	victims []*candidate // by what goes first
	cost    cost
	size    int // of all victims, which settles what costs the same on one node
}

func (s *search) planOf(victims []*candidate) *plan {
	p := &plan{node: s.node, relief: s.relief, victims: slices.Clone(victims)}
	p.cost, p.size = price(victims)
	return p
}

// price is what victims, which are ordered by rank, cost and how large they are.
func price(victims []*candidate) (c cost, size int) {
	for _, v := range victims {
		rank := v.rank()
		c[0], c[1] = rank[0], rank[1]
		c[2] += rank[0]
		if v.waits {
			c[4]++
		}
		size += v.size
	}
	c[3] = len(victims)
	return c, size
}

// floor is what no set costs less than that gives what is needed, were cpu and
// memory all that counts: the rank up to which all that may go are enough, and of
// these the largest.
func floor(all []candidate, need amounts) (c cost) {
	upTo, sum := 0, amounts{}
	for ; need.above(sum) || upTo == 0; upTo++ {
		sum = sum.plus(all[upTo].amounts)
	}
	rank := all[upTo-1].rank()
	for upTo < len(all) && all[upTo].rank() == rank {
		upTo++
	}
	c[0], c[1] = rank[0], rank[1]
	c[3] = fewest(all[:upTo], need)
	if first := slices.IndexFunc(all[:upTo], func(v candidate) bool { return !v.work.Revocable }); first >= 0 {
		c[2] = fewest(all[first:upTo], need.minus(sumOf(all[:first])))
	}
	return c
}

// fewest is how many of some it takes at least, of the largest of each resource.
func fewest(some []candidate, need amounts) (most int) {
	var room [16]int64
	for r := range need {
		sizes := room[:0]
		for i := range some {
			sizes = append(sizes, some[i].amounts[r])
		}
		slices.Sort(sizes)
		count, have := 0, int64(0)
		for ; have < need[r] && count < len(sizes); count++ {
			have = sub(have, -sizes[len(sizes)-1-count])
		}
		most = max(most, count)
	}
	return max(most, 1)
}
