package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// usual is a step of a rollout: three assignments, one rollout, three events.
func usual(f reconciler.Facts, i int) (reconciler.Facts, []status.Event) {
	f.Rollouts = slices.Clone(f.Rollouts)
	f.Rollouts[i%len(f.Rollouts)].Progress++
	f.Nodes = slices.Clone(f.Nodes)
	for k := range 3 {
		n := (i + k*7) % len(f.Nodes)
		f.Nodes[n].Assignment = reassigned(f.Nodes[n].Assignment)
	}
	return f, eventsOf(i, 3)
}

func benchLedger(b *testing.B, f reconciler.Facts) *Term {
	b.Helper()
	term := campaign(b, open(b, b.TempDir()))
	if err := term.Record(b.Context(), reconciler.Facts{}, f, nil); err != nil {
		b.Fatal(err)
	}
	return term
}

func BenchmarkRecord_UsualChange(b *testing.B) {
	for _, size := range []struct{ nodes, slots int }{{5, 10}, {100, 20}, {1000, 20}} {
		b.Run(fmt.Sprintf("nodes=%d", size.nodes), func(b *testing.B) {
			f := clusterOf(size.nodes, size.slots)
			term := benchLedger(b, f)
			for i := 0; b.Loop(); i++ {
				after, events := usual(f, i)
				if err := term.Record(b.Context(), f, after, events); err != nil {
					b.Fatal(err)
				}
				f = after
			}
		})
	}
}

// A pass that changed nothing, from facts that were built anew.
func BenchmarkRecord_NothingChanged(b *testing.B) {
	f := clusterOf(1000, 20)
	same := f
	same.Nodes, same.Rollouts = slices.Clone(f.Nodes), slices.Clone(f.Rollouts)
	term := benchLedger(b, f)
	for b.Loop() {
		if err := term.Record(b.Context(), f, same, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRecord_ThousandNodes(b *testing.B) {
	f := clusterOf(1000, 20)
	term := benchLedger(b, f)
	for b.Loop() {
		after := f
		after.Nodes = slices.Clone(f.Nodes)
		for n := range after.Nodes {
			after.Nodes[n].Assignment = reassigned(f.Nodes[n].Assignment)
		}
		if err := term.Record(b.Context(), f, after, nil); err != nil {
			b.Fatal(err)
		}
		f = after
	}
}

func BenchmarkFacts_ThousandNodes(b *testing.B) {
	term := benchLedger(b, clusterOf(1000, 20))
	for b.Loop() {
		facts(b, term.l)
	}
}

// childIdle holds 100 workloads on 50 nodes after 1,500 changes and tells its
// resident memory.
func childIdle(dir string) {
	ctx := context.Background()
	l, err := Open(ctx, Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	defer l.Close()
	term, err := l.Campaign(ctx)
	if err != nil {
		panic(err)
	}
	f := clusterOf(1000, 2)
	f.Nodes = f.Nodes[:50]
	before := reconciler.Facts{}
	for i := range 1500 {
		after, events := usual(f, i)
		if err := insist(func() error { return term.Record(ctx, before, after, events) }); err != nil {
			panic(err)
		}
		before, f = after, after
	}
	runtime.GC()
	debug.FreeOSMemory()
	fmt.Println(rssKiB(), runtime.NumGoroutine())
	runtime.KeepAlive(f)
}

func rssKiB() int {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.Atoi(strings.Fields(v)[0])
			return n
		}
	}
	return 0
}

// The whole server may take 150 MB with 100 workloads; this is the ledger's
// part, the test binary included.
func TestLedger_IdleMemory(t *testing.T) {
	t.Parallel()
	var kib, goroutines int
	if _, err := fmt.Sscan(childOutput(t, "idle", t.TempDir()), &kib, &goroutines); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MiB resident, %d goroutines", kib>>10, goroutines)
	// Without the race detector it is some 40 MiB; with it up to 101 were seen.
	// What grows without bound is far above this.
	if kib>>10 > 200 {
		t.Errorf("%d MiB resident", kib>>10)
	}
}
