package scheduler_test

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/bayplan/bayplan/scheduler"
)

// mostBytes is by how much the heap may grow for a task beside what the caller
// has of it.
const mostBytes = 200

// TestPlace_Memory: no work holds more than that for each task when all are
// placed, nor on the way. The sizes are those at which a map is as empty as it
// gets, beside the round ones.
func TestPlace_Memory(t *testing.T) {
	for _, c := range []struct {
		work         string
		nodes, tasks int
	}{
		{"plain", 1_000, 100_000}, {"spread", 1_000, 10_000}, {"spread", 5_000, 100_000}, {"ports", 1_000, 10_000}, {"ports", 1_000, 100_000},
		{"single", 1_000, 10_000}, {"single", 20_000, 7_200}, {"single", 20_000, 14_500}, {"single", 20_000, 29_000},
		{"pools", 1_000, 10_000}, {"pools", 5_000, 100_000}, {"update", 1_000, 2_500}, {"nofit", 1_000, 100_000},
	} {
		g := growthOf(c.work, c.nodes, c.tasks)
		line := fmt.Sprintf("%-6s %6d nodes, %6d tasks: %3.0f B/task kept, %3.0f at most", c.work, c.nodes, c.tasks, g.kept, g.peak)
		if t.Log(line); max(g.kept, g.peak) > mostBytes {
			t.Error(line)
		}
	}
}

// growth is by how many bytes the heap grew for each task.
type growth struct {
	// kept is what is held when all are placed: the results, and what the Table
	// knows more than before.
	kept float64
	// peak is all that was allocated on the way, as if nothing of it had been
	// collected before the end: no heap can have grown by more.
	peak float64
}

// growthOf lays a pool out, which costs by the node, and then places tasks.
func growthOf(work string, nodes, tasks int) growth {
	pool, requests := benchCase(work, nodes, tasks)
	t := scheduler.Open(pool)
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	before := memory()
	placed, unplaced := t.Place(requests)
	peak := memory()
	runtime.GC()
	kept := memory()
	runtime.KeepAlive([]any{t, requests, placed, unplaced})
	return growth{kept: (float64(kept.HeapAlloc) - float64(before.HeapAlloc)) / float64(tasks),
		peak: float64(peak.TotalAlloc-before.TotalAlloc) / float64(tasks)}
}

func memory() (m runtime.MemStats) {
	runtime.ReadMemStats(&m)
	return m
}
