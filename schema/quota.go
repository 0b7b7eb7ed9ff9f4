package schema

import "fmt"

// Quota is what may be asked for together. What is zero is not bounded.
type Quota struct {
	CPU    CPU   `json:"cpu,omitempty"`
	Memory Bytes `json:"memory,omitempty"`
	// Workloads counts them, Slots their replicas, or what of a job runs at once.
	// A daemon counts as one slot: how many nodes it is on no text says.
	Workloads int `json:"workloads,omitempty"`
	Slots     int `json:"slots,omitempty"`
}

// Takes is what the workload takes of a quota.
func (w *Workload) Takes() Quota {
	n := 1
	switch {
	case w.Kind == Service || w.Kind == Stateful:
		n = w.Replicas
	case w.Kind.Runs():
		n = min(max(w.Parallelism, 1), max(w.Completions, 1))
	}
	return Quota{CPU: CPU(times(int64(w.Resources.CPU), n)), Memory: Bytes(times(int64(w.Resources.Memory), n)), Workloads: 1, Slots: n}
}

// Quota is the quantity as a quota of no counts.
func (q Quantity) Quota() Quota { return Quota{CPU: q.CPU, Memory: q.Memory} }

// Plus is the sum, at most as much as can be counted.
func (q Quota) Plus(r Quota) Quota {
	return Quota{
		CPU: min(q.CPU, mostAmount) + min(r.CPU, mostAmount), Memory: min(q.Memory, mostAmount) + min(r.Memory, mostAmount),
		Workloads: q.Workloads + r.Workloads, Slots: q.Slots + r.Slots,
	}
}

// Minus is the difference of what was summed.
func (q Quota) Minus(r Quota) Quota {
	return Quota{CPU: q.CPU - r.CPU, Memory: q.Memory - r.Memory, Workloads: q.Workloads - r.Workloads, Slots: q.Slots - r.Slots}
}

// More is whether q has more of anything than r.
func (q Quota) More(r Quota) bool {
	return q.CPU > r.CPU || q.Memory > r.Memory || q.Workloads > r.Workloads || q.Slots > r.Slots
}

// Above is the first amount that q has more of than a limit, which bounds nothing
// where it is zero: "cpu", "memory", "workloads", "slots", or "".
func (q Quota) Above(limit Quota) string {
	what := Quantity{CPU: q.CPU, Memory: q.Memory}.Above(&Quantity{CPU: limit.CPU, Memory: limit.Memory})
	switch {
	case what != "":
		return what
	case limit.Workloads > 0 && q.Workloads > limit.Workloads:
		return "workloads"
	case limit.Slots > 0 && q.Slots > limit.Slots:
		return "slots"
	}
	return ""
}

// Text is one of the amounts for people: "12 cpu", "3 workloads".
func (q Quota) Text(what string) string {
	switch what {
	case "workloads":
		return counted(q.Workloads, "workload")
	case "slots":
		return counted(q.Slots, "slot")
	}
	return Quantity{CPU: q.CPU, Memory: q.Memory}.Text(what)
}

func counted(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
