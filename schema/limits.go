package schema

import (
	"fmt"
	"math/bits"
)

// Asked is what a workload asks of its pool for good, which is known before any
// node is: that of a service's slots. Revocable work, runs of jobs and crons, and
// what has a slot for each node may ask for more than the pool's limit, and then
// has as much of it as there is.
func (w *Workload) Asked() (q Quantity) {
	if w.Kind != Service || w.Revocable {
		return q
	}
	return Quantity{CPU: CPU(times(int64(w.Resources.CPU), w.Replicas)), Memory: Bytes(times(int64(w.Resources.Memory), w.Replicas))}
}

// Plus is the sum, at most [mostAmount] of each.
func (q Quantity) Plus(r Quantity) Quantity {
	return Quantity{CPU: min(q.CPU, mostAmount) + min(r.CPU, mostAmount), Memory: min(q.Memory, mostAmount) + min(r.Memory, mostAmount)}
}

// Minus is the difference of what was summed.
func (q Quantity) Minus(r Quantity) Quantity {
	return Quantity{CPU: q.CPU - r.CPU, Memory: q.Memory - r.Memory}
}

// mostAmount is beyond what any machine has, and half of what can be counted.
const mostAmount = 1 << 62 >> 1

func times(amount int64, by int) int64 {
	high, low := bits.Mul64(uint64(max(amount, 0)), uint64(max(by, 0)))
	if high > 0 || low > mostAmount {
		return mostAmount
	}
	return int64(low)
}

// Above is the first amount that q has more of than a limit, which bounds nothing
// where it is nil or zero: "cpu", "memory", or "".
func (q Quantity) Above(limit *Quantity) string {
	switch {
	case limit == nil:
	case limit.CPU > 0 && q.CPU > limit.CPU:
		return "cpu"
	case limit.Memory > 0 && q.Memory > limit.Memory:
		return "memory"
	}
	return ""
}

// Text is one of the amounts for people: "12 cpu", "3Gi memory".
func (q Quantity) Text(what string) string {
	if what == "cpu" {
		return fmt.Sprintf("%s cpu", q.CPU)
	}
	return q.Memory.Human() + " memory"
}

// Outward hands over a pool and those that it is a part of, the inner ones first.
func Outward(pools []Pool, name string, over func(*Pool)) {
	for range len(pools) {
		at := findPool(pools, name)
		if at == nil {
			return
		}
		over(at)
		name = at.Parent
	}
}

func findPool(pools []Pool, name string) *Pool {
	for i := range pools {
		if pools[i].Name == name {
			return &pools[i]
		}
	}
	return nil
}
