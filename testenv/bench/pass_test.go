package bench

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// passLine is what `go test -bench` says of a pass over a cluster of one size.
var passLine = regexp.MustCompile(`nodes=(\d+)/slots=(\d+)\S*\s+\d+\s+([0-9.]+) ns/op\s+(\d+) B/op\s+(\d+) allocs/op`)

// BenchmarkPass is a decision over a cluster in which all is well. The
// reconciler's own benchmark measures it; a tenth of the slots on as many nodes
// shows whether garbage grows with them.
func BenchmarkPass(b *testing.B) {
	const limit = 10 * time.Millisecond
	out, err := exec.CommandContext(life, "go", "test", "-run", "^$", "-bench", "Reconcile_NoChange", "-count", "1", "../../reconciler").CombinedOutput()
	if err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	garbage := map[string]string{}
	var took time.Duration
	for _, m := range passLine.FindAllStringSubmatch(string(out), -1) {
		b.Log(m[0])
		if m[1] != "1000" {
			continue
		}
		garbage[m[2]] = m[4] + " B"
		if ns, err := strconv.ParseFloat(m[3], 64); err == nil && m[2] == "20000" {
			took = time.Duration(ns)
		}
	}
	if took == 0 || garbage["2000"] == "" {
		b.Fatalf("the reconciler's benchmark said something else:\n%s", out)
	}
	report(b, took, "pass")
	results.add(row{rank: 5, what: "a pass that changes nothing, 1,000 nodes and 20,000 slots", limit: "<= " + ms(limit) + ", no garbage by slot",
		measured: fmt.Sprintf("%.1f ms, %s (with 2,000 slots %s)", float64(took.Microseconds())/1000, garbage["20000"], garbage["2000"]),
		within:   took <= limit && garbage["20000"] == garbage["2000"]})
}
