// Play runs simulated clusters: the seeds that it is told, all histories that once
// went wrong, or a scenario. Its last line says what came of it.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/bayplan/bayplan/testenv/sim"
)

func main() {
	p := player{}
	seeds := flag.String("seeds", "1:+100", "which seeds, as FIRST:+COUNT")
	flag.StringVar(&p.commit, "commit", "unknown", "the commit that is tested, for the report")
	flag.DurationVar(&p.most, "cpu", 0, "begin no further seed after so much processor time; 0 is no bound")
	flag.IntVar(&p.twice, "twice", 10, "play every so many seeds twice, and compare; 0 is never")
	flag.BoolVar(&p.regressions, "regressions", true, "play the histories that once went wrong, too")
	flag.BoolVar(&p.first, "first", false, "end with the first violation, and name no more than its seed")
	one := flag.String("scenario", "", "play this alone, JSON as a report prints it, and tell all that happens")
	speed := flag.Bool("speed", false, "tell how fast clusters of some sizes are played")
	flag.Parse()
	var err error
	switch {
	case *speed:
		speeds()
	case *one != "":
		err = alone(*one)
	default:
		err = p.play(*seeds)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(1)
	}
}

// player plays many scenarios, and shows the first few that go wrong.
type player struct {
	commit      string
	most        time.Duration
	twice       int
	regressions bool
	first       bool

	mu         sync.Mutex
	seeds      int
	lasted     time.Duration
	violations int
}

// shown is how many violations are shown in full.
const shown = 3

func (p *player) play(seeds string) error {
	first, count, err := parse(seeds)
	if err != nil {
		return err
	}
	if p.regressions {
		all, err := sim.Regressions()
		if err != nil {
			return err
		}
		for i := range all {
			p.one(all[i].Scenario, false)
		}
	}
	next := make(chan uint64)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed := range next {
				p.one(sim.Draw(seed), p.twice > 0 && seed%uint64(p.twice) == 0)
			}
		})
	}
	for seed := first; seed < first+count && !p.over(); seed++ {
		next <- seed
	}
	close(next)
	workers.Wait()
	fmt.Printf("sim: %d seeds, %.0f cluster-hours, %.0f cpu-s, %d violations\n", p.seeds, p.lasted.Hours(), spent().Seconds(), p.violations)
	if p.violations > 0 {
		return errors.New("what is always true was violated")
	}
	return nil
}

// over is whether no further seed is to begin.
func (p *player) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most > 0 && spent() >= p.most || p.first && p.violations > 0
}

// one plays a scenario, and where it goes wrong looks for less that does.
func (p *player) one(s sim.Scenario, twice bool) {
	r := sim.Run(s, false)
	differs := twice && sim.Run(s, false).Sum != r.Sum
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seeds++
	p.lasted += r.Lasted
	if p.first && (differs || r.Violation != nil) {
		p.found(r)
		return
	}
	if differs {
		p.violations++
		fmt.Printf("seed %d at commit %s: two runs of it differ: something enters that is no part of the seed\n", s.Seed, p.commit)
	}
	if r.Violation == nil {
		return
	}
	if p.violations++; p.violations > shown {
		fmt.Printf("seed %d at commit %s violates %s: %s\n", s.Seed, p.commit, r.Violation.Invariant, r.Violation.Text)
		return
	}
	sim.Show(os.Stdout, sim.Shrink(r), p.commit)
}

// found names the first violation; p.mu is held.
func (p *player) found(r sim.Result) {
	what, text := "I14", "two runs of it differ"
	if v := r.Violation; v != nil {
		what, text = v.Invariant, v.Text
	}
	if p.violations++; p.violations == 1 {
		fmt.Printf("found %s with seed %d: %s\n", what, r.Scenario.Seed, text)
	}
}

func parse(seeds string) (first, count uint64, err error) {
	a, b, more := strings.Cut(seeds, ":+")
	if first, err = strconv.ParseUint(a, 10, 64); err == nil && more {
		count, err = strconv.ParseUint(b, 10, 64)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("-seeds %s: want FIRST:+COUNT, as in 1:+100", seeds)
	}
	return first, max(count, 1), nil
}

// alone tells all that happens in one scenario.
func alone(text string) error {
	var s sim.Scenario
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return fmt.Errorf("-scenario: %w", err)
	}
	r := sim.Run(s, true)
	for _, line := range r.Trace {
		fmt.Println(strings.TrimRight(line, " "))
	}
	if r.Violation != nil {
		return r.Violation
	}
	return nil
}

// speeds plays clusters of some sizes, with the faults of their seeds.
func speeds() {
	for _, c := range []struct {
		nodes, workloads int
		floor            float64
	}{{20, 40, 20}, {100, 200, 3}, {1000, 2000, 0.25}} {
		began, lasted := spent(), time.Duration(0)
		for seed := uint64(1); spent()-began < 10*time.Second && seed < 20; seed++ {
			s := sim.Draw(seed)
			s.Nodes, s.Workloads = c.nodes, c.workloads
			lasted += sim.Run(s, false).Lasted
		}
		rate := lasted.Hours() / (spent() - began).Seconds()
		fmt.Printf("%5d nodes, %5d workloads: %7.2f cluster-hours a cpu-s, to be at least %.2f\n", c.nodes, c.workloads, rate, c.floor)
	}
}

// spent is the processor time of this process.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("getrusage of oneself cannot fail: " + err.Error())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
