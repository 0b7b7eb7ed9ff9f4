package agent

import (
	"maps"
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// What every engine on Linux makes of a Container is here, so that it means the
// same on each.

// Image is the reference to run: by digest where that is known.
func (c Container) Image() string {
	if c.Workload.Pinned != "" {
		return c.Workload.Pinned
	}
	return c.Workload.Image
}

// Environ is the workload's environment and the agent's, which wins, as
// "NAME=value", sorted.
func (c Container) Environ() []string {
	all := maps.Clone(c.Workload.Env)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, c.Env)
	list := make([]string, 0, len(all))
	for _, k := range slices.Sorted(maps.Keys(all)) {
		list = append(list, k+"="+all[k])
	}
	return list
}

// A container's log is kept in so many files of so many bytes, the oldest
// dropped.
const (
	LogFiles    = 3
	LogFileSize = 10 << 20
)

// The kernel's units: a core is 1024 shares when cores are short. A limit is so
// many microseconds of each period, which may be more than the machine has.
const (
	CPUPeriod     = 100_000
	sharesPerCore = 1024
	fewestShares  = 2
	leastQuota    = 1000
)

// CPUShares is a request of CPU as a weight; zero is none.
func CPUShares(q schema.Resources) int64 {
	if q.CPU <= 0 {
		return 0
	}
	return max(fewestShares, int64(q.CPU)*sharesPerCore/1000)
}

// CPUQuota is a limit of CPU as microseconds of each CPUPeriod; zero is none.
func CPUQuota(q schema.Resources) int64 {
	if q.Limit.CPU <= 0 {
		return 0
	}
	return max(leastQuota, int64(q.Limit.CPU)*CPUPeriod/1000)
}

// MemoryReservation is the memory to be kept under pressure, in bytes: the
// request, where the limit allows it; zero is none.
func MemoryReservation(q schema.Resources) int64 {
	if q.Limit.Memory > 0 && q.Memory > q.Limit.Memory {
		return 0
	}
	return int64(q.Memory)
}
