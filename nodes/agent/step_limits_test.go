package agent_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
)

// crowd is a rig with n orders whose image is present, listed once.
func crowd(tb fataler, n int, settings string) *rig {
	r := newRig()
	for i := range n {
		r.orders = append(r.orders, parseOrder(tb, fmt.Sprintf("t/w.%d@a ports=http:%d %s", i, 20000+i, settings)))
	}
	slices.SortFunc(r.orders, func(a, b nodes.Order) int { return strings.Compare(a.ID, b.ID) })
	r.step(agent.Input{Listing: r.listing()})
	r.end(0, nil) // the pull
	return r
}

func (r *rig) count(v agent.Verb) (n int) {
	for _, a := range r.underway {
		if a.Verb == v {
			n++
		}
	}
	return n
}

func TestStep_StartsAtMostSoManyAtOnce(t *testing.T) {
	r := crowd(t, 50, "")
	for started := 0; started < 50; started++ {
		if n := r.count(agent.Start); n != min(agent.Starts, 50-started) {
			t.Fatalf("I28: %d starts at once after %d", n, started)
		}
		r.end(0, nil)
	}
}

// TestStep_RetriesLeaveRoom: those that failed before get half of the places.
func TestStep_RetriesLeaveRoom(t *testing.T) {
	r := crowd(t, 20, "")
	for r.count(agent.Start) > 0 {
		r.end(0, &nodes.Failure{Code: nodes.StartFailed, Text: "bad luck"})
	}
	r.now = r.now.Add(time.Minute)
	r.step(agent.Input{})
	if n := r.count(agent.Start); n != agent.Starts/2 {
		t.Fatalf("%d retries at once", n)
	}
	r.orders = append(r.orders, parseOrder(t, "t/z.0@a"))
	r.step(agent.Input{})
	if i := slices.IndexFunc(r.underway, func(a agent.Action) bool { return a.ID == "t/z.0@a" && a.Verb == agent.Start }); i < 0 {
		t.Fatal("I27: a newcomer waits for those that fail")
	}
}

// TestStep_QuietMakesNoGarbage: a node where nothing changes allocates nothing
// but for the probes themselves.
func TestStep_QuietMakesNoGarbage(t *testing.T) {
	r := crowd(t, 100, "health=http")
	r.settle()
	r.out.Reset()
	in := agent.Input{Local: r.local, Orders: r.orders, Now: r.now, Listing: r.listing()}
	if n := testing.AllocsPerRun(100, func() { agent.Step(in) }); n > 0 {
		t.Errorf("%v allocations in a step that changes nothing", n)
	}
}

func BenchmarkStep_Quiet100(b *testing.B) {
	r := crowd(b, 100, "health=http")
	r.settle()
	in := agent.Input{Local: r.local, Orders: r.orders, Now: r.now, Listing: r.listing()}
	b.ReportAllocs()
	for b.Loop() {
		agent.Step(in)
	}
}

// TestStep_IsPure holds the decision to its word: no clock, no context, no
// lock, no I/O, no randomness, no goroutine.
func TestStep_IsPure(t *testing.T) {
	files, err := filepath.Glob("step*.go")
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{"cmp", "iter", "fmt", "hash/fnv", "maps", "slices", "strings", "time", "github.com/bayplan/bayplan/nodes", "github.com/bayplan/bayplan/schema"}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			if name := strings.Trim(i.Path.Value, `"`); !slices.Contains(allowed, name) {
				t.Errorf("%s imports %s", f, name)
			}
		}
	}
}
