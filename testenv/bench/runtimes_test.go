package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes/agent/runtimetest/steps"
	"github.com/bayplan/bayplan/testenv/image"
)

// The limits of every side's containers.
const (
	memoryLimit = 64 << 20
	pidsLimit   = 100
)

// BenchmarkRuntimes has the same containers started and ended by the built-in
// runtime, by the Docker Engine and by runc with conmon, in turns.
func BenchmarkRuntimes(b *testing.B) {
	const rounds, perDocker, perRunc, endsPerDocker = 5, 3.5, 1.3, 5
	if life.Err() != nil {
		b.Fatal("interrupted")
	}
	ref := image.NewRegistry(b).Push(b, "bench/program:1", image.Program(b, "1"))
	ours := newBuiltin(b, ref)
	all := []*contestant{{name: "built-in", side: ours}, {name: "Docker", side: newDocker(b, ref)}}
	missing := runcMissing()
	if missing == "" {
		all = append(all, &contestant{name: "runc", side: newRunc(b, ours.root(), steps.Path, "sleep")})
	}
	compete(b, rounds, all)
	own, engine := all[0], all[1]
	what := fmt.Sprintf("%d containers, %d at once: ", inTurn, atOnce)
	results.add(against(10, what+"started, built-in against Docker's API", perDocker, own.starts, engine.starts, ""))
	if missing == "" {
		runc := all[2]
		results.add(against(11, what+"started, built-in against runc with conmon", perRunc, own.starts, runc.starts,
			fmt.Sprintf(", a life %.0f ms of processor against %.0f ms", middle(own.cpu), middle(runc.cpu))))
	} else {
		results.add(row{rank: 11, what: what + "started, built-in against runc with conmon", limit: fmt.Sprintf(">= %.1fx", perRunc), measured: "not measured: " + missing})
	}
	results.add(against(12, what+"stopped and removed, built-in against Docker's API", endsPerDocker, own.ends, engine.ends, ""))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(middle(own.starts), "starts/s")
	b.ReportMetric(middle(own.ends), "ends/s")
	adopted(b, ours)
}

// adopted measures what a new agent takes to know what the one before it left,
// and what the monitors need meanwhile.
func adopted(b *testing.B, s *builtinSide) {
	const times, limit, memory = 5, 50 * time.Millisecond, 3.0
	rate(b, s.start)
	var took series
	for range times {
		took = append(took, s.adopt())
	}
	results.add(row{rank: 13, what: fmt.Sprintf("built-in runtime: %d containers adopted", inTurn), limit: "<= " + ms(limit),
		measured: took.String(), within: took.median() <= limit})
	var each []float64
	for _, folder := range s.folders() {
		each = append(each, proportional(b, started(b, folder).Monitor.Pid))
	}
	results.add(row{rank: 18, what: fmt.Sprintf("a monitor beside %d others, PSS", inTurn-1), limit: fmt.Sprintf("<= %.0f MB", memory),
		measured: fmt.Sprintf("%.1f MB", middle(each)), within: middle(each) <= memory})
}

// root is a folder with the image's files: its one layer.
func (s *builtinSide) root() string {
	s.b.Helper()
	all, err := filepath.Glob(filepath.Join(s.dir, "images", "layers", "*", "fs"))
	if err != nil || len(all) != 1 {
		s.b.Fatalf("%d layers, %v", len(all), err)
	}
	if _, err := os.Stat(filepath.Join(all[0], steps.Path)); err != nil {
		s.b.Fatal(err)
	}
	return all[0]
}

func (s *builtinSide) folders() []string {
	s.b.Helper()
	all, err := filepath.Glob(filepath.Join(s.dir, "containers", "[^.]*"))
	if err != nil || len(all) != inTurn {
		s.b.Fatalf("%d containers, %v", len(all), err)
	}
	return all
}
