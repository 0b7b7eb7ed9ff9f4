package scheduler

import "math"

// fit is the best fit of Borg and Nomad, (20 − 10^freeCPU − 10^freeMemory) / 18
// in thousandths, of the shares that are free after placement: 1000 on a node
// that is full, 0 on one that is empty. It falls as either share grows, which
// the index lives by. Beyond one division, which every machine rounds alike, it
// is integers, so that the same score comes out everywhere.
func fit(freeCPU, capCPU, freeMem, capMem int64) int32 {
	return fitOf(fullness(freeCPU, capCPU, freeMem, capMem))
}

// fitOf brings fullness to thousandths.
func fitOf(fullness int32) int32 { return (fullness + 9*tenScale/1000) / (18 * tenScale / 1000) }

// fullness is 20 − 10^freeCPU − 10^freeMemory, 0 to 18, in tenScale parts.
func fullness(freeCPU, capCPU, freeMem, capMem int64) int32 {
	return 20*tenScale - tenTo(freeCPU, capCPU) - tenTo(freeMem, capMem)
}

// fitTop is the most that fit tells.
const fitTop = 1000

const (
	tenScale = 1_000_000 // of a power of ten in the table
	tenSteps = 1 << 10   // of the table
	tenParts = 1 << 10   // of a step, between which lies a straight line
)

// powers are 10^(i/tenSteps). A line between two of them is off by 7e-6 at
// most, less than a thousandth of the score's last digit.
var powers = func() (t [tenSteps + 2]int32) {
	for i := range t {
		t[i] = int32(math.Round(math.Pow(10, float64(i)/tenSteps) * tenScale))
	}
	return t
}()

// tenTo is 10^(free/total), the share being kept within 0 and 1.
func tenTo(free, total int64) int32 {
	if free <= 0 || total <= 0 {
		return tenScale
	}
	x := int32(float64(min(free, total)) / float64(total) * (tenSteps * tenParts))
	low, part := powers[x/tenParts], x%tenParts
	return low + (powers[x/tenParts+1]-low)*part/tenParts
}
