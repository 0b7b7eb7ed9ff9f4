package scheduler_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/scheduler"
)

// TestPlace_Curve: what a placement of a plain batch costs grows no faster than
// the logarithm of the nodes, and with twice the slack that a shared machine needs.
// With -v it draws the curve.
func TestPlace_Curve(t *testing.T) {
	const tasks, first, last = 50_000, 1_000, 64_000
	least, lines := time.Duration(0), []string{}
	for count := first; count <= last; count *= 4 {
		each := costOf(count, tasks)
		if least == 0 {
			least = each
		}
		// log 1,000 : log 64,000 is 1 : 1.6.
		line := fmt.Sprintf("%6d nodes %6.2f µs %s", count, float64(each.Nanoseconds())/1000, strings.Repeat("#", int(20*each/least)))
		if lines = append(lines, line); each > 2*least*16/10 {
			t.Errorf("cost grows faster than log(nodes):\n%s", strings.Join(lines, "\n"))
		}
	}
	t.Logf("a placement of a plain batch of %d:\n%s", tasks, strings.Join(lines, "\n"))
}

// costOf is the processor time of one placement on a pool that is laid out, at
// best.
func costOf(count, tasks int) (best time.Duration) {
	pool, requests := benchPool(count, 64*tasks, "plain"), benchRequests(tasks, "plain")
	for range 5 {
		table := scheduler.Open(pool)
		began := processorTime()
		table.Place(requests)
		if spent := (processorTime() - began) / time.Duration(tasks); best == 0 || spent < best {
			best = spent
		}
	}
	return best
}
