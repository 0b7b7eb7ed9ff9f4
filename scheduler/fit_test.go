package scheduler

import (
	"math"
	"testing"
)

// TestFullness_Table is the score of the free shares of cpu and memory, as the
// papers have it.
func TestFullness_Table(t *testing.T) {
	for _, c := range []struct {
		cpu, mem int64 // percent
		want     float64
	}{{0, 0, 1}, {10, 10, .9712}, {50, 50, .7597}, {25, 75, .6999}, {50, 0, .8799}, {0, 100, .5}, {100, 100, 0}} {
		got := float64(fullness(c.cpu, 100, c.mem, 100)) / (18 * tenScale)
		if math.Round(got*1e4)/1e4 != c.want {
			t.Errorf("%d, %d: %.4f, want %.4f", c.cpu, c.mem, got, c.want)
		}
	}
}

// TestPowers_NoneIsInDoubt: no power lies so near to the middle between two
// whole numbers that another machine's rounding could come to the other one.
func TestPowers_NoneIsInDoubt(t *testing.T) {
	for i := range powers {
		v := math.Pow(10, float64(i)/tenSteps) * tenScale
		if part := v - math.Floor(v); math.Abs(part-.5) < 1e-7 {
			t.Errorf("10^(%d/%d) is %v", i, tenSteps, v)
		}
	}
}
